//! Tensors and element types in the formats of serde.
//!
//! A tensor is a structure of three fields: `dtype`, a name; `shape`, a list of sizes; and `data`, the elements in row-major order as
//! little-endian bytes. Formats for people to read, as JSON is, have the bytes in base64: numbers in decimal would lose NaN, infinities
//! and, with some readers, last bits.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use monotile_kernels::blocks::BlockFormat;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeStruct, Serializer};

use crate::error::Result;
use crate::tensor::io::{check_bytes, read_elements, with_bytes};
use crate::tensor::{DType, Tensor};
use crate::text::printable;
use crate::{limits, memory};

const FIELDS: [&str; 3] = ["dtype", "shape", "data"];

/// The name, as [`DType::name`] gives it.
impl Serialize for DType {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A name, as [`DType::name`] gives it.
impl<'de> Deserialize<'de> for DType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = DType;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an element type, as \"f32\"")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<DType, E> {
                let unknown = || {
                    let names = DType::ALL.map(DType::name).join(", ");
                    E::custom(format!("dtype: {} is no element type; there are {names}", printable(name)))
                };
                let blocks = BlockFormat::ALL.into_iter().map(DType::Quantized);
                DType::ALL.into_iter().chain(blocks).find(|dtype| dtype.name() == name).ok_or_else(unknown)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// A structure of `dtype`, `shape` and `data`: the elements in row-major order as little-endian bytes, in base64 where the format is for
/// people to read. What the tape knows of the tensor is not kept.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// let x = Tensor::from([[1_u8, 2, 3], [4, 5, 6]]);
/// let text = serde_json::to_string(&x).unwrap();
/// assert_eq!(text, r#"{"dtype":"u8","shape":[2,3],"data":"AQIDBAUG"}"#);
/// let back: Tensor = serde_json::from_str(&text).unwrap();
/// assert_eq!((back.shape(), back.to_vec::<u8>()?), (x.shape(), x.to_vec::<u8>()?));
/// # Ok::<(), monotile::Error>(())
/// ```
impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let readable = serializer.is_human_readable();
        let written = with_bytes(self, |bytes| {
            let mut fields = serializer.serialize_struct("Tensor", FIELDS.len())?;
            fields.serialize_field("dtype", &self.dtype())?;
            fields.serialize_field("shape", self.shape())?;
            fields.serialize_field("data", &Bytes { bytes, readable })?;
            fields.end()
        });
        written.map_err(S::Error::custom)?
    }
}

/// Elements on their way out.
struct Bytes<'a> {
    bytes: &'a [u8],
    readable: bool,
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if self.readable {
            return serializer.collect_str(&Base64Display::new(self.bytes, &STANDARD));
        }
        serializer.serialize_bytes(self.bytes)
    }
}

/// What a tensor was written as. No memory is taken for more elements than there are bytes for, and no more than 64 dimensions are read,
/// which is the limit `rank`.
impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_struct("Tensor", &FIELDS, TensorVisitor)
    }
}

struct TensorVisitor;

impl<'de> Visitor<'de> for TensorVisitor {
    type Value = Tensor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor: dtype, shape and data")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> std::result::Result<Tensor, A::Error> {
        let lacks = |i: usize| A::Error::invalid_length(i, &self);
        let dtype = fields.next_element()?.ok_or_else(|| lacks(0))?;
        let Sizes(shape) = fields.next_element()?.ok_or_else(|| lacks(1))?;
        let data: Data<'de> = fields.next_element()?.ok_or_else(|| lacks(2))?;
        data.tensor(&shape, dtype).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Tensor, A::Error> {
        /// Takes the value of a field that is there once.
        fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
            to: &mut Option<T>,
            name: &'static str,
            fields: &mut A,
        ) -> std::result::Result<(), A::Error> {
            if to.replace(fields.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(name));
            }
            Ok(())
        }
        let (mut dtype, mut shape, mut data) = (None, None::<Sizes>, None::<Data<'de>>);
        while let Some(Field(name)) = fields.next_key()? {
            match name {
                0 => once(&mut dtype, "dtype", &mut fields)?,
                1 => once(&mut shape, "shape", &mut fields)?,
                _ => once(&mut data, "data", &mut fields)?,
            }
        }
        let lacks = A::Error::missing_field;
        let dtype = dtype.ok_or_else(|| lacks("dtype"))?;
        let Sizes(shape) = shape.ok_or_else(|| lacks("shape"))?;
        data.ok_or_else(|| lacks("data"))?.tensor(&shape, dtype).map_err(A::Error::custom)
    }
}

/// The place of a name in [`FIELDS`].
struct Field(usize);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("dtype, shape or data")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<Field, E> {
                FIELDS.iter().position(|field| *field == name).map(Field).ok_or_else(|| E::unknown_field(name, &FIELDS))
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

/// As many sizes as the limit `rank` admits.
struct Sizes(Vec<usize>);

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Sizes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of sizes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sizes: A) -> std::result::Result<Sizes, A::Error> {
                let mut shape = Vec::new();
                while let Some(size) = sizes.next_element()? {
                    shape.push(size);
                    limits::RANK.admit("a tensor", shape.len() as u64).map_err(A::Error::custom)?;
                }
                Ok(Sizes(shape))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Elements on their way in, where they lie if the format lends them.
enum Data<'de> {
    Bytes(Cow<'de, [u8]>),
    Base64(Cow<'de, str>),
}

impl Data<'_> {
    fn tensor(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let text = match self {
            Self::Bytes(bytes) => return read_elements(bytes, shape, dtype),
            Self::Base64(text) => text.as_bytes(),
        };
        // Four letters are three bytes, the last ones less those that are padding.
        let padding = text.iter().rev().take(2).take_while(|letter| **letter == b'=').count();
        let len = (text.len() / 4 * 3).saturating_sub(padding);
        check_bytes("data", len, shape, dtype)?;
        let mut bytes = memory::filled(len, 0, "data")?;
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(written) => read_elements(&bytes[..written], shape, dtype),
            Err(error) => Err(crate::Error::value(format!("data: is not base64: {error}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Data<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Data<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("elements: bytes, or base64 in text")
            }
            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> std::result::Result<Data<'de>, E> {
                Ok(Data::Bytes(bytes.into()))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<Data<'de>, E> {
                Ok(Data::Bytes(bytes.to_vec().into()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> std::result::Result<Data<'de>, E> {
                Ok(Data::Bytes(bytes.into()))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Data<'de>, E> {
                Ok(Data::Base64(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> std::result::Result<Data<'de>, E> {
                Ok(Data::Base64(text.to_string().into()))
            }
            fn visit_string<E>(self, text: String) -> std::result::Result<Data<'de>, E> {
                Ok(Data::Base64(text.into()))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Elements)
        } else {
            deserializer.deserialize_bytes(Elements)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_reader, from_str, from_value, to_string, to_value};

    use super::*;

    /// Tensors of every type, with numbers that decimals do not hold; a view, a number and none.
    fn tensors() -> Vec<Tensor> {
        let x = Tensor::from([[0.1, f64::NAN, -0.0], [f64::INFINITY, f64::NEG_INFINITY, 200.0]]);
        let mut all: Vec<Tensor> = DType::ALL.iter().map(|&dtype| x.to_dtype(dtype).unwrap()).collect();
        all.push(Tensor::linspace(-1.0, 1.0, 64, DType::Quantized(BlockFormat::Q5_1)).unwrap());
        all.extend([x.mt(), Tensor::scalar(i64::MIN), Tensor::zeros(&[3, 0], DType::I32).unwrap(), x.requires_grad()]);
        all
    }

    fn bytes(x: &Tensor) -> Vec<u8> {
        with_bytes(x, <[u8]>::to_vec).unwrap()
    }

    fn assert_same(x: &Tensor, back: &Tensor) {
        assert_eq!((back.dtype(), back.shape(), bytes(back)), (x.dtype(), x.shape(), bytes(x)));
        assert!(!back.is_recorded());
    }

    #[test]
    fn every_bit_comes_back_from_text_and_from_bytes() {
        for x in tensors() {
            let text = to_string(&x).unwrap();
            assert_same(&x, &from_str(&text).unwrap());
            assert_same(&x, &from_reader(text.as_bytes()).unwrap());
            assert_same(&x, &from_value(to_value(&x).unwrap()).unwrap());
            let packed = postcard::to_allocvec(&x).unwrap();
            assert_same(&x, &postcard::from_bytes(&packed).unwrap());
        }
    }

    /// `np.frombuffer(base64.b64decode("AACAPwAAAMA="), "<f4")` is [1, -2]; the binary format has a length before each part.
    #[test]
    fn what_is_written_is_what_others_read() {
        let x = Tensor::from([1.0_f32, -2.0]);
        assert_eq!(to_string(&x).unwrap(), r#"{"dtype":"f32","shape":[2],"data":"AACAPwAAAMA="}"#);
        let parts = [&[3][..], b"f32", &[1, 2], &[8, 0, 0, 128, 63, 0, 0, 0, 192]].concat();
        assert_eq!(postcard::to_allocvec(&x).unwrap(), parts);
        let exchanged = from_str(r#"{"data":"AACAPwAAAMA=","shape":[1,2],"dtype":"f32"}"#).unwrap();
        assert_same(&x.reshape(&[1, 2]).unwrap(), &exchanged);
        assert_eq!(to_string(&DType::ALL).unwrap(), r#"["f32","f64","bf16","f16","i64","i32","u8","bool"]"#);
    }

    #[test]
    fn structures_with_tensors_in_them_are_derived() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Layer {
            weight: Tensor,
            kept_as: DType,
        }
        let layer = Layer { weight: Tensor::from([[1.0_f32], [2.0]]), kept_as: DType::BF16 };
        let back: Layer = from_str(&to_string(&layer).unwrap()).unwrap();
        assert_same(&layer.weight, &back.weight);
        assert_eq!(back.kept_as, DType::BF16);
    }

    #[test]
    fn text_that_lies_is_refused_before_memory_is_taken() {
        let words = |text: &str| from_str::<Tensor>(text).err().unwrap().to_string();
        let of = |dtype: &str, shape: &str, data: &str| {
            let text = words(&format!(r#"{{"dtype":"{dtype}","shape":{shape},"data":"{data}"}}"#));
            text.split(" at line ").next().unwrap().to_string()
        };
        assert_eq!(of("f32", "[3]", "AACAPwAAAMA="), "data: shape [3] of f32 takes 12 bytes, got 8");
        assert_eq!(of("u8", "[1099511627776]", "AA=="), "data: shape [1099511627776] of u8 takes 1099511627776 bytes, got 1");
        assert_eq!(
            of("f64", "[18446744073709551615,2]", "AA=="),
            "data: shape [18446744073709551615, 2] has more elements than memory has bytes"
        );
        assert_eq!(of("u8", "[3]", "A*=="), "data: shape [3] of u8 takes 3 bytes, got 1");
        assert!(of("u8", "[3]", "A*ID").starts_with("data: is not base64: "));
        assert!(of("u8", "[1]", "AR==").starts_with("data: is not base64: "), "bits beyond the last byte");
        assert!(of("u8", "[0]", "==").starts_with("data: is not base64: "));
        assert!(of("u8", "[3]", "AQIDB").starts_with("data: is not base64: "));
        assert_eq!(of("f8", "[1]", "AA=="), "dtype: f8 is no element type; there are f32, f64, bf16, f16, i64, i32, u8, bool");
        assert!(of("u8", "[-1]", "").starts_with("invalid value: integer `-1`"));
        assert_eq!(
            of("u8", &format!("[{}1]", "1,".repeat(64)), "AA=="),
            "a tensor: asks for 65 dimensions, and the limit \"rank\" is 64"
        );
        assert!(words(r#"{"dtype":"u8","shape":[0]}"#).starts_with("missing field `data`"));
        assert!(words(r#"{"dtype":"u8","dtype":"u8"}"#).starts_with("duplicate field `dtype`"));
        assert!(words(r#"{"type":"u8"}"#).starts_with("unknown field `type`"));
        assert!(words("[1, 2]").starts_with("invalid type: integer `1`, expected the name of an element type"));
        assert!(words(r#"["u8", [1]]"#).starts_with("invalid length 2, expected a tensor: dtype, shape and data"));
    }

    #[test]
    fn bytes_that_lie_are_refused() {
        let whole = postcard::to_allocvec(&Tensor::from([1.0_f32, -2.0])).unwrap();
        assert!((0..whole.len()).all(|n| postcard::from_bytes::<Tensor>(&whole[..n]).is_err()));
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut edited = whole.clone();
                edited[at] = value;
                // A number may have become another one; nothing else may.
                let read = postcard::from_bytes::<Tensor>(&edited);
                assert!(read.is_err() || at >= 7 || edited == whole, "byte {at} as {value}");
            }
        }
        // Sizes of 2⁶³, and a list of as many.
        let huge = [&[2][..], b"u8", &[1], &[0xff; 9], &[1], &[1, 7]].concat();
        assert!(postcard::from_bytes::<Tensor>(&huge).is_err());
        let long = [&[2][..], b"u8", &[0xff; 9], &[1], &[1, 7]].concat();
        assert!(postcard::from_bytes::<Tensor>(&long).is_err());
    }
}
