//! A PNG or JPEG picture, as the texture of a model of one triangle.

use monotile_scene::Scene;

use super::sentence;

pub fn run(picture: &[u8]) {
    let mime = if picture.starts_with(b"\xff\xd8") { "image/jpeg" } else { "image/png" };
    let mut buffer: Vec<u8> = [0.0_f32, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    buffer.extend([0.0_f32, 0.0, 1.0, 0.0, 0.0, 1.0].iter().flat_map(|x| x.to_le_bytes()));
    buffer.extend(picture);
    let json = serde_json::json!({
        "asset": {"version": "2.0"},
        "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}], "images": [{"bufferView": 2, "mimeType": mime}],
        "buffers": [{"byteLength": buffer.len()}],
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 24},
            {"buffer": 0, "byteOffset": 60, "byteLength": picture.len().max(1)},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]},
            {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"},
        ],
    });
    let mut json = json.to_string().into_bytes();
    json.resize(json.len().next_multiple_of(4), b' ');
    buffer.resize(buffer.len().next_multiple_of(4), 0);
    let number = |n: usize| u32::try_from(n).expect("a picture of a test").to_le_bytes();
    let total = 12 + 8 + json.len() + 8 + buffer.len();
    let mut glb = [&b"glTF"[..], &number(2), &number(total), &number(json.len()), b"JSON", &json].concat();
    glb.extend([&number(buffer.len())[..], b"BIN\0", &buffer].concat());
    match Scene::from_bytes(&glb) {
        Ok(scene) => scene.check().expect("a scene that was read holds"),
        Err(error) => sentence(&error),
    }
}
