//! Tiles of the product: both operands pass through the workgroup's memory, sums stay in registers.

use super::{Problem, WORDS};
use crate::kernel::KernelText;
use crate::operand::{GpuType, conversions};
use crate::text::{Text, join, parameter, place_function};

/// Rows of tiles in a band.
const BAND: usize = 8;
/// Terms of the sum that are written out one after another.
const UNROLLED: usize = 4;

/// The sizes of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    /// Threads along rows, and along columns.
    threads: usize,
    /// Squares of 4 x 4 that a thread computes along rows, and along columns.
    squares: usize,
    /// Terms of the sum in the workgroup's memory.
    depth: usize,
}

impl Tile {
    pub const LARGE: Self = Self { threads: 16, squares: 2, depth: 8 };
    pub const MEDIUM: Self = Self { threads: 8, squares: 2, depth: 16 };
    pub const SMALL: Self = Self { threads: 8, squares: 1, depth: 8 };

    /// Rows and columns that one square of each thread covers; squares of a thread are so far apart.
    fn cover(self) -> usize {
        4 * self.threads
    }

    /// Rows and columns.
    pub fn side(self) -> usize {
        self.cover() * self.squares
    }

    /// Vectors of four rows for one term, and one more, so that terms lie in other banks.
    fn pitch(self) -> usize {
        self.side() / 4 + 1
    }

    /// Bytes of the workgroup's memory.
    pub fn bytes(self) -> usize {
        2 * 16 * self.pitch() * self.depth
    }
}

/// What a kernel's text depends on.
#[derive(Debug)]
pub(super) struct Tiles {
    pub tile: Tile,
    pub types: [GpuType; 2],
    /// Whether the sum's terms of an operand lie side by side.
    pub along: [bool; 2],
    /// Whether four of them, or else of its rows, are read at once.
    pub fours: [bool; 2],
    pub rank: usize,
}

impl Tiles {
    pub fn of(problem: &Problem, tile: Tile) -> Self {
        Self {
            tile,
            types: problem.types,
            along: [0, 1].map(|i| problem.along(i)),
            fours: [0, 1].map(|i| problem.fours(i)),
            rank: problem.walk.rank(),
        }
    }

    pub fn key(&self) -> Vec<u64> {
        let flags = self.along.iter().chain(&self.fours).fold(0, |flags, &flag| flags << 1 | u64::from(flag));
        vec![self.tile.side() as u64, self.types[0] as u64, self.types[1] as u64, flags, self.rank as u64]
    }

    pub fn groups(&self, problem: &Problem, parts: usize) -> u64 {
        let along = |n: usize| n.div_ceil(self.tile.side()) as u64;
        along(problem.m) * along(problem.n) * (problem.batch * parts) as u64
    }

    pub fn text(&self) -> KernelText {
        let mut globals = Text::default();
        globals.line(conversions(&self.types, &[]));
        for (i, name) in ["a", "b"].into_iter().enumerate() {
            globals.line(place_function(&format!("batch_of_{name}"), self.rank, WORDS, WORDS + self.rank * (1 + i)));
            globals.line(format_args!("var<workgroup> tile_{name}: array<vec4<f32>, {}>;", self.tile.pitch() * self.tile.depth));
            globals.line(self.read(i, name));
        }
        KernelText {
            inputs: (0..2).map(|i| if self.fours[i] { self.types[i].four() } else { self.types[i].single() }).collect(),
            outputs: vec!["f32"],
            words: WORDS + 3 * self.rank,
            threads: self.tile.threads * self.tile.threads,
            globals: globals.finish(),
            body: self.body(),
        }
    }

    /// A function for an element of an operand, or four: 0 beyond its last row or term.
    fn read(&self, i: usize, name: &str) -> String {
        let (rows, across, along) = (parameter(i), parameter(8 + 2 * i), parameter(9 + 2 * i));
        if !self.fours[i] {
            let element = self.types[i].read(&format!("a{i}"), "place");
            return format!(
                "fn element_of_{name}(base: u32, row: u32, term: u32, end: u32) -> f32 {{
    if (row >= {rows} || term >= end) {{ return 0.0; }}
    let place = base + row * {across} + term * {along};
    return {element};
}}"
            );
        }
        let (place, first, last) = match self.along[i] {
            true => (format!("row * {across} + term"), "term", "end".to_string()),
            false => (format!("row + term * {along}"), "row", rows.clone()),
        };
        let elements = self.types[i].read_four(&format!("a{i}"), "at");
        format!(
            "fn four_of_{name}(base: u32, row: u32, term: u32, end: u32) -> vec4<f32> {{
    if (row >= {rows} || term >= end) {{ return vec4<f32>(0.0); }}
    let at = (base + {place}) >> 2u;
    let x = {elements};
    return select(vec4<f32>(0.0), x, vec4<u32>({first}) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({last}));
}}"
        )
    }

    fn body(&self) -> String {
        let Tile { threads, squares, depth } = self.tile;
        let (side, pitch) = (self.tile.side(), self.tile.pitch());
        let (m, n, k, parts, part, batch) = (parameter(0), parameter(1), parameter(2), parameter(3), parameter(4), parameter(5));
        let mut text = Text::default();
        text.line(format_args!("    let wide = ({n} + {}u) / {side}u;\n    let high = ({m} + {}u) / {side}u;", side - 1, side - 1));
        // Tiles run down bands of eight rows of them, so that what a band reads stays in the cache.
        text.line(format_args!("    let tile = group % (wide * high);\n    let rest = group / (wide * high);"));
        text.line(format_args!("    let first = tile / (wide * {BAND}u) * {BAND}u;\n    let rows = min({BAND}u, high - first);"));
        text.line(format_args!("    let column = tile % (wide * {BAND}u) / rows * {side}u;"));
        text.line(format_args!("    let row = (first + tile % (wide * {BAND}u) % rows) * {side}u;"));
        text.line(format_args!("    let own_part = rest % {parts};\n    let own = rest / {parts};"));
        text.line(format_args!(
            "    let base_a = {} + batch_of_a(own);\n    let base_b = {} + batch_of_b(own);",
            parameter(6),
            parameter(7)
        ));
        text.line(format_args!("    var term = own_part * {part};\n    let end = min(term + {part}, {k});"));
        text.line(format_args!("    let tx = local % {threads}u;\n    let ty = local / {threads}u;"));
        let sums = (0..squares).flat_map(|i| (0..4).flat_map(move |r| (0..squares).map(move |j| (i, r, j))));
        for (i, r, j) in sums.clone() {
            text.line(format_args!("    var c{i}{r}_{j} = vec4<f32>(0.0);"));
        }
        text.line("    while (term < end) {");
        self.fill(&mut text, 0, "a", "row");
        self.fill(&mut text, 1, "b", "column");
        text.line("        workgroupBarrier();");
        text.line(format_args!("        for (var t = 0u; t < {depth}u; t += {UNROLLED}u) {{"));
        for u in 0..UNROLLED {
            text.line("            {");
            text.line(format_args!("            let at = (t + {u}u) * {pitch}u;"));
            text.unrolled(squares, |i| format!("            let left_{i} = tile_a[at + {}u + ty];", i * threads));
            text.unrolled(squares, |j| format!("            let right_{j} = tile_b[at + {}u + tx];", j * threads));
            for (i, r, j) in sums.clone() {
                let lane = ["x", "y", "z", "w"][r];
                text.line(format_args!("            c{i}{r}_{j} = fma(vec4<f32>(left_{i}.{lane}), right_{j}, c{i}{r}_{j});"));
            }
            text.line("            }");
        }
        text.line(format_args!("        }}\n        workgroupBarrier();\n        term += {depth}u;\n    }}"));
        text.line(format_args!("    let base = (own_part * {batch} + own) * {m} * {n};"));
        for (i, r, j) in sums {
            let (c_m, c_n) = (parameter(12), parameter(13));
            text.line("    {");
            text.line(format_args!(
                "    let y = row + {}u + 4u * ty;\n    let x = column + {}u + 4u * tx;",
                i * self.tile.cover() + r,
                j * self.tile.cover()
            ));
            text.line(format_args!("    let place = base + y * {c_m} + x * {c_n};\n    if (y < {m}) {{"));
            text.unrolled(4, |q| {
                let lane = ["x", "y", "z", "w"][q];
                format!("        if (x + {q}u < {n}) {{ y0[place + {q}u * {c_n}] = c{i}{r}_{j}.{lane}; }}")
            });
            text.line("    }\n    }");
        }
        text.finish()
    }

    /// Brings the part of an operand that a tile needs into the workgroup's memory: vectors of four rows, term by term.
    fn fill(&self, text: &mut Text, i: usize, name: &str, start: &str) {
        let (quads, depth, pitch) = (self.tile.side() / 4, self.tile.depth, self.tile.pitch());
        let all = self.tile.threads * self.tile.threads;
        // Four terms of four rows are exchanged in registers.
        let squares = self.fours[i] && self.along[i];
        let terms = if squares { depth / 4 } else { depth };
        // Neighbouring threads read what lies side by side.
        let (t, quad) = if self.along[i] {
            (format!("v % {terms}u"), format!("v / {terms}u"))
        } else {
            (format!("v / {quads}u"), format!("v % {quads}u"))
        };
        for round in 0..(quads * terms).div_ceil(all) {
            text.line(format_args!("        if (local < {}u) {{", quads * terms - round * all));
            text.line(format_args!("        let v = local + {}u;\n        let t = {t};\n        let quad = {quad};", round * all));
            text.line(format_args!("        let first = {start} + 4u * quad;"));
            if squares {
                text.unrolled(4, |q| format!("        let r{q} = four_of_{name}(base_{name}, first + {q}u, term + 4u * t, end);"));
                text.unrolled(4, |q| {
                    let lane = ["x", "y", "z", "w"][q];
                    let rows = join(4, ", ", |r| format!("r{r}.{lane}"));
                    format!("        tile_{name}[(4u * t + {q}u) * {pitch}u + quad] = vec4<f32>({rows});")
                });
            } else {
                let elements = if self.fours[i] {
                    format!("four_of_{name}(base_{name}, first, term + t, end)")
                } else {
                    let each = join(4, ", ", |q| format!("element_of_{name}(base_{name}, first + {q}u, term + t, end)"));
                    format!("vec4<f32>({each})")
                };
                text.line(format_args!("        tile_{name}[t * {pitch}u + quad] = {elements};"));
            }
            text.line("        }");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for tile in [Tile::LARGE, Tile::MEDIUM, Tile::SMALL] {
            for along in [[true, false], [false, true]] {
                validate(&Tiles { tile, types: [GpuType::F32; 2], along, fours: [false; 2], rank: 0 }.text());
                validate(&Tiles { tile, types: [GpuType::F32, GpuType::BF16], along, fours: [true; 2], rank: 1 }.text());
            }
            validate(
                &Tiles { tile, types: [GpuType::F16, GpuType::BF16], along: [false; 2], fours: [true, false], rank: 1 }.text(),
            );
            validate(&Tiles { tile, types: [GpuType::I32, GpuType::Bool], along: [true; 2], fours: [false, true], rank: 4 }.text());
        }
        assert!(Tile::LARGE.bytes() <= 16384 && Tile::MEDIUM.bytes() <= 16384 && Tile::SMALL.bytes() < 4096);
    }
}
