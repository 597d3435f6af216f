//! What is unusual in a file, though it can be drawn: collected while it is read, told as sentences.

use std::collections::BTreeMap;

use super::ImportNote;
use crate::{NodeTransform, Scene, Topology};

/// Oddities, counted by what they are.
#[derive(Default)]
pub struct Notes {
    counts: BTreeMap<ImportIssue, (u64, String)>,
    sentences: Vec<ImportNote>,
}

/// What may be odd, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportIssue {
    NoPositions,
    LeftOver,
    Degenerate,
    FlatNormals,
    ZeroNormal,
    NormalLength,
    Tangents,
    ZeroTangent,
    WeightSum,
    NegativeWeight,
    NoWeight,
    QuaternionLength,
    NegativeScale,
    EqualTimes,
    StrayChannel,
    EmptyTexture,
    BrokenImage,
    NoCoordinates,
    BadNormal,
    BadTangent,
    BadCoordinates,
    BadColor,
    BadWeight,
    BadDifference,
    LooseMatrix,
    BadInstances,
}

impl ImportIssue {
    /// The sentence about so many of them, of which the first is `place`.
    fn sentence(self, count: u64, place: &str) -> String {
        let (one, many) = match self {
            Self::NoPositions => ("primitive has no positions and is left out", "primitives have no positions and are left out"),
            Self::LeftOver => {
                ("vertex is left over after the last whole shape", "vertices are left over after the last whole shape")
            }
            Self::Degenerate => ("triangle has no area", "triangles have no area"),
            Self::FlatNormals => ("primitive has no normals: flat ones are made", "primitives have no normals: flat ones are made"),
            Self::ZeroNormal => (
                "normal is zero: it is made from the triangles around it",
                "normals are zero: they are made from the triangles around them",
            ),
            Self::NormalLength => ("normal is not a unit vector and is made one", "normals are not unit vectors and are made so"),
            Self::Tangents => (
                "primitive with a normal map has no tangents: they are made from its texture coordinates",
                "primitives with a normal map have no tangents: they are made from their texture coordinates",
            ),
            Self::ZeroTangent => (
                "vertex has no direction of its texture: its tangent is chosen",
                "vertices have no direction of their texture: their tangents are chosen",
            ),
            Self::WeightSum => (
                "vertex has joint weights that do not sum to 1: they are divided by their sum",
                "vertices have joint weights that do not sum to 1: they are divided by their sum",
            ),
            Self::NegativeWeight => ("joint weight is negative and counts as 0", "joint weights are negative and count as 0"),
            Self::NoWeight => (
                "vertex has no joint weight and follows the first joint",
                "vertices have no joint weight and follow the first joint",
            ),
            Self::QuaternionLength => {
                ("rotation is not a unit quaternion and is made one", "rotations are not unit quaternions and are made so")
            }
            Self::NegativeScale => ("node has a negative scale, which mirrors", "nodes have a negative scale, which mirrors"),
            Self::EqualTimes => ("key has the time of the one before it", "keys have the time of the one before them"),
            Self::StrayChannel => {
                ("channel moves nothing that is known and is left out", "channels move nothing that is known and are left out")
            }
            Self::EmptyTexture => ("texture has no image and is left out", "textures have no image and are left out"),
            Self::BrokenImage => {
                ("image cannot be read and its textures are left out", "images cannot be read and their textures are left out")
            }
            Self::NoCoordinates => (
                "primitive lacks the set of coordinates that a texture of it is read by, and shows one texel of it",
                "primitives lack the set of coordinates that a texture of them is read by, and show one texel of it",
            ),
            Self::BadNormal => (
                "normal is no number: it is made from the triangles around it",
                "normals are no numbers: they are made from the triangles around them",
            ),
            Self::BadTangent => (
                "primitive has tangents that are no numbers: all are made",
                "primitives have tangents that are no numbers: all are made",
            ),
            Self::BadCoordinates => {
                ("coordinate of a texture is no number and counts as 0", "coordinates of textures are no numbers and count as 0")
            }
            Self::BadColor => ("colour is no number and counts as white", "colours are no numbers and count as white"),
            Self::BadWeight => ("joint weight is no number and counts as 0", "joint weights are no numbers and count as 0"),
            Self::BadDifference => (
                "normal or tangent of a morph target is no number and counts as 0",
                "normals or tangents of morph targets are no numbers and count as 0",
            ),
            Self::LooseMatrix => (
                "matrix has a last row that is 0 0 0 1 only nearly, and counts as that",
                "matrices have a last row that is 0 0 0 1 only nearly, and count as that",
            ),
            Self::BadInstances => (
                "node with instances has a skin or none of the attributes that are known, and is drawn once",
                "nodes with instances have a skin or none of the attributes that are known, and are drawn once",
            ),
        };
        match count {
            1 => format!("1 {one} ({place})"),
            _ => format!("{count} {many} (the first in {place})"),
        }
    }

    /// Whether the picture then lacks something that the file has, or shows something else in its place.
    fn is_lossy(self) -> bool {
        match self {
            Self::NoPositions | Self::LeftOver | Self::StrayChannel | Self::EmptyTexture | Self::BrokenImage => true,
            Self::NoCoordinates | Self::BadNormal | Self::BadTangent | Self::BadCoordinates | Self::BadColor => true,
            Self::NegativeWeight | Self::BadWeight | Self::BadDifference | Self::BadInstances => true,
            Self::Degenerate | Self::FlatNormals | Self::ZeroNormal | Self::NormalLength | Self::Tangents => false,
            Self::ZeroTangent | Self::WeightSum | Self::NoWeight | Self::QuaternionLength | Self::NegativeScale => false,
            Self::EqualTimes | Self::LooseMatrix => false,
        }
    }
}

impl Notes {
    /// Counts what is odd at a place.
    pub fn count(&mut self, what: ImportIssue, count: usize, place: impl FnOnce() -> String) {
        if count > 0 {
            self.counts.entry(what).or_insert_with(|| (0, place())).0 += count as u64;
        }
    }

    /// A sentence of its own.
    pub fn add(&mut self, sentence: impl Into<String>) {
        self.sentences.push(ImportNote { sentence: sentence.into(), is_lossy: false });
    }

    /// A sentence of its own about what the picture lacks.
    pub fn add_lossy(&mut self, sentence: impl Into<String>) {
        self.sentences.push(ImportNote { sentence: sentence.into(), is_lossy: true });
    }

    /// Images that no texture shows, which are not even decoded.
    pub fn add_unread(&mut self, count: usize) {
        match count {
            0 => {}
            1 => self.add("1 image is not used"),
            n => self.add(format!("{n} images are not used")),
        }
    }

    /// What a whole scene shows: things that nobody uses, mirrors.
    pub fn scene(&mut self, scene: &Scene) {
        let used = |len: usize, indices: &mut dyn Iterator<Item = usize>| {
            let mut seen = vec![false; len];
            indices.for_each(|i| seen[i] = true);
            seen.iter().filter(|&&seen| !seen).count()
        };
        let primitives = || scene.meshes.iter().flat_map(|mesh| &mesh.primitives);
        let textures = || scene.materials.iter().flat_map(|m| m.textures().into_iter().flatten());
        for (what, unused) in [
            ("mesh", used(scene.meshes.len(), &mut scene.nodes.iter().filter_map(|n| n.mesh))),
            ("skin", used(scene.skins.len(), &mut scene.nodes.iter().filter_map(|n| n.skin))),
            ("material", used(scene.materials.len(), &mut primitives().filter_map(|p| p.material))),
            ("texture", used(scene.textures.len(), &mut textures().map(|t| t.texture))),
        ] {
            match (unused, what) {
                (0, _) => {}
                (1, _) => self.add(format!("1 {what} is not used")),
                (n, "mesh") => self.add(format!("{n} meshes are not used")),
                (n, _) => self.add(format!("{n} {what}s are not used")),
            }
        }
        for (i, node) in scene.nodes.iter().enumerate() {
            if let NodeTransform::Trs(trs) = node.local
                && trs.scale.iter().product::<f32>() < 0.0
            {
                self.count(ImportIssue::NegativeScale, 1, || super::called("node", i, &node.name).to_string());
            }
        }
        for (i, mesh) in scene.meshes.iter().enumerate() {
            for primitive in mesh.primitives.iter().filter(|p| p.topology == Topology::Triangles) {
                let flat = primitive.indices.chunks_exact(3).filter(|t| primitive.area([t[0], t[1], t[2]]) == 0.0).count();
                self.count(ImportIssue::Degenerate, flat, || super::called("mesh", i, &mesh.name).to_string());
            }
        }
    }

    /// All of them, sentences of their own first.
    pub fn into_list(self) -> Vec<ImportNote> {
        let Self { counts, mut sentences } = self;
        let told = |(what, (count, place)): (&ImportIssue, &(u64, String))| ImportNote {
            sentence: what.sentence(*count, place),
            is_lossy: what.is_lossy(),
        };
        sentences.extend(counts.iter().map(told));
        sentences
    }
}
