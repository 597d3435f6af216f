//! Small runs, the pass against the tape, and reference results where they are: `MONOTILE_CASES`, else `../shared/cases` beside the workspace.

use std::path::PathBuf;

use monotile::io::SafeTensors;
use monotile::tape::grad;
use monotile::{DType, Tensor};
use monotile_kernels::adam::{AdamColumns, AdamRule, adam};
use serde_json::Value;

use super::cloud::{Cloud, Column};
use super::objective::TargetPicture;
use super::pass::{DrawRule, Pass};
use super::random::{Purpose, RandomDraws};
use super::views::LoadedView;
use super::*;
use crate::capture::{CapturePicture, CaptureView, PointCloud};
use crate::{SplatOptions, SsimWindows, ssim};

fn cases() -> Option<PathBuf> {
    let named = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let folder =
        named.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases"))).join("splat");
    let found = folder.is_dir();
    if !found {
        println!("skipped: {} has no reference results", folder.display());
    }
    found.then_some(folder)
}

fn numbers(x: &Value) -> Vec<f64> {
    x.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn near(found: f64, expected: f64, relative: f64) -> bool {
    (found - expected).abs() <= relative * expected.abs().max(f64::MIN_POSITIVE)
}

#[test]
fn losses_agree_with_reference_results() {
    let Some(folder) = cases() else { return };
    let about: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("loss.json")).unwrap()).unwrap();
    let file = SafeTensors::open(folder.join("loss.safetensors")).unwrap();
    let mut compared = 0;
    for case in about["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let tensor = |name: &str| file.tensor(&format!("{id}.{name}"));
        let names: Vec<&str> = file.names().filter(|name| name.starts_with(&format!("{id}."))).collect();
        let (x, y) = (tensor("x").unwrap_or_else(|_| panic!("{names:?}")), tensor("y").unwrap());
        for (windows, name) in [(SsimWindows::Padded, "zero"), (SsimWindows::Within, "valid")] {
            let Some(expected) = case[format!("ssim_{name}")].as_f64() else {
                let refused = ssim(&x, &y, windows).unwrap_err().to_string();
                assert!(refused.starts_with("ssim: no window of 11 x 11 pixels lies within a picture of "), "{refused}");
                continue;
            };
            for (dtype, bounds) in [(DType::F64, [1e-13, 1e-11]), (DType::F32, [1e-6, 1e-4])] {
                let (x, y) = (x.to_dtype(dtype).unwrap().requires_grad(), y.to_dtype(dtype).unwrap());
                let found = ssim(&x, &y, windows).unwrap();
                let value = found.to_f64_vec().unwrap()[0];
                assert!((value - expected).abs() < bounds[0], "{id} {name} {dtype}: {value}, not {expected}");
                let l1 = x.sub(&y).unwrap().abs().unwrap().mean(&[], false).unwrap();
                let loss = l1.mul(0.8).unwrap().sub(found.mul(0.2).unwrap()).unwrap().add(0.2).unwrap();
                let value = loss.to_f64_vec().unwrap()[0];
                let expected = case[format!("loss_{name}")].as_f64().unwrap();
                assert!((value - expected).abs() < bounds[0], "{id} loss {name} {dtype}: {value}, not {expected}");
                for (of, what) in [(&loss, "dloss_dx"), (&found, "dssim_dx")] {
                    let Some(expected) = names.iter().find(|full| **full == format!("{id}.{what}_{name}")) else { continue };
                    let expected = file.tensor(expected).unwrap().to_f64_vec().unwrap();
                    let found = grad(of, std::slice::from_ref(&x)).unwrap()[0].to_f64_vec().unwrap();
                    let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                    let off = found.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
                    assert!(off <= bounds[1] * largest, "{id} {what} {name} {dtype}: off by {:e}", off / largest);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 20, "only {compared} gradients have names that are known");
}

#[test]
fn relocation_schedules_steps_and_neighbours_agree_with_reference_results() {
    let Some(folder) = cases() else { return };
    let about: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("train.json")).unwrap()).unwrap();
    for row in about["relocation"]["table"].as_array().unwrap() {
        let opacity = row["opacity"].as_f64().unwrap();
        let (opacities, ratios) = (numbers(&row["new_opacity"]), numbers(&row["scale_ratio"]));
        for n in 1..=51 {
            let [part, ratio] = relocation(opacity, n);
            // The alternating sum loses digits where there are many terms.
            let bound = if n < 30 { 1e-12 } else { 1e-11 };
            assert!(near(part, opacities[n - 1], 1e-13) && near(ratio, ratios[n - 1], bound), "{opacity} {n}: {part} {ratio}");
        }
    }
    for row in about["schedule"]["rows"].as_array().unwrap() {
        let number = |name: &str| row[name].as_f64().unwrap();
        let (first, last, delay_steps) = (number("first"), number("last"), number("delay_steps"));
        let rate = ExponentialRate { first, last, delay_steps, delay_factor: number("delay_mult") };
        for (at, expected) in numbers(&row["at"]).into_iter().zip(numbers(&row["rate"])) {
            let found = rate.at(at, number("steps"));
            assert!(near(found, expected, 1e-13), "{rate:?} at {at}: {found}, not {expected}");
        }
    }
    for case in about["adam"].as_array().unwrap() {
        let mut values = numbers(&case["start"]);
        let (mut means, mut squares) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        let number = |name: &str| case[name].as_f64().unwrap();
        for (t, after) in case["after"].as_array().unwrap().iter().enumerate() {
            let rule = AdamRule { betas: [number("beta1"), number("beta2")], epsilon: number("eps"), step: t as u64 + 1 };
            let of = AdamColumns { values: &mut values, means: &mut means, squares: &mut squares };
            adam(rule, &[number("lr")], &numbers(&case["gradients"][t]), of);
            for (name, found) in [("p", &values), ("m", &means), ("v", &squares)] {
                let expected = numbers(&after[name]);
                let close = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-14 * y.abs().max(1e-40);
                assert!(found.iter().zip(&expected).all(close), "{name}: {found:?}, not {expected:?}");
            }
        }
    }
    let points: Vec<[f64; 3]> = about["knn"]["points"].as_array().unwrap().iter().map(|p| numbers(p).try_into().unwrap()).collect();
    let expected = numbers(&about["knn"]["log_scale"]);
    for (found, expected) in neighbors::log_scales(&points, 1e-7).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-13, "{found}, not {expected}");
    }
}

/// Splats at random in a ball.
fn made_cloud(n: usize, degree: usize, seed: u64) -> Cloud {
    let draws = |k: u64| RandomDraws::new(seed, k, Purpose::Test);
    let column = |wide: usize, k: u64, scale: f32, shift: f32| {
        let number = |i: usize| scale * (2.0 * draws(k).uniform(i)[0] as f32 - 1.0) + shift;
        Column::new(wide, (0..n * wide).map(number).collect())
    };
    let mut colors = column(3 * (degree + 1) * (degree + 1), 4, 0.1, 0.0);
    // Colours differ most.
    for (i, row) in colors.values.chunks_exact_mut(3 * (degree + 1) * (degree + 1)).enumerate() {
        row[..3].copy_from_slice(&draws(5).uniform3(i).map(|x| 3.0 * x as f32 - 1.5));
    }
    Cloud { columns: [column(3, 0, 0.8, 0.0), column(4, 1, 1.0, 0.0), column(3, 2, 0.5, -2.2), column(1, 3, 2.0, 1.0), colors] }
}

/// Cameras around the origin.
fn made_views(splats: &Splats, count: usize, side: usize, background: Option<[f32; 3]>) -> Vec<CaptureView> {
    let view = |i: usize| {
        let angle = std::f64::consts::TAU * i as f64 / count as f64;
        let (sin, cos) = angle.sin_cos();
        let high = if i.is_multiple_of(2) { 0.8 } else { -0.5 };
        let eye = Tensor::from([3.0 * sin, high, 3.0 * cos]);
        let look = monotile::transform::look_at(&eye, &Tensor::from([0.0_f64; 3]), &Tensor::from([0.0, 1.0, 0.0])).unwrap();
        let v = look.to_f64_vec().unwrap();
        let rows = std::array::from_fn(|r| std::array::from_fn(|k| v[4 * r + k]));
        let blank = CapturePicture { rgba: Tensor::zeros(&[side, side, 4], DType::F32).unwrap(), mask: None };
        let focal = 1.2 * side as f64;
        let camera = CaptureView::from_picture(format!("view {i}"), rows, [focal; 2], blank).unwrap().camera().unwrap();
        let seen = splats.render(&camera, &SplatOptions::default()).unwrap();
        let (colors, coverage) = (seen.picture.to_vec::<f32>().unwrap(), seen.coverage.to_vec::<f32>().unwrap());
        let rgba = colors.chunks_exact(3).zip(&coverage).flat_map(|(c, &a)| match background {
            Some(behind) => [c[0] + (1.0 - a) * behind[0], c[1] + (1.0 - a) * behind[1], c[2] + (1.0 - a) * behind[2], 1.0],
            None => [c[0] / a.max(1e-6), c[1] / a.max(1e-6), c[2] / a.max(1e-6), a],
        });
        let rgba = Tensor::from_vec(rgba.collect(), &[side, side, 4]).unwrap();
        CaptureView::from_picture(format!("view {i}"), rows, [focal; 2], CapturePicture { rgba, mask: None }).unwrap()
    };
    (0..count).map(view).collect()
}

#[test]
fn the_pass_has_the_gradients_of_the_tape() {
    for (degree, antialiased) in [(0, false), (3, true)] {
        let cloud = made_cloud(60, degree, 7);
        let splats = cloud.splats().unwrap();
        let view = LoadedView::read(&made_views(&made_cloud(40, 0, 8).splats().unwrap(), 1, 40, None)[0], 0).unwrap();
        let background = [0.2, 0.5, 0.9];
        let objective = SplatObjective { coverage: 0.1, opacity: 0.02, scale: 0.03, ..SplatObjective::default() };
        let map = [[1.1, 0.02, -0.03, 0.05], [0.01, 0.9, 0.04, -0.02], [-0.02, 0.03, 1.05, 0.01]];
        let rule = DrawRule { project: crate::ProjectOptions { antialiased, ..Default::default() }, ..DrawRule::default() };
        let twist = [0.01, -0.02, 0.015, 0.02, 0.01, -0.03];
        let posed = view.camera_rows(&rule.project, Some((&twist, [0.1, 0.2, -0.1]))).unwrap();
        let target = TargetPicture { colors: Some(map), ..target_of(&view, background) };
        let mut pass = Pass::default();
        let report = pass.run(&cloud, &posed.numbers, (&rule, &objective), &target, 2.0).unwrap();
        // The same by operations.
        let leaves = [
            &splats.means,
            &Tensor::from_slice(&cloud.columns[1].values, &[60, 4]).unwrap(),
            &splats.log_scales,
            &splats.logits,
            &splats.harmonics,
        ]
        .map(Tensor::requires_grad);
        let [means, rotations, log_scales, logits, harmonics] = leaves.clone();
        let leaf = Splats { means, rotations, log_scales, logits, harmonics };
        let colors = Tensor::from_slice(&map.concat(), &[3, 4]).unwrap().requires_grad();
        let camera = view.moved(&twist, [0.1, 0.2, -0.1]).unwrap();
        let options =
            SplatOptions { project: rule.project.clone(), background: Some(Tensor::from(background)), ..SplatOptions::default() };
        let seen = leaf.render(&camera, &options).unwrap();
        let linear = colors.slice(1, ..3).unwrap();
        let shift = colors.select(1, 3).unwrap();
        let x = seen.picture.matmul(&linear.mt()).unwrap().add(&shift).unwrap();
        let rgba = Tensor::from_slice(&view.rgba, &[40, 40, 4]).unwrap();
        let (straight, alpha) = (rgba.slice(2, ..3).unwrap(), rgba.slice(2, 3..).unwrap());
        let behind = alpha.neg().unwrap().add(1.0).unwrap().mul(Tensor::from(background)).unwrap();
        let y = straight.mul(&alpha).unwrap().add(&behind).unwrap();
        let mean = |x: Tensor| x.mean(&[], false).unwrap();
        let terms = [
            (objective.l1, mean(x.sub(&y).unwrap().abs().unwrap())),
            (-objective.ssim, ssim(&x, &y, SsimWindows::Padded).unwrap()),
            (objective.coverage, mean(seen.coverage.sub(&alpha.reshape(&[40, 40]).unwrap()).unwrap().abs().unwrap())),
            (objective.opacity, mean(leaf.logits.sigmoid().unwrap())),
            (0.5 * objective.scale, mean(leaf.log_scales.exp().unwrap())),
        ];
        let loss = terms.into_iter().map(|(w, x)| x.mul(w).unwrap()).reduce(|a, b| a.add(&b).unwrap()).unwrap();
        let value = loss.to_f64_vec().unwrap()[0] + objective.ssim;
        assert!((value - report.loss.total).abs() < 1e-6, "{value} {}", report.loss.total);
        let mut inputs = leaves.to_vec();
        inputs.push(colors.clone());
        let expected = grad(&loss, &inputs).unwrap();
        for (k, (found, expected)) in pass.gradients().into_iter().zip(&expected).enumerate() {
            let expected = expected.to_vec::<f32>().unwrap();
            let largest = expected.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
            let off = found.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(largest > 0.0 && off <= 1e-5 * largest, "degree {degree}, column {k}: off by {off} of {largest}");
        }
        let of_map: Vec<f64> = report.colors.concat();
        for (x, y) in of_map.iter().zip(expected[5].to_f64_vec().unwrap()) {
            assert!((x - y).abs() < 1e-5, "{of_map:?}");
        }
        // The twist's gradient: by differences of the pass itself, in which f32 leaves a few digits.
        let gradient = posed.twist_gradient(&report.camera).unwrap().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|g| g.abs() > 1e-4));
    }
}

pub(super) fn capture(views: usize) -> Capture {
    capture_of(views, 48)
}

fn capture_of(views: usize, side: usize) -> Capture {
    let mut all = made_views(&made_cloud(200, 0, 1).splats().unwrap(), views + 2, side, Some([0.0; 3]));
    // Two between the others are held out.
    for at in [1, views / 2 + 1] {
        all[at].split = CaptureSplit::Test;
    }
    let truth = made_cloud(200, 0, 1);
    let draws = RandomDraws::new(2, 0, Purpose::Test);
    let place = |i: usize, row: &[f32]| {
        let off = draws.normal3(i);
        [0, 1, 2].map(|k| f64::from(row[k]) + 0.05 * off[k])
    };
    let positions: Vec<[f64; 3]> = truth.columns[0].values.chunks_exact(3).enumerate().map(|(i, row)| place(i, row)).collect();
    let colors = vec![[128; 3]; positions.len()];
    Capture::from_views(all, Some(PointCloud { positions, colors }))
}

pub(super) fn options(steps: usize) -> SplatTrainOptions {
    let mcmc = Mcmc { first: 50, every: 50, ..Mcmc::default() };
    SplatTrainOptions {
        steps,
        max_splats: 300,
        degree: 1,
        degree_every: 100,
        strategy: SplatStrategy::Mcmc(mcmc),
        ..SplatTrainOptions::default()
    }
}

pub(super) fn advance(trainer: &mut SplatTrainer, steps: usize) {
    for _ in 0..steps {
        trainer.step().unwrap();
    }
}

#[test]
fn a_made_scene_is_recovered() {
    let mut trainer = SplatTrainer::new(&capture(8), SplatTrainOptions { degree: 0, ..options(1200) }).unwrap();
    let before = trainer.evaluate(false).unwrap().unwrap();
    advance(&mut trainer, 1200);
    let after = trainer.evaluate(false).unwrap().unwrap();
    assert!(after.psnr > 23.5 && after.psnr > before.psnr + 5.0, "{before:?} {after:?}");
    assert_eq!((after.views, trainer.splats().unwrap().len()), (2, 300));
}

pub(super) fn state(trainer: &SplatTrainer) -> Vec<u32> {
    let cloud = trainer.scene.read().unwrap();
    let numbers = cloud.columns.iter().flat_map(|c| c.values.iter().chain(&c.means).chain(&c.squares));
    numbers.map(|x| x.to_bits()).chain(trainer.twists.values.iter().map(|x| x.to_bits() as u32)).collect()
}

#[test]
fn the_bits_are_the_same_on_any_number_of_threads_and_after_a_kill() {
    let _one = THREADS.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let all = [
        SplatTrainOptions { poses: PoseTraining::Refine, appearance: AppearanceTraining::Affine, ..options(160) },
        SplatTrainOptions {
            strategy: SplatStrategy::Densify(Densify {
                first: 40,
                every: 40,
                gradient: 1e-7,
                reset_every: 80,
                until: 1.0,
                ..Densify::default()
            }),
            ..options(160)
        },
    ];
    let before = monotile::threads();
    for options in all {
        // Poses settle on pictures of half the size first.
        let capture = capture_of(4, if options.poses == PoseTraining::Refine { 96 } else { 48 });
        let run = |threads: usize| {
            monotile::set_threads(threads);
            let mut trainer = SplatTrainer::new(&capture, options.clone()).unwrap();
            advance(&mut trainer, 160);
            state(&trainer)
        };
        let whole = run(1);
        assert!(run(2) == whole && run(3) == whole, "threads");
        let file = folder.path().join("state.safetensors");
        let mut trainer = SplatTrainer::new(&capture, options.clone()).unwrap();
        assert_eq!(trainer.coarse.len(), usize::from(options.poses == PoseTraining::Refine));
        advance(&mut trainer, 97);
        trainer.save(&file, 1.5).unwrap();
        advance(&mut trainer, 9);
        let mut resumed = SplatTrainer::new(&capture, options.clone()).unwrap();
        assert_eq!(resumed.resume(&file).unwrap(), 1.5);
        assert_eq!(resumed.steps_done(), 97);
        advance(&mut resumed, 63);
        assert!(state(&resumed) == whole, "resumed");
        let mut other = SplatTrainer::new(&capture, SplatTrainOptions { seed: 1, ..options.clone() }).unwrap();
        let refused = other.resume(&file).unwrap_err().to_string();
        assert!(refused.ends_with("the run was begun with other options"), "{refused}");
    }
    monotile::set_threads(before);
}

/// Tests that change the number of threads wait for each other.
static THREADS: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Degrees by which cameras are rotated off, beyond what a motion of the whole world explains, on average.
fn degrees_off(truth: &[Tensor], found: &[Tensor]) -> f64 {
    let twist = |(truth, found): (&Tensor, &Tensor)| {
        let apart = monotile::linalg::inv(truth).unwrap().matmul(found).unwrap();
        monotile::transform::se3_log(&apart).unwrap().to_f64_vec().unwrap()
    };
    let twists: Vec<Vec<f64>> = truth.iter().zip(found).map(twist).collect();
    let mean = |k: usize| twists.iter().map(|t| t[k]).sum::<f64>() / twists.len() as f64;
    let means = [3, 4, 5].map(mean);
    let angle = |t: &Vec<f64>| (0..3).map(|k| (t[3 + k] - means[k]).powi(2)).sum::<f64>().sqrt().to_degrees();
    twists.iter().map(angle).sum::<f64>() / twists.len() as f64
}

#[test]
fn disturbed_poses_are_found_again() {
    let mut capture = capture_of(24, 96);
    let rows = |view: &CaptureView| Tensor::from_rows(&view.view_from_world).unwrap();
    let learned = |capture: &Capture| capture.of(CaptureSplit::Train).map(rows).collect::<Vec<_>>();
    let truth = learned(&capture);
    let draws = RandomDraws::new(9, 0, Purpose::Test);
    for (i, view) in capture.views.iter_mut().enumerate().filter(|(_, view)| view.split == CaptureSplit::Train) {
        // 2 degrees and 2 % of a distance of 3, in a direction at random.
        let [shift, turn] = [0, 1].map(|k| {
            let x = draws.normal3(2 * i + k);
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.map(|x| x / length * [0.06, 2.0_f64.to_radians()][k])
        });
        let twist = Tensor::from([shift[0], shift[1], shift[2], turn[0], turn[1], turn[2]]);
        let moved = monotile::transform::se3_exp(&twist).unwrap().matmul(&rows(view)).unwrap().to_f64_vec().unwrap();
        view.view_from_world = std::array::from_fn(|r| std::array::from_fn(|k| moved[4 * r + k]));
    }
    let before = degrees_off(&truth, &learned(&capture));
    let run = |poses: PoseTraining| {
        let mut trainer = SplatTrainer::new(&capture, SplatTrainOptions { poses, degree: 0, ..options(2400) }).unwrap();
        advance(&mut trainer, 2400);
        let found: Vec<Tensor> = trainer.cameras().unwrap().into_iter().take(truth.len()).map(|(_, c)| c.view_from_world).collect();
        (degrees_off(&truth, &found), trainer.evaluate(true).unwrap().unwrap())
    };
    let (fixed, blurred) = run(PoseTraining::Fixed);
    let (refined, sharp) = run(PoseTraining::Refine);
    assert!((fixed - before).abs() < 1e-9 && before > 1.5, "{before} {fixed}");
    // A degree moves what is 0.8 before or behind the middle by half a pixel.
    assert!(refined < 0.35 * before, "{before} degrees became {refined}");
    let psnr = sharp.refined_psnr.unwrap();
    assert!(blurred.refined_psnr.is_none() && psnr > blurred.psnr + 2.5, "{blurred:?} {sharp:?}");
}

#[test]
fn a_view_on_half_a_picture_has_the_means_of_what_covers() {
    let numbers = [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0], [0.2, 0.4, 0.6, 1.0], [0.0; 4], [0.0; 4]];
    let rgba = Tensor::from_slice(numbers.map(|x: [f32; 4]| x).as_flattened(), &[2, 3, 4]).unwrap();
    let mask = Tensor::from_slice(&[1.0_f32, 1.0, 0.0, 1.0, 1.0, 1.0], &[2, 3]).unwrap();
    let identity = std::array::from_fn(|i| std::array::from_fn(|k| f64::from(u8::from(i == k))));
    let picture = CapturePicture { rgba, mask: Some(mask) };
    let view = LoadedView::read(&CaptureView::from_picture("x", identity, [3.0; 2], picture).unwrap(), 0).unwrap();
    let half = view.halved();
    assert_eq!((half.width, half.height, half.camera.width), (2, 1, 2));
    // (1 + 0.2, 0.5 + 0.4, 0.6) over 2.5, of four pixels; the last column stands twice, and nothing covers it.
    let expected = [1.2 / 2.5, 0.9 / 2.5, 0.6 / 2.5, 0.625, 0.0, 0.0, 0.0, 0.0];
    assert!(half.rgba.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{:?}", half.rgba);
    assert_eq!(half.mask, Some(vec![1.0, 0.0]));
}

#[test]
fn a_run_leaves_a_log_a_state_and_cameras() {
    let folder = tempfile::tempdir().unwrap();
    let capture = capture(4);
    let place = folder.path().join("scene.run");
    let go = |resume: bool, stop: u64| {
        let mut trainer = SplatTrainer::new(&capture, options(60)).unwrap();
        let cameras = place.join("cameras.json");
        let mut write = |trainer: &mut SplatTrainer| trainer.write_cameras(&cameras);
        let mut run =
            SplatRun { folder: place.clone(), duration: None, evaluate_every: 20, save_every: 0, resume, write: &mut write };
        trainer.run(&mut run, &mut |_, event| match event {
            SplatProgress::Step(step, _) if step.number == stop => std::ops::ControlFlow::Break(()),
            _ => std::ops::ControlFlow::Continue(()),
        })
    };
    assert!(!go(false, 30).unwrap());
    let refused = go(false, 0).unwrap_err().to_string();
    assert!(refused.ends_with("a run was begun here; resume it or choose another name"), "{refused}");
    assert!(go(true, 0).unwrap());
    let log = std::fs::read_to_string(place.join(LOG)).unwrap();
    let steps: Vec<&str> = log.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(steps, ["10", "20", "20", "30", "40", "40", "50", "60", "60"]);
    // The cameras are a capture's again.
    let text: Value = serde_json::from_str(&std::fs::read_to_string(place.join("cameras.json")).unwrap()).unwrap();
    assert_eq!((text["frames"].as_array().unwrap().len(), text["test_filenames"].as_array().unwrap().len()), (6, 2));
    assert!((text["frames"][0]["fl_x"].as_f64().unwrap() - 57.6).abs() < 1e-9);
}

#[test]
fn what_cannot_be_learned_from_is_refused_in_a_sentence() {
    let capture = capture(4);
    let refused = |capture: &Capture, options: SplatTrainOptions| SplatTrainer::new(capture, options).unwrap_err().to_string();
    let with = |change: &dyn Fn(&mut SplatTrainOptions)| {
        let mut options = options(10);
        change(&mut options);
        refused(&capture, options)
    };
    assert_eq!(with(&|o| o.steps = 0), "splat train: takes 1 step or more, not 0");
    assert_eq!(with(&|o| o.max_splats = 3), "splat train: the budget is 8 splats or more and fewer than 2^31, not 3");
    assert_eq!(with(&|o| o.degree = 4), "splat train: harmonics have a degree of 0 to 3, not 4");
    assert_eq!(with(&|o| o.degree_every = 0), "splat train: the degree goes up after 1 step or more, not 0");
    assert_eq!(with(&|o| o.initial.count = 0), "splat train: begins with 1 splat or more, not 0");
    assert_eq!(
        with(&|o| o.initial.opacity = 1.0),
        "splat train: splats begin with an opacity between 0 and 1 and a scale above 0, not 1 and 1"
    );
    assert_eq!(
        with(&|o| o.betas = [0.9, 1.0]),
        "splat train: betas are at least 0 and below 1 and epsilon is above 0, not [0.9, 1.0] and 1e-15"
    );
    assert_eq!(
        with(&|o| o.strategy = SplatStrategy::Mcmc(Mcmc { growth: 0.5, ..Mcmc::default() })),
        "splat train: mcmc has a growth of 1 or more, a least opacity from 0 to below 1 and noise of 0 or more, not 0.5, 0.005 and 500000"
    );
    assert_eq!(
        with(&|o| o.strategy = SplatStrategy::Densify(Densify { gradient: f64::NAN, ..Densify::default() })),
        "splat train: densify has a gradient of 0 or more, not NaN"
    );
    assert_eq!(with(&|o| o.objective.l1 = -1.0), "splat train: the weight of l1 is 0 or above, not -1");
    assert_eq!(with(&|o| (o.objective.l1, o.objective.ssim) = (0.0, 0.0)), "splat train: the weight of l1 or of ssim is above 0");
    let words = with(&|o| (o.memory, o.max_splats) = (Some(1 << 20), 100_000));
    assert!(words.starts_with("splat train: 100000 splats and 1 MiB of pictures take about "), "{words}");
    assert!(words.contains("and 1 MiB are allowed; ") && words.ends_with(" splats would fit"), "{words}");
    let mut none = capture.clone();
    none.views.iter_mut().for_each(|view| view.split = CaptureSplit::Test);
    assert_eq!(
        refused(&none, options(10)),
        "splat train: the capture has no views to train on; those held out are not learned from"
    );
    let mut away = capture.clone();
    if let Some(points) = &mut away.points {
        points.positions.iter_mut().for_each(|p| p[1] += 1e4);
    }
    assert_eq!(refused(&away, options(10)), "splat train: no view sees any of the first splats; cameras and points are apart");
    let blank = CapturePicture { rgba: Tensor::zeros(&[16, 16, 4], DType::F32).unwrap(), mask: None };
    let views = capture.views.iter().map(|v| CaptureView::from_picture("x", v.view_from_world, [16.0; 2], blank.clone()).unwrap());
    assert_eq!(
        refused(&Capture::from_views(views.collect(), None), options(10)),
        "splat train: no place is covered in all views that see it; the views see nothing in common"
    );
}
