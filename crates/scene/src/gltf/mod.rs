//! Reading glTF 2.0: `.gltf` with the files beside it, and `.glb`.
//!
//! A file is untrusted. Every index, offset, length and count is checked against what it points into before it is used; what is made of a
//! file is bounded by its size ([`source::Source::spend`]) and by `monotile::limits`; nothing recurses. A refusal is one sentence, from the
//! outside in: the file, the object, the fault. What is odd but can be drawn is drawn, and told in [`GltfInfo::notes`].

mod accessor;
mod animation;
mod container;
mod extensions;
mod file_kind;
mod image;
mod instance;
mod json;
mod list;
mod material;
mod mesh;
mod node;
mod notes;
mod source;
mod surface;
mod topology;
mod uri;

use std::fmt::{self, Display};
use std::path::Path;

use monotile::io::{open_regular, read_regular};
use monotile::text::parser_report;
use monotile::{Error, ErrorKind, Result, limits};

use crate::Scene;
pub use image::in_decoder;
use notes::Notes;
use source::Source;

/// What a file tells of itself, beside its scene.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GltfInfo {
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
    /// A number made of all those bytes, which changes with any of them.
    pub digest: u64,
    /// What is unusual.
    pub notes: Vec<ImportNote>,
}

/// A sentence about what is unusual in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportNote {
    /// In lower case, without a period; several of a kind are one sentence that counts them.
    pub sentence: String,
    /// Whether pictures lack something that the file has, or show something else in its place.
    pub is_lossy: bool,
}

impl Display for ImportNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// How a file is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Which of the file's scenes, by its name or its number from 0; else the one that the file names, or its first.
    pub scene: Option<String>,
}

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
    pub fn inspect(path: impl AsRef<Path>) -> Result<(Self, GltfInfo)> {
        Self::read(path, &ReadOptions::default())
    }

    /// Reads a file as [`Scene::inspect`] does, with options.
    ///
    /// # Errors
    /// Those of [`Scene::open`], and a scene that the file does not have.
    pub fn read(path: impl AsRef<Path>, options: &ReadOptions) -> Result<(Self, GltfInfo)> {
        let path = path.as_ref();
        let about = std::fs::metadata(path).map_err(|source| Error::io("reading", path, &source))?;
        if about.is_dir() {
            return Err(Error::format(path, "is a folder, and a model is a .gltf or .glb file"));
        }
        open_regular(path)?;
        let bytes = read_regular(path, &limits::MODEL)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        read(&bytes, Some(folder), options).map_err(|fault| fault.with_context(path.display()))
    }

    /// Reads the content of a file that refers to no other one.
    ///
    /// # Errors
    /// Those of [`Scene::open`], without a path, and references to other files.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self::inspect_bytes(bytes)?.0)
    }

    /// Reads content as [`Scene::from_bytes`] does, and tells what it says of itself and what is unusual in it.
    ///
    /// # Errors
    /// Those of [`Scene::from_bytes`].
    pub fn inspect_bytes(bytes: &[u8]) -> Result<(Self, GltfInfo)> {
        read(bytes, None, &ReadOptions::default())
    }
}

fn read(bytes: &[u8], folder: Option<&Path>, options: &ReadOptions) -> Result<(Scene, GltfInfo)> {
    if bytes.is_empty() {
        return Err(fault("the file is empty"));
    }
    if let Some(other) = file_kind::other(bytes) {
        return Err(other);
    }
    let (text, binary) = container::split(bytes)?;
    let root = parse(text)?;
    extensions::check(&root)?;
    let mut notes = Notes::default();
    extensions::note_unsupported(&root, &mut notes);
    let source = Source::new(&root, bytes, binary, folder)?;
    let mut scene = Scene::default();
    material::read(&source, &mut scene, &mut notes)?;
    mesh::read(&source, &mut scene, &mut notes)?;
    let places = node::read(&source, &mut scene, &mut notes, options.scene.as_deref())?;
    animation::read(&source, &places, &mut scene, &mut notes)?;
    scene.check().map_err(|e| fault(e.to_string()))?;
    scene.admit()?;
    notes.scene(&scene);
    let about = GltfInfo {
        version: root.asset.version.clone(),
        generator: root.asset.generator.clone().unwrap_or_default(),
        copyright: root.asset.copyright.clone().unwrap_or_default(),
        extensions: root.extensions_used.clone(),
        bytes: source.bytes(),
        digest: source.digest(),
        notes: notes.into_list(),
    };
    Ok((scene, about))
}

fn parse(text: &[u8]) -> Result<json::Root> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    limits::GLTF.admit("its JSON", text.len() as u64)?;
    let malformed = |error: serde_json::Error| fault(format!("its JSON cannot be read: {}", parser_report(&error)));
    // Version 1 has other types under the same names: say what it is, not where it differs.
    let json::Header { asset } = serde_json::from_slice(text).map_err(malformed)?;
    let wanted = asset.min_version.as_deref().unwrap_or(&asset.version);
    if !asset.version.starts_with("2.") || !(wanted == "2.0" || asset.min_version.is_none()) {
        return Err(file_kind::version(wanted));
    }
    list::counted(|| serde_json::from_slice(text))?.map_err(malformed)
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
