//! The tridiagonal form of a symmetric matrix that the caches hold, in one pass a column.
//!
//! Both triangles are kept, so that a pass runs down whole columns, and no sum goes over the lanes of a register:
//!
//! ```text
//! for every four columns c of A:
//!     A[:, c] ← A[:, c] − v w[c] − w v[c]     what the last reflection changes
//!     y ← y + A[:, c] v⁺[c]                   the product with the next one's vector
//! ```
//!
//! The column that v⁺ is made of is brought up to date first. Rows above it are reflected from one side alone: they are not read again.

use super::columns::{magnitude, norm};
use crate::buffer::{Block, OutOfMemory};
use crate::number::Number;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Enabled, Isa, Kernel, Lanes, MAX_LANES, Square, Vector, dispatch_on};

/// Columns that pass together.
const COLUMNS: usize = 4;

/// As [`tridiagonal::reduce`](super::tridiagonal::reduce), which calls it.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn reduce<T: Lanes>(isa: Isa, a: &mut [T], diagonal: &mut [T], beside: &mut [T]) -> Result<Block<T>, OutOfMemory> {
    let n = diagonal.len();
    assert!(n > 0 && a.len() == count(&[n, n]) && beside.len() == n - 1, "square matrices of an order");
    let apart = n.next_multiple_of(MAX_LANES);
    let mut tau = Block::filled(n - 1, T::ZERO)?;
    let mut whole = Block::filled(count(&[apart, apart]), T::ZERO)?;
    let mut work = Block::filled(4 * apart, T::ZERO)?;
    dispatch_on(isa, Reduce { a, n, apart, whole: &mut whole, work: &mut work, tau: &mut tau, diagonal, beside });
    Ok(tau)
}

struct Reduce<'a, T> {
    /// The lower triangle, then the vectors.
    a: &'a mut [T],
    n: usize,
    /// From column to column of `whole`, and from vector to vector of `work`: whole registers.
    apart: usize,
    whole: &'a mut [T],
    work: &'a mut [T],
    tau: &'a mut [T],
    diagonal: &'a mut [T],
    beside: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Reduce<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(mut self, isa: Enabled<V>) {
        self.mirror(isa);
        // What is smaller changes nothing. A matrix of low rank leaves ever less of itself, of which reflections could not be made.
        let least = T::EPSILON * T::EPSILON * magnitude(self.whole);
        let Self { a, n, apart, whole, work, tau, diagonal, beside } = self;
        // Registers, and groups of columns, begin at multiples of this.
        let unit = V::LANES.max(COLUMNS);
        let [mut v, w, mut next, y] = quarters(work, apart);
        for j in 0..n {
            let first = j / unit * unit;
            let column = &whole[j * apart..][..apart];
            let (of_v, of_w) = (isa.splat(-w[j]), isa.splat(-v[j]));
            for i in (first..apart).step_by(V::LANES) {
                let x = isa.read(&v[i..]).mul_add(of_v, isa.read(&column[i..]));
                isa.read(&w[i..]).mul_add(of_w, x).write(&mut next[i..]);
            }
            diagonal[j] = next[j];
            if j + 1 == n {
                return;
            }
            next[first..j + 1].fill(T::ZERO);
            tau[j] = reflection(isa, &mut next[first..], (j + 1 - first, least), &mut beside[j]);
            a[j * n..][..j + 1].fill(T::ZERO);
            a[j * n + j + 1..(j + 1) * n].copy_from_slice(&next[j + 1..n]);
            let first = (j + 1) / unit * unit;
            y[first..].fill(T::ZERO);
            for c in ((j + 1) / COLUMNS * COLUMNS..n).step_by(COLUMNS) {
                pass(isa, &mut whole[c * apart..][..COLUMNS * apart], [v, w, next], y, [c, first]);
            }
            // w = τ y − τ/2 (τ yᵀ v) v
            let mut product = isa.zero();
            for i in (first..apart).step_by(V::LANES) {
                product = isa.read(&y[i..]).mul_add(isa.read(&next[i..]), product);
            }
            let (of_y, of_v) = (isa.splat(tau[j]), isa.splat(T::from_f64(-0.5) * tau[j] * tau[j] * product.sum()));
            for i in (first..apart).step_by(V::LANES) {
                of_y.mul_add(isa.read(&y[i..]), of_v * isa.read(&next[i..])).write(&mut w[i..]);
            }
            std::mem::swap(&mut v, &mut next);
        }
    }
}

impl<T: Lanes> Reduce<'_, T> {
    /// Writes both triangles.
    #[inline(always)]
    fn mirror<V: Vector<Element = T>>(&mut self, isa: Enabled<V>) {
        let (n, apart) = (self.n, self.apart);
        for (j, column) in self.a.chunks_exact(n).enumerate() {
            self.whole[j * apart + j..j * apart + n].copy_from_slice(&column[j..]);
        }
        for j in (0..apart).step_by(V::LANES) {
            for i in (j..apart).step_by(V::LANES) {
                let mut block = Square::<V>::zero(isa);
                for (c, x) in block.iter_mut().enumerate() {
                    *x = isa.read(&self.whole[(j + c) * apart + i..]);
                }
                block.transpose();
                for (c, x) in block.iter().enumerate() {
                    let to = &mut self.whole[(i + c) * apart + j..];
                    // On the diagonal a column's own part begins in its middle.
                    if i == j { x.write_first(&mut to[..c]) } else { x.write(to) }
                }
            }
        }
    }
}

/// Four vectors of `len` numbers.
fn quarters<T>(work: &mut [T], len: usize) -> [&mut [T]; 4] {
    let (first, second) = work.split_at_mut(2 * len);
    let ((a, b), (c, d)) = (first.split_at_mut(len), second.split_at_mut(len));
    [a, b, c, d]
}

/// What the reflection (v, w) changes of four columns from c on, below row `first`, and their part of y = A v⁺.
#[inline(always)]
fn pass<V: Vector>(
    isa: Enabled<V>,
    columns: &mut [V::Element],
    [v, w, next]: [&[V::Element]; 3],
    y: &mut [V::Element],
    [c, first]: [usize; 2],
) {
    let apart = y.len();
    let fits = columns.len() == COLUMNS * apart && [v, w, next].iter().all(|x| x.len() == apart);
    assert!(fits && apart.is_multiple_of(V::LANES) && first.is_multiple_of(V::LANES), "whole registers of four columns");
    let (mut of_v, mut of_w, mut of_next) = ([isa.zero(); COLUMNS], [isa.zero(); COLUMNS], [isa.zero(); COLUMNS]);
    for k in 0..COLUMNS {
        (of_v[k], of_w[k], of_next[k]) = (isa.splat(-w[c + k]), isa.splat(-v[c + k]), isa.splat(next[c + k]));
    }
    let (a, y) = (columns.as_mut_ptr(), y.as_mut_ptr());
    for i in (first..apart).step_by(V::LANES) {
        // SAFETY: `apart` and i are multiples of a register's lanes, so that each of these vectors and columns, all of `apart`
        // numbers, has a register from i on.
        unsafe {
            let (v, w) = (isa.load(v.as_ptr().add(i)), isa.load(w.as_ptr().add(i)));
            // Two sums, so that additions wait for each other less.
            let mut sums = [isa.load(y.add(i)), isa.zero()];
            for k in 0..COLUMNS {
                let at = a.add(k * apart + i);
                let x = w.mul_add(of_w[k], v.mul_add(of_v[k], isa.load(at)));
                x.store(at);
                sums[k % 2] = x.mul_add(of_next[k], sums[k % 2]);
            }
            (sums[0] + sums[1]).store(y.add(i));
        }
    }
}

/// τ, and x from place `at` on becomes v with v[at] = 1, such that (I − τ v vᵀ) x = (β, 0, …). What is before is 0; what is after counts as 0
/// if its norm is at most `least`.
#[inline(always)]
fn reflection<V: Vector>(
    isa: Enabled<V>,
    x: &mut [V::Element],
    (at, least): (usize, V::Element),
    beta: &mut V::Element,
) -> V::Element {
    let (zero, one) = (V::Element::ZERO, V::Element::ONE);
    let alpha = std::mem::replace(&mut x[at], zero);
    let mut squares = [isa.zero(); 2];
    for (i, x) in x.chunks_exact(V::LANES).enumerate() {
        let x = isa.read(x);
        squares[i % 2] = x.mul_add(x, squares[i % 2]);
    }
    let square = (squares[0] + squares[1]).sum();
    // Squares keep their digits where their sum is far above the smallest number and below the largest.
    let (low, high) = if size_of::<V::Element>() == 4 { (1e-24, 1e37) } else { (1e-260, 1e307) };
    let fits = |x: V::Element| x > V::Element::from_f64(low) && x < V::Element::from_f64(high);
    let tail = if fits(square) { square.sqrt() } else { norm(x) };
    if tail <= least {
        x.fill(zero);
        (x[at], *beta) = (one, alpha);
        return zero;
    }
    let sum = alpha.mul_add(alpha, square);
    let length = if fits(square) && fits(sum) { sum.sqrt() } else { norm(&[alpha, tail]) };
    *beta = if alpha > zero { -length } else { length };
    let (tau, divisor) = ((*beta - alpha) / *beta, alpha - *beta);
    let inverse = one / divisor;
    if inverse.is_finite() {
        for x in x.chunks_exact_mut(V::LANES) {
            (isa.read(x) * isa.splat(inverse)).write(x);
        }
    } else {
        x.iter_mut().for_each(|x| *x = *x / divisor);
    }
    x[at] = one;
    tau
}
