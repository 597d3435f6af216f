//! Pictures read at the points of a grid, between their elements.

use monotile_kernels::number::Dual;
use monotile_kernels::shape::count;

use crate::check;
use crate::door::gather as door;
use crate::door::gather::{MOST_ELEMENTS, MOST_SIDE, PixelCoordinate, SampleRule};
pub use crate::door::gather::{SampleMode, SamplePadding};
use crate::error::{Error, Placed, Result};
use crate::ops::map::{Formula, Number, named};
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};

/// Options of [`grid_sample`]; by default PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSampleOptions {
    /// Which elements a sample is made of: the four around its point, or the nearest one.
    pub mode: SampleMode,
    /// What lies outside a picture.
    pub padding: SamplePadding,
    /// Whether −1 and 1 are the centers of the outermost elements, and not the edges of the picture.
    pub align_corners: bool,
}

impl Default for GridSampleOptions {
    fn default() -> Self {
        Self { mode: SampleMode::Bilinear, padding: SamplePadding::Zeros, align_corners: false }
    }
}

impl GridSampleOptions {
    fn rule(&self) -> SampleRule {
        SampleRule { mode: self.mode, padding: self.padding, align_corners: self.align_corners }
    }
}

/// Pictures at the points of a grid: out\[n, c, i, j\] is the picture x\[n, c\] at the point (grid\[n, i, j, 0\], grid\[n, i, j, 1\]).
///
/// Shapes: `x` is `(N, C, H, W)`, `grid` `(N, H′, W′, 2)`, the result `(N, C, H′, W′)`. The coordinates, x before y, go from −1 at one side of the
/// picture to 1 at the other. Between elements the sample is bilinear. bf16 and f16 count as f32. A coordinate that is NaN gives NaN.
///
/// # Gradient
/// To the pictures and to the grid; of the nearest elements the grid has none. Second derivatives are those of the same samples made of operations.
///
/// # Errors
/// If `x` or `grid` has not such a shape, their first sizes differ, or a picture has no elements, or a side of more than 2³⁰; for integers.
///
/// # Cost
/// Points are located once for all channels. A sample reads four elements, and a gradient as many again.
///
/// # Source
/// Jaderberg et al. (2015), Spatial Transformer Networks.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{GridSampleOptions, grid_sample}};
/// let picture = Tensor::from_slice(&[0.0_f64, 1.0, 2.0, 3.0], &[1, 1, 2, 2])?;
/// let grid = Tensor::from_slice(&[0.0_f64, 0.0, 1.0, -1.0], &[1, 1, 2, 2])?;
/// let options = GridSampleOptions { align_corners: true, ..Default::default() };
/// assert_eq!(grid_sample(&picture, &grid, &options)?.to_vec::<f64>()?, [1.5, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "remap")]
#[doc(alias = "map_coordinates")]
#[track_caller]
pub fn grid_sample(x: &Tensor, grid: &Tensor, options: &GridSampleOptions) -> Result<Tensor> {
    let dtype = check::common_float("grid_sample", x, grid)?;
    let (a, b) = (x.shape(), grid.shape());
    if a.len() != 4 || b.len() != 4 || b[3] != 2 || a[0] != b[0] {
        return Err(Error::shape(format!(
            "grid_sample: takes pictures (N, C, H, W) and grids (N, H′, W′, 2), got shapes {a:?} and {b:?}"
        )));
    }
    if a[2] == 0 || a[3] == 0 {
        return Err(Error::shape(format!("grid_sample: pictures of shape {a:?} have no elements to sample")));
    }
    if a[2].max(a[3]) > MOST_SIDE || count(&a[2..]) > MOST_ELEMENTS {
        return Err(Error::shape(format!(
            "grid_sample: pictures of shape {a:?} have a side of more than {MOST_SIDE} elements, or more than {MOST_ELEMENTS} elements"
        )));
    }
    let (x, grid) = (x.to_dtype(dtype)?, grid.to_dtype(dtype)?);
    let rule = options.rule();
    let out = door::sample("grid_sample", rule, &x.contiguous_detached("grid_sample")?, &grid.contiguous_detached("grid_sample")?)?;
    Ok(Tensor::record(out, &[&x, &grid], GridSample(rule)))
}

struct GridSample(SampleRule);

impl Gradient for GridSample {
    fn name(&self) -> &'static str {
        "grid_sample"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        i == 1 || needs[1]
    }
    // x̄ of each element around a point: its weight times ȳ;  ḡ: the weights' derivatives times ȳ and the elements
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (rule, grid) = (self.0, saved.input(1));
        let g = g.to_dtype(grid.dtype())?;
        if saved.is_recorded() {
            return recorded(rule, saved, &grid, &g);
        }
        let (grid, g) = (grid.contiguous_for("grid_sample")?, g.contiguous_for("grid_sample")?);
        let by_x = || door::picture_gradient("grid_sample", rule, saved.input_shape(0), &grid, &g);
        let by_grid = || door::grid_gradient("grid_sample", rule, &saved.input(0).contiguous_for("grid_sample")?, &grid, &g);
        Ok(vec![saved.needs(0).then(by_x).transpose()?, saved.needs(1).then(by_grid).transpose()?])
    }
}

/// The derivative of a pixel's coordinate by the grid's: constant between jumps.
#[derive(Clone, Copy)]
struct PixelSlope(PixelCoordinate);

impl Formula<1> for PixelSlope {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [c]: [T; 1]) -> T {
        self.0.apply([Dual::variable(c)]).slope
    }
}

/// The derivative of a coordinate as a recorded formula: the padding with the most steps.
#[cfg(test)]
pub(crate) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    let rule = GridSampleOptions { padding: SamplePadding::Reflection, ..Default::default() }.rule();
    let pixel = PixelSlope(PixelCoordinate::new(5, &rule));
    vec![("pixel_derivative".into(), monotile_kernels::number::record(|x| pixel.apply(x)))]
}

/// The elements around the points of all grids, and how far from them these lie, by operations.
struct ComposedPoints {
    /// Places in a picture, `(N, 1, P)`, and whether they are inside.
    corners: Vec<(Tensor, Tensor)>,
    /// How far a point lies to the right of the left ones and below the upper ones, `(N, 1, P)`, on the tape.
    fractions: [Tensor; 2],
    slopes: [Tensor; 2],
}

impl ComposedPoints {
    #[track_caller]
    fn new(rule: SampleRule, [height, width]: [usize; 2], grid: &Tensor) -> Result<Self> {
        let points = grid.reshape(&[grid.dim(0), 1, grid.dim(1) * grid.dim(2), 2])?;
        let (mut fractions, mut slopes, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (axis, size) in [width, height].into_iter().enumerate() {
            let pixel = PixelCoordinate::new(size, &rule);
            let along = points.select(-1, axis)?;
            let at = named("grid_sample", [&along], pixel)?;
            let first = if rule.mode == SampleMode::Nearest { at.detach().round()? } else { at.detach().floor()? };
            fractions.push(at.sub(&first)?);
            slopes.push(named("grid_sample", [&along.detach()], PixelSlope(pixel))?);
            places.push(first);
        }
        let offsets: &[[f64; 2]] = match rule.mode {
            SampleMode::Nearest => &[[0.0, 0.0]],
            SampleMode::Bilinear => &[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
        };
        let corner = |&[down, right]: &[f64; 2]| -> Result<(Tensor, Tensor)> {
            let (x, y) = (places[0].add(right)?, places[1].add(down)?);
            let (last_x, last_y) = (width as f64 - 1.0, height as f64 - 1.0);
            let inside = x.ge(0.0)?.and(&x.le(last_x)?)?.and(&y.ge(0.0)?.and(&y.le(last_y)?)?)?;
            let [x, y] = [x.clamp(0.0, last_x)?, y.clamp(0.0, last_y)?];
            let place = y.to_dtype(DType::I64)?.mul(width as i64)?.add(x.to_dtype(DType::I64)?)?;
            Ok((place, inside))
        };
        let corners = offsets.iter().map(corner).collect::<Result<Vec<_>>>().placed()?;
        let two = |list: Vec<Tensor>| <[Tensor; 2]>::try_from(list).unwrap_or_else(|_| unreachable!("one for each axis"));
        Ok(Self { corners, fractions: two(fractions), slopes: two(slopes) })
    }
}

/// The gradients by operations that have gradients themselves.
#[track_caller]
fn recorded(rule: SampleRule, saved: &Saved, grid: &Tensor, g: &Tensor) -> Result<Vec<Option<Tensor>>> {
    let shape = saved.input_shape(0);
    let [n, c, height, width] = [shape[0], shape[1], shape[2], shape[3]];
    let located = ComposedPoints::new(rule, [height, width], grid)?;
    let count = located.fractions[0].dim(-1);
    let g = g.reshape(&[n, c, count])?;
    let for_all = |place: &Tensor| place.expand(&[n, c, count]);
    let [tx, ty] = &located.fractions;
    let by_x = || -> Result<Tensor> {
        let weights = match rule.mode {
            SampleMode::Nearest => vec![tx.detach().ones_like()],
            SampleMode::Bilinear => {
                let (left, upper) = (tx.mul(-1.0)?.add(1.0)?, ty.mul(-1.0)?.add(1.0)?);
                vec![left.mul(&upper)?, tx.mul(&upper)?, left.mul(ty)?, tx.mul(ty)?]
            }
        };
        let mut sums = Tensor::zeros(&[n, c, height * width], g.dtype())?;
        for ((place, inside), weight) in located.corners.iter().zip(&weights) {
            sums = sums.scatter_add(2, &for_all(place)?, &inside.where_(g.mul(weight)?, 0.0)?)?;
        }
        sums.reshape(shape)
    };
    let by_grid = || -> Result<Tensor> {
        let x = saved.input(0).reshape(&[n, c, height * width])?;
        let mut around = Vec::new();
        for (place, inside) in &located.corners {
            around.push(inside.where_(x.gather(2, &for_all(place)?)?, 0.0)?);
        }
        let (upper, lower) = (around[1].sub(&around[0])?, around[3].sub(&around[2])?);
        let (left, right) = (around[2].sub(&around[0])?, around[3].sub(&around[1])?);
        let along_x = upper.add(ty.mul(lower.sub(&upper)?)?)?;
        let along_y = left.add(tx.mul(right.sub(&left)?)?)?;
        let sum = |along: Tensor, slope: &Tensor| g.mul(along)?.sum(&[1], true)?.mul(slope);
        Tensor::stack(&[sum(along_x, &located.slopes[0])?, sum(along_y, &located.slopes[1])?], -1)?.reshape(grid.shape())
    };
    let has_slope = rule.mode == SampleMode::Bilinear;
    Ok(vec![saved.needs(0).then(by_x).transpose()?, (saved.needs(1) && has_slope).then(by_grid).transpose()?])
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let paddings = [SamplePadding::Zeros, SamplePadding::Border, SamplePadding::Reflection];
    // Points drawn at random do not lie between two pixels' pieces, nor on an edge.
    let spec = |mode, padding, align_corners| {
        let options = GridSampleOptions { mode, padding, align_corners };
        Spec::new("grid_sample", move |x| Ok(vec![grid_sample(&x[0], &x[1], &options)?]))
            .sample("points in and around pictures", vec![normal(&[2, 2, 3, 4]), uniform(&[2, 3, 2, 2], -1.6, 1.6)])
            .sample("no points", vec![normal(&[2, 1, 3, 4]), normal(&[2, 0, 2, 2])])
            .orders(2)
    };
    let bilinear = paddings.iter().flat_map(|&padding| [false, true].map(|align| spec(SampleMode::Bilinear, padding, align)));
    let nearest = paddings.iter().map(|&padding| spec(SampleMode::Nearest, padding, false));
    let refusing = spec(SampleMode::Bilinear, SamplePadding::Zeros, false)
        .refuses(
            vec![normal(&[2, 1, 3, 4]), normal(&[1, 2, 2, 2])],
            "grid_sample: takes pictures (N, C, H, W) and grids (N, H′, W′, 2), got shapes [2, 1, 3, 4] and [1, 2, 2, 2]",
        )
        .refuses(
            vec![normal(&[1, 1, 0, 4]), normal(&[1, 2, 2, 2])],
            "grid_sample: pictures of shape [1, 1, 0, 4] have no elements to sample",
        )
        .refuses(
            vec![Tensor::zeros(&[1, 1, 1, 1 << 31], DType::F64).expect("a repeated number"), normal(&[1, 2, 2, 2])],
            "grid_sample: pictures of shape [1, 1, 1, 2147483648] have a side of more than 1073741824 elements, or more than 2147483648 elements",
        );
    // Outside of a picture NaN in it is not seen.
    bilinear.chain(nearest).chain([refusing]).map(Spec::may_drop_nan).collect()
}

#[cfg(test)]
crate::testing::spec_tests!(specs: grid_sample);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{grad, grad_recorded};

    /// `x = torch.arange(1., 13.).reshape(1, 1, 3, 4).sqrt()`, `w = torch.tensor([1., 2., 3., 4.]).reshape(1, 1, 2, 2)`, and of each case
    /// `y = F.grid_sample(x, grid, mode, padding_mode, align_corners)`, `(y * w).sum().backward()`:
    /// y, `grid.grad`, `(x.grad.ravel() * torch.arange(1., 13.)).sum()`
    #[test]
    fn samples_and_gradients_are_those_of_pytorch() {
        type Case = (SampleMode, SamplePadding, bool, [f64; 4], [f64; 8], f64);
        let cases: [Case; 12] = [
            (
                SampleMode::Bilinear,
                SamplePadding::Zeros,
                false,
                [1.175_886_171_337_419, 3.136_130_573_469_863_7, 0.0, 0.0],
                [
                    3.359_674_775_249_768_4,
                    1.297_871_376_374_779_1,
                    0.586_519_094_710_677_2,
                    -9.903_570_232_010_093,
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                ],
                22.95,
            ),
            (
                SampleMode::Bilinear,
                SamplePadding::Zeros,
                true,
                [1.906_296_479_911_398, 3.081_978_454_245_089_4, 0.880_000_000_000_000_4, 0.0],
                [
                    0.410_488_956_615_450_4,
                    1.205_949_207_936_333_9,
                    0.500_764_384_846_014_2,
                    1.358_512_733_819_375_2,
                    -7.200_000_000_000_001,
                    3.300_000_000_000_001_6,
                    0.0,
                    0.0,
                ],
                28.43,
            ),
            (
                SampleMode::Bilinear,
                SamplePadding::Border,
                false,
                [1.679_837_387_624_884_2, 3.301_190_077_336_697_6, 2.0, 3.270_320_651_299_294],
                [0.0, 1.854_101_966_249_684_7, 0.617_388_520_748_081_1, 0.0, 0.0, 0.0, 1.234_777_041_496_162_3, 0.0],
                79.8,
            ),
            (
                SampleMode::Bilinear,
                SamplePadding::Border,
                true,
                [1.906_296_479_911_398, 3.081_978_454_245_089_4, 2.0, 3.262_603_294_789_942_6],
                [
                    0.410_488_956_615_450_4,
                    1.205_949_207_936_333_9,
                    0.500_764_384_846_014_2,
                    1.358_512_733_819_375_2,
                    0.0,
                    0.0,
                    0.926_082_781_122_121_7,
                    0.0,
                ],
                77.75,
            ),
            (
                SampleMode::Bilinear,
                SamplePadding::Reflection,
                false,
                [1.679_837_387_624_884_2, 3.301_190_077_336_697_6, 1.973_205_080_756_887_7, 1.731_716_954_667_145],
                [
                    0.0,
                    1.854_101_966_249_684_7,
                    0.617_388_520_748_081_1,
                    0.0,
                    -1.607_695_154_586_736_8,
                    0.0,
                    2.445_437_420_034_761_3,
                    -5.701_039_239_420_146,
                ],
                49.1,
            ),
            (
                SampleMode::Bilinear,
                SamplePadding::Reflection,
                true,
                [1.906_296_479_911_398, 3.081_978_454_245_089_4, 2.052_782_892_442_69, 2.003_308_567_916_650_7],
                [
                    0.410_488_956_615_450_4,
                    1.205_949_207_936_333_9,
                    0.500_764_384_846_014_2,
                    1.358_512_733_819_375_2,
                    -1.129_025_325_065_481_6,
                    -2.600_400_435_550_427_3,
                    1.615_241_846_580_206_3,
                    -3.825_007_961_662_971,
                ],
                53.2,
            ),
            (
                SampleMode::Nearest,
                SamplePadding::Zeros,
                false,
                [2.236_067_977_499_79, 3.316_624_790_355_4, 0.0, 0.0],
                [0.0; 8],
                27.0,
            ),
            (
                SampleMode::Nearest,
                SamplePadding::Zeros,
                true,
                [2.236_067_977_499_79, 3.316_624_790_355_4, 2.0, 0.0],
                [0.0; 8],
                39.0,
            ),
            (
                SampleMode::Nearest,
                SamplePadding::Border,
                false,
                [2.236_067_977_499_79, 3.316_624_790_355_4, 2.0, 3.316_624_790_355_4],
                [0.0; 8],
                83.0,
            ),
            (
                SampleMode::Nearest,
                SamplePadding::Border,
                true,
                [2.236_067_977_499_79, 3.316_624_790_355_4, 2.0, 3.316_624_790_355_4],
                [0.0; 8],
                83.0,
            ),
            (
                SampleMode::Nearest,
                SamplePadding::Reflection,
                false,
                [2.236_067_977_499_79, 3.316_624_790_355_4, 2.0, 1.732_050_807_568_877_2],
                [0.0; 8],
                51.0,
            ),
            (
                SampleMode::Nearest,
                SamplePadding::Reflection,
                true,
                [2.236_067_977_499_79, 3.316_624_790_355_4, 2.0, 1.732_050_807_568_877_2],
                [0.0; 8],
                51.0,
            ),
        ];
        let numbers = Tensor::arange(12).unwrap().to_dtype(DType::F64).unwrap().add(1.0).unwrap();
        let x = numbers.sqrt().unwrap().reshape(&[1, 1, 3, 4]).unwrap().requires_grad();
        let grid = [-0.9, -0.3, 0.2, 0.7, 1.3, -1.2, 0.1, 2.6];
        let grid = Tensor::from_slice(&grid, &[1, 2, 2, 2]).unwrap().requires_grad();
        let w = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], &[1, 1, 2, 2]).unwrap();
        for (mode, padding, align_corners, samples, by_grid, moment) in cases {
            let y = grid_sample(&x, &grid, &GridSampleOptions { mode, padding, align_corners }).unwrap();
            let loss = y.mul(&w).unwrap().sum(&[], false).unwrap();
            close(&y, &samples);
            for recorded in [false, true] {
                let gradients = if recorded { grad_recorded(&loss, &[&x, &grid]) } else { grad(&loss, &[&x, &grid]) }.unwrap();
                close(&gradients[1], &by_grid);
                close(&gradients[0].flatten(0, 3).unwrap().mul(&numbers).unwrap().sum(&[], false).unwrap(), &[moment]);
            }
        }
    }

    fn close(found: &Tensor, expected: &[f64]) {
        let found = found.to_f64_vec().unwrap();
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} instead of {expected:?}");
    }
}
