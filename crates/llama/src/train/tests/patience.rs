//! Runs that stop where the held-out rows get no better.

use std::ops::ControlFlow;
use std::path::Path;

use super::*;
use crate::lora::Adapter;
use crate::train::{RunOptions, RunOutcome, TrainProgress, run};

/// A run that learns its few rows by heart, at the cost of those held out.
fn trainer(patience: Option<usize>) -> Trainer {
    let (rows, held_out) = rows().split(0.5).unwrap();
    let other = TokenDataset::new((0..64).map(|i| 40 + i * i % 97).collect(), 16).unwrap();
    assert!(held_out.is_some());
    let options = TrainOptions { steps: 60, learning_rate: 0.05, patience, ..options() };
    Trainer::new(adapted(0.1), TrainableParameters::Adapter, rows, options).unwrap().with_held_out(Some(other)).unwrap()
}

/// What a run told: steps made, evaluations, and where it went back to.
#[derive(Default)]
struct ProgressLog {
    steps: usize,
    evaluations: Vec<(usize, f64)>,
    restored: Option<(usize, f64)>,
}

fn go(folder: &Path, resume: bool, stop_after: usize) -> (RunOutcome, ProgressLog) {
    let write = |model: &Model, folder: &Path| model.adapter()?.write(folder, DType::F32);
    let settings = RunOptions { folder: folder.into(), evaluate_every: 2, save_every: 3, resume, write: &write };
    let mut told = ProgressLog::default();
    let finished = run(&mut trainer(Some(3)), &settings, &mut |event| {
        match event {
            TrainProgress::Step(step, _) => told.steps = step.number,
            TrainProgress::Evaluated { steps, loss } => told.evaluations.push((steps, loss)),
            TrainProgress::Restored { steps, loss } => told.restored = Some((steps, loss)),
            TrainProgress::Resumed { .. } | TrainProgress::Saved { .. } => {}
        }
        if told.steps == stop_after && stop_after > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    (finished.unwrap(), told)
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_run_out_of_patience_ends_with_its_best() {
    let folder = tempfile::tempdir().unwrap();
    let (finished, told) = go(folder.path(), false, 0);
    let (best, loss) = told.restored.unwrap();
    assert_eq!((finished, told.steps), (RunOutcome::Done, best + 6), "three evaluations after the best, two steps apart");
    assert!(told.steps < 60 && told.evaluations.iter().all(|&(_, other)| other >= loss));
    assert_eq!(told.evaluations.iter().find(|(steps, _)| *steps == best), Some(&(best, loss)));
    // What was written is what gave that loss.
    let mut model = adapted(0.0);
    model.attach(&Adapter::read(folder.path()).unwrap()).unwrap();
    let held_out = trainer(None).held_out;
    let (rows, _) = rows().split(0.5).unwrap();
    let judge = Trainer::new(model, TrainableParameters::Adapter, rows, options()).unwrap().with_held_out(held_out).unwrap();
    assert_eq!(judge.evaluate().unwrap(), Some(loss));
    // A run that is done has nothing left to do.
    let state = read(folder.path(), "training.safetensors");
    let (finished, told) = go(folder.path(), true, 0);
    assert_eq!((finished, told.steps, told.restored), (RunOutcome::Done, 0, None));
    assert_eq!(read(folder.path(), "training.safetensors"), state);
}

#[test]
fn a_run_with_patience_goes_on_to_the_same_files() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, told) = go(whole.path(), false, 0);
    assert!(told.steps > 6);
    assert_eq!(go(parts.path(), false, 1).0, RunOutcome::Interrupted);
    // Once within the patience that the end needs, once before.
    assert_eq!(go(parts.path(), true, told.steps - 3).0, RunOutcome::Interrupted);
    assert_eq!(go(parts.path(), true, 0).1.restored, told.restored);
    for name in ["adapter_model.safetensors", "training.safetensors"] {
        assert_eq!(read(whole.path(), name), read(parts.path(), name), "{name}");
    }
}

#[test]
fn patience_needs_something_to_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(Some(1)).with_held_out(None).unwrap();
    let write = |_: &Model, _: &Path| Ok(());
    let settings = RunOptions { folder: folder.path().into(), evaluate_every: 2, save_every: 3, resume: false, write: &write };
    let refused = run(&mut trainer, &settings, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert_eq!(refused, "train: patience needs held-out rows to evaluate on, and there are none");
}
