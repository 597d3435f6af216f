use std::collections::BTreeMap;
use std::path::Path;

use monotile::io::write_safetensors;
use monotile::{DType, Rng, Tensor};

use super::*;
use crate::adapter::{Adapter, Delta};
use crate::factors::LowRankFactors;

const Q: &str = "layers.0.q_proj";

fn adapter(scale: f64) -> Adapter {
    let mut rng = Rng::new(9);
    let mut normal = |shape: [usize; 2]| rng.normal(&shape, DType::F32).unwrap();
    let delta = Delta { factors: LowRankFactors::new(normal([4, 48]), normal([32, 4]), scale), embedding: false };
    let saved = BTreeMap::from([("norm.weight".to_string(), Tensor::ones(&[48], DType::F32).unwrap())]);
    Adapter::new(vec![(Q.to_string(), delta)], saved, None)
}

/// A checkpoint of a matrix, a norm and a head.
fn write(folder: &Path, matrix: &Tensor, norm: f64, head: f64, dtype: DType) -> Weights {
    std::fs::create_dir_all(folder).unwrap();
    let of = |t: &Tensor| t.to_dtype(dtype).unwrap();
    let (matrix, norm) = (of(matrix), of(&Tensor::filled(&[48], norm, DType::F32).unwrap()));
    let head = of(&Tensor::filled(&[3, 48], head, DType::F32).unwrap());
    let listed = [("layers.0.q_proj.weight", &matrix), ("norm.weight", &norm), ("head.weight", &head)];
    write_safetensors(folder.join("model.safetensors"), &listed, &[]).unwrap();
    Weights::open(folder).unwrap()
}

fn matrix() -> Tensor {
    Rng::new(8).normal(&[32, 48], DType::F32).unwrap().to_dtype(DType::BF16).unwrap()
}

/// The verdict on each tensor of base + times · ΔW + shift, stored in `dtype`.
fn verdicts(scale: f64, times: f64, shift: f64, dtype: DType) -> Vec<VerifiedTensor> {
    let folder = tempfile::tempdir().unwrap();
    let adapter = adapter(scale);
    let pair = &adapter.modules()[0].1.factors;
    let change = pair.b.matmul(&pair.a).unwrap().mul_scalar(pair.scaling).unwrap();
    let base = write(&folder.path().join("base"), &matrix(), 0.5, 1.0, DType::BF16);
    let made = matrix().add(change.mul_scalar(times).unwrap()).unwrap().add_scalar(shift).unwrap();
    let merged = write(&folder.path().join("merged"), &made, 1.0, 1.0, dtype);
    let mut found = Vec::new();
    verify(&base, &WeightedAdapters::new(&[(adapter, 1.0)], &base).unwrap(), &merged, &mut |one| found.push(one)).unwrap();
    found
}

#[test]
fn a_merge_by_the_rule_is_exact_in_every_element_type() {
    for dtype in [DType::BF16, DType::F16, DType::F32] {
        let found = verdicts(0.5, 1.0, 0.0, dtype);
        assert!(found.iter().all(|one| one.verdict == Verdict::Exact), "{found:?}");
        assert_eq!(found.iter().map(|one| one.touched).collect::<Vec<_>>(), [false, true, true]);
        assert!((found[1].times.unwrap() - 1.0).abs() < 0.01 && found[2].times.is_none());
    }
}

#[test]
fn what_was_added_is_told() {
    let verdict = |times| verdicts(0.5, times, 0.0, DType::BF16).swap_remove(1).verdict;
    assert_eq!(verdict(0.0), Verdict::Nothing);
    for wrong in [2.0, 0.5, -1.0, 0.9] {
        let Verdict::Other { times, rest } = verdict(wrong) else { panic!("{wrong}: {:?}", verdict(wrong)) };
        assert!((times - wrong).abs() < 0.01 && rest < 0.02, "{wrong}: {times} and {rest}");
    }
    let shifted = verdicts(0.5, 1.0, 0.25, DType::F32).swap_remove(1).verdict;
    let Verdict::Other { times, rest } = shifted else { panic!("{shifted:?}") };
    assert!((times - 1.0).abs() < 0.1 && rest > 0.1, "{times} and {rest}");
}

#[test]
fn a_change_below_rounding_is_missed_by_no_one_element_but_by_all() {
    // A thousandth of a unit in the last place on most elements: they stay within tolerance if nothing was added.
    let found = verdicts(1e-4, 0.0, 0.0, DType::BF16).swap_remove(1);
    assert_eq!(found.verdict, Verdict::Nothing);
    assert_eq!(found.times, Some(0.0));
    assert_eq!(verdicts(1e-4, 1.0, 0.0, DType::BF16)[1].verdict, Verdict::Exact);
}

#[test]
fn a_second_rounding_is_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = adapter(0.05);
    let pair = &adapter.modules()[0].1.factors;
    let change = pair.b.matmul(&pair.a).unwrap().mul_scalar(pair.scaling).unwrap().to_dtype(DType::BF16).unwrap();
    let base = write(&folder.path().join("base"), &matrix(), 0.5, 1.0, DType::BF16);
    let merged = write(&folder.path().join("merged"), &matrix().add(&change).unwrap(), 1.0, 2.0, DType::BF16);
    let mut found = Vec::new();
    verify(&base, &WeightedAdapters::new(&[(adapter, 1.0)], &base).unwrap(), &merged, &mut |one| found.push(one)).unwrap();
    assert!(matches!(found[1].verdict, Verdict::Rounded(1..=200)), "{:?}", found[1]);
    assert_eq!(found[0].verdict, Verdict::Changed, "the head, which no adapter touches");
    assert!(found[1].verdict.holds() && !found[0].verdict.holds());
}

#[test]
fn elements_within_rounding_do_not_hide_a_merge_of_half_the_rows() {
    // A change just above half a unit in the last place of 1: with it and without, an element is within rounding of the sum.
    let filled = |shape: &[usize], x: f64| Tensor::filled(shape, x, DType::F32).unwrap();
    let delta = Delta { factors: LowRankFactors::new(filled(&[1, 48], 1.0), filled(&[32, 1], 0.00392), 1.0), embedding: false };
    let adapter = Adapter::new(vec![(Q.to_string(), delta)], BTreeMap::new(), None);
    let folder = tempfile::tempdir().unwrap();
    let base = write(&folder.path().join("base"), &filled(&[32, 48], 1.0), 0.5, 1.0, DType::BF16);
    let verdict = |rows: usize| {
        let made = Tensor::cat(&[&filled(&[rows, 48], 1.00392), &filled(&[32 - rows, 48], 1.0)], 0).unwrap();
        let merged = write(&folder.path().join(rows.to_string()), &made, 0.5, 1.0, DType::BF16);
        let mut found = Vec::new();
        verify(&base, &WeightedAdapters::new(&[(adapter.clone(), 1.0)], &base).unwrap(), &merged, &mut |one| found.push(one))
            .unwrap();
        found.swap_remove(1).verdict
    };
    assert_eq!([verdict(32), verdict(0)], [Verdict::Exact, Verdict::Nothing]);
    assert!(matches!(verdict(16), Verdict::Other { .. }), "{:?}", verdict(16));
}

#[test]
fn what_is_not_finite_is_never_exact() {
    let folder = tempfile::tempdir().unwrap();
    let base = write(&folder.path().join("base"), &matrix(), 0.5, 0.5, DType::F32);
    let combined = WeightedAdapters::new(&[(adapter(1e30), 1.0)], &base).unwrap();
    let infinite = Tensor::filled(&[32, 48], f64::INFINITY, DType::F16).unwrap();
    let merged = write(&folder.path().join("merged"), &infinite, 1.0, 0.5, DType::F16);
    let mut found = Vec::new();
    verify(&base, &combined, &merged, &mut |one| found.push(one)).unwrap();
    assert!(found.iter().any(|one| one.tensor.ends_with("q_proj.weight") && one.verdict == Verdict::NotFinite), "{found:?}");
}
