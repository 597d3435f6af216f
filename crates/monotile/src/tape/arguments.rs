//! What the functions are called with whose derivatives are taken: a tensor, or a list of tensors.

use std::borrow::Cow;

use crate::tensor::Tensor;

mod sealed {
    pub trait Sealed {}
}

/// Where a function is differentiated: one tensor `&x`, or a list `[&x, &y]` or `&[x, y]`.
///
/// The function takes what is given, `&Tensor` or `&[Tensor]`, and the results have the same form. [`jacobian`](super::jacobian) of one tensor is a tensor, and
/// that of a list is a list.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::{hessian, jacobian}};
/// let x = Tensor::from(vec![2.0_f64, 3.0]);
/// assert_eq!(jacobian(|x| x.square(), &x)?.to_vec::<f64>()?, [4.0, 0.0, 0.0, 6.0]);
/// assert_eq!(jacobian(|x| x[0].mul(&x[1]), [&x, &x])?[1].to_vec::<f64>()?, [2.0, 0.0, 0.0, 3.0]);
/// assert_eq!(hessian(|x| x.prod(0, false), &x)?.to_vec::<f64>()?, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "argnums")]
pub trait FunctionInputs: sealed::Sealed {
    /// What the function takes by reference.
    type Argument: ?Sized;
    /// A derivative by each input.
    type Jacobian;
    /// A derivative by each pair of inputs.
    type Hessian;
    #[doc(hidden)]
    fn tensors(&self) -> Cow<'_, [Tensor]>;
    #[doc(hidden)]
    fn argument(tensors: &[Tensor]) -> &Self::Argument;
    #[doc(hidden)]
    fn jacobian(found: Vec<Tensor>) -> Self::Jacobian;
    #[doc(hidden)]
    fn hessian(found: Vec<Vec<Tensor>>) -> Self::Hessian;
}

impl sealed::Sealed for &Tensor {}
impl FunctionInputs for &Tensor {
    type Argument = Tensor;
    type Jacobian = Tensor;
    type Hessian = Tensor;
    fn tensors(&self) -> Cow<'_, [Tensor]> {
        Cow::Borrowed(std::slice::from_ref(*self))
    }
    fn argument(tensors: &[Tensor]) -> &Tensor {
        &tensors[0]
    }
    fn jacobian(mut found: Vec<Tensor>) -> Tensor {
        found.swap_remove(0)
    }
    fn hessian(mut found: Vec<Vec<Tensor>>) -> Tensor {
        found.swap_remove(0).swap_remove(0)
    }
}

/// The tensors of a list of references.
fn handles<'a>(list: &[&Tensor]) -> Cow<'a, [Tensor]> {
    Cow::Owned(list.iter().map(|&x| x.clone()).collect())
}

macro_rules! list {
    ($(($($n:ident)?) $list:ty: $tensors:expr;)*) => {$(
        impl$(<const $n: usize>)? sealed::Sealed for $list {}
        impl$(<const $n: usize>)? FunctionInputs for $list {
            type Argument = [Tensor];
            type Jacobian = Vec<Tensor>;
            type Hessian = Vec<Vec<Tensor>>;
            fn tensors(&self) -> Cow<'_, [Tensor]> {
                let tensors: fn(&Self) -> Cow<'_, [Tensor]> = $tensors;
                tensors(self)
            }
            fn argument(tensors: &[Tensor]) -> &[Tensor] {
                tensors
            }
            fn jacobian(found: Vec<Tensor>) -> Vec<Tensor> {
                found
            }
            fn hessian(found: Vec<Vec<Tensor>>) -> Vec<Vec<Tensor>> {
                found
            }
        }
    )*};
}
list! {
    () &[Tensor]: |list| Cow::Borrowed(list);
    (N) &[Tensor; N]: |list| Cow::Borrowed(&list[..]);
    () &Vec<Tensor>: |list| Cow::Borrowed(&list[..]);
    () &[&Tensor]: |list| handles(list);
    (N) [&Tensor; N]: |list| handles(list);
    (N) &[&Tensor; N]: |list| handles(&list[..]);
    () &Vec<&Tensor>: |list| handles(list);
}
