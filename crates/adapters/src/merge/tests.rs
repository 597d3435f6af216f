use std::collections::BTreeMap;

use monotile::io::write_safetensors;
use monotile::{ErrorKind, Rng};

use super::*;
use crate::adapter::{Adapter, Delta};
use crate::factors::LowRankFactors;

fn normal(rng: &mut Rng, shape: &[usize]) -> Tensor {
    rng.normal(shape, DType::F32).unwrap()
}

/// A checkpoint of two shards with tensors of several types.
fn model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut rng = Rng::new(1);
    let bf16 = |t: Tensor| t.to_dtype(DType::BF16).unwrap();
    let (q, k) = (bf16(normal(&mut rng, &[6, 8])), bf16(normal(&mut rng, &[5, 8])));
    let (embed, norm, ids) = (bf16(normal(&mut rng, &[9, 8])), bf16(normal(&mut rng, &[8])), Tensor::arange(4).unwrap());
    let scale = bf16(normal(&mut rng, &[]));
    let one = [("m.q.weight", &q), ("m.norm.weight", &norm), ("ids", &ids)];
    write_safetensors(folder.join("model-00001-of-00002.safetensors"), &one, &[("format", "pt")]).unwrap();
    let two = [("m.k.weight", &k), ("embed.weight", &embed), ("scale", &scale)];
    write_safetensors(folder.join("model-00002-of-00002.safetensors"), &two, &[("format", "pt")]).unwrap();
    let place = |names: &[(&str, &Tensor)], n: u32| {
        names.iter().map(|(name, _)| (name.to_string(), format!("model-{n:05}-of-00002.safetensors"))).collect::<Vec<_>>()
    };
    let map: BTreeMap<String, String> = place(&one, 1).into_iter().chain(place(&two, 2)).collect();
    write_json(&folder.join(INDEX), &json!({"metadata": {"total_size": 1}, "weight_map": map})).unwrap();
    fs::write(folder.join("config.json"), r#"{"torch_dtype": "bfloat16"}"#).unwrap();
}

fn adapter(folder: &Path, seed: u64, modules: &[(&str, usize, usize, bool)]) -> Adapter {
    let mut rng = Rng::new(seed);
    let mut delta = |&(name, m, n, embedding): &(&str, usize, usize, bool)| {
        (
            name.to_string(),
            Delta { factors: LowRankFactors::new(normal(&mut rng, &[2, n]), normal(&mut rng, &[m, 2]), 1.5), embedding },
        )
    };
    let modules = modules.iter().map(&mut delta).collect();
    let saved = BTreeMap::from([("m.norm.weight".to_string(), Tensor::ones(&[8], DType::F32).unwrap())]);
    Adapter::new(modules, if seed == 2 { saved } else { BTreeMap::new() }, None).write(folder, DType::F32).unwrap();
    Adapter::read(folder).unwrap()
}

const ALL: &[(&str, usize, usize, bool)] = &[("m.q", 6, 8, false), ("m.k", 5, 8, false), ("embed", 9, 8, true)];

fn run(model: &Path, adapters: &[(Adapter, f64)], dtype: Option<DType>, out: &Path) -> Result<Vec<MergedTensor>> {
    let mut told = Vec::new();
    let base = Weights::open(model)?;
    let combined = WeightedAdapters::new(adapters, &base)?;
    merge(&base, &combined, dtype, out, &mut |event| {
        if let MergeProgress::Tensor(one) = event {
            told.push(one);
        }
    })?;
    Ok(told)
}

#[test]
fn every_tensor_is_what_the_formula_says_and_every_file_is_there() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("model"));
    let one = adapter(&at("one"), 2, ALL);
    let told = run(&at("model"), &[(one.clone(), 1.0)], None, &at("out")).unwrap();
    let (base, merged) = (Weights::open(&at("model")).unwrap(), Weights::open(&at("out")).unwrap());
    assert_eq!(merged.files().len(), 2);
    assert_eq!(merged.names().collect::<Vec<_>>(), base.names().collect::<Vec<_>>());
    for (name, delta) in one.modules() {
        let name = format!("{name}.weight");
        // The plain formula in f64; the one rounding to bf16 is at most half a unit, and that of an embedding's ΔW another.
        let change = delta.factors.b.matmul(&delta.factors.a).unwrap().mul_scalar(1.5).unwrap().to_f64_vec().unwrap();
        let before = base.tensor_of_any_shape(&name).unwrap().to_f64_vec().unwrap();
        let after = merged.tensor_of_any_shape(&name).unwrap();
        assert_eq!(after.dtype(), DType::BF16);
        for ((w, d), found) in before.iter().zip(&change).zip(after.to_f64_vec().unwrap()) {
            let bound = 2f64.powi(-8) * ((w + d).abs() + if delta.embedding { d.abs() } else { 0.0 }) + 1e-6;
            assert!((found - w - d).abs() <= bound, "{name}: {w} + {d} gave {found}");
        }
        assert!(told.iter().any(|t| t.tensor == name && t.touched && t.changed.unwrap() > 20));
    }
    assert_eq!(merged.tensor_of_any_shape("m.norm.weight").unwrap().to_f64_vec().unwrap(), [1.0; 8]);
    for same in ["ids", "scale"] {
        assert_eq!(
            merged.tensor_of_any_shape(same).unwrap().to_f64_vec().unwrap(),
            base.tensor_of_any_shape(same).unwrap().to_f64_vec().unwrap()
        );
    }
    assert_eq!(fs::read_to_string(at("out/config.json")).unwrap(), fs::read_to_string(at("model/config.json")).unwrap());
    assert!(fs::read_dir(at("out")).unwrap().all(|e| !e.unwrap().file_name().to_string_lossy().starts_with('.')));
    assert!(!at(".out.partial").exists() && !at(".out.lock").exists());
}

#[test]
fn element_types_change_with_what_says_so() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("model"));
    let one = adapter(&at("one"), 3, &ALL[..1]);
    run(&at("model"), &[(one, 1.0)], Some(DType::F32), &at("out")).unwrap();
    let merged = Weights::open(&at("out")).unwrap();
    assert_eq!((merged.dtype("m.k.weight"), merged.dtype("ids")), (Some(DType::F32), Some(DType::I64)));
    let index: Value = serde_json::from_str(&fs::read_to_string(at("out").join(INDEX)).unwrap()).unwrap();
    // 48 + 40 + 72 + 8 + 1 numbers of four bytes, and four of eight.
    assert_eq!(index["metadata"]["total_size"], 169 * 4 + 32);
    let config: Value = serde_json::from_str(&fs::read_to_string(at("out/config.json")).unwrap()).unwrap();
    assert_eq!(config["torch_dtype"], "float32");
}

#[test]
fn several_adapters_add_their_weighted_changes() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("model"));
    let (one, two) = (adapter(&at("one"), 3, &ALL[..2]), adapter(&at("two"), 4, &ALL[1..2]));
    run(&at("model"), &[(one.clone(), 0.75), (two.clone(), -0.5)], Some(DType::F32), &at("out")).unwrap();
    let (base, merged) = (Weights::open(&at("model")).unwrap(), Weights::open(&at("out")).unwrap());
    for name in ["m.q", "m.k"] {
        let change = |deltas: &Adapter, weight: f64| {
            let pair = deltas
                .module(name)
                .map(|d| d.factors.b.matmul(&d.factors.a).unwrap().mul_scalar(1.5 * weight).unwrap().to_f64_vec().unwrap());
            pair.unwrap_or_else(|| vec![0.0; 100])
        };
        let (first, second) = (change(&one, 0.75), change(&two, -0.5));
        let name = format!("{name}.weight");
        let found = merged.tensor_of_any_shape(&name).unwrap().to_f64_vec().unwrap();
        for (i, w) in base.tensor_of_any_shape(&name).unwrap().to_f64_vec().unwrap().iter().enumerate() {
            assert!((found[i] - w - first[i] - second[i]).abs() < 1e-5);
        }
    }
}

#[test]
fn a_run_that_stopped_is_gone_on_with_and_other_inputs_are_not() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("model"));
    let one = adapter(&at("one"), 2, ALL);
    run(&at("model"), &[(one.clone(), 1.0)], None, &at("undisturbed")).unwrap();
    let again = |weight: f64| {
        let (mut found, mut told) = (None, Vec::new());
        let base = Weights::open(&at("model")).unwrap();
        let combined = WeightedAdapters::new(&[(one.clone(), weight)], &base).unwrap();
        let ended = merge(&base, &combined, None, &at("out"), &mut |event| match event {
            MergeProgress::Opened(state) => found = Some(state),
            MergeProgress::Tensor(one) => told.push(one),
        });
        (found, told, ended)
    };
    // A folder where a file belongs stops the run when the first shard is there.
    again(0.5).2.unwrap();
    let plan =
        json!({"merge": fingerprint(&at("model")).unwrap(), "adapters": [[fingerprint(&at("one")).unwrap(), "1"]], "dtype": null});
    fs::remove_dir_all(at("out")).unwrap();
    let left = StagedFolder::open(&at("out"), &plan).unwrap();
    fs::create_dir(left.folder().join("config.json")).unwrap();
    drop(left);
    let (found, told, ended) = again(1.0);
    assert!(found == Some(StagedState::Same) && told.iter().all(|t| t.changed.is_some()) && ended.is_err());
    let (found, told, _) = again(1.0);
    assert!(found == Some(StagedState::Same) && told.iter().all(|t| t.changed.is_none()), "{told:?}");
    fs::remove_dir(at(".out.partial/config.json")).unwrap();
    again(1.0).2.unwrap();
    for name in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", INDEX, "config.json"] {
        assert!(fs::read(at("out").join(name)).unwrap() == fs::read(at("undisturbed").join(name)).unwrap(), "{name}");
    }
    fs::rename(at("out"), at(".out.partial")).unwrap();
    assert_eq!(again(2.0).0, Some(StagedState::Other));
}

#[test]
fn adapters_that_do_not_fit_are_refused_with_both_sides_names() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("model"));
    let words = |seed, modules: &[(&str, usize, usize, bool)]| {
        let one = adapter(&at(&format!("a{seed}")), seed, modules);
        let error = run(&at("model"), &[(one, 1.0)], None, &at("out")).unwrap_err();
        assert!(!at("out").exists() && !at(".out.partial").exists());
        (error.kind(), error.to_string())
    };
    let (kind, text) = words(5, &[("other.q", 6, 8, false)]);
    assert_eq!(
        (kind, text.as_str()),
        (
            ErrorKind::Value,
            "lora: all of the adapter's 1 tensors are not in the model: it wants \"other.q.weight\", the model has \"embed.weight\""
        )
    );
    let (_, text) = words(6, &[("m.q", 6, 8, false), ("m.v", 6, 8, false)]);
    assert!(text.starts_with("lora: 1 of the adapter's 2 tensors are not in the model: it wants \"m.v.weight\""), "{text}");
    let (kind, text) = words(7, &[("m.q", 6, 9, false)]);
    assert_eq!(
        (kind, text.as_str()),
        (ErrorKind::Shape, "lora: tensor \"m.q.weight\" is [6, 8] in the model and [6, 9] in the adapter")
    );
}

#[test]
fn a_merge_writes_no_number_that_is_not_finite() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    model(&at("model"));
    let one = adapter(&at("one"), 1, ALL);
    let words = |weight: f64, dtype| {
        let error = run(&at("model"), &[(one.clone(), weight)], dtype, &at("out")).unwrap_err();
        assert!(!at("out").exists());
        error.to_string()
    };
    let error = words(3e6, Some(DType::F16));
    assert!(error.starts_with("lora: tensor \"") && error.contains("inf as f16; choose an element type"), "{error}");
    let error = words(1e38, Some(DType::F32));
    assert!(error.contains("the adapter or its weight is too large"), "{error}");
    run(&at("model"), &[(one, 3e6)], Some(DType::F32), &at("out")).unwrap();
}

#[test]
fn a_base_model_with_nan_is_refused_where_it_is_computed_with() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let one = adapter(&at("one"), 1, &[("q", 6, 8, false)]);
    for (touched, dtype, refused) in [(true, None, true), (false, None, false), (false, Some(DType::F32), true)] {
        fs::create_dir_all(at("model")).unwrap();
        let [good, bad] = [0.5, f64::NAN].map(|x| Tensor::filled(&[6, 8], x, DType::BF16).unwrap());
        let (q, other) = if touched { (&bad, &good) } else { (&good, &bad) };
        write_safetensors(at("model/model.safetensors"), &[("q.weight", q), ("other", other)], &[]).unwrap();
        let ended = run(&at("model"), &[(one.clone(), 1.0)], dtype, &at("out"));
        assert_eq!(ended.is_err(), refused);
        match ended {
            Err(error) => assert!(error.to_string().contains("holds NaN"), "{error}"),
            // It is copied, and told.
            Ok(told) => {
                let odd: Vec<_> =
                    told.iter().filter(|one| one.not_finite.is_some_and(f64::is_nan)).map(|one| &one.tensor).collect();
                assert_eq!(odd, ["other"]);
                fs::remove_dir_all(at("out")).unwrap()
            }
        }
    }
}
