//! What a capture holds, for `monotile splat info`.

use std::io::Write;
use std::path::Path;

use monotile::text::printable;
use monotile_radiance::{CaptureOptions, CaptureSplit};
use serde_json::json;

use super::data::open_data;
use crate::command_error::CommandError;
use crate::report::{self, Table, count, number};

/// Names of missing pictures that are told.
const TOLD: usize = 3;

/// Reads a capture and prints what is in it.
pub fn tell(path: &Path, as_json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let info = open_data(path, &CaptureOptions::default())?.info();
    let views: usize = info.splits.iter().sum();
    if as_json {
        let [train, validation, test] = info.splits;
        let sizes: Vec<_> = info.sizes.iter().map(|(size, views)| json!({ "size": size, "views": views })).collect();
        let lenses: Vec<_> = info.lenses.iter().map(|(model, views)| json!({ "model": model.name(), "views": views })).collect();
        let object = json!({
            "format": info.format,
            "views": views,
            "train": train,
            "validation": validation,
            "test": test,
            "sizes": sizes,
            "lenses": lenses,
            "points": info.points,
            "masks": info.masks,
            "missing": info.missing,
            "center": info.center,
            "radius": info.radius,
            "notes": info.notes,
        });
        return report::print_json(&object, out);
    }
    let colour = report::coloured();
    let plural = |n: usize, one: &str| format!("{} {one}{}", count(n as u64), if n == 1 { "" } else { "s" });
    writeln!(out, "{}", report::bold(&report::path(path), colour))?;
    let points = match info.points {
        Some(points) => plural(points, "point"),
        None => "no points".to_owned(),
    };
    writeln!(out, "  {}, {}, {points}", info.format, plural(views, "view"))?;
    let place = info.center.map(number).join(", ");
    writeln!(out, "  cameras within {} of ({place})", number(info.radius))?;
    let mut table = Table::new(&["", "views"]);
    for (split, views) in CaptureSplit::ALL.into_iter().zip(info.splits) {
        table.row(vec![split.name().to_owned(), count(views as u64)]);
    }
    for ([width, height], views) in &info.sizes {
        table.row(vec![format!("{width} x {height}"), count(*views as u64)]);
    }
    for (model, views) in &info.lenses {
        table.row(vec![model.name().to_owned(), count(*views as u64)]);
    }
    if info.masks > 0 {
        table.row(vec!["with a mask".to_owned(), count(info.masks as u64)]);
    }
    write!(out, "\n{}", table.render(colour))?;
    if !info.missing.is_empty() {
        let names: Vec<String> = info.missing.iter().take(TOLD).map(|name| printable(name).to_string()).collect();
        let more = if info.missing.len() > TOLD { ", …" } else { "" };
        let verb = if info.missing.len() == 1 { "is" } else { "are" };
        writeln!(out, "  {} {verb} not there: {}{more}", plural(info.missing.len(), "picture"), names.join(", "))?;
    }
    for note in &info.notes {
        writeln!(out, "  note: {}", printable(note))?;
    }
    Ok(())
}
