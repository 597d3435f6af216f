//! Where outlines pass between the centres of neighbouring pixels.
//!
//! Of two neighbours that show different triangles, the nearer triangle ends between them where its edge i crosses the line from its pixel's
//! centre A to the other's, B: with e = eᵢ(A) > 0 and e′ = eᵢ(B) < 0, at the part d = e / (e − e′) of the way. A pixel reaches half of the way,
//! so for d above ½ the other pixel takes the share d − ½ from the nearer one, and below it the nearer one ½ − d from the other. A steep outline is
//! looked for between neighbours in a row, a flat one between those in a column: so the areas that it sweeps are counted once. Where triangles are smaller
//! than pixels the edge is that of another triangle: it is found by going over the surface.

use super::cover::{EdgePlanes, PixelHit, centre, dot, edge_backward};

/// Triangles that lie between the centres of two neighbours, at most.
const FARTHEST: usize = 64;

/// A pixel that takes a share from its neighbour.
pub(super) struct EdgeBlend {
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

impl EdgeBlend {
    /// Hands the cotangents of the corners' (x, y, w) to `add`, from that of the share.
    pub fn backward(&self, corners: [[f64; 4]; 3], share_bar: f64, mut add: impl FnMut(usize, [f64; 3])) {
        let [e, beyond] = self.values;
        // d = e / (e − e′); the share is d − ½ or ½ − d.
        let (way, square) = (e / (e - beyond), (e - beyond).powi(2));
        let bar = if way > 0.5 { share_bar } else { -share_bar };
        edge_backward(corners, self.edge, self.points[0], -bar * beyond / square, &mut add);
        edge_backward(corners, self.edge, self.points[1], bar * e / square, &mut add);
    }
}

/// Finds every pair of neighbours that an outline passes between, row by row, each pixel's right neighbour before its lower one.
pub(super) fn each(
    hits: &[Option<PixelHit>],
    planes: &[Option<EdgePlanes>],
    beyond: &[[Option<u32>; 3]],
    size: [usize; 2],
    mut act: impl FnMut(EdgeBlend),
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

/// Goes over the surface from the nearer pixel's centre towards the other's, triangle by triangle, to the edge behind which it ends or turns away.
fn crossing(
    (near, hit): (usize, &PixelHit),
    far: usize,
    planes: &[Option<EdgePlanes>],
    beyond: &[[Option<u32>; 3]],
    size: [usize; 2],
) -> Option<EdgeBlend> {
    let points = [centre(near, size), centre(far, size)];
    let (mut triangle, mut from) = (hit.triangle, None);
    for _ in 0..FARTHEST {
        let own = planes[triangle].as_ref()?;
        let values = own.edges.map(|edge| points.map(|p| dot(edge, p)));
        let way = |edge: usize| values[edge][0] / (values[edge][0] - values[edge][1]);
        // Of the edges that the way goes out through the first; it does not go back.
        let leaves = (0..3).filter(|&edge| values[edge][0] > values[edge][1] && (from.is_none() || beyond[triangle][edge] != from));
        let edge = leaves.min_by(|&a, &b| way(a).total_cmp(&way(b)))?;
        let e = values[edge];
        if !(e[0] >= 0.0 && e[1] < 0.0) {
            return None;
        }
        let onward =
            beyond[triangle][edge].filter(|&next| planes[next as usize].as_ref().is_some_and(|next| next.front == own.front));
        if let Some(next) = onward {
            (from, triangle) = (Some(triangle as u32), next as usize);
            continue;
        }
        let [x, y] = [0, 1].map(|axis| own.edges[edge][axis].abs() / size[axis] as f64);
        let way = way(edge);
        let (to, from, share) = if way > 0.5 { (far, near, way - 0.5) } else { (near, far, 0.5 - way) };
        let sign = if own.front { 1.0 } else { -1.0 };
        let in_row = near.abs_diff(far) == 1;
        let mix = EdgeBlend { to, from, share, triangle, edge, points, values: e.map(|x| sign * x) };
        return (in_row == (x >= y)).then_some(mix);
    }
    None
}
