//! Diagonals: dimensions that share a label are walked together, as a view.
//!
//! y[j] = x[i], where dimension d of x has index i_d = j_{to(d)}

use monotile_kernels::buffer::{Block, Buffer};

use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::dtype::Stored;
use crate::tensor::layout::Layout;
use crate::tensor::storage::{Cpu, Storage};
use crate::tensor::{Dims, Strides, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The view of `x` in which dimension d walks all dimensions of `x` that `to` sends to d.
///
/// Dimensions that go nowhere (`None`) must have size 1, those that go to one dimension must have one size; every dimension
/// of the result is gone to.
///
/// # Gradient
/// Zero off the diagonal.
pub(super) fn diagonal(x: &Tensor, to: &[Option<usize>]) -> Result<Tensor> {
    let layout = x.layout();
    let view = x.with_layout(Layout { offset: layout.offset, ..walked(&layout.shape, &layout.strides, to) });
    Ok(Tensor::record(view, &[x], Diagonal { to: to.to_vec() }))
}

/// The shape of the diagonal and its strides through the whole.
fn walked(shape: &[usize], strides: &[isize], to: &[Option<usize>]) -> Layout {
    let rank = to.iter().flatten().max().map_or(0, |d| d + 1);
    let (mut sizes, mut steps) = (Dims::from_elem(1, rank), Strides::from_elem(0, rank));
    for ((&size, &stride), to) in shape.iter().zip(strides).zip(to) {
        let Some(d) = *to else { continue };
        sizes[d] = size;
        steps[d] += stride;
    }
    Layout { shape: sizes, strides: steps, offset: 0 }
}

/// Zeros of this shape with `y` on the diagonal that [`diagonal`] takes.
fn embed(y: &Tensor, shape: &[usize], to: &[Option<usize>]) -> Result<Tensor> {
    fn place<T: Stored + Default>(y: &Tensor, buffer: &Buffer<T>, shape: &[usize], to: &[Option<usize>]) -> Tensor {
        let whole = Layout::contiguous(shape);
        let diagonal = walked(shape, &whole.strides, to);
        let mut block = Block::filled(whole.len(), T::default());
        let mut index = Dims::from_elem(0, y.rank());
        let mut at = 0_isize;
        for value in y.view(buffer).iter() {
            block[at as usize] = value;
            // The next index in row-major order, and its place.
            for d in (0..index.len()).rev() {
                index[d] += 1;
                at += diagonal.strides[d];
                if index[d] < diagonal.shape[d] {
                    break;
                }
                at -= diagonal.strides[d] * index[d] as isize;
                index[d] = 0;
            }
        }
        Tensor::from_block(block, shape)
    }
    let y_read = y.computable("einsum")?;
    let Storage::Cpu(memory) = y_read.storage();
    let x = match memory {
        Cpu::F32(b) => place(&y_read, b, shape, to),
        Cpu::F64(b) => place(&y_read, b, shape, to),
        _ => unreachable!("a computable tensor holds f32 or f64"),
    };
    Ok(Tensor::record(x, &[&y_read], Embed { to: to.to_vec() }))
}

struct Diagonal {
    to: Vec<Option<usize>>,
}

impl Gradient for Diagonal {
    fn name(&self) -> &'static str {
        "einsum's diagonal"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let embedded = |g: &Tensor| embed(g, saved.input_shape(0), &self.to);
        Ok(vec![cotangents[0].as_ref().map(embedded).transpose()?])
    }
}

struct Embed {
    to: Vec<Option<usize>>,
}

impl Gradient for Embed {
    fn name(&self) -> &'static str {
        "einsum's diagonal, embedded"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(|g| diagonal(g, &self.to)).transpose()?])
    }
}

#[cfg(test)]
pub(super) fn specs() -> Vec<Spec> {
    const TO: [Option<usize>; 4] = [Some(0), Some(1), Some(0), Some(0)];
    let walk = |x: &[Tensor]| Ok(vec![diagonal(&x[0], &TO)?]);
    // A view is linear: its square shows whether the second gradient is right too.
    let squared = |x: &[Tensor]| diagonal(&x[0], &TO).and_then(|y| Ok(vec![y.mul(&y)?]));
    vec![
        Spec::new("diagonal of a term", walk).sample("threefold", vec![normal(&[3, 2, 3, 3])]).orders(2),
        Spec::new("diagonal of a term, squared", squared).sample("threefold", vec![normal(&[3, 2, 3, 3])]).orders(2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagonal_is_a_view_whose_gradient_is_zero_elsewhere() {
        let x = Tensor::from_vec((0..18).map(f64::from).collect(), &[3, 1, 2, 3]).unwrap().requires_grad();
        let to = [Some(1), None, Some(0), Some(1)];
        let y = diagonal(&x, &to).unwrap();
        assert_eq!((y.shape(), y.strides()), (&[2, 3][..], &[3, 7][..]));
        assert_eq!(y.to_vec::<f64>().unwrap(), [0.0, 7.0, 14.0, 3.0, 10.0, 17.0]);
        let g = y.sum(&[]).unwrap().backward().unwrap().get(&x).unwrap().to_f64_vec();
        let places: Vec<usize> = (0..18).filter(|&i| g[i] == 1.0).collect();
        assert_eq!((places.as_slice(), g.iter().sum::<f64>()), (&[0, 3, 7, 10, 14, 17][..], 6.0));
    }
}
