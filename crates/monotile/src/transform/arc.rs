//! Two families of functions that let rotations be written without an angle, and so without a division by it: every formula with
//! sin θ / θ is a smooth function of θ², also at θ = 0.
//!
//! Stumpff's functions cₖ(u) = Σⱼ (−u)ʲ / (k + 2j)!: with u = θ², c₀ = cos θ, c₁ = sin θ / θ, c₂ = (1 − cos θ) / θ²,
//! c₃ = (θ − sin θ) / θ³. Their derivatives are in the family: cₖ′ = ½ (k cₖ₊₂ − cₖ₊₁).
//!
//! The square of the angle whose cosine is d, and its derivatives: u(d) = arccos² d is smooth at d = 1, where arccos d is not,
//! and goes on beyond.
//!
//! Source: Stumpff (1959), Himmelsmechanik I.

use monotile_kernels::number::{Formula, Number};

use super::parts::on_cpu;
use crate::door::map::{binary_f64, formula, unary_f64};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, uniform};

/// cₖ(u), elementwise.
#[track_caller]
pub(super) fn stumpff(k: usize, u: &Tensor) -> Result<Tensor> {
    let u = u.to_compute_dtype("stumpff")?;
    let c = if on_cpu(&[&u]) {
        unary_f64("stumpff", &u, move |u| stumpff_of(k, u))
    } else {
        formula("stumpff", [&u], StumpffFormula(k))
    }?;
    Ok(Tensor::record(c, &[&u], Stumpff(k)))
}

/// arccos² d, elementwise for d > −1; smooth at 1 and beyond, where it is below 0.
#[track_caller]
pub(super) fn angle_squared(d: &Tensor) -> Result<Tensor> {
    angle_squared_derivative(0, d)
}

/// arccos d / √(1 − d²), elementwise for d > −1: half an angle over its sine, smooth where that is 0.
#[track_caller]
pub(super) fn angle_over_sine(d: &Tensor) -> Result<Tensor> {
    // d arccos²/dd = −2 arccos d / √(1 − d²)
    angle_squared_derivative(1, d)?.mul_scalar(-0.5)
}

/// The derivative of arccos² d of this order, elementwise.
#[track_caller]
fn angle_squared_derivative(order: usize, d: &Tensor) -> Result<Tensor> {
    let d = d.to_compute_dtype("angle_squared")?;
    let u = if on_cpu(&[&d]) {
        unary_f64("angle_squared", &d, move |d| angle_squared_of(order, d))
    } else {
        formula("angle_squared", [&d], AngleSquaredFormula(order))
    }?;
    Ok(Tensor::record(u, &[&d], AngleSquared(order)))
}

/// The angle of the points (x, y) in (−π, π], elementwise of one shape; 0 at the origin, where it has no gradient.
#[track_caller]
pub(super) fn angle_of(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    if !on_cpu(&[y, x]) {
        return y.atan2(x);
    }
    let angle = binary_f64("angle", y, x, f64::atan2)?;
    Ok(Tensor::record(angle, &[y, x], AngleOf))
}

struct AngleOf;

impl Gradient for AngleOf {
    fn name(&self) -> &'static str {
        "angle"
    }
    // ȳ = ḡ x / r²,  x̄ = −ḡ y / r²
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (y, x) = (saved.input(0), saved.input(1));
        let g = g.div(&x.square()?.add(&y.square()?)?)?;
        Ok(vec![Some(g.mul(&x)?), Some(g.mul(&y)?.neg()?)])
    }
}

/// cₖ(u)
struct Stumpff(usize);

impl Gradient for Stumpff {
    fn name(&self) -> &'static str {
        "stumpff"
    }
    fn keeps_output(&self, _: usize) -> bool {
        false
    }
    // ū = ½ ȳ (k cₖ₊₂ − cₖ₊₁)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let (k, u) = (self.0, saved.input(0));
        let slope = if saved.is_recorded() || !on_cpu(&[&u]) {
            stumpff(k + 2, &u)?.mul_scalar(k as f64)?.sub(&stumpff(k + 1, &u)?)?.mul_scalar(0.5)?
        } else {
            unary_f64("stumpff", &u, move |u| 0.5 * (k as f64 * stumpff_of(k + 2, u) - stumpff_of(k + 1, u)))?
        };
        Ok(vec![Some(g.mul(&slope)?)])
    }
}

/// Up to here the series is short, and beyond it the closed forms lose no more than a digit.
const SERIES: f64 = 4.0;

fn stumpff_of(k: usize, u: f64) -> f64 {
    if u.abs() > SERIES && k > 1 {
        // cₖ + u cₖ₊₂ = 1 / k!
        let factorial: f64 = (1..=k - 2).map(|i| i as f64).product();
        return (1.0 / factorial - stumpff_of(k - 2, u)) / u;
    }
    let root = u.abs().sqrt();
    match (k, u > SERIES, u < -SERIES) {
        (0, true, _) => root.cos(),
        (1, true, _) => root.sin() / root,
        (0, _, true) => root.cosh(),
        (1, _, true) => root.sinh() / root,
        _ => {
            let mut sum = 1.0;
            for j in (1..=14).rev() {
                let n = (k + 2 * j) as f64;
                sum = 1.0 - u / (n * (n - 1.0)) * sum;
            }
            sum / (1..=k).map(|i| i as f64).product::<f64>()
        }
    }
}

/// The derivative of arccos² d of this order.
struct AngleSquared(usize);

impl Gradient for AngleSquared {
    fn name(&self) -> &'static str {
        "angle_squared"
    }
    fn keeps_output(&self, _: usize) -> bool {
        false
    }
    // d̄ = ȳ u⁽ⁿ⁺¹⁾(d)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.mul(&angle_squared_derivative(self.0 + 1, &saved.input(0))?)?)])
    }
}

/// With z = 1 − d: u = 2 Σₙ aₙ zⁿ and aₙ = 2ⁿ / (n² C(2n, n)), of which aₙ₊₁ / aₙ = n² / ((n + 1)(2n + 1)).
/// Far from 1 the orders follow from (1 − d²) u″ − d u′ = 2, differentiated again and again.
fn angle_squared_of(order: usize, d: f64) -> f64 {
    let z = 1.0 - d;
    if z.abs() <= 0.5 {
        // Terms fall by 4 at least, beside a power of n that each derivative brings.
        let (mut a, mut power, mut sum) = (1.0, if order == 0 { z } else { 1.0 }, 0.0);
        for n in 1..40_usize {
            if n >= order {
                let falling: f64 = (n - order + 1..=n).map(|i| i as f64).product();
                sum += a * falling * power;
                power *= z;
            }
            a *= (n * n) as f64 / ((n + 1) * (2 * n + 1)) as f64;
        }
        return if order.is_multiple_of(2) { 2.0 * sum } else { -2.0 * sum };
    }
    let square = z * (1.0 + d);
    match order {
        0 if d < 1.0 => d.acos().powi(2),
        0 => -d.acosh().powi(2),
        1 if d < 1.0 => -2.0 * d.acos() / square.sqrt(),
        1 => -2.0 * d.acosh() / (-square).sqrt(),
        2 => (2.0 + d * angle_squared_of(1, d)) / square,
        _ => {
            let n = (order - 2) as f64;
            ((2.0 * n + 1.0) * d * angle_squared_of(order - 1, d) + n * n * angle_squared_of(order - 2, d)) / square
        }
    }
}

/// [`stumpff_of`] as a GPU computes it, in f32.
#[derive(Clone, Copy)]
struct StumpffFormula(usize);

impl Formula<1> for StumpffFormula {
    const COMPILED: bool = false;

    #[inline(always)]
    fn apply<T: Number>(self, [u]: [T; 1]) -> T {
        let (k, one) = (self.0, T::ONE);
        let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
        let mut sum = one;
        for j in (1..=8).rev() {
            let n = (k + 2 * j) as f64;
            sum = one - u * T::from_f64(1.0 / (n * (n - 1.0))) * sum;
        }
        let near = sum * T::from_f64(1.0 / factorial(k));
        let (root, zero) = (u.abs().sqrt(), T::from_f64(0.0));
        let (grown, shrunk) = (root.exp(), (-root).exp());
        let half = T::from_f64(0.5);
        let mut far = match k % 2 {
            0 => T::select(zero.less(u), root.cos(), (grown + shrunk) * half),
            _ => T::select(zero.less(u), root.sin(), (grown - shrunk) * half) / root,
        };
        // cₖ + u cₖ₊₂ = 1 / k!
        for i in (2 + k % 2..=k).step_by(2) {
            far = (T::from_f64(1.0 / factorial(i - 2)) - far) / u;
        }
        T::select(T::from_f64(SERIES).less(u.abs()), far, near)
    }
}

/// [`angle_squared_of`] as a GPU computes it, in f32.
#[derive(Clone, Copy)]
struct AngleSquaredFormula(usize);

impl Formula<1> for AngleSquaredFormula {
    const COMPILED: bool = false;

    #[inline(always)]
    fn apply<T: Number>(self, [d]: [T; 1]) -> T {
        let (order, one, zero) = (self.0, T::ONE, T::from_f64(0.0));
        let z = one - d;
        // The factors of the powers of z.
        let (mut a, mut factors) = (1.0, Vec::new());
        for n in 1..=18 + order {
            if n >= order {
                factors.push(a * (n - order + 1..=n).map(|i| i as f64).product::<f64>());
            }
            a *= (n * n) as f64 / ((n + 1) * (2 * n + 1)) as f64;
        }
        let sum = factors.into_iter().rev().fold(zero, |sum, factor| sum * z + T::from_f64(factor));
        let near = if order == 0 { sum * z } else { sum } * T::from_f64(if order.is_multiple_of(2) { 2.0 } else { -2.0 });
        let square = z * (one + d);
        let root = square.abs().sqrt();
        let inside = d.less(one);
        let angle = T::select(inside, root.atan2(d), (d + root).ln());
        let mut orders = vec![T::select(inside, angle * angle, -(angle * angle)), T::from_f64(-2.0) * angle / root];
        for k in 2..=order {
            let n = (k - 2) as f64;
            let before = T::from_f64(2.0 * n + 1.0) * d * orders[k - 1];
            let next = if k == 2 { before + T::from_f64(2.0) } else { before + T::from_f64(n * n) * orders[k - 2] };
            orders.push(next / square);
        }
        T::select(T::from_f64(0.5).less(z.abs()), orders[order], near)
    }
}

#[cfg(test)]
pub(crate) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    use monotile_kernels::number::record;
    vec![
        ("stumpff".into(), record(|x| StumpffFormula(3).apply(x))),
        ("angle_squared".into(), record(|x| AngleSquaredFormula(2).apply(x))),
    ]
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let plain = |k: usize| {
        // θ from 0.7 on, where the definitions cancel little.
        Spec::new("stumpff", move |x| Ok(vec![stumpff(k, &x[0])?]))
            .sample("near", vec![uniform(&[7], 0.5, 4.0)])
            .sample("far", vec![uniform(&[3], 4.0, 100.0)])
            .reference(move |x| {
                let f = |u: &f64| {
                    let t = u.sqrt();
                    [t.cos(), t.sin() / t, (1.0 - t.cos()) / u, (t - t.sin()) / (t * u)][k]
                };
                vec![x[0].iter().map(f).collect()]
            })
            .orders(2)
    };
    let ends = |name, f: fn(&Tensor) -> Result<Tensor>| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("at 0 and about", vec![super::parts::samples::numbers(&[0.0, 1e-9, -1e-4, 0.3])])
            .orders(2)
    };
    vec![
        plain(0),
        plain(1),
        plain(2),
        plain(3),
        Spec::new("angle", |x| Ok(vec![angle_of(&x[0], &x[1])?]))
            .sample("points", vec![uniform(&[9], -2.0, 2.0), uniform(&[9], 0.2, 3.0)])
            .sample("behind", vec![uniform(&[9], 0.2, 3.0), uniform(&[9], -2.0, -0.1)])
            .reference(|x| vec![x[0].iter().zip(&x[1]).map(|(y, x)| y.atan2(*x)).collect()])
            .orders(2),
        ends("stumpff 0", |x| stumpff(0, x)),
        ends("stumpff 1", |x| stumpff(1, x)),
        ends("stumpff 3", |x| stumpff(3, x)),
        ends("angle_squared", |x| angle_squared(&x.add_scalar(1.0)?)),
        ends("angle_over_sine", |x| angle_over_sine(&x.add_scalar(1.0)?)),
        Spec::new("angle_squared", |x| Ok(vec![angle_squared(&x[0])?]))
            .sample("angles", vec![uniform(&[9], -0.9, 0.99)])
            .reference(|x| vec![x[0].iter().map(|d| d.acos().powi(2)).collect()])
            .orders(2),
        Spec::new("angle_over_sine", |x| Ok(vec![angle_over_sine(&x[0])?]))
            .sample("angles", vec![uniform(&[9], -0.9, 0.9)])
            .reference(|x| vec![x[0].iter().map(|d| d.acos() / (1.0 - d * d).sqrt()).collect()])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: stumpff, angle, stumpff_0, stumpff_1, stumpff_3, angle_squared, angle_over_sine);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_each_function_meet() {
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * a.abs().max(1e-3), "{a} and {b}");
        for k in 0..8 {
            for u in [SERIES, -SERIES] {
                close(stumpff_of(k, u), stumpff_of(k, u * (1.0 + f64::EPSILON)));
            }
        }
        for order in 0..4 {
            for d in [0.5_f64, 1.5] {
                close(angle_squared_of(order, d), angle_squared_of(order, d + (d - 1.0) * 2.0 * f64::EPSILON));
            }
        }
        for (order, wanted) in [0.0, -2.0, 2.0 / 3.0, -8.0 / 15.0].into_iter().enumerate() {
            close(angle_squared_of(order, 1.0), wanted);
        }
    }
}
