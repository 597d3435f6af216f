//! What was read of a file, before it is splats.

use std::path::Path;

use monotile::{Error, Result, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::shape::count;
use monotile_kernels::threads;

use super::{SplatFileInfo, SplatReadOptions};
use crate::splats::Splats;

/// Nanoseconds in which a splat is looked at, by which work is split.
const SPLAT_NS: f64 = 12.0;
/// Splats that are looked at together: those of degree 3 and their rows in a file fit a second-level cache.
pub(super) const TOGETHER: usize = 1 << 10;

/// Elements that were read, quaternions as x, y, z, w.
pub(super) struct ReadSplats {
    pub means: Block<f32>,
    pub rotations: Block<f32>,
    pub log_scales: Block<f32>,
    pub logits: Block<f32>,
    pub harmonics: Block<f32>,
    /// Coefficients a channel.
    pub coefficients: usize,
    /// Of each [`TOGETHER`] splats, whether a reader has seen by [`are_plain`] that all can be drawn; empty where none has looked.
    pub plain: Vec<bool>,
    pub info: SplatFileInfo,
}

impl ReadSplats {
    /// Room for so many splats.
    #[track_caller]
    pub fn new(n: usize, coefficients: usize, info: SplatFileInfo) -> Result<Self> {
        let room = |wide: usize| Block::new(count(&[n, wide]));
        Ok(Self {
            means: room(3)?,
            rotations: room(4)?,
            log_scales: room(3)?,
            logits: room(1)?,
            harmonics: room(3 * coefficients)?,
            coefficients,
            plain: Vec::new(),
            info,
        })
    }

    /// Leaves out what cannot be drawn.
    #[track_caller]
    pub fn finish(mut self, path: &Path, options: &SplatReadOptions) -> Result<(Splats, SplatFileInfo)> {
        let (n, wide) = (self.logits.len(), 3 * self.coefficients);
        let dropped = self.not_drawn();
        let kept = n - dropped.len();
        if let Some(&first) = dropped.first() {
            if options.strict {
                let words = format!("has {} splats that cannot be drawn, the first of them number {first}", dropped.len());
                return Err(Error::format(path, format!("{words}: a number is NaN or infinite, or a quaternion 0")));
            }
            (self.info.dropped, self.info.first_dropped) = (dropped.len(), Some(first));
            let columns = [
                (&mut self.means, 3),
                (&mut self.rotations, 4),
                (&mut self.log_scales, 3),
                (&mut self.logits, 1),
                (&mut self.harmonics, wide),
            ];
            for (block, wide) in columns {
                *block = without(block, wide, &dropped)?;
            }
        }
        let splats = Splats {
            means: Tensor::from_block(self.means, &[kept, 3])?,
            rotations: Tensor::from_block(self.rotations, &[kept, 4])?,
            log_scales: Tensor::from_block(self.log_scales, &[kept, 3])?,
            logits: Tensor::from_block(self.logits, &[kept])?,
            harmonics: Tensor::from_block(self.harmonics, &[kept, self.coefficients, 3])?,
        };
        Ok((splats, self.info))
    }

    /// The splats that cannot be drawn, in order.
    fn not_drawn<'a>(&'a self) -> Vec<usize> {
        let (n, wide) = (self.logits.len(), 3 * self.coefficients);
        let drawn = |i: usize| {
            let rotation = &self.rotations[4 * i..][..4];
            finite(&self.means[3 * i..][..3])
                && finite(rotation)
                && rotation.iter().any(|&x| x != 0.0)
                && self.log_scales[3 * i..][..3].iter().all(|&x| x < f32::INFINITY)
                && !self.logits[i].is_nan()
                && finite(&self.harmonics[wide * i..][..wide])
        };
        let mut lists: Vec<Vec<usize>> = vec![Vec::new(); n.div_ceil(TOGETHER)];
        let parts = threads::parts(n, SPLAT_NS).min(lists.len().max(1));
        threads::split_mut(&mut lists, 1, parts, |first, lists| {
            for (chunk, list) in (first..).zip(lists) {
                let rows = chunk * TOGETHER..n.min((chunk + 1) * TOGETHER);
                // Most chunks hold numbers alone, which is quicker to see of all of them together.
                let of = |x: &'a [f32], wide: usize| &x[wide * rows.start..wide * rows.end];
                let columns = || {
                    [
                        of(&self.means, 3),
                        of(&self.rotations, 4),
                        of(&self.log_scales, 3),
                        of(&self.logits, 1),
                        of(&self.harmonics, wide),
                    ]
                };
                if !self.plain.get(chunk).copied().unwrap_or_else(|| are_plain(&columns())) {
                    list.extend(rows.filter(|&i| !drawn(i)));
                }
            }
        });
        lists.concat()
    }
}

/// Whether of means, rotations, log scales, logits and harmonics no number is infinite or NaN, and no quaternion 0.
pub(super) fn are_plain(columns: &[&[f32]; 5]) -> bool {
    let (rotations, _) = columns[1].as_chunks::<4>();
    let zeros = rotations.iter().fold(false, |any, q| any | (q.iter().fold(0, |bits, x| bits | x.to_bits() << 1) == 0));
    !zeros && columns.iter().all(|numbers| finite(numbers))
}

/// Whether no number is infinite or NaN: whether no exponent is full, to which 1 is added.
fn finite(x: &[f32]) -> bool {
    x.iter().fold(0, |bits, x| bits | (x.to_bits() & 0x7f80_0000).wrapping_add(0x0080_0000)) >> 31 == 0
}

/// Rows without those that are named, in increasing order.
fn without(rows: &Block<f32>, wide: usize, dropped: &[usize]) -> Result<Block<f32>> {
    let mut kept = Block::new(rows.len() - wide * dropped.len())?;
    let (mut from, mut to) = (0, 0);
    for &end in dropped.iter().chain([&(rows.len() / wide)]) {
        let run = &rows[from * wide..end * wide];
        kept[to..to + run.len()].copy_from_slice(run);
        (from, to) = (end + 1, to + run.len());
    }
    Ok(kept)
}
