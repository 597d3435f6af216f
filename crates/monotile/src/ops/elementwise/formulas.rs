//! Every formula of the families as a shader, read by another program.

use std::fs;
use std::path::Path;

use monotile_kernels::number::{Graph, record, rows, wgsl_of};

use super::{Binary, Reads, Unary};
use super::{
    activation, angle, arithmetic, exponential, hyperbolic, interpolation, logarithm, power, rectifier, rounding, select, signs,
    special, trigonometric,
};
use crate::ops::{gate, sample};
use crate::optim;
use crate::stats::gamma;
use crate::transform::arc;

/// A formula's name and its steps.
pub(crate) type RecordedFormula = (String, Graph);

/// A function of one number and its slope.
pub(super) fn unary_formulas<U: Unary>(op: U) -> Vec<RecordedFormula> {
    let mut all = vec![(U::NAME.to_string(), record(|[x]| op.apply(x)))];
    if U::READS != Reads::Nothing {
        all.push((format!("{}_slope", U::NAME), record(|[x]| op.slope(x))));
    }
    all
}

/// A function of two numbers.
pub(super) fn binary_formulas<B: Binary>(op: B) -> Vec<RecordedFormula> {
    vec![(B::NAME.to_string(), record(|[a, b]| op.apply(a, b)))]
}

fn all() -> Vec<RecordedFormula> {
    [
        activation::formulas(),
        angle::formulas(),
        arc::formulas(),
        arithmetic::formulas(),
        exponential::formulas(),
        gamma::formulas(),
        gate::formulas(),
        hyperbolic::formulas(),
        interpolation::formulas(),
        logarithm::formulas(),
        optim::formulas(),
        power::formulas(),
        rectifier::formulas(),
        rounding::formulas(),
        sample::formulas(),
        select::formulas(),
        signs::formulas(),
        special::formulas(),
        trigonometric::formulas(),
    ]
    .concat()
}

/// Reads and validates a module; its faults with their place.
fn validate(text: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|fault| fault.emit_to_string(text))?;
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    validator.validate(&module).map(drop).map_err(|fault| fault.emit_to_string(text))
}

#[test]
fn every_formula_is_a_shader() {
    for (number, (name, graph)) in all().into_iter().enumerate() {
        let text = graph.wgsl(&format!("f{number}_{name}"));
        validate(&text).unwrap_or_else(|fault| panic!("{name}: {fault}\n{text}"));
    }
    // And all of them one module.
    let of_rows = rows::recorded().into_iter().map(|(name, graph)| (format!("row_{name}"), graph));
    for (name, graph) in of_rows.clone() {
        validate(&graph.wgsl(&name)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
    let named = all().into_iter().enumerate().map(|(i, (name, graph))| (format!("f{i}_{name}"), graph));
    let named: Vec<(String, Graph)> = named.chain(of_rows).collect();
    let listed: Vec<(&str, &Graph)> = named.iter().map(|(name, graph)| (name.as_str(), graph)).collect();
    validate(&wgsl_of(&listed)).unwrap();
    assert!(validate("fn f(x: f32) -> f32 { return y; }").is_err());
}

#[test]
fn no_formula_of_the_families_is_missing() {
    // The families' own, which take any function as their parameter, are not written so.
    fn written(folder: &Path) -> usize {
        let results = |line: &str| match line.strip_prefix("impl ")?.split_once(" for ")?.0 {
            "Unary" | "Binary" => Some(1),
            family if family.starts_with("Formula<") => Some(1),
            family => family.strip_prefix("Formulas<")?.strip_suffix('>')?.split_once(", ")?.1.parse().ok(),
        };
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let count = |path: std::path::PathBuf| match path.is_dir() {
            true => written(&path),
            false => fs::read_to_string(path).unwrap().lines().filter_map(results).sum(),
        };
        entries.map(count).sum()
    }
    let recorded = all().iter().filter(|(name, _)| !name.ends_with("_slope")).count();
    assert_eq!(recorded, written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
}
