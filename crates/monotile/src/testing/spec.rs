//! The spec of an operation.

use std::borrow::Cow;

use crate::error::Result;
use crate::random::Rng;
use crate::tensor::{DType, Tensor};

type Operation = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;
type Reference = Box<dyn Fn(&[Vec<f64>], &[Vec<usize>]) -> Vec<Vec<f64>> + Send + Sync>;
type Property = Box<dyn Fn(&[Tensor], &[Tensor]) -> Result<f64> + Send + Sync>;

/// What an operation is and what it must do: made in the operation's file, checked by [`Spec::check`].
pub struct Spec {
    pub(super) name: &'static str,
    pub(super) operation: Operation,
    pub(super) samples: Vec<(&'static str, Vec<Tensor>)>,
    pub(super) reference: Option<Reference>,
    pub(super) properties: Vec<(&'static str, Property)>,
    pub(super) refusals: Vec<(Vec<Tensor>, Cow<'static, str>)>,
    pub(super) orders: usize,
    pub(super) tolerance_f32: f64,
    pub(super) propagates_nan: bool,
    pub(super) gradient_tolerance: f64,
}

impl Spec {
    /// The spec of `operation`, a function of inputs to outputs.
    pub fn new(name: &'static str, operation: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static) -> Self {
        Self {
            name,
            operation: Box::new(operation),
            samples: Vec::new(),
            reference: None,
            properties: Vec::new(),
            refusals: Vec::new(),
            orders: 0,
            tolerance_f32: 1e-5,
            propagates_nan: true,
            gradient_tolerance: 1e-6,
        }
    }

    /// Inputs to try: f64 where the operation computes, i64 or bool where it takes such. They should lie away from kinks,
    /// with a word that says why they do. Inputs that are equal are made different, by exchanging their elements: a − a and a / a would
    /// hide which is which.
    #[must_use]
    pub fn sample(mut self, name: &'static str, inputs: Vec<Tensor>) -> Self {
        self.samples.push((name, distinct(inputs).expect("a sample's inputs are small")));
        self
    }

    /// A [`sample`](Spec::sample) whose inputs are equal on purpose.
    #[must_use]
    pub fn sample_with_equal_inputs(mut self, name: &'static str, inputs: Vec<Tensor>) -> Self {
        self.samples.push((name, inputs));
        self
    }

    /// The values of every output, computed plainly from the values of the inputs, in row-major order.
    #[must_use]
    pub fn reference(self, f: impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Send + Sync + 'static) -> Self {
        self.shaped_reference(move |x, _| f(x))
    }

    /// [`reference`](Spec::reference) that also reads the shapes of the inputs.
    #[must_use]
    pub fn shaped_reference(mut self, f: impl Fn(&[Vec<f64>], &[Vec<usize>]) -> Vec<Vec<f64>> + Send + Sync + 'static) -> Self {
        self.reference = Some(Box::new(f));
        self
    }

    /// Something that must hold between inputs and outputs: returns how far it is off, relative to 1, at most 1e-12.
    #[must_use]
    pub fn property(mut self, name: &'static str, f: impl Fn(&[Tensor], &[Tensor]) -> Result<f64> + Send + Sync + 'static) -> Self {
        self.properties.push((name, Box::new(f)));
        self
    }

    /// Gradients are checked up to this order: 1 for a fused rule, 2 for a composition, 0 (the default) for none.
    #[must_use]
    pub fn orders(mut self, orders: usize) -> Self {
        self.orders = orders;
        self
    }

    /// The most that a result in f32 may differ from f64, relative to the largest entry (1e-5 unless said); say why.
    #[must_use]
    pub fn tolerance_f32(mut self, tolerance: f64) -> Self {
        self.tolerance_f32 = tolerance;
        self
    }

    /// The most that a gradient may differ from its difference quotient, relative (1e-6 unless said); say why.
    #[must_use]
    pub fn gradient_tolerance(mut self, tolerance: f64) -> Self {
        self.gradient_tolerance = tolerance;
        self
    }

    /// NaN in an input need not show in every output: for operations that choose, compare or drop elements.
    #[must_use]
    pub fn may_drop_nan(mut self) -> Self {
        self.propagates_nan = false;
        self
    }

    /// Inputs that must be refused with exactly this sentence.
    #[must_use]
    pub fn refuses(mut self, inputs: Vec<Tensor>, words: impl Into<Cow<'static, str>>) -> Self {
        self.refusals.push((inputs, words.into()));
        self
    }
}

/// The same inputs, of which none of floating-point numbers equals one before it, if it has two different elements.
fn distinct(inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
    let mut all: Vec<Tensor> = Vec::with_capacity(inputs.len());
    for (i, x) in inputs.into_iter().enumerate() {
        let same = |y: &Tensor| Ok::<_, crate::Error>(x.shape() == y.shape() && x.to_f64_vec()? == y.to_f64_vec()?);
        let equal = all.iter().map(same).collect::<Result<Vec<bool>>>()?.contains(&true);
        all.push(match x.len() {
            0 => x,
            n if equal && x.dtype().is_float() => {
                let flat = x.reshape(&[n])?;
                let turned = Tensor::cat(&[&flat.slice(0, i % n..)?, &flat.slice(0, ..i % n)?], 0)?.flip(0)?;
                (if n == 1 { turned.mul_scalar(0.75)? } else { turned }).reshape(x.shape())?
            }
            _ => x,
        });
    }
    Ok(all)
}

/// Seeded standard normal numbers in f64, a sample's usual input; every shape gets its own numbers.
pub fn normal(shape: &[usize]) -> Tensor {
    let seed = shape.iter().fold(17, |s: u64, &n| s.wrapping_mul(1_000_003).wrapping_add(n as u64));
    Rng::new(seed).normal(shape, DType::F64).expect("a sample's shape is small")
}

/// Seeded numbers from [low, high) in f64.
pub fn uniform(shape: &[usize], low: f64, high: f64) -> Tensor {
    let seed = shape.iter().fold(23, |s: u64, &n| s.wrapping_mul(1_000_003).wrapping_add(n as u64));
    Rng::new(seed).uniform(shape, low, high, DType::F64).expect("a sample's shape is small")
}

/// Seeded numbers from [0.5, 2), away from the singular points of logarithms, roots and quotients.
pub fn positive(shape: &[usize]) -> Tensor {
    uniform(shape, 0.5, 2.0)
}
