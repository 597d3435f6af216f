//! The two renderers draw the same pictures.
//!
//! # The measure
//! A pixel counts where it is away from edges: in both renderers' pictures the 3 x 3 pixels around it differ from one another by at most 24 of 255 in each of
//! red, green, blue and alpha, and it is on the object: it differs from the background, drawn alone. At least half of the pixels on the
//! object must count. The mean over them of the absolute difference, over red, green, blue and alpha, is to be below 2 of 255.
#![cfg(feature = "gpu")]

use std::path::{Path, PathBuf};

use monotile_scene::{Background, Framing, Orbit, Picture, Pose, Scene, Shot, gpu, raster};

/// How much neighbours of a pixel that counts may differ.
const SMOOTH: u8 = 24;
/// Below this the renderers agree.
const BOUND: f64 = 2.0;

fn models() -> Option<PathBuf> {
    let cases = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let cases = cases.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"));
    let folder = cases.join("../data/gltf");
    if !folder.is_dir() {
        eprintln!("skipped: there are no models at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("malformed") {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "gltf" || e == "glb") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The device's renderer; none, with a word about it, where there is no adapter and nobody requires one.
fn on_device(scene: &Scene) -> Option<gpu::Renderer> {
    match gpu::Renderer::new(scene) {
        Ok(renderer) => Some(renderer),
        Err(error) if std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// What was measured on one pair of pictures.
#[derive(Debug)]
struct Agreement {
    /// Of 255, over the pixels that count.
    smooth: f64,
    /// Of 255, over all pixels.
    whole: f64,
    /// The part of the object's pixels that count.
    counted: f64,
}

fn compare(a: &Picture, b: &Picture, behind: &Picture) -> Agreement {
    let (width, height) = (a.width, a.height);
    let apart = |p: [u8; 4], q: [u8; 4]| p.iter().zip(q).map(|(p, q)| p.abs_diff(q)).max().unwrap();
    let smooth = |picture: &Picture, x: usize, y: usize| {
        let mut around = (y - 1..=y + 1).flat_map(|j| (x - 1..=x + 1).map(move |i| picture.pixel(i, j)));
        around.all(|pixel| apart(pixel, picture.pixel(x, y)) <= SMOOTH)
    };
    let difference =
        |x, y| f64::from(a.pixel(x, y).iter().zip(b.pixel(x, y)).map(|(p, q)| u32::from(p.abs_diff(q))).sum::<u32>()) / 4.0;
    let (mut sum, mut count, mut object, mut whole) = (0.0, 0.0, 0.0, 0.0);
    for y in 0..height {
        for x in 0..width {
            whole += difference(x, y);
            if apart(a.pixel(x, y), behind.pixel(x, y)) == 0 {
                continue;
            }
            object += 1.0;
            if x > 0 && y > 0 && x + 1 < width && y + 1 < height && smooth(a, x, y) && smooth(b, x, y) {
                sum += difference(x, y);
                count += 1.0;
            }
        }
    }
    Agreement { smooth: sum / count, whole: whole / (width * height) as f64, counted: count / object }
}

/// Draws both, keeps them where a folder is named, and judges.
fn check(name: &str, scene: &Scene, renderer: &mut gpu::Renderer, pose: &Pose, shot: &Shot) {
    let here = raster::Renderer::new(scene).draw(pose, shot).unwrap();
    let there = renderer.draw(pose, shot).unwrap();
    let empty = Scene::default();
    let behind = raster::Renderer::new(&empty).draw(&Pose::rest(&empty), shot).unwrap();
    if let Some(folder) = std::env::var_os("MONOTILE_KEEP_PICTURES").map(PathBuf::from) {
        for (picture, by) in [(&here, "cpu"), (&there, "gpu")] {
            picture.save_png(&folder.join(format!("{name}-{by}.png")), None).unwrap();
        }
    }
    let found = compare(&here, &there, &behind);
    println!("{name}: {:.3} away from edges, {:.3} over all, {:.0} % counted", found.smooth, found.whole, 100.0 * found.counted);
    assert!(found.smooth < BOUND, "{name}: {found:?}");
    assert!(found.counted >= 0.5, "{name}: {found:?}");
}

#[test]
fn both_renderers_draw_the_same_pictures_of_every_model() {
    let Some(folder) = models() else { return };
    for path in files(&folder) {
        let scene = Scene::open(&path).unwrap();
        let Some(mut renderer) = on_device(&scene) else { return };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut pose = Pose::rest(&scene);
        if let Some(clip) = scene.clips.first() {
            clip.sample(0.4 * clip.duration, &mut pose);
        }
        let shot = Framing::new(&scene, [pose.clone()]).unwrap().shot(&Orbit::default(), [480, 360]).unwrap();
        check(&name, &scene, &mut renderer, &pose, &shot);
    }
}

#[test]
fn both_renderers_draw_the_same_in_every_way_of_looking() {
    let Some(folder) = models() else { return };
    let scene = Scene::open(folder.join("Fox.glb")).unwrap();
    let Some(mut renderer) = on_device(&scene) else { return };
    let pose = Pose::rest(&scene);
    let framing = Framing::new(&scene, [pose.clone()]).unwrap();
    for orthographic in [false, true] {
        for (name, background) in
            [("clear", Background::Transparent), ("blue", Background::Color([30, 60, 200])), ("sky", Background::Sky)]
        {
            let orbit = Orbit { azimuth: 200.0, elevation: 30.0, orthographic, ..Orbit::default() };
            let shot = Shot { background, ..framing.shot(&orbit, [333, 257]).unwrap() };
            check(&format!("fox-{name}-{orthographic}"), &scene, &mut renderer, &pose, &shot);
        }
    }
}
