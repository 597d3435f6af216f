use super::{bidiagonal, tridiagonal};
use crate::simd::Lanes;

/// Matrices that are hard in their own ways: a diagonal and what is beside it.
fn hard(n: usize) -> Vec<(&'static str, Vec<f64>, Vec<f64>)> {
    let number = |i: usize, seed: usize| ((i * i * 7919 + i * 104_729 + seed) % 10_007) as f64 / 5000.0 - 1.0;
    let of = |f: &dyn Fn(usize) -> f64, n: usize| (0..n).map(f).collect::<Vec<_>>();
    let off = n.saturating_sub(1);
    vec![
        ("random", of(&|i| number(i, 1), n), of(&|i| number(i, 2), off)),
        ("second differences", vec![2.0; n], vec![-1.0; off]),
        ("ones", vec![1.0; n], vec![1.0; off]),
        ("Wilkinson's", of(&|i| (i as f64 - off as f64 / 2.0).abs(), n), vec![1.0; off]),
        ("zeros", vec![0.0; n], vec![0.0; off]),
        ("no diagonal", vec![0.0; n], of(&|i| number(i, 3), off)),
        ("diagonal", of(&|i| number(i % 3, 4), n), vec![0.0; off]),
        ("graded", of(&|i| 0.5_f64.powi(i as i32), n), of(&|i| 0.4_f64.powi(i as i32), off)),
        ("graded upward", of(&|i| 0.5_f64.powi((n - i) as i32), n), of(&|i| 0.4_f64.powi((n - i) as i32), off)),
        ("tiny beside", of(&|i| number(i, 5), n), vec![1e-18; off]),
        ("glued", of(&|i| (i as f64 % 11.0 - 5.0).abs(), n), of(&|i| if i % 11 == 10 { 1e-9 } else { 1.0 }, off)),
        ("zeros among", of(&|i| if i % 5 == 2 { 0.0 } else { number(i, 6) }, n), of(&|i| if i % 7 == 3 { 0.0 } else { 1.0 }, off)),
    ]
}

/// The largest |QᵀQ − I|.
fn off_orthogonal<T: Lanes>(q: &[T], n: usize) -> f64 {
    let mut most: f64 = 0.0;
    for i in 0..n {
        for j in 0..=i {
            let product: f64 = (0..n).map(|k| q[i * n + k].to_f64() * q[j * n + k].to_f64()).sum();
            most = most.max((product - f64::from(u8::from(i == j))).abs());
        }
    }
    most
}

fn check_tridiagonal<T: Lanes>(n: usize) {
    for (name, d, e) in hard(n) {
        let [d, e] = [d, e].map(|x| x.into_iter().map(T::from_f64).collect::<Vec<_>>());
        let (mut values, mut q) = (vec![T::ZERO; n], vec![T::ZERO; n * n]);
        assert!(tridiagonal([&d, &e], &mut values, &mut q).unwrap());
        let size = d.iter().chain(&e).fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
        let most = T::EPSILON.to_f64() * 4.0 * (n as f64).sqrt().max(4.0);
        assert!(values.is_sorted_by(|x, y| x <= y), "{name} {n}: {values:?}");
        assert!(off_orthogonal(&q, n) <= most, "{name} {n}: QᵀQ − I is {}", off_orthogonal(&q, n));
        for (column, value) in q.chunks_exact(n).zip(&values) {
            for i in 0..n {
                let at = |i: usize| column[i].to_f64();
                let mut sum = d[i].to_f64() * at(i) - value.to_f64() * at(i);
                if i > 0 {
                    sum += e[i - 1].to_f64() * at(i - 1);
                }
                if i + 1 < n {
                    sum += e[i].to_f64() * at(i + 1);
                }
                assert!(sum.abs() <= most * size, "{name} {n}: T q − λ q is {sum}");
            }
        }
    }
}

fn check_bidiagonal<T: Lanes>(n: usize) {
    for (name, d, e) in hard(n) {
        let [d, e] = [d, e].map(|x| x.into_iter().map(T::from_f64).collect::<Vec<_>>());
        let (mut values, mut u, mut v) = (vec![T::ZERO; n], vec![T::ZERO; n * n], vec![T::ZERO; n * n]);
        assert!(bidiagonal([&d, &e], &mut values, [&mut u, &mut v]).unwrap());
        let size = d.iter().chain(&e).fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
        let most = T::EPSILON.to_f64() * 4.0 * (n as f64).sqrt().max(4.0);
        assert!(values.is_sorted_by(|x, y| x >= y) && values.iter().all(|x| *x >= T::ZERO), "{name} {n}: {values:?}");
        assert!(off_orthogonal(&u, n) <= most, "{name} {n}: UᵀU − I is {}", off_orthogonal(&u, n));
        assert!(off_orthogonal(&v, n) <= most, "{name} {n}: VᵀV − I is {}", off_orthogonal(&v, n));
        for ((u, v), value) in u.chunks_exact(n).zip(v.chunks_exact(n)).zip(&values) {
            for i in 0..n {
                let mut sum = d[i].to_f64() * v[i].to_f64() - value.to_f64() * u[i].to_f64();
                if i + 1 < n {
                    sum += e[i].to_f64() * v[i + 1].to_f64();
                }
                assert!(sum.abs() <= most * size, "{name} {n}: B v − σ u is {sum}");
            }
        }
    }
}

#[test]
fn tridiagonal_matrices_are_decomposed() {
    for n in [1, 2, 3, 4, 5, 7, 8, 16, 33, 100, 151] {
        check_tridiagonal::<f64>(n);
        check_tridiagonal::<f32>(n);
    }
}

#[test]
fn bidiagonal_matrices_are_decomposed() {
    for n in [1, 2, 3, 4, 5, 7, 8, 16, 33, 100, 151] {
        check_bidiagonal::<f64>(n);
        check_bidiagonal::<f32>(n);
    }
}
