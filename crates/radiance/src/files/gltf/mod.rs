//! glTF with `KHR_gaussian_splatting`, `.glb` and `.gltf`: splats as the points of a primitive, whose attributes are columns.
//!
//! ```text
//! POSITION   KHR_gaussian_splatting:ROTATION   x y z w        KHR_gaussian_splatting:SCALE     standard deviations
//!            KHR_gaussian_splatting:OPACITY    0 … 1          KHR_gaussian_splatting:SH_DEGREE_l_COEF_k
//! ```
//!
//! Nodes move them as they move meshes, harmonics rotated. Several primitives become one scene; lower degrees are filled with zeros.
//!
//! # Source
//! Khronos Group (2026), glTF extension `KHR_gaussian_splatting`, as its release candidate has it.

mod buffer;
mod json;
mod write;

use std::path::Path;

use monotile::text::{parser_report, printable};
use monotile::{Error, Result, Tensor, limits};
use monotile_kernels::shape::count;
use monotile_kernels::splat::harmonics::degree;

use super::read::ReadSplats;
use super::{AxisFrame, SplatFileInfo, logit};
use crate::splats::Splats;
use buffer::Buffers;
use json::{GltfPrimitive, GltfRoot, GltfSplatting};
pub(super) use write::write;

/// The extension, and the prefix of its attributes.
const EXTENSION: &str = "KHR_gaussian_splatting";
/// Attributes of files that were written before there was the extension.
const OLD: [&str; 2] = ["_ROTATION", "_SCALE"];

/// A matrix of columns, as glTF has them.
type Matrix = [f64; 16];
const IDENTITY: Matrix = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];

/// The two parts of a `.glb`: its JSON and its first buffer.
#[track_caller]
fn parts<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>)> {
    let refuse = |words: String| Err(Error::format(path, words));
    if !bytes.starts_with(b"glTF") {
        return Ok((bytes, None));
    }
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    match (word(4), word(8)) {
        (Some(2), Some(length)) if length as usize <= bytes.len() => {}
        (Some(2), length) => {
            return refuse(format!(
                "says that it has {} bytes, and {} are there: it is cut off",
                length.unwrap_or_default(),
                bytes.len()
            ));
        }
        (version, _) => return refuse(format!("is .glb of version {}; version 2 is read", version.unwrap_or_default())),
    }
    let chunk = |at: usize, kind: &[u8]| {
        let length = word(at)? as usize;
        (bytes.get(at + 4..at + 8)? == kind).then(|| bytes.get(at + 8..)?.get(..length)).flatten()
    };
    let Some(json) = chunk(12, b"JSON") else {
        return refuse("is .glb without a whole chunk of JSON".to_owned());
    };
    // Chunks begin at multiples of four bytes.
    Ok((json, chunk(20 + json.len().next_multiple_of(4), b"BIN\0")))
}

#[track_caller]
pub(super) fn read(path: &Path, folder: Option<&Path>, bytes: &[u8]) -> Result<ReadSplats> {
    let (json, buffer) = parts(path, bytes)?;
    limits::GLTF.admit(path.display(), json.len() as u64)?;
    let root: GltfRoot = serde_json::from_slice(json)
        .map_err(|e| Error::format(path, format!("is no glTF that can be read: {}", parser_report(&e))))?;
    if !root.asset.version.starts_with("2.") {
        return Err(Error::format(path, format!("is glTF {}; glTF 2 is read", printable(&root.asset.version))));
    }
    let known = |name: &&String| name.as_str() != EXTENSION && name.as_str() != "KHR_mesh_quantization";
    if let Some(other) = root.extensions_required.iter().find(known) {
        return Err(Error::format(path, format!("requires the extension {}, which is not read for splats", printable(other))));
    }
    let buffers = Buffers::open(path, folder, &root, buffer)?;
    let mut scenes = Vec::new();
    let mut notes = Vec::new();
    for (mesh, map) in placed_meshes(path, &root)? {
        for primitive in &root.meshes[mesh].primitives {
            let Some(about) = primitive.splatting(path)? else { continue };
            check(path, &about, &mut notes)?;
            let splats = column_splats(path, primitive, &buffers)?;
            scenes.push(if map == IDENTITY {
                splats
            } else {
                splats.transformed(&tensor(&map)?).map_err(|e| e.with_context(path.display()))?
            });
            let held: usize = scenes
                .iter()
                .map(|s: &Splats| count(&[s.len(), 11 + s.harmonics.len().checked_div(s.len()).unwrap_or(3), 4]))
                .sum();
            limits::MODEL.admit(format_args!("{}: its splats in memory", path.display()), held as u64)?;
        }
    }
    if scenes.is_empty() {
        return Err(Error::format(path, without_splats(&root)));
    }
    let comments = root.asset.generator.into_iter().map(|name| format!("generator: {name}")).collect();
    let info = SplatFileInfo { format: "glTF", frame: AxisFrame::Rub, comments, notes, ..SplatFileInfo::default() };
    joined(&scenes, info)
}

/// What a file without splats is, in words.
fn without_splats(root: &GltfRoot) -> String {
    let attributes = root.meshes.iter().flat_map(|mesh| &mesh.primitives).flat_map(|primitive| primitive.attributes.keys());
    let is_old = attributes.clone().any(|name| OLD.contains(&name.as_str()));
    let compressed = root.extensions_used.iter().find(|name| name.starts_with(EXTENSION) && name.as_str() != EXTENSION);
    match compressed {
        Some(name) => format!("has splats packed by {}; those of {EXTENSION} alone are read", printable(name)),
        None if is_old => {
            format!(
                "has splats in the attributes {} of before {EXTENSION} was written down, which say too little of them",
                OLD.join(" and ")
            )
        }
        None => format!("is glTF without {EXTENSION}: no splats are in it"),
    }
}

fn check(path: &Path, about: &GltfSplatting, notes: &mut Vec<String>) -> Result<()> {
    let refuse = |words: String| Err(Error::format(path, words));
    match about.kernel.as_deref() {
        Some("ellipse") => {}
        Some(other) => {
            return refuse(format!("has splats of the kernel {:?}; those of \"ellipse\" are read", printable(other).to_string()));
        }
        None => return refuse(format!("has splats without a kernel, which {EXTENSION} asks for")),
    }
    match about.color_space.as_deref() {
        Some("srgb_rec709_display") => {}
        Some("lin_rec709_display") => {
            let note = "its colours are linear, and are read as if they were those of sRGB".to_owned();
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Some(other) => return refuse(format!("has colours in the space {:?}, which is not known", printable(other).to_string())),
        None => return refuse(format!("has splats without a colorSpace, which {EXTENSION} asks for")),
    }
    Ok(())
}

/// The splats of a primitive, before any node moves them.
#[track_caller]
fn column_splats(path: &Path, primitive: &GltfPrimitive, buffers: &Buffers<'_>) -> Result<Splats> {
    let refuse = |words: String| Err(Error::format(path, words));
    if primitive.mode != Some(0) {
        return refuse("has splats in a primitive that is not of points".to_owned());
    }
    let index = |name: &str| primitive.attributes.get(name).copied();
    let ours = |name: &str| format!("{EXTENSION}:{name}");
    let coefficient = |l: usize, k: usize| ours(&format!("SH_DEGREE_{l}_COEF_{k}"));
    let Some(n) = index("POSITION").map(|at| buffers.count(path, at)).transpose()? else {
        return refuse("has splats without POSITION".to_owned());
    };
    let column = |name: &str, wide: usize| match index(name) {
        Some(at) => buffers.column(path, (name, at), n, wide),
        None => Err(Error::format(path, format!("has splats without {name}"))),
    };
    let degrees = (0..).take_while(|&l| index(&coefficient(l, 0)).is_some()).count();
    let prefix = ours("SH_DEGREE_");
    let found = primitive.attributes.keys().filter(|name| name.starts_with(&prefix)).count();
    if degrees == 0 || found != degrees * degrees || degree(found).is_none() {
        return refuse(format!(
            "has {found} coefficients of harmonics; splats of degree 0, 1, 2 and 3 have 1, 4, 9 and 16, none of them left out"
        ));
    }
    let mut read = ReadSplats::new(n, found, SplatFileInfo::default())?;
    read.means.copy_from_slice(&column("POSITION", 3)?);
    read.rotations.copy_from_slice(&column(&ours("ROTATION"), 4)?);
    for (x, scale) in read.log_scales.iter_mut().zip(column(&ours("SCALE"), 3)?) {
        *x = f64::from(scale).ln() as f32;
    }
    for (x, opacity) in read.logits.iter_mut().zip(column(&ours("OPACITY"), 1)?) {
        *x = logit(f64::from(opacity));
    }
    for k in 0..found {
        let l = k.isqrt();
        let values = column(&coefficient(l, k - l * l), 3)?;
        for (h, value) in read.harmonics.chunks_exact_mut(3 * found).zip(values.chunks_exact(3)) {
            h[3 * k..3 * k + 3].copy_from_slice(value);
        }
    }
    Ok(Splats {
        means: Tensor::from_block(read.means, &[n, 3])?,
        rotations: Tensor::from_block(read.rotations, &[n, 4])?,
        log_scales: Tensor::from_block(read.log_scales, &[n, 3])?,
        logits: Tensor::from_block(read.logits, &[n])?,
        harmonics: Tensor::from_block(read.harmonics, &[n, found, 3])?,
    })
}

/// The meshes of the scene, and where their nodes put them.
#[track_caller]
fn placed_meshes(path: &Path, root: &GltfRoot) -> Result<Vec<(usize, Matrix)>> {
    let refuse = |words: String| Err(Error::format(path, words));
    limits::NODES.admit(path.display(), root.nodes.len() as u64)?;
    let mut visited = vec![false; root.nodes.len()];
    let roots = match root.scenes.get(root.scene.unwrap_or(0)) {
        Some(scene) => scene.nodes.clone(),
        None if root.scene.is_some() => return refuse("names a scene that is not in it".to_owned()),
        None => {
            let mut is_child = vec![false; root.nodes.len()];
            root.nodes.iter().flat_map(|node| &node.children).for_each(|&child| {
                is_child.get_mut(child).map(|x| *x = true).unwrap_or_default();
            });
            (0..root.nodes.len()).filter(|&i| !is_child[i]).collect()
        }
    };
    let mut waiting: Vec<(usize, Matrix)> = roots.into_iter().rev().map(|i| (i, IDENTITY)).collect();
    let mut found = Vec::new();
    while let Some((i, map)) = waiting.pop() {
        let Some(node) = root.nodes.get(i) else {
            return refuse(format!("has a node {i} in its scene and {} nodes", root.nodes.len()));
        };
        if std::mem::replace(&mut visited[i], true) {
            return refuse(format!("has a node {i} with two parents"));
        }
        let map = times(&map, &node.matrix());
        if let Some(mesh) = node.mesh {
            if mesh >= root.meshes.len() {
                return refuse(format!("has a node {i} of mesh {mesh}, and {} meshes", root.meshes.len()));
            }
            found.push((mesh, map));
        }
        waiting.extend(node.children.iter().rev().map(|&child| (child, map)));
    }
    Ok(found)
}

fn times(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| (0..4).map(|k| a[4 * k + i % 4] * b[i - i % 4 + k]).sum())
}

/// Rows of columns.
fn tensor(map: &Matrix) -> Result<Tensor> {
    Tensor::from_vec(map.to_vec(), &[4, 4])?.mt().contiguous()
}

/// One scene of several.
#[track_caller]
fn joined(scenes: &[Splats], info: SplatFileInfo) -> Result<ReadSplats> {
    let coefficients = scenes.iter().map(|s| s.harmonics.dim(1)).max().unwrap_or(1);
    let mut read = ReadSplats::new(scenes.iter().map(Splats::len).sum(), coefficients, info)?;
    let mut first = 0;
    for splats in scenes {
        let n = splats.len();
        let columns = [
            (&mut read.means, &splats.means, 3),
            (&mut read.rotations, &splats.rotations, 4),
            (&mut read.log_scales, &splats.log_scales, 3),
            (&mut read.logits, &splats.logits, 1),
        ];
        for (to, from, wide) in columns {
            to[wide * first..wide * (first + n)].copy_from_slice(&from.to_vec::<f32>()?);
        }
        let wide = 3 * splats.harmonics.dim(1);
        let rows = splats.harmonics.to_vec::<f32>()?;
        let targets = read.harmonics[3 * coefficients * first..].chunks_exact_mut(3 * coefficients);
        for (to, from) in targets.zip(rows.chunks_exact(wide)) {
            to[..wide].copy_from_slice(from);
            to[wide..].fill(0.0);
        }
        first += n;
    }
    Ok(read)
}
