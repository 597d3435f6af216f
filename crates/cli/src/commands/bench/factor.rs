//! Factorizations, and their gradients.

use std::hint::black_box;

use monotile::linalg::{QrOptions, SolveTriangularOptions, SvdLowrankOptions, SvdOptions};
use monotile::{DType, Rng, Tensor, linalg};

use super::{Case, Cases};
use crate::command_error::CommandError;

const SQUARE: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const LARGEST_SPECTRAL: usize = 1024;
const TALL: [usize; 2] = [100_000, 32];
const BATCH: usize = 10_000;
const BATCHED: [usize; 4] = [4, 8, 16, 32];
const LOW_RANK: [usize; 3] = [4096, 16, 24];
const BACKWARD: [usize; 2] = [128, 512];

/// What is timed of a matrix, or of a batch of them.
type Operation = fn(&Inputs) -> monotile::Result<()>;

/// A matrix of each kind.
struct Inputs {
    general: Tensor,
    /// Symmetric and positive definite.
    positive: Tensor,
    /// Lower triangular, far from singular.
    lower: Tensor,
}

impl Inputs {
    fn new(rng: &mut Rng, shape: &[usize], dtype: DType) -> monotile::Result<Self> {
        let general = rng.normal(shape, dtype)?;
        let n = general.dim(-1);
        let shift = Tensor::eye(n, dtype)?.mul_scalar(n as f64)?;
        let positive = general.matmul(&general.mt())?.add(&shift)?;
        let lower = linalg::cholesky(&positive)?;
        Ok(Self { general, positive, lower })
    }
}

const DIRECT: [(&str, Operation); 4] = [
    ("cholesky", |x| linalg::cholesky(&x.positive).map(|l| drop(black_box(l)))),
    ("qr", |x| linalg::qr(&x.general, &QrOptions::default()).map(|f| drop(black_box(f)))),
    ("solve", |x| linalg::solve(&x.positive, &x.general).map(|y| drop(black_box(y)))),
    ("triangular solve", |x| {
        linalg::solve_triangular(&x.lower, &x.general, &SolveTriangularOptions::default()).map(|y| drop(black_box(y)))
    }),
];
const SPECTRAL: [(&str, Operation); 3] = [
    ("svd", |x| linalg::svd(&x.general, &SvdOptions::default()).map(|f| drop(black_box(f)))),
    ("svdvals", |x| linalg::svdvals(&x.general).map(|s| drop(black_box(s)))),
    ("eigh", |x| linalg::eigh(&x.positive).map(|f| drop(black_box(f)))),
];

/// Times the group `factor`.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    for (name, dtype) in [("f32", DType::F32), ("f64", DType::F64)] {
        for n in SQUARE {
            let inputs = Inputs::new(&mut rng, &[n, n], dtype)?;
            let spectral: &[(&str, Operation)] = if n <= LARGEST_SPECTRAL { &SPECTRAL } else { &[] };
            for (operation, call) in DIRECT.iter().chain(spectral) {
                cases.time(Case::new(format!("{operation} {name} {n}")), || call(&inputs))?;
            }
        }
    }
    let [m, n] = TALL;
    let (a, b) = (rng.normal(&TALL, DType::F32)?, rng.normal(&[m, 1], DType::F32)?);
    cases.time(Case::new(format!("qr f32 {m}x{n}")), || {
        black_box(linalg::qr(&a, &QrOptions::default())?);
        Ok(())
    })?;
    cases.time(Case::new(format!("svd f32 {m}x{n}")), || {
        black_box(linalg::svd(&a, &SvdOptions::default())?);
        Ok(())
    })?;
    cases.time(Case::new(format!("lstsq f32 {m}x{n}")), || {
        black_box(linalg::lstsq(&a, &b)?);
        Ok(())
    })?;
    for n in BATCHED {
        let inputs = Inputs::new(&mut rng, &[BATCH, n, n], DType::F32)?;
        let inverse: (&str, Operation) = ("inv", |x| linalg::inv(&x.positive).map(|y| drop(black_box(y))));
        for (operation, call) in [DIRECT[0], DIRECT[1], SPECTRAL[0], SPECTRAL[2], inverse] {
            cases.time(Case::new(format!("{operation} f32 {BATCH}x{n}")), || call(&inputs))?;
        }
    }
    let [n, rank, sketch] = LOW_RANK;
    let a = rng.normal(&[n, n], DType::F32)?;
    let options = SvdLowrankOptions { oversampling: sketch - rank, ..Default::default() };
    cases.time(Case::new(format!("top {rank} f32 {n} q={sketch} two passes")), || {
        black_box(linalg::svd_lowrank(&a, rank, &options)?);
        Ok(())
    })
}

/// Times the group `backward`: a factorization and the gradient of the sum of its results.
pub fn run_backward(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    for n in BACKWARD {
        let Inputs { general, positive, .. } = Inputs::new(&mut rng, &[n, n], DType::F32)?;
        let mut case = |name: &str, a: &Tensor, f: &dyn Fn(&Tensor) -> monotile::Result<Tensor>| {
            let a = a.requires_grad();
            cases.time(Case::new(format!("{name} f+b {n}")), || {
                black_box(f(&a)?.backward()?);
                Ok(())
            })
        };
        case("cholesky", &positive, &|a| linalg::cholesky(a)?.sum(&[], false))?;
        case("qr", &general, &|a| {
            let f = linalg::qr(a, &QrOptions::default())?;
            f.q.sum(&[], false)?.add(&f.r.sum(&[], false)?)
        })?;
        case("svdvals", &general, &|a| linalg::svdvals(a)?.sum(&[], false))?;
        // Whatever the signs of vectors: U Vᵀ and the values.
        case("svd", &general, &|a| {
            let f = linalg::svd(a, &SvdOptions::default())?;
            f.u.matmul(&f.vt)?.sum(&[], false)?.add(&f.s.sum(&[], false)?)
        })?;
        case("eigh", &positive, &|a| {
            let f = linalg::eigh(a)?;
            f.vectors.square()?.sum(&[], false)?.add(&f.values.sum(&[], false)?)
        })?;
    }
    Ok(())
}
