//! A = U S Vᵀ: where A is small by rotations of its columns (Hestenes 1958), after a QR factorization where it is tall; else
//! by bidiagonal form.

use super::batch::{each, load, matrix, sizes};
use super::columns::{inner, magnitude, norm, rescaling, scale};
use super::eigh::{SMALL, rotate_columns, rotation};
use super::matrix::{Matrix, Target, multiply};
use super::qr::{self, Kind};
use super::reflections::Reflections;
use super::{Failure, Fault};
use super::{bidiagonal, divide, dqds, lanes, tall};
use crate::buffer::{Block, OutOfMemory, list};
use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Lanes, isa};
use crate::view::View;

/// Far more sweeps than a matrix of that order takes.
const SWEEPS: usize = 60;

/// Which singular vectors are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// None.
    None,
    /// min(m, n) on either side.
    Thin,
    /// m on the left and n on the right.
    Full,
}

impl Vectors {
    /// How many columns U and V of an (m, n) matrix have.
    pub fn columns(self, [m, n]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::None => [0, 0],
            Self::Thin => [m.min(n); 2],
            Self::Full => [m, n],
        }
    }
}

compiled! {
    /// Singular values in decreasing order, `(batch, k)` with k = min(m, n), and the columns of U and V, column by column.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix whose iteration did not converge.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn svd<T: Lanes>(a: View<'_, T>, vectors: Vectors, s: &mut [T], u: &mut [T], v: &mut [T]) -> Result<(), Failure> {
        let [batch, m, n] = sizes(a);
        let [ku, kv] = vectors.columns([m, n]);
        let k = m.min(n);
        let fits = u.len() == count(&[batch, m, ku]) && v.len() == count(&[batch, n, kv]);
        assert!(s.len() == count(&[batch, k]) && fits, "results for each matrix");
        if s.is_empty() && u.is_empty() && v.is_empty() {
            return Ok(());
        }
        let factor = |i: usize, s: &mut [T], u: &mut [T], v: &mut [T]| {
            let a = matrix(a, i);
            // A wide matrix is a tall one across.
            if m < n { one(a.t(), vectors, s, [v, u]) } else { one(a, vectors, s, [u, v]) }
        };
        if lanes::suit(a) && (vectors != Vectors::Full || m == n) {
            return lanes::svd(a, s, u, v)?.into_iter().try_for_each(|i| {
                let (s, u, v) = (&mut s[i * k..][..k], &mut u[i * m * ku..][..m * ku], &mut v[i * n * kv..][..n * kv]);
                factor(i, s, u, v).map_err(|fault| fault.of(i))
            });
        }
        each(batch, 40.0 * (m * n) as f64 * k as f64 + 100.0, [s, u, v], |i, [s, u, v]| factor(i, s, u, v))
    }
}

/// The decomposition of a matrix with no more columns than rows.
fn one<T: Lanes>(a: Matrix<'_, T>, vectors: Vectors, s: &mut [T], [u, v]: [&mut [T]; 2]) -> Result<(), Fault> {
    let (m, n) = (a.rows, a.columns);
    if m >= 2 * n && tall::suits(m, n) {
        return by_triangle(a, vectors, s, [u, v]);
    }
    let mut work = Block::new(m * n)?;
    load(a, &mut work);
    let largest = magnitude(&work);
    if !largest.is_finite() {
        [s, u, v].into_iter().for_each(|result| result.fill(T::NAN));
        return Ok(());
    }
    let scaling = rescaling(largest);
    if let Some(factor) = scaling {
        scale(&mut work, factor);
    }
    let (converged, rank) = if n <= SMALL {
        let converged = small(&mut work, m, vectors, s, [&mut *u, v])?;
        (converged, s.iter().take_while(|&&x| x > negligible(s[0])).count())
    } else if vectors == Vectors::None {
        (alone(&mut work, [m, n], s)?, n)
    } else {
        (by_bidiagonal(&mut work, [m, n], s, [&mut u[..m * n], v])?, n)
    };
    complete(u, m, rank)?;
    if let Some(factor) = scaling {
        scale(s, T::ONE / factor);
    }
    if converged { Ok(()) } else { Err(Fault::Order(n)) }
}

/// The values alone, by those of a bidiagonal matrix; whether that converged.
fn alone<T: Lanes>(a: &mut [T], [m, n]: [usize; 2], s: &mut [T]) -> Result<bool, OutOfMemory> {
    let (mut diagonal, mut beside) = (Block::new(n)?, Block::new(n - 1)?);
    bidiagonal::reduce(isa(), a, [m, n], [&mut diagonal, &mut beside], &mut [])?;
    let largest = magnitude(&diagonal).to_f64().max(magnitude(&beside).to_f64());
    if largest == 0.0 {
        s.fill(T::ZERO);
        return Ok(true);
    }
    let scaled = |x: &[T]| -> Result<Block<f64>, OutOfMemory> {
        let mut scaled = Block::new(x.len())?;
        scaled.iter_mut().zip(x).for_each(|(to, x)| *to = x.to_f64() / largest);
        Ok(scaled)
    };
    let found = dqds::singular_values(&scaled(&diagonal)?, &scaled(&beside)?, T::EPSILON.to_f64())?;
    let values = found.as_deref().unwrap_or_default();
    s.iter_mut().zip(values).for_each(|(s, x)| *s = T::from_f64(x * largest));
    Ok(found.is_some())
}

/// A = Q B Pᵀ and B = U₁ S V₁ᵀ give U = Q U₁ and V = P V₁; whether the iteration converged.
fn by_bidiagonal<T: Lanes>(a: &mut [T], [m, n]: [usize; 2], s: &mut [T], [u, v]: [&mut [T]; 2]) -> Result<bool, OutOfMemory> {
    let (mut diagonal, mut beside) = (Block::new(n)?, Block::new(n - 1)?);
    let mut rows = Block::new(n * n)?;
    let [left, right] = bidiagonal::reduce(isa(), a, [m, n], [&mut diagonal, &mut beside], &mut rows)?;
    let mut inner = Block::new(n * n)?;
    let converged = divide::bidiagonal([&diagonal, &beside], s, [&mut inner, v])?;
    for (to, from) in u.chunks_exact_mut(m).zip(inner.chunks_exact(n)) {
        to[..n].copy_from_slice(from);
        to[n..].fill(T::ZERO);
    }
    Reflections { v: a, tau: &left, rows: m, shift: 0 }.apply(isa(), u)?;
    Reflections { v: &rows, tau: &right, rows: n, shift: 1 }.apply(isa(), v)?;
    Ok(converged)
}

/// A = Q R and R = U₁ S Vᵀ give U = Q U₁ (Chan 1982).
fn by_triangle<T: Lanes>(a: Matrix<'_, T>, vectors: Vectors, s: &mut [T], [u, v]: [&mut [T]; 2]) -> Result<(), Fault> {
    let (m, n) = (a.rows, a.columns);
    let wanted = vectors != Vectors::None;
    let (mut q, mut r) = (Block::new(if wanted { m * n } else { 0 })?, Block::new(n * n)?);
    qr::one(a, Kind { full: false, non_negative: false }, &mut q, &mut r)?;
    let mut inner = Block::new(if wanted { n * n } else { 0 })?;
    let small = if wanted { Vectors::Thin } else { Vectors::None };
    one(Matrix::of_columns(&r, n, n, n), small, s, [&mut inner, v])?;
    if wanted {
        let (q, inner) = (Matrix::of_columns(&q, m, n, m), Matrix::of_columns(&inner, n, n, n));
        multiply(T::ONE, q, inner, Target { data: &mut u[..m * n], row: 1, column: m }, false)?;
        if s.iter().all(|s| s.is_finite()) {
            complete(u, m, n)?;
        } else {
            u.fill(T::NAN);
        }
    }
    Ok(())
}

/// By rotations, of s.len() columns of m; overwrites them.
fn small<T: Lanes>(a: &mut [T], m: usize, vectors: Vectors, s: &mut [T], [u, v]: [&mut [T]; 2]) -> Result<bool, OutOfMemory> {
    let n = s.len();
    if n == 0 {
        return Ok(true);
    }
    if m == n {
        let converged = orthogonalize(a, n, v);
        finish(a, m, vectors, s, [u, v])?;
        return Ok(converged);
    }
    let (mut q, mut r) = (Block::new(m * n)?, Block::new(n * n)?);
    qr::one(Matrix::of_columns(a, m, n, m), Kind { full: false, non_negative: false }, &mut q, &mut r)?;
    let converged = orthogonalize(&mut r, n, v);
    multiply(
        T::ONE,
        Matrix::of_columns(&q, m, n, m),
        Matrix::of_columns(&r, n, n, n),
        Target { data: a, row: 1, column: m },
        false,
    )?;
    finish(a, m, vectors, s, [u, v])?;
    Ok(converged)
}

/// Rotates pairs of n columns of n until all are orthogonal, and the identity in `v`, unless it is empty, alike.
fn orthogonalize<T: Real>(a: &mut [T], n: usize, v: &mut [T]) -> bool {
    v.fill(T::ZERO);
    v.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
    let small = negligible(norm(a));
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (left, right) = a.split_at_mut(q * n);
                let (x, y) = (&mut left[p * n..][..n], &mut right[..n]);
                let (xx, yy, xy) = (inner(x, x), inner(y, y), inner(x, y));
                let (length_x, length_y) = (xx.sqrt(), yy.sqrt());
                if length_x <= small || length_y <= small || xy.abs() <= T::EPSILON * length_x * length_y {
                    continue;
                }
                rotated = true;
                let (c, s, _) = rotation(xx, yy, xy);
                rotate_columns(x, y, c, s);
                if !v.is_empty() {
                    let (left, right) = v.split_at_mut(q * n);
                    rotate_columns(&mut left[p * n..][..n], &mut right[..n], c, s);
                }
            }
        }
        if !rotated {
            return true;
        }
    }
    false
}

/// The length up to which a column of a matrix of this norm says nothing: far below its rounding.
fn negligible<T: Real>(norm: T) -> T {
    norm * T::EPSILON * T::EPSILON
}

/// Orders orthogonal columns by their lengths, the singular values, and makes them unit vectors; columns of length 0, and
/// those that a full U needs, are completed.
fn finish<T: Lanes>(a: &[T], m: usize, vectors: Vectors, s: &mut [T], [u, v]: [&mut [T]; 2]) -> Result<(), OutOfMemory> {
    let n = s.len();
    let (mut lengths, mut order) = (list::<T>(n)?, list::<usize>(n)?);
    lengths.extend(a.chunks_exact(m).map(norm));
    order.extend(0..n);
    order.sort_by(|&i, &j| lengths[j].partial_cmp(&lengths[i]).unwrap_or(std::cmp::Ordering::Equal));
    order.iter().zip(&mut *s).for_each(|(&from, s)| *s = lengths[from]);
    if vectors == Vectors::None {
        return Ok(());
    }
    let unordered = Block::copied(v)?;
    for (&from, to) in order.iter().zip(v.chunks_exact_mut(n)) {
        to.copy_from_slice(&unordered[from * n..][..n]);
    }
    let least = negligible(s[0]);
    let rank = s.iter().take_while(|&&s| s > least).count();
    for (&from, to) in order.iter().zip(u.chunks_exact_mut(m)).take(rank) {
        to.iter_mut().zip(&a[from * m..][..m]).for_each(|(to, &x)| *to = x / lengths[from]);
    }
    Ok(())
}

/// Replaces the columns of U from the first `rank` on by others that are orthonormal to those and among themselves.
fn complete<T: Lanes>(u: &mut [T], m: usize, rank: usize) -> Result<(), OutOfMemory> {
    if rank * m < u.len() {
        // The first columns of a full Q of orthonormal columns are these, up to signs.
        let (mut q, mut r) = (Block::new(count(&[m, m]))?, Block::new(count(&[m, rank]))?);
        qr::one(Matrix::of_columns(u, m, rank, m), Kind { full: true, non_negative: false }, &mut q, &mut r)?;
        let columns = u.len();
        u[rank * m..].copy_from_slice(&q[rank * m..columns]);
    }
    Ok(())
}
