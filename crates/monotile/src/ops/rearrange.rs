//! Elements in another order along axes: moved axes, quarter turns, rolled and cut tensors.

use crate::check;
use crate::error::{Error, Placed, Result};
use crate::memory;
use crate::tensor::position::AxisList;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reshape and join: another order
///
/// Axes moved, elements rolled or rotated, and tensors taken apart.
impl Tensor {
    /// Axes moved to other places; the others keep their order. A view.
    ///
    /// # Errors
    /// If there are not as many axes as places, one does not exist, or one is named twice.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let a = Tensor::zeros(&[2, 3, 4], DType::F32)?;
    /// assert_eq!(a.movedim(0, -1)?.shape(), [3, 4, 2]);
    /// assert_eq!(a.movedim(&[0, 1], &[1, 0])?.shape(), [3, 2, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "moveaxis")]
    #[doc(alias = "rollaxis")]
    #[track_caller]
    pub fn movedim(&self, from: impl AxisList, to: impl AxisList) -> Result<Tensor> {
        moved(self, &from.list(self.rank()), &to.list(self.rank()))
    }

    /// Without its dimensions of size 1. A view.
    ///
    /// # Errors
    /// None; it returns a `Result` as [`squeeze`](Tensor::squeeze) of one axis does.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// assert_eq!(Tensor::zeros(&[1, 3, 1], DType::F32)?.squeeze_all()?.shape(), [3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "squeeze")]
    #[track_caller]
    pub fn squeeze_all(&self) -> Result<Tensor> {
        let sizes: Dims = self.shape().iter().copied().filter(|&n| n != 1).collect();
        self.reshape(&sizes)
    }

    /// A quarter turn from the first axis towards the second, `turns` times; negative ones go back. A view.
    ///
    /// # Errors
    /// If the axes are the same or do not exist.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1_i64, 2], [3, 4]])?;
    /// assert_eq!(a.rot90(1, [0, 1])?.to_vec::<i64>()?, [2, 4, 1, 3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn rot90(&self, turns: isize, axes: [isize; 2]) -> Result<Tensor> {
        let named = check::axes("rot90", &axes, self.rank())?;
        debug_assert_eq!(named.len(), 2, "two axes, each once");
        let [i, j] = axes;
        match turns.rem_euclid(4) {
            0 => Ok(self.clone()),
            1 => self.flip(j)?.transpose(i, j),
            2 => self.flip(&axes),
            _ => self.transpose(i, j)?.flip(j),
        }
    }

    /// The elements moved by `shifts` along `axes`, those that leave at an end entering at the other. Without axes, by one shift in row-major order.
    ///
    /// # Gradient
    /// The cotangent moved back.
    ///
    /// # Errors
    /// If there are not as many shifts as axes, or there is no such axis.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(6)?.reshape(&[2, 3])?;
    /// assert_eq!(a.roll(1, 1)?.to_vec::<i64>()?, [2, 0, 1, 5, 3, 4]);
    /// assert_eq!(a.roll(-1, [])?.to_vec::<i64>()?, [1, 2, 3, 4, 5, 0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: impl AxisList, axes: impl AxisList) -> Result<Tensor> {
        rolled(self, &shifts.list(self.rank()), &axes.list(self.rank()))
    }

    /// The slices along an axis, without it: views.
    ///
    /// # Gradient
    /// The cotangents side by side, put together once.
    ///
    /// # Errors
    /// If there is no such axis.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let columns = Tensor::arange(4)?.reshape(&[2, 2])?.unbind(1)?;
    /// assert_eq!(columns[1].to_vec::<i64>()?, [1, 3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "unstack")]
    #[track_caller]
    pub fn unbind(&self, axis: isize) -> Result<Vec<Tensor>> {
        let d = check::axis("unbind", axis, self.rank())? as isize;
        let mut sizes = memory::list(self.dim(d), "unbind")?;
        sizes.resize(self.dim(d), 1);
        let parts = self.split(&sizes, d)?;
        parts.iter().map(|part| part.squeeze(d)).collect::<Result<_>>().placed()
    }

    /// At most `count` parts along an axis: views of equal size, but for the last, which may be smaller. There are fewer where that takes fewer.
    ///
    /// # Gradient
    /// The cotangents side by side, put together once.
    ///
    /// # Errors
    /// If there is no such axis, or `count` is 0.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let sizes = |n| Ok::<_, monotile::Error>(Tensor::arange(n)?.chunk(3, 0)?.iter().map(Tensor::len).collect::<Vec<_>>());
    /// assert_eq!(sizes(7)?, [3, 3, 1]);
    /// assert_eq!(sizes(4)?, [2, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn chunk(&self, count: usize, axis: isize) -> Result<Vec<Tensor>> {
        let size = self.shape()[check::axis("chunk", axis, self.rank())?];
        if count == 0 {
            return Err(Error::value("chunk: the number of parts must be at least 1, got 0"));
        }
        let each = size.div_ceil(count).max(1);
        let mut sizes = memory::list(size / each + 1, "chunk")?;
        sizes.resize(size / each, each);
        if !size.is_multiple_of(each) || size == 0 {
            sizes.push(size % each);
        }
        self.split(&sizes, axis)
    }
}

#[track_caller]
fn rolled(x: &Tensor, shifts: &[isize], axes: &[isize]) -> Result<Tensor> {
    if axes.is_empty() && shifts.len() == 1 {
        return rolled(&x.reshape([x.len()])?, shifts, &[0])?.reshape(x.shape());
    }
    if axes.len() != shifts.len() {
        return Err(Error::value(format!("roll: {} shifts {shifts:?} for {} axes {axes:?}", shifts.len(), axes.len())));
    }
    let mut y = x.clone();
    for (&shift, &axis) in shifts.iter().zip(axes) {
        let size = x.shape()[check::axis("roll", axis, x.rank())?];
        let first = if size == 0 { 0 } else { size - shift.rem_euclid(size as isize) as usize };
        if first < size {
            y = Tensor::cat([y.slice(axis, first..)?, y.slice(axis, ..first)?], axis)?;
        }
    }
    Ok(y)
}

#[track_caller]
fn moved(x: &Tensor, from: &[isize], to: &[isize]) -> Result<Tensor> {
    if from.len() != to.len() {
        return Err(Error::value(format!("movedim: {} axes {from:?} for {} places {to:?}", from.len(), to.len())));
    }
    if from.is_empty() {
        return Ok(x.clone());
    }
    check::axes("movedim", from, x.rank())?;
    check::axes("movedim", to, x.rank())?;
    let from = from.iter().map(|&a| check::axis("movedim", a, x.rank())).collect::<Result<Vec<_>>>().placed()?;
    let to = to.iter().map(|&a| check::axis("movedim", a, x.rank())).collect::<Result<Vec<_>>>().placed()?;
    let mut others = (0..x.rank()).filter(|d| !from.contains(d));
    let source = |d: usize| to.iter().position(|&t| t == d).map(|k| from[k]);
    let order: Vec<isize> = (0..x.rank()).filter_map(|d| source(d).or_else(|| others.next())).map(|d| d as isize).collect();
    x.permute(&order)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("movedim", |x| Ok(vec![x[0].movedim(&[2, 0], &[0, 1])?]))
            .sample("cube", vec![normal(&[2, 3, 4])])
            .reference(|x| vec![(0..24).map(|k| x[0][k / 3 % 2 * 12 + k % 3 * 4 + k / 6]).collect()])
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "movedim: axis 2 is not an axis of a tensor of rank 2"),
        Spec::new("movedim", |x| Ok(vec![x[0].movedim(0, &[0, 1])?]))
            .refuses(vec![normal(&[2, 3])], "movedim: 1 axes [0] for 2 places [0, 1]"),
        Spec::new("movedim", |x| Ok(vec![x[0].movedim(&[0, -2], &[0, 1])?]))
            .refuses(vec![normal(&[2, 3])], "movedim: axes [0, -2] name one axis twice"),
        Spec::new("squeeze_all", |x| Ok(vec![x[0].squeeze_all()?]))
            .sample("two of size 1", vec![normal(&[1, 3, 1, 2])])
            .reference(|x| vec![x[0].clone()])
            .orders(2),
        Spec::new("rot90", |x| (-1..3).map(|turns| x[0].rot90(turns, [0, 1])).collect())
            .sample("matrix", vec![normal(&[2, 3])])
            // np.rot90(np.arange(6).reshape(2, 3), k).ravel() for k in range(-1, 3)
            .reference(|x| {
                let at = |order: [usize; 6]| order.map(|k| x[0][k]).to_vec();
                vec![at([3, 0, 4, 1, 5, 2]), x[0].clone(), at([2, 5, 1, 4, 0, 3]), at([5, 4, 3, 2, 1, 0])]
            })
            .orders(2)
            .refuses(vec![normal(&[2])], "rot90: axis 1 is not an axis of a tensor of rank 1"),
        Spec::new("roll", |x| Ok(vec![x[0].roll(&[1, -4], &[0, -1])?]))
            .sample("matrix", vec![normal(&[2, 3])])
            .sample("empty", vec![normal(&[2, 0])])
            // np.roll(np.arange(6).reshape(2, 3), (1, -4), (0, -1)).ravel()
            .reference(|x| vec![[4, 5, 3, 1, 2, 0].iter().take(x[0].len()).map(|&k| x[0][k]).collect()])
            .orders(2)
            .refuses(vec![normal(&[])], "roll: axis 0 is not an axis of a tensor of rank 0"),
        Spec::new("roll", |x| Ok(vec![x[0].roll(&[1, 2], &[0])?]))
            .refuses(vec![normal(&[2])], "roll: 2 shifts [1, 2] for 1 axes [0]"),
        Spec::new("unbind", |x| x[0].unbind(1))
            .sample("columns", vec![normal(&[2, 3])])
            .reference(|x| (0..3).map(|j| vec![x[0][j], x[0][3 + j]]).collect())
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2])], "unbind: axis 1 is not an axis of a tensor of rank 1"),
        Spec::new("chunk", |x| x[0].chunk(3, 0))
            .sample("two and a rest", vec![normal(&[5, 2])])
            .reference(|x| vec![x[0][..4].to_vec(), x[0][4..8].to_vec(), x[0][8..].to_vec()])
            .orders(2)
            .refuses(vec![normal(&[])], "chunk: axis 0 is not an axis of a tensor of rank 0"),
        Spec::new("chunk", |x| x[0].chunk(0, 0))
            .refuses(vec![normal(&[2])], "chunk: the number of parts must be at least 1, got 0"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: movedim, squeeze_all, rot90, roll, unbind, chunk);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_many_as_in_pytorch() {
        // [len(c) for c in torch.arange(n).chunk(k)]
        let sizes = |n, k| Tensor::arange(n).unwrap().chunk(k, 0).unwrap().iter().map(Tensor::len).collect::<Vec<_>>();
        assert_eq!(sizes(10, 4), [3, 3, 3, 1]);
        assert_eq!(sizes(6, 4), [2, 2, 2]);
        assert_eq!(sizes(2, 5), [1, 1]);
        assert_eq!(sizes(9, 3), [3, 3, 3]);
        assert_eq!(sizes(0, 1), [0]);
    }

    #[test]
    fn several_axes_are_reversed_and_none_is() {
        let a = Tensor::arange(6).unwrap().reshape(&[2, 3]).unwrap();
        let values = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
        assert_eq!(values(a.flip(&[-1, 0])), [5, 4, 3, 2, 1, 0]);
        assert_eq!(values(a.flip(&[])), [0, 1, 2, 3, 4, 5]);
        assert_eq!(a.flip(&[0, 0]).err().unwrap().to_string(), "flip: axes [0, 0] name one axis twice");
        assert_eq!(values(a.roll(&[7], &[])), [5, 0, 1, 2, 3, 4]);
        assert_eq!(values(a.roll(&[2, 1], &[1, 1])), [0, 1, 2, 3, 4, 5]);
    }
}
