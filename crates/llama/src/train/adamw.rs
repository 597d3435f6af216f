//! AdamW on rows of numbers.

use monotile::{Result, Tensor};

use super::options::TrainOptions;

/// Adam with weight decay apart from the gradient; one state for every tensor trained.
///
/// # Source
/// Kingma and Ba (2015); Loshchilov and Hutter (2019).
pub(super) struct AdamW {
    pub moments: Vec<Moments>,
}

/// Averages of a tensor's gradients and of their squares.
pub(super) struct Moments {
    pub m: Vec<f32>,
    pub v: Vec<f32>,
}

impl AdamW {
    pub fn new(parameters: &[Tensor]) -> Self {
        Self { moments: parameters.iter().map(|p| Moments { m: vec![0.0; p.len()], v: vec![0.0; p.len()] }).collect() }
    }

    /// The parameters after step `step` (the first being 0) along these gradients, each multiplied by `shrink`.
    pub fn step(
        &mut self,
        parameters: &[Tensor],
        gradients: &[Option<Tensor>],
        options: &TrainOptions,
        step: usize,
        shrink: f64,
    ) -> Result<Vec<Tensor>> {
        let (b1, b2) = options.betas;
        let rate = options.rate(step);
        let t = (step + 1) as i32;
        // m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ),  θ ← θ - η λ θ - η m̂ / (√v̂ + ε)
        let stride = (rate / (1.0 - b1.powi(t))) as f32;
        let root = (1.0 / (1.0 - b2.powi(t)).sqrt()) as f32;
        let (b1, b2, epsilon, shrink) = (b1 as f32, b2 as f32, options.epsilon as f32, shrink as f32);
        let each = parameters.iter().zip(gradients).zip(&mut self.moments);
        each.map(|((parameter, gradient), Moments { m, v })| {
            let Some(gradient) = gradient else { return Ok(parameter.clone()) };
            let decay = if parameter.rank() >= 2 { (1.0 - rate * options.weight_decay) as f32 } else { 1.0 };
            let (mut p, g) = (parameter.to_vec::<f32>()?, gradient.to_vec::<f32>()?);
            for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = g * shrink;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *p = *p * decay - stride * *m / (v.sqrt() * root + epsilon);
            }
            Tensor::from_vec(p, parameter.shape())
        })
        .collect()
    }
}
