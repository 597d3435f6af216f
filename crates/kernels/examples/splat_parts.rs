//! What the parts of a step of splats take: `cargo run --release -p monotile-kernels --example splat_parts`.
//!
//! Arguments: `splat_parts [SPLATS] [ROUNDS] [PART]`. With a part's name it runs alone, so that `perf stat` and `perf record` see nothing else. A row has the shortest time on one thread
//! and on two, the bytes that have to be read and written at least, and the shortest time of one pass over as many bytes in memory, on one thread and on two.

use std::time::Instant;

use monotile_kernels::adam::{AdamColumns, AdamRule, adam};
use monotile_kernels::splat::{
    self, BlendRule, CameraRows, ProjectRule, ScreenSplats, ScreenSplatsMut, SplatBins, SplatShapes, SplatShapesMut, stated,
};
use monotile_kernels::ssim::{SsimRule, ssim_gradient};
use monotile_kernels::threads;

/// Pixels of a side of the picture.
const SIDE: usize = 200;
/// Numbers of the columns: means, rotations, log scales, logits, harmonics.
const WIDE: [usize; 5] = [3, 4, 3, 1, 48];

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    fn normals(&mut self, count: usize, mean: f64, deviation: f64) -> Vec<f32> {
        (0..count).map(|_| (mean + deviation * self.normal()) as f32).collect()
    }
}

/// A shell of radius 1 of small splats, as `monotile bench splat` draws it.
fn shell(n: usize) -> [Vec<f32>; 5] {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut means = random.normals(3 * n, 0.0, 1.0);
    for mean in means.chunks_exact_mut(3) {
        let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        let radius = 1.0 + 0.03 * random.normal() as f32;
        mean.iter_mut().for_each(|x| *x *= radius / length);
    }
    [
        means,
        random.normals(4 * n, 0.0, 1.0),
        random.normals(3 * n, 0.012_f64.ln(), 0.5),
        random.normals(n, 0.0, 2.5),
        random.normals(48 * n, 0.0, 0.15),
    ]
}

/// 4 in front of the shell, with the field of view of NeRF's synthetic scenes.
fn camera() -> CameraRows {
    let f = 1.0 / 0.345_5_f64.tan();
    let mut rows = [0.0; 24];
    (rows[0], rows[5]) = (f, f);
    rows[10..12].copy_from_slice(&[-1.0, 4.0]);
    rows[14..20].copy_from_slice(&[-1.0, 4.0, 0.0, 0.0, 4.0, 1.0]);
    rows[20..].copy_from_slice(&[-1.3, 1.3, -1.3, 1.3]);
    rows
}

/// What is on the screen, or its gradient.
struct Screen([Vec<f32>; 5]);

impl Screen {
    fn new(n: usize) -> Self {
        Self([2, 3, 1, 1, 3].map(|wide| vec![0.0; wide * n]))
    }

    fn splats(&self) -> ScreenSplats<'_, f32> {
        let [positions, conics, depths, opacities, _] = &self.0;
        ScreenSplats { positions, conics, depths, opacities }
    }

    fn splats_mut(&mut self) -> (ScreenSplatsMut<'_, f32>, &mut [f32]) {
        let [positions, conics, depths, opacities, colors] = &mut self.0;
        (ScreenSplatsMut { positions, conics, depths, opacities }, colors)
    }
}

/// All that a step has in memory.
struct Scene {
    n: usize,
    columns: [Vec<f32>; 5],
    averages: [[Vec<f32>; 2]; 5],
    gradients: [Vec<f32>; 5],
    means_by_colors: Vec<f32>,
    screen: Screen,
    bars: Screen,
    bins: Option<SplatBins<f32>>,
    picture: Vec<f32>,
    cotangent: Vec<f32>,
    truth: [Vec<f32>; 2],
    slope: Vec<f32>,
    camera: CameraRows,
}

const PROJECT: ProjectRule = ProjectRule { width: SIDE, height: SIDE, blur: stated::BLUR, near: stated::NEAR, antialiased: false };
const BLEND: BlendRule = BlendRule {
    width: SIDE,
    height: SIDE,
    channels: 3,
    least: stated::LEAST_ALPHA,
    most: stated::MOST_ALPHA,
    stop: stated::LEAST_TRANSMITTANCE,
};
const ADAM: AdamRule = AdamRule { betas: [0.9, 0.999], epsilon: 1e-15, step: 100 };

impl Scene {
    fn new(n: usize) -> Self {
        let (columns, pixels) = (shell(n), SIDE * SIDE);
        let mut random = Random(77);
        let colors = |random: &mut Random| (0..3 * pixels).map(|_| random.uniform() as f32).collect();
        Self {
            n,
            averages: WIDE.map(|wide| [vec![0.0; wide * n], vec![1e-6; wide * n]]),
            gradients: WIDE.map(|wide| vec![0.0; wide * n]),
            means_by_colors: vec![0.0; 3 * n],
            screen: Screen::new(n),
            bars: Screen::new(n),
            bins: None,
            picture: vec![0.0; 5 * pixels],
            cotangent: random.normals(5 * pixels, 0.0, 1e-5),
            truth: [colors(&mut random), colors(&mut random)],
            slope: vec![0.0; 3 * pixels],
            camera: camera(),
            columns,
        }
    }

    fn run(&mut self, part: &str) {
        let Self { camera, columns, screen, bars, picture, cotangent, .. } = self;
        let [means, rotations, log_scales, logits, harmonics] = &*columns;
        let shapes = SplatShapes { means, rotations, log_scales, logits };
        match part {
            "project" => drop(splat::project(PROJECT, camera, shapes, screen.splats_mut().0)),
            "colors" => {
                let Screen([_, _, depths, _, colors]) = screen;
                splat::colors(camera, means, harmonics, depths, colors);
            }
            "bins" => self.bins = Some(SplatBins::new(&BLEND, screen.splats(), &screen.0[4]).expect("memory")),
            "blend" => splat::blend(self.bins.as_ref().expect("bins"), picture),
            "ssim" => drop(ssim_gradient(
                SsimRule { height: SIDE, width: SIDE, channels: 3, within: false },
                [&self.truth[0], &self.truth[1]],
                [&mut self.slope, &mut []],
            )),
            "unblend" => {
                let (out, colors) = bars.splats_mut();
                splat::blend_gradient(self.bins.as_ref().expect("bins"), [picture, cotangent], out, colors).expect("memory");
            }
            "unproject" => {
                let [means, rotations, log_scales, logits, _] = &mut self.gradients;
                let out = SplatShapesMut { means, rotations, log_scales, logits };
                splat::project_gradient(PROJECT, camera, shapes, &screen.0[2], bars.splats(), out);
            }
            "harmonics" => {
                let out = [&mut self.means_by_colors[..], &mut self.gradients[4]];
                splat::colors_gradient(camera, means, harmonics, &screen.0[2], &bars.0[4], out);
            }
            "adam" => {
                for k in 0..5 {
                    let [means, squares] = &mut self.averages[k];
                    // A rate of 0 leaves the scene as it is.
                    adam(
                        ADAM,
                        &vec![0.0; WIDE[k]],
                        &self.gradients[k],
                        AdamColumns { values: &mut self.columns[k], means, squares },
                    );
                }
            }
            "forward" => ["project", "colors", "bins", "blend"].into_iter().for_each(|part| self.run(part)),
            "backward" => ["unblend", "unproject", "harmonics"].into_iter().for_each(|part| self.run(part)),
            "step" => ["forward", "ssim", "backward", "adam"].into_iter().for_each(|part| self.run(part)),
            _ => panic!("a part is one of {PARTS:?}, not {part}"),
        }
    }

    /// Bytes that are read and written at least, if what is between parts stays in memory.
    fn bytes(&self, part: &str) -> usize {
        let pairs = self.bins.as_ref().map_or(0, SplatBins::pairs);
        let (splat, pixel) = (|numbers: usize| 4 * numbers * self.n, |numbers: usize| 4 * numbers * SIDE * SIDE);
        match part {
            "project" => splat(11 + 7),
            "colors" => splat(48 + 4 + 3),
            // Places as they are found, and twice the entry.
            "bins" => splat(10 + 16 + 1) + 8 * 4 * pairs + 3 * 12 * pairs,
            "blend" => splat(16) + 12 * pairs + pixel(5),
            "ssim" => pixel(9),
            "unblend" => splat(16 + 10) + 12 * pairs + 2 * 64 * pairs + pixel(10),
            "unproject" => splat(11 + 7 + 1 + 11),
            "harmonics" => splat(48 + 3 + 3 + 1 + 3 + 48),
            "adam" => splat(7 * 59),
            of => {
                let parts: &[&str] = match of {
                    "forward" => &["project", "colors", "bins", "blend"],
                    "backward" => &["unblend", "unproject", "harmonics"],
                    _ => &["forward", "ssim", "backward", "adam"],
                };
                parts.iter().map(|part| self.bytes(part)).sum()
            }
        }
    }
}

const PARTS: [&str; 12] =
    ["project", "colors", "bins", "blend", "ssim", "unblend", "unproject", "harmonics", "adam", "forward", "backward", "step"];

/// Milliseconds of a run.
fn timed(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e3
}

/// GB/s of `y = a x + y` over memory larger than any cache, on each number of threads: two numbers read and one written.
fn bandwidth(rounds: usize) -> [f64; 2] {
    let n = 1 << 24;
    let (x, mut y) = (vec![1.0_f32; n], vec![0.5_f32; n]);
    [1, 2].map(|count| {
        threads::set_count(count);
        let pass = |y: &mut Vec<f32>| {
            threads::split_mut(y, 1024, count, |start, y| y.iter_mut().zip(&x[start..]).for_each(|(y, x)| *y += 0.5 * x));
        };
        let best = (0..rounds.clamp(5, 30)).map(|_| timed(|| pass(&mut y))).fold(f64::INFINITY, f64::min);
        12.0 * n as f64 / best / 1e6
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |k: usize, default: usize| arguments.get(k).and_then(|x| x.parse().ok()).unwrap_or(default);
    let (n, rounds) = (number(0, 50_000), number(1, 60));
    let mut scene = Scene::new(n);
    scene.run("step");
    if let Some(part) = arguments.get(2) {
        let best = (0..rounds).map(|_| timed(|| scene.run(part))).fold(f64::INFINITY, f64::min);
        println!("{part}: {best:.3} ms on {} threads", threads::count());
        return;
    }
    let mut best = [[f64::INFINITY; 2]; PARTS.len()];
    // All parts in each round, so that a busy moment of the machine falls on all of them alike.
    for _ in 0..rounds {
        for count in [1, 2] {
            threads::set_count(count);
            for (part, best) in PARTS.iter().zip(&mut best) {
                best[count - 1] = best[count - 1].min(timed(|| scene.run(part)));
            }
        }
    }
    let rates = bandwidth(rounds);
    let blocks = scene.bins.as_ref().map_or(0, SplatBins::block_pairs);
    println!(
        "{n} splats on {SIDE} x {SIDE} pixels, {:?}, {blocks} blocks; memory {:.1} and {:.1} GB/s",
        scene.bins, rates[0], rates[1]
    );
    println!("{:<10} {:>8} {:>8} {:>7} {:>8} {:>14}", "part", "1: ms", "2: ms", "MB", "2: GB/s", "in memory: ms");
    for (part, best) in PARTS.iter().zip(best) {
        let bytes = scene.bytes(part) as f64 / 1e6;
        let bounds = rates.map(|rate| bytes / rate);
        println!(
            "{part:<10} {:>8.3} {:>8.3} {bytes:>7.2} {:>8.1} {:>6.3} {:>7.3}",
            best[0],
            best[1],
            bytes / best[1],
            bounds[0],
            bounds[1]
        );
    }
}
