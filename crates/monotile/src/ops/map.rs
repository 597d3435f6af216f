//! A formula over tensors: elementwise work in one pass, with its gradients.

use monotile_kernels::number::{Comparison, Dual, Expr, ExprNode, Function, Graph, Operator, record};

use super::elementwise::broadcast_to;
use super::reduce::sum_to;
use crate::check;
use crate::door;
use crate::door::map::{Arguments, Arity};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

pub use monotile_kernels::number::{Formula, Number};

/// y = f(x₀, x₁, …), elementwise over shapes that broadcast, in one pass and without memory for what is between.
///
/// One to six operands. The formula is one function of Rust over any [`Number`]: the loop over f32 and f64 in vector instructions,
/// its derivative, and the text of a shader all follow from it. [`formula!`](crate::formula) writes one where it is used.
///
/// # Gradient
/// x̄ᵢ = ȳ ∂f/∂xᵢ, one pass an operand, by forward differentiation of the formula; of any order. Where operands are equal,
/// `maximum` and `minimum` follow the second.
///
/// # Errors
/// If the shapes do not broadcast, or an operand holds integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, formula, ops::map};
/// let x = Tensor::from_slice(&[-1.0_f32, 0.5, 2.0], &[3])?.requires_grad();
/// let scale = Tensor::scalar(2.0_f32);
/// // x² s where x > 0, else 0
/// let y = map([&x, &scale], formula!(|x, s| T::select(x.greater(T::ZERO), x * x * s, T::ZERO)))?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.5, 8.0]);
/// let gradients = y.sum(&[], false)?.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>()?, [0.0, 2.0, 8.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn map<const N: usize, F>(x: [&Tensor; N], f: F) -> Result<Tensor>
where
    F: Formula<N> + 'static,
    Arguments: Arity<N>,
{
    named("map", x, f)
}

/// [`map`] in the name of another operation.
#[track_caller]
pub(crate) fn named<const N: usize, F>(op: &'static str, x: [&Tensor; N], f: F) -> Result<Tensor>
where
    F: Formula<N> + 'static,
    Arguments: Arity<N>,
{
    let mut shape = check::shape(op, x[0].shape())?;
    let dtype = check::common_float_of(op, &x)?;
    for a in &x[1..] {
        shape = check::broadcast(op, &shape, a.shape())?;
    }
    let wide = x.map(|a| a.to_dtype(dtype));
    let mut operands = Vec::with_capacity(N);
    for a in wide {
        operands.push(a?);
    }
    let operands: [Tensor; N] = operands.try_into().unwrap_or_else(|_| unreachable!("as many as there were"));
    let spreads = operands.each_ref().map(|a| broadcast_to(a, &shape));
    let y = door::map::formula(op, spreads.each_ref(), f)?;
    Ok(Tensor::record(y, &operands.each_ref(), Mapped::<F, N> { op, f }))
}

struct Mapped<F, const N: usize> {
    op: &'static str,
    f: F,
}

impl<const N: usize, F> Gradient for Mapped<F, N>
where
    F: Formula<N> + 'static,
    Arguments: Arity<N>,
{
    fn name(&self) -> &'static str {
        self.op
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None; N]) };
        let x: [Tensor; N] = std::array::from_fn(|i| saved.input(i));
        let together = x.iter().all(|a| a.shape() == g.shape() && a.is_contiguous());
        if !saved.is_recorded() && together && (0..N).filter(|&i| saved.needs(i)).count() > 1 {
            let g = g.to_dtype(x[0].dtype())?.contiguous_detached(self.op)?;
            let all = door::map::gradients(self.op, x.each_ref(), &g, self.f)?;
            return Ok(all.into_iter().enumerate().map(|(i, part)| saved.needs(i).then_some(part)).collect());
        }
        let part = |i: usize| match saved.is_recorded() {
            // By operations, which have gradients themselves.
            true => g.mul(evaluate(&self.slope(i), x.each_ref())?.swap_remove(0)),
            false => {
                let shape = check::shape(self.op, g.shape())?;
                let spreads = x.each_ref().map(|a| broadcast_to(a, &shape));
                door::map::gradient(self.op, spreads.each_ref(), &g.to_dtype(x[0].dtype())?, self.f, i)
            }
        };
        (0..N)
            .map(|i| match saved.needs(i) {
                true => sum_to(&part(i)?, saved.input_shape(i)).map(Some),
                false => Ok(None),
            })
            .collect()
    }
}

impl<const N: usize, F: Formula<N>> Mapped<F, N> {
    /// ∂f/∂xᵢ
    fn slope(&self, i: usize) -> Graph {
        record(|x: [Expr; N]| {
            let mut x = x.map(Dual::constant);
            x[i].slope = Expr::ONE;
            self.f.apply(x).slope
        })
    }
}

/// A formula of any number of operands and results by operations that have gradients, each result in a shape that broadcasts to the operands': for what
/// one pass would not pay.
#[track_caller]
pub(crate) fn composed<const N: usize>(x: [&Tensor; N], formula: impl FnOnce([Expr; N]) -> Vec<Expr>) -> Result<Vec<Tensor>> {
    evaluate(&record(formula), x)
}

#[track_caller]
fn evaluate<const N: usize>(graph: &Graph, x: [&Tensor; N]) -> Result<Vec<Tensor>> {
    let mut values: Vec<Tensor> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let at = |i: usize| &values[i];
        let value = match *node {
            ExprNode::Input(i) => x[i].clone(),
            ExprNode::Constant(c) => Tensor::scalar_as(c, x[0].dtype()),
            ExprNode::Function(function, a) => apply(function, at(a))?,
            ExprNode::Operator(operator, a, b) => match operator {
                Operator::Add => at(a).add(at(b)),
                Operator::Sub => at(a).sub(at(b)),
                Operator::Mul => at(a).mul(at(b)),
                Operator::Div => at(a).div(at(b)),
                Operator::Powf => at(a).pow(at(b)),
            }?,
            ExprNode::MulAdd(a, b, c) => at(a).mul(at(b))?.add(at(c))?,
            ExprNode::Compare(comparison, a, b) => match comparison {
                Comparison::Less => at(a).lt(at(b)),
                Comparison::LessOrEqual => at(a).le(at(b)),
                Comparison::Equal => at(a).eq(at(b)),
            }?,
            ExprNode::And(a, b) => at(a).and(at(b))?,
            ExprNode::Or(a, b) => at(a).or(at(b))?,
            ExprNode::Not(a) => at(a).not()?,
            ExprNode::Select(mask, yes, no) => at(mask).where_(at(yes), at(no))?,
        };
        values.push(value);
    }
    Ok(graph.results.iter().map(|&result| values[result].clone()).collect())
}

#[track_caller]
fn apply(function: Function, x: &Tensor) -> Result<Tensor> {
    match function {
        Function::Neg => x.neg(),
        Function::Abs => x.abs(),
        Function::Sqrt => x.sqrt(),
        Function::Exp => x.exp(),
        Function::Ln => x.ln(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => x.sigmoid(),
        Function::Silu => x.silu(),
        Function::Erf => x.erf(),
        Function::Gelu => x.gelu(),
        Function::Exp2 => x.exp2(),
        Function::Floor => x.floor(),
        Function::Round => x.round(),
        // Φ(x) = ½ (1 + erf(x/√2))
        Function::NormalCdf => x.mul_scalar(std::f64::consts::FRAC_1_SQRT_2)?.erf()?.add_scalar(1.0)?.mul_scalar(0.5),
    }
}

/// A [`Formula`](crate::ops::Formula) where it is used: `formula!(|x, y| x * y.exp())`, with f64 constants before it:
/// `formula!([rate = 0.1] |p, g| p - rate * g)`.
///
/// The body is generic: `T` is the number's type, for `T::from_f64(0.5)`, `T::ZERO`, `T::select(mask, yes, no)`.
#[macro_export]
macro_rules! formula {
    (|$($x:ident),+| $body:expr) => {
        $crate::formula!([] |$($x),+| $body)
    };
    ([$($constant:ident = $value:expr),* $(,)?] |$($x:ident),+| $body:expr) => {{
        #[derive(Clone, Copy)]
        struct Body {
            $($constant: f64),*
        }
        impl $crate::ops::Formula<{ [$(stringify!($x)),+].len() }> for Body {
            #[inline(always)]
            fn apply<T: $crate::ops::Number>(self, [$($x),+]: [T; { [$(stringify!($x)),+].len() }]) -> T {
                $(let $constant = T::from_f64(self.$constant);)*
                $body
            }
        }
        Body { $($constant: $value),* }
    }};
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let silu = |v: f64| v / (1.0 + (-v).exp());
    vec![
        Spec::new("map of one", |x| Ok(vec![map([&x[0]], formula!(|x| x.sin() * x.silu() + x.gelu()))?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0])])
            .orders(2),
        Spec::new("map of two", |x| Ok(vec![map([&x[0], &x[1]], formula!(|gate, up| gate.silu() * up))?]))
            .sample("row and column", vec![normal(&[3, 1]), normal(&[4])])
            .reference(move |x| vec![x[0].iter().flat_map(|a| x[1].iter().map(move |b| silu(*a) * b)).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3])],
                "map: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
        Spec::new("map of three", |x| {
            Ok(vec![map(
                [&x[0], &x[1], &x[2]],
                formula!([half = 0.5] | x, w, b | (x - half).powf(w) + T::select(x.less(b), b * b, w)),
            )?])
        })
        .sample("row, matrix and number", vec![positive(&[4]).add_scalar(0.5).expect("floats"), positive(&[3, 4]), normal(&[])])
        .orders(2)
        .may_drop_nan(),
        Spec::new("map of four", |x| {
            Ok(vec![map([&x[0], &x[1], &x[2], &x[3]], formula!(|a, b, c, d| a.sin() * b + c * (d * d)))?])
        })
        .sample("matrices", vec![normal(&[2, 3]), normal(&[2, 3]), normal(&[2, 3]), normal(&[2, 3])])
        .orders(2),
        Spec::new("map of five", |x| {
            Ok(vec![map([&x[0], &x[1], &x[2], &x[3], &x[4]], formula!(|x, mean, scale, w, b| (x - mean) * scale * w + b))?])
        })
        .sample("layer norm", vec![normal(&[3, 4]), normal(&[3, 1]), positive(&[3, 1]), normal(&[4]), normal(&[4])])
        .orders(2),
        Spec::new("map of six", |x| {
            let all = [&x[0], &x[1], &x[2], &x[3], &x[4], &x[5]];
            Ok(vec![map(all, formula!(|a, b, c, d, e, f| a * b + c * d + (e * f).tanh()))?])
        })
        .sample(
            "matrix, rows, columns and numbers",
            vec![normal(&[2, 3]), normal(&[3]), normal(&[2, 1]), normal(&[]), normal(&[2, 3]), normal(&[1, 3])],
        )
        .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: map_of_one, map_of_two, map_of_three, map_of_four, map_of_five, map_of_six);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    #[test]
    fn what_no_vector_unit_computes_is_computed_all_the_same() {
        let x = Tensor::from_slice(&[1e7_f32, 0.5, -3e8], &[3]).unwrap().requires_grad();
        let y = map([&x], formula!(|x| x.sin() * T::from_f64(2.0))).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap()[2], 2.0 * (-3e8_f32).sin());
        let slope = y.sum(&[], false).unwrap().backward().unwrap().take(&x).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(slope[0], 2.0 * 1e7_f32.cos());
    }

    #[test]
    fn half_precision_is_computed_in_f32_and_mixed_operands_in_the_wider_type() {
        let (a, b) = (Tensor::ones(&[2], DType::BF16).unwrap(), Tensor::ones(&[2], DType::F64).unwrap());
        assert_eq!(map([&a], formula!(|a| a + a)).unwrap().dtype(), DType::F32);
        assert_eq!(map([&a, &b], formula!(|a, b| a + b)).unwrap().dtype(), DType::F64);
        let words = map([&Tensor::arange(2).unwrap()], formula!(|a| a + a)).err().unwrap().to_string();
        assert_eq!(words, "map: takes floating-point numbers, got i64 and i64; cast with to_dtype");
    }
}
