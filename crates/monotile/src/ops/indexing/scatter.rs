//! Elements along an axis replaced by index, or reduced with what is there: `scatter`, `scatter_reduce`.

use std::borrow::Cow;

use super::put::{cast, numbers_beside};
use crate::check;
use crate::door;
use crate::door::gather::ScatterKind;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::index::check_index;
use crate::tape::{Gradient, Saved};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`Tensor::scatter_reduce`] puts elements together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScatterReduction {
    /// The sum: [`scatter_add`](Tensor::scatter_add).
    Sum,
    /// The mean, in which the tensor's own element counts once.
    Mean,
    /// The product.
    Prod,
    /// The largest; NaN if one is.
    Max,
    /// The smallest; NaN if one is.
    Min,
}

/// # Index and slice: elements replaced by index
///
/// An index names an element along an axis, as [`gather`](Tensor::gather) reads it.
impl Tensor {
    /// This tensor with elements along an axis replaced: out[…, index[…, j, …], …] = source[…, j, …]
    ///
    /// `index` has this tensor's shape but for the size of the axis, and counts from 0. `source` has the shape of `index`, or is a number. It is cast
    /// to this tensor's type. Where indices repeat, the last one's element stays, whatever the number of threads.
    ///
    /// # Gradient
    /// Of this tensor the cotangent, 0 where an element was replaced; of `source` the cotangent where its element stayed.
    ///
    /// # Errors
    /// As [`gather`](Tensor::gather), if `index` and `source` differ in shape, or integers or booleans meet another type.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let index = Tensor::from_rows(&[[2_i64], [0]])?;
    /// let a = Tensor::zeros(&[2, 3], DType::F64)?;
    /// assert_eq!(a.scatter(1, &index, 1.0)?.to_vec::<f64>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "put_along_axis")]
    #[track_caller]
    pub fn scatter(&self, axis: isize, index: &Tensor, source: impl TensorOrNumber) -> Result<Tensor> {
        scatter(self, axis, index, source.value())
    }

    /// This tensor's elements reduced with those of `source` whose `index` along an axis names them.
    ///
    /// Shapes are those of [`scatter_add`](Tensor::scatter_add). PyTorch's `amax` is `Max`; its `include_self` is always on. Integers stay integers.
    ///
    /// # Gradient
    /// Of an extreme in equal parts to all elements that are equal to it. Of a product that of the other factors, of zeros too; where a factor is 0 it has no
    /// second derivative.
    ///
    /// # Errors
    /// As [`scatter_add`](Tensor::scatter_add); for the mean of integers, and for a sum or product of integers that does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, ops::ScatterReduction};
    /// let a = Tensor::from_slice(&[0.0_f64, 9.0], &[2])?;
    /// let (index, source) = (Tensor::from(vec![0_i64, 0, 1]), Tensor::from(vec![3.0, 6.0, 2.0]));
    /// assert_eq!(a.scatter_reduce(0, &index, &source, ScatterReduction::Max)?.to_vec::<f64>()?, [6.0, 9.0]);
    /// assert_eq!(a.scatter_reduce(0, &index, &source, ScatterReduction::Mean)?.to_vec::<f64>()?, [3.0, 5.5]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "segment_reduce")]
    #[track_caller]
    pub fn scatter_reduce(&self, axis: isize, index: &Tensor, source: &Tensor, reduction: ScatterReduction) -> Result<Tensor> {
        let (d, index) = check_index("scatter_reduce", self, axis, index)?;
        check_source("scatter_reduce", &index, source)?;
        if self.dtype().is_integer() && source.dtype().is_integer() {
            return of_integers("scatter_reduce", self, d, &index, source, reduction);
        }
        let dtype = check::common_float("scatter_reduce", self, source)?;
        let (x, source) = (self.to_dtype(dtype)?, source.to_dtype(dtype)?);
        match reduction {
            ScatterReduction::Sum | ScatterReduction::Mean => {
                door::gather::check_range("scatter_reduce", &index, d, x.shape()[d])?;
                let sums = x.scatter_add(axis, &index, &source)?;
                if reduction == ScatterReduction::Sum {
                    return Ok(sums);
                }
                let counts = x.detach().ones_like().scatter_add(axis, &index, &source.detach().ones_like())?;
                sums.div(&counts)
            }
            ScatterReduction::Max | ScatterReduction::Min | ScatterReduction::Prod => {
                let (a, b) = (x.contiguous_detached("scatter_reduce")?, source.contiguous_detached("scatter_reduce")?);
                let kind = match reduction {
                    ScatterReduction::Max => ScatterKind::Max,
                    ScatterReduction::Min => ScatterKind::Min,
                    _ => ScatterKind::Prod,
                };
                let out = door::gather::scatter_reduce("scatter_reduce", &a, d, &index, &b, kind)?;
                Ok(match kind {
                    ScatterKind::Prod => Tensor::record(out, &[&x, &source], ScatterProduct { axis: d, index }),
                    _ => Tensor::record(out, &[&x, &source], ScatterExtreme { axis: d, index }),
                })
            }
        }
    }
}

/// The reductions of integers, exactly.
#[track_caller]
pub(crate) fn of_integers(
    op: &str,
    x: &Tensor,
    axis: usize,
    index: &Tensor,
    source: &Tensor,
    reduction: ScatterReduction,
) -> Result<Tensor> {
    let (kind, what) = match reduction {
        ScatterReduction::Sum => (ScatterKind::Sum, "sum"),
        ScatterReduction::Prod => (ScatterKind::Prod, "product"),
        ScatterReduction::Max => (ScatterKind::Max, "maximum"),
        ScatterReduction::Min => (ScatterKind::Min, "minimum"),
        ScatterReduction::Mean => {
            return Err(Error::dtype(format!(
                "{op}: the mean takes floating-point numbers, got {}; cast with to_dtype",
                x.dtype()
            )));
        }
    };
    let [x, source] = [x, source].map(|x| x.widened(op)?.contiguous_detached(op));
    match door::gather::scatter_integers(op, &x?, axis, index, &source?, kind)? {
        Some(out) => Ok(out),
        None => Err(Error::value(format!("{op}: a {what} of integers does not fit i64"))),
    }
}

#[track_caller]
fn check_source(op: &str, index: &Tensor, source: &Tensor) -> Result<()> {
    if index.shape() == source.shape() {
        return Ok(());
    }
    let (a, b) = (index.shape(), source.shape());
    Err(Error::shape(format!("{op}: indices of shape {a:?} for a source of shape {b:?}; they must be equal")))
}

#[track_caller]
fn scatter(x: &Tensor, axis: isize, index: &Tensor, source: OperandValue<'_>) -> Result<Tensor> {
    let (d, index) = check_index("scatter", x, axis, index)?;
    let is_number = !matches!(source, OperandValue::Tensor(_));
    let source = cast("scatter", x, source)?;
    let source = if is_number { Cow::Owned(source.expand(index.shape())?) } else { Cow::Borrowed(&source) };
    check_source("scatter", &index, &source)?;
    let (there, written) =
        (x.beside(&index)?.contiguous_detached("scatter")?, source.beside(&index)?.contiguous_detached("scatter")?);
    let out = door::gather::scatter("scatter", &there, d, &index, &written)?;
    if !out.dtype().is_float() {
        return Ok(out);
    }
    Ok(Tensor::record(out, &[x, &source], Scatter { axis: d, index }))
}

struct Scatter {
    axis: usize,
    index: Tensor,
}

impl Gradient for Scatter {
    fn name(&self) -> &'static str {
        "scatter"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // x̄ = ȳ but for the elements that were written, s̄ⱼ = ȳ[indexⱼ] where no later index is the same
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (axis, index, shape) = (self.axis as isize, &self.index, saved.input_shape(0));
        let kept = || Tensor::zeros(shape, DType::Bool)?.scatter(axis, index, true)?.where_(0.0, g);
        let stayed = || -> Result<Tensor> {
            let mut row = Dims::from_elem(1, g.rank());
            row[self.axis] = index.dim(axis);
            let numbers = numbers_beside(g, index.dim(axis))?.reshape(&row)?.expand(index.shape())?;
            let last = Tensor::zeros(shape, numbers.dtype())?.scatter(axis, index, &numbers)?;
            last.gather(axis, index)?.eq(&numbers)?.where_(g.gather(axis, index)?, 0.0)
        };
        Ok(vec![saved.needs(0).then(kept).transpose()?, saved.needs(1).then(stayed).transpose()?])
    }
}

struct ScatterProduct {
    axis: usize,
    index: Tensor,
}

impl Gradient for ScatterProduct {
    fn name(&self) -> &'static str {
        "scatter_reduce"
    }
    // x̄ = ȳ Π of the other factors. With r the product of those that are not 0, it is r / x where no other is 0, and r for an x that is 0 itself.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (axis, index) = (self.axis as isize, &self.index);
        let zeros = [0, 1].map(|i| saved.constant_input(i).eq(0.0));
        let [own, others] = zeros;
        let (own, others) = (own?, others?);
        if saved.is_recorded() && (own.any(.., false)?.item::<bool>()? || others.any(.., false)?.item::<bool>()?) {
            let words = "the gradient of scatter_reduce cannot be differentiated again: a factor of a product is 0";
            return Err(Error::new(ErrorKind::Unsupported, words));
        }
        let (x, source) = (own.where_(1.0, saved.input(0))?, others.where_(1.0, saved.input(1))?);
        let rest = g.mul(x.scatter_reduce(axis, index, &source, ScatterReduction::Prod)?)?;
        let (own, others) = (own.to_dtype(g.dtype())?, others.to_dtype(g.dtype())?);
        let count = own.scatter_add(axis, index, &others)?;
        let by_x = || count.eq(&own)?.where_(rest.div(&x)?, 0.0);
        let by_source = || count.gather(axis, index)?.eq(&others)?.where_(rest.gather(axis, index)?.div(&source)?, 0.0);
        Ok(vec![saved.needs(0).then(by_x).transpose()?, saved.needs(1).then(by_source).transpose()?])
    }
}

struct ScatterExtreme {
    axis: usize,
    index: Tensor,
}

impl Gradient for ScatterExtreme {
    fn name(&self) -> &'static str {
        "scatter_reduce"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // q = ȳ / n of n elements that equal y;  x̄ = q where x = y, s̄ⱼ = q[indexⱼ] where sⱼ = y[indexⱼ]
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (axis, index) = (self.axis as isize, &self.index);
        let [x, source] = [0, 1].map(|i| saved.constant_input(i));
        let y = saved.constant_output(0);
        let (own, others) = (x.eq(&y)?, source.eq(&y.gather(axis, index)?)?);
        let counts = own.to_dtype(g.dtype())?.scatter_add(axis, index, &others.to_dtype(g.dtype())?)?;
        // Where NaN is the extreme nothing is equal to it, and n is 0.
        let share = g.div(&counts.maximum(1.0)?)?;
        let by_x = saved.needs(0).then(|| own.where_(&share, 0.0)).transpose()?;
        let by_source = saved.needs(1).then(|| others.where_(share.gather(axis, index)?, 0.0)).transpose()?;
        Ok(vec![by_x, by_source])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let index = || Tensor::from_slice(&[2_i64, 0, 2, 2, 1, 1, 0, 0], &[2, 2, 2]).expect("eight indices");
    let place = |at: usize, j: f64| (at / 4 * 3 + j as usize) * 2 + at % 2;
    let reduced = move |name: &'static str, reduction, f: fn(f64, f64) -> f64| {
        Spec::new(name, move |x| Ok(vec![x[0].scatter_reduce(1, &x[2], &x[1], reduction)?]))
            .sample("repeated indices", vec![normal(&[2, 3, 2]), normal(&[2, 2, 2]), index()])
            .reference(move |x| {
                let mut out = x[0].clone();
                x[1].iter().zip(&x[2]).enumerate().for_each(|(at, (v, &j))| out[place(at, j)] = f(out[place(at, j)], *v));
                vec![out]
            })
            .orders(2)
    };
    vec![
        Spec::new("scatter", |x| Ok(vec![x[0].scatter(1, &x[2], &x[1])?]))
            .sample("the last of equal indices stays", vec![normal(&[2, 3, 2]), normal(&[2, 2, 2]), index()])
            .sample("no indices", vec![normal(&[2, 3, 2]), normal(&[2, 0, 2]), Tensor::zeros(&[2, 0, 2], DType::I64).unwrap()])
            .reference(move |x| {
                let mut out = x[0].clone();
                x[1].iter().zip(&x[2]).enumerate().for_each(|(at, (v, &j))| out[place(at, j)] = *v);
                vec![out]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3, 2]), normal(&[2, 2]), index()],
                "scatter: indices of shape [2, 2, 2] for a source of shape [2, 2]; they must be equal",
            )
            .refuses(vec![normal(&[2, 2, 2]), normal(&[2, 2, 2]), index()], "scatter: index 2 is outside axis 1 of size 2"),
        reduced("scatter_reduce sum", ScatterReduction::Sum, |a, b| a + b),
        reduced("scatter_reduce max", ScatterReduction::Max, f64::max),
        reduced("scatter_reduce min", ScatterReduction::Min, f64::min).refuses(
            vec![normal(&[2, 3, 2]), normal(&[2, 2]), index()],
            "scatter_reduce: indices of shape [2, 2, 2] for a source of shape [2, 2]; they must be equal",
        ),
        reduced("scatter_reduce prod", ScatterReduction::Prod, |a, b| a * b),
        Spec::new("scatter_reduce of integers", |x| {
            let all = [ScatterReduction::Sum, ScatterReduction::Prod, ScatterReduction::Max, ScatterReduction::Min];
            all.iter().map(|&how| x[0].scatter_reduce(0, &x[2], &x[1], how)).collect()
        })
        .sample("vectors", vec![Tensor::from([5_i64, 2]), Tensor::from([3_i64, 4, 7]), Tensor::from([1_i64, 0, 1])])
        .reference(|x| {
            let all: [fn(f64, f64) -> f64; 4] = [|a, b| a + b, |a, b| a * b, f64::max, f64::min];
            all.iter().map(|f| vec![f(x[0][0], x[1][1]), f(f(x[0][1], x[1][0]), x[1][2])]).collect()
        })
        .refuses(
            vec![Tensor::from([i64::MAX]), Tensor::from([1_i64]), Tensor::from([0_i64])],
            "scatter_reduce: a sum of integers does not fit i64",
        )
        .refuses(
            vec![Tensor::from([i64::MIN]), Tensor::from([1_i64, -1]), Tensor::from([0_i64, 0])],
            "scatter_reduce: a product of integers does not fit i64",
        ),
        Spec::new("scatter_reduce mean", |x| Ok(vec![x[0].scatter_reduce(0, &x[2], &x[1], ScatterReduction::Mean)?]))
            .sample("vectors", vec![normal(&[2]), normal(&[3]), Tensor::from(vec![1_i64, 0, 1])])
            .reference(|x| vec![vec![(x[0][0] + x[1][1]) / 2.0, (x[0][1] + x[1][0] + x[1][2]) / 3.0]])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: scatter, scatter_reduce_sum, scatter_reduce_max, scatter_reduce_min, scatter_reduce_prod, scatter_reduce_of_integers, scatter_reduce_mean);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    /// `x = torch.tensor([1., 5.], requires_grad=True); s = torch.tensor([5., 2., 5.], requires_grad=True)`
    /// `x.scatter_reduce(0, torch.tensor([1, 0, 1]), s, "amax").dot(torch.tensor([2., 3.])).backward()`
    #[test]
    fn equal_extremes_share_the_gradient_as_in_pytorch() {
        let x = Tensor::from(vec![1.0, 5.0]).requires_grad();
        let s = Tensor::from(vec![5.0, 2.0, 5.0]).requires_grad();
        let y = x.scatter_reduce(0, &Tensor::from(vec![1_i64, 0, 1]), &s, ScatterReduction::Max).unwrap();
        let loss = y.mul(Tensor::from(vec![2.0, 3.0])).unwrap().sum(&[], false).unwrap();
        let g = grad(&loss, &[&x, &s]).unwrap();
        assert_eq!(g[0].to_vec::<f64>().unwrap(), [0.0, 1.0]);
        assert_eq!(g[1].to_vec::<f64>().unwrap(), [1.0, 2.0, 1.0]);
    }

    #[test]
    fn a_sum_or_product_of_integers_is_exact_where_it_leaves_i64_on_the_way() {
        let x = Tensor::from([[i64::MAX, 5], [i64::MIN, 7]]);
        let index = Tensor::from([[0_i64, 0, 1], [0, 0, 0]]);
        let source = Tensor::from([[3_i64, -2, 4], [-1, 1, i64::MAX]]);
        let x = x.sub(Tensor::from([[1_i64, 0], [0, 0]])).unwrap();
        assert_eq!(x.scatter_add(1, &index, &source).unwrap().to_vec::<i64>().unwrap(), [i64::MAX, 9, -1, 7]);
        let (index, source) = (Tensor::from([0_i64, 0, 1, 0, 1]), Tensor::from([i64::MAX, 2, 3, 0, -1]));
        let products = Tensor::from([i64::MIN, 2]).scatter_reduce(0, &index, &source, ScatterReduction::Prod).unwrap();
        assert_eq!(products.to_vec::<i64>().unwrap(), [0, -6]);
        let added = Tensor::from([i64::MAX]).index_add(0, &Tensor::from([0_i64, 0]), &Tensor::from([1_i64, -1])).unwrap();
        assert_eq!(added.to_vec::<i64>().unwrap(), [i64::MAX]);
    }

    #[test]
    fn a_factor_of_zero_has_the_product_of_the_others_as_its_gradient() {
        // 0 · 3 · 2 at the first place, 0 · 0 at the second.
        let x = Tensor::from([0.0, 0.0]).requires_grad();
        let s = Tensor::from([3.0, 0.0, 2.0]).requires_grad();
        let index = Tensor::from([0_i64, 1, 0]);
        let y = x.scatter_reduce(0, &index, &s, ScatterReduction::Prod).unwrap().sum(.., false).unwrap();
        let g = grad(&y, [&x, &s]).unwrap();
        assert_eq!((g[0].to_vec::<f64>().unwrap(), g[1].to_vec::<f64>().unwrap()), (vec![6.0, 0.0], vec![0.0, 0.0, 0.0]));
        let words = crate::tape::grad_recorded(&y, [&x]).err().unwrap().to_string();
        assert_eq!(words, "the gradient of scatter_reduce cannot be differentiated again: a factor of a product is 0");
        let n = Tensor::arange(2).unwrap();
        let words = n.scatter_reduce(0, &n, &n, ScatterReduction::Mean).err().unwrap().to_string();
        assert_eq!(words, "scatter_reduce: the mean takes floating-point numbers, got i64; cast with to_dtype");
        assert_eq!(n.scatter_add(0, &n, &n).unwrap().to_vec::<i64>().unwrap(), [0, 2]);
    }

    #[test]
    fn integers_and_booleans_are_written_too() {
        let index = Tensor::from(vec![2_i64, 0]);
        let n = Tensor::arange(3).unwrap();
        assert_eq!(n.scatter(0, &index, Tensor::from(vec![7_i64, 8])).unwrap().to_vec::<i64>().unwrap(), [8, 1, 7]);
        assert_eq!(n.gt(5).unwrap().scatter(0, &index, true).unwrap().to_vec::<bool>().unwrap(), [true, false, true]);
        let words = n.scatter(0, &index, 0.5).err().unwrap().to_string();
        assert_eq!(words, "scatter: 0.5 stands beside a tensor of i64; take an integer, or cast the tensor with to_dtype");
    }
}
