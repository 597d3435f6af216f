//! Vertices on their way into the picture.

use glam::{Mat4, Vec2, Vec3, Vec4};

use crate::draws::{Draw, Draws};
use crate::placement::Placement;
use crate::{Material, Pose, Primitive, Scene, TextureRef};

/// What is interpolated over a triangle.
#[derive(Clone, Copy, Default)]
pub(super) struct Varying {
    pub clip: Vec4,
    /// In the space that the view is about.
    pub position: Vec3,
    pub normal: Vec3,
    pub tangent: Vec4,
    pub color: Vec4,
    /// Of the material's textures, in their order, transformed.
    pub uvs: [Vec2; 5],
}

impl Varying {
    /// Each quantity's mean by these weights.
    pub fn mean(corners: [&Self; 3], weights: [f32; 3]) -> Self {
        let [a, b, c] = corners;
        let [x, y, z] = weights;
        Self {
            clip: x * a.clip + y * b.clip + z * c.clip,
            position: x * a.position + y * b.position + z * c.position,
            normal: x * a.normal + y * b.normal + z * c.normal,
            tangent: x * a.tangent + y * b.tangent + z * c.tangent,
            color: x * a.color + y * b.color + z * c.color,
            uvs: std::array::from_fn(|i| x * a.uvs[i] + y * b.uvs[i] + z * c.uvs[i]),
        }
    }
}

/// Appends the vertices of a primitive where a pose puts them.
pub(super) fn place(
    scene: &Scene,
    pose: &Pose,
    draws: &Draws,
    draw: &Draw,
    (material, clip_from_render): (&Material, Mat4),
    to: &mut Vec<Varying>,
) {
    let placement = Placement::new(scene, pose, draws, draw);
    let shape = placement.primitive;
    let textures = material.textures();
    to.extend((0..shape.positions.len()).map(|i| {
        let vertex = placement.vertex(i);
        Varying {
            clip: clip_from_render * vertex.position.extend(1.0),
            position: vertex.position,
            normal: vertex.normal,
            tangent: vertex.tangent,
            color: shape.colors.get(i).map_or(Vec4::ONE, |&c| c.into()),
            uvs: textures.map(|used| used.map_or(Vec2::ZERO, |used| coordinates(shape, &used, i))),
        }
    }));
}

fn coordinates(shape: &Primitive, used: &TextureRef, i: usize) -> Vec2 {
    let [u, v] = shape.uvs.get(used.uv).and_then(|set| set.get(i)).copied().unwrap_or_default();
    let [x, y, offset] = used.transform.map(Vec2::from);
    x * u + y * v + offset
}
