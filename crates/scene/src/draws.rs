//! What a pose draws, in which order: the same for all renderers.

use glam::{Mat4, Vec3};

use crate::{Alpha, Pose, Primitive, Scene};

/// A primitive where a pose puts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    /// Whose mesh it is.
    pub node: usize,
    /// Index into the scene's meshes.
    pub mesh: usize,
    /// Index into the mesh's primitives.
    pub primitive: usize,
    /// world_from_mesh of a mesh that no skin bends.
    pub world_from_mesh: Mat4,
    /// Index into [`Draws::joints`] of one that a skin bends.
    pub joints: Option<usize>,
    /// Whether triangles are mirrored, so that clockwise ones face the viewer.
    pub mirrored: bool,
    /// Whether it is laid over what is behind.
    pub blends: bool,
}

/// All that is drawn.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    /// First what covers, by node, then what blends, farthest first.
    pub draws: Vec<Draw>,
    /// For each node with a skin, world_from_mesh by each of its joints.
    pub joints: Vec<Vec<Mat4>>,
}

/// What the order of drawing needs to know of a scene once.
#[derive(Debug)]
pub(crate) struct Order {
    /// The centre of the box around each primitive's vertices at rest, by mesh.
    centers: Vec<Vec<Vec3>>,
}

impl Order {
    pub fn new(scene: &Scene) -> Self {
        let center = |primitive: &Primitive| {
            let points = || primitive.positions.iter().map(|&p| Vec3::from(p));
            0.5 * (points().fold(Vec3::MAX, Vec3::min) + points().fold(Vec3::MIN, Vec3::max))
        };
        Self { centers: scene.meshes.iter().map(|mesh| mesh.primitives.iter().map(center).collect()).collect() }
    }

    /// What is drawn of a scene in a pose, seen through V.
    pub fn draws(&self, scene: &Scene, pose: &Pose, view_from_world: Mat4) -> Draws {
        let world = pose.world(scene);
        let mut list = Draws::default();
        let mut blended: Vec<(f32, Draw)> = Vec::new();
        for (node, at) in scene.nodes.iter().enumerate() {
            let Some(mesh) = at.mesh else { continue };
            let joints = at.skin.map(|skin| {
                let skin = &scene.skins[skin];
                let bends = skin.joints.iter().zip(&skin.inverse_bind);
                list.joints.push(bends.map(|(&joint, bind)| world[joint] * Mat4::from_cols_array_2d(bind)).collect());
                list.joints.len() - 1
            });
            let first = joints.and_then(|joints| list.joints[joints].first());
            let world_from_mesh = first.copied().unwrap_or(world[node]);
            let mirrored = world_from_mesh.determinant() < 0.0;
            for (primitive, shape) in scene.meshes[mesh].primitives.iter().enumerate() {
                let blends = shape.material.is_some_and(|m| scene.materials[m].alpha == Alpha::Blend);
                let draw = Draw { node, mesh, primitive, world_from_mesh, joints, mirrored, blends };
                if blends {
                    let center = world_from_mesh.transform_point3(self.centers[mesh][primitive]);
                    blended.push((-view_from_world.transform_point3(center).z, draw));
                } else {
                    list.draws.push(draw);
                }
            }
        }
        // Stable, so that what is equally far keeps the order of the nodes.
        blended.sort_by(|a, b| b.0.total_cmp(&a.0));
        list.draws.extend(blended.into_iter().map(|(_, draw)| draw));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Local, Material, Mesh, Node, Trs};

    #[test]
    fn what_blends_comes_last_and_from_the_back() {
        let primitive = |material| Primitive { positions: vec![[0.0; 3]], material: Some(material), ..Primitive::default() };
        let mesh = |material| Mesh { primitives: vec![primitive(material)], ..Mesh::default() };
        let at = |z, mesh| Node {
            local: Local::Trs(Trs { translation: [0.0, 0.0, z], ..Trs::default() }),
            mesh: Some(mesh),
            ..Node::default()
        };
        let scene = Scene {
            nodes: vec![at(-1.0, 0), at(-3.0, 0), at(-2.0, 0), at(-9.0, 1)],
            meshes: vec![mesh(0), mesh(1)],
            materials: vec![Material { alpha: Alpha::Blend, ..Material::default() }, Material::default()],
            ..Scene::default()
        };
        let draws = Order::new(&scene).draws(&scene, &Pose::rest(&scene), Mat4::IDENTITY);
        assert_eq!(draws.draws.iter().map(|d| d.node).collect::<Vec<_>>(), [3, 1, 2, 0]);
        assert!(!draws.draws[0].blends && draws.draws[1].blends);
    }
}
