//! Short rows of keys in order, one after another in the same memory.

use super::keys::KeyedPlace;
use super::{of_words, scratch};
use crate::buffer::{Block, OutOfMemory};

/// Bits of a digit, of which the highest two are sorted by: few numbers of a short row share both.
const DIGIT: u32 = 8;
const DIGITS: usize = 1 << DIGIT;
/// Fewest keys that digits sort faster than comparisons.
const FEW: usize = 64;

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
    /// # Panics
    /// If there are more keys than there is memory for.
    pub fn each(&mut self, keys: impl ExactSizeIterator<Item = u64> + Clone, each: impl FnMut(usize)) {
        let (low, high) = keys.clone().fold((u64::MAX, 0), |(low, high), key| (low.min(key), high.max(key)));
        let bits = u64::BITS - high.saturating_sub(low).leading_zeros();
        if bits <= 32 { self.ordered::<u64>(keys, low, bits, each) } else { self.ordered::<u128>(keys, low, bits, each) }
    }

    fn ordered<P: KeyedPlace>(&mut self, keys: impl ExactSizeIterator<Item = u64>, low: u64, bits: u32, each: impl FnMut(usize)) {
        let len = keys.len();
        let sorted = &mut of_words::<P>(&mut self.sorted)[..len];
        let spare = &mut of_words::<P>(&mut self.spare)[..len];
        let shift = bits.saturating_sub(2 * DIGIT);
        let digits = |p: P| [0, DIGIT].map(|low| (p.key() >> shift >> low) as usize & (DIGITS - 1));
        let mut places = [[0_u32; DIGITS]; 2];
        for (place, (p, key)) in sorted.iter_mut().zip(keys).enumerate() {
            *p = P::new(key - low, place);
            let [low, high] = digits(*p);
            places[0][low] += 1;
            places[1][high] += 1;
        }
        if len < FEW {
            sorted.sort_unstable();
        } else {
            for counts in &mut places {
                let mut before = 0;
                counts.iter_mut().for_each(|count| before += std::mem::replace(count, before));
            }
            scatter(sorted, spare, &mut places[0], |p| digits(p)[0]);
            scatter(spare, sorted, &mut places[1], |p| digits(p)[1]);
            sort_runs(sorted, |p| p.key() >> shift);
        }
        sorted.iter().map(|p| p.place()).for_each(each);
    }
}

/// Moves each number to the next place of its digit.
fn scatter<P: Copy>(from: &[P], to: &mut [P], places: &mut [u32; DIGITS], digit: impl Fn(P) -> usize) {
    for &p in from {
        let place = &mut places[digit(p)];
        to[*place as usize] = p;
        *place += 1;
    }
}

/// Sorts numbers that are in order by their highest bits: those of which several have the same.
fn sort_runs<P: Copy + Ord>(x: &mut [P], highest: impl Fn(P) -> u64) {
    let mut i = 1;
    while i < x.len() {
        if x[i - 1] > x[i] {
            let of = highest(x[i]);
            let start = x[..i].iter().rposition(|&p| highest(p) != of).map_or(0, |before| before + 1);
            let end = x[i..].iter().position(|&p| highest(p) != of).map_or(x.len(), |len| i + len);
            x[start..end].sort_unstable();
            i = end;
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_order_and_equal_ones_by_place() {
        for (n, most) in [(0, 1_u64), (1, 5), (40, 3), (300, 1 << 20), (5000, u64::MAX), (700, 1 << 33), (3000, 1 << 12)] {
            let keys: Vec<u64> = (0..n as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 3) % most + 7).collect();
            let mut expected: Vec<usize> = (0..n).collect();
            expected.sort_by_key(|&place| keys[place]);
            let mut found = Vec::new();
            KeyOrder::new(n).unwrap().each(keys.iter().copied(), |place| found.push(place));
            assert_eq!(found, expected);
        }
        // One far key, and many that differ in their lowest bits alone.
        let mut keys: Vec<u64> = (0..2000).map(|i| i * 7919 % 1000).collect();
        keys[77] = 1 << 31;
        let mut expected: Vec<usize> = (0..2000).collect();
        expected.sort_by_key(|&place| keys[place]);
        let mut found = Vec::new();
        KeyOrder::new(2000).unwrap().each(keys.iter().copied(), |place| found.push(place));
        assert_eq!(found, expected);
    }
}
