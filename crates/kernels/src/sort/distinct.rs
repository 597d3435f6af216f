//! What differs among elements: counted by a table of keys where there are few, else found in their order.

use super::keys::{KeyBits, SortKey};
use super::sort;
use crate::buffer::{Block, OutOfMemory, list};
use crate::threads::{self, SharedSlice};

/// Nanoseconds to find an element in a table.
const FIND_NS: f64 = 2.0;
/// Fewest elements for which a table is tried, and fewest of a part.
const MANY: usize = 1 << 15;
/// Most keys of a part that differ: a quarter of the table's slots.
const MOST: usize = 1 << 12;
/// Bits of a slot's place in the table.
const BITS: u32 = 14;
/// Most slots that are looked at for a key.
const STEPS: usize = 64;
/// The number of a slot that has no key.
const FREE: i64 = -1;

/// What differs among elements, in order: the place where each occurs first, and how often it does.
pub struct Distinct {
    /// First places.
    pub first: Vec<i64>,
    /// Counts.
    pub counts: Vec<i64>,
}

/// The elements that differ, in order; `inverse` is told for each element which of them it is.
///
/// # Errors
/// As [`sort`], and if there is no memory for the results.
///
/// # Panics
/// If `inverse` has another length.
pub fn unique<T: SortKey>(x: &[T], inverse: &mut [i64]) -> Result<Distinct, OutOfMemory> {
    assert!(inverse.len() == x.len(), "an answer for each element");
    if x.len() >= MANY
        && let Some(found) = counted(x, inverse)?
    {
        return Ok(found);
    }
    let mut order = Block::<i64>::new(x.len())?;
    sort(x, x.len(), false, None, &mut order)?;
    let same = |a: &i64, b: &i64| x[*a as usize].key() == x[*b as usize].key();
    let groups = order.chunk_by(same).count();
    let (mut first, mut counts) = (list(groups)?, list(groups)?);
    for (group, places) in order.chunk_by(same).enumerate() {
        first.push(places[0]);
        counts.push(places.len() as i64);
        places.iter().for_each(|&place| inverse[place as usize] = group as i64);
    }
    Ok(Distinct { first, counts })
}

/// A key that a part met: where first, and how often.
#[derive(Clone, Copy)]
struct Met {
    key: u64,
    first: i64,
    count: i64,
}

/// [`unique`] where no part meets too many keys; `None` otherwise.
fn counted<T: SortKey>(x: &[T], inverse: &mut [i64]) -> Result<Option<Distinct>, OutOfMemory> {
    let parts = threads::parts(x.len(), FIND_NS).min(x.len() / MANY);
    let range = |part: usize| threads::range(x.len(), 1, parts, part);
    let mut met = list(parts)?;
    for _ in 0..parts {
        met.push(list::<Met>(MOST)?);
    }
    // Each part numbers the keys in the order in which it meets them.
    let shared = SharedSlice::new(inverse);
    threads::split_mut(&mut met, 1, parts, |part, met| {
        // SAFETY: the ranges of parts do not overlap.
        numbered(&x[range(part)], range(part).start, unsafe { shared.part(range(part)) }, &mut met[0]);
    });
    if met.iter().any(Vec::is_empty) {
        return Ok(None);
    }
    // In order of keys, and of parts where keys are equal: the first of equal ones has the first place.
    let mut all = list(met.iter().map(Vec::len).sum())?;
    all.extend(met.iter().enumerate().flat_map(|(part, met)| met.iter().enumerate().map(move |(i, met)| (met.key, part, i))));
    all.sort_unstable();
    let groups = all.chunk_by(|a, b| a.0 == b.0).count();
    let (mut first, mut counts) = (list(groups)?, list(groups)?);
    for (group, equal) in all.chunk_by(|a, b| a.0 == b.0).enumerate() {
        first.push(met[equal[0].1][equal[0].2].first);
        let mut count = 0;
        for &(_, part, i) in equal {
            count += met[part][i].count;
            // From now on the number of the group.
            met[part][i].count = group as i64;
        }
        counts.push(count);
    }
    threads::run(parts, |part| {
        // SAFETY: as above.
        let inverse = unsafe { shared.part(range(part)) };
        inverse.iter_mut().for_each(|number| *number = met[part][*number as usize].count);
    });
    Ok(Some(Distinct { first, counts }))
}

/// Numbers the keys of a part, whose first element has place `start`. Where there are too many, or too many collide, `met` is left empty.
fn numbered<T: SortKey>(x: &[T], start: usize, inverse: &mut [i64], met: &mut Vec<Met>) {
    let mut table = Block::<i64>::small(2 << BITS);
    let slots = table.as_chunks_mut::<2>().0;
    slots.fill([0, FREE]);
    for (i, (x, answer)) in x.iter().zip(inverse).enumerate() {
        let key = x.key().wide();
        let Some((slot, number)) = find(slots, key) else { return met.clear() };
        *answer = if number == FREE {
            if met.len() == MOST {
                return met.clear();
            }
            slots[slot] = [key as i64, met.len() as i64];
            met.push(Met { key, first: (start + i) as i64, count: 0 });
            met.len() as i64 - 1
        } else {
            number
        };
        met[*answer as usize].count += 1;
    }
}

/// The slot of a key and its number, or the slot that is free for it; `None` where too many others lie before.
#[inline(always)]
fn find(slots: &[[i64; 2]], key: u64) -> Option<(usize, i64)> {
    // Multiplied by 2⁶⁴ over the golden ratio, the highest bits depend on all (Knuth 1973).
    let first = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize;
    for step in 0..STEPS {
        let slot = (first + step) % slots.len();
        let [held, number] = slots[slot];
        if number == FREE || held == key as i64 {
            return Some((slot, number));
        }
    }
    None
}
