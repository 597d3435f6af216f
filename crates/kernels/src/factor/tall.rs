//! A = Q R of a tall matrix by a tree (Demmel, Grigori, Hoemmen and Langou 2012): slabs of rows that fit in the caches are
//! factored, then their R's, one below the other, as a matrix of its own, until one slab is left. Q comes down the tree.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::load;
use super::columns::{magnitude, rescaling};
use super::householder::{PanelReflections, len};
use super::matrix::Matrix;
use crate::buffer::{Block, OutOfMemory, list};
use crate::params::params;
use crate::shape::count;
use crate::simd::{Lanes, isa};
use crate::threads;

/// Whether a tree is worth it.
pub(super) fn suits(m: usize, n: usize) -> bool {
    let tuned = &params().factor;
    // A slab has twice as many rows as columns, so that the R's of all are smaller than the matrix.
    let narrow = (1..=tuned.tall_columns).contains(&n) && n.saturating_mul(2 * n) <= tuned.tall_slab;
    narrow && m * n > 2 * tuned.tall_slab
}

/// The reflections of slabs of nearly equal heights.
struct Level<T: Lanes> {
    /// Those of each slab, as many elements apart as the highest needs.
    reflections: Block<T>,
    m: usize,
    slabs: usize,
}

impl<T: Lanes> Level<T> {
    /// Factors slabs of a matrix and returns their R's, one below the other; none where a matrix needs to be scaled, or
    /// is not finite.
    fn of(a: Matrix<'_, T>) -> Result<Option<(Self, Block<T>)>, OutOfMemory> {
        let (m, n) = (a.rows, a.columns);
        let slabs = (m * n).div_ceil(params().factor.tall_slab);
        let reflections = Block::new(count(&[slabs, len(m.div_ceil(slabs), n)]))?;
        let mut level = Self { reflections, m, slabs };
        let mut tops = Block::new(count(&[slabs, n, n]))?;
        let mut whole = list(slabs)?;
        whole.extend(level.parts(n).zip(tops.chunks_exact_mut(n * n)).map(Mutex::new));
        let plain = AtomicBool::new(true);
        threads::try_run(slabs, |slab| {
            let Ok(mut whole) = whole[slab].try_lock() else { return Ok(()) };
            let ((range, memory), top) = &mut *whole;
            let rows = range.len();
            let mut work = Block::new(rows * n)?;
            load(a.block(range.start, 0, rows, n).t(), &mut work);
            let largest = magnitude(&work);
            if !largest.is_finite() || rescaling(largest).is_some() {
                plain.store(false, Ordering::Relaxed);
                return Ok(());
            }
            PanelReflections::new(memory, rows, n).factor(isa(), &mut work, n)?;
            top.copy_from_slice(&work[..n * n]);
            (1..n).for_each(|i| top[i * n..][..i].fill(T::ZERO));
            Ok(())
        })?;
        drop(whole);
        Ok(plain.into_inner().then_some((level, tops)))
    }

    /// The rows and the reflections of each slab of n columns.
    fn parts(&mut self, n: usize) -> impl Iterator<Item = (std::ops::Range<usize>, &mut [T])> {
        let (m, slabs) = (self.m, self.slabs);
        let each = self.reflections.len() / slabs;
        self.reflections.chunks_exact_mut(each).enumerate().map(move |(slab, memory)| {
            let range = m * slab / slabs..m * (slab + 1) / slabs;
            let len = len(range.len(), n);
            (range, &mut memory[..len])
        })
    }

    /// Calls `take` with the rows of each slab of Q, from those of the Q of the R's.
    fn expand(
        &mut self,
        n: usize,
        tops: &[T],
        take: impl Fn(usize, &[T]) -> Result<(), OutOfMemory> + Sync,
    ) -> Result<(), OutOfMemory> {
        let mut parts = list(self.slabs)?;
        parts.extend(self.parts(n).map(Mutex::new));
        threads::try_run(parts.len(), |slab| {
            let Ok(mut part) = parts[slab].try_lock() else { return Ok(()) };
            let (range, memory) = &mut *part;
            let mut rows = Block::filled(range.len() * n, T::ZERO)?;
            rows[..n * n].copy_from_slice(&tops[slab * n * n..][..n * n]);
            PanelReflections::new(memory, range.len(), n).apply(isa(), &mut rows, n);
            take(slab, &rows)
        })
    }
}

/// Q, unless it is empty, and R, column by column. Returns whether it did: a matrix that must be scaled, or is not finite, is left.
pub(super) fn qr<T: Lanes>(a: Matrix<'_, T>, q: &mut [T], r: &mut [T]) -> Result<bool, OutOfMemory> {
    let n = a.columns;
    let Some((mut last, mut tops)) = Level::of(a)? else { return Ok(false) };
    let mut levels = Vec::new();
    while last.slabs > 1 {
        let rows = tops.len() / n;
        levels.push(last);
        let Some(next) = Level::of(Matrix::of_rows(&tops, rows, n, n))? else { return Ok(false) };
        (last, tops) = next;
    }
    levels.push(last);
    load(Matrix::of_rows(&tops, n, n, n), r);
    if q.is_empty() {
        return Ok(true);
    }
    tops.fill(T::ZERO);
    tops.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
    let (first, upper) = levels.split_first_mut().expect("a level of slabs");
    for level in upper.iter_mut().rev() {
        let mut rows = Block::new(level.m * n)?;
        let mut rest = &mut rows[..];
        let mut slabs = list(level.slabs)?;
        for (range, _) in level.parts(n) {
            let (slab, after) = rest.split_at_mut(range.len() * n);
            slabs.push(Mutex::new(slab));
            rest = after;
        }
        level.expand(n, &tops, |slab, from| {
            if let Ok(mut to) = slabs[slab].try_lock() {
                to.copy_from_slice(from);
            }
            Ok(())
        })?;
        drop(slabs);
        tops = rows;
    }
    let mut columns: Vec<_> = q.chunks_exact_mut(a.rows).collect();
    let mut slabs = list(first.slabs)?;
    for (range, _) in first.parts(n) {
        let mut slab = Vec::with_capacity(n);
        for column in &mut columns {
            let (part, after) = std::mem::take(column).split_at_mut(range.len());
            slab.push(part);
            *column = after;
        }
        slabs.push(Mutex::new(slab));
    }
    first.expand(n, &tops, |slab, from| {
        let mut transposed = Block::new(from.len())?;
        load(Matrix::of_rows(from, from.len() / n, n, n), &mut transposed);
        if let Ok(mut slab) = slabs[slab].try_lock() {
            slab.iter_mut().zip(transposed.chunks_exact(from.len() / n)).for_each(|(to, from)| to.copy_from_slice(from));
        }
        Ok(())
    })?;
    Ok(true)
}
