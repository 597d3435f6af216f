//! Round things around a straight line, with rounded ends.

use std::f32::consts::{FRAC_PI_2, TAU};

use glam::{Vec2, Vec3};

use crate::{Primitive, SkinWeights};

/// A surface around a line from the first place to the last.
pub struct Limb<'a> {
    /// Places on the line, with the radius there.
    pub path: &'a [(Vec3, f32)],
    /// Which bone bends it from which place on.
    pub bones: &'a [(usize, Vec3)],
    /// Linear RGB.
    pub color: [f32; 3],
}

/// Vertices around.
const AROUND: usize = 12;

/// Rings between two places of a path.
const STEPS: usize = 2;

/// Rings of a rounded end.
const CAP: usize = 3;

/// How far before and behind a joint, in metres, both of its bones count.
const SOFT: f32 = 0.05;

/// Surfaces, gathered.
#[derive(Default)]
pub struct Shell {
    shape: Primitive,
}

impl Shell {
    /// All of them, with a material.
    pub fn primitive(self, material: usize) -> Primitive {
        Primitive { material: Some(material), ..self.shape }
    }

    /// A ball that one bone moves.
    pub fn ball(&mut self, center: Vec3, radius: f32, bone: usize, color: [f32; 3]) {
        let up = Vec3::Y * (radius * 0.01);
        self.limb(&Limb { path: &[(center - up, radius), (center + up, radius)], bones: &[(bone, center)], color });
    }

    /// Adds rings along the path, and triangles between them.
    pub fn limb(&mut self, limb: &Limb<'_>) {
        let (start, end) = (limb.path[0].0, limb.path[limb.path.len() - 1].0);
        let axis = (end - start).normalize();
        let side = axis.any_orthonormal_vector();
        let front = axis.cross(side);
        let rings = profile(limb.path, axis);
        let first = self.shape.positions.len() as u32;
        let length = rings.last().map_or(0.0, |ring| ring.along) - rings[0].along;
        for ring in &rings {
            let center = start + axis * ring.along;
            let weights = followed(limb.bones, center, axis);
            for i in 0..=AROUND {
                // The last vertex stands exactly where the first one does, with other texture coordinates.
                let (sin, cos) = ((i % AROUND) as f32 / AROUND as f32 * TAU).sin_cos();
                let radial = side * cos + front * sin;
                let p = &mut self.shape;
                p.positions.push((center + radial * ring.radius).into());
                p.normals.push((radial * ring.normal.x + axis * ring.normal.y).into());
                p.colors.push([limb.color[0], limb.color[1], limb.color[2], 1.0]);
                p.influences.joints.extend(weights.iter().map(|&(bone, _)| bone as u16));
                p.influences.weights.extend(weights.iter().map(|&(_, weight)| weight));
                match p.uvs.first_mut() {
                    Some(uvs) => uvs.push([i as f32 / AROUND as f32, (ring.along - rings[0].along) / length]),
                    None => p.uvs.push(vec![[0.0, 0.0]]),
                }
            }
        }
        let row = AROUND as u32 + 1;
        for ring in 0..rings.len() as u32 - 1 {
            for i in 0..AROUND as u32 {
                let a = first + ring * row + i;
                // side, front and axis are right-handed, so around and then along is outwards.
                self.shape.indices.extend([a, a + 1, a + row, a + 1, a + row + 1, a + row]);
            }
        }
        self.shape.influences.per_vertex = SkinWeights::SLOTS;
    }
}

impl SkinWeights {
    /// Pairs a vertex of a shell.
    const SLOTS: usize = 4;
}

/// Where along the axis, how far from it, and the normal's parts away from it and along it.
struct Ring {
    along: f32,
    radius: f32,
    normal: Vec2,
}

/// The rings of a path with quarter circles at both ends.
fn profile(path: &[(Vec3, f32)], axis: Vec3) -> Vec<Ring> {
    let along = |i: usize| (path[i].0 - path[0].0).dot(axis);
    let mut rings = Vec::new();
    let cap = |at: f32, radius: f32, angle: f32| {
        let (sin, cos) = angle.sin_cos();
        Ring { along: at + radius * sin, radius: radius * cos.max(0.0), normal: Vec2::new(cos, sin) }
    };
    let last = path.len() - 1;
    rings.extend((0..CAP).map(|i| cap(0.0, path[0].1, -FRAC_PI_2 * (CAP - i) as f32 / CAP as f32)));
    for i in 0..last {
        let (a, b) = ((along(i), path[i].1), (along(i + 1), path[i + 1].1));
        let normal = Vec2::new(b.0 - a.0, a.1 - b.1).normalize_or(Vec2::X);
        rings.extend((0..STEPS).map(|step| {
            let t = step as f32 / STEPS as f32;
            Ring { along: a.0 + t * (b.0 - a.0), radius: a.1 + t * (b.1 - a.1), normal }
        }));
    }
    rings.extend((0..=CAP).map(|i| cap(along(last), path[last].1, FRAC_PI_2 * i as f32 / CAP as f32)));
    rings
}

/// The bones of a place on the axis: each from its own start to that of the next, softly.
fn followed(bones: &[(usize, Vec3)], place: Vec3, axis: Vec3) -> [(usize, f32); SkinWeights::SLOTS] {
    let passed = |i: usize| match bones.get(i) {
        None => 0.0,
        Some(_) if i == 0 => 1.0,
        Some((_, start)) => {
            let t = ((place - *start).dot(axis) / (2.0 * SOFT) + 0.5).clamp(0.0, 1.0);
            t * t * (3.0 - 2.0 * t)
        }
    };
    // What has passed a later joint has passed the earlier ones.
    let reached = |i: usize| (0..=i).map(passed).fold(1.0, f32::min);
    std::array::from_fn(|i| match bones.get(i) {
        Some(&(bone, _)) => (bone, reached(i) - reached(i + 1)),
        None => (0, 0.0),
    })
}
