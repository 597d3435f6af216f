//! The built-in figure, walking and waving, drawn by the processor.

use std::time::Instant;

use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Animation, Background, Framing, Orbit, Picture, Pose, Scene, Shot};

use crate::command_error::CommandError;
use crate::page::PageBlock;
use crate::picture::{EmbeddedImage, strip};
use crate::report::count;

/// Pixels of an animation.
const SIZE: [usize; 2] = [360, 400];
/// Frames a second.
const FPS: usize = 24;
/// Still pictures of the walk, and their pixels.
const STILLS: usize = 7;
const STILL_SIZE: [usize; 2] = [200, 340];

/// What was drawn.
pub struct FigureReport {
    /// Joints of the skin.
    pub bones: usize,
    /// Pictures a second.
    pub rate: f64,
    pub blocks: Vec<PageBlock>,
}

/// Where a clip puts a scene at a time.
pub fn posed(scene: &Scene, clip: &Animation, seconds: f32) -> Pose {
    let mut pose = Pose::rest(scene);
    clip.sample(clip.looped(seconds), &mut pose);
    pose
}

/// Draws both clips, and the first one picture by picture.
pub fn draw() -> Result<FigureReport, CommandError> {
    let scene = Scene::figure();
    let renderer = CpuRenderer::new(&scene);
    let (mut frames, mut seconds) = (0, 0.0);
    let mut moving = Vec::new();
    for (clip, words) in scene.animations.iter().zip(["walking", "waving"]) {
        let n = (clip.duration * FPS as f32) as usize;
        let poses: Vec<Pose> = (0..n).map(|i| posed(&scene, clip, i as f32 / FPS as f32)).collect();
        let shot = shot(&scene, &poses, SIZE)?;
        let begun = Instant::now();
        let pictures = poses.iter().map(|pose| renderer.draw(pose, &shot)).collect::<Result<Vec<Picture>, _>>()?;
        seconds += begun.elapsed().as_secs_f64();
        frames += n;
        moving.push((EmbeddedImage::moving(&pictures, FPS as f64), words.to_string()));
    }
    let rate = frames as f64 / seconds;
    let walk = &scene.animations[0];
    let poses: Vec<Pose> = (0..STILLS).map(|i| posed(&scene, walk, walk.duration * i as f32 / STILLS as f32)).collect();
    let shot = shot(&scene, &poses, STILL_SIZE)?;
    let stills = poses.iter().map(|pose| renderer.draw(pose, &shot)).collect::<Result<Vec<Picture>, _>>()?;
    let parts = || scene.meshes.iter().flat_map(|mesh| &mesh.primitives);
    let vertices: usize = parts().map(|part| part.positions.len()).sum();
    let triangles: usize = parts().map(|part| part.indices.len() / 3).sum();
    let bones = scene.skins[0].joints.len();
    let blocks = vec![
        PageBlock::Text(format!(
            "This figure comes from no file: it is {} points in space (vertices), joined by {} triangles. Inside it are {bones} bones. A clip \
             stores how each bone is turned, twelve times a second; everything between is interpolated, and each vertex follows the bones near it.",
            count(vertices as u64),
            count(triangles as u64)
        )),
        PageBlock::Pictures(
            moving,
            format!(
                "{frames} pictures of {} x {} pixels, drawn by the processor alone at {rate:.0} a second: lit by a sun and the sky, with four \
                 samples a pixel and a soft shadow.",
                SIZE[0], SIZE[1]
            ),
        ),
        PageBlock::Pictures(
            vec![(EmbeddedImage::still(&strip(&stills)), "the walk, picture by picture".to_string())],
            format!("One step with each leg: a picture every {:.2} seconds.", walk.duration / STILLS as f32),
        ),
    ];
    Ok(FigureReport { bones, rate, blocks })
}

/// From the front and a little from the side of the sun, so that the shadow falls behind; before the page, whatever its colour.
fn shot(scene: &Scene, poses: &[Pose], size: [usize; 2]) -> Result<Shot, CommandError> {
    let shot =
        Framing::new(scene, poses.iter().cloned())?.shot(&Orbit { azimuth: -25.0, elevation: 14.0, ..Orbit::default() }, size)?;
    Ok(Shot { background: Background::Transparent, ..shot })
}
