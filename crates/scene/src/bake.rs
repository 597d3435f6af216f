//! A scene that has stopped moving.

use glam::DMat4;

use crate::draws::{AlphaPart, DrawOrder};
use crate::placement::Placement;
use crate::rendering::RenderSpace;
use crate::{Mesh, Node, Pose, Primitive, Scene, SkinWeights, Topology};

impl Scene {
    /// The scene as it stands in a pose: vertices where the pose puts them in the world, materials and textures as they are, and nothing that could
    /// move. It looks the same from everywhere.
    ///
    /// # Cost
    /// A copy of what is drawn.
    ///
    /// # Example
    /// ```
    /// use monotile_scene::{Pose, Scene};
    /// let scene = Scene::figure();
    /// let mut pose = Pose::rest(&scene);
    /// scene.animations[1].sample(0.4, &mut pose);
    /// let baked = scene.baked(&pose);
    /// assert!(baked.skins.is_empty() && baked.animations.is_empty());
    /// assert_eq!(baked.meshes[0].primitives[0].positions.len(), scene.meshes[0].primitives[0].positions.len());
    /// # baked.check()?;
    /// # Ok::<(), monotile_scene::Error>(())
    /// ```
    #[must_use]
    pub fn baked(&self, pose: &Pose) -> Self {
        let draws = DrawOrder::new(self).draws(self, pose, (&RenderSpace::WORLD, &DMat4::IDENTITY));
        let mut still = Self {
            materials: self.materials.clone(),
            textures: self.textures.clone(),
            images: self.images.clone(),
            ..Self::default()
        };
        // What blends in part is there once.
        for draw in draws.draws.iter().filter(|draw| draw.part != AlphaPart::Solid) {
            let mut shape = placed(&Placement::new(self, pose, &draws, draw));
            if draw.mirrored && shape.topology == Topology::Triangles {
                // The front stays the front.
                shape.indices.chunks_exact_mut(3).for_each(|corners| corners.swap(1, 2));
            }
            let name = self.nodes[draw.node].name.clone();
            still.nodes.push(Node { name: name.clone(), mesh: Some(still.meshes.len()), ..Node::default() });
            still.meshes.push(Mesh { name, primitives: vec![shape], weights: Vec::new() });
        }
        still
    }
}

/// A primitive whose vertices are in the world.
fn placed(placement: &Placement<'_>) -> Primitive {
    let mut shape = Primitive { influences: SkinWeights::default(), targets: Vec::new(), ..placement.primitive.clone() };
    for i in 0..shape.positions.len() {
        let vertex = placement.vertex(i);
        shape.positions[i] = vertex.position.into();
        if let Some(normal) = shape.normals.get_mut(i) {
            *normal = vertex.normal.into();
        }
        if let Some(tangent) = shape.tangents.get_mut(i) {
            *tangent = vertex.tangent.into();
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use crate::raster::CpuRenderer;
    use crate::{Framing, NodeTransform, Orbit, Pose, Scene};

    /// Vertices are computed the same way, and then moved by the identity.
    #[test]
    fn it_looks_the_same_bent_and_mirrored() {
        let mut scene = Scene::figure();
        if let NodeTransform::Trs(root) = &mut scene.nodes[0].local {
            root.scale = [-1.0, 1.2, 1.0];
        }
        let mut pose = Pose::rest(&scene);
        scene.animations[1].sample(0.4, &mut pose);
        let still = scene.baked(&pose);
        still.check().unwrap();
        let shot = Framing::new(&scene, [pose.clone()]).unwrap().shot(&Orbit::default(), [160, 120]).unwrap();
        let moved = CpuRenderer::new(&scene).draw(&pose, &shot).unwrap();
        let stopped = CpuRenderer::new(&still).draw(&Pose::rest(&still), &shot).unwrap();
        let apart = moved.rgba.iter().zip(&stopped.rgba).filter(|(a, b)| a.abs_diff(**b) > 2).count();
        // Where rounding moves an outline over a sample, a pixel changes.
        assert!(apart < moved.rgba.len() / 1000, "{apart}");
    }
}
