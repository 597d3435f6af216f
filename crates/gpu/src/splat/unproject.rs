//! The gradient of the projection.

use monotile_kernels::splat::{CameraRows, ProjectRule};

use super::{GpuScreenSplats, GpuSplatShapes, KernelParameters, THREADS, column_sums, in_rows, projection, take};
use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType};
use crate::place::join;
use crate::pool::GpuBlock;
use crate::stream::GpuStream;

/// The gradients of [`project_splats`](super::project_splats) from those of its results, for the splats whose depth `(N)` is above 0 there: parts of one block,
/// and a block with that of the camera's 24 numbers (the eye's is 0).
///
/// # Errors
/// As those of [`project_splats`](super::project_splats).
pub fn project_splats_backward(
    stream: &GpuStream,
    rule: &ProjectRule,
    camera: &CameraRows,
    splats: &GpuSplatShapes,
    depths: &GpuOperand,
    cotangents: &GpuScreenSplats,
) -> GpuResult<(GpuSplatShapes, GpuBlock)> {
    const NAME: &str = "project_splats_backward";
    let (n, rows) = splats.rows(stream, NAME)?;
    let (_, bars) = cotangents.rows(stream, NAME)?;
    let [means, rotations, log_scales, logits] = rows.each_ref().map(|x| x.block());
    // Eight buffers are all that every adapter binds: cotangents and depths become one.
    let bars: Vec<GpuOperand> = bars.iter().cloned().chain([in_rows(stream, NAME, depths, &[n])?]).collect();
    let flat = |x: &GpuOperand| GpuOperand::strided(x.block(), GpuType::F32, &[x.elements()], &[1], x.offset());
    let bars = join(stream, &bars.iter().map(flat).collect::<GpuResult<Vec<_>>>()?, 0)?;
    let inputs = [means, rotations, log_scales, logits, &bars];
    let (groups, result) = (n.div_ceil(THREADS), take(stream, &[11, n], &inputs)?);
    let partial = take(stream, &[24, groups], &inputs)?;
    let parameters = projection(n, rule, camera, rows.each_ref().map(|x| x.offset()));
    let kernel = stream.kernel((NAME, Vec::new()), || text(&parameters))?;
    stream.dispatch(&kernel, &inputs, &[&result, &partial], &parameters.words, groups as u64)?;
    Ok((GpuSplatShapes::of_block(&result, n)?, column_sums(stream, &partial, groups, 24)?))
}

fn text(parameters: &KernelParameters) -> KernelText {
    let globals = concat!(include_str!("project.wgsl"), include_str!("unproject.wgsl"));
    let body = "    let i = group * 64u + local;
    let n = splats();
    for (var k = 0u; k < 6u; k += 1u) { sums[6u * local + k] = vec4<f32>(0.0); }
    if (i < n) {
        var bars: ShapeBars;
        if (a4[7u * n + i] > 0.0) { bars = pulled(i, 6u * local); }
        let m = 3u * i;
        let r = 3u * n + 4u * i;
        let l = 7u * n + 3u * i;
        y0[m] = bars.mean.x;
        y0[m + 1u] = bars.mean.y;
        y0[m + 2u] = bars.mean.z;
        y0[r] = bars.rotation.x;
        y0[r + 1u] = bars.rotation.y;
        y0[r + 2u] = bars.rotation.z;
        y0[r + 3u] = bars.rotation.w;
        y0[l] = bars.log_scales.x;
        y0[l + 1u] = bars.log_scales.y;
        y0[l + 2u] = bars.log_scales.z;
        y0[10u * n + i] = bars.logit;
    }
    for (var half = 32u; half > 0u; half >>= 1u) {
        workgroupBarrier();
        if (local < half) {
            for (var k = 0u; k < 6u; k += 1u) { sums[6u * local + k] += sums[6u * (local + half) + k]; }
        }
    }
    if (local == 0u) {
        for (var k = 0u; k < 6u; k += 1u) {
            let at = 24u * group + 4u * k;
            y1[at] = sums[k].x;
            y1[at + 1u] = sums[k].y;
            y1[at + 2u] = sums[k].z;
            y1[at + 3u] = sums[k].w;
        }
    }";
    parameters.text(THREADS, &["f32"; 5], &["f32"; 2], [globals, body])
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
