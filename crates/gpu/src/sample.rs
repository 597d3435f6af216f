//! Pictures read between their points, and the gradients, as [`monotile_kernels::sample`] states them.
//!
//! Where the points of a grid lie is a formula, computed once for all channels. The gradient of pictures has no atomics: what points give to elements is sorted by these, and a
//! thread adds up what its element gets, in the order of the points.

use monotile_kernels::number::{Dual, Expr, Formula, record};
use monotile_kernels::sample::{PixelCoordinate, SampleDims, SampleMode, SampleRule};
use monotile_kernels::shape::product;

use crate::each::{EachText, each};
use crate::elementwise::{copy, map_with};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType};
use crate::pool::GpuBlock;
use crate::radix::sorted;
use crate::stream::GpuStream;

/// Elements around a point.
const CORNERS: usize = 4;

/// The points of grids, located in their pictures.
#[derive(Debug)]
pub struct GpuSampler {
    stream: GpuStream,
    dims: SampleDims,
    rule: SampleRule,
    /// Coordinates of pixels along x and y, and their derivatives by the grid's, `(batch, points)` each.
    pixels: [GpuBlock; 2],
    slopes: [GpuBlock; 2],
}

impl GpuSampler {
    /// Locates the points of grids `(batch, points, 2)`.
    ///
    /// # Example
    /// ```
    /// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuSampler, GpuStream, GpuType};
    /// use monotile_kernels::sample::{SampleDims, SampleMode, SamplePadding, SampleRule};
    /// # let gpu = match Gpu::open(&GpuOptions::default()) {
    /// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
    /// #     opened => opened?,
    /// # };
    /// let stream = GpuStream::new(&gpu);
    /// let operand = |numbers: &[f32], sizes: &[usize]| GpuOperand::contiguous(&stream.upload(bytemuck::cast_slice(numbers))?, GpuType::F32, sizes);
    /// let (picture, grid) = (operand(&[1.0, 2.0, 3.0, 4.0], &[1, 1, 2, 2])?, operand(&[0.0, 0.0], &[1, 1, 2])?);
    /// let rule = SampleRule { mode: SampleMode::Bilinear, padding: SamplePadding::Zeros, align_corners: true };
    /// let dims = SampleDims { batch: 1, channels: 1, height: 2, width: 2, points: 1 };
    /// let found = GpuSampler::new(&stream, dims, rule, &grid)?.samples(&picture)?;
    /// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&stream.read_blocking(&found)?), [2.5]);
    /// # Ok::<(), monotile_gpu::GpuError>(())
    /// ```
    ///
    /// # Errors
    /// If the grid is not f32 of that size, or there are more elements than kernels number.
    pub fn new(stream: &GpuStream, dims: SampleDims, rule: SampleRule, grid: &GpuOperand) -> GpuResult<Self> {
        let points = product([dims.batch, dims.points]);
        let most = product([points, CORNERS, dims.channels]).max(product([dims.batch, dims.height, dims.width]));
        if grid.dtype() != GpuType::F32 || grid.elements() != product([points, 2]) {
            return Err(GpuError::invalid(format!("grid_sample: a grid of sizes {:?} for {points} points", grid.sizes())));
        }
        if most >= 1 << 31 {
            return Err(GpuError::limit(format!("grid_sample: {most} elements are more than 2³¹, which kernels do not number")));
        }
        let grid = contiguous(stream, grid)?;
        let along = |axis: usize| -> GpuResult<[GpuBlock; 2]> {
            let of = PixelCoordinate::new([dims.width, dims.height][axis], &rule);
            let graph = record(|[c]: [Expr; 1]| {
                let at = of.apply([Dual::variable(c)]);
                [at.value, at.slope]
            });
            let (graph, numbers) = graph.with_constants_apart();
            let numbers: Vec<f32> = numbers.into_iter().map(|x| x as f32).collect();
            let x = GpuOperand::strided(grid.block(), GpuType::F32, &[points], &[2], grid.offset() + axis)?;
            let found = map_with(stream, &graph, &[x], &numbers, GpuType::F32)?;
            found.try_into().map_err(|_| GpuError::invalid("grid_sample: a coordinate and its derivative"))
        };
        let ([x, of_x], [y, of_y]) = (along(0)?, along(1)?);
        Ok(Self { stream: stream.clone(), dims, rule, pixels: [x, y], slopes: [of_x, of_y] })
    }

    /// Of a kernel over so many numbers: these, channels, height, width, points, and whether the nearest element is taken.
    fn words(&self, all: usize) -> Vec<u32> {
        let SampleDims { channels, height, width, points, .. } = self.dims;
        let nearest = usize::from(self.rule.mode == SampleMode::Nearest);
        [all, channels, height, width, points, nearest].map(|x| x as u32).to_vec()
    }

    /// Refuses pictures or cotangents of another number of elements.
    fn whole(&self, x: &GpuOperand, elements: usize) -> GpuResult<GpuOperand> {
        if x.dtype() != GpuType::F32 || x.elements() != elements {
            return Err(GpuError::invalid(format!("grid_sample: {:?} of sizes {:?} for {elements} of f32", x.dtype(), x.sizes())));
        }
        contiguous(&self.stream, x)
    }

    fn pictures(&self) -> usize {
        product([self.dims.batch, self.dims.channels, self.dims.height, self.dims.width])
    }

    fn sampled(&self) -> usize {
        product([self.dims.batch, self.dims.channels, self.dims.points])
    }

    /// The samples `(batch, channels, points)` of pictures `(batch, channels, height, width)`.
    ///
    /// # Errors
    /// If the pictures have another size.
    #[doc(alias = "grid_sample")]
    pub fn samples(&self, x: &GpuOperand) -> GpuResult<GpuBlock> {
        let (x, all) = (self.whole(x, self.pictures())?, self.sampled());
        let inputs = [x.block(), &self.pixels[0], &self.pixels[1]];
        let result = self.stream.pool().take(product([4, all]) as u64, &inputs)?;
        let mut words = self.words(all);
        words.push(x.offset() as u32);
        each(&self.stream, ("grid_sample", Vec::new()), [&inputs, &[&result]], &words, samples_text())?;
        Ok(result)
    }

    /// The gradient of the grids, `(batch, points, 2)`, from the pictures and cotangents of the samples.
    ///
    /// # Errors
    /// If either has another size.
    pub fn by_grid(&self, x: &GpuOperand, g: &GpuOperand) -> GpuResult<GpuBlock> {
        let (x, g) = (self.whole(x, self.pictures())?, self.whole(g, self.sampled())?);
        let inputs = [x.block(), &self.pixels[0], &self.pixels[1], g.block(), &self.slopes[0], &self.slopes[1]];
        let all = product([self.dims.batch, self.dims.points]);
        let result = self.stream.pool().take(product([8, all]) as u64, &inputs)?;
        let mut words = self.words(all);
        words.extend([x.offset() as u32, g.offset() as u32]);
        each(&self.stream, ("grid_sample_by_grid", Vec::new()), [&inputs, &[&result]], &words, by_grid_text())?;
        Ok(result)
    }

    /// The gradient of the pictures, `(batch, channels, height, width)`, from cotangents of the samples.
    ///
    /// # Errors
    /// If these have another size.
    pub fn by_pictures(&self, g: &GpuOperand) -> GpuResult<GpuBlock> {
        let (stream, g) = (&self.stream, self.whole(g, self.sampled())?);
        let SampleDims { batch, height, width, points, .. } = self.dims;
        let (given, elements) = (product([batch, points, CORNERS]), product([batch, height, width]));
        let inputs = [&self.pixels[0], &self.pixels[1]];
        let keys = stream.pool().take(product([4, given]) as u64, &inputs)?;
        let mut words = self.words(given);
        words.push(elements as u32);
        each(stream, ("grid_sample_keys", Vec::new()), [&inputs, &[&keys]], &words, keys_text())?;
        let [keys, order] = sorted(stream, keys, given, usize::BITS - elements.leading_zeros())?;
        let inputs = [&keys, &order, &self.pixels[0], &self.pixels[1], g.block()];
        let all = self.pictures();
        let result = stream.pool().take(product([4, all]) as u64, &inputs)?;
        let mut words = self.words(all);
        words.extend([given as u32, g.offset() as u32]);
        each(stream, ("grid_sample_by_pictures", Vec::new()), [&inputs, &[&result]], &words, by_pictures_text())?;
        Ok(result)
    }
}

fn samples_text() -> EachText {
    EachText {
        inputs: &["f32"; 3],
        outputs: &["f32"],
        globals: AROUND.to_owned(),
        body: "    let plane = at / w4();
    let point = (plane / w1()) * w4() + at % w4();
    let pixel = vec2<f32>(a1[point], a2[point]);
    var sum = select(0.0, of_bits(0x7fc00000u), is_nan(pixel.x) || is_nan(pixel.y));
    for (var k = 0u; k < 4u; k += 1u) {
        let near = corner(pixel, k);
        if (near.seat >= 0) { sum = fma(near.weight, a0[w6() + plane * w2() * w3() + u32(near.seat)], sum); }
    }
    y0[at] = sum;",
    }
}

fn by_grid_text() -> EachText {
    EachText {
        inputs: &["f32"; 6],
        outputs: &["f32"],
        globals: AROUND.to_owned(),
        body: "    let first = (at / w4()) * w1();
    let pixel = vec2<f32>(a1[at], a2[at]);
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < 4u; k += 1u) {
        let near = corner(pixel, k);
        if (near.seat >= 0) {
            for (var c = first; c < first + w1(); c += 1u) {
                sum += near.along * (a0[w6() + c * w2() * w3() + u32(near.seat)] * a3[w7() + c * w4() + at % w4()]);
            }
        }
    }
    y0[2u * at] = sum.x * a4[at];
    y0[2u * at + 1u] = sum.y * a5[at];",
    }
}

fn keys_text() -> EachText {
    EachText {
        inputs: &["f32"; 2],
        outputs: &["u32"],
        globals: AROUND.to_owned(),
        body: "    let point = at / 4u;
    let near = corner(vec2<f32>(a0[point], a1[point]), at % 4u);
    // What is outside comes after all elements.
    y0[at] = select(w6(), (point / w4()) * w2() * w3() + u32(near.seat), near.seat >= 0);",
    }
}

fn by_pictures_text() -> EachText {
    EachText {
        inputs: &["u32", "u32", "f32", "f32", "f32"],
        outputs: &["f32"],
        globals: AROUND.to_owned(),
        body: "    let plane = at / (w2() * w3());
    let own = (plane / w1()) * w2() * w3() + at % (w2() * w3());
    var low = 0u;
    var high = w6();
    while (low < high) {
        let middle = (low + high) / 2u;
        if (a0[middle] < own) { low = middle + 1u; } else { high = middle; }
    }
    var sum = 0.0;
    while (low < w6()) {
        if (a0[low] != own) { break; }
        let given = a1[low];
        let point = given / 4u;
        let near = corner(vec2<f32>(a2[point], a3[point]), given % 4u);
        sum = fma(near.weight, a4[w7() + plane * w4() + point % w4()], sum);
        low += 1u;
    }
    y0[at] = sum;",
    }
}

fn contiguous(stream: &GpuStream, x: &GpuOperand) -> GpuResult<GpuOperand> {
    match x.is_contiguous() {
        true => Ok(x.clone()),
        false => GpuOperand::contiguous(&copy(stream, x, GpuType::F32)?, GpuType::F32, x.sizes()),
    }
}

/// An element around a point: where it is in its picture, −1 if outside; its weight; and the derivatives of that by the coordinates of the pixel.
const AROUND: &str = "
struct Corner {
    seat: i32,
    weight: f32,
    along: vec2<f32>,
}

fn of_bits(bits: u32) -> f32 { return bitcast<f32>(bits); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn corner(pixel: vec2<f32>, k: u32) -> Corner {
    var near: Corner;
    near.seat = -1;
    let size = vec2<i32>(i32(w3()), i32(w2()));
    let side = vec2<u32>(k & 1u, k >> 1u);
    let nearest = w5() != 0u;
    // A coordinate that is no number is in no picture.
    let bits = bitcast<vec2<u32>>(pixel) & vec2<u32>(0x7fffffffu);
    if (any(bits >= vec2<u32>(0x7f800000u)) || (nearest && k > 0u)) { return near; }
    let low = select(floor(pixel), round(pixel), nearest);
    let seat = vec2<i32>(low) + vec2<i32>(side);
    if (all(seat >= vec2<i32>(0)) && all(seat < size)) { near.seat = seat.y * size.x + seat.x; }
    near.weight = 1.0;
    if (!nearest) {
        let behind = side == vec2<u32>(1u);
        let share = select(1.0 - (pixel - low), pixel - low, behind);
        near.weight = share.x * share.y;
        near.along = select(vec2<f32>(-1.0), vec2<f32>(1.0), behind) * share.yx;
    }
    return near;
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (text, words) in [(samples_text(), 7), (by_grid_text(), 8), (keys_text(), 7), (by_pictures_text(), 8)] {
            validate(&text.text(words));
        }
    }
}
