//! Tensors from numbers, rows, ranges and random generators.

use monotile_kernels::buffer::Block;
use monotile_kernels::shape::Shape;

use super::uninit::UninitTensor;
use super::{DType, Tensor, TensorElement};
use crate::check;
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
    #[track_caller]
    pub fn from_vec<T: TensorElement>(data: Vec<T>, shape: &[usize]) -> Result<Tensor> {
        Self::from_slice(&data, shape)
    }

    /// A tensor with a copy of `data` in row-major order.
    ///
    /// # Errors
    /// If `shape` does not hold exactly as many elements.
    #[track_caller]
    pub fn from_slice<T: TensorElement>(data: &[T], shape: &[usize]) -> Result<Tensor> {
        let shape = check::shape("from_slice", shape)?;
        let len = shape.elements();
        if len != data.len() {
            return Err(Error::shape(format!("from_slice: {} elements do not fill shape {shape:?} of {len}", data.len())));
        }
        let mut out = UninitTensor::<T::Stored>::with_shape("from_slice", shape)?;
        out.iter_mut().zip(data).for_each(|(to, &from)| *to = from.store());
        Ok(out.tensor())
    }

    /// A matrix of rows of equal length.
    ///
    /// # Errors
    /// If the rows differ in length.
    #[track_caller]
    pub fn from_rows<T: TensorElement, R: AsRef<[T]>>(rows: &[R]) -> Result<Tensor> {
        let columns = rows.first().map_or(0, |r| r.as_ref().len());
        if let Some(i) = rows.iter().position(|r| r.as_ref().len() != columns) {
            let got = rows[i].as_ref().len();
            return Err(Error::shape(format!("from_rows: row 0 has {columns} elements and row {i} has {got}")));
        }
        let data: Vec<T> = rows.iter().flat_map(|r| r.as_ref()).copied().collect();
        Self::from_vec(data, &[rows.len(), columns])
    }

    /// A scalar.
    pub fn scalar<T: TensorElement>(value: T) -> Tensor {
        let mut one = Block::small(1);
        one[0] = value.store();
        Tensor::from_buffer(one.into(), Shape::default())
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
    #[track_caller]
    pub fn full<T: TensorElement>(shape: &[usize], value: T) -> Result<Tensor> {
        Self::scalar(value).repeated("full", shape)
    }

    /// All elements `value`, cast to `dtype`.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    #[track_caller]
    pub fn filled(shape: &[usize], value: f64, dtype: DType) -> Result<Tensor> {
        Self::scalar_as(value, dtype).repeated("filled", shape)
    }

    /// All elements 0.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    #[track_caller]
    pub fn zeros(shape: &[usize], dtype: DType) -> Result<Tensor> {
        Self::scalar_as(0.0, dtype).repeated("zeros", shape)
    }

    /// All elements 1.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    #[track_caller]
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
        Self::scalar_as(value, self.dtype().compute()).at_all(&self.layout().shape)
    }

    /// This scalar at every index of a shape.
    #[track_caller]
    fn repeated(&self, op: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.at_all(&check::shape(op, shape)?))
    }

    /// This scalar at every index of a shape.
    pub(crate) fn at_all(&self, shape: &Shape) -> Tensor {
        self.with_layout(self.layout().broadcast(shape).expect("a scalar broadcasts to every shape"))
    }

    /// Numbers made one after another in row-major order; those of f64 and f32 are written where they stay.
    #[track_caller]
    pub(crate) fn from_fn(op: &str, shape: &[usize], dtype: DType, mut f: impl FnMut(usize) -> f64) -> Result<Tensor> {
        if dtype == DType::F32 {
            let mut out = UninitTensor::<f32>::new(op, shape)?;
            out.iter_mut().enumerate().for_each(|(i, x)| *x = f(i) as f32);
            return Ok(out.tensor());
        }
        let mut out = UninitTensor::<f64>::new(op, shape)?;
        out.iter_mut().enumerate().for_each(|(i, x)| *x = f(i));
        out.tensor().to_dtype(dtype)
    }

    /// 0, 1, …, n - 1 as i64.
    ///
    /// # Errors
    /// If there is no memory for so many.
    #[track_caller]
    pub fn arange(n: usize) -> Result<Tensor> {
        let mut out = UninitTensor::<i64>::new("arange", &[n])?;
        out.iter_mut().enumerate().for_each(|(i, x)| *x = i as i64);
        Ok(out.tensor())
    }

    /// `n` numbers evenly spaced from `first` to `last`, both included.
    ///
    /// # Errors
    /// If there is no memory for so many.
    #[track_caller]
    pub fn linspace(first: f64, last: f64, n: usize, dtype: DType) -> Result<Tensor> {
        let step = if n > 1 { (last - first) / (n - 1) as f64 } else { 0.0 };
        let value = |i: usize| if i + 1 == n && n > 1 { last } else { first + step * i as f64 };
        Self::from_fn("linspace", &[n], dtype, value)
    }

    /// The n × n identity matrix.
    ///
    /// # Errors
    /// If there is no memory for it.
    #[track_caller]
    pub fn eye(n: usize, dtype: DType) -> Result<Tensor> {
        let mut out = UninitTensor::filled("eye", &[n, n], 0.0_f64)?;
        out.iter_mut().step_by(n.saturating_add(1)).for_each(|x| *x = 1.0);
        out.tensor().to_dtype(dtype)
    }
}
