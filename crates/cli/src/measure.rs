//! How long a call takes, and how much memory it holds.

use std::fs;
use std::time::Instant;

use monotile_kernels::pool;

/// The result of what is measured; only whether it failed matters.
pub type Timed = monotile::Result<()>;

/// Seconds that one case may take after its first call.
const BUDGET: f64 = 0.4;
/// The shortest timing; shorter calls are timed many at once.
const SHORTEST: f64 = 2e-3;
/// A first call longer than this is the measurement.
const PATIENCE: f64 = 4.0;

/// The median seconds a call takes, after one call to warm up.
pub fn seconds(mut call: impl FnMut() -> Timed) -> monotile::Result<f64> {
    let mut time = |calls: usize| -> monotile::Result<f64> {
        let start = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        Ok(start.elapsed().as_secs_f64() / calls as f64)
    };
    let first = time(1)?;
    if first > PATIENCE {
        return Ok(first);
    }
    let once = time(1)?.max(1e-9);
    if once > BUDGET {
        return Ok(once);
    }
    let calls = ((SHORTEST / once) as usize).max(1);
    let runs = ((BUDGET / (once * calls as f64)) as usize).clamp(3, 9);
    let mut times = (0..runs).map(|_| time(calls)).collect::<monotile::Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(if runs % 2 == 1 { times[runs / 2] } else { (times[runs / 2 - 1] + times[runs / 2]) / 2.0 })
}

/// Bytes that `call` holds at its peak beyond what the process held when it began, as Linux counts them.
pub fn extra_memory(call: impl FnOnce() -> Timed) -> Result<u64, String> {
    const NEEDS_LINUX: &str = "the peak of memory is read from /proc/self, which only Linux has";
    // Memory that earlier calls gave back to the pool would hide what this one takes.
    pool::set_retained_limit(pool::retained_limit());
    // "5" makes the kernel forget the peak so far (man 5 proc).
    fs::write("/proc/self/clear_refs", "5").map_err(|_| NEEDS_LINUX)?;
    let before = status("VmRSS:").ok_or(NEEDS_LINUX)?;
    call().map_err(|e| e.to_string())?;
    Ok(status("VmHWM:").ok_or(NEEDS_LINUX)?.saturating_sub(before))
}

/// A field of `/proc/self/status`, which counts in KiB, in bytes.
fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_calls_end_the_measurement() {
        let mut calls = 0;
        let result = seconds(|| {
            calls += 1;
            Err(monotile::Error::value("no"))
        });
        assert_eq!(result.unwrap_err().to_string(), "no");
        assert_eq!(calls, 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_a_call_gave_back_is_counted() {
        let bytes = 64 << 20;
        let extra = extra_memory(|| {
            // Written to, so that the pages exist.
            std::hint::black_box(vec![1u8; bytes]);
            Ok(())
        });
        let extra = extra.unwrap();
        assert!(extra >= bytes as u64 * 9 / 10 && extra < bytes as u64 * 2, "{extra}");
    }
}
