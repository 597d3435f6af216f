//! A scene of splats.

use monotile::{Device, Error, Result, Tensor};
use monotile_kernels::splat::harmonics::degree;

use crate::blend::{BlendOptions, blend};
use crate::camera::MatrixCamera;
use crate::project::{ProjectOptions, project};

/// Gaussians in space, with colours that depend on the direction of sight. Any of the tensors may be on the tape.
#[derive(Debug, Clone)]
pub struct Splats {
    /// `(N, 3)`
    pub means: Tensor,
    /// `(N, 4)`: quaternions x, y, z, w of any length but 0.
    pub rotations: Tensor,
    /// `(N, 3)`: logarithms of the standard deviations along the rotated axes.
    pub log_scales: Tensor,
    /// `(N)`: ln(o / (1 − o)) of opacities o.
    pub logits: Tensor,
    /// `(N, K, 3)`: K = 1, 4, 9 or 16 coefficients of the real spherical harmonics of degree 0 to 3, for three channels.
    pub harmonics: Tensor,
}

/// How a scene is drawn.
#[derive(Debug, Clone, Default)]
pub struct SplatOptions {
    /// From the world to the screen.
    pub project: ProjectOptions,
    /// From the screen to pixels.
    pub blend: BlendOptions,
    /// What is behind all splats: a colour `(3)` or a picture `(height, width, 3)`; black if none. It may be on the tape.
    pub background: Option<Tensor>,
}

/// What a camera sees of a scene.
#[derive(Debug, Clone)]
pub struct RenderedSplats {
    /// `(height, width, 3)`: colours before the background, as the splats have them (those of files are sRGB's).
    pub picture: Tensor,
    /// `(height, width)`: how much of the background is hidden, from 0 to 1.
    pub coverage: Tensor,
    /// `(height, width)`: the mean depth of what hides it; 0 where nothing does.
    pub depth: Tensor,
    /// How many splats before the camera are left out, because a number of them is not finite; 0 on a GPU.
    pub skipped: usize,
}

/// The least coverage that depths are divided by.
const LEAST_COVERAGE: f64 = 1e-10;

impl Splats {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.logits.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same splats on a device.
    ///
    /// # Errors
    /// If the device has no memory for them, or does not hold their type: a GPU has no f64.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Device, Tensor};
    /// use monotile_radiance::Splats;
    /// let [means, rotations, log_scales] = [3, 4, 3].map(|wide| Tensor::zeros(&[5, wide], DType::F32));
    /// let (logits, harmonics) = (Tensor::zeros(&[5], DType::F32)?, Tensor::zeros(&[5, 1, 3], DType::F32)?);
    /// let splats = Splats { means: means?, rotations: rotations?, log_scales: log_scales?, logits, harmonics };
    /// assert_eq!(splats.to(&Device::open("auto")?)?.to(&Device::cpu())?.len(), 5);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn to(&self, device: &Device) -> Result<Self> {
        let Self { means, rotations, log_scales, logits, harmonics } = self;
        Ok(Self {
            means: means.to(device)?,
            rotations: rotations.to(device)?,
            log_scales: log_scales.to(device)?,
            logits: logits.to(device)?,
            harmonics: harmonics.to(device)?,
        })
    }

    /// The degree of the harmonics, if there are as many as a degree has.
    pub fn degree(&self) -> Option<usize> {
        (self.harmonics.rank() == 3).then(|| degree(self.harmonics.dim(1))).flatten()
    }

    #[track_caller]
    pub(crate) fn check(&self, op: &str) -> Result<()> {
        let Self { means, rotations, log_scales, logits, harmonics } = self;
        let n = logits.len();
        let fit = means.shape() == [n, 3] && rotations.shape() == [n, 4] && log_scales.shape() == [n, 3] && logits.shape() == [n];
        if !(fit && self.degree().is_some() && harmonics.dim(0) == n && harmonics.dim(2) == 3) {
            let shapes = [means, rotations, log_scales, logits, harmonics].map(Tensor::shape);
            return Err(Error::shape(format!(
                "{op}: takes means [N, 3], rotations [N, 4], log_scales [N, 3], logits [N] and harmonics [N, K, 3] with K = 1, 4, 9 or 16, got {shapes:?}"
            )));
        }
        if n >= 1 << 31 {
            return Err(Error::value(format!("{op}: takes fewer than 2^31 splats, got {n}")));
        }
        Ok(())
    }

    /// What a camera sees of the scene: [`project`](project()), then [`blend`](blend()), before a background.
    ///
    /// # Gradient
    /// By the five tensors, the camera's two matrices and the background; of order one.
    ///
    /// # Errors
    /// As those of the two operations; and if the background does not fit the picture.
    ///
    /// # Example
    /// See the head of the crate's README.
    #[track_caller]
    pub fn render(&self, camera: &MatrixCamera, options: &SplatOptions) -> Result<RenderedSplats> {
        let seen = project(self, camera, &options.project)?;
        let size @ [width, height] = [camera.width, camera.height];
        let blended = blend(&seen, size, &options.blend)?;
        let (colors, rest) = (blended.slice(-1, ..3)?, blended.slice(-1, 3..)?);
        let coverage = rest.slice(-1, ..1)?;
        let picture = match &options.background {
            None => colors,
            Some(background) if [&[3][..], &[height, width, 3]].contains(&background.shape()) => {
                let background = background.to_dtype(coverage.dtype())?;
                colors.add(coverage.neg()?.add(1.0)?.mul(&background)?)?
            }
            Some(other) => {
                let got = other.shape();
                return Err(Error::shape(format!("render: the background is [3] or [{height}, {width}, 3], got {got:?}")));
            }
        };
        let depth = rest.slice(-1, 1..)?.div(coverage.maximum(LEAST_COVERAGE)?)?.reshape(&[height, width])?;
        Ok(RenderedSplats { picture, coverage: coverage.reshape(&[height, width])?, depth, skipped: seen.skipped })
    }
}
