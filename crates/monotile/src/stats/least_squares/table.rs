//! A fitted model as a table.

use std::fmt;

use super::LeastSquares;

impl fmt::Display for LeastSquares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (b, errors) = (self.coefficients.to_f64_vec(), self.standard_errors.to_f64_vec());
        let mut rows = vec![["", "coefficient", "standard error", "t"].map(str::to_string)];
        for (j, (&b, &error)) in b.iter().zip(&errors).enumerate() {
            let name = match j + usize::from(!self.intercept) {
                0 => "constant".to_string(),
                j => format!("x{j}"),
            };
            rows.push([name, significant(b, 6), significant(error, 6), significant(b / error, 4)]);
        }
        let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
        let [w0, w1, w2, w3] = [0, 1, 2, 3].map(width);
        for [name, b, error, t] in &rows {
            writeln!(f, "{name:<w0$}  {b:>w1$}  {error:>w2$}  {t:>w3$}")?;
        }
        let (deviation, r_squared) = (self.residual_deviation.to_f64_vec()[0], self.r_squared.to_f64_vec()[0]);
        writeln!(
            f,
            "residual standard deviation {} on {} degrees of freedom, R² {}",
            significant(deviation, 6),
            self.degrees_of_freedom,
            significant(r_squared, 6)
        )
    }
}

/// A number with this many significant digits, by a power of ten where it is very large or small.
fn significant(x: f64, digits: usize) -> String {
    let size = if x == 0.0 { 0 } else { x.abs().log10().floor() as i32 };
    if !x.is_finite() || x == 0.0 {
        format!("{x}")
    } else if (-4..digits as i32).contains(&size) {
        format!("{x:.*}", (digits as i32 - 1 - size) as usize)
    } else {
        format!("{x:.*e}", digits - 1)
    }
}
