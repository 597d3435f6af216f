//! The gamma distribution and Student's t.

use monotile_kernels::number::Dual;

use super::distributions::{Normal, beside};
use super::gamma_draw::standard;
use super::parts::{check_above_zero, check_real, least, parameters};
use crate::check;
use crate::error::{Placed, Result};
use crate::ops::map::{Formula, Number, named};
use crate::random::Rng;
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// Gamma distributions of concentration α and rate β: densities βᵅ xᵅ⁻¹ e^(−βx) / Γ(α) over positive x.
///
/// # Source
/// Marsaglia and Tsang (2000), A simple method for generating gamma variables, for the draws.
///
/// # Example
/// ```
/// use monotile::stats::Gamma;
/// // With α = 1 it is the exponential distribution.
/// let waiting = Gamma::new(1.0, 2.0)?;
/// let found = waiting.log_prob(3.0)?.item::<f64>()?;
/// assert!((found - (2.0_f64.ln() - 6.0)).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Gamma {
    concentration: Tensor,
    rate: Tensor,
}

impl Gamma {
    /// Of concentrations α and rates β, numbers or tensors whose shapes broadcast.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or a concentration or rate is not above 0; for integers.
    #[track_caller]
    pub fn new(concentration: impl TensorOrNumber, rate: impl TensorOrNumber) -> Result<Self> {
        Self::of([concentration.value(), rate.value()])
    }

    #[track_caller]
    fn of(parameters: [OperandValue<'_>; 2]) -> Result<Self> {
        let [concentration, rate] = self::parameters("Gamma", parameters)?;
        let shape = check::broadcast("Gamma", concentration.shape(), rate.shape())?;
        check_above_zero("Gamma", "a concentration", &concentration)?;
        check_above_zero("Gamma", "a rate", &rate)?;
        Ok(Self { concentration: concentration.expand(&shape)?, rate: rate.expand(&shape)? })
    }

    /// α / β
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn mean(&self) -> Result<Tensor> {
        self.concentration.div(&self.rate)
    }

    /// Draws `count` numbers of each, `(count, …)`: a draw of rate 1 over β, with gradients by α and β.
    ///
    /// Draws are made on the host, one at a time, by rejection. Their gradient by α is implicit, that of a draw whose place among all draws
    /// stays (Figurnov, Mohamed and Mnih 2018, arXiv 1805.08498); it has no second derivative by α.
    ///
    /// # Errors
    /// If there is no memory for them.
    #[doc(alias = "rsample")]
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        standard(&self.concentration, count, rng)?.div(&self.rate)
    }

    /// ln p(x) = α ln β + (α − 1) ln x − β x − ln Γ(α), in which 0 ln 0 = 0 ln ∞ = 0.
    ///
    /// # Errors
    /// If the shapes do not broadcast; for integers.
    #[track_caller]
    pub fn log_prob(&self, x: impl TensorOrNumber) -> Result<Tensor> {
        let x = &*beside("log_prob", &x.value(), &self.concentration)?;
        let (a, b) = (&self.concentration, &self.rate);
        let power = a.add_scalar(-1.0)?.mul(&x.ln()?)?;
        let ends = x.eq(0.0)?.or(&x.eq(f64::INFINITY)?)?;
        let power = a.eq(1.0)?.and(&ends)?.where_(0.0, &power)?;
        a.mul(&b.ln()?)?.add(&power)?.sub(&b.mul(x)?)?.sub(&a.lgamma()?)
    }

    /// −E ln p = α − ln β + ln Γ(α) + (1 − α) ψ(α)
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn entropy(&self) -> Result<Tensor> {
        let (a, b) = (&self.concentration, &self.rate);
        let slope = a.neg()?.add_scalar(1.0)?.mul(&a.digamma()?)?;
        a.sub(&b.ln()?)?.add(&a.lgamma()?)?.add(&slope)
    }

    /// KL(p ‖ q) = (α_p − α_q) ψ(α_p) − ln Γ(α_p) + ln Γ(α_q) + α_q ln β_p/β_q + α_p (β_q − β_p) / β_p
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn kl_divergence(&self, other: &Self) -> Result<Tensor> {
        let (a, b, c, d) = (&self.concentration, &self.rate, &other.concentration, &other.rate);
        let shapes = a.sub(c)?.mul(&a.digamma()?)?.sub(&a.lgamma()?)?.add(&c.lgamma()?)?;
        let rates = c.mul(&b.ln()?.sub(&d.ln()?)?)?.add(&a.mul(&d.sub(b)?.div(b)?)?)?;
        shapes.add(&rates)
    }
}

/// Student's t distributions of ν degrees of freedom about μ, of scale σ: tails that fall as |x|^(−ν − 1).
///
/// # Source
/// Bishop (2006), Pattern Recognition and Machine Learning, section 2.3.7.
///
/// # Example
/// ```
/// use monotile::stats::StudentT;
/// // With one degree of freedom it is Cauchy's distribution.
/// let found = StudentT::new(1.0, 0.0, 1.0)?.log_prob(1.0)?.item::<f64>()?;
/// assert!((found + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct StudentT {
    freedom: Tensor,
    mean: Tensor,
    scale: Tensor,
    /// Where ν is infinite, if it is somewhere.
    limit: Option<Tensor>,
}

impl StudentT {
    /// Of degrees of freedom ν, means μ and scales σ, numbers or tensors whose shapes broadcast. With ν = ∞ it is the normal distribution.
    ///
    /// # Errors
    /// If the shapes do not broadcast, degrees or a scale are not above 0, or a mean is NaN; for integers.
    #[track_caller]
    pub fn new(freedom: impl TensorOrNumber, mean: impl TensorOrNumber, scale: impl TensorOrNumber) -> Result<Self> {
        Self::of([freedom.value(), mean.value(), scale.value()])
    }

    #[track_caller]
    fn of(parameters: [OperandValue<'_>; 3]) -> Result<Self> {
        let [freedom, mean, scale] = self::parameters("StudentT", parameters)?;
        let shape = check::broadcast("StudentT", &check::broadcast("StudentT", freedom.shape(), mean.shape())?, scale.shape())?;
        check_above_zero("StudentT", "degrees of freedom", &freedom)?;
        check_real("StudentT", "a mean", &mean)?;
        check_above_zero("StudentT", "a scale", &scale)?;
        let [freedom, mean, scale] = [freedom, mean, scale].map(|x| x.expand(&shape).placed());
        let freedom = freedom?;
        // The limit takes no part in the formulas: in its place stands a number that they have.
        let limit = freedom.detach().eq(f64::INFINITY)?;
        let (freedom, limit) = match least(&freedom.neg()?)? {
            Some(f64::NEG_INFINITY) => (limit.where_(1.0, &freedom)?, Some(limit)),
            _ => (freedom, None),
        };
        Ok(Self { freedom, mean: mean?, scale: scale?, limit })
    }

    /// What is asked for, where the degrees of freedom are finite, and what the normal distribution says in their limit.
    #[track_caller]
    fn or_limit(&self, student: Tensor, normal: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        match &self.limit {
            Some(limit) => limit.where_(normal()?, student),
            None => Ok(student),
        }
    }

    /// Draws `count` numbers of each, `(count, …)`: μ + σ z / √(2g/ν), where z is a normal draw and g one of Γ(ν/2). Gradients go to ν,
    /// μ and σ, that to ν as in [`Gamma::sample`].
    ///
    /// # Errors
    /// As [`Gamma::sample`].
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let half = self.freedom.mul_scalar(0.5)?;
        let shape: Dims = [count].into_iter().chain(half.shape().iter().copied()).collect();
        let z = rng.normal(&shape, half.dtype())?;
        let spread = standard(&half, count, rng)?.div(&half)?.sqrt()?;
        self.or_limit(z.div(&spread)?, || Ok(z.clone()))?.mul(&self.scale)?.add(&self.mean)
    }

    /// ln p(x) = ln Γ((ν+1)/2) − ln Γ(ν/2) − ½ ln νπ − ln σ − (ν+1)/2 ln(1 + ((x−μ)/σ)² / ν)
    ///
    /// # Errors
    /// If the shapes do not broadcast; for integers.
    #[track_caller]
    pub fn log_prob(&self, x: impl TensorOrNumber) -> Result<Tensor> {
        let x = &*beside("log_prob", &x.value(), &self.mean)?;
        let (nu, more) = (&self.freedom, self.freedom.add_scalar(1.0)?.mul_scalar(0.5)?);
        let y = x.sub(&self.mean)?.div(&self.scale)?;
        let tail = y.square()?.div(nu)?.log1p()?.mul(&more)?;
        let constant = nu.ln()?.add_scalar(std::f64::consts::PI.ln())?.mul_scalar(0.5)?.add(&self.scale.ln()?)?;
        let student = named("ln_gamma", [&nu.mul_scalar(0.5)?], HalfStep)?.sub(&constant)?.sub(&tail)?;
        self.or_limit(student, || Normal::new(&self.mean, &self.scale)?.log_prob(x))
    }

    /// −E ln p = (ν+1)/2 (ψ((ν+1)/2) − ψ(ν/2)) + ln Γ(ν/2) − ln Γ((ν+1)/2) + ½ ln νπ + ln σ
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn entropy(&self) -> Result<Tensor> {
        let (half, more) = (self.freedom.mul_scalar(0.5)?, self.freedom.add_scalar(1.0)?.mul_scalar(0.5)?);
        let slopes = named("digamma", [&half], HalfStepSlope)?.mul(&more)?;
        let constant = self.freedom.ln()?.add_scalar(std::f64::consts::PI.ln())?.mul_scalar(0.5)?.add(&self.scale.ln()?)?;
        let student = slopes.sub(named("ln_gamma", [&half], HalfStep)?)?.add(&constant)?;
        self.or_limit(student, || Normal::new(&self.mean, &self.scale)?.entropy())
    }
}

/// ln Γ(h + ½) − ln Γ(h) of positive h: the difference of Stirling's series from 8 on, to which smaller numbers are brought by Γ(x) = Γ(x + 8) / x(x + 1) … (x + 7).
/// The two logarithms have no digits in common where h is large.
#[derive(Clone, Copy)]
struct HalfStep;

impl Formula<1> for HalfStep {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [h]: [T; 1]) -> T {
        let (half, small) = (T::from_f64(0.5), h.less(T::from_f64(8.0)));
        let z = T::select(small, h + T::from_f64(8.0), h);
        let mut ratio = T::ONE + half / h;
        for i in 1..8 {
            ratio = ratio * (T::ONE + half / (h + T::from_f64(f64::from(i))));
        }
        let inverse = T::ONE / z;
        let square = inverse * inverse;
        let mut series = T::from_f64(-5461.0 / 425_984.0);
        for c in [691.0 / 180_224.0, -31.0 / 18_432.0, 17.0 / 14_336.0, -1.0 / 640.0, 1.0 / 192.0, -1.0 / 8.0] {
            series = series * square + T::from_f64(c);
        }
        half * z.ln() + series * inverse - T::select(small, ratio, T::ONE).ln()
    }
}

/// ψ(h + ½) − ψ(h), its derivative.
#[derive(Clone, Copy)]
struct HalfStepSlope;

impl Formula<1> for HalfStepSlope {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [h]: [T; 1]) -> T {
        HalfStep.apply([Dual::variable(h)]).slope
    }
}

/// The formulas of this file, as recorded.
#[cfg(test)]
pub(crate) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    use monotile_kernels::number::record;
    vec![("half_step".into(), record(|x| HalfStep.apply(x))), ("half_step_derivative".into(), record(|x| HalfStepSlope.apply(x)))]
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let number = |x: f64| Tensor::from(vec![x]);
    vec![
        // Where only some have infinite degrees of freedom.
        Spec::new("StudentT in its limit", |x| {
            let p = StudentT::new(Tensor::cat([&x[0], &x[0].full_like(f64::INFINITY).slice(0, ..1)?], 0)?, &x[1], &x[2])?;
            Ok(vec![p.log_prob(&x[3])?, p.entropy()?])
        })
        .sample("vectors", vec![positive(&[3]), normal(&[4]), positive(&[4]), normal(&[4])])
        .orders(2)
        .tolerance_f32(1e-4)
        .may_drop_nan(),
        Spec::new("Gamma", |x| {
            let (p, q) = (Gamma::new(&x[0], &x[1])?, Gamma::new(&x[2], &x[1])?);
            Ok(vec![p.log_prob(&x[2])?, p.entropy()?, p.kl_divergence(&q)?, p.mean()?])
        })
        .sample("shapes that broadcast", vec![positive(&[3, 1]), positive(&[4]), positive(&[3, 4])])
        .orders(2)
        // A logarithm of Γ near 0 is a difference of numbers near 17.
        .tolerance_f32(1e-4)
        .may_drop_nan()
        .refuses(
            vec![positive(&[3]), positive(&[4]), positive(&[3])],
            "Gamma: shapes [3] and [4] do not broadcast; sizes must be equal or 1, from the last",
        )
        .refuses(vec![number(0.0), number(1.0), number(1.0)], "Gamma: a concentration must be above 0, got 0")
        .refuses(vec![number(1.0), number(-2.5), number(1.0)], "Gamma: a rate must be above 0, got -2.5"),
        Spec::new("StudentT", |x| {
            let p = StudentT::new(&x[0], &x[1], &x[2])?;
            Ok(vec![p.log_prob(&x[3])?, p.entropy()?])
        })
        .sample("shapes that broadcast", vec![positive(&[3, 1]), normal(&[4]), positive(&[4]), normal(&[3, 4])])
        .orders(2)
        .tolerance_f32(1e-4)
        .may_drop_nan()
        .refuses(
            vec![number(f64::NAN), number(1.0), number(1.0), number(1.0)],
            "StudentT: degrees of freedom must be above 0, got NaN",
        )
        .refuses(vec![number(1.0), number(f64::NAN), number(1.0), number(1.0)], "StudentT: a mean must be a number, got NaN")
        .refuses(vec![number(1.0), number(1.0), number(0.0), number(1.0)], "StudentT: a scale must be above 0, got 0"),
        // By the rate, and by mean and scale, which draws have gradients of.
        Spec::new("draws", |x| {
            let three = Tensor::scalar_as(3.0, x[0].dtype());
            let gamma = Gamma::new(&three, &x[0])?.sample(3, &mut Rng::new(1))?;
            Ok(vec![gamma, StudentT::new(&three, &x[1], &x[0])?.sample(3, &mut Rng::new(1))?])
        })
        .sample("vectors", vec![positive(&[4]), normal(&[4])])
        .orders(2)
        .may_drop_nan(),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: studentt_in_its_limit, gamma, studentt, draws);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(x: &[f64]) -> Tensor {
        Tensor::from_slice(x, &[x.len()]).unwrap()
    }

    fn close(found: &Tensor, expected: &[f64], tolerance: f64) {
        let found = found.to_f64_vec().unwrap();
        let same = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(same), "{found:?} instead of {expected:?}");
    }

    /// Values of `torch.lgamma(x)` and `torch.digamma(x)`.
    #[test]
    fn ln_gamma_and_digamma_are_those_of_pytorch() {
        let x = numbers(&[1e-6, 0.1, 0.5, 1.0, 1.5, 2.0, 7.75, 8.0, 12.5, 300.0, 1e8]);
        close(
            &x.lgamma().unwrap(),
            &[
                13.815_509_980_749_432,
                2.252_712_651_734_206,
                0.572_364_942_924_700_1,
                0.0,
                -0.120_782_237_635_245_22,
                0.0,
                8.025_458_396_315_983,
                8.525_161_361_065_415,
                18.734_347_511_936_445,
                1_409.202_067_470_411_7,
                1_742_068_066.103_834_6,
            ],
            1e-13,
        );
        close(
            &x.digamma().unwrap(),
            &[
                -1000000.577_214_020_2,
                -10.423_754_940_411_076,
                -1.963_510_026_021_422_9,
                -0.577_215_664_901_532_8,
                0.036_489_973_978_576_194,
                0.422_784_335_098_467,
                1.981_791_562_694_345_2,
                2.015_641_477_955_609_8,
                2.485_195_651_274_912_3,
                5.702_114_882_064_637,
                18.420_680_738_952_367,
            ],
            1e-13,
        );
        // Products of small numbers do not overflow where they do not count.
        let far = Tensor::from_slice(&[1e30_f32], &[1]).unwrap();
        assert!((far.lgamma().unwrap().to_f64_vec().unwrap()[0] / 6.807_755_278_982_137e31 - 1.0).abs() < 1e-6);
    }

    /// Values of `torch.distributions`: Gamma(α, β) at x, its KL divergence to Gamma(2, 0.5), StudentT(ν, 0.5, 2) at x.
    #[test]
    fn gamma_and_student_distributions_are_those_of_pytorch() {
        let p = Gamma::new(&numbers(&[0.5, 3.0, 20.0]), &numbers(&[1.0, 2.0, 0.25])).unwrap();
        let x = numbers(&[0.75, 1.0, 60.0]);
        close(&p.log_prob(&x).unwrap(), &[-1.178_523_906_698_809_6, -0.613_705_638_880_109_5, -4.273_224_727_377_403_6], 1e-13);
        close(&p.entropy().unwrap(), &[0.090_609_929_913_988_53, 1.154_431_329_803_066, 4.286_222_695_718_55], 1e-13);
        let q = Gamma::new(&Tensor::scalar(2.0_f64), &Tensor::scalar(0.5_f64)).unwrap();
        close(&p.kl_divergence(&q).unwrap(), &[3.509_194_457_227_325, 0.752_225_876_778_302_5, 32.743_253_312_039_3], 1e-13);
        let t = StudentT::new(&numbers(&[1.0, 4.5, 100.0]), &Tensor::scalar(0.5_f64), &Tensor::scalar(2.0_f64)).unwrap();
        close(&t.log_prob(&x).unwrap(), &[-1.853_381_252_945_310_6, -1.705_139_505_714_165_2, -117.135_098_371_960_2], 1e-13);
        close(&t.entropy().unwrap(), &[3.224_171_427_529_235_7, 2.344_682_905_317_410_5, 2.122_110_545_878_180_6], 1e-13);
    }

    /// Limits: Student's t of many degrees of freedom is normal, and Γ(1, β) exponential, also at 0.
    #[test]
    fn densities_keep_their_digits_at_the_ends_of_their_parameters() {
        let (zero, one) = (Tensor::scalar(0.0_f64), Tensor::scalar(1.0_f64));
        let t = StudentT::new(&numbers(&[1e5, 1e10, 1e300, f64::INFINITY]), &zero, &one).unwrap();
        let normal = -0.5 * (2.0 * std::f64::consts::PI).ln();
        // ln p(x) = normal − x²/2 + (x⁴ − 2x² − 1) / 4ν + O(ν⁻²)
        close(&t.log_prob(&one).unwrap(), &[normal - 0.5 - 0.5e-5, normal - 0.5, normal - 0.5, normal - 0.5], 1e-10);
        // That of the normal distribution, + 1/ν + O(ν⁻²)
        close(&t.entropy().unwrap(), &[0.5 - normal + 1e-5, 0.5 - normal, 0.5 - normal, 0.5 - normal], 1e-10);
        let single = StudentT::new(&Tensor::from(vec![1000.0_f32]), &Tensor::scalar(0.0_f32), &Tensor::scalar(1.0_f32)).unwrap();
        // scipy.stats.t(1000).logpdf(0.5)
        close(&single.log_prob(&Tensor::scalar(0.5_f32)).unwrap(), &[-1.044_297_895_144_667_8], 1e-6);
        let draws = StudentT::new(f64::INFINITY, 1.0, 2.0).unwrap().sample(3, &mut Rng::new(2)).unwrap();
        assert_eq!(
            draws.to_f64_vec().unwrap(),
            Normal::new(1, 2).unwrap().sample(3, &mut Rng::new(2)).unwrap().to_f64_vec().unwrap()
        );
        let gamma = Gamma::new(&numbers(&[0.5, 1.0, 2.0]), 2.0).unwrap();
        let found = gamma.log_prob(&zero).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(found, [f64::INFINITY, 2.0_f64.ln(), f64::NEG_INFINITY]);
        let far = gamma.log_prob(&Tensor::scalar(f64::INFINITY)).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(far[..2], [f64::NEG_INFINITY; 2]);
    }

    /// Means and variances of many draws, within five standard errors.
    #[test]
    fn draws_have_the_mean_and_the_variance_of_their_distribution() {
        let (n, mut rng) = (20_000, Rng::new(3));
        for (concentration, rate) in [(0.3, 1.0), (1.0, 2.0), (7.5, 0.5)] {
            let gamma = Gamma::new(&numbers(&[concentration]), &numbers(&[rate])).unwrap();
            let draws = gamma.sample(n, &mut rng).unwrap();
            let (mean, variance) = (draws.mean(&[], false).unwrap(), draws.var(&[], 1.0, false).unwrap());
            let (expected, spread) = (concentration / rate, concentration / rate / rate);
            let off = (mean.item::<f64>().unwrap() - expected).abs();
            assert!(off < 5.0 * (spread / n as f64).sqrt(), "{concentration}: {off}");
            // The fourth central moment of a gamma distribution is (3 + 6/α) times the squared variance.
            let error = spread * ((2.0 + 6.0 / concentration) / n as f64).sqrt();
            assert!((variance.item::<f64>().unwrap() - spread).abs() < 5.0 * error, "{concentration}");
        }
        let student = StudentT::new(&numbers(&[10.0]), &numbers(&[1.0]), &numbers(&[2.0])).unwrap();
        let draws = student.sample(n, &mut rng).unwrap();
        let (mean, variance) = (draws.mean(&[], false).unwrap(), draws.var(&[], 1.0, false).unwrap());
        // Its variance is σ² ν / (ν − 2), its kurtosis 3 + 6 / (ν − 4).
        assert!((mean.item::<f64>().unwrap() - 1.0).abs() < 5.0 * (5.0 / n as f64).sqrt());
        assert!((variance.item::<f64>().unwrap() - 5.0).abs() < 5.0 * 5.0 * (3.0 / n as f64).sqrt());
    }
}
