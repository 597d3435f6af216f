//! Pictures that a field is learned from, or measured by.

use monotile::{DType, Error, Result, Tensor};

use super::rays::rays;
use super::scene::{FieldScene, RenderedField};
use super::state::hashed;
use super::train::psnr;
use crate::camera::MatrixCamera;
use crate::capture::CaptureView;

/// A camera and the picture that it took, for rays of single pixels.
#[derive(Debug, Clone)]
pub struct FieldView {
    /// What it is called.
    pub name: String,
    camera: MatrixCamera,
    /// Red, green, blue and straight alpha, 65535 being 1.
    pixels: Vec<[u16; 4]>,
    /// Whether a pixel shows the scene; none if all do.
    mask: Option<Vec<bool>>,
    origin: [f64; 3],
    /// The direction of the ray through the upper left corner, and how it changes with x and y.
    directions: [[f64; 3]; 3],
}

impl FieldView {
    /// A camera whose rays meet in one point, and its picture `(height, width, 4)` of straight alpha; a mask `(height, width)` is 0 where the picture does
    /// not show the scene.
    ///
    /// # Errors
    /// If shapes do not fit, the picture has a number that is not finite, or rays do not meet.
    #[track_caller]
    pub fn new(name: impl Into<String>, camera: MatrixCamera, rgba: &Tensor, mask: Option<&Tensor>) -> Result<Self> {
        let name = name.into();
        let (width, height) = (camera.width, camera.height);
        if rgba.shape() != [height, width, 4] || mask.is_some_and(|mask| mask.shape() != [height, width]) {
            let found = rgba.shape();
            return Err(Error::shape(format!(
                "nerf: the picture of {name} is [{height}, {width}, 4] and its mask [{height}, {width}], got {found:?} and {:?}",
                mask.map(Tensor::shape)
            )));
        }
        let numbers = rgba.to_dtype(DType::F32)?.to_vec::<f32>()?;
        if let Some(odd) = numbers.iter().find(|x| !x.is_finite()) {
            return Err(Error::value(format!("nerf: the picture of {name} holds {odd}")));
        }
        let stored = |x: f32| (x.clamp(0.0, 1.0) * 65535.0).round() as u16;
        let pixels = numbers.chunks_exact(4).map(|p| [stored(p[0]), stored(p[1]), stored(p[2]), stored(p[3])]).collect();
        let mask = mask.map(|mask| Ok::<_, Error>(mask.to_f64_vec()?.iter().map(|x| *x > 0.5).collect())).transpose()?;
        let corners = Tensor::from_rows(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])?;
        let seen = rays(&camera, &corners)?;
        let (o, d) = (seen.origins.to_vec::<f64>()?, seen.directions.to_vec::<f64>()?);
        let size = o.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        if !(0..3).all(|k| (o[k] - o[3 + k]).abs() < 1e-9 * size && (o[k] - o[6 + k]).abs() < 1e-9 * size) {
            return Err(Error::value(format!(
                "nerf: the rays of {name} are parallel; a camera whose rays meet in one point is taken"
            )));
        }
        let directions = [[d[0], d[1], d[2]], [0, 1, 2].map(|k| d[3 + k] - d[k]), [0, 1, 2].map(|k| d[6 + k] - d[k])];
        Ok(Self { name, camera, pixels, mask, origin: [o[0], o[1], o[2]], directions })
    }

    /// A view of a capture, with its picture.
    ///
    /// # Errors
    /// As [`CaptureView::picture`].
    #[track_caller]
    pub fn from_capture(view: &CaptureView) -> Result<Self> {
        let picture = view.picture()?;
        Self::new(&view.name, view.camera()?, &picture.rgba, picture.mask.as_ref())
    }

    /// The camera.
    pub fn camera(&self) -> &MatrixCamera {
        &self.camera
    }

    /// How many pixels there are.
    pub fn len(&self) -> usize {
        self.pixels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Where all its rays begin.
    pub(super) fn eye(&self) -> [f64; 3] {
        self.origin
    }

    /// The ray through the centre of a pixel: where it begins, and its direction.
    pub(super) fn ray(&self, at: usize) -> ([f64; 3], [f64; 3]) {
        self.through([(at % self.camera.width) as f64 + 0.5, (at / self.camera.width) as f64 + 0.5])
    }

    fn through(&self, [x, y]: [f64; 2]) -> ([f64; 3], [f64; 3]) {
        let [corner, right, down] = &self.directions;
        (self.origin, [0, 1, 2].map(|k| corner[k] + x * right[k] + y * down[k]))
    }

    pub(super) fn pixel(&self, at: usize) -> [f32; 4] {
        self.pixels[at].map(|x| f32::from(x) / 65535.0)
    }

    pub(super) fn shows(&self, at: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask[at])
    }

    /// A hash of what there is to learn from, after that of other views.
    pub(super) fn fingerprint(hash: u64, view: &Self) -> u64 {
        let numbers = view.origin.iter().chain(view.directions.as_flattened()).map(|x| x.to_bits());
        let pixels = view.pixels.iter().map(|p| p.iter().fold(0, |word, &x| word << 16 | u64::from(x)));
        let mask = view.mask.iter().flatten().map(|&shown| u64::from(shown));
        numbers.chain(pixels).chain(mask).fold(hash, hashed)
    }

    /// Its eye, the direction in which it looks, and the tangent of half its narrower angle.
    pub(super) fn sight(&self) -> ([f64; 3], [f64; 3], f64) {
        let (width, height) = (self.camera.width as f64, self.camera.height as f64);
        let (origin, middle) = self.through([0.5 * width, 0.5 * height]);
        let length = |x: &[f64; 3]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let [_, right, down] = &self.directions;
        let tangent = 0.5 * (width * length(right)).min(height * length(down)) / length(&middle);
        (origin, middle, tangent)
    }

    /// The picture over a background, `(height, width, 3)`.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn over(&self, background: [f64; 3]) -> Result<Tensor> {
        let over = |p: usize| {
            let [r, g, b, alpha] = self.pixel(p);
            [r, g, b].into_iter().zip(background).map(move |(x, behind)| x * alpha + (1.0 - alpha) * behind as f32)
        };
        let numbers: Vec<f32> = (0..self.len()).flat_map(over).collect();
        Tensor::from_vec(numbers, &[self.camera.height, self.camera.width, 3])
    }
}

impl RenderedField {
    /// The picture over a background, within 0 and 1.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn over(&self, background: [f64; 3]) -> Result<Tensor> {
        let background = Tensor::from_slice(&background.map(|x| x as f32), &[3])?;
        let through = self.coverage.neg()?.add(1.0)?.unsqueeze(2)?;
        self.picture.add(through.mul(background)?)?.clamp(0.0, 1.0)
    }
}

/// A view as a field shows it, beside what its camera took.
#[derive(Debug, Clone)]
pub struct JudgedView {
    /// `(height, width, 3)`: the field's picture over the background, within 0 and 1.
    pub picture: Tensor,
    /// The camera's.
    pub truth: Tensor,
    /// The peak signal-to-noise ratio over the pixels that show the scene; ∞ where there is no difference.
    pub psnr: f64,
}

impl FieldScene {
    /// How well the field shows a view, over a background.
    ///
    /// # Errors
    /// As [`FieldScene::render`].
    pub fn judge(&self, view: &FieldView, background: [f64; 3]) -> Result<JudgedView> {
        let (picture, truth) = (self.render(view.camera())?.over(background)?, view.over(background)?);
        let (mut sum, mut count) = (0.0, 0_usize);
        let (a, b) = (picture.to_vec::<f32>()?, truth.to_vec::<f32>()?);
        for (at, (a, b)) in a.chunks_exact(3).zip(b.chunks_exact(3)).enumerate() {
            if view.shows(at) {
                sum += a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
                count += 3;
            }
        }
        Ok(JudgedView { picture, truth, psnr: psnr(sum / count.max(1) as f64) })
    }
}
