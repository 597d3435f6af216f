//! Norms over the last axis.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::ops::reduce::sum_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Rows over their root mean square, times a weight:
///
/// `y[…, i] = x[…, i] / √(mean(x[…]²) + ε) · weight[i]`
///
/// Shapes: x `(…, n)`, weight `(n)`; the result has the shape of x. bf16 and f16 count as f32.
///
/// # Gradient
/// Of x and the weight, each where it is wanted, from the reciprocal roots that the forward pass keeps, one a row.
///
/// # Errors
/// If the weight is not a vector as long as the last dimension, or a dtype is no floating-point one.
///
/// # Source
/// Zhang and Sennrich (2019), arXiv 1910.07467, equation 4.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::rms_norm};
/// let (x, w) = (Tensor::from_rows(&[[2.0_f64, -2.0, 2.0, 2.0]])?, Tensor::from_slice(&[1.0_f64, 3.0, 1.0, 1.0], &[4])?);
/// assert_eq!(rms_norm(&x, &w, 0.0)?.to_vec::<f64>()?, [1.0, -3.0, 1.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "RMSNorm")]
#[track_caller]
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    check_vector("rms_norm", x, "weight", weight)?;
    let dtype = check::common_float("rms_norm", x, weight)?;
    let (x, w) = (x.to_dtype(dtype)?.contiguous_for("rms_norm")?, weight.to_dtype(dtype)?.contiguous_for("rms_norm")?);
    let [y, rho] = door::rowwise::rms_norm("rms_norm", &x, &w, eps)?;
    Ok(Tensor::record(y, &[&x, &w], RmsNorm { eps, rho }))
}

/// Rows less their mean, over their standard deviation, times a weight, plus a bias:
///
/// `y[…, i] = (x[…, i] − μ) / √(mean((x[…] − μ)²) + ε) · weight[i] + bias[i]`
///
/// Shapes: x `(…, n)`, weight and bias `(n)`; the result has the shape of x. bf16 and f16 count as f32.
///
/// # Gradient
/// Of all three, each where it is wanted, from the means and deviations that the forward pass keeps.
///
/// # Errors
/// If the weight or the bias is not a vector as long as the last dimension, or a dtype is no floating-point one.
///
/// # Source
/// Ba, Kiros and Hinton (2016), arXiv 1607.06450.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::layer_norm};
/// let x = Tensor::from_rows(&[[1.0_f64, 3.0], [5.0, 1.0]])?;
/// let (w, b) = (Tensor::full(&[2], 10.0_f64)?, Tensor::full(&[2], 0.5_f64)?);
/// assert_eq!(layer_norm(&x, &w, &b, 0.0)?.to_vec::<f64>()?, [-9.5, 10.5, 10.5, -9.5]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "LayerNorm")]
#[track_caller]
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    check_vector("layer_norm", x, "weight", weight)?;
    check_vector("layer_norm", x, "bias", bias)?;
    let dtype = match check::common_float("layer_norm", x, weight)? {
        DType::F32 => check::common_float("layer_norm", x, bias)?,
        wide => check::common_float("layer_norm", x, bias).map(|_| wide)?,
    };
    let cast = |t: &Tensor| t.to_dtype(dtype)?.contiguous_for("layer_norm");
    let (x, w, b) = (cast(x)?, cast(weight)?, cast(bias)?);
    let (y, kept) = door::rowwise::layer_norm("layer_norm", &x, [&w, &b], eps)?;
    Ok(Tensor::record(y, &[&x, &w, &b], LayerNorm { eps, kept }))
}

struct LayerNorm {
    eps: f64,
    /// μ and ρ, one each a row.
    kept: [Tensor; 2],
}

impl Gradient for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i < 2
    }
    // With ρ = (mean((x − μ)²) + ε)^(−1/2) and x̂ = ρ (x − μ):
    // x̄ = ρ (w ȳ − mean(w ȳ) − x̂ · mean(w ȳ x̂)),  w̄ = Σ ȳ x̂,  b̄ = Σ ȳ over rows.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None; 3]) };
        let (x, w) = (saved.input(0), saved.input(1));
        let needs = [0, 1, 2].map(|i| saved.needs(i));
        if !saved.is_recorded() {
            let g = g.to_dtype(x.dtype())?.contiguous_detached("rms_norm")?;
            return door::rowwise::layer_norm_backward("layer_norm", [&x, &w, &self.kept[0], &self.kept[1]], &g, needs);
        }
        let mean = |t: &Tensor| t.sum(&[-1], true)?.mul_scalar(1.0 / x.dim(-1) as f64);
        let centred = x.sub(&mean(&x)?)?;
        let rho = reciprocal_root(&mean(&centred.mul(&centred)?)?, self.eps)?;
        let unit = centred.mul(&rho)?;
        let gw = g.mul(&w)?;
        let dx = || rho.mul(&gw.sub(&mean(&gw)?)?.sub(&unit.mul(&mean(&gw.mul(&unit)?)?)?)?);
        let dw = || sum_to(&g.mul(&unit)?, w.shape());
        let db = || sum_to(g, w.shape());
        Ok(vec![needs[0].then(dx).transpose()?, needs[1].then(dw).transpose()?, needs[2].then(db).transpose()?])
    }
}

/// (x + ε)^(−1/2)
#[track_caller]
fn reciprocal_root(x: &Tensor, eps: f64) -> Result<Tensor> {
    x.add_scalar(eps)?.ln()?.mul_scalar(-0.5)?.exp()
}

/// A vector as long as the last dimension of x.
#[track_caller]
fn check_vector(op: &str, x: &Tensor, name: &str, vector: &Tensor) -> Result<()> {
    if x.rank() == 0 || vector.shape() != [x.dim(-1)] {
        let (got, rows) = (vector.shape(), x.shape());
        return Err(Error::shape(format!(
            "{op}: rows of shape {rows:?} need a {name} as long as their last dimension, got {got:?}"
        )));
    }
    Ok(())
}

struct RmsNorm {
    eps: f64,
    rho: Tensor,
}

impl Gradient for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }
    // With ρ = (mean(x²) + ε)^(−1/2) and x̂ = ρ x:  x̄ = ρ (w ȳ − x̂ · mean(w ȳ x̂)),  w̄ = Σ ȳ x̂ over rows.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (x, w) = (saved.input(0), saved.input(1));
        if !saved.is_recorded() {
            let g = g.to_dtype(x.dtype())?.contiguous_detached("layer_norm")?;
            return door::rowwise::rms_norm_backward("rms_norm", [&x, &w, &self.rho], &g, [saved.needs(0), saved.needs(1)]);
        }
        let mean = |t: &Tensor| t.sum(&[-1], true)?.mul_scalar(1.0 / x.dim(-1) as f64);
        let rho = reciprocal_root(&mean(&x.mul(&x)?)?, self.eps)?;
        let unit = x.mul(&rho)?;
        let gw = g.mul(&w)?;
        let dx = || rho.mul(&gw.sub(&unit.mul(&mean(&gw.mul(&unit)?)?)?)?);
        let dw = || sum_to(&g.mul(&unit)?, w.shape());
        Ok(vec![saved.needs(0).then(dx).transpose()?, saved.needs(1).then(dw).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("rms_norm", |x| Ok(vec![rms_norm(&x[0], &x[1], 1e-3)?]))
            .sample("rows", vec![normal(&[2, 3, 5]), normal(&[5])])
            .sample("one row", vec![normal(&[7]), normal(&[7])])
            .sample("no rows", vec![normal(&[0, 5]), normal(&[5])])
            .sample("empty rows", vec![normal(&[3, 0]), normal(&[0])])
            .reference(|x| {
                let n = x[1].len().max(1);
                let row = |row: &[f64]| {
                    let rms = (row.iter().map(|v| v * v).sum::<f64>() / n as f64 + 1e-3).sqrt();
                    row.iter().zip(&x[1]).map(|(v, w)| v / rms * w).collect::<Vec<_>>()
                };
                vec![x[0].chunks(n).flat_map(row).collect()]
            })
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), normal(&[2])],
                "rms_norm: rows of shape [2, 3] need a weight as long as their last dimension, got [2]",
            )
            .refuses(
                vec![normal(&[3]), Tensor::arange(3).unwrap()],
                "rms_norm: takes floating-point numbers, got f64 and i64; cast with to_dtype",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: rms_norm);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn a_bf16_weight_is_read_as_f32() {
        let x = Rng::new(1).normal(&[3, 8], DType::F32).unwrap();
        let w = Rng::new(2).normal(&[8], DType::BF16).unwrap();
        let leaf = w.requires_grad();
        let y = rms_norm(&x, &leaf, 1e-5).unwrap();
        let wide = rms_norm(&x, &w.to_dtype(DType::F32).unwrap(), 1e-5).unwrap();
        assert_eq!((y.dtype(), y.to_f64_vec().unwrap()), (DType::F32, wide.to_f64_vec().unwrap()));
        let g = y.sum(&[], false).unwrap().backward().unwrap().take(&leaf).unwrap();
        assert_eq!((g.dtype(), g.shape()), (DType::F32, w.shape()));
    }
}
