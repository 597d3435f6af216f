//! Francis's implicit QR iteration with two shifts (1961), as in LAPACK's `hqr`, on a Hessenberg matrix in the first-level cache.

use crate::real::Real;

/// Steps for each value, far more than one takes.
const STEPS: usize = 60;
/// Steps without a deflation, after which the shifts are others.
const PATIENCE: usize = 10;

/// A Hessenberg matrix on its way to T.
pub(super) struct Iteration<'a, T> {
    pub h: &'a mut [T],
    pub z: &'a mut [T],
    pub n: usize,
    pub whole: bool,
}

/// Two shifts, real or a pair: real and imaginary parts.
#[derive(Clone, Copy)]
pub(super) struct Shifts<T> {
    pub re: [T; 2],
    pub im: [T; 2],
}

impl<T: Real> Iteration<'_, T> {
    #[inline(always)]
    pub fn at(&self, i: usize, j: usize) -> T {
        self.h[j * self.n + i]
    }

    #[inline(always)]
    pub fn set(&mut self, i: usize, j: usize, x: T) {
        self.h[j * self.n + i] = x;
    }

    /// Whether all values were found.
    #[inline(always)]
    pub fn run(mut self) -> bool {
        self.iterate()
    }

    /// As [`run`](Self::run), which leaves the matrix to be worked on.
    #[inline(always)]
    pub fn iterate(&mut self) -> bool {
        let mut end = self.n;
        while end > 0 {
            let last = end - 1;
            let mut first = 0;
            let mut found = false;
            for step in 0..STEPS.max(self.n) {
                first = self.block(first, last);
                if first > 0 {
                    self.set(first, first - 1, T::ZERO);
                }
                found = first + 1 >= last;
                if found {
                    break;
                }
                let shifts = self.shifts(first, last, step);
                self.sweep(first, last, shifts);
            }
            if !found {
                return false;
            }
            if first + 1 == last {
                self.standardize(first);
            }
            end = first;
        }
        true
    }

    /// The first row of the block that ends in row `last` and that no small element cuts (Ahues and Tisseur 1997).
    #[inline(always)]
    pub fn block(&self, first: usize, last: usize) -> usize {
        let least = smallest::<T>() / T::EPSILON * T::from_f64(self.n as f64);
        let mut k = last;
        while k > first {
            let below = self.at(k, k - 1).abs();
            if below <= least {
                break;
            }
            let (upper, lower) = (self.at(k - 1, k - 1), self.at(k, k));
            let mut beside = upper.abs() + lower.abs();
            if beside == T::ZERO {
                beside += if k >= 2 { self.at(k - 1, k - 2).abs() } else { T::ZERO };
                beside += if k + 1 < self.n { self.at(k + 1, k).abs() } else { T::ZERO };
            }
            if below <= T::EPSILON * beside {
                let above = self.at(k - 1, k).abs();
                let (ab, ba) = (below.maximum(above), below.minimum(above));
                let apart = (upper - lower).abs();
                let (aa, bb) = (lower.abs().maximum(apart), lower.abs().minimum(apart));
                let s = aa + ab;
                if ba * (ab / s) <= least.maximum(T::EPSILON * (bb * (aa / s))) {
                    break;
                }
            }
            k -= 1;
        }
        k
    }

    /// The values of the last two rows, or others after steps in vain.
    #[inline(always)]
    fn shifts(&self, first: usize, last: usize, step: usize) -> Shifts<T> {
        let exceptional = |s: T, at: T| {
            let diagonal = s * T::from_f64(0.75) + at;
            [diagonal, s * T::from_f64(-0.4375), s, diagonal]
        };
        let [a, b, c, d] = match step % (2 * PATIENCE) {
            0 if step > 0 => exceptional(self.at(last, last - 1).abs() + self.at(last - 1, last - 2).abs(), self.at(last, last)),
            PATIENCE => exceptional(self.at(first + 1, first).abs() + self.at(first + 2, first + 1).abs(), self.at(first, first)),
            _ => [self.at(last - 1, last - 1), self.at(last - 1, last), self.at(last, last - 1), self.at(last, last)],
        };
        let s = a.abs() + b.abs() + c.abs() + d.abs();
        if s == T::ZERO {
            return Shifts { re: [s; 2], im: [s; 2] };
        }
        let [a, b, c, d] = [a / s, b / s, c / s, d / s];
        let middle = (a + d) * T::from_f64(0.5);
        let determinant = (a - middle) * (d - middle) - b * c;
        let root = determinant.abs().sqrt();
        if determinant >= T::ZERO {
            return Shifts { re: [middle * s; 2], im: [root * s, -root * s] };
        }
        // Both shifts are the nearer of two real values.
        let (one, other) = (middle + root, middle - root);
        let nearer = if (one - d).abs() <= (other - d).abs() { one } else { other };
        Shifts { re: [nearer * s; 2], im: [T::ZERO; 2] }
    }

    /// One step with two shifts on rows `first` to `last`.
    #[inline(always)]
    fn sweep(&mut self, first: usize, last: usize, shifts: Shifts<T>) {
        let (start, mut v) = self.bulge(first, last, shifts);
        let (top, right) = if self.whole { (0, self.n - 1) } else { (first, last) };
        for k in start..last {
            let rows = (last - k + 1).min(3);
            if k > start {
                for (i, v) in v.iter_mut().enumerate() {
                    *v = if i < rows { self.at(k + i, k - 1) } else { T::ZERO };
                }
            }
            let (end, tau) = reflection(&mut v);
            if k > start {
                self.set(k, k - 1, end);
                (1..rows).for_each(|i| self.set(k + i, k - 1, T::ZERO));
            } else if start > first {
                // The element is nearly 0, and need not be negated where the reflection is one of rounding.
                let x = self.at(k, k - 1) * (T::ONE - tau);
                self.set(k, k - 1, x);
            }
            if rows == 3 {
                self.reflect::<3>(k, [top, (k + 3).min(last)], right, [v[0], v[1], v[2]], tau);
            } else {
                self.reflect::<2>(k, [top, last], right, [v[0], v[1]], tau);
            }
        }
    }

    /// Where a step begins, and the first column of (H − s₁)(H − s₂) there.
    #[inline(always)]
    fn bulge(&self, first: usize, last: usize, shifts: Shifts<T>) -> (usize, [T; 3]) {
        let mut m = last - 2;
        loop {
            let v = self.first_column(m, &shifts);
            if m == first {
                return (m, v);
            }
            let beside = self.at(m - 1, m - 1).abs() + self.at(m, m).abs() + self.at(m + 1, m + 1).abs();
            if self.at(m, m - 1).abs() * (v[1].abs() + v[2].abs()) <= T::EPSILON * v[0].abs() * beside {
                return (m, v);
            }
            m -= 1;
        }
    }

    /// The first column of (H − s₁)(H − s₂) of the rows from m on, scaled.
    #[inline(always)]
    pub fn first_column(&self, m: usize, Shifts { re, im }: &Shifts<T>) -> [T; 3] {
        let (a, d) = (self.at(m, m), self.at(m + 1, m + 1));
        let c = self.at(m + 1, m);
        let s = (a - re[1]).abs() + im[1].abs() + c.abs();
        let c = c / s;
        let v = [
            c * self.at(m, m + 1) + (a - re[0]) * ((a - re[1]) / s) - im[0] * (im[1] / s),
            c * (a + d - re[0] - re[1]),
            c * self.at(m + 2, m + 1),
        ];
        let s = v[0].abs() + v[1].abs() + v[2].abs();
        [v[0] / s, v[1] / s, v[2] / s]
    }

    /// Applies I − τ v vᵀ from both sides to rows and columns from k on, and to Z from the right.
    #[inline(always)]
    pub fn reflect<const R: usize>(&mut self, k: usize, [top, bottom]: [usize; 2], right: usize, v: [T; R], tau: T) {
        let n = self.n;
        from_left::<T, R>(&mut self.h[k * n..(right + 1) * n], n, k, v, tau);
        from_right::<T, R>(&mut self.h[k * n..(k + R) * n], n, [top, bottom + 1], v, tau);
        if !self.z.is_empty() {
            from_right::<T, R>(&mut self.z[k * n..(k + R) * n], n, [0, n], v, tau);
        }
    }

    /// Makes the 2×2 block that begins in row k upper triangular, or its diagonal elements equal (LAPACK's `lanv2`).
    #[inline(always)]
    pub fn standardize(&mut self, k: usize) {
        let n = self.n;
        let block = [self.at(k, k), self.at(k, k + 1), self.at(k + 1, k), self.at(k + 1, k + 1)];
        let ([a, b, c, d], [cos, sin]) = standard(block);
        self.set(k, k, a);
        self.set(k, k + 1, b);
        self.set(k + 1, k, c);
        self.set(k + 1, k + 1, d);
        if self.whole {
            for column in self.h[(k + 2) * n..].chunks_exact_mut(n) {
                let (x, y) = (column[k], column[k + 1]);
                (column[k], column[k + 1]) = (cos * x + sin * y, cos * y - sin * x);
            }
            let (left, rest) = self.h[k * n..].split_at_mut(n);
            rotate(&mut left[..k], &mut rest[..k], cos, sin);
        }
        if !self.z.is_empty() {
            let (left, rest) = self.z[k * n..].split_at_mut(n);
            rotate(left, &mut rest[..n], cos, sin);
        }
    }
}

/// x, y = c x + s y, c y − s x
#[inline(always)]
fn rotate<T: Real>(x: &mut [T], y: &mut [T], cos: T, sin: T) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (cos * *x + sin * *y, cos * *y - sin * *x);
    }
}

/// (I − τ v vᵀ) X of R rows from k on, in these columns; v₀ = 1.
#[inline(always)]
pub(super) fn from_left<T: Real, const R: usize>(x: &mut [T], n: usize, k: usize, v: [T; R], tau: T) {
    for column in x.chunks_exact_mut(n) {
        let x: &mut [T; R] = (&mut column[k..k + R]).try_into().expect("as many rows");
        let mut sum = x[0];
        (1..R).for_each(
            #[inline(always)]
            |i| sum = v[i].mul_add(x[i], sum),
        );
        let sum = sum * tau;
        x[0] -= sum;
        (1..R).for_each(
            #[inline(always)]
            |i| x[i] = (-sum).mul_add(v[i], x[i]),
        );
    }
}

/// X (I − τ v vᵀ) of R neighbouring columns, in these rows; v₀ = 1.
#[inline(always)]
pub(super) fn from_right<T: Real, const R: usize>(x: &mut [T], n: usize, [top, bottom]: [usize; 2], v: [T; R], tau: T) {
    let (a, rest) = x.split_at_mut(n);
    let (b, rest) = rest.split_at_mut(n);
    let (c, d) = rest.split_at_mut(n.min(rest.len()));
    let (a, b) = (&mut a[top..bottom], &mut b[top..bottom]);
    if R == 2 {
        for (a, b) in a.iter_mut().zip(b) {
            let sum = tau * v[1].mul_add(*b, *a);
            *a -= sum;
            *b = (-sum).mul_add(v[1], *b);
        }
        return;
    }
    let c = &mut c[top..bottom];
    if R == 3 {
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            let sum = tau * v[2].mul_add(*c, v[1].mul_add(*b, *a));
            *a -= sum;
            *b = (-sum).mul_add(v[1], *b);
            *c = (-sum).mul_add(v[2], *c);
        }
        return;
    }
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(&mut d[top..bottom]) {
        let sum = tau * v[3].mul_add(*d, v[2].mul_add(*c, v[1].mul_add(*b, *a)));
        *a -= sum;
        *b = (-sum).mul_add(v[1], *b);
        *c = (-sum).mul_add(v[2], *c);
        *d = (-sum).mul_add(v[3], *d);
    }
}

/// v with v₀ = 1, and what is left of the first element and τ of I − τ v vᵀ.
#[inline(always)]
pub(super) fn reflection<T: Real>(v: &mut [T; 3]) -> (T, T) {
    let most = v[1].abs().maximum(v[2].abs());
    let first = v[0];
    v[0] = T::ONE;
    if most == T::ZERO {
        return (first, T::ZERO);
    }
    let scale = most.maximum(first.abs());
    let (x, y, z) = (first / scale, v[1] / scale, v[2] / scale);
    let length = scale * (x * x + y * y + z * z).sqrt();
    let end = if first < T::ZERO { length } else { -length };
    v[1] = v[1] / (first - end);
    v[2] = v[2] / (first - end);
    (end, (end - first) / end)
}

/// The smallest normal number.
#[inline(always)]
pub(super) fn smallest<T: Real>() -> T {
    T::from_f64(if size_of::<T>() == 4 { f32::MIN_POSITIVE.into() } else { f64::MIN_POSITIVE })
}

/// √(x² + y²)
#[inline(always)]
fn length<T: Real>(x: T, y: T) -> T {
    let most = x.abs().maximum(y.abs());
    if most == T::ZERO {
        return most;
    }
    let (x, y) = (x / most, y / most);
    most * (x * x + y * y).sqrt()
}

/// The standard form [a, b, c, d] of a block [[a, b], [c, d]], and cosine and sine of the rotation that makes it.
#[inline(always)]
fn standard<T: Real>([a, b, c, d]: [T; 4]) -> ([T; 4], [T; 2]) {
    let half = T::from_f64(0.5);
    let sign = |x: T| if x < T::ZERO { -T::ONE } else { T::ONE };
    let (zero, one) = (T::ZERO, T::ONE);
    if c == zero {
        return ([a, b, c, d], [one, zero]);
    }
    if b == zero {
        return ([d, -c, zero, a], [zero, one]);
    }
    if a == d && sign(b) != sign(c) {
        return ([a, b, c, d], [one, zero]);
    }
    let p = half * (a - d);
    let most = b.abs().maximum(c.abs());
    let least = b.abs().minimum(c.abs()) * sign(b) * sign(c);
    let scale = p.abs().maximum(most);
    let z = (p / scale) * p + (most / scale) * least;
    // Two real values that are well apart.
    if z >= T::EPSILON * T::from_f64(4.0) {
        let z = p + sign(p) * scale.sqrt() * z.sqrt();
        let tau = length(c, z);
        return ([d + z, b - c, zero, d - (most / z) * least], [z / tau, c / tau]);
    }
    // A pair, or values that are nearly equal: the diagonal is made equal.
    let sigma = b + c;
    let tau = length(sigma, a - d);
    let cos = (half * (one + sigma.abs() / tau)).sqrt();
    let sin = -(p / (tau * cos)) * sign(sigma);
    let (aa, bb, cc, dd) = (a * cos + b * sin, b * cos - a * sin, c * cos + d * sin, d * cos - c * sin);
    let (a, b, c, d) = (aa * cos + cc * sin, bb * cos + dd * sin, cc * cos - aa * sin, dd * cos - bb * sin);
    let middle = half * (a + d);
    if c == zero {
        return ([middle, b, c, middle], [cos, sin]);
    }
    if b == zero {
        return ([middle, -c, zero, middle], [-sin, cos]);
    }
    if sign(b) != sign(c) {
        return ([middle, b, c, middle], [cos, sin]);
    }
    // Real after all.
    let (x, y) = (b.abs().sqrt(), c.abs().sqrt());
    let p = sign(c) * x * y;
    let tau = one / (b + c).abs().sqrt();
    let (cos1, sin1) = (x * tau, y * tau);
    ([middle + p, b - c, zero, middle - p], [cos * cos1 - sin * sin1, cos * sin1 + sin * cos1])
}
