//! The gradient of blending, by the same walk from front to back: a workgroup a tile, a thread a splat.
//!
//! The threads of a workgroup have as many splats, one behind the other. Pixels pass by: in a step a thread has the pixel that the thread before it had in the last one, so
//! that each pixel meets the splats in their order, and a splat's sums stay in its thread.

use super::bins::tiles;
use super::blend::parameters;
use super::gather::gather;
use super::{FEATURES, GpuScreenSplats, GpuSplatBins, KernelParameters, SUMS, THREADS, in_rows, take};
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType};
use crate::stream::GpuStream;

/// The gradients of [`blend_splats`](super::blend_splats) from the cotangent of its picture, with that picture: of what is on the screen, and of the colours
/// `(N, channels)`.
///
/// # Errors
/// If sizes do not fit, or the device has no memory for a record of ten numbers a pair of a splat and a tile.
pub fn blend_splats_backward(
    stream: &GpuStream,
    bins: &GpuSplatBins,
    [picture, cotangent]: [&GpuOperand; 2],
) -> GpuResult<(GpuScreenSplats, GpuOperand)> {
    const NAME: &str = "blend_splats_backward";
    let GpuSplatBins { rule, pairs, records, colors, entries, owners, starts, .. } = bins;
    let most = stream.gpu().capabilities().binding_bytes / (4 * SUMS as u64);
    if *pairs as u64 > most {
        let name = &stream.gpu().summary().name;
        let words = format!(
            "{NAME}: {pairs} pairs of a splat and a tile of the picture are more than the {most} whose records {name} holds"
        );
        return Err(GpuError::limit(words));
    }
    let sizes = [rule.height, rule.width, rule.wide()];
    let (picture, bar) = (in_rows(stream, NAME, picture, &sizes)?, in_rows(stream, NAME, cotangent, &sizes)?);
    let inputs = [records, colors.block(), entries, owners, starts, picture.block(), bar.block()];
    let slots = take(stream, &[SUMS, *pairs], &inputs)?;
    let beside = [&slots, records, &bins.order, &bins.firsts, &bins.counts];
    let (screen, colors_bar) = (take(stream, &[7, bins.splats], &beside)?, take(stream, &[rule.channels, bins.splats], &beside)?);
    for first in (0..=rule.channels).step_by(FEATURES) {
        let parameters = parameters(rule, first, [colors.offset(), picture.offset(), bar.offset()]);
        let kernel = stream.kernel((NAME, Vec::new()), || text(&parameters))?;
        let groups = if *pairs == 0 { 0 } else { tiles(rule) as u64 };
        stream.dispatch(&kernel, &inputs, &[&slots], &parameters.words, groups)?;
        gather(stream, bins, &slots, first, [&screen, &colors_bar])?;
    }
    let colors_bar = GpuOperand::contiguous(&colors_bar, GpuType::F32, &[bins.splats, rule.channels])?;
    Ok((GpuScreenSplats::of_block(&screen, bins.splats)?, colors_bar))
}

fn text(parameters: &KernelParameters) -> KernelText {
    let globals = concat!(
        include_str!("blend.wgsl"),
        "
// Of each pixel T, which is -1 where it is finished, and what is still behind; and its cotangents of features.
var<workgroup> pixels: array<vec2<f32>, 256>;
var<workgroup> bars: array<vec4<f32>, 256>;
"
    );
    let body = "    let corner = vec2<u32>(group % columns(), group / columns()) * SIDE;
    for (var pixel = local; pixel < PIXELS; pixel += 64u) {
        let x = corner.x + pixel % SIDE;
        let y = corner.y + pixel / SIDE;
        var bar = vec4<f32>(0.0);
        var behind = 0.0;
        let inside = x < width() && y < height();
        if (inside) {
            let at = (y * width() + x) * (channels() + 2u);
            for (var k = 0u; k < 4u; k += 1u) {
                if (is_feature(k)) {
                    bar[k] = a6[bar_at() + at + place_of_feature(k)];
                    behind += bar[k] * a5[picture_at() + at + place_of_feature(k)];
                }
            }
            let covered = at + channels();
            if (first() == 0u) { behind -= (1.0 - a5[picture_at() + covered]) * a6[bar_at() + covered]; }
        }
        pixels[pixel] = vec2<f32>(select(-1.0, 1.0, inside), behind);
        bars[pixel] = bar;
    }
    let end = a4[group + 1u];
    for (var batch = a4[group]; batch < end; batch += 64u) {
        workgroupBarrier();
        let many = min(64u, end - batch);
        var open = false;
        for (var pixel = local; pixel < PIXELS; pixel += 64u) { open = open || pixels[pixel].x > 0.0; }
        var slot = 0u;
        var shape = vec4<f32>(0.0);
        var low = vec2<f32>(0.0);
        var color = vec4<f32>(0.0);
        if (local < many) {
            slot = a2[batch + local];
            let splat = a3[slot];
            let r = RECORD * splat;
            shape = vec4<f32>(a0[r], a0[r + 1u], a0[r + 2u], a0[r + 3u]);
            low = vec2<f32>(a0[r + 4u], a0[r + 5u]);
            color = features(splat);
        }
        var moments = vec3<f32>(0.0);
        var squares = vec3<f32>(0.0);
        var sums = vec4<f32>(0.0);
        if (any_open(local, open)) {
            for (var step = 0u; step < PIXELS + many - 1u; step += 1u) {
                let pixel = step - local;
                if (pixel < PIXELS && local < many) {
                    let t = pixels[pixel].x;
                    let d = vec2<f32>(corner + vec2<u32>(pixel % SIDE, pixel / SIDE)) + 0.5 - shape.xy;
                    let whole = low.y * accurate_exp(-exponent(d, shape, low.x));
                    let alpha = min(whole, most());
                    if (t > 0.0 && alpha >= least()) {
                        let next = t - t * alpha;
                        if (next > stop()) {
                            let weight = alpha * t;
                            let cg = dot(bars[pixel], color);
                            let behind = pixels[pixel].y - weight * cg;
                            sums += weight * bars[pixel];
                            let sigma = select(-alpha * (t * cg - behind / (1.0 - alpha)), 0.0, whole > most());
                            moments += sigma * vec3<f32>(1.0, d);
                            squares += sigma * vec3<f32>(d.x * d.x, d.x * d.y, d.y * d.y);
                            pixels[pixel] = vec2<f32>(next, behind);
                        } else {
                            pixels[pixel].x = -1.0;
                        }
                    }
                }
                workgroupBarrier();
            }
        }
        if (local < many) {
            let to = SUMS * slot;
            y0[to] = moments.x;
            y0[to + 1u] = moments.y;
            y0[to + 2u] = moments.z;
            y0[to + 3u] = squares.x;
            y0[to + 4u] = squares.y;
            y0[to + 5u] = squares.z;
            y0[to + 6u] = sums.x;
            y0[to + 7u] = sums.y;
            y0[to + 8u] = sums.z;
            y0[to + 9u] = sums.w;
        }
    }";
    let inputs = ["f32", "f32", "u32", "u32", "u32", "f32", "f32"];
    parameters.text(THREADS, &inputs, &["f32"], [globals, body])
}

#[cfg(test)]
mod tests {
    use monotile_kernels::splat::BlendRule;

    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_text_is_a_shader() {
        let rule = BlendRule { width: 1, height: 1, channels: 3, least: 0.0, most: 1.0, stop: 0.0 };
        validate(&text(&parameters(&rule, 0, [0; 3])));
    }
}
