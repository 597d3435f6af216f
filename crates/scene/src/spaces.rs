//! One vertex on its way through all spaces.

use glam::{DMat4, Vec3, Vec4};
use monotile::{Error, Result};

use crate::draws::{DrawOrder, Draws};
use crate::placement::Placement;
use crate::rendering::{CameraView, RenderSpace};
use crate::{Camera, Pose, Scene, SkinWeights};

/// Which vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VertexId {
    /// The node that draws it.
    pub node: usize,
    /// Which primitive of the node's mesh.
    pub primitive: usize,
    /// Which of the primitive's vertices.
    pub vertex: usize,
}

/// A vertex in every space from its mesh to a pixel, and the matrices between them, by columns.
///
/// ```text
/// world = world_from_mesh · mesh      view = view_from_world · world      clip = clip_from_view · view
/// ndc = clip_xyz / clip_w             pixel = ((ndc_x + 1) width / 2, (1 − ndc_y) height / 2)
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VertexSpaces {
    /// Whose way it is.
    pub vertex: VertexId,
    /// In the mesh, after morph targets.
    pub mesh: [f32; 3],
    /// The mean of the joints' matrices by the vertex's weights, or M where no skin bends it.
    pub world_from_mesh: [[f32; 4]; 4],
    /// Whether that is a skin's.
    pub skinned: bool,
    /// In the world.
    pub world: [f32; 3],
    /// V.
    pub view_from_world: [[f32; 4]; 4],
    /// In the camera's space.
    pub view: [f32; 3],
    /// P.
    pub clip_from_view: [[f32; 4]; 4],
    /// Before the divide.
    pub clip: [f32; 4],
    /// After it.
    pub ndc: [f32; 3],
    /// From the upper left corner of the picture.
    pub pixel: [f32; 2],
}

/// How near to a place a vertex counts as being at it, in pixels.
const REACH: f32 = 8.0;

impl VertexSpaces {
    /// The way of one vertex.
    ///
    /// # Errors
    /// A vertex that is not there.
    pub fn trace(scene: &Scene, pose: &Pose, camera: &Camera, of: VertexId) -> Result<Self> {
        let there = || {
            let mesh = scene.nodes.get(of.node)?.mesh?;
            scene.meshes[mesh].primitives.get(of.primitive).filter(|primitive| of.vertex < primitive.positions.len())
        };
        there().ok_or_else(|| {
            Error::value(format!("there is no vertex {} in primitive {} of node {}", of.vertex, of.primitive, of.node))
        })?;
        let mut ways = Self::ways(scene, pose, camera, of, of.vertex..of.vertex + 1)?;
        ways.pop().ok_or_else(|| Error::value(format!("node {} draws nothing", of.node)))
    }

    /// The ways of all vertices of a primitive, in their order; which vertex `of` names does not matter.
    ///
    /// # Errors
    /// A primitive that is not there.
    pub fn all(scene: &Scene, pose: &Pose, camera: &Camera, of: VertexId) -> Result<Vec<Self>> {
        Self::trace(scene, pose, camera, VertexId { vertex: 0, ..of })?;
        Self::ways(scene, pose, camera, of, 0..usize::MAX)
    }

    fn ways(scene: &Scene, pose: &Pose, camera: &Camera, of: VertexId, vertices: std::ops::Range<usize>) -> Result<Vec<Self>> {
        let (view_from_world, clip_from_view) = camera.matrices();
        let draws = DrawOrder::new(scene).draws(scene, pose, (&RenderSpace::WORLD, &view_from_world));
        let draw = draws.draws.iter().find(|draw| draw.node == of.node && draw.primitive == of.primitive);
        let draw = draw.ok_or_else(|| Error::value(format!("node {} draws nothing", of.node)))?;
        let placement = Placement::new(scene, pose, &draws, draw);
        // In f64, as the object and the camera may be far from the origin.
        let world = pose.world(scene);
        let influences = &placement.primitive.influences;
        let skin = scene.nodes[of.node].skin.filter(|_| influences.per_vertex > 0);
        let joints = skin.map(|skin| Pose::joints(scene, skin, &world));
        let way = |vertex| {
            let mesh = placement.in_mesh(vertex);
            let world_from_mesh = match &joints {
                Some(joints) => bent(influences, joints, vertex),
                None => world[of.node],
            };
            let world = world_from_mesh.transform_point3(mesh.as_dvec3());
            let view = view_from_world.transform_point3(world);
            let clip = clip_from_view * view.extend(1.0);
            let (ndc, pixel) = project(clip.as_vec4(), camera);
            Self {
                vertex: VertexId { vertex, ..of },
                mesh: mesh.into(),
                world_from_mesh: world_from_mesh.as_mat4().to_cols_array_2d(),
                skinned: joints.is_some(),
                world: world.as_vec3().into(),
                view_from_world: view_from_world.as_mat4().to_cols_array_2d(),
                view: view.as_vec3().into(),
                clip_from_view: clip_from_view.as_mat4().to_cols_array_2d(),
                clip: clip.as_vec4().into(),
                ndc: ndc.into(),
                pixel,
            }
        };
        let end = vertices.end.min(placement.primitive.positions.len());
        Ok((vertices.start..end).map(way).collect())
    }

    /// The way of the vertex that is nearest to a pixel: of those within eight pixels the one nearest to the viewer.
    ///
    /// # Errors
    /// As [`VertexSpaces::trace`].
    pub fn nearest(scene: &Scene, pose: &Pose, camera: &Camera, pixel: [f32; 2]) -> Result<Option<Self>> {
        let view = CameraView::new(camera);
        let draws = DrawOrder::new(scene).draws(scene, pose, (&view.space, &view.view_from_world));
        let mut best: Option<([f32; 2], VertexId)> = None;
        each_vertex(scene, pose, &draws, |of, place| {
            let clip = view.clip_from_render * place.extend(1.0);
            if !(clip.w > 0.0 && clip.z >= 0.0) {
                return;
            }
            let (ndc, [x, y]) = project(clip, camera);
            // In the picture's plane; nearer ones than the reach differ in depth alone.
            let rank = [(x - pixel[0]).hypot(y - pixel[1]).max(REACH), ndc.z];
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, of));
            }
        });
        best.map(|(_, of)| Self::trace(scene, pose, camera, of)).transpose()
    }
}

/// The mean of the joints' matrices by the weights of a vertex.
fn bent(influences: &SkinWeights, joints: &[DMat4], vertex: usize) -> DMat4 {
    let range = vertex * influences.per_vertex..(vertex + 1) * influences.per_vertex;
    let pairs = influences.joints[range.clone()].iter().zip(&influences.weights[range]);
    pairs.fold(DMat4::ZERO, |sum, (&joint, &weight)| sum + joints[usize::from(joint)] * f64::from(weight))
}

fn each_vertex(scene: &Scene, pose: &Pose, draws: &Draws, mut f: impl FnMut(VertexId, Vec3)) {
    for draw in &draws.draws {
        let placement = Placement::new(scene, pose, draws, draw);
        for vertex in 0..placement.primitive.positions.len() {
            f(VertexId { node: draw.node, primitive: draw.primitive, vertex }, placement.position(vertex));
        }
    }
}

/// NDC and pixel of a place in clip space.
fn project(clip: Vec4, camera: &Camera) -> (Vec3, [f32; 2]) {
    let ndc = clip.truncate() / clip.w;
    (ndc, [0.5 * (ndc.x + 1.0) * camera.width as f32, 0.5 * (1.0 - ndc.y) * camera.height as f32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lens, Mesh, Node, NodeTransform, NodeTrs, Primitive};

    /// Two points behind one another on the way from the camera, one beside them, one behind the camera.
    fn scene() -> Scene {
        let positions = vec![[0.0, 0.0, -1.0], [0.0; 3], [1.0, 0.5, 0.0], [0.0, 0.0, 9.0]];
        let local = NodeTransform::Trs(NodeTrs { translation: [0.0, 0.0, 1.0], ..NodeTrs::default() });
        let shape = Primitive { topology: crate::Topology::Points, indices: (0..4).collect(), positions, ..Primitive::default() };
        Scene {
            nodes: vec![Node { local, mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![shape], ..Mesh::default() }],
            ..Scene::default()
        }
    }

    fn camera() -> Camera {
        let lens = Lens::Perspective { fovy: std::f32::consts::FRAC_PI_2, near: 1.0, far: None };
        Camera::look_at([0.0, 0.0, 5.0], [0.0; 3], [0.0, 1.0, 0.0], lens, [200, 100]).unwrap()
    }

    #[test]
    fn a_vertex_is_told_in_every_space() {
        let scene = scene();
        let of = VertexId { node: 0, primitive: 0, vertex: 2 };
        let spaces = VertexSpaces::trace(&scene, &Pose::rest(&scene), &camera(), of).unwrap();
        assert_eq!((spaces.mesh, spaces.world, spaces.view), ([1.0, 0.5, 0.0], [1.0, 0.5, 1.0], [1.0, 0.5, -4.0]));
        // A lens of a right angle, near plane 1, twice as wide as high: x/2, y, z − 1 turned over, −z.
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(&spaces.clip, &[0.5, 0.5, 3.0, 4.0]), "{:?}", spaces.clip);
        assert!(near(&spaces.ndc, &[0.125, 0.125, 0.75]) && near(&spaces.pixel, &[112.5, 43.75]), "{spaces:?}");
        let words =
            VertexSpaces::trace(&scene, &Pose::rest(&scene), &camera(), VertexId { vertex: 4, ..of }).unwrap_err().to_string();
        assert_eq!(words, "there is no vertex 4 in primitive 0 of node 0");
    }

    #[test]
    fn the_nearest_vertex_is_the_one_in_front_and_never_behind_the_viewer() {
        let scene = scene();
        let nearest = |pixel| VertexSpaces::nearest(&scene, &Pose::rest(&scene), &camera(), pixel).unwrap().unwrap().vertex.vertex;
        assert_eq!((nearest([101.0, 49.0]), nearest([115.0, 40.0]), nearest([199.0, 99.0])), (1, 2, 2));
        assert_eq!(VertexSpaces::nearest(&Scene::default(), &Pose::rest(&Scene::default()), &camera(), [0.0; 2]).unwrap(), None);
    }
}
