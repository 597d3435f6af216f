//! Compressed PLY: blocks of 256 splats with the bounds of their numbers, and four words a splat; harmonics above degree 0 a byte each.
//!
//! ```text
//! chunk   min_x … max_z   min_scale_x … max_scale_z   [min_r … max_b]          12 or 18 f32
//! vertex  packed_position 11 10 11   packed_rotation 2 10 10 10   packed_scale 11 10 11   packed_color 8 8 8 8
//! sh      f_rest_0 …                                                           8 (b + ½) / 256 − 4, and −4 and 4 of 0 and 255
//! ```
//!
//! # Source
//! PlayCanvas (2024), SuperSplat: the format as its viewer reads it.

use std::f64::consts::SQRT_2;
use std::io::Write;
use std::path::Path;

use monotile::{Error, Result};
use monotile_kernels::splat::harmonics::degree;
use monotile_kernels::splat::stated::COLOR_OFFSET;
use monotile_kernels::splat::stated::harmonics::Y0;

use super::ply::begin;
use super::ply_header::{PlyElement, PlyHeader, PlyNumber, PlyRows, number};
use super::read::ReadSplats;
use super::{SplatFileInfo, SplatWriteOptions, StoredSplats, byte, logit, sigmoid, unit};

/// Splats of a block.
const CHUNK: usize = 256;
/// The bounds of a block, in order; those of colours may be absent.
const BOUNDS: [&str; 18] = [
    "min_x",
    "min_y",
    "min_z",
    "max_x",
    "max_y",
    "max_z",
    "min_scale_x",
    "min_scale_y",
    "min_scale_z",
    "max_scale_x",
    "max_scale_y",
    "max_scale_z",
    "min_r",
    "min_g",
    "min_b",
    "max_r",
    "max_g",
    "max_b",
];
/// The words of a splat.
const WORDS: [&str; 4] = ["packed_position", "packed_rotation", "packed_scale", "packed_color"];
/// Logarithms of scales are written within this: beyond are those of scales of 0.
const MOST_LOG_SCALE: f32 = 20.0;

/// Whether vertices are words.
pub(super) fn is_packed(vertex: &PlyElement) -> bool {
    vertex.properties.iter().any(|p| p.name == WORDS[0])
}

#[track_caller]
pub(super) fn read(path: &Path, bytes: &[u8], header: &PlyHeader) -> Result<ReadSplats> {
    let refuse = |words: String| Err(Error::format(path, words));
    let element = |name: &str| header.elements.iter().find(|e| e.name == name && e.list.is_none());
    let (Some(vertex), Some(chunk)) = (element("vertex"), element("chunk")) else {
        return refuse("is compressed PLY without an element chunk: the bounds of its numbers are unknown".to_owned());
    };
    let words = all(path, vertex, &WORDS, PlyNumber::U32)?;
    let coloured = chunk.properties.iter().any(|p| p.name == BOUNDS[12]);
    let bounds = all(path, chunk, &BOUNDS[..if coloured { 18 } else { 12 }], PlyNumber::F32)?;
    let (n, blocks) = (vertex.count, chunk.count);
    if blocks != n.div_ceil(CHUNK) {
        return refuse(format!("has {blocks} chunks for {n} splats; there is one for each {CHUNK}"));
    }
    let sh = match element("sh") {
        None => None,
        Some(sh) if sh.count != n => return refuse(format!("has harmonics of {} splats, and {n} splats", sh.count)),
        Some(sh) => Some(sh),
    };
    let rest = sh.map_or(0, |sh| sh.properties.len());
    let Some(coefficients) = Some(rest / 3 + 1).filter(|&k| rest % 3 == 0 && degree(k).is_some()) else {
        return refuse(format!("has {rest} harmonics a splat; those of degree 0, 1, 2 and 3 have 0, 9, 24 and 45"));
    };
    let names: Vec<String> = (0..rest).map(|k| format!("f_rest_{k}")).collect();
    let (sh, places) = match sh {
        None => (None, Vec::new()),
        Some(sh) => (Some(header.rows(path, bytes, sh)?), all(path, sh, &names, PlyNumber::U8)?),
    };
    let (vertices, chunks) = (header.rows(path, bytes, vertex)?, header.rows(path, bytes, chunk)?);
    let info = SplatFileInfo {
        format: "compressed PLY",
        comments: header.comments.clone(),
        antialiased: header.is_antialiased(),
        ..SplatFileInfo::default()
    };
    let mut read = ReadSplats::new(n, coefficients, info)?;
    for i in 0..n {
        let row = row(&chunks, i / CHUNK);
        let mut block = [0.0; 18];
        block[15..].fill(1.0);
        bounds.iter().zip(&mut block).for_each(|(&at, x)| *x = f64::from(number(row, (at, PlyNumber::F32))));
        let row = self::row(&vertices, i);
        let [position, rotation, scale, color] = [0, 1, 2, 3].map(|k| word(row, words[k]));
        let between = |first: usize, share: f64| block[first] * (1.0 - share) + block[first + 3] * share;
        let channels = [24, 16, 8].map(|shift| share(color, shift, 8));
        for k in 0..3 {
            read.means[3 * i + k] = between(k, triple(position)[k]) as f32;
            read.log_scales[3 * i + k] = between(6 + k, triple(scale)[k]) as f32;
            read.harmonics[3 * coefficients * i + k] = ((between(12 + k, channels[k]) - COLOR_OFFSET) / Y0) as f32;
        }
        read.logits[i] = logit(share(color, 0, 8));
        read.rotations[4 * i..][..4].copy_from_slice(&unpacked(rotation));
        if let Some(sh) = &sh {
            let row = self::row(sh, i);
            for (k, &at) in places.iter().enumerate() {
                let (channel, j) = (k / (coefficients - 1), k % (coefficients - 1));
                let share = match row[at] {
                    0 => 0.0,
                    255 => 1.0,
                    b => (f64::from(b) + 0.5) / 256.0,
                };
                read.harmonics[3 * (coefficients * i + 1 + j) + channel] = (8.0 * (share - 0.5)) as f32;
            }
        }
    }
    Ok(read)
}

/// Where properties lie, all of one type.
#[track_caller]
fn all<T: AsRef<str>>(path: &Path, element: &PlyElement, names: &[T], number: PlyNumber) -> Result<Vec<usize>> {
    let find = |name: &T| {
        let name = name.as_ref();
        let found = element.properties.iter().find(|p| p.name == name && p.number == number);
        let words = || Error::format(path, format!("has no property {name} of the type that compressed PLY has"));
        found.map(|p| p.offset).ok_or_else(words)
    };
    names.iter().map(find).collect()
}

fn row<'a>(rows: &PlyRows<'a>, i: usize) -> &'a [u8] {
    &rows.bytes[i * rows.stride..][..rows.stride]
}

fn word(row: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
}

/// A number of some bits of a word, from 0 to 1.
fn share(word: u32, shift: u32, bits: u32) -> f64 {
    let most = (1_u32 << bits) - 1;
    f64::from(word >> shift & most) / f64::from(most)
}

fn triple(word: u32) -> [f64; 3] {
    [share(word, 21, 11), share(word, 11, 10), share(word, 0, 11)]
}

/// x, y, z, w of the three smallest of w, x, y, z.
fn unpacked(word: u32) -> [f32; 4] {
    let largest = (word >> 30) as usize;
    let mut wxyz = [0.0; 4];
    let others = (0..4).filter(|&k| k != largest);
    others.zip([20, 10, 0]).for_each(|(k, shift)| wxyz[k] = (share(word, shift, 10) - 0.5) * SQRT_2);
    wxyz[largest] = (1.0 - wxyz.iter().map(|x| x * x).sum::<f64>()).max(0.0).sqrt();
    [1, 2, 3, 0].map(|k| wxyz[k] as f32)
}

/// A number from 0 to 1 in some bits.
fn bits(share: f64, bits: u32) -> u32 {
    let most = f64::from((1_u32 << bits) - 1);
    (share * most + 0.5).floor().clamp(0.0, most) as u32
}

pub(super) fn write(splats: &StoredSplats, options: &SplatWriteOptions, to: &mut impl Write) -> std::io::Result<()> {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let (n, coefficients) = (splats.len(), splats.coefficients());
    let (wide, rest) = (3 * coefficients, coefficients - 1);
    let order = nearby(means);
    let blocks: Vec<Bounds> = order.chunks(CHUNK).map(|block| Bounds::of(block, [means, log_scales, harmonics], wide)).collect();

    begin(options, to)?;
    writeln!(to, "element chunk {}", blocks.len())?;
    BOUNDS.iter().try_for_each(|name| writeln!(to, "property float {name}"))?;
    writeln!(to, "element vertex {n}")?;
    WORDS.iter().try_for_each(|name| writeln!(to, "property uint {name}"))?;
    if rest > 0 {
        writeln!(to, "element sh {n}")?;
        (0..3 * rest).try_for_each(|k| writeln!(to, "property uchar f_rest_{k}"))?;
    }
    writeln!(to, "end_header")?;
    for x in blocks.iter().flat_map(|block| block.0) {
        to.write_all(&x.to_le_bytes())?;
    }
    for (block, bounds) in order.chunks(CHUNK).zip(&blocks) {
        for &i in block {
            let triple = |x: &[f32], first: usize| {
                let [a, b, c] = [0, 1, 2].map(|k| bounds.share(first + k, x[k]));
                bits(a, 11) << 21 | bits(b, 10) << 11 | bits(c, 11)
            };
            let [r, g, b] = [0, 1, 2].map(|k| bits(bounds.share(12 + k, color(harmonics[wide * i + k])), 8));
            let words = [
                triple(&means[3 * i..], 0),
                packed(unit(&rotations[4 * i..])),
                triple(&log_scales[3 * i..], 6),
                r << 24 | g << 16 | b << 8 | bits(sigmoid(logits[i]), 8),
            ];
            words.iter().try_for_each(|word| to.write_all(&word.to_le_bytes()))?;
        }
    }
    let mut row = vec![0; 3 * rest];
    for i in order.into_iter().filter(|_| rest > 0) {
        for (k, b) in row.iter_mut().enumerate() {
            let (channel, j) = (k / rest, k % rest);
            *b = byte((32.0 * f64::from(harmonics[wide * i + 3 * (1 + j) + channel]) + 128.0).floor());
        }
        to.write_all(&row)?;
    }
    Ok(())
}

fn color(harmonic: f32) -> f32 {
    (COLOR_OFFSET + Y0 * f64::from(harmonic)) as f32
}

/// The three smallest of w, x, y, z.
fn packed([x, y, z, w]: [f64; 4]) -> u32 {
    let q = [w, x, y, z];
    let largest = (0..4).fold(0, |best, k| if q[k].abs() > q[best].abs() { k } else { best });
    let sign = if q[largest] < 0.0 { -1.0 } else { 1.0 };
    let others = (0..4).filter(|&k| k != largest);
    others.fold(largest as u32, |word, k| word << 10 | bits(0.5 + sign * q[k] / SQRT_2, 10))
}

/// The bounds of a block, as in the file.
struct Bounds([f32; 18]);

impl Bounds {
    fn of(block: &[usize], [means, log_scales, harmonics]: [&[f32]; 3], wide: usize) -> Self {
        let mut bounds = [0.0; 18];
        let mut put = |first: usize, number: &dyn Fn(usize) -> f32| {
            let (least, most) =
                block.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &i| (a.min(number(i)), b.max(number(i))));
            (bounds[first], bounds[first + 3]) = (least, most);
        };
        for k in 0..3 {
            put(k, &|i| means[3 * i + k]);
            put(6 + k, &|i| log_scales[3 * i + k].clamp(-MOST_LOG_SCALE, MOST_LOG_SCALE));
            put(12 + k, &|i| color(harmonics[wide * i + k]));
        }
        Self(bounds)
    }

    /// Where a number lies between its bounds.
    fn share(&self, at: usize, x: f32) -> f64 {
        let (least, most) = (f64::from(self.0[at]), f64::from(self.0[at + 3]));
        if most > least { ((f64::from(x) - least) / (most - least)).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Splats in an order in which neighbours are near each other: along a curve of Morton through the box of all.
pub(super) fn nearby(means: &[f32]) -> Vec<usize> {
    let bounds =
        |k: usize| means.iter().skip(k).step_by(3).fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    let bounds = [bounds(0), bounds(1), bounds(2)];
    let key = |m: &[f32]| {
        let mut key = 0_u64;
        for k in 0..3 {
            let (least, most) = (f64::from(bounds[k].0), f64::from(bounds[k].1));
            let place = if most > least { ((f64::from(m[k]) - least) / (most - least) * f64::from(1 << 20)) as u64 } else { 0 };
            (0..21).for_each(|bit| key |= (place >> bit & 1) << (3 * bit + k));
        }
        key
    };
    let mut keys: Vec<(u64, usize)> = means.chunks_exact(3).map(key).zip(0..).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, i)| i).collect()
}
