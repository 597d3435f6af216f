//! Factorizations of many small matrices: every lane of a register works on a matrix of its own.
//!
//! As many matrices as a register has lanes are transposed, in registers, so that a register holds one element of each (a
//! *pack*); the algorithm is then plain arithmetic on packs. Nothing is lost to sizes that are no multiple of a register nor to
//! a call for each matrix. Where matrices would go different ways (a pivot, a converged value), all lanes go the longest way
//! and those that need not are left as they are.
//!
//! | function | algorithm |
//! | --- | --- |
//! | [`cholesky`] | by panels of four columns, looking left |
//! | [`inverse`] | Gauss and Jordan's elimination in place by panels of four columns, partial pivoting |
//! | [`qr`] | Householder reflections by panels of four columns, looking left |
//! | [`eigh`] | Householder's tridiagonal form, implicit QL |
//! | [`tridiagonal_parts`] | implicit QL |
//! | [`svd`] | one-sided Jacobi rotations, of many rows from the eigenvectors of A Aᵀ on |

mod cholesky;
mod eigh;
mod inverse;
mod order;
mod pack;
mod panel;
mod parts;
mod product;
mod qr;
mod svd;
#[cfg(test)]
mod tests;
mod transpose;

pub(super) use cholesky::cholesky;
pub(super) use eigh::eigh;
pub(super) use inverse::inverse;
pub(super) use parts::{TridiagonalPart, tridiagonal_parts};
pub(super) use qr::qr;
pub(super) use svd::svd;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Failure;
use super::batch::sizes;
use crate::buffer::{Block, OutOfMemory};
use crate::elementwise;
use crate::params::params;
use crate::process::fallible;
use crate::shape::count;
use crate::simd::{self, Enabled, Lanes, MAX_LANES, Vector};
use crate::threads::{self, SharedSlice};
use crate::view::View;
use transpose::{columns, from_lanes, from_lanes_ordered, to_lanes};

/// The most rows and columns of a matrix that is worked on in a lane: its packs stay in the second-level cache.
const LARGEST: usize = 32;

/// Whether these matrices are factored faster in lanes than one after another.
pub(super) fn suit<T: Copy>(a: View<'_, T>) -> bool {
    let [batch, m, n] = sizes(a);
    (1..=LARGEST).contains(&m) && (1..=LARGEST).contains(&n) && batch >= 2 * MAX_LANES
}

/// An algorithm for one pack of matrices.
trait Algorithm<T: Lanes>: Sync {
    /// Whether it reads the lower triangle alone.
    const LOWER: bool = false;

    /// Rows and columns of a matrix that it reads, and of each that it writes.
    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]);
    /// Packs that it needs beside the matrix.
    fn scratch(&self) -> usize;
    /// About the nanoseconds that a matrix takes in lanes of sixteen.
    fn ns(&self) -> f64;

    /// Factors `a`, which it may overwrite, into `out`, with `scratch` of unspecified content. Returns 0 in each lane
    /// that went well, else what went wrong there. Must be `#[inline(always)]`.
    fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, a: &mut Vec<V>, out: &mut Outputs<V>, scratch: &mut [V]) -> V;
}

/// Where results go.
struct Outputs<V> {
    packs: [Vec<V>; 3],
    /// The column of the first result that each of its packs' columns is in each lane, where they are not in order.
    order: Option<Order>,
}

/// Numbers of columns, lane by lane.
type Order = [[u8; LARGEST]; MAX_LANES];

/// A matrix that went wrong: its place in the batch, and what the algorithm says of it.
type Fault = (usize, usize);

/// Runs the algorithm on every matrix of the batch, writes results column by column, and returns the matrices that went
/// wrong, in order. One that has an element that is not finite gives NaN and does not go wrong.
fn each<T: Lanes>(algorithm: &impl Algorithm<T>, a: View<'_, T>, out: [&mut [T]; 3]) -> Result<Vec<Fault>, OutOfMemory> {
    if let Some(rows) = a.as_slice() {
        return each_on(simd::isa(), algorithm, rows, out);
    }
    let mut rows = Block::new(a.len())?;
    elementwise::copy(a, &mut rows);
    each_on(simd::isa(), algorithm, &rows, out)
}

/// [`each`] of matrices that lie row by row, with this instruction set.
fn each_on<T: Lanes>(
    isa: simd::Isa,
    algorithm: &impl Algorithm<T>,
    a: &[T],
    out: [&mut [T]; 3],
) -> Result<Vec<Fault>, OutOfMemory> {
    let ([m, n], sizes) = algorithm.sizes();
    let matrices = a.len() / (m * n);
    assert_eq!(a.len(), matrices * m * n, "whole matrices");
    for (out, [m, n]) in out.iter().zip(sizes) {
        assert_eq!(out.len(), count(&[matrices, m, n]), "as many results as matrices");
    }
    let out = out.map(SharedSlice::new);
    let (faults, full) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    simd::dispatch_on(isa, Each { algorithm, a, matrices, out, faults: &faults, full: &full });
    if full.into_inner() {
        return Err(OutOfMemory { bytes: count(&[matrices, size_of::<Fault>()]) });
    }
    let mut faults = faults.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    faults.sort_unstable();
    Ok(faults)
}

/// The first fault, as the batch's failure.
fn first(faults: &[Fault]) -> Result<(), Failure> {
    faults.first().map_or(Ok(()), |&(matrix, order)| Err(Failure::Matrix { matrix, order }))
}

struct Each<'a, T, A> {
    algorithm: &'a A,
    a: &'a [T],
    matrices: usize,
    out: [SharedSlice<'a, T>; 3],
    faults: &'a Mutex<Vec<Fault>>,
    /// Whether there was no memory for a fault.
    full: &'a AtomicBool,
}

impl<T: Lanes, A: Algorithm<T>> simd::Kernel<T> for Each<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let parts = threads::parts(self.matrices, self.algorithm.ns() * 16.0 / V::LANES as f64);
        // A few pieces a thread, so that one that is held up leaves some to the others.
        let pieces = if parts > 1 { (4 * parts).min(self.matrices.div_ceil(V::LANES)) } else { 1 };
        threads::run(pieces, |piece| {
            let range = threads::range(self.matrices, V::LANES, pieces, piece);
            // The results of these matrices: pieces share none.
            let results = [0, 1, 2].map(|which| {
                let [m, n] = self.algorithm.sizes().1[which];
                // SAFETY: `threads::range` cuts the matrices into ranges that are disjoint.
                unsafe { self.out[which].part(range.start * m * n..range.end * m * n) }
            });
            isa.enter(
                #[inline(always)]
                || self.piece(isa, range, results),
            );
        });
    }
}

impl<T: Lanes, A: Algorithm<T>> Each<'_, T, A> {
    /// Factors some of the matrices into `results`.
    #[inline(always)]
    fn piece<V: Vector<Element = T>>(&self, isa: Enabled<V>, matrices: std::ops::Range<usize>, results: [&mut [T]; 3]) {
        let ([m, n], sizes) = self.algorithm.sizes();
        let size = m * n;
        let mut a = vec![isa.constant(0.0); size];
        let mut out = Outputs { packs: sizes.map(|[m, n]| vec![isa.constant(0.0); m * n]), order: None };
        let mut scratch = vec![isa.constant(0.0); self.algorithm.scratch()];
        let places = sizes.map(|sizes| columns(sizes, V::LANES));
        let far = self.far();
        for first in matrices.clone().step_by(V::LANES) {
            let count = V::LANES.min(matrices.end - first);
            if count == V::LANES {
                to_lanes(isa, &self.a[first * size..][..V::LANES * size], &mut a, A::LOWER.then_some(n));
            } else {
                // Lanes without a matrix repeat the last.
                let lanes = (0..V::LANES).flat_map(|i| &self.a[(first + i.min(count - 1)) * size..][..size]).copied();
                to_lanes(isa, &lanes.collect::<Vec<T>>(), &mut a, A::LOWER.then_some(n));
            }
            if first + V::LANES < matrices.end {
                fetch(&self.a[(first + V::LANES) * size..self.a.len().min((first + 2 * V::LANES) * size)]);
            }
            // Where the results of these matrices go.
            let place = |[m, n]: [usize; 2]| (first - matrices.start) * m * n..(first - matrices.start + count) * m * n;
            if !far {
                for (result, size) in results.iter().zip(sizes) {
                    fetch(&result[place(size)]);
                }
            }
            // x · 0 is 0 in finite matrices, NaN in others: it marks these, and makes their results NaN.
            let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
            let mut lost = [zero; 4];
            for (i, row) in a.chunks(n).enumerate() {
                for x in (if A::LOWER { &row[..i + 1] } else { row }).chunks(4) {
                    lost.iter_mut().zip(x).for_each(|(lost, x)| *lost = x.mul_add(zero, *lost));
                }
            }
            let lost = (lost[0] + lost[1]) + (lost[2] + lost[3]);
            out.order = None;
            let status = self.algorithm.run(isa, &mut a, &mut out, &mut scratch);
            let status = lost.where_less(one, status, zero);
            if status.any() {
                let found = status.lanes().take(count).enumerate().filter(|(_, s)| *s != T::ZERO);
                let mut faults = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match fallible(|| faults.try_reserve(count)) {
                    Ok(()) => faults.extend(found.map(|(i, s)| (first + i, s.to_f64() as usize))),
                    Err(_) => self.full.store(true, Ordering::Relaxed),
                }
            }
            let any_lost = lost.where_less(one, zero, one).any();
            if any_lost {
                for x in out.packs.iter_mut().flatten() {
                    *x += lost;
                }
            }
            for which in 0..3 {
                let (packs, to) = (&out.packs[which], &mut results[which][place(sizes[which])]);
                let order = out.order.as_ref().filter(|_| which == 0);
                let write = |to: &mut [T]| match order {
                    Some(order) => from_lanes_ordered(isa, packs, sizes[which], order, to),
                    None => from_lanes(isa, packs, &places[which], to, far),
                };
                if count == V::LANES {
                    write(to);
                } else {
                    let mut all = vec![T::ZERO; V::LANES * packs.len()];
                    write(&mut all);
                    to.copy_from_slice(&all[..to.len()]);
                }
            }
        }
        if far {
            simd::fence();
        }
    }

    /// Whether no cache would keep the results for whoever reads them.
    fn far(&self) -> bool {
        let (a, out) = self.algorithm.sizes();
        let elements: usize = std::iter::once(a).chain(out).map(|[m, n]| m * n).sum();
        self.matrices * elements * size_of::<T>() >= params().memory.streamed_bytes
    }
}

/// Asks for what is read or written next: matrices as many as lanes are too many streams for the processor to predict.
#[inline(always)]
fn fetch<T>(next: &[T]) {
    next.iter().step_by((64 / size_of::<T>()).max(1)).for_each(|x| simd::prefetch(x));
}
