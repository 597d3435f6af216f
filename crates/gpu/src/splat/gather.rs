//! The slots of a splat, added in their order, and what follows of the moments.

use super::{FEATURES, GpuSplatBins, KernelParameters, THREADS};
use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::pool::GpuBlock;
use crate::stream::GpuStream;

/// Adds the records of a walk over the features from `first` on to the gradients of their splats; the first walk writes them all.
pub(super) fn gather(
    stream: &GpuStream,
    bins: &GpuSplatBins,
    slots: &GpuBlock,
    first: usize,
    out: [&GpuBlock; 2],
) -> GpuResult<()> {
    let parameters = parameters(bins.splats, bins.rule.channels, first);
    let kernel = stream.kernel(("gather_slots", Vec::new()), || text(&parameters))?;
    let inputs = [slots, &bins.order, &bins.firsts, &bins.counts, &bins.records];
    stream.dispatch(&kernel, &inputs, &out, &parameters.words, bins.splats.div_ceil(THREADS) as u64)
}

fn parameters(splats: usize, channels: usize, first: usize) -> KernelParameters {
    KernelParameters::default().count("splats", splats).count("channels", channels).count("first", first)
}

fn text(parameters: &KernelParameters) -> KernelText {
    let body = format!(
        "    let rank = group * 64u + local;
    let n = splats();
    if (rank >= n) {{ return; }}
    let splat = a1[rank];
    var moments = vec3<f32>(0.0);
    var squares = vec3<f32>(0.0);
    var sums = vec4<f32>(0.0);
    let end = a2[rank] + a3[rank];
    for (var slot = a2[rank]; slot < end; slot += 1u) {{
        let at = SUMS * slot;
        moments += vec3<f32>(a0[at], a0[at + 1u], a0[at + 2u]);
        squares += vec3<f32>(a0[at + 3u], a0[at + 4u], a0[at + 5u]);
        sums += vec4<f32>(a0[at + 6u], a0[at + 7u], a0[at + 8u], a0[at + 9u]);
    }}
    var position = vec2<f32>(0.0);
    var opacity = 0.0;
    // What is not visible may be anything.
    if (a3[rank] > 0u) {{
        let r = RECORD * splat;
        let a = 2.0 * a4[r + 2u];
        let b = a4[r + 3u];
        let c = 2.0 * a4[r + 4u];
        position = -vec2<f32>(a * moments.y + b * moments.z, b * moments.y + c * moments.z);
        opacity = -moments.x / a4[r + 5u];
    }}
    let conic = 2u * n + 3u * splat;
    if (first() > 0u) {{
        position += vec2<f32>(y0[2u * splat], y0[2u * splat + 1u]);
        squares += vec3<f32>(2.0 * y0[conic], y0[conic + 1u], 2.0 * y0[conic + 2u]);
        opacity += y0[6u * n + splat];
    }}
    y0[2u * splat] = position.x;
    y0[2u * splat + 1u] = position.y;
    y0[conic] = 0.5 * squares.x;
    y0[conic + 1u] = squares.y;
    y0[conic + 2u] = 0.5 * squares.z;
    y0[6u * n + splat] = opacity;
    for (var k = 0u; k < {FEATURES}u; k += 1u) {{
        let at = first() + k;
        if (at < channels()) {{ y1[channels() * splat + at] = sums[k]; }}
        if (at == channels()) {{ y0[5u * n + splat] = sums[k]; }}
    }}"
    );
    parameters.text(THREADS, &["f32", "u32", "u32", "u32", "f32"], &["f32"; 2], ["", &body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_text_is_a_shader() {
        validate(&text(&parameters(1, 3, 0)));
    }
}
