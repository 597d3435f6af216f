//! The loss of a picture on a GPU, and its gradients: formulas of pixels, and SSIM.

use monotile::{DType, GpuAccess, Result, Tensor};
use monotile_gpu::{ssim, ssim_backward};
use monotile_kernels::number::{Expr, Number, record};
use monotile_kernels::ssim::SsimRule;

use super::{ResidentSplats, TERMS, formula};
use crate::train::objective::{SplatObjective, TargetPicture};

/// A picture that was compared with its truth.
pub(super) struct Compared {
    pub terms: [Tensor; TERMS],
    /// By what was blended.
    pub bar: Tensor,
    /// By the map of colours.
    pub colors: [[f64; 4]; 3],
}

impl ResidentSplats {
    /// The terms that a picture has, and their gradient by what was blended.
    #[track_caller]
    pub(super) fn compare(
        &self,
        gpu: &GpuAccess,
        objective: &SplatObjective,
        seen: &Tensor,
        target: &TargetPicture<'_>,
    ) -> Result<Compared> {
        let picture = &self.pictures[&target.key()];
        let (width, height) = (target.width, target.height);
        let (pixels, wide) = (width * height, [height, width, 3]);
        let [b0, b1, b2] = target.background.map(f64::from);
        let background = self.upload(&target.background, &[3])?.expand(wide)?;
        let part = |x: &Tensor, k: usize| x.slice(2, k..k + 1)?.expand(wide);
        let (color, covered) = (seen.slice(2, 0..3)?, seen.slice(2, 3..4)?);
        let (truth, opaque) = (picture.rgba.slice(2, 0..3)?, picture.rgba.slice(2, 3..4)?);
        let over = record(|[c, a, t, o, b]: [Expr; 5]| [c + (Expr::ONE - a) * b, t * o + (Expr::ONE - o) * b]);
        let inputs = [&color, &part(seen, 3)?, &truth, &part(&picture.rgba, 3)?, &background];
        let [color, mut y] = formula(gpu, over, &inputs)?;
        // Rows of the map of colours, and the place of each colour.
        let map = match &target.colors {
            Some(rows) => Some(self.upload(&rows.concat(), &[3, 4])?),
            None => None,
        };
        let x = match &map {
            Some(map) => {
                let rows = color.reshape([pixels, 3])?.matmul(&map.slice(1, 0..3)?.t())?;
                rows.add(map.slice(1, 3..4)?.reshape([1, 3])?)?.reshape(wide)?
            }
            None => color.clone(),
        };
        let mask = picture.mask.as_ref().map(|mask| mask.expand(wide)).transpose()?;
        if let Some(mask) = &mask {
            let chosen = record(|[y, x, m]: [Expr; 3]| Expr::select(m.greater(Expr::ZERO), y, x));
            [y] = formula(gpu, chosen, &[&y, &x, mask])?;
        }
        let (stream, zero) = (gpu.stream(), Tensor::zeros(&[1], DType::F32)?.to(&self.device)?);
        let numbers = (3 * pixels) as f64;
        let (of_l1, of_ssim) = (objective.l1 / numbers, -objective.ssim);
        let mut terms: [Tensor; TERMS] = std::array::from_fn(|_| zero.clone());
        let similar = match objective.ssim > 0.0 {
            true => {
                let rule = SsimRule { height, width, channels: 3, within: false };
                let of = gpu.done(ssim(stream, &rule, [&gpu.operand(&x)?, &gpu.operand(&y)?]))?;
                terms[1] = crate::gpu::whole(gpu, &of.lost, &[1])?;
                crate::gpu::whole(gpu, &gpu.done(ssim_backward(stream, &of, false))?, &wide)?
            }
            false => zero.reshape([1, 1, 1])?.expand(wide)?,
        };
        let sign = |d: Expr| {
            let below = Expr::select(d.less(Expr::ZERO), -Expr::ONE, Expr::ZERO);
            Expr::select(d.greater(Expr::ZERO), Expr::ONE, below)
        };
        let slope = |x: Expr, y: Expr, g: Expr| Expr::from_f64(of_l1) * sign(x - y) + Expr::from_f64(of_ssim) * g;
        let [slope, lengths] = match &mask {
            None => formula(gpu, record(|[x, y, g]: [Expr; 3]| [slope(x, y, g), (x - y).abs()]), &[&x, &y, &similar])?,
            Some(mask) => {
                let masked = record(|[x, y, g, m]: [Expr; 4]| {
                    [Expr::select(m.greater(Expr::ZERO), slope(x, y, g), Expr::ZERO), (x - y).abs()]
                });
                formula(gpu, masked, &[&x, &y, &similar, mask])?
            }
        };
        terms[0] = lengths.mean(&[], false)?.reshape([1])?;
        let (mut colors, mut g) = ([[0.0; 4]; 3], slope.clone());
        if let Some(map) = &map {
            let rows = slope.reshape([pixels, 3])?;
            let by_colors = rows.t().matmul(&color.reshape([pixels, 3])?)?;
            let found = Tensor::cat([by_colors, rows.sum(&[0], false)?.reshape([3, 1])?], 1)?.to_f64_vec()?;
            (0..12).for_each(|k| colors[k / 4][k % 4] = found[k]);
            g = rows.matmul(&map.slice(1, 0..3)?)?.reshape(wide)?;
        }
        let [g0, g1, g2] = [0, 1, 2].map(|k| g.slice(2, k..k + 1));
        let of_coverage = if target.opaque { 0.0 } else { objective.coverage / pixels as f64 };
        let behind = |[x, y, z]: [Expr; 3]| -(x * Expr::from_f64(b0) + y * Expr::from_f64(b1) + z * Expr::from_f64(b2));
        let last = match of_coverage > 0.0 {
            false => formula(gpu, record(|g: [Expr; 3]| [behind(g), Expr::ZERO]), &[&g0?, &g1?, &g2?])?,
            true => {
                let ones = zero.reshape([1, 1, 1])?.add(1.0)?.expand([height, width, 1])?;
                let compared = picture.mask.as_ref().unwrap_or(&ones);
                let of = record(|[x, y, z, a, o, m]: [Expr; 6]| {
                    let pulled = Expr::from_f64(of_coverage) * sign(a - o);
                    [behind([x, y, z]) + Expr::select(m.greater(Expr::ZERO), pulled, Expr::ZERO), Expr::ZERO]
                });
                terms[2] = covered.sub(&opaque)?.abs()?.mean(&[], false)?.reshape([1])?;
                formula(gpu, of, &[&g0?, &g1?, &g2?, &covered, &opaque, compared])?
            }
        };
        let [behind, depth] = last;
        Ok(Compared { terms, bar: Tensor::cat([g, behind, depth], 2)?, colors })
    }

    /// Adds the terms of opacities and scales, and their gradients.
    #[track_caller]
    pub(super) fn regularize(
        &self,
        gpu: &GpuAccess,
        objective: &SplatObjective,
        extent: f64,
        columns: &mut [Tensor; 6],
        terms: &mut [Tensor; TERMS],
    ) -> Result<()> {
        let n = self.len() as f64;
        if objective.opacity > 0.0 {
            let weight = objective.opacity / n;
            let of = record(|[g, x]: [Expr; 2]| {
                let o = x.sigmoid();
                [g + Expr::from_f64(weight) * o * (Expr::ONE - o), o]
            });
            let [g, o] = formula(gpu, of, &[&columns[3], &self.columns[3][0]])?;
            (columns[3], terms[3]) = (g, o.mean(&[], false)?.reshape([1])?);
        }
        if objective.scale > 0.0 {
            let weight = objective.scale / (3.0 * n) / extent;
            let of = record(|[g, x]: [Expr; 2]| [g + Expr::from_f64(weight) * x.exp(), x.exp() * Expr::from_f64(1.0 / extent)]);
            let [g, s] = formula(gpu, of, &[&columns[2], &self.columns[2][0]])?;
            (columns[2], terms[4]) = (g, s.mean(&[], false)?.reshape([1])?);
        }
        Ok(())
    }
}
