//! `monotile lora diff`: how far two adapters are apart.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile::text::printable;
use monotile_adapters::{Adapter, DeltaDistance, distances};

use crate::command_error::CommandError;
use crate::progress::say;
use crate::report::{Table, coloured, number};

/// Tells how far the changes ΔW of two adapters are apart, a layer at a time.
///
/// Adapters of different ranks, scalings and settings are compared by what they do to the weights. Distances come from the factors, by
/// QR: they are exact to rounding even where the adapters nearly agree.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora diff kjv kjv4           what resizing cost
  monotile lora diff first second       how much two runs agree; a cosine of 1 is the same direction, 0 none in common

Columns: ‖ΔW‖ of both (Frobenius' norm), their distance ‖ΔW₁ − ΔW₂‖ as a share of the longer, and the cosine of the angle between them.")]
pub struct LoraDiffArgs {
    /// Folder of an adapter
    #[arg(value_name = "A")]
    one: PathBuf,
    /// Folder of another
    #[arg(value_name = "B")]
    other: PathBuf,
}

impl LoraDiffArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let (one, other) = (Adapter::read(&self.one)?, Adapter::read(&self.other)?);
        let found = distances(&one, &other)?;
        let mut table = Table::new(&["layer", "rank", "rank", "‖ΔW₁‖", "‖ΔW₂‖", "apart", "cosine"]);
        for layer in &found {
            let rank =
                |adapter: &Adapter| adapter.module(&layer.module).map_or("–".to_string(), |d| d.factors.rank().to_string());
            let cosine = if layer.cosine.is_nan() { "–".to_string() } else { format!("{:.4}", layer.cosine) };
            let [first, second] = layer.norms.map(number);
            table.row(vec![layer.module.clone(), rank(&one), rank(&other), first, second, share(layer.relative()), cosine]);
        }
        out.write_all(table.render(coloured()).as_bytes())?;
        say(&sentence(&found));
        let mut whole: Vec<&String> = one.whole_tensors().keys().chain(other.whole_tensors().keys()).collect();
        whole.sort();
        whole.dedup();
        for name in whole {
            let found = (one.whole_tensors().get(name), other.whole_tensors().get(name));
            let name = printable(name);
            say(&match found {
                (Some(a), Some(b)) if a.shape() != b.shape() => format!("{name}: whole in both, of other shapes"),
                (Some(a), Some(b)) if a.to_f64_vec()? == b.to_f64_vec()? => format!("{name}: whole in both, the same"),
                (Some(_), Some(_)) => format!("{name}: whole in both, different"),
                (Some(_), None) => format!("{name}: whole in {} only", self.one.display()),
                _ => format!("{name}: whole in {} only", self.other.display()),
            });
        }
        Ok(())
    }
}

/// A share of 1 as a person reads it, down to where only rounding is left.
fn share(x: f64) -> String {
    if x == 0.0 || x >= 1e-4 { format!("{:.2} %", 100.0 * x) } else { format!("{x:.0e}") }
}

fn sentence(found: &[DeltaDistance]) -> String {
    let squares = |of: &dyn Fn(&DeltaDistance) -> f64| found.iter().map(|layer| of(layer).powi(2)).sum::<f64>().sqrt();
    let (first, second, distance) = (squares(&|l| l.norms[0]), squares(&|l| l.norms[1]), squares(&|l| l.distance));
    if distance == 0.0 {
        return format!("{} layers, the same in both", found.len());
    }
    let apart = share(distance / first.max(second));
    format!("{} layers, ‖ΔW‖ {} and {}, {apart} apart in all", found.len(), number(first), number(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_readable_down_to_rounding() {
        assert_eq!([0.0, 3.2e-16, 0.01234, 1.0].map(share), ["0.00 %", "3e-16", "1.23 %", "100.00 %"].map(String::from));
    }

    #[test]
    fn all_layers_count_by_their_squares() {
        let layer = |norms: [f64; 2], distance| DeltaDistance { module: "m".into(), norms, distance, cosine: 0.0 };
        let found = [layer([3.0, 0.0], 3.0), layer([4.0, 5.0], 4.0)];
        assert_eq!(sentence(&found), "2 layers, ‖ΔW‖ 5.0000 and 5.0000, 100.00 % apart in all");
        assert_eq!(sentence(&[layer([3.0, 3.0], 0.0)]), "1 layers, the same in both");
    }
}
