//! One view of a capture: a camera, and the picture that it took.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use monotile::{DType, Error, Result, Tensor};

use super::decode::{self, Pixels};
use super::head::PictureFile;
use super::lens::CaptureLens;
use super::lens_model::LensModel;
use super::undistort::{PinholeOf, SIDES};
use super::{CaptureOptions, CaptureSplit};
use crate::camera::MatrixCamera;

/// The near plane of a view's matrix, which no reader of it reads.
const NEAR: f64 = 0.01;

/// A camera, and the picture that it took.
///
/// Size and intrinsics are those of the picture that [`CaptureView::picture`] gives: without distortion, and scaled.
#[derive(Debug, Clone)]
pub struct CaptureView {
    /// The picture's name in the capture.
    pub name: String,
    /// What it is for.
    pub split: CaptureSplit,
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// V, rows: world to the camera's space, in which it looks along -z with y up.
    pub view_from_world: [[f64; 4]; 4],
    /// fx, fy, cx, cy in pixels; the centre of the upper left pixel is at (0.5, 0.5).
    pub intrinsics: [f64; 4],
    pub(super) source: PictureSource,
}

/// Where a view's picture is.
#[derive(Debug, Clone)]
pub(super) enum PictureSource {
    Memory(Arc<CapturePicture>),
    Files(Box<PictureFiles>),
}

/// A picture in files, and what is made of it.
#[derive(Debug, Clone)]
pub(super) struct PictureFiles {
    pub picture: PathBuf,
    /// What the file's head says, if it is there.
    pub found: Option<PictureFile>,
    /// Whether the picture is turned as Exif says.
    pub turned: bool,
    pub mask: Option<PathBuf>,
    /// What the capture says of the lens, before a picture of the size that it names.
    pub lens: CaptureLens,
    /// What is made of the picture before it is scaled.
    pub pinhole: PinholeOf,
    /// Which file of the capture tells of it, and where in its list.
    pub origin: [usize; 2],
    /// Which side of a panorama it is.
    pub side: usize,
}

/// What a format says of a view.
pub(super) struct ViewInput {
    pub name: String,
    pub split: CaptureSplit,
    pub view_from_world: [[f64; 4]; 4],
    pub picture: PathBuf,
    pub mask: Option<PathBuf>,
    /// Whether pictures are turned as Exif says where their sizes leave it open.
    pub turned: bool,
    pub origin: [usize; 2],
}

/// A picture, as numbers from 0 to 1.
#[derive(Debug, Clone)]
pub struct CapturePicture {
    /// `(height, width, 4)` in f32: red, green and blue as sRGB has them, and straight alpha.
    pub rgba: Tensor,
    /// `(height, width)` in f32: 1 where the picture shows the scene, 0 where it is not to be looked at.
    pub mask: Option<Tensor>,
}

impl CapturePicture {
    /// A PNG or JPEG picture, turned as Exif says.
    ///
    /// # Errors
    /// A file that is not there, is no PNG or JPEG, or is larger than the limit "pixels".
    #[track_caller]
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let (rgba, head) = decode::read(path.as_ref())?;
        Ok(Self { rgba: rgba.turned(head.orientation)?.into_tensor()?, mask: None })
    }
}

impl CaptureView {
    /// A view whose picture is in memory, to learn from. Size and principal point are the picture's size and centre.
    ///
    /// # Errors
    /// A picture that is not `(height, width, 4)`, or a mask that does not fit it.
    #[track_caller]
    pub fn from_picture(
        name: impl Into<String>,
        view_from_world: [[f64; 4]; 4],
        focal: [f64; 2],
        picture: CapturePicture,
    ) -> Result<Self> {
        let [height, width, 4] = *picture.rgba.shape() else {
            let shape = picture.rgba.shape();
            return Err(Error::shape(format!("from_picture: a picture is [height, width, 4], got {shape:?}")));
        };
        if let Some(mask) = &picture.mask
            && mask.shape() != [height, width]
        {
            let shape = mask.shape();
            return Err(Error::shape(format!("from_picture: the mask of this picture is [{height}, {width}], got {shape:?}")));
        }
        let rgba = picture.rgba.to_dtype(DType::F32)?;
        let mask = picture.mask.map(|mask| mask.to_dtype(DType::F32)).transpose()?;
        Ok(Self {
            name: name.into(),
            split: CaptureSplit::Train,
            width,
            height,
            view_from_world,
            intrinsics: [focal[0], focal[1], 0.5 * width as f64, 0.5 * height as f64],
            source: PictureSource::Memory(Arc::new(CapturePicture { rgba, mask })),
        })
    }

    /// What the capture says of the lens, before a picture of the size that it names; none of a picture in memory.
    pub fn lens(&self) -> Option<&CaptureLens> {
        match &self.source {
            PictureSource::Memory(_) => None,
            PictureSource::Files(files) => Some(&files.lens),
        }
    }

    /// Whether the picture was there when the capture was read.
    pub fn has_picture(&self) -> bool {
        match &self.source {
            PictureSource::Memory(_) => true,
            PictureSource::Files(files) => files.found.is_some(),
        }
    }

    /// Where the camera is in the world.
    pub fn position(&self) -> [f64; 3] {
        let v = &self.view_from_world;
        [0, 1, 2].map(|k| -(0..3).map(|row| v[row][k] * v[row][3]).sum::<f64>())
    }

    /// Whether it is a side of a panorama, and not its front.
    pub(super) fn is_other_side(&self) -> bool {
        matches!(&self.source, PictureSource::Files(files) if files.side > 0)
    }

    /// The view's camera: V as it is, and P of its intrinsics, in f64.
    #[track_caller]
    pub fn camera(&self) -> Result<MatrixCamera> {
        let ([width, height], [fx, fy, cx, cy]) = ([self.width as f64, self.height as f64], self.intrinsics);
        let clip_from_view = Tensor::from_rows(&[
            [2.0 * fx / width, 0.0, 1.0 - 2.0 * cx / width, 0.0],
            [0.0, 2.0 * fy / height, 2.0 * cy / height - 1.0, 0.0],
            [0.0, 0.0, -1.0, -NEAR],
            [0.0, 0.0, -1.0, 0.0],
        ])?;
        let view_from_world = Tensor::from_rows(&self.view_from_world)?;
        Ok(MatrixCamera { view_from_world, clip_from_view, width: self.width, height: self.height })
    }

    /// The view's picture, read from its file: without distortion, and scaled to the view's size.
    ///
    /// # Errors
    /// A file that is not there, is no PNG or JPEG, or is larger than the limit "pixels"; a mask of another shape.
    #[track_caller]
    pub fn picture(&self) -> Result<CapturePicture> {
        let files = match &self.source {
            PictureSource::Memory(picture) => return Ok(CapturePicture::clone(picture)),
            PictureSource::Files(files) => files,
        };
        let size = [self.width, self.height];
        let (rgba, head) = decode::read(&files.picture)?;
        let rgba = if files.turned { rgba.turned(head.orientation)? } else { rgba };
        let lens = &files.pinhole.lens;
        if [rgba.width, rgba.height] != [lens.width, lens.height] {
            let words =
                format!("is {} x {} pixels, and the capture says {} x {}", rgba.width, rgba.height, lens.width, lens.height);
            return Err(Error::format(&files.picture, words));
        }
        let mask = files.mask.as_deref().map(|path| read_mask(path, &rgba)).transpose()?;
        if files.pinhole.is_file() {
            let mask = mask.map(|mask| mask.scaled(size)?.luminance()).transpose()?;
            return Ok(CapturePicture { rgba: rgba.scaled(size)?.into_tensor()?, mask });
        }
        let (rgba, seen) = files.pinhole.draw(&rgba)?;
        let mut mask = mask.map(|mask| files.pinhole.draw(&mask)).transpose()?.map(|(mask, _)| mask);
        if mask.is_none() && seen.contains(&false) {
            let mut whole = Pixels::zeros(files.pinhole.size)?;
            for (pixel, seen) in whole.rgba.chunks_exact_mut(4).zip(&seen) {
                pixel.fill(if *seen { 1.0 } else { 0.0 });
            }
            mask = Some(whole);
        }
        let mask = mask.map(|mask| mask.scaled(size)?.luminance()).transpose()?;
        Ok(CapturePicture { rgba: rgba.scaled(size)?.into_tensor()?, mask })
    }

    /// The views of one picture: one, or the six sides of a panorama. `lens` is told the size of the picture, if it is there.
    #[track_caller]
    pub(super) fn of_file(
        input: ViewInput,
        lens: impl FnOnce(Option<[usize; 2]>) -> Result<CaptureLens>,
        options: &CaptureOptions,
    ) -> Result<Vec<Self>> {
        let ViewInput { name, split, view_from_world, picture, mask, turned, origin } = input;
        let found = picture.exists().then(|| PictureFile::open(&picture)).transpose()?;
        let lens = lens(found.map(|file| file.size(turned)))?;
        let stated = [lens.width, lens.height];
        let (turned, size) = match found {
            None => (turned, stated),
            Some(file) => {
                let ways = [turned, !turned].map(|turned| (turned, file.size(turned)));
                let Some(fit) = ways.into_iter().find(|(_, size)| is_scaled(*size, stated)) else {
                    let [[w, h], [a, b]] = [file.size(turned), stated];
                    let words = format!("is {w} x {h} pixels, and its camera has {a} x {b}, which is another shape");
                    return Err(Error::format(&picture, words));
                };
                fit
            }
        };
        let of_file = if size == stated { lens } else { lens.resized(size) };
        let pinhole = PinholeOf::of(of_file).map_err(|e| e.with_context(picture.display()))?;
        let [full_width, full_height] = pinhole.size;
        let longest = full_width.max(full_height);
        let scale = options.longest_side.map_or(1.0, |most| (most as f64 / longest as f64).min(1.0));
        let [width, height] = pinhole.size.map(|side| ((side as f64 * scale).round() as usize).max(1));
        let most = MatrixCamera::MOST_SIDE;
        if width.max(height) > most {
            let words = format!("has a camera of {width} x {height} pixels; at most {most} a side are read, or scaled to them");
            return Err(Error::format(&picture, words));
        }
        let (x, y) = (width as f64 / full_width as f64, height as f64 / full_height as f64);
        let [fx, fy, cx, cy] = pinhole.intrinsics;
        let whole = PictureFiles { picture, found, turned, mask, lens, pinhole, origin, side: 0 };
        let view = Self {
            name,
            split,
            width,
            height,
            view_from_world,
            intrinsics: [fx * x, fy * y, cx * x, cy * y],
            source: PictureSource::Files(Box::new(whole.clone())),
        };
        if lens.model != LensModel::Equirectangular {
            return Ok(vec![view]);
        }
        let sides = SIDES.iter().enumerate().map(|(side, (place, axes))| {
            // Axes of the side in OpenCV's directions, of which y and z point the other way here.
            let sign = |k: usize| if k == 0 { 1.0 } else { -1.0 };
            let row = |i: usize| {
                [0, 1, 2, 3].map(|j| (0..3).map(|k| sign(i) * sign(k) * axes[i][k] * view_from_world[k][j]).sum::<f64>())
            };
            let files = PictureFiles { side, pinhole: PinholeOf { rotation: *axes, ..whole.pinhole.clone() }, ..whole.clone() };
            Self {
                name: format!("{}#{place}", view.name),
                view_from_world: [row(0), row(1), row(2), view_from_world[3]],
                source: PictureSource::Files(Box::new(files)),
                ..view.clone()
            }
        });
        Ok(sides.collect())
    }
}

/// Whether a size is another one scaled, its sides rounded.
fn is_scaled([w, h]: [usize; 2], [a, b]: [usize; 2]) -> bool {
    let off = |w: usize, h: usize, a: usize, b: usize| (h as f64 - w as f64 * b as f64 / a as f64).abs();
    off(w, h, a, b) <= 1.0 || off(h, w, b, a) <= 1.0
}

/// A mask, as large as its picture or the same scaled.
fn read_mask(path: &Path, picture: &Pixels) -> Result<Pixels> {
    let (mask, head) = decode::read(path)?;
    let mask = if head.orientation > 1 { mask.turned(head.orientation)? } else { mask };
    let (mine, its) = ([mask.width, mask.height], [picture.width, picture.height]);
    if !is_scaled(mine, its) {
        let words = format!("is a mask of {} x {} pixels, and its picture has {} x {}", mine[0], mine[1], its[0], its[1]);
        return Err(Error::format(path, words));
    }
    mask.scaled(its)
}

impl Pixels {
    /// `(height, width, 4)`
    #[track_caller]
    fn into_tensor(self) -> Result<Tensor> {
        Tensor::from_vec(self.rgba, &[self.height, self.width, 4])
    }

    /// `(height, width)`: the mean of the colours, times alpha.
    #[track_caller]
    fn luminance(&self) -> Result<Tensor> {
        let gray: Vec<f32> = self.rgba.chunks_exact(4).map(|p| (p[0] + p[1] + p[2]) / 3.0 * p[3]).collect();
        Tensor::from_vec(gray, &[self.height, self.width])
    }
}
