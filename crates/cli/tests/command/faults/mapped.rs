//! Files that another program writes while a run has them mapped.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use super::{appears, one_sentence, start, wait, workshop};

const ENOUGH: Duration = Duration::from_secs(20);

/// Fine-tuning that does not end by itself, and reads the model in every step.
fn training() -> Vec<String> {
    let line = "lora train --model model --data text.txt --out out --rank 2 --steps 1000000 --batch 2 --length 16 --save-every 1";
    line.split_whitespace().map(str::to_string).collect()
}

#[test]
fn a_file_that_is_cut_short_under_a_run_ends_it_in_a_sentence_that_names_it() {
    let folder = workshop();
    let mut child = start(folder.path(), &training());
    assert!(appears(&folder.path().join("out/training.safetensors"), &mut child));
    File::options().write(true).open(folder.path().join("model/model.safetensors")).unwrap().set_len(64).unwrap();
    let words = one_sentence(&wait(child, ENOUGH), "lora train");
    let cut = "model/model.safetensors: the file was cut short while it was being read, or its disk failed (reading)";
    let written =
        "model/model.safetensors: the file was written while it was in use, so that what was read from it cannot be relied on";
    assert!(words == cut || words == written, "{words}");
}

#[test]
fn a_file_that_is_written_under_a_run_is_noticed_before_anything_is_saved() {
    let folder = workshop();
    let mut child = start(folder.path(), &training());
    let adapter = folder.path().join("out/adapter_model.safetensors");
    assert!(appears(&adapter, &mut child));
    let mut file = File::options().write(true).open(folder.path().join("model/model.safetensors")).unwrap();
    file.seek(SeekFrom::End(-8)).unwrap();
    file.write_all(&[0x3f; 8]).unwrap();
    drop(file);
    let words = one_sentence(&wait(child, ENOUGH), "lora train");
    assert_eq!(
        words,
        "model/model.safetensors: the file was written while it was in use, so that what was read from it cannot be relied on"
    );
}

#[test]
fn a_file_that_is_replaced_under_a_run_harms_nothing() {
    let folder = workshop();
    let weights = folder.path().join("model/model.safetensors");
    let mut child = start(folder.path(), &training());
    assert!(appears(&folder.path().join("out/training.safetensors"), &mut child));
    fs::write(folder.path().join("other"), "another file").unwrap();
    fs::rename(folder.path().join("other"), &weights).unwrap();
    let steps = || fs::read_to_string(folder.path().join("out/log.jsonl")).unwrap().lines().count();
    let before = steps();
    while steps() < before + 5 {
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
