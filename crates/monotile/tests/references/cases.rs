//! A file of cases, and how results are compared with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use monotile::io::SafeTensors;
use monotile::tape::{BackwardMode, vjp};
use monotile::{DType, Result, Tensor};
use serde_json::Value;

/// An operation as a case names it, on the case's inputs and options.
pub type Operation = (&'static str, fn(&[Tensor], &Value) -> Result<Vec<Tensor>>);

/// How far a number may be off in f64 and in f32, relative to the largest of its tensor.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub f64: f64,
    pub f32: f64,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../references")
}

/// Checks every case of a file in f64 and in f32: its results, gradients and second gradients.
///
/// Inputs are of half precision where they can be, so that both types hold them exactly. A case's option `condition` multiplies the
/// tolerance: it says how much the result may amplify rounding. Where `precision` is f32, the reference was computed in f32, and f64 is
/// held to the tolerance of f32.
///
/// # Panics
/// If a case names an operation that is not given, one that is given has no case, or a tensor belongs to no case.
pub fn check(file: &str, tolerance: Tolerance, operations: &[Operation]) {
    let file = SafeTensors::open(folder().join(file)).unwrap();
    let reference: Value = serde_json::from_str(&file.metadata()["reference"]).unwrap();
    let cases = reference["cases"].as_array().unwrap();
    let named: BTreeSet<&str> = cases.iter().map(|case| case["op"].as_str().unwrap()).collect();
    let given: BTreeSet<&str> = operations.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, given, "operations with cases, and those that are checked");
    let mut read = BTreeSet::new();
    for (number, options) in cases.iter().enumerate() {
        let name = options["op"].as_str().unwrap();
        let (_, operation) = operations.iter().find(|(operation, _)| *operation == name).unwrap();
        let case = Case { file: &file, number, options };
        for dtype in [DType::F64, DType::F32] {
            let single = dtype == DType::F32 || options["precision"] == "f32";
            let limit = if single { tolerance.f32 } else { tolerance.f64 };
            let limit = limit * options["condition"].as_f64().unwrap_or(1.0);
            case.check(*operation, dtype, limit, &mut read);
        }
    }
    let held: BTreeSet<String> = file.names().map(str::to_owned).collect();
    assert_eq!(held, read, "tensors of the file, and those that were compared");
}

struct Case<'a> {
    file: &'a SafeTensors,
    number: usize,
    options: &'a Value,
}

impl Case<'_> {
    /// Tensor `i` of a part, if the case has it.
    fn tensor(&self, part: char, i: usize, read: &mut BTreeSet<String>) -> Option<Tensor> {
        let name = format!("{}.{part}{i}", self.number);
        let tensor = self.file.contains(&name).then(|| self.file.tensor(&name).unwrap());
        read.extend(tensor.is_some().then_some(name));
        tensor
    }

    fn count(&self, what: &str) -> usize {
        self.options[what].as_u64().unwrap() as usize
    }

    fn check(
        &self,
        operation: fn(&[Tensor], &Value) -> Result<Vec<Tensor>>,
        dtype: DType,
        limit: f64,
        read: &mut BTreeSet<String>,
    ) {
        let what = format!("case {}, {}, in {dtype}", self.number, self.options);
        let count = self.count("inputs");
        let gradients: Vec<_> = (0..count).map(|i| self.tensor('g', i, read)).collect();
        let inputs: Vec<Tensor> = (0..count)
            .map(|i| {
                let x = self.tensor('i', i, read).unwrap();
                let x = if x.dtype().is_float() { x.to_dtype(dtype).unwrap() } else { x };
                if gradients[i].is_some() { x.requires_grad() } else { x }
            })
            .collect();
        let outputs = operation(&inputs, self.options).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(outputs.len(), self.count("outputs"), "{what}");
        for (j, output) in outputs.iter().enumerate() {
            compare(output, &self.tensor('o', j, read).unwrap(), limit, &format!("output {j} of {what}"));
        }

        let leaves: Vec<&Tensor> = inputs.iter().zip(&gradients).filter(|(_, g)| g.is_some()).map(|(x, _)| x).collect();
        if leaves.is_empty() {
            return;
        }
        let seconds: Vec<_> = (0..count).map(|i| self.tensor('s', i, read)).collect();
        let twice = seconds.iter().any(Option::is_some);
        let recorded: Vec<(usize, &Tensor)> = outputs.iter().enumerate().filter(|(_, y)| y.is_recorded()).collect();
        let cotangents: Vec<Tensor> = recorded.iter().map(|(j, y)| weights(y, *j)).collect();
        let pairs: Vec<(&Tensor, &Tensor)> = recorded.iter().map(|(_, y)| *y).zip(&cotangents).collect();
        let walk = if twice { BackwardMode::Recorded } else { BackwardMode::Plain };
        let found = vjp(&pairs, &leaves, walk).unwrap_or_else(|error| panic!("{what}: {error}"));
        let places = (0..count).filter(|&i| gradients[i].is_some());
        let found: Vec<(usize, Option<Tensor>)> = places.zip(found).collect();
        for (i, g) in &found {
            let g = g.clone().unwrap_or_else(|| inputs[*i].zeros_like());
            compare(&g, gradients[*i].as_ref().unwrap(), limit, &format!("gradient by input {i} of {what}"));
        }
        if !twice {
            return;
        }
        // A walk that is not recorded has code of its own; both must give the gradient.
        let plain = vjp(&pairs, &leaves, BackwardMode::Plain).unwrap();
        for ((i, _), g) in found.iter().zip(plain) {
            let g = g.unwrap_or_else(|| inputs[*i].zeros_like());
            compare(&g, gradients[*i].as_ref().unwrap(), limit, &format!("plain gradient by input {i} of {what}"));
        }
        let recorded: Vec<(usize, &Tensor)> =
            found.iter().filter_map(|(i, g)| Some((*i, g.as_ref()?))).filter(|(_, g)| g.is_recorded()).collect();
        let cotangents: Vec<Tensor> = recorded.iter().map(|(i, g)| weights(g, *i)).collect();
        let pairs: Vec<(&Tensor, &Tensor)> = recorded.iter().map(|(_, g)| *g).zip(&cotangents).collect();
        let second =
            vjp(&pairs, &leaves, BackwardMode::Plain).unwrap_or_else(|error| panic!("second gradients of {what}: {error}"));
        for ((i, _), s) in found.iter().zip(second) {
            let s = s.unwrap_or_else(|| inputs[*i].zeros_like());
            compare(&s, seconds[*i].as_ref().unwrap(), limit, &format!("second gradient by input {i} of {what}"));
        }
    }
}

/// The numbers that stand for the cotangent of output `j`; `references/groups/cases.py` has the same.
fn weights(y: &Tensor, j: usize) -> Tensor {
    let numbers = (0..y.len()).map(|k| ((37 * k + 11 + 5 * j) % 17) as f64 / 8.0 - 1.0).collect();
    Tensor::from_vec(numbers, y.shape()).unwrap().to_dtype(y.dtype()).unwrap()
}

/// Compares two tensors of one shape relative to the largest number expected, at least 1.
#[track_caller]
fn compare(found: &Tensor, expected: &Tensor, limit: f64, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
    let largest = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (x, e)) in found.iter().zip(&expected).enumerate() {
        assert!((x - e).abs() <= limit * largest, "{what}: number {i} is {x}, not {e}; off by {:e}", (x - e).abs() / largest);
    }
}
