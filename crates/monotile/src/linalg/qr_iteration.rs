//! The QR algorithm itself

use super::qr::{Qr, QrOptions, qr};
use crate::check;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// What [`qr_iteration`] subtracts from the diagonal before it factors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shift {
    /// Nothing: the element that vanishes shrinks by the ratio of two eigenvalues a step.
    None,
    /// The last element of the diagonal: cubic convergence, where it converges.
    Rayleigh,
    /// The eigenvalue of the last 2×2 block that is nearer to its last element: cubic, and always convergent.
    #[default]
    Wilkinson,
}

/// How [`qr_iteration`] runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QrIterationOptions {
    /// What is subtracted from the diagonal.
    pub shift: Shift,
    /// A row is done when what is beside its diagonal is below this, relative to the norm of the matrix.
    pub tolerance: f64,
    /// The most steps, of all rows together.
    pub max_steps: usize,
}

impl Default for QrIterationOptions {
    fn default() -> Self {
        Self { shift: Shift::Wilkinson, tolerance: f64::EPSILON, max_steps: 10_000 }
    }
}

/// A step of the algorithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QrStep {
    /// Rows that were not done yet.
    pub size: usize,
    /// What was subtracted from the diagonal.
    pub shift: f64,
    /// After the step, the norm of the last of those rows beside its diagonal.
    pub off_diagonal: f64,
}

/// What [`qr_iteration`] found, and how.
#[derive(Clone)]
pub struct QrIteration {
    /// Eigenvalues in increasing order, `(n)`.
    pub values: Tensor,
    /// Orthonormal eigenvectors as columns, `(n, n)`.
    pub vectors: Tensor,
    /// Every step.
    pub history: Vec<QrStep>,
}

/// The eigenvalues of a symmetric matrix by the shifted QR algorithm, with the history of its convergence.
///
/// Each step factors A − μ I = Q R and goes on with R Q + μ I, which is Qᵀ A Q; a row that has become diagonal is left out
/// from then on. For learning and for plots: [`eigh`](super::eigh) finds the same much faster.
///
/// Shapes: `a` is `(n, n)`, of which the lower triangle is read; computed in f64. Not differentiated.
///
/// # Errors
/// If `a` is no square matrix or an entry is not finite; `NotConverged` where the steps do not suffice.
///
/// # Cost
/// 10 n³ operations a step, of which there are about 2 n.
///
/// # Source
/// Francis (1961), The QR transformation; Wilkinson (1968), Global convergence of tridiagonal QR algorithm with origin shifts.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{QrIterationOptions, qr_iteration}};
/// let a = Tensor::from_rows(&[[2.0_f64, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]])?;
/// let found = qr_iteration(&a, &QrIterationOptions::default())?;
/// let root = 2.0_f64.sqrt();
/// let values = found.values.to_vec::<f64>()?;
/// assert!(values.iter().zip([2.0 - root, 2.0, 2.0 + root]).all(|(x, expected)| (x - expected).abs() < 1e-14));
/// assert!(found.history.len() < 8);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn qr_iteration(a: &Tensor, options: &QrIterationOptions) -> Result<QrIteration> {
    let n = check::square("qr_iteration", a)?;
    if a.rank() != 2 {
        return Err(Error::shape(format!("qr_iteration: takes a single matrix, got shape {:?}", a.shape())));
    }
    let a = a.detach().to_compute_dtype("qr_iteration")?.to_dtype(DType::F64)?;
    let entries = a.to_f64_vec()?;
    let mut a: Vec<f64> = (0..n * n).map(|at| entries[if at % n <= at / n { at } else { at % n * n + at / n }]).collect();
    if !a.iter().all(|x| x.is_finite()) {
        return Err(Error::value("qr_iteration: an entry of the matrix is not finite"));
    }
    let norm = frobenius(&a);
    let mut vectors = Tensor::eye(n, DType::F64)?;
    let mut history = Vec::new();
    let mut size = n;
    while size > 1 {
        if off_diagonal(&a, n, size) <= options.tolerance * norm {
            size -= 1;
            continue;
        }
        if history.len() == options.max_steps {
            let steps = options.max_steps;
            let why = format!("qr_iteration: {size} of {n} eigenvalues did not converge in {steps} steps");
            return Err(Error::new(ErrorKind::NotConverged, why));
        }
        let shift = shift(&a, n, size, options.shift);
        vectors = step(&mut a, n, size, shift, &vectors)?;
        history.push(QrStep { size, shift, off_diagonal: off_diagonal(&a, n, size) });
    }
    let mut order: Vec<i64> = (0..n as i64).collect();
    order.sort_by(|&i, &j| a[i as usize * (n + 1)].total_cmp(&a[j as usize * (n + 1)]));
    let values = order.iter().map(|&i| a[i as usize * (n + 1)]).collect();
    let vectors = vectors.index_select(1, &Tensor::from_vec(order, &[n])?)?;
    Ok(QrIteration { values: Tensor::from_vec(values, &[n])?, vectors, history })
}

fn frobenius(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * x.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() }
}

/// The norm of what is beside the diagonal in the last row of the leading block of order `size`.
fn off_diagonal(a: &[f64], n: usize, size: usize) -> f64 {
    frobenius(&a[(size - 1) * n..][..size - 1])
}

fn shift(a: &[f64], n: usize, size: usize, kind: Shift) -> f64 {
    let last = a[(size - 1) * (n + 1)];
    match kind {
        Shift::None => 0.0,
        Shift::Rayleigh => last,
        Shift::Wilkinson => {
            let (before, beside) = (a[(size - 2) * (n + 1)], a[(size - 1) * n + size - 2]);
            let half = (before - last) / 2.0;
            let sign = if half < 0.0 { -1.0 } else { 1.0 };
            let root = half.hypot(beside);
            // Where the block is diagonal, its last element is its eigenvalue.
            if root == 0.0 { last } else { last - sign * beside / (half.abs() + root) * beside }
        }
    }
}

/// One step on the leading block of order `size`; returns the vectors turned with it.
#[track_caller]
fn step(a: &mut [f64], n: usize, size: usize, shift: f64, vectors: &Tensor) -> Result<Tensor> {
    let block: Vec<f64> = (0..size * size).map(|at| a[at / size * n + at % size]).collect();
    let shifts = Tensor::eye(size, DType::F64)?.mul_scalar(shift)?;
    let Qr { q, r } = qr(&Tensor::from_vec(block, &[size, size])?.sub(&shifts)?, &QrOptions::default())?;
    let next = r.matmul(&q)?.add(&shifts)?.to_f64_vec()?;
    for i in 0..size {
        // Both triangles alike, so that rounding does not part them.
        (0..size).for_each(|j| a[i * n + j] = 0.5 * (next[i * size + j] + next[j * size + i]));
    }
    let turned = vectors.slice(1, ..size)?.matmul(&q)?;
    if size == n { Ok(turned) } else { Tensor::cat(&[&turned, &vectors.slice(1, size..)?], 1) }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::symmetric;
    vec![
        Spec::new("qr_iteration", |x| Ok(vec![qr_iteration(&symmetric(&x[0])?, &QrIterationOptions::default())?.values]))
            .sample("matrix", vec![normal(&[6, 6])])
            .sample("one by one", vec![normal(&[1, 1])])
            .sample("no rows", vec![normal(&[0, 0])])
            .property("the values that eigh finds", |x, y| {
                super::parts::samples::distance(&super::eigvalsh(&symmetric(&x[0])?)?, &y[0])
            }),
        Spec::new("qr_iteration", |x| Ok(vec![qr_iteration(&x[0], &QrIterationOptions::default())?.values]))
            .refuses(vec![normal(&[2, 3])], "qr_iteration: needs square matrices, got shape [2, 3]")
            .refuses(vec![normal(&[2, 3, 3])], "qr_iteration: takes a single matrix, got shape [2, 3, 3]")
            .refuses(vec![Tensor::full(&[2, 2], f64::NAN).unwrap()], "qr_iteration: an entry of the matrix is not finite"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: qr_iteration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_converge_in_a_few_steps_and_their_absence_in_many() {
        let a = super::super::parts::symmetric(&normal(&[8, 8])).unwrap();
        let steps = |shift| {
            let found = qr_iteration(&a, &QrIterationOptions { shift, tolerance: 1e-12, ..Default::default() }).unwrap();
            let v = &found.vectors;
            let rebuilt = v.mul(&found.values).unwrap().matmul(&v.mt()).unwrap();
            let off = rebuilt.sub(&a).unwrap().to_f64_vec().unwrap().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            assert!(off < 1e-10, "{shift:?}: {off}");
            found.history.len()
        };
        let (plain, wilkinson) = (steps(Shift::None), steps(Shift::Wilkinson));
        assert!(wilkinson < 30 && plain > 4 * wilkinson, "{wilkinson} and {plain} steps");
        let few = QrIterationOptions { shift: Shift::None, max_steps: 3, ..Default::default() };
        let error = qr_iteration(&a, &few).err().unwrap();
        assert_eq!(error.to_string(), "qr_iteration: 8 of 8 eigenvalues did not converge in 3 steps");
    }
}
