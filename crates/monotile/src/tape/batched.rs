//! Functions over a batch: of one slice after another, and the Jacobians of all rows at once.

use monotile_kernels::shape::count;

use super::functional::{leaves, pull};
use crate::check;
use crate::error::{Error, Placed, Result};
use crate::random::Rng;
use crate::tensor::{Dims, Tensor};

/// `f` of each slice of the inputs, stacked along a new first axis.
///
/// Input i is sliced along the axis `axes[i]`, or given whole to each call where that is `None`. As in PyTorch's `vmap`, but by calls: `f` runs
/// once a slice, which costs as much as a loop. Nearly all operations here broadcast over leading dimensions. A function written so is one call,
/// and faster.
///
/// # Gradient
/// As that of `f`: slices and stacks are on the tape.
///
/// # Errors
/// If there is not an axis or `None` for each input, axes differ in size or have none, or all inputs are whole; what `f` returns, and if its
/// results differ in shape.
///
/// # Example
/// The products of three matrices with one vector:
/// ```
/// use monotile::{DType, Tensor, tape::vmap};
/// let matrices = Tensor::ones(&[3, 2, 4], DType::F64)?;
/// let vector = Tensor::from(vec![1.0_f64, 2.0, 3.0, 4.0]);
/// let y = vmap(|x| x[0].matmul(&x[1]), &[matrices, vector], &[Some(0), None])?;
/// assert_eq!(y.shape(), [3, 2]);
/// assert_eq!(y.to_vec::<f64>()?, [10.0; 6]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "vectorize")]
#[doc(alias = "apply_along_axis")]
#[track_caller]
pub fn vmap(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], axes: &[Option<isize>]) -> Result<Tensor> {
    if inputs.len() != axes.len() {
        return Err(Error::value(format!("vmap: {} inputs need an axis or none each, got {}", inputs.len(), axes.len())));
    }
    let mut size = None;
    for (i, (x, axis)) in inputs.iter().zip(axes).enumerate() {
        let Some(axis) = axis else { continue };
        let n = x.shape()[check::axis("vmap", *axis, x.rank())?];
        match size {
            Some(other) if other != n => {
                return Err(Error::shape(format!("vmap: input {i} has {n} slices, those before it {other}")));
            }
            _ => size = Some(n),
        }
    }
    let Some(size) = size.filter(|&n| n > 0) else {
        return Err(Error::value("vmap: needs an input with slices, of which there must be one at least"));
    };
    let call = |k: usize| {
        let slice = |(x, axis): (&Tensor, &Option<isize>)| match axis {
            Some(axis) => x.select(*axis, k),
            None => Ok(x.clone()),
        };
        f(&inputs.iter().zip(axes).map(slice).collect::<Result<Vec<_>>>()?)
    };
    let results = (0..size).map(call).collect::<Result<Vec<_>>>().placed()?;
    Tensor::stack(&results, 0)
}

/// The Jacobians of each row by itself, of a function that computes each row of its result from the same row of the inputs.
///
/// Shapes: for inputs `xᵢ` of shape `(b, …)` and a result `(b, …)`, Jᵢ is `(b,` the result's rest`,` the input's rest`)`. It is the part of
/// [`jacobian`](super::jacobian) where both rows are the same; the others are 0 for such a function. The results are plain values.
///
/// # Errors
/// If an input is not floating-point, or on the tape, or inputs and the result do not have as many rows; or what `f` returns. If rows are mixed, as a mean over
/// the batch mixes them: a walk with random rows looks for that.
///
/// # Cost
/// One evaluation of `f`, and one walk a number of a row of the result, whatever the number of rows; one more that looks for mixed rows.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::batch_jacobian};
/// let x = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
/// // (x₀ x₁) of each row: the slopes are (x₁, x₀).
/// let j = batch_jacobian(|x| x[0].prod(&[-1], true), &[x])?;
/// assert_eq!(j[0].shape(), [2, 1, 2]);
/// assert_eq!(j[0].to_vec::<f64>()?, [2.0, 1.0, 4.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "vmap(jacrev)")]
#[track_caller]
pub fn batch_jacobian(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let op = "batch_jacobian";
    let leaves = leaves(op, inputs)?;
    let y = f(&leaves)?;
    let rows = y.shape().first().copied();
    for (i, x) in inputs.iter().enumerate() {
        if rows.is_none() || x.shape().first().copied() != rows {
            let (x, y) = (x.shape(), y.shape());
            return Err(Error::shape(format!("{op}: input {i} of shape {x:?} and the result {y:?} must have as many rows")));
        }
    }
    let batch = rows.unwrap_or(0);
    check_rows_apart(&y, &leaves, batch)?;
    let rest = &y.shape()[1.min(y.rank())..];
    let numbers = count(rest);
    let mut columns = vec![Vec::new(); leaves.len()];
    for k in 0..numbers {
        let one_hot = Tensor::arange(numbers)?.eq(k as i64)?.to_dtype(y.dtype())?.reshape(rest)?;
        let found = pull(&[(&y, &one_hot.expand(y.shape())?)], &leaves)?;
        columns.iter_mut().zip(found).for_each(|(columns, g)| columns.push(g));
    }
    let jacobian = |(columns, x): (Vec<Tensor>, &Tensor)| {
        let shape: Dims = y.shape().iter().chain(&x.shape()[1..]).copied().collect();
        if columns.is_empty() { Tensor::zeros(&shape, x.dtype()) } else { Tensor::stack(&columns, 1)?.reshape(&shape) }
    };
    columns.into_iter().zip(&leaves).map(jacobian).collect::<Result<_>>().placed()
}

/// Refuses a result of which some rows have slopes by other rows: half of the rows are pulled back, and the others must get nothing.
#[track_caller]
fn check_rows_apart(y: &Tensor, leaves: &[Tensor], batch: usize) -> Result<()> {
    if batch < 2 || y.is_empty() {
        return Ok(());
    }
    let mut rng = Rng::new(batch as u64);
    let mut chosen: Vec<bool> = (0..batch).map(|_| rng.next_f64() < 0.5).collect();
    chosen[0] = true;
    chosen[batch - 1] = false;
    let shape: Dims = [batch].into_iter().chain(y.shape()[1..].iter().map(|_| 1)).collect();
    let mask: Vec<f64> = chosen.iter().map(|&chosen| f64::from(u8::from(chosen))).collect();
    let mask = Tensor::from_vec(mask, &shape)?.to_dtype(y.dtype())?;
    let weights = rng.normal(y.shape(), y.dtype())?.mul(&mask)?;
    for (i, g) in pull(&[(y, &weights)], leaves)?.iter().enumerate() {
        let per_row = g.len() / batch;
        for (row, slopes) in g.to_f64_vec()?.chunks(per_row.max(1)).enumerate() {
            // An infinity times 0 is NaN, and no slope.
            if !chosen[row] && slopes.iter().any(|&g| g != 0.0 && !g.is_nan()) {
                return Err(Error::value(format!(
                    "batch_jacobian: other rows of the result depend on row {row} of input {i}; use jacobian for such a function"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{check_gradient, jacobian};
    use crate::tensor::DType;
    use crate::testing::normal;

    fn near(a: &Tensor, b: &Tensor) {
        assert_eq!(a.shape(), b.shape());
        let (a, b) = (a.to_f64_vec().unwrap(), b.to_f64_vec().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-14), "{a:?} {b:?}");
    }

    #[test]
    fn slices_are_taken_along_any_axis_and_results_stacked_first() {
        let (x, w) = (normal(&[2, 5, 3]), normal(&[3, 4]));
        let f = |x: &[Tensor]| x[0].matmul(&x[1])?.sin();
        near(&vmap(f, &[x.permute(&[0, 2, 1]).unwrap(), w.clone()], &[Some(-1), None]).unwrap(), &{
            let all = x.matmul(&w).unwrap().sin().unwrap();
            all.permute(&[1, 0, 2]).unwrap()
        });
        let options = Default::default();
        check_gradient(|x| Ok(vec![vmap(f, x, &[Some(1), None])?]), &[x, w], &options).unwrap();
    }

    #[test]
    fn jacobians_of_rows_are_the_blocks_of_the_whole_jacobian() {
        let w = normal(&[3, 2]);
        let f = |x: &[Tensor]| x[0].matmul(&w)?.tanh()?.mul(&x[1].exp()?);
        let inputs = [normal(&[4, 3]), normal(&[4, 1])];
        let (rows, whole) = (batch_jacobian(f, &inputs).unwrap(), jacobian(f, &inputs).unwrap());
        for (rows, whole) in rows.iter().zip(&whole) {
            for b in 0..4 {
                near(&rows.select(0, b).unwrap(), &whole.select(0, b).unwrap().select(1, b).unwrap());
            }
        }
        let numbers = batch_jacobian(|x| x[0].square(), &[normal(&[3])]).unwrap();
        near(&numbers[0], &normal(&[3]).mul_scalar(2.0).unwrap());
        let none = batch_jacobian(|x| x[0].square(), &[Tensor::zeros(&[0, 2], DType::F32).unwrap()]).unwrap();
        assert_eq!((none[0].shape(), none[0].dtype()), (&[0, 2, 2][..], DType::F32));
    }

    #[test]
    fn what_has_no_rows_of_its_own_is_refused_with_words() {
        let x = normal(&[4, 3]);
        let mixed = batch_jacobian(|x| x[0].sub(&x[0].mean(&[0], true)?), std::slice::from_ref(&x)).err().unwrap().to_string();
        assert!(mixed.starts_with("batch_jacobian: other rows of the result depend on row "), "{mixed}");
        assert_eq!(
            batch_jacobian(|x| x[0].sum(&[], false), std::slice::from_ref(&x)).err().unwrap().to_string(),
            "batch_jacobian: input 0 of shape [4, 3] and the result [] must have as many rows"
        );
        let words = |inputs: &[Tensor], axes: &[Option<isize>]| vmap(|x| Ok(x[0].clone()), inputs, axes).err().unwrap().to_string();
        assert_eq!(words(std::slice::from_ref(&x), &[]), "vmap: 1 inputs need an axis or none each, got 0");
        assert_eq!(words(&[x.clone(), x.clone()], &[Some(0), Some(1)]), "vmap: input 1 has 3 slices, those before it 4");
        assert_eq!(
            words(std::slice::from_ref(&x), &[None]),
            "vmap: needs an input with slices, of which there must be one at least"
        );
    }
}
