//! What programs do with tensors between their products: sorts, scans, gathers, counts, distances, spectra without symmetry, a pose found by
//! least squares.

use std::hint::black_box;
use std::ops::ControlFlow;

use monotile::linalg::eig;
use monotile::ops::{GridSampleOptions, cdist, grid_sample, interp};
use monotile::optim::{LevenbergMarquardtOptions, levenberg_marquardt};
use monotile::tape::{BackwardMode, vjp};
use monotile::transform::{se3_exp, transform_points};
use monotile::{DType, Rng, Tensor};

use super::{Case, Cases};
use crate::command_error::CommandError;

const LONG: usize = 10_000_000;
const SERIES: usize = 1_000_000;
const SQUARE: [usize; 2] = [4096, 4096];
const ROWS: [usize; 2] = [1000, 10_000];
/// Points of each side whose distances are computed, and coordinates of a point.
const POINTS: [[usize; 2]; 2] = [[2000, 3], [2000, 64]];
/// A table of embeddings, and how many rows are picked of it or added to it.
const TABLE: [usize; 2] = [50_000, 128];
const PICKED: usize = 100_000;
const ORDERS: [usize; 2] = [64, 256];
/// Points seen by the camera whose pose is sought.
const SEEN: usize = 20;

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    orders(cases, &mut rng)?;
    scans(cases, &mut rng)?;
    picks(cases, &mut rng)?;
    counts(cases, &mut rng)?;
    distances(cases, &mut rng)?;
    samples(cases, &mut rng)?;
    for n in ORDERS {
        let a = rng.normal([n, n], DType::F64)?;
        time(cases, format!("eig f64 {n}"), || eig(&a).map(|found| found.values.re))?;
    }
    pose(cases, &mut rng)
}

/// Times a call whose result nobody reads.
fn time(cases: &mut Cases, name: String, call: impl Fn() -> monotile::Result<Tensor>) -> Result<(), CommandError> {
    cases.time(Case::new(name), || {
        black_box(call()?);
        Ok(())
    })
}

/// Times a function and its gradient.
fn gradient(
    cases: &mut Cases,
    name: String,
    inputs: &[&Tensor],
    f: impl Fn(&[Tensor]) -> monotile::Result<Tensor>,
) -> Result<(), CommandError> {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.requires_grad()).collect();
    let wanted: Vec<&Tensor> = leaves.iter().collect();
    let cotangent = f(&leaves)?.detach().ones_like();
    cases.time(Case::new(name), || {
        let y = f(&leaves)?;
        black_box(vjp(&[(&y, &cotangent)], &wanted, BackwardMode::Plain)?);
        Ok(())
    })
}

fn orders(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let (v, rows) = (rng.normal([SERIES], DType::F32)?, rng.normal(ROWS, DType::F32)?);
    time(cases, "sort 1e6".into(), || Ok(v.sort(0, false)?.0))?;
    time(cases, "sort 1000x10000".into(), || Ok(rows.sort(1, false)?.0))?;
    time(cases, "topk 10 of 1000x10000".into(), || Ok(rows.topk(10, 1, true)?.0))?;
    time(cases, "median 1000x10000".into(), || rows.median(&[1], false))?;
    let few = rng.randint([SERIES], 0, 1000)?;
    time(cases, "unique 1e6 of 1000".into(), || Ok(few.unique()?.values))?;
    let edges = rng.normal([100_000], DType::F32)?.sort(0, false)?.0;
    time(cases, "searchsorted 1e6 in 1e5".into(), || edges.searchsorted(&v, false))
}

fn scans(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let (v, a) = (rng.normal([LONG], DType::F32)?, rng.normal(SQUARE, DType::F32)?);
    time(cases, "cumsum 1e7".into(), || v.cumsum(0))?;
    time(cases, "cumsum of rows 4096x4096".into(), || a.cumsum(1))?;
    time(cases, "cumsum of columns 4096x4096".into(), || a.cumsum(0))?;
    time(cases, "cumprod of rows 4096x4096".into(), || a.cumprod(1))?;
    time(cases, "cummax of rows 4096x4096".into(), || Ok(a.cummax(1)?.0))?;
    time(cases, "logcumsumexp of rows 4096x4096".into(), || a.logcumsumexp(1))
}

/// Elements and rows by index, read and written.
fn picks(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let a = rng.normal(SQUARE, DType::F32)?;
    let index = rng.randint(SQUARE, 0, SQUARE[1] as i64)?;
    time(cases, "gather of rows 4096x4096".into(), || a.gather(1, &index))?;
    time(cases, "scatter_add to rows 4096x4096".into(), || a.scatter_add(1, &index, &a))?;
    let (table, rows) = (rng.normal(TABLE, DType::F32)?, rng.randint([PICKED], 0, TABLE[0] as i64)?);
    time(cases, "index_select 1e5 of 50000x128".into(), || table.index_select(0, &rows))?;
    gradient(cases, "index_select fwd+bwd 1e5 of 50000x128".into(), &[&table], |x| x[0].index_select(0, &rows))?;
    let v = rng.normal([LONG], DType::F32)?;
    let mask = v.gt(0.0)?;
    time(cases, "masked_select 1e7".into(), || v.masked_select(&mask))?;
    time(cases, "nonzero 1e7".into(), || mask.nonzero())?;
    time(cases, "tril 4096x4096".into(), || a.tril(0))
}

fn counts(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let (v, numbers) = (rng.normal([LONG], DType::F32)?, rng.randint([LONG], 0, 1000)?);
    time(cases, "histogram 1e7 in 100".into(), || Ok(v.histogram(100, Some([-5.0, 5.0]))?.0))?;
    time(cases, "bincount 1e7 in 1000".into(), || numbers.bincount(None, 0))
}

fn distances(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    for [n, d] in POINTS {
        let (x, y) = (rng.normal([n, d], DType::F32)?, rng.normal([n, d], DType::F32)?);
        for (p, name) in [(2.0, ""), (1.0, " p=1")] {
            time(cases, format!("cdist{name} {n}x{n}x{d}"), || cdist(&x, &y, p))?;
            gradient(cases, format!("cdist{name} fwd+bwd {n}x{n}x{d}"), &[&x, &y], |x| cdist(&x[0], &x[1], p))?;
        }
    }
    Ok(())
}

/// Values between elements.
fn samples(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let (picture, grid) = (rng.normal([4, 3, 512, 512], DType::F32)?, rng.uniform([4, 512, 512, 2], -1.0, 1.0, DType::F32)?);
    let options = GridSampleOptions::default();
    time(cases, "grid_sample 4x3x512x512".into(), || grid_sample(&picture, &grid, &options))?;
    let f = |x: &[Tensor]| grid_sample(&x[0], &x[1], &options);
    gradient(cases, "grid_sample fwd+bwd 4x3x512x512".into(), &[&picture, &grid], f)?;
    let (x, points) = (rng.uniform([SERIES], 0.0, 1.0, DType::F32)?, Tensor::linspace(0.0, 1.0, 1000, DType::F32)?);
    let values = points.sin()?;
    time(cases, "interp 1e6 in 1000".into(), || interp(&x, &points, &values))
}

/// The pose of a pinhole camera that sees known points at known places, from a start some 20 degrees and half a unit off.
fn pose(cases: &mut Cases, rng: &mut Rng) -> Result<(), CommandError> {
    let points = rng.uniform([SEEN, 3], -1.0, 1.0, DType::F64)?.add(&Tensor::from(vec![0.0, 0.0, 5.0]))?;
    let picture = |twist: &Tensor| -> monotile::Result<Tensor> {
        let p = transform_points(&se3_exp(twist)?, &points)?;
        p.slice(-1, ..2)?.div(&p.slice(-1, 2..)?)
    };
    let truth = Tensor::from(vec![0.3, -0.2, 0.4, 0.1, 0.3, -0.2]);
    let (seen, start) = (picture(&truth)?, Tensor::zeros([6], DType::F64)?);
    let options = LevenbergMarquardtOptions::default();
    cases.time(Case::new("levenberg_marquardt pose of 20 points"), || {
        let residuals = |x: &[Tensor]| picture(&x[0])?.sub(&seen)?.flatten(0, -1);
        let found = levenberg_marquardt(residuals, std::slice::from_ref(&start), &options, &mut |_| ControlFlow::Continue(()))?;
        black_box(found.value);
        Ok(())
    })
}
