//! Training, generating and describing models: what works, and what bad input gets told.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

#[cfg(target_os = "linux")]
use super::shell;
use super::{Finished, monotile};

const TEXT: &str = "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs.\n";

/// Options of a run that takes a moment.
const SMALL: &[&str] = &[
    "--tokenizer",
    "bytes",
    "--layers",
    "1",
    "--hidden",
    "16",
    "--heads",
    "2",
    "--length",
    "16",
    "--batch",
    "2",
    "--held-out",
    "0.2",
    "--eval-every",
    "2",
    "--save-every",
    "2",
    "--context",
    "32",
];

fn train(folder: &Path, out: &str, steps: &str, more: &[&str]) -> Finished {
    monotile(folder, &[&["train", "--data", "text.txt", "--out", out, "--steps", steps], SMALL, more].concat())
}

fn adapt(folder: &Path, out: &str, steps: &str, more: &[&str]) -> Finished {
    monotile(folder, &adaptation(out, steps, more))
}

/// The words that train a small adapter, with `more` in the place of what they name.
fn adaptation<'a>(out: &'a str, steps: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let options = [
        ["--rank", "2"],
        ["--length", "16"],
        ["--batch", "2"],
        ["--held-out", "0.2"],
        ["--eval-every", "2"],
        ["--save-every", "2"],
        ["--dropout", "0.1"],
    ];
    let run = ["lora", "train", "--model", "model", "--data", "text.txt", "--out", out, "--steps", steps];
    let rest: Vec<&str> = options.into_iter().filter(|[name, _]| !more.contains(name)).flatten().collect();
    [&run[..], &rest, more].concat()
}

/// A folder with `text.txt` and a small checkpoint in `model`, made once for all tests.
pub fn workshop() -> TempDir {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("text.txt"), TEXT.repeat(4)).unwrap();
        train(folder.path(), "model", "2", &[]).succeeds();
        folder
    });
    let copy = tempfile::tempdir().unwrap();
    fs::copy(made.path().join("text.txt"), copy.path().join("text.txt")).unwrap();
    fs::create_dir(copy.path().join("model")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(made.path().join("model").join(name), copy.path().join("model").join(name)).unwrap();
    }
    copy
}

/// The sentence that a failure tells, without its hint.
#[track_caller]
pub fn sentence(ended: &Finished) -> String {
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    let words = ended.stderr.lines().find_map(|l| l.strip_prefix("error: "));
    words.unwrap_or_else(|| panic!("no sentence in {}", ended.stderr)).to_string()
}

#[test]
fn a_trained_model_generates_the_same_text_from_the_same_seed() {
    let folder = workshop();
    let generate = |seed| {
        monotile(folder.path(), &["generate", "--model", "model", "--prompt", "The", "--max-tokens", "8", "--seed", seed])
            .succeeds()
    };
    assert_eq!(generate("1"), generate("1"));
    assert_ne!(generate("1"), generate("2"));
    assert!(generate("1").starts_with("The"));
    let added = monotile(
        folder.path(),
        &["generate", "--model", "model", "--prompt", "The", "--max-tokens", "8", "--seed", "1", "--no-prompt"],
    );
    assert_eq!(format!("The{}", added.succeeds()), generate("1"));
}

#[test]
fn an_adapter_is_trained_told_and_used() {
    let folder = workshop();
    let run = adapt(folder.path(), "adapter", "4", &[]);
    // One block, 16 wide: A (2, 16) and B (16, 2) beside each of two weights.
    assert!(run.stderr.contains("training  128 of 11.6 k, 1.1 %: rank 2, alpha 4"), "{}", run.stderr);
    assert!(run.stderr.contains("held-out loss") && run.stderr.contains("the adapter is in adapter"), "{}", run.stderr);
    assert_eq!(run.succeeds(), "");
    for name in ["adapter_config.json", "adapter_model.safetensors", "log.jsonl", "loss.svg"] {
        assert!(folder.path().join("adapter").join(name).exists(), "{name}");
    }
    let log = fs::read_to_string(folder.path().join("adapter/log.jsonl")).unwrap();
    assert_eq!((log.matches("\"loss\"").count(), log.matches("\"held_out_loss\"").count()), (4, 3));
    let with = ["generate", "--model", "model", "--adapter", "adapter", "--prompt", "The", "--greedy", "--max-tokens", "4"];
    monotile(folder.path(), &with).succeeds();
}

#[cfg(unix)]
#[test]
fn a_run_killed_at_twenty_moments_is_resumed_to_the_same_adapter() {
    use std::process::{Command, Stdio};
    use std::time::Instant;
    const STEPS: &str = "400";
    let folder = workshop();
    let begun = Instant::now();
    adapt(folder.path(), "whole", STEPS, &[]).succeeds();
    let whole = begun.elapsed();
    let (mut rng, mut in_time, mut through) = (monotile::Rng::new(8), 0, false);
    for _ in 0..20 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_monotile"))
            .args(adaptation("killed", STEPS, &["--resume"]))
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A run goes on where the one before was saved, so that short waits meet all of it.
        std::thread::sleep(whole.mul_f64(0.15 * rng.next_f64()));
        through |= child.try_wait().unwrap().is_some_and(|status| status.success());
        in_time += usize::from(!through);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(in_time >= 3, "only {in_time} of 20 kills came in time");
    adapt(folder.path(), "killed", STEPS, &["--resume"]).succeeds();
    for name in ["adapter_model.safetensors", "adapter_config.json", "training.safetensors"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).unwrap();
        assert!(read("whole") == read("killed"), "{name}");
    }
}

#[test]
fn a_folder_with_a_run_is_not_overwritten() {
    let folder = workshop();
    adapt(folder.path(), "adapter", "2", &[]).succeeds();
    let again = adapt(folder.path(), "adapter", "2", &[]);
    assert_eq!(sentence(&again), "adapter/training.safetensors: a run was begun here; resume it or choose another folder");
    assert!(again.stderr.ends_with("hint: --resume continues the run in that folder\n"), "{}", again.stderr);
}

#[test]
fn the_costs_of_a_model_are_told() {
    let folder = workshop();
    let json = monotile(folder.path(), &["info", "--model", "model", "--rank", "2", "--json"]).succeeds();
    let info: serde_json::Value = serde_json::from_str(&json).unwrap();
    // Keys and values of 16 numbers in f32.
    assert_eq!(info["cache_bytes_a_token"], 2 * 16 * 4);
    assert_eq!(info["lora"]["choices"][0]["trained"], 128);
    let table = monotile(folder.path(), &["info", "--model", "model"]).succeeds();
    assert!(table.contains("llama: 1 blocks 16 wide, 2 heads of 8") && !table.contains('\u{1b}'), "{table}");
}

#[test]
fn a_checkpoint_that_is_not_there_or_not_whole_is_told() {
    let folder = workshop();
    let generate = || monotile(folder.path(), &["generate", "--model", "model", "--prompt", "The"]);
    let missing = monotile(folder.path(), &["generate", "--model", "nowhere", "--prompt", "The"]);
    assert_eq!(sentence(&missing), "nowhere/config.json: no such file or folder (reading)");
    assert!(missing.stderr.contains("\nhint: a checkpoint is a folder with config.json"), "{}", missing.stderr);

    let weights = folder.path().join("model/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let words = sentence(&generate());
    assert!(words.starts_with("model/model.safetensors: "), "{words}");
    fs::write(&weights, b"short").unwrap();
    let words = sentence(&generate());
    assert!(words.starts_with("model/model.safetensors: "), "{words}");
    fs::remove_file(&weights).unwrap();
    assert_eq!(sentence(&generate()), "model: there is neither model.safetensors nor model.safetensors.index.json");
    fs::write(&weights, &whole).unwrap();

    let config = folder.path().join("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"hidden_size\"", "\"hidden\"")).unwrap();
    let words = sentence(&generate());
    assert!(words.starts_with("model/config.json: ") && words.contains("hidden_size"), "{words}");
    fs::write(&config, text.replace("LlamaForCausalLM", "GPT2LMHeadModel").replace("\"llama\"", "\"gpt2\"")).unwrap();
    let words = sentence(&generate());
    assert!(words.contains("gpt2") || words.contains("GPT2"), "{words}");
}

/// What stands in place of a checkpoint is told, and what it claims is bounded.
#[test]
fn a_checkpoint_that_is_something_else_is_told() {
    let folder = workshop();
    let at = |name: &str| folder.path().join("model").join(name);
    let info = || monotile(folder.path(), &["info", "--model", "model"]);
    let config = fs::read_to_string(at("config.json")).unwrap();
    let depth = config.lines().find(|line| line.contains("\"num_hidden_layers\"")).unwrap();
    fs::write(at("config.json"), config.replace(depth, "\"num_hidden_layers\": 1000000000,")).unwrap();
    let words = "model/config.json: num_hidden_layers: asks for 1000000000 blocks, and the limit \"blocks\" is 10000";
    assert_eq!(sentence(&info()), words);
    fs::write(at("config.json"), config.replace(depth, "\"num_hidden_layers\": 4000,")).unwrap();
    let words = sentence(&info());
    assert!(words.starts_with("model/config.json: asks for ") && words.contains(" numbers, and the files hold "), "{words}");
    fs::write(at("config.json"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
    assert!(sentence(&info()).starts_with("model/config.json: is a pointer of Git LFS, not the file itself; "));
    fs::write(at("config.json"), "<!DOCTYPE html>").unwrap();
    assert!(sentence(&info()).starts_with("model/config.json: is a web page, not the file itself"));
    fs::write(at("config.json"), format!("\u{feff}{config}")).unwrap();
    info().succeeds();
    let generate = || monotile(folder.path(), &["generate", "--model", "model", "--prompt", "a", "--max-tokens", "1"]);
    generate().succeeds();
    fs::rename(at("model.safetensors"), at("pytorch_model.bin")).unwrap();
    assert!(sentence(&generate()).starts_with("model/pytorch_model.bin: is a checkpoint in PyTorch's pickle format, "));
}

#[test]
fn prompts_and_data_that_cannot_work_are_told() {
    let folder = workshop();
    let long = "x".repeat(40);
    let generate = monotile(folder.path(), &["generate", "--model", "model", "--prompt", &long]);
    assert_eq!(sentence(&generate), "generate: the prompt has 40 tokens, the model's context holds 32");
    let file = monotile(folder.path(), &["generate", "--model", "model", "--prompt-file", "none.txt"]);
    assert_eq!(sentence(&file), "none.txt: no such file or folder (reading)");

    fs::write(folder.path().join("text.txt"), "").unwrap();
    assert_eq!(sentence(&adapt(folder.path(), "adapter", "2", &[])), "text.txt: the file is empty; training needs text");
    assert_eq!(sentence(&train(folder.path(), "other", "2", &[])), "text.txt: the file is empty; training needs text");
    fs::write(folder.path().join("text.txt"), "too short").unwrap();
    assert_eq!(sentence(&train(folder.path(), "other", "2", &[])), "text.txt: data: 9 tokens are fewer than one row of 16");
    assert!(!folder.path().join("adapter").exists() && !folder.path().join("other").exists());
}

#[test]
fn options_that_do_not_fit_are_wrong_usage_or_told() {
    let folder = workshop();
    train(folder.path(), "other", "2", &["--kv-heads", "x"]).is_wrong_usage("'x'");
    let both = ["generate", "--model", "model", "--prompt", "a", "--prompt-file", "b"];
    monotile(folder.path(), &both).is_wrong_usage("cannot be used with");
    monotile(folder.path(), &["generate", "--model", "model"]).is_wrong_usage("--prompt");
    let rank = adapt(folder.path(), "adapter", "2", &["--target-modules", "q_porj"]);
    assert!(sentence(&rank).contains("q_porj"), "{}", rank.stderr);
}

#[cfg(target_os = "linux")]
/// A number that is not finite, or out of its bounds, is none on the command line.
#[test]
fn options_that_are_numbers_take_finite_ones_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |line: &str| {
        monotile(folder.path(), &line.split(' ').collect::<Vec<_>>()).is_wrong_usage("is wanted");
    };
    for option in ["--alpha inf", "--alpha nan", "--alpha 1e39", "--alpha 0", "--dropout nan", "--dropout 1", "--lr inf", "--lr 0"]
    {
        refused(&format!("lora train --model m --data d --out o {option}"));
    }
    for option in ["--clip nan", "--eps inf", "--weight-decay nan", "--held-out nan", "--held-out 1"] {
        refused(&format!("train --data d --out o {option}"));
    }
    refused("lora init --model m --out o --alpha nan");
    refused("lora merge --model m --adapter a --out o --weights inf");
    refused("lora resize --adapter a --out o --energy nan");
    ["--temperature nan", "--temperature inf", "--top-p nan", "--top-p 2"]
        .iter()
        .for_each(|option| refused(&format!("generate --model m --prompt p {option}")));
    ["--time nan", "--fps inf", "--duration inf", "--point-size nan"]
        .iter()
        .for_each(|option| refused(&format!("render m.glb --animation 0 -o a.gif {option}")));
    refused("explain m.glb --vertex 0 --animation 0 --time inf");
}

#[test]
fn a_full_disk_while_saving_leaves_nothing_half_written() {
    let folder = workshop();
    // A limit on the size of files stands for a full disk; the model is larger, its configuration is not.
    let line = "ulimit -f 8; monotile train --data text.txt --out other --steps 2 --tokenizer bytes --layers 1 --hidden 32 \
                --heads 2 --length 16 --batch 2 --held-out 0 2>&1 >/dev/null | grep error; ls -A other";
    let ended = shell(folder.path(), line);
    // The state is saved before the model.
    assert!(ended.stdout.starts_with("error: other/training.safetensors: File too large"), "{}", ended.stdout);
    assert!(!folder.path().join("other").exists(), "a run that saved nothing left a folder: {}", ended.stdout);
}

#[test]
fn an_adapter_for_another_model_is_refused() {
    let folder = workshop();
    adapt(folder.path(), "adapter", "2", &[]).succeeds();
    let wide = [
        "train",
        "--data",
        "text.txt",
        "--out",
        "wide",
        "--steps",
        "1",
        "--tokenizer",
        "bytes",
        "--layers",
        "1",
        "--hidden",
        "32",
        "--heads",
        "2",
        "--length",
        "16",
    ];
    monotile(folder.path(), &wide).succeeds();
    let ended = monotile(folder.path(), &["generate", "--model", "wide", "--adapter", "adapter", "--prompt", "a"]);
    let words = sentence(&ended);
    assert!(
        words.starts_with("adapter/adapter_model.safetensors: ") && words.contains("[2, 16]") && words.contains("[2, 32]"),
        "{words}"
    );
}

#[test]
fn a_plan_is_told_first_and_a_dry_run_stops_there() {
    let folder = workshop();
    let run = adapt(folder.path(), "adapter", "4", &["--dry-run"]);
    // 2 rows of 15 tokens that are predicted.
    assert!(run.stderr.contains("\nrun       4 steps of 30 tokens, 120 in all\nmemory    "), "{}", run.stderr);
    assert!(run.stderr.contains(" activations, ") && run.stderr.contains("\nweights   "), "{}", run.stderr);
    assert_eq!(run.succeeds(), "");
    let scratch = train(folder.path(), "other", "4", &["--dry-run", "--checkpointing"]);
    assert!(scratch.stderr.contains("\nmemory    ") && !scratch.stderr.contains("\nweights   "), "{}", scratch.stderr);
    scratch.succeeds();
    assert!(!folder.path().join("adapter").exists() && !folder.path().join("other").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_cannot_fit_is_refused_with_what_would() {
    let folder = workshop();
    let large = adapt(folder.path(), "adapter", "4", &["--batch", "1000000000000"]);
    let words = sentence(&large);
    assert!(words.starts_with("train: the run needs ") && words.contains(" of memory and this machine has "), "{words}");
    assert!(large.stderr.contains("\nhint: it fits with --batch "), "{}", large.stderr);
    assert!(!folder.path().join("adapter").exists());
}

#[test]
fn every_start_trains_from_the_same_loss_and_checkpointing_changes_no_bit() {
    let folder = workshop();
    let first = |out: &str| {
        let log = fs::read_to_string(folder.path().join(out).join("log.jsonl")).unwrap();
        log.lines().next().unwrap().to_string()
    };
    adapt(folder.path(), "plain", "3", &[]).succeeds();
    for start in ["kaiming", "pissa", "olora"] {
        adapt(folder.path(), start, "3", &["--start", start]).succeeds();
        assert_eq!(first(start), first("plain"), "{start}");
        let config = fs::read_to_string(folder.path().join(start).join("adapter_config.json")).unwrap();
        let rank = if start == "kaiming" { 2 } else { 4 };
        assert!(config.contains(&format!("\"r\": {rank}")) && config.contains("\"init_lora_weights\": true"), "{config}");
        let with = ["generate", "--model", "model", "--adapter", start, "--prompt", "The", "--greedy", "--max-tokens", "4"];
        monotile(folder.path(), &with).succeeds();
    }
    let bytes = |out: &str| fs::read(folder.path().join(out).join("adapter_model.safetensors")).unwrap();
    adapt(folder.path(), "again", "3", &["--start", "pissa", "--checkpointing"]).succeeds();
    assert_eq!(bytes("again"), bytes("pissa"));
    adapt(folder.path(), "exact", "3", &["--start", "pissa", "--exact"]).succeeds();
    adapt(folder.path(), "odd", "3", &["--exact"]).is_wrong_usage("lora train: --exact is for --start pissa");
    let odd = adapt(folder.path(), "odd", "3", &["--start", "orthogonal", "--rank", "3"]);
    assert!(sentence(&odd).starts_with("lora: an orthogonal start needs an even rank, got 3"), "{}", odd.stderr);
}

#[test]
fn a_start_is_written_for_peft_and_is_no_adapter_of_ours() {
    let folder = workshop();
    let init =
        |method| monotile(folder.path(), &["lora", "init", "--model", "model", "--rank", "2", "--method", method, "--out", method]);
    let said = init("pissa");
    assert!(said.stderr.contains("128 numbers on 2 layers are in pissa"), "{}", said.stderr);
    said.succeeds();
    let with = |start| monotile(folder.path(), &["generate", "--model", "model", "--adapter", start, "--prompt", "a"]);
    let words = sentence(&with("pissa"));
    assert!(words.starts_with("pissa/adapter_config.json: init_lora_weights \"pissa\" changes the base weights"), "{words}");
    init("orthogonal").succeeds();
    with("orthogonal").succeeds();
}

/// The device of every command that computes with a model, by name; a name that no adapter has is refused before anything is read.
#[test]
fn devices_are_listed_and_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let listed = monotile(folder.path(), &["devices", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert!(listed["cpu"]["threads"].as_u64().unwrap() > 0);
    let refused = monotile(folder.path(), &["train", "--data", "none.txt", "--out", "run", "--device", "no such adapter"]);
    assert_eq!(refused.status, Some(1));
    let words = refused.stderr;
    assert!(words.contains("device: no adapter has \"no such adapter\" in its name") || words.contains("none.txt"), "{words}");
    if listed["adapters"].as_array().unwrap().is_empty() {
        return println!("skipped: no adapter");
    }
    std::fs::write(folder.path().join("text.txt"), "the cat sat on the mat and the dog sat on the log. ".repeat(40)).unwrap();
    let losses = ["cpu", "gpu"].map(|device| {
        let words = ["train", "--data", "text.txt", "--tokenizer", "bytes", "--layers", "1", "--hidden", "32", "--heads", "2"];
        let more = ["--length", "24", "--batch", "2", "--steps", "4", "--out", device, "--device", device];
        let run = monotile(folder.path(), &[&words[..], &more[..]].concat());
        assert_eq!(run.status, Some(0), "{}", run.stderr);
        let log = std::fs::read_to_string(folder.path().join(device).join("log.jsonl")).unwrap();
        let entries = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        entries.filter_map(|entry| entry["loss"].as_f64()).collect::<Vec<_>>()
    });
    assert!(losses[0].len() == 4 && losses[0].iter().zip(&losses[1]).all(|(a, b)| (a - b).abs() < 1e-4), "{losses:?}");
}
