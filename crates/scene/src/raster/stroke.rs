//! Lines and points as rectangles in the picture's plane, as wide in pixels whatever the distance: lines one, points as a shot says.

use glam::{Vec2, Vec4};

use super::triangle::Triangle;
use super::vertex::Varying;
use crate::{Primitive, Topology};

/// What all strokes of a primitive share.
pub(super) struct Stroke {
    /// The number of its first vertex.
    pub first: u32,
    pub look: u32,
    pub size: [usize; 2],
    /// Of points, in pixels.
    pub point_size: f32,
}

impl Stroke {
    /// Appends the strokes of a primitive: its lines or points, or the edges of its triangles.
    pub fn add(&self, shape: &Primitive, varyings: &mut Vec<Varying>, triangles: &mut Vec<Triangle>) {
        let raster = Vec2::new(self.size[0] as f32, self.size[1] as f32);
        let vertices: Vec<Varying> = varyings[self.first as usize..].to_vec();
        let mut rectangle = |corners: [Varying; 4]| {
            let at = varyings.len() as u32;
            varyings.extend(corners);
            for corners in [[at, at + 1, at + 2], [at, at + 2, at + 3]] {
                let clip = corners.map(|c| varyings[c as usize].clip);
                let triangle = Triangle::new(clip, corners, self.look, self.size);
                triangles.extend(triangle.map(Triangle::one_sided));
            }
        };
        let vertex = |i: u32| &vertices[i as usize];
        match shape.topology {
            Topology::Points => {
                let half = 0.5 * self.point_size;
                shape.indices.iter().for_each(|&i| rectangle(square(vertex(i), half, raster)));
            }
            Topology::Lines => {
                shape.indices.chunks_exact(2).for_each(|l| rectangle(segment(vertex(l[0]), vertex(l[1]), raster)));
            }
            Topology::Triangles => {
                for t in shape.indices.chunks_exact(3) {
                    for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
                        rectangle(segment(vertex(a), vertex(b), raster));
                    }
                }
            }
        }
    }
}

/// A place moved by so many pixels.
fn moved(vertex: &Varying, pixels: Vec2, raster: Vec2) -> Varying {
    let shift = 2.0 * pixels / raster * vertex.clip.w;
    Varying { clip: vertex.clip + Vec4::new(shift.x, shift.y, 0.0, 0.0), ..*vertex }
}

fn square(point: &Varying, half: f32, raster: Vec2) -> [Varying; 4] {
    [[-half, -half], [half, -half], [half, half], [-half, half]].map(|by| moved(point, by.into(), raster))
}

fn segment(a: &Varying, b: &Varying, raster: Vec2) -> [Varying; 4] {
    let (a, b) = (clipped(a, b), clipped(b, a));
    let place = |v: &Varying| v.clip.truncate().truncate() / v.clip.w;
    let along = ((place(&b) - place(&a)) * raster).normalize_or_zero();
    let side = 0.5 * Vec2::new(-along.y, along.x);
    [moved(&a, -side, raster), moved(&a, side, raster), moved(&b, side, raster), moved(&b, -side, raster)]
}

/// The end of a segment, or where it passes the near plane if the end lies before that and the other does not.
fn clipped(end: &Varying, other: &Varying) -> Varying {
    if end.clip.z >= 0.0 || other.clip.z < 0.0 {
        return *end;
    }
    let t = end.clip.z / (end.clip.z - other.clip.z);
    Varying::mean([end, other, other], [1.0 - t, t, 0.0])
}
