//! One model of a curve seen with noise, twice: as a Gaussian process, and as a Kalman filter.
//!
//! A process of the Matérn covariance of order 3/2 is a linear system of two numbers, the curve and its slope, that noise drives. So the
//! likelihood of the samples and all that follows is the same by both, at n³ operations by the one and n by the other. The program learns the
//! three parameters by each, compares them, and draws the band in which the curve lies, also where samples are missing.
//!
//! ```text
//! cargo run --release -p monotile --example gaussian_process
//! ```
//!
//! Source: Hartikainen and Särkkä (2010), Kalman filtering and smoothing solutions to temporal Gaussian process regression models.

use std::ops::ControlFlow;

use monotile::linalg::expm;
use monotile::optim::{LbfgsOptions, lbfgs};
use monotile::stats::{CovarianceKernel, GaussianProcess, GaussianProcessOptions, KalmanFilter, KalmanModel};
use monotile::{DType, Result, Rng, Tensor};

/// Times, every `STEP`; those of `GAP` are missing. The standard deviation of the noise.
const COUNT: usize = 60;
const STEP: f64 = 0.2;
const GAP: std::ops::Range<usize> = 36..42;
const NOISE: f64 = 0.25;

/// The curve that is to be found.
fn curve(t: &Tensor) -> Result<Tensor> {
    t.sin()?.add(t.mul(0.45)?.cos()?.mul(0.8)?)
}

/// The system of ln σ², ln ℓ and the noise's ln σₙ² (3): with λ = √3 / ℓ,
///
/// d(f, f′) = ((0, 1), (−λ², −2λ)) (f, f′) dt + noise, whose covariance comes to rest at diag(σ², λ² σ²).
fn system(logarithms: &Tensor) -> Result<KalmanFilter> {
    let [variance, length, noise] = [0, 1, 2].map(|i| logarithms.select(0, i)?.exp());
    let (variance, lambda) = (variance?, length?.recip()?.mul(3_f64.sqrt())?);
    let (o, one) = (Tensor::scalar(0.0), Tensor::scalar(1.0));
    let matrix = |entries: [&Tensor; 4]| Tensor::stack(&entries, 0)?.reshape(&[2, 2]);
    let drift = matrix([&o, &one, &-lambda.square()?, &(-2.0 * &lambda)])?;
    let transition = expm(&drift.mul(STEP)?)?;
    let at_rest = matrix([&variance, &o, &o, &(lambda.square()? * &variance)])?;
    KalmanFilter::new(&KalmanModel {
        // P = F P Fᵀ + Q at rest tells what noise a step adds.
        transition_covariance: at_rest.sub(transition.matmul(&at_rest)?.matmul(&transition.t())?)?,
        transition,
        observation: Tensor::from_rows(&[[1.0, 0.0]])?,
        observation_covariance: noise?.reshape(&[1, 1])?,
        mean: Tensor::zeros(&[2], DType::F64)?,
        covariance: at_rest,
    })
}

/// The curve's mean and standard deviation at times of the band, the samples and the truth, a line each time.
fn draw(mean: &[f64], deviation: &[f64], samples: &[f64], truth: &[f64]) {
    const COLUMNS: usize = 72;
    let column = |y: f64| (((y + 3.0) / 6.0 * COLUMNS as f64) as usize).min(COLUMNS - 1);
    for i in 0..COUNT {
        let mut line = [' '; COLUMNS];
        line[column(mean[i] - 2.0 * deviation[i])..=column(mean[i] + 2.0 * deviation[i])].fill('-');
        line[column(mean[i])] = '|';
        line[column(truth[i])] = '*';
        if samples[i].is_finite() {
            line[column(samples[i])] = 'o';
        }
        println!("{:5.1} {}", i as f64 * STEP, line.iter().collect::<String>().trim_end());
    }
}

fn main() -> Result<()> {
    let times = Tensor::arange(COUNT)?.to_dtype(DType::F64)?.mul(STEP)?;
    let truth = curve(&times)?;
    let seen = truth.add(Rng::new(0).normal(&[COUNT], DType::F64)?.mul(NOISE)?)?;
    let indices: Vec<i64> = (0..COUNT as i64).filter(|&i| !GAP.contains(&(i as usize))).collect();
    let indices = Tensor::from(indices);
    let (x, y) = (times.index_select(0, &indices)?.unsqueeze(1)?, seen.index_select(0, &indices)?);

    // As a process: the samples that there are, at any times.
    let kernel = CovarianceKernel::matern32(1.0, 1.0) + CovarianceKernel::white(0.1);
    let process = GaussianProcess::fit(&kernel, &x, &y, &GaussianProcessOptions::default())?;

    // As a filter: a time a row, NaN where nothing was seen.
    let missing = Tensor::from((0..COUNT).map(|i| GAP.contains(&i)).collect::<Vec<_>>());
    let observations = missing.where_(f64::NAN, &seen)?.unsqueeze(1)?;
    let unlikely = |p: &[Tensor]| system(&p[0])?.filter(&observations)?.log_likelihood.neg();
    let start = Tensor::from(kernel.parameters());
    let options = LbfgsOptions { gradient_tolerance: 1e-6, ..Default::default() };
    let found = lbfgs(unlikely, &[start], &options, &mut |_| ControlFlow::Continue(()))?;
    let logarithms = &found.parameters[0];

    println!("                      σ²          ℓ       noise   ln p(samples)");
    println!("{:14} {:9.5}  {:9.5}  {:9.5}   {:.6}", "start", 1.0, 1.0, 0.1, {
        system(&Tensor::from(kernel.parameters()))?.filter(&observations)?.log_likelihood.item::<f64>()?
    });
    let p = process.kernel().parameters().iter().map(|p| p.exp()).collect::<Vec<_>>();
    println!("{:14} {:9.5}  {:9.5}  {:9.5}   {:.6}", "process", p[0], p[1], p[2], process.log_likelihood());
    let q = logarithms.exp()?.to_vec::<f64>()?;
    println!("{:14} {:9.5}  {:9.5}  {:9.5}   {:.6}   after {} steps", "filter", q[0], q[1], q[2], -found.value, found.steps);

    // What all samples say of each time: by the filter run forth and back, and by the process with the filter's parameters.
    let smoothed = system(logarithms)?.smooth(&observations)?;
    let mean = smoothed.means.select(1, 0)?;
    let deviation = smoothed.covariances()?.select(1, 0)?.select(1, 0)?.sqrt()?;
    let as_it_is = GaussianProcessOptions { steps: 0, ..Default::default() };
    let same = GaussianProcess::fit(&kernel.with_parameters(&logarithms.to_vec::<f64>()?)?, &x, &y, &as_it_is)?;
    let predicted = same.predict(&times.unsqueeze(1)?)?;

    println!("\no a sample, * the curve, | its mean, - two standard deviations about it\n");
    let numbers = |x: &Tensor| x.to_vec::<f64>();
    draw(&numbers(&mean)?, &numbers(&deviation)?, &numbers(&observations)?, &numbers(&truth)?);

    let apart = |a: &Tensor, b: &Tensor| a.sub(b)?.abs()?.max(&[], false)?.item::<f64>();
    let means = apart(&mean, &predicted.mean)?;
    let deviations = apart(&deviation, &predicted.variance.sqrt()?)?;
    let inside = truth.sub(&mean)?.abs()?.le(deviation.mul(2.0)?)?.count_nonzero(&[], false)?.item::<i64>()?;
    println!("\nProcess and filter differ by {means:.0e} in means and by {deviations:.0e} in deviations.");
    println!("The curve is within two deviations at {inside} of {COUNT} times.");
    assert!((same.log_likelihood() + found.value).abs() < 1e-8, "the likelihood is the same by both");
    assert!(means < 1e-8 && deviations < 1e-8, "what they say of the curve is the same");
    assert!((process.log_likelihood() + found.value).abs() < 1e-6, "both find the same maximum");
    assert!(inside >= 52, "nineteen of twenty are expected, and times are not independent");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
