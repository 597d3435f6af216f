//! Line plots as small SVG files that read well on light and on dark ground.

use std::fmt::Write;

use monotile::text::prose;

mod ticks;

use ticks::{label, ticks};

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AxisScale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm, marked at powers of ten. Values that are not positive are left out.
    Log10,
    /// By their logarithm, marked at powers of two. Values that are not positive are left out.
    Log2,
}

/// An axis: what it counts, and how.
#[derive(Debug, Clone, Default)]
pub struct PlotAxis {
    /// What the numbers are, with their unit.
    pub label: String,
    /// How they are spread.
    pub scale: AxisScale,
    /// How a number is written, if not as itself.
    pub written: Option<fn(f64) -> String>,
}

impl PlotAxis {
    /// An even axis.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_string(), scale: AxisScale::Linear, written: None }
    }

    /// A logarithmic axis marked at powers of ten.
    pub fn log10(label: &str) -> Self {
        Self { scale: AxisScale::Log10, ..Self::linear(label) }
    }

    /// A logarithmic axis marked at powers of two.
    pub fn log2(label: &str) -> Self {
        Self { scale: AxisScale::Log2, ..Self::linear(label) }
    }

    /// The same axis with its numbers written by a function.
    pub fn written(self, by: fn(f64) -> String) -> Self {
        Self { written: Some(by), ..self }
    }

    fn label(&self, v: f64) -> String {
        self.written.map_or_else(|| label(v), |by| by(v))
    }
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SeriesStyle {
    /// A line.
    #[default]
    Line,
    /// A thin, pale line: what a smoother one stands for.
    Faint,
    /// A line with a mark at each point that tells its numbers when pointed at.
    Marked,
    /// The marks alone.
    Points,
    /// The area that the points go round.
    Band,
}

/// Points joined by a line. Points that are not finite, or do not fit a logarithmic axis, are left out.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name in the legend; a series without a name is not in it.
    pub name: String,
    /// (x, y) in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub stroke: SeriesStyle,
    /// Which colour of the palette.
    pub colour: usize,
}

/// A plot of some series over common axes.
#[derive(Debug, Clone, Default)]
pub struct Plot {
    /// What it shows; read out by screen readers and shown above the plot.
    pub title: String,
    /// The horizontal axis.
    pub x: PlotAxis,
    /// The vertical axis.
    pub y: PlotAxis,
    /// What is drawn, first at the bottom.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 48.0;

/// The look on light and on dark ground, with four colours that people with any colour vision tell apart (after Okabe and Ito, 2008).
const STYLE: &str = include_str!("../assets/plot.css");
const COLOURS: usize = 4;

impl Plot {
    /// The plot as an SVG document that needs nothing else; it can also stand inside a page.
    pub fn svg(&self) -> String {
        let mut svg = open([WIDTH, HEIGHT], &self.title);
        self.content(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    /// All but the root element.
    fn content(&self, svg: &mut String) {
        let (frame, title) = (Frame::around(self), escape(&self.title));
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(svg, "<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>");
        let _ = writeln!(svg, "<text class=\"title\" x=\"{LEFT}\" y=\"26\">{title}</text>");
        self.grid(&frame, svg);
        for series in &self.series {
            self.draw(series, &frame, svg);
        }
        self.legend(svg);
    }

    /// Lines and numbers of both axes.
    fn grid(&self, frame: &Frame, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for v in ticks(self.y.scale, frame.y.low, frame.y.high, 5) {
            let y = frame.y(v);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, y + 4.0, self.y.label(v));
        }
        for v in ticks(self.x.scale, frame.x.low, frame.x.high, 7) {
            let x = frame.x(v);
            let _ = writeln!(svg, "<path class=\"axis\" d=\"M{x:.1} {bottom}v4\"/>");
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", bottom + 18.0, self.x.label(v));
        }
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>");
        let (middle, below) = ((LEFT + right) / 2.0, HEIGHT - 10.0);
        let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escape(&self.x.label));
        let (across, up) = (16.0, (TOP + bottom) / 2.0);
        let _ = writeln!(
            svg,
            "<text transform=\"translate({across} {up}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(&self.y.label)
        );
    }

    /// One series as a path, with marks where it wants them.
    fn draw(&self, series: &Series, frame: &Frame, svg: &mut String) {
        let inside: Vec<_> = series.points.iter().filter(|(x, y)| frame.x.shows(*x) && frame.y.shows(*y)).collect();
        let mut path = String::new();
        for (i, (x, y)) in inside.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, frame.x(*x), frame.y(*y));
        }
        if series.stroke == SeriesStyle::Band {
            let _ = writeln!(svg, "<path class=\"{}\" d=\"{path}Z\"/>", class(series));
        } else if series.stroke != SeriesStyle::Points {
            let _ = writeln!(svg, "<path class=\"{}\" d=\"{path}\"/>", class(series));
        }
        if matches!(series.stroke, SeriesStyle::Marked | SeriesStyle::Points) {
            for (x, y) in inside {
                let (cx, cy, told) =
                    (frame.x(*x), frame.y(*y), format!("{}: {}, {}", escape(&series.name), self.x.label(*x), self.y.label(*y)));
                let fill = series.colour % COLOURS;
                let _ = writeln!(
                    svg,
                    "<circle class=\"f{fill}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\"><title>{told}</title></circle>"
                );
            }
        }
    }

    /// The names of the series under the title, in a row.
    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for series in self.series.iter().filter(|s| !s.name.is_empty()) {
            let (class, middle) = (class(series), x + 9.0);
            let _ = match series.stroke {
                SeriesStyle::Band => writeln!(svg, "<path class=\"{class}\" d=\"M{x:.0} 37h18v12h-18Z\"/>"),
                SeriesStyle::Points => {
                    let fill = series.colour % COLOURS;
                    writeln!(svg, "<circle class=\"f{fill}\" cx=\"{middle:.0}\" cy=\"43\" r=\"3.5\"/>")
                }
                _ => writeln!(svg, "<path class=\"{class}\" d=\"M{x:.0} 43h18\"/>"),
            };
            let _ = writeln!(svg, "<text class=\"name\" x=\"{:.0}\" y=\"47\">{}</text>", x + 24.0, escape(&series.name));
            x += 48.0 + 6.6 * series.name.chars().count() as f64;
        }
    }
}

/// Plots side by side, row by row, as one SVG document.
pub fn grid(title: &str, plots: &[Plot], columns: usize) -> String {
    let columns = columns.clamp(1, plots.len().max(1));
    let mut svg = open([WIDTH * columns as f64, HEIGHT * plots.len().div_ceil(columns) as f64], title);
    for (i, plot) in plots.iter().enumerate() {
        let (x, y) = (WIDTH * (i % columns) as f64, HEIGHT * (i / columns) as f64);
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        plot.content(&mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// The root element and the style.
fn open([width, height]: [f64; 2], title: &str) -> String {
    let mut svg = String::with_capacity(16 << 10);
    let title = escape(title);
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>\n{STYLE}</style>"
    );
    svg
}

fn class(series: &Series) -> String {
    if series.stroke == SeriesStyle::Band {
        return format!("band f{}", series.colour % COLOURS);
    }
    let faint = if series.stroke == SeriesStyle::Faint { " faint" } else { "" };
    format!("line s{}{faint}", series.colour % COLOURS)
}

/// What part of an axis is shown.
struct Range {
    scale: AxisScale,
    low: f64,
    high: f64,
}

impl Range {
    /// The range of some values with a little room; from 0 to 1 (or 1 to 10) where there are none.
    fn from_values(scale: AxisScale, values: impl Iterator<Item = f64>, room: f64) -> Self {
        let fits = |v: &f64| v.is_finite() && (scale == AxisScale::Linear || *v > 0.0);
        let (low, high) = values.filter(fits).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return if scale == AxisScale::Linear {
                Self { scale, low: 0.0, high: 1.0 }
            } else {
                Self { scale, low: 1.0, high: 10.0 }
            };
        }
        if scale == AxisScale::Linear {
            let room = if high > low { room * (high - low) } else { low.abs().max(1.0) * 0.5 };
            // Counts and losses that begin near 0 are shown from 0.
            let low = if low >= 0.0 && low < 0.25 * high { 0.0 } else { low - room };
            return Self { scale, low, high: high + room };
        }
        let room = if high > low { (high / low).powf(room) } else { 2.0 };
        Self { scale, low: low / room, high: high * room }
    }

    fn shows(&self, v: f64) -> bool {
        v.is_finite() && (self.scale == AxisScale::Linear || v > 0.0)
    }

    /// Where between the ends (0 and 1) a value stands.
    fn place(&self, v: f64) -> f64 {
        match self.scale {
            AxisScale::Linear => (v - self.low) / (self.high - self.low),
            AxisScale::Log10 | AxisScale::Log2 => (v / self.low).ln() / (self.high / self.low).ln(),
        }
    }
}

/// The two ranges, placed on the picture.
struct Frame {
    x: Range,
    y: Range,
}

impl Frame {
    fn around(plot: &Plot) -> Self {
        let points = || plot.series.iter().flat_map(|s| s.points.iter());
        let x = Range::from_values(plot.x.scale, points().map(|p| p.0), if plot.x.scale == AxisScale::Linear { 0.0 } else { 0.03 });
        Self { x, y: Range::from_values(plot.y.scale, points().map(|p| p.1), 0.06) }
    }

    fn x(&self, v: f64) -> f64 {
        LEFT + self.x.place(v) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, v: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(v) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Text as XML and HTML take it. XML has no control characters, and those that turn the direction of writing would turn what follows.
pub fn escape(text: &str) -> String {
    prose(text).to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: Vec<(f64, f64)>) -> Series {
        Series { name: "loss".into(), points, stroke: SeriesStyle::Marked, colour: 0 }
    }

    #[test]
    fn points_stand_where_the_axes_say() {
        let plot = Plot {
            x: PlotAxis::log2("T"),
            y: PlotAxis::linear("ms"),
            series: vec![series(vec![(512.0, 1.0), (2048.0, 9.0)])],
            ..Plot::default()
        };
        let frame = Frame::around(&plot);
        let (left, right) = (frame.x(512.0), frame.x(2048.0));
        assert!(
            (frame.x(1024.0) - (left + right) / 2.0).abs() < 1e-9,
            "1024 is in the middle of 512 and 2048 on a logarithmic axis"
        );
        assert!((frame.y(5.0) - (frame.y(1.0) + frame.y(9.0)) / 2.0).abs() < 1e-9);
        assert!(left > LEFT && right < WIDTH - RIGHT && frame.y(9.0) < frame.y(1.0));
    }

    #[test]
    fn a_band_is_a_closed_area_and_marks_stand_for_themselves_in_the_legend() {
        let area = vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
        let points = Series { stroke: SeriesStyle::Points, name: "seen".into(), ..series(vec![(0.5, 0.5)]) };
        let svg = Plot { series: vec![Series { stroke: SeriesStyle::Band, ..series(area) }, points], ..Plot::default() }.svg();
        assert_eq!(svg.matches("<path class=\"band f0\"").count(), 2, "the area, and its patch in the legend");
        assert_eq!(svg.matches("<circle").count(), 2, "the mark, and its own in the legend");
        assert!(!svg.contains("class=\"line"), "{svg}");
    }

    #[test]
    fn values_that_cannot_be_shown_are_left_out() {
        let plot = Plot {
            y: PlotAxis::log10("loss"),
            series: vec![series(vec![(0.0, f64::NAN), (1.0, 0.0), (2.0, 4.0), (3.0, f64::INFINITY), (4.0, 8.0)])],
            ..Plot::default()
        };
        let svg = plot.svg();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_or_of_one_point_is_still_a_plot() {
        for points in [vec![], vec![(3.0, 3.0)]] {
            let svg = Plot { series: vec![series(points)], ..Plot::default() }.svg();
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn a_grid_holds_every_plot_in_its_place() {
        let plots = vec![Plot { series: vec![series(vec![(0.0, 1.0)])], ..Plot::default() }; 3];
        let svg = grid("three", &plots, 2);
        assert!(svg.contains("viewBox=\"0 0 1280 720\"") && svg.contains("translate(640 0)") && svg.contains("translate(0 360)"));
        assert_eq!((svg.matches("<svg").count(), svg.matches("class=\"ground\"").count()), (1, 3));
    }

    #[test]
    fn names_are_escaped() {
        let svg = Plot { title: "a < b & \"c\"".into(), ..Plot::default() }.svg();
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;") && !svg.contains("a < b"));
        let odd = "a\u{0}\u{1b}\u{9b}\u{202e}";
        let axis = PlotAxis::linear(odd);
        let svg = Plot {
            title: odd.into(),
            x: axis.clone(),
            y: axis,
            series: vec![Series { name: odd.into(), ..series(vec![(1.0, 1.0)]) }],
        }
        .svg();
        assert_eq!(svg.matches("a\\u{0}").count() + svg.matches("a\\0").count(), 6, "{svg}");
        assert!(svg.chars().all(|c| c == '\n' || monotile::text::is_plain(c)), "{svg}");
    }
}
