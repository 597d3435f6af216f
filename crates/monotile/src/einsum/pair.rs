//! The contraction of two operands: the step that every einsum and every matrix product consists of.
//!
//! Labels name dimensions. One in both operands and in the result is a batch dimension, one in both and not in the
//! result is summed over, one in a single operand and the result is free. All four kinds go to the kernel as groups of
//! strides, so that no operand is transposed in memory.

use monotile_kernels::buffer::Block;
use monotile_kernels::product::{Axes, Axis, Operand, Stored, product};

use crate::check;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::layout::row_major;
use crate::tensor::storage::{Cpu, Storage};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The name of a dimension.
pub(crate) type Label = u32;

/// Σ over the labels that `out` lacks of A[labels_a] · B[labels_b], laid out in the order of `out`.
///
/// Labels must be distinct within an operand and within `out`, and every label of `out` must occur in an operand. A label
/// of one operand alone that is not in `out` is summed over.
///
/// # Errors
/// If one label has two sizes, or a dtype is no floating-point one.
pub(crate) fn contract(a: &Tensor, labels_a: &[Label], b: &Tensor, labels_b: &[Label], out: &[Label]) -> Result<Tensor> {
    let dtype = check::common_float("einsum", a, b)?;
    // f32 meets f64 as f32 read wide; everything else is read as it is stored.
    let (a, b) = (narrow_only(a, dtype)?, narrow_only(b, dtype)?);
    let axes = classify((&a, labels_a), (&b, labels_b), out)?;
    let shape: Dims = out.iter().map(|&l| size_of_label((&a, labels_a), (&b, labels_b), l)).collect();
    let len = shape.iter().product();
    let value = match dtype {
        DType::F32 => {
            let mut c = Block::<f32>::new(len);
            product(1.0, operand_f32(&a), operand_f32(&b), &mut c, &axes);
            Tensor::from_block(c, &shape)
        }
        _ => {
            let mut c = Block::<f64>::new(len);
            product(1.0, operand_f64(&a), operand_f64(&b), &mut c, &axes);
            Tensor::from_block(c, &shape)
        }
    };
    if !a.is_recorded() && !b.is_recorded() {
        return Ok(value);
    }
    let rule = Contract { labels: [labels_a.to_vec(), labels_b.to_vec()], out: out.to_vec() };
    Ok(Tensor::record(value, &[&a, &b], rule))
}

/// The operand itself, unless it is wider than the computation.
fn narrow_only(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if dtype == DType::F32 && x.dtype() == DType::F64 { x.to_dtype(dtype) } else { Ok(x.clone()) }
}

fn position(labels: &[Label], label: Label) -> Option<usize> {
    labels.iter().position(|&l| l == label)
}

fn size_of_label(a: (&Tensor, &[Label]), b: (&Tensor, &[Label]), label: Label) -> usize {
    let at = |(x, labels): (&Tensor, &[Label])| position(labels, label).map(|d| x.shape()[d]);
    at(a).or_else(|| at(b)).expect("every label of the result occurs in an operand")
}

/// Sorts every label into its group, with its stride in each of A, B and C.
fn classify(a: (&Tensor, &[Label]), b: (&Tensor, &[Label]), out: &[Label]) -> Result<Axes> {
    let shape: Dims = out.iter().map(|&l| size_of_label(a, b, l)).collect();
    let strides_c = row_major(&shape);
    let mut axes = Axes::default();
    let only_b = b.1.iter().filter(|l| !a.1.contains(l));
    for &label in a.1.iter().chain(only_b) {
        let (in_a, in_b, in_c) = (position(a.1, label), position(b.1, label), position(out, label));
        let axis = Axis {
            size: size_of_label(a, b, label),
            a: in_a.map_or(0, |d| a.0.strides()[d]),
            b: in_b.map_or(0, |d| b.0.strides()[d]),
            c: in_c.map_or(0, |d| strides_c[d]),
        };
        if let (Some(i), Some(j)) = (in_a, in_b)
            && a.0.shape()[i] != b.0.shape()[j]
        {
            let (n, m) = (a.0.shape()[i], b.0.shape()[j]);
            return Err(Error::shape(format!("einsum: a dimension is {n} in one operand and {m} in the other")));
        }
        match (in_a, in_b, in_c) {
            (Some(_), Some(_), Some(_)) => axes.batch.push(axis),
            (Some(_), None, Some(_)) => axes.rows.push(axis),
            (None, Some(_), Some(_)) => axes.columns.push(axis),
            _ => axes.contracted.push(axis),
        }
    }
    Ok(axes)
}

fn operand_f32(x: &Tensor) -> Operand<'_, f32> {
    let Storage::Cpu(memory) = x.storage();
    let data = match memory {
        Cpu::F32(b) => Stored::Real(&b[..]),
        Cpu::BF16(b) => Stored::BF16(b),
        Cpu::F16(b) => Stored::F16(b),
        _ => unreachable!("a computation in f32 has operands of f32, bf16 and f16"),
    };
    Operand { data, offset: x.layout().offset }
}

fn operand_f64(x: &Tensor) -> Operand<'_, f64> {
    let Storage::Cpu(memory) = x.storage();
    let data = match memory {
        Cpu::F64(b) => Stored::Real(&b[..]),
        Cpu::F32(b) => Stored::F32(b),
        Cpu::BF16(b) => Stored::BF16(b),
        Cpu::F16(b) => Stored::F16(b),
        _ => unreachable!("a computation in f64 has floating-point operands"),
    };
    Operand { data, offset: x.layout().offset }
}

struct Contract {
    labels: [Vec<Label>; 2],
    out: Vec<Label>,
}

impl Gradient for Contract {
    fn name(&self) -> &'static str {
        "einsum"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        needs[1 - i]
    }
    // Ā[labels_a] = Σ C̄[out] · B[labels_b]: a contraction again, and so are its own gradients.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let answer = |i: usize| -> Result<Option<Tensor>> {
            if !saved.needs(i) {
                return Ok(None);
            }
            let (own, other) = (&self.labels[i], &self.labels[1 - i]);
            // Labels of this operand alone were summed over: the gradient repeats along them.
            let alone = |l: &Label| !self.out.contains(l) && !other.contains(l);
            let found: Vec<Label> = own.iter().copied().filter(|l| !alone(l)).collect();
            let mut x_bar = contract(g, &self.out, &saved.input(1 - i), other, &found)?;
            if found.len() < own.len() {
                let shape = saved.input_shape(i);
                let ones: Dims = own.iter().zip(shape).map(|(l, &n)| if alone(l) { 1 } else { n }).collect();
                x_bar = x_bar.reshape(&ones)?.expand(shape)?;
            }
            x_bar.to_dtype(saved.input_dtype(i).compute()).map(Some)
        };
        Ok(vec![answer(0)?, answer(1)?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("einsum of two operands", |x| Ok(vec![contract(&x[0], &[0, 1, 2], &x[1], &[0, 2, 3, 4], &[3, 1, 0])?]))
            .sample("a label of every kind", vec![normal(&[2, 3, 4]), normal(&[2, 4, 5, 3])])
            .orders(2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::tape::{GradientCheck, check_gradient};

    #[test]
    fn every_kind_of_label_contracts_and_differentiates() {
        // Sizes of labels 0 to 5.
        let sizes = [2, 3, 4, 2, 3, 2];
        let cases: [(&[Label], &[Label], &[Label]); 7] = [
            (&[0, 1], &[1, 2], &[0, 2]),
            (&[0, 1, 2], &[0, 2, 3], &[3, 1, 0]),
            (&[0, 1], &[0, 1], &[]),
            (&[0, 1], &[2], &[2, 1, 0]),
            (&[0, 1, 5], &[1, 4], &[0]),
            (&[2, 0], &[0, 2], &[0, 2]),
            (&[], &[1, 0], &[0, 1]),
        ];
        let mut rng = Rng::new(5);
        for (la, lb, out) in cases {
            let shape = |labels: &[Label]| labels.iter().map(|&l| sizes[l as usize]).collect::<Vec<_>>();
            let inputs = [rng.normal(&shape(la), DType::F64).unwrap(), rng.normal(&shape(lb), DType::F64).unwrap()];
            let options = GradientCheck { order: 2, ..Default::default() };
            check_gradient(|x| Ok(vec![contract(&x[0], la, &x[1], lb, out)?]), &inputs, &options).unwrap();
        }
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
