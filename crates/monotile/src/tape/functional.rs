//! Derivatives of functions as functions: Jacobians, Hessians, and their products with vectors.

use super::backward::{BackwardMode, vjp};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The Jacobians of `f` by each input: Jᵢ = ∂f / ∂xᵢ, by reverse mode.
///
/// Shapes: for a result of shape `s`, Jᵢ has the shape `s` followed by that of `xᵢ`. Where `f` does not depend on an input it is 0.
/// The results are plain values.
///
/// # Errors
/// If an input is not floating-point, or on the tape; or what `f` returns.
///
/// # Cost
/// One evaluation of `f` and one walk a number of the result, one after another. [`jacobian_forward`] takes one a number of the inputs, and
/// [`batch_jacobian`](super::batch_jacobian) one a number of a row where rows do not depend on each other.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::jacobian};
/// let x = Tensor::from(vec![2.0_f64, 3.0]);
/// let j = jacobian(|x| x[0].square(), &[x])?;
/// assert_eq!(j[0].shape(), [2, 2]);
/// assert_eq!(j[0].to_vec::<f64>()?, [4.0, 0.0, 0.0, 6.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "jacrev")]
#[track_caller]
pub fn jacobian(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let leaves = leaves("jacobian", inputs)?;
    let y = f(&leaves)?;
    rows(&y, &leaves)
}

/// [`jacobian`] by forward mode: one walk a number of the inputs, for functions of few inputs and many results.
///
/// The vector-Jacobian product w ↦ wᵀ J is linear in w. Its own vector-Jacobian product with the direction v is J v, exactly.
///
/// # Errors
/// As [`jacobian`]. `Unsupported`, if an operation on the way has no second derivative.
///
/// # Cost
/// One evaluation of `f`, one recorded walk, and one walk a number of the inputs.
///
/// # Source
/// Pearlmutter (1994) for products with vectors; the double product is folklore, as in Townsend (2017).
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::jacobian_forward};
/// let x = Tensor::scalar(2.0_f64);
/// let j = jacobian_forward(|x| x[0].mul(&Tensor::from(vec![1.0_f64, 2.0, 3.0])), &[x])?;
/// assert_eq!(j[0].to_vec::<f64>()?, [1.0, 2.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "jacfwd")]
#[track_caller]
pub fn jacobian_forward(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let leaves = leaves("jacobian_forward", inputs)?;
    let y = f(&leaves)?;
    columns(&y, &leaves)
}

/// The outputs of `f` and their derivatives along `tangents`: Σᵢ Jᵢ vᵢ, exactly, by two vector-Jacobian products.
///
/// Shapes: a tangent has its input's, a derivative its output's. Both lists that are returned are plain values.
///
/// # Errors
/// If inputs and tangents do not fit each other, are not floating-point, or an input is on the tape. `Unsupported`, if an operation on the way has no second
/// derivative.
///
/// # Cost
/// One evaluation of `f`, one recorded walk, and one walk over what that recorded.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::jvp};
/// let (x, v) = (Tensor::from(vec![1.0_f64, 2.0]), Tensor::from(vec![1.0_f64, 10.0]));
/// let (y, dy) = jvp(|x| Ok(vec![x[0].square()?]), &[x], &[v])?;
/// assert_eq!(y[0].to_vec::<f64>()?, [1.0, 4.0]);
/// assert_eq!(dy[0].to_vec::<f64>()?, [2.0, 40.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "forward_mode")]
#[track_caller]
pub fn jvp(
    f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: &[Tensor],
    tangents: &[Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    fit("jvp", inputs, tangents)?;
    let leaves = leaves("jvp", inputs)?;
    let outputs = f(&leaves)?;
    let refs: Vec<&Tensor> = outputs.iter().collect();
    let pullback = Pullback::new(&refs, &leaves)?;
    let derivatives = pullback.push(&tangents.iter().map(Some).collect::<Vec<_>>())?;
    Ok((outputs.iter().map(Tensor::detach).collect(), derivatives))
}

/// The product of the Hessian of a scalar function with vectors: Σⱼ ∂²f / ∂xᵢ ∂xⱼ vⱼ for each input, without the Hessian.
///
/// Shapes: a vector and a product have their input's. The results are plain values.
///
/// # Errors
/// If `f` returns more than one number, inputs and vectors do not fit each other, or an input is on the tape. `Unsupported`, if an operation on the way has no
/// second derivative.
///
/// # Cost
/// One evaluation of `f`, one recorded walk, and one walk over what that recorded.
///
/// # Source
/// Pearlmutter (1994), Fast exact multiplication by the Hessian.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::hvp};
/// let (x, v) = (Tensor::from(vec![1.0_f64, 2.0]), Tensor::from(vec![1.0_f64, 1.0]));
/// let product = hvp(|x| x[0].powf(3.0)?.sum(&[], false), &[x], &[v])?;
/// assert_eq!(product[0].to_vec::<f64>()?, [6.0, 12.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "vhp")]
#[track_caller]
pub fn hvp(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], vectors: &[Tensor]) -> Result<Vec<Tensor>> {
    fit("hvp", inputs, vectors)?;
    let leaves = leaves("hvp", inputs)?;
    let gradient = recorded_gradient("hvp", &f(&leaves)?, &leaves)?;
    let pairs: Vec<_> = gradient.iter().zip(vectors).filter_map(|(g, v)| Some((g.as_ref()?, v))).collect();
    pull(&pairs, &leaves)
}

/// The Hessian of a scalar function: Hᵢⱼ = ∂²f / ∂xᵢ ∂xⱼ for each pair of inputs, in `result[i][j]`.
///
/// Shapes: Hᵢⱼ has the shape of `xᵢ` followed by that of `xⱼ`. The results are plain values.
///
/// # Errors
/// If `f` returns more than one number, or an input is not floating-point or on the tape. `Unsupported`, if an operation on the way has no second
/// derivative.
///
/// # Cost
/// One evaluation of `f`, one recorded walk, and one walk a number of the inputs. [`hvp`] has products at the cost of one.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::hessian};
/// let x = Tensor::from(vec![2.0_f64, 3.0]);
/// let h = hessian(|x| x[0].prod(&[], false), &[x])?;
/// assert_eq!(h[0][0].to_vec::<f64>()?, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn hessian(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<Vec<Vec<Tensor>>> {
    let leaves = leaves("hessian", inputs)?;
    let gradient = recorded_gradient("hessian", &f(&leaves)?, &leaves)?;
    let row = |(g, x): (Option<Tensor>, &Tensor)| rows(&g.unwrap_or_else(|| x.zeros_like()), &leaves);
    gradient.into_iter().zip(&leaves).map(row).collect()
}

/// Jacobians by one walk a row: the one-hot cotangents of `y`.
#[track_caller]
pub(crate) fn rows(y: &Tensor, leaves: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut rows = vec![Vec::new(); leaves.len()];
    for k in 0..y.len() {
        let found = pull(&[(y, &one_hot(y, k)?)], leaves)?;
        rows.iter_mut().zip(found).for_each(|(rows, g)| rows.push(g));
    }
    let stacked = |(rows, x): (Vec<Tensor>, &Tensor)| {
        let shape = [y.shape(), x.shape()].concat();
        if rows.is_empty() { Tensor::zeros(&shape, x.dtype()) } else { Tensor::stack(&rows, 0)?.reshape(&shape) }
    };
    rows.into_iter().zip(leaves).map(stacked).collect()
}

/// Jacobians by one walk a column: the one-hot tangents of each leaf.
#[track_caller]
pub(crate) fn columns(y: &Tensor, leaves: &[Tensor]) -> Result<Vec<Tensor>> {
    let pullback = Pullback::new(&[y], leaves)?;
    let jacobian = |(i, x): (usize, &Tensor)| {
        let column = |k: usize| {
            let direction = one_hot(x, k)?;
            let tangents: Vec<_> = (0..leaves.len()).map(|j| (i == j).then_some(&direction)).collect();
            Ok(pullback.push(&tangents)?.swap_remove(0))
        };
        let columns = (0..x.len()).map(column).collect::<Result<Vec<_>>>()?;
        let shape = [y.shape(), x.shape()].concat();
        if columns.is_empty() { Tensor::zeros(&shape, y.dtype()) } else { Tensor::stack(&columns, -1)?.reshape(&shape) }
    };
    leaves.iter().enumerate().map(jacobian).collect()
}

/// w ↦ wᵀ J of some outputs, recorded at w = 0.
struct Pullback {
    /// w, one an output.
    cotangents: Vec<Tensor>,
    /// wᵀ J, one a leaf that an output depends on.
    pulled: Vec<Option<Tensor>>,
}

impl Pullback {
    #[track_caller]
    fn new(outputs: &[&Tensor], leaves: &[Tensor]) -> Result<Self> {
        let cotangents: Vec<_> = outputs.iter().map(|y| y.zeros_like().requires_grad()).collect();
        let pairs: Vec<_> = outputs.iter().copied().zip(&cotangents).filter(|(y, _)| y.dtype().is_float()).collect();
        let pulled = vjp(&pairs, &leaves.iter().collect::<Vec<_>>(), BackwardMode::Recorded)?;
        Ok(Self { cotangents, pulled })
    }

    /// J v of each output; a tangent that is absent is 0.
    #[track_caller]
    fn push(&self, tangents: &[Option<&Tensor>]) -> Result<Vec<Tensor>> {
        let pairs: Vec<_> = self.pulled.iter().zip(tangents).filter_map(|(g, v)| Some((g.as_ref()?, (*v)?))).collect();
        pull(&pairs, &self.cotangents)
    }
}

/// The plain cotangents of `leaves`, zeros where there are none.
#[track_caller]
pub(super) fn pull(outputs: &[(&Tensor, &Tensor)], leaves: &[Tensor]) -> Result<Vec<Tensor>> {
    let found = vjp(outputs, &leaves.iter().collect::<Vec<_>>(), BackwardMode::Plain)?;
    Ok(found.into_iter().zip(leaves).map(|(g, x)| g.unwrap_or_else(|| x.zeros_like())).collect())
}

/// The gradient of a scalar, to be differentiated again; absent where it is 0 for all values.
#[track_caller]
fn recorded_gradient(op: &str, y: &Tensor, leaves: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
    if y.len() != 1 || !y.dtype().is_float() {
        let (dtype, shape) = (y.dtype(), y.shape());
        return Err(Error::shape(format!(
            "{op}: the function must return a single floating-point number, got {dtype} of shape {shape:?}"
        )));
    }
    vjp(&[(y, &y.ones_like())], &leaves.iter().collect::<Vec<_>>(), BackwardMode::Recorded)
}

/// 1 at element `k`, in row-major order, and 0 elsewhere.
#[track_caller]
fn one_hot(x: &Tensor, k: usize) -> Result<Tensor> {
    Tensor::arange(x.len())?.eq(k as i64)?.to_dtype(x.dtype())?.reshape(x.shape())
}

/// Fresh leaves with the values of the inputs.
#[track_caller]
pub(super) fn leaves(op: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    if let Some((i, x)) = inputs.iter().enumerate().find(|(_, x)| !x.dtype().is_float()) {
        let dtype = x.dtype();
        return Err(Error::dtype(format!(
            "{op}: input {i} is {dtype}; pass floating-point inputs and capture others in the function"
        )));
    }
    // A loss made of plain values would have no gradient by what such an input was computed from, and nobody would notice.
    if let Some(i) = inputs.iter().position(Tensor::is_recorded) {
        return Err(Error::value(format!("{op}: input {i} is on the tape, which the derivatives would not be; detach it")));
    }
    Ok(inputs.iter().map(Tensor::requires_grad).collect())
}

/// Refuses vectors that are not like the inputs.
#[track_caller]
fn fit(op: &str, inputs: &[Tensor], vectors: &[Tensor]) -> Result<()> {
    if inputs.len() != vectors.len() {
        return Err(Error::value(format!("{op}: {} inputs need a vector each, got {}", inputs.len(), vectors.len())));
    }
    match inputs.iter().zip(vectors).position(|(x, v)| x.shape() != v.shape() || x.dtype() != v.dtype()) {
        None => Ok(()),
        Some(i) => {
            let [x, v] = [&inputs[i], &vectors[i]].map(|x| format!("{} of shape {:?}", x.dtype(), x.shape()));
            Err(Error::shape(format!("{op}: input {i} is {x} and its vector {v}; they must be alike")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;
    use crate::testing::normal;

    /// sin(A x) ∘ exp(b) of shape (3), from a matrix (3, 2) and a vector (2); b is a number.
    fn f(x: &[Tensor]) -> Result<Tensor> {
        x[0].matmul(&x[1].unsqueeze(-1)?)?.squeeze(-1)?.sin()?.mul(&x[2].exp()?)
    }

    fn inputs() -> Vec<Tensor> {
        vec![normal(&[3, 2]), normal(&[2]), normal(&[])]
    }

    fn near(a: &Tensor, b: &Tensor, tolerance: f64) {
        assert_eq!(a.shape(), b.shape());
        let (a, b) = (a.to_f64_vec().unwrap(), b.to_f64_vec().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= tolerance), "{a:?} {b:?}");
    }

    fn scalar(x: &[Tensor]) -> Result<Tensor> {
        f(x)?.square()?.sum(&[], false)
    }

    #[test]
    fn inputs_on_the_tape_are_refused() {
        let x = [normal(&[2]).requires_grad()];
        let f = |x: &[Tensor]| x[0].square()?.sum(&[], false);
        let words = [
            jacobian(f, &x).err(),
            jacobian_forward(f, &x).err(),
            hessian(f, &x).err(),
            hvp(f, &x, &[normal(&[2])]).err(),
            jvp(|x| Ok(vec![f(x)?]), &x, &[normal(&[2])]).err(),
        ];
        for (words, op) in words.into_iter().zip(["jacobian", "jacobian_forward", "hessian", "hvp", "jvp"]) {
            let expected = format!("{op}: input 0 is on the tape, which the derivatives would not be; detach it");
            assert_eq!(words.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn both_modes_give_the_jacobian_that_differences_give() {
        let x = inputs();
        let (reverse, forward) = (jacobian(f, &x).unwrap(), jacobian_forward(f, &x).unwrap());
        for (i, (r, g)) in reverse.iter().zip(&forward).enumerate() {
            // Products of the same factors, in another order.
            near(r, g, 1e-14);
            assert_eq!(r.shape(), [&[3], x[i].shape()].concat());
            for k in 0..x[i].len() {
                let h = 1e-6;
                let at = |h: f64| {
                    let mut moved = x.clone();
                    moved[i] = x[i].add(one_hot(&x[i], k).unwrap().mul_scalar(h).unwrap()).unwrap();
                    f(&moved).unwrap()
                };
                let difference = at(h).sub(at(-h)).unwrap().div(2.0 * h).unwrap();
                let column = r.reshape(&[3, x[i].len()]).unwrap().select(1, k as isize).unwrap();
                near(&column, &difference, 1e-8);
            }
        }
    }

    #[test]
    fn jvp_is_the_jacobian_times_the_tangents() {
        let x = inputs();
        let v = vec![normal(&[3, 2]).mul_scalar(0.3).unwrap(), normal(&[2]).neg().unwrap(), Tensor::scalar(0.7)];
        let (y, dy) = jvp(|x| Ok(vec![f(x)?, x[1].square()?]), &x, &v).unwrap();
        near(&y[0], &f(&x).unwrap(), 0.0);
        let mut expected = Tensor::zeros(&[3], DType::F64).unwrap();
        for (j, v) in jacobian(f, &x).unwrap().iter().zip(&v) {
            let n = v.len();
            let part = j.reshape(&[3, n]).unwrap().matmul(&v.reshape(&[n, 1]).unwrap()).unwrap().reshape(&[3]).unwrap();
            expected = expected.add(&part).unwrap();
        }
        near(&dy[0], &expected, 1e-14);
        near(&dy[1], &x[1].mul(&v[1]).unwrap().mul_scalar(2.0).unwrap(), 1e-15);
        assert!(!dy[0].is_recorded() && !y[0].is_recorded());
    }

    #[test]
    fn hessians_are_symmetric_and_agree_with_their_products_and_with_differences_of_gradients() {
        let x = inputs();
        let h = hessian(scalar, &x).unwrap();
        let sizes: Vec<usize> = x.iter().map(Tensor::len).collect();
        for (i, &m) in sizes.iter().enumerate() {
            for (j, &n) in sizes.iter().enumerate() {
                let [a, b] = [h[i][j].reshape(&[m, n]).unwrap(), h[j][i].reshape(&[n, m]).unwrap().mt()];
                near(&a, &b, 1e-13);
            }
        }
        let v = vec![normal(&[3, 2]).neg().unwrap(), normal(&[2]), Tensor::scalar(-0.4)];
        let gradient = |t: f64| {
            let moved: Vec<_> = x.iter().zip(&v).map(|(x, v)| x.add(v.mul_scalar(t).unwrap()).unwrap()).collect();
            jacobian(scalar, &moved).unwrap()
        };
        let (ahead, behind) = (gradient(1e-6), gradient(-1e-6));
        for (i, product) in hvp(scalar, &x, &v).unwrap().iter().enumerate() {
            near(product, &ahead[i].sub(&behind[i]).unwrap().div(2e-6).unwrap(), 1e-6);
            let mut sum = Tensor::zeros(&[sizes[i], 1], DType::F64).unwrap();
            for (j, &n) in sizes.iter().enumerate() {
                sum = sum.add(h[i][j].reshape(&[sizes[i], n]).unwrap().matmul(&v[j].reshape(&[n, 1]).unwrap()).unwrap()).unwrap();
            }
            near(product, &sum.reshape(x[i].shape()).unwrap(), 1e-12);
        }
    }

    #[test]
    fn functions_that_are_linear_constant_or_empty_have_derivatives_of_zeros() {
        let x = [normal(&[2])];
        let linear = |x: &[Tensor]| x[0].mul_scalar(3.0)?.sum(&[], false);
        assert_eq!(hessian(linear, &x).unwrap()[0][0].to_f64_vec().unwrap(), [0.0; 4]);
        assert_eq!(hvp(linear, &x, &x).unwrap()[0].to_f64_vec().unwrap(), [0.0; 2]);
        let constant = |_: &[Tensor]| Ok(Tensor::scalar(1.0_f64));
        assert_eq!(jacobian(constant, &x).unwrap()[0].to_f64_vec().unwrap(), [0.0; 2]);
        assert_eq!(jacobian_forward(constant, &x).unwrap()[0].to_f64_vec().unwrap(), [0.0; 2]);
        let empty = |x: &[Tensor]| x[0].slice(0, 0..0);
        assert_eq!(jacobian(empty, &x).unwrap()[0].shape(), [0, 2]);
        assert_eq!(jacobian_forward(empty, &x).unwrap()[0].shape(), [0, 2]);
        let none = [Tensor::zeros(&[0], DType::F32).unwrap()];
        assert_eq!(jacobian_forward(|x| x[0].sum(&[], true), &none).unwrap()[0].shape(), [1, 0]);
    }

    #[test]
    fn views_and_f32_are_taken() {
        let x = normal(&[2, 3]).to_dtype(DType::F32).unwrap().mt();
        let j = jacobian(|x| x[0].square()?.sum(&[1], false), std::slice::from_ref(&x)).unwrap();
        let forward = jacobian_forward(|x| x[0].square()?.sum(&[1], false), &[x]).unwrap();
        assert_eq!((j[0].shape(), j[0].dtype()), (&[3, 3, 2][..], DType::F32));
        near(&j[0], &forward[0], 1e-6);
    }

    #[test]
    fn what_has_no_derivative_is_refused_with_words() {
        let words = |r: Result<Vec<Tensor>>| r.err().unwrap().to_string();
        let (x, i) = (normal(&[2]), Tensor::from_slice(&[1_i64], &[1]).unwrap());
        let first = |x: &[Tensor]| Ok(x[0].clone());
        assert_eq!(
            words(jacobian(first, &[i])),
            "jacobian: input 0 is i64; pass floating-point inputs and capture others in the function"
        );
        assert_eq!(
            words(hvp(first, std::slice::from_ref(&x), std::slice::from_ref(&x))),
            "hvp: the function must return a single floating-point number, got f64 of shape [2]"
        );
        assert_eq!(words(hvp(first, std::slice::from_ref(&x), &[])), "hvp: 1 inputs need a vector each, got 0");
        assert_eq!(
            words(hvp(first, &[x], &[normal(&[3])])),
            "hvp: input 0 is f64 of shape [2] and its vector f64 of shape [3]; they must be alike"
        );
    }
}
