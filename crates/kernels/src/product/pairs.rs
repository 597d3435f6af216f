//! bf16 by bf16 on processors that multiply pairs of bf16: half the memory and up to twice the speed of widening them.
//!
//! A panel is packed as others are, but each of its f32 holds two contracted indices of a lane, the first in the lower
//! half, so that everything above the micro-kernel counts pairs instead of indices and is otherwise the same. Where the
//! number of indices is odd, the last pair's second half is 0.

use std::any::TypeId;

use half::bf16;

use super::axes::Offsets;
use super::epilogue::BoundEpilogue;
use super::pack::{PackSource, Panel};
use super::read::Address;
use super::{Operand, Run, Scaled, Stored};
use crate::simd::avx512::{Bf16Pairs, F32x16};
use crate::simd::{self, Lanes, MAX_LANES, Square, Vector};

/// Lanes of a register, and so the pairs that are transposed together.
const L: usize = F32x16::LANES;
/// Elements by which a row is asked for ahead of its use.
const AHEAD: usize = 8 * 2 * L;

impl<T: Lanes> Run<'_, T> {
    /// This product in f32, if both operands are bf16 and the processor multiplies pairs of them in registers like `V`.
    pub(super) fn in_pairs<V: Vector<Element = T>>(&mut self) -> Option<(Bf16Pairs, Run<'_, f32>)> {
        let (Stored::BF16(a), Stored::BF16(b)) = (self.a.data, self.b.data) else { return None };
        if TypeId::of::<V>() != TypeId::of::<F32x16>() {
            return None;
        }
        let pairs = simd::bf16_pairs()?;
        // T is f32, the element of that register.
        let run = Run {
            scaled: Scaled { alpha: self.scaled.alpha.to_f64() as f32, accumulate: self.scaled.accumulate },
            finish: self.finish.as_ref().map(BoundEpilogue::cast),
            a: Operand { data: Stored::BF16(a), offset: self.a.offset },
            b: Operand { data: Stored::BF16(b), offset: self.b.offset },
            c: bytemuck::cast_slice_mut(self.c),
            axes: self.axes,
            distinct: self.distinct,
        };
        Some((pairs, run))
    }
}

impl PackSource<f32> {
    /// An operand of bf16 whose contracted indices are packed in pairs; else as [`PackSource::new`].
    pub(super) fn for_bf16_pairs(_: Bf16Pairs, data: Stored<'_, f32>, offset: usize, lanes: Offsets, depth: Offsets) -> Self {
        debug_assert!(matches!(data, Stored::BF16(_)));
        Self { first: Address::new(data, offset), pack, lanes, depth }
    }
}

/// Packs the pairs `panel.depth` of a panel, or of several.
fn pack(from: *const (), source: &PackSource<f32>, panel: &Panel, to: &mut [f32]) {
    // As in `pack_panels`.
    if panel.depth.is_empty() {
        return;
    }
    // SAFETY: this address is one of a `PackSource`, which was made of that token.
    let pairs = unsafe { Bf16Pairs::new() };
    pairs.enter(
        #[inline(always)]
        || {
            let from: *const bf16 = from.cast();
            let adjacent = source.lanes.adjacent(panel.lane, panel.lanes);
            for (first, to) in (0..panel.lanes).step_by(panel.width).zip(to.chunks_exact_mut(panel.width * panel.depth.len())) {
                let lanes = panel.width.min(panel.lanes - first);
                let one = Panel { lane: panel.lane + first, lanes, depth: panel.depth.clone(), width: panel.width };
                if adjacent {
                    interleave(pairs, from.wrapping_offset(source.lanes.at(one.lane)), source, &one, to);
                } else {
                    pack_pair_square(pairs, from, source, &one, to);
                }
            }
        },
    );
}

/// Where both indices of a pair lie; the second only if there is one.
#[inline(always)]
fn pair(source: &PackSource<f32>, pair: usize) -> (isize, Option<isize>) {
    let at = |k: usize| source.depth.at(k);
    (at(2 * pair), (2 * pair + 1 < source.depth.len()).then(|| at(2 * pair + 1)))
}

/// Packs a panel whose lanes are neighbours, from `from` on.
#[inline(always)]
fn interleave(pairs: Bf16Pairs, from: *const bf16, source: &PackSource<f32>, panel: &Panel, to: &mut [f32]) {
    let (width, len) = (panel.width, panel.depth.len());
    for p in 0..len {
        let (low, high) = pair(source, panel.depth.start + p);
        for v in (0..width).step_by(L) {
            let n = panel.lanes.saturating_sub(v).min(L);
            let at = |offset: isize| from.wrapping_offset(offset).wrapping_add(v);
            // SAFETY: every element read is that of a lane and a contracted index of the operand.
            let x = unsafe { pairs.load(at(low), high.map(at), n) };
            // A full store that runs over the lanes of its pair runs into those of the next ones, which are written after it.
            let to = &mut to[p * width + v..];
            if to.len() >= L { x.write(to) } else { x.write_first(&mut to[..width - v]) }
        }
    }
}

/// Packs a panel whose lanes are apart: where contracted indices are neighbours, their pairs lie ready as words of 32
/// bits, blocks of which are transposed in registers.
#[inline(always)]
fn pack_pair_square(pairs: Bf16Pairs, from: *const bf16, source: &PackSource<f32>, panel: &Panel, to: &mut [f32]) {
    let (width, len) = (panel.width, panel.depth.len());
    // Lanes that the operand does not have repeat its last one: nobody looks at their sums.
    let mut lanes = [0; 2 * MAX_LANES];
    for i in 0..width {
        lanes[i] = source.lanes.at(panel.lane + i.min(panel.lanes - 1));
    }
    let mut p = 0;
    while p < len {
        let k = 2 * (panel.depth.start + p);
        if p + L <= len && k + 2 * L <= source.depth.len() && source.depth.adjacent(k, 2 * L) {
            let at = source.depth.at(k);
            for v in (0..width).step_by(L) {
                let mut block = Square::zero(pairs.isa());
                for i in 0..L {
                    let row = from.wrapping_offset(lanes[v + i] + at);
                    simd::prefetch(row.wrapping_add(AHEAD));
                    // SAFETY: the indices of a block are the operand's, and neighbours.
                    block[i] = unsafe { pairs.isa().load(row.cast()) };
                }
                block.transpose();
                let to = &mut to[p * width + v..];
                // The next pairs are not yet written only while the first lanes are.
                let whole = v + L <= width || (v == 0 && (L - 1) * width + L <= to.len());
                for i in 0..L {
                    let to = &mut to[i * width..];
                    if whole { block[i].write(to) } else { block[i].write_first(&mut to[..width - v]) }
                }
            }
            p += L;
        } else {
            let (low, high) = pair(source, panel.depth.start + p);
            for (to, &lane) in to[p * width..][..width].iter_mut().zip(&lanes) {
                // SAFETY: the lane and the contracted index are the operand's.
                let bits = |at: isize| u32::from(unsafe { *from.offset(lane + at) }.to_bits());
                *to = f32::from_bits(bits(low) | high.map_or(0, bits) << 16);
            }
            p += 1;
        }
    }
}
