//! Small models, made here: JSON and one buffer.

use monotile_scene::{Error, GltfInfo, Scene};
use serde_json::{Value, json};

/// A model that grows.
#[derive(Clone)]
pub struct Model {
    pub json: Value,
    binary: Vec<u8>,
}

/// The eight signs of a box's corners on each of its faces, counter-clockwise from outside.
const FACES: [([f32; 3], [[f32; 3]; 4]); 6] = [
    ([1.0, 0.0, 0.0], [[1.0, -1.0, 1.0], [1.0, -1.0, -1.0], [1.0, 1.0, -1.0], [1.0, 1.0, 1.0]]),
    ([-1.0, 0.0, 0.0], [[-1.0, -1.0, -1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]]),
    ([0.0, 1.0, 0.0], [[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, -1.0]]),
    ([0.0, -1.0, 0.0], [[-1.0, -1.0, -1.0], [1.0, -1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]]),
    ([0.0, 0.0, 1.0], [[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]),
    ([0.0, 0.0, -1.0], [[1.0, -1.0, -1.0], [-1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, -1.0]]),
];

impl Model {
    /// Nothing but a material, rough and red.
    pub fn new() -> Self {
        let json = json!({
            "asset": {"version": "2.0"}, "nodes": [], "meshes": [], "accessors": [], "bufferViews": [], "buffers": [],
            "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.2, 0.2, 1.0], "metallicFactor": 0.0}}],
        });
        Self { json, binary: Vec::new() }
    }

    /// One box of this half side at the origin.
    pub fn cube(half: f32) -> Self {
        let mut model = Self::new();
        let primitive = model.box_of(half);
        let mesh = model.mesh(primitive);
        model.push("nodes", json!({"mesh": mesh}));
        model
    }

    /// Appends to a list and gives the number there.
    pub fn push(&mut self, list: &str, item: Value) -> usize {
        if self.json[list].is_null() {
            self.json[list] = json!([]);
        }
        let list = self.json[list].as_array_mut().unwrap();
        list.push(item);
        list.len() - 1
    }

    pub fn mesh(&mut self, primitive: Value) -> usize {
        self.push("meshes", json!({"primitives": [primitive]}))
    }

    /// A primitive of 24 vertices with normals and coordinates of textures.
    pub fn box_of(&mut self, half: f32) -> Value {
        let positions: Vec<f32> = FACES.iter().flat_map(|(_, corners)| corners.as_flattened()).map(|x| x * half).collect();
        let normals: Vec<f32> = FACES.iter().flat_map(|(n, _)| n.repeat(4)).collect();
        let uvs = [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0].repeat(6);
        let indices: Vec<u16> = (0..6).flat_map(|face| [0, 1, 2, 0, 2, 3].map(|i| 4 * face + i)).collect();
        json!({
            "attributes": {"POSITION": self.floats(&positions, "VEC3"), "NORMAL": self.floats(&normals, "VEC3"), "TEXCOORD_0": self.floats(&uvs, "VEC2")},
            "indices": self.shorts(&indices, "SCALAR"), "material": 0,
        })
    }

    /// An accessor of these numbers.
    pub fn floats(&mut self, numbers: &[f32], shape: &str) -> usize {
        self.accessor(numbers.iter().flat_map(|x| x.to_le_bytes()).collect(), 5126, shape)
    }

    pub fn shorts(&mut self, numbers: &[u16], shape: &str) -> usize {
        self.accessor(numbers.iter().flat_map(|x| x.to_le_bytes()).collect(), 5123, shape)
    }

    fn accessor(&mut self, bytes: Vec<u8>, component: u32, shape: &str) -> usize {
        let width = match shape {
            "SCALAR" => 1,
            "VEC2" => 2,
            "VEC3" => 3,
            "VEC4" => 4,
            _ => 16,
        };
        let size = if component == 5126 { 4 } else { 2 };
        let count = bytes.len() / size / width;
        let view = self.bytes(&bytes);
        self.push("accessors", json!({"bufferView": view, "componentType": component, "count": count, "type": shape}))
    }

    /// A buffer view of these bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> usize {
        self.binary.resize(self.binary.len().next_multiple_of(4), 0);
        let offset = self.binary.len();
        self.binary.extend(bytes);
        self.push("bufferViews", json!({"buffer": 0, "byteOffset": offset, "byteLength": bytes.len()}))
    }

    /// Gives the first material a picture of these bytes.
    pub fn textured(mut self, picture: &[u8]) -> Self {
        let view = self.bytes(picture);
        let image = self.push("images", json!({"bufferView": view, "mimeType": "image/png"}));
        self.push("textures", json!({"source": image}));
        self.json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = json!({"index": 0});
        self
    }

    /// The file, with its JSON padded by this byte.
    pub fn glb_padded(&self, with: u8) -> Vec<u8> {
        let mut json = self.json.clone();
        json["buffers"] = json!([{"byteLength": self.binary.len()}]);
        let mut text = json.to_string().into_bytes();
        text.push(with);
        text.resize(text.len().next_multiple_of(4), with);
        let mut binary = self.binary.clone();
        binary.resize(binary.len().next_multiple_of(4), 0);
        let mut file = b"glTF\x02\0\0\0".to_vec();
        file.extend((28 + text.len() as u32 + binary.len() as u32).to_le_bytes());
        for (kind, bytes) in [(b"JSON", &text), (b"BIN\0", &binary)] {
            file.extend((bytes.len() as u32).to_le_bytes());
            file.extend(kind);
            file.extend(bytes);
        }
        file
    }

    pub fn glb(&self) -> Vec<u8> {
        self.glb_padded(b' ')
    }

    pub fn read(&self) -> Result<(Scene, GltfInfo), Error> {
        Scene::inspect_bytes(&self.glb())
    }

    /// The scene, of which nothing is lost.
    #[track_caller]
    pub fn scene(&self) -> Scene {
        let (scene, about) = self.read().unwrap();
        assert_eq!(lost(&about), Vec::<String>::new());
        scene
    }

    /// The scene, of which only this is lost.
    #[track_caller]
    pub fn loses(&self, words: &str) -> Scene {
        let (scene, about) = self.read().unwrap();
        assert!(matches!(&lost(&about)[..], [one] if one.contains(words)), "{words:?} in {:?}", about.notes);
        scene
    }

    /// The words of the refusal.
    #[track_caller]
    pub fn refused(&self) -> String {
        let words = self.read().unwrap_err().to_string();
        assert!(!words.contains('\n'), "{words}");
        words
    }
}

/// What pictures of a file lack.
pub fn lost(about: &GltfInfo) -> Vec<String> {
    about.notes.iter().filter(|note| note.is_lossy).map(|note| note.sentence.clone()).collect()
}

/// A PNG of a few texels of one colour.
pub fn png(rgba: [u8; 4]) -> Vec<u8> {
    let picture = monotile_scene::Picture { width: 8, height: 8, rgba: rgba.repeat(64) };
    let mut file = Vec::new();
    picture.write_png(&mut file, None).unwrap();
    file
}
