//! A square of the picture, drawn in a cache.

use std::ops::Range;

use glam::Vec4;
use monotile_kernels::simd;

use super::VisiblePrimitives;
use super::background::BackgroundShader;
use super::batch::FragmentBatch;
use super::encode;
use super::lanes::LANES;
use super::shade::Shader;
use super::triangle::{ScreenTriangle, TileEdgeFunctions};
use crate::draws::{ALPHA_SLACK, AlphaPart};

/// Pixels a side.
pub(super) const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
/// Samples a pixel: where each lies in it, as WebGPU has them.
const SAMPLES: [[f32; 2]; 4] = [[0.375, 0.125], [0.875, 0.375], [0.125, 0.625], [0.625, 0.875]];
/// Triangles of a tile from which on it is less work to find those that are seen than to ask each.
const MANY: usize = 64;
/// No triangle.
const NONE: u32 = u32::MAX;

/// What all tiles of a picture are drawn from.
pub(super) struct TileInputs<'a> {
    pub drawn: &'a VisiblePrimitives,
    pub shader: &'a Shader<'a>,
    pub behind: &'a BackgroundShader,
    pub size: [usize; 2],
}

/// The memory of a thread's tile.
pub(super) struct Tile {
    /// Its first column and row.
    origin: [usize; 2],
    depths: Box<[[f32; PIXELS]; 4]>,
    /// Which triangle each sample shows.
    shown: Box<[[u32; PIXELS]; 4]>,
    /// Linear colours of the samples, with alpha multiplied in: used where something blends.
    colors: Box<[[Vec4; PIXELS]; 4]>,
    /// The same, averaged.
    means: Box<[[f32; 4]; PIXELS]>,
    batch: Box<FragmentBatch>,
}

/// Which samples of a triangle become fragments, and what becomes of those.
#[derive(Clone, Copy, PartialEq)]
enum Layer {
    /// The samples that show it, added to the mean.
    Added,
    /// The same, each kept for what blends.
    Kept,
    /// Those that it is the nearest at, laid over what is there.
    Over,
}

impl Tile {
    pub fn new() -> Self {
        Self {
            origin: [0; 2],
            depths: Box::new([[1.0; PIXELS]; 4]),
            shown: Box::new([[NONE; PIXELS]; 4]),
            colors: Box::new([[Vec4::ZERO; PIXELS]; 4]),
            means: Box::new([[0.0; 4]; PIXELS]),
            batch: Box::new(FragmentBatch::new()),
        }
    }

    /// Draws the pixels from `origin` on and writes them to `rows`, the band of the picture that they lie in.
    pub fn draw(&mut self, parts: &TileInputs<'_>, triangles: &[u32], origin: [usize; 2], rows: &mut [u8]) {
        self.origin = origin;
        self.means.fill([0.0; 4]);
        if triangles.is_empty() {
            self.fill_behind(parts, |_, _, _| [1.0; LANES]);
            return self.write(parts.size, rows);
        }
        self.depths.iter_mut().for_each(|d| d.fill(1.0));
        self.shown.iter_mut().for_each(|s| s.fill(NONE));
        let drawn = parts.drawn;
        let opaque =
            triangles.partition_point(|&t| drawn.looks[drawn.triangles[t as usize].look as usize].part != AlphaPart::Clear);
        let (opaque, blends) = triangles.split_at(opaque);
        opaque.iter().for_each(|&number| self.cover(parts, number));
        let seen;
        let opaque = if opaque.len() > MANY {
            seen = self.seen_triangles();
            &seen[..]
        } else {
            opaque
        };
        if blends.is_empty() {
            self.shade(parts, opaque, Layer::Added);
            self.fill_behind(parts, Self::open);
        } else {
            self.shade(parts, opaque, Layer::Kept);
            self.fill_behind(parts, |_, _, _| [1.0; LANES]);
            for at in 0..PIXELS {
                for s in (0..4).filter(|&s| self.shown[s][at] == NONE) {
                    self.colors[s][at] = self.means[at].into();
                }
            }
            self.shade(parts, blends, Layer::Over);
            let samples = self.colors.each_ref();
            for (at, mean) in self.means.iter_mut().enumerate() {
                let [a, b, c, d] = samples.map(|s| s[at]);
                *mean = (0.25 * ((a + b) + (c + d))).to_array();
            }
        }
        self.write(parts.size, rows);
    }

    /// The triangles that any sample shows, in their order.
    fn seen_triangles(&self) -> Vec<u32> {
        let mut seen = Vec::new();
        for shown in &*self.shown {
            let mut last = NONE;
            for &number in shown.iter() {
                if number != last && number != NONE {
                    seen.push(number);
                }
                last = number;
            }
        }
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    /// Adds what is behind to the means, by the part of each pixel that `open` has for a row of pixels.
    fn fill_behind(&mut self, parts: &TileInputs<'_>, open: impl Fn(&Self, usize, usize) -> [f32; LANES]) {
        let [width, height] = self.inside(parts.size);
        simd::run(
            #[inline(always)]
            || {
                for y in 0..height {
                    for x in (0..width).step_by(LANES) {
                        let weights = open(self, x, y);
                        let mut most = 0.0_f32;
                        weights.iter().for_each(|weight| most = most.max(*weight));
                        if most == 0.0 {
                            continue;
                        }
                        let behind = parts.behind.at(self.origin[0] + x, self.origin[1] + y);
                        for (i, mean) in self.means[y * SIDE + x..][..LANES].iter_mut().enumerate() {
                            (0..4).for_each(|k| mean[k] += weights[i] * behind[k][i]);
                        }
                    }
                }
            },
        );
    }

    /// The parts of a row of pixels that no triangle hides.
    #[inline(always)]
    fn open(&self, x: usize, y: usize) -> [f32; LANES] {
        let mut parts = [0.0; LANES];
        for shown in &*self.shown {
            let shown = &shown[y * SIDE + x..][..LANES];
            for i in 0..LANES {
                parts[i] += if shown[i] == NONE { 0.25 } else { 0.0 };
            }
        }
        parts
    }

    /// How much of the tile lies in the picture.
    fn inside(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| SIDE.min(size[axis] - self.origin[axis]))
    }

    fn write(&self, size: [usize; 2], rows: &mut [u8]) {
        let [width, height] = self.inside(size);
        let table = encode::table();
        simd::run(
            #[inline(always)]
            || {
                for y in 0..height {
                    let row = &mut rows[4 * (y * size[0] + self.origin[0])..][..4 * width];
                    let (means, _) = self.means[y * SIDE..(y + 1) * SIDE].as_chunks::<LANES>();
                    for (means, to) in means.iter().zip(row.chunks_mut(4 * LANES)) {
                        let mut bytes = [[0; 4]; LANES];
                        encode::write(table, means, &mut bytes);
                        to.copy_from_slice(&bytes.as_flattened()[..to.len()]);
                    }
                }
            },
        );
    }

    /// Takes the samples that a triangle is the nearest at.
    fn cover(&mut self, parts: &TileInputs<'_>, number: u32) {
        let triangle = &parts.drawn.triangles[number as usize];
        let Some(local) = parts.drawn.local(triangle, self.origin).filter(|local| local.touches(SIDE as f32)) else { return };
        if let Some(cutoff) = parts.shader.surface(triangle.look).cutoff() {
            return self.cover_masked(parts, number, &local, cutoff);
        }
        let [columns, rows] = within(triangle, self.origin);
        let Self { depths, shown, .. } = self;
        simd::run(
            #[inline(always)]
            || {
                for s in 0..4 {
                    for y in rows.clone() {
                        let range = y * SIDE + columns.start..y * SIDE + columns.end;
                        let (depths, shown) = (&mut depths[s][range.clone()], &mut shown[s][range]);
                        let [sx, sy] = SAMPLES[s];
                        let groups = depths.chunks_exact_mut(LANES).zip(shown.chunks_exact_mut(LANES));
                        for (group, (depths, shown)) in groups.enumerate() {
                            let x = (columns.start + group * LANES) as f32 + sx;
                            let found = nearer(&local, [x, y as f32 + sy], depths);
                            for i in 0..LANES {
                                depths[i] = if found.0[i] { found.1[i] } else { depths[i] };
                                shown[i] = if found.0[i] { number } else { shown[i] };
                            }
                        }
                    }
                }
            },
        );
    }

    /// The same where the surface is there.
    fn cover_masked(&mut self, parts: &TileInputs<'_>, number: u32, local: &TileEdgeFunctions, cutoff: f32) {
        let triangle = &parts.drawn.triangles[number as usize];
        let surface = parts.shader.surface(triangle.look);
        let mut room = None;
        let corners = parts.drawn.corners(triangle, &mut room);
        let [columns, rows] = within(triangle, self.origin);
        for y in rows {
            for x in columns.clone().step_by(LANES) {
                let samples = self.visible_samples(local, x, y);
                self.batch.push(y * SIDE + x, &samples);
                self.batch.place(triangle, local, corners, surface);
                surface.write_colors(&mut self.batch);
                for (at, samples, _) in self.batch.fragments().filter(|(_, _, color)| color[3] >= cutoff) {
                    for s in (0..4).filter(|s| samples >> s & 1 == 1) {
                        let [px, py] = [(at % SIDE) as f32 + SAMPLES[s][0], (at / SIDE) as f32 + SAMPLES[s][1]];
                        let [a, b, c] = local.depth;
                        (self.depths[s][at], self.shown[s][at]) = (a * px + (b * py + c), number);
                    }
                }
                self.batch.clear();
            }
        }
    }

    /// Computes the fragments of triangles, in their order.
    fn shade(&mut self, parts: &TileInputs<'_>, triangles: &[u32], layer: Layer) {
        let mut look = 0;
        for &number in triangles {
            let triangle = &parts.drawn.triangles[number as usize];
            let Some(local) = parts.drawn.local(triangle, self.origin).filter(|local| local.touches(SIDE as f32)) else { continue };
            if look != triangle.look {
                self.lay(parts, look, layer);
                look = triangle.look;
            }
            let mut room = None;
            let (corners, surface) = (parts.drawn.corners(triangle, &mut room), parts.shader.surface(look));
            let [columns, rows] = within(triangle, self.origin);
            for y in rows {
                for x in columns.clone().step_by(LANES) {
                    let samples =
                        if layer == Layer::Over { self.visible_samples(&local, x, y) } else { self.samples_showing(number, x, y) };
                    if samples.iter().fold(0, |any, sample| any | sample) == 0 {
                        continue;
                    }
                    if self.batch.is_full() {
                        self.batch.place(triangle, &local, corners, surface);
                        self.lay(parts, look, layer);
                    }
                    self.batch.push(y * SIDE + x, &samples);
                }
            }
            self.batch.place(triangle, &local, corners, surface);
        }
        self.lay(parts, look, layer);
    }

    /// Shades what has been gathered.
    fn lay(&mut self, parts: &TileInputs<'_>, look: u32, layer: Layer) {
        if self.batch.is_empty() {
            return;
        }
        parts.shader.shade(look, &mut self.batch);
        // What hides all that is behind it was drawn before.
        let solid = if layer == Layer::Over { 1.0 - ALPHA_SLACK } else { f32::MAX };
        for (at, samples, color) in self.batch.fragments().filter(|(_, _, color)| color[3] < solid) {
            if layer == Layer::Added {
                let part = 0.25 * samples.count_ones() as f32;
                (0..4).for_each(|k| self.means[at][k] += part * color[k]);
                continue;
            }
            let color = Vec4::from(color);
            for s in (0..4).filter(|s| samples >> s & 1 == 1) {
                let under = if layer == Layer::Over { self.colors[s][at] } else { Vec4::ZERO };
                self.colors[s][at] = color + under * (1.0 - color.w);
            }
        }
        self.batch.clear();
    }

    /// The samples of a row of pixels that show a triangle, a bit each.
    fn samples_showing(&self, number: u32, x: usize, y: usize) -> [u32; LANES] {
        let mut samples = [0; LANES];
        simd::run(
            #[inline(always)]
            || {
                for (s, shown) in self.shown.iter().enumerate() {
                    let shown = &shown[y * SIDE + x..][..LANES];
                    for i in 0..LANES {
                        samples[i] |= u32::from(shown[i] == number) << s;
                    }
                }
            },
        );
        samples
    }

    /// The samples of a row of pixels at which a triangle is before what is there, a bit each.
    fn visible_samples(&self, local: &TileEdgeFunctions, x: usize, y: usize) -> [u32; LANES] {
        let mut samples = [0; LANES];
        simd::run(
            #[inline(always)]
            || {
                for (s, depths) in self.depths.iter().enumerate() {
                    let [sx, sy] = SAMPLES[s];
                    let found = nearer(local, [x as f32 + sx, y as f32 + sy], &depths[y * SIDE + x..][..LANES]);
                    for i in 0..LANES {
                        samples[i] |= u32::from(found.0[i]) << s;
                    }
                }
            },
        );
        samples
    }
}

/// At which of the places from `place` on, a pixel apart, a triangle is nearer than `depths`, and its own depths.
#[inline(always)]
fn nearer(local: &TileEdgeFunctions, [x, y]: [f32; 2], depths: &[f32]) -> ([bool; LANES], [f32; LANES]) {
    let rows = [0, 1, 2].map(|k| local.edges[k][1] * y + local.edges[k][2]);
    let depth_row = local.depth[1] * y + local.depth[2];
    let depths = &depths[..LANES];
    let (mut found, mut own) = ([false; LANES], [0.0; LANES]);
    for i in 0..LANES {
        let px = x + i as f32;
        let inside = (local.edges[0][0] * px + rows[0] >= local.least[0])
            & (local.edges[1][0] * px + rows[1] >= local.least[1])
            & (local.edges[2][0] * px + rows[2] >= local.least[2]);
        let depth = local.depth[0] * px + depth_row;
        found[i] = inside & (depth >= 0.0) & (depth < depths[i]);
        own[i] = depth;
    }
    (found, own)
}

/// The columns and rows of a tile that a triangle may touch, in whole rows of lanes.
fn within(triangle: &ScreenTriangle, origin: [usize; 2]) -> [Range<usize>; 2] {
    let bounds = triangle.bounds();
    let [columns, rows] = [0, 1].map(|axis| {
        let place = |x: usize| x.saturating_sub(origin[axis]).min(SIDE);
        place(bounds[axis])..place(bounds[axis + 2])
    });
    [columns.start / LANES * LANES..columns.end.next_multiple_of(LANES), rows]
}
