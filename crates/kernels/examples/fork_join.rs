//! Prints what handing work to other threads costs: `cargo run --release -p monotile-kernels --example fork_join`.

use std::time::{Duration, Instant};

use monotile_kernels::threads;

/// The median and the fastest microseconds of many calls, each `pause` after the one before.
fn call_times(pause: Duration, call: impl Fn()) -> (f64, f64) {
    let mut times: Vec<f64> = (0..500)
        .map(|_| {
            let start = Instant::now();
            while start.elapsed() < pause {
                std::hint::spin_loop();
            }
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

/// Arithmetic that takes about `us` microseconds.
fn work(us: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(us) {
        std::hint::spin_loop();
    }
}

fn main() {
    let parts = threads::count();
    for pause in [0, 10, 100, 1000] {
        for us in [0, 20, 50] {
            let (median, fastest) = call_times(Duration::from_micros(pause), || threads::run(parts, |_| work(us)));
            println!("{parts} parts of {us:2} us, {pause:4} us apart: {median:6.1} us (fastest {fastest:.1})");
        }
    }
}
