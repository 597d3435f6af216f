//! A picture through any lens, drawn again as a pinhole would have seen it.

use monotile::{Error, Result, limits};

use super::decode::Pixels;
use super::lens::{CaptureLens, PixelRays};
use super::lens_model::LensModel;
use super::scale::{each_row, straight};
use crate::camera::MatrixCamera;

/// A pinhole's picture of what a lens saw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PinholeOf {
    /// The lens, before a picture of the file's size.
    pub lens: CaptureLens,
    /// Size of the pinhole's picture.
    pub size: [usize; 2],
    /// Its fx, fy, cx, cy.
    pub intrinsics: [f64; 4],
    /// From the pinhole's directions to the lens's, rows.
    pub rotation: [[f64; 3]; 3],
}

/// How many times as far from the centre a pinhole's picture may reach as the lens's: wide lenses would need pictures without end.
const FARTHEST: f64 = 2.0;
/// Points of each edge that are looked at.
const POINTS: usize = 65;
/// What a panorama is cut into: a name, and the axes of each side, right, down and forward.
pub(super) const SIDES: [(&str, [[f64; 3]; 3]); 6] = [
    ("front", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    ("right", [[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    ("back", [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
    ("left", [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
    ("up", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    ("down", [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
];

impl PinholeOf {
    /// The pinhole with the lens's focal lengths, whose picture is the largest rectangle that is seen everywhere.
    #[track_caller]
    pub fn of(lens: CaptureLens) -> Result<Self> {
        let rotation = SIDES[0].1;
        let (w, h) = (lens.width as f64, lens.height as f64);
        if lens.is_pinhole() {
            return Ok(Self { lens, size: [lens.width, lens.height], intrinsics: lens.intrinsics, rotation });
        }
        if lens.model == LensModel::Equirectangular {
            // A quarter of the way around, to each side.
            let side = (lens.width / 4).max(1);
            let f = 0.5 * side as f64;
            return Ok(Self { lens, size: [side, side], intrinsics: [f; 4], rotation });
        }
        let [fx, fy, cx, cy] = lens.intrinsics;
        let farthest = [-FARTHEST * cx / fx, FARTHEST * (w - cx) / fx, -FARTHEST * cy / fy, FARTHEST * (h - cy) / fy];
        let [mut left, mut right, mut top, mut bottom] = farthest;
        let seen = |x: f64, y: f64| lens.ray([x, y]).filter(|ray| ray[2] > 1e-3).map(|ray| [ray[0] / ray[2], ray[1] / ray[2]]);
        for k in 0..POINTS {
            let part = k as f64 / (POINTS - 1) as f64;
            if let Some([x, _]) = seen(0.0, part * h) {
                left = left.max(x);
            }
            if let Some([x, _]) = seen(w, part * h) {
                right = right.min(x);
            }
            if let Some([_, y]) = seen(part * w, 0.0) {
                top = top.max(y);
            }
            if let Some([_, y]) = seen(part * w, h) {
                bottom = bottom.min(y);
            }
        }
        let most = MatrixCamera::MOST_SIDE as f64;
        let [width, height] = [fx * (right - left), fy * (bottom - top)].map(|x| (x + 1e-6).floor().min(most));
        if !(width >= 1.0 && height >= 1.0) {
            let name = lens.model.name();
            return Err(Error::value(format!("a camera {name} of these numbers has no rectangle that it sees everywhere")));
        }
        Ok(Self { lens, size: [width as usize, height as usize], intrinsics: [fx, fy, -fx * left, -fy * top], rotation })
    }

    /// Whether the picture is the file's own.
    pub fn is_file(&self) -> bool {
        self.lens.is_pinhole()
    }

    /// Where a pixel of the pinhole's picture is in the file's.
    fn place(&self, x: usize, y: usize) -> Option<[f64; 2]> {
        let [fx, fy, cx, cy] = self.intrinsics;
        let ray = [(x as f64 + 0.5 - cx) / fx, (y as f64 + 0.5 - cy) / fy, 1.0];
        let axes = &self.rotation;
        let direction = [0, 1, 2].map(|k| (0..3).map(|axis| axes[axis][k] * ray[axis]).sum::<f64>());
        let [u, v] = self.lens.pixel(direction)?;
        let (w, h) = (self.lens.width as f64, self.lens.height as f64);
        // An edge may bend by so much between the points that were looked at; its pixels are as wide.
        let slack = 0.25;
        (u >= -slack && u <= w + slack && v >= -slack && v <= h + slack).then_some([u, v])
    }

    /// The pinhole's picture, and whether all of it was seen; what was not is 0.
    ///
    /// Between pixels it is bilinear, of colours that count by their alpha.
    #[track_caller]
    pub fn draw(&self, file: &Pixels) -> Result<(Pixels, Vec<bool>)> {
        let (w, h) = (file.width, file.height);
        let around = self.lens.model == LensModel::Equirectangular;
        let [width, height] = self.size;
        limits::PIXELS.admit(format!("a picture without distortion of {width} x {height}"), width as u64 * height as u64)?;
        let mut drawn = Pixels::zeros(self.size)?;
        each_row(&mut drawn, |y, out| {
            for (x, out) in out.chunks_exact_mut(4).enumerate() {
                let Some([u, v]) = self.place(x, y) else {
                    // Told apart from what is transparent.
                    out[3] = -1.0;
                    continue;
                };
                let (u, v) = (u - 0.5, (v - 0.5).clamp(0.0, (h - 1) as f64));
                // A panorama's last column stands beside its first.
                let u = if around { u } else { u.clamp(0.0, (w - 1) as f64) };
                let (left, top) = (u.floor(), v.floor());
                let (s, t) = ((u - left) as f32, (v - top) as f32);
                let column = |k: f64| if around { k.rem_euclid(w as f64) as usize } else { (k as usize).min(w - 1) };
                let (left, right, top) = (column(left).min(w - 1), column(left + 1.0).min(w - 1), top as usize);
                let bottom = (top + 1).min(h - 1);
                for (column, row, weight) in [
                    (left, top, (1.0 - s) * (1.0 - t)),
                    (right, top, s * (1.0 - t)),
                    (left, bottom, (1.0 - s) * t),
                    (right, bottom, s * t),
                ] {
                    let p = &file.rgba[4 * (row * w + column)..][..4];
                    let by_alpha = weight * p[3];
                    (0..3).for_each(|k| out[k] += by_alpha * p[k]);
                    out[3] += by_alpha;
                }
                straight(out);
            }
        });
        let seen = drawn.rgba.chunks_exact(4).map(|p| p[3] >= 0.0).collect();
        drawn.rgba.chunks_exact_mut(4).filter(|p| p[3] < 0.0).for_each(|p| p[3] = 0.0);
        Ok((drawn, seen))
    }
}
