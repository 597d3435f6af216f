//! Packing: copies of an operand's elements in the order in which the micro-kernel reads them.
//!
//! A panel holds `width` neighbouring rows of A (or columns of B, its *lanes*) over `depth` contracted indices, all
//! lanes of one contracted index together: P[κ · width + lane]. Lanes beyond the operand's are 0. Stored types narrower
//! than the computation are widened here.

use half::{bf16, f16};

use super::Stored;
use super::axes::Offsets;
use super::read::{Address, Read, Same};
use crate::real::Real;
use crate::simd::{Lanes, MAX_LANES, Vector, prefetch};

/// How many loads ahead of its use memory is asked for: rows and columns that are far apart are more than the processor
/// foresees by itself.
const AHEAD: usize = 8;

/// An operand as packing sees it: where its lanes and contracted indices lie, and the code that reads its stored type.
pub(super) struct Source<T> {
    first: Address,
    pack: Pack<T>,
    pub(super) lanes: Offsets,
    pub(super) depth: Offsets,
}

/// Packs the panel of the matrix whose index 0…0 lies at an address.
type Pack<T> = unsafe fn(*const (), &Source<T>, &Panel, *mut T);

/// The part of an operand that a panel holds.
pub(super) struct Panel {
    pub(super) lane: usize,
    pub(super) lanes: usize,
    pub(super) depth: std::ops::Range<usize>,
    /// Elements of the panel for each contracted index, at least `lanes`.
    pub(super) width: usize,
}

impl<T: Lanes> Source<T> {
    /// `offset` is the position of index 0…0, and every index over `lanes` and `depth` (and a batch) lies in `data`.
    pub(super) fn new<V: Vector<Element = T>>(data: Stored<'_, T>, offset: usize, lanes: Offsets, depth: Offsets) -> Self {
        let pack: Pack<T> = match data {
            Stored::Real(_) => pack_entered::<V, Same>,
            Stored::F32(_) => pack_entered::<V, f32>,
            Stored::BF16(_) => pack_entered::<V, bf16>,
            Stored::F16(_) => pack_entered::<V, f16>,
        };
        Self { first: Address::new(data, offset), pack, lanes, depth }
    }

    /// Packs a panel of the matrix that lies `batch` elements further on.
    ///
    /// # Safety
    /// The processor has the instruction set of the `V` that this source was made for; the panel lies within the
    /// operand; `to` has room for `panel.depth.len() * panel.width` elements.
    pub(super) unsafe fn pack(&self, batch: isize, panel: &Panel, to: *mut T) {
        // SAFETY: the caller's duty.
        unsafe { (self.pack)(self.first.at(batch), self, panel, to) }
    }
}

unsafe fn pack_entered<V: Vector<Element: Lanes>, R: Read<V>>(
    from: *const (),
    source: &Source<V::Element>,
    panel: &Panel,
    to: *mut V::Element,
) {
    // SAFETY: the caller's duty.
    unsafe {
        V::enter(
            #[inline(always)]
            || pack_panel::<V, R>(from.cast(), source, panel, to),
        )
    }
}

#[inline(always)]
unsafe fn pack_panel<V: Vector<Element: Lanes>, R: Read<V>>(
    from: *const R::Item,
    source: &Source<V::Element>,
    panel: &Panel,
    to: *mut V::Element,
) {
    let (lanes, depth) = (&source.lanes, &source.depth);
    let (width, len) = (panel.width, panel.depth.len());
    let lane = |i| lanes.at(panel.lane + i);
    let index = |k| depth.at(panel.depth.start + k);
    // SAFETY: every element read is that of a lane and a contracted index of the operand, all of which the door of the
    // product checked. A full store that runs over the lanes of its contracted index runs into those of the next ones,
    // which are written after it; none runs over the end of the panel.
    unsafe {
        if lanes.adjacent(panel.lane, panel.lanes) {
            let from = from.offset(lane(0));
            for k in 0..len {
                let ahead = from.offset(index((k + AHEAD).min(len - 1)));
                let (from, to) = (from.offset(index(k)), to.add(k * width));
                for v in (0..width).step_by(V::LANES) {
                    prefetch(ahead.wrapping_add(v));
                    let x = match panel.lanes.saturating_sub(v) {
                        n if n >= V::LANES => R::load(from.add(v)),
                        0 => V::splat(V::Element::ZERO),
                        n => R::load_first(from.add(v), n),
                    };
                    if k * width + v + V::LANES <= len * width { x.store(to.add(v)) } else { x.store_first(to.add(v), width - v) }
                }
            }
            return;
        }
        let mut k = 0;
        while k < len {
            if k + V::LANES <= len && depth.adjacent(panel.depth.start + k, V::LANES) {
                for v in (0..width).step_by(V::LANES) {
                    let mut block = [V::splat(V::Element::ZERO); MAX_LANES];
                    let block = &mut block[..V::LANES];
                    for (i, x) in block.iter_mut().enumerate() {
                        if v + i < panel.lanes {
                            let from = from.offset(lane(v + i) + index(k));
                            prefetch(from.wrapping_add(AHEAD * V::LANES));
                            *x = R::load(from);
                        }
                    }
                    transpose(block);
                    for (i, x) in block.iter().enumerate() {
                        let to = to.add((k + i) * width + v);
                        // The next indices are not yet written only while the first lanes are.
                        let over = v == 0 && (k + i) * width + V::LANES <= len * width;
                        if over || v + V::LANES <= width { x.store(to) } else { x.store_first(to, width - v) }
                    }
                }
                k += V::LANES;
            } else {
                let to = to.add(k * width);
                (0..width).for_each(|i| *to.add(i) = V::Element::ZERO);
                for i in 0..panel.lanes {
                    *to.add(i) = R::widen(*from.offset(lane(i) + index(k)));
                }
                k += 1;
            }
        }
    }
}

/// Transposes a square block: lane j of register i goes to lane i of register j.
#[inline(always)]
unsafe fn transpose<V: Vector>(block: &mut [V]) {
    #[inline(always)]
    unsafe fn step<V: Vector, const S: usize>(block: &mut [V]) {
        if S < V::LANES {
            for i in 0..V::LANES {
                if i & S == 0 {
                    // SAFETY: S is below LANES; the instruction set is the caller's duty.
                    (block[i], block[i + S]) = unsafe { block[i].exchange::<S>(block[i + S]) };
                }
            }
        }
    }
    // SAFETY: the instruction set is the caller's duty.
    unsafe {
        step::<V, 1>(block);
        step::<V, 2>(block);
        step::<V, 4>(block);
        step::<V, 8>(block);
    }
}
