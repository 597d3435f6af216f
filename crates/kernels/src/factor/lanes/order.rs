//! Values brought into order, lane by lane, and vectors after them.

use super::LARGEST;
use super::pack::elements;
use crate::real::Real;
use crate::simd::{Enabled, MAX_LANES, Vector};

/// Which value was to be at each place, in each lane.
pub(super) type Places = [[u8; MAX_LANES]; LARGEST];

/// Brings values, at most [`LARGEST`], into rising or falling order; equal ones stay in theirs.
///
/// Every pair is compared in all lanes at once: the place of a value is how many go before it.
#[inline(always)]
pub(super) fn sort<V: Vector>(isa: Enabled<V>, values: &mut [V], falling: bool) -> Places {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let mut places = [zero; LARGEST];
    let mut copies = [zero; LARGEST];
    let n = values.len();
    copies[..n].copy_from_slice(values);
    for i in 0..n {
        for j in 0..i {
            let (x, y) = if falling { (values[j], values[i]) } else { (values[i], values[j]) };
            let later = x.where_less(y, one, zero);
            places[j] += later;
            places[i] += one - later;
        }
    }
    let mut order = [[0; MAX_LANES]; LARGEST];
    let values = elements(values);
    for i in 0..n {
        for (lane, (place, value)) in places[i].lanes().zip(copies[i].lanes()).enumerate() {
            let place = place.to_f64() as usize;
            order[place][lane] = i as u8;
            values[place * V::LANES + lane] = value;
        }
    }
    order
}

/// Puts rows, `stride` apart, as columns into a matrix of `columns` of them, each at its place.
#[inline(always)]
pub(super) fn place<V: Vector>(order: &Places, rows: &mut [V], stride: usize, to: &mut [V], columns: usize) {
    let lanes = V::LANES;
    let (rows, to) = (elements(rows), elements(to));
    for (j, order) in order.iter().enumerate().take(columns) {
        let mut starts = [0; MAX_LANES];
        for (lane, (start, &row)) in starts.iter_mut().zip(order).enumerate().take(lanes) {
            *start = usize::from(row) * stride * lanes + lane;
        }
        for (i, to) in to.chunks_mut(columns * lanes).enumerate() {
            for (x, start) in to[j * lanes..(j + 1) * lanes].iter_mut().zip(starts) {
                *x = rows[start + i * lanes];
            }
        }
    }
}
