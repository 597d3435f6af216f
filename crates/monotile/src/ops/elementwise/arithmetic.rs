//! Addition, subtraction, multiplication, division and negation of tensors and numbers.

use monotile_kernels::number::Number;

use super::{Binary, Reads, Unary, assign, binary, binary_into, unary};
use crate::door::map;
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
use crate::tensor::operand::{OperandValue, TensorOrNumber};
#[cfg(test)]
use crate::testing::{Spec, positive};

/// a + b
#[derive(Clone, Copy)]
struct Add;

impl Binary for Add {
    const NAME: &'static str = "add";
    const LIGHT: bool = true;
    const INTEGERS: Option<fn(i64, i64) -> i64> = Some(i64::wrapping_add);
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a + b
    }
    fn rule(self, _: &Saved, g: &Tensor, _: usize) -> Result<Tensor> {
        Ok(g.clone())
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        false
    }
}

/// a - b
#[derive(Clone, Copy)]
struct Sub;

impl Binary for Sub {
    const NAME: &'static str = "sub";
    const LIGHT: bool = true;
    const INTEGERS: Option<fn(i64, i64) -> i64> = Some(i64::wrapping_sub);
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a - b
    }
    fn rule(self, _: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        if operand == 0 { Ok(g.clone()) } else { g.neg() }
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        false
    }
}

/// a · b
#[derive(Clone, Copy)]
struct Mul;

impl Binary for Mul {
    const NAME: &'static str = "mul";
    const LIGHT: bool = true;
    const INTEGERS: Option<fn(i64, i64) -> i64> = Some(i64::wrapping_mul);
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a * b
    }
    // ā = ȳ b,  b̄ = ȳ a
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        g.mul(saved.input(1 - operand))
    }
    fn keeps(self, i: usize, needs: &[bool]) -> bool {
        needs[1 - i]
    }
}

/// a / b
#[derive(Clone, Copy)]
struct Div;

impl Binary for Div {
    const NAME: &'static str = "div";
    const LIGHT: bool = true;
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a / b
    }
    // ā = ȳ / b,  b̄ = -ȳ a / b²
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        let b = saved.input(1);
        if operand == 0 {
            return g.div(&b);
        }
        g.mul(saved.input(0))?.div(&b.mul(&b)?)?.neg()
    }
    fn keeps(self, i: usize, needs: &[bool]) -> bool {
        i == 1 || needs[1]
    }
}

/// x + c
#[derive(Clone, Copy)]
struct AddScalar(f64);

impl Unary for AddScalar {
    const NAME: &'static str = "add";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x + T::from_f64(self.0)
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.clone())
    }
}

/// c · x
#[derive(Clone, Copy)]
struct MulScalar(f64);

impl Unary for MulScalar {
    const NAME: &'static str = "mul";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x * T::from_f64(self.0)
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul_scalar(self.0)
    }
}

/// -x
#[derive(Clone, Copy)]
struct Neg;

impl Unary for Neg {
    const NAME: &'static str = "neg";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        -x
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        g.neg()
    }
}

/// # Arithmetic
///
/// As the operators `+`, `-`, `*` and `/`, with an error where those panic. Shapes broadcast.
impl Tensor {
    /// a + b, elementwise over shapes that broadcast; also `&a + &b`. Either may be a [number](TensorOrNumber) there.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or integers meet floating-point numbers.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], &[2])?;
    /// let mut y = 2.0 * &x + 1;
    /// y += &x;
    /// assert_eq!((1.0 - y).to_vec::<f32>()?, [-3.0, -6.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn add(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        add(self, other.value())
    }

    /// a - b, elementwise over shapes that broadcast; also `&a - &b`.
    ///
    /// # Errors
    /// As [`add`](Tensor::add).
    #[doc(alias = "subtract")]
    #[track_caller]
    pub fn sub(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        sub(self, other.value())
    }

    /// a · b, elementwise over shapes that broadcast; also `&a * &b`.
    ///
    /// # Errors
    /// As [`add`](Tensor::add).
    #[doc(alias = "multiply")]
    #[track_caller]
    pub fn mul(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        mul(self, other.value())
    }

    /// a / b, elementwise over shapes that broadcast; also `&a / &b`.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or an operand holds integers.
    #[doc(alias = "divide")]
    #[doc(alias = "true_divide")]
    #[track_caller]
    pub fn div(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        div(self, other.value())
    }

    /// x + c; also `&x + c`.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn add_scalar(&self, c: f64) -> Result<Tensor> {
        unary(self, AddScalar(c))
    }

    /// c · x; also `&x * c`.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn mul_scalar(&self, c: f64) -> Result<Tensor> {
        unary(self, MulScalar(c))
    }

    /// -x; also `-&x`.
    ///
    /// # Errors
    /// For booleans.
    #[doc(alias = "negative")]
    #[track_caller]
    pub fn neg(&self) -> Result<Tensor> {
        if self.dtype().is_integer() {
            let x = self.widened("neg")?;
            return map::integers("neg", &x, &x, |x, _| x.wrapping_neg());
        }
        unary(self, Neg)
    }
}

/// What an operator does: borrows its left operand, owns it, assigns to it, or has a number there.
macro_rules! operation {
    ($($family:ident: $of:ident $into:ident $from:ident $assign:ident, $symbol:literal, $scalar:expr, $number_first:expr;)*) => {$(
        #[track_caller]
        pub(super) fn $of(a: &Tensor, b: OperandValue<'_>) -> Result<Tensor> {
            match b.beside_floats(a) {
                Some(c) => unary(a, $scalar(c)),
                None => binary(a, &*b.beside($family::NAME, a.dtype())?, $family),
            }
        }
        #[track_caller]
        pub(super) fn $into(a: Tensor, b: OperandValue<'_>) -> Result<Tensor> {
            match b {
                OperandValue::Tensor(b) => binary_into(a, b, $family),
                number => $of(&a, number),
            }
        }
        #[track_caller]
        pub(super) fn $from(a: OperandValue<'_>, b: &Tensor) -> Result<Tensor> {
            match a.beside_floats(b) {
                Some(c) => unary(b, $number_first(c)),
                None => binary(&*a.beside($family::NAME, b.dtype())?, b, $family),
            }
        }
        #[track_caller]
        pub(super) fn $assign(a: &mut Tensor, b: OperandValue<'_>) -> Result<()> {
            assign(a, b, $symbol, $family)
        }
    )*};
}
operation! {
    Add: add add_into add_from add_assign, "+", AddScalar, AddScalar;
    Sub: sub sub_into sub_from sub_assign, "-", |c: f64| AddScalar(-c), SubFrom;
    Mul: mul mul_into mul_from mul_assign, "*", MulScalar, MulScalar;
    Div: div div_into div_from div_assign, "/", DivScalar, DivFrom;
}

/// c - x
#[derive(Clone, Copy)]
struct SubFrom(f64);

impl Unary for SubFrom {
    const NAME: &'static str = "sub";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        T::from_f64(self.0) - x
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        g.neg()
    }
}

/// c / x
#[derive(Clone, Copy)]
struct DivFrom(f64);

impl Unary for DivFrom {
    const NAME: &'static str = "div";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        T::from_f64(self.0) / x
    }
    // x̄ = -ȳ c / x²
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul_scalar(-self.0)?.div(&saved.input(0).square()?)
    }
}

/// x / c: a division, not a product with 1/c, so that it rounds as the division of a tensor does.
#[derive(Clone, Copy)]
struct DivScalar(f64);

impl Unary for DivScalar {
    const NAME: &'static str = "div";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x / T::from_f64(self.0)
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        unary(g, self)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::{binary_formulas, unary_formulas};
    [
        unary_formulas(AddScalar(0.5)),
        unary_formulas(MulScalar(-1.5)),
        unary_formulas(DivScalar(3.0)),
        unary_formulas(SubFrom(0.5)),
        unary_formulas(DivFrom(-2.0)),
        unary_formulas(Neg),
        binary_formulas(Add),
        binary_formulas(Sub),
        binary_formulas(Mul),
        binary_formulas(Div),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let broadcast = "add: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last";
    let pair = |spec: Spec| {
        spec.sample("equal shapes", vec![positive(&[3, 4]), positive(&[3, 4])])
            .sample("broadcast", vec![positive(&[2, 1, 4]), positive(&[3, 1])])
            .sample("empty", vec![positive(&[0, 4]), positive(&[1, 4])])
            .orders(2)
    };
    let plain = |f: fn(f64, f64) -> f64| {
        move |x: &[Vec<f64>], s: &[Vec<usize>]| {
            let at = |i: usize| if s[0] == s[1] { (i, i) } else { (i / 12 * 4 + i % 4, i / 4 % 3) };
            let len = if s[0][0] == 0 { 0 } else { monotile_kernels::shape::count(&s[0]) * if s[0] == s[1] { 1 } else { 3 } };
            vec![(0..len).map(at).map(|(i, j)| f(x[0][i], x[1][j])).collect()]
        }
    };
    vec![
        pair(Spec::new("add", |x| Ok(vec![x[0].add(&x[1])?])))
            .shaped_reference(plain(|a, b| a + b))
            .refuses(vec![positive(&[2]), positive(&[3])], broadcast),
        pair(Spec::new("sub", |x| Ok(vec![x[0].sub(&x[1])?]))).shaped_reference(plain(|a, b| a - b)),
        pair(Spec::new("mul", |x| Ok(vec![x[0].mul(&x[1])?]))).shaped_reference(plain(|a, b| a * b)),
        pair(Spec::new("div", |x| Ok(vec![x[0].div(&x[1])?]))).shaped_reference(plain(|a, b| a / b)),
        Spec::new("operators with numbers", |x| Ok(vec![-(&x[0] * 3.0 - 1.0) / 7.0]))
            .sample("vector", vec![positive(&[5])])
            .reference(|x| vec![x[0].iter().map(|v| -(v * 3.0 - 1.0) / 7.0).collect()])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: add, sub, mul, div, operators_with_numbers);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{CheckGradientOptions, check_gradient};
    use crate::{DType, Rng};

    #[test]
    fn a_number_without_dimensions_does_not_widen_a_tensor_that_has_some() {
        let (row, double) = (Tensor::from(vec![1.0_f32, 2.0]), Tensor::scalar(0.5_f64));
        assert_eq!((&row * &double).dtype(), DType::F32);
        assert_eq!((&double * &row).dtype(), DType::F32);
        // Neither has dimensions, or both have: the wider counts.
        assert_eq!((&Tensor::scalar(1.0_f32) * &double).dtype(), DType::F64);
        assert_eq!((&row * Tensor::from(vec![0.5_f64])).dtype(), DType::F64);
        assert_eq!((&Tensor::from(vec![1.0_f64]) * Tensor::scalar(0.5_f32)).dtype(), DType::F64);
    }

    #[test]
    fn broadcast_gradients_sum_over_what_was_repeated() {
        let mut rng = Rng::new(1);
        let a = rng.normal(&[3, 1, 4], DType::F64).unwrap();
        let b = rng.uniform(&[2, 1], 1.0, 2.0, DType::F64).unwrap();
        let options = CheckGradientOptions { order: 2, ..Default::default() };
        for f in [add, sub, mul, div] {
            check_gradient(|x| Ok(vec![f(&x[0], x[1].value())?]), &[a.clone(), b.clone()], &options).unwrap();
        }
    }

    #[test]
    fn owned_operands_give_their_memory_unless_somebody_holds_it() {
        let mut rng = Rng::new(2);
        let [x, y] = [0; 2].map(|_| rng.normal(&[40, 50], DType::F32).unwrap());
        let (row, column) = (rng.normal(&[50], DType::F32).unwrap(), rng.normal(&[40, 1], DType::F32).unwrap());
        let expected = x.sub(&column).unwrap().mul(y.mt().contiguous().unwrap().mt()).unwrap().add(&row).unwrap();
        let temporary = &x - &column;
        let place = temporary.elements::<f32>().as_ptr();
        let z = temporary * y.mt().contiguous().unwrap().mt() + &row;
        assert_eq!(z.elements::<f32>(), expected.elements::<f32>());
        assert_eq!(z.elements::<f32>().as_ptr(), place);
        // Held by another handle, by a view, or recorded; or smaller than the result.
        let before = z.to_vec::<f32>().unwrap();
        let (held, view) = (z.clone(), z.mt());
        let _ = z * &row;
        let _ = held.clone() - &held;
        assert_eq!(held.to_vec::<f32>().unwrap(), before);
        drop(held);
        assert_eq!(view.mt().to_vec::<f32>().unwrap(), before);
        let leaf = view.mt().contiguous().unwrap().requires_grad();
        let kept = leaf.detach();
        assert!((leaf * &row).is_recorded());
        assert_eq!(kept.to_vec::<f32>().unwrap(), before);
        assert_eq!((row.add_scalar(0.0).unwrap() / x.clone()).shape(), [40, 50]);
        let weight = row.clone().requires_grad();
        assert!((kept * &weight).is_recorded());
    }

    #[test]
    fn integers_add_and_do_not_mix_with_floats() {
        let n = Tensor::arange(3).unwrap();
        assert_eq!((&n + &n).to_vec::<i64>().unwrap(), [0, 2, 4]);
        let words = n.add(Tensor::ones(&[3], DType::F32).unwrap()).err().unwrap().to_string();
        assert_eq!(words, "add: takes floating-point numbers, got i64 and f32; cast with to_dtype");
    }
}
