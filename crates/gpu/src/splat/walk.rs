//! Faint splats walk at random: a thread a splat.

use super::{GpuSplatShapes, KernelParameters, THREADS, take};
use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType};
use crate::stream::GpuStream;

/// How far splats walk, and the random numbers that they do it by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpuWalk {
    /// The key of Philox 4x32.
    pub key: [u32; 2],
    /// The last three of its counters; the first is the row.
    pub counters: [u32; 3],
    /// How far a splat walks that has no opacity, in units of its covariance.
    pub far: f64,
    /// The opacity at which half of that is left.
    pub least_opacity: f64,
    /// Splats with a larger logit stay.
    pub most_logit: f64,
    /// Splats stay that would walk less than this part of their own size.
    pub least_walk: f64,
}

/// The means of splats after a step at random: each of m + f Σ ξ, with the covariance Σ, normal numbers ξ of its row, and
/// f = far / (1 + exp(100 (o − least_opacity))) of its opacity o.
///
/// # Errors
/// If an operand has other sizes, or the device has no memory.
///
/// # Source
/// Kheradmand and others (2024), 3D Gaussian splatting as Markov chain Monte Carlo.
pub fn walk_splats(stream: &GpuStream, walk: &GpuWalk, splats: &GpuSplatShapes) -> GpuResult<GpuOperand> {
    const NAME: &str = "walk_splats";
    let (n, rows) = splats.rows(stream, NAME)?;
    let inputs = rows.each_ref().map(|x| x.block());
    let result = take(stream, &[3, n], &inputs)?;
    let parameters = parameters(n, walk, rows.each_ref().map(|x| x.offset()));
    let kernel = stream.kernel((NAME, Vec::new()), || text(&parameters))?;
    stream.dispatch(&kernel, &inputs, &[&result], &parameters.words, n.div_ceil(THREADS) as u64)?;
    GpuOperand::contiguous(&result, GpuType::F32, &[n, 3])
}

fn parameters(n: usize, walk: &GpuWalk, [means, rotations, log_scales, logits]: [usize; 4]) -> KernelParameters {
    let GpuWalk { key, counters, far, least_opacity, most_logit, least_walk } = *walk;
    KernelParameters::default()
        .count("splats", n)
        .count("key0", key[0] as usize)
        .count("key1", key[1] as usize)
        .count("counter1", counters[0] as usize)
        .count("counter2", counters[1] as usize)
        .count("counter3", counters[2] as usize)
        .number("far", far)
        .number("least_opacity", least_opacity)
        .number("most_logit", most_logit)
        .number("least_walk", least_walk)
        .count("means_at", means)
        .count("rotations_at", rotations)
        .count("log_scales_at", log_scales)
        .count("logits_at", logits)
}

fn text(parameters: &KernelParameters) -> KernelText {
    let body = "    let i = group * 64u + local;
    if (i >= splats()) { return; }
    let m = means_at() + 3u * i;
    var mean = vec3<f32>(a0[m], a0[m + 1u], a0[m + 2u]);
    let logit = a3[logits_at() + i];
    if (logit <= most_logit()) {
        let opacity = 1.0 / (1.0 + accurate_exp(-logit));
        let part = far() / (1.0 + accurate_exp(100.0 * (opacity - least_opacity())));
        let l = log_scales_at() + 3u * i;
        let variances = vec3<f32>(accurate_exp(2.0 * a2[l]), accurate_exp(2.0 * a2[l + 1u]), accurate_exp(2.0 * a2[l + 2u]));
        if (part * sqrt(max(variances.x, max(variances.y, variances.z))) >= least_walk()) {
            let r = rotations_at() + 4u * i;
            mean += part * spread(vec4<f32>(a1[r], a1[r + 1u], a1[r + 2u], a1[r + 3u]), variances, normal3(i));
        }
    }
    y0[3u * i] = mean.x;
    y0[3u * i + 1u] = mean.y;
    y0[3u * i + 2u] = mean.z;";
    parameters.text(THREADS, &["f32"; 4], &["f32"], [include_str!("walk.wgsl"), body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_text_is_a_shader() {
        let walk = GpuWalk { key: [0; 2], counters: [0; 3], far: 1.0, least_opacity: 0.0, most_logit: 0.0, least_walk: 0.0 };
        validate(&text(&parameters(1, &walk, [0; 4])));
    }
}
