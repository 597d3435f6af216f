//! Where outlines pass between the centres of neighbouring pixels.
//!
//! Of two neighbours that show different triangles, the nearer triangle ends between them where its edge i crosses the line from its pixel's
//! centre A to the other's, B: with e = eᵢ(A) > 0 and e′ = eᵢ(B) < 0, at the part d = e / (e − e′) of the way. A pixel reaches half of the way,
//! so for d above ½ the other pixel takes the share d − ½ from the nearer one, and below it the nearer one ½ − d from the other. A steep outline is
//! looked for between neighbours in a row, a flat one between those in a column: so the areas that it sweeps are counted once.

use super::cover::{Hit, Planes, centre, dot, pull_edge};

/// A pixel that takes a share from its neighbour.
pub(super) struct Mix {
    pub to: usize,
    pub from: usize,
    pub share: f64,
    /// Whose edge passes between them.
    pub triangle: usize,
    /// The corner opposite that edge.
    edge: usize,
    /// The centres of the nearer triangle's pixel and of the other.
    points: [[f64; 3]; 2],
    /// eᵢ at both, without the sign of the planes.
    values: [f64; 2],
}

impl Mix {
    /// Hands the cotangents of the corners' (x, y, w) to `add`, from that of the share.
    pub fn pull(&self, corners: [[f64; 4]; 3], share_bar: f64, mut add: impl FnMut(usize, [f64; 3])) {
        let [e, beyond] = self.values;
        // d = e / (e − e′); the share is d − ½ or ½ − d.
        let (way, square) = (e / (e - beyond), (e - beyond).powi(2));
        let bar = if way > 0.5 { share_bar } else { -share_bar };
        pull_edge(corners, self.edge, self.points[0], -bar * beyond / square, &mut add);
        pull_edge(corners, self.edge, self.points[1], bar * e / square, &mut add);
    }
}

/// Finds every pair of neighbours that an outline passes between, row by row, each pixel's right neighbour before its lower one.
pub(super) fn each(
    hits: &[Option<Hit>],
    planes: &[Option<Planes>],
    beyond: &[[Option<u32>; 3]],
    size: [usize; 2],
    mut act: impl FnMut(Mix),
) {
    let [width, height] = size;
    for pixel in 0..width * height {
        let right = (pixel % width + 1 < width).then_some(pixel + 1);
        let below = (pixel + width < width * height).then_some(pixel + width);
        for other in [right, below].into_iter().flatten() {
            let (near, far) = match (&hits[pixel], &hits[other]) {
                (Some(a), Some(b)) if a.triangle == b.triangle => continue,
                (Some(a), Some(b)) if b.depth < a.depth => ((other, b), pixel),
                (Some(a), _) => ((pixel, a), other),
                (None, Some(b)) => ((other, b), pixel),
                (None, None) => continue,
            };
            if let Some(mix) = crossing(near, far, planes, beyond, size) {
                act(mix);
            }
        }
    }
}

/// The first edge of the nearer triangle that is an outline and crosses between the centres.
fn crossing(
    (near, hit): (usize, &Hit),
    far: usize,
    planes: &[Option<Planes>],
    beyond: &[[Option<u32>; 3]],
    size: [usize; 2],
) -> Option<Mix> {
    let triangle = hit.triangle;
    let own = planes[triangle].as_ref()?;
    let points = [centre(near, size), centre(far, size)];
    let in_row = near.abs_diff(far) == 1;
    let along = |edge: usize| {
        let [x, y, _] = own.edges[edge];
        let (x, y) = (x.abs() / size[0] as f64, y.abs() / size[1] as f64);
        if in_row { x >= y } else { y > x }
    };
    let outline = |edge: usize| match beyond[triangle][edge] {
        None => true,
        // Where the surface goes on behind the edge, it turns away from the viewer there.
        Some(other) => planes[other as usize].as_ref().is_none_or(|other| other.front != own.front),
    };
    (0..3).filter(|&edge| along(edge) && outline(edge)).find_map(|edge| {
        let e = points.map(|p| dot(own.edges[edge], p));
        if !(e[0] >= 0.0 && e[1] < 0.0) {
            return None;
        }
        let way = e[0] / (e[0] - e[1]);
        let at: [f64; 3] = std::array::from_fn(|k| points[0][k] + way * (points[1][k] - points[0][k]));
        let on_edge = (1..3).all(|i| dot(own.edges[(edge + i) % 3], at) >= 0.0);
        let (to, from, share) = if way > 0.5 { (far, near, way - 0.5) } else { (near, far, 0.5 - way) };
        let sign = if own.front { 1.0 } else { -1.0 };
        let values = e.map(|x| sign * x);
        on_edge.then_some(Mix { to, from, share, triangle, edge, points, values })
    })
}
