//! What the kernels of attention share: a workgroup owns 32 rows, and 32 others pass by.
//!
//! A thread has four rows of its own, the lanes of a vector, and four of the others: `s0` to `s3` are a square of scores. Its sums
//! are four rows of every eighth quad of columns.

use super::{Problem, WORDS};
use crate::accurate::functions_for;
use crate::operand::{GpuType, conversions};
use crate::text::{Text, join, parameter};

/// Rows of a tile, of either kind.
pub(super) const SIDE: usize = 32;
/// Threads of a workgroup: eight along the other rows, and eight along its own.
pub(super) const THREADS: usize = 64;
/// Terms of a score that lie in the workgroup's memory at a time.
const DEPTH: usize = 16;
/// Vectors of four rows for one term, and one more, so that terms lie in other banks.
const PITCH: usize = SIDE / 4 + 1;

pub(super) const LANES: [&str; 4] = ["x", "y", "z", "w"];

/// Below every score, and no infinity: a difference of two is a number.
pub(super) const LOWEST: &str = "-3.0e38";

/// Parameters by what they are.
pub(super) const HEADS: usize = 0;
pub(super) const GROUPS: usize = 1;
pub(super) const QUERIES: usize = 2;
pub(super) const KEYS: usize = 3;
pub(super) const SCALE: usize = 6;

/// An operand of rows: queries or keys, their values or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct TileRows {
    pub name: &'static str,
    /// Its number among the inputs.
    pub number: usize,
    /// The parameter that counts its rows.
    pub rows: usize,
    /// The parameter that counts its columns.
    pub width: usize,
}

pub(super) const Q: TileRows = TileRows { name: "q", number: 0, rows: QUERIES, width: 4 };
pub(super) const K: TileRows = TileRows { name: "k", number: 1, rows: KEYS, width: 4 };
pub(super) const V: TileRows = TileRows { name: "v", number: 2, rows: KEYS, width: 5 };
pub(super) const DOUT: TileRows = TileRows { name: "dout", number: 3, rows: QUERIES, width: 5 };

impl TileRows {
    fn word(&self, i: usize) -> String {
        parameter(WORDS + 5 * self.number + i)
    }

    /// Where the rows of a batch and a head start.
    pub fn base(&self, text: &mut Text, head: &str) {
        let (offset, batch, heads) = (self.word(0), self.word(1), self.word(2));
        text.line(format_args!("    let base_{} = {offset} + batch * {batch} + {head} * {heads};", self.name));
    }

    /// A function for an element, or for four of a row: 0 beyond the last row or column.
    fn element(&self, dtype: GpuType, fours: bool) -> String {
        let (rows, width, of_row, of_column) = (parameter(self.rows), parameter(self.width), self.word(3), self.word(4));
        let (name, array) = (self.name, format!("a{}", self.number));
        if fours {
            return format!(
                "fn four_of_{name}(base: u32, row: u32, column: u32) -> vec4<f32> {{
    if (row >= {rows} || column >= {width}) {{ return vec4<f32>(0.0); }}
    let place = (base + row * {of_row} + column) >> 2u;
    return {};
}}",
                dtype.read_four(&array, "place")
            );
        }
        let each = join(4, ", ", |q| format!("element_of_{name}(base, row, column + {q}u)"));
        format!(
            "fn element_of_{name}(base: u32, row: u32, column: u32) -> f32 {{
    if (row >= {rows} || column >= {width}) {{ return 0.0; }}
    let place = base + row * {of_row} + column * {of_column};
    return {};
}}
fn four_of_{name}(base: u32, row: u32, column: u32) -> vec4<f32> {{
    return vec4<f32>({each});
}}",
            dtype.read(&array, "place")
        )
    }
}

/// Functions that read the operands, tell which keys a query sees, and exponentials.
pub(super) fn readers(operands: &[TileRows], kind: &Kind) -> String {
    let mut text = Text::default();
    text.line(functions_for("accurate_exp( accurate_log( accurate_of_bits(")).line(conversions(&kind.types, &[]));
    for (operand, (&dtype, &fours)) in operands.iter().zip(kind.types.iter().zip(&kind.fours)) {
        text.line(operand.element(dtype, fours));
    }
    let (queries, keys, ahead, window) = (parameter(QUERIES), parameter(KEYS), parameter(7), parameter(8));
    text.line(format_args!(
        "fn first_seen(query: u32) -> u32 {{
    return u32(clamp(i32(query) + 1 + i32({keys}) - i32({queries}) - i32({window}), 0, i32({keys})));
}}
fn end_seen(query: u32) -> u32 {{
    if (query >= {queries}) {{ return 0u; }}
    return u32(clamp(i32(query) + 1 + i32({keys}) - i32({queries}) + i32({ahead}), 0, i32({keys})));
}}
fn exponentials(x: vec4<f32>) -> vec4<f32> {{
    return vec4<f32>(accurate_exp(x.x), accurate_exp(x.y), accurate_exp(x.z), accurate_exp(x.w));
}}"
    ));
    text.finish()
}

/// Functions that read the mask, whose buffer has this number: what is added to a score, and whether it is seen.
fn mask_readers(kind: &Kind, dtype: GpuType, number: usize) -> String {
    let word = |i: usize| parameter(WORDS + 5 * kind.types.len() + i);
    let [offset, of_batch, of_head, of_query, of_key] = std::array::from_fn(word);
    let read = dtype.read(&format!("a{number}"), "place");
    let (queries, keys) = (parameter(QUERIES), parameter(KEYS));
    // An infinity is known by its bits, and everything below -1e29 hides as one does.
    let (shows, bias) = match dtype {
        GpuType::Bool => ("x != 0.0", "0.0"),
        _ => ("bits <= 0x80000000u || bits > 0xff800000u || bits < 0xefa18f08u", "select(0.0, x, shows_one(x))"),
    };
    format!(
        "{}
fn mask_at(base: vec2<u32>, query: u32, key: u32) -> f32 {{
    let place = {offset} + base.x * {of_batch} + base.y * {of_head} + min(query, {queries} - 1u) * {of_query} + min(key, {keys} - 1u) * {of_key};
    return {read};
}}
fn shows_one(x: f32) -> bool {{
    let bits = bitcast<u32>(x);
    return {shows};
}}
fn shows(x: vec4<f32>) -> vec4<bool> {{ return vec4<bool>(shows_one(x.x), shows_one(x.y), shows_one(x.z), shows_one(x.w)); }}
fn bias_one(x: f32) -> f32 {{ return {bias}; }}
fn bias(x: vec4<f32>) -> vec4<f32> {{ return vec4<f32>(bias_one(x.x), bias_one(x.y), bias_one(x.z), bias_one(x.w)); }}",
        if kind.types.contains(&dtype) { String::new() } else { conversions(&[dtype], &[]) }
    )
}

/// Parts of a text about the pairs of the thread's rows and the other row `j`: what reads the mask, what `seen` is further, and what a score is further.
pub(super) fn masked(kind: &Kind, j: usize, pair: impl Fn(&str) -> String) -> [String; 3] {
    if kind.mask.is_none() {
        return [String::new(), String::new(), String::new()];
    }
    let each = join(4, ", ", |r| format!("mask_at(vec2<u32>(batch, head), {})", pair(LANES[r])));
    [format!("        let mask{j} = vec4<f32>({each});\n"), format!(" & shows(mask{j})"), format!(" + bias(mask{j})")]
}

/// Functions and memory of the workgroup; the mask, if there is one, is the input of number `mask`.
pub(super) fn globals(operands: &[TileRows], kind: &Kind, mask: usize) -> String {
    let mut text = Text::default();
    text.line(readers(operands, kind));
    if let Some(dtype) = kind.mask {
        text.line(mask_readers(kind, dtype, mask));
    }
    text.line(format_args!("var<workgroup> tile: array<vec4<f32>, {}>;", 2 * PITCH * DEPTH));
    text.line(format_args!("var<workgroup> weights: array<vec4<f32>, {}>;", PITCH * SIDE));
    text.line(format_args!("var<workgroup> shared_rows: array<vec4<f32>, {THREADS}>;"));
    text.finish()
}

/// Bytes of the workgroup's memory.
#[cfg(test)]
pub(super) fn bytes() -> usize {
    16 * (2 * PITCH * DEPTH + PITCH * SIDE + THREADS)
}

/// Where the workgroup and its threads are: `first` of `rows`, `unit` among the batches and `heads`.
pub(super) fn places(text: &mut Text, rows: usize, heads: usize) {
    let (rows, heads) = (parameter(rows), parameter(heads));
    text.line(format_args!("    let tiles = ({rows} + {}u) / {SIDE}u;\n    let first = (group % tiles) * {SIDE}u;", SIDE - 1));
    text.line(format_args!("    let unit = group / tiles;\n    let batch = unit / {heads};"));
    text.line("    let tx = local % 8u;\n    let ty = local / 8u;");
    text.line("    let row = vec4<u32>(first + 4u * ty) + vec4<u32>(0u, 1u, 2u, 3u);");
}

/// `name`0 to `name`3: products of the thread's four rows of `own`, from `first` on, with four rows of `passing`, from `other` on.
pub(super) fn scores(text: &mut Text, name: &str, own: TileRows, passing: TileRows) {
    let width = parameter(own.width);
    text.unrolled(4, |j| format!("        var {name}{j} = vec4<f32>(0.0);"));
    text.line(format_args!("        for (var c = 0u; c < {width}; c += {DEPTH}u) {{\n        workgroupBarrier();"));
    // Half of the threads bring rows of each operand, and exchange four by four elements in registers.
    let squares = SIDE / 4 * DEPTH / 4;
    text.line(format_args!(
        "        let e = local % {squares}u;\n        let t = 4u * (e % {}u);\n        let quad = e / {}u;",
        DEPTH / 4,
        DEPTH / 4
    ));
    for (operand, start, offset, condition) in [(own, "first", 0, "<"), (passing, "other", PITCH * DEPTH, ">=")] {
        text.line(format_args!("        if (local {condition} {squares}u) {{"));
        text.unrolled(4, |r| {
            format!("            let r{r} = four_of_{0}(base_{0}, {start} + 4u * quad + {r}u, c + t);", operand.name)
        });
        text.unrolled(4, |q| {
            let rows = join(4, ", ", |r| format!("r{r}.{}", LANES[q]));
            format!("            tile[{offset}u + (t + {q}u) * {PITCH}u + quad] = vec4<f32>({rows});")
        });
        text.line("        }");
    }
    text.line(format_args!("        workgroupBarrier();\n        for (var t = 0u; t < {DEPTH}u; t += 1u) {{"));
    text.line(format_args!("            let left = tile[t * {PITCH}u + ty];"));
    text.line(format_args!("            let right = tile[{}u + t * {PITCH}u + tx];", PITCH * DEPTH));
    text.unrolled(4, |j| format!("            {name}{j} = fma(left, vec4<f32>(right.{}), {name}{j});", LANES[j]));
    text.line("        }\n        }");
}

/// Puts `name`0 to `name`3 where [`add_weighted`] reads them. Whoever read what was there before passed a barrier since.
pub(super) fn put_weights(text: &mut Text, name: &str) {
    text.unrolled(4, |j| format!("        weights[(4u * tx + {j}u) * {PITCH}u + ty] = {name}{j};"));
}

/// Sums `name` of four rows and `blocks` quads of columns.
pub(super) fn declare_sums(text: &mut Text, name: &str, blocks: usize) {
    for b in 0..blocks {
        text.unrolled(4, |r| format!("    var {name}{b}_{r} = vec4<f32>(0.0);"));
    }
}

/// Adds the rows of `passing` from `other` on, by their weights, to the sums `name`.
pub(super) fn add_weighted(text: &mut Text, name: &str, passing: TileRows, blocks: usize) {
    for b in 0..blocks {
        text.line("        workgroupBarrier();");
        // A loop: what is written out here takes drivers seconds to compile.
        text.line(format_args!("        for (var e = local; e < {}u; e += {THREADS}u) {{", 8 * SIDE));
        let column = format!("{}u + 4u * (e % 8u)", 32 * b);
        text.line(format_args!("            tile[e] = four_of_{0}(base_{0}, other + e / 8u, {column});\n        }}", passing.name));
        text.line(format_args!("        workgroupBarrier();\n        for (var t = 0u; t < {SIDE}u; t += 1u) {{"));
        text.line(format_args!("            let weight = weights[t * {PITCH}u + ty];\n            let right = tile[t * 8u + tx];"));
        text.unrolled(4, |r| format!("            {name}{b}_{r} = fma(vec4<f32>(weight.{}), right, {name}{b}_{r});", LANES[r]));
        text.line("        }");
    }
}

/// Writes the sums `name` times the rows' lanes of `factor` to the rows of `result`, contiguous, of this unit.
pub(super) fn store(text: &mut Text, name: &str, result: &str, of: TileRows, blocks: usize, factor: &str) {
    let (rows, width) = (parameter(of.rows), parameter(of.width));
    for r in 0..4 {
        let lane = LANES[r];
        text.line(format_args!("    if (row.{lane} < {rows}) {{\n    let place = (unit * {rows} + row.{lane}) * {width};"));
        for b in 0..blocks {
            text.line("    {");
            text.line(format_args!("    let column = {}u + 4u * tx;\n    let value = {name}{b}_{r} * {factor}.{lane};", 32 * b));
            text.unrolled(4, |q| {
                format!("    if (column + {q}u < {width}) {{ {result}[place + column + {q}u] = value.{}; }}", LANES[q])
            });
            text.line("    }");
        }
        text.line("    }");
    }
}

/// Quads of columns that a thread sums, of `width` columns.
pub(super) fn blocks(width: usize) -> usize {
    width.div_ceil(SIDE)
}

/// What the kernels' texts depend on.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// Of q, k and v, and of the output's cotangent in a backward pass.
    pub types: Vec<GpuType>,
    /// Of each, whether four columns are read at once: they lie side by side, wherever a step in another direction leads.
    pub fours: Vec<bool>,
    /// Quads of columns of q and k, and of v.
    pub blocks: [usize; 2],
    /// Of the mask.
    pub mask: Option<GpuType>,
}

impl Kind {
    pub fn of(problem: &Problem) -> Self {
        Self {
            types: problem.types.clone(),
            fours: problem.fours.clone(),
            blocks: [blocks(problem.dim), blocks(problem.value_dim)],
            mask: problem.mask,
        }
    }

    /// What the buffer of the mask is an array of, if there is one.
    pub fn mask_input(&self) -> Option<&'static str> {
        self.mask.map(GpuType::single)
    }

    /// How many parameters there are.
    pub fn words(&self) -> usize {
        WORDS + 5 * (self.types.len() + usize::from(self.mask.is_some()))
    }

    /// What the operands' buffers are arrays of.
    pub fn inputs(&self) -> Vec<&'static str> {
        self.types.iter().zip(&self.fours).map(|(dtype, &fours)| if fours { dtype.four() } else { dtype.single() }).collect()
    }

    pub fn key(&self) -> Vec<u64> {
        let types = self.types.iter().fold(0, |all, &dtype| all << 4 | dtype as u64);
        let fours = self.fours.iter().fold(0, |all, &four| all << 1 | u64::from(four));
        let mask = self.mask.map_or(0, |dtype| 1 + dtype as u64);
        vec![types, fours, self.blocks[0] as u64, self.blocks[1] as u64, mask]
    }
}
