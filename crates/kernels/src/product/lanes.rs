//! Many tiny matrices: every lane of a register works on a matrix of its own.
//!
//! As many matrices as a register has lanes are transposed, in registers, so that a register holds one element of each; the
//! product is then plain sums over registers, whatever the sizes, and is turned back. Nothing is lost to sizes that are no
//! multiple of a register, nor to a call for each matrix.

use half::{bf16, f16};

use super::axes;
use super::direct::{matrix, single};
use super::epilogue::BoundEpilogue;
use super::read::{Address, Read, Unconverted};
use super::{Axes, Axis, Operand, Scaled, Stored};
use crate::simd::{Enabled, Lanes, MAX_LANES, Square, Vector};
use crate::threads::{self, SyncPtr};

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
    c: SyncPtr<T>,
    batch: &'a [Axis],
    rows: Axis,
    columns: Axis,
    contracted: Axis,
}

/// The elements of a matrix: as many registers as it has.
type TransposedLanes<V> = [V; ELEMENTS];

impl<'a, T: Lanes> BatchedSmallProduct<'a, T> {
    /// The product, if it is one of many tiny matrices.
    pub(super) fn new(scaled: Scaled<T>, a: Operand<'a, T>, b: Operand<'a, T>, c: SyncPtr<T>, axes: &'a Axes) -> Option<Self> {
        let (rows, columns, contracted) = (single(&axes.rows)?, single(&axes.columns)?, single(&axes.contracted)?);
        let in_one_piece = |x: (usize, isize), y: (usize, isize)| {
            let dense = |(n, s): (usize, isize), (m, t): (usize, isize)| (m == 1 || t == 1) && (n == 1 || s == m as isize);
            x.0 * y.0 <= ELEMENTS && (dense(x, y) || dense(y, x))
        };
        let fits = contracted.size > 0
            && axes::size(&axes.batch) >= 2 * MAX_LANES
            && in_one_piece((rows.size, rows.a), (contracted.size, contracted.a))
            && in_one_piece((contracted.size, contracted.b), (columns.size, columns.b))
            && in_one_piece((rows.size, rows.c), (columns.size, columns.c));
        fits.then_some(Self { scaled, finish: None, a, b, c, batch: &axes.batch, rows, columns, contracted })
    }

    /// The same, and then this.
    pub(super) fn with_epilogue(self, finish: Option<BoundEpilogue<'a, T>>) -> Self {
        Self { finish, ..self }
    }

    /// Computes them; `distinct` only if no two matrices share an element of C.
    #[inline(always)]
    pub(super) fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, distinct: bool) {
        let matrices = axes::size(self.batch);
        let (m, n, k) = (self.rows.size, self.columns.size, self.contracted.size);
        let ns = TURN_NS * (m * k + k * n + m * n) as f64 + (m * n * k) as f64 / (2 * V::LANES) as f64;
        let parts = if distinct { threads::parts(matrices, ns) } else { 1 };
        // A few pieces a thread, so that one that is held up leaves some to the others.
        let pieces = if parts > 1 { 8 * parts } else { 1 };
        threads::run(pieces, |piece| {
            let range = threads::range(matrices, V::LANES, pieces, piece);
            isa.enter(
                #[inline(always)]
                || self.multiply(isa, range),
            );
        });
    }

    /// Multiplies some of the matrices, as many at a time as a register has lanes.
    #[inline(always)]
    fn multiply<V: Vector<Element = T>>(&self, isa: Enabled<V>, matrices: std::ops::Range<usize>) {
        let zero = isa.zero();
        let (mut a, mut b, mut c) = ([zero; ELEMENTS], [zero; ELEMENTS], [zero; ELEMENTS]);
        for first in matrices.clone().step_by(V::LANES) {
            let count = V::LANES.min(matrices.end - first);
            // Lanes without a matrix repeat the last.
            let mut at = [[0; 3]; MAX_LANES];
            for (i, at) in at.iter_mut().enumerate().take(V::LANES) {
                *at = matrix(self.batch, first + i.min(count - 1));
            }
            let at = &at[..V::LANES];
            transpose_stored(isa, &mut a, self.rows.size * self.contracted.size, self.a, at.iter().map(|at| at[0]));
            transpose_stored(isa, &mut b, self.contracted.size * self.columns.size, self.b, at.iter().map(|at| at[1]));
            self.sums(isa, &a, &b, &mut c);
            self.transpose_back(isa, &c, at[..count].iter().map(|at| self.c.at(at[2])));
        }
    }

    #[inline(always)]
    fn sums<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        a: &TransposedLanes<V>,
        b: &TransposedLanes<V>,
        c: &mut TransposedLanes<V>,
    ) {
        let (m, n) = (self.rows.size, self.columns.size);
        for i in (0..m).step_by(2) {
            for j in (0..n).step_by(4) {
                match (m - i, n - j) {
                    (1, 1) => self.tile::<V, 1, 1>(isa, i, j, a, b, c),
                    (1, 2) => self.tile::<V, 1, 2>(isa, i, j, a, b, c),
                    (1, 3) => self.tile::<V, 1, 3>(isa, i, j, a, b, c),
                    (1, _) => self.tile::<V, 1, 4>(isa, i, j, a, b, c),
                    (_, 1) => self.tile::<V, 2, 1>(isa, i, j, a, b, c),
                    (_, 2) => self.tile::<V, 2, 2>(isa, i, j, a, b, c),
                    (_, 3) => self.tile::<V, 2, 3>(isa, i, j, a, b, c),
                    (_, _) => self.tile::<V, 2, 4>(isa, i, j, a, b, c),
                }
            }
        }
    }

    /// `M` rows from `i` and `N` columns from `j` on.
    #[inline(always)]
    fn tile<V: Vector<Element = T>, const M: usize, const N: usize>(
        &self,
        isa: Enabled<V>,
        i: usize,
        j: usize,
        a: &TransposedLanes<V>,
        b: &TransposedLanes<V>,
        c: &mut TransposedLanes<V>,
    ) {
        let Self { rows, columns, contracted, .. } = self;
        let at = |i: usize, s: isize, j: usize, t: isize| i * s as usize + j * t as usize;
        // SAFETY: a matrix that lies in one piece, as `new` found, has its indices below its number of elements, at most `ELEMENTS`.
        unsafe {
            let mut sums = [[isa.zero(); N]; M];
            for k in 0..contracted.size {
                let mut row = [isa.zero(); N];
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

    /// Writes the matrices of C that begin at these addresses, one for each of the first lanes.
    #[inline(always)]
    fn transpose_back<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        c: &TransposedLanes<V>,
        to: impl Iterator<Item = *mut T> + Clone,
    ) {
        let len = self.rows.size * self.columns.size;
        let alpha = isa.splat(self.scaled.alpha);
        for first in (0..len).step_by(V::LANES) {
            let n = V::LANES.min(len - first);
            let mut block = Square::zero(isa);
            for i in 0..n {
                block[i] = c[first + i] * alpha;
            }
            block.transpose();
            for (to, &x) in to.clone().zip(block.iter()) {
                // SAFETY: `len` elements from each address on are a matrix of C.
                unsafe {
                    let to = to.add(first);
                    let x = if self.scaled.accumulate { x + isa.load_first(to, n) } else { x };
                    if n == V::LANES { x.store(to) } else { x.store_first(to, n) }
                }
            }
        }
        if let Some(finish) = &self.finish {
            to.for_each(|to| finish.run(to, len));
        }
    }
}

/// Loads the `len` elements of a matrix for each lane, which lies so far from index 0…0 of the operand.
#[inline(always)]
fn transpose_stored<V: Vector<Element: Lanes>>(
    isa: Enabled<V>,
    to: &mut TransposedLanes<V>,
    len: usize,
    operand: Operand<'_, V::Element>,
    at: impl Iterator<Item = isize>,
) {
    let first = Address::new(operand.data, operand.offset);
    let mut from = [std::ptr::null(); MAX_LANES];
    for (from, at) in from.iter_mut().zip(at) {
        *from = first.at(at);
    }
    match operand.data {
        Stored::Real(_) => transpose_into_lanes::<V, Unconverted>(isa, to, len, &from),
        Stored::F32(_) => transpose_into_lanes::<V, f32>(isa, to, len, &from),
        Stored::BF16(_) => transpose_into_lanes::<V, bf16>(isa, to, len, &from),
        Stored::F16(_) => transpose_into_lanes::<V, f16>(isa, to, len, &from),
    }
}

#[inline(always)]
fn transpose_into_lanes<V: Vector, R: Read<V>>(
    isa: Enabled<V>,
    to: &mut TransposedLanes<V>,
    len: usize,
    from: &[*const (); MAX_LANES],
) {
    for first in (0..len).step_by(V::LANES) {
        let n = V::LANES.min(len - first);
        let mut block = Square::zero(isa);
        for i in 0..V::LANES {
            // SAFETY: `len` elements from each lane's address on are a matrix.
            unsafe {
                let from = from[i].cast::<R::Item>().add(first);
                block[i] = if n == V::LANES { R::load(isa, from) } else { R::load_first(isa, from, n) };
            }
        }
        block.transpose();
        to[first..first + n].copy_from_slice(&block[..n]);
    }
}
