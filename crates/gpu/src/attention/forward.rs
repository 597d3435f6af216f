//! The output and the log-sum-exp: a workgroup owns queries, keys and values pass by under a running maximum.

use super::tiles::{
    GROUPS, HEADS, K, Kind, LOWEST, Q, QUERIES, SCALE, SIDE, THREADS, TileRows, V, add_weighted, declare_sums, globals, masked,
    places, put_weights, scores, store,
};
use crate::kernel::KernelText;
use crate::text::{Text, parameter};

/// `seen0` to `seen3`: which of the thread's rows see each of the four keys from `other + 4 tx` on. What a mask adds to scores is returned.
pub(super) fn seen_by_rows(text: &mut Text, kind: &Kind) -> [String; 4] {
    let parts: [_; 4] = std::array::from_fn(|j| masked(kind, j, |lane| format!("row.{lane}, key{j}.{lane}")));
    text.unrolled(4, |j| {
        let [mask, shown, _] = &parts[j];
        format!(
            "        let key{j} = vec4<u32>(other + 4u * tx + {j}u);
{mask}        let seen{j} = (key{j} >= low) & (key{j} < high){shown};"
        )
    });
    parts.map(|[_, _, bias]| bias)
}

/// `low` and `high` of the thread's four queries, and the keys from `start` to `end` that any query of the workgroup sees.
pub(super) fn limits_of_rows(text: &mut Text) {
    for (name, function) in [("low", "first_seen"), ("high", "end_seen")] {
        let of = |lane| format!("{function}(row.{lane})");
        text.line(format_args!("    let {name} = vec4<u32>({}, {}, {}, {});", of("x"), of("y"), of("z"), of("w")));
    }
    text.line(format_args!("    let start = first_seen(first) / {SIDE}u * {SIDE}u;"));
    text.line(format_args!("    let end = end_seen(min(first + {}u, {} - 1u));", SIDE - 1, parameter(QUERIES)));
}

/// The kernel's text.
pub(super) fn text(kind: &Kind) -> KernelText {
    let blocks = kind.blocks[1];
    let mut text = Text::default();
    places(&mut text, QUERIES, HEADS);
    let (heads, groups, scale, queries) = (parameter(HEADS), parameter(GROUPS), parameter(SCALE), parameter(QUERIES));
    text.line(format_args!("    let head = unit % {heads};\n    let key_head = head / ({heads} / {groups});"));
    Q.base(&mut text, "head");
    K.base(&mut text, "key_head");
    V.base(&mut text, "key_head");
    limits_of_rows(&mut text);
    text.line(format_args!(
        "    let scale = bitcast<f32>({scale});\n    var m = vec4<f32>({LOWEST});\n    var l = vec4<f32>(0.0);"
    ));
    declare_sums(&mut text, "o", blocks);
    text.line(format_args!("    for (var other = start; other < end; other += {SIDE}u) {{\n        workgroupBarrier();"));
    scores(&mut text, "s", Q, K);
    let bias = seen_by_rows(&mut text, kind);
    text.unrolled(4, |j| format!("        s{j} = select(vec4<f32>({LOWEST}), s{j} * scale{}, seen{j});", bias[j]));
    text.line("        shared_rows[tx * 8u + ty] = max(max(s0, s1), max(s2, s3));\n        workgroupBarrier();");
    text.line("        var next = m;");
    text.unrolled(8, |i| format!("        next = max(next, shared_rows[{}u + ty]);", 8 * i));
    text.line("        let shrink = exponentials(m - next);\n        m = next;");
    text.unrolled(4, |j| format!("        let p{j} = select(vec4<f32>(0.0), exponentials(s{j} - m), seen{j});"));
    text.line("        l = l * shrink + ((p0 + p1) + (p2 + p3));");
    for b in 0..blocks {
        text.unrolled(4, |r| format!("        o{b}_{r} *= shrink.{};", ["x", "y", "z", "w"][r]));
    }
    put_weights(&mut text, "p");
    add_weighted(&mut text, "o", V, blocks);
    text.line("    }\n    workgroupBarrier();\n    shared_rows[tx * 8u + ty] = l;\n    workgroupBarrier();\n    var sum = vec4<f32>(0.0);");
    text.unrolled(8, |i| format!("    sum += shared_rows[{}u + ty];", 8 * i));
    // A mask may hide all keys of a row.
    let sees = if kind.mask.is_some() { "(low < high) & (sum > vec4<f32>(0.0))" } else { "low < high" };
    text.line(format_args!("    let sees = {sees};"));
    text.line("    let factor = select(vec4<f32>(0.0), 1.0 / sum, sees);");
    store(&mut text, "o", "y0", OUT, blocks, "factor");
    text.line("    if (tx == 0u) {");
    text.unrolled(4, |r| {
        let lane = ["x", "y", "z", "w"][r];
        format!(
            "    if (row.{lane} < {queries}) {{ y1[unit * {queries} + row.{lane}] = \
             select(accurate_of_bits(0xff800000u), m.{lane} + accurate_log(sum.{lane}), sees.{lane}); }}"
        )
    });
    text.line("    }");
    KernelText {
        inputs: kind.inputs().into_iter().chain(kind.mask_input()).collect(),
        outputs: vec!["f32"; 2],
        words: kind.words(),
        threads: THREADS,
        globals: globals(&[Q, K, V], kind, 3),
        body: text.finish(),
    }
}

/// The output: as many rows as queries, of the width of values.
const OUT: TileRows = TileRows { width: V.width, ..Q };
