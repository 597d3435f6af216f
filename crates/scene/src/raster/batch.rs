//! Fragments on their way to the light: places on triangles of one look, a number of each kind side by side.

use monotile_kernels::simd;

use super::lanes::{LANES, Lanes, each};
use super::shade::SurfaceShader;
use super::tile::SIDE;
use super::triangle::{ScreenTriangle, TileEdgeFunctions};
use super::vertex::Varying;

/// Fragments that are shaded together, while a cache holds them.
const MOST: usize = 128;
/// With what a row of lanes may write behind the last.
const ROOM: usize = MOST + LANES;

type Plane = [f32; ROOM];

/// What is interpolated is only there where a surface needs it.
pub(super) struct FragmentBatch {
    len: usize,
    /// How many of them have been interpolated.
    placed: usize,
    /// Which pixel of the tile each belongs to, row by row, and which of its samples.
    pixels: [u16; ROOM],
    samples: [u8; ROOM],
    /// -1 on the back of a triangle, else 1.
    sides: Plane,
    position: [Plane; 3],
    normal: [Plane; 3],
    tangent: [Plane; 4],
    color: [Plane; 4],
    /// For each texture.
    uvs: [[Plane; 2]; 5],
    /// The square of the texels that a pixel covers, for each texture.
    footprints: [Plane; 5],
    /// The linear colours with alpha multiplied in, once shaded.
    pub colors: [[f32; 4]; ROOM],
}

/// Up to [`LANES`] fragments of a batch.
#[derive(Clone, Copy)]
pub(super) struct FragmentGroup<'a> {
    batch: &'a FragmentBatch,
    first: usize,
    pub count: usize,
}

impl FragmentBatch {
    pub fn new() -> Self {
        Self {
            len: 0,
            placed: 0,
            pixels: [0; ROOM],
            samples: [0; ROOM],
            sides: [1.0; ROOM],
            position: [[0.0; ROOM]; 3],
            normal: [[0.0; ROOM]; 3],
            tangent: [[0.0; ROOM]; 4],
            color: [[1.0; ROOM]; 4],
            uvs: [[[0.0; ROOM]; 2]; 5],
            footprints: [[0.0; ROOM]; 5],
            colors: [[0.0; 4]; ROOM],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a row of lanes may not find room.
    pub fn is_full(&self) -> bool {
        self.len + LANES > MOST
    }

    pub fn clear(&mut self) {
        (self.len, self.placed) = (0, 0);
    }

    /// Appends those of the pixels from `first` on of which any sample is set.
    #[inline(always)]
    pub fn push(&mut self, first: usize, samples: &[u32; LANES]) {
        for lane in 0..LANES {
            // Written in any case, and counted where it is meant.
            self.pixels[self.len] = (first + lane) as u16;
            self.samples[self.len] = samples[lane] as u8;
            self.len += usize::from(samples[lane] != 0);
        }
    }

    /// Interpolates what was pushed since the last time, all of one triangle.
    pub fn place(
        &mut self,
        triangle: &ScreenTriangle,
        local: &TileEdgeFunctions,
        corners: [&Varying; 3],
        surface: &SurfaceShader<'_>,
    ) {
        simd::run(
            #[inline(always)]
            || {
                for first in (self.placed..self.len).step_by(LANES) {
                    self.place_group(first, triangle, local, corners, surface);
                }
            },
        );
        self.placed = self.len;
    }

    #[inline(always)]
    fn place_group(
        &mut self,
        first: usize,
        triangle: &ScreenTriangle,
        local: &TileEdgeFunctions,
        corners: [&Varying; 3],
        surface: &SurfaceShader<'_>,
    ) {
        let pixels = &self.pixels[first..first + LANES];
        let x = each(|i| f32::from(pixels[i] % SIDE as u16) + 0.5);
        let y = each(|i| f32::from(pixels[i] / SIDE as u16) + 0.5);
        let mut b = [[0.0; LANES]; 3];
        for k in 0..3 {
            b[k] = each(|i| local.edges[k][0] * x[i] + (local.edges[k][1] * y[i] + local.edges[k][2]));
        }
        let sum = each(|i| b[0][i] + b[1][i] + b[2][i]);
        let inverse = each(|i| 1.0 / sum[i]);
        for k in 0..3 {
            // Beyond the horizon of the triangle's plane nothing is right, and the middle no worse.
            b[k] = each(|i| if sum[i] > 0.0 { b[k][i] * inverse[i] } else { 1.0 / 3.0 });
        }
        if surface.colored {
            for k in 0..4 {
                write(&mut self.color[k], first, mean(&b, corners.map(|c| c.color[k])));
            }
        }
        if !surface.unlit {
            write(&mut self.sides, first, [if triangle.front { 1.0 } else { -1.0 }; LANES]);
            for k in 0..3 {
                write(&mut self.position[k], first, mean(&b, corners.map(|c| c.position[k])));
                write(&mut self.normal[k], first, mean(&b, corners.map(|c| c.normal[k])));
            }
            if surface.bumps() {
                for k in 0..4 {
                    write(&mut self.tangent[k], first, mean(&b, corners.map(|c| c.tangent[k])));
                }
            }
        }
        for (slot, map) in surface.maps.iter().enumerate() {
            let Some(map) = map else { continue };
            let uv = [0, 1].map(|k| mean(&b, corners.map(|c| c.uvs[slot][k])));
            let mut squares = [[0.0; LANES]; 2];
            for (axis, square) in squares.iter_mut().enumerate() {
                for (k, size) in map.size().into_iter().enumerate() {
                    // The derivative of Σ eᵢ uvᵢ / Σ eᵢ, in texels.
                    let at = corners.map(|c| c.uvs[slot][k]);
                    let edges = local.edges.map(|e| e[axis]);
                    let slope = each(|i| {
                        let [p, q, r] = [0, 1, 2].map(|corner| edges[corner] * (at[corner] - uv[k][i]));
                        (p + q + r) * inverse[i] * size
                    });
                    *square = each(|i| square[i] + slope[i] * slope[i]);
                }
            }
            write(&mut self.footprints[slot], first, each(|i| squares[0][i].max(squares[1][i])));
            for k in 0..2 {
                write(&mut self.uvs[slot][k], first, uv[k]);
            }
        }
    }

    /// The first fragments of all groups.
    pub fn groups(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.len).step_by(LANES)
    }

    pub fn group(&self, first: usize) -> FragmentGroup<'_> {
        FragmentGroup { batch: self, first, count: LANES.min(self.len - first) }
    }

    /// Sets the colours of a group.
    #[inline(always)]
    pub fn set(&mut self, first: usize, colors: &[Lanes; 4]) {
        for (i, color) in self.colors[first..first + LANES].iter_mut().enumerate() {
            *color = [colors[0][i], colors[1][i], colors[2][i], colors[3][i]];
        }
    }

    /// The pixel, the samples and the colour of each.
    pub fn fragments(&self) -> impl Iterator<Item = (usize, u8, [f32; 4])> {
        (0..self.len).map(|i| (usize::from(self.pixels[i]), self.samples[i], self.colors[i]))
    }
}

impl FragmentGroup<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, planes: &[Plane; N]) -> [Lanes; N] {
        let mut lanes = [[0.0; LANES]; N];
        for (lanes, plane) in lanes.iter_mut().zip(planes) {
            lanes.copy_from_slice(&plane[self.first..self.first + LANES]);
        }
        lanes
    }

    #[inline(always)]
    pub fn position(&self) -> [Lanes; 3] {
        self.read(&self.batch.position)
    }

    #[inline(always)]
    pub fn normal(&self) -> [Lanes; 3] {
        self.read(&self.batch.normal)
    }

    #[inline(always)]
    pub fn tangent(&self) -> [Lanes; 4] {
        self.read(&self.batch.tangent)
    }

    #[inline(always)]
    pub fn color(&self) -> [Lanes; 4] {
        self.read(&self.batch.color)
    }

    #[inline(always)]
    pub fn uv(&self, slot: usize) -> [Lanes; 2] {
        self.read(&self.batch.uvs[slot])
    }

    #[inline(always)]
    pub fn footprint(&self, slot: usize) -> Lanes {
        each(|i| self.batch.footprints[slot][self.first + i])
    }

    #[inline(always)]
    pub fn sides(&self) -> Lanes {
        each(|i| self.batch.sides[self.first + i])
    }
}

/// The mean of a triangle's corners by the weights of each lane.
#[inline(always)]
fn mean(b: &[Lanes; 3], corners: [f32; 3]) -> Lanes {
    each(|i| b[0][i] * corners[0] + b[1][i] * corners[1] + b[2][i] * corners[2])
}

#[inline(always)]
fn write(plane: &mut Plane, first: usize, lanes: Lanes) {
    plane[first..first + LANES].copy_from_slice(&lanes);
}
