//! The cube of space that a field fills.

use monotile::{Error, Result, Tensor};

use super::rays::Rays;

/// A cube whose sides are parallel to the axes of the world; in it, coordinates go from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneCube {
    /// Its middle.
    pub center: [f64; 3],
    /// Half of a side.
    pub half: f64,
}

/// Rays in the coordinates of a cube, of directions of length 1.
#[derive(Debug, Clone, Default)]
pub(super) struct CubeRays {
    pub origins: Vec<[f32; 3]>,
    pub directions: Vec<[f32; 3]>,
    /// What a distance in the cube is times in depth from the plane of the eye.
    pub depths: Vec<f32>,
}

impl SceneCube {
    #[track_caller]
    pub(super) fn check(&self, op: &str) -> Result<()> {
        let Self { center, half } = self;
        if !(*half > 0.0 && half.is_finite() && center.iter().all(|x| x.is_finite())) {
            return Err(Error::value(format!(
                "{op}: a cube has a finite centre and half a side above 0, not {center:?} and {half}"
            )));
        }
        Ok(())
    }

    /// The cube that views look at: around the point nearest to all their axes, as large as the whole of it that each sees.
    ///
    /// Cameras are given by their places, the directions in which they look, and the tangents of half their narrower angles.
    ///
    /// # Errors
    /// If there is no camera, or their numbers are not finite.
    #[track_caller]
    pub fn seen_by(cameras: &[([f64; 3], [f64; 3], f64)]) -> Result<Self> {
        if cameras.is_empty() {
            return Err(Error::value("nerf: there is no view to learn from"));
        }
        // Σ (I − d dᵀ) p = Σ (I − d dᵀ) o, held near the mean of the points in front of the eyes where axes are parallel.
        let mut a = [[0.0; 3]; 3];
        let mut b = [0.0; 3];
        let weak = 1e-6;
        for (eye, axis, _) in cameras {
            let length = axis.iter().map(|x| x * x).sum::<f64>().sqrt();
            let d = axis.map(|x| x / length);
            for i in 0..3 {
                for j in 0..3 {
                    let part = f64::from(u8::from(i == j)) * (1.0 + weak) - d[i] * d[j];
                    a[i][j] += part;
                    b[i] += part * eye[j] + if i == j { weak * d[i] } else { 0.0 };
                }
            }
        }
        let matrix = Tensor::from_rows(&a)?;
        let center = monotile::linalg::solve(&matrix, &Tensor::from(b))?.to_vec::<f64>()?;
        let center = [center[0], center[1], center[2]];
        let distance = |eye: &[f64; 3]| (0..3).map(|k| (eye[k] - center[k]).powi(2)).sum::<f64>().sqrt();
        let widest = cameras.iter().map(|(eye, _, tangent)| distance(eye) * tangent).fold(0.0, f64::max);
        let cube = Self { center, half: widest };
        cube.check("nerf")?;
        Ok(cube)
    }

    /// Places of the world in the cube.
    pub(super) fn inside(&self, p: [f64; 3]) -> [f32; 3] {
        [0, 1, 2].map(|k| ((p[k] - self.center[k]) / (2.0 * self.half) + 0.5) as f32)
    }

    pub(super) fn push(&self, rays: &mut CubeRays, origin: [f64; 3], direction: [f64; 3]) {
        let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        rays.origins.push(self.inside(origin));
        rays.directions.push(direction.map(|x| (x / length) as f32));
        rays.depths.push((2.0 * self.half / length) as f32);
    }

    pub(super) fn rays(&self, of: &Rays) -> Result<CubeRays> {
        let (origins, directions) = (of.origins.to_vec::<f64>()?, of.directions.to_vec::<f64>()?);
        let mut rays = CubeRays::default();
        for (o, d) in origins.chunks_exact(3).zip(directions.chunks_exact(3)) {
            self.push(&mut rays, [o[0], o[1], o[2]], [d[0], d[1], d[2]]);
        }
        Ok(rays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cube_lies_where_views_look() {
        let eyes = [[4.0, 1.0, 2.0], [-3.0, 1.0, 2.0], [0.5, 5.0, 2.5], [1.0, 1.0, -1.0]];
        let target = [1.0, 1.0, 2.0];
        let cameras: Vec<_> = eyes.iter().map(|eye| (*eye, [0, 1, 2].map(|k| 2.0 * (target[k] - eye[k])), 0.5)).collect();
        let cube = SceneCube::seen_by(&cameras).unwrap();
        assert!((0..3).all(|k| (cube.center[k] - target[k]).abs() < 1e-5), "{cube:?}");
        assert!((cube.half - 0.5 * (0.25_f64 + 16.0 + 0.25).sqrt()).abs() < 1e-4, "{cube:?}");
        assert_eq!(cube.inside(cube.center), [0.5; 3]);
        // One view alone looks at what is a little before it.
        assert!(SceneCube::seen_by(&cameras[..1]).unwrap().half > 0.0);
        assert!(SceneCube::seen_by(&[]).unwrap_err().to_string().contains("nerf: there is no view to learn from"));
    }
}
