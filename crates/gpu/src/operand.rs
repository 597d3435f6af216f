//! Blocks seen as arrays: element types, sizes and strides, and how kernels read them.

use monotile_kernels::shape::{Dims, Shape, Strides, count, inside, reach};

use crate::error::{GpuError, GpuResult};
use crate::pool::GpuBlock;
use crate::text::Text;

/// The most dimensions of an operand.
pub const MAX_RANK: usize = 6;

/// An element type in a device's memory. Kernels compute in f32 whatever they read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GpuType {
    /// 32 bits of IEEE 754.
    F32,
    /// The upper half of an `F32`.
    BF16,
    /// 16 bits of IEEE 754.
    F16,
    /// 32 bits with a sign. As a number of a formula it is exact up to 2²⁴.
    I32,
    /// A byte: 0 or 1.
    Bool,
}

impl GpuType {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::Bool => 1,
        }
    }

    /// What a buffer is an array of, to read one element.
    pub(crate) fn single(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I32 => "i32",
            Self::BF16 | Self::F16 | Self::Bool => "u32",
        }
    }

    /// What a buffer is an array of, to read or write four elements.
    pub(crate) fn four(self) -> &'static str {
        match self {
            Self::F32 => "vec4<f32>",
            Self::I32 => "vec4<i32>",
            Self::BF16 | Self::F16 => "vec2<u32>",
            Self::Bool => "u32",
        }
    }

    /// The expression of element `index` of an array of [`single`](Self::single)s; `index` is a name.
    pub(crate) fn read(self, array: &str, index: &str) -> String {
        match self {
            Self::F32 => format!("{array}[{index}]"),
            Self::I32 => format!("f32({array}[{index}])"),
            Self::BF16 => format!("of_bf16(({array}[{index} >> 1u] >> (({index} & 1u) * 16u)) & 0xffffu)"),
            Self::F16 => format!("of_f16(({array}[{index} >> 1u] >> (({index} & 1u) * 16u)) & 0xffffu)"),
            Self::Bool => format!("f32(({array}[{index} >> 2u] >> (({index} & 3u) * 8u)) & 0xffu)"),
        }
    }

    /// The expression of four elements of an array of [`four`](Self::four)s.
    pub(crate) fn read_four(self, array: &str, index: &str) -> String {
        let w = format!("{array}[{index}]");
        let halves =
            |f: &str| format!("vec4<f32>({f}({w}.x & 0xffffu), {f}({w}.x >> 16u), {f}({w}.y & 0xffffu), {f}({w}.y >> 16u))");
        match self {
            Self::F32 => w,
            Self::I32 => format!("vec4<f32>({w})"),
            Self::BF16 => halves("of_bf16"),
            Self::F16 => halves("of_f16"),
            Self::Bool => format!("vec4<f32>((vec4<u32>({w}) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu))"),
        }
    }

    /// The expression that [`four`](Self::four) holds for the four numbers `x`, a name.
    pub(crate) fn write_four(self, x: &str) -> String {
        let pairs = |f: &str| format!("vec2<u32>({f}({x}.x) | ({f}({x}.y) << 16u), {f}({x}.z) | ({f}({x}.w) << 16u))");
        match self {
            Self::F32 => x.to_string(),
            Self::I32 => format!("vec4<i32>({x})"),
            Self::BF16 => pairs("bf16_of"),
            Self::F16 => pairs("f16_of"),
            Self::Bool => format!("truth({x}.x) | (truth({x}.y) << 8u) | (truth({x}.z) << 16u) | (truth({x}.w) << 24u)"),
        }
    }
}

/// The functions that reads and writes of these types call.
pub(crate) fn conversions(read: &[GpuType], written: &[GpuType]) -> String {
    let mut text = Text::default();
    if read.contains(&GpuType::BF16) {
        text.line("fn of_bf16(half: u32) -> f32 { return bitcast<f32>(half << 16u); }");
    }
    if read.contains(&GpuType::F16) {
        // WGSL's `unpack2x16float` is not on every adapter, and may lose subnormal numbers.
        text.line(
            "fn of_f16(half: u32) -> f32 {
    let exponent = (half >> 10u) & 0x1fu;
    let bits = (half & 0x7fffu) << 13u;
    let normal = bitcast<f32>(bits + select(112u << 23u, 224u << 23u, exponent == 31u));
    let size = select(normal, f32(half & 0x3ffu) * 5.9604644775390625e-8, exponent == 0u);
    return select(size, -size, (half & 0x8000u) != 0u);
}",
        );
    }
    if written.contains(&GpuType::BF16) {
        // The nearest, of two the even one; NaN stays one.
        text.line(
            "fn bf16_of(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let nearest = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(nearest, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u);
}",
        );
    }
    if written.contains(&GpuType::F16) {
        // `pack2x16float` may round as it likes, and what overflows is not defined.
        text.line(
            "fn f16_of(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let sign = (bits >> 16u) & 0x8000u;
    if (size > 0x7f800000u) { return sign | 0x7e00u; }
    if (size >= 0x477ff000u) { return sign | 0x7c00u; }
    if (size >= 0x38800000u) { return sign | ((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u); }
    if (size < 0x33000000u) { return sign; }
    let mantissa = (size & 0x7fffffu) | 0x800000u;
    let shift = 126u - (size >> 23u);
    let half = 1u << (shift - 1u);
    return sign | ((mantissa + half - 1u + ((mantissa >> shift) & 1u)) >> shift);
}",
        );
    }
    if written.contains(&GpuType::Bool) {
        text.line("fn truth(x: f32) -> u32 { return select(0u, 1u, (bitcast<u32>(x) & 0x7fffffffu) != 0u); }");
    }
    text.finish()
}

/// A block seen as an array of up to six dimensions. A stride of 0 repeats elements, a negative one takes them in reverse.
#[derive(Debug, Clone)]
pub struct GpuOperand {
    block: GpuBlock,
    dtype: GpuType,
    sizes: Dims,
    strides: Strides,
    offset: usize,
}

impl GpuOperand {
    /// Elements of a block one after another.
    ///
    /// # Errors
    /// As [`strided`](Self::strided).
    pub fn contiguous(block: &GpuBlock, dtype: GpuType, sizes: &[usize]) -> GpuResult<Self> {
        let strides = Shape::new(sizes).ok_or_else(|| GpuError::limit(format!("no block has {sizes:?} elements")))?.row_major();
        Self::strided(block, dtype, sizes, &strides, 0)
    }

    /// Elements of a block by strides, which count elements as `offset` does.
    ///
    /// # Errors
    /// If there are more than six dimensions, more than 2³¹ elements, or elements outside the block.
    pub fn strided(block: &GpuBlock, dtype: GpuType, sizes: &[usize], strides: &[isize], offset: usize) -> GpuResult<Self> {
        let seen = || format!("an operand of sizes {sizes:?}, strides {strides:?} and offset {offset}");
        if sizes.len() != strides.len() || sizes.len() > MAX_RANK {
            return Err(GpuError::invalid(format!(
                "{} has not one stride a dimension, or more than {MAX_RANK} dimensions",
                seen()
            )));
        }
        let elements = Shape::new(sizes).map_or(usize::MAX, |shape| shape.elements());
        let most = 1 << 31;
        let available = usize::try_from(block.bytes()).unwrap_or(usize::MAX) / dtype.bytes();
        if elements > most || available > most {
            return Err(GpuError::limit(format!("{} is of more than 2³¹ elements, which kernels do not number", seen())));
        }
        let extent = reach(sizes.iter().copied().zip(strides.iter().copied()));
        if elements > 0 && !extent.is_some_and(|extent| inside(offset, extent, available)) {
            return Err(GpuError::invalid(format!("{} leaves its block of {available} elements", seen())));
        }
        Ok(Self { block: block.clone(), dtype, sizes: Dims::from_slice(sizes), strides: Strides::from_slice(strides), offset })
    }

    /// The block.
    pub fn block(&self) -> &GpuBlock {
        &self.block
    }

    /// The element type.
    pub fn dtype(&self) -> GpuType {
        self.dtype
    }

    /// Sizes of the dimensions.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Elements that a step along each dimension moves.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The place of the first element.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether the elements lie one after another.
    pub fn is_contiguous(&self) -> bool {
        let alone = MergedDims::new(&self.sizes, &[&self.strides]);
        matches!(alone.strides[0][..], [] | [1])
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        count(&self.sizes)
    }
}

/// Dimensions that several operands step through together, those merged that are one for all of them; sizes of 1 are left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MergedDims {
    pub sizes: Vec<usize>,
    /// For each operand its strides.
    pub strides: Vec<Vec<isize>>,
}

impl MergedDims {
    pub fn new(sizes: &[usize], strides: &[&[isize]]) -> Self {
        let mut walk = Self { sizes: Vec::new(), strides: vec![Vec::new(); strides.len()] };
        for (d, &size) in sizes.iter().enumerate().filter(|(_, size)| **size != 1) {
            let merges = !walk.sizes.is_empty()
                && strides.iter().zip(&walk.strides).all(|(of, outer)| outer.last() == Some(&(of[d].wrapping_mul(size as isize))));
            if merges {
                *walk.sizes.last_mut().expect("a dimension before") *= size;
            } else {
                walk.sizes.push(size);
            }
            for (of, kept) in strides.iter().zip(&mut walk.strides) {
                if merges {
                    *kept.last_mut().expect("a dimension before") = of[d];
                } else {
                    kept.push(of[d]);
                }
            }
        }
        walk
    }

    pub fn rank(&self) -> usize {
        self.sizes.len()
    }

    /// Whether an operand is one element.
    pub fn is_single(&self, operand: usize) -> bool {
        self.strides[operand].iter().all(|&stride| stride == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_merge_where_they_are_one_for_all() {
        let walk = MergedDims::new(&[2, 3, 1, 4], &[&[12, 4, 4, 1], &[0, 0, 9, 0]]);
        assert_eq!(walk, MergedDims { sizes: vec![24], strides: vec![vec![1], vec![0]] });
        assert!(walk.is_single(1) && !walk.is_single(0));
        let walk = MergedDims::new(&[2, 3, 4], &[&[12, 4, 1], &[0, 4, 1]]);
        assert_eq!(walk, MergedDims { sizes: vec![2, 12], strides: vec![vec![12, 1], vec![0, 1]] });
    }
}
