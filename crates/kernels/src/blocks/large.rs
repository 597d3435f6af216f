//! Blocks of 256 numbers: parts of 16 or 32 have a scale (and a minimum) each, which are quantized with one f16 for the block.
//!
//! ```text
//! q2_k    16 bytes: scale | minimum of 16 numbers | 64 bytes of 2 bits | d d | dmin dmin
//! q3_k    32 bytes of third bits | 64 bytes of 2 bits | 12 bytes: 16 scales of 6 bits | d d
//! q4_k    d d | dmin dmin | 12 bytes: 8 scales, 8 minima of 6 bits | 128 bytes of nibbles
//! q5_k    d d | dmin dmin | 12 bytes, as q4_k | 32 bytes of fifth bits | 128 bytes of nibbles
//! q6_k    128 bytes of nibbles | 64 bytes of 2 high bits | 16 signed scales | d d
//! iq4_xs  d d | 2 bytes: high bits of 8 scales | 4 bytes: their low nibbles | 128 bytes of nibbles
//! ```
//!
//! A plane of bits holds neighbours in the same bits of neighbouring bytes:
//! number i has its two bits at `2 · (i / 32 mod 4)` of byte `32 · (i / 128) + i mod 32`,
//! a nibble of q4_k and q5_k at `4 · (i / 32 mod 2)` of byte `32 · (i / 64) + i mod 32`,
//! one of q6_k at `4 · (i / 64 mod 2)` of byte `64 · (i / 128) + i mod 64`, one bit at `i / 32` of byte `i mod 32`.

use super::half;
use super::small::UNEVEN;

/// Numbers a block.
pub(super) const LEN: usize = 256;

/// The two bits of number i.
#[inline(always)]
fn two_bits(plane: &[u8], i: usize) -> u8 {
    plane[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4)) & 3
}

/// The one bit of number i.
#[inline(always)]
fn one_bit(plane: &[u8], i: usize) -> u8 {
    plane[i % 32] >> (i / 32) & 1
}

/// The nibble of number i, where 32 neighbours share a half.
#[inline(always)]
fn nibble(plane: &[u8], i: usize) -> u8 {
    plane[32 * (i / 64) + i % 32] >> (4 * (i / 32 % 2)) & 15
}

/// Writes numbers by parts of `PART`, each with what `scales` knows of it.
#[inline(always)]
fn by_parts<const PART: usize, S: Copy>(out: &mut [f32; LEN], scales: impl Fn(usize) -> S, number: impl Fn(S, usize) -> f32) {
    let (parts, _) = out.as_chunks_mut::<PART>();
    for (p, part) in parts.iter_mut().enumerate() {
        let scale = scales(p);
        *part = std::array::from_fn(|i| number(scale, p * PART + i));
    }
}

/// Scale and minimum of the j-th 32 numbers out of the 12 bytes of q4_k and q5_k.
#[inline(always)]
fn scale_and_minimum(bytes: &[u8], j: usize) -> [f32; 2] {
    let [scale, minimum] = match j {
        0..4 => [bytes[j] & 63, bytes[j + 4] & 63],
        _ => [(bytes[j + 4] & 15) | ((bytes[j - 4] >> 2) & 48), (bytes[j + 4] >> 4) | ((bytes[j] >> 2) & 48)],
    };
    [scale.into(), minimum.into()]
}

pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; LEN]) {
    let (plane, d, least) = (&block[16..80], half(block, 80), half(block, 82));
    let scales = |p: usize| [d * f32::from(block[p] & 15), least * f32::from(block[p] >> 4)];
    by_parts::<16, _>(out, scales, |[d, m], i| d * f32::from(two_bits(plane, i)) - m);
}

pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; LEN]) {
    let (third, plane, packed, d) = (&block[..32], &block[32..96], &block[96..108], half(block, 108));
    let scales = |p: usize| {
        let (low, high) = (packed[p % 8] >> (4 * (p / 8)) & 15, packed[8 + p % 4] >> (2 * (p / 4)) & 3);
        d * f32::from((low | high << 4) as i8 - 32)
    };
    // The third bit says that nothing is taken off.
    by_parts::<16, _>(out, scales, |d, i| d * f32::from(two_bits(plane, i) as i8 - 4 + 4 * one_bit(third, i) as i8));
}

pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; LEN]) {
    let (d, least, packed, plane) = (half(block, 0), half(block, 2), &block[4..16], &block[16..]);
    let scales = |p| {
        let [scale, minimum] = scale_and_minimum(packed, p);
        [d * scale, least * minimum]
    };
    by_parts::<32, _>(out, scales, |[d, m], i| d * f32::from(nibble(plane, i)) - m);
}

pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; LEN]) {
    let (d, least, packed, fifth, plane) = (half(block, 0), half(block, 2), &block[4..16], &block[16..48], &block[48..]);
    let scales = |p| {
        let [scale, minimum] = scale_and_minimum(packed, p);
        [d * scale, least * minimum]
    };
    by_parts::<32, _>(out, scales, |[d, m], i| d * f32::from(nibble(plane, i) | one_bit(fifth, i) << 4) - m);
}

pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; LEN]) {
    let (low, high, d) = (&block[..128], &block[128..192], half(block, 208));
    let scales = |p: usize| d * f32::from(block[192 + p] as i8);
    by_parts::<16, _>(out, scales, |d, i| {
        let nibble = low[64 * (i / 128) + i % 64] >> (4 * (i / 64 % 2)) & 15;
        d * f32::from((nibble | two_bits(high, i) << 4) as i8 - 32)
    });
}

pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; LEN]) {
    let (d, high, low, plane) = (half(block, 0), u16::from_le_bytes([block[2], block[3]]), &block[4..8], &block[8..]);
    let scales = |p: usize| {
        let (low, high) = (low[p / 2] >> (4 * (p % 2)) & 15, (high >> (2 * p) & 3) as u8);
        d * f32::from((low | high << 4) as i8 - 32)
    };
    by_parts::<32, _>(out, scales, |d, i| {
        let nibble = plane[16 * (i / 32) + i % 16] >> (4 * (i / 16 % 2)) & 15;
        d * f32::from(UNEVEN[usize::from(nibble)])
    });
}
