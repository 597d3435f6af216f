//! `monotile lora inspect`: what an adapter, or a fine-tuned model, has learned.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::io::write_atomic;
use monotile::text::printable;
use monotile_adapters::Weights;
use monotile_adapters::{Adapter, Spectrum};

use super::spectra;
use crate::command_error::CommandError;
use crate::progress::{Progress, say};
use crate::report::{Table, coloured, number};

/// Shows the singular values of an adapter's changes, or of the difference of two models: which layers learned something, and what rank
/// would hold it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora inspect kjv                                  an adapter
  monotile lora inspect --base llama --tuned llama-chat      a model that was fine-tuned whole: would an adapter do?

Columns: ‖ΔW‖ and the largest singular value σ₁; the effective rank exp(−Σ p ln p), p = σ/Σσ (Roy and Vetterli 2007); the least ranks that
keep 90 % and 99 % of the energy Σσ²; and the energy that ranks 1, 2, 4, ... keep, in %. The picture shows the spectra of every kind of
layer and how those ranks go with depth.")]
pub struct LoraInspectArgs {
    /// Folder of the adapter
    #[arg(value_name = "ADAPTER", required_unless_present = "base")]
    adapter: Option<PathBuf>,
    /// Folder of a model, instead of an adapter
    #[arg(long, value_name = "DIR", requires = "tuned", conflicts_with = "adapter")]
    base: Option<PathBuf>,
    /// Folder of the same model after training
    #[arg(long, value_name = "DIR", requires = "base")]
    tuned: Option<PathBuf>,
    /// How many singular values of a difference of models to find
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// All singular values of a difference, which takes minutes where a layer is 4096 wide
    #[arg(long)]
    exact: bool,
    /// Where to draw the picture [default: the folder's name with -spectra.svg, here]
    #[arg(long, value_name = "FILE", conflicts_with = "no_plot")]
    plot: Option<PathBuf>,
    /// Draw nothing
    #[arg(long)]
    no_plot: bool,
}

impl LoraInspectArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let found = match (&self.adapter, &self.base, &self.tuned) {
            (Some(adapter), ..) => of_adapter(adapter)?,
            (None, Some(base), Some(tuned)) => self.of_models(base, tuned)?,
            _ => return Err(CommandError::Usage("lora inspect: name an adapter, or --base and --tuned".into())),
        };
        out.write_all(table(&found).render(coloured()).as_bytes())?;
        if !self.no_plot && !found.is_empty() {
            let path = self.plot.clone().unwrap_or_else(|| self.picture());
            let svg = spectra::svg(&found);
            write_atomic(&path, |file| file.write_all(svg.as_bytes()))?;
            say(&format!("{}: spectra and ranks of {} layers", path.display(), found.len()));
        }
        Ok(())
    }

    /// The picture's name where none was given.
    fn picture(&self) -> PathBuf {
        let folder = self.adapter.as_ref().or(self.tuned.as_ref());
        let name = folder.and_then(|f| f.canonicalize().ok()).and_then(|f| f.file_name().map(ToOwned::to_owned));
        let mut name = name.unwrap_or_else(|| "adapter".into());
        name.push("-spectra.svg");
        name.into()
    }

    /// The spectra of what changed between two models, matrix by matrix; others that changed are named.
    fn of_models(&self, base: &Path, tuned: &Path) -> Result<Vec<(String, Spectrum)>, CommandError> {
        let (before, after) = (Weights::open(base)?, Weights::open(tuned)?);
        let names: Vec<&str> = after.names().collect();
        let mut progress = Progress::new("tensors", names.len() as u64);
        let (mut found, mut same) = (Vec::new(), 0);
        for (i, name) in names.iter().enumerate() {
            progress.at(i as u64, name);
            let (shape, shown) = (after.shape(name).unwrap_or_default(), printable(name));
            match before.shape(name) {
                None => progress.note(&format!("{shown}: only in {}", tuned.display())),
                Some(other) if other != shape => {
                    progress.note(&format!("{shown}: {other:?} before and {shape:?} after, not compared"));
                }
                Some(_) => {
                    let change = after.tensor(name, shape)?.to_dtype(monotile::DType::F32)?.sub(&before.tensor(name, shape)?)?;
                    let flat = change
                        .reshape(&[shape.first().copied().unwrap_or(1), shape.get(1..).map_or(1, monotile::tensor::count)])?;
                    if flat.abs()?.sum(&[], false)?.item::<f32>()? == 0.0 {
                        same += 1;
                    } else if shape.len() == 2 {
                        let spectrum = Spectrum::from_difference(&flat, self.most as usize, self.exact)?;
                        found.push((name.trim_end_matches(".weight").to_string(), spectrum));
                    } else {
                        progress.note(&format!("{shown}: changed, {shape:?}, no matrix"));
                    }
                }
            }
        }
        progress.finish();
        say(&format!("{} matrices changed, {same} tensors did not", found.len()));
        Ok(found)
    }
}

fn of_adapter(folder: &Path) -> Result<Vec<(String, Spectrum)>, CommandError> {
    let adapter = Adapter::read(folder)?;
    let config = adapter.config();
    let base = printable(config.base_model.as_deref().unwrap_or("a base model that it does not name"));
    let rule = if config.use_rslora { "alpha / √rank" } else { "alpha / rank" };
    say(&format!(
        "{}: rank {}, alpha {} ({rule}), {} layers, {} numbers in {}, for {base}",
        folder.display(),
        config.rank,
        config.alpha,
        adapter.modules().len(),
        crate::report::count(adapter.parameters() as u64),
        adapter.dtype()
    ));
    for (name, tensor) in adapter.whole_tensors() {
        say(&format!("{}: held whole, {:?}", printable(name), tensor.shape()));
    }
    let spectrum = |(name, delta): &(String, monotile_adapters::Delta)| {
        Ok((name.clone(), Spectrum::from_factors(&delta.factors).map_err(|e| e.with_context(name))?))
    };
    adapter.modules().iter().map(spectrum).collect()
}

/// A row a layer; energies in columns for 1, 2, 4, ..., as far as a layer has values.
fn table(found: &[(String, Spectrum)]) -> Table {
    let most = found.iter().map(|(_, s)| s.values.len()).max().unwrap_or(1).min(256);
    let ranks: Vec<usize> = (0..9).map(|i| 1 << i).filter(|&rank| rank < 2 * most).collect();
    let mut titles = vec!["layer", "shape", "‖ΔW‖", "σ₁", "effective", "90 %", "99 %"];
    let columns: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    titles.extend(columns.iter().map(String::as_str));
    let mut table = Table::new(&titles);
    for (name, spectrum) in found {
        let [rows, width] = spectrum.shape;
        let largest = spectrum.values.first().copied().unwrap_or(0.0);
        let rank = |share| spectrum.rank_for(share).map_or(format!("> {}", spectrum.values.len()), |rank| rank.to_string());
        let mut cells = vec![name.clone(), format!("{rows} x {width}"), number(spectrum.norm()), number(largest)];
        cells.extend([format!("{:.1}", spectrum.effective_rank()), rank(0.9), rank(0.99)]);
        let energy = |&rank: &usize| spectrum.energy(rank).map_or(String::new(), |share| format!("{:.1}", 100.0 * share));
        cells.extend(ranks.iter().map(energy));
        table.row(cells);
    }
    table
}
