//! Every formula of the families as a shader, read by another program.

use std::fs;
use std::path::Path;

use monotile_kernels::number::{Graph, record, wgsl_of};

use super::{Binary, Reads, Unary};
use super::{activation, arithmetic, exponential, power, select, trigonometric};

/// A formula's name and its steps.
pub(super) type Recorded = (String, Graph);

/// A function of one number and its slope.
pub(super) fn of<U: Unary>(op: U) -> Vec<Recorded> {
    let mut all = vec![(U::NAME.to_string(), record(|[x]| op.apply(x)))];
    if U::READS != Reads::Nothing {
        all.push((format!("{}_slope", U::NAME), record(|[x]| op.slope(x))));
    }
    all
}

/// A function of two numbers.
pub(super) fn of2<B: Binary>(op: B) -> Vec<Recorded> {
    vec![(B::NAME.to_string(), record(|[a, b]| op.apply(a, b)))]
}

fn all() -> Vec<Recorded> {
    [
        activation::formulas(),
        arithmetic::formulas(),
        exponential::formulas(),
        power::formulas(),
        select::formulas(),
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
    let named: Vec<(String, Graph)> =
        all().into_iter().enumerate().map(|(i, (name, graph))| (format!("f{i}_{name}"), graph)).collect();
    let listed: Vec<(&str, &Graph)> = named.iter().map(|(name, graph)| (name.as_str(), graph)).collect();
    validate(&wgsl_of(&listed)).unwrap();
    assert!(validate("fn f(x: f32) -> f32 { return y; }").is_err());
}

#[test]
fn no_formula_of_the_families_is_missing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops/elementwise");
    let texts = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    // The families' own, which take any function as their parameter, are not written so.
    let written = |text: String| {
        ["Unary", "Binary"].map(|family| text.matches(&format!("\nimpl {family} for ")).count()).iter().sum::<usize>()
    };
    let written: usize = texts.map(written).sum();
    let recorded = all().iter().filter(|(name, _)| !name.ends_with("_slope")).count();
    assert_eq!(recorded, written);
}
