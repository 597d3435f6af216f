//! Colours that depend on the direction of sight: real spherical harmonics of degree 0 to 3.
//!
//! ```text
//! c = max(0, ½ + Σₖ Yₖ(v / |v|) hₖ)          v = e₃ m − (e₀, e₁, e₂)
//! ```
//!
//! with e the eye as a homogeneous point: from the eye to the mean, or along the line of sight of a parallel camera. Coefficients are read as rows of a splat and
//! transposed into registers of one coefficient each.

use super::CameraRows;
use super::lanes::{Kept, camera_lanes, columns, dot, kept_lanes, put_columns};
use super::stated::COLOR_OFFSET;
use super::stated::harmonics::{Y0, Y1, Y2, Y20, Y30, Y31, Y32, Y33};
use crate::compiled::compiled;
use crate::real::Real;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Square, Vector};
use crate::threads::{self, SharedSlice};

/// Splats whose contributions to the eye's gradient are summed before they are added to the others': a multiple of all lanes.
const CHUNK: usize = 512;
/// The most coefficients of a splat.
const MOST: usize = 48;
/// Nanoseconds a coefficient, by which work is split.
const COEFFICIENT_NS: f64 = 0.4;

/// The degree of so many coefficients of a channel: 0 to 3 of 1, 4, 9, 16.
pub fn degree(coefficients: usize) -> Option<usize> {
    (0..=super::stated::MOST_DEGREE).find(|d| (d + 1) * (d + 1) == coefficients)
}

compiled! {
    /// Colours `(N, 3)` of the splats whose depth is above 0, from means `(N, 3)` and coefficients `(N, K, 3)`; others are 0. The result is how many colours are not
    /// finite; they are NaN.
    ///
    /// # Panics
    /// If lengths do not fit, or K is not 1, 4, 9 or 16.
    pub fn colors<T: Lanes>(camera: &CameraRows, means: &[T], coefficients: &[T], depths: &[T], out: &mut [T]) -> usize {
        let (n, wide) = check(means, coefficients, depths, out.len());
        let parts = threads::parts(n, wide as f64 * COEFFICIENT_NS);
        let mut skipped = vec![0; parts];
        let out = SharedSlice::new(out);
        threads::split_mut(&mut skipped, 1, parts, |part, skipped| {
            let range = threads::range(n, CHUNK, parts, part);
            // SAFETY: parts differ in their splats, and each writes the rows of its own.
            let out = unsafe { out.part(3 * range.start..3 * range.end) };
            let means = &means[3 * range.start..3 * range.end];
            let coefficients = &coefficients[wide * range.start..wide * range.end];
            skipped[0] = simd::dispatch(Colors { camera, means, coefficients, wide, depths: &depths[range], out });
        });
        skipped.into_iter().sum()
    }

    /// The gradients of [`colors`] from that of its result: of means and coefficients; that of the eye is row 4 of the result.
    ///
    /// # Panics
    /// If lengths do not fit, or K is not 1, 4, 9 or 16.
    pub fn colors_gradient<T: Lanes>(camera: &CameraRows, means: &[T], coefficients: &[T], depths: &[T], cotangents: &[T], out: [&mut [T]; 2]) -> CameraRows {
        let (n, wide) = check(means, coefficients, depths, cotangents.len());
        let [means_out, coefficients_out] = out;
        assert!(means_out.len() == means.len() && coefficients_out.len() == coefficients.len(), "gradients of their shapes");
        let chunks = n.div_ceil(CHUNK);
        let (means_out, coefficients_out) = (SharedSlice::new(means_out), SharedSlice::new(coefficients_out));
        let mut sums = vec![[0.0; 24]; chunks];
        let parts = threads::parts(n, wide as f64 * 2.0 * COEFFICIENT_NS).min(chunks.max(1));
        threads::split_mut(&mut sums, 1, parts, |first, sums| {
            for (chunk, sums) in sums.iter_mut().enumerate() {
                let start = (first + chunk) * CHUNK;
                let range = start..n.min(start + CHUNK);
                let rows = |x: usize| x * range.start..x * range.end;
                // SAFETY: chunks differ in their splats, and each writes the rows of its own.
                let (means_out, coefficients_out) = unsafe { (means_out.part(rows(3)), coefficients_out.part(rows(wide))) };
                simd::dispatch(ColorsGradient {
                    camera,
                    of: Colors {
                        camera,
                        means: &means[rows(3)],
                        coefficients: &coefficients[rows(wide)],
                        wide,
                        depths: &depths[range.clone()],
                        out: means_out,
                    },
                    cotangents: &cotangents[rows(3)],
                    coefficients_out,
                    sums,
                });
            }
        });
        sums.iter().fold([0.0; 24], |sum, part| std::array::from_fn(|k| sum[k] + part[k]))
    }
}

/// How many splats there are, and how many coefficients of all channels each has.
fn check<T>(means: &[T], coefficients: &[T], depths: &[T], colors: usize) -> (usize, usize) {
    let n = depths.len();
    let wide = coefficients.len().checked_div(n).unwrap_or(3);
    assert!(means.len() == 3 * n && colors == 3 * n, "a mean and a colour for each depth");
    assert!(
        coefficients.len() == wide * n && wide.is_multiple_of(3) && degree(wide / 3).is_some(),
        "1, 4, 9 or 16 coefficients a channel"
    );
    (n, wide)
}

struct Colors<'a, T> {
    camera: &'a CameraRows,
    means: &'a [T],
    coefficients: &'a [T],
    /// Coefficients of a splat, of all channels.
    wide: usize,
    depths: &'a [T],
    out: &'a mut [T],
}

/// Where a register of splats is seen from.
struct SightLine<V> {
    direction: [V; 3],
    inverse_distance: V,
}

#[inline(always)]
fn sight<V: Vector>(isa: Enabled<V>, eye: [V; 4], mean: [V; 3], absent: V) -> SightLine<V> {
    let mut v = [isa.zero(); 3];
    for k in 0..3 {
        v[k] = eye[3] * mean[k] - eye[k];
    }
    // A lane that does not count looks along x.
    v[0] = isa.constant(0.5).where_less(absent, isa.constant(1.0), v[0]);
    let inverse_distance = isa.constant(1.0) / dot(v, v).sqrt();
    let mut direction = v;
    for k in 0..3 {
        direction[k] = v[k] * inverse_distance;
    }
    SightLine { direction, inverse_distance }
}

/// Which lanes count: those whose depth is above 0.
#[inline(always)]
fn kept<T: Real>(depths: &[T], lanes: usize) -> (Kept, bool) {
    let mut kept = [false; MAX_LANES];
    let mut any = false;
    for (&depth, kept) in depths.iter().zip(&mut kept[..lanes]) {
        *kept = depth > T::ZERO;
        any |= *kept;
    }
    (kept, any)
}

/// Has the rows fetched after those of one register of splats.
#[inline(always)]
fn prefetch_rows<V: Vector>(rows: &[V::Element], wide: usize) {
    let next = rows.as_ptr().wrapping_add(V::LANES * wide);
    for i in (0..V::LANES * wide).step_by(64 / size_of::<V::Element>()) {
        simd::prefetch(next.wrapping_add(i));
    }
}

/// The columns of the coefficients of a register of splats, of which each has `wide`; lanes that do not count hold 0.
#[inline(always)]
fn coefficient_columns<V: Vector>(
    isa: Enabled<V>,
    (coefficients, wide): (&[V::Element], usize),
    kept: &Kept,
    at: usize,
) -> [V; MOST] {
    let mut columns = [isa.zero(); MOST];
    let rows = &coefficients[at * wide..];
    // A straight line of loads has no stride that the processor would see.
    prefetch_rows::<V>(rows, wide);
    // Most often all count: a straight line.
    let all = kept[..V::LANES].iter().all(|&kept| kept);
    for (start, columns) in (0..wide).step_by(V::LANES).zip(columns.chunks_exact_mut(V::LANES)) {
        let here = V::LANES.min(wide - start);
        let mut square = Square::zero(isa);
        if all && here == V::LANES {
            for lane in 0..V::LANES {
                square[lane] = isa.read(&rows[lane * wide + start..]);
            }
        } else {
            // Of its own, so that the other square stays in registers.
            let mut some = Square::zero(isa);
            for lane in (0..V::LANES).filter(|&lane| kept[lane]) {
                some[lane] = isa.read_first(&rows[lane * wide + start..][..here]);
            }
            for lane in 0..V::LANES {
                square[lane] = some[lane];
            }
        }
        square.transpose();
        for k in 0..V::LANES {
            columns[k] = square[k];
        }
    }
    columns
}

/// The colour's sum of a register of splats, before what is below 0 is cut off.
#[inline(always)]
fn color_of<V: Vector>(isa: Enabled<V>, y: &[V; MOST / 3], coefficients: &[V]) -> [V; 3] {
    let mut color = [isa.constant(COLOR_OFFSET); 3];
    for (y, h) in y.iter().zip(coefficients.chunks_exact(3)) {
        for c in 0..3 {
            color[c] = y.mul_add(h[c], color[c]);
        }
    }
    color
}

impl<T: Lanes> Kernel<T> for Colors<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> usize {
        let rows = camera_lanes(isa, self.camera);
        let mut skipped = 0;
        for at in (0..self.depths.len()).step_by(V::LANES) {
            let (kept, any) = kept(&self.depths[at..], V::LANES);
            if !any {
                let here = V::LANES.min(self.depths.len() - at);
                self.out[3 * at..3 * (at + here)].fill(T::ZERO);
                continue;
            }
            let absent = isa.constant(1.0) - kept_lanes(isa, &kept);
            let seen = sight(isa, rows[4], columns(isa, &kept, &self.means[3 * at..]), absent);
            let y = basis(isa, self.wide, seen.direction);
            let coefficients = coefficient_columns(isa, (self.coefficients, self.wide), &kept, at);
            let sums = color_of(isa, &y, &coefficients[..self.wide]);
            // A NaN is not below 0 and stays; an infinity becomes one.
            let zero = isa.zero();
            let mut color = sums;
            for c in 0..3 {
                color[c] = sums[c].where_less(zero, zero, sums[c]) + sums[c] * zero;
            }
            put_columns(color, &kept, &mut self.out[3 * at..]);
            let rows = self.out[3 * at..].chunks_exact(3).take(V::LANES);
            skipped += rows.filter(|row| row.iter().any(|x| x.is_nan())).count();
        }
        skipped
    }
}

struct ColorsGradient<'a, T> {
    camera: &'a CameraRows,
    /// The forward pass, whose result is the gradient of the means here.
    of: Colors<'a, T>,
    cotangents: &'a [T],
    coefficients_out: &'a mut [T],
    sums: &'a mut CameraRows,
}

impl<T: Lanes> Kernel<T> for ColorsGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { camera, of, cotangents, coefficients_out, sums } = self;
        let eye = camera_lanes(isa, camera)[4];
        let (zero, wide) = (isa.zero(), of.wide);
        let mut eye_bar = [zero; 3];
        for at in (0..of.depths.len()).step_by(V::LANES) {
            let here = V::LANES.min(of.depths.len() - at);
            let (mut kept, _) = kept(&of.depths[at..], V::LANES);
            // A splat whose colour got no cotangent has no gradient, and is not read.
            let mut any = false;
            for lane in 0..here {
                kept[lane] &= cotangents[3 * (at + lane)..][..3].iter().any(|&g| g != T::ZERO);
                any |= kept[lane];
            }
            let out = &mut coefficients_out[at * wide..(at + here) * wide];
            if !any {
                of.out[3 * at..3 * (at + here)].fill(T::ZERO);
                out.fill(T::ZERO);
                continue;
            }
            let absent = isa.constant(1.0) - kept_lanes(isa, &kept);
            let seen = sight(isa, eye, columns(isa, &kept, &of.means[3 * at..]), absent);
            let y = basis(isa, wide, seen.direction);
            let coefficients = coefficient_columns(isa, (of.coefficients, wide), &kept, at);
            let color = color_of(isa, &y, &coefficients[..wide]);
            // No gradient where the colour was below 0.
            let g: [V; 3] = columns(isa, &kept, &cotangents[3 * at..]);
            let mut bar = g;
            for c in 0..3 {
                bar[c] = color[c].where_less(zero, zero, g[c]);
            }
            // h̄ₖ = Yₖ ḡ, and what direction Yₖ pulls.
            let (mut weights, mut gradient) = ([zero; MOST / 3], [zero; MOST]);
            for (k, h) in coefficients[..wide].chunks_exact(3).enumerate() {
                weights[k] = bar[0] * h[0] + bar[1] * h[1] + bar[2] * h[2];
                for c in 0..3 {
                    gradient[3 * k + c] = y[k] * bar[c];
                }
            }
            for (_, columns) in (0..wide).step_by(V::LANES).zip(gradient.chunks_exact_mut(V::LANES)) {
                let mut square = Square::zero(isa);
                for k in 0..V::LANES {
                    square[k] = columns[k];
                }
                square.transpose();
                for k in 0..V::LANES {
                    columns[k] = square[k];
                }
            }
            // A splat after another, as they lie in memory.
            for lane in 0..here {
                for start in (0..wide).step_by(V::LANES) {
                    let value = if kept[lane] { gradient[start + lane] } else { zero };
                    value.write_first(&mut out[lane * wide + start..(lane + 1) * wide]);
                }
            }
            let pulled = basis_bar(isa, wide, seen.direction, &weights);
            let along = dot(pulled, seen.direction);
            let mut mean_bar = [zero; 3];
            for k in 0..3 {
                let v_bar = (pulled[k] - along * seen.direction[k]) * seen.inverse_distance;
                mean_bar[k] = eye[3] * v_bar;
                eye_bar[k] -= v_bar;
            }
            put_columns(mean_bar, &kept, &mut of.out[3 * at..]);
        }
        for k in 0..3 {
            sums[16 + k] += eye_bar[k].sum().to_f64();
        }
    }
}

/// Y of a direction of length 1, as many as a splat has; the others are 0.
#[inline(always)]
fn basis<V: Vector>(isa: Enabled<V>, wide: usize, [x, y, z]: [V; 3]) -> [V; MOST / 3] {
    let c = |c: f64| isa.constant(c);
    let mut b = [isa.zero(); MOST / 3];
    b[0] = c(Y0);
    if wide > 3 {
        (b[1], b[2], b[3]) = (c(-Y1) * y, c(Y1) * z, c(-Y1) * x);
    }
    let (xx, yy, zz) = (x * x, y * y, z * z);
    if wide > 12 {
        b[4] = c(Y2) * x * y;
        b[5] = c(-Y2) * y * z;
        b[6] = c(Y20) * (zz + zz - xx - yy);
        b[7] = c(-Y2) * x * z;
        b[8] = c(0.5 * Y2) * (xx - yy);
    }
    if wide > 27 {
        let three = c(3.0);
        let ring = c(4.0) * zz - xx - yy;
        b[9] = c(-Y33) * y * (three * xx - yy);
        b[10] = c(Y32) * x * y * z;
        b[11] = c(-Y31) * y * ring;
        b[12] = c(Y30) * z * (zz + zz - three * (xx + yy));
        b[13] = c(-Y31) * x * ring;
        b[14] = c(0.5 * Y32) * z * (xx - yy);
        b[15] = c(-Y33) * x * (xx - three * yy);
    }
    b
}

/// Σₖ wₖ ∇Yₖ: the derivatives of the polynomials above by x, y, z.
#[inline(always)]
fn basis_bar<V: Vector>(isa: Enabled<V>, wide: usize, [x, y, z]: [V; 3], w: &[V; MOST / 3]) -> [V; 3] {
    let c = |c: f64| isa.constant(c);
    let mut bar = [isa.zero(); 3];
    if wide > 3 {
        bar = [c(-Y1) * w[3], c(-Y1) * w[1], c(Y1) * w[2]];
    }
    if wide > 12 {
        let two = c(2.0);
        bar[0] += c(Y2) * (y * w[4] - z * w[7] + x * w[8]) - c(Y20) * two * x * w[6];
        bar[1] += c(Y2) * (x * w[4] - z * w[5] - y * w[8]) - c(Y20) * two * y * w[6];
        bar[2] += c(4.0 * Y20) * z * w[6] - c(Y2) * (y * w[5] + x * w[7]);
    }
    if wide > 27 {
        let (xx, yy, zz) = (x * x, y * y, z * z);
        let (xy, xz, yz) = (x * y, x * z, y * z);
        let (two, three, six, eight) = (c(2.0), c(3.0), c(6.0), c(8.0));
        let ring = c(4.0) * zz - xx - yy;
        let (outer, middle, inner, pole) = (c(Y33), c(Y32), c(Y31), c(Y30));
        bar[0] += -outer * (six * xy * w[9] + three * (xx - yy) * w[15])
            + middle * (yz * w[10] + xz * w[14])
            + inner * (two * xy * w[11] + (two * xx - ring) * w[13])
            - pole * six * xz * w[12];
        bar[1] += outer * (six * xy * w[15] - three * (xx - yy) * w[9])
            + middle * (xz * w[10] - yz * w[14])
            + inner * ((two * yy - ring) * w[11] + two * xy * w[13])
            - pole * six * yz * w[12];
        bar[2] += middle * (xy * w[10] + c(0.5) * (xx - yy) * w[14]) - inner * eight * (yz * w[11] + xz * w[13])
            + pole * (six * zz - three * (xx + yy)) * w[12];
    }
    bar
}
