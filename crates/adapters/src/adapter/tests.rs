use monotile::{Rng, Tensor};
use serde_json::json;

use super::*;

const Q2: &str = "model.layers.2.self_attn.q_proj";
const Q10: &str = "model.layers.10.self_attn.q_proj";

fn normal(shape: [usize; 2]) -> Tensor {
    Rng::new(shape[0] as u64).normal(&shape, DType::F32).unwrap()
}

/// An adapter's folder with these tensors, by the names they have after PEFT's prefix.
fn folder(settings: serde_json::Value, tensors: &[(&str, Tensor)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = json!({ "peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["q_proj"] });
    for (name, value) in settings.as_object().unwrap() {
        config[name] = value.clone();
    }
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    let named: Vec<(String, &Tensor)> = tensors.iter().map(|(name, t)| (format!("{PREFIX}{name}"), t)).collect();
    let listed: Vec<(&str, &Tensor)> = named.iter().map(|(name, t)| (name.as_str(), *t)).collect();
    write_safetensors(folder.path().join(MATRICES), &listed, &[]).unwrap();
    folder
}

fn pair(module: &str, rank: usize) -> [(String, Tensor); 2] {
    [(format!("{module}.lora_A.weight"), normal([rank, 6])), (format!("{module}.lora_B.weight"), normal([5, rank]))]
}

fn refused(settings: serde_json::Value, tensors: &[(&str, Tensor)]) -> String {
    let folder = folder(settings, tensors);
    let error = Adapter::read(folder.path()).err().unwrap();
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn names_patterns_and_whole_tensors_are_understood() {
    let tensors: Vec<(String, Tensor)> = [pair(Q10, 2), pair(Q2, 4)].into_iter().flatten().collect();
    let mut listed: Vec<(&str, Tensor)> = tensors.iter().map(|(name, t)| (name.as_str(), t.clone())).collect();
    listed.push(("model.norm.weight", Tensor::ones(&[6], DType::F32).unwrap().contiguous().unwrap()));
    let settings = json!({"use_rslora": true, "rank_pattern": {"layers.2.self_attn.q_proj": 4}, "alpha_pattern": {"layers.10.*": 6.0},
        "modules_to_save": ["norm"]});
    let folder = folder(settings, &listed);
    let read = Adapter::read(folder.path()).unwrap();
    let names: Vec<&str> = read.modules().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [Q2, Q10]);
    assert_eq!(read.module(Q2).unwrap().factors.scaling, 8.0 / 2.0);
    assert_eq!(read.module(Q10).unwrap().factors.scaling, 6.0 / 2f64.sqrt());
    assert_eq!(read.whole_tensors().keys().collect::<Vec<_>>(), ["model.norm.weight"]);
}

#[test]
fn what_is_written_reads_back_with_the_same_changes() {
    let delta = |rank: usize, scaling: f64| Delta {
        factors: LowRankFactors::new(normal([rank, 6]), normal([5, rank]), scaling),
        embedding: false,
    };
    let turned = Delta { embedding: true, ..delta(3, 1.5) };
    let saved = BTreeMap::from([("lm_head.weight".to_string(), normal([4, 6]).to_dtype(DType::BF16).unwrap())]);
    let modules =
        vec![(Q2.to_string(), delta(2, 1.0)), (Q10.to_string(), delta(2, 1.0)), ("model.embed_tokens".to_string(), turned)];
    let made = Adapter::new(modules, saved, None).with_base_model(Some("base".into()));
    let folder = tempfile::tempdir().unwrap();
    made.write(folder.path(), DType::F32).unwrap();
    let read = Adapter::read(folder.path()).unwrap();
    assert_eq!(read.config(), made.config());
    assert_eq!((read.config().rank, read.config().alpha, read.config().rank_pattern.len()), (2, 2.0, 1));
    assert_eq!(read.config().modules_to_save, ["lm_head"]);
    assert_eq!(read.whole_tensors()["lm_head.weight"].dtype(), DType::BF16);
    for (name, delta) in made.modules() {
        let back = read.module(name).unwrap();
        assert_eq!((back.factors.scaling, back.embedding), (delta.factors.scaling, delta.embedding), "{name}");
        assert_eq!(back.factors.a.to_f64_vec().unwrap(), delta.factors.a.to_f64_vec().unwrap());
        assert_eq!(back.factors.b.to_f64_vec().unwrap(), delta.factors.b.to_f64_vec().unwrap());
    }
    let file = SafeTensors::open(folder.path().join(MATRICES)).unwrap();
    assert_eq!(file.shape("base_model.model.model.embed_tokens.lora_embedding_A"), Some(&[3, 5][..]));
}

#[test]
fn damaged_adapters_are_refused_by_the_tensor_at_fault() {
    let (a, b) = (normal([2, 6]), normal([5, 2]));
    let (name_a, name_b) = ("m.lora_A.weight", "m.lora_B.weight");
    let file = |words: &str| format!("adapter_model.safetensors: {words}");
    assert_eq!(refused(json!({}), &[(name_a, a.clone())]), file("module \"m\" has lora_A and no lora_B"));
    assert_eq!(refused(json!({}), &[(name_b, b.clone())]), file("module \"m\" has lora_B and no lora_A"));
    assert_eq!(refused(json!({}), &[]), file("there is no tensor in it"));
    assert_eq!(
        refused(json!({}), &[(name_a, normal([3, 6])), (name_b, b.clone())]),
        file("module \"m\": A [3, 6] and B [5, 2] have no rank in common")
    );
    assert_eq!(
        refused(json!({"r": 4}), &[(name_a, a.clone()), (name_b, b.clone())]),
        file("module \"m\" has rank 2, adapter_config.json gives it 4")
    );
    let mut numbers = a.to_vec::<f32>().unwrap();
    numbers[7] = f32::NAN;
    let nan = Tensor::from_vec(numbers, &[2, 6]).unwrap();
    assert_eq!(
        refused(json!({}), &[(name_a, nan), (name_b, b.clone())]),
        file("tensor \"base_model.model.m.lora_A.weight\" holds NaN")
    );
    assert_eq!(
        refused(json!({}), &[(name_a, a.clone()), (name_b, b.clone()), ("m.lora_magnitude_vector", b.clone())]),
        file("tensor \"base_model.model.m.lora_magnitude_vector\" is no factor of a low-rank change; lora_A and lora_B are read")
    );
    assert_eq!(
        refused(json!({"use_dora": true}), &[(name_a, a), (name_b, b)]),
        "adapter_config.json: field \"use_dora\", true, is not supported"
    );
}

#[test]
fn factors_that_overflow_as_they_are_written_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let words = |size: f64, dtype: DType| {
        let factors = LowRankFactors::new(normal([2, 6]).mul_scalar(size).unwrap(), normal([5, 2]), 1.0);
        let modules = vec![(Q2.to_string(), Delta { factors, embedding: false })];
        Adapter::new(modules, BTreeMap::new(), None).write(out.path(), dtype).map_err(|e| e.to_string())
    };
    let error = words(1e25, DType::F16).unwrap_err();
    assert!(error.contains("q_proj.lora_A.weight\" would hold") && error.contains("as f16; choose an element type"), "{error}");
    assert!(words(f64::NAN, DType::F32).unwrap_err().contains("make numbers finite"));
    words(1e25, DType::BF16).unwrap();
}

#[test]
fn a_pattern_that_gives_up_refuses_the_adapter() {
    let tensors = pair(&"x".repeat(60), 2);
    let listed: Vec<(&str, Tensor)> = tensors.iter().map(|(name, t)| (name.as_str(), t.clone())).collect();
    let error = refused(json!({ "rank_pattern": { "(x+x+)+(?=y)y": 2 } }), &listed);
    assert!(error.contains("the pattern \"(x+x+)+(?=y)y\" fails on"), "{error}");
    let many: serde_json::Map<String, serde_json::Value> = (0..100).map(|i| (format!("\\w{{200}}{i}"), json!(3))).collect();
    let error = refused(json!({ "rank_pattern": many }), &listed);
    assert!(error.contains("the limit \"patterns\" is"), "{error}");
}
