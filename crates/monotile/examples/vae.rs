//! A variational auto-encoder of small pictures: a blob of light somewhere, in noise. Two numbers are enough to say where.
//!
//! Trains for some seconds and prints the evidence lower bound of pictures that it has not seen, in nats a picture: above 49 in the
//! end. The noise alone, if the place of the blob were known, would leave 64 (ln 1/0.1√2π − ½) = 56.5; telling the place costs the rest.

use monotile::optim::{AdamW, AdamWOptions};
use monotile::stats::reparameterize;
use monotile::{DType, Result, Rng, Tensor};

/// Pixels on a side, hidden numbers, numbers that a picture is told by, pictures a step, steps.
const SIDE: usize = 8;
const HIDDEN: usize = 64;
const LATENT: usize = 2;
const BATCH: usize = 64;
const STEPS: usize = 2000;

/// The standard deviation of the noise, of the pictures and of the model.
const NOISE: f64 = 0.1;

/// Pictures `(count, SIDE²)`: exp(−‖p − c‖² / 2·1.5²) at pixels p around a centre c drawn uniformly, and noise.
fn pictures(count: usize, rng: &mut Rng) -> Result<Tensor> {
    let mut pixels = Vec::with_capacity(count * SIDE * SIDE);
    for _ in 0..count {
        let [a, b] = [(); 2].map(|()| 2.0 + 3.0 * rng.next_f64());
        let light = |k: usize| ((k / SIDE) as f64 - a).powi(2) + ((k % SIDE) as f64 - b).powi(2);
        pixels.extend((0..SIDE * SIDE).map(|k| (-light(k) / 4.5).exp()));
    }
    let clean = Tensor::from_vec(pixels, &[count, SIDE * SIDE])?.to_dtype(DType::F32)?;
    clean.add(&rng.normal(&[count, SIDE * SIDE], DType::F32)?.mul_scalar(NOISE)?)
}

/// Weights of four layers, each a matrix and a bias.
fn initial(rng: &mut Rng) -> Result<Vec<Tensor>> {
    let sizes = [(SIDE * SIDE, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, SIDE * SIDE)];
    let mut parameters = Vec::new();
    for (from, to) in sizes {
        parameters.push(rng.normal(&[from, to], DType::F32)?.mul_scalar((1.0 / from as f64).sqrt())?.requires_grad());
        parameters.push(Tensor::zeros(&[to], DType::F32)?.requires_grad());
    }
    Ok(parameters)
}

/// E ln p(x | z) − KL(q(z | x) ‖ N(0, I)), averaged over pictures, with one draw z = μ + diag(σ) ε for each.
fn bound(p: &[Tensor], x: &Tensor, rng: &mut Rng) -> Result<Tensor> {
    let count = x.dim(0);
    let layer = |x: &Tensor, i: usize| x.matmul(&p[2 * i])?.add(&p[2 * i + 1]);
    let found = layer(&layer(x, 0)?.tanh()?, 1)?;
    let (mu, log_sigma) = (found.slice(1, ..LATENT)?, found.slice(1, LATENT..)?);
    let root = Tensor::eye(LATENT, DType::F32)?.mul(&log_sigma.exp()?.unsqueeze(-1)?)?;
    let z = reparameterize(&mu, &root, &rng.normal(&[count, LATENT], DType::F32)?)?;
    let seen = layer(&layer(&z, 2)?.tanh()?, 3)?;
    let error = x.sub(&seen)?.square()?.sum(&[], false)?.mul_scalar(-0.5 / (NOISE * NOISE))?;
    let density = error.add_scalar(-((count * SIDE * SIDE) as f64) * (NOISE * (2.0 * std::f64::consts::PI).sqrt()).ln())?;
    // KL = ½ Σ (σ² + μ² − 1) − ln σ
    let squares = log_sigma.mul_scalar(2.0)?.exp()?.add(&mu.square()?)?.add_scalar(-1.0)?.mul_scalar(0.5)?;
    let divergence = squares.sub(&log_sigma)?.sum(&[], false)?;
    density.sub(&divergence)?.mul_scalar(1.0 / count as f64)
}

/// The bound of a thousand pictures that were not trained on.
fn held_out(parameters: &[Tensor]) -> Result<f64> {
    let mut rng = Rng::new(1);
    let x = pictures(1000, &mut rng)?;
    Ok(f64::from(bound(parameters, &x, &mut rng)?.item::<f32>()?))
}

fn main() -> Result<()> {
    let mut rng = Rng::new(0);
    let mut parameters = initial(&mut rng)?;
    let mut optimizer = AdamW::new(AdamWOptions { lr: 3e-3, weight_decay: 0.0, ..Default::default() });
    println!("{:>5}  {:8.2} nats a picture", 0, held_out(&parameters)?);
    for step in 1..=STEPS {
        optimizer.options.lr = 3e-3 * (1.0 - 0.9 * step as f64 / STEPS as f64);
        let loss = bound(&parameters, &pictures(BATCH, &mut rng)?, &mut rng)?.neg()?;
        let mut gradients = loss.backward()?;
        let gradients: Vec<Tensor> =
            parameters.iter().map(|p| gradients.take(p).expect("the loss depends on every weight")).collect();
        drop(loss);
        optimizer.step(&mut parameters, &gradients)?;
        if step % 500 == 0 {
            println!("{step:>5}  {:8.2} nats a picture", held_out(&parameters)?);
        }
    }
    assert!(held_out(&parameters)? > 49.0, "the bound that it trains to");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
