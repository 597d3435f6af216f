//! A scene that is learned on a GPU: columns, averages and pictures stay there, and a step reads one number, how many slots it takes.
//!
//! Losses are summed there, and read with every tenth step. A change of the population, which happens once in many steps, reads the columns and uploads them.

mod compare;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use monotile::{DType, Device, Error, GpuAccess, Result, Tensor};
use monotile_gpu::{
    GpuOperand, GpuScreenSplats, GpuSplatBins, GpuSplatShapes, GpuType, GpuWalk, blend_splats, blend_splats_backward, map_with,
    project_splats, project_splats_backward, splat_colors, splat_colors_backward, walk_splats,
};
use monotile_kernels::adam::{AdamRule, adam_formula};
use monotile_kernels::buffer::Block;
use monotile_kernels::number::{Expr, Graph, Number, record};
use monotile_kernels::splat::CameraRows;

use super::cloud::{Cloud, Column};
use super::objective::{SEEN, SplatLoss, SplatObjective, TargetPicture};
use super::pass::{DrawRule, PassReport};
use super::population::ScreenMotion;

/// What refusals are of.
const OP: &str = "splat train";
/// Steps whose losses are read together.
const EVERY: u64 = 10;
/// Terms of a loss.
const TERMS: usize = 5;

/// Values of a column, then both averages.
type Numbers = [Tensor; 3];

/// A picture that scenes are compared with.
struct ResidentPicture {
    /// `(height, width, 4)`
    rgba: Tensor,
    /// `(height, width, 1)`
    mask: Option<Tensor>,
}

/// Gradients of the last pass.
struct Gradients {
    /// Of means, rotations, log scales, logits, harmonics, and of means by colours.
    columns: [Tensor; 6],
    /// By places on the screen, and depths.
    positions: Tensor,
    depths: Tensor,
}

/// The columns of a scene in the memory of a GPU.
pub(crate) struct ResidentSplats {
    device: Device,
    /// `(N, 3)`, `(N, 4)`, `(N, 3)`, `(N)` and `(N, K, 3)`.
    columns: [Numbers; 5],
    /// 1 at the harmonics of degree 0, `(1, K, 3)`.
    is_color: Tensor,
    /// Lengths of gradients on the screen, and by how many views they were seen.
    motion: Option<[Tensor; 2]>,
    pictures: HashMap<[usize; 3], ResidentPicture>,
    gradients: Option<Gradients>,
    /// The terms of the loss of the last pass, `(5)`.
    terms: Option<Tensor>,
    /// Sums of the terms of losses that were not read yet, `(5)`, and of how many.
    pending: Option<(Tensor, usize)>,
    last: Option<SplatLoss>,
}

impl ResidentSplats {
    #[track_caller]
    pub(crate) fn new(cloud: &Cloud, motion: &ScreenMotion, device: &Device) -> Result<Self> {
        let zero = Tensor::zeros(&[1], DType::F32)?;
        let nothing = || [zero.clone(), zero.clone(), zero.clone()];
        let mut there = Self {
            device: device.clone(),
            columns: std::array::from_fn(|_| nothing()),
            is_color: zero.clone(),
            motion: None,
            pictures: HashMap::new(),
            gradients: None,
            terms: None,
            pending: None,
            last: None,
        };
        there.write(cloud, motion)?;
        Ok(there)
    }

    pub(crate) fn len(&self) -> usize {
        self.columns[3][0].len()
    }

    fn coefficients(&self) -> usize {
        self.columns[4][0].dim(1)
    }

    #[track_caller]
    fn upload(&self, numbers: &[f32], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_slice(numbers, shape)?.to(&self.device)
    }

    /// Uploads a scene in the place of this one.
    #[track_caller]
    pub(crate) fn write(&mut self, cloud: &Cloud, motion: &ScreenMotion) -> Result<()> {
        let n = cloud.len();
        // What was there is given back before its place is taken again.
        self.gradients = None;
        for (k, column) in cloud.columns.iter().enumerate() {
            let wide = column.wide;
            let shape: &[usize] = match k {
                3 => &[n],
                4 => &[n, wide / 3, 3],
                _ => &[n, wide],
            };
            let parts = [&column.values, &column.means, &column.squares];
            for (part, numbers) in parts.into_iter().enumerate() {
                self.columns[k][part] = self.upload(numbers, shape)?;
            }
        }
        self.mark_colors()?;
        self.motion = match motion.lengths.is_empty() {
            true => None,
            false => Some([self.upload(&motion.lengths, &[n])?, self.upload(&motion.views, &[n])?]),
        };
        Ok(())
    }

    #[track_caller]
    fn mark_colors(&mut self) -> Result<()> {
        let k = self.coefficients();
        let marks: Vec<f32> = (0..3 * k).map(|i| f32::from(u8::from(i < 3))).collect();
        self.is_color = self.upload(&marks, &[1, k, 3])?;
        Ok(())
    }

    /// Gives every splat as many coefficients a channel; new ones are 0.
    #[track_caller]
    pub(crate) fn widen(&mut self, coefficients: usize) -> Result<()> {
        let (n, before) = (self.len(), self.coefficients());
        if before >= coefficients {
            return Ok(());
        }
        let zeros = Tensor::zeros(&[n, coefficients - before, 3], DType::F32)?.to(&self.device)?;
        for part in 0..3 {
            self.columns[4][part] = Tensor::cat([&self.columns[4][part], &zeros], 1)?;
        }
        self.mark_colors()
    }

    /// The columns, read.
    #[track_caller]
    pub(crate) fn read(&self) -> Result<Cloud> {
        let n = self.len().max(1);
        let read = |numbers: &Numbers| -> Result<Column> {
            let [values, means, squares] = numbers;
            let wide = values.len() / n;
            Ok(Column { wide: wide.max(1), values: values.to_vec()?, means: means.to_vec()?, squares: squares.to_vec()? })
        };
        let [a, b, c, d, e] = &self.columns;
        Ok(Cloud { columns: [read(a)?, read(b)?, read(c)?, read(d)?, read(e)?] })
    }

    #[track_caller]
    pub(crate) fn motion(&self) -> Result<ScreenMotion> {
        let Some([lengths, views]) = &self.motion else { return Ok(ScreenMotion::default()) };
        Ok(ScreenMotion { lengths: lengths.to_vec()?, views: views.to_vec()? })
    }

    #[track_caller]
    fn access(&self) -> Result<GpuAccess> {
        GpuAccess::of(OP, &[&self.columns[0][0]])?.ok_or_else(|| Error::value(format!("{OP}: its columns are not on a GPU")))
    }

    #[track_caller]
    fn shapes(&self, gpu: &GpuAccess) -> Result<GpuSplatShapes> {
        let [means, rotations, log_scales, logits, _] = &self.columns;
        crate::gpu::shapes(gpu, [&means[0], &rotations[0], &log_scales[0], &logits[0]])
    }

    /// What a camera sees, read.
    #[track_caller]
    pub(crate) fn draw(&mut self, camera: &CameraRows, rule: &DrawRule, size: [usize; 2]) -> Result<Block<f32>> {
        let gpu = self.access()?;
        let drawn = self.drawn(&gpu, camera, rule, size)?;
        let numbers = drawn.seen.to_vec::<f32>()?;
        let mut block = Block::new(numbers.len())?;
        block.copy_from_slice(&numbers);
        Ok(block)
    }

    #[track_caller]
    fn drawn(&self, gpu: &GpuAccess, camera: &CameraRows, rule: &DrawRule, size: [usize; 2]) -> Result<Drawn> {
        let (stream, n) = (gpu.stream(), self.len());
        let shapes = self.shapes(gpu)?;
        let screen = gpu.done(project_splats(stream, &rule.project(size), camera, &shapes))?;
        let harmonics = gpu.operand(&self.columns[4][0])?;
        let colors = gpu.done(splat_colors(stream, camera, [&shapes.means, &harmonics, &screen.depths]))?;
        let colors = gpu.done(GpuOperand::contiguous(&colors, GpuType::F32, &[n, 3]))?;
        let bins = gpu.done(GpuSplatBins::new(stream, &rule.blend(size), &screen, &colors))?;
        let seen = gpu.done(blend_splats(stream, &bins))?;
        let seen = gpu.tensor(&gpu.done(GpuOperand::contiguous(&seen, GpuType::F32, &[size[1], size[0], SEEN]))?)?;
        Ok(Drawn { shapes, harmonics, screen, bins, seen })
    }

    /// The picture of a view, uploaded once.
    #[track_caller]
    fn keep(&mut self, target: &TargetPicture<'_>) -> Result<()> {
        if !self.pictures.contains_key(&target.key()) {
            let (width, height) = (target.width, target.height);
            let mask = target.mask.map(|mask| self.upload(mask, &[height, width, 1])).transpose()?;
            let picture = ResidentPicture { rgba: self.upload(target.rgba, &[height, width, 4])?, mask };
            self.pictures.insert(target.key(), picture);
        }
        Ok(())
    }

    /// A pass, whose gradients and terms of the loss stay here.
    #[track_caller]
    pub(crate) fn run(
        &mut self,
        camera: &CameraRows,
        (rule, objective): (&DrawRule, &SplatObjective),
        target: &TargetPicture<'_>,
        extent: f64,
        needs_camera: bool,
    ) -> Result<PassReport> {
        self.keep(target)?;
        let gpu = self.access()?;
        let (stream, size) = (gpu.stream(), [target.width, target.height]);
        let Drawn { shapes, harmonics, screen, bins, seen } = self.drawn(&gpu, camera, rule, size)?;
        let compared = self.compare(&gpu, objective, &seen, target)?;
        let pictures = [gpu.operand(&seen)?, gpu.operand(&compared.bar)?];
        let (bars, colors_bar) = gpu.done(blend_splats_backward(stream, &bins, pictures.each_ref()))?;
        let found = project_splats_backward(stream, &rule.project(size), camera, &shapes, &screen.depths, &bars);
        let (of_shapes, of_camera) = gpu.done(found)?;
        let found = splat_colors_backward(stream, camera, [&shapes.means, &harmonics, &screen.depths], &colors_bar);
        let [by_colors, of_harmonics, eye] = gpu.done(found)?;
        let [by_colors, of_harmonics] = [(&by_colors, 0), (&of_harmonics, 4)]
            .map(|(block, column)| crate::gpu::whole(&gpu, block, self.columns[column][0].shape()));
        let GpuSplatShapes { means, rotations, log_scales, logits } = &of_shapes;
        let [means, rotations, log_scales, logits] = [means, rotations, log_scales, logits].map(|x| gpu.tensor(x));
        let mut columns = [means?, rotations?, log_scales?, logits?, of_harmonics?, by_colors?];
        let mut terms = compared.terms;
        self.regularize(&gpu, objective, extent, &mut columns, &mut terms)?;
        self.terms = Some(Tensor::cat(terms, 0)?);
        let (mut numbers, mut depth) = ([0.0; 24], None);
        if needs_camera {
            let sums = seen.sum(&[0, 1], false)?;
            let all = [crate::gpu::whole(&gpu, &of_camera, &[24])?, crate::gpu::whole(&gpu, &eye, &[3])?, sums];
            let all = Tensor::cat(&all, 0)?.to_f64_vec()?;
            numbers.copy_from_slice(&all[..24]);
            numbers[16..19].iter_mut().zip(&all[24..27]).for_each(|(sum, x)| *sum += x);
            depth = (all[30] > 0.0).then(|| all[31] / all[30]);
        }
        let (positions, depths) = (gpu.tensor(&bars.positions)?, gpu.tensor(&screen.depths)?);
        self.gradients = Some(Gradients { columns, positions, depths });
        let loss = SplatLoss::default();
        Ok(PassReport { loss, camera: numbers, colors: compared.colors, depth, pairs: bins.pairs(), visible: 0 })
    }

    /// Adds the loss of the last pass to those that wait to be read. For each tenth step and the first the mean of these, and how many they are;
    /// else the last answer, and 0.
    #[track_caller]
    pub(crate) fn losses(&mut self, step: u64, objective: &SplatObjective) -> Result<(SplatLoss, usize)> {
        if let Some(terms) = self.terms.take() {
            self.pending = Some(match self.pending.take() {
                None => (terms, 1),
                Some((sum, steps)) => (sum.add(terms)?, steps + 1),
            });
        }
        match (&self.pending, self.last) {
            (Some((sum, steps)), last) if last.is_none() || step.is_multiple_of(EVERY) => {
                let steps = *steps;
                let loss = objective.of_terms(&sum.to_f64_vec()?, steps);
                (self.pending, self.last) = (None, Some(loss));
                Ok((loss, steps))
            }
            (_, last) => Ok((last.unwrap_or_default(), 0)),
        }
    }

    #[track_caller]
    pub(crate) fn pending_is_finite(&self) -> Result<bool> {
        let Some((sum, _)) = &self.pending else { return Ok(true) };
        Ok(sum.to_f64_vec()?.iter().all(|x| x.is_finite()))
    }

    /// A step of Adam along the gradients of the last pass.
    #[track_caller]
    pub(crate) fn step(&mut self, rule: AdamRule, rates: [&[f64]; 5]) -> Result<()> {
        let gpu = self.access()?;
        let Some(Gradients { columns, .. }) = &self.gradients else { return Ok(()) };
        for k in 0..5 {
            let rate = rates[k][0];
            let [values, means, squares] = &self.columns[k];
            let next = match k {
                0 => {
                    let of = record(|[x, m, v, g, more]: [Expr; 5]| adam_formula(rule, Expr::from_f64(rate), [x, m, v, g + more]));
                    formula(&gpu, of, &[values, means, squares, &columns[0], &columns[5]])?
                }
                4 => {
                    let others = rates[k].last().copied().unwrap_or(rate);
                    let of = record(|[x, m, v, g, is_color]: [Expr; 5]| {
                        let rate = Expr::select(is_color.greater(Expr::ZERO), Expr::from_f64(rate), Expr::from_f64(others));
                        adam_formula(rule, rate, [x, m, v, g])
                    });
                    let marks = self.is_color.expand(values.shape())?;
                    formula(&gpu, of, &[values, means, squares, &columns[4], &marks])?
                }
                _ => {
                    let of = record(|x: [Expr; 4]| adam_formula(rule, Expr::from_f64(rate), x));
                    formula(&gpu, of, &[values, means, squares, &columns[k]])?
                }
            };
            self.columns[k] = next;
        }
        Ok(())
    }

    /// Moves faint splats at random.
    #[track_caller]
    pub(crate) fn walk(&mut self, walk: &GpuWalk) -> Result<()> {
        let gpu = self.access()?;
        let moved = gpu.done(walk_splats(gpu.stream(), walk, &self.shapes(&gpu)?))?;
        self.columns[0][0] = gpu.tensor(&moved)?;
        Ok(())
    }

    /// Adds how splats were pulled on a screen of this size in the last pass.
    #[track_caller]
    pub(crate) fn add_motion(&mut self, [width, height]: [usize; 2]) -> Result<()> {
        let gpu = self.access()?;
        let Some(Gradients { positions, depths, .. }) = &self.gradients else { return Ok(()) };
        let [lengths, views] = match &self.motion {
            Some(motion) => motion.clone(),
            None => {
                let zeros = Tensor::zeros(&[self.len()], DType::F32)?.to(&self.device)?;
                [zeros.clone(), zeros]
            }
        };
        let [half_width, half_height] = [width, height].map(|side| 0.5 * side as f64);
        let of = record(|[lengths, views, x, y, depth]: [Expr; 5]| {
            let (x, y) = (x * Expr::from_f64(half_width), y * Expr::from_f64(half_height));
            let seen = |yes: Expr| Expr::select(depth.greater(Expr::ZERO), yes, Expr::ZERO);
            [lengths + seen((x * x + y * y).sqrt()), views + seen(Expr::ONE)]
        });
        let (x, y) = (positions.select(1, 0)?, positions.select(1, 1)?);
        self.motion = Some(formula(&gpu, of, &[&lengths, &views, &x, &y, depths])?);
        Ok(())
    }
}

/// What is seen of a scene, and what its gradient needs.
struct Drawn {
    shapes: GpuSplatShapes,
    harmonics: GpuOperand,
    screen: GpuScreenSplats,
    bins: GpuSplatBins,
    seen: Tensor,
}

/// The results of a formula of tensors of one shape; its numbers are parameters, so that others need no other kernel.
#[track_caller]
fn formula<const M: usize>(gpu: &GpuAccess, graph: Graph, x: &[&Tensor]) -> Result<[Tensor; M]> {
    let (graph, numbers) = graph.with_constants_apart();
    let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    let operands = x.iter().map(|x| gpu.operand(x)).collect::<Result<Vec<_>>>()?;
    let blocks = gpu.done(map_with(gpu.stream(), &graph, &operands, &numbers, GpuType::F32))?;
    let results = blocks.iter().map(|block| crate::gpu::whole(gpu, block, x[0].shape())).collect::<Result<Vec<_>>>()?;
    results.try_into().map_err(|_| Error::value(format!("{OP}: a formula of {M} results has others")))
}
