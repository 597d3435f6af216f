//! A fitted model as a table.

use std::fmt;

use super::LeastSquares;
use super::student::StudentQuantiles;
use crate::Tensor;
use crate::stats::parts::significant;

impl fmt::Display for LeastSquares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |x: &Tensor| x.to_f64_vec().map_err(|_| fmt::Error);
        let (b, errors) = (numbers(&self.coefficients)?, numbers(&self.standard_errors)?);
        let mut rows = vec![["", "coefficient", "standard error", "t", "p"].map(str::to_string)];
        let student = StudentQuantiles::new(self.degrees_of_freedom);
        for (j, (&b, &error)) in b.iter().zip(&errors).enumerate() {
            let name = match j + usize::from(!self.intercept) {
                0 => "constant".to_string(),
                j => format!("x{j}"),
            };
            rows.push([
                name,
                significant(b, 6),
                significant(error, 6),
                significant(b / error, 4),
                probability(student.two_sided(b / error)),
            ]);
        }
        let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
        let [w0, w1, w2, w3, w4] = [0, 1, 2, 3, 4].map(width);
        for [name, b, error, t, p] in &rows {
            writeln!(f, "{name:<w0$}  {b:>w1$}  {error:>w2$}  {t:>w3$}  {p:>w4$}")?;
        }
        let adjusted = numbers(&self.adjusted_r_squared().map_err(|_| fmt::Error)?)?[0];
        let (deviation, r_squared) = (numbers(&self.residual_deviation)?[0], numbers(&self.r_squared)?[0]);
        writeln!(
            f,
            "residual standard deviation {} on {} degrees of freedom\nR² {}, adjusted {}",
            significant(deviation, 6),
            self.degrees_of_freedom,
            significant(r_squared, 6),
            significant(adjusted, 6)
        )
    }
}

/// What is as good as impossible says so, whatever its size.
fn probability(p: f64) -> String {
    if p < 1e-16 { "<1e-16".to_string() } else { significant(p, 3) }
}
