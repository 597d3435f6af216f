//! The maximum of a smooth function of a few numbers, by its gradients (BFGS).

use crate::error::Result;

/// A step is at most this long in each parameter, a logarithm: a factor of e.
const LONGEST: f64 = 1.0;

/// How often a step is halved before the search ends.
const HALVINGS: usize = 30;

type Valued = (f64, Vec<f64>);

/// Climbs from `start` until no part of the gradient exceeds `tolerance`, no step goes up, or `steps` are taken. Where `f` fails, as
/// for a covariance that is not positive definite, no step leads; it must not fail at the start.
///
/// Nocedal and Wright (2006), Numerical Optimization, algorithm 6.1, with the sufficient increase of their equation 3.4.
#[track_caller]
pub fn maximize(f: &dyn Fn(&[f64]) -> Result<Valued>, start: Vec<f64>, steps: usize, tolerance: f64) -> Result<Vec<f64>> {
    let n = start.len();
    let (mut x, (mut value, mut slope)) = (start.clone(), f(&start)?);
    let identity = || -> Vec<Vec<f64>> { (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect() };
    let mut inverse = identity();
    for _ in 0..steps {
        if slope.iter().all(|g| g.abs() <= tolerance) {
            break;
        }
        let mut direction: Vec<f64> = inverse.iter().map(|row| dot(row, &slope)).collect();
        if !(dot(&direction, &slope) > 0.0) {
            (inverse, direction) = (identity(), slope.clone());
        }
        let longest = direction.iter().fold(0.0, |m: f64, d| m.max(d.abs()));
        direction.iter_mut().for_each(|d| *d *= (LONGEST / longest).min(1.0));
        let rise = dot(&direction, &slope);
        let climbed = (0..HALVINGS).find_map(|k| {
            let t = 0.5_f64.powi(k as i32);
            let next: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + t * d).collect();
            f(&next).ok().filter(|(v, _)| *v >= value + 1e-4 * t * rise).map(|found| (next, found))
        });
        let Some((next, (next_value, next_slope))) = climbed else { break };
        let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = slope.iter().zip(&next_slope).map(|(a, b)| a - b).collect();
        (x, value, slope) = (next, next_value, next_slope);
        // Only where the slope fell along the step does the change tell a curvature.
        let curvature = dot(&s, &y);
        if curvature > 1e-12 * dot(&y, &y).sqrt() * dot(&s, &s).sqrt() {
            update(&mut inverse, &s, &y, curvature);
        }
    }
    Ok(x)
}

/// H ← (I − s yᵀ/ρ) H (I − y sᵀ/ρ) + s sᵀ/ρ,  ρ = sᵀ y
fn update(h: &mut [Vec<f64>], s: &[f64], y: &[f64], rho: f64) {
    let hy: Vec<f64> = h.iter().map(|row| dot(row, y)).collect();
    let scale = (1.0 + dot(y, &hy) / rho) / rho;
    for (i, row) in h.iter_mut().enumerate() {
        for (j, h) in row.iter_mut().enumerate() {
            *h += scale * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / rho;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end() {
        let f = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            Ok((-a * a - 100.0 * b * b, vec![2.0 * a + 400.0 * x[0] * b, -200.0 * b]))
        };
        let found = maximize(&f, vec![-1.2, 1.0], 200, 1e-8).unwrap();
        assert!(found.iter().all(|x| (x - 1.0).abs() < 1e-7), "{found:?}");
    }
}
