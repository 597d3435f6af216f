//! Conversions from and to glam's types, f32 as they are.

use monotile_kernels::shape::count;

use glam::{Mat4, Quat, Vec3, Vec4};

use super::parts::shape;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// A value of glam, as numbers in the order of a tensor.
trait Numbers: Sized {
    const NAME: &'static str;
    /// The dimensions of one.
    const SHAPE: &'static [usize];
    fn numbers(self) -> impl IntoIterator<Item = f32>;
    /// From as many numbers as `SHAPE` holds.
    fn from_numbers(numbers: &[f32]) -> Self;
}

impl Numbers for Mat4 {
    const NAME: &'static str = "Mat4";
    const SHAPE: &'static [usize] = &[4, 4];
    // glam keeps columns, a tensor rows.
    fn numbers(self) -> impl IntoIterator<Item = f32> {
        self.transpose().to_cols_array()
    }
    fn from_numbers(numbers: &[f32]) -> Self {
        Self::from_cols_slice(numbers).transpose()
    }
}

impl Numbers for Quat {
    const NAME: &'static str = "Quat";
    const SHAPE: &'static [usize] = &[4];
    fn numbers(self) -> impl IntoIterator<Item = f32> {
        self.to_array()
    }
    fn from_numbers(numbers: &[f32]) -> Self {
        Self::from_slice(numbers)
    }
}

impl Numbers for Vec3 {
    const NAME: &'static str = "Vec3";
    const SHAPE: &'static [usize] = &[3];
    fn numbers(self) -> impl IntoIterator<Item = f32> {
        self.to_array()
    }
    fn from_numbers(numbers: &[f32]) -> Self {
        Self::from_slice(numbers)
    }
}

impl Numbers for Vec4 {
    const NAME: &'static str = "Vec4";
    const SHAPE: &'static [usize] = &[4];
    fn numbers(self) -> impl IntoIterator<Item = f32> {
        self.to_array()
    }
    fn from_numbers(numbers: &[f32]) -> Self {
        Self::from_slice(numbers)
    }
}

fn tensor<X: Numbers + Copy>(all: &[X], leading: &[usize]) -> Tensor {
    let numbers = all.iter().flat_map(|x| x.numbers()).collect::<Vec<f32>>();
    Tensor::from_vec(numbers, &shape(leading, X::SHAPE)).expect("a value has as many numbers as its shape")
}

#[track_caller]
fn values<X: Numbers>(x: &Tensor, several: bool) -> Result<Vec<X>> {
    let fits = x.shape().ends_with(X::SHAPE) && x.rank() == X::SHAPE.len() + usize::from(several);
    if !fits {
        let (name, n) = (X::NAME, if several { "n, " } else { "" });
        let wanted = X::SHAPE.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::shape(format!("{name}: is made of a tensor of shape [{n}{wanted}], not {:?}", x.shape())));
    }
    let numbers = x.to_compute_dtype(X::NAME)?.to_dtype(DType::F32)?.to_vec::<f32>()?;
    Ok(numbers.chunks_exact(count(X::SHAPE)).map(X::from_numbers).collect())
}

macro_rules! conversions {
    ($($t:ty),*) => {$(
        impl From<$t> for Tensor {
            fn from(x: $t) -> Self {
                tensor(&[x], &[])
            }
        }

        impl From<&[$t]> for Tensor {
            fn from(all: &[$t]) -> Self {
                tensor(all, &[all.len()])
            }
        }

        impl TryFrom<&Tensor> for $t {
            type Error = Error;

            /// The value of a tensor of its shape; f64 is rounded to f32.
            #[track_caller]
            fn try_from(x: &Tensor) -> Result<Self> {
                values(x, false).map(|mut all| all.swap_remove(0))
            }
        }

        impl TryFrom<&Tensor> for Vec<$t> {
            type Error = Error;

            /// The values of a tensor with one more, leading, dimension; f64 is rounded to f32.
            #[track_caller]
            fn try_from(x: &Tensor) -> Result<Self> {
                values(x, true)
            }
        }
    )*};
}
conversions!(Mat4, Quat, Vec3, Vec4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{compose, quaternion, transform_points};

    #[test]
    fn values_go_there_and_back() {
        let m = Mat4::from_cols_array(&std::array::from_fn(|i| i as f32));
        let x = Tensor::from(m);
        assert_eq!(x.select(1, 0).unwrap().to_vec::<f32>().unwrap(), m.x_axis.to_array());
        assert_eq!(Mat4::try_from(&x).unwrap(), m);
        let rows = [Vec3::X, Vec3::new(1.0, 2.0, 3.0)];
        let x = Tensor::from(&rows[..]);
        assert_eq!(x.shape(), [2, 3]);
        assert_eq!(Vec::<Vec3>::try_from(&x.to_dtype(DType::F64).unwrap()).unwrap(), rows);
        let q = Quat::from_rotation_x(0.3);
        assert_eq!(Quat::try_from(&Tensor::from(q)).unwrap(), q);
        assert_eq!(Vec4::try_from(&Tensor::from(Vec4::W)).unwrap(), Vec4::W);
        let none: [Mat4; 0] = [];
        assert_eq!(Vec::<Mat4>::try_from(&Tensor::from(&none[..])).unwrap(), []);
    }

    #[test]
    fn other_shapes_are_refused_with_words() {
        let words = |x: Error| x.to_string();
        let rows = Tensor::ones(&[2, 3], DType::F32).unwrap();
        assert_eq!(Vec3::try_from(&rows).map_err(words), Err("Vec3: is made of a tensor of shape [3], not [2, 3]".into()));
        assert_eq!(
            Vec::<Mat4>::try_from(&rows).map_err(words),
            Err("Mat4: is made of a tensor of shape [n, 4, 4], not [2, 3]".into())
        );
        let integers = Tensor::arange(3).unwrap();
        assert_eq!(
            Vec3::try_from(&integers).map_err(words),
            Err("Vec3: takes floating-point numbers, got i64; cast with to_dtype".into())
        );
    }

    #[test]
    fn both_do_the_same() {
        let (t, s) = (Vec3::new(1.0, -2.0, 3.0), Vec3::new(0.5, 2.0, -1.5));
        let (q, r) = (Quat::from_axis_angle(Vec3::new(1.0, 2.0, 3.0).normalize(), 0.7), Quat::from_rotation_y(2.0));
        let theirs = Mat4::from_scale_rotation_translation(s, q, t);
        let ours = compose(&t.into(), &q.into(), &s.into()).unwrap();
        assert!(Mat4::try_from(&ours).unwrap().abs_diff_eq(theirs, 1e-6));
        let p = Vec3::new(0.3, 0.2, 0.1);
        let moved = Vec3::try_from(&transform_points(&ours, &p.into()).unwrap()).unwrap();
        assert!(moved.abs_diff_eq(theirs.transform_point3(p), 1e-6));
        let product = Quat::try_from(&quaternion::multiply(&q.into(), &r.into()).unwrap()).unwrap();
        assert!(product.abs_diff_eq(q * r, 1e-6));
    }
}
