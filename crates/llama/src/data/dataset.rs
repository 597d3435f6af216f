//! Rows of tokens: a text cut into equal ones, or samples side by side.

use std::ops::Range;
use std::path::Path;

use monotile::memory::{collected, reserve};
use monotile::{Error, Result, limits};

use super::order::mix;
use super::sample::Sample;
use crate::tokenizer::Tokenizer;
use monotile_adapters::json::read_text;

/// What the rows are called where there is no memory for them.
const ROWS: &str = "the rows of the data";

/// The rows that training takes: a stream of tokens cut into rows of equal length, what is left over at the end dropped; or
/// [`Samples`](super::Samples) packed side by side.
///
/// # Example
/// ```
/// let rows = monotile_llama::data::TokenDataset::new((0..10).collect(), 3)?;
/// assert_eq!((rows.row_count(), rows.row(2)), (3, &[6, 7, 8][..]));
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDataset {
    /// The tokens of all samples, one row after another.
    tokens: Vec<u32>,
    /// Whether each token is learned.
    learned: Vec<bool>,
    /// Where each sample ends among the tokens.
    ends: Vec<usize>,
    /// Where each row ends among the samples.
    rows: Vec<usize>,
    length: usize,
}

impl TokenDataset {
    /// Cuts a stream.
    ///
    /// # Errors
    /// `Value`, if a row would have fewer than two tokens (one to see, one to predict) or the stream is shorter than a row.
    pub fn new(mut tokens: Vec<u32>, length: usize) -> Result<Self> {
        check_length(length)?;
        let found = tokens.len();
        if found < length {
            return Err(Error::value(format!("data: {found} tokens are fewer than one row of {length}")));
        }
        let count = found / length;
        tokens.truncate(count * length);
        // The first token of a row has nothing before it to be predicted from.
        let learned = collected((0..tokens.len()).map(|at| !at.is_multiple_of(length)), ROWS)?;
        let rows: Vec<usize> = collected((0..count).map(|row| row + 1), ROWS)?;
        let ends = collected(rows.iter().map(|row| row * length), ROWS)?;
        Ok(Self { tokens, learned, ends, rows, length })
    }

    /// Reads a text file and cuts its tokens.
    ///
    /// # Errors
    /// As [`TokenDataset::new`], and `Io` or `Format` if the file cannot be read, is empty or no UTF-8.
    pub fn read(path: &Path, tokenizer: &Tokenizer, length: usize) -> Result<Self> {
        Self::new(tokenizer.encode(&Self::text(path)?)?, length).map_err(|e| e.with_context(path.display()))
    }

    /// The text of a file, without a byte order mark.
    ///
    /// # Errors
    /// `Io`, if it cannot be read; `Format`, if it is no UTF-8 or empty; `Limit`, if it is too large.
    pub fn text(path: &Path) -> Result<String> {
        let text = read_text(path, &limits::TEXT)?;
        if text.is_empty() {
            return Err(Error::format(path, "the file is empty; training needs text"));
        }
        Ok(text)
    }

    /// Rows that hold these samples, each row at least one.
    ///
    /// # Errors
    /// `Memory`, if there is not enough for all of them.
    pub(super) fn from_samples<'a>(length: usize, rows: impl Iterator<Item = Vec<&'a Sample>>) -> Result<Self> {
        let mut all = Self { tokens: Vec::new(), learned: Vec::new(), ends: Vec::new(), rows: Vec::new(), length };
        for row in rows {
            for sample in row {
                reserve(&mut all.tokens, sample.tokens().len(), ROWS)?;
                reserve(&mut all.learned, sample.tokens().len(), ROWS)?;
                all.tokens.extend_from_slice(sample.tokens());
                all.learned.extend_from_slice(sample.loss_mask());
                all.ends.push(all.tokens.len());
            }
            all.rows.push(all.ends.len());
        }
        Ok(all)
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Tokens that a row has, or has at most where samples were packed: a row of this length predicts one token less, and a row of
    /// several samples as many at most.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The tokens of one row.
    pub fn row(&self, index: usize) -> &[u32] {
        let samples = self.samples_of(index);
        &self.tokens[self.begin(samples.start)..self.ends[samples.end - 1]]
    }

    /// The samples of one row: their tokens, and which of those are learned.
    pub fn samples(&self, row: usize) -> impl Iterator<Item = (&[u32], &[bool])> {
        self.samples_of(row).map(|sample| {
            let range = self.begin(sample)..self.ends[sample];
            (&self.tokens[range.clone()], &self.learned[range])
        })
    }

    /// How many samples all rows hold; a row of text counts as one.
    pub fn sample_count(&self) -> usize {
        self.ends.len()
    }

    /// How many tokens all rows hold.
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// How many tokens are learned.
    pub fn loss_token_count(&self) -> usize {
        self.learned.iter().filter(|&&learned| learned).count()
    }

    /// How many tokens one row learns.
    pub fn loss_token_count_in(&self, row: usize) -> usize {
        self.samples(row).flat_map(|(_, learned)| learned).filter(|&&learned| learned).count()
    }

    /// How many tokens the longest sample has.
    pub fn longest(&self) -> usize {
        (0..self.ends.len()).map(|sample| self.ends[sample] - self.begin(sample)).max().unwrap_or(0)
    }

    /// The share of the rows' places that samples fill: 1 for text.
    pub fn fill_ratio(&self) -> f64 {
        // A sample's last token predicts nothing and takes no place.
        (self.tokens.len() - self.ends.len()) as f64 / (self.row_count() as f64 * (self.length - 1) as f64)
    }

    /// Takes rows off the end: those to train on, and a tail of this share of them to evaluate on, at least one if the share is above 0.
    ///
    /// # Errors
    /// `Value`, if the share is not from 0 up to 1 or leaves no row to train on.
    pub fn split(mut self, held_out: f64) -> Result<(TokenDataset, Option<TokenDataset>)> {
        let count = self.row_count();
        let what = || format!("{count} rows of {} tokens", self.length);
        let Some(kept) = kept(count, held_out, what)? else { return Ok((self, None)) };
        let samples = self.rows[kept - 1];
        let tokens = self.ends[samples - 1];
        let tail = TokenDataset {
            tokens: self.tokens.split_off(tokens),
            learned: self.learned.split_off(tokens),
            ends: self.ends.split_off(samples).into_iter().map(|end| end - tokens).collect(),
            rows: self.rows.split_off(kept).into_iter().map(|end| end - samples).collect(),
            length: self.length,
        };
        Ok((self, Some(tail)))
    }

    /// A number that changes with the tokens, what of them is learned and how they lie in rows, so that a resumed run notices other data.
    pub fn fingerprint(&self) -> u64 {
        let tokens = self.tokens.iter().zip(&self.learned).map(|(&token, &learned)| u64::from(token) << 1 | u64::from(learned));
        let places = self.ends.iter().chain(&self.rows).map(|&end| end as u64);
        tokens.chain(places).fold(mix(self.length as u64), |hash, value| mix(hash ^ value))
    }

    fn samples_of(&self, row: usize) -> Range<usize> {
        row.checked_sub(1).map_or(0, |before| self.rows[before])..self.rows[row]
    }

    fn begin(&self, sample: usize) -> usize {
        sample.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

/// Refuses rows that have nothing to predict.
pub(super) fn check_length(length: usize) -> Result<()> {
    if length < 2 {
        return Err(Error::value(format!("data: rows of {length} tokens have nothing to predict; 2 is the least")));
    }
    Ok(())
}

/// How many of `count` are left to train on where a tail of this share is held out; `None` where nothing is.
pub(super) fn kept(count: usize, held_out: f64, what: impl Fn() -> String) -> Result<Option<usize>> {
    if !(0.0..1.0).contains(&held_out) {
        return Err(Error::value(format!("data: the held-out share must be at least 0 and below 1, got {held_out}")));
    }
    if held_out == 0.0 {
        return Ok(None);
    }
    let tail = ((count as f64 * held_out).round() as usize).max(1);
    if tail >= count {
        return Err(Error::value(format!("data: {} leave none to train on besides those held out", what())));
    }
    Ok(Some(count - tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_held_out_tail_is_the_end() {
        let (train, tail) = TokenDataset::new((0..100).collect(), 10).unwrap().split(0.2).unwrap();
        let tail = tail.unwrap();
        assert_eq!((train.row_count(), tail.row_count(), tail.row(0)[0]), (8, 2, 80));
        assert_ne!(train.fingerprint(), tail.fingerprint());
        assert_eq!(tail, TokenDataset::new((80..100).collect(), 10).unwrap());
    }

    #[test]
    fn a_row_of_text_is_one_sample_whose_first_token_is_not_learned() {
        let rows = TokenDataset::new((0..7).collect(), 3).unwrap();
        let samples: Vec<_> = (0..rows.row_count()).flat_map(|row| rows.samples(row)).collect();
        let learned = &[false, true, true][..];
        assert_eq!(samples, [(&[0, 1, 2][..], learned), (&[3, 4, 5], learned)]);
        assert_eq!((rows.sample_count(), rows.token_count(), rows.loss_token_count(), rows.longest()), (2, 6, 4, 3));
        assert_eq!(rows.fill_ratio(), 1.0);
    }

    #[test]
    fn data_that_cannot_train_is_refused() {
        let new = |count, length| TokenDataset::new((0..count).collect(), length).map(|_| ()).unwrap_err().to_string();
        assert_eq!(new(5, 8), "data: 5 tokens are fewer than one row of 8");
        assert_eq!(new(5, 1), "data: rows of 1 tokens have nothing to predict; 2 is the least");
        let split = |share| TokenDataset::new((0..8).collect(), 8).unwrap().split(share).map(|_| ()).unwrap_err().to_string();
        assert_eq!(split(0.5), "data: 1 rows of 8 tokens leave none to train on besides those held out");
        assert_eq!(split(1.0), "data: the held-out share must be at least 0 and below 1, got 1");
    }

    #[test]
    fn an_empty_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.txt");
        std::fs::write(&path, "").unwrap();
        let refused = TokenDataset::read(&path, &Tokenizer::bytes(), 8).unwrap_err().to_string();
        assert_eq!(refused, format!("{}: the file is empty; training needs text", path.display()));
    }
}
