//! Lenses: which pixel a ray meets, and which ray a pixel, for the eighteen camera models of COLMAP.
//!
//! Directions here are as files have them: x to the right, y down, z forward. The centre of the upper left pixel is at (0.5, 0.5).
//!
//! # Source
//! Brown (1966), decentering distortion; Devernay and Faugeras (2001), FOV; Fitzgibbon (2001), division; Kannala and Brandt (2006), fisheye;
//! Khomutenko, Garcia and Martinet (2016), EUCM. Numbers and their order are those of COLMAP.

use std::f64::consts::PI;

use monotile::{Error, Result};

use super::lens_model::LensModel;
use LensModel as M;

/// Rays and pixels of a lens.
pub trait PixelRays {
    /// Where a direction of any length meets the picture's plane, which goes on beyond its edges; none if the lens does not see it.
    fn pixel(&self, direction: [f64; 3]) -> Option<[f64; 2]>;
    /// The direction, of length 1, whose pixel this is; none if there is none.
    fn ray(&self, pixel: [f64; 2]) -> Option<[f64; 3]>;
}

/// The most pixels a side of what a lens sees; pictures of it may be smaller.
const MOST_SIDE: usize = 1 << 20;

/// The most numbers that follow focal lengths and centre.
const MOST: usize = 12;

/// A lens, for a picture of some size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CaptureLens {
    /// Its kind.
    pub model: LensModel,
    /// Pixels a row of the picture.
    pub width: usize,
    /// Rows of the picture.
    pub height: usize,
    /// fx, fy, cx, cy in pixels.
    pub intrinsics: [f64; 4],
    /// The numbers that follow; 0 where the model has fewer.
    distortion: [f64; MOST],
    /// How far from the centre of the plane the distortion still grows.
    reach: f64,
}

impl CaptureLens {
    /// A lens without distortion.
    #[track_caller]
    pub fn pinhole(size: [usize; 2], intrinsics: [f64; 4]) -> Result<Self> {
        Self::new(LensModel::Pinhole, size, &intrinsics)
    }

    /// A lens of a model, with as many numbers as it has.
    ///
    /// # Errors
    /// Another count of numbers; numbers that are not finite; a focal length that is not above 0; a picture without pixels, or of more than 1,048,576 a side.
    #[track_caller]
    pub fn new(model: LensModel, [width, height]: [usize; 2], numbers: &[f64]) -> Result<Self> {
        let name = model.name();
        if numbers.len() != model.numbers() {
            return Err(Error::value(format!("a camera {name} has {} numbers, got {}", model.numbers(), numbers.len())));
        }
        if let Some(odd) = numbers.iter().find(|x| !x.is_finite()) {
            return Err(Error::value(format!("a camera {name} has numbers that are finite, got {odd}")));
        }
        if width == 0 || height == 0 || width > MOST_SIDE || height > MOST_SIDE {
            let words = format!("a camera has a picture of 1 to {MOST_SIDE} pixels a side, got {width} x {height}");
            return Err(Error::value(words));
        }
        let (intrinsics, rest) = match numbers {
            // All around: 2π of longitude take the width, π of latitude the height.
            &[w, h] => ([0.5 * w / PI, h / PI, 0.5 * w, 0.5 * h], &[][..]),
            [f, cx, cy, rest @ ..] if model.has_one_focal_length() => ([*f, *f, *cx, *cy], rest),
            [fx, fy, cx, cy, rest @ ..] => ([*fx, *fy, *cx, *cy], rest),
            _ => unreachable!("every model has numbers"),
        };
        if let Some(odd) = intrinsics[..2].iter().find(|&&f| !(f > 0.0)) {
            return Err(Error::value(format!("a camera {name} has focal lengths above 0, got {odd}")));
        }
        let mut distortion = [0.0; MOST];
        distortion[..rest.len()].copy_from_slice(rest);
        let mut lens = Self { model, width, height, intrinsics, distortion, reach: f64::INFINITY };
        lens.reach = lens.reach();
        Ok(lens)
    }

    /// The numbers, as files have them.
    pub fn numbers(&self) -> Vec<f64> {
        let [fx, fy, cx, cy] = self.intrinsics;
        if self.model == M::Equirectangular {
            return vec![2.0 * cx, 2.0 * cy];
        }
        let head = if self.model.has_one_focal_length() { vec![fx, cx, cy] } else { vec![fx, fy, cx, cy] };
        [&head, self.distortion()].concat()
    }

    /// The numbers that follow focal lengths and centre.
    pub(super) fn distortion(&self) -> &[f64] {
        &self.distortion[..self.model.rest()]
    }

    /// The lens as a model of two focal lengths, with what follows.
    #[track_caller]
    pub(super) fn of_distortion(model: LensModel, size: [usize; 2], intrinsics: [f64; 4], rest: &[f64]) -> Result<Self> {
        let [fx, fy, cx, cy] = intrinsics;
        let head = match model {
            M::Equirectangular => size.map(|side| side as f64).to_vec(),
            _ if model.has_one_focal_length() => vec![fx, cx, cy],
            _ => intrinsics.to_vec(),
        };
        let mut lens = Self::new(model, size, &[&head, rest].concat())?;
        // One of two lengths that are the same but for a rounding stays with its model.
        lens.intrinsics = if model == M::Equirectangular { lens.intrinsics } else { intrinsics };
        if fy != fx && model.has_one_focal_length() {
            lens = lens.two_lengths();
        }
        Ok(lens)
    }

    /// Whether straight lines are straight in its pictures.
    pub fn is_pinhole(&self) -> bool {
        match self.model {
            M::SimplePinhole | M::Pinhole => true,
            M::SimpleRadial | M::Radial | M::OpenCv | M::FullOpenCv | M::SimpleDivision | M::Division => {
                self.distortion == [0.0; MOST]
            }
            _ => false,
        }
    }

    /// The same lens before a picture of another size.
    pub fn resized(&self, [width, height]: [usize; 2]) -> Self {
        let (x, y) = (width as f64 / self.width as f64, height as f64 / self.height as f64);
        let [fx, fy, cx, cy] = self.intrinsics;
        let lens = Self { width, height, intrinsics: [fx * x, fy * y, cx * x, cy * y], ..*self };
        if x == y { lens } else { lens.two_lengths() }
    }

    /// The same, where one number was both focal lengths, as a model that has two.
    fn two_lengths(self) -> Self {
        let model = match self.model {
            M::SimplePinhole => M::Pinhole,
            M::SimpleFisheye => M::Fisheye,
            M::SimpleDivision => M::Division,
            M::SimpleRadial | M::Radial => M::OpenCv,
            M::SimpleRadialFisheye | M::RadialFisheye => M::OpenCvFisheye,
            model => model,
        };
        Self { model, ..self }
    }

    /// A point of the plane before distortion to one behind it.
    fn distorted(&self, [u, v]: [f64; 2]) -> [f64; 2] {
        let d = &self.distortion;
        let (uu, uv, vv) = (u * u, u * v, v * v);
        let r2 = uu + vv;
        let even = |k: &[f64]| k.iter().rev().fold(0.0, |sum, k| r2 * (k + sum));
        let radial = |k: &[f64]| [u * (1.0 + even(k)), v * (1.0 + even(k))];
        match self.model {
            M::SimplePinhole | M::Pinhole | M::SimpleFisheye | M::Fisheye | M::Eucm | M::Equirectangular => [u, v],
            M::SimpleRadial | M::SimpleRadialFisheye => radial(&d[..1]),
            M::Radial | M::RadialFisheye => radial(&d[..2]),
            M::OpenCvFisheye => radial(&d[..4]),
            M::OpenCv => {
                let [a, b] = radial(&d[..2]);
                let [p1, p2] = [d[2], d[3]];
                [a + 2.0 * p1 * uv + p2 * (r2 + 2.0 * uu), b + 2.0 * p2 * uv + p1 * (r2 + 2.0 * vv)]
            }
            M::FullOpenCv => {
                let [p1, p2] = [d[2], d[3]];
                let scale = (1.0 + even(&[d[0], d[1], d[4]])) / (1.0 + even(&d[5..8]));
                [u * scale + 2.0 * p1 * uv + p2 * (r2 + 2.0 * uu), v * scale + 2.0 * p2 * uv + p1 * (r2 + 2.0 * vv)]
            }
            M::ThinPrismFisheye => {
                let [a, b] = radial(&[d[0], d[1], d[4], d[5]]);
                let [p1, p2] = [d[2], d[3]];
                let tangential = [2.0 * p1 * uv + p2 * (r2 + 2.0 * uu), 2.0 * p2 * uv + p1 * (r2 + 2.0 * vv)];
                [a + tangential[0] + d[6] * r2, b + tangential[1] + d[7] * r2]
            }
            M::RadTanThinPrismFisheye => {
                let [a, b] = radial(&d[..6]);
                let [p0, p1] = [d[6], d[7]];
                let q2 = a * a + b * b;
                let dot = 2.0 * (a * p0 + b * p1);
                [a + dot * a + q2 * p0 + d[8] * q2 + d[9] * q2 * q2, b + dot * b + q2 * p1 + d[10] * q2 + d[11] * q2 * q2]
            }
            M::FieldOfView => {
                // r' = atan(2 r tan(ω/2)) / ω; its limit at ω = 0 is r, at r = 0 2 tan(ω/2) / ω.
                let (omega, r) = (d[0], r2.sqrt());
                let scale = match omega.abs() < 1e-9 {
                    true => 1.0,
                    false if r < 1e-9 => 2.0 * (0.5 * omega).tan() / omega,
                    false => (2.0 * r * (0.5 * omega).tan()).atan() / (omega * r),
                };
                [u * scale, v * scale]
            }
            M::SimpleDivision | M::Division => {
                // r = r' / (1 + k r'²), solved for the r' that is r at k = 0.
                let scale = 2.0 / (1.0 + (1.0 - 4.0 * d[0] * r2).sqrt());
                [u * scale, v * scale]
            }
        }
    }

    /// The last length on the plane up to which its distorted length grows, looked for in steps along four directions.
    fn reach(&self) -> f64 {
        const STEPS: usize = 2000;
        if self.is_pinhole() {
            return f64::INFINITY;
        }
        let most = if self.model.is_fisheye() { PI } else { 20.0 };
        let mut reach = most;
        for [x, y] in [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]] {
            let mut before = -f64::EPSILON;
            for step in 0..=STEPS {
                let r = most * step as f64 / STEPS as f64;
                let [u, v] = self.distorted([r * x, r * y]);
                let along = u * x + v * y;
                if !(along > before) {
                    reach = reach.min(most * step.saturating_sub(1) as f64 / STEPS as f64);
                    break;
                }
                before = along;
            }
        }
        if reach == most && !self.model.is_fisheye() { f64::INFINITY } else { reach }
    }

    /// The point of the plane whose distorted one this is, by Newton's steps with differences for derivatives.
    fn undistorted(&self, target: [f64; 2]) -> Option<[f64; 2]> {
        const STEPS: usize = 100;
        let off = |at: [f64; 2]| {
            let [u, v] = self.distorted(at);
            [u - target[0], v - target[1]]
        };
        let norm = |[a, b]: [f64; 2]| a.hypot(b);
        let size = norm(target).max(1.0);
        let mut at = match norm(target) {
            r if r > self.reach => target.map(|x| x * self.reach / r),
            _ => target,
        };
        let mut error = off(at);
        for _ in 0..STEPS {
            if norm(error) <= 4.0 * f64::EPSILON * size {
                break;
            }
            let h = 1e-6 * norm(at).max(1e-3);
            let column = |to: [f64; 2], from: [f64; 2]| {
                let (a, b) = (self.distorted(to), self.distorted(from));
                [(a[0] - b[0]) / (2.0 * h), (a[1] - b[1]) / (2.0 * h)]
            };
            let [a, c] = column([at[0] + h, at[1]], [at[0] - h, at[1]]);
            let [b, d] = column([at[0], at[1] + h], [at[0], at[1] - h]);
            let det = a * d - b * c;
            let step = [(d * error[0] - b * error[1]) / det, (a * error[1] - c * error[0]) / det];
            // A step that leads away is halved.
            let mut length = 1.0;
            let better = loop {
                let to = [at[0] - length * step[0], at[1] - length * step[1]];
                let there = off(to);
                if norm(there) < norm(error) {
                    break Some((to, there));
                }
                length *= 0.5;
                if length < 1e-3 {
                    break None;
                }
            };
            let Some(better) = better else { break };
            (at, error) = better;
        }
        (norm(error) <= 1e-12 * size && norm(at) <= self.reach).then_some(at)
    }
}

impl PixelRays for CaptureLens {
    fn pixel(&self, [x, y, z]: [f64; 3]) -> Option<[f64; 2]> {
        let [fx, fy, cx, cy] = self.intrinsics;
        let r = x.hypot(y);
        let plane = match self.model {
            M::Equirectangular if r.hypot(z) > 0.0 => [x.atan2(z), y.atan2(x.hypot(z))],
            M::Equirectangular => return None,
            M::Eucm => {
                let [alpha, beta] = [self.distortion[0], self.distortion[1]];
                let depth = alpha * (beta * r * r + z * z).sqrt() + (1.0 - alpha) * z;
                // Behind this cone two directions would have one pixel.
                let least = if alpha > 0.5 { -(1.0 - alpha) / alpha } else { -alpha / (1.0 - alpha) };
                if !(depth > 0.0 && z > least * (beta * r * r + z * z).sqrt()) {
                    return None;
                }
                [x / depth, y / depth]
            }
            model if model.is_fisheye() => {
                let theta = r.atan2(z);
                let scale = match r {
                    0.0 if z > 0.0 => 0.0,
                    0.0 => return None,
                    _ => theta / r,
                };
                [x * scale, y * scale]
            }
            _ if z > 0.0 => [x / z, y / z],
            _ => return None,
        };
        if !(plane[0].hypot(plane[1]) <= self.reach) {
            return None;
        }
        let [u, v] = self.distorted(plane);
        (u.is_finite() && v.is_finite()).then_some([fx * u + cx, fy * v + cy])
    }

    fn ray(&self, [x, y]: [f64; 2]) -> Option<[f64; 3]> {
        let [fx, fy, cx, cy] = self.intrinsics;
        let distorted = [(x - cx) / fx, (y - cy) / fy];
        let unit = |[x, y, z]: [f64; 3]| {
            let length = x.hypot(y).hypot(z);
            (length > 0.0 && length.is_finite()).then(|| [x / length, y / length, z / length])
        };
        if self.model == M::Equirectangular {
            let [longitude, latitude] = distorted;
            let level = latitude.cos();
            return unit([level * longitude.sin(), latitude.sin(), level * longitude.cos()]);
        }
        if self.model == M::Eucm {
            let [[u, v], [alpha, beta]] = [distorted, [self.distortion[0], self.distortion[1]]];
            let r2 = u * u + v * v;
            let under = 1.0 - (2.0 * alpha - 1.0) * beta * r2;
            let z = (1.0 - beta * alpha * alpha * r2) / (alpha * under.sqrt() + 1.0 - alpha);
            return (under >= 0.0).then(|| unit([u, v, z])).flatten();
        }
        let [u, v] = self.undistorted(distorted)?;
        if !self.model.is_fisheye() {
            return unit([u, v, 1.0]);
        }
        let theta = u.hypot(v);
        let scale = if theta > 0.0 { theta.sin() / theta } else { 1.0 };
        (theta <= PI).then(|| unit([u * scale, v * scale, theta.cos()])).flatten()
    }
}
