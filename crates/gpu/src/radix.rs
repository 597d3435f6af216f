//! Running sums of integers, and integers sorted by digits of eight bits.
//!
//! A pass counts the digits of each group of numbers, adds the counts up over all digits and groups, and moves each number to its place. Within a group the place is
//! the rank among the equal digits before it: bits of a mask, which threads may set in any order.

use crate::error::GpuResult;
use crate::kernel::KernelText;
use crate::pool::GpuBlock;
use crate::splat::{KernelParameters, take};
use crate::stream::GpuStream;

/// Threads of a workgroup, and digits.
pub(crate) const DIGITS: usize = 256;
/// Numbers of a group: of a running sum, and of a pass.
pub(crate) const SUMMED: usize = 4 * DIGITS;
pub(crate) const SORTED: usize = 8 * DIGITS;

/// The sums of all numbers before each, and of all numbers: 2³² − 1 where that is exceeded.
pub(crate) fn running_sums(stream: &GpuStream, x: &GpuBlock, n: usize) -> GpuResult<[GpuBlock; 2]> {
    let groups = n.div_ceil(SUMMED).max(1);
    let parameters = sums_parameters(n);
    let (sums, totals) = (take(stream, &[n], &[x])?, take(stream, &[groups], &[x])?);
    let kernel = stream.kernel(("running_sums", Vec::new()), || sums_text(&parameters))?;
    stream.dispatch(&kernel, &[x], &[&sums, &totals], &parameters.words, groups as u64)?;
    if groups == 1 {
        return Ok([sums, totals]);
    }
    let [before, total] = running_sums(stream, &totals, groups)?;
    let result = take(stream, &[n], &[&sums, &before])?;
    let kernel = stream.kernel(("running_sums_of_groups", Vec::new()), || groups_text(&parameters))?;
    stream.dispatch(&kernel, &[&sums, &before], &[&result], &parameters.words, groups as u64)?;
    Ok([result, total])
}

/// Numbers sorted by their lowest `bits` bits, equal ones in their order, and where each was.
pub(crate) fn sorted(stream: &GpuStream, keys: GpuBlock, n: usize, bits: u32) -> GpuResult<[GpuBlock; 2]> {
    let groups = n.div_ceil(SORTED).max(1);
    let mut found: Option<[GpuBlock; 2]> = None;
    for shift in (0..bits.max(1)).step_by(8) {
        let parameters = sort_parameters(n, groups, shift);
        let from = found.as_ref().map_or(&keys, |[keys, _]| keys);
        let counts = take(stream, &[DIGITS, groups], &[from])?;
        let kernel = stream.kernel(("digits", Vec::new()), || digits_text(&parameters))?;
        stream.dispatch(&kernel, &[from], &[&counts], &parameters.words, groups as u64)?;
        let [places, _] = running_sums(stream, &counts, DIGITS * groups)?;
        // The first pass has no places yet: each number is at its own.
        let inputs: Vec<&GpuBlock> = [from, &places].into_iter().chain(found.as_ref().map(|[_, places]| places)).collect();
        let next = [take(stream, &[n], &inputs)?, take(stream, &[n], &inputs)?];
        let first = found.is_none();
        let kernel = stream.kernel(("move_by_digits", vec![u64::from(first)]), || move_text(&parameters, first))?;
        stream.dispatch(&kernel, &inputs, &[&next[0], &next[1]], &parameters.words, groups as u64)?;
        found = Some(next);
    }
    Ok(found.expect("at least one bit is sorted by, so that there is a pass"))
}

/// `x[places]`.
pub(crate) fn taken(stream: &GpuStream, x: &GpuBlock, places: &GpuBlock, n: usize) -> GpuResult<GpuBlock> {
    let result = take(stream, &[n], &[x, places])?;
    let parameters = sums_parameters(n);
    let kernel = stream.kernel(("take_words", Vec::new()), || take_text(&parameters))?;
    stream.dispatch(&kernel, &[x, places], &[&result], &parameters.words, n.div_ceil(DIGITS) as u64)?;
    Ok(result)
}

pub(crate) fn sums_parameters(n: usize) -> KernelParameters {
    KernelParameters::default().count("numbers", n)
}

pub(crate) fn sort_parameters(n: usize, groups: usize, shift: u32) -> KernelParameters {
    KernelParameters::default().count("numbers", n).count("groups", groups).count("shift", shift as usize)
}

const PLUS: &str = "
// What exceeds 2³² − 1 stays there.
fn plus(a: u32, b: u32) -> u32 {
    let sum = a + b;
    return select(sum, 0xffffffffu, sum < a);
}
";

pub(crate) fn sums_text(parameters: &KernelParameters) -> KernelText {
    let globals = format!(
        "{PLUS}
var<workgroup> sums: array<u32, 256>;
fn number(at: u32) -> u32 {{ return select(0u, a0[min(at, max(numbers(), 1u) - 1u)], at < numbers()); }}
"
    );
    let body = "    let at = 1024u * group + 4u * local;
    let x = vec4<u32>(number(at), number(at + 1u), number(at + 2u), number(at + 3u));
    let y = plus(x.x, x.y);
    let z = plus(y, x.z);
    sums[local] = plus(z, x.w);
    for (var reach = 1u; reach < 256u; reach <<= 1u) {
        workgroupBarrier();
        var left = 0u;
        if (local >= reach) { left = sums[local - reach]; }
        workgroupBarrier();
        sums[local] = plus(sums[local], left);
    }
    workgroupBarrier();
    var before = 0u;
    if (local > 0u) { before = sums[local - 1u]; }
    if (at < numbers()) { y0[at] = before; }
    if (at + 1u < numbers()) { y0[at + 1u] = plus(before, x.x); }
    if (at + 2u < numbers()) { y0[at + 2u] = plus(before, y); }
    if (at + 3u < numbers()) { y0[at + 3u] = plus(before, z); }
    if (local == 255u) { y1[group] = sums[255]; }";
    parameters.text(DIGITS, &["u32"], &["u32"; 2], [&globals, body])
}

pub(crate) fn groups_text(parameters: &KernelParameters) -> KernelText {
    let body = "    for (var k = 0u; k < 4u; k += 1u) {
        let at = 1024u * group + 256u * k + local;
        if (at < numbers()) { y0[at] = plus(a0[at], a1[group]); }
    }";
    parameters.text(DIGITS, &["u32"; 2], &["u32"], [PLUS, body])
}

pub(crate) fn take_text(parameters: &KernelParameters) -> KernelText {
    let body = "    let at = 256u * group + local;
    if (at < numbers()) { y0[at] = a0[a1[at]]; }";
    parameters.text(DIGITS, &["u32"; 2], &["u32"], ["", body])
}

pub(crate) fn digits_text(parameters: &KernelParameters) -> KernelText {
    let body = "    atomicStore(&counts[local], 0u);
    workgroupBarrier();
    for (var row = 0u; row < 8u; row += 1u) {
        let at = 2048u * group + 256u * row + local;
        if (at < numbers()) { atomicAdd(&counts[(a0[at] >> shift()) & 255u], 1u); }
    }
    workgroupBarrier();
    y0[local * groups() + group] = atomicLoad(&counts[local]);";
    parameters.text(DIGITS, &["u32"], &["u32"], ["var<workgroup> counts: array<atomic<u32>, 256>;\n", body])
}

pub(crate) fn move_text(parameters: &KernelParameters, first: bool) -> KernelText {
    let globals = "
// A bit for each thread, by digits: eight words of 256.
var<workgroup> masks: array<atomic<u32>, 2048>;
var<workgroup> starts: array<u32, 256>;
";
    let body = format!(
        "    starts[local] = a1[local * groups() + group];
    let word = local >> 5u;
    let bit = 1u << (local & 31u);
    for (var row = 0u; row < 8u; row += 1u) {{
        for (var k = 0u; k < 8u; k += 1u) {{ atomicStore(&masks[256u * k + local], 0u); }}
        workgroupBarrier();
        let at = 2048u * group + 256u * row + local;
        let live = at < numbers();
        var key = 0u;
        if (live) {{ key = a0[at]; }}
        let digit = (key >> shift()) & 255u;
        if (live) {{ atomicOr(&masks[256u * word + digit], bit); }}
        workgroupBarrier();
        if (live) {{
            var to = starts[digit] + countOneBits(atomicLoad(&masks[256u * word + digit]) & (bit - 1u));
            for (var k = 0u; k < word; k += 1u) {{ to += countOneBits(atomicLoad(&masks[256u * k + digit])); }}
            y0[to] = key;
            y1[to] = {};
        }}
        workgroupBarrier();
        for (var k = 0u; k < 8u; k += 1u) {{ starts[local] += countOneBits(atomicLoad(&masks[256u * k + local])); }}
    }}",
        if first { "at" } else { "a2[at]" }
    );
    parameters.text(DIGITS, &["u32"; 3][..if first { 2 } else { 3 }], &["u32"; 2], [globals, &body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Gpu, GpuOptions};
    use crate::error::GpuErrorKind;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for text in [sums_text, groups_text, take_text] {
            validate(&text(&sums_parameters(1)));
        }
        validate(&digits_text(&sort_parameters(1, 1, 0)));
        for first in [true, false] {
            validate(&move_text(&sort_parameters(1, 1, 0), first));
        }
    }

    #[test]
    fn numbers_are_sorted_and_equal_ones_stay_in_order() {
        let gpu = match Gpu::open(&GpuOptions::default()) {
            Err(error) if error.kind == GpuErrorKind::NoAdapter => return eprintln!("skipped: no adapter"),
            opened => opened.unwrap(),
        };
        let stream = GpuStream::new(&gpu);
        let read = |block: &GpuBlock| -> Vec<u32> { bytemuck::pod_collect_to_vec(&stream.read_blocking(block).unwrap()) };
        for (n, bits) in [(0, 8), (1, 32), (255, 8), (1025, 32), (5000, 11), (300_000, 17)] {
            let mut state = 7_u32;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if bits == 32 { state } else { (state >> 8) % (1 << bits) }
            };
            let x: Vec<u32> = (0..n).map(|_| next()).collect();
            let block = stream.upload(bytemuck::cast_slice(&x)).unwrap();
            let [keys, places] = sorted(&stream, block.clone(), n, bits).unwrap();
            let mut expected: Vec<(u32, u32)> = x.iter().copied().zip(0..).collect();
            expected.sort();
            assert_eq!(read(&keys).into_iter().zip(read(&places)).collect::<Vec<_>>(), expected, "{n} numbers");
            assert_eq!(read(&taken(&stream, &block, &places, n).unwrap()), read(&keys));
            let [sums, total] = running_sums(&stream, &block, n).unwrap();
            let mut sum = 0_u32;
            let mut before = Vec::new();
            for x in x {
                before.push(sum);
                sum = sum.saturating_add(x);
            }
            assert_eq!((read(&sums), read(&total)), (before, vec![sum]), "{n} numbers");
        }
    }
}
