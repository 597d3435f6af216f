//! Triangles as functions of the place in the picture.
//!
//! With p the corners' (x, y, w) in pixels times w, and P = (X, Y, 1) a place in the picture, eᵢ = P · (pⱼ × pₖ) turned to be positive inside. Two
//! triangles that share an edge have exactly opposite e on it, whatever rounding does, so that no sample falls between them and none is counted
//! twice. b = e / Σ e are barycentric coordinates on the triangle itself. Nothing is divided by a corner's w, so nothing needs to be clipped: what
//! is before the near plane or behind the far one fails the test of depth.

use glam::Vec4;

/// A triangle in the picture.
#[derive(Clone, Copy)]
pub(super) struct ScreenTriangle {
    /// Its vertices.
    pub corners: [u32; 3],
    /// How it looks.
    pub look: u32,
    /// The place of its functions; half a stroke has [`STROKE`], and two vertices and its half in `corners`.
    pub functions: u32,
    /// The first column and row of pixels that it may touch, and the ends.
    bounds: [u32; 4],
    /// Whether its outside is seen.
    pub front: bool,
}

/// The place of functions that are computed anew wherever they are needed.
pub(super) const STROKE: u32 = u32::MAX;

/// The functions of a triangle over the picture.
#[derive(Clone, Copy)]
pub(super) struct EdgeFunctions {
    /// Coefficients of X, Y and 1 of each eᵢ.
    edges: [[f64; 3]; 3],
    /// The same of depth.
    depth: [f64; 3],
}

/// The functions of a triangle near a tile: X and Y count from its corner.
#[derive(Clone, Copy)]
pub(super) struct TileEdgeFunctions {
    pub edges: [[f32; 3]; 3],
    pub depth: [f32; 3],
    /// The least e that counts as inside: of two triangles on both sides of a line one has the samples on it.
    pub least: [f32; 3],
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

impl ScreenTriangle {
    /// The triangle between these places in clip space; `None` where it cannot be seen: edge on, outside the picture, or not finite.
    pub fn new(clip: [Vec4; 3], corners: [u32; 3], look: u32, [width, height]: [usize; 2]) -> Option<(Self, EdgeFunctions)> {
        let outside = |f: &dyn Fn(&Vec4) -> bool| clip.iter().all(f);
        let unseen = outside(&|v| v.x > v.w)
            || outside(&|v| v.x < -v.w)
            || outside(&|v| v.y > v.w)
            || outside(&|v| v.y < -v.w)
            || outside(&|v| v.z < 0.0)
            || outside(&|v| v.z > v.w);
        if unseen || clip.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let half = [0.5 * width as f64, 0.5 * height as f64];
        let p = clip.map(|v| {
            let [x, y, _, w] = v.to_array().map(f64::from);
            [(x + w) * half[0], (w - y) * half[1], w]
        });
        let edges = [cross(p[1], p[2]), cross(p[2], p[0]), cross(p[0], p[1])];
        let determinant: f64 = (0..3).map(|k| p[0][k] * edges[0][k]).sum();
        if determinant == 0.0 || !determinant.is_finite() {
            return None;
        }
        let sign = determinant.signum();
        let edges = edges.map(|e| e.map(|x| sign * x));
        let z = clip.map(|v| f64::from(v.z));
        let depth = std::array::from_fn(|k| (0..3).map(|i| edges[i][k] * z[i]).sum::<f64>() / determinant.abs());
        let mut bounds = [0, 0, width, height];
        if clip.iter().all(|v| v.w > 0.0) {
            let range = |axis: usize, size: usize| {
                let at = p.map(|p| p[axis] / p[2]);
                let (low, high) = (at.iter().copied().fold(f64::MAX, f64::min), at.iter().copied().fold(f64::MIN, f64::max));
                // A cast of a negative number is 0.
                (low.floor() as usize, (high.ceil().max(0.0) as usize).min(size))
            };
            let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
            bounds = [left, top, right, bottom];
        }
        // Rows count downwards, so that what is counter-clockwise in the world is clockwise here.
        let front = determinant < 0.0;
        let triangle = Self { corners, look, functions: STROKE, bounds: bounds.map(|pixel| pixel as u32), front };
        (bounds[0] < bounds[2] && bounds[1] < bounds[3]).then_some((triangle, EdgeFunctions { edges, depth }))
    }

    /// The first column and row of pixels that it may touch, and the ends.
    pub fn bounds(&self) -> [usize; 4] {
        self.bounds.map(|pixel| pixel as usize)
    }

    /// With the outside on the other side where the mesh is mirrored.
    pub fn facing(self, mirrored: bool) -> Self {
        Self { front: self.front != mirrored, ..self }
    }

    /// With its outside seen, whichever way it runs.
    pub fn one_sided(self) -> Self {
        Self { front: true, ..self }
    }
}

impl EdgeFunctions {
    /// The same from a pixel's corner on.
    pub fn local(&self, [x, y]: [usize; 2]) -> TileEdgeFunctions {
        let shifted = |[a, b, c]: [f64; 3]| [a as f32, b as f32, (a * x as f64 + b * y as f64 + c) as f32];
        // Of two opposite functions exactly one has this sign.
        let closed = |[a, b, _]: [f64; 3]| a > 0.0 || (a == 0.0 && b > 0.0);
        let least = self.edges.map(|e| if closed(e) { 0.0 } else { f32::from_bits(1) });
        TileEdgeFunctions { edges: self.edges.map(shifted), depth: shifted(self.depth), least }
    }
}

impl TileEdgeFunctions {
    /// Whether some of a square of pixels from the origin on may be inside.
    pub fn touches(&self, side: f32) -> bool {
        self.edges.iter().all(|[a, b, c]| a.max(0.0) * side + b.max(0.0) * side + c >= 0.0)
    }
}
