//! Cross-entropy of rows of logits with the numbers of their classes: each row is read from memory once a direction.

use crate::compiled::compiled;
use crate::number::{Number, rows};
use crate::params::params;
use crate::real::Real;
use crate::row_partition::split;
use crate::softmax::log_sum_exp;
use crate::{simd, threads};

/// The class of each row.
#[derive(Clone, Copy)]
pub struct ClassTargets<'a> {
    /// Numbers of classes.
    pub classes: &'a [i64],
    /// The number that stands for no class: such rows count for nothing.
    pub ignored: Option<i64>,
}

impl ClassTargets<'_> {
    /// The class of a row of n logits, `None` where it is ignored.
    ///
    /// # Panics
    /// If the class is not below n.
    fn class_of(&self, row: usize, n: usize) -> Option<usize> {
        let class = self.classes[row];
        (Some(class) != self.ignored).then(|| {
            assert!((0..n as i64).contains(&class), "a class of the row");
            class as usize
        })
    }
}

compiled! {
    /// `Σ_r (m[r] − x[r, class]) + ln l[r]` in f64, with `m = maxᵢ x[r, i]` and `l = Σᵢ exp(x[r, i] − m)`, kept as m and ln l.
    ///
    /// # Panics
    /// If a class that is not ignored is outside its row, or the lengths are not those of one number of rows.
    pub fn cross_entropy<T: Real>(x: &[T], targets: ClassTargets<'_>, m: &mut [T], ln_l: &mut [T]) -> f64 {
        let rows = targets.classes.len();
        assert!(m.len() == rows && ln_l.len() == rows, "one row a class");
        if rows == 0 {
            return 0.0;
        }
        assert!(x.len().is_multiple_of(rows), "rows of one length");
        let n = x.len() / rows;
        split(rows, threads::parts(rows, n as f64 * params().cost.loss_ns), [&mut *m, &mut *ln_l], |rows, [m, ln_l]| {
            for (i, row) in rows.enumerate() {
                let (max, sum) = match targets.class_of(row, n) {
                    Some(_) => log_sum_exp(&x[row * n..][..n]),
                    None => (T::ZERO, T::ZERO),
                };
                (m[i], ln_l[i]) = (max, sum);
            }
        });
        let loss = |row: usize| targets.class_of(row, n).map(|class| (m[row] - x[row * n + class]).to_f64() + ln_l[row].to_f64());
        (0..rows).filter_map(loss).sum()
    }
}

compiled! {
    /// `dx[r, i] = dy / count · (exp(x[r, i] − m[r] − ln l[r]) − [i is the class of r]), 0 in ignored rows`, with the cotangent `dy`, a
    /// slice of one number, and the `count` of the mean.
    ///
    /// # Panics
    /// As [`cross_entropy`], and if `dy` is not one number.
    pub fn cross_entropy_backward<T: Real>(
        x: &[T],
        targets: ClassTargets<'_>,
        sums: [&[T]; 2],
        dy: &[T],
        count: usize,
        dx: &mut [T],
    ) {
        assert_eq!(dy.len(), 1, "the cotangent of one loss");
        let ([m, ln_l], scale) = (sums, T::from_f64(dy[0].to_f64() / count as f64));
        let rows = targets.classes.len();
        assert!(m.len() == rows && ln_l.len() == rows && x.len() == dx.len(), "one row a class");
        if dx.is_empty() {
            return;
        }
        assert!(x.len().is_multiple_of(rows), "rows of one length");
        let n = x.len() / rows;
        split(rows, threads::parts(rows, n as f64 * params().cost.loss_ns), [dx], |rows, [dx]| {
            for (dx, row) in dx.chunks_exact_mut(n).zip(rows) {
                let Some(class) = targets.class_of(row, n) else {
                    dx.fill(T::ZERO);
                    continue;
                };
                let (x, m, ln_l) = (&x[row * n..][..n], m[row], ln_l[row]);
                simd::run_fused(
                    &mut *dx,
                    #[inline(always)]
                    |dx| dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = scale * T::from_fused(rows::log_softmax(x, m, ln_l).fused().exp())),
                    #[inline(always)]
                    |dx| dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = scale * rows::cross_entropy_slope(x, m, ln_l)),
                );
                dx[class] -= scale;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn cross_entropy_and_its_gradient_agree_with_the_twin_at_odd_sizes() {
        for (rows, n) in [(1, 1), (3, 7), (4, 512), (3, 1025), (300, 301)] {
            let x: Vec<f64> = (0..rows * n).map(|i| ((i * 7919) % 1009) as f64 / 50.0 - 10.0).collect();
            let classes: Vec<i64> = (0..rows).map(|r| if r % 3 == 1 { -100 } else { (r * 5 % n) as i64 }).collect();
            let targets = ClassTargets { classes: &classes, ignored: Some(-100) };
            let (mut m, mut ln_l) = (vec![0.0; rows], vec![0.0; rows]);
            let loss = cross_entropy(&x, targets, &mut m, &mut ln_l);
            let mut dx = vec![7.0; rows * n];
            cross_entropy_backward(&x, targets, [&m, &ln_l], &[0.6], 2, &mut dx);
            let (expected, gradient) = naive::cross_entropy(&x, &classes, Some(-100));
            assert!((loss - expected).abs() <= 1e-12 * expected.max(1.0), "{rows} rows of {n}: {loss}, not {expected}");
            assert!(dx.iter().zip(&gradient).all(|(a, b)| (a - 0.3 * b).abs() <= 1e-14), "{rows} rows of {n}");
        }
    }

    #[test]
    fn logits_of_ten_thousand_and_hidden_classes_give_finite_losses() {
        let mut x = vec![f32::NEG_INFINITY; 1200];
        (x[700], x[900]) = (1e4, 1e4 - 1.0);
        let targets = ClassTargets { classes: &[900], ignored: None };
        let (mut m, mut ln_l) = ([0.0], [0.0]);
        let loss = cross_entropy(&x, targets, &mut m, &mut ln_l);
        assert!((loss - (1.0 + (-1.0_f64).exp().ln_1p())).abs() < 1e-6, "{loss}");
        let mut dx = vec![1.0; 1200];
        cross_entropy_backward(&x, targets, [&m, &ln_l], &[1.0], 1, &mut dx);
        assert!(dx[0] == 0.0 && (dx[700] + dx[900]).abs() < 1e-6 && dx[700] > 0.7);
    }

    #[test]
    fn a_nan_spoils_the_loss() {
        let mut x = vec![0.5_f32; 600];
        x[599] = f32::NAN;
        assert!(cross_entropy(&x, ClassTargets { classes: &[0], ignored: None }, &mut [0.0], &mut [0.0]).is_nan());
    }
}
