//! Splats on a GPU: pictures and gradients as on the processor, the same bits again, and refusals.
#![cfg(feature = "gpu")]

#[path = "shared/adapter.rs"]
mod adapter;

use monotile::optim::{Adam, AdamOptions};
use monotile::tape::grad;
use monotile::{DType, Device, Rng, Tensor};
use monotile_radiance::{
    BlendOptions, CompositeOptions, MatrixCamera, ProjectOptions, SplatOptions, Splats, SsimWindows, blend, composite, project,
    ssim,
};

use adapter::gpu;

fn scene(n: usize) -> Splats {
    let mut rng = Rng::new(3);
    let mut uniform = |shape: &[usize], low: f64, high: f64| rng.uniform(shape, low, high, DType::F32).unwrap();
    Splats {
        means: uniform(&[n, 3], -1.0, 1.0),
        rotations: uniform(&[n, 4], -1.0, 1.0),
        log_scales: uniform(&[n, 3], -3.0, -1.0),
        logits: uniform(&[n], -1.0, 2.5),
        harmonics: uniform(&[n, 9, 3], -0.5, 0.8),
    }
}

fn camera(width: usize, height: usize) -> MatrixCamera {
    let view = [[0.96, 0.0, 0.28, 0.05], [0.0576, 0.9784, -0.1974, -0.1], [-0.274, 0.2057, 0.9395, -4.2], [0.0, 0.0, 0.0, 1.0]];
    let lens = [[2.1, 0.0, 0.08, 0.0], [0.0, 2.3, -0.05, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]];
    let [view_from_world, clip_from_view] = [view, lens].map(|m| Tensor::from_rows(&m).unwrap().requires_grad());
    MatrixCamera { view_from_world, clip_from_view, width, height }
}

/// A picture, and its gradients by the splats' tensors and the camera's matrices.
fn drawn(splats: &Splats, device: &Device) -> (Vec<f32>, Vec<Vec<f64>>) {
    let there = splats.to(device).unwrap();
    let leaves =
        [&there.means, &there.rotations, &there.log_scales, &there.logits, &there.harmonics].map(|x| x.clone().requires_grad());
    let [means, rotations, log_scales, logits, harmonics] = leaves.clone();
    let camera = camera(37, 29);
    let there = Splats { means, rotations, log_scales, logits, harmonics };
    let background = Tensor::from([0.2_f32, 0.4, 0.1]).to(device).unwrap();
    let options = SplatOptions { background: Some(background), ..SplatOptions::default() };
    let seen = there.render(&camera, &options).unwrap();
    assert_eq!((seen.picture.device(), seen.depth.device(), seen.skipped), (device.clone(), device.clone(), 0));
    let loss = seen.picture.mul(&seen.picture).unwrap().sum(&[], false).unwrap();
    let loss = loss.add(seen.depth.sum(&[], false).unwrap()).unwrap();
    let inputs: Vec<&Tensor> = leaves.iter().chain([&camera.view_from_world, &camera.clip_from_view]).collect();
    let gradients = grad(&loss, &inputs).unwrap();
    assert!(gradients.iter().zip(&inputs).all(|(g, x)| g.device() == x.device() && g.shape() == x.shape()));
    (seen.picture.to_vec().unwrap(), gradients.iter().map(|g| g.to_f64_vec().unwrap()).collect())
}

#[test]
fn a_scene_is_drawn_as_on_the_processor_and_again_with_the_same_bits() {
    let Some(device) = gpu() else { return };
    let splats = scene(300);
    let (picture, gradients) = drawn(&splats, &Device::cpu());
    let found = drawn(&splats, &device);
    for (x, y) in found.0.iter().zip(&picture) {
        assert!((x - y).abs() <= 1e-5 * y.abs().max(1.0), "{x} is not {y}");
    }
    for (k, (found, expected)) in found.1.iter().zip(&gradients).enumerate() {
        let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (x, y) in found.iter().zip(expected) {
            assert!((x - y).abs() <= 1e-4 * largest, "gradient {k}: {x} is not {y}, of {largest}");
        }
    }
    assert_eq!(drawn(&splats, &device), found);
}

/// Losses of a few steps of Adam towards a picture of another scene.
fn losses(device: &Device) -> Vec<f64> {
    let camera = {
        let MatrixCamera { view_from_world, clip_from_view, width, height } = camera(24, 20);
        MatrixCamera { view_from_world: view_from_world.detach(), clip_from_view: clip_from_view.detach(), width, height }
    };
    let options = SplatOptions::default();
    let target = scene(120).render(&camera, &options).unwrap().picture.to(device).unwrap();
    let start = scene(60).to(device).unwrap();
    let mut parameters = vec![start.means, start.rotations, start.log_scales, start.logits, start.harmonics];
    parameters.iter_mut().for_each(|x| *x = x.clone().requires_grad());
    let mut adam = Adam::new(AdamOptions { lr: 0.01, ..AdamOptions::default() });
    let mut losses = Vec::new();
    for _ in 0..12 {
        let [means, rotations, log_scales, logits, harmonics] = [0, 1, 2, 3, 4].map(|k| parameters[k].clone());
        let splats = Splats { means, rotations, log_scales, logits, harmonics };
        let difference = splats.render(&camera, &options).unwrap().picture.sub(&target).unwrap();
        let loss = difference.mul(&difference).unwrap().sum(&[], false).unwrap();
        let gradients = grad(&loss, &parameters.iter().collect::<Vec<_>>()).unwrap();
        drop(splats);
        adam.step(&mut parameters, &gradients).unwrap();
        losses.push(loss.to_f64_vec().unwrap()[0]);
    }
    losses
}

#[test]
fn a_scene_is_learned_as_on_the_processor() {
    let Some(device) = gpu() else { return };
    let (expected, found) = (losses(&Device::cpu()), losses(&device));
    assert!(expected[11] < 0.8 * expected[0], "{expected:?}");
    for (x, y) in found.iter().zip(&expected) {
        assert!((x - y).abs() <= 1e-3 * y, "{found:?} are not {expected:?}");
    }
}

#[test]
fn pictures_are_as_similar_as_on_the_processor() {
    let Some(device) = gpu() else { return };
    let mut rng = Rng::new(8);
    let [x, y] = [0, 1].map(|_| rng.uniform(&[19, 23, 3], 0.0, 1.0, DType::F32).unwrap());
    for windows in [SsimWindows::Padded, SsimWindows::Within] {
        let compared = |device: &Device| {
            let leaves = [&x, &y].map(|x| x.to(device).unwrap().requires_grad());
            let found = ssim(&leaves[0], &leaves[1], windows).unwrap();
            assert_eq!(found.device(), *device);
            let gradients = grad(&found.mul(&found).unwrap(), &leaves).unwrap();
            (found.to_f64_vec().unwrap()[0], gradients.iter().flat_map(|g| g.to_f64_vec().unwrap()).collect::<Vec<_>>())
        };
        let (expected, found) = (compared(&Device::cpu()), compared(&device));
        assert!((expected.0 - found.0).abs() < 1e-5, "{} is not {}", found.0, expected.0);
        let largest = expected.1.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert!(found.1.iter().zip(&expected.1).all(|(x, y)| (x - y).abs() <= 1e-4 * largest));
    }
}

#[test]
fn a_scene_without_splats_is_its_background() {
    let Some(device) = gpu() else { return };
    let seen = scene(0).to(&device).unwrap().render(&camera(17, 9), &SplatOptions::default()).unwrap();
    assert_eq!(seen.picture.to_vec::<f32>().unwrap(), vec![0.0; 17 * 9 * 3]);
}

#[test]
fn what_is_on_two_devices_is_refused() {
    let Some(device) = gpu() else { return };
    let (here, camera) = (scene(3), camera(8, 8));
    let there = here.to(&device).unwrap();
    let mixed = Splats { means: here.means.clone(), ..there.clone() };
    let words = project(&mixed, &camera, &ProjectOptions::default()).unwrap_err().to_string();
    assert!(words.starts_with("project: one operand is on cpu, the other on ") && words.ends_with("move one with `to`"), "{words}");
    let mut seen = project(&there, &camera, &ProjectOptions::default()).unwrap();
    seen.colors = here.means.clone();
    let words = blend(&seen, [8, 8], &BlendOptions::default()).unwrap_err().to_string();
    assert!(words.starts_with("blend: one operand is on ") && words.ends_with("the other on cpu; move one with `to`"), "{words}");
    let picture = Tensor::from_vec(vec![0.5_f32; 768], &[16, 16, 3]).unwrap();
    let words = ssim(&picture.to(&device).unwrap(), &picture, SsimWindows::Padded).unwrap_err().to_string();
    assert!(words.starts_with("ssim: one operand is on "), "{words}");
    let samples = [&[2][..], &[2, 3], &[2], &[2]].map(|shape| Tensor::zeros(shape, DType::F32).unwrap().to(&device).unwrap());
    let [densities, colors, starts, ends] = &samples;
    let found = composite(densities, colors, [starts, ends], &[0, 2], &CompositeOptions::default());
    let words = found.unwrap_err().to_string();
    assert!(words.starts_with("composite: not on a GPU yet; move the operands from "), "{words}");
    let narrow = camera.view_from_world.to_dtype(DType::F32).unwrap().detach();
    let camera = MatrixCamera { view_from_world: narrow.to(&device).unwrap(), ..camera };
    let words = project(&there, &camera, &ProjectOptions::default()).unwrap_err().to_string();
    assert!(words.starts_with("project: the camera's matrices are computed with in f64, by the cpu, and are on "), "{words}");
}

#[test]
fn second_derivatives_are_refused_there_too() {
    let Some(device) = gpu() else { return };
    let splats = scene(3).to(&device).unwrap();
    let means = splats.means.clone().requires_grad();
    let seen = Splats { means: means.clone(), ..splats }.render(&camera(8, 8), &SplatOptions::default()).unwrap();
    let loss = seen.picture.sum(&[], false).unwrap();
    let words = monotile::tape::grad_recorded(&loss, &[&means]).unwrap_err().to_string();
    assert_eq!(words, "blend: has no second derivatives: its rule is a kernel, which the tape does not see");
}
