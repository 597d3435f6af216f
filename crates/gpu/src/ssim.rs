//! The structural similarity of two pictures and its gradients, as [`monotile_kernels::ssim`] states them: a workgroup a tile of a channel.
//!
//! A tile of 16 x 16 pixels comes into the workgroup's memory with five pixels around it, is weighted along its rows, and then down its columns.

use monotile_kernels::shape::count;
use monotile_kernels::ssim::{REACH, STABILIZERS, SsimRule, WINDOW, window};

use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType};
use crate::pool::GpuBlock;
use crate::reduce::{GpuReduction, reduce};
use crate::stream::GpuStream;
use crate::text::{Text, parameter};

/// Pixels of a side of a tile.
const SIDE: usize = 16;
/// Pixels of a side with what its windows reach.
const WIDE: usize = SIDE + 2 * REACH;
/// Threads of a workgroup, a pixel each.
const THREADS: usize = SIDE * SIDE;

/// Two pictures that are compared, and what their gradients need.
#[derive(Debug, Clone)]
pub struct GpuSsim {
    rule: SsimRule,
    pictures: [GpuOperand; 2],
    /// What four means of a window would have to change by, at each number of a picture.
    slopes: GpuBlock,
    /// One number: 1 − SSIM, the mean over windows and channels.
    pub lost: GpuBlock,
}

/// Compares two pictures `(height, width, channels)` of f32.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, ssim};
/// use monotile_kernels::ssim::SsimRule;
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let picture = |value: f32| {
///     let block = stream.upload(bytemuck::cast_slice(&[value; 256]))?;
///     GpuOperand::contiguous(&block, GpuType::F32, &[16, 16, 1])
/// };
/// let rule = SsimRule { height: 16, width: 16, channels: 1, within: true };
/// let compared = ssim(&stream, &rule, [&picture(0.5)?, &picture(1.0)?])?;
/// let lost: Vec<f32> = bytemuck::pod_collect_to_vec(&stream.read_blocking(&compared.lost)?);
/// assert!((1.0 - lost[0] - 1.0001 / 1.2501).abs() < 1e-5);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If a picture has other sizes, no window counts, or the device has no memory for four numbers a number of a picture.
pub fn ssim(stream: &GpuStream, rule: &SsimRule, pictures: [&GpuOperand; 2]) -> GpuResult<GpuSsim> {
    const NAME: &str = "ssim";
    let SsimRule { height, width, channels, .. } = *rule;
    let windows = rule.windows();
    if windows == 0 || pictures.iter().any(|x| x.sizes() != [height, width, channels] || x.dtype() != GpuType::F32) {
        let sizes = pictures.map(GpuOperand::sizes);
        return Err(GpuError::invalid(format!("{NAME}: takes f32 of sizes [{height}, {width}, {channels}], got {sizes:?}")));
    }
    let pictures = pictures.map(|x| contiguous(stream, x));
    let [x, y] = pictures;
    let pictures = [x?, y?];
    let inputs = pictures.each_ref().map(GpuOperand::block);
    let groups = tiles(rule);
    let slopes = stream.pool().take((count(&[height, width, channels]) as u64).saturating_mul(16), &inputs)?;
    let partial = stream.pool().take(4 * groups as u64, &inputs)?;
    let kernel = stream.kernel((NAME, Vec::new()), forward)?;
    let mut words = words(rule, &pictures);
    words.push((1.0 / windows as f32).to_bits());
    stream.dispatch(&kernel, &inputs, &[&slopes, &partial], &words, groups as u64)?;
    let lost = reduce(stream, GpuReduction::Sum, &GpuOperand::contiguous(&partial, GpuType::F32, &[groups])?, &[0])?;
    Ok(GpuSsim { rule: *rule, pictures, slopes, lost })
}

/// The gradient of SSIM by the first of two pictures, or by the second: f32 of its sizes.
///
/// # Errors
/// If the device has no memory.
pub fn ssim_backward(stream: &GpuStream, of: &GpuSsim, second: bool) -> GpuResult<GpuBlock> {
    let SsimRule { height, width, channels, .. } = of.rule;
    let [x, y] = of.pictures.each_ref().map(GpuOperand::block);
    let inputs = [x, y, &of.slopes];
    let result = stream.pool().take((count(&[height, width, channels]) as u64).saturating_mul(4), &inputs)?;
    let kernel = stream.kernel(("ssim_backward", vec![u64::from(second)]), || backward(second))?;
    stream.dispatch(&kernel, &inputs, &[&result], &words(&of.rule, &of.pictures), tiles(&of.rule) as u64)?;
    Ok(result)
}

fn contiguous(stream: &GpuStream, x: &GpuOperand) -> GpuResult<GpuOperand> {
    match x.is_contiguous() {
        true => Ok(x.clone()),
        false => GpuOperand::contiguous(&crate::elementwise::copy(stream, x, GpuType::F32)?, GpuType::F32, x.sizes()),
    }
}

fn tiles(rule: &SsimRule) -> usize {
    count(&[rule.height.div_ceil(SIDE), rule.width.div_ceil(SIDE), rule.channels])
}

/// Height, width, channels, pixels around that do not count, and the pictures' offsets.
fn words(rule: &SsimRule, pictures: &[GpuOperand; 2]) -> Vec<u32> {
    let cut = if rule.within { REACH } else { 0 };
    [rule.height, rule.width, rule.channels, cut, pictures[0].offset(), pictures[1].offset()].map(|x| x as u32).to_vec()
}

/// What both texts begin with: which tile, and where its pixels are.
fn head() -> Text {
    let mut text = Text::default();
    let [height, width, channels, cut, x_at, y_at] = [0, 1, 2, 3, 4, 5].map(parameter);
    text.line(format_args!(
        "    let size = vec2<i32>(i32({width}), i32({height}));
    let channels = {channels};
    let cut = i32({cut});
    let offsets = vec2<u32>({x_at}, {y_at});
    let channel = group % channels;
    let tile = group / channels;
    let columns = ({width} + {SIDE}u - 1u) / {SIDE}u;
    let corner = vec2<i32>(i32(tile % columns), i32(tile / columns)) * {SIDE};
    let pixel = corner + vec2<i32>(i32(local % {SIDE}u), i32(local / {SIDE}u));
    let here = u32(pixel.y * size.x + pixel.x) * channels + channel;
    let inside = all(pixel < size);"
    ));
    text
}

/// A loop in which the threads pass `many` numbers, each with a number `k`.
fn each(many: usize, body: &str) -> String {
    format!("    for (var k = local; k < {many}u; k += {THREADS}u) {{\n{body}    }}\n    workgroupBarrier();")
}

/// Where a number `k` of the wide tile is in the picture: `at`, and whether it is there, `there`.
fn around() -> String {
    format!(
        "        let at = corner + vec2<i32>(i32(k % {WIDE}u), i32(k / {WIDE}u)) - {REACH};
        let there = all(at >= vec2<i32>(0)) && all(at < size);
        let number = u32(max(at.y, 0) * size.x + max(at.x, 0)) * channels + channel;\n"
    )
}

/// Sums of `value`, in which `#` is a place, weighted by the window, with `start` the place of the first and `step` what is between.
fn weighted(kind: &str, name: &str, start: &str, step: usize, value: impl Fn(&str) -> String) -> String {
    let half = window();
    let mut text = Text::default();
    text.line(format_args!("    var {name} = {kind}(0.0);"));
    text.unrolled(WINDOW, |i| {
        let weight = half[i.min(2 * REACH - i)] as f32;
        format!("    {name} += {weight:?}f * {};", value(&format!("{start} + {}u", i * step)))
    });
    text.finish()
}

fn forward() -> KernelText {
    let [c1, c2] = STABILIZERS.map(|c| c as f32);
    let globals = format!(
        "// s and d of the tile and what is around it; along its rows the means of s, d, s² and d²; and sums.
var<workgroup> pixels: array<vec2<f32>, {}>;
var<workgroup> rows: array<vec4<f32>, {}>;
var<workgroup> sums: array<f32, {THREADS}>;
fn fields(p: vec2<f32>) -> vec4<f32> {{ return vec4<f32>(p, p * p); }}",
        WIDE * WIDE,
        WIDE * SIDE
    );
    let mut text = head();
    let load = "        var both = vec2<f32>(0.0);
        if (there) {
            let x = a0[offsets.x + number];
            let y = a1[offsets.y + number];
            both = vec2<f32>(x + y, x - y);
        }
        pixels[k] = both;\n";
    text.line(each(WIDE * WIDE, &(around() + load)));
    let along = weighted("vec4<f32>", "sum", "first", 1, |at| format!("fields(pixels[{at}])"));
    let start = format!("        let first = (k / {SIDE}u) * {WIDE}u + k % {SIDE}u;\n");
    text.line(each(WIDE * SIDE, &format!("{start}{along}        rows[k] = sum;\n")));
    text.line(weighted("vec4<f32>", "m", "local", SIDE, |at| format!("rows[{at}]")));
    text.line(format_args!(
        "    let v = m.zw - m.xy * m.xy;
    let b1 = 0.5 * dot(m.xy, m.xy) + {c1:?}f;
    let b2 = 0.5 * (v.x + v.y) + {c2:?}f;
    let l_lost = m.y * m.y / b1;
    let c_lost = v.y / b2;
    let l = 1.0 - l_lost;
    let c = 1.0 - c_lost;
    let share = bitcast<f32>({});
    let along_l = c / b1 * share;
    let along_c = l / b2 * share;
    let of_s = m.x * (along_l * l_lost - along_c * c_lost);
    let of_d = m.y * (along_c * (1.0 + c) - along_l * (1.0 + l));
    let counted = inside && all(pixel >= vec2<i32>(cut)) && all(pixel + cut < size);
    let slopes = vec4<f32>(of_s + of_d, of_s - of_d, 0.5 * along_c * c_lost, -0.5 * along_c * (1.0 + c));
    if (inside) {{ y0[here] = select(vec4<f32>(0.0), slopes, counted); }}
    sums[local] = select(0.0, (l_lost + l * c_lost) * share, counted);
    for (var half = {THREADS}u / 2u; half > 0u; half /= 2u) {{
        workgroupBarrier();
        if (local < half) {{ sums[local] += sums[local + half]; }}
    }}
    if (local == 0u) {{ y1[group] = sums[0]; }}",
        parameter(6)
    ));
    KernelText {
        inputs: vec!["f32"; 2],
        outputs: vec!["vec4<f32>", "f32"],
        words: 7,
        threads: THREADS,
        globals,
        body: text.finish(),
    }
}

fn backward(second: bool) -> KernelText {
    let globals = format!(
        "// The slopes by a picture's own mean, by that of s² and by that of d²; and their sums along rows.
var<workgroup> own: array<f32, {0}>;
var<workgroup> squares: array<vec2<f32>, {0}>;
var<workgroup> own_rows: array<f32, {1}>;
var<workgroup> square_rows: array<vec2<f32>, {1}>;",
        WIDE * WIDE,
        WIDE * SIDE
    );
    let (part, sign) = if second { ("y", "-") } else { ("x", "+") };
    let mut text = head();
    let load = format!(
        "        var slopes = vec4<f32>(0.0);
        if (there) {{ slopes = a2[number]; }}
        own[k] = slopes.{part};
        squares[k] = slopes.zw;\n"
    );
    text.line(each(WIDE * WIDE, &(around() + &load)));
    let start = format!("        let first = (k / {SIDE}u) * {WIDE}u + k % {SIDE}u;\n");
    let one = weighted("f32", "one", "first", 1, |at| format!("own[{at}]"));
    let two = weighted("vec2<f32>", "two", "first", 1, |at| format!("squares[{at}]"));
    text.line(each(WIDE * SIDE, &format!("{start}{one}{two}        own_rows[k] = one;\n        square_rows[k] = two;\n")));
    text.line(weighted("f32", "mean", "local", SIDE, |at| format!("own_rows[{at}]")));
    text.line(weighted("vec2<f32>", "square", "local", SIDE, |at| format!("square_rows[{at}]")));
    text.line(format_args!(
        "    if (inside) {{
        let x = a0[offsets.x + here];
        let y = a1[offsets.y + here];
        y0[here] = mean + 2.0 * (x + y) * square.x {sign} 2.0 * (x - y) * square.y;
    }}"
    ));
    KernelText {
        inputs: vec!["f32", "f32", "vec4<f32>"],
        outputs: vec!["f32"],
        words: 6,
        threads: THREADS,
        globals,
        body: text.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn the_texts_are_shaders() {
        validate(&forward());
        validate(&backward(false));
        validate(&backward(true));
    }
}
