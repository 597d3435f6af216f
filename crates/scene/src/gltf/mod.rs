//! Reading glTF 2.0: `.gltf` with the files beside it, and `.glb`.
//!
//! A file is untrusted. Every index, offset, length and count is checked against what it points into before it is used; what is made of a
//! file is bounded by its size ([`source::Source::spend`]); nothing recurses. A refusal is one sentence, from the outside in: the file, the
//! object, the fault. What is odd but can be drawn is drawn, and told in [`About::notes`].

mod accessor;
mod animation;
mod container;
mod image;
mod json;
mod material;
mod mesh;
mod node;
mod notes;
mod shape;
mod source;
mod surface;
mod uri;

use std::fmt::Display;
use std::path::Path;

use monotile::{Error, ErrorKind, Result};

use crate::Scene;
use notes::Notes;
use source::Source;

/// What a file tells of itself, beside its scene.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The version of glTF.
    pub version: String,
    /// The program that wrote it, or empty.
    pub generator: String,
    /// Whose it is, or empty.
    pub copyright: String,
    /// Names of the extensions in use.
    pub extensions: Vec<String>,
    /// Bytes of the file and of the buffers and images beside it.
    pub bytes: u64,
    /// What is unusual, a sentence each.
    pub notes: Vec<String>,
}

/// Extensions that files may require: those that are drawn, and lights, without which a scene is still one.
const KNOWN: [&str; 5] = [
    "KHR_lights_punctual",
    "KHR_materials_emissive_strength",
    "KHR_materials_unlit",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
];

impl Scene {
    /// Reads a glTF 2.0 file, `.gltf` or `.glb`.
    ///
    /// Buffers and images are read from the file's own folder and from nowhere else.
    ///
    /// # Errors
    /// A file that cannot be read, is malformed, or requires an extension that is not known; the sentence begins with the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::inspect(path)?.0)
    }

    /// Reads a file as [`Scene::open`] does, and tells what it says of itself and what is unusual in it.
    ///
    /// # Errors
    /// Those of [`Scene::open`].
    pub fn inspect(path: impl AsRef<Path>) -> Result<(Self, About)> {
        let path = path.as_ref();
        let failed = |source| Error::io("reading", path, &source);
        let about = std::fs::metadata(path).map_err(failed)?;
        if !about.is_file() {
            let what = if about.is_dir() { "is a folder" } else { "is no file" };
            return Err(Error::format(path, format!("{what}, and a model is a .gltf or .glb file")));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        read(&bytes, Some(folder)).map_err(|fault| fault.within(path.display()))
    }

    /// Reads the content of a file that refers to no other one.
    ///
    /// # Errors
    /// Those of [`Scene::open`], without a path, and references to other files.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(read(bytes, None)?.0)
    }
}

fn read(bytes: &[u8], folder: Option<&Path>) -> Result<(Scene, About)> {
    let (text, binary) = container::split(bytes)?;
    let root = parse(text)?;
    let mut notes = Notes::default();
    notes.extensions(&root, &KNOWN);
    let source = Source::new(&root, bytes.len() as u64, binary, folder)?;
    let mut scene = Scene::default();
    material::read(&source, &mut scene, &mut notes)?;
    mesh::read(&source, &mut scene, &mut notes)?;
    let places = node::read(&source, &mut scene, &mut notes)?;
    animation::read(&source, &places, &mut scene, &mut notes)?;
    scene.check().map_err(|e| fault(e.to_string()))?;
    notes.scene(&scene);
    let about = About {
        version: root.asset.version.clone(),
        generator: root.asset.generator.clone().unwrap_or_default(),
        copyright: root.asset.copyright.clone().unwrap_or_default(),
        extensions: root.extensions_used.clone(),
        bytes: source.bytes(),
        notes: notes.into_sentences(),
    };
    Ok((scene, about))
}

fn parse(text: &[u8]) -> Result<json::Root> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let malformed = |error: serde_json::Error| fault(format!("its JSON cannot be read: {error}"));
    // Version 1 has other types under the same names: say what it is, not where it differs.
    let json::Header { asset } = serde_json::from_slice(text).map_err(malformed)?;
    let wanted = asset.min_version.as_deref().unwrap_or(&asset.version);
    if !asset.version.starts_with("2.") || !(wanted == "2.0" || asset.min_version.is_none()) {
        return Err(Error::new(ErrorKind::Unsupported, format!("glTF {wanted}, and 2.0 is read")));
    }
    let root: json::Root = serde_json::from_slice(text).map_err(malformed)?;
    if let Some(name) = root.extensions_required.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        let known = KNOWN.join(", ");
        let name = uri::quoted(name);
        return Err(Error::new(ErrorKind::Unsupported, format!("it requires the extension {name}, and those known are {known}")));
    }
    Ok(root)
}

/// Malformed content.
fn fault(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Format, what)
}

/// The object of an index, or which list has none of that number.
fn pick<'a, T>(list: &'a [T], index: json::Whole, name: &str) -> Result<&'a T> {
    list.get(index.get()).ok_or_else(|| match list.len() {
        0 => fault(format!("{name} {} is not there: the file has none", index.0)),
        n => fault(format!("{name} {} is not there: the file has {n}, counted from 0", index.0)),
    })
}

/// How an object is called in sentences: its number and, if it has one, its name.
fn called(kind: &str, number: usize, name: &str) -> impl Display {
    match name.is_empty() {
        true => format!("{kind} {number}"),
        false => format!("{kind} {number} {}", uri::quoted(name)),
    }
}
