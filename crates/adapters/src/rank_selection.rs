//! How many singular values of a change are kept.

use monotile::{Error, Result};

/// What decides over the rank, below the most that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RankRule {
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
pub struct RankSelection {
    /// No more than this many.
    pub max_rank: usize,
    /// What decides below that.
    pub rule: RankRule,
}

impl RankSelection {
    /// This many.
    pub fn rank(most: usize) -> Self {
        Self { max_rank: most, rule: RankRule::All }
    }

    /// As many as this rule asks for.
    pub fn from_rule(rule: RankRule) -> Self {
        Self { max_rank: usize::MAX, rule }
    }

    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// `Value`, saying what would.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, wanted: &str, got: f64| Err(Error::value(format!("lora: {what} must be {wanted}, got {got}")));
        match self.rule {
            _ if self.max_rank == 0 => Err(Error::value("lora: the rank must be 1 or above, got 0")),
            RankRule::Energy(share) if !(share > 0.0 && share <= 1.0) => {
                refuse("the share of energy", "above 0 and at most 1", share)
            }
            RankRule::Error(share) if !(0.0..1.0).contains(&share) => refuse("the error", "at least 0 and below 1", share),
            RankRule::Ratio(ratio) if !(ratio >= 1.0) => refuse("the ratio of singular values", "1 or above", ratio),
            _ => Ok(()),
        }
    }

    /// How many of these values, in decreasing order, are kept where the squares of all, known or not, sum to `total`: at least 1. `None`,
    /// if the rule asks for more than are known.
    ///
    /// # Example
    /// ```
    /// use monotile_adapters::{RankSelection, RankRule};
    /// let s = [4.0, 2.0, 1.0];
    /// assert_eq!(RankSelection::from_rule(RankRule::Energy(0.9)).count(&s, 21.0), Some(2));
    /// assert_eq!(RankSelection::from_rule(RankRule::Ratio(3.0)).count(&s, 21.0), Some(2));
    /// assert_eq!(RankSelection { max_rank: 1, rule: RankRule::Error(0.1) }.count(&s, 21.0), Some(1));
    /// assert_eq!(RankSelection::from_rule(RankRule::Error(0.1)).count(&s[..2], 21.0), None);
    /// ```
    pub fn count(&self, s: &[f64], total: f64) -> Option<usize> {
        let share = match self.rule {
            RankRule::All => return Some(self.max_rank.min(s.len()).max(1)),
            RankRule::Ratio(ratio) => {
                let kept = s.iter().take_while(|&&x| x > 0.0 && s[0] <= ratio * x).count();
                // Smaller values may follow only where the last known one is still kept.
                return (kept < s.len() || kept >= self.max_rank || total <= squares(s)).then_some(kept.min(self.max_rank).max(1));
            }
            RankRule::Energy(share) => share,
            RankRule::Error(share) => 1.0 - share * share,
        };
        let mut sum = 0.0;
        for (i, x) in s.iter().enumerate().take(self.max_rank) {
            sum += x * x;
            if sum >= share * total {
                return Some(i + 1);
            }
        }
        // All that may be kept are; rounding may leave the sum of all below the total.
        let whole = sum >= total * (1.0 - 1e-9);
        (s.len() >= self.max_rank || whole).then_some(s.len().min(self.max_rank).max(1))
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
        let by = |rule| RankSelection::from_rule(rule).count(&s, total);
        assert_eq!([by(RankRule::Energy(0.5)), by(RankRule::Energy(0.99)), by(RankRule::Energy(1.0))], [Some(1), Some(2), Some(4)]);
        assert_eq!([by(RankRule::Error(0.5)), by(RankRule::Error(0.1)), by(RankRule::Error(0.0))], [Some(1), Some(2), Some(4)]);
        assert_eq!(
            [by(RankRule::Ratio(1.0)), by(RankRule::Ratio(10.0)), by(RankRule::Ratio(1e9)), by(RankRule::All)],
            [1, 3, 4, 4].map(Some)
        );
        assert_eq!(RankSelection::from_rule(RankRule::Energy(0.9)).count(&[0.0, 0.0], 0.0), Some(1));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let s = [10.0, 5.0];
        assert_eq!(RankSelection::from_rule(RankRule::Energy(0.999)).count(&s, 126.0), None);
        assert_eq!(RankSelection::from_rule(RankRule::Ratio(4.0)).count(&s, 126.0), None);
        assert_eq!(RankSelection { max_rank: 2, rule: RankRule::Energy(0.999) }.count(&s, 126.0), Some(2));
        assert_eq!(RankSelection { max_rank: 2, rule: RankRule::Ratio(4.0) }.count(&s, 126.0), Some(2));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let words = |keep: RankSelection| keep.check().unwrap_err().to_string();
        assert_eq!(words(RankSelection::rank(0)), "lora: the rank must be 1 or above, got 0");
        assert_eq!(
            words(RankSelection::from_rule(RankRule::Energy(1.5))),
            "lora: the share of energy must be above 0 and at most 1, got 1.5"
        );
        assert_eq!(
            words(RankSelection::from_rule(RankRule::Error(-1.0))),
            "lora: the error must be at least 0 and below 1, got -1"
        );
        assert_eq!(
            words(RankSelection::from_rule(RankRule::Ratio(f64::NAN))),
            "lora: the ratio of singular values must be 1 or above, got NaN"
        );
        assert!(RankSelection::from_rule(RankRule::Energy(1.0)).check().is_ok());
    }
}
