//! A = U diag(s) Vᵀ.

use super::eigh;
use super::order::{place, sort};
use super::pack::{dot, normalize, squares_fit};
use super::product::{BLOCK, LaneMatrix, multiply, products};
use super::{Algorithm, Outputs, each};
use crate::buffer::OutOfMemory;
use crate::params::params;
use crate::real::Real;
use crate::simd::{Enabled, Lanes, Vector};
use crate::view::View;

/// [`svd`](crate::factor::svd::svd), thin or values alone, of matrices that [`suit`](super::suit): the matrices whose vectors it
/// leaves undetermined, those with a singular value 0, and those whose iteration did not end; results of these are
/// unspecified but for the values of the former.
pub fn svd<T: Lanes>(a: View<'_, T>, s: &mut [T], u: &mut [T], v: &mut [T]) -> Result<Vec<usize>, OutOfMemory> {
    let [.., m, n] = *a.shape() else { return Ok(Vec::new()) };
    let vectors = !u.is_empty();
    let faults = each(&Svd { m, n, vectors }, a, [u, s, v])?;
    Ok(faults.into_iter().filter(|&(_, what)| vectors || what != SINGULAR as usize).map(|(matrix, _)| matrix).collect())
}

pub(super) struct Svd {
    pub m: usize,
    pub n: usize,
    pub vectors: bool,
}

/// Sweeps over all pairs before the iteration is given up.
const SWEEPS: usize = 30;

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
    /// The rows that are rotated, the product of the rotations, the squared norms, and what the eigenvectors need.
    fn scratch(&self) -> usize {
        let Self { m, n, vectors } = *self;
        let k = m.min(n);
        m * n
            + k
            + if k >= params().factor.svd_from_eigh {
                k * k + eigh::scratch(k, true)
            } else if vectors {
                k * k
            } else {
                0
            }
    }
    fn ns(&self) -> f64 {
        let (long, short) = (self.m.max(self.n) as f64, self.m.min(self.n) as f64);
        short * short * (10.0 + 0.8 * long)
    }

    // Rotations of the rows of B make them orthogonal: B is Aᵀ, or A where it is wide. With G their product, G Aᵀ = diag(s) Uᵀ,
    // so that Vᵀ = G; where A is wide, G A = diag(s) Vᵀ, and U = Gᵀ.
    #[inline(always)]
    fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, a: &mut Vec<V>, out: &mut Outputs<V>, scratch: &mut [V]) -> V {
        let Self { m, n, .. } = *self;
        let (k, long) = (m.min(n), m.max(n));
        let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
        let [u, s, v] = &mut out.packs;
        let (rows, scratch) = scratch.split_at_mut(m * n);
        let (norms, work) = scratch.split_at_mut(k);
        let (rotations, work) = work.split_at_mut(if k >= params().factor.svd_from_eigh || self.vectors { k * k } else { 0 });
        let scale = normalize(isa, a, squares_fit::<V>());
        let b = LaneMatrix { packs: a, strides: if m >= n { [1, n] } else { [n, 1] } };
        if k >= params().factor.svd_from_eigh {
            begin(isa, b, [rows, rotations], norms, work);
        } else {
            for (i, row) in rows.chunks_mut(long).enumerate() {
                row.iter_mut().enumerate().for_each(|(j, x)| *x = a[i * b.strides[0] + j * b.strides[1]]);
            }
            rotations.fill(zero);
            rotations.iter_mut().step_by(k + 1).for_each(|x| *x = one);
        }
        let rotations = if self.vectors { rotations } else { &mut [] };

        let mut status = zero;
        for sweep in 0.. {
            if !sweep_pairs(isa, rows, long, norms, rotations) {
                break;
            }
            if sweep == SWEEPS {
                status = isa.constant(ENDLESS);
                break;
            }
        }
        for (row, s) in rows.chunks_mut(long).zip(s.iter_mut()) {
            let norm = row.iter().fold(zero, |sum, x| x.mul_add(*x, sum)).sqrt();
            status = norm.abs().where_less(norm, zero, zero.where_less(norm, status, status.max(isa.constant(SINGULAR))));
            let reciprocal = one / norm;
            row.iter_mut().for_each(|x| *x *= reciprocal);
            *s = norm;
        }
        if let Some(scale) = scale {
            s.iter_mut().for_each(|x| *x *= scale);
        }
        let order = sort(isa, s, true);
        if self.vectors {
            let (left, right) = if m >= n { (u, v) } else { (v, u) };
            place(&order, rows, long, left, k);
            place(&order, rotations, k, right, k);
        }
        status
    }
}

/// `rotations` = G with G B Bᵀ Gᵀ diagonal, and `rows` = G B, whose rows are all but orthogonal: what the condition number
/// of B Bᵀ took from them, few rotations give back.
#[inline(always)]
fn begin<V: Vector>(isa: Enabled<V>, b: LaneMatrix<'_, V>, [rows, rotations]: [&mut [V]; 2], norms: &mut [V], work: &mut [V]) {
    let k = norms.len();
    let long = rows.len() / k;
    multiply(isa, [b, b], [k, k, long], rotations);
    eigh::mirror(rotations, k);
    // Of a matrix that is not 0, the largest is at least the square of what fits.
    let mut largest = isa.constant(if size_of::<V::Element>() == 4 { 1e-30 } else { 1e-290 });
    for x in rotations.iter().step_by(k + 1) {
        largest = largest.max(*x);
    }
    let reciprocal = isa.constant(1.0) / largest;
    rotations.iter_mut().for_each(|x| *x *= reciprocal);
    // Vectors whose iteration did not end are orthogonal as well, and the rotations go on from there.
    let _ = eigh::diagonalize(isa, rotations, norms, work);
    for (to, from) in rotations.chunks_mut(k).zip(work[6 * k..].chunks(eigh::stride(k))) {
        to.copy_from_slice(&from[..k]);
    }
    let g = LaneMatrix { packs: rotations, strides: [k, 1] };
    let columns = LaneMatrix { packs: b.packs, strides: [b.strides[1], b.strides[0]] };
    multiply(isa, [g, columns], [k, long, k], rows);
}

/// Rotates each pair of rows once so that they are orthogonal, and the rows of `rotations` alike. Whether any pair was not.
#[inline(always)]
fn sweep_pairs<V: Vector>(isa: Enabled<V>, rows: &mut [V], long: usize, norms: &mut [V], rotations: &mut [V]) -> bool {
    let k = norms.len();
    let zero = isa.constant(0.0);
    for (norm, row) in norms.iter_mut().zip(rows.chunks(long)) {
        *norm = dot(zero, row, row);
    }
    // In blocks of rows, so that a row is fetched from the second-level cache once a block and not once a pair.
    let mut any_rotated = false;
    for first in (0..k).step_by(BLOCK) {
        for other in (first..k).step_by(BLOCK) {
            if k >= params().factor.svd_from_eigh && orthogonal(isa, rows, norms, [first, other]) {
                continue;
            }
            for q in other..k.min(other + BLOCK) {
                for p in first..q.min(first + BLOCK) {
                    any_rotated |= rotate_pair(isa, [p, q], rows, long, norms, rotations);
                }
            }
        }
    }
    any_rotated
}

/// How large the cosine of the angle between rows that count as orthogonal may be.
#[inline(always)]
fn tolerance<V: Vector>(isa: Enabled<V>, long: usize) -> V {
    isa.constant(V::Element::EPSILON.to_f64() * (long as f64).sqrt())
}

/// Whether each of the four rows from p on is orthogonal to each after it of the four from q on.
#[inline(always)]
fn orthogonal<V: Vector>(isa: Enabled<V>, rows: &[V], norms: &[V], [p, q]: [usize; 2]) -> bool {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let k = norms.len();
    let long = rows.len() / k;
    let tolerance = tolerance(isa, long);
    let b = LaneMatrix { packs: rows, strides: [long, 1] };
    let products = products(isa, [b, b], [p, q], [k, k, long]);
    let mut wanted = zero;
    for (i, products) in products.iter().enumerate().take(k - p) {
        let bound = tolerance * norms[p + i].sqrt();
        for (j, product) in products.iter().enumerate().take(k - q) {
            if p + i < q + j {
                wanted = (bound * norms[q + j].sqrt()).where_less(product.abs(), one, wanted);
            }
        }
    }
    !wanted.any()
}

/// Makes rows p < q orthogonal. Whether they were not.
#[inline(always)]
fn rotate_pair<V: Vector>(
    isa: Enabled<V>,
    [p, q]: [usize; 2],
    rows: &mut [V],
    long: usize,
    norms: &mut [V],
    rotations: &mut [V],
) -> bool {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let tolerance = tolerance(isa, long);
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
    if !rotations.is_empty() {
        let (x, y) = pair(rotations, norms.len(), p, q);
        rotate([c, s], x, y);
    }
    true
}

/// Rows p < q.
#[inline(always)]
fn pair<V>(rows: &mut [V], len: usize, p: usize, q: usize) -> (&mut [V], &mut [V]) {
    let (head, tail) = rows.split_at_mut(q * len);
    (&mut head[p * len..(p + 1) * len], &mut tail[..len])
}

/// x, y = c x − s y, s x + c y
#[inline(always)]
fn rotate<V: Vector>([c, s]: [V; 2], x: &mut [V], y: &mut [V]) {
    let minus = -s;
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (minus.mul_add(*y, c * *x), s.mul_add(*x, c * *y));
    }
}
