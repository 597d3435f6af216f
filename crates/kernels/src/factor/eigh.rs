//! A = V Λ Vᵀ for symmetric A: by rotations where A is small (Jacobi 1846), else by tridiagonal form.

use super::batch::{each, load, matrix, sizes};
use super::columns::{magnitude, norm, rescaling, scale};
use super::householder::{self, PanelReflections};
use super::implicit;
use super::matrix::Matrix;
use super::reflections::Reflections;
use super::{Failure, Fault};
use super::{divide, lanes, tridiagonal};
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Lanes, isa};
use crate::view::View;

/// The largest order that rotations are for.
pub(super) const SMALL: usize = 16;
/// Far more sweeps than a matrix of that order takes.
const SWEEPS: usize = 60;

compiled! {
    /// Eigenvalues in increasing order, `(batch, n)`, and orthonormal vectors column by column, or none where `vectors` is empty;
    /// from the lower triangle of A.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix whose iteration did not converge.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn eigh<T: Lanes>(a: View<'_, T>, values: &mut [T], vectors: &mut [T]) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(a);
        assert!(n == columns && values.len() == count(&[batch, n]), "a value for each row of square matrices");
        assert!(vectors.is_empty() || vectors.len() == count(&[batch, n, n]), "a vector for each value");
        if values.is_empty() {
            return Ok(());
        }
        let one = |i: usize, values: &mut [T], vectors: &mut [T]| -> Result<(), Fault> {
            let mut work = Block::new(n * n)?;
            load(matrix(a, i), &mut work);
            for j in 0..n {
                if n <= SMALL {
                    (0..j).for_each(|i| work[j * n + i] = work[i * n + j]);
                } else {
                    work[j * n..][..j].fill(T::ZERO);
                }
            }
            let largest = magnitude(&work);
            if !largest.is_finite() {
                values.fill(T::NAN);
                vectors.fill(T::NAN);
                return Ok(());
            }
            let scaling = rescaling(largest);
            if let Some(factor) = scaling {
                scale(&mut work, factor);
            }
            let converged =
                if n <= SMALL { rotate(&mut work, n, values, vectors) } else { by_tridiagonal(&mut work, values, vectors)? };
            if let Some(factor) = scaling {
                scale(values, T::ONE / factor);
            }
            if converged { Ok(()) } else { Err(Fault::Order(n)) }
        };
        if lanes::suit(a) {
            let width = vectors.len() / batch;
            return lanes::eigh(a, values, vectors)?.into_iter().try_for_each(|i| {
                let (values, vectors) = (&mut values[i * n..][..n], &mut vectors[i * width..][..width]);
                one(i, values, vectors).map_err(|fault| fault.of(i))
            });
        }
        each(batch, 30.0 * (n as f64).powi(3) + 100.0, [values, vectors], |i, [values, vectors]| one(i, values, vectors))
    }
}

/// By the tridiagonal matrix of the same values.
fn by_tridiagonal<T: Lanes>(a: &mut [T], values: &mut [T], vectors: &mut [T]) -> Result<bool, OutOfMemory> {
    let n = values.len();
    let (mut diagonal, mut beside) = (Block::new(n)?, Block::new(n - 1)?);
    let tau = tridiagonal::reduce(isa(), a, &mut diagonal, &mut beside)?;
    if !vectors.is_empty() {
        let converged = divide::tridiagonal([&diagonal, &beside], values, vectors)?;
        if size_of_val(a) <= params().factor.mirrored_bytes {
            reflect_rows(a, &tau, vectors)?;
        } else {
            Reflections { v: a, tau: &tau, rows: n, shift: 1 }.apply(isa(), vectors)?;
        }
        return Ok(converged);
    }
    let converged = implicit::values(&mut diagonal, &mut beside);
    let order = implicit::order(&diagonal)?;
    values.iter_mut().zip(&order).for_each(|(value, &from)| *value = diagonal[from]);
    Ok(converged)
}

/// Multiplies n columns of n by the reflections whose vectors begin one row below the diagonal, row by row.
fn reflect_rows<T: Lanes>(v: &[T], tau: &[T], columns: &mut [T]) -> Result<(), OutOfMemory> {
    let steps = tau.len();
    let n = steps + 1;
    let mut memory = Block::new(householder::len(steps, steps))?;
    let mut reflections = PanelReflections::new(&mut memory, steps, steps);
    reflections.take(isa(), &v[1..], n, tau);
    let mut rows = Block::new(count(&[n, n]))?;
    load(Matrix::of_rows(columns, n, n, n), &mut rows);
    reflections.apply(isa(), &mut rows[n..], n);
    load(Matrix::of_rows(&rows, n, n, n), columns);
    Ok(())
}

/// (c, s) of the rotation that makes [[a, g], [g, b]] diagonal, and the tangent of its angle, at most 1.
pub(super) fn rotation<T: Real>(a: T, b: T, g: T) -> (T, T, T) {
    let zeta = (b - a) / (g + g);
    let t = T::ONE / (zeta.abs() + (T::ONE + zeta * zeta).sqrt());
    let t = if zeta < T::ZERO { -t } else { t };
    let c = T::ONE / (T::ONE + t * t).sqrt();
    (c, c * t, t)
}

/// x, y = c x − s y, s x + c y
pub(super) fn rotate_columns<T: Real>(x: &mut [T], y: &mut [T], c: T, s: T) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// Sweeps over all pairs until what is off the diagonal is rounding.
fn rotate<T: Real>(a: &mut [T], n: usize, values: &mut [T], vectors: &mut [T]) -> bool {
    let mut v = Block::small(if vectors.is_empty() { 0 } else { n * n });
    v.fill(T::ZERO);
    v.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
    let least = T::EPSILON * norm(a) * T::from_f64(1.0 / 16.0);
    let mut converged = false;
    for _ in 0..SWEEPS {
        converged = true;
        for p in 0..n {
            for q in p + 1..n {
                let g = a[q * n + p];
                if g.abs() <= least {
                    continue;
                }
                converged = false;
                let (c, s, t) = rotation(a[p * n + p], a[q * n + q], g);
                for k in (0..n).filter(|&k| k != p && k != q) {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    let (x, y) = (c * x - s * y, s * x + c * y);
                    (a[p * n + k], a[k * n + p]) = (x, x);
                    (a[q * n + k], a[k * n + q]) = (y, y);
                }
                a[p * n + p] -= t * g;
                a[q * n + q] += t * g;
                (a[q * n + p], a[p * n + q]) = (T::ZERO, T::ZERO);
                if !v.is_empty() {
                    let (left, right) = v.split_at_mut(q * n);
                    rotate_columns(&mut left[p * n..][..n], &mut right[..n], c, s);
                }
            }
        }
        if converged {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i * n + i].partial_cmp(&a[j * n + j]).unwrap_or(std::cmp::Ordering::Equal));
    for (to, &from) in order.iter().enumerate() {
        values[to] = a[from * n + from];
        if !v.is_empty() {
            vectors[to * n..][..n].copy_from_slice(&v[from * n..][..n]);
        }
    }
    converged
}
