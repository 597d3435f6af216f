//! Matrices transposed so that a register holds one element of each, and back.
//!
//! Squares of as many elements as lanes are read from as many matrices, transposed in registers and written. Functions of their own, and
//! loops of lengths that the compiler knows, so that a square stays in registers; the distance between matrices is hidden from the
//! compiler, which else keeps an address for each matrix and finds no room for them.

use std::hint::black_box;

use super::Order;
use crate::simd::{Enabled, Square, Vector};

/// The elements of as many matrices as lanes, which lie one after another, in packs. Of matrices of `lower` columns those right
/// of the diagonal may be left out.
#[inline(never)]
pub(super) fn to_lanes<V: Vector>(isa: Enabled<V>, from: &[V::Element], to: &mut [V], lower: Option<usize>) {
    let size = to.len();
    assert_eq!(from.len(), V::LANES * size, "a matrix a lane");
    let row = lower.filter(|n| n.is_multiple_of(V::LANES));
    isa.enter(
        #[inline(always)]
        || {
            for (i, to) in to.chunks_mut(row.unwrap_or(size)).enumerate() {
                let wanted = row.map_or(to.len(), |_| (i / V::LANES + 1) * V::LANES);
                let first = i * to.len();
                for (j, to) in to[..wanted].chunks_mut(V::LANES).enumerate() {
                    let (mut at, step) = (from[first + j * V::LANES..].as_ptr(), black_box(size));
                    // SAFETY: `from` has `size` elements a lane, and the packs of `to` are as many elements from here on.
                    unsafe {
                        let mut block = Square::zero(isa);
                        if to.len() == V::LANES {
                            // A block of its own, which never leaves the registers.
                            let (mut block, to) = (Square::zero(isa), &mut to[..V::LANES]);
                            for i in 0..V::LANES {
                                block[i] = isa.load(at);
                                at = at.wrapping_add(step);
                            }
                            block.transpose();
                            for i in 0..V::LANES {
                                to[i] = block[i];
                            }
                            continue;
                        }
                        for x in block.iter_mut() {
                            *x = isa.load_first(at, to.len());
                            at = at.wrapping_add(step);
                        }
                        block.transpose();
                        for (to, x) in to.iter_mut().zip(block.iter()) {
                            *to = *x;
                        }
                    }
                }
            }
        },
    );
}

/// The packs of m x n matrices, row by row, in the order of their columns; the last again up to a multiple of `lanes`.
pub(super) fn columns([m, n]: [usize; 2], lanes: usize) -> Vec<u32> {
    let mut places: Vec<u32> = (0..n).flat_map(|j| (0..m).map(move |i| (i * n + j) as u32)).collect();
    if let Some(&last) = places.last() {
        places.resize(places.len().next_multiple_of(lanes), last);
    }
    places
}

/// Writes as many matrices as lanes one after another, their packs in the order of [`columns`]; `far`, past the caches.
#[inline(never)]
pub(super) fn from_lanes<V: Vector>(isa: Enabled<V>, from: &[V], columns: &[u32], to: &mut [V::Element], far: bool) {
    let size = from.len();
    assert!(
        columns.len() == size.next_multiple_of(V::LANES) && columns.iter().all(|&place| (place as usize) < size),
        "places of packs"
    );
    assert_eq!(to.len(), V::LANES * size, "a matrix a lane");
    isa.enter(
        #[inline(always)]
        || {
            for (i, places) in columns.chunks_exact(V::LANES).enumerate() {
                let (mut block, step) = (Square::zero(isa), black_box(size));
                let (len, mut at) = (size - i * V::LANES, to[i * V::LANES..].as_mut_ptr());
                // SAFETY: places were checked to be packs'; `to` has `size` elements a lane, of which `len` are from here on.
                unsafe {
                    for (x, &place) in block.iter_mut().zip(places) {
                        *x = *from.get_unchecked(place as usize);
                    }
                    block.transpose();
                    if len < V::LANES {
                        for x in block.iter() {
                            x.store_first(at, len);
                            at = at.wrapping_add(step);
                        }
                    } else if far {
                        for x in block.iter() {
                            x.stream(at);
                            at = at.wrapping_add(step);
                        }
                    } else {
                        for x in block.iter() {
                            x.store(at);
                            at = at.wrapping_add(step);
                        }
                    }
                }
            }
        },
    );
}

/// [`from_lanes`] of m x n matrices whose columns go where `order` says.
#[inline(never)]
pub(super) fn from_lanes_ordered<V: Vector>(isa: Enabled<V>, from: &[V], [m, n]: [usize; 2], order: &Order, to: &mut [V::Element]) {
    let names = |columns: &[u8]| columns.iter().all(|&column| usize::from(column) < n);
    assert!(
        from.len() == m * n && order[..V::LANES].iter().all(|columns| names(&columns[..n])),
        "a pack an element, and columns in order"
    );
    assert_eq!(to.len(), V::LANES * m * n, "a matrix a lane");
    let to = to.as_mut_ptr();
    isa.enter(
        #[inline(always)]
        || {
            for j in 0..n {
                for (first, rows) in from.chunks(V::LANES * n).enumerate() {
                    let (first, len) = (first * V::LANES, rows.len() / n);
                    let mut block = Square::zero(isa);
                    // All of them: a loop of a length that is not known keeps the block in memory.
                    for (i, x) in block.iter_mut().enumerate() {
                        *x = rows[i.min(len - 1) * n + j];
                    }
                    block.transpose();
                    for (lane, x) in block.iter().enumerate() {
                        // SAFETY: `order` names columns, each of m elements of a lane's matrix, of which `len` are from `first` on.
                        unsafe {
                            let to = to.add(lane * m * n + usize::from(order[lane][j]) * m + first);
                            if len == V::LANES { x.store(to) } else { x.store_first(to, len) }
                        }
                    }
                }
            }
        },
    );
}
