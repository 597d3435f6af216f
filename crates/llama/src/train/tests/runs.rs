//! Whole runs in a folder: resumed, refused, and ended where numbers are none.

use std::ops::ControlFlow;

use super::*;
use crate::train::{RunOptions, RunOutcome, TrainProgress, run};

fn trainer() -> Trainer {
    let (rows, held_out) = rows().split(0.2).unwrap();
    Trainer::new(adapted(0.1), TrainableParameters::Adapter, rows, options()).unwrap().with_held_out(held_out).unwrap()
}

fn go(folder: &std::path::Path, resume: bool, stop_after: usize) -> Result<RunOutcome> {
    let write = |model: &Model, folder: &std::path::Path| model.adapter()?.write(folder, DType::F32);
    let settings = RunOptions { folder: folder.into(), evaluate_every: 2, save_every: 2, resume, write: &write };
    run(&mut trainer(), &settings, &mut |event| match event {
        TrainProgress::Step(step, _) if step.number == stop_after => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
}

/// The log without its times.
fn log(folder: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
    text.lines().map(|line| line.split(",\"seconds\"").next().unwrap().split("\"seconds\"").next().unwrap().to_string()).collect()
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_files() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(go(whole.path(), false, 0).unwrap(), RunOutcome::Done);
    assert_eq!(go(parts.path(), false, 3).unwrap(), RunOutcome::Interrupted);
    assert_eq!(go(parts.path(), true, 5).unwrap(), RunOutcome::Interrupted);
    assert_eq!(go(parts.path(), true, 0).unwrap(), RunOutcome::Done);
    for name in ["adapter_model.safetensors", "training.safetensors"] {
        let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read(&whole), read(&parts), "{name}");
    }
    let lines = log(whole.path());
    assert_eq!(lines.len(), 6 + 4, "six steps; evaluations before, at 2, 4 and 6");
    assert_eq!(lines, log(parts.path()));
}

#[test]
fn a_killed_run_drops_the_log_of_steps_that_were_not_saved() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    go(whole.path(), false, 0).unwrap();
    go(killed.path(), false, 4).unwrap();
    // As a kill in the middle of a later line leaves it.
    let path = killed.path().join("log.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + "{\"step\":5,\"loss\":1}\n{\"step\":6,\"lo").unwrap();
    go(killed.path(), true, 0).unwrap();
    assert_eq!(log(whole.path()), log(killed.path()));
}

#[test]
fn a_folder_with_a_run_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    go(folder.path(), false, 2).unwrap();
    let refused = go(folder.path(), false, 0).unwrap_err().to_string();
    assert!(refused.ends_with("training.safetensors: a run was begun here; resume it or choose another folder"), "{refused}");
}

#[test]
fn a_folder_with_files_of_no_run_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("adapter_model.safetensors"), "another's").unwrap();
    std::fs::write(folder.path().join(".hidden"), "").unwrap();
    for resume in [false, true] {
        let refused = go(folder.path(), resume, 0).unwrap_err().to_string();
        let words =
            "the folder holds adapter_model.safetensors and no run to resume; name a new folder, or move away what is in this one";
        assert_eq!(refused, format!("{}: {words}", folder.path().display()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
    // What a run without its state leaves when it has ended is a result like any other.
    std::fs::remove_file(folder.path().join("adapter_model.safetensors")).unwrap();
    go(folder.path(), false, 0).unwrap();
    std::fs::remove_file(folder.path().join("training.safetensors")).unwrap();
    assert!(go(folder.path(), true, 0).unwrap_err().to_string().contains("no run to resume"));
}

#[test]
fn a_run_that_was_killed_before_its_first_state_is_begun_again() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    go(whole.path(), false, 0).unwrap();
    std::fs::write(killed.path().join(".begun"), "").unwrap();
    for name in ["log.jsonl", "adapter_model.safetensors"] {
        std::fs::write(killed.path().join(name), "half").unwrap();
    }
    // Its first save begins with the state: another file is none of it.
    let refused = go(killed.path(), false, 0).unwrap_err().to_string();
    assert!(refused.contains("the folder holds adapter_model.safetensors and no run to resume"), "{refused}");
    assert_eq!(std::fs::read(killed.path().join("adapter_model.safetensors")).unwrap(), b"half");
    std::fs::remove_file(killed.path().join("adapter_model.safetensors")).unwrap();
    go(killed.path(), false, 0).unwrap();
    let names = |folder: &std::path::Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(whole.path()), names(killed.path()));
    assert_eq!(log(whole.path()), log(killed.path()));
}

#[test]
fn a_run_that_ends_before_its_first_save_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (new, old) = (root.path().join("new"), root.path().join("old"));
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join(".hidden"), "mine").unwrap();
    let options = TrainOptions { learning_rate: 1e38, clip: None, ..options() };
    for folder in [&new, &old] {
        let mut trainer = Trainer::new(adapted(0.1), TrainableParameters::Adapter, rows(), options.clone()).unwrap();
        let write = |_: &Model, _: &std::path::Path| Ok(());
        let settings = RunOptions { folder: folder.clone(), evaluate_every: 0, save_every: 0, resume: false, write: &write };
        run(&mut trainer, &settings, &mut |_| ControlFlow::Continue(())).unwrap_err();
    }
    assert!(!new.exists());
    let left: Vec<_> = std::fs::read_dir(&old).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".hidden"]);
}

#[test]
fn a_result_that_is_gone_is_written_again_from_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter_model.safetensors");
    go(folder.path(), false, 0).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(go(folder.path(), true, 0).unwrap(), RunOutcome::Done);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link_in_the_folder_of_a_run() {
    let root = tempfile::tempdir().unwrap();
    let (folder, foreign) = (root.path().join("run"), root.path().join("foreign"));
    std::fs::write(&foreign, "mine").unwrap();
    go(&folder, false, 3).unwrap();
    for name in ["log.jsonl", "adapter_model.safetensors", "training.safetensors", ".begun", ".lock"] {
        let _ = std::fs::remove_file(folder.join(name));
        std::os::unix::fs::symlink(&foreign, folder.join(name)).unwrap();
        let before = std::fs::read_dir(&folder).unwrap().count();
        let refused = go(&folder, true, 0).unwrap_err().to_string();
        let words = "is a link, and nothing is written through one here; put the file itself in its place";
        assert_eq!(refused, format!("{}: {words}", folder.join(name).display()));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), before);
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    assert_eq!(std::fs::read(&foreign).unwrap(), b"mine");
}

#[test]
fn numbers_that_are_not_finite_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let write = |model: &Model, folder: &std::path::Path| model.write(folder, DType::F32);
    let settings = |resume| RunOptions { folder: folder.path().into(), evaluate_every: 0, save_every: 1, resume, write: &write };
    let options = TrainOptions { steps: 40, learning_rate: 1e-3, weight_decay: 1e14, ..options() };
    let mut trainer = Trainer::new(Model::random(small(), 1).unwrap(), TrainableParameters::Everything, rows(), options).unwrap();
    let mut saved = 0;
    let error = run(&mut trainer, &settings(false), &mut |event| {
        if let TrainProgress::Saved { steps } = event {
            saved = steps;
        }
        ControlFlow::Continue(())
    });
    let error = error.unwrap_err();
    assert_eq!(error.kind(), monotile::ErrorKind::NotConverged);
    assert!(error.to_string().ends_with("; a lower learning rate may help"), "{error}");
    let model = Model::read(folder.path()).unwrap();
    let finite = |tensor: &Tensor| tensor.to_f64_vec().unwrap().iter().all(|x| x.is_finite());
    assert!(saved > 0 && model.parameters(TrainableParameters::Everything).iter().all(|(_, tensor)| finite(tensor)));
    // The state is as it was: it comes to the same end.
    let again = run(&mut trainer, &settings(true), &mut |event| match event {
        TrainProgress::Resumed { steps } => {
            assert_eq!(steps, saved);
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(again.unwrap_err().to_string(), error.to_string());
}

#[test]
fn weights_that_a_step_with_a_finite_loss_made_infinite_are_not_saved() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    let write = |model: &Model, folder: &std::path::Path| model.write(folder, DType::F32);
    let settings = RunOptions { folder: folder.clone(), evaluate_every: 0, save_every: 1, resume: false, write: &write };
    let options = TrainOptions { weight_decay: 1e60, ..options() };
    let mut trainer = Trainer::new(Model::random(small(), 1).unwrap(), TrainableParameters::Everything, rows(), options).unwrap();
    let error = run(&mut trainer, &settings, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert_eq!(error, "train: after step 1 what is trained holds inf; a lower learning rate may help");
    assert!(!folder.exists(), "a run that saved nothing leaves nothing");
}
