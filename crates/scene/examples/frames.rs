//! Frames a second of the processor's renderer: `cargo run --release -p monotile-scene --example frames -- MODEL.glb [WIDTHxHEIGHT] [OUT.png]`.

use std::time::Instant;

use monotile_scene::raster::Renderer;
use monotile_scene::{Error, Framing, Orbit, Pose, Result, Scene};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| Error::value("give a model"))?;
    let size = arguments.next().unwrap_or("1280x720".to_string());
    let size = size.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    let size: [usize; 2] = size.ok_or_else(|| Error::value("a size is like 1280x720"))?;
    let scene = Scene::open(&path)?;
    let mut pose = Pose::rest(&scene);
    if let Some(clip) = scene.clips.last() {
        clip.sample(0.4 * clip.duration, &mut pose);
    }
    let shot = Framing::new(&scene, [pose.clone()])?.shot(&Orbit::default(), size)?;
    let renderer = Renderer::new(&scene);
    let mut times: Vec<f64> = Vec::new();
    let mut picture = renderer.draw(&pose, &shot)?;
    let runs = arguments.next();
    if let Some(out) = &runs {
        picture.save_png(std::path::Path::new(out), None)?;
    }
    for _ in 0..30 {
        let start = Instant::now();
        picture = renderer.draw(&pose, &shot)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!("{path}: {} x {}: {:.2} ms, {:.0} frames a second", picture.width, picture.height, 1e3 * median, 1.0 / median);
    Ok(())
}
