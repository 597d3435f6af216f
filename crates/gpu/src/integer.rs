//! Arithmetic of integers, which f32 does not tell apart: it wraps, as the processor's does, at 32 bits.

use monotile_kernels::shape::product;

use crate::each::{EachText, each};
use crate::elementwise::copy;
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;

/// What two integers become; functions of one read the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuIntegers {
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a b
    Multiply,
    /// The larger one.
    Maximum,
    /// The smaller one.
    Minimum,
    /// −a
    Negate,
    /// |a|
    Absolute,
    /// −1, 0 or 1.
    Sign,
    /// What is left of a division that is rounded down; 0 of one by 0, as in the next two.
    Remainder,
    /// What is left of a division that is rounded towards 0.
    Fmod,
    /// a / b, rounded down.
    FloorDivide,
}

/// The text of a function by its expression of a, b and what is left of a / b.
macro_rules! result {
    ($expression:literal) => {
        concat!(
            "    let a = a0[w1() + at];
    let b = a1[w2() + at];
    let left = left_of(a, b);
    let uneven = left != 0 && (left < 0) != (b < 0);
    y0[at] = ",
            $expression,
            ";"
        )
    };
}

impl GpuIntegers {
    fn body(self) -> &'static str {
        match self {
            Self::Add => result!("a + b"),
            Self::Subtract => result!("a - b"),
            Self::Multiply => result!("a * b"),
            Self::Maximum => result!("max(a, b)"),
            Self::Minimum => result!("min(a, b)"),
            Self::Negate => result!("-a"),
            Self::Absolute => result!("abs(a)"),
            Self::Sign => result!("sign(a)"),
            Self::Remainder => result!("select(left, left + b, uneven)"),
            Self::Fmod => result!("left"),
            Self::FloorDivide => result!("select(0, quotient(a, b) - select(0, 1, uneven), b != 0)"),
        }
    }
}

/// A function of the integers of two operands of type `I32` and the same sizes: a contiguous block of that type.
///
/// # Errors
/// If the sizes differ, or a type is another.
pub fn combine_integers(stream: &GpuStream, function: GpuIntegers, a: &GpuOperand, b: &GpuOperand) -> GpuResult<GpuBlock> {
    if a.sizes() != b.sizes() || [a.dtype(), b.dtype()] != [GpuType::I32; 2] {
        let seen = [a, b].map(|x| format!("{:?} of sizes {:?}", x.dtype(), x.sizes())).join(" and ");
        return Err(GpuError::invalid(format!("combine_integers: {seen} are not I32 of the same sizes")));
    }
    let [a, b] = [a, b].map(|x| in_order(stream, x));
    let (a, b) = (a?, b?);
    let inputs = [a.block(), b.block()];
    let result = stream.pool().take(product([4, a.elements()]) as u64, &inputs)?;
    let numbers = [a.elements() as u32, a.offset() as u32, b.offset() as u32];
    each(stream, ("combine_integers", vec![function as u64]), [&inputs, &[&result]], &numbers, text(function))?;
    Ok(result)
}

fn text(function: GpuIntegers) -> EachText {
    // The lowest integer by −1 leaves it: the quotient wraps, and nothing is left.
    let globals = "
fn safe(b: i32) -> i32 { return select(b, 1, b == 0 || b == -1); }
fn left_of(a: i32, b: i32) -> i32 { return select(a % safe(b), 0, b == 0 || b == -1); }
fn quotient(a: i32, b: i32) -> i32 { return select(a / safe(b), -a, b == -1); }";
    EachText { inputs: &["i32"; 2], outputs: &["i32"], globals: globals.to_owned(), body: function.body() }
}

/// An operand in row-major order.
fn in_order(stream: &GpuStream, x: &GpuOperand) -> GpuResult<GpuOperand> {
    match x.is_contiguous() {
        true => Ok(x.clone()),
        false => GpuOperand::contiguous(&copy(stream, x, GpuType::I32)?, GpuType::I32, x.sizes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Gpu, GpuOptions};
    use crate::error::GpuErrorKind;
    use crate::kernel::validate;

    /// A function, and Rust's own.
    type Pair = (GpuIntegers, fn(i32, i32) -> i32);

    const ALL: [Pair; 11] = [
        (GpuIntegers::Add, i32::wrapping_add),
        (GpuIntegers::Subtract, i32::wrapping_sub),
        (GpuIntegers::Multiply, i32::wrapping_mul),
        (GpuIntegers::Maximum, |a, b| a.max(b)),
        (GpuIntegers::Minimum, |a, b| a.min(b)),
        (GpuIntegers::Negate, |a, _| a.wrapping_neg()),
        (GpuIntegers::Absolute, |a, _| a.wrapping_abs()),
        (GpuIntegers::Sign, |a, _| a.signum()),
        (GpuIntegers::Remainder, |a, b| if b == 0 { 0 } else { a.wrapping_sub(floor(a, b).wrapping_mul(b)) }),
        (GpuIntegers::Fmod, |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) }),
        (GpuIntegers::FloorDivide, floor),
    ];

    fn floor(a: i32, b: i32) -> i32 {
        if b == 0 { 0 } else { i64::from(a).div_euclid(i64::from(b)) as i32 - i32::from(b < 0 && a.wrapping_rem(b) != 0) }
    }

    #[test]
    fn every_function_is_that_of_rust() {
        ALL.iter().for_each(|(function, _)| validate(&text(*function).text(3)));
        let gpu = match Gpu::open(&GpuOptions::default()) {
            Err(error) if error.kind == GpuErrorKind::NoAdapter => return eprintln!("skipped: no adapter"),
            opened => opened.unwrap(),
        };
        let stream = GpuStream::new(&gpu);
        let all = [i32::MIN, i32::MIN + 1, -70_001, -7, -1, 0, 1, 3, 8, 46_341, (1 << 24) + 1, i32::MAX];
        let pairs: Vec<[i32; 2]> = all.iter().flat_map(|&a| all.map(|b| [a, b])).collect();
        let operand = |k: usize| {
            let block = stream.upload(bytemuck::cast_slice(&pairs)).unwrap();
            GpuOperand::strided(&block, GpuType::I32, &[pairs.len()], &[2], k).unwrap()
        };
        for (function, expected) in ALL {
            let found = combine_integers(&stream, function, &operand(0), &operand(1)).unwrap();
            let found: Vec<i32> = bytemuck::pod_collect_to_vec(&stream.read_blocking(&found).unwrap());
            for (found, [a, b]) in found.into_iter().zip(&pairs) {
                assert_eq!(found, expected(*a, *b), "{function:?} of {a} and {b}");
            }
        }
        let real = GpuOperand::contiguous(operand(0).block(), GpuType::F32, &[4]).unwrap();
        let words = combine_integers(&stream, GpuIntegers::Add, &real, &real).unwrap_err().message;
        assert!(words.starts_with("combine_integers: F32 of sizes [4] and F32"), "{words}");
    }
}
