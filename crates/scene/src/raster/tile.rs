//! A square of the picture, drawn in a cache.

use glam::{Vec2, Vec4};
use monotile_kernels::simd;

use super::Drawn;
use super::behind::Behind;
use super::shade::Shader;
use super::triangle::{Local, Triangle};
use super::vertex::Varying;
use crate::srgb;

/// Pixels a side.
pub(super) const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
/// Samples a pixel: where each lies in it, as WebGPU has them.
const SAMPLES: [[f32; 2]; 4] = [[0.375, 0.125], [0.875, 0.375], [0.125, 0.625], [0.625, 0.875]];
/// No triangle.
const NONE: u32 = u32::MAX;

/// The memory of a thread's tile.
pub(super) struct Tile {
    depths: Box<[[f32; PIXELS]; 4]>,
    /// Which triangle each sample shows.
    shown: Box<[[u32; PIXELS]; 4]>,
    /// Linear colours of the samples, with alpha multiplied in: used where something blends.
    colors: Box<[[Vec4; PIXELS]; 4]>,
    encode: Box<Encode>,
}

/// Bytes of sRGB by linear values, close enough that rounding differs in none.
struct Encode([u8; 1 << 14]);

impl Encode {
    fn byte(&self, x: f32) -> u8 {
        let last = self.0.len() - 1;
        self.0[((x * last as f32 + 0.5) as usize).min(last)]
    }
}

impl Tile {
    pub fn new() -> Self {
        let encode = Encode(std::array::from_fn(|i| srgb::byte(i as f32 / ((1 << 14) - 1) as f32)));
        Self {
            depths: Box::new([[1.0; PIXELS]; 4]),
            shown: Box::new([[NONE; PIXELS]; 4]),
            colors: Box::new([[Vec4::ZERO; PIXELS]; 4]),
            encode: Box::new(encode),
        }
    }

    /// Draws the pixels from `origin` on and writes them to `rows`, the band of the picture that they lie in.
    pub fn draw(
        &mut self,
        drawn: &Drawn,
        triangles: &[u32],
        origin: [usize; 2],
        size: [usize; 2],
        (shader, behind): (&Shader<'_>, &Behind),
        rows: &mut [u8],
    ) {
        let [width, height] = [0, 1].map(|axis| SIDE.min(size[axis] - origin[axis]));
        let mut blends = &triangles[triangles.len()..];
        if !triangles.is_empty() {
            self.depths.iter_mut().for_each(|d| d.fill(1.0));
            self.shown.iter_mut().for_each(|s| s.fill(NONE));
            let opaque = triangles.partition_point(|&t| !drawn.looks[drawn.triangles[t as usize].look as usize].blends);
            blends = &triangles[opaque..];
            for &number in &triangles[..opaque] {
                self.cover(drawn, number, origin, shader);
            }
        }
        let fragment = |number: u32, x: usize, y: usize| {
            let triangle = &drawn.triangles[number as usize];
            let local = triangle.local(origin);
            let look = &drawn.looks[triangle.look as usize];
            shader.shade(look, triangle, &local, drawn.corners(triangle), centre(x, y))
        };
        for y in 0..height {
            let row = &mut rows[4 * (y * size[0] + origin[0])..][..4 * width];
            for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
                let at = y * SIDE + x;
                let shown = if triangles.is_empty() { [NONE; 4] } else { [0, 1, 2, 3].map(|s| self.shown[s][at]) };
                let back = |x: usize, y: usize| behind.at(origin[0] + x, origin[1] + y);
                let mut colors = [Vec4::ZERO; 4];
                for s in 0..4 {
                    colors[s] = match shown[..s].iter().position(|&before| before == shown[s]) {
                        Some(before) => colors[before],
                        None if shown[s] == NONE => back(x, y),
                        None => fragment(shown[s], x, y),
                    };
                }
                if blends.is_empty() {
                    self.write(colors, pixel);
                } else {
                    (0..4).for_each(|s| self.colors[s][at] = colors[s]);
                }
            }
        }
        if blends.is_empty() {
            return;
        }
        for &number in blends {
            self.blend(drawn, number, origin, shader);
        }
        for y in 0..height {
            let row = &mut rows[4 * (y * size[0] + origin[0])..][..4 * width];
            for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
                self.write([0, 1, 2, 3].map(|s| self.colors[s][y * SIDE + x]), pixel);
            }
        }
    }

    /// The mean of the samples, encoded.
    fn write(&self, [a, b, c, d]: [Vec4; 4], pixel: &mut [u8]) {
        let mean = 0.25 * ((a + b) + (c + d));
        let alpha = mean.w;
        let color = if alpha >= 1.0 || alpha <= 0.0 { mean } else { mean / alpha };
        pixel[0] = self.encode.byte(color.x);
        pixel[1] = self.encode.byte(color.y);
        pixel[2] = self.encode.byte(color.z);
        pixel[3] = (255.0 * alpha + 0.5) as u8;
    }

    /// Takes the samples that a triangle is the nearest at.
    fn cover(&mut self, drawn: &Drawn, number: u32, origin: [usize; 2], shader: &Shader<'_>) {
        let triangle = &drawn.triangles[number as usize];
        let local = triangle.local(origin);
        if !local.touches(SIDE as f32) {
            return;
        }
        let look = &drawn.looks[triangle.look as usize];
        if shader.masks(look) {
            let corners = drawn.corners(triangle);
            self.each_seen(triangle, &local, origin, |tile, x, y, seen| {
                if shader.passes(look, &local, corners, centre(x, y)) {
                    for (s, depth) in seen.into_iter().enumerate().filter_map(|(s, depth)| depth.map(|depth| (s, depth))) {
                        (tile.depths[s][y * SIDE + x], tile.shown[s][y * SIDE + x]) = (depth, number);
                    }
                }
            });
            return;
        }
        let [columns, rows] = within(triangle, origin);
        // Whole registers of columns.
        let columns = columns.start / LANES * LANES..columns.end.next_multiple_of(LANES);
        let Self { depths, shown, .. } = self;
        simd::run(
            #[inline(always)]
            || {
                for s in 0..4 {
                    for y in rows.clone() {
                        let range = y * SIDE + columns.start..y * SIDE + columns.end;
                        let (depths, shown) = (&mut depths[s][range.clone()], &mut shown[s][range]);
                        let [sx, sy] = SAMPLES[s];
                        take(&local, [columns.start as f32 + sx, y as f32 + sy], depths, shown, number);
                    }
                }
            },
        );
    }

    /// Lays a triangle over the samples that it is before.
    fn blend(&mut self, drawn: &Drawn, number: u32, origin: [usize; 2], shader: &Shader<'_>) {
        let triangle = &drawn.triangles[number as usize];
        let local = triangle.local(origin);
        let look = &drawn.looks[triangle.look as usize];
        let corners = drawn.corners(triangle);
        self.each_seen(triangle, &local, origin, |tile, x, y, seen| {
            let over = shader.shade(look, triangle, &local, corners, centre(x, y));
            for (s, _) in seen.into_iter().enumerate().filter(|(_, depth)| depth.is_some()) {
                let under = &mut tile.colors[s][y * SIDE + x];
                *under = over + *under * (1.0 - over.w);
            }
        });
    }

    /// Calls `act` for every pixel with the depths of the samples at which a triangle is before what is there.
    fn each_seen(
        &mut self,
        triangle: &Triangle,
        local: &Local,
        origin: [usize; 2],
        mut act: impl FnMut(&mut Self, usize, usize, [Option<f32>; 4]),
    ) {
        let [columns, rows] = within(triangle, origin);
        for y in rows {
            for x in columns.clone() {
                let seen: [Option<f32>; 4] = std::array::from_fn(|s| {
                    let (px, py) = (x as f32 + SAMPLES[s][0], y as f32 + SAMPLES[s][1]);
                    let inside = local.at(px, py).iter().zip(local.least).all(|(e, least)| *e >= least);
                    let [a, b, c] = local.depth;
                    let depth = a * px + (b * py + c);
                    (inside && depth >= 0.0 && depth < self.depths[s][y * SIDE + x]).then_some(depth)
                });
                if seen.iter().any(Option::is_some) {
                    act(self, x, y, seen);
                }
            }
        }
    }
}

/// Pixels that are tested together.
const LANES: usize = 16;

/// Takes a row of samples, one a pixel, from `place` on.
#[inline(always)]
fn take(local: &Local, [x, y]: [f32; 2], depths: &mut [f32], shown: &mut [u32], number: u32) {
    let rows = local.edges.map(
        #[inline(always)]
        |[_, b, c]| b * y + c,
    );
    let depth_row = local.depth[1] * y + local.depth[2];
    for (group, (depths, shown)) in depths.chunks_exact_mut(LANES).zip(shown.chunks_exact_mut(LANES)).enumerate() {
        let first = x + (group * LANES) as f32;
        for lane in 0..LANES {
            let px = first + lane as f32;
            let e0 = local.edges[0][0] * px + rows[0];
            let e1 = local.edges[1][0] * px + rows[1];
            let e2 = local.edges[2][0] * px + rows[2];
            let depth = local.depth[0] * px + depth_row;
            let inside = (e0 >= local.least[0]) & (e1 >= local.least[1]) & (e2 >= local.least[2]);
            let nearer = inside & (depth >= 0.0) & (depth < depths[lane]);
            depths[lane] = if nearer { depth } else { depths[lane] };
            shown[lane] = if nearer { number } else { shown[lane] };
        }
    }
}

/// The columns and rows of a tile that a triangle may touch.
fn within(triangle: &Triangle, origin: [usize; 2]) -> [std::ops::Range<usize>; 2] {
    [0, 1].map(|axis| {
        let place = |x: usize| x.saturating_sub(origin[axis]).min(SIDE);
        place(triangle.bounds[axis])..place(triangle.bounds[axis + 2])
    })
}

fn centre(x: usize, y: usize) -> Vec2 {
    Vec2::new(x as f32 + 0.5, y as f32 + 0.5)
}

impl Drawn {
    fn corners(&self, triangle: &Triangle) -> [&Varying; 3] {
        triangle.corners.map(|c| &self.varyings[c as usize])
    }
}
