//! bf16 by bf16 on processors that multiply pairs of bf16: half the memory and up to twice the speed of widening them.
//!
//! A panel is packed as others are, but each of its f32 holds two contracted indices of a lane, the first in the lower
//! half, so that everything above the micro-kernel counts pairs instead of indices and is otherwise the same. Where the
//! number of indices is odd, the last pair's second half is 0.

use std::any::TypeId;

use half::bf16;

use super::axes::Offsets;
use super::epilogue::BoundEpilogue;
use super::pack::{PackSource, Panel, transpose};
use super::read::Address;
use super::{Operand, Run, Scaled, Stored};
use crate::simd::avx512::F32x16;
use crate::simd::{self, Lanes, MAX_LANES, Vector};

/// Lanes of a register, and so the pairs that are transposed together.
const L: usize = F32x16::LANES;
/// Elements by which a row is asked for ahead of its use.
const AHEAD: usize = 8 * 2 * L;

impl<T: Lanes> Run<'_, T> {
    /// This product in f32, if both operands are bf16 and the processor multiplies pairs of them in registers like `V`.
    pub(super) fn in_pairs<V: Vector<Element = T>>(&mut self) -> Option<Run<'_, f32>> {
        let (Stored::BF16(a), Stored::BF16(b)) = (self.a.data, self.b.data) else { return None };
        if TypeId::of::<V>() != TypeId::of::<F32x16>() || !simd::bf16_pairs() {
            return None;
        }
        // T is f32, the element of that register.
        Some(Run {
            scaled: Scaled { alpha: self.scaled.alpha.to_f64() as f32, accumulate: self.scaled.accumulate },
            finish: self.finish.as_ref().map(BoundEpilogue::cast),
            a: Operand { data: Stored::BF16(a), offset: self.a.offset },
            b: Operand { data: Stored::BF16(b), offset: self.b.offset },
            c: bytemuck::cast_slice_mut(self.c),
            axes: self.axes,
            distinct: self.distinct,
        })
    }
}

impl PackSource<f32> {
    /// An operand of bf16 whose contracted indices are packed in pairs; else as [`PackSource::new`].
    pub(super) fn for_bf16_pairs(data: Stored<'_, f32>, offset: usize, lanes: Offsets, depth: Offsets) -> Self {
        debug_assert!(matches!(data, Stored::BF16(_)));
        Self { first: Address::new(data, offset), pack, lanes, depth }
    }
}

/// Packs the pairs `panel.depth` of a panel, or of several.
unsafe fn pack(from: *const (), source: &PackSource<f32>, panel: &Panel, to: *mut f32) {
    // As in `pack_panels`.
    if panel.depth.is_empty() {
        return;
    }
    // SAFETY: the caller's duty; the lanes of each panel are part of this one's.
    unsafe {
        F32x16::enter_pairs(
            #[inline(always)]
            || {
                let from: *const bf16 = from.cast();
                let adjacent = source.lanes.adjacent(panel.lane, panel.lanes);
                for first in (0..panel.lanes).step_by(panel.width) {
                    let lanes = panel.width.min(panel.lanes - first);
                    let one = Panel { lane: panel.lane + first, lanes, depth: panel.depth.clone(), width: panel.width };
                    let to = to.add(first * panel.depth.len());
                    if adjacent {
                        interleave(from.offset(source.lanes.at(one.lane)), source, &one, to);
                    } else {
                        pack_pair_square(from, source, &one, to);
                    }
                }
            },
        )
    }
}

/// Where both indices of a pair lie; the second only if there is one.
#[inline(always)]
fn pair(source: &PackSource<f32>, pair: usize) -> (isize, Option<isize>) {
    let at = |k: usize| source.depth.at(k);
    (at(2 * pair), (2 * pair + 1 < source.depth.len()).then(|| at(2 * pair + 1)))
}

/// Packs a panel whose lanes are neighbours, from `from` on.
#[inline(always)]
unsafe fn interleave(from: *const bf16, source: &PackSource<f32>, panel: &Panel, to: *mut f32) {
    let (width, len) = (panel.width, panel.depth.len());
    for p in 0..len {
        let (low, high) = pair(source, panel.depth.start + p);
        for v in (0..width).step_by(L) {
            // SAFETY: every element read is that of a lane and a contracted index of the operand. A full store that
            // runs over the lanes of its pair runs into those of the next ones, which are written after it; none runs
            // over the end of the panel.
            unsafe {
                let n = panel.lanes.saturating_sub(v).min(L);
                let at = |offset: isize| from.offset(offset).wrapping_add(v);
                let x = F32x16::load_pairs(at(low), high.map(at), n);
                let to = to.add(p * width + v);
                if p * width + v + L <= len * width { x.store(to) } else { x.store_first(to, width - v) }
            }
        }
    }
}

/// Packs a panel whose lanes are apart: where contracted indices are neighbours, their pairs lie ready as words of 32
/// bits, blocks of which are transposed in registers.
#[inline(always)]
unsafe fn pack_pair_square(from: *const bf16, source: &PackSource<f32>, panel: &Panel, to: *mut f32) {
    let (width, len) = (panel.width, panel.depth.len());
    // Lanes that the operand does not have repeat its last one: nobody looks at their sums.
    let mut lanes = [0; 2 * MAX_LANES];
    for i in 0..width {
        lanes[i] = source.lanes.at(panel.lane + i.min(panel.lanes - 1));
    }
    let mut p = 0;
    while p < len {
        let k = 2 * (panel.depth.start + p);
        // SAFETY: as in `interleave`; the indices of a block are the operand's, and neighbours.
        unsafe {
            if p + L <= len && k + 2 * L <= source.depth.len() && source.depth.adjacent(k, 2 * L) {
                let at = source.depth.at(k);
                for v in (0..width).step_by(L) {
                    let mut block = [F32x16::splat(0.0); L];
                    for i in 0..L {
                        let row = from.offset(lanes[v + i] + at);
                        simd::prefetch(row.wrapping_add(AHEAD));
                        block[i] = F32x16::load(row.cast());
                    }
                    transpose(&mut block);
                    let to = to.add(p * width + v);
                    // The next pairs are not yet written only while the first lanes are.
                    let whole = v + L <= width || (v == 0 && (p + L - 1) * width + L <= len * width);
                    for i in 0..L {
                        let to = to.add(i * width);
                        if whole { block[i].store(to) } else { block[i].store_first(to, width - v) }
                    }
                }
                p += L;
            } else {
                let (low, high) = pair(source, panel.depth.start + p);
                for (i, &lane) in lanes[..width].iter().enumerate() {
                    let bits = |at: isize| u32::from((*from.offset(lane + at)).to_bits());
                    *to.add(p * width + i) = f32::from_bits(bits(low) | high.map_or(0, bits) << 16);
                }
                p += 1;
            }
        }
    }
}
