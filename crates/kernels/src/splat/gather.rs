//! The slots of a splat, added in their order, and what follows of the moments, with d from pixels to the splat's centre:
//!
//! ```text
//! x̄ = a Σ σ̄ dx + b Σ σ̄ dy      ȳ = b Σ σ̄ dx + c Σ σ̄ dy      ā = ½ Σ σ̄ dx²      b̄ = Σ σ̄ dx dy      c̄ = ½ Σ σ̄ dy²      ō = −Σ σ̄ / o
//! ```

use std::ops::Range;

use super::bins::{GEOMETRY, SplatBins};
use super::blend::Sortable;
use super::project::ScreenSplatsMut;
use super::unblend::{MOMENTS, RECORD};
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
    bins: &SplatBins<T>,
    records: &[[T; RECORD]],
    features: Range<usize>,
    to: &mut ScreenGradients<'_, T>,
) {
    let channels = bins.rule.channels;
    let ScreenSplatsMut { positions, conics, depths, opacities } = &mut to.out;
    let outs = [&mut **positions, conics, depths, opacities, to.colors].map(SharedSlice::new);
    let parts = threads::parts(bins.pairs() + bins.splats, SLOT_NS);
    threads::run(parts, |part| {
        let range = threads::range(bins.splats, 1, parts, part);
        // SAFETY: parts differ in their splats, and each writes the rows of its own.
        let [positions, conics, depths, opacities, colors] = [(0, 2), (1, 3), (2, 1), (3, 1), (4, channels)]
            .map(|(k, wide)| unsafe { outs[k].part(wide * range.start..wide * range.end) });
        for (at, splat) in range.enumerate() {
            let slots = bins.slots[splat] as usize..bins.slots[splat + 1] as usize;
            if slots.is_empty() {
                continue;
            }
            let mut sums = [T::ZERO; RECORD];
            for record in &records[slots] {
                for k in 0..RECORD {
                    sums[k] += record[k];
                }
            }
            let record = &bins.records[splat * bins.wide..][..GEOMETRY];
            let ([a, b, c, opacity], half) = ([record[6], record[7], record[8], record[9]], T::from_f64(0.5));
            let [m, mx, my, mxx, mxy, myy] = [sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]];
            positions[2 * at] += a * mx + b * my;
            positions[2 * at + 1] += b * mx + c * my;
            conics[3 * at] += half * mxx;
            conics[3 * at + 1] += mxy;
            conics[3 * at + 2] += half * myy;
            opacities[at] -= m / opacity;
            for (feature, &sum) in features.clone().zip(&sums[MOMENTS..]) {
                if feature < channels { colors[channels * at + feature] += sum } else { depths[at] += sum }
            }
        }
    });
}
