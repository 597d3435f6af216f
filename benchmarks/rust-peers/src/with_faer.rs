//! faer. Small matrices run with all threads and with one, since its own choice of threads does not suit them.

use std::hint::black_box;

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::{DenseSolveCore, SolveLstsq};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::Solve;
use faer::traits::RealField;
use faer::{Accum, Mat, Par, Scale, Side};
use rayon::prelude::*;

use crate::measure::{Numbers, time};
use crate::{BATCH, SMALL, SQUARE};

const LARGEST_SPECTRAL: usize = 1024;

fn random<T: From<f32>>(numbers: &mut Numbers, rows: usize, columns: usize) -> Mat<T> {
    Mat::from_fn(rows, columns, |_, _| T::from(numbers.draw()))
}

/// A Aᵀ + n I.
fn positive<T: RealField + From<f32>>(a: &Mat<T>) -> Mat<T> {
    let n = a.nrows();
    a * a.transpose() + Mat::<T>::identity(n, n) * Scale(T::from(n as f32))
}

/// The settings that a matrix of side `n` is timed with.
fn settings(n: usize) -> impl Iterator<Item = (&'static str, Par)> {
    [("faer", Par::rayon(0)), ("faer one thread", Par::Seq)].into_iter().take(if n <= SMALL { 2 } else { 1 })
}

pub fn gemm() {
    let numbers = &mut Numbers::new();
    for n in SQUARE {
        for (peer, par) in settings(n) {
            product::<f32>(peer, format!("f32 {n}"), [n, n, n], par, numbers);
            product::<f64>(peer, format!("f64 {n}"), [n, n, n], par, numbers);
        }
    }
    for columns in [1, 16] {
        product::<f32>("faer", format!("f32 4096x4096x{columns}"), [4096, 4096, columns], Par::rayon(0), numbers);
    }
    for (count, n) in [(100_000, 4), (1000, 64)] {
        let pairs: Vec<[Mat<f32>; 2]> = (0..count).map(|_| [random(numbers, n, n), random(numbers, n, n)]).collect();
        let mut products = vec![Mat::<f32>::zeros(n, n); count];
        time("faer", format!("f32 batched {count}x{n}"), || {
            products
                .par_iter_mut()
                .zip(&pairs)
                .for_each(|(c, [a, b])| matmul(c.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), 1.0, Par::Seq));
        });
    }
    for n in [256, 1024] {
        product::<f32>("faer", format!("f32 {n} one thread"), [n, n, n], Par::Seq, numbers);
    }
}

fn product<T: RealField + From<f32>>(peer: &str, case: String, [m, k, n]: [usize; 3], par: Par, numbers: &mut Numbers) {
    let (a, b) = (random::<T>(numbers, m, k), random::<T>(numbers, k, n));
    let mut c = Mat::<T>::zeros(m, n);
    time(peer, case, || matmul(c.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), T::from(1.0), par));
}

pub fn factor() {
    let numbers = &mut Numbers::new();
    for n in SQUARE {
        for (peer, par) in settings(n) {
            faer::set_global_parallelism(par);
            square::<f32>(peer, "f32", n, numbers);
            square::<f64>(peer, "f64", n, numbers);
        }
    }
    let (a, b) = (random::<f32>(numbers, 100_000, 32), random::<f32>(numbers, 100_000, 1));
    // Tall matrices too are faster on one thread.
    for (peer, par) in settings(32) {
        faer::set_global_parallelism(par);
        time(peer, "qr f32 100000x32", || drop(black_box(thin_qr(&a))));
        time(peer, "svd f32 100000x32", || drop(black_box(a.thin_svd())));
        time(peer, "lstsq f32 100000x32", || drop(black_box(a.qr().solve_lstsq(&b))));
    }
    faer::set_global_parallelism(Par::Seq);
    for n in [4, 8, 16, 32] {
        let general: Vec<Mat<f32>> = (0..BATCH).map(|_| random(numbers, n, n)).collect();
        let positive: Vec<Mat<f32>> = general.iter().map(positive).collect();
        let each = |name: &str, all: &[Mat<f32>], f: fn(&Mat<f32>)| {
            time("faer", format!("{name} f32 {BATCH}x{n}"), || all.par_iter().for_each(f));
        };
        each("cholesky", &positive, |a| drop(black_box(a.llt(Side::Lower))));
        each("qr", &general, |a| drop(black_box(thin_qr(a))));
        each("svd", &general, |a| drop(black_box(a.thin_svd())));
        each("eigh", &positive, |a| drop(black_box(a.self_adjoint_eigen(Side::Lower))));
        each("inv", &positive, |a| drop(black_box(a.partial_piv_lu().inverse())));
    }
}

fn thin_qr<T: RealField>(a: &Mat<T>) -> (Mat<T>, Mat<T>) {
    let f = a.qr();
    (f.compute_thin_Q(), f.thin_R().to_owned())
}

fn square<T: RealField + From<f32>>(peer: &str, dtype: &str, n: usize, numbers: &mut Numbers) {
    let a = random::<T>(numbers, n, n);
    let s = positive(&a);
    let l = s.llt(Side::Lower).expect("A Aᵀ + n I is positive definite").L().to_owned();
    let case = |name: &str| format!("{name} {dtype} {n}");
    time(peer, case("cholesky"), || drop(black_box(s.llt(Side::Lower))));
    time(peer, case("qr"), || drop(black_box(thin_qr(&a))));
    time(peer, case("solve"), || drop(black_box(s.partial_piv_lu().solve(&a))));
    time(peer, case("triangular solve"), || {
        let mut x = a.clone();
        solve_lower_triangular_in_place(l.as_ref(), x.as_mut(), faer::get_global_parallelism());
        black_box(x);
    });
    if n <= LARGEST_SPECTRAL {
        time(peer, case("svd"), || drop(black_box(a.thin_svd())));
        time(peer, case("svdvals"), || drop(black_box(a.singular_values())));
        time(peer, case("eigh"), || drop(black_box(s.self_adjoint_eigen(Side::Lower))));
    }
}
