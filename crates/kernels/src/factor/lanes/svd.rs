//! A = U diag(s) Vᵀ.

use super::pack::{Enabled, Pack, dot, elements, normalize, squares_fit};
use super::{Algorithm, Outputs, each};
use crate::real::Real;
use crate::simd::{Lanes, Vector};
use crate::view::View;

/// [`svd`](crate::factor::svd::svd), thin or values alone, of matrices that [`suit`](super::suit): the matrices whose vectors it
/// leaves undetermined, those with a singular value 0, and those whose iteration did not end; results of these are
/// unspecified but for the values of the former.
pub fn svd<T: Lanes>(a: View<'_, T>, s: &mut [T], u: &mut [T], v: &mut [T]) -> Vec<usize> {
    let [.., m, n] = *a.shape() else { return Vec::new() };
    let vectors = !u.is_empty();
    let faults = each(&Svd { m, n, vectors }, a, [u, s, v]);
    faults.into_iter().filter(|&(_, what)| vectors || what != SINGULAR as usize).map(|(matrix, _)| matrix).collect()
}

pub(super) struct Svd {
    pub m: usize,
    pub n: usize,
    pub vectors: bool,
}

/// Sweeps over all pairs before the iteration is given up.
const SWEEPS: usize = 30;

/// Rows that stay in the first-level cache while all others pass.
const BLOCK: usize = 4;

/// What [`svd`] says of a matrix with a singular value 0.
const SINGULAR: f64 = 1.0;
/// What it says of one whose iteration did not end.
const ENDLESS: f64 = 2.0;

impl<T: Lanes> Algorithm<T> for Svd {
    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        let Self { m, n, vectors } = *self;
        let k = m.min(n);
        ([m, n], if vectors { [[m, k], [k, 1], [n, k]] } else { [[0; 2], [k, 1], [0; 2]] })
    }
    /// The rows that are turned, their squared norms, and the product of the rotations.
    fn scratch(&self) -> usize {
        let Self { m, n, vectors } = *self;
        let k = m.min(n);
        m * n + k + if vectors { k * k } else { 0 }
    }
    fn ns(&self) -> f64 {
        let (long, short) = (self.m.max(self.n) as f64, self.m.min(self.n) as f64);
        short * short * (10.0 + 0.8 * long)
    }

    // Rotations of rows make them orthogonal: those of Aᵀ, or of A where it is wide. With G their product, G Aᵀ = diag(s) Uᵀ,
    // so that Vᵀ = G; where A is wide, G A = diag(s) Vᵀ, and U = Gᵀ.
    #[inline(always)]
    fn run<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        a: &mut Vec<Pack<V>>,
        out: &mut Outputs<V>,
        scratch: &mut [Pack<V>],
    ) -> Pack<V> {
        let Self { m, n, .. } = *self;
        let (k, long) = (m.min(n), m.max(n));
        let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
        let [u, s, v] = &mut out.packs;
        let (rows, scratch) = scratch.split_at_mut(m * n);
        let (norms, turned) = scratch.split_at_mut(k);
        let scale = normalize(isa, a, squares_fit::<V>());
        if m >= n {
            for (j, row) in rows.chunks_mut(m).enumerate() {
                row.iter_mut().enumerate().for_each(|(i, x)| *x = a[i * n + j]);
            }
        } else {
            rows.copy_from_slice(a);
        }
        turned.fill(zero);
        turned.iter_mut().step_by(k + 1).for_each(|x| *x = one);

        let mut status = zero;
        for sweep in 0.. {
            if !sweep_pairs(isa, rows, long, norms, turned) {
                break;
            }
            if sweep == SWEEPS {
                status = isa.splat(ENDLESS);
                break;
            }
        }
        for (row, s) in rows.chunks_mut(long).zip(s.iter_mut()) {
            let norm = row.iter().fold(zero, |sum, x| x.mul_add(*x, sum)).sqrt();
            status = norm.abs().where_less(norm, zero, zero.where_less(norm, status, status.max(isa.splat(SINGULAR))));
            let reciprocal = one / norm;
            row.iter_mut().for_each(|x| *x *= reciprocal);
            *s = norm;
        }
        if let Some(scale) = scale {
            s.iter_mut().for_each(|x| *x *= scale);
        }
        let (left, right) = if m >= n { (&mut *rows, &mut *turned) } else { (&mut *turned, &mut *rows) };
        for lane in 0..V::LANES {
            sort::<V>(s, [left, right], [u, v], lane);
        }
        status
    }
}

/// Rotates each pair of rows once so that they are orthogonal, and the rows of `turned` alike. Whether any pair was not.
#[inline(always)]
fn sweep_pairs<V: Vector>(
    isa: Enabled<V>,
    rows: &mut [Pack<V>],
    long: usize,
    norms: &mut [Pack<V>],
    turned: &mut [Pack<V>],
) -> bool {
    let k = norms.len();
    let zero = isa.splat(0.0);
    for (norm, row) in norms.iter_mut().zip(rows.chunks(long)) {
        *norm = dot(zero, row, row);
    }
    // In blocks of rows, so that a row is fetched from the second-level cache once a block and not once a pair.
    let mut turned_any = false;
    for first in (0..k).step_by(BLOCK) {
        let block = first..k.min(first + BLOCK);
        for q in first + 1..k {
            for p in first..q.min(block.end) {
                turned_any |= turn_pair(isa, [p, q], rows, long, norms, turned);
            }
        }
    }
    turned_any
}

/// Makes rows p < q orthogonal. Whether they were not.
#[inline(always)]
fn turn_pair<V: Vector>(
    isa: Enabled<V>,
    [p, q]: [usize; 2],
    rows: &mut [Pack<V>],
    long: usize,
    norms: &mut [Pack<V>],
    turned: &mut [Pack<V>],
) -> bool {
    let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
    let tolerance = isa.splat(V::Element::EPSILON.to_f64() * (long as f64).sqrt());
    let (x, y) = pair(rows, long, p, q);
    let gamma = dot(zero, x, y);
    let (alpha, beta) = (norms[p], norms[q]);
    let wanted = (tolerance * (alpha.sqrt() * beta.sqrt())).where_less(gamma.abs(), one, zero);
    if !wanted.any() {
        return false;
    }
    // t² + 2 ζ t − 1 = 0, the smaller root (Golub and Van Loan, section 8.6).
    let zeta = (beta - alpha) / (gamma + gamma);
    let t = one.with_sign_of(zeta) / (zeta.abs() + zeta.mul_add(zeta, one).sqrt());
    let t = zero.where_less(wanted, t, zero);
    let c = one / t.mul_add(t, one).sqrt();
    let s = c * t;
    norms[p] = alpha - t * gamma;
    norms[q] = beta + t * gamma;
    rotate([c, s], x, y);
    if !turned.is_empty() {
        let (x, y) = pair(turned, norms.len(), p, q);
        rotate([c, s], x, y);
    }
    true
}

/// Rows p < q.
#[inline(always)]
fn pair<V>(rows: &mut [Pack<V>], len: usize, p: usize, q: usize) -> (&mut [Pack<V>], &mut [Pack<V>]) {
    let (head, tail) = rows.split_at_mut(q * len);
    (&mut head[p * len..(p + 1) * len], &mut tail[..len])
}

/// x, y = c x − s y, s x + c y
#[inline(always)]
fn rotate<V: Vector>([c, s]: [Pack<V>; 2], x: &mut [Pack<V>], y: &mut [Pack<V>]) {
    let minus = -s;
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (minus.mul_add(*y, c * *x), s.mul_add(*x, c * *y));
    }
}

/// Brings the singular values of one lane into falling order, the rows of `left` as columns into `u` and those of `right` into
/// `v`.
#[inline(always)]
fn sort<V: Vector>(s: &mut [Pack<V>], [left, right]: [&mut [Pack<V>]; 2], [u, v]: [&mut [Pack<V>]; 2], lane: usize) {
    let (k, lanes) = (s.len(), V::LANES);
    let s = elements(s);
    let mut order = [(V::Element::ZERO, 0); super::LARGEST];
    let order = &mut order[..k];
    for (i, x) in order.iter_mut().enumerate() {
        *x = (s[i * lanes + lane], i);
    }
    order.sort_unstable_by(|x, y| y.0.partial_cmp(&x.0).unwrap_or(std::cmp::Ordering::Equal).then(x.1.cmp(&y.1)));
    for (i, x) in order.iter().enumerate() {
        s[i * lanes + lane] = x.0;
    }
    if u.is_empty() {
        return;
    }
    let (m, n) = (u.len() / k, v.len() / k);
    let (left, right, u, v) = (elements(left), elements(right), elements(u), elements(v));
    for (to, &(_, from)) in order.iter().enumerate() {
        for i in 0..m {
            u[(i * k + to) * lanes + lane] = left[(from * m + i) * lanes + lane];
        }
        for j in 0..n {
            v[(j * k + to) * lanes + lane] = right[(from * n + j) * lanes + lane];
        }
    }
}
