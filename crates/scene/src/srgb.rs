//! sRGB (IEC 61966-2-1): the curve, both ways.

/// Linear from encoded, 0 to 1.
pub(crate) fn decode(x: f32) -> f32 {
    if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
}

/// The byte of a linear number.
pub(crate) fn byte(x: f32) -> u8 {
    let x = x.clamp(0.0, 1.0);
    let encoded = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
    (255.0 * encoded + 0.5) as u8
}

/// The linear numbers of all bytes.
pub(crate) fn table() -> [f32; 256] {
    std::array::from_fn(|i| decode(i as f32 / 255.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for (i, &linear) in table().iter().enumerate() {
            assert_eq!(usize::from(byte(linear)), i);
        }
    }
}
