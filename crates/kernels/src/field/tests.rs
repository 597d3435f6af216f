//! The kernels against their twins, gradients against central differences, and bits against the number of threads.

use super::*;
use crate::naive::{self, close, numbers};
use crate::threads;

const COUNTS: [&[i64]; 4] = [&[0], &[0, 0, 0], &[0, 3, 3, 20, 21, 61], &[0, 1]];

struct Rays {
    densities: Vec<f64>,
    colors: Vec<f64>,
    starts: Vec<f64>,
    ends: Vec<f64>,
    offsets: Vec<i64>,
}

impl Rays {
    fn new(offsets: &[i64], channels: usize) -> Self {
        let n = *offsets.last().unwrap() as usize;
        let steps = numbers(n, 3);
        let starts: Vec<f64> = (0..n).map(|i| 2.0 + 0.2 * i as f64).collect();
        let ends = starts.iter().zip(&steps).map(|(start, x)| start + 0.1 + 0.04 * x).collect();
        let densities = numbers(n, 1).iter().map(|x| (1.5 * x).max(0.0)).collect();
        Self { densities, colors: numbers(n * channels, 2), starts, ends, offsets: offsets.to_vec() }
    }

    fn samples(&self) -> RaySamples<'_, f64> {
        let Self { densities, colors, starts, ends, offsets } = self;
        RaySamples { densities, colors, starts, ends, offsets }
    }
}

fn composited(rule: CompositeRule, samples: RaySamples<'_, f64>) -> (Vec<f64>, Vec<f64>) {
    let rays = samples.offsets.len() - 1;
    let (mut out, mut weights) = (vec![7.0; rays * rule.wide()], vec![7.0; samples.densities.len()]);
    composite(rule, samples, &mut out, &mut weights);
    (out, weights)
}

#[test]
fn pixels_are_those_of_the_twin() {
    for offsets in COUNTS {
        for (channels, stop) in [(1, 0.0), (3, 0.0), (3, 0.3), (8, 1e-4)] {
            let (rays, rule) = (Rays::new(offsets, channels), CompositeRule { channels, stop });
            let (found, weights) = composited(rule, rays.samples());
            let (expected, expected_weights) = naive::composite(rule, rays.samples());
            // Colours of both signs cancel in a sum, and so do the twin's 1 and e⁻ˣ.
            close(&found, &expected, 1e-12);
            close(&weights, &expected_weights, 1e-12);
        }
    }
}

#[test]
fn gradients_of_pixels_are_differences() {
    for (channels, stop) in [(1, 0.0), (3, 0.05)] {
        let (mut rays, rule) = (Rays::new(COUNTS[2], channels), CompositeRule { channels, stop });
        let n = rays.densities.len();
        let (bars, weight_bars) = (numbers(5 * rule.wide(), 5), numbers(n, 6));
        let [mut densities, mut colors, mut starts, mut ends] = [n, n * channels, n, n].map(|len| vec![7.0; len]);
        let (_, weights) = composited(rule, rays.samples());
        let out = RaySamplesMut { densities: &mut densities, colors: &mut colors, starts: &mut starts, ends: &mut ends };
        composite_gradient(rule, rays.samples(), &weights, (&bars, Some(&weight_bars)), out);
        let value = |rays: &Rays| -> f64 {
            let (out, weights) = naive::composite(rule, rays.samples());
            let inner = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            inner(&out, &bars) + inner(&weights, &weight_bars)
        };
        for (k, found) in [densities, colors, starts, ends].iter().enumerate() {
            for i in 0..found.len() {
                let mut moved = |h: f64| {
                    let of = [&mut rays.densities, &mut rays.colors, &mut rays.starts, &mut rays.ends];
                    let x = &mut of.into_iter().nth(k).unwrap()[i];
                    *x += h;
                    value(&rays)
                };
                let (above, below) = (moved(1e-6), moved(-2e-6));
                moved(1e-6);
                let difference = (above - below) / 2e-6;
                assert!((difference - found[i]).abs() < 1e-7, "{k}, {i}: {} and {difference}", found[i]);
            }
        }
    }
}

fn grids() -> Vec<HashGridRule> {
    let rule = |style, levels, features, log2_rows, least, most| HashGridRule { style, levels, features, log2_rows, least, most };
    vec![
        rule(HashGridStyle::Paper, 4, 2, 9, 4, 32),
        rule(HashGridStyle::TinyCudaNn, 5, 4, 9, 3, 100),
        rule(HashGridStyle::Paper, 1, 1, 8, 5, 5),
        rule(HashGridStyle::TinyCudaNn, 3, 8, 7, 3, 40),
        rule(HashGridStyle::Paper, 8, 2, 12, 16, 2048),
    ]
}

/// Points within the unit cube, the corner at 0 first.
fn points(n: usize) -> Vec<f64> {
    let mut points: Vec<f64> = numbers(3 * n, 8).iter().map(|x| 0.5 + 0.2495 * x).collect();
    points.iter_mut().take(3).for_each(|x| *x = 0.0);
    points
}

#[test]
fn features_and_their_gradients_are_those_of_the_twin() {
    for rule in grids() {
        let levels = rule.levels();
        let (wide, table) = (rule.levels * rule.features, numbers(rule.rows() * rule.features, 9));
        for n in [0, 1, 15, 16, 33, 700] {
            let (points, bar) = (points(n), numbers(n * wide, 10));
            let mut out = vec![7.0; n * wide];
            hash_grid(&levels, rule.features, &points, &table, &mut out);
            // A position in its cell is known to the rounding of its coordinate times the level's size.
            close(&out, &naive::hash_grid(&levels, rule.features, &points, &table), 1e-12);
            let (of_table, of_points) = naive::hash_grid_gradients(&levels, rule.features, &points, &table, &bar);
            let (mut found_table, mut found_points) = (vec![7.0; table.len()], vec![7.0; 3 * n]);
            hash_grid_table_gradient(&levels, rule.features, &points, &bar, &mut found_table);
            hash_grid_points_gradient(&levels, rule.features, &points, &table, &bar, &mut found_points);
            close(&found_table, &of_table, 1e-12);
            close(&found_points, &of_points, 1e-12);
        }
    }
}

#[test]
fn points_outside_and_numbers_that_are_none_stay_within_the_table() {
    for rule in grids() {
        let table = numbers(rule.rows() * rule.features, 9);
        let points: Vec<f64> = [1.0, -1e-9, 1e300, -1e300, f64::NAN, f64::INFINITY, 7.5, -0.5, 1.0].to_vec();
        let mut out = vec![7.0; 3 * rule.levels * rule.features];
        hash_grid(&rule.levels(), rule.features, &points, &table, &mut out);
        let bar = numbers(out.len(), 2);
        let mut of_table = vec![0.0; table.len()];
        hash_grid_table_gradient(&rule.levels(), rule.features, &points, &bar, &mut of_table);
    }
}

#[test]
fn levels_have_the_sizes_of_their_style() {
    let [paper, tiny, ..] = grids()[..] else { unreachable!() };
    let told = |rule: HashGridRule| rule.levels().iter().map(|l| (l.side, l.rows, l.dense)).collect::<Vec<_>>();
    assert_eq!(told(paper), [(5, 125, true), (9, 512, false), (17, 512, false), (33, 512, false)]);
    assert_eq!(told(tiny)[..2], [(3, 32, true), (8, 512, true)]);
    assert_eq!(tiny.rows(), tiny.levels().iter().map(|level| level.rows as usize).sum::<usize>());
    let level = HashLevel { scale: 1.0, shift: 0.0, side: 2048, rows: 1 << 15, dense: false, first: 0 };
    assert_eq!(level.row([1, 1, 1]), 11813);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let n = 9000;
    let offsets: Vec<i64> = (0..=300).map(|ray| ray * n / 300).collect();
    let (rays, rule) = (Rays::new(&offsets, 3), CompositeRule { channels: 3, stop: 1e-4 });
    let grid = HashGridRule { style: HashGridStyle::Paper, levels: 7, features: 2, log2_rows: 12, least: 4, most: 200 };
    let (points, table) = (points(n as usize), numbers(2 * grid.rows(), 9));
    let bar = numbers(14 * n as usize, 10);
    let all = || {
        let mut all = composited(rule, rays.samples());
        let mut features = vec![0.0; 14 * n as usize];
        hash_grid(&grid.levels(), 2, &points, &table, &mut features);
        let mut gradient = vec![0.0; table.len()];
        hash_grid_table_gradient(&grid.levels(), 2, &points, &bar, &mut gradient);
        all.0.extend(features);
        all.1.extend(gradient);
        all
    };
    let found = [1, 2, 3].map(|count| threads::with_count(count, &all));
    assert!(found[0] == found[1] && found[1] == found[2]);
}
