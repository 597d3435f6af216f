//! Pixels from splats, front to back: a workgroup a tile, a thread a pixel.

use monotile_kernels::splat::BlendRule;

use super::bins::tiles;
use super::{FEATURES, GpuSplatBins, KernelParameters, PIXELS, SIDE, take};
use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::pool::GpuBlock;
use crate::stream::GpuStream;

/// The picture `(height, width, channels + 2)` of f32: the colours, their coverage, and the sum of depths, as [`monotile_kernels::splat::blend`](fn@monotile_kernels::splat::blend)
/// computes them.
///
/// # Errors
/// If the device has no memory.
pub fn blend_splats(stream: &GpuStream, bins: &GpuSplatBins) -> GpuResult<GpuBlock> {
    let GpuSplatBins { rule, records, colors, entries, owners, starts, .. } = bins;
    let inputs = [records, colors.block(), entries, owners, starts];
    let result = take(stream, &[rule.height, rule.width, rule.wide()], &inputs)?;
    for first in (0..=rule.channels).step_by(FEATURES) {
        let parameters = parameters(rule, first, [colors.offset(), 0, 0]);
        let kernel = stream.kernel(("blend_splats", Vec::new()), || text(&parameters))?;
        stream.dispatch(&kernel, &inputs, &[&result], &parameters.words, tiles(rule) as u64)?;
    }
    Ok(result)
}

/// Of a walk over the features from `first` on; offsets of the colours, the picture and its cotangent.
pub(super) fn parameters(rule: &BlendRule, first: usize, [colors, picture, bar]: [usize; 3]) -> KernelParameters {
    KernelParameters::default()
        .count("width", rule.width)
        .count("height", rule.height)
        .count("columns", rule.width.div_ceil(SIDE))
        .count("channels", rule.channels)
        .count("first", first)
        .number("least", rule.least)
        .number("most", rule.most)
        .number("stop", rule.stop)
        .count("colors_at", colors)
        .count("picture_at", picture)
        .count("bar_at", bar)
}

pub(super) fn text(parameters: &KernelParameters) -> KernelText {
    let globals = concat!(
        include_str!("blend.wgsl"),
        "
// Position, a/2 and b, then c/2 and the opacity, and the features of as many splats as there are threads.
var<workgroup> shapes: array<vec4<f32>, 256>;
var<workgroup> rest: array<vec2<f32>, 256>;
var<workgroup> colors: array<vec4<f32>, 256>;
"
    );
    let body = "    let x = (group % columns()) * SIDE + local % SIDE;
    let y = (group / columns()) * SIDE + local / SIDE;
    let inside = x < width() && y < height();
    let center = vec2<f32>(f32(x), f32(y)) + 0.5;
    var open = inside;
    var t = 1.0;
    var sum = vec4<f32>(0.0);
    let end = a4[group + 1u];
    for (var batch = a4[group]; batch < end; batch += PIXELS) {
        if (!any_open(local, open)) { break; }
        if (batch + local < end) {
            let splat = a3[a2[batch + local]];
            let r = RECORD * splat;
            shapes[local] = vec4<f32>(a0[r], a0[r + 1u], a0[r + 2u], a0[r + 3u]);
            rest[local] = vec2<f32>(a0[r + 4u], a0[r + 5u]);
            colors[local] = features(splat);
        }
        workgroupBarrier();
        let many = min(PIXELS, end - batch);
        for (var n = 0u; n < many && open; n += 1u) {
            let shape = shapes[n];
            let alpha = min(rest[n].y * accurate_exp(-exponent(center - shape.xy, shape, rest[n].x)), most());
            if (alpha >= least()) {
                let next = t - t * alpha;
                open = next > stop();
                if (open) {
                    sum += alpha * t * colors[n];
                    t = next;
                }
            }
        }
        workgroupBarrier();
    }
    if (!inside) { return; }
    let wide = channels() + 2u;
    let pixel = (y * width() + x) * wide;
    for (var k = 0u; k < 4u; k += 1u) {
        if (is_feature(k)) { y0[pixel + place_of_feature(k)] = sum[k]; }
    }
    if (first() == 0u) { y0[pixel + channels()] = 1.0 - t; }";
    parameters.text(PIXELS, &["f32", "f32", "u32", "u32", "u32"], &["f32"], [globals, body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_text_is_a_shader() {
        let rule = BlendRule { width: 1, height: 1, channels: 3, least: 0.0, most: 1.0, stop: 0.0 };
        validate(&text(&parameters(&rule, 0, [0; 3])));
    }
}
