//! One low-rank change of a weight, and what can be told of it without forming it.

use monotile::linalg::{MatrixNorm, QrOptions, Svd, SvdOptions, norm, qr, svd};
use monotile::{DType, Result, Tensor};

/// ΔW = scaling · B · A of one layer.
#[derive(Clone)]
pub struct LowRankFactors {
    /// A, `(rank, columns)`.
    pub a: Tensor,
    /// B, `(rows, rank)`.
    pub b: Tensor,
    /// What B · A is multiplied by.
    pub scaling: f64,
}

impl LowRankFactors {
    /// The change of these factors.
    pub fn new(a: Tensor, b: Tensor, scaling: f64) -> Self {
        Self { a, b, scaling }
    }

    /// Rows of A and columns of B.
    pub fn rank(&self) -> usize {
        self.a.dim(0)
    }

    /// Rows and columns of ΔW.
    pub fn shape(&self) -> [usize; 2] {
        [self.b.dim(0), self.a.dim(1)]
    }

    /// How many numbers A and B hold.
    pub fn parameters(&self) -> usize {
        self.a.len() + self.b.len()
    }

    /// W + scaling · B A, in f32.
    ///
    /// # Errors
    /// `Shape`, if W has other sizes.
    pub fn merge_into(&self, weight: &Tensor) -> Result<Tensor> {
        weight.add(&self.b.matmul(&self.a)?.mul_scalar(self.scaling)?)
    }

    /// The sum Σ wᵢ ΔWᵢ as one pair, whose rank is the sum of the ranks: \[w₁s₁B₁ w₂s₂B₂ …\] · \[A₁; A₂; …\], in f64.
    ///
    /// # Errors
    /// `Shape`, if the changes have different sizes; `Value`, if there are none.
    pub fn sum(terms: &[(&LowRankFactors, f64)]) -> Result<Self> {
        let scaled = |(pair, weight): &(&LowRankFactors, f64)| pair.b.to_dtype(DType::F64)?.mul_scalar(pair.scaling * weight);
        let wide = |(pair, _): &(&LowRankFactors, f64)| pair.a.to_dtype(DType::F64);
        let left: Vec<Tensor> = terms.iter().map(scaled).collect::<Result<_>>()?;
        let right: Vec<Tensor> = terms.iter().map(wide).collect::<Result<_>>()?;
        let b = Tensor::cat(&left.iter().collect::<Vec<_>>(), 1)?;
        let a = Tensor::cat(&right.iter().collect::<Vec<_>>(), 0)?;
        Ok(Self::new(a, b, 1.0))
    }

    /// ‖ΔW‖, Frobenius' norm, from the factors.
    ///
    /// # Errors
    /// As [`LowRankFactors::svd`].
    pub fn norm(&self) -> Result<f64> {
        let factors = self.factors()?;
        norm(&factors.core, MatrixNorm::Frobenius)?.item()
    }

    /// ⟨ΔW, ΔW'⟩ = s s' Σ (Bᵀ B') ∘ (A A'ᵀ), in f64.
    ///
    /// # Errors
    /// `Shape`, if the changes have different sizes.
    pub fn dot(&self, other: &LowRankFactors) -> Result<f64> {
        let wide = |t: &Tensor| t.detach().to_dtype(DType::F64);
        let left = wide(&self.b)?.mt().matmul(&wide(&other.b)?)?;
        let right = wide(&self.a)?.matmul(&wide(&other.a)?.mt())?;
        Ok(self.scaling * other.scaling * left.mul(&right)?.to_f64_vec()?.iter().sum::<f64>())
    }

    /// ΔW = U S Vᵀ with as many singular values as the rank, in f64, from the factors: B = Q R and Aᵀ = P T give ΔW = Q (s R Tᵀ) Pᵀ, and
    /// the matrix in the middle is small.
    ///
    /// # Errors
    /// `NotConverged`, if the factors hold NaN.
    ///
    /// # Cost
    /// About 6 (m + n) r² + 22 r³ operations, where forming ΔW and decomposing it takes 2 m n r + 26 m n min(m, n).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// use monotile_adapters::LowRankFactors;
    /// let (a, b) = (Tensor::from_rows(&[[3.0_f64, 0.0, 4.0]])?, Tensor::from_rows(&[[0.0_f64], [2.0]])?);
    /// let s = LowRankFactors::new(a, b, 0.5).svd()?.s.item::<f64>()?;
    /// assert!((s - 5.0).abs() < 1e-14);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn svd(&self) -> Result<Svd> {
        let QrFactors { q, p, core } = self.factors()?;
        let small = svd(&core, &SvdOptions::default())?;
        Ok(Svd { u: q.matmul(&small.u)?, s: small.s, vt: small.vt.matmul(&p.mt())? })
    }

    fn factors(&self) -> Result<QrFactors> {
        let wide = |t: &Tensor| t.detach().to_dtype(DType::F64);
        let left = qr(&wide(&self.b)?, &QrOptions::default())?;
        let right = qr(&wide(&self.a)?.mt(), &QrOptions::default())?;
        let core = left.r.matmul(&right.r.mt())?.mul_scalar(self.scaling)?;
        Ok(QrFactors { q: left.q, p: right.q, core })
    }

    /// The nearest change of this rank, with scaling 1 and the root of each singular value on both sides: B = U √S, A = √S Vᵀ.
    ///
    /// # Errors
    /// `Shape`, if the decomposition has fewer values.
    pub fn from_svd(found: &Svd, rank: usize) -> Result<Self> {
        let root = found.s.slice(-1, ..rank)?.sqrt()?;
        let b = found.u.slice(-1, ..rank)?.mul(&root)?;
        let a = found.vt.slice(-2, ..rank)?.mul(&root.unsqueeze(-1)?)?;
        Ok(Self::new(a, b, 1.0))
    }
}

/// ΔW = Q · core · Pᵀ.
struct QrFactors {
    q: Tensor,
    p: Tensor,
    core: Tensor,
}

#[cfg(test)]
mod tests {
    use monotile::Rng;

    use super::*;

    fn random(rows: usize, columns: usize, rank: usize, seed: u64) -> LowRankFactors {
        let mut rng = Rng::new(seed);
        let mut normal = |shape: [usize; 2]| rng.normal(&shape, DType::F64).unwrap();
        LowRankFactors::new(normal([rank, columns]), normal([rows, rank]), 0.7)
    }

    fn dense(pair: &LowRankFactors) -> Tensor {
        pair.b.matmul(&pair.a).unwrap().mul_scalar(pair.scaling).unwrap()
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        let length = |t: &Tensor| t.to_f64_vec().unwrap().iter().map(|x| x * x).sum::<f64>().sqrt();
        length(&a.sub(b).unwrap()) / length(b)
    }

    #[test]
    fn the_decomposition_of_the_factors_is_that_of_the_product() {
        // The last one has more columns in B than rows, as sums of adapters may.
        for (rows, columns, rank) in [(40, 30, 5), (7, 60, 7), (6, 9, 8)] {
            let pair = random(rows, columns, rank, 3);
            let found = pair.svd().unwrap();
            let kept = LowRankFactors::from_svd(&found, found.s.len()).unwrap();
            assert!(off(&dense(&kept), &dense(&pair)) < 1e-13, "{rows} by {columns}");
            let direct = svd(&dense(&pair), &SvdOptions::default()).unwrap().s.to_f64_vec().unwrap();
            for (one, other) in found.s.to_f64_vec().unwrap().iter().zip(direct) {
                assert!((one - other).abs() < 1e-12 * found.s.to_f64_vec().unwrap()[0]);
            }
            let norm: f64 = found.s.to_f64_vec().unwrap().iter().map(|s| s * s).sum::<f64>().sqrt();
            assert!((pair.norm().unwrap() / norm - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn what_is_cut_off_is_the_rest_of_the_spectrum() {
        let pair = random(20, 30, 6, 4);
        let found = pair.svd().unwrap();
        let kept = LowRankFactors::from_svd(&found, 2).unwrap();
        let rest = LowRankFactors::sum(&[(&pair, 1.0), (&kept, -1.0)]).unwrap().norm().unwrap();
        let wanted: f64 = found.s.to_f64_vec().unwrap()[2..].iter().map(|s| s * s).sum::<f64>().sqrt();
        assert!((rest / wanted - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_sum_weighs_its_terms_and_vanishes_where_they_cancel() {
        let (one, other) = (random(9, 8, 2, 5), random(9, 8, 3, 6));
        let sum = LowRankFactors::sum(&[(&one, 0.25), (&other, -2.0)]).unwrap();
        let wanted = dense(&one).mul_scalar(0.25).unwrap().sub(dense(&other).mul_scalar(2.0).unwrap()).unwrap();
        assert!(sum.rank() == 5 && off(&dense(&sum), &wanted) < 1e-14);
        let nothing = LowRankFactors::sum(&[(&one, 1.0), (&one, -1.0)]).unwrap().norm().unwrap();
        assert!(nothing < 1e-14 * one.norm().unwrap());
        assert!(LowRankFactors::sum(&[(&one, 1.0), (&random(9, 7, 2, 5), 1.0)]).is_err());
    }
}
