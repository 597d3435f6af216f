//! The gradients: probabilities are recomputed from the log-sum-exp. One kernel owns queries, another keys; neither adds to what
//! another workgroup wrote.

use super::forward::{limits_of_rows, seen_by_rows};
use super::tiles::{
    DOUT, GROUPS, HEADS, K, KEYS, Kind, Q, QUERIES, SCALE, SIDE, THREADS, V, add_weighted, declare_sums, globals, masked, places,
    put_weights, scores, store,
};
use crate::kernel::KernelText;
use crate::operand::conversions;
use crate::team::{ADD, Team};
use crate::text::{Text, join, parameter};

/// The log-sum-exp of each row, and beside it Σ dout ∘ out − dlse: inputs out, dout, the log-sum-exp, and dlse if there is one; one row a column of the team.
pub(super) fn delta(kind: &Kind, team: Team, dlse: bool) -> KernelText {
    let dtype = kind.types[3];
    let mut globals = Text::default();
    globals.line(conversions(&[dtype], &[])).line(ADD);
    globals.line(format_args!("var<workgroup> sums: array<f32, {}>;", team.threads()));
    globals.line(format_args!("fn number(place: u32) -> f32 {{\n    return {};\n}}", dtype.read("a1", "place")));
    let (heads, queries, width) = (parameter(0), parameter(1), parameter(2));
    let rows = parameter(3);
    let [offset, of_batch, of_head, of_row, of_column] = std::array::from_fn(|i| parameter(4 + i));
    let mut text = Text::default();
    team.places(&mut text);
    text.line(format_args!("    let row = group * {}u + column;\n    let inside = min(row, {rows} - 1u);", team.columns));
    text.line(format_args!("    let unit = inside / {queries};\n    let base = {offset} + unit / {heads} * {of_batch}"));
    text.line(format_args!("        + unit % {heads} * {of_head} + inside % {queries} * {of_row};"));
    text.line(format_args!("    var sum = 0.0;\n    for (var at = lane; at < {width}; at += {}u) {{", team.lanes));
    text.line(format_args!("        sum = fma(a0[inside * {width} + at], number(base + at * {of_column}), sum);\n    }}"));
    text.line("    sums[local] = sum;");
    team.tree(&mut text, "plus", "sums", &[0], &width);
    let less = if dlse { " - a3[row]" } else { "" };
    text.line(format_args!("    if (lane == 0u && row < {rows}) {{ y0[row] = vec2<f32>(a2[row], sums[local]{less}); }}"));
    let mut inputs = vec!["f32", dtype.single(), "f32"];
    inputs.extend(dlse.then_some("f32"));
    KernelText {
        inputs,
        outputs: vec!["vec2<f32>"],
        words: 9,
        threads: team.threads(),
        globals: globals.finish(),
        body: text.finish(),
    }
}

fn inputs(kind: &Kind) -> Vec<&'static str> {
    kind.inputs().into_iter().chain(["vec2<f32>"]).chain(kind.mask_input()).collect()
}

/// dq = scale · dS k.
pub(super) fn of_queries(kind: &Kind) -> KernelText {
    let mut text = Text::default();
    places(&mut text, QUERIES, HEADS);
    let (heads, groups, queries) = (parameter(HEADS), parameter(GROUPS), parameter(QUERIES));
    text.line(format_args!("    let head = unit % {heads};\n    let key_head = head / ({heads} / {groups});"));
    Q.base(&mut text, "head");
    DOUT.base(&mut text, "head");
    K.base(&mut text, "key_head");
    V.base(&mut text, "key_head");
    limits_of_rows(&mut text);
    text.line(format_args!("    let scale = bitcast<f32>({});\n    let factor = vec4<f32>(scale);", parameter(SCALE)));
    text.line(format_args!("    let kept = vec4<u32>(unit * {queries}) + min(row, vec4<u32>({queries} - 1u));"));
    for (name, part) in [("lse", "x"), ("delta", "y")] {
        let each = join(4, ", ", |r| format!("a4[kept.{}].{part}", ["x", "y", "z", "w"][r]));
        text.line(format_args!("    let {name} = vec4<f32>({each});"));
    }
    declare_sums(&mut text, "dq", kind.blocks[0]);
    text.line(format_args!("    for (var other = start; other < end; other += {SIDE}u) {{\n        workgroupBarrier();"));
    scores(&mut text, "s", Q, K);
    scores(&mut text, "d", DOUT, V);
    let bias = seen_by_rows(&mut text, kind);
    text.unrolled(4, |j| {
        let bias = &bias[j];
        format!("        s{j} = select(vec4<f32>(0.0), exponentials(s{j} * scale{bias} - lse) * (d{j} - delta), seen{j});")
    });
    put_weights(&mut text, "s");
    add_weighted(&mut text, "dq", K, kind.blocks[0]);
    text.line("    }");
    store(&mut text, "dq", "y0", Q, kind.blocks[0], "factor");
    KernelText {
        inputs: inputs(kind),
        outputs: vec!["f32"],
        words: kind.words(),
        threads: THREADS,
        globals: globals(&[Q, K, V, DOUT], kind, 5),
        body: text.finish(),
    }
}

/// dk = scale · dSᵀ q and dv = Pᵀ dout, summed over the heads that share a head of keys, in order.
pub(super) fn of_keys(kind: &Kind) -> KernelText {
    let mut text = Text::default();
    places(&mut text, KEYS, GROUPS);
    let (heads, groups, queries, keys) = (parameter(HEADS), parameter(GROUPS), parameter(QUERIES), parameter(KEYS));
    let (ahead, window) = (parameter(7), parameter(8));
    text.line(format_args!("    let key_head = unit % {groups};\n    let share = {heads} / {groups};"));
    K.base(&mut text, "key_head");
    V.base(&mut text, "key_head");
    text.line(format_args!("    let scale = bitcast<f32>({});", parameter(SCALE)));
    // The queries that see a key of the tile.
    text.line(format_args!("    let shift = i32(first) + i32({queries}) - i32({keys});"));
    text.line(format_args!("    let start = u32(clamp(shift - i32({ahead}), 0, i32({queries}))) / {SIDE}u * {SIDE}u;"));
    text.line(format_args!("    let end = u32(clamp(shift + {} + i32({window}), 0, i32({queries})));", SIDE - 1));
    declare_sums(&mut text, "dk", kind.blocks[0]);
    declare_sums(&mut text, "dv", kind.blocks[1]);
    text.line("    for (var head = key_head * share; head < (key_head + 1u) * share; head += 1u) {");
    Q.base(&mut text, "head");
    DOUT.base(&mut text, "head");
    text.line(format_args!("    let kept = (batch * {heads} + head) * {queries};"));
    text.line(format_args!("    for (var other = start; other < end; other += {SIDE}u) {{\n        workgroupBarrier();"));
    scores(&mut text, "s", K, Q);
    scores(&mut text, "d", V, DOUT);
    text.unrolled(4, |j| {
        let [mask, shown, bias] = masked(kind, j, |lane| format!("query{j}, row.{lane}"));
        format!(
            "        let query{j} = other + 4u * tx + {j}u;
{mask}        let seen{j} = (row >= vec4<u32>(first_seen(query{j}))) & (row < vec4<u32>(end_seen(query{j}))){shown};
        let at{j} = a4[kept + min(query{j}, {queries} - 1u)];
        let p{j} = select(vec4<f32>(0.0), exponentials(s{j} * scale{bias} - at{j}.x), seen{j});
        s{j} = select(vec4<f32>(0.0), p{j} * (d{j} - at{j}.y), seen{j});"
        )
    });
    put_weights(&mut text, "p");
    add_weighted(&mut text, "dv", DOUT, kind.blocks[1]);
    text.line("        workgroupBarrier();");
    put_weights(&mut text, "s");
    add_weighted(&mut text, "dk", Q, kind.blocks[0]);
    text.line("    }\n    }\n    let factor = vec4<f32>(scale);\n    let one = vec4<f32>(1.0);");
    store(&mut text, "dk", "y0", K, kind.blocks[0], "factor");
    store(&mut text, "dv", "y1", V, kind.blocks[1], "one");
    KernelText {
        inputs: inputs(kind),
        outputs: vec!["f32"; 2],
        words: kind.words(),
        threads: THREADS,
        globals: globals(&[Q, K, V, DOUT], kind, 5),
        body: text.finish(),
    }
}
