//! `monotile lora merge`: a checkpoint with adapters in its weights.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile::text::printable;
use monotile_adapters::{MergeProgress, MergedTensor, WeightedAdapters, stage_merge};
use monotile_adapters::{Weights, natural_order};

use super::adapters::AdaptersArgs;
use super::rank::StorageDType;
use super::{output, verify};
use crate::command_error::CommandError;
use crate::progress::{Progress, say};
use crate::report::{Table, coloured, number};

/// Writes a checkpoint whose weights are W + s·B·A: an adapter merged, or the weighted sum of several.
///
/// Works for any model whose tensors are named after the adapter's modules; shards stay shards, and memory holds a few blocks of one
/// tensor. Rounds as PEFT's merge_and_unload does: ΔW and the sum in f32, then once to the weight's type. A run that was stopped goes
/// on when the same command is given again.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora merge --model base --adapter kjv --out merged --check       merge, read it back and compare
  monotile lora merge --model base --adapter kjv --out merged --dtype f16   stored as f16
  monotile lora merge --model base --adapter a --adapter b --weights 0.7,0.3 --out blend

Several adapters add Σ wᵢ·ΔWᵢ (PEFT's combination_type \"cat\"). Tensors that an adapter holds whole (modules_to_save) replace the
model's. The table tells the share of elements that are other than before: where that is small, ΔW is lost in the rounding of bf16, and
--dtype f32 keeps it.")]
pub struct LoraMergeArgs {
    #[command(flatten)]
    of: AdaptersArgs,
    /// Folder for the merged model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Element type of the merged weights [default: the model's]
    #[arg(long, value_enum)]
    dtype: Option<StorageDType>,
    /// Read the result back and compare it with the model and the adapters, before it is put in its place
    #[arg(long)]
    check: bool,
}

impl LoraMergeArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        output::check_vacant(&self.out)?;
        let adapters = self.of.adapters("merge")?;
        let base = Weights::open(&self.of.model)?;
        let combined = WeightedAdapters::new(&adapters, &base)?;
        if let Some((head, embedding)) = combined.untied_head() {
            let (head, embedding) = (printable(head), printable(embedding));
            say(&format!("{head}: written beside {embedding}, which it was tied to: the adapter changes one of them alone"));
        }
        if combined.is_zero() {
            say("warning: every B of the adapter is 0: it changes nothing, and the merged model is the base model");
        }
        let mut progress = Progress::new("tensors", base.names().count() as u64);
        let (mut told, mut found) = (Vec::new(), None);
        let mut report = |event| match event {
            MergeProgress::Opened(state) => found = Some(state),
            MergeProgress::Tensor(one) => {
                told.push(one);
                progress.at(told.len() as u64, "");
            }
        };
        let ended = stage_merge(&base, &combined, self.dtype.map(StorageDType::dtype), &self.out, &mut report);
        progress.finish();
        output::report_resumed(found, &self.out);
        let staged = ended.map_err(|e| output::explain(e, &self.out))?;
        // Before the folder is in its place: a run that is killed here is repeated by the same command.
        if self.check
            && let Err(failure) = verify::compare(&base, &combined, (staged.folder(), &self.out), &mut std::io::sink())
        {
            staged.discard();
            return Err(failure);
        }
        staged.finish()?;
        let odd: Vec<_> = told.iter().filter_map(|one| one.not_finite.map(|number| (printable(&one.tensor), number))).collect();
        if let Some((name, number)) = odd.first() {
            let more = if odd.len() > 1 { format!(", as do {} more", odd.len() - 1) } else { String::new() };
            say(&format!("warning: {name} holds {number} in the model{more}: copied as it is"));
        }
        told.sort_by(|one, other| natural_order(&one.tensor, &other.tensor));
        out.write_all(table(&combined, &told)?.render(coloured()).as_bytes())?;
        self.sum_up(&combined, &told)
    }

    fn sum_up(&self, combined: &WeightedAdapters, told: &[MergedTensor]) -> Result<(), CommandError> {
        let mut squares = 0.0;
        for one in told {
            squares += combined.norm(&one.tensor)?.map_or(0.0, |norm| norm * norm);
        }
        let touched = told.iter().filter(|one| one.touched).count();
        let unmoved = told.iter().filter(|one| one.touched && one.changed == Some(0)).count();
        let lost = if unmoved > 0 { format!(", {unmoved} of them by less than rounding keeps") } else { String::new() };
        let (all, norm) = (told.len(), number(f64::sqrt(squares)));
        say(&format!("{}: {touched} of {all} tensors changed{lost}, ‖ΔW‖ {norm} in all", self.out.display()));
        Ok(())
    }
}

/// A row a touched tensor.
fn table(combined: &WeightedAdapters, told: &[MergedTensor]) -> Result<Table, CommandError> {
    let mut table = Table::new(&["tensor", "rank", "‖ΔW‖", "elements changed"]);
    for one in told.iter().filter(|one| one.touched) {
        let rank = combined.rank(&one.tensor).map_or("whole".to_string(), |rank| rank.to_string());
        let norm = combined.norm(&one.tensor)?.map_or("–".to_string(), number);
        let share = |changed| format!("{:.1} %", 100.0 * changed as f64 / one.elements.max(1) as f64);
        table.row(vec![one.tensor.clone(), rank, norm, one.changed.map_or("earlier".to_string(), share)]);
    }
    Ok(table)
}
