//! Which way the axes of a file point.

use monotile::{Result, Tensor};

use crate::splats::Splats;
use crate::transformed::rotation_of_harmonics;

/// Axes of right-handed scenes, as a camera that stands upright in them sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AxisFrame {
    /// x right, y down, z forward: what trainers write, in PLY, `.splat` and SOG.
    #[default]
    Rdf,
    /// x right, y up, z backward: SPZ and glTF.
    Rub,
}

impl AxisFrame {
    /// `RDF` or `RUB`
    pub fn name(self) -> &'static str {
        match self {
            Self::Rdf => "RDF",
            Self::Rub => "RUB",
        }
    }

    /// What the name says.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rdf => "x right, y down, z forward",
            Self::Rub => "x right, y up, z backward",
        }
    }
}

impl Splats {
    /// The scene in other axes: half a turn about x, exactly, or nothing.
    ///
    /// # Gradient
    /// By the splats' tensors.
    ///
    /// # Errors
    /// If shapes do not fit.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// use monotile_radiance::{AxisFrame, Splats};
    /// let splats = Splats {
    ///     means: Tensor::from([[1.0_f32, 2.0, 3.0]]),
    ///     rotations: Tensor::from([[0.5_f32, 0.1, 0.2, 0.8]]),
    ///     log_scales: Tensor::zeros(&[1, 3], DType::F32)?,
    ///     logits: Tensor::zeros(&[1], DType::F32)?,
    ///     harmonics: Tensor::ones(&[1, 4, 3], DType::F32)?,
    /// };
    /// let upright = splats.to_frame(AxisFrame::Rdf, AxisFrame::Rub)?;
    /// assert_eq!(upright.means.to_vec::<f32>()?, [1.0, -2.0, -3.0]);
    /// assert_eq!(upright.rotations.to_vec::<f32>()?, [0.5, -0.1, -0.2, 0.8]);
    /// // Those of y and z change their signs.
    /// assert_eq!(upright.harmonics.slice(2, ..1)?.to_vec::<f32>()?, [1.0, -1.0, -1.0, 1.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn to_frame(&self, from: AxisFrame, to: AxisFrame) -> Result<Self> {
        self.check("to_frame")?;
        if from == to {
            return Ok(self.clone());
        }
        let half_turn = Tensor::from_rows(&[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])?;
        let coefficients = self.harmonics.dim(1);
        let matrix = rotation_of_harmonics(&half_turn, coefficients)?;
        // A diagonal of signs.
        let signs: Vec<f64> = (0..coefficients).map(|k| matrix[(coefficients + 1) * k]).collect();
        let times = |x: &Tensor, signs: Tensor| x.mul(signs.to_dtype(x.dtype())?);
        Ok(Self {
            means: times(&self.means, Tensor::from([1.0, -1.0, -1.0]))?,
            // h R h, which differs from h R by a half turn that the ellipsoid does not notice.
            rotations: times(&self.rotations, Tensor::from([1.0, -1.0, -1.0, 1.0]))?,
            log_scales: self.log_scales.clone(),
            logits: self.logits.clone(),
            harmonics: times(&self.harmonics, Tensor::from_vec(signs, &[coefficients, 1])?)?,
        })
    }
}
