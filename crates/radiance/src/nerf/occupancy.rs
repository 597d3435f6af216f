//! Where in its cube a field is not empty, and the samples that rays take there.

use std::sync::Mutex;

use monotile::{DType, Error, Result, Rng, Tensor};
use monotile_kernels::threads;

use super::cube::CubeRays;
use super::field::RadianceField;

/// Nanoseconds a ray, by which work is split.
const RAY_NS: f64 = 2000.0;
/// Points whose density is asked for together.
const CHUNK: usize = 1 << 14;
/// How much a cell remembers of its density at each update.
const MEMORY: f32 = 0.95;
/// A cell is empty if a step through it hides less than this.
const LEAST_ALPHA: f32 = 0.01;

/// Cells of the cube with the largest density that was met in each of late.
#[derive(Debug, Clone)]
pub(crate) struct OccupancyGrid {
    side: usize,
    densities: Vec<f32>,
    occupied: Vec<bool>,
}

/// Samples along rays: those of a ray one after another.
#[derive(Debug, Clone, Default)]
pub(super) struct RayMarch {
    /// `(S, 3)`
    pub points: Vec<f32>,
    pub starts: Vec<f32>,
    pub ends: Vec<f32>,
    /// The ray of each sample.
    pub of: Vec<i64>,
    /// `(R + 1)`
    pub offsets: Vec<i64>,
}

impl OccupancyGrid {
    /// All of the cube may hold something.
    pub fn new(side: usize) -> Self {
        let cells = side * side * side;
        Self { side, densities: vec![0.0; cells], occupied: vec![true; cells] }
    }

    /// Goes on from densities that [`Self::densities`] gave.
    pub fn from_densities(side: usize, densities: &[f32], step: f32) -> Self {
        let mut grid = Self { side, densities: densities.to_vec(), occupied: vec![true; densities.len()] };
        grid.mark(step);
        grid
    }

    pub fn densities(&self) -> &[f32] {
        &self.densities
    }

    pub fn side(&self) -> usize {
        self.side
    }

    /// The share of cells that are not empty.
    pub fn share(&self) -> f64 {
        self.occupied.iter().filter(|x| **x).count() as f64 / self.occupied.len() as f64
    }

    /// Asks a field for its density at a point in each cell, or in a quarter of the cells drawn at random and as many that are not empty.
    pub fn update(&mut self, field: &RadianceField, mut rng: Rng, all: bool, step: f32) -> Result<()> {
        let cells: Vec<usize> = if all {
            (0..self.densities.len()).collect()
        } else {
            let quarter = self.densities.len() / 4;
            let filled: Vec<usize> = (0..self.occupied.len()).filter(|&cell| self.occupied[cell]).collect();
            let mut cells: Vec<usize> = (0..quarter).map(|_| rng.below(self.densities.len())).collect();
            cells.extend((0..quarter.min(filled.len())).map(|_| filled[rng.below(filled.len())]));
            cells
        };
        self.densities.iter_mut().for_each(|x| *x *= MEMORY);
        for cells in cells.chunks(CHUNK) {
            let jitter = rng.uniform(&[cells.len(), 3], 0.0, 1.0, DType::F32)?.to_vec::<f32>()?;
            let side = self.side as f32;
            let points = cells.iter().zip(jitter.chunks_exact(3)).flat_map(|(cell, jitter)| {
                let at = [cell % self.side, cell / self.side % self.side, cell / self.side / self.side];
                [0, 1, 2].map(|k| ((at[k] as f32 + jitter[k]) / side).min(BELOW_ONE))
            });
            let points = Tensor::from_vec(points.collect::<Vec<f32>>(), &[cells.len(), 3])?;
            let found = field.densities(&field.values(), &points)?.0.to_vec::<f32>()?;
            for (&cell, density) in cells.iter().zip(found) {
                // A density that is none leaves the cell as it is.
                self.densities[cell] = self.densities[cell].max(density);
            }
        }
        self.mark(step);
        Ok(())
    }

    fn mark(&mut self, step: f32) {
        let mean = self.densities.iter().map(|x| f64::from(*x)).sum::<f64>() / self.densities.len().max(1) as f64;
        let least = (-(1.0 - LEAST_ALPHA).ln() / step).min(mean as f32);
        self.occupied.iter_mut().zip(&self.densities).for_each(|(occupied, density)| *occupied = *density >= least);
    }

    /// Samples of equal length in cells that are not empty, from where a ray enters the cube to where it leaves it, moved by a share of a step from 0 to 1.
    pub fn march(&self, rays: &CubeRays, jitter: impl Fn(usize) -> f32 + Sync, step: f32) -> Result<RayMarch> {
        let n = rays.origins.len();
        let parts = threads::parts(n, RAY_NS);
        let found: Vec<Mutex<RayMarch>> = (0..parts).map(|_| Mutex::default()).collect();
        threads::run(parts, |part| {
            let mut march = RayMarch::default();
            for ray in threads::range(n, 1, parts, part) {
                self.along(rays.origins[ray], rays.directions[ray], [step, jitter(ray)], &mut march);
                march.of.resize(march.starts.len(), ray as i64);
                march.offsets.push(march.starts.len() as i64);
            }
            *found[part].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = march;
        });
        let mut all = RayMarch { offsets: vec![0], ..RayMarch::default() };
        for part in found {
            let part = part.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            let before = all.starts.len() as i64;
            all.points.extend(part.points);
            all.starts.extend(part.starts);
            all.ends.extend(part.ends);
            all.of.extend(part.of);
            all.offsets.extend(part.offsets.iter().map(|at| at + before));
        }
        if all.starts.len() >= 1 << 31 {
            return Err(Error::value("nerf: takes fewer than 2^31 samples at once"));
        }
        Ok(all)
    }

    fn along(&self, origin: [f32; 3], direction: [f32; 3], [step, jitter]: [f32; 2], out: &mut RayMarch) {
        let (mut near, mut far) = (0.0_f32, f32::INFINITY);
        for k in 0..3 {
            let inverse = 1.0 / direction[k];
            let (a, b) = (-origin[k] * inverse, (1.0 - origin[k]) * inverse);
            // A ray within a face gives NaN, which min and max pass over.
            (near, far) = (near.max(a.min(b)), far.min(a.max(b)));
        }
        if !(near < far && far < 1e6) {
            return;
        }
        let (side, last) = (self.side as f32, self.side - 1);
        let mut number = 0_u32;
        loop {
            let start = near + (number as f32 + jitter) * step;
            let middle = start + 0.5 * step;
            if middle >= far {
                return;
            }
            let point = [0, 1, 2].map(|k| (origin[k] + middle * direction[k]).clamp(0.0, BELOW_ONE));
            let cell = point.map(|x| ((x * side) as usize).min(last));
            if self.occupied[cell[0] + self.side * (cell[1] + self.side * cell[2])] {
                out.points.extend(point);
                out.starts.push(start);
                out.ends.push(start + step);
                number += 1;
                continue;
            }
            // On to the first sample beyond this cell.
            let beyond = (0..3).fold(f32::INFINITY, |least, k| {
                let face = (cell[k] as f32 + if direction[k] > 0.0 { 1.0 } else { 0.0 }) / side;
                let away = (face - point[k]) / direction[k];
                if away >= 0.0 { least.min(away) } else { least }
            });
            number += ((beyond / step).ceil() as u32).clamp(1, 1 << 12);
        }
    }
}

/// The largest f32 below 1.
pub(super) const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;

impl RayMarch {
    /// Without the rays from a number on, so that no more samples than `most` are left; how many rays are.
    pub fn truncate(&mut self, most: usize) -> usize {
        let rays = self.offsets.partition_point(|&at| at as usize <= most).max(2) - 1;
        let rays = rays.min(self.offsets.len() - 1);
        let samples = self.offsets[rays] as usize;
        self.offsets.truncate(rays + 1);
        self.points.truncate(3 * samples);
        self.starts.truncate(samples);
        self.ends.truncate(samples);
        self.of.truncate(samples);
        rays
    }

    /// The density at each sample, a part of them after another: what the network needs for it stays small.
    pub fn densities(&self, field: &RadianceField, values: &[Tensor]) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(self.starts.len());
        for points in self.points.chunks(3 * CHUNK) {
            let points = Tensor::from_slice(points, &[points.len() / 3, 3])?;
            all.extend(field.densities(values, &points)?.0.to_vec::<f32>()?);
        }
        Ok(all)
    }

    /// Only the samples that are seen through those before them, given the density of each.
    pub fn seen(&self, densities: &[f32], least: f32) -> Self {
        let mut kept = Self { offsets: vec![0], ..Self::default() };
        for ends in self.offsets.windows(2) {
            let mut passed = 0.0_f32;
            for i in ends[0] as usize..ends[1] as usize {
                if (-passed).exp() < least {
                    break;
                }
                passed += densities[i] * (self.ends[i] - self.starts[i]);
                kept.points.extend(&self.points[3 * i..][..3]);
                kept.starts.push(self.starts[i]);
                kept.ends.push(self.ends[i]);
                kept.of.push(self.of[i]);
            }
            kept.offsets.push(kept.starts.len() as i64);
        }
        kept
    }

    pub fn points(&self) -> Result<Tensor> {
        Tensor::from_slice(&self.points, &[self.starts.len(), 3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ray(origin: [f32; 3], direction: [f32; 3]) -> CubeRays {
        CubeRays { origins: vec![origin], directions: vec![direction], depths: vec![1.0] }
    }

    #[test]
    fn a_ray_through_the_middle_takes_all_its_steps() {
        let grid = OccupancyGrid::new(4);
        let march = grid.march(&ray([-1.0, 0.5, 0.5], [1.0, 0.0, 0.0]), |_| 0.0, 0.125).unwrap();
        assert_eq!((march.starts.len(), march.offsets.as_slice(), march.starts[0]), (8, &[0, 8][..], 1.0));
        let outside = grid.march(&ray([-1.0, 1.5, 0.5], [1.0, 0.0, 0.0]), |_| 0.0, 0.125).unwrap();
        assert_eq!(outside.offsets, [0, 0]);
    }

    /// Cells are passed over without leaving out a sample of the others.
    #[test]
    fn empty_cells_are_passed_over() {
        let mut grid = OccupancyGrid::new(8);
        let whole = grid.clone();
        grid.occupied.iter_mut().enumerate().for_each(|(cell, x)| *x = cell % 7 == 0 || cell % 5 == 1);
        let rays = ray([0.1, 1.3, -0.2], [0.3, -0.7, 0.648_074]);
        let (some, all) = (grid.march(&rays, |_| 0.3, 0.01).unwrap(), whole.march(&rays, |_| 0.3, 0.01).unwrap());
        let occupied = |p: &[f32]| {
            let cell = [0, 1, 2].map(|k| (p[k] * 8.0) as usize);
            grid.occupied[cell[0] + 8 * (cell[1] + 8 * cell[2])]
        };
        let expected = all.points.chunks_exact(3).filter(|p| occupied(p)).count();
        assert!(expected > 10 && some.starts.len() == expected, "{} of {expected}", some.starts.len());
    }

    #[test]
    fn what_is_hidden_and_what_is_too_much_is_left_out() {
        let grid = OccupancyGrid::new(4);
        let mut rays = ray([-1.0, 0.5, 0.5], [1.0, 0.0, 0.0]);
        rays.origins.push([-1.0, 0.3, 0.3]);
        rays.directions.push([1.0, 0.0, 0.0]);
        let mut march = grid.march(&rays, |_| 0.0, 0.125).unwrap();
        let seen = march.seen(&[40.0; 16], 1e-4);
        assert_eq!((seen.offsets.as_slice(), seen.of.as_slice()), (&[0, 2, 4][..], &[0, 0, 1, 1][..]));
        assert_eq!((march.truncate(15), march.starts.len(), march.points.len()), (1, 8, 24));
        assert_eq!(march.truncate(2), 1);
    }
}
