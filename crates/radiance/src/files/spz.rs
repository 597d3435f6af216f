//! SPZ: columns of bytes, packed. Versions 2 and 3 are one stream of gzip, version 4 has a stream of Zstandard a column.
//!
//! ```text
//! header     "NGSP", version, splats (u32 each), degree, fractional bits, flags, streams (u8 each)
//! means      3 × i24 / 2^bits        opacities   b / 255             colours   (b / 255 − ½) / 0.15, the coefficient of degree 0
//! scales     exp(b / 16 − 10)        rotations   three parts         rest      (b − 128) / 128, three channels a coefficient
//! ```
//!
//! Rotations of version 2 are x, y, z, as b / 127.5 − 1; those of 3 and 4 the three smallest of x, y, z, w, a sign and 9 bits of √½ each, and which is left out.
//!
//! # Source
//! Niantic Labs (2024), nianticlabs/spz: the format as its library reads it.

use std::f64::consts::FRAC_1_SQRT_2;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use monotile::io::write_atomic;
use monotile::{Error, Result, memory};
use monotile_kernels::shape::count;
use monotile_kernels::splat::stated::MOST_DEGREE;
use ruzstd::decoding::FrameDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::packed::{admitted, unpacked};
use super::read::ReadSplats;
use super::{AxisFrame, SplatFileInfo, SplatWriteOptions, StoredSplats, byte, logit, sigmoid, unit};
use crate::guard::guarded;

const MAGIC: &[u8] = b"NGSP";
/// Bytes of the header before version 4, and of that of version 4.
const HEADER: usize = 16;
const HEADER_4: usize = 32;
/// Bytes of a line of version 4's table of contents: sizes packed and unpacked.
const ENTRY: usize = 16;
/// How far colours lie from gray.
const COLOR_SCALE: f64 = 0.15;
/// The flag of splats that are drawn antialiased.
const ANTIALIASED: u8 = 1;
/// Bits behind the point that positions have, if they fit.
const FRACTION: u32 = 12;
/// The least window that a stream of Zstandard may ask for, whatever it unpacks to.
const WINDOW: u64 = 8 << 20;

/// A header that was read.
struct SpzHeader {
    version: u32,
    n: usize,
    degree: usize,
    fraction: u32,
    flags: u8,
    streams: usize,
}

impl SpzHeader {
    #[track_caller]
    fn read(path: &Path, bytes: &[u8; HEADER], file: usize) -> Result<Self> {
        let refuse = |words: String| Err(Error::format(path, words));
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if !bytes.starts_with(MAGIC) {
            return refuse("is no SPZ file: it does not begin with NGSP, packed or plain".to_owned());
        }
        let version = word(4);
        if !(2..=4).contains(&version) {
            return refuse(format!("is of version {version} of SPZ; versions 2, 3 and 4 are read"));
        }
        let degree = usize::from(bytes[12]);
        if degree > MOST_DEGREE {
            return refuse(format!("has harmonics of degree {degree}; those up to {MOST_DEGREE} are read"));
        }
        let fraction = u32::from(bytes[13]);
        if fraction > 24 {
            return refuse(format!("has {fraction} bits behind the point of numbers of 24"));
        }
        let n = admitted(path, u64::from(word(8)), (degree + 1) * (degree + 1), file)?;
        Ok(Self { version, n, degree, fraction, flags: bytes[14], streams: usize::from(bytes[15]) })
    }

    /// Coefficients a channel.
    fn coefficients(&self) -> usize {
        (self.degree + 1) * (self.degree + 1)
    }

    /// Bytes of each column: means, opacities, colours, scales, rotations, rest.
    fn columns(&self) -> [usize; 6] {
        let rotation = if self.version == 2 { 3 } else { 4 };
        [9, 1, 3, 3, rotation, 3 * (self.coefficients() - 1)].map(|wide| count(&[self.n, wide]))
    }
}

#[track_caller]
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<ReadSplats> {
    let cut = |_| Error::format(path, "is cut off within its header");
    if bytes.starts_with(MAGIC) {
        let header = bytes.first_chunk().ok_or(()).map_err(cut)?;
        let header = SpzHeader::read(path, header, bytes.len())?;
        if header.version < 4 {
            return Err(Error::format(path, format!("is of version {} of SPZ and not packed by gzip", header.version)));
        }
        let columns = streams(path, bytes, &header)?;
        return decode(&header, columns.each_ref().map(Vec::as_slice));
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(Error::format(path, "is no SPZ file: it is neither packed by gzip nor begins with NGSP"));
    }
    let mut unpack = GzDecoder::new(bytes);
    let mut header = [0; HEADER];
    unpack.read_exact(&mut header).map_err(|e| Error::format(path, format!("has a header that does not unpack: {e}")))?;
    let header = SpzHeader::read(path, &header, bytes.len())?;
    if header.version >= 4 {
        return Err(Error::format(path, "is of version 4 of SPZ and packed by gzip, which that version is not"));
    }
    let sizes = header.columns();
    let all = unpacked(path, &mut unpack, sizes.iter().sum(), "columns")?;
    let mut rest = &all[..];
    let columns = sizes.map(|size| {
        let (column, after) = rest.split_at(size);
        rest = after;
        column
    });
    decode(&header, columns)
}

/// The columns of version 4.
#[track_caller]
fn streams(path: &Path, bytes: &[u8], header: &SpzHeader) -> Result<[Vec<u8>; 6]> {
    let refuse = |words: String| Err(Error::format(path, words));
    let expected = if header.degree == 0 { 5 } else { 6 };
    if header.streams != expected {
        return refuse(format!("has {} streams; splats of degree {} have {expected}", header.streams, header.degree));
    }
    let Some(at) = bytes.get(16..20).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize) else {
        return refuse("is cut off within its header".to_owned());
    };
    let table = at.checked_add(ENTRY * expected).and_then(|end| bytes.get(at..end));
    let Some(table) = table.filter(|_| at >= HEADER_4) else {
        return refuse(format!(
            "has its table of contents at byte {at} of {}, which is within the header or beyond the end",
            bytes.len()
        ));
    };
    let mut rest = &bytes[at + table.len()..];
    let mut columns = [const { Vec::new() }; 6];
    for (k, (entry, size)) in table.chunks_exact(ENTRY).zip(header.columns()).enumerate() {
        let [packed, claimed] = [0, 8].map(|at| entry[at..at + 8].iter().rev().fold(0_u64, |x, &b| x << 8 | u64::from(b)));
        if claimed != size as u64 {
            return refuse(format!("says that its stream {k} has {claimed} bytes, and {size} belong to its {} splats", header.n));
        }
        let Some((stream, after)) = usize::try_from(packed).ok().and_then(|packed| rest.split_at_checked(packed)) else {
            return refuse(format!("has a stream {k} of {packed} bytes, and {} are left: it is cut off", rest.len()));
        };
        rest = after;
        columns[k] = memory::filled(size, 0, format_args!("{}: stream {k}", path.display()))?;
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW.max(2 * size as u64));
        match guarded(|| decoder.decode_all(stream, &mut columns[k])) {
            Some(Ok(written)) if written == size => {}
            Some(Ok(written)) => {
                return refuse(format!("has a stream {k} that unpacks to {written} bytes, and {size} belong there"));
            }
            Some(Err(why)) => return refuse(format!("has a stream {k} that does not unpack: {why}")),
            None => return refuse(format!("has a stream {k} that is made as nothing packs streams")),
        }
    }
    Ok(columns)
}

fn decode(header: &SpzHeader, [positions, alphas, colors, scales, turns, rest]: [&[u8]; 6]) -> Result<ReadSplats> {
    let info = SplatFileInfo {
        format: ["SPZ 2", "SPZ 3", "SPZ 4"][header.version as usize - 2],
        frame: AxisFrame::Rub,
        antialiased: header.flags & ANTIALIASED != 0,
        ..SplatFileInfo::default()
    };
    let coefficients = header.coefficients();
    let mut read = ReadSplats::new(header.n, coefficients, info)?;
    let unit = f64::from(1_u32 << header.fraction);
    for (x, b) in read.means.iter_mut().zip(positions.as_chunks::<3>().0) {
        // The sign is the highest of 24 bits.
        *x = (f64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) / unit) as f32;
    }
    for (x, &b) in read.logits.iter_mut().zip(alphas) {
        *x = logit(f64::from(b) / 255.0);
    }
    for (x, &b) in read.log_scales.iter_mut().zip(scales) {
        *x = f32::from(b) / 16.0 - 10.0;
    }
    for (i, h) in read.harmonics.chunks_exact_mut(3 * coefficients).enumerate() {
        let (first, others) = h.split_at_mut(3);
        first.iter_mut().zip(&colors[3 * i..]).for_each(|(x, &b)| *x = ((f64::from(b) / 255.0 - 0.5) / COLOR_SCALE) as f32);
        others.iter_mut().zip(&rest[3 * (coefficients - 1) * i..]).for_each(|(x, &b)| *x = (f32::from(b) - 128.0) / 128.0);
    }
    let (rotations, _) = read.rotations.as_chunks_mut::<4>();
    if header.version == 2 {
        for (q, b) in rotations.iter_mut().zip(turns.as_chunks::<3>().0) {
            *q = completed(b.map(|b| f64::from(b) / 127.5 - 1.0), 3);
        }
    } else {
        for (q, &b) in rotations.iter_mut().zip(turns.as_chunks::<4>().0) {
            let word = u32::from_le_bytes(b);
            let part = |shift: u32| {
                let size = FRAC_1_SQRT_2 * f64::from(word >> shift & 511) / 511.0;
                if word >> (shift + 9) & 1 == 1 { -size } else { size }
            };
            *q = completed([part(20), part(10), part(0)], (word >> 30) as usize);
        }
    }
    Ok(read)
}

/// A quaternion of length 1 of three of its parts.
fn completed(parts: [f64; 3], left_out: usize) -> [f32; 4] {
    let mut q = [0.0; 4];
    (0..4).filter(|&k| k != left_out).zip(parts).for_each(|(k, part)| q[k] = part as f32);
    q[left_out] = (1.0 - parts.iter().map(|x| x * x).sum::<f64>()).max(0.0).sqrt() as f32;
    q
}

#[track_caller]
pub(super) fn write(path: &Path, splats: &StoredSplats, options: &SplatWriteOptions) -> Result<()> {
    let version = options.spz_version;
    if version != 3 && version != 4 {
        return Err(Error::value(format!("{}: SPZ is written in version 3 or 4, not {version}", path.display())));
    }
    if let Some(bits) = options.spz_bits.iter().find(|bits| !(1..=8).contains(*bits)) {
        return Err(Error::value(format!("{}: a coefficient of SPZ has 1 to 8 bits, not {bits}", path.display())));
    }
    let fraction = fraction(splats.elements()[0]);
    let columns = columns(splats, options, fraction);
    let degree = (0..=MOST_DEGREE).find(|d| (d + 1) * (d + 1) == splats.coefficients()).unwrap_or_default();
    let streams = if version < 4 {
        0
    } else if degree == 0 {
        5
    } else {
        6
    };
    let mut header = MAGIC.to_vec();
    header.extend(version.to_le_bytes());
    header.extend((splats.len() as u32).to_le_bytes());
    header.extend([degree as u8, fraction as u8, u8::from(options.antialiased) * ANTIALIASED, streams]);
    if version == 3 {
        return write_atomic(path, |to| {
            let mut pack = GzEncoder::new(to, Compression::default());
            pack.write_all(&header)?;
            columns.iter().try_for_each(|column| pack.write_all(column))?;
            pack.finish().map(drop)
        });
    }
    header.extend((HEADER_4 as u32).to_le_bytes());
    header.resize(HEADER_4, 0);
    let columns = &columns[..usize::from(streams)];
    let packed: Vec<Vec<u8>> = columns.iter().map(|column| compress_to_vec(&column[..], CompressionLevel::Fastest)).collect();
    for (packed, column) in packed.iter().zip(columns) {
        header.extend((packed.len() as u64).to_le_bytes());
        header.extend((column.len() as u64).to_le_bytes());
    }
    write_atomic(path, |to| {
        to.write_all(&header)?;
        packed.iter().try_for_each(|stream| to.write_all(stream))
    })
}

/// Bits behind the point: twelve, fewer where places are far away, and more where all are near.
fn fraction(means: &[f32]) -> u32 {
    let most = means.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    // The places before the point of the farthest.
    let before = if most.is_finite() && most > 0.0 { most.log2().floor() as i32 + 1 } else { 0 };
    (22 - before).min(FRACTION as i32 - before.min(0)).clamp(0, 24) as u32
}

fn columns(splats: &StoredSplats, options: &SplatWriteOptions, fraction: u32) -> [Vec<u8>; 6] {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let wide = 3 * splats.coefficients();
    let scale = f64::from(1_u32 << fraction);
    let most = f64::from((1_i32 << 23) - 1);
    let fixed = |&x: &f32| {
        let [a, b, c, _] = ((f64::from(x) * scale).round().clamp(-most, most) as i32).to_le_bytes();
        [a, b, c]
    };
    let rest = |(k, &x): (usize, &f32)| {
        let bucket = 1_i32 << (8 - options.spz_bits[usize::from(k >= 9)]);
        let b = (f64::from(x) * 128.0).round().clamp(-1024.0, 1024.0) as i32 + 128;
        ((b + bucket / 2).div_euclid(bucket) * bucket).clamp(0, 255) as u8
    };
    [
        means.iter().flat_map(fixed).collect(),
        logits.iter().map(|&x| byte(255.0 * sigmoid(x))).collect(),
        harmonics
            .chunks_exact(wide)
            .flat_map(|h| h[..3].iter().map(|&x| byte(255.0 * (0.5 + COLOR_SCALE * f64::from(x)))))
            .collect(),
        log_scales.iter().map(|&x| byte(16.0 * (f64::from(x) + 10.0))).collect(),
        rotations.chunks_exact(4).flat_map(|q| smallest(unit(q)).to_le_bytes()).collect(),
        harmonics.chunks_exact(wide).flat_map(|h| h[3..].iter().enumerate().map(rest)).collect(),
    ]
}

/// The three smallest parts of a quaternion, and which is left out.
fn smallest(q: [f64; 4]) -> u32 {
    let largest = (0..4).fold(0, |best, k| if q[k].abs() > q[best].abs() { k } else { best });
    let flipped = q[largest] < 0.0;
    (0..4).filter(|&k| k != largest).fold(largest as u32, |word, k| {
        let size = (511.0 * q[k].abs() / FRAC_1_SQRT_2).round().min(511.0) as u32;
        word << 10 | u32::from((q[k] < 0.0) != flipped) << 9 | size
    })
}
