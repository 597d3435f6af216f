//! Gradients of whole pictures against central differences, and what must not change a picture.

use monotile::tape::{CheckGradientOptions, check_gradient, grad};
use monotile::{DType, Result, Rng, Tensor};
use monotile_radiance::{
    BlendOptions, MatrixCamera, ProjectOptions, ShapeLimits, SightDirections, SplatOptions, Splats, blend, project,
};

/// Splats in a cube around the origin.
fn scene(n: usize, degree: usize, seed: u64) -> Splats {
    let mut rng = Rng::new(seed);
    let mut uniform = |shape: &[usize], low: f64, high: f64| rng.uniform(shape, low, high, DType::F64).unwrap();
    Splats {
        means: uniform(&[n, 3], -0.8, 0.8),
        rotations: uniform(&[n, 4], -1.0, 1.0),
        log_scales: uniform(&[n, 3], -2.5, -1.0),
        logits: uniform(&[n], -1.0, 2.5),
        // Colours stay above 0, where they have a kink.
        harmonics: uniform(&[n, (degree + 1) * (degree + 1), 3], -0.1, 0.1),
    }
}

fn rows(x: [[f64; 4]; 4]) -> Tensor {
    Tensor::from_rows(&x).unwrap()
}

/// A camera some way off the origin that looks past it, turned, with an axis off the picture's centre.
fn camera([width, height]: [usize; 2], parallel: bool) -> MatrixCamera {
    let view =
        rows([[0.96, 0.0, 0.28, 0.05], [0.0576, 0.9784, -0.1974, -0.1], [-0.274, 0.2057, 0.9395, -4.2], [0.0, 0.0, 0.0, 1.0]]);
    let lens = match parallel {
        false => rows([[2.1, 0.0, 0.08, 0.0], [0.0, 2.3, -0.05, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]]),
        true => rows([[0.7, 0.0, 0.0, 0.06], [0.0, 0.8, 0.0, -0.04], [0.0, 0.0, -0.1, 0.0], [0.0, 0.0, 0.0, 1.0]]),
    };
    MatrixCamera { view_from_world: view, clip_from_view: lens, width, height }
}

/// Everything is blended everywhere, so that a picture is smooth in all that makes it.
fn whole() -> BlendOptions {
    BlendOptions { least_alpha: 0.0, most_alpha: 1.0, least_transmittance: 0.0 }
}

fn of(x: &[Tensor]) -> Splats {
    let [means, rotations, log_scales, logits, harmonics] = [0, 1, 2, 3, 4].map(|k| x[k].clone());
    Splats { means, rotations, log_scales, logits, harmonics }
}

fn inputs(splats: &Splats) -> Vec<Tensor> {
    let Splats { means, rotations, log_scales, logits, harmonics } = splats.clone();
    vec![means, rotations, log_scales, logits, harmonics]
}

#[test]
fn every_input_agrees_with_differences() {
    let last = Tensor::from_rows(&[[0.0, 0.0, 0.0, 1.0]]).unwrap();
    for (parallel, antialiased, directions, limits, degree) in [
        (false, false, SightDirections::FromEye, ShapeLimits::Picture, 3),
        (false, true, SightDirections::FromEye, ShapeLimits::Axis, 2),
        (true, false, SightDirections::AlongAxis, ShapeLimits::Unlimited, 1),
        (true, true, SightDirections::FromEye, ShapeLimits::Unlimited, 0),
    ] {
        let (splats, camera) = (scene(9, degree, 5), camera([17, 11], parallel));
        let options = SplatOptions {
            project: ProjectOptions { antialiased, directions, limits, ..ProjectOptions::default() },
            blend: whole(),
            background: None,
        };
        let draw = |x: &[Tensor]| -> Result<Vec<Tensor>> {
            let view_from_world = Tensor::cat(&[&x[5], &last], 0)?;
            let camera = MatrixCamera { view_from_world, clip_from_view: x[6].clone(), ..camera };
            let seen = of(x).render(&camera, &SplatOptions { background: Some(x[7].clone()), ..options.clone() })?;
            // Where next to nothing is covered, the depth itself is a quotient of next to nothing.
            Ok(vec![seen.picture, seen.depth.mul(&seen.coverage)?, seen.coverage])
        };
        let mut all = inputs(&splats);
        all.push(camera.view_from_world.slice(0, ..3).unwrap());
        all.push(camera.clip_from_view.clone());
        all.push(Tensor::from([0.3, 0.9, 0.1]));
        // The quotient's error is h² times a third derivative, which small splats make large.
        let check = CheckGradientOptions { directions: 3, tolerance: 1e-5, ..Default::default() };
        check_gradient(draw, &all, &check).unwrap();
        // And each by itself.
        for k in 0..all.len() {
            let alone = |x: &[Tensor]| {
                let mut all = all.clone();
                all[k] = x[0].clone();
                draw(&all)
            };
            let check = CheckGradientOptions { directions: 1, tolerance: 1e-5, ..Default::default() };
            check_gradient(alone, &[all[k].clone()], &check).unwrap_or_else(|e| panic!("input {k}: {e}"));
        }
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_f64_vec().unwrap()
}

fn close(found: &[f64], expected: &[f64], bound: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).abs() <= bound * largest, "{what}: {x} and {y}");
    }
}

/// A rotation about an axis that is no coordinate's, and a quaternion of it.
fn motion() -> ([[f64; 3]; 3], [f64; 4]) {
    let (sin, cos) = 0.35_f64.sin_cos();
    let axis = [2.0 / 7.0, 3.0 / 7.0, 6.0 / 7.0];
    let q = [sin * axis[0], sin * axis[1], sin * axis[2], cos];
    let [x, y, z, w] = q;
    let r = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ];
    (r, q)
}

/// Camera and splats moved together: the same picture. Degree 1 turns as a vector does, (y, z, x) with signs.
#[test]
fn a_picture_does_not_change_when_camera_and_splats_move_together() {
    let (r, [x, y, z, w]) = motion();
    let rotation = Tensor::from_rows(&r).unwrap();
    let shift = Tensor::from([0.4, -0.7, 1.3]);
    let splats = scene(20, 1, 8);
    // q ⊗ p for each splat's p.
    let turn = Tensor::from_rows(&[[w, -z, y, x], [z, w, -x, y], [-y, x, w, z], [-x, -y, -z, w]]).unwrap();
    // Coefficients of −y, z, −x as a vector, turned, and back.
    let to_vector = Tensor::from_rows(&[[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).unwrap();
    let vector = splats.harmonics.slice(1, 1..).unwrap();
    let turned = to_vector.mt().matmul(&rotation).unwrap().matmul(&to_vector).unwrap().matmul(&vector).unwrap();
    let moved = Splats {
        means: splats.means.matmul(&rotation.mt()).unwrap().add(&shift).unwrap(),
        rotations: splats.rotations.matmul(&turn.mt()).unwrap(),
        harmonics: Tensor::cat(&[&splats.harmonics.slice(1, ..1).unwrap(), &turned], 1).unwrap(),
        ..splats.clone()
    };
    // V (R m + t)⁻¹: the world moves by the inverse first.
    let mut back = [[0.0; 4]; 4];
    for i in 0..3 {
        for j in 0..3 {
            back[i][j] = r[j][i];
        }
        back[i][3] = -(0.4 * r[0][i] - 0.7 * r[1][i] + 1.3 * r[2][i]);
    }
    back[3][3] = 1.0;
    let options = SplatOptions { blend: whole(), ..SplatOptions::default() };
    let here = camera([33, 17], false);
    let there = MatrixCamera { view_from_world: here.view_from_world.matmul(&rows(back)).unwrap(), ..here.clone() };
    let (one, other) = (splats.render(&here, &options).unwrap(), moved.render(&there, &options).unwrap());
    close(&numbers(&other.picture), &numbers(&one.picture), 1e-12, "picture");
    close(&numbers(&other.depth), &numbers(&one.depth), 1e-12, "depth");
}

/// The gradient of a shift of the camera is that of all means moved the other way: V (m + s) = V m + W s.
#[test]
fn the_gradient_of_the_camera_is_that_of_the_splats_moved_against_it() {
    let splats = scene(30, 3, 9);
    let camera = camera([24, 24], false);
    let (means, view) = (splats.means.requires_grad(), camera.view_from_world.requires_grad());
    let camera = MatrixCamera { view_from_world: view.clone(), ..camera };
    let seen = Splats { means: means.clone(), ..splats }.render(&camera, &SplatOptions::default()).unwrap();
    let loss = seen.picture.square().unwrap().sum(&[], false).unwrap();
    let bars = grad(&loss, &[&means, &view]).unwrap();
    let w = camera.view_from_world.detach().slice(0, ..3).unwrap().slice(1, ..3).unwrap();
    // Σ m̄ = Wᵀ d̄
    let by_means = numbers(&bars[0].sum(&[0], false).unwrap());
    let by_view = numbers(&w.mt().matmul(&bars[1].slice(0, ..3).unwrap().slice(1, 3..).unwrap()).unwrap());
    close(&by_view, &by_means, 1e-11, "gradient");
}

#[test]
fn rows_in_another_order_have_their_gradients_in_that_order() {
    let splats = scene(40, 2, 10);
    let order = Tensor::from((0..40_i64).map(|i| i * 27 % 40).collect::<Vec<_>>());
    let options = SplatOptions { project: ProjectOptions { antialiased: true, ..Default::default() }, ..Default::default() };
    let gradients = |x: &[Tensor]| {
        let leaves: Vec<Tensor> = x.iter().map(Tensor::requires_grad).collect();
        let seen = of(&leaves).render(&camera([30, 20], false), &options).unwrap();
        let loss = seen.picture.square().unwrap().sum(&[], false).unwrap();
        (numbers(&seen.picture), grad(&loss, &leaves).unwrap())
    };
    let permuted: Vec<Tensor> = inputs(&splats).iter().map(|x| x.index_select(0, &order).unwrap()).collect();
    let ((one, bars), (other, permuted)) = (gradients(&inputs(&splats)), gradients(&permuted));
    assert_eq!(one, other);
    for (bar, permuted) in bars.iter().zip(&permuted) {
        assert_eq!(numbers(&bar.index_select(0, &order).unwrap()), numbers(permuted));
    }
}

#[test]
fn pictures_of_any_size_and_of_nothing() {
    let options = SplatOptions { background: Some(Tensor::from([0.25, 0.5, 1.0])), ..Default::default() };
    for size in [[1, 1], [17, 33], [8, 8], [9, 7]] {
        for n in [0, 1, 50] {
            let leaves: Vec<Tensor> = inputs(&scene(n, 3, 11)).iter().map(Tensor::requires_grad).collect();
            let seen = of(&leaves).render(&camera(size, false), &options).unwrap();
            assert_eq!(seen.picture.shape(), [size[1], size[0], 3]);
            let loss = seen.picture.sum(&[], false).unwrap();
            assert!(grad(&loss, &leaves).unwrap().iter().all(|g| numbers(g).iter().all(|x| x.is_finite())));
            if n == 0 {
                assert_eq!(numbers(&seen.picture)[..3], [0.25, 0.5, 1.0]);
            }
        }
    }
    // All behind the camera: nothing is drawn, and nothing has a gradient.
    let splats = scene(30, 3, 12);
    let behind = Splats { means: splats.means.add(Tensor::from([0.0, 0.0, 20.0])).unwrap().requires_grad(), ..splats };
    let seen = behind.render(&camera([16, 16], false), &options).unwrap();
    assert!(numbers(&seen.coverage).iter().chain(&numbers(&seen.depth)).all(|&x| x == 0.0) && seen.skipped == 0);
    let bar = grad(&seen.picture.sum(&[], false).unwrap(), &[&behind.means]).unwrap();
    assert!(numbers(&bar[0]).iter().all(|&x| x == 0.0));
}

/// NaN and infinity: left out, counted, without gradients; the rest is drawn as if they were not there.
#[test]
fn splats_that_are_not_finite_are_left_out_and_counted() {
    let splats = scene(12, 1, 13);
    let camera = camera([20, 20], false);
    let kept: Vec<i64> = (0..12).filter(|i| ![2, 5, 7].contains(i)).collect();
    let without: Vec<Tensor> = inputs(&splats).iter().map(|x| x.index_select(0, &Tensor::from(kept.clone())).unwrap()).collect();
    let broken = |x: &Tensor, at: usize, value: f64| {
        let mut numbers = numbers(x);
        numbers[at] = value;
        Tensor::from_vec(numbers, x.shape()).unwrap()
    };
    let spoiled = Splats {
        means: broken(&splats.means, 6, f64::NAN),
        log_scales: broken(&splats.log_scales, 15, f64::INFINITY),
        harmonics: broken(&splats.harmonics, 7 * 12 + 4, f64::NAN),
        ..splats
    };
    let leaves: Vec<Tensor> = inputs(&spoiled).iter().map(Tensor::requires_grad).collect();
    let seen = of(&leaves).render(&camera, &SplatOptions::default()).unwrap();
    assert_eq!(seen.skipped, 3);
    let rest = of(&without).render(&camera, &SplatOptions::default()).unwrap();
    assert_eq!(numbers(&seen.picture), numbers(&rest.picture));
    for bar in grad(&seen.picture.square().unwrap().sum(&[], false).unwrap(), &leaves).unwrap() {
        let bar = bar.reshape(&[12, -1]).unwrap();
        for i in [2, 5, 7] {
            assert!(numbers(&bar.slice(0, i..i + 1).unwrap()).iter().all(|&x| x == 0.0));
        }
        assert!(numbers(&bar).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (splats, camera) = (scene(4, 1, 1), camera([8, 8], false));
    let words =
        |splats: &Splats, camera: &MatrixCamera, options: &SplatOptions| splats.render(camera, options).unwrap_err().to_string();
    let plain = SplatOptions::default();
    let short = Splats { logits: splats.logits.slice(0, 1..).unwrap(), ..splats.clone() };
    assert_eq!(
        words(&short, &camera, &plain),
        "project: takes means [N, 3], rotations [N, 4], log_scales [N, 3], logits [N] and harmonics [N, K, 3] with K = 1, 4, 9 or 16, \
         got [[4, 3], [4, 4], [4, 3], [3], [4, 4, 3]]"
    );
    let flat = MatrixCamera { view_from_world: Tensor::eye(3, DType::F64).unwrap(), ..camera.clone() };
    assert_eq!(words(&splats, &flat, &plain), "project: view_from_world must be 4 x 4, got shape [3, 3]");
    let empty = MatrixCamera { width: 0, ..camera.clone() };
    assert_eq!(words(&splats, &empty, &plain), "project: a picture has 1 to 16384 pixels a side, not 0 x 8");
    let skewed = MatrixCamera { view_from_world: Tensor::ones(&[4, 4], DType::F64).unwrap(), ..camera.clone() };
    assert_eq!(words(&splats, &skewed, &plain), "project: the last row of view_from_world is 0, 0, 0, 1, not [1.0, 1.0, 1.0, 1.0]");
    let infinite = MatrixCamera { clip_from_view: Tensor::filled(&[4, 4], f64::INFINITY, DType::F64).unwrap(), ..camera.clone() };
    assert!(words(&splats, &infinite, &plain).starts_with("project: the camera's matrices must be finite, and give "));
    let options = |project: ProjectOptions, blend: BlendOptions| SplatOptions { project, blend, background: None };
    let near = options(ProjectOptions { near: -1.0, ..Default::default() }, BlendOptions::default());
    assert_eq!(words(&splats, &camera, &near), "project: near is a distance of 0 or more, not -1");
    let blur = options(ProjectOptions { blur: 0.0, ..Default::default() }, BlendOptions::default());
    assert_eq!(words(&splats, &camera, &blur), "project: blur is above 0 and finite, not 0");
    let cut = options(ProjectOptions::default(), BlendOptions { most_alpha: 1.5, ..Default::default() });
    assert!(
        words(&splats, &camera, &cut)
            .starts_with("blend: takes 0 <= least_alpha < most_alpha <= 1 and 0 <= least_transmittance < 1, got")
    );
    let background = SplatOptions { background: Some(Tensor::from([1.0, 2.0])), ..Default::default() };
    assert_eq!(words(&splats, &camera, &background), "render: the background is [3] or [8, 8, 3], got [2]");
    let seen = project(&splats, &camera, &ProjectOptions::default()).unwrap();
    assert_eq!(
        blend(&seen, [0, 3], &BlendOptions::default()).unwrap_err().to_string(),
        "blend: a picture has 1 to 16384 pixels a side, not 0 x 3"
    );
    let integers = Splats { logits: Tensor::from([1_i64, 2, 3, 4]), ..splats };
    assert_eq!(words(&integers, &camera, &plain), "project: takes floating-point numbers, got i64; cast with to_dtype");
    // A second derivative.
    let means = seen.positions.requires_grad();
    let picture =
        blend(&monotile_radiance::ProjectedSplats { positions: means.clone(), ..seen }, [4, 4], &BlendOptions::default()).unwrap();
    let twice = monotile::tape::grad_recorded(&picture.sum(&[], false).unwrap(), &[&means]).unwrap_err().to_string();
    assert_eq!(twice, "blend: has no second derivatives: its rule is a kernel, which the tape does not see");
}
