//! The safe scalar twin of every kernel, as plain as possible: what the fast ones are compared with.

mod adam;
mod attention;
mod distance;
mod factor;
mod field;
mod gather;
mod loss;
mod norm;
mod rotary;
mod sample;
mod softmax;
mod splat;
mod ssim;
#[cfg(test)]
mod support;
mod transform;

use crate::product::{Axes, Axis, Operand, Stored};
use crate::simd::Lanes;

pub use adam::adam;
pub use attention::{NaiveAttention, NaiveAttentionGradients, attention, attention_gradients};
pub use distance::{distances, weighted_differences};
pub use factor::{cholesky, lu, qr, solve_triangular};
pub use field::{composite, hash_grid, hash_grid_gradients};
pub use gather::{gather, scatter, scatter_add, select, select_add, select_put};
pub use loss::cross_entropy;
pub use norm::{layer_norm, layer_norm_backward, rms_norm, rms_norm_backward};
pub use rotary::rotary;
pub use sample::sample;
pub use softmax::{softmax, softmax_backward};
pub use splat::{
    NaiveScreen, blend as blend_splats, blend_gradient as blend_splats_gradient, project as project_splats, splat_colors,
};
pub use ssim::ssim;
pub use transform::{compose, slerp, transform};

#[cfg(test)]
pub(crate) use support::{close, groups, numbers};

/// The offsets of every index over a group of dimensions, in row-major order.
fn offsets(group: &[Axis], stride: impl Fn(&Axis) -> isize) -> Vec<isize> {
    group.iter().fold(vec![0], |all, axis| {
        all.iter().flat_map(|&at| (0..axis.size as isize).map(move |i| (at, i))).map(|(at, i)| at + i * stride(axis)).collect()
    })
}

fn read<T: Lanes>(x: Operand<'_, T>, at: isize) -> T {
    let at = x.offset.wrapping_add_signed(at);
    match x.data {
        Stored::Real(x) => x[at],
        Stored::F32(x) => x[at].into(),
        Stored::BF16(x) => x[at].into(),
        Stored::F16(x) => x[at].into(),
    }
}

/// C[β, μ, ν] = α · Σ_κ A[β, μ, κ] · B[β, κ, ν], one sum at a time.
pub fn product<T: Lanes>(alpha: T, a: Operand<'_, T>, b: Operand<'_, T>, c: &mut [T], axes: &Axes) {
    let batch: Vec<_> = {
        let (a, b, c) = (offsets(&axes.batch, |x| x.a), offsets(&axes.batch, |x| x.b), offsets(&axes.batch, |x| x.c));
        a.into_iter().zip(b).zip(c).collect()
    };
    let rows: Vec<_> = offsets(&axes.rows, |x| x.a).into_iter().zip(offsets(&axes.rows, |x| x.c)).collect();
    let columns: Vec<_> = offsets(&axes.columns, |x| x.b).into_iter().zip(offsets(&axes.columns, |x| x.c)).collect();
    let contracted: Vec<_> = offsets(&axes.contracted, |x| x.a).into_iter().zip(offsets(&axes.contracted, |x| x.b)).collect();
    for &((ab, bb), cb) in &batch {
        for &(ar, cr) in &rows {
            for &(bc, cc) in &columns {
                let mut sum = T::ZERO;
                for &(ak, bk) in &contracted {
                    sum += read(a, ab + ar + ak) * read(b, bb + bc + bk);
                }
                c[(cb + cr + cc) as usize] = alpha * sum;
            }
        }
    }
}
