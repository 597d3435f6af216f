use super::*;

fn names(config: &LoraConfig) -> Vec<String> {
    config.adapted_layers(&Config::default()).unwrap().iter().map(|site| site.layer.to_string()).collect()
}

fn read(changes: Value) -> Result<LoraConfig> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"] });
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    LoraConfig::read(folder.path()).map_err(|e| {
        let place = format!("{}/", folder.path().display());
        Error::new(e.kind(), e.to_string().replace(&place, ""))
    })
}

#[test]
fn all_linear_leaves_out_the_output_layer() {
    let config = LoraConfig { targets: TargetModules::AllLinear, ..LoraConfig::default() };
    assert_eq!(names(&config).len(), 14);
    let head = LoraConfig { targets: TargetModules::parse("lm_head"), ..LoraConfig::default() };
    assert_eq!(names(&head), ["lm_head"]);
}

#[test]
fn a_pattern_matches_whole_names_and_a_name_their_end() {
    let pattern = |p: &str| LoraConfig { targets: TargetModules::Pattern(p.into()), ..LoraConfig::default() };
    assert_eq!(names(&pattern(r".*\.1\.self_attn\.(q|k)_proj")).len(), 2);
    assert_eq!(names(&pattern(r"(?!.*mlp)model\.layers\.0.*")).len(), 4);
    assert!(pattern("q_proj").adapted_layers(&Config::default()).is_err());
    let name = LoraConfig { targets: TargetModules::parse("layers.1.mlp.up_proj"), ..LoraConfig::default() };
    assert_eq!(names(&name), ["model.layers.1.mlp.up_proj"]);
}

#[test]
fn blocks_and_exclusions_take_layers_out() {
    let config = LoraConfig {
        targets: TargetModules::AllLinear,
        exclude: Some(TargetModules::parse("down_proj")),
        layers_to_transform: Some(vec![1]),
        ..LoraConfig::default()
    };
    assert_eq!(names(&config).len(), 6);
    assert!(names(&config).iter().all(|name| name.starts_with("model.layers.1.") && !name.ends_with("down_proj")));
}

#[test]
fn patterns_set_rank_and_alpha_of_the_layers_they_match() {
    let config = LoraConfig {
        rank_pattern: BTreeMap::from([("q_proj".into(), 4)]),
        alpha_pattern: BTreeMap::from([(r"layers\.0\..*v_proj".into(), 32.0)]),
        use_rslora: true,
        ..LoraConfig::default()
    };
    let sites = config.adapted_layers(&Config::default()).unwrap();
    let found: Vec<_> = sites.iter().map(|site| (site.rank, site.scaling)).collect();
    let root = 8f64.sqrt();
    assert_eq!(found, [(4, 8.0), (8, 32.0 / root), (4, 8.0), (8, 16.0 / root)]);
}

#[test]
fn what_is_written_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = LoraConfig {
        targets: TargetModules::Pattern(".*_proj".into()),
        exclude: Some(TargetModules::parse("up_proj")),
        layers_to_transform: Some(vec![0, 1]),
        rank: 3,
        alpha: 6.5,
        rank_pattern: BTreeMap::from([("q_proj".into(), 4)]),
        alpha_pattern: BTreeMap::from([("q_proj".into(), 32.0)]),
        use_rslora: true,
        dropout: 0.1,
        base_model: Some("base".into()),
        modules_to_save: vec!["norm".into()],
    };
    config.write(folder.path()).unwrap();
    assert_eq!(LoraConfig::read(folder.path()).unwrap(), config);
}

#[test]
fn settings_that_would_change_the_result_are_refused_by_name() {
    let cases = [
        (json!({"use_dora": true}), "adapter_config.json: field \"use_dora\", true, is not supported"),
        (json!({"bias": "all"}), "adapter_config.json: bias \"all\" is not supported; \"none\" is"),
        (json!({"peft_type": "LOHA"}), "adapter_config.json: peft_type \"LOHA\" is not supported; LORA is"),
        (
            json!({"init_lora_weights": "pissa"}),
            "adapter_config.json: init_lora_weights \"pissa\" changes the base weights, so the adapter does not fit the published ones; \
             PEFT's save_pretrained(…, path_initial_model_for_weight_conversion=…) makes one that does",
        ),
        (json!({"a_setting_of_tomorrow": 3}), "adapter_config.json: field \"a_setting_of_tomorrow\", 3, is not supported"),
        (json!({"r": 0}), "adapter_config.json: field \"r\" must be a whole number from 1 to 2147483647, got 0"),
        (json!({"lora_dropout": 1.0}), "adapter_config.json: field \"lora_dropout\" must be at least 0 and below 1"),
    ];
    for (changes, wanted) in cases {
        assert_eq!(read(changes).unwrap_err().to_string(), wanted);
    }
    // Null means what PEFT knows for the architecture; MiCA's start leaves the weights as they are.
    let null = read(json!({"target_modules": null, "init_lora_weights": "mica"})).unwrap();
    assert_eq!(null.targets, TargetModules::parse("q_proj,v_proj"));
    assert!(read(json!({"use_dora": false, "loftq_config": {}, "megatron_core": "megatron.core"})).is_ok());
}

#[test]
fn targets_that_fit_no_layer_are_refused() {
    let refused = |targets: &str, rank| {
        let config = LoraConfig { targets: TargetModules::parse(targets), rank, ..LoraConfig::default() };
        config.adapted_layers(&Config::default()).unwrap_err().to_string()
    };
    assert_eq!(
        refused("q_proj,query", 8),
        "lora: target module \"query\" is in no layer; there are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head"
    );
    assert_eq!(refused("embed_tokens", 8), "lora: target module \"embed_tokens\" is an embedding; only linear layers are adapted");
    assert_eq!(refused("k_proj", 33), "lora: rank 33 does not fit model.layers.0.self_attn.k_proj, 32 by 64; 1 to 32 do");
}
