//! Optimizers, clipping and schedules, against PyTorch.

use monotile::optim::{
    Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, Decay, Optimizer, RmsProp, RmsPropOptions, Schedule, Sgd,
    SgdOptions, clip_gradients,
};
use monotile::{Result, Tensor};
use serde_json::Value;

use crate::cases::{Tolerance, check};

/// A few roundings a step.
const ROUNDING: Tolerance = Tolerance { f64: 4e-15, f32: 2e-6 };

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap()
}

fn is(options: &Value, name: &str) -> bool {
    options[name].as_bool().unwrap()
}

fn betas(options: &Value) -> (f64, f64) {
    let betas = options["betas"].as_array().unwrap();
    (betas[0].as_f64().unwrap(), betas[1].as_f64().unwrap())
}

/// The first input after a step by each of the others.
fn steps(mut optimizer: impl Optimizer, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut parameters = [x[0].clone()];
    let mut found = Vec::new();
    for gradient in &x[1..] {
        optimizer.step(&mut parameters, std::slice::from_ref(gradient))?;
        found.push(parameters[0].clone());
    }
    Ok(found)
}

#[test]
fn steps_lengths_and_rates_are_those_of_pytorch() {
    check(
        "optimizers.safetensors",
        ROUNDING,
        &[
            ("adamw", |x, options| {
                let [lr, eps, weight_decay] = ["lr", "eps", "weight_decay"].map(|name| number(options, name));
                steps(AdamW::new(AdamWOptions { lr, betas: betas(options), eps, weight_decay, ..Default::default() }), x)
            }),
            ("adam", |x, options| {
                let [lr, eps, weight_decay] = ["lr", "eps", "weight_decay"].map(|name| number(options, name));
                steps(Adam::new(AdamOptions { lr, betas: betas(options), eps, weight_decay }), x)
            }),
            ("sgd", |x, options| {
                let [lr, momentum, dampening, weight_decay] =
                    ["lr", "momentum", "dampening", "weight_decay"].map(|name| number(options, name));
                steps(Sgd::new(SgdOptions { lr, momentum, dampening, nesterov: is(options, "nesterov"), weight_decay }), x)
            }),
            ("rmsprop", |x, options| {
                let [lr, alpha, eps, weight_decay, momentum] =
                    ["lr", "alpha", "eps", "weight_decay", "momentum"].map(|name| number(options, name));
                steps(RmsProp::new(RmsPropOptions { lr, alpha, eps, weight_decay, momentum, centered: is(options, "centered") }), x)
            }),
            ("adagrad", |x, options| {
                let [lr, lr_decay, weight_decay, initial_accumulator, eps] =
                    ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"].map(|name| number(options, name));
                steps(Adagrad::new(AdagradOptions { lr, lr_decay, weight_decay, initial_accumulator, eps }), x)
            }),
            ("clip", |x, options| {
                let mut gradients = x.to_vec();
                let length = clip_gradients(&mut gradients, number(options, "limit"))?;
                gradients.insert(0, length);
                Ok(gradients)
            }),
            ("schedule", |_, options| {
                let decay = match options["decay"].as_str().unwrap() {
                    "constant" => Decay::Constant,
                    "linear" => Decay::Linear,
                    "cosine" => Decay::Cosine,
                    other => panic!("a decay that no case should have: {other}"),
                };
                let [warmup, steps] = ["warmup", "steps"].map(|name| number(options, name) as usize);
                let schedule = Schedule { peak: number(options, "peak"), floor: number(options, "floor"), warmup, steps, decay };
                let rates = (0..=steps).map(|step| schedule.learning_rate(step)).collect();
                Ok(vec![Tensor::from_vec(rates, &[steps + 1])?])
            }),
        ],
    );
}
