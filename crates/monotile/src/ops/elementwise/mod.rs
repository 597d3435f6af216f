//! The elementwise families: one kernel a family; an operation is its scalar function and its rule.

pub(crate) mod activation;
mod arithmetic;
pub(crate) mod compare;
mod exponential;
mod power;
mod select;
mod trigonometric;

use monotile_kernels::elementwise;
use monotile_kernels::real::Real;
use monotile_kernels::shape::Shape;

use crate::check;
use crate::error::Result;
use crate::ops::reduce::sum_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::dtype::Stored;
use crate::tensor::fresh::Fresh;
use crate::tensor::layout::Layout;
use crate::tensor::storage::{Cpu, Storage};
use crate::tensor::{DType, Tensor};

/// A function of one number.
pub(crate) trait Unary: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// Which of its own values the rule reads.
    const READS: Reads;

    /// y = f(x). Mark it `#[inline(always)]`, here and below: else it keeps the instructions of the baseline.
    fn apply<T: Real>(self, x: T) -> T;

    /// Whether y takes [`exact`](Unary::exact) at x, as vector units have no function for it.
    #[inline(always)]
    fn beyond<T: Real>(self, x: T) -> bool {
        let _ = x;
        false
    }

    /// y where [`apply`](Unary::apply) is not good for x.
    #[inline(always)]
    fn exact<T: Real>(self, x: T) -> T {
        self.apply(x)
    }

    /// dy/dx from the value that the rule reads, x or y: what a walk that is not recorded multiplies ȳ by, in one pass.
    /// Not called where the rule reads nothing.
    #[inline(always)]
    fn slope<T: Real>(self, read: T) -> T {
        read
    }

    /// x̄ from ȳ, by differentiable operations.
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor>;
}

/// What the rule of a function of one number reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Nothing,
    Input,
    Output,
}

/// Applies a function of one number to every element.
pub(crate) fn unary<U: Unary>(x: &Tensor, op: U) -> Result<Tensor> {
    let x = x.computable(U::NAME)?;
    let Storage::Cpu(memory) = x.storage();
    let y = match memory {
        Cpu::F32(b) => {
            let mut out = Fresh::<f32>::like(U::NAME, &x)?;
            elementwise::map(x.view(b), &mut out, Apply(op));
            out.tensor()
        }
        Cpu::F64(b) => {
            let mut out = Fresh::<f64>::like(U::NAME, &x)?;
            elementwise::map(x.view(b), &mut out, Apply(op));
            out.tensor()
        }
        _ => unreachable!("`computable` returns f32 or f64"),
    };
    Ok(Tensor::record(y, &[&x], Mapped(op)))
}

/// The function itself, for the kernel.
#[derive(Clone, Copy)]
struct Apply<U>(U);

impl<U: Unary> elementwise::Function for Apply<U> {
    #[inline(always)]
    fn apply<T: Real>(self, x: T) -> T {
        self.0.apply(x)
    }
    #[inline(always)]
    fn beyond<T: Real>(self, x: T) -> bool {
        self.0.beyond(x)
    }
    #[inline(always)]
    fn exact<T: Real>(self, x: T) -> T {
        self.0.exact(x)
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
            Some(read) if read.dtype() == g.dtype() => Ok(vec![Some(binary(&read, &g.detach(), Slope(self.0))?)]),
            _ => Ok(vec![Some(self.0.rule(saved, g)?)]),
        }
    }
}

/// ȳ dy/dx, from what the rule of a function of one number reads: for walks that are not recorded.
#[derive(Clone, Copy)]
struct Slope<U>(U);

impl<U: Unary> Binary for Slope<U> {
    const NAME: &'static str = U::NAME;
    #[inline(always)]
    fn apply<T: Real>(self, read: T, g: T) -> T {
        g * self.0.slope(read)
    }
    fn rule(self, _: &Saved, _: &Tensor, _: usize) -> Result<Tensor> {
        unreachable!("its operands are never recorded")
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        false
    }
}

/// A function of two numbers, broadcast over shapes.
pub(crate) trait Binary: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// The same function of integers, where it has one.
    const INTEGERS: Option<fn(i64, i64) -> i64> = None;

    /// y = f(a, b)
    fn apply<T: Real>(self, a: T, b: T) -> T;

    /// ā or b̄ from ȳ, in any shape that sums to the operand's: the family adds what was broadcast.
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor>;

    /// Whether the rule reads the value of operand `i`, when asked for the gradients marked in `needs`.
    fn keeps(self, i: usize, needs: &[bool]) -> bool;
}

/// Applies a function of two numbers to every pair of elements of two tensors that broadcast.
pub(crate) fn binary<B: Binary>(a: &Tensor, b: &Tensor, op: B) -> Result<Tensor> {
    let shape = check::broadcast(B::NAME, a.shape(), b.shape())?;
    let (wide_a, wide_b) = match (a.dtype(), b.dtype(), B::INTEGERS) {
        (DType::I64, DType::I64, Some(f)) => return integers(B::NAME, a, b, &shape, f),
        _ => {
            let dtype = check::common_float(B::NAME, a, b)?;
            (a.to_dtype(dtype)?, b.to_dtype(dtype)?)
        }
    };
    let (x, y) = (spread(&wide_a, &shape), spread(&wide_b, &shape));
    let out = match (x.storage(), y.storage()) {
        (Storage::Cpu(Cpu::F32(p)), Storage::Cpu(Cpu::F32(q))) => {
            let mut out = Fresh::<f32>::like(B::NAME, &x)?;
            elementwise::binary(
                x.view(p),
                y.view(q),
                &mut out,
                #[inline(always)]
                move |a, b| op.apply(a, b),
            );
            out.tensor()
        }
        (Storage::Cpu(Cpu::F64(p)), Storage::Cpu(Cpu::F64(q))) => {
            let mut out = Fresh::<f64>::like(B::NAME, &x)?;
            elementwise::binary(
                x.view(p),
                y.view(q),
                &mut out,
                #[inline(always)]
                move |a, b| op.apply(a, b),
            );
            out.tensor()
        }
        _ => unreachable!("both were cast to their common type"),
    };
    Ok(Tensor::record(out, &[&wide_a, &wide_b], Zipped(op)))
}

/// [`binary`] into the memory of `a`, where nobody else holds it and nothing is recorded.
pub(crate) fn binary_into<B: Binary>(mut a: Tensor, b: &Tensor, op: B) -> Result<Tensor> {
    fn updated<T: Stored + Real, B: Binary>(a: &mut Tensor, b: &Tensor, op: B) -> bool {
        let Storage::Cpu(memory) = b.storage();
        let (Some(p), Some(out)) = (T::open(memory), a.unique_mut::<T>()) else { return false };
        elementwise::update(
            out,
            b.view(p),
            #[inline(always)]
            move |a, b| op.apply(a, b),
        );
        true
    }
    if !b.is_recorded() && check::broadcast(B::NAME, a.shape(), b.shape()).is_ok_and(|shape| shape == a.layout().shape) {
        let b = spread(b, &a.layout().shape);
        if updated::<f32, B>(&mut a, &b, op) || updated::<f64, B>(&mut a, &b, op) {
            return Ok(a);
        }
    }
    binary(&a, b, op)
}

fn integers(op: &str, a: &Tensor, b: &Tensor, shape: &Shape, f: fn(i64, i64) -> i64) -> Result<Tensor> {
    let (x, y) = (spread(a, shape), spread(b, shape));
    let (Storage::Cpu(Cpu::I64(p)), Storage::Cpu(Cpu::I64(q))) = (x.storage(), y.storage()) else {
        unreachable!("the caller saw i64 on both sides")
    };
    let mut out = Fresh::<i64>::like(op, &x)?;
    elementwise::binary(x.view(p), y.view(q), &mut out, f);
    Ok(out.tensor())
}

/// A view of `x` in a shape that it broadcasts to, unrecorded.
pub(crate) fn spread(x: &Tensor, shape: &Shape) -> Tensor {
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

/// The record of every operation of the families.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    [
        activation::specs(),
        arithmetic::specs(),
        compare::specs(),
        exponential::specs(),
        power::specs(),
        select::specs(),
        trigonometric::specs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
