//! Draws of gamma distributions, with gradients by the concentration.

use monotile_kernels::number::Number;

use crate::error::Result;
use crate::random::Rng;
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Dims, Tensor};

/// Draws of rate 1, `(count, …)`, on the host, one at a time, by rejection.
///
/// # Gradient
/// ᾱ = Σ z̄ dz/dα over the draws, where dz/dα keeps P(z) of the distribution function P: dz/dα = −(∂P/∂α) / p(z). First derivatives alone.
///
/// # Source
/// Figurnov, Mohamed and Mnih (2018), Implicit reparameterization gradients, arXiv 1805.08498.
#[track_caller]
pub(super) fn standard(concentration: &Tensor, count: usize, rng: &mut Rng) -> Result<Tensor> {
    let shape: Dims = [count].into_iter().chain(concentration.shape().iter().copied()).collect();
    let alpha = concentration.detach().to_dtype(DType::F64)?.expand(&shape)?.to_vec::<f64>()?;
    let drawn: Vec<f64> = alpha.iter().map(|&alpha| draw(alpha, rng)).collect();
    let slopes = concentration.is_recorded().then(|| alpha.iter().zip(&drawn).map(|(&alpha, &z)| slope(alpha, z)).collect());
    let drawn = Tensor::from_vec(drawn, &shape)?.to_dtype(concentration.dtype())?;
    let Some(slopes) = slopes else { return Ok(drawn) };
    let slopes = Tensor::from_vec(slopes, &shape)?.to_dtype(concentration.dtype())?;
    Ok(Tensor::record(drawn, &[concentration], Implicit { slopes }))
}

struct Implicit {
    /// dz/dα of each draw.
    slopes: Tensor,
}

impl Gradient for Implicit {
    fn name(&self) -> &'static str {
        "a gamma distribution's draw"
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.mul(&self.slopes)?.sum(&[0], false)?)])
    }
    fn once_differentiable(&self) -> bool {
        true
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
}

/// One draw of rate 1, by rejection from a cubed normal variable; NaN where there is no such distribution.
fn draw(concentration: f64, rng: &mut Rng) -> f64 {
    if !(concentration > 0.0 && concentration.is_finite()) {
        return f64::NAN;
    }
    if concentration < 1.0 {
        // A draw of α + 1 times a power of a uniform one.
        let u: f64 = 1.0 - rng.next_f64();
        return draw(concentration + 1.0, rng) * u.powf(1.0 / concentration);
    }
    let d = concentration - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        // Box and Muller's normal number, of uniform ones that are not 0.
        let (u, angle) = (1.0 - rng.next_f64(), 2.0 * std::f64::consts::PI * rng.next_f64());
        let z = (-2.0 * u.ln()).sqrt() * angle.cos();
        let v = (1.0 + c * z).powi(3);
        let accept = 1.0 - rng.next_f64();
        if v > 0.0 && accept.ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// dz/dα of a draw z of concentration α: how z moves where its place among all draws stays.
///
/// Below max(1, α) the series P(z) / p(z) = Σ rₙ, rₙ = zⁿ⁺¹ / α (α + 1) … (α + n), is differentiated term by term:
///
/// dz/dα = −Σ rₙ (ln z − ψ(α + n + 1))
///
/// Where it would be long, and above, it is the integral of (ln s − ψ(α)) p(s) / p(z) over the tail of s that z cuts off, at s = z eᵘ. In
/// either case all terms but a few have one sign, so that none cancels another.
fn slope(alpha: f64, z: f64) -> f64 {
    if z == 0.0 || !(alpha > 0.0 && z.is_finite()) {
        return if z == 0.0 { 0.0 } else { f64::NAN };
    }
    let above = z > alpha.max(1.0);
    if !above && alpha <= 50.0 {
        let (mut ratio, mut psi, mut n) = (z / alpha, Number::digamma(alpha + 1.0), 1.0);
        let mut sum = 0.0;
        loop {
            let term = ratio * (z.ln() - psi);
            sum += term;
            // Terms fall faster than the powers of ½ from there on. A sum of no number ends too.
            if alpha + n > 2.0 * z && !(term.abs() > f64::EPSILON / 4.0 * f64::abs(sum)) {
                return -sum;
            }
            psi += 1.0 / (alpha + n);
            ratio *= z / (alpha + n);
            n += 1.0;
        }
    }
    let side = if above { 1.0 } else { -1.0 };
    let exponent = |u: f64| alpha * u - z * u.exp_m1();
    // As far as the density is more than e⁻³⁸ of that at z, which is a rounding.
    let mut width = 1.0 / alpha.max(1.0).sqrt();
    while exponent(side * width) > -38.0 {
        width *= 1.25;
    }
    let distance = z.ln() - Number::digamma(alpha);
    let tail = |u: f64| (distance + u) * z * exponent(u).exp();
    let piece = side * width / PIECES as f64;
    let mut sum = 0.0;
    for k in 0..PIECES {
        let middle = (k as f64 + 0.5) * piece;
        for (node, weight) in NODES {
            let step = 0.5 * piece * node;
            sum += weight * (tail(middle - step) + tail(middle + step));
        }
    }
    // Downwards dz/dα is minus the integral, whose pieces are negative.
    0.5 * piece * sum
}

/// Of Gauss and Legendre's rule: in each the exponent falls by 16 at most, which 16 nodes take to rounding.
const PIECES: usize = 3;

/// The positive nodes of 16, and their weights.
const NODES: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
    (0.755_404_408_355_003, 0.124_628_971_255_533_87),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences of the incomplete gamma function in 60 digits, and `torch._standard_gamma_grad`, which is within 2e-3.
    #[test]
    fn slopes_are_those_of_the_distribution_function() {
        let known = [
            (0.01, 1e-30, 6.851_666_733_195_27e-27, 6.851_666_733_195_274e-27),
            (0.01, 0.5, 46.679_279_405_150_68, 46.679_558_951_689_56),
            (0.01, 3.0, 80.280_739_180_934_66, 80.387_855_374_921_06),
            (0.3, 0.001, 0.022_481_140_914_591_294, 0.022_481_140_914_591_295),
            (0.3, 0.8, 2.483_845_327_858_707_5, 2.484_137_145_469_449_3),
            (0.3, 6.0, 4.922_955_344_544_891, 4.926_282_730_196_402),
            (1.0, 0.5, 0.806_979_116_825_318, 0.806_978_492_004_981_8),
            (1.0, 1.0, 1.173_563_027_224_727, 1.173_621_162_725_993_4),
            (1.0, 12.0, 3.139_448_447_828_452_4, 3.138_258_307_090_721_6),
            (3.5, 0.2, 0.179_835_666_031_800_73, 0.179_835_659_753_320_58),
            (3.5, 3.4, 1.033_591_644_302_169_6, 1.033_595_868_773_374_8),
            (3.5, 3.6, 1.063_602_562_078_752_3, 1.063_606_562_605_072_1),
            (3.5, 25.0, 2.387_000_001_322_623, 2.387_746_606_683_035),
            (20.0, 8.0, 0.615_823_730_880_662_4, 0.615_886_142_413_707),
            (20.0, 21.0, 1.033_173_549_992_552, 1.033_152_750_373_495),
            (49.0, 48.0, 0.993_098_869_988_757_1, 0.993_096_433_404_450_2),
            (60.0, 40.0, 0.813_173_415_122_403_8, 0.813_172_439_283_366_1),
            (60.0, 59.0, 0.994_378_962_513_929, 0.994_377_221_515_396_2),
            (60.0, 90.0, 1.219_762_399_673_867, 1.219_789_086_296_093),
            (1e4, 9900.0, 0.994_999_832_659_952_1, 0.994_999_914_629_091_9),
            (1e4, 10_100.0, 1.005_000_166_006_619_3, 1.005_000_085_000_534_7),
        ];
        for (alpha, z, expected, torch) in known {
            let found = slope(alpha, z);
            // An exponent near α ln z is rounded, by as many units as it has.
            let tolerance = 2e-14 * (1.0 + alpha.sqrt());
            assert!((found / expected - 1.0).abs() < tolerance, "{alpha}, {z}: {found} instead of {expected}");
            assert!((found / torch - 1.0).abs() < 2e-3, "{alpha}, {z}: {found}, {torch} in PyTorch");
        }
        assert_eq!(slope(0.01, 0.0), 0.0);
        assert!(!slope(1e-310, 0.9).is_finite());
        assert!(slope(-1.0, 1.0).is_nan() && slope(1.0, f64::NAN).is_nan());
    }

    /// As E z = α and E ln z = ψ(α), the means of the slopes are 1 and of slope / z are ψ′(α), within five standard errors.
    #[test]
    fn gradients_of_means_are_their_derivatives() {
        let count = 20_000;
        for alpha in [0.4, 2.5, 80.0] {
            let leaf = Tensor::scalar(alpha).requires_grad();
            let z = standard(&leaf, count, &mut Rng::new(9)).unwrap();
            let derivative = |y: Tensor, leaf: &Tensor| y.backward().unwrap().take(leaf).unwrap().item::<f64>().unwrap();
            let of_mean = derivative(z.mean(&[], false).unwrap(), &leaf);
            let of_ln = derivative(z.ln().unwrap().mean(&[], false).unwrap(), &leaf);
            let values = z.detach().to_f64_vec().unwrap();
            let slopes: Vec<f64> = values.iter().map(|&z| slope(alpha, z)).collect();
            let ratios: Vec<f64> = values.iter().zip(&slopes).map(|(z, s)| s / z).collect();
            let error = |x: &[f64]| {
                let mean = x.iter().sum::<f64>() / count as f64;
                (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64 / count as f64).sqrt()
            };
            assert!((of_mean - 1.0).abs() < 5.0 * error(&slopes), "{alpha}: {of_mean}");
            assert!((of_ln - Number::trigamma(alpha)).abs() < 5.0 * error(&ratios), "{alpha}: {of_ln}");
        }
    }
}
