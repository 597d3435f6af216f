//! `monotile lora resize`: an adapter of other ranks.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile_adapters::{Adapter, ResizedModule, resize};

use super::output;
use super::rank::{RankArgs, StorageDType};
use crate::command_error::CommandError;
use crate::progress::{Progress, say};
use crate::report::{Table, coloured, number};

/// Writes the nearest adapter of a lower rank, each layer by the singular values of its own change.
///
/// B = Q R and Aᵀ = P T reduce a layer's ΔW = s·B·A to a decomposition of the small matrix s·R·Tᵀ: the answer is exact, and ΔW is never
/// formed. Layers whose rank stays are kept to the last bit.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora resize --adapter kjv --rank 4 --out kjv4             no more than rank 4 anywhere
  monotile lora resize --adapter kjv --energy 0.9 --out small        each layer's least rank that keeps 90 % of its energy
  monotile lora resize --adapter kjv --error 0.1 --rank 32 --out b   10 % off at most, within rank 32
  monotile lora resize --adapter kjv --ratio 20 --out b              without what is below a 20th of the largest value

Several layers' ranks go into adapter_config.json as rank_pattern and alpha_pattern, by which PEFT reads them. The energy of a change is
the sum of the squares of its singular values; `monotile lora inspect` shows them.")]
pub struct LoraResizeArgs {
    /// Folder of the adapter
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    #[command(flatten)]
    keep: RankArgs,
    /// Folder for the new adapter
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Element type of the new factors [default: the adapter's]
    #[arg(long, value_enum)]
    dtype: Option<StorageDType>,
}

impl LoraResizeArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let keep = self.keep.keep("resize")?;
        output::check_vacant(&self.out)?;
        let adapter = Adapter::read(&self.adapter)?;
        let mut progress = Progress::new("layers", adapter.modules().len() as u64);
        let mut seen: Vec<ResizedModule> = Vec::new();
        let smaller = resize(&adapter, keep, &mut |one| {
            seen.push(one);
            progress.at(seen.len() as u64, "");
        })?;
        progress.finish();
        output::fill_folder(&self.out, |folder| smaller.write(folder, self.dtype.map_or(adapter.dtype(), StorageDType::dtype)))?;
        let mut table = Table::new(&["layer", "rank", "was", "‖ΔW‖", "cut off"]);
        for one in &seen {
            let (was, now) = one.rank;
            let cut = format!("{:.2} %", 100.0 * one.error);
            table.row(vec![one.module.clone(), now.to_string(), was.to_string(), number(one.norm), cut]);
        }
        out.write_all(table.render(coloured()).as_bytes())?;
        say(&self.sentence(&adapter, &seen));
        Ok(())
    }

    fn sentence(&self, adapter: &Adapter, seen: &[ResizedModule]) -> String {
        let numbers = |ranks: fn(&ResizedModule) -> usize| {
            let sizes = adapter.modules().iter().zip(seen);
            sizes.map(|((_, delta), one)| ranks(one) * delta.factors.shape().iter().sum::<usize>()).sum::<usize>()
        };
        let (was, now) = (numbers(|one| one.rank.0), numbers(|one| one.rank.1));
        let worst = seen.iter().map(|one| one.error).fold(0.0, f64::max);
        format!(
            "{}: {} layers, {:.1} % of the numbers, at most {:.2} % of a layer's ‖ΔW‖ cut off",
            self.out.display(),
            seen.len(),
            100.0 * now as f64 / was.max(1) as f64,
            100.0 * worst
        )
    }
}
