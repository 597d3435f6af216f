//! What the renderers do in a second: `cargo run --release -p monotile-scene --example frames -- MODEL.glb [WIDTHxHEIGHT] [OUT.png]`.
//!
//! Prints the median time of a picture by the processor's renderer, and with the feature `gpu` by the device's where there is one: what that is in
//! frames, pixels and triangles a second. Then the median of a picture of one pixel without a shadow, in which nothing but the vertices takes time:
//! posed, skinned, projected and joined to triangles, on one thread.

use std::time::Instant;

use monotile_kernels::{simd, threads};
use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Error, Framing, Orbit, Picture, Pose, Result, Scene, Shot, Topology};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| Error::value("give a model"))?;
    let size = arguments.next().unwrap_or("1280x720".to_string());
    let size = size.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    let size: [usize; 2] = size.ok_or_else(|| Error::value("a size is like 1280x720"))?;
    let scene = Scene::open(&path)?;
    let mut pose = Pose::rest(&scene);
    if let Some(clip) = scene.animations.last() {
        clip.sample(0.4 * clip.duration, &mut pose);
    }
    let framing = Framing::new(&scene, [pose.clone()])?;
    let shot = framing.shot(&Orbit::default(), size)?;
    let renderer = CpuRenderer::new(&scene);
    let picture = renderer.draw(&pose, &shot)?;
    if let Some(out) = arguments.next() {
        picture.save_png(std::path::Path::new(&out), None)?;
    }
    let [vertices, triangles] = counts(&scene);
    println!("{path}: {vertices} vertices, {triangles} triangles, {} x {}, 4 samples a pixel", size[0], size[1]);
    println!("{} threads, {:?}", threads::count(), simd::isa());
    let report = |by: &str, seconds: f64| {
        let pixels = (size[0] * size[1]) as f64 / seconds / 1e6;
        let triangles = triangles as f64 / seconds / 1e6;
        println!(
            "{by}: {:.2} ms, {:.1} frames/s, {pixels:.1} Mpixels/s, {triangles:.3} Mtriangles/s",
            1e3 * seconds,
            1.0 / seconds
        );
    };
    report("processor", median(200, || renderer.draw(&pose, &shot))?);
    let dot = Shot { ground: None, ..framing.shot(&Orbit::default(), [1, 1])? };
    let seconds = median(500, || renderer.draw(&pose, &dot))?;
    println!("vertices: {:.1} us, {:.2} Mvertices/s", 1e6 * seconds, vertices as f64 / seconds / 1e6);
    #[cfg(feature = "gpu")]
    match monotile_scene::gpu::GpuRenderer::new(&scene) {
        Ok(mut device) => {
            // The first picture compiles the shaders.
            device.draw(&pose, &shot)?;
            report(&device.adapter(), median(30, || device.draw(&pose, &shot))?);
        }
        Err(error) => eprintln!("{error}"),
    }
    Ok(())
}

/// The vertices and triangles that are drawn.
fn counts(scene: &Scene) -> [usize; 2] {
    let meshes = scene.nodes.iter().filter_map(|node| node.mesh);
    let primitives = meshes.flat_map(|mesh| &scene.meshes[mesh].primitives);
    primitives.fold([0, 0], |[vertices, triangles], p| {
        let joined = if p.topology == Topology::Triangles { p.indices.len() / 3 } else { 0 };
        [vertices + p.positions.len(), triangles + joined]
    })
}

/// The median time of so many pictures, in seconds.
fn median(pictures: usize, mut draw: impl FnMut() -> Result<Picture>) -> Result<f64> {
    let mut times = Vec::with_capacity(pictures);
    for _ in 0..pictures {
        let start = Instant::now();
        draw()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[pictures / 2])
}
