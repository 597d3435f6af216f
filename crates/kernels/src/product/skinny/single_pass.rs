//! Kernels for up to eight rows: the large matrix passes once.

use super::{AHEAD, Code, Form, SkinnyPart};
use crate::number::Number;
use crate::product::read::Read;
use crate::simd::{Enabled, Lanes, Vector, prefetch_far};

/// The kernels for up to 1, 2, 4 and 8 rows.
pub(super) fn codes<V: Vector<Element: Lanes>, R: Read<V>>(_: Enabled<V>, form: Form) -> [Code<V::Element>; 4] {
    match form {
        Form::Dot => [dot::<V, R, 1, 8, 4>, dot::<V, R, 2, 6, 4>, dot::<V, R, 4, 4, 2>, dot::<V, R, 8, 3, 1>],
        Form::Axpy => [axpy::<V, R, 1, 8>, axpy::<V, R, 2, 8>, axpy::<V, R, 4, 4>, axpy::<V, R, 8, 4>],
    }
}

/// Registers run along κ: `S` rows meet `C` columns at a time, so many that reading one does not wait for another, and
/// what columns are left one at a time, in `U` sets of sums.
fn dot<V: Vector, R: Read<V>, const S: usize, const C: usize, const U: usize>(piece: &SkinnyPart<'_, V::Element>) {
    // SAFETY: `codes` gave this address for that token.
    let isa = unsafe { Enabled::<V>::new() };
    isa.enter(
        #[inline(always)]
        || {
            let mut j = 0;
            while j + C <= piece.columns.1.len() {
                dots::<V, R, S, C, 1>(isa, piece, j);
                j += C;
            }
            while j < piece.columns.1.len() {
                dots::<V, R, S, 1, U>(isa, piece, j);
                j += 1;
            }
        },
    );
}

#[inline(always)]
fn dots<V: Vector, R: Read<V>, const S: usize, const C: usize, const U: usize>(
    isa: Enabled<V>,
    piece: &SkinnyPart<'_, V::Element>,
    j: usize,
) {
    let k = piece.depth.1.len();
    // SAFETY: columns j to j + C are those of B, `depth` are neighbours in it, and a row beyond the last is read as the
    // last: every load is within k elements of a row.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let b = piece.b.cast::<R::Item>().offset(depth.at(start.start));
        let b: [_; C] = std::array::from_fn(|c| b.offset(columns.at(first.start + j + c)));
        let x: [_; S] = std::array::from_fn(|s| piece.x.offset(s.min(piece.rows - 1) as isize * piece.x_step));
        let mut sums = [[[isa.zero(); S]; C]; U];
        let mut at = 0;
        while at + U * V::LANES <= k {
            for u in 0..U {
                let at = at + u * V::LANES;
                let mut row = [isa.zero(); S];
                for s in 0..S {
                    row[s] = isa.load(x[s].add(at));
                }
                for c in 0..C {
                    prefetch_far(b[c].wrapping_add(at).wrapping_byte_add(AHEAD));
                    let column = R::load(isa, b[c].add(at));
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
                let column = R::load_first(isa, b[c].add(at), n);
                for s in 0..S {
                    sums[0][c][s] = column.mul_add(isa.load_first(x[s].add(at), n), sums[0][c][s]);
                }
            }
            at += n;
        }
        for c in 0..C {
            for s in 0..S {
                let mut sum = sums[0][c][s];
                for u in 1..U {
                    sum += sums[u][c][s];
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
fn axpy<V: Vector<Element: Lanes>, R: Read<V>, const S: usize, const U: usize>(piece: &SkinnyPart<'_, V::Element>) {
    piece.clear();
    // SAFETY: `codes` gave this address for that token.
    let isa = unsafe { Enabled::<V>::new() };
    isa.enter(
        #[inline(always)]
        || {
            let mut k = 0;
            while k + U <= piece.depth.1.len() {
                axpys::<V, R, S, U>(isa, piece, k);
                k += U;
            }
            while k < piece.depth.1.len() {
                axpys::<V, R, S, 1>(isa, piece, k);
                k += 1;
            }
        },
    );
}

#[inline(always)]
fn axpys<V: Vector<Element: Lanes>, R: Read<V>, const S: usize, const U: usize>(
    isa: Enabled<V>,
    piece: &SkinnyPart<'_, V::Element>,
    k: usize,
) {
    let n = piece.columns.1.len();
    // SAFETY: the columns are neighbours in B, contracted indices k to k + U are B's; x and y hold `rows` rows.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let b = piece.b.cast::<R::Item>().offset(columns.at(first.start));
        let b: [_; U] = std::array::from_fn(|u| b.offset(depth.at(start.start + k + u)));
        let mut x = [[Number::ZERO; S]; U];
        for u in 0..U {
            for s in 0..S.min(piece.rows) {
                x[u][s] = *piece.x.offset(s as isize * piece.x_step + (k + u) as isize);
            }
        }
        let mut j = 0;
        while j + V::LANES <= n {
            let mut row = [isa.zero(); U];
            for u in 0..U {
                row[u] = R::load(isa, b[u].add(j));
            }
            for s in 0..S {
                // A row beyond the last adds zeros to the last.
                let y = piece.y.add(s.min(piece.rows - 1) * piece.y_step + j);
                let mut sum = isa.load(y);
                for u in 0..U {
                    sum = row[u].mul_add(isa.splat(x[u][s]), sum);
                }
                sum.store(y);
            }
            j += V::LANES;
        }
        for s in 0..piece.rows {
            for u in 0..U {
                let y = piece.y.add(s * piece.y_step + j);
                let row = R::load_first(isa, b[u].add(j), n - j);
                row.mul_add(isa.splat(x[u][s]), isa.load_first(y, n - j)).store_first(y, n - j);
            }
        }
    }
}
