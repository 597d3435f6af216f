//! A made scene is learned; runs are resumed to the same bits, and do not depend on the number of threads.

use std::path::Path;

use monotile::transform::{DepthRange, look_at, perspective, se3_exp};
use monotile::{DType, Tensor};
use monotile_radiance::{
    FieldBackground, FieldKind, FieldObjective, FieldOptions, FieldPoses, FieldScene, FieldTrainOptions, FieldTrainer, FieldView,
    HashGridOptions, MatrixCamera, rays,
};

const SIDE: usize = 24;

fn camera(azimuth: f64, height: f64) -> MatrixCamera {
    let (sin, cos) = azimuth.sin_cos();
    let eye = Tensor::from([3.0 * sin, height, 3.0 * cos]);
    let view_from_world = look_at(&eye, &Tensor::from([0.0; 3]), &Tensor::from([0.0, 1.0, 0.0])).unwrap();
    let number = Tensor::scalar::<f64>;
    let clip_from_view = perspective(&number(0.7), &number(1.0), &number(0.1), &number(10.0), DepthRange::ZeroOne).unwrap();
    MatrixCamera { view_from_world, clip_from_view, width: SIDE, height: SIDE }
}

/// A red ball and a smaller blue one, where nothing else is, at 16 points of each pixel.
fn view(azimuth: f64, height: f64) -> FieldView {
    let camera = camera(azimuth, height);
    let balls = [([-0.25, 0.0, 0.0], 0.45, [0.9, 0.2, 0.1]), ([0.45, 0.1, 0.2], 0.3, [0.1, 0.3, 0.8])];
    let points: Vec<f64> = (0..SIDE * SIDE)
        .flat_map(|p| {
            (0..16).flat_map(move |s| {
                [(p % SIDE) as f64 + (s % 4) as f64 / 4.0 + 0.125, (p / SIDE) as f64 + (s / 4) as f64 / 4.0 + 0.125]
            })
        })
        .collect();
    let rays = rays(&camera, &Tensor::from_vec(points, &[16 * SIDE * SIDE, 2]).unwrap()).unwrap();
    let (origins, directions) = (rays.origins.to_vec::<f64>().unwrap(), rays.directions.to_vec::<f64>().unwrap());
    let mut rgba = vec![0.0_f64; 4 * SIDE * SIDE];
    for (k, (o, d)) in origins.chunks(3).zip(directions.chunks(3)).enumerate() {
        let hit = |(center, radius, _): &([f64; 3], f64, [f64; 3])| {
            let x = [0, 1, 2].map(|k| o[k] - center[k]);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (a, b, c) = (dot(d, d), dot(&x, d), dot(&x, &x) - radius * radius);
            let root = b * b - a * c;
            if root > 0.0 { (-b - root.sqrt()) / a } else { f64::INFINITY }
        };
        let nearest = balls.iter().min_by(|a, b| hit(a).total_cmp(&hit(b))).unwrap();
        if hit(nearest).is_finite() {
            let pixel = &mut rgba[4 * (k / 16)..][..4];
            (0..3).for_each(|c| pixel[c] += nearest.2[c] / 16.0);
            pixel[3] += 1.0 / 16.0;
        }
    }
    // Straight alpha.
    for pixel in rgba.chunks_mut(4).filter(|p| p[3] > 0.0) {
        (0..3).for_each(|c| pixel[c] /= pixel[3]);
    }
    let rgba = Tensor::from_vec(rgba, &[SIDE, SIDE, 4]).unwrap();
    FieldView::new(format!("{azimuth}"), camera, &rgba, None).unwrap()
}

fn views() -> Vec<FieldView> {
    (0..6).map(|k| view(f64::from(k) * 1.05, if k % 2 == 0 { 0.8 } else { -0.6 })).collect()
}

/// A small field, for rays of few samples.
fn options(kind: FieldKind) -> FieldTrainOptions {
    let grid = HashGridOptions { levels: 5, least: 4, most: 32, log2_rows: 12, ..HashGridOptions::default() };
    let field = FieldOptions { kind, grid, width: 16, resolution: 24, components: 12 };
    FieldTrainOptions { field, samples: 4096, across: 48, occupancy: 24, ..FieldTrainOptions::default() }
}

fn learned(options: FieldTrainOptions, steps: usize) -> FieldTrainer {
    let mut trainer = FieldTrainer::new(views(), options).unwrap();
    for step in 0..steps {
        trainer.step(step as f64 / steps as f64).unwrap();
    }
    trainer
}

fn bits(trainer: &FieldTrainer) -> Vec<u32> {
    let all = trainer.scene().field().parameters().iter();
    all.flat_map(|(_, tensor)| tensor.to_vec::<f32>().unwrap()).map(f32::to_bits).collect()
}

#[test]
fn two_balls_are_learned_from_six_views() {
    let held_out = view(0.5, 0.2);
    for (kind, steps, least) in [(FieldKind::Hash, 200, 23.5), (FieldKind::Tensorf, 150, 18.0), (FieldKind::Frequency, 250, 13.5)] {
        let mut options = options(kind);
        match kind {
            FieldKind::Hash => {}
            FieldKind::Tensorf => options.learning_rate = 2e-2,
            FieldKind::Frequency => (options.learning_rate, options.samples) = (5e-3, 2048),
        }
        let trainer = learned(options, steps);
        let judged = trainer.scene().judge(&held_out, [1.0; 3]).unwrap();
        println!("{}: {:.2} dB", kind.name(), judged.psnr);
        assert!(judged.psnr > least, "{}: {:.2} dB", kind.name(), judged.psnr);
        let occupied = trainer.scene().occupied();
        assert!(kind != FieldKind::Hash || occupied < 0.7, "{}: {occupied}", kind.name());
    }
}

#[test]
fn a_run_that_was_saved_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let steps = 40;
    let whole = learned(options(FieldKind::Hash), steps);
    let mut first = FieldTrainer::new(views(), options(FieldKind::Hash)).unwrap();
    for step in 0..steps / 2 {
        first.step(step as f64 / steps as f64).unwrap();
    }
    first.save(&path, 1.5).unwrap();
    drop(first);
    let mut second = FieldTrainer::new(views(), options(FieldKind::Hash)).unwrap();
    assert_eq!(second.resume(&path).unwrap(), 1.5);
    assert_eq!(second.steps_done(), steps / 2);
    for step in steps / 2..steps {
        second.step(step as f64 / steps as f64).unwrap();
    }
    assert!(bits(&whole) == bits(&second));
    // The files of both are the same, too.
    let files = |trainer: &FieldTrainer, name: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        trainer.scene().write(&folder).unwrap();
        ["field.json", "field.safetensors"].map(|file| std::fs::read(folder.join(file)).unwrap())
    };
    assert!(files(&whole, "a") == files(&second, "b"));
    // What was written is read again, and drawn alike.
    let read = FieldScene::read(folder.path().join("a")).unwrap();
    let (a, b) = (read.render(&camera(0.3, 0.1)).unwrap(), whole.scene().render(&camera(0.3, 0.1)).unwrap());
    assert_eq!(a.picture.to_vec::<f32>().unwrap(), b.picture.to_vec::<f32>().unwrap());
    assert_eq!((a.coverage.shape(), a.depth.shape()), (&[SIDE, SIDE][..], &[SIDE, SIDE][..]));

    let refused = |mut trainer: FieldTrainer, path: &Path, words: &str| {
        let error = trainer.resume(path).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let other = FieldTrainOptions { seed: 7, ..options(FieldKind::Hash) };
    refused(FieldTrainer::new(views(), other).unwrap(), &path, "the run was begun with seed 0, now it is 7");
    let fewer = views()[1..].to_vec();
    let cube = Some(whole.scene().field().cube());
    refused(
        FieldTrainer::new(fewer, FieldTrainOptions { cube, ..options(FieldKind::Hash) }).unwrap(),
        &path,
        "the run was begun with",
    );
    let field = folder.path().join("a/field.safetensors");
    refused(FieldTrainer::new(views(), options(FieldKind::Hash)).unwrap(), &field, "is not the state of a run that learns a field");
}

#[test]
fn bits_do_not_depend_on_threads() {
    let before = monotile::threads();
    let of = |threads: usize| {
        monotile::set_threads(threads);
        let trainer = learned(options(FieldKind::Hash), 20);
        let drawn = trainer.scene().render(&camera(0.3, 0.1)).unwrap();
        (bits(&trainer), drawn.picture.to_vec::<f32>().unwrap())
    };
    let one = of(1);
    let same = [2, 3].map(|threads| of(threads) == one);
    monotile::set_threads(before);
    assert_eq!(same, [true; 2]);
}

/// Views whose cameras are said to be elsewhere than they are come nearer to where they were, but for what all have in common.
#[test]
fn poses_are_refined() {
    let right = views();
    let twist = |k: usize| {
        let sign = if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        Tensor::from([0.0, 0.0, 0.0, 0.03 * sign, -0.02 * sign, 0.01 * sign])
    };
    let disturbed = right.iter().enumerate().map(|(k, view)| {
        let mut camera = view.camera().clone();
        camera.view_from_world = se3_exp(&twist(k)).unwrap().matmul(&camera.view_from_world).unwrap();
        let picture = view.over([0.0; 3]).unwrap();
        let rgba = Tensor::cat(&[picture, Tensor::ones(&[SIDE, SIDE, 1], DType::F32).unwrap()], 2).unwrap();
        FieldView::new(&view.name, camera, &rgba, None).unwrap()
    });
    let background = FieldBackground::Color([0.0; 3]);
    let options = FieldTrainOptions { poses: FieldPoses::Refine, background, ..options(FieldKind::Hash) };
    let steps = 300;
    let mut trainer = FieldTrainer::new(disturbed.collect(), options).unwrap();
    // Differences of neighbours' orientations from the right ones, which what is common to all does not change.
    let off = |trainer: &FieldTrainer| {
        let turned = |k: usize| {
            let found = trainer.camera(k).unwrap().view_from_world.slice(0, ..3).unwrap().slice(1, ..3).unwrap();
            let is = right[k].camera().view_from_world.slice(0, ..3).unwrap().slice(1, ..3).unwrap();
            found.mt().matmul(&is).unwrap()
        };
        let pairs = (0..5).map(|k| turned(k).sub(turned(k + 1)).unwrap().square().unwrap().sum(&[], false).unwrap());
        pairs.map(|x| x.item::<f64>().unwrap()).sum::<f64>().sqrt()
    };
    let before = off(&trainer);
    for step in 0..steps {
        trainer.step(step as f64 / steps as f64).unwrap();
    }
    let after = off(&trainer);
    println!("from {before} to {after}");
    assert!(after < 0.5 * before, "from {before} to {after}");
    assert!(trainer.camera(6).unwrap_err().to_string().contains("nerf: there are 6 views to learn from, and no view 6"));
}

#[test]
fn other_objectives_and_backgrounds_are_learned_too() {
    let black = FieldTrainOptions { background: FieldBackground::Color([0.0; 3]), ..options(FieldKind::Hash) };
    let huber = FieldTrainOptions { objective: FieldObjective::Huber, ..options(FieldKind::Hash) };
    for options in [black, huber] {
        let trainer = learned(options, 80);
        let psnr = trainer.scene().judge(&view(0.5, 0.2), [0.0; 3]).unwrap().psnr;
        println!("{psnr:.2} dB");
        assert!(psnr > 13.0, "{psnr:.2} dB");
    }
}

#[test]
fn what_cannot_be_learned_is_refused() {
    let refused = |found: monotile::Result<FieldTrainer>, words: &str| {
        let Err(error) = found else { panic!("not refused: {words}") };
        assert!(error.to_string().contains(words), "{error}");
    };
    let none = || options(FieldKind::Hash);
    refused(FieldTrainer::new(Vec::new(), none()), "nerf: there is no view to learn from");
    refused(FieldTrainer::new(views(), FieldTrainOptions { samples: 1, ..none() }), "nerf: takes 64 to 2^24 samples a step, got 1");
    refused(
        FieldTrainer::new(views(), FieldTrainOptions { occupancy: 0, ..none() }),
        "nerf: takes 1 to 8192 samples a side and an occupancy from 1 to 256, got 48 and 0",
    );
    refused(
        FieldTrainer::new(views(), FieldTrainOptions { learning_rate: f64::NAN, ..none() }),
        "nerf: takes a learning rate above 0 and a decay above 0 and up to 1, got NaN",
    );
    let small = Tensor::zeros(&[3, 3, 4], DType::F32).unwrap();
    let error = FieldView::new("a", camera(0.0, 0.0), &small, None).unwrap_err().to_string();
    assert!(error.contains("nerf: the picture of a is [24, 24, 4] and its mask [24, 24], got [3, 3, 4] and None"), "{error}");
    let odd = Tensor::filled(&[SIDE, SIDE, 4], f64::NAN, DType::F32).unwrap();
    let error = FieldView::new("a", camera(0.0, 0.0), &odd, None).unwrap_err().to_string();
    assert!(error.contains("nerf: the picture of a holds NaN"), "{error}");
}

#[test]
fn files_that_are_no_field_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = FieldTrainer::new(views(), options(FieldKind::Hash)).unwrap();
    trainer.scene().write(folder.path()).unwrap();
    let about = folder.path().join("field.json");
    let text = std::fs::read_to_string(&about).unwrap();
    for (from, to, words) in [
        ("\"version\": 1", "\"version\": 2", "is not the description of a field"),
        ("\"hash\"", "\"voxels\"", "field is hash, tensorf or frequency, not \"voxels\""),
        ("\"width\": 16", "\"width\": 32", "and the field needs F32 [32, 10]"),
        ("\"width\": 16", "\"width\": 1e300", "width is a number from 0 to 2^24, not 1e+300"),
        ("\"log2_rows\": 12", "\"log2_rows\": 24", "and the field needs F32"),
        ("\"levels\": 5", "\"levels\": 500", "hash_grid: takes 1 to 32 levels"),
        ("\"occupancy\": 24", "\"occupancy\": 4000", "takes an occupancy from 1 to 256"),
        ("\"half\":", "\"half\": null, \"x\":", "a number is wanted, not null"),
        ("{", "[", "field.json"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&about, changed).unwrap();
        let error = FieldScene::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    std::fs::write(&about, &text).unwrap();
    assert!(FieldScene::read(folder.path()).is_ok());
    std::fs::remove_file(folder.path().join("field.safetensors")).unwrap();
    assert!(FieldScene::read(folder.path()).is_err());
}
