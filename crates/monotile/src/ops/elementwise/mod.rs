//! The elementwise families: one kernel a family; an operation is its scalar function and its rule.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
mod arithmetic;
mod operators;
mod remainder;

mod exponential;
mod logarithm;
mod power;

mod trigonometric;

mod angle;
mod hyperbolic;

pub(crate) mod activation;
mod rectifier;

mod special;

mod interpolation;
pub(crate) mod rounding;
mod signs;

pub(crate) mod compare;
mod select;

#[cfg(test)]
pub(crate) mod formulas;

use monotile_kernels::number::{Dual, Formula, Number};
use monotile_kernels::shape::Shape;

use crate::check;
use crate::door::map;
use crate::error::{Error, Result};
use crate::ops::map::composed;
use crate::ops::reduce::sum_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
use crate::tensor::layout::Layout;
use crate::tensor::operand::OperandValue;

/// A function of one number.
pub(crate) trait Unary: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// Which of its own values the rule reads.
    const READS: Reads;
    /// Whether a sine, cosine or power is on the way, here or in the slope.
    const RANGE_CHECKED: bool = false;
    /// Whether it gets loops of its own, as in [`Formula::COMPILED`].
    const COMPILED: bool = true;

    /// y = f(x). Mark it `#[inline(always)]`, here and below: else it keeps the instructions of the baseline.
    fn apply<T: Number>(self, x: T) -> T;

    /// dy/dx from the value that the rule reads, x or y: what a walk that is not recorded multiplies ȳ by, in one pass. From x it
    /// follows from the function itself. Not called where the rule reads nothing.
    #[inline(always)]
    fn slope<T: Number>(self, read: T) -> T {
        self.apply(Dual::variable(read)).slope
    }

    /// x̄ from ȳ, by differentiable operations: those of the slope, step by step, unless the function knows fewer.
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let read = match Self::READS {
            Reads::Nothing => unreachable!("a rule that reads nothing is written"),
            Reads::Input => saved.input(0),
            Reads::Output => saved.output(0),
        };
        g.mul(&composed([&read], |[read]| vec![self.slope(read)])?[0])
    }
}

/// What the rule of a function of one number reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Nothing,
    Input,
    Output,
}

/// Applies a function of one number to every element.
#[track_caller]
pub(crate) fn unary<U: Unary>(x: &Tensor, op: U) -> Result<Tensor> {
    let x = x.to_compute_dtype(U::NAME)?;
    let y = map::formula(U::NAME, [&x], Apply(op))?;
    Ok(Tensor::record(y, &[&x], Mapped(op)))
}

/// The function itself, for the kernel.
#[derive(Clone, Copy)]
struct Apply<U>(U);

impl<U: Unary> Formula<1> for Apply<U> {
    const RANGE_CHECKED: bool = U::RANGE_CHECKED;
    const COMPILED: bool = U::COMPILED;
    #[inline(always)]
    fn apply<T: Number>(self, [x]: [T; 1]) -> T {
        self.0.apply(x)
    }
}

struct Mapped<U>(U);

impl<U: Unary> Gradient for Mapped<U> {
    fn name(&self) -> &'static str {
        U::NAME
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        U::READS == Reads::Input
    }
    fn keeps_output(&self, _: usize) -> bool {
        U::READS == Reads::Output
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let read = match U::READS {
            _ if saved.is_recorded() => None,
            Reads::Nothing => None,
            Reads::Input => Some(saved.input(0)),
            Reads::Output => Some(saved.output(0)),
        };
        match read {
            Some(read) if read.dtype() == g.dtype() => Ok(vec![Some(map::formula(U::NAME, [&read, g], Slope(self.0))?)]),
            _ => Ok(vec![Some(self.0.rule(saved, g)?)]),
        }
    }
}

/// ȳ dy/dx, from what the rule of a function of one number reads: for walks that are not recorded.
#[derive(Clone, Copy)]
struct Slope<U>(U);

impl<U: Unary> Formula<2> for Slope<U> {
    const RANGE_CHECKED: bool = U::RANGE_CHECKED;
    const COMPILED: bool = U::COMPILED;
    #[inline(always)]
    fn apply<T: Number>(self, [read, g]: [T; 2]) -> T {
        g * self.0.slope(read)
    }
}

/// A function of two numbers, broadcast over shapes.
pub(crate) trait Binary: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// The same function of integers, where it has one.
    const INTEGERS: Option<fn(i64, i64) -> i64> = None;
    /// Whether a sine, cosine or power is on the way.
    const RANGE_CHECKED: bool = false;
    /// Whether it gets loops of its own, as in [`Formula::COMPILED`].
    const COMPILED: bool = true;
    /// Whether it costs less than to gather what it reads.
    const LIGHT: bool = false;

    /// y = f(a, b)
    fn apply<T: Number>(self, a: T, b: T) -> T;

    /// ā or b̄ from ȳ, in any shape that sums to the operand's: the family adds what was broadcast.
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor>;

    /// Whether the rule reads the value of operand `i`, when asked for the gradients marked in `needs`.
    fn keeps(self, i: usize, needs: &[bool]) -> bool;
}

/// The function itself, for the kernel.
#[derive(Clone, Copy)]
struct Apply2<B>(B);

impl<B: Binary> Formula<2> for Apply2<B> {
    const RANGE_CHECKED: bool = B::RANGE_CHECKED;
    const COMPILED: bool = B::COMPILED;
    #[inline(always)]
    fn apply<T: Number>(self, [a, b]: [T; 2]) -> T {
        self.0.apply(a, b)
    }
}

/// Applies a function of two numbers to every pair of elements of two tensors that broadcast.
#[track_caller]
pub(crate) fn binary<B: Binary>(a: &Tensor, b: &Tensor, op: B) -> Result<Tensor> {
    let shape = check::broadcast(B::NAME, a.shape(), b.shape())?;
    let (wide_a, wide_b) = match B::INTEGERS {
        Some(f) if a.dtype().is_integer() && b.dtype().is_integer() => return integers(B::NAME, a, b, &shape, f),
        _ => {
            let dtype = check::common_float(B::NAME, a, b)?;
            (a.to_dtype(dtype)?, b.to_dtype(dtype)?)
        }
    };
    let (x, y) = (broadcast_to(&wide_a, &shape), broadcast_to(&wide_b, &shape));
    let out = if B::LIGHT { map::light(B::NAME, &x, &y, Apply2(op)) } else { map::formula(B::NAME, [&x, &y], Apply2(op)) }?;
    Ok(Tensor::record(out, &[&wide_a, &wide_b], Zipped(op)))
}

/// [`binary`] into the memory of `a`, where nobody else holds it and nothing is recorded.
#[track_caller]
pub(crate) fn binary_into<B: Binary>(mut a: Tensor, b: &Tensor, op: B) -> Result<Tensor> {
    if !b.is_recorded() && check::broadcast(B::NAME, a.shape(), b.shape()).is_ok_and(|shape| shape == a.layout().shape) {
        let b = broadcast_to(b, &a.layout().shape);
        if map::update(&mut a, &b, Apply2(op)) {
            return Ok(a);
        }
    }
    binary(&a, b, op)
}

/// a ← f(a, b), in the memory of `a` where nobody else holds it and nothing is recorded.
#[track_caller]
fn assign<B: Binary>(a: &mut Tensor, b: OperandValue<'_>, symbol: &str, op: B) -> Result<()> {
    let b = b.beside(B::NAME, a.dtype())?;
    check_assigned(B::NAME, symbol, a, &check::broadcast(B::NAME, a.shape(), b.shape())?)?;
    if b.is_recorded() || !map::update(a, &broadcast_to(&b, &a.layout().shape.clone()), Apply2(op)) {
        *a = binary(a, &b, op)?;
    }
    Ok(())
}

/// Refuses a result that the left side of an assignment cannot take.
#[track_caller]
fn check_assigned(op: &str, symbol: &str, a: &Tensor, shape: &[usize]) -> Result<()> {
    if a.shape() == shape {
        return Ok(());
    }
    let left = a.shape();
    Err(Error::shape(format!("{op}: the left side of shape {left:?} would become {shape:?}; write a = a {symbol} b")))
}

#[track_caller]
fn integers(op: &str, a: &Tensor, b: &Tensor, shape: &Shape, f: fn(i64, i64) -> i64) -> Result<Tensor> {
    let (x, y) = (broadcast_to(&a.widened(op)?, shape), broadcast_to(&b.widened(op)?, shape));
    map::integers(op, &x, &y, f)
}

/// A view of `x` in a shape that it broadcasts to, unrecorded.
pub(crate) fn broadcast_to(x: &Tensor, shape: &Shape) -> Tensor {
    let layout: Layout = x.layout().broadcast(shape).expect("the shape came from `check::broadcast`");
    x.with_layout(layout)
}

struct Zipped<B>(B);

impl<B: Binary> Gradient for Zipped<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        self.0.keeps(i, needs)
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        (0..2)
            .map(|i| match saved.needs(i) {
                true => sum_to(&self.0.rule(saved, g, i)?, saved.input_shape(i)).map(Some),
                false => Ok(None),
            })
            .collect()
    }
}

/// The spec of a function of one floating-point number, `f`, whose samples `inputs` makes.
#[cfg(test)]
fn unary_spec(name: &'static str, f: fn(&Tensor) -> Result<Tensor>, inputs: fn(&[usize]) -> Tensor) -> crate::testing::Spec {
    crate::testing::Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
        .sample("matrix", vec![inputs(&[3, 4])])
        .sample("number", vec![inputs(&[])])
        .sample("empty", vec![inputs(&[2, 0])])
        .orders(2)
        .refuses(vec![Tensor::arange(2).unwrap()], format!("{name}: takes floating-point numbers, got i64; cast with to_dtype"))
}

/// The reference of a function of one number that `plain` computes as well.
#[cfg(test)]
fn each(plain: impl Fn(f64) -> f64 + Send + Sync + 'static) -> impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Send + Sync + 'static {
    move |x| vec![x[0].iter().map(|&v| plain(v)).collect()]
}

/// The spec of every operation of the families.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    [
        activation::specs(),
        angle::specs(),
        arithmetic::specs(),
        compare::specs(),
        exponential::specs(),
        hyperbolic::specs(),
        interpolation::specs(),
        logarithm::specs(),
        power::specs(),
        rectifier::specs(),
        remainder::specs(),
        rounding::specs(),
        select::specs(),
        signs::specs(),
        special::specs(),
        trigonometric::specs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
