//! The frequencies of rotary position embeddings and their scalings for longer contexts.

use std::f32::consts::TAU;
use std::sync::{Mutex, PoisonError};

use monotile::{Device, Error, ErrorKind, Result, Tensor};
use serde_json::{Value, json};

use crate::config::Config;
use monotile_adapters::json::Fields;

/// What rotary embeddings use where a configuration gives no base (Su et al. 2021).
const DEFAULT_THETA: f64 = 10_000.0;

/// Rotary position embedding: position p rotates the pair (i, i + d/2) of a head of size d by the angle p θᵢ, θᵢ = base^(-2i/d),
/// scaled for longer contexts.
///
/// # Source
/// Su et al. (2021), RoFormer; pairs are half a head apart, as in the checkpoints that transformers publishes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotary {
    /// The base of the frequencies, `rope_theta`.
    pub theta: f64,
    /// How frequencies were stretched for contexts longer than the ones first trained on.
    pub scaling: RotaryScaling,
}

/// How rotary frequencies were stretched for longer contexts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RotaryScaling {
    /// Not at all.
    #[default]
    Default,
    /// Every frequency divided by `factor` (Chen et al. 2023, position interpolation).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Long wavelengths divided by `factor`, short ones kept, those between blended (LLaMA 3.1).
    Llama3 {
        /// The divisor of long wavelengths.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high` are kept.
        high_freq_factor: f64,
        /// The context first trained on.
        original_max_position_embeddings: usize,
    },
}

impl Default for Rotary {
    fn default() -> Self {
        Self { theta: DEFAULT_THETA, scaling: RotaryScaling::Default }
    }
}

impl Rotary {
    /// Reads `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (transformers 4).
    pub(crate) fn read(config: &Fields) -> Result<Self> {
        let theta = config.optional_positive("rope_theta")?.unwrap_or(DEFAULT_THETA);
        let fields = match config.object("rope_parameters")? {
            Some(fields) => Some(fields),
            None => config.object("rope_scaling")?,
        };
        let Some(fields) = fields else { return Ok(Self { theta, scaling: RotaryScaling::Default }) };
        let theta = fields.optional_positive("rope_theta")?.unwrap_or(theta);
        let kind = match fields.text("rope_type")? {
            Some(kind) => kind,
            None => fields.text("type")?.unwrap_or("default"),
        };
        let scaling = match kind {
            "default" => RotaryScaling::Default,
            "linear" => RotaryScaling::Linear { factor: fields.positive("factor")? },
            "llama3" => {
                let low_freq_factor = fields.positive("low_freq_factor")?;
                let high_freq_factor = fields.positive("high_freq_factor")?;
                if high_freq_factor <= low_freq_factor {
                    let what = format!("must be above low_freq_factor, {low_freq_factor}, got {high_freq_factor}");
                    return Err(fields.refuse("high_freq_factor", what));
                }
                RotaryScaling::Llama3 {
                    factor: fields.positive("factor")?,
                    low_freq_factor,
                    high_freq_factor,
                    original_max_position_embeddings: fields.count("original_max_position_embeddings")?,
                }
            }
            other => {
                let what = format!("rotary scaling {other:?} is not supported; default, linear and llama3 are");
                return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", config.path().display())));
            }
        };
        Ok(Self { theta, scaling })
    }

    /// The scaling as transformers writes it in `rope_scaling`.
    pub(crate) fn scaling_json(&self) -> Value {
        match self.scaling {
            RotaryScaling::Default => Value::Null,
            RotaryScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            RotaryScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            }),
        }
    }

    /// The angle a position of each of the `head_dim / 2` pairs.
    ///
    /// Rounded to f32 where transformers rounds: an angle at position p is off by p times what its frequency is off by, and the weights
    /// of published checkpoints have seen no other angles.
    pub fn frequencies(&self, head_dim: usize) -> Vec<f32> {
        // A power in f64, since those of f32 differ between platforms.
        let frequency = |i: usize| 1.0 / self.theta.powf(f64::from(2.0 * i as f32 / head_dim as f32)) as f32;
        (0..head_dim / 2).map(|i| self.scaled(frequency(i))).collect()
    }

    fn scaled(&self, frequency: f32) -> f32 {
        match self.scaling {
            RotaryScaling::Default => frequency,
            RotaryScaling::Linear { factor } => frequency / factor as f32,
            RotaryScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                // How often the pair turns around within the original context decides: rarely, it is stretched; often, it is kept.
                let turns = original_max_position_embeddings as f32 / (TAU / frequency);
                let kept = (turns - low_freq_factor as f32) / (high_freq_factor - low_freq_factor) as f32;
                let kept = kept.clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor as f32 + kept * frequency
            }
        }
    }

    /// cos and sin of the angle of each pair at `count` positions from `start`, both `(count, head_dim / 2)` in one row-major
    /// list each.
    ///
    /// Angles are rounded to f32 as transformers rounds them, for the reason that [`frequencies`](Self::frequencies) gives.
    pub fn table(&self, head_dim: usize, start: usize, count: usize) -> (Vec<f32>, Vec<f32>) {
        let frequencies = self.frequencies(head_dim);
        let angle = |position: usize| frequencies.iter().map(move |f| f64::from(position as f32 * f));
        let angles = (start..start + count).flat_map(angle);
        angles.map(|a| (a.cos() as f32, a.sin() as f32)).unzip()
    }
}

/// A model's cosines and sines: those of its first positions, computed once, and more where positions outgrow them.
pub(crate) struct RotaryTables {
    rotary: Rotary,
    head_dim: usize,
    context: usize,
    /// Both `(positions, head_dim / 2)`; `None` before the first pass.
    made: Mutex<Option<[Tensor; 2]>>,
}

impl RotaryTables {
    pub fn new(config: &Config) -> Self {
        Self { rotary: config.rotary, head_dim: config.head_dim, context: config.context(), made: Mutex::new(None) }
    }

    /// Cosines and sines on a device of texts that lie one after another, each at its positions from `start`, both `(tokens, head_dim / 2)`.
    ///
    /// # Errors
    /// `Value`, if a text reaches beyond the context.
    pub fn at_positions(&self, start: usize, texts: &[usize], device: &Device) -> Result<[Tensor; 2]> {
        let [cos, sin] = self.first(start + texts.iter().max().copied().unwrap_or(0), device)?;
        let part = |table: &Tensor| match texts {
            &[text] => table.slice(0, start..start + text),
            _ => {
                let parts = texts.iter().map(|&text| table.slice(0, start..start + text));
                let parts: Vec<Tensor> = parts.collect::<Result<_>>()?;
                Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)
            }
        };
        Ok([part(&cos)?, part(&sin)?])
    }

    /// The tables of this many positions or more. They grow to powers of two, so that a position is copied once on the average.
    fn first(&self, count: usize, device: &Device) -> Result<[Tensor; 2]> {
        if count > self.context {
            return Err(Error::value(format!("rotary: {count} positions are more than the context of {}", self.context)));
        }
        // What a thread that panicked left is whole: tables are put there when they are made.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let there = made.as_ref().map_or(0, |[cos, _]| cos.dim(0));
        if let Some([cos, sin]) = made.as_ref().filter(|_| count <= there) {
            // Tables that are elsewhere move once.
            let tables = [cos.to(device)?, sin.to(device)?];
            return Ok(made.insert(tables).clone());
        }
        let more = count.next_power_of_two().min(self.context) - there;
        let (cos, sin) = self.rotary.table(self.head_dim, there, more);
        let mut tables = [cos, sin].map(|values| Tensor::from_vec::<f32>(values, &[more, self.head_dim / 2]));
        if let Some([cos, sin]) = made.as_ref() {
            let [more_cos, more_sin] = tables.map(|more| more.and_then(|more| more.to(device)));
            tables = [Tensor::cat(&[&cos.to(device)?, &more_cos?], 0), Tensor::cat(&[&sin.to(device)?, &more_sin?], 0)];
        }
        let [cos, sin] = tables.map(|table| table.and_then(|table| table.to(device)));
        Ok(made.insert([cos?, sin?]).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_keeps_short_wavelengths_and_stretches_long_ones() {
        let scaling = RotaryScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let plain = Rotary { theta: 5e5, scaling: RotaryScaling::Default }.frequencies(128);
        let scaled = Rotary { theta: 5e5, scaling }.frequencies(128);
        assert_eq!(scaled[0], plain[0]);
        assert_eq!(scaled[63], plain[63] / 8.0);
        // Pair 31 turns 2.2 times within 8192 positions, between 1 and 4: (turns - 1) / 3 of it is kept.
        let turns = 8192.0 / (TAU / plain[31]);
        assert!((1.0..4.0).contains(&turns), "{turns}");
        let kept = (turns - 1.0) / 3.0;
        assert_eq!(scaled[31], (1.0 - kept) * plain[31] / 8.0 + kept * plain[31]);
    }

    #[test]
    fn frequencies_are_those_of_transformers_bit_for_bit() {
        // inv_freq of transformers 5.23 for a base of 1e4 and heads of 32, of which those of pairs 5, 6, 10 and 14 differ from the rounded exact value.
        let bits = |i: usize| Rotary::default().frequencies(32)[i].to_bits();
        assert_eq!([5, 6, 10, 14, 15].map(bits), [0x3d6655c2, 0x3d0186e3, 0x3b4f3e38, 0x39a5cb60, 0x393a7753]);
    }

    #[test]
    fn linear_scaling_divides_every_angle() {
        let (cos, sin) = Rotary { theta: 1e4, scaling: RotaryScaling::Linear { factor: 4.0 } }.table(8, 4, 1);
        let (cos_plain, sin_plain) = Rotary::default().table(8, 1, 1);
        assert_eq!((cos, sin), (cos_plain, sin_plain));
    }

    #[test]
    fn tables_that_grow_are_those_made_at_once() {
        let config = Config { max_position_embeddings: 100, ..Config::default() };
        let tables = RotaryTables::new(&config);
        let plain = |start: usize, count: usize| {
            let (cos, sin) = config.rotary.table(config.head_dim, start, count);
            [cos, sin]
        };
        let found = |start: usize, texts: &[usize]| {
            tables.at_positions(start, texts, &Device::cpu()).unwrap().map(|t| t.to_vec::<f32>().unwrap())
        };
        for (start, count) in [(0, 3), (3, 1), (4, 1), (5, 60), (65, 35), (0, 100), (7, 2)] {
            assert_eq!(found(start, &[count]), plain(start, count), "{count} positions from {start}");
        }
        let [one, other] = [plain(0, 5), plain(0, 2)];
        assert_eq!(found(0, &[5, 2]), [0, 1].map(|i| [&one[i][..], &other[i]].concat()));
        let refused = tables.at_positions(99, &[2], &Device::cpu()).unwrap_err().to_string();
        assert_eq!(refused, "rotary: 101 positions are more than the context of 100");
    }
}
