//! Tensors from numbers, rows, ranges and random generators.

use monotile_kernels::buffer::Block;

use super::{DType, Elem, Tensor};
use crate::error::{Error, Result};

impl Tensor {
    /// A tensor of `data` in row-major order.
    ///
    /// # Errors
    /// If `shape` does not hold exactly as many elements.
    ///
    /// # Example
    /// ```
    /// # use monotile::Tensor;
    /// let a = Tensor::from_vec(vec![1_i64, 2, 3, 4, 5, 6], &[2, 3])?;
    /// assert_eq!(a.shape(), [2, 3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn from_vec<T: Elem>(data: Vec<T>, shape: &[usize]) -> Result<Tensor> {
        Self::from_slice(&data, shape)
    }

    /// A tensor with a copy of `data` in row-major order.
    ///
    /// # Errors
    /// If `shape` does not hold exactly as many elements.
    pub fn from_slice<T: Elem>(data: &[T], shape: &[usize]) -> Result<Tensor> {
        let len = element_count("from_slice", shape)?;
        if len != data.len() {
            return Err(Error::shape(format!("from_slice: {} elements do not fill shape {shape:?} of {len}", data.len())));
        }
        let mut block = Block::<T::Stored>::new(len);
        block.iter_mut().zip(data).for_each(|(to, &from)| *to = from.store());
        Ok(Tensor::from_block(block, shape))
    }

    /// A matrix of rows of equal length.
    ///
    /// # Errors
    /// If the rows differ in length.
    pub fn from_rows<T: Elem, R: AsRef<[T]>>(rows: &[R]) -> Result<Tensor> {
        let columns = rows.first().map_or(0, |r| r.as_ref().len());
        if let Some(i) = rows.iter().position(|r| r.as_ref().len() != columns) {
            let got = rows[i].as_ref().len();
            return Err(Error::shape(format!("from_rows: row 0 has {columns} elements and row {i} has {got}")));
        }
        let data: Vec<T> = rows.iter().flat_map(|r| r.as_ref()).copied().collect();
        Self::from_vec(data, &[rows.len(), columns])
    }

    /// A scalar.
    pub fn scalar<T: Elem>(value: T) -> Tensor {
        Tensor::from_block(Block::filled(1, value.store()), &[])
    }

    /// A scalar of a dtype known at run time: `value`, cast.
    pub fn scalar_as(value: f64, dtype: DType) -> Tensor {
        match dtype {
            DType::F32 => Self::scalar(value as f32),
            DType::F64 => Self::scalar(value),
            DType::BF16 => Self::scalar(half::bf16::from_f64(value)),
            DType::F16 => Self::scalar(half::f16::from_f64(value)),
            DType::I64 => Self::scalar(value as i64),
            DType::Bool => Self::scalar(value != 0.0),
        }
    }

    /// A tensor whose elements are all `value`: one element in memory, repeated by strides of 0.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    pub fn full<T: Elem>(shape: &[usize], value: T) -> Result<Tensor> {
        Self::scalar(value).repeated("full", shape)
    }

    /// All elements `value`, cast to `dtype`.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    pub fn filled(shape: &[usize], value: f64, dtype: DType) -> Result<Tensor> {
        Self::scalar_as(value, dtype).repeated("filled", shape)
    }

    /// All elements 0.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    pub fn zeros(shape: &[usize], dtype: DType) -> Result<Tensor> {
        Self::scalar_as(0.0, dtype).repeated("zeros", shape)
    }

    /// All elements 1.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    pub fn ones(shape: &[usize], dtype: DType) -> Result<Tensor> {
        Self::scalar_as(1.0, dtype).repeated("ones", shape)
    }

    /// Zeros of this tensor's shape and the type that arithmetic on it uses.
    pub fn zeros_like(&self) -> Tensor {
        self.all(0.0)
    }

    /// Ones of this tensor's shape and the type that arithmetic on it uses.
    pub fn ones_like(&self) -> Tensor {
        self.all(1.0)
    }

    /// This tensor's shape with one number at every index.
    fn all(&self, value: f64) -> Tensor {
        Self::scalar_as(value, self.dtype().compute())
            .repeated("full", self.shape())
            .expect("the shape of a tensor fits every dtype")
    }

    /// This scalar at every index of a shape.
    fn repeated(&self, op: &str, shape: &[usize]) -> Result<Tensor> {
        element_count(op, shape)?;
        let layout = self.layout().broadcast(shape).expect("a scalar broadcasts to every shape");
        Ok(self.with_layout(layout))
    }

    /// 0, 1, …, n - 1 as i64.
    ///
    /// # Errors
    /// If there is no memory for so many.
    pub fn arange(n: usize) -> Result<Tensor> {
        let len = element_count("arange", &[n])?;
        let mut block = Block::<i64>::new(len);
        block.iter_mut().enumerate().for_each(|(i, x)| *x = i as i64);
        Ok(Tensor::from_block(block, &[n]))
    }

    /// `n` numbers evenly spaced from `first` to `last`, both included.
    pub fn linspace(first: f64, last: f64, n: usize, dtype: DType) -> Result<Tensor> {
        let step = if n > 1 { (last - first) / (n - 1) as f64 } else { 0.0 };
        let values = (0..n).map(|i| if i + 1 == n && n > 1 { last } else { first + step * i as f64 }).collect();
        Self::from_vec::<f64>(values, &[n])?.to_dtype(dtype)
    }

    /// The n × n identity matrix.
    pub fn eye(n: usize, dtype: DType) -> Result<Tensor> {
        let mut block = Block::<f64>::filled(n * n, 0.0);
        (0..n).for_each(|i| block[i * n + i] = 1.0);
        Tensor::from_block(block, &[n, n]).to_dtype(dtype)
    }
}

/// The number of elements of a shape, refused where it leaves the address space.
pub(crate) fn element_count(op: &str, shape: &[usize]) -> Result<usize> {
    let bytes = shape.iter().try_fold(8_usize, |n, &size| n.checked_mul(size)).filter(|&n| n <= isize::MAX as usize);
    bytes.map(|n| n / 8).ok_or_else(|| Error::shape(format!("{op}: shape {shape:?} has more elements than memory has bytes")))
}
