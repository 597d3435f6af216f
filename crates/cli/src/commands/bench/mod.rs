//! `monotile bench`: times what the library is made for, on sizes that other libraries are timed on too.

mod attention;
mod einsum;
mod factor;
mod functions;
mod graphics;
mod product;
mod rowwise;
mod splat;
mod train;

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::command_error::CommandError;
use crate::measure::{self, Timed};
use crate::progress::say;
use crate::report;

/// Times the cases of a group, or of all groups.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile bench                     every group, as tables
  monotile bench attention           one group
  monotile bench gemm --json         one JSON object a line: {\"group\", \"case\", \"ms\", …}

A figure is the median of 3 to 9 timings of at least 2 ms each, after one call to warm up.
MONOTILE_THREADS sets the number of threads (default: one a core).")]
pub struct BenchArgs {
    /// Which group: gemm, attention, attention-more, memory, einsum, factor, backward, rowwise, functions, graphics, splat or train
    group: Option<String>,
    /// Print one JSON object a line instead of tables
    #[arg(long)]
    json: bool,
}

/// Cases that belong together.
struct BenchGroup {
    name: &'static str,
    run: fn(&mut Cases) -> Result<(), CommandError>,
}

/// Every group, in the order in which all are run.
const GROUPS: &[BenchGroup] = &[
    BenchGroup { name: "gemm", run: product::run },
    BenchGroup { name: "attention", run: attention::run },
    BenchGroup { name: "attention-more", run: attention::run_more },
    BenchGroup { name: "memory", run: attention::run_memory },
    BenchGroup { name: "einsum", run: einsum::run },
    BenchGroup { name: "factor", run: factor::run },
    BenchGroup { name: "backward", run: factor::run_backward },
    BenchGroup { name: "rowwise", run: rowwise::run },
    BenchGroup { name: "functions", run: functions::run },
    BenchGroup { name: "graphics", run: graphics::run },
    BenchGroup { name: "splat", run: splat::run },
    BenchGroup { name: "train", run: train::run },
];

impl BenchArgs {
    /// Runs the groups and prints their cases as they are measured.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let chosen: Vec<&BenchGroup> = GROUPS.iter().filter(|g| self.group.as_deref().is_none_or(|name| name == g.name)).collect();
        if chosen.is_empty() {
            let known: Vec<_> = GROUPS.iter().map(|g| g.name).collect();
            let asked = self.group.as_deref().unwrap_or_default();
            return Err(CommandError::Usage(format!("bench: there is no group {asked}; the groups are {}", known.join(", "))));
        }
        if cfg!(debug_assertions) {
            say("warning: this is a debug build; its times say nothing about the library");
        }
        for group in chosen {
            let mut cases =
                Cases { group: group.name, out: &mut *out, json: self.json, begun: false, last_rate: 0.0, memory_rate: 0.0 };
            (group.run)(&mut cases)?;
        }
        Ok(())
    }
}

/// What a case is about: its name, the work in it, and what a timing of it counts.
#[derive(Default, Serialize)]
struct Case {
    case: String,
    /// Floating-point operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    flop: Option<f64>,
    /// Bytes that have to be read or written at least once.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<f64>,
    /// Tokens that one call works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
}

impl Case {
    fn new(name: impl Into<String>) -> Self {
        Self { case: name.into(), ..Self::default() }
    }

    fn flop(self, flop: f64) -> Self {
        Self { flop: Some(flop), ..self }
    }

    fn bytes(self, bytes: f64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    fn tokens(self, tokens: u64) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// The rate at which the case's work was done.
    fn rate(&self, seconds: f64) -> String {
        match self {
            Self { tokens: Some(n), .. } => format!("{} tokens/s", report::count((*n as f64 / seconds) as u64)),
            Self { flop: Some(flop), bytes, .. } if *flop > bytes.unwrap_or(0.0) => format!("{:.1} GFLOP/s", flop / seconds / 1e9),
            Self { bytes: Some(bytes), .. } => format!("{:.1} GB/s", bytes / seconds / 1e9),
            _ => String::new(),
        }
    }
}

/// One printed line of JSON.
#[derive(Serialize)]
struct Row<'a> {
    group: &'a str,
    #[serde(flatten)]
    case: &'a Case,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
    /// Bytes held at the peak beyond what was held before the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The cases of one group: measures them and prints each when it is known.
struct Cases<'a> {
    group: &'static str,
    out: &'a mut dyn Write,
    json: bool,
    begun: bool,
    /// Bytes a second that the last case moved.
    last_rate: f64,
    /// Bytes a second that memory gives, where the group measured it: cases then show their share.
    memory_rate: f64,
}

impl Cases<'_> {
    /// Times `call` and prints the case; a call that fails prints its error instead.
    fn time(&mut self, case: Case, call: impl FnMut() -> Timed) -> Result<(), CommandError> {
        match measure::seconds(call) {
            Ok(s) => {
                self.last_rate = case.bytes.unwrap_or(0.0) / s;
                let mut cells = [report::duration(s), case.rate(s)];
                if self.memory_rate > 0.0 {
                    cells[1] += &format!(" {:>4.0} %", 100.0 * self.last_rate / self.memory_rate);
                }
                self.print(&Row { group: self.group, case: &case, ms: Some(s * 1e3), extra: None, error: None }, &cells)
            }
            Err(e) => self.refused(&case, e.to_string()),
        }
    }

    /// Measures the memory that `call` holds at its peak and prints the case.
    fn memory(&mut self, case: Case, call: impl FnOnce() -> Timed) -> Result<(), CommandError> {
        match measure::extra_memory(call) {
            Ok(bytes) => {
                let cells = [report::bytes(bytes), String::new()];
                self.print(&Row { group: self.group, case: &case, ms: None, extra: Some(bytes), error: None }, &cells)
            }
            Err(e) => self.refused(&case, e),
        }
    }

    fn refused(&mut self, case: &Case, error: String) -> Result<(), CommandError> {
        let cells = ["error".to_string(), error.clone()];
        self.print(&Row { group: self.group, case, ms: None, extra: None, error: Some(error) }, &cells)
    }

    fn print(&mut self, row: &Row, cells: &[String; 2]) -> Result<(), CommandError> {
        if self.json {
            report::print_json(row, self.out)?;
        } else {
            if !self.begun {
                writeln!(self.out, "{}", report::bold(self.group, report::coloured()))?;
            }
            writeln!(self.out, "  {}", format!("{:<40} {:>10}  {:>16}", row.case.case, cells[0], cells[1]).trim_end())?;
        }
        self.begun = true;
        Ok(self.out.flush()?)
    }
}
