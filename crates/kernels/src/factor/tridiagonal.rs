//! A = Q T Qᵀ of symmetric A by Householder reflections, with T tridiagonal.
//!
//! A panel of columns is reduced while the matrix behind it stays as it is: what the panel's reflections change of it,
//! V Wᵀ + W Vᵀ, is added to each column as its turn comes, and to the rest by products in the end (Dongarra, Sorensen and
//! Hammarling 1989, "Block reduction of matrices to condensed forms"). Half of the work is the product of what is left with
//! each vector, which reads the lower triangle alone, once. Matrices that the nearest caches hold are reduced without panels
//! ([`mirrored`]).

use super::columns::{add_scaled, inner, norm, scale};
use super::matrix::{Matrix, Target, multiply};
use super::mirrored;
use super::symmetric::{Pairs, lane, product};
use crate::buffer::{Block, OutOfMemory};
use crate::params::params;
use crate::shape::count;
use crate::simd::{Isa, Lanes, MAX_LANES};

/// Columns of a panel, of matrices that are larger than the second-level cache, and others.
const PANEL: [usize; 2] = [32, 16];
/// The fewest columns of the rest that are changed at once.
const CHANGED: usize = 64;

/// Reduces the lower triangle of n columns of n; `diagonal` becomes that of T, and `beside` the n − 1 elements below it. The columns become
/// the vectors of reflections that begin one row below the diagonal; returns their factors.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn reduce<T: Lanes>(isa: Isa, a: &mut [T], diagonal: &mut [T], beside: &mut [T]) -> Result<Block<T>, OutOfMemory> {
    let n = diagonal.len();
    assert!(n > 0 && a.len() == count(&[n, n]) && beside.len() == n - 1, "square matrices of an order");
    if n * n * size_of::<T>() <= params().factor.mirrored_bytes {
        return mirrored::reduce(isa, a, diagonal, beside);
    }
    by_panels(isa, a, diagonal, beside)
}

fn by_panels<T: Lanes>(isa: Isa, a: &mut [T], diagonal: &mut [T], beside: &mut [T]) -> Result<Block<T>, OutOfMemory> {
    let n = diagonal.len();
    let width = PANEL[usize::from(n * n * size_of::<T>() <= params().factor.near_bytes)];
    // Columns that lie a power of two apart would share a few lines of the caches.
    let apart = n.next_multiple_of(MAX_LANES) + MAX_LANES;
    let mut found = Panel {
        isa,
        n,
        width,
        apart,
        vw: Block::filled(3 * width * apart, T::ZERO)?,
        work: Block::filled(2 * apart, T::ZERO)?,
        tau: Block::filled(n - 1, T::ZERO)?,
    };
    for start in (0..n).step_by(width) {
        let end = (start + width).min(n);
        for j in start..end {
            found.column(a, start, j, diagonal, beside)?;
        }
        found.change_rest(a, end)?;
    }
    Ok(found.tau)
}

/// The panel that is reduced.
struct Panel<T: Lanes> {
    isa: Isa,
    n: usize,
    width: usize,
    /// From column to column of `vw`.
    apart: usize,
    /// V, W and V again by rows of the matrix: so that [V W] and [W V] are columns of one.
    vw: Block<T>,
    work: Block<T>,
    tau: Block<T>,
}

impl<T: Lanes> Panel<T> {
    /// Brings column j up to date, and finds its reflection and column of W.
    fn column(&mut self, a: &mut [T], start: usize, j: usize, diagonal: &mut [T], beside: &mut [T]) -> Result<(), OutOfMemory> {
        let (n, apart, done) = (self.n, self.apart, j - start);
        let (v, rest) = self.vw.split_at_mut(self.width * apart);
        let (w, again) = rest.split_at_mut(self.width * apart);
        let mut factors = [[T::ZERO; 2]; PANEL[0]];
        for (c, factors) in factors.iter_mut().enumerate().take(done) {
            *factors = [-w[c * apart + j], -v[c * apart + j]];
        }
        let (at, next) = a.split_at_mut((j + 1) * n);
        let pairs = Pairs { v, w, apart, first: j };
        pairs.add(self.isa, &factors[..done], &mut at[j * n + j..]);
        diagonal[j] = at[j * n + j];
        if j + 1 == n {
            return Ok(());
        }
        let column = &mut at[j * n..];
        column[..=j].fill(T::ZERO);
        let x = &mut column[j + 1..];
        let tau = reflection(x, &mut beside[j]);
        self.tau[j] = tau;
        let pairs = Pairs { first: j + 1, ..pairs };
        // Its registers are aligned where those of x are.
        let y = &mut self.work[lane(x)..][..n - j - 1];
        if tau == T::ZERO {
            y.fill(T::ZERO);
        } else {
            // w = τ (A v − V Wᵀ v − W Vᵀ v), less τ/2 (wᵀ v) v
            product(self.isa, &next[j + 1..], n, x, y)?;
            let products = &mut factors[..done];
            pairs.products(self.isa, x, products);
            for [p, q] in products.iter_mut() {
                (*p, *q) = (-*q, -*p);
            }
            pairs.add(self.isa, products, y);
            scale(y, tau);
            let half = T::from_f64(-0.5) * tau * inner(x, y);
            add_scaled(half, x, y);
        }
        let to = |c: &mut [T], from: &[T]| {
            c[start..=j].fill(T::ZERO);
            c[j + 1..n].copy_from_slice(from);
        };
        to(&mut v[done * apart..][..apart], x);
        to(&mut again[done * apart..][..apart], x);
        to(&mut w[done * apart..][..apart], y);
        Ok(())
    }

    /// A − V Wᵀ − W Vᵀ of the lower triangle from `end` on.
    fn change_rest(&self, a: &mut [T], end: usize) -> Result<(), OutOfMemory> {
        let (n, width, left) = (self.n, self.width, self.n - end);
        let all = Matrix::of_columns(&self.vw, n, 3 * width, self.apart);
        let step = CHANGED.max(left.div_ceil(8));
        for first in (end..n).step_by(step) {
            let (rows, columns) = (n - first, step.min(n - first));
            let vw = all.block(first, 0, rows, 2 * width);
            let wv = all.block(first, width, columns, 2 * width);
            multiply(-T::ONE, vw, wv.t(), Target { data: &mut a[first * n + first..], row: 1, column: n }, true)?;
        }
        Ok(())
    }
}

/// τ, and x becomes v with v[0] = 1, such that (I − τ v vᵀ) x = (β, 0, …).
pub(super) fn reflection<T: Lanes>(x: &mut [T], beta: &mut T) -> T {
    let alpha = std::mem::replace(&mut x[0], T::ONE);
    let tail = norm(&x[1..]);
    if tail == T::ZERO {
        *beta = alpha;
        return T::ZERO;
    }
    let length = norm(&[alpha, tail]);
    *beta = if alpha > T::ZERO { -length } else { length };
    let (tau, divisor) = ((*beta - alpha) / *beta, alpha - *beta);
    let inverse = T::ONE / divisor;
    if inverse.is_finite() {
        scale(&mut x[1..], inverse);
    } else {
        x[1..].iter_mut().for_each(|x| *x = *x / divisor);
    }
    tau
}

#[cfg(test)]
mod tests {
    use super::super::householder::{self, PanelReflections};
    use super::*;
    use crate::simd::available;

    type Reduce<T> = fn(Isa, &mut [T], &mut [T], &mut [T]) -> Result<Block<T>, OutOfMemory>;

    /// Compares Q T Qᵀ with the matrix, and Q with what panels of its reflections make of the identity.
    fn check<T: Lanes>(isa: Isa, n: usize, reduce: Reduce<T>) {
        let number = |i: usize, j: usize| T::from_f64(((i.max(j) * 7919 + i.min(j) * 104_729) % 1009) as f64 / 500.0 - 1.0);
        let a: Vec<T> = (0..n * n).map(|at| number(at / n, at % n)).collect();
        let (mut v, mut d, mut e) = (a.clone(), vec![T::ZERO; n], vec![T::ZERO; n - 1]);
        for j in 0..n {
            v[j * n..][..j].fill(T::ZERO);
        }
        let tau = reduce(isa, &mut v, &mut d, &mut e).unwrap();
        let mut q: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
        for (j, tau) in tau.iter().enumerate().rev() {
            for column in q.chunks_exact_mut(n) {
                let v = &v[j * n..][..n];
                let product: f64 = column.iter().zip(v).map(|(x, v)| x * v.to_f64()).sum();
                column.iter_mut().zip(v).for_each(|(x, v)| *x -= tau.to_f64() * product * v.to_f64());
            }
        }
        let most = 8.0 * T::EPSILON.to_f64() * n as f64;
        for i in 0..n {
            for j in 0..n {
                let mut sum = 0.0;
                for k in 0..n {
                    let (from, to) = (q[k * n + i], &q[..]);
                    let mut of_t = d[k].to_f64() * to[k * n + j];
                    of_t += if k > 0 { e[k - 1].to_f64() * to[(k - 1) * n + j] } else { 0.0 };
                    of_t += if k + 1 < n { e[k].to_f64() * to[(k + 1) * n + j] } else { 0.0 };
                    sum += from * of_t;
                }
                let error = (sum - a[i * n + j].to_f64()).abs();
                assert!(error <= most, "{isa:?} {n}: Q T Qᵀ is {sum} at {i}, {j}: off by {error}");
            }
        }
        if n == 1 {
            return;
        }
        let mut memory = vec![T::ZERO; householder::len(n - 1, n - 1)];
        let mut reflections = PanelReflections::new(&mut memory, n - 1, n - 1);
        reflections.take(isa, &v[1..], n, &tau);
        let mut rows: Vec<T> = (0..n * n).map(|at| T::from_f64(f64::from(u8::from(at / n == at % n)))).collect();
        reflections.apply(isa, &mut rows[n..], n);
        for (at, x) in rows.iter().enumerate() {
            let expected = q[at % n * n + at / n];
            assert!((x.to_f64() - expected).abs() <= most, "{isa:?} {n}: Q is {expected} at {}, {}", at / n, at % n);
        }
    }

    #[test]
    fn matrices_are_their_tridiagonal_form_and_reflections() {
        for isa in available() {
            for n in [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 71, 100] {
                check::<f32>(isa, n, mirrored::reduce);
                check::<f64>(isa, n, mirrored::reduce);
                check::<f32>(isa, n, by_panels);
                check::<f64>(isa, n, by_panels);
            }
        }
    }
}
