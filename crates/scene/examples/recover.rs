//! A camera and the colours of a model from one picture, by gradient descent:
//! `cargo run --release -p monotile-scene --example recover -- FOLDER [MODEL.glb]`.
//!
//! A picture of the model is drawn by the processor's renderer, with the model's own colours at its vertices. Then the camera is turned and shifted, and
//! all colours are forgotten; [`ColoredMesh::fit`] finds both from the picture and the shape. The folder gets the picture, the start, what was found, the
//! difference of the two pictures before and after, and the loss as a curve.

use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use monotile::io::write_atomic;
use monotile::{DType, Tensor};
use monotile_scene::differentiable::{ColoredMesh, FitOptions};
use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Background, Camera, Error, Framing, Orbit, Picture, Pose, Result, Scene, Shot};

/// Pixels of the picture.
const SIZE: [usize; 2] = [320, 320];
/// Where the search begins: turned by this rotation vector, in degrees, and shifted by these parts of the model's size.
const TURN: [f64; 3] = [12.0, -29.0, -12.5];
const SHIFT: [f64; 3] = [0.08, -0.05, 0.1];
/// The colour of what nothing is known of.
const GREY: f64 = 0.35;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map(PathBuf::from).ok_or_else(|| Error::value("give a folder, and perhaps a model"))?;
    let scene = arguments.next().map_or_else(|| Ok(Scene::figure()), Scene::open)?;
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("making the folder", &folder, &e))?;
    let mut pose = Pose::rest(&scene);
    if let Some(clip) = scene.animations.last() {
        clip.sample(0.2 * clip.duration, &mut pose);
    }
    let model = ColoredMesh::new(&scene, &pose)?;
    let orbit = Orbit { azimuth: 20.0, elevation: 8.0, distance: 1.15, ..Orbit::default() };
    let truth = Framing::new(&scene, [pose])?.camera(&orbit, SIZE)?;
    let target = picture(&model, &truth, &model.colors)?;
    let grey = ColoredMesh { colors: Tensor::filled(model.colors.shape(), GREY, DType::F64)?, ..model.clone() };
    let start = grey.orbited(&truth, SHIFT, TURN.map(f64::to_radians))?;

    let begun = Instant::now();
    let found = grey.fit(&target, &start, &FitOptions::default(), &mut |so_far| {
        let step = so_far.losses.len();
        if let (true, Some(loss)) = (step.is_multiple_of(20), so_far.losses.last()) {
            let degrees = so_far.camera.degrees_from(&truth);
            println!("step {step:3}   loss {loss:.3e}   camera {degrees:6.2}° off");
        }
    })?;
    let took = begun.elapsed().as_secs_f64();
    let told = |camera: &Camera, colors: &Tensor| -> Result<String> {
        let (degrees, gap) = (camera.degrees_from(&truth), model.color_error(&truth, colors)?);
        Ok(format!("camera {degrees:6.2}° off, colours {gap:.4} off (the mean over what is seen, of 1)"))
    };
    println!("before: {}", told(&start, &grey.colors)?);
    println!("after:  {}", told(&found.camera, &found.colors)?);
    println!("{} steps in {took:.1} s", found.losses.len());

    let [before, after] = [picture(&grey, &start, &grey.colors)?, picture(&grey, &found.camera, &found.colors)?];
    for (name, picture) in [
        ("target", &target),
        ("before", &before),
        ("after", &after),
        ("difference-before", &difference(&target, &before)),
        ("difference-after", &difference(&target, &after)),
    ] {
        picture.save_png(&folder.join(format!("{name}.png")), None)?;
    }
    curve(&folder.join("loss.svg"), &found.losses)
}

/// What a camera sees, by the processor's renderer.
fn picture(model: &ColoredMesh, camera: &Camera, colors: &Tensor) -> Result<Picture> {
    let scene = model.scene(colors)?;
    let shot = Shot { background: Background::Transparent, ..Shot::new(camera.clone()) };
    CpuRenderer::new(&scene).draw(&Pose::rest(&scene), &shot)
}

/// How far two pictures are apart: white where they agree.
fn difference(a: &Picture, b: &Picture) -> Picture {
    let over_black = |p: &[u8], k: usize| u32::from(p[k]) * u32::from(p[3]) / 255;
    let apart = |(p, q): (&[u8], &[u8])| {
        let level = |k| 255 - over_black(p, k).abs_diff(over_black(q, k)) as u8;
        [level(0), level(1), level(2), 255]
    };
    Picture { rgba: a.rgba.chunks_exact(4).zip(b.rgba.chunks_exact(4)).flat_map(apart).collect(), ..*a }
}

/// The losses over the steps, their logarithm upwards.
fn curve(path: &Path, losses: &[f64]) -> Result<()> {
    const W: f64 = 640.0;
    const H: f64 = 320.0;
    let (least, most) = losses.iter().fold((f64::MAX, f64::MIN), |(least, most), &x| (least.min(x), most.max(x)));
    let place = |i: usize, x: f64| {
        let up = (x / least).ln() / (most / least).ln();
        (40.0 + (W - 60.0) * i as f64 / losses.len() as f64, H - 40.0 - (H - 70.0) * up)
    };
    let mut line = String::new();
    for (i, &loss) in losses.iter().enumerate() {
        let (x, y) = place(i, loss);
        // Writing to a String cannot fail.
        let _ = write!(line, "{x:.1},{y:.1} ");
    }
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {W} {H}\" width=\"{W}\" height=\"{H}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{W}\" height=\"{H}\" fill=\"#fff\"/>\n<text x=\"40\" y=\"20\">mean squared difference, {most:.1e} to {least:.1e}, by step</text>\n\
         <polyline points=\"{line}\" fill=\"none\" stroke=\"#0068b0\" stroke-width=\"1.5\"/>\n\
         <path d=\"M40 {0}H{1}\" stroke=\"#888\"/>\n<text x=\"{1}\" y=\"{2}\" text-anchor=\"end\">{3} steps</text>\n</svg>\n",
        H - 38.0,
        W - 20.0,
        H - 18.0,
        losses.len()
    );
    write_atomic(path, |file| file.write_all(svg.as_bytes()))
}
