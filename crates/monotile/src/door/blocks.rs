//! What reads quantized numbers: casts, rows of a table, and products. Every other door refuses them.
//!
//! A product with a matrix W expands no more than a strip of its rows at a time, into memory that stays in the cache, and multiplies it as if it
//! had been stored so:
//!
//! ```text
//!   x Wᵀ                               g W
//!   for each strip s of rows           for each strip s of rows
//!       F ← dequantize(W[s, :])            F ← dequantize(W[s, :])
//!       y[:, s] ← x Fᵀ                     x̄ ← x̄ + g[:, s] F
//! ```
//!
//! The cut depends on sizes alone: the bits are the same for any number of threads. An operand that is no matrix of whole blocks (a batch of
//! weights, a slice inside of a block, a product without a sum) is expanded whole.

use monotile_kernels::blocks::BlockFormat;
use monotile_kernels::buffer::Block;
use monotile_kernels::gather::{self, OutOfRange};
use monotile_kernels::params::params;
use monotile_kernels::product::{Axes, Axis, Operand, Prepared, Stored};
use monotile_kernels::shape::{self, Shape};
use monotile_kernels::simd::Lanes;
use monotile_kernels::threads;

use super::contract;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::blocks::{BlockBuffer, block_bytes};
use crate::tensor::dtype::StorageElement;
use crate::tensor::layout::Layout;
use crate::tensor::storage::CpuStorage;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Dims, Tensor};

/// What it takes to expand one element, in nanoseconds.
const ELEMENT_NS: f64 = 0.4;

/// The largest number that is quantized: that of f16.
const LARGEST: f32 = 65_504.0;

/// Refuses quantized operands, of an operation that has no way to read them.
///
/// # Errors
/// If there is one.
#[inline]
#[track_caller]
pub fn refuse<T: std::borrow::Borrow<Tensor>>(op: &str, operands: &[T]) -> Result<()> {
    match operands.iter().find(|x| (*x).borrow().dtype().block_format().is_some()) {
        None => Ok(()),
        Some(x) => Err(refused(op, x.borrow().dtype())),
    }
}

/// The refusal of quantized elements.
#[cold]
#[track_caller]
pub fn refused(op: &str, dtype: DType) -> Error {
    Error::dtype(format!("{op}: does not read the blocks of {dtype}; products, `embedding` and casts do: cast it with to_dtype"))
}

/// The refusal of a copy in another order.
#[cold]
#[track_caller]
pub fn out_of_order(op: &str, dtype: DType) -> Error {
    Error::dtype(format!("{op}: a view of {dtype} that is not in row-major order is not copied; cast it with to_dtype"))
}

/// The refusal of operands on two devices: blocks lie in the processor's memory.
#[cold]
#[track_caller]
fn elsewhere(op: &str, other: &Tensor) -> Error {
    let words = format!("{op}: quantized numbers lie on the cpu, the other operand on {}; cast and move one", other.device());
    Error::new(ErrorKind::Unsupported, words)
}

fn memory(x: &Tensor) -> &BlockBuffer {
    let CpuStorage::Quantized(blocks) = x.storage().cpu() else { unreachable!("the caller matched the dtype") };
    blocks
}

/// The numbers of a quantized tensor as f32, in row-major order.
#[track_caller]
pub fn dequantized(op: &str, x: &Tensor) -> Result<Tensor> {
    expanded(op, x)?.contiguous_detached(op)
}

/// The same view of the same numbers as f32: all that it reaches is expanded, once.
#[track_caller]
fn expanded(op: &str, x: &Tensor) -> Result<Tensor> {
    let Layout { shape, strides, offset } = x.layout();
    if x.is_empty() {
        return UninitTensor::<f32>::like(op, x).map(UninitTensor::tensor);
    }
    let reach = shape::reach(shape.iter().copied().zip(strides.iter().copied()));
    let (low, high) = reach.expect("a view stays inside its memory");
    let (blocks, len) = (memory(x), memory(x).format().block_len());
    let start = offset.wrapping_add_signed(low) / len * len;
    let end = (offset.wrapping_add_signed(high) + 1).next_multiple_of(len);
    let mut all = UninitTensor::<f32>::new(op, &[end - start])?;
    let parts = threads::parts(all.len(), ELEMENT_NS);
    threads::split_mut(&mut all, len, parts, |first, out| expand(blocks, start + first, out));
    Ok(all.tensor().with_layout(Layout { shape: shape.clone(), strides: strides.clone(), offset: offset - start }))
}

/// Expands the whole blocks that begin at this element.
fn expand(blocks: &BlockBuffer, first: usize, out: &mut [f32]) {
    let bytes = blocks.bytes_of(first..first + out.len()).expect("whole blocks of a view that stays inside its memory");
    blocks.format().dequantize(bytes, out);
}

/// f32 numbers in blocks along the last dimension.
#[track_caller]
pub fn quantized(op: &str, x: &Tensor, format: BlockFormat) -> Result<Tensor> {
    let mut bytes = Block::<u8>::new(block_bytes(op, &x.layout().shape, format)?)?;
    if !format.is_written() {
        let words = format!("{op}: {} is read and not written; q8_0, q4_0, q4_1, q5_0 and q5_1 are written", format.name());
        return Err(Error::new(ErrorKind::Unsupported, words));
    }
    let x = x.on_cpu()?.contiguous_detached(op)?;
    let numbers = x.elements::<f32>();
    // A scale is an f16: what it does not reach would be lost in silence.
    if let Some(i) = numbers.iter().position(|x| !(x.abs() <= LARGEST)) {
        let (name, x) = (format.name(), numbers[i]);
        return Err(Error::value(format!("{op}: {name} is made of numbers up to {LARGEST} in size, and element {i} is {x}")));
    }
    let (len, size) = (format.block_len(), format.block_bytes());
    let parts = threads::parts(numbers.len(), 20.0 * ELEMENT_NS);
    threads::split_mut(&mut bytes, size, parts, |start, bytes| {
        let first = start / size * len;
        format.quantize(&numbers[first..first + bytes.len() / size * len], bytes);
    });
    Ok(Tensor::from_block_buffer(BlockBuffer::new(format, bytes.into()), x.layout().shape.clone()))
}

/// The rows of a quantized matrix that indices name, as f32.
#[track_caller]
pub fn rows(op: &str, table: &Tensor, format: BlockFormat, ids: &Tensor) -> Result<Tensor> {
    if !ids.device().is_cpu() {
        return Err(elsewhere(op, ids));
    }
    let (vocab, dim, offset, len) = (table.dim(0), table.dim(1), table.layout().offset, format.block_len());
    if dim == 0 || !dim.is_multiple_of(len) || !offset.is_multiple_of(len) {
        return super::gather::rows(op, &dequantized(op, table)?, ids);
    }
    let shape: Dims = ids.shape().iter().copied().chain([dim]).collect();
    let ids = ids.elements::<i64>();
    if let Err(OutOfRange(id)) = gather::check(ids, vocab) {
        return Err(Error::value(format!("{op}: index {id} is outside the table of {vocab} rows")));
    }
    let (mut out, blocks) = (UninitTensor::<f32>::new(op, &shape)?, memory(table));
    let parts = threads::parts(out.len(), ELEMENT_NS);
    threads::split_mut(&mut out, dim, parts, |start, out| {
        let named = out.chunks_exact_mut(dim).zip(&ids[start / dim..]);
        named.for_each(|(row, &id)| expand(blocks, offset + id as usize * dim, row));
    });
    Ok(out.tensor())
}

/// [`contract::product`] with a quantized operand; of two, the first is expanded whole.
#[track_caller]
pub fn product(
    op: &str,
    product: &Prepared,
    [a, b]: [&Tensor; 2],
    dtype: DType,
    shape: &Shape,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    if let Some(other) = [a, b].into_iter().chain(bias).find(|x| !x.device().is_cpu()) {
        return Err(elsewhere(op, other));
    }
    let quantized = |x: &Tensor| x.dtype().block_format().is_some();
    let first = (quantized(a) && quantized(b)).then(|| expanded(op, a)).transpose()?;
    let x = [first.as_ref().unwrap_or(a), b];
    let which = usize::from(quantized(x[1]));
    let Some(strips) = Strips::new(product, x[which], which) else {
        let whole = expanded(op, x[which])?;
        let x = if which == 0 { [&whole, x[1]] } else { [x[0], &whole] };
        return contract::product(op, product, x, dtype, shape, bias);
    };
    let other = x[1 - which];
    let y = match dtype {
        DType::F64 => strips.product::<f64>(op, contract::operand_f64(other), double, shape),
        _ => strips.product::<f32>(op, contract::operand_f32(other), single, shape),
    }?;
    match bias {
        Some(bias) => y.add(bias.detach()),
        None => Ok(y),
    }
}

fn single(x: &[f32]) -> Stored<'_, f32> {
    Stored::Real(x)
}

fn double(x: &[f32]) -> Stored<'_, f64> {
    Stored::F32(x)
}

/// A product that is cut along the rows of its quantized operand.
struct Strips<'a> {
    blocks: &'a BlockBuffer,
    axes: &'a Axes,
    /// Whether the quantized operand is B of `axes`.
    is_b: bool,
    /// Whether its rows are summed over, as in g W; else they lead to different elements of the result, as in x Wᵀ.
    summed: bool,
    /// Where its first row begins, how many rows there are, how far one is from the next, and how long.
    offset: usize,
    rows: usize,
    step: usize,
    length: usize,
}

impl<'a> Strips<'a> {
    /// `None` where the operand is no matrix of whole blocks in these groups.
    fn new(product: &'a Prepared, x: &'a Tensor, which: usize) -> Option<Self> {
        let (axes, swapped) = product.groups()?;
        let is_b = (which == 1) != swapped;
        let own = |axis: &Axis| if is_b { axis.b } else { axis.a };
        let line = |group: &[Axis]| match group {
            [] => Some((1, 0)),
            [axis] => Some((axis.size, usize::try_from(own(axis)).ok()?)),
            _ => None,
        };
        if axes.batch.iter().any(|axis| own(axis) != 0) {
            return None;
        }
        let (free, depth) = (line(if is_b { &axes.columns } else { &axes.rows })?, line(&axes.contracted)?);
        let (blocks, offset) = (memory(x), x.layout().offset);
        let len = blocks.format().block_len();
        let whole = |(_, step): (usize, usize), (size, unit): (usize, usize)| {
            unit == 1 && size > 0 && size.is_multiple_of(len) && step.is_multiple_of(len)
        };
        let summed = !whole(free, depth);
        let ((rows, step), (length, _)) = if summed { (depth, free) } else { (free, depth) };
        let matrix = offset.is_multiple_of(len) && (!summed || whole(depth, free)) && rows > 0;
        matrix.then_some(Self { blocks, axes, is_b, summed, offset, rows, step, length })
    }

    /// The product of the other operand and all strips, which `stored` shows to the kernel.
    #[track_caller]
    fn product<T: StorageElement + Lanes>(
        &self,
        op: &str,
        other: Operand<'_, T>,
        stored: fn(&[f32]) -> Stored<'_, T>,
        shape: &Shape,
    ) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::with_shape(op, shape.clone())?;
        let high = (params().product.block_bytes / size_of::<f32>() / self.length).clamp(1, self.rows);
        let mut strip = UninitTensor::<f32>::new(op, &[high, self.length])?;
        let mut ready = self.prepared(high);
        for start in (0..self.rows).step_by(high) {
            let rows = high.min(self.rows - start);
            if rows < high {
                ready = self.prepared(rows);
            }
            let strip = &mut strip[..rows * self.length];
            self.expand(start, strip);
            let mut other = other;
            let (in_other, in_c) = self.steps();
            if self.summed {
                other.offset = other.offset.wrapping_add_signed(start as isize * in_other);
            }
            let strip = Operand { data: stored(strip), offset: 0 };
            let [a, b] = if self.is_b { [other, strip] } else { [strip, other] };
            let (one, c) = (T::from_f64(1.0), &mut out[if self.summed { 0 } else { start * in_c }..]);
            let done = if self.summed && start > 0 { ready.add_product(one, a, b, c) } else { ready.product(one, a, b, c) };
            done.map_err(|e| Error::from(e).with_context(op))?;
        }
        Ok(out.tensor())
    }

    /// Expands rows from this one on.
    fn expand(&self, start: usize, strip: &mut [f32]) {
        let parts = threads::parts(strip.len(), ELEMENT_NS);
        threads::split_mut(strip, self.length, parts, |first, strip| {
            for (i, row) in strip.chunks_exact_mut(self.length).enumerate() {
                expand(self.blocks, self.offset + (start + first / self.length + i) * self.step, row);
            }
        });
    }

    /// The product with a strip of so many rows.
    fn prepared(&self, rows: usize) -> Prepared {
        let mut axes = self.axes.clone();
        let own = |axis: &mut Axis, step: usize| *(if self.is_b { &mut axis.b } else { &mut axis.a }) = step as isize;
        let free = if self.is_b { &mut axes.columns } else { &mut axes.rows };
        let (across, along) = if self.summed { (&mut axes.contracted, free) } else { (free, &mut axes.contracted) };
        across.iter_mut().for_each(|axis| {
            axis.size = rows;
            own(axis, self.length);
        });
        along.iter_mut().for_each(|axis| own(axis, 1));
        Prepared::new(&axes).expect("a part of a product that was prepared")
    }

    /// How far a row of the operand leads in the other one, where rows are summed over, and in the result, where they are not.
    fn steps(&self) -> (isize, usize) {
        let free = if self.is_b { &self.axes.columns } else { &self.axes.rows };
        let in_other = self.axes.contracted.first().map_or(0, |axis| if self.is_b { axis.a } else { axis.b });
        (in_other, free.first().map_or(0, |axis| axis.c.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests;
