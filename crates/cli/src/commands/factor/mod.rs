//! `monotile factor`: decomposes matrices in files, and says how many of their dimensions count.

mod compute;
mod spectrum;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use monotile::io::write_atomic;
use monotile::text::printable;
use monotile::{DType, Tensor};
use serde_json::json;

use self::compute::{FactorOutput, Factorization};
use self::spectrum::BatchSpectrum;
use super::files::{self, InputFile, OutputFile};
use crate::command_error::CommandError;
use crate::progress::say;
use crate::report;

/// Decomposes matrices in files: singular values, factors, eigenvalues, principal components, least squares.
#[derive(Args)]
#[command(after_help = "\
What there is, and what is written under which name:
  svd       A = U S Vᵀ     u, s, vt            any matrix as a rotation, a stretch and a rotation
  qr        A = Q R        q, r                orthonormal columns and a triangle
  cholesky  A = L Lᵀ       l                   symmetric and positive definite
  eigh      A = V Λ Vᵀ     values, vectors     symmetric
  lu        P A = L U      l, u, order         row i of L U is row order[i] of A
  pinv      A⁺             pinv                the inverse, or what comes closest
  lstsq     min ‖A X − B‖  x                   takes a second file, B
  pca       X ≈ scores Vᵀ + mean               mean, components, scores, explained_variance

It prints shapes, the rank, the condition (how much errors of the data may grow in a solution) and the singular
values, each with the share of the whole, by sums of squares, that it and those before it make up: where
that share nears 100 %, that many are enough. Leading dimensions are a batch.

With --rank far below the size of the matrix (an eighth), svd and pca find the largest values alone, by products
with random directions: much faster, and the error, which is measured, is hardly above the least one.

Examples:
  monotile factor svd a.npy                                    print the factors and the spectrum
  monotile factor svd a.npy -o out.npz --plot spectrum.svg     write them, and draw the spectrum
  monotile factor svd model.safetensors:lm_head.weight --rank 16 -o low.safetensors
  monotile factor lstsq a.npy b.npy -o x.npy
  monotile factor pca data.npz:x --rank 2 -o pca.npz")]
pub struct FactorArgs {
    /// What to do
    #[arg(value_name = "WHAT")]
    what: Factorization,
    /// Files: a.npy, b.npz:member, c.safetensors:tensor (the name may be left out where there is one)
    #[arg(value_name = "FILE", required = true)]
    operands: Vec<String>,
    /// Write the results: .npz or .safetensors; .npy where there is one, with :name for its name in the others
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Draw the singular values (of eigh, the sizes of the eigenvalues): an SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Keep the largest N singular values (svd) or components (pca)
    #[arg(long, value_name = "N", value_parser = rank)]
    rank: Option<usize>,
    /// Square factors also of matrices that are not square (svd, qr)
    #[arg(long, conflicts_with = "rank")]
    full: bool,
    /// Print shapes, rank, condition and spectrum as one JSON object
    #[arg(long)]
    json: bool,
}

impl FactorArgs {
    /// Reads, decomposes, reports, and prints or writes the results.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        self.check()?;
        let destination = self.output.as_deref().map(|o| OutputFile::parse("factor", o)).transpose()?;
        if let Some(destination) = &destination {
            destination.check_names("factor", self.what.names())?;
        }
        if let Some(plot) = &self.plot {
            check_folder(plot)?;
            if destination.as_ref().is_some_and(|d| d.path == *plot) {
                return Err(CommandError::Usage(format!("factor: {} cannot be both the results and the plot", plot.display())));
            }
        }
        let sources = self.operands.iter().map(|o| InputFile::parse("factor", o)).collect::<Result<Vec<_>, _>>()?;
        let read = self.operands.iter().zip(&sources).map(|(operand, source)| files::floating(operand, source.read()?));
        let tensors = read.collect::<Result<Vec<_>, _>>()?;
        for (operand, tensor) in self.operands.iter().zip(&tensors) {
            check_operand(operand, tensor)?;
        }
        let a = &tensors[0];
        if a.rank() < 2 || a.is_empty() {
            let what = match a.rank() {
                0 => "a single number".to_string(),
                1 => format!("a vector of {}", a.len()),
                _ => format!("an empty {}", files::shape(a.shape())),
            };
            return Err(CommandError::new(format!(
                "{}: is {what}; {} takes matrices that are not empty",
                self.operands[0], self.what
            )));
        }
        if self.what.reads_lower_triangle() && !symmetric(a)? {
            say(&format!("note: {} is not symmetric; {} reads its lower triangle", self.operands[0], self.what));
        }
        let start = Instant::now();
        let found = compute::compute(self.what, &tensors, self.rank, self.full).map_err(|e| e.with_context(&self.operands[0]))?;
        let spectrum = &found.spectrum;
        let took = start.elapsed().as_secs_f64();
        monotile::io::check_mapped()?;
        if let Some(plot) = &self.plot {
            let svg = spectrum.plot(&self.operands[0]).svg();
            write_atomic(plot, |file| file.write_all(svg.as_bytes()))?;
            say(&format!("{}: the spectrum", plot.display()));
        }
        if let Some(destination) = &destination {
            destination.write_named(&found.named())?;
            let names = self.what.names().join(", ");
            say(&format!("{}: {names}, computed in {}", destination.path.display(), report::duration(took)));
        }
        if self.json { self.print_object(a, &found, spectrum, took, out) } else { self.print(a, &found, spectrum, out) }
    }

    /// What the command line alone shows to be wrong.
    fn check(&self) -> Result<(), CommandError> {
        let (wanted, given) = (self.what.operands(), self.operands.len());
        let usage = |text: String| Err(CommandError::Usage(format!("factor: {text}")));
        if wanted != given {
            let files = if wanted == 1 { "1 file" } else { "2 files, A and B" };
            return usage(format!("{} takes {files}, got {given}", self.what));
        }
        if self.rank.is_some() && !matches!(self.what, Factorization::Svd | Factorization::Pca) {
            return usage(format!("--rank is for svd and pca, not for {}", self.what));
        }
        if self.full && !matches!(self.what, Factorization::Svd | Factorization::Qr) {
            return usage(format!("--full is for svd and qr, not for {}", self.what));
        }
        Ok(())
    }

    fn print(&self, a: &Tensor, found: &FactorOutput, spectrum: &BatchSpectrum, out: &mut dyn Write) -> Result<(), CommandError> {
        let (operand, shape) = (printable(&self.operands[0]), files::shape(a.shape()));
        writeln!(out, "{operand}: {shape} {}, {}", a.dtype(), spectrum.sentence())?;
        if let Some(remark) = &found.remark {
            writeln!(out, "{remark}")?;
        }
        writeln!(out)?;
        for (name, tensor) in found.named() {
            let (shape, dtype) = (files::shape(tensor.shape()), tensor.dtype());
            writeln!(out, "{name}: {shape} {dtype}")?;
            if self.output.is_none() {
                writeln!(out, "{tensor}")?;
            }
        }
        writeln!(out)?;
        Ok(write!(out, "{}", spectrum.chart(found.what_values))?)
    }

    fn print_object(
        &self,
        a: &Tensor,
        found: &FactorOutput,
        spectrum: &BatchSpectrum,
        took: f64,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let shapes: serde_json::Map<String, serde_json::Value> =
            found.named().iter().map(|(name, tensor)| (name.to_string(), json!(tensor.shape()))).collect();
        let conditions = || spectrum.conditions().into_iter().map(monotile_adapters::json::number).collect::<Vec<_>>();
        let object = json!({
            "what": self.what.to_string(),
            "shape": a.shape(),
            "dtype": a.dtype().to_string(),
            "results": shapes,
            "ranks": spectrum.is_whole().then(|| spectrum.ranks()),
            "conditions": spectrum.is_whole().then(conditions),
            "spectrum": spectrum.values(),
            "seconds": took,
        });
        report::print_json(&object, out)
    }
}

/// Refuses what cannot be computed with.
fn check_operand(operand: &str, tensor: &Tensor) -> Result<(), CommandError> {
    let values = tensor.to_f64_vec()?;
    let Some(at) = values.iter().position(|x| !x.is_finite()) else { return Ok(()) };
    let (value, count) = (values[at], values.iter().filter(|x| !x.is_finite()).count());
    // The position by every dimension, the last one fastest.
    let mut left = at;
    let mut index: Vec<usize> = tensor.shape().iter().rev().map(|&n| (left % n, left /= n).0).collect();
    index.reverse();
    Err(CommandError::new(format!("{operand}: element {index:?} is {value}, and {count} in all are not finite; factors have none")))
}

fn rank(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "give a whole number, at least 1".to_string())
}

/// Refuses a folder, and a file in a folder that does not exist.
fn check_folder(path: &Path) -> Result<(), CommandError> {
    if path.is_dir() {
        return Err(CommandError::new(format!("{}: is a folder; name a file", path.display())));
    }
    match path.parent().filter(|p| *p != Path::new("") && !p.is_dir()) {
        Some(folder) => Err(CommandError::new(format!("{}: there is no folder {}", path.display(), folder.display()))),
        None => Ok(()),
    }
}

/// Whether square matrices are symmetric up to rounding; others are for the factorization to refuse.
fn symmetric(a: &Tensor) -> monotile::Result<bool> {
    let n = a.dim(-1);
    if a.dim(-2) != n {
        return Ok(true);
    }
    let epsilon: f64 = if a.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    Ok(a.to_f64_vec()?.chunks(n * n).all(|a| {
        let largest = a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        (0..n).all(|i| (0..i).all(|j| (a[i * n + j] - a[j * n + i]).abs() <= 8.0 * n as f64 * epsilon * largest))
    }))
}
