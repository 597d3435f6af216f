//! Files that were reported as faults of the command, where the folder of cases is at hand.

use std::path::{Path, PathBuf};

use super::{Finished, monotile};

/// A folder of reported inputs; `None`, which is said, where there is none.
fn reported(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let folder = std::env::var_os("MONOTILE_CASES").map_or_else(beside, PathBuf::from).join("reported").join(name);
    let found = folder.canonicalize().ok();
    if found.is_none() {
        eprintln!("skipped: MONOTILE_CASES has no reported/{name}");
    }
    found
}

/// One sentence and exit status 1, or success.
fn ends_well(ended: &Finished, what: &str) {
    assert!(matches!(ended.status, Some(0 | 1)), "{what}: {:?} {}", ended.status, ended.stderr);
    if ended.status == Some(1) {
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(errors == 1 && ended.stdout.is_empty(), "{what}: {}", ended.stderr);
    }
}

#[test]
fn empty_operands_of_huge_shapes_are_contracted_or_refused() {
    let Some(folder) = reported("hostile/einsum_empty_segv") else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for equation in ["ij->j", "ij->", "ij->ji", "ij->i"] {
            ends_well(&monotile(&folder, &["einsum", equation, &name]), &format!("{equation} {name}"));
        }
        ends_well(&monotile(&folder, &["einsum", "ij,ik->jk", &name, &name]), &name);
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn arrays_of_other_writers_are_read() {
    let Some(folder) = reported("llama/npy-types") else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        if entry.ends_with(".npy") {
            monotile(&folder, &["einsum", "ij->ji", &entry]).succeeds();
            monotile(&folder, &["einsum", "ij,ij->", &entry, &entry]).succeeds();
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn a_trial_of_broken_or_missing_data_fails() {
    let (Some(folder), Some(hostile)) = (reported("llama/dry-run"), reported("hostile")) else { return };
    let model = hostile.join("tiny").into_os_string().into_string().unwrap();
    let out = tempfile::tempdir().unwrap();
    for data in ["broken.jsonl", "absent.jsonl"] {
        let data = folder.join(data).into_os_string().into_string().unwrap();
        let ended = monotile(out.path(), &["lora", "train", "--dry-run", "--model", &model, "--data", &data, "--out", "adapter"]);
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        assert!(!out.path().join("adapter").exists());
    }
}
