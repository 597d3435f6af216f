//! Einsum against the reference cases: values and gradients from NumPy and PyTorch in f64, the cheapest costs from
//! opt_einsum, and equations that must be refused.

use std::path::PathBuf;

use monotile::einsum::{Einsum, PathMethod};
use monotile::io::SafeTensors;
use monotile::tape::{BackwardMode, CheckGradientOptions, check_gradient, vjp};
use monotile::{DType, ErrorKind, Tensor, einsum};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    id: String,
    equation: String,
    shapes: Vec<Vec<usize>>,
    out_shape: Vec<usize>,
    cost_optimal: Option<f64>,
}

#[derive(Deserialize)]
struct Invalid {
    equation: String,
    shapes: Vec<Vec<usize>>,
    why: String,
}

/// The folder of cases, where it is at hand.
fn folder() -> Option<PathBuf> {
    let cases = match std::env::var_os("MONOTILE_CASES") {
        Some(cases) => PathBuf::from(cases),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"),
    };
    let folder = cases.join("einsum");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the 77 reference cases and 19 refusals of einsum are not at hand; set MONOTILE_CASES");
    None
}

fn read<T: serde::de::DeserializeOwned>(path: PathBuf) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn shapes(case: &[Vec<usize>]) -> Vec<&[usize]> {
    case.iter().map(Vec::as_slice).collect()
}

/// The largest difference relative to the largest entry.
fn off(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.shape(), expected.shape());
    let (got, expected) = (got.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
    got.iter().zip(&expected).map(|(g, e)| (g - e).abs()).fold(0.0, |m, d| if d <= m { m } else { d }) / largest
}

/// How far a result is off the one in the file.
///
/// The file has results as NumPy left them in memory, under their logical shape: `ij,jk->ik` may lie column by column. So
/// a result must agree with what the file holds when its axes are stored in one order, the same for all elements.
fn off_result(got: &Tensor, stored: &Tensor) -> f64 {
    let rank = stored.rank();
    let numbers = stored.to_vec::<f64>().unwrap();
    let mut least = f64::INFINITY;
    for order in orders(rank) {
        let shape: Vec<usize> = order.iter().map(|&d| stored.shape()[d]).collect();
        let inverse: Vec<isize> = (0..rank).map(|d| order.iter().position(|&o| o == d).unwrap() as isize).collect();
        let expected = Tensor::from_slice(&numbers, &shape).unwrap().permute(&inverse).unwrap();
        least = least.min(off(got, &expected));
    }
    least
}

/// All orders of `rank` axes.
fn orders(rank: usize) -> Vec<Vec<usize>> {
    let Some(last) = rank.checked_sub(1) else { return vec![Vec::new()] };
    let put = |order: Vec<usize>| (0..rank).map(move |at| [&order[..at], &[last], &order[at..]].concat());
    orders(last).into_iter().flat_map(put).collect()
}

/// Every case's value and gradients, in this dtype.
fn check_values(dtype: DType, tolerance: f64) {
    let Some(folder) = folder() else { return };
    let file = SafeTensors::open(folder.join("einsum.safetensors")).unwrap();
    let mut failures = Vec::new();
    for case in read::<Vec<Case>>(folder.join("einsum.json")) {
        let array = |name: String| file.tensor(&format!("{}.{name}", case.id)).unwrap();
        let input = |k: usize| array(format!("in{k}")).to_dtype(dtype).unwrap().requires_grad();
        let inputs: Vec<Tensor> = (0..case.shapes.len()).map(input).collect();
        let operands: Vec<&Tensor> = inputs.iter().collect();
        let out = einsum(&case.equation, &operands).unwrap();
        assert_eq!((out.shape(), out.dtype()), (case.out_shape.as_slice(), dtype), "{}", case.equation);
        let mut differences = vec![("the value".to_string(), off_result(&out, &array("out".into())))];
        let cotangent = array("cotangent".into()).to_dtype(dtype).unwrap();
        let gradients = vjp(&[(&out, &cotangent)], &operands, BackwardMode::Plain).unwrap();
        for (k, gradient) in gradients.into_iter().enumerate() {
            let gradient = gradient.unwrap_or_else(|| panic!("{}: no gradient of operand {k}", case.equation));
            differences.push((format!("gradient {k}"), off(&gradient, &array(format!("grad{k}")))));
        }
        let wrong = differences.into_iter().filter(|(_, d)| !(*d <= tolerance));
        failures.extend(wrong.map(|(what, d)| format!("{} {}: {what} is off by {d:.3e}", case.id, case.equation)));
    }
    assert!(failures.is_empty(), "{} differences beyond {tolerance:e}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn values_and_gradients_equal_the_reference_in_f64() {
    check_values(DType::F64, 1e-12);
}

#[test]
fn values_and_gradients_equal_the_reference_in_f32() {
    // Inputs are rounded to 2⁻²⁴ and up to ten of them are multiplied: well under 1e-5 of the largest entry.
    check_values(DType::F32, 1e-5);
}

#[test]
fn gradients_equal_differences_to_second_order() {
    let Some(folder) = folder() else { return };
    let file = SafeTensors::open(folder.join("einsum.safetensors")).unwrap();
    for case in read::<Vec<Case>>(folder.join("einsum.json")) {
        let inputs: Vec<Tensor> = (0..case.shapes.len()).map(|k| file.tensor(&format!("{}.in{k}", case.id)).unwrap()).collect();
        let function = |x: &[Tensor]| Ok(vec![einsum(&case.equation, &x.iter().collect::<Vec<_>>())?]);
        let options = CheckGradientOptions { directions: 1, order: 2, ..Default::default() };
        check_gradient(function, &inputs, &options).unwrap_or_else(|e| panic!("{} {}: {e}", case.id, case.equation));
    }
}

#[test]
fn no_case_costs_more_than_the_optimum_of_opt_einsum() {
    let Some(folder) = folder() else { return };
    let cases: Vec<Case> = read(folder.join("einsum.json"));
    let mut compared = 0;
    for case in cases {
        let Some(optimum) = case.cost_optimal else { continue };
        let report = Einsum::new(&case.equation).unwrap().compile(&shapes(&case.shapes)).unwrap().explain();
        assert!(report.operations <= optimum, "{}: {} against {optimum}\n{report}", case.equation, report.operations);
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn every_order_gives_the_same_numbers() {
    let Some(folder) = folder() else { return };
    let file = SafeTensors::open(folder.join("einsum.safetensors")).unwrap();
    for case in read::<Vec<Case>>(folder.join("einsum.json")) {
        let inputs: Vec<Tensor> = (0..case.shapes.len()).map(|k| file.tensor(&format!("{}.in{k}", case.id)).unwrap()).collect();
        let operands: Vec<&Tensor> = inputs.iter().collect();
        let expected = file.tensor(&format!("{}.out", case.id)).unwrap();
        let einsum = Einsum::new(&case.equation).unwrap();
        // The last two operands first, and so on to the front.
        let backwards = (1..inputs.len()).rev().map(|k| (k - 1, k)).collect();
        for order in [PathMethod::Optimal, PathMethod::Greedy, PathMethod::LeftToRight, PathMethod::Pairs(backwards)] {
            let compiled = einsum.with_order(order.clone()).compile(&shapes(&case.shapes)).unwrap();
            let d = off_result(&compiled.run(&operands).unwrap(), &expected);
            assert!(d <= 1e-12, "{} in order {order:?} is off by {d:.3e}", case.equation);
            // A path that was found can be given back.
            let again = einsum.with_order(PathMethod::Pairs(compiled.path())).compile(&shapes(&case.shapes)).unwrap();
            assert_eq!(again.explain(), compiled.explain());
        }
    }
}

#[test]
fn every_invalid_equation_is_refused_by_its_fault() {
    let Some(folder) = folder() else { return };
    // A word or two that the sentence must have, by what the case says is wrong.
    let words: [(&str, &[&str]); 14] = [
        ("fewer terms than operands", &["1 term for 2 operands"]),
        ("more terms than operands", &["3 terms for 2 operands"]),
        ("a character that is no label", &["at position", "is no label"]),
        ("a malformed ellipsis", &["at position", "no ellipsis"]),
        ("two ellipses in one term", &["the ellipsis at position 4 is the second of operand 0"]),
        ("a malformed ellipsis in the output", &["at position 7", "no ellipsis"]),
        ("more labels than the operand has dimensions", &["operand 0 has 2 dimensions", "3 labels"]),
        ("fewer labels than the operand has dimensions", &["operand 0 has 2 dimensions", "1 label"]),
        ("an output label that no input has", &["label l of the output is in no operand"]),
        ("an output label repeated", &["label k occurs twice in the output"]),
        ("two arrows", &["the arrow at position 9 is the second"]),
        ("a malformed arrow", &["at position 5", "an arrow is \"->\""]),
        ("sizes 3 and 4 for label i (operands are 3x4 and 4x5)", &["label i is 3 in operand 0 and 4 in operand 1"]),
        ("sizes 3 and 4 for one repeated label", &["label i is 3 in dimension 0 and 4 in dimension 1 of operand 0"]),
    ];
    for Invalid { equation, shapes: case, why } in read::<Vec<Invalid>>(folder.join("einsum_invalid.json")) {
        let inputs: Vec<Tensor> = case.iter().map(|s| Tensor::ones(s, DType::F64).unwrap()).collect();
        let error = einsum(&equation, &inputs.iter().collect::<Vec<_>>()).expect_err(&equation);
        let sentence = error.to_string();
        assert!(sentence.starts_with(&format!("einsum \"{equation}\": ")), "{sentence}");
        assert_eq!(error.kind(), ErrorKind::Equation, "{sentence}");
        let expected = words.iter().find(|(fault, _)| *fault == why).map(|(_, words)| *words);
        let said = expected.is_none_or(|words| words.iter().all(|w| sentence.contains(w)));
        assert!(said, "{sentence}\nshould say {expected:?}");
    }
}
