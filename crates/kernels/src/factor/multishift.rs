//! Francis's iteration on large Hessenberg matrices: many shifts at once, whose bulges pass through windows of the matrix, and deflation
//! of all that has converged in a window at its end (Braman, Byers and Mathias 2002).
//!
//! What happens in a window is gathered in an orthogonal matrix, which the rest of the rows and columns is multiplied by.

use std::ops::Range;

use super::columns::{add_scaled, inner};
use super::deflation::{Deflated, deflate};
use super::francis::{Iteration, Shifts, reflection};
use super::hessenberg;
use super::matrix::{Matrix, Target, multiply};
use crate::buffer::{Block, OutOfMemory};
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Lanes};

/// Sweeps and deflations in vain, after which the shifts are others.
const PATIENCE: usize = 5;

/// How many rows of a window have not converged, and shifts of it.
type Kept<T> = (usize, Vec<Shifts<T>>);

/// A Hessenberg matrix on its way to T.
pub(super) struct Multishift<'a, T: Lanes> {
    h: &'a mut [T],
    z: &'a mut [T],
    n: usize,
    whole: bool,
    /// A copy of what a window's orthogonal matrix multiplies.
    copy: Block<T>,
}

impl<'a, T: Lanes> Multishift<'a, T> {
    /// As [`Iteration`].
    pub fn new(h: &'a mut [T], z: &'a mut [T], n: usize, whole: bool) -> Result<Self, OutOfMemory> {
        let copy = Block::new(count(&[n, n]))?;
        Ok(Self { h, z, n, whole, copy })
    }

    /// Whether all values were found.
    pub fn run(mut self) -> Result<bool, OutOfMemory> {
        let settings = &params().factor;
        let (mut end, mut idle) = (self.n, 0);
        for _ in 0..30 * self.n {
            if end == 0 {
                return Ok(true);
            }
            let first = self.iteration().block(0, end - 1);
            if first > 0 {
                self.h[(first - 1) * self.n + first] = T::ZERO;
            }
            let size = end - first;
            if size <= settings.schur_small {
                if !self.finish(first, end)? {
                    return Ok(false);
                }
                (end, idle) = (first, 0);
                continue;
            }
            let wanted = Self::shifts_for(size);
            // Windows grow where nothing converges.
            let window = (wanted + wanted / 2 * idle.min(3)).clamp(4, size - 1);
            let Some((kept, shifts)) = self.deflate(first, end, window)? else { return Ok(false) };
            let deflated = window - kept;
            end -= deflated;
            idle = if deflated > 0 { 0 } else { idle + 1 };
            if deflated * 7 > window || end <= first + settings.schur_small {
                continue;
            }
            let shifts = if idle > 0 && idle % PATIENCE == 0 { self.other_shifts(end, wanted) } else { shifts };
            let used = &shifts[shifts.len() - shifts.len().min(wanted / 2).max(1)..];
            for chain in used.rchunks(settings.schur_bulges.max(1)) {
                self.chase(first, end, chain)?;
            }
        }
        Ok(false)
    }

    /// How many shifts are worth their while in a block of so many rows.
    fn shifts_for(size: usize) -> usize {
        match size {
            0..150 => 12,
            150..400 => 32,
            400..1000 => 48,
            _ => 64,
        }
    }

    /// The whole matrix, to be asked where it falls apart.
    fn iteration(&mut self) -> Iteration<'_, T> {
        Iteration { h: self.h, z: &mut [], n: self.n, whole: true }
    }

    /// Finds all values of a small block.
    fn finish(&mut self, first: usize, end: usize) -> Result<bool, OutOfMemory> {
        let size = end - first;
        let (mut t, mut u) = (self.window(first, end)?, identity(size)?);
        let converged = simd::run_fused(
            (&mut t[..], &mut u[..]),
            #[inline(always)]
            |(t, u)| {
                Iteration::<T::Fused> { h: bytemuck::cast_slice_mut(t), z: bytemuck::cast_slice_mut(u), n: size, whole: true }.run()
            },
            #[inline(always)]
            |(t, u)| Iteration { h: t, z: u, n: size, whole: true }.run(),
        );
        self.replace(first, end, &t);
        self.multiply_rest(first, end, first..end, &u)?;
        Ok(converged)
    }

    /// Takes what has converged in the last rows of a block away; none if the window's own iteration did not converge.
    fn deflate(&mut self, first: usize, end: usize, window: usize) -> Result<Option<Kept<T>>, OutOfMemory> {
        let (n, start) = (self.n, end - window);
        let spike = self.h[(start - 1) * n + start];
        let (mut t, mut v) = (self.window(start, end)?, identity(window)?);
        let found = simd::run_fused(
            (&mut t[..], &mut v[..]),
            #[inline(always)]
            |(t, v)| deflate::<T::Fused>(bytemuck::cast_slice_mut(t), bytemuck::cast_slice_mut(v), window, spike.fused()),
            #[inline(always)]
            |(t, v)| deflate(t, v, window, spike),
        );
        let Deflated::Kept(kept) = found else { return Ok(None) };
        let shifts = shifts(&t, window, kept);
        if kept == window {
            return Ok(Some((kept, shifts)));
        }
        if kept > 1 {
            self.restore(&mut t, &mut v, window, kept)?;
        }
        self.h[(start - 1) * n + start] = if kept == 0 { T::ZERO } else { spike * v[0] };
        self.replace(start, end, &t);
        self.multiply_rest(start, end, first..end, &v)?;
        Ok(Some((kept, shifts)))
    }

    /// Makes the kept rows of a window, and the spike beside them, Hessenberg again.
    fn restore(&self, t: &mut [T], v: &mut [T], window: usize, kept: usize) -> Result<(), OutOfMemory> {
        let mut x: Vec<T> = (0..kept).map(|j| v[j * window]).collect();
        let mut w = vec![T::ZERO; kept];
        let tau = hessenberg::reflection(&mut x, &mut w);
        // Q = (I − τ w wᵀ) Q₂ of the reduction of the reflected block.
        let mut b = Block::new(kept * kept)?;
        for j in 0..kept {
            b[j * kept..][..kept].copy_from_slice(&t[j * window..][..kept]);
        }
        reflect_left(&mut b, kept, &w, tau);
        reflect_right(&mut b, kept, &w, tau);
        let mut q = Block::new(kept * kept)?;
        hessenberg::reduce(&mut b, &mut q, kept)?;
        reflect_left(&mut q, kept, &w, tau);
        for j in 0..kept {
            t[j * window..][..kept].copy_from_slice(&b[j * kept..][..kept]);
            // The reduction leaves what it made zero.
            (j + 2..kept).for_each(|i| t[j * window + i] = T::ZERO);
        }
        let q = Matrix::of_columns(&q, kept, kept, kept);
        let right = copied(&t[kept * window..])?;
        let of = Matrix::of_columns(&right, kept, window - kept, window);
        multiply(T::ONE, q.t(), of, Target { data: &mut t[kept * window..], row: 1, column: window }, false)?;
        let left = copied(&v[..kept * window])?;
        let of = Matrix::of_columns(&left, window, kept, window);
        multiply(T::ONE, of, q, Target { data: v, row: 1, column: window }, false)
    }

    /// Shifts that are no values of the window.
    fn other_shifts(&self, end: usize, wanted: usize) -> Vec<Shifts<T>> {
        let n = self.n;
        let at = |i: usize, j: usize| self.h[j * n + i];
        let of = |i: usize| {
            let s = at(i, i - 1).abs() + at(i - 1, i - 2).abs();
            let (middle, apart) = (T::from_f64(0.75) * s + at(i, i), T::from_f64(0.4375).sqrt() * s);
            Shifts { re: [middle; 2], im: [apart, -apart] }
        };
        (0..wanted / 2).map(|i| of(end - 1 - 2 * i)).collect()
    }

    /// Passes bulges, one of each pair of shifts, through rows `first` to `end`, the last pair's first.
    fn chase(&mut self, first: usize, end: usize, shifts: &[Shifts<T>]) -> Result<(), OutOfMemory> {
        let bulges = shifts.len();
        let most = (6 * bulges).max(3 * bulges + 24);
        // Where each bulge's next reflection acts.
        let mut places = vec![first; bulges];
        let mut start = first;
        loop {
            let stop = end.min(start + most);
            let last = stop == end;
            let size = stop - start;
            let (mut t, mut u) = (self.window(start, stop)?, identity(size)?);
            for (i, place) in places.iter_mut().enumerate() {
                let limit = if last { end - 1 } else { stop - 3 - 3 * i };
                let steps = (*place - start)..(limit - start);
                let begins = *place == first;
                *place = limit;
                let shift = shifts[bulges - 1 - i];
                simd::run_fused(
                    (&mut t[..], &mut u[..]),
                    #[inline(always)]
                    |(t, u)| {
                        let shift = begins.then(|| Shifts { re: shift.re.map(T::fused), im: shift.im.map(T::fused) });
                        Window::<T::Fused> { t: bytemuck::cast_slice_mut(t), u: bytemuck::cast_slice_mut(u), size }
                            .pass(steps.clone(), shift);
                    },
                    #[inline(always)]
                    |(t, u)| Window { t, u, size }.pass(steps.clone(), begins.then_some(shift)),
                );
            }
            self.replace(start, stop, &t);
            self.multiply_rest(start, stop, first..end, &u)?;
            if last {
                return Ok(());
            }
            start = places[bulges - 1] - 1;
        }
    }

    /// A window on the diagonal, column by column.
    fn window(&self, start: usize, end: usize) -> Result<Block<T>, OutOfMemory> {
        let size = end - start;
        let mut t = Block::new(size * size)?;
        for (j, column) in t.chunks_exact_mut(size).enumerate() {
            column.copy_from_slice(&self.h[(start + j) * self.n + start..][..size]);
        }
        Ok(t)
    }

    fn replace(&mut self, start: usize, end: usize, t: &[T]) {
        let size = end - start;
        for (j, column) in t.chunks_exact(size).enumerate() {
            self.h[(start + j) * self.n + start..][..size].copy_from_slice(column);
        }
    }

    /// Multiplies the rows beside a window and the columns above it, within a block or as far as there are any, and Z by its orthogonal matrix.
    fn multiply_rest(&mut self, start: usize, end: usize, block: Range<usize>, u: &[T]) -> Result<(), OutOfMemory> {
        let (n, size) = (self.n, end - start);
        let Range { start: top, end: right } = if self.whole { 0..n } else { block };
        let u = Matrix::of_columns(u, size, size, size);
        if end < right {
            let beside = &mut self.h[end * n..right * n];
            for (to, from) in self.copy.chunks_exact_mut(size).zip(beside.chunks_exact(n)) {
                to.copy_from_slice(&from[start..end]);
            }
            let copy = Matrix::of_columns(&self.copy, size, right - end, size);
            multiply(T::ONE, u.t(), copy, Target { data: &mut beside[start..], row: 1, column: n }, false)?;
        }
        for (of, rows) in [(&mut *self.h, top..start), (&mut *self.z, 0..n)] {
            if of.is_empty() || rows.is_empty() {
                continue;
            }
            let columns = &mut of[start * n..end * n];
            for (to, from) in self.copy.chunks_exact_mut(rows.len()).zip(columns.chunks_exact(n)) {
                to.copy_from_slice(&from[rows.clone()]);
            }
            let copy = Matrix::of_columns(&self.copy, rows.len(), size, rows.len());
            multiply(T::ONE, copy, u, Target { data: &mut columns[rows.start..], row: 1, column: n }, false)?;
        }
        Ok(())
    }
}

fn identity<T: Lanes>(size: usize) -> Result<Block<T>, OutOfMemory> {
    let mut u = Block::filled(size * size, T::ZERO)?;
    u.iter_mut().step_by(size + 1).for_each(|x| *x = T::ONE);
    Ok(u)
}

fn copied<T: Lanes>(x: &[T]) -> Result<Block<T>, OutOfMemory> {
    let mut copy = Block::new(x.len())?;
    copy.copy_from_slice(x);
    Ok(copy)
}

/// The values of the first rows of T as shifts, pairs by pairs and real ones by two.
fn shifts<T: Real>(t: &[T], n: usize, rows: usize) -> Vec<Shifts<T>> {
    let (mut found, mut single) = (Vec::new(), None);
    let mut j = 0;
    while j < rows {
        let re = t[j * n + j];
        if j + 1 < rows && t[j * n + j + 1] != T::ZERO {
            let im = t[j * n + j + 1].abs().sqrt() * t[(j + 1) * n + j].abs().sqrt();
            found.push(Shifts { re: [re; 2], im: [im, -im] });
            j += 2;
            continue;
        }
        match single.take() {
            Some(other) => found.push(Shifts { re: [other, re], im: [T::ZERO; 2] }),
            None => single = Some(re),
        }
        j += 1;
    }
    if let (Some(re), true) = (single, found.is_empty()) {
        found.push(Shifts { re: [re; 2], im: [T::ZERO; 2] });
    }
    found
}

/// (I − τ w wᵀ) X
fn reflect_left<T: Lanes>(x: &mut [T], rows: usize, w: &[T], tau: T) {
    for column in x.chunks_exact_mut(rows) {
        let sum = inner(w, column);
        add_scaled(-tau * sum, w, column);
    }
}

/// X (I − τ w wᵀ) of as many columns as w has elements.
fn reflect_right<T: Lanes>(x: &mut [T], rows: usize, w: &[T], tau: T) {
    let mut sums = vec![T::ZERO; rows];
    for (column, &w) in x.chunks_exact(rows).zip(w) {
        add_scaled(w, column, &mut sums);
    }
    for (column, &w) in x.chunks_exact_mut(rows).zip(w) {
        add_scaled(-tau * w, &sums, column);
    }
}

/// A window that bulges pass through.
struct Window<'a, T> {
    t: &'a mut [T],
    u: &'a mut [T],
    size: usize,
}

impl<T: Real> Window<'_, T> {
    /// Makes a bulge's reflections at `steps`, from its first one on if there are shifts to begin with.
    #[inline(always)]
    fn pass(self, steps: Range<usize>, begin: Option<Shifts<T>>) {
        let Self { t, u, size } = self;
        let mut iteration = Iteration { h: t, z: u, n: size, whole: true };
        for k in steps.clone() {
            let rows = (size - k).min(3);
            let mut v = match &begin {
                Some(shifts) if k == steps.start => iteration.first_column(k, shifts),
                _ => {
                    let mut v = [T::ZERO; 3];
                    (0..rows).for_each(|i| v[i] = iteration.at(k + i, k - 1));
                    v
                }
            };
            let (end, tau) = reflection(&mut v);
            if begin.is_none() || k > steps.start {
                iteration.set(k, k - 1, end);
                (1..rows).for_each(|i| iteration.set(k + i, k - 1, T::ZERO));
            }
            if rows == 3 {
                iteration.reflect::<3>(k, [0, (k + 3).min(size - 1)], size - 1, [v[0], v[1], v[2]], tau);
            } else {
                iteration.reflect::<2>(k, [0, size - 1], size - 1, [v[0], v[1]], tau);
            }
        }
    }
}
