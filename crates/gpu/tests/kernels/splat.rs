//! Splats against the processor's kernels in f32, of the same inputs: pictures within 1e-5 of their largest number or 1, gradients within 1e-4 of their largest.
//!
//! Tiles are of another size here; pictures do not depend on them.

use monotile_gpu::{
    GpuOperand, GpuScreenSplats, GpuSplatBins, GpuSplatShapes, GpuStream, GpuType, blend_splats, blend_splats_backward, copy,
    project_splats, project_splats_backward, splat_colors, splat_colors_backward,
};
use monotile_kernels::splat::{
    self as cpu, BlendRule, CameraRows, ProjectRule, ScreenSplats, ScreenSplatsMut, SplatBins, SplatShapes, SplatShapesMut, stated,
};

use crate::{download, numbers, streams, upload};

/// A scene before a camera that looks along z.
struct Sample {
    rule: ProjectRule,
    camera: CameraRows,
    /// Means, rotations, log scales, logits.
    shapes: [Vec<f32>; 4],
    harmonics: Vec<f32>,
}

/// What is on the screen: positions, conics, depths, opacities.
type Screen = [Vec<f32>; 4];

fn scaled(n: usize, seed: u32, by: f32, more: f32) -> Vec<f32> {
    numbers(n, seed).iter().map(|x| by * x + more).collect()
}

fn sample(n: usize, [width, height]: [usize; 2], parallel: bool, antialiased: bool) -> Sample {
    let mut means = scaled(3 * n, 1, 0.6, 0.0);
    let mut log_scales = scaled(3 * n, 3, 0.3, -2.0);
    let mut logits = scaled(n, 4, 0.75, 0.0);
    for i in 0..n {
        match i % 50 {
            // Behind the camera; where the one before is, at the same depth; over the whole picture; no number.
            10 => means[3 * i + 2] = -9.0,
            20 => means.copy_within(3 * i - 3..3 * i, 3 * i),
            30 => log_scales[3 * i..3 * i + 3].fill(3.0),
            40 => logits[i] = f32::NAN,
            // Opaque.
            5 | 45 => logits[i] = 8.0,
            _ => {}
        }
    }
    let far = [0.11, -0.07, 1.0, 4.1];
    let mut camera = [0.0; 24];
    camera[..12].copy_from_slice(&[2.1, 0.05, 0.2, 0.1, 0.03, -2.2, -0.1, 0.05, 0.0, 0.0, 0.0, 1.0]);
    match parallel {
        true => camera[..8].iter_mut().for_each(|x| *x *= 0.4),
        false => camera[8..12].copy_from_slice(&far),
    }
    camera[12..16].copy_from_slice(&far);
    camera[16..20].copy_from_slice(if parallel { &[-0.11, 0.07, -1.0, 0.0] } else { &[0.2, 0.1, -4.0, 1.0] });
    camera[20..].copy_from_slice(&[-0.3, 0.4, -0.35, f64::INFINITY]);
    let rule = ProjectRule { width, height, blur: stated::BLUR, near: stated::NEAR, antialiased };
    Sample { rule, camera, shapes: [means, numbers(4 * n, 2), log_scales, logits], harmonics: scaled(48 * n, 5, 0.15, 0.0) }
}

fn shapes([means, rotations, log_scales, logits]: &[Vec<f32>; 4]) -> SplatShapes<'_, f32> {
    SplatShapes { means, rotations, log_scales, logits }
}

fn screen([positions, conics, depths, opacities]: &Screen) -> ScreenSplats<'_, f32> {
    ScreenSplats { positions, conics, depths, opacities }
}

fn screen_mut([positions, conics, depths, opacities]: &mut Screen) -> ScreenSplatsMut<'_, f32> {
    ScreenSplatsMut { positions, conics, depths, opacities }
}

fn zeros<const K: usize>(n: usize, wide: [usize; K]) -> [Vec<f32>; K] {
    wide.map(|wide| vec![0.0; wide * n])
}

impl Sample {
    fn screen(&self) -> Screen {
        let mut out = zeros(self.shapes[3].len(), [2, 3, 1, 1]);
        cpu::project(self.rule, &self.camera, shapes(&self.shapes), screen_mut(&mut out));
        out
    }
}

fn there(stream: &GpuStream, x: &[f32], wide: usize) -> GpuOperand {
    let rows = [x.len() / wide, wide];
    GpuOperand::contiguous(&upload(stream, x), GpuType::F32, if wide == 1 { &rows[..1] } else { &rows }).unwrap()
}

fn screen_there(stream: &GpuStream, x: &Screen) -> GpuScreenSplats {
    let [positions, conics, depths, opacities] = [(0, 2), (1, 3), (2, 1), (3, 1)].map(|(k, wide)| there(stream, &x[k], wide));
    GpuScreenSplats { positions, conics, depths, opacities }
}

fn here(stream: &GpuStream, x: &GpuOperand) -> Vec<f32> {
    download(stream, &copy(stream, x, GpuType::F32).unwrap())[..x.elements()].to_vec()
}

fn screen_here(stream: &GpuStream, x: &GpuScreenSplats) -> Screen {
    [&x.positions, &x.conics, &x.depths, &x.opacities].map(|x| here(stream, x))
}

/// Panics unless numbers are equal but for `tolerance`, taken of the largest, or of `least` if that is more.
#[track_caller]
fn near(what: &str, found: &[f32], expected: &[f32], tolerance: f32, least: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().filter(|x| x.is_finite()).fold(least, |m, x| m.max(x.abs()));
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        let same = (x - y).abs() <= tolerance * largest || (x.is_nan() && y.is_nan());
        assert!(same, "{what}: number {i} is {x}, not {y}, {:e} of {largest}", (x - y).abs() / largest);
    }
}

const PICTURE: f32 = 1e-5;
const GRADIENT: f32 = 1e-4;
const NAMES: [&str; 4] = ["positions", "conics", "depths", "opacities"];

#[test]
fn splats_are_projected_as_on_the_cpu() {
    for (label, stream) in streams() {
        for (n, parallel, antialiased) in
            [(0, false, false), (1, false, true), (500, false, false), (500, false, true), (500, true, false), (65, true, true)]
        {
            let what = format!("{label}, {n} splats, {parallel} {antialiased}");
            let of = sample(n, [40, 24], parallel, antialiased);
            let [means, rotations, log_scales, logits] =
                [(0, 3), (1, 4), (2, 3), (3, 1)].map(|(k, wide)| there(&stream, &of.shapes[k], wide));
            let splats = GpuSplatShapes { means, rotations, log_scales, logits };
            let expected = of.screen();
            let seen = project_splats(&stream, &of.rule, &of.camera, &splats).unwrap();
            let found = screen_here(&stream, &seen);
            for k in 0..4 {
                near(&format!("{what}: {}", NAMES[k]), &found[k], &expected[k], PICTURE, 1.0);
            }
            let weights: Screen = [scaled(2 * n, 11, 0.5, 0.0), numbers(3 * n, 12), numbers(n, 13), numbers(n, 14)];
            let mut bars = zeros(n, [3, 4, 3, 1]);
            let [m, r, l, o] = &mut bars;
            let out = SplatShapesMut { means: m, rotations: r, log_scales: l, logits: o };
            let camera_bar = cpu::project_gradient(of.rule, &of.camera, shapes(&of.shapes), &expected[2], screen(&weights), out);
            let weights = screen_there(&stream, &weights);
            let run = || {
                let (bars, camera) =
                    project_splats_backward(&stream, &of.rule, &of.camera, &splats, &seen.depths, &weights).unwrap();
                let [means, rotations, log_scales, logits] =
                    [bars.means, bars.rotations, bars.log_scales, bars.logits].map(|x| here(&stream, &x));
                [means, rotations, log_scales, logits, download(&stream, &camera)]
            };
            let found = run();
            for k in 0..4 {
                near(&format!("{what}: gradient {k}"), &found[k], &bars[k], GRADIENT, 0.0);
            }
            near(&format!("{what}: camera"), &found[4], &camera_bar.map(|x| x as f32), GRADIENT, 0.0);
            assert_eq!(run(), found, "{what}: the same bits");
        }
    }
}

#[test]
fn colors_are_those_of_the_cpu() {
    for (label, stream) in streams() {
        for (n, coefficients, parallel) in [(0, 4, false), (1, 1, false), (70, 4, false), (500, 9, true), (500, 16, false)] {
            let what = format!("{label}, {n} splats, {coefficients} coefficients");
            let of = sample(n, [40, 24], parallel, false);
            let mut harmonics = of.harmonics[..3 * coefficients * n].to_vec();
            if n > 60 {
                harmonics[3 * coefficients * 60] = f32::NAN;
            }
            let (means, depths) = (&of.shapes[0], &of.screen()[2]);
            let mut expected = vec![0.0; 3 * n];
            cpu::colors(&of.camera, means, &harmonics, depths, &mut expected);
            let sizes = [n, coefficients, 3];
            let h = GpuOperand::contiguous(&upload(&stream, &harmonics), GpuType::F32, &sizes).unwrap();
            let (m, d) = (there(&stream, means, 3), there(&stream, depths, 1));
            let found = download(&stream, &splat_colors(&stream, &of.camera, [&m, &h, &d]).unwrap());
            near(&what, &found, &expected, PICTURE, 1.0);
            let mut weights = numbers(3 * n, 31);
            if n > 60 {
                weights[180..183].fill(0.0);
                weights[90..93].fill(0.0);
            }
            let (mut means_bar, mut harmonics_bar) = (vec![0.0; 3 * n], vec![0.0; harmonics.len()]);
            let eye = cpu::colors_gradient(&of.camera, means, &harmonics, depths, &weights, [&mut means_bar, &mut harmonics_bar]);
            let bar = there(&stream, &weights, 3);
            let run = || splat_colors_backward(&stream, &of.camera, [&m, &h, &d], &bar).unwrap().map(|x| download(&stream, &x));
            let found = run();
            near(&format!("{what}: means"), &found[0], &means_bar, GRADIENT, 0.0);
            near(&format!("{what}: harmonics"), &found[1], &harmonics_bar, GRADIENT, 0.0);
            near(&format!("{what}: eye"), &found[2], &[16, 17, 18].map(|k| eye[k] as f32), GRADIENT, 0.0);
            assert_eq!(run(), found, "{what}: the same bits");
        }
    }
}

#[test]
fn pictures_and_their_gradients_are_those_of_the_cpu() {
    for (label, stream) in streams() {
        for (n, size, channels, cut) in [
            (0, [17, 33], 3, true),
            (1, [1, 1], 1, true),
            (500, [17, 33], 3, true),
            (500, [40, 24], 1, true),
            (60, [40, 24], 5, false),
            (200, [24, 9], 8, true),
            // Several batches of each tile.
            (700, [20, 16], 3, false),
        ] {
            let what = format!("{label}, {n} splats, {size:?}, {channels} channels");
            let of = sample(n, size, false, false);
            let (least, most, stop) =
                if cut { (stated::LEAST_ALPHA, stated::MOST_ALPHA, stated::LEAST_TRANSMITTANCE) } else { (0.0, 1.0, 0.0) };
            let rule = BlendRule { width: size[0], height: size[1], channels, least, most, stop };
            let (mut on_screen, colors) = (of.screen(), scaled(channels * n, 6, 0.25, 0.5));
            if channels == 5 {
                // Depths on both sides of 0.
                on_screen[2].iter_mut().for_each(|depth| *depth -= 4.0);
            }
            let bins = SplatBins::new(&rule, screen(&on_screen), &colors).unwrap();
            let mut expected = vec![0.0; size[0] * size[1] * (channels + 2)];
            cpu::blend(&bins, &mut expected);
            let cotangent = numbers(expected.len(), 7);
            let (mut bars, mut colors_bar) = (zeros(n, [2, 3, 1, 1]), vec![0.0; channels * n]);
            cpu::blend_gradient(&bins, [&expected, &cotangent], screen_mut(&mut bars), &mut colors_bar).unwrap();

            let shape = [size[1], size[0], channels + 2];
            let splats = screen_there(&stream, &on_screen);
            let c = GpuOperand::contiguous(&upload(&stream, &colors), GpuType::F32, &[n, channels]).unwrap();
            let bar = GpuOperand::contiguous(&upload(&stream, &cotangent), GpuType::F32, &shape).unwrap();
            let run = || {
                let bins = GpuSplatBins::new(&stream, &rule, &splats, &c).unwrap();
                let picture = blend_splats(&stream, &bins).unwrap();
                let drawn = GpuOperand::contiguous(&picture, GpuType::F32, &shape).unwrap();
                let (bars, colors_bar) = blend_splats_backward(&stream, &bins, [&drawn, &bar]).unwrap();
                (download(&stream, &picture), screen_here(&stream, &bars), here(&stream, &colors_bar))
            };
            let found = run();
            near(&what, &found.0, &expected, PICTURE, 1.0);
            for k in 0..4 {
                near(&format!("{what}: {}", NAMES[k]), &found.1[k], &bars[k], GRADIENT, 0.0);
            }
            near(&format!("{what}: colors"), &found.2, &colors_bar, GRADIENT, 0.0);
            assert_eq!(run(), found, "{what}: the same bits");
            let awaited = pollster::block_on(GpuSplatBins::awaited(&stream, &rule, &splats, &c)).unwrap();
            assert_eq!(download(&stream, &blend_splats(&stream, &awaited).unwrap()), found.0, "{what}: awaited");
        }
    }
}

/// Splats a pixel wide and far longer than the picture, whose determinants cancel: every tile that they cross has them.
#[test]
fn needles_are_in_all_tiles_that_they_cross() {
    for (label, stream) in streams() {
        let size = [90, 70];
        let mut of = sample(80, size, false, false);
        for (i, scales) in of.shapes[2].chunks_exact_mut(3).enumerate() {
            scales.copy_from_slice(&[-6.0, [0.3, 2.0, 3.5][i % 3], -6.0]);
        }
        let rule = BlendRule { width: size[0], height: size[1], channels: 3, least: 1.0 / 255.0, most: 0.99, stop: 0.0 };
        let (on_screen, colors) = (of.screen(), scaled(240, 6, 0.25, 0.5));
        let bins = SplatBins::new(&rule, screen(&on_screen), &colors).unwrap();
        let mut expected = vec![0.0; size[0] * size[1] * 5];
        cpu::blend(&bins, &mut expected);
        let bins = GpuSplatBins::new(&stream, &rule, &screen_there(&stream, &on_screen), &there(&stream, &colors, 3)).unwrap();
        // Of 30 tiles a needle crosses some and not all.
        assert!(bins.pairs() > 3 * 80 && bins.pairs() < 20 * 80, "{} pairs", bins.pairs());
        // Exponents cancel as well, and both sides round them; a tile too few would be seen by 1/255 or more of coverage.
        near(&label, &download(&stream, &blend_splats(&stream, &bins).unwrap()), &expected, 2e-4, 1.0);
    }
}

/// Rows of wider arrays, and columns before rows, are read where they lie or copied.
#[test]
fn operands_may_be_views() {
    for (label, stream) in streams() {
        let (n, of) = (70, sample(70, [40, 24], false, false));
        let [means, rotations, log_scales, logits] =
            [(0, 3), (1, 4), (2, 3), (3, 1)].map(|(k, wide)| there(&stream, &of.shapes[k], wide));
        let plain = GpuSplatShapes { means, rotations, log_scales, logits };
        let wide: Vec<f32> = of.shapes[0].chunks_exact(3).flat_map(|row| [9.0, row[0], row[1], row[2], 9.0]).collect();
        let means = GpuOperand::strided(&upload(&stream, &wide), GpuType::F32, &[n, 3], &[5, 1], 1).unwrap();
        let columns: Vec<f32> = (0..4 * n).map(|e| of.shapes[1][e % n * 4 + e / n]).collect();
        let rotations = GpuOperand::strided(&upload(&stream, &columns), GpuType::F32, &[n, 4], &[1, n as isize], 0).unwrap();
        let later = [&[9.0][..], &of.shapes[3]].concat();
        let logits = GpuOperand::strided(&upload(&stream, &later), GpuType::F32, &[n], &[1], 1).unwrap();
        let views = GpuSplatShapes { means, rotations, log_scales: plain.log_scales.clone(), logits };
        let [expected, found] =
            [plain, views].map(|splats| screen_here(&stream, &project_splats(&stream, &of.rule, &of.camera, &splats).unwrap()));
        assert!(expected == found, "{label}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (label, stream) in streams() {
        let of = sample(2, [8, 8], false, false);
        let splats = screen_there(&stream, &of.screen());
        let rule = BlendRule { width: 8, height: 8, channels: 3, least: 0.0, most: 1.0, stop: 0.0 };
        let colors = there(&stream, &[0.0; 4], 2);
        let words = GpuSplatBins::new(&stream, &rule, &splats, &colors).unwrap_err().to_string();
        assert!(words.contains("splat_bins: takes f32 of sizes [2, 3], got F32 of [2, 2]"), "{label}: {words}");
        let words = splat_colors(&stream, &of.camera, [&colors, &colors, &colors]).unwrap_err().to_string();
        assert!(words.contains("splat_colors: coefficients of sizes [2, 2] are not (N, K, 3)"), "{label}: {words}");
    }
    // Every splat at every pixel: more pairs than a binding of WebGPU 1.0 has words.
    if let Some((label, stream)) = streams().into_iter().find(|(label, _)| label.ends_with("as WebGPU 1.0")) {
        let rule = BlendRule { width: 65536, height: 16384, channels: 1, least: 0.0, most: 1.0, stop: 0.0 };
        let splats = screen_there(&stream, &sample(10, [8, 8], false, false).screen());
        let colors = there(&stream, &[0.5; 10], 1);
        let colors = GpuOperand::strided(colors.block(), GpuType::F32, &[10, 1], &[1, 1], 0).unwrap();
        let words = GpuSplatBins::new(&stream, &rule, &splats, &colors).unwrap_err().to_string();
        let expected = "splat_bins: 41943040 pairs of a splat and a tile of the picture are more than the 33554432 that";
        assert!(words.contains(expected), "{label}: {words}");
    }
}
