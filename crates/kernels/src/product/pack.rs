//! Packing: copies of an operand's elements in the order in which the micro-kernel reads them.
//!
//! A panel holds `width` neighbouring rows of A (or columns of B, its *lanes*) over `depth` contracted indices, all
//! lanes of one contracted index together: P[κ · width + lane]. Lanes beyond the operand's are 0. Stored types narrower
//! than the computation are widened here.

use std::mem::MaybeUninit;

use half::{bf16, f16};

use super::Stored;
use super::axes::Offsets;
use super::read::{Address, Read, Unconverted};
use crate::simd::{Enabled, Lanes, MAX_LANES, Square, Vector, prefetch, prefetch_far};

/// How many loads ahead of its use memory is asked for: rows and columns that are far apart are more than the processor
/// predicts by itself.
const AHEAD: usize = 8;

/// Lanes that lie a multiple of so many bytes apart share their place in the first-level cache: what is asked for ahead in all
/// of them drives itself out. So many registers of each are then copied, one lane after another, before they are used.
const COLLIDING: usize = 4096;
const COPIED: usize = 8;
/// How many lanes ahead of the one that is copied memory is asked for.
const SOON: usize = 8;

/// An operand as packing sees it: where its lanes and contracted indices lie, and the code that reads its stored type.
pub(super) struct PackSource<T> {
    pub(super) first: Address,
    pub(super) pack: Pack<T>,
    pub(super) lanes: Offsets,
    pub(super) depth: Offsets,
}

/// Packs the panel of the matrix whose index 0…0 lies at an address.
pub(super) type Pack<T> = fn(*const (), &PackSource<T>, &Panel, &mut [T]);

/// The part of an operand that one panel holds, or several where there are more lanes than a panel is wide.
pub(super) struct Panel {
    pub(super) lane: usize,
    pub(super) lanes: usize,
    pub(super) depth: std::ops::Range<usize>,
    /// Elements of a panel for each contracted index.
    pub(super) width: usize,
}

impl<T: Lanes> PackSource<T> {
    /// `offset` is the position of index 0…0, and every index over `lanes` and `depth` (and a batch) lies in `data`.
    pub(super) fn new<V: Vector<Element = T>>(
        _: Enabled<V>,
        data: Stored<'_, T>,
        offset: usize,
        lanes: Offsets,
        depth: Offsets,
    ) -> Self {
        let pack: Pack<T> = match data {
            Stored::Real(_) => pack_entered::<V, Unconverted>,
            Stored::F32(_) => pack_entered::<V, f32>,
            Stored::BF16(_) => pack_entered::<V, bf16>,
            Stored::F16(_) => pack_entered::<V, f16>,
        };
        Self { first: Address::new(data, offset), pack, lanes, depth }
    }

    /// Packs a panel, or several, of the matrix that lies `batch` elements further on.
    ///
    /// # Panics
    /// If `to` has less room than the panels take, or a panel is wider than two registers.
    pub(super) fn pack(&self, batch: isize, panel: &Panel, to: &mut [T]) {
        let panels = panel.lanes.div_ceil(panel.width.max(1));
        assert!(panel.width <= 2 * MAX_LANES && to.len() >= panels * panel.width * panel.depth.len(), "room for panels");
        (self.pack)(self.first.at(batch), self, panel, to);
    }
}

fn pack_entered<V: Vector<Element: Lanes>, R: Read<V>>(
    from: *const (),
    source: &PackSource<V::Element>,
    panel: &Panel,
    to: &mut [V::Element],
) {
    // SAFETY: this address is one of a `PackSource`, which was made of that token.
    let isa = unsafe { Enabled::<V>::new() };
    isa.enter(
        #[inline(always)]
        || pack_panels::<V, R>(isa, from.cast(), source, panel, to),
    );
}

#[inline(always)]
fn pack_panels<V: Vector<Element: Lanes>, R: Read<V>>(
    isa: Enabled<V>,
    from: *const R::Item,
    source: &PackSource<V::Element>,
    panel: &Panel,
    to: &mut [V::Element],
) {
    // Without a contracted index there need not be an element to point to.
    if panel.depth.is_empty() {
        return;
    }
    if source.lanes.adjacent(panel.lane, panel.lanes) {
        return copy::<V, R>(isa, from.wrapping_offset(source.lanes.at(panel.lane)), source, panel, to);
    }
    for (first, to) in (0..panel.lanes).step_by(panel.width).zip(to.chunks_exact_mut(panel.width * panel.depth.len())) {
        let one = Panel {
            lane: panel.lane + first,
            lanes: panel.width.min(panel.lanes - first),
            depth: panel.depth.clone(),
            width: panel.width,
        };
        pack_transposed::<V, R>(isa, from, source, &one, to);
    }
}

/// Packs panels whose lanes are neighbours, all from `from` on.
#[inline(always)]
fn copy<V: Vector<Element: Lanes>, R: Read<V>>(
    isa: Enabled<V>,
    from: *const R::Item,
    source: &PackSource<V::Element>,
    panel: &Panel,
    to: &mut [V::Element],
) {
    let to = to.as_mut_ptr();
    let (width, len) = (panel.width, panel.depth.len());
    let index = |k| source.depth.at(panel.depth.start + k);
    // Registers may be loaded whole where the operand goes on as far as the last register of the last panel reaches.
    let reach = panel.lanes.next_multiple_of(width) - width + width.next_multiple_of(V::LANES);
    let whole = source.lanes.adjacent(panel.lane, reach);
    for k in 0..len {
        // SAFETY: every element read is that of a lane and a contracted index of the operand, all of which the product checked;
        // `pack` checked the room. A full store that runs over the lanes of its contracted index runs into those of the
        // next ones, which are written after it; none runs over the end of a panel.
        unsafe {
            let ahead = from.offset(index((k + AHEAD).min(len - 1)));
            let from = from.offset(index(k));
            for first in (0..panel.lanes).step_by(width) {
                let (from, to) = (from.add(first), to.add(first * len + k * width));
                for v in (0..width).step_by(V::LANES) {
                    prefetch(ahead.wrapping_add(first + v));
                    let x = match (panel.lanes - first).saturating_sub(v) {
                        n if whole || n >= V::LANES => R::load(isa, from.add(v)),
                        0 => isa.zero(),
                        n => R::load_first(isa, from.add(v), n),
                    };
                    if k * width + v + V::LANES <= len * width { x.store(to.add(v)) } else { x.store_first(to.add(v), width - v) }
                }
            }
        }
    }
}

/// Packs a panel whose lanes are apart: squares of lanes and contracted indices are transposed in registers where the
/// indices are neighbours.
#[inline(always)]
fn pack_transposed<V: Vector<Element: Lanes>, R: Read<V>>(
    isa: Enabled<V>,
    from: *const R::Item,
    source: &PackSource<V::Element>,
    panel: &Panel,
    to: &mut [V::Element],
) {
    let (width, len) = (panel.width, panel.depth.len());
    // Lanes that the operand does not have repeat its last one: nobody looks at their sums.
    let (mut lanes, mut next) = ([0; 2 * MAX_LANES], [0; 2 * MAX_LANES]);
    for i in 0..width {
        let lane = panel.lane + i.min(panel.lanes - 1);
        (lanes[i], next[i]) = (source.lanes.at(lane), source.lanes.at_or_last(lane + width));
    }
    let apart = (lanes[1] - lanes[0]).unsigned_abs() * size_of::<R::Item>();
    let collide = panel.lanes > 1 && apart.is_multiple_of(COLLIDING);
    let adjacent = |k: usize, n: usize| k + n <= len && source.depth.adjacent(panel.depth.start + k, n);
    let mut k = 0;
    while k < len {
        let at = source.depth.at(panel.depth.start + k);
        // SAFETY: every element read is that of a lane and a contracted index of the operand, as in `copy`; what is taken from the
        // copy was written to it.
        unsafe {
            if collide && adjacent(k, COPIED * V::LANES) {
                let mut copy = [MaybeUninit::<V>::uninit(); 2 * MAX_LANES * COPIED];
                for i in 0..width.next_multiple_of(V::LANES) {
                    // Lanes that follow soon, of the next indices after the last.
                    let (soon, further) = if i + SOON < width { (i + SOON, 0) } else { ((i + SOON) % width, COPIED * V::LANES) };
                    for r in 0..COPIED {
                        prefetch_far(from.wrapping_offset(lanes[soon] + at).wrapping_add(further + r * V::LANES));
                        copy[i * COPIED + r].write(R::load(isa, from.offset(lanes[i] + at).add(r * V::LANES)));
                    }
                }
                for r in 0..COPIED {
                    transpose_block(isa, |i| copy[i * COPIED + r].assume_init(), to, width, k + r * V::LANES, len);
                }
                k += COPIED * V::LANES;
            } else if adjacent(k, V::LANES) {
                // Beyond the end of the panel, the next one is asked for.
                let ahead = k + AHEAD * V::LANES;
                let (soon, ahead) = if ahead < len { (&lanes, ahead) } else { (&next, (ahead - len).min(len - 1)) };
                let ahead = source.depth.at(panel.depth.start + ahead);
                let load = |i: usize| {
                    prefetch(from.wrapping_offset(soon[i] + ahead));
                    R::load(isa, from.offset(lanes[i] + at))
                };
                transpose_block(isa, load, to, width, k, len);
                k += V::LANES;
            } else {
                for (to, lane) in to[k * width..][..width].iter_mut().zip(&lanes) {
                    *to = R::widen(*from.offset(lane + at));
                }
                k += 1;
            }
        }
    }
}

/// Writes as many contracted indices as lanes, from `k` on, of a panel whose lanes each have a register of them, which `load` gives.
#[inline(always)]
fn transpose_block<V: Vector>(
    isa: Enabled<V>,
    mut load: impl FnMut(usize) -> V,
    to: &mut [V::Element],
    width: usize,
    k: usize,
    len: usize,
) {
    assert!(to.len() >= len * width && k + V::LANES <= len, "room for a panel");
    for v in (0..width).step_by(V::LANES) {
        let mut block = Square::zero(isa);
        for i in 0..V::LANES {
            block[i] = load(v + i);
        }
        block.transpose();
        let to = to[k * width + v..].as_mut_ptr();
        // The next indices are not yet written only while the first lanes are.
        let whole = v + V::LANES <= width || (v == 0 && (k + V::LANES - 1) * width + V::LANES <= len * width);
        for (i, x) in block.iter().enumerate() {
            // SAFETY: there is room for these indices, and a full store that runs over the lanes of its index runs into those of the
            // next ones, which are written after it; none runs over the end of the panel.
            unsafe { if whole { x.store(to.add(i * width)) } else { x.store_first(to.add(i * width), width - v) } }
        }
    }
}
