//! Splats in files: PLY as trainers write it and packed, `.splat`, SPZ, SOG and glTF.
//!
//! Numbers are read as they are stored, in the file's own frame, which [`SplatFileInfo::frame`] tells. Files are untrusted: sizes are checked before anything is read, and
//! memory is bounded by the file's size; where a file is packed, what it unpacks to is bounded by `limits::MODEL` too.

mod antimatter;
#[cfg(feature = "formats")]
mod beside;
mod compressed_ply;
mod format;
mod frame;
#[cfg(feature = "formats")]
mod gltf;
#[cfg(feature = "formats")]
mod packed;
mod ply;
mod ply_header;
mod ply_rows;
mod read;
mod rows;
#[cfg(feature = "formats")]
mod sog;
#[cfg(feature = "formats")]
mod spz;

use std::path::Path;

use monotile::io::{open_regular, write_atomic};
use monotile::{Error, Result, Tensor, limits};
use monotile_kernels::buffer::Mapping;

pub use format::SplatFormat;
pub use frame::AxisFrame;
use ply_header::{MIP, says_mip};
use read::ReadSplats;

use crate::project::ProjectOptions;
use crate::splats::Splats;
use crate::up::UpAxis;

/// How files of splats are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplatReadOptions {
    /// Refuse a file with splats that cannot be drawn, in the place of leaving them out.
    pub strict: bool,
}

/// What a file of splats says beside its splats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplatFileInfo {
    /// The format's name, with its version where that says something.
    pub format: &'static str,
    /// Which way the axes point in files of the format.
    pub frame: AxisFrame,
    /// Splats that were left out, since they cannot be drawn: a number is NaN or infinite, or a quaternion 0. A scale of 0 and an opacity of 0 or 1 are no such numbers.
    pub dropped: usize,
    /// The first of them, counted from 0.
    pub first_dropped: Option<usize>,
    /// Comments of the header, and which program wrote the file.
    pub comments: Vec<String>,
    /// What of the file is not read, or is read as something else.
    pub notes: Vec<String>,
    /// Whether the file says that its splats are to be drawn antialiased.
    pub antialiased: bool,
}

impl SplatFileInfo {
    /// How the file says that its splats are projected: antialiased if it says so, and with a blur of 0.1 where a comment names the mode `mip`, whose blur that is.
    pub fn project(&self) -> ProjectOptions {
        let default = ProjectOptions::default();
        let mip = self.comments.iter().any(|comment| says_mip(comment));
        let blur = if mip { ProjectOptions::mip().blur } else { default.blur };
        ProjectOptions { antialiased: self.antialiased, blur, ..default }
    }

    /// The axis that points up: that of the format, but z where a comment says so, as nerfstudio's exporter writes it.
    pub fn up(&self) -> UpAxis {
        let says_z = |comment: &String| comment.eq_ignore_ascii_case("Vertical Axis: z");
        if self.comments.iter().any(says_z) { UpAxis::Z } else { UpAxis::of(self.frame) }
    }
}

/// How files of splats are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplatWriteOptions {
    /// The axes of the splats; they are rotated to those of the format.
    pub frame: AxisFrame,
    /// Whether the file says that its splats are to be drawn antialiased, in PLY and SPZ.
    pub antialiased: bool,
    /// Comments of a PLY's header.
    pub comments: Vec<String>,
    /// 3, which is packed by gzip, or 4, by Zstandard.
    pub spz_version: u32,
    /// Bits of a coefficient in SPZ, of degree 1 and above, from 1 to 8; fewer make a smaller file.
    pub spz_bits: [u32; 2],
}

impl SplatWriteOptions {
    /// Those of splats that are projected so: antialiased or not, and with a comment that names the mode `mip` where its blur is theirs.
    pub fn from_project(project: &ProjectOptions) -> Self {
        let is_mip = project.antialiased && project.blur == ProjectOptions::mip().blur;
        let comments = if is_mip { vec![MIP.to_owned()] } else { Vec::new() };
        Self { antialiased: project.antialiased, comments, ..Self::default() }
    }
}

impl Default for SplatWriteOptions {
    fn default() -> Self {
        Self { frame: AxisFrame::Rdf, antialiased: false, comments: Vec::new(), spz_version: 3, spz_bits: [5, 4] }
    }
}

impl Splats {
    /// The splats of a file, in f32, told apart by its first bytes, else its name: PLY (binary, little-endian, harmonics of degree 0 to 3), also packed as SuperSplat does,
    /// `.splat`, SPZ 2 to 4, SOG 2 (a `.sog`, or a folder with a `meta.json`), and glTF with `KHR_gaussian_splatting`.
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
        let folder = path.join("meta.json");
        if path.is_dir() && folder.is_file() {
            return Self::read(&folder, options);
        }
        let (file, bytes) = open_regular(path)?;
        limits::MODEL.admit(path.display(), bytes)?;
        if bytes == 0 {
            return Err(Error::format(path, "is empty: no splats are in it"));
        }
        let map = Mapping::watched(&file, path).map_err(|e| Error::io("reading", path, &e))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let read = read_as(SplatFormat::of_file(path, map.bytes())?, path, Some(folder), map.bytes())?;
        if map.has_changed() {
            return Err(Error::format(path, "was changed while it was read"));
        }
        read.finish(path, options)
    }

    /// The splats of bytes of a format; other files, which some name, are not read.
    ///
    /// # Errors
    /// In a sentence what is not as the format has it.
    ///
    /// # Example
    /// ```
    /// use monotile_radiance::{SplatFormat, SplatReadOptions, Splats};
    /// let refused = Splats::from_bytes(SplatFormat::Splat, &[0; 33], &SplatReadOptions::default()).unwrap_err();
    /// assert_eq!(refused.to_string(), "bytes: has 33 bytes, and a .splat has 32 for each splat: it is cut off, or no such file");
    /// ```
    #[track_caller]
    pub fn from_bytes(format: SplatFormat, bytes: &[u8], options: &SplatReadOptions) -> Result<(Self, SplatFileInfo)> {
        let path = Path::new("bytes");
        read_as(format, path, None, bytes)?.finish(path, options)
    }

    /// Writes a file of splats, as its name ends: [`SplatFormat`] tells what each keeps. The splats' axes are those of trainers.
    ///
    /// # Errors
    /// What the system says; shapes that do not fit; a name that ends otherwise.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_as(path, &SplatWriteOptions::default())
    }

    /// Writes a file of splats with other options than [`Splats::write`].
    ///
    /// # Errors
    /// Those of [`Splats::write`]; a version of SPZ or a number of bits that there is not.
    #[track_caller]
    pub fn write_as(&self, path: impl AsRef<Path>, options: &SplatWriteOptions) -> Result<()> {
        let path = path.as_ref();
        self.check("write")?;
        let format = SplatFormat::of_name(path).ok_or_else(|| {
            let endings = SplatFormat::ALL.map(SplatFormat::ending);
            Error::value(format!("{}: splats are written to a file that ends in {}", path.display(), endings.join(", ")))
        })?;
        let stored = StoredSplats::new(&self.to_frame(options.frame, format.frame())?)?;
        write_to(format, path, &stored, options)
    }

    /// The bytes of a file of SPZ, with other options than their default: for a page or a message that holds a scene.
    ///
    /// # Errors
    /// Those of [`Splats::write_as`] but the system's.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// use monotile_radiance::{SplatFormat, SplatReadOptions, SplatWriteOptions, Splats};
    /// let splats = Splats {
    ///     means: Tensor::from([[1.0_f32, 2.0, 3.0]]),
    ///     rotations: Tensor::from([[0.0_f32, 0.0, 0.0, 1.0]]),
    ///     log_scales: Tensor::from([[-3.0_f32, -2.0, -1.0]]),
    ///     logits: Tensor::from([0.0_f32]),
    ///     harmonics: Tensor::zeros(&[1, 1, 3], DType::F32)?,
    /// };
    /// let bytes = splats.to_spz(&SplatWriteOptions::default())?;
    /// let (read, info) = Splats::from_bytes(SplatFormat::Spz, &bytes, &SplatReadOptions::default())?;
    /// // Its y points up, that of trainers down.
    /// assert_eq!((read.means.to_vec::<f32>()?, info.format), (vec![1.0, -2.0, -3.0], "SPZ 3"));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[cfg(feature = "formats")]
    #[track_caller]
    pub fn to_spz(&self, options: &SplatWriteOptions) -> Result<Vec<u8>> {
        self.check("to_spz")?;
        let stored = StoredSplats::new(&self.to_frame(options.frame, SplatFormat::Spz.frame())?)?;
        spz::pack(&stored, options).map_err(|e| e.with_context("to_spz"))
    }
}

/// Reads what is of a format, with files of the folder that it names.
#[track_caller]
fn read_as(format: SplatFormat, path: &Path, folder: Option<&Path>, bytes: &[u8]) -> Result<ReadSplats> {
    match format {
        SplatFormat::Ply | SplatFormat::CompressedPly => ply::read(path, bytes),
        SplatFormat::Splat => antimatter::read(path, bytes),
        #[cfg(feature = "formats")]
        SplatFormat::Spz => spz::read(path, bytes),
        #[cfg(feature = "formats")]
        SplatFormat::Sog => sog::read(path, folder, bytes),
        #[cfg(feature = "formats")]
        SplatFormat::Glb | SplatFormat::Gltf => gltf::read(path, folder, bytes),
        #[cfg(not(feature = "formats"))]
        other => {
            let _ = folder;
            Err(without(path, other))
        }
    }
}

#[track_caller]
fn write_to(format: SplatFormat, path: &Path, splats: &StoredSplats, options: &SplatWriteOptions) -> Result<()> {
    match format {
        SplatFormat::Ply => write_atomic(path, |to| ply::write(splats, options, to)),
        SplatFormat::CompressedPly => write_atomic(path, |to| compressed_ply::write(splats, options, to)),
        SplatFormat::Splat => write_atomic(path, |to| antimatter::write(splats, to)),
        #[cfg(feature = "formats")]
        SplatFormat::Spz => spz::write(path, splats, options),
        #[cfg(feature = "formats")]
        SplatFormat::Sog => sog::write(path, splats, options),
        #[cfg(feature = "formats")]
        SplatFormat::Glb | SplatFormat::Gltf => gltf::write(path, splats, format == SplatFormat::Gltf),
        #[cfg(not(feature = "formats"))]
        other => Err(without(path, other)),
    }
}

#[cfg(not(feature = "formats"))]
#[track_caller]
fn without(path: &Path, format: SplatFormat) -> Error {
    Error::format(path, format!("is {}, which is read and written by the feature \"formats\" alone", format.name()))
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

    /// How many there are.
    fn len(&self) -> usize {
        self.0[3].len()
    }

    /// Coefficients a channel.
    fn coefficients(&self) -> usize {
        self.0[4].dim(1)
    }
}

/// The opacity of a logit.
fn sigmoid(x: f32) -> f64 {
    1.0 / (1.0 + f64::from(-x).exp())
}

/// The logit of an opacity: infinite for 0 and 1.
fn logit(opacity: f64) -> f32 {
    (opacity / (1.0 - opacity)).ln() as f32
}

/// `x` rounded to a byte.
fn byte(x: f64) -> u8 {
    x.round().clamp(0.0, 255.0) as u8
}

/// A quaternion x, y, z, w of length 1; that of nothing if it has no length.
fn unit(q: &[f32]) -> [f64; 4] {
    let wide = [0, 1, 2, 3].map(|k| f64::from(q[k]));
    let length = wide.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 { wide.map(|x| x / length) } else { [0.0, 0.0, 0.0, 1.0] }
}
