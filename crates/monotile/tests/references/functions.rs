//! Functions, losses, sorts, matrices, distributions and rotations, against PyTorch, NumPy and SciPy.

use monotile::linalg::{
    cosine_similarity, cross, eigvals, kron, logm, lu_factor, normalize, outer, solve_lyapunov, solve_sylvester, sqrtm, tensordot,
    trace, vecdot, vector_norm,
};
use monotile::ops::{
    BceWithLogitsOptions, LossReduction, bce_with_logits, cdist, huber_loss, kl_div, l1_loss, linear_recurrence, mse_loss,
    smooth_l1_loss, squared_cdist,
};
use monotile::stats::{Bernoulli, Categorical, Gamma, Normal, StudentT};
use monotile::transform::quaternion::{self, EulerAxis, EulerConvention};
use monotile::transform::{se3_log, so3_exp, so3_log};
use monotile::{Result, Tensor};
use serde_json::Value;

use crate::cases::{Tolerance, check};

/// Sums of a few products and functions that a library computes to a few units in the last place, twice differentiated.
const ROUNDING: Tolerance = Tolerance { f64: 4e-15, f32: 2e-6 };

/// Functions without loops of their own are within 1e-13 of values of 50 digits.
const SPECIAL: Tolerance = Tolerance { f64: 1e-13, f32: 5e-6 };

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap()
}

fn flag(options: &Value, name: &str) -> bool {
    options[name].as_bool().unwrap()
}

fn axis(options: &Value) -> isize {
    options["axis"].as_i64().unwrap() as isize
}

fn integers(list: &Value) -> Vec<isize> {
    list.as_array().unwrap().iter().map(|axis| axis.as_i64().unwrap() as isize).collect()
}

fn axes(options: &Value) -> Vec<isize> {
    integers(&options["axes"])
}

fn order(options: &Value) -> f64 {
    options["p"].as_str().unwrap().parse().unwrap()
}

fn one(found: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![found?])
}

fn two(found: Result<(Tensor, Tensor)>) -> Result<Vec<Tensor>> {
    let (values, indices) = found?;
    Ok(vec![values, indices])
}

fn reduction(options: &Value) -> LossReduction {
    match options["reduction"].as_str().unwrap() {
        "mean" => LossReduction::Mean,
        "sum" => LossReduction::Sum,
        _ => LossReduction::None,
    }
}

#[test]
fn functions_and_losses_are_those_of_pytorch() {
    check(
        "functions.safetensors",
        SPECIAL,
        &[
            ("log2", |x, _| one(x[0].log2())),
            ("log10", |x, _| one(x[0].log10())),
            ("log1p", |x, _| one(x[0].log1p())),
            ("expm1", |x, _| one(x[0].expm1())),
            ("exp2", |x, _| one(x[0].exp2())),
            ("atan", |x, _| one(x[0].atan())),
            ("sinh", |x, _| one(x[0].sinh())),
            ("cosh", |x, _| one(x[0].cosh())),
            ("asinh", |x, _| one(x[0].asinh())),
            ("erfc", |x, _| one(x[0].erfc())),
            ("mish", |x, _| one(x[0].mish())),
            ("logsigmoid", |x, _| one(x[0].logsigmoid())),
            ("tan", |x, _| one(x[0].tan())),
            ("asin", |x, _| one(x[0].asin())),
            ("acos", |x, _| one(x[0].acos())),
            ("atanh", |x, _| one(x[0].atanh())),
            ("erfinv", |x, _| one(x[0].erfinv())),
            ("acosh", |x, _| one(x[0].acosh())),
            ("lgamma", |x, _| one(x[0].lgamma())),
            ("digamma", |x, _| one(x[0].digamma())),
            ("trigamma", |x, _| one(x[0].trigamma())),
            ("floor", |x, _| one(x[0].floor())),
            ("ceil", |x, _| one(x[0].ceil())),
            ("round", |x, _| one(x[0].round())),
            ("trunc", |x, _| one(x[0].trunc())),
            ("frac", |x, _| one(x[0].frac())),
            ("rad2deg", |x, _| one(x[0].rad2deg())),
            ("deg2rad", |x, _| one(x[0].deg2rad())),
            ("softplus", |x, options| one(x[0].softplus(number(options, "beta")))),
            ("elu", |x, options| one(x[0].elu(number(options, "alpha")))),
            ("leaky_relu", |x, options| one(x[0].leaky_relu(number(options, "slope")))),
            ("hardtanh", |x, options| one(x[0].hardtanh(number(options, "low"), number(options, "high")))),
            ("logaddexp", |x, _| one(x[0].logaddexp(&x[1]))),
            ("atan2", |x, _| one(x[0].atan2(&x[1]))),
            ("hypot", |x, _| one(x[0].hypot(&x[1]))),
            ("remainder", |x, _| one(x[0].remainder(&x[1]))),
            ("floor_divide", |x, _| one(x[0].floor_divide(&x[1]))),
            ("lerp", |x, _| one(x[0].lerp(&x[1], &x[2]))),
            ("addcmul", |x, options| one(x[0].addcmul(&x[1], &x[2], number(options, "value")))),
            ("mse_loss", |x, options| one(mse_loss(&x[0], &x[1], reduction(options)))),
            ("l1_loss", |x, options| one(l1_loss(&x[0], &x[1], reduction(options)))),
            ("huber_loss", |x, options| one(huber_loss(&x[0], &x[1], number(options, "delta"), reduction(options)))),
            ("smooth_l1_loss", |x, options| one(smooth_l1_loss(&x[0], &x[1], number(options, "beta"), reduction(options)))),
            ("bce_with_logits", |x, options| {
                let weighed = BceWithLogitsOptions { pos_weight: Some(x[2].clone()), reduction: reduction(options) };
                one(bce_with_logits(&x[0], &x[1], &weighed))
            }),
            ("kl_div", |x, options| one(kl_div(&x[0].log_softmax(-1)?, &x[1], reduction(options)))),
        ],
    );
}

#[test]
fn sorted_and_counted_elements_are_those_of_pytorch_and_numpy() {
    check(
        "sorts.safetensors",
        ROUNDING,
        &[
            ("sort", |x, options| two(x[0].sort(axis(options), flag(options, "descending")))),
            ("argsort", |x, options| one(x[0].argsort(axis(options), flag(options, "descending")))),
            ("topk", |x, options| two(x[0].topk(number(options, "k") as usize, axis(options), flag(options, "largest")))),
            ("kthvalue", |x, options| two(x[0].kthvalue(number(options, "k") as usize, axis(options), false))),
            ("max_with_indices", |x, options| two(x[0].max_with_indices(axis(options), false))),
            ("min_with_indices", |x, options| two(x[0].min_with_indices(axis(options), false))),
            ("mode", |x, options| one(Ok(x[0].mode(axis(options), false)?.0))),
            ("quantile", |x, options| {
                let levels: Vec<f64> = options["q"].as_array().unwrap().iter().map(|q| q.as_f64().unwrap()).collect();
                one(x[0].quantile(&levels, &axes(options), false))
            }),
            ("median", |x, options| one(x[0].median(&axes(options), false))),
            ("any", |x, options| one(x[0].any(&axes(options), false))),
            ("all", |x, options| one(x[0].all(&axes(options), false))),
            ("count_nonzero", |x, options| one(x[0].count_nonzero(&axes(options), false))),
            ("unique", |x, _| {
                let found = x[0].unique()?;
                Ok(vec![found.values, found.inverse, found.counts])
            }),
            ("searchsorted", |x, options| one(x[0].searchsorted(&x[1], flag(options, "right")))),
            ("bucketize", |x, options| one(x[0].bucketize(&x[1], flag(options, "right")))),
            ("bincount", |x, _| one(x[0].bincount(None, 0))),
            ("bincount_weighted", |x, _| one(x[0].bincount(Some(&x[1]), 0))),
            ("histogram", |x, options| {
                let range = options["range"].as_array().map(|ends| [0, 1].map(|i| ends[i].as_f64().unwrap()));
                two(x[0].histogram(number(options, "bins") as usize, range))
            }),
            ("nonzero", |x, _| one(x[0].nonzero())),
            ("masked_select", |x, _| one(x[0].masked_select(&x[1]))),
            ("linear_recurrence", |x, options| one(linear_recurrence(&x[0], &x[1], axis(options)))),
        ],
    );
}

#[test]
fn spectra_equations_and_distances_are_those_of_pytorch_and_scipy() {
    check(
        "matrices.safetensors",
        ROUNDING,
        &[
            ("spectrum", |x, _| {
                let values = eigvals(&x[0])?;
                let exponentials = values.re.exp()?.mul(values.im.cos()?)?.sum(&[-1], false)?;
                Ok(vec![exponentials, values.re.square()?.add(values.im.square()?)?.sum(&[-1], false)?])
            }),
            ("lu_solve", |x, _| one(lu_factor(&x[0])?.solve(&x[1]))),
            ("lu_solve_transposed", |x, _| one(lu_factor(&x[0])?.solve_transposed(&x[1]))),
            ("lu_inv", |x, _| one(lu_factor(&x[0])?.inv())),
            ("lu_det", |x, _| one(lu_factor(&x[0])?.det())),
            ("sqrtm", |x, _| one(sqrtm(&x[0]))),
            ("logm", |x, _| one(logm(&x[0]))),
            ("solve_sylvester", |x, _| one(solve_sylvester(&x[0], &x[1], &x[2]))),
            ("solve_lyapunov", |x, _| one(solve_lyapunov(&x[0], &x[1]))),
            ("vector_norm", |x, options| one(vector_norm(&x[0], order(options), &axes(options), false))),
            ("normalize", |x, options| one(normalize(&x[0], order(options), axis(options)))),
            ("cosine_similarity", |x, options| one(cosine_similarity(&x[0], &x[1], axis(options)))),
            ("vecdot", |x, options| one(vecdot(&x[0], &x[1], axis(options)))),
            ("cross", |x, options| one(cross(&x[0], &x[1], axis(options)))),
            ("outer", |x, _| one(outer(&x[0], &x[1]))),
            ("kron", |x, _| one(kron(&x[0], &x[1]))),
            ("tensordot", |x, options| {
                let [first, second] = [0, 1].map(|i| integers(&options["axes"][i]));
                one(tensordot(&x[0], &x[1], [&first, &second]))
            }),
            ("trace", |x, _| one(trace(&x[0]))),
            ("cdist", |x, options| one(cdist(&x[0], &x[1], order(options)))),
            ("squared_cdist", |x, _| one(squared_cdist(&x[0], &x[1]))),
        ],
    );
}

#[test]
fn densities_entropies_and_divergences_are_those_of_pytorch() {
    check(
        "distributions.safetensors",
        SPECIAL,
        &[
            ("normal_log_prob", |x, _| one(Normal::new(&x[0], &x[1])?.log_prob(&x[2]))),
            ("normal_cdf", |x, _| one(Normal::new(&x[0], &x[1])?.cdf(&x[2]))),
            ("normal_entropy", |x, _| one(Normal::new(&x[0], &x[1])?.entropy())),
            ("normal_kl", |x, _| one(Normal::new(&x[0], &x[1])?.kl_divergence(&Normal::new(&x[2], &x[3])?))),
            ("bernoulli_log_prob", |x, _| one(Bernoulli::new(&x[0])?.log_prob(&x[1]))),
            ("bernoulli_entropy", |x, _| one(Bernoulli::new(&x[0])?.entropy())),
            ("bernoulli_kl", |x, _| one(Bernoulli::new(&x[0])?.kl_divergence(&Bernoulli::new(&x[1])?))),
            ("categorical_log_prob", |x, _| one(Categorical::new(&x[0])?.log_prob(&x[1]))),
            ("categorical_entropy", |x, _| one(Categorical::new(&x[0])?.entropy())),
            ("categorical_kl", |x, _| one(Categorical::new(&x[0])?.kl_divergence(&Categorical::new(&x[1])?))),
            ("gamma_log_prob", |x, _| one(Gamma::new(&x[0], &x[1])?.log_prob(&x[2]))),
            ("gamma_entropy", |x, _| one(Gamma::new(&x[0], &x[1])?.entropy())),
            ("gamma_kl", |x, _| one(Gamma::new(&x[0], &x[1])?.kl_divergence(&Gamma::new(&x[2], &x[3])?))),
            ("student_t_log_prob", |x, _| one(StudentT::new(&x[0], &x[1], &x[2])?.log_prob(&x[3]))),
            ("student_t_entropy", |x, _| one(StudentT::new(&x[0], &x[1], &x[2])?.entropy())),
        ],
    );
}

#[test]
fn logarithms_of_rotations_and_euler_angles_are_those_of_scipy() {
    check(
        "rotations.safetensors",
        ROUNDING,
        &[
            ("so3_exp", |x, _| one(so3_exp(&x[0]))),
            ("so3_log", |x, _| one(so3_log(&x[0]))),
            ("se3_log", |x, _| one(se3_log(&x[0]))),
            ("to_euler", |x, options| {
                let axis = |name: char| match name {
                    'x' => EulerAxis::X,
                    'y' => EulerAxis::Y,
                    _ => EulerAxis::Z,
                };
                let named: Vec<EulerAxis> = options["axes"].as_str().unwrap().chars().map(axis).collect();
                let euler = EulerConvention { axes: [named[0], named[1], named[2]], extrinsic: flag(options, "extrinsic") };
                one(quaternion::to_euler(&x[0], &euler))
            }),
        ],
    );
}
