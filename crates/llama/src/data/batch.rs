//! What a pass computes of some rows.

use monotile::{Error, Result, Tensor};

use super::dataset::TokenDataset;

/// Rows as the model reads them: the tokens it sees, those it has to predict, and where one text ends and another begins.
#[derive(Clone)]
pub struct Batch {
    /// The tokens that are seen, `(rows, tokens)`, or `(1, tokens)` where texts of several lengths lie one after another.
    pub(crate) tokens: Tensor,
    /// How many tokens each text has where they lie one after another; empty where a row is a text.
    pub(crate) lengths: Vec<usize>,
    /// The positions, among all of `tokens`, whose next token is learned; `None` if that is so for all.
    pub(crate) places: Option<Tensor>,
    /// Those next tokens.
    pub(crate) targets: Tensor,
}

impl Batch {
    /// A batch of these rows.
    ///
    /// # Errors
    /// `Value`, if there is no row.
    pub fn from_dataset(rows: &TokenDataset, chosen: &[usize]) -> Result<Self> {
        let texts = || chosen.iter().flat_map(|&row| rows.samples(row));
        let id = |&token: &u32| i64::from(token);
        let Some(first) = texts().next() else { return Err(Error::value("data: a batch needs at least one row")) };
        let tokens: Vec<i64> = texts().flat_map(|(tokens, _)| tokens[..tokens.len() - 1].iter().map(id)).collect();
        let mut lengths: Vec<usize> = texts().map(|(tokens, _)| tokens.len() - 1).collect();
        let next = || texts().flat_map(|(tokens, learned)| tokens[1..].iter().zip(&learned[1..]));
        let targets: Vec<i64> = next().filter(|(_, learned)| **learned).map(|(token, _)| id(token)).collect();
        let places: Vec<i64> = (0..).zip(next()).filter(|(_, (_, learned))| **learned).map(|(at, _)| at).collect();
        let shape = match lengths.iter().all(|&length| length == first.0.len() - 1) {
            true => [std::mem::take(&mut lengths).len(), first.0.len() - 1],
            false => [1, tokens.len()],
        };
        let all = places.len() == tokens.len();
        let list = |values: Vec<i64>| Tensor::from_slice(&values, &[values.len()]);
        Ok(Self {
            tokens: Tensor::from_vec(tokens, &shape)?,
            lengths,
            places: (!all).then(|| list(places)).transpose()?,
            targets: list(targets)?,
        })
    }

    /// A batch of rows of equal length, `(rows, tokens)`, of which every token but the first is learned.
    ///
    /// # Errors
    /// `Shape` for rows of fewer than two tokens.
    pub fn from_tokens(tokens: &Tensor) -> Result<Self> {
        let length = tokens.dim(-1);
        if length < 2 {
            return Err(Error::shape(format!("loss: rows of {length} tokens have nothing to predict; 2 is the least")));
        }
        // Position t predicts token t + 1, so the last position is not computed at all.
        let targets = tokens.slice(1, 1..)?.flatten(0, 1)?;
        Ok(Self { tokens: tokens.slice(1, ..length - 1)?, lengths: Vec::new(), places: None, targets })
    }

    /// How many tokens are learned.
    pub fn learned(&self) -> usize {
        self.targets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Overlong, Sample, Samples};

    #[test]
    fn rows_of_text_stay_rows() {
        let rows = TokenDataset::new((0..12).collect(), 4).unwrap();
        let batch = Batch::from_dataset(&rows, &[2, 0]).unwrap();
        assert_eq!((batch.tokens.shape(), batch.lengths.is_empty(), batch.places.is_none()), (&[2, 3][..], true, true));
        assert_eq!(batch.tokens.to_vec::<i64>().unwrap(), [8, 9, 10, 0, 1, 2]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [9, 10, 11, 1, 2, 3]);
        let same = Batch::from_tokens(&crate::Model::tokens(&[rows.row(2), rows.row(0)]).unwrap()).unwrap();
        assert_eq!(same.tokens.to_vec::<i64>().unwrap(), batch.tokens.to_vec::<i64>().unwrap());
        assert_eq!(same.targets.to_vec::<i64>().unwrap(), batch.targets.to_vec::<i64>().unwrap());
    }

    #[test]
    fn samples_lie_one_after_another_with_what_is_learned_of_each() {
        let samples = Samples(vec![
            Sample::new(vec![1, 2, 3, 4], vec![false, false, true, true]).unwrap(),
            Sample::new(vec![5, 6], vec![true, true]).unwrap(),
        ]);
        let batch = Batch::from_dataset(&samples.pack(9, Overlong::Cut, None).unwrap().rows, &[0]).unwrap();
        assert_eq!((batch.tokens.to_vec::<i64>().unwrap(), batch.lengths.as_slice()), (vec![1, 2, 3, 5], &[3, 1][..]));
        assert_eq!(batch.places.unwrap().to_vec::<i64>().unwrap(), [1, 2, 3]);
        assert_eq!(batch.targets.to_vec::<i64>().unwrap(), [3, 4, 6]);
    }
}
