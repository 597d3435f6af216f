//! A = V diag(w) Vᵀ for symmetric A.

use super::order::{place, sort};
use super::pack::{dot, normalize};
use super::panel::{Reflection, UP};
use super::{Algorithm, Outputs, each};
use crate::buffer::OutOfMemory;
use crate::real::Real;
use crate::simd::{Enabled, Lanes, Vector};
use crate::view::View;

/// [`eigh`](crate::factor::eigh::eigh) of matrices that [`suit`](super::suit): the matrices whose iteration did not end, and
/// whose results are unspecified.
pub fn eigh<T: Lanes>(a: View<'_, T>, w: &mut [T], v: &mut [T]) -> Result<Vec<usize>, OutOfMemory> {
    let n = a.shape()[a.shape().len() - 1];
    let vectors = !v.is_empty();
    Ok(each(&Eigh { n, vectors }, a, [w, v, &mut []])?.into_iter().map(|(matrix, _)| matrix).collect())
}

pub(super) struct Eigh {
    pub n: usize,
    pub vectors: bool,
}

/// How far apart rows of Zᵀ are: odd, so that columns of it do not all fall on the same lines of the cache.
pub(super) const fn stride(n: usize) -> usize {
    n | 1
}

/// Packs that [`diagonalize`] needs: v, w, τ, e, the rotations' cosines and sines, and Zᵀ.
pub(super) const fn scratch(n: usize, vectors: bool) -> usize {
    6 * n + if vectors { n * stride(n) } else { 0 }
}

/// Steps of the iteration for an eigenvalue before it is given up.
const STEPS: usize = 50;

impl<T: Lanes> Algorithm<T> for Eigh {
    const LOWER: bool = true;

    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        let n = self.n;
        ([n; 2], [[n, 1], if self.vectors { [n; 2] } else { [0; 2] }, [0; 2]])
    }
    fn scratch(&self) -> usize {
        scratch(self.n, self.vectors)
    }
    fn ns(&self) -> f64 {
        let n = self.n as f64;
        n * n * (3.0 + 0.15 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, a: &mut Vec<V>, out: &mut Outputs<V>, scratch: &mut [V]) -> V {
        let n = self.n;
        let [d, vectors, _] = &mut out.packs;
        mirror(a, n);
        let scale = normalize(isa, a, 0.5..2.0);
        let status = diagonalize(isa, a, d, scratch);
        let zt = &mut scratch[6 * n..];
        if let Some(scale) = scale {
            d.iter_mut().for_each(|x| *x *= scale);
        }
        let order = sort(isa, d, false);
        if self.vectors {
            place(&order, zt, stride(n), vectors, n);
        }
        status
    }
}

/// Copies what is below the diagonal to above it.
#[inline(always)]
pub(super) fn mirror<V: Vector>(a: &mut [V], n: usize) {
    for i in 0..n {
        for j in i + 1..n {
            a[i * n + j] = a[j * n + i];
        }
    }
}

/// The eigenvalues `d`, in no order, of a symmetric matrix of a norm near 1, which is overwritten; the rows of Zᵀ, a [`stride`] apart
/// from the 6 n-th pack of `work` on, are the eigenvectors, if there is room. 1 in the lanes whose iteration did not end.
#[inline(always)]
pub(super) fn diagonalize<V: Vector>(isa: Enabled<V>, a: &mut [V], d: &mut [V], work: &mut [V]) -> V {
    let n = d.len();
    let (work, zt) = work.split_at_mut(6 * n);
    let (work, rotations) = work.split_at_mut(4 * n);
    let (work, e) = work.split_at_mut(3 * n);
    tridiagonal(isa, a, n, [d, e], work);
    if !zt.is_empty() {
        accumulate(isa, a, n, &work[2 * n..], zt);
    }
    ql(isa, [d, e], rotations, zt)
}

/// Qᵀ A Q = T by Householder's reflections: the diagonal `d` and what is below it, `e`, of T. The vector of the k-th reflection
/// without its first element 1 stays in row k of `a` from column k + 2 on, its τ in the last third of `work`.
#[inline(always)]
fn tridiagonal<V: Vector>(isa: Enabled<V>, a: &mut [V], n: usize, [d, e]: [&mut [V]; 2], work: &mut [V]) {
    let (zero, one, half) = (isa.constant(0.0), isa.constant(1.0), isa.constant(0.5));
    let (v, work) = work.split_at_mut(n);
    let (w, tau) = work.split_at_mut(n);
    for k in 0..n {
        d[k] = a[k * n + k];
        e[k] = zero;
        if k + 1 >= n {
            break;
        }
        let (row, rest) = a[k * n..].split_at_mut(n);
        let x = &mut row[k + 1..];
        x.iter_mut().for_each(|x| *x *= isa.constant(UP));
        let reflection = Reflection::new(isa, x[0], dot(zero, &x[1..], &x[1..]));
        e[k] = reflection.image * isa.constant(1.0 / UP);
        tau[k] = reflection.tau;
        x[0] = one;
        x[1..].iter_mut().for_each(|x| *x *= reflection.stretch);
        let m = n - k - 1;
        let (v, w) = (&mut v[..m], &mut w[..m]);
        v.copy_from_slice(x);
        // w = τ A v,  w −= ½ τ (wᵀ v) v,  A −= v wᵀ + w vᵀ
        for (w, row) in w.iter_mut().zip(rest.chunks(n)) {
            *w = dot(zero, &row[k + 1..], v) * tau[k];
        }
        let alpha = -half * tau[k] * dot(zero, w, v);
        for (w, v) in w.iter_mut().zip(&*v) {
            *w = alpha.mul_add(*v, *w);
        }
        for (i, row) in rest.chunks_mut(n).enumerate() {
            let (vi, wi) = (-v[i], -w[i]);
            for ((x, v), w) in row[k + 1..].iter_mut().zip(&*v).zip(&*w) {
                *x = vi.mul_add(*w, wi.mul_add(*v, *x));
            }
        }
    }
}

/// Zᵀ of Z = H₀ H₁ …, from the reflections that [`tridiagonal`] left: a column of Z is a row here.
#[inline(always)]
fn accumulate<V: Vector>(isa: Enabled<V>, a: &[V], n: usize, tau: &[V], zt: &mut [V]) {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    zt.fill(zero);
    for i in 0..n {
        zt[i * stride(n) + i] = one;
    }
    for k in (0..n.saturating_sub(1)).rev() {
        let v = &a[k * n + k + 1..(k + 1) * n];
        for row in zt[(k + 1) * stride(n)..].chunks_mut(stride(n)) {
            let column = &mut row[k + 1..n];
            let w = -tau[k] * dot(zero, column, v);
            for (x, v) in column.iter_mut().zip(v) {
                *x = w.mul_add(*v, *x);
            }
        }
    }
}

/// Eigenvalues of the symmetric tridiagonal matrix by implicit QL steps with Wilkinson's shift (Golub and Van Loan,
/// section 8.3), into `d`; rows of `zt` are rotated along.
///
/// Every lane has its own block l … m, whose lower end m is the first row from l on with a negligible element below: a step
/// runs from the lowest m of all lanes up to l, and is the identity in a lane until its own m and where it is done.
#[inline(always)]
pub(super) fn ql<V: Vector>(isa: Enabled<V>, [d, e]: [&mut [V]; 2], rotations: &mut [V], zt: &mut [V]) -> V {
    let n = d.len();
    let (zero, one, two) = (isa.constant(0.0), isa.constant(1.0), isa.constant(2.0));
    let eps = V::Element::EPSILON.to_f64();
    // What is below ε² of a norm near 1 changes nothing; without it, squares of tiny elements would underflow.
    let (eps, least) = (isa.constant(eps), isa.constant(eps * eps));
    // Squares of the bulge, which may be ε⁴, neither underflow nor overflow at this scale.
    let (up, down) = (isa.constant(2f64.powi(40)), isa.constant(2f64.powi(-40)));
    let mut status = zero;
    for l in 0..n {
        for step in 0.. {
            // 1 from the first negligible element on, and the number of rows before it.
            let (mut ended, mut m) = (zero, isa.constant(l as f64));
            for i in l..n - 1 {
                let small = eps.mul_add(d[i].abs() + d[i + 1].abs(), least);
                ended = small.where_less(e[i].abs(), ended, one);
                m = ended.where_less(one, isa.constant((i + 1) as f64), m);
            }
            let busy = isa.constant(l as f64).where_less(m, one, zero);
            if !busy.any() {
                break;
            }
            if step == STEPS {
                status = busy;
                break;
            }
            let last = m.largest().to_f64() as usize;
            // Wilkinson's shift: the eigenvalue of the leading block of two that is nearer to d_l.
            let g = (d[l + 1] - d[l]) / (two * e[l]);
            let r = g.mul_add(g, one).sqrt();
            let shift = d[l] - e[l] / (g + r.with_sign_of(g));
            let (mut g, mut c, mut s, mut p) = (zero, one, one, zero);
            for i in (l..last).rev() {
                // Rows from i on are rotated where i < m.
                let at = isa.constant(i as f64);
                let on = |yes, no| at.where_less(m, yes, no);
                let first = |yes: V, no: V| isa.constant((i + 1) as f64).where_less(m, no, yes);
                (g, c, s, p) = (first(d[i + 1] - shift, g), first(one, c), first(one, s), first(zero, p));
                let (f, b) = (s * e[i], c * e[i]);
                let (x, y) = (f * up, g * up);
                let r = x.mul_add(x, y * y).sqrt();
                let scaled = |x: V, other| zero.where_less(r, x / r, other);
                let (sine, cosine, r) = (scaled(x, zero), scaled(y, one), r * down);
                let below = d[i + 1] - p;
                let t = (d[i] - below).mul_add(sine, two * cosine * b);
                e[i + 1] = on(first(zero, r), e[i + 1]);
                d[i + 1] = on(sine.mul_add(t, below), d[i + 1]);
                (g, c, s, p) = (on(cosine.mul_add(t, -b), g), on(cosine, one), on(sine, zero), on(sine * t, p));
                (rotations[2 * i], rotations[2 * i + 1]) = (c, s);
            }
            let busy = |yes, no| zero.where_less(busy, yes, no);
            d[l] = busy(d[l] - p, d[l]);
            e[l] = busy(g, e[l]);
            rotate(rotations, l..last, zt, n);
        }
    }
    status
}

/// Rotates rows i and i + 1 of `zt`, for i from the end of the range to its start, each with its cosine and sine.
#[inline(always)]
fn rotate<V: Vector>(rotations: &[V], rows: std::ops::Range<usize>, zt: &mut [V], n: usize) {
    if zt.is_empty() || rows.is_empty() {
        return;
    }
    let mut column = 0;
    while column + 8 <= n {
        rotate_some::<V, 8>(rotations, rows.clone(), zt, n, column);
        column += 8;
    }
    if column + 4 <= n {
        rotate_some::<V, 4>(rotations, rows.clone(), zt, n, column);
        column += 4;
    }
    while column < n {
        rotate_some::<V, 1>(rotations, rows.clone(), zt, n, column);
        column += 1;
    }
}

/// [`rotate`] of `N` columns, which keeps the row that two rotations share in registers.
#[inline(always)]
fn rotate_some<V: Vector, const N: usize>(rotations: &[V], rows: std::ops::Range<usize>, zt: &mut [V], n: usize, column: usize) {
    let last = &zt[rows.end * stride(n) + column..][..N];
    let mut below = [last[0]; N];
    below.copy_from_slice(last);
    for i in rows.clone().rev() {
        let (c, s) = (rotations[2 * i], rotations[2 * i + 1]);
        let (upper, lower) = zt[i * stride(n)..].split_at_mut(stride(n));
        let (upper, lower) = (&upper[column..column + N], &mut lower[column..column + N]);
        for x in 0..N {
            lower[x] = s.mul_add(upper[x], c * below[x]);
            below[x] = c * upper[x] - s * below[x];
        }
    }
    zt[rows.start * stride(n) + column..][..N].copy_from_slice(&below);
}
