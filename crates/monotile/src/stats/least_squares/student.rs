//! Student's distribution of a whole number of degrees of freedom.

/// Terms of the continued fraction at most: it needs about the root of the degrees of freedom.
const TERMS: usize = 100_000;

/// The distribution with ν degrees of freedom.
pub struct StudentQuantiles {
    degrees: f64,
    /// B(ν/2, ½)
    beta: f64,
}

impl StudentQuantiles {
    pub fn new(degrees: usize) -> Self {
        // B(½, ½) = π, B(1, ½) = 2, and B(a + 1, ½) = B(a, ½) a / (a + ½).
        let first = if degrees % 2 == 1 { std::f64::consts::PI } else { 2.0 };
        let below = (1..degrees.div_ceil(2)).map(|i| 0.5 * (degrees - 2 * i) as f64);
        Self { degrees: degrees as f64, beta: below.fold(first, |beta, a| beta * a / (a + 0.5)) }
    }

    /// P(|T| ≥ |t|) = I_x(ν/2, ½) at x = ν / (ν + t²), to about as many digits far out as near 0; NaN where ν is 0.
    pub fn two_sided(&self, t: f64) -> f64 {
        if self.degrees == 0.0 || t.is_nan() {
            return f64::NAN;
        }
        let u = t.abs() / self.degrees.sqrt();
        let a = 0.5 * self.degrees;
        // 1/x = 1 + u², whose square may overflow.
        let log_x = if u < 1e8 { -(u * u).ln_1p() } else { -2.0 * u.ln() };
        let (x, rest) = (log_x.exp(), 1.0 / (1.0 + (1.0 / u).powi(2)));
        let front = (a * log_x).exp() * rest.sqrt() / self.beta;
        if x < (a + 1.0) / (a + 2.5) { front / (a * fraction(a, 0.5, x)) } else { 1.0 - front / (0.5 * fraction(0.5, a, rest)) }
    }

    /// The t with P(|T| ≥ t) = p, for p between 0 and 1.
    pub fn quantile(&self, p: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        while self.two_sided(high) > p {
            (low, high) = (high, 2.0 * high);
        }
        loop {
            let middle = 0.5 * (low + high);
            if !(low < middle && middle < high) {
                return middle;
            }
            *(if self.two_sided(middle) > p { &mut low } else { &mut high }) = middle;
        }
    }
}

/// 1 + d₁/(1 + d₂/(1 + …)) of the incomplete beta function, I_x(a, b) = xᵃ (1 − x)ᵇ / (a B(a, b)) over it (DLMF 8.17.22), by Lentz's
/// recurrence for the ratios of successive numerators and of denominators.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for j in 1..TERMS {
        let m = (j / 2) as f64;
        let d = match j % 2 {
            0 => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        };
        below = 1.0 / (1.0 + d * below);
        above = 1.0 + d / above;
        value *= above * below;
        if (above * below - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected, "{found:e} and {expected:e}");
    }

    /// 1 − 2/π atan t for one degree of freedom, 1 − t/√(2 + t²) for two, written without cancellation; three by parts.
    #[test]
    fn few_degrees_have_their_closed_forms() {
        for t in [1e-6, 0.1, 0.7, 1.0, 1.4, 2.0, 5.0, 30.0, 1e4, 1e9, 1e200] {
            // Powers by logarithms lose the digits of their exponents.
            let tolerance = 1e-14 + 4.0 * f64::EPSILON * f64::ln(t).max(0.0);
            near(StudentQuantiles::new(1).two_sided(t), 2.0 / std::f64::consts::PI * (1.0 / t).atan(), tolerance);
            let root = t.hypot(2.0_f64.sqrt());
            near(StudentQuantiles::new(2).two_sided(-t), 2.0 / root / (root + t), tolerance);
        }
        let three = |t: f64| {
            let u = t / 3.0_f64.sqrt();
            1.0 - 2.0 / std::f64::consts::PI * (u / (1.0 + u * u) + u.atan())
        };
        for t in [0.1, 1.0, 2.0, 4.0] {
            near(StudentQuantiles::new(3).two_sided(t), three(t), 1e-13);
        }
    }

    /// The published 5 % and 0.1 % points, which are rounded to three digits after the point.
    #[test]
    fn the_points_are_those_of_the_tables() {
        for (degrees, five, tenth) in [(1, 12.706, 636.619), (5, 2.571, 6.869), (10, 2.228, 4.587), (30, 2.042, 3.646)] {
            let student = StudentQuantiles::new(degrees);
            assert!((student.quantile(0.05) - five).abs() < 6e-4 && (student.quantile(0.001) - tenth).abs() < 6e-4, "{degrees}");
        }
        // Near the normal distribution, whose point is 1.959964, by t = z + (z³ + z) / 4ν.
        near(StudentQuantiles::new(1_000_000).quantile(0.05), 1.959_963_984_540 + 2.372e-6, 1e-9);
    }

    #[test]
    fn ends_are_exact_and_nothing_is_known_without_degrees() {
        let student = StudentQuantiles::new(7);
        assert_eq!((student.two_sided(0.0), student.two_sided(f64::INFINITY)), (1.0, 0.0));
        assert!(student.two_sided(f64::NAN).is_nan() && StudentQuantiles::new(0).two_sided(1.0).is_nan());
    }
}
