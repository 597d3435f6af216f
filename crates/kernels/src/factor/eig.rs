//! A V = V Λ for any square A: the values of the [Schur form](super::schur), and vectors by substitution in it.

use super::batch::{each, load, matrix, sizes};
use super::columns::{add_scaled, magnitude, norm, rescaling, scale};
use super::matrix::{Matrix, Target, multiply};
use super::{Failure, Fault, schur};
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd::Lanes;
use crate::view::View;

/// What `eig` writes for each matrix of a batch.
pub struct Spectra<'a, T> {
    /// Real and imaginary parts of the values, `(batch, n)` each.
    pub values: [&'a mut [T]; 2],
    /// Those of vectors of length 1, column by column, or both empty.
    pub vectors: [&'a mut [T]; 2],
}

compiled! {
    /// Values in the order of the Schur form, pairs side by side with the one above the real axis first, and vectors. The largest element of a
    /// vector is real.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix whose iteration did not converge.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn eig<T: Lanes>(a: View<'_, T>, found: Spectra<'_, T>) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(a);
        let Spectra { values: [re, im], vectors: [v_re, v_im] } = found;
        assert!(n == columns && re.len() == count(&[batch, n]) && im.len() == re.len(), "a value for each row of square matrices");
        assert!(v_re.len() == v_im.len() && (v_re.is_empty() || v_re.len() == count(&[batch, n, n])), "a vector for each value");
        if re.is_empty() {
            return Ok(());
        }
        each(batch, 40.0 * (n as f64).powi(3) + 300.0, [re, im, v_re, v_im], |i, mut results| {
            let mut work = Block::new(n * n)?;
            load(matrix(a, i), &mut work);
            one(&mut work, n, &mut results)
        })
    }
}

/// The spectrum of one matrix, which is overwritten.
fn one<T: Lanes>(a: &mut [T], n: usize, [re, im, v_re, v_im]: &mut [&mut [T]; 4]) -> Result<(), Fault> {
    let largest = magnitude(a);
    if !largest.is_finite() {
        [re, im, v_re, v_im].into_iter().for_each(|x| x.fill(T::NAN));
        return Ok(());
    }
    let scaling = rescaling(largest);
    if let Some(factor) = scaling {
        scale(a, factor);
    }
    let wanted = !v_re.is_empty();
    let balance = balance(a, n)?;
    let mut z = Block::new(if wanted { n * n } else { 0 })?;
    if !schur::decompose(a, &mut z, n, wanted)? {
        return Err(Fault::Order(n));
    }
    schur::values(a, n, re, im);
    if wanted {
        // X of T X = X Λ first, in the place of V: column j the real, column j + 1 the imaginary part of a pair.
        Substitution { t: a, n, least: T::EPSILON * magnitude(a) }.vectors(re, im, v_im);
        multiply(
            T::ONE,
            Matrix::of_columns(&z, n, n, n),
            Matrix::of_columns(v_im, n, n, n),
            Target { data: v_re, row: 1, column: n },
            false,
        )?;
        for column in v_re.chunks_exact_mut(n) {
            column.iter_mut().zip(&balance[..]).for_each(|(x, &d)| *x *= d);
        }
        normalize(n, im, v_re, v_im);
    }
    if let Some(factor) = scaling {
        scale(re, T::ONE / factor);
        scale(im, T::ONE / factor);
    }
    Ok(())
}

/// Makes D⁻¹ A D of A with D of powers of two, whose rows and columns are about as long (Parlett and Reinsch 1969; James, Langou and Lowery
/// 2014); returns D.
fn balance<T: Lanes>(a: &mut [T], n: usize) -> Result<Block<T>, OutOfMemory> {
    let mut d = Block::filled(n, T::ONE)?;
    let (two, mut sweeps) = (T::from_f64(2.0), 0);
    let most = T::from_f64(if size_of::<T>() == 4 { 1e15 } else { 1e140 });
    let mut changed = true;
    while changed && sweeps < 20 {
        (changed, sweeps) = (false, sweeps + 1);
        for i in 0..n {
            let row = |a: &[T]| (0..n).fold(T::ZERO, |sum, j| sum + a[j * n + i] * a[j * n + i]).sqrt();
            let (mut c, mut r) = (norm(&a[i * n..][..n]), row(a));
            if c == T::ZERO || r == T::ZERO {
                continue;
            }
            let (before, mut factor) = (c + r, T::ONE);
            while c < r / two && factor < most {
                (c, r, factor) = (c * two, r / two, factor * two);
            }
            while c >= r * two && factor > T::ONE / most {
                (c, r, factor) = (c / two, r * two, factor / two);
            }
            let far = |x: T| x > most || x < T::ONE / most;
            if c + r >= T::from_f64(0.95) * before || far(d[i] * factor) {
                continue;
            }
            changed = true;
            d[i] *= factor;
            (0..n).for_each(|j| a[j * n + i] *= T::ONE / factor);
            scale(&mut a[i * n..][..n], factor);
        }
    }
    Ok(d)
}

/// Divides vectors by their length, and turns the largest element of those of pairs to the real axis.
fn normalize<T: Lanes>(n: usize, im: &[T], v_re: &mut [T], v_im: &mut [T]) {
    v_im.fill(T::ZERO);
    let mut j = 0;
    while j < n {
        let (x, rest) = v_re[j * n..].split_at_mut(n);
        if im[j] == T::ZERO {
            scale(x, T::ONE / norm(x));
            j += 1;
            continue;
        }
        // The conjugate's place holds the imaginary part so far.
        let (x2, (y, y2)) = (&mut rest[..n], v_im[j * n..(j + 2) * n].split_at_mut(n));
        y.copy_from_slice(x2);
        let (a, b) = (norm(x), norm(y));
        let most = a.maximum(b);
        let length = most * ((a / most) * (a / most) + (b / most) * (b / most)).sqrt();
        scale(x, T::ONE / length);
        scale(y, T::ONE / length);
        let square = |i: usize| x[i] * x[i] + y[i] * y[i];
        let largest = (0..n).fold(0, |m, i| if square(i) > square(m) { i } else { m });
        let r = square(largest).sqrt();
        let (cos, sin) = (x[largest] / r, y[largest] / r);
        for (x, y) in x.iter_mut().zip(&mut *y) {
            (*x, *y) = (cos * *x + sin * *y, cos * *y - sin * *x);
        }
        y[largest] = T::ZERO;
        x2.copy_from_slice(x);
        y2.iter_mut().zip(&*y).for_each(|(to, &from)| *to = -from);
        j += 2;
    }
}

/// Back substitution in T − λ.
struct Substitution<'a, T> {
    t: &'a [T],
    n: usize,
    /// What stands for a pivot that vanishes.
    least: T,
}

type Complex<T> = [T; 2];

impl<T: Lanes> Substitution<'_, T> {
    fn at(&self, i: usize, j: usize) -> T {
        self.t[j * self.n + i]
    }

    /// The vectors of T column by column.
    fn vectors(&self, re: &[T], im: &[T], x: &mut [T]) {
        let n = self.n;
        x.fill(T::ZERO);
        let mut k = 0;
        while k < n {
            let (x, rest) = x[k * n..].split_at_mut(n);
            if im[k] == T::ZERO {
                x[k] = T::ONE;
                (0..k).for_each(|i| x[i] = -self.at(i, k));
                self.solve(k, [re[k], T::ZERO], x, &mut []);
                k += 1;
                continue;
            }
            let y = &mut rest[..n];
            // (1, i μ / b) or (−μ / c, i) of the block [[a, b], [c, a]]
            let (b, c) = (self.at(k, k + 1), self.at(k + 1, k));
            (x[k], y[k + 1]) = if b.abs() >= c.abs() { (T::ONE, im[k] / b) } else { (-im[k] / c, T::ONE) };
            (0..k).for_each(|i| (x[i], y[i]) = (-self.at(i, k) * x[k], -self.at(i, k + 1) * y[k + 1]));
            self.solve(k, [re[k], im[k]], x, y);
            k += 2;
        }
    }

    /// Solves (T − λ) x = b for the first `rows` rows; what lies below is scaled alike. `y` is empty where λ is real.
    fn solve(&self, rows: usize, lambda: Complex<T>, x: &mut [T], y: &mut [T]) {
        let mut end = rows;
        while end > 0 {
            let j = end - 1;
            let paired = j > 0 && self.at(j, j - 1) != T::ZERO;
            let start = if paired { j - 1 } else { j };
            let get = |y: &[T], i: usize| if y.is_empty() { T::ZERO } else { y[i] };
            let d = |i: usize| [self.at(i, i) - lambda[0], -lambda[1]];
            if paired {
                let matrix = [[d(start), [self.at(start, j), T::ZERO]], [[self.at(j, start), T::ZERO], d(j)]];
                let right = [[x[start], get(y, start)], [x[j], get(y, j)]];
                let found = self.two(matrix, right);
                (x[start], x[j]) = (found[0][0], found[1][0]);
                if !y.is_empty() {
                    (y[start], y[j]) = (found[0][1], found[1][1]);
                }
            } else {
                let found = quotient([x[j], get(y, j)], self.pivot(d(j)));
                x[j] = found[0];
                if !y.is_empty() {
                    y[j] = found[1];
                }
            }
            self.restrain(start..end, x, y);
            for i in start..end {
                let column = &self.t[i * self.n..][..start];
                add_scaled(-x[i], column, &mut x[..start]);
                if !y.is_empty() {
                    add_scaled(-y[i], column, &mut y[..start]);
                }
            }
            end = start;
        }
    }

    /// A number to divide by.
    fn pivot(&self, x: Complex<T>) -> Complex<T> {
        let least = self.least.maximum(T::from_f64(if size_of::<T>() == 4 { 1e-30 } else { 1e-290 }));
        if x[0].abs() + x[1].abs() < least { [least, T::ZERO] } else { x }
    }

    /// Solves two equations, the larger element of the first column first.
    fn two(&self, [first, second]: [[Complex<T>; 2]; 2], right: [Complex<T>; 2]) -> [Complex<T>; 2] {
        let size = |x: Complex<T>| x[0].abs() + x[1].abs();
        let ([p, q], [r, s], b, c) = if size(first[0]) >= size(second[0]) {
            (first, second, right[0], right[1])
        } else {
            (second, first, right[1], right[0])
        };
        let p = self.pivot(p);
        let factor = quotient(r, p);
        let y = quotient(minus(c, times(factor, b)), self.pivot(minus(s, times(factor, q))));
        [quotient(minus(b, times(q, y)), p), y]
    }

    /// Scales a vector whose newest elements have grown so far that the next could overflow.
    fn restrain(&self, newest: std::ops::Range<usize>, x: &mut [T], y: &mut [T]) {
        let far = T::from_f64(if size_of::<T>() == 4 { 1e15 } else { 1e100 });
        let of = |x: &[T]| x.get(newest.clone()).map_or(T::ZERO, |x| x.iter().fold(T::ZERO, |m, x| m.maximum(x.abs())));
        let most = of(x).maximum(of(y));
        if most > far {
            scale(x, T::ONE / most);
            scale(y, T::ONE / most);
        }
    }
}

fn times<T: Real>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn minus<T: Real>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    [a[0] - b[0], a[1] - b[1]]
}

/// a / b without a square of b (Smith 1962).
fn quotient<T: Real>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    if b[1] == T::ZERO {
        return [a[0] / b[0], a[1] / b[0]];
    }
    if b[0].abs() >= b[1].abs() {
        let r = b[1] / b[0];
        let d = b[0] + b[1] * r;
        [(a[0] + a[1] * r) / d, (a[1] - a[0] * r) / d]
    } else {
        let r = b[0] / b[1];
        let d = b[0] * r + b[1];
        [(a[0] * r + a[1]) / d, (a[1] * r - a[0]) / d]
    }
}
