//! Many tiny matrices: every lane of a register works on a matrix of its own.
//!
//! As many matrices as a register has lanes are turned, in registers, so that a register holds one element of each; the
//! product is then plain sums over registers, whatever the sizes, and is turned back. Nothing is lost to sizes that are no
//! multiple of a register, nor to a call for each matrix.

use half::{bf16, f16};

use super::axes;
use super::blocked::OutputPointer;
use super::direct::{matrix, single};
use super::epilogue::BoundEpilogue;
use super::pack::transpose;
use super::read::{Address, Read, Unconverted};
use super::{Axes, Axis, Operand, Scaled, Stored};
use crate::number::Number;
use crate::simd::{Lanes, Vector};
use crate::threads;

/// The most elements of a matrix: those of A, B and C stay in the first-level cache for each lane of a register.
const ELEMENTS: usize = 64;
/// The time that an element takes to be turned, in nanoseconds.
const TURN_NS: f64 = 0.1;

/// Products of matrices that each lie in one piece.
pub(super) struct BatchedSmallProduct<'a, T> {
    scaled: Scaled<T>,
    finish: Option<BoundEpilogue<'a, T>>,
    a: Operand<'a, T>,
    b: Operand<'a, T>,
    c: OutputPointer<T>,
    batch: &'a [Axis],
    rows: Axis,
    columns: Axis,
    contracted: Axis,
}

/// The elements of a matrix: as many registers as it has.
type TransposedLanes<V> = [V; ELEMENTS];

impl<'a, T: Lanes> BatchedSmallProduct<'a, T> {
    /// The product, if it is one of many tiny matrices.
    pub(super) fn new(
        scaled: Scaled<T>,
        a: Operand<'a, T>,
        b: Operand<'a, T>,
        c: OutputPointer<T>,
        axes: &'a Axes,
    ) -> Option<Self> {
        let (rows, columns, contracted) = (single(&axes.rows)?, single(&axes.columns)?, single(&axes.contracted)?);
        let in_one_piece = |x: (usize, isize), y: (usize, isize)| {
            let dense = |(n, s): (usize, isize), (m, t): (usize, isize)| (m == 1 || t == 1) && (n == 1 || s == m as isize);
            x.0 * y.0 <= ELEMENTS && (dense(x, y) || dense(y, x))
        };
        let fits = contracted.size > 0
            && axes::size(&axes.batch) >= 2 * crate::simd::MAX_LANES
            && in_one_piece((rows.size, rows.a), (contracted.size, contracted.a))
            && in_one_piece((contracted.size, contracted.b), (columns.size, columns.b))
            && in_one_piece((rows.size, rows.c), (columns.size, columns.c));
        fits.then_some(Self { scaled, finish: None, a, b, c, batch: &axes.batch, rows, columns, contracted })
    }

    /// The same, and then this.
    pub(super) fn with_epilogue(self, finish: Option<BoundEpilogue<'a, T>>) -> Self {
        Self { finish, ..self }
    }

    /// # Safety
    /// The processor has the instruction set of `V`; every index lies in its operand; nobody else uses C;
    /// `distinct` only if no two matrices share an element of C.
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector<Element = T>>(&self, distinct: bool) {
        let matrices = axes::size(self.batch);
        let (m, n, k) = (self.rows.size, self.columns.size, self.contracted.size);
        let ns = TURN_NS * (m * k + k * n + m * n) as f64 + (m * n * k) as f64 / (2 * V::LANES) as f64;
        let parts = if distinct { threads::parts(matrices, ns) } else { 1 };
        // A few pieces a thread, so that one that is held up leaves some to the others.
        let pieces = if parts > 1 { 8 * parts } else { 1 };
        threads::run(pieces, |piece| {
            let range = threads::range(matrices, V::LANES, pieces, piece);
            // SAFETY: the caller's duty.
            unsafe {
                V::enter(
                    #[inline(always)]
                    || match V::LANES {
                        16 => self.multiply::<V, 16>(range),
                        8 => self.multiply::<V, 8>(range),
                        4 => self.multiply::<V, 4>(range),
                        2 => self.multiply::<V, 2>(range),
                        _ => self.multiply::<V, 1>(range),
                    },
                )
            }
        });
    }

    /// Multiplies some of the matrices, `L` at a time: the lanes of a register.
    #[inline(always)]
    unsafe fn multiply<V: Vector<Element = T>, const L: usize>(&self, matrices: std::ops::Range<usize>) {
        // SAFETY: matrices of the batch lie in their operands, each in one piece from its index 0…0 on.
        unsafe {
            let zero = V::splat(T::ZERO);
            let (mut a, mut b, mut c) = ([zero; ELEMENTS], [zero; ELEMENTS], [zero; ELEMENTS]);
            for first in matrices.clone().step_by(L) {
                let count = L.min(matrices.end - first);
                // Lanes without a matrix repeat the last.
                let at: [_; L] = std::array::from_fn(|i| matrix(self.batch, first + i.min(count - 1)));
                transpose_stored(&mut a, self.rows.size * self.contracted.size, self.a, at.map(|at| at[0]));
                transpose_stored(&mut b, self.contracted.size * self.columns.size, self.b, at.map(|at| at[1]));
                self.sums(&a, &b, &mut c);
                self.transpose_back(&c, at.map(|at| self.c.at(at[2])), count);
            }
        }
    }

    #[inline(always)]
    unsafe fn sums<V: Vector<Element = T>>(&self, a: &TransposedLanes<V>, b: &TransposedLanes<V>, c: &mut TransposedLanes<V>) {
        let (m, n) = (self.rows.size, self.columns.size);
        // SAFETY: the rows and columns are the matrix's.
        unsafe {
            for i in (0..m).step_by(2) {
                for j in (0..n).step_by(4) {
                    match (m - i, n - j) {
                        (1, 1) => self.tile::<V, 1, 1>(i, j, a, b, c),
                        (1, 2) => self.tile::<V, 1, 2>(i, j, a, b, c),
                        (1, 3) => self.tile::<V, 1, 3>(i, j, a, b, c),
                        (1, _) => self.tile::<V, 1, 4>(i, j, a, b, c),
                        (_, 1) => self.tile::<V, 2, 1>(i, j, a, b, c),
                        (_, 2) => self.tile::<V, 2, 2>(i, j, a, b, c),
                        (_, 3) => self.tile::<V, 2, 3>(i, j, a, b, c),
                        (_, _) => self.tile::<V, 2, 4>(i, j, a, b, c),
                    }
                }
            }
        }
    }

    /// `M` rows from `i` and `N` columns from `j` on.
    #[inline(always)]
    unsafe fn tile<V: Vector<Element = T>, const M: usize, const N: usize>(
        &self,
        i: usize,
        j: usize,
        a: &TransposedLanes<V>,
        b: &TransposedLanes<V>,
        c: &mut TransposedLanes<V>,
    ) {
        let Self { rows, columns, contracted, .. } = self;
        let at = |i: usize, s: isize, j: usize, t: isize| i * s as usize + j * t as usize;
        // SAFETY: a matrix that lies in one piece has its indices below its number of elements, which is at most
        // `ELEMENTS`; the instruction set is the caller's duty.
        unsafe {
            let mut sums = [[V::splat(T::ZERO); N]; M];
            for k in 0..contracted.size {
                let mut row = [V::splat(T::ZERO); N];
                for y in 0..N {
                    row[y] = *b.get_unchecked(at(k, contracted.b, j + y, columns.b));
                }
                for x in 0..M {
                    let left = *a.get_unchecked(at(i + x, rows.a, k, contracted.a));
                    for y in 0..N {
                        sums[x][y] = left.mul_add(row[y], sums[x][y]);
                    }
                }
            }
            for x in 0..M {
                for y in 0..N {
                    *c.get_unchecked_mut(at(i + x, rows.c, j + y, columns.c)) = sums[x][y];
                }
            }
        }
    }

    /// Writes the first `count` matrices of C.
    #[inline(always)]
    unsafe fn transpose_back<V: Vector<Element = T>, const L: usize>(&self, c: &TransposedLanes<V>, to: [*mut T; L], count: usize) {
        let len = self.rows.size * self.columns.size;
        // SAFETY: `len` elements from each address on are a matrix of C.
        unsafe {
            let alpha = V::splat(self.scaled.alpha);
            for first in (0..len).step_by(L) {
                let n = L.min(len - first);
                let mut block = [V::splat(T::ZERO); L];
                for i in 0..n {
                    block[i] = c[first + i].mul(alpha);
                }
                transpose(&mut block);
                for i in 0..count {
                    let to = to[i].add(first);
                    let x = if self.scaled.accumulate { block[i].add(V::load_first(to, n)) } else { block[i] };
                    if n == L { x.store(to) } else { x.store_first(to, n) }
                }
            }
            if let Some(finish) = &self.finish {
                to[..count].iter().for_each(|&to| finish.run(to, len));
            }
        }
    }
}

/// Loads the `len` elements of a matrix for each lane, which lies so far from index 0…0 of the operand.
#[inline(always)]
unsafe fn transpose_stored<V: Vector<Element: Lanes>, const L: usize>(
    to: &mut TransposedLanes<V>,
    len: usize,
    operand: Operand<'_, V::Element>,
    at: [isize; L],
) {
    let first = Address::new(operand.data, operand.offset);
    let from = at.map(|at| first.at(at));
    // SAFETY: the caller's duty.
    unsafe {
        match operand.data {
            Stored::Real(_) => transpose_into_lanes::<V, Unconverted, L>(to, len, from),
            Stored::F32(_) => transpose_into_lanes::<V, f32, L>(to, len, from),
            Stored::BF16(_) => transpose_into_lanes::<V, bf16, L>(to, len, from),
            Stored::F16(_) => transpose_into_lanes::<V, f16, L>(to, len, from),
        }
    }
}

#[inline(always)]
unsafe fn transpose_into_lanes<V: Vector, R: Read<V>, const L: usize>(
    to: &mut TransposedLanes<V>,
    len: usize,
    from: [*const (); L],
) {
    for first in (0..len).step_by(L) {
        let n = L.min(len - first);
        // SAFETY: `len` elements from each address on are a matrix; the instruction set is the caller's duty.
        unsafe {
            let mut block = [V::splat(V::Element::ZERO); L];
            for i in 0..L {
                let from = from[i].cast::<R::Item>().add(first);
                block[i] = if n == L { R::load(from) } else { R::load_first(from, n) };
            }
            transpose(&mut block);
            to[first..first + n].copy_from_slice(&block[..n]);
        }
    }
}
