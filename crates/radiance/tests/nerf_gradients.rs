//! The operations of radiance fields against central differences in every input, their refusals, and their ends.

use monotile::tape::{CheckGradientOptions, check_gradient, grad};
use monotile::{DType, Rng, Tensor};
use monotile_radiance::{
    CompositeOptions, FrequencyOptions, HashGrid, HashGridOptions, HashGridStyle, MatrixCamera, composite, direction_harmonics,
    frequency_encoding, rays,
};

fn uniform(shape: &[usize], low: f64, high: f64, seed: u64) -> Tensor {
    Rng::new(seed).uniform(shape, low, high, DType::F64).unwrap()
}

fn once() -> CheckGradientOptions {
    CheckGradientOptions { order: 1, ..CheckGradientOptions::default() }
}

#[test]
fn composites_agree_with_differences() {
    let offsets = [0, 4, 4, 5, 11];
    for stop in [0.0, 0.2] {
        let starts = Tensor::arange(11).unwrap().to_dtype(DType::F64).unwrap().mul(0.3).unwrap();
        let ends = starts.add(uniform(&[11], 0.1, 0.25, 1)).unwrap();
        let inputs = [uniform(&[11], 0.2, 3.0, 2), uniform(&[11, 3], 0.0, 1.0, 3), starts, ends];
        let options = CompositeOptions { least_transmittance: stop };
        let f = |x: &[Tensor]| {
            let seen = composite(&x[0], &x[1], [&x[2], &x[3]], &offsets, &options)?;
            Ok(vec![seen.colors, seen.opacities, seen.depths, seen.transmittances, seen.weights])
        };
        check_gradient(f, &inputs, &once()).unwrap();
    }
}

#[test]
fn features_agree_with_differences() {
    for (style, features) in [(HashGridStyle::Paper, 2), (HashGridStyle::TinyCudaNn, 4), (HashGridStyle::Paper, 1)] {
        let grid = HashGrid::new(HashGridOptions { style, levels: 3, features, log2_rows: 6, least: 2, most: 9 }).unwrap();
        // No point is near a face of a cell, where the slope has a step.
        let near = |x: &f64| grid.levels().iter().all(|l| ((x * l.scale + l.shift).fract() - 0.5).abs() < 0.49);
        let numbers: Vec<f64> = uniform(&[200], 0.02, 0.98, 5).to_vec::<f64>().unwrap().into_iter().filter(near).take(15).collect();
        let points = Tensor::from_vec(numbers, &[5, 3]).unwrap();
        let table = uniform(&[grid.rows(), features], -1.0, 1.0, 6);
        check_gradient(|x| Ok(vec![grid.encode(&x[0], &x[1])?]), &[points, table], &once()).unwrap();
    }
}

#[test]
fn encodings_agree_with_differences_twice() {
    let x = uniform(&[4, 3], -1.0, 1.0, 7);
    let options = FrequencyOptions { frequencies: 3, factor: 1.0, include_input: true };
    let twice = CheckGradientOptions { order: 2, ..CheckGradientOptions::default() };
    check_gradient(|x| Ok(vec![frequency_encoding(&x[0], &options)?]), std::slice::from_ref(&x), &twice).unwrap();
    for degrees in 1..=4 {
        let y = direction_harmonics(&x, degrees).unwrap();
        assert_eq!(y.shape(), [4, degrees * degrees]);
        check_gradient(|x| Ok(vec![direction_harmonics(&x[0], degrees)?]), std::slice::from_ref(&x), &twice).unwrap();
    }
}

fn camera(parallel: bool) -> [Tensor; 2] {
    let view = [[0.96, 0.0, 0.28, 0.05], [0.0576, 0.9784, -0.1974, -0.1], [-0.274, 0.2057, 0.9395, -4.2], [0.0, 0.0, 0.0, 1.0]];
    let lens = match parallel {
        false => [[2.1, 0.03, 0.08, 0.0], [0.0, 2.3, -0.05, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]],
        true => [[0.7, 0.0, 0.0, 0.06], [0.02, 0.8, 0.0, -0.04], [0.0, 0.0, -0.1, 0.0], [0.0, 0.0, 0.0, 1.0]],
    };
    [Tensor::from_rows(&view).unwrap(), Tensor::from_rows(&lens).unwrap()]
}

/// Points of rays are seen where the rays went through the picture, and gradients are differences.
#[test]
fn rays_are_the_inverse_of_the_projection() {
    let last = Tensor::from_rows(&[[0.0, 0.0, 0.0, 1.0]]).unwrap();
    for parallel in [false, true] {
        let [view, lens] = camera(parallel);
        let pixels = uniform(&[6, 2], 0.0, 24.0, 9);
        let of = |view: &Tensor, lens: &Tensor, pixels: &Tensor| {
            let camera = MatrixCamera { view_from_world: view.clone(), clip_from_view: lens.clone(), width: 32, height: 24 };
            rays(&camera, pixels)
        };
        let seen = of(&view, &lens, &pixels).unwrap();
        for t in [0.5, 3.0] {
            let points = seen.origins.add(seen.directions.mul(t).unwrap()).unwrap();
            let points = Tensor::cat(&[points, Tensor::ones(&[6, 1], DType::F64).unwrap()], 1).unwrap();
            let in_view = points.matmul(&view.mt()).unwrap();
            let clip = in_view.matmul(&lens.mt()).unwrap().to_vec::<f64>().unwrap();
            let depths = in_view.to_vec::<f64>().unwrap();
            for (k, pixel) in pixels.to_vec::<f64>().unwrap().chunks(2).enumerate() {
                let (w, size) = (clip[4 * k + 3], [32.0, -24.0]);
                for a in 0..2 {
                    let at = 0.5 * size[a] * clip[4 * k + a] / w + 0.5 * size[a].abs();
                    assert!((at - pixel[a]).abs() < 1e-12 * 32.0, "{at} and {}", pixel[a]);
                }
                assert!((depths[4 * k + 2] + t).abs() < 1e-13);
            }
        }
        let f = |x: &[Tensor]| {
            let view = Tensor::cat(&[&x[0], &last], 0)?;
            let seen = of(&view, &x[1], &x[2])?;
            Ok(vec![seen.origins, seen.directions])
        };
        check_gradient(f, &[view.slice(0, ..3).unwrap(), lens, pixels], &CheckGradientOptions::default()).unwrap();
    }
}

#[test]
fn nothing_is_seen_along_no_ray() {
    let none = Tensor::zeros(&[0], DType::F32).unwrap();
    let colors = Tensor::zeros(&[0, 3], DType::F32).unwrap().requires_grad();
    let seen = composite(&none, &colors, [&none, &none], &[0], &CompositeOptions::default()).unwrap();
    assert_eq!((seen.colors.shape(), seen.weights.shape()), (&[0, 3][..], &[0][..]));
    let black = composite(&none, &colors, [&none, &none], &[0, 0, 0], &CompositeOptions::default()).unwrap();
    assert_eq!(black.colors.to_vec::<f32>().unwrap(), [0.0; 6]);
    assert_eq!(grad(&black.colors.sum(&[], false).unwrap(), &[&colors]).unwrap()[0].shape(), [0, 3]);
    let grid = HashGrid::new(HashGridOptions::default()).unwrap();
    let points = Tensor::zeros(&[0, 3], DType::F32).unwrap();
    let table = grid.table(&mut Rng::new(1)).unwrap();
    assert_eq!(grid.encode(&points, &table).unwrap().shape(), [0, 16]);
    assert_eq!(direction_harmonics(&points, 4).unwrap().shape(), [0, 16]);
}

fn refused<T>(found: monotile::Result<T>, words: &str) {
    let Err(error) = found else { panic!("not refused: {words}") };
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn refusals_say_what_is_taken() {
    let (s, c) = (Tensor::zeros(&[3], DType::F32).unwrap(), Tensor::zeros(&[3, 3], DType::F32).unwrap());
    let options = CompositeOptions::default();
    refused(
        composite(&s, &s, [&s, &s], &[0, 3], &options),
        "composite: takes densities [S], colors [S, C], starts [S] and ends [S], got [[3], [3], [3], [3]]",
    );
    refused(composite(&s, &c, [&s, &s], &[0, 2], &options), "composite: offsets must go from 0 up to the number of samples, 3");
    refused(composite(&s, &c, [&s, &s], &[0, 3, 2, 3], &options), "composite: offsets must go from 0 up");
    let odd = CompositeOptions { least_transmittance: f64::NAN };
    refused(composite(&s, &c, [&s, &s], &[0, 3], &odd), "composite: least_transmittance is from 0 to 1, not NaN");
    refused(
        HashGrid::new(HashGridOptions { features: 3, ..HashGridOptions::default() }),
        "hash_grid: takes 1 to 32 levels, 1, 2, 4 or 8 features, log2_rows from 3 to 24 and 2 <= least <= most <= 2^20, got 8, 3, 15, 16 and 256",
    );
    let grid = HashGrid::new(HashGridOptions { levels: 1, least: 2, most: 2, ..HashGridOptions::default() }).unwrap();
    refused(grid.encode(&s, &c), "hash_grid: takes points [B, 3] and a table [27, 2], got [3] and [3, 3]");
    refused(
        frequency_encoding(&s, &FrequencyOptions::default()),
        "frequency_encoding: takes floating-point points [B, D], got f32 [3]",
    );
    let many = FrequencyOptions { frequencies: 65, ..FrequencyOptions::default() };
    refused(frequency_encoding(&c, &many), "frequency_encoding: takes up to 64 frequencies and a finite factor, got 65");
    refused(direction_harmonics(&c, 5), "direction_harmonics: takes 1 to 4 degrees, not 5");
    refused(direction_harmonics(&s, 4), "direction_harmonics: takes floating-point directions [B, 3], got f32 [3]");
    let [view, lens] = camera(false);
    let camera = MatrixCamera { view_from_world: view.zeros_like(), clip_from_view: lens, width: 4, height: 4 };
    refused(rays(&camera, &c), "rays: takes floating-point pixels [B, 2], got f32 [3, 3]");
    refused(rays(&camera, &Tensor::zeros(&[1, 2], DType::F64).unwrap()), "rays");
}
