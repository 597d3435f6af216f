//! Many products of at most 16 rows, columns and terms: several in a workgroup, which reads each number once.

use super::{Problem, WORDS};
use crate::kernel::KernelText;
use crate::operand::{GpuType, conversions};
use crate::text::{Text, parameter, place_function};

/// The most rows, columns and terms.
pub(super) const MOST: usize = 16;
/// Threads of a workgroup, each of which has four by four numbers of a result.
const THREADS: usize = 64;

/// What a kernel's text depends on.
#[derive(Debug)]
pub(super) struct Tiny {
    /// Of the squares in which matrices lie: 4, 8 or 16.
    pub side: usize,
    pub types: [GpuType; 2],
    /// Of each operand, whether terms lie closer together than rows, or columns.
    pub along: [bool; 2],
    pub rank: usize,
}

impl Tiny {
    /// None where matrices are larger.
    pub fn of(problem: &Problem) -> Option<Self> {
        let longest = problem.m.max(problem.n).max(problem.k);
        let along = [problem.along(0), problem.along(1)];
        let side = longest.next_power_of_two().max(4);
        (longest <= MOST).then_some(Self { side, types: problem.types, along, rank: problem.walk.rank() })
    }

    /// Products of a workgroup.
    fn together(&self) -> usize {
        THREADS / (self.side / 4).pow(2)
    }

    pub fn key(&self) -> Vec<u64> {
        let [a, b] = self.types.map(|dtype| dtype as u64);
        vec![self.side as u64, a, b, self.along[0].into(), self.along[1].into(), self.rank as u64]
    }

    pub fn groups(&self, problem: &Problem) -> u64 {
        if problem.m * problem.n == 0 { 0 } else { problem.batch.div_ceil(self.together()) as u64 }
    }

    pub fn text(&self) -> KernelText {
        let (side, together) = (self.side, self.together());
        let mut globals = Text::default();
        globals.line(conversions(&self.types, &[]));
        for (i, name) in ["a", "b"].into_iter().enumerate() {
            globals.line(place_function(&format!("batch_of_{name}"), self.rank, WORDS, WORDS + self.rank * (1 + i)));
            let element = self.types[i].read(&format!("a{i}"), "place");
            globals.line(format_args!("fn element_of_{name}(place: u32) -> f32 {{\n    return {element};\n}}"));
            globals.line(format_args!("var<workgroup> tile_{name}: array<f32, {}>;", together * side * side));
        }
        KernelText {
            inputs: self.types.map(GpuType::single).to_vec(),
            outputs: vec!["f32"],
            words: WORDS + 3 * self.rank,
            threads: THREADS,
            globals: globals.finish(),
            body: self.body(),
        }
    }

    fn body(&self) -> String {
        let (side, together) = (self.side, self.together());
        let (m, n, k, batch) = (parameter(0), parameter(1), parameter(2), parameter(5));
        let strides: [String; 6] = std::array::from_fn(|i| parameter(8 + i));
        let mut text = Text::default();
        // Terms go down and rows, or columns, across; neighbours read what lies side by side.
        for (i, (name, across)) in [("a", &m), ("b", &n)].into_iter().enumerate() {
            let (x, t) = if self.along[i] { ("/", "%") } else { ("%", "/") };
            let (of_x, of_t, offset) = (&strides[2 * i], &strides[2 * i + 1], parameter(6 + i));
            text.line(format_args!(
                "    for (var e = local; e < {all}u; e += {THREADS}u) {{
        let which = e / {square}u;
        let own = group * {together}u + which;
        let x = e % {square}u {x} {side}u;
        let t = e % {square}u {t} {side}u;
        var value = 0.0;
        if (own < {batch} && x < {across} && t < {k}) {{
            value = element_of_{name}({offset} + batch_of_{name}(own) + x * {of_x} + t * {of_t});
        }}
        tile_{name}[which * {square}u + t * {side}u + x] = value;
    }}",
                all = together * side * side,
                square = side * side
            ));
        }
        let quads = side / 4;
        text.line(format_args!(
            "    workgroupBarrier();
    let which = local / {each}u;
    let own = group * {together}u + which;
    let row = 4u * (local % {each}u / {quads}u);
    let column = 4u * (local % {quads}u);
    let at = which * {}u;",
            side * side,
            each = quads * quads
        ));
        text.unrolled(4, |i| format!("    var c{i} = vec4<f32>(0.0);"));
        text.line(format_args!("    for (var t = 0u; t < {k}; t += 1u) {{\n        let line = at + t * {side}u;"));
        text.line("        let q = line + column;");
        text.line("        let right = vec4<f32>(tile_b[q], tile_b[q + 1u], tile_b[q + 2u], tile_b[q + 3u]);");
        text.unrolled(4, |i| format!("        c{i} = fma(vec4<f32>(tile_a[line + row + {i}u]), right, c{i});"));
        text.line("    }");
        text.line(format_args!("    if (own >= {batch}) {{ return; }}"));
        for i in 0..4 {
            text.line(format_args!("    if (row + {i}u < {m}) {{\n        let place = (own * {m} + row + {i}u) * {n} + column;"));
            text.unrolled(4, |q| {
                format!("        if (column + {q}u < {n}) {{ y0[place + {q}u] = c{i}.{}; }}", ["x", "y", "z", "w"][q])
            });
            text.line("    }");
        }
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (number, side) in [4, 8, 16].into_iter().enumerate() {
            let types = [[GpuType::F32; 2], [GpuType::F32, GpuType::BF16], [GpuType::F16; 2]][number];
            let tiny = Tiny { side, types, along: [number > 0, number > 1], rank: number };
            validate(&tiny.text());
            assert!(8 * tiny.together() * side * side <= 16384);
        }
    }
}
