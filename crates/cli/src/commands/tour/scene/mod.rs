//! Pictures: a figure that walks, one vertex on its way to a pixel, rotations between two, and a camera found by its gradient.

mod camera;
mod figure;
mod rotation;
mod vertex;

use crate::command_error::CommandError;
use crate::page::{PageBlock, Section};
use crate::progress::Progress;

/// Draws, follows, turns and finds, and tells it.
pub fn section(progress: &mut Progress) -> Result<Section, CommandError> {
    progress.at(5, "a figure that walks");
    let figure = figure::draw()?;
    progress.at(30, "one vertex");
    let vertex = vertex::blocks()?;
    progress.at(40, "rotations");
    let rotation = rotation::blocks()?;
    progress.at(50, "a camera");
    let camera = camera::find()?;
    let line = format!(
        "a figure of {} bones at {:.0} pictures a second; its camera found to {:.1}° from {:.0}°, its colours to {:.3} from {:.2}",
        figure.bones, figure.rate, camera.degrees[1], camera.degrees[0], camera.colors[1], camera.colors[0]
    );
    let blocks: Vec<PageBlock> = [figure.blocks, vertex, rotation, camera.blocks].into_iter().flatten().collect();
    Ok(Section { title: "From a vertex to a pixel, and back".to_string(), line, blocks })
}
