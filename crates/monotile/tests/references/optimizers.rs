//! Optimizers, clipping and schedules, against PyTorch.

use monotile::optim::{AdamW, AdamWOptions, Decay, Schedule, Sgd, SgdOptions, clip_gradients};
use monotile::{Result, Tensor};
use serde_json::Value;

use crate::cases::{Tolerance, check};

/// A few roundings a step.
const ROUNDING: Tolerance = Tolerance { f64: 4e-15, f32: 2e-6 };

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap()
}

/// The first input after a step by each of the others.
fn steps(x: &[Tensor], mut step: impl FnMut(&mut [Tensor], &[Tensor]) -> Result<()>) -> Result<Vec<Tensor>> {
    let mut parameters = [x[0].clone()];
    let mut found = Vec::new();
    for gradient in &x[1..] {
        step(&mut parameters, std::slice::from_ref(gradient))?;
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
                let betas = options["betas"].as_array().unwrap();
                let mut optimizer = AdamW::new(AdamWOptions {
                    lr: number(options, "lr"),
                    betas: (betas[0].as_f64().unwrap(), betas[1].as_f64().unwrap()),
                    eps: number(options, "eps"),
                    weight_decay: number(options, "weight_decay"),
                    ..Default::default()
                });
                steps(x, |parameters, gradients| optimizer.step(parameters, gradients))
            }),
            ("sgd", |x, options| {
                let mut optimizer = Sgd::new(SgdOptions {
                    lr: number(options, "lr"),
                    momentum: number(options, "momentum"),
                    nesterov: options["nesterov"].as_bool().unwrap(),
                    weight_decay: number(options, "weight_decay"),
                });
                steps(x, |parameters, gradients| optimizer.step(parameters, gradients))
            }),
            ("clip", |x, options| {
                let mut gradients = x.to_vec();
                let length = clip_gradients(&mut gradients, number(options, "limit"))?;
                gradients.insert(0, Tensor::scalar(length));
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
