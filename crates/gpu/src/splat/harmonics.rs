//! Colours that depend on the direction of sight.

use monotile_kernels::splat::CameraRows;
use monotile_kernels::splat::harmonics::degree;

use super::{KernelParameters, THREADS, column_sums, each_in_rows, in_rows, take};
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::GpuOperand;
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::text::Text;

/// Colours `(N, 3)` of the splats whose depth `(N)` is above 0, from means `(N, 3)` and coefficients `(N, K, 3)`; others are 0, and what is not finite is NaN.
///
/// # Errors
/// If an operand has other sizes, K is not 1, 4, 9 or 16, or the device has no memory.
pub fn splat_colors(stream: &GpuStream, camera: &CameraRows, operands: [&GpuOperand; 3]) -> GpuResult<GpuBlock> {
    const NAME: &str = "splat_colors";
    let (n, coefficients, rows) = checked(stream, NAME, operands)?;
    let inputs = rows.each_ref().map(|x| x.block());
    let result = take(stream, &[3, n], &inputs)?;
    let parameters = parameters(n, camera, rows.each_ref().map(|x| x.offset()), 0);
    let kernel = stream.kernel((NAME, vec![coefficients as u64]), || forward(&parameters, coefficients))?;
    stream.dispatch(&kernel, &inputs, &[&result], &parameters.words, n.div_ceil(THREADS) as u64)?;
    Ok(result)
}

/// The gradients of [`splat_colors`] from that of its result, `(N, 3)`: of the means, of the coefficients, and of the eye's three numbers.
///
/// # Errors
/// As those of [`splat_colors`].
pub fn splat_colors_backward(
    stream: &GpuStream,
    camera: &CameraRows,
    operands: [&GpuOperand; 3],
    cotangent: &GpuOperand,
) -> GpuResult<[GpuBlock; 3]> {
    const NAME: &str = "splat_colors_backward";
    let (n, coefficients, rows) = checked(stream, NAME, operands)?;
    let bar = in_rows(stream, NAME, cotangent, &[n, 3])?;
    let [means, harmonics, depths] = rows.each_ref().map(|x| x.block());
    let inputs = [means, harmonics, depths, bar.block()];
    let groups = n.div_ceil(THREADS);
    let (means_bar, harmonics_bar) = (take(stream, &[3, n], &inputs)?, take(stream, &[3, coefficients, n], &inputs)?);
    let partial = take(stream, &[3, groups], &inputs)?;
    let parameters = parameters(n, camera, rows.each_ref().map(|x| x.offset()), bar.offset());
    let kernel = stream.kernel((NAME, vec![coefficients as u64]), || backward(&parameters, coefficients))?;
    stream.dispatch(&kernel, &inputs, &[&means_bar, &harmonics_bar, &partial], &parameters.words, groups as u64)?;
    Ok([means_bar, harmonics_bar, column_sums(stream, &partial, groups, 3)?])
}

/// How many splats there are, how many coefficients of a channel, and the operands in row-major order.
fn checked(
    stream: &GpuStream,
    name: &str,
    [means, harmonics, depths]: [&GpuOperand; 3],
) -> GpuResult<(usize, usize, [GpuOperand; 3])> {
    let n = depths.elements();
    let &[rows, coefficients, 3] = harmonics.sizes() else {
        return Err(GpuError::invalid(format!("{name}: coefficients of sizes {:?} are not (N, K, 3)", harmonics.sizes())));
    };
    if rows != n || degree(coefficients).is_none() {
        let words = format!("{name}: {coefficients} coefficients of {rows} splats, where 1, 4, 9 or 16 of {n} are taken");
        return Err(GpuError::invalid(words));
    }
    let parts = [(means, vec![n, 3]), (harmonics, vec![n, coefficients, 3]), (depths, vec![n])];
    Ok((n, coefficients, each_in_rows(stream, name, parts)?))
}

pub(super) fn parameters(n: usize, camera: &CameraRows, [means, harmonics, depths]: [usize; 3], bar: usize) -> KernelParameters {
    let first = KernelParameters::default().count("splats", n).count("bar_at", bar).camera(camera);
    first.count("means_at", means).count("harmonics_at", harmonics).count("depths_at", depths)
}

/// `y` and the colour before it is held above 0.
fn seen(text: &mut Text, coefficients: usize) {
    text.line("    let v = sight(i);\n    let inverse_distance = 1.0 / sqrt(dot(v, v));\n    let d = v * inverse_distance;");
    text.line(format_args!("    let y = basis(d);\n    let at = harmonics_at() + {}u * i;", 3 * coefficients));
    text.line("    var color = vec3<f32>(COLOR_OFFSET);");
    text.unrolled(coefficients, |k| format!("    let h{k} = coefficient(at + {}u);\n    color += y[{k}] * h{k};", 3 * k));
}

pub(super) fn forward(parameters: &KernelParameters, coefficients: usize) -> KernelText {
    let mut text = Text::default();
    text.line("    let i = group * 64u + local;\n    if (i >= splats()) { return; }\n    var shown = vec3<f32>(0.0);");
    text.line("    if (a2[depths_at() + i] > 0.0) {");
    seen(&mut text, coefficients);
    text.line("    let clear = finite(color.x) && finite(color.y) && finite(color.z);");
    text.line("    shown = select(vec3<f32>(accurate_of_bits(0x7fc00000u)), max(color, vec3<f32>(0.0)), clear);\n    }");
    text.unrolled(3, |c| format!("    y0[3u * i + {c}u] = shown[{c}];"));
    let body = text.finish();
    parameters.text(THREADS, &["f32"; 3], &["f32"], [include_str!("harmonics.wgsl"), &body])
}

fn backward(parameters: &KernelParameters, coefficients: usize) -> KernelText {
    let globals = concat!(include_str!("harmonics.wgsl"), "\nvar<workgroup> sums: array<vec3<f32>, 64>;\n");
    let mut text = Text::default();
    text.line("    let i = group * 64u + local;\n    sums[local] = vec3<f32>(0.0);\n    if (i < splats()) {");
    text.line("    var mean_bar = vec3<f32>(0.0);");
    text.line(format_args!("    let to = {}u * i;", 3 * coefficients));
    text.line("    let from_color = vec3<f32>(a3[bar_at() + 3u * i], a3[bar_at() + 3u * i + 1u], a3[bar_at() + 3u * i + 2u]);");
    // A splat whose colour got no cotangent has no gradient.
    text.line("    if (a2[depths_at() + i] > 0.0 && any(from_color != vec3<f32>(0.0))) {");
    seen(&mut text, coefficients);
    text.line("    let bar = select(from_color, vec3<f32>(0.0), color < vec3<f32>(0.0));\n    var w: array<f32, 16>;");
    text.unrolled(coefficients, |k| format!("    w[{k}] = dot(bar, h{k});\n    let g{k} = y[{k}] * bar;"));
    text.unrolled(3 * coefficients, |k| format!("    y1[to + {k}u] = g{}[{}];", k / 3, k % 3));
    text.line("    let pulled = basis_bar(d, w);");
    text.line("    let v_bar = (pulled - dot(pulled, d) * d) * inverse_distance;");
    text.line("    mean_bar = row4().w * v_bar;\n    sums[local] = -v_bar;\n    } else {");
    text.unrolled(3 * coefficients, |k| format!("    y1[to + {k}u] = 0.0;"));
    text.line("    }");
    text.unrolled(3, |c| format!("    y0[3u * i + {c}u] = mean_bar[{c}];"));
    text.line("    }\n    for (var half = 32u; half > 0u; half >>= 1u) {\n        workgroupBarrier();");
    text.line("        if (local < half) { sums[local] += sums[local + half]; }\n    }");
    text.line("    if (local == 0u) {");
    text.unrolled(3, |c| format!("        y2[3u * group + {c}u] = sums[0][{c}];"));
    text.line("    }");
    let body = text.finish();
    parameters.text(THREADS, &["f32"; 4], &["f32"; 3], [globals, &body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for coefficients in [1, 4, 9, 16] {
            let parameters = parameters(1, &[0.0; 24], [0; 3], 0);
            validate(&forward(&parameters, coefficients));
            validate(&backward(&parameters, coefficients));
        }
    }
}
