//! Vectors and values of a tridiagonal or bidiagonal matrix by divide and conquer (Cuppen 1981; Gu and Eisenstat 1995, "A
//! divide-and-conquer algorithm for the bidiagonal SVD").
//!
//! The matrix is cut in two where one number (tridiagonal) or one row (bidiagonal) holds its halves together. In the halves' vectors it is
//! diagonal but for that: D + ρ z zᵀ, or a diagonal matrix D with z for its first row. What z does not reach stays as it is; the values of the
//! others are roots of a [secular] equation, and their vectors those of the halves times S, two products:
//!
//! ```text
//! solve(rows):
//!     few rows: a QR iteration
//!     solve(upper rows), solve(lower rows)
//!     z ← row of the halves' Q at the cut      [·  ·        ]       [·  ·  ·]
//!     columns z does not reach leave           [·  ·        ]       [·  ·  ·]
//!     equal values: rotated until one leaves   [       ·  · ]  · S  [·  ·  ·]  =  Q
//!     λ ← roots of the secular equation        [       ·  · ]       [·  ·  ·]
//!     S ← ẑⱼ / (pⱼ − λᵢ), unit columns
//! ```
//!
//! Columns that are zero in one half are kept together, so that the products leave those zeros out. The first and last row of each Q, which
//! make z, are kept in f64, and values with them, whatever the vectors are stored in.

use std::ops::Range;

use super::eigh::rotate_columns;
use super::golub_kahan::Bidiagonal;
use super::implicit::{self, Rotations};
use super::matrix::{Matrix, Target, multiply};
use super::secular::{self, Equation, LANES, Padded, Root, total};
use crate::buffer::{Block, OutOfMemory, list};
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Lanes};
use crate::threads;

/// The largest order that is not cut, of a tridiagonal matrix and of a bidiagonal one.
const LEAVES: [usize; 2] = [32, 16];
/// What z may be and not count, over the rounding of the largest value.
const NEGLIGIBLE: f64 = 4.0;
/// Nanoseconds that an element of S takes.
const NS_EACH: f64 = 2.0;

/// Eigenvalues of the tridiagonal matrix with this diagonal and `off` beside it, in increasing order, and their vectors, column by column; whether
/// that converged.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn tridiagonal<T: Lanes>([diagonal, off]: [&[T]; 2], values: &mut [T], vectors: &mut [T]) -> Result<bool, OutOfMemory> {
    let n = diagonal.len();
    assert!(off.len() + 1 == n && values.len() == n && vectors.len() == count(&[n, n]), "vectors of a matrix");
    let mut q = Block::filled(count(&[n, n]), T::ZERO)?;
    let (matrix, factor) = scaled([diagonal, off])?;
    let mut problem = Problem::<T, false>::new(matrix, [&mut q, &mut []], vectors, T::EPSILON.to_f64())?;
    let converged = problem.solve(0..n, 0)?;
    let Problem { d, order, .. } = problem;
    for (to, &from) in order.iter().enumerate() {
        values[to] = T::from_f64(d[from] * factor);
        vectors[to * n..][..n].copy_from_slice(&q[from * n..][..n]);
    }
    Ok(converged)
}

/// Singular values of the upper bidiagonal matrix with this diagonal and `off` beside it, in decreasing order, and the vectors of
/// either side, column by column; whether that converged.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn bidiagonal<T: Lanes>(
    [diagonal, off]: [&[T]; 2],
    values: &mut [T],
    vectors: [&mut [T]; 2],
) -> Result<bool, OutOfMemory> {
    let n = diagonal.len();
    let [u, v] = vectors;
    let fits = u.len() == count(&[n, n]) && v.len() == u.len();
    assert!(off.len() + 1 == n && values.len() == n && fits, "vectors of a matrix");
    let (mut left, mut right) = (Block::filled(u.len(), T::ZERO)?, Block::filled(v.len(), T::ZERO)?);
    let (matrix, factor) = scaled([diagonal, off])?;
    let mut problem = Problem::<T, true>::new(matrix, [&mut right, &mut left], v, T::EPSILON.to_f64())?;
    let converged = problem.solve(0..n, 0)?;
    let Problem { d, order, .. } = problem;
    for (to, &from) in order.iter().rev().enumerate() {
        values[to] = T::from_f64(d[from] * factor);
        u[to * n..][..n].copy_from_slice(&left[from * n..][..n]);
        v[to * n..][..n].copy_from_slice(&right[from * n..][..n]);
    }
    Ok(converged)
}

/// The matrix divided by a number that makes its largest element about 1, and that number.
fn scaled<T: Real>(matrix: [&[T]; 2]) -> Result<([Vec<f64>; 2], f64), OutOfMemory> {
    let largest = matrix.iter().copied().flatten().fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
    let factor = if largest > 0.0 { largest.log2().floor().exp2() } else { 1.0 };
    let part = |x: &[T]| -> Result<Vec<f64>, OutOfMemory> {
        let mut scaled = list(x.len())?;
        scaled.extend(x.iter().map(|x| x.to_f64() / factor));
        Ok(scaled)
    };
    Ok(([part(matrix[0])?, part(matrix[1])?], factor))
}

/// Where the columns of a half are not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Upper,
    Both,
    Lower,
}

/// A matrix on its way: bidiagonal, with vectors on both sides, where `SQUARES`, else tridiagonal.
struct Problem<'a, T, const SQUARES: bool> {
    /// The diagonal, and what is beside it.
    matrix: [Vec<f64>; 2],
    /// Vectors on the right side, and on the left where those are others: columns of n.
    sides: [&'a mut [T]; 2],
    /// As much memory as one side's.
    work: &'a mut [T],
    /// The rounding of a number.
    epsilon: f64,
    /// A column's value, and its first and last element in the part of the matrix that it belongs to.
    d: Vec<f64>,
    ends: Vec<[f64; 2]>,
    /// The columns of each part that is solved, by increasing values.
    order: Vec<usize>,
    /// A column's share of z, and where it is not zero.
    z: Vec<f64>,
    reach: Vec<Reach>,
    merging: Merging,
}

/// What a merge takes memory for.
#[derive(Default)]
struct Merging {
    sorted: Vec<usize>,
    /// Columns that z reaches, by value.
    kept: Vec<usize>,
    /// The same by where they are not zero.
    grouped: Vec<usize>,
    /// Columns that stay as they are.
    left: Vec<usize>,
    d: Vec<f64>,
    z: Vec<f64>,
    column: Vec<f64>,
    terms: Vec<Terms>,
    roots: Vec<Root>,
}

/// What some columns of the halves are to a vector of the whole, those that fill up others nothing.
#[derive(Clone, Copy)]
struct Terms {
    d: [f64; LANES],
    z: [f64; LANES],
    first: [f64; LANES],
    last: [f64; LANES],
}

impl Terms {
    const NOTHING: Self = Self { d: [f64::INFINITY; LANES], z: [0.0; LANES], first: [0.0; LANES], last: [0.0; LANES] };
}

impl<'a, T: Lanes, const SQUARES: bool> Problem<'a, T, SQUARES> {
    fn new(matrix: [Vec<f64>; 2], sides: [&'a mut [T]; 2], work: &'a mut [T], epsilon: f64) -> Result<Self, OutOfMemory> {
        let n = matrix[0].len();
        let numbers = || -> Result<Vec<f64>, OutOfMemory> {
            let mut numbers = list(n)?;
            numbers.resize(n, 0.0);
            Ok(numbers)
        };
        let (mut ends, mut order, mut reach) = (list(n)?, list(n)?, list(n)?);
        ends.resize(n, [0.0; 2]);
        order.extend(0..n);
        reach.resize(n, Reach::Both);
        Ok(Self { matrix, sides, work, epsilon, d: numbers()?, ends, order, z: numbers()?, reach, merging: Merging::default() })
    }

    /// Solves the part of these rows, which a bidiagonal matrix has `more` columns for: a right vector of no value then stands last. Whether
    /// that converged.
    fn solve(&mut self, rows: Range<usize>, more: usize) -> Result<bool, OutOfMemory> {
        if rows.len() <= LEAVES[usize::from(SQUARES)] {
            return self.leaf(rows, more);
        }
        let middle = rows.start + rows.len() / 2;
        let converged = if SQUARES {
            // The row in the middle belongs to neither half, and the upper one has its column.
            let converged = self.solve(rows.start..middle, 1)? && self.solve(middle + 1..rows.end, more)?;
            self.sides[1][middle * self.d.len() + middle] = T::ONE;
            converged
        } else {
            // A cut takes what is beside the diagonal from both sides of it.
            let off = self.matrix[1][middle - 1].abs();
            self.matrix[0][middle - 1] -= off;
            self.matrix[0][middle] -= off;
            self.solve(rows.start..middle, 0)? && self.solve(middle..rows.end, 0)?
        };
        if converged {
            self.merge(rows, middle, more)?;
        }
        Ok(converged)
    }

    /// By a QR iteration in f64.
    fn leaf(&mut self, rows: Range<usize>, more: usize) -> Result<bool, OutOfMemory> {
        let (n, start, order, width) = (self.d.len(), rows.start, rows.len(), rows.len() + more);
        if width == 0 {
            return Ok(true);
        }
        let mut right = identity(width)?;
        let [d, off] = &mut self.matrix;
        let (d, off) = (&mut d[rows.clone()], &mut off[start..start + width - 1]);
        let converged = if SQUARES {
            let mut left = identity(order)?;
            let converged = Bidiagonal { d, off, left: &mut left, right: &mut right }.solve();
            store(&left, order, &mut self.sides[1][start * n + start..], n);
            converged
        } else {
            let mut rotations = Rotations::new(order);
            let converged = implicit::values(d, off, Some(&mut rotations));
            rotations.apply(&mut right, order);
            converged
        };
        store(&right, width, &mut self.sides[0][start * n + start..], n);
        for (ends, column) in self.ends[start..].iter_mut().zip(right.chunks_exact(width)) {
            *ends = [column[0], column[width - 1]];
        }
        self.d[rows.clone()].copy_from_slice(&self.matrix[0][rows.clone()]);
        self.order[rows].sort_by(|&i, &j| self.d[i].total_cmp(&self.d[j]));
        Ok(converged)
    }

    fn merge(&mut self, rows: Range<usize>, middle: usize, more: usize) -> Result<(), OutOfMemory> {
        let Range { start, end } = rows;
        // The first column of the lower half.
        let cut = if SQUARES { middle + 1 } else { middle };
        let columns = start..end + more;
        let rho = self.join(columns.clone(), middle, cut);
        if SQUARES && more == 1 {
            self.share(columns.clone(), middle);
        }
        self.sort(start..end, middle, cut);
        let kept = self.deflate(rows.clone(), middle, rho);
        if kept == 0 {
            self.order[start..end].sort_by(|&i, &j| self.d[i].total_cmp(&self.d[j]));
            return Ok(());
        }
        self.roots(rho)?;
        self.combine(rows, cut, more)
    }

    /// z of all columns, of length 1, and what stands before z zᵀ.
    fn join(&mut self, columns: Range<usize>, middle: usize, cut: usize) -> f64 {
        let off = self.matrix[1].get(middle - usize::from(!SQUARES)).copied().unwrap_or(0.0);
        let [upper, lower] = if SQUARES { [self.matrix[0][middle], off] } else { [1.0, off.signum()] };
        let mut square = 0.0;
        for j in columns.clone() {
            // The upper half ends at the cut, the lower begins there.
            let is_upper = j < cut;
            let [first, last] = self.ends[j];
            self.z[j] = if is_upper { upper * last } else { lower * first };
            self.ends[j] = if is_upper { [first, 0.0] } else { [0.0, last] };
            self.reach[j] = if is_upper { Reach::Upper } else { Reach::Lower };
            square += self.z[j] * self.z[j];
        }
        let length = square.sqrt();
        if length > 0.0 {
            self.z[columns].iter_mut().for_each(|z| *z /= length);
        }
        if SQUARES { square } else { square * off.abs() }
    }

    /// Of the two right vectors of no value, turns the first so that z reaches it alone.
    fn share(&mut self, columns: Range<usize>, middle: usize) {
        let last = columns.end - 1;
        let length = self.z[middle].hypot(self.z[last]);
        if length > 0.0 {
            self.rotate(0, [last, middle], columns, [self.z[middle] / length, self.z[last] / length]);
        }
        self.reach[middle] = Reach::Both;
    }

    /// Rotates two columns of a side so that (c, s) of z's shares are in the second: x, y = c x − s y, s x + c y.
    fn rotate(&mut self, side: usize, [x, y]: [usize; 2], rows: Range<usize>, [c, s]: [f64; 2]) {
        let n = self.d.len();
        let all = &mut *self.sides[side];
        let (low, high) = (x.min(y), x.max(y));
        let (before, after) = all.split_at_mut(high * n);
        let (a, b) = (&mut before[low * n..][rows.clone()], &mut after[rows]);
        let (a, b) = if x < y { (a, b) } else { (b, a) };
        let (cosine, sine) = (T::from_f64(c), T::from_f64(s));
        simd::run(
            #[inline(always)]
            || rotate_columns(a, b, cosine, sine),
        );
        if side == 0 {
            let (first, second) = (self.ends[x], self.ends[y]);
            for k in 0..2 {
                (self.ends[x][k], self.ends[y][k]) = (c * first[k] - s * second[k], s * first[k] + c * second[k]);
            }
            let (first, second) = (self.z[x], self.z[y]);
            (self.z[x], self.z[y]) = (c * first - s * second, s * first + c * second);
        }
    }

    /// Columns by increasing values: those of the halves, each in order already, and first the one in between, of no value.
    fn sort(&mut self, columns: Range<usize>, middle: usize, cut: usize) {
        let (upper, lower) = (&self.order[columns.start..middle], &self.order[cut..columns.end]);
        let sorted = &mut self.merging.sorted;
        sorted.clear();
        if SQUARES {
            self.d[middle] = 0.0;
            sorted.push(middle);
        }
        let (mut i, mut j) = (0, 0);
        while i < upper.len() && j < lower.len() {
            let from_upper = self.d[upper[i]] <= self.d[lower[j]];
            sorted.push(if from_upper { upper[i] } else { lower[j] });
            *(if from_upper { &mut i } else { &mut j }) += 1;
        }
        sorted.extend_from_slice(&upper[i..]);
        sorted.extend_from_slice(&lower[j..]);
    }

    /// Tells columns that z reaches from those that keep their value, and turns columns of equal values so that z reaches one; how many
    /// it reaches.
    fn deflate(&mut self, rows: Range<usize>, middle: usize, rho: f64) -> usize {
        let sorted = std::mem::take(&mut self.merging.sorted);
        let (mut kept, mut left) = (std::mem::take(&mut self.merging.kept), std::mem::take(&mut self.merging.left));
        kept.clear();
        left.clear();
        let largest = sorted.iter().fold(0.0, |most: f64, &j| most.max(self.d[j].abs()));
        // What z takes to its square counts in squares.
        let weight = if SQUARES { rho.sqrt() } else { rho };
        let least = NEGLIGIBLE * self.epsilon * largest.max(weight);
        let mut before = None;
        for &j in sorted.iter().skip(usize::from(SQUARES)) {
            if SQUARES && self.d[j] <= least && weight * self.z[j].abs() > least {
                // As small as the value in the middle.
                let length = self.z[j].hypot(self.z[middle]);
                self.rotate(0, [j, middle], self.reached(0, &rows), [self.z[middle] / length, self.z[j] / length]);
                self.join_reach(j, middle);
                left.push(j);
                continue;
            }
            if weight * self.z[j].abs() <= least {
                left.push(j);
                continue;
            }
            let Some(i) = before.replace(j) else { continue };
            let length = self.z[i].hypot(self.z[j]);
            let (c, s) = (self.z[j] / length, self.z[i] / length);
            let apart = self.d[j] - self.d[i];
            if (apart * c * s).abs() > least {
                kept.push(i);
                continue;
            }
            for side in 0..1 + usize::from(SQUARES) {
                self.rotate(side, [i, j], self.reached(side, &rows), [c, s]);
            }
            self.d[j] -= apart * s * s;
            self.d[i] += apart * s * s;
            self.join_reach(i, j);
            left.push(i);
        }
        kept.extend(before);
        if SQUARES {
            // The one in the middle is kept, if only for what it is to the others.
            let few = kept.is_empty();
            if !few && weight * self.z[middle].abs() <= least {
                self.z[middle] = (least / weight).copysign(self.z[middle]);
            }
            kept.insert(0, middle);
        }
        left.sort_by(|&i, &j| self.d[i].total_cmp(&self.d[j]));
        let count = kept.len();
        (self.merging.sorted, self.merging.kept, self.merging.left) = (sorted, kept, left);
        count
    }

    /// The rows of a side that belong to these of the matrix.
    fn reached(&self, side: usize, rows: &Range<usize>) -> Range<usize> {
        // A right side has a row more, where there is one.
        rows.start..(rows.end + usize::from(SQUARES && side == 0)).min(self.d.len())
    }

    fn join_reach(&mut self, i: usize, j: usize) {
        if self.reach[i] != self.reach[j] {
            (self.reach[i], self.reach[j]) = (Reach::Both, Reach::Both);
        }
    }

    /// Finds the new values, and the column that they are exact for.
    fn roots(&mut self, rho: f64) -> Result<(), OutOfMemory> {
        let Merging { kept, grouped, d, z, column, terms, roots, .. } = &mut self.merging;
        let (k, padded) = (kept.len(), kept.len().next_multiple_of(LANES));
        for numbers in [&mut *d, z, column] {
            numbers.clear();
            numbers.try_reserve(padded).map_err(|_| OutOfMemory { bytes: padded * size_of::<f64>() })?;
        }
        d.extend(kept.iter().map(|&j| self.d[j]));
        z.extend(kept.iter().map(|&j| self.z[j]));
        column.resize(k, 0.0);
        roots.clear();
        roots.resize(k, Root::default());
        let (d, z) = (Padded::poles(d), Padded::shares(z));
        Equation::<SQUARES> { d, z, rho, epsilon: self.epsilon }.solve(roots);
        secular::column::<SQUARES>(d.numbers(), z.numbers(), roots, column);
        // By where columns are not zero; z is by value.
        kept.iter().zip(&*column).for_each(|(&j, &z)| self.z[j] = z);
        grouped.clear();
        grouped.extend_from_slice(kept);
        grouped.sort_by_key(|&j| self.reach[j]);
        terms.clear();
        terms.resize(padded / LANES, Terms::NOTHING);
        for (i, &j) in grouped.iter().enumerate() {
            let (terms, lane) = (&mut terms[i / LANES], i % LANES);
            (terms.d[lane], terms.z[lane]) = (self.d[j], self.z[j]);
            [terms.first[lane], terms.last[lane]] = self.ends[j];
        }
        Ok(())
    }

    /// Makes the vectors of the whole from those of the halves.
    fn combine(&mut self, rows: Range<usize>, cut: usize, more: usize) -> Result<(), OutOfMemory> {
        let (n, start, k) = (self.d.len(), rows.start, self.merging.kept.len());
        let Merging { grouped, left, terms, roots, .. } = &self.merging;
        let tops = grouped.partition_point(|&j| self.reach[j] == Reach::Upper);
        let both = grouped.partition_point(|&j| self.reach[j] != Reach::Lower);
        let sides = 1 + usize::from(SQUARES);
        let mut s = Block::new(count(&[sides, k, k]))?;
        let mut ends = list(k)?;
        ends.resize(k, [0.0; 2]);
        units::<T, SQUARES>(terms, roots, &mut s, &mut ends)?;
        for side in 0..sides {
            let rows = start..rows.end + if side == 0 { more } else { 0 };
            let heights = [cut.min(rows.end) - start, rows.end - cut.min(rows.end)];
            let s = Matrix::of_columns(&s[side * k * k..], k, k, k);
            let all = &mut *self.sides[side];
            let (upper, rest) = self.work.split_at_mut(heights[0] * both);
            let (lower, rest) = rest.split_at_mut(heights[1] * (k - tops));
            let height = rows.len();
            let copy = |from: &[usize], height: usize, first: usize, to: &mut [T]| {
                for (to, &j) in to.chunks_exact_mut(height.max(1)).zip(from) {
                    to.copy_from_slice(&all[j * n + first..][..height]);
                }
            };
            copy(&grouped[..both], heights[0], start, upper);
            copy(&grouped[tops..], heights[1], start + heights[0], lower);
            copy(left, height, start, rest);
            for (part, height, first, range) in [(&*upper, heights[0], start, 0..both), (lower, heights[1], cut, tops..k)] {
                if height == 0 {
                    continue;
                }
                if range.is_empty() {
                    (0..k).for_each(|i| all[(start + i) * n + first..][..height].fill(T::ZERO));
                    continue;
                }
                let part = Matrix::of_columns(part, height, range.len(), height);
                let s = s.block(range.start, 0, range.len(), k);
                multiply(T::ONE, part, s, Target { data: &mut all[start * n + first..], row: 1, column: n }, false)?;
            }
            for (i, from) in rest.chunks_exact(height).take(left.len()).enumerate() {
                all[(start + k + i) * n + start..][..height].copy_from_slice(from);
            }
        }
        // What columns were is read before others get their places.
        let mut stayed = list(left.len())?;
        stayed.extend(left.iter().map(|&j| (self.d[j], self.ends[j])));
        for (i, (root, ends)) in roots.iter().zip(ends).enumerate() {
            (self.d[start + i], self.ends[start + i]) = (root.value(), ends);
        }
        for (i, (d, ends)) in stayed.into_iter().enumerate() {
            (self.d[start + k + i], self.ends[start + k + i]) = (d, ends);
        }
        let (mut i, mut j) = (start, start + k);
        for place in rows.clone() {
            let from_roots = i < start + k && (j == rows.end || self.d[i] <= self.d[j]);
            let next = if from_roots { &mut i } else { &mut j };
            self.order[place] = *next;
            *next += 1;
        }
        Ok(())
    }
}

/// Columns of the identity.
fn identity(n: usize) -> Result<Block<f64>, OutOfMemory> {
    let mut identity = Block::filled(n * n, 0.0)?;
    identity.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    Ok(identity)
}

/// Puts columns of `height` into those that lie `stride` apart.
fn store<T: Real>(columns: &[f64], height: usize, to: &mut [T], stride: usize) {
    for (to, column) in to.chunks_mut(stride).zip(columns.chunks_exact(height.max(1))) {
        to.iter_mut().zip(column).for_each(|(to, &x)| *to = T::from_f64(x));
    }
}

/// Columns of S on the right, then on the left: ẑⱼ / (pⱼ − λᵢ) and, of squares, dⱼ times that, −1 for the value that is none; of length 1.
/// `ends` become those of the new vectors.
fn units<T: Lanes, const SQUARES: bool>(
    terms: &[Terms],
    roots: &[Root],
    s: &mut [T],
    ends: &mut [[f64; 2]],
) -> Result<(), OutOfMemory> {
    let k = roots.len();
    let (right, left) = s.split_at_mut(k * k);
    let mut columns = list(k)?;
    let mut left = left.chunks_exact_mut(k);
    for ((&root, right), ends) in roots.iter().zip(right.chunks_exact_mut(k)).zip(ends) {
        columns.push((root, right, left.next(), ends));
    }
    let parts = threads::parts(k, NS_EACH * k as f64);
    threads::split_mut(&mut columns, 1, parts, |_, columns| {
        simd::run(
            #[inline(always)]
            || {
                for (root, right, left, ends) in columns {
                    **ends = unit::<T, SQUARES>(terms, *root, right, left.as_deref_mut());
                }
            },
        );
    });
    Ok(())
}

#[inline(always)]
fn unit<T: Real, const SQUARES: bool>(terms: &[Terms], root: Root, right: &mut [T], left: Option<&mut [T]>) -> [f64; 2] {
    if right.len() == 1 {
        right[0] = T::ONE;
        if let Some(left) = left {
            left[0] = T::from_f64(1.0_f64.copysign(terms[0].z[0]));
        }
        return [terms[0].first[0], terms[0].last[0]];
    }
    let mut sums = [[0.0; LANES]; 4];
    for terms in terms {
        for l in 0..LANES {
            let x = terms.z[l] / root.gap::<SQUARES>(terms.d[l]);
            // The rest is times infinity.
            let scaled = if x == 0.0 { 0.0 } else { terms.d[l] * x };
            sums[0][l] += x * x;
            sums[1][l] += x * terms.first[l];
            sums[2][l] += x * terms.last[l];
            sums[3][l] += scaled * scaled;
        }
    }
    let [square, first, last, scaled] = sums.map(total);
    // Elements may be too large for T before they are divided by the length.
    let inverse = 1.0 / square.sqrt();
    let element = |terms: &Terms, l: usize| T::from_f64(terms.z[l] / root.gap::<SQUARES>(terms.d[l]) * inverse);
    fill(terms, right, element);
    if let Some(left) = left {
        let inverse = 1.0 / (1.0 + scaled).sqrt();
        let element = |terms: &Terms, l: usize| {
            let x = terms.d[l] * terms.z[l] / root.gap::<SQUARES>(terms.d[l]);
            // The term of no value is the only one whose d is 0.
            T::from_f64(inverse * if terms.d[l] == 0.0 { -1.0 } else { x })
        };
        fill(terms, left, element);
    }
    [first * inverse, last * inverse]
}

/// Makes each number that of a term.
#[inline(always)]
fn fill<T: Real>(terms: &[Terms], to: &mut [T], element: impl Fn(&Terms, usize) -> T) {
    let (whole, rest) = to.as_chunks_mut::<LANES>();
    for (to, terms) in whole.iter_mut().zip(terms) {
        for l in 0..LANES {
            to[l] = element(terms, l);
        }
    }
    if let Some(terms) = terms.last() {
        rest.iter_mut().enumerate().for_each(|(l, to)| *to = element(terms, l));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matrices that are hard in their own ways: a diagonal and what is beside it.
    fn hard(n: usize) -> Vec<(&'static str, Vec<f64>, Vec<f64>)> {
        let number = |i: usize, seed: usize| ((i * i * 7919 + i * 104_729 + seed) % 10_007) as f64 / 5000.0 - 1.0;
        let of = |f: &dyn Fn(usize) -> f64, n: usize| (0..n).map(f).collect::<Vec<_>>();
        let off = n.saturating_sub(1);
        vec![
            ("random", of(&|i| number(i, 1), n), of(&|i| number(i, 2), off)),
            ("second differences", vec![2.0; n], vec![-1.0; off]),
            ("ones", vec![1.0; n], vec![1.0; off]),
            ("Wilkinson's", of(&|i| (i as f64 - off as f64 / 2.0).abs(), n), vec![1.0; off]),
            ("zeros", vec![0.0; n], vec![0.0; off]),
            ("no diagonal", vec![0.0; n], of(&|i| number(i, 3), off)),
            ("diagonal", of(&|i| number(i % 3, 4), n), vec![0.0; off]),
            ("graded", of(&|i| 0.5_f64.powi(i as i32), n), of(&|i| 0.4_f64.powi(i as i32), off)),
            ("graded upward", of(&|i| 0.5_f64.powi((n - i) as i32), n), of(&|i| 0.4_f64.powi((n - i) as i32), off)),
            ("tiny beside", of(&|i| number(i, 5), n), vec![1e-18; off]),
            ("glued", of(&|i| (i as f64 % 11.0 - 5.0).abs(), n), of(&|i| if i % 11 == 10 { 1e-9 } else { 1.0 }, off)),
            (
                "zeros among",
                of(&|i| if i % 5 == 2 { 0.0 } else { number(i, 6) }, n),
                of(&|i| if i % 7 == 3 { 0.0 } else { 1.0 }, off),
            ),
        ]
    }

    /// The largest |QᵀQ − I|.
    fn off_orthogonal<T: Lanes>(q: &[T], n: usize) -> f64 {
        let mut most: f64 = 0.0;
        for i in 0..n {
            for j in 0..=i {
                let product: f64 = (0..n).map(|k| q[i * n + k].to_f64() * q[j * n + k].to_f64()).sum();
                most = most.max((product - f64::from(u8::from(i == j))).abs());
            }
        }
        most
    }

    fn check_tridiagonal<T: Lanes>(n: usize) {
        for (name, d, e) in hard(n) {
            let [d, e] = [d, e].map(|x| x.into_iter().map(T::from_f64).collect::<Vec<_>>());
            let (mut values, mut q) = (vec![T::ZERO; n], vec![T::ZERO; n * n]);
            assert!(tridiagonal([&d, &e], &mut values, &mut q).unwrap());
            let size = d.iter().chain(&e).fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
            let most = T::EPSILON.to_f64() * 4.0 * (n as f64).sqrt().max(4.0);
            assert!(values.is_sorted_by(|x, y| x <= y), "{name} {n}: {values:?}");
            assert!(off_orthogonal(&q, n) <= most, "{name} {n}: QᵀQ − I is {}", off_orthogonal(&q, n));
            for (column, value) in q.chunks_exact(n).zip(&values) {
                for i in 0..n {
                    let at = |i: usize| column[i].to_f64();
                    let mut sum = d[i].to_f64() * at(i) - value.to_f64() * at(i);
                    if i > 0 {
                        sum += e[i - 1].to_f64() * at(i - 1);
                    }
                    if i + 1 < n {
                        sum += e[i].to_f64() * at(i + 1);
                    }
                    assert!(sum.abs() <= most * size, "{name} {n}: T q − λ q is {sum}");
                }
            }
        }
    }

    fn check_bidiagonal<T: Lanes>(n: usize) {
        for (name, d, e) in hard(n) {
            let [d, e] = [d, e].map(|x| x.into_iter().map(T::from_f64).collect::<Vec<_>>());
            let (mut values, mut u, mut v) = (vec![T::ZERO; n], vec![T::ZERO; n * n], vec![T::ZERO; n * n]);
            assert!(bidiagonal([&d, &e], &mut values, [&mut u, &mut v]).unwrap());
            let size = d.iter().chain(&e).fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
            let most = T::EPSILON.to_f64() * 4.0 * (n as f64).sqrt().max(4.0);
            assert!(values.is_sorted_by(|x, y| x >= y) && values.iter().all(|x| *x >= T::ZERO), "{name} {n}: {values:?}");
            assert!(off_orthogonal(&u, n) <= most, "{name} {n}: UᵀU − I is {}", off_orthogonal(&u, n));
            assert!(off_orthogonal(&v, n) <= most, "{name} {n}: VᵀV − I is {}", off_orthogonal(&v, n));
            for ((u, v), value) in u.chunks_exact(n).zip(v.chunks_exact(n)).zip(&values) {
                for i in 0..n {
                    let mut sum = d[i].to_f64() * v[i].to_f64() - value.to_f64() * u[i].to_f64();
                    if i + 1 < n {
                        sum += e[i].to_f64() * v[i + 1].to_f64();
                    }
                    assert!(sum.abs() <= most * size, "{name} {n}: B v − σ u is {sum}");
                }
            }
        }
    }

    #[test]
    fn tridiagonal_matrices_are_decomposed() {
        for n in [1, 2, 3, 4, 5, 7, 8, 16, 33, 100, 151] {
            check_tridiagonal::<f64>(n);
            check_tridiagonal::<f32>(n);
        }
    }

    #[test]
    fn bidiagonal_matrices_are_decomposed() {
        for n in [1, 2, 3, 4, 5, 7, 8, 16, 33, 100, 151] {
            check_bidiagonal::<f64>(n);
            check_bidiagonal::<f32>(n);
        }
    }
}
