//! Samples side by side in rows: best fit decreasing, or one after the other.

use std::collections::BTreeMap;

use monotile::Result;

use super::dataset::TokenDataset;
use super::order::{mix, shuffled};
use super::sample::Sample;

/// Samples in rows, and what did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedSamples {
    /// The rows.
    pub rows: TokenDataset,
    /// Samples whose end was cut off.
    pub truncated: usize,
    /// Samples that were left out.
    pub dropped: usize,
}

/// Rows of these samples, none of which is longer than `length`.
pub(super) fn rows(samples: &[Sample], length: usize, seed: Option<u64>) -> Result<TokenDataset> {
    let places = match seed {
        Some(seed) => best_fit(samples, length - 1, seed),
        None => in_order(samples, length - 1),
    };
    TokenDataset::from_samples(length, places.into_iter().map(|row| row.into_iter().map(|index| &samples[index]).collect()))
}

/// The places that a sample takes: its last token predicts nothing.
fn size(sample: &Sample) -> usize {
    sample.tokens().len() - 1
}

/// Fills row after row.
fn in_order(samples: &[Sample], room: usize) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let mut free = 0;
    for (index, sample) in samples.iter().enumerate() {
        match rows.last_mut() {
            Some(row) if size(sample) <= free => row.push(index),
            _ => {
                rows.push(vec![index]);
                free = room;
            }
        }
        free -= size(sample);
    }
    rows
}

/// Puts each sample, longest first, where it leaves the least room.
fn best_fit(samples: &[Sample], room: usize, seed: u64) -> Vec<Vec<usize>> {
    let key = mix(seed);
    let mut order: Vec<usize> = (0..samples.len()).map(|at| shuffled(at, samples.len(), key)).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(size(&samples[index])));
    let mut rows: Vec<Vec<usize>> = Vec::new();
    // Rows by the room they have left; of those with equal room the last one begun is filled first.
    let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in order {
        let size = size(&samples[index]);
        let found = open.range_mut(size..).next().map(|(&free, rows)| (free, rows.pop(), rows.is_empty()));
        let (free, row) = match found {
            Some((free, Some(row), last)) => {
                if last {
                    open.remove(&free);
                }
                (free, row)
            }
            _ => {
                rows.push(Vec::new());
                (room, rows.len() - 1)
            }
        };
        rows[row].push(index);
        if free > size {
            open.entry(free - size).or_default().push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lengths: &[usize]) -> Vec<Sample> {
        let sample = |(number, &length): (usize, &usize)| Sample::new(vec![number as u32; length], vec![true; length]).unwrap();
        lengths.iter().enumerate().map(sample).collect()
    }

    /// The samples of each row, by number.
    fn packed(lengths: &[usize], length: usize, seed: Option<u64>) -> Vec<Vec<u32>> {
        let rows = rows(&samples(lengths), length, seed).unwrap();
        (0..rows.row_count()).map(|row| rows.samples(row).map(|(tokens, _)| tokens[0]).collect()).collect()
    }

    #[test]
    fn samples_go_where_they_leave_the_least_room() {
        // Places: 8, 6, 4, 3, 2, 1 of 9 a row.
        assert_eq!(packed(&[4, 9, 2, 7, 3, 5], 10, Some(1)), [[1, 2].as_slice(), &[3, 0], &[5, 4]]);
        assert_eq!(packed(&[4, 9, 2, 7, 3, 5], 10, None), [[0].as_slice(), &[1, 2], &[3, 4], &[5]]);
    }

    #[test]
    fn every_sample_is_packed_once_and_no_row_is_overfull() {
        let lengths: Vec<usize> = (0..500).map(|i| 2 + (mix(i) % 60) as usize).collect();
        for seed in [None, Some(0), Some(1)] {
            let rows = rows(&samples(&lengths), 64, seed).unwrap();
            let mut seen: Vec<u32> = (0..rows.row_count()).flat_map(|row| rows.samples(row).map(|(tokens, _)| tokens[0])).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..500).collect::<Vec<u32>>());
            assert!((0..rows.row_count()).all(|row| rows.samples(row).map(|(tokens, _)| tokens.len() - 1).sum::<usize>() <= 63));
            // Half full at least, whatever comes (two rows that are not would be one); nearly full where lengths differ.
            assert!(rows.fill_ratio() > if seed.is_some() { 0.97 } else { 0.5 }, "{}", rows.fill_ratio());
        }
    }

    #[test]
    fn the_seed_decides_which_samples_of_equal_length_meet() {
        let packed = |seed| packed(&[5; 40], 9, Some(seed));
        assert_eq!(packed(1), packed(1));
        assert_ne!(packed(1), packed(2));
    }
}
