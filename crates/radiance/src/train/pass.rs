//! A picture and the gradients of its loss, by the kernels alone: what the tape would do, with less to remember.

use monotile::Result;
use monotile_kernels::buffer::Block;
use monotile_kernels::splat::{
    self as kernels, BlendRule, CameraRows, ProjectRule, ScreenSplats, ScreenSplatsMut, SplatBins, SplatShapes, SplatShapesMut,
};
use monotile_kernels::threads;

use super::cloud::Cloud;
use super::objective::{SEEN, SplatLoss, SplatObjective, TargetPicture};
use super::population::opacity;
use crate::blend::BlendOptions;
use crate::project::ProjectOptions;

/// Numbers of each splat on the screen: place, conic, depth, opacity.
#[derive(Default)]
struct Screen {
    positions: Vec<f32>,
    conics: Vec<f32>,
    depths: Vec<f32>,
    opacities: Vec<f32>,
    colors: Vec<f32>,
}

impl Screen {
    fn resize(&mut self, n: usize) {
        let Self { positions, conics, depths, opacities, colors } = self;
        for (numbers, wide) in [(positions, 2), (conics, 3), (depths, 1), (opacities, 1), (colors, 3)] {
            numbers.resize(n * wide, 0.0);
        }
    }

    fn splats(&self) -> ScreenSplats<'_, f32> {
        let Self { positions, conics, depths, opacities, .. } = self;
        ScreenSplats { positions, conics, depths, opacities }
    }

    fn splats_mut(&mut self) -> (ScreenSplatsMut<'_, f32>, &mut [f32]) {
        let Self { positions, conics, depths, opacities, colors } = self;
        (ScreenSplatsMut { positions, conics, depths, opacities }, colors)
    }
}

/// Memory that passes use again.
#[derive(Default)]
pub(crate) struct Pass {
    screen: Screen,
    bars: Screen,
    /// Of means, rotations, log scales, logits, harmonics, and of means by colours.
    gradients: [Vec<f32>; 6],
}

/// How pictures are drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DrawRule {
    pub project: ProjectOptions,
    pub blend: BlendOptions,
}

/// What a pass found, beside its gradients.
pub(crate) struct PassReport {
    pub loss: SplatLoss,
    /// By the camera's numbers.
    pub camera: CameraRows,
    /// By the map of colours.
    pub colors: [[f64; 4]; 3],
    /// The mean depth of what is seen, if anything is.
    pub depth: Option<f64>,
    /// Pairs of a splat and a tile.
    pub pairs: usize,
    pub visible: usize,
}

fn shapes(cloud: &Cloud) -> SplatShapes<'_, f32> {
    let [means, rotations, log_scales, logits, _] = &cloud.columns;
    SplatShapes { means: &means.values, rotations: &rotations.values, log_scales: &log_scales.values, logits: &logits.values }
}

impl DrawRule {
    pub(crate) fn project(&self, [width, height]: [usize; 2]) -> ProjectRule {
        let ProjectOptions { near, blur, antialiased, .. } = self.project;
        ProjectRule { width, height, blur, near, antialiased }
    }

    pub(crate) fn blend(&self, [width, height]: [usize; 2]) -> BlendRule {
        let BlendOptions { least_alpha, most_alpha, least_transmittance } = self.blend;
        BlendRule { width, height, channels: 3, least: least_alpha, most: most_alpha, stop: least_transmittance }
    }
}

impl Pass {
    /// What a camera sees, `(height, width, 5)`, and what its gradient needs.
    pub(crate) fn draw(
        &mut self,
        cloud: &Cloud,
        camera: &CameraRows,
        rule: &DrawRule,
        size: [usize; 2],
    ) -> Result<(Block<f32>, SplatBins<f32>)> {
        self.screen.resize(cloud.len());
        let (on_screen, _) = self.screen.splats_mut();
        kernels::project(rule.project(size), camera, shapes(cloud), on_screen);
        let Screen { depths, colors, .. } = &mut self.screen;
        kernels::colors(camera, &cloud.columns[0].values, &cloud.columns[4].values, depths, colors);
        let bins = SplatBins::new(&rule.blend(size), self.screen.splats(), &self.screen.colors)?;
        let mut seen = Block::new(size[0] * size[1] * SEEN)?;
        kernels::blend(&bins, &mut seen);
        Ok((seen, bins))
    }

    /// The loss of what a camera sees, and its gradients by all columns, [`Self::gradients`].
    pub(crate) fn run(
        &mut self,
        cloud: &Cloud,
        camera: &CameraRows,
        (rule, objective): (&DrawRule, &SplatObjective),
        target: &TargetPicture<'_>,
        extent: f64,
    ) -> Result<PassReport> {
        let size = [target.width, target.height];
        let (seen, bins) = self.draw(cloud, camera, rule, size)?;
        let sums = seen.chunks_exact(SEEN).fold([0.0; 2], |[c, d], x| [c + f64::from(x[3]), d + f64::from(x[4])]);
        let depth = (sums[0] > 0.0).then(|| sums[1] / sums[0]);
        let mut bar = Block::new(seen.len())?;
        let (mut loss, colors) = objective.compare(&seen, target, &mut bar)?;
        self.bars.resize(cloud.len());
        let (out, colors_bar) = self.bars.splats_mut();
        kernels::blend_gradient(&bins, [&seen, &bar], out, colors_bar)?;
        for (gradient, column) in self.gradients.iter_mut().zip(cloud.columns.iter().chain([&cloud.columns[0]])) {
            gradient.resize(column.values.len(), 0.0);
        }
        let [means, rotations, log_scales, logits, harmonics, by_colors] = &mut self.gradients;
        let out = SplatShapesMut { means, rotations, log_scales, logits };
        let depths = &self.screen.depths;
        let mut of_camera = kernels::project_gradient(rule.project(size), camera, shapes(cloud), depths, self.bars.splats(), out);
        let [values, coefficients] = [&cloud.columns[0].values, &cloud.columns[4].values];
        let eye = kernels::colors_gradient(camera, values, coefficients, depths, &self.bars.colors, [by_colors, harmonics]);
        of_camera.iter_mut().zip(&eye).for_each(|(sum, x)| *sum += x);
        means.iter_mut().zip(&*by_colors).for_each(|(sum, x)| *sum += x);
        objective.regularize(cloud, extent, [log_scales, logits], &mut loss);
        Ok(PassReport { loss, camera: of_camera, colors, depth, pairs: bins.pairs(), visible: bins.visible() })
    }

    /// Of means, rotations, log scales, logits and harmonics.
    pub(crate) fn gradients(&self) -> [&[f32]; 5] {
        [0, 1, 2, 3, 4].map(|k| &self.gradients[k][..])
    }

    /// Gradients by places on the screen, and depths.
    pub(crate) fn on_screen(&self) -> [&[f32]; 2] {
        [&self.bars.positions, &self.screen.depths]
    }
}

/// Rows whose terms are summed before they are added to the others'.
const CHUNK: usize = 1024;

impl SplatObjective {
    /// Adds the terms of opacities and scales, and their gradients. Sums are made in an order that does not depend on threads.
    fn regularize(&self, cloud: &Cloud, extent: f64, [log_scales, logits]: [&mut Vec<f32>; 2], loss: &mut SplatLoss) {
        let n = cloud.len();
        if n == 0 {
            return;
        }
        let parts = threads::parts(n, 8.0).min(n.div_ceil(CHUNK));
        if self.opacity > 0.0 {
            let weight = self.opacity / n as f64;
            let values = &cloud.columns[3].values;
            threads::split_mut(logits, 1, parts, |start, out| {
                for (g, &x) in out.iter_mut().zip(&values[start..]) {
                    let o = opacity(x);
                    *g += (weight * o * (1.0 - o)) as f32;
                }
            });
            loss.opacity = mean_of(values, parts, opacity);
        }
        if self.scale > 0.0 {
            let weight = self.scale / (3 * n) as f64 / extent;
            let values = &cloud.columns[2].values;
            threads::split_mut(log_scales, 3, parts, |start, out| {
                out.iter_mut().zip(&values[start..]).for_each(|(g, &x)| *g += (weight * f64::from(x.exp())) as f32);
            });
            loss.scale = mean_of(values, parts, |x| f64::from(x.exp())) / extent;
        }
        loss.total += self.opacity * loss.opacity + self.scale * loss.scale;
    }
}

/// The mean of a function of numbers.
fn mean_of(values: &[f32], parts: usize, of: impl Fn(f32) -> f64 + Sync) -> f64 {
    let mut sums = vec![0.0; values.len().div_ceil(CHUNK)];
    threads::split_mut(&mut sums, 1, parts, |first, sums| {
        let chunks = values[first * CHUNK..].chunks(CHUNK);
        sums.iter_mut().zip(chunks).for_each(|(sum, chunk)| *sum = chunk.iter().map(|&x| of(x)).sum());
    });
    sums.iter().sum::<f64>() / values.len() as f64
}
