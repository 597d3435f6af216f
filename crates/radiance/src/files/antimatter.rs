//! `.splat`, the format of the first viewers of splats: 32 bytes a splat, of a position and scales in f32, a colour and an opacity, and a quaternion in bytes.
//!
//! # Source
//! Kwok (2023), antimatter15/splat: the format as its `convert.py` writes it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use monotile::{Error, Result};
use monotile_kernels::splat::stated::COLOR_OFFSET;
use monotile_kernels::splat::stated::harmonics::Y0;

use super::read::ReadSplats;
use super::rows::write_rows;
use super::{SplatFileInfo, StoredSplats, byte, logit, sigmoid, unit};

/// Bytes of a splat.
const ROW: usize = 32;

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<ReadSplats> {
    if !bytes.len().is_multiple_of(ROW) {
        let words = format!("has {} bytes, and a .splat has {ROW} for each splat: it is cut off, or no such file", bytes.len());
        return Err(Error::format(path, words));
    }
    let n = bytes.len() / ROW;
    let mut read = ReadSplats::new(n, 1, SplatFileInfo { format: ".splat", ..SplatFileInfo::default() })?;
    for (i, row) in bytes.chunks_exact(ROW).enumerate() {
        let (numbers, _) = row.as_chunks::<4>();
        for k in 0..3 {
            read.means[3 * i + k] = f32::from_le_bytes(numbers[k]);
            read.log_scales[3 * i + k] = f32::from_le_bytes(numbers[3 + k]).ln();
            read.harmonics[3 * i + k] = ((f64::from(row[24 + k]) / 255.0 - COLOR_OFFSET) / Y0) as f32;
        }
        read.logits[i] = logit(f64::from(row[27]) / 255.0);
        let [w, x, y, z] = [28, 29, 30, 31].map(|at| (f32::from(row[at]) - 128.0) / 128.0);
        let rotation = if [w, x, y, z] == [0.0; 4] { [0.0, 0.0, 0.0, 1.0] } else { [x, y, z, w] };
        read.rotations[4 * i..][..4].copy_from_slice(&rotation);
    }
    Ok(read)
}

pub(super) fn write(splats: &StoredSplats, to: &mut BufWriter<File>) -> std::io::Result<()> {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let wide = 3 * splats.coefficients();
    write_rows(to, logits.len(), ROW, |first, bytes| {
        for (i, row) in (first / ROW..).zip(bytes.chunks_exact_mut(ROW)) {
            let (numbers, _) = row.as_chunks_mut::<4>();
            for k in 0..3 {
                numbers[k] = means[3 * i + k].to_le_bytes();
                numbers[3 + k] = log_scales[3 * i + k].exp().to_le_bytes();
            }
            for k in 0..3 {
                row[24 + k] = byte(255.0 * (COLOR_OFFSET + Y0 * f64::from(harmonics[wide * i + k])));
            }
            row[27] = byte(255.0 * sigmoid(logits[i]));
            let q = unit(&rotations[4 * i..]);
            for (at, part) in [3, 0, 1, 2].into_iter().enumerate() {
                row[28 + at] = byte(q[part] * 128.0 + 128.0);
            }
        }
    })
}
