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
    let mut clear = false;
    for color in colors {
        clear |= color[3] < 1.0;
    }
    if clear { bytes(table, &straight(colors), to) } else { bytes(table, colors, to) }
}

/// Alpha divided out, where it is not 0.
#[inline(never)]
fn straight(colors: &[[f32; 4]; LANES]) -> [[f32; 4]; LANES] {
    colors.map(|[r, g, b, alpha]| {
        let part = if alpha > 0.0 { alpha.min(1.0) } else { 1.0 };
        [r / part, g / part, b / part, alpha]
    })
}

#[inline(always)]
fn bytes(table: &[u8; ENTRIES], colors: &[[f32; 4]; LANES], to: &mut [[u8; 4]; LANES]) {
    let (flat, to) = (colors.as_flattened(), to.as_flattened_mut());
    let mut entries = [0_i32; 4 * LANES];
    for i in 0..4 * LANES {
        entries[i] = (flat[i].clamp(0.0, 1.0) * LAST + 0.5) as i32;
    }
    for i in 0..4 * LANES {
        to[i] = table[entries[i] as usize % ENTRIES];
    }
    // Alpha is not encoded.
    for i in 0..LANES {
        to[4 * i + 3] = (255.0 * colors[i][3] + 0.5) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whatever_their_alpha() {
        let numbers = srgb::table();
        for alpha in [255_u8, 128, 1] {
            for byte in 0..=255_u8 {
                let part = f32::from(alpha) / 255.0;
                let linear = numbers[usize::from(byte)] * part;
                let mut to = [[0; 4]; LANES];
                write(table(), &[[linear, linear, linear, part]; LANES], &mut to);
                assert_eq!(to, [[byte, byte, byte, alpha]; LANES]);
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_cut_off_and_nothing_stays_nothing() {
        let mut to = [[9; 4]; LANES];
        write(table(), &[[-1.0, 2.0, f32::NAN, 1.0]; LANES], &mut to);
        assert_eq!(to, [[0, 255, 0, 255]; LANES]);
        write(table(), &[[0.0; 4]; LANES], &mut to);
        assert_eq!(to, [[0; 4]; LANES]);
    }
}
