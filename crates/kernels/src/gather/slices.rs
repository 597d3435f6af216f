//! Slices put where an index for each says.

use bytemuck::{cast_slice, cast_slice_mut};
use half::bf16;

use super::scatter::scatter_rows;
use super::{AHEAD, GatherDims, NEAR, OutOfRange, check, first_outside, in_parts, place, prefetch};
use crate::buffer::list;
use crate::compiled::compiled;
use crate::params::params;
use crate::real::{Element, Real};
use crate::shape::count;
use crate::simd::{self, Stream};
use crate::threads::{self, SharedSlice};

/// Fewest elements of a slice for which slices are put in the order of their rows first.
const WIDE: usize = 8;
/// Elements of a result between which parts are cut where there are fewer rows than threads: a cache line of the narrowest.
const LINE: usize = 64;

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

/// The indices in the order of the rows that they name, those of a row in their own.
struct ByRow {
    order: Vec<u32>,
    /// Where those of each row begin, and the last ones end.
    starts: Vec<u32>,
}

impl ByRow {
    /// `None` if an index is outside, there are too many, or there is no memory.
    fn new(indices: &[i64], axis: usize) -> Option<Self> {
        u32::try_from(indices.len()).ok()?;
        let (mut starts, mut order) = (list(axis.checked_add(2)?).ok()?, list(indices.len()).ok()?);
        starts.resize(axis + 2, 0_u32);
        order.resize(indices.len(), 0);
        // How many name a row stands two places on; so it is where a row begins that is counted up to where it ends.
        for &index in indices {
            starts[place(index, axis)? + 2] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        for (j, &index) in indices.iter().enumerate() {
            let next = &mut starts[place(index, axis)? + 1];
            order[*next as usize] = j as u32;
            *next += 1;
        }
        Some(Self { order, starts })
    }

    /// Where in the order those are that name a row.
    #[inline(always)]
    fn of(&self, row: usize) -> std::ops::Range<usize> {
        self.starts[row] as usize..self.starts[row + 1] as usize
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
    let by_row = if inner >= WIDE { ByRow::new(indices, axis) } else { None };
    let parts = threads::parts(outer * (n + axis), inner as f64 * params().cost.gather_ns);
    let Some(by_row) = by_row else {
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
    let streamed = size_of_val(out) >= params().memory.streamed_bytes;
    threads::split_mut(out, unit, parts, |start, mut out| {
        let (mut at, mut near) = (start, [A::zeroed(); NEAR]);
        let stream = streamed.then(Stream::new);
        while !out.is_empty() {
            let (row, i) = (at / inner, at % inner);
            let len = out.len().min(inner - i).min(NEAR);
            let (to, rest) = std::mem::take(&mut out).split_at_mut(len);
            let x = &x[row / axis * n * inner..][..n * inner];
            // Sums are written past the caches, which else would read their places first.
            let sums = if stream.is_some() { &mut near[..len] } else { &mut *to };
            begin(sums, at);
            for t in by_row.of(row % axis) {
                if let Some(&j) = by_row.order.get(t + AHEAD) {
                    prefetch(&x[j as usize * inner..][..inner]);
                }
                let from = &x[by_row.order[t] as usize * inner + i..][..len];
                simd::run(
                    #[inline(always)]
                    || sums.iter_mut().zip(from).for_each(|(sum, &new)| *sum = f(*sum, new)),
                );
            }
            if let Some(stream) = &stream {
                stream.copy(&near[..len], to);
            }
            (at, out) = (at + len, rest);
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
