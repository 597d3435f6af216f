//! Which triangle lies behind the centre of each pixel, and where on it.
//!
//! With p₀, p₁, p₂ the corners' (x, y, w) in clip space and P = (X, Y, 1) a point of the picture in NDC,
//!
//! ```text
//! eᵢ = P · (pⱼ × pₖ)        bᵢ = eᵢ / (e₀ + e₁ + e₂)        Σ e = det(p₀ p₁ p₂) / w
//! ```
//!
//! b are the barycentric coordinates on the triangle itself, perspective and all; P is inside where all eᵢ have the determinant's sign. Nothing is
//! divided by a corner's w, so corners may lie behind the camera and nothing is clipped.

/// A triangle's eᵢ as planes over the picture, turned so that they are positive inside.
pub(super) struct EdgePlanes {
    /// Coefficients of X, Y, 1 of each.
    pub edges: [[f64; 3]; 3],
    /// Whether the corners run counter-clockwise.
    pub front: bool,
    /// Clip coordinates z of the corners, and w.
    depths: [[f64; 2]; 3],
    /// In NDC: least x, least y, most x, most y.
    bounds: [f64; 4],
}

/// What a pixel's centre meets.
#[derive(Clone, Copy)]
pub(super) struct PixelHit {
    pub triangle: usize,
    pub barycentric: [f64; 3],
    /// z / w
    pub depth: f64,
    /// e₀ + e₁ + e₂ without the sign of the planes.
    sum: f64,
}

pub(super) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// x, y, w of a vertex in clip space.
pub(super) fn flat(v: [f64; 4]) -> [f64; 3] {
    [v[0], v[1], v[3]]
}

/// The centre of a pixel in NDC, whose y points up.
pub(super) fn centre(pixel: usize, [width, height]: [usize; 2]) -> [f64; 3] {
    let (x, y) = (pixel % width, pixel / width);
    [(2 * x + 1) as f64 / width as f64 - 1.0, 1.0 - (2 * y + 1) as f64 / height as f64, 1.0]
}

impl EdgePlanes {
    /// The planes of a triangle; `None` for one that is seen edge on, or behind the camera, or not finite.
    pub fn new(corners: [[f64; 4]; 3]) -> Option<Self> {
        let p = corners.map(flat);
        let determinant = dot(p[0], cross(p[1], p[2]));
        let finite = corners.iter().flatten().all(|x| x.is_finite());
        if !finite || determinant == 0.0 || corners.iter().all(|v| v[3] <= 0.0) {
            return None;
        }
        let sign = determinant.signum();
        let edges = [cross(p[1], p[2]), cross(p[2], p[0]), cross(p[0], p[1])].map(|e| e.map(|x| sign * x));
        let whole = [-1.0, -1.0, 1.0, 1.0];
        let bounds = if corners.iter().any(|v| v[3] <= 0.0) {
            whole
        } else {
            corners.iter().fold([1.0_f64, 1.0, -1.0, -1.0], |b, v| {
                let (x, y) = (v[0] / v[3], v[1] / v[3]);
                [b[0].min(x).max(-1.0), b[1].min(y).max(-1.0), b[2].max(x).min(1.0), b[3].max(y).min(1.0)]
            })
        };
        Some(Self { edges, front: determinant > 0.0, depths: corners.map(|v| [v[2], v[3]]), bounds })
    }

    /// What lies behind a point, if the triangle does.
    fn hit(&self, point: [f64; 3], triangle: usize) -> Option<PixelHit> {
        let e = self.edges.map(|edge| dot(edge, point));
        let sum = e[0] + e[1] + e[2];
        if !(e.iter().all(|&x| x >= 0.0) && sum > 0.0) {
            return None;
        }
        let barycentric = e.map(|x| x / sum);
        let at = |k: usize| (0..3).map(|i| barycentric[i] * self.depths[i][k]).sum::<f64>();
        let depth = at(0) / at(1);
        let sign = if self.front { 1.0 } else { -1.0 };
        (0.0..=1.0).contains(&depth).then_some(PixelHit { triangle, barycentric, depth, sum: sign * sum })
    }
}

impl PixelHit {
    /// Hands the cotangents of the corners' (x, y, w) to `add`, from those of the barycentric coordinates:
    /// ēᵢ = (b̄ᵢ − Σ b̄ₖ bₖ) / Σ e, and of eᵢ = P · (pⱼ × pₖ) follow p̄ⱼ = ēᵢ pₖ × P and p̄ₖ = ēᵢ P × pⱼ.
    pub fn backward(&self, corners: [[f64; 4]; 3], point: [f64; 3], bar: [f64; 3], mut add: impl FnMut(usize, [f64; 3])) {
        let mean = dot(bar, self.barycentric);
        for i in 0..3 {
            edge_backward(corners, i, point, (bar[i] - mean) / self.sum, &mut add);
        }
    }
}

/// The cotangents of two corners from that of eᵢ at a point.
pub(super) fn edge_backward(corners: [[f64; 4]; 3], i: usize, point: [f64; 3], bar: f64, add: &mut impl FnMut(usize, [f64; 3])) {
    let (j, k) = ((i + 1) % 3, (i + 2) % 3);
    add(j, cross(flat(corners[k]), point).map(|x| bar * x));
    add(k, cross(point, flat(corners[j])).map(|x| bar * x));
}

/// The nearest hit of every pixel; of two at the same depth the first triangle's.
pub(super) fn hits(planes: &[Option<EdgePlanes>], size: [usize; 2]) -> Vec<Option<PixelHit>> {
    let [width, height] = size;
    let mut hits: Vec<Option<PixelHit>> = vec![None; width * height];
    for (triangle, planes) in planes.iter().enumerate() {
        let Some(planes) = planes else { continue };
        let [left, low, right, high] = planes.bounds;
        // Pixels whose centres may be inside; a cast of a negative number is 0.
        let columns =
            (0.5 * (left + 1.0) * width as f64 - 0.5).floor() as usize..=(0.5 * (right + 1.0) * width as f64).ceil() as usize;
        let rows =
            (0.5 * (1.0 - high) * height as f64 - 0.5).floor() as usize..=(0.5 * (1.0 - low) * height as f64).ceil() as usize;
        for y in rows.clone().take_while(|&y| y < height) {
            for x in columns.clone().take_while(|&x| x < width) {
                let pixel = y * width + x;
                let Some(hit) = planes.hit(centre(pixel, size), triangle) else { continue };
                if hits[pixel].is_none_or(|before| hit.depth < before.depth) {
                    hits[pixel] = Some(hit);
                }
            }
        }
    }
    hits
}
