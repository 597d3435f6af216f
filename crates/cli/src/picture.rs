//! Grey pictures as PNG files, not compressed: small enough for a page, and read everywhere.

/// Brightness row by row, from 0 (black) to 1 (white).
#[derive(Debug, Clone)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// As many rows as are full.
    pub pixels: Vec<f64>,
}

impl Picture {
    /// The picture as a PNG file (W3C, Portable Network Graphics, third edition).
    pub fn png(&self) -> Vec<u8> {
        let rows = self.pixels.chunks_exact(self.width.max(1));
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        // 8 bits of grey; deflated, filtered and interlaced as usual.
        let header = [&size(self.width)[..], &size(rows.len()), &[8, 0, 0, 0, 0]].concat();
        let level = |x: &f64| (255.0 * x.clamp(0.0, 1.0)).round() as u8;
        // Each row begins with its filter: none.
        let lines: Vec<u8> = rows.flat_map(|row| std::iter::once(0).chain(row.iter().map(level))).collect();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut png, b"IHDR", &header);
        chunk(&mut png, b"IDAT", &stored(&lines));
        chunk(&mut png, b"IEND", &[]);
        png
    }

    /// The file as an address that holds it.
    pub fn address(&self) -> String {
        format!("data:image/png;base64,{}", base64(&self.png()))
    }
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    let named = [name, content].concat();
    png.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    png.extend(&named);
    png.extend(crc(&named).to_be_bytes());
}

/// A zlib stream of blocks that are stored as they are (RFC 1950, 1951).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.chunks(0xffff);
    let last = blocks.len().saturating_sub(1);
    for (i, block) in blocks.enumerate() {
        let size = block.len() as u16;
        stream.push(u8::from(i == last));
        stream.extend(size.to_le_bytes());
        stream.extend((!size).to_le_bytes());
        stream.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    stream.extend(((b << 16) | a).to_be_bytes());
    stream
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg()));
    !bytes.iter().fold(!0, step)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let all = part.iter().fold(0, |all, byte| (all << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for i in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= part.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_digits_are_those_of_the_standards() {
        assert_eq!(crc(b"IEND"), 0xae42_6082);
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(stored(b"Wikipedia")[2 + 5 + 9..], 0x11e6_0398_u32.to_be_bytes());
        assert_eq!(["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_file_has_its_size_and_every_pixel() {
        let png = Picture { width: 3, pixels: vec![0.0, 0.5, 1.0, -1.0, 2.0, 0.2] }.png();
        assert_eq!(png[16..24], [0, 0, 0, 3, 0, 0, 0, 2]);
        assert!(png.windows(8).any(|w| w == [0, 0, 128, 255, 0, 0, 255, 51]), "{png:?}");
    }
}
