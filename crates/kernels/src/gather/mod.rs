//! Elements picked by indices along an axis, and elements added or written to where indices say.
//!
//! An index is compared with the axis where it is used. One that is outside is never followed: what was computed so far is worth nothing
//! then, and the caller is told the first such index.

mod scatter;
mod slices;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use half::bf16;

use crate::params::params;
use crate::real::Element;
use crate::shape::count;
use crate::simd::{self, Stream};
use crate::threads::{self, SharedSlice};
pub use scatter::{scatter, scatter_put, scatter_with};
pub use slices::{select_add, select_put};

/// Nanoseconds to look at an index.
const LOOK_NS: f64 = 0.2;
/// Indices that are compared with the axis together.
const BLOCK: usize = 512;
/// Bytes of x, or of a result, that a strip of columns reaches: they stay in the second-level cache.
const STRIP_BYTES: usize = 512 << 10;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Lines of a slice that are asked for before it is read, while so many slices before it are.
const LINES: usize = 8;
const AHEAD: usize = 4;
/// Elements that are gathered before they are written past the caches.
const NEAR: usize = 512;
/// Fewest columns of a strip.
const STRIP: usize = 32;

/// The sizes of an array `(outer, axis, inner)` in row-major order, whose middle axis is indexed.
#[derive(Debug, Clone, Copy)]
pub struct GatherDims {
    /// The product of the sizes before the axis.
    pub outer: usize,
    /// The size of the axis.
    pub axis: usize,
    /// The product of the sizes after the axis.
    pub inner: usize,
}

/// An index that is not one of the axis: the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange(pub i64);

/// How an element is put together with the one that an index names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accumulation {
    /// Their sum.
    Add,
    /// Their product.
    Multiply,
    /// The larger; NaN if one is.
    Maximum,
    /// The smaller; NaN if one is.
    Minimum,
}

/// Looks whether all indices are in 0 … size − 1.
///
/// # Errors
/// Here and below: the first index that is outside.
pub fn check(indices: &[i64], size: usize) -> Result<(), OutOfRange> {
    let parts = threads::parts(indices.len(), LOOK_NS);
    let inside = in_parts(parts, |part| {
        let indices = &indices[threads::range(indices.len(), BLOCK, parts, part)];
        simd::run(
            #[inline(always)]
            || indices.chunks(BLOCK).all(|block| block.iter().fold(0, |most, &index| most.max(index as u64)) < size as u64),
        )
    });
    first_outside(inside, indices, size)
}

/// The first index that is outside, where one was met.
fn first_outside(inside: bool, indices: &[i64], size: usize) -> Result<(), OutOfRange> {
    if inside {
        return Ok(());
    }
    indices.iter().find(|&&index| place(index, size).is_none()).map_or(Ok(()), |&index| Err(OutOfRange(index)))
}

/// The place that an index names.
#[inline(always)]
fn place(index: i64, axis: usize) -> Option<usize> {
    // A negative one is large as an unsigned number.
    ((index as u64) < axis as u64).then_some(index as usize)
}

/// Asks for the first lines of a slice that is read soon; the processor guesses the rest.
#[inline(always)]
fn prefetch<A>(x: &[A]) {
    x.chunks((LINE / size_of::<A>()).max(1)).take(LINES).for_each(|line| simd::prefetch(line.as_ptr()));
}

/// Calls `work(0)` … `work(parts - 1)` over threads; whether all of them met no index outside.
fn in_parts(parts: usize, work: impl Fn(usize) -> bool + Sync) -> bool {
    let inside = AtomicBool::new(true);
    threads::run(parts, |part| {
        if !work(part) {
            inside.store(false, Ordering::Relaxed);
        }
    });
    inside.into_inner()
}

/// `out[o, j, i] = f(x[o, indices[j], i])`
///
/// # Panics
/// If a length is not its shape's.
pub fn select<A: Element, R: Element>(
    x: &[A],
    dims: GatherDims,
    indices: &[i64],
    out: &mut [R],
    f: impl Fn(A) -> R + Sync,
) -> Result<(), OutOfRange> {
    let GatherDims { outer, axis, inner } = dims;
    let n = indices.len();
    assert!(x.len() == count(&[outer, axis, inner]) && out.len() == count(&[outer, n, inner]), "arrays of their shapes");
    if out.is_empty() {
        return check(indices, axis);
    }
    let parts = threads::parts(outer * n, inner as f64 * params().cost.gather_ns);
    let out = SharedSlice::new(out);
    let inside = in_parts(parts, |part| {
        let rows = threads::range(outer * n, 1, parts, part);
        // SAFETY: the rows of parts do not overlap.
        let mut out = unsafe { out.part(rows.start * inner..rows.end * inner) };
        let mut row = rows.start;
        while row < rows.end {
            let (o, j) = (row / n, row % n);
            let indices = &indices[j..n.min(j + rows.end - row)];
            let (now, later) = std::mem::take(&mut out).split_at_mut(indices.len() * inner);
            if !select_rows(&x[o * axis * inner..][..axis * inner], inner, indices, now, &f) {
                return false;
            }
            (out, row) = (later, row + indices.len());
        }
        true
    });
    first_outside(inside, indices, axis)
}

/// The rows of a table; whether all indices are inside.
#[inline(always)]
fn select_rows<A: Element, R: Element>(x: &[A], inner: usize, indices: &[i64], out: &mut [R], f: impl Fn(A) -> R) -> bool {
    if inner == 1 {
        for (out, &index) in out.iter_mut().zip(indices) {
            let Some(k) = place(index, x.len()) else { return false };
            *out = f(x[k]);
        }
        return true;
    }
    let axis = x.len() / inner;
    for (j, (out, &index)) in out.chunks_exact_mut(inner).zip(indices).enumerate() {
        let Some(k) = place(index, axis) else { return false };
        if let Some(k) = indices.get(j + AHEAD).and_then(|&index| place(index, axis)) {
            prefetch(&x[k * inner..][..inner]);
        }
        out.iter_mut().zip(&x[k * inner..][..inner]).for_each(|(out, &x)| *out = f(x));
    }
    true
}

/// out[o, j, i] = x[o, index[o, j, i], i]
///
/// # Panics
/// If a length is not its shape's.
pub fn gather<A: Element>(x: &[A], dims: GatherDims, index: &[i64], out: &mut [A]) -> Result<(), OutOfRange> {
    use bytemuck::{cast_slice, cast_slice_mut};
    match size_of::<A>() {
        1 => GATHERS.0(cast_slice(x), dims, index, cast_slice_mut(out)),
        2 => GATHERS.1(cast_slice(x), dims, index, cast_slice_mut(out)),
        4 => GATHERS.2(cast_slice(x), dims, index, cast_slice_mut(out)),
        _ => GATHERS.3(cast_slice(x), dims, index, cast_slice_mut(out)),
    }
}

type Gather<A> = fn(&[A], GatherDims, &[i64], &mut [A]) -> Result<(), OutOfRange>;
/// A gather for each size of elements, compiled in this crate.
static GATHERS: (Gather<u8>, Gather<bf16>, Gather<i32>, Gather<i64>) = (gather_of, gather_of, gather_of, gather_of);

fn gather_of<A: Element>(x: &[A], dims: GatherDims, index: &[i64], out: &mut [A]) -> Result<(), OutOfRange> {
    let GatherDims { outer, axis, inner } = dims;
    assert!(x.len() == count(&[outer, axis, inner]) && out.len() == index.len(), "arrays of their shapes");
    if out.is_empty() {
        return Ok(());
    }
    let plan = Plan::new::<A>(dims, index.len(), params().cost.scatter_ns, |n| n);
    let streamed = size_of_val(out) >= params().memory.streamed_bytes;
    let out = SharedSlice::new(out);
    let inside = plan.run(|o, columns, rows| {
        let (x, ahead) = x[o * axis * inner..].split_at(axis * inner);
        let first = (o * plan.n + rows.start) * inner;
        if columns.len() == inner {
            let range = first..(o * plan.n + rows.end) * inner;
            // SAFETY: tasks differ in o, or in the rows that they write.
            let out = unsafe { out.part(range.clone()) };
            let stream = streamed.then(Stream::new);
            let ahead = &ahead[..if axis * size_of::<A>() <= STRIP_BYTES { ahead.len().min(axis) } else { 0 }];
            return gather_rows([x, ahead], [axis, inner], &index[range], out, stream.as_ref());
        }
        for r in 0..rows.len() {
            let range = first + r * inner + columns.start..first + r * inner + columns.end;
            // SAFETY: tasks differ in o, in their columns, or in the rows that they write.
            let out = unsafe { out.part(range.clone()) };
            for ((i, out), &index) in columns.clone().zip(out).zip(&index[range]) {
                let Some(k) = place(index, axis) else { return false };
                *out = x[k * inner + i];
            }
        }
        true
    });
    first_outside(inside, index, axis)
}

/// Whole rows of a gather, past the caches where there is a stream; whether all indices are inside.
#[inline(always)]
fn gather_rows<A: Element>(
    [x, ahead]: [&[A]; 2],
    [axis, inner]: [usize; 2],
    index: &[i64],
    out: &mut [A],
    stream: Option<&Stream>,
) -> bool {
    if inner == 1 {
        let mut near = [A::zeroed(); NEAR];
        // Places are met in any order: lines of the next row are fetched in theirs, while this one is gathered.
        let mut lines = ahead.chunks((LINE / size_of::<A>()).max(1));
        let each = (lines.len() * NEAR).div_ceil(index.len().max(1));
        return out.chunks_mut(NEAR).zip(index.chunks(NEAR)).all(|(out, index)| {
            lines.by_ref().take(each).for_each(|line| simd::prefetch(line.as_ptr()));
            let Some(stream) = stream else { return select_rows(x, 1, index, out, |x| x) };
            let inside = select_rows(x, 1, index, &mut near, |x| x);
            stream.copy(&near[..out.len()], out);
            inside
        });
    }
    for (out, index) in out.chunks_exact_mut(inner).zip(index.chunks_exact(inner)) {
        for (i, (out, &index)) in out.iter_mut().zip(index).enumerate() {
            let Some(k) = place(index, axis) else { return false };
            *out = x[k * inner + i];
        }
    }
    true
}

/// How a gather or a scatter of an index for each element is cut into tasks.
struct Plan {
    outer: usize,
    inner: usize,
    /// Indices along the axis.
    n: usize,
    /// Columns of a strip, and how many strips there are.
    width: usize,
    strips: usize,
    /// What is cut where there are fewer strips than threads: so many rows, in so many parts.
    rows: usize,
    cuts: usize,
    threads: usize,
}

impl Plan {
    /// The plan for so many indices, none of whose dimensions is 0; `rows` is told how many there are along the axis.
    fn new<A>(dims: GatherDims, indices: usize, ns: f64, rows: impl Fn(usize) -> usize) -> Self {
        let GatherDims { outer, axis, inner } = dims;
        assert!(indices.is_multiple_of(count(&[outer, inner])), "an index for each outer and inner place");
        let n = indices / (outer * inner);
        let width = (STRIP_BYTES / count(&[axis.max(1), size_of::<A>()]) / STRIP * STRIP).max(STRIP);
        let strips = inner.div_ceil(width);
        let (rows, threads) = (rows(n), threads::parts(indices, ns));
        let cuts = if outer * strips < threads { threads.min(rows).max(1) } else { 1 };
        Self { outer, inner, n, width, strips, rows, cuts, threads }
    }

    /// Calls `work(o, columns, rows)` for each task, over threads; whether all of them met no index outside.
    fn run(&self, work: impl Fn(usize, Range<usize>, Range<usize>) -> bool + Sync) -> bool {
        let tasks = self.outer * self.strips * self.cuts;
        let parts = self.threads.min(tasks);
        in_parts(parts, |part| {
            threads::range(tasks, 1, parts, part).all(|task| {
                let (cut, task) = (task % self.cuts, task / self.cuts);
                let (strip, o) = (task % self.strips, task / self.strips);
                let columns = strip * self.width..self.inner.min((strip + 1) * self.width);
                work(o, columns, threads::range(self.rows, 1, self.cuts, cut))
            })
        })
    }
}
