//! The numbers that differ, where a mask is true, and how many numbers are where. Keys and orders are those of [`order`](crate::order).

use monotile_kernels::shape::count;

use crate::each::{EachText, each};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType};
use crate::order::{KeyDirection, in_order, keys, word, words};
use crate::pool::GpuBlock;
use crate::radix::{running_sums, sorted};
use crate::stream::GpuStream;

/// The numbers of an operand that differ, in order.
#[derive(Debug, Clone)]
pub struct GpuDistinct {
    /// How many there are.
    pub count: usize,
    /// The first place of each, i32.
    pub first: GpuBlock,
    /// For each number which it is, i32.
    pub inverse: GpuBlock,
    /// How often each occurs, i32.
    pub counts: GpuBlock,
}

/// Which numbers differ, in row-major order.
///
/// # Errors
/// If the device has no memory for a few words a number.
///
/// # Cost
/// A sort; how many there are is read back.
#[doc(alias = "unique")]
pub fn distinct(stream: &GpuStream, x: &GpuOperand) -> GpuResult<GpuDistinct> {
    let n = x.elements();
    if n == 0 {
        let none = words(stream, 0, &[])?;
        return Ok(GpuDistinct { count: 0, first: none.clone(), inverse: none.clone(), counts: none });
    }
    let [keys, order] = sorted(stream, keys(stream, x, KeyDirection::Increasing)?, n, 32)?;
    let flags = words(stream, n, &[&keys])?;
    let of = EachText {
        inputs: &["u32"],
        outputs: &["u32"],
        globals: String::new(),
        body: "    y0[at] = select(0u, 1u, at == 0u || a0[at] != a0[max(at, 1u) - 1u]);",
    };
    each(stream, ("mark_distinct", Vec::new()), [&[&keys], &[&flags]], &[n as u32], of)?;
    let [before, total] = running_sums(stream, &flags, n)?;
    let count = word(stream, &total)?;
    let inputs = [&flags, &before, &order];
    let (first, starts, inverse) = (words(stream, count, &inputs)?, words(stream, count, &inputs)?, words(stream, n, &inputs)?);
    let of = EachText {
        inputs: &["u32"; 3],
        outputs: &["i32", "u32", "i32"],
        globals: String::new(),
        body: "    let own = a2[at];
    if (a0[at] != 0u) {
        y0[a1[at]] = i32(own);
        y1[a1[at]] = at;
    }
    y2[own] = i32(a1[at] + a0[at]) - 1;",
    };
    each(stream, ("name_distinct", Vec::new()), [&inputs, &[&first, &starts, &inverse]], &[n as u32], of)?;
    let counts = words(stream, count, &[&starts])?;
    let of = EachText {
        inputs: &["u32"],
        outputs: &["i32"],
        globals: String::new(),
        body: "    var end = w1();
    if (at + 1u < w0()) { end = a0[at + 1u]; }
    y0[at] = i32(end - a0[at]);",
    };
    each(stream, ("count_distinct", Vec::new()), [&[&starts], &[&counts]], &[count as u32, n as u32], of)?;
    Ok(GpuDistinct { count, first, inverse, counts })
}

/// The places in row-major order where an operand of type `Bool` is true, i32, and how many these are.
///
/// # Errors
/// If it is of another type.
///
/// # Cost
/// How many there are is read back.
#[doc(alias = "nonzero")]
pub fn places_set(stream: &GpuStream, mask: &GpuOperand) -> GpuResult<(GpuBlock, usize)> {
    if mask.dtype() != GpuType::Bool {
        return Err(GpuError::invalid(format!("places_set: a mask is of type Bool, not {:?}", mask.dtype())));
    }
    let n = mask.elements();
    if n == 0 {
        return Ok((words(stream, 0, &[])?, 0));
    }
    let flags = keys(stream, mask, KeyDirection::Increasing)?;
    let [before, total] = running_sums(stream, &flags, n)?;
    let count = word(stream, &total)?;
    let result = words(stream, count, &[&flags, &before])?;
    let of = EachText {
        inputs: &["u32"; 2],
        outputs: &["i32"],
        globals: String::new(),
        body: "    if (a0[at] != 0u) { y0[a1[at]] = i32(at); }",
    };
    each(stream, ("places_set", Vec::new()), [&[&flags, &before], &[&result]], &[n as u32], of)?;
    Ok((result, count))
}

/// The indices along each dimension of sizes `sizes` of places in row-major order, i32 `(n, rank)`.
///
/// # Errors
/// If the places are not of type `I32`, or there are more than six dimensions.
pub fn coordinates(stream: &GpuStream, places: &GpuOperand, sizes: &[usize]) -> GpuResult<GpuBlock> {
    let places = in_order(stream, places)?;
    let rank = sizes.len();
    if places.dtype() != GpuType::I32 || rank > 6 {
        return Err(GpuError::invalid(format!("coordinates: {:?} in {rank} dimensions; takes I32 in up to six", places.dtype())));
    }
    let all = places.elements() * rank;
    let result = words(stream, all, &[places.block()])?;
    let mut numbers = vec![all as u32, places.offset() as u32, rank as u32];
    numbers.extend((0..6).map(|d| if d < rank { sizes[d] as u32 } else { 1 }));
    numbers.extend((0..6).map(|d| if d < rank { count(&sizes[d + 1..]) as u32 } else { 1 }));
    let of = EachText {
        inputs: &["i32"],
        outputs: &["i32"],
        globals: String::new(),
        body: "    let number = u32(a0[w1() + at / w2()]);
    var sizes = array<u32, 6>(w3(), w4(), w5(), w6(), w7(), w8());
    var steps = array<u32, 6>(w9(), w10(), w11(), w12(), w13(), w14());
    let d = at % w2();
    y0[at] = i32((number / max(steps[d], 1u)) % max(sizes[d], 1u));",
    };
    each(stream, ("coordinates", Vec::new()), [&[places.block()], &[&result]], &numbers, of)?;
    Ok(result)
}

/// How often each of 0 … bins − 1 occurs among an operand of type `I32`, as i32; others are not counted.
///
/// # Errors
/// If it is of another type.
#[doc(alias = "bincount")]
pub fn count_integers(stream: &GpuStream, x: &GpuOperand, bins: usize) -> GpuResult<GpuBlock> {
    if x.dtype() != GpuType::I32 {
        return Err(GpuError::invalid(format!("count_integers: integers are of type I32, not {:?}", x.dtype())));
    }
    let x = in_order(stream, x)?;
    let counts = zeros_beside(stream, bins, &[x.block()])?;
    let of = EachText {
        inputs: &["i32"],
        outputs: &["atomic<u32>"],
        globals: String::new(),
        body: "    let bin = a0[w1() + at];
    if (bin >= 0 && u32(bin) < w2()) { atomicAdd(&y0[bin], 1u); }",
    };
    let numbers = [x.elements() as u32, x.offset() as u32, bins as u32];
    each(stream, ("count_integers", Vec::new()), [&[x.block()], &[&counts]], &numbers, of)?;
    Ok(counts)
}

/// How many numbers are between edges, which increase, the last edge with what is before it: i32, one fewer than edges.
///
/// # Errors
/// If types differ, or there are fewer than two edges.
#[doc(alias = "histogram")]
pub fn count_between(stream: &GpuStream, x: &GpuOperand, edges: &GpuOperand) -> GpuResult<GpuBlock> {
    let n = edges.elements();
    if n < 2 || x.dtype() != edges.dtype() {
        return Err(GpuError::invalid(format!("count_between: {n} edges of {:?} for {:?}", edges.dtype(), x.dtype())));
    }
    let (edge_keys, values) = (keys(stream, edges, KeyDirection::Increasing)?, keys(stream, x, KeyDirection::Increasing)?);
    let counts = zeros_beside(stream, n - 1, &[&edge_keys, &values])?;
    let of = EachText {
        inputs: &["u32"; 2],
        outputs: &["atomic<u32>"],
        globals: String::new(),
        body: "    let key = a1[at];
    let last = w1() - 1u;
    if (key < a0[0] || key > a0[last]) { return; }
    var low = 0u;
    var high = w1();
    while (low < high) {
        let middle = (low + high) / 2u;
        if (a0[middle] <= key) { low = middle + 1u; } else { high = middle; }
    }
    atomicAdd(&y0[min(low, last) - 1u], 1u);",
    };
    let numbers = [x.elements() as u32, n as u32];
    each(stream, ("count_between", Vec::new()), [&[&edge_keys, &values], &[&counts]], &numbers, of)?;
    Ok(counts)
}

/// A block of zeros in another buffer than others.
fn zeros_beside(stream: &GpuStream, n: usize, beside: &[&GpuBlock]) -> GpuResult<GpuBlock> {
    let zeros = words(stream, n, beside)?;
    let of = EachText { inputs: &[], outputs: &["u32"], globals: String::new(), body: "    y0[at] = 0u;" };
    each(stream, ("zero_words", Vec::new()), [&[], &[&zeros]], &[n as u32], of)?;
    Ok(zeros)
}
