//! A = Q R, and Householder's reflections.

use super::pack::{Enabled, Pack, normalize, squares_fit};
use super::{Algorithm, Outputs, each};
use crate::simd::{Lanes, Vector};
use crate::view::View;

/// [`qr`](crate::factor::qr::qr), Q of min(m, n) columns, of matrices that [`suit`](super::suit).
pub fn qr<T: Lanes>(a: View<'_, T>, non_negative: bool, q: &mut [T], r: &mut [T]) {
    let [.., m, n] = *a.shape() else { return };
    let faults = each(&Qr { m, n, non_negative }, a, [q, r, &mut []]);
    debug_assert!(faults.is_empty());
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
    /// A reflection's vector, and the factor τ of each.
    fn scratch(&self) -> usize {
        self.m + self.m.min(self.n)
    }
    fn ns(&self) -> f64 {
        let (m, n) = (self.m as f64, self.n as f64);
        m * n * (0.5 + 0.05 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        a: &mut Vec<Pack<V>>,
        out: &mut Outputs<V>,
        scratch: &mut [Pack<V>],
    ) -> Pack<V> {
        let Self { m, n, non_negative } = *self;
        let k = m.min(n);
        let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
        let (v, tau) = scratch.split_at_mut(m);
        let scale = normalize(isa, a, squares_fit::<V>());
        for j in 0..k {
            let reflection = Reflection::new(isa, a[j * n + j], (j + 1..m).map(|i| a[i * n + j]));
            a[j * n + j] = reflection.image;
            for i in j + 1..m {
                a[i * n + j] *= reflection.stretch;
                v[i] = a[i * n + j];
            }
            tau[j] = reflection.tau;
            reflect(&mut a[j * n..], n, j + 1..n, &v[j + 1..m], tau[j]);
        }
        let [q, r, _] = &mut out.packs;
        for (j, row) in r.chunks_mut(n).enumerate() {
            row[..j].fill(zero);
            row[j..].copy_from_slice(&a[j * n + j..(j + 1) * n]);
            if let Some(scale) = scale {
                row.iter_mut().for_each(|x| *x *= scale);
            }
        }
        // Q = H₀ … H₍k₋₁₎ of the first k columns of the identity, from the right, so that a column is touched only from
        // its own reflection on.
        q.fill(zero);
        for j in (0..k).rev() {
            for i in j + 1..m {
                v[i] = a[i * n + j];
            }
            q[j * k + j] = one;
            reflect(&mut q[j * k..], k, j..k, &v[j + 1..m], tau[j]);
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

/// H = 1 − τ v vᵀ, with v₀ = 1, that takes a vector x to a multiple of the first unit vector.
pub(super) struct Reflection<V> {
    /// The multiple: ±‖x‖, of the sign that x₀ has not.
    pub image: Pack<V>,
    pub tau: Pack<V>,
    /// What the rest of x is multiplied by to be that of v.
    pub stretch: Pack<V>,
}

impl<V: Vector> Reflection<V> {
    /// Of the vector x; 1 where nothing but its first element counts beside the norm of a matrix with
    /// [`squares_fit`].
    #[inline(always)]
    pub fn new(isa: Enabled<V>, first: Pack<V>, rest: impl Iterator<Item = Pack<V>>) -> Self {
        let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
        // Small elements of f32 keep the digits of their squares at this scale.
        let (up, down) = (isa.splat(2f64.powi(40)), isa.splat(2f64.powi(-40)));
        let least = isa.splat(if size_of::<V::Element>() == 4 { 1e-31 } else { 1e-290 });
        let below = rest.fold(zero, |sum, x| (x * up).mul_add(x * up, sum));
        let norm = (first * up).mul_add(first * up, below).sqrt() * down;
        let image = -norm.with_sign_of(first);
        // NaN below counts as nothing here: it stays in v and goes into whatever is reflected.
        let flat = |then, other| least.where_less(below, other, then);
        Self { image: flat(first, image), tau: flat(zero, (image - first) / image), stretch: flat(zero, one / (first - image)) }
    }
}

/// Reflects columns of a matrix whose rows, `stride` apart, begin at that of v₀: `rest` is v without its first element 1.
#[inline(always)]
fn reflect<V: Vector>(a: &mut [Pack<V>], stride: usize, columns: std::ops::Range<usize>, rest: &[Pack<V>], tau: Pack<V>) {
    let mut c = columns.start;
    while c + 8 <= columns.end {
        reflect_some::<V, 8>(a, stride, c, rest, tau);
        c += 8;
    }
    if c + 4 <= columns.end {
        reflect_some::<V, 4>(a, stride, c, rest, tau);
        c += 4;
    }
    while c < columns.end {
        reflect_some::<V, 1>(a, stride, c, rest, tau);
        c += 1;
    }
}

/// [`reflect`] of `N` columns from `c` on:  w = τ (a₀ + Σ vᵢ aᵢ),  a₀ −= w,  aᵢ −= vᵢ w.
#[inline(always)]
fn reflect_some<V: Vector, const N: usize>(a: &mut [Pack<V>], stride: usize, c: usize, rest: &[Pack<V>], tau: Pack<V>) {
    let mut w = [a[c]; N];
    w.copy_from_slice(&a[c..c + N]);
    for (v, row) in rest.iter().zip(a[stride..].chunks(stride)) {
        for (w, x) in w.iter_mut().zip(&row[c..c + N]) {
            *w = v.mul_add(*x, *w);
        }
    }
    for (w, x) in w.iter_mut().zip(&mut a[c..c + N]) {
        *w *= tau;
        *x -= *w;
        *w = -*w;
    }
    for (v, row) in rest.iter().zip(a[stride..].chunks_mut(stride)) {
        for (w, x) in w.iter().zip(&mut row[c..c + N]) {
            *x = v.mul_add(*w, *x);
        }
    }
}
