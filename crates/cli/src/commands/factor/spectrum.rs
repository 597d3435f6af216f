//! The singular values of matrices: rank, condition, a chart, a plot.

use std::fmt::Write;

use monotile::text::printable;
use monotile::{DType, Result, Tensor};

use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::report::number;

/// Lines of a chart at most, and characters of its longest bar.
const LINES: usize = 16;
const WIDTH: f64 = 40.0;

/// Values in decreasing order, a matrix of the batch a row.
pub struct BatchSpectrum {
    rows: Vec<Vec<f64>>,
    /// Values up to this share of the largest are rounding.
    rounding: f64,
    /// How many values there are.
    count: usize,
    /// The root of the sum of squares of all values of each matrix.
    lengths: Vec<f64>,
}

/// The root of the sum of squares, which do not overflow; 0 for nothing.
pub fn length(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * x.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() }
}

impl BatchSpectrum {
    /// The values `(…, k)` of matrices `a`.
    pub fn from_values(a: &Tensor, values: &Tensor) -> Result<Self> {
        let epsilon: f64 = if a.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
        let rows: Vec<Vec<f64>> = values.to_f64_vec()?.chunks(values.dim(-1).max(1)).map(<[f64]>::to_vec).collect();
        let lengths = rows.iter().map(|s| length(s)).collect();
        Ok(Self { rows, rounding: a.dim(-2).max(a.dim(-1)) as f64 * epsilon, count: values.dim(-1), lengths })
    }

    /// The largest values of matrices `whole`, made of `a`, of which the others are not known.
    pub fn from_largest(a: &Tensor, values: &Tensor, whole: &Tensor) -> Result<Self> {
        let lengths = whole.to_f64_vec()?.chunks(whole.dim(-1) * whole.dim(-2)).map(length).collect();
        Ok(Self { count: a.dim(-1).min(a.dim(-2)), lengths, ..Self::from_values(a, values)? })
    }

    /// Whether all values are known, and so rank and condition.
    pub fn is_whole(&self) -> bool {
        self.rows.iter().all(|s| s.len() == self.count)
    }

    pub fn values(&self) -> &[Vec<f64>] {
        &self.rows
    }

    /// How many values of each matrix are more than rounding.
    pub fn ranks(&self) -> Vec<usize> {
        self.rows.iter().map(|s| s.iter().filter(|&&x| x > self.rounding * s[0]).count()).collect()
    }

    /// The largest value by the smallest, of each matrix.
    pub fn conditions(&self) -> Vec<f64> {
        self.rows.iter().map(|s| if s[0] == 0.0 { f64::INFINITY } else { s[0] / s[s.len() - 1] }).collect()
    }

    /// Rank and condition.
    pub fn sentence(&self) -> String {
        if !self.is_whole() {
            let (known, count) = (self.rows[0].len(), self.count);
            return format!("the largest {known} of {count} values");
        }
        let (ranks, conditions) = (self.ranks(), self.conditions());
        let worst = conditions.iter().fold(0.0, |m: f64, c| m.max(*c));
        // What is singular up to rounding has a condition that says nothing more.
        let condition = if worst * self.rounding >= 1.0 { "infinite up to rounding".to_string() } else { number(worst) };
        let (least, most) = (ranks.iter().min().unwrap_or(&0), ranks.iter().max().unwrap_or(&0));
        if ranks.len() == 1 {
            return format!("rank {most}, condition {condition}");
        }
        let rank = if least == most { format!("rank {most}") } else { format!("ranks {least} to {most}") };
        format!("{} matrices of {rank}, the largest condition {condition}", ranks.len())
    }

    /// A line a value: its number, itself, the share of the sum of squares up to it, and a bar.
    pub fn chart(&self, what: &str) -> String {
        let s = &self.rows[0];
        let which = if self.rows.len() > 1 { " of the first matrix" } else { "" };
        let whole = (self.lengths[0] / s[0]).powi(2);
        let positive = || s.iter().take(LINES).copied().filter(|x| *x > self.rounding * s[0]);
        let smallest = positive().fold(s[0], f64::min);
        // Bars of a spectrum that falls far are logarithms, from a tenth of the smallest value on.
        let logarithmic = s[0] > 100.0 * smallest;
        let length = |x: f64| match logarithmic {
            _ if x <= self.rounding * s[0] => 0.0,
            true => (10.0 * x / smallest).ln() / (10.0 * s[0] / smallest).ln(),
            false => x / s[0],
        };
        let scale = if logarithmic { ", bars by their logarithms" } else { "" };
        let mut text = format!("{what}{which}{scale}\n");
        let mut sum = 0.0;
        for (i, &x) in s.iter().take(LINES).enumerate() {
            sum += if s[0] > 0.0 { (x / s[0]).powi(2) } else { 0.0 };
            let share = if s[0] > 0.0 { 100.0 * sum / whole } else { 100.0 };
            let bar = "█".repeat((WIDTH * length(x)).round() as usize);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", format!("{:>4}  {:>11}  {share:>6.2} %  {bar}", i + 1, number(x)).trim_end());
        }
        if let Some(last) = s.get(LINES..).and_then(<[f64]>::last) {
            let _ = writeln!(text, "      {} more, down to {}", s.len() - LINES, number(*last));
        }
        if !self.is_whole() {
            let _ = writeln!(text, "      {} more that were not computed", self.count - s.len());
        }
        text
    }

    /// The values of every matrix over their numbers.
    pub fn plot(&self, name: &str) -> Plot {
        const MOST: usize = 16;
        let series = |(i, s): (usize, &Vec<f64>)| Series {
            name: String::new(),
            points: s.iter().enumerate().map(|(j, &x)| ((j + 1) as f64, x)).collect(),
            stroke: if self.rows.len() == 1 && s.len() <= 64 { SeriesStyle::Marked } else { SeriesStyle::Line },
            colour: i,
        };
        Plot {
            title: format!("Spectrum of {}: {}", printable(name), self.sentence()),
            x: PlotAxis::linear("number"),
            y: PlotAxis::log10("value"),
            series: self.rows.iter().take(MOST).enumerate().map(series).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(rows: Vec<Vec<f64>>) -> BatchSpectrum {
        let (count, lengths) = (rows[0].len(), rows.iter().map(|s| length(s)).collect());
        BatchSpectrum { rows, rounding: 1e-15, count, lengths }
    }

    #[test]
    fn ranks_and_conditions_are_those_of_the_values() {
        assert_eq!(spectrum(vec![vec![4.0, 2.0, 1.0]]).sentence(), "rank 3, condition 4.0000");
        assert_eq!(spectrum(vec![vec![4.0, 1e-20]]).sentence(), "rank 1, condition infinite up to rounding");
        let batch = spectrum(vec![vec![4.0, 2.0], vec![0.0, 0.0]]).sentence();
        assert_eq!(batch, "2 matrices of ranks 0 to 2, the largest condition infinite up to rounding");
    }

    #[test]
    fn lengths_hold_at_extreme_scales() {
        assert!((length(&[3e200, -4e200]) / 5e200 - 1.0).abs() < 1e-15 && (length(&[3e-200, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15);
        assert_eq!(length(&[]), 0.0);
    }

    #[test]
    fn a_chart_has_a_bar_a_value_and_says_what_it_left_out() {
        let text = spectrum(vec![vec![4.0, 2.0, 0.0]]).chart("singular values");
        let bars: Vec<usize> = text.lines().map(|l| l.matches('█').count()).collect();
        assert_eq!(bars, [0, 40, 20, 0]);
        assert!(text.contains("   2       2.0000  100.00 %  █"), "{text}");
        let long = spectrum(vec![(0..40).map(|i| 10.0_f64.powf(-0.25 * f64::from(i))).collect()]).chart("values");
        assert!(
            long.starts_with("values, bars by their logarithms\n") && long.ends_with("24 more, down to 1.7783e-10\n"),
            "{long}"
        );
        let part = BatchSpectrum { count: 9, lengths: vec![10.0], ..spectrum(vec![vec![6.0]]) };
        assert!(part.chart("values").ends_with(
            "   1       6.0000   36.00 %  ████████████████████████████████████████\n      8 more that were not computed\n"
        ));
        assert_eq!(part.sentence(), "the largest 1 of 9 values");
        let zero = spectrum(vec![vec![0.0, 0.0]]).chart("values");
        assert!(!zero.contains("NaN"), "{zero}");
    }
}
