//! A camera and colours from one picture.

use std::time::Instant;

use monotile::{DType, Tensor};
use monotile_scene::differentiable::{ColoredMesh, FitOptions, FitStage};
use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Background, Camera, Framing, Orbit, Picture, Pose, Scene, Shot};

use super::figure::posed;
use crate::command_error::CommandError;
use crate::page::PageBlock;
use crate::picture::EmbeddedImage;
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::report::duration;

/// Pixels of the picture.
const SIZE: [usize; 2] = [120, 160];
/// How far from the truth it begins: three numbers of a turn, whose length is the angle in degrees, and three of a shift in parts of the model's size.
const TURN: [f64; 3] = [12.0, -29.0, -12.5];
const SHIFT: [f64; 3] = [0.08, -0.05, 0.1];
/// What nothing is known of is grey.
const GREY: f64 = 0.35;

/// What was found: how far off before, and after.
pub struct CameraFit {
    /// Between the camera and the true one.
    pub degrees: [f64; 2],
    /// The mean difference of colours, which go from 0 to 1, where they are seen.
    pub colors: [f64; 2],
    pub blocks: Vec<PageBlock>,
}

/// Takes a picture, forgets the camera and the colours, and finds them.
pub fn find() -> Result<CameraFit, CommandError> {
    let scene = Scene::figure();
    let pose = posed(&scene, &scene.animations[1], 0.35);
    let truth = ColoredMesh::new(&scene, &pose)?;
    let orbit = Orbit { azimuth: 20.0, elevation: 8.0, distance: 1.15, ..Orbit::default() };
    let camera = Framing::new(&scene, [pose])?.camera(&orbit, SIZE)?;
    let goal = picture(&truth, &camera, &truth.colors)?;
    let grey = ColoredMesh { colors: Tensor::filled(truth.colors.shape(), GREY, DType::F64)?, ..truth.clone() };
    let start = grey.orbited(&camera, SHIFT, TURN.map(f64::to_radians))?;
    let stage = |shrink, steps, pace, color_pace| FitStage {
        downsampling: shrink,
        steps,
        learning_rate: pace,
        color_learning_rate: color_pace,
    };
    let options = FitOptions { stages: vec![stage(4, 90, 0.03, 0.0), stage(2, 60, 0.02, 0.03), stage(1, 60, 0.006, 0.03)] };
    let begun = Instant::now();
    let found = grey.fit(&goal, &start, &options, &mut |_| {})?;
    let took = begun.elapsed().as_secs_f64();
    let degrees = [start.degrees_from(&camera), found.camera.degrees_from(&camera)];
    let colors = [truth.color_error(&camera, &grey.colors)?, truth.color_error(&camera, &found.colors)?];
    let steps = found.losses.len();
    let plot = Plot {
        title: "Finding the camera and the colours".to_string(),
        x: PlotAxis::linear("step"),
        y: PlotAxis::log10("mean squared difference"),
        series: vec![Series {
            name: String::new(),
            points: found.losses.iter().enumerate().map(|(i, loss)| (i as f64, *loss)).collect(),
            stroke: SeriesStyle::Line,
            colour: 0,
        }],
    };
    let blocks = vec![
        PageBlock::Text(format!(
            "And back: given one picture and the shape of the figure, where did the camera stand, and which colours has it? The search begins {:.0}° away \
             with everything grey. Every step draws what would be seen, and asks how the difference would change if the camera turned or moved a little and \
             if a colour changed: that is the gradient of a picture. First outlines are compared, in a small picture, then colours too.",
            degrees[0]
        )),
        PageBlock::Pictures(
            vec![
                (EmbeddedImage::still(&goal), "the picture".to_string()),
                (
                    EmbeddedImage::still(&picture(&grey, &start, &grey.colors)?),
                    format!("the start: {:.0}° off, and grey", degrees[0]),
                ),
                (EmbeddedImage::still(&picture(&grey, &found.camera, &found.colors)?), format!("found: {:.2}° off", degrees[1])),
            ],
            format!(
                "{steps} steps in {}: the camera from {:.0}° to {:.2}°, the colours from {:.2} to {:.3} (the mean difference, of 1).",
                duration(took),
                degrees[0],
                degrees[1],
                colors[0],
                colors[1]
            ),
        ),
        PageBlock::Figure(plot, "Steps up where a larger picture begins, in which more is to be seen.".to_string()),
    ];
    Ok(CameraFit { degrees, colors, blocks })
}

/// What a camera sees, by the processor's renderer.
fn picture(shape: &ColoredMesh, camera: &Camera, colors: &Tensor) -> Result<Picture, CommandError> {
    let scene = shape.scene(colors)?;
    let shot = Shot { background: Background::Transparent, ..Shot::new(camera.clone()) };
    Ok(CpuRenderer::new(&scene).draw(&Pose::rest(&scene), &shot)?)
}
