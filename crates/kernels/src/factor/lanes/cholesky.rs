//! A = L Lᵀ.

use super::pack::{Enabled, Pack};
use super::{Algorithm, Outputs, each, first};
use crate::factor::Failure;
use crate::simd::{Lanes, Vector};
use crate::view::View;

/// [`cholesky`](crate::factor::cholesky::cholesky) of matrices that [`suit`](super::suit).
pub fn cholesky<T: Lanes>(a: View<'_, T>, l: &mut [T]) -> Result<(), Failure> {
    let n = a.shape()[a.shape().len() - 1];
    first(&each(&Cholesky { n }, a, [l, &mut [], &mut []]))
}

pub(super) struct Cholesky {
    pub n: usize,
}

impl<T: Lanes> Algorithm<T> for Cholesky {
    const LOWER: bool = true;

    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        ([self.n; 2], [[self.n; 2], [0; 2], [0; 2]])
    }
    fn scratch(&self) -> usize {
        0
    }
    fn ns(&self) -> f64 {
        let n = self.n as f64;
        n * n * (0.3 + 0.01 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        a: &mut Vec<Pack<V>>,
        out: &mut Outputs<V>,
        _: &mut [Pack<V>],
    ) -> Pack<V> {
        // The orders of graphics as constants: the compiler unrolls every loop.
        match self.n {
            3 => factor(isa, 3, a, &mut out.packs[0]),
            4 => factor(isa, 4, a, &mut out.packs[0]),
            n => factor(isa, n, a, &mut out.packs[0]),
        }
    }
}

// Column j of L from those left of it:  l_jj = √(a_jj − Σ l_jk²),  l_ij = (a_ij − Σ l_ik l_jk) / l_jj.
#[inline(always)]
fn factor<V: Vector>(isa: Enabled<V>, n: usize, a: &[Pack<V>], l: &mut [Pack<V>]) -> Pack<V> {
    let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
    let mut status = zero;
    for j in 0..n {
        let (row, below) = l[j * n..].split_at_mut(n);
        let (left, right) = row.split_at_mut(j);
        let left = &*left;
        let square = a[j * n + j] - left.iter().fold(zero, |sum, x| x.mul_add(*x, sum));
        let failed = zero.where_less(square, zero, isa.splat((j + 1) as f64));
        status = zero.where_less(status, status, failed);
        let root = square.sqrt();
        right[0] = root;
        right[1..].fill(zero);
        let reciprocal = one / root;
        let mut i = j + 1;
        for rows in below.chunks_mut(4 * n) {
            if rows.len() == 4 * n {
                let sums = dots(zero, left, std::array::from_fn::<_, 4, _>(|r| &rows[r * n..r * n + j]));
                for (r, sum) in sums.into_iter().enumerate() {
                    rows[r * n + j] = (a[(i + r) * n + j] - sum) * reciprocal;
                }
                i += 4;
                continue;
            }
            for row in rows.chunks_mut(n) {
                let [sum] = dots(zero, left, [&row[..j]]);
                row[j] = (a[i * n + j] - sum) * reciprocal;
                i += 1;
            }
        }
    }
    status
}

/// The dot products of `x` with each of `rows`.
#[inline(always)]
fn dots<V: Vector, const N: usize>(zero: Pack<V>, x: &[Pack<V>], rows: [&[Pack<V>]; N]) -> [Pack<V>; N] {
    let mut sums = [zero; N];
    for (k, &x) in x.iter().enumerate() {
        for r in 0..N {
            sums[r] = rows[r][k].mul_add(x, sums[r]);
        }
    }
    sums
}
