//! `monotile tour`: the library's main jobs, run for real, one line each, and a page that shows them.

mod attention;
mod contraction;
mod device;
mod factorization;
mod folder;
mod language;
mod scene;
mod splats;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use monotile::Error;
use monotile::io::write_atomic;
use monotile_kernels::simd::{Isa, isa};
use monotile_kernels::threads;

use crate::command_error::CommandError;
use crate::page::{Page, PageBlock, Section};
use crate::progress::Progress;
use crate::report;

/// Shows what the library does in about a minute, with no network, GPU or file, and writes it up as a page.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile tour                 writes tour/index.html, its figures, and splats to orbit beside it
  monotile tour --out /tmp/t    writes /tmp/t/index.html

A tour replaces an earlier tour in its folder, and refuses one that holds anything else.")]
pub struct TourArgs {
    /// Folder for the page, index.html
    #[arg(long, value_name = "DIR", default_value = "tour")]
    out: PathBuf,
    /// Measures the memory of one call, for another process
    #[arg(long, hide = true)]
    probe: Option<String>,
}

/// A stop of the tour: measures something for real and tells it.
struct Station {
    /// One word for the terminal.
    name: &'static str,
    /// Does the work. Long work shows its progress. What this machine has nothing for has no section.
    visit: fn(&mut Progress) -> Result<Option<Section>, CommandError>,
}

/// The stops, in the order of the page. A new one is a file beside this one and a line here.
const STATIONS: &[Station] = &[
    Station { name: "einsum", visit: |progress| contraction::section(progress).map(Some) },
    Station { name: "attention", visit: |progress| attention::section(progress).map(Some) },
    Station { name: "factors", visit: |progress| factorization::section(progress).map(Some) },
    Station { name: "scene", visit: |progress| scene::section(progress).map(Some) },
    Station { name: "splats", visit: |progress| splats::section(progress).map(Some) },
    Station { name: "language", visit: |progress| language::section(progress).map(Some) },
    Station { name: "device", visit: device::section },
];

impl TourArgs {
    /// Visits every station, prints its line, and writes the page.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        if let Some(which) = &self.probe {
            return attention::probe(which, out);
        }
        folder::check(&self.out)?;
        std::fs::create_dir_all(&self.out).map_err(|e| Error::io("making the folder", &self.out, &e))?;
        let begun = Instant::now();
        let (mut visited, mut sections) = (Vec::new(), Vec::new());
        for station in STATIONS {
            let mut progress = Progress::new(station.name, 100);
            let section = (station.visit)(&mut progress);
            progress.finish();
            let Some(section) = section? else { continue };
            writeln!(out, "{:<10} {}", station.name, section.line)?;
            out.flush()?;
            visited.push(station);
            sections.push(section);
        }
        let took = report::duration(begun.elapsed().as_secs_f64());
        let machine = format!("{} threads, {}", threads::count(), instructions());
        let page = Page {
            title: "A tour of Monotile",
            subtitle: "The linear algebra that machine learning and graphics share, in Rust",
            opening: &format!(
                "Every number, curve and sentence on this page was computed on your machine in the last {took} ({machine}), by one \
                 program that fetched nothing and read no file."
            ),
            footer: &format!("{} {} tour.", folder::WRITTEN_BY, env!("CARGO_PKG_VERSION")),
        };
        // The page first: figures without one are none of a tour.
        let path = self.out.join(folder::PAGE);
        write_atomic(&path, |file| file.write_all(page.html(&sections).as_bytes()))?;
        visited.iter().zip(&sections).try_for_each(|(station, section)| self.save_figures(station.name, section))?;
        Ok(writeln!(out, "{:<10} {} after {took}", "page", report::path(&path))?)
    }

    /// Writes the figures of a section as files of their own, `einsum-1.svg`, …, and the page beside it.
    fn save_figures(&self, name: &str, section: &Section) -> Result<(), CommandError> {
        let figures = section.blocks.iter().filter_map(|b| match b {
            PageBlock::Figure(plot, _) => Some(plot.svg()),
            PageBlock::Drawing(svg, _) => Some(svg.clone()),
            _ => None,
        });
        for (i, svg) in figures.enumerate() {
            let path = self.out.join(folder::figure(name, i + 1));
            write_atomic(&path, |file| file.write_all(svg.as_bytes()))?;
        }
        for block in &section.blocks {
            if let PageBlock::Beside { file, html, .. } = block {
                write_atomic(&self.out.join(file), |to| to.write_all(html.as_bytes()))?;
            }
        }
        Ok(())
    }
}

/// The vector instructions in use.
fn instructions() -> &'static str {
    match isa() {
        Isa::Avx512 => "AVX-512",
        Isa::Avx2 => "AVX2",
        Isa::Neon => "Advanced SIMD",
        Isa::Simd128 => "WebAssembly SIMD",
        Isa::Baseline => "the processor's baseline",
    }
}
