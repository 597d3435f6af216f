//! Which way is up in a capture, by its cameras, and captures that stand upright.

use super::Capture;
use super::pose::Matrix;
use crate::up::UpAxis;

/// The fewest cameras that are asked.
const FEWEST: usize = 3;
/// The mean of the cameras' own up is at least so long: it is 1 where all stand level, and short where they lie on all sides.
const LEAST_MEAN: f64 = 0.25;
/// The cosine of the angle between that mean and the axis, at least: 37 degrees.
const LEAST_COSINE: f64 = 0.8;

impl Capture {
    /// The axis that points up, by what is up on the pictures: none where cameras are fewer than three, or agree on no axis.
    ///
    /// # Example
    /// ```
    /// use monotile_radiance::{Capture, CapturePicture, CaptureView, UpAxis};
    /// use monotile::{DType, Tensor};
    /// // Three cameras that look along y, with z up on their pictures.
    /// let view_from_world = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    /// let picture = CapturePicture { rgba: Tensor::zeros(&[8, 8, 4], DType::F32)?, mask: None };
    /// let view = CaptureView::from_picture("view", view_from_world, [8.0; 2], picture)?;
    /// let capture = Capture::from_views(vec![view; 3], None);
    /// assert_eq!(capture.up(), Some(UpAxis::Z));
    /// let upright = capture.with_up(UpAxis::MinusY);
    /// assert_eq!(upright.up(), Some(UpAxis::MinusY));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn up(&self) -> Option<UpAxis> {
        let ups = self.views.iter().filter(|view| !view.is_other_side()).map(|view| view.view_from_world[1]);
        let (mut sum, mut count) = ([0.0; 3], 0);
        for up in ups {
            count += 1;
            (0..3).for_each(|k| sum[k] += up[k]);
        }
        let mean = sum.map(|x| x / f64::max(count as f64, 1.0));
        let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        if count < FEWEST || !(length >= LEAST_MEAN) {
            return None;
        }
        let along = |axis: &UpAxis| axis.place([0.0, 1.0, 0.0]).iter().zip(mean).map(|(a, m)| a * m).sum::<f64>() / length;
        UpAxis::ALL.into_iter().find(|axis| along(axis) >= LEAST_COSINE)
    }

    /// The capture in a world that is rotated so that `up` points up; as it is, where nobody knows what does.
    ///
    /// Axes go to axes: no digit of a pose or a point is lost. [`Capture::write_cameras`] writes to the capture's own files in the world that they have.
    pub fn with_up(mut self, up: UpAxis) -> Self {
        if let Some(own) = self.up() {
            self.rotate(&own.to(up));
        }
        self
    }

    /// Rotates the world.
    fn rotate(&mut self, by: &[[f64; 3]; 3]) {
        self.views.iter_mut().for_each(|view| view.view_from_world = times_transposed(&view.view_from_world, by));
        for place in self.points.iter_mut().flat_map(|points| &mut points.positions) {
            *place = by.map(|row| (0..3).map(|k| row[k] * place[k]).sum());
        }
        self.turned = std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| by[i][k] * self.turned[k][j]).sum()));
    }

    /// The capture in the world of its files.
    pub(super) fn in_own_world(&self) -> Self {
        let mut own = self.clone();
        let back = std::array::from_fn(|i| std::array::from_fn(|j| self.turned[j][i]));
        own.rotate(&back);
        own
    }
}

/// V Rᵀ, of a world that R rotates.
fn times_transposed(view_from_world: &Matrix, by: &[[f64; 3]; 3]) -> Matrix {
    view_from_world.map(|row| {
        let [x, y, z] = by.map(|of| (0..3).map(|k| row[k] * of[k]).sum());
        [x, y, z, row[3]]
    })
}
