//! Shape, strides and offset: how an index becomes a position in memory.

use smallvec::SmallVec;

/// Sizes of dimensions, outermost first.
pub type Dims = SmallVec<[usize; 6]>;
/// Elements that a step along each dimension moves.
pub type Strides = SmallVec<[isize; 6]>;

/// Where the element at each index lies: `offset + Σ index[d] · strides[d]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub shape: Dims,
    pub strides: Strides,
    pub offset: usize,
}

impl Layout {
    /// Row-major from position 0.
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: shape.into(), strides: row_major(shape), offset: 0 }
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.contains(&0)
            || self.shape.iter().zip(&self.strides).rev().all(|(&n, &s)| {
                let fits = n == 1 || s == expected;
                expected *= n as isize;
                fits
            })
    }

    /// Dimensions in the order given.
    pub fn permute(&self, order: &[usize]) -> Self {
        Self {
            shape: order.iter().map(|&d| self.shape[d]).collect(),
            strides: order.iter().map(|&d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    /// Read as if of this larger shape: sizes of 1 repeat, new dimensions appear in front. `None` where it does not fit.
    pub fn broadcast(&self, shape: &[usize]) -> Option<Self> {
        let new = shape.len().checked_sub(self.shape.len())?;
        let mut strides = Strides::from_elem(0, shape.len());
        for (d, (&n, &s)) in self.shape.iter().zip(&self.strides).enumerate() {
            match (n, shape[new + d]) {
                (n, m) if n == m => strides[new + d] = s,
                (1, _) => {}
                _ => return None,
            }
        }
        Some(Self { shape: shape.into(), strides, offset: self.offset })
    }

    /// The same elements in the same order under other sizes without moving them, where strides allow it.
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if self.len() == 0 || self.is_contiguous() {
            return Some(Self { strides: row_major(shape), shape: shape.into(), offset: self.offset });
        }
        // Old dimensions that memory walks as one, from the inside out: (size, step).
        let mut runs: Vec<(usize, isize)> = Vec::new();
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev().filter(|(n, _)| **n != 1) {
            match runs.last_mut() {
                Some((size, step)) if *step * *size as isize == s => *size *= n,
                _ => runs.push((n, s)),
            }
        }
        let mut strides = Strides::from_elem(0, shape.len());
        let (mut run, mut used) = (0, 1);
        for (d, &n) in shape.iter().enumerate().rev().filter(|(_, n)| **n != 1) {
            let (size, step) = *runs.get(run)?;
            if size % (used * n) != 0 {
                return None;
            }
            strides[d] = step * used as isize;
            used *= n;
            if used == size {
                (run, used) = (run + 1, 1);
            }
        }
        (run == runs.len()).then(|| Self { shape: shape.into(), strides, offset: self.offset })
    }
}

/// The strides of elements that lie one after another, the last dimension fastest.
pub(crate) fn row_major(shape: &[usize]) -> Strides {
    let mut strides = Strides::from_elem(1, shape.len());
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d].max(1) as isize;
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshaping_a_view_keeps_its_memory_where_strides_allow() {
        let a = Layout::contiguous(&[4, 6, 5]);
        assert_eq!(a.reshape(&[2, 2, 30]).unwrap().strides.as_slice(), [60, 30, 1]);
        let t = a.permute(&[2, 0, 1]); // (5, 4, 6), strides (1, 30, 5)
        assert_eq!(t.reshape(&[5, 24]).unwrap().strides.as_slice(), [1, 5]);
        assert_eq!(t.reshape(&[5, 1, 2, 12]).unwrap().strides.as_slice(), [1, 0, 60, 5]);
        assert!(t.reshape(&[20, 6]).is_none());
        assert!(t.reshape(&[10, 12]).is_none());
    }

    #[test]
    fn broadcasting_repeats_sizes_of_one() {
        let a = Layout::contiguous(&[3, 1]);
        assert_eq!(a.broadcast(&[2, 3, 4]).unwrap().strides.as_slice(), [0, 1, 0]);
        assert!(a.broadcast(&[3]).is_none() && a.broadcast(&[2, 4]).is_none());
        assert_eq!(a.broadcast(&[3, 0]).unwrap().strides.as_slice(), [1, 0]);
    }
}
