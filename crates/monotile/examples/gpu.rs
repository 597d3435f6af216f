//! A network learns on a GPU what it learns on the processor: the two spirals, told apart by a perceptron with two hidden layers.
//!
//! The program is written once, for a device. Parameters, moments and the loss stay there; it is read every fifty steps. Which device:
//!
//! ```text
//! cargo run --release -p monotile --features gpu --example gpu -- auto
//! cargo run --release -p monotile --features gpu --example gpu -- cpu
//! ```
//!
//! Source: Lang and Witbrock (1988), Learning to tell two spirals apart.

use monotile::ops::{BceWithLogitsOptions, bce_with_logits};
use monotile::optim::{AdamW, AdamWOptions};
use monotile::tape::grad;
use monotile::{DType, Device, Result, Rng, Tensor};

/// Points of each spiral, and neurons of a hidden layer.
const POINTS: usize = 97;
const WIDTH: usize = 32;
const STEPS: usize = 300;

/// The points of both spirals `(n, 2)`, and which one each is of, `(n, 1)`.
fn spirals() -> Result<(Tensor, Tensor)> {
    let place = |i: usize| {
        let (angle, radius) = ((i / 2) as f32 * std::f32::consts::PI / 16.0, 1.0 - (i / 2) as f32 / 104.0);
        let side = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        [side * radius * angle.cos(), side * radius * angle.sin()]
    };
    let points: Vec<[f32; 2]> = (0..2 * POINTS).map(place).collect();
    let classes: Vec<f32> = (0..2 * POINTS).map(|i| (i % 2) as f32).collect();
    Ok((Tensor::from_rows(&points)?, Tensor::from_vec(classes, [2 * POINTS, 1])?))
}

/// The losses of every fiftieth step on a device.
fn train(device: &Device) -> Result<Vec<f32>> {
    let (x, classes) = spirals()?;
    // Sines and cosines of the coordinates, as a network of its size would take long to find them.
    let waves = Tensor::from_rows(&[[3.0_f32, 0.0, 6.0, 0.0, 4.0, 4.0], [0.0, 3.0, 0.0, 6.0, 4.0, -4.0]])?;
    let angles = x.matmul(&waves)?;
    let x = Tensor::cat(&[&x, &angles.sin()?, &angles.cos()?], 1)?.to(device)?;
    let classes = classes.to(device)?;
    let mut rng = Rng::new(4);
    let mut parameters = Vec::new();
    for [from, to] in [[14, WIDTH], [WIDTH, WIDTH], [WIDTH, 1]] {
        let weight = rng.normal([from, to], DType::F32)?.mul_scalar((1.0 / from as f64).sqrt())?;
        parameters.push(weight.to(device)?.requires_grad());
        parameters.push(Tensor::zeros([to], DType::F32)?.to(device)?.requires_grad());
    }
    let mut optimizer = AdamW::new(AdamWOptions { lr: 1e-2, ..Default::default() });
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let mut y = x.clone();
        for (layer, pair) in parameters.chunks(2).enumerate() {
            y = y.matmul(&pair[0])?.add(&pair[1])?;
            y = if layer < 2 { y.tanh()? } else { y };
        }
        let loss = bce_with_logits(&y, &classes, &BceWithLogitsOptions::default())?;
        let gradients = grad(&loss, &parameters)?;
        optimizer.step(&mut parameters, &gradients)?;
        if step % 50 == 49 {
            losses.push(loss.item::<f32>()?);
        }
    }
    Ok(losses)
}

fn main() -> Result<()> {
    let device = Device::open(&std::env::args().nth(1).unwrap_or_else(|| "auto".into()))?;
    let losses = train(&device)?;
    println!("on {device}, every fiftieth loss: {losses:.4?}");
    if let (Some(memory), Some(dispatches)) = (device.memory(), device.dispatches()) {
        println!("{dispatches} kernels were called, {memory} bytes are still held");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs() {
        let here = train(&Device::cpu()).unwrap();
        assert!(here[0] < 0.7 && here[STEPS / 50 - 1] < 0.15, "{here:?}");
        let Ok(device) = Device::open("gpu") else { return eprintln!("skipped: no adapter") };
        let there = train(&device).unwrap();
        // Rounding grows from step to step.
        assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 0.02), "{here:?}\n{there:?}");
    }
}
