//! Random numbers that are functions of a seed, a step and a row: nothing is kept between steps, so that a resumed run draws what the whole one does.
//!
//! # Source
//! Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3 (Philox 4x32 of ten rounds).

use std::f64::consts::TAU;

/// What numbers are for: those of one purpose do not depend on those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Purpose {
    /// Places of the first splats.
    Initial,
    /// The order of views in an epoch.
    Views,
    /// What is behind a picture.
    Background,
    /// Splats that are born.
    Births,
    /// Steps at random of faint splats.
    Noise,
    /// What tests make.
    #[cfg(test)]
    Test,
}

/// Random numbers of one purpose in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RandomDraws {
    key: [u32; 2],
    step: u64,
    purpose: Purpose,
}

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

fn philox(mut key: [u32; 2], mut x: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let [a, b] = [u64::from(x[0]) * u64::from(MULTIPLIERS[0]), u64::from(x[2]) * u64::from(MULTIPLIERS[1])];
        x = [(b >> 32) as u32 ^ x[1] ^ key[0], b as u32, (a >> 32) as u32 ^ x[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    x
}

impl RandomDraws {
    pub(crate) fn new(seed: u64, step: u64, purpose: Purpose) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], step, purpose }
    }

    /// The bits of a row.
    fn bits(&self, row: usize) -> [u32; 4] {
        philox(self.key, [row as u32, self.purpose as u32, self.step as u32, (self.step >> 32) as u32])
    }

    /// The key of Philox, and its counters after the row.
    #[cfg(feature = "gpu")]
    pub(crate) fn words(&self) -> ([u32; 2], [u32; 3]) {
        (self.key, [self.purpose as u32, self.step as u32, (self.step >> 32) as u32])
    }

    /// Two numbers from 0 to below 1.
    pub(crate) fn uniform(&self, row: usize) -> [f64; 2] {
        let [a, b, c, d] = self.bits(row);
        let number = |high: u32, low: u32| {
            let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
            bits as f64 / (1_u64 << 53) as f64
        };
        [number(a, b), number(c, d)]
    }

    /// Three numbers from 0 to below 1, of 32 bits each.
    pub(crate) fn uniform3(&self, row: usize) -> [f64; 3] {
        let [a, b, c, _] = self.bits(row);
        [a, b, c].map(|x| f64::from(x) / 4_294_967_296.0)
    }

    /// Three numbers of the normal distribution (Box and Muller 1958).
    pub(crate) fn normal3(&self, row: usize) -> [f64; 3] {
        let [a, b, c, d] = self.bits(row).map(|x| (f64::from(x) + 0.5) / 4_294_967_296.0);
        let radius = |x: f64| (-2.0 * x.ln()).sqrt();
        let ((sin, cos), other) = ((TAU * b).sin_cos(), (TAU * d).cos());
        [radius(a) * cos, radius(a) * sin, radius(c) * other]
    }

    /// 0 … n − 1 in another order.
    pub(crate) fn permutation(&self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, (self.uniform(i)[0] * (i + 1) as f64) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_paper() {
        // The known answers that the authors publish with Random123.
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn normal_numbers_have_their_mean_and_variance() {
        let draws = RandomDraws::new(5, 7, Purpose::Test);
        let n = 20_000;
        let all: Vec<f64> = (0..n).flat_map(|row| draws.normal3(row)).collect();
        let count = all.len() as f64;
        let (mean, square) = (all.iter().sum::<f64>() / count, all.iter().map(|x| x * x).sum::<f64>() / count);
        // Five standard deviations of both: 1/√60000 and √2/√60000.
        assert!(mean.abs() < 5.0 / count.sqrt() && (square - 1.0).abs() < 7.1 / count.sqrt(), "{mean} {square}");
        let mut order = draws.permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
