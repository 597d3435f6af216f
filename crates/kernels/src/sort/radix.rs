//! Sorting by keys, digit by digit from the lowest (LSD radix sort), or by comparisons where there are few.

use super::keys::KeyedPlace;
use crate::buffer::{OutOfMemory, list};
use crate::threads::{self, SharedSlice};

/// Fewest elements of a row that digits sort faster than comparisons.
const FEW: usize = 256;
/// Fewest elements of a row that are sorted by [`WIDE`] digits.
const MANY: usize = 1 << 15;
/// Bits of a digit: fewer, of which the counts are made fast.
const NARROW: u32 = 8;
/// Bits of a digit: more, so that there are fewer passes.
const WIDE: u32 = 11;

/// Sorts `x` by all of a key's `bits` on so many threads, with scratch of the same length. Equal keys keep their order: they lie by their places.
///
/// # Errors
/// If there is no memory for counts.
pub fn sort<P: KeyedPlace>(x: &mut [P], scratch: &mut [P], bits: u32, threads: usize) -> Result<(), OutOfMemory> {
    match x.len() {
        n if n < FEW => {
            x.sort_unstable();
            Ok(())
        }
        n if n < MANY => passes::<P, NARROW>(x, scratch, bits, threads),
        _ => passes::<P, WIDE>(x, scratch, bits, threads),
    }
}

fn passes<P: KeyedPlace, const DIGIT: u32>(x: &mut [P], scratch: &mut [P], bits: u32, threads: usize) -> Result<(), OutOfMemory> {
    assert_eq!(x.len(), scratch.len(), "scratch of the length of a row");
    let mut counts = list(threads << DIGIT)?;
    let (mut from, mut to) = (x, scratch);
    let mut swapped = false;
    for shift in (0..bits).step_by(DIGIT as usize) {
        counts.clear();
        counts.resize(threads << DIGIT, 0);
        if pass::<P, DIGIT>(from, to, shift, &mut counts) {
            (from, to) = (to, from);
            swapped = !swapped;
        }
    }
    if swapped {
        to.copy_from_slice(from);
    }
    Ok(())
}

/// Moves elements in the order of a digit; whether there was anything to do. There are 2^DIGIT counts for each thread.
fn pass<P: KeyedPlace, const DIGIT: u32>(from: &[P], to: &mut [P], shift: u32, counts: &mut [usize]) -> bool {
    let digits = 1 << DIGIT;
    let parts = counts.len() / digits;
    let digit = |x: P| (x.key() >> shift) as usize & (digits - 1);
    threads::split_mut(counts, digits, parts, |start, counts| {
        for &x in &from[threads::range(from.len(), 1, parts, start / digits)] {
            counts[digit(x)] += 1;
        }
    });
    // Each count becomes the place of its first element: digits in their order, and the parts of a digit in theirs.
    let mut before = 0;
    for d in 0..digits {
        let first = before;
        for part in 0..parts {
            let count = std::mem::replace(&mut counts[part * digits + d], before);
            before += count;
        }
        if before - first == from.len() {
            return false;
        }
    }
    assert!(before == to.len(), "a place for each element");
    let to = SharedSlice::new(to);
    threads::split_mut(counts, digits, parts, |start, places| {
        for &x in &from[threads::range(from.len(), 1, parts, start / digits)] {
            let place = &mut places[digit(x)];
            // SAFETY: the elements are those that were counted, as `from` is borrowed since. So a part writes to a digit's places as
            // many as were set aside for it from the first one on, no two parts share a place, and all lie below the sum of counts,
            // which is the length of `to`.
            unsafe { to.at(*place as isize).write(x) };
            *place += 1;
        }
    });
    true
}
