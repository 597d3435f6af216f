//! Cameras from outside: the views of a capture.

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use monotile::limits;
use monotile::text::printable;
use monotile_radiance::{CaptureOptions, CaptureSplit, CaptureView, MatrixCamera, UpAxis};
use monotile_scene::Picture;

use super::data::open_data;
use crate::command_error::CommandError;
use crate::commands::render::RenderOutput;
use crate::progress::{Progress, say};
use crate::report;

/// Which views of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// All of them
    All,
    /// Those that are learned from
    Train,
    /// Those that are looked at while something is learned
    #[value(alias = "val")]
    Validation,
    /// Those that are held out
    Test,
}

impl SplitChoice {
    /// The split; none for all.
    fn split(self) -> Option<CaptureSplit> {
        match self {
            Self::All => None,
            Self::Train => Some(CaptureSplit::Train),
            Self::Validation => Some(CaptureSplit::Validation),
            Self::Test => Some(CaptureSplit::Test),
        }
    }
}

/// The views of a capture that are wanted, at least one, in the world of scenes whose `up` points up.
pub fn views(path: &Path, choice: SplitChoice, up: UpAxis) -> Result<Vec<CaptureView>, CommandError> {
    let capture = open_data(path, &CaptureOptions::default())?.with_up(up);
    capture.notes.iter().for_each(|note| say(&format!("note: {}: {}", report::path(path), printable(note))));
    let counts = CaptureSplit::ALL.map(|split| capture.of(split).count());
    let wanted = choice.split();
    let views: Vec<CaptureView> = capture.views.into_iter().filter(|view| wanted.is_none_or(|split| view.split == split)).collect();
    if views.is_empty() {
        let [train, validation, test] = counts;
        let has = format!("it has {train} to train on, {validation} to validate by and {test} to test by");
        let name = wanted.map_or("", CaptureSplit::name);
        return Err(CommandError::new(format!("{}: there is no view for {name}; {has}", report::path(path))));
    }
    Ok(views)
}

/// Draws a picture for each view: one, or as many as are numbered or stand one after another.
pub fn draw_views(
    views: &[CaptureView],
    output: &RenderOutput,
    (fps, source): (f64, &str),
    mut draw: impl FnMut(&MatrixCamera) -> Result<Picture, CommandError>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut picture = |view: usize| draw(&views[view].camera()?);
    let count = views.len();
    let RenderOutput::Animated(files) = output else {
        if count != 1 {
            let words = format!("splat render: {count} views are no single picture; name a .gif, an .apng or frames/%04d.png");
            return Err(CommandError::Usage(words));
        }
        return output.write_picture(&picture(0)?, out);
    };
    limits::FRAMES.admit(output, count as u64)?;
    let size @ [width, height] = [views[0].width, views[0].height];
    let other = views.iter().find(|view| [view.width, view.height] != size);
    if let Some(other) = other.filter(|_| !files.is_numbered()) {
        let sizes = format!("{width} x {height} and {} x {}", other.width, other.height);
        let words = format!("splat render: pictures of an animation have one size, and views are {sizes}; name frames/%04d.png");
        return Err(CommandError::Usage(words));
    }
    let mut progress = Progress::new("views", count as u64);
    files.write(size, count, fps, source, &mut progress, picture)?;
    progress.finish();
    say(&format!("{output}: {count} views, the first of {width} x {height}"));
    Ok(())
}
