//! Points through matrices, poses and rotations between two, a row at a time.

use crate::real::Real;
use crate::transform::points::VectorKind;

/// Row i of `rows` through matrix i / per.
pub fn transform<T: Real>(kind: VectorKind, matrices: &[T], per: usize, rows: &[T]) -> Vec<T> {
    let width = kind.width();
    let mut out = Vec::new();
    for (i, row) in rows.chunks(width).enumerate() {
        let last = if kind == VectorKind::Points { T::ONE } else { T::ZERO };
        let v = [row[0], row[1], row[2], row.get(3).copied().unwrap_or(last)];
        let m = &matrices[i / per * 16..][..16];
        let sum = |r: usize| (0..4).fold(T::ZERO, |sum, c| sum + m[4 * r + c] * v[c]);
        let w = if kind == VectorKind::Points { sum(3) } else { T::ONE };
        out.extend((0..width).map(|r| sum(r) / w));
    }
    out
}

/// The matrix of a pose, or its inverse, row by row.
pub fn compose<T: Real>(t: &[T], q: &[T], s: &[T], inverse: bool) -> [T; 16] {
    let two = T::ONE + T::ONE;
    let (x, y, z, w) = (q[0], q[1], q[2], q[3]);
    let r = [
        [T::ONE - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y)],
        [two * (x * y + w * z), T::ONE - two * (x * x + z * z), two * (y * z - w * x)],
        [two * (x * z - w * y), two * (y * z + w * x), T::ONE - two * (x * x + y * y)],
    ];
    let mut m = [T::ZERO; 16];
    for i in 0..3 {
        for j in 0..3 {
            m[4 * i + j] = if inverse { r[j][i] / s[i] } else { r[i][j] * s[j] };
        }
        m[4 * i + 3] = if inverse { -(m[4 * i] * t[0] + m[4 * i + 1] * t[1] + m[4 * i + 2] * t[2]) } else { t[i] };
    }
    m[15] = T::ONE;
    m
}

/// The rotation from a to b at t by the shorter way, in f64. The angle is taken from the chords, which hold it near 0 and near π/2.
pub fn slerp(a: [f64; 4], b: [f64; 4], t: f64) -> [f64; 4] {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let b = if dot < 0.0 { b.map(|x| -x) } else { b };
    let chord = |s: f64| a.iter().zip(b).map(|(a, b)| (a + s * b).powi(2)).sum::<f64>().sqrt();
    let angle = 2.0 * chord(-1.0).atan2(chord(1.0));
    let weight = |t: f64| if angle == 0.0 { t } else { (t * angle).sin() / angle.sin() };
    [0, 1, 2, 3].map(|i| weight(1.0 - t) * a[i] + weight(t) * b[i])
}
