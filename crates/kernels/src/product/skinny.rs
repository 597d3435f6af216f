//! Products of few rows (or columns) with a large matrix, which must run as fast as the matrix is read.
//!
//! y[s, ν] = Σ_κ x[s, κ] · B[κ, ν], where nothing of B is copied: where its contracted index is the one whose
//! neighbours are adjacent (weights stored (out, in), as in decoding), registers run along κ and are summed across at the
//! end; where its columns are adjacent, registers run along ν and y is kept near. A long κ is cut into segments, whose
//! sums are added in order. Up to [`FEW`] rows pass the matrix together ([`single_pass`]); up to [`MORE`] take turns at a part of it
//! that is near, where it is large ([`row_groups`]).

mod row_groups;
mod single_pass;

use std::ops::Range;

use half::{bf16, f16};

use super::axes::{self, Offsets};
use super::epilogue::BoundEpilogue;
use super::read::{Address, Read, Unconverted};
use super::{Axes, Axis, Operand, Scaled, Stored};
use crate::buffer::{Block, OutOfMemory, list};
use crate::params::params;
use crate::real::Real;
use crate::shape;
use crate::simd::{Enabled, Lanes, Vector};
use crate::threads::{self, SyncPtr};

/// The most rows that are few, and that are more.
const FEW: usize = 8;
const MORE: usize = 32;
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
    pub(super) finish: Option<BoundEpilogue<'a, T>>,
    pub(super) a: Operand<'a, T>,
    pub(super) b: Operand<'a, T>,
    pub(super) c: SyncPtr<T>,
    pub(super) axes: &'a Axes,
}

/// Whether A has few rows, and B can be read as it lies: one contracted dimension of neighbours, or one dimension of columns that
/// are.
pub(super) fn are_few(axes: &Axes) -> bool {
    axes::size(&axes.rows) <= FEW && axes::size(&axes.contracted) > 0 && form(axes).is_some()
}

/// Whether A has more rows than a few, and B is large and can be read as it lies.
pub(super) fn are_more(axes: &Axes) -> bool {
    let [m, n, k] = [&axes.rows, &axes.columns, &axes.contracted].map(|group| axes::size(group));
    (FEW + 1..=MORE).contains(&m) && k >= params().skinny.long && n * k >= params().skinny.large && form(axes).is_some()
}

fn form(axes: &Axes) -> Option<Form> {
    match (&axes.columns[..], &axes.contracted[..]) {
        (_, [Axis { b: 1, .. }]) => Some(Form::Dot),
        ([Axis { b: 1, .. }], _) => Some(Form::Axpy),
        _ => None,
    }
}

/// What the kernels read and write: some rows of x, a range of columns and one of contracted indices. Whoever makes one promises
/// that those are B's, and that x and y have their rows.
pub(super) struct SkinnyPart<'a, T> {
    /// Index 0…0 of B.
    b: *const (),
    columns: (&'a Offsets, Range<usize>),
    depth: (&'a Offsets, Range<usize>),
    /// `rows` rows of x, or rows of its transpose, `x_step` apart, at the first contracted index.
    x: *const T,
    x_step: isize,
    rows: usize,
    /// `rows` rows of sums, `y_step` apart, at the first column.
    y: *mut T,
    y_step: usize,
}

impl<T: Real> SkinnyPart<'_, T> {
    /// Makes all sums 0.
    fn clear(&self) {
        for row in 0..self.rows {
            // SAFETY: y has these rows.
            unsafe { std::slice::from_raw_parts_mut(self.y.add(row * self.y_step), self.columns.1.len()) }.fill(T::ZERO);
        }
    }
}

/// Rows of A, or of a copy, whose elements are neighbours: its rows, or where there are more than a few, those of its transpose if
/// registers run along columns.
struct GatheredRows<T: Lanes> {
    /// Only read.
    first: SyncPtr<T>,
    /// Where each matrix begins.
    at: Vec<isize>,
    /// From row to row.
    step: isize,
    /// How far on so many contracted indices lead.
    advance: (usize, isize),
    _copy: Option<Block<T>>,
}

impl<T: Lanes> GatheredRows<T> {
    fn in_place(a: &[T], at: Vec<isize>, step: isize, advance: isize) -> Self {
        Self { first: SyncPtr::new(a.as_ptr().cast_mut()), at, step, advance: (1, advance), _copy: None }
    }

    /// Those of `matrices`, one after another.
    fn copied(mut x: Block<T>, matrices: usize, step: usize, advance: (usize, usize)) -> Result<Self, OutOfMemory> {
        let mut at = list(matrices)?;
        at.extend((0..matrices).map(|i| (i * (x.len() / matrices)) as isize));
        let advance = (advance.0, advance.1 as isize);
        Ok(Self { first: SyncPtr::new(x.as_mut_ptr()), at, step: step as isize, advance, _copy: Some(x) })
    }

    fn at(&self, matrix: usize, k: usize) -> *const T {
        self.first.at(self.at[matrix] + (k / self.advance.0) as isize * self.advance.1)
    }
}

/// A kernel.
pub(super) type Code<T> = fn(&SkinnyPart<'_, T>);

/// The kernel for a B that is stored so, where `are_few` or `are_more` holds; `None` where nobody waits for one that reads it as it
/// lies: for registers of one lane, and for f64 times numbers of 16 bits.
pub(super) fn kernel<V: Vector<Element: Lanes>>(
    isa: Enabled<V>,
    axes: &Axes,
    b: Stored<'_, V::Element>,
) -> Option<Code<V::Element>> {
    // Known when this is compiled, so that no code is made for what is left out.
    if const { V::LANES == 1 } {
        return None;
    }
    let (form, m) = (form(axes)?, axes::size(&axes.rows));
    if const { size_of::<V::Element>() == size_of::<f32>() } {
        Some(match b {
            Stored::Real(_) | Stored::F32(_) => code::<V, Unconverted>(isa, form, m),
            Stored::BF16(_) => code::<V, bf16>(isa, form, m),
            Stored::F16(_) => code::<V, f16>(isa, form, m),
        })
    } else {
        match b {
            Stored::Real(_) => Some(code::<V, Unconverted>(isa, form, m)),
            Stored::F32(_) => Some(code::<V, f32>(isa, form, m)),
            Stored::BF16(_) | Stored::F16(_) => None,
        }
    }
}

/// The kernel for m rows.
fn code<V: Vector<Element: Lanes>, R: Read<V>>(isa: Enabled<V>, form: Form, m: usize) -> Code<V::Element> {
    match m {
        0..=FEW => single_pass::codes::<V, R>(isa, form)[m.next_power_of_two().trailing_zeros() as usize],
        _ => row_groups::code::<V, R>(isa, form),
    }
}

impl<T: Lanes> Skinny<'_, T> {
    /// Computes it by its [`kernel`] for these registers.
    pub(super) fn run<V: Vector<Element = T>>(&self, _: Enabled<V>, code: Code<T>) -> Result<(), OutOfMemory> {
        let axes = self.axes;
        let (m, n, k) = (axes::size(&axes.rows), axes::size(&axes.columns), axes::size(&axes.contracted));
        let form = form(axes).unwrap_or(Form::Dot);
        let columns = Offsets::new(&axes.columns, |x| x.b)?;
        let depth = Offsets::new(&axes.contracted, |x| x.b)?;
        let matrices = super::matrices(axes)?;
        let x = match form {
            _ if m <= FEW => self.rows(&matrices, [m, k])?,
            Form::Dot => self.parts(&matrices, [m, k])?,
            Form::Axpy => self.columns(&matrices, [m, k], row_groups::RowGroups::new::<V>(form, m).all())?,
        };
        let first = Address::new(self.b.data, self.b.offset);

        // Segments only where columns alone would not keep the threads busy; they begin where a part of x does.
        let tuned = &params().skinny;
        let segment = if n < 128 { tuned.segment.next_multiple_of(row_groups::DEPTH) } else { k };
        let segments = k.div_ceil(segment);
        let width = match form {
            Form::Dot => (tuned.piece / segment).clamp(8, n.max(8)).next_multiple_of(8),
            Form::Axpy => tuned.near / m.next_power_of_two(),
        };
        let blocks = n.div_ceil(width);
        // A few lines more than the width, so that rows do not all fall into the same sets of the cache.
        let y_step = width.min(n) + 16;
        let mut y = Block::new(shape::count(&[matrices.len(), segments, blocks, m, y_step]))?;
        let target = SyncPtr::new(y.as_mut_ptr());
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
                let piece = SkinnyPart {
                    b: first.at(matrices[matrix][1]),
                    columns: (&columns, j0..j1),
                    depth: (&depth, k0..k1),
                    x: x.at(matrix, k0),
                    x_step: x.step,
                    rows: m,
                    y: target.at((piece * m * y_step) as isize),
                    y_step,
                };
                code(&piece);
            }
        });
        self.finish(&y, &matrices, Layout { rows: m, columns: n, width, step: y_step, segments })
    }

    /// For every matrix of A its rows, their elements adjacent: where they lie, or copied there.
    fn rows(&self, matrices: &[[isize; 3]], [m, k]: [usize; 2]) -> Result<GatheredRows<T>, OutOfMemory> {
        let (rows, depth) = self.offsets_in_a()?;
        if let (Stored::Real(a), true, [] | [_]) = (self.a.data, depth.adjacent(0, k), &self.axes.rows[..]) {
            return Ok(GatheredRows::in_place(a, self.places(matrices)?, rows.at(1), 1));
        }
        let mut x = Block::new(shape::count(&[matrices.len(), m, k]))?;
        for (i, x) in x.chunks_exact_mut(k).enumerate() {
            let at = matrices[i / m][0] + rows.at(i % m);
            self.copy((0..k).map(|k| at + depth.at(k)), x);
        }
        GatheredRows::copied(x, matrices.len(), k, (1, 1))
    }

    /// For every matrix of A the rows of its transpose, 0 up to `width`: where they lie, or copied there.
    fn columns(&self, matrices: &[[isize; 3]], [m, k]: [usize; 2], width: usize) -> Result<GatheredRows<T>, OutOfMemory> {
        let (rows, depth) = self.offsets_in_a()?;
        if let (Stored::Real(a), true, [_]) = (self.a.data, m == width && rows.adjacent(0, m), &self.axes.contracted[..]) {
            return Ok(GatheredRows::in_place(a, self.places(matrices)?, depth.at(1), depth.at(1)));
        }
        let mut x = Block::filled(shape::count(&[matrices.len(), k, width]), T::ZERO)?;
        for (i, x) in x.chunks_exact_mut(width).enumerate() {
            let at = matrices[i / k][0] + depth.at(i % k);
            self.copy((0..m).map(|row| at + rows.at(row)), &mut x[..m]);
        }
        GatheredRows::copied(x, matrices.len(), width, (1, width))
    }

    /// For every matrix of A parts of its rows, those of the first [`row_groups::DEPTH`] contracted indices before those of the next: a part
    /// lies in few places of a set of the caches, whatever the distance of rows was.
    fn parts(&self, matrices: &[[isize; 3]], [m, k]: [usize; 2]) -> Result<GatheredRows<T>, OutOfMemory> {
        let (rows, depth) = self.offsets_in_a()?;
        let parts = k.div_ceil(row_groups::DEPTH);
        let mut x = Block::new(shape::count(&[matrices.len(), parts, m, row_groups::PART]))?;
        for (i, x) in x.chunks_exact_mut(row_groups::PART).enumerate() {
            let (matrix, part, row) = (i / (parts * m), i / m % parts, i % m);
            let at = matrices[matrix][0] + rows.at(row);
            let indices = part * row_groups::DEPTH..k.min((part + 1) * row_groups::DEPTH);
            let len = indices.len();
            self.copy(indices.map(|k| at + depth.at(k)), &mut x[..len]);
        }
        GatheredRows::copied(x, matrices.len(), row_groups::PART, (row_groups::DEPTH, m * row_groups::PART))
    }

    fn offsets_in_a(&self) -> Result<(Offsets, Offsets), OutOfMemory> {
        Ok((Offsets::new(&self.axes.rows, |x| x.a)?, Offsets::new(&self.axes.contracted, |x| x.a)?))
    }

    /// Where each matrix of A begins.
    fn places(&self, matrices: &[[isize; 3]]) -> Result<Vec<isize>, OutOfMemory> {
        let mut places = list(matrices.len())?;
        places.extend(matrices.iter().map(|x| self.a.offset as isize + x[0]));
        Ok(places)
    }

    /// Copies the elements of A at these offsets.
    fn copy(&self, from: impl Iterator<Item = isize>, to: &mut [T]) {
        let elements = to.iter_mut().zip(from.map(|at| self.a.offset.wrapping_add_signed(at)));
        match self.a.data {
            Stored::Real(a) => elements.for_each(|(x, at)| *x = a[at]),
            Stored::F32(a) => elements.for_each(|(x, at)| *x = a[at].into()),
            Stored::BF16(a) => elements.for_each(|(x, at)| *x = a[at].into()),
            Stored::F16(a) => elements.for_each(|(x, at)| *x = a[at].into()),
        }
    }

    /// Adds up the segments and writes C.
    fn finish(&self, y: &[T], matrices: &[[isize; 3]], layout: Layout) -> Result<(), OutOfMemory> {
        let Layout { rows: m, columns: n, width, step, segments } = layout;
        let Scaled { alpha, accumulate } = self.scaled;
        let (rows, columns) = (Offsets::new(&self.axes.rows, |x| x.c)?, Offsets::new(&self.axes.columns, |x| x.c)?);
        let segment = n.div_ceil(width) * m * step;
        for (matrix, y) in matrices.iter().zip(y.chunks_exact(segments * segment)) {
            for i in 0..m {
                for j in 0..n {
                    let at = (j / width * m + i) * step + j % width;
                    let sum = (1..segments).fold(y[at], |sum, x| sum + y[x * segment + at]);
                    // SAFETY: the element lies in C.
                    let to = unsafe { &mut *self.c.at(matrix[2] + rows.at(i) + columns.at(j)) };
                    *to = if accumulate { *to + alpha * sum } else { alpha * sum };
                }
                let Some(finish) = &self.finish else { continue };
                let run = if columns.adjacent(0, n) { n } else { 1 };
                for j in (0..n).step_by(run) {
                    finish.run(self.c.at(matrix[2] + rows.at(i) + columns.at(j)), run);
                }
            }
        }
        Ok(())
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
