//! Scenes that move: pictures stay where the camera moves along, and colours follow their directions.

use monotile::transform::{DepthRange, affine_inverse, look_at, perspective, quaternion, rotation, scaling, translation};
use monotile::{DType, Rng, Tensor};
use monotile_radiance::{AxisFrame, MatrixCamera, SplatOptions, Splats};

fn scene(n: usize, degree: usize) -> Splats {
    let mut rng = Rng::new(11);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F64).unwrap();
    Splats {
        means: normal(&[n, 3]),
        rotations: normal(&[n, 4]),
        log_scales: normal(&[n, 3]).mul(0.4).unwrap().sub(1.5).unwrap(),
        logits: normal(&[n]),
        harmonics: normal(&[n, (degree + 1) * (degree + 1), 3]).mul(0.3).unwrap(),
    }
}

fn camera() -> MatrixCamera {
    let vector = |x: [f64; 3]| Tensor::from(x);
    let number = Tensor::scalar::<f64>;
    MatrixCamera {
        view_from_world: look_at(&vector([1.0, 2.0, 6.0]), &vector([0.1, 0.0, 0.2]), &vector([0.0, 1.0, 0.0])).unwrap(),
        clip_from_view: perspective(&number(0.8), &number(1.5), &number(0.1), &number(100.0), DepthRange::ZeroOne).unwrap(),
        width: 48,
        height: 32,
    }
}

/// The largest difference of two scenes' pictures, the second's camera moved by a map.
fn difference(still: &Splats, moved: &Splats, map: &Tensor) -> f64 {
    let here = camera();
    let there =
        MatrixCamera { view_from_world: here.view_from_world.matmul(&affine_inverse(map).unwrap()).unwrap(), ..here.clone() };
    let picture = |s: &Splats, c: &MatrixCamera| s.render(c, &SplatOptions::default()).unwrap().picture.to_f64_vec().unwrap();
    let (a, b) = (picture(still, &here), picture(moved, &there));
    assert!(a.iter().any(|x| *x > 0.2));
    a.iter().zip(&b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

fn turn() -> Tensor {
    rotation(&quaternion::normalize(&Tensor::from([0.3_f64, -0.7, 0.4, 0.5])).unwrap()).unwrap()
}

#[test]
fn a_picture_stays_when_camera_and_splats_move_together() {
    let shift = translation(&Tensor::from([0.5_f64, -2.0, 1.0])).unwrap();
    for degree in 0..4 {
        let splats = scene(60, degree);
        let map = shift.matmul(&turn()).unwrap();
        assert!(difference(&splats, &splats.transformed(&map).unwrap(), &map) < 1e-12, "degree {degree}");
        let mirrored = map.matmul(&scaling(&Tensor::from([-1.0_f64, 1.0, 1.0])).unwrap()).unwrap();
        let twice = splats.transformed(&mirrored).unwrap().transformed(&affine_inverse(&mirrored).unwrap()).unwrap();
        assert!(difference(&splats, &twice, &Tensor::eye(4, DType::F64).unwrap()) < 1e-12, "degree {degree}");
    }
}

#[test]
fn a_mirror_shows_a_scene_mirrored() {
    let splats = scene(60, 3);
    let mirror = scaling(&Tensor::from([-1.0_f64, 1.0, 1.0])).unwrap();
    let moved = splats.transformed(&mirror).unwrap();
    let camera = MatrixCamera { view_from_world: translation(&Tensor::from([0.0_f64, 0.0, -6.0])).unwrap(), ..camera() };
    let picture = |s: &Splats| s.render(&camera, &SplatOptions::default()).unwrap().picture.to_f64_vec().unwrap();
    let (here, there) = (picture(&splats), picture(&moved));
    for (row, other) in here.chunks(3 * 48).zip(there.chunks(3 * 48)) {
        for (pixel, twin) in row.chunks(3).zip(other.chunks(3).rev()) {
            assert!(pixel.iter().zip(twin).all(|(x, y)| (x - y).abs() < 1e-12), "{pixel:?} {twin:?}");
        }
    }
}

#[test]
fn covariances_follow_a_map_that_stretches() {
    let splats = scene(20, 1);
    let map = turn().matmul(&scaling(&Tensor::from([2.0_f64, 0.5, 1.5])).unwrap()).unwrap();
    let moved = splats.transformed(&map).unwrap();
    let covariance = |s: &Splats| {
        let axes = quaternion::to_matrix(&quaternion::normalize(&s.rotations).unwrap()).unwrap();
        let axes = axes.mul(s.log_scales.exp().unwrap().unsqueeze(-2).unwrap()).unwrap();
        axes.matmul(&axes.mt()).unwrap()
    };
    let a = map.slice(0, ..3).unwrap().slice(1, ..3).unwrap();
    let expected = a.matmul(&covariance(&splats)).unwrap().matmul(&a.mt()).unwrap().to_f64_vec().unwrap();
    for (x, y) in covariance(&moved).to_f64_vec().unwrap().iter().zip(expected) {
        assert!((x - y).abs() < 1e-12, "{x} {y}");
    }
}

#[test]
fn a_frame_is_half_a_turn_about_x_and_back_to_every_bit() {
    let splats = scene(60, 3);
    let upright = splats.to_frame(AxisFrame::Rdf, AxisFrame::Rub).unwrap();
    let map = rotation(&Tensor::from([1.0_f64, 0.0, 0.0, 0.0])).unwrap();
    assert!(difference(&splats, &upright, &map) < 1e-12);
    let back = upright.to_frame(AxisFrame::Rub, AxisFrame::Rdf).unwrap();
    for (x, y) in [(&splats.means, &back.means), (&splats.rotations, &back.rotations), (&splats.harmonics, &back.harmonics)] {
        assert_eq!(x.to_vec::<f64>().unwrap(), y.to_vec::<f64>().unwrap());
    }
    // The turn itself has the same harmonics.
    let turned = splats.transformed(&map).unwrap();
    let (x, y) = (upright.harmonics.to_vec::<f64>().unwrap(), turned.harmonics.to_vec::<f64>().unwrap());
    assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-13));
}

#[test]
fn maps_that_are_none_are_refused() {
    let splats = scene(2, 0);
    let words = |map: &Tensor| splats.transformed(map).unwrap_err().to_string();
    assert_eq!(words(&Tensor::eye(3, DType::F64).unwrap()), "transformed: the map is 4 x 4 of floating-point numbers, got [3, 3]");
    let flat = scaling(&Tensor::from([1.0_f64, 1.0, 0.0])).unwrap();
    assert_eq!(words(&flat), "transformed: the map leaves a plane or less of space, it stretches by [1.0, 1.0, 0.0]");
    let odd = words(&Tensor::ones(&[4, 4], DType::F64).unwrap());
    assert!(odd.starts_with("transformed: the map is finite and its last row 0, 0, 0, 1, got [1.0,"), "{odd}");
}
