//! Numbers on the command line and in the environment that nothing can have.

use std::process::Command;

use super::{Finished, monotile, workshop};

#[track_caller]
fn refused(ended: &Finished, what: &str) {
    assert!(matches!(ended.status, Some(1 | 2)), "{what}: {:?} {}", ended.status, ended.stderr);
    assert!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count() == 1, "{what}: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
}

#[test]
fn sizes_that_nothing_can_have_are_refused() {
    let folder = workshop();
    let huge = ["1000000000", "2147483648", "9223372036854775808", "18446744073709551615"];
    for number in huge {
        for option in
            ["--layers", "--hidden", "--intermediate", "--heads", "--batch", "--accumulate", "--length", "--context", "--tokenizer"]
        {
            let mut line = vec!["train", "--data", "text.txt", "--out", "out", "--steps", "1"];
            let small = [["--tokenizer", "bytes"], ["--layers", "1"], ["--hidden", "16"], ["--heads", "2"], ["--length", "16"]];
            line.extend(small.iter().filter(|[name, _]| *name != option).flatten());
            line.extend([option, number]);
            // A text of so few words has no more tokens than it has, and a context may be as long as it likes.
            let ended = monotile(folder.path(), &line);
            if (option == "--tokenizer" || option == "--context") && ended.status == Some(0) {
                std::fs::remove_dir_all(folder.path().join("out")).unwrap();
                continue;
            }
            refused(&ended, &format!("train {option} {number}"));
        }
        for option in ["--rank", "--batch", "--accumulate", "--length"] {
            let line = ["lora", "train", "--model", "model", "--data", "text.txt", "--out", "out", "--steps", "1", option, number];
            refused(&monotile(folder.path(), &line), &format!("lora train {option} {number}"));
        }
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_number_of_threads_that_cannot_be_is_wrong_usage() {
    let folder = workshop();
    for (wished, fits) in [("100000", false), ("0", false), ("two", false), ("\u{1b}[31m", false), ("3", true), ("", true)] {
        let output = Command::new(env!("CARGO_BIN_EXE_monotile"))
            .args(["einsum", "ij,jk->ik", "a.npy", "a.npy", "-o", "b.npy"])
            .env("MONOTILE_THREADS", wished)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let ended = Finished::new(output);
        match fits {
            true => drop(ended.succeeds()),
            false => {
                ended.is_wrong_usage("a whole number from 1 to 1024 is wanted");
                assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
            }
        }
    }
}

#[test]
fn a_tuning_parameter_is_printed_and_changed_or_refused_by_name() {
    let folder = workshop();
    let with = |params: &str, line: &[&str]| {
        let command =
            Command::new(env!("CARGO_BIN_EXE_monotile")).args(line).env("MONOTILE_PARAMS", params).current_dir(&folder).output();
        Finished::new(command.unwrap())
    };
    let table = with("product.slab=512", &["info", "--machine"]).succeeds();
    assert!(table.lines().any(|line| line.starts_with("  product.slab") && line.ends_with("Default: 4096.")), "{table}");
    assert!(table.contains("instruction set") && table.lines().any(|line| line.starts_with("  threads.waking_ns")), "{table}");
    let json: serde_json::Value = serde_json::from_str(&with("", &["info", "--machine", "--json"]).succeeds()).unwrap();
    assert_eq!(json["params"]["product.slab"], 4096.0);
    let product = ["einsum", "ij,jk->ik", "a.npy", "a.npy", "-o", "b.npy"];
    with("product.block_bytes=1 direct.side=1", &product).succeeds();
    with("product.slab=0", &product).is_wrong_usage("MONOTILE_PARAMS: product.slab is \"0\"; it must be a number from 1 to 1e15");
    with("slab=1", &product).is_wrong_usage("MONOTILE_PARAMS: slab is no parameter");
}
