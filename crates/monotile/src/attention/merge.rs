//! Results of attention over different keys, made one.
//!
//! out = Σᵢ exp(lseᵢ − lse) outᵢ, lse = ln Σᵢ exp lseᵢ

use super::scaled_dot_product::PartialAttention;
use crate::check;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The result for the same queries over the keys of all `parts`, which attended to different ones:
///
/// out = Σᵢ exp(lseᵢ − lse) outᵢ, lse = ln Σᵢ exp lseᵢ
///
/// # Gradient
/// Of every part's output and log-sum-exp; a composition.
///
/// # Errors
/// If there is no part, or their shapes differ.
///
/// # Example
/// A part that saw nothing changes nothing:
/// ```
/// use monotile::{Tensor, attention::{PartialAttention, merge}};
/// let part = |out: f64, lse: f64| Ok::<_, monotile::Error>(PartialAttention {
///     out: Tensor::from_vec(vec![out], &[1, 1, 1, 1])?,
///     log_sum_exp: Tensor::from_vec(vec![lse], &[1, 1, 1])?,
/// });
/// let merged = merge(&[&part(8.0, 0.5)?, &part(0.0, f64::NEG_INFINITY)?])?;
/// assert_eq!((merged.out.item::<f64>()?, merged.log_sum_exp.item::<f64>()?), (8.0, 0.5));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn merge(parts: &[&PartialAttention]) -> Result<PartialAttention> {
    let Some(first) = parts.first() else {
        return Err(Error::value("merge: needs at least one result of attention"));
    };
    for part in parts {
        let (out, lse) = (part.out.shape(), part.log_sum_exp.shape());
        if out != first.out.shape() || lse != first.log_sum_exp.shape() || out.split_last().map(|x| x.1) != Some(lse) {
            return Err(Error::shape(format!(
                "merge: an output of shape {out:?} with a log-sum-exp of shape {lse:?} beside {:?} and {:?}",
                first.out.shape(),
                first.log_sum_exp.shape()
            )));
        }
    }
    let all: Vec<&Tensor> = parts.iter().flat_map(|part| [&part.out, &part.log_sum_exp]).collect();
    check::common_float_of("merge", &all)?;
    // The largest log-sum-exp of each row, as a constant that keeps every exponential below 1.
    let mut m = first.log_sum_exp.detach().to_dtype(first.log_sum_exp.dtype().compute())?;
    for part in &parts[1..] {
        m = m.maximum(part.log_sum_exp.detach())?;
    }
    let [zero, one, infinite] = [0.0, 1.0, f64::NEG_INFINITY].map(|x| Tensor::scalar_as(x, m.dtype()));
    let sees = m.ne(&infinite)?;
    let finite = sees.where_(&m, &zero)?;
    // A row that saw nothing in any part has the sum 0; 1 in its place makes the output and its derivatives 0.
    let nothing = sees.where_(&zero, &one)?;
    let (mut out, mut sum) = (None::<Tensor>, nothing);
    for part in parts {
        let weight = part.log_sum_exp.sub(&finite)?.exp()?;
        let weighted = part.out.mul(&weight.unsqueeze(-1)?)?;
        sum = sum.add(&weight)?;
        out = Some(out.map_or(Ok(weighted.clone()), |out| out.add(&weighted))?);
    }
    let out = out.expect("there is a first part").div(&sum.unsqueeze(-1)?)?;
    Ok(PartialAttention { out, log_sum_exp: sum.ln()?.add(&m)? })
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let merged = |x: &[Tensor]| {
        let part = |i: usize| PartialAttention { out: x[2 * i].clone(), log_sum_exp: x[2 * i + 1].clone() };
        let PartialAttention { out, log_sum_exp } = merge(&[&part(0), &part(1)])?;
        Ok(vec![out, log_sum_exp])
    };
    let part = |e| [normal(&[2, 1, 3, e]), normal(&[2, 1, 3])];
    let parts = |a: [Tensor; 2], b: [Tensor; 2]| a.into_iter().chain(b).collect::<Vec<_>>();
    vec![
        Spec::new("merge", merged)
            .sample(
                "two parts",
                parts(
                    part(2),
                    [normal(&[1, 2, 1, 3]), normal(&[6])].map(|x| {
                        let shape: &[usize] = if x.rank() == 4 { &[2, 1, 3, 1] } else { &[2, 1, 3] };
                        x.reshape(shape)
                            .expect("as many elements")
                            .expand(if x.rank() == 4 { &[2, 1, 3, 2] } else { shape })
                            .expect("sizes of 1")
                    }),
                ),
            )
            .sample("no rows", vec![normal(&[1, 1, 0, 2]), normal(&[1, 1, 0]), normal(&[1, 1, 0, 2]), normal(&[1, 1, 0])])
            .shaped_reference(|x, shapes| {
                let e = shapes[0][3];
                let (a, b) = (|i: usize| x[1][i].exp(), |i: usize| x[3][i].exp());
                let out = |at: usize| (a(at / e) * x[0][at] + b(at / e) * x[2][at]) / (a(at / e) + b(at / e));
                vec![(0..x[0].len()).map(out).collect(), (0..x[1].len()).map(|i| (a(i) + b(i)).ln()).collect()]
            })
            // The log-sum-exp does not depend on the outputs.
            .may_drop_nan()
            .orders(2)
            .refuses(
                parts(part(2), part(1)),
                "merge: an output of shape [2, 1, 3, 1] with a log-sum-exp of shape [2, 1, 3] beside [2, 1, 3, 2] and [2, 1, 3]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: merge);
