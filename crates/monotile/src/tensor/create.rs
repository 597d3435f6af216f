//! Tensors from numbers, rows, ranges and random generators.

use monotile_kernels::buffer::Block;
use monotile_kernels::shape::Shape;

use super::dtype::StorageElement;
use super::uninit::UninitTensor;
use super::{DType, Processor, Tensor, TensorElement};
use crate::check;
use crate::error::{Error, Result};

/// # Create
///
/// From numbers of Rust, or filled by a rule. [`Rng`](crate::Rng) draws random ones, and `From` takes scalars, vectors and arrays.
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
    #[doc(alias = "tensor")]
    #[doc(alias = "array")]
    #[track_caller]
    pub fn from_vec<T: TensorElement>(data: Vec<T>, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        Self::from_slice(&data, shape.as_ref())
    }

    /// A tensor with a copy of `data` in row-major order.
    ///
    /// # Errors
    /// If `shape` does not hold exactly as many elements.
    #[doc(alias = "from_numpy")]
    #[doc(alias = "asarray")]
    #[track_caller]
    pub fn from_slice<T: TensorElement>(data: &[T], shape: impl AsRef<[usize]>) -> Result<Tensor> {
        let shape = check::shape("from_slice", shape.as_ref())?;
        let len = shape.elements();
        if len != data.len() {
            return Err(Error::shape(format!("from_slice: {} elements do not fill shape {shape:?} of {len}", data.len())));
        }
        let mut out = UninitTensor::<T::Stored>::with_shape("from_slice", shape)?;
        out.iter_mut().zip(data).for_each(|(to, &from)| *to = from.store());
        Ok(out.tensor())
    }

    /// A tensor of the elements of a kernel's block, which is not copied.
    ///
    /// # Errors
    /// If `shape` does not hold exactly as many elements.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// use monotile_kernels::buffer::Block;
    /// let ones = Tensor::from_block(Block::filled(6, 1.0_f32)?, &[2, 3])?;
    /// assert_eq!(ones.to_vec::<f32>()?, [1.0; 6]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn from_block<T: TensorElement<Stored = T> + StorageElement>(
        block: Block<T>,
        shape: impl AsRef<[usize]>,
    ) -> Result<Tensor> {
        let shape = check::shape("from_block", shape.as_ref())?;
        let len = shape.elements();
        if len != block.len() {
            return Err(Error::shape(format!("from_block: {} elements do not fill shape {shape:?} of {len}", block.len())));
        }
        Ok(Tensor::from_buffer(block.into(), shape))
    }

    /// A matrix of rows of equal length.
    ///
    /// # Errors
    /// If the rows differ in length.
    #[doc(alias = "array")]
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

    /// A scalar, that is, a tensor of no dimensions.
    ///
    /// Beside a tensor that has dimensions it takes that one's precision, as in PyTorch: an f32 tensor times `scalar(2.0_f64)` is f32.
    /// [`DType`] has the whole rule.
    #[doc(alias = "tensor")]
    pub fn scalar<T: TensorElement>(value: T) -> Tensor {
        let mut one = Block::small(1);
        one[0] = value.store();
        Tensor::from_buffer(one.into(), Shape::default())
    }

    /// A scalar of a dtype known at run time: `value`, cast. One number fills no block: of a quantized type it is an f32.
    pub fn scalar_as(value: f64, dtype: DType) -> Tensor {
        match dtype {
            DType::F32 => Self::scalar(value as f32),
            DType::F64 => Self::scalar(value),
            DType::BF16 => Self::scalar(half::bf16::from_f64(value)),
            DType::F16 => Self::scalar(half::f16::from_f64(value)),
            DType::I64 => Self::scalar(value as i64),
            DType::I32 => Self::scalar(value as i32),
            DType::U8 => Self::scalar(value as u8),
            DType::Bool => Self::scalar(value != 0.0),
            DType::Quantized(_) => Self::scalar(value as f32),
        }
    }

    /// A tensor whose elements are all `value`: one element in memory, repeated by strides of 0.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    #[doc(alias = "fill")]
    #[track_caller]
    pub fn full<T: TensorElement>(shape: impl AsRef<[usize]>, value: T) -> Result<Tensor> {
        Self::scalar(value).repeated("full", shape.as_ref())
    }

    /// All elements `value`, cast to `dtype`.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements, `dtype` is of integers and `value` none of them, or `dtype` is quantized.
    #[doc(alias = "full")]
    #[track_caller]
    pub fn filled(shape: impl AsRef<[usize]>, value: f64, dtype: DType) -> Result<Tensor> {
        Self::filled_by("filled", shape.as_ref(), value, dtype)
    }

    /// [`filled`](Tensor::filled), as a part of another operation.
    #[track_caller]
    pub(crate) fn filled_by(op: &str, shape: &[usize], value: f64, dtype: DType) -> Result<Tensor> {
        if let Some(format) = dtype.block_format() {
            let name = format.name();
            return Err(Error::dtype(format!("{op}: one number fills no block of {name}; make a tensor of f32 and quantize it")));
        }
        check_held(op, value, dtype)?;
        Self::scalar_as(value, dtype).repeated(op, shape)
    }

    /// All elements 0.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    ///
    /// # Example
    /// A shape is an array, a slice or a vector, by value or by reference:
    /// ```
    /// # use monotile::{DType, Tensor};
    /// let x = Tensor::zeros([3, 4], DType::F32)?;
    /// assert_eq!(Tensor::zeros(x.shape(), DType::F32)?.shape(), vec![3, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "empty")]
    #[track_caller]
    pub fn zeros(shape: impl AsRef<[usize]>, dtype: DType) -> Result<Tensor> {
        Self::filled_by("zeros", shape.as_ref(), 0.0, dtype)
    }

    /// All elements 1.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    #[track_caller]
    pub fn ones(shape: impl AsRef<[usize]>, dtype: DType) -> Result<Tensor> {
        Self::filled_by("ones", shape.as_ref(), 1.0, dtype)
    }

    /// Zeros of this tensor's shape and element type.
    #[doc(alias = "empty_like")]
    pub fn zeros_like(&self) -> Tensor {
        self.full_like(0.0)
    }

    /// Ones of this tensor's shape and element type.
    pub fn ones_like(&self) -> Tensor {
        self.full_like(1.0)
    }

    /// This tensor's shape and element type with one number at every index; of a quantized type f32.
    ///
    /// # Panics
    /// If the type is of integers, and the number none of them; [`filled`](Tensor::filled) returns an error.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let x = Tensor::zeros(&[2], DType::BF16)?.full_like(3.0);
    /// assert_eq!((x.dtype(), x.to_f64_vec()?), (DType::BF16, vec![3.0, 3.0]));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn full_like(&self, value: f64) -> Tensor {
        if let Err(error) = check_held("full_like", value, self.dtype()) {
            panic!("{error}");
        }
        self.number_beside(value, self.dtype()).at_all(&self.layout().shape)
    }

    /// Zeros of another shape and type on the device of this tensor.
    #[track_caller]
    pub(crate) fn zeros_beside(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        Ok(self.number_beside(0.0, dtype).at_all(&check::shape("zeros", shape)?))
    }

    /// A number on the device of this tensor.
    fn number_beside(&self, value: f64, dtype: DType) -> Tensor {
        let number = Self::scalar_as(value, dtype);
        match self.processor() {
            Processor::Cpu => number,
            // Where it cannot be had there, it stays here: a number stands beside tensors of every device.
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) => gpu.upload(&number).unwrap_or(number),
        }
    }

    /// A gradient of this tensor that is one number everywhere: of the type that arithmetic on it uses.
    pub(crate) fn constant_gradient(&self, value: f64) -> Tensor {
        self.number_beside(value, self.dtype().compute()).at_all(&self.layout().shape)
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
        let [low, high] = bounds(dtype);
        // Positive comparison, so that a NaN is refused.
        if dtype.is_integer()
            && let Some(wrong) = out.iter().find(|x| !(low <= **x && **x <= high))
        {
            return Err(Error::value(format!("{op}: {dtype} holds integers from {low} to {high}, not {wrong:?}")));
        }
        out.tensor().to_dtype(dtype)
    }

    /// Integers made one after another in row-major order.
    #[track_caller]
    pub(crate) fn from_fn_i64(op: &str, shape: &[usize], mut f: impl FnMut(usize) -> i64) -> Result<Tensor> {
        let mut out = UninitTensor::<i64>::new(op, shape)?;
        out.iter_mut().enumerate().for_each(|(i, x)| *x = f(i));
        Ok(out.tensor())
    }

    /// 0, 1, …, n - 1 as i64.
    ///
    /// # Errors
    /// If there is no memory for so many.
    #[doc(alias = "range")]
    #[track_caller]
    pub fn arange(n: usize) -> Result<Tensor> {
        Self::from_fn_i64("arange", &[n], |i| i as i64)
    }

    /// The numbers start, start + step, … before `stop`, counted in f64: ⌈(stop - start) / step⌉ of them.
    ///
    /// # Errors
    /// If the step is 0 or leads away from `stop`, or a number is not finite; for integers also if one of the three is no integer or
    /// beyond 2⁵³, or a number is none of the type. If there is no memory for so many.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// assert_eq!(Tensor::arange_step(5.0, 0.0, -2.0, DType::I64)?.to_vec::<i64>()?, [5, 3, 1]);
    /// assert_eq!(Tensor::arange_step(0.0, 1.0, 0.25, DType::F32)?.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arange")]
    #[doc(alias = "range")]
    #[track_caller]
    pub fn arange_step(start: f64, stop: f64, step: f64, dtype: DType) -> Result<Tensor> {
        let three = [start, stop, step];
        let count = ((stop - start) / step).ceil();
        // Positive comparison, so that a NaN is refused.
        if !(three.iter().all(|x| x.is_finite()) && step != 0.0 && count >= 0.0) {
            let words = format!("arange_step: a step of {step} does not lead from {start} to {stop}");
            return Err(Error::value(words));
        }
        let exact = |x: &f64| x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0;
        if dtype.is_integer() && !three.iter().all(exact) {
            let words = format!("arange_step: {dtype} needs integers of at most 2^53, got {start}, {stop} and {step}");
            return Err(Error::value(words));
        }
        let (last, [low, high]) = (start + step * (count - 1.0), bounds(dtype));
        if count > 0.0 && (start.min(last) < low || start.max(last) > high) {
            let words = format!("arange_step: {dtype} holds integers from {low} to {high}, and these go from {start} to {last}");
            return Err(Error::value(words));
        }
        Self::from_fn("arange_step", &[count as usize], dtype, |i| start + step * i as f64)
    }

    /// `n` numbers evenly spaced from `first` to `last`, both included; as integers without their fractions.
    ///
    /// # Errors
    /// If there is no memory for so many, or a number is beyond what a type of integers holds.
    #[track_caller]
    pub fn linspace(first: f64, last: f64, n: usize, dtype: DType) -> Result<Tensor> {
        Self::from_fn("linspace", &[n], dtype, |i| spaced(first, last, n, i))
    }

    /// `n` powers of `base`, whose exponents are evenly spaced from `first` to `last`, both included; as integers without their fractions.
    ///
    /// # Errors
    /// If there is no memory for so many, or a number is beyond what a type of integers holds.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// assert_eq!(Tensor::logspace(0.0, 3.0, 4, 10.0, DType::F64)?.to_vec::<f64>()?, [1.0, 10.0, 100.0, 1000.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn logspace(first: f64, last: f64, n: usize, base: f64, dtype: DType) -> Result<Tensor> {
        Self::from_fn("logspace", &[n], dtype, |i| base.powf(spaced(first, last, n, i)))
    }

    /// `n` numbers from `first` to `last`, both included, each a fixed multiple of the one before.
    ///
    /// # Errors
    /// If one is 0 or not finite, or their signs differ; if there is no memory for so many.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// assert_eq!(Tensor::geomspace(1.0, 8.0, 4, DType::F64)?.to_vec::<f64>()?, [1.0, 2.0, 4.0, 8.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn geomspace(first: f64, last: f64, n: usize, dtype: DType) -> Result<Tensor> {
        if !(first / last > 0.0 && first.is_finite() && last.is_finite()) {
            let words = format!("geomspace: the ends must be finite, not 0 and of one sign, got {first} and {last}");
            return Err(Error::value(words));
        }
        // Powers of 2 are exact, and so are the ends.
        let (low, high) = (first.abs().log2(), last.abs().log2());
        let value = |i: usize| match i {
            0 => first,
            i if i + 1 == n => last,
            i => first.signum() * spaced(low, high, n, i).exp2(),
        };
        Self::from_fn("geomspace", &[n], dtype, value)
    }

    /// The n × n identity matrix.
    ///
    /// # Errors
    /// If there is no memory for it.
    #[doc(alias = "identity")]
    #[track_caller]
    pub fn eye(n: usize, dtype: DType) -> Result<Tensor> {
        let mut out = UninitTensor::filled("eye", &[n, n], 0.0_f64)?;
        out.iter_mut().step_by(n.saturating_add(1)).for_each(|x| *x = 1.0);
        out.tensor().to_dtype(dtype)
    }
}

/// Refuses a number that a type of integers does not hold. Every number is a boolean.
#[track_caller]
fn check_held(op: &str, value: f64, dtype: DType) -> Result<()> {
    let [low, high] = bounds(dtype);
    if dtype.is_integer() && !(value.fract() == 0.0 && low <= value && value <= high) {
        return Err(Error::value(format!("{op}: {dtype} holds integers from {low} to {high}, not {value:?}")));
    }
    Ok(())
}

/// The least and the largest f64 that an integer type holds; of others no bounds.
fn bounds(dtype: DType) -> [f64; 2] {
    match dtype {
        DType::I32 => [i32::MIN.into(), i32::MAX.into()],
        DType::U8 => [0.0, u8::MAX.into()],
        DType::I64 => [i64::MIN as f64, (i64::MAX as f64).next_down()],
        DType::F32 | DType::F64 | DType::BF16 | DType::F16 | DType::Bool | DType::Quantized(_) => {
            [f64::NEG_INFINITY, f64::INFINITY]
        }
    }
}

/// The `i`-th of `n` numbers evenly spaced from `first` to `last`.
fn spaced(first: f64, last: f64, n: usize, i: usize) -> f64 {
    let step = if n > 1 { (last - first) / (n - 1) as f64 } else { 0.0 };
    if i + 1 == n && n > 1 { last } else { first + step * i as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_of_the_type_are_refused() {
        let words = |x: Result<Tensor>| x.err().unwrap().to_string();
        assert_eq!(words(Tensor::filled([2], 300.0, DType::U8)), "filled: u8 holds integers from 0 to 255, not 300.0");
        for (value, dtype) in
            [(0.5, DType::I32), (f64::NAN, DType::I64), (-1.0, DType::U8), (9.3e18, DType::I64), (f64::INFINITY, DType::I64)]
        {
            assert!(words(Tensor::filled([2], value, dtype)).starts_with("filled: "), "{value}");
        }
        assert_eq!(Tensor::filled([1], i64::MIN as f64, DType::I64).unwrap().to_vec::<i64>().unwrap(), [i64::MIN]);
        assert_eq!(Tensor::filled([1], 2.0, DType::Bool).unwrap().to_vec::<bool>().unwrap(), [true]);
        assert_eq!(words(Tensor::linspace(0.0, 300.0, 4, DType::U8)), "linspace: u8 holds integers from 0 to 255, not 300.0");
        assert!(words(Tensor::logspace(0.0, 30.0, 4, 10.0, DType::I64)).starts_with("logspace: i64 holds integers from "));
        assert_eq!(Tensor::linspace(0.0, 1.0, 3, DType::U8).unwrap().to_vec::<u8>().unwrap()[2], 1);
        let bytes = Tensor::from(vec![1_u8]);
        assert_eq!(words(bytes.pad(0, 1, 0, 256.0)), "pad: u8 holds integers from 0 to 255, not 256.0");
        assert_eq!(bytes.pad(0, 1, 0, 255.0).unwrap().to_vec::<u8>().unwrap(), [255, 1]);
    }

    #[test]
    #[should_panic(expected = "full_like: u8 holds integers from 0 to 255, not 0.5")]
    fn a_number_is_not_cut_to_the_type_of_another_tensor() {
        let _ = Tensor::from(vec![1_u8]).full_like(0.5);
    }

    #[test]
    fn likes_keep_the_element_type() {
        for dtype in DType::ALL {
            let x = Tensor::zeros(&[2, 3], dtype).unwrap();
            for y in [x.zeros_like(), x.ones_like(), x.full_like(1.0)] {
                assert_eq!((y.dtype(), y.shape()), (dtype, &[2, 3][..]));
            }
            assert_eq!(x.ones_like().to_f64_vec().unwrap(), [1.0; 6]);
        }
    }

    #[test]
    fn ranges_have_numpys_numbers() {
        let f64s = |x: Result<Tensor>| x.unwrap().to_vec::<f64>().unwrap();
        // np.arange(1, 2, .3), np.arange(3, 3, 1), np.geomspace(-1000, -1, 4), np.geomspace(5, 7, 1), np.logspace(0, 1, 3, base=4)
        assert_eq!(f64s(Tensor::arange_step(1.0, 2.0, 0.3, DType::F64)), [1.0, 1.3, 1.6, 1.0 + 3.0 * 0.3]);
        assert_eq!(f64s(Tensor::arange_step(3.0, 3.0, 1.0, DType::F64)), [0.0; 0]);
        let g = f64s(Tensor::geomspace(-1000.0, -1.0, 4, DType::F64));
        assert!(g.iter().zip([-1000.0, -100.0, -10.0, -1.0]).all(|(x, y)| (x / y - 1.0).abs() < 1e-14), "{g:?}");
        assert_eq!(f64s(Tensor::geomspace(5.0, 7.0, 1, DType::F64)), [5.0]);
        assert_eq!(f64s(Tensor::logspace(0.0, 1.0, 3, 4.0, DType::F64)), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn ranges_that_end_nowhere_are_refused() {
        let words = |x: Result<Tensor>| x.unwrap_err().to_string();
        assert_eq!(words(Tensor::arange_step(0.0, 1.0, 0.0, DType::F32)), "arange_step: a step of 0 does not lead from 0 to 1");
        assert_eq!(words(Tensor::arange_step(0.0, 1.0, -1.0, DType::F32)), "arange_step: a step of -1 does not lead from 0 to 1");
        assert_eq!(
            words(Tensor::arange_step(0.0, 1.0, 0.5, DType::I64)),
            "arange_step: i64 needs integers of at most 2^53, got 0, 1 and 0.5"
        );
        assert_eq!(
            words(Tensor::arange_step(300.0, -1.0, -100.0, DType::U8)),
            "arange_step: u8 holds integers from 0 to 255, and these go from 300 to 0"
        );
        assert_eq!(Tensor::arange_step(255.0, -1.0, -85.0, DType::U8).unwrap().to_vec::<u8>().unwrap(), [255, 170, 85, 0]);
        assert!(Tensor::arange_step(-2_147_483_648.0, 2_147_483_648.0, 4_294_967_295.0, DType::I32).is_ok());
        assert!(Tensor::arange_step(256.0, 256.0, 1.0, DType::U8).is_ok_and(|none| none.is_empty()));
        assert!(Tensor::arange_step(0.0, 1e300, 1.0, DType::F32).is_err());
        assert_eq!(
            words(Tensor::geomspace(-1.0, 1.0, 3, DType::F32)),
            "geomspace: the ends must be finite, not 0 and of one sign, got -1 and 1"
        );
    }
}
