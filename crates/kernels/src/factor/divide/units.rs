//! The vectors of a merged part, in the vectors of its halves.

use super::super::secular::{LANES, Root, total};
use crate::buffer::{OutOfMemory, list};
use crate::real::Real;
use crate::simd::{self, Lanes};
use crate::threads;

/// Nanoseconds that an element of S takes.
const NS_EACH: f64 = 2.0;

/// What some columns of the halves are to a vector of the whole, those that fill up others nothing.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub d: [f64; LANES],
    pub z: [f64; LANES],
    pub first: [f64; LANES],
    pub last: [f64; LANES],
}

impl Terms {
    pub const NOTHING: Self = Self { d: [f64::INFINITY; LANES], z: [0.0; LANES], first: [0.0; LANES], last: [0.0; LANES] };
}

/// Columns of S on the right, then on the left: ẑⱼ / (pⱼ − λᵢ) and, of squares, dⱼ times that, −1 for the null vector; of length 1.
/// `ends` become those of the new vectors.
pub(super) fn units<T: Lanes, const SQUARES: bool>(
    terms: &[Terms],
    roots: &[Root],
    s: &mut [T],
    ends: &mut [[f64; 2]],
) -> Result<(), OutOfMemory> {
    let k = roots.len();
    let (right, left) = s.split_at_mut(k * k);
    let mut columns = list(k)?;
    let mut left = left.chunks_exact_mut(k);
    for ((&root, right), ends) in roots.iter().zip(right.chunks_exact_mut(k)).zip(ends) {
        columns.push((root, right, left.next(), ends));
    }
    let parts = threads::parts(k, NS_EACH * k as f64);
    threads::split_mut(&mut columns, 1, parts, |_, columns| {
        simd::run(
            #[inline(always)]
            || {
                for (root, right, left, ends) in columns {
                    **ends = unit::<T, SQUARES>(terms, *root, right, left.as_deref_mut());
                }
            },
        );
    });
    Ok(())
}

#[inline(always)]
fn unit<T: Real, const SQUARES: bool>(terms: &[Terms], root: Root, right: &mut [T], left: Option<&mut [T]>) -> [f64; 2] {
    if right.len() == 1 {
        right[0] = T::ONE;
        if let Some(left) = left {
            left[0] = T::from_f64(1.0_f64.copysign(terms[0].z[0]));
        }
        return [terms[0].first[0], terms[0].last[0]];
    }
    let mut sums = [[0.0; LANES]; 4];
    for terms in terms {
        for l in 0..LANES {
            let x = terms.z[l] / root.gap::<SQUARES>(terms.d[l]);
            // The rest is times infinity.
            let scaled = if x == 0.0 { 0.0 } else { terms.d[l] * x };
            sums[0][l] += x * x;
            sums[1][l] += x * terms.first[l];
            sums[2][l] += x * terms.last[l];
            sums[3][l] += scaled * scaled;
        }
    }
    let [square, first, last, scaled] = sums.map(total);
    // Elements may be too large for T before they are divided by the length.
    let inverse = 1.0 / square.sqrt();
    let element = |terms: &Terms, l: usize| T::from_f64(terms.z[l] / root.gap::<SQUARES>(terms.d[l]) * inverse);
    fill(terms, right, element);
    if let Some(left) = left {
        let inverse = 1.0 / (1.0 + scaled).sqrt();
        let element = |terms: &Terms, l: usize| {
            let x = terms.d[l] * terms.z[l] / root.gap::<SQUARES>(terms.d[l]);
            // The null vector's term is the only one whose d is 0.
            T::from_f64(inverse * if terms.d[l] == 0.0 { -1.0 } else { x })
        };
        fill(terms, left, element);
    }
    [first * inverse, last * inverse]
}

/// Makes each number that of a term.
#[inline(always)]
fn fill<T: Real>(terms: &[Terms], to: &mut [T], element: impl Fn(&Terms, usize) -> T) {
    let (whole, rest) = to.as_chunks_mut::<LANES>();
    for (to, terms) in whole.iter_mut().zip(terms) {
        for l in 0..LANES {
            to[l] = element(terms, l);
        }
    }
    if let Some(terms) = terms.last() {
        rest.iter_mut().enumerate().for_each(|(l, to)| *to = element(terms, l));
    }
}
