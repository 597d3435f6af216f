//! Everything about a scene's shapes that never changes, as buffers that shaders read by place.

use glam::Vec3;

use super::uniform_data::UniformData;
use crate::draws::DrawOrder;
use crate::{Material, Primitive, Scene, Topology};

/// The place of what a primitive lacks.
const NONE: u32 = u32::MAX;

/// The contents of the buffers `words`, `indices` and `draws`, and where poses put their matrices and weights.
#[derive(Default)]
pub(super) struct Geometry {
    pub words: UniformData,
    pub indices: Vec<u32>,
    pub records: UniformData,
    /// For each mesh its primitives.
    pub shapes: Vec<Vec<PrimitiveRange>>,
    /// For each node the record of its mesh's first primitive.
    pub first_record: Vec<u32>,
    /// How many matrices a pose has: one a node, then one a joint of every node that has a skin.
    pub matrices: usize,
    /// How many weights a pose has: of every node in turn.
    pub weights: usize,
}

/// A primitive, whichever nodes draw it.
pub(super) struct PrimitiveRange {
    pub topology: Topology,
    pub index_count: u32,
    /// Into the list that ends with the default material.
    pub material: usize,
    pub double_sided: bool,
    pub has_normals: bool,
    places: AttributeOffsets,
}

struct AttributeOffsets {
    attributes: [u32; 4],
    uvs: [u32; 5],
    influences: u32,
    targets: u32,
    first_index: u32,
}

impl Geometry {
    pub fn new(scene: &Scene, order: &DrawOrder) -> Self {
        let mut geometry = Self::default();
        for (i, mesh) in scene.meshes.iter().enumerate() {
            let shapes = mesh.primitives.iter().map(|primitive| geometry.shape(scene, primitive, order.anchor(i))).collect();
            geometry.shapes.push(shapes);
        }
        let mut records = 0;
        let mut joints = scene.nodes.len();
        for (node, at) in scene.nodes.iter().enumerate() {
            geometry.first_record.push(records);
            let Some(mesh) = at.mesh else { continue };
            for (primitive, shape) in scene.meshes[mesh].primitives.iter().zip(&geometry.shapes[mesh]) {
                let places = &shape.places;
                let skin = at.skin.filter(|_| places.influences != NONE);
                geometry
                    .records
                    .uints(places.attributes)
                    .uints(places.uvs)
                    .uints([skin.map_or(NONE, |_| places.influences), primitive.influences.per_vertex as u32])
                    .uints([places.targets, primitive.targets.len() as u32])
                    .uints([skin.map_or(node, |_| joints) as u32, geometry.weights as u32, places.first_index]);
                records += 1;
            }
            joints += at.skin.map_or(0, |skin| scene.skins[skin].joints.len());
            geometry.weights += scene.meshes[mesh].weights.len();
        }
        geometry.matrices = joints;
        geometry
    }

    /// Stores a primitive's attributes, positions about an anchor.
    fn shape(&mut self, scene: &Scene, primitive: &Primitive, anchor: Vec3) -> PrimitiveRange {
        let plain = Material::default();
        let material = primitive.material.map_or(&plain, |material| &scene.materials[material]);
        let positions: Vec<[f32; 3]> = primitive.positions.iter().map(|&p| (Vec3::from(p) - anchor).into()).collect();
        let attributes = [
            self.store(positions.as_flattened()),
            self.store(primitive.normals.as_flattened()),
            self.store(primitive.tangents.as_flattened()),
            self.store(primitive.colors.as_flattened()),
        ];
        let sets: Vec<u32> = primitive.uvs.iter().map(|set| self.store(set.as_flattened())).collect();
        let uvs = material.textures().map(|used| used.and_then(|used| sets.get(used.uv).copied()).unwrap_or(NONE));
        let influences = self.store_influences(primitive);
        let mut targets = Vec::new();
        for target in &primitive.targets {
            targets.extend([&target.positions, &target.normals, &target.tangents].map(|list| self.store(list.as_flattened())));
        }
        let places = AttributeOffsets {
            attributes,
            uvs,
            influences,
            targets: self.words.len() as u32,
            first_index: self.indices.len() as u32,
        };
        self.words.uints(targets);
        self.indices.extend(&primitive.indices);
        PrimitiveRange {
            topology: primitive.topology,
            index_count: primitive.indices.len() as u32,
            material: primitive.material.unwrap_or(scene.materials.len()),
            double_sided: material.double_sided,
            has_normals: !primitive.normals.is_empty(),
            places,
        }
    }

    fn store(&mut self, values: &[f32]) -> u32 {
        if values.is_empty() {
            return NONE;
        }
        let place = self.words.len() as u32;
        self.words.floats(values);
        place
    }

    fn store_influences(&mut self, primitive: &Primitive) -> u32 {
        let influences = &primitive.influences;
        if influences.per_vertex == 0 {
            return NONE;
        }
        let place = self.words.len() as u32;
        self.words
            .uints(influences.joints.iter().zip(&influences.weights).flat_map(|(&joint, weight)| [joint.into(), weight.to_bits()]));
        place
    }
}

impl PrimitiveRange {
    /// Where its indices begin.
    pub fn indices(&self) -> std::ops::Range<u32> {
        self.places.first_index..self.places.first_index + self.index_count
    }
}
