//! What pictures show, the same by both renderers.

use monotile_scene::{Background, Camera, Framing, Orbit, Pose, Scene, Shot, raster::CpuRenderer};
use serde_json::json;

use crate::build::{Model, png};
use crate::pictures::{SIZE, covered, difference, drawn, middle, object, shot, through_camera};

/// The same box at the origin, far from it, as small and as large as numbers are: the same picture, with the same sky, reflections and shadow.
#[test]
fn size_and_place_do_not_change_a_picture() {
    let mirror = |mut model: Model| {
        model.json["materials"][0]["pbrMetallicRoughness"] =
            json!({"baseColorFactor": [0.9, 0.9, 0.9, 1.0], "metallicFactor": 1.0, "roughnessFactor": 0.2});
        model
    };
    let first = mirror(Model::cube(1.0)).scene();
    let wanted = drawn(&first, &shot(&first));
    for half in [1e-30, 1e-9, 1e-4, 2.5e5, 1e18, 1e30] {
        let scene = mirror(Model::cube(half)).scene();
        let apart = difference(&drawn(&scene, &shot(&scene)), &wanted);
        assert!(apart < 0.05, "{half:e}: {apart}");
    }
    for (half, place) in [(5.0, [5e5, 0.0, 3e5]), (5.0, [6_378_137.0, 0.0, 0.0]), (1e-3, [7.0, 1e3, -40.0])] {
        let mut model = mirror(Model::cube(half));
        model.json["nodes"][0]["translation"] = json!(place);
        let scene = model.scene();
        let apart = difference(&drawn(&scene, &shot(&scene)), &wanted);
        assert!(apart < 0.05, "{half} at {place:?}: {apart}");
    }
    // The scale is the node's, and undoes the mesh's.
    for (half, scale) in [(1e-20_f32, 1e20_f64), (1e20, 1e-20)] {
        let mut model = mirror(Model::cube(half));
        model.json["nodes"][0]["scale"] = json!([scale, scale, scale]);
        let scene = model.scene();
        let apart = difference(&drawn(&scene, &shot(&scene)), &wanted);
        assert!(apart < 0.05, "{half:e} times {scale:e}: {apart}");
    }
}

/// The vertices themselves are far from the origin of their mesh.
#[test]
fn a_mesh_that_is_far_from_its_own_origin_is_whole() {
    let scene_of = |shift: f32| {
        let mut model = Model::new();
        let mut primitive = model.box_of(8.0);
        let moved = |(i, x): (usize, &f32)| x + if i % 3 == 0 { shift } else { 0.0 };
        let positions: Vec<f32> = box_positions(8.0).iter().enumerate().map(moved).collect();
        primitive["attributes"]["POSITION"] = json!(model.floats(&positions, "VEC3"));
        let mesh = model.mesh(primitive);
        model.push("nodes", json!({"mesh": mesh, "rotation": [0.0, 0.6, 0.0, 0.8]}));
        model.scene()
    };
    let (near, far) = (scene_of(0.0), scene_of(4_194_304.0));
    let apart = difference(&drawn(&near, &shot(&near)), &drawn(&far, &shot(&far)));
    assert!(apart < 0.2, "{apart}");
}

/// The positions of [`Model::box_of`].
fn box_positions(half: f32) -> Vec<f32> {
    let scene = Model::cube(half).scene();
    scene.meshes[0].primitives[0].positions.as_flattened().to_vec()
}

#[test]
fn alpha_that_equals_the_cutoff_is_there() {
    let with = |alpha: f64, mode: serde_json::Value, colors: Option<f32>| {
        let mut model = Model::cube(1.0);
        model.json["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"][3] = json!(alpha);
        for (key, value) in mode.as_object().unwrap() {
            model.json["materials"][0][key] = value.clone();
        }
        if let Some(alpha) = colors {
            let list = [1.0, 1.0, 1.0, alpha].repeat(24);
            let at = model.floats(&list, "VEC4");
            model.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"] = json!(at);
        }
        object(&model.scene())
    };
    let whole = with(1.0, json!({}), None);
    for (alpha, cutoff, colors) in
        [(0.5, 0.5, None), (0.5, 0.5, Some(1.0)), (0.3, 0.3, Some(1.0)), (1.0, 0.7, Some(0.7)), (1.0, 1.0, Some(1.0))]
    {
        let picture = with(alpha, json!({"alphaMode": "MASK", "alphaCutoff": cutoff}), colors);
        assert!(covered(&picture) == covered(&whole), "{alpha} {cutoff} {colors:?}");
        assert!(difference(&picture, &whole) < 0.01, "{alpha} {cutoff} {colors:?}");
    }
    // One byte below it is not.
    let below = with(127.0 / 255.0, json!({"alphaMode": "MASK", "alphaCutoff": 0.5}), Some(1.0));
    assert_eq!(covered(&below), 0.0);
}

/// Two boxes, one in the other, of one primitive, the inner one last: with alpha 1 nothing of the inner one is seen, with less it is.
#[test]
fn a_blending_surface_of_alpha_1_hides_what_is_behind() {
    let nested = |alpha: f32, mode: &str| {
        let mut model = Model::new();
        let (outer, inner) = (box_positions(1.0), box_positions(0.5));
        let single = Model::cube(1.0).scene();
        let part = &single.meshes[0].primitives[0];
        let positions = model.floats(&[outer, inner].concat(), "VEC3");
        let normals = model.floats(&part.normals.as_flattened().repeat(2), "VEC3");
        let colors = [vec![[1.0, 1.0, 1.0, alpha]; 24], vec![[0.0, 1.0, 0.0, 1.0]; 24]].concat();
        let colors = model.floats(colors.as_flattened(), "VEC4");
        let indices: Vec<u16> = part.indices.iter().map(|&i| i as u16).chain(part.indices.iter().map(|&i| i as u16 + 24)).collect();
        let indices = model.shorts(&indices, "SCALAR");
        let mesh = model.mesh(
            json!({"attributes": {"POSITION": positions, "NORMAL": normals, "COLOR_0": colors}, "indices": indices, "material": 0}),
        );
        model.push("nodes", json!({"mesh": mesh}));
        model.json["materials"][0]["alphaMode"] = json!(mode);
        model.json["materials"][0]["doubleSided"] = json!(true);
        model.scene()
    };
    let opaque = nested(1.0, "OPAQUE");
    let blended = nested(1.0, "BLEND");
    // The shadow is there too.
    assert!(difference(&drawn(&opaque, &shot(&opaque)), &drawn(&blended, &shot(&blended))) < 0.01);
    // Both kinds of fragments in one primitive: the inner box shines through.
    let through = object(&nested(0.4, "BLEND"));
    assert!(difference(&through, &object(&opaque)) > 2.0 && middle(&through)[3] == 255, "{:?}", middle(&through));
}

/// Alpha of a picture, 255 on the left half and 100 on the right: the left hides a pane behind, also one that comes later.
#[test]
fn solid_texels_of_a_blending_surface_hide_and_the_others_do_not() {
    let picture = monotile_scene::Picture { width: 2, height: 1, rgba: vec![255, 0, 0, 255, 255, 0, 0, 100] };
    let mut file = Vec::new();
    picture.write_png(&mut file, None).unwrap();
    let quad = |model: &mut Model, half: f32, z: f32, material: usize| {
        let positions = model.floats(&[-half, -half, z, half, -half, z, half, half, z, -half, half, z], "VEC3");
        let normals = model.floats(&[0.0, 0.0, 1.0].repeat(4), "VEC3");
        let uvs = model.floats(&[0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0], "VEC2");
        let indices = model.shorts(&[0, 1, 2, 0, 2, 3], "SCALAR");
        json!({"attributes": {"POSITION": positions, "NORMAL": normals, "TEXCOORD_0": uvs}, "indices": indices, "material": material})
    };
    let mut model = Model::new().textured(&file);
    model.push("samplers", json!({"magFilter": 9728, "minFilter": 9728}));
    model.json["textures"][0]["sampler"] = json!(0);
    model.json["materials"][0]["alphaMode"] = json!("BLEND");
    model.json["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = json!([1.0, 1.0, 1.0, 1.0]);
    model.push(
        "materials",
        json!({"pbrMetallicRoughness": {"baseColorFactor": [0.0, 0.0, 1.0, 0.5], "metallicFactor": 0.0}, "alphaMode": "BLEND"}),
    );
    let front = quad(&mut model, 1.0, 0.5, 0);
    let back = quad(&mut model, 1.0, 0.0, 1);
    let mesh = model.push("meshes", json!({"primitives": [front, back]}));
    model.push("nodes", json!({"mesh": mesh}));
    let scene = model.scene();
    let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
    let camera = framing.camera(&Orbit { azimuth: 0.0, elevation: 0.0, ..Orbit::default() }, SIZE).unwrap();
    let shot = Shot { background: Background::Transparent, ..Shot::new(camera) };
    let picture = drawn(&scene, &shot);
    let [left, right] = [SIZE[0] / 2 - 20, SIZE[0] / 2 + 20].map(|x| picture.pixel(x, SIZE[1] / 2));
    assert!(left[2] < 40 && left[3] == 255, "{left:?}");
    assert!(right[2] > 60 && right[3] < 250, "{right:?}");
}

/// A box that follows the second joint of two: whatever the first one does, the picture is that of the box alone.
#[test]
fn a_joint_that_moves_nothing_changes_nothing() {
    let with = |first: serde_json::Value| {
        let mut model = Model::new();
        let mut primitive = model.box_of(1.0);
        let joints = model.shorts(&[1, 0, 0, 0].repeat(24), "VEC4");
        let weights = model.floats(&[1.0, 0.0, 0.0, 0.0].repeat(24), "VEC4");
        primitive["attributes"]["JOINTS_0"] = json!(joints);
        primitive["attributes"]["WEIGHTS_0"] = json!(weights);
        let mesh = model.mesh(primitive);
        model.push("nodes", first);
        model.push("nodes", json!({}));
        model.push("nodes", json!({"mesh": mesh, "skin": 0}));
        model.push("skins", json!({"joints": [0, 1]}));
        object(&model.scene())
    };
    let plain = with(json!({}));
    assert!(with(json!({"scale": [-1, 1, 1]})) == plain && with(json!({"translation": [0, 0, 50]})) == plain);
}

/// Two panes that joints bend, red behind blue: the front one is laid over the other, wherever the first joint of the red one is.
#[test]
fn what_joints_bend_is_laid_over_by_where_it_is() {
    let with = |first: f32| {
        let mut model = Model::new();
        let pane = |model: &mut Model, half: f32, material: usize| {
            let positions = model.floats(&[-half, -half, 0.0, half, -half, 0.0, half, half, 0.0, -half, half, 0.0], "VEC3");
            let normals = model.floats(&[0.0, 0.0, 1.0].repeat(4), "VEC3");
            let indices = model.shorts(&[0, 1, 2, 0, 2, 3], "SCALAR");
            json!({"attributes": {"POSITION": positions, "NORMAL": normals}, "indices": indices, "material": material})
        };
        model.json["materials"] = json!([[1.0, 0.0, 0.0, 0.6], [0.0, 0.0, 1.0, 0.6]].map(|color: [f64; 4]| json!({
            "pbrMetallicRoughness": {"baseColorFactor": color, "metallicFactor": 0}, "alphaMode": "BLEND", "doubleSided": true,
        })));
        let mut red = pane(&mut model, 1.0, 0);
        red["attributes"]["JOINTS_0"] = json!(model.shorts(&[1, 0, 0, 0].repeat(4), "VEC4"));
        red["attributes"]["WEIGHTS_0"] = json!(model.floats(&[1.0, 0.0, 0.0, 0.0].repeat(4), "VEC4"));
        let blue = pane(&mut model, 0.6, 1);
        let (red, blue) = (model.mesh(red), model.mesh(blue));
        model.push("nodes", json!({"translation": [0, 0, first]}));
        model.push("nodes", json!({"translation": [0, 0, -1]}));
        model.push("nodes", json!({"mesh": red, "skin": 0}));
        model.push("nodes", json!({"mesh": blue}));
        model.push("skins", json!({"joints": [0, 1]}));
        let scene = model.scene();
        let orbit = Orbit { azimuth: 0.0, elevation: 0.0, ..Orbit::default() };
        drawn(&scene, &Framing::new(&scene, [Pose::rest(&scene)]).unwrap().shot(&orbit, SIZE).unwrap())
    };
    let near = with(-1.0);
    let [r, _, b, _] = middle(&near);
    assert!(b > r, "{:?}", middle(&near));
    assert!(with(50.0) == near);
}

/// A camera below nodes that squeeze or shear sees what it would without their scales.
#[test]
fn a_camera_below_scaled_nodes_sees_rigidly() {
    let with = |above: serde_json::Value, own: serde_json::Value| {
        let mut model = Model::cube(1.0);
        model.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 0.8, "znear": 0.1}}));
        let mut camera =
            json!({"camera": 0, "translation": [0, 0, 5], "rotation": [0.0, 0.0, 0.25881904510252074, 0.9659258262890683]});
        camera["scale"] = own;
        let below = model.push("nodes", camera);
        model.push("nodes", json!({"scale": above, "children": [below]}));
        let scene = model.scene();
        drawn(&scene, &through_camera(&scene))
    };
    let plain = with(json!([1, 1, 1]), json!([1, 1, 1]));
    assert!(covered(&plain) > 0.05);
    for (above, own) in [([1, 3, 1], [1, 1, 1]), ([1, 0, 1], [1, 1, 1]), ([1, 1, 1], [0, 0, 0]), ([2, 1, 1], [1, -7, 1])] {
        let apart = difference(&with(json!(above), json!(own)), &plain);
        assert!(apart < 0.01, "{above:?} {own:?}: {apart}");
    }
}

/// One point of many thousands is a square of three pixels of a picture of 720 rows, and as large as a shot says.
#[test]
fn points_are_as_large_as_a_person_can_see() {
    let mut model = Model::new();
    let positions = model.floats(&[-1.0, 0.0, 0.0, 1.0, 0.0, 0.0], "VEC3");
    let mesh = model.mesh(json!({"attributes": {"POSITION": positions}, "mode": 0, "material": 0}));
    model.push("nodes", json!({"mesh": mesh}));
    let scene = model.scene();
    let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
    let seen = |size: [usize; 2], point_size: Option<f32>| {
        let shot = Shot::new(framing.camera(&Orbit::default(), size).unwrap());
        let point_size = point_size.unwrap_or(shot.point_size);
        let picture = drawn(&scene, &Shot { background: Background::Transparent, point_size, ..shot });
        picture.rgba.chunks_exact(4).map(|p| f64::from(p[3]) / 255.0).sum::<f64>() / 2.0
    };
    for (size, point_size, side) in
        [([1280, 720], None, 3.0), ([640, 360], None, 1.5), ([100, 100], None, 1.0), ([160, 120], Some(8.0), 8.0)]
    {
        let area = seen(size, point_size);
        assert!((area - side * side).abs() < 0.25 * side * side, "{size:?} {point_size:?}: {area}");
    }
}

/// The texels that a surface shows are the same when its image is read row by row.
#[test]
fn grey_and_interlaced_pictures_are_read() {
    let grey = |color: png::ColorType, data: &[u8]| {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        let scene = Model::cube(1.0).textured(&file).scene();
        scene.images[0].rgba.clone()
    };
    assert_eq!(grey(png::ColorType::Grayscale, &[7, 200]), [7, 7, 7, 255, 200, 200, 200, 255]);
    assert_eq!(grey(png::ColorType::GrayscaleAlpha, &[7, 1, 200, 2]), [7, 7, 7, 1, 200, 200, 200, 2]);
    assert_eq!(grey(png::ColorType::Rgb, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 255, 4, 5, 6, 255]);
    assert_eq!(Model::cube(1.0).textured(&png([1, 2, 3, 4])).scene().images[0].rgba[..4], [1, 2, 3, 4]);
}

/// A scene of many nodes of one mesh is drawn in a time that a test can wait for.
#[test]
fn many_nodes_of_one_mesh_are_drawn() {
    let mut model = Model::cube(0.4);
    let places: Vec<f32> = (0..20_000).flat_map(|i| [(i % 200) as f32, 0.0, (i / 200) as f32]).collect();
    let at = model.floats(&places, "VEC3");
    model.json["nodes"][0]["extensions"] = json!({"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": at}}});
    let scene: Scene = model.scene();
    let picture = CpuRenderer::new(&scene).draw(&Pose::rest(&scene), &shot(&scene)).unwrap();
    assert!(covered(&picture) > 0.9);
    let eye = Camera::look_at(
        [100.0, 5.0, 120.0],
        [100.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        monotile_scene::Lens::Perspective { fovy: 1.0, near: 0.1, far: None },
        SIZE,
    );
    drawn(&scene, &Shot::new(eye.unwrap()));
}
