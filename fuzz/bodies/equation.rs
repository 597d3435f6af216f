//! An equation and shapes: read or refused, planned, and carried out in several orders.

use monotile::einsum::{Einsum, PathMethod};
use monotile::{DType, Error, Tensor};

/// The most operands, dimensions of one, and steps of a plain loop over all labels: larger problems only take time.
const MOST: (usize, usize, f64) = (7, 6, 1e6);
/// Sizes are taken modulo this.
const SIZES: usize = 5;

pub fn run(text: &str) {
    let (equation, shapes) = text.split_once('\n').unwrap_or((text, ""));
    let einsum = match Einsum::new(equation) {
        Ok(einsum) => einsum,
        Err(error) => return check(&error, equation),
    };
    let shapes: Vec<Vec<usize>> = shapes.split(',').map(shape).collect();
    if shapes.len() > MOST.0 || shapes.iter().any(|s| s.len() > MOST.1) {
        return;
    }
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let compiled = match einsum.compile(&shapes) {
        Ok(compiled) => compiled,
        Err(error) => return check(&error, equation),
    };
    let report = compiled.explain();
    assert!(report.operations <= report.left_to_right, "{report}");
    assert!(!report.to_string().is_empty());
    if report.left_to_right > MOST.2 || report.shape.iter().product::<usize>() > MOST.2 as usize {
        return;
    }
    // Sums of ones are whole numbers, which every order has to hit.
    let operands: Vec<Tensor> = shapes.iter().map(|s| Tensor::ones(s, DType::F64).expect("a small shape")).collect();
    let operands: Vec<&Tensor> = operands.iter().collect();
    let result = compiled.run(&operands).expect("operands of the shapes that were compiled for");
    assert_eq!(result.shape(), compiled.shape());
    for order in [PathMethod::LeftToRight, PathMethod::Greedy, PathMethod::Pairs(compiled.path())] {
        let other = einsum.with_order(order).compile(&shapes).and_then(|c| c.run(&operands)).expect("an order of these operands");
        assert_eq!(other.to_f64_vec().unwrap(), result.to_f64_vec().unwrap(), "{equation:?} {shapes:?}");
    }
}

/// `2x3`: whatever is no number counts as 1.
fn shape(text: &str) -> Vec<usize> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split('x').map(|n| n.trim().parse().map_or(1, |n: usize| n % SIZES)).collect()
}

/// A refusal names the equation, and its notes point into it.
fn check(error: &Error, equation: &str) {
    assert!(error.to_string().starts_with("einsum \""), "{error}");
    for note in error.notes() {
        assert!(note.at.start <= note.at.end && note.at.end <= equation.chars().count(), "{error}: {note:?}");
        assert!(!note.text.is_empty(), "{error}");
    }
}
