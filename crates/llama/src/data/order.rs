//! Which rows a step takes.

/// Which rows a step takes: a function of the step alone, so that a resumed run goes on exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOrder {
    /// How many rows there are.
    pub rows: usize,
    /// How many a step takes.
    pub batch: usize,
    /// The seed of the shuffle, a new one every epoch; `None` takes the rows as they come.
    pub shuffle: Option<u64>,
}

impl BatchOrder {
    /// The rows of a step, the first step being 0. After the last row comes the first again.
    ///
    /// # Example
    /// ```
    /// let order = monotile_llama::data::BatchOrder { rows: 10, batch: 4, shuffle: None };
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
pub(super) fn shuffled(index: usize, count: usize, key: u64) -> usize {
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
pub(super) fn mix(x: u64) -> u64 {
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
            let order = BatchOrder { rows, batch: 1, shuffle: Some(3) };
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
        let epoch = |shuffle, epoch| BatchOrder { rows: 100, batch: 100, shuffle }.step(epoch);
        assert_ne!(epoch(Some(1), 0), epoch(Some(1), 1));
        assert_ne!(epoch(Some(1), 0), epoch(Some(2), 0));
        assert_eq!(epoch(Some(1), 0), epoch(Some(1), 0));
    }
}
