//! How often integers occur, numbers in bins, and where elements are that are true.

use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::real::{BoolByte, Real};
use crate::shape::{self, Shape};
use crate::simd;
use crate::threads::{self, SharedSlice};

/// Nanoseconds to count an element.
const COUNT_NS: f64 = 0.8;
/// Nanoseconds to look at a byte of a mask.
const MASK_NS: f64 = 0.1;
/// Elements whose bins are computed together.
const BLOCK: usize = 256;
/// Bytes of a mask that are looked at together.
const BYTES: usize = 64;

/// The least and the largest of integers; `None` of no integers.
pub fn extent(x: &[i64]) -> Option<(i64, i64)> {
    let bounds = simd::run(
        #[inline(always)]
        || x.iter().fold((i64::MAX, i64::MIN), |(least, most), &x| (least.min(x), most.max(x))),
    );
    (!x.is_empty()).then_some(bounds)
}

/// How often each of 0 … counts.len() − 1 occurs.
///
/// # Errors
/// If there is no memory for the counts of threads.
///
/// # Panics
/// If another integer occurs.
pub fn count(x: &[i64], counts: &mut [i64]) -> Result<(), OutOfMemory> {
    in_parts(x, counts, COUNT_NS, |x, counts| {
        for &x in x {
            counts[x as usize] += 1;
        }
    })
}

/// Counts parts of `x` on threads, each into counts of its own, and adds them up.
fn in_parts<T: Sync>(x: &[T], counts: &mut [i64], ns: f64, work: impl Fn(&[T], &mut [i64]) + Sync) -> Result<(), OutOfMemory> {
    counts.fill(0);
    let bins = counts.len();
    let parts = threads::parts(x.len(), ns);
    // Counts of its own cost a thread as much as so many elements.
    if parts == 1 || bins == 0 || x.len() / parts < bins {
        work(x, counts);
        return Ok(());
    }
    let mut own = Block::filled(shape::count(&[parts, bins]), 0_i64)?;
    threads::split_mut(&mut own, bins, parts, |start, counts| work(&x[threads::range(x.len(), 1, parts, start / bins)], counts));
    for own in own.chunks_exact(bins) {
        counts.iter_mut().zip(own).for_each(|(sum, &count)| *sum += count);
    }
    Ok(())
}

compiled! {
    /// How many numbers are in each bin: from an edge, included, to the next; the last edge is in the last bin. NaN and what is outside is in none.
    ///
    /// The edges lie as evenly as rounding has it, and the bins are those between the edges as they are.
    ///
    /// # Errors
    /// If there is no memory for the counts of threads.
    ///
    /// # Panics
    /// If the edges are not one more than the counts, of which there are 1 to 2³¹ − 2.
    pub fn histogram<T: Real>(x: &[T], edges: &[T], counts: &mut [i64]) -> Result<(), OutOfMemory> {
        let bins = counts.len();
        assert!(bins > 0 && bins < i32::MAX as usize && edges.len() == bins + 1, "an edge on either side of a bin");
        // One bin more for what is in none, which its edges leave there; the last one is closed.
        let mut lower = Block::copied(edges)?;
        lower[bins] = T::NAN;
        let mut upper = Block::copied(edges)?;
        upper.copy_within(1.., 0);
        upper[bins - 1..].fill(T::NAN);
        let mut all = Block::new(bins + 1)?;
        let ends = [edges[0], edges[bins]];
        in_parts(x, &mut all, COUNT_NS, |x, counts| {
            simd::run(
                #[inline(always)]
                || count_bins(x, ends, [&lower, &upper], counts),
            );
        })?;
        counts.copy_from_slice(&all[..bins]);
        Ok(())
    }
}

/// Counts by bins, the last for what is outside of the ends.
#[inline(always)]
fn count_bins<T: Real>(x: &[T], [first, last]: [T; 2], [lower, upper]: [&[T]; 2], counts: &mut [i64]) {
    let none = counts.len() - 1;
    let (low, scale) = (first.to_f64(), none as f64 / (last.to_f64() - first.to_f64()));
    let mut bins = [0_i32; BLOCK];
    for x in x.chunks(BLOCK) {
        for (bin, &x) in bins.iter_mut().zip(x) {
            let inside = x >= first && x <= last;
            let guess = if inside { ((x.to_f64() - low) * scale).min(none as f64 - 1.0) } else { none as f64 };
            // The comparison leaves numbers from 0 to `none`, NaN out.
            *bin = if guess >= 0.0 { guess as i32 } else { 0 };
        }
        for (&bin, &x) in bins.iter().zip(x) {
            // Rounding may have led to a neighbour.
            let bin = bin as usize;
            let bin = bin + usize::from(x >= upper[bin]) - usize::from(x < lower[bin]);
            counts[bin] += 1;
        }
    }
}

/// How many are true.
pub fn count_set(mask: &[BoolByte]) -> usize {
    simd::run(
        #[inline(always)]
        || mask.chunks(BYTES).map(|block| block.iter().map(|b| u8::from(b.get())).sum::<u8>() as usize).sum(),
    )
}

/// The places of those that are true, in order.
///
/// # Errors
/// If there is no memory for the counts of parts.
///
/// # Panics
/// If there are not as many as `out` has elements.
pub fn places(mask: &[BoolByte], out: &mut [i64]) -> Result<(), OutOfMemory> {
    let parts = threads::parts(mask.len(), MASK_NS);
    let range = |part: usize| threads::range(mask.len(), BYTES, parts, part);
    let mut starts = crate::buffer::list(parts)?;
    starts.resize(parts, 0);
    threads::split_mut(&mut starts, 1, parts, |part, count| count[0] = count_set(&mask[range(part)]));
    let mut before = 0;
    for start in &mut starts {
        before += std::mem::replace(start, before);
    }
    assert!(before == out.len(), "as many places as there are bytes that are set");
    let (out, starts) = (SharedSlice::new(out), &starts);
    threads::run(parts, |part| {
        let end = starts.get(part + 1).copied().unwrap_or(before);
        // SAFETY: the ranges of parts follow one another.
        let out = unsafe { out.part(starts[part]..end) };
        places_of_part(&mask[range(part)], range(part).start, out);
    });
    Ok(())
}

fn places_of_part(mask: &[BoolByte], first: usize, mut out: &mut [i64]) {
    for (b, block) in mask.chunks(BYTES).enumerate() {
        if block.iter().fold(0, |any, byte| any | byte.0) == 0 {
            continue;
        }
        // Each place is written where the next one that is true belongs, so that there is nothing to guess.
        let (mut found, mut count) = ([0; BYTES], 0);
        for (i, byte) in block.iter().enumerate() {
            found[count] = (first + b * BYTES + i) as i64;
            count += usize::from(byte.get());
        }
        let (now, later) = std::mem::take(&mut out).split_at_mut(count);
        now.copy_from_slice(&found[..count]);
        out = later;
    }
}

/// The index along each dimension of elements of a shape that are given by their places in row-major order: (places, rank).
///
/// # Panics
/// If `out` does not have as many elements.
pub fn coordinates(places: &[i64], shape: &Shape, out: &mut [i64]) {
    let rank = shape.rank();
    assert!(out.len() == shape::count(&[places.len(), rank]), "an index for each dimension");
    if out.is_empty() {
        return;
    }
    threads::split_mut(out, rank, threads::parts(places.len(), 4.0 * rank as f64), |start, out| {
        let (last, before) = (shape[rank - 1] as i64, &shape[..rank - 1]);
        // The places of a row of the last dimension differ in one index. Of no row at first.
        let (mut row, mut indices) = (0..0, Vec::from(before));
        for (out, &place) in out.chunks_exact_mut(rank).zip(&places[start / rank..]) {
            if !row.contains(&place) {
                let mut rest = place / last;
                row = rest * last..(rest + 1) * last;
                for (index, &size) in indices.iter_mut().zip(before).rev() {
                    *index = rest as usize % size;
                    rest /= size as i64;
                }
            }
            out.iter_mut().zip(&indices).for_each(|(out, &index)| *out = index as i64);
            out[rank - 1] = place - row.start;
        }
    });
}
