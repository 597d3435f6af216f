//! A grid of features in a table that is reached by a hash.

use monotile::tape::{Gradient, Saved};
use monotile::{DType, Error, Result, Rng, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::field::{self as kernels, HashGridRule};
use monotile_kernels::shape::count;

use crate::kernel::{SplatNumber, by_dtype, once, prepared};

pub use monotile_kernels::field::{HashGridStyle, HashLevel};

/// The numbers of a [`HashGrid`]; the defaults are those of a field that one or two cores learn in minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct HashGridOptions {
    /// How sizes are rounded.
    pub style: HashGridStyle,
    /// L, from 1 to 32.
    pub levels: usize,
    /// F numbers a vertex: 1, 2, 4 or 8.
    pub features: usize,
    /// The logarithm to base 2 of the most rows of a level, from 3 to 24.
    pub log2_rows: u32,
    /// Cells a side of the first level, from 2 on.
    pub least: usize,
    /// Cells a side of the last one, at most 2²⁰.
    pub most: usize,
}

impl Default for HashGridOptions {
    fn default() -> Self {
        Self { style: HashGridStyle::Paper, levels: 8, features: 2, log2_rows: 15, least: 16, most: 256 }
    }
}

/// Levels of grids over the unit cube, whose sizes grow by a constant factor. A vertex has F numbers of a table; where a level has more vertices than rows,
/// a hash says which row a vertex has, and some share one.
///
/// # Example
/// A level of two cells a side holds 27 vertices; in the middle of the cube is one of them:
/// ```
/// use monotile::{DType, Tensor};
/// use monotile_radiance::{HashGrid, HashGridOptions};
/// let grid = HashGrid::new(HashGridOptions { levels: 1, features: 1, least: 2, most: 2, ..Default::default() })?;
/// assert_eq!(grid.rows(), 27);
/// let table = Tensor::arange(27)?.to_dtype(DType::F64)?.reshape(&[27, 1])?;
/// let points = Tensor::from_rows(&[[0.5_f64, 0.5, 0.5], [0.25, 0.5, 0.5]])?;
/// assert_eq!(grid.encode(&points, &table)?.to_vec::<f64>()?, [13.0, 12.5]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HashGrid {
    options: HashGridOptions,
    levels: Vec<HashLevel>,
}

impl HashGrid {
    /// The grid of these numbers.
    ///
    /// # Errors
    /// If a number is out of its range.
    #[track_caller]
    pub fn new(options: HashGridOptions) -> Result<Self> {
        let HashGridOptions { style, levels, features, log2_rows, least, most } = options;
        let rule = HashGridRule { style, levels, features, log2_rows, least, most };
        if !rule.is_valid() {
            return Err(Error::value(format!(
                "hash_grid: takes 1 to 32 levels, 1, 2, 4 or 8 features, log2_rows from 3 to 24 and 2 <= least <= most <= 2^20, got {levels}, {features}, {log2_rows}, {least} and {most}"
            )));
        }
        Ok(Self { levels: rule.levels(), options })
    }

    /// The numbers.
    pub fn options(&self) -> &HashGridOptions {
        &self.options
    }

    /// Rows of the table: those of the first level come first.
    pub fn rows(&self) -> usize {
        self.levels.last().map_or(0, |level| level.first + level.rows as usize)
    }

    /// L F numbers of a point.
    pub fn width(&self) -> usize {
        self.options.levels * self.options.features
    }

    /// The sizes of the levels.
    pub fn levels(&self) -> &[HashLevel] {
        &self.levels
    }

    /// A table to begin learning with: numbers between -10⁻⁴ and 10⁻⁴, as f32.
    ///
    /// # Errors
    /// If there is no memory for it.
    #[track_caller]
    pub fn table(&self, rng: &mut Rng) -> Result<Tensor> {
        rng.uniform(&[self.rows(), self.options.features], -1e-4, 1e-4, DType::F32)
    }

    /// The features of points: on each level those of the eight vertices around a point, weighted by its nearness to them.
    ///
    /// ```text
    /// p = scale x + shift,  v = ⌊p⌋,  t = p − v        yₗ = Σ over the corners c ∈ {0, 1}³ of  Πₐ (cₐ tₐ + (1 − cₐ)(1 − tₐ)) table[rowₗ(v + c)]
    /// ```
    ///
    /// Shapes: points `(B, 3)` from 0 to 1, the table `(rows, F)`; the result is `(B, L F)`, the first level's features first. The row of a vertex is
    /// i + side (j + side k) where each vertex has one; else (i ⊕ 2654435761 j ⊕ 805459861 k) modulo a power of two. A point outside of the cube has the
    /// vertices of the cells at the border.
    ///
    /// # Gradient
    /// By the table and the points, of order one; that by a point is the slope within its cell. Rows are added a level a thread: the bits are the same for
    /// any number of threads.
    ///
    /// # Errors
    /// If shapes do not fit.
    ///
    /// # Cost
    /// Eight gathers a point and level.
    ///
    /// # Source
    /// Müller, Evans, Schied and Keller (2022), Instant neural graphics primitives with a multiresolution hash encoding.
    #[track_caller]
    pub fn encode(&self, points: &Tensor, table: &Tensor) -> Result<Tensor> {
        let expected = [self.rows(), self.options.features];
        if points.rank() != 2 || points.dim(1) != 3 || table.shape() != expected {
            let (points, table) = (points.shape(), table.shape());
            return Err(Error::shape(format!(
                "hash_grid: takes points [B, 3] and a table {expected:?}, got {points:?} and {table:?}"
            )));
        }
        let [points, table] = prepared("hash_grid", [points, table])?;
        let features = by_dtype!(points.dtype(), encoded(self, &points, &table))?;
        Ok(Tensor::record(features, &[&points, &table], Encode(self.clone())))
    }
}

fn encoded<T: SplatNumber>(grid: &HashGrid, points: &Tensor, table: &Tensor) -> Result<Tensor> {
    let shape = [points.dim(0), grid.width()];
    let mut out = Block::<T>::new(count(&shape))?;
    kernels::hash_grid(&grid.levels, grid.options.features, T::elements(points)?, T::elements(table)?, &mut out);
    T::tensor(out, &shape)
}

struct Encode(HashGrid);

impl Gradient for Encode {
    fn name(&self) -> &'static str {
        "hash_grid"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        // The table's gradient needs only the places of points.
        i == 0 || needs[0]
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("hash_grid", saved.is_recorded())?;
        let Some(bar) = &cotangents[0] else { return Ok(vec![None, None]) };
        let dtype = saved.input_dtype(0);
        let bar = bar.to_dtype(dtype)?.contiguous()?;
        let points = saved.input(0);
        let by_points = || by_dtype!(dtype, to_points(&self.0, &points, &saved.input(1), &bar));
        let by_table = || by_dtype!(dtype, to_table(&self.0, &points, &bar, saved.input_shape(1)));
        Ok(vec![saved.needs(0).then(by_points).transpose()?, saved.needs(1).then(by_table).transpose()?])
    }
}

fn to_points<T: SplatNumber>(grid: &HashGrid, points: &Tensor, table: &Tensor, bar: &Tensor) -> Result<Tensor> {
    let mut out = Block::<T>::new(points.len())?;
    let [x, table, bar] = [points, table, bar].map(T::elements);
    kernels::hash_grid_points_gradient(&grid.levels, grid.options.features, x?, table?, bar?, &mut out);
    T::tensor(out, points.shape())
}

fn to_table<T: SplatNumber>(grid: &HashGrid, points: &Tensor, bar: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let mut out = Block::<T>::new(count(shape))?;
    kernels::hash_grid_table_gradient(&grid.levels, grid.options.features, T::elements(points)?, T::elements(bar)?, &mut out);
    T::tensor(out, shape)
}
