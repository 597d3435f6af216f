//! SOG: pictures of bytes, one pixel a splat, and a `meta.json` with the tables that they point into; in a zip archive or a folder.
//!
//! ```text
//! means_l, means_u    x = sign(v) (e^|v| − 1), v between mins and maxs by 16 bits a coordinate
//! quats               three parts of w x y z, (2 b / 255 − 1) √½, and which is left out, 252 to 255
//! scales, sh0         b of a table of 256, three a splat; opacity is the fourth byte of sh0, / 255
//! shN_labels          16 bits, of a table of up to 65,536 rows of harmonics: shN_centroids, b of a table of 256
//! ```
//!
//! # Source
//! PlayCanvas (2025), the SOG format, version 2, as its engine reads it.

mod archive;
mod tables;
mod write;

use std::f64::consts::FRAC_1_SQRT_2;
use std::path::Path;

use monotile::text::parser_report;
use monotile::{Error, Result};
use serde::Deserialize;

use super::packed::admitted;
use super::read::ReadSplats;
use super::{SplatFileInfo, logit};
use archive::{Archive, Texels};
pub(super) use write::write;

/// Rows of harmonics that lie beside each other in their picture.
const PALETTE_ROW: usize = 64;
/// The most rows of harmonics: labels have 16 bits.
const MOST_PALETTE: usize = 1 << 16;
/// Entries of a table.
const TABLE: usize = 256;

#[derive(Deserialize)]
struct Meta {
    version: u32,
    count: u64,
    means: Means,
    scales: Table,
    quats: Files,
    sh0: Table,
    #[serde(rename = "shN")]
    sh_n: Option<Palette>,
    #[serde(default)]
    antialias: bool,
    asset: Option<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    generator: Option<String>,
}

#[derive(Deserialize)]
struct Files {
    files: Vec<String>,
}

#[derive(Deserialize)]
struct Means {
    mins: [f64; 3],
    maxs: [f64; 3],
    files: Vec<String>,
}

#[derive(Deserialize)]
struct Table {
    codebook: Vec<Option<f32>>,
    files: Vec<String>,
}

#[derive(Deserialize)]
struct Palette {
    count: usize,
    bands: usize,
    codebook: Vec<Option<f32>>,
    files: Vec<String>,
}

/// The numbers of a table; one that some writers leave out at its beginning lies as far from the next as others do.
#[track_caller]
fn table(path: &Path, name: &str, codebook: &[Option<f32>]) -> Result<[f32; TABLE]> {
    let refuse = || {
        let words = format!("has a table {name} of {} numbers; there are {TABLE}", codebook.iter().flatten().count());
        Error::format(path, words)
    };
    let mut numbers = [0.0; TABLE];
    if codebook.len() != TABLE {
        return Err(refuse());
    }
    for (x, number) in numbers.iter_mut().zip(codebook).skip(1) {
        *x = number.ok_or_else(refuse)?;
    }
    numbers[0] = codebook[0].unwrap_or(numbers[1] + (numbers[1] - numbers[TABLE - 1]) / (TABLE - 1) as f32);
    Ok(numbers)
}

/// The harmonics above degree 0.
struct Rest {
    labels: Texels,
    centroids: Texels,
    table: [f32; TABLE],
    palette: usize,
}

#[track_caller]
pub(super) fn read(path: &Path, folder: Option<&Path>, bytes: &[u8]) -> Result<ReadSplats> {
    let refuse = |words: String| Err(Error::format(path, words));
    let mut archive = Archive::open(path, folder, bytes)?;
    let text = archive.meta()?;
    let meta: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|e| Error::format(path, format!("has a meta.json that cannot be read: {}", parser_report(&e))))?;
    match meta.get("version").and_then(serde_json::Value::as_u64) {
        Some(2) => {}
        Some(other) => return refuse(format!("is of version {other} of SOG; version 2 is read")),
        None if meta.get("means").is_some() => return refuse("is of version 1 of SOG; version 2 is read".to_owned()),
        None => return refuse("has a meta.json that is none of SOG".to_owned()),
    }
    let meta: Meta = serde_json::from_value(meta)
        .map_err(|e| Error::format(path, format!("has a meta.json that is none of SOG: {}", parser_report(&e))))?;
    debug_assert_eq!(meta.version, 2);
    let bands = meta.sh_n.as_ref().map_or(0, |palette| palette.bands);
    if bands > 3 {
        return refuse(format!("has harmonics of degree {bands}; those up to 3 are read"));
    }
    let coefficients = (bands + 1) * (bands + 1);
    let file = |files: &[String], at: usize| match files.get(at) {
        Some(name) => Ok(name.clone()),
        None => Err(Error::format(path, "names fewer pictures than SOG has")),
    };
    let n = admitted(path, meta.count, coefficients, archive.bytes())?;
    let [low, high] = [0, 1].map(|at| archive.splat_texels(&file(&meta.means.files, at)?, n));
    let (low, high) = (low?, high?);
    let quats = archive.splat_texels(&file(&meta.quats.files, 0)?, n)?;
    let scales = archive.splat_texels(&file(&meta.scales.files, 0)?, n)?;
    let sh0 = archive.splat_texels(&file(&meta.sh0.files, 0)?, n)?;
    let scale_table = table(path, "scales", &meta.scales.codebook)?;
    let color_table = table(path, "sh0", &meta.sh0.codebook)?;
    let rest = match meta.sh_n.as_ref().filter(|_| bands > 0) {
        None => None,
        Some(about) => {
            let palette = about.count;
            if palette > MOST_PALETTE {
                return refuse(format!("has {palette} sets of harmonics; there are at most {MOST_PALETTE}"));
            }
            let size = [PALETTE_ROW * (coefficients - 1), palette.div_ceil(PALETTE_ROW)];
            Some(Rest {
                centroids: archive.palette_texels(&file(&about.files, 0)?, size)?,
                labels: archive.splat_texels(&file(&about.files, 1)?, n)?,
                table: table(path, "shN", &about.codebook)?,
                palette,
            })
        }
    };
    let comments = meta.asset.and_then(|a| a.generator).map(|name| format!("generator: {name}")).into_iter().collect();
    let info = SplatFileInfo { format: "SOG 2", comments, antialiased: meta.antialias, ..SplatFileInfo::default() };
    let mut read = ReadSplats::new(n, coefficients, info)?;
    for i in 0..n {
        for k in 0..3 {
            let share = f64::from(u16::from_le_bytes([low.pixel(i)[k], high.pixel(i)[k]])) / 65535.0;
            let v = meta.means.mins[k] + (meta.means.maxs[k] - meta.means.mins[k]) * share;
            read.means[3 * i + k] = (v.signum() * v.abs().exp_m1()) as f32;
            read.log_scales[3 * i + k] = scale_table[usize::from(scales.pixel(i)[k])];
            read.harmonics[3 * coefficients * i + k] = color_table[usize::from(sh0.pixel(i)[k])];
        }
        read.logits[i] = logit(f64::from(sh0.pixel(i)[3]) / 255.0);
        read.rotations[4 * i..][..4].copy_from_slice(&rotation(quats.pixel(i)));
        let Some(rest) = &rest else { continue };
        let [a, b, ..] = rest.labels.pixel(i);
        let label = usize::from(u16::from_le_bytes([a, b]));
        if label >= rest.palette {
            return refuse(format!("has a splat {i} with the harmonics number {label} of {}", rest.palette));
        }
        for j in 1..coefficients {
            let pixel = rest.centroids.pixel(label * (coefficients - 1) + j - 1);
            let at = 3 * (coefficients * i + j);
            (0..3).for_each(|k| read.harmonics[at + k] = rest.table[usize::from(pixel[k])]);
        }
    }
    Ok(read)
}

/// x, y, z, w of three parts of w, x, y, z, and which is left out.
fn rotation([a, b, c, which]: [u8; 4]) -> [f32; 4] {
    let Some(largest) = usize::from(which).checked_sub(252) else { return [0.0, 0.0, 0.0, 1.0] };
    let mut wxyz = [0.0; 4];
    let part = |b: u8| (2.0 * f64::from(b) / 255.0 - 1.0) * FRAC_1_SQRT_2;
    (0..4).filter(|&k| k != largest).zip([a, b, c]).for_each(|(k, b)| wxyz[k] = part(b));
    wxyz[largest] = (1.0 - wxyz.iter().map(|x| x * x).sum::<f64>()).max(0.0).sqrt();
    [1, 2, 3, 0].map(|k| wxyz[k] as f32)
}
