//! The two renderers draw the same pictures.
//!
//! # The measure
//! A pixel counts where it is away from edges: in both renderers' pictures the 3 x 3 pixels around it differ from one another by at most 24 of 255 in each of
//! red, green, blue and alpha, and it is on the object: it differs from the background, drawn alone. At least half of the pixels on the
//! object must count. The mean over them of the absolute difference, over red, green, blue and alpha, is to be below 2 of 255.
//!
//! Lines and points are all edge. There the pixels on the object whose red, green, blue or alpha differs by more than 24 are counted: of each pixel's four samples
//! those on the very border of a stroke may fall to either side, and nothing else may change.
#![cfg(feature = "gpu")]

use std::path::{Path, PathBuf};

use monotile_scene::{
    AlphaMode, Background, Framing, Image, Material, Mesh, Node, NodeTransform, NodeTrs, Orbit, Picture, Pose, Primitive, Sampler,
    Scene, Shot, Skin, SkinWeights, Texture, TextureRef, Topology, gpu, raster,
};

/// How much neighbours of a pixel that counts may differ.
const SMOOTH: u8 = 24;
/// Below this the renderers agree.
const BOUND: f64 = 2.0;
/// The part of the pixels on lines and points that may differ.
const STRAY: f64 = 0.01;

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
fn on_device(scene: &Scene) -> Option<gpu::GpuRenderer> {
    match gpu::GpuRenderer::new(scene) {
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
    /// The part of the object's pixels that differ by more than neighbours may.
    stray: f64,
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
    let (mut sum, mut count, mut object, mut whole, mut stray) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for y in 0..height {
        for x in 0..width {
            whole += difference(x, y);
            if apart(a.pixel(x, y), behind.pixel(x, y)) == 0 {
                continue;
            }
            object += 1.0;
            stray += f64::from(u8::from(apart(a.pixel(x, y), b.pixel(x, y)) > SMOOTH));
            if x > 0 && y > 0 && x + 1 < width && y + 1 < height && smooth(a, x, y) && smooth(b, x, y) {
                sum += difference(x, y);
                count += 1.0;
            }
        }
    }
    Agreement { smooth: sum / count, whole: whole / (width * height) as f64, counted: count / object, stray: stray / object }
}

/// Draws both, and judges what is smooth.
fn check(name: &str, scene: &Scene, renderer: &mut gpu::GpuRenderer, pose: &Pose, shot: &Shot) {
    let found = measure(name, scene, renderer, pose, shot);
    assert!(found.smooth < BOUND, "{name}: {found:?}");
    assert!(found.counted >= 0.5, "{name}: {found:?}");
}

/// Draws both, keeps them where a folder is named, and compares them.
fn measure(name: &str, scene: &Scene, renderer: &mut gpu::GpuRenderer, pose: &Pose, shot: &Shot) -> Agreement {
    let here = raster::CpuRenderer::new(scene).draw(pose, shot).unwrap();
    let there = renderer.draw(pose, shot).unwrap();
    let empty = Scene::default();
    let behind = raster::CpuRenderer::new(&empty).draw(&Pose::rest(&empty), shot).unwrap();
    if let Some(folder) = std::env::var_os("MONOTILE_KEEP_PICTURES").map(PathBuf::from) {
        for (picture, by) in [(&here, "cpu"), (&there, "gpu")] {
            picture.save_png(&folder.join(format!("{name}-{by}.png")), None).unwrap();
        }
    }
    let found = compare(&here, &there, &behind);
    let Agreement { smooth, whole, counted, stray } = found;
    println!(
        "{name}: {smooth:.3} away from edges, {whole:.3} over all, {:.0} % counted, {:.2} % stray",
        100.0 * counted,
        100.0 * stray
    );
    found
}

#[test]
fn both_renderers_draw_the_same_pictures_of_every_model() {
    let Some(folder) = models() else { return };
    for path in files(&folder) {
        let scene = Scene::open(&path).unwrap();
        let Some(mut renderer) = on_device(&scene) else { return };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut pose = Pose::rest(&scene);
        if let Some(clip) = scene.animations.first() {
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

#[test]
fn both_renderers_draw_the_same_figure() {
    let scene = Scene::figure();
    let Some(mut renderer) = on_device(&scene) else { return };
    for (i, clip) in scene.animations.iter().enumerate() {
        let mut pose = Pose::rest(&scene);
        clip.sample(0.3 * clip.duration, &mut pose);
        let shot = Framing::new(&scene, [pose.clone()]).unwrap().shot(&Orbit::default(), [480, 480]).unwrap();
        check(&format!("figure-{i}"), &scene, &mut renderer, &pose, &shot);
    }
}

#[test]
fn a_picture_is_a_tensor_that_stays_on_its_device() {
    let scene = Scene::figure();
    let device = match monotile::Device::open("gpu") {
        Ok(device) => device,
        Err(error) if std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{error}"),
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let mut renderer = gpu::GpuRenderer::on(&device, &scene).unwrap();
    let pose = Pose::rest(&scene);
    let framing = Framing::new(&scene, [pose.clone()]).unwrap();
    for size in [[64, 48], [37, 61], [300, 20]] {
        let shot = framing.shot(&Orbit::default(), size).unwrap();
        let tensor = renderer.draw_tensor(&pose, &shot).unwrap();
        assert_eq!((tensor.device(), tensor.shape()), (device.clone(), &[size[1], size[0], 4][..]));
        let read = renderer.draw(&pose, &shot).unwrap();
        let expected: Vec<f32> = read.rgba.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let bytes: Vec<u8> = tensor.to_vec::<f32>().unwrap().iter().map(|x| (x * 255.0).round() as u8).collect();
        assert!(bytes == read.rgba, "{size:?}");
        // It goes on there: a mean of both.
        let half = tensor.add(monotile::Tensor::from_vec(expected, tensor.shape()).unwrap().to(&device).unwrap()).unwrap();
        let off = half.mul(0.5).unwrap().sub(&tensor).unwrap().abs().unwrap().max(&[], false).unwrap();
        assert!(off.to_f64_vec().unwrap()[0] < 1e-6);
    }
    let shot = framing.shot(&Orbit::default(), [8, 8]).unwrap();
    let words = gpu::GpuRenderer::new(&scene).unwrap().draw_tensor(&pose, &shot).unwrap_err().to_string();
    assert!(words.contains("make it by GpuRenderer::on"), "{words}");
    let words = gpu::GpuRenderer::on(&monotile::Device::cpu(), &scene).unwrap_err().to_string();
    assert!(words.contains("the cpu draws by `raster`"), "{words}");
}

/// The figure's edges in perspective, and lines and points with and without normals.
#[test]
fn both_renderers_draw_the_same_strokes() {
    let figure = Scene::figure();
    let Some(mut renderer) = on_device(&figure) else { return };
    let pose = Pose::rest(&figure);
    let shot = Framing::new(&figure, [pose.clone()]).unwrap().shot(&Orbit::default(), [480, 480]).unwrap();
    let wires = measure("wires", &figure, &mut renderer, &pose, &Shot { wireframe: true, ..shot });
    assert!(wires.stray < STRAY, "{wires:?}");

    // A spiral, so that lines have every direction.
    let place = |i: u32| {
        let (t, (sin, cos)) = (i as f32 / 200.0, (i as f32 * 0.37).sin_cos());
        [t * cos, t * sin, 0.3 * t]
    };
    let positions: Vec<[f32; 3]> = (0..200).map(place).collect();
    let colors: Vec<[f32; 4]> = (0..200).map(|i| [i as f32 / 200.0, 0.4, 1.0 - i as f32 / 200.0, 1.0]).collect();
    let lines = Primitive {
        topology: Topology::Lines,
        indices: (0..199).flat_map(|i| [i, i + 1]).collect(),
        positions: positions.clone(),
        colors: colors.clone(),
        ..Primitive::default()
    };
    let lit = Primitive { normals: vec![[0.0, 0.0, 1.0]; 200], ..lines.clone() };
    let points = Primitive { topology: Topology::Points, indices: (0..200).collect(), ..lines.clone() };
    for (name, primitive) in [("lines", lines), ("lit-lines", lit), ("points", points)] {
        let scene = Scene {
            nodes: vec![Node { mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![primitive], ..Mesh::default() }],
            ..Scene::default()
        };
        scene.check().unwrap();
        let Some(mut renderer) = on_device(&scene) else { return };
        let pose = Pose::rest(&scene);
        let shot = Framing::new(&scene, [pose.clone()]).unwrap().shot(&Orbit::default(), [400, 300]).unwrap();
        let found = measure(name, &scene, &mut renderer, &pose, &shot);
        assert!(found.stray < STRAY, "{name}: {found:?}");
    }
}

/// Panes that blend behind, through and before one another and a wall, and a wall with holes.
#[test]
fn both_renderers_blend_and_mask_the_same() {
    let square = Primitive {
        indices: vec![0, 1, 2, 0, 2, 3],
        positions: vec![[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]],
        normals: vec![[0.0, 0.0, 1.0]; 4],
        uvs: vec![vec![[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]],
        ..Primitive::default()
    };
    // Alpha from 0 to 1 to the right, in an image of 16 x 1.
    let ramp = Image { name: String::new(), width: 16, height: 1, rgba: (0..16).flat_map(|i| [255, 240, 200, 17 * i]).collect() };
    let faded = Some(TextureRef { texture: 0, uv: 0, transform: [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]] });
    let plain = Material { metallic: 0.0, roughness: 0.7, double_sided: true, ..Material::default() };
    let pane = |base_color| Material { base_color, alpha: AlphaMode::Blend, ..plain.clone() };
    let materials = vec![
        Material { base_color: [0.2, 0.5, 0.3, 1.0], ..plain.clone() },
        pane([0.9, 0.2, 0.1, 0.5]),
        Material { base_color_texture: faded, ..pane([0.2, 0.3, 0.9, 0.8]) },
        Material { base_color_texture: faded, alpha: AlphaMode::Mask(0.5), ..plain.clone() },
    ];
    let turned = |x: f32, y: f32, z: f32, angle: f32| {
        let (sin, cos) = (0.5 * angle).sin_cos();
        NodeTransform::Trs(NodeTrs { translation: [x, y, z], rotation: [0.0, sin, 0.0, cos], ..NodeTrs::default() })
    };
    let places = [
        (0, turned(0.0, 0.0, -1.0, 0.0)),
        (1, turned(0.6, 0.3, 0.0, 0.5)),
        (1, turned(-0.5, -0.4, 0.6, -0.4)),
        (2, turned(0.2, -0.5, 1.1, 0.2)),
        (3, turned(-1.1, 0.7, 0.4, 0.3)),
    ];
    let scene = Scene {
        nodes: places.map(|(mesh, local)| Node { local, mesh: Some(mesh), ..Node::default() }).to_vec(),
        meshes: (0..4)
            .map(|i| Mesh { primitives: vec![Primitive { material: Some(i), ..square.clone() }], ..Mesh::default() })
            .collect(),
        materials,
        textures: vec![Texture { image: 0, sampler: Sampler::default() }],
        images: vec![ramp],
        ..Scene::default()
    };
    scene.check().unwrap();
    let Some(mut renderer) = on_device(&scene) else { return };
    let pose = Pose::rest(&scene);
    let framing = Framing::new(&scene, [pose.clone()]).unwrap();
    for (name, background) in [("sky", Background::Sky), ("clear", Background::Transparent)] {
        for azimuth in [10.0, 200.0] {
            let shot = Shot { background, ..framing.shot(&Orbit { azimuth, ..Orbit::default() }, [400, 300]).unwrap() };
            check(&format!("panes-{name}-{azimuth}"), &scene, &mut renderer, &pose, &shot);
        }
    }
}

/// Four million matrices of joints take 256 MB; a device that reads as many draws them.
#[test]
fn more_joints_than_a_device_reads_are_refused_in_our_own_words() {
    const MANY: usize = 2000;
    let positions = vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let influences = SkinWeights { per_vertex: 4, joints: vec![0; 12], weights: [1.0, 0.0, 0.0, 0.0].repeat(3) };
    let normals = vec![[0.0, 0.0, 1.0]; 3];
    let primitive = Primitive { positions, normals, influences, indices: vec![0, 1, 2], ..Primitive::default() };
    let identity = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    let scene = Scene {
        nodes: vec![Node { mesh: Some(0), skin: Some(0), ..Node::default() }; MANY],
        meshes: vec![Mesh { primitives: vec![primitive], ..Mesh::default() }],
        skins: vec![Skin { joints: (0..MANY).collect(), inverse_bind: vec![identity; MANY], ..Skin::default() }],
        ..Scene::default()
    };
    scene.check().unwrap();
    let Err(error) = gpu::GpuRenderer::new(&scene) else { return };
    let words = error.to_string();
    assert!(
        words.contains("bytes of matrices of nodes and joints, not 256128000") || words.contains("no graphics adapter"),
        "{words}"
    );
}
