//! Elements picked by indices along an axis, and elements added or written to where indices say.
//!
//! Every index must lie in range: it is checked where elements are read, and a wrong one panics.

use crate::compiled::compiled;
use crate::params::params;
use crate::real::{Element, Real};
use crate::shape::count;
use crate::threads;

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

/// `out[o, j, i] = f(x[o, indices[j], i])`
///
/// # Panics
/// If an index is outside the axis, or a length is not its shape's.
pub fn select<A: Element, R: Element>(x: &[A], dims: GatherDims, indices: &[i64], out: &mut [R], f: impl Fn(A) -> R + Sync) {
    let GatherDims { outer, axis, inner } = dims;
    assert!(
        x.len() == count(&[outer, axis, inner]) && out.len() == count(&[outer, indices.len(), inner]),
        "arrays of their shapes"
    );
    if out.is_empty() {
        return;
    }
    let parts = threads::parts(outer * indices.len(), inner as f64 * params().cost.gather_ns);
    threads::split_mut(out, inner, parts, |start, out| {
        for (r, out) in out.chunks_exact_mut(inner).enumerate() {
            let row = start / inner + r;
            let (o, index) = (row / indices.len(), indices[row % indices.len()]);
            assert!((0..axis as i64).contains(&index), "an index of the axis");
            let from = &x[(o * axis + index as usize) * inner..][..inner];
            out.iter_mut().zip(from).for_each(|(out, &x)| *out = f(x));
        }
    });
}

compiled! {
    /// `out[o, indices[j], i] += x[o, j, i]`, in the order of j whatever the number of threads.
    ///
    /// # Panics
    /// If an index is outside the axis, or a length is not its shape's.
    pub fn select_add<T: Real>(x: &[T], indices: &[i64], out: &mut [T], dims: GatherDims) {
        let GatherDims { outer, axis, inner } = dims;
        assert!(
            out.len() == count(&[outer, axis, inner]) && x.len() == count(&[outer, indices.len(), inner]),
            "arrays of their shapes"
        );
        assert!(indices.iter().all(|i| (0..axis as i64).contains(i)), "indices of the axis");
        if x.is_empty() {
            return;
        }
        // Each thread owns rows of the result and looks through all indices for them.
        let parts = threads::parts(outer * indices.len(), inner as f64 * params().cost.gather_ns).min(outer * axis);
        threads::split_mut(out, inner, parts, |start, out| {
            let rows = start / inner..(start + out.len()) / inner;
            for o in rows.start / axis..rows.end.div_ceil(axis) {
                for (j, &index) in indices.iter().enumerate() {
                    let row = o * axis + index as usize;
                    if rows.contains(&row) {
                        let to = &mut out[(row - rows.start) * inner..][..inner];
                        let from = &x[(o * indices.len() + j) * inner..][..inner];
                        to.iter_mut().zip(from).for_each(|(to, &x)| *to += x);
                    }
                }
            }
        });
    }
}

/// out[o, j, i] = x[o, index[o, j, i], i]
///
/// # Panics
/// If an index is outside the axis, or a length is not its shape's.
pub fn gather<A: Element>(x: &[A], dims: GatherDims, index: &[i64], out: &mut [A]) {
    let GatherDims { outer, axis, inner } = dims;
    assert!(x.len() == count(&[outer, axis, inner]) && out.len() == index.len(), "arrays of their shapes");
    if out.is_empty() {
        return;
    }
    assert!(out.len().is_multiple_of(count(&[outer, inner])), "an index for each outer and inner place");
    let block = out.len() / outer;
    let parts = threads::parts(out.len() / inner, inner as f64 * params().cost.scatter_ns);
    threads::split_mut(out, inner, parts, |start, out| {
        for (r, out) in out.chunks_exact_mut(inner).enumerate() {
            let at = start + r * inner;
            let x = &x[at / block * axis * inner..][..axis * inner];
            for (i, (out, &j)) in out.iter_mut().zip(&index[at..]).enumerate() {
                assert!((0..axis as i64).contains(&j), "an index of the axis");
                *out = x[j as usize * inner + i];
            }
        }
    });
}

compiled! {
    /// out[o, index[o, j, i], i] += x[o, j, i], in the order of j whatever the number of threads.
    ///
    /// # Panics
    /// If an index is outside the axis, or a length is not its shape's.
    pub fn scatter_add<T: Real>(x: &[T], index: &[i64], out: &mut [T], dims: GatherDims) {
        let GatherDims { outer, axis, inner } = dims;
        assert!(out.len() == count(&[outer, axis, inner]) && x.len() == index.len(), "arrays of their shapes");
        assert!(index.iter().all(|j| (0..axis as i64).contains(j)), "indices of the axis");
        if x.is_empty() {
            return;
        }
        assert!(x.len().is_multiple_of(count(&[outer, inner])), "an index for each outer and inner place");
        let block = x.len() / outer;
        let parts = threads::parts(outer, block as f64 * params().cost.scatter_ns);
        threads::split_mut(out, axis * inner, parts, |start, out| {
            for (r, out) in out.chunks_exact_mut(axis * inner).enumerate() {
                let from = (start / (axis * inner) + r) * block..;
                for (k, (&x, &j)) in x[from.clone()].iter().zip(&index[from]).take(block).enumerate() {
                    out[j as usize * inner + k % inner] += x;
                }
            }
        });
    }
}

/// `out[o, indices[j], i] = x[o, j, i]`, in the order of j whatever the number of threads: the last of equal indices stays.
///
/// # Panics
/// If an index is outside the axis, or a length is not its shape's.
pub fn select_put<A: Element>(x: &[A], indices: &[i64], out: &mut [A], dims: GatherDims) {
    let GatherDims { outer, axis, inner } = dims;
    assert!(
        out.len() == count(&[outer, axis, inner]) && x.len() == count(&[outer, indices.len(), inner]),
        "arrays of their shapes"
    );
    assert!(indices.iter().all(|i| (0..axis as i64).contains(i)), "indices of the axis");
    if x.is_empty() {
        return;
    }
    // Each thread owns rows of the result and looks through all indices for them.
    let parts = threads::parts(outer * indices.len(), inner as f64 * params().cost.gather_ns).min(outer * axis);
    threads::split_mut(out, inner, parts, |start, out| {
        let rows = start / inner..(start + out.len()) / inner;
        for o in rows.start / axis..rows.end.div_ceil(axis) {
            for (j, &index) in indices.iter().enumerate() {
                let row = o * axis + index as usize;
                if rows.contains(&row) {
                    let from = &x[(o * indices.len() + j) * inner..][..inner];
                    out[(row - rows.start) * inner..][..inner].copy_from_slice(from);
                }
            }
        }
    });
}

/// out[o, index[o, j, i], i] = f(out[o, index[o, j, i], i], x[o, j, i]), in the order of j whatever the number of threads.
///
/// # Panics
/// If an index is outside the axis, or a length is not its shape's.
pub fn scatter<A: Element>(x: &[A], index: &[i64], out: &mut [A], dims: GatherDims, f: impl Fn(A, A) -> A + Sync) {
    let GatherDims { outer, axis, inner } = dims;
    assert!(out.len() == count(&[outer, axis, inner]) && x.len() == index.len(), "arrays of their shapes");
    assert!(index.iter().all(|j| (0..axis as i64).contains(j)), "indices of the axis");
    if x.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(count(&[outer, inner])), "an index for each outer and inner place");
    let block = x.len() / outer;
    let parts = threads::parts(outer, block as f64 * params().cost.scatter_ns);
    threads::split_mut(out, axis * inner, parts, |start, out| {
        for (r, out) in out.chunks_exact_mut(axis * inner).enumerate() {
            let from = (start / (axis * inner) + r) * block..;
            for (k, (&x, &j)) in x[from.clone()].iter().zip(&index[from]).take(block).enumerate() {
                let to = &mut out[j as usize * inner + k % inner];
                *to = f(*to, x);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn rows_are_picked_and_added_back_as_the_twin_does() {
        for (outer, axis, inner, count) in
            [(1, 5, 3, 4), (2, 3, 1, 7), (3, 2, 5, 0), (1, 40, 300, 600), (2, 1, 0, 3), (4, 900, 7, 800)]
        {
            let dims = GatherDims { outer, axis, inner };
            let x: Vec<f64> = (0..outer * axis * inner).map(|i| i as f64 * 0.37 - 8.0).collect();
            let indices: Vec<i64> = (0..count).map(|j| (j * j * 31 % axis) as i64).collect();
            let mut out = vec![0.0; outer * count * inner];
            select(&x, dims, &indices, &mut out, |x| x);
            assert_eq!(out, naive::select(&x, dims, &indices));
            let mut back = vec![1.0; x.len()];
            select_add(&out, &indices, &mut back, dims);
            let mut expected = vec![1.0; x.len()];
            naive::select_add(&out, &indices, &mut expected, dims);
            // Additions happen in the same order, so that every bit agrees.
            assert_eq!(back, expected);
            let (mut put, mut expected) = (vec![1.0; x.len()], vec![1.0; x.len()]);
            let source: Vec<f64> = (0..out.len()).map(|i| i as f64).collect();
            select_put(&source, &indices, &mut put, dims);
            naive::select_put(&source, &indices, &mut expected, dims);
            assert_eq!(put, expected);
        }
    }

    #[test]
    fn elements_are_gathered_and_scattered_as_the_twin_does() {
        for (outer, axis, inner, count) in [(1, 5, 3, 4), (2, 3, 1, 7), (3, 2, 5, 0), (40, 30, 20, 60), (2, 1, 0, 3)] {
            let dims = GatherDims { outer, axis, inner };
            let x: Vec<f64> = (0..outer * axis * inner).map(|i| i as f64 * 0.37 - 8.0).collect();
            let index: Vec<i64> = (0..outer * count * inner).map(|j| (j * j * 31 % axis) as i64).collect();
            let mut out = vec![0.0; index.len()];
            gather(&x, dims, &index, &mut out);
            assert_eq!(out, naive::gather(&x, dims, &index));
            let (mut back, mut expected) = (vec![1.0; x.len()], vec![1.0; x.len()]);
            scatter_add(&out, &index, &mut back, dims);
            naive::scatter_add(&out, &index, &mut expected, dims);
            assert_eq!(back, expected);
            let source: Vec<f64> = (0..index.len()).map(|i| i as f64).collect();
            for f in [|_, new| new, f64::max] {
                let (mut back, mut expected) = (vec![1.0; x.len()], vec![1.0; x.len()]);
                scatter(&source, &index, &mut back, dims, f);
                naive::scatter(&source, &index, &mut expected, dims, f);
                assert_eq!(back, expected);
            }
        }
    }

    #[test]
    #[should_panic(expected = "an index of the axis")]
    fn an_index_outside_the_axis_is_never_read() {
        select(&[1.0, 2.0], GatherDims { outer: 1, axis: 2, inner: 1 }, &[-1], &mut [0.0], |x: f64| x);
    }
}
