//! How many singular values of a change are kept.

use monotile::{Error, Result};

/// What decides over the rank, below the most that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rule {
    /// As many as there may be.
    #[default]
    All,
    /// The least whose squares are at least this share of the sum of all: Σ_{i ≤ r} σᵢ² ≥ share · ‖ΔW‖².
    Energy(f64),
    /// The least that leave no more than this share: ‖ΔW − BA‖ ≤ share · ‖ΔW‖.
    Error(f64),
    /// Those that the largest is at most this many times as large as: σ₁ / σᵣ ≤ ratio.
    Ratio(f64),
}

/// How many singular values are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keep {
    /// No more than this many.
    pub most: usize,
    /// What decides below that.
    pub rule: Rule,
}

impl Keep {
    /// This many.
    pub fn rank(most: usize) -> Self {
        Self { most, rule: Rule::All }
    }

    /// As many as this rule asks for.
    pub fn by(rule: Rule) -> Self {
        Self { most: usize::MAX, rule }
    }

    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// `Value`, saying what would.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, wanted: &str, got: f64| Err(Error::value(format!("lora: {what} must be {wanted}, got {got}")));
        match self.rule {
            _ if self.most == 0 => Err(Error::value("lora: the rank must be 1 or above, got 0")),
            Rule::Energy(share) if !(share > 0.0 && share <= 1.0) => refuse("the share of energy", "above 0 and at most 1", share),
            Rule::Error(share) if !(0.0..1.0).contains(&share) => refuse("the error", "at least 0 and below 1", share),
            Rule::Ratio(ratio) if !(ratio >= 1.0) => refuse("the ratio of singular values", "1 or above", ratio),
            _ => Ok(()),
        }
    }

    /// How many of these values, in decreasing order, are kept where the squares of all, known or not, sum to `total`: at least 1. `None`,
    /// if the rule asks for more than are known.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::lora::{Keep, Rule};
    /// let s = [4.0, 2.0, 1.0];
    /// assert_eq!(Keep::by(Rule::Energy(0.9)).count(&s, 21.0), Some(2));
    /// assert_eq!(Keep::by(Rule::Ratio(3.0)).count(&s, 21.0), Some(2));
    /// assert_eq!(Keep { most: 1, rule: Rule::Error(0.1) }.count(&s, 21.0), Some(1));
    /// assert_eq!(Keep::by(Rule::Error(0.1)).count(&s[..2], 21.0), None);
    /// ```
    pub fn count(&self, s: &[f64], total: f64) -> Option<usize> {
        let share = match self.rule {
            Rule::All => return Some(self.most.min(s.len()).max(1)),
            Rule::Ratio(ratio) => {
                let kept = s.iter().take_while(|&&x| x > 0.0 && s[0] <= ratio * x).count();
                // Smaller values may follow only where the last known one is still kept.
                return (kept < s.len() || kept >= self.most || total <= squares(s)).then_some(kept.min(self.most).max(1));
            }
            Rule::Energy(share) => share,
            Rule::Error(share) => 1.0 - share * share,
        };
        let mut sum = 0.0;
        for (i, x) in s.iter().enumerate().take(self.most) {
            sum += x * x;
            if sum >= share * total {
                return Some(i + 1);
            }
        }
        // All that may be kept are; rounding may leave the sum of all below the total.
        let whole = sum >= total * (1.0 - 1e-9);
        (s.len() >= self.most || whole).then_some(s.len().min(self.most).max(1))
    }
}

fn squares(s: &[f64]) -> f64 {
    s.iter().map(|x| x * x).sum::<f64>() * (1.0 + 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_rank_that_satisfies_the_rule_is_kept() {
        let s = [10.0, 5.0, 1.0, 0.1];
        let total: f64 = s.iter().map(|x| x * x).sum();
        let by = |rule| Keep::by(rule).count(&s, total);
        assert_eq!([by(Rule::Energy(0.5)), by(Rule::Energy(0.99)), by(Rule::Energy(1.0))], [Some(1), Some(2), Some(4)]);
        assert_eq!([by(Rule::Error(0.5)), by(Rule::Error(0.1)), by(Rule::Error(0.0))], [Some(1), Some(2), Some(4)]);
        assert_eq!([by(Rule::Ratio(1.0)), by(Rule::Ratio(10.0)), by(Rule::Ratio(1e9)), by(Rule::All)], [1, 3, 4, 4].map(Some));
        assert_eq!(Keep::by(Rule::Energy(0.9)).count(&[0.0, 0.0], 0.0), Some(1));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let s = [10.0, 5.0];
        assert_eq!(Keep::by(Rule::Energy(0.999)).count(&s, 126.0), None);
        assert_eq!(Keep::by(Rule::Ratio(4.0)).count(&s, 126.0), None);
        assert_eq!(Keep { most: 2, rule: Rule::Energy(0.999) }.count(&s, 126.0), Some(2));
        assert_eq!(Keep { most: 2, rule: Rule::Ratio(4.0) }.count(&s, 126.0), Some(2));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let words = |keep: Keep| keep.check().unwrap_err().to_string();
        assert_eq!(words(Keep::rank(0)), "lora: the rank must be 1 or above, got 0");
        assert_eq!(words(Keep::by(Rule::Energy(1.5))), "lora: the share of energy must be above 0 and at most 1, got 1.5");
        assert_eq!(words(Keep::by(Rule::Error(-1.0))), "lora: the error must be at least 0 and below 1, got -1");
        assert_eq!(words(Keep::by(Rule::Ratio(f64::NAN))), "lora: the ratio of singular values must be 1 or above, got NaN");
        assert!(Keep::by(Rule::Energy(1.0)).check().is_ok());
    }
}
