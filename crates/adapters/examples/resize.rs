//! What one layer costs: a change cut to a lower rank, from its factors and from ΔW itself, and the nearest change of rank 16 to a
//! difference of two weights, by random directions.
//!
//!     cargo run --release -p monotile-adapters --example resize -- [SIZE] [RANK]
//!
//! SIZE is 4096 and RANK 128 if not given. The whole decomposition of a 4096 x 4096 matrix takes minutes.

use std::time::Instant;

use monotile::linalg::{SvdOptions, svd};
use monotile::{DType, Result, Rng, Tensor};
use monotile_adapters::{LowRankFactors, RankSelection, low_rank_approximation};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse().expect("SIZE and RANK are whole numbers"));
    let (size, rank) = (arguments.next().unwrap_or(4096), arguments.next().unwrap_or(128));
    let mut rng = Rng::new(1);
    let pair =
        LowRankFactors::new(rng.normal(&[rank, size], DType::F32)?, rng.normal(&[size, rank], DType::F32)?, 2.0 / rank as f64);
    let keep = rank / 2;
    println!("a change of a {size} x {size} weight at rank {rank}, cut to rank {keep}");

    pair.svd()?; // touches memory and wakes the threads
    let begun = Instant::now();
    let found = pair.svd()?;
    let small = LowRankFactors::from_svd(&found, keep)?;
    println!("from the factors  {:>10.4} s  in f64", begun.elapsed().as_secs_f64());

    let (before, noise) = (rng.normal(&[size, size], DType::BF16)?, rng.normal(&[size, size], DType::F32)?.mul_scalar(0.01)?);
    let after = pair.merge_into(&before)?.add(&noise)?.to_dtype(DType::BF16)?;
    let difference = || after.sub(&before)?.to_dtype(DType::F32);
    low_rank_approximation(&difference()?, RankSelection::rank(16), false)?;
    let begun = Instant::now();
    let extracted = low_rank_approximation(&difference()?, RankSelection::rank(16), false)?;
    let taken = begun.elapsed().as_secs_f64();
    println!("rank 16 extracted {taken:>10.4} s  of a difference in bf16, {:.1} % of it left out", 100.0 * extracted.error);

    let begun = Instant::now();
    let change = pair.merge_into(&Tensor::zeros(&[size, size], DType::F32)?)?;
    let all = svd(&change, &SvdOptions::default())?;
    println!("from ΔW itself    {:>10.4} s  in f32", begun.elapsed().as_secs_f64());

    let values = |s: &Tensor| s.slice(0, ..keep).and_then(|s| s.to_f64_vec());
    let off = values(&found.s)?.iter().zip(values(&all.s)?).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("singular values   {:>10.1e} apart, of {:.3}", off, found.s.to_f64_vec()?[0]);
    println!("rank {} of {} numbers instead of {}", small.rank(), small.a.len() + small.b.len(), size * size);
    Ok(())
}
