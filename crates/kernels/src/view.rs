//! A strided window on elements, checked once.

use crate::shape;

/// Elements of `data` at `offset + Σ index[d] · strides[d]`, for every index below `shape`.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    data: &'a [T],
    offset: usize,
    shape: &'a [usize],
    strides: &'a [isize],
}

impl<'a, T: Copy> View<'a, T> {
    /// A view whose every element lies in `data`; `None` where one would not, where the sizes are not those of a
    /// [`Shape`](shape::Shape), or where an offset does not fit, be there an element or not.
    #[inline]
    pub fn new(data: &'a [T], offset: usize, shape: &'a [usize], strides: &'a [isize]) -> Option<Self> {
        if shape.len() != strides.len() || !shape::fits(shape) {
            return None;
        }
        let reach = shape::reach(shape.iter().copied().zip(strides.iter().copied()))?;
        (shape.contains(&0) || shape::inside(offset, reach, data.len())).then_some(Self { data, offset, shape, strides })
    }

    /// The same elements through dimensions of this view in another order.
    ///
    /// # Panics
    /// If an element would lie outside the data.
    pub(crate) fn with_dimensions<'b>(&self, shape: &'b [usize], strides: &'b [isize]) -> View<'b, T>
    where
        'a: 'b,
    {
        View::new(self.data, self.offset, shape, strides)
            .expect("the order of dimensions does not change which elements they reach")
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// How many elements a step along each dimension moves.
    pub fn strides(&self) -> &'a [isize] {
        self.strides
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        shape::count(self.shape)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// A pointer to the element at index 0…0; every element of the view may be read through it by its strides.
    pub fn as_ptr(&self) -> *const T {
        debug_assert!(self.is_empty() || self.offset < self.data.len());
        self.data.as_ptr().wrapping_add(self.offset)
    }

    /// All data, and the position in it of the element at index 0…0.
    pub(crate) fn data(&self) -> (&'a [T], usize) {
        (self.data, self.offset)
    }

    /// The elements as a slice, where they lie one after another in row-major order.
    pub fn as_slice(&self) -> Option<&'a [T]> {
        if self.is_empty() {
            return Some(&[]);
        }
        let mut expected = 1;
        for (&n, &s) in self.shape.iter().zip(self.strides).rev() {
            if n != 1 && s != expected {
                return None;
            }
            expected *= n as isize;
        }
        Some(&self.data[self.offset..self.offset + self.len()])
    }

    /// Every element in row-major order: slow, for checks and printing.
    pub fn iter(&self) -> impl Iterator<Item = T> + 'a {
        let view = *self;
        let mut index = vec![0; view.shape.len()];
        let mut left = view.len();
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let at: isize = index.iter().zip(view.strides).map(|(&i, &s)| i as isize * s).sum();
            for d in (0..index.len()).rev() {
                index[d] += 1;
                if index[d] < view.shape[d] {
                    break;
                }
                index[d] = 0;
            }
            Some(view.data[view.offset.wrapping_add_signed(at)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_leaves_its_data_is_refused() {
        let data = [0.0; 6];
        assert!(View::new(&data, 0, &[2, 3], &[3, 1]).is_some());
        assert!(View::new(&data, 1, &[2, 3], &[3, 1]).is_none());
        assert!(View::new(&data, 5, &[6], &[-1]).is_some());
        assert!(View::new(&data, 4, &[6], &[-1]).is_none());
        assert!(View::new(&data, 9, &[0, 3], &[3, 1]).is_some());
        assert!(View::new(&data, 0, &[usize::MAX, 2], &[isize::MAX, 1]).is_none());
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn sizes_and_strides_whose_products_do_not_fit_are_refused() {
        let data = [1.0_f32; 4];
        let (huge, far) = ([usize::MAX, usize::MAX, 2], [isize::MAX, isize::MAX, 1 << 34]);
        assert!(View::new(&data, 0, &huge, &far).is_none());
        assert!(View::new(&data, 0, &[(1 << 62) + 1, 1, 4, 8], &[0, 0, 0, 1]).is_none());
        // Without an element too: whoever computes with its sizes need not ask whether there is one.
        assert!(View::new(&data, 0, &[1 << 40, 0, 1 << 40], &[0, 0, 0]).is_none());
        assert!(View::new(&data, 0, &[0, 3], &[0, isize::MAX]).is_none());
        assert!(View::new(&data, 0, &[0, 1], &[isize::MIN, isize::MAX]).is_some());
        assert_eq!(View::new(&data, 0, &[1 << 40, 4], &[0, 1]).unwrap().len(), 1 << 42);
    }

    #[test]
    fn iteration_is_row_major_whatever_the_strides() {
        let data = [0, 1, 2, 3, 4, 5];
        let transposed = View::new(&data, 0, &[3, 2], &[1, 3]).unwrap();
        assert_eq!(transposed.iter().collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        assert!(transposed.as_slice().is_none());
        assert_eq!(View::new(&data, 2, &[2, 1, 2], &[2, 7, 1]).unwrap().as_slice(), Some(&data[2..6]));
    }
}
