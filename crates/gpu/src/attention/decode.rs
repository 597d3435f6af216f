//! Few queries against many keys: keys are split among workgroups, whose sums a second kernel merges in their order.
//!
//! The rows of a key head are the queries of all heads that read it, so that a key is read once for all of them. A workgroup owns up
//! to eight rows and a split of the keys, of which tiles of 32 pass by. It leaves the maximum m of each row's scores, l = Σ exp(s − m)
//! and o = Σ exp(s − m) v; of several splits these are the largest m, and sums that are brought to it.

use super::tiles::{GROUPS, HEADS, K, Kind, LANES, LOWEST, Q, QUERIES, SCALE, SIDE, THREADS, V, readers};
use super::{Problem, WORDS};
use crate::device::Capabilities;
use crate::kernel::KernelText;
use crate::text::{Text, join, parameter};

/// The most queries of a head; more fill tiles.
const MOST_QUERIES: usize = 8;
/// Keys below which there is nothing to split.
const FEWEST_KEYS: usize = 64;
/// Workgroups that keep a device busy.
const BUSY: usize = 1024;
/// The most splits that a row is merged of.
const MOST_SPLITS: usize = 64;
/// Rows that a workgroup owns at most: a thread for each and every fourth key of a tile.
const ROWS: usize = 8;
/// Numbers between keys in `sums`, and between rows: lanes of neighbours lie in other banks.
const PITCH: usize = 9;
const ROW_PITCH: usize = SIDE * PITCH + 8;

/// How keys are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Splits {
    /// Rows of a workgroup.
    pub rows: usize,
    /// Workgroups of a key head.
    pub chunks: usize,
    pub count: usize,
    /// Keys of each, and the first one: multiples of a tile.
    pub each: usize,
    pub first: usize,
}

impl Splits {
    /// None where tiles of queries do better: more than eight queries, or so few keys that there is nothing to split.
    pub fn of(problem: &Problem, window: Option<usize>, capabilities: &Capabilities) -> Option<Self> {
        let Problem { batch, heads, groups, queries, keys, dim, value_dim, .. } = *problem;
        let all = heads / groups.max(1) * queries;
        if all == 0 || batch == 0 || queries > MOST_QUERIES || keys < FEWEST_KEYS {
            return None;
        }
        // Queries of wide heads take the memory of twice as many of others.
        let rows = all.min(if dim > 128 { ROWS / 2 } else { ROWS });
        let chunks = all.div_ceil(rows);
        // The first key that the first query sees.
        let first = (keys + 1).saturating_sub(queries + window.unwrap_or(keys + 1)) / SIDE * SIDE;
        let tiles = (keys - first.min(keys)).div_ceil(SIDE).max(1);
        // What splits leave is an operand of the merging kernel.
        let fit = capabilities.binding_bytes / (4 * problem.rows() * value_dim.max(2)) as u64;
        let wanted = (BUSY / (batch * groups * chunks)).clamp(1, MOST_SPLITS).min(tiles.div_ceil(2));
        let each = tiles.div_ceil(wanted.min(fit as usize).max(1));
        let count = tiles.div_ceil(each);
        (count as u64 <= fit).then_some(Self { rows, chunks, count, each: each * SIDE, first })
    }

    /// Parameters after those of the problem.
    pub fn words(&self) -> [u32; 4] {
        [self.count, self.each, self.first, self.chunks].map(|x| x as u32)
    }
}

/// Where the words of [`Splits`] start.
const SPLITS: usize = WORDS + 5 * 3;

/// Quads of columns of `blocks`, at least one block.
fn quads(blocks: usize) -> usize {
    8 * blocks.max(1)
}

/// o of each row and split, and m and l.
pub(super) fn partial(kind: &Kind, rows: usize) -> KernelText {
    let own = quads(kind.blocks[0]);
    // Threads side by side read a row of V; the next ones read another.
    let across = quads(kind.blocks[1]).next_power_of_two().min(THREADS);
    let phases = THREADS / across;
    let mut globals = Text::default();
    globals.line(readers(&[Q, K, V], kind));
    globals.line(format_args!("var<workgroup> own_queries: array<vec4<f32>, {}>;", rows * own));
    globals.line(format_args!("var<workgroup> sums: array<f32, {}>;", rows * ROW_PITCH));
    globals.line(format_args!("var<workgroup> weights: array<f32, {}>;", rows * SIDE));
    globals.line(format_args!("var<workgroup> of_threads: array<f32, {THREADS}>;"));
    globals.line(format_args!("var<workgroup> shrinks: array<f32, {ROWS}>;"));
    globals.line(format_args!("var<workgroup> parts: array<vec4<f32>, {THREADS}>;"));

    let mut text = Text::default();
    let [splits, each, first, chunks] = [0, 1, 2, 3].map(|i| parameter(SPLITS + i));
    let (heads, groups, queries, scale) = (parameter(HEADS), parameter(GROUPS), parameter(QUERIES), parameter(SCALE));
    text.line(format_args!(
        "    let split = group % {splits};
    let chunk = group / {splits} % {chunks};
    let unit = group / {splits} / {chunks};
    let batch = unit / {groups};
    let key_head = unit % {groups};
    let sharing = {heads} / {groups};
    let all_rows = sharing * {queries};"
    ));
    K.base(&mut text, "key_head");
    V.base(&mut text, "key_head");
    text.line(format_args!(
        "    for (var e = local; e < {}u; e += {THREADS}u) {{
    let row = min(chunk * {rows}u + e / {own}u, all_rows - 1u);
    let head = key_head * sharing + row / {queries};",
        rows * own
    ));
    Q.base(&mut text, "head");
    text.line(format_args!("    own_queries[e] = four_of_q(base_q, row % {queries}, 4u * (e % {own}u));\n    }}"));
    text.line(format_args!(
        "    let split_start = {first} + split * {each};
    let start = max(split_start, first_seen(0u) / {SIDE}u * {SIDE}u);
    let end = min(split_start + {each}, end_seen({queries} - 1u));
    let lane = local % 8u;
    let line = local / 8u;
    let quad = local % {across}u;
    let phase = local / {across}u;
    let query = min(chunk * {rows}u + line, all_rows - 1u) % {queries};
    let low = first_seen(query);
    let high = end_seen(query);
    let scale = bitcast<f32>({scale});
    var m = {LOWEST};
    var l = 0.0;"
    ));
    text.unrolled(rows, |r| format!("    var o{r} = vec4<f32>(0.0);"));
    text.line("    workgroupBarrier();");
    text.line(format_args!("    for (var other = start; other < end; other += {SIDE}u) {{"));
    // Eight lanes share a key's columns, and each has four keys.
    text.unrolled(rows, |r| format!("        var s{r} = vec4<f32>(0.0);"));
    text.line(format_args!("        for (var c = lane; c < {own}u; c += 8u) {{"));
    text.unrolled(4, |j| format!("            let k{j} = four_of_k(base_k, other + line + {}u, 4u * c);", 8 * j));
    text.unrolled(rows, |r| {
        let products = join(4, ", ", |j| format!("dot(q{r}, k{j})"));
        format!("            let q{r} = own_queries[{}u + c];\n            s{r} += vec4<f32>({products});", r * own)
    });
    text.line("        }");
    for r in 0..rows {
        text.unrolled(4, |j| {
            format!("        sums[{}u + (line + {}u) * {PITCH}u + lane] = s{r}.{};", r * ROW_PITCH, 8 * j, LANES[j])
        });
    }
    // A thread has a row and every eighth key of it from here on.
    text.line(format_args!(
        "        workgroupBarrier();
        var score = vec4<f32>({LOWEST});
        let key = vec4<u32>(other + lane) + vec4<u32>(0u, 8u, 16u, 24u);
        let seen = (key >= vec4<u32>(low)) & (key < vec4<u32>(min(high, end)));
        if (line < {rows}u) {{
            let at = line * {ROW_PITCH}u + lane * {PITCH}u;"
    ));
    text.unrolled(4, |j| {
        let lanes = join(8, " + ", |i| format!("sums[at + {}u]", 8 * j * PITCH + i));
        format!("            score.{} = {lanes};", LANES[j])
    });
    text.line(format_args!(
        "            score = select(vec4<f32>({LOWEST}), score * scale, seen);
        }}
        of_threads[local] = max(max(score.x, score.y), max(score.z, score.w));
        workgroupBarrier();
        var largest = m;
        for (var i = 0u; i < 8u; i += 1u) {{ largest = max(largest, of_threads[line * 8u + i]); }}
        let shrink = accurate_exp(m - largest);
        m = largest;
        if (line < {rows}u) {{
            let p = select(vec4<f32>(0.0), exponentials(score - vec4<f32>(m)), seen);
            l = fma(l, shrink, (p.x + p.y) + (p.z + p.w));
            if (lane == 0u) {{ shrinks[line] = shrink; }}"
    ));
    text.unrolled(4, |j| format!("            weights[line * {SIDE}u + lane + {}u] = p.{};", 8 * j, LANES[j]));
    text.line("        }\n        workgroupBarrier();");
    text.unrolled(rows, |r| format!("        o{r} *= shrinks[{r}];"));
    // Four rows of V are on their way at once.
    text.line(format_args!("        for (var i = phase; i < {SIDE}u; i += {}u) {{", 4 * phases));
    text.unrolled(4, |j| format!("            let v{j} = four_of_v(base_v, other + i + {}u, 4u * quad);", j * phases));
    for r in 0..rows {
        text.unrolled(4, |j| {
            let at = format!("{}u + i + {}u", r * SIDE, j * phases);
            format!("            o{r} = fma(vec4<f32>(weights[{at}]), v{j}, o{r});")
        });
    }
    text.line("        }\n    }\n    workgroupBarrier();\n    of_threads[local] = l;\n    workgroupBarrier();");
    text.line(format_args!("    let own_row = chunk * {rows}u + line;"));
    text.line(format_args!("    if (lane == 0u && line < {rows}u && own_row < all_rows) {{"));
    let lanes = join(8, " + ", |i| format!("of_threads[local + {i}u]"));
    text.line(format_args!(
        "        let place = 2u * ((unit * all_rows + own_row) * {splits} + split);
        y1[place] = m;
        y1[place + 1u] = {lanes};
    }}"
    ));
    let width = parameter(V.width);
    for r in 0..rows {
        text.line(format_args!("    workgroupBarrier();\n    parts[local] = o{r};\n    workgroupBarrier();"));
        text.line(format_args!("    if (phase == 0u && chunk * {rows}u + {r}u < all_rows) {{"));
        let sum = join(phases, " + ", |i| format!("parts[quad + {}u]", i * across));
        text.line(format_args!("        let sum = {sum};\n        let column = 4u * quad;"));
        text.line(format_args!(
            "        let place = ((unit * all_rows + chunk * {rows}u + {r}u) * {splits} + split) * {width} + column;"
        ));
        text.unrolled(4, |q| format!("        if (column + {q}u < {width}) {{ y0[place + {q}u] = sum.{}; }}", LANES[q]));
        text.line("    }");
    }
    KernelText {
        inputs: kind.inputs(),
        outputs: vec!["f32"; 2],
        words: SPLITS + 4,
        threads: THREADS,
        globals: globals.finish(),
        body: text.finish(),
    }
}

/// The output and the log-sum-exp of a row, a workgroup each, from what [`partial`] left.
pub(super) fn merge() -> KernelText {
    let (splits, width) = (parameter(0), parameter(1));
    let mut globals = Text::default();
    globals.line(crate::accurate::functions_for("accurate_exp( accurate_log( accurate_of_bits("));
    let mut text = Text::default();
    text.line(format_args!(
        "    let first = group * {splits};
    var m = {LOWEST};
    for (var i = 0u; i < {splits}; i += 1u) {{ m = max(m, a1[2u * (first + i)]); }}
    var l = 0.0;
    for (var i = 0u; i < {splits}; i += 1u) {{
        l = fma(a1[2u * (first + i) + 1u], accurate_exp(a1[2u * (first + i)] - m), l);
    }}
    // Also where l is NaN, of which a comparison says nothing.
    let sees = (bitcast<u32>(l) & 0x7fffffffu) != 0u;
    for (var c = local; c < {width}; c += {THREADS}u) {{
        var o = 0.0;
        for (var i = 0u; i < {splits}; i += 1u) {{
            o = fma(a0[(first + i) * {width} + c], accurate_exp(a1[2u * (first + i)] - m), o);
        }}
        y0[group * {width} + c] = select(0.0, o / l, sees);
    }}
    if (local == 0u) {{ y1[group] = select(accurate_of_bits(0xff800000u), m + accurate_log(l), sees); }}"
    ));
    KernelText {
        inputs: vec!["f32"; 2],
        outputs: vec!["f32"; 2],
        words: 2,
        threads: THREADS,
        globals: globals.finish(),
        body: text.finish(),
    }
}

/// Bytes of the workgroup's memory.
#[cfg(test)]
fn bytes(kind: &Kind, rows: usize) -> usize {
    16 * rows * quads(kind.blocks[0]) + 4 * rows * (ROW_PITCH + SIDE) + 4 * (THREADS + ROWS) + 16 * THREADS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;
    use crate::operand::GpuType;

    #[test]
    fn every_text_is_a_shader_that_fits_a_workgroup() {
        validate(&merge());
        for (types, blocks, rows) in [
            ([GpuType::F32; 3], [1, 1], 1),
            ([GpuType::F32, GpuType::BF16, GpuType::BF16], [4, 3], 8),
            ([GpuType::F16, GpuType::F32, GpuType::F16], [8, 8], 4),
            ([GpuType::F32; 3], [0, 0], 7),
        ] {
            let kind = Kind { types: types.to_vec(), fours: vec![rows == 8, rows > 1, rows > 4], blocks, mask: None };
            validate(&partial(&kind, rows));
            assert!(bytes(&kind, rows) <= 16384);
        }
    }
}
