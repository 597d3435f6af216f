//! Transforms and quaternions against values computed from their definitions: to 1e-12 in f64, 1e-5 in f32, relative to the largest
//! number of a case, at least 1. A few cases are part of the repository; all of them are read where they are at hand.

use std::path::{Path, PathBuf};

use monotile::transform::{
    DepthRange, ViewVolume, affine_inverse, compose, compose_inverse, decompose, look_at, normal_matrix, orthographic, perspective,
    project, quaternion, transform_homogeneous, transform_points, unproject, viewport,
};
use monotile::{DType, Result, Tensor};
use serde_json::Value;

/// Calls `check` on the cases of the repository, and on all cases.
fn each_file(check: impl Fn(&Value)) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    check(&read(&here.join("tests/data/transforms.json")));
    let cases = std::env::var_os("MONOTILE_CASES").map_or_else(|| here.join("../../../shared/cases"), PathBuf::from);
    let all = cases.join("transforms/transforms.json");
    if all.is_file() {
        check(&read(&all));
    } else {
        println!("skipped all but a few cases: the others are not at hand; set MONOTILE_CASES");
    }
}

/// A number, a row or a matrix.
fn tensor(value: &Value, dtype: DType) -> Tensor {
    fn flatten(value: &Value, numbers: &mut Vec<f64>, shape: &mut Vec<usize>, depth: usize) {
        let Some(list) = value.as_array() else { return numbers.push(value.as_f64().expect("a number")) };
        if shape.len() == depth {
            shape.push(list.len());
        }
        list.iter().for_each(|value| flatten(value, numbers, shape, depth + 1));
    }
    let (mut numbers, mut shape) = (Vec::new(), Vec::new());
    flatten(value, &mut numbers, &mut shape, 0);
    Tensor::from_vec(numbers, &shape).unwrap().to_dtype(dtype).unwrap()
}

fn depth(case: &Value) -> DepthRange {
    match case["depth"].as_str().unwrap_or("zero_one") {
        "zero_one" => DepthRange::ZeroOne,
        "minus_one_one" => DepthRange::MinusOneOne,
        "reversed" => DepthRange::Reversed,
        "infinite" => DepthRange::Infinite,
        "infinite_reversed" => DepthRange::InfiniteReversed,
        other => panic!("a depth that no case should have: {other}"),
    }
}

/// Checks an operation on every case of a group in both types: it is given a case's values by name.
fn group(name: &str, operation: impl Fn(&dyn Fn(&str) -> Tensor, DepthRange) -> Result<Vec<(Tensor, &'static str)>>) {
    each_file(|file| {
        let cases = file[name].as_array().unwrap();
        assert!(!cases.is_empty());
        for (i, case) in cases.iter().enumerate() {
            for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
                let results = operation(&|field| tensor(&case[field], dtype), depth(case)).unwrap();
                for (found, field) in results {
                    let expected = tensor(&case[field], DType::F64);
                    assert_eq!((found.shape(), found.dtype()), (expected.shape(), dtype), "{name} {i}: {field}");
                    let largest = expected.to_f64_vec().unwrap().iter().fold(1.0_f64, |m, x| m.max(x.abs()));
                    for (x, e) in found.to_f64_vec().unwrap().into_iter().zip(expected.to_f64_vec().unwrap()) {
                        assert!((x - e).abs() <= tolerance * largest, "{name} {i} in {dtype}: {field} has {x}, not {e}");
                    }
                }
            }
        }
    });
}

#[test]
fn projections() {
    group("perspective", |of, depth| {
        Ok(vec![(perspective(&of("fovy"), &of("aspect"), &of("near"), &of("far"), depth)?, "matrix")])
    });
    group("orthographic", |of, depth| {
        let [left, right, bottom, top, near, far] = &["left", "right", "bottom", "top", "near", "far"].map(of);
        Ok(vec![(orthographic(&ViewVolume { left, right, bottom, top, near, far }, depth)?, "matrix")])
    });
}

#[test]
fn views() {
    group("look_at", |of, _| Ok(vec![(look_at(&of("eye"), &of("target"), &of("up"))?, "matrix")]));
}

#[test]
fn quaternions() {
    group("rotation", |of, _| {
        let q = of("quaternion");
        // Of ±q, the one given.
        let back = quaternion::from_matrix(&of("matrix"))?;
        let sign = q.mul(&back)?.sum(&[], false)?.sign()?;
        Ok(vec![(quaternion::to_matrix(&q)?, "matrix"), (back.mul(&sign)?, "quaternion")])
    });
    group("multiply", |of, _| Ok(vec![(quaternion::multiply(&of("a"), &of("b"))?, "product")]));
    group("slerp", |of, _| Ok(vec![(quaternion::slerp(&of("a"), &of("b"), &of("t"))?, "result")]));
}

#[test]
fn poses() {
    group("trs", |of, _| {
        let [t, q, s] = ["translation", "rotation", "scale"].map(of);
        let m = compose(&t, &q, &s)?;
        let parts = decompose(&of("matrix"))?;
        Ok(vec![
            (m.clone(), "matrix"),
            (compose_inverse(&t, &q, &s)?, "inverse"),
            (affine_inverse(&of("matrix"))?, "inverse"),
            (normal_matrix(&m)?, "normal_matrix"),
            (transform_points(&m, &of("point"))?, "transformed"),
            (parts.translation.clone(), "translation"),
            (compose(&parts.translation, &parts.rotation, &parts.scale)?, "matrix"),
        ])
    });
}

#[test]
fn pixels() {
    group("mvp", |of, _| {
        let [m, v, p, point] = ["model", "view", "projection", "point"].map(of);
        let clip_from_object = p.matmul(&v)?.matmul(&m)?;
        let homogeneous = point.pad(-1, 0, 1, 1.0)?;
        let screen = |x: &[f64]| Tensor::from_slice(x, &[x.len()])?.to_dtype(p.dtype());
        let pixel_from_ndc = viewport(&screen(&[0.0, 0.0])?, &screen(&[640.0, 400.0])?)?;
        let pixel = project(&clip_from_object, &pixel_from_ndc, &point)?;
        let results = vec![
            (transform_homogeneous(&clip_from_object, &homogeneous)?, "clip"),
            (transform_points(&clip_from_object, &point)?, "ndc"),
            (pixel.slice(-1, ..2)?, "pixel_640x400"),
        ];
        if p.dtype() == DType::F64 {
            // Depth resolves a point's distance to a thousandth of its own precision here, as near is far nearer than the point.
            let back = unproject(&clip_from_object, &pixel_from_ndc, &pixel)?;
            let off = back.sub(&point)?.abs()?.max(&[], false)?.item::<f64>()?;
            assert!(off < 1e-9, "unproject is off by {off:e}");
        }
        Ok(results)
    });
}

#[test]
fn what_is_not_valid_is_refused_in_one_sentence() {
    each_file(|file| {
        for case in file["invalid"].as_array().unwrap() {
            let of = |field: &str| tensor(&case[field], DType::F64);
            let call = case["call"].as_str().unwrap();
            let error = match call {
                "perspective" => perspective(&of("fovy"), &of("aspect"), &of("near"), &of("far"), DepthRange::ZeroOne).err(),
                "look_at" => look_at(&of("eye"), &of("target"), &of("up")).err(),
                "normalize" => quaternion::normalize(&of("quaternion")).err(),
                other => panic!("a call that no case should have: {other}"),
            };
            let words = error.unwrap_or_else(|| panic!("{call} did not refuse: {}", case["why"])).to_string();
            let expected = match case["why"].as_str().unwrap() {
                "near must be above 0" => "perspective: near is 0; it must be above 0",
                "far must be beyond near" => "perspective: far lies beyond near by 0; that must be above 0",
                "field of view must lie in (0, pi)" => "perspective: the angle of view is 0; it must be between 0 and π",
                "aspect must be above 0" => "perspective: the aspect is 0; it must be above 0",
                "eye and target coincide" => "look_at: eye and target are both [1, 1, 1]",
                "up is parallel to the view direction" => "look_at: up is [0, 1, 0], parallel to the direction of view, [0, -2, 0]",
                "the zero quaternion is no rotation" => {
                    "quaternion::normalize: the quaternion is [0, 0, 0, 0], which is no rotation"
                }
                other => panic!("a reason that no case should have: {other}"),
            };
            assert_eq!(words, expected);
        }
    });
}
