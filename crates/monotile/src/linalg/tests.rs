//! Gradients where values are equal or 0, against central differences of the whole function; and losses that have none.

use super::*;
use crate::tape::{CheckGradientOptions, check_gradient, grad};
use crate::testing::normal;
use crate::{DType, Result, Rng, Tensor};

/// U diag(s) Vᵀ with random orthogonal factors: `rows` × `columns`.
fn with_values(rows: usize, columns: usize, s: &[f64]) -> Tensor {
    let mut rng = Rng::new(rows as u64 * 31 + columns as u64);
    let u = orthogonal(&[rows, s.len()], &mut rng, DType::F64).unwrap();
    let v = orthogonal(&[columns, s.len()], &mut rng, DType::F64).unwrap();
    u.mul(Tensor::from_slice(s, &[s.len()]).unwrap()).unwrap().matmul(&v.mt()).unwrap()
}

/// The diagonal matrix, whose equal values are equal to the last bit.
fn diagonal(values: &[f64]) -> Tensor {
    Tensor::eye(values.len(), DType::F64).unwrap().mul(Tensor::from_slice(values, &[values.len()]).unwrap()).unwrap()
}

/// V diag(λ) Vᵀ
fn symmetric_with(values: &[f64]) -> Tensor {
    let v = orthogonal(&[values.len(), values.len()], &mut Rng::new(5), DType::F64).unwrap();
    v.mul(Tensor::from_slice(values, &[values.len()]).unwrap()).unwrap().matmul(&v.mt()).unwrap()
}

fn check(f: impl Fn(&Tensor) -> Result<Tensor>, a: &Tensor) {
    check_order(f, a, 1);
}

fn check_order(f: impl Fn(&Tensor) -> Result<Tensor>, a: &Tensor, order: usize) {
    let options = CheckGradientOptions { directions: a.len(), order, ..Default::default() };
    check_gradient(|x| Ok(vec![f(&x[0])?]), std::slice::from_ref(a), &options).unwrap();
}

fn refusal(f: impl Fn(&Tensor) -> Result<Tensor>, a: &Tensor) -> String {
    let a = a.requires_grad();
    grad(&f(&a).unwrap(), &[&a]).unwrap_err().to_string()
}

/// U_r g(S_r) V_rᵀ
fn top(a: &Tensor, r: usize, g: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let Svd { u, s, vt } = svd(a, &SvdOptions::default())?;
    u.slice(-1, ..r)?.mul(&g(&s.slice(-1, ..r)?)?.unsqueeze(-2)?)?.matmul(&vt.slice(-2, ..r)?)
}

/// V g(Λ) Vᵀ
fn spectral(a: &Tensor, g: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    // Differences step off the symmetric matrices.
    let Eigh { values, vectors } = eigh(&parts::symmetric(a)?)?;
    vectors.mul(&g(&values)?.unsqueeze(-2)?)?.matmul(&vectors.mt())
}

#[test]
fn the_nuclear_norm_is_right_at_equal_values() {
    let through_svd = |a: &Tensor| svd(a, &SvdOptions::default())?.s.sum(&[], false);
    for a in [
        with_values(4, 4, &[3.0, 3.0, 1.0, 1.0]),
        with_values(5, 3, &[2.0; 3]),
        with_values(3, 5, &[2.0, 1.0, 1.0]),
        diagonal(&[1.0; 3]),
    ] {
        check(through_svd, &a);
        // The second derivative too: it is that of the orthogonal factor.
        check_order(|a| norm(a, MatrixNorm::Nuclear), &a, 2);
    }
}

#[test]
fn projections_are_right_at_equal_values() {
    let left = |r: usize| {
        move |a: &Tensor| {
            let u = svd(a, &SvdOptions::default())?.u.slice(-1, ..r)?;
            u.matmul(&u.mt())
        }
    };
    for a in [with_values(4, 4, &[3.0, 3.0, 1.0, 1.0]), with_values(6, 4, &[3.0, 3.0, 1.0, 1.0]), diagonal(&[3.0, 3.0, 1.0, 1.0])] {
        check(left(2), &a);
    }
    // All columns of a tall matrix: the space that it spans.
    check(left(3), &with_values(5, 3, &[2.0; 3]));
    check(left(3), &with_values(5, 3, &[2.0, 2.0, 0.5]));
    let lower = |a: &Tensor| {
        let v = eigh(&parts::symmetric(a)?)?.vectors.slice(-1, ..2)?;
        v.matmul(&v.mt())
    };
    check(lower, &symmetric_with(&[1.0, 1.0, 2.0, 2.0]));
    check(lower, &diagonal(&[1.0, 1.0, 2.0, 2.0]));
}

#[test]
fn reconstructions_at_a_gap_are_right_at_equal_values() {
    for a in [
        with_values(4, 4, &[3.0, 3.0, 1.0, 1.0]),
        with_values(6, 4, &[3.0, 3.0, 1.0, 1.0]),
        with_values(4, 6, &[3.0, 3.0, 1.0, 0.5]),
        with_values(5, 5, &[3.0, 3.0, 1.0, 1.0, 1.0]),
    ] {
        check(|a| top(a, 2, |s| Ok(s.clone())), &a);
        check(|a| Ok(truncated(a, Truncation::Rank(2))?.approximation), &a);
    }
    // Three equal values, and a decomposition of everything.
    check(|a| top(a, 3, |s| Ok(s.clone())), &with_values(4, 4, &[2.0, 2.0, 2.0, 1.0]));
    check(|a| top(a, 4, |s| Ok(s.clone())), &with_values(4, 4, &[2.0; 4]));
}

#[test]
fn reconstructions_and_projections_are_right_at_zero_values() {
    for a in [
        with_values(4, 4, &[3.0, 2.0]),
        with_values(6, 4, &[2.0, 2.0]),
        with_values(4, 6, &[3.0, 3.0]),
        diagonal(&[3.0, 3.0, 0.0, 0.0]),
    ] {
        check(|a| top(a, 2, |s| Ok(s.clone())), &a);
        check(|a| Ok(truncated(a, Truncation::Rank(2))?.approximation), &a);
        let project = |a: &Tensor| {
            let v = svd(a, &SvdOptions::default())?.vt.slice(-2, ..2)?;
            v.mt().matmul(&v)
        };
        check(project, &a);
    }
    // The space that a matrix leaves free.
    let free = |a: &Tensor| {
        let u = svd(a, &SvdOptions { full: true })?.u.slice(-1, 2..)?;
        u.matmul(&u.mt())
    };
    check(free, &with_values(5, 2, &[3.0, 3.0]));
}

#[test]
fn whitening_and_functions_of_matrices_are_right_at_equal_values() {
    let inverse_root = |s: &Tensor| s.rsqrt();
    for values in [&[2.0, 2.0, 2.0][..], &[1.0, 2.0, 2.0, 5.0], &[3.0, 3.0, 4.0, 4.0]] {
        for a in [symmetric_with(values), diagonal(values)] {
            check(|a| spectral(a, inverse_root), &a);
            check(|a| spectral(a, |s| s.exp()), &a);
            check(|a| spectral(a, |s| Ok(s.clone())), &a);
            check(|a| eigvalsh(&parts::symmetric(a)?)?.exp()?.sum(&[], false), &a);
        }
    }
    // Data with equal variances, made white without turning it: the factor U Vᵀ.
    for a in [with_values(6, 3, &[2.0; 3]), with_values(3, 3, &[2.0, 2.0, 1.0])] {
        check(|x| x.matmul(&spectral(&x.mt().matmul(x)?, inverse_root)?), &a);
        check(|a| top(a, 3, |s| Ok(s.ones_like())), &a);
    }
}

#[test]
fn a_loss_that_depends_on_the_choice_of_vectors_is_refused_with_the_pair() {
    let first = |a: &Tensor| svd(a, &SvdOptions::default())?.u.slice(-1, ..1)?.sum(&[], false);
    assert_eq!(
        refusal(first, &diagonal(&[2.0, 2.0, 1.0])),
        "the gradient of svd: the loss depends on the choice of singular vectors 0 and 1 of the matrix, whose values 2 and 2 are equal"
    );
    let last = |a: &Tensor| eigh(a)?.vectors.slice(-1, 1..2)?.sum(&[], false);
    let batch = Tensor::stack(&[&diagonal(&[1.0, 2.0, 3.0]), &diagonal(&[1.0, 2.0, 2.0])], 0).unwrap();
    assert_eq!(
        refusal(last, &batch),
        "the gradient of eigh: the loss depends on the choice of eigenvectors 1 and 2 of matrix 1 of the batch, whose values 2 and 2 are equal"
    );
}

#[test]
fn a_loss_whose_limit_cannot_be_told_is_refused() {
    let a = with_values(4, 4, &[3.0, 3.0, 1.0, 1.0]);
    let both = |a: &Tensor| {
        let Svd { u, s, vt } = svd(a, &SvdOptions::default())?;
        let weights = normal(&[4, 4]);
        u.mul(&s)?
            .matmul(&vt)?
            .mul(&weights)?
            .sum(&[], false)?
            .add(&u.matmul(&u.mt())?.mul(&weights)?.slice(0, ..2)?.sum(&[], false)?)?
            .add(&s.sum(&[], false)?)
    };
    let words = refusal(both, &a);
    assert!(words.starts_with("the gradient of svd: the loss depends in more than one way on the singular vectors "), "{words}");
    // A decomposition for each of its parts has the gradient.
    let apart = |a: &Tensor| {
        let weights = normal(&[4, 4]);
        let part = top(a, 4, |s| Ok(s.clone()))?.mul(&weights)?.sum(&[], false)?;
        part.add(&norm(a, MatrixNorm::Nuclear)?)
    };
    check(apart, &a);
}

#[test]
fn a_loss_that_depends_on_vectors_of_zero_values_is_refused() {
    let whole = |a: &Tensor| top(a, 3, |s| Ok(s.clone()))?.mul(normal(&[5, 3]))?.sum(&[], false);
    let words = refusal(whole, &with_values(5, 3, &[2.0, 1.0]));
    assert_eq!(words, "the gradient of svd: the loss depends on singular value 2 of the matrix or its vectors, where it is 0");
}

/// Neighbours among many values differ by little in f32, but by far more than rounding: no loss of theirs is refused, and the
/// gradient is that of f64.
#[test]
fn values_that_are_near_are_not_equal() {
    for seed in 0..4 {
        let wide = Rng::new(seed).normal(&[128, 128], DType::F64).unwrap();
        let gradient = |a: &Tensor| {
            let a = a.requires_grad();
            let Svd { u, s, vt } = svd(&a, &SvdOptions::default()).unwrap();
            let loss = u.matmul(&vt).unwrap().sum(&[], false).unwrap().add(s.sum(&[], false).unwrap()).unwrap();
            grad(&loss, &[&a]).unwrap().remove(0).to_f64_vec().unwrap()
        };
        let (exact, got) = (gradient(&wide), gradient(&wide.to_dtype(DType::F32).unwrap()));
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut exact.iter().zip(&got).map(|(x, y)| x - y)) / norm(&mut exact.iter().copied());
        // U Vᵀ turns by the inverse of the smallest sums of two values, some hundredths: a thousand roundings of f32.
        assert!(error < 1e-3, "seed {seed}: off by {error}");
    }
}

/// The gradient of Σ W ∘ f(A), as numbers.
fn gradient(f: impl Fn(&Tensor) -> Result<Tensor>, a: &Tensor) -> Result<Vec<f64>> {
    let a = a.requires_grad();
    let weights = Rng::new(77).normal(&a.shape()[a.rank() - 2..], DType::F64)?.to_dtype(a.dtype())?;
    grad(&f(&a)?.mul(&weights)?.sum(&[], false)?, &[&a])?[0].to_f64_vec()
}

fn furthest(x: &[f64], y: &[f64]) -> f64 {
    let largest = y.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    x.iter().zip(y).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs())) / largest
}

fn sampled(a: &Tensor, rank: usize, options: &SvdLowrankOptions) -> Result<Tensor> {
    let SvdLowrank { u, s, vt, .. } = svd_lowrank(a, rank, options)?;
    u.mul(&s.unsqueeze(-2)?)?.matmul(&vt)
}

fn iterations(power_iterations: usize) -> SvdLowrankOptions {
    SvdLowrankOptions { power_iterations, ..Default::default() }
}

#[test]
fn a_randomized_decomposition_has_the_gradient_of_the_nearest_matrix_at_any_noise_about_a_low_rank() {
    let low = normal(&[40, 3]).matmul(&normal(&[3, 30])).unwrap();
    let noise = Rng::new(8).normal(&[40, 30], DType::F64).unwrap();
    for (level, power, limit) in [
        (0.0, 2, 1e-12),
        (0.0, 1, 1e-12),
        (0.0, 0, 1e-12),
        (1e-13, 2, 1e-11),
        (1e-10, 2, 1e-11),
        (1e-8, 1, 1e-9),
        (1e-10, 0, 1e-7),
        (1e-6, 2, 1e-11),
        (1e-4, 2, 1e-11),
        (1e-3, 2, 1e-10),
        (1e-2, 2, 1e-8),
    ] {
        let a = low.add(noise.mul_scalar(level).unwrap()).unwrap();
        let exact = gradient(|a| Ok(truncated(a, Truncation::Rank(3))?.approximation), &a).unwrap();
        let found = gradient(|a| sampled(a, 3, &iterations(power)), &a).unwrap();
        assert!(furthest(&found, &exact) < limit, "noise {level}, {power} iterations: {:e}", furthest(&found, &exact));
        let narrow = gradient(|a| sampled(a, 3, &iterations(power)), &a.to_dtype(DType::F32).unwrap()).unwrap();
        assert!(furthest(&narrow, &exact) < if power == 2 { 1e-4 } else { 1e-2 }, "noise {level}: {:e}", furthest(&narrow, &exact));
    }
}

#[test]
fn a_randomized_decomposition_is_right_to_second_order_at_low_rank() {
    for a in [with_values(6, 4, &[3.0, 2.0]), with_values(5, 7, &[3.0, 1.0]), with_values(5, 5, &[4.0, 2.0])] {
        for power in [0, 1, 2] {
            check_order(|a| sampled(a, 2, &iterations(power)), &a, 2);
            check_order(|a| svd_lowrank(a, 2, &iterations(power))?.s.exp(), &a, 2);
        }
    }
    // A matrix that is known by products alone.
    let by_products = |x: &Tensor| {
        let a = x.slice(1, ..2)?.matmul(&x.slice(1, 2..)?.mt())?;
        let operator = LinearOperator {
            matmul: &|y| x.slice(1, ..2)?.matmul(&x.slice(1, 2..)?.mt().matmul(y)?),
            matmul_transposed: &|y| x.slice(1, 2..)?.matmul(&x.slice(1, ..2)?.mt().matmul(y)?),
            shape: [a.dim(0), a.dim(1)],
            dtype: a.dtype(),
        };
        let found = svd_lowrank_of_operator(&operator, 2, &iterations(2))?;
        found.u.mul(&found.s.sqrt()?)?.matmul(&found.vt)
    };
    check_order(by_products, &normal(&[9, 4]), 2);
}

#[test]
fn a_batch_of_low_and_of_full_rank_has_both_gradients() {
    let (low, full) = (with_values(12, 10, &[3.0, 2.0]), with_values(12, 10, &[9.0, 6.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]));
    let both = Tensor::stack(&[&low, &full], 0).unwrap();
    let options = SvdLowrankOptions { oversampling: 3, ..iterations(2) };
    let each: Vec<f64> = [&low, &full].iter().flat_map(|a| gradient(|a| sampled(a, 2, &options), a).unwrap()).collect();
    let found = gradient(|a| sampled(a, 2, &options), &both).unwrap();
    assert!(furthest(&found, &each) < 1e-12, "{:e}", furthest(&found, &each));
    assert_eq!(
        gradient(|a| sampled(a, 2, &SvdLowrankOptions { power_iterations: 0, ..options }), &both).unwrap_err().to_string(),
        "svd_lowrank: a gradient of matrices of low rank beside others in one batch needs power_iterations of 1 or more"
    );
}

#[test]
fn a_loss_that_depends_on_values_of_zero_is_refused_by_a_randomized_decomposition() {
    let a = with_values(9, 7, &[2.0, 1.0]);
    let words = gradient(|a| sampled(a, 3, &iterations(2)), &a).unwrap_err().to_string();
    assert_eq!(words, "the gradient of svd: the loss depends on singular value 2 of the matrix or its vectors, where it is 0");
    // What it does not depend on does no harm.
    let two = |a: &Tensor| {
        let SvdLowrank { u, s, vt, .. } = svd_lowrank(a, 4, &iterations(2))?;
        u.slice(-1, ..2)?.mul(&s.slice(-1, ..2)?)?.matmul(&vt.slice(-2, ..2)?)
    };
    let exact = gradient(|a| Ok(truncated(a, Truncation::Rank(2))?.approximation), &a).unwrap();
    assert!(furthest(&gradient(two, &a).unwrap(), &exact) < 1e-12);
}

#[test]
fn products_of_booleans_are_refused_in_the_name_of_the_call() {
    let (a, b) = (Tensor::from([[true]]), Tensor::from([[1.0]]));
    let words = [
        ("matmul", a.matmul(&b).err()),
        ("outer", super::outer(&a.select(0, 0).unwrap(), &b.select(0, 0).unwrap()).err()),
        ("kron", super::kron(&a, &b).err()),
        ("tensordot", super::tensordot(&a, &b, [&[0], &[0]]).err()),
    ];
    for (op, error) in words {
        let expected = format!("{op}: takes floating-point numbers, got bool and f64; cast with to_dtype");
        assert_eq!(error.unwrap().to_string(), expected);
    }
    assert_eq!(
        super::normalize(&a, 2.0, -1).err().unwrap().to_string(),
        "normalize: takes floating-point numbers, got bool; cast with to_dtype"
    );
}
