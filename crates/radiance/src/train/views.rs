//! The views that a run learns from, with their pictures in memory.

use monotile::tape::grad;
use monotile::transform::se3_exp;
use monotile::{DType, Error, Result, Tensor};
use monotile_kernels::splat::CameraRows;

use crate::camera::{MatrixCamera, camera_rows};
use crate::capture::CaptureView;
use crate::project::ProjectOptions;

/// A view, its picture and its camera.
pub(crate) struct LoadedView {
    pub name: String,
    /// Its number among all views of a run.
    pub number: usize,
    pub camera: MatrixCamera,
    pub width: usize,
    pub height: usize,
    /// `(height, width, 4)`: straight colours and coverage.
    pub rgba: Vec<f32>,
    pub opaque: bool,
    pub mask: Option<Vec<f32>>,
}

impl LoadedView {
    /// Reads the picture of a view, which is of this number in its run.
    #[track_caller]
    pub(crate) fn read(view: &CaptureView, number: usize) -> Result<Self> {
        let picture = view.picture()?;
        let (width, height) = (view.width, view.height);
        if picture.rgba.shape() != [height, width, 4] {
            let shape = picture.rgba.shape();
            return Err(Error::shape(format!(
                "splat train: the picture of {} is [{height}, {width}, 4], got {shape:?}",
                view.name
            )));
        }
        let rgba = picture.rgba.to_dtype(DType::F32)?.to_vec::<f32>()?;
        if rgba.iter().any(|x| !x.is_finite()) {
            return Err(Error::value(format!("splat train: the picture of {} has a number that is not finite", view.name)));
        }
        let mask = picture.mask.map(|mask| mask.to_dtype(DType::F32).and_then(|mask| mask.to_vec::<f32>())).transpose()?;
        if mask.as_ref().is_some_and(|mask| mask.len() != width * height) {
            return Err(Error::shape(format!("splat train: the mask of {} is not of its picture's size", view.name)));
        }
        let opaque = rgba.chunks_exact(4).all(|pixel| pixel[3] >= 1.0);
        Ok(Self { name: view.name.clone(), number, camera: view.camera()?, width, height, rgba, opaque, mask })
    }

    /// The view on a picture of half as many columns and rows: colours are means of what covers, as the same camera sees them from as far.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut rgba = Vec::with_capacity(4 * width * height);
        let mut mask = self.mask.as_ref().map(|_| Vec::with_capacity(width * height));
        for i in 0..width * height {
            let (mut sum, mut least) = ([0.0; 4], 1.0_f32);
            for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                // The last of an odd number stands twice.
                let (y, x) = ((2 * (i / width) + y).min(self.height - 1), (2 * (i % width) + x).min(self.width - 1));
                let pixel = &self.rgba[4 * (y * self.width + x)..][..4];
                (0..3).for_each(|k| sum[k] += pixel[k] * pixel[3]);
                sum[3] += pixel[3];
                least = least.min(self.mask.as_ref().map_or(1.0, |mask| mask[y * self.width + x]));
            }
            let straight = |x: f32| if sum[3] > 0.0 { x / sum[3] } else { 0.0 };
            rgba.extend([straight(sum[0]), straight(sum[1]), straight(sum[2]), 0.25 * sum[3]]);
            mask.iter_mut().for_each(|mask| mask.push(least));
        }
        let camera = MatrixCamera { width, height, ..self.camera.clone() };
        Self { name: self.name.clone(), number: self.number, camera, width, height, rgba, opaque: self.opaque, mask }
    }

    /// What the kernels read of the camera, moved by a twist about `center`; and the twist's gradient from that of these numbers.
    #[track_caller]
    pub(crate) fn camera_rows(&self, options: &ProjectOptions, pose: Option<(&[f64; 6], [f64; 3])>) -> Result<PosedCamera> {
        let mut camera = self.camera.clone();
        let twist = match pose {
            None => None,
            Some((twist, center)) => {
                let twist = Tensor::from_slice(twist, &[6])?.requires_grad();
                camera.view_from_world = posed(&self.camera.view_from_world, &twist, center)?;
                Some(twist)
            }
        };
        let rows = camera.rows("splat train", options.directions, options.limits)?;
        Ok(PosedCamera { numbers: camera_rows("splat train", &rows)?, rows, twist })
    }

    /// The camera moved by a twist.
    #[track_caller]
    pub(crate) fn moved(&self, twist: &[f64; 6], center: [f64; 3]) -> Result<MatrixCamera> {
        let view_from_world = posed(&self.camera.view_from_world, &Tensor::from_slice(twist, &[6])?, center)?;
        Ok(MatrixCamera { view_from_world, ..self.camera.clone() })
    }

    /// The way to `center` from the middle of what the view shows, at a mean depth, moved by a twist about `center`.
    pub(crate) fn lever(&self, twist: &[f64; 6], center: [f64; 3], depth: Option<f64>) -> Result<[f64; 3]> {
        let Some(depth) = depth else { return Ok([0.0; 3]) };
        let cone = ViewCone::of(&self.moved(twist, center)?)?;
        Ok([0, 1, 2].map(|k| center[k] - cone.place[k] - depth * cone.ahead[k]))
    }

    /// The middle pixel's line of sight: the camera's place, and where it looks.
    pub(crate) fn sight(&self) -> Result<ViewCone> {
        ViewCone::of(&self.camera)
    }
}

/// Where a camera stands, and how it sees.
pub(crate) struct ViewCone {
    pub place: [f64; 3],
    pub ahead: [f64; 3],
    /// Tangents of half of the angles of view.
    pub half: [f64; 2],
    v: Vec<f64>,
    p: Vec<f64>,
}

impl ViewCone {
    pub(crate) fn of(camera: &MatrixCamera) -> Result<Self> {
        let v = camera.view_from_world.to_f64_vec()?;
        let p = camera.clip_from_view.to_f64_vec()?;
        let place = [0, 1, 2].map(|k| -(0..3).map(|i| v[4 * i + k] * v[4 * i + 3]).sum::<f64>());
        let ahead = [0, 1, 2].map(|k| -v[8 + k]);
        let half = [p[0], p[5]].map(|focal| 1.0 / focal.abs().max(1e-9));
        Ok(Self { place, ahead, half, v, p })
    }

    /// Where a point is on the picture, in halves from -1 to 1, x to the right and y up; none if it is not before the camera.
    pub(crate) fn project(&self, point: [f64; 3]) -> Option<[f64; 2]> {
        let row = |m: &[f64], k: usize, x: [f64; 4]| (0..4).map(|i| m[4 * k + i] * x[i]).sum::<f64>();
        let world = [point[0], point[1], point[2], 1.0];
        let view = [row(&self.v, 0, world), row(&self.v, 1, world), row(&self.v, 2, world), 1.0];
        let w = row(&self.p, 3, view);
        (w > 0.0 && view[2] < 0.0).then(|| [row(&self.p, 0, view) / w, row(&self.p, 1, view) / w])
    }
}

/// A camera's numbers, on the tape if its twist is learned.
pub(crate) struct PosedCamera {
    pub numbers: CameraRows,
    rows: Tensor,
    twist: Option<Tensor>,
}

impl PosedCamera {
    /// The gradient of the twist from that of the camera's numbers.
    pub(crate) fn twist_gradient(&self, bar: &CameraRows) -> Result<Option<[f64; 6]>> {
        let Some(twist) = &self.twist else { return Ok(None) };
        let sum = self.rows.mul(Tensor::from_slice(bar, &[6, 4])?)?.sum(&[], false)?;
        let gradient = grad(&sum, std::slice::from_ref(twist))?;
        let mut numbers = [0.0; 6];
        numbers.copy_from_slice(&gradient[0].to_f64_vec()?);
        Ok(Some(numbers))
    }
}

/// V moved by a twist of the world about a point: V T(c) exp(ξ) T(−c).
#[track_caller]
fn posed(view_from_world: &Tensor, twist: &Tensor, center: [f64; 3]) -> Result<Tensor> {
    let [x, y, z] = center;
    let to = |sign: f64| {
        Tensor::from_rows(&[[1.0, 0.0, 0.0, sign * x], [0.0, 1.0, 0.0, sign * y], [0.0, 0.0, 1.0, sign * z], [0.0, 0.0, 0.0, 1.0]])
    };
    view_from_world.matmul(&to(1.0)?)?.matmul(&se3_exp(twist)?)?.matmul(&to(-1.0)?)
}

/// Where most cameras look, how far about it they see, and how far from their middle the farthest is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Region {
    pub center: [f64; 3],
    pub radius: f64,
    pub extent: f64,
}

impl Region {
    /// Of at least one camera.
    pub(crate) fn of(sights: &[ViewCone]) -> Self {
        let count = sights.len() as f64;
        let middle = [0, 1, 2].map(|k| sights.iter().map(|s| s.place[k]).sum::<f64>() / count);
        let distance = |a: [f64; 3], b: [f64; 3]| (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
        let farthest = sights.iter().map(|s| distance(s.place, middle)).fold(0.0, f64::max);
        let center = nearest_to_lines(sights).unwrap_or(middle);
        let depth = |s: &ViewCone| (0..3).map(|k| (center[k] - s.place[k]) * s.ahead[k]).sum::<f64>();
        let mut seen: Vec<f64> = sights.iter().map(|s| depth(s) * s.half[0].max(s.half[1])).filter(|x| *x > 0.0).collect();
        seen.sort_unstable_by(f64::total_cmp);
        let around = 2 * seen.len() > sights.len();
        // Cameras at one place have no extent: a tenth of what they look at is one.
        let radius = if around { seen[seen.len() / 2] } else { 3.0 * farthest };
        let extent = if farthest > 0.0 { 1.1 * farthest } else { 0.1 * radius };
        let [radius, extent] = [radius, extent].map(|x| if x > 0.0 { x } else { 1.0 });
        Self { center: if around { center } else { middle }, radius, extent }
    }
}

/// The point that is nearest to all lines of sight, if there is one.
fn nearest_to_lines(sights: &[ViewCone]) -> Option<[f64; 3]> {
    // Σ (I − a aᵀ) (x − p) = 0
    let (mut m, mut b) = ([[0.0; 3]; 3], [0.0; 3]);
    for ViewCone { place, ahead, .. } in sights {
        for i in 0..3 {
            for k in 0..3 {
                let across = f64::from(u8::from(i == k)) - ahead[i] * ahead[k];
                m[i][k] += across;
                b[i] += across * place[k];
            }
        }
    }
    let cross = |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let determinant = dot(m[0], cross(m[1], m[2]));
    let scale = m[0][0] + m[1][1] + m[2][2];
    // m is symmetric: its columns are its rows.
    (determinant > 1e-4 * scale.powi(3) / 27.0)
        .then(|| [dot(b, cross(m[1], m[2])), dot(m[0], cross(b, m[2])), dot(m[0], cross(m[1], b))].map(|x| x / determinant))
}
