//! Whether a scene is what its types promise.

use monotile::{Error, Result, limits};

use crate::{
    Channel, Image, Interpolation, KeyframeValues, Material, Mesh, Node, NodeTransform, Primitive, Scene, Skin, TextureRef,
    Topology,
};

impl Scene {
    /// Refuses a scene of which a picture would draw more corners than the limit.
    ///
    /// # Errors
    /// Of kind [`monotile::ErrorKind::Limit`].
    pub fn admit(&self) -> Result<()> {
        let corners = |mesh: &Mesh| mesh.primitives.iter().map(|p| p.indices.len().max(p.positions.len()) as u64).sum::<u64>();
        let meshes: Vec<u64> = self.meshes.iter().map(corners).collect();
        let drawn = self.nodes.iter().filter_map(|node| node.mesh).fold(0, |sum: u64, mesh| sum.saturating_add(meshes[mesh]));
        limits::CORNERS.admit("the scene", drawn)
    }

    /// Checks what all that draw a scene rely on: indices, lengths, finite numbers, unit rotations, parents before children.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<()> {
        let within = |kind: &'static str, i: usize| move |e: Error| e.with_context(format!("{kind} {i}"));
        for (i, image) in self.images.iter().enumerate() {
            image.check().map_err(within("image", i))?;
        }
        for (i, texture) in self.textures.iter().enumerate() {
            index("image", texture.image, self.images.len()).map_err(within("texture", i))?;
        }
        for (i, material) in self.materials.iter().enumerate() {
            material.check(self.textures.len()).map_err(within("material", i))?;
        }
        for (i, mesh) in self.meshes.iter().enumerate() {
            mesh.check(self.materials.len()).map_err(within("mesh", i))?;
        }
        for (i, skin) in self.skins.iter().enumerate() {
            skin.check(self.nodes.len()).map_err(within("skin", i))?;
        }
        let followed: Vec<Option<u16>> = self.meshes.iter().map(Mesh::last_joint).collect();
        for (i, node) in self.nodes.iter().enumerate() {
            node.check(i, self, &followed).map_err(within("node", i))?;
        }
        for (i, clip) in self.animations.iter().enumerate() {
            finite("duration", &[clip.duration]).map_err(within("clip", i))?;
            for (number, channel) in clip.channels.iter().enumerate() {
                channel.check(self).map_err(within("channel", number)).map_err(within("clip", i))?;
            }
        }
        Ok(())
    }
}

/// An index that is in its list.
fn index(name: &str, i: usize, length: usize) -> Result<()> {
    if i < length { Ok(()) } else { Err(Error::value(format!("{name} {i} of {length}"))) }
}

/// A list with as many as there have to be.
fn length(name: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(Error::value(format!("{found} {name}, where {wanted} are needed"))) }
}

/// A list with as many as there have to be, or none.
fn absent_or(name: &str, found: usize, wanted: usize) -> Result<()> {
    if found == 0 { Ok(()) } else { length(name, found, wanted) }
}

fn finite(name: &str, numbers: &[f32]) -> Result<()> {
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(i) => Err(Error::value(format!("number {i} of the {name} is {}", numbers[i]))),
        None => Ok(()),
    }
}

/// A matrix, by columns, that keeps parallels parallel.
fn affine(name: &str, columns: &[[f32; 4]; 4]) -> Result<()> {
    let row = columns.map(|column| column[3]);
    match row == [0.0, 0.0, 0.0, 1.0] {
        true => Ok(()),
        false => Err(Error::value(format!("the {name} is projective: its last row is {row:?}, not 0, 0, 0, 1"))),
    }
}

impl Image {
    fn check(&self) -> Result<()> {
        let bytes = (self.width as usize).saturating_mul(self.height as usize).saturating_mul(4);
        if bytes == 0 {
            return Err(Error::value(format!("{} x {} texels", self.width, self.height)));
        }
        length("bytes", self.rgba.len(), bytes)
    }
}

impl Material {
    /// Its textures: base colour, metalness and roughness, normals, occlusion, emission.
    pub(crate) fn textures(&self) -> [Option<TextureRef>; 5] {
        [
            self.base_color_texture,
            self.metallic_roughness_texture,
            self.normal_texture,
            self.occlusion_texture,
            self.emissive_texture,
        ]
    }

    fn check(&self, textures: usize) -> Result<()> {
        for used in self.textures().iter().flatten() {
            index("texture", used.texture, textures)?;
            finite("transform of coordinates", used.transform.as_flattened())?;
        }
        finite("base colour", &self.base_color)?;
        finite("emission", &self.emissive)?;
        finite("factors", &[self.metallic, self.roughness, self.normal_scale, self.occlusion_strength])?;
        if let crate::AlphaMode::Mask(cutoff) = self.alpha { finite("cutoff", &[cutoff]) } else { Ok(()) }
    }
}

impl Mesh {
    fn check(&self, materials: usize) -> Result<()> {
        finite("weights", &self.weights)?;
        for (i, primitive) in self.primitives.iter().enumerate() {
            let within = |e: Error| e.with_context(format!("primitive {i}"));
            length("morph targets", primitive.targets.len(), self.weights.len()).map_err(within)?;
            primitive.check(materials).map_err(within)?;
        }
        Ok(())
    }

    /// The largest joint that a vertex follows.
    fn last_joint(&self) -> Option<u16> {
        self.primitives.iter().flat_map(|p| &p.influences.joints).max().copied()
    }
}

impl Primitive {
    fn check(&self, materials: usize) -> Result<()> {
        let vertices = self.positions.len();
        let corners = match self.topology {
            Topology::Triangles => 3,
            Topology::Lines => 2,
            Topology::Points => 1,
        };
        if !self.indices.len().is_multiple_of(corners) {
            return Err(Error::value(format!("{} indices, where {corners} make a shape", self.indices.len())));
        }
        if let Some(&i) = self.indices.iter().find(|&&i| i as usize >= vertices) {
            return index("vertex", i as usize, vertices);
        }
        match self.topology {
            Topology::Triangles => length("normals", self.normals.len(), vertices)?,
            _ => absent_or("normals", self.normals.len(), vertices)?,
        }
        absent_or("tangents", self.tangents.len(), vertices)?;
        absent_or("colours", self.colors.len(), vertices)?;
        finite("positions", self.positions.as_flattened())?;
        finite("normals", self.normals.as_flattened())?;
        finite("tangents", self.tangents.as_flattened())?;
        finite("colours", self.colors.as_flattened())?;
        for uvs in &self.uvs {
            absent_or("texture coordinates", uvs.len(), vertices)?;
            finite("texture coordinates", uvs.as_flattened())?;
        }
        for target in &self.targets {
            for (name, list) in [("positions", &target.positions), ("normals", &target.normals), ("tangents", &target.tangents)] {
                absent_or(name, list.len(), vertices)
                    .and_then(|()| finite(name, list.as_flattened()))
                    .map_err(|e| e.with_context("target"))?;
            }
        }
        let followed = &self.influences;
        if !followed.per_vertex.is_multiple_of(4) {
            return Err(Error::value(format!("{} joints a vertex, which is no multiple of four", followed.per_vertex)));
        }
        length("joints", followed.joints.len(), followed.per_vertex * vertices)?;
        length("joint weights", followed.weights.len(), followed.per_vertex * vertices)?;
        finite("joint weights", &followed.weights)?;
        self.material.map_or(Ok(()), |material| index("material", material, materials))
    }
}

impl Skin {
    fn check(&self, nodes: usize) -> Result<()> {
        if self.joints.is_empty() {
            return Err(Error::value("no joints"));
        }
        self.joints.iter().try_for_each(|&joint| index("node", joint, nodes))?;
        length("inverse bind matrices", self.inverse_bind.len(), self.joints.len())?;
        finite("inverse bind matrices", self.inverse_bind.as_flattened().as_flattened())?;
        self.inverse_bind.iter().try_for_each(|columns| affine("inverse bind matrix", columns))
    }
}

impl Node {
    fn check(&self, own: usize, scene: &Scene, followed: &[Option<u16>]) -> Result<()> {
        if let Some(parent) = self.parent.filter(|&parent| parent >= own) {
            return Err(Error::value(format!("its parent {parent} does not stand before it")));
        }
        match &self.local {
            NodeTransform::Matrix(columns) => {
                finite("matrix", columns.as_flattened())?;
                affine("matrix", columns)?;
            }
            NodeTransform::Trs(trs) => {
                finite("translation", &trs.translation)?;
                finite("scale", &trs.scale)?;
                let length = trs.rotation.iter().map(|x| x * x).sum::<f32>().sqrt();
                if !((length - 1.0).abs() < 1e-3) {
                    return Err(Error::value(format!("the rotation {:?} is no unit quaternion", trs.rotation)));
                }
            }
        }
        self.lens.map_or(Ok(()), |lens| index("lens", lens, scene.lenses.len()))?;
        self.skin.map_or(Ok(()), |skin| index("skin", skin, scene.skins.len()))?;
        let Some(mesh) = self.mesh else { return length("weights", self.weights.len(), 0) };
        index("mesh", mesh, scene.meshes.len())?;
        absent_or("weights", self.weights.len(), scene.meshes[mesh].weights.len())?;
        finite("weights", &self.weights)?;
        match (self.skin, followed[mesh]) {
            (Some(skin), Some(joint)) => {
                index("joint", joint.into(), scene.skins[skin].joints.len()).map_err(|e| e.with_context("its mesh"))
            }
            _ => Ok(()),
        }
    }
}

impl Channel {
    fn check(&self, scene: &Scene) -> Result<()> {
        index("node", self.node, scene.nodes.len())?;
        if self.times.is_empty() {
            return Err(Error::value("no keys"));
        }
        finite("times", &self.times)?;
        if let Some(i) = self.times.windows(2).position(|t| t[0] > t[1]) {
            return Err(Error::value(format!("its times fall from {} to {}", self.times[i], self.times[i + 1])));
        }
        let node = &scene.nodes[self.node];
        let width = match &self.keys {
            KeyframeValues::Weights(width, _) => {
                length("weights a key", *width, node.mesh.map_or(0, |mesh| scene.meshes[mesh].weights.len()))?;
                *width
            }
            _ if matches!(node.local, NodeTransform::Matrix(_)) => {
                return Err(Error::value("its node has a matrix, which cannot be animated"));
            }
            KeyframeValues::Rotation(_) => 4,
            _ => 3,
        };
        let values = if self.interpolation == Interpolation::Cubic { 3 } else { 1 };
        let numbers = self.keys.numbers();
        length("numbers in its keys", numbers.len(), self.times.len() * values * width)?;
        finite("keys", numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Animation, MorphTarget, NodeTrs, SkinWeights, Texture};

    /// A triangle that is wrong in one way.
    fn words(spoil: impl FnOnce(&mut Scene)) -> String {
        let image = Image { name: String::new(), width: 1, height: 1, rgba: vec![0; 4] };
        let influences = SkinWeights { per_vertex: 4, joints: vec![0; 12], weights: [1.0, 0.0, 0.0, 0.0].repeat(3) };
        let primitive = Primitive {
            indices: vec![0, 1, 2],
            positions: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            normals: vec![[0.0, 0.0, 1.0]; 3],
            targets: vec![MorphTarget::default()],
            influences,
            material: Some(0),
            ..Primitive::default()
        };
        let keys = KeyframeValues::Translation(vec![[0.0; 3]; 2]);
        let channel = Channel { node: 0, times: vec![0.0, 1.0], keys, interpolation: Interpolation::Linear };
        let mut scene = Scene {
            nodes: vec![Node { mesh: Some(0), skin: Some(0), ..Node::default() }, Node { parent: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![primitive], weights: vec![0.0], ..Mesh::default() }],
            materials: vec![Material::default()],
            textures: vec![Texture { image: 0, sampler: Default::default() }],
            images: vec![image],
            skins: vec![Skin {
                joints: vec![1],
                inverse_bind: vec![[[0.0, 0.0, 0.0, 0.0], [0.0; 4], [0.0; 4], [0.0, 0.0, 0.0, 1.0]]],
                ..Skin::default()
            }],
            animations: vec![Animation { duration: 1.0, channels: vec![channel], ..Animation::default() }],
            ..Scene::default()
        };
        scene.check().unwrap();
        spoil(&mut scene);
        scene.check().unwrap_err().to_string()
    }

    fn part(spoil: impl FnOnce(&mut Primitive)) -> String {
        words(|s| spoil(&mut s.meshes[0].primitives[0]))
    }

    fn channel(spoil: impl FnOnce(&mut Channel)) -> String {
        words(|s| spoil(&mut s.animations[0].channels[0]))
    }

    #[test]
    fn what_does_not_hold_is_told() {
        assert_eq!(words(|s| s.nodes[1].parent = Some(1)), "node 1: its parent 1 does not stand before it");
        assert_eq!(words(|s| s.nodes[0].mesh = Some(1)), "node 0: mesh 1 of 1");
        assert_eq!(words(|s| s.nodes[0].lens = Some(0)), "node 0: lens 0 of 0");
        assert_eq!(words(|s| s.nodes[1].weights = vec![0.0]), "node 1: 1 weights, where 0 are needed");
        let trs = |rotation, x: f32| NodeTransform::Trs(NodeTrs { rotation, translation: [x, 0.0, 0.0], ..NodeTrs::default() });
        assert_eq!(
            words(|s| s.nodes[0].local = trs([0.0; 4], 0.0)),
            "node 0: the rotation [0.0, 0.0, 0.0, 0.0] is no unit quaternion"
        );
        assert_eq!(words(|s| s.nodes[0].local = trs([1.0, 0.0, 0.0, 0.0], f32::NAN)), "node 0: number 0 of the translation is NaN");
        assert_eq!(words(|s| s.images[0].width = 2), "image 0: 4 bytes, where 8 are needed");
        assert_eq!(words(|s| s.images[0].height = 0), "image 0: 1 x 0 texels");
        assert_eq!(words(|s| s.textures[0].image = 3), "texture 0: image 3 of 1");
        assert_eq!(words(|s| s.materials[0].emissive[1] = f32::INFINITY), "material 0: number 1 of the emission is inf");
        assert_eq!(words(|s| s.skins[0].joints[0] = 2), "skin 0: node 2 of 2");
        let projective = words(|s| s.nodes[0].local = NodeTransform::Matrix([[1.0; 4]; 4]));
        assert_eq!(projective, "node 0: the matrix is projective: its last row is [1.0, 1.0, 1.0, 1.0], not 0, 0, 0, 1");
        assert_eq!(words(|s| s.skins[0].inverse_bind.clear()), "skin 0: 0 inverse bind matrices, where 1 are needed");
        assert_eq!(words(|s| s.meshes[0].weights.clear()), "mesh 0: primitive 0: 1 morph targets, where 0 are needed");
        assert_eq!(part(|p| p.indices[2] = 3), "mesh 0: primitive 0: vertex 3 of 3");
        assert_eq!(part(|p| p.indices.truncate(2)), "mesh 0: primitive 0: 2 indices, where 3 make a shape");
        assert_eq!(part(|p| p.normals.clear()), "mesh 0: primitive 0: 0 normals, where 3 are needed");
        assert_eq!(part(|p| p.uvs.push(vec![[0.0; 2]])), "mesh 0: primitive 0: 1 texture coordinates, where 3 are needed");
        assert_eq!(part(|p| p.targets[0].normals = vec![[0.0; 3]]), "mesh 0: primitive 0: target: 1 normals, where 3 are needed");
        assert_eq!(part(|p| p.positions[1][2] = f32::NAN), "mesh 0: primitive 0: number 5 of the positions is NaN");
        assert_eq!(part(|p| p.influences.joints[4] = 1), "node 0: its mesh: joint 1 of 1");
        assert_eq!(part(|p| p.influences.per_vertex = 3), "mesh 0: primitive 0: 3 joints a vertex, which is no multiple of four");
        assert_eq!(part(|p| p.material = Some(7)), "mesh 0: primitive 0: material 7 of 1");
        assert_eq!(channel(|c| c.times = vec![1.0, 0.5]), "clip 0: channel 0: its times fall from 1 to 0.5");
        assert_eq!(channel(|c| c.times.clear()), "clip 0: channel 0: no keys");
        assert_eq!(channel(|c| c.node = 2), "clip 0: channel 0: node 2 of 2");
        let cubic = channel(|c| c.interpolation = Interpolation::Cubic);
        assert_eq!(cubic, "clip 0: channel 0: 6 numbers in its keys, where 18 are needed");
        let weights = channel(|c| c.keys = KeyframeValues::Weights(2, vec![0.0; 4]));
        assert_eq!(weights, "clip 0: channel 0: 2 weights a key, where 1 are needed");
        let flat = [[0.0; 4], [0.0; 4], [0.0; 4], [0.0, 0.0, 0.0, 1.0]];
        let matrix = words(|s| s.nodes[0].local = NodeTransform::Matrix(flat));
        assert_eq!(matrix, "clip 0: channel 0: its node has a matrix, which cannot be animated");
    }
}
