//! Kernels that this crate compiles itself.
//!
//! A generic function is compiled in every crate that calls it: the loops of a product for three instruction sets and two types again in
//! the tensor crate, in its tests and in each example. A function within [`compiled!`] is compiled here, for f32 and for f64, and
//! callers are given the address of the one that their type asks for.

use std::any::Any;

/// Generic functions over f32 and f64, compiled in this crate for both. Arguments are names, not patterns.
macro_rules! compiled {
    ($(
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$T:ident: $bound:ident>($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block
    )+) => {$(
        $(#[$meta])*
        $vis fn $name<$T: $bound>($($arg: $type),*) $(-> $out)? {
            #[allow(clippy::too_many_arguments, reason = "as many as the function itself has")]
            fn generic<$T: $bound>($($arg: $type),*) $(-> $out)? $body
            // A static is no part of the generic function around it, so that its value is compiled here.
            let single: &'static dyn std::any::Any = {
                type $T = f32;
                static SINGLE: fn($($type),*) $(-> $out)? = generic::<$T>;
                &SINGLE
            };
            let double: &'static dyn std::any::Any = {
                type $T = f64;
                static DOUBLE: fn($($type),*) $(-> $out)? = generic::<$T>;
                &DOUBLE
            };
            let function: fn($($type),*) $(-> $out)? = $crate::compiled::either(single, double);
            function($($arg),*)
        }
    )+};
}
pub(crate) use compiled;

/// Whichever of the two is of this type.
///
/// # Panics
/// If neither is: for a number that is neither f32 nor f64.
#[inline(always)]
pub fn either<F: Copy + 'static>(single: &'static dyn Any, double: &'static dyn Any) -> F {
    let found = single.downcast_ref().or_else(|| double.downcast_ref());
    *found.expect("kernels compute in f32 and f64")
}
