//! Matrices turned so that a register holds one element of each, and back.
//!
//! Squares of as many elements as lanes are read from as many matrices, transposed in registers and written. Functions of their own, and
//! loops of lengths that the compiler knows, so that a square stays in registers; the distance between matrices is hidden from the
//! compiler, which else keeps an address for each matrix and finds no room for them.

use std::hint::black_box;

use super::Order;
use super::pack::Pack;
use crate::number::Number;
use crate::product::transpose;
use crate::simd::Vector;

/// The elements of L matrices, which lie one after another, in packs. Of matrices of `lower` columns those right of the diagonal may be
/// left out.
///
/// # Safety
/// The instruction set is enabled, and `V` has `L` lanes.
#[inline(never)]
pub(super) unsafe fn turn<V: Vector, const L: usize>(from: &[V::Element], to: &mut [Pack<V>], lower: Option<usize>) {
    let size = to.len();
    assert_eq!(from.len(), L * size, "a matrix a lane");
    let row = lower.filter(|n| n.is_multiple_of(L));
    // SAFETY: the caller's duty; each matrix holds the elements of a square's row.
    unsafe {
        V::enter(
            #[inline(always)]
            || {
                for (i, to) in to.chunks_mut(row.unwrap_or(size)).enumerate() {
                    let wanted = row.map_or(to.len(), |_| (i / L + 1) * L);
                    let first = i * to.len();
                    for (j, to) in to[..wanted].chunks_mut(L).enumerate() {
                        let mut block = [V::splat(V::Element::ZERO); L];
                        let (mut at, step) = (from.as_ptr().add(first + j * L), black_box(size));
                        if let Some(to) = to.first_chunk_mut::<L>() {
                            for x in &mut block {
                                *x = V::load(at);
                                at = at.wrapping_add(step);
                            }
                            transpose(&mut block);
                            for (to, x) in to.iter_mut().zip(block) {
                                *to = Pack::new(x);
                            }
                        } else {
                            for x in &mut block {
                                *x = V::load_first(at, to.len());
                                at = at.wrapping_add(step);
                            }
                            transpose(&mut block);
                            for (to, x) in to.iter_mut().zip(block) {
                                *to = Pack::new(x);
                            }
                        }
                    }
                }
            },
        )
    }
}

/// The packs of m x n matrices, row by row, in the order of their columns; the last again up to a multiple of `lanes`.
pub(super) fn columns([m, n]: [usize; 2], lanes: usize) -> Vec<u32> {
    let mut places: Vec<u32> = (0..n).flat_map(|j| (0..m).map(move |i| (i * n + j) as u32)).collect();
    if let Some(&last) = places.last() {
        places.resize(places.len().next_multiple_of(lanes), last);
    }
    places
}

/// Writes L matrices one after another, their packs in the order of [`columns`]; `far`, past the caches.
///
/// # Safety
/// The instruction set is enabled, `V` has `L` lanes, and L · `from.len()` elements can be written.
#[inline(never)]
pub(super) unsafe fn turn_back<V: Vector, const L: usize>(from: &[Pack<V>], columns: &[u32], to: *mut V::Element, far: bool) {
    let size = from.len();
    assert!(columns.len() == size.next_multiple_of(L) && columns.iter().all(|&place| (place as usize) < size), "places of packs");
    // SAFETY: the caller's duty; places were checked.
    unsafe {
        V::enter(
            #[inline(always)]
            || {
                for (i, places) in columns.as_chunks::<L>().0.iter().enumerate() {
                    let mut block = [V::splat(V::Element::ZERO); L];
                    for (x, &place) in block.iter_mut().zip(places) {
                        *x = from.get_unchecked(place as usize).register();
                    }
                    transpose(&mut block);
                    let (mut at, step) = (to.add(i * L), black_box(size));
                    let len = size - i * L;
                    if len < L {
                        for x in block {
                            x.store_first(at, len);
                            at = at.wrapping_add(step);
                        }
                    } else if far {
                        for x in block {
                            x.stream(at);
                            at = at.wrapping_add(step);
                        }
                    } else {
                        for x in block {
                            x.store(at);
                            at = at.wrapping_add(step);
                        }
                    }
                }
            },
        )
    }
}

/// [`turn_back`] of m x n matrices whose columns go where `order` says.
///
/// # Safety
/// As for [`turn_back`].
#[inline(never)]
pub(super) unsafe fn turn_ordered<V: Vector, const L: usize>(
    from: &[Pack<V>],
    [m, n]: [usize; 2],
    order: &Order,
    to: *mut V::Element,
) {
    let names = |columns: &[u8]| columns.iter().all(|&column| usize::from(column) < n);
    assert!(
        from.len() == m * n && order[..L].iter().all(|columns| names(&columns[..n])),
        "a pack an element, and columns in order"
    );
    // SAFETY: the caller's duty, and `order` names columns.
    unsafe {
        V::enter(
            #[inline(always)]
            || {
                for j in 0..n {
                    for (first, rows) in from.chunks(L * n).enumerate() {
                        let (first, len) = (first * L, rows.len() / n);
                        let mut block = [V::splat(V::Element::ZERO); L];
                        // All L of them: a loop of a length that is not known keeps the block in memory.
                        for (i, x) in block.iter_mut().enumerate() {
                            *x = rows[i.min(len - 1) * n + j].register();
                        }
                        transpose(&mut block);
                        for (lane, x) in block.iter().enumerate() {
                            let to = to.add(lane * m * n + usize::from(order[lane][j]) * m + first);
                            if len == L { x.store(to) } else { x.store_first(to, len) }
                        }
                    }
                }
            },
        )
    }
}
