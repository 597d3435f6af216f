//! `monotile einsum`: contracts tensors in files, or plans how that would be done.

mod diagnostics;
mod integers;
mod options;

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use monotile::DType;
use monotile::einsum::{CompiledEinsum, Einsum, EinsumOptions, ExplainedStep, Explanation, MemoryLimit, Minimize, PathMethod};
use serde_json::json;

use self::options::Shapes;
use super::files::{self, InputFile, OutputFile};
use crate::command_error::CommandError;
use crate::progress::say;
use crate::report;

/// Contracts tensors in files as an equation says, in the cheapest order; or plans how.
#[derive(Args)]
#[command(after_help = "\
An equation has a term for each operand, and in it a letter for each dimension. Elements are
multiplied where letters meet, and summed over letters that the result lacks. A letter twice in a
term takes the diagonal, ... stands for any dimensions, and a dimension of size 1 repeats.
  ij,jk->ik         the matrix product           ii->          the trace
  ij->ji            the transpose                i,j->ij       the outer product
  bthd,bshd->bhts   the scores of attention      ...ij,...jk   products, batched

Examples:
  monotile einsum \"ij,jk->ik\" a.npy b.npy                       print the product
  monotile einsum \"bthd,bshd->bhts\" q.npy k.npy -o scores.npy   write it
  monotile einsum \"ij,jk,kl->il\" a.npy b.npy c.npz:weights --explain --memory-limit 1GiB
  monotile einsum \"ij,j->i\" model.safetensors:lm_head.weight x.npy -o logits.safetensors
  monotile einsum \"ij,jk,kl,lm->im\" --shapes 512x8,8x512,512x8,8x512   plan without data
  monotile einsum \"ij,jk,kl->il\" --shapes 9x9,9x9,9x9 --optimize \"[(1, 2), (0, 1)]\"")]
pub struct EinsumArgs {
    /// What to contract: "ij,jk->ik"
    equation: String,
    /// Files: a.npy, b.npz:member, c.safetensors:tensor (the name may be left out where there is one)
    #[arg(value_name = "FILE")]
    operands: Vec<String>,
    /// Plan for operands of these shapes instead of reading files: 512x8,8x512; an empty one is a scalar
    #[arg(long, value_name = "SHAPES", conflicts_with = "operands", allow_hyphen_values = true, value_parser = options::shapes)]
    shapes: Option<Shapes>,
    /// Write the result: .npy, .npz or .safetensors, with :name for its name there
    #[arg(short, long, value_name = "FILE", conflicts_with = "shapes")]
    output: Option<String>,
    /// Print each step with its equation, kind, operations and result, and what the order saves
    #[arg(long)]
    explain: bool,
    /// Print the plan, and the values where they are not written to a file, as one JSON object
    #[arg(long)]
    json: bool,
    /// How the order is chosen: auto, optimal, greedy, random-greedy, left-to-right, or pairs as
    /// np.einsum_path gives them: "[(1, 2), (0, 1)]"
    #[arg(long, value_name = "ORDER", default_value = "auto", value_parser = options::order)]
    optimize: PathMethod,
    /// What is to be small: operations, memory (the largest intermediate), or both
    #[arg(long, value_name = "WHAT", default_value = "operations", value_parser = options::minimize)]
    minimize: Minimize,
    /// The most memory that results may hold at the same time: 500MB, 1GiB
    #[arg(long, value_name = "SIZE", value_parser = options::bytes)]
    memory_limit: Option<usize>,
    /// Seconds that the search for an order may take
    #[arg(long, value_name = "SECONDS", value_parser = options::seconds)]
    time: Option<Duration>,
    /// The most random orders that are tried
    #[arg(long, value_name = "N")]
    trials: Option<usize>,
    /// The seed of random orders: one seed and number of trials, one order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The type that the memory of --shapes is counted in: f32 or f64
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = options::dtype)]
    dtype: DType,
}

impl EinsumArgs {
    /// Reads, plans, computes, and prints or writes the result.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let destination = self.output.as_deref().map(|o| OutputFile::parse("einsum", o)).transpose()?;
        let (text, operands) = self.in_order();
        let equation = Einsum::new(text).map_err(|e| diagnostics::explain(&e, &[]))?;
        if let Some(Shapes(shapes)) = &self.shapes {
            let names: Vec<String> = shapes.iter().map(|_| String::new()).collect();
            let (compiled, seconds) = self.compile(&equation, self.dtype, &names, shapes)?;
            return self.print_plan(&compiled, seconds, out);
        }
        let sources = operands.iter().map(|o| InputFile::parse("einsum", o)).collect::<Result<Vec<_>, _>>()?;
        if sources.is_empty() {
            return Err(CommandError::Usage(
                "einsum: there are no operands; name files, or give --shapes to plan without them".into(),
            ));
        }
        let tensors = sources.iter().map(InputFile::read).collect::<Result<Vec<_>, _>>()?;
        let double = tensors.iter().any(|t| !matches!(t.dtype(), DType::F32 | DType::BF16 | DType::F16));
        let shapes: Vec<Vec<usize>> = tensors.iter().map(|t| t.shape().to_vec()).collect();
        let dtype = if double { DType::F64 } else { DType::F32 };
        let (compiled, seconds) = self.compile(&equation, dtype, &operands, &shapes)?;
        let (tensors, exact) = integers::prepare(&operands, tensors, compiled.terms())?;
        let start = Instant::now();
        let result = integers::restore(compiled.run(&tensors.iter().collect::<Vec<_>>())?, exact)?;
        let took = start.elapsed().as_secs_f64();
        monotile::io::check_mapped()?;
        if let Some(destination) = &destination {
            destination.write(&result)?;
            let shape = files::shape(result.shape());
            say(&format!("{}: {shape} {}, computed in {}", destination.path.display(), result.dtype(), report::duration(took)));
        }
        let shown = destination.is_none().then_some(&result);
        if self.json {
            let mut object = plan_object(&compiled, seconds);
            object["dtype"] = json!(result.dtype().to_string());
            object["seconds"] = json!(took);
            if let Some(result) = shown {
                object["values"] = result.to_f64_vec()?.into_iter().map(monotile_adapters::json::number).collect();
            }
            return report::print_json(&object, out);
        }
        if self.explain {
            write!(out, "{}", compiled.explain())?;
            if shown.is_some() {
                writeln!(out)?;
            }
        }
        if let Some(result) = shown {
            writeln!(out, "{result}")?;
            say(&format!("{} {}", files::shape(result.shape()), result.dtype()));
        }
        Ok(())
    }

    /// The equation and the operands, also where the equation was given last.
    fn in_order(&self) -> (&str, Vec<String>) {
        match self.operands.split_last() {
            Some((last, others)) if files::is_file(&self.equation) && !files::is_file(last) => {
                (last, [std::slice::from_ref(&self.equation), others].concat())
            }
            _ => (&self.equation, self.operands.clone()),
        }
    }

    /// The plan and the seconds that it took.
    fn compile(
        &self,
        equation: &Einsum,
        dtype: DType,
        names: &[String],
        shapes: &[Vec<usize>],
    ) -> Result<(CompiledEinsum, f64), CommandError> {
        let options = EinsumOptions {
            order: self.optimize.clone(),
            minimize: self.minimize,
            memory_limit: self.memory_limit.map(|bytes| MemoryLimit { bytes, dtype }),
            trials: self.trials,
            time: self.time,
            seed: self.seed,
        };
        let start = Instant::now();
        let borrowed: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let compiled = equation.with_options(options).compile(&borrowed).map_err(|e| {
            let operands: Vec<_> = names.iter().zip(shapes).map(|(name, shape)| (name.clone(), files::shape(shape))).collect();
            diagnostics::explain(&e, &operands)
        })?;
        Ok((compiled, start.elapsed().as_secs_f64()))
    }

    fn print_plan(&self, compiled: &CompiledEinsum, seconds: f64, out: &mut dyn Write) -> Result<(), CommandError> {
        if self.json {
            return report::print_json(&plan_object(compiled, seconds), out);
        }
        Ok(write!(out, "{}", compiled.explain())?)
    }
}

fn plan_object(compiled: &CompiledEinsum, seconds: f64) -> serde_json::Value {
    let report: Explanation = compiled.explain();
    let step = |s: &ExplainedStep| {
        json!({
            "terms": s.terms,
            "equation": s.equation,
            "kind": s.kind.to_string(),
            "operations": s.operations,
            "shape": s.shape,
        })
    };
    json!({
        "equation": report.equation,
        "shapes": report.shapes,
        "shape": report.shape,
        "path": compiled.path(),
        "operations": report.operations,
        "left_to_right": report.left_to_right,
        "speed_up": report.speed_up(),
        "largest": report.largest,
        "peak": report.peak,
        "planning_seconds": seconds,
        "steps": report.steps.iter().map(step).collect::<Vec<_>>(),
    })
}
