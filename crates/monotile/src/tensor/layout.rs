//! Shape, strides and offset: how an index becomes a position in memory.

use monotile_kernels::shape::{Shape, Strides};

/// Where the element at each index lies: `offset + Σ index[d] · strides[d]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub shape: Shape,
    pub strides: Strides,
    pub offset: usize,
}

impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Self {
        Self { shape: self.shape.clone(), strides: Strides::from_slice(&self.strides), offset: self.offset }
    }
}

impl Layout {
    /// Row-major from position 0.
    #[inline]
    pub fn contiguous(shape: Shape) -> Self {
        Self { strides: shape.row_major(), shape, offset: 0 }
    }

    pub fn len(&self) -> usize {
        self.shape.elements()
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

    /// Dimensions in the order given, each once.
    pub fn permute(&self, order: &[usize]) -> Self {
        Self { shape: self.shape.at(order), strides: order.iter().map(|&d| self.strides[d]).collect(), offset: self.offset }
    }

    /// Read as if of this larger shape: sizes of 1 repeat, new dimensions appear in front. `None` where it does not fit.
    pub fn broadcast(&self, shape: &Shape) -> Option<Self> {
        let new = shape.rank().checked_sub(self.shape.rank())?;
        let mut strides = Strides::from_elem(0, shape.rank());
        for (d, (&n, &s)) in self.shape.iter().zip(&self.strides).enumerate() {
            match (n, shape[new + d]) {
                (n, m) if n == m => strides[new + d] = s,
                (1, _) => {}
                _ => return None,
            }
        }
        Some(Self { shape: shape.clone(), strides, offset: self.offset })
    }

    /// The same elements in the same order under other sizes without moving them, where strides allow it.
    pub fn reshape(&self, shape: &Shape) -> Option<Self> {
        if self.shape.contains(&0) || self.is_contiguous() {
            return Some(Self { offset: self.offset, ..Self::contiguous(shape.clone()) });
        }
        // Old dimensions that memory walks as one, from the inside out: (size, step).
        let mut runs: Vec<(usize, isize)> = Vec::new();
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev().filter(|(n, _)| **n != 1) {
            match runs.last_mut() {
                Some((size, step)) if *step * *size as isize == s => *size *= n,
                _ => runs.push((n, s)),
            }
        }
        let mut strides = Strides::from_elem(0, shape.rank());
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
        (run == runs.len()).then(|| Self { shape: shape.clone(), strides, offset: self.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[usize]) -> Shape {
        Shape::new(sizes).unwrap()
    }

    #[test]
    fn reshaping_a_view_keeps_its_memory_where_strides_allow() {
        let a = Layout::contiguous(shape(&[4, 6, 5]));
        assert_eq!(a.reshape(&shape(&[2, 2, 30])).unwrap().strides.as_slice(), [60, 30, 1]);
        let t = a.permute(&[2, 0, 1]); // (5, 4, 6), strides (1, 30, 5)
        assert_eq!(t.reshape(&shape(&[5, 24])).unwrap().strides.as_slice(), [1, 5]);
        assert_eq!(t.reshape(&shape(&[5, 1, 2, 12])).unwrap().strides.as_slice(), [1, 0, 60, 5]);
        assert!(t.reshape(&shape(&[20, 6])).is_none());
        assert!(t.reshape(&shape(&[10, 12])).is_none());
    }

    #[test]
    fn broadcasting_repeats_sizes_of_one() {
        let a = Layout::contiguous(shape(&[3, 1]));
        assert_eq!(a.broadcast(&shape(&[2, 3, 4])).unwrap().strides.as_slice(), [0, 1, 0]);
        assert!(a.broadcast(&shape(&[3])).is_none() && a.broadcast(&shape(&[2, 4])).is_none());
        assert_eq!(a.broadcast(&shape(&[3, 0])).unwrap().strides.as_slice(), [1, 0]);
    }
}
