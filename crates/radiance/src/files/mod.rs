//! Splats in files: PLY as trainers write it, and `.splat`.
//!
//! Numbers are read as they are stored, in the file's own frame; most trainers' has y down and z forward. Files are untrusted: sizes are checked before
//! anything is read, and memory is bounded by the file's size.

mod antimatter;
mod ply;
mod ply_header;

use std::path::Path;

use monotile::io::{open_regular, write_atomic};
use monotile::{Error, Result, Tensor, limits};
use monotile_kernels::buffer::{Block, Mapping};

use crate::splats::Splats;

/// How files of splats are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplatReadOptions {
    /// Refuse a file with splats that cannot be drawn, in the place of leaving them out.
    pub strict: bool,
}

/// What a file of splats says beside its splats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplatFileInfo {
    /// The format's name.
    pub format: &'static str,
    /// Splats that were left out, since they cannot be drawn: a number is NaN or infinite, or a quaternion 0. A scale of 0 and an opacity of 0 or 1 are no such numbers.
    pub dropped: usize,
    /// The first of them, counted from 0.
    pub first_dropped: Option<usize>,
    /// Comments of the header.
    pub comments: Vec<String>,
    /// Whether the file says that its splats are to be drawn antialiased.
    pub antialiased: bool,
}

impl Splats {
    /// The splats of a file, in f32: PLY (binary, little-endian, harmonics of degree 0 to 3) or `.splat`, told apart by the first bytes.
    ///
    /// # Errors
    /// What the system says; and in a sentence what is not as the format has it.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// use monotile_radiance::{SplatReadOptions, Splats};
    /// let splats = Splats {
    ///     means: Tensor::from([[1.0_f32, 2.0, 3.0]]),
    ///     rotations: Tensor::from([[0.0_f32, 0.0, 0.0, 1.0]]),
    ///     log_scales: Tensor::from([[-3.0_f32, -2.0, -1.0]]),
    ///     logits: Tensor::from([0.5_f32]),
    ///     harmonics: Tensor::zeros(&[1, 16, 3], DType::F32)?,
    /// };
    /// let path = std::env::temp_dir().join(format!("monotile-splats-{}.ply", std::process::id()));
    /// splats.write(&path)?;
    /// let (read, info) = Splats::read(&path, &SplatReadOptions::default())?;
    /// assert_eq!(read.means.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// assert_eq!((read.degree(), info.dropped), (Some(3), 0));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn read(path: impl AsRef<Path>, options: &SplatReadOptions) -> Result<(Self, SplatFileInfo)> {
        let path = path.as_ref();
        let (file, bytes) = open_regular(path)?;
        limits::MODEL.admit(path.display(), bytes)?;
        if bytes == 0 {
            return Err(Error::format(path, "is empty: no splats are in it"));
        }
        let map = Mapping::watched(&file, path).map_err(|e| Error::io("reading", path, &e))?;
        let named = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
        let read = if map.bytes().starts_with(b"ply") || named("ply") {
            ply::read(path, map.bytes())?
        } else if named("splat") {
            antimatter::read(path, map.bytes())?
        } else {
            return Err(Error::format(
                path,
                "is no file of splats that is known: a .ply begins with \"ply\", another is named .splat",
            ));
        };
        if map.has_changed() {
            return Err(Error::format(path, "was changed while it was read"));
        }
        read.finish(path, options)
    }

    /// Writes a file of splats: `.ply`, with all that they are, or `.splat`, which has a byte a colour, an opacity and a part of a rotation, and no harmonics above degree 0.
    ///
    /// # Errors
    /// What the system says; shapes that do not fit; a name that ends otherwise.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.check("write")?;
        let stored = StoredSplats::new(self)?;
        match path.extension().map(|e| e.to_ascii_lowercase()).as_deref().and_then(|e| e.to_str()) {
            Some("ply") => write_atomic(path, |to| ply::write(&stored, to)),
            Some("splat") => write_atomic(path, |to| antimatter::write(&stored, to)),
            _ => Err(Error::value(format!("{}: splats are written to a .ply or a .splat", path.display()))),
        }
    }
}

/// Elements that were read, quaternions as x, y, z, w.
struct ReadSplats {
    means: Block<f32>,
    rotations: Block<f32>,
    log_scales: Block<f32>,
    logits: Block<f32>,
    harmonics: Block<f32>,
    /// Coefficients a channel.
    coefficients: usize,
    info: SplatFileInfo,
}

impl ReadSplats {
    /// Leaves out what cannot be drawn.
    fn finish(mut self, path: &Path, options: &SplatReadOptions) -> Result<(Splats, SplatFileInfo)> {
        let (n, wide) = (self.logits.len(), 3 * self.coefficients);
        let drawn = |i: usize| {
            let finite = |x: &[f32]| x.iter().all(|x| x.is_finite());
            let rotation = &self.rotations[4 * i..][..4];
            finite(&self.means[3 * i..][..3])
                && finite(rotation)
                && rotation.iter().any(|&x| x != 0.0)
                && self.log_scales[3 * i..][..3].iter().all(|&x| x < f32::INFINITY)
                && !self.logits[i].is_nan()
                && finite(&self.harmonics[wide * i..][..wide])
        };
        let dropped: Vec<usize> = (0..n).filter(|&i| !drawn(i)).collect();
        let kept = n - dropped.len();
        if let Some(&first) = dropped.first() {
            if options.strict {
                let words = format!("has {} splats that cannot be drawn, the first of them number {first}", dropped.len());
                return Err(Error::format(path, format!("{words}: a number is NaN or infinite, or a quaternion 0")));
            }
            (self.info.dropped, self.info.first_dropped) = (dropped.len(), Some(first));
            let columns = [
                (&mut self.means, 3),
                (&mut self.rotations, 4),
                (&mut self.log_scales, 3),
                (&mut self.logits, 1),
                (&mut self.harmonics, wide),
            ];
            for (block, wide) in columns {
                *block = without(block, wide, &dropped)?;
            }
        }
        let splats = Splats {
            means: Tensor::from_block(self.means, &[kept, 3])?,
            rotations: Tensor::from_block(self.rotations, &[kept, 4])?,
            log_scales: Tensor::from_block(self.log_scales, &[kept, 3])?,
            logits: Tensor::from_block(self.logits, &[kept])?,
            harmonics: Tensor::from_block(self.harmonics, &[kept, self.coefficients, 3])?,
        };
        Ok((splats, self.info))
    }
}

/// Rows without those that are named, in increasing order.
fn without(rows: &Block<f32>, wide: usize, dropped: &[usize]) -> Result<Block<f32>> {
    let mut kept = Block::new(rows.len() - wide * dropped.len())?;
    let (mut from, mut to) = (0, 0);
    for &end in dropped.iter().chain([&(rows.len() / wide)]) {
        let run = &rows[from * wide..end * wide];
        kept[to..to + run.len()].copy_from_slice(run);
        (from, to) = (end + 1, to + run.len());
    }
    Ok(kept)
}

/// Splats in f32 and in row-major order.
struct StoredSplats([Tensor; 5]);

impl StoredSplats {
    fn new(splats: &Splats) -> Result<Self> {
        let Splats { means, rotations, log_scales, logits, harmonics } = splats;
        let mut tensors = [means, rotations, log_scales, logits, harmonics].map(Tensor::detach);
        for t in &mut tensors {
            *t = t.to_dtype(monotile::DType::F32)?.contiguous()?;
        }
        Ok(Self(tensors))
    }

    /// Means, rotations, log scales, logits, harmonics.
    fn elements(&self) -> [&[f32]; 5] {
        self.0.each_ref().map(|t| t.as_slice().unwrap_or_default())
    }
}
