//! The slots of a splat, added in their order, and what follows of the moments:
//!
//! ```text
//! x̄ = −(a Σ σ̄ dx + b Σ σ̄ dy)      ȳ = −(b Σ σ̄ dx + c Σ σ̄ dy)      ā = ½ Σ σ̄ dx²      b̄ = Σ σ̄ dx dy      c̄ = ½ Σ σ̄ dy²      ō = −Σ σ̄ / o
//! ```

use std::ops::Range;

use super::bins::GEOMETRY;
use super::blend::{BlendScene, Sortable};
use super::project::ScreenSplatsMut;
use super::unblend::MOMENTS;
use crate::threads::{self, SharedSlice};

/// Nanoseconds a slot, by which work is split.
const SLOT_NS: f64 = 5.0;

/// Where gradients go.
pub(super) struct ScreenGradients<'a, T> {
    pub out: ScreenSplatsMut<'a, T>,
    pub colors: &'a mut [T],
}

impl<T: Sortable> ScreenGradients<'_, T> {
    pub fn clear(&mut self) {
        let ScreenSplatsMut { positions, conics, depths, opacities } = &mut self.out;
        for x in [&mut **positions, conics, depths, opacities, self.colors] {
            x.fill(T::ZERO);
        }
    }
}

/// Adds the records of a pass over some features to the gradients of their splats.
pub(super) fn gather<T: Sortable>(
    scene: &BlendScene<'_, T>,
    records: &[T],
    features: Range<usize>,
    to: &mut ScreenGradients<'_, T>,
) {
    let (bins, channels) = (scene.bins, scene.rule.channels);
    let wide = MOMENTS + features.len();
    let ScreenSplatsMut { positions, conics, depths, opacities } = &mut to.out;
    let [positions, conics, depths, opacities, colors] =
        [&mut **positions, conics, depths, opacities, to.colors].map(SharedSlice::new);
    let parts = threads::parts(bins.pairs() + bins.visible(), SLOT_NS);
    threads::run(parts, |part| {
        for rank in threads::range(bins.visible(), 1, parts, part) {
            let mut sums = [T::ZERO; MOMENTS + super::blend::PASS];
            for record in records[bins.slots[rank] as usize * wide..bins.slots[rank + 1] as usize * wide].chunks_exact(wide) {
                sums.iter_mut().zip(record).for_each(|(sum, &x)| *sum += x);
            }
            let g = &bins.geometry[rank * GEOMETRY..][..GEOMETRY];
            let [a, b, c] = [g[2] + g[2], g[3], g[4] + g[4]];
            let half = T::from_f64(0.5);
            let [m, mx, my, mxx, mxy, myy] = [0, 1, 2, 3, 4, 5].map(|k| sums[k]);
            let i = bins.order[rank] as usize;
            // SAFETY: the splats of ranks differ, parts differ in their ranks, and each writes the rows of its own.
            let [position, conic, depth, opacity, color] = unsafe {
                [
                    positions.part(2 * i..2 * i + 2),
                    conics.part(3 * i..3 * i + 3),
                    depths.part(i..i + 1),
                    opacities.part(i..i + 1),
                    colors.part(channels * i..channels * (i + 1)),
                ]
            };
            position[0] -= a * mx + b * my;
            position[1] -= b * mx + c * my;
            conic[0] += half * mxx;
            conic[1] += mxy;
            conic[2] += half * myy;
            opacity[0] -= m / g[5];
            for (feature, &sum) in features.clone().zip(&sums[MOMENTS..]) {
                if feature < channels { color[feature] += sum } else { depth[0] += sum }
            }
        }
    });
}
