use super::*;

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
        fan_in_fan_out: true,
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
