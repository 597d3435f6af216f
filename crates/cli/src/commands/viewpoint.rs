//! What of a model is looked at, and how, as words of the command line.

use std::path::Path;
use std::str::FromStr;

use clap::Args;
use monotile::text::printable;
use monotile_scene::{Animation, Background, GltfInfo, Orbit, ReadOptions, Scene};

use crate::command_error::CommandError;
use crate::numbers;
use crate::progress::say;
use crate::report;

/// How a model is read.
#[derive(Debug, Args)]
pub struct ModelReadArgs {
    /// Scene of the file, by name or number [default: the one that the file names]
    #[arg(long, value_name = "NAME|N")]
    scene: Option<String>,
    /// Refuse a model of which something would be left out or replaced
    #[arg(long)]
    strict: bool,
}

impl ModelReadArgs {
    /// Reads a model and says what pictures of it lack, a line each.
    pub fn open(&self, model: &Path) -> Result<(Scene, GltfInfo), CommandError> {
        let (scene, about) = Scene::read(model, &ReadOptions { scene: self.scene.clone() })?;
        let lost = || about.notes.iter().filter(|note| note.is_lossy);
        if self.strict
            && let Some(first) = lost().next()
        {
            let more = match lost().count() - 1 {
                0 => String::new(),
                n => format!(", and {n} more"),
            };
            let failure = CommandError::new(format!("{}: {}{more}", report::path(model), first.sentence));
            return Err(failure.hint("without --strict it is drawn all the same; `monotile info` tells everything that is unusual"));
        }
        lost().for_each(|note| say(&format!("warning: {}: {}", report::path(model), note.sentence)));
        Ok((scene, about))
    }
}

/// From where.
#[derive(Debug, Clone, PartialEq)]
pub enum Viewpoint {
    /// Around the model.
    Orbit(Orbit),
    /// A camera of the file, by name or number.
    OfFile(String),
}

impl FromStr for Viewpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(orbit) = text.strip_prefix("orbit:") else { return Ok(Self::OfFile(text.to_string())) };
        let refuse = || {
            format!("{orbit:?} is no orbit; give degrees around and above, and perhaps a distance: orbit:30,20 or orbit:30,20,1.5")
        };
        let numbers: Option<Vec<f32>> = orbit.split(',').map(|n| numbers::finite(n).ok()).collect();
        match numbers.as_deref() {
            Some(&[azimuth, elevation]) => Ok(Self::Orbit(Orbit { azimuth, elevation, ..Orbit::default() })),
            Some(&[azimuth, elevation, distance]) if distance > 0.0 => {
                Ok(Self::Orbit(Orbit { azimuth, elevation, distance, ..Orbit::default() }))
            }
            _ => Err(refuse()),
        }
    }
}

/// The clip of a model that is called so, or has this number.
pub fn clip<'a>(model: &Path, scene: &'a Scene, wanted: &str) -> Result<&'a Animation, CommandError> {
    let names = scene.animations.iter().map(|clip| clip.name.as_str());
    Ok(&scene.animations[find(model, "clip", wanted, names)?])
}

/// The mesh of a model that is called so, or has this number.
pub fn mesh(model: &Path, scene: &Scene, wanted: &str) -> Result<usize, CommandError> {
    find(model, "mesh", wanted, scene.meshes.iter().map(|mesh| mesh.name.as_str()))
}

/// The node of a model's camera that is called so, or is the camera of this number.
pub fn camera(model: &Path, scene: &Scene, wanted: &str) -> Result<usize, CommandError> {
    let nodes: Vec<usize> = (0..scene.nodes.len()).filter(|&i| scene.nodes[i].lens.is_some()).collect();
    let found = find(model, "camera", wanted, nodes.iter().map(|&i| scene.nodes[i].name.as_str()));
    found.map(|i| nodes[i]).map_err(|failure| failure.hint("stand anywhere by orbit:30,20"))
}

/// Which of these names is wanted, or which number; else a sentence that tells them.
fn find<'a>(model: &Path, kind: &str, wanted: &str, names: impl Iterator<Item = &'a str>) -> Result<usize, CommandError> {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.collect();
    let by_number = || wanted.parse().ok().filter(|&i| i < names.len());
    names.iter().position(|name| *name == wanted).or_else(by_number).ok_or_else(|| {
        let said = |(i, name): (usize, &&str)| if name.is_empty() { i.to_string() } else { format!("\"{}\"", printable(name)) };
        let mut listed: Vec<String> = names.iter().enumerate().take(SHOWN).map(said).collect();
        if names.len() > SHOWN {
            listed.push("…".to_string());
        }
        let has = if names.is_empty() { "none".to_string() } else { listed.join(", ") };
        CommandError::new(format!("{}: there is no {kind} {wanted:?}; it has {has}", model.display()))
    })
}

/// `1280x720`
pub fn size(text: &str) -> Result<[usize; 2], String> {
    let numbers = text.split_once('x').and_then(|(w, h)| Some([w.trim().parse().ok()?, h.trim().parse().ok()?]));
    numbers
        .filter(|size| size.iter().all(|n| (1..=16384).contains(n)))
        .ok_or_else(|| format!("{text:?} is no size; give pixels across and down, 1 to 16384 each: 1280x720"))
}

/// `sky`, `none`, `#rrggbb`
pub fn background(text: &str) -> Result<Background, String> {
    let refuse = || format!("{text:?} is no background; it is sky, none, or a colour like #f4f0e8");
    match text {
        "sky" => Ok(Background::Sky),
        "none" => Ok(Background::Transparent),
        _ => {
            let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii()).ok_or_else(refuse)?;
            let byte = |i: usize| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).map_err(|_| refuse());
            Ok(Background::Color([byte(0)?, byte(1)?, byte(2)?]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_or_refused_with_an_example() {
        let orbit = Orbit { azimuth: -30.0, elevation: 20.5, distance: 2.0, orthographic: false };
        assert_eq!("orbit:-30,20.5,2".parse(), Ok(Viewpoint::Orbit(orbit)));
        assert_eq!("Camera.001".parse(), Ok(Viewpoint::OfFile("Camera.001".to_string())));
        assert!("orbit:1".parse::<Viewpoint>().unwrap_err().contains("orbit:30,20"));
        assert!("orbit:1,2,0".parse::<Viewpoint>().is_err() && "orbit:NaN,1".parse::<Viewpoint>().is_err());
        assert_eq!((size("3x4"), size("0x4").is_err(), size("99999x1").is_err()), (Ok([3, 4]), true, true));
        assert_eq!(background("#0a10ff"), Ok(Background::Color([10, 16, 255])));
        assert!(background("blue").is_err() && background("#12é45").is_err());
    }
}
