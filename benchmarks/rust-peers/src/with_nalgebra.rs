//! nalgebra: products on its one thread, and many small matrices whose size the compiler knows, shared out over the threads.

use std::hint::black_box;

use nalgebra::{DMatrix, RealField, SMatrix};
use rayon::prelude::*;

use crate::measure::{Numbers, time};
use crate::{BATCH, SQUARE};

const PEER: &str = "nalgebra";

pub fn gemm() {
    let numbers = &mut Numbers::new();
    for n in SQUARE {
        product::<f32>(format!("f32 {n}"), [n, n, n], numbers);
        product::<f64>(format!("f64 {n}"), [n, n, n], numbers);
    }
    for columns in [1, 16] {
        product::<f32>(format!("f32 4096x4096x{columns}"), [4096, 4096, columns], numbers);
    }
    batched::<4>(100_000, numbers);
    batched::<64>(1000, numbers);
    for n in [256, 1024] {
        product::<f32>(format!("f32 {n} one thread"), [n, n, n], numbers);
    }
}

fn product<T: RealField + From<f32>>(case: String, [m, k, n]: [usize; 3], numbers: &mut Numbers) {
    let a = DMatrix::from_fn(m, k, |_, _| T::from(numbers.draw()));
    let b = DMatrix::from_fn(k, n, |_, _| T::from(numbers.draw()));
    let mut c = DMatrix::zeros(m, n);
    time(PEER, case, || a.mul_to(&b, &mut c));
}

fn batched<const N: usize>(count: usize, numbers: &mut Numbers) {
    let mut all = || -> Vec<SMatrix<f32, N, N>> { (0..count).map(|_| SMatrix::from_fn(|_, _| numbers.draw())).collect() };
    let (a, b, mut c) = (all(), all(), all());
    time(PEER, format!("f32 batched {count}x{N}"), || {
        c.par_iter_mut().zip(&a).zip(&b).for_each(|((c, a), b)| a.mul_to(b, c));
    });
}

pub fn factor() {
    let numbers = &mut Numbers::new();
    small!(numbers, 4 8 16 32);
}

/// Times the batches of matrices of each size; nalgebra has factorizations of each size that is a literal.
macro_rules! small {
    ($numbers:ident, $($n:literal)*) => { $({
        let general: Vec<SMatrix<f32, $n, $n>> = (0..BATCH).map(|_| SMatrix::from_fn(|_, _| $numbers.draw())).collect();
        let positive: Vec<_> = general.iter().map(|a| a * a.transpose() + SMatrix::identity() * $n as f32).collect();
        let each = |name: &str, all: &[SMatrix<f32, $n, $n>], f: fn(&SMatrix<f32, $n, $n>)| {
            time(PEER, format!("{name} f32 {BATCH}x{}", $n), || all.par_iter().for_each(f));
        };
        each("cholesky", &positive, |a| { black_box(a.cholesky()); });
        each("qr", &general, |a| { black_box(a.qr().unpack()); });
        each("svd", &general, |a| { black_box(a.svd(true, true)); });
        each("eigh", &positive, |a| { black_box(a.symmetric_eigen()); });
        each("inv", &positive, |a| { black_box(a.try_inverse()); });
    })* };
}
use small;
