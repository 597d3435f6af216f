//! What tests of kernels share: numbers, groups of a reduction, and a comparison.

use crate::shape::product;
use crate::view::View;

/// Numbers between -2 and 2 without a pattern, the same for the same seed.
pub fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        // xorshift64* (Vigna 2016)
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 51) as f64 - 2.0
    };
    (0..len).map(|_| next()).collect()
}

/// For each index over the dimensions that are not in `axes`, in row-major order, the elements over those that are.
pub fn groups(x: View<'_, f64>, axes: &[usize]) -> Vec<Vec<f64>> {
    let shape = x.shape();
    let kept: Vec<usize> = (0..shape.len()).filter(|d| !axes.contains(d)).collect();
    let mut groups = vec![Vec::new(); product(kept.iter().map(|&d| shape[d]))];
    for (i, value) in x.iter().enumerate() {
        let mut rest = i;
        let mut index = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            index[d] = rest % shape[d];
            rest /= shape[d];
        }
        let group = kept.iter().fold(0, |at, &d| at * shape[d] + index[d]);
        groups[group].push(value);
    }
    groups
}

/// # Panics
/// If the numbers differ by more than `tolerance` of the largest finite one; NaN must meet NaN.
pub fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().filter(|x| x.is_finite()).fold(0.0, |m: f64, x| m.max(x.abs()));
    for (i, (y, e)) in found.iter().zip(expected).enumerate() {
        let same = y == e || (y.is_nan() && e.is_nan()) || (y - e).abs() <= tolerance * largest;
        assert!(same, "element {i} is {y} instead of {e}");
    }
}
