//! The formats of files of splats, told by their names and first bytes.

use std::path::Path;

use monotile::{Error, Result};

use super::AxisFrame;

/// A format of files of splats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SplatFormat {
    /// `.ply`, as trainers write it: every number in f32.
    Ply,
    /// `.compressed.ply`, of SuperSplat: in blocks of 256 splats, 11 bits or fewer a number, a byte a coefficient.
    CompressedPly,
    /// `.splat`: places and scales in f32, a byte a colour, an opacity and a part of a rotation, no harmonics above degree 0.
    Splat,
    /// `.spz`: 24 bits a coordinate, a byte or less for other numbers.
    Spz,
    /// `.sog`: pictures of 16 bits a coordinate, and of places in tables of 256 numbers or of up to 65,536 sets of harmonics.
    Sog,
    /// `.glb`, glTF with `KHR_gaussian_splatting`: every number in f32, scales and opacities themselves in the place of their logarithms and logits.
    Glb,
    /// `.gltf`: the same as text, with its numbers in base64.
    Gltf,
}

impl SplatFormat {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Ply, Self::CompressedPly, Self::Splat, Self::Spz, Self::Sog, Self::Glb, Self::Gltf];

    /// How names of such files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Ply => ".ply",
            Self::CompressedPly => ".compressed.ply",
            Self::Splat => ".splat",
            Self::Spz => ".spz",
            Self::Sog => ".sog",
            Self::Glb => ".glb",
            Self::Gltf => ".gltf",
        }
    }

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ply => "PLY",
            Self::CompressedPly => "compressed PLY",
            Self::Splat => ".splat",
            Self::Spz => "SPZ",
            Self::Sog => "SOG",
            Self::Glb | Self::Gltf => "glTF",
        }
    }

    /// The axes of its files.
    pub fn frame(self) -> AxisFrame {
        match self {
            Self::Ply | Self::CompressedPly | Self::Splat | Self::Sog => AxisFrame::Rdf,
            Self::Spz | Self::Glb | Self::Gltf => AxisFrame::Rub,
        }
    }

    /// What becomes of numbers that are written to it, in a sentence; none if each keeps its f32.
    pub fn rounding(self) -> Option<&'static str> {
        match self {
            Self::Ply | Self::Glb | Self::Gltf => None,
            Self::CompressedPly => Some(
                "places, scales and rotations are rounded to 11 or 10 bits, colours and opacities to 8, and splats are in another order",
            ),
            Self::Splat => Some("colours, opacities and rotations are rounded to 8 bits"),
            Self::Spz => {
                Some("places are rounded to 24 bits, scales, colours and opacities to 8, rotations to 10, harmonics to 8 or fewer")
            }
            Self::Sog => Some(
                "places are rounded to 16 bits, rotations and opacities to 8, scales and colours to one of 256, harmonics to one of the sets of a table, and splats are in another order",
            ),
        }
    }

    /// By the name of a file.
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        // `.compressed.ply` ends in `.ply`.
        let longest = |format: &Self| format.ending().len();
        Self::ALL.into_iter().filter(|format| name.ends_with(format.ending())).max_by_key(longest)
    }

    /// By the first bytes of a file, else by its name.
    #[track_caller]
    pub(super) fn of_file(path: &Path, bytes: &[u8]) -> Result<Self> {
        let by_name = if path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("meta.json")) {
            Some(Self::Sog)
        } else {
            Self::of_name(path)
        };
        match (bytes, by_name) {
            ([b'p', b'l', b'y', ..], _) => Ok(Self::Ply),
            // A row of a .splat may begin with any bytes.
            (_, Some(Self::Splat)) => Ok(Self::Splat),
            ([0x1f, 0x8b, ..] | [b'N', b'G', b'S', b'P', ..], _) => Ok(Self::Spz),
            ([b'P', b'K', 3, 4, ..], _) => Ok(Self::Sog),
            ([b'g', b'l', b'T', b'F', ..], _) => Ok(Self::Glb),
            (_, Some(named)) => Ok(named),
            (_, None) => {
                let endings = Self::ALL.map(Self::ending);
                let words = format!(
                    "is no file of splats that is known, by its first bytes or by its name, which would end in {}",
                    endings.join(", ")
                );
                Err(Error::format(path, words))
            }
        }
    }
}
