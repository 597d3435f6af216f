//! A = Q R by Householder's reflections, four at a time.

use super::pack::{normalize, squares_fit};
use super::panel::{LaneReflections, Row, UP, WIDTH, begin, complete, factor, reflect};
use super::{Algorithm, Outputs, each, first};
use crate::factor::Failure;
use crate::simd::{Enabled, Lanes, Vector};
use crate::view::View;

/// [`qr`](crate::factor::qr::qr), Q of min(m, n) columns, of matrices that [`suit`](super::suit).
pub fn qr<T: Lanes>(a: View<'_, T>, non_negative: bool, q: &mut [T], r: &mut [T]) -> Result<(), Failure> {
    let [.., m, n] = *a.shape() else { return Ok(()) };
    first(&each(&Qr { m, n, non_negative }, a, [q, r, &mut []])?)
}

pub(super) struct Qr {
    pub m: usize,
    pub n: usize,
    /// The diagonal of R has no negative element.
    pub non_negative: bool,
}

impl<T: Lanes> Algorithm<T> for Qr {
    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        let Self { m, n, .. } = *self;
        let k = m.min(n);
        ([m, n], [[m, k], [k, n], [0; 2]])
    }
    /// A panel, and the panels of the reflections' vectors, each with its factors.
    fn scratch(&self) -> usize {
        (self.m + self.m.min(self.n).div_ceil(WIDTH) * (self.m + WIDTH)) * WIDTH
    }
    fn ns(&self) -> f64 {
        let (m, n) = (self.m as f64, self.n as f64);
        m * n * (0.5 + 0.02 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, a: &mut Vec<V>, out: &mut Outputs<V>, scratch: &mut [V]) -> V {
        let Self { m, n, non_negative } = *self;
        let k = m.min(n);
        let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
        let [q, r, _] = &mut out.packs;
        let (panel, panels) = scratch.as_chunks_mut::<WIDTH>().0.split_at_mut(m);
        let scale = normalize(isa, a, squares_fit::<V>()).unwrap_or(one) * isa.constant(1.0 / UP);
        // Looking left: a panel is met by all reflections before it while it is in the first-level cache, and written once.
        for first in (0..n).step_by(WIDTH) {
            let width = WIDTH.min(n - first);
            for (x, row) in panel.iter_mut().zip(a.chunks(n)) {
                x[width..].fill(zero);
                for (x, y) in x.iter_mut().zip(&row[first..first + width]) {
                    *x = *y * isa.constant(UP);
                }
            }
            let (before, own) = panels.split_at_mut(first.min(k).div_ceil(WIDTH) * (m + WIDTH));
            for (i, before) in before.chunks(m + WIDTH).enumerate() {
                reflect::<V, false>(isa, reflections(before, m, i), &mut panel[i * WIDTH..], width);
            }
            let steps = width.min(k.saturating_sub(first));
            if steps > 0 {
                let (v, factors) = own.split_at_mut(m);
                factor(isa, &mut panel[first..], steps, &mut factors[..WIDTH]);
                v[first..].copy_from_slice(&panel[first..]);
                complete(isa, &mut v[first..], steps, &mut factors[..WIDTH]);
            }
            for (i, (x, row)) in panel.iter().zip(r.chunks_mut(n)).enumerate() {
                for (j, (x, y)) in x.iter().zip(&mut row[first..first + width]).enumerate() {
                    *y = if i > first + j { zero } else { *x * scale };
                }
            }
        }
        for first in (0..k).step_by(WIDTH) {
            let i = first / WIDTH;
            panel[..first].fill([zero; WIDTH]);
            begin(isa, reflections(&panels[i * (m + WIDTH)..], m, i), &mut panel[first..]);
            let width = WIDTH.min(k - first);
            for (i, before) in panels[..i * (m + WIDTH)].chunks(m + WIDTH).enumerate().rev() {
                reflect::<V, true>(isa, reflections(before, m, i), &mut panel[i * WIDTH..], width);
            }
            for (x, row) in panel.iter().zip(q.chunks_mut(k)) {
                row[first..first + width].copy_from_slice(&x[..width]);
            }
        }
        if non_negative {
            for (j, row) in r.chunks_mut(n).enumerate() {
                let sign = row[j].where_less(zero, -one, one);
                row.iter_mut().for_each(|x| *x *= sign);
                q.iter_mut().skip(j).step_by(k).for_each(|x| *x *= sign);
            }
        }
        zero
    }
}

/// Of the i-th panel, which begins here: m rows of vectors, from the diagonal on, and the factors.
#[inline(always)]
fn reflections<V>(panel: &[Row<V>], m: usize, i: usize) -> LaneReflections<'_, V> {
    LaneReflections { v: &panel[i * WIDTH..m], factors: &panel[m..m + WIDTH] }
}
