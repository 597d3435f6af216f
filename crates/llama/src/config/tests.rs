use super::*;

const SMALL: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 300, "hidden_size": 96,
    "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 6, "max_position_embeddings": 128}"#;

/// Reads `SMALL` with some fields replaced (null takes one away).
fn read(changes: Value) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let mut config: Value = serde_json::from_str(SMALL).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    Config::read(folder.path()).map_err(|e| {
        let place = format!("{}/", folder.path().display());
        Error::new(e.kind(), e.to_string().replace(&place, ""))
    })
}

fn refusal(changes: Value) -> String {
    read(changes).unwrap_err().to_string()
}

#[test]
fn fields_that_may_be_absent_take_the_values_of_transformers() {
    let config = read(json!({})).unwrap();
    assert_eq!((config.num_key_value_heads, config.head_dim), (6, 16));
    assert_eq!((config.rms_norm_eps, config.tie_word_embeddings), (1e-6, false));
    assert_eq!(config.rotary, Rotary::default());
    assert!(config.eos_token_ids.is_empty());
}

#[test]
fn a_refused_config_names_file_and_field() {
    let cases = [
        (json!({"hidden_size": null}), "config.json: field \"hidden_size\" is missing"),
        (
            json!({"hidden_size": "96"}),
            "config.json: field \"hidden_size\" must be a whole number from 1 to 2147483647, got \"96\"",
        ),
        (json!({"vocab_size": 0}), "config.json: field \"vocab_size\" must be a whole number from 1 to 2147483647, got 0"),
        (
            json!({"vocab_size": 3e12}),
            "config.json: field \"vocab_size\" must be a whole number from 1 to 2147483647, got 3000000000000.0",
        ),
        (
            json!({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}),
            "config.json: architecture \"gpt2\" is not supported; llama, mistral and qwen2 are",
        ),
        (
            json!({"architectures": ["LlamaForSequenceClassification"]}),
            "config.json: architecture \"LlamaForSequenceClassification\" is not supported; llama, mistral and qwen2 are",
        ),
        (json!({"architectures": null, "model_type": null}), "config.json: field \"model_type\" is missing"),
        (
            json!({"num_attention_heads": 5}),
            "config.json: field \"hidden_size\" is 96, which 5 heads (num_attention_heads) do not divide",
        ),
        (
            json!({"num_key_value_heads": 4}),
            "config.json: num_key_value_heads 4 does not divide num_attention_heads 6, so heads cannot share keys",
        ),
        (
            json!({"num_hidden_layers": 1_000_000_000}),
            "config.json: num_hidden_layers: asks for 1000000000 blocks, and the limit \"blocks\" is 10000",
        ),
        (
            json!({"num_attention_heads": 2_000_000_000, "num_key_value_heads": 1, "head_dim": 2_000_000_000}),
            "config.json: 2000000000 heads of head_dim 2000000000 are wider than the 2147483647 that a matrix may be",
        ),
        (
            json!({"hidden_size": 2_147_483_646, "intermediate_size": 2_147_483_646}),
            "config.json: the sizes make a model of 96845407510109092758 numbers, more than memory can address",
        ),
        (json!({"head_dim": 15}), "config.json: head_dim 15 is odd; rotary embeddings rotate pairs"),
        (json!({"hidden_act": "gelu"}), "config.json: hidden_act \"gelu\" is not supported; silu is"),
        (
            json!({"rope_scaling": {"type": "yarn", "factor": 4.0}}),
            "config.json: rotary scaling \"yarn\" is not supported; default, linear and llama3 are",
        ),
        (json!({"rope_scaling": {"type": "linear"}}), "config.json: field \"rope_scaling.factor\" is missing"),
        (json!({"rms_norm_eps": -1.0}), "config.json: field \"rms_norm_eps\" must be a number above 0, got -1.0"),
        (json!({"tie_word_embeddings": 1}), "config.json: field \"tie_word_embeddings\" must be true or false, got 1"),
        (
            json!({"quantization_config": {"bits": 4}}),
            "config.json: quantization_config: quantized weights are not supported; f64, f32, f16 and bf16 are",
        ),
    ];
    for (changes, wanted) in cases {
        assert_eq!(refusal(changes), wanted);
    }
}

#[test]
fn positions_are_read_as_transformers_4_and_5_write_them() {
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192});
    let mut with_theta = llama3.clone();
    with_theta["rope_theta"] = json!(5e5);
    let four = read(json!({"rope_theta": 5e5, "rope_scaling": llama3})).unwrap();
    let five = read(json!({"rope_parameters": with_theta})).unwrap();
    assert_eq!(four.rotary, five.rotary);
    assert_eq!(four.rotary.theta, 5e5);
    let older = read(json!({"rope_scaling": {"type": "linear", "factor": 2.0}})).unwrap();
    assert_eq!(older.rotary, Rotary { theta: 1e4, scaling: crate::rotary::RotaryScaling::Linear { factor: 2.0 } });
}

#[test]
fn a_sliding_window_is_read_where_a_family_has_one() {
    let mistral =
        |window| json!({"model_type": "mistral", "architectures": null, "num_key_value_heads": 2, "sliding_window": window});
    let window = |window| read(mistral(window)).unwrap().window(0);
    assert_eq!([window(json!(64)), window(json!(4096)), window(Value::Null)], [Some(64), Some(4096), None]);
    assert_eq!(read(mistral(json!(64))).unwrap().context(), 128);
    let qwen = |uses: bool| {
        json!({"model_type": null, "architectures": ["Qwen2ForCausalLM"], "num_key_value_heads": 2, "sliding_window": 64,
            "use_sliding_window": uses, "max_window_layers": 1})
    };
    let windowed = read(qwen(true)).unwrap();
    assert_eq!([windowed.window(0), windowed.window(1)], [None, Some(64)]);
    let qwen = read(qwen(false)).unwrap();
    assert_eq!(qwen.window(1), None, "use_sliding_window is off unless it is set");
    assert!(qwen.has_bias(LinearKind::Q) && !qwen.has_bias(LinearKind::O));
}

#[test]
fn what_is_written_reads_back() {
    let scaling = crate::rotary::RotaryScaling::Linear { factor: 2.0 };
    for family in Family::ALL {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            family,
            rotary: Rotary { theta: 5e5, scaling },
            eos_token_ids: vec![1, 2],
            sliding_window: (family != Family::Llama).then_some(32),
            ..Config::default()
        };
        config.write(folder.path(), "bfloat16").unwrap();
        assert_eq!(Config::read(folder.path()).unwrap(), config);
    }
}

/// Nothing is computed with sizes that no file can hold, and none of their products wraps.
#[test]
fn sizes_that_no_memory_holds_are_refused() {
    let layers = refusal(json!({"num_hidden_layers": 1_000_000_000}));
    assert_eq!(layers, "config.json: num_hidden_layers: asks for 1000000000 blocks, and the limit \"blocks\" is 10000");
    let wide = refusal(json!({"hidden_size": 2_147_483_646, "vocab_size": 2_147_483_647, "intermediate_size": 2_147_483_647}));
    assert!(wide.contains("more than memory can address"), "{wide}");
    let most =
        read(json!({"hidden_size": 1_000_000, "vocab_size": 1_000_000, "intermediate_size": 1_000_000, "head_dim": 16})).unwrap();
    assert!(most.parameters() > 2_000_000_000_000 && most.cache_bytes() > 0);
    assert_eq!(most.lora_parameters(LinearKind::BLOCK, usize::MAX), usize::MAX);
}

#[test]
fn generation_config_decides_the_last_tokens() {
    let folder = tempfile::tempdir().unwrap();
    Config::default().write(folder.path(), "float32").unwrap();
    std::fs::write(folder.path().join("generation_config.json"), r#"{"eos_token_id": [7, 9]}"#).unwrap();
    let config = Config::read(folder.path()).unwrap();
    assert_eq!((config.bos_token_id, config.eos_token_ids), (Some(256), vec![7, 9]));
}
