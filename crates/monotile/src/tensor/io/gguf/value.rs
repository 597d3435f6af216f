//! Values of a GGUF file's metadata.

use std::fmt;
use std::sync::Arc;

use monotile_kernels::buffer::Mapping;

use super::cursor::Cursor;

/// A kind of value; its number in files is its place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueKind {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    pub fn new(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// The bytes of a value, where all have as many.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }
}

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    /// An 8-bit unsigned integer.
    U8(u8),
    /// An 8-bit signed integer.
    I8(i8),
    /// A 16-bit unsigned integer.
    U16(u16),
    /// A 16-bit signed integer.
    I16(i16),
    /// A 32-bit unsigned integer.
    U32(u32),
    /// A 32-bit signed integer.
    I32(i32),
    /// A 32-bit floating-point number.
    F32(f32),
    /// True or false.
    Bool(bool),
    /// Text.
    String(String),
    /// Values of one kind.
    Array(GgufArray),
    /// A 64-bit unsigned integer.
    U64(u64),
    /// A 64-bit signed integer.
    I64(i64),
    /// A 64-bit floating-point number.
    F64(f64),
}

impl GgufValue {
    /// The number, if it is an integer of 0 or more, whatever its width.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(x) => Some(x.into()),
            Self::U16(x) => Some(x.into()),
            Self::U32(x) => Some(x.into()),
            Self::U64(x) => Some(x),
            Self::I8(x) => x.try_into().ok(),
            Self::I16(x) => x.try_into().ok(),
            Self::I32(x) => x.try_into().ok(),
            Self::I64(x) => x.try_into().ok(),
            _ => None,
        }
    }

    /// The number, if it is a floating-point one.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(x) => Some(x.into()),
            Self::F64(x) => Some(x),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(x) = *self { Some(x) } else { None }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The array, if it is one.
    pub fn as_array(&self) -> Option<&GgufArray> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }
}

/// An array of a GGUF file's metadata, which stays in the mapped file: a vocabulary has hundreds of thousands of items.
#[derive(Clone)]
pub struct GgufArray {
    map: Arc<Mapping>,
    start: usize,
    kind: ValueKind,
    len: usize,
}

impl GgufArray {
    /// `len` values from `start`, which were read once.
    pub(super) fn new(map: Arc<Mapping>, start: usize, kind: ValueKind, len: usize) -> Self {
        Self { map, start, kind, len }
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = GgufValue> + '_ {
        let mut cursor = Cursor::from(&self.map, self.start);
        (0..self.len).map_while(move |_| cursor.value_of(self.kind, 0).ok())
    }
}

impl fmt::Debug for GgufArray {
    /// The first values, and how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values {:?}", self.len, self.iter().take(4).collect::<Vec<_>>())
    }
}

impl PartialEq for GgufArray {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.len == other.len && self.iter().eq(other.iter())
    }
}
