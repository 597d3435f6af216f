//! Lines and points as rectangles in the picture's plane, as wide in pixels whatever the distance: lines one, points as a shot says.

use glam::{Vec2, Vec4};

use super::triangle::ScreenTriangle;
use super::vertex::Varying;
use crate::{Primitive, Topology};

/// How strokes become rectangles, in a whole picture.
///
/// A rectangle is two triangles, which keep no vertices of their own: those are computed wherever a tile asks for them.
pub(super) struct Strokes {
    pub size: [usize; 2],
    /// Of points, in pixels.
    pub point_size: f32,
}

/// The second vertex of a point.
const NONE: u32 = u32::MAX;

impl Strokes {
    /// Appends the strokes of a primitive: its lines or points, or the edges of its triangles. Its vertices begin at `first`.
    pub fn add(&self, shape: &Primitive, (first, look): (u32, u32), varyings: &[Varying], triangles: &mut Vec<ScreenTriangle>) {
        let mut stroke = |a: u32, b: u32| {
            for half in [0, 1] {
                let corners = [a, b, half];
                let clip = self.corners(corners, varyings).map(|corner| corner.clip);
                triangles.extend(ScreenTriangle::new(clip, corners, look, self.size).map(|(triangle, _)| triangle.one_sided()));
            }
        };
        match shape.topology {
            Topology::Points => shape.indices.iter().for_each(|&i| stroke(first + i, NONE)),
            Topology::Lines => shape.indices.chunks_exact(2).for_each(|l| stroke(first + l[0], first + l[1])),
            Topology::Triangles => {
                for t in shape.indices.chunks_exact(3) {
                    [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])].into_iter().for_each(|(a, b)| stroke(first + a, first + b));
                }
            }
        }
    }

    /// The corners of half a stroke's rectangle.
    pub fn corners(&self, [a, b, half]: [u32; 3], varyings: &[Varying]) -> [Varying; 3] {
        let raster = Vec2::new(self.size[0] as f32, self.size[1] as f32);
        let vertex = |i: u32| &varyings[i as usize];
        let [a, b, c, d] = match b {
            NONE => square(vertex(a), 0.5 * self.point_size, raster),
            _ => segment(vertex(a), vertex(b), raster),
        };
        if half == 0 { [a, b, c] } else { [a, c, d] }
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
