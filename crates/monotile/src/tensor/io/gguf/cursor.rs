//! A place in the header of a mapped file, which moves on as it is read and never leaves it.

use std::sync::Arc;

use monotile_kernels::buffer::Mapping;

use super::value::{GgufArray, GgufValue, ValueKind};
use crate::limits;

/// How deep arrays may lie in arrays.
const DEPTH: usize = 4;

pub(super) struct Cursor<'a> {
    map: &'a Arc<Mapping>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(map: &'a Arc<Mapping>) -> Self {
        Self { map, at: 0 }
    }

    /// A place in the middle, where a value begins that was read before.
    pub fn from(map: &'a Arc<Mapping>, at: usize) -> Self {
        Self { map, at }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let bytes = self.at.checked_add(n).and_then(|end| self.map.bytes().get(self.at..end));
        let Some(bytes) = bytes else {
            return Err(format!("offset {}: {n} bytes are missing at the end; the file is truncated, or a length lies", self.at));
        };
        self.at += n;
        limits::HEADER.admit("its header", self.at as u64).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(*self.take(N)?.first_chunk().expect("as many as were taken"))
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count that memory can have.
    pub fn size(&mut self) -> Result<usize, String> {
        let at = self.at;
        let size = self.u64()?;
        usize::try_from(size).map_err(|_| format!("offset {at}: {size} is more than memory can hold"))
    }

    pub fn string(&mut self) -> Result<String, String> {
        let length = self.size()?;
        let at = self.at;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_string).map_err(|_| format!("offset {at}: a string is not UTF-8"))
    }

    /// A kind and a value of it.
    pub fn value(&mut self) -> Result<GgufValue, String> {
        let kind = self.kind()?;
        self.value_of(kind, 0)
    }

    fn kind(&mut self) -> Result<ValueKind, String> {
        let at = self.at;
        let number = self.u32()?;
        ValueKind::new(number).ok_or_else(|| format!("offset {at}: {number} is no kind of value; 0 to 12 are"))
    }

    /// A value of this kind, inside so many arrays.
    pub fn value_of(&mut self, kind: ValueKind, depth: usize) -> Result<GgufValue, String> {
        Ok(match kind {
            ValueKind::U8 => GgufValue::U8(self.array::<1>()?[0]),
            ValueKind::I8 => GgufValue::I8(i8::from_le_bytes(self.array()?)),
            ValueKind::U16 => GgufValue::U16(u16::from_le_bytes(self.array()?)),
            ValueKind::I16 => GgufValue::I16(i16::from_le_bytes(self.array()?)),
            ValueKind::U32 => GgufValue::U32(self.u32()?),
            ValueKind::I32 => GgufValue::I32(i32::from_le_bytes(self.array()?)),
            ValueKind::F32 => GgufValue::F32(f32::from_le_bytes(self.array()?)),
            ValueKind::Bool => match self.array()? {
                [0] => GgufValue::Bool(false),
                [1] => GgufValue::Bool(true),
                [other] => return Err(format!("offset {}: {other} is neither false nor true", self.at - 1)),
            },
            ValueKind::String => GgufValue::String(self.string()?),
            ValueKind::Array => GgufValue::Array(self.items(depth)?),
            ValueKind::U64 => GgufValue::U64(self.u64()?),
            ValueKind::I64 => GgufValue::I64(i64::from_le_bytes(self.array()?)),
            ValueKind::F64 => GgufValue::F64(f64::from_le_bytes(self.array()?)),
        })
    }

    /// The array that begins here: every item is read once, and none is kept.
    fn items(&mut self, depth: usize) -> Result<GgufArray, String> {
        if depth == DEPTH {
            return Err(format!("offset {}: arrays lie more than {DEPTH} deep in each other", self.at));
        }
        let (kind, len) = (self.kind()?, self.size()?);
        let start = self.at;
        match kind.width() {
            Some(width) => {
                let bytes = len.checked_mul(width).ok_or_else(|| format!("offset {start}: {len} items leave the file"))?;
                let bytes = self.take(bytes)?;
                if kind == ValueKind::Bool && bytes.iter().any(|&byte| byte > 1) {
                    return Err(format!("offset {start}: an item is neither false nor true"));
                }
            }
            None => {
                for _ in 0..len {
                    self.value_of(kind, depth + 1)?;
                }
            }
        }
        Ok(GgufArray::new(Arc::clone(self.map), start, kind, len))
    }
}
