//! A line where the normal equations fail, a picture by its rank, and a function seen with noise.

use monotile::linalg::{Truncation, solve, svdvals, truncated};
use monotile::stats::{
    CovarianceKernel, GaussianProcess, GaussianProcessOptions, LeastSquaresOptions, Pca, PcaOptions, Prediction, least_squares,
};
use monotile::{DType, Rng, Tensor};

use crate::command_error::CommandError;
use crate::page::{PageBlock, Section};
use crate::picture::EmbeddedImage;
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::Progress;

/// Fits, compresses and predicts, and tells it.
pub fn section(progress: &mut Progress) -> Result<Section, CommandError> {
    progress.at(10, "a line");
    let line = Line::fit()?;
    progress.at(30, "a picture");
    let (errors, pictures, kept) = picture()?;
    progress.at(60, "a function");
    let (function, kernel) = function()?;
    let said = format!(
        "a slope to {:.0e} where the normal equations are off by {:.0e}; a picture by {kept} of {SIDE} ranks",
        line.refined, line.normal
    );
    let blocks = vec![
        PageBlock::Text(
            "A sensor is read once a second for ten minutes, its times counted in seconds since 1970, and drifts by 0.002 a second. \
             Textbooks fit the line by solving XᵀX β = Xᵀy; but XᵀX squares the condition of X, and here nothing is left. \
             A QR factorization keeps X as it is, and a refinement with residuals in twice the precision gives the slope to its last \
             digits."
                .to_string(),
        ),
        PageBlock::Numbers(vec![
            (format!("{:.0e}", line.normal), "relative error of the slope by the normal equations".to_string()),
            (format!("{:.0e}", line.refined), "by least_squares".to_string()),
        ]),
        PageBlock::Code(line.table),
        pictures,
        errors,
        function,
        PageBlock::Text(format!("The most likely kernel, found by gradients of the marginal likelihood: {kernel}.")),
        components()?,
    ];
    Ok(Section { title: "What factorizations are for".to_string(), line: said, blocks })
}

/// A regression, and how far two ways to solve it are from the slope that centred times give.
struct Line {
    normal: f64,
    refined: f64,
    table: String,
}

impl Line {
    fn fit() -> Result<Self, CommandError> {
        const COUNT: usize = 600;
        let noise = Rng::new(1).normal(&[COUNT], DType::F64)?;
        let clock = Tensor::arange(COUNT)?.to_dtype(DType::F64)?;
        let times = clock.add_scalar(1.7e9)?;
        let y = clock.mul_scalar(0.002)?.add(&noise.mul_scalar(0.05)?)?;
        let centred = clock.add_scalar(-0.5 * (COUNT as f64 - 1.0))?;
        let truth = centred.mul(&y)?.sum(&[], false)?.div(&centred.square()?.sum(&[], false)?)?.item::<f64>()?;
        // Nothing is known more closely than the last digit.
        let off = |slope: f64| ((slope - truth).abs() / truth.abs()).max(f64::EPSILON);
        let fit = least_squares(&times, &y, &LeastSquaresOptions::default())?;
        let x = Tensor::stack(&[&Tensor::ones(&[COUNT], DType::F64)?, &times], 1)?;
        // A matrix that is singular in this precision has no solution at all.
        let normal = match solve(&x.mt().matmul(&x)?, &x.mt().matmul(&y.unsqueeze(-1)?)?) {
            Ok(b) => off(b.to_f64_vec()?[1]),
            Err(_) => f64::INFINITY,
        };
        Ok(Self { normal, refined: off(fit.coefficients.to_f64_vec()?[1]), table: fit.to_string() })
    }
}

/// Pixels of a picture on a side.
const SIDE: usize = 192;

/// Ranks at which the picture is shown, before itself.
const SHOWN: [usize; 3] = [2, 8, 24];

/// Two hills, a wave and an edge, with noise.
fn scene() -> Result<Tensor, CommandError> {
    let at = |i: usize| i as f64 / SIDE as f64;
    let pixel = |x: f64, y: f64| {
        let hill = |a: f64, b: f64, r: f64| (-((x - a).powi(2) + (y - b).powi(2)) / (r * r)).exp();
        let edge = if x + 0.6 * y > 0.9 { 0.3 } else { 0.0 };
        hill(0.3, 0.3, 0.2) + 0.7 * hill(0.7, 0.6, 0.1) + 0.1 * (20.0 * x + 9.0 * y * y).sin() + edge
    };
    let pixels: Vec<f64> = (0..SIDE * SIDE).map(|k| pixel(at(k / SIDE), at(k % SIDE))).collect();
    Ok(Tensor::from_vec(pixels, &[SIDE, SIDE])?.add(&Rng::new(2).normal(&[SIDE, SIDE], DType::F64)?.mul_scalar(0.002)?)?)
}

/// The error of a picture that keeps its first ranks, the picture at some of them, and how many keep it to 5 %.
fn picture() -> Result<(PageBlock, PageBlock, usize), CommandError> {
    let scene = scene()?;
    let s = svdvals(&scene)?.to_f64_vec()?;
    let tail = |k: usize| s[k..].iter().map(|s| s * s).sum::<f64>().sqrt();
    let error = |k: usize| tail(k) / tail(0);
    let kept = (1..SIDE).find(|&k| error(k) <= 0.05).unwrap_or(SIDE);
    let plot = Plot {
        title: format!("A picture of {SIDE} x {SIDE} by its first ranks"),
        x: PlotAxis::linear("ranks kept"),
        y: PlotAxis::log10("relative error"),
        series: vec![Series {
            name: String::new(),
            points: (1..=SIDE / 2).map(|k| (k as f64, error(k))).collect(),
            stroke: SeriesStyle::Line,
            colour: 0,
        }],
    };
    let share = |k: usize| 100.0 * (k * (2 * SIDE + 1)) as f64 / (SIDE * SIDE) as f64;
    let (low, high) = scene.to_f64_vec()?.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
    let grey = |x: &Tensor| {
        let values: Vec<_> = x.to_f64_vec()?.iter().map(|x| (x - low) / (high - low)).collect();
        Ok::<_, monotile::Error>(EmbeddedImage::grey(SIDE, &values))
    };
    let mut pictures = Vec::new();
    for k in SHOWN {
        let words = format!("rank {k}: {:.0} % of the numbers, error {:.1} %", share(k), 100.0 * error(k));
        pictures.push((grey(&truncated(&scene, Truncation::Rank(k))?.approximation)?, words));
    }
    pictures.push((grey(&scene)?, format!("the picture, of rank {SIDE}")));
    let caption = format!(
        "{kept} ranks, {:.0} % of the numbers, keep the picture to 5 %: it is smooth but for an edge across it, which takes the most.",
        share(kept)
    );
    let nearest =
        "No matrix of so low a rank is nearer to the picture than what its largest singular values leave of it.".to_string();
    Ok((PageBlock::Figure(plot, caption), PageBlock::Pictures(pictures, nearest), kept))
}

/// A function seen at 24 places with noise, its prediction and the band of two standard deviations; and the kernel found.
fn function() -> Result<(PageBlock, CovarianceKernel), CommandError> {
    let mut rng = Rng::new(3);
    // Nothing is seen between 5.5 and 7.5.
    let mut places: Vec<f64> = (0..24).map(|_| 8.0 * rng.next_f64()).map(|x| if x < 5.5 { x } else { x + 2.0 }).collect();
    places.sort_by(f64::total_cmp);
    let f = |x: f64| (1.3 * x).sin() + 0.3 * x.cos();
    let noise = rng.normal(&[24], DType::F64)?.to_f64_vec()?;
    let seen: Vec<f64> = places.iter().zip(&noise).map(|(&x, e)| f(x) + 0.15 * e).collect();
    let (x, y) = (Tensor::from_slice(&places, &[24, 1])?, Tensor::from_slice(&seen, &[24])?);
    let start = CovarianceKernel::rbf(1.0, 0.5) + CovarianceKernel::white(0.1);
    let process = GaussianProcess::fit(&start, &x, &y, &GaussianProcessOptions::default())?;
    let z = Tensor::linspace(0.0, 10.0, 201, DType::F64)?;
    let Prediction { mean, variance, .. } = process.predict(&z.unsqueeze(-1)?)?;
    let (z, mean, variance) = (z.to_f64_vec()?, mean.to_f64_vec()?, variance.to_f64_vec()?);
    let curve = |name: &str, stroke, colour, y: &dyn Fn(usize) -> f64| Series {
        name: name.to_string(),
        points: (0..z.len()).map(|i| (z[i], y(i))).collect(),
        stroke,
        colour,
    };
    let edge = |i: usize, side: f64| (z[i], mean[i] + side * 2.0 * variance[i].sqrt());
    let band = (0..z.len()).map(|i| edge(i, 1.0)).chain((0..z.len()).rev().map(|i| edge(i, -1.0))).collect();
    let plot = Plot {
        title: "A function from 24 noisy values".to_string(),
        x: PlotAxis::linear("x"),
        y: PlotAxis::linear("f(x)"),
        series: vec![
            Series { name: "two standard deviations".to_string(), points: band, stroke: SeriesStyle::Band, colour: 0 },
            curve("truth", SeriesStyle::Line, 2, &|i| f(z[i])),
            curve("prediction", SeriesStyle::Line, 0, &|i| mean[i]),
            Series {
                name: "seen".to_string(),
                points: places.into_iter().zip(seen).collect(),
                stroke: SeriesStyle::Points,
                colour: 1,
            },
        ],
    };
    let caption = "Gaussian process regression. The band widens where nothing was seen.".to_string();
    Ok((PageBlock::Figure(plot, caption), process.kernel().clone()))
}

/// Twenty measurements that three causes explain.
fn components() -> Result<PageBlock, CommandError> {
    let mut rng = Rng::new(4);
    let causes = rng.normal(&[500, 3], DType::F64)?.mul(&Tensor::from_slice(&[3.0_f64, 2.0, 1.0], &[3])?)?;
    let x = causes.matmul(&rng.normal(&[3, 20], DType::F64)?)?.add(&rng.normal(&[500, 20], DType::F64)?.mul_scalar(0.3)?)?;
    let ratio = Pca::fit(&x, &PcaOptions { components: Some(6), ..PcaOptions::default() })?.explained_variance_ratio()?;
    let mut sum = 0.0;
    let rows = ratio.to_f64_vec()?.into_iter().enumerate().map(|(i, share)| {
        sum += share;
        vec![format!("{}", i + 1), format!("{:.2} %", 100.0 * share), format!("{:.2} %", 100.0 * sum)]
    });
    Ok(PageBlock::Table(
        ["principal component of 20 measurements", "variance", "together"].map(String::from).to_vec(),
        rows.collect(),
    ))
}
