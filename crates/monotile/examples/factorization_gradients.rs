//! Gradients through factorizations where textbooks divide by zero: equal singular values, equal eigenvalues, nearly dependent columns.
//!
//! The formula for the gradient of a singular vector divides by differences of values. What a program wants is seldom a single vector: it is a
//! rotation U Vᵀ, a projection on a subspace, a matrix of lower rank. Those are smooth where values are equal, and so are their gradients here.
//! What is not smooth is refused in a sentence.
//!
//! ```text
//! cargo run --release -p monotile --example factorization_gradients
//! ```

use monotile::linalg::{SvdOptions, Truncation, eigh, inv, lstsq, orthogonal, svd, truncated};
use monotile::tape::grad;
use monotile::{DType, Result, Rng, Tensor};

/// The derivative of `f` at `x` along `direction`: by its rule, and by a central difference of fourth order.
fn slopes(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor, direction: &Tensor) -> Result<[f64; 2]> {
    let leaf = x.requires_grad();
    let by_rule = grad(&f(&leaf)?, &[&leaf])?.remove(0).mul(direction)?.sum(&[], false)?.item::<f64>()?;
    let h = 1e-3;
    let at = |t: f64| f(&x.add(direction.mul(t)?)?)?.item::<f64>();
    let difference = (8.0 * (at(h)? - at(-h)?) - (at(2.0 * h)? - at(-2.0 * h)?)) / (12.0 * h);
    Ok([by_rule, difference])
}

fn report(what: &str, [rule, difference]: [f64; 2]) {
    println!("{what:<62} {rule:16.10} {difference:16.10}");
    assert!((rule - difference).abs() < 1e-8 * difference.abs().max(1.0), "{what}");
}

/// A sum of elements with weights, so that every element counts.
fn weighed(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    x.mul(weights)?.sum(&[], false)
}

/// The rotation nearest to a matrix: U diag(1, …, 1, |U Vᵀ|) Vᵀ without the sign, as of points that are aligned.
fn nearest_orthogonal(a: &Tensor) -> Result<Tensor> {
    let found = svd(a, &SvdOptions::default())?;
    found.u.matmul(&found.vt)
}

/// The projection on the eigenvectors of the `k` largest values.
fn projection(a: &Tensor, k: usize) -> Result<Tensor> {
    let vectors = eigh(a)?.vectors.slice(-1, -(k as isize)..)?;
    vectors.matmul(&vectors.mt())
}

fn main() -> Result<()> {
    let mut rng = Rng::new(0);
    let n = 6;
    let weights = rng.normal(&[n, n], DType::F64)?;
    let direction = rng.normal(&[n, n], DType::F64)?;
    let symmetric = direction.add(direction.mt())?.mul(0.5)?;
    println!("{:<62} {:>16} {:>16}", "derivative of", "by rule", "by difference");

    // Every singular value of an orthogonal matrix is 1.
    let q = orthogonal(&[n, n], &mut rng, DType::F64)?;
    report(
        "the nearest orthogonal matrix, all singular values equal",
        slopes(|a| weighed(&nearest_orthogonal(a)?, &weights), &q, &direction)?,
    );
    report("the sum of singular values, all equal", slopes(|a| svd(a, &SvdOptions::default())?.s.sum(&[], false), &q, &direction)?);

    // Two threefold eigenvalues, and a projection that keeps them together.
    let values = Tensor::from(vec![1.0, 1.0, 1.0, 3.0, 3.0, 3.0]);
    let a = q.mul(&values)?.matmul(&q.mt())?;
    report(
        "the projection on three eigenvectors of one eigenvalue",
        slopes(|a| weighed(&projection(a, 3)?, &weights), &a, &symmetric)?,
    );

    // The nearest matrix of rank 3: values are equal on each side of the cut, not across it.
    let nearest = |a: &Tensor| weighed(&truncated(a, Truncation::Rank(3))?.approximation, &weights);
    report("the nearest matrix of rank 3, equal values on each side", slopes(nearest, &a, &direction)?);

    // What depends on which vectors were chosen has no derivative; so has the nearest matrix where the cut divides equal values.
    println!("\nrefused:");
    let refused = |f: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<String> {
        let leaf = a.requires_grad();
        let error = f(&leaf).and_then(|y| grad(&y, &[&leaf])).err();
        Ok(error.expect("it has no derivative").to_string())
    };
    let one_vector = refused(&|a| weighed(&eigh(a)?.vectors.select(-1, 0)?, &weights.select(0, 0)?))?;
    let divided = refused(&|a| weighed(&truncated(a, Truncation::Rank(2))?.approximation, &weights))?;
    println!("  {one_vector}\n  {divided}");
    assert!(one_vector.contains("eigh") && divided.contains("truncated"));

    // Least squares of columns that are nearly dependent: powers of t on an interval far from 0.
    let t = Tensor::linspace(1.0, 1.2, 40, DType::F64)?;
    let powers = (0..5).map(|k| t.powf(f64::from(k))).collect::<Result<Vec<_>>>()?;
    let matrix = Tensor::stack(&powers, 1)?;
    let coefficients = Tensor::from(vec![1.0, -2.0, 3.0, -4.0, 5.0]).unsqueeze(1)?;
    let y = matrix.matmul(&coefficients)?;
    let by_factors = lstsq(&matrix, &y)?;
    let by_normal_equations = inv(&matrix.mt().matmul(&matrix)?)?.matmul(&matrix.mt().matmul(&y)?)?;
    let off = |x: &Tensor| x.sub(&coefficients)?.abs()?.max(&[], false)?.item::<f64>();
    let (factors, normal) = (off(&by_factors)?, off(&by_normal_equations)?);
    println!("\ncoefficients of a polynomial, furthest from the truth:");
    println!("  {factors:8.1e} by least squares\n  {normal:8.1e} by the inverse of AᵀA");
    // The fit is exact, x(y) is linear, and its gradient by y adds up to the coefficients again: Σ ∂x/∂y y = x.
    let leaf = y.requires_grad();
    let pulled = grad(&lstsq(&matrix, &leaf)?.sum(&[], false)?, &[&leaf])?.remove(0);
    let sum = pulled.mul(&y)?.sum(&[], false)?.item::<f64>()?;
    println!("  {:8.1e} by the gradient of their sum, 3, times y", (sum - 3.0).abs());
    assert!(factors < 1e-6 && normal > 100.0 * factors, "orthogonal factors keep twice the digits");
    assert!((sum - 3.0).abs() < 1e-6);
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
