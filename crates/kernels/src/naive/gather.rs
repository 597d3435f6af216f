//! Indexing an element at a time.

use crate::gather::GatherDims;
use crate::real::Real;

/// `out[o, j, i] = x[o, indices[j], i]`
pub fn select<T: Real>(x: &[T], dims: GatherDims, indices: &[i64]) -> Vec<T> {
    let mut out = Vec::new();
    for o in 0..dims.outer {
        for &index in indices {
            out.extend((0..dims.inner).map(|i| x[(o * dims.axis + index as usize) * dims.inner + i]));
        }
    }
    out
}

/// `out[o, indices[j], i] += x[o, j, i]`
pub fn select_add<T: Real>(x: &[T], indices: &[i64], out: &mut [T], dims: GatherDims) {
    for o in 0..dims.outer {
        for (j, &index) in indices.iter().enumerate() {
            for i in 0..dims.inner {
                out[(o * dims.axis + index as usize) * dims.inner + i] += x[(o * indices.len() + j) * dims.inner + i];
            }
        }
    }
}

/// out[o, j, i] = x[o, index[o, j, i], i]
pub fn gather<T: Real>(x: &[T], dims: GatherDims, index: &[i64]) -> Vec<T> {
    index.iter().enumerate().map(|(at, &j)| x[place(dims, index.len(), at, j)]).collect()
}

/// out[o, index[o, j, i], i] += x[o, j, i]
pub fn scatter_add<T: Real>(x: &[T], index: &[i64], out: &mut [T], dims: GatherDims) {
    for (at, (&x, &j)) in x.iter().zip(index).enumerate() {
        out[place(dims, index.len(), at, j)] += x;
    }
}

/// `out[o, indices[j], i] = x[o, j, i]`
pub fn select_put<T: Real>(x: &[T], indices: &[i64], out: &mut [T], dims: GatherDims) {
    for o in 0..dims.outer {
        for (j, &index) in indices.iter().enumerate() {
            for i in 0..dims.inner {
                out[(o * dims.axis + index as usize) * dims.inner + i] = x[(o * indices.len() + j) * dims.inner + i];
            }
        }
    }
}

/// out[o, index[o, j, i], i] = f(out[o, index[o, j, i], i], x[o, j, i])
pub fn scatter<T: Real>(x: &[T], index: &[i64], out: &mut [T], dims: GatherDims, f: impl Fn(T, T) -> T) {
    for (at, (&x, &j)) in x.iter().zip(index).enumerate() {
        let to = &mut out[place(dims, index.len(), at, j)];
        *to = f(*to, x);
    }
}

/// The place in (outer, axis, inner) that index j at position `at` of `len` names.
fn place(dims: GatherDims, len: usize, at: usize, j: i64) -> usize {
    (at / (len / dims.outer) * dims.axis + j as usize) * dims.inner + at % dims.inner
}
