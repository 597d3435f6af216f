//! PLY as trainers of splats write it: an element `vertex` with x y z, f_dc_0…2, f_rest_0… channel by channel, opacity, scale_0…2 and rot_0…3 (w x y z).
//!
//! Properties may stand in any order, beside others, and be doubles. Scales are logarithms and the opacity is a logit, as splats have them.

use std::io::Write;
use std::path::Path;

use monotile::text::printable;
use monotile::{Error, Result};
use monotile_kernels::splat::harmonics::degree;
use monotile_kernels::threads;

use super::ply_header::{ANTIALIASED, PlyElement, PlyHeader, PlyNumber, PlyRows, number, says_antialiased};
use super::read::ReadSplats;
use super::{SplatFileInfo, SplatWriteOptions, StoredSplats, compressed_ply};

/// Nanoseconds a number, by which work is split.
const NUMBER_NS: f64 = 0.7;
/// Rows that are read or written at once: those of degree 3 fill half of a second-level cache.
const ROWS: usize = 1 << 11;
/// The most bytes of comments that are written.
const MOST_COMMENTS: usize = 1 << 14;

/// Where a number lies in a row.
type Field = (usize, PlyNumber);

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<ReadSplats> {
    let header = PlyHeader::read(path, bytes)?;
    let Some(vertex) = header.elements.iter().find(|element| element.name == "vertex") else {
        return Err(Error::format(path, "is PLY without an element vertex: no splats are in it"));
    };
    if compressed_ply::is_packed(vertex) {
        return compressed_ply::read(path, bytes, &header);
    }
    if let Some(list) = &vertex.list {
        let words = format!("has a list {list} among the properties of its vertices; splats have none");
        return Err(Error::format(path, words));
    }
    let rows = header.rows(path, bytes, vertex)?;
    let layout = Layout::of(path, vertex)?;
    let info = SplatFileInfo {
        format: "PLY",
        antialiased: header.is_antialiased(),
        comments: header.comments,
        ..SplatFileInfo::default()
    };
    let mut read = ReadSplats::new(rows.count, layout.coefficients, info)?;
    layout.gather(&rows, &mut read);
    Ok(read)
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

/// Rows, and what becomes of them.
struct RowsTarget<'a> {
    rows: &'a [u8],
    out: [&'a mut [f32]; 5],
}

impl Layout {
    /// All numbers of all rows: a few rows at a time, so that each is read from memory once.
    fn gather(&self, rows: &PlyRows<'_>, read: &mut ReadSplats) {
        let (wide, stride) = (3 * self.coefficients, rows.stride);
        let parts = threads::parts(rows.count * (11 + wide), NUMBER_NS);
        let targets =
            read.means.chunks_mut(3 * ROWS).zip(read.rotations.chunks_mut(4 * ROWS)).zip(read.log_scales.chunks_mut(3 * ROWS));
        let targets = targets.zip(read.logits.chunks_mut(ROWS)).zip(read.harmonics.chunks_mut(wide * ROWS));
        let mut targets: Vec<RowsTarget<'_>> = rows
            .bytes
            .chunks(ROWS * stride)
            .zip(targets)
            .map(|(rows, ((((means, rotations), log_scales), logits), harmonics))| RowsTarget {
                rows,
                out: [means, rotations, log_scales, logits, harmonics],
            })
            .collect();
        let singles = |fields: &[Field]| {
            let place = |&(at, number): &Field| (number == PlyNumber::F32 && at % 4 == 0).then_some(at / 4);
            fields.iter().map(place).collect::<Option<Vec<usize>>>().filter(|_| stride.is_multiple_of(4))
        };
        let places = self.groups.each_ref().map(|fields| singles(fields));
        threads::split_mut(&mut targets, 1, parts.min(rows.count.div_ceil(ROWS).max(1)), |_, targets| {
            for RowsTarget { rows, out } in targets {
                for ((fields, places), out) in self.groups.iter().zip(&places).zip(out) {
                    for (row, out) in rows.chunks_exact(stride).zip(out.chunks_exact_mut(fields.len())) {
                        match places {
                            Some(places) => {
                                let (numbers, _) = row.as_chunks::<4>();
                                places.iter().zip(out).for_each(|(&at, x)| *x = f32::from_le_bytes(numbers[at]));
                            }
                            None => fields.iter().zip(out).for_each(|(&field, x)| *x = number(row, field)),
                        }
                    }
                }
            }
        });
    }
}

/// The lines before the first element.
pub(super) fn begin(options: &SplatWriteOptions, to: &mut impl Write) -> std::io::Result<()> {
    writeln!(to, "ply\nformat binary_little_endian 1.0")?;
    // A comment that says so may name a mode, and stays as it is.
    if options.antialiased && !options.comments.iter().any(|comment| says_antialiased(comment)) {
        writeln!(to, "comment {ANTIALIASED}")?;
    }
    let mut room = MOST_COMMENTS;
    for comment in options.comments.iter().filter(|comment| options.antialiased || !says_antialiased(comment)) {
        let line = printable(comment).to_string();
        match room.checked_sub(line.len()) {
            Some(left) => room = left,
            None => break,
        }
        writeln!(to, "comment {line}")?;
    }
    Ok(())
}

pub(super) fn write(splats: &StoredSplats, options: &SplatWriteOptions, to: &mut impl Write) -> std::io::Result<()> {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let n = logits.len();
    let coefficients = splats.coefficients();
    let rest = coefficients - 1;
    begin(options, to)?;
    writeln!(to, "element vertex {n}")?;
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
