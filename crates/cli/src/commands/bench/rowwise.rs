//! What memory bounds: maps, reductions, norms, losses and steps of optimizers, beside the speed of memory itself.

use std::hint::black_box;

use monotile::attention::rotary;
use monotile::einsum::einsum;
use monotile::formula;
use monotile::ops::{CrossEntropyOptions, cross_entropy, layer_norm, map, rms_norm, swiglu};
use monotile::optim::{AdamW, AdamWOptions};
use monotile::tape::{BackwardMode, vjp};
use monotile::{DType, Rng, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::threads;

use super::{Case, Cases};
use crate::command_error::CommandError;

/// Numbers that no cache holds, and numbers that the second-level cache holds together with a result.
const SIZES: [(usize, &str); 2] = [(10_000_000, "1e7"), (100_000, "1e5")];
/// Numbers a core's share of which is read or written to find the speed of memory.
const STREAM: usize = 32 << 20;
const SQUARE: [usize; 2] = [4096, 4096];
const ROWS: [[usize; 2]; 2] = [SQUARE, [65536, 128]];
/// Sequences, heads, positions and elements of a head.
const HEADS: [usize; 4] = [2, 16, 2048, 128];
/// Tokens and classes.
const LOGITS: [usize; 2] = [2048, 32000];

type Map = fn(&Tensor) -> monotile::Result<Tensor>;

const MAPS: [(&str, Map); 9] = [
    ("exp", Tensor::exp),
    ("ln", Tensor::ln),
    ("tanh", Tensor::tanh),
    ("sigmoid", Tensor::sigmoid),
    ("silu", Tensor::silu),
    ("gelu", Tensor::gelu),
    ("sin", Tensor::sin),
    ("cos", Tensor::cos),
    ("pow 2.5", |x| x.powf(2.5)),
];

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    memory(cases)?;
    for (n, named) in SIZES {
        let x = rng.uniform(&[n], 0.1, 8.0, DType::F32)?;
        for (name, f) in MAPS {
            value(cases, format!("{name} {named}"), 2 * n, || f(&x))?;
        }
    }
    rows(cases, &mut rng)?;
    training(cases, &mut rng)?;
    reductions(cases, &mut rng)?;
    strides(cases, &mut rng)
}

/// Times `call`, which moves at least `words` f32.
fn value(cases: &mut Cases, name: String, words: usize, call: impl Fn() -> monotile::Result<Tensor>) -> Result<(), CommandError> {
    cases.time(Case::new(name).bytes(4.0 * words as f64), || {
        black_box(call()?);
        Ok(())
    })
}

/// What memory gives: all cores reading, and all cores at b + 2 c → a. The better of the two is what later cases take a share of.
fn memory(cases: &mut Cases) -> Result<(), CommandError> {
    let filled = |x: f32| Block::filled(STREAM, x).map_err(monotile::Error::from);
    let (mut a, b, c) = (filled(0.0)?, filled(1.0)?, filled(2.0)?);
    let parts = threads::count();
    cases.time(Case::new("read").bytes(4.0 * STREAM as f64), || {
        threads::run(parts, |part| {
            let mine = &b[threads::range(STREAM, 1024, parts, part)];
            black_box(
                mine.as_chunks::<32>().0.iter().fold([0; 32], |s: [u32; 32], x| std::array::from_fn(|i| s[i] ^ x[i].to_bits())),
            );
        });
        Ok(())
    })?;
    let read = cases.last_rate;
    cases.time(Case::new("triad").bytes(12.0 * STREAM as f64), || {
        threads::split_mut(&mut a, 1024, parts, |start, a| {
            let (b, c) = (&b[start..][..a.len()], &c[start..][..a.len()]);
            (0..a.len()).for_each(|i| a[i] = b[i] + 2.0 * c[i]);
        });
        black_box(&mut a);
        Ok(())
    })?;
    cases.memory_rate = read.max(cases.last_rate);
    Ok(())
}

/// Softmax, norms, rotary positions and gates.
fn rows(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    for [rows, n] in ROWS {
        let x = rng.normal(&[rows, n], DType::F32)?;
        value(cases, format!("softmax {rows}x{n}"), 2 * x.len(), || x.softmax(-1))?;
        value(cases, format!("log_softmax {rows}x{n}"), 2 * x.len(), || x.log_softmax(-1))?;
    }
    let [x, y, g] = [0; 3].map(|_| rng.normal(&SQUARE, DType::F32));
    let (x, y, g) = (x?, y?, g?);
    let [w, b] = [0; 2].map(|_| rng.normal(&SQUARE[1..], DType::F32));
    let (w, b) = (w?, b?);
    let n = x.len();
    value(cases, "rms_norm 4096x4096".into(), 2 * n, || rms_norm(&x, &w, 1e-5))?;
    gradient(cases, "rms_norm", 5 * n, &[&x, &w], &g, |x| rms_norm(&x[0], &x[1], 1e-5))?;
    value(cases, "layer_norm 4096x4096".into(), 2 * n, || layer_norm(&x, &w, &b, 1e-5))?;
    gradient(cases, "layer_norm", 5 * n, &[&x, &w, &b], &g, |x| layer_norm(&x[0], &x[1], &x[2], 1e-5))?;
    gradient(cases, "softmax", 5 * n, &[&x], &g, |x| x[0].softmax(-1))?;
    gradient(cases, "gelu", 5 * n, &[&x], &g, |x| x[0].gelu())?;
    value(cases, "swiglu 4096x4096".into(), 3 * n, || swiglu(&x, &y))?;
    gradient(cases, "swiglu", 8 * n, &[&x, &y], &g, |x| swiglu(&x[0], &x[1]))?;
    let [.., t, d] = HEADS;
    let q = rng.normal(&HEADS, DType::F32)?;
    let angles = rng.uniform(&[t, d / 2], 0.0, 3.0, DType::F32)?;
    let (cos, sin) = (angles.cos()?, angles.sin()?);
    value(cases, "rotary 2x16x2048x128".into(), 2 * q.len(), || rotary(&q, &cos, &sin))
}

/// Times a function of matrices and its gradient.
fn gradient(
    cases: &mut Cases,
    name: &str,
    words: usize,
    inputs: &[&Tensor],
    cotangent: &Tensor,
    f: fn(&[Tensor]) -> monotile::Result<Tensor>,
) -> Result<(), CommandError> {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.requires_grad()).collect();
    let wanted: Vec<&Tensor> = leaves.iter().collect();
    cases.time(Case::new(format!("{name} fwd+bwd 4096x4096")).bytes(4.0 * words as f64), || {
        let y = f(&leaves)?;
        black_box(vjp(&[(&y, cotangent)], &wanted, BackwardMode::Plain)?);
        Ok(())
    })
}

/// The loss and the optimizer's step.
fn training(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let logits = rng.normal(&LOGITS, DType::F32)?.requires_grad();
    let targets = Tensor::from_vec((0..LOGITS[0] as i64).map(|i| i * 15 % LOGITS[1] as i64).collect(), &LOGITS[..1])?;
    let options = CrossEntropyOptions::default();
    let words = logits.len() as f64;
    cases.time(Case::new("cross_entropy 2048x32000").bytes(4.0 * words), || {
        black_box(cross_entropy(&logits.detach(), &targets, &options)?);
        Ok(())
    })?;
    cases.time(Case::new("cross_entropy fwd+bwd 2048x32000").bytes(12.0 * words), || {
        black_box(cross_entropy(&logits, &targets, &options)?.backward()?);
        Ok(())
    })?;
    let n = SIZES[0].0;
    let mut parameters = [rng.normal(&[n], DType::F32)?.requires_grad()];
    let gradients = [rng.normal(&[n], DType::F32)?];
    let mut optimizer = AdamW::new(AdamWOptions::default());
    cases.time(Case::new("adamw 1e7").bytes(28.0 * n as f64), || optimizer.step(&mut parameters, &gradients))
}

fn reductions(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let x = rng.normal(&[SIZES[0].0], DType::F32)?;
    let a = rng.normal(&SQUARE, DType::F32)?;
    value(cases, "sum 1e7".into(), x.len(), || x.sum(&[], false))?;
    value(cases, "max 1e7".into(), x.len(), || x.max(&[], false))?;
    for (axis, named) in [(1, "rows"), (0, "columns")] {
        let case = |name: &str| format!("{name} of {named} 4096x4096");
        value(cases, case("sum"), a.len(), || a.sum(&[axis], false))?;
        value(cases, case("mean"), a.len(), || a.mean(&[axis], false))?;
        value(cases, case("var"), a.len(), || a.var(&[axis], 1.0, false))?;
        value(cases, case("max"), a.len(), || a.max(&[axis], false))?;
        value(cases, case("argmax"), a.len(), || a.argmax(&[axis], false))?;
        value(cases, case("logsumexp"), a.len(), || a.logsumexp(&[axis], false))?;
    }
    Ok(())
}

/// Chains of operators, transpositions and outer products.
fn strides(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let (x, y) = (rng.normal(&SQUARE, DType::F32)?, rng.normal(&SQUARE, DType::F32)?);
    let (mean, rstd) = (x.mean(&[1], true)?, x.var(&[1], 0.0, true)?.add_scalar(1e-5)?.rsqrt()?);
    let (w, b) = (rng.normal(&SQUARE[1..], DType::F32)?, rng.normal(&SQUARE[1..], DType::F32)?);
    let n = x.len();
    value(cases, "(x - m) * r * w + b 4096x4096".into(), 2 * n, || Ok((&x - &mean) * &rstd * &w + &b))?;
    let affine = || map([&x, &mean, &rstd, &w, &b], formula!(|x, m, r, w, b| (x - m) * r * w + b));
    value(cases, "formula (x - m) * r * w + b 4096x4096".into(), 2 * n, affine)?;
    value(cases, "x + y 4096x4096".into(), 3 * n, || x.add(&y))?;
    value(cases, "transpose 4096x4096".into(), 2 * n, || x.mt().contiguous())?;
    value(cases, "transpose + y 4096x4096".into(), 3 * n, || x.mt().add(&y))?;
    let odd = rng.normal(&[4000, 3000], DType::F32)?;
    value(cases, "transpose 4000x3000".into(), 2 * odd.len(), || odd.mt().contiguous())?;
    let (p, q, cube) = (rng.normal(&[128, 128], DType::F32)?, rng.normal(&[128], DType::F32)?, rng.normal(&[256; 3], DType::F32)?);
    value(cases, "ij,k->kji 128".into(), 128 * 128 * 128, || einsum("ij,k->kji", &[&p, &q]))?;
    value(cases, "ij,k->ijk 128".into(), 128 * 128 * 128, || einsum("ij,k->ijk", &[&p, &q]))?;
    value(cases, "i,j->ij 4096".into(), n, || einsum("i,j->ij", &[&w, &b]))?;
    value(cases, "ijk->kji 256".into(), 2 * cube.len(), || einsum("ijk->kji", &[&cube])?.contiguous())?;
    value(cases, "ijk->jik 256".into(), 2 * cube.len(), || einsum("ijk->jik", &[&cube])?.contiguous())
}
