//! A network of a few narrow layers, whose hidden numbers never leave the cache.

use std::sync::Mutex;

use monotile::tape::{Gradient, Saved};
use monotile::{Error, Result, Tensor};
use monotile_kernels::buffer::{Block, OutOfMemory};
use monotile_kernels::product::{Activation, Axes, Axis, Epilogue, Operand, Prepared, Stored, add_product};
use monotile_kernels::shape::count;
use monotile_kernels::{simd, threads};

use crate::kernel::{SplatNumber, by_dtype, once, prepared_all};

/// Rows that pass through all layers together.
const BLOCK: usize = 256;
/// Blocks whose gradients by the weights are summed in one place: so many whatever the number of threads, so that the bits do not depend on it.
const GROUP: usize = 16;
/// Nanoseconds a multiplication of a row and a weight, by which work is split.
const WEIGHT_NS: f64 = 0.02;

/// Layers of weights with rectifiers between them: `Wₙ relu(… relu(W₁ x))`.
///
/// Shapes: x is `(B, I)`, each weight `(out, in)` with as many columns as the one before has rows; the result is `(B, O)`. It is [`linear`] without a bias
/// and `relu` in turn, for networks so narrow that what is between layers would cost more to write and to read than to compute.
///
/// # Gradient
/// By x and the weights, of order one. Hidden numbers are computed again, 256 rows at a time; where one is 0, nothing passes.
///
/// # Errors
/// If there is no weight, or shapes do not fit.
///
/// # Cost
/// Two operations a row and weight; three times as many again for gradients.
///
/// # Example
/// |x| of two rectifiers:
/// ```
/// use monotile::Tensor;
/// use monotile_radiance::perceptron;
/// let weights = [Tensor::from_rows(&[[1.0_f64], [-1.0]])?, Tensor::from_rows(&[[1.0_f64, 1.0]])?];
/// let x = Tensor::from_rows(&[[3.0_f64], [-2.0]])?;
/// assert_eq!(perceptron(&x, &[&weights[0], &weights[1]])?.to_vec::<f64>()?, [3.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Müller (2021), tiny-cuda-nn: fully fused networks.
///
/// [`linear`]: monotile::ops::linear
#[doc(alias = "FullyFusedMLP")]
#[track_caller]
pub fn perceptron(x: &Tensor, weights: &[&Tensor]) -> Result<Tensor> {
    let fits = |(before, after): (&&Tensor, &&Tensor)| after.rank() == 2 && after.dim(1) == before.dim(0);
    let shaped = x.rank() == 2 && weights.first().is_some_and(|w| w.rank() == 2 && w.dim(1) == x.dim(1));
    if !shaped || !weights.iter().zip(weights.iter().skip(1)).all(fits) {
        let shapes: Vec<_> = weights.iter().map(|w| w.shape()).collect();
        let found = x.shape();
        return Err(Error::shape(format!(
            "perceptron: takes x [B, I] and weights [out, in] that follow one another, got {found:?} and {shapes:?}"
        )));
    }
    let inputs: Vec<&Tensor> = std::iter::once(x).chain(weights.iter().copied()).collect();
    let inputs = prepared_all("perceptron", &inputs)?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let y = by_dtype!(inputs[0].dtype(), forward(&inputs))?;
    Ok(Tensor::record(y, &inputs, Perceptron(inputs.len())))
}

/// Sizes of a network, and its products over a number of rows.
struct Layers {
    /// Numbers of x, and of each layer's result.
    widths: Vec<usize>,
    /// A layer forward, and the gradient by its input.
    products: Vec<[Prepared; 2]>,
    /// The gradient by its weight.
    sums: Vec<Axes>,
}

impl Layers {
    fn new(widths: &[usize], rows: usize) -> Result<Self> {
        let axis = |size, [a, b, c]: [usize; 3]| Axis { size, a: a as isize, b: b as isize, c: c as isize };
        let axes = |rows: Axis, columns: Axis, contracted: Axis| Axes {
            rows: [rows].into_iter().collect(),
            columns: [columns].into_iter().collect(),
            contracted: [contracted].into_iter().collect(),
            ..Axes::default()
        };
        let prepared =
            |axes: Axes| Prepared::new(&axes).ok_or_else(|| Error::value("perceptron: has more numbers than can be counted"));
        let (mut products, mut sums) = (Vec::new(), Vec::new());
        for pair in widths.windows(2) {
            let (i, o) = (pair[0], pair[1]);
            let along = prepared(axes(axis(rows, [i, 0, o]), axis(o, [0, i, 1]), axis(i, [1, 1, 0])))?;
            let back = prepared(axes(axis(rows, [o, 0, i]), axis(i, [0, 1, 1]), axis(o, [1, i, 0])))?;
            products.push([along, back]);
            sums.push(axes(axis(o, [1, 0, i]), axis(i, [0, 1, 1]), axis(rows, [o, i, 0])));
        }
        Ok(Self { widths: widths.to_vec(), products, sums })
    }

    fn len(&self) -> usize {
        self.products.len()
    }

    /// Numbers that a block of rows has between layers.
    fn hidden(&self) -> usize {
        BLOCK * self.widths[1..self.len()].iter().sum::<usize>()
    }

    /// All layers of a block of rows: hidden numbers, and the result if it is wanted.
    fn run<T: SplatNumber>(&self, x: &[T], weights: &[&[T]], hidden: &mut [T], y: Option<&mut [T]>) -> Result<(), OutOfMemory> {
        let rows = x.len() / self.widths[0];
        let (mut before, mut rest) = (x, hidden);
        for k in 0..self.len() - 1 {
            let (now, later) = rest.split_at_mut(rows * self.widths[k + 1]);
            let relu = Epilogue { bias: None, activation: Activation::Relu };
            self.products[k][0].product_with_epilogue(T::ONE, whole(before), whole(weights[k]), now, relu)?;
            (before, rest) = (now, later);
        }
        let last = self.len() - 1;
        y.map_or(Ok(()), |y| self.products[last][0].product(T::ONE, whole(before), whole(weights[last]), y))
    }
}

fn whole<T>(x: &[T]) -> Operand<'_, T> {
    Operand { data: Stored::Real(x), offset: 0 }
}

/// The widths of a network, and how many rows and multiplications a row there are.
fn sizes(x: &[usize], weights: &[&[usize]]) -> (Vec<usize>, usize, f64) {
    let widths: Vec<usize> = std::iter::once(x[1]).chain(weights.iter().map(|w| w[0])).collect();
    let work = widths.windows(2).map(|pair| pair[0] as f64 * pair[1] as f64).sum();
    (widths, x[0], work)
}

fn forward<T: SplatNumber>(inputs: &[&Tensor]) -> Result<Tensor> {
    let shapes: Vec<&[usize]> = inputs[1..].iter().map(|w| w.shape()).collect();
    let (widths, rows, work) = sizes(inputs[0].shape(), &shapes);
    let (first, last) = (widths[0], widths[widths.len() - 1]);
    let x = T::elements(inputs[0])?;
    let weights = inputs[1..].iter().map(|w| T::elements(w)).collect::<Result<Vec<_>>>()?;
    let mut y = Block::<T>::new(count(&[rows, last]))?;
    if first == 0 || last == 0 || rows == 0 {
        y.fill(T::ZERO);
        return T::tensor(y, &[rows, last]);
    }
    let (full, rest) = (Layers::new(&widths, BLOCK)?, Layers::new(&widths, rows % BLOCK)?);
    let parts = threads::parts(rows, work * WEIGHT_NS);
    let failed = Mutex::new(None);
    threads::split_mut(&mut y, BLOCK * last, parts, |start, y| {
        let mut work = || -> Result<(), OutOfMemory> {
            let mut hidden = Block::<T>::new(full.hidden())?;
            let from = start / last;
            for (y, x) in y.chunks_mut(BLOCK * last).zip(x[from * first..].chunks(BLOCK * first)) {
                let layers = if y.len() == BLOCK * last { &full } else { &rest };
                layers.run(x, &weights, &mut hidden, Some(y))?;
            }
            Ok(())
        };
        if let Err(error) = work() {
            failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(error.into());
    }
    T::tensor(y, &[rows, last])
}

/// How many inputs there are.
struct Perceptron(usize);

impl Gradient for Perceptron {
    fn name(&self) -> &'static str {
        "perceptron"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        true
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("perceptron", saved.is_recorded())?;
        let n = self.0;
        let Some(bar) = &cotangents[0] else { return Ok(vec![None; n]) };
        let dtype = saved.input_dtype(0);
        let bar = bar.to_dtype(dtype)?.contiguous()?;
        let inputs: Vec<Tensor> = (0..n).map(|i| saved.input(i)).collect();
        let gradients = by_dtype!(dtype, backward(&inputs, &bar, saved.needs(0)))?;
        Ok(gradients.into_iter().enumerate().map(|(i, g)| g.filter(|_| saved.needs(i))).collect())
    }
}

/// The gradients by x, if it is wanted, and by the weights.
fn backward<T: SplatNumber>(inputs: &[Tensor], bar: &Tensor, of_x: bool) -> Result<Vec<Option<Tensor>>> {
    let shapes: Vec<&[usize]> = inputs[1..].iter().map(Tensor::shape).collect();
    let (widths, rows, work) = sizes(inputs[0].shape(), &shapes);
    let x = T::elements(&inputs[0])?;
    let weights = inputs[1..].iter().map(T::elements).collect::<Result<Vec<_>>>()?;
    let numbers: usize = weights.iter().map(|w| w.len()).sum();
    let groups = rows.div_ceil(BLOCK * GROUP);
    let mut x_bar = Block::<T>::filled(if of_x { x.len() } else { 0 }, T::ZERO)?;
    let mut sums = Block::<T>::filled(numbers, T::ZERO)?;
    if groups > 0 && widths.iter().all(|&wide| wide > 0) {
        let pair = Back {
            full: Layers::new(&widths, BLOCK)?,
            rest: Layers::new(&widths, rows % BLOCK)?,
            x,
            weights,
            bar: T::elements(bar)?,
        };
        let parts = if threads::parts(rows, 3.0 * work * WEIGHT_NS) > 1 { groups } else { 1 };
        // A group's part of x̄, and its sums.
        let mut jobs = Vec::new();
        let mut rest = &mut x_bar[..];
        for group in 0..groups {
            let mine = if of_x { (BLOCK * GROUP * widths[0]).min(rest.len()) } else { 0 };
            let (now, later) = rest.split_at_mut(mine);
            jobs.push(Mutex::new((group, now, None)));
            rest = later;
        }
        let failed = threads::try_run(parts, |part| {
            for job in &jobs[threads::range(groups, 1, parts, part)] {
                let mut job = job.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let (group, x_bar, sums) = &mut *job;
                *sums = Some(pair.group(*group, numbers, of_x.then_some(&mut **x_bar))?);
            }
            Ok::<(), OutOfMemory>(())
        });
        failed?;
        for job in jobs {
            let (_, _, of_group) = job.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(part) = of_group {
                sums.iter_mut().zip(&*part).for_each(|(sum, &x)| *sum += x);
            }
        }
    }
    let mut all = vec![if of_x { Some(T::tensor(x_bar, inputs[0].shape())?) } else { None }];
    let mut rest = &sums[..];
    for weight in &inputs[1..] {
        let (now, later) = rest.split_at(weight.len());
        all.push(Some(T::tensor(Block::copied(now)?, weight.shape())?));
        rest = later;
    }
    Ok(all)
}

/// What gradients are computed from.
struct Back<'a, T> {
    full: Layers,
    rest: Layers,
    x: &'a [T],
    weights: Vec<&'a [T]>,
    bar: &'a [T],
}

impl<T: SplatNumber> Back<'_, T> {
    /// The sums of a group of blocks over its rows, all weights one after another; and its part of x̄.
    fn group(&self, group: usize, numbers: usize, mut x_bar: Option<&mut [T]>) -> Result<Block<T>, OutOfMemory> {
        let widths = &self.full.widths;
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let mut sums = Block::<T>::filled(numbers, T::ZERO)?;
        let mut hidden = Block::<T>::new(self.full.hidden())?;
        let widest = BLOCK * widths[1..].iter().max().copied().unwrap_or(0);
        let mut bars = [Block::<T>::new(widest)?, Block::<T>::new(widest)?];
        let start = group * GROUP * BLOCK;
        let rows = (self.x.len() / first - start).min(GROUP * BLOCK);
        for from in (0..rows).step_by(BLOCK) {
            let n = BLOCK.min(rows - from);
            let layers = if n == BLOCK { &self.full } else { &self.rest };
            let x = &self.x[(start + from) * first..][..n * first];
            layers.run(x, &self.weights, &mut hidden, None)?;
            let [now, next] = &mut bars;
            let (mut now, mut next) = (now, next);
            now[..n * last].copy_from_slice(&self.bar[(start + from) * last..][..n * last]);
            let (mut weight_end, mut hidden_end) = (numbers, n * widths[1..layers.len()].iter().sum::<usize>());
            for k in (0..layers.len()).rev() {
                let (i, o) = (widths[k], widths[k + 1]);
                let [_, by_input] = &layers.products[k];
                let g = &now[..n * o];
                let before = if k == 0 { x } else { &hidden[hidden_end - n * i..hidden_end] };
                let sum = &mut sums[weight_end - i * o..weight_end];
                add_product(T::ONE, whole(g), whole(before), sum, &layers.sums[k])?;
                if k > 0 {
                    by_input.product(T::ONE, whole(g), whole(self.weights[k]), &mut next[..n * i])?;
                    simd::run(
                        #[inline(always)]
                        || {
                            let pairs = next[..n * i].iter_mut().zip(before);
                            pairs.for_each(|(g, &h)| *g = if h > T::ZERO { *g } else { T::ZERO });
                        },
                    );
                    std::mem::swap(&mut now, &mut next);
                    hidden_end -= n * i;
                } else if let Some(x_bar) = &mut x_bar {
                    by_input.product(T::ONE, whole(g), whole(self.weights[0]), &mut x_bar[from * i..][..n * i])?;
                }
                weight_end -= i * o;
            }
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use monotile::ops::linear;
    use monotile::tape::{CheckGradientOptions, check_gradient, grad};
    use monotile::{DType, Rng};

    use super::*;

    fn inputs(rows: usize, widths: &[usize], dtype: DType) -> Vec<Tensor> {
        let mut rng = Rng::new(5);
        let x = rng.normal(&[rows, widths[0]], dtype).unwrap();
        let weights = widths.windows(2).map(|pair| rng.normal(&[pair[1], pair[0]], dtype).unwrap().mul(0.4).unwrap());
        std::iter::once(x).chain(weights).collect()
    }

    fn network(x: &[Tensor]) -> Result<Tensor> {
        perceptron(&x[0], &x[1..].iter().collect::<Vec<_>>())
    }

    fn in_turn(x: &[Tensor]) -> Result<Tensor> {
        let (last, hidden) = x[1..].split_last().unwrap();
        linear(&hidden.iter().try_fold(x[0].clone(), |h, w| linear(&h, w, None)?.relu())?, last, None)
    }

    #[test]
    fn layers_at_once_are_layers_in_turn() {
        for (rows, widths) in [(3, &[4, 5][..]), (700, &[7, 16, 3]), (9000, &[5, 8, 6, 2]), (0, &[3, 4, 2]), (256, &[1, 1, 1])] {
            let leaves: Vec<Tensor> = inputs(rows, widths, DType::F64).iter().map(Tensor::requires_grad).collect();
            let weights = Rng::new(6).normal(&[rows, widths[widths.len() - 1]], DType::F64).unwrap();
            let found = |y: Tensor| {
                let gradients = grad(&y.mul(&weights).unwrap().sum(&[], false).unwrap(), &leaves).unwrap();
                std::iter::once(y).chain(gradients).map(|t| t.to_vec::<f64>().unwrap()).collect::<Vec<_>>()
            };
            let (once, turn) = (found(network(&leaves).unwrap()), found(in_turn(&leaves).unwrap()));
            for (a, b) in once.iter().zip(&turn) {
                let largest = b.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 1e-12 * largest), "{rows} {widths:?}");
            }
        }
    }

    #[test]
    fn gradients_are_differences_and_bits_do_not_depend_on_threads() {
        check_gradient(|x| Ok(vec![network(x)?]), &inputs(5, &[3, 6, 4, 2], DType::F64), &CheckGradientOptions::default()).unwrap();
        let leaves: Vec<Tensor> = inputs(9001, &[16, 32, 8], DType::F32).iter().map(Tensor::requires_grad).collect();
        let before = monotile::threads();
        let of = |count| {
            monotile::set_threads(count);
            let y = network(&leaves).unwrap();
            let gradients = grad(&y.square().unwrap().sum(&[], false).unwrap(), &leaves).unwrap();
            gradients.iter().map(|g| g.to_vec::<f32>().unwrap()).collect::<Vec<_>>()
        };
        let one = of(1);
        let same = [2, 3].map(|count| of(count) == one);
        monotile::set_threads(before);
        assert_eq!(same, [true; 2]);
    }

    #[test]
    fn weights_that_do_not_follow_are_refused() {
        let x = inputs(3, &[4, 5, 2], DType::F32);
        let words = perceptron(&x[0], &[&x[2], &x[1]]).unwrap_err().to_string();
        assert!(
            words.contains(
                "perceptron: takes x [B, I] and weights [out, in] that follow one another, got [3, 4] and [[2, 5], [5, 4]]"
            ),
            "{words}"
        );
        assert!(perceptron(&x[0], &[]).is_err());
    }
}
