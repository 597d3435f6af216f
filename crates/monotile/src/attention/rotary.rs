//! Rotary position embedding: positions enter queries and keys as rotations, so that scores depend on distances.

use crate::door;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Rotates the pairs (i, i + d/2) of every row by the angles of its position:
///
/// ```text
/// out[…, p, i]       = x[…, p, i] cos θ − x[…, p, i + d/2] sin θ
/// out[…, p, i + d/2] = x[…, p, i + d/2] cos θ + x[…, p, i] sin θ
/// ```
///
/// Shapes: x `(…, t, d)` with d even; `cos` and `sin` `(t, d/2)`, of θ(p, i), as [`rotary_tables`] makes them; the result has the shape of x. bf16 and f16 count
/// as f32. Pairs are halves of a row, as in LLaMA's checkpoints, not neighbours as in the paper.
///
/// # Gradient
/// Of x: the cotangent rotated by −θ. The tables are constants.
///
/// # Errors
/// If d is odd, the tables do not fit or are on the tape, or a dtype is no floating-point one.
///
/// # Source
/// Su et al. (2021), arXiv 2104.09864, equation 34.
///
/// # Example
/// A quarter turn:
/// ```
/// use monotile::{Tensor, attention::rotary};
/// let x = Tensor::from_rows(&[[3.0_f64, 4.0]])?;
/// let (cos, sin) = (Tensor::from_rows(&[[0.0_f64]])?, Tensor::from_rows(&[[1.0_f64]])?);
/// assert_eq!(rotary(&x, &cos, &sin)?.to_vec::<f64>()?, [-4.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "rope")]
#[doc(alias = "apply_rotary_pos_emb")]
#[track_caller]
pub fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let x = x.to_compute_dtype("rotary")?;
    let shape = x.shape();
    let &[.., t, d] = shape else {
        return Err(Error::shape(format!("rotary: needs positions and an even dim, (…, t, d), got shape {shape:?}")));
    };
    if !d.is_multiple_of(2) {
        return Err(Error::shape(format!("rotary: rotates pairs of elements, and a dim of {d} in shape {shape:?} is odd")));
    }
    for (name, table) in [("cosines", cos), ("sines", sin)] {
        if table.shape() != [t, d / 2] {
            let got = table.shape();
            return Err(Error::shape(format!(
                "rotary: rows of shape {shape:?} need {name} of shape {:?}, got {got:?}",
                [t, d / 2]
            )));
        }
        if table.is_recorded() {
            return Err(Error::value(format!("rotary: the {name} have no gradient here; detach them")));
        }
        if !table.dtype().is_float() {
            return Err(Error::dtype(format!("rotary: the {name} must be floating-point numbers, got {}", table.dtype())));
        }
    }
    let table = |table: &Tensor| table.to_dtype(x.dtype())?.contiguous_for("rotary");
    rotate(&x, RotaryGradient { cos: table(cos)?, sin: table(sin)?, inverse: false })
}

/// The cosines and sines that [`rotary`] takes: of θ(p, i) = p base^(−2i/d), each `(t, d/2)`, for t positions p and heads of d elements.
///
/// `positions` is a vector `(t)`, as `Tensor::arange(t)` of a text from its start. Angles are computed in f64, and their functions cast to
/// `dtype`: those of late positions would lose digits else. LLaMA's `base` is 10,000.
///
/// # Errors
/// If d is odd or 0, positions are no vector of numbers, or `base` is not positive and finite.
///
/// # Example
/// Two pairs of a head, the second a hundredth as fast as the first:
/// ```
/// use monotile::{DType, Tensor, attention::rotary_tables};
/// let (cos, sin) = rotary_tables(&Tensor::arange(3)?, 4, 10_000.0, DType::F64)?;
/// assert_eq!(cos.shape(), [3, 2]);
/// assert!((sin.select(0, 2)?.select(0, 1)?.item::<f64>()? - 0.02_f64.sin()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "precompute_freqs_cis")]
#[doc(alias = "RotaryEmbedding")]
#[track_caller]
pub fn rotary_tables(positions: &Tensor, d: usize, base: f64, dtype: DType) -> Result<(Tensor, Tensor)> {
    if d == 0 || !d.is_multiple_of(2) {
        return Err(Error::value(format!("rotary_tables: a head has pairs of elements, so that d must be even, got {d}")));
    }
    if !(base > 0.0 && base.is_finite()) {
        return Err(Error::value(format!("rotary_tables: base must be positive and finite, got {base}")));
    }
    if positions.rank() != 1 || positions.dtype() == DType::Bool || !dtype.is_float() {
        let (got, shape) = (positions.dtype(), positions.shape());
        return Err(Error::shape(format!(
            "rotary_tables: takes a vector of positions and gives floating-point numbers, got {got} of shape {shape:?} for {dtype}"
        )));
    }
    let frequencies = Tensor::from_fn("rotary_tables", &[1, d / 2], DType::F64, |i| base.powf(-2.0 * i as f64 / d as f64))?;
    let angles = positions.to_dtype(DType::F64)?.unsqueeze(1)?.mul(&frequencies)?;
    Ok((angles.cos()?.to_dtype(dtype)?, angles.sin()?.to_dtype(dtype)?))
}

/// The rule, and what it rotates by: tables of x's type in row-major order.
#[derive(Clone)]
struct RotaryGradient {
    cos: Tensor,
    sin: Tensor,
    inverse: bool,
}

#[track_caller]
fn rotate(x: &Tensor, by: RotaryGradient) -> Result<Tensor> {
    // The kernel reads rows whose elements lie one after another.
    let x = if x.strides().last() == Some(&1) { x.clone() } else { x.contiguous_for("rotary")? };
    let out = door::rowwise::rotary("rotary", &x, [&by.cos, &by.sin], by.inverse)?;
    Ok(Tensor::record(out, &[&x], by))
}

impl Gradient for RotaryGradient {
    fn name(&self) -> &'static str {
        "rotary"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // A rotation's transpose is its inverse: x̄ is ȳ rotated by −θ.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let g = g.to_dtype(saved.input_dtype(0))?;
        Ok(vec![Some(rotate(&g, RotaryGradient { inverse: !self.inverse, ..self.clone() })?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let tables = |t: usize, half: usize| {
        let of = |f: fn(f64) -> f64| Tensor::from_vec((0..t * half).map(|i| f(0.7 * i as f64)).collect(), &[t, half]);
        (of(f64::cos).expect("as many as the shape"), of(f64::sin).expect("as many as the shape"))
    };
    let by_tables = move |x: &[Tensor]| {
        let (cos, sin) = tables(x[0].shape()[x[0].rank() - 2], x[0].dim(-1) / 2);
        Ok(vec![rotary(&x[0], &cos, &sin)?])
    };
    vec![
        Spec::new("rotary", by_tables)
            .sample("heads", vec![normal(&[2, 3, 5, 8])])
            .sample("one row", vec![normal(&[1, 2])])
            .sample("empty", vec![normal(&[2, 0, 4])])
            .property("lengths of rows stay", |x, y| {
                let norms = |x: &Tensor| Ok::<_, Error>((x * x).sum(&[-1], false)?.to_f64_vec().unwrap());
                Ok(norms(&x[0])?.iter().zip(norms(&y[0])?).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs() / a.max(1.0))))
            })
            // A NaN reaches its own pair alone.
            .may_drop_nan()
            .orders(2),
        Spec::new("rotary", |x| Ok(vec![rotary(&x[0], &x[1].detach(), &x[1].detach())?]))
            .refuses(
                vec![normal(&[2, 3]), normal(&[2, 1])],
                "rotary: rotates pairs of elements, and a dim of 3 in shape [2, 3] is odd",
            )
            .refuses(
                vec![normal(&[5, 4]), normal(&[5, 4])],
                "rotary: rows of shape [5, 4] need cosines of shape [5, 2], got [5, 4]",
            )
            .refuses(vec![normal(&[4]), normal(&[4])], "rotary: needs positions and an even dim, (…, t, d), got shape [4]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: rotary);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_turned_rows_depend_on_their_distance_alone() {
        let row = |position: usize, x: &[f64]| {
            let angles = [0.3, 0.011].map(|f| f * position as f64);
            let table = |f: fn(f64) -> f64| Tensor::from_vec(angles.map(f).to_vec(), &[1, 2]).unwrap();
            rotary(&Tensor::from_slice(x, &[1, 4]).unwrap(), &table(f64::cos), &table(f64::sin)).unwrap()
        };
        let (q, k) = ([0.3, -1.0, 0.8, 2.0], [1.1, 0.4, -0.6, 0.9]);
        let score = |p, r| (row(p, &q) * row(r, &k)).sum(&[], false).unwrap().item::<f64>().unwrap();
        assert!((score(7, 3) - score(104, 100)).abs() < 1e-13);
        assert!((score(7, 3) - score(8, 3)).abs() > 1e-3);
    }

    #[test]
    fn tables_on_the_tape_are_refused() {
        let table = Tensor::ones(&[1, 1], DType::F32).unwrap();
        let error = rotary(&Tensor::ones(&[1, 2], DType::F32).unwrap(), &table.requires_grad(), &table).err().unwrap();
        assert_eq!(error.to_string(), "rotary: the cosines have no gradient here; detach them");
    }

    #[test]
    fn tables_are_cosines_and_sines_of_the_angles() {
        let (cos, sin) = rotary_tables(&Tensor::from(vec![0_i64, 5]), 6, 100.0, DType::F64).unwrap();
        let angle = |p: f64, i: i32| p * 100.0_f64.powf(f64::from(-2 * i) / 6.0);
        for (at, (c, s)) in cos.to_vec::<f64>().unwrap().into_iter().zip(sin.to_vec::<f64>().unwrap()).enumerate() {
            let a = angle([0.0, 5.0][at / 3], at as i32 % 3);
            assert!((c - a.cos()).abs() < 1e-14 && (s - a.sin()).abs() < 1e-14);
        }
        let words = |positions: &Tensor, d, base| rotary_tables(positions, d, base, DType::F32).unwrap_err().to_string();
        let two = Tensor::arange(2).unwrap();
        assert_eq!(words(&two, 3, 1e4), "rotary_tables: a head has pairs of elements, so that d must be even, got 3");
        assert_eq!(words(&two, 4, f64::NAN), "rotary_tables: base must be positive and finite, got NaN");
        assert_eq!(
            words(&two.unsqueeze(0).unwrap(), 4, 1e4),
            "rotary_tables: takes a vector of positions and gives floating-point numbers, got i64 of shape [1, 2] for f32"
        );
    }
}
