//! What the machine has.

use std::fs;
use std::path::Path;

use monotile::text::printable;
use monotile_kernels::{params, threads};

use crate::command_error::CommandError;

/// Refuses a number of threads that there cannot be.
pub fn check_threads() -> Result<(), CommandError> {
    let Some(wished) = std::env::var_os("MONOTILE_THREADS").filter(|wished| !wished.is_empty()) else { return Ok(()) };
    let wished = wished.to_string_lossy();
    match wished.parse::<usize>() {
        Ok(1..=threads::MOST) => Ok(()),
        _ => {
            let wanted = format!("a whole number from 1 to {} is wanted", threads::MOST);
            Err(CommandError::Usage(format!("MONOTILE_THREADS is \"{}\"; {wanted}", printable(&wished))))
        }
    }
}

/// Refuses tuning parameters that there are not.
pub fn check_params() -> Result<(), CommandError> {
    params::from_environment().map(drop).map_err(|error| CommandError::Usage(printable(&error.to_string()).to_string()))
}

/// The bytes of memory that this process may take, where that is known: the machine's, or the limit of its control group.
pub fn memory() -> Option<u64> {
    memory_of(Path::new("/"))
}

/// [`memory`] of a machine whose files are under `root`.
fn memory_of(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let total = read("proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    });
    let groups = read("proc/self/cgroup").unwrap_or_default();
    groups.lines().filter_map(|line| limit(root, line)).chain(total).min()
}

/// The limit of a line of `/proc/self/cgroup`, `number:controllers:path`, and of the groups around that one (man 7 cgroups).
fn limit(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        names if names.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return None,
    };
    // In a container the path may be that of the host, and the files those of the container's own group at the root.
    let groups = Path::new(path).ancestors().filter(|group| !group.components().any(|c| c.as_os_str() == ".."));
    let limit = |group: &Path| fs::read_to_string(root.join(mount).join(group).join(file)).ok()?.trim().parse::<u64>().ok();
    groups.filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        memory_of(root.path())
    }

    #[test]
    fn the_least_of_the_machine_and_the_groups_counts() {
        let total = ("proc/meminfo", "MemTotal:       2048 kB\nMemFree: 1 kB\n");
        assert_eq!(machine(&[]), None);
        assert_eq!(machine(&[total]), Some(2048 * 1024));
        let second = ("proc/self/cgroup", "0::/a/b\n");
        assert_eq!(machine(&[total, second, ("sys/fs/cgroup/a/b/memory.max", "max\n")]), Some(2048 * 1024));
        assert_eq!(machine(&[total, second, ("sys/fs/cgroup/a/memory.max", "4096\n")]), Some(4096));
        let first = ("proc/self/cgroup", "8:pids:/\n4:cpu,memory:/x\n0::/\n");
        assert_eq!(machine(&[total, first, ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "8192\n")]), Some(8192));
        assert_eq!(
            machine(&[total, first, ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n")]),
            Some(2048 * 1024)
        );
    }
}
