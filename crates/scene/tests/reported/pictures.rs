//! Pictures by both renderers, compared.

use monotile_scene::{Background, Camera, Framing, Orbit, Picture, Pose, Scene, Shot, raster};

pub const SIZE: [usize; 2] = [160, 120];

/// The default shot.
pub fn shot(scene: &Scene) -> Shot {
    Framing::new(scene, [Pose::rest(scene)]).unwrap().shot(&Orbit::default(), SIZE).unwrap()
}

/// The shot of the file's first camera, before nothing.
pub fn through_camera(scene: &Scene) -> Shot {
    let node = scene.nodes.iter().position(|node| node.lens.is_some()).unwrap();
    let camera = Camera::from_node(scene, &Pose::rest(scene), node, SIZE).unwrap();
    Shot { background: Background::Transparent, ..Shot::new(camera) }
}

/// By the processor, after both renderers were found to agree.
#[track_caller]
pub fn drawn(scene: &Scene, shot: &Shot) -> Picture {
    let pose = Pose::rest(scene);
    let here = raster::CpuRenderer::new(scene).draw(&pose, shot).unwrap();
    if let Some(there) = by_device(scene, &pose, shot) {
        let apart = difference(&here, &there);
        assert!(apart < 1.0, "the renderers are {apart} apart");
    }
    here
}

/// The default shot, before nothing and without a shadow: so that only the object is in it.
#[track_caller]
pub fn object(scene: &Scene) -> Picture {
    drawn(scene, &Shot { background: Background::Transparent, ground: None, ..shot(scene) })
}

#[cfg(feature = "gpu")]
fn by_device(scene: &Scene, pose: &Pose, shot: &Shot) -> Option<Picture> {
    match monotile_scene::gpu::GpuRenderer::new(scene) {
        Ok(mut renderer) => Some(renderer.draw(pose, shot).unwrap()),
        Err(error) if std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

#[cfg(not(feature = "gpu"))]
fn by_device(_: &Scene, _: &Pose, _: &Shot) -> Option<Picture> {
    None
}

/// The mean difference of bytes, of 255.
pub fn difference(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    a.rgba.iter().zip(&b.rgba).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.rgba.len() as f64
}

/// The part of the picture that is not clear.
pub fn covered(picture: &Picture) -> f64 {
    picture.rgba.chunks_exact(4).filter(|p| p[3] > 0).count() as f64 / (picture.width * picture.height) as f64
}

/// The pixel in the middle.
pub fn middle(picture: &Picture) -> [u8; 4] {
    picture.pixel(picture.width / 2, picture.height / 2)
}
