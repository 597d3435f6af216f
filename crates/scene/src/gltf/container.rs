//! A .glb file: a header and chunks, each a length, a type and bytes.

use monotile::Result;

use super::fault;

/// The JSON of a file and, in a .glb, the bytes of its first buffer.
pub fn split(bytes: &[u8]) -> Result<(&[u8], Option<&[u8]>)> {
    if !bytes.starts_with(b"glTF") {
        return Ok((bytes, None));
    }
    let version = word(bytes, 4)?;
    if version != 2 {
        return Err(super::file_kind::version(&format!("{version}.0")));
    }
    let length = size(word(bytes, 8)?);
    let Some(mut rest) = bytes.get(12..length) else {
        return Err(fault(format!("its header says {length} bytes, and it has {}", bytes.len())));
    };
    let (mut json, mut binary) = (None, None);
    for number in 0.. {
        if rest.is_empty() {
            break;
        }
        let size = size(word(rest, 0)?);
        let kind = word(rest, 4)?.to_le_bytes();
        let Some(chunk) = rest[8..].get(..size) else {
            return Err(fault(format!("its chunk {number} says {size} bytes, and {} follow", rest.len() - 8)));
        };
        match &kind {
            b"JSON" if number == 0 => json = Some(chunk),
            b"BIN\0" if number == 1 => binary = Some(chunk),
            // Chunks of other types are for extensions.
            _ => {}
        }
        // A length that is not a multiple of four is wrong, but says where the next chunk stands all the same.
        rest = rest[8 + size..].get(size.wrapping_neg() % 4..).unwrap_or_default();
    }
    let json: &[u8] = json.ok_or_else(|| fault("a .glb whose first chunk is not JSON"))?;
    // The specification pads by spaces, and some writers by zeros.
    let end = json.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    Ok((&json[..end], binary))
}

/// As a length; what no memory could hold becomes the largest there is, which every check of a range refuses.
fn size(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let four = bytes.get(at..at + 4).ok_or_else(|| fault("a .glb that ends within a header"))?;
    Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}
