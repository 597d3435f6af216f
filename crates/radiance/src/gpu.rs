//! Operations on a GPU: tensors as operands, and what kernels return as tensors.
//!
//! The camera is on the processor: its 24 numbers go with each command, and their gradient is read where somebody asks for it.

use monotile::tape::Saved;
use monotile::{Device, Error, GpuAccess, Result, Tensor};
use monotile_gpu::{
    GpuBlock, GpuOperand, GpuScreenSplats, GpuSplatBins, GpuSplatShapes, GpuType, blend_splats, blend_splats_backward,
    project_splats, project_splats_backward, splat_colors, splat_colors_backward, ssim, ssim_backward,
};
use monotile_kernels::splat::{BlendRule, CameraRows, ProjectRule};
use monotile_kernels::ssim::SsimRule;

use crate::blend::{Blend, BlendedFrom};
use crate::project::{CameraBar, ProjectShapes};

#[track_caller]
pub(crate) fn shapes(gpu: &GpuAccess, [means, rotations, log_scales, logits]: [&Tensor; 4]) -> Result<GpuSplatShapes> {
    Ok(GpuSplatShapes {
        means: gpu.operand(means)?,
        rotations: gpu.operand(rotations)?,
        log_scales: gpu.operand(log_scales)?,
        logits: gpu.operand(logits)?,
    })
}

#[track_caller]
fn screen(gpu: &GpuAccess, [positions, conics, depths, opacities]: [&Tensor; 4]) -> Result<GpuScreenSplats> {
    Ok(GpuScreenSplats {
        positions: gpu.operand(positions)?,
        conics: gpu.operand(conics)?,
        depths: gpu.operand(depths)?,
        opacities: gpu.operand(opacities)?,
    })
}

#[track_caller]
pub(crate) fn whole(gpu: &GpuAccess, block: &GpuBlock, shape: &[usize]) -> Result<Tensor> {
    gpu.tensor(&gpu.done(GpuOperand::contiguous(block, GpuType::F32, shape))?)
}

/// Numbers of the camera's gradient, from the place `first` on; they are read when they are asked for.
#[track_caller]
fn camera_bar(gpu: &GpuAccess, block: &GpuBlock, first: usize, n: usize) -> Result<CameraBar> {
    let there = whole(gpu, block, &[n])?;
    Ok(Box::new(move || {
        let mut camera = [0.0; 24];
        camera[first..first + n].copy_from_slice(&there.to(&Device::cpu())?.to_f64_vec()?);
        Ok(camera)
    }))
}

#[track_caller]
pub(crate) fn on_screen(
    gpu: &GpuAccess,
    rule: ProjectRule,
    camera: &CameraRows,
    inputs: [&Tensor; 4],
) -> Result<(Vec<Tensor>, usize)> {
    let seen = gpu.done(project_splats(gpu.stream(), &rule, camera, &shapes(gpu, inputs)?))?;
    let GpuScreenSplats { positions, conics, depths, opacities } = &seen;
    let tensors = [positions, conics, depths, opacities].map(|x| gpu.tensor(x));
    Ok((tensors.into_iter().collect::<Result<_>>()?, 0))
}

#[track_caller]
pub(crate) fn seen_colors(gpu: &GpuAccess, camera: &CameraRows, inputs: [&Tensor; 3]) -> Result<(Tensor, usize)> {
    let [means, harmonics, depths] = [gpu.operand(inputs[0])?, gpu.operand(inputs[1])?, gpu.operand(inputs[2])?];
    let colors = gpu.done(splat_colors(gpu.stream(), camera, [&means, &harmonics, &depths]))?;
    Ok((whole(gpu, &colors, &[inputs[2].len(), 3])?, 0))
}

#[track_caller]
pub(crate) fn from_screen(
    gpu: &GpuAccess,
    of: &ProjectShapes,
    inputs: [&Tensor; 4],
    depths: &Tensor,
    bars: &[Tensor],
) -> Result<(Vec<Tensor>, CameraBar)> {
    let cotangents = screen(gpu, [&bars[0], &bars[1], &bars[2], &bars[3]])?;
    let splats = shapes(gpu, inputs)?;
    let found = project_splats_backward(gpu.stream(), &of.rule, &of.camera, &splats, &gpu.operand(depths)?, &cotangents);
    let (GpuSplatShapes { means, rotations, log_scales, logits }, camera) = gpu.done(found)?;
    let tensors = [means, rotations, log_scales, logits].iter().map(|x| gpu.tensor(x)).collect::<Result<_>>()?;
    Ok((tensors, camera_bar(gpu, &camera, 0, 24)?))
}

#[track_caller]
pub(crate) fn from_colors(gpu: &GpuAccess, camera: &CameraRows, inputs: [&Tensor; 4]) -> Result<(Vec<Tensor>, CameraBar)> {
    let [means, harmonics, depths, bar] =
        [gpu.operand(inputs[0])?, gpu.operand(inputs[1])?, gpu.operand(inputs[2])?, gpu.operand(inputs[3])?];
    let found = splat_colors_backward(gpu.stream(), camera, [&means, &harmonics, &depths], &bar);
    let [means, harmonics, eye] = gpu.done(found)?;
    let tensors = vec![whole(gpu, &means, inputs[0].shape())?, whole(gpu, &harmonics, inputs[1].shape())?];
    Ok((tensors, camera_bar(gpu, &eye, 16, 3)?))
}

#[track_caller]
pub(crate) fn similarity(gpu: &GpuAccess, rule: SsimRule, [x, y]: [&Tensor; 2]) -> Result<Tensor> {
    let of = gpu.done(ssim(gpu.stream(), &rule, [&gpu.operand(x)?, &gpu.operand(y)?]))?;
    whole(gpu, &of.lost, &[])?.neg()?.add(1.0)
}

#[track_caller]
pub(crate) fn similarity_slopes(gpu: &GpuAccess, rule: SsimRule, [x, y]: [&Tensor; 2]) -> Result<[Tensor; 2]> {
    let of = gpu.done(ssim(gpu.stream(), &rule, [&gpu.operand(x)?, &gpu.operand(y)?]))?;
    let [by_x, by_y] = [false, true].map(|second| gpu.done(ssim_backward(gpu.stream(), &of, second)));
    Ok([whole(gpu, &by_x?, x.shape())?, whole(gpu, &by_y?, y.shape())?])
}

#[track_caller]
pub(crate) fn blended(gpu: &GpuAccess, rule: BlendRule, inputs: [&Tensor; 5]) -> Result<Tensor> {
    let [positions, conics, depths, opacities, colors] = inputs;
    let on_screen = screen(gpu, [positions, conics, depths, opacities])?;
    let bins = gpu.done(GpuSplatBins::new(gpu.stream(), &rule, &on_screen, &gpu.operand(colors)?))?;
    let picture = gpu.done(blend_splats(gpu.stream(), &bins))?;
    let picture = whole(gpu, &picture, &[rule.height, rule.width, rule.wide()])?;
    Ok(Tensor::record(picture, &inputs, Blend(bins)))
}

impl BlendedFrom for GpuSplatBins {
    fn gradients(&self, _: &Saved, picture: &Tensor, bar: &Tensor) -> Result<Vec<Tensor>> {
        let Some(gpu) = GpuAccess::of("blend", &[picture, bar])? else {
            return Err(Error::value("blend: its picture is not on the GPU that drew it"));
        };
        let pictures = [gpu.operand(picture)?, gpu.operand(bar)?];
        let found = blend_splats_backward(gpu.stream(), self, pictures.each_ref());
        let (GpuScreenSplats { positions, conics, depths, opacities }, colors) = gpu.done(found)?;
        [positions, conics, depths, opacities, colors].iter().map(|x| gpu.tensor(x)).collect()
    }
}
