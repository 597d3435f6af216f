//! Quantized numbers: blocks of a few bits a number with common scales, as GGUF files hold weights.
//!
//! Every format lies along a row: [`BlockFormat::block_len`] numbers take [`BlockFormat::block_bytes`] bytes. `small` has the formats with 32
//! numbers a block, `large` those with 256, whose scales are quantized themselves. Layouts are those of ggml, told byte by byte in their files;
//! the order of multiplications is that of the `gguf` package, so that results are equal to the last bit.

mod large;
mod small;

/// How quantized numbers lie in a block.
///
/// # Example
/// ```
/// use monotile_kernels::blocks::BlockFormat;
/// let numbers: Vec<f32> = (0..32).map(|i| i as f32 / 8.0).collect();
/// let mut bytes = [0; 34];
/// BlockFormat::Q8_0.quantize(&numbers, &mut bytes);
/// let mut again = [0.0; 32];
/// BlockFormat::Q8_0.dequantize(&bytes, &mut again);
/// assert!(numbers.iter().zip(again).all(|(a, b)| (a - b).abs() < 0.016));
/// ```
///
/// # Source
/// `ggml-common.h` of ggml for the layouts, `gguf/quants.py` of gguf-py for the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockFormat {
    /// 4 bits: q · d with q in −8 … 7; 4.5 bits a number.
    Q4_0,
    /// 4 bits: q · d + m; 5 bits a number.
    Q4_1,
    /// 5 bits: q · d with q in −16 … 15; 5.5 bits a number.
    Q5_0,
    /// 5 bits: q · d + m; 6 bits a number.
    Q5_1,
    /// 8 bits: q · d with q in −127 … 127; 8.5 bits a number.
    Q8_0,
    /// 2 bits, scales and minima of 4 bits for 16 numbers; 2.625 bits a number.
    Q2K,
    /// 3 bits, scales of 6 bits for 16 numbers; 3.4375 bits a number.
    Q3K,
    /// 4 bits, scales and minima of 6 bits for 32 numbers; 4.5 bits a number.
    Q4K,
    /// 5 bits, scales and minima of 6 bits for 32 numbers; 5.5 bits a number.
    Q5K,
    /// 6 bits, scales of 8 bits for 16 numbers; 6.5625 bits a number.
    Q6K,
    /// 4 bits that choose one of 16 unevenly spaced numbers; 4.5 bits a number.
    Iq4Nl,
    /// The same in blocks of 256 with scales of 6 bits for 32 numbers; 4.25 bits a number.
    Iq4Xs,
}

impl BlockFormat {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Iq4Xs,
    ];

    /// The name in lower case, as commands take it: `q4_0`, `q4_k`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Q8_0 => "q8_0",
            Self::Q2K => "q2_k",
            Self::Q3K => "q3_k",
            Self::Q4K => "q4_k",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
            Self::Iq4Nl => "iq4_nl",
            Self::Iq4Xs => "iq4_xs",
        }
    }

    /// How many numbers a block holds.
    pub fn block_len(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::Iq4Nl => small::LEN,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K | Self::Iq4Xs => large::LEN,
        }
    }

    /// The bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Q4_0 | Self::Iq4Nl => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Iq4Xs => 136,
        }
    }

    /// Whether [`quantize`](Self::quantize) writes this format; the others are only read.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0)
    }

    /// The numbers that these blocks stand for.
    ///
    /// # Panics
    /// Unless the bytes are whole blocks and `out` has as many numbers as they hold.
    pub fn dequantize(self, blocks: &[u8], out: &mut [f32]) {
        match self {
            Self::Q4_0 => expand(blocks, out, small::q4_0),
            Self::Q4_1 => expand(blocks, out, small::q4_1),
            Self::Q5_0 => expand(blocks, out, small::q5_0),
            Self::Q5_1 => expand(blocks, out, small::q5_1),
            Self::Q8_0 => expand(blocks, out, small::q8_0),
            Self::Q2K => expand(blocks, out, large::q2_k),
            Self::Q3K => expand(blocks, out, large::q3_k),
            Self::Q4K => expand(blocks, out, large::q4_k),
            Self::Q5K => expand(blocks, out, large::q5_k),
            Self::Q6K => expand(blocks, out, large::q6_k),
            Self::Iq4Nl => expand(blocks, out, small::iq4_nl),
            Self::Iq4Xs => expand(blocks, out, large::iq4_xs),
        }
    }

    /// The blocks that are nearest to these numbers by the format's usual rule: the scale reaches the largest number.
    ///
    /// # Panics
    /// Unless the numbers fill whole blocks, `out` has as many bytes as they take, and the format [is written](Self::is_written).
    pub fn quantize(self, numbers: &[f32], out: &mut [u8]) {
        match self {
            Self::Q4_0 => shrink(numbers, out, small::to_signed::<16, 18>),
            Self::Q4_1 => shrink(numbers, out, small::to_affine::<16, 20>),
            Self::Q5_0 => shrink(numbers, out, small::to_signed::<32, 22>),
            Self::Q5_1 => shrink(numbers, out, small::to_affine::<32, 24>),
            Self::Q8_0 => shrink(numbers, out, small::to_q8_0),
            other => panic!("{} is read and not written", other.name()),
        }
    }
}

/// Expands block after block.
#[inline(always)]
fn expand<const BYTES: usize, const LEN: usize>(blocks: &[u8], out: &mut [f32], one: impl Fn(&[u8; BYTES], &mut [f32; LEN])) {
    let ((blocks, rest), (out, over)) = (blocks.as_chunks(), out.as_chunks_mut());
    assert!(rest.is_empty() && over.is_empty() && blocks.len() == out.len(), "whole blocks and as many numbers as they hold");
    blocks.iter().zip(out).for_each(|(block, out)| one(block, out));
}

/// Rounds block after block.
#[inline(always)]
fn shrink<const BYTES: usize, const LEN: usize>(numbers: &[f32], out: &mut [u8], one: impl Fn(&[f32; LEN]) -> [u8; BYTES]) {
    let ((numbers, rest), (out, over)) = (numbers.as_chunks(), out.as_chunks_mut());
    assert!(rest.is_empty() && over.is_empty() && numbers.len() == out.len(), "whole blocks and as many bytes as they take");
    numbers.iter().zip(out).for_each(|(numbers, out)| *out = one(numbers));
}

/// The half-precision number at this place of a block.
#[inline(always)]
fn half(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

#[cfg(test)]
mod tests;
