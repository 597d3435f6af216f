//! Running sums, products, extrema and log-sum-exps along an axis.

use super::recurrence::{all_but_first, backwards, moved_on};
use crate::check;
use crate::door::reduce::{Scan, scan, scan_extrema};
use crate::error::Result;
use crate::ops;
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The operand of a scan: floating-point numbers as they are computed in, integers, and booleans as integers.
#[track_caller]
fn counted(op: &str, x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        dtype if dtype.is_float() => x.to_compute_dtype(op),
        _ => x.to_dtype(DType::I64),
    }
}

/// # Scan
///
/// Running sums, products and extremes: each element with all before it.
impl Tensor {
    /// The running sum along `axis`: yⱼ = Σ xₖ over k ≤ j.
    ///
    /// Floating-point numbers are added in f64. Running sums of f64 never fall where no term is negative. Integers are exact; booleans are
    /// counted as i64.
    ///
    /// # Gradient
    /// The running sum of the cotangent from the other end.
    ///
    /// # Errors
    /// If the axis does not exist, or a sum of integers does not fit i64.
    ///
    /// # Cost
    /// An addition an element. A single long series is cut over threads, which read it twice; one of f64 is not cut.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f64, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.cumsum(0)?.to_vec::<f64>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Result<Tensor> {
        let axis = check::axis("cumsum", axis, self.rank())?;
        let x = counted("cumsum", self)?;
        let y = scan("cumsum", &x.contiguous_detached("cumsum")?, axis, Scan::Sum)?;
        Ok(recorded(y, &x, Cumsum { axis: axis as isize }))
    }

    /// The running product along `axis`: yⱼ = Π xₖ over k ≤ j. Floating-point numbers are multiplied in f64 and in order, integers exactly;
    /// booleans count as 0 and 1.
    ///
    /// # Gradient
    /// x̄ⱼ = yⱼ₋₁ λⱼ with λⱼ = ȳⱼ + xⱼ₊₁ λⱼ₊₁: nothing is divided by, so that zeros have their gradient too.
    ///
    /// # Errors
    /// If the axis does not exist, or a product of integers does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1_i64, 2, 3, 4], &[4])?;
    /// assert_eq!(x.cumprod(0)?.to_vec::<i64>()?, [1, 2, 6, 24]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Result<Tensor> {
        let axis = check::axis("cumprod", axis, self.rank())?;
        let x = counted("cumprod", self)?;
        let y = scan("cumprod", &x.contiguous_detached("cumprod")?, axis, Scan::Product)?;
        Ok(recorded(y, &x, Cumprod { axis: axis as isize }))
    }

    /// The running ln Σ eˣ along `axis`: yⱼ = ln Σ exp xₖ over k ≤ j, in f64 and without overflow.
    ///
    /// # Gradient
    /// x̄ⱼ = e^(xⱼ - yⱼ) λⱼ with λⱼ = ȳⱼ + e^(yⱼ - yⱼ₊₁) λⱼ₊₁, of which no exponent is positive; 0 where y is -∞.
    ///
    /// # Errors
    /// If the axis does not exist; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1000.0_f64, 1000.0], &[2])?;
    /// assert_eq!(x.logcumsumexp(0)?.to_vec::<f64>()?, [1000.0, 1000.0 + 2.0_f64.ln()]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn logcumsumexp(&self, axis: isize) -> Result<Tensor> {
        let axis = check::axis("logcumsumexp", axis, self.rank())?;
        let x = self.to_compute_dtype("logcumsumexp")?;
        let y = scan("logcumsumexp", &x.contiguous_detached("logcumsumexp")?, axis, Scan::LogSumExp)?;
        Ok(recorded(y, &x, LogCumsumExp { axis: axis as isize }))
    }

    /// The running maximum along `axis`, and the index of each as i64: the last of equal ones, and from the first NaN on that of the last NaN.
    ///
    /// # Gradient
    /// Of the elements that the indices name.
    ///
    /// # Errors
    /// If the axis does not exist.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f64, 3.0, 2.0, 3.0], &[4])?;
    /// let (largest, index) = x.cummax(0)?;
    /// assert_eq!(largest.to_vec::<f64>()?, [1.0, 3.0, 3.0, 3.0]);
    /// assert_eq!(index.to_vec::<i64>()?, [0, 1, 1, 3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn cummax(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        extrema("cummax", self, axis, true)
    }

    /// The running minimum along `axis`, and the index of each, as in [`cummax`](Tensor::cummax).
    ///
    /// # Errors
    /// If the axis does not exist.
    #[track_caller]
    pub fn cummin(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        extrema("cummin", self, axis, false)
    }
}

#[track_caller]
fn extrema(op: &str, x: &Tensor, axis: isize, largest: bool) -> Result<(Tensor, Tensor)> {
    let d = check::axis(op, axis, x.rank())?;
    let (values, index) = scan_extrema(op, &counted(op, x)?.contiguous_detached(op)?, d, largest)?;
    // What was widened to be compared has its own type again.
    Ok((ops::index::recorded(values.to_dtype(x.dtype())?, x, d, index.clone()), index))
}

/// The result of an operation on numbers that have a gradient, or on integers, which have none.
fn recorded(y: Tensor, x: &Tensor, rule: impl Gradient) -> Tensor {
    if y.dtype().is_float() { Tensor::record(y, &[x], rule) } else { y }
}

struct Cumsum {
    axis: isize,
}

impl Gradient for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // x̄ₖ = Σ ȳⱼ over j ≥ k
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let from_the_end = |g: &Tensor| g.flip(self.axis)?.cumsum(self.axis)?.flip(self.axis);
        Ok(vec![cotangents[0].as_ref().map(from_the_end).transpose()?])
    }
}

struct Cumprod {
    axis: isize,
}

impl Gradient for Cumprod {
    fn name(&self) -> &'static str {
        "cumprod"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // x̄ⱼ = yⱼ₋₁ λⱼ, λⱼ = ȳⱼ + xⱼ₊₁ λⱼ₊₁
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0].as_ref().filter(|g| !g.is_empty()) else { return Ok(vec![None]) };
        let lambda = backwards(&all_but_first(&saved.input(0), self.axis)?, g, self.axis)?;
        Ok(vec![Some(lambda.mul(&moved_on(&saved.output(0), self.axis, 1.0)?)?)])
    }
}

struct LogCumsumExp {
    axis: isize,
}

impl Gradient for LogCumsumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // x̄ⱼ = e^(xⱼ - yⱼ) λⱼ, λⱼ = ȳⱼ + e^(yⱼ - yⱼ₊₁) λⱼ₊₁
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0].as_ref().filter(|g| !g.is_empty()) else { return Ok(vec![None]) };
        // A finite bound in place of -∞, as in logsumexp.
        let y = saved.output(0).clamp(f64::from(f32::MIN), f64::INFINITY)?;
        let before = y.slice(self.axis, ..y.dim(self.axis) - 1)?;
        let factors = before.sub(&all_but_first(&y, self.axis)?)?.exp()?;
        let lambda = backwards(&factors, g, self.axis)?;
        Ok(vec![Some(lambda.mul(&saved.input(0).sub(&y)?.exp()?)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    /// The elements up to each of a matrix of four columns along an axis, put together.
    fn running(axis: isize, f: fn(&[f64]) -> f64) -> impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> {
        let before = move |i: usize| if axis == 0 { (i % 4..=i).step_by(4) } else { (i / 4 * 4..=i).step_by(1) };
        move |x| vec![(0..x[0].len()).map(|i| f(&before(i).map(|k| x[0][k]).collect::<Vec<_>>())).collect()]
    }
    type Operation = fn(&Tensor, isize) -> Result<Tensor>;
    let record = |name: &'static str, axis: isize, f: Operation, plain: fn(&[f64]) -> f64| {
        Spec::new(name, move |x| Ok(vec![f(&x[0], axis)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0, 4])])
            .reference(running(axis, plain))
            .orders(2)
    };
    let mut all = Vec::new();
    for axis in [0, 1] {
        all.push(record("cumsum", axis, |x, axis| x.cumsum(axis), |x| x.iter().sum()));
        all.push(record("cumprod", axis, |x, axis| x.cumprod(axis), |x| x.iter().fold(1.0, |y, x| y * x)));
        all.push(record("logcumsumexp", axis, |x, axis| x.logcumsumexp(axis), |x| x.iter().map(|x| x.exp()).sum::<f64>().ln()));
        let largest: Operation = |x, axis| Ok(x.cummax(axis)?.0);
        all.push(record("cummax", axis, largest, |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
        let smallest: Operation = |x, axis| Ok(x.cummin(axis)?.0);
        all.push(record("cummin", axis, smallest, |x| x.iter().copied().fold(f64::INFINITY, f64::min)));
    }
    let refused = |name: &'static str, f: Operation| {
        let words = format!("{name}: axis 1 is not an axis of a tensor of rank 1");
        Spec::new(name, move |x| Ok(vec![f(&x[0], 1)?])).refuses(vec![normal(&[3])], words)
    };
    all.extend([refused("cumsum", |x, axis| x.cumsum(axis)), refused("cumprod", |x, axis| x.cumprod(axis))]);
    all.push(refused("logcumsumexp", |x, axis| x.logcumsumexp(axis)).refuses(
        vec![Tensor::arange(4).unwrap().reshape(&[2, 2]).unwrap()],
        "logcumsumexp: takes floating-point numbers, got i64; cast with to_dtype",
    ));
    all.push(refused("cummax", |x, axis| Ok(x.cummax(axis)?.0)));
    all
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cumsum, cumprod, logcumsumexp, cummax, cummin);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{CheckGradientOptions, check_gradient};

    #[test]
    fn zeros_have_their_gradient_in_a_running_product() {
        // torch: x = tensor([2., 0., 3., 0., 5.], requires_grad=True); x.cumprod(0).sum().backward(); x.grad
        let x = Tensor::from_slice(&[2.0_f64, 0.0, 3.0, 0.0, 5.0], &[5]).unwrap().requires_grad();
        let y = x.cumprod(0).unwrap().sum(&[], false).unwrap();
        assert_eq!(y.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), [1.0, 8.0, 0.0, 0.0, 0.0]);
        let options = CheckGradientOptions { order: 2, ..Default::default() };
        check_gradient(|x| Ok(vec![x[0].cumprod(0)?]), &[x.detach()], &options).unwrap();
    }

    #[test]
    fn integers_and_booleans_are_counted_exactly() {
        let odd = (1_i64 << 53) + 1;
        let x = Tensor::from_slice(&[odd, 1, -1, 2], &[2, 2]).unwrap();
        assert_eq!(x.cumsum(0).unwrap().to_vec::<i64>().unwrap(), [odd, 1, odd - 1, 3]);
        assert_eq!(x.mt().cumprod(0).unwrap().to_vec::<i64>().unwrap(), [odd, -1, odd, -2]);
        let mask = Tensor::from_slice(&[true, false, true], &[3]).unwrap();
        assert_eq!(mask.cumsum(-1).unwrap().to_vec::<i64>().unwrap(), [1, 1, 2]);
        assert_eq!(mask.cumprod(0).unwrap().to_vec::<i64>().unwrap(), [1, 0, 0]);
        assert_eq!(mask.cummin(0).unwrap().0.to_vec::<bool>().unwrap(), [true, false, false]);
        let words = Tensor::from_slice(&[i64::MAX, 1], &[2]).unwrap().cumsum(0).unwrap_err().to_string();
        assert_eq!(words, "cumsum: a result does not fit i64; cast with to_dtype(DType::F64) for an approximation");
    }

    #[test]
    fn running_sums_of_f32_are_right_to_the_last_bit() {
        let n = (1 << 24) + 1000;
        let last = Tensor::ones(&[n], DType::F32).unwrap().cumsum(0).unwrap().select(0, n - 1).unwrap();
        assert_eq!(last.item::<f32>().unwrap(), n as f32);
    }

    #[test]
    fn running_log_sums_begin_at_minus_infinity_with_gradient_zero() {
        let x = Tensor::from_slice(&[f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, 0.0], &[4]).unwrap().requires_grad();
        let y = x.logcumsumexp(0).unwrap();
        assert_eq!(y.to_vec::<f64>().unwrap(), [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, 2.0_f64.ln()]);
        let last = y.slice(0, 2..).unwrap().sum(&[], false).unwrap();
        assert_eq!(last.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), [0.0, 0.0, 1.5, 0.5]);
        // Far below and far above: e^y alone would be 0 or ∞.
        let x = Tensor::from_slice(&[-2000.0, -2001.0, 1500.0], &[3]).unwrap().requires_grad();
        let g = x.logcumsumexp(0).unwrap().sum(&[], false).unwrap().backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap();
        let share = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!((g[0] - 1.0 - share).abs() < 1e-12 && (g[1] - 1.0 + share).abs() < 1e-12 && g[2] == 1.0, "{g:?}");
    }

    #[test]
    fn indices_of_running_extrema_are_those_of_pytorch() {
        // torch.cummax(tensor([[1., 3., 3., nan, 2.]]), 1) and torch.cummin of the same
        let x = Tensor::from_rows(&[[1.0_f64, 3.0, 3.0, f64::NAN, 2.0]]).unwrap();
        let (values, index) = x.cummax(1).unwrap();
        assert_eq!(index.to_vec::<i64>().unwrap(), [0, 1, 2, 3, 3]);
        assert!(values.to_vec::<f64>().unwrap()[3..].iter().all(|y| y.is_nan()));
        assert_eq!(x.cummin(1).unwrap().1.to_vec::<i64>().unwrap(), [0, 0, 0, 3, 3]);
    }
}
