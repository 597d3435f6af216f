use super::*;
use crate::naive::{self, close, numbers};
use crate::simd::{available, dispatch_on};

const MODES: [SampleMode; 2] = [SampleMode::Bilinear, SampleMode::Nearest];
const PADDINGS: [SamplePadding; 3] = [SamplePadding::Zeros, SamplePadding::Border, SamplePadding::Reflection];

fn rules() -> impl Iterator<Item = SampleRule> {
    let with = |mode| {
        PADDINGS.into_iter().flat_map(move |padding| [false, true].map(|align_corners| SampleRule { mode, padding, align_corners }))
    };
    MODES.into_iter().flat_map(with)
}

#[test]
fn samples_and_gradients_are_those_of_the_twin() {
    for (batch, channels, height, width, points) in [
        (1, 1, 4, 5, 7),
        (2, 3, 6, 3, 200),
        (1, 2, 1, 4, 65),
        (3, 1, 5, 1, 64),
        (1, 40, 30, 50, 900),
        (0, 2, 3, 3, 4),
        (2, 0, 3, 3, 4),
    ] {
        let dims = SampleDims { batch, channels, height, width, points };
        let x: Vec<f64> = numbers(batch * channels * height * width, 1);
        let g: Vec<f64> = numbers(batch * channels * points, 2);
        // Points as far as one and a half pictures outside.
        let grid: Vec<f64> = numbers(batch * points * 2, 3).into_iter().map(|v| v * 1.25).collect();
        for rule in rules() {
            let [samples, by_x, by_grid] = naive::sample(dims, rule, &x, &grid, &g);
            let mut out = vec![f64::NAN; samples.len()];
            sample(dims, rule, &x, &grid, &mut out);
            close(&out, &samples, 1e-12);
            let mut out = vec![0.0; x.len()];
            sample_picture_gradient(dims, rule, &grid, &g, &mut out);
            close(&out, &by_x, 1e-11);
            let mut out = vec![f64::NAN; grid.len()];
            sample_grid_gradient(dims, rule, &x, &grid, &g, &mut out);
            close(&out, &by_grid, 1e-10);
        }
    }
}

#[test]
fn what_is_outside_is_not_read_and_nan_stays() {
    let dims = SampleDims { batch: 1, channels: 1, height: 2, width: 2, points: 3 };
    let rule = SampleRule { mode: SampleMode::Bilinear, padding: SamplePadding::Zeros, align_corners: false };
    let x = [f64::INFINITY, 1.0, 2.0, f64::NAN];
    let grid = [9.0, 9.0, f64::NEG_INFINITY, 0.0, f64::NAN, 0.0];
    let mut out = [1.0; 3];
    sample(dims, rule, &x, &grid, &mut out);
    assert_eq!(out[..2], [0.0, 0.0]);
    assert!(out[2].is_nan());
    sample(dims, SampleRule { mode: SampleMode::Nearest, ..rule }, &x, &grid, &mut out);
    assert_eq!(out[0], 0.0);
    assert!(out[2].is_nan());
}

/// Pairs of a slice at places, a register at a time.
struct Pairs<'a, T>(&'a [T], &'a [u32]);

impl<T: Lanes> Kernel<T> for Pairs<'_, T> {
    type Output = Vec<[T; 2]>;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> Vec<[T; 2]> {
        let Self(x, places) = self;
        assert!(places.len() % V::LANES == 0 && places.iter().all(|&place| place as usize + 1 < x.len()));
        let gathered = places.chunks(V::LANES).flat_map(|places| {
            // SAFETY: every place has an element after it.
            let (first, second) = unsafe { V::gather_pairs(isa, x.as_ptr(), places) };
            first.lanes().zip(second.lanes()).map(|(a, b)| [a, b]).collect::<Vec<_>>()
        });
        gathered.collect()
    }
}

#[test]
fn registers_gather_the_pairs_that_are_asked_for() {
    let places: Vec<u32> = (0..32).map(|k| k * 37 % 64).collect();
    let x: Vec<f64> = numbers(65, 5);
    let expected: Vec<[f64; 2]> = places.iter().map(|&place| [x[place as usize], x[place as usize + 1]]).collect();
    for isa in available() {
        assert_eq!(dispatch_on(isa, Pairs(&x, &places)), expected, "{isa:?}");
        let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let expected: Vec<[f32; 2]> = expected.iter().map(|pair| pair.map(|x| x as f32)).collect();
        assert_eq!(dispatch_on(isa, Pairs(&narrow, &places)), expected, "{isa:?}");
    }
}

#[test]
fn samples_are_the_same_however_many_points_are_located_together() {
    let dims = SampleDims { batch: 1, channels: 2, height: 40, width: 30, points: 1000 };
    let rule = SampleRule { mode: SampleMode::Bilinear, padding: SamplePadding::Zeros, align_corners: false };
    let x: Vec<f32> = numbers(2 * 40 * 30, 1).into_iter().map(|x: f64| x as f32).collect();
    let grid: Vec<f32> = numbers(2000, 3).into_iter().map(|x: f64| x as f32 * 1.25).collect();
    let mut whole = vec![0.0; 2000];
    sample(dims, rule, &x, &grid, &mut whole);
    for p in (0..1000).step_by(7) {
        let mut one = [0.0; 2];
        sample(SampleDims { points: 1, ..dims }, rule, &x, &grid[2 * p..2 * p + 2], &mut one);
        assert_eq!(one, [whole[p], whole[1000 + p]], "point {p}");
    }
}
