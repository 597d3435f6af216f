//! What a pose draws, in which order: the same for all renderers.

use glam::{DMat4, DVec3, Mat4, Vec3};

use crate::pose::wide;
use crate::rendering::RenderSpace;
use crate::{Pose, Primitive, Scene};

/// Which fragments of a primitive a draw is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AlphaPart {
    /// All that its material leaves.
    All,
    /// Of a surface that blends those that hide what is behind: their alpha is 1.
    Solid,
    /// The others, which are laid over what is there.
    Clear,
}

/// How far below a number alpha still counts as it: an eighth of the step of a byte, so that neither rounding in the interpolation of equal
/// alphas nor in a filter makes holes.
pub(crate) const ALPHA_SLACK: f32 = 1.0 / 2048.0;

/// A primitive where a pose puts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    /// Whose mesh it is.
    pub node: usize,
    /// Index into the scene's meshes.
    pub mesh: usize,
    /// Index into the mesh's primitives.
    pub primitive: usize,
    /// From the mesh about its anchor, where no skin bends it.
    pub render_from_mesh: Mat4,
    /// Index into [`Draws::joints`] of one that a skin bends.
    pub joints: Option<usize>,
    /// What brings directions into the range in which their products are numbers: a power of two, nearly always 1.
    pub shrink: f32,
    /// Whether triangles are mirrored, so that clockwise ones face the viewer.
    pub mirrored: bool,
    /// Which fragments are drawn.
    pub part: AlphaPart,
}

impl Draw {
    /// Whether it is laid over what is behind.
    pub fn blends(&self) -> bool {
        self.part == AlphaPart::Clear
    }
}

/// All that is drawn.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    /// First what covers, by node, then what blends, farthest first.
    pub draws: Vec<Draw>,
    /// For each node with a skin, render_from_mesh by each of its joints, from the mesh about its anchor.
    pub joints: Vec<Vec<Mat4>>,
    /// For each mesh its anchor.
    pub anchors: Vec<Vec3>,
}

/// What the order of drawing needs to know of a scene once.
#[derive(Debug)]
pub(crate) struct DrawOrder {
    /// By mesh, then primitive.
    shapes: Vec<Vec<Outline>>,
    /// For each mesh a place that its vertices are near to, where they are far from their origin; else the origin. Vertices less their anchor are
    /// small, exactly, and the matrices take it up in f64.
    anchors: Vec<Vec3>,
}

/// A primitive's vertices at rest, in short.
#[derive(Debug)]
struct Outline {
    least: Vec3,
    most: Vec3,
    /// For each joint that moves any.
    pulls: Vec<JointInfluence>,
    /// The fragments that there may be, unless all are alike.
    parts: [Option<AlphaPart>; 2],
}

/// What a joint moves of a primitive.
#[derive(Debug, Clone, Copy)]
struct JointInfluence {
    joint: u16,
    /// Σ w over the vertices.
    weight: f64,
    /// Σ w p, about the anchor.
    moment: DVec3,
}

/// How many times its size a mesh stands away from its origin before it gets an anchor.
const FAR: f32 = 16.0;

impl DrawOrder {
    pub fn new(scene: &Scene) -> Self {
        let alphas = crate::alpha::ranges(scene);
        let mut order = Self { shapes: Vec::new(), anchors: Vec::new() };
        for mesh in &scene.meshes {
            let boxes: Vec<[Vec3; 2]> = mesh.primitives.iter().map(bounds).collect();
            let [least, most] = boxes.iter().fold([Vec3::MAX, Vec3::MIN], |[l, m], b| [l.min(b[0]), m.max(b[1])]);
            // Halves first: the sum of two large numbers may be none.
            let (middle, half) = (0.5 * least + 0.5 * most, 0.5 * most - 0.5 * least);
            let far = middle.is_finite() && middle.abs().max_element() > FAR * half.max_element();
            let anchor = if far { middle } else { Vec3::ZERO };
            let outline = |(primitive, [least, most]): (&Primitive, [Vec3; 2])| Outline {
                least,
                most,
                pulls: joint_influences(primitive, anchor),
                parts: alphas.parts(scene, primitive),
            };
            order.shapes.push(mesh.primitives.iter().zip(boxes).map(outline).collect());
            order.anchors.push(anchor);
        }
        order
    }

    /// Where vertices of a mesh count from.
    #[cfg(feature = "gpu")]
    pub fn anchor(&self, mesh: usize) -> Vec3 {
        self.anchors[mesh]
    }

    /// A space about everything that a pose draws, in which it is about as large as 1.
    pub fn space(&self, scene: &Scene, pose: &Pose) -> RenderSpace {
        let world = pose.world(scene);
        let (mut low, mut high) = (DVec3::MAX, DVec3::MIN);
        for (node, at) in scene.nodes.iter().enumerate() {
            let Some(mesh) = at.mesh else { continue };
            let bent = at.skin.map(|skin| Pose::joints(scene, skin, &world));
            for shape in self.shapes[mesh].iter().filter(|shape| shape.least.cmple(shape.most).all()) {
                let mut hold = |m: &DMat4| {
                    for corner in 0..8 {
                        let end =
                            |axis: usize| f64::from(if corner >> axis & 1 == 0 { shape.least[axis] } else { shape.most[axis] });
                        let place = m.transform_point3(DVec3::new(end(0), end(1), end(2)));
                        (low, high) = (low.min(place), high.max(place));
                    }
                };
                match bent.as_deref().filter(|_| !shape.pulls.is_empty()) {
                    Some(bent) => shape.pulls.iter().for_each(|pull| hold(&bent[usize::from(pull.joint)])),
                    None => hold(&world[node]),
                }
            }
        }
        RenderSpace::about(0.5 * (low + high), (high - low).length())
    }

    /// What is drawn of a scene in a pose, in a space, seen through V.
    pub fn draws(&self, scene: &Scene, pose: &Pose, (space, view_from_world): (&RenderSpace, &DMat4)) -> Draws {
        let world = pose.world(scene);
        let render_from_world = space.render_from_world();
        let mut list = Draws { anchors: self.anchors.clone(), ..Draws::default() };
        let mut blended: Vec<(f64, Draw)> = Vec::new();
        for (node, at) in scene.nodes.iter().enumerate() {
            let Some(mesh) = at.mesh else { continue };
            let anchor = self.anchors[mesh].as_dvec3();
            // M of a vertex about the anchor: the translation takes it up.
            let anchored = |m: DMat4| render_from_world * m * DMat4::from_translation(anchor);
            let own = anchored(world[node]);
            let bent: Option<Vec<DMat4>> = at.skin.map(|skin| {
                let skin = &scene.skins[skin];
                skin.joints.iter().zip(&skin.inverse_bind).map(|(&joint, bind)| anchored(world[joint] * wide(bind))).collect()
            });
            let joints = bent.as_ref().map(|bent| {
                list.joints.push(bent.iter().map(DMat4::as_mat4).collect());
                list.joints.len() - 1
            });
            for (primitive, shape) in self.shapes[mesh].iter().enumerate() {
                let bent = bent.as_deref().filter(|_| !shape.pulls.is_empty());
                let (center, mirrored, largest) = match bent {
                    Some(bent) => {
                        (shape.moved_centroid(bent), shape.is_mirrored(bent), bent.iter().map(largest).fold(0.0, f64::max))
                    }
                    None => (own.transform_point3(shape.center() - anchor), mirrors(&own), largest(&own)),
                };
                let draw = Draw {
                    node,
                    mesh,
                    primitive,
                    render_from_mesh: own.as_mat4(),
                    joints,
                    shrink: shrink(largest),
                    mirrored,
                    part: AlphaPart::All,
                };
                for part in shape.parts.into_iter().flatten() {
                    let draw = Draw { part, ..draw };
                    if draw.blends() {
                        blended.push((-view_from_world.transform_point3(space.world(center)).z, draw));
                    } else {
                        list.draws.push(draw);
                    }
                }
            }
        }
        // Stable, so that what is equally far keeps the order of the nodes.
        blended.sort_by(|a, b| b.0.total_cmp(&a.0));
        list.draws.extend(blended.into_iter().map(|(_, draw)| draw));
        list
    }
}

impl Outline {
    fn center(&self) -> DVec3 {
        0.5 * (self.least.as_dvec3() + self.most.as_dvec3())
    }

    /// The mean of the vertices where joints put them.
    fn moved_centroid(&self, joints: &[DMat4]) -> DVec3 {
        let (mut sum, mut whole) = (DVec3::ZERO, 0.0);
        for pull in &self.pulls {
            let m = &joints[usize::from(pull.joint)];
            sum += m.transform_vector3(pull.moment) + pull.weight * m.w_axis.truncate();
            whole += pull.weight;
        }
        sum / whole
    }

    /// Whether joints that mirror move more of it than others do.
    fn is_mirrored(&self, joints: &[DMat4]) -> bool {
        let side = |pull: &JointInfluence| if mirrors(&joints[usize::from(pull.joint)]) { -pull.weight } else { pull.weight };
        self.pulls.iter().map(side).sum::<f64>() < 0.0
    }
}

fn mirrors(m: &DMat4) -> bool {
    m.determinant() < 0.0
}

/// The largest number of the linear part.
fn largest(m: &DMat4) -> f64 {
    [m.x_axis, m.y_axis, m.z_axis].iter().map(|column| column.truncate().abs().max_element()).fold(0.0, f64::max)
}

/// Products of three numbers of a matrix fit f32 within these bounds.
fn shrink(largest: f64) -> f32 {
    if (1e-9..1e9).contains(&largest) || !largest.is_normal() { 1.0 } else { (-largest.log2().round()).exp2() as f32 }
}

fn bounds(primitive: &Primitive) -> [Vec3; 2] {
    let points = || primitive.positions.iter().map(|&p| Vec3::from(p));
    [points().fold(Vec3::MAX, Vec3::min), points().fold(Vec3::MIN, Vec3::max)]
}

fn joint_influences(primitive: &Primitive, anchor: Vec3) -> Vec<JointInfluence> {
    let influences = &primitive.influences;
    let Some(last) = influences.joints.iter().max().filter(|_| influences.per_vertex > 0) else { return Vec::new() };
    let nothing = |joint| JointInfluence { joint, weight: 0.0, moment: DVec3::ZERO };
    let mut pulls: Vec<JointInfluence> = (0..=*last).map(nothing).collect();
    let vertices =
        influences.joints.chunks_exact(influences.per_vertex).zip(influences.weights.chunks_exact(influences.per_vertex));
    for ((joints, weights), position) in vertices.zip(&primitive.positions) {
        let place = (Vec3::from(*position) - anchor).as_dvec3();
        for (&joint, &weight) in joints.iter().zip(weights) {
            let pull = &mut pulls[usize::from(joint)];
            pull.weight += f64::from(weight);
            pull.moment += f64::from(weight) * place;
        }
    }
    pulls.retain(|pull| pull.weight > 0.0);
    pulls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlphaMode, Material, Mesh, Node, NodeTransform, NodeTrs, Skin, SkinWeights};

    fn at(z: f32) -> NodeTransform {
        NodeTransform::Trs(NodeTrs { translation: [0.0, 0.0, z], ..NodeTrs::default() })
    }

    fn blending() -> Material {
        Material { alpha: AlphaMode::Blend, base_color: [1.0, 1.0, 1.0, 0.5], ..Material::default() }
    }

    fn drawn(scene: &Scene) -> Vec<Draw> {
        DrawOrder::new(scene).draws(scene, &Pose::rest(scene), (&RenderSpace::WORLD, &DMat4::IDENTITY)).draws
    }

    #[test]
    fn what_blends_comes_last_and_from_the_back() {
        let primitive = |material| Primitive { positions: vec![[0.0; 3]], material: Some(material), ..Primitive::default() };
        let mesh = |material| Mesh { primitives: vec![primitive(material)], ..Mesh::default() };
        let node = |z, mesh| Node { local: at(z), mesh: Some(mesh), ..Node::default() };
        let scene = Scene {
            nodes: vec![node(-1.0, 0), node(-3.0, 0), node(-2.0, 0), node(-9.0, 1)],
            meshes: vec![mesh(0), mesh(1)],
            materials: vec![blending(), Material::default()],
            ..Scene::default()
        };
        let draws = drawn(&scene);
        assert_eq!(draws.iter().map(|d| d.node).collect::<Vec<_>>(), [3, 1, 2, 0]);
        assert!(!draws[0].blends() && draws[1].blends());
    }

    /// A point that follows the second joint of two: where the first one is, and whether it mirrors, does not matter.
    #[test]
    fn a_joint_that_moves_nothing_changes_neither_winding_nor_order() {
        let influences = SkinWeights { per_vertex: 4, joints: vec![1, 0, 0, 0], weights: vec![1.0, 0.0, 0.0, 0.0] };
        let bent = Primitive { positions: vec![[0.0; 3]], influences, material: Some(0), ..Primitive::default() };
        let plain = Primitive { influences: SkinWeights::default(), ..bent.clone() };
        let mesh = |primitive| Mesh { primitives: vec![primitive], ..Mesh::default() };
        let mirror = NodeTrs { scale: [-1.0, 1.0, 1.0], ..NodeTrs::default() };
        let order = |first: NodeTransform, second: NodeTransform| {
            let joint = |local| Node { local, ..Node::default() };
            let scene = Scene {
                nodes: vec![
                    Node { mesh: Some(0), skin: Some(0), ..Node::default() },
                    Node { mesh: Some(1), local: at(-5.0), ..Node::default() },
                    joint(first),
                    joint(second),
                ],
                meshes: vec![mesh(bent.clone()), mesh(plain.clone())],
                materials: vec![blending()],
                skins: vec![Skin {
                    joints: vec![2, 3],
                    inverse_bind: vec![DMat4::IDENTITY.as_mat4().to_cols_array_2d(); 2],
                    ..Skin::default()
                }],
                ..Scene::default()
            };
            let draws = drawn(&scene);
            (draws.iter().map(|d| d.node).collect::<Vec<_>>(), draws.iter().find(|d| d.node == 0).unwrap().mirrored)
        };
        for first in [at(0.0), at(50.0), at(-50.0), NodeTransform::Trs(mirror)] {
            assert_eq!(order(first, at(-9.0)), (vec![0, 1], false), "{first:?}");
            assert_eq!(order(first, at(-1.0)), (vec![1, 0], false), "{first:?}");
        }
        assert!(order(at(0.0), NodeTransform::Trs(mirror)).1);
    }

    #[test]
    fn a_blending_surface_is_drawn_by_what_its_alpha_can_be() {
        let primitive = |colors: &[f32]| Primitive {
            positions: vec![[0.0; 3]; colors.len().max(1)],
            colors: colors.iter().map(|&a| [1.0, 1.0, 1.0, a]).collect(),
            material: Some(0),
            ..Primitive::default()
        };
        let parts = |alpha, colors: &[f32]| {
            let material = Material { base_color: [1.0, 1.0, 1.0, alpha], ..blending() };
            let scene = Scene {
                nodes: vec![Node { mesh: Some(0), ..Node::default() }],
                meshes: vec![Mesh { primitives: vec![primitive(colors)], ..Mesh::default() }],
                materials: vec![material],
                ..Scene::default()
            };
            drawn(&scene).iter().map(|d| d.part).collect::<Vec<_>>()
        };
        assert_eq!(parts(1.0, &[]), [AlphaPart::All]);
        assert_eq!(parts(0.5, &[]), [AlphaPart::Clear]);
        assert_eq!(parts(1.0, &[1.0, 0.2]), [AlphaPart::Solid, AlphaPart::Clear]);
        assert_eq!(parts(0.9, &[1.0, 0.2]), [AlphaPart::Clear]);
    }
}
