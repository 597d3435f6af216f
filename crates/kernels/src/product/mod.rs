//! The matrix product that everything stands on, over groups of dimensions.
//!
//! C[β, μ, ν] = α · Σ_κ A[β, μ, κ] · B[β, κ, ν]
//!
//! Each of β (batch), μ (rows), ν (columns) and κ (contracted) is a *group* of any number of dimensions with a stride
//! in every operand that has them, so that an einsum step is one call and nothing is transposed in memory first.

use half::{bf16, f16};

use crate::real::{Real, Widen};

/// A dimension of a product: its size, and how far one step along it moves in each operand (0 where absent).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The number of steps.
    pub size: usize,
    /// Elements of A a step moves; 0 for a dimension of the column group.
    pub a: isize,
    /// Elements of B a step moves; 0 for a dimension of the row group.
    pub b: isize,
    /// Elements of C a step moves; 0 for a contracted dimension.
    pub c: isize,
}

/// The four groups of dimensions of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axes {
    /// β: dimensions of A, B and C (a stride of 0 in A or B broadcasts it).
    pub batch: Vec<Axis>,
    /// μ: dimensions of A and C.
    pub rows: Vec<Axis>,
    /// ν: dimensions of B and C.
    pub columns: Vec<Axis>,
    /// κ: dimensions of A and B, summed over.
    pub contracted: Vec<Axis>,
}

/// An operand that is read: elements of some stored type and the position of its index 0…0.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    /// All elements, in their stored type.
    pub data: Stored<'a, T>,
    /// The position of the element at index 0…0.
    pub offset: usize,
}

/// Elements as they are stored: in the type of the computation, or narrower and widened while they are packed.
#[derive(Clone, Copy)]
pub enum Stored<'a, T> {
    /// In the type of the computation.
    Real(&'a [T]),
    /// f32, for a computation in f64 (or f32).
    F32(&'a [f32]),
    /// bfloat16.
    BF16(&'a [bf16]),
    /// IEEE half precision.
    F16(&'a [f16]),
}

impl<T> Stored<'_, T> {
    fn len(&self) -> usize {
        match self {
            Stored::Real(x) => x.len(),
            Stored::F32(x) => x.len(),
            Stored::BF16(x) => x.len(),
            Stored::F16(x) => x.len(),
        }
    }
}

/// Computes C[β, μ, ν] = α · Σ_κ A[β, μ, κ] · B[β, κ, ν] and overwrites those elements of `c`, no others.
///
/// An empty contracted group sums one product; a contracted dimension of size 0 sums none and writes 0.
///
/// # Panics
/// If an index of an operand leaves its data. Two indices of C must not be the same element.
pub fn product<T: Real>(alpha: T, a: Operand<'_, T>, b: Operand<'_, T>, c: &mut [T], axes: &Axes)
where
    f32: Widen<T>,
    bf16: Widen<T>,
    f16: Widen<T>,
{
    check(a.offset, a.data.len(), [&axes.batch, &axes.rows, &axes.contracted], |x| x.a, "A");
    check(b.offset, b.data.len(), [&axes.batch, &axes.columns, &axes.contracted], |x| x.b, "B");
    check(0, c.len(), [&axes.batch, &axes.rows, &axes.columns], |x| x.c, "C");
    crate::naive::product(alpha, a, b, c, axes);
}

/// Panics unless every index over these groups lies in `0..len`.
fn check(offset: usize, len: usize, groups: [&Vec<Axis>; 3], stride: impl Fn(&Axis) -> isize, name: &str) {
    let (mut low, mut high) = (offset as i128, offset as i128);
    for axis in groups.into_iter().flatten() {
        if axis.size == 0 {
            return;
        }
        let reach = (axis.size as i128 - 1) * stride(axis) as i128;
        if reach < 0 { low += reach } else { high += reach }
    }
    assert!(low >= 0 && high < len as i128, "operand {name} of a product reaches {low}..={high} of {len} elements");
}
