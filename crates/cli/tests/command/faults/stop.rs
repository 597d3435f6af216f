//! Signals that ask a run to stop.

use std::time::Duration;

use super::{appears, cases, content, hidden, signal, start, wait, workshop};

const ENOUGH: Duration = Duration::from_secs(20);

#[test]
fn a_run_that_is_asked_to_stop_saves_first_and_is_resumed_to_the_same_end() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    for case in cases().into_iter().filter(|case| case.resumes) {
        case.run(folder.path(), &case.arguments("whole")).succeeds();
        for name in ["TERM", "INT", "HUP"] {
            let out = format!("stopped-{name}");
            let mut child = start(folder.path(), &case.arguments(&out));
            appears(&at(&out).join("log.jsonl"), &mut child);
            signal(child.id(), name);
            let ended = wait(child, ENOUGH);
            // A run on a busy machine may come to its end before the signal reaches it.
            if ended.status != Some(0) {
                let words = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
                assert_eq!(ended.status, Some(1), "{name}: {}", ended.stderr);
                assert!(words.starts_with("error: stopped after ") && words.ends_with(" steps; all of them are saved"), "{words}");
                assert!(at(&out).join("training.safetensors").exists());
            }
            case.run(folder.path(), &case.resuming(&out)).succeeds();
            let files = |out: &str| content(&at(out)).into_iter().filter(|(name, _)| name != "loss.svg").collect::<Vec<_>>();
            assert!(files("whole") == files(&out), "{}: {name}", case.name);
            assert_eq!(hidden(folder.path()), Vec::<String>::new());
        }
        for out in ["whole", "stopped-TERM", "stopped-INT", "stopped-HUP"] {
            std::fs::remove_dir_all(at(out)).unwrap();
        }
    }
}

/// A run of so many steps that it does not end by itself.
fn long() -> Vec<String> {
    let line = "train --data text.txt --out long --steps 1000000 --tokenizer bytes --layers 2 --hidden 128 --heads 2 --batch 64 \
                --length 64 --held-out 0";
    line.split_whitespace().map(str::to_string).collect()
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = workshop();
    let mut child = start(folder.path(), &long());
    assert!(appears(&folder.path().join("long/log.jsonl"), &mut child));
    // Both come before a step of this size can end.
    signal(child.id(), "TERM");
    signal(child.id(), "TERM");
    let ended = wait(child, ENOUGH);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let told = ["stopped at once, by a second signal; what was saved before is kept", "steps; all of them are saved"];
    assert!(told.iter().any(|words| ended.stderr.contains(words)), "{}", ended.stderr);
}

#[test]
fn a_signal_that_nohup_ignores_stays_ignored() {
    let folder = workshop();
    let arguments = long().join(" ");
    let line = format!(
        "trap '' HUP; \"$MONOTILE\" {arguments} 2>err & process=$!
         while ! [ -e long/log.jsonl ]; do sleep 0.01; done
         kill -HUP $process; sleep 0.3
         kill -0 $process && echo alive; kill -KILL $process"
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .env("MONOTILE", env!("CARGO_BIN_EXE_monotile"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "alive\n");
}
