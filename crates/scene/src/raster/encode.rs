//! Linear colours as bytes.

use std::sync::OnceLock;

use super::lanes::LANES;
use crate::srgb;

/// Entries of the table: linear values so close that rounding differs in none.
const ENTRIES: usize = 1 << 14;
const LAST: f32 = (ENTRIES - 1) as f32;

/// The bytes of sRGB by linear values.
pub(super) fn table() -> &'static [u8; ENTRIES] {
    static TABLE: OnceLock<Box<[u8; ENTRIES]>> = OnceLock::new();
    TABLE.get_or_init(|| Box::new(std::array::from_fn(|i| srgb::byte(i as f32 / LAST))))
}

/// Writes pixels, whose colours have alpha multiplied in, as sRGB with straight alpha.
#[inline(always)]
pub(super) fn write(table: &[u8; ENTRIES], colors: &[[f32; 4]; LANES], to: &mut [[u8; 4]; LANES]) {
    let mut straight = *colors;
    if colors.iter().any(|c| c[3] < 1.0) {
        for color in &mut straight {
            let alpha = if color[3] > 0.0 { color[3].min(1.0) } else { 1.0 };
            (0..3).for_each(|k| color[k] /= alpha);
        }
    }
    let mut entries = [[0_u32; 4]; LANES];
    for (entries, color) in entries.iter_mut().zip(&straight) {
        for k in 0..4 {
            // A cast of a negative number is 0.
            entries[k] = ((color[k] * LAST + 0.5) as u32).min(ENTRIES as u32 - 1);
        }
    }
    for (lane, to) in to.iter_mut().enumerate() {
        let byte = |k: usize| table[entries[lane][k] as usize % ENTRIES];
        *to = [byte(0), byte(1), byte(2), (255.0 * straight[lane][3] + 0.5) as u8];
    }
}
