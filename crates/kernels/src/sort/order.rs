//! Short rows of keys in order, one after another in the same memory.

use super::keys::KeyedPlace;
use super::{of_words, radix, scratch};
use crate::buffer::{Block, OutOfMemory};

/// Memory to order rows of up to so many keys.
pub struct KeyOrder {
    sorted: Block<i64>,
    spare: Block<i64>,
}

impl KeyOrder {
    /// For rows of up to `most` keys.
    ///
    /// # Errors
    /// If there is no memory for keys and places.
    pub fn new(most: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { sorted: scratch::<u128>(most)?, spare: scratch::<u128>(most)? })
    }

    /// Calls `each` with the places of these keys in their order, equal ones in that of their places. Keys are sorted by the bits alone in which they differ.
    ///
    /// # Errors
    /// If there is no memory for counts.
    ///
    /// # Panics
    /// If there are more keys than there is memory for.
    pub fn each(&mut self, keys: &[u64], each: impl FnMut(usize)) -> Result<(), OutOfMemory> {
        let (low, high) = keys.iter().fold((u64::MAX, 0), |(low, high), &key| (low.min(key), high.max(key)));
        let bits = u64::BITS - high.saturating_sub(low).leading_zeros();
        if bits <= 32 { self.ordered::<u64>(keys, low, bits, each) } else { self.ordered::<u128>(keys, low, bits, each) }
    }

    fn ordered<P: KeyedPlace>(
        &mut self,
        keys: &[u64],
        low: u64,
        bits: u32,
        mut each: impl FnMut(usize),
    ) -> Result<(), OutOfMemory> {
        let sorted = &mut of_words::<P>(&mut self.sorted)[..keys.len()];
        let spare = &mut of_words::<P>(&mut self.spare)[..keys.len()];
        for (place, (p, &key)) in sorted.iter_mut().zip(keys).enumerate() {
            *p = P::new(key - low, place);
        }
        radix::sort(sorted, spare, bits, 1)?;
        sorted.iter().for_each(|p| each(p.place()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_order_and_equal_ones_by_place() {
        for (n, most) in [(0, 1_u64), (1, 5), (40, 3), (300, 1 << 20), (5000, u64::MAX), (700, 1 << 33)] {
            let keys: Vec<u64> = (0..n as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 3) % most + 7).collect();
            let mut expected: Vec<usize> = (0..n).collect();
            expected.sort_by_key(|&place| keys[place]);
            let mut found = Vec::new();
            KeyOrder::new(n).unwrap().each(&keys, |place| found.push(place)).unwrap();
            assert_eq!(found, expected);
        }
    }
}
