//! Cameras as tensors, which pictures have a gradient by, and back.

use glam::DMat4;
use monotile::{Error, Result, Tensor};
use monotile_radiance::MatrixCamera;

use crate::Camera;

impl Camera {
    /// Its matrices as tensors of f64, `(4, 4)` of rows.
    ///
    /// # Errors
    /// Memory that cannot be had.
    pub fn to_tensors(&self) -> Result<MatrixCamera> {
        let (view_from_world, clip_from_view) = self.matrices();
        let tensor = |m: DMat4| Tensor::from_slice(&m.transpose().to_cols_array(), &[4, 4]);
        let Self { width, height, .. } = *self;
        Ok(MatrixCamera { view_from_world: tensor(view_from_world)?, clip_from_view: tensor(clip_from_view)?, width, height })
    }

    /// The values of a camera of tensors: what the renderers take.
    ///
    /// # Errors
    /// Matrices that are not 4 x 4.
    pub fn from_tensors(camera: &MatrixCamera) -> Result<Self> {
        let MatrixCamera { width, height, .. } = *camera;
        Ok(Self {
            view_from_world: columns(&camera.view_from_world)?,
            clip_from_view: columns(&camera.clip_from_view)?,
            width,
            height,
        })
    }
}

fn columns(t: &Tensor) -> Result<[[f64; 4]; 4]> {
    if t.shape() != [4, 4] {
        return Err(Error::shape(format!("camera: a matrix is 4 x 4, not {:?}", t.shape())));
    }
    let rows = t.to_f64_vec()?;
    Ok(std::array::from_fn(|column| std::array::from_fn(|row| rows[4 * row + column])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lens;
    use monotile::transform::{DepthRange, ViewVolume, look_at, orthographic, perspective, transform_points};

    /// Both ways to a camera are one formula: they differ by how f64 rounds alone.
    #[test]
    fn cameras_of_tensors_and_of_numbers_are_the_same() {
        let row = |x: [f32; 3]| Tensor::from_slice(&x.map(f64::from), &[3]).unwrap();
        let number = |x: f32| Tensor::scalar(f64::from(x));
        let (eye, target, up) = ([3.0, -2.0, 5.5], [0.5, 1.0, -0.3], [0.1, 1.0, 0.2]);
        let view_from_world = look_at(&row(eye), &row(target), &row(up)).unwrap();
        let size @ [width, height] = [300, 200];
        let lens = |far: Option<f32>, depth| {
            let far = far.map_or(number(f32::INFINITY), number);
            perspective(&number(0.7), &number(1.5), &number(0.1), &far, depth).unwrap()
        };
        let [left, right, bottom, top, near, far] = &[-3.0, 3.0, -2.0, 2.0, 0.5, 40.0].map(number);
        let sides = orthographic(&ViewVolume { left, right, bottom, top, near, far }, DepthRange::ZeroOne).unwrap();
        for (of, clip_from_view) in [
            (Lens::Perspective { fovy: 0.7, near: 0.1, far: Some(9.0) }, lens(Some(9.0), DepthRange::ZeroOne)),
            (Lens::Perspective { fovy: 0.7, near: 0.1, far: None }, lens(None, DepthRange::Infinite)),
            (Lens::Perspective { fovy: 0.7, near: 0.1, far: Some(f32::INFINITY) }, lens(None, DepthRange::ZeroOne)),
            (Lens::Orthographic { half_height: 2.0, near: 0.5, far: 40.0 }, sides),
        ] {
            let plain = Camera::look_at(eye, target, up, of, size).unwrap();
            let tensors = MatrixCamera { view_from_world: view_from_world.clone(), clip_from_view, width, height };
            let found = Camera::from_tensors(&tensors).unwrap();
            assert_eq!((found.width, found.height), (plain.width, plain.height));
            for (found, wanted) in [(found.view_from_world, plain.view_from_world), (found.clip_from_view, plain.clip_from_view)] {
                for (a, b) in found.as_flattened().iter().zip(wanted.as_flattened()) {
                    assert!((a - b).abs() <= 4.0 * f64::EPSILON * b.abs().max(1.0), "{of:?}: {found:?} for {wanted:?}");
                }
            }
            assert_eq!(Camera::from_tensors(&plain.to_tensors().unwrap()).unwrap(), plain);
        }
        let eye_seen = transform_points(&view_from_world, &row(eye)).unwrap().to_f64_vec().unwrap();
        assert!(eye_seen.iter().all(|x| x.abs() < 1e-14), "{eye_seen:?}");
    }

    #[test]
    fn other_shapes_are_refused_with_words() {
        let of = |m: Tensor| MatrixCamera { view_from_world: m.clone(), clip_from_view: m, width: 1, height: 1 };
        let words = Camera::from_tensors(&of(Tensor::eye(3, monotile::DType::F64).unwrap())).unwrap_err().to_string();
        assert_eq!(words, "camera: a matrix is 4 x 4, not [3, 3]");
    }
}
