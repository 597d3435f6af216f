//! What goes beyond the specs: the reference cases, parts of keys, storage types.

use std::path::PathBuf;

use super::*;
use crate::tape::BackwardMode;
use crate::tape::vjp;
use crate::{DType, Rng, Tensor, io};

/// The reference cases, or `None` where they are not at hand.
fn cases() -> Option<(serde_json::Value, io::SafeTensors)> {
    let folder = std::env::var_os("MONOTILE_CASES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases")), PathBuf::from)
        .join("attention");
    let text = std::fs::read_to_string(folder.join("attention.json")).ok()?;
    Some((serde_json::from_str(&text).unwrap(), io::SafeTensors::open(folder.join("attention.safetensors")).unwrap()))
}

/// The largest difference relative to the largest entry; equal infinities agree.
fn off(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.shape(), expected.shape());
    let (got, expected) = (got.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
    let largest = expected.iter().filter(|x| x.is_finite()).fold(0.0, |m: f64, x| m.max(x.abs()));
    let one = |(&a, &b): (&f64, &f64)| {
        if a == b {
            0.0
        } else if (a - b).is_nan() {
            f64::INFINITY
        } else {
            (a - b).abs()
        }
    };
    got.iter().zip(&expected).map(one).fold(0.0, f64::max) / largest.max(f64::MIN_POSITIVE)
}

fn largest(x: &Tensor) -> f64 {
    x.to_f64_vec().unwrap().iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()))
}

#[test]
fn every_reference_case_agrees_with_its_gradients() {
    let Some((list, arrays)) = cases() else {
        println!("skipped: the 18 reference cases of attention are not at hand; set MONOTILE_CASES");
        return;
    };
    let mut failures = Vec::new();
    for case in list.as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let logits = case["logit_size"].as_f64().unwrap();
        let array = |name: &str| arrays.tensor(&format!("{id}.{name}")).unwrap();
        // The file holds booleans as bytes.
        let as_mask = |mask: Tensor| if mask.dtype().is_float() { mask } else { mask.to_dtype(DType::Bool).unwrap() };
        let mask = arrays.contains(&format!("{id}.mask")).then(|| as_mask(array("mask")));
        for dtype in [DType::F64, DType::F32] {
            let leaf = |name| array(name).to_dtype(dtype).unwrap().requires_grad();
            let [q, k, v] = ["q", "k", "v"].map(leaf);
            let options =
                AttentionOptions { mask: mask.as_ref(), causal: case["causal"].as_bool().unwrap(), scale: case["scale"].as_f64() };
            let result = scaled_dot_product_attention_with_lse(&q, &k, &v, &options).unwrap();
            let cotangent = array("cotangent").to_dtype(dtype).unwrap();
            let gradients = vjp(&[(&result.out, &cotangent)], &[&q, &k, &v], BackwardMode::Plain).unwrap();
            // A score of size L is rounded to L ε, which p = exp(S − lse) turns into a relative error of as much: 1e4 ε is
            // 2e-12 in f64, summed over keys and squared by dS, and 1e-3 in f32.
            let rounding = if dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
            let tolerance = if dtype == DType::F64 { 1e-10_f64 } else { 1e-5 }.max(100.0 * logits * rounding);
            // The largest Σ |dout · out| of a row.
            let products = (&array("cotangent") * &array("out")).to_f64_vec().unwrap();
            let dim = array("out").dim(3).max(1);
            let terms = products.chunks(dim).map(|row| row.iter().map(|x| x.abs()).sum()).fold(0.0, f64::max);
            let named = ["dq", "dk", "dv"].into_iter().zip(gradients.iter().map(|g| g.clone().unwrap()));
            for (name, got) in [("out", result.out.detach()), ("lse", result.log_sum_exp.detach())].into_iter().chain(named) {
                let error = off(&got, &array(name));
                // Where logits of 1e4 give one key all the weight, dS is what is left of dP − delta: one rounding of a sum
                // of |dout · out| in f32, which reaches dq times scale · k and dk times scale · q, may be as large as they.
                let reached_by = match name {
                    "dq" => largest(&array("k")),
                    "dk" => largest(&array("q")),
                    _ => 0.0,
                };
                let cancelled = if logits >= 1e4 { rounding * case["scale"].as_f64().unwrap() * terms * reached_by } else { 0.0 };
                let tolerance = tolerance + cancelled / largest(&array(name));
                if !(error <= tolerance) {
                    failures.push(format!("{id} {name} in {dtype}: {error:.2e} above {tolerance:.1e}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn keys_in_three_parts_in_any_order_give_the_whole_and_its_gradients() {
    let mut rng = Rng::new(4);
    let [q, k, v] = [[1, 2, 7, 5], [1, 2, 29, 5], [1, 2, 29, 3]].map(|shape| rng.normal(&shape, DType::F64).unwrap());
    let whole = |[q, k, v]: [&Tensor; 3]| scaled_dot_product_attention_with_lse(q, k, v, &AttentionOptions::default()).unwrap();
    let in_parts = |[q, k, v]: [&Tensor; 3], order: [usize; 3]| {
        let parts = order.map(|i| {
            let range = [0..11, 11..12, 12..29][i].clone();
            (k.slice(2, range.clone()).unwrap(), v.slice(2, range).unwrap())
        });
        let options = AttentionOptions::default();
        let first = scaled_dot_product_attention_with_lse(q, &parts[0].0, &parts[0].1, &options).unwrap();
        parts[1..].iter().fold(first, |before, (k, v)| before.append_keys(q, k, v, &options).unwrap())
    };
    let loss = |a: &PartialAttention| {
        &(&a.out * &a.out).sum(&[], false).unwrap() + &(&a.log_sum_exp * &a.log_sum_exp).sum(&[], false).unwrap()
    };
    let expected = whole([&q, &k, &v]);
    let leaves = [&q, &k, &v].map(Tensor::requires_grad);
    let [a, b, c] = &leaves;
    let wanted = crate::tape::grad(&loss(&whole([a, b, c])), &[a, b, c]).unwrap();
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let got = in_parts([&q, &k, &v], order);
        assert!(off(&got.out, &expected.out) < 1e-14 && off(&got.log_sum_exp, &expected.log_sum_exp) < 1e-14, "{order:?}");
        let gradients = crate::tape::grad(&loss(&in_parts([a, b, c], order)), &[a, b, c]).unwrap();
        assert!(gradients.iter().zip(&wanted).all(|(g, w)| off(g, w) < 1e-13), "{order:?}");
    }
}

#[test]
fn bf16_operands_count_as_f32_and_their_gradients_are_f32() {
    let draw = |seed| Rng::new(seed).normal(&[1, 2, 6, 8], DType::BF16).unwrap();
    let [q, k, v] = [1, 2, 3].map(draw);
    let wide = [&q, &k, &v].map(|x| x.to_dtype(DType::F32).unwrap());
    let expected = scaled_dot_product_attention(&wide[0], &wide[1], &wide[2], &AttentionOptions::default()).unwrap();
    let leaf = q.requires_grad();
    let out = scaled_dot_product_attention(&leaf, &k, &v, &AttentionOptions::default()).unwrap();
    assert_eq!((out.dtype(), out.to_f64_vec().unwrap()), (DType::F32, expected.to_f64_vec().unwrap()));
    let g = out.sum(&[], false).unwrap().backward().unwrap().take(&leaf).unwrap();
    assert_eq!((g.dtype(), g.shape()), (DType::F32, q.shape()));
}

#[test]
fn a_mask_of_minus_infinity_hides_what_a_boolean_one_hides() {
    let [q, k, v] = [1, 2, 3].map(|seed| Rng::new(seed).normal(&[1, 1, 4, 3], DType::F64).unwrap().requires_grad());
    let seen: Vec<bool> = (0..16).map(|i| i % 3 != 0 && i / 4 != 2).collect();
    let added: Vec<f64> = seen.iter().map(|&seen| if seen { 0.0 } else { f64::NEG_INFINITY }).collect();
    let boolean = Tensor::from_vec(seen, &[4, 4]).unwrap();
    let additive = Tensor::from_vec(added, &[4, 4]).unwrap();
    let run = |mask: &Tensor| {
        let out = scaled_dot_product_attention(&q, &k, &v, &AttentionOptions { mask: Some(mask), ..Default::default() }).unwrap();
        let g = crate::tape::grad(&(&out * &out).sum(&[], false).unwrap(), &[&q, &k, &v]).unwrap();
        (out, g)
    };
    let ((a, ga), (b, gb)) = (run(&boolean), run(&additive));
    assert_eq!(a.to_f64_vec().unwrap(), b.to_f64_vec().unwrap());
    assert!(a.to_f64_vec().unwrap()[6..9].iter().all(|&x| x == 0.0) && ga[0].to_f64_vec().unwrap()[6..9].iter().all(|&x| x == 0.0));
    // The gradient with respect to an additive mask goes the long way, which hides the same.
    let leaf = additive.requires_grad();
    let out = scaled_dot_product_attention(&q, &k, &v, &AttentionOptions { mask: Some(&leaf), ..Default::default() }).unwrap();
    let long = crate::tape::grad(&(&out * &out).sum(&[], false).unwrap(), &[&q, &k, &v, &leaf]).unwrap();
    assert!((0..3).all(|i| off(&ga[i], &gb[i]) < 1e-15 && off(&long[i], &ga[i]) < 1e-13));
    assert!(
        long[3]
            .to_f64_vec()
            .unwrap()
            .iter()
            .zip(additive.to_f64_vec().unwrap())
            .all(|(g, m)| g.is_finite() && (m == 0.0 || *g == 0.0))
    );
}

#[test]
fn heads_cut_from_rows_are_put_together_again_without_a_copy() {
    let rows = |seed| Rng::new(seed).normal(&[2, 5, 12], DType::F64).unwrap();
    let heads = |x: &Tensor| x.reshape(&[2, 5, 3, 4]).unwrap().transpose(1, 2).unwrap();
    let [q, k, v] = [1, 2, 3].map(|seed| heads(&rows(seed)));
    let options = AttentionOptions { causal: true, ..Default::default() };
    let result = scaled_dot_product_attention_with_lse(&q, &k, &v, &options).unwrap();
    assert!(result.out.transpose(1, 2).unwrap().is_contiguous());
    let [p, r, s] = [&q, &k, &v].map(|x| x.copied_contiguous("copy").unwrap());
    let expected = scaled_dot_product_attention_with_lse(&p, &r, &s, &options).unwrap();
    assert_eq!(result.out.to_f64_vec().unwrap(), expected.out.to_f64_vec().unwrap());
    let (a, b) = (result.append_keys(&q, &k, &v, &options).unwrap(), expected.append_keys(&p, &r, &s, &options).unwrap());
    assert_eq!(a.out.to_f64_vec().unwrap(), b.out.to_f64_vec().unwrap());
}
