//! Factorizations and what follows from them, against PyTorch.

use monotile::linalg::{
    MatrixNorm, QrOptions, SolveTriangularOptions, SvdLowrankOptions, SvdOptions, cholesky, cholesky_solve, cond, det, eigh,
    eigvalsh, expm, inv, lstsq, lu, matrix_power, matrix_rank, norm, pinv, qr, slogdet, solve, solve_triangular, svd, svd_lowrank,
    svdvals,
};
use monotile::{Result, Tensor};

use crate::cases::{Tolerance, check};

/// Times the condition of the matrix: a small multiple of the unit, as the matrices have three to six rows.
const ROUNDING: Tolerance = Tolerance { f64: 4e-15, f32: 2e-6 };

fn symmetric(x: &Tensor) -> Result<Tensor> {
    x.add(x.mt())?.mul_scalar(0.5)
}

/// X Xᵀ + I
fn definite(x: &Tensor) -> Result<Tensor> {
    x.matmul(&x.mt())?.add(&Tensor::eye(x.dim(-1), x.dtype())?)
}

#[test]
fn factorizations_and_their_gradients_are_those_of_pytorch() {
    check(
        "linalg.safetensors",
        ROUNDING,
        &[
            ("qr", |x, _| {
                let found = qr(&x[0], &QrOptions { non_negative: true, ..Default::default() })?;
                Ok(vec![found.q, found.r])
            }),
            ("lu", |x, _| {
                let found = lu(&x[0])?;
                Ok(vec![found.l, found.u, found.order])
            }),
            ("svdvals", |x, _| Ok(vec![svdvals(&x[0])?])),
            ("pinv", |x, _| Ok(vec![pinv(&x[0], None)?])),
            ("cholesky", |x, _| Ok(vec![cholesky(&definite(&x[0])?)?])),
            ("cholesky_solve", |x, _| Ok(vec![cholesky_solve(&cholesky(&definite(&x[0])?)?, &x[1])?])),
            ("solve", |x, _| Ok(vec![solve(&x[0], &x[1])?])),
            ("solve_triangular", |x, options| {
                let [upper, unit_diagonal] = ["upper", "unit"].map(|name| options[name].as_bool().unwrap());
                Ok(vec![solve_triangular(&x[0], &x[1], &SolveTriangularOptions { upper, unit_diagonal })?])
            }),
            ("inv", |x, _| Ok(vec![inv(&x[0])?])),
            ("det", |x, _| Ok(vec![det(&x[0])?])),
            ("slogdet", |x, _| {
                let found = slogdet(&x[0])?;
                Ok(vec![found.sign, found.log_abs])
            }),
            ("lstsq", |x, _| Ok(vec![lstsq(&x[0], &x[1])?])),
            ("truncated", |x, options| {
                let keep = options["keep"].as_u64().unwrap() as usize;
                let found = svd(&x[0], &SvdOptions::default())?;
                let scaled = found.u.slice(-1, ..keep)?.mul(&found.s.slice(-1, ..keep)?)?;
                Ok(vec![scaled.matmul(&found.vt.slice(-2, ..keep)?)?])
            }),
            ("eigvalsh", |x, _| Ok(vec![eigvalsh(&symmetric(&x[0])?)?])),
            ("spectral", |x, _| {
                let found = eigh(&symmetric(&x[0])?)?;
                Ok(vec![found.vectors.mul(&found.values.sin()?)?.matmul(&found.vectors.mt())?])
            }),
            ("matrix_power", |x, options| Ok(vec![matrix_power(&x[0], options["power"].as_i64().unwrap())?])),
            ("expm", |x, _| Ok(vec![expm(&x[0])?])),
            ("norm", |x, options| {
                let which = match options["which"].as_str().unwrap() {
                    "fro" => MatrixNorm::Frobenius,
                    "nuc" => MatrixNorm::Nuclear,
                    "1" => MatrixNorm::One,
                    "2" => MatrixNorm::Two,
                    "inf" => MatrixNorm::Infinity,
                    other => panic!("a norm that no case should have: {other}"),
                };
                Ok(vec![norm(&x[0], which)?])
            }),
            ("matrix_rank", |x, _| Ok(vec![matrix_rank(&x[0], None)?])),
            ("lowrank", |x, _| {
                let found = svd_lowrank(&x[0].detach(), 2, &SvdLowrankOptions::default())?;
                let whole = found.u.mul(&found.s)?.matmul(&found.vt)?;
                Ok(vec![found.s, whole])
            }),
            ("cond", |x, _| Ok(vec![cond(&x[0])?])),
        ],
    );
}
