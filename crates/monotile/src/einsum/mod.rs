//! Contractions of any number of tensors, written as an equation.
//!
//! ```text
//! "ij,jk->ik"           the matrix product
//! "ij->ji"              the transpose: a view
//! "ii->i", "ii->"       the diagonal, a view; the trace
//! "bhqd,bhkd->bhqk"     the scores of attention
//! "...ij,...jk->...ik"  matrix products over leading dimensions that broadcast
//! "ij,jk,kl->il"        a chain, contracted in the cheapest order
//! ```
//!
//! An operand's term has a letter a dimension. Equal letters are walked together: elements are multiplied where they meet,
//! and summed over every letter that the output lacks. [`einsum()`] does it at once, and remembers its plan;
//! [`Einsum`] chooses the order and compiles; [`Explanation`] says what a plan does and costs.
//!
//! Reading is in `equation`, shapes in `bind`, the order in `path` (what it costs in `cost`), lowering in `plan`,
//! execution and the cache in `run`, the way back in `gradient`. Each step is a `pair`.

mod bind;
mod cost;
mod equation;
mod explain;
mod gradient;
pub(crate) mod pair;
mod path;
mod plan;
mod run;

pub use explain::{ExplainedStep, Explanation, StepKind};
pub use path::{EinsumOptions, MemoryLimit, Minimize, PathMethod};

use std::borrow::Borrow;
use std::sync::Arc;

use crate::error::Result;
use crate::ops::cat::borrowed;
use crate::tensor::Tensor;
use equation::Equation;
use plan::ContractionPlan;

/// Contracts `operands` as `equation` says: products of elements whose labels agree, summed over labels that the output
/// lacks.
///
/// out[output labels] = Σ over all other labels of Π over operands of operand[its labels]
///
/// - Without `->` the output has the labels that occur once, sorted (upper case first), after the dimensions of an
///   ellipsis.
/// - A label repeated within a term takes the diagonal.
/// - `...` stands for any number of dimensions, aligned from the last; an output without it sums over them.
/// - A dimension of size 1 repeats along a label that is longer elsewhere.
/// - An empty term is a scalar; spaces are ignored; labels are letters, or any characters beyond ASCII.
///
/// Operands are contracted two at a time in the cheapest order ([`PathMethod::Auto`]), each pair by one matrix product that reads
/// them through their strides. The plan is kept: a second call with the same equation and shapes parses and orders nothing.
/// The list holds tensors or references to them. bf16 and f16 are computed in f32, f32 with f64 in f64; an equation that only views its operand takes any dtype.
///
/// # Gradient
/// Of every operand and to any order: the gradient of a pair is a pair again. They are planned once, with the equation, use
/// the intermediates of the forward pass, and together take at most twice its operations.
///
/// # Errors
/// [`Equation`](crate::ErrorKind::Equation), with the place of the fault or the label, the operands and both sizes;
/// [`Dtype`](crate::ErrorKind::Dtype) for sums and products of integers. An equation has an operand at least; a list without one needs its type, as
/// `Vec::<Tensor>::new()` has, to be refused.
///
/// # Example
/// ```
/// use monotile::{einsum, Tensor};
/// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
/// let b = Tensor::from_rows(&[[5.0_f64, 6.0], [7.0, 8.0]])?;
/// assert_eq!(einsum("ij,jk->ik", [&a, &b])?.to_vec::<f64>()?, [19.0, 22.0, 43.0, 50.0]);
/// assert_eq!(einsum("ij,ij->", [&a, &b])?.item::<f64>()?, 70.0);
/// assert_eq!(einsum("ii", &[&a])?.item::<f64>()?, 5.0);
///
/// let error = einsum("ij,j->i", &[&a, &Tensor::from_vec(vec![1.0_f64; 3], &[3])?]).unwrap_err();
/// assert_eq!(error.to_string(), "einsum \"ij,j->i\": label j is 2 in operand 0 and 3 in operand 1");
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn einsum<T: Borrow<Tensor>>(equation: &str, operands: impl AsRef<[T]>) -> Result<Tensor> {
    at_once(equation, &borrowed(operands.as_ref()))
}

#[track_caller]
fn at_once(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
    let plan = run::planned(equation, operands)?;
    run::run(&plan, operands)
}

/// An equation that has been read, to be [compiled](Einsum::compile) for shapes.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor, einsum::{Einsum, PathMethod}};
/// let chain = Einsum::new("ij,jk,kl->il")?;
/// let shapes: [&[usize]; 3] = [&[64, 2], &[2, 64], &[64, 2]];
/// let compiled = chain.compile(&shapes)?;
/// assert_eq!(compiled.path(), [(1, 2), (0, 1)]);
/// assert_eq!(compiled.explain().operations, 1024.0);
/// assert_eq!(chain.with_order(PathMethod::LeftToRight).compile(&shapes)?.explain().operations, 32768.0);
///
/// let x = [Tensor::ones(shapes[0], DType::F32)?, Tensor::ones(shapes[1], DType::F32)?, Tensor::ones(shapes[2], DType::F32)?];
/// let y = compiled.run(&[&x[0], &x[1], &x[2]])?;
/// assert_eq!((y.shape(), y.to_vec::<f32>()?[0]), (&[64, 2][..], 128.0));
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Einsum {
    equation: Equation,
    options: EinsumOptions,
}

impl Einsum {
    /// Reads an equation.
    ///
    /// # Errors
    /// If it is malformed, with the position of the fault (characters are counted from 0).
    #[track_caller]
    pub fn new(equation: &str) -> Result<Self> {
        Ok(Self { equation: Equation::parse(equation)?, options: EinsumOptions::default() })
    }

    /// The equation with these numbers for labels, for networks with more labels than there are letters.
    ///
    /// # Errors
    /// If there is no operand, a label of the output occurs twice or in no operand.
    ///
    /// # Example
    /// ```
    /// use monotile::einsum::Einsum;
    /// let product = Einsum::from_labels(&[&[100, 200], &[200, 300]], &[100, 300])?;
    /// assert_eq!(product.compile(&[&[2, 3], &[3, 4]])?.shape(), [2, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn from_labels(inputs: &[&[u32]], output: &[u32]) -> Result<Self> {
        Ok(Self { equation: Equation::from_labels(inputs, output)?, options: EinsumOptions::default() })
    }

    /// The same equation with another way to order its contractions.
    #[must_use]
    pub fn with_order(&self, order: PathMethod) -> Self {
        self.with_options(EinsumOptions { order, ..self.options.clone() })
    }

    /// The same equation, planned with these options.
    #[must_use]
    pub fn with_options(&self, options: EinsumOptions) -> Self {
        Self { equation: self.equation.clone(), options }
    }

    /// Orders the contractions and lowers them, for operands of these shapes.
    ///
    /// # Errors
    /// If the shapes do not fit the equation, or the order cannot be had.
    #[track_caller]
    pub fn compile(&self, shapes: &[&[usize]]) -> Result<CompiledEinsum> {
        Ok(CompiledEinsum(Arc::new(self.plan(shapes)?)))
    }

    #[track_caller]
    fn plan(&self, shapes: &[&[usize]]) -> Result<ContractionPlan> {
        ContractionPlan::new(&self.equation, shapes, &self.options)
    }
}

/// An equation lowered for operands of fixed shapes, which can be run many times; cheap to clone.
#[derive(Debug, Clone)]
pub struct CompiledEinsum(Arc<ContractionPlan>);

impl CompiledEinsum {
    /// Contracts these operands.
    ///
    /// # Errors
    /// If a shape is not the one that this was compiled for, or a dtype has no arithmetic.
    #[track_caller]
    pub fn run<T: Borrow<Tensor>>(&self, operands: impl AsRef<[T]>) -> Result<Tensor> {
        self.run_borrowed(&borrowed(operands.as_ref()))
    }

    #[track_caller]
    fn run_borrowed(&self, operands: &[&Tensor]) -> Result<Tensor> {
        run::check_shapes(&self.0, operands)?;
        run::run(&self.0, operands)
    }

    /// The shape of the result.
    pub fn shape(&self) -> &[usize] {
        &self.0.finish.shape
    }

    /// The order of contractions, as [`PathMethod::Pairs`] takes it: positions in the list of operands, from which each step
    /// removes two and to which it appends its result.
    pub fn path(&self) -> Vec<(usize, usize)> {
        self.0.positions()
    }

    /// How many products of operands an element of the result sums: the sizes of the labels that the result lacks, multiplied.
    ///
    /// # Example
    /// ```
    /// # use monotile::einsum::Einsum;
    /// assert_eq!(Einsum::new("ij,jk,kl->il")?.compile(&[&[2, 3], &[3, 5], &[5, 7]])?.terms(), 15.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn terms(&self) -> f64 {
        let summed = (0..self.0.sizes.len()).filter(|&label| !self.0.output.iter().any(|&out| out as usize == label));
        summed.map(|label| self.0.sizes[label] as f64).product()
    }

    /// What each step does and costs.
    pub fn explain(&self) -> Explanation {
        Explanation::from_plan(&self.0)
    }
}

/// The specs of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    own().into_iter().chain(pair::specs()).collect()
}

#[cfg(test)]
crate::testing::spec_tests!(own: einsum_of_a_chain, einsum_of_nothing, einsum_of_diagonals, einsum_of_one);

#[cfg(test)]
fn own() -> Vec<crate::testing::Spec> {
    use crate::testing::{Spec, normal};
    fn of(name: &'static str, equation: &'static str) -> Spec {
        Spec::new(name, move |x| Ok(vec![einsum(equation, &x.iter().collect::<Vec<_>>())?])).orders(2)
    }
    vec![
        of("einsum of a chain", "ij,jk,kl->li")
            .sample("matrices", vec![normal(&[2, 3]), normal(&[3, 4]), normal(&[4, 2])])
            .sample("sizes of 1 that repeat", vec![normal(&[2, 1]), normal(&[3, 4]), normal(&[1, 2])])
            .refuses(
                vec![normal(&[2, 3]), normal(&[4, 4]), normal(&[4, 2])],
                "einsum \"ij,jk,kl->li\": label j is 3 in operand 0 and 4 in operand 1",
            ),
        // The sum is empty whatever the factors are.
        of("einsum of nothing", "ij,jk,kl->li")
            .sample("empty sums", vec![normal(&[2, 0]), normal(&[0, 4]), normal(&[4, 2])])
            .may_drop_nan(),
        of("einsum of diagonals", "ii...,...i->...").sample("ellipses", vec![normal(&[3, 3, 2, 1]), normal(&[4, 3])]),
        of("einsum of one", "iij->j").sample("trace of each", vec![normal(&[3, 3, 2])]),
    ]
}
