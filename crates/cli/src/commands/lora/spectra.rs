//! Spectra of an adapter's layers as a picture: for each kind of layer, all its spectra and its ranks over depth.

use monotile::text::printable;
use monotile_adapters::Spectrum;

use crate::plot::{Plot, PlotAxis, Series, SeriesStyle, grid};

/// The picture of these layers' spectra.
pub fn svg(found: &[(String, Spectrum)]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for (name, _) in found {
        if !kinds.contains(&kind(name)) {
            kinds.push(kind(name));
        }
    }
    let of = |wanted: &str| -> Vec<(Option<usize>, &Spectrum)> {
        found.iter().filter(|(name, _)| kind(name) == wanted).map(|(name, s)| (depth(name), s)).collect()
    };
    let plots: Vec<Plot> = kinds.iter().flat_map(|name| [spectra(name, &of(name)), ranks(name, &of(name))]).collect();
    grid("Singular values and ranks of the changes, by kind of layer", &plots, 2)
}

/// The last part of a module's name: `q_proj`.
fn kind(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The first number in a module's name: its block.
fn depth(name: &str) -> Option<usize> {
    name.split('.').find_map(|part| part.parse().ok())
}

/// The singular values of all blocks; the first and the last block stand out.
fn spectra(kind: &str, layers: &[(Option<usize>, &Spectrum)]) -> Plot {
    let points = |s: &Spectrum| s.values.iter().enumerate().map(|(i, &value)| ((i + 1) as f64, value)).collect::<Vec<_>>();
    // What is 1e-7 of the largest is rounding, and would only stretch the axis.
    let floor = 1e-7 * layers.iter().filter_map(|(_, s)| s.values.first()).fold(0.0, |a: f64, b| a.max(*b));
    let shown = |s: &Spectrum| points(s).into_iter().filter(|(_, value)| *value > floor).collect();
    let last = layers.len().saturating_sub(1);
    let mut series = Vec::new();
    for (i, (block, spectrum)) in layers.iter().enumerate() {
        let named = block.map_or(String::new(), |block| format!("block {block}"));
        let (stroke, colour, name) = match i {
            0 => (SeriesStyle::Line, 0, named),
            _ if i == last => (SeriesStyle::Line, 1, named),
            _ => (SeriesStyle::Faint, 2, if i == 1 { "between".into() } else { String::new() }),
        };
        series.push(Series { name, points: shown(spectrum), stroke, colour });
    }
    // Those that stand out are drawn last, on top.
    series.sort_by_key(|s| s.stroke != SeriesStyle::Faint);
    Plot { title: format!("{}: singular values", printable(kind)), x: PlotAxis::linear("index"), y: PlotAxis::log10("σ"), series }
}

/// The ranks that keep 90 % and 99 % of the energy, over depth.
fn ranks(kind: &str, layers: &[(Option<usize>, &Spectrum)]) -> Plot {
    let line = |share: f64, colour: usize| {
        // What needs more values than are known stands at all that are known.
        let rank = |s: &Spectrum| s.rank_for(share).unwrap_or(s.values.len()) as f64;
        let points = layers.iter().enumerate().map(|(i, (block, s))| (block.unwrap_or(i) as f64, rank(s))).collect();
        Series { name: format!("rank for {:.0} % of the energy", 100.0 * share), points, stroke: SeriesStyle::Marked, colour }
    };
    Plot {
        title: format!("{}: rank over depth", printable(kind)),
        x: PlotAxis::linear("block"),
        y: PlotAxis::linear("rank"),
        series: vec![line(0.9, 0), line(0.99, 1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_layer_has_its_two_plots() {
        let spectrum = |s: f64| Spectrum { shape: [8, 8], values: vec![s, s / 2.0, 1e-12 * s], total: 1.25 * s * s };
        let layer = |block: usize, kind: &str| (format!("model.layers.{block}.{kind}"), spectrum(1.0 + block as f64));
        let found: Vec<_> = (0..3).flat_map(|block| [layer(block, "q_proj"), layer(block, "v_proj")]).collect();
        let svg = svg(&found);
        for title in ["q_proj: singular values", "q_proj: rank over depth", "v_proj: singular values", "v_proj: rank over depth"] {
            assert_eq!(svg.matches(&format!(">{title}<")).count(), 1, "{title}");
        }
        assert!(svg.contains("block 0") && svg.contains("block 2") && svg.contains("between"));
        let plot = spectra("q_proj", &[(Some(0), &spectrum(1.0))]);
        assert_eq!(plot.series[0].points, [(1.0, 1.0), (2.0, 0.5)], "rounding is not drawn");
    }
}
