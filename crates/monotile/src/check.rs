//! The words in which operations check their arguments. Each refuses with a sentence or returns what the operation needs.

use monotile_kernels::shape::Shape;

use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tensor::{DType, Dims, Tensor};

/// These sizes as a shape that a tensor can have.
#[track_caller]
pub(crate) fn shape(op: &str, sizes: &[usize]) -> Result<Shape> {
    match Shape::new(sizes) {
        Some(shape) => Ok(shape),
        None => Err(Error::shape(format!("{op}: shape {sizes:?} has more elements than memory has bytes"))),
    }
}

/// The shape that both operands broadcast to: sizes aligned from the last, equal or 1.
#[track_caller]
pub(crate) fn broadcast(op: &str, a: &[usize], b: &[usize]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], d: usize| (d + s.len()).checked_sub(rank).map_or(1, |d| s[d]);
    let sizes: Option<Dims> = (0..rank)
        .map(|d| match (size(a, d), size(b, d)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect();
    match sizes {
        Some(sizes) => shape(op, &sizes),
        None => {
            Err(Error::shape(format!("{op}: shapes {a:?} and {b:?} do not broadcast; sizes must be equal or 1, from the last")))
        }
    }
}

/// The dimension that `axis` names, counted from the end when negative.
#[track_caller]
pub(crate) fn axis(op: &str, axis: isize, rank: usize) -> Result<usize> {
    let d = if axis < 0 { axis + rank as isize } else { axis };
    if (0..rank as isize).contains(&d) {
        return Ok(d as usize);
    }
    Err(Error::shape(format!("{op}: axis {axis} is not an axis of a tensor of rank {rank}")))
}

/// The dimensions that `axes` name, each once, in increasing order; all of them where none are named.
#[track_caller]
pub(crate) fn axes(op: &str, axes: &[isize], rank: usize) -> Result<Dims> {
    if axes.is_empty() {
        return Ok((0..rank).collect());
    }
    let mut named = axes.iter().map(|&a| axis(op, a, rank)).collect::<Result<Dims>>().placed()?;
    named.sort_unstable();
    if named.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::shape(format!("{op}: axes {axes:?} name one axis twice")));
    }
    Ok(named)
}

/// At least this many dimensions.
#[track_caller]
pub(crate) fn at_least(op: &str, t: &Tensor, rank: usize) -> Result<()> {
    if t.rank() >= rank {
        return Ok(());
    }
    Err(Error::shape(format!("{op}: needs at least {rank} dimensions, got shape {:?}", t.shape())))
}

/// Matrices, `(…, m, n)`: m and n.
#[track_caller]
pub(crate) fn matrices(op: &str, t: &Tensor) -> Result<[usize; 2]> {
    at_least(op, t, 2)?;
    Ok([t.dim(-2), t.dim(-1)])
}

/// Square matrices, `(…, n, n)`: n.
#[track_caller]
pub(crate) fn square(op: &str, t: &Tensor) -> Result<usize> {
    match matrices(op, t)? {
        [m, n] if m == n => Ok(n),
        _ => Err(Error::shape(format!("{op}: needs square matrices, got shape {:?}", t.shape()))),
    }
}

/// The floating-point type that both operands are computed in: the wider of the two, or that of the one which has dimensions where the
/// other is a single number without.
#[track_caller]
pub(crate) fn common_float(op: &str, a: &Tensor, b: &Tensor) -> Result<DType> {
    door::blocks::refuse(op, &[a, b])?;
    product_float(op, a, b)
}

/// [`common_float`] of a product, which reads quantized operands too.
#[track_caller]
pub(crate) fn product_float(op: &str, a: &Tensor, b: &Tensor) -> Result<DType> {
    match (a.dtype().compute(), b.dtype().compute()) {
        (x, y) if x == y && x.is_float() => Ok(x),
        (DType::F32 | DType::F64, y @ (DType::F32 | DType::F64)) if a.rank() == 0 && b.rank() > 0 => Ok(y),
        (x @ (DType::F32 | DType::F64), DType::F32 | DType::F64) if b.rank() == 0 && a.rank() > 0 => Ok(x),
        (DType::F32 | DType::F64, DType::F32 | DType::F64) => Ok(DType::F64),
        _ => {
            let (x, y) = (a.dtype(), b.dtype());
            Err(Error::dtype(format!("{op}: takes floating-point numbers, got {x} and {y}; cast with to_dtype")))
        }
    }
}

/// [`common_float`] of any number of operands.
#[track_caller]
pub(crate) fn common_float_of(op: &str, x: &[&Tensor]) -> Result<DType> {
    x.iter().try_for_each(|a| common_float(op, x[0], a).map(|_| ()))?;
    // Numbers without dimensions count only where nothing has any.
    let ranked = x.iter().any(|a| a.rank() > 0);
    let wide = x.iter().any(|a| a.dtype() == DType::F64 && (a.rank() > 0 || !ranked));
    Ok(if wide { DType::F64 } else { DType::F32 })
}

/// Integers, as i64.
#[track_caller]
pub(crate) fn indices(op: &str, t: &Tensor) -> Result<Tensor> {
    if t.dtype().is_integer() {
        return t.widened(op);
    }
    Err(Error::dtype(format!("{op}: indices must be integers, got {}", t.dtype())))
}
