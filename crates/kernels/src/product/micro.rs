//! The micro-kernel: a tile of C kept in registers while the contracted index runs.

use super::axes::Offsets;
use super::epilogue::BoundEpilogue;
use crate::number::Number;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx512::{Bf16Pairs, F32x16};
use crate::simd::{Enabled, Lanes, MAX_LANES, Vector, prefetch, prefetch_far};

/// The most rows of a tile in any instruction set.
pub(super) const MAX_ROWS: usize = 14;

/// Bytes of a line of the caches.
pub(super) const LINE: usize = 64;

/// One tile: C[i, j] (+)= α · Σ_κ A[i, κ] · B[κ, j], for the rows and columns of a tile.
///
/// Whoever makes one promises what [the product](super#what-is-promised) does: `depth` indices of its rows and columns can be read,
/// packed ones of the columns rounded up to whole registers; its rows and columns lie in C, and nobody else uses those elements.
pub(super) struct Tile<'a, T> {
    pub(super) alpha: T,
    /// The number of contracted indices.
    pub(super) depth: usize,
    pub(super) a: *const T,
    pub(super) b: *const T,
    /// How far A lies apart from row to row and from one contracted index to the next, and B from one contracted index
    /// to the next; none for packed panels, whose rows (columns, in whole registers) of one contracted index lie together.
    pub(super) steps: Option<[isize; 3]>,
    /// Memory that the next tiles need, of which a line is asked for with every contracted index, and how far the lines lie
    /// apart; for panels that are not packed.
    pub(super) ahead: Option<(*const T, isize)>,
    /// Index 0…0 of this matrix of C.
    pub(super) c: *mut T,
    /// Where each row of the tile lies in C.
    pub(super) rows: &'a [isize],
    /// How many columns the tile has.
    pub(super) width: usize,
    pub(super) columns: Columns<'a>,
    /// Whether the sums are added to what C holds.
    pub(super) accumulate: bool,
    /// What follows, where the sums are complete.
    pub(super) finish: Option<&'a BoundEpilogue<'a, T>>,
}

/// Where the columns of a tile lie in C.
#[derive(Clone, Copy)]
pub(super) enum Columns<'a> {
    /// One after another from here on.
    Adjacent(isize),
    /// Anywhere.
    Apart(&'a [isize]),
}

impl<'a> Columns<'a> {
    /// The columns of C from `start` on, as many as `room` takes, which keeps where they lie.
    #[inline]
    pub(super) fn new(columns: &Offsets, start: usize, room: &'a mut [isize]) -> Self {
        if columns.adjacent(start, room.len()) {
            return Self::Adjacent(columns.at(start));
        }
        columns.fill(start, room);
        Self::Apart(room)
    }
}

type Code<T> = fn(&Tile<'_, T>);

/// The micro-kernels of an instruction set, for every number of rows and registers of columns.
pub(super) struct Kernels<T> {
    /// The most rows of a tile.
    pub(super) rows: usize,
    /// The lanes of a register.
    pub(super) lanes: usize,
    packed: [[Code<T>; 2]; MAX_ROWS],
    strided: [[Code<T>; 2]; MAX_ROWS],
}

/// What a micro-kernel finds at `a` and `b`, and how it multiplies that.
trait Form<V: Vector> {
    /// Whether the rows (columns, in whole registers) of one contracted index lie together.
    const PACKED: bool;
    /// What says that the processor has the instructions.
    type Isa: Copy;

    /// That of a kernel that runs: [`Kernels`] were made of it.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn isa() -> Self::Isa;
    /// That of the registers.
    fn registers(isa: Self::Isa) -> Enabled<V>;
    /// Calls `f` with the instructions enabled.
    fn enter(isa: Self::Isa, f: impl FnOnce());
    /// The products of x and y, and `sum`.
    fn mul_add(isa: Self::Isa, x: V, y: V, sum: V) -> V;
}

/// Numbers, in packed panels.
struct Packed;

/// Numbers, as an operand has them.
struct Strided;

macro_rules! numbers {
    ($form:ident, $packed:literal) => {
        impl<V: Vector> Form<V> for $form {
            const PACKED: bool = $packed;
            type Isa = Enabled<V>;

            #[inline(always)]
            unsafe fn isa() -> Enabled<V> {
                // SAFETY: the caller's duty.
                unsafe { Enabled::new() }
            }
            #[inline(always)]
            fn registers(isa: Enabled<V>) -> Enabled<V> {
                isa
            }
            #[inline(always)]
            fn enter(isa: Enabled<V>, f: impl FnOnce()) {
                isa.enter(f);
            }
            #[inline(always)]
            fn mul_add(_: Enabled<V>, x: V, y: V, sum: V) -> V {
                x.mul_add(y, sum)
            }
        }
    };
}
numbers!(Packed, true);
numbers!(Strided, false);

/// Packed panels in which a lane holds two contracted indices, in bf16.
#[cfg(target_arch = "x86_64")]
struct Pairs;

#[cfg(target_arch = "x86_64")]
impl Form<F32x16> for Pairs {
    const PACKED: bool = true;
    type Isa = Bf16Pairs;

    #[inline(always)]
    unsafe fn isa() -> Bf16Pairs {
        // SAFETY: the caller's duty.
        unsafe { Bf16Pairs::new() }
    }
    #[inline(always)]
    fn registers(isa: Bf16Pairs) -> Enabled<F32x16> {
        isa.isa()
    }
    #[inline(always)]
    fn enter(isa: Bf16Pairs, f: impl FnOnce()) {
        isa.enter(f);
    }
    #[inline(always)]
    fn mul_add(isa: Bf16Pairs, x: F32x16, y: F32x16, sum: F32x16) -> F32x16 {
        isa.mul_add(x, y, sum)
    }
}

macro_rules! kernels {
    ($v:ident, $form:ident, $($rows:literal)*) => {
        [$([run::<$v, $form, $rows, 1>, run::<$v, $form, $rows, 2>]),*]
    };
}

/// Tiles of 14 × 2 registers fill 28 of 32 registers with sums, 6 × 2 fill 12 of 16; B takes two more, A one.
const fn most_rows<V: Vector>() -> usize {
    if V::REGISTERS >= 32 { MAX_ROWS } else { 6 }
}

impl<T: Lanes> Kernels<T> {
    /// Those of these registers.
    pub(super) fn for_registers<V: Vector<Element = T>>(_: Enabled<V>) -> Self {
        Self {
            rows: const { most_rows::<V>() },
            lanes: V::LANES,
            packed: kernels!(V, Packed, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            strided: kernels!(V, Strided, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        }
    }

    /// The widest tile, in columns.
    pub(super) fn columns(&self) -> usize {
        2 * self.lanes
    }

    /// Computes a tile.
    ///
    /// # Panics
    /// If the tile has more rows or columns than these kernels, or none.
    #[inline]
    pub(super) fn run(&self, tile: &Tile<'_, T>) {
        assert!((1..=self.columns()).contains(&tile.width), "a tile of {} columns", tile.width);
        let code = if tile.steps.is_none() { &self.packed } else { &self.strided };
        code[tile.rows.len() - 1][usize::from(tile.width > self.lanes)](tile);
        if let Some(finish) = tile.finish {
            finish.tile(tile);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Kernels<f32> {
    /// The kernels for packed pairs of bf16, of which `depth` counts the pairs.
    ///
    /// They sum in f32, as the others do, but take subnormal numbers for 0, in the operands and in the sums: the
    /// instruction knows no others.
    pub(super) fn for_bf16_pairs(pairs: Bf16Pairs) -> Self {
        let packed = kernels!(F32x16, Pairs, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        Self { packed, ..Self::for_registers(pairs.isa()) }
    }
}

fn run<V: Vector, F: Form<V>, const M: usize, const N: usize>(tile: &Tile<'_, V::Element>) {
    // Known when this is compiled, so that no code is made for tiles that these registers do not hold.
    if const { M > most_rows::<V>() } {
        unreachable!("a tile of {M} rows");
    }
    // SAFETY: this address is one of `Kernels`, which were made of that token.
    let isa = unsafe { F::isa() };
    F::enter(
        isa,
        #[inline(always)]
        || sums::<V, F, M, N>(isa, tile),
    );
}

/// Sums up a tile of M rows and up to N registers of columns: more than N - 1, as `Kernels::run` chose them.
#[inline(always)]
fn sums<V: Vector, F: Form<V>, const M: usize, const N: usize>(token: F::Isa, tile: &Tile<'_, V::Element>) {
    let isa = F::registers(token);
    let last = tile.width - (N - 1) * V::LANES;
    let [a_row, a_step, b_step] = if F::PACKED { [1, M as isize, (N * V::LANES) as isize] } else { tile.steps.unwrap_or([1; 3]) };
    if let Columns::Adjacent(first) = tile.columns {
        for &row in tile.rows {
            let row = tile.c.wrapping_offset(row + first);
            prefetch(row);
            prefetch(row.wrapping_add(tile.width - 1));
        }
    }
    let mut sums = [[isa.zero(); N]; M];
    let (mut a, mut b, mut ahead) = (tile.a, tile.b, tile.ahead);
    for _ in 0..tile.depth {
        let mut column = [isa.zero(); N];
        if F::PACKED {
            // The panel of A that is likely next.
            prefetch(a.wrapping_add(M * tile.depth));
        } else if let Some((line, step)) = &mut ahead {
            prefetch_far(*line);
            *line = line.wrapping_offset(*step);
        }
        // SAFETY: the tile has `depth` indices of M rows and N registers, of the last register its columns alone where B is not packed.
        unsafe {
            for j in 0..N {
                let from = b.add(j * V::LANES);
                column[j] = if F::PACKED || j + 1 < N { isa.load(from) } else { isa.load_first(from, last) };
            }
            for i in 0..M {
                let x = isa.splat(*a.offset(i as isize * a_row));
                for j in 0..N {
                    sums[i][j] = F::mul_add(token, x, column[j], sums[i][j]);
                }
            }
        }
        // Without checks, since the last step leaves the operand.
        a = a.wrapping_offset(a_step);
        b = b.wrapping_offset(b_step);
    }
    match tile.columns {
        Columns::Adjacent(first) => store::<V, M, N>(isa, tile, first, last, &sums),
        Columns::Apart(columns) => scatter::<V, M, N>(tile, columns, &sums),
    }
}

/// Writes a tile whose columns are neighbours in C.
#[inline(always)]
fn store<V: Vector, const M: usize, const N: usize>(
    isa: Enabled<V>,
    tile: &Tile<'_, V::Element>,
    first: isize,
    last: usize,
    sums: &[[V; N]; M],
) {
    let alpha = isa.splat(tile.alpha);
    let plain = tile.alpha == V::Element::ONE && !tile.accumulate;
    for i in 0..M {
        for j in 0..N {
            let n = if j + 1 == N { last } else { V::LANES };
            let x = sums[i][j];
            // SAFETY: the tile's M rows and columns lie in C; the last register writes only the columns there are.
            unsafe {
                let to = tile.c.offset(*tile.rows.get_unchecked(i) + first).add(j * V::LANES);
                if plain && n == V::LANES {
                    x.store(to);
                } else if n == V::LANES {
                    let x = if tile.accumulate { x.mul_add(alpha, isa.load(to)) } else { x * alpha };
                    x.store(to);
                } else {
                    let x = if tile.accumulate { x.mul_add(alpha, isa.load_first(to, n)) } else { x * alpha };
                    x.store_first(to, n);
                }
            }
        }
    }
}

/// Writes a tile whose columns are apart in C.
#[inline(always)]
fn scatter<V: Vector, const M: usize, const N: usize>(tile: &Tile<'_, V::Element>, columns: &[isize], sums: &[[V; N]; M]) {
    // A copy, since sums that are indexed by a variable would not stay in registers while they are summed.
    let mut lanes = [[V::Element::ZERO; 2 * MAX_LANES]; M];
    for i in 0..M {
        for j in 0..N {
            sums[i][j].write(&mut lanes[i][j * V::LANES..]);
        }
    }
    for (row, lanes) in tile.rows.iter().zip(&lanes) {
        for (column, &sum) in columns.iter().zip(lanes) {
            // SAFETY: the tile's rows and columns lie in C.
            let to = unsafe { &mut *tile.c.offset(row + column) };
            let x = tile.alpha * sum;
            *to = if tile.accumulate { *to + x } else { x };
        }
    }
}
