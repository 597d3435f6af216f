//! Orders of rows, and places among sorted numbers.
//!
//! Each number becomes a key, an integer of the same order: NaN is one value above all, −0 is 0. Equal keys keep their order. Short rows are ordered by
//! counting what is before each number; others are sorted by digits ([`radix`](crate::radix)), all rows at once, and then by their rows.

use monotile_kernels::shape::{count, product};

use crate::each::{EachText, each};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType, conversions};
use crate::pool::GpuBlock;
use crate::radix::{sorted, taken};
use crate::stream::GpuStream;

/// Rows up to this long are ordered by counting.
const SHORT: usize = 128;

pub(crate) fn words(stream: &GpuStream, n: usize, beside: &[&GpuBlock]) -> GpuResult<GpuBlock> {
    stream.pool().take(product([4, n]) as u64, beside)
}

/// The first word of a block, read.
pub(crate) fn word(stream: &GpuStream, block: &GpuBlock) -> GpuResult<usize> {
    Ok(stream.read_blocking(block)?.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize)
}

/// An operand in row-major order.
pub(crate) fn in_order(stream: &GpuStream, x: &GpuOperand) -> GpuResult<GpuOperand> {
    match x.is_contiguous() {
        true => Ok(x.clone()),
        false => GpuOperand::contiguous(&crate::elementwise::copy(stream, x, x.dtype())?, x.dtype(), x.sizes()),
    }
}

/// How keys are made of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyDirection {
    Increasing,
    Decreasing,
    /// Decreasing, and NaN above all.
    DecreasingUpToNan,
}

fn key_text(dtype: GpuType) -> EachText {
    let (functions, bits) = match dtype {
        GpuType::F32 => (String::new(), "a0[place]".to_owned()),
        GpuType::I32 => (String::new(), "a0[place] ^ 0x80000000u".to_owned()),
        GpuType::Bool => (String::new(), "(a0[place >> 2u] >> ((place & 3u) * 8u)) & 0xffu".to_owned()),
        GpuType::BF16 | GpuType::F16 => (conversions(&[dtype], &[]), format!("bitcast<u32>({})", dtype.read("a0", "place"))),
    };
    let key = match dtype {
        GpuType::I32 | GpuType::Bool => format!("return {bits};"),
        _ => format!(
            "let bits = {bits};
    let size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) {{ return 0xffffffffu; }}
    let below = select(0u, 0xffffffffu, (bits >> 31u) != 0u);
    return ((size ^ below) - below) ^ 0x80000000u;"
        ),
    };
    EachText {
        inputs: &["u32"],
        outputs: &["u32"],
        globals: format!("{functions}\nfn key_at(place: u32) -> u32 {{\n    {key}\n}}"),
        body: "    let key = key_at(w1() + at);
    let stays = w2() == 0u || (w2() == 2u && key == 0xffffffffu);
    y0[at] = select(~key, key, stays);",
    }
}

/// The keys of an operand's numbers in row-major order.
pub(crate) fn keys(stream: &GpuStream, x: &GpuOperand, kind: KeyDirection) -> GpuResult<GpuBlock> {
    let (x, n) = (in_order(stream, x)?, x.elements());
    let result = words(stream, n, &[x.block()])?;
    let numbers = [n as u32, x.offset() as u32, kind as u32];
    each(stream, ("keys", vec![x.dtype() as u64]), [&[x.block()], &[&result]], &numbers, key_text(x.dtype()))?;
    Ok(result)
}

/// For each place of rows of `n` in order the place in its row of the number that belongs there: i32 of the sizes of x, whose last dimension has the rows.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, order_rows};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[2.0_f32, f32::NAN, -1.0, 2.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[4])?;
/// let places = stream.read_blocking(&order_rows(&stream, &x, false)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, i32>(&places), [2, 0, 3, 1]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If x has no dimension, or the device has no memory for a few words a number.
#[doc(alias = "argsort")]
pub fn order_rows(stream: &GpuStream, x: &GpuOperand, descending: bool) -> GpuResult<GpuBlock> {
    let Some(&n) = x.sizes().last() else {
        return Err(GpuError::invalid("order_rows: a number has no rows"));
    };
    let keys = keys(stream, x, if descending { KeyDirection::Decreasing } else { KeyDirection::Increasing })?;
    order_of_keys(stream, &keys, [x.elements(), n])
}

/// The order of rows of keys.
fn order_of_keys(stream: &GpuStream, keys: &GpuBlock, [all, n]: [usize; 2]) -> GpuResult<GpuBlock> {
    let numbers = [all as u32, n as u32];
    if all == 0 {
        return words(stream, 0, &[]);
    }
    if n <= SHORT {
        let result = words(stream, all, &[keys])?;
        let of = EachText {
            inputs: &["u32"],
            outputs: &["i32"],
            globals: String::new(),
            body: "    let row = at - at % w1();
    let key = a0[at];
    var rank = 0u;
    for (var k = row; k < row + w1(); k += 1u) {
        let other = a0[k];
        if (other < key || (other == key && k < at)) { rank += 1u; }
    }
    y0[row + rank] = i32(at - row);",
        };
        each(stream, ("order_short_rows", Vec::new()), [&[keys], &[&result]], &numbers, of)?;
        return Ok(result);
    }
    let [_, mut places] = sorted(stream, keys.clone(), all, 32)?;
    let rows = all / n;
    let by_row = |name: &'static str, outputs: &'static [&'static str], body: &'static str, places: &GpuBlock| {
        let result = words(stream, all, &[places])?;
        let of = EachText { inputs: &["u32"], outputs, globals: String::new(), body };
        each(stream, (name, Vec::new()), [&[places], &[&result]], &numbers, of)?;
        Ok::<_, GpuError>(result)
    };
    if rows > 1 {
        let of_rows = by_row("rows_of_places", &["u32"], "    y0[at] = a0[at] / w1();", &places)?;
        let [_, order] = sorted(stream, of_rows, all, usize::BITS - (rows - 1).leading_zeros())?;
        places = taken(stream, &places, &order, all)?;
    }
    by_row("places_in_rows", &["i32"], "    y0[at] = i32(a0[at] % w1());", &places)
}

/// The last place in each row of the smallest number of those that occur most often there: i32, a row each. Rows are not empty.
///
/// # Errors
/// As [`order_rows`].
#[doc(alias = "mode")]
pub fn most_frequent(stream: &GpuStream, x: &GpuOperand) -> GpuResult<GpuBlock> {
    let n = x.sizes().last().copied().unwrap_or(1).max(1);
    let keys = keys(stream, x, KeyDirection::Increasing)?;
    let order = order_of_keys(stream, &keys, [x.elements(), n])?;
    let rows = x.elements() / n;
    let result = words(stream, rows, &[&keys, &order])?;
    let of = EachText {
        inputs: &["u32", "i32"],
        outputs: &["i32"],
        globals: String::new(),
        body: "    let row = at * w1();
    var most = 0u;
    var run = 0u;
    var before = 0u;
    for (var k = 0u; k < w1(); k += 1u) {
        let place = a1[row + k];
        let key = a0[row + u32(place)];
        run = select(1u, run + 1u, k > 0u && key == before);
        before = key;
        if (run > most) {
            most = run;
            y0[at] = place;
        }
    }",
    };
    each(stream, ("most_frequent", Vec::new()), [&[&keys, &order], &[&result]], &[rows as u32, n as u32], of)?;
    Ok(result)
}

/// How many numbers of a sorted row are less than each x, or not greater if `right`: i32 of the sizes of x. The rows are the last dimensions of both, or
/// there is one sorted row for all x.
///
/// # Errors
/// If types differ, or neither is so.
#[doc(alias = "searchsorted")]
pub fn places_among(stream: &GpuStream, sorted: &GpuOperand, x: &GpuOperand, right: bool) -> GpuResult<GpuBlock> {
    let n = sorted.sizes().last().copied().unwrap_or(1);
    let one = sorted.sizes().len() == 1;
    let m = if one { x.elements() } else { x.sizes().last().copied().unwrap_or(1) };
    let rows = sorted.elements().checked_div(n).unwrap_or(0);
    if sorted.dtype() != x.dtype() || (n > 0 && rows * m != x.elements()) {
        let (a, b) = (sorted.sizes(), x.sizes());
        return Err(GpuError::invalid(format!("places_among: sorted rows of sizes {a:?} for numbers of sizes {b:?}")));
    }
    let all = x.elements();
    let (row, values) = (keys(stream, sorted, KeyDirection::Increasing)?, keys(stream, x, KeyDirection::Increasing)?);
    let result = words(stream, all, &[&row, &values])?;
    let of = EachText {
        inputs: &["u32"; 2],
        outputs: &["i32"],
        globals: String::new(),
        body: "    let row = (at / w1()) * w2();
    let key = a1[at];
    var low = 0u;
    var high = w2();
    while (low < high) {
        let middle = (low + high) / 2u;
        let other = a0[row + middle];
        if (other < key || (w3() != 0u && other == key)) { low = middle + 1u; } else { high = middle; }
    }
    y0[at] = i32(low);",
    };
    let numbers = [all as u32, m.max(1) as u32, n as u32, u32::from(right)];
    each(stream, ("places_among", Vec::new()), [&[&row, &values], &[&result]], &numbers, of)?;
    Ok(result)
}

/// Where along an axis the largest number up to each is, or the smallest: the last of equal ones, and from the first NaN on the last NaN. Indices along the axis, i32.
///
/// A thread walks a line, in its order.
///
/// # Errors
/// If there is no such axis.
#[doc(alias = "cummax")]
pub fn running_extrema(stream: &GpuStream, x: &GpuOperand, axis: usize, largest: bool) -> GpuResult<GpuBlock> {
    let Some(&n) = x.sizes().get(axis) else {
        return Err(GpuError::invalid(format!("running_extrema: sizes {:?} have no axis {axis}", x.sizes())));
    };
    let keys = keys(stream, x, if largest { KeyDirection::Increasing } else { KeyDirection::DecreasingUpToNan })?;
    let (all, inner) = (x.elements(), count(&x.sizes()[axis + 1..]));
    let result = words(stream, all, &[&keys])?;
    let lines = all.checked_div(n).unwrap_or(0);
    let of = EachText {
        inputs: &["u32"],
        outputs: &["i32"],
        globals: String::new(),
        body: "    var here = (at / w2()) * w2() * w1() + at % w2();
    var best = 0u;
    var index = 0;
    for (var j = 0u; j < w1(); j += 1u) {
        let key = a0[here];
        if (j == 0u || key >= best) {
            best = key;
            index = i32(j);
        }
        y0[here] = index;
        here += w2();
    }",
    };
    let numbers = [lines as u32, n as u32, inner as u32];
    each(stream, ("running_extrema", Vec::new()), [&[&keys], &[&result]], &numbers, of)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_of_a_key_is_a_shader() {
        for dtype in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool] {
            validate(&key_text(dtype).text(3));
        }
    }
}
