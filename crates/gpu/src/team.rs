//! Threads of a workgroup as columns of lanes: a column has a result of its own, its lanes share the work and add up in a tree.

use crate::text::Text;

/// How a workgroup is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Team {
    pub columns: usize,
    /// A power of two.
    pub lanes: usize,
    /// Whether neighbouring threads are lanes of one column, so that they read what lies side by side along it.
    pub along: bool,
}

impl Team {
    /// For `n` elements a result, which lie side by side if `along`; else the results do.
    pub fn new(n: usize, along: bool) -> Self {
        if along {
            let lanes = n.clamp(1, 64).next_power_of_two();
            Self { columns: 64 / lanes, lanes, along }
        } else {
            Self { columns: 32, lanes: if n >= 32 { 8 } else { 2 }, along }
        }
    }

    pub fn threads(&self) -> usize {
        self.columns * self.lanes
    }

    /// What a text for it depends on.
    pub fn key(&self) -> u64 {
        (self.columns << 16 | self.lanes << 1 | usize::from(self.along)) as u64
    }

    /// `column` and `lane` of the thread.
    pub fn places(&self, text: &mut Text) {
        let (lanes, columns) = (self.lanes, self.columns);
        let (column, lane) = if self.along { ("/", "%") } else { ("%", "/") };
        let by = if self.along { lanes } else { columns };
        text.line(format_args!("    let column = local {column} {by}u;\n    let lane = local {lane} {by}u;"));
    }

    /// Threads between a lane and the next of its column.
    fn apart(&self) -> usize {
        if self.along { 1 } else { self.columns }
    }

    /// Combines by a function `shared[local + b]` of the first `count` lanes of each column, an expression, into that of the first lane, for each `b`
    /// of `banks`. All threads come here, after they wrote theirs.
    pub fn tree(&self, text: &mut Text, combine: &str, shared: &str, banks: &[usize], count: &str) {
        text.line("    workgroupBarrier();");
        let mut half = self.lanes / 2;
        while half > 0 {
            text.line(format_args!("    if (lane < {half}u && lane + {half}u < {count}) {{"));
            for bank in banks {
                let (here, there) =
                    (format!("{shared}[local + {bank}u]"), format!("{shared}[local + {}u]", bank + half * self.apart()));
                text.line(format_args!("        {here} = {combine}({here}, {there});"));
            }
            text.line("    }\n    workgroupBarrier();");
            half /= 2;
        }
    }

    /// The number of the first thread of the column.
    pub fn head(&self) -> &'static str {
        if self.along { "(local - lane)" } else { "column" }
    }
}

/// A function of two numbers.
pub(crate) const ADD: &str = "fn plus(a: f32, b: f32) -> f32 { return a + b; }";

/// `larger` or `smaller` of two numbers, by the sign of the comparison; NaN if either is.
pub(crate) fn extreme(name: &str, sign: char) -> String {
    format!(
        "fn is_nan(x: f32) -> bool {{ return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }}
fn {name}(a: f32, b: f32) -> f32 {{
    let chosen = select(b, a, a {sign} b || is_nan(a));
    return select(chosen, b, is_nan(b));
}}"
    )
}
