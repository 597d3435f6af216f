//! PLY as trainers of splats write it: an element `vertex` with x y z, f_dc_0…2, f_rest_0… channel by channel, opacity, scale_0…2 and rot_0…3 (w x y z).
//!
//! Properties may stand in any order, beside others, and be doubles. Scales are logarithms and the opacity is a logit, as splats have them.

use std::io::Write;
use std::path::Path;

use monotile::{Error, Result};
use monotile_kernels::buffer::Block;
use monotile_kernels::splat::harmonics::degree;
use monotile_kernels::threads;

use super::ply_header::{PlyElement, PlyHeader, PlyNumber};
use super::{ReadSplats, SplatFileInfo, StoredSplats};

/// Nanoseconds a number, by which work is split.
const NUMBER_NS: f64 = 0.7;
/// Rows that are written at once.
const ROWS: usize = 1 << 12;

/// Where a number lies in a row.
type Field = (usize, PlyNumber);

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<ReadSplats> {
    let header = PlyHeader::read(path, bytes)?;
    let refuse = |words: String| Err(Error::format(path, words));
    let mut start = header.body;
    let mut vertex = None;
    for element in &header.elements {
        if element.name == "vertex" {
            vertex = Some(element);
            break;
        }
        if let Some(list) = &element.list {
            return refuse(format!(
                "has an element {} with a list {list} before its vertices, whose size nobody knows",
                element.name
            ));
        }
        let past = element.count.checked_mul(element.stride).and_then(|bytes| start.checked_add(bytes));
        match past {
            Some(past) => start = past,
            None => return refuse(format!("has an element {} of {} rows, more than a file can hold", element.name, element.count)),
        }
    }
    let Some(vertex) = vertex else { return refuse("is PLY without an element vertex: no splats are in it".to_owned()) };
    if let Some(list) = &vertex.list {
        return refuse(format!("has a list {list} among the properties of its vertices; splats have none"));
    }
    let Layout { groups: [means, rotations, log_scales, logits, harmonics], coefficients } = Layout::of(path, vertex)?;
    let there = bytes.len().saturating_sub(start);
    if vertex.count.checked_mul(vertex.stride).is_none_or(|bytes| bytes > there) {
        let (count, stride) = (vertex.count, vertex.stride);
        return refuse(format!("says that it has {count} splats of {stride} bytes, and {there} bytes are there"));
    }
    let rows = Rows { bytes: &bytes[start..], stride: vertex.stride, count: vertex.count };
    let antialiased = header.comments.iter().any(|comment| {
        let words: Vec<&str> = comment.split([' ', ':', '=']).filter(|word| !word.is_empty()).collect();
        matches!(words[..], ["SplatRenderMode", "mip"] | ["antialiased", "1" | "true"])
    });
    Ok(ReadSplats {
        means: rows.group(&means)?,
        rotations: rows.group(&rotations)?,
        log_scales: rows.group(&log_scales)?,
        logits: rows.group(&logits)?,
        harmonics: rows.group(&harmonics)?,
        coefficients,
        info: SplatFileInfo { format: "PLY", comments: header.comments, antialiased, ..SplatFileInfo::default() },
    })
}

/// Where the numbers of a splat lie: means, rotations (x y z w), log scales, logits, harmonics (coefficients of three channels each).
struct Layout {
    groups: [Vec<Field>; 5],
    coefficients: usize,
}

impl Layout {
    fn of(path: &Path, vertex: &PlyElement) -> Result<Self> {
        let find = |name: &str| vertex.properties.iter().find(|p| p.name == name).map(|p| (p.offset, p.number));
        let has = |name: &str| find(name).is_some();
        let refuse = |words: String| Err(Error::format(path, words));
        if has("x") && !has("opacity") && !has("f_dc_0") && !has("scale_0") {
            return refuse("is a cloud of points, not of splats: its vertices have no scales, opacities or harmonics".to_owned());
        }
        if has("scale_0") && has("scale_1") && !has("scale_2") {
            return refuse("has flat splats, of two scales; those of three are read".to_owned());
        }
        let all =
            |names: &[&str]| names.iter().map(|name| find(name).ok_or_else(|| missing(path, name))).collect::<Result<Vec<_>>>();
        let rest = vertex.properties.iter().filter(|p| p.name.starts_with("f_rest_")).count();
        let per_channel = rest / 3;
        if rest % 3 != 0 || degree(per_channel + 1).is_none() {
            return refuse(format!("has {rest} properties f_rest; splats of degree 0, 1, 2 and 3 have 0, 9, 24 and 45"));
        }
        let mut harmonics = all(&["f_dc_0", "f_dc_1", "f_dc_2"])?;
        for k in 0..per_channel {
            for channel in 0..3 {
                let name = format!("f_rest_{}", channel * per_channel + k);
                harmonics.push(find(&name).ok_or_else(|| missing(path, &name))?);
            }
        }
        let groups = [
            all(&["x", "y", "z"])?,
            all(&["rot_1", "rot_2", "rot_3", "rot_0"])?,
            all(&["scale_0", "scale_1", "scale_2"])?,
            all(&["opacity"])?,
            harmonics,
        ];
        Ok(Self { groups, coefficients: per_channel + 1 })
    }
}

fn missing(path: &Path, name: &str) -> Error {
    Error::format(path, format!("has no property {name}, which each splat needs"))
}

/// The rows of the vertices.
struct Rows<'a> {
    bytes: &'a [u8],
    stride: usize,
    count: usize,
}

impl Rows<'_> {
    /// Some numbers of each row, in f32.
    fn group(&self, fields: &[Field]) -> Result<Block<f32>> {
        let wide = fields.len();
        let mut out = Block::new(self.count * wide)?;
        let singles: Option<Vec<usize>> = fields.iter().map(|&(at, number)| (number == PlyNumber::F32).then_some(at)).collect();
        threads::split_mut(&mut out, wide, threads::parts(self.count * wide, NUMBER_NS), |start, out| {
            let rows = self.bytes[start / wide * self.stride..].chunks_exact(self.stride);
            for (row, out) in rows.zip(out.chunks_exact_mut(wide)) {
                match &singles {
                    Some(places) => places.iter().zip(out).for_each(|(&at, x)| *x = f32::from_le_bytes(bytes_at(row, at))),
                    None => fields.iter().zip(out).for_each(|(&field, x)| *x = number(row, field)),
                }
            }
        });
        Ok(out)
    }
}

#[inline(always)]
fn bytes_at<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&row[at..at + N]);
    bytes
}

fn number(row: &[u8], (at, number): Field) -> f32 {
    match number {
        PlyNumber::I8 => f32::from(i8::from_le_bytes(bytes_at(row, at))),
        PlyNumber::U8 => f32::from(row[at]),
        PlyNumber::I16 => f32::from(i16::from_le_bytes(bytes_at(row, at))),
        PlyNumber::U16 => f32::from(u16::from_le_bytes(bytes_at(row, at))),
        PlyNumber::I32 => i32::from_le_bytes(bytes_at(row, at)) as f32,
        PlyNumber::U32 => u32::from_le_bytes(bytes_at(row, at)) as f32,
        PlyNumber::F32 => f32::from_le_bytes(bytes_at(row, at)),
        PlyNumber::F64 => f64::from_le_bytes(bytes_at(row, at)) as f32,
    }
}

pub(super) fn write(splats: &StoredSplats, to: &mut impl Write) -> std::io::Result<()> {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let n = logits.len();
    let coefficients = splats.0[4].dim(1);
    let rest = coefficients - 1;
    write!(to, "ply\nformat binary_little_endian 1.0\nelement vertex {n}\n")?;
    let names = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2"].map(str::to_owned).into_iter();
    let names = names.chain((0..3 * rest).map(|k| format!("f_rest_{k}")));
    let last = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"].map(str::to_owned);
    for name in names.chain(last) {
        writeln!(to, "property float {name}")?;
    }
    writeln!(to, "end_header")?;
    let wide = 3 * coefficients;
    let row = 11 + wide;
    let mut block = vec![0_u8; 4 * row * ROWS.min(n)];
    for start in (0..n).step_by(ROWS) {
        let here = ROWS.min(n - start);
        let block = &mut block[..4 * row * here];
        threads::split_mut(block, 4 * row, threads::parts(here * row, NUMBER_NS), |first, block| {
            for (i, bytes) in (start + first / (4 * row)..).zip(block.chunks_exact_mut(4 * row)) {
                let (numbers, _) = bytes.as_chunks_mut::<4>();
                let h = &harmonics[wide * i..][..wide];
                let mut put = |at: usize, x: f32| numbers[at] = x.to_le_bytes();
                for k in 0..3 {
                    put(k, means[3 * i + k]);
                    put(3 + k, h[k]);
                    put(4 + wide + k, log_scales[3 * i + k]);
                    for j in 0..rest {
                        put(6 + k * rest + j, h[3 + 3 * j + k]);
                    }
                }
                put(3 + wide, logits[i]);
                for (k, part) in [3, 0, 1, 2].into_iter().enumerate() {
                    put(7 + wide + k, rotations[4 * i + part]);
                }
            }
        });
        to.write_all(block)?;
    }
    Ok(())
}
