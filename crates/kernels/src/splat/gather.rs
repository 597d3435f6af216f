//! The slots of a splat, added in their order, and what follows of the moments, with d from pixels to the splat's centre:
//!
//! ```text
//! x̄ = a Σ σ̄ dx + b Σ σ̄ dy      ȳ = b Σ σ̄ dx + c Σ σ̄ dy      ā = ½ Σ σ̄ dx²      b̄ = Σ σ̄ dx dy      c̄ = ½ Σ σ̄ dy²      ō = −Σ σ̄ / o
//! ```

use std::ops::Range;

use super::bins::{GEOMETRY, SplatBins};
use super::blend::Sortable;
use super::passes::place_of_sum;
use super::project::ScreenSplatsMut;
use super::unblend::{MOMENTS, RECORD};
use crate::number::Number;
use crate::simd::{self, Enabled, Kernel, Vector};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a slot, by which work is split.
const SLOT_NS: f64 = 5.0;

/// Where gradients go.
pub(super) struct ScreenGradients<'a, T> {
    pub out: ScreenSplatsMut<'a, T>,
    pub colors: &'a mut [T],
}

/// Writes what follows of the records of a pass over some features, or adds it after the first one.
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
        let out = ScreenGradients { out: ScreenSplatsMut { positions, conics, depths, opacities }, colors };
        simd::dispatch(Gather { bins, records, features: features.clone(), splats: range, to: out });
    });
}

struct Gather<'a, T: Sortable> {
    bins: &'a SplatBins<T>,
    records: &'a [[T; RECORD]],
    features: Range<usize>,
    splats: Range<usize>,
    /// The rows of these splats.
    to: ScreenGradients<'a, T>,
}

impl<T: Sortable> Kernel<T> for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { bins, records, features, splats, to } = self;
        let ScreenGradients { out: ScreenSplatsMut { positions, conics, depths, opacities }, colors } = to;
        let (channels, half, again) = (bins.rule.channels, T::from_f64(0.5), features.start > 0);
        let places: [usize; RECORD] = std::array::from_fn(|k| place_of_sum(k, V::LANES) % RECORD);
        for (at, splat) in splats.enumerate() {
            let slots = bins.slots[splat] as usize..bins.slots[splat + 1] as usize;
            let seen = !slots.is_empty();
            let sums = sum_of::<V>(isa, &records[slots]);
            let sum = |k: usize| sums[places[k]];
            let record = &bins.records[splat * bins.wide..][..GEOMETRY];
            let ([a, b, c, opacity], [m, mx, my]) = ([record[6], record[7], record[8], record[9]], [sum(0), sum(1), sum(2)]);
            let row = [a * mx + b * my, b * mx + c * my, half * sum(3), sum(4), half * sum(5), -m / opacity];
            // What is not seen may have any numbers.
            let row = if seen { row } else { [T::ZERO; 6] };
            if again {
                positions[2 * at..][..2].iter_mut().zip(row).for_each(|(to, x)| *to += x);
                conics[3 * at..][..3].iter_mut().zip(&row[2..]).for_each(|(to, &x)| *to += x);
                opacities[at] += row[5];
            } else {
                positions[2 * at..][..2].copy_from_slice(&row[..2]);
                conics[3 * at..][..3].copy_from_slice(&row[2..5]);
                opacities[at] = row[5];
            }
            let is_last = features.end > channels;
            for (k, feature) in features.clone().enumerate().take(features.len() - usize::from(is_last)) {
                colors[channels * at + feature] = if seen { sum(MOMENTS + k) } else { T::ZERO };
            }
            if is_last {
                depths[at] = if seen { sum(MOMENTS + features.len() - 1) } else { T::ZERO };
            }
        }
    }
}

/// The sums of the numbers of some records, one after another.
#[inline(always)]
fn sum_of<V: Vector>(isa: Enabled<V>, records: &[[V::Element; RECORD]]) -> [V::Element; RECORD] {
    let mut sums = [V::Element::ZERO; RECORD];
    for k in (0..RECORD).step_by(V::LANES) {
        let mut sum = isa.zero();
        for record in records {
            sum += isa.read(&record[k..]);
        }
        sum.write(&mut sums[k..]);
    }
    sums
}
