//! Texts of shaders: lines, unrolled loops and parameters.

use std::fmt::Display;

/// A text of WGSL that grows.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    /// Adds a line, or several.
    pub fn line(&mut self, line: impl Display) -> &mut Self {
        self.0.push_str(&line.to_string());
        self.0.push('\n');
        self
    }

    /// Adds what `line` returns for each number below `n`. Shaders' compilers leave loops alone.
    pub fn unrolled<L: Display>(&mut self, n: usize, line: impl Fn(usize) -> L) -> &mut Self {
        (0..n).for_each(|i| _ = self.line(line(i)));
        self
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// What `part` returns for each number below `n`, with `separator` between.
pub(crate) fn join<P: Display>(n: usize, separator: &str, part: impl Fn(usize) -> P) -> String {
    (0..n).map(|i| part(i).to_string()).collect::<Vec<_>>().join(separator)
}

/// The expression of a parameter, by its number.
pub(crate) fn parameter(number: usize) -> String {
    // Two come before those of a kernel: its workgroups, and how many there are in a row of the grid.
    let place = number + 2;
    format!("p.p{}.{}", place / 4, ["x", "y", "z", "w"][place % 4])
}

/// `fn name(element: u32) -> u32`: where the element of this number lies, by sizes from parameter `sizes` on and strides from
/// parameter `strides` on.
pub(crate) fn place_function(name: &str, rank: usize, sizes: usize, strides: usize) -> String {
    let mut text = Text::default();
    text.line(format_args!("fn {name}(element: u32) -> u32 {{\n    var rest = element;\n    var place = 0u;"));
    for d in (0..rank).rev() {
        let (size, stride) = (parameter(sizes + d), parameter(strides + d));
        if d > 0 {
            text.line(format_args!("    place += (rest % {size}) * {stride};\n    rest /= {size};"));
        } else {
            text.line(format_args!("    place += rest * {stride};"));
        }
    }
    text.line("    return place;\n}");
    text.finish()
}
