//! What is read, what is left out with a word, what is refused.

use monotile_scene::Scene;
use serde_json::json;

use crate::build::{Model, lost, png};
use crate::pictures::{difference, object};

#[test]
fn an_extension_that_changes_the_look_alone_is_left_out_with_a_word() {
    let plain = object(&Model::cube(1.0).scene());
    for name in ["KHR_materials_specular", "KHR_materials_variants", "KHR_materials_clearcoat", "KHR_lights_punctual"] {
        let mut model = Model::cube(1.0);
        model.json["extensionsUsed"] = json!([name]);
        model.json["extensionsRequired"] = json!([name]);
        let scene = model.loses(&format!("the extension \"{name}\" is not drawn"));
        assert!(object(&scene) == plain, "{name}");
    }
    let mut model = Model::cube(1.0);
    model.json["extensionsUsed"] = json!(["KHR_xmp_json_ld"]);
    model.scene();
    model.json["extensionsRequired"] = json!(["NEW_thing\u{1b}[2J"]);
    assert_eq!(model.refused(), "it requires the extension \"NEW_thing\\u{1b}[2J\", which is not known");
}

/// With the vertices beside it a compressed mesh is drawn; without, a sentence says why there is none.
#[test]
fn compressed_vertices_are_refused_unless_they_are_there_as_they_are() {
    let mut model = Model::cube(1.0);
    model.json["extensionsUsed"] = json!(["KHR_draco_mesh_compression"]);
    model.json["meshes"][0]["primitives"][0]["extensions"] =
        json!({"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}});
    model.scene();
    model.json["accessors"][0].as_object_mut().unwrap().remove("bufferView");
    assert_eq!(
        model.refused(),
        "mesh 0: primitive 0: it is compressed by the extension \"KHR_draco_mesh_compression\", which is not read; export it without compression"
    );
    let mut model = Model::cube(1.0);
    model.json["bufferViews"][0]["buffer"] = json!(0);
    model.json["bufferViews"][0]["byteOffset"] = json!(1 << 20);
    model.json["bufferViews"][0]["extensions"] = json!({"EXT_meshopt_compression": {"buffer": 0}});
    assert!(model.refused().ends_with(
        "buffer view 0: it is compressed by the extension \"EXT_meshopt_compression\", which is not read; export it without compression"
    ));
}

/// A box at each of 16 places is the same as 16 nodes that draw the box.
#[test]
fn instances_are_drawn_where_they_are() {
    let places: Vec<[f32; 3]> = (0..16).map(|i| [(i % 4) as f32 * 1.5, (i / 4) as f32 * 1.5, i as f32 * 0.1]).collect();
    let half_turn = [0.0, 0.38268343, 0.0, 0.9238795];
    let mut model = Model::cube(0.5);
    let translations = model.floats(places.as_flattened(), "VEC3");
    let rotations = model.floats(&half_turn.repeat(16), "VEC4");
    let scales = model.floats(&[1.0, 0.5, 1.0].repeat(16), "VEC3");
    model.json["extensionsRequired"] = json!(["EXT_mesh_gpu_instancing"]);
    model.json["extensionsUsed"] = json!(["EXT_mesh_gpu_instancing"]);
    let attributes = json!({"TRANSLATION": translations, "ROTATION": rotations, "SCALE": scales, "_ID": 0});
    model.json["nodes"][0]["extensions"] = json!({"EXT_mesh_gpu_instancing": {"attributes": attributes}});
    model.json["nodes"][0]["translation"] = json!([1.0, 0.0, 0.0]);
    let scene = model.scene();
    assert_eq!(scene.nodes.len(), 17);

    let mut plain = Model::cube(0.5);
    plain.json["nodes"][0] = json!({"translation": [1.0, 0.0, 0.0], "children": (1..17).collect::<Vec<_>>()});
    for place in &places {
        plain.push("nodes", json!({"mesh": 0, "translation": place, "rotation": half_turn, "scale": [1.0, 0.5, 1.0]}));
    }
    assert!(object(&scene) == object(&plain.scene()));

    let mut uneven = model.clone();
    uneven.json["accessors"][scales]["count"] = json!(15);
    assert_eq!(uneven.refused(), "node 0: its instances differ in number: 16 of TRANSLATION, 16 of ROTATION, 15 of SCALE");
    let mut many = model.clone();
    many.json["accessors"][translations]["count"] = json!(4_000_000_000_u64);
    assert!(many.refused().contains("asks for 4000000001 nodes, and the limit \"nodes\" is 1048576"), "{}", many.refused());
    let mut unknown = model;
    unknown.json["nodes"][0]["extensions"]["EXT_mesh_gpu_instancing"]["attributes"] = json!({"_ID": 0});
    unknown.loses("1 node with instances has a skin or none of the attributes that are known, and is drawn once");
}

#[test]
fn a_texture_that_cannot_be_read_is_left_out_with_a_word() {
    let plain = object(&Model::cube(1.0).scene());
    let whole = png([10, 200, 30, 255]);
    let textured = object(&Model::cube(1.0).textured(&whole).scene());
    assert!(difference(&plain, &textured) > 1.0);
    let webp = b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0";
    for (bytes, words) in [
        (&whole[..whole.len() * 3 / 4], "image 0: its picture cannot be decoded"),
        (webp, "image 0: it is a WebP picture, and PNG and JPEG are read"),
        (b"version https://git-lfs.github.com/spec/v1", "image 0: it is a pointer of Git LFS, and PNG and JPEG are read"),
        (b"\xff\xd8\xff\xe0 no more", "image 0: its picture cannot be decoded"),
    ] {
        let scene = Model::cube(1.0).textured(bytes).loses(words);
        assert!(object(&scene) == plain, "{words}");
    }
    let mut missing = Model::cube(1.0).textured(&whole);
    missing.json["images"][0] = json!({"uri": "none.png"});
    missing.loses("1 image cannot be read and its textures are left out (image 0: \"none.png\" is another file");
}

#[test]
fn numbers_that_are_none_are_replaced_with_a_word_but_for_places() {
    let plain = object(&Model::cube(1.0).scene());
    let with = |attribute: &str, width: usize, fill: f32| {
        let mut model = Model::cube(1.0);
        let shape = format!("VEC{width}");
        let mut numbers = vec![fill; 24 * width];
        numbers[..width].fill(f32::NAN);
        numbers[3 * width + 1] = f32::INFINITY;
        let at = model.floats(&numbers, &shape);
        model.json["meshes"][0]["primitives"][0]["attributes"][attribute] = json!(at);
        model
    };
    let mut normals = Model::cube(1.0);
    let offset = normals.json["bufferViews"][1]["byteOffset"].as_u64().unwrap();
    assert_eq!(offset % 4, 0);
    let list: Vec<f32> = (0..72)
        .map(|i| {
            if i < 3 {
                f32::NAN
            } else {
                [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]][i / 12]
                    [i % 3]
            }
        })
        .collect();
    let at = normals.floats(&list, "VEC3");
    normals.json["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = json!(at);
    assert!(object(&normals.loses("1 normal is no number: it is made from the triangles around it")) == plain);
    assert!(object(&with("COLOR_0", 4, 1.0).loses("2 colours are no numbers and count as white")) == plain);
    assert!(object(&with("TEXCOORD_0", 2, 0.5).loses("2 coordinates of textures are no numbers and count as 0")) == plain);
    with("TANGENT", 4, 1.0).loses("1 primitive has tangents that are no numbers: all are made");
    assert!(with("POSITION", 3, 1.0).refused().starts_with("mesh 0: primitive 0: POSITION: accessor 4: element 0 is not finite"));
}

#[test]
fn files_are_read_as_exporters_write_them() {
    let plain = Model::cube(1.0);
    let scene = plain.scene();
    assert_eq!(Scene::from_bytes(&plain.glb_padded(0)).unwrap(), scene);
    let mut nulls = plain;
    nulls.json["nodes"][0]["name"] = json!(null);
    nulls.json["nodes"][0]["children"] = json!(null);
    nulls.json["nodes"][0]["extensions"] = json!(null);
    nulls.json["meshes"][0]["name"] = json!(null);
    nulls.json["meshes"][0]["weights"] = json!(null);
    nulls.json["materials"][0]["doubleSided"] = json!(null);
    nulls.json["materials"][0]["extensions"] = json!(null);
    nulls.json["accessors"][0]["normalized"] = json!(null);
    nulls.json["animations"] = json!(null);
    assert_eq!(nulls.scene(), scene);
}

#[test]
fn what_is_no_model_is_told_as_what_it_is() {
    let words = |bytes: &[u8]| Scene::from_bytes(bytes).unwrap_err().to_string();
    assert!(words(b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12345\n").contains("pointer of Git LFS"));
    assert!(words(b"<!DOCTYPE html><html>404</html>").contains("an HTML page"));
    let versions =
        [("1.0", "it is a file of glTF 1.0"), ("2", "it says that it is a file of glTF \"2\""), ("3.1", "it says that it is")];
    for (version, said) in versions {
        let mut model = Model::cube(1.0);
        model.json["asset"]["version"] = json!(version);
        assert!(model.refused().starts_with(said), "{}", model.refused());
    }
    assert!(words(b"glTF\x01\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0").starts_with("it is a file of glTF 1.0"));
}

#[test]
fn a_matrix_that_is_projective_is_refused_and_rounding_is_taken_away() {
    let with = |last: [f32; 4]| {
        let mut model = Model::cube(1.0);
        let [x, y, z, w] = last;
        model.json["nodes"][0]["matrix"] = json!([1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z, 3, 0, 0, w]);
        model
    };
    for last in [[0.2, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]] {
        assert!(with(last).refused().starts_with("node 0: its matrix is projective: its last row is ["), "{last:?}");
    }
    assert_eq!(with([1e-7, 0.0, -1e-8, 0.99999994]).scene(), with([0.0, 0.0, 0.0, 1.0]).scene());
    let mut skin = Model::cube(1.0);
    let matrix: Vec<f32> = (0..16).map(|i| if i % 5 == 0 || i == 3 { 1.0 } else { 0.0 }).collect();
    let at = skin.floats(&matrix, "MAT4");
    skin.push("skins", json!({"joints": [0], "inverseBindMatrices": at}));
    assert!(skin.refused().starts_with("skin 0: inverse bind matrix 0: its matrix is projective"), "{}", skin.refused());
}

#[test]
fn a_channel_that_moves_nothing_is_left_out_with_a_word() {
    let mut model = Model::cube(1.0);
    let (times, weights) = (model.floats(&[0.0, 1.0], "SCALAR"), model.floats(&[0.0, 1.0], "SCALAR"));
    let places = model.floats(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0], "VEC3");
    model.json["animations"] = json!([{
        "samplers": [{"input": times, "output": weights}, {"input": times, "output": places}],
        "channels": [{"sampler": 0, "target": {"node": 0, "path": "weights"}}, {"sampler": 1, "target": {"node": 0, "path": "translation"}}],
    }]);
    let scene = model.loses("1 channel moves nothing that is known and is left out (animation 0)");
    assert_eq!(scene.animations[0].channels.len(), 1);
}

#[test]
fn a_set_of_coordinates_that_is_missing_is_told_and_others_are_found() {
    let textured = || Model::cube(1.0).textured(&png([10, 200, 30, 255]));
    let mut model = textured();
    model.json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["texCoord"] = json!(2);
    model.loses("1 primitive lacks the set of coordinates that a texture of it is read by");
    // The second set without the first.
    let mut only = textured();
    only.json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["texCoord"] = json!(1);
    let attributes = only.json["meshes"][0]["primitives"][0]["attributes"].as_object_mut().unwrap();
    let set = attributes.remove("TEXCOORD_0").unwrap();
    attributes.insert("TEXCOORD_1".to_string(), set);
    assert!(object(&only.scene()) == object(&textured().scene()));
}

#[test]
fn the_scene_that_is_asked_for_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.glb");
    let mut model = Model::cube(1.0);
    model.push("nodes", json!({"mesh": 0, "translation": [5, 0, 0]}));
    model.json["scenes"] = json!([{"nodes": [0], "name": "left"}, {"nodes": [0, 1], "name": "both"}]);
    std::fs::write(&path, model.glb()).unwrap();
    let drawn = |scene: Option<&str>| {
        let options = monotile_scene::ReadOptions { scene: scene.map(str::to_string) };
        Scene::read(&path, &options).map(|(scene, _)| scene.nodes.iter().filter(|node| node.mesh.is_some()).count())
    };
    assert_eq!([None, Some("both"), Some("1"), Some("left"), Some("0")].map(|s| drawn(s).unwrap()), [1, 2, 2, 1, 1]);
    let words = drawn(Some("right")).unwrap_err().to_string();
    assert_eq!(words, format!("{}: there is no scene \"right\"; it has \"left\", \"both\"", path.display()));
}

/// Each in a file of a few kilobytes that would take gigabytes or minutes.
#[test]
fn what_would_take_too_much_is_refused() {
    let mut chain = Model::cube(1.0);
    for i in 0..5000 {
        chain.json["nodes"][i]["children"] = json!([i + 1]);
        chain.push("nodes", json!({}));
    }
    assert!(chain.refused().contains("asks for 4097 levels, and the limit \"depth\" is 4096"), "{}", chain.refused());
    let mut many = Model::cube(1.0);
    let primitive = many.json["meshes"][0]["primitives"][0].clone();
    many.json["meshes"][0]["primitives"] = json!(vec![primitive; 1000]);
    for _ in 0..1000 {
        many.push("nodes", json!({"mesh": 0}));
    }
    assert_eq!(many.refused(), "the scene: asks for 36036000 corners, and the limit \"corners\" is 33554432");
    // A header that promises 16000 x 16000 texels, twice: 512 million.
    let mut header = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    header.extend([16000_u32.to_be_bytes(), 16384_u32.to_be_bytes()].concat());
    header.extend([1, 0, 0, 0, 0]);
    let crc = |bytes: &[u8]| {
        !bytes
            .iter()
            .fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |c, _| c >> 1 ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 }))
    };
    header.extend(crc(&header[12..]).to_be_bytes());
    let mut model = Model::cube(1.0).textured(&header);
    let (_, about) = model.read().unwrap();
    assert!(lost(&about)[0].contains("16000 x 16384 texels in 33 bytes"), "{about:?}");
    header.resize(40_000, 0);
    header[16..20].copy_from_slice(&16384_u32.to_be_bytes());
    header[20..24].copy_from_slice(&16384_u32.to_be_bytes());
    let crc = crc(&header[12..29]).to_be_bytes();
    header[29..33].copy_from_slice(&crc);
    model = Model::cube(1.0).textured(&png([1, 2, 3, 255]));
    let view = model.bytes(&header);
    let image = model.push("images", json!({"bufferView": view}));
    model.push("textures", json!({"source": image}));
    assert_eq!(
        model.refused(),
        "texture 1: image 1: a picture of 16384 x 16384, with those before it: asks for 268435520 texels, and the limit \"texels\" is 268435456"
    );
}
