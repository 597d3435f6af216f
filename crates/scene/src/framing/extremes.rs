//! The farthest points of many, in each of many directions.

use glam::Vec3;
use monotile_kernels::simd;

use crate::draws::{AlphaPart, Draw, DrawOrder};
use crate::placement::Placement;
use crate::rendering::RenderSpace;
use crate::{Pose, Scene, Topology};

/// Directions in which the farthest points are kept.
const DIRECTIONS: usize = 256;

/// What was found so far.
#[derive(Debug, Clone)]
pub(super) struct Extents {
    /// The directions, coordinate by coordinate.
    along: Box<[[f32; DIRECTIONS]; 3]>,
    /// How far the farthest point is, and which it is.
    most: Box<[f32; DIRECTIONS]>,
    points: Vec<Vec3>,
    pub min: Vec3,
    pub max: Vec3,
}

impl Extents {
    pub fn new() -> Self {
        let mut along = Box::new([[0.0; DIRECTIONS]; 3]);
        for i in 0..DIRECTIONS {
            (0..3).for_each(|k| along[k][i] = direction(i)[k]);
        }
        Self { along, most: Box::new([f32::MIN; DIRECTIONS]), points: vec![Vec3::NAN; DIRECTIONS], min: Vec3::MAX, max: Vec3::MIN }
    }

    /// The points, each once.
    pub fn points(mut self) -> Vec<Vec3> {
        self.points.retain(|p| p.is_finite());
        self.points.dedup();
        self.points
    }

    /// Looks at points.
    pub fn add(&mut self, points: &[Vec3]) {
        simd::run(
            #[inline(always)]
            || {
                for &p in points {
                    (self.min, self.max) = (self.min.min(p), self.max.max(p));
                    if self.is_beyond(p) {
                        self.take(p);
                    }
                }
            },
        );
    }

    /// Whether a point is farther than all others in any direction; after the first few hardly one is.
    #[inline(always)]
    fn is_beyond(&self, p: Vec3) -> bool {
        let [x, y, z] = &*self.along;
        let mut beyond = false;
        for i in 0..DIRECTIONS {
            beyond |= x[i] * p.x + y[i] * p.y + z[i] * p.z > self.most[i];
        }
        beyond
    }

    #[inline(never)]
    fn take(&mut self, p: Vec3) {
        let [x, y, z] = &*self.along;
        for i in 0..DIRECTIONS {
            let distance = x[i] * p.x + y[i] * p.y + z[i] * p.z;
            if distance > self.most[i] {
                (self.most[i], self.points[i]) = (distance, p);
            }
        }
    }
}

/// One of directions all around, nearly evenly: the axes, then the Fibonacci spiral.
fn direction(i: usize) -> Vec3 {
    if i < 6 {
        return [Vec3::X, Vec3::Y, Vec3::Z][i / 2] * if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    }
    let y = 1.0 - 2.0 * (i as f32 + 0.5) / DIRECTIONS as f32;
    let around = i as f32 * 2.399_963_2;
    let radius = (1.0 - y * y).sqrt();
    Vec3::new(radius * around.cos(), y, radius * around.sin())
}

/// The vertices of a scene that decide over any number of poses.
pub(super) struct ExtremeVertices<'a> {
    scene: &'a Scene,
    order: &'a DrawOrder,
    /// By mesh and primitive: the vertices that are farthest in some direction. They stay so however a node moves them.
    rigid: Vec<Vec<Option<Vec<u32>>>>,
    places: Vec<Vec3>,
    poses: usize,
}

impl<'a> ExtremeVertices<'a> {
    pub fn new(scene: &'a Scene, order: &'a DrawOrder) -> Self {
        let rigid = scene.meshes.iter().map(|mesh| vec![None; mesh.primitives.len()]).collect();
        Self { scene, order, rigid, places: Vec::new(), poses: 0 }
    }

    /// Looks at everything that a pose draws. Of what only nodes move, the first pose takes every vertex, and the others the farthest ones of its mesh.
    pub fn add(&mut self, pose: &Pose, space: &RenderSpace, extremes: &mut Extents) {
        let draws = self.order.draws(self.scene, pose, (space, &glam::DMat4::IDENTITY));
        for draw in draws.draws.iter().filter(|draw| draw.part != AlphaPart::Solid) {
            let placement = Placement::new(self.scene, pose, &draws, draw);
            self.places.clear();
            if self.poses > 0 && placement.is_rigid() {
                let corners = self.rigid[draw.mesh][draw.primitive].get_or_insert_with(|| farthest(self.scene, draw));
                self.places.extend(corners.iter().map(|&i| placement.position(i as usize)));
            } else {
                each_vertex(self.scene, draw, |i| self.places.push(placement.position(i)));
            }
            extremes.add(&self.places);
        }
        self.poses += 1;
    }
}

/// The vertices of a primitive that are farthest in some direction, in its mesh.
fn farthest(scene: &Scene, draw: &Draw) -> Vec<u32> {
    let positions = &scene.meshes[draw.mesh].primitives[draw.primitive].positions;
    let mut drawn = Vec::new();
    each_vertex(scene, draw, |i| drawn.push(i as u32));
    if drawn.len() <= DIRECTIONS {
        return drawn;
    }
    let mut extremes = Extents::new();
    let whole =
        |f: fn(Vec3, Vec3) -> Vec3, from: f32| drawn.iter().fold(Vec3::splat(from), |end, &i| f(end, positions[i as usize].into()));
    let (least, most) = (whole(Vec3::min, f32::MAX), whole(Vec3::max, f32::MIN));
    // The box becomes a cube, so that what is long hides nothing of what is wide. Halves first: products are to be numbers.
    let (middle, half) = (0.5 * least + 0.5 * most, (0.5 * most - 0.5 * least).max(Vec3::splat(f32::MIN_POSITIVE)));
    let places: Vec<Vec3> = drawn.iter().map(|&i| (Vec3::from(positions[i as usize]) - middle) / half).collect();
    extremes.add(&places);
    let kept = |p: &Vec3| {
        extremes.most.iter().enumerate().any(|(i, most)| {
            let [x, y, z] = [0, 1, 2].map(|k| extremes.along[k][i]);
            x * p.x + y * p.y + z * p.z >= *most
        })
    };
    drawn.into_iter().zip(&places).filter(|(_, p)| kept(p)).map(|(i, _)| i).collect()
}

/// Calls `f` with every vertex that something is drawn of.
fn each_vertex(scene: &Scene, draw: &Draw, mut f: impl FnMut(usize)) {
    let shape = &scene.meshes[draw.mesh].primitives[draw.primitive];
    if shape.topology == Topology::Points || shape.indices.len() < shape.positions.len() {
        shape.indices.iter().for_each(|&i| f(i as usize));
    } else {
        (0..shape.positions.len()).for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_of_a_cloud_is_found_in_every_direction() {
        let cloud: Vec<Vec3> = (0..5000).map(|i| direction(i % DIRECTIONS) * (1.0 + (i as f32 * 0.7).sin())).collect();
        let mut extremes = Extents::new();
        cloud.chunks(777).for_each(|part| extremes.add(part));
        for i in 0..DIRECTIONS {
            let d = direction(i);
            let wanted = cloud.iter().map(|p| d.dot(*p)).fold(f32::MIN, f32::max);
            assert!((extremes.most[i] - wanted).abs() < 1e-5, "{i}: {} for {wanted}", extremes.most[i]);
        }
        let points = extremes.points();
        assert!(points.len() > 100 && points.iter().all(|p| cloud.contains(p)));
    }
}
