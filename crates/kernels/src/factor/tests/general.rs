//! Matrices without symmetry.

use super::{frobenius, identity, product, ratio, real, transposed, wide};
use crate::factor::eig::{Spectra, eig};
use crate::factor::roots::{logarithm, root};
use crate::factor::schur::schur;
use crate::factor::sylvester::quasi_triangular;
use crate::factor::{Failure, Fault};
use crate::naive::numbers;
use crate::simd::Lanes;
use crate::view::View;

const SIZES: [usize; 14] = [1, 2, 3, 4, 5, 8, 16, 17, 31, 33, 50, 64, 90, 120];

/// Row by row, n rows.
macro_rules! view {
    ($a:expr, $n:expr) => {
        View::new(&$a[..], 0, &[$a.len() / ($n * $n), $n, $n], &[($n * $n) as isize, $n as isize, 1]).unwrap()
    };
}

/// T and Z row by row.
fn decomposed<T: Lanes>(a: &[T], n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut t, mut z) = (vec![T::ZERO; n * n], vec![T::ZERO; n * n]);
    schur(view!(a, n), &mut t, &mut z).unwrap();
    (transposed(&wide(&t), n, n), transposed(&wide(&z), n, n))
}

/// Numbers over the largest of `like`, so that their squares are numbers.
fn unit<T: Lanes>(x: &[f64], like: &[T]) -> Vec<f64> {
    let most = wide(like).into_iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    x.iter().map(|x| if most > 0.0 { x / most } else { *x }).collect()
}

fn check_schur<T: Lanes>(a: &[f64], n: usize, what: &str) {
    let stored = real::<T>(a);
    let (t, z) = decomposed(&stored, n);
    let back = product(&product(&z, &t, n), &transposed(&z, n, n), n);
    let (off, gram) = (
        ratio::<T>(&unit(&wide(&stored), &stored), &unit(&back, &stored), n),
        ratio::<T>(&identity(n), &product(&transposed(&z, n, n), &z, n), n),
    );
    assert!(off < 20.0 && gram < 20.0, "{what}, {n}: {off}, {gram}");
    for j in 0..n {
        assert!((j + 2..n).all(|i| t[i * n + j] == 0.0), "{what}, {n}: column {j}");
        if j + 1 < n && t[(j + 1) * n + j] != 0.0 {
            assert!(
                t[j * n + j] == t[(j + 1) * n + j + 1] && t[(j + 1) * n + j].signum() != t[j * n + j + 1].signum(),
                "{what}, {n}: block {j}"
            );
            assert!(j + 2 >= n || t[(j + 2) * n + j + 1] == 0.0, "{what}, {n}: block {j}");
        }
    }
}

/// Values and vectors: re, im.
type Found = ([Vec<f64>; 2], [Vec<f64>; 2]);

fn found<T: Lanes>(a: &[T], n: usize) -> Found {
    let (mut re, mut im) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    let (mut x, mut y) = (vec![T::ZERO; n * n], vec![T::ZERO; n * n]);
    eig(view!(a, n), Spectra { values: [&mut re, &mut im], vectors: [&mut x, &mut y] }).unwrap();
    ([wide(&re), wide(&im)], [transposed(&wide(&x), n, n), transposed(&wide(&y), n, n)])
}

fn check_eig<T: Lanes>(a: &[f64], n: usize, what: &str) -> Found {
    let stored = real::<T>(a);
    let ([re, im], [x, y]) = found(&stored, n);
    let whole = [re.clone(), im.clone()];
    let (a, re, im) = (unit(&wide(&stored), &stored), unit(&re, &stored), unit(&im, &stored));
    let scaled = |v: &[f64], by: &[f64]| -> Vec<f64> { v.iter().enumerate().map(|(at, v)| v * by[at % n]).collect() };
    let minus = |a: Vec<f64>, b: Vec<f64>| a.into_iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
    let plus = |a: Vec<f64>, b: Vec<f64>| a.into_iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();
    let off_re = minus(product(&a, &x, n), minus(scaled(&x, &re), scaled(&y, &im)));
    let off_im = minus(product(&a, &y, n), plus(scaled(&x, &im), scaled(&y, &re)));
    let off = frobenius(off_re.into_iter().chain(off_im));
    let bound = 20.0 * n as f64 * T::EPSILON.to_f64() * frobenius(a.iter().copied());
    assert!(off <= bound, "{what}, {n}: {off} and {bound}");
    for j in 0..n {
        let length = frobenius((0..n).flat_map(|i| [x[i * n + j], y[i * n + j]]));
        assert!((length - 1.0).abs() < 10.0 * T::EPSILON.to_f64() * n as f64, "{what}, {n}: length {length} of vector {j}");
        if im[j] > 0.0 {
            assert!(re[j] == re[j + 1] && im[j] == -im[j + 1], "{what}, {n}: pair {j}");
        }
    }
    (whole, [x, y])
}

/// Matrices that ask for something, row by row.
fn hard(n: usize) -> Vec<(&'static str, Vec<f64>)> {
    let fill = |f: &dyn Fn(usize, usize) -> f64| (0..n * n).map(|at| f(at / n, at % n)).collect::<Vec<f64>>();
    let random = numbers(n * n, 77 + n as u64);
    vec![
        ("random", random.clone()),
        ("zeros", vec![0.0; n * n]),
        ("identity", identity(n)),
        ("a Jordan block", fill(&|i, j| if i == j { 2.0 } else { f64::from(j == i + 1) })),
        ("a transposed Jordan block", fill(&|i, j| if i == j { 2.0 } else { f64::from(i == j + 1) })),
        ("a cycle", fill(&|i, j| f64::from(j == (i + 1) % n))),
        ("skew", fill(&|i, j| random[i * n + j] - random[j * n + i])),
        ("symmetric", fill(&|i, j| random[i * n + j] + random[j * n + i])),
        ("of rank 1", fill(&|i, j| random[i] * random[j])),
        ("triangular", fill(&|i, j| if j >= i { random[i * n + j] } else { 0.0 })),
        ("badly scaled", fill(&|i, j| random[i * n + j] * 10_f64.powi((i as i32 - j as i32) % 7))),
        ("small", random.iter().map(|x| x * 1e-200).collect()),
        ("large", random.iter().map(|x| x * 1e200).collect()),
        (
            "companion",
            fill(&|i, j| {
                if i == j + 1 {
                    1.0
                } else if i == 0 {
                    random[j]
                } else {
                    0.0
                }
            }),
        ),
        ("graded", fill(&|i, j| random[i * n + j] * 0.8_f64.powi((i + j) as i32))),
        (
            "orthogonal",
            fill(&|i, j| {
                let order = n as f64 + 1.0;
                (2.0 / order).sqrt() * (std::f64::consts::PI * (i + 1) as f64 * (j + 1) as f64 / order).sin()
            }),
        ),
        ("of blocks", fill(&|i, j| if i / 7 == j / 7 { random[i % 7 * n.min(7) + j % 7] } else { 0.0 })),
        // Francis's shifts stand still on it (Batterson 1990).
        ("companion of 1", fill(&|i, j| if i == j + 1 { 1.0 } else { f64::from(i == 0 && j + 1 == n) })),
    ]
}

#[test]
fn schur_forms_are_quasi_triangular_and_give_their_matrix() {
    for n in SIZES {
        for (what, a) in hard(n) {
            check_schur::<f64>(&a, n, what);
            if !["small", "large"].contains(&what) {
                check_schur::<f32>(&a, n, what);
            }
        }
    }
}

#[test]
fn large_matrices_have_their_values_and_vectors_whether_vectors_are_wanted_or_not() {
    let n = 300;
    for (what, a) in hard(n) {
        if !["random", "a Jordan block", "companion", "graded", "symmetric", "zeros", "orthogonal", "triangular"].contains(&what) {
            continue;
        }
        check_schur::<f64>(&a, n, what);
        let ([re, im], _) = check_eig::<f64>(&a, n, what);
        let (mut re_alone, mut im_alone) = (vec![0.0; n], vec![0.0; n]);
        eig(view!(a, n), Spectra { values: [&mut re_alone, &mut im_alone], vectors: [&mut [], &mut []] }).unwrap();
        // Values whose condition is far from 1 differ by more than rounding; their sums do not.
        let norm = frobenius(a.iter().copied());
        let sum = |x: &[f64]| x.iter().sum::<f64>();
        let squares = |re: &[f64], im: &[f64]| re.iter().zip(im).map(|(re, im)| re * re - im * im).sum::<f64>();
        assert!((sum(&re) - sum(&re_alone)).abs() <= 1e-12 * norm, "{what}");
        assert!((squares(&re, &im) - squares(&re_alone, &im_alone)).abs() <= 1e-12 * norm * norm, "{what}");
    }
}

#[test]
fn values_and_vectors_of_all_kinds_have_small_residuals() {
    for n in SIZES {
        for (what, a) in hard(n) {
            if what != "badly scaled" {
                check_eig::<f64>(&a, n, what);
            }
            if !["small", "large", "badly scaled"].contains(&what) {
                check_eig::<f32>(&a, n, what);
            }
        }
    }
}

#[test]
fn a_companion_matrix_has_the_roots_of_its_polynomial() {
    // (x − 1) (x − 2) (x + 3) (x² + 4) = x⁵ + 0 x⁴ − 3 x³ + 6 x² − 28 x + 24
    let n = 5;
    let mut a = vec![0.0; 25];
    for (j, c) in [0.0, 3.0, -6.0, 28.0, -24.0].into_iter().enumerate() {
        a[j] = c;
    }
    (1..n).for_each(|i| a[i * n + i - 1] = 1.0);
    let ([re, im], _) = check_eig::<f64>(&a, n, "companion");
    let mut all: Vec<(f64, f64)> = re.into_iter().zip(im).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let expected = [(-3.0, 0.0), (0.0, -2.0), (0.0, 2.0), (1.0, 0.0), (2.0, 0.0)];
    for ((re, im), (r, i)) in all.into_iter().zip(expected) {
        assert!((re - r).abs() < 1e-12 && (im - i).abs() < 1e-12, "{re} {im}");
    }
}

#[test]
fn balancing_saves_the_digits_of_badly_scaled_matrices() {
    // D⁻¹ A D has the values 1, 2 and 4 of A, whatever D is.
    let a = [1.0, 1e9, 1e18, 0.5e-9, 2.0, 1e9, 0.0, 0.5e-9, 4.0];
    let plain = [1.0, 1.0, 1.0, 0.5, 2.0, 1.0, 0.0, 0.5, 4.0];
    let (([scaled, _], _), ([expected, _], _)) = (found(&a, 3), found(&plain, 3));
    let sorted = |mut x: Vec<f64>| {
        x.sort_by(f64::total_cmp);
        x
    };
    for (a, b) in sorted(scaled).into_iter().zip(sorted(expected)) {
        assert!((a - b).abs() < 1e-13, "{a} {b}");
    }
}

#[test]
fn values_alone_are_those_with_vectors() {
    let n = 40;
    let a = numbers(n * n, 4);
    let ([mut re, mut im], _) = found(&a, n);
    let (mut re1, mut im1) = (vec![0.0; n], vec![0.0; n]);
    eig(view!(a, n), Spectra { values: [&mut re1, &mut im1], vectors: [&mut [], &mut []] }).unwrap();
    let key = |re: &mut Vec<f64>, im: &mut Vec<f64>| {
        let mut all: Vec<_> = re.drain(..).zip(im.drain(..)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all
    };
    for ((a, b), (c, d)) in key(&mut re, &mut im).into_iter().zip(key(&mut re1, &mut im1)) {
        assert!((a - c).abs() < 1e-11 && (b - d).abs() < 1e-11);
    }
}

#[test]
fn a_matrix_that_is_not_finite_gives_nan_and_spares_the_others() {
    let n = 6;
    let mut a = numbers(2 * n * n, 1);
    a[3] = f64::INFINITY;
    let (mut t, mut z) = (vec![0.0; a.len()], vec![0.0; a.len()]);
    schur(view!(a, n), &mut t, &mut z).unwrap();
    assert!(t[..n * n].iter().all(|x| x.is_nan()) && t[n * n..].iter().all(|x| x.is_finite()));
    let mut x = vec![0.0; a.len()];
    logarithm(view!(t[..n * n], n), &mut x[..n * n]).unwrap();
    assert!(x[..n * n].iter().all(|x| x.is_nan()));
    root(view!(t[..n * n], n), &mut x[..n * n]).unwrap();
    quasi_triangular(view!(t[..n * n], n), view!(t[n * n..], n), &mut x[..n * n]).unwrap();
    assert!(x[..n * n].iter().all(|x| x.is_nan()));
}

/// A quasi-triangular matrix row by row, whose values lie about 3 and not on the negative axis.
fn form<T: Lanes>(n: usize, seed: u64) -> Vec<f64> {
    let a: Vec<f64> = numbers(n * n, seed)
        .iter()
        .enumerate()
        .map(|(at, x)| x / (n as f64).sqrt() + if at % (n + 1) == 0 { 3.0 } else { 0.0 })
        .collect();
    decomposed(&real::<T>(&a), n).0
}

fn sylvester_at<T: Lanes>(m: usize, n: usize) {
    let (r, s) = (real::<T>(&form::<T>(m, 1)), real::<T>(&form::<T>(n, 2)));
    let f = real::<T>(&numbers(m * n, 3));
    let mut x = real::<T>(&transposed(&wide(&f), n, m));
    quasi_triangular(view!(r, m), view!(s, n), &mut x).unwrap();
    let x = transposed(&wide(&x), m, n);
    let left: Vec<f64> = product(&wide(&r), &x, m).into_iter().zip(product(&x, &wide(&s), n)).map(|(a, b)| a + b).collect();
    let off = ratio::<T>(&wide(&f), &left, m + n);
    assert!(off < 50.0, "{m} x {n}: {off}");
}

#[test]
fn quasi_triangular_equations_are_solved() {
    for m in [1, 2, 3, 7, 24, 25, 53, 80] {
        for n in [1, 2, 4, 25, 49, 77] {
            sylvester_at::<f64>(m, n);
            sylvester_at::<f32>(m, n);
        }
    }
    let (r, s) = ([1.0, 5.0, 0.0, 2.0], [-2.0]);
    let failure = quasi_triangular(view!(r, 2), View::new(&s, 0, &[1, 1, 1], &[1, 1, 1]).unwrap(), &mut [1.0, 1.0]);
    assert_eq!(failure, Err(Fault::Order(2).of(0)));
}

#[test]
fn roots_and_logarithms_of_quasi_triangular_matrices_are_what_they_should_be() {
    for n in [1, 2, 3, 4, 9, 30, 61] {
        let t = form::<f64>(n, 5);
        let mut x = vec![0.0; n * n];
        root(view!(t, n), &mut x).unwrap();
        let x = transposed(&x, n, n);
        let off = ratio::<f64>(&t, &product(&x, &x, n), n);
        assert!(off < 20.0, "{n}: {off}");
        // ln T = 2 ln √T, and the series of ln(1 + X) at a small X.
        let (mut whole, mut half) = (vec![0.0; n * n], vec![0.0; n * n]);
        logarithm(view!(t, n), &mut whole).unwrap();
        logarithm(view!(x, n), &mut half).unwrap();
        let half: Vec<f64> = half.iter().map(|x| 2.0 * x).collect();
        assert!(ratio::<f64>(&whole, &half, n) < 100.0, "{n}");
        let small: Vec<f64> = t.iter().map(|x| x * 1e-3).collect();
        let shifted: Vec<f64> = small.iter().zip(identity(n)).map(|(x, one)| x + one).collect();
        logarithm(view!(shifted, n), &mut whole).unwrap();
        let (mut power, mut series) = (small.clone(), small.clone());
        for k in 2..12 {
            power = product(&power, &small, n);
            let factor = if k % 2 == 0 { -1.0 } else { 1.0 } / f64::from(k);
            series.iter_mut().zip(&power).for_each(|(sum, x)| *sum += factor * x);
        }
        // The rounding of 1 + X is 1000 times as large beside X.
        assert!(ratio::<f64>(&series, &transposed(&whole, n, n), n) < 2e4, "{n}");
    }
    let refused = |f: fn(View<'_, f64>, &mut [f64]) -> Result<(), Failure>| f(view!([1.0, 2.0, 0.0, 0.0], 2), &mut [0.0; 4]);
    assert_eq!(refused(root), Err(Failure::Matrix { matrix: 0, order: 2 }));
    assert_eq!(refused(logarithm), Err(Failure::Matrix { matrix: 0, order: 2 }));
}
