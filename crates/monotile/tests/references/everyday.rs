//! What is typed every day, against PyTorch.

use monotile::ops::ScatterReduction;
use monotile::{Result, Tensor};
use serde_json::Value;

use crate::cases::{Tolerance, check};

/// Functions without loops of their own are within 1e-13 of values of 50 digits.
const ROUNDING: Tolerance = Tolerance { f64: 1e-13, f32: 5e-6 };

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap()
}

fn integer(options: &Value, name: &str) -> isize {
    options[name].as_i64().unwrap() as isize
}

fn axes(options: &Value) -> Vec<isize> {
    options["axes"].as_array().unwrap().iter().map(|axis| axis.as_i64().unwrap() as isize).collect()
}

fn flag(options: &Value, name: &str) -> bool {
    options[name].as_bool().unwrap()
}

fn one(found: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![found?])
}

fn two(found: Result<(Tensor, Tensor)>) -> Result<Vec<Tensor>> {
    let (first, second) = found?;
    Ok(vec![first, second])
}

/// NaN where the second tensor is below 0.
fn holes(x: &[Tensor]) -> Result<Tensor> {
    x[1].lt(0.0)?.where_(f64::NAN, &x[0])
}

#[test]
fn what_is_typed_every_day_is_as_in_pytorch() {
    check(
        "everyday.safetensors",
        ROUNDING,
        &[
            ("diff", |x, options| one(x[0].diff(integer(options, "n") as usize, integer(options, "axis")))),
            ("trapezoid", |x, _| one(x[0].trapezoid(&x[1], -1))),
            ("cumulative_trapezoid", |x, _| one(x[0].cumulative_trapezoid(&x[1], -1))),
            ("cumulative_trapezoid_step", |x, options| one(x[0].cumulative_trapezoid(number(options, "step"), 0))),
            ("nansum", |x, options| one(holes(x)?.nansum(&axes(options), false))),
            ("nanmean", |x, options| one(holes(x)?.nanmean(&axes(options), false))),
            ("aminmax", |x, options| two(x[0].aminmax(integer(options, "axis"), false))),
            ("var_mean", |x, options| two(x[0].var_mean(integer(options, "axis"), 1.0, false))),
            ("std_mean", |x, options| two(x[0].std_mean(integer(options, "axis"), 1.0, false))),
            ("unflatten", |x, _| one(x[0].unflatten(1, [2, -1]))),
            ("clamp_min", |x, options| one(x[0].clamp_min(number(options, "bound")))),
            ("clamp_max", |x, options| one(x[0].clamp_max(number(options, "bound")))),
            ("addcdiv", |x, options| one(x[0].addcdiv(&x[1], &x[2], number(options, "value")))),
            ("fmod", |x, _| one(x[0].fmod(&x[1]))),
            ("copysign", |x, _| one(x[0].copysign(&x[1]))),
            ("heaviside", |x, _| one(x[0].heaviside(&x[1]))),
            ("sinc", |x, _| one(x[0].sinc())),
            ("logit", |x, _| one(x[0].logit())),
            ("vander", |x, options| one(x[0].vander(4, flag(options, "increasing")))),
            ("combinations", |x, options| one(x[0].combinations(3, flag(options, "replacement")))),
            ("cartesian_prod", |x, _| one(Tensor::cartesian_prod(x))),
            ("isin", |x, _| one(x[0].isin(&x[1]))),
            ("scatter_prod", |x, _| one(x[0].scatter_reduce(0, &x[2], &x[1], ScatterReduction::Prod))),
            ("scatter_integers", |x, options| {
                let how = match options["how"].as_str().unwrap() {
                    "sum" => ScatterReduction::Sum,
                    "prod" => ScatterReduction::Prod,
                    "amax" => ScatterReduction::Max,
                    _ => ScatterReduction::Min,
                };
                one(x[0].scatter_reduce(0, &x[2], &x[1], how))
            }),
        ],
    );
}
