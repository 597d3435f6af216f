//! Values and vectors of a small bidiagonal matrix by the implicit QR iteration (Golub and Kahan 1965; Golub and Reinsch 1970).
//!
//! A sweep takes a step of the QR iteration of BᵀB with a shift, without forming it: a rotation from the right begins it, and what sticks out
//! then is chased down the diagonal by rotations from both sides:
//!
//! ```text
//! [d e    ]      [d e    ]      [d e +  ]      [d e    ]
//! [  d e  ]  →   [+ d e  ]  →   [  d e  ]  →   [  d e  ]  →  …
//! [    d e]      [    d e]      [    d e]      [  + d e]
//! ```

use super::eigh::rotate_columns;
use crate::simd;

/// Far more sweeps than a value takes.
const SWEEPS: usize = 60;

/// An upper bidiagonal matrix, and the vectors that its rotations are gathered in: columns of `d.len()` on the left, and of as many or one
/// more on the right, where `off` is as long as `d`.
pub(super) struct Bidiagonal<'a> {
    pub d: &'a mut [f64],
    pub off: &'a mut [f64],
    pub left: &'a mut [f64],
    pub right: &'a mut [f64],
}

impl Bidiagonal<'_> {
    /// Makes `d` the values, in no order, and the columns their vectors, with the null vector last where there is a column more; whether
    /// that converged.
    pub fn solve(mut self) -> bool {
        simd::run(
            #[inline(always)]
            || self.iterate(),
        )
    }

    #[inline(always)]
    fn iterate(&mut self) -> bool {
        let n = self.d.len();
        if self.off.len() == n {
            self.square();
        }
        let size = self.d.iter().chain(&*self.off).fold(0.0, |most: f64, x| most.max(x.abs()));
        let mut end = n.saturating_sub(1);
        let mut sweeps = SWEEPS * n;
        while end > 0 {
            let negligible = |i: usize| {
                let (x, y) = (self.d[i].abs(), self.d[i + 1].abs());
                self.off[i].abs() <= f64::EPSILON * (0.5 * (x + y)).max(0.125 * size)
            };
            let start = (0..end).rev().find(|&i| negligible(i)).map_or(0, |i| i + 1);
            if start > 0 {
                self.off[start - 1] = 0.0;
            }
            if start == end {
                end -= 1;
                continue;
            }
            if sweeps == 0 {
                return false;
            }
            sweeps -= 1;
            self.sweep(start, end);
        }
        let height = self.height();
        for (d, right) in self.d.iter_mut().zip(self.right.chunks_exact_mut(height)) {
            if *d < 0.0 {
                *d = -*d;
                right.iter_mut().for_each(|x| *x = -*x);
            }
        }
        true
    }

    /// The elements of a vector on the right.
    #[inline(always)]
    fn height(&self) -> usize {
        self.off.len() + 1
    }

    /// Takes the last column away: rotations from the right make the matrix lower bidiagonal, those from the left upper again.
    #[inline(always)]
    fn square(&mut self) {
        let n = self.d.len();
        for i in 0..n {
            let (c, s, r) = rotation(self.d[i], self.off[i]);
            self.d[i] = r;
            // What the next row has in this column, which stands below the diagonal.
            self.off[i] = 0.0;
            if i + 1 < n {
                self.off[i] = s * self.d[i + 1];
                self.d[i + 1] *= c;
            }
            rotate(self.right, n + 1, i, c, s);
        }
        for i in 0..n.saturating_sub(1) {
            let (c, s, r) = rotation(self.d[i], self.off[i]);
            self.d[i] = r;
            self.off[i] = s * self.d[i + 1];
            self.d[i + 1] *= c;
            rotate(self.left, n, i, c, s);
        }
    }

    #[inline(always)]
    fn sweep(&mut self, start: usize, end: usize) {
        let n = self.d.len();
        let height = self.height();
        let shift = if self.d[start..=end].contains(&0.0) { 0.0 } else { least(self.d[end - 1], self.off[end - 1], self.d[end]) };
        let first = self.d[start];
        let mut f = if shift == 0.0 { first } else { (first.abs() - shift) * (1.0_f64.copysign(first) + shift / first) };
        let mut g = self.off[start];
        for i in start..end {
            let (c, s, r) = rotation(f, g);
            if i > start {
                self.off[i - 1] = r;
            }
            f = c * self.d[i] + s * self.off[i];
            self.off[i] = c * self.off[i] - s * self.d[i];
            g = s * self.d[i + 1];
            self.d[i + 1] *= c;
            rotate(self.right, height, i, c, s);

            let (c, s, r) = rotation(f, g);
            self.d[i] = r;
            f = c * self.off[i] + s * self.d[i + 1];
            self.d[i + 1] = c * self.d[i + 1] - s * self.off[i];
            if i + 1 < end {
                g = s * self.off[i + 1];
                self.off[i + 1] *= c;
            }
            rotate(self.left, n, i, c, s);
        }
        self.off[end - 1] = f;
    }
}

/// (c, s, r) with c f + s g = r and c g = s f.
#[inline(always)]
fn rotation(f: f64, g: f64) -> (f64, f64, f64) {
    if g == 0.0 {
        return (1.0, 0.0, f);
    }
    let r = (f * f + g * g).sqrt();
    // Squares of numbers far below 1 would vanish.
    let r = if r > 1e-140 { r } else { f.hypot(g) };
    (f / r, g / r, r)
}

/// Column i becomes c times itself and s times the next, the next c times itself less s times this one.
#[inline(always)]
fn rotate(columns: &mut [f64], height: usize, i: usize, c: f64, s: f64) {
    let (before, after) = columns.split_at_mut((i + 1) * height);
    rotate_columns(&mut after[..height], &mut before[i * height..], c, s);
}

/// The smaller singular value of [[f, g], [0, h]].
#[inline(always)]
fn least(f: f64, g: f64, h: f64) -> f64 {
    let (f, g, h) = (f.abs(), g.abs(), h.abs());
    let (low, high) = (f.min(h), f.max(h));
    if low == 0.0 {
        return 0.0;
    }
    let (sum, difference, ratio) = (1.0 + low / high, (high - low) / high, g / high);
    let square = ratio * ratio;
    low * 2.0 / ((sum * sum + square).sqrt() + (difference * difference + square).sqrt())
}
