//! Splats as SOG.

use std::f64::consts::FRAC_1_SQRT_2;
use std::io::{Cursor, Write};
use std::path::Path;

use image_webp::{ColorType, WebPEncoder};
use monotile::io::write_atomic;
use monotile::{Error, Result};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::compressed_ply::nearby;
use super::super::{SplatWriteOptions, StoredSplats, byte, sigmoid, unit};
use super::tables::{RowPalette, nearest, table};
use super::{MOST_PALETTE, PALETTE_ROW};

/// The most splats: those of a picture of 16,380 pixels a side.
const MOST_SPLATS: usize = 16_380 * 16_380;

#[track_caller]
pub(in super::super) fn write(path: &Path, splats: &StoredSplats, options: &SplatWriteOptions) -> Result<()> {
    let n = splats.len();
    if n == 0 || n > MOST_SPLATS {
        return Err(Error::value(format!("{}: SOG has 1 to {MOST_SPLATS} splats, not {n}", path.display())));
    }
    let members = members(splats, options).map_err(|e| Error::value(format!("{}: {e}", path.display())))?;
    write_atomic(path, |to| {
        let mut bytes = Cursor::new(Vec::new());
        let mut archive = ZipWriter::new(&mut bytes);
        // Pictures are packed already.
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, member) in &members {
            archive.start_file(name.as_str(), stored).map_err(std::io::Error::other)?;
            archive.write_all(member)?;
        }
        archive.finish().map_err(std::io::Error::other)?;
        to.write_all(bytes.get_ref())
    })
}

/// A picture of four bytes a pixel.
struct Picture {
    size: [usize; 2],
    bytes: Vec<u8>,
}

impl Picture {
    /// One that is nearly square, with a pixel of each splat.
    fn of(pixels: impl ExactSizeIterator<Item = [u8; 4]>) -> Self {
        let width = ((pixels.len() as f64).sqrt() / 4.0).ceil() as usize * 4;
        let height = pixels.len().div_ceil(width).next_multiple_of(4);
        let mut bytes = Vec::with_capacity(4 * width * height);
        pixels.for_each(|pixel| bytes.extend(pixel));
        bytes.resize(4 * width * height, 0);
        Self { size: [width, height], bytes }
    }

    fn webp(&self) -> std::result::Result<Vec<u8>, String> {
        let mut packed = Vec::new();
        let [width, height] = self.size.map(|x| x as u32);
        let encoded = WebPEncoder::new(&mut packed).encode(&self.bytes, width, height, ColorType::Rgba8);
        encoded.map(|()| packed).map_err(|e| e.to_string())
    }
}

fn members(splats: &StoredSplats, options: &SplatWriteOptions) -> std::result::Result<Vec<(String, Vec<u8>)>, String> {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let (n, coefficients) = (splats.len(), splats.coefficients());
    let wide = 3 * coefficients;
    let order = nearby(means);
    let mut meta = json!({ "version": 2, "asset": { "generator": "Monotile" }, "count": n, "antialias": options.antialiased });
    let mut members = Vec::new();
    let mut put = |name: &str, picture: &Picture| -> std::result::Result<(), String> {
        members.push((name.to_owned(), picture.webp()?));
        Ok(())
    };

    let log = |x: f32| f64::from(x).signum() * f64::from(x).abs().ln_1p();
    let bound = |k: usize| {
        means.iter().skip(k).step_by(3).map(|&x| log(x)).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)))
    };
    let bounds = [bound(0), bound(1), bound(2)];
    let place = |&i: &usize| {
        [0, 1, 2].map(|k| {
            let (least, most) = bounds[k];
            let share = if most > least { (log(means[3 * i + k]) - least) / (most - least) } else { 0.0 };
            ((65535.0 * share).round() as u16).to_le_bytes()
        })
    };
    for (half, name) in ["means_l.webp", "means_u.webp"].into_iter().enumerate() {
        let pixel = |i: &usize| {
            let [x, y, z] = place(i);
            [x[half], y[half], z[half], 255]
        };
        put(name, &Picture::of(order.iter().map(pixel)))?;
    }
    meta["means"] = json!({
        "mins": bounds.map(|b| b.0),
        "maxs": bounds.map(|b| b.1),
        "files": ["means_l.webp", "means_u.webp"],
    });
    put("quats.webp", &Picture::of(order.iter().map(|&i| quaternion(unit(&rotations[4 * i..])))))?;
    meta["quats"] = json!({ "files": ["quats.webp"] });

    let scales = table(log_scales.iter().copied());
    let indices = |table: &[f32], x: &[f32]| [0, 1, 2].map(|k| nearest(table, x[k]));
    let pixel = |&i: &usize| {
        let [a, b, c] = indices(&scales, &log_scales[3 * i..]);
        [a, b, c, 255]
    };
    put("scales.webp", &Picture::of(order.iter().map(pixel)))?;
    meta["scales"] = json!({ "codebook": scales, "files": ["scales.webp"] });

    let colors = table(harmonics.chunks_exact(wide).flat_map(|h| &h[..3]).copied());
    let pixel = |&i: &usize| {
        let [a, b, c] = indices(&colors, &harmonics[wide * i..]);
        [a, b, c, byte(255.0 * sigmoid(logits[i]))]
    };
    put("sh0.webp", &Picture::of(order.iter().map(pixel)))?;
    meta["sh0"] = json!({ "codebook": colors, "files": ["sh0.webp"] });

    if coefficients > 1 {
        let rest: Vec<f32> = harmonics.chunks_exact(wide).flat_map(|h| &h[3..]).copied().collect();
        let (palette, about) = palette(&rest, coefficients, &order);
        for (name, picture) in ["shN_centroids.webp", "shN_labels.webp"].into_iter().zip(&palette) {
            put(name, picture)?;
        }
        meta["shN"] = about;
    }
    members.push(("meta.json".to_owned(), meta.to_string().into_bytes()));
    Ok(members)
}

/// The pictures of the table of harmonics and of each splat's place in it, and what the `meta.json` says of them.
fn palette(rest: &[f32], coefficients: usize, order: &[usize]) -> ([Picture; 2], Value) {
    let others = coefficients - 1;
    let palette = RowPalette::of(rest, 3 * others);
    let count = palette.rows.len() / (3 * others);
    debug_assert!(count <= MOST_PALETTE);
    let codebook = table(palette.rows.iter().copied());
    let size = [PALETTE_ROW * others, count.div_ceil(PALETTE_ROW)];
    let mut bytes = Vec::with_capacity(4 * size[0] * size[1]);
    for pixel in palette.rows.chunks_exact(3) {
        bytes.extend(pixel.iter().map(|&x| nearest(&codebook, x)));
        bytes.push(255);
    }
    bytes.resize(4 * size[0] * size[1], 0);
    let label = |&i: &usize| {
        let [a, b] = palette.labels[i].to_le_bytes();
        [a, b, 0, 255]
    };
    let bands = coefficients.isqrt() - 1;
    let files = ["shN_centroids.webp", "shN_labels.webp"];
    let about = json!({ "count": count, "bands": bands, "codebook": codebook, "files": files });
    ([Picture { size, bytes }, Picture::of(order.iter().map(label))], about)
}

/// Three parts of w, x, y, z, and which is left out.
fn quaternion([x, y, z, w]: [f64; 4]) -> [u8; 4] {
    let q = [w, x, y, z];
    let largest = (0..4).fold(0, |best, k| if q[k].abs() > q[best].abs() { k } else { best });
    let sign = if q[largest] < 0.0 { -1.0 } else { 1.0 };
    let mut pixel = [252 + largest as u8; 4];
    let others = (0..4).filter(|&k| k != largest);
    others.zip(0..).for_each(|(k, at): (usize, usize)| pixel[at] = byte(127.5 * (1.0 + sign * q[k] / FRAC_1_SQRT_2)));
    pixel
}
