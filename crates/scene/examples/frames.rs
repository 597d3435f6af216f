//! Frames a second of the processor's renderer, and with the feature `gpu` of the device's: `cargo run --release -p monotile-scene --example frames -- MODEL.glb [WIDTHxHEIGHT] [OUT.png]`.

use std::time::Instant;

use monotile_scene::raster::Renderer;
use monotile_scene::{Error, Framing, Orbit, Picture, Pose, Result, Scene};

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
    let picture = renderer.draw(&pose, &shot)?;
    if let Some(out) = arguments.next() {
        picture.save_png(std::path::Path::new(&out), None)?;
    }
    report("processor", || renderer.draw(&pose, &shot))?;
    #[cfg(feature = "gpu")]
    {
        let mut device = monotile_scene::gpu::Renderer::new(&scene)?;
        // The first picture compiles the shaders.
        device.draw(&pose, &shot)?;
        report(&device.adapter(), || device.draw(&pose, &shot))?;
    }
    Ok(())
}

/// Prints the median over 30 pictures.
fn report(by: &str, mut draw: impl FnMut() -> Result<Picture>) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..30 {
        let start = Instant::now();
        draw()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!("{by}: {:.2} ms, {:.0} frames a second", 1e3 * median, 1.0 / median);
    Ok(())
}
