//! Cross-entropy a row at a time.

use crate::real::Real;

/// The sum of −ln `softmax(x)[class]` over rows whose class is not ignored, and its gradient.
pub fn cross_entropy<T: Real>(x: &[T], classes: &[i64], ignored: Option<i64>) -> (f64, Vec<T>) {
    let n = x.len() / classes.len();
    let (mut loss, mut dx) = (0.0, Vec::new());
    for (x, &class) in x.chunks_exact(n).zip(classes) {
        if Some(class) == ignored {
            dx.extend(vec![T::ZERO; n]);
            continue;
        }
        let p = super::softmax(x, n);
        loss -= p[class as usize].ln().to_f64();
        dx.extend((0..n).map(|i| if i == class as usize { p[i] - T::ONE } else { p[i] }));
    }
    (loss, dx)
}
