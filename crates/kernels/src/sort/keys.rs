//! Numbers as unsigned integers of the same order.

use half::{bf16, f16};

use crate::real::{BoolByte, Element};

/// An unsigned integer that a number becomes.
pub trait KeyBits: Copy + Ord + Send + Sync + std::ops::BitXor<Output = Self> + 'static {
    /// How many bits there are.
    const BITS: u32;
    /// All bits set.
    const ONES: Self;
    /// No bit set.
    const NONE: Self;
    /// The same integer.
    fn wide(self) -> u64;
    /// The integer of the lowest bits.
    fn narrow(wide: u64) -> Self;
}

/// A number with an order: that of its keys. NaN comes last, whatever its bits, and -0 equals 0.
pub trait SortKey: Element {
    /// The type of the keys.
    type Bits: KeyBits;

    /// The key: a < b where a's key is less than b's.
    fn key(self) -> Self::Bits;
    /// The number of a key; `None` where several have it.
    fn of_key(key: Self::Bits) -> Option<Self>;
}

macro_rules! bits {
    ($($type:ty),*) => {$(
        impl KeyBits for $type {
            const BITS: u32 = <$type>::BITS;
            const ONES: Self = <$type>::MAX;
            const NONE: Self = 0;
            #[inline(always)]
            fn wide(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn narrow(wide: u64) -> Self {
                wide as Self
            }
        }
    )*};
}
bits!(u8, u16, u32, u64);

macro_rules! float {
    ($($type:ty, $bits:ty, $signed:ty;)*) => {$(
        impl SortKey for $type {
            type Bits = $bits;
            #[inline(always)]
            fn key(self) -> $bits {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                // Everything above the bits of infinity is NaN.
                const INFINITY: $bits = <$type>::INFINITY.to_bits();
                let bits = self.to_bits();
                let size = bits & !SIGN;
                // The numbers below zero in reverse; -0, which has no size, as 0.
                let below = ((bits as $signed) >> (<$bits>::BITS - 1)) as $bits;
                let key = (size ^ below).wrapping_sub(below) ^ SIGN;
                if size > INFINITY { <$bits>::MAX } else { key }
            }
            #[inline(always)]
            fn of_key(key: $bits) -> Option<Self> {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let bits = if key > SIGN { key ^ SIGN } else { (SIGN - key) | SIGN };
                (key != SIGN && key != <$bits>::MAX).then(|| <$type>::from_bits(bits))
            }
        }
    )*};
}
float! {
    f32, u32, i32;
    f64, u64, i64;
    bf16, u16, i16;
    f16, u16, i16;
}

impl SortKey for i64 {
    type Bits = u64;
    #[inline(always)]
    fn key(self) -> u64 {
        self as u64 ^ 1 << 63
    }
    #[inline(always)]
    fn of_key(key: u64) -> Option<Self> {
        Some((key ^ 1 << 63) as i64)
    }
}

impl SortKey for BoolByte {
    type Bits = u8;
    #[inline(always)]
    fn key(self) -> u8 {
        u8::from(self.get())
    }
    #[inline(always)]
    fn of_key(key: u8) -> Option<Self> {
        Some((key != 0).into())
    }
}

/// A key above a place: integers whose order is that of the keys, and of the places where keys are equal.
pub trait KeyedPlace: bytemuck::Pod + Ord + Send + Sync {
    /// How many numbers of 64 bits hold it.
    const WORDS: usize;
    /// The key above the place.
    fn new(key: u64, place: usize) -> Self;
    /// The key.
    fn key(self) -> u64;
    /// The place.
    fn place(self) -> usize;
}

impl KeyedPlace for u64 {
    const WORDS: usize = 1;
    #[inline(always)]
    fn new(key: u64, place: usize) -> Self {
        key << 32 | place as u64
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self >> 32
    }
    #[inline(always)]
    fn place(self) -> usize {
        self as u32 as usize
    }
}

impl KeyedPlace for u128 {
    const WORDS: usize = 2;
    #[inline(always)]
    fn new(key: u64, place: usize) -> Self {
        u128::from(key) << 64 | place as u128
    }
    #[inline(always)]
    fn key(self) -> u64 {
        (self >> 64) as u64
    }
    #[inline(always)]
    fn place(self) -> usize {
        self as u64 as usize
    }
}

/// Whether a key of `T` and a place among `n` fit 64 bits.
pub fn fit_in_64_bits<T: SortKey>(n: usize) -> bool {
    T::Bits::BITS <= 32 && n as u64 <= 1 << 32
}

/// What turns an order around: all bits for descending keys.
pub fn mask<T: SortKey>(descending: bool) -> T::Bits {
    if descending { T::Bits::ONES } else { T::Bits::NONE }
}
