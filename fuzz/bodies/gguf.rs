//! A GGUF file: refused in a sentence, or every value and every tensor is read.

use monotile::io::{GgufFile, GgufValue};

use super::{file, sentence};

pub fn run(bytes: &[u8]) {
    let opened = match GgufFile::open(file("a.gguf", bytes)) {
        Ok(opened) => opened,
        Err(error) => return sentence(&error),
    };
    opened.entries().for_each(|(_, value)| read(value));
    for name in opened.names() {
        let (shape, bytes) =
            (opened.shape(name).expect("a tensor that is listed"), opened.bytes(name).expect("a tensor that is listed"));
        match opened.tensor(name) {
            Ok(tensor) => {
                assert_eq!((tensor.shape(), Some(tensor.dtype())), (shape, opened.dtype(name)));
                if bytes.len() <= 1 << 20 {
                    let numbers = tensor.to_f64_vec().expect("a tensor of few bytes");
                    assert_eq!(numbers.len(), tensor.len());
                }
            }
            Err(error) => sentence(&error),
        }
    }
}

/// An array has as many values as it says, arrays inside it too.
fn read(value: &GgufValue) {
    if let Some(array) = value.as_array() {
        let mut found = 0;
        for item in array.iter() {
            read(&item);
            found += 1;
        }
        assert_eq!(found, array.len());
    }
}
