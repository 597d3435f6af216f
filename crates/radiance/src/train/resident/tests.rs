//! Small runs on each adapter beside those of the processor. `MONOTILE_REQUIRE_GPU=1` asks for one; else they skip where there is none.

use monotile::{Device, GpuOptions};
use monotile_gpu::Capabilities;

use crate::train::tests::{advance, capture, options, state};
use crate::train::*;

fn device() -> Option<Device> {
    let required = std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1");
    let device = Device::open("gpu");
    if let Err(error) = &device {
        assert!(!required, "{error}");
        println!("skipped: {error}");
    }
    device.ok()
}

/// Runs that take every turn: poses, colours and all terms; and splats that are doubled, split and removed.
fn runs(steps: usize) -> [SplatTrainOptions; 2] {
    let objective = SplatObjective { coverage: 0.1, opacity: 0.01, scale: 0.01, ..SplatObjective::default() };
    [
        SplatTrainOptions {
            poses: PoseTraining::Refine,
            appearance: AppearanceTraining::Affine,
            background: TrainBackground::Random,
            degree_every: 20,
            objective,
            strategy: SplatStrategy::Mcmc(Mcmc { first: 30, every: 30, ..Mcmc::default() }),
            ..options(steps)
        },
        SplatTrainOptions {
            strategy: SplatStrategy::Densify(Densify { first: 20, every: 20, gradient: 1e-7, until: 1.0, ..Densify::default() }),
            ..options(steps)
        },
    ]
}

#[test]
fn losses_are_those_of_the_processor() {
    let Some(device) = device() else { return };
    let capture = capture(4);
    for options in runs(50) {
        let mut here = SplatTrainer::new(&capture, options.clone()).unwrap();
        let mut there = SplatTrainer::new(&capture, options.clone()).unwrap().to(&device).unwrap();
        let (mut sum, mut first, mut compared) = (0.0, 0.0, 0);
        for _ in 0..50 {
            let (expected, found) = (here.step().unwrap(), there.step().unwrap());
            sum += expected.loss.total;
            first = if first == 0.0 { sum } else { first };
            assert_eq!((found.number, found.splats), (expected.number, expected.splats));
            if found.measured > 0 {
                let expected = sum / found.measured as f64;
                let off = (found.loss.total - expected).abs() / expected;
                assert!(off < 1e-3, "step {}: {}, not {expected}", found.number, found.loss.total);
                (sum, compared) = (0.0, compared + found.measured);
            }
        }
        assert_eq!((compared, here.scene.len()), (50, there.scene.len()));
        let (expected, found) = (here.evaluate(true).unwrap().unwrap(), there.evaluate(true).unwrap().unwrap());
        assert!((expected.psnr - found.psnr).abs() < 0.02 && (expected.ssim - found.ssim).abs() < 1e-3, "{expected:?} {found:?}");
        let refined = [expected, found].map(|x| x.refined_psnr.unwrap_or(0.0));
        assert!((refined[0] - refined[1]).abs() < 0.05, "{refined:?}");
    }
}

#[test]
fn the_bits_are_the_same_again_and_after_a_kill_and_a_run_goes_on_elsewhere() {
    let Some(device) = device() else { return };
    let folder = tempfile::tempdir().unwrap();
    let capture = capture(4);
    for options in runs(60) {
        let new = || SplatTrainer::new(&capture, options.clone()).unwrap().to(&device).unwrap();
        let whole = || {
            let mut trainer = new();
            advance(&mut trainer, 60);
            state(&trainer)
        };
        let expected = whole();
        assert!(whole() == expected, "again");
        let file = folder.path().join("state.safetensors");
        let mut trainer = new();
        advance(&mut trainer, 37);
        trainer.save(&file, 1.5).unwrap();
        let mut resumed = new();
        assert_eq!((resumed.resume(&file).unwrap(), resumed.steps_done()), (1.5, 37));
        advance(&mut resumed, 23);
        assert!(state(&resumed) == expected, "resumed");
        let mut here = SplatTrainer::new(&capture, options.clone()).unwrap();
        here.resume(&file).unwrap();
        assert!(state(&here) == state(&trainer), "elsewhere");
        advance(&mut here, 3);
    }
}

#[test]
fn what_a_device_does_not_hold_is_refused_before_the_first_step() {
    if device().is_none() {
        return;
    }
    let narrow = Device::gpu(&GpuOptions { capabilities: Some(Capabilities::webgpu()), ..GpuOptions::default() }).unwrap();
    let options = SplatTrainOptions { max_splats: 3_000_000, degree: 3, ..options(10) };
    let words = SplatTrainer::new(&capture(3), options).unwrap().to(&narrow).unwrap_err().to_string();
    let expected =
        ["splat train: 3000000 splats, or the largest picture, take a block of 550 MiB", "holds blocks of at most 128 MiB"];
    assert!(expected.iter().all(|part| words.contains(part)), "{words}");
}

#[test]
fn a_step_is_a_few_kernels_whose_number_does_not_grow() {
    let Ok(device) = Device::gpu(&GpuOptions::default()) else { return };
    let options = SplatTrainOptions { degree: 3, degree_every: 1, ..options(30) };
    let mut trainer = SplatTrainer::new(&capture(4), options).unwrap().to(&device).unwrap();
    advance(&mut trainer, 21);
    let counts: Vec<u64> = (0..4)
        .map(|_| {
            let before = device.dispatches().unwrap();
            advance(&mut trainer, 1);
            device.dispatches().unwrap() - before
        })
        .collect();
    assert!(counts.iter().all(|&count| count == counts[0]) && counts[0] <= 80, "{counts:?}");
    let kernels = device.compiled().unwrap();
    advance(&mut trainer, 5);
    assert_eq!(device.compiled().unwrap(), kernels);
}
