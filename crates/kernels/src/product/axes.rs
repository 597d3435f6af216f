//! The groups of a product in their simplest form, and where their indices lie in memory.

use smallvec::SmallVec;

use super::{Axes, Axis, Group};
use crate::buffer::{OutOfMemory, list};
use crate::shape;

impl Axes {
    /// The same product with fewer, longer dimensions: size 1 dropped, a broadcast batch dimension moved to the group
    /// of the operand that has it, the innermost dimension last, and dimensions that every operand walks as one merged.
    pub(super) fn simplified(&self) -> Self {
        let mut to = Self::default();
        for &axis in &self.batch {
            match axis {
                Axis { a, b: 0, .. } if a != 0 => to.rows.push(axis),
                Axis { a: 0, b, .. } if b != 0 => to.columns.push(axis),
                _ => to.batch.push(axis),
            }
        }
        // A step along a dimension that an operand does not have moves nothing in it, whatever the caller says.
        to.rows.extend(self.rows.iter().map(|&axis| Axis { b: 0, ..axis }));
        to.columns.extend(self.columns.iter().map(|&axis| Axis { a: 0, ..axis }));
        to.contracted.extend(self.contracted.iter().map(|&axis| Axis { c: 0, ..axis }));
        merge(&mut to.batch, |x| x.c.unsigned_abs());
        merge(&mut to.rows, |x| x.c.unsigned_abs());
        merge(&mut to.columns, |x| x.c.unsigned_abs());
        // A step that is short in one operand is worth having innermost, if only for that one.
        merge(&mut to.contracted, |x| x.a.unsigned_abs().min(x.b.unsigned_abs()));
        to
    }

    /// The same product with A and B, and thereby rows and columns, exchanged.
    pub(super) fn swapped(mut self) -> Self {
        std::mem::swap(&mut self.rows, &mut self.columns);
        for axis in [&mut self.batch, &mut self.rows, &mut self.columns, &mut self.contracted].into_iter().flatten() {
            std::mem::swap(&mut axis.a, &mut axis.b);
        }
        self
    }

    /// Whether no two indices of C can be the same element: each dimension steps over all that the shorter ones reach.
    pub(super) fn is_injective(&self) -> bool {
        let mut steps: SmallVec<[_; 6]> =
            [&self.batch, &self.rows, &self.columns].into_iter().flatten().map(|x| (x.c.unsigned_abs(), x.size)).collect();
        steps.sort_unstable();
        let mut reach = 0;
        steps.into_iter().all(|(step, size)| {
            let over = size < 2 || step > reach;
            reach += step * size.saturating_sub(1);
            over
        })
    }
}

/// The number of indices of a group.
pub(super) fn size(group: &[Axis]) -> usize {
    shape::product(group.iter().map(|x| x.size))
}

/// Whether the innermost dimension of a group steps by one element.
pub(super) fn is_unit(group: &[Axis], stride: impl Fn(&Axis) -> isize) -> bool {
    group.last().is_some_and(|x| stride(x) == 1)
}

fn merge(group: &mut Group, key: impl Fn(&Axis) -> usize) {
    group.retain(|&mut x| x.size != 1);
    if group.len() < 2 {
        return;
    }
    group.sort_by_key(|x| std::cmp::Reverse(key(x)));
    group.dedup_by(|inner, outer| {
        let n = inner.size as isize;
        let one = outer.a == inner.a * n && outer.b == inner.b * n && outer.c == inner.c * n;
        if one {
            *outer = Axis { size: outer.size * inner.size, ..*inner };
        }
        one
    });
}

/// Where every index of a group lies in one operand.
pub(super) struct Offsets {
    /// Every index's offset; empty for a single dimension, whose offsets are multiples of `step`.
    table: Vec<isize>,
    /// Every `run` indices from a multiple of `run` on lie `step` apart.
    run: usize,
    step: isize,
}

impl Offsets {
    /// # Errors
    /// If there is no memory for the offsets of several dimensions.
    pub(super) fn new(group: &[Axis], stride: impl Fn(&Axis) -> isize) -> Result<Self, OutOfMemory> {
        let (run, step) = group.last().map_or((1, 1), |x| (x.size, stride(x)));
        if group.len() < 2 {
            return Ok(Self::single(run, step));
        }
        let mut table = list(size(group))?;
        if group.iter().any(|x| x.size == 0) {
            return Ok(Self { table, run, step });
        }
        table.push(0);
        // From the innermost dimension out, each repeats what is there, further on.
        for axis in group.iter().rev() {
            let len = table.len();
            for i in 1..axis.size as isize {
                let shift = i * stride(axis);
                table.extend_from_within(..len);
                table[i as usize * len..].iter_mut().for_each(|x| *x += shift);
            }
        }
        Ok(Self { table, run, step })
    }

    /// Those of a single dimension.
    pub(super) fn single(size: usize, step: isize) -> Self {
        Self { table: vec![], run: size, step }
    }

    /// The number of indices.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        if self.table.is_empty() { self.run } else { self.table.len() }
    }

    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> isize {
        if self.table.is_empty() { index as isize * self.step } else { self.table[index] }
    }

    /// The offset of an index; where there is no such index, any: for asking memory ahead.
    #[inline(always)]
    pub(super) fn at_or_last(&self, index: usize) -> isize {
        self.at(if self.table.is_empty() { index } else { index.min(self.table.len() - 1) })
    }

    /// The offsets of some indices from `start` on.
    #[inline]
    pub(super) fn fill(&self, start: usize, to: &mut [isize]) {
        to.iter_mut().enumerate().for_each(|(i, x)| *x = self.at(start + i));
    }

    /// Whether `len` indices from `start` on are neighbours in memory.
    #[inline]
    pub(super) fn adjacent(&self, start: usize, len: usize) -> bool {
        len <= 1 || (self.step == 1 && start % self.run + len <= self.run)
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    fn axis(size: usize, a: isize, b: isize, c: isize) -> Axis {
        Axis { size, a, b, c }
    }

    #[test]
    fn a_shared_right_operand_makes_one_large_product() {
        let axes = Axes {
            batch: smallvec![axis(8, 500, 0, 700)],
            rows: smallvec![axis(10, 50, 0, 70)],
            columns: smallvec![axis(70, 0, 1, 1)],
            contracted: smallvec![axis(50, 1, 70, 0)],
        };
        let simple = axes.simplified();
        assert!(simple.batch.is_empty());
        assert_eq!(simple.rows[..], [axis(80, 50, 0, 70)]);
    }

    #[test]
    fn dimensions_are_ordered_and_merged_only_where_every_operand_agrees() {
        let axes =
            Axes { rows: smallvec![axis(3, 1, 0, 1), axis(1, 9, 0, 9), axis(4, 3, 0, 3), axis(5, 12, 0, 13)], ..Axes::default() };
        assert_eq!(axes.simplified().rows[..], [axis(5, 12, 0, 13), axis(12, 1, 0, 1)]);
    }

    #[test]
    fn steps_in_operands_that_lack_a_dimension_are_forgotten() {
        let axes = Axes {
            rows: smallvec![axis(3, 1, 77, 1)],
            columns: smallvec![axis(3, 77, 1, 3)],
            contracted: smallvec![axis(3, 3, 3, 77)],
            ..Axes::default()
        };
        let simple = axes.simplified();
        assert_eq!((simple.rows[0].b, simple.columns[0].a, simple.contracted[0].c), (0, 0, 0));
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn tables_that_no_memory_holds_are_refused() {
        let group = [axis(1 << 30, 0, 0, 0), axis(1 << 29, 1, 0, 0)];
        assert_eq!(Offsets::new(&group, |x| x.a).err(), Some(OutOfMemory { bytes: 1 << 62 }));
        let none = Offsets::new(&[axis(1 << 30, 0, 0, 0), axis(0, 1, 0, 0), axis(1 << 29, 1, 0, 0)], |x| x.a).unwrap();
        assert!(none.table.is_empty());
    }

    #[test]
    fn offsets_are_row_major_over_the_group() {
        let group = [axis(2, 100, 0, 0), axis(3, -10, 0, 0), axis(2, 1, 0, 0)];
        let offsets = Offsets::new(&group, |x| x.a).unwrap();
        let all: Vec<_> = (0..12).map(|i| offsets.at(i)).collect();
        assert_eq!(all, [0, 1, -10, -9, -20, -19, 100, 101, 90, 91, 80, 81]);
        assert!(offsets.adjacent(2, 2) && !offsets.adjacent(1, 2) && offsets.adjacent(1, 1));
    }
}
