//! Contractions: products in disguise, reductions, views, networks, and sizes where only the call's overhead counts.

use std::hint::black_box;

use monotile::einsum::{Einsum, einsum};
use monotile::{DType, Rng, Tensor};

use super::{Case, Cases};
use crate::command_error::CommandError;

/// The equation (and a word that tells two sizes of one equation apart), and the operands' shapes.
const CASES: &[(&str, &[&[usize]])] = &[
    ("ij,jk->ik", &[&[512, 512], &[512, 512]]),
    ("ij,kj->ki", &[&[512, 512], &[512, 512]]),
    ("ji,jk->ik", &[&[512, 512], &[512, 512]]),
    ("bthd,bshd->bhts", &[&[2, 512, 8, 64], &[2, 512, 8, 64]]),
    ("bhts,bshd->bthd", &[&[2, 8, 512, 512], &[2, 512, 8, 64]]),
    ("bhqd,bhkd->bhqk", &[&[2, 8, 512, 64], &[2, 8, 512, 64]]),
    ("ij,ij->i", &[&[4096, 1024], &[4096, 1024]]),
    ("ij,ij->", &[&[2048, 2048], &[2048, 2048]]),
    ("ij,j->i", &[&[4096, 4096], &[4096]]),
    ("bi,oij,bj->bo", &[&[64, 128], &[128, 128, 128], &[64, 128]]),
    ("ij,jk,kl,lm->im", &[&[512, 8], &[8, 512], &[512, 8], &[8, 512]]),
    ("abcd,cdef->abef", &[&[16, 16, 32, 32], &[32, 32, 16, 16]]),
    ("abcd,dbea->ec", &[&[24, 24, 24, 24], &[24, 24, 24, 24]]),
    ("ijkl,jmln->ikmn", &[&[32, 32, 32, 32], &[32, 32, 32, 32]]),
    ("ij,k->kji", &[&[128, 128], &[128]]),
    ("ii->", &[&[2048, 2048]]),
    ("ii->i", &[&[2048, 2048]]),
    ("ijk->kji", &[&[256, 256, 256]]),
    ("ij->j", &[&[4096, 4096]]),
    ("ea,fb,abcd,gc,hd->efgh", &[&[24, 24], &[24, 24], &[24, 24, 24, 24], &[24, 24], &[24, 24]]),
    (
        "abi,bcj,cdk,del,efm,fgn,gho,hap,ijkl,mnop->",
        &[
            &[16, 16, 6],
            &[16, 16, 6],
            &[16, 16, 6],
            &[16, 16, 6],
            &[16, 16, 6],
            &[16, 16, 6],
            &[16, 16, 6],
            &[16, 16, 6],
            &[6, 6, 6, 6],
            &[6, 6, 6, 6],
        ],
    ),
    ("ij,jk->ik small", &[&[2, 2], &[2, 2]]),
    ("ij,ij->i small", &[&[4, 4], &[4, 4]]),
    ("bij,bj->bi small", &[&[4, 4, 4], &[4, 4]]),
];

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    for (name, shapes) in CASES {
        let operands = shapes.iter().map(|s| rng.normal(s, DType::F32)).collect::<monotile::Result<Vec<_>>>()?;
        let operands: Vec<&Tensor> = operands.iter().collect();
        let equation = written(name);
        cases.time(Case::new(*name), || {
            black_box(einsum(equation, &operands)?);
            Ok(())
        })?;
    }
    for (name, shapes) in CASES.iter().filter(|(name, _)| name.ends_with(" small")) {
        let operands = shapes.iter().map(|s| rng.normal(s, DType::F32)).collect::<monotile::Result<Vec<_>>>()?;
        let operands: Vec<&Tensor> = operands.iter().collect();
        let compiled = Einsum::new(written(name)).and_then(|e| e.compile(shapes))?;
        cases.time(Case::new(format!("{name}, compiled")), || {
            black_box(compiled.run(&operands)?);
            Ok(())
        })?;
    }
    Ok(())
}

/// The equation in a case's name.
fn written(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}
