//! `monotile view`: a window on a model.

use std::path::PathBuf;

use clap::Args;

use super::render::silence_driver_messages;
use super::viewpoint::{ModelReadArgs, size};
use crate::command_error::CommandError;
use crate::report;
use crate::viewer::{self, ModelContent};

/// Opens a window on a glTF model: turn it, play its clips, look into its vertices.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile view Fox.glb                    drag to turn, wheel to come nearer, H for help
  monotile view Fox.glb --size 1920x1080")]
pub struct ViewArgs {
    /// The model, .gltf or .glb
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    reading: ModelReadArgs,
    /// Width and height of the window in pixels
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
    size: [usize; 2],
}

impl ViewArgs {
    /// Returns when the window is closed.
    pub fn run(&self) -> Result<(), CommandError> {
        silence_driver_messages(true);
        let (scene, _) = self.reading.open(&self.model)?;
        let name = self.model.file_name().unwrap_or_default();
        let content = ModelContent::new(scene)?;
        let state = content.state();
        viewer::open(content, state, &report::path(name.as_ref()), self.size)
    }
}
