//! Deflation of all values that have converged in a window at the end of a Hessenberg matrix (Braman, Byers and Mathias 2002), for which
//! blocks of its Schur form exchange their places (Bai and Demmel 1993).

use super::francis::{Iteration, from_left, from_right, smallest};
use crate::real::Real;

/// What became of a window.
pub(super) enum Deflated {
    /// So many of its first rows have not converged.
    Kept(usize),
    /// Its own iteration failed.
    Failed,
}

/// Makes the Schur form of a window of n rows, T = Vᵀ H V, and moves what has not converged to its first rows; `spike` is the element
/// to the left of the window. V comes as the identity.
#[inline(always)]
pub(super) fn deflate<T: Real>(t: &mut [T], v: &mut [T], n: usize, spike: T) -> Deflated {
    let mut window = Iteration { h: t, z: v, n, whole: true };
    if !window.iterate() {
        return Deflated::Failed;
    }
    let least = smallest::<T>() / T::EPSILON * T::from_f64(n as f64);
    let (mut kept, mut end) = (0, n);
    while kept < end {
        let last = end - 1;
        let paired = last > kept && window.at(last, last - 1) != T::ZERO;
        let size = if paired { 2 } else { 1 };
        let mut value = window.at(last, last).abs();
        let mut rest = (spike * window.z[last * n]).abs();
        if paired {
            value += window.at(last, last - 1).abs().sqrt() * window.at(last - 1, last).abs().sqrt();
            rest = rest.maximum((spike * window.z[(last - 1) * n]).abs());
        }
        if value == T::ZERO {
            value = spike.abs();
        }
        if rest <= least.maximum(T::EPSILON * value) {
            end -= size;
            continue;
        }
        // Up to the others that have not converged.
        let mut at = end - size;
        while at > kept {
            let above = if at > kept + 1 && window.at(at - 1, at - 2) != T::ZERO { 2 } else { 1 };
            if !window.exchange_blocks(at - above, above, size) {
                return Deflated::Kept(end);
            }
            at -= above;
        }
        // A pair may have become two real values.
        kept += if size == 2 && window.at(at + 1, at) == T::ZERO { 1 } else { size };
    }
    Deflated::Kept(end)
}

impl<T: Real> Iteration<'_, T> {
    /// Exchanges the blocks of p and q rows that begin in row j; whether that was possible without an error beyond rounding.
    #[inline(always)]
    fn exchange_blocks(&mut self, j: usize, p: usize, q: usize) -> bool {
        let size = p + q;
        let Some(x) = self.coupling(j, p, q) else { return false };
        // Columns of (−X; I) span what belongs to the second block; reflections bring it to the first rows.
        let mut columns = [[T::ZERO; 4]; 2];
        for c in 0..q {
            (0..p).for_each(|r| columns[c][r] = -x[c][r]);
            columns[c][p + c] = T::ONE;
        }
        let mut reflections = [([T::ZERO; 4], T::ZERO); 2];
        for c in 0..q {
            let (v, tau) = reflection(&columns[c], c, size);
            reflections[c] = (v, tau);
            for column in columns.iter_mut().take(q) {
                let sum = (0..size).fold(T::ZERO, |sum, r| sum + v[r] * column[r]);
                (0..size).for_each(|r| column[r] -= tau * sum * v[r]);
            }
        }
        // Tried on the block alone first.
        let mut block = [[T::ZERO; 4]; 4];
        let mut most = T::ZERO;
        for c in 0..size {
            for r in 0..size {
                block[c][r] = self.at(j + r, j + c);
                most = most.maximum(block[c][r].abs());
            }
        }
        for (v, tau) in reflections.iter().take(q) {
            for column in block.iter_mut().take(size) {
                let sum = (0..size).fold(T::ZERO, |sum, r| sum + v[r] * column[r]);
                (0..size).for_each(|r| column[r] -= *tau * sum * v[r]);
            }
            for r in 0..size {
                let sum = (0..size).fold(T::ZERO, |sum, c| sum + v[c] * block[c][r]);
                (0..size).for_each(|c| block[c][r] -= *tau * sum * v[c]);
            }
        }
        let left_over = (0..q).fold(T::ZERO, |m, c| (q..size).fold(m, |m, r| m.maximum(block[c][r].abs())));
        if left_over > T::EPSILON * T::from_f64(20.0) * most {
            return false;
        }
        for (c, (v, tau)) in reflections.iter().take(q).enumerate() {
            let own = [j, j + size];
            match size - c {
                2 => self.transform::<2>(j + c, own, [v[c], v[c + 1]], *tau),
                3 => self.transform::<3>(j + c, own, [v[c], v[c + 1], v[c + 2]], *tau),
                _ => self.transform::<4>(j, own, *v, *tau),
            }
        }
        for c in 0..q {
            (q..size).for_each(|r| self.set(j + r, j + c, T::ZERO));
        }
        if q == 2 {
            self.standardize(j);
        }
        if p == 2 {
            self.standardize(j + q);
        }
        true
    }

    /// Applies I − τ v vᵀ from both sides to rows and columns from k on of the whole matrix, and to Z.
    #[inline(always)]
    fn transform<const R: usize>(&mut self, k: usize, [first, end]: [usize; 2], v: [T; R], tau: T) {
        let n = self.n;
        from_left::<T, R>(&mut self.h[first * n..], n, k, v, tau);
        from_right::<T, R>(&mut self.h[k * n..(k + R) * n], n, [0, end], v, tau);
        from_right::<T, R>(&mut self.z[k * n..(k + R) * n], n, [0, n], v, tau);
    }

    /// X of A X − X B = C of the blocks A of p rows and B of q rows with C beside A, column by column; none where they have a value in common.
    #[inline(always)]
    fn coupling(&self, j: usize, p: usize, q: usize) -> Option<[[T; 2]; 2]> {
        let m = p * q;
        let mut system = [[T::ZERO; 5]; 4];
        for c in 0..q {
            for r in 0..p {
                let row = &mut system[c * p + r];
                (0..p).for_each(|k| row[c * p + k] += self.at(j + r, j + k));
                (0..q).for_each(|k| row[k * p + r] -= self.at(j + p + k, j + p + c));
                row[4] = self.at(j + r, j + p + c);
            }
        }
        let mut order = [0, 1, 2, 3];
        let most = system.iter().flatten().fold(T::ZERO, |m: T, x| m.maximum(x.abs()));
        for s in 0..m {
            // The largest element that is left.
            let (mut row, mut column) = (s, s);
            for i in s..m {
                for k in s..m {
                    if system[i][k].abs() > system[row][column].abs() {
                        (row, column) = (i, k);
                    }
                }
            }
            if !(system[row][column].abs() > T::EPSILON * most) {
                return None;
            }
            system.swap(s, row);
            order.swap(s, column);
            system.iter_mut().for_each(|row| row.swap(s, column));
            for i in s + 1..m {
                let factor = system[i][s] / system[s][s];
                (s..5).for_each(|k| system[i][k] -= factor * system[s][k]);
            }
        }
        let mut x = [[T::ZERO; 2]; 2];
        let mut found = [T::ZERO; 4];
        for s in (0..m).rev() {
            let sum = (s + 1..m).fold(system[s][4], |sum, k| sum - system[s][k] * found[k]);
            found[s] = sum / system[s][s];
            x[order[s] / p][order[s] % p] = found[s];
        }
        Some(x)
    }
}

/// v and τ of the reflection I − τ v vᵀ that leaves of x[c ‥ size] its first element alone.
#[inline(always)]
fn reflection<T: Real>(x: &[T; 4], c: usize, size: usize) -> ([T; 4], T) {
    let most = (c..size).fold(T::ZERO, |m, r| m.maximum(x[r].abs()));
    let mut v = [T::ZERO; 4];
    v[c] = T::ONE;
    if (c + 1..size).all(|r| x[r] == T::ZERO) {
        return (v, T::ZERO);
    }
    let squares = (c..size).fold(T::ZERO, |sum, r| sum + (x[r] / most) * (x[r] / most));
    let length = most * squares.sqrt();
    let end = if x[c] < T::ZERO { length } else { -length };
    (c + 1..size).for_each(|r| v[r] = x[r] / (x[c] - end));
    (v, (end - x[c]) / end)
}
