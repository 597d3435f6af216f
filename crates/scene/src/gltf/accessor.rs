//! Numbers out of buffers: every component type, normalized or not, strided, sparse.

use monotile::{Error, Result};

use super::source::Source;
use super::{fault, json, pick};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    I8,
    U8,
    I16,
    U16,
    U32,
    F32,
}

impl Component {
    fn from_code(code: json::Whole) -> Result<Self> {
        Ok(match code.0 {
            5120 => Self::I8,
            5121 => Self::U8,
            5122 => Self::I16,
            5123 => Self::U16,
            5125 => Self::U32,
            5126 => Self::F32,
            other => return Err(fault(format!("component type {other}, which glTF does not have"))),
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    /// The number in these bytes; a normalized integer stands for a fraction.
    fn float(self, bytes: &[u8], normalized: bool) -> f32 {
        let (value, largest) = match self {
            Self::F32 => return f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Self::I8 => (f32::from(bytes[0] as i8), 127.0),
            Self::U8 => (f32::from(bytes[0]), 255.0),
            Self::I16 => (f32::from(i16::from_le_bytes([bytes[0], bytes[1]])), 32767.0),
            Self::U16 => (f32::from(u16::from_le_bytes([bytes[0], bytes[1]])), 65535.0),
            Self::U32 => (self.integer(bytes) as f32, u32::MAX as f32),
        };
        if normalized { (value / largest).max(-1.0) } else { value }
    }

    fn integer(self, bytes: &[u8]) -> u32 {
        match self {
            Self::U8 => u32::from(bytes[0]),
            Self::U16 => u32::from(u16::from_le_bytes([bytes[0], bytes[1]])),
            _ => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        }
    }
}

/// `count` elements of `width` components each, `stride` bytes apart.
struct Elements<'a> {
    bytes: &'a [u8],
    stride: usize,
    count: usize,
    component: Component,
    width: usize,
}

impl<'a> Elements<'a> {
    /// The elements from `offset` in a buffer view, all of which are in it.
    fn new(
        view: (&'a [u8], Option<usize>),
        offset: Option<json::Whole>,
        count: u64,
        component: Component,
        width: usize,
    ) -> Result<Self> {
        let (bytes, stride) = view;
        let size = component.size() * width;
        let stride = stride.unwrap_or(size);
        let offset = offset.map_or(0, |o| o.0);
        let fits = || {
            let last = count.checked_sub(1)?.checked_mul(stride as u64)?;
            let end = last.checked_add(size as u64)?.checked_add(offset)?;
            (end <= bytes.len() as u64).then_some(())
        };
        if stride < size {
            return Err(fault(format!("elements of {size} bytes overlap at a stride of {stride}")));
        }
        if count > 0 && fits().is_none() {
            return Err(fault(format!(
                "{count} elements of {size} bytes from {offset} are not in the buffer view, which has {} bytes",
                bytes.len()
            )));
        }
        let bytes = if count == 0 { &[] } else { bytes.get(json::Whole(offset).get()..).unwrap_or_default() };
        Ok(Self { bytes, stride, count: json::Whole(count).get(), component, width })
    }

    fn element(&self, i: usize) -> &'a [u8] {
        &self.bytes[i * self.stride..][..self.component.size() * self.width]
    }
}

/// What an accessor's numbers are used as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// As the file says.
    Value,
    /// Integers are fractions, whether the file says so or not: colours and weights have no other meaning.
    Fraction,
}

impl Source<'_> {
    /// Vectors of N numbers, all finite.
    pub fn floats<const N: usize>(&self, index: json::Whole, used: Use) -> Result<Vec<[f32; N]>> {
        let out = self.any_floats(index, used)?;
        match out.iter().position(|v: &[f32; N]| !v.iter().all(|x| x.is_finite())) {
            None => Ok(out),
            Some(at) => {
                Err(fault(format!("element {at} is not finite: {:?}", out[at])).with_context(format!("accessor {}", index.0)))
            }
        }
    }

    /// Vectors of N numbers, of which some may be infinite or none at all.
    pub fn any_floats<const N: usize>(&self, index: json::Whole, used: Use) -> Result<Vec<[f32; N]>> {
        let accessor = pick(&self.root.accessors, index, "accessor")?;
        let within = |e: Error| e.with_context(format!("accessor {}", index.0));
        let component = Component::from_code(accessor.component_type).map_err(within)?;
        let mut out = Vec::new();
        let normalized = accessor.normalized || used == Use::Fraction;
        let put = |out: &mut [f32; N], bytes: &[u8]| {
            for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(component.size())) {
                *out = component.float(bytes, normalized);
            }
        };
        self.elements(accessor, component, &mut out, put).map_err(within)?;
        Ok(out)
    }

    /// Vectors of N numbers that are not negative, and whole.
    pub fn integers<const N: usize>(&self, index: json::Whole) -> Result<Vec<[u32; N]>> {
        let accessor = pick(&self.root.accessors, index, "accessor")?;
        let within = |e: Error| e.with_context(format!("accessor {}", index.0));
        let component = Component::from_code(accessor.component_type).map_err(within)?;
        if !matches!(component, Component::U8 | Component::U16 | Component::U32) {
            return Err(within(fault(format!("component type {}, where indices are unsigned", accessor.component_type.0))));
        }
        let mut out = Vec::new();
        let put = |out: &mut [u32; N], bytes: &[u8]| {
            for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(component.size())) {
                *out = component.integer(bytes);
            }
        };
        self.elements(accessor, component, &mut out, put).map_err(within)?;
        Ok(out)
    }

    /// All elements, then those that a sparse accessor replaces.
    fn elements<T: Copy + Default, const N: usize>(
        &self,
        accessor: &json::Accessor,
        component: Component,
        out: &mut Vec<[T; N]>,
        put: impl Fn(&mut [T; N], &[u8]),
    ) -> Result<()> {
        let found = match accessor.shape.as_str() {
            "SCALAR" => 1,
            "VEC2" => 2,
            "VEC3" => 3,
            "VEC4" | "MAT2" => 4,
            "MAT3" => 9,
            "MAT4" => 16,
            other => return Err(fault(format!("type {}, which glTF does not have", super::uri::quoted(other)))),
        };
        if found != N {
            return Err(fault(format!("type {}, where {N} numbers are needed", accessor.shape)));
        }
        let count = accessor.count.0;
        self.spend(count, size_of::<[T; N]>())?;
        match accessor.buffer_view {
            Some(view) => {
                let elements = Elements::new(self.view(view)?, accessor.byte_offset, count, component, N)?;
                out.resize(elements.count, [T::default(); N]);
                for (i, out) in out.iter_mut().enumerate() {
                    put(out, elements.element(i));
                }
            }
            // Zeros cost a file nothing, so they may be as many as what it does hold.
            None if count.saturating_mul((component.size() * N) as u64) > self.bytes() => {
                return Err(fault(format!("{count} elements without a buffer view, in a file of {} bytes", self.bytes())));
            }
            None => out.resize(json::Whole(count).get(), [T::default(); N]),
        }
        match &accessor.sparse {
            Some(sparse) => self.replace(sparse, component, out, put).map_err(|e| e.with_context("its sparse part")),
            None => Ok(()),
        }
    }

    fn replace<T, const N: usize>(
        &self,
        sparse: &json::Sparse,
        component: Component,
        out: &mut [[T; N]],
        put: impl Fn(&mut [T; N], &[u8]),
    ) -> Result<()> {
        let (indices, values) = (&sparse.indices, &sparse.values);
        if sparse.count.0 > out.len() as u64 {
            return Err(fault(format!("it replaces {} elements of {}", sparse.count.0, out.len())));
        }
        let kind = Component::from_code(indices.component_type)?;
        if !matches!(kind, Component::U8 | Component::U16 | Component::U32) {
            return Err(fault(format!("component type {}, where indices are unsigned", indices.component_type.0)));
        }
        let indices = Elements::new(self.view(indices.buffer_view)?, indices.byte_offset, sparse.count.0, kind, 1)?;
        let values = Elements::new(self.view(values.buffer_view)?, values.byte_offset, sparse.count.0, component, N)?;
        for i in 0..indices.count {
            let at = kind.integer(indices.element(i));
            let count = out.len();
            let Some(out) = out.get_mut(json::Whole(at.into()).get()) else {
                return Err(fault(format!("it replaces element {at} of {count}")));
            };
            put(out, values.element(i));
        }
        Ok(())
    }
}
