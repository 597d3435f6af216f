//! The shadow on the ground.

use std::ops::Range;

use glam::{Vec2, Vec3};
use monotile_kernels::simd;

use super::VisiblePrimitives;
use super::lanes::{LANES, Lanes, any, each};
use crate::Ground;
use crate::shot::{SHADOW_BLUR, SHADOW_REACH, SHADOW_SIZE};

/// Texels a row of the map with a border of nothing, so that four neighbours can always be read.
const STRIDE: usize = SHADOW_SIZE + 2;

pub(super) struct Shadow {
    height: f32,
    center: [f32; 2],
    half_side: f32,
    map: Vec<f32>,
    /// The columns and the rows outside of which the map is 0, in texels without the border.
    columns: Range<f32>,
    rows: Range<f32>,
}

impl Shadow {
    /// Everything laid flat along the light, then blurred.
    pub fn new(ground: &Ground, toward: Vec3, drawn: &VisiblePrimitives) -> Self {
        let n = SHADOW_SIZE;
        let (height, center, half_side) = (ground.height as f32, ground.center.map(|x| x as f32), ground.half_side as f32);
        let texel = |p: Vec3| {
            let flat = p - toward * ((p.y - height) / toward.y);
            let place = (Vec2::new(flat.x, flat.z) - Vec2::from(center)) / half_side;
            (0.5 * place + 0.5) * n as f32
        };
        let mut hard = vec![0.0_f32; n * n];
        for triangle in drawn.every_cast() {
            fill(&mut hard, triangle.map(texel));
        }
        let dark = |i: usize, step: usize| (0..n).any(|j| hard[i + j * step] != 0.0);
        let rows = reached((0..n).filter(|&y| dark(y * n, 1)));
        let columns = reached((0..n).filter(|&x| dark(x, n)));
        let map = simd::run(
            #[inline(always)]
            || blurred(&hard, rows.clone()),
        );
        let ends = |r: Range<usize>| r.start as f32 - 1.0..r.end as f32;
        Self { height, center, half_side, map, columns: ends(columns), rows: ends(rows) }
    }

    /// 0 to 1, where a ray goes down through the ground; origin and direction a lane.
    #[inline(always)]
    pub fn along(&self, origin: &[Lanes; 3], direction: &[Lanes; 3]) -> Lanes {
        let Self { height, center, half_side, .. } = *self;
        let size = SHADOW_SIZE as f32;
        let far = each(|i| (height - origin[1][i]) / direction[1][i]);
        let (scale, middle) = (0.5 * size / half_side, 0.5 * size - 0.5);
        let x = each(|i| (origin[0][i] + direction[0][i] * far[i] - center[0]) * scale + middle);
        let y = each(|i| (origin[2][i] + direction[2][i] * far[i] - center[1]) * scale + middle);
        let mut meets = [false; LANES];
        for i in 0..LANES {
            let down = (direction[1][i] < 0.0) & (origin[1][i] > height);
            let dark = (x[i] > self.columns.start) & (x[i] < self.columns.end) & (y[i] > self.rows.start) & (y[i] < self.rows.end);
            // Beyond the square there is none.
            let inside = (x[i] >= -0.5) & (x[i] <= size - 0.5) & (y[i] >= -0.5) & (y[i] <= size - 0.5);
            meets[i] = down & dark & inside;
        }
        let mut shade = [0.0; LANES];
        if !any(&meets) {
            return shade;
        }
        for i in (0..LANES).filter(|&i| meets[i]) {
            shade[i] = self.read(x[i], y[i]);
        }
        shade
    }

    #[inline(always)]
    fn read(&self, x: f32, y: f32) -> f32 {
        // Casts cut off towards 0, so they round down what the border makes positive.
        let (column, row) = ((x + 1.0) as usize, (y + 1.0) as usize);
        let (right, down) = (x + 1.0 - column as f32, y + 1.0 - row as f32);
        let at = row * STRIDE + column;
        let (above, below) = (&self.map[at..at + 2], &self.map[at + STRIDE..at + STRIDE + 2]);
        let mix = |pair: &[f32]| pair[0] * (1.0 - right) + pair[1] * right;
        mix(above) * (1.0 - down) + mix(below) * down
    }
}

/// From the first to behind the last of some indices, and as far as the blur reaches.
fn reached(mut dark: impl Iterator<Item = usize>) -> Range<usize> {
    let Some(first) = dark.next() else { return 0..0 };
    let last = dark.last().unwrap_or(first);
    first.saturating_sub(SHADOW_REACH)..(last + SHADOW_REACH + 1).min(SHADOW_SIZE)
}

/// Sets the texels whose centres are in a triangle.
fn fill(map: &mut [f32], [a, b, c]: [Vec2; 3]) {
    let area = (b - a).perp_dot(c - a);
    if area == 0.0 || !area.is_finite() {
        return;
    }
    let last = SHADOW_SIZE as f32;
    let (low, high) = (a.min(b).min(c).clamp(Vec2::ZERO, Vec2::splat(last)), a.max(b).max(c).clamp(Vec2::ZERO, Vec2::splat(last)));
    for y in low.y as usize..(high.y.ceil() as usize).min(SHADOW_SIZE) {
        for x in low.x as usize..(high.x.ceil() as usize).min(SHADOW_SIZE) {
            let p = Vec2::new(x as f32, y as f32) + 0.5;
            let inside = |from: Vec2, to: Vec2| (to - from).perp_dot(p - from) * area >= 0.0;
            let texel = &mut map[y * SHADOW_SIZE + x];
            // What is dark stays dark: many layers take little longer than one.
            if *texel == 0.0 && inside(a, b) && inside(b, c) && inside(c, a) {
                *texel = 1.0;
            }
        }
    }
}

/// The Gaussian along rows, then along columns, with a border: `rows` are those that it reaches.
#[inline(always)]
fn blurred(hard: &[f32], rows: Range<usize>) -> Vec<f32> {
    const TAPS: usize = 2 * SHADOW_REACH + 1;
    let n = SHADOW_SIZE;
    let weights: [f32; TAPS] = std::array::from_fn(|i| (-0.5 * ((i as f32 - SHADOW_REACH as f32) / SHADOW_BLUR).powi(2)).exp());
    let whole: f32 = weights.iter().sum();
    let mut across = vec![0.0; n * n];
    let mut padded = [0.0; SHADOW_SIZE + TAPS];
    for y in rows.clone() {
        padded[SHADOW_REACH..SHADOW_REACH + n].copy_from_slice(&hard[y * n..(y + 1) * n]);
        let to = &mut across[y * n..(y + 1) * n];
        for (tap, weight) in weights.iter().enumerate() {
            to.iter_mut().zip(&padded[tap..tap + n]).for_each(|(to, x)| *to += weight * x);
        }
        to.iter_mut().for_each(|x| *x /= whole);
    }
    let mut map = vec![0.0; STRIDE * STRIDE];
    for y in rows {
        let to = &mut map[(y + 1) * STRIDE + 1..][..n];
        for (tap, weight) in weights.iter().enumerate() {
            let from = y + tap;
            if (SHADOW_REACH..SHADOW_REACH + n).contains(&from) {
                let from = &across[(from - SHADOW_REACH) * n..][..n];
                to.iter_mut().zip(from).for_each(|(to, x)| *to += weight * x);
            }
        }
        to.iter_mut().for_each(|x| *x /= whole);
    }
    map
}

impl VisiblePrimitives {
    /// The corners of every triangle that throws a shadow, whichever side is lit and whether it is in the picture.
    fn every_cast(&self) -> impl Iterator<Item = [Vec3; 3]> {
        self.casts.iter().map(|corners| corners.map(|c| self.varyings[c as usize].position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The map is the sum over both directions as `shot.rs` has it, in f64; what lies at the edge loses what is beyond.
    #[test]
    fn the_blur_is_the_one_that_is_stated() {
        let n = SHADOW_SIZE;
        let dark = [[0, 0], [3, 250], [100, 90], [101, 90], [n - 1, n - 1]];
        let mut hard = vec![0.0; n * n];
        dark.iter().for_each(|[x, y]| hard[y * n + x] = 1.0);
        let map = blurred(&hard, 0..n);
        let weight = |i: usize, j: usize| {
            let apart = i.abs_diff(j) as f64;
            if apart <= SHADOW_REACH as f64 { (-apart * apart / (2.0 * f64::from(SHADOW_BLUR).powi(2))).exp() } else { 0.0 }
        };
        let whole: f64 = (0..=2 * SHADOW_REACH).map(|i| weight(i, SHADOW_REACH)).sum();
        for y in 0..n {
            for x in 0..n {
                let wanted: f64 = dark.iter().map(|&[i, j]| weight(x, i) * weight(y, j)).sum::<f64>() / (whole * whole);
                // Either way half an epsilon for each of the 25 terms of the weights' sum and the 5 of a weight's exponent.
                let bound = 30.0 * f64::from(f32::EPSILON);
                assert!((f64::from(map[(y + 1) * STRIDE + x + 1]) - wanted).abs() <= bound * wanted, "({x}, {y})");
            }
        }
    }
}
