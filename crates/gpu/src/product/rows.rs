//! At most eight rows: the other operand is read once, from memory into registers.

use super::{MOST_ROWS, Problem, WORDS};
use crate::kernel::KernelText;
use crate::operand::{GpuType, conversions};
use crate::team::{ADD, Team};
use crate::text::{Text, parameter, place_function};

/// Terms of the sum that a thread reads before it adds any.
const UNROLLED: usize = 4;

/// What a kernel's text depends on.
#[derive(Debug)]
pub(super) struct Rows {
    pub rows: usize,
    pub types: [GpuType; 2],
    pub team: Team,
    /// Whether four terms of both operands are read at once.
    pub fours: bool,
    pub rank: usize,
}

impl Rows {
    /// None where there are more rows.
    pub fn of(problem: &Problem) -> Option<Self> {
        let fours = problem.k.is_multiple_of(4) && (0..2).all(|i| problem.along(i) && problem.fours(i));
        let team = Team::new(if fours { problem.k / 4 } else { problem.k }, problem.along(1));
        let rows = Self { rows: problem.m, types: problem.types, team, fours, rank: problem.walk.rank() };
        (problem.m <= MOST_ROWS).then_some(rows)
    }

    pub fn key(&self) -> Vec<u64> {
        vec![self.rows as u64, self.types[0] as u64, self.types[1] as u64, self.team.key(), self.fours.into(), self.rank as u64]
    }

    pub fn groups(&self, problem: &Problem) -> u64 {
        if problem.m == 0 { 0 } else { problem.n.div_ceil(self.team.columns) as u64 * problem.batch as u64 }
    }

    pub fn text(&self) -> KernelText {
        let (rows, team) = (self.rows.max(1), self.team);
        let mut globals = Text::default();
        globals.line(conversions(&self.types, &[])).line(ADD);
        for (i, name) in ["a", "b"].into_iter().enumerate() {
            globals.line(place_function(&format!("batch_of_{name}"), self.rank, WORDS, WORDS + self.rank * (1 + i)));
            if self.fours {
                let elements = self.types[i].read_four(&format!("a{i}"), "at");
                let head = format!("fn elements_of_{name}(place: u32) -> vec4<f32> {{\n    let at = place >> 2u;");
                globals.line(format_args!("{head}\n    return {elements};\n}}"));
            } else {
                let element = self.types[i].read(&format!("a{i}"), "place");
                globals.line(format_args!("fn elements_of_{name}(place: u32) -> f32 {{\n    return {element};\n}}"));
            }
        }
        globals.line(format_args!("var<workgroup> sums: array<f32, {}>;", rows * team.threads()));
        KernelText {
            inputs: self.types.map(if self.fours { GpuType::four } else { GpuType::single }).to_vec(),
            outputs: vec!["f32"],
            words: WORDS + 3 * self.rank,
            threads: team.threads(),
            globals: globals.finish(),
            body: self.body(rows),
        }
    }

    fn body(&self, rows: usize) -> String {
        let (team, lanes) = (self.team, self.team.lanes);
        let (m, n, k) = (parameter(0), parameter(1), parameter(2));
        let [a_m, a_k, b_n, b_k, c_m, c_n] = std::array::from_fn(|i| parameter(8 + i));
        let mut text = Text::default();
        team.places(&mut text);
        let columns = team.columns;
        text.line(format_args!("    let wide = ({n} + {}u) / {columns}u;\n    let own = group / wide;", columns - 1));
        text.line(format_args!("    let x = (group % wide) * {columns}u + column;"));
        text.line(format_args!("    let base_a = {} + batch_of_a(own);", parameter(6)));
        text.line(format_args!("    let base_b = {} + batch_of_b(own) + min(x, {n} - 1u) * {b_n};", parameter(7)));
        text.unrolled(rows, |i| format!("    var c{i} = 0.0;"));
        text.line("    var t = lane;");
        let step = if self.fours { 4 } else { 1 };
        let terms = |text: &mut Text, count: usize| {
            text.unrolled(count, |u| format!("        let t{u} = {step}u * (t + {}u);", u * lanes));
            text.unrolled(count, |u| format!("        let b{u} = elements_of_b(base_b + t{u} * {b_k});"));
            for u in 0..count {
                for i in 0..rows {
                    text.line(format_args!("        let a{u}_{i} = elements_of_a(base_a + {i}u * {a_m} + t{u} * {a_k});"));
                    let lanes = if self.fours { &[".x", ".y", ".z", ".w"][..] } else { &[""] };
                    for lane in lanes {
                        text.line(format_args!("        c{i} = fma(a{u}_{i}{lane}, b{u}{lane}, c{i});"));
                    }
                }
            }
            text.line(format_args!("        t += {}u;\n    }}", count * lanes));
        };
        text.line(format_args!("    let terms = {k} / {step}u;"));
        text.line(format_args!("    while (t + {}u < terms) {{", (UNROLLED - 1) * lanes));
        terms(&mut text, UNROLLED);
        text.line("    while (t < terms) {");
        terms(&mut text, 1);
        let banks: Vec<usize> = (0..rows).map(|i| i * team.threads()).collect();
        text.unrolled(rows, |i| format!("    sums[local + {}u] = c{i};", banks[i]));
        team.tree(&mut text, "plus", "sums", &banks, "terms");
        text.line(format_args!("    if (lane == 0u && x < {n}) {{"));
        text.unrolled(rows, |i| {
            let place = format!("own * {m} * {n} + {i}u * {c_m} + x * {c_n}");
            format!("        y0[{place}] = sums[local + {}u];", banks[i])
        });
        text.line("    }");
        text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for rows in 0..=MOST_ROWS {
            let types = [[GpuType::F32; 2], [GpuType::F32, GpuType::BF16], [GpuType::F16; 2]][rows % 3];
            let (k, along) = [(1, true), (7, true), (1000, true), (4, false), (1000, false)][rows % 5];
            validate(&Rows { rows, types, team: Team::new(k, along), fours: rows % 2 == 0, rank: rows % 5 }.text());
        }
    }
}
