//! Samples: texts that have nothing to do with each other, and which of their tokens are learned.

use monotile::{Error, Result};

use super::dataset::kept;
use super::packing::{self, PackedSamples};

/// The tokens of one text, and which of them are learned: predicted from those before, at a price.
///
/// # Example
/// A question whose answer alone is learned:
/// ```
/// use monotile_llama::data::Sample;
/// let sample = Sample::new(vec![1, 50, 51, 60, 2], vec![false, false, false, true, true])?;
/// assert_eq!((sample.tokens().len(), sample.loss_token_count()), (5, 2));
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    tokens: Vec<u32>,
    learned: Vec<bool>,
}

impl Sample {
    /// A sample. Its first token is not learned, whatever `learned` says: nothing is there to predict it from.
    ///
    /// # Errors
    /// `Value`, if the two differ in length or no token is left to learn.
    pub fn new(tokens: Vec<u32>, mut learned: Vec<bool>) -> Result<Self> {
        if tokens.len() != learned.len() {
            let (tokens, learned) = (tokens.len(), learned.len());
            return Err(Error::value(format!("data: a sample of {tokens} tokens says of {learned} whether they are learned")));
        }
        if let Some(first) = learned.first_mut() {
            *first = false;
        }
        if !learned.contains(&true) {
            return Err(Error::value(format!("data: none of a sample's {} tokens is learned from those before it", tokens.len())));
        }
        Ok(Self { tokens, learned })
    }

    /// The tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Which of them are learned.
    pub fn loss_mask(&self) -> &[bool] {
        &self.learned
    }

    /// How many are learned.
    pub fn loss_token_count(&self) -> usize {
        self.learned.iter().filter(|&&learned| learned).count()
    }

    /// The first tokens of it; `None`, if none of them is learned.
    fn cut(mut self, length: usize) -> Option<Self> {
        self.tokens.truncate(length);
        self.learned.truncate(length);
        self.learned.contains(&true).then_some(self)
    }
}

/// What becomes of samples that are longer than a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlong {
    /// Their end is cut off; those with nothing left to learn are dropped.
    #[default]
    Cut,
    /// They are dropped.
    Drop,
}

/// Samples, in the order of their file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    /// Takes samples off the end: those to train on, and a tail of this share of them to evaluate on, at least one if the share is above
    /// 0.
    ///
    /// # Errors
    /// `Value`, if the share is not from 0 up to 1 or leaves no sample to train on.
    pub fn split(mut self, held_out: f64) -> Result<(Samples, Option<Samples>)> {
        let count = self.0.len();
        match kept(count, held_out, || format!("{count} samples"))? {
            None => Ok((self, None)),
            Some(kept) => {
                let tail = Samples(self.0.split_off(kept));
                Ok((self, Some(tail)))
            }
        }
    }

    /// Packs the samples into rows of `length` tokens, so that few places stay empty. No sample sees another, and positions begin anew
    /// with each.
    ///
    /// With a seed, samples go longest first into the fullest row that has room for them, those of equal length in an order drawn from
    /// the seed; without one they fill row after row as they come.
    ///
    /// # Errors
    /// `Value`, if a row has fewer than two tokens or nothing is left to pack.
    ///
    /// # Source
    /// Best fit decreasing: Johnson (1974); for training: Ding et al. (2024), arXiv 2404.10830.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::data::{Overlong, Sample, Samples};
    /// let sample = |length| Sample::new(vec![7; length], vec![true; length]);
    /// let samples = Samples(vec![sample(6)?, sample(3)?, sample(12)?, sample(5)?]);
    /// let packed = samples.pack(10, Overlong::Cut, Some(1))?;
    /// // 12 tokens, truncated to 10, predict 9; 6 and 5 predict 5 and 4; 3 begin another row.
    /// assert_eq!((packed.rows.row_count(), packed.truncated, packed.dropped), (3, 1, 0));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn pack(self, length: usize, overlong: Overlong, seed: Option<u64>) -> Result<PackedSamples> {
        super::dataset::check_length(length)?;
        let (mut cut, mut dropped) = (0, 0);
        let fit = |sample: Sample| {
            if sample.tokens.len() <= length {
                return Some(sample);
            }
            let short = if overlong == Overlong::Cut { sample.cut(length) } else { None };
            *if short.is_some() { &mut cut } else { &mut dropped } += 1;
            short
        };
        let samples: Vec<Sample> = self.0.into_iter().filter_map(fit).collect();
        if samples.is_empty() {
            let why = if dropped > 0 { format!(": all {dropped} are longer than rows of {length} tokens") } else { String::new() };
            return Err(Error::value(format!("data: no sample is left{why}")));
        }
        let rows = packing::rows(&samples, length, seed)?;
        Ok(PackedSamples { rows, truncated: cut, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(tokens: usize, learned: std::ops::Range<usize>) -> Sample {
        Sample::new((0..tokens as u32).collect(), (0..tokens).map(|at| learned.contains(&at)).collect()).unwrap()
    }

    #[test]
    fn long_samples_are_cut_or_dropped() {
        let samples = Samples(vec![sample(9, 7..9), sample(9, 2..9), sample(4, 2..4)]);
        let cut = samples.clone().pack(5, Overlong::Cut, None).unwrap();
        // Of the first nothing that is learned would be left.
        assert_eq!((cut.truncated, cut.dropped, cut.rows.sample_count(), cut.rows.longest()), (1, 1, 2, 5));
        let dropped = samples.clone().pack(5, Overlong::Drop, None).unwrap();
        assert_eq!((dropped.truncated, dropped.dropped, dropped.rows.sample_count()), (0, 2, 1));
        let refused = samples.pack(3, Overlong::Drop, None).unwrap_err().to_string();
        assert_eq!(refused, "data: no sample is left: all 3 are longer than rows of 3 tokens");
    }

    #[test]
    fn samples_are_held_out_from_the_end() {
        let samples = Samples((2..12).map(|length| sample(length, 0..length)).collect());
        let (train, tail) = samples.clone().split(0.3).unwrap();
        assert_eq!((train.0.len(), tail.map(|tail| tail.0[0].tokens().len())), (7, Some(9)));
        let refused = Samples(vec![sample(2, 0..2)]).split(0.1).unwrap_err().to_string();
        assert_eq!(refused, "data: 1 samples leave none to train on besides those held out");
    }

    #[test]
    fn a_sample_with_nothing_to_learn_is_refused() {
        let refused = |learned: Vec<bool>| Sample::new(vec![1, 2], learned).unwrap_err().to_string();
        assert_eq!(refused(vec![true, false]), "data: none of a sample's 2 tokens is learned from those before it");
        assert_eq!(refused(vec![true]), "data: a sample of 2 tokens says of 1 whether they are learned");
    }
}
