//! One subcommand a file: its arguments, the checks, the call into the library, what it prints.

pub mod bench;
pub mod info;
