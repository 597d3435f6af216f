use monotile::{ErrorKind, Rng};

use super::*;
use crate::merge::merge;
use crate::rank_selection::RankRule;
use crate::weighted::WeightedAdapters;

/// A model with two matrices, an embedding, a norm and a bias, in f32.
fn model(folder: &Path, tensors: &[(&str, Tensor)]) {
    fs::create_dir_all(folder).unwrap();
    let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, t)| (*name, t)).collect();
    write_safetensors(folder.join("model.safetensors"), &listed, &[]).unwrap();
}

fn base() -> Vec<(&'static str, Tensor)> {
    let mut rng = Rng::new(1);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F32).unwrap();
    vec![
        ("layers.10.q.weight", normal(&[60, 80])),
        ("layers.2.q.weight", normal(&[50, 40])),
        ("layers.2.q.bias", normal(&[50])),
        ("embed_tokens.weight", normal(&[70, 40])),
        ("norm.weight", normal(&[40])),
    ]
}

/// The base model with something added to these tensors.
fn tuned(names: &[&str], rank: usize) -> Vec<(&'static str, Tensor)> {
    let mut rng = Rng::new(2);
    let mut add = |(name, t): (&'static str, Tensor)| {
        let change = match t.shape() {
            &[m, n] => {
                let b = rng.normal(&[m, rank], DType::F32).unwrap();
                b.matmul(&rng.normal(&[rank, n], DType::F32).unwrap()).unwrap()
            }
            shape => rng.normal(shape, DType::F32).unwrap(),
        };
        (name, if names.contains(&name) { t.add(&change).unwrap() } else { t })
    };
    base().into_iter().map(&mut add).collect()
}

struct Ran {
    told: BTreeMap<String, ExtractedTensor>,
    found: StagedState,
}

fn run(root: &Path, options: &ExtractOptions, out: &str) -> Result<Ran> {
    let (mut told, mut found) = (BTreeMap::new(), StagedState::Nothing);
    let (base, tuned) = (root.join("base"), root.join("tuned"));
    extract([&base, &tuned], options, &root.join(out), &mut |event| match event {
        ExtractProgress::Opened(state) => found = state,
        ExtractProgress::Tensor(name, became) => drop(told.insert(name, became)),
    })?;
    Ok(Ran { told, found })
}

fn layer(ran: &Ran, name: &str) -> ExtractedLayer {
    let ExtractedTensor::Factored(layer) = &ran.told[name] else { panic!("{:?}", ran.told[name]) };
    layer.clone()
}

const Q10: &str = "layers.10.q.weight";
const Q2: &str = "layers.2.q.weight";

#[test]
fn what_was_merged_comes_out_again() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("base"), &base());
    model(&at("tuned"), &tuned(&[Q10, Q2], 4));
    let ran = run(root.path(), &ExtractOptions::new(RankSelection::rank(4)), "adapter").unwrap();
    let adapter = Adapter::read(&at("adapter")).unwrap();
    assert_eq!(adapter.modules().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["layers.2.q", "layers.10.q"]);
    assert_eq!((adapter.config().rank, adapter.config().alpha), (4, 4.0));
    for name in [Q10, Q2] {
        // Subtracting what was added in f32 leaves half a unit in the last place of W, a 10⁻⁷th of ΔW; 80 of them add up.
        assert!(layer(&ran, name).error < 1e-5, "{}", layer(&ran, name).error);
    }
    assert_eq!(ran.told.values().filter(|t| **t == ExtractedTensor::Same).count(), 3);
    let base = Weights::open(&at("base")).unwrap();
    let combined = WeightedAdapters::new(&[(adapter.clone(), 1.0)], &base).unwrap();
    merge(&base, &combined, None, &at("again"), &mut |_| ()).unwrap();
    let (want, got) = (Weights::open(&at("tuned")).unwrap(), Weights::open(&at("again")).unwrap());
    for name in [Q10, Q2] {
        let off =
            want.tensor_of_any_shape(name).unwrap().sub(got.tensor_of_any_shape(name).unwrap()).unwrap().to_f64_vec().unwrap();
        assert!(off.iter().all(|x| x.abs() < 2e-5), "{name}");
    }
    let mut errors = Vec::new();
    measure(&at("base"), &at("tuned"), &adapter, &mut |one| errors.push((one.module, one.error))).unwrap();
    for (module, error) in errors {
        let told = layer(&ran, &format!("{module}.weight")).error;
        assert!((error - told).abs() <= 1e-6 * told, "{module}: {error} and {told}");
    }
}

#[test]
fn ranks_by_a_rule_go_into_patterns() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("base"), &base());
    let mut other = tuned(&[Q10], 3);
    other[1].1 = tuned(&[Q2], 6)[1].1.clone();
    model(&at("tuned"), &other);
    let ran = run(root.path(), &ExtractOptions::new(RankSelection::from_rule(RankRule::Error(1e-3))), "adapter").unwrap();
    assert_eq!((layer(&ran, Q10).rank, layer(&ran, Q2).rank), (3, 6));
    let adapter = Adapter::read(&at("adapter")).unwrap();
    assert!(adapter.modules().iter().all(|(_, delta)| delta.factors.scaling == 1.0));
    assert_eq!(adapter.config().rank_pattern.len(), 1);
}

#[test]
fn what_is_no_matrix_is_carried_or_named() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("base"), &base());
    let all = [Q10, Q2, "layers.2.q.bias", "embed_tokens.weight", "norm.weight"];
    let mut other = tuned(&all, 4);
    other.push(("extra.weight", Tensor::ones(&[2, 2], DType::F32).unwrap()));
    model(&at("tuned"), &other);
    let plain = run(root.path(), &ExtractOptions::new(RankSelection::rank(4)), "plain").unwrap();
    let left = |name: &str, why: &str| assert_eq!(plain.told[name], ExtractedTensor::NotExtracted(why.to_string()), "{name}");
    left("layers.2.q.bias", "differs, and is no matrix of a layer");
    left("norm.weight", "differs, and is no matrix of a layer");
    left("embed_tokens.weight", "differs, and is an embedding");
    left("extra.weight", "only in the tuned model");
    let options = ExtractOptions {
        embeddings: true,
        save: vec!["norm".into()],
        exclude: Some("layers\\.10\\.".into()),
        ..ExtractOptions::new(RankSelection::rank(4))
    };
    let more = run(root.path(), &options, "more").unwrap();
    assert_eq!((&more.told["norm.weight"], &more.told[Q10]), (&ExtractedTensor::Whole, &ExtractedTensor::Excluded));
    let adapter = Adapter::read(&at("more")).unwrap();
    assert_eq!(adapter.config().modules_to_save, ["norm"]);
    assert!(adapter.module("embed_tokens").unwrap().embedding && adapter.module("layers.10.q").is_none());
    // Merged again, the embedding and the norm are those of the tuned model.
    let (before, after) = (Weights::open(&at("base")).unwrap(), Weights::open(&at("tuned")).unwrap());
    let combined = WeightedAdapters::new(&[(adapter, 1.0)], &before).unwrap();
    for name in ["embed_tokens.weight", "norm.weight"] {
        let weight = before.tensor_of_any_shape(name).unwrap();
        let rows = combined.rows(name, &weight, 0..weight.dim(0), DType::F32).unwrap();
        let off = rows.after.sub(after.tensor_of_any_shape(name).unwrap()).unwrap().to_f64_vec().unwrap();
        assert!(off.iter().all(|x| x.abs() < 2e-5), "{name}");
    }
}

#[test]
fn a_run_that_stopped_gives_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("base"), &base());
    model(&at("tuned"), &tuned(&[Q10, Q2], 4));
    let options = ExtractOptions::new(RankSelection::rank(3));
    run(root.path(), &options, "undisturbed").unwrap();
    // A folder where the settings belong stops the run when all factors are there.
    let plan = json!({"extract": [fingerprint(&at("base")).unwrap(), fingerprint(&at("tuned")).unwrap()], "options": format!("{options:?}")});
    let left = StagedFolder::open(&at("adapter"), &plan).unwrap();
    fs::create_dir(left.folder().join("adapter_config.json")).unwrap();
    drop(left);
    let words = run(root.path(), &options, "adapter").err().unwrap().to_string();
    assert!(words.starts_with(&at("adapter/adapter_config.json").display().to_string()), "{words}");
    let parts = at(".adapter.partial/.parts.partial");
    let files: Vec<_> = fs::read_dir(&parts).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    fs::remove_file(&files[0]).unwrap();
    fs::remove_dir(at(".adapter.partial/adapter_config.json")).unwrap();
    let ran = run(root.path(), &options, "adapter").unwrap();
    assert_eq!((ran.found, layer(&ran, Q10).rank, layer(&ran, Q2).rank), (StagedState::Same, 3, 3));
    for name in ["adapter_model.safetensors", "adapter_config.json"] {
        assert!(fs::read(at("adapter").join(name)).unwrap() == fs::read(at("undisturbed").join(name)).unwrap(), "{name}");
    }
    assert_eq!(fs::read_dir(at("adapter")).unwrap().count(), 2);
}

#[test]
fn what_cannot_be_extracted_is_told() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    model(&at("base"), &base());
    model(&at("tuned"), &base());
    let words = |options: &ExtractOptions| {
        let error = run(root.path(), options, "out").err().unwrap();
        (error.kind(), error.to_string())
    };
    let plain = ExtractOptions::new(RankSelection::rank(2));
    let (kind, text) = words(&plain);
    assert_eq!(kind, ErrorKind::Value);
    assert_eq!(text, "lora: no tensor that was asked for differs between the two models; there is nothing to extract");
    let (_, text) = words(&ExtractOptions { include: Some("(".into()), ..plain.clone() });
    assert!(text.starts_with("lora: \"(\" is not a regular expression"), "{text}");
    let mut broken = tuned(&[Q10], 2);
    let mut numbers = broken[0].1.to_vec::<f32>().unwrap();
    numbers[77] = f32::NAN;
    broken[0].1 = Tensor::from_vec(numbers, &[60, 80]).unwrap();
    broken[1].1 = Tensor::ones(&[51, 40], DType::F32).unwrap();
    model(&at("tuned"), &broken);
    let (kind, text) = words(&plain);
    assert_eq!(kind, ErrorKind::Format);
    assert_eq!(text, format!("{}: tensor {Q10:?} holds NaN", at("tuned/model.safetensors").display()));
    broken[0].1 = base()[0].1.clone();
    model(&at("tuned"), &broken);
    let (_, text) = words(&ExtractOptions { include: Some(r"\.q$".into()), ..plain.clone() });
    let shapes = "[50, 40] in the base model and [51, 40] in the tuned one";
    let wanted = format!(
        "of the tensors that were asked for 1 differ, and an adapter can hold none of them as asked: the first is {Q2:?}: {shapes}"
    );
    assert_eq!(text, format!("lora: {wanted}"));
    assert!(!at(".out.partial").exists(), "nothing is left of what cannot be resumed");
    broken[0].1 = tuned(&[Q10], 2)[0].1.clone();
    model(&at("tuned"), &broken);
    let ran = run(root.path(), &plain, "out").unwrap();
    assert_eq!(ran.told[Q2], ExtractedTensor::NotExtracted(shapes.into()));
}
