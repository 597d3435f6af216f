//! What is read of a glTF file's JSON.

use std::collections::BTreeMap;
use std::path::Path;

use monotile::text::parser_report;
use monotile::{Error, Result};
use serde::Deserialize;

use super::{EXTENSION, IDENTITY, Matrix, times};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GltfRoot {
    pub asset: GltfAsset,
    #[serde(default)]
    pub extensions_used: Vec<String>,
    #[serde(default)]
    pub extensions_required: Vec<String>,
    pub scene: Option<usize>,
    #[serde(default)]
    pub scenes: Vec<GltfScene>,
    #[serde(default)]
    pub nodes: Vec<GltfNode>,
    #[serde(default)]
    pub meshes: Vec<GltfMesh>,
    #[serde(default)]
    pub accessors: Vec<GltfAccessor>,
    #[serde(default)]
    pub buffer_views: Vec<GltfView>,
    #[serde(default)]
    pub buffers: Vec<GltfBuffer>,
}

#[derive(Deserialize)]
pub(super) struct GltfAsset {
    pub version: String,
    pub generator: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct GltfScene {
    #[serde(default)]
    pub nodes: Vec<usize>,
}

#[derive(Deserialize)]
pub(super) struct GltfNode {
    pub mesh: Option<usize>,
    #[serde(default)]
    pub children: Vec<usize>,
    matrix: Option<Matrix>,
    translation: Option<[f64; 3]>,
    rotation: Option<[f64; 4]>,
    scale: Option<[f64; 3]>,
}

impl GltfNode {
    /// Its own map, without those of its parents.
    pub fn matrix(&self) -> Matrix {
        if let Some(matrix) = self.matrix {
            return matrix;
        }
        let mut moved = IDENTITY;
        moved[12..15].copy_from_slice(&self.translation.unwrap_or_default());
        let [x, y, z, w] = self.rotation.unwrap_or([0.0, 0.0, 0.0, 1.0]);
        let s = match x * x + y * y + z * z + w * w {
            0.0 => 0.0,
            length => 2.0 / length,
        };
        let [a, b, c] = self.scale.unwrap_or([1.0; 3]);
        let turned = [
            a * (1.0 - s * (y * y + z * z)),
            a * s * (x * y + z * w),
            a * s * (x * z - y * w),
            0.0,
            b * s * (x * y - z * w),
            b * (1.0 - s * (x * x + z * z)),
            b * s * (y * z + x * w),
            0.0,
            c * s * (x * z + y * w),
            c * s * (y * z - x * w),
            c * (1.0 - s * (x * x + y * y)),
            0.0,
            0.0,
            0.0,
            0.0,
            1.0,
        ];
        times(&moved, &turned)
    }
}

#[derive(Deserialize)]
pub(super) struct GltfMesh {
    #[serde(default)]
    pub primitives: Vec<GltfPrimitive>,
}

#[derive(Deserialize)]
pub(super) struct GltfPrimitive {
    #[serde(default)]
    pub attributes: BTreeMap<String, usize>,
    pub mode: Option<u32>,
    #[serde(default)]
    extensions: BTreeMap<String, serde_json::Value>,
}

/// What the extension says of a primitive.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GltfSplatting {
    pub kernel: Option<String>,
    pub color_space: Option<String>,
    /// What packs the splats.
    #[serde(default)]
    extensions: BTreeMap<String, serde_json::Value>,
}

impl GltfPrimitive {
    /// What the extension says of it, if it has splats.
    #[track_caller]
    pub fn splatting(&self, path: &Path) -> Result<Option<GltfSplatting>> {
        let Some(value) = self.extensions.get(EXTENSION) else { return Ok(None) };
        let about: GltfSplatting = serde_json::from_value(value.clone())
            .map_err(|e| Error::format(path, format!("has a {EXTENSION} that cannot be read: {}", parser_report(&e))))?;
        match about.extensions.keys().next() {
            Some(other) => {
                let other = monotile::text::printable(other);
                Err(Error::format(path, format!("has splats packed by {other}; those of {EXTENSION} alone are read")))
            }
            None => Ok(Some(about)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GltfAccessor {
    pub buffer_view: Option<usize>,
    #[serde(default)]
    pub byte_offset: usize,
    pub component_type: u32,
    #[serde(default)]
    pub normalized: bool,
    pub count: usize,
    #[serde(rename = "type")]
    pub kind: String,
    pub sparse: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GltfView {
    pub buffer: usize,
    #[serde(default)]
    pub byte_offset: usize,
    pub byte_length: usize,
    pub byte_stride: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GltfBuffer {
    pub uri: Option<String>,
    pub byte_length: usize,
}
