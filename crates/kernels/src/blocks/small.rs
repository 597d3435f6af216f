//! Blocks of 32 numbers. Scales d and minima m are f16; `low | high` are the nibbles of a byte.
//!
//! ```text
//! q4_0    d d | 16 bytes: number i in the low nibble of byte i, number 16 + i in the high one
//! q4_1    d d | m m | 16 bytes, as above
//! q5_0    d d | 4 bytes: bit i is the fifth bit of number i | 16 bytes, as above
//! q5_1    d d | m m | 4 bytes | 16 bytes
//! q8_0    d d | 32 bytes, signed
//! iq4_nl  d d | 16 bytes as q4_0, whose nibbles choose from a table
//! ```

use half::f16;

use super::half;

/// Numbers a block.
pub(super) const LEN: usize = 32;
const HALF: usize = LEN / 2;

/// What a nibble of the formats `iq4` stands for.
pub(super) const UNEVEN: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The nibbles of 16 bytes: the low ones, then the high ones.
#[inline(always)]
fn nibbles(bytes: &[u8]) -> [u8; LEN] {
    let bytes: &[u8; HALF] = bytes.first_chunk().expect("a block ends with 16 bytes");
    std::array::from_fn(|i| if i < HALF { bytes[i] & 15 } else { bytes[i - HALF] >> 4 })
}

/// [`nibbles`] with a fifth bit, of the four bytes before them.
#[inline(always)]
fn with_fifth(bytes: &[u8]) -> [u8; LEN] {
    let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let low = nibbles(&bytes[4..]);
    std::array::from_fn(|i| low[i] | ((bits >> i) as u8 & 1) << 4)
}

pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; LEN]) {
    let (d, q) = (half(block, 0), nibbles(&block[2..]));
    *out = std::array::from_fn(|i| d * f32::from(q[i] as i8 - 8));
}

pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; LEN]) {
    let (d, m, q) = (half(block, 0), half(block, 2), nibbles(&block[4..]));
    *out = std::array::from_fn(|i| d * f32::from(q[i]) + m);
}

pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; LEN]) {
    let (d, q) = (half(block, 0), with_fifth(&block[2..]));
    *out = std::array::from_fn(|i| d * f32::from(q[i] as i8 - 16));
}

pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; LEN]) {
    let (d, m, q) = (half(block, 0), half(block, 2), with_fifth(&block[4..]));
    *out = std::array::from_fn(|i| d * f32::from(q[i]) + m);
}

pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; LEN]) {
    let d = half(block, 0);
    *out = std::array::from_fn(|i| d * f32::from(block[2 + i] as i8));
}

pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; LEN]) {
    let (d, q) = (half(block, 0), nibbles(&block[2..]));
    *out = std::array::from_fn(|i| d * f32::from(UNEVEN[usize::from(q[i])]));
}

/// The number that is largest in size, the first of several.
fn largest(x: &[f32; LEN]) -> f32 {
    x.iter().fold(0.0, |most: f32, &x| if x.abs() > most.abs() { x } else { most })
}

/// 1 / d, or 0 where all numbers are alike.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// A block of these parts, one after another; with more than 16 levels there are fifth bits.
fn joined<const BYTES: usize>(halves: &[f32], levels: u8, q: &[u8; LEN]) -> [u8; BYTES] {
    let mut block = [0; BYTES];
    let mut at = 0;
    for &x in halves {
        block[at..at + 2].copy_from_slice(&f16::from_f32(x).to_le_bytes());
        at += 2;
    }
    if levels > 16 {
        let bits = q.iter().enumerate().fold(0_u32, |bits, (i, q)| bits | u32::from(q >> 4) << i);
        block[at..at + 4].copy_from_slice(&bits.to_le_bytes());
        at += 4;
    }
    (0..HALF).for_each(|i| block[at + i] = (q[i] & 15) | q[i + HALF] << 4);
    block
}

/// A block of q4_0 (16 levels) or q5_0 (32): d reaches the largest number at the lowest level.
pub(super) fn to_signed<const LEVELS: u8, const BYTES: usize>(x: &[f32; LEN]) -> [u8; BYTES] {
    let zero = f32::from(LEVELS / 2);
    let d = largest(x) / -zero;
    let scale = inverse(d);
    joined(&[d], LEVELS, &x.map(|x| ((x * scale + (zero + 0.5)) as u8).min(LEVELS - 1)))
}

/// A block of q4_1 (16 levels) or q5_1 (32), from the least number to the largest.
pub(super) fn to_affine<const LEVELS: u8, const BYTES: usize>(x: &[f32; LEN]) -> [u8; BYTES] {
    let (low, high) = x.iter().fold((x[0], x[0]), |(low, high), &x| (low.min(x), high.max(x)));
    let d = (high - low) / f32::from(LEVELS - 1);
    let scale = inverse(d);
    joined(&[d, low], LEVELS, &x.map(|x| (((x - low) * scale + 0.5) as u8).min(LEVELS - 1)))
}

pub(super) fn to_q8_0(x: &[f32; LEN]) -> [u8; 34] {
    let d = largest(x).abs() / 127.0;
    let scale = inverse(d);
    let mut block = [0; 34];
    block[..2].copy_from_slice(&f16::from_f32(d).to_le_bytes());
    // Ties go away from 0.
    block[2..].iter_mut().zip(x).for_each(|(to, x)| *to = (x * scale).round() as i8 as u8);
    block
}
