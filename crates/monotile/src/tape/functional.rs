//! Derivatives of functions as functions: Jacobians, Hessians, and their products with vectors.

use super::arguments::FunctionInputs;
use super::backward::BackwardMode;
use super::jacobians::{Leaves, Pullback, columns, fit, pull, recorded_gradient, rows};
use crate::error::{Placed, Result};
use crate::tensor::Tensor;

/// The Jacobians of `f` by each input: Jᵢ = ∂f / ∂xᵢ, by reverse mode.
///
/// Shapes: for a result of shape `s`, Jᵢ has the shape `s` followed by that of `xᵢ`. Where `f` does not depend on an input it is 0. Of one tensor `&x` it is a
/// tensor, of a list `&[x, y]` a list: see [`FunctionInputs`].
///
/// # Gradient
/// Where an input, or a tensor that `f` captures, is on the tape, so are the results: the norm of a Jacobian can be part of a loss. A captured tensor of which no
/// gradient is wanted is detached first. Otherwise the results are plain values.
///
/// # Errors
/// If an input or the result of `f` is not floating-point, or there is no memory for the Jacobians; or what `f` returns. `Unsupported`, if the results are to be on the tape, and an operation has no second derivative.
///
/// # Cost
/// One evaluation of `f` and one walk a number of the result, one after another. [`jacobian_forward`] takes one a number of the inputs, and
/// [`batch_jacobian`](super::batch_jacobian) one a number of a row where rows do not depend on each other. On the tape every walk is kept.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::{grad, jacobian}};
/// let x = Tensor::from(vec![2.0_f64, 3.0]);
/// let j = jacobian(|x| x.square(), &x)?;
/// assert_eq!(j.shape(), [2, 2]);
/// assert_eq!(j.to_vec::<f64>()?, [4.0, 0.0, 0.0, 6.0]);
/// // ‖J‖² = 4 x₀² + 4 x₁² has the gradient 8 x.
/// let x = x.requires_grad();
/// let norm = jacobian(|x| x.square(), &x)?.square()?.sum(.., false)?;
/// assert_eq!(grad(&norm, &[&x])?[0].to_vec::<f64>()?, [16.0, 24.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "jacrev")]
#[track_caller]
pub fn jacobian<I: FunctionInputs>(f: impl Fn(&I::Argument) -> Result<Tensor>, inputs: I) -> Result<I::Jacobian> {
    let leaves = Leaves::new("jacobian", &inputs.tensors())?;
    let y = f(I::argument(&leaves.tensors))?;
    Ok(I::jacobian(rows("jacobian", &y, &leaves.tensors, leaves.mode(&[&y]))?))
}

/// [`jacobian`] by forward mode: one walk a number of the inputs, for functions of few inputs and many results.
///
/// The vector-Jacobian product w ↦ wᵀ J is linear in w. Its own vector-Jacobian product with the direction v is J v, exactly.
///
/// # Gradient
/// As that of [`jacobian`].
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
/// let j = jacobian_forward(|x| x.mul(&Tensor::from(vec![1.0_f64, 2.0, 3.0])), &x)?;
/// assert_eq!(j.to_vec::<f64>()?, [1.0, 2.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "jacfwd")]
#[track_caller]
pub fn jacobian_forward<I: FunctionInputs>(f: impl Fn(&I::Argument) -> Result<Tensor>, inputs: I) -> Result<I::Jacobian> {
    let leaves = Leaves::new("jacobian_forward", &inputs.tensors())?;
    let y = f(I::argument(&leaves.tensors))?;
    Ok(I::jacobian(columns("jacobian_forward", &y, &leaves.tensors, leaves.mode(&[&y]))?))
}

/// The outputs of `f` and their derivatives along `tangents`: Σᵢ Jᵢ vᵢ, exactly, by two vector-Jacobian products.
///
/// Shapes: a tangent has its input's, a derivative its output's.
///
/// # Gradient
/// As that of [`jacobian`]: both lists are on the tape where an input, or a tensor that `f` captures, is.
///
/// # Errors
/// If inputs and tangents do not fit each other, or are not floating-point. `Unsupported`, if an operation on the way has no second derivative.
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
    let leaves = Leaves::new("jvp", inputs)?;
    let outputs = f(&leaves.tensors)?;
    let refs: Vec<&Tensor> = outputs.iter().collect();
    let mode = leaves.mode(&refs);
    let pullback = Pullback::new(&refs, &leaves.tensors)?;
    let derivatives = pullback.push(&tangents.iter().map(Some).collect::<Vec<_>>(), mode)?;
    let values = match mode {
        BackwardMode::Recorded => outputs,
        BackwardMode::Plain => outputs.iter().map(Tensor::detach).collect(),
    };
    Ok((values, derivatives))
}

/// The product of the Hessian of a scalar function with vectors: Σⱼ ∂²f / ∂xᵢ ∂xⱼ vⱼ for each input, without the Hessian.
///
/// Shapes: a vector and a product have their input's. Of one tensor `&x` and one vector it is a tensor.
///
/// # Gradient
/// As that of [`jacobian`].
///
/// # Errors
/// If `f` returns more than one number, or inputs and vectors do not fit each other. `Unsupported`, if an operation on the way has no second derivative.
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
/// let product = hvp(|x| x.powf(3.0)?.sum(.., false), &x, &v)?;
/// assert_eq!(product.to_vec::<f64>()?, [6.0, 12.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "vhp")]
#[track_caller]
pub fn hvp<I: FunctionInputs, V: FunctionInputs<Argument = I::Argument>>(
    f: impl Fn(&I::Argument) -> Result<Tensor>,
    inputs: I,
    vectors: V,
) -> Result<I::Jacobian> {
    fit("hvp", &inputs.tensors(), &vectors.tensors())?;
    let leaves = Leaves::new("hvp", &inputs.tensors())?;
    let y = f(I::argument(&leaves.tensors))?;
    let gradient = recorded_gradient("hvp", &y, &leaves.tensors)?;
    let vectors = vectors.tensors();
    let pairs: Vec<_> = gradient.iter().zip(&*vectors).filter_map(|(g, v)| Some((g.as_ref()?, v))).collect();
    Ok(I::jacobian(pull(&pairs, &leaves.tensors, leaves.mode(&[&y]))?))
}

/// The Hessian of a scalar function: Hᵢⱼ = ∂²f / ∂xᵢ ∂xⱼ for each pair of inputs, in `result[i][j]`.
///
/// Shapes: Hᵢⱼ has the shape of `xᵢ` followed by that of `xⱼ`. Of one tensor `&x` it is a tensor: see [`FunctionInputs`].
///
/// # Gradient
/// As that of [`jacobian`].
///
/// # Errors
/// If `f` returns more than one number, or an input is not floating-point. `Unsupported`, if an operation on the way has no second derivative.
///
/// # Cost
/// One evaluation of `f`, one recorded walk, and one walk a number of the inputs. [`hvp`] has products at the cost of one.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::hessian};
/// let x = Tensor::from(vec![2.0_f64, 3.0]);
/// let h = hessian(|x| x.prod(.., false), &x)?;
/// assert_eq!((h.shape(), h.to_vec::<f64>()?), (&[2, 2][..], vec![0.0, 1.0, 1.0, 0.0]));
/// let blocks = hessian(|x| x[0].mul(&x[1])?.sum(.., false), &[x.clone(), x])?;
/// assert_eq!(blocks[0][1].to_vec::<f64>()?, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn hessian<I: FunctionInputs>(f: impl Fn(&I::Argument) -> Result<Tensor>, inputs: I) -> Result<I::Hessian> {
    let leaves = Leaves::new("hessian", &inputs.tensors())?;
    let y = f(I::argument(&leaves.tensors))?;
    let gradient = recorded_gradient("hessian", &y, &leaves.tensors)?;
    let mode = leaves.mode(&[&y]);
    let row = |(g, x): (Option<Tensor>, &Tensor)| rows("hessian", &g.unwrap_or_else(|| x.zeros_like()), &leaves.tensors, mode);
    Ok(I::hessian(gradient.into_iter().zip(&leaves.tensors).map(row).collect::<Result<_>>().placed()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::jacobians::one_hot;
    use crate::tape::{CheckGradientOptions, check_gradient};
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
    fn jacobians_without_memory_are_refused_before_the_first_walk() {
        let x = Tensor::zeros([1 << 26], DType::F32).unwrap();
        let words = |found: Result<Tensor>| found.err().unwrap().to_string();
        let of = "a result of shape [67108864, 67108864] needs 18014398509481984 bytes of memory, which cannot be had";
        assert_eq!(words(jacobian(|x| Ok(x.clone()), &x)), format!("jacobian: {of}"));
        assert_eq!(words(jacobian_forward(|x| Ok(x.clone()), &x)), format!("jacobian_forward: {of}"));
        assert_eq!(words(hessian(|x| x.sum(.., false), &x)), format!("hessian: {of}"));
        let rows = Tensor::zeros([1, 1 << 26], DType::F32).unwrap();
        let words = words(crate::tape::batch_jacobian(|x| Ok(x[0].clone()), &[rows]).map(|mut all| all.remove(0)));
        assert!(words.starts_with("batch_jacobian: a result of shape [1, 67108864, 67108864] needs"), "{words}");
    }

    #[test]
    fn results_that_are_no_floating_point_numbers_have_no_jacobian() {
        let x = normal(&[2]);
        let words = |found: Result<Tensor>| found.err().unwrap().to_string();
        let of = "the function must return floating-point numbers, got";
        assert_eq!(words(jacobian(|x| x.gt(0.0), &x)), format!("jacobian: {of} bool"));
        assert_eq!(words(jacobian_forward(|x| x.to_dtype(DType::I64), &x)), format!("jacobian_forward: {of} i64"));
        let found = crate::tape::batch_jacobian(|x| x[0].argmax(-1, true), &[normal(&[2, 3])]);
        assert_eq!(words(found.map(|mut all| all.remove(0))), format!("batch_jacobian: {of} i64"));
    }

    #[test]
    fn inputs_are_lists_of_tensors_or_of_references() {
        let (a, b) = (normal(&[2]), normal(&[2]));
        let f = |x: &[Tensor]| x[0].mul(&x[1])?.square()?.sum(.., false);
        let expected = hessian(f, &[a.clone(), b.clone()]).unwrap();
        for found in [hessian(f, [&a, &b]), hessian(f, &[&a, &b]), hessian(f, &vec![&a, &b]), hessian(f, &[&a, &b][..])] {
            found.unwrap().concat().iter().zip(expected.concat()).for_each(|(x, y)| near(x, &y, 0.0));
        }
        let products = [hvp(f, [&a, &b], [&b, &a]).unwrap(), hvp(f, &[a.clone(), b.clone()], [&b, &a]).unwrap()];
        near(&products[0][1], &products[1][1], 0.0);
    }

    /// The check of a loss made of derivatives, in its inputs and in a captured tensor, to second order.
    fn differentiable(loss: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
        let options = CheckGradientOptions { order: 2, ..Default::default() };
        check_gradient(|x| Ok(vec![loss(x)?]), inputs, &options).unwrap();
    }

    #[test]
    fn norms_of_jacobians_and_hessians_have_gradients_to_second_order() {
        let x = inputs();
        let norm = |j: Vec<Tensor>| j.iter().try_fold(Tensor::scalar(0.0), |sum, j| sum.add(j.square()?.sum(.., false)?));
        differentiable(|x| norm(jacobian(f, x)?), &x);
        differentiable(|x| norm(jacobian_forward(f, x)?), &x);
        differentiable(|x| norm(hessian(scalar, x)?.concat()), &x);
        differentiable(|x| norm(hvp(scalar, &x[..3], &x[3..])?), &[x.clone(), inputs()].concat());
        differentiable(
            |x| {
                let (y, dy) = jvp(|x| Ok(vec![f(x)?]), &x[..3], &x[3..])?;
                y[0].mul(&dy[0])?.sum(.., false)
            },
            &[x.clone(), inputs()].concat(),
        );
    }

    #[test]
    fn tensors_that_a_function_captures_have_gradients_through_its_jacobian() {
        let (x, w) = (normal(&[2]), normal(&[3, 2]));
        let of = |w: &Tensor, x: &Tensor| jacobian(|x| w.matmul(&x.unsqueeze(-1)?)?.sin(), x)?.square()?.sum(.., false);
        differentiable(|w| of(&w[0], &x), std::slice::from_ref(&w));
        // The same tensor captured and as an input: the Jacobian is that by the input alone.
        let x = x.requires_grad();
        let j = jacobian(|y| y.mul(&x), &x).unwrap();
        near(&j, &x.diag(0).unwrap(), 0.0);
        assert!(j.is_recorded() && !jacobian(|y| y.mul(x.detach()), &x.detach()).unwrap().is_recorded());
    }

    #[test]
    fn a_rule_that_is_right_once_has_no_jacobian_on_the_tape() {
        struct Once;
        impl crate::tape::Gradient for Once {
            fn name(&self) -> &'static str {
                "once"
            }
            fn once_differentiable(&self) -> bool {
                true
            }
            fn vjp(&self, _: &crate::tape::Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
                Ok(cotangents.to_vec())
            }
        }
        let (x, once) = (normal(&[2]), |x: &Tensor| Ok(Tensor::record(x.detach(), &[x], Once)));
        near(&jacobian(once, &x).unwrap(), &Tensor::eye(2, DType::F64).unwrap(), 0.0);
        let words = jacobian(once, &x.requires_grad()).unwrap_err().to_string();
        assert!(words.starts_with("the gradient of once cannot be differentiated again"), "{words}");
    }

    #[test]
    fn of_one_tensor_there_is_one_tensor() {
        let x = normal(&[2, 2]);
        let cubes = |x: &Tensor| x.powf(3.0)?.sum(.., false);
        let h = hessian(cubes, &x).unwrap();
        assert_eq!(h.shape(), [2, 2, 2, 2]);
        near(&h.reshape([4, 4]).unwrap(), &x.reshape([4]).unwrap().mul(6.0).unwrap().diag(0).unwrap(), 1e-14);
        near(&hvp(cubes, &x, &x).unwrap(), &x.square().unwrap().mul(6.0).unwrap(), 1e-14);
        near(&jacobian(cubes, &x).unwrap(), &jacobian_forward(cubes, &x).unwrap(), 1e-14);
        near(&jacobian(|x| cubes(&x[0]), std::slice::from_ref(&x)).unwrap()[0], &jacobian(cubes, &x).unwrap(), 0.0);
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
        assert_eq!(words(hvp(first, std::slice::from_ref(&x), &[] as &[Tensor])), "hvp: 1 inputs need a vector each, got 0");
        assert_eq!(
            words(hvp(first, &[x], &[normal(&[3])])),
            "hvp: input 0 is f64 of shape [2] and its vector f64 of shape [3]; they must be alike"
        );
    }
}
