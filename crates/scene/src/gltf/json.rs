//! The JSON of glTF 2.0, as far as it is read. What is not here is skipped: extras, hints, and extensions that only add.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::list::{attributes, list};

/// A whole number that is not negative. A fractional part of zero is allowed, as the specification recommends to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whole(pub u64);

impl Whole {
    /// As an index or a length; what no memory could hold becomes the largest there is, which every check of a range refuses.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Whole;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number that is not negative")
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Whole, E> {
                Ok(Whole(value))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Whole, E> {
                // Above 2^53 a float no longer says which whole number was meant.
                match value.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&value) {
                    true => Ok(Whole(value as u64)),
                    false => Err(E::invalid_value(serde::de::Unexpected::Float(value), &self)),
                }
            }
        }
        from.deserialize_u64(Number)
    }
}

/// The default where the file says `null`, as some writers do for what they leave out.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What is read first: whether the rest can be.
#[derive(Deserialize)]
pub(super) struct Header {
    pub asset: Asset,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asset {
    pub version: String,
    pub min_version: Option<String>,
    pub generator: Option<String>,
    pub copyright: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Root {
    pub asset: Asset,
    #[serde(default, deserialize_with = "list")]
    pub extensions_used: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub extensions_required: Vec<String>,
    pub scene: Option<Whole>,
    #[serde(default, deserialize_with = "list")]
    pub scenes: Vec<SceneNodes>,
    #[serde(default, deserialize_with = "list")]
    pub nodes: Vec<Node>,
    #[serde(default, deserialize_with = "list")]
    pub meshes: Vec<Mesh>,
    #[serde(default, deserialize_with = "list")]
    pub skins: Vec<Skin>,
    #[serde(default, deserialize_with = "list")]
    pub cameras: Vec<Camera>,
    #[serde(default, deserialize_with = "list")]
    pub animations: Vec<Animation>,
    #[serde(default, deserialize_with = "list")]
    pub materials: Vec<Material>,
    #[serde(default, deserialize_with = "list")]
    pub textures: Vec<Texture>,
    #[serde(default, deserialize_with = "list")]
    pub samplers: Vec<Sampler>,
    #[serde(default, deserialize_with = "list")]
    pub images: Vec<Image>,
    #[serde(default, deserialize_with = "list")]
    pub accessors: Vec<Accessor>,
    #[serde(default, deserialize_with = "list")]
    pub buffer_views: Vec<View>,
    #[serde(default, deserialize_with = "list")]
    pub buffers: Vec<Buffer>,
}

#[derive(Deserialize)]
pub(super) struct SceneNodes {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "list")]
    pub nodes: Vec<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "list")]
    pub children: Vec<Whole>,
    pub matrix: Option<[f32; 16]>,
    pub translation: Option<[f32; 3]>,
    pub rotation: Option<[f32; 4]>,
    pub scale: Option<[f32; 3]>,
    pub mesh: Option<Whole>,
    pub skin: Option<Whole>,
    pub camera: Option<Whole>,
    #[serde(default, deserialize_with = "list")]
    pub weights: Vec<f32>,
    #[serde(default, deserialize_with = "or_default")]
    pub extensions: NodeExtensions,
}

#[derive(Deserialize, Default)]
pub(super) struct NodeExtensions {
    #[serde(rename = "EXT_mesh_gpu_instancing")]
    pub instancing: Option<Instancing>,
}

#[derive(Deserialize)]
pub(super) struct Instancing {
    #[serde(default, deserialize_with = "attributes")]
    pub attributes: Attributes,
}

#[derive(Deserialize)]
pub(super) struct Mesh {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "list")]
    pub primitives: Vec<Primitive>,
    #[serde(default, deserialize_with = "list")]
    pub weights: Vec<f32>,
}

/// The accessors of vertices, by semantic.
pub(super) type Attributes = std::collections::BTreeMap<String, Whole>;

#[derive(Deserialize)]
pub(super) struct Primitive {
    #[serde(deserialize_with = "attributes")]
    pub attributes: Attributes,
    pub indices: Option<Whole>,
    pub material: Option<Whole>,
    pub mode: Option<Whole>,
    #[serde(default, deserialize_with = "list")]
    pub targets: Vec<MorphTarget>,
    #[serde(default, deserialize_with = "or_default")]
    pub extensions: PrimitiveExtensions,
}

/// What a morph target moves.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct MorphTarget {
    #[serde(deserialize_with = "attributes")]
    pub attributes: Attributes,
}

#[derive(Deserialize, Default)]
pub(super) struct PrimitiveExtensions {
    #[serde(rename = "KHR_draco_mesh_compression")]
    pub draco: Option<Compression>,
}

/// That something is compressed; how does not matter.
#[derive(Deserialize)]
pub(super) struct Compression {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Skin {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "list")]
    pub joints: Vec<Whole>,
    pub inverse_bind_matrices: Option<Whole>,
}

/// One of the two, as `type` says, which need not be read.
#[derive(Deserialize)]
pub(super) struct Camera {
    pub perspective: Option<Perspective>,
    pub orthographic: Option<Orthographic>,
}

#[derive(Deserialize)]
pub(super) struct Perspective {
    pub yfov: f32,
    pub znear: f32,
    pub zfar: Option<f32>,
}

#[derive(Deserialize)]
pub(super) struct Orthographic {
    pub ymag: f32,
    pub znear: f32,
    pub zfar: f32,
}

#[derive(Deserialize)]
pub(super) struct Animation {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "list")]
    pub channels: Vec<Channel>,
    #[serde(deserialize_with = "list")]
    pub samplers: Vec<Keyframes>,
}

#[derive(Deserialize)]
pub(super) struct Channel {
    pub sampler: Whole,
    pub target: ChannelTarget,
}

#[derive(Deserialize)]
pub(super) struct ChannelTarget {
    pub node: Option<Whole>,
    pub path: String,
}

#[derive(Deserialize)]
pub(super) struct Keyframes {
    pub input: Whole,
    pub output: Whole,
    pub interpolation: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Material {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub pbr_metallic_roughness: MetallicRoughness,
    pub normal_texture: Option<TextureInfo>,
    pub occlusion_texture: Option<TextureInfo>,
    pub emissive_texture: Option<TextureInfo>,
    pub emissive_factor: Option<[f32; 3]>,
    pub alpha_mode: Option<String>,
    pub alpha_cutoff: Option<f32>,
    #[serde(deserialize_with = "or_default")]
    pub double_sided: bool,
    #[serde(deserialize_with = "or_default")]
    pub extensions: MaterialExtensions,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MetallicRoughness {
    pub base_color_factor: Option<[f32; 4]>,
    pub base_color_texture: Option<TextureInfo>,
    pub metallic_factor: Option<f32>,
    pub roughness_factor: Option<f32>,
    pub metallic_roughness_texture: Option<TextureInfo>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct MaterialExtensions {
    #[serde(rename = "KHR_materials_unlit")]
    pub unlit: Option<Unlit>,
    #[serde(rename = "KHR_materials_emissive_strength")]
    pub emissive_strength: Option<EmissiveStrength>,
    #[serde(rename = "KHR_materials_pbrSpecularGlossiness")]
    pub glossiness: Option<Glossiness>,
}

#[derive(Deserialize)]
pub(super) struct Unlit {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Glossiness {
    pub diffuse_factor: Option<[f32; 4]>,
    pub diffuse_texture: Option<TextureInfo>,
    pub glossiness_factor: Option<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EmissiveStrength {
    pub emissive_strength: Option<f32>,
}

/// A texture of a material; `scale` is of normals and `strength` of occlusion.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextureInfo {
    pub index: Whole,
    pub tex_coord: Option<Whole>,
    pub scale: Option<f32>,
    pub strength: Option<f32>,
    #[serde(default, deserialize_with = "or_default")]
    pub extensions: TextureExtensions,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TextureExtensions {
    #[serde(rename = "KHR_texture_transform")]
    pub transform: Option<TextureTransform>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TextureTransform {
    #[serde(deserialize_with = "or_default")]
    pub offset: [f32; 2],
    #[serde(deserialize_with = "or_default")]
    pub rotation: f32,
    pub scale: Option<[f32; 2]>,
    pub tex_coord: Option<Whole>,
}

#[derive(Deserialize)]
pub(super) struct Texture {
    pub sampler: Option<Whole>,
    pub source: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sampler {
    pub mag_filter: Option<Whole>,
    pub min_filter: Option<Whole>,
    pub wrap_s: Option<Whole>,
    pub wrap_t: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    pub uri: Option<String>,
    pub buffer_view: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accessor {
    pub buffer_view: Option<Whole>,
    pub byte_offset: Option<Whole>,
    pub component_type: Whole,
    #[serde(default, deserialize_with = "or_default")]
    pub normalized: bool,
    pub count: Whole,
    #[serde(rename = "type")]
    pub shape: String,
    pub sparse: Option<Sparse>,
}

#[derive(Deserialize)]
pub(super) struct Sparse {
    pub count: Whole,
    pub indices: SparseIndices,
    pub values: SparseValues,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SparseIndices {
    pub buffer_view: Whole,
    pub byte_offset: Option<Whole>,
    pub component_type: Whole,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SparseValues {
    pub buffer_view: Whole,
    pub byte_offset: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub buffer: Whole,
    pub byte_offset: Option<Whole>,
    pub byte_length: Whole,
    pub byte_stride: Option<Whole>,
    #[serde(default, deserialize_with = "or_default")]
    pub extensions: ViewExtensions,
}

#[derive(Deserialize, Default)]
pub(super) struct ViewExtensions {
    #[serde(rename = "EXT_meshopt_compression", alias = "KHR_meshopt_compression")]
    pub meshopt: Option<Compression>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Buffer {
    pub byte_length: Whole,
    pub uri: Option<String>,
}
