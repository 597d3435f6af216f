//! `monotile lora verify`: whether a merged checkpoint is what it should be.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::text::printable;
use monotile_adapters::Weights;
use monotile_adapters::{Verdict, VerifiedTensor, WeightedAdapters, verify};

use super::adapters::AdaptersArgs;
use crate::command_error::CommandError;
use crate::progress::{Progress, say};
use crate::report::{Table, coloured, number};

/// Tells whether a merged checkpoint is its base model plus an adapter, tensor by tensor.
///
/// Finds merges that did nothing, that were done twice, with another weight or scaling, or that lost tensors, whoever made them. The exit
/// status is 1 unless everything is as it should be.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora verify --model base --adapter kjv --merged merged
  monotile lora verify --model base --adapter a --adapter b --weights 0.7,0.3 --merged blend

Verdicts: exact (to the last bit), rounded (within what a second rounding or another order of summing explain), nothing (the tensor is what
it was), not finite (it holds NaN or ∞), other (with how many times ΔW was added: 2 is a merge done twice). The column `times` is
⟨W' − W, ΔW⟩ / ‖ΔW‖²; it is below 1 in an exact merge too where rounding to bf16 loses a part of a small ΔW.")]
pub struct LoraVerifyArgs {
    #[command(flatten)]
    of: AdaptersArgs,
    /// Folder of the merged model
    #[arg(long, value_name = "DIR")]
    merged: PathBuf,
}

impl LoraVerifyArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let base = Weights::open(&self.of.model)?;
        let combined = WeightedAdapters::new(&self.of.adapters("verify")?, &base)?;
        compare(&base, &combined, (&self.merged, &self.merged), out)
    }
}

/// Compares, prints a table of what is worth a row, and fails unless all is as it should be. The folder is called `named` in what is said.
pub fn compare(
    base: &Weights,
    combined: &WeightedAdapters,
    (folder, named): (&Path, &Path),
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let merged = Weights::open(folder)?;
    let mut progress = Progress::new("compared", base.names().count() as u64);
    let mut found: Vec<VerifiedTensor> = Vec::new();
    verify(base, combined, &merged, &mut |one| {
        found.push(one);
        progress.at(found.len() as u64, "");
    })?;
    progress.finish();
    let mut table = Table::new(&["tensor", "‖ΔW‖", "times", "verdict"]);
    for one in found.iter().filter(|one| one.touched || !one.verdict.holds()) {
        let times = one.times.map_or("–".to_string(), |times| format!("{times:.4}"));
        table.row(vec![one.tensor.clone(), one.norm.map_or("–".to_string(), number), times, words(&one.verdict)]);
    }
    out.write_all(table.render(coloured()).as_bytes())?;
    conclude(&found, named)
}

fn conclude(found: &[VerifiedTensor], folder: &Path) -> Result<(), CommandError> {
    let count = |test: &dyn Fn(&VerifiedTensor) -> bool| found.iter().filter(|one| test(one)).count();
    let touched = count(&|one| one.touched);
    let (exact, holds) =
        (count(&|one| one.touched && one.verdict == Verdict::Exact), count(&|one| one.touched && one.verdict.holds()));
    let folder = folder.display();
    if found.iter().all(|one| one.verdict.holds()) {
        let rest = found.len() - touched;
        say(&format!("{folder}: holds: {exact} of {touched} tensors exact, {} rounded, {rest} others as they were", holds - exact));
        return Ok(());
    }
    let nothing = count(&|one| one.verdict == Verdict::Nothing);
    if nothing > 0 && nothing == touched {
        let failure = CommandError::new(format!(
            "{folder}: the merge did nothing: all {touched} tensors that the adapter changes are what they were"
        ));
        return Err(failure.hint("monotile lora merge writes a merged model, and says what changed"));
    }
    let first = found.iter().find(|one| !one.verdict.holds());
    let first = first.map_or(String::new(), |one| format!("{}: {}", printable(&one.tensor), words(&one.verdict)));
    let wrong = count(&|one| !one.verdict.holds());
    Err(CommandError::new(format!("{folder}: {wrong} of {} tensors are not what they should be, the first {first}", found.len())))
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Exact => "exact".into(),
        Verdict::Rounded(elements) => format!("rounded, {elements} elements"),
        Verdict::Nothing => "nothing was added".into(),
        Verdict::Other { times, rest } => format!("other, {times:.3} times ΔW and {rest:.3} beside"),
        Verdict::Changed => "not what it should be".into(),
        Verdict::NotFinite => "holds numbers that are not finite".into(),
        Verdict::Shape(shape) => format!("of shape {shape:?}"),
        Verdict::Missing => "missing".into(),
        Verdict::Extra => "not in the model".into(),
    }
}
