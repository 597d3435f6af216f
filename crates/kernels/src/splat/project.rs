//! Gaussians of the world as Gaussians on the screen.
//!
//! A splat has a mean m, a rotation R from a quaternion, scales s and so the covariance R diag(s)² Rᵀ. With rows c₀, c₁, c₃ of
//! clip_from_world, w = c₃ · (m, 1) and X = c₀ · (m, 1) / w, the pixel is x = (X + 1) W/2, and its derivative by m
//!
//! ```text
//! t₀ = (c₀ − X̂ c₃) W / 2w          t₁ = −(c₁ − Ŷ c₃) H / 2w          U = T R diag(s)          Σ = U Uᵀ + blur I
//! ```
//!
//! with X̂ and Ŷ held within limits, since far outside of the picture the derivative says nothing of a splat's shape. c₃ = (0, 0, 0, 1) is a
//! parallel camera; nothing else tells lenses apart. The determinant before the blur is |u₀ × u₁|², which does not cancel in f32; after it,
//! det = |u₀ × u₁|² + blur (|u₀|² + |u₁|²) + blur². The inverse (a, b, c) of Σ is the conic. An antialiased splat's opacity is multiplied by √(det before / det after).

use super::CameraRows;
use super::lanes::{Kept, add_camera, camera_lanes, columns, dot, kept_lanes, put_columns, row_of_point, within};
use super::stated::LEAST_COMPENSATION;
use crate::compiled::compiled;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector, math};
use crate::threads::{self, SharedSlice};

/// Splats whose contributions to the camera's gradient are summed before they are added to the others': a multiple of all lanes.
const CHUNK: usize = 512;
/// Nanoseconds a splat, by which work is split.
const PROJECT_NS: f64 = 12.0;

/// How splats are projected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectRule {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Added to the variances on the screen, in square pixels.
    pub blur: f64,
    /// The depth that a splat which is drawn exceeds.
    pub near: f64,
    /// Whether opacity makes up for what the blur adds.
    pub antialiased: bool,
}

/// Splats as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct SplatShapes<'a, T> {
    /// `(N, 3)`
    pub means: &'a [T],
    /// `(N, 4)`: quaternions x, y, z, w of any length but 0.
    pub rotations: &'a [T],
    /// `(N, 3)`: logarithms of the scales.
    pub log_scales: &'a [T],
    /// `(N)`: what the logistic function makes opacities of.
    pub logits: &'a [T],
}

/// [`SplatShapes`] to be written.
#[derive(Debug)]
pub struct SplatShapesMut<'a, T> {
    /// `(N, 3)`
    pub means: &'a mut [T],
    /// `(N, 4)`
    pub rotations: &'a mut [T],
    /// `(N, 3)`
    pub log_scales: &'a mut [T],
    /// `(N)`
    pub logits: &'a mut [T],
}

/// Splats on the screen.
#[derive(Debug, Clone, Copy)]
pub struct ScreenSplats<'a, T> {
    /// `(N, 2)`: pixels from the upper left corner of the picture; the centre of the first one is (½, ½).
    pub positions: &'a [T],
    /// `(N, 3)`: a, b, c of the inverse covariance ((a, b), (b, c)), for 1 / square pixels.
    pub conics: &'a [T],
    /// `(N)`: distances from the plane of the eye, by which splats are ordered.
    pub depths: &'a [T],
    /// `(N)`: 0 of what is not drawn.
    pub opacities: &'a [T],
}

/// [`ScreenSplats`] to be written.
#[derive(Debug)]
pub struct ScreenSplatsMut<'a, T> {
    /// `(N, 2)`
    pub positions: &'a mut [T],
    /// `(N, 3)`
    pub conics: &'a mut [T],
    /// `(N)`
    pub depths: &'a mut [T],
    /// `(N)`
    pub opacities: &'a mut [T],
}

impl<T> SplatShapes<'_, T> {
    fn check(&self) -> usize {
        let n = self.logits.len();
        let fit = self.means.len() == 3 * n && self.rotations.len() == 4 * n && self.log_scales.len() == 3 * n;
        assert!(fit, "a mean, a rotation and scales for each logit");
        n
    }
}

impl<T> ScreenSplats<'_, T> {
    pub(super) fn check(&self) -> usize {
        let n = self.opacities.len();
        let fit = self.positions.len() == 2 * n && self.conics.len() == 3 * n && self.depths.len() == n;
        assert!(fit, "a position, a conic and a depth for each opacity");
        n
    }
}

impl<T> ScreenSplatsMut<'_, T> {
    pub(super) fn check(&self) -> usize {
        ScreenSplats { positions: self.positions, conics: self.conics, depths: self.depths, opacities: self.opacities }.check()
    }
}

compiled! {
    /// Splats on the screen. Those that are not drawn become rows of 0: what is not beyond `near`, and what is not finite; the result is how many of these
    /// are before the camera.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn project<T: Lanes>(rule: ProjectRule, camera: &CameraRows, splats: SplatShapes<'_, T>, out: ScreenSplatsMut<'_, T>) -> usize {
        let n = splats.check();
        assert!(out.check() == n, "as many splats on the screen as there are");
        let chunks = n.div_ceil(CHUNK);
        let out = [out.positions, out.conics, out.depths, out.opacities].map(SharedSlice::new);
        let parts = threads::parts(n, PROJECT_NS).min(chunks.max(1));
        let mut skipped = vec![0; parts];
        threads::split_mut(&mut skipped, 1, parts, |part, skipped| {
            let range = threads::range(n, CHUNK, parts, part);
            let [positions, conics, depths, opacities] = [2, 3, 1, 1];
            // SAFETY: parts differ in their splats, and each writes the rows of its own.
            let [positions, conics, depths, opacities] = [(0, positions), (1, conics), (2, depths), (3, opacities)]
                .map(|(k, wide)| unsafe { out[k].part(range.start * wide..range.end * wide) });
            let out = ScreenSplatsMut { positions, conics, depths, opacities };
            skipped[0] = simd::dispatch(Project { rule, camera, splats: splats.rows(range), out });
        });
        skipped.into_iter().sum()
    }

    /// The gradients of [`project`] from those of its results, for the splats whose depth is above 0 there; that of the camera is returned (row 4, the eye, gets none).
    ///
    /// The sums over splats are made in an order that does not depend on threads.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn project_gradient<T: Lanes>(rule: ProjectRule, camera: &CameraRows, splats: SplatShapes<'_, T>, depths: &[T], cotangents: ScreenSplats<'_, T>, out: SplatShapesMut<'_, T>) -> CameraRows {
        let n = splats.check();
        let written = SplatShapes { means: out.means, rotations: out.rotations, log_scales: out.log_scales, logits: out.logits }.check();
        assert!(written == n && cotangents.check() == n && depths.len() == n, "gradients of as many splats as there are");
        let chunks = n.div_ceil(CHUNK);
        let out = [out.means, out.rotations, out.log_scales, out.logits].map(SharedSlice::new);
        let mut sums = vec![[0.0; 24]; chunks];
        threads::split_mut(&mut sums, 1, threads::parts(n, 3.0 * PROJECT_NS).min(chunks.max(1)), |first, sums| {
            for (chunk, sums) in sums.iter_mut().enumerate() {
                let start = (first + chunk) * CHUNK;
                let range = start..n.min(start + CHUNK);
                // SAFETY: chunks differ in their splats, and each writes the rows of its own.
                let [means, rotations, log_scales, logits] = [(0, 3), (1, 4), (2, 3), (3, 1)]
                    .map(|(k, wide)| unsafe { out[k].part(range.start * wide..range.end * wide) });
                let out = SplatShapesMut { means, rotations, log_scales, logits };
                let (depths, cotangents) = (&depths[range.clone()], cotangents.rows(range.clone()));
                simd::dispatch(ProjectGradient { rule, camera, splats: splats.rows(range), depths, cotangents, out, sums });
            }
        });
        sums.iter().fold([0.0; 24], |sum, part| std::array::from_fn(|k| sum[k] + part[k]))
    }
}

impl<'a, T> SplatShapes<'a, T> {
    fn rows(&self, range: std::ops::Range<usize>) -> SplatShapes<'a, T> {
        let of = |x: &'a [T], wide: usize| &x[range.start * wide..range.end * wide];
        SplatShapes {
            means: of(self.means, 3),
            rotations: of(self.rotations, 4),
            log_scales: of(self.log_scales, 3),
            logits: of(self.logits, 1),
        }
    }
}

impl<'a, T> ScreenSplats<'a, T> {
    fn rows(&self, range: std::ops::Range<usize>) -> ScreenSplats<'a, T> {
        let of = |x: &'a [T], wide: usize| &x[range.start * wide..range.end * wide];
        ScreenSplats {
            positions: of(self.positions, 2),
            conics: of(self.conics, 3),
            depths: of(self.depths, 1),
            opacities: of(self.opacities, 1),
        }
    }
}

/// What both directions compute of a register of splats.
struct Projected<V> {
    w: V,
    /// X, Y
    ndc: [V; 2],
    /// X̂, Ŷ
    held: [V; 2],
    t: [[V; 3]; 2],
    /// The quaternion of length 1, and 1 / its length before.
    unit: [V; 4],
    inverse_length: V,
    scales: [V; 3],
    /// R diag(s)
    m: [[V; 3]; 3],
    u: [[V; 3]; 2],
    /// Variances and covariance before the blur: xx, xy, yy.
    sharp: [V; 3],
    /// Determinants before and after.
    det: [V; 2],
    conic: [V; 3],
    /// The sigmoid of the logit, and what antialiasing multiplies it with.
    opacity: V,
    ratio: V,
    compensation: V,
}

/// Means, rotations, log scales and logits in registers.
struct Columns<V> {
    mean: [V; 3],
    rotation: [V; 4],
    log_scales: [V; 3],
    logit: V,
}

impl<V: Vector> Columns<V> {
    #[inline(always)]
    fn read(isa: Enabled<V>, kept: &Kept, splats: &SplatShapes<'_, V::Element>, at: usize) -> Self {
        Self {
            mean: columns(isa, kept, &splats.means[3 * at..]),
            rotation: columns(isa, kept, &splats.rotations[4 * at..]),
            log_scales: columns(isa, kept, &splats.log_scales[3 * at..]),
            logit: columns::<V, 1>(isa, kept, &splats.logits[at..])[0],
        }
    }
}

#[inline(always)]
fn projected<V: Vector>(isa: Enabled<V>, rule: &ProjectRule, camera: &[[V; 4]; 6], of: &Columns<V>, w: V) -> Projected<V> {
    let one = isa.constant(1.0);
    let half = [isa.constant(0.5 * rule.width as f64), isa.constant(-0.5 * rule.height as f64)];
    let inverse_w = one / w;
    let ndc = [row_of_point(camera[0], of.mean) * inverse_w, row_of_point(camera[1], of.mean) * inverse_w];
    let held = [ndc[0].max(camera[5][0]).min(camera[5][1]), ndc[1].max(camera[5][2]).min(camera[5][3])];
    let mut t = [[one; 3]; 2];
    for i in 0..2 {
        for k in 0..3 {
            t[i][k] = (camera[i][k] - held[i] * camera[2][k]) * (half[i] * inverse_w);
        }
    }
    let q = of.rotation;
    let inverse_length = one / (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]).sqrt();
    let unit = q.map(|q| q * inverse_length);
    let [x, y, z, qw] = unit;
    let two = isa.constant(2.0);
    let r = [
        [one - two * (y * y + z * z), two * (x * y - qw * z), two * (x * z + qw * y)],
        [two * (x * y + qw * z), one - two * (x * x + z * z), two * (y * z - qw * x)],
        [two * (x * z - qw * y), two * (y * z + qw * x), one - two * (x * x + y * y)],
    ];
    // An exponential takes up to 1000; that is infinite in f32, and in f64.
    let most = isa.constant(1000.0);
    let [s0, s1, s2, e] =
        math::exp([most.min(of.log_scales[0]), most.min(of.log_scales[1]), most.min(of.log_scales[2]), most.min(-of.logit)]);
    let scales = [s0, s1, s2];
    let m = r.map(|row| [row[0] * scales[0], row[1] * scales[1], row[2] * scales[2]]);
    let mut u = [[one; 3]; 2];
    for i in 0..2 {
        for j in 0..3 {
            u[i][j] = dot(t[i], [m[0][j], m[1][j], m[2][j]]);
        }
    }
    let sharp = [dot(u[0], u[0]), dot(u[0], u[1]), dot(u[1], u[1])];
    let across =
        [u[0][1] * u[1][2] - u[0][2] * u[1][1], u[0][2] * u[1][0] - u[0][0] * u[1][2], u[0][0] * u[1][1] - u[0][1] * u[1][0]];
    let blur = isa.constant(rule.blur);
    let before = dot(across, across);
    let after = blur.mul_add(sharp[0] + sharp[2] + blur, before);
    let inverse = one / after;
    let conic = [(sharp[2] + blur) * inverse, -sharp[1] * inverse, (sharp[0] + blur) * inverse];
    let ratio = before * inverse;
    let compensation = match rule.antialiased {
        true => ratio.max(isa.constant(LEAST_COMPENSATION * LEAST_COMPENSATION)).sqrt(),
        false => one,
    };
    let opacity = one / (one + e);
    Projected {
        w,
        ndc,
        held,
        t,
        unit,
        inverse_length,
        scales,
        m,
        u,
        sharp,
        det: [before, after],
        conic,
        opacity,
        ratio,
        compensation,
    }
}

struct Project<'a, T> {
    rule: ProjectRule,
    camera: &'a CameraRows,
    splats: SplatShapes<'a, T>,
    out: ScreenSplatsMut<'a, T>,
}

impl<T: Lanes> Kernel<T> for Project<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> usize {
        let Self { rule, camera, splats, out } = self;
        let rows = camera_lanes(isa, camera);
        let (one, half) = (isa.constant(1.0), [isa.constant(0.5 * rule.width as f64), isa.constant(0.5 * rule.height as f64)]);
        let near = T::from_f64(rule.near);
        let mut skipped = 0;
        for at in (0..splats.logits.len()).step_by(V::LANES) {
            let here = V::LANES.min(splats.logits.len() - at);
            let of = Columns::read(isa, &[true; MAX_LANES], &splats, at);
            let w = row_of_point(rows[2], of.mean);
            let depth = row_of_point(rows[3], of.mean);
            let p = projected(isa, &rule, &rows, &of, w);
            let [a, b, c] = p.conic;
            let position = [(p.ndc[0] + one) * half[0], (one - p.ndc[1]) * half[1]];
            let found = [position[0], position[1], a, b, c, p.opacity * p.compensation, depth, w];
            let mut lanes = [[T::ZERO; MAX_LANES]; 8];
            for (lanes, found) in lanes.iter_mut().zip(found) {
                found.write(lanes);
            }
            for lane in 0..here {
                let found: [T; 8] = std::array::from_fn(|k| lanes[k][lane]);
                let [x, y, a, b, c, opacity, depth, w] = found;
                let finite = found.iter().all(|x| x.is_finite());
                let before = depth > near && w > T::ZERO;
                skipped += usize::from(!finite && (before || !depth.is_finite()));
                let row = if finite && before { [x, y, a, b, c, depth, opacity] } else { [T::ZERO; 7] };
                let i = at + lane;
                out.positions[2 * i..][..2].copy_from_slice(&row[..2]);
                out.conics[3 * i..][..3].copy_from_slice(&row[2..5]);
                (out.depths[i], out.opacities[i]) = (row[5], row[6]);
            }
        }
        skipped
    }
}

struct ProjectGradient<'a, T> {
    rule: ProjectRule,
    camera: &'a CameraRows,
    splats: SplatShapes<'a, T>,
    depths: &'a [T],
    cotangents: ScreenSplats<'a, T>,
    out: SplatShapesMut<'a, T>,
    sums: &'a mut CameraRows,
}

impl<T: Lanes> Kernel<T> for ProjectGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { rule, camera, splats, depths, cotangents, out, sums } = self;
        let rows = camera_lanes(isa, camera);
        let mut camera_bar = [[isa.zero(); 4]; 6];
        for at in (0..depths.len()).step_by(V::LANES) {
            let mut kept = [false; MAX_LANES];
            depths[at..].iter().zip(&mut kept[..V::LANES]).for_each(|(&depth, kept)| *kept = depth > T::ZERO);
            let mut of = Columns::read(isa, &kept, &splats, at);
            // What is not drawn may be anything: it becomes a splat without cotangents whose numbers are finite.
            let absent = isa.constant(1.0) - kept_lanes(isa, &kept);
            of.rotation[3] += absent;
            let one = isa.constant(1.0);
            let w = isa.constant(0.5).where_less(absent, one, row_of_point(rows[2], of.mean));
            let p = projected(isa, &rule, &rows, &of, w);
            let position: [V; 2] = columns(isa, &kept, &cotangents.positions[2 * at..]);
            let conic: [V; 3] = columns(isa, &kept, &cotangents.conics[3 * at..]);
            let [depth] = columns::<V, 1>(isa, &kept, &cotangents.depths[at..]);
            let [opacity] = columns::<V, 1>(isa, &kept, &cotangents.opacities[at..]);
            let bars = ScreenBars { position, conic, depth, opacity };
            let (mean, rotation, scales, logit) = pull(isa, &rule, &rows, &of, &p, bars, &mut camera_bar);
            put_columns(mean, &kept, &mut out.means[3 * at..]);
            put_columns(rotation, &kept, &mut out.rotations[4 * at..]);
            put_columns(scales, &kept, &mut out.log_scales[3 * at..]);
            put_columns([logit], &kept, &mut out.logits[at..]);
        }
        add_camera(sums, &camera_bar);
    }
}

/// Cotangents of what [`project`] gives.
struct ScreenBars<V> {
    position: [V; 2],
    conic: [V; 3],
    depth: V,
    opacity: V,
}

/// Cotangents of mean, rotation, log scales and logit; those of the camera are added to its rows.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what the forward pass had, what it found, and the cotangents")]
fn pull<V: Vector>(
    isa: Enabled<V>,
    rule: &ProjectRule,
    camera: &[[V; 4]; 6],
    of: &Columns<V>,
    p: &Projected<V>,
    bars: ScreenBars<V>,
    camera_bar: &mut [[V; 4]; 6],
) -> ([V; 3], [V; 4], [V; 3], V) {
    let (zero, one, two) = (isa.zero(), isa.constant(1.0), isa.constant(2.0));
    let half = [isa.constant(0.5 * rule.width as f64), isa.constant(-0.5 * rule.height as f64)];
    let (inverse_w, inverse_det) = (one / p.w, one / p.det[1]);
    // opacity = σ(logit) · compensation
    let logit_bar = bars.opacity * p.compensation * p.opacity * (one - p.opacity);
    // Σ̄ = −Q Q̄ Q, with Q̄'s off-diagonal entry shared by both places.
    let [a, b, c] = p.conic;
    let [ga, gb, gc] = [bars.conic[0], isa.constant(0.5) * bars.conic[1], bars.conic[2]];
    let (ka, kb, kc, kd) = (a * ga + b * gb, a * gb + b * gc, b * ga + c * gb, b * gb + c * gc);
    let mut sigma = [-(ka * a + kb * b), -(ka * b + kb * c), -(kc * b + kd * c)];
    if rule.antialiased {
        // √max(ratio, least²), of ratio = before / after; the derivatives of determinants are the adjugates.
        let least = isa.constant(LEAST_COMPENSATION * LEAST_COMPENSATION);
        let ratio_bar = least.where_less(p.ratio, bars.opacity * p.opacity / (two * p.compensation), zero);
        let (before, after) = (ratio_bar * inverse_det, -ratio_bar * p.ratio);
        sigma[0] += before * p.sharp[2] + after * a;
        sigma[1] += after * b - before * p.sharp[1];
        sigma[2] += before * p.sharp[0] + after * c;
    }
    // Ū = 2 Σ̄ U; T̄ = Ū Mᵀ; M̄ = Tᵀ Ū
    let mut u = [[zero; 3]; 2];
    for j in 0..3 {
        u[0][j] = two * (sigma[0] * p.u[0][j] + sigma[1] * p.u[1][j]);
        u[1][j] = two * (sigma[1] * p.u[0][j] + sigma[2] * p.u[1][j]);
    }
    let mut m = [[zero; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            m[i][j] = p.t[0][i] * u[0][j] + p.t[1][i] * u[1][j];
        }
    }
    let mut scales = [zero; 3];
    for j in 0..3 {
        scales[j] = dot([m[0][j], m[1][j], m[2][j]], [p.m[0][j], p.m[1][j], p.m[2][j]]);
    }
    let r = m.map(|row| [row[0] * p.scales[0], row[1] * p.scales[1], row[2] * p.scales[2]]);
    let rotation = rotation_bar(isa, p, &r);
    // The pixel, the derivative T, and w, which divides both.
    let mut mean = [zero; 3];
    let mut w_bar = zero;
    for i in 0..2 {
        let t = [dot(u[i], p.m[0]), dot(u[i], p.m[1]), dot(u[i], p.m[2])];
        let scale = half[i] * inverse_w;
        let held_bar = -scale * dot(t, [camera[2][0], camera[2][1], camera[2][2]]);
        let [low, high] = [camera[5][2 * i], camera[5][2 * i + 1]];
        let inside = within(p.ndc[i], low, high);
        camera_bar[5][2 * i] += p.ndc[i].where_less(low, held_bar, zero);
        camera_bar[5][2 * i + 1] += high.where_less(p.ndc[i], held_bar, zero);
        // x = (X + 1) W/2 and y = (1 − Y) H/2
        let ndc_bar = bars.position[i] * half[i] + inside * held_bar;
        let clip_bar = ndc_bar * inverse_w;
        for k in 0..3 {
            camera_bar[i][k] += scale * t[k] + clip_bar * of.mean[k];
            camera_bar[2][k] -= scale * p.held[i] * t[k];
            mean[k] += clip_bar * camera[i][k];
        }
        camera_bar[i][3] += clip_bar;
        w_bar -= clip_bar * p.ndc[i] + dot(t, p.t[i]) * inverse_w;
    }
    for (row, bar) in [(2, w_bar), (3, bars.depth)] {
        for k in 0..3 {
            camera_bar[row][k] += bar * of.mean[k];
            mean[k] += bar * camera[row][k];
        }
        camera_bar[row][3] += bar;
    }
    (mean, rotation, scales, logit_bar)
}

/// The cotangent of a quaternion from that of the rotation's matrix: that of the unit quaternion, less its part along it, over the length.
#[inline(always)]
fn rotation_bar<V: Vector>(isa: Enabled<V>, p: &Projected<V>, r: &[[V; 3]; 3]) -> [V; 4] {
    let two = isa.constant(2.0);
    let [x, y, z, w] = p.unit;
    let unit = [
        two * (y * (r[0][1] + r[1][0]) + z * (r[0][2] + r[2][0]) - two * x * (r[1][1] + r[2][2]) + w * (r[2][1] - r[1][2])),
        two * (x * (r[0][1] + r[1][0]) + z * (r[1][2] + r[2][1]) - two * y * (r[0][0] + r[2][2]) + w * (r[0][2] - r[2][0])),
        two * (x * (r[0][2] + r[2][0]) + y * (r[1][2] + r[2][1]) - two * z * (r[0][0] + r[1][1]) + w * (r[1][0] - r[0][1])),
        two * (x * (r[2][1] - r[1][2]) + y * (r[0][2] - r[2][0]) + z * (r[1][0] - r[0][1])),
    ];
    let along = unit[0] * x + unit[1] * y + unit[2] * z + unit[3] * w;
    let mut bar = unit;
    for k in 0..4 {
        bar[k] = (unit[k] - along * p.unit[k]) * p.inverse_length;
    }
    bar
}
