//! Elements put before and after those of several axes: a constant, or the tensor's own, mirrored, repeated or wrapped.

use crate::check;
use crate::error::{Error, Placed, Result};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// What [`Tensor::pad_axes`] puts beside a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// One number.
    Constant(f64),
    /// The elements mirrored at the outermost one, which is not repeated: `c b | a b c | b a`.
    Reflect,
    /// The outermost element: `a a | a b c | c c`. NumPy's `edge`.
    Replicate,
    /// The elements of the other end: `b c | a b c | a b`. NumPy's `wrap`.
    Circular,
}

/// # Reshape and join: padding
///
/// Elements put beside those of several axes.
impl Tensor {
    /// Elements put before and after those along the last axes; each pair of `widths` is for an axis, in the order of the axes.
    ///
    /// A width may exceed the axis: mirrors and copies then go on, as in NumPy. [`pad`](Tensor::pad) is for one axis. PyTorch's `F.pad` names the last axis first.
    ///
    /// # Gradient
    /// The cotangent of an element and of all its copies, added.
    ///
    /// # Errors
    /// If there are more pairs than axes, or an axis without elements is padded with its own.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, ops::PadMode};
    /// let a = Tensor::from_rows(&[[1.0_f32, 2.0, 3.0]])?;
    /// assert_eq!(a.pad_axes(&[(2, 1)], PadMode::Reflect)?.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// assert_eq!(a.pad_axes(&[(2, 1)], PadMode::Circular)?.to_vec::<f32>()?, [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    /// assert_eq!(a.pad_axes(&[(1, 0), (0, 1)], PadMode::Constant(0.0))?.shape(), [2, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "pad")]
    #[doc(alias = "ReflectionPad2d")]
    #[doc(alias = "ReplicationPad2d")]
    #[doc(alias = "CircularPad2d")]
    #[track_caller]
    pub fn pad_axes(&self, widths: &[(usize, usize)], mode: PadMode) -> Result<Tensor> {
        let Some(first) = self.rank().checked_sub(widths.len()) else {
            return Err(Error::shape(format!(
                "pad_axes: {} pairs of widths for a tensor of shape {:?}",
                widths.len(),
                self.shape()
            )));
        };
        let mut x = self.clone();
        for (k, &(before, after)) in widths.iter().enumerate().filter(|(_, widths)| **widths != (0, 0)) {
            let axis = first + k;
            x = match mode {
                PadMode::Constant(value) => x.pad(axis as isize, before, after, value)?,
                _ => with_own(&x, axis, [before, after], mode)?,
            };
        }
        Ok(x)
    }
}

/// Padding along an axis by elements of the tensor itself.
#[track_caller]
fn with_own(x: &Tensor, axis: usize, [before, after]: [usize; 2], mode: PadMode) -> Result<Tensor> {
    let n = x.shape()[axis];
    if n == 0 {
        return Err(Error::shape(format!("pad_axes: axis {axis} of shape {:?} has no elements to pad with", x.shape())));
    }
    let total = n.saturating_add(before).saturating_add(after);
    let mut shape: Dims = x.shape().into();
    shape[axis] = total;
    check::shape("pad_axes", &shape)?;
    if let Some([left, right]) = sides(x, axis, [before, after], mode)? {
        return Tensor::cat(&[&left, x, &right], axis as isize).map_err(|error| error.with_context("pad_axes")).placed();
    }
    let place = |i: usize| match mode {
        PadMode::Replicate => i.saturating_sub(before).min(n - 1),
        // i − before modulo n, without a negative number on the way.
        PadMode::Circular => (i + (n - before % n)) % n,
        _ if n == 1 => 0,
        _ => {
            let period = 2 * (n - 1);
            let at = (i + (period - before % period)) % period;
            at.min(period - at)
        }
    };
    x.index_select(axis as isize, &Tensor::from_fn_i64("pad_axes", &[total], |i| place(i) as i64)?.to(&x.device())?)
}

/// What stands beside x, where either side is a part of it: views, which are copied in rows.
#[track_caller]
fn sides(x: &Tensor, axis: usize, [before, after]: [usize; 2], mode: PadMode) -> Result<Option<[Tensor; 2]>> {
    let (n, d) = (x.shape()[axis], axis as isize);
    let copies = |part: Tensor, count: usize| {
        let mut shape: Dims = x.shape().into();
        shape[axis] = count;
        part.expand(&shape).placed()
    };
    Ok(Some(match mode {
        PadMode::Replicate => [copies(x.slice(d, ..before.min(1))?, before)?, copies(x.slice(d, n - after.min(1)..)?, after)?],
        PadMode::Circular if before <= n && after <= n => [x.slice(d, n - before..)?, x.slice(d, ..after)?],
        PadMode::Reflect if before < n && after < n => {
            [x.slice(d, 1..before + 1)?.flip(d)?, x.slice(d, n - 1 - after..n - 1)?.flip(d)?]
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let spec = |mode: PadMode, rows: [usize; 4], columns: [usize; 6]| {
        Spec::new("pad_axes", move |x| Ok(vec![x[0].pad_axes(&[(1, 1), (2, 1)], mode)?]))
            .sample("both axes of matrices", vec![normal(&[2, 2, 3])])
            .reference(move |x| {
                let at = |k: usize| x[0][k / 24 * 6 + rows[k / 6 % 4] * 3 + columns[k % 6]];
                vec![(0..48).map(at).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[3])], "pad_axes: 2 pairs of widths for a tensor of shape [3]")
    };
    vec![
        spec(PadMode::Reflect, [1, 0, 1, 0], [2, 1, 0, 1, 2, 1])
            .refuses(vec![normal(&[2, 0])], "pad_axes: axis 1 of shape [4, 0] has no elements to pad with"),
        spec(PadMode::Replicate, [0, 0, 1, 1], [0, 0, 0, 1, 2, 2]),
        spec(PadMode::Circular, [1, 0, 1, 0], [1, 2, 0, 1, 2, 0]),
        Spec::new("pad_axes", |x| Ok(vec![x[0].pad_axes(&[(1, 0), (0, 1)], PadMode::Constant(0.5))?]))
            .sample("a row and a column of a constant", vec![normal(&[1, 2])])
            .reference(|x| vec![vec![0.5, 0.5, 0.5, x[0][0], x[0][1], 0.5]])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: pad_axes);

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.pad(np.arange(3), (7, 5), mode)`
    #[test]
    fn widths_beyond_the_axis_go_on_as_in_numpy() {
        let values = |n, mode| Tensor::arange(n).unwrap().pad_axes(&[(7, 5)], mode).unwrap().to_vec::<i64>().unwrap();
        assert_eq!(values(3, PadMode::Reflect), [1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(values(3, PadMode::Circular), [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(values(3, PadMode::Replicate), [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(values(1, PadMode::Reflect), [0; 13]);
    }

    /// `np.pad(np.arange(3), (2, 0), mode)`, and `(0, 3)`
    #[test]
    fn one_side_alone_is_padded() {
        let values = |widths, mode| Tensor::arange(3).unwrap().pad_axes(&[widths], mode).unwrap().to_vec::<i64>().unwrap();
        assert_eq!(values((2, 0), PadMode::Reflect), [2, 1, 0, 1, 2]);
        assert_eq!(values((2, 0), PadMode::Circular), [1, 2, 0, 1, 2]);
        assert_eq!(values((2, 0), PadMode::Replicate), [0, 0, 0, 1, 2]);
        assert_eq!(values((0, 3), PadMode::Reflect), [0, 1, 2, 1, 0, 1]);
        assert_eq!(values((0, 3), PadMode::Circular), [0, 1, 2, 0, 1, 2]);
        assert_eq!(values((0, 3), PadMode::Replicate), [0, 1, 2, 2, 2, 2]);
        let words = Tensor::arange(3).unwrap().pad_axes(&[(usize::MAX, 1)], PadMode::Replicate).err().unwrap().to_string();
        assert!(words.starts_with("pad_axes: shape [18446744073709551615] "), "{words}");
    }
}
