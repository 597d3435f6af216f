//! The kernels against their twins, and gradients against central differences.

use super::*;
use crate::naive::{self, NaiveScreen, close, numbers};
use crate::threads;

/// Splats before a camera that looks along z, one that is turned, and one whose rays are parallel.
struct Sample {
    rule: ProjectRule,
    camera: CameraRows,
    means: Vec<f64>,
    rotations: Vec<f64>,
    log_scales: Vec<f64>,
    logits: Vec<f64>,
    harmonics: Vec<f64>,
}

fn sample(n: usize, [width, height]: [usize; 2], parallel: bool, antialiased: bool) -> Sample {
    // Numbers are between -2 and 2.
    let mut means = numbers(3 * n, 1);
    means.chunks_exact_mut(3).for_each(|m| {
        (m[0], m[1], m[2]) = (0.4 * m[0], 0.4 * m[1], m[2] * 0.5);
    });
    let mut rotations = numbers(4 * n, 2);
    rotations.chunks_exact_mut(4).for_each(|q| q[3] += 0.1);
    let log_scales = numbers(3 * n, 3).iter().map(|x| 0.6 * x - 2.0).collect();
    let logits = numbers(n, 4).iter().map(|x| 1.5 * x).collect();
    let harmonics = numbers(48 * n, 5).iter().map(|x| 0.3 * x).collect();
    let mut camera = [0.0; 24];
    let far = [0.11, -0.07, 1.0, 4.1];
    camera[..12].copy_from_slice(&[2.1, 0.05, 0.2, 0.1, 0.03, -2.2, -0.1, 0.05, 0.0, 0.0, 0.0, 1.0]);
    if parallel {
        camera[..8].iter_mut().for_each(|x| *x *= 0.4);
    } else {
        camera[8..12].copy_from_slice(&far);
    }
    camera[12..16].copy_from_slice(&far);
    camera[16..20].copy_from_slice(if parallel { &[-0.11, 0.07, -1.0, 0.0] } else { &[0.2, 0.1, -4.0, 1.0] });
    camera[20..].copy_from_slice(&[-0.3, 0.4, -0.35, 0.3]);
    let rule = ProjectRule { width, height, blur: 0.3, near: 0.01, antialiased };
    Sample { rule, camera, means, rotations, log_scales, logits, harmonics }
}

impl Sample {
    fn arrays(&self) -> [&[f64]; 4] {
        [&self.means, &self.rotations, &self.log_scales, &self.logits]
    }

    fn shapes(&self) -> SplatShapes<'_, f64> {
        let [means, rotations, log_scales, logits] = self.arrays();
        SplatShapes { means, rotations, log_scales, logits }
    }

    fn screen(&self) -> (NaiveScreen, usize) {
        let n = self.logits.len();
        let mut out =
            NaiveScreen { positions: vec![7.0; 2 * n], conics: vec![7.0; 3 * n], depths: vec![7.0; n], opacities: vec![7.0; n] };
        let skipped = project(self.rule, &self.camera, self.shapes(), screen_mut(&mut out));
        (out, skipped)
    }
}

fn screen_mut(x: &mut NaiveScreen) -> ScreenSplatsMut<'_, f64> {
    ScreenSplatsMut { positions: &mut x.positions, conics: &mut x.conics, depths: &mut x.depths, opacities: &mut x.opacities }
}

fn screen(x: &NaiveScreen) -> ScreenSplats<'_, f64> {
    ScreenSplats { positions: &x.positions, conics: &x.conics, depths: &x.depths, opacities: &x.opacities }
}

fn close_screens(found: &NaiveScreen, expected: &NaiveScreen, tolerance: f64) {
    close(&found.positions, &expected.positions, tolerance);
    close(&found.conics, &expected.conics, tolerance);
    close(&found.depths, &expected.depths, tolerance);
    close(&found.opacities, &expected.opacities, tolerance);
}

fn blend_rule(size: [usize; 2], channels: usize, cut: bool) -> BlendRule {
    let (least, most, stop) =
        if cut { (stated::LEAST_ALPHA, stated::MOST_ALPHA, stated::LEAST_TRANSMITTANCE) } else { (0.0, 1.0, 0.0) };
    BlendRule { width: size[0], height: size[1], channels, least, most, stop }
}

#[test]
fn projections_are_those_of_the_twin() {
    for n in [0, 1, 15, 40, 1100] {
        for (parallel, antialiased) in [(false, false), (false, true), (true, false), (true, true)] {
            let of = sample(n, [40, 24], parallel, antialiased);
            // The determinant by a cross product and by a difference differ by its condition.
            close_screens(&of.screen().0, &naive::project_splats(of.rule, &of.camera, of.arrays()), 1e-11);
        }
    }
}

/// ⟨w, project(x)⟩ along random directions of all inputs, the camera's rows too.
#[test]
fn gradients_of_projections_are_differences() {
    let n = 21;
    for (parallel, antialiased) in [(false, false), (false, true), (true, false), (true, true)] {
        let of = sample(n, [40, 24], parallel, antialiased);
        let weights = NaiveScreen {
            positions: numbers(2 * n, 11),
            conics: numbers(3 * n, 12),
            depths: numbers(n, 13),
            opacities: numbers(n, 14),
        };
        let inner = |x: &NaiveScreen| -> f64 {
            let pairs = [
                (&x.positions, &weights.positions),
                (&x.conics, &weights.conics),
                (&x.depths, &weights.depths),
                (&x.opacities, &weights.opacities),
            ];
            pairs.iter().map(|(x, w)| x.iter().zip(w.iter()).map(|(x, w)| x * w).sum::<f64>()).sum()
        };
        let mut bars = [vec![7.0; 3 * n], vec![7.0; 4 * n], vec![7.0; 3 * n], vec![7.0; n]];
        let [means, rotations, log_scales, logits] = &mut bars;
        let out = SplatShapesMut { means, rotations, log_scales, logits };
        let camera_bar = project_gradient(of.rule, &of.camera, of.shapes(), &of.screen().0.depths, screen(&weights), out);
        for seed in 20..24 {
            let along = [3 * n, 4 * n, 3 * n, n].map(|len| numbers(len, seed));
            // The eye is no part of it.
            let turn: Vec<f64> =
                numbers(24, seed + 50).iter().enumerate().map(|(k, x)| if k / 4 == 4 { 0.0 } else { 0.05 * x }).collect();
            let by_rule = bars.iter().zip(&along).map(|(b, v)| b.iter().zip(v).map(|(b, v)| b * v).sum::<f64>()).sum::<f64>()
                + camera_bar.iter().zip(&turn).map(|(b, v)| b * v).sum::<f64>();
            let at = |h: f64| {
                let moved = |x: &[f64], v: &[f64]| x.iter().zip(v).map(|(x, v)| x + h * v).collect::<Vec<_>>();
                let x: Vec<Vec<f64>> = of.arrays().iter().zip(&along).map(|(x, v)| moved(x, v)).collect();
                let camera: CameraRows = moved(&of.camera, &turn).try_into().unwrap();
                inner(&naive::project_splats(of.rule, &camera, [&x[0], &x[1], &x[2], &x[3]]))
            };
            let by_difference = (at(1e-6) - at(-1e-6)) / 2e-6;
            let off = (by_rule - by_difference).abs();
            assert!(off < 1e-6 * by_difference.abs().max(10.0), "{parallel} {antialiased}: {by_rule} and {by_difference}");
        }
    }
}

#[test]
fn colors_are_those_of_the_twin_and_their_gradients_differences() {
    for (n, coefficients, parallel) in [(1, 1, false), (19, 4, false), (33, 9, true), (40, 16, false), (40, 16, true)] {
        let of = sample(n, [40, 24], parallel, false);
        let wide = 3 * coefficients;
        let h = &of.harmonics[..wide * n];
        let mut depths = vec![1.0; n];
        if n > 1 {
            depths[n / 2] = 0.0;
        }
        let mut found = vec![7.0; 3 * n];
        assert_eq!(colors(&of.camera, &of.means, h, &depths, &mut found), 0);
        close(&found, &naive::splat_colors(&of.camera, &of.means, h, &depths), 1e-14);
        let weights = numbers(3 * n, 31);
        let (mut means_bar, mut h_bar) = (vec![7.0; 3 * n], vec![7.0; wide * n]);
        let eye_bar = colors_gradient(&of.camera, &of.means, h, &depths, &weights, [&mut means_bar, &mut h_bar]);
        for seed in 40..43 {
            let (m, v) = (numbers(3 * n, seed), numbers(wide * n, seed + 10));
            let e: Vec<f64> =
                numbers(24, seed).iter().enumerate().map(|(k, x)| if k / 4 == 4 && k < 19 { *x } else { 0.0 }).collect();
            let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let by_rule = inner(&means_bar, &m) + inner(&h_bar, &v) + inner(&eye_bar, &e);
            let at = |step: f64| {
                let moved = |x: &[f64], v: &[f64]| x.iter().zip(v).map(|(x, v)| x + step * v).collect::<Vec<_>>();
                let camera: CameraRows = moved(&of.camera, &e).try_into().unwrap();
                inner(&naive::splat_colors(&camera, &moved(&of.means, &m), &moved(h, &v), &depths), &weights)
            };
            let by_difference = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((by_rule - by_difference).abs() < 1e-7 * by_difference.abs().max(10.0), "{by_rule} and {by_difference}");
        }
    }
}

/// Pictures and gradients in tiles against all pairs, at sizes that end within a tile.
#[test]
fn tiles_are_all_pairs() {
    for (n, size, channels, cut) in [
        (0, [17, 33], 3, true),
        (1, [1, 1], 1, true),
        (40, [17, 33], 3, false),
        (40, [17, 33], 2, true),
        (300, [40, 24], 3, true),
        (60, [24, 9], 8, true),
        (60, [9, 24], 5, false),
    ] {
        let of = sample(n, size, false, false);
        let (on_screen, rule) = (of.screen().0, blend_rule(size, channels, cut));
        let colors = numbers(channels * n, 6);
        let expected = naive::blend_splats(&rule, &on_screen, &colors);
        let cotangent = numbers(expected.len(), 7);
        let (bar, colors_bar) = naive::blend_splats_gradient(&rule, &on_screen, &colors, &cotangent);
        let bins = SplatBins::new(&rule, screen(&on_screen), &colors).unwrap();
        let mut picture = vec![7.0; expected.len()];
        blend(&bins, &mut picture);
        close(&picture, &expected, 1e-13);
        let (mut found, mut colors_found) = (on_screen.clone(), vec![7.0; channels * n]);
        blend_gradient(&bins, [&picture, &cotangent], screen_mut(&mut found), &mut colors_found).unwrap();
        close_screens(&found, &bar, 1e-11);
        close(&colors_found, &colors_bar, 1e-11);
    }
}

/// Tiles in f32 against all pairs in f64 of the same numbers: pictures to 1e-5, gradients to 1e-4 of the largest.
#[test]
fn tiles_of_single_precision_are_all_pairs() {
    for (n, size, channels) in [(1, [1, 1], 3), (60, [17, 33], 3), (80, [40, 24], 6)] {
        let singles = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let doubles = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let of = sample(n, size, false, true).screen().0;
        let [positions, conics, depths, opacities] = [&of.positions, &of.conics, &of.depths, &of.opacities].map(|x| singles(x));
        let exact = NaiveScreen {
            positions: doubles(&positions),
            conics: doubles(&conics),
            depths: doubles(&depths),
            opacities: doubles(&opacities),
        };
        let (rule, colors) = (blend_rule(size, channels, false), singles(&numbers(channels * n, 6)));
        let expected = naive::blend_splats(&rule, &exact, &doubles(&colors));
        let cotangent = singles(&numbers(expected.len(), 7));
        let (bar, colors_bar) = naive::blend_splats_gradient(&rule, &exact, &doubles(&colors), &doubles(&cotangent));
        let seen = ScreenSplats { positions: &positions, conics: &conics, depths: &depths, opacities: &opacities };
        let bins = SplatBins::new(&rule, seen, &colors).unwrap();
        let mut picture = vec![7.0; expected.len()];
        blend(&bins, &mut picture);
        close(&doubles(&picture), &expected, 1e-5);
        let mut bars = [2, 3, 1, 1, channels].map(|k| vec![7_f32; k * n]);
        let [p, q, d, o, c] = &mut bars;
        let out = ScreenSplatsMut { positions: p, conics: q, depths: d, opacities: o };
        blend_gradient(&bins, [&picture, &cotangent], out, c).unwrap();
        let wanted = [&bar.positions, &bar.conics, &bar.depths, &bar.opacities, &colors_bar];
        bars.iter().zip(wanted).for_each(|(found, wanted)| close(&doubles(found), wanted, 1e-4));
    }
}

/// The gradient of all pairs against differences, where nothing is cut off.
#[test]
fn gradients_of_all_pairs_are_differences() {
    let (n, size) = (12, [11, 7]);
    let (on_screen, rule) = (sample(n, size, false, false).screen().0, blend_rule(size, 2, false));
    let colors = numbers(2 * n, 6);
    let cotangent = numbers(size[0] * size[1] * 4, 7);
    let (bar, colors_bar) = naive::blend_splats_gradient(&rule, &on_screen, &colors, &cotangent);
    let steps = [numbers(2 * n, 41), numbers(3 * n, 42), numbers(n, 43), numbers(n, 44), numbers(2 * n, 45)];
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let by_rule = inner(&bar.positions, &steps[0])
        + 1e-3 * inner(&bar.conics, &steps[1])
        + 1e-3 * inner(&bar.depths, &steps[2])
        + 1e-2 * inner(&bar.opacities, &steps[3])
        + inner(&colors_bar, &steps[4]);
    let at = |h: f64| {
        let moved = |x: &[f64], v: &[f64], scale: f64| x.iter().zip(v).map(|(x, v)| x + h * scale * v).collect::<Vec<_>>();
        let x = NaiveScreen {
            positions: moved(&on_screen.positions, &steps[0], 1.0),
            conics: moved(&on_screen.conics, &steps[1], 1e-3),
            depths: moved(&on_screen.depths, &steps[2], 1e-3),
            opacities: moved(&on_screen.opacities, &steps[3], 1e-2),
        };
        inner(&naive::blend_splats(&rule, &x, &moved(&colors, &steps[4], 1.0)), &cotangent)
    };
    let by_difference = (at(1e-6) - at(-1e-6)) / 2e-6;
    assert!((by_rule - by_difference).abs() < 1e-7 * by_difference.abs().max(1.0), "{by_rule} and {by_difference}");
}

/// All bits of picture and gradients, in f32, on 1, 2 and 8 threads.
#[test]
fn bits_do_not_depend_on_threads() {
    let of = sample(3000, [100, 70], false, true);
    let singles = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let [means, rotations, log_scales, logits] = of.arrays().map(singles);
    let harmonics = singles(&of.harmonics);
    let n = logits.len();
    let rule = blend_rule([100, 70], 3, true);
    let all = || {
        let shapes = SplatShapes { means: &means, rotations: &rotations, log_scales: &log_scales, logits: &logits };
        let [mut positions, mut conics, mut depths, mut opacities, mut rgb] = [2, 3, 1, 1, 3].map(|k| vec![0_f32; k * n]);
        let out =
            ScreenSplatsMut { positions: &mut positions, conics: &mut conics, depths: &mut depths, opacities: &mut opacities };
        project(of.rule, &of.camera, shapes, out);
        colors(&of.camera, &means, &harmonics, &depths, &mut rgb);
        let seen = ScreenSplats { positions: &positions, conics: &conics, depths: &depths, opacities: &opacities };
        let bins = SplatBins::new(&rule, seen, &rgb).unwrap();
        let mut picture = vec![0_f32; 100 * 70 * 5];
        blend(&bins, &mut picture);
        let g = singles(&numbers(picture.len(), 9));
        let mut bars = [2, 3, 1, 1, 3].map(|k| vec![0_f32; k * n]);
        let [p, q, d, o, c] = &mut bars;
        let out = ScreenSplatsMut { positions: p, conics: q, depths: d, opacities: o };
        blend_gradient(&bins, [&picture, &g], out, c).unwrap();
        let mut ends = [3, 4, 3, 1, 3, 48].map(|k| vec![0_f32; k * n]);
        let [m, r, s, l, m2, h] = &mut ends;
        let out = SplatShapesMut { means: m, rotations: r, log_scales: s, logits: l };
        let cotangents = ScreenSplats { positions: &bars[0], conics: &bars[1], depths: &bars[2], opacities: &bars[3] };
        let first = project_gradient(of.rule, &of.camera, shapes, &depths, cotangents, out);
        let second = colors_gradient(&of.camera, &means, &harmonics, &depths, &bars[4], [m2, h]);
        let bits = |x: &[f32]| x.iter().map(|x| u64::from(x.to_bits())).collect::<Vec<_>>();
        let camera = first.iter().chain(&second).map(|x| x.to_bits());
        [&picture].into_iter().chain(&bars).chain(&ends).flat_map(|x| bits(x)).chain(camera).collect::<Vec<u64>>()
    };
    let before = threads::count();
    let found = [1, 2, 8].map(|count| {
        threads::set_count(count);
        all()
    });
    threads::set_count(before);
    assert!(found[0] == found[1] && found[1] == found[2]);
    assert!(found[0].iter().any(|&x| x != 0));
}

#[test]
fn what_is_not_finite_is_counted_and_nothing_else_changes() {
    let mut of = sample(20, [40, 24], false, false);
    let clean = of.screen().0;
    of.means[4] = f64::NAN;
    of.rotations[4 * 3..4 * 4].fill(0.0);
    of.log_scales[3 * 7] = f64::INFINITY;
    of.logits[9] = f64::NAN;
    // Legal: a flat splat, one that is opaque, and one that is not there.
    of.log_scales[3 * 11] = f64::NEG_INFINITY;
    (of.logits[12], of.logits[13]) = (f64::INFINITY, f64::NEG_INFINITY);
    let (found, skipped) = of.screen();
    assert_eq!(skipped, 4);
    for i in 0..20 {
        match i {
            1 | 3 | 7 | 9 => assert!(found.opacities[i] == 0.0 && found.depths[i] == 0.0),
            11 => assert!(found.opacities[i] == clean.opacities[i] && found.conics[3 * i..][..3].iter().all(|x| x.is_finite())),
            12 => assert_eq!(found.opacities[i], 1.0),
            13 => assert!(found.opacities[i] < 1e-300),
            _ => assert_eq!(found.positions[2 * i..][..2], clean.positions[2 * i..][..2]),
        }
    }
    // A colour that is not finite hides its splat.
    let rule = blend_rule([40, 24], 1, true);
    let mut colors = vec![1.0; 20];
    let all = SplatBins::new(&rule, screen(&clean), &colors).unwrap().visible();
    colors[5] = f64::NAN;
    assert_eq!(SplatBins::new(&rule, screen(&clean), &colors).unwrap().visible() + 1, all);
    // The same of registers that are filled, in single precision.
    let singles = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let [positions, conics, depths, opacities] =
        [&clean.positions, &clean.conics, &clean.depths, &clean.opacities].map(|x| singles(x));
    let seen = ScreenSplats { positions: &positions, conics: &conics, depths: &depths, opacities: &opacities };
    let (rule, mut colors) = (blend_rule([40, 24], 3, true), vec![1e38_f32; 60]);
    assert_eq!(SplatBins::new(&rule, seen, &colors).unwrap().visible(), all);
    colors[3 * 5 + 2] = f32::INFINITY;
    assert_eq!(SplatBins::new(&rule, seen, &colors).unwrap().visible() + 1, all);
}
