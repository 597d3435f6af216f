//! Distances of all pairs of points, and their gradients: a thread a number. Differences of coordinates are never in memory.

use monotile_kernels::distance::Metric;
use monotile_kernels::shape::{count, product};

use crate::accurate::functions_for;
use crate::each::{EachText, each};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::extreme;

/// Sizes of a pair of sets: pairs of sets, points of both, coordinates; x is `(…, rows, coordinates)` and y `(…, coordinates, columns)`, both contiguous.
fn sizes(x: &GpuOperand, y: &GpuOperand) -> GpuResult<[usize; 4]> {
    let (a, b) = (x.sizes(), y.sizes());
    let fit = a.len() >= 2 && a.len() == b.len() && a[..a.len() - 2] == b[..b.len() - 2] && a[a.len() - 1] == b[b.len() - 2];
    if !(fit && [x, y].iter().all(|x| is_whole(x))) {
        return Err(GpuError::invalid(format!(
            "distances: points of sizes {a:?} and {b:?} are not contiguous sets of f32 that fit"
        )));
    }
    Ok([count(&a[..a.len() - 2]), a[a.len() - 2], b[b.len() - 1], a[a.len() - 1]])
}

/// Whether an operand is contiguous f32.
fn is_whole(x: &GpuOperand) -> bool {
    (x.elements() == 0 || x.is_contiguous()) && x.dtype() == GpuType::F32
}

/// The number of a metric, and its power.
fn kind(metric: Metric) -> (u64, f64) {
    match metric {
        Metric::Squared => (0, 2.0),
        Metric::Euclidean => (1, 2.0),
        Metric::Manhattan => (2, 1.0),
        Metric::Chebyshev => (3, 1.0),
        Metric::Minkowski(0.0) => (4, 0.0),
        Metric::Minkowski(p) => (5, p),
    }
}

/// The distance of each point of x from each of y: a contiguous block of f32, `(…, rows, columns)`.
///
/// # Errors
/// If the sets do not fit, or are not contiguous f32.
#[doc(alias = "cdist")]
pub fn distances(stream: &GpuStream, metric: Metric, x: &GpuOperand, y: &GpuOperand) -> GpuResult<GpuBlock> {
    let [batch, rows, columns, coordinates] = sizes(x, y)?;
    let (kind, power) = kind(metric);
    let all = product([batch, rows, columns]);
    let inputs = [x.block(), y.block()];
    let result = stream.pool().take(product([4, all]) as u64, &inputs)?;
    let mut numbers = [all, rows, columns, coordinates, x.offset(), y.offset()].map(|n| n as u32).to_vec();
    numbers.push((power as f32).to_bits());
    each(stream, ("distances", vec![kind]), [&inputs, &[&result]], &numbers, of_distances(kind))?;
    Ok(result)
}

macro_rules! distances_body {
    ($term:literal, $end:literal) => {
        concat!(
            "    let j = at % w2();
    let row = at / w2();
    let from_x = w4() + row * w3();
    let from_y = w5() + (row / w1()) * w3() * w2() + j;
    var sum = 0.0;
    for (var k = 0u; k < w3(); k += 1u) {
        let d = a0[from_x + k] - a1[from_y + k * w2()];
        sum = ",
            $term,
            ";
    }
    y0[at] = ",
            $end,
            ";"
        )
    };
}

fn of_distances(kind: u64) -> EachText {
    let body = match kind {
        0 => distances_body!("fma(d, d, sum)", "sum"),
        1 => distances_body!("fma(d, d, sum)", "sqrt(sum)"),
        2 => distances_body!("sum + abs(d)", "sum"),
        3 => distances_body!("larger(sum, abs(d))", "sum"),
        4 => distances_body!("sum + select(select(0.0, 1.0, d != 0.0), d, is_nan(d))", "sum"),
        _ => distances_body!("sum + accurate_pow(abs(d), power())", "accurate_pow(sum, 1.0 / power())"),
    };
    EachText { inputs: &["f32"; 2], outputs: &["f32"], globals: globals(kind, "w6"), body }
}

fn globals(kind: u64, power: &str) -> String {
    let functions = if kind == 5 { functions_for("accurate_pow(") } else { String::new() };
    format!("{functions}\n{}\nfn power() -> f32 {{ return bitcast<f32>({power}()); }}", extreme("larger", '>'))
}

/// `out[…, i, k] = Σⱼ w[…, i, j] s(x[…, i, k] − y[…, k, j])`, as [`monotile_kernels::distance::weighted_differences`] computes it, of contiguous operands: a
/// contiguous block of f32 of the sizes of x. Where `distances` are not read, w stands in their place.
///
/// # Errors
/// If the sets, weights or distances do not fit, or are not contiguous f32.
pub fn weighted_differences(
    stream: &GpuStream,
    metric: Metric,
    [x, y]: [&GpuOperand; 2],
    [w, distances]: [&GpuOperand; 2],
) -> GpuResult<GpuBlock> {
    let [batch, rows, columns, coordinates] = sizes(x, y)?;
    let pairs = product([batch, rows, columns]);
    if [w, distances].iter().any(|x| x.elements() != pairs || !is_whole(x)) {
        let (a, b) = (w.sizes(), distances.sizes());
        return Err(GpuError::invalid(format!(
            "weighted_differences: weights of sizes {a:?} and distances of sizes {b:?} for {pairs} pairs"
        )));
    }
    let (kind, power) = kind(metric);
    let all = product([batch, rows, coordinates]);
    let inputs = [x.block(), y.block(), w.block(), distances.block()];
    let result = stream.pool().take(product([4, all]) as u64, &inputs)?;
    let offsets = [x.offset(), y.offset(), w.offset(), distances.offset()];
    let mut numbers = [all, rows, columns, coordinates].map(|n| n as u32).to_vec();
    numbers.extend(offsets.map(|n| n as u32));
    numbers.push((power as f32).to_bits());
    each(stream, ("weighted_differences", vec![kind]), [&inputs, &[&result]], &numbers, of_weighted(kind))?;
    Ok(result)
}

macro_rules! weighted_body {
    ($slope:literal) => {
        concat!(
            "    let k = at % w3();
    let row = at / w3();
    let from_y = w5() + ((row / w1()) * w3() + k) * w2();
    let own = a0[w4() + at];
    var sum = 0.0;
    for (var j = 0u; j < w2(); j += 1u) {
        let d = own - a1[from_y + j];
        let reach = a3[w7() + row * w2() + j];
        sum = fma(a2[w6() + row * w2() + j], ",
            $slope,
            ", sum);
    }
    y0[at] = sum;"
        )
    };
}

fn of_weighted(kind: u64) -> EachText {
    let body = match kind {
        0 | 1 => weighted_body!("d"),
        2 => weighted_body!("sign(d)"),
        3 => weighted_body!("select(0.0, sign(d), abs(d) == reach)"),
        _ => weighted_body!("select(0.0, sign(d) * accurate_pow(abs(d) / reach, power() - 1.0), d != 0.0)"),
    };
    EachText { inputs: &["f32"; 4], outputs: &["f32"], globals: globals(if kind == 4 { 5 } else { kind }, "w8"), body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for kind in 0..6 {
            validate(&of_distances(kind).text(7));
            validate(&of_weighted(kind).text(9));
        }
    }
}
