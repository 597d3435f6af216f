//! Training on files of samples: each kind, stopped and resumed, and what files that are none get told.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::language::{sentence, workshop};
use super::{Finished, monotile};

const TEXTS: &str =
    "{\"text\": \"The quick brown fox\"}\n{\"text\": \"jumps over\"}\n\n{\"text\": \"the lazy dog.\"}\n{\"text\": \"Pack\"}\n";
const PAIRS: &str = "\
{\"prompt\": \"2 + 2 = \", \"completion\": \"4\", \"source\": \"sums\"}
{\"prompt\": \"3 + 4 = \", \"completion\": \"7\"}
{\"prompt\": \"5 + 1 = \", \"completion\": \"6\"}
{\"prompt\": \"1 + 1 = \", \"completion\": \"2\"}
";
const TALKS: &str = "\
{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Ho\"}]}
{\"messages\": [{\"role\": \"user\", \"content\": \"A\"}, {\"role\": \"assistant\", \"content\": \"B\"}, {\"role\": \"user\", \"content\": \"C\"}, {\"role\": \"assistant\", \"content\": \"D\"}]}
{\"messages\": [{\"role\": \"assistant\", \"content\": \"Hey\"}]}
";
const TEMPLATE: &str = "{% for m in messages %}{{ m.role[0] }}>{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}a>{% endif %}\n";

/// The arguments of a run of three steps on this file, with others added or in place of them.
fn arguments<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let start = ["lora", "train", "--model", "model", "--data", data, "--out", out];
    let options = [
        ["--steps", "3"],
        ["--rank", "2"],
        ["--length", "24"],
        ["--batch", "1"],
        ["--save-every", "1"],
        ["--eval-every", "1"],
        ["--dropout", "0.1"],
    ];
    let kept = options.iter().filter(|[name, _]| !more.contains(name)).flatten().copied();
    start.into_iter().chain(kept).chain(more.iter().copied()).collect()
}

fn adapt(folder: &Path, data: &str, out: &str, more: &[&str]) -> Finished {
    monotile(folder, &arguments(data, out, more))
}

/// A workshop with a file of each kind.
pub fn school() -> tempfile::TempDir {
    let folder = workshop();
    // As `train` writes it.
    fs::write(folder.path().join("model/tokenizer_config.json"), "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}").unwrap();
    for (name, text) in [("texts.jsonl", TEXTS), ("pairs.jsonl", PAIRS), ("talks.jsonl", TALKS), ("template.jinja", TEMPLATE)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn runs_on_samples_that_are_killed_are_resumed_to_the_same_bytes() {
    let folder = school();
    for (data, more) in [
        ("texts.jsonl", &["--held-out", "0.3"][..]),
        ("pairs.jsonl", &["--eval", "pairs.jsonl", "--patience", "2"]),
        ("talks.jsonl", &["--chat-template", "template.jinja", "--held-out", "0.4"]),
    ] {
        let (whole, killed) = (format!("whole-{data}"), format!("killed-{data}"));
        adapt(folder.path(), data, &whole, more).succeeds();
        let mut child = Command::new(env!("CARGO_BIN_EXE_monotile"))
            .args(arguments(data, &killed, more))
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !folder.path().join(&killed).join("training.safetensors").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // The run may have come to its end already; then resuming has nothing left to do, and must say the same.
        let _ = child.kill();
        child.wait().unwrap();
        adapt(folder.path(), data, &killed, &[more, &["--resume"]].concat()).succeeds();
        for name in ["adapter_model.safetensors", "training.safetensors"] {
            let read = |out: &str| fs::read(folder.path().join(out).join(name)).unwrap();
            assert_eq!(read(&whole), read(&killed), "{name} of {data}");
        }
    }
}

#[test]
fn what_samples_come_to_is_told() {
    let folder = school();
    let told = |data: &str, more: &[&str]| {
        let _ = fs::remove_dir_all(folder.path().join("told"));
        let ended = adapt(folder.path(), data, "told", more);
        let lines: Vec<String> = ended.stderr.lines().map(str::to_string).collect();
        ended.succeeds();
        lines
    };
    // Bytes and a token that ends them: 20 + 11 + 14 + 5 tokens, each but the first learned.
    let lines = told("texts.jsonl", &["--held-out", "0"]);
    assert!(lines.contains(&"samples   4 of 50 tokens, 46 of them learned; 2 rows of 24, 100.0 % full".to_string()), "{lines:#?}");
    // Of ten tokens the last two.
    let lines = told("pairs.jsonl", &["--held-out", "0.25", "--patience", "1", "--lr", "1e-9"]);
    assert!(lines.contains(&"samples   3 of 30 tokens, 6 of them learned; 2 rows of 24, 58.7 % full".to_string()), "{lines:#?}");
    assert!(lines.contains(&"held out  1 of 10 tokens, 2 of them learned; 1 rows of 24, 39.1 % full".to_string()), "{lines:#?}");
    // Of a>Hey nothing comes before, so that all of it but its first letter is learned.
    let lines = told("talks.jsonl", &["--held-out", "0", "--chat-template", "template.jinja", "--overlong", "drop"]);
    assert!(lines.contains(&"samples   3 of 32 tokens, 12 of them learned; 2 rows of 24, 63.0 % full".to_string()), "{lines:#?}");
    let short = ["--held-out", "0", "--length", "12"];
    let lines = told("texts.jsonl", &short);
    assert!(
        lines.contains(&"          2 cut to 12 tokens, 0 left out: a larger --length keeps them whole".to_string()),
        "{lines:#?}"
    );
    let log = fs::read_to_string(folder.path().join("told/log.jsonl")).unwrap();
    assert_eq!(log.matches("\"loss\"").count(), 3);
    assert!(folder.path().join("told/loss.svg").exists());
}

#[test]
fn a_run_out_of_patience_goes_back_to_its_best() {
    let folder = school();
    // What is evaluated on has nothing to do with what is learned, at a rate at which that soon shows.
    let options = ["--eval", "texts.jsonl", "--patience", "2", "--lr", "0.5", "--steps", "40"];
    let ended = adapt(folder.path(), "pairs.jsonl", "out", &options);
    assert!(ended.stderr.contains("back to step "), "{}", ended.stderr);
    let log = fs::read_to_string(folder.path().join("out/log.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let (stopped, best) = (last["step"].as_u64().unwrap(), last["restored_step"].as_u64().unwrap());
    assert!(stopped < 40 && stopped == best + 2, "{last}");
    ended.succeeds();
}

#[test]
fn a_new_model_learns_from_samples_too() {
    let folder = school();
    let options = ["--steps", "2", "--layers", "1", "--hidden", "16", "--heads", "2", "--length", "24", "--held-out", "0"];
    let train = |data: &str, out: &str, more: &[&str]| {
        monotile(folder.path(), &[&["train", "--data", data, "--out", out, "--tokenizer", "264"], &options[..], more].concat())
    };
    train("pairs.jsonl", "a", &[]).succeeds();
    train("talks.jsonl", "b", &["--chat-template", "template.jinja"]).succeeds();
    let without = train("talks.jsonl", "c", &[]);
    assert_eq!(sentence(&without), "talks.jsonl: conversations need a chat template, and a new checkpoint has none");
    assert!(!folder.path().join("c").exists());
}

#[test]
fn conversations_are_written_by_the_checkpoints_template() {
    let folder = school();
    let without = adapt(folder.path(), "talks.jsonl", "out", &[]);
    assert_eq!(sentence(&without), "talks.jsonl: conversations need a chat template, and model has none");
    assert!(without.stderr.contains("\nhint: --chat-template FILE gives one: chat_template.jinja of"), "{}", without.stderr);
    fs::write(folder.path().join("model/chat_template.jinja"), TEMPLATE).unwrap();
    adapt(folder.path(), "talks.jsonl", "out", &["--held-out", "0"]).succeeds();
    fs::write(folder.path().join("model/chat_template.jinja"), "{{ raise_exception('no talking') }}").unwrap();
    let refused = adapt(folder.path(), "talks.jsonl", "other", &[]);
    assert_eq!(sentence(&refused), "talks.jsonl:1: model/chat_template.jinja:1: no talking");
}

#[test]
fn samples_that_cannot_work_are_told_with_their_line() {
    let folder = school();
    let told = |text: &str, more: &[&str]| {
        fs::write(folder.path().join("bad.jsonl"), text).unwrap();
        sentence(&adapt(folder.path(), "bad.jsonl", "out", more))
    };
    assert_eq!(told("", &[]), "bad.jsonl: the file is empty; training needs samples, one JSON object a line");
    assert_eq!(told("{\"text\": \"a\"}\n{\"text\"}\n", &[]), "bad.jsonl:2: not JSON: expected `:` at column 8");
    assert_eq!(
        told("{\"text\": \"a\"}\n{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\n", &[]),
        "bad.jsonl:2: holds \"messages\", line 1 holds \"text\"; a file is of one kind"
    );
    assert_eq!(
        told("{\"prompt\": \"a\", \"completion\": \"\"}\n", &[]),
        "bad.jsonl:1: field \"completion\" is empty; there is nothing to learn"
    );
    assert_eq!(told("{\"text\": \"abc\"}\n", &[]), "data: 1 samples leave none to train on besides those held out");
    assert_eq!(
        told("{\"text\": \"abcdef\"}\n{\"text\": \"ghijkl\"}\n", &["--overlong", "drop", "--length", "4", "--held-out", "0"]),
        "data: no sample is left: all 2 are longer than rows of 4 tokens"
    );
    // Of those held out less is said than of those to train on.
    let long = "{\"text\": \"abcdef\"}\n".repeat(40);
    let drop = ["--overlong", "drop", "--length", "4"];
    assert_eq!(told(&long, &drop), "data: no sample is left: all 38 are longer than rows of 4 tokens");
    let mixed = format!("{}{}", "{\"text\": \"ab\"}\n".repeat(38), "{\"text\": \"abcdef\"}\n".repeat(2));
    assert_eq!(told(&mixed, &drop), "held out: data: no sample is left: all 2 are longer than rows of 4 tokens");
    let long = format!("{{\"text\": \"{}\"}}\n", "x".repeat(40));
    assert_eq!(
        told(&long, &["--length", "64", "--held-out", "0"]),
        "train: rows of 41 tokens are longer than the model's context of 32"
    );
    assert_eq!(
        told(TEXTS, &["--patience", "2", "--held-out", "0"]),
        "train: patience needs held-out rows to evaluate on, and there are none"
    );
    assert!(!folder.path().join("out").exists());
    adapt(folder.path(), "texts.jsonl", "out", &["--eval", "a", "--held-out", "0.1"]).is_wrong_usage("cannot be used with");
    adapt(folder.path(), "texts.jsonl", "out", &["--overlong", "wrap"]).is_wrong_usage("'wrap'");
}

/// A plan for data that cannot be read is none.
#[test]
fn a_dry_run_reads_the_data() {
    let folder = school();
    fs::write(folder.path().join("broken.jsonl"), "{\"text\": \"abc\"}\n{\n").unwrap();
    let dry = |data: &str| adapt(folder.path(), data, "out", &["--dry-run", "--held-out", "0"]);
    assert!(sentence(&dry("broken.jsonl")).starts_with("broken.jsonl:2: not JSON: "));
    assert_eq!(sentence(&dry("none.jsonl")), "none.jsonl: no such file or folder (reading)");
    let told = dry("pairs.jsonl");
    assert!(told.stderr.contains("samples   4 of "), "{}", told.stderr);
    told.succeeds();
    let scratch = ["train", "--data", "none.txt", "--out", "out", "--tokenizer", "bytes", "--dry-run"];
    assert_eq!(sentence(&monotile(folder.path(), &scratch)), "none.txt: no such file or folder (reading)");
    assert!(!folder.path().join("out").exists());
}

/// Files as others write them: ShareGPT's conversations, Alpaca's instructions, a byte order mark.
#[test]
fn samples_in_other_layouts_are_learned() {
    let folder = school();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "talk.jsonl",
        "\u{feff}{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": \"gpt\", \"value\": \"Ho\"}]}\n",
    );
    let talk = adapt(folder.path(), "talk.jsonl", "a", &["--chat-template", "template.jinja", "--held-out", "0"]);
    assert!(talk.stderr.contains("samples   1 of "), "{}", talk.stderr);
    talk.succeeds();
    write("told.jsonl", "{\"instruction\": \"Greet.\", \"input\": \"\", \"output\": \"Hello\"}\n");
    let dry = adapt(folder.path(), "told.jsonl", "b", &["--dry-run", "--held-out", "0", "--length", "256"]);
    // The five letters of the output and the token that ends it.
    assert!(dry.stderr.contains(", 6 of them learned;"), "{}", dry.stderr);
    dry.succeeds();
}
