use std::collections::BTreeMap;

use super::*;

fn names(config: &LoraConfig) -> Vec<String> {
    Config::default().adapted_layers(config).unwrap().iter().map(|site| site.layer.to_string()).collect()
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
    assert!(Config::default().adapted_layers(&pattern("q_proj")).is_err());
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
    let sites = Config::default().adapted_layers(&config).unwrap();
    let found: Vec<_> = sites.iter().map(|site| (site.rank, site.scaling)).collect();
    let root = 8f64.sqrt();
    assert_eq!(found, [(4, 8.0), (8, 32.0 / root), (4, 8.0), (8, 16.0 / root)]);
}

#[test]
fn targets_that_fit_no_layer_are_refused() {
    let refused = |targets: &str, rank| {
        let config = LoraConfig { targets: TargetModules::parse(targets), rank, ..LoraConfig::default() };
        Config::default().adapted_layers(&config).unwrap_err().to_string()
    };
    assert_eq!(
        refused("q_proj,query", 8),
        "lora: target module \"query\" is in no layer; there are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head"
    );
    assert_eq!(refused("embed_tokens", 8), "lora: target module \"embed_tokens\" is an embedding; only linear layers are adapted");
    assert_eq!(refused("k_proj", 33), "lora: rank 33 does not fit model.layers.0.self_attn.k_proj, 32 by 64; 1 to 32 do");
}
