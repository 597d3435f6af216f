//! How learning rates change in the course of a run.

/// A rate that goes from one number to another by equal factors, after a slow beginning if wanted.
///
/// ```text
/// rate(t) = delay · first¹⁻ᵘ lastᵘ, u = min(t / steps, 1)        delay = m + (1 − m) sin(π/2 min(t / delay_steps, 1))
/// ```
///
/// # Example
/// ```
/// use monotile_radiance::train::ExponentialRate;
/// let rate = ExponentialRate { first: 1e-2, last: 1e-4, ..ExponentialRate::constant(0.0) };
/// assert!((rate.at(500.0, 1000.0) - 1e-3).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentialRate {
    /// At the first step.
    pub first: f64,
    /// At the last one.
    pub last: f64,
    /// Steps of the slow beginning; 0 for none.
    pub delay_steps: f64,
    /// What the first step's rate is multiplied with: m.
    pub delay_factor: f64,
}

impl ExponentialRate {
    /// The same rate all along.
    pub fn constant(rate: f64) -> Self {
        Self { first: rate, last: rate, delay_steps: 0.0, delay_factor: 1.0 }
    }

    /// The rate after `step` of `steps` steps.
    pub fn at(&self, step: f64, steps: f64) -> f64 {
        if self.first <= 0.0 {
            return 0.0;
        }
        let u = (step / steps).clamp(0.0, 1.0);
        let delay = match self.delay_steps > 0.0 {
            true => {
                let m = self.delay_factor;
                m + (1.0 - m) * (std::f64::consts::FRAC_PI_2 * (step / self.delay_steps).clamp(0.0, 1.0)).sin()
            }
            false => 1.0,
        };
        delay * ((1.0 - u) * self.first.ln() + u * self.last.ln()).exp()
    }

    /// The same course with all rates multiplied.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self { first: self.first * factor, last: self.last * factor, ..*self }
    }
}

/// The learning rates of a scene's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct SplatRates {
    /// Of means, in units of the cameras' extent.
    pub means: ExponentialRate,
    /// Of quaternions.
    pub rotations: ExponentialRate,
    /// Of logarithms of scales.
    pub log_scales: ExponentialRate,
    /// Of logits of opacities.
    pub logits: ExponentialRate,
    /// Of the harmonics of degree 0.
    pub colors: ExponentialRate,
    /// Of the other harmonics.
    pub harmonics: ExponentialRate,
    /// Of the twists of poses, in radians, in the first part of a run; later parts take smaller ones. Shifts are four times as fast, in half widths of what is seen.
    pub poses: ExponentialRate,
    /// Of the views' colour maps.
    pub appearance: ExponentialRate,
}

impl Default for SplatRates {
    /// Those of Kerbl and others (2023).
    fn default() -> Self {
        let constant = ExponentialRate::constant;
        Self {
            means: ExponentialRate { last: 1.6e-6, ..constant(1.6e-4) },
            rotations: constant(1e-3),
            log_scales: constant(5e-3),
            logits: constant(5e-2),
            colors: constant(2.5e-3),
            harmonics: constant(1.25e-4),
            poses: ExponentialRate { last: 1e-4, ..constant(5e-3) },
            appearance: ExponentialRate { last: 1e-4, ..constant(1e-3) },
        }
    }
}
