//! Kernels for up to eight rows: the large matrix passes once.

use super::{AHEAD, Code, Form, SkinnyPart};
use crate::product::read::Read;
use crate::simd::{Lanes, Vector, prefetch_far};

/// The kernels for up to 1, 2, 4 and 8 rows.
pub(super) fn codes<V: Vector<Element: Lanes>, R: Read<V>>(form: Form) -> [Code<V::Element>; 4] {
    match form {
        Form::Dot => [dot::<V, R, 1, 8, 4>, dot::<V, R, 2, 6, 4>, dot::<V, R, 4, 4, 2>, dot::<V, R, 8, 3, 1>],
        Form::Axpy => [axpy::<V, R, 1, 8>, axpy::<V, R, 2, 8>, axpy::<V, R, 4, 4>, axpy::<V, R, 8, 4>],
    }
}

/// Registers run along κ: `S` rows meet `C` columns at a time, so many that reading one does not wait for another, and
/// what columns are left one at a time, in `U` sets of sums.
unsafe fn dot<V: Vector, R: Read<V>, const S: usize, const C: usize, const U: usize>(piece: &SkinnyPart<'_, V::Element>) {
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
unsafe fn dots<V: Vector, R: Read<V>, const S: usize, const C: usize, const U: usize>(
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
        let mut sums = [[[V::splat(crate::number::Number::ZERO); S]; C]; U];
        let mut at = 0;
        while at + U * V::LANES <= k {
            for u in 0..U {
                let at = at + u * V::LANES;
                let mut row = [V::splat(crate::number::Number::ZERO); S];
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
unsafe fn axpy<V: Vector<Element: Lanes>, R: Read<V>, const S: usize, const U: usize>(piece: &SkinnyPart<'_, V::Element>) {
    // SAFETY: the caller's duty.
    unsafe {
        V::enter(
            #[inline(always)]
            || {
                for s in 0..piece.rows {
                    std::slice::from_raw_parts_mut(piece.y.add(s * piece.y_step), piece.columns.1.len())
                        .fill(crate::number::Number::ZERO);
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
unsafe fn axpys<V: Vector<Element: Lanes>, R: Read<V>, const S: usize, const U: usize>(
    piece: &SkinnyPart<'_, V::Element>,
    k: usize,
) {
    let n = piece.columns.1.len();
    // SAFETY: the columns are neighbours in B, contracted indices k to k + U are B's; x and y hold `rows` rows.
    unsafe {
        let ((columns, first), (depth, start)) = (&piece.columns, &piece.depth);
        let b = piece.b.cast::<R::Item>().offset(columns.at(first.start));
        let b: [_; U] = std::array::from_fn(|u| b.offset(depth.at(start.start + k + u)));
        let mut x = [[crate::number::Number::ZERO; S]; U];
        for u in 0..U {
            for s in 0..S.min(piece.rows) {
                x[u][s] = *piece.x.offset(s as isize * piece.x_step + (k + u) as isize);
            }
        }
        let mut j = 0;
        while j + V::LANES <= n {
            let mut row = [V::splat(crate::number::Number::ZERO); U];
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
