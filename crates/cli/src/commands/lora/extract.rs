//! `monotile lora extract`: an adapter from two checkpoints.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::text::printable;
use monotile_adapters::Weights;
use monotile_adapters::{Adapter, ExtractOptions, ExtractProgress, ExtractedLayer, ExtractedTensor, measure, stage_extract};

use super::output;
use super::rank::{RankArgs, StorageDType};
use crate::command_error::CommandError;
use crate::progress::{Progress, say};
use crate::report::{Table, coloured, number};

/// Writes the adapter that turns a base model into a tuned one, as near as its ranks allow.
///
/// Every matrix that differs gets the nearest low-rank change to W_tuned − W_base, by random directions or exactly, and its error is
/// measured. Works for any two checkpoints with the same names; memory holds one matrix. A run that was stopped goes on when the same
/// command is given again.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora extract --base base --tuned chat --rank 16 --out chat16
  monotile lora extract --base base --tuned chat --energy 0.95 --rank 128 --out chat95   each layer's least rank, at most 128
  monotile lora extract --base base --tuned chat --error 1e-2 --exact --out chat99 --check
  monotile lora extract --base base --tuned chat --rank 16 --include 'self_attn' --exclude 'layers\\.0\\.' --out attention
  monotile lora extract --base base --tuned chat --rank 16 --embed-lora --save-module norm,lm_head --out all

PEFT loads the result; ranks that differ are in rank_pattern and alpha_pattern. Norms, biases and embeddings that differ are named, and are
in the adapter only where --save-module (whole) or --embed-lora (as factors) ask for them.")]
pub struct LoraExtractArgs {
    /// Folder of the base model
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// Folder of the tuned model
    #[arg(long, value_name = "DIR")]
    tuned: PathBuf,
    #[command(flatten)]
    keep: RankArgs,
    /// Folder for the adapter
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Decompose exactly, which takes many times longer
    #[arg(long)]
    exact: bool,
    /// Only modules in whose name this regular expression is found
    #[arg(long, value_name = "REGEX")]
    include: Option<String>,
    /// Not modules in whose name this one is
    #[arg(long, value_name = "REGEX")]
    exclude: Option<String>,
    /// Embeddings as factors too
    #[arg(long)]
    embed_lora: bool,
    /// Modules to carry whole, by name or its end, between commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    save_module: Vec<String>,
    /// Element type of the factors
    #[arg(long, value_enum, default_value_t = StorageDType::F32)]
    dtype: StorageDType,
    /// Read the adapter back and measure ‖ΔW − B·A‖ / ‖ΔW‖ of what was written
    #[arg(long)]
    check: bool,
}

impl LoraExtractArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let options = ExtractOptions {
            exact: self.exact,
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            embeddings: self.embed_lora,
            save: self.save_module.clone(),
            dtype: self.dtype.dtype(),
            ..ExtractOptions::new(self.keep.keep("extract")?)
        };
        output::check_vacant(&self.out)?;
        let mut progress = Progress::new("tensors", Weights::open(&self.tuned)?.names().count() as u64);
        let (mut told, mut found) = (Vec::new(), None);
        let ended = stage_extract([&self.base, &self.tuned], &options, &self.out, &mut |event| match event {
            ExtractProgress::Opened(state) => found = Some(state),
            ExtractProgress::Tensor(name, became) => {
                progress.at(told.len() as u64 + 1, &name);
                told.push((name, became));
            }
        });
        progress.finish();
        output::report_resumed(found, &self.out);
        let staged = ended.map_err(|e| output::explain(e, &self.out))?;
        // Before the folder is in its place: a run that is killed here is repeated by the same command.
        let errors = match self.check.then(|| self.measure(staged.folder())).transpose() {
            Ok(errors) => errors.unwrap_or_default(),
            Err(failure) => {
                staged.discard();
                return Err(failure);
            }
        };
        staged.finish()?;
        out.write_all(table(&told, &errors).render(coloured()).as_bytes())?;
        self.sum_up(&told);
        Ok(())
    }

    /// The errors of the adapter that was written, by module.
    fn measure(&self, folder: &Path) -> Result<Vec<(String, f64)>, CommandError> {
        let adapter = Adapter::read(folder)?;
        let mut progress = Progress::new("checked", adapter.modules().len() as u64);
        let mut errors = Vec::new();
        measure(&self.base, &self.tuned, &adapter, &mut |one| {
            errors.push((one.module, one.error));
            progress.at(errors.len() as u64, "");
        })?;
        progress.finish();
        Ok(errors)
    }

    fn sum_up(&self, told: &[(String, ExtractedTensor)]) {
        for (name, became) in told {
            if let ExtractedTensor::NotExtracted(why) = became {
                say(&format!("{}: {why}; not in the adapter", printable(name)));
            }
        }
        let count = |test: &dyn Fn(&ExtractedTensor) -> bool| told.iter().filter(|(_, became)| test(became)).count();
        let layers: Vec<&ExtractedLayer> = told.iter().filter_map(|(_, became)| layer(became)).collect();
        let total: f64 = layers.iter().map(|one| one.norm * one.norm).sum();
        let missed: f64 = layers.iter().map(|one| (one.norm * one.error).powi(2)).sum();
        let share = if total > 0.0 { 100.0 * (missed / total).sqrt() } else { 0.0 };
        let exact = layers.iter().filter(|one| one.exact).count();
        say(&format!(
            "{}: {} matrices ({exact} decomposed exactly), {} tensors whole, {} the same in both, {} excluded; ‖ΔW − BA‖ is {share:.2} % of ‖ΔW‖ {}",
            self.out.display(),
            layers.len(),
            count(&|became| *became == ExtractedTensor::Whole),
            count(&|became| *became == ExtractedTensor::Same),
            count(&|became| *became == ExtractedTensor::Excluded),
            number(total.sqrt()),
        ));
    }
}

fn layer(became: &ExtractedTensor) -> Option<&ExtractedLayer> {
    if let ExtractedTensor::Factored(layer) = became { Some(layer) } else { None }
}

/// A row a matrix; the last column is what was measured on the files, where it was.
fn table(told: &[(String, ExtractedTensor)], checked: &[(String, f64)]) -> Table {
    let mut titles = vec!["tensor", "shape", "rank", "‖ΔW‖", "off"];
    if !checked.is_empty() {
        titles.push("off as written");
    }
    let mut table = Table::new(&titles);
    for (name, became) in told {
        let Some(layer) = layer(became) else { continue };
        let [rows, columns] = layer.shape;
        let share = |error: f64| format!("{:.2} %", 100.0 * error);
        let mut cells =
            vec![name.clone(), format!("{rows} x {columns}"), layer.rank.to_string(), number(layer.norm), share(layer.error)];
        let module = name.trim_end_matches(".weight");
        cells.extend(checked.iter().find(|(other, _)| other == module).map(|(_, error)| share(*error)));
        table.row(cells);
    }
    table
}
