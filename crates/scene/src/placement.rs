//! Vertices moved by a pose: morph targets, then skins or nodes.

use glam::{Mat3, Mat4, Vec3, Vec4};

use crate::draws::{Draw, Draws};
use crate::{MorphTarget, Pose, Primitive, Scene};

/// What moves the vertices of one primitive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement<'a> {
    pub primitive: &'a Primitive,
    /// The targets that have a weight, with it.
    targets: [Option<(&'a MorphTarget, f32)>; FEW],
    /// All of them, where they are more than a few.
    rest: &'a [MorphTarget],
    rest_weights: &'a [f32],
    /// What the mesh's vertices count from.
    anchor: Vec3,
    /// render_from_mesh by each joint; empty without a skin.
    joints: &'a [Mat4],
    /// Without one: render_from_mesh, and what turns tangents and normals.
    render_from_mesh: Mat4,
    tangents: Mat3,
    normals: Mat3,
    /// What brings directions that joints turn into range.
    shrink: f32,
}

/// Targets that are usually active at a time.
const FEW: usize = 4;

/// A vertex in the space that a renderer computes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PlacedVertex {
    pub position: Vec3,
    /// A unit vector, or zero.
    pub normal: Vec3,
    pub tangent: Vec4,
}

impl<'a> Placement<'a> {
    pub fn new(scene: &'a Scene, pose: &'a Pose, draws: &'a Draws, draw: &Draw) -> Self {
        let primitive = &scene.meshes[draw.mesh].primitives[draw.primitive];
        let joints = draw.joints.filter(|_| primitive.influences.per_vertex > 0).map_or(&[][..], |at| &draws.joints[at]);
        let weights = pose.weights[draw.node].as_slice();
        let mut active = primitive.targets.iter().zip(weights).filter(|(_, weight)| **weight != 0.0).map(|(t, w)| (t, *w));
        let targets = std::array::from_fn(|_| active.next());
        let (rest, rest_weights) = if active.next().is_some() { (&primitive.targets[..], weights) } else { (&[][..], weights) };
        let render_from_mesh = draw.render_from_mesh;
        let tangents = Mat3::from_mat4(render_from_mesh) * draw.shrink;
        Self {
            primitive,
            targets,
            rest,
            rest_weights,
            anchor: draws.anchors[draw.mesh],
            joints,
            render_from_mesh,
            tangents,
            normals: for_normals(&tangents),
            shrink: draw.shrink,
        }
    }

    /// Whether one matrix moves all vertices, and nothing else does.
    pub fn is_rigid(&self) -> bool {
        self.joints.is_empty() && self.targets[0].is_none()
    }

    /// A vertex where the pose puts it.
    pub fn vertex(&self, i: usize) -> PlacedVertex {
        let shape = self.primitive;
        let mut position = Vec3::from(shape.positions[i]) - self.anchor;
        let mut normal = shape.normals.get(i).map_or(Vec3::ZERO, |&n| n.into());
        let mut tangent = shape.tangents.get(i).map_or(Vec4::ZERO, |&t| t.into());
        self.each_target(|target, weight| {
            let add = |to: &mut Vec3, list: &[[f32; 3]]| {
                if let Some(&delta) = list.get(i) {
                    *to += weight * Vec3::from(delta);
                }
            };
            add(&mut position, &target.positions);
            add(&mut normal, &target.normals);
            let mut t = tangent.truncate();
            add(&mut t, &target.tangents);
            tangent = t.extend(tangent.w);
        });
        let (render, tangents, normals) = if self.joints.is_empty() {
            (self.render_from_mesh, self.tangents, self.normals)
        } else {
            let render = self.bend(i);
            let mut linear = Mat3::from_mat4(render);
            if self.shrink != 1.0 {
                linear *= self.shrink;
            }
            (render, linear, for_normals(&linear))
        };
        PlacedVertex {
            position: render.transform_point3(position),
            normal: (normals * normal).normalize_or_zero(),
            tangent: (tangents * tangent.truncate()).normalize_or_zero().extend(tangent.w),
        }
    }

    /// Where alone.
    pub fn position(&self, i: usize) -> Vec3 {
        let render = if self.joints.is_empty() { self.render_from_mesh } else { self.bend(i) };
        render.transform_point3(self.moved(i, self.anchor))
    }

    /// Where in its mesh, after the targets.
    pub fn in_mesh(&self, i: usize) -> Vec3 {
        self.moved(i, Vec3::ZERO)
    }

    /// Where in its mesh, about a place.
    fn moved(&self, i: usize, about: Vec3) -> Vec3 {
        let mut position = Vec3::from(self.primitive.positions[i]) - about;
        self.each_target(|target, weight| {
            position += weight * target.positions.get(i).map_or(Vec3::ZERO, |&delta| delta.into());
        });
        position
    }

    fn each_target(&self, mut f: impl FnMut(&MorphTarget, f32)) {
        if self.rest.is_empty() {
            self.targets.iter().flatten().for_each(|(target, weight)| f(target, *weight));
        } else {
            self.rest.iter().zip(self.rest_weights).filter(|(_, w)| **w != 0.0).for_each(|(target, weight)| f(target, *weight));
        }
    }

    /// The mean of the joints' matrices by the weights of a vertex.
    fn bend(&self, i: usize) -> Mat4 {
        let influences = &self.primitive.influences;
        let range = i * influences.per_vertex..(i + 1) * influences.per_vertex;
        let (joints, weights) = (&influences.joints[range.clone()], &influences.weights[range]);
        let mut sum = Mat4::ZERO;
        for (&joint, &weight) in joints.iter().zip(weights) {
            if weight != 0.0 {
                sum += self.joints[usize::from(joint)] * weight;
            }
        }
        sum
    }
}

/// A multiple of the inverse transpose, by cofactors: it exists for flat scales too, and keeps the side of mirrored ones.
fn for_normals(m: &Mat3) -> Mat3 {
    let (x, y, z) = (m.x_axis, m.y_axis, m.z_axis);
    let cofactors = Mat3::from_cols(y.cross(z), z.cross(x), x.cross(y));
    if x.dot(cofactors.x_axis) < 0.0 { -cofactors } else { cofactors }
}

#[cfg(test)]
mod tests {
    use glam::DMat4;

    use super::*;
    use crate::draws::DrawOrder;
    use crate::rendering::RenderSpace;
    use crate::{Mesh, Node, NodeTransform, NodeTrs, Skin, SkinWeights};

    fn placed(scene: &Scene, pose: &Pose) -> PlacedVertex {
        let draws = DrawOrder::new(scene).draws(scene, pose, (&RenderSpace::WORLD, &DMat4::IDENTITY));
        let placement = Placement::new(scene, pose, &draws, &draws.draws[0]);
        let vertex = placement.vertex(0);
        assert_eq!(vertex.position, placement.position(0));
        vertex
    }

    fn near(a: Vec3, b: [f32; 3]) -> bool {
        (a - Vec3::from(b)).length() < 1e-6
    }

    fn scene(primitive: Primitive, local: NodeTrs) -> Scene {
        Scene {
            nodes: vec![Node { local: NodeTransform::Trs(local), mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![primitive], ..Mesh::default() }],
            ..Scene::default()
        }
    }

    #[test]
    fn normals_stay_upright_on_stretched_and_mirrored_surfaces() {
        let slope = [0.5_f32.sqrt(), 0.5_f32.sqrt(), 0.0];
        let shape = Primitive { positions: vec![[1.0; 3]], normals: vec![slope], ..Primitive::default() };
        for (scale, normal) in [([2.0, 1.0, 1.0], [1.0, 2.0, 0.0]), ([-2.0, 1.0, 1.0], [-1.0, 2.0, 0.0])] {
            let scene = scene(shape.clone(), NodeTrs { scale, ..NodeTrs::default() });
            let vertex = placed(&scene, &Pose::rest(&scene));
            assert!(near(vertex.position, scale));
            assert!(near(vertex.normal, Vec3::from(normal).normalize().into()), "{:?}", vertex.normal);
        }
    }

    #[test]
    fn targets_add_by_their_weights_however_many_are_active() {
        let target = |x| MorphTarget { positions: vec![[x, 0.0, 0.0]], normals: vec![[0.0, x, 0.0]], ..MorphTarget::default() };
        let targets: Vec<_> = (1..=6).map(|x| target(x as f32)).collect();
        let shape = Primitive { positions: vec![[0.0; 3]], normals: vec![[1.0, 0.0, 0.0]], targets, ..Primitive::default() };
        let scene = scene(shape, NodeTrs::default());
        for (weights, sum) in [([0.0, 1.0, 0.0, 0.5, 0.0, 0.0], 4.0), ([1.0; 6], 21.0), ([0.0, 0.0, 0.0, 0.0, 0.0, -1.0], -6.0)] {
            let mut pose = Pose::rest(&scene);
            pose.weights[0] = weights.to_vec();
            let vertex = placed(&scene, &pose);
            assert!(near(vertex.position, [sum, 0.0, 0.0]));
            assert!(near(vertex.normal, Vec3::new(1.0, sum, 0.0).normalize().into()));
        }
    }

    #[test]
    fn a_vertex_follows_every_joint_that_it_has_and_not_its_node() {
        // Five joints, one to the right of another, of which the last two share the vertex.
        let joint = |x: f32| Node {
            local: NodeTransform::Trs(NodeTrs { translation: [x, 0.0, 0.0], ..NodeTrs::default() }),
            ..Node::default()
        };
        let influences = SkinWeights {
            per_vertex: 8,
            joints: vec![0, 1, 2, 3, 4, 0, 0, 0],
            weights: vec![0.0, 0.0, 0.0, 0.25, 0.75, 0.0, 0.0, 0.0],
        };
        let shape = Primitive { positions: vec![[0.0, 1.0, 0.0]], influences, ..Primitive::default() };
        let mut scene = scene(shape, NodeTrs { translation: [100.0; 3], ..NodeTrs::default() });
        scene.nodes[0].skin = Some(0);
        scene.nodes.extend((0..5).map(|x| joint(x as f32)));
        let inverse_bind = vec![Mat4::from_translation(Vec3::new(0.0, 2.0, 0.0)).to_cols_array_2d(); 5];
        scene.skins = vec![Skin { joints: (1..6).collect(), inverse_bind, ..Skin::default() }];
        assert!(near(placed(&scene, &Pose::rest(&scene)).position, [3.75, 3.0, 0.0]));
    }
}
