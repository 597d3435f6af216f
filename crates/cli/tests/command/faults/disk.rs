//! Disks that are full, and folders that cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Case, cases, content, hidden, one_sentence, remove, workshop};
use crate::shell;

/// A file system in memory, of so many KiB; `None`, saying so, where this process may not mount one.
struct Disk(PathBuf);

impl Disk {
    fn mounted(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "monotile-test"]).arg(at).stdout(Stdio::null()).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        eprintln!("skipped: a file system cannot be mounted here");
        None
    }

    fn again(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What an output that could not be written looks like: nothing, or files that are whole.
#[track_caller]
fn nothing_half(case: &Case, out: &Path, whole: &[(String, Vec<u8>)]) {
    let found = content(out);
    for one in found.iter().filter(|(name, _)| !name.starts_with('.')) {
        // What training writes depends on the step that it came to, and is whole if it can be read.
        let reads = case.resumes && (!one.0.ends_with(".safetensors") || monotile::io::SafeTensors::open(out.join(&one.0)).is_ok());
        assert!(whole.contains(one) || reads, "{}: {:?} is not whole", case.name, one.0);
    }
}

#[test]
fn a_full_disk_is_told_in_one_sentence_and_leaves_nothing_half_written() {
    let folder = workshop();
    let Some(disk) = Disk::mounted(&folder.path().join("disk"), "size=64k") else { return };
    for case in cases() {
        let out = case.out.replace("OUT", "disk/out");
        case.run(folder.path(), &case.arguments("whole")).succeeds();
        let whole = content(&folder.path().join(case.out.replace("OUT", "whole")));
        let mut failures = 0;
        for room in ["4k", "8k", "16k", "36k"] {
            disk.again(&format!("size={room}"));
            let ended = case.run(folder.path(), &case.resuming("disk/out"));
            if ended.status != Some(0) {
                let words = one_sentence(&ended, case.name);
                assert!(words.starts_with("disk/out") && words.contains("(os error 28) (writing)"), "{}: {words}", case.name);
                nothing_half(&case, &folder.path().join(&out), &whole);
                failures += 1;
            }
            remove(&folder.path().join(&out));
        }
        assert!(failures > 0, "{}: no disk was small enough", case.name);
        disk.again("size=16m");
        case.run(folder.path(), &case.resuming("disk/out")).succeeds();
        assert_eq!(hidden(&disk.0), Vec::<String>::new(), "{}", case.name);
        remove(&folder.path().join(&out));
        remove(&folder.path().join(case.out.replace("OUT", "whole")));
    }
}

/// A limit on the size of files stands for a full disk where none can be made: the first file that is larger cannot be written.
#[test]
fn a_file_that_grows_too_large_is_told_in_one_sentence() {
    let folder = workshop();
    for case in cases() {
        let words = case.arguments("out").iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let ended = shell(folder.path(), &format!("ulimit -f 0; monotile {words}"));
        let words = one_sentence(&ended, case.name);
        assert!(words.starts_with("out") && words.contains("File too large (os error 27) (writing)"), "{}: {words}", case.name);
        let out = folder.path().join(case.out.replace("OUT", "out"));
        nothing_half(&case, &out, &[]);
        remove(&out);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told_in_one_sentence() {
    let folder = workshop();
    let Some(_disk) = Disk::mounted(&folder.path().join("disk"), "size=64k,ro") else { return };
    for case in cases() {
        let words = one_sentence(&case.run(folder.path(), &case.arguments("disk/out")), case.name);
        assert!(
            words.starts_with("disk/out") && words.ends_with("Read-only file system (os error 30) (writing)"),
            "{}: {words}",
            case.name
        );
    }
}
