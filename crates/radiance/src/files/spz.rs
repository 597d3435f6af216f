//! SPZ: columns of bytes, packed. Versions 2 and 3 are one stream of gzip, version 4 has a stream of Zstandard a column.
//!
//! ```text
//! header     "NGSP", version, splats (u32 each), degree, fractional bits, flags, streams (u8 each)
//! ```
//!
//! [`monotile_kernels::splat::spz`] tells what columns hold, and reads them; a page that holds a file does so too.
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
use monotile_kernels::splat::SplatShapesMut;
use monotile_kernels::splat::harmonics::degree;
use monotile_kernels::splat::spz::{COLOR_SCALE, HEADER, SpzLayout};
use monotile_kernels::splat::stated::MOST_DEGREE;
use ruzstd::decoding::FrameDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::packed::{admitted, unpacked};
use super::read::ReadSplats;
use super::{AxisFrame, SplatFileInfo, SplatWriteOptions, StoredSplats, byte, sigmoid, unit};
use crate::guard::guarded;

const MAGIC: &[u8] = b"NGSP";
/// Bytes of the header of version 4.
const HEADER_4: usize = 32;
/// Bytes of a line of version 4's table of contents: sizes packed and unpacked.
const ENTRY: usize = 16;
/// The flag of splats that are drawn antialiased.
const ANTIALIASED: u8 = 1;
/// Bits behind the point that positions have, if they fit.
const FRACTION: u32 = 12;
/// The least window that a stream of Zstandard may ask for, whatever it unpacks to.
const WINDOW: u64 = 8 << 20;

/// A header that was read.
struct SpzHeader {
    layout: SpzLayout,
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
        let coefficients = (degree + 1) * (degree + 1);
        let splats = admitted(path, u64::from(word(8)), coefficients, file)?;
        let layout = SpzLayout { version, splats, coefficients, fraction };
        Ok(Self { layout, flags: bytes[14], streams: usize::from(bytes[15]) })
    }
}

#[track_caller]
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<ReadSplats> {
    let cut = |_| Error::format(path, "is cut off within its header");
    if bytes.starts_with(MAGIC) {
        let header = bytes.first_chunk().ok_or(()).map_err(cut)?;
        let header = SpzHeader::read(path, header, bytes.len())?;
        if header.layout.version < 4 {
            return Err(Error::format(path, format!("is of version {} of SPZ and not packed by gzip", header.layout.version)));
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
    if header.layout.version >= 4 {
        return Err(Error::format(path, "is of version 4 of SPZ and packed by gzip, which that version is not"));
    }
    let sizes = header.layout.columns();
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
    let expected = if header.layout.coefficients == 1 { 5 } else { 6 };
    if header.streams != expected {
        return refuse(format!(
            "has {} streams; splats of degree {} have {expected}",
            header.streams,
            degree(header.layout.coefficients).unwrap_or_default()
        ));
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
    for (k, (entry, size)) in table.chunks_exact(ENTRY).zip(header.layout.columns()).enumerate() {
        let [packed, claimed] = [0, 8].map(|at| entry[at..at + 8].iter().rev().fold(0_u64, |x, &b| x << 8 | u64::from(b)));
        if claimed != size as u64 {
            return refuse(format!(
                "says that its stream {k} has {claimed} bytes, and {size} belong to its {} splats",
                header.layout.splats
            ));
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

fn decode(header: &SpzHeader, columns: [&[u8]; 6]) -> Result<ReadSplats> {
    let layout = &header.layout;
    let info = SplatFileInfo {
        format: ["SPZ 2", "SPZ 3", "SPZ 4"][layout.version as usize - 2],
        frame: AxisFrame::Rub,
        antialiased: header.flags & ANTIALIASED != 0,
        ..SplatFileInfo::default()
    };
    let mut read = ReadSplats::new(layout.splats, layout.coefficients, info)?;
    let ReadSplats { means, rotations, log_scales, logits, harmonics, .. } = &mut read;
    layout.unpack(columns, SplatShapesMut { means, rotations, log_scales, logits }, harmonics);
    Ok(read)
}

#[track_caller]
pub(super) fn write(path: &Path, splats: &StoredSplats, options: &SplatWriteOptions) -> Result<()> {
    let bytes = pack(splats, options).map_err(|e| e.with_context(path.display()))?;
    write_atomic(path, |to| to.write_all(&bytes))
}

/// The bytes of a file.
#[track_caller]
pub(super) fn pack(splats: &StoredSplats, options: &SplatWriteOptions) -> Result<Vec<u8>> {
    let version = options.spz_version;
    if version != 3 && version != 4 {
        return Err(Error::value(format!("SPZ is written in version 3 or 4, not {version}")));
    }
    if let Some(bits) = options.spz_bits.iter().find(|bits| !(1..=8).contains(*bits)) {
        return Err(Error::value(format!("a coefficient of SPZ has 1 to 8 bits, not {bits}")));
    }
    let fraction = fraction(splats.elements()[0]);
    let columns = columns(splats, options, fraction);
    let degree = degree(splats.coefficients()).unwrap_or_default();
    let streams = if version < 4 {
        0
    } else if degree == 0 {
        5
    } else {
        6
    };
    let mut file = MAGIC.to_vec();
    file.extend(version.to_le_bytes());
    file.extend((splats.len() as u32).to_le_bytes());
    file.extend([degree as u8, fraction as u8, u8::from(options.antialiased) * ANTIALIASED, streams]);
    if version == 3 {
        let mut to = GzEncoder::new(Vec::new(), Compression::default());
        let packed = to.write_all(&file).and_then(|()| columns.iter().try_for_each(|column| to.write_all(column)));
        return packed.and_then(|()| to.finish()).map_err(|e| Error::value(format!("SPZ does not pack: {e}")));
    }
    file.extend((HEADER_4 as u32).to_le_bytes());
    file.resize(HEADER_4, 0);
    let columns = &columns[..usize::from(streams)];
    let packed: Vec<Vec<u8>> = columns.iter().map(|column| compress_to_vec(&column[..], CompressionLevel::Fastest)).collect();
    for (packed, column) in packed.iter().zip(columns) {
        file.extend((packed.len() as u64).to_le_bytes());
        file.extend((column.len() as u64).to_le_bytes());
    }
    packed.iter().for_each(|stream| file.extend(stream));
    Ok(file)
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
