//! The formulas of 3D, each written once.
//!
//! | over | it is computed by |
//! | --- | --- |
//! | f64 | whoever needs one matrix: a renderer, once a picture |
//! | [`Expr`](crate::number::Expr) | operations on tensors, which have gradients |
//! | registers | [`pose`](super::pose) and [`slerp`](super::slerp), many at a time |
//!
//! Matrices are rows of numbers, and act on columns. Of affine ones the last row, 0, 0, 0, 1, is left out. `one` is the number 1.
//! Nothing is checked: who calls knows what has a result, and in which words to refuse the rest.

use std::ops::{Div, Mul, Sub};

use crate::number::{Arithmetic, Number};

/// The first three rows of an affine matrix.
pub type AffineRows<T> = [[T; 4]; 3];

/// R of a quaternion x, y, z, w of length 1.
#[inline(always)]
pub fn rotation<T: Arithmetic>([x, y, z, w]: [T; 4], one: T) -> [[T; 3]; 3] {
    let (x2, y2, z2) = (x + x, y + y, z + z);
    let (xx, yy, zz) = (x * x2, y * y2, z * z2);
    let (xy, xz, yz) = (x * y2, x * z2, y * z2);
    let (wx, wy, wz) = (w * x2, w * y2, w * z2);
    [[one - (yy + zz), xy - wz, xz + wy], [xy + wz, one - (xx + zz), yz - wx], [xz - wy, yz + wx, one - (xx + yy)]]
}

/// T R S: scaled, then rotated, then moved.
#[inline(always)]
pub fn pose<T: Arithmetic>(t: [T; 3], q: [T; 4], s: [T; 3], one: T) -> AffineRows<T> {
    let [x, y, z] = rotation(q, one);
    [
        [x[0] * s[0], x[1] * s[1], x[2] * s[2], t[0]],
        [y[0] * s[0], y[1] * s[1], y[2] * s[2], t[1]],
        [z[0] * s[0], z[1] * s[1], z[2] * s[2], t[2]],
    ]
}

/// (T R S)⁻¹ = S⁻¹ Rᵀ T⁻¹
#[inline(always)]
pub fn pose_inverse<T: Arithmetic>(t: [T; 3], q: [T; 4], s: [T; 3], one: T) -> AffineRows<T> {
    let [x, y, z] = rotation(q, one);
    let linear =
        [[x[0] / s[0], y[0] / s[0], z[0] / s[0]], [x[1] / s[1], y[1] / s[1], z[1] / s[1]], [x[2] / s[2], y[2] / s[2], z[2] / s[2]]];
    seen_from(linear, t)
}

/// p ↦ A (p − eye). With the axes of a camera as rows of A it is V.
#[inline(always)]
pub fn seen_from<T: Arithmetic>([x, y, z]: [[T; 3]; 3], eye: [T; 3]) -> AffineRows<T> {
    [[x[0], x[1], x[2], -dot(x, eye)], [y[0], y[1], y[2], -dot(y, eye)], [z[0], z[1], z[2], -dot(z, eye)]]
}

/// V of a camera at `eye` that looks against `backward`, with `up` upward in its picture, and the square of the sine between the two, which are of any length
/// whose square is a number.
///
/// With z = backward / |…|, x = (up × z) / |…| and y = z × x: the rows of the rotation are x, y, z, and eye goes to 0.
#[inline(always)]
pub fn look_along<T: Number>(eye: [T; 3], backward: [T; 3], up: [T; 3]) -> (AffineRows<T>, T) {
    let back = over(backward, dot(backward, backward).sqrt());
    let across = cross(over(up, dot(up, up).sqrt()), back);
    let square = dot(across, across);
    let right = over(across, square.sqrt());
    (seen_from([right, cross(back, right), back], eye), square)
}

/// Which depth near and far come to in normalized device coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DepthRange {
    /// Near at 0, far at 1: WebGPU, Vulkan, Direct3D and Metal.
    #[default]
    ZeroOne,
    /// Near at −1, far at 1: OpenGL.
    MinusOneOne,
    /// Near at 1, far at 0: floating-point numbers, dense about 0, then resolve all distances alike.
    Reversed,
    /// Near at 0, infinity at 1.
    Infinite,
    /// Near at 1, infinity at 0.
    InfiniteReversed,
}

impl DepthRange {
    /// Whether there is no far plane.
    pub fn is_infinite(self) -> bool {
        matches!(self, Self::Infinite | Self::InfiniteReversed)
    }
}

/// P of a lens: rows (f / aspect, 0, 0, 0), (0, f, 0, 0), (0, 0, a, b), (0, 0, −1, 0) with f = 1 / tan(fovy / 2).
///
/// | depth | a | b |
/// | --- | --- | --- |
/// | zero to one | far / (near − far) | near far / (near − far) |
/// | minus one to one | (far + near) / (near − far) | 2 far near / (near − far) |
/// | reversed | near / (far − near) | near far / (far − near) |
/// | infinite | −1 | −near |
/// | infinite, reversed | 0 | near |
///
/// Where far is infinite, a and b are their limits; where depth is, far is not read.
#[inline(always)]
pub fn perspective<T: Number>([fovy, aspect, near, far]: [T; 4], depth: DepthRange) -> [[T; 4]; 4] {
    let half = fovy * T::from_f64(0.5);
    let f = half.cos() / half.sin();
    let two = T::from_f64(2.0);
    // Fractions of infinities are no numbers: any other plane stands in for one that is not there.
    let ends = far.less(T::from_f64(f64::INFINITY));
    let end = T::select(ends, far, near * two);
    // Near over what it spans comes first: the product of near and far may leave the type's range.
    let (a, b, endless) = match depth {
        DepthRange::ZeroOne => (end / (near - end), near / (near - end) * end, (-T::ONE, -near)),
        DepthRange::MinusOneOne => ((end + near) / (near - end), near * two / (near - end) * end, (-T::ONE, -(near * two))),
        DepthRange::Reversed => (near / (end - near), near / (end - near) * end, (T::ZERO, near)),
        DepthRange::Infinite => (-T::ONE, -near, (-T::ONE, -near)),
        DepthRange::InfiniteReversed => (T::ZERO, near, (T::ZERO, near)),
    };
    let (a, b) = if depth.is_infinite() { (a, b) } else { (T::select(ends, a, endless.0), T::select(ends, b, endless.1)) };
    let o = T::ZERO;
    [[f / aspect, o, o, o], [o, f, o, o], [o, o, a, b], [o, o, -T::ONE, o]]
}

/// P of a box: x ↦ (2 x − left − right) / (right − left), y alike, and −z from near … far to what `depth` says, an infinite one as if it ended.
#[inline(always)]
pub fn orthographic<T: Number>([left, right, bottom, top, near, far]: [T; 6], depth: DepthRange) -> AffineRows<T> {
    let (o, two) = (T::ZERO, T::from_f64(2.0));
    let (width, height, length) = (right - left, top - bottom, far - near);
    let (a, b) = match depth {
        DepthRange::ZeroOne | DepthRange::Infinite => (-T::ONE / length, -(near / length)),
        DepthRange::MinusOneOne => (-two / length, -((near + far) / length)),
        DepthRange::Reversed | DepthRange::InfiniteReversed => (T::ONE / length, far / length),
    };
    // 0 without a sign, where the box is in the middle.
    let (across, up) = ((-left - right) / width, (-bottom - top) / height);
    [[two / width, o, o, across], [o, two / height, o, up], [o, o, a, b]]
}

/// The weights of a and b in slerp, for the part `t` of the way, by the square u of the angle between them:
/// (1 − t) c((1 − t)² u) / c(u) and t c(t² u) / c(u), where `c` computes c(v) = sin √v / √v.
///
/// # Errors
/// Those of `c`.
#[inline(always)]
pub fn slerp_weights<T, E>(u: T, t: T, one: T, c: impl Fn(T) -> Result<T, E>) -> Result<[T; 2], E>
where
    T: Clone + Sub<Output = T> + Mul<Output = T> + Div<Output = T>,
{
    let rest = one - t.clone();
    let whole = c(u.clone())?;
    let first = rest.clone() * (c(rest.clone() * rest * u.clone())? / whole.clone());
    let last = t.clone() * (c(t.clone() * t * u)? / whole);
    Ok([first, last])
}

#[inline(always)]
fn dot<T: Arithmetic>(a: [T; 3], b: [T; 3]) -> T {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
fn cross<T: Arithmetic>(a: [T; 3], b: [T; 3]) -> [T; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[inline(always)]
fn over<T: Arithmetic>(a: [T; 3], length: T) -> [T; 3] {
    [a[0] / length, a[1] / length, a[2] / length]
}
