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
use super::lanes::{Kept, camera_lanes, columns, dot, put_columns, row_of_point};
use super::stated::LEAST_COMPENSATION;
use crate::compiled::compiled;
use crate::number::Number;
use crate::real::Real;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector, math};
use crate::threads::{self, SharedSlice};

/// Splats whose contributions to the camera's gradient are summed before they are added to the others': a multiple of all lanes.
pub(super) const CHUNK: usize = 512;
/// Nanoseconds a splat, by which work is split.
pub(super) const PROJECT_NS: f64 = 12.0;

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
    pub(super) fn check(&self) -> usize {
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
}

impl<'a, T> SplatShapes<'a, T> {
    pub(super) fn rows(&self, range: std::ops::Range<usize>) -> SplatShapes<'a, T> {
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
    pub(super) fn rows(&self, range: std::ops::Range<usize>) -> ScreenSplats<'a, T> {
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
pub(super) struct Projected<V> {
    pub w: V,
    /// X, Y
    pub ndc: [V; 2],
    /// X̂, Ŷ
    pub held: [V; 2],
    pub t: [[V; 3]; 2],
    /// The quaternion of length 1, and 1 / its length before.
    pub unit: [V; 4],
    pub inverse_length: V,
    pub scales: [V; 3],
    /// R diag(s)
    pub m: [[V; 3]; 3],
    pub u: [[V; 3]; 2],
    /// Variances and covariance before the blur: xx, xy, yy.
    pub sharp: [V; 3],
    /// Determinants before and after.
    pub det: [V; 2],
    pub conic: [V; 3],
    /// The sigmoid of the logit, and what antialiasing multiplies it with.
    pub opacity: V,
    pub ratio: V,
    pub compensation: V,
}

/// Means, rotations, log scales and logits in registers.
pub(super) struct SplatColumns<V> {
    pub mean: [V; 3],
    pub rotation: [V; 4],
    pub log_scales: [V; 3],
    pub logit: V,
}

impl<V: Vector> SplatColumns<V> {
    #[inline(always)]
    pub fn read(isa: Enabled<V>, kept: &Kept, splats: &SplatShapes<'_, V::Element>, at: usize) -> Self {
        Self {
            mean: columns(isa, kept, &splats.means[3 * at..]),
            rotation: columns(isa, kept, &splats.rotations[4 * at..]),
            log_scales: columns(isa, kept, &splats.log_scales[3 * at..]),
            logit: columns::<V, 1>(isa, kept, &splats.logits[at..])[0],
        }
    }
}

#[inline(always)]
pub(super) fn projected<V: Vector>(
    isa: Enabled<V>,
    rule: &ProjectRule,
    camera: &[[V; 4]; 6],
    of: &SplatColumns<V>,
    w: V,
) -> Projected<V> {
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
    // Loops, since closures of `map` may be left as calls, which have other registers.
    let (mut unit, mut m) = (q, [[one; 3]; 3]);
    for k in 0..4 {
        unit[k] = q[k] * inverse_length;
    }
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
    for i in 0..3 {
        for j in 0..3 {
            m[i][j] = r[i][j] * scales[j];
        }
    }
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

/// How many of the first lanes are not finite, but before the camera, or at a depth that is not finite.
#[inline(always)]
fn odd_lanes<V: Vector>(finite: &V, before: &V, depth: &V, here: usize) -> usize {
    if !finite.any_less(finite.isa().constant(1.0)) {
        return 0;
    }
    let lanes = finite.lanes().zip(before.lanes()).zip(depth.lanes()).take(here);
    lanes
        .filter(|((finite, before), depth)| *finite == V::Element::ZERO && (*before > V::Element::ZERO || !depth.is_finite()))
        .count()
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
        let near = isa.constant(rule.near);
        let mut skipped = 0;
        for at in (0..splats.logits.len()).step_by(V::LANES) {
            let here = V::LANES.min(splats.logits.len() - at);
            let of = SplatColumns::read(isa, &[true; MAX_LANES], &splats, at);
            let w = row_of_point(rows[2], of.mean);
            let depth = row_of_point(rows[3], of.mean);
            let p = projected(isa, &rule, &rows, &of, w);
            let position = [(p.ndc[0] + one) * half[0], (one - p.ndc[1]) * half[1]];
            let opacity = p.opacity * p.compensation;
            let found = [position[0], position[1], p.conic[0], p.conic[1], p.conic[2], opacity, depth, w];
            // 0 times what is finite is 0, and a NaN else, which is not less than 1.
            let mut sum = isa.zero();
            for x in found {
                sum += x * isa.zero();
            }
            let finite = sum.where_less(one, one, isa.zero());
            let before = near.where_less(depth, isa.zero().where_less(w, one, isa.zero()), isa.zero());
            skipped += odd_lanes(&finite, &before, &depth, here);
            let drawn = isa.zero().where_less(finite, before, isa.zero());
            let mut kept = [false; MAX_LANES];
            drawn.lanes().zip(&mut kept).take(here).for_each(|(drawn, kept)| *kept = drawn > T::ZERO);
            put_columns(position, &kept, &mut out.positions[2 * at..]);
            put_columns(p.conic, &kept, &mut out.conics[3 * at..]);
            for (x, out) in [(depth, &mut *out.depths), (opacity, &mut *out.opacities)] {
                isa.zero().where_less(drawn, x, isa.zero()).write_first(&mut out[at..at + here]);
            }
        }
        skipped
    }
}
