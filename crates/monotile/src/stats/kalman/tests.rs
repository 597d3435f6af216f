//! The filter and the smoother against distributions and filters that are written out.

use super::steps::at;
use super::*;
use crate::stats::MultivariateNormal;
use crate::stats::parts::constant;
use crate::tensor::DType;

/// The joint distribution of all states, then all observations, written out: of a system whose controls are B u and D u, a time a row.
fn joint(model: &KalmanModel, times: usize, controls: Option<[&Tensor; 2]>) -> MultivariateNormal {
    let (n, p) = (model.mean.len(), model.observation.dim(-2));
    let block = |rows: Vec<Vec<Tensor>>| {
        let rows: Vec<Tensor> = rows.iter().map(|row| Tensor::cat(&row.iter().collect::<Vec<_>>(), 1).unwrap()).collect();
        Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0).unwrap()
    };
    let at = |x: &Tensor, t: usize| at(x, t).unwrap();
    // x = A (x₁ − m, w₁, …) + means, with A_ts = F_(t−1) … F_s, and noises of covariance P, Q₁, Q₂, …
    let power = |t: usize, s: usize| {
        let all = (s..t).map(|k| at(&model.transition, k));
        all.fold(Tensor::eye(n, DType::F64).unwrap(), |a, f| f.matmul(&a).unwrap())
    };
    let zero = Tensor::zeros(&[n, n], DType::F64).unwrap();
    let grid = |f: &dyn Fn(usize, usize) -> Tensor| block((0..times).map(|t| (0..times).map(|s| f(t, s)).collect()).collect());
    let a = grid(&|t, s| if s <= t { power(t, s) } else { zero.clone() });
    let noise = grid(&|t, s| match (t, s) {
        (0, 0) => model.covariance.clone(),
        (t, s) if t == s => at(&model.transition_covariance, t - 1),
        _ => zero.clone(),
    });
    let h = grid(&|t, s| if t == s { at(&model.observation, t) } else { Tensor::zeros(&[p, n], DType::F64).unwrap() });
    let error = grid(&|t, s| {
        if t == s { at(&model.observation_covariance, t) } else { Tensor::zeros(&[p, p], DType::F64).unwrap() }
    });
    let xx = a.matmul(&noise).unwrap().matmul(&a.mt()).unwrap();
    let yx = h.matmul(&xx).unwrap();
    let yy = yx.matmul(&h.mt()).unwrap().add(&error).unwrap();
    let covariance = block(vec![vec![xx, yx.mt()], vec![yx, yy]]);
    let mut means = vec![model.mean.clone()];
    for t in 1..times {
        let mut mean = at(&model.transition, t - 1).matmul(&means[t - 1]).unwrap();
        if let Some([moved, _]) = controls {
            mean = mean.add(moved.select(0, t - 1).unwrap()).unwrap();
        }
        means.push(mean);
    }
    let x = Tensor::cat(&means, 0).unwrap();
    let mut y = h.matmul(&x).unwrap();
    if let Some([_, shown]) = controls {
        y = y.add(shown.reshape(&[times * p]).unwrap()).unwrap();
    }
    MultivariateNormal::new(&Tensor::cat(&[&x, &y], 0).unwrap(), &covariance).unwrap()
}

/// All matrices change with time.
fn changing(times: usize) -> KalmanModel {
    let each = |shape: &[usize]| normal(shape).mul_scalar(0.5).unwrap();
    let covariance = |n: usize| {
        let x = each(&[times, n, n]);
        x.matmul(&x.mt()).unwrap().add(Tensor::eye(n, DType::F64).unwrap()).unwrap()
    };
    let first = model(&sample()).unwrap();
    KalmanModel {
        transition: each(&[times, 3, 3]),
        transition_covariance: covariance(3),
        observation: normal(&[times, 2, 3]),
        observation_covariance: covariance(2),
        ..first
    }
}

fn off(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.sub(b).unwrap().to_f64_vec().unwrap().iter().fold(0.0, |m: f64, d| if d.is_nan() { f64::NAN } else { m.max(d.abs()) })
}

#[test]
fn all_of_it_agrees_with_the_normal_distribution_of_the_whole_trajectory() {
    let inputs = sample();
    let constant = model(&inputs).unwrap();
    let (n, p, times) = (3, 2, 4);
    let plain = KalmanFilter::new(&constant).unwrap();
    let moving = KalmanFilter::new(&changing(times)).unwrap();
    let (u, b, d) = (normal(&[times, 2]), normal(&[3, 2]), normal(&[times, 2, 2]));
    let controls = KalmanControls { inputs: u.clone(), transition: Some(b.clone()), observation: Some(d.clone()) };
    let moved = u.matmul(&b.mt()).unwrap();
    let shown = d.matmul(&u.unsqueeze(-1).unwrap()).unwrap().squeeze(-1).unwrap();
    let systems = [
        (joint(&constant, times, None), plain),
        (joint(&changing(times), times, None), moving.clone()),
        (joint(&changing(times), times, Some([&moved, &shown])), moving.with_controls(&controls).unwrap()),
    ];
    for ((joint, filter), missing) in
        systems.iter().flat_map(|system| [&[][..], &[2], &[0, 2, 3, 7], &[0, 1, 2, 3, 4, 5, 6, 7]].map(|missing| (system, missing)))
    {
        let mut y = inputs[6].to_f64_vec().unwrap();
        missing.iter().for_each(|&i| y[i] = f64::NAN);
        let observations = Tensor::from_slice(&y, &[times, p]).unwrap();
        let there: Vec<usize> = (0..times * p).filter(|i| !missing.contains(i)).collect();
        let at: Vec<usize> = there.iter().map(|i| times * n + i).collect();
        let values: Vec<f64> = there.iter().map(|&i| y[i]).collect();
        let values = Tensor::from_slice(&values, &[values.len()]).unwrap();
        let filtered = filter.filter(&observations).unwrap();
        let expected = joint.marginal(&at).unwrap().log_prob(&values).unwrap();
        assert!(off(&filtered.log_likelihood, &expected) < 1e-11, "{missing:?}");

        let smoothed = filter.smooth(&observations).unwrap();
        let known = joint.conditional(&at, &values).unwrap();
        for t in 0..times {
            let state = known.marginal(&[n * t, n * t + 1, n * t + 2]).unwrap();
            assert!(off(state.mean(), &smoothed.means.select(0, t).unwrap()) < 1e-11, "{missing:?} at {t}");
            let covariance = smoothed.covariances().unwrap().select(0, t).unwrap();
            assert!(off(&state.covariance().unwrap(), &covariance) < 1e-11, "{missing:?} at {t}");
        }
    }
}

/// Three series, of which each misses other entries, and each has a mean, inputs and an error of its own.
#[test]
fn a_batch_is_each_of_its_series_alone() {
    let (times, nan) = (4, f64::NAN);
    let shared = changing(times);
    let scales = Tensor::from_slice(&[0.5, 1.0, 2.0], &[3, 1, 1, 1]).unwrap();
    let together = KalmanModel {
        observation_covariance: shared.observation_covariance.mul(&scales).unwrap(),
        mean: normal(&[3, 3]),
        ..shared.clone()
    };
    let mut y = normal(&[3, times, 2]).to_f64_vec().unwrap();
    // At the first time nothing of any, then the second of one, a whole row of another.
    for i in [0, 1, 8, 9, 16, 17, 3, 12, 13] {
        y[i] = nan;
    }
    let y = Tensor::from_slice(&y, &[3, times, 2]).unwrap();
    let controls = |inputs: Tensor| KalmanControls { inputs, transition: Some(normal(&[3, 1])), observation: None };
    let inputs = normal(&[3, times, 1]);
    let filter = KalmanFilter::new(&together).unwrap().with_controls(&controls(inputs.clone())).unwrap();
    let (filtered, smoothed) = (filter.filter(&y).unwrap(), filter.smooth(&y).unwrap());
    assert_eq!((filtered.log_likelihood.shape(), filtered.means.shape()), (&[3][..], &[3, times, 3][..]));
    for i in 0..3 {
        let of = |x: &Tensor| x.select(0, i).unwrap();
        let model = KalmanModel {
            observation_covariance: of(&together.observation_covariance),
            mean: of(&together.mean),
            ..shared.clone()
        };
        let alone = KalmanFilter::new(&model).unwrap().with_controls(&controls(of(&inputs))).unwrap();
        let (f, s) = (alone.filter(&of(&y)).unwrap(), alone.smooth(&of(&y)).unwrap());
        assert!(off(&of(&filtered.log_likelihood), &f.log_likelihood) < 1e-12, "{i}");
        assert!(off(&of(&filtered.means), &f.means) < 1e-12 && off(&of(&smoothed.means), &s.means) < 1e-12, "{i}");
        assert!(off(&of(&smoothed.covariances().unwrap()), &s.covariances().unwrap()) < 1e-12, "{i}");
    }
}

#[test]
fn parts_of_other_times_or_batches_are_refused_with_words() {
    let filter = KalmanFilter::new(&changing(4)).unwrap();
    assert_eq!(
        filter.filter(&normal(&[5, 2])).err().unwrap().to_string(),
        "filter: the transition must be given for 1 or 5 times, got 4"
    );
    let controls = KalmanControls { inputs: normal(&[5, 2]), transition: Some(normal(&[4, 3, 2])), observation: None };
    assert_eq!(
        filter.with_controls(&controls).err().unwrap().to_string(),
        "KalmanControls: the transition must be given for 1 or 5 times, got 4"
    );
    let controls = KalmanControls { inputs: normal(&[4, 2]), transition: Some(normal(&[3, 1])), observation: None };
    assert_eq!(
        filter.with_controls(&controls).err().unwrap().to_string(),
        "KalmanControls: the transition must have shape [3, 2], got [3, 1]"
    );
    let many = KalmanFilter::new(&KalmanModel { mean: normal(&[3, 3]), ..changing(4) }).unwrap();
    assert_eq!(
        many.smooth(&normal(&[2, 4, 2])).err().unwrap().to_string(),
        "smooth: the batches [3] of the mean and [2] of the observations and other parts do not broadcast"
    );
}

/// A level whose noises grow with time, moved by an input and shown with another: values of a filter of covariances in NumPy.
#[test]
fn a_changing_level_is_that_of_a_plain_filter_in_numpy() {
    let matrices = |x: &[f64]| Tensor::from_slice(x, &[x.len(), 1, 1]).unwrap();
    let filter = KalmanFilter::new(&KalmanModel {
        transition: matrices(&[1.0, 0.5, 0.75, 1.25]),
        transition_covariance: matrices(&[0.25, 0.5, 1.0, 2.0]),
        observation: matrices(&[1.0, 2.0, -1.0, 0.5]),
        observation_covariance: matrices(&[0.5, 1.0, 1.5, 2.0]),
        mean: Tensor::from(vec![0.5]),
        covariance: Tensor::full(&[1, 1], 2.0).unwrap(),
    })
    .unwrap();
    let controls = KalmanControls {
        inputs: Tensor::from_slice(&[1.0, -1.0, 2.0, 0.0], &[4, 1]).unwrap(),
        transition: Some(Tensor::full(&[1, 1], 0.5).unwrap()),
        observation: Some(Tensor::full(&[1, 1], 0.25).unwrap()),
    };
    let y = Tensor::from_slice(&[1.0, 3.0, f64::NAN, 0.5], &[4, 1]).unwrap();
    let found = filter.with_controls(&controls).unwrap().filter(&y).unwrap();
    let near = |found: &Tensor, expected: &[f64]| {
        let found = found.to_f64_vec().unwrap();
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14 * b.abs().max(1.0)), "{found:?}");
    };
    near(&found.means, &[0.7, 1.5069444444444444, 0.2534722222222222, 1.1634137810423226]);
    near(&found.covariances().unwrap(), &[0.3999999999999999, 0.18055555555555552, 0.5451388888888888, 1.123189926547744]);
    near(&found.log_likelihood, &[-4.392433628010483]);
}
/// A point whose second coordinate is known, and stays: smoothing the first is smoothing it alone.
#[test]
fn a_part_of_the_state_that_is_known_is_smoothed_as_if_it_were_not_there() {
    let diagonal = |a: f64, b: f64| Tensor::from_rows(&[[a, 0.0], [0.0, b]]).unwrap();
    let one = |x: f64| Tensor::full(&[1, 1], x).unwrap();
    let both = KalmanModel {
        transition: diagonal(0.9, 1.0),
        transition_covariance: diagonal(1.0, 0.0),
        observation: constant(&[1.0, 2.0], &[1, 2], DType::F64).unwrap(),
        observation_covariance: one(0.5),
        mean: constant(&[0.0, 3.0], &[2], DType::F64).unwrap(),
        covariance: diagonal(2.0, 0.0),
    };
    let alone = KalmanModel {
        transition: one(0.9),
        transition_covariance: one(1.0),
        observation: one(1.0),
        observation_covariance: one(0.5),
        mean: Tensor::zeros(&[1], DType::F64).unwrap(),
        covariance: one(2.0),
    };
    let y = Tensor::from_slice(&[1.0, -0.5, f64::NAN, 2.0], &[4, 1]).unwrap();
    let found = KalmanFilter::new(&both).unwrap().smooth(&y.add_scalar(6.0).unwrap()).unwrap();
    let expected = KalmanFilter::new(&alone).unwrap().smooth(&y).unwrap();
    let (means, covariances) = (found.means.to_f64_vec().unwrap(), found.covariances().unwrap().to_f64_vec().unwrap());
    let (mean, covariance) = (expected.means.to_f64_vec().unwrap(), expected.covariances().unwrap().to_f64_vec().unwrap());
    for t in 0..4 {
        assert!((means[2 * t] - mean[t]).abs() < 1e-14 && (means[2 * t + 1] - 3.0).abs() < 1e-14, "{t}: {means:?}");
        assert!((covariances[4 * t] - covariance[t]).abs() < 1e-14 && covariances[4 * t + 3].abs() < 1e-14, "{covariances:?}");
    }
    let exact = KalmanModel { observation_covariance: one(0.0), covariance: diagonal(0.0, 0.0), ..both };
    let error = KalmanFilter::new(&exact).unwrap().filter(&y).err().unwrap();
    assert_eq!(error.to_string(), "filter: observation 0: solve_triangular: the matrix is singular (its diagonal element 0 is 0)");
}

/// Position and speed, moved by one noise: the covariance of the transition has rank 1.
#[test]
fn singular_noise_is_taken() {
    let matrix = |rows: [[f64; 2]; 2]| Tensor::from_rows(&rows).unwrap();
    let model = KalmanModel {
        transition: matrix([[1.0, 1.0], [0.0, 1.0]]),
        transition_covariance: matrix([[0.25, 0.5], [0.5, 1.0]]),
        observation: constant(&[1.0, 0.0], &[1, 2], DType::F64).unwrap(),
        observation_covariance: Tensor::full(&[1, 1], 1e-12).unwrap(),
        mean: Tensor::zeros(&[2], DType::F64).unwrap(),
        covariance: matrix([[1e6, 0.0], [0.0, 1e6]]),
    };
    // Positions t²/2 leave speeds t + (−1)ᵗ c open, with accelerations 1 − 2 (−1)ᵗ c; the sum of squares of seven of these is least
    // at c = 1/14.
    let y: Vec<f64> = (0..8).map(|t| 0.5 * f64::from(t * t)).collect();
    let smoothed = KalmanFilter::new(&model).unwrap().smooth(&Tensor::from_slice(&y, &[8, 1]).unwrap()).unwrap();
    let means = smoothed.means.to_f64_vec().unwrap();
    for t in 0..8 {
        let speed = t as f64 + if t % 2 == 0 { 1.0 } else { -1.0 } / 14.0;
        // The prior, of variance 10⁶, draws by a part in as many.
        assert!((means[2 * t] - y[t]).abs() < 1e-6 && (means[2 * t + 1] - speed).abs() < 1e-6, "{t}: {means:?}");
    }
}
