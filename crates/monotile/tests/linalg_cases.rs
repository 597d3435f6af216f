//! Factorizations on hard matrices, with singular values, eigenvalues, factors and solutions from 60-digit arithmetic, by
//! LAPACK's measures: residuals against 30 max(m, n) u ‖A‖, orthogonality against 30 max(m, n) u.

use std::path::PathBuf;

use monotile::io::SafeTensors;
use monotile::linalg::{
    Eigh, Lu, Qr, QrOptions, Svd, SvdOptions, cholesky, cond, det, eigh, eigvalsh, inv, lstsq, lu, matrix_rank, pinv, qr, slogdet,
    solve, svd, svdvals,
};
use monotile::{DType, ErrorKind, Result, Rng, Tensor};
use proptest::prelude::*;
use serde::Deserialize;

/// LAPACK's tests accept ratios up to 30.
const MOST: f64 = 30.0;

#[derive(Deserialize)]
struct Case {
    id: String,
    name: String,
    shape: [usize; 2],
    rank: usize,
    symmetric: bool,
    cond: Option<f64>,
    #[serde(default)]
    positive_definite: bool,
}

/// The cases, where they are at hand.
fn cases() -> Option<(Vec<Case>, SafeTensors)> {
    let cases = match std::env::var_os("MONOTILE_CASES") {
        Some(cases) => PathBuf::from(cases),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"),
    };
    let folder = cases.join("linalg");
    if !folder.is_dir() {
        println!("skipped: the 21 reference matrices are not at hand; set MONOTILE_CASES");
        return None;
    }
    let list = serde_json::from_slice(&std::fs::read(folder.join("linalg.json")).unwrap()).unwrap();
    Some((list, SafeTensors::open(folder.join("linalg.safetensors")).unwrap()))
}

/// Half the distance from 1 to the next larger number.
fn unit(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::EPSILON / 2.0 } else { f64::from(f32::EPSILON) / 2.0 }
}

/// Frobenius' norm over a scale that keeps squares in range.
fn norm(x: &Tensor, scale: f64) -> f64 {
    x.to_f64_vec().unwrap().iter().map(|x| (x / scale).powi(2)).sum::<f64>().sqrt()
}

fn largest(x: &Tensor) -> f64 {
    x.to_f64_vec().unwrap().iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

/// ‖A − B‖ / (n u ‖A‖) of matrices of any dtype, computed in f64.
fn residual(a: &Tensor, b: &Tensor, n: usize) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let scale = largest(a);
    if scale == 0.0 {
        return largest(b);
    }
    let difference = wide(a).sub(wide(b)).unwrap();
    norm(&difference, scale) / (norm(a, scale) * n.max(1) as f64 * unit(a.dtype()))
}

/// ‖Qᵀ Q − I‖ / (n u)
fn orthogonality(q: &Tensor, n: usize) -> f64 {
    let q64 = wide(q);
    let gram = q64.mt().matmul(&q64).unwrap();
    let identity = Tensor::eye(q.dim(-1), DType::F64).unwrap().expand(gram.shape()).unwrap();
    norm(&gram.sub(&identity).unwrap(), 1.0) / (n.max(1) as f64 * unit(q.dtype()))
}

fn wide(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}

/// The product in f64, of factors scaled so that nothing overflows on the way.
fn product(x: &Tensor, y: &Tensor) -> Tensor {
    wide(x).matmul(&wide(y)).unwrap()
}

/// Every factorization of one matrix or batch, by residuals and orthogonality.
fn check_factors(a: &Tensor, what: &str) -> Result<()> {
    let (m, n) = (a.dim(-2), a.dim(-1));
    let size = m.max(n);
    let hold = |name: &str, ratio: f64| assert!(ratio <= MOST, "{name} of {what} in {}: {ratio}", a.dtype());
    for full in [false, true] {
        let Qr { q, r } = qr(a, &QrOptions { full, non_negative: true })?;
        hold("qr", residual(a, &product(&q, &r), size));
        hold("Q of qr", orthogonality(&q, size));
        let square = r.slice(-2, ..m.min(n))?.slice(-1, ..m.min(n))?;
        assert!(square.diagonal(-2, -1)?.to_f64_vec().unwrap().iter().all(|&x| x >= 0.0), "{what}");
        let Svd { u, s, vt } = svd(a, &SvdOptions { full })?;
        let k = s.dim(-1);
        let scaled = wide(&u.slice(-1, ..k)?).mul(&wide(&s).unsqueeze(-2)?)?;
        hold("svd", residual(a, &product(&scaled, &vt.slice(-2, ..k)?), size));
        hold("U of svd", orthogonality(&u, size));
        hold("V of svd", orthogonality(&vt.mt(), size));
    }
    let Lu { l, u, order } = lu(a)?;
    let rows = order.unsqueeze(-1)?.expand(a.shape())?;
    hold("lu", residual(&a.gather(-2, &rows)?, &product(&l, &u), size));
    if m == n {
        let symmetric = a.slice(-1, ..)?.mul_scalar(0.5)?.add(&a.mt().mul_scalar(0.5)?)?;
        let Eigh { values, vectors } = eigh(&symmetric)?;
        let scaled = wide(&vectors).mul(&wide(&values).unsqueeze(-2)?)?;
        hold("eigh", residual(&symmetric, &product(&scaled, &vectors.mt()), n));
        hold("V of eigh", orthogonality(&vectors, n));
    }
    Ok(())
}

/// How far numbers are off the reference, over n u times the largest.
fn values_off(found: &Tensor, expected: &Tensor, n: usize) -> f64 {
    let difference = wide(found).sub(expected).unwrap();
    let scale = largest(expected);
    if scale == 0.0 { largest(found) } else { largest(&difference) / scale / (n as f64 * unit(found.dtype())) }
}

#[test]
fn hard_matrices_hold_lapacks_measures() {
    let Some((cases, arrays)) = cases() else { return };
    for case in &cases {
        let a64 = arrays.tensor(&format!("{}.a", case.id)).unwrap();
        for dtype in [DType::F64, DType::F32] {
            let a = a64.to_dtype(dtype).unwrap();
            let a = if dtype == DType::F32 && ["huge", "tiny"].contains(&case.name.as_str()) {
                // As near to the ends of the range of f32.
                let scale = if case.name == "huge" { 1e-120 } else { 1e120 };
                a64.mul_scalar(scale).unwrap().to_dtype(dtype).unwrap()
            } else {
                a
            };
            assert_eq!(a.shape(), case.shape);
            check_factors(&a, &case.name).unwrap();
        }
    }
}

#[test]
fn values_of_hard_matrices_are_those_of_60_digits() {
    let Some((cases, arrays)) = cases() else { return };
    let array = |id: &str, name: &str| arrays.tensor(&format!("{id}.{name}")).unwrap();
    for Case { id, name, shape: [m, n], rank, symmetric, .. } in &cases {
        let (a, s) = (array(id, "a"), array(id, "s"));
        let size = *m.max(n);
        assert_eq!(matrix_rank(&a, None).unwrap().item::<i64>().unwrap(), *rank as i64, "{name}");
        for dtype in [DType::F64, DType::F32] {
            let x = a.to_dtype(dtype).unwrap();
            if dtype == DType::F32 && ["huge", "tiny"].contains(&name.as_str()) {
                continue;
            }
            for found in [svd(&x, &SvdOptions::default()).unwrap().s, svdvals(&x).unwrap()] {
                let off = values_off(&found, &s, size);
                assert!(off <= MOST, "{name} in {dtype}: {off}");
            }
            if *symmetric {
                let w = array(id, "w");
                for found in [eigh(&x).unwrap().values, eigvalsh(&x).unwrap()] {
                    let off = values_off(&found, &w, size);
                    assert!(off <= MOST, "{name} in {dtype}: {off}");
                }
            }
        }
    }
}

#[test]
fn cholesky_of_hard_matrices_is_that_of_60_digits() {
    let Some((cases, arrays)) = cases() else { return };
    for case in cases.iter().filter(|case| case.symmetric) {
        let a = arrays.tensor(&format!("{}.a", case.id)).unwrap();
        for dtype in [DType::F64, DType::F32] {
            let x = a.to_dtype(dtype).unwrap();
            let n = case.shape[0];
            // Rounding alone may cost a matrix of this condition its positive definiteness.
            let limit = 1.0 / (MOST * n as f64 * unit(dtype));
            if !case.positive_definite {
                assert_eq!(cholesky(&x).unwrap_err().kind(), ErrorKind::NotPositiveDefinite, "{}", case.name);
                continue;
            }
            let Some(condition) = case.cond.filter(|&cond| cond < limit) else { continue };
            let l = cholesky(&x).unwrap();
            let ratio = residual(&x, &product(&l, &l.mt()), n);
            assert!(ratio <= MOST, "{} in {dtype}: {ratio}", case.name);
            let expected = arrays.tensor(&format!("{}.l", case.id)).unwrap();
            let off = values_off(&l, &expected, n);
            assert!(off <= MOST * condition, "{} in {dtype}: {off}", case.name);
        }
    }
}

#[test]
fn solutions_of_hard_systems_are_within_the_bound_of_their_condition() {
    let Some((cases, arrays)) = cases() else { return };
    let array = |id: &str, name: &str| arrays.tensor(&format!("{id}.{name}"));
    for case in &cases {
        let (Ok(b), Some(condition)) = (array(&case.id, "b"), case.cond) else { continue };
        let (a, expected) = (array(&case.id, "a").unwrap(), array(&case.id, "x").unwrap());
        let [m, n] = case.shape;
        let check = |found: &Tensor, name: &str| {
            let scale = largest(&expected);
            let missed = b.sub(a.matmul(&expected).unwrap()).unwrap();
            // Wedin's bound (1973): the residual enters with the square of the condition.
            let size = largest(&a) * scale;
            let bound = condition + condition * condition * if m == n { 0.0 } else { largest(&missed) / size };
            let off = largest(&wide(found).sub(&expected).unwrap()) / scale;
            let limit = MOST * m as f64 * unit(found.dtype()) * bound;
            assert!(off <= limit, "{name} of {}: {off:e} above {limit:e}", case.name);
        };
        check(&lstsq(&a, &b).unwrap(), "lstsq");
        if m == n {
            check(&solve(&a, &b).unwrap(), "solve");
            check(&inv(&a).unwrap().matmul(&b).unwrap(), "inv");
        }
        if case.positive_definite {
            let l = cholesky(&a).unwrap();
            check(&monotile::linalg::cholesky_solve(&l, &b).unwrap(), "cholesky_solve");
        }
        if condition < 1e6 && !["huge", "tiny"].contains(&case.name.as_str()) {
            let narrow = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
            check(&lstsq(&narrow(&a), &narrow(&b)).unwrap(), "lstsq in f32");
            let inverse = pinv(&a, None).unwrap();
            check(&inverse.matmul(&b).unwrap(), "pinv");
            let found = cond(&a).unwrap().item::<f64>().unwrap();
            assert!((found / condition - 1.0).abs() < MOST * m as f64 * unit(DType::F64) * condition, "{}: {found}", case.name);
        }
    }
}

#[test]
fn determinants_of_known_matrices_are_right() {
    let Some((cases, arrays)) = cases() else { return };
    for case in cases.iter().filter(|case| case.positive_definite) {
        let a = arrays.tensor(&format!("{}.a", case.id)).unwrap();
        let l = arrays.tensor(&format!("{}.l", case.id)).unwrap();
        let expected: f64 = l.diagonal(0, 1).unwrap().to_f64_vec().unwrap().iter().map(|x| 2.0 * x.ln()).sum();
        let found = slogdet(&a).unwrap();
        // d ln det A = tr(A⁻¹ dA): the condition bounds what rounding of A does.
        let limit = MOST * 8.0 * unit(DType::F64) * case.cond.unwrap();
        assert!((found.log_abs.item::<f64>().unwrap() - expected).abs() <= limit, "{}", case.name);
        assert_eq!(found.sign.item::<f64>().unwrap(), 1.0);
        let ratio = det(&a).unwrap().item::<f64>().unwrap() / expected.exp();
        assert!((ratio - 1.0).abs() <= limit, "{}: {ratio}", case.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn factors_of_any_shape_layout_and_precision_give_the_matrix_back(
        (batch, m, n, seed) in (0..3_usize, 0..40_usize, 0..40_usize, any::<u64>()),
        (transposed, single, rank) in (any::<bool>(), any::<bool>(), 0..40_usize),
    ) {
        let mut rng = Rng::new(seed);
        let dtype = if single { DType::F32 } else { DType::F64 };
        let (rows, columns) = if transposed { (n, m) } else { (m, n) };
        let left = rng.normal(&[batch, rows, rank], dtype).unwrap();
        let a = left.matmul(&rng.normal(&[batch, rank, columns], dtype).unwrap()).unwrap();
        let a = if transposed { a.mt() } else { a };
        check_factors(&a, &format!("{batch} x {m} x {n} of rank {rank}, seed {seed}")).unwrap();
    }
}
