//! Kernels for nine to 32 rows: groups of rows take turns at a part of the large matrix while it is near, so that it is read from
//! memory once and the processor multiplies all the time.

use super::{Form, SkinnyPart};
use crate::product::read::Read;
use crate::simd::{Enabled, Lanes, Vector, prefetch_far};

/// Contracted indices of a part where registers run along them: as many elements of four columns are half of the first-level cache.
pub(super) const DEPTH: usize = 1024;
/// From a row of x to the next in a part: a line more, so that rows do not all fall into the same sets of the cache.
pub(super) const PART: usize = DEPTH + 16;
/// Contracted indices of a part where registers run along columns: read ahead from so many places, lines of a matrix whose rows are a
/// power of two apart still fit their sets of the second-level cache.
const STRIP: usize = 32;

/// How rows are grouped: of how many rows at most a group is, and how many groups there are.
#[derive(Clone, Copy)]
pub(super) struct RowGroups {
    pub rows: usize,
    pub count: usize,
}

impl RowGroups {
    /// The groups of m rows that have registers for their sums.
    pub fn new<V: Vector>(form: Form, m: usize) -> Self {
        let whole = V::REGISTERS >= 32;
        let most = match form {
            Form::Dot if whole => 6,
            Form::Dot => 3,
            Form::Axpy if whole => 24,
            Form::Axpy => 12,
        };
        let count = m.div_ceil(most);
        match form {
            Form::Dot => Self { rows: m.div_ceil(count), count },
            // Kernels are made for multiples of four rows.
            Form::Axpy => Self { rows: m.div_ceil(count).next_multiple_of(4).max(12), count },
        }
    }

    /// Rows of all groups.
    pub fn all(self) -> usize {
        self.rows * self.count
    }
}

/// The kernel of this form: of [`Form::Dot`], x is parts of rows, [`PART`] apart, of [`DEPTH`] contracted indices; of [`Form::Axpy`],
/// [`RowGroups::all`] numbers for each contracted index.
pub(super) fn code<V: Vector<Element: Lanes>, R: Read<V>>(_: Enabled<V>, form: Form) -> super::Code<V::Element> {
    match form {
        Form::Dot => dot::<V, R>,
        Form::Axpy => axpy::<V, R>,
    }
}

/// Registers run along κ: groups of rows meet four columns at a time.
fn dot<V: Vector, R: Read<V>>(piece: &SkinnyPart<'_, V::Element>) {
    const COLUMNS: usize = 4;
    let RowGroups { count, .. } = RowGroups::new::<V>(Form::Dot, piece.rows);
    let (columns, depth) = (piece.columns.1.len(), piece.depth.1.len());
    piece.clear();
    // SAFETY: `code` gave this address for that token.
    let isa = unsafe { Enabled::<V>::new() };
    isa.enter(
        #[inline(always)]
        || {
            for k in (0..depth).step_by(DEPTH) {
                let len = DEPTH.min(depth - k);
                for j in (0..columns).step_by(COLUMNS) {
                    // What comes next: the following columns, or the first of the following part.
                    let ahead = if j + COLUMNS < columns { (k, j + COLUMNS) } else { (k + len, 0) };
                    for group in 0..count {
                        let (row, end) = (group * piece.rows / count, (group + 1) * piece.rows / count);
                        let at = At { k, len, j, row, ahead: (ahead.0, ahead.1 + 2 * group.min(1)) };
                        match (end - row, columns - j >= COLUMNS) {
                            (6, true) => dots::<V, R, 6, COLUMNS>(isa, piece, &at),
                            (5, true) => dots::<V, R, 5, COLUMNS>(isa, piece, &at),
                            (4, true) => dots::<V, R, 4, COLUMNS>(isa, piece, &at),
                            (3, true) => dots::<V, R, 3, COLUMNS>(isa, piece, &at),
                            (2, true) => dots::<V, R, 2, COLUMNS>(isa, piece, &at),
                            (rows, _) => {
                                for j in j..columns.min(j + COLUMNS) {
                                    for row in row..row + rows {
                                        dots::<V, R, 1, 1>(isa, piece, &At { j, row, ..at });
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
    );
}

/// Where [`dots`] works: `len` contracted indices from k on, columns from j on, rows from `row` on; and the contracted index and the
/// column that it asks for ahead.
struct At {
    k: usize,
    len: usize,
    j: usize,
    row: usize,
    ahead: (usize, usize),
}

/// Adds to `S` rows of `C` columns.
#[inline(always)]
fn dots<V: Vector, R: Read<V>, const S: usize, const C: usize>(isa: Enabled<V>, piece: &SkinnyPart<'_, V::Element>, place: &At) {
    let &At { k, len, j, row, ahead } = place;
    // SAFETY: columns j to j + C are those of B, `depth` are neighbours in it; every load is within `len` elements from k on of a
    // row. What is asked for ahead need not be readable.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let at = |k: usize, j: usize| {
            let column = columns.at(first.start + j.min(first.len() - 1));
            piece.b.cast::<R::Item>().wrapping_offset(depth.at(start.start) + column).wrapping_add(k)
        };
        let b: [_; C] = std::array::from_fn(|c| at(k, j + c));
        let next: [_; 2] = std::array::from_fn(|i| at(ahead.0, ahead.1 + i));
        let x: [_; S] = std::array::from_fn(|s| piece.x.add((k / DEPTH * piece.rows + row + s) * PART));
        let mut sums = [[isa.zero(); S]; C];
        let mut at = 0;
        while at + V::LANES <= len {
            next.into_iter().for_each(|next| prefetch_far(next.wrapping_add(at)));
            let mut row = [isa.zero(); S];
            for s in 0..S {
                row[s] = isa.load(x[s].add(at));
            }
            for c in 0..C {
                let column = R::load(isa, b[c].add(at));
                for s in 0..S {
                    sums[c][s] = column.mul_add(row[s], sums[c][s]);
                }
            }
            at += V::LANES;
        }
        if at < len {
            for c in 0..C {
                let column = R::load_first(isa, b[c].add(at), len - at);
                for s in 0..S {
                    sums[c][s] = column.mul_add(isa.load_first(x[s].add(at), len - at), sums[c][s]);
                }
            }
        }
        for c in 0..C {
            for s in 0..S {
                *piece.y.add((row + s) * piece.y_step + j + c) += sums[c][s].sum();
            }
        }
    }
}

/// Registers run along ν: the sums of a group of rows for a register of columns stay in registers over a strip of B.
fn axpy<V: Vector<Element: Lanes>, R: Read<V>>(piece: &SkinnyPart<'_, V::Element>) {
    let RowGroups { rows, count } = RowGroups::new::<V>(Form::Axpy, piece.rows);
    let depth = piece.depth.1.len();
    piece.clear();
    // SAFETY: `code` gave this address for that token.
    let isa = unsafe { Enabled::<V>::new() };
    isa.enter(
        #[inline(always)]
        || {
            for k in (0..depth).step_by(STRIP) {
                let len = STRIP.min(depth - k);
                for j in (0..piece.columns.1.len()).step_by(V::LANES) {
                    for group in 0..count {
                        let at = At { k, len, j, row: group * rows, ahead: (k + STRIP, j) };
                        match rows {
                            24 => strip::<V, R, 24>(isa, piece, &at),
                            20 => strip::<V, R, 20>(isa, piece, &at),
                            16 => strip::<V, R, 16>(isa, piece, &at),
                            _ => strip::<V, R, 12>(isa, piece, &at),
                        }
                    }
                }
            }
        },
    );
}

/// Adds to a register of columns of `S` rows, of which those beyond the last are left alone.
#[inline(always)]
fn strip<V: Vector<Element: Lanes>, R: Read<V>, const S: usize>(isa: Enabled<V>, piece: &SkinnyPart<'_, V::Element>, place: &At) {
    let &At { k, len, j, row, ahead } = place;
    let (rows, width) = (S.min(piece.rows - row), V::LANES.min(piece.columns.1.len() - j));
    // SAFETY: the columns are neighbours in B, contracted indices k to k + len are B's; x has S numbers from `row` on for each; y has
    // `rows` rows from there on. What is asked for ahead need not be readable.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let b = piece.b.cast::<R::Item>().offset(columns.at(first.start + j));
        let x = piece.x.offset(k as isize * piece.x_step).add(row);
        let y = piece.y.add(row * piece.y_step + j);
        let mut sums = [isa.zero(); S];
        for i in 0..len {
            let last = start.len() - 1;
            prefetch_far(b.wrapping_offset(depth.at(start.start + (ahead.0 + i).min(last))));
            let from = b.offset(depth.at(start.start + k + i));
            let column = if width == V::LANES { R::load(isa, from) } else { R::load_first(isa, from, width) };
            let x = x.offset(i as isize * piece.x_step);
            for s in 0..S {
                sums[s] = column.mul_add(isa.splat(*x.add(s)), sums[s]);
            }
        }
        if width == V::LANES && rows == S {
            for s in 0..S {
                let y = y.add(s * piece.y_step);
                (isa.load(y) + sums[s]).store(y);
            }
        } else {
            for s in 0..S {
                if s < rows {
                    let y = y.add(s * piece.y_step);
                    (isa.load_first(y, width) + sums[s]).store_first(y, width);
                }
            }
        }
    }
}
