//! Dropout: elements set to 0 at random.

use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Each element set to 0 with probability p, the others divided by 1 − p, so that the mean stays.
///
/// The mask is drawn from `rng`, one number an element in row-major order; where p is 0 nothing is drawn and the result is x
/// itself, and where p is 1 nothing is drawn and the result is 0. bf16 and f16 count as f32.
///
/// # Gradient
/// The cotangent through the same mask.
///
/// # Errors
/// If p is not from 0 to 1; for integers and booleans.
///
/// # Source
/// Srivastava et al. (2014), scaled while training.
///
/// # Example
/// ```
/// use monotile::{DType, Rng, Tensor, ops::dropout};
/// let y = dropout(&Tensor::ones(&[1000], DType::F64)?, 0.75, &mut Rng::new(1))?.to_vec::<f64>()?;
/// assert!(y.iter().all(|&y| y == 0.0 || y == 4.0));
/// assert!((y.iter().sum::<f64>() / 1000.0 - 1.0).abs() < 0.2);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "Dropout")]
#[track_caller]
pub fn dropout(x: &Tensor, p: f64, rng: &mut Rng) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::value(format!("dropout: the probability must be from 0 to 1, got {p}")));
    }
    let x = x.to_compute_dtype("dropout")?;
    if p == 0.0 {
        return Ok(x);
    }
    if p == 1.0 {
        // Chosen, not multiplied by 0, which would make NaN of ∞.
        return Tensor::full(x.shape(), false)?.where_(&x, x.zeros_like());
    }
    let keep = 1.0 / (1.0 - p);
    let mask = Tensor::from_fn("dropout", x.shape(), x.dtype(), |_| if rng.next_f64() < p { 0.0 } else { keep })?;
    // Drawn by the processor, whose bits they are on every device.
    x.mul(mask.to(&x.device())?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("dropout", |x| Ok(vec![dropout(&x[0], 0.4, &mut Rng::new(3))?]))
            .sample("matrix", vec![normal(&[5, 4])])
            .sample("empty", vec![normal(&[0, 4])])
            .reference(|x| {
                let mut rng = Rng::new(3);
                vec![x[0].iter().map(|v| if rng.next_f64() < 0.4 { 0.0 } else { v / 0.6 }).collect()]
            })
            .orders(2),
        Spec::new("dropout of nothing", |x| Ok(vec![dropout(&x[0], 0.0, &mut Rng::new(3))?]))
            .sample("matrix", vec![normal(&[5, 4])])
            .reference(|x| vec![x[0].clone()])
            .orders(2),
        Spec::new("dropout of everything", |x| Ok(vec![dropout(&x[0], 1.0, &mut Rng::new(3))?]))
            .sample("matrix", vec![normal(&[5, 4])])
            .reference(|x| vec![vec![0.0; x[0].len()]])
            .orders(2)
            .may_drop_nan(),
        Spec::new("dropout of more than everything", |x| Ok(vec![dropout(&x[0], 1.5, &mut Rng::new(3))?]))
            .refuses(vec![normal(&[2])], "dropout: the probability must be from 0 to 1, got 1.5"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: dropout, dropout_of_nothing, dropout_of_everything, dropout_of_more_than_everything);
