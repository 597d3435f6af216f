//! Operators: `&a + &b`, `2.0 * &x`, `1 - x`, `x += &y`, `-x`; of booleans `&a & &b`, `&a | &b`, `!&a`; and sums of iterators.
//!
//! They return the tensor, and panic at the caller's line with the sentence of the method's error, as indexing does.

use super::{arithmetic, remainder};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::operand::TensorOrNumber;

/// The value of an operator, or a panic at the operator's place with the method's sentence.
#[track_caller]
fn expect<T>(result: Result<T>) -> T {
    // No closure: it would hide the caller.
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// One operator on every mix of owned tensors, borrowed tensors and numbers: `of` borrows the left operand, `into` owns it, `from` has a
/// number there, `assign` changes it.
///
/// One generic implementation for what stands on the right, and one type of numbers a kind of literal on the left: else the type of
/// `(&x * 2.0)` and of `(1.0 - &x)` would not be known where a method is called on it.
macro_rules! operator {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident, $symbol:literal, $family:ident: $of:ident $into:ident $from:ident $write:ident;)*) => {$(
        impl<R: TensorOrNumber> std::ops::$trait<R> for &Tensor {
            type Output = Tensor;
            /// # Panics
            /// Where the method of the same name returns an error.
            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                expect($family::$of(self, other.value()))
            }
        }
        impl<R: TensorOrNumber> std::ops::$trait<R> for Tensor {
            type Output = Tensor;
            /// Into the memory of the left operand, where nobody else holds it and nothing is recorded.
            ///
            /// # Panics
            /// Where the method of the same name returns an error.
            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                expect($family::$into(self, other.value()))
            }
        }
        impl<R: TensorOrNumber> std::ops::$assign<R> for Tensor {
            #[doc = concat!("As `x = x ", $symbol, " y`: a recorded tensor records, and other handles keep their elements.")]
            ///
            /// The elements are written where they lie if nobody else holds them and nothing is recorded.
            ///
            /// # Panics
            /// Where the method of the same name returns an error, and where the result would have another shape.
            #[track_caller]
            fn $assign_method(&mut self, other: R) {
                expect($family::$write(self, other.value()));
            }
        }
        operator!(@left f64: $trait $method, $family: $from);
        operator!(@left i64: $trait $method, $family: $from);
    )*};
    (@left $left:ty: $trait:ident $method:ident, $family:ident: $from:ident) => {
        impl std::ops::$trait<&Tensor> for $left {
            type Output = Tensor;
            /// # Panics
            /// Where the method of the same name returns an error.
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                expect($family::$from(self.value(), other))
            }
        }
        impl std::ops::$trait<Tensor> for $left {
            type Output = Tensor;
            /// # Panics
            /// Where the method of the same name returns an error.
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                expect($family::$from(self.value(), &other))
            }
        }
    };
}
operator! {
    Add add AddAssign add_assign, "+", arithmetic: add add_into add_from add_assign;
    Sub sub SubAssign sub_assign, "-", arithmetic: sub sub_into sub_from sub_assign;
    Mul mul MulAssign mul_assign, "*", arithmetic: mul mul_into mul_from mul_assign;
    Div div DivAssign div_assign, "/", arithmetic: div div_into div_from div_assign;
    Rem rem RemAssign rem_assign, "%", remainder: remainder remainder_into remainder_from remainder_assign;
}

impl std::ops::Neg for Tensor {
    type Output = Tensor;
    /// # Panics
    /// For booleans.
    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}

impl std::ops::Neg for &Tensor {
    type Output = Tensor;
    /// # Panics
    /// For booleans.
    #[track_caller]
    fn neg(self) -> Tensor {
        expect(Tensor::neg(self))
    }
}

/// One operator of booleans on every mix of owned and borrowed tensors.
macro_rules! logical {
    ($($trait:ident $method:ident, $named:ident;)*) => {$(
        logical!(@pair $trait $method, $named: &Tensor, &Tensor);
        logical!(@pair $trait $method, $named: &Tensor, Tensor);
        logical!(@pair $trait $method, $named: Tensor, &Tensor);
        logical!(@pair $trait $method, $named: Tensor, Tensor);
    )*};
    (@pair $trait:ident $method:ident, $named:ident: $left:ty, $right:ty) => {
        impl std::ops::$trait<$right> for $left {
            type Output = Tensor;
            #[doc = concat!("As the method `", stringify!($named), "`.")]
            ///
            /// # Panics
            /// Where the method returns an error.
            #[track_caller]
            fn $method(self, other: $right) -> Tensor {
                expect(Tensor::$named(std::borrow::Borrow::borrow(&self), std::borrow::Borrow::borrow(&other)))
            }
        }
    };
}
logical! {
    BitAnd bitand, and;
    BitOr bitor, or;
}

impl std::ops::Not for Tensor {
    type Output = Tensor;
    /// # Panics
    /// If the elements are not boolean.
    #[track_caller]
    fn not(self) -> Tensor {
        !&self
    }
}

impl std::ops::Not for &Tensor {
    type Output = Tensor;
    /// # Panics
    /// If the elements are not boolean.
    #[track_caller]
    fn not(self) -> Tensor {
        expect(Tensor::not(self))
    }
}

impl std::iter::Sum for Tensor {
    /// The sum of tensors that broadcast: `losses.into_iter().sum::<Tensor>()`. That of none is the number 0 of f64.
    ///
    /// # Panics
    /// Where [`Tensor::add`] returns an error.
    fn sum<I: Iterator<Item = Tensor>>(iter: I) -> Tensor {
        iter.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::scalar(0.0))
    }
}

impl<'a> std::iter::Sum<&'a Tensor> for Tensor {
    /// The sum of tensors that broadcast: `losses.iter().sum::<Tensor>()`. That of none is the number 0 of f64.
    ///
    /// # Panics
    /// Where [`Tensor::add`] returns an error.
    fn sum<I: Iterator<Item = &'a Tensor>>(iter: I) -> Tensor {
        iter.cloned().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    use std::sync::{Arc, Mutex};

    use crate::tape::grad;
    use crate::{DType, Tensor};

    fn numbers(x: &Tensor) -> Vec<f64> {
        x.to_f64_vec().unwrap()
    }

    #[test]
    fn numbers_stand_on_both_sides_and_take_the_type_of_the_tensor() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 4.0], &[3]).unwrap();
        let all = [2.0 * &x, &x * 2, 2 * x.clone(), x.clone() * 2_f32, 2_i64 * &x, &x * 2_usize, &x + &x];
        assert!(all.iter().all(|y| y.dtype() == DType::F32 && numbers(y) == [2.0, 4.0, 8.0]));
        assert_eq!(numbers(&(1.0 - &x)), [0.0, -1.0, -3.0]);
        assert_eq!(numbers(&(1 / &x)), [1.0, 0.5, 0.25]);
        assert_eq!(numbers(&(8 % &x + 7.0 % x.clone())), [0.0, 1.0, 3.0]);
        let half = Tensor::ones(&[2], DType::BF16).unwrap();
        assert_eq!((3 - half).dtype(), DType::F32);
    }

    #[test]
    fn an_integer_beside_integers_stays_one() {
        let n = Tensor::from_slice(&[9_007_199_254_740_993_i64, -3], &[2]).unwrap();
        assert_eq!((&n + 1).to_vec::<i64>().unwrap(), [9_007_199_254_740_994, -2]);
        assert_eq!((10 - &n * 2).to_vec::<i64>().unwrap(), [10 - 2 * 9_007_199_254_740_993, 16]);
        assert_eq!((-&n).to_vec::<i64>().unwrap(), [-9_007_199_254_740_993, 3]);
        let words = n.add(u32::MAX as usize as f64).err().unwrap().to_string();
        assert_eq!(words, "add: 4294967295.0 stands beside a tensor of i64; take an integer, or cast the tensor with to_dtype");
        let words = Tensor::scalar(true).mul(2).err().unwrap().to_string();
        assert_eq!(words, "mul: 2 stands beside a tensor of bool; take true or false, or cast the tensor with to_dtype");
        assert_eq!(n.add(usize::MAX).err().unwrap().to_string(), "add: 18446744073709551615 does not fit in an i64");
    }

    #[test]
    fn numbers_before_a_tensor_have_its_gradient() {
        let x = Tensor::from_slice(&[0.5_f64, 2.0], &[2]).unwrap().requires_grad();
        let y = (1.0 - &x) * (3.0 / &x) + 2.0 * &x;
        // 3/x − 3 + 2x
        let first = crate::tape::grad_recorded(&y.sum(&[], false).unwrap(), &[&x]).unwrap().remove(0);
        assert_eq!(numbers(&first), [2.0 - 12.0, 2.0 - 0.75]);
        let second = grad(&first.sum(&[], false).unwrap(), &[&x]).unwrap().remove(0);
        assert_eq!(numbers(&second), [48.0, 0.75]);
    }

    #[test]
    fn booleans_have_operators_and_iterators_of_tensors_a_sum() {
        let x = Tensor::from([-1.0, 0.5, 2.0]);
        let inside = x.gt(0.0).unwrap() & x.lt(1.0).unwrap();
        assert_eq!(inside.to_vec::<bool>().unwrap(), [false, true, false]);
        assert_eq!((&inside | x.lt(0.0).unwrap()).to_vec::<bool>().unwrap(), [true, true, false]);
        assert_eq!((!&inside & !inside.clone()).to_vec::<bool>().unwrap(), [true, false, true]);
        let parts = [&x, &x.square().unwrap(), &Tensor::scalar(1.0_f32)].map(Tensor::clone);
        assert_eq!(numbers(&parts.iter().sum()), [1.0, 1.75, 7.0]);
        assert_eq!(parts.into_iter().sum::<Tensor>().dtype(), DType::F64);
        assert_eq!(numbers(&[].iter().sum::<Tensor>()), [0.0]);
        let losses = (1..4).map(|n| x.mul(n)?.sum(.., false)).sum::<crate::Result<Tensor>>().unwrap();
        assert_eq!(numbers(&losses), [9.0]);
    }

    #[test]
    fn assignment_writes_in_place_and_leaves_other_handles_alone() {
        let mut x = Tensor::from_slice(&[1.0_f32, 2.0], &[2]).unwrap();
        let place = x.elements::<f32>().as_ptr();
        x += &Tensor::from_slice(&[1.0_f32], &[1]).unwrap();
        x *= 2;
        x -= 1.0;
        x /= Tensor::scalar(2.0_f32);
        assert_eq!((numbers(&x), x.elements::<f32>().as_ptr()), (vec![1.5, 2.5], place));
        let held = x.clone();
        x %= 1.0;
        x += 1;
        assert_eq!((numbers(&x), numbers(&held)), (vec![1.5, 1.5], vec![1.5, 2.5]));
        let leaf = held.requires_grad();
        let mut y = leaf.clone();
        y *= &leaf;
        y += 1.0;
        assert_eq!(numbers(&grad(&y.sum(&[], false).unwrap(), &[&leaf]).unwrap()[0]), [3.0, 5.0]);
        let mut n = Tensor::arange(3).unwrap();
        n += 2;
        assert_eq!(n.to_vec::<i64>().unwrap(), [2, 3, 4]);
    }

    /// Where a panic of `f` says that it came from, and its words.
    fn panic_of(f: impl FnOnce()) -> (String, u32, String) {
        let seen = Arc::new(Mutex::new((String::new(), 0)));
        let (tell, thread) = (Arc::clone(&seen), std::thread::current().id());
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if std::thread::current().id() == thread
                && let Some(place) = info.location()
            {
                *tell.lock().unwrap() = (place.file().to_string(), place.line());
            }
        }));
        let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it should panic");
        set_hook(before);
        let (file, line) = seen.lock().unwrap().clone();
        (file, line, panic.downcast_ref::<String>().cloned().unwrap_or_default())
    }

    #[test]
    #[cfg(panic = "unwind")]
    fn a_panic_names_the_operators_line() {
        let (a, b) = (Tensor::arange(2).unwrap(), Tensor::arange(3).unwrap());
        let words = "add: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last";
        let line = line!() + 1;
        assert_eq!(panic_of(|| drop(&a + &b)), (file!().to_string(), line, words.to_string()));
        assert_eq!(panic_of(|| drop(a.clone() + &b)), (file!().to_string(), line + 1, words.to_string()));
        assert_eq!(panic_of(|| drop(0.5 * &b)).1, line + 2);
        let mut one = Tensor::arange(1).unwrap();
        let words = "add: the left side of shape [1] would become [3]; write a = a + b";
        assert_eq!(panic_of(|| one += &b), (file!().to_string(), line + 5, words.to_string()));
        assert_eq!(panic_of(|| drop(-Tensor::scalar(true))).1, line + 6);
        let words = "and: takes booleans, got i64 and i64";
        assert_eq!(panic_of(|| drop(&a & &a)), (file!().to_string(), line + 8, words.to_string()));
        assert_eq!(panic_of(|| drop(!&a)).1, line + 9);
    }
}
