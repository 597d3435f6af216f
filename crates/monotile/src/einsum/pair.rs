//! The contraction of two operands: the step that every einsum and every matrix product consists of.
//!
//! C[out] = Σ over the labels that `out` lacks of A[labels_a] · B[labels_b]
//!
//! Labels name dimensions. One in both operands and in the result is a batch dimension, one in both and not in the
//! result is summed over, one in a single operand and the result is free. All four kinds go to the kernel as groups of
//! strides, so that no operand is transposed in memory. A pair knows all that before it meets its operands, and its
//! gradients are pairs that it makes once.

use std::sync::{Arc, OnceLock};

use monotile_kernels::shape::Shape;
use smallvec::SmallVec;

use crate::check;
use crate::door::contract::{self, Axes, Axis, Prepared};
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Dims, Strides, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The name of a dimension.
pub(crate) type Label = u32;
/// The labels of a tensor, a dimension each.
pub(crate) type Labels = SmallVec<[Label; 6]>;

/// Batched dot products of fewer elements than this go to the matrix product, whatever their layout: a second pass would
/// cost more calls than it saves time.
const SECOND_PASS: usize = 4096;

/// The contraction of two operands of fixed shapes.
///
/// Labels are distinct within an operand and within the result; each is in two of the three.
#[derive(Debug)]
pub(crate) struct PairContraction {
    labels: [Labels; 2],
    out: Labels,
    dims: SmallVec<[Dim; 4]>,
    /// The shape of the result.
    shape: Shape,
    strides: Strides,
    /// Whether a result may be made by way of a larger one, where that is faster.
    roomy: bool,
    /// The product for operands that lie in memory like the first that came.
    usual: OnceLock<Box<Usual>>,
    /// All products before they are summed, where the sum is a pass of its own.
    products: OnceLock<Box<PairContraction>>,
    gradients: [OnceLock<Arc<PairContraction>>; 2],
}

/// A dimension of a pair.
#[derive(Debug)]
struct Dim {
    size: usize,
    /// Which dimension of A, of B and of C it is.
    at: [Option<usize>; 3],
}

/// A product made ready, and the strides of the operands that it is for.
#[derive(Debug)]
struct Usual {
    strides: [Strides; 2],
    product: Prepared,
}

impl PairContraction {
    /// The pair with these labels, whose sizes `size` knows.
    ///
    /// # Errors
    /// If no tensor has the shape of the result.
    #[track_caller]
    pub fn new(labels: [&[Label]; 2], out: &[Label], size: impl Fn(Label) -> usize) -> Result<Self> {
        #[cfg(test)]
        MADE.set(MADE.get() + 1);
        let [a, b] = labels;
        let position = |labels: &[Label], label| labels.iter().position(|&l| l == label);
        let dim = |label| Dim { size: size(label), at: [a, b, out].map(|labels| position(labels, label)) };
        let dims: SmallVec<_> = a.iter().chain(b.iter().filter(|l| !a.contains(l))).map(|&l| dim(l)).collect();
        debug_assert!(dims.iter().all(|d: &Dim| d.at.iter().flatten().count() > 1), "{a:?},{b:?}->{out:?}");
        let shape = check::shape("einsum", &out.iter().map(|&l| size(l)).collect::<Dims>())?;
        Ok(Self {
            labels: labels.map(Labels::from),
            out: out.into(),
            strides: shape.row_major(),
            shape,
            dims,
            roomy: true,
            usual: OnceLock::new(),
            products: OnceLock::new(),
            gradients: Default::default(),
        })
    }

    /// The same pair, which does without memory beyond its result.
    pub fn in_one_pass(self) -> Self {
        Self { roomy: false, ..self }
    }

    /// The labels of both operands.
    pub fn labels(&self) -> [&[Label]; 2] {
        [&self.labels[0], &self.labels[1]]
    }

    /// The labels of the result.
    pub fn out(&self) -> &[Label] {
        &self.out
    }

    /// The shape of the result.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The contraction of these operands, recorded if one of them is.
    #[track_caller]
    pub fn apply(self: &Arc<Self>, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(self.record(self.value(a, b)?, a, b))
    }

    /// This value as what was contracted from these operands.
    pub fn record(self: &Arc<Self>, value: Tensor, a: &Tensor, b: &Tensor) -> Tensor {
        if a.is_recorded() || b.is_recorded() { Tensor::record(value, &[a, b], PairGradient(Arc::clone(self))) } else { value }
    }

    /// The contraction of these operands, unrecorded: element by element where nothing is summed over, by a matrix product
    /// elsewhere; and by both passes, products then sums, where dot products of a batch lie across each other in memory.
    #[track_caller]
    pub fn value(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if self.dims.iter().all(|d| d.at[2].is_some()) {
            // Cast before they are repeated: a cast of a repeated view would write every element.
            let dtype = self.dtype(a, b)?;
            let (a, b) = (a.detach().to_dtype(dtype)?, b.detach().to_dtype(dtype)?);
            return self.aligned(&a, 0).mul(self.aligned(&b, 1));
        }
        if self.is_transposed(a) {
            // `ij,ij->j`: a matrix product would walk each column on its own.
            let products = self.products();
            let summed = products.out.len() - self.out.len();
            return products.value(a, b)?.sum(&(0..summed as isize).collect::<SmallVec<[_; 6]>>(), false);
        }
        self.product(a, b)
    }

    /// The type that these operands are contracted in.
    ///
    /// # Errors
    /// If one of them holds no floating-point numbers.
    #[track_caller]
    pub fn dtype(&self, a: &Tensor, b: &Tensor) -> Result<DType> {
        check::product_float("einsum", a, b)
    }

    /// Whether this is a batch of dot products whose neighbours in memory belong to different ones, and worth two passes.
    fn is_transposed(&self, a: &Tensor) -> bool {
        if !self.roomy || a.len() < SECOND_PASS || self.dims.iter().any(|d| d.at[0].is_none() || d.at[1].is_none()) {
            return false;
        }
        let step = |d: &&Dim| a.strides()[d.at[0].expect("A has every dimension")].unsigned_abs();
        let closest = self.dims.iter().filter(|d| step(d) != 0).min_by_key(step);
        closest.is_some_and(|d| d.at[2].is_some())
    }

    fn products(&self) -> &PairContraction {
        self.products.get_or_init(|| {
            let summed = self.labels[0].iter().filter(|l| !self.out.contains(l));
            let out: Labels = summed.chain(&self.out).copied().collect();
            // Of dot products the operands themselves have all labels.
            Box::new(PairContraction::new(self.labels(), &out, |l| self.size(l)).expect("the shape of an operand"))
        })
    }

    fn size(&self, label: Label) -> usize {
        let has = |labels: &[Label], d: Option<usize>| d.is_some_and(|d| labels[d] == label);
        let dim = self.dims.iter().find(|d| has(&self.labels[0], d.at[0]) || has(&self.labels[1], d.at[1]));
        dim.expect("a label of the pair").size
    }

    /// An unrecorded operand as a view of the result's shape: its dimensions in that order, repeated along those that it lacks.
    fn aligned(&self, x: &Tensor, operand: usize) -> Tensor {
        if self.labels[operand] == self.out {
            return x.clone();
        }
        let mut strides = Strides::from_elem(0, self.shape.len());
        for dim in &self.dims {
            if let (Some(d), Some(c)) = (dim.at[operand], dim.at[2]) {
                strides[c] = x.strides()[d];
            }
        }
        x.with_layout(Layout { shape: self.shape.clone(), strides, offset: x.layout().offset })
    }

    /// The matrix product of these operands.
    #[track_caller]
    fn product(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let usual = match self.usual.get() {
            Some(usual) => usual,
            None => {
                let product = self.ready(a, b)?;
                self.usual.get_or_init(|| Box::new(Usual { strides: [a.strides().into(), b.strides().into()], product }))
            }
        };
        if a.strides() == usual.strides[0].as_slice() && b.strides() == usual.strides[1].as_slice() {
            return multiplied(&usual.product, (a, b), &self.shape, None);
        }
        multiplied(&self.ready(a, b)?, (a, b), &self.shape, None)
    }

    /// The product of operands that lie in memory like these.
    #[track_caller]
    fn ready(&self, a: &Tensor, b: &Tensor) -> Result<Prepared> {
        Prepared::new(&self.axes(a, b)).ok_or_else(|| {
            let (a, b) = (a.shape(), b.shape());
            Error::shape(format!("einsum: operands of shapes {a:?} and {b:?} take more multiplications than can be counted"))
        })
    }

    /// Every dimension in its group, with its stride in each of A, B and C.
    fn axes(&self, a: &Tensor, b: &Tensor) -> Axes {
        let mut axes = Axes::default();
        for &Dim { size, at } in &self.dims {
            let stride = |strides: &[isize], d: Option<usize>| d.map_or(0, |d| strides[d]);
            let axis = Axis { size, a: stride(a.strides(), at[0]), b: stride(b.strides(), at[1]), c: stride(&self.strides, at[2]) };
            match at {
                [Some(_), Some(_), Some(_)] => axes.batch.push(axis),
                [Some(_), None, _] => axes.rows.push(axis),
                [None, _, _] => axes.columns.push(axis),
                [Some(_), Some(_), None] => axes.contracted.push(axis),
            }
        }
        axes
    }

    /// The pair that is the gradient of an operand, from the result's and the other operand.
    ///
    /// Ā[labels_a] = Σ C̄[out] · B[labels_b]
    pub fn gradient(&self, operand: usize) -> &Arc<PairContraction> {
        self.gradients[operand].get_or_init(|| {
            let pair = PairContraction::new([&self.out, &self.labels[1 - operand]], &self.labels[operand], |l| self.size(l));
            let pair = pair.expect("the shape of an operand");
            Arc::new(PairContraction { roomy: self.roomy, ..pair })
        })
    }
}

#[cfg(test)]
thread_local! {
    /// How many pairs this thread has made.
    pub(super) static MADE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The contraction of two operands, always by a matrix product.
///
/// # Errors
/// If one label has two sizes, or a dtype is no floating-point one.
#[track_caller]
pub(crate) fn contract(a: &Tensor, labels_a: &[Label], b: &Tensor, labels_b: &[Label], out: &[Label]) -> Result<Tensor> {
    let (pair, value) = contract_and_add((a, labels_a), (b, labels_b), out, None)?;
    if a.is_recorded() || b.is_recorded() { Ok(Arc::new(pair).record(value, a, b)) } else { Ok(value) }
}

/// The contraction of two operands, unrecorded, plus a bias along the last dimension of the result, and their pair; the bias
/// is contiguous and of the type that the operands are contracted in.
///
/// # Errors
/// As [`contract`].
#[track_caller]
pub(crate) fn contract_and_add(
    (a, labels_a): (&Tensor, &[Label]),
    (b, labels_b): (&Tensor, &[Label]),
    out: &[Label],
    bias: Option<&Tensor>,
) -> Result<(PairContraction, Tensor)> {
    let size_in = |x: &Tensor, labels: &[Label], label| labels.iter().position(|&l| l == label).map(|d| x.shape()[d]);
    for (&label, &n) in labels_a.iter().zip(a.shape()) {
        if let Some(m) = size_in(b, labels_b, label).filter(|&m| m != n) {
            return Err(Error::shape(format!("einsum: a dimension is {n} in one operand and {m} in the other")));
        }
    }
    let size = |label| size_in(a, labels_a, label).or_else(|| size_in(b, labels_b, label)).expect("a label of an operand");
    let pair = PairContraction::new([labels_a, labels_b], out, size)?;
    let value = multiplied(&pair.ready(a, b)?, (a, b), &pair.shape, bias)?;
    Ok((pair, value))
}

/// The product of these operands, which has this shape, plus a bias along its last dimension.
#[track_caller]
fn multiplied(product: &Prepared, (a, b): (&Tensor, &Tensor), shape: &Shape, bias: Option<&Tensor>) -> Result<Tensor> {
    contract::product("einsum", product, [a, b], check::product_float("einsum", a, b)?, shape, bias)
}

/// The rule of a pair: the gradient of each operand is a pair again.
struct PairGradient(Arc<PairContraction>);

impl Gradient for PairGradient {
    fn name(&self) -> &'static str {
        "einsum"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        needs[1 - i]
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let answer = |i: usize| -> Result<Option<Tensor>> {
            let Some(g) = cotangents[0].as_ref().filter(|_| saved.needs(i)) else { return Ok(None) };
            let x_bar = self.0.gradient(i).apply(g, &saved.input(1 - i))?;
            x_bar.to_dtype(saved.input_dtype(i).compute()).map(Some)
        };
        Ok(vec![answer(0)?, answer(1)?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    fn of(name: &'static str, a: &'static [Label], b: &'static [Label], out: &'static [Label]) -> Spec {
        const SIZES: [usize; 4] = [2, 3, 4, SECOND_PASS];
        let input = |labels: &[Label]| normal(&labels.iter().map(|&l| SIZES[l as usize]).collect::<Vec<_>>());
        // A contraction without contracted labels is the same product, on another kernel.
        let difference = move |x: &[Tensor], y: &[Tensor]| {
            let other = contract(&x[0], a, &x[1], b, out)?;
            let pairs = y[0].to_f64_vec().unwrap().into_iter().zip(other.to_f64_vec().unwrap());
            Ok(pairs.fold(0.0, |most: f64, (y, c)| most.max((y - c).abs())))
        };
        let pair = Arc::new(PairContraction::new([a, b], out, |l| SIZES[l as usize]).unwrap());
        Spec::new(name, move |x| Ok(vec![pair.apply(&x[0], &x[1])?]))
            .sample("labels", vec![input(a), input(b)])
            .property("equals the contraction", difference)
            .orders(2)
    }
    vec![
        Spec::new("einsum of two operands", |x| Ok(vec![contract(&x[0], &[0, 1, 2], &x[1], &[0, 2, 3, 4], &[4, 3, 1, 0])?]))
            .sample("a label of every kind", vec![normal(&[2, 3, 4]), normal(&[2, 4, 5, 3])])
            .orders(2),
        of("einsum: elementwise", &[0, 1], &[1, 0], &[0, 1]),
        of("einsum: outer", &[0], &[2, 1], &[1, 0, 2]),
        of("einsum: broadcast", &[0, 1], &[1], &[1, 0]),
        of("einsum: scalar", &[], &[1, 2], &[2, 1]),
        of("einsum: dot products across each other", &[3, 1, 0], &[0, 3, 1], &[1, 0]),
        of("einsum: both repeat", &[0, 1], &[2, 1], &[2, 1, 0]),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs:
    einsum_of_two_operands, einsum_elementwise, einsum_outer, einsum_broadcast, einsum_scalar,
    einsum_dot_products_across_each_other, einsum_both_repeat,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::tape::{CheckGradientOptions, check_gradient};

    #[test]
    fn every_kind_of_label_contracts_and_differentiates() {
        // Sizes of labels 0 to 5.
        let sizes = [2, 3, 4, 2, 3, 2];
        let cases: [(&[Label], &[Label], &[Label]); 7] = [
            (&[0, 1], &[1, 2], &[0, 2]),
            (&[0, 1, 2], &[0, 2, 3], &[3, 1, 0]),
            (&[0, 1], &[0, 1], &[]),
            (&[0, 1], &[2], &[2, 1, 0]),
            (&[0, 1, 5], &[1, 4], &[5, 0, 4]),
            (&[2, 0], &[0, 2], &[0, 2]),
            (&[], &[1, 0], &[0, 1]),
        ];
        let mut rng = Rng::new(5);
        for (la, lb, out) in cases {
            let shape = |labels: &[Label]| labels.iter().map(|&l| sizes[l as usize]).collect::<Vec<_>>();
            let inputs = [rng.normal(&shape(la), DType::F64).unwrap(), rng.normal(&shape(lb), DType::F64).unwrap()];
            let options = CheckGradientOptions { order: 2, ..Default::default() };
            check_gradient(|x| Ok(vec![contract(&x[0], la, &x[1], lb, out)?]), &inputs, &options).unwrap();
        }
    }

    #[test]
    fn operands_may_lie_in_memory_unlike_the_first() {
        let pair = PairContraction::new([&[0, 1], &[1, 2]], &[0, 2], |_| 3).unwrap();
        let mut rng = Rng::new(6);
        let [a, b] = [(); 2].map(|()| rng.normal(&[3, 3], DType::F64).unwrap());
        let numbers = |a: &Tensor, b: &Tensor| pair.value(a, b).unwrap().to_f64_vec().unwrap();
        let first = numbers(&a, &b);
        // The same matrices, column by column, after that of their transposes.
        assert_ne!(numbers(&a.mt(), &b), first);
        let columns = |x: &Tensor| x.mt().contiguous().unwrap().mt();
        let close = |given: Vec<f64>| given.iter().zip(&first).all(|(x, y)| (x - y).abs() < 16.0 * f64::EPSILON);
        assert!(close(numbers(&columns(&a), &columns(&b))));
        assert!(close(numbers(&a, &columns(&b))));
        assert_eq!(numbers(&a, &b), first);
    }

    #[test]
    fn f32_meets_f64_in_f64_and_each_gradient_has_its_operands_type() {
        let a = Tensor::from_slice(&[0.1_f32, 0.2], &[2]).unwrap().requires_grad();
        let b = Tensor::from_slice(&[0.3_f64, 0.4], &[2]).unwrap().requires_grad();
        let c = contract(&a, &[0], &b, &[0], &[]).unwrap();
        assert_eq!(c.dtype(), DType::F64);
        assert_eq!(c.item::<f64>().unwrap(), 0.1_f32 as f64 * 0.3 + 0.2_f32 as f64 * 0.4);
        let g = c.backward().unwrap();
        assert_eq!((g.get(&a).unwrap().dtype(), g.get(&b).unwrap().dtype()), (DType::F32, DType::F64));
    }
}
