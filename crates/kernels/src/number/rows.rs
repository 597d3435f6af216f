//! The pointwise parts of norms, softmax and losses, each written once: what is left of a row's work when its sums are known.
//!
//! Kernels calculate them with numbers, in loops that the compiler vectorizes; recorded, they are shaders.

use super::{Graph, Number, record};

/// x ρ w: a row scaled to a root mean square of 1, and weighted.
#[inline(always)]
pub fn scaled<T: Number>(x: T, rho: T, w: T) -> T {
    x * rho * w
}

/// ρ (w dy − x pull), the slope of [`scaled`] by x, where pull = ρ² mean(w dy x).
#[inline(always)]
pub fn scaled_slope<T: Number>(x: T, rho: T, w: T, dy: T, pull: T) -> T {
    rho * (w * dy - x * pull)
}

/// dy x ρ: what a row adds to the slope of [`scaled`] by w.
#[inline(always)]
pub fn scaled_by_weight<T: Number>(x: T, rho: T, dy: T) -> T {
    dy * (x * rho)
}

/// x ρ w + b of a row whose mean was taken from it.
#[inline(always)]
pub fn standardized<T: Number>(centred: T, rho: T, w: T, b: T) -> T {
    scaled(centred, rho, w) + b
}

/// ρ (w dy − mean − (x − μ) pull), the slope of [`standardized`] by x, where mean = mean(w dy), pull = ρ² mean(w dy (x − μ)).
#[inline(always)]
pub fn standardized_slope<T: Number>(centred: T, rho: T, w: T, dy: T, mean: T, pull: T) -> T {
    rho * (w * dy - mean - centred * pull)
}

/// exp(x − m), of a row whose largest number is m.
#[inline(always)]
pub fn weight<T: Number>(x: T, m: T) -> T {
    (x - m).exp()
}

/// x − m − ln l: the logarithm of softmax, where l is the sum of the [weights](weight).
#[inline(always)]
pub fn log_softmax<T: Number>(x: T, m: T, ln_l: T) -> T {
    x - m - ln_l
}

/// y (dy − mean), the slope of softmax from its result y, where mean = Σ dy y.
#[inline(always)]
pub fn softmax_slope<T: Number>(y: T, dy: T, mean: T) -> T {
    y * (dy - mean)
}

/// dy − exp(y) total, the slope of [`log_softmax`] from its result y, where total = Σ dy.
#[inline(always)]
pub fn log_softmax_slope<T: Number>(y: T, dy: T, total: T) -> T {
    dy - y.exp() * total
}

/// exp(x − m − ln l), the slope of cross-entropy by x, but for its class, which takes 1 from it.
#[inline(always)]
pub fn cross_entropy_slope<T: Number>(x: T, m: T, ln_l: T) -> T {
    log_softmax(x, m, ln_l).exp()
}

/// All of them, recorded, by name.
pub fn recorded() -> Vec<(&'static str, Graph)> {
    vec![
        ("scaled", record(|[x, rho, w]| scaled(x, rho, w))),
        ("scaled_slope", record(|[x, rho, w, dy, pull]| scaled_slope(x, rho, w, dy, pull))),
        ("scaled_by_weight", record(|[x, rho, dy]| scaled_by_weight(x, rho, dy))),
        ("standardized", record(|[x, rho, w, b]| standardized(x, rho, w, b))),
        ("standardized_slope", record(|[x, rho, w, dy, mean, pull]| standardized_slope(x, rho, w, dy, mean, pull))),
        ("weight", record(|[x, m]| weight(x, m))),
        ("log_softmax", record(|[x, m, ln_l]| log_softmax(x, m, ln_l))),
        ("softmax_slope", record(|[y, dy, mean]| softmax_slope(y, dy, mean))),
        ("log_softmax_slope", record(|[y, dy, total]| log_softmax_slope(y, dy, total))),
        ("cross_entropy_slope", record(|[x, m, ln_l]| cross_entropy_slope(x, m, ln_l))),
    ]
}
