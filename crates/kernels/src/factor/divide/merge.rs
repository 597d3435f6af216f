//! Two halves put together: what z reaches, the roots, and the products.

use std::ops::Range;

use super::super::eigh::rotate_columns;
use super::super::matrix::{Matrix, Target, multiply};
use super::super::secular::{self, Equation, Root};
use super::Problem;
use super::units::{PoleTerm, units};
use crate::buffer::{Block, OutOfMemory, list};
use crate::shape::count;
use crate::simd::{self, Lanes};

/// An element of z up to this size counts as 0, in units of the rounding of the largest value.
const NEGLIGIBLE: f64 = 4.0;

/// Where the columns of a half are not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Upper,
    Both,
    Lower,
}

/// The lists of a merge, with room for the whole matrix, so that no merge needs memory for them.
pub(super) struct Merging {
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
    terms: Vec<PoleTerm>,
    roots: Vec<Root>,
}

impl Merging {
    /// For n columns.
    pub fn new(n: usize) -> Result<Self, OutOfMemory> {
        Ok(Self {
            sorted: list(n)?,
            kept: list(n)?,
            grouped: list(n)?,
            left: list(n)?,
            d: list(n)?,
            z: list(n)?,
            column: list(n)?,
            terms: list(n)?,
            roots: list(n)?,
        })
    }
}

impl<T: Lanes, const SQUARES: bool> Problem<'_, T, SQUARES> {
    /// Merges the halves of a part; `middle` is the first row of the lower one, or the row between them.
    pub(super) fn merge(&mut self, rows: Range<usize>, middle: usize, more: usize) -> Result<(), OutOfMemory> {
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
        self.roots(rho);
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

    /// Rotates the null vectors of both halves so that z reaches the first alone.
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

    /// Columns by increasing values: those of the halves, each in order already, and first the null vector of the upper half.
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

    /// Separates columns that z reaches from those that keep their values. Columns of equal values are rotated so that z reaches one of
    /// them. Returns how many it reaches.
    fn deflate(&mut self, rows: Range<usize>, middle: usize, rho: f64) -> usize {
        // Rotations need all of `self`.
        let sorted = std::mem::take(&mut self.merging.sorted);
        let (mut kept, mut left) = (std::mem::take(&mut self.merging.kept), std::mem::take(&mut self.merging.left));
        kept.clear();
        left.clear();
        let largest = sorted.iter().fold(0.0, |most: f64, &j| most.max(self.d[j].abs()));
        // In squares of values the change is ρ z zᵀ, so in values it is √ρ z.
        let weight = if SQUARES { rho.sqrt() } else { rho };
        let least = NEGLIGIBLE * self.epsilon * largest.max(weight);
        let mut before = None;
        for &j in sorted.iter().skip(usize::from(SQUARES)) {
            if SQUARES && self.d[j] <= least && weight * self.z[j].abs() > least {
                // It equals the 0 of the null vector.
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
            // The null vector is always kept: left vectors need its share of z. Alone, it may have none.
            if !kept.is_empty() && weight * self.z[middle].abs() <= least {
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
    fn roots(&mut self, rho: f64) {
        let Merging { kept, grouped, d, z, column, terms, roots, .. } = &mut self.merging;
        let k = kept.len();
        for numbers in [&mut *d, z, column] {
            numbers.clear();
        }
        d.extend(kept.iter().map(|&j| self.d[j]));
        z.extend(kept.iter().map(|&j| self.z[j]));
        column.resize(k, 0.0);
        roots.clear();
        roots.resize(k, Root::default());
        let (d, z) = (&d[..], &z[..]);
        Equation::<SQUARES> { d, z, rho, epsilon: self.epsilon }.solve(roots);
        secular::column::<SQUARES>(d, z, roots, column);
        // By where columns are not zero; z is by value.
        kept.iter().zip(&*column).for_each(|(&j, &z)| self.z[j] = z);
        grouped.clear();
        grouped.extend_from_slice(kept);
        grouped.sort_by_key(|&j| self.reach[j]);
        terms.clear();
        terms.extend(grouped.iter().map(|&j| PoleTerm { d: self.d[j], z: self.z[j], ends: self.ends[j] }));
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
