//! The smallest elements of a row, and those of given ranks, without sorting the row.

use super::keys::{KeyBits, KeyedPlace, SortKey};
use crate::simd;

/// Elements that are compared with a bound together.
const BLOCK: usize = 64;
/// A row is looked through for its k smallest where it has more than so many times k elements.
const SPARSE: usize = 8;

/// The k smallest elements of a row in their order, in the first places of the scratch, which has as many as the row.
pub fn smallest<T: SortKey, P: KeyedPlace>(row: &[T], mask: T::Bits, k: usize, scratch: &mut [P]) {
    if k == 0 {
        return;
    }
    let candidates = if row.len() / SPARSE > k {
        simd::run(
            #[inline(always)]
            || look_through(row, mask, k, scratch),
        )
    } else {
        place_all(row, mask, scratch);
        row.len()
    };
    if k < candidates {
        scratch[..candidates].select_nth_unstable(k - 1);
    }
    scratch[..k].sort_unstable();
}

/// The whole row, with places.
#[inline(always)]
pub fn place_all<T: SortKey, P: KeyedPlace>(row: &[T], mask: T::Bits, out: &mut [P]) {
    out.iter_mut().zip(row).enumerate().for_each(|(i, (out, &x))| *out = P::new((x.key() ^ mask).wide(), i));
}

/// Candidates for the k smallest, at least k of at most 2 k: how many. Elements are left out by a bound, the k-th of those so far.
#[inline(always)]
fn look_through<T: SortKey, P: KeyedPlace>(row: &[T], mask: T::Bits, k: usize, scratch: &mut [P]) -> usize {
    let (mut count, mut bound) = (0, None);
    for (b, block) in row.chunks(BLOCK).enumerate() {
        let least = block.iter().fold(T::Bits::ONES, |least, &x| least.min(x.key() ^ mask));
        if bound.is_some_and(|bound| least >= bound) {
            continue;
        }
        for (i, &x) in block.iter().enumerate() {
            let key = x.key() ^ mask;
            // Of equal ones those before stay.
            if bound.is_some_and(|bound| key >= bound) {
                continue;
            }
            scratch[count] = P::new(key.wide(), b * BLOCK + i);
            count += 1;
            if count == 2 * k {
                let (_, last, _) = scratch[..count].select_nth_unstable(k - 1);
                bound = Some(T::Bits::narrow(last.key()));
                count = k;
            }
        }
    }
    count
}

/// Puts the elements of these ranks, which increase, where sorting would; `first` is the rank of the first element.
pub fn put_in_place<P: KeyedPlace>(x: &mut [P], first: usize, ranks: &[usize]) {
    if ranks.is_empty() {
        return;
    }
    let middle = ranks.len() / 2;
    let at = ranks[middle] - first;
    let (before, _, after) = x.select_nth_unstable(at);
    put_in_place(before, first, &ranks[..middle]);
    put_in_place(after, first + at + 1, &ranks[middle + 1..]);
}
