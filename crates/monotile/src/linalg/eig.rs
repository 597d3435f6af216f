//! A V = V Λ for any square A

use super::degenerate::{replaced, scales};
use super::parts::{matrix_name, repeated};
use super::schur::not_converged;
use super::solve::solve;
use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Complex numbers by their real and their imaginary parts, of one shape.
#[derive(Clone)]
pub struct ComplexTensor {
    /// The real parts.
    pub re: Tensor,
    /// The imaginary parts.
    pub im: Tensor,
}

/// The decomposition A V = V Λ.
#[derive(Clone)]
pub struct Eig {
    /// λ, `(…, n)`; of a pair the one above the real axis first, and its conjugate beside it.
    pub values: ComplexTensor,
    /// Eigenvectors of length 1 as columns, `(…, n, n)`.
    pub vectors: ComplexTensor,
}

/// Decomposes any square matrices as A V = V Λ with Λ diagonal; V and Λ are complex.
///
/// Shapes: `a` is `(…, n, n)`; the values are `(…, n)`, as they stand in the [`schur`](super::schur) form, and column i of V is the vector of
/// value i. Vectors have length 1, and their largest element is real. A defective matrix has vectors that depend on each other.
///
/// # Gradient
/// Ā = Re V⁻ᴴ (Λ̄ + M) Vᴴ, where M is Vᴴ V̄ less what changes lengths, over the conjugates of λⱼ − λᵢ. It is defined where all values
/// are distinct, and refused where two are equal up to rounding, naming them. A loss that depends on the phase of a complex vector is refused too.
///
/// # Errors
/// If the matrices are not square; `NotConverged`, naming the matrix.
///
/// # Cost
/// About 30 n³ operations a matrix. [`eigh`](super::eigh) is faster and more accurate where A is symmetric.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, chapter 7; balancing: James, Langou and Lowery (2014); gradient: Boeddeker et al. (2017),
/// arXiv 1701.00392.
///
/// # Example
/// A quarter turn has the values ±i:
/// ```
/// use monotile::{Tensor, linalg::eig};
/// let found = eig(&Tensor::from_rows(&[[0.0_f64, -1.0], [1.0, 0.0]])?)?;
/// assert_eq!(found.values.re.to_vec::<f64>()?, [0.0, 0.0]);
/// assert_eq!(found.values.im.to_vec::<f64>()?, [1.0, -1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn eig(a: &Tensor) -> Result<Eig> {
    let a = a.to_compute_dtype("eig")?;
    check::square("eig", &a)?;
    let found = door::factor::eig("eig", &a, true, not_converged("eig", &a)).placed()?;
    Ok(Eig::of(Tensor::record_all(found.into(), &[&a], EigGradient)))
}

/// The eigenvalues of any square matrices, of a pair the one above the real axis first.
///
/// Shapes: `a` is `(…, n, n)`, both parts of the result `(…, n)`.
///
/// # Gradient
/// Re V⁻ᴴ Λ̄ Vᴴ; refused where two values are equal up to rounding, naming them.
///
/// # Errors
/// As [`eig`].
///
/// # Cost
/// About 10 n³ operations a matrix; those of [`eig`] where a gradient is wanted.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::eigvals};
/// let found = eigvals(&Tensor::from_rows(&[[2.0_f64, 7.0], [0.0, 3.0]])?)?;
/// assert_eq!(found.re.to_vec::<f64>()?, [2.0, 3.0]);
/// assert_eq!(found.im.to_vec::<f64>()?, [0.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn eigvals(a: &Tensor) -> Result<ComplexTensor> {
    let a = a.to_compute_dtype("eigvals")?;
    check::square("eigvals", &a)?;
    let [re, im, x, y] = door::factor::eig("eigvals", &a, a.is_recorded(), not_converged("eigvals", &a)).placed()?;
    let vectors = ComplexTensor { re: x, im: y };
    let mut parts = Tensor::record_all(vec![re, im], &[&a], Values { vectors }).into_iter();
    Ok(ComplexTensor::next(&mut parts))
}

impl ComplexTensor {
    fn next(parts: &mut impl Iterator<Item = Tensor>) -> Self {
        let mut next = || parts.next().unwrap_or_else(|| unreachable!("as many tensors are recorded as were given"));
        Self { re: next(), im: next() }
    }

    /// The product of matrices, of this conjugated and transposed with another.
    #[track_caller]
    fn conjugate_times(&self, other: &Self) -> Result<Self> {
        let (re, im) = (self.re.mt(), self.im.mt());
        Ok(Self { re: re.matmul(&other.re)?.add(&im.matmul(&other.im)?)?, im: re.matmul(&other.im)?.sub(&im.matmul(&other.re)?)? })
    }

    /// The product with the conjugated transpose of another.
    #[track_caller]
    fn times_conjugate(&self, other: &Self) -> Result<Self> {
        let (re, im) = (other.re.mt(), other.im.mt());
        Ok(Self { re: self.re.matmul(&re)?.add(&self.im.matmul(&im)?)?, im: self.im.matmul(&re)?.sub(&self.re.matmul(&im)?)? })
    }

    /// Both parts, each zeros where it is absent.
    fn present(re: Option<&Tensor>, im: Option<&Tensor>, like: &Tensor) -> Self {
        let present = |x: Option<&Tensor>| x.map_or_else(|| like.zeros_like(), Tensor::clone);
        Self { re: present(re), im: present(im) }
    }
}

impl Eig {
    fn of(parts: Vec<Tensor>) -> Self {
        let mut parts = parts.into_iter();
        Self { values: ComplexTensor::next(&mut parts), vectors: ComplexTensor::next(&mut parts) }
    }
}

/// Which columns belong together.
struct Pairs {
    /// For each column its own place, or that of its conjugate, as i64.
    partner: Tensor,
    /// Whether a column is the second of its pair.
    second: Tensor,
}

impl Pairs {
    /// Of values `(…, n)`.
    ///
    /// # Errors
    /// If two values are equal up to rounding: `op` has no gradient there.
    #[track_caller]
    fn new(op: &str, values: &ComplexTensor) -> Result<Self> {
        let (re, im) = (values.re.to_f64_vec()?, values.im.to_f64_vec()?);
        let n = values.re.dim(-1);
        let epsilon = values.re.dtype().epsilon();
        let (mut partner, mut second) = (repeated(re.len(), 0_i64)?, repeated(re.len(), false)?);
        for at in 0..re.len() {
            let (matrix, j) = (at / n, at % n);
            second[at] = im[at] < 0.0;
            partner[at] = (if im[at] > 0.0 { j + 1 } else { j - usize::from(second[at]) }) as i64;
            let (re, im) = (&re[matrix * n..][..n], &im[matrix * n..][..n]);
            let most = re.iter().chain(im).fold(0.0, |m: f64, x| m.max(x.abs()));
            let unresolved = 8.0 * (n as f64).sqrt() * epsilon * most;
            let length = |i: usize| re[i].hypot(im[i]);
            let equal =
                |i: usize| (re[i] - re[j]).hypot(im[i] - im[j]) <= unresolved.max(epsilon.sqrt() * length(i).max(length(j)));
            if let Some(i) = (0..j).find(|&i| equal(i)) {
                let which = one_of(&values.re, matrix);
                let why = format!(
                    "the gradient of {op}: values {i} and {j} of {which} are equal up to rounding, {} and {}",
                    Text(re[i], im[i]),
                    Text(re[j], im[j])
                );
                return Err(Error::value(why));
            }
        }
        Ok(Self { partner: Tensor::from_vec(partner, values.re.shape())?, second: Tensor::from_vec(second, values.re.shape())? })
    }

    /// Re V⁻ᴴ M Vᴴ without complex numbers: V = W P of the real matrix W, which holds the real and imaginary parts of a pair in its two columns, and
    /// P with the blocks [[1, 1], [i, −i]], whose inverses are Pᴴ / 2.
    #[track_caller]
    fn sandwich(&self, op: &str, v: &ComplexTensor, m: &ComplexTensor) -> Result<Tensor> {
        let w = self.second.unsqueeze(-2)?.where_(&v.im.neg()?, &v.re)?;
        let y = m.times_conjugate(v)?;
        let rows = self.partner.unsqueeze(-1)?.expand(y.re.shape())?;
        let (re, im) = (y.re.add(&y.re.gather(-2, &rows)?)?, y.im.sub(&y.im.gather(-2, &rows)?)?);
        let real = self.second.unsqueeze(-1)?.where_(&im, &re)?.mul_scalar(0.5)?;
        solve(&w.mt(), &real).map_err(|_| Error::value(format!("the gradient of {op}: the vectors depend on each other")))
    }
}

/// How an error names a matrix of the batch that `values` has the values of.
fn one_of(values: &Tensor, matrix: usize) -> String {
    if values.rank() == 1 { "the matrix".into() } else { format!("matrix {matrix} of the batch") }
}

/// A complex number as a sentence shows it.
struct Text(f64, f64);

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(re, im) = self;
        if *im == 0.0 { write!(f, "{re}") } else { write!(f, "{re}{im:+}i") }
    }
}

/// The matrices with these numbers, `(…, n)`, on their diagonals.
#[track_caller]
fn diagonal(numbers: &Tensor) -> Result<Tensor> {
    numbers.unsqueeze(-1)?.mul(&Tensor::eye(numbers.dim(-1), numbers.dtype())?)
}

struct Values {
    vectors: ComplexTensor,
}

impl Gradient for Values {
    fn name(&self) -> &'static str {
        "eigvals"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let values = ComplexTensor { re: saved.constant_output(0), im: saved.constant_output(1) };
        if values.re.is_empty() {
            return Ok(vec![None]);
        }
        let pairs = Pairs::new("eigvals", &values)?;
        let vectors = if saved.is_recorded() { eig(&saved.input(0))?.vectors } else { self.vectors.clone() };
        let bar = ComplexTensor::present(cotangents[0].as_ref(), cotangents[1].as_ref(), &values.re);
        let m = ComplexTensor { re: diagonal(&bar.re)?, im: diagonal(&bar.im)? };
        Ok(vec![Some(pairs.sandwich("eigvals", &vectors, &m)?)])
    }
}

struct EigGradient;

impl Gradient for EigGradient {
    fn name(&self) -> &'static str {
        "eig"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // dV = V C with Cᵢⱼ = (V⁻¹ dA V)ᵢⱼ / (λⱼ − λᵢ), and Cⱼⱼ such that lengths stay 1. Hence, with G = Vᴴ V̄,
    // Ā = Re V⁻ᴴ M Vᴴ,  Mᵢⱼ = (G − Vᴴ V diag(Re G))ᵢⱼ / (λⱼ − λᵢ)*,  Mⱼⱼ = λ̄ⱼ
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let [re, im, x, y] = [0, 1, 2, 3].map(|k| saved.output(k));
        if re.is_empty() {
            return Ok(vec![None]);
        }
        let (values, v) = (ComplexTensor { re, im }, ComplexTensor { re: x, im: y });
        let pairs = Pairs::new("eig", &values)?;
        let bar = ComplexTensor::present(cotangents[0].as_ref(), cotangents[1].as_ref(), &values.re);
        let mut m = ComplexTensor { re: diagonal(&bar.re)?, im: diagonal(&bar.im)? };
        if cotangents[2].is_some() || cotangents[3].is_some() {
            let v_bar = ComplexTensor::present(cotangents[2].as_ref(), cotangents[3].as_ref(), &v.re);
            let g = v.conjugate_times(&v_bar)?;
            refuse_phase(&pairs, &g, &v_bar)?;
            let own = quotients(&values, &v, &g)?;
            m = ComplexTensor { re: m.re.add(&own.re)?, im: m.im.add(&own.im)? };
        }
        Ok(vec![Some(pairs.sandwich("eig", &v, &m)?)])
    }
}

/// What M is off its diagonal, and 0 on it.
#[track_caller]
fn quotients(values: &ComplexTensor, v: &ComplexTensor, g: &ComplexTensor) -> Result<ComplexTensor> {
    let gram = v.conjugate_times(v)?;
    let stretch = g.re.diagonal(-2, -1)?.unsqueeze(-2)?;
    let (a, b) = (g.re.sub(&gram.re.mul(&stretch)?)?, g.im.sub(&gram.im.mul(&stretch)?)?);
    let n = g.re.dim(-1);
    let on = Tensor::eye(n, g.re.dtype())?.ne(Tensor::scalar_as(0.0, g.re.dtype()))?;
    let difference = |x: &Tensor| x.unsqueeze(-2)?.sub(&x.unsqueeze(-1)?);
    let (p, q) = (replaced(&difference(&values.re)?, &on, 1.0)?, difference(&values.im)?);
    // (a + i b) / (p − i q)
    let square = p.square()?.add(&q.square()?)?;
    let re = a.mul(&p)?.sub(&b.mul(&q)?)?.div(&square)?;
    let im = a.mul(&q)?.add(&b.mul(&p)?)?.div(&square)?;
    Ok(ComplexTensor { re: replaced(&re, &on, 0.0)?, im: replaced(&im, &on, 0.0)? })
}

/// Refuses a cotangent of vectors by which the loss changes where a pair is multiplied by opposite phases.
#[track_caller]
fn refuse_phase(pairs: &Pairs, g: &ComplexTensor, v_bar: &ComplexTensor) -> Result<()> {
    let n = g.im.dim(-1);
    let turns = g.im.diagonal(-2, -1)?.to_f64_vec()?;
    let partner = pairs.partner.to_vec::<i64>()?;
    let (re, im) = (scales(&v_bar.re)?, scales(&v_bar.im)?);
    let vanishing = 100.0 * g.im.dtype().epsilon().sqrt();
    let turned = |&at: &usize| {
        let other = at / n * n + partner[at] as usize;
        other > at && (turns[at] - turns[other]).abs() > vanishing * re[at / n].max(im[at / n])
    };
    (0..turns.len()).find(turned).map_or(Ok(()), |at| {
        let which = matrix_name(&g.im, at / n);
        Err(Error::value(format!("the gradient of eig: the loss depends on the phase of vector {} of {which}", at % n)))
    })
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct};
    // Phases and signs are a choice: what follows does not see them. Values about 4, 8, … stay apart, and skewed parts make pairs of some.
    let mixed = |x: &Tensor| -> Result<Tensor> {
        let n = x.dim(-1);
        let turn = super::parts::constant(n, n, x.dtype(), |i, j| match (i / 2 == j / 2, i < j, i > j) {
            (true, true, _) if i % 4 == 0 => 6.0,
            (true, _, true) if j % 4 == 0 => -6.0,
            _ => 0.0,
        })?;
        distinct(x)?.add(&turn)
    };
    let product = |a: [&Tensor; 2], b: [&Tensor; 2]| -> Result<Tensor> { a[0].mul(b[0])?.add(&a[1].mul(b[1])?) };
    vec![
        Spec::new("eig", move |x| {
            let Eig { values, vectors: v } = eig(&mixed(&x[0])?)?;
            Ok(vec![values.re, values.im, product([&v.re, &v.im], [&v.re, &v.im])?])
        })
        .sample("matrix", vec![normal(&[5, 5])])
        .sample("batch", vec![normal(&[2, 3, 3, 3])])
        .sample("one by one", vec![normal(&[1, 1])])
        .sample("no rows", vec![normal(&[2, 0, 0])])
        .property("the traces", move |x, y| {
            let trace = mixed(&x[0])?.diagonal(-2, -1)?.sum(&[-1], false)?;
            distance(&trace, &y[0].sum(&[-1], false)?)
        })
        .orders(2),
        Spec::new("eig", |x| Ok(vec![eig(&x[0])?.values.re, eigvals(&x[0])?.im]))
            .refuses(vec![normal(&[2, 3])], "eig: needs square matrices, got shape [2, 3]"),
        Spec::new("eigvals", |x| Ok(vec![eigvals(&x[0])?.re]))
            .refuses(vec![normal(&[3])], "eigvals: needs at least 2 dimensions, got shape [3]"),
        // Re V diag(g) Vᴴ of functions g of the values.
        Spec::new("eig", move |x| {
            let Eig { values, vectors: v } = eig(&mixed(&x[0])?)?;
            let (p, q) = (values.re.unsqueeze(-2)?, values.im.square()?.unsqueeze(-2)?);
            let re = v.re.mul(&p)?.matmul(&v.re.mt())?.add(&v.im.mul(&p)?.matmul(&v.im.mt())?)?;
            Ok(vec![re, v.re.mul(&q)?.matmul(&v.re.mt())?.add(&v.im.mul(&q)?.matmul(&v.im.mt())?)?])
        })
        .sample("matrix", vec![normal(&[4, 4])])
        .orders(2),
        Spec::new("eigvals", move |x| {
            let ComplexTensor { re, im } = eigvals(&mixed(&x[0])?)?;
            Ok(vec![re, im])
        })
        .sample("batch", vec![normal(&[2, 4, 4])])
        .sample("larger", vec![normal(&[9, 9])])
        .sample("no rows", vec![normal(&[0, 0])])
        .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: eig, eigvals);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn values_and_vectors_are_those_of_numpy() {
        // np.linalg.eig(np.array([[4, 1, -2, .5], [.3, 3, 1, -1], [1.5, -.7, 5, 2], [-1, 2, .25, 6.]]))
        let a = [[4.0, 1.0, -2.0, 0.5], [0.3, 3.0, 1.0, -1.0], [1.5, -0.7, 5.0, 2.0], [-1.0, 2.0, 0.25, 6.0]];
        let Eig { values, vectors } = eig(&Tensor::from_rows(&a).unwrap()).unwrap();
        let mut found: Vec<_> = values.re.to_f64_vec().unwrap().into_iter().zip(values.im.to_f64_vec().unwrap()).collect();
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        for ((re, im), (r, i)) in found.iter().zip(VALUES) {
            assert!((re - r).abs() < 1e-13 && (im - i).abs() < 1e-13, "{found:?}");
        }
        let squares = vectors.re.square().unwrap().add(vectors.im.square().unwrap()).unwrap().sum(&[-2], false).unwrap();
        assert!(squares.to_f64_vec().unwrap().iter().all(|x| (x - 1.0).abs() < 1e-14));
    }

    const VALUES: [(f64, f64); 4] = [
        (3.653350311441705, -2.4008504144580725),
        (3.653350311441705, 2.4008504144580725),
        (4.1506349217883525, 0.0),
        (6.542664455328241, 0.0),
    ];

    #[test]
    fn gradients_at_equal_values_and_by_phases_are_refused() {
        let a = Tensor::from_rows(&[[2.0, 1.0], [0.0, 2.0]]).unwrap().requires_grad();
        let error = grad(&eigvals(&a).unwrap().re.sum(&[], false).unwrap(), &[&a]).unwrap_err();
        assert_eq!(error.to_string(), "the gradient of eigvals: values 0 and 1 of the matrix are equal up to rounding, 2 and 2");
        let turn = Tensor::from_rows(&[[1.0, -2.0], [3.0, 1.5]]).unwrap().requires_grad();
        let first = eig(&turn).unwrap().vectors.im.slice(-1, ..1).unwrap();
        let error = grad(&first.sum(&[], false).unwrap(), &[&turn]).unwrap_err();
        assert_eq!(error.to_string(), "the gradient of eig: the loss depends on the phase of vector 0 of the matrix");
    }
}
