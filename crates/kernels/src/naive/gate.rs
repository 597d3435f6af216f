//! Gated activations an element at a time.

use crate::real::Real;

fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// silu(a) · b
pub fn swiglu<T: Real>(a: &[T], b: &[T]) -> Vec<T> {
    a.iter().zip(b).map(|(&a, &b)| a * sigmoid(a) * b).collect()
}

/// The gradients (da, db) of [`swiglu`], from silu′ = σ + a σ (1 − σ).
pub fn swiglu_backward<T: Real>(a: &[T], b: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let slope = |a: T| sigmoid(a) + a * sigmoid(a) * (T::ONE - sigmoid(a));
    let da = (0..a.len()).map(|i| dy[i] * b[i] * slope(a[i])).collect();
    let db = (0..a.len()).map(|i| dy[i] * a[i] * sigmoid(a[i])).collect();
    (da, db)
}
