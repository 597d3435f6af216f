//! Chat templates that mean harm: each ends soon, in one sentence, whatever it asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::{Finished, one_sentence, wait};
use crate::samples;

/// The longest that a template may take here; the limit on its time is ten seconds.
const MOST: Duration = Duration::from_secs(20);
/// The most memory that the command may have at once, in KiB: with it a template that asks for more is stopped too late.
const MEMORY: u64 = 400 << 10;

/// Runs the command of the walker with a template, and tells the most memory it had, in KiB, where the system does.
fn with_template(folder: &Path, model: &Path, data: &Path, template: &Path) -> (Finished, Option<u64>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monotile"));
    command.args(["lora", "train", "--out", "out", "--steps", "1", "--rank", "2", "--length", "32", "--held-out", "0", "--model"]);
    command.arg(model).arg("--data").arg(data).arg("--chat-template").arg(template).current_dir(folder);
    let child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let mut most = None;
        while stopped.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let peak = text
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|line| line.split_whitespace().next()?.parse().ok());
            most = most.max(peak);
        }
        most
    });
    let ended = wait(child, MOST);
    drop(stop);
    (ended, watch.join().unwrap())
}

#[track_caller]
fn ends_soon(folder: &Path, model: &Path, data: &Path, template: &Path) -> String {
    let what = template.file_name().unwrap().to_string_lossy().into_owned();
    let begun = Instant::now();
    let (ended, memory) = with_template(folder, model, data, template);
    let words = one_sentence(&ended, &what);
    let plain = |c: char| c == '\n' || !c.is_control();
    assert!(ended.stderr.chars().all(plain), "{what}: {:?}", ended.stderr);
    assert!(memory.is_none_or(|memory| memory < MEMORY), "{what}: {memory:?} KiB");
    assert!(!folder.join("out").exists(), "{what}");
    println!("{what}: {:.2} s, {} MiB: {words}", begun.elapsed().as_secs_f64(), memory.unwrap_or(0) >> 10);
    words
}

/// Loops, lists that hold one another, and texts that grow: what each is told.
const HOSTILE: &[(&str, &str)] = &[
    ("{% set ns=namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x=ns.x ~ ns.x %}{% endfor %}{{ ns.x }}", "template-"),
    ("{% set ns=namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x=[ns.x,ns.x] %}{% endfor %}{{ ns.x }}", "template-"),
    ("{% set ns=namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x=[ns.x,ns.x] %}{% endfor %}{{ ns.x | tojson }}", "template-"),
    // What the interpreter does not count.
    (
        "{% set ns=namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x=[ns.x,ns.x] %}{% endfor %}{{ (ns.x ~ '') | length }}",
        "template-",
    ),
    ("{{ ([[1]*100000000]*100000000 ~ '') | length }}", "template-"),
    ("{{ [1] | tojson(indent=4000000000) }}", "template-"),
    ("{{ raise_exception('\\u001b[2J\\u202eowned\\n' * 500) }}", "…"),
];

#[test]
fn templates_that_ask_for_too_much_are_refused() {
    let folder = samples::school();
    for (number, (source, words)) in HOSTILE.iter().enumerate() {
        let template = folder.path().join(format!("hostile-{number}.jinja"));
        fs::write(&template, source).unwrap();
        let told = ends_soon(folder.path(), Path::new("model"), Path::new("talks.jsonl"), &template);
        assert!(told.contains(words), "{source}: {told}");
    }
}

#[test]
fn templates_that_nest_as_deep_as_their_text_allows_do_not_overflow() {
    let folder = samples::school();
    let long = |text: &str, part: &str, after: &str| format!("{text}{}{after}", part.repeat((500 << 10) / part.len()));
    for (number, source) in [
        long("{{ 1", "+1", " }}"),
        long("{{ a", ".b", " }}"),
        long("{{ ", "not ", "1 }}"),
        long("{{ ", "-", "1 }}"),
        long("{{ 'a'", "|upper", " }}"),
        long("{% if 0 %}", "{% elif 0 %}", "{% endif %}"),
        long("{{ 1", " if 1 else 1", " }}"),
        long("{{ ", "(", ""),
        long("{{ ", "[", ""),
        long("{{ a", "[0]", " }}"),
        long("{{ a", "()", " }}"),
        long("", "{% if 1 %}", ""),
        long("", "{% for a in [1] %}", ""),
        "{% set ns=namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x=[ns.x] %}{% endfor %}{{ ns.x }}".into(),
        "{% macro f(x) %}{{ f([x]) }}{% endmacro %}{{ f(1) }}".into(),
    ]
    .into_iter()
    .enumerate()
    {
        let template = folder.path().join(format!("deep-{number}.jinja"));
        fs::write(&template, &source).unwrap();
        let (ended, memory) = with_template(folder.path(), Path::new("model"), Path::new("talks.jsonl"), &template);
        // Some of them are well-formed, and print a number.
        let name = &source[..source.len().min(30)];
        assert!(matches!(ended.status, Some(0 | 1)), "{name}: {:?} {}", ended.status, ended.stderr);
        assert!(memory.is_none_or(|memory| memory < 2 * MEMORY), "{name}: {memory:?} KiB");
        println!("{name}: {} MiB, {}", memory.unwrap_or(0) >> 10, ended.stderr.lines().last().unwrap_or_default());
        let _ = fs::remove_dir_all(folder.path().join("out"));
    }
}

/// The inputs that were reported, where they are.
#[test]
fn reported_templates_end_soon() {
    let cases = std::env::var_os("MONOTILE_CASES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"), PathBuf::from);
    let hostile = cases.join("reported/hostile");
    if !hostile.join("templates").exists() {
        eprintln!("skipped: MONOTILE_CASES has no reported/hostile/templates");
        return;
    }
    let hostile = hostile.canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for kind in ["templates", "jinja_stack_overflow"] {
        for entry in fs::read_dir(hostile.join(kind)).unwrap() {
            let template = entry.unwrap().path();
            if kind == "templates" {
                ends_soon(folder.path(), &hostile.join("tiny"), &hostile.join("chat.jsonl"), &template);
            } else {
                let (ended, _) = with_template(folder.path(), &hostile.join("tiny"), &hostile.join("chat.jsonl"), &template);
                assert!(matches!(ended.status, Some(0 | 1)), "{}: {:?}", template.display(), ended.status);
                println!("{}: {}", template.display(), ended.stderr);
                let _ = fs::remove_dir_all(folder.path().join("out"));
            }
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}
