//! Files whose splats are packed: how much they may unpack to.

use std::io::Read;
use std::path::Path;

use monotile::{Error, Result, limits, memory};
use monotile_kernels::shape::count;

/// A splat has so many bytes in SPZ at least, and gzip packs up to 1024 in one.
const LEAST: u64 = 9;
const MOST_PACKED: u64 = 1024;

/// The number of splats that a header tells, if so many bytes may unpack to them and they stay within the limit of files.
#[track_caller]
pub(super) fn admitted(path: &Path, n: u64, coefficients: usize, bytes: usize) -> Result<usize> {
    if n > bytes as u64 * MOST_PACKED / LEAST {
        return Err(Error::format(path, format!("says that it has {n} splats, more than its {bytes} bytes can unpack to")));
    }
    let n = n as usize;
    let held = count(&[n, 11 + 3 * coefficients, 4]) as u64;
    limits::MODEL.admit(format_args!("{}: its splats in memory", path.display()), held)?;
    Ok(n)
}

/// So many bytes of a stream that unpacks, and no more.
#[track_caller]
pub(super) fn unpacked(path: &Path, from: &mut impl Read, size: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = memory::list(size, format_args!("{}: {what}", path.display()))?;
    let read = from.take(size as u64).read_to_end(&mut bytes);
    let read = read.map_err(|e| Error::format(path, format!("has {what} that do not unpack: {e}")))?;
    if read < size {
        return Err(Error::format(path, format!("has {what} of {read} bytes, and {size} belong to its splats: it is cut off")));
    }
    Ok(bytes)
}
