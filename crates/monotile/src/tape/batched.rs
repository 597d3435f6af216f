//! Functions over a batch: of one slice after another, and the Jacobians of all rows at once.

use monotile_kernels::shape::count;

use super::backward::{BackwardMode, vjp};
use super::jacobians::{Leaves, pull};
use crate::check;
use crate::door;
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
/// [`jacobian`](super::jacobian) where both rows are the same; the others are 0 for such a function.
///
/// # Gradient
/// As that of [`jacobian`](super::jacobian): the results are on the tape where an input, or a tensor that `f` captures, is.
///
/// # Errors
/// If an input is not floating-point, or inputs and the result do not have as many rows; or what `f` returns. If rows are mixed, as a mean over
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
    let leaves = Leaves::new(op, inputs)?;
    let y = f(&leaves.tensors)?;
    let (mode, leaves) = (leaves.mode(&[&y]), leaves.tensors);
    if !y.dtype().is_float() {
        return Err(Error::dtype(format!("{op}: the function must return floating-point numbers, got {}", y.dtype())));
    }
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
    for x in &leaves {
        let shape: Dims = y.shape().iter().chain(&x.shape()[1..]).copied().collect();
        door::copy::check_memory(op, &shape, x.dtype().compute())?;
    }
    let mut columns = vec![Vec::new(); leaves.len()];
    for k in 0..numbers {
        let one_hot = Tensor::arange(numbers)?.eq(k as i64)?.to_dtype(y.dtype())?.reshape(rest)?;
        let found = pull(&[(&y, &one_hot.expand(y.shape())?)], &leaves, mode)?;
        columns.iter_mut().zip(found).for_each(|(columns, g)| columns.push(g));
    }
    let jacobian = |(columns, x): (Vec<Tensor>, &Tensor)| {
        let shape: Dims = y.shape().iter().chain(&x.shape()[1..]).copied().collect();
        if columns.is_empty() { Tensor::zeros(&shape, x.dtype()) } else { Tensor::stack(&columns, 1)?.reshape(&shape) }
    };
    columns.into_iter().zip(&leaves).map(jacobian).collect::<Result<_>>().placed()
}

/// The vector-Jacobian products of many cotangents: those of slice k of each cotangent, along its first axis, in slice k of each result.
///
/// Shapes: a cotangent is `(k,` its output's shape`)`, a result `(k,` its input's shape`)`. `None` where no output depends on an input, or there is no cotangent.
///
/// # Gradient
/// As by `walk_kind`: plain values, or recorded ones.
///
/// # Errors
/// If there is no output, or cotangents have not the shapes of their outputs behind one number k; if an input is not on the tape.
///
/// # Cost
/// One walk a cotangent, one after another: each rule runs k times. Where the outputs are rows that do not depend on each other,
/// [`batch_jacobian`] needs one walk a number of a row. [`jvp`](super::jvp) needs two walks for any number of outputs.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::{BackwardMode, batch_vjp}};
/// let x = Tensor::from(vec![2.0_f64, 3.0]).requires_grad();
/// let cotangents = Tensor::from([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
/// let pulled = batch_vjp(&[(&x.square()?, &cotangents)], &[&x], BackwardMode::Plain)?;
/// assert_eq!(pulled[0].as_ref().unwrap().to_vec::<f64>()?, [4.0, 0.0, 0.0, 6.0, 4.0, 6.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "is_grads_batched")]
#[track_caller]
pub fn batch_vjp(outputs: &[(&Tensor, &Tensor)], inputs: &[&Tensor], walk_kind: BackwardMode) -> Result<Vec<Option<Tensor>>> {
    let Some(size) = outputs.first().and_then(|(_, g)| g.shape().first().copied()) else {
        return Err(Error::shape("batch_vjp: needs an output, and cotangents along the first axis of a tensor beside it"));
    };
    for (y, g) in outputs {
        if g.shape().first() != Some(&size) || &g.shape()[1..] != y.shape() {
            let (y, g) = (y.shape(), g.shape());
            return Err(Error::shape(format!(
                "batch_vjp: an output of shape {y:?} with cotangents of shape {g:?}; they are {size} behind each other, of the output's shape"
            )));
        }
    }
    if size == 0 {
        return Ok(vec![None; inputs.len()]);
    }
    let mut slices = vec![Vec::with_capacity(size); inputs.len()];
    for k in 0..size {
        let cotangents = outputs.iter().map(|(_, g)| g.select(0, k)).collect::<Result<Vec<_>>>().placed()?;
        let pairs: Vec<_> = outputs.iter().zip(&cotangents).map(|((y, _), g)| (*y, g)).collect();
        let found = vjp(&pairs, inputs, walk_kind)?;
        slices.iter_mut().zip(found).for_each(|(slices, g)| slices.extend(g));
    }
    let stacked = |slices: Vec<Tensor>| (!slices.is_empty()).then(|| Tensor::stack(&slices, 0)).transpose();
    slices.into_iter().map(stacked).collect::<Result<_>>().placed()
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
    for (i, g) in pull(&[(y, &weights)], leaves, BackwardMode::Plain)?.iter().enumerate() {
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
    use crate::tape::{CheckGradientOptions, check_gradient, jacobian};
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
    fn many_cotangents_are_pulled_back_as_one_after_another() {
        let (x, w) = (normal(&[3]).requires_grad(), normal(&[2]).requires_grad());
        let (y, z) = (x.square().unwrap().sum(.., true).unwrap(), x.exp().unwrap());
        let cotangents = [normal(&[4, 1]), normal(&[4, 3])];
        let pairs = [(&y, &cotangents[0]), (&z, &cotangents[1])];
        let found = batch_vjp(&pairs, &[&x, &w], BackwardMode::Recorded).unwrap();
        assert!(found[1].is_none() && found[0].as_ref().unwrap().is_recorded());
        for k in 0..4 {
            let slices = cotangents.each_ref().map(|g| g.select(0, k).unwrap());
            let one = vjp(&[(&y, &slices[0]), (&z, &slices[1])], &[&x], BackwardMode::Plain).unwrap().swap_remove(0).unwrap();
            near(&found[0].as_ref().unwrap().select(0, k).unwrap(), &one);
        }
        let words = |pairs: &[(&Tensor, &Tensor)]| batch_vjp(pairs, &[&x], BackwardMode::Plain).err().unwrap().to_string();
        assert_eq!(
            words(&[(&z, &cotangents[0])]),
            "batch_vjp: an output of shape [3] with cotangents of shape [4, 1]; they are 4 behind each other, of the output's shape"
        );
        assert_eq!(words(&[]), "batch_vjp: needs an output, and cotangents along the first axis of a tensor beside it");
        let none = Tensor::zeros(&[0, 3], DType::F64).unwrap();
        assert!(batch_vjp(&[(&z, &none)], &[&x], BackwardMode::Plain).unwrap()[0].is_none());
    }

    #[test]
    fn jacobians_of_rows_have_gradients_where_a_captured_tensor_has() {
        let (x, w) = (normal(&[4, 3]), normal(&[3, 2]));
        let norm = |x: &[Tensor]| {
            let j = batch_jacobian(|y| y[0].matmul(&x[1])?.tanh(), &x[..1])?;
            Ok(vec![j[0].square()?.sum(.., false)?])
        };
        check_gradient(norm, &[x, w], &CheckGradientOptions { order: 2, ..Default::default() }).unwrap();
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
