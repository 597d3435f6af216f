//! The gradient of the projection: the formulas of [`project`](super::project()), backward.
//!
//! ```text
//! Σ̄ = −Q Q̄ Q        Ū = 2 Σ̄ U        T̄ = Ū Mᵀ        M̄ = Tᵀ Ū        of M = R diag(s), and so on to the rows of the camera
//! ```

use super::CameraRows;
use super::lanes::{add_camera, camera_lanes, columns, dot, kept_lanes, put_columns, row_of_point, within};
use super::project::{
    CHUNK, PROJECT_NS, ProjectRule, Projected, ScreenSplats, SplatColumns, SplatShapes, SplatShapesMut, projected,
};
use super::stated::LEAST_COMPENSATION;
use crate::compiled::compiled;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector};
use crate::threads::{self, SharedSlice};

compiled! {
    /// The gradients of [`project`](super::project()) from those of its results, for the splats whose depth is above 0 there; that of the camera is returned (row 4, the eye, gets none).
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
            let mut of = SplatColumns::read(isa, &kept, &splats, at);
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
            let (mean, rotation, scales, logit) = pull(&rule, &rows, &of, &p, bars, &mut camera_bar);
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
fn pull<V: Vector>(
    rule: &ProjectRule,
    camera: &[[V; 4]; 6],
    of: &SplatColumns<V>,
    p: &Projected<V>,
    bars: ScreenBars<V>,
    camera_bar: &mut [[V; 4]; 6],
) -> ([V; 3], [V; 4], [V; 3], V) {
    let isa = p.w.isa();
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
    let mut r = m;
    for i in 0..3 {
        for j in 0..3 {
            r[i][j] = m[i][j] * p.scales[j];
        }
    }
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
