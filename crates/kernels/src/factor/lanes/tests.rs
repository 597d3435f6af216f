//! Every algorithm on every instruction set, against what defines its result, in f64.

use super::cholesky::Cholesky;
use super::eigh::Eigh;
use super::inverse::Inverse;
use super::qr::Qr;
use super::svd::Svd;
use super::{Algorithm, Fault};
use crate::params::params;
use crate::simd::{Isa, Lanes, available};

/// Orders around the blocks of columns that algorithms work in.
const ORDERS: [usize; 11] = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 32];
/// Batches around the lanes of every register.
const BATCHES: [usize; 4] = [1, 3, 16, 37];

/// [`each_on`](super::each_on) with results row by row.
fn each_on<T: Lanes>(isa: Isa, algorithm: &impl Algorithm<T>, a: &[T], mut out: [&mut [T]; 3]) -> Vec<Fault> {
    let faults = super::each_on(isa, algorithm, a, out.each_mut().map(|out| &mut **out)).unwrap();
    for (out, [m, n]) in out.into_iter().zip(algorithm.sizes().1) {
        if m * n > 0 {
            out.chunks_mut(m * n).for_each(|x| x.copy_from_slice(&transposed(x, [n, m])));
        }
    }
    faults
}

/// Numbers from -1 to 1.
fn numbers<T: Lanes>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        T::from_f64((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    };
    (0..len).map(next).collect()
}

/// Some matrix with many zeros, ties and equal rows in it.
fn integers<T: Lanes>(len: usize, seed: u64) -> Vec<T> {
    numbers::<T>(len, seed).into_iter().map(|x| T::from_f64((1.2 * x.to_f64()).round())).collect()
}

/// Numbers that fall by ten orders of magnitude, over and over.
fn graded<T: Lanes>(len: usize, seed: u64) -> Vec<T> {
    let shrunk = |(i, x): (usize, T)| T::from_f64(x.to_f64() * 10f64.powi(-(i as i32 % 11) * 2));
    numbers::<T>(len, seed).into_iter().enumerate().map(shrunk).collect()
}

/// a (m × k) times b (k × n)
fn product<T: Lanes>(a: &[T], b: &[T], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for l in 0..k {
            for j in 0..n {
                c[i * n + j] += a[i * k + l].to_f64() * b[l * n + j].to_f64();
            }
        }
    }
    c
}

fn transposed<T: Lanes>(a: &[T], [m, n]: [usize; 2]) -> Vec<T> {
    (0..m * n).map(|i| a[(i % m) * n + i / m]).collect()
}

/// The largest |x − y|, NaN if any is.
fn distance<T: Lanes>(x: &[f64], y: &[T]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).fold(0.0, |m, (x, y)| {
        let d = (x - y.to_f64()).abs();
        if d.is_nan() || m > d { if d.is_nan() { d } else { m } } else { d }
    })
}

fn identity<T: Lanes>(n: usize) -> Vec<T> {
    (0..n * n).map(|i| if i % (n + 1) == 0 { T::ONE } else { T::ZERO }).collect()
}

fn largest<T: Lanes>(a: &[T]) -> f64 {
    a.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.to_f64().abs()))
}

/// LAPACK's measure: at most 30 n u of what the error is compared with.
#[track_caller]
fn check<T: Lanes>(what: &str, error: f64, n: usize, size: f64) {
    let ratio = error / (n as f64 * T::EPSILON.to_f64() * size);
    assert!(ratio < 30.0, "{what}: {ratio} times n u, order {n}, f{}", 8 * size_of::<T>());
}

/// `test` for every instruction set, order and batch.
fn everywhere(mut test: impl FnMut(Isa, usize, usize)) {
    for isa in available() {
        for n in ORDERS {
            for batch in BATCHES {
                test(isa, n, batch);
            }
        }
    }
}

fn cholesky_of<T: Lanes>() {
    everywhere(|isa, n, batch| {
        let mut a = Vec::new();
        for i in 0..batch {
            let b = numbers::<T>(n * n, (i + n) as u64);
            let mut s = product(&b, &transposed(&b, [n, n]), [n, n, n]);
            s.iter_mut().step_by(n + 1).for_each(|x| *x += 0.1);
            a.extend(s.into_iter().map(T::from_f64));
        }
        // Only the lower triangle counts.
        let mut read = a.clone();
        for matrix in read.chunks_mut(n * n) {
            (0..n * n).filter(|i| i % n > i / n).for_each(|i| matrix[i] = T::NAN);
        }
        let mut l = vec![T::NAN; a.len()];
        assert_eq!(each_on(isa, &Cholesky { n }, &read, [&mut l, &mut [], &mut []]), []);
        for (a, l) in a.chunks(n * n).zip(l.chunks(n * n)) {
            let back = product(l, &transposed(l, [n, n]), [n, n, n]);
            check::<T>("A − L Lᵀ", distance(&back, a), n, n as f64 * largest(a));
            assert!((0..n * n).all(|i| i % n <= i / n || l[i] == T::ZERO));
        }
    });
}

fn inverse_of<T: Lanes>() {
    everywhere(|isa, n, batch| {
        // Far from singular, with pivots everywhere but on the diagonal.
        let a: Vec<T> = (0..batch)
            .flat_map(|i| {
                let mut b = numbers::<T>(n * n, (i * 7 + n) as u64);
                (0..n).for_each(|r| b[r * n + (r * 3 + i + 1) % n] = T::from_f64(3.0));
                (0..n).for_each(|r| b[r * n + (n - 1 - r + i) % n] = T::from_f64(2.0 * n as f64));
                b
            })
            .collect();
        let mut x = vec![T::NAN; a.len()];
        assert_eq!(each_on(isa, &Inverse { n }, &a, [&mut x, &mut [], &mut []]), []);
        for (a, x) in a.chunks(n * n).zip(x.chunks(n * n)) {
            let size = n as f64 * largest(a) * largest(x);
            check::<T>("A A⁻¹ − 1", distance(&product(a, x, [n, n, n]), &identity::<T>(n)), n, size);
            check::<T>("A⁻¹ A − 1", distance(&product(x, a, [n, n, n]), &identity::<T>(n)), n, size);
        }
    });
}

fn qr_of<T: Lanes>() {
    everywhere(|isa, n, batch| {
        for m in [1, n.saturating_sub(1).max(1), n, n + 1, 3 * n] {
            for make in [numbers::<T>, integers::<T>, graded::<T>] {
                let k = m.min(n);
                let a = make(batch * m * n, (m * 31 + n) as u64);
                let (mut q, mut r) = (vec![T::NAN; batch * m * k], vec![T::NAN; batch * k * n]);
                each_on(isa, &Qr { m, n, non_negative: batch == 3 }, &a, [&mut q, &mut r, &mut []]);
                for ((a, q), r) in a.chunks(m * n).zip(q.chunks(m * k)).zip(r.chunks(k * n)) {
                    check::<T>("A − Q R", distance(&product(q, r, [m, k, n]), a), m.max(n), largest(a));
                    let back = product(&transposed(q, [m, k]), q, [k, m, k]);
                    check::<T>("Qᵀ Q − 1", distance(&back, &identity::<T>(k)), m, 1.0);
                    assert!((0..k * n).all(|i| i % n >= i / n || r[i] == T::ZERO));
                    assert!(batch != 3 || (0..k).all(|i| r[i * n + i] >= T::ZERO));
                }
            }
        }
    });
}

/// Symmetric matrices: of random numbers, of few integers (with equal eigenvalues and blocks), diagonal, of rank one, and
/// with elements of very different sizes.
fn symmetric<T: Lanes>(n: usize, kind: usize, seed: u64) -> Vec<T> {
    let b = if kind == 1 { integers::<T>(n * n, seed) } else { numbers::<T>(n * n, seed) };
    let at = |i: usize, j: usize| b[i.max(j) * n + i.min(j)].to_f64();
    let element = |i: usize, j: usize| match kind {
        0 | 1 => at(i, j),
        2 => f64::from(i == j) * (1.0 + (i % 3) as f64),
        3 => at(i, 0) * at(j, 0),
        _ => at(i, j) * 10f64.powf(-1.5 * (i + j) as f64),
    };
    (0..n * n).map(|i| T::from_f64(element(i / n, i % n))).collect()
}

fn eigh_of<T: Lanes>() {
    everywhere(|isa, n, batch| {
        let a: Vec<T> = (0..batch).flat_map(|i| symmetric::<T>(n, i % 5, (i + n) as u64)).collect();
        let (mut w, mut v) = (vec![T::NAN; batch * n], vec![T::NAN; batch * n * n]);
        assert_eq!(each_on(isa, &Eigh { n, vectors: true }, &a, [&mut w, &mut v, &mut []]), []);
        let mut alone = vec![T::NAN; batch * n];
        assert_eq!(each_on(isa, &Eigh { n, vectors: false }, &a, [&mut alone, &mut [], &mut []]), []);
        for (((a, w), v), alone) in a.chunks(n * n).zip(w.chunks(n)).zip(v.chunks(n * n)).zip(alone.chunks(n)) {
            let scaled: Vec<T> = (0..n * n).map(|i| v[i] * w[i % n]).collect();
            let back = product(&scaled, &transposed(v, [n, n]), [n, n, n]);
            check::<T>("A − V diag(w) Vᵀ", distance(&back, a), n, largest(a));
            check::<T>("Vᵀ V − 1", distance(&product(&transposed(v, [n, n]), v, [n, n, n]), &identity::<T>(n)), n, 1.0);
            assert!(w.is_sorted());
            let w: Vec<f64> = w.iter().map(|x| x.to_f64()).collect();
            check::<T>("w alone", distance(&w, alone), n, largest(a));
        }
    });
}

fn svd_of<T: Lanes>() {
    everywhere(|isa, n, batch| {
        for m in [1, n, 2 * n + 1] {
            for [m, n] in [[m, n], [n, m]] {
                if m.max(n) > 2 * super::LARGEST + 1 {
                    continue;
                }
                let k = m.min(n);
                let a = numbers::<T>(batch * m * n, (m * 17 + n) as u64);
                let (mut u, mut s, mut vt) = (vec![T::NAN; batch * m * k], vec![T::NAN; batch * k], vec![T::NAN; batch * k * n]);
                assert_eq!(each_on(isa, &Svd { m, n, vectors: true }, &a, [&mut u, &mut s, &mut vt]), []);
                let mut alone = vec![T::NAN; batch * k];
                assert_eq!(each_on(isa, &Svd { m, n, vectors: false }, &a, [&mut [], &mut alone, &mut []]), []);
                for i in 0..batch {
                    let (a, s) = (&a[i * m * n..][..m * n], &s[i * k..][..k]);
                    let u = &u[i * m * k..][..m * k];
                    let vt = &transposed(&vt[i * k * n..][..k * n], [n, k]);
                    let scaled: Vec<T> = (0..m * k).map(|i| u[i] * s[i % k]).collect();
                    check::<T>("A − U diag(s) Vᵀ", distance(&product(&scaled, vt, [m, k, n]), a), m.max(n), s[0].to_f64());
                    check::<T>(
                        "Uᵀ U − 1",
                        distance(&product(&transposed(u, [m, k]), u, [k, m, k]), &identity::<T>(k)),
                        m.max(n),
                        1.0,
                    );
                    check::<T>(
                        "V Vᵀ − 1",
                        distance(&product(vt, &transposed(vt, [k, n]), [k, n, k]), &identity::<T>(k)),
                        m.max(n),
                        1.0,
                    );
                    assert!(s.iter().rev().is_sorted());
                    let s: Vec<f64> = s.iter().map(|x| x.to_f64()).collect();
                    check::<T>("s alone", distance(&s, &alone[i * k..][..k]), m.max(n), s[0]);
                }
            }
        }
    });
}

#[test]
fn cholesky_factors_give_the_matrix_back() {
    cholesky_of::<f32>();
    cholesky_of::<f64>();
}

#[test]
fn inverses_give_the_identity() {
    inverse_of::<f32>();
    inverse_of::<f64>();
}

#[test]
fn q_is_orthogonal_and_gives_the_matrix_with_r() {
    qr_of::<f32>();
    qr_of::<f64>();
}

#[test]
fn eigenvectors_are_orthogonal_and_give_the_matrix_back() {
    eigh_of::<f32>();
    eigh_of::<f64>();
}

#[test]
fn singular_vectors_are_orthogonal_and_give_the_matrix_back() {
    svd_of::<f32>();
    svd_of::<f64>();
}

#[test]
fn matrices_that_go_wrong_are_named_and_leave_the_others_alone() {
    for isa in available() {
        let n = 5;
        let mut a: Vec<f64> = (0..40).flat_map(|_| identity::<f64>(n)).collect();
        a[17 * n * n + 2 * (n + 1)] = -1.0;
        a[33 * n * n] = f64::NAN;
        let mut l = vec![0.0; a.len()];
        assert_eq!(each_on(isa, &Cholesky { n }, &a, [&mut l, &mut [], &mut []]), [(17, 3)]);
        assert_eq!(l[18 * n * n..19 * n * n], identity::<f64>(n));
        assert!(l[33 * n * n..34 * n * n].iter().all(|x| x.is_nan()));

        a[17 * n * n + 2 * (n + 1)] = 0.0;
        a[33 * n * n] = 1.0;
        let singular: Vec<Fault> = vec![(17, 3)];
        assert_eq!(each_on(isa, &Inverse { n }, &a, [&mut l, &mut [], &mut []]), singular);
        let (mut u, mut s, mut vt) = (a.clone(), vec![0.0; 40 * n], a.clone());
        assert_eq!(each_on(isa, &Svd { m: n, n, vectors: true }, &a, [&mut u, &mut s, &mut vt]), [(17, 1)]);
        assert_eq!(s[17 * n..18 * n], [1.0, 1.0, 1.0, 1.0, 0.0]);
    }
}

#[test]
fn scales_near_the_ends_of_the_range_lose_nothing() {
    for isa in available() {
        for scale in [1e-300, 1e-155, 1e148, 1e155, 1e300] {
            let n = 6;
            let a: Vec<f64> = symmetric::<f64>(n, 0, 3).into_iter().map(|x| x * scale).collect();
            let (mut w, mut v) = (vec![0.0; n], vec![0.0; n * n]);
            assert_eq!(each_on(isa, &Eigh { n, vectors: true }, &a, [&mut w, &mut v, &mut []]), []);
            let back: Vec<f64> = (0..n * n).map(|i| v[i] * (w[i % n] / scale)).collect();
            let unit: Vec<f64> = a.iter().map(|x| x / scale).collect();
            check::<f64>("eigh", distance(&product(&back, &transposed(&v, [n, n]), [n, n, n]), &unit), n, 1.0);

            let (mut u, mut s, mut vt) = (vec![0.0; n * n], vec![0.0; n], vec![0.0; n * n]);
            assert_eq!(each_on(isa, &Svd { m: n, n, vectors: true }, &a, [&mut u, &mut s, &mut vt]), []);
            let back: Vec<f64> = (0..n * n).map(|i| u[i] * (s[i % n] / scale)).collect();
            let vt = transposed(&vt, [n, n]);
            check::<f64>("svd", distance(&product(&back, &vt, [n, n, n]), &unit), n, 1.0);

            let (mut q, mut r) = (vec![0.0; n * n], vec![0.0; n * n]);
            each_on(isa, &Qr { m: n, n, non_negative: false }, &a, [&mut q, &mut r, &mut []]);
            let r: Vec<f64> = r.iter().map(|x| x / scale).collect();
            check::<f64>("qr", distance(&product(&q, &r, [n, n, n]), &unit), n, 1.0);
        }
    }
}

#[test]
fn nan_and_infinity_end() {
    for isa in available() {
        for bad in [f64::NAN, f64::INFINITY] {
            let n = 7;
            let mut a: Vec<f64> = (0..20).flat_map(|i| symmetric::<f64>(n, 0, i)).collect();
            a[3 * n * n + 15] = bad;
            let (mut x, mut y, mut z) = (vec![0.0; a.len()], vec![0.0; 20 * n], vec![0.0; a.len()]);
            each_on(isa, &Eigh { n, vectors: true }, &a, [&mut y, &mut x, &mut []]);
            assert!(y[4 * n..].iter().all(|w| w.is_finite()) && !y[3 * n..4 * n].iter().all(|w| w.is_finite()));
            each_on(isa, &Svd { m: n, n, vectors: true }, &a, [&mut x, &mut y, &mut z]);
            assert!(y[4 * n..].iter().all(|w| w.is_finite()) && !y[3 * n..4 * n].iter().all(|w| w.is_finite()));
            each_on(isa, &Qr { m: n, n, non_negative: false }, &a, [&mut x, &mut z, &mut []]);
            assert!(z[4 * n * n..].iter().all(|w| w.is_finite()) && !z[3 * n * n..4 * n * n].iter().all(|w| w.is_finite()));
        }
    }
}

#[test]
fn a_batch_in_lanes_is_what_its_matrices_are_alone_whatever_the_strides() {
    use crate::factor::{cholesky, eigh, inverse, qr, svd};
    use crate::view::View;
    let (batch, n) = (40, 5);
    let a: Vec<f64> = (0..batch)
        .flat_map(|i| symmetric::<f64>(n, 0, i as u64 + 9))
        .enumerate()
        .map(|(i, x)| if i % (n * n) % (n + 1) == 0 { x + 7.0 } else { x + 0.1 * (i % 3) as f64 })
        .collect();
    let (nn, len) = (n * n, batch * n * n);
    let close = |what: &str, x: &[f64], y: &[f64]| check::<f64>(what, distance(x, y), n, 20.0);
    for strides in [[nn as isize, n as isize, 1], [nn as isize, 1, n as isize], [nn as isize, -(n as isize), 1]] {
        let offset = if strides[1] < 0 { n * (n - 1) } else { 0 };
        let shape = [batch, n, n];
        let all = View::new(&a, offset, &shape, &strides).unwrap();
        let (mut l, mut x, mut q, mut r) = (vec![0.0; len], vec![0.0; len], vec![0.0; len], vec![0.0; len]);
        let (mut w, mut s) = (vec![0.0; batch * n], vec![0.0; batch * n]);
        let (mut vectors, mut u, mut v) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
        let positive = strides[1] > 0;
        if positive {
            cholesky::cholesky(all, &mut l).unwrap();
        }
        inverse::inverse(all, &mut x).unwrap();
        qr::qr(all, qr::Kind { full: true, non_negative: true }, &mut q, &mut r).unwrap();
        eigh::eigh(all, &mut w, &mut vectors).unwrap();
        svd::svd(all, svd::Vectors::Full, &mut s, &mut u, &mut v).unwrap();
        for i in 0..batch {
            let one = View::new(&a, offset + i * nn, &shape[1..], &strides[1..]).unwrap();
            let own = i * nn..(i + 1) * nn;
            let (mut y, mut z) = (vec![0.0; nn], vec![0.0; nn]);
            if positive {
                cholesky::cholesky(one, &mut y).unwrap();
                close("cholesky", &y, &l[own.clone()]);
            }
            inverse::inverse(one, &mut y).unwrap();
            close("inverse", &y, &x[own.clone()]);
            qr::qr(one, qr::Kind { full: false, non_negative: true }, &mut y, &mut z).unwrap();
            close("q", &y, &q[own.clone()]);
            close("r", &z, &r[own.clone()]);
            let mut values = vec![0.0; n];
            eigh::eigh(one, &mut values, &mut []).unwrap();
            close("w", &values, &w[i * n..(i + 1) * n]);
            svd::svd(one, svd::Vectors::None, &mut values, &mut [], &mut []).unwrap();
            close("s", &values, &s[i * n..(i + 1) * n]);
        }
    }
}

/// Results so large that they are written past the caches, of sizes that are whole lines and of such that are not.
#[test]
fn results_that_no_cache_keeps_are_the_same() {
    for isa in available() {
        for n in [15, 32] {
            let few = 48;
            let qr = Qr { m: n, n, non_negative: false };
            let a = numbers::<f32>(few * n * n, 5);
            let (mut q, mut r) = (vec![0.0; a.len()], vec![0.0; a.len()]);
            super::each_on(isa, &qr, &a, [&mut q, &mut r, &mut []]).unwrap();
            let times = params().memory.streamed_bytes.div_ceil(3 * size_of_val(&a[..]));
            let many = a.repeat(times);
            let mut all = crate::buffer::Block::filled(2 * many.len(), 0.0f32).unwrap();
            let (all_q, all_r) = all.split_at_mut(many.len());
            super::each_on(isa, &qr, &many, [all_q, all_r, &mut []]).unwrap();
            assert!(all_q.chunks(q.len()).all(|x| x == q) && all_r.chunks(r.len()).all(|x| x == r), "order {n}, {isa:?}");
        }
    }
}
