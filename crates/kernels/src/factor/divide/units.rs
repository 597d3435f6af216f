//! The vectors of a merged part, in the vectors of its halves.

use super::super::secular::{Root, Roots};
use crate::buffer::{OutOfMemory, list};
use crate::real::Real;
use crate::simd::{Enabled, Kernel, Lanes, MAX_LANES, Square, Vector, dispatch};
use crate::threads;

/// Nanoseconds that an element of S takes.
const NS_EACH: f64 = 1.0;

/// What a column of the halves is to a vector of the whole: its pole, what is above it, and its ends.
#[derive(Clone, Copy)]
pub(super) struct PoleTerm {
    pub d: f64,
    pub z: f64,
    pub ends: [f64; 2],
}

/// A column of S on the right and, of squares, on the left, and the ends of the new vector.
struct Unit<'a, T> {
    root: Root,
    right: &'a mut [T],
    left: Option<&'a mut [T]>,
    ends: &'a mut [f64; 2],
}

/// Columns of S on the right, then on the left: ẑⱼ / (pⱼ − λᵢ) and, of squares, dⱼ times that, −1 for the null vector; of length 1.
/// `ends` become those of the new vectors.
pub(super) fn units<T: Lanes, const SQUARES: bool>(
    terms: &[PoleTerm],
    roots: &[Root],
    s: &mut [T],
    ends: &mut [[f64; 2]],
) -> Result<(), OutOfMemory> {
    let k = roots.len();
    assert!(terms.len() == k && ends.len() == k, "a term for each root");
    if let ([term], [ends]) = (terms, &mut *ends) {
        s[0] = T::ONE;
        if let Some(left) = s.get_mut(1) {
            *left = T::from_f64(1.0_f64.copysign(term.z));
        }
        *ends = term.ends;
        return Ok(());
    }
    let (right, left) = s.split_at_mut(k * k);
    let mut columns = list(k)?;
    let mut left = left.chunks_exact_mut(k);
    for ((&root, right), ends) in roots.iter().zip(right.chunks_exact_mut(k)).zip(ends) {
        columns.push(Unit { root, right, left: left.next(), ends });
    }
    dispatch::<f64, _>(Units::<'_, '_, T, SQUARES> { terms, columns: &mut columns });
    Ok(())
}

struct Units<'a, 'b, T, const SQUARES: bool> {
    terms: &'a [PoleTerm],
    columns: &'a mut [Unit<'b, T>],
}

impl<T: Real, const SQUARES: bool> Kernel<f64> for Units<'_, '_, T, SQUARES> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = f64>>(self, isa: Enabled<V>) {
        let Self { terms, columns } = self;
        let parts = threads::parts(columns.len(), NS_EACH * terms.len() as f64);
        threads::split_mut(columns, V::LANES, parts, |_, columns| {
            isa.enter(
                #[inline(always)]
                || columns.chunks_mut(V::LANES).for_each(|columns| group::<V, T, SQUARES>(isa, terms, columns)),
            );
        });
    }
}

/// Of the elements x of columns: Σ x², Σ (d x)², and the ends of Σ x times a half's vector.
struct Sums<V> {
    square: V,
    scaled: V,
    ends: [V; 2],
}

impl<V: Vector<Element = f64>> Sums<V> {
    #[inline(always)]
    fn add<const SQUARES: bool>(&mut self, term: &PoleTerm, x: V) {
        let isa = x.isa();
        self.square = x.mul_add(x, self.square);
        self.ends[0] = x.mul_add(isa.splat(term.ends[0]), self.ends[0]);
        self.ends[1] = x.mul_add(isa.splat(term.ends[1]), self.ends[1]);
        if SQUARES {
            let x = isa.splat(term.d) * x;
            self.scaled = x.mul_add(x, self.scaled);
        }
    }
}

/// As many columns as lanes, or fewer.
#[inline(always)]
fn group<V: Vector<Element = f64>, T: Real, const SQUARES: bool>(isa: Enabled<V>, terms: &[PoleTerm], columns: &mut [Unit<'_, T>]) {
    let roots: [Root; MAX_LANES] = std::array::from_fn(|l| columns[l.min(columns.len() - 1)].root);
    let roots = Roots::new(isa, &roots);
    let mut sums = Sums { square: isa.zero(), scaled: isa.zero(), ends: [isa.zero(); 2] };
    let (pairs, rest) = terms.as_chunks::<2>();
    for [x, y] in pairs {
        let [of_x, of_y] = roots.quotients::<SQUARES>([x.d, y.d], [x.z, y.z]);
        sums.add::<SQUARES>(x, of_x);
        sums.add::<SQUARES>(y, of_y);
    }
    for x in rest {
        sums.add::<SQUARES>(x, roots.quotient::<SQUARES>(x.d, x.z));
    }
    let Sums { square, scaled, ends: [first, last] } = sums;
    // Elements may be too large for T before they are divided by the length.
    let one = isa.splat(1.0);
    let (inverse, of_left) = (one / square.sqrt(), one / (one + scaled).sqrt());
    for (lane, ends) in (first * inverse).lanes().zip((last * inverse).lanes()).enumerate() {
        if let Some(column) = columns.get_mut(lane) {
            *column.ends = ends.into();
        }
    }
    for (i, terms) in terms.chunks(V::LANES).enumerate() {
        let mut block = Square::<V>::zero(isa);
        let (pairs, rest) = terms.as_chunks::<2>();
        for (p, [x, y]) in pairs.iter().enumerate() {
            [block[2 * p], block[2 * p + 1]] = roots.quotients::<SQUARES>([x.d, y.d], [x.z, y.z]);
        }
        if let [x] = rest {
            block[terms.len() - 1] = roots.quotient::<SQUARES>(x.d, x.z);
        }
        let mut scaled = block;
        for (x, term) in scaled.iter_mut().zip(terms) {
            // The null vector's term is the only one whose d is 0.
            *x = of_left * if term.d == 0.0 { -one } else { isa.splat(term.d) * *x };
        }
        for x in block.iter_mut() {
            *x *= inverse;
        }
        let rows = i * V::LANES..i * V::LANES + terms.len();
        write(block, columns.iter_mut().map(|column| &mut column.right[rows.clone()]));
        if SQUARES {
            write(scaled, columns.iter_mut().filter_map(|column| column.left.as_deref_mut()).map(|left| &mut left[rows.clone()]));
        }
    }
}

/// Writes a lane of all registers to each of these.
#[inline(always)]
fn write<'a, V: Vector<Element = f64>, T: Real>(mut block: Square<V>, to: impl Iterator<Item = &'a mut [T]>) {
    block.transpose();
    for (x, to) in block.iter().zip(to) {
        let mut lanes = [0.0; MAX_LANES];
        x.write(&mut lanes);
        if to.len() == V::LANES {
            // A length that the compiler knows.
            let to = &mut to[..V::LANES];
            (0..V::LANES).for_each(|l| to[l] = T::from_f64(lanes[l]));
        } else {
            to.iter_mut().zip(lanes).for_each(|(to, x)| *to = T::from_f64(x));
        }
    }
}
