//! What all subcommands share.

use std::env::temp_dir;

use super::monotile;
#[cfg(target_os = "linux")]
use super::shell;

#[test]
fn help_teaches_by_examples() {
    for command in [
        &["--help"][..],
        &["einsum", "--help"],
        &["factor", "--help"],
        &["generate", "--help"],
        &["train", "--help"],
        &["lora", "train", "--help"],
        &["lora", "resize", "--help"],
        &["lora", "inspect", "--help"],
        &["lora", "diff", "--help"],
        &["info", "--help"],
        &["render", "--help"],
        &["splat", "render", "--help"],
        &["splat", "info", "--help"],
        &["bench", "--help"],
        &["tour", "--help"],
    ] {
        let help = monotile(&temp_dir(), command).succeeds();
        assert!(help.contains("Examples:\n  monotile "), "{command:?}:\n{help}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_names_the_word() {
    monotile(&temp_dir(), &["generate", "--modle", "x"]).is_wrong_usage("'--modle'");
    monotile(&temp_dir(), &["paint"]).is_wrong_usage("'paint'");
    monotile(&temp_dir(), &["bench", "sculpture"])
        .is_wrong_usage("bench: there is no group sculpture; the groups are gemm, attention");
    monotile(&temp_dir(), &[]).is_wrong_usage("Usage: monotile [OPTIONS] <COMMAND>");
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_leaves_is_no_failure() {
    let ended = shell(&temp_dir(), "monotile bench gemm --json | head -n 1; exit ${PIPESTATUS[0]}");
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.succeeds().lines().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_told() {
    let ended = shell(&temp_dir(), "monotile bench gemm --json > /dev/full");
    ended.fails_with("error: standard output: No space left on device (os error 28) (writing)");
}
