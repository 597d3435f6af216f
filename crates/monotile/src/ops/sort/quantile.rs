//! Quantiles and the median over axes.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::ops::map::named;
use crate::tensor::position::AxisList;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

mod sealed {
    pub trait Sealed {}
}

/// The levels of [`Tensor::quantile`]: one number, or a list of them, which has a first axis in the result.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// let x = Tensor::from([4.0, 1.0, 3.0]);
/// assert_eq!(x.quantile(0.5, 0, false)?.item::<f64>()?, 3.0);
/// assert_eq!(x.quantile([0.0, 0.5], 0, false)?.shape(), [2]);
/// # Ok::<(), monotile::Error>(())
/// ```
pub trait QuantileLevels: sealed::Sealed {
    #[doc(hidden)]
    const ONE: bool;
    #[doc(hidden)]
    fn levels(&self) -> &[f64];
}

impl sealed::Sealed for f64 {}
impl QuantileLevels for f64 {
    const ONE: bool = true;
    fn levels(&self) -> &[f64] {
        std::slice::from_ref(self)
    }
}

macro_rules! levels {
    ($(($($n:ident)?) $list:ty;)*) => {$(
        impl$(<const $n: usize>)? sealed::Sealed for $list {}
        impl$(<const $n: usize>)? QuantileLevels for $list {
            const ONE: bool = false;
            fn levels(&self) -> &[f64] {
                &self[..]
            }
        }
    )*};
}
levels! {
    () &[f64];
    () Vec<f64>;
    () &Vec<f64>;
    (N) [f64; N];
    (N) &[f64; N];
}

/// # Sort and search: quantiles
///
/// Over the axes that are named, or over all.
impl Tensor {
    /// The quantiles of levels `q` over `axes`, or over all of them where none are named: with h = q (n − 1), the number at place h of the sorted
    /// elements, between two of them linearly. Of a list each level has its slice of a first axis: `(levels, …)`; one number has no such axis.
    ///
    /// This is NumPy's and PyTorch's `quantile` with their `linear` interpolation. NaN where there is one. Infinite elements count as
    /// limits, where NumPy's difference of two of them is NaN. The axes disappear, or stay with
    /// size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Of the two elements beside the place, by their shares 1 − (h − ⌊h⌋) and h − ⌊h⌋.
    ///
    /// # Errors
    /// If an axis does not exist, is named twice or has no elements, or a level is not in [0, 1]; for integers and booleans.
    ///
    /// # Cost
    /// Linear on average for each level: a selection, not a sort.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_rows(&[[4.0_f64, 1.0, 3.0], [7.0, 9.0, 8.0]])?;
    /// let q = x.quantile([0.25, 1.0], 1, false)?;
    /// assert_eq!(q.shape(), [2, 2]);
    /// assert_eq!(q.to_vec::<f64>()?, [2.0, 7.5, 4.0, 9.0]);
    /// assert_eq!(x.quantile(0.25, 1, false)?.to_vec::<f64>()?, [2.0, 7.5]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "nanquantile")]
    #[doc(alias = "percentile")]
    #[track_caller]
    pub fn quantile<Q: QuantileLevels>(&self, q: Q, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        let q = q.levels();
        if let Some(level) = q.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            return Err(Error::value(format!("quantile: the level {level} is not in 0 … 1")));
        }
        let found = quantile("quantile", self, q, &axes.list(self.rank()), keepdim)?;
        if Q::ONE { found.squeeze(0) } else { Ok(found) }
    }

    /// The middle of the sorted elements over `axes`, or over all of them where none are named: the mean of two middle ones, as NumPy's `median`.
    /// NaN where there is one. The axes disappear, or stay with size 1 where `keepdim` is set.
    ///
    /// PyTorch's `median` is the lower of two middle elements: [`kthvalue`](Tensor::kthvalue) of (n + 1) / 2.
    ///
    /// # Gradient
    /// Of the middle element, or one half of each of two.
    ///
    /// # Errors
    /// If an axis does not exist, is named twice or has no elements; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[9.0_f64, 1.0, 2.0, 5.0], &[4])?;
    /// assert_eq!(x.median(&[], false)?.item::<f64>()?, 3.5);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "nanmedian")]
    #[track_caller]
    pub fn median(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        quantile("median", self, &[0.5], &axes.list(self.rank()), keepdim)?.squeeze(0)
    }
}

#[track_caller]
fn quantile(op: &'static str, x: &Tensor, q: &[f64], axes: &[isize], keepdim: bool) -> Result<Tensor> {
    let x = x.to_compute_dtype(op)?;
    let axes = check::axes(op, axes, x.rank())?;
    for &axis in &axes {
        super::not_empty(op, &x, axis)?;
    }
    let (rows, shape) = rows_of(&x, &axes, keepdim)?;
    let n = rows.dim(-1);
    let places: Vec<f64> = q.iter().map(|q| q * (n - 1) as f64).collect();
    let ends = |place: &f64| [place.floor() as usize, place.ceil() as usize];
    let mut ranks: Vec<usize> = places.iter().flat_map(ends).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let index = door::sort::of_ranks(op, &rows.contiguous_detached(op)?, &ranks, true)?;
    let chosen = rows.gather(-1, &index)?;
    let end = |i: usize| {
        let at: Vec<i64> = places.iter().map(|place| ranks.partition_point(|&rank| rank < ends(place)[i]) as i64).collect();
        Tensor::from_vec(at, &[places.len()])?.to(&x.device())
    };
    let (lower, upper) = (chosen.index_select(-1, &end(0)?)?, chosen.index_select(-1, &end(1)?)?);
    let shares: Vec<f64> = places.iter().map(|place| place - place.floor()).collect();
    let shares = Tensor::from_vec(shares, &[places.len()])?.to_dtype(x.dtype())?.to(&x.device())?;
    let y = between(op, &lower, &upper, &shares)?;
    let mut order: Vec<isize> = (0..y.rank() as isize - 1).collect();
    order.insert(0, -1);
    let levels: Dims = [q.len()].into_iter().chain(shape).collect();
    y.permute(&order)?.reshape(&levels)
}

/// The elements over the axes in rows, beside the shape of a reduction over them.
#[track_caller]
fn rows_of(x: &Tensor, axes: &[usize], keepdim: bool) -> Result<(Tensor, Dims)> {
    let kept: Vec<usize> = (0..x.rank()).filter(|d| !axes.contains(d)).collect();
    let order: Vec<isize> = kept.iter().chain(axes).map(|&d| d as isize).collect();
    let sizes: Dims = axes.iter().map(|&d| x.shape()[d]).collect();
    let shape: Dims = kept.iter().map(|&d| x.shape()[d]).chain([crate::tensor::count(&sizes)]).collect();
    let rows = x.permute(&order)?.reshape(&shape)?;
    let size = |d: usize| if axes.contains(&d) { 1 } else { x.shape()[d] };
    let reduced = if keepdim { (0..x.rank()).map(size).collect() } else { shape[..shape.len() - 1].into() };
    Ok((rows, reduced))
}

/// a + s (b − a), from the nearer end as NumPy has it; by shares where b − a is not finite, and a where s is 0.
#[track_caller]
fn between(op: &'static str, a: &Tensor, b: &Tensor, share: &Tensor) -> Result<Tensor> {
    let formula = crate::formula!(
        [half = 0.5] | a,
        b,
        s | {
            let step = b - a;
            let rest = T::ONE - s;
            let near = T::select(s.less(half), a + step * s, b - step * rest);
            // Only finite numbers become 0.
            let linear = T::select((step * T::ZERO).equal(T::ZERO), near, a * rest + b * s);
            T::select(s.equal(T::ZERO), a, linear)
        }
    );
    named(op, [a, b, share], formula)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    const LEVELS: [f64; 5] = [0.5, 0.0, 0.3, 1.0, 0.85];
    fn plain(mut x: Vec<f64>, q: f64) -> f64 {
        x.sort_by(f64::total_cmp);
        let h = q * (x.len() - 1) as f64;
        x[h as usize] + (x[h.ceil() as usize] - x[h as usize]) * (h - h.floor())
    }
    // Normal numbers do not lie within a difference quotient's step of each other.
    vec![
        Spec::new("quantile", |x| Ok(vec![x[0].quantile(&LEVELS, &[1], true)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0, 4])])
            .reference(|x| vec![LEVELS.iter().flat_map(|&q| x[0].chunks(4).map(move |row| plain(row.to_vec(), q))).collect()])
            .orders(2)
            .refuses(vec![Tensor::arange(4).unwrap()], "quantile: takes floating-point numbers, got i64; cast with to_dtype")
            .refuses(vec![normal(&[3, 0])], "quantile: axis 1 of shape [3, 0] has no elements to choose from"),
        Spec::new("quantile of levels outside", |x| Ok(vec![x[0].quantile(&[0.5, 1.5], &[], false)?]))
            .refuses(vec![normal(&[3])], "quantile: the level 1.5 is not in 0 … 1"),
        Spec::new("median", |x| Ok(vec![x[0].median(&[0, 2], false)?]))
            .sample("even", vec![normal(&[2, 3, 4])])
            .sample("odd", vec![normal(&[3, 2, 3])])
            .shaped_reference(|x, s| {
                let [a, b, c] = [s[0][0], s[0][1], s[0][2]];
                let of = |j: usize| (0..a * c).map(|i| x[0][(i / c * b + j) * c + i % c]).collect();
                vec![(0..b).map(|j| plain(of(j), 0.5)).collect()]
            })
            .orders(2),
        Spec::new("median of all", |x| Ok(vec![x[0].median(&[], false)?]))
            .sample("number", vec![normal(&[])])
            .sample("vector", vec![normal(&[6])])
            .reference(|x| vec![vec![plain(x[0].clone(), 0.5)]])
            .orders(2)
            .refuses(vec![normal(&[0])], "median: axis 0 of shape [0] has no elements to choose from"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: quantile, quantile_of_levels_outside, median, median_of_all);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    #[test]
    fn quantiles_are_those_of_numpy_and_nan_spoils_its_row_alone() {
        // np.quantile([[1., 5., 2., 8., 3.], [9., nan, 4., 0., 1.]], [0.1, 0.5, 0.9], axis=1)
        let x = Tensor::from_rows(&[[1.0, 5.0, 2.0, 8.0, 3.0], [9.0, f64::NAN, 4.0, 0.0, 1.0]]).unwrap();
        let y = x.quantile(&[0.1, 0.5, 0.9], &[1], false).unwrap().to_vec::<f64>().unwrap();
        for (at, expected) in [(0, 1.4), (2, 3.0), (4, 6.8)] {
            assert!((y[at] - expected).abs() < 4.0 * f64::EPSILON * expected && y[at + 1].is_nan(), "{y:?}");
        }
    }

    #[test]
    fn one_level_has_no_axis_of_its_own() {
        let x = normal(&[3, 4]);
        let list = x.quantile([0.3], 1, true).unwrap();
        let one = x.quantile(0.3, 1, true).unwrap();
        assert_eq!((list.shape(), one.shape()), (&[1, 3, 1][..], &[3, 1][..]));
        assert_eq!(one.to_vec::<f64>().unwrap(), list.to_vec::<f64>().unwrap());
        assert_eq!(x.quantile(0.5, .., false).unwrap().item::<f64>().unwrap(), x.median(.., false).unwrap().item::<f64>().unwrap());
        assert_eq!(x.quantile(1.5, 0, false).err().unwrap().to_string(), "quantile: the level 1.5 is not in 0 … 1");
        assert_eq!(x.quantile(vec![0.1, 0.2], 0, false).unwrap().shape(), [2, 4]);
    }

    #[test]
    fn infinite_elements_have_quantiles() {
        let x = Tensor::from_slice(&[f64::NEG_INFINITY, 1.0, f64::INFINITY, f64::INFINITY], &[4]).unwrap();
        let y = x.quantile(&[0.0, 1.0 / 3.0, 0.5, 5.0 / 6.0, 1.0], &[], false).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(y, [f64::NEG_INFINITY, 1.0, f64::INFINITY, f64::INFINITY, f64::INFINITY]);
        let huge = Tensor::from_slice(&[-f64::MAX, f64::MAX], &[2]).unwrap();
        assert_eq!(huge.median(&[], false).unwrap().item::<f64>().unwrap(), 0.0);
    }

    #[test]
    fn halves_and_no_levels_are_taken() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 4.0], &[3]).unwrap().to_dtype(DType::BF16).unwrap();
        assert_eq!(x.median(&[], true).unwrap().to_vec::<f32>().unwrap(), [2.0]);
        assert_eq!(normal(&[2, 3]).quantile(&[], &[0], false).unwrap().shape(), [0, 3]);
    }
}
