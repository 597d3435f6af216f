//! Columns of bytes of the format SPZ as splats.
//!
//! ```text
//! means      3 × i24 / 2^bits        opacities   b / 255             colours   (b / 255 − ½) / 0.15, the coefficient of degree 0
//! scales     exp(b / 16 − 10)        rotations   three parts         rest      (b − 128) / 128, three channels a coefficient
//! ```
//!
//! Rotations of version 2 are x, y, z, as b / 127.5 − 1; those of 3 and 4 the three smallest of x, y, z, w, a sign and 9 bits of √½ each, and which is left out.
//!
//! # Source
//! Niantic Labs (2024), nianticlabs/spz: the format as its library reads it.

use std::f64::consts::FRAC_1_SQRT_2;

use super::project::{SplatShapes, SplatShapesMut};
use crate::shape::count;

/// How far colours lie from gray.
pub const COLOR_SCALE: f64 = 0.15;
/// Bytes of the header, as a packed file has it; that of version 4 is longer.
pub const HEADER: usize = 16;

/// What a file of SPZ says of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpzLayout {
    /// 2, 3 or 4.
    pub version: u32,
    /// How many splats there are.
    pub splats: usize,
    /// Coefficients a channel: 1, 4, 9 or 16.
    pub coefficients: usize,
    /// Bits behind the point of places, at most 24.
    pub fraction: u32,
}

impl SpzLayout {
    /// Bytes of each column: means, opacities, colours, scales, rotations, the rest of the harmonics.
    pub fn columns(&self) -> [usize; 6] {
        let rotation = if self.version == 2 { 3 } else { 4 };
        [9, 1, 3, 3, rotation, count(&[3, self.coefficients - 1])].map(|wide| count(&[self.splats, wide]))
    }

    /// The splats of the columns, and their harmonics `(N, K, 3)`.
    ///
    /// # Panics
    /// If lengths do not fit, or there are more than 24 bits behind the point.
    pub fn unpack(&self, columns: [&[u8]; 6], shapes: SplatShapesMut<'_, f32>, harmonics: &mut [f32]) {
        let wide = 3 * self.coefficients;
        assert!(columns.map(<[u8]>::len) == self.columns() && self.fraction <= 24, "columns of their sizes");
        let SplatShapesMut { means, rotations, log_scales, logits } = shapes;
        let n = SplatShapes { means: &*means, rotations: &*rotations, log_scales: &*log_scales, logits: &*logits }.check();
        assert!(n == self.splats && harmonics.len() == count(&[self.splats, wide]), "room for each splat");
        let [positions, alphas, colors, scales, turns, rest] = columns;
        let unit = f64::from(1_u32 << self.fraction);
        for (x, b) in means.iter_mut().zip(positions.as_chunks::<3>().0) {
            // The sign is the highest of 24 bits.
            *x = (f64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) / unit) as f32;
        }
        for (x, &b) in logits.iter_mut().zip(alphas) {
            let opacity = f64::from(b) / 255.0;
            *x = (opacity / (1.0 - opacity)).ln() as f32;
        }
        for (x, &b) in log_scales.iter_mut().zip(scales) {
            *x = f32::from(b) / 16.0 - 10.0;
        }
        for (i, h) in harmonics.chunks_exact_mut(wide).enumerate() {
            let (first, others) = h.split_at_mut(3);
            first.iter_mut().zip(&colors[3 * i..]).for_each(|(x, &b)| *x = ((f64::from(b) / 255.0 - 0.5) / COLOR_SCALE) as f32);
            others.iter_mut().zip(&rest[(wide - 3) * i..]).for_each(|(x, &b)| *x = (f32::from(b) - 128.0) / 128.0);
        }
        let (quaternions, _) = rotations.as_chunks_mut::<4>();
        if self.version == 2 {
            for (q, b) in quaternions.iter_mut().zip(turns.as_chunks::<3>().0) {
                *q = completed(b.map(|b| f64::from(b) / 127.5 - 1.0), 3);
            }
        } else {
            for (q, &b) in quaternions.iter_mut().zip(turns.as_chunks::<4>().0) {
                let word = u32::from_le_bytes(b);
                let part = |shift: u32| {
                    let size = FRAC_1_SQRT_2 * f64::from(word >> shift & 511) / 511.0;
                    if word >> (shift + 9) & 1 == 1 { -size } else { size }
                };
                *q = completed([part(20), part(10), part(0)], (word >> 30) as usize);
            }
        }
    }
}

/// A quaternion of length 1 of three of its parts.
fn completed(parts: [f64; 3], left_out: usize) -> [f32; 4] {
    let mut q = [0.0; 4];
    (0..4).filter(|&k| k != left_out).zip(parts).for_each(|(k, part)| q[k] = part as f32);
    q[left_out] = (1.0 - parts.iter().map(|x| x * x).sum::<f64>()).max(0.0).sqrt() as f32;
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_splat_is_what_its_bytes_say() {
        let layout = SpzLayout { version: 3, splats: 1, coefficients: 4, fraction: 4 };
        assert_eq!(layout.columns(), [9, 1, 3, 3, 4, 9]);
        let word = 3_u32 << 30 | 511 << 20 | 1 << 19;
        let rest = [128, 0, 255, 128, 128, 128, 192, 64, 128];
        let columns: [&[u8]; 6] =
            [&[16, 0, 0, 240, 255, 255, 1, 0, 0], &[128], &[255, 0, 128], &[160, 0, 176], &word.to_le_bytes(), &rest];
        let (mut means, mut rotations, mut log_scales, mut logits, mut harmonics) =
            ([0.0; 3], [0.0; 4], [0.0; 3], [0.0], [0.0; 12]);
        let shapes =
            SplatShapesMut { means: &mut means, rotations: &mut rotations, log_scales: &mut log_scales, logits: &mut logits };
        layout.unpack(columns, shapes, &mut harmonics);
        assert_eq!((means, log_scales), ([1.0, -1.0, 0.0625], [0.0, -10.0, 1.0]));
        assert_eq!(harmonics[3..], [0.0, -1.0, 127.0 / 128.0, 0.0, 0.0, 0.0, 0.5, -0.5, 0.0]);
        assert!((harmonics[0] - 0.5 / 0.15).abs() < 1e-6 && (logits[0] - (128.0_f32 / 127.0).ln()).abs() < 1e-6);
        let half = 0.5_f32.sqrt();
        let expected = [half, 0.0, 0.0, half];
        assert!(rotations.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{rotations:?}");
        let all: f32 = rotations.iter().map(|x| x * x).sum();
        assert!((all - 1.0).abs() < 1e-6);
    }
}
