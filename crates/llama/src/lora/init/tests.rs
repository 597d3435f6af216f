use monotile::linalg::{MatrixNorm, Truncation, norm, truncated};
use monotile::tape::{CheckGradientOptions, check_gradient};

use super::*;
use crate::block::LinearWeights;
use crate::config::Config;
use crate::linear::{LinearKind, LinearLayer};
use crate::lora::{Adapter, LoraLayer, TargetModules};
use crate::model::{Model, TrainableParameters};

const ALL: [LoraInit; 6] = [
    LoraInit::Gaussian,
    LoraInit::KaimingUniform,
    LoraInit::Pissa { exact: true },
    LoraInit::Pissa { exact: false },
    LoraInit::Olora,
    LoraInit::Orthogonal,
];

/// Every layer, the output layer too, at a scaling that is no power of two.
fn settings() -> LoraConfig {
    let names = LinearKind::BLOCK.map(LinearKind::name).into_iter().chain(["lm_head"]).map(str::to_string);
    LoraConfig { targets: TargetModules::Names(names.collect()), rank: 6, alpha: 9.0, ..LoraConfig::default() }
}

/// A model in bf16 that stays in its mapped file.
fn mapped() -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    Model::random(Config::default(), 1).unwrap().write(folder.path(), DType::BF16).unwrap();
    let model = Model::read(folder.path()).unwrap();
    assert!(model.weight(LinearLayer::HEAD).is_mapped());
    (folder, model)
}

fn logits(model: &Model) -> Tensor {
    let row: Vec<u32> = (0..40).map(|i| i * 37 % 258).collect();
    model.logits(&Model::token_tensor(&[&row]).unwrap()).unwrap()
}

fn furthest(a: &Tensor, b: &Tensor) -> f64 {
    a.to_f64_vec().unwrap().into_iter().zip(b.to_f64_vec().unwrap()).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

fn length(a: &Tensor) -> f64 {
    norm(&a.to_dtype(DType::F64).unwrap(), MatrixNorm::Frobenius).unwrap().item::<f64>().unwrap()
}

#[test]
fn every_start_computes_what_the_model_computes() {
    let (folder, mut model) = mapped();
    let base = logits(&model);
    let exact = logits(&Model::read(folder.path()).unwrap().with_compute_dtype(DType::F64).unwrap());
    let rounding = furthest(&base, &exact);
    for start in ALL {
        model.add_adapter(settings(), start, 3).unwrap();
        let begun = logits(&model);
        if start == LoraInit::Orthogonal {
            // B A is 0 up to rounding, which is about as large as that of the model itself.
            let off = furthest(&begun, &exact);
            assert!(off <= 3.0 * rounding && off > 0.0, "{off:e}, {rounding:e} without the adapter");
        } else {
            assert_eq!(begun.to_vec::<f32>().unwrap(), base.to_vec::<f32>().unwrap(), "{start:?}");
        }
        assert!(model.weight(LinearLayer::HEAD).is_mapped());
    }
}

/// A layer's weight in f64, and its pair by a start.
fn begun(start: LoraInit) -> Vec<(Tensor, LowRankFactors)> {
    let (_folder, mut model) = mapped();
    model.add_adapter(settings(), start, 3).unwrap();
    let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    let pairs = model.adapter_layers().map(|(layer, lora)| {
        let factors = LowRankFactors { a: wide(&lora.factors.a), b: wide(&lora.factors.b), ..lora.factors };
        (wide(model.weight(layer)), factors)
    });
    pairs.collect()
}

#[test]
fn pissa_is_the_nearest_matrix_of_its_rank_shared_evenly() {
    for (weight, pair) in begun(LoraInit::Pissa { exact: true }) {
        let product = pair.b.matmul(&pair.a).unwrap().mul_scalar(pair.scaling).unwrap();
        let nearest = truncated(&weight, Truncation::Rank(6)).unwrap().approximation;
        // Both factors are rounded to f32 once.
        assert!(length(&product.sub(&nearest).unwrap()) < 4.0 * 6e-8 * length(&nearest));
        let (a, b) = (pair.a.matmul(&pair.a.mt()).unwrap(), pair.b.mt().matmul(&pair.b).unwrap());
        assert!(length(&a.sub(&b).unwrap()) < 1e-5 * length(&a), "A Aᵀ = Bᵀ B = S/s");
    }
    for (weight, pair) in begun(LoraInit::Pissa { exact: false }) {
        let product = pair.b.matmul(&pair.a).unwrap().mul_scalar(pair.scaling).unwrap();
        let least = length(&weight.sub(&truncated(&weight, Truncation::Rank(6)).unwrap().approximation).unwrap());
        // The values of random weights fall as slowly as any, the hardest case for random directions.
        let left = length(&weight.sub(&product).unwrap());
        assert!(left < 1.01 * least, "{left} is left, {least} at best");
    }
}

#[test]
fn olora_is_the_first_columns_and_rows_of_the_factors() {
    for (weight, pair) in begun(LoraInit::Olora) {
        let whole = qr(&weight, &QrOptions::default()).unwrap();
        let first = whole.q.slice(1, ..6).unwrap().matmul(&whole.r.slice(0, ..6).unwrap()).unwrap();
        // 40 units of rounding in f32: a Householder factorization of 6 columns.
        assert!(length(&pair.b.matmul(&pair.a).unwrap().sub(&first).unwrap()) < 40.0 * 6e-8 * length(&weight));
        let gram = pair.b.mt().matmul(&pair.b).unwrap();
        assert!(length(&gram.sub(Tensor::eye(6, DType::F64).unwrap()).unwrap()) < 1e-5);
    }
}

#[test]
fn an_orthogonal_start_multiplies_to_nothing_while_neither_factor_is() {
    for (_, pair) in begun(LoraInit::Orthogonal) {
        let (a, b) = (length(&pair.a), length(&pair.b));
        assert!(length(&pair.b.matmul(&pair.a).unwrap()) < 1e-6 * a * b && a > 0.1 && b > 0.1);
    }
}

#[test]
fn the_gradient_of_a_layer_with_a_start_holds() {
    let mut rng = Rng::new(4);
    let mut draw = |shape: &[usize]| rng.normal(shape, DType::F64).unwrap();
    let weight = draw(&[4, 5]);
    let start = LowRankFactors::new(draw(&[2, 5]), draw(&[4, 2]), 1.5);
    let apply = move |x: &[Tensor]| {
        let factors = LowRankFactors::new(x[1].clone(), x[2].clone(), 1.5);
        let lora = LoraLayer { factors, dropout: 0.3, initial: Some(start.clone()) };
        let layer = LinearWeights { weight: weight.clone(), bias: None, lora: Some(lora) };
        Ok(vec![layer.apply(&x[0], &mut Some(Rng::new(8)))?])
    };
    let inputs = [draw(&[3, 5]), draw(&[2, 5]), draw(&[4, 2])];
    check_gradient(apply, &inputs, &CheckGradientOptions { order: 2, ..Default::default() }).unwrap();
}

#[test]
fn a_trained_pair_is_written_as_a_plain_one_of_twice_the_rank() {
    for use_rslora in [false, true] {
        let (folder, mut model) = mapped();
        // The keys' weights have 32 rows: twice this rank is more than ΔW can have.
        let config = LoraConfig { rank: 20, use_rslora, ..settings() };
        model.add_adapter(config, LoraInit::Olora, 3).unwrap();
        let mut rng = Rng::new(6);
        let mut moved = |t: &Tensor| t.add(&rng.normal(t.shape(), DType::F32)?.mul_scalar(0.02)?);
        let values = model.parameters(TrainableParameters::Adapter).iter().map(|(_, t)| moved(t)).collect::<Result<_>>().unwrap();
        model.replace_parameters(TrainableParameters::Adapter, values);
        let wanted = logits(&model);
        let out = folder.path().join("adapter");
        model.adapter().unwrap().write(&out, DType::F32).unwrap();

        let mut again = Model::read(folder.path()).unwrap();
        let base = logits(&again);
        let read = Adapter::read(&out).unwrap();
        assert_eq!((read.config().rank, read.modules()[0].1.factors.rank()), (40, 40));
        again.attach(&read).unwrap();
        // The sums of a product of 40 columns instead of two of 20, in f32, through two blocks.
        let (off, change) = (furthest(&logits(&again), &wanted), furthest(&wanted, &base));
        assert!(off < 1e-4 * change && change > 0.1, "{off:e} of {change:e}");
        again.merge().unwrap();
        assert!(furthest(&logits(&again), &wanted) < 1e-4 * change);
        model.merge().unwrap();
        assert!(furthest(&logits(&model), &wanted) < 1e-4 * change);
    }
}

#[test]
fn a_start_can_be_written_for_peft_to_begin_with() {
    let (folder, mut model) = mapped();
    let out = folder.path().join("start");
    for (start, name) in
        [(LoraInit::Pissa { exact: true }, "pissa"), (LoraInit::Orthogonal, "orthogonal"), (LoraInit::Gaussian, "gaussian")]
    {
        model.add_adapter(settings(), start, 3).unwrap();
        model.write_initial_adapter(&out, start).unwrap();
        let config = std::fs::read_to_string(out.join("adapter_config.json")).unwrap();
        assert!(config.contains(&format!("\"init_lora_weights\": \"{name}\"")) && config.contains("\"r\": 6"), "{config}");
    }
}

#[test]
fn starts_that_cannot_be_made_are_refused() {
    let mut model = Model::random(Config::default(), 1).unwrap();
    let config = LoraConfig { rank: 3, ..LoraConfig::default() };
    let refused = model.add_adapter(config, LoraInit::Orthogonal, 1).unwrap_err().to_string();
    assert_eq!(refused, "lora: an orthogonal start needs an even rank, got 3 for model.layers.0.self_attn.q_proj");
}

#[test]
fn a_start_out_of_a_weight_that_is_not_finite_is_refused() {
    let layer = LinearLayer::all(1).next().unwrap();
    let adapted = AdaptedLayer { layer, rank: 2, scaling: 1.0 };
    let weight = Tensor::filled(&[4, 4], f64::NAN, DType::BF16).unwrap();
    for start in [LoraInit::Pissa { exact: true }, LoraInit::Pissa { exact: false }, LoraInit::Olora] {
        let error = start.factors(adapted, &weight, &mut Rng::new(1)).err().unwrap().to_string();
        assert!(error.contains("holds NaN; choose a start"), "{error}");
    }
    assert!(LoraInit::Orthogonal.factors(adapted, &weight, &mut Rng::new(1)).is_ok());
}
