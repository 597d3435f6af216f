//! Iterative refinement of a solution of min ‖A x − b‖, with residuals in twice the precision.

use crate::error::Result;
use crate::linalg::{Qr, SolveTriangularOptions, solve_triangular};
use crate::stats::parts::constant;
use crate::tensor::Tensor;

/// Corrections that are tried at most; two or three are usual.
const STEPS: usize = 12;

/// A solution and its residuals b − A x.
pub struct Refined {
    pub x: Vec<f64>,
    pub residuals: Vec<f64>,
}

/// Solves r + A x = b, Aᵀ r = 0 by the factors of A, and again for what is left of both equations, as long as that makes the
/// corrections less than half as large (Björck 1967, Iterative refinement of linear least squares solutions).
///
/// Solving for x and r together is what works: refining x alone leaves an error of the condition's square where r is not small.
#[track_caller]
pub fn refine(a: &Tensor, b: &Tensor, factors: &Qr) -> Result<Refined> {
    let [m, n] = [a.dim(0), a.dim(1)];
    let (rows, b, dtype) = (a.to_f64_vec()?, b.to_f64_vec()?, a.dtype());
    let Qr { q, r: triangle } = factors;
    let (mut x, mut r) = (vec![0.0; n], vec![0.0; m]);
    let mut last = f64::INFINITY;
    for _ in 0..STEPS {
        let f: Vec<f64> = (0..m)
            .map(|i| {
                let products = rows[i * n..][..n].iter().zip(&x);
                products.fold(Sum::from_f64(b[i]).plus(-r[i]), |sum, (&a, &x)| sum.plus_product(-a, x)).value()
            })
            .collect();
        let mut g = vec![Sum::from_f64(0.0); n];
        for (row, &r) in rows.chunks(n.max(1)).zip(&r) {
            g.iter_mut().zip(row).for_each(|(g, &a)| *g = g.plus_product(-a, r));
        }
        let g: Vec<f64> = g.into_iter().map(Sum::value).collect();

        let (f, g) = (constant(&f, &[m, 1], dtype)?, constant(&g, &[n, 1], dtype)?);
        let h = solve_triangular(&triangle.mt(), &g, &SolveTriangularOptions::default())?;
        let c = q.mt().matmul(&f)?;
        let dx =
            solve_triangular(triangle, &c.sub(&h)?, &SolveTriangularOptions { upper: true, ..Default::default() })?.to_f64_vec()?;
        let dr = f.add(&q.matmul(&h.sub(&c)?)?)?.to_f64_vec()?;

        let size = largest(&dx);
        // Positive comparison, so that NaN ends it; a first step is taken whatever it is.
        if !(size < 0.5 * last) && last.is_finite() {
            break;
        }
        x.iter_mut().zip(&dx).for_each(|(x, d)| *x += d);
        r.iter_mut().zip(&dr).for_each(|(r, d)| *r += d);
        if !size.is_finite() {
            break;
        }
        last = size;
    }
    Ok(Refined { x, residuals: r })
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m: f64, x| if x.is_nan() { f64::NAN } else { m.max(x.abs()) })
}

/// A sum of products as if in twice the precision (Ogita, Rump and Oishi 2005, algorithm 5.3).
#[derive(Clone, Copy)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn from_f64(x: f64) -> Self {
        Self { high: x, low: 0.0 }
    }

    fn plus(self, x: f64) -> Self {
        let high = self.high + x;
        let part = high - self.high;
        let lost = (self.high - (high - part)) + (x - part);
        Self { high, low: self.low + lost }
    }

    fn plus_product(self, a: f64, b: f64) -> Self {
        let product = a * b;
        let Self { high, low } = self.plus(product);
        Self { high, low: low + a.mul_add(b, -product) }
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_what_cancels() {
        let e = 2.0_f64.powi(-40);
        let sum = Sum::from_f64(1.0).plus_product(1.0 + e, 1.0 - e).plus(-2.0);
        assert_eq!(sum.value(), -e * e);
    }
}
