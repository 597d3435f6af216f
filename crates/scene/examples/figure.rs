//! The built-in figure as pictures: `cargo run --release -p monotile-scene --example figure -- FOLDER`.

use std::path::PathBuf;

use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Error, Framing, Orbit, Pose, Result, Scene};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from).ok_or_else(|| Error::value("give a folder"))?;
    let scene = Scene::figure();
    let renderer = CpuRenderer::new(&scene);
    for clip in &scene.animations {
        let poses: Vec<Pose> = (0..4)
            .map(|i| {
                let mut pose = Pose::rest(&scene);
                clip.sample(clip.duration * i as f32 / 4.0, &mut pose);
                pose
            })
            .collect();
        let framing = Framing::new(&scene, poses.clone())?;
        for (i, pose) in poses.iter().enumerate() {
            let picture = renderer.draw(pose, &framing.shot(&Orbit::default(), [360, 360])?)?;
            picture.save_png(&folder.join(format!("{}-{i}.png", clip.name)), None)?;
        }
    }
    Ok(())
}
