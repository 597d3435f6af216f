//! Rows by indices, joining, and writing through a view. Indices are looked at on the host, where those that came from there have a copy.

use monotile_gpu::{GpuScatter, GpuSegments, embed, gather_along, gather_rows, gather_rows_backward, join, scatter_along};
use monotile_kernels::shape::{Shape, count};

use super::super::gather::ScatterKind;
use super::GpuDoor;
use crate::error::Result;
use crate::tensor::layout::Layout;
use crate::tensor::storage::Storage;
use crate::tensor::{DType, Dims, Tensor};

/// Operands that are joined at once.
const JOINED: usize = 6;

impl GpuDoor {
    /// Slices of a contiguous tensor along an axis, in its own type.
    #[track_caller]
    pub fn select(&self, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor> {
        // Rows are gathered as f32, which holds all of these but integers.
        if x.dtype().is_integer() {
            let all: Dims = (0..x.rank()).map(|d| if d == axis { indices.len() } else { x.shape()[d] }).collect();
            return self.gather(x, axis, &self.repeated_index(axis, indices, &all)?);
        }
        let (table, others) = self.table(x, axis)?;
        let found = self.rows(&table, &indices.reshape(&[indices.len()])?)?;
        let sizes: Dims = [indices.len()].into_iter().chain(others).collect();
        let found = found.reshape(&sizes)?.permute(&back(x.rank(), axis))?;
        self.kept(found, x.dtype())
    }

    /// Numbers of f32 in another type, which holds them.
    #[track_caller]
    fn kept(&self, x: Tensor, dtype: DType) -> Result<Tensor> {
        if dtype == DType::F32 { Ok(x) } else { self.cast(&x, dtype) }
    }

    /// A tensor as rows of what its indices along an axis select, and the sizes of the other dimensions.
    #[track_caller]
    fn table(&self, x: &Tensor, axis: usize) -> Result<(Tensor, Dims)> {
        let order: Vec<isize> = [axis].into_iter().chain((0..x.rank()).filter(|&d| d != axis)).map(|d| d as isize).collect();
        let others: Dims = (0..x.rank()).filter(|&d| d != axis).map(|d| x.shape()[d]).collect();
        let table = x.detach().permute(&order)?.contiguous_detached(&self.op)?.reshape(&[x.shape()[axis], count(&others)])?;
        Ok((table, others))
    }

    /// Rows of a table, as f32.
    #[track_caller]
    pub fn rows(&self, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
        if ids.dtype() != DType::I32 {
            return Err(self.refused());
        }
        let block = self.done(gather_rows(self.stream(), &self.operand(table)?, &self.operand(ids)?))?;
        let shape: Dims = ids.shape().iter().copied().chain([table.dim(1)]).collect();
        self.tensor(block, &shape)
    }

    #[track_caller]
    pub fn select_add(&self, g: &Tensor, axis: usize, indices: &Tensor, size: usize) -> Result<Tensor> {
        let Storage::Gpu(memory) = indices.storage() else { return Err(self.refused()) };
        let integers = memory.integers(&self.op, indices.layout())?;
        let segments = self.done(GpuSegments::new(self.stream(), &integers, size))?;
        let (rows, others) = self.table(g, axis)?;
        let block = self.done(gather_rows_backward(self.stream(), &self.operand(&rows)?, &segments))?;
        let sizes: Dims = [size].into_iter().chain(others).collect();
        self.tensor(block, &sizes)?.permute(&back(g.rank(), axis))?.contiguous_detached(&self.op)
    }

    #[track_caller]
    pub fn gather(&self, x: &Tensor, axis: usize, index: &Tensor) -> Result<Tensor> {
        let block = self.done(gather_along(self.stream(), &self.operand(x)?, &self.operand(index)?, axis))?;
        if x.dtype().is_integer() {
            return Ok(self.gpu.tensor(block, DType::I32, self.shape(index.shape())?));
        }
        self.kept(self.tensor(block, index.shape())?, x.dtype())
    }

    /// x with what `source` brings to where the indices say, in the type of x.
    #[track_caller]
    pub fn scatter(&self, how: GpuScatter, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let integers = [x, source].map(|x| x.dtype().is_integer());
        // Sums of i32 may leave it, which nobody would notice.
        if integers[0] != integers[1] || (integers[0] && matches!(how, GpuScatter::Add | GpuScatter::Multiply)) {
            return Err(self.refused());
        }
        let (seen, places, brought) = (self.operand(x)?, self.operand(index)?, self.operand(source)?);
        let block = self.done(scatter_along(self.stream(), how, &seen, &places, &brought, axis))?;
        if integers[0] {
            return Ok(self.gpu.tensor(block, DType::I32, self.shape(x.shape())?));
        }
        self.kept(self.tensor(block, x.shape())?, x.dtype())
    }

    #[track_caller]
    pub fn scatter_reduce(&self, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor, kind: ScatterKind) -> Result<Tensor> {
        let action = match kind {
            ScatterKind::Sum => GpuScatter::Add,
            ScatterKind::Max => GpuScatter::Max,
            ScatterKind::Min => GpuScatter::Min,
            ScatterKind::Prod => GpuScatter::Multiply,
        };
        self.scatter(action, x, axis, index, source)
    }

    /// [`scatter`](Self::scatter) of whole slices: the indices are repeated along the other dimensions.
    #[track_caller]
    pub fn select_put(&self, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        let all: Dims = (0..x.rank()).map(|d| if d == axis { indices.len() } else { x.shape()[d] }).collect();
        let index = self.repeated_index(axis, indices, &all)?;
        self.scatter(GpuScatter::Put, x, axis, &index, &source.reshape(&all)?)
    }

    /// Indices along an axis, the same at all places of the other dimensions.
    #[track_caller]
    fn repeated_index(&self, axis: usize, indices: &Tensor, all: &[usize]) -> Result<Tensor> {
        let one: Dims = (0..all.len()).map(|d| if d == axis { indices.len() } else { 1 }).collect();
        indices.reshape(&one)?.expand(all)
    }

    #[track_caller]
    pub fn cat(&self, sources: &[Tensor], shape: &Shape, axis: usize) -> Result<Tensor> {
        let mut filled = Vec::with_capacity(sources.len());
        for x in sources.iter().filter(|x| !x.is_empty()) {
            // A number of the processor.
            filled.push(if x.device().is_cpu() { self.gpu.upload(x)? } else { x.clone() });
        }
        match filled.as_slice() {
            [] => Ok(sources[0].zeros_like().reshape(shape)?),
            [one] => one.reshape(shape)?.contiguous_detached(&self.op),
            all => self.join(all, axis, shape),
        }
    }

    /// Tensors of one type one after another along an axis.
    #[track_caller]
    pub(super) fn join(&self, sources: &[Tensor], axis: usize, shape: &Shape) -> Result<Tensor> {
        let mut parts = sources.to_vec();
        while parts.len() > 1 {
            let mut joined = Vec::new();
            for some in parts.chunks(JOINED) {
                let mut operands = Vec::with_capacity(some.len());
                for x in some {
                    operands.push(self.operand(x)?);
                }
                let sizes: Dims =
                    (0..shape.rank()).map(|d| if d == axis { some.iter().map(|x| x.shape()[d]).sum() } else { shape[d] }).collect();
                let block = self.done(join(self.stream(), &operands, axis))?;
                joined.push(self.gpu.tensor(block, sources[0].dtype(), self.shape(&sizes)?));
            }
            parts = joined;
        }
        Ok(parts.swap_remove(0))
    }

    /// Zeros of a shape but where `view` takes its view.
    #[track_caller]
    pub fn embed(&self, x: &Tensor, shape: &[usize], view: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        // Where such a view's elements lie; nobody reads them.
        let seen = view(&x.with_layout(Layout::contiguous(self.shape(shape)?)))?;
        let block = embed(self.stream(), &self.operand(x)?, count(shape), seen.strides(), seen.layout().offset);
        self.tensor(self.done(block)?, shape)
    }
}

/// The order that puts the first dimension back to `axis`.
fn back(rank: usize, axis: usize) -> Vec<isize> {
    (0..rank)
        .map(|d| {
            if d == axis {
                0
            } else if d < axis {
                d as isize + 1
            } else {
                d as isize
            }
        })
        .collect()
}

/// The first index that is not in 0 … size − 1.
pub(crate) fn outside(indices: &Tensor, size: usize) -> Option<i64> {
    let Storage::Gpu(memory) = indices.storage() else { return None };
    // Where they were computed on the device nobody waits for them: a row that is not there is NaN.
    memory.host.as_ref()?;
    let integers = memory.integers("indices", indices.layout()).ok()?;
    integers.into_iter().map(i64::from).find(|i| !(0..size as i64).contains(i))
}
