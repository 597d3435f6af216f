//! Elements put where an index for each says.

use bytemuck::{cast_slice, cast_slice_mut};
use half::bf16;

use super::{Accumulation, GatherDims, OutOfRange, Plan, first_outside, place};
use crate::compiled::compiled;
use crate::params::params;
use crate::real::{Element, Real};
use crate::shape::count;
use crate::threads::SharedSlice;

compiled! {
    /// out is `base`, or zeros, with out[o, index[o, j, i], i] put together with x[o, j, i], in the order of j whatever the number of threads.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn scatter<T: Real>(
        base: Option<&[T]>,
        x: &[T],
        index: &[i64],
        out: &mut [T],
        dims: GatherDims,
        how: Accumulation,
    ) -> Result<(), OutOfRange> {
        match how {
            Accumulation::Add => scatter_with(base, x, index, out, dims, |old, new| old + new),
            Accumulation::Multiply => scatter_with(base, x, index, out, dims, |old, new| old * new),
            Accumulation::Maximum => scatter_with(base, x, index, out, dims, T::maximum),
            Accumulation::Minimum => scatter_with(base, x, index, out, dims, T::minimum),
        }
    }
}

/// out is `base` with out[o, index[o, j, i], i] = x[o, j, i], in the order of j whatever the number of threads: the last of equal indices
/// stays.
///
/// # Panics
/// If a length is not its shape's.
pub fn scatter_put<A: Element>(base: &[A], x: &[A], index: &[i64], out: &mut [A], dims: GatherDims) -> Result<(), OutOfRange> {
    match size_of::<A>() {
        1 => PUTS.0(cast_slice(base), cast_slice(x), index, cast_slice_mut(out), dims),
        2 => PUTS.1(cast_slice(base), cast_slice(x), index, cast_slice_mut(out), dims),
        4 => PUTS.2(cast_slice(base), cast_slice(x), index, cast_slice_mut(out), dims),
        _ => PUTS.3(cast_slice(base), cast_slice(x), index, cast_slice_mut(out), dims),
    }
}

type Put<A> = fn(&[A], &[A], &[i64], &mut [A], GatherDims) -> Result<(), OutOfRange>;
/// A scatter for each size of elements, compiled in this crate.
static PUTS: (Put<u8>, Put<bf16>, Put<i32>, Put<i64>) = (put_of, put_of, put_of, put_of);

fn put_of<A: Element>(base: &[A], x: &[A], index: &[i64], out: &mut [A], dims: GatherDims) -> Result<(), OutOfRange> {
    scatter_with(Some(base), x, index, out, dims, |_, new| new)
}

/// out is `base`, or zeros, with out[o, index[o, j, i], i] = f(what is there, x[o, j, i]), in the order of j whatever the number of threads.
///
/// # Panics
/// If a length is not its shape's.
pub fn scatter_with<A: Element>(
    base: Option<&[A]>,
    x: &[A],
    index: &[i64],
    out: &mut [A],
    dims: GatherDims,
    f: impl Fn(A, A) -> A + Sync,
) -> Result<(), OutOfRange> {
    let GatherDims { outer, axis, inner } = dims;
    let len = count(&[outer, axis, inner]);
    assert!(out.len() == len && base.is_none_or(|x| x.len() == len) && x.len() == index.len(), "arrays of their shapes");
    if index.is_empty() {
        match base {
            Some(base) => out.copy_from_slice(base),
            None => out.fill(A::zeroed()),
        }
        return Ok(());
    }
    // Where the rows of the result are cut, each task looks through all indices for its own.
    let plan = Plan::new::<A>(dims, index.len(), params().cost.scatter_ns, |_| axis);
    let out = SharedSlice::new(out);
    let inside = plan.run(|o, columns, rows| {
        let begin = |out: &mut [A], at: usize| match base {
            Some(base) => out.copy_from_slice(&base[at..at + out.len()]),
            None => out.fill(A::zeroed()),
        };
        let indices = o * plan.n * inner..(o + 1) * plan.n * inner;
        if columns.len() == inner {
            let range = (o * axis + rows.start) * inner..(o * axis + rows.end) * inner;
            // SAFETY: tasks differ in o, or in the rows of the result that they write.
            let out = unsafe { out.part(range.clone()) };
            begin(out, range.start);
            return scatter_rows(&x[indices.clone()], &index[indices], out, [axis, inner, rows.start], &f);
        }
        for k in rows.clone() {
            let at = (o * axis + k) * inner;
            // SAFETY: tasks differ in o, in their columns, or in the rows of the result that they write.
            begin(unsafe { out.part(at + columns.start..at + columns.end) }, at + columns.start);
        }
        for at in indices.step_by(inner) {
            let places = at + columns.start..at + columns.end;
            for ((i, &index), &new) in columns.clone().zip(&index[places.clone()]).zip(&x[places]) {
                let Some(k) = place(index, axis) else { return false };
                if rows.contains(&k) {
                    let at = (o * axis + k) * inner + i;
                    // SAFETY: as above: k is one of this task's rows, and i one of its columns.
                    let to = unsafe { out.part(at..at + 1) };
                    to[0] = f(to[0], new);
                }
            }
        }
        true
    });
    first_outside(inside, index, axis)
}

/// Whole rows of a scatter, into those of the result from `first` on.
#[inline(always)]
pub(super) fn scatter_rows<A: Element>(
    x: &[A],
    index: &[i64],
    out: &mut [A],
    [axis, inner, first]: [usize; 3],
    f: impl Fn(A, A) -> A,
) -> bool {
    if inner == 1 && out.len() == axis {
        for (&new, &index) in x.iter().zip(index) {
            let Some(k) = place(index, out.len()) else { return false };
            out[k] = f(out[k], new);
        }
        return true;
    }
    for (x, index) in x.chunks_exact(inner).zip(index.chunks_exact(inner)) {
        for (i, (&new, &index)) in x.iter().zip(index).enumerate() {
            let Some(k) = place(index, axis) else { return false };
            // A row before the first one is far behind the last.
            if let Some(to) = out.get_mut(k.wrapping_sub(first).wrapping_mul(inner).wrapping_add(i)) {
                *to = f(*to, new);
            }
        }
    }
    true
}
