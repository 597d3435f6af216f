//! Slices put where an index for each says.

use bytemuck::{cast_slice, cast_slice_mut};
use half::bf16;

use super::scatter::scatter_rows;
use super::{AHEAD, GatherDims, OutOfRange, check, first_outside, in_parts, place, prefetch};
use crate::buffer::list;
use crate::compiled::compiled;
use crate::params::params;
use crate::real::{Element, Real};
use crate::shape::count;
use crate::simd;
use crate::threads::{self, SharedSlice};

/// Fewest elements of a slice for which a list of each row's slices is made first.
const WIDE: usize = 8;
/// Elements of a result between which parts are cut where there are fewer rows than threads: a cache line of the narrowest.
const LINE: usize = 64;
/// The end of a list.
const NONE: u32 = u32::MAX;

compiled! {
    /// out is 0 with `out[o, indices[j], i] += x[o, j, i]`, in the order of j whatever the number of threads.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn select_add<T: Real>(x: &[T], indices: &[i64], out: &mut [T], dims: GatherDims) -> Result<(), OutOfRange> {
        slices(None, x, indices, out, dims, |old, new| old + new)
    }
}

/// out is `base` with `out[o, indices[j], i] = x[o, j, i]`, in the order of j whatever the number of threads: the last of equal indices stays.
///
/// # Panics
/// If a length is not its shape's.
pub fn select_put<A: Element>(base: &[A], x: &[A], indices: &[i64], out: &mut [A], dims: GatherDims) -> Result<(), OutOfRange> {
    match size_of::<A>() {
        1 => PUTS.0(cast_slice(base), cast_slice(x), indices, cast_slice_mut(out), dims),
        2 => PUTS.1(cast_slice(base), cast_slice(x), indices, cast_slice_mut(out), dims),
        4 => PUTS.2(cast_slice(base), cast_slice(x), indices, cast_slice_mut(out), dims),
        _ => PUTS.3(cast_slice(base), cast_slice(x), indices, cast_slice_mut(out), dims),
    }
}

type Put<A> = fn(&[A], &[A], &[i64], &mut [A], GatherDims) -> Result<(), OutOfRange>;
/// A function for each size of elements, compiled in this crate.
static PUTS: (Put<u8>, Put<bf16>, Put<i32>, Put<i64>) = (put_of, put_of, put_of, put_of);

fn put_of<A: Element>(base: &[A], x: &[A], indices: &[i64], out: &mut [A], dims: GatherDims) -> Result<(), OutOfRange> {
    slices(Some(base), x, indices, out, dims, |_, new| new)
}

/// For each row the first index that names it, and for each index the next one that names the same row.
struct Lists {
    heads: Vec<u32>,
    next: Vec<u32>,
}

impl Lists {
    /// `None` if an index is outside, there are too many, or there is no memory.
    fn new(indices: &[i64], axis: usize) -> Option<Self> {
        if indices.len() >= NONE as usize {
            return None;
        }
        let (mut heads, mut next) = (list(axis).ok()?, list(indices.len()).ok()?);
        heads.resize(axis, NONE);
        next.resize(indices.len(), NONE);
        // From the last one on, so that a list is in order.
        for (j, (next, &index)) in next.iter_mut().zip(indices).enumerate().rev() {
            *next = std::mem::replace(&mut heads[place(index, axis)?], j as u32);
        }
        Some(Self { heads, next })
    }

    /// The indices that name a row, in order.
    #[inline(always)]
    fn of(&self, row: usize) -> impl Iterator<Item = usize> {
        let some = |j: u32| (j != NONE).then_some(j as usize);
        std::iter::successors(some(self.heads[row]), move |&j| some(self.next[j]))
    }
}

fn slices<A: Element>(
    base: Option<&[A]>,
    x: &[A],
    indices: &[i64],
    out: &mut [A],
    dims: GatherDims,
    f: impl Fn(A, A) -> A + Sync,
) -> Result<(), OutOfRange> {
    let GatherDims { outer, axis, inner } = dims;
    let (len, n) = (count(&[outer, axis, inner]), indices.len());
    assert!(
        out.len() == len && base.is_none_or(|x| x.len() == len) && x.len() == count(&[outer, n, inner]),
        "arrays of their shapes"
    );
    if out.is_empty() {
        return check(indices, axis);
    }
    let begin = |out: &mut [A], at: usize| match base {
        Some(base) => out.copy_from_slice(&base[at..at + out.len()]),
        None => out.fill(A::zeroed()),
    };
    let lists = if inner >= WIDE { Lists::new(indices, axis) } else { None };
    let parts = threads::parts(outer * (n + axis), inner as f64 * params().cost.gather_ns);
    let Some(lists) = lists else {
        // Each thread owns rows of the result and looks through all indices for them.
        let parts = parts.min(outer * axis);
        let out = SharedSlice::new(out);
        let inside = in_parts(parts, |part| {
            let rows = threads::range(outer * axis, 1, parts, part);
            // SAFETY: the rows of parts do not overlap.
            let out = unsafe { out.part(rows.start * inner..rows.end * inner) };
            begin(out, rows.start * inner);
            for o in rows.start / axis..rows.end.div_ceil(axis) {
                let of_o = rows.start.max(o * axis)..rows.end.min((o + 1) * axis);
                let out = &mut out[(of_o.start - rows.start) * inner..(of_o.end - rows.start) * inner];
                let x = &x[o * n * inner..][..n * inner];
                if !put_rows(x, indices, out, [axis, inner, of_o.start - o * axis], &f) {
                    return false;
                }
            }
            true
        });
        return first_outside(inside, indices, axis);
    };
    let unit = if outer * axis >= parts { inner } else { LINE };
    threads::split_mut(out, unit, parts, |start, mut out| {
        let mut at = start;
        while !out.is_empty() {
            let (row, i) = (at / inner, at % inner);
            let len = out.len().min(inner - i);
            let (to, rest) = std::mem::take(&mut out).split_at_mut(len);
            if let Some(&j) = lists.heads.get(row % axis + AHEAD).filter(|&&j| j != NONE) {
                prefetch(&x[(row / axis * n + j as usize) * inner..][..inner]);
            }
            simd::run(
                #[inline(always)]
                || {
                    begin(to, at);
                    for j in lists.of(row % axis) {
                        let from = &x[(row / axis * n + j) * inner + i..][..to.len()];
                        to.iter_mut().zip(from).for_each(|(to, &new)| *to = f(*to, new));
                    }
                },
            );
            (at, out) = (at + to.len(), rest);
        }
    });
    Ok(())
}

/// The slices of indices that name one of the rows of `out`, of which the first is row `first`; whether all indices are inside.
#[inline(always)]
fn put_rows<A: Element>(x: &[A], indices: &[i64], out: &mut [A], [axis, inner, first]: [usize; 3], f: impl Fn(A, A) -> A) -> bool {
    if inner == 1 {
        return scatter_rows(x, indices, out, [axis, 1, first], f);
    }
    let rows = first..first + out.len() / inner;
    for (from, &index) in x.chunks_exact(inner).zip(indices) {
        let Some(k) = place(index, axis) else { return false };
        if rows.contains(&k) {
            let to = &mut out[(k - first) * inner..][..inner];
            to.iter_mut().zip(from).for_each(|(to, &new)| *to = f(*to, new));
        }
    }
    true
}
