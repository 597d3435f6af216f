//! PLY as trainers of splats write it: an element `vertex` with x y z, f_dc_0…2, f_rest_0… channel by channel, opacity, scale_0…2 and rot_0…3 (w x y z).
//!
//! Properties may stand in any order, beside others, and be doubles. Scales are logarithms and the opacity is a logit, as splats have them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use monotile::text::printable;
use monotile::{Error, Result};
use monotile_kernels::splat::harmonics::degree;
use monotile_kernels::threads;

use super::ply_header::{ANTIALIASED, PlyElement, PlyHeader, PlyNumber, PlyRows, number, says_antialiased};
use super::ply_rows::{RowRuns, scatter};
use super::read::{ReadSplats, TOGETHER, are_plain};
use super::rows::write_rows;
use super::{SplatFileInfo, SplatWriteOptions, StoredSplats, compressed_ply};

/// Nanoseconds a number, by which work is split.
const NUMBER_NS: f64 = 0.7;
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

/// Rows, what becomes of them, and whether it was seen that all of them can be drawn.
struct RowsTarget<'a> {
    rows: &'a [u8],
    out: [&'a mut [f32]; 5],
    plain: &'a mut bool,
}

impl Layout {
    /// All numbers of all rows: a few rows at a time, so that each is read from memory once and looked at while it is in the cache.
    fn gather(&self, rows: &PlyRows<'_>, read: &mut ReadSplats) {
        let (wide, stride) = (3 * self.coefficients, rows.stride);
        let singles = |fields: &Vec<Field>| {
            let place = |&(at, number): &Field| (number == PlyNumber::F32 && at % 4 == 0).then_some(at / 4);
            fields.iter().map(place).collect::<Option<Vec<usize>>>().filter(|_| stride.is_multiple_of(4))
        };
        let runs = match self.groups.each_ref().map(singles) {
            [Some(means), Some(rotations), Some(scales), Some(logits), Some(harmonics)] => {
                RowRuns::of(&[means, rotations, scales, logits, harmonics])
            }
            _ => None,
        };
        let mut plain = vec![false; rows.count.div_ceil(TOGETHER)];
        let columns = read.means.chunks_mut(3 * TOGETHER).zip(read.rotations.chunks_mut(4 * TOGETHER));
        let columns = columns.zip(read.log_scales.chunks_mut(3 * TOGETHER)).zip(read.logits.chunks_mut(TOGETHER));
        let columns = columns.zip(read.harmonics.chunks_mut(wide * TOGETHER)).zip(&mut plain);
        let mut targets: Vec<RowsTarget<'_>> = rows
            .bytes
            .chunks(TOGETHER * stride.max(1))
            .zip(columns)
            .map(|(rows, (((((means, rotations), log_scales), logits), harmonics), plain))| RowsTarget {
                rows,
                out: [means, rotations, log_scales, logits, harmonics],
                plain,
            })
            .collect();
        let parts = threads::parts(rows.count * (11 + wide), NUMBER_NS).min(targets.len().max(1));
        threads::split_mut(&mut targets, 1, parts, |_, targets| {
            for RowsTarget { rows, out, plain } in targets {
                match runs {
                    Some(runs) => runs.gather(rows.as_chunks().0, stride / 4, self.coefficients - 1, out),
                    None => {
                        for (fields, out) in self.groups.iter().zip(out.iter_mut()) {
                            for (row, out) in rows.chunks_exact(stride).zip(out.chunks_exact_mut(fields.len())) {
                                fields.iter().zip(out).for_each(|(&field, x)| *x = number(row, field));
                            }
                        }
                    }
                }
                **plain = are_plain(&out.each_ref().map(|numbers| &**numbers));
            }
        });
        read.plain = plain;
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

pub(super) fn write(splats: &StoredSplats, options: &SplatWriteOptions, to: &mut BufWriter<File>) -> std::io::Result<()> {
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
    let row = 4 * (11 + wide);
    let make = |first: usize, bytes: &mut [u8]| {
        let rows = first / row..(first + bytes.len()) / row;
        let columns = [(means, 3), (rotations, 4), (log_scales, 3), (logits, 1), (harmonics, wide)];
        scatter(columns.map(|(numbers, wide)| &numbers[wide * rows.start..wide * rows.end]), rest, bytes.as_chunks_mut().0);
    };
    write_rows(to, n, row, make)
}
