//! The matrix product through the strides of its operands.
//!
//! | variant | a workgroup computes | threads | for |
//! | --- | --- | --- | --- |
//! | [`Large`](ProductVariant::Large) | 128 x 128, 8 terms at a time | 256, each 8 x 8 | many such tiles |
//! | [`Medium`](ProductVariant::Medium) | 64 x 64, 16 terms at a time | 64, each 8 x 8 | tiles enough for a device |
//! | [`Small`](ProductVariant::Small) | 32 x 32, 8 terms at a time, of a part of the sum | 64, each 4 x 4 | few tiles |
//! | [`Rows`](ProductVariant::Rows) | some columns of at most eight rows, lanes along the sum | 64 or 256 | vectors |
//! | [`Tiny`](ProductVariant::Tiny) | 4 to 64 products of at most 16 x 16 | 64, each 4 x 4 | many small matrices |

mod rows;
mod tiles;
mod tiny;

use monotile_kernels::shape::product as extent;

use self::tiles::Tile;
use crate::device::Capabilities;
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType, MergedDims};
use crate::pool::GpuBlock;
use crate::reduce::{GpuReduction, reduce};
use crate::stream::GpuStream;

/// Rows that [`ProductVariant::Rows`] computes at most.
const MOST_ROWS: usize = 8;
/// Tiles of 128 x 128 that keep a large device busy.
const VERY_BUSY: usize = 256;
/// Tiles of 64 x 64 that keep a device busy.
const BUSY: usize = 32;
/// Products of at most 16 x 16 that are worth sharing workgroups.
const MANY: usize = 64;
/// The fewest terms of a sum that are worth a part of their own.
const PART: usize = 128;

/// Which kernel computes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductVariant {
    /// Tiles of 128 x 128.
    Large,
    /// Tiles of 64 x 64.
    Medium,
    /// Tiles of 32 x 32, the sums in so many parts, which are added in order afterwards.
    Small {
        /// At least 1.
        parts: usize,
    },
    /// At most eight rows, or columns.
    Rows,
    /// At most 16 rows, columns and terms, several products a workgroup.
    Tiny,
}

impl ProductVariant {
    /// The kernel for `batch` products of m x k and k x n.
    pub fn of([batch, m, n, k]: [usize; 4], capabilities: &Capabilities) -> Self {
        let tiles = |side: usize| extent([batch, m.div_ceil(side), n.div_ceil(side)]);
        let keeps_busy = |tile: Tile, enough| tiles(tile.side()) >= enough && capabilities.workgroup_bytes as usize >= tile.bytes();
        if batch >= MANY && m.max(n).max(k) <= tiny::MOST {
            Self::Tiny
        } else if m.min(n) <= MOST_ROWS {
            Self::Rows
        } else if keeps_busy(Tile::LARGE, VERY_BUSY) && capabilities.workgroup_invocations >= 256 {
            Self::Large
        } else if keeps_busy(Tile::MEDIUM, BUSY) {
            Self::Medium
        } else {
            Self::Small { parts: (2 * BUSY / tiles(32).max(1)).min(k / PART).max(1) }
        }
    }
}

/// What the kernels of products are given: sizes, and strides of both operands and the result.
#[derive(Debug)]
struct Problem {
    m: usize,
    n: usize,
    k: usize,
    batch: usize,
    /// Of a along m and k, of b along n and k, of the result along m and n.
    strides: [isize; 6],
    offsets: [usize; 2],
    types: [GpuType; 2],
    walk: MergedDims,
}

impl Problem {
    /// The same with the operands exchanged: Cᵀ = Bᵀ Aᵀ.
    fn transposed(self) -> Self {
        let [a_m, a_k, b_n, b_k, c_m, c_n] = self.strides;
        let [a, b] = self.offsets;
        let [a_type, b_type] = self.types;
        let walk = MergedDims { sizes: self.walk.sizes, strides: self.walk.strides.into_iter().rev().collect() };
        Self {
            m: self.n,
            n: self.m,
            strides: [b_n, b_k, a_m, a_k, c_n, c_m],
            offsets: [b, a],
            types: [b_type, a_type],
            walk,
            ..self
        }
    }

    /// Whether the sum's terms lie closer together than the rows of operand `i`, or its columns.
    fn along(&self, i: usize) -> bool {
        self.strides[2 * i + 1].abs() <= self.strides[2 * i].abs()
    }

    /// Whether four elements of operand `i` can be read at once: they lie side by side, wherever a step in another direction leads.
    fn fours(&self, i: usize) -> bool {
        let [across, along] = [self.strides[2 * i], self.strides[2 * i + 1]];
        let [one, other] = if self.along(i) { [along, across] } else { [across, along] };
        one == 1 && other % 4 == 0 && self.offsets[i].is_multiple_of(4) && self.walk.strides[i].iter().all(|stride| stride % 4 == 0)
    }

    /// Parameters of every kernel: [`WORDS`] and the leading dimensions' sizes and strides.
    fn words(&self, parts: usize, part: usize) -> Vec<u32> {
        let sizes = [self.m, self.n, self.k, parts, part, self.batch, self.offsets[0], self.offsets[1]];
        let mut words: Vec<u32> = sizes.map(|size| size as u32).to_vec();
        words.extend(self.strides.map(|stride| stride as u32));
        words.extend(self.walk.sizes.iter().map(|&size| size as u32));
        words.extend(self.walk.strides.iter().flatten().map(|&stride| stride as u32));
        words
    }
}

/// Parameters before those of the leading dimensions.
const WORDS: usize = 14;

/// C = A B in f32, contiguous: A of sizes (…, m, k), B of sizes (…, k, n), their leading dimensions the same.
///
/// Operands are read where they lie, by any strides; bf16 and f16 are widened as they are read. Sums are in f32.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, product};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// // x xᵀ: the second operand is the first by other strides.
/// let transposed = GpuOperand::strided(&block, GpuType::F32, &[2, 2], &[1, 2], 0)?;
/// let y = stream.read_blocking(&product(&stream, &x, &transposed)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [5.0, 11.0, 11.0, 25.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the sizes do not fit.
#[doc(alias = "matmul")]
#[doc(alias = "bmm")]
#[doc(alias = "mm")]
pub fn product(stream: &GpuStream, a: &GpuOperand, b: &GpuOperand) -> GpuResult<GpuBlock> {
    product_by(stream, a, b, None)
}

/// [`product`] by the kernel named, or the one that suits the sizes.
///
/// # Errors
/// As [`product`]; if [`ProductVariant::Rows`] is asked for more than eight rows and columns, [`ProductVariant::Tiny`] for more than
/// 16, or a part has no terms.
pub fn product_by(stream: &GpuStream, a: &GpuOperand, b: &GpuOperand, variant: Option<ProductVariant>) -> GpuResult<GpuBlock> {
    let mut problem = problem(a, b)?;
    let Problem { m, n, k, batch, .. } = problem;
    let variant = variant.unwrap_or_else(|| ProductVariant::of([batch, m, n, k], stream.gpu().capabilities()));
    let parts = if let ProductVariant::Small { parts } = variant { parts } else { 1 };
    if parts == 0 || parts > k.max(1) {
        return Err(GpuError::invalid(format!("product: {k} terms do not make {parts} parts")));
    }
    let results = extent([batch, m, n]);
    let result = stream.pool().take(extent([parts, results, 4]) as u64, &[a.block(), b.block()])?;
    let mut blocks = [a.block(), b.block()];
    let (kernel, words, groups) = match variant {
        ProductVariant::Rows => {
            if m > MOST_ROWS {
                problem = problem.transposed();
                blocks.reverse();
            }
            let rows = rows::Rows::of(&problem).ok_or_else(|| {
                GpuError::invalid(format!("product: a kernel for at most {MOST_ROWS} rows or columns, not for {m} x {n}"))
            })?;
            let kernel = stream.kernel(("product of rows", rows.key()), || rows.text())?;
            (kernel, problem.words(1, k), rows.groups(&problem))
        }
        ProductVariant::Tiny => {
            let tiny = tiny::Tiny::of(&problem).ok_or_else(|| {
                GpuError::invalid(format!("product: a kernel for at most {0} x {0} x {0}, not for {m} x {n} x {k}", tiny::MOST))
            })?;
            let kernel = stream.kernel(("product of many", tiny.key()), || tiny.text())?;
            (kernel, problem.words(1, k), tiny.groups(&problem))
        }
        ProductVariant::Large | ProductVariant::Medium | ProductVariant::Small { .. } => {
            let tile = match variant {
                ProductVariant::Large => Tile::LARGE,
                ProductVariant::Medium => Tile::MEDIUM,
                _ => Tile::SMALL,
            };
            let tiles = tiles::Tiles::of(&problem, tile);
            let kernel = stream.kernel(("product", tiles.key()), || tiles.text())?;
            // So many that each part starts where four terms can be read at once; the last ones may have none.
            (kernel, problem.words(parts, k.div_ceil(parts).next_multiple_of(4)), tiles.groups(&problem, parts))
        }
    };
    stream.dispatch(&kernel, &blocks, &[&result], &words, groups)?;
    if parts == 1 {
        return Ok(result);
    }
    reduce(stream, GpuReduction::Sum, &GpuOperand::contiguous(&result, GpuType::F32, &[parts, results])?, &[0])
}

fn problem(a: &GpuOperand, b: &GpuOperand) -> GpuResult<Problem> {
    let rank = a.sizes().len();
    let refused =
        || GpuError::invalid(format!("product: sizes {:?} and {:?} are not of (…, m, k) and (…, k, n)", a.sizes(), b.sizes()));
    if rank < 2 || b.sizes().len() != rank || a.sizes()[..rank - 2] != b.sizes()[..rank - 2] {
        return Err(refused());
    }
    let ([m, k], [inner, n]) = ([rank - 2, rank - 1].map(|d| a.sizes()[d]), [rank - 2, rank - 1].map(|d| b.sizes()[d]));
    if k != inner {
        return Err(refused());
    }
    let leading = &a.sizes()[..rank - 2];
    let (a_strides, b_strides) = (a.strides(), b.strides());
    let strides = [a_strides[rank - 2], a_strides[rank - 1], b_strides[rank - 1], b_strides[rank - 2], n as isize, 1];
    Ok(Problem {
        m,
        n,
        k,
        batch: extent(leading.iter().copied()),
        strides,
        offsets: [a.offset(), b.offset()],
        types: [a.dtype(), b.dtype()],
        walk: MergedDims::new(leading, &[&a_strides[..rank - 2], &b_strides[..rank - 2]]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_chooses() {
        let of = |sizes| ProductVariant::of(sizes, &Capabilities::webgpu());
        assert_eq!(of([1, 512, 512, 64]), ProductVariant::Medium);
        assert_eq!(of([64, 64, 64, 64]), ProductVariant::Medium);
        assert_eq!(of([1, 2048, 2048, 64]), ProductVariant::Large);
        assert_eq!(of([1, 8, 4096, 4096]), ProductVariant::Rows);
        assert_eq!(of([1, 4096, 3, 4096]), ProductVariant::Rows);
        assert_eq!(of([10_000, 16, 16, 16]), ProductVariant::Tiny);
        assert_eq!(of([64, 3, 4, 17]), ProductVariant::Rows);
        assert_eq!(of([1, 64, 64, 4096]), ProductVariant::Small { parts: 16 });
        assert_eq!(of([1, 100, 100, 100]), ProductVariant::Small { parts: 1 });
        // Unless the workgroup's memory holds no tile of 64 x 64.
        let little = Capabilities { workgroup_bytes: 8192, ..Capabilities::webgpu() };
        assert_eq!(ProductVariant::of([1, 512, 512, 64], &little), ProductVariant::Small { parts: 1 });
    }
}
