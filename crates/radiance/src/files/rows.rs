//! Rows of a file that threads make and write, each at its place.

use std::fs::File;
use std::io::{BufWriter, Write};

use monotile_kernels::threads;

/// Bytes that a thread makes before it writes them: they stay in a second-level cache.
const BLOCK: usize = 1 << 18;
/// Nanoseconds a byte to make and to write it, by which work is split.
const BYTE_NS: f64 = 0.4;
/// Parts of each thread: one that is held up leaves some of its own to others.
const PARTS: usize = 8;

/// Writes `n` rows of `row` bytes behind what was written; `make` fills some of them, given where they begin.
pub(super) fn write_rows(
    to: &mut BufWriter<File>,
    n: usize,
    row: usize,
    make: impl Fn(usize, &mut [u8]) + Sync,
) -> std::io::Result<()> {
    let (total, block) = (n * row, (BLOCK / row).max(1) * row);
    let threads = threads::parts(total, BYTE_NS).min(total.div_ceil(block).max(1));
    to.flush()?;
    match start_of(to.get_ref())? {
        Some(start) if threads > 1 => {
            let parts = (PARTS * threads).min(total.div_ceil(block));
            let file = to.get_ref();
            threads::try_run(parts, |part| {
                let mut bytes = vec![0; block];
                let range = threads::range(total, block, parts, part);
                for first in range.clone().step_by(block) {
                    let bytes = &mut bytes[..block.min(range.end - first)];
                    make(first, bytes);
                    write_at(file, bytes, start + first as u64)?;
                }
                Ok(())
            })
        }
        _ => {
            let mut bytes = vec![0; block.min(total)];
            for first in (0..total).step_by(block) {
                let bytes = &mut bytes[..block.min(total - first)];
                make(first, bytes);
                to.write_all(bytes)?;
            }
            Ok(())
        }
    }
}

/// Where a file of which parts can be written in any order is written next; none of a pipe or a device.
#[cfg(unix)]
fn start_of(file: &File) -> std::io::Result<Option<u64>> {
    use std::io::Seek;
    let mut file = file;
    if file.metadata()?.is_file() { file.stream_position().map(Some) } else { Ok(None) }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn start_of(_: &File) -> std::io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(not(unix))]
fn write_at(_: &File, _: &[u8], _: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn rows_stand_behind_each_other_and_behind_what_was_there() {
        let n = 100_000;
        let mut file = BufWriter::new(tempfile::tempfile().unwrap());
        file.write_all(b"head").unwrap();
        let make = |first: usize, bytes: &mut [u8]| {
            for (i, row) in (first / 12..).zip(bytes.chunks_exact_mut(12)) {
                row.copy_from_slice(format!("{i:011}\n").as_bytes());
            }
        };
        write_rows(&mut file, n, 12, make).unwrap();
        let mut file = file.into_inner().unwrap();
        let mut text = String::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        let expected: String = std::iter::once("head".to_owned()).chain((0..n).map(|i| format!("{i:011}\n"))).collect();
        assert!(text == expected);
        let mut none = BufWriter::new(tempfile::tempfile().unwrap());
        write_rows(&mut none, 0, 12, make).unwrap();
        assert_eq!(none.get_ref().metadata().unwrap().len(), 0);
    }
}
