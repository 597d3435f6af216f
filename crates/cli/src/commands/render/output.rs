//! Where pictures go.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use monotile::io::{check_own, write_atomic};
use monotile_adapters::staged::Lock;
use monotile_scene::{AnimationWriter, Picture};

use crate::command_error::CommandError;
use crate::progress::{Progress, say};

/// One picture or many.
pub enum RenderOutput {
    /// PNG on standard output.
    Standard,
    /// A PNG file.
    Png(PathBuf),
    Animated(AnimationFormat),
}

/// Many pictures.
pub enum AnimationFormat {
    Gif(PathBuf),
    Apng(PathBuf),
    /// Files whose names have the frame's number between these parts, in at least so many digits.
    Frames(String, usize, String),
}

impl RenderOutput {
    /// The output that a text means; without one, the model's name as .png in the folder that the command runs in.
    pub fn parse(text: Option<&str>, model: &Path) -> Result<Self, CommandError> {
        let Some(text) = text else {
            // What has no name, as "..", is no file either, and reading it says so.
            let name = model.file_stem().unwrap_or("model".as_ref());
            return Ok(Self::Png(Path::new(name).with_extension("png")));
        };
        if text == "-" {
            return Ok(Self::Standard);
        }
        let refuse = |why: &str| {
            let known = "outputs end in .png, .gif or .apng, have a number as in frames/%04d.png, or are - for standard output";
            CommandError::Usage(format!("render: {text:?} {why}; {known}"))
        };
        let path = Path::new(text);
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir() && !text.contains('%')) {
            return Err(CommandError::new(format!("{text}: there is no folder {}", folder.display())));
        }
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        if let Some((before, after)) = text.split_once('%') {
            let (digits, after) = after.split_once('d').ok_or_else(|| refuse("has no number"))?;
            let width = if digits.is_empty() { Some(1) } else { digits.parse().ok().filter(|n| (1..=9).contains(n)) };
            let width = width.ok_or_else(|| refuse("has no number of digits"))?;
            if ending != "png" || after.contains('%') {
                return Err(refuse("is no numbered .png"));
            }
            return Ok(Self::Animated(AnimationFormat::Frames(before.to_string(), width, after.to_string())));
        }
        match ending.as_str() {
            "png" => Ok(Self::Png(path.to_path_buf())),
            "gif" => Ok(Self::Animated(AnimationFormat::Gif(path.to_path_buf()))),
            "apng" => Ok(Self::Animated(AnimationFormat::Apng(path.to_path_buf()))),
            _ => Err(refuse("is no picture")),
        }
    }

    /// Writes the only picture.
    pub fn write_picture(&self, picture: &Picture, out: &mut dyn Write) -> Result<(), CommandError> {
        if let Self::Png(path) = self {
            picture.save_png(path, None)?;
            say(&format!("{}: {} x {}", path.display(), picture.width, picture.height));
            return Ok(());
        }
        Ok(picture.write_png(out, None)?)
    }
}

impl AnimationFormat {
    /// Whether each picture is a file of its own.
    pub fn is_numbered(&self) -> bool {
        matches!(self, Self::Frames(..))
    }

    /// Draws and writes every frame; one whose file says that it is just this frame is left as it is.
    pub fn write(
        &self,
        size: [usize; 2],
        frames: usize,
        fps: f64,
        about: &str,
        progress: &mut Progress,
        mut draw: impl FnMut(usize) -> Result<Picture, CommandError>,
    ) -> Result<(), CommandError> {
        if let Self::Frames(before, width, after) = self {
            let name = |frame: usize| PathBuf::from(format!("{before}{frame:0width$}{after}"));
            let folder = name(0).parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
            let _lock = Lock::within(&folder)?;
            // Nobody named these files: none is written through a link or to a pipe, and none is found out after an hour of drawing.
            (0..frames).try_for_each(|frame| check_own(&name(frame)))?;
            let mut kept = 0;
            for frame in 0..frames {
                let (path, about) = (name(frame), format!("{about} frame {frame}"));
                if Picture::source_of_png(&path).as_ref() == Some(&about) {
                    kept += 1;
                    progress.resume_at(kept);
                    continue;
                }
                let picture = draw(frame)?;
                check_own(&path)?;
                picture.save_png(&path, Some(&about))?;
                progress.at(frame as u64 + 1, &path.display().to_string());
            }
            let numbered = |number: &str| number.parse().ok().filter(|frame| format!("{frame:0width$}") == number);
            return Ok(remove_later(&folder, frames, &numbered, (before, after))?);
        }
        let (Self::Gif(path) | Self::Apng(path)) = self else { unreachable!("numbered frames are written above") };
        // What stops the drawing is told as it is, not as a fault of the file.
        let mut stopped = None;
        let written = write_atomic(path, |file| {
            let mut animation = match self {
                Self::Gif(_) => AnimationWriter::gif(file, size, fps)?,
                _ => AnimationWriter::apng(file, size, frames, fps)?,
            };
            for frame in 0..frames {
                match draw(frame) {
                    Ok(picture) => animation.add(&picture)?,
                    Err(failure) => {
                        stopped = Some(failure);
                        return Err(std::io::Error::other("not drawn"));
                    }
                }
                progress.at(frame as u64 + 1, "");
            }
            animation.finish()
        });
        match stopped {
            Some(failure) => Err(failure),
            None => Ok(written?),
        }
    }
}

/// Removes the frames from number `frames` on that an earlier run drew, so that a film of all files has none of another animation.
/// Files of such names that this command did not draw stay, and the first of them is told.
fn remove_later(
    folder: &Path,
    frames: usize,
    numbered: &dyn Fn(&str) -> Option<usize>,
    (before, after): (&str, &str),
) -> monotile::Result<()> {
    let refuse = |e: std::io::Error| monotile::Error::io("writing", folder, &e);
    let before = &before[before.rfind(std::path::is_separator).map_or(0, |at| at + 1)..];
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(before)?.strip_suffix(after));
        let Some(later) = number.and_then(numbered).filter(|&later| later >= frames) else { continue };
        let source = Picture::source_of_png(&entry.path());
        if source.is_some_and(|source| source.ends_with(&format!(" frame {later}"))) {
            std::fs::remove_file(entry.path()).map_err(refuse)?;
        } else {
            foreign.push(entry.path());
        }
    }
    if let Some(first) = foreign.iter().min() {
        say(&format!("warning: {}: is numbered as a later frame, but was not drawn by this command, and stays", first.display()));
    }
    Ok(())
}

impl fmt::Display for RenderOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard output"),
            Self::Png(path) | Self::Animated(AnimationFormat::Gif(path) | AnimationFormat::Apng(path)) => {
                write!(f, "{}", path.display())
            }
            Self::Animated(AnimationFormat::Frames(before, width, after)) => write!(f, "{before}%0{width}d{after}"),
        }
    }
}
