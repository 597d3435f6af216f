//! Orders of rows: sorted, the smallest elements, those of given ranks; equal elements; places among sorted ones; counts.
//!
//! Numbers become unsigned integers of the same order, with their places below: what is sorted are integers, and equal numbers keep
//! their order for nothing. NaN comes after all numbers, and -0 equals 0.

mod count;
mod distinct;
mod keys;
mod order;
mod radix;
mod select;
#[cfg(test)]
mod tests;

use crate::buffer::{Block, OutOfMemory};
use crate::threads::{self, SharedSlice};
pub use count::{coordinates, count, count_set, extent, histogram, places};
pub use distinct::{Distinct, unique};
pub(crate) use keys::KeyBits;
pub use keys::SortKey;
use keys::{KeyedPlace, fit_in_64_bits, mask};
pub(crate) use order::KeyOrder;

/// Nanoseconds an element of a row that is sorted.
const SORT_NS: f64 = 10.0;
/// Nanoseconds an element of a row that is looked through.
const SELECT_NS: f64 = 1.0;
/// Nanoseconds a comparison of a search.
const SEARCH_NS: f64 = 2.0;
/// Fewest elements of a row that several threads sort together.
const SHARED: usize = 1 << 16;

/// Calls `$f::<$T, P>` with integers that hold a key and a place among `$n`.
macro_rules! placed {
    ($T:ty, $n:expr, $f:ident($($arg:expr),*)) => {
        if fit_in_64_bits::<$T>($n) { $f::<$T, u64>($($arg),*) } else { $f::<$T, u128>($($arg),*) }
    };
}

/// Sorts each row of n elements: their places in the row, and the elements themselves where they are wanted.
///
/// # Errors
/// Here and below: if there is no memory for keys and places.
///
/// # Panics
/// Here and below: if a length is not that of whole rows.
pub fn sort<T: SortKey>(
    x: &[T],
    n: usize,
    descending: bool,
    values: Option<&mut [T]>,
    places: &mut [i64],
) -> Result<(), OutOfMemory> {
    placed!(T, n, sort_rows(x, n, descending, values, places))
}

fn sort_rows<T: SortKey, P: KeyedPlace>(
    x: &[T],
    n: usize,
    descending: bool,
    values: Option<&mut [T]>,
    places: &mut [i64],
) -> Result<(), OutOfMemory> {
    let values_len = values.as_ref().map_or(x.len(), |values| values.len());
    assert!(values_len == x.len() && places.len() == x.len(), "results of the shape of the rows");
    let mask = mask::<T>(descending);
    let values = values.map(SharedSlice::new);
    let write = |r: usize, range: std::ops::Range<usize>, sorted: &[P], places: &mut [i64]| {
        places.iter_mut().zip(sorted).for_each(|(place, p)| *place = p.place() as i64);
        if let Some(values) = values {
            let row = &x[r * n..(r + 1) * n];
            // SAFETY: the values of a range of a row are written where its places are, which are this call's alone.
            let values = unsafe { values.part(r * n + range.start..r * n + range.end) };
            values.iter_mut().zip(sorted).for_each(|(value, p)| {
                *value = T::of_key(T::Bits::narrow(p.key()) ^ mask).unwrap_or_else(|| row[p.place()]);
            });
        }
    };
    let rows = x.len().checked_div(n).unwrap_or(0);
    let parts = threads::parts(x.len(), SORT_NS);
    if rows < parts && n >= SHARED {
        let (mut sorted, mut scratch) = (scratch::<P>(n)?, scratch::<P>(n)?);
        for (r, places) in places.chunks_exact_mut(n).enumerate() {
            let (sorted, scratch) = (of_words::<P>(&mut sorted), of_words(&mut scratch));
            threads::split_mut(sorted, 1, parts, |start, sorted| {
                let row = &x[r * n + start..][..sorted.len()];
                sorted.iter_mut().zip(row).enumerate().for_each(|(i, (p, &x))| *p = P::new((x.key() ^ mask).wide(), start + i));
            });
            radix::sort(sorted, scratch, T::Bits::BITS, parts)?;
            threads::split_mut(places, 1, parts, |start, places| {
                let range = start..start + places.len();
                write(r, range.clone(), &sorted[range], places);
            });
        }
        return Ok(());
    }
    each_row::<T, P>(x, [n, n], 2 * n, SORT_NS, places, |r, row, scratch, places| {
        let (sorted, scratch) = scratch.split_at_mut(n);
        select::place_all(row, mask, sorted);
        radix::sort(sorted, scratch, T::Bits::BITS, 1)?;
        write(r, 0..n, sorted, places);
        Ok(())
    })
}

/// The places of the k smallest elements of each row of n, or of its k largest, in their order.
///
/// # Errors
/// As [`sort`].
///
/// # Panics
/// As [`sort`], and if k > n.
pub fn smallest<T: SortKey>(x: &[T], [n, k]: [usize; 2], largest: bool, places: &mut [i64]) -> Result<(), OutOfMemory> {
    placed!(T, n, smallest_of_rows(x, [n, k], largest, places))
}

fn smallest_of_rows<T: SortKey, P: KeyedPlace>(
    x: &[T],
    [n, k]: [usize; 2],
    largest: bool,
    places: &mut [i64],
) -> Result<(), OutOfMemory> {
    assert!(k <= n, "{k} of {n} elements");
    each_row::<T, P>(x, [n, k], n, SELECT_NS, places, |_, row, scratch, places| {
        select::smallest(row, mask::<T>(largest), k, scratch);
        places.iter_mut().zip(scratch).for_each(|(place, p)| *place = p.place() as i64);
        Ok(())
    })
}

/// The places of the elements of each row that sorting would put at these ranks, which increase. Where a row has a NaN and
/// `nan_for_all` is set, they are all that of its first.
///
/// # Errors
/// As [`sort`].
///
/// # Panics
/// As [`sort`], and if a rank is not below n.
pub fn of_ranks<T: SortKey>(x: &[T], n: usize, ranks: &[usize], nan_for_all: bool, places: &mut [i64]) -> Result<(), OutOfMemory> {
    placed!(T, n, of_ranks_of_rows(x, n, ranks, nan_for_all, places))
}

fn of_ranks_of_rows<T: SortKey, P: KeyedPlace>(
    x: &[T],
    n: usize,
    ranks: &[usize],
    nan_for_all: bool,
    places: &mut [i64],
) -> Result<(), OutOfMemory> {
    assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]) && ranks.last().is_none_or(|&r| r < n), "ranks that increase");
    each_row::<T, P>(x, [n, ranks.len()], n, SORT_NS, places, |_, row, scratch, places| {
        // Only NaN differs from itself.
        #[expect(clippy::eq_op, reason = "numbers that equal themselves")]
        if let Some(nan) = row.iter().position(|x| x != x).filter(|_| nan_for_all) {
            places.fill(nan as i64);
            return Ok(());
        }
        select::place_all(row, mask::<T>(false), scratch);
        select::put_in_place(scratch, 0, ranks);
        places.iter_mut().zip(ranks).for_each(|(place, &rank)| *place = scratch[rank].place() as i64);
        Ok(())
    })
}

/// The place in each row of n of the element that occurs most often there: the last place of the smallest such element.
///
/// # Errors
/// As [`sort`].
///
/// # Panics
/// As [`sort`].
pub fn mode<T: SortKey>(x: &[T], n: usize, places: &mut [i64]) -> Result<(), OutOfMemory> {
    placed!(T, n, mode_of_rows(x, n, places))
}

fn mode_of_rows<T: SortKey, P: KeyedPlace>(x: &[T], n: usize, places: &mut [i64]) -> Result<(), OutOfMemory> {
    each_row::<T, P>(x, [n, 1], 2 * n, SORT_NS, places, |_, row, scratch, places| {
        let (sorted, scratch) = scratch.split_at_mut(n);
        select::place_all(row, mask::<T>(false), sorted);
        radix::sort(sorted, scratch, T::Bits::BITS, 1)?;
        let mut most = 0;
        for equal in sorted.chunk_by(|a, b| a.key() == b.key()) {
            if equal.len() > most {
                (most, places[0]) = (equal.len(), equal[equal.len() - 1].place() as i64);
            }
        }
        Ok(())
    })
}

/// Where each x would be put among n sorted elements so that they stay sorted: before equal ones, or after them if `right` is set. Rows of
/// m each have sorted elements of their own, unless there are only n.
///
/// # Panics
/// If a length is not that of whole rows.
pub fn search<T: SortKey>(sorted: &[T], n: usize, x: &[T], m: usize, right: bool, places: &mut [i64]) {
    if x.is_empty() {
        return;
    }
    let rows = x.len().checked_div(m).unwrap_or(0);
    let shared = sorted.len() == n;
    assert!(places.len() == x.len() && x.len() == rows * m && (shared || sorted.len() == rows * n), "whole rows");
    let steps = f64::from(usize::BITS - n.leading_zeros());
    threads::split_mut(places, 1, threads::parts(x.len(), SEARCH_NS * (1.0 + steps)), |start, places| {
        for (i, place) in places.iter_mut().enumerate() {
            let r = if shared { 0 } else { (start + i) / m };
            let key = x[start + i].key();
            let row = &sorted[r * n..(r + 1) * n];
            *place = row.partition_point(|s| if right { s.key() <= key } else { s.key() < key }) as i64;
        }
    });
}

/// Calls `work` with each row of n elements, scratch of so many integers, and the k results of the row.
fn each_row<T: SortKey, P: KeyedPlace>(
    x: &[T],
    [n, k]: [usize; 2],
    length: usize,
    ns: f64,
    out: &mut [i64],
    work: impl Fn(usize, &[T], &mut [P], &mut [i64]) -> Result<(), OutOfMemory> + Sync,
) -> Result<(), OutOfMemory> {
    if out.is_empty() {
        return Ok(());
    }
    assert!(n > 0 && x.len().is_multiple_of(n) && out.len() == x.len() / n * k, "whole rows");
    let rows = x.len() / n;
    let parts = threads::parts(rows, n as f64 * ns);
    let out = SharedSlice::new(out);
    threads::try_run(parts, |part| {
        let mut block = scratch::<P>(length)?;
        for r in threads::range(rows, 1, parts, part) {
            // SAFETY: parts have rows of their own.
            let out = unsafe { out.part(r * k..(r + 1) * k) };
            work(r, &x[r * n..(r + 1) * n], of_words(&mut block), out)?;
        }
        Ok(())
    })
}

/// Memory for so many integers.
fn scratch<P: KeyedPlace>(len: usize) -> Result<Block<i64>, OutOfMemory> {
    Block::new(len.saturating_mul(P::WORDS))
}

/// The memory of [`scratch`] as what it is for.
fn of_words<P: KeyedPlace>(block: &mut [i64]) -> &mut [P] {
    bytemuck::cast_slice_mut(block)
}
