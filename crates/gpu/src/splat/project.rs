//! Gaussians of the world as Gaussians on the screen.

use monotile_kernels::splat::{CameraRows, ProjectRule};

use super::{GpuScreenSplats, GpuSplatShapes, KernelParameters, THREADS, projection, take};
use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::stream::GpuStream;

/// Splats on the screen, as [`monotile_kernels::splat::project`](fn@monotile_kernels::splat::project) computes them: parts of one block of f32. What is not drawn has rows of 0.
///
/// # Example
/// A splat at the centre of a picture of 32 x 32, at a distance of 4:
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuSplatShapes, GpuStream, GpuType, copy, project_splats};
/// use monotile_kernels::splat::ProjectRule;
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let operand = |x: &[f32], sizes: &[usize]| GpuOperand::contiguous(&stream.upload(bytemuck::cast_slice(x))?, GpuType::F32, sizes);
/// let splats = GpuSplatShapes {
///     means: operand(&[0.0, 0.0, 0.0], &[1, 3])?,
///     rotations: operand(&[0.0, 0.0, 0.0, 1.0], &[1, 4])?,
///     log_scales: operand(&[0.25_f32.ln(); 3], &[1, 3])?,
///     logits: operand(&[0.0], &[1])?,
/// };
/// let mut camera = [0.0; 24];
/// (camera[0], camera[5]) = (2.0, 2.0);
/// (camera[10], camera[11]) = (-1.0, 4.0);
/// (camera[14], camera[15]) = (-1.0, 4.0);
/// camera[20..].copy_from_slice(&[-1.3, 1.3, -1.3, 1.3]);
/// let rule = ProjectRule { width: 32, height: 32, blur: 0.3, near: 0.01, antialiased: false };
/// let seen = project_splats(&stream, &rule, &camera, &splats)?;
/// let positions = stream.read_blocking(&copy(&stream, &seen.positions, GpuType::F32)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&positions), [16.0, 16.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If an operand has other sizes, or the device has no memory.
pub fn project_splats(
    stream: &GpuStream,
    rule: &ProjectRule,
    camera: &CameraRows,
    splats: &GpuSplatShapes,
) -> GpuResult<GpuScreenSplats> {
    let (n, rows) = splats.rows(stream, "project_splats")?;
    let inputs = rows.each_ref().map(|x| x.block());
    let result = take(stream, &[7, n], &inputs)?;
    let parameters = projection(n, rule, camera, rows.each_ref().map(|x| x.offset()));
    let kernel = stream.kernel(("project_splats", Vec::new()), || text(&parameters))?;
    stream.dispatch(&kernel, &inputs, &[&result], &parameters.words, n.div_ceil(THREADS) as u64)?;
    GpuScreenSplats::of_block(&result, n)
}

pub(super) fn text(parameters: &KernelParameters) -> KernelText {
    let body = "    let i = group * 64u + local;
    let n = splats();
    if (i >= n) { return; }
    let s = splat_at(i);
    let w = row_of_point(row2(), s.mean);
    let depth = row_of_point(row3(), s.mean);
    var position = vec2<f32>(0.0);
    var conic = vec3<f32>(0.0);
    var kept = vec2<f32>(0.0);
    // Comparisons may take for granted that there is no NaN; its bits tell.
    let given = finite(s.mean.x) && finite(s.mean.y) && finite(s.mean.z) && finite(w) && finite(depth)
        && accurate_is_number(s.log_scales.x) && accurate_is_number(s.log_scales.y) && accurate_is_number(s.log_scales.z)
        && accurate_is_number(s.logit) && finite(dot(s.rotation, s.rotation)) && dot(s.rotation, s.rotation) > 0.0;
    if (given && depth > near() && w > 0.0) {
        let it = projected(s, w);
        let at = vec2<f32>((it.ndc.x + 1.0) * half_width(), (1.0 - it.ndc.y) * half_height());
        let opacity = it.opacity * it.compensation;
        if (finite(at.x) && finite(at.y) && finite(it.sharp.x) && finite(it.sharp.z) && finite(it.after) && finite(opacity)
            && finite(it.conic.x) && finite(it.conic.y) && finite(it.conic.z)) {
            position = at;
            conic = it.conic;
            kept = vec2<f32>(depth, opacity);
        }
    }
    y0[2u * i] = position.x;
    y0[2u * i + 1u] = position.y;
    let c = 2u * n + 3u * i;
    y0[c] = conic.x;
    y0[c + 1u] = conic.y;
    y0[c + 2u] = conic.z;
    y0[5u * n + i] = kept.x;
    y0[6u * n + i] = kept.y;";
    parameters.text(THREADS, &["f32"; 4], &["f32"], [include_str!("project.wgsl"), body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_text_is_a_shader() {
        let rule = ProjectRule { width: 1, height: 1, blur: 0.3, near: 0.0, antialiased: true };
        validate(&text(&projection(1, &rule, &[0.0; 24], [0; 4])));
    }
}
