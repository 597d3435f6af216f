//! Products of few rows (or columns) with a large matrix, which must run as fast as the matrix is read.
//!
//! y[s, ν] = Σ_κ x[s, κ] · B[κ, ν], where nothing of B is copied: where its contracted index is the one whose
//! neighbours are adjacent (weights stored (out, in), as in decoding), registers run along κ and are summed across at the
//! end; where its columns are adjacent, registers run along ν and y is kept near. A long κ is cut into segments, whose
//! sums are added in order.

use std::ops::Range;

use half::{bf16, f16};

use super::axes::{self, Offsets};
use super::blocked::Target;
use super::epilogue::Finish;
use super::read::{Address, Read, Same};
use super::{Axes, Axis, Operand, Scaled, Stored};
use crate::buffer::Block;
use crate::simd::{Lanes, Vector, prefetch_far};
use crate::threads;

/// The most rows that are few.
pub(super) const FEW: usize = 8;
/// Contracted indices of a segment, where there are too few columns to make work for several threads.
const SEGMENT: usize = 1 << 15;
/// Elements of B that make a piece of work.
const PIECE: usize = 1 << 17;
/// Elements of y that stay in half of the first-level cache.
const NEAR: usize = 4096;
/// Bytes by which B is asked for ahead of its use.
const AHEAD: usize = 1024;

/// How B lies in memory.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Contracted indices are neighbours.
    Dot,
    /// Columns are neighbours.
    Axpy,
}

/// One product of few rows.
pub(super) struct Skinny<'a, T> {
    pub(super) scaled: Scaled<T>,
    pub(super) finish: Option<Finish<'a, T>>,
    pub(super) a: Operand<'a, T>,
    pub(super) b: Operand<'a, T>,
    pub(super) c: Target<T>,
    pub(super) axes: &'a Axes,
}

/// Whether A has few rows, and B can be read as it lies: one contracted dimension of neighbours, or one dimension of
/// columns that are.
pub(super) fn fits(axes: &Axes) -> bool {
    axes::size(&axes.rows) <= FEW && axes::size(&axes.contracted) > 0 && form(axes).is_some()
}

fn form(axes: &Axes) -> Option<Form> {
    match (&axes.columns[..], &axes.contracted[..]) {
        (_, [Axis { b: 1, .. }]) => Some(Form::Dot),
        ([Axis { b: 1, .. }], _) => Some(Form::Axpy),
        _ => None,
    }
}

/// What the kernels read and write: some rows of x, a range of columns and one of contracted indices.
struct Piece<'a, T> {
    /// Index 0…0 of B.
    b: *const (),
    columns: (&'a Offsets, Range<usize>),
    depth: (&'a Offsets, Range<usize>),
    /// `rows` rows of x, `x_step` apart, at the first contracted index.
    x: *const T,
    x_step: isize,
    rows: usize,
    /// `rows` rows of sums, `y_step` apart, at the first column.
    y: *mut T,
    y_step: usize,
}

/// Rows whose contracted indices are neighbours: of A itself, or of a copy.
struct Rows<T: Lanes> {
    /// Only read.
    first: Target<T>,
    /// Where each matrix begins.
    at: Vec<isize>,
    /// From row to row.
    step: isize,
    _copy: Option<Block<T>>,
}

impl<T: Lanes> Rows<T> {
    fn at(&self, matrix: usize, k: usize) -> *const T {
        self.first.at(self.at[matrix] + k as isize)
    }
}

type Code<T> = unsafe fn(&Piece<'_, T>);

impl<T: Lanes> Skinny<'_, T> {
    /// # Safety
    /// The processor has the instruction set of `V`; every index lies in its operand; nobody else uses C; `fits` holds.
    pub(super) unsafe fn run<V: Vector<Element = T>>(&self) {
        let axes = self.axes;
        let (m, n, k) = (axes::size(&axes.rows), axes::size(&axes.columns), axes::size(&axes.contracted));
        let form = form(axes).unwrap_or(Form::Dot);
        let code = match self.b.data {
            Stored::Real(_) => codes::<V, Same>(form),
            Stored::F32(_) => codes::<V, f32>(form),
            Stored::BF16(_) => codes::<V, bf16>(form),
            Stored::F16(_) => codes::<V, f16>(form),
        };
        let columns = Offsets::new(&axes.columns, |x| x.b);
        let depth = Offsets::new(&axes.contracted, |x| x.b);
        let matrices: Vec<[isize; 3]> = {
            let [a, b, c] = [|x: &Axis| x.a, |x: &Axis| x.b, |x: &Axis| x.c].map(|stride| Offsets::new(&axes.batch, stride));
            (0..axes::size(&axes.batch)).map(|i| [a.at(i), b.at(i), c.at(i)]).collect()
        };
        let x = self.rows_of_a(&matrices, [m, k]);
        let first = Address::new(self.b.data, self.b.offset);

        // Segments only where columns alone would not keep the threads busy.
        let segment = if n < 128 { SEGMENT } else { k };
        let segments = k.div_ceil(segment);
        let width = match form {
            Form::Dot => (PIECE / segment).clamp(8, n.max(8)).next_multiple_of(8),
            Form::Axpy => NEAR / m.next_power_of_two(),
        };
        let blocks = n.div_ceil(width);
        // A few lines more than the width, lest all rows fall into the same sets of the cache.
        let y_step = width.min(n) + 16;
        let mut y = Block::new(matrices.len() * segments * blocks * m * y_step);
        let target = Target(y.as_mut_ptr());
        let bytes = match self.b.data {
            Stored::Real(_) => size_of::<T>(),
            Stored::F32(_) => 4,
            _ => 2,
        };
        let pieces = matrices.len() * segments * blocks;
        let ns_each = (width * segment) as f64 * (bytes as f64 / 15.0).max(m as f64 / 50.0);
        // A few pieces at a time: of a large batch of short products, taking one costs as much as computing it.
        let parts = match threads::parts(pieces, ns_each) {
            1 => 1,
            threads => pieces.min(16 * threads),
        };
        threads::run(parts, |part| {
            for piece in threads::range(pieces, 1, parts, part) {
                let (matrix, segment_at, block) = (piece / (segments * blocks), piece / blocks % segments, piece % blocks);
                let (k0, j0) = (segment_at * segment, block * width);
                let (k1, j1) = (k.min(k0 + segment), n.min(j0 + width));
                let piece = Piece {
                    b: first.at(matrices[matrix][1]),
                    columns: (&columns, j0..j1),
                    depth: (&depth, k0..k1),
                    x: x.at(matrix, k0),
                    x_step: x.step,
                    rows: m,
                    y: target.at((piece * m * y_step) as isize),
                    y_step,
                };
                // SAFETY: the columns and indices are of B, x and y hold their rows, and pieces share no sum.
                unsafe { code[m.next_power_of_two().trailing_zeros() as usize](&piece) }
            }
        });
        // SAFETY: the caller's duty.
        unsafe { self.finish(&y, &matrices, Layout { rows: m, columns: n, width, step: y_step, segments }) }
    }

    /// The rows of every matrix of A in the type of the computation: where they lie, or copied there.
    fn rows_of_a(&self, matrices: &[[isize; 3]], [m, k]: [usize; 2]) -> Rows<T> {
        let (rows, depth) = (Offsets::new(&self.axes.rows, |x| x.a), Offsets::new(&self.axes.contracted, |x| x.a));
        if let (Stored::Real(a), true, [] | [_]) = (self.a.data, depth.adjacent(0, k), &self.axes.rows[..]) {
            let at = matrices.iter().map(|x| self.a.offset as isize + x[0]).collect();
            return Rows { first: Target(a.as_ptr().cast_mut()), at, step: rows.at(1), _copy: None };
        }
        let mut x = Block::new(matrices.len() * m * k);
        for (matrix, x) in matrices.iter().zip(x.chunks_exact_mut(m * k)) {
            for (row, x) in x.chunks_exact_mut(k).enumerate() {
                let at = self.a.offset.wrapping_add_signed(matrix[0] + rows.at(row));
                let elements = x.iter_mut().enumerate().map(|(k, x)| (x, at.wrapping_add_signed(depth.at(k))));
                match self.a.data {
                    Stored::Real(a) => elements.for_each(|(x, at)| *x = a[at]),
                    Stored::F32(a) => elements.for_each(|(x, at)| *x = a[at].into()),
                    Stored::BF16(a) => elements.for_each(|(x, at)| *x = a[at].into()),
                    Stored::F16(a) => elements.for_each(|(x, at)| *x = a[at].into()),
                }
            }
        }
        let at = (0..matrices.len()).map(|i| (i * m * k) as isize).collect();
        Rows { first: Target(x.as_mut_ptr()), at, step: k as isize, _copy: Some(x) }
    }

    /// Adds up the segments and writes C.
    unsafe fn finish(&self, y: &[T], matrices: &[[isize; 3]], layout: Layout) {
        let Layout { rows: m, columns: n, width, step, segments } = layout;
        let Scaled { alpha, accumulate } = self.scaled;
        let (rows, columns) = (Offsets::new(&self.axes.rows, |x| x.c), Offsets::new(&self.axes.columns, |x| x.c));
        let segment = n.div_ceil(width) * m * step;
        for (matrix, y) in matrices.iter().zip(y.chunks_exact(segments * segment)) {
            for i in 0..m {
                for j in 0..n {
                    let at = (j / width * m + i) * step + j % width;
                    let sum = (1..segments).fold(y[at], |sum, x| sum + y[x * segment + at]);
                    // SAFETY: the element lies in C, the caller's duty.
                    unsafe {
                        let to = self.c.at(matrix[2] + rows.at(i) + columns.at(j));
                        *to = if accumulate { *to + alpha * sum } else { alpha * sum };
                    }
                }
                let Some(finish) = &self.finish else { continue };
                let run = if columns.adjacent(0, n) { n } else { 1 };
                for j in (0..n).step_by(run) {
                    // SAFETY: the elements lie in C, the caller's duty.
                    unsafe { finish.run(self.c.at(matrix[2] + rows.at(i) + columns.at(j)), run) }
                }
            }
        }
    }
}

/// How the sums lie: for each matrix, segment and block of `width` columns, `rows` rows that are `step` apart.
struct Layout {
    rows: usize,
    columns: usize,
    width: usize,
    step: usize,
    segments: usize,
}

/// The kernels for up to 1, 2, 4 and 8 rows.
fn codes<V: Vector<Element: Lanes>, R: Read<V>>(form: Form) -> [Code<V::Element>; 4] {
    match form {
        Form::Dot => [dot::<V, R, 1, 8, 4>, dot::<V, R, 2, 6, 4>, dot::<V, R, 4, 4, 2>, dot::<V, R, 8, 3, 1>],
        Form::Axpy => [axpy::<V, R, 1, 8>, axpy::<V, R, 2, 8>, axpy::<V, R, 4, 4>, axpy::<V, R, 8, 4>],
    }
}

/// Registers run along κ: `S` rows meet `C` columns at a time, so many that reading one does not wait for another, and
/// what columns are left one at a time, in `U` sets of sums.
unsafe fn dot<V: Vector, R: Read<V>, const S: usize, const C: usize, const U: usize>(piece: &Piece<'_, V::Element>) {
    // SAFETY: the caller's duty.
    unsafe {
        V::enter(
            #[inline(always)]
            || {
                let mut j = 0;
                while j + C <= piece.columns.1.len() {
                    dots::<V, R, S, C, 1>(piece, j);
                    j += C;
                }
                while j < piece.columns.1.len() {
                    dots::<V, R, S, 1, U>(piece, j);
                    j += 1;
                }
            },
        )
    }
}

#[inline(always)]
unsafe fn dots<V: Vector, R: Read<V>, const S: usize, const C: usize, const U: usize>(piece: &Piece<'_, V::Element>, j: usize) {
    let k = piece.depth.1.len();
    // SAFETY: columns j to j + C are those of B, `depth` are neighbours in it, and a row beyond the last is read as the
    // last: every load is within k elements of a row.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let b = piece.b.cast::<R::Item>().offset(depth.at(start.start));
        let b: [_; C] = std::array::from_fn(|c| b.offset(columns.at(first.start + j + c)));
        let x: [_; S] = std::array::from_fn(|s| piece.x.offset(s.min(piece.rows - 1) as isize * piece.x_step));
        let mut sums = [[[V::splat(crate::real::Real::ZERO); S]; C]; U];
        let mut at = 0;
        while at + U * V::LANES <= k {
            for u in 0..U {
                let at = at + u * V::LANES;
                let mut row = [V::splat(crate::real::Real::ZERO); S];
                for s in 0..S {
                    row[s] = V::load(x[s].add(at));
                }
                for c in 0..C {
                    prefetch_far(b[c].wrapping_add(at).wrapping_byte_add(AHEAD));
                    let column = R::load(b[c].add(at));
                    for s in 0..S {
                        sums[u][c][s] = column.mul_add(row[s], sums[u][c][s]);
                    }
                }
            }
            at += U * V::LANES;
        }
        while at < k {
            let n = V::LANES.min(k - at);
            for c in 0..C {
                let column = R::load_first(b[c].add(at), n);
                for s in 0..S {
                    sums[0][c][s] = column.mul_add(V::load_first(x[s].add(at), n), sums[0][c][s]);
                }
            }
            at += n;
        }
        for c in 0..C {
            for s in 0..S {
                let mut sum = sums[0][c][s];
                for u in 1..U {
                    sum = sum.add(sums[u][c][s]);
                }
                let sum = sum.sum();
                if s < piece.rows {
                    *piece.y.add(s * piece.y_step + j + c) = sum;
                }
            }
        }
    }
}

/// Registers run along ν: `U` contracted indices at a time are added to `S` rows of y.
unsafe fn axpy<V: Vector<Element: Lanes>, R: Read<V>, const S: usize, const U: usize>(piece: &Piece<'_, V::Element>) {
    // SAFETY: the caller's duty.
    unsafe {
        V::enter(
            #[inline(always)]
            || {
                for s in 0..piece.rows {
                    std::slice::from_raw_parts_mut(piece.y.add(s * piece.y_step), piece.columns.1.len())
                        .fill(crate::real::Real::ZERO);
                }
                let mut k = 0;
                while k + U <= piece.depth.1.len() {
                    axpys::<V, R, S, U>(piece, k);
                    k += U;
                }
                while k < piece.depth.1.len() {
                    axpys::<V, R, S, 1>(piece, k);
                    k += 1;
                }
            },
        )
    }
}

#[inline(always)]
unsafe fn axpys<V: Vector<Element: Lanes>, R: Read<V>, const S: usize, const U: usize>(piece: &Piece<'_, V::Element>, k: usize) {
    let n = piece.columns.1.len();
    // SAFETY: the columns are neighbours in B, contracted indices k to k + U are B's; x and y hold `rows` rows.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let b = piece.b.cast::<R::Item>().offset(columns.at(first.start));
        let b: [_; U] = std::array::from_fn(|u| b.offset(depth.at(start.start + k + u)));
        let mut x = [[crate::real::Real::ZERO; S]; U];
        for u in 0..U {
            for s in 0..S.min(piece.rows) {
                x[u][s] = *piece.x.offset(s as isize * piece.x_step + (k + u) as isize);
            }
        }
        let mut j = 0;
        while j + V::LANES <= n {
            let mut row = [V::splat(crate::real::Real::ZERO); U];
            for u in 0..U {
                row[u] = R::load(b[u].add(j));
            }
            for s in 0..S {
                // A row beyond the last adds zeros to the last.
                let y = piece.y.add(s.min(piece.rows - 1) * piece.y_step + j);
                let mut sum = V::load(y);
                for u in 0..U {
                    sum = row[u].mul_add(V::splat(x[u][s]), sum);
                }
                sum.store(y);
            }
            j += V::LANES;
        }
        for s in 0..piece.rows {
            for u in 0..U {
                let y = piece.y.add(s * piece.y_step + j);
                let row = R::load_first(b[u].add(j), n - j);
                row.mul_add(V::splat(x[u][s]), V::load_first(y, n - j)).store_first(y, n - j);
            }
        }
    }
}
