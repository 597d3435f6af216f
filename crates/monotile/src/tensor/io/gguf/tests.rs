use std::path::PathBuf;

use monotile_kernels::blocks::BlockFormat;

use super::*;

/// A file that is written value by value.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    /// The beginning of a file of version 3.
    fn file(tensors: u64, entries: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(entries)
    }
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    fn u32(self, x: u32) -> Self {
        self.raw(&x.to_le_bytes())
    }
    fn u64(self, x: u64) -> Self {
        self.raw(&x.to_le_bytes())
    }
    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).raw(text.as_bytes())
    }
    /// A tensor of the list: sizes innermost first, type, offset.
    fn tensor(self, name: &str, sizes: &[u64], kind: u32, offset: u64) -> Self {
        let listed = sizes.iter().fold(self.text(name).u32(sizes.len() as u32), |bytes, &n| bytes.u64(n));
        listed.u32(kind).u64(offset)
    }
    /// Zeros up to the next multiple, and so many bytes.
    fn data(mut self, bytes: usize) -> Self {
        let start = self.0.len().next_multiple_of(32);
        self.0.resize(start + bytes, 0);
        self
    }
}

/// A file of a test, which goes with it.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("monotile-gguf-{}-{name}.gguf", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn refusal(name: &str, bytes: &Bytes) -> String {
    let file = Written::new(name, &bytes.0);
    let words = GgufFile::open(&file.0).err().expect(name).to_string();
    let prefix = format!("{}: ", file.0.display());
    words.strip_prefix(&prefix).unwrap_or_else(|| panic!("{words:?} does not name the file")).to_string()
}

#[test]
fn values_and_tensors_are_found() {
    let bytes = Bytes::file(3, 6)
        .text("general.architecture")
        .u32(8)
        .text("llama")
        .text("a.float")
        .u32(6)
        .raw(&0.5_f32.to_le_bytes())
        .text("a.flag")
        .u32(7)
        .raw(&[1])
        .text("a.small")
        .u32(1)
        .raw(&[0xFF])
        .text("a.texts")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("é")
        .text("")
        .text("a.nested")
        .u32(9)
        .u32(9)
        .u64(1)
        .u32(4)
        .u64(2)
        .u32(7)
        .u32(8)
        .tensor("w", &[32, 2], 8, 64)
        .tensor("v", &[3], 0, 0)
        .tensor("none", &[0, 4], 0, 32);
    let start = bytes.0.len().next_multiple_of(32);
    let mut bytes = bytes.data(64 + 68).0;
    bytes[start..start + 12].copy_from_slice(&[1.0_f32, -2.0, 3.5].map(f32::to_le_bytes).concat());
    let w = start + 64;
    bytes[w..w + 2].copy_from_slice(&half::f16::from_f32(0.5).to_le_bytes());
    bytes[w + 2] = (-3_i8) as u8;
    bytes[w + 33] = 127;
    let written = Written::new("found", &bytes);
    let file = GgufFile::open(&written.0).unwrap();
    assert_eq!(file.version(), 3);
    let value = |key: &str| file.metadata(key).unwrap().clone();
    assert_eq!(value("general.architecture").as_str(), Some("llama"));
    assert_eq!((value("a.float").as_f64(), value("a.flag").as_bool(), value("a.small").as_u64()), (Some(0.5), Some(true), None));
    let texts: Vec<GgufValue> = value("a.texts").as_array().unwrap().iter().collect();
    assert_eq!(texts, [GgufValue::String("é".into()), GgufValue::String(String::new())]);
    let nested: Vec<GgufValue> = value("a.nested").as_array().unwrap().iter().collect();
    let inner: Vec<GgufValue> = nested[0].as_array().unwrap().iter().collect();
    assert_eq!(inner, [GgufValue::U32(7), GgufValue::U32(8)]);
    assert_eq!(file.names().collect::<Vec<_>>(), ["none", "v", "w"]);
    assert_eq!(file.tensor("v").unwrap().to_vec::<f32>().unwrap(), [1.0, -2.0, 3.5]);
    let tensor = file.tensor("w").unwrap();
    assert_eq!((tensor.shape(), tensor.dtype()), (&[2, 32][..], DType::Quantized(BlockFormat::Q8_0)));
    assert!(tensor.is_mapped());
    let numbers = tensor.to_f64_vec().unwrap();
    assert_eq!((numbers[0], numbers[31], numbers[32]), (-1.5, 63.5, 0.0));
    assert_eq!((file.stored("w"), file.bytes("w").unwrap().len(), file.tensor("none").unwrap().len()), (Some("Q8_0"), 68, 0));
    let words = file.tensor("x").unwrap_err().to_string();
    assert!(words.ends_with("there is no tensor \"x\""), "{words}");
    // No beginning of it is a file.
    for end in (4..bytes.len()).step_by(7) {
        let cut = Written::new("cut", &bytes[..end]);
        assert!(GgufFile::open(&cut.0).is_err(), "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn what_is_malformed_is_refused_in_a_sentence() {
    let one = |kind: u32, offset: u64| Bytes::file(1, 0).tensor("w", &[32, 2], kind, offset).data(512);
    for (name, bytes, words) in [
        ("magic", Bytes(b"GGML\x03\0\0\0".to_vec()), "offset 0: it does not begin with GGUF; it is no GGUF file"),
        ("short", Bytes(b"GG".to_vec()), "offset 0: it does not begin with GGUF; it is no GGUF file"),
        (
            "version-1",
            Bytes(b"GGUF".to_vec()).u32(1).u64(0),
            "GGUF version 1 is not read; versions 2 and 3 are: convert the model again with a present llama.cpp",
        ),
        ("big", Bytes(b"GGUF\0\0\0\x03".to_vec()), "the file is big-endian; little-endian GGUF files are read"),
        ("future", Bytes(b"GGUF".to_vec()).u32(9), "GGUF version 9 is not known; versions 2 and 3 are read"),
        (
            "long-string",
            Bytes::file(0, 1).u64(1 << 63).data(64),
            "entry 0 of 1: offset 32: 9223372036854775808 bytes are missing at the end; the file is truncated, or a length lies",
        ),
        ("kind", Bytes::file(0, 1).text("k").u32(13), "\"k\": offset 33: 13 is no kind of value; 0 to 12 are"),
        ("bool", Bytes::file(0, 1).text("k").u32(7).raw(&[2]), "\"k\": offset 37: 2 is neither false nor true"),
        ("twice", Bytes::file(0, 2).text("k").u32(0).raw(&[2]).text("k").u32(0).raw(&[2]), "the key \"k\" is there twice"),
        ("text", Bytes::file(0, 1).u64(1).raw(&[0xFF]), "entry 0 of 1: offset 32: a string is not UTF-8"),
        (
            "items",
            Bytes::file(0, 1).text("k").u32(9).u32(5).u64(1 << 62),
            "\"k\": offset 49: 4611686018427387904 items leave the file",
        ),
        (
            "alignment",
            Bytes::file(0, 1).text("general.alignment").u32(4).u32(24),
            "general.alignment is no power of two up to 1048576",
        ),
        ("offset", one(8, 33), "tensor \"w\": its offset 33 is no multiple of the alignment, 32"),
        (
            "leaves",
            one(0, 1 << 40),
            "tensor \"w\" of F32 and shape [2, 32] needs 256 bytes from offset 1099511627776 of the data, and the file ends before; it is truncated, or lies",
        ),
        (
            "wraps",
            one(0, u64::MAX - 31),
            "tensor \"w\" of F32 and shape [2, 32] needs 256 bytes from offset 18446744073709551584 of the data, and the file ends before; it is truncated, or lies",
        ),
        (
            "overlap",
            Bytes::file(2, 0).tensor("w", &[32], 0, 0).tensor("v", &[32], 0, 96).data(512),
            "tensors \"w\" and \"v\" overlap",
        ),
        (
            "named-twice",
            Bytes::file(2, 0).tensor("w", &[8], 0, 0).tensor("w", &[8], 0, 32).data(512),
            "tensor \"w\" of F32 and shape [8] is there twice",
        ),
        (
            "blocks",
            Bytes::file(1, 0).tensor("w", &[33], 8, 0).data(512),
            "tensor \"w\" of Q8_0 and shape [33] is none: read: q8_0 has blocks of 32 along the last dimension, and the shape [33] has a last dimension of 33",
        ),
    ] {
        assert_eq!(refusal(name, &bytes), words, "{name}");
    }
    let words = refusal("type", &one(16, 0));
    assert!(words.starts_with("tensor \"w\" is of type IQ2_XXS, which is not read; F32, F16, Q4_0"), "{words}");
    let words = refusal("unknown", &one(77, 0));
    assert!(words.starts_with("tensor \"w\" is of an unknown type, 77, which is not read"), "{words}");
    let words = refusal("sizes", &Bytes::file(1, 0).tensor("w", &[1 << 40, 1 << 40], 0, 0).data(512));
    assert!(words.starts_with("tensor \"w\" of F32 and shape [1099511627776, 1099511627776] is none: "), "{words}");
    let words = refusal("rank", &Bytes::file(1, 0).text("w").u32(4_000_000_000).data(64));
    assert_eq!(words, "tensor \"w\": asks for 4000000000 dimensions, and the limit \"rank\" is 64");
    let deep = (0..5).fold(Bytes::file(0, 1).text("k").u32(9), |bytes, _| bytes.u32(9).u64(1));
    let words = refusal("deep", &deep.u32(0).u64(0));
    assert!(words.contains("arrays lie more than 4 deep in each other"), "{words}");
}

#[test]
fn parts_of_a_model_are_one() {
    let folder = std::env::temp_dir().join(format!("monotile-gguf-parts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let part = |i: u32, name: &str| {
        let bytes = Bytes::file(1, 1).text("split.count").u32(2).raw(&2_u16.to_le_bytes()).tensor(name, &[8], 0, 0).data(32);
        let path = folder.join(format!("m-{i:05}-of-00002.gguf"));
        std::fs::write(&path, bytes.0).unwrap();
        path
    };
    let (_, second) = (part(1, "a"), part(2, "b"));
    let file = GgufFile::open(&second).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(file.tensor("a").unwrap().shape(), [8]);
    part(2, "a");
    let words = GgufFile::open(&second).err().unwrap().to_string();
    assert!(words.ends_with("m-00002-of-00002.gguf: tensor \"a\" is in a part before it too"), "{words}");
    let alone = folder.join("alone.gguf");
    std::fs::rename(&second, &alone).unwrap();
    let words = GgufFile::open(&alone).err().unwrap().to_string();
    assert!(words.ends_with("it is one of 2 parts, and its name does not end with -00001-of-00002.gguf as theirs do"), "{words}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Blocks of every type and a file by the `gguf` package, where the reference cases are.
#[test]
fn reference_files_are_read_to_the_last_bit() {
    let given = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases").into()).join("gguf");
    if !folder.join("tiny.gguf").exists() {
        eprintln!("skipped: there are no reference cases");
        return;
    }
    let expected = crate::io::SafeTensors::open(folder.join("blocks.safetensors")).unwrap();
    let file = GgufFile::open(folder.join("tiny.gguf")).unwrap();
    let (mut read, bits) = (0, |x: &Tensor| x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>());
    for name in file.names() {
        let kind = file.stored(name).unwrap();
        let (found, values) = (file.tensor(name).unwrap(), expected.tensor(&format!("{kind}.values")).unwrap());
        assert_eq!(found.shape(), values.shape(), "{kind}");
        assert_eq!(bits(&found.dequantize().unwrap()), bits(&values), "{kind}");
        if let (Ok(source), Some(format)) = (expected.tensor(&format!("{kind}.source")), found.dtype().block_format()) {
            let mut bytes = Vec::new();
            crate::io::write_elements(&source.quantize(format).unwrap(), &mut bytes).unwrap();
            assert!(bytes == file.bytes(name).unwrap(), "{kind} as it is written");
        }
        read += 1;
    }
    assert_eq!(read, 15);
    let listed: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("tiny.json")).unwrap()).unwrap();
    let keys: Vec<&str> = listed["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(file.entries().map(|(key, _)| key).collect::<Vec<_>>(), keys);
    assert_eq!(file.metadata("test.big").unwrap().as_u64(), Some(1 << 40));
    let texts: Vec<GgufValue> = file.metadata("test.strings").unwrap().as_array().unwrap().iter().collect();
    assert_eq!(texts, ["a", "é", "日本"].map(|text| GgufValue::String(text.into())));
}
