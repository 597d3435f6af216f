//! The matrix product that everything stands on, over groups of dimensions.
//!
//! C[β, μ, ν] = α · Σ_κ A[β, μ, κ] · B[β, κ, ν]
//!
//! Each of β (batch), μ (rows), ν (columns) and κ (contracted) is a *group* of any number of dimensions with a stride
//! in every operand that has them, so that an einsum step is one call and nothing is transposed in memory first.
//!
//! # What is promised
//!
//! [`Prepared`] checks, before anything is read, that every index over the groups lies in its operand, and borrows C exclusively
//! until all is done. From there on operands are addresses, offsets from them are those of indices over the groups, and no element
//! of C is given to two threads at a time. That is all that the `unsafe` blocks of this folder stand on, beside what the function
//! around them says; nothing of it can be made from outside of the folder.

mod axes;
mod blocked;
mod direct;
mod epilogue;
mod lanes;
mod micro;
mod pack;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod phase;
mod prepared;
mod read;
mod skinny;

use half::{bf16, f16};
use smallvec::SmallVec;

use crate::buffer::{OutOfMemory, list};
use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, isa};
use crate::threads::SyncPtr;
use axes::Offsets;
use blocked::Product;
use direct::Direct;
use epilogue::BoundEpilogue;
pub use epilogue::{Activation, Bias, Epilogue};
use lanes::BatchedSmallProduct;
use micro::Kernels;
use pack::PackSource;
pub use prepared::Prepared;
use skinny::Skinny;

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

/// Dimensions of one kind, in any order.
pub type Group = SmallVec<[Axis; 2]>;

/// The four groups of dimensions of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axes {
    /// β: dimensions of A, B and C (a stride of 0 in A or B broadcasts it).
    pub batch: Group,
    /// μ: dimensions of A and C.
    pub rows: Group,
    /// ν: dimensions of B and C.
    pub columns: Group,
    /// κ: dimensions of A and B, summed over.
    pub contracted: Group,
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
/// An empty contracted group sums one product; a contracted dimension of size 0 sums none and writes 0. The result
/// does not depend on the number of threads, bit for bit.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If an index of an operand leaves its data, or [`Prepared::new`] refuses the groups. Where two indices of C are the same
/// element, which of them is kept is unspecified.
pub fn product<T: Lanes>(alpha: T, a: Operand<'_, T>, b: Operand<'_, T>, c: &mut [T], axes: &Axes) -> Result<(), OutOfMemory> {
    product_on(isa(), Scaled { alpha, accumulate: false }, a, b, c, axes)
}

/// Adds to C instead of overwriting it: C[β, μ, ν] += α · Σ_κ A[β, μ, κ] · B[β, κ, ν]; else as [`product`].
///
/// # Errors
/// As [`product`].
///
/// # Panics
/// As [`product`] does.
pub fn add_product<T: Lanes>(alpha: T, a: Operand<'_, T>, b: Operand<'_, T>, c: &mut [T], axes: &Axes) -> Result<(), OutOfMemory> {
    product_on(isa(), Scaled { alpha, accumulate: true }, a, b, c, axes)
}

/// Computes a product as [`product`] does, then maps every element that it wrote.
///
/// # Errors
/// As [`product`].
///
/// # Panics
/// As [`product`] does; if a bias has no numbers or a step of 0.
pub fn product_with_epilogue<T: Lanes>(
    alpha: T,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    c: &mut [T],
    axes: &Axes,
    epilogue: Epilogue<'_, T>,
) -> Result<(), OutOfMemory> {
    prepared(axes).product_with_epilogue(alpha, a, b, c, epilogue)
}

/// # Panics
/// If the groups are refused.
fn prepared(axes: &Axes) -> Prepared {
    Prepared::new(axes).unwrap_or_else(|| panic!("a product over more indices than an operand can have: {axes:?}"))
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
struct Scaled<T> {
    alpha: T,
    accumulate: bool,
}

/// The product with the registers of one instruction set.
fn product_on<T: Lanes>(
    isa: Isa,
    scaled: Scaled<T>,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    c: &mut [T],
    axes: &Axes,
) -> Result<(), OutOfMemory> {
    prepared(axes).run_on(isa, scaled, a, b, c)
}

/// A product with simple groups, about to meet an instruction set.
struct Run<'a, T> {
    scaled: Scaled<T>,
    finish: Option<BoundEpilogue<'a, T>>,
    a: Operand<'a, T>,
    b: Operand<'a, T>,
    c: &'a mut [T],
    axes: &'a Axes,
    /// Whether no two indices of C are the same element.
    distinct: bool,
}

impl<T: Lanes> Kernel<T> for Run<'_, T> {
    type Output = Result<(), OutOfMemory>;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(mut self, isa: Enabled<V>) -> Self::Output {
        let Self { axes, distinct, .. } = self;
        if let Some(tiny) = BatchedSmallProduct::new(self.scaled, self.a, self.b, SyncPtr::new(self.c.as_mut_ptr()), axes) {
            tiny.with_epilogue(self.finish).run(isa, distinct);
            return Ok(());
        }
        if let Some(direct) = Direct::new(self.scaled, self.a, self.b, SyncPtr::new(self.c.as_mut_ptr()), axes) {
            direct.with_epilogue(self.finish).run(isa, distinct);
            return Ok(());
        }
        let few = skinny::are_few(axes);
        #[cfg(target_arch = "x86_64")]
        if !few && let Some((pairs, mut run)) = self.in_pairs::<V>() {
            let k = axes::size(&run.axes.contracted).div_ceil(2);
            let source =
                |data: Stored<'_, f32>, offset, lanes, depth| PackSource::for_bf16_pairs(pairs, data, offset, lanes, depth);
            return run.run_blocked(Kernels::for_bf16_pairs(pairs), source, k, distinct);
        }
        if (few || skinny::are_more(axes))
            && let Some(kernel) = skinny::kernel(isa, axes, self.b.data)
        {
            let Self { scaled, finish, a, b, c, .. } = self;
            return Skinny { scaled, finish, a, b, c: SyncPtr::new(c.as_mut_ptr()), axes }.run(isa, kernel);
        }
        let k = axes::size(&axes.contracted);
        let source = |data: Stored<'_, T>, offset, lanes, depth| PackSource::new(isa, data, offset, lanes, depth);
        self.run_blocked(Kernels::for_registers(isa), source, k, distinct)
    }
}

impl<T: Lanes> Run<'_, T> {
    /// The blocked product by these kernels on what `source` packs, in which the contracted index has `k` steps.
    fn run_blocked(
        &mut self,
        kernels: Kernels<T>,
        source: impl Fn(Stored<'_, T>, usize, Offsets, Offsets) -> PackSource<T>,
        k: usize,
        distinct: bool,
    ) -> Result<(), OutOfMemory> {
        let axes = self.axes;
        let (rows, columns) = (Offsets::new(&axes.rows, |x| x.c)?, Offsets::new(&axes.columns, |x| x.c)?);
        let source = |x: Operand<'_, T>, lanes: &[Axis], stride: fn(&Axis) -> isize| {
            Ok(source(x.data, x.offset, Offsets::new(lanes, stride)?, Offsets::new(&axes.contracted, stride)?))
        };
        let (a, b) = (source(self.a, &axes.rows, |x| x.a)?, source(self.b, &axes.columns, |x| x.b)?);
        let product = Product {
            kernels: &kernels,
            alpha: self.scaled.alpha,
            accumulate: self.scaled.accumulate,
            finish: self.finish.as_ref(),
            a: &a,
            b: &b,
            c: SyncPtr::new(self.c.as_mut_ptr()),
            rows: &rows,
            columns: &columns,
            size: [axes::size(&axes.rows), axes::size(&axes.columns), k],
            skip: 0,
            distinct,
        };
        product.run(&matrices(axes)?)
    }
}

/// Where every matrix of the batch begins in A, B and C.
fn matrices(axes: &Axes) -> Result<Vec<[isize; 3]>, OutOfMemory> {
    let offsets = |stride: fn(&Axis) -> isize| Offsets::new(&axes.batch, stride);
    let (a, b, c) = (offsets(|x| x.a)?, offsets(|x| x.b)?, offsets(|x| x.c)?);
    let count = axes::size(&axes.batch);
    let mut matrices = list(count)?;
    matrices.extend((0..count).map(|i| [a.at(i), b.at(i), c.at(i)]));
    Ok(matrices)
}

#[cfg(test)]
mod tests;
