//! A product made ready once, for many operands that lie in memory alike.

use super::epilogue::{BoundEpilogue, Epilogue};
use super::{Axes, Axis, Group, Operand, Run, Scaled, axes, skinny};
use crate::buffer::OutOfMemory;
use crate::compiled::compiled;
use crate::shape::{self, MAX_ELEMENTS};
use crate::simd::{self, Isa, Lanes, isa};
use crate::threads::SyncPtr;

/// A product whose groups are in their simplest form, and that knows how far they reach: what it costs to find that out is
/// more than a product of tiny matrices takes.
#[derive(Debug, Clone)]
pub struct Prepared {
    axes: Axes,
    /// Whether A and B are exchanged in these groups.
    swapped: bool,
    /// Whether no two indices of C are the same element.
    distinct: bool,
    /// Whether C has no element.
    empty: bool,
    /// The lowest and the highest index in A, B and C, counted from that of 0…0; None where there is none.
    reach: [Option<(isize, isize)>; 3],
}

impl Prepared {
    /// Makes the product over these groups ready. `None` where an operand, or the product's arithmetic, has more indices than
    /// a [`Shape`](shape::Shape) has elements, or one of them lies too far from another, be there one or not.
    pub fn new(axes: &Axes) -> Option<Self> {
        let Axes { batch, rows, columns, contracted } = axes;
        let reach = [
            reach([batch, rows, contracted], |x| x.a)?,
            reach([batch, columns, contracted], |x| x.b)?,
            reach([batch, rows, columns], |x| x.c)?,
        ];
        let all = [batch, rows, columns, contracted].into_iter().flatten();
        if shape::product(all.map(|x| x.size)) > MAX_ELEMENTS {
            return None;
        }
        let empty = [batch, rows, columns].into_iter().flatten().any(|x| x.size == 0);
        let axes = axes.simplified();
        // A product of few rows takes them from A.
        let transposed = axes::size(&axes.rows) > axes::size(&axes.columns);
        let axes = if transposed { axes.swapped() } else { axes };
        // The kernels write rows of neighbours: where only C's rows are neighbours, Cᵀ = Bᵀ Aᵀ.
        let across = !axes::is_unit(&axes.columns, |x| x.c) && axes::is_unit(&axes.rows, |x| x.c);
        let across = across && !skinny::are_few(&axes) && !skinny::are_more(&axes);
        let axes = if across { axes.swapped() } else { axes };
        Some(Self { distinct: axes.is_injective(), axes, swapped: transposed != across, empty, reach })
    }

    /// The groups in their simplest form, for another device, and whether A and B are exchanged in them; `None` where C has no element.
    pub fn groups(&self) -> Option<(&Axes, bool)> {
        (!self.empty).then_some((&self.axes, self.swapped))
    }

    /// Computes the product of these operands, as [`product`](super::product) does.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If an index of an operand leaves its data.
    pub fn product<T: Lanes>(&self, alpha: T, a: Operand<'_, T>, b: Operand<'_, T>, c: &mut [T]) -> Result<(), OutOfMemory> {
        self.run_on(isa(), Scaled { alpha, accumulate: false }, a, b, c)
    }

    /// Adds the product of these operands to C, as [`add_product`](super::add_product) does.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If an index of an operand leaves its data.
    pub fn add_product<T: Lanes>(&self, alpha: T, a: Operand<'_, T>, b: Operand<'_, T>, c: &mut [T]) -> Result<(), OutOfMemory> {
        self.run_on(isa(), Scaled { alpha, accumulate: true }, a, b, c)
    }

    /// Computes the product of these operands, then maps what it wrote, as [`product_with_epilogue`](super::product_with_epilogue) does.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If an index of an operand leaves its data; if a bias has no numbers or a step of 0.
    pub fn product_with_epilogue<T: Lanes>(
        &self,
        alpha: T,
        a: Operand<'_, T>,
        b: Operand<'_, T>,
        c: &mut [T],
        epilogue: Epilogue<'_, T>,
    ) -> Result<(), OutOfMemory> {
        self.run_with_epilogue_on(isa(), (Scaled { alpha, accumulate: false }, Some(epilogue)), a, b, c)
    }

    /// The product with the registers of one instruction set.
    pub(super) fn run_on<T: Lanes>(
        &self,
        isa: Isa,
        scaled: Scaled<T>,
        a: Operand<'_, T>,
        b: Operand<'_, T>,
        c: &mut [T],
    ) -> Result<(), OutOfMemory> {
        self.run_with_epilogue_on(isa, (scaled, None), a, b, c)
    }

    /// The product and what follows, with the registers of one instruction set.
    pub(super) fn run_with_epilogue_on<T: Lanes>(
        &self,
        isa: Isa,
        results: (Scaled<T>, Option<Epilogue<'_, T>>),
        a: Operand<'_, T>,
        b: Operand<'_, T>,
        c: &mut [T],
    ) -> Result<(), OutOfMemory> {
        run(self, isa, results, a, b, c)
    }
}

compiled! {
    /// See [`Prepared::run_with_epilogue_on`].
    fn run<T: Lanes>(
        product: &Prepared,
        isa: Isa,
        results: (Scaled<T>, Option<Epilogue<'_, T>>),
        a: Operand<'_, T>,
        b: Operand<'_, T>,
        c: &mut [T],
    ) -> Result<(), OutOfMemory> {
        let Prepared { ref axes, swapped, distinct, empty, reach: [in_a, in_b, in_c] } = *product;
        check(in_a, a.offset, a.data.len(), "A");
        check(in_b, b.offset, b.data.len(), "B");
        check(in_c, 0, c.len(), "C");
        if empty {
            return Ok(());
        }
        let (scaled, epilogue) = results;
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let finish = epilogue.map(|epilogue| BoundEpilogue::new(epilogue, SyncPtr::new(c.as_mut_ptr())));
        simd::dispatch_on(isa, Run { scaled, finish, a, b, c, axes, distinct })
    }
}

/// The lowest and the highest index over these groups, none where a size is 0; refused where it does not fit.
fn reach(groups: [&Group; 3], stride: impl Fn(&Axis) -> isize) -> Option<Option<(isize, isize)>> {
    let all = || groups.into_iter().flatten();
    if shape::product(all().map(|x| x.size.max(1))) > MAX_ELEMENTS {
        return None;
    }
    let reach = shape::reach(all().map(|x| (x.size, stride(x))))?;
    Some((!all().any(|x| x.size == 0)).then_some(reach))
}

/// Panics unless every index, counted from `offset`, lies in `0..len`.
#[inline]
fn check(reach: Option<(isize, isize)>, offset: usize, len: usize, name: &str) {
    #[cold]
    fn outside(reach: (isize, isize), offset: usize, len: usize, name: &str) -> ! {
        let [low, high] = [reach.0, reach.1].map(|x| offset as i128 + x as i128);
        panic!("operand {name} of a product reaches {low}..={high} of {len} elements");
    }
    if let Some(reach) = reach
        && !shape::inside(offset, reach, len)
    {
        outside(reach, offset, len, name);
    }
}
