//! Progress on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use monotile::text::message_line;

/// The least time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(5);

/// Writes a line to standard error, of which any part may come from a file: nothing in it acts on a terminal.
pub fn say(line: &str) {
    print(&message_line(line));
}

/// Writes lines that are fit for a terminal to standard error; where nobody can read them, that is no reason to stop.
pub fn print(lines: &str) {
    let _ = writeln!(std::io::stderr(), "{lines}");
}

/// How far a long piece of work has come.
pub struct Progress {
    total: u64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines { name: String, begun: Instant, last: Option<Instant> },
}

impl Progress {
    /// Work of `total` steps, called `name`.
    pub fn new(name: &str, total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { total, shown: Shown::Lines { name: name.to_string(), begun: Instant::now(), last: None } };
        }
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}  {msg}  {eta} left")
            .expect("the template is a constant that parses")
            .progress_chars("━╸─");
        let bar = ProgressBar::new(total).with_style(style).with_prefix(name.to_string());
        Self { total, shown: Shown::Bar(bar) }
    }

    /// Says that `done` steps were done before, so that the time left counts the others only.
    pub fn resume_at(&mut self, done: u64) {
        if let Shown::Bar(bar) = &self.shown {
            bar.set_position(done);
            bar.reset_eta();
        }
    }

    /// Says that `done` steps are done, with a few words on how it goes.
    pub fn at(&mut self, done: u64, message: &str) {
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_message(message_line(message));
                bar.set_position(done);
            }
            Shown::Lines { name, begun, last } => {
                if done == self.total || last.unwrap_or(*begun).elapsed() >= QUIET {
                    *last = Some(Instant::now());
                    say(&format!("{name} {done}/{}  {message}", self.total));
                }
            }
        }
    }

    /// Prints a line that stays.
    pub fn note(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| say(line)),
            Shown::Lines { .. } => say(line),
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}
