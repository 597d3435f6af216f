//! What becomes of elements of C once their sums are complete: done where they are written, while they are in the first-level
//! cache.

use super::micro::{Columns, Tile};
use crate::real::Real;
use crate::simd::{self, Lanes};
use crate::threads::SyncPtr;

/// A map over the elements of C whose sums are complete: x ↦ activation(x + bias).
///
/// Its results are those of an addition and an elementwise map over C after the product, bit for bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epilogue<'a, T> {
    /// What is added first.
    pub bias: Option<Bias<'a, T>>,
    /// The function that is applied then.
    pub activation: Activation,
}

/// Numbers to be added along one dimension of C, found by where an element lies: at position p of C, `data[p / step]`, from
/// the beginning again beyond the end of `data`.
///
/// In a dense matrix of n columns, a step of 1 adds n numbers along every row, and a step of n a number a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bias<'a, T> {
    /// The numbers.
    pub data: &'a [T],
    /// How many neighbours in C take the same one.
    pub step: usize,
}

/// A function that an [`Epilogue`] applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0), NaN for NaN
    Relu,
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x Φ(x)
    Gelu,
}

impl Activation {
    #[inline(always)]
    fn apply<T: Real>(self, x: &mut [T]) {
        match self {
            Activation::Identity => {}
            Activation::Relu => x.iter_mut().for_each(|x| *x = x.maximum(T::ZERO)),
            Activation::Silu => x.iter_mut().for_each(|x| *x = x.silu()),
            Activation::Gelu => x.iter_mut().for_each(|x| *x = x.gelu()),
        }
    }
}

impl<T: Real> Bias<'_, T> {
    /// Adds to elements from this position of C on.
    #[inline(always)]
    fn add(self, mut position: usize, mut x: &mut [T]) {
        while !x.is_empty() {
            let first = position / self.step % self.data.len();
            let n = if self.step == 1 { self.data.len() - first } else { self.step - position % self.step };
            let (these, rest) = x.split_at_mut(n.min(x.len()));
            if self.step == 1 {
                these.iter_mut().zip(&self.data[first..]).for_each(|(x, &b)| *x += b);
            } else {
                these.iter_mut().for_each(|x| *x += self.data[first]);
            }
            position += n;
            x = rest;
        }
    }
}

/// An [`Epilogue`] of a certain C.
#[derive(Clone, Copy)]
pub(super) struct BoundEpilogue<'a, T> {
    epilogue: Epilogue<'a, T>,
    /// Position 0 of C.
    c: SyncPtr<T>,
}

impl<'a, T: Lanes> BoundEpilogue<'a, T> {
    /// # Panics
    /// If the bias has no numbers or its step is 0.
    pub(super) fn new(epilogue: Epilogue<'a, T>, c: SyncPtr<T>) -> Self {
        let usable = epilogue.bias.is_none_or(|bias| !bias.data.is_empty() && bias.step > 0);
        assert!(usable, "the bias of a product has numbers and a step");
        Self { epilogue, c }
    }

    /// The same for a C in this type, which is `T`.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn cast<S: Lanes>(&self) -> BoundEpilogue<'_, S> {
        let Epilogue { bias, activation } = self.epilogue;
        let bias = bias.map(|bias| Bias { data: bytemuck::cast_slice(bias.data), step: bias.step });
        BoundEpilogue { epilogue: Epilogue { bias, activation }, c: SyncPtr::new(self.c.get().cast()) }
    }

    /// Finishes `n` neighbours in C, which are the caller's [as was promised](super#what-is-promised).
    pub(super) fn run(&self, to: *mut T, n: usize) {
        self.runs([to].into_iter(), n);
    }

    /// Finishes a tile.
    pub(super) fn tile(&self, tile: &Tile<'_, T>) {
        let rows = tile.rows.iter();
        match tile.columns {
            Columns::Adjacent(first) => self.runs(rows.map(|row| tile.c.wrapping_offset(row + first)), tile.width),
            Columns::Apart(columns) => {
                self.runs(rows.flat_map(|row| columns.iter().map(move |column| tile.c.wrapping_offset(row + column))), 1);
            }
        }
    }

    /// Finishes `n` neighbours from each of these elements on.
    fn runs(&self, starts: impl Iterator<Item = *mut T>, n: usize) {
        let Epilogue { bias, activation } = self.epilogue;
        // SAFETY: every run lies in C, of which C's address is the beginning, and is this thread's.
        let runs = starts.map(|to| unsafe { (to.offset_from(self.c.get()) as usize, std::slice::from_raw_parts_mut(to, n)) });
        let runs = runs.map(
            #[inline(always)]
            |(position, x)| {
                if let Some(bias) = bias {
                    bias.add(position, x);
                }
                x
            },
        );
        simd::run_fused(
            runs,
            #[inline(always)]
            |runs| runs.for_each(|x| activation.apply::<T::Fused>(bytemuck::cast_slice_mut(x))),
            #[inline(always)]
            |runs| runs.for_each(|x| activation.apply(x)),
        );
    }
}
