//! Training data: a stream of tokens cut into rows, and which rows a step takes.

use std::path::Path;

use monotile::{Error, Result};

use crate::json::read_text;
use crate::tokenizer::Tokenizer;

/// A stream of tokens cut into rows of equal length; what is left over at the end is dropped.
///
/// # Example
/// ```
/// let rows = monotile_llama::data::Rows::new((0..10).collect(), 3)?;
/// assert_eq!((rows.count(), rows.row(2)), (3, &[6, 7, 8][..]));
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rows {
    tokens: Vec<u32>,
    length: usize,
}

impl Rows {
    /// Cuts a stream.
    ///
    /// # Errors
    /// `Value`, if a row would have fewer than two tokens (one to see, one to foretell) or the stream is shorter than a row.
    pub fn new(mut tokens: Vec<u32>, length: usize) -> Result<Self> {
        if length < 2 {
            return Err(Error::value(format!("data: rows of {length} tokens have nothing to foretell; 2 is the least")));
        }
        let found = tokens.len();
        if found < length {
            return Err(Error::value(format!("data: {found} tokens are fewer than one row of {length}")));
        }
        tokens.truncate(found / length * length);
        Ok(Self { tokens, length })
    }

    /// Reads a text file and cuts its tokens.
    ///
    /// # Errors
    /// As [`Rows::new`], and `Io` or `Format` if the file cannot be read, is empty or no UTF-8.
    pub fn read(path: &Path, tokenizer: &Tokenizer, length: usize) -> Result<Self> {
        let text = read_text(path)?;
        if text.is_empty() {
            return Err(Error::format(path, "the file is empty; training needs text"));
        }
        Self::new(tokenizer.encode(&text)?, length).map_err(|e| e.within(path.display()))
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.tokens.len() / self.length
    }

    /// Tokens a row.
    pub fn length(&self) -> usize {
        self.length
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[u32] {
        &self.tokens[index * self.length..][..self.length]
    }

    /// Takes rows off the end: those to train on, and a tail of this share of them to evaluate on, at least one if the share is above 0.
    ///
    /// # Errors
    /// `Value`, if the share is not from 0 up to 1 or leaves no row to train on.
    pub fn split(mut self, held_out: f64) -> Result<(Rows, Option<Rows>)> {
        if !(0.0..1.0).contains(&held_out) {
            return Err(Error::value(format!("data: the held-out share must be at least 0 and below 1, got {held_out}")));
        }
        if held_out == 0.0 {
            return Ok((self, None));
        }
        let count = self.count();
        let tail = ((count as f64 * held_out).round() as usize).max(1);
        if tail >= count {
            return Err(Error::value(format!(
                "data: {count} rows of {} tokens leave none to train on besides those held out",
                self.length
            )));
        }
        let tokens = self.tokens.split_off((count - tail) * self.length);
        let length = self.length;
        Ok((self, Some(Rows { tokens, length })))
    }

    /// A number that changes with the tokens and the cut, so that a resumed run notices other data.
    pub fn fingerprint(&self) -> u64 {
        self.tokens.iter().fold(mix(self.length as u64), |hash, &token| mix(hash ^ u64::from(token)))
    }
}

/// Which rows a step takes: a function of the step alone, so that a resumed run goes on exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// How many rows there are.
    pub rows: usize,
    /// How many a step takes.
    pub batch: usize,
    /// The seed of the shuffle, a new one every epoch; `None` takes the rows as they come.
    pub shuffle: Option<u64>,
}

impl Order {
    /// The rows of a step, the first step being 0. After the last row comes the first again.
    ///
    /// # Example
    /// ```
    /// let order = monotile_llama::data::Order { rows: 10, batch: 4, shuffle: None };
    /// assert_eq!(order.step(2), [8, 9, 0, 1]);
    /// ```
    pub fn step(&self, step: usize) -> Vec<usize> {
        let place = |place: usize| {
            let (epoch, index) = (place / self.rows, place % self.rows);
            self.shuffle.map_or(index, |seed| shuffled(index, self.rows, mix(seed ^ mix(epoch as u64))))
        };
        (step * self.batch..(step + 1) * self.batch).map(place).collect()
    }
}

/// Where a permutation of `count` elements sends an index.
///
/// Four rounds of a Feistel network permute the numbers of 2b bits; those that fall beyond `count` are sent on until one does not
/// (cycle walking, Black and Rogaway 2002), at most four times on average.
fn shuffled(index: usize, count: usize, key: u64) -> usize {
    let half = (usize::BITS - (count - 1).leading_zeros()).div_ceil(2);
    let mask = (1u64 << half) - 1;
    let mut at = index as u64;
    loop {
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..4u64 {
            (left, right) = (right, left ^ (mix(key ^ mix(right ^ (round << 32))) & mask));
        }
        at = left << half | right;
        if at < count as u64 {
            return at as usize;
        }
    }
}

/// A bijection of 64-bit numbers that leaves no pattern: the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffled_epoch_takes_every_row_once() {
        for rows in [1, 2, 3, 7, 64, 65, 1000] {
            let order = Order { rows, batch: 1, shuffle: Some(3) };
            for epoch in 0..2 {
                let mut taken: Vec<usize> = (0..rows).flat_map(|i| order.step(epoch * rows + i)).collect();
                if rows == 1000 {
                    assert_ne!(taken, (0..rows).collect::<Vec<_>>());
                }
                taken.sort_unstable();
                assert_eq!(taken, (0..rows).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn epochs_and_seeds_shuffle_differently() {
        let epoch = |shuffle, epoch| Order { rows: 100, batch: 100, shuffle }.step(epoch);
        assert_ne!(epoch(Some(1), 0), epoch(Some(1), 1));
        assert_ne!(epoch(Some(1), 0), epoch(Some(2), 0));
        assert_eq!(epoch(Some(1), 0), epoch(Some(1), 0));
    }

    #[test]
    fn the_held_out_tail_is_the_end() {
        let (train, tail) = Rows::new((0..100).collect(), 10).unwrap().split(0.2).unwrap();
        let tail = tail.unwrap();
        assert_eq!((train.count(), tail.count(), tail.row(0)[0]), (8, 2, 80));
        assert_ne!(train.fingerprint(), tail.fingerprint());
    }

    #[test]
    fn data_that_cannot_train_is_refused() {
        let new = |count, length| Rows::new((0..count).collect(), length).map(|_| ()).unwrap_err().to_string();
        assert_eq!(new(5, 8), "data: 5 tokens are fewer than one row of 8");
        assert_eq!(new(5, 1), "data: rows of 1 tokens have nothing to foretell; 2 is the least");
        let split = |share| Rows::new((0..8).collect(), 8).unwrap().split(share).map(|_| ()).unwrap_err().to_string();
        assert_eq!(split(0.5), "data: 1 rows of 8 tokens leave none to train on besides those held out");
        assert_eq!(split(1.0), "data: the held-out share must be at least 0 and below 1, got 1");
    }

    #[test]
    fn an_empty_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.txt");
        std::fs::write(&path, "").unwrap();
        let refused = Rows::read(&path, &Tokenizer::bytes(), 8).unwrap_err().to_string();
        assert_eq!(refused, format!("{}: the file is empty; training needs text", path.display()));
    }
}
