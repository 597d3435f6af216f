//! Timing by the rule of `monotile bench`, and numbers to time with.

use std::time::Instant;

/// Seconds that one case may take after its first call.
const BUDGET: f64 = 0.4;
/// The shortest timing; shorter calls are timed many at once.
const SHORTEST: f64 = 2e-3;
/// A first call longer than this is the measurement.
const PATIENCE: f64 = 4.0;

/// Times `call` and prints the case.
pub fn time(peer: &str, case: impl AsRef<str>, call: impl FnMut()) {
    println!(r#"{{"case": "{}", "peer": "{peer}", "ms": {}}}"#, case.as_ref(), 1e3 * seconds(call));
}

fn seconds(mut call: impl FnMut()) -> f64 {
    let mut mean = |calls: usize| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_secs_f64() / calls as f64
    };
    let first = mean(1);
    if first > PATIENCE {
        return first;
    }
    let once = mean(1).max(1e-9);
    if once > BUDGET {
        return once;
    }
    let calls = ((SHORTEST / once) as usize).max(1);
    let runs = ((BUDGET / (once * calls as f64)) as usize).clamp(3, 9);
    let mut times: Vec<f64> = (0..runs).map(|_| mean(calls)).collect();
    times.sort_by(f64::total_cmp);
    (times[(runs - 1) / 2] + times[runs / 2]) / 2.0
}

/// Numbers spread evenly over -1 to 1 (Steele, Lea and Flood 2014, SplitMix64).
pub struct Numbers(u64);

impl Numbers {
    pub fn new() -> Self {
        Self(0)
    }

    pub fn draw(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) as i64 as f32 / i64::MAX as f32
    }
}
