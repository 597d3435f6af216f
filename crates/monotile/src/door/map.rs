//! One to six numbers to one, element by element.

use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};
use monotile_kernels::elementwise;
pub use monotile_kernels::elementwise::{Arguments, Arity};
use monotile_kernels::number::Formula;
use monotile_kernels::real::{BoolByte, Real};
use smallvec::SmallVec;

#[cfg(feature = "gpu")]
use super::{OperandPlace, place};
use super::{real, stored, widened};
use crate::error::Result;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Tensor};

/// A formula of operands of one shape and one type, f32 or f64.
#[track_caller]
pub fn formula<const N: usize, F: Formula<N>>(op: &str, x: [&Tensor; N], f: F) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real, const N: usize, F: Formula<N>>(op: &str, x: [&Tensor; N], f: F) -> Result<Tensor> {
        let mut y = UninitTensor::<T>::like(op, x[0])?;
        elementwise::formula(x.map(Tensor::elements_view), &mut y, f);
        Ok(y.tensor())
    }
    real!(op, x, run::<N, F>(op, x, f) => formula(x, f))
}

/// A formula of two operands that costs less than to gather what it reads: rows of all kinds are read where they are.
#[track_caller]
pub fn light<F: Formula<2>>(op: &str, x: &Tensor, y: &Tensor, f: F) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real, F: Formula<2>>(op: &str, x: &Tensor, y: &Tensor, f: F) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        elementwise::light_binary(
            x.elements_view::<T>(),
            y.elements_view::<T>(),
            &mut out,
            #[inline(always)]
            move |a, b| f.apply([a, b]),
        );
        Ok(out.tensor())
    }
    real!(op, [x, y], run::<F>(op, x, y, f) => formula([x, y], f))
}

/// a ← f(a, b), where nobody else holds a and both have one type; whether it was done.
pub fn update<F: Formula<2>>(a: &mut Tensor, b: &Tensor, f: F) -> bool {
    fn run<T: StorageElement + Real, F: Formula<2>>(a: &mut Tensor, b: &Tensor, f: F) -> bool {
        if b.dtype() != T::DTYPE {
            return false;
        }
        let Some(out) = a.unique_mut::<T>() else { return false };
        elementwise::update(
            out,
            b.elements_view::<T>(),
            #[inline(always)]
            move |a, b| f.apply([a, b]),
        );
        true
    }
    b.device().is_cpu() && (run::<f32, F>(a, b, f) || run::<f64, F>(a, b, f))
}

/// g ∂f/∂xᵢ
#[track_caller]
pub fn gradient<const N: usize, F: Formula<N>>(op: &str, x: [&Tensor; N], g: &Tensor, f: F, i: usize) -> Result<Tensor>
where
    Arguments: Arity<N>,
{
    #[track_caller]
    fn run<T: StorageElement + Real, const N: usize, F>(op: &str, x: [&Tensor; N], g: &Tensor, f: F, i: usize) -> Result<Tensor>
    where
        F: Formula<N>,
        Arguments: Arity<N>,
    {
        let mut out = UninitTensor::<T>::like(op, g)?;
        Arguments::gradient(x.map(Tensor::elements_view), g.elements_view::<T>(), &mut out, f, i);
        Ok(out.tensor())
    }
    real!(op, with(&x, g), run::<N, F>(op, x, g, f, i) => gradient(x, g, f, i))
}

/// The operands, and their cotangent.
fn with<'a, const N: usize>(x: &[&'a Tensor; N], g: &'a Tensor) -> SmallVec<[&'a Tensor; 7]> {
    x.iter().copied().chain([g]).collect()
}

/// All g ∂f/∂xᵢ in one pass, of contiguous tensors of one shape.
#[track_caller]
pub fn gradients<const N: usize, F: Formula<N>>(op: &str, x: [&Tensor; N], g: &Tensor, f: F) -> Result<Vec<Tensor>>
where
    Arguments: Arity<N>,
{
    #[track_caller]
    fn run<T: StorageElement + Real, const N: usize, F>(op: &str, x: [&Tensor; N], g: &Tensor, f: F) -> Result<Vec<Tensor>>
    where
        F: Formula<N>,
        Arguments: Arity<N>,
    {
        let mut out = (0..N).map(|_| UninitTensor::<T>::like(op, g)).collect::<Result<Vec<_>>>()?;
        let mut slices = out.iter_mut();
        let slices = std::array::from_fn(|_| &mut **slices.next().expect("a result for each operand"));
        Arguments::gradients(x.map(Tensor::elements), g.elements::<T>(), slices, f);
        Ok(out.into_iter().map(UninitTensor::tensor).collect())
    }
    real!(op, with(&x, g), run::<N, F>(op, x, g, f) => gradients(x, g, f))
}

/// A function of one f64 at a time: for what has no formula.
#[track_caller]
pub fn unary_f64(op: &str, x: &Tensor, f: impl Fn(f64) -> f64 + Sync + Copy) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real, F: Fn(f64) -> f64 + Sync + Copy>(op: &str, x: &Tensor, f: F) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        elementwise::unary(x.elements_view::<T>(), &mut out, move |x| T::from_f64(f(x.to_f64())));
        Ok(out.tensor())
    }
    real!(op, [x], run::<_>(op, x, f))
}

/// A function of two f64s at a time, likewise.
#[track_caller]
pub fn binary_f64(op: &str, a: &Tensor, b: &Tensor, f: fn(f64, f64) -> f64) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, a: &Tensor, b: &Tensor, f: fn(f64, f64) -> f64) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, a)?;
        let f = move |a: T, b: T| T::from_f64(f(a.to_f64(), b.to_f64()));
        elementwise::binary(a.elements_view::<T>(), b.elements_view::<T>(), &mut out, f);
        Ok(out.tensor())
    }
    real!(op, [a, b], run(op, a, b, f) => division(a, b))
}

/// A function of two integers.
#[track_caller]
pub fn integers(op: &str, a: &Tensor, b: &Tensor, f: fn(i64, i64) -> i64) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[a, b])? {
        return gpu.of_integers(a, b);
    }
    let mut out = UninitTensor::<i64>::like(op, a)?;
    elementwise::binary(a.elements_view::<i64>(), b.elements_view::<i64>(), &mut out, f);
    Ok(out.tensor())
}

/// A function of two integers that has no value for some; `None` where it met such a pair.
#[track_caller]
pub fn partial_integers(op: &str, a: &Tensor, b: &Tensor, f: fn(i64, i64) -> Option<i64>) -> Result<Option<Tensor>> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[a, b])? {
        return gpu.of_integers(a, b).map(Some);
    }
    let mut out = UninitTensor::<i64>::like(op, a)?;
    let met = AtomicBool::new(false);
    let defined = |a, b| {
        f(a, b).unwrap_or_else(|| {
            met.store(true, Ordering::Relaxed);
            0
        })
    };
    elementwise::binary(a.elements_view::<i64>(), b.elements_view::<i64>(), &mut out, defined);
    Ok((!met.into_inner()).then(|| out.tensor()))
}

/// How two numbers compare.
#[derive(Clone, Copy)]
pub enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Whether elements of two tensors of one shape and type compare so; integers are i64.
#[track_caller]
pub fn compare(op: &str, a: &Tensor, b: &Tensor, relation: Relation) -> Result<Tensor> {
    // Three loops a type: a > b is b < a, and = is ≠ negated. To negate an order would be wrong: < and ≥ are both false of NaN.
    #[track_caller]
    fn run<T: StorageElement>(op: &str, a: &Tensor, b: &Tensor, relation: Relation) -> Result<Tensor> {
        let mut out = UninitTensor::<BoolByte>::like(op, a)?;
        let (a, b) = (a.elements_view::<T>(), b.elements_view::<T>());
        let equal = matches!(relation, Relation::Eq);
        let (a, b) = if matches!(relation, Relation::Gt | Relation::Ge) { (b, a) } else { (a, b) };
        match relation {
            Relation::Eq | Relation::Ne => elementwise::binary(a, b, &mut out, move |a, b| ((a != b) ^ equal).into()),
            Relation::Lt | Relation::Gt => elementwise::binary(a, b, &mut out, |a, b| (a < b).into()),
            Relation::Le | Relation::Ge => elementwise::binary(a, b, &mut out, |a, b| (a <= b).into()),
        }
        Ok(out.tensor())
    }
    widened!(op, [a, b], run(op, a, b, relation) => compare(a, b, relation))
}

/// Whether each element is of a kind that its f64 tells.
#[track_caller]
pub fn classify(op: &str, x: &Tensor, kind: fn(f64) -> bool) -> Result<Tensor> {
    #[track_caller]
    fn run<T: Numeric>(op: &str, x: &Tensor, kind: fn(f64) -> bool) -> Result<Tensor> {
        let mut out = UninitTensor::<BoolByte>::like(op, x)?;
        elementwise::unary(x.elements_view::<T>(), &mut out, move |x| kind(x.to_f64()).into());
        Ok(out.tensor())
    }
    let x = &x.widened(op)?;
    widened!(op, [x], run(op, x, kind) => classify(x, kind))
}

/// A function of two truth values.
#[track_caller]
pub fn logic(op: &str, a: &Tensor, b: &Tensor, f: impl Fn(bool, bool) -> bool + Sync + Copy) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[a, b])? {
        return gpu.logic(a, b, f);
    }
    let mut out = UninitTensor::<BoolByte>::like(op, a)?;
    let f = move |a: BoolByte, b: BoolByte| f(a.get(), b.get()).into();
    elementwise::binary(a.elements_view::<BoolByte>(), b.elements_view::<BoolByte>(), &mut out, f);
    Ok(out.tensor())
}

/// a where the mask is true, b elsewhere: three tensors of one shape, two of one type.
#[track_caller]
pub fn where_(op: &str, mask: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, mask: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, mask)?;
        elementwise::select(mask.elements_view(), a.elements_view::<T>(), b.elements_view(), &mut out);
        Ok(out.tensor())
    }
    stored!(op, [a, b, mask], run(op, mask, a, b) => where_(mask, a, b))
}

/// The same numbers in another type. Narrow integers are cast from and to i64, f32 and f64 directly, and others through i64, which holds
/// them exactly, or cuts them where they are cut anyway: so rare loops are not compiled.
#[track_caller]
pub fn cast(op: &str, x: &Tensor, dtype: DType) -> Result<Tensor> {
    #[track_caller]
    fn widen<A: Numeric>(op: &str, x: &Tensor, dtype: DType) -> Result<Tensor> {
        match dtype {
            DType::F32 => to(op, x, A::to_f32),
            DType::F64 => to(op, x, A::to_f64),
            _ => to(op, x, A::to_i64),
        }
    }
    #[track_caller]
    fn narrow<A: Narrow>(op: &str, x: &Tensor, dtype: DType) -> Result<Tensor> {
        if dtype == DType::I32 { to(op, x, A::to_i32) } else { to(op, x, A::to_u8) }
    }
    #[track_caller]
    fn from<A: Numeric>(op: &str, x: &Tensor, dtype: DType) -> Result<Tensor> {
        match dtype {
            DType::F32 => to(op, x, A::to_f32),
            DType::F64 => to(op, x, A::to_f64),
            DType::BF16 => to(op, x, |x: A| bf16::from_f32(to_odd(x.to_f64()))),
            DType::F16 => to(op, x, |x: A| f16::from_f32(to_odd(x.to_f64()))),
            DType::I64 => to(op, x, A::to_i64),
            DType::Bool => to(op, x, |x: A| BoolByte::from(x.to_f64() != 0.0)),
            DType::I32 | DType::U8 | DType::Quantized(_) => unreachable!("cast through another type"),
        }
    }
    #[track_caller]
    fn to<A: StorageElement, R: StorageElement>(op: &str, x: &Tensor, f: impl Fn(A) -> R + Sync + Copy) -> Result<Tensor> {
        let mut out = UninitTensor::<R>::like(op, x)?;
        elementwise::unary(x.elements_view::<A>(), &mut out, f);
        Ok(out.tensor())
    }
    match (x.dtype(), dtype) {
        (DType::Quantized(_), DType::F32) => return super::blocks::dequantized(op, x),
        (DType::Quantized(_), _) => return cast(op, &super::blocks::dequantized(op, x)?, dtype),
        (DType::F32, DType::Quantized(format)) => return super::blocks::quantized(op, x, format),
        (_, DType::Quantized(_)) => return cast(op, &cast(op, x, DType::F32)?, dtype),
        _ => {}
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.cast(x, dtype);
    }
    let wide = |dtype| matches!(dtype, DType::F32 | DType::F64 | DType::I64);
    match (x.dtype(), dtype) {
        (DType::I32, dtype) if wide(dtype) => widen::<i32>(op, x, dtype),
        (DType::U8, dtype) if wide(dtype) => widen::<u8>(op, x, dtype),
        (DType::F32, DType::I32 | DType::U8) => narrow::<f32>(op, x, dtype),
        (DType::F64, DType::I32 | DType::U8) => narrow::<f64>(op, x, dtype),
        (DType::I64, DType::I32 | DType::U8) => narrow::<i64>(op, x, dtype),
        (DType::I32 | DType::U8, _) | (_, DType::I32 | DType::U8) => cast(op, &cast(op, x, DType::I64)?, dtype),
        _ => widened!(op, [x], from(op, x, dtype)),
    }
}

/// What is stored, as numbers of other types.
trait Numeric: StorageElement {
    fn to_f64(self) -> f64;
    fn to_f32(self) -> f32;
    fn to_i64(self) -> i64;
}

macro_rules! numeric {
    ($($t:ty: |$x:ident| $to_f64:expr, $to_f32:expr, $to_i64:expr;)*) => {$(
        impl Numeric for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                let $x = self;
                $to_f64
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                let $x = self;
                $to_f32
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                let $x = self;
                $to_i64
            }
        }
    )*};
}
numeric! {
    f32: |x| f64::from(x), x, x as i64;
    f64: |x| x, x as f32, x as i64;
    bf16: |x| f64::from(x), f32::from(x), f64::from(x) as i64;
    f16: |x| f64::from(x), f32::from(x), f64::from(x) as i64;
    i64: |x| x as f64, x as f32, x;
    i32: |x| f64::from(x), x as f32, i64::from(x);
    u8: |x| f64::from(x), f32::from(x), i64::from(x);
    BoolByte: |x| f64::from(u8::from(x.get())), f32::from(u8::from(x.get())), i64::from(x.get());
}

/// What is cast to narrow integers: the nearest that there is, and 0 for NaN, as `as` casts floating-point numbers.
trait Narrow: StorageElement {
    fn to_i32(self) -> i32;
    fn to_u8(self) -> u8;
}

macro_rules! narrow {
    ($($t:ty: |$x:ident| $to_i32:expr, $to_u8:expr;)*) => {$(
        impl Narrow for $t {
            #[inline(always)]
            fn to_i32(self) -> i32 {
                let $x = self;
                $to_i32
            }
            #[inline(always)]
            fn to_u8(self) -> u8 {
                let $x = self;
                $to_u8
            }
        }
    )*};
}
narrow! {
    f32: |x| x as i32, x as u8;
    f64: |x| x as i32, x as u8;
    i64: |x| x.clamp(i32::MIN.into(), i32::MAX.into()) as i32, x.clamp(0, 255) as u8;
}

/// The f32 that rounds to a narrower type as `x` itself does: `x` where it is one, else of its two neighbours the one whose last bit
/// is 1, which is never a tie. (`half` drops the lower 32 bits of an f64 before it rounds, and so takes numbers just above a tie for one.)
///
/// # Source
/// Boldo and Melquiond (2008), Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd.
#[inline(always)]
fn to_odd(x: f64) -> f32 {
    let near = x as f32;
    let (back, bits) = (f64::from(near), near.to_bits());
    if back == x || bits & 1 == 1 || near.is_nan() {
        return near;
    }
    f32::from_bits(if back.abs() < x.abs() { bits + 1 } else { bits - 1 })
}
