//! The command as a user meets it: what it prints where, its exit status, and the words of its refusals.

mod einsum;
mod factor;
mod faults;
mod frame;
mod gguf;
mod language;
mod lora;
mod lora_merge;
mod names;
mod nerf;
mod render;
mod reported;
mod samples;
mod scene;
mod splat;
mod splat_train;
mod splat_view;
mod terminal;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command in a folder with these arguments.
fn monotile(folder: &Path, arguments: &[&str]) -> Finished {
    let output =
        Command::new(env!("CARGO_BIN_EXE_monotile")).args(arguments).current_dir(folder).output().expect("the command starts");
    Finished::new(output)
}

/// Runs a line of shell in which `monotile` is the command.
#[cfg(unix)]
fn shell(folder: &Path, line: &str) -> Finished {
    let script = format!("monotile() {{ \"{}\" \"$@\"; }}\n{line}", env!("CARGO_BIN_EXE_monotile"));
    Finished::new(Command::new("bash").args(["-c", &script]).current_dir(folder).output().expect("bash starts"))
}

/// What a run left.
struct Finished {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Finished {
    fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Requires success and gives standard output.
    #[track_caller]
    fn succeeds(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Requires exit status 1, nothing on standard output and this on standard error, whole.
    #[track_caller]
    fn fails_with(&self, words: &str) {
        assert_eq!((self.status, self.stderr.trim_end(), self.stdout.as_str()), (Some(1), words, ""));
    }

    /// Requires exit status 1, nothing on standard output, and one line on standard error with all of these words.
    #[track_caller]
    fn fails_with_all(&self, words: &[&str]) {
        assert_eq!((self.status, self.stdout.as_str()), (Some(1), ""), "{}", self.stderr);
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{}", self.stderr);
        words.iter().for_each(|words| assert!(self.stderr.contains(words), "{} lacks {words}", self.stderr));
    }

    /// Requires exit status 2 and these words on standard error.
    #[track_caller]
    fn is_wrong_usage(&self, words: &str) {
        assert_eq!(self.status, Some(2), "{}", self.stderr);
        assert!(self.stderr.contains(words), "{}", self.stderr);
    }
}
