//! Which keys a row sees, and masks applied to a tile of scores.

use super::tile::{BC, BR, MR};
use super::{AttentionDims, AttentionInputs, AttentionMask, Head};
use crate::real::{BoolByte, Real};
use crate::simd;
use crate::view::View;

/// How many keys of a tile each row sees, by the causal limit.
pub(super) struct VisibleKeys {
    /// By row; rows beyond the last query see as many as the last.
    pub row: [usize; BR],
    /// By panel of [`MR`] rows: the most of its rows.
    pub panel: [usize; BR / MR],
    /// Panels that hold a query.
    pub panels: usize,
}

impl VisibleKeys {
    /// Of the keys from `key` on, at most [`BC`], seen by `rows` queries from `t` on.
    pub fn new(dims: &AttentionDims, t: usize, rows: usize, key: usize) -> Self {
        let row = std::array::from_fn(|i| dims.visible(t + i.min(rows - 1)).saturating_sub(key).min(BC));
        // A later query never sees fewer keys.
        Self { row, panel: std::array::from_fn(|p| row[p * MR + MR - 1]), panels: rows.div_ceil(MR) }
    }

    /// `keys` keys, all seen by `rows` rows.
    pub fn all(keys: usize, rows: usize) -> Self {
        Self { row: [keys; BR], panel: [keys; BR / MR], panels: rows.div_ceil(MR) }
    }

    /// The same, of at most `keys` keys.
    pub fn until(mut self, keys: usize) -> Self {
        self.row.iter_mut().chain(&mut self.panel).for_each(|seen| *seen = (*seen).min(keys));
        self
    }

    /// The most keys that a row sees.
    pub fn most(&self) -> usize {
        self.row[BR - 1]
    }

    /// By panel that holds a query, the most keys that its rows see.
    pub fn by_panel(&self) -> &[usize] {
        &self.panel[..self.panels]
    }
}

/// Where a tile of scores lies among all scores.
#[derive(Clone, Copy)]
pub(super) struct TilePosition {
    pub batch: usize,
    pub head: usize,
    pub query: usize,
    pub rows: usize,
    pub key: usize,
}

/// Applies the mask to the scores that each row of a tile sees.
pub(super) fn apply<T: Real>(x: &AttentionInputs<'_, T>, place: TilePosition, seen: &VisibleKeys, scores: &mut [T]) {
    match x.mask {
        AttentionMask::None => {}
        AttentionMask::Boolean(mask) => {
            each_row(mask, place, seen, scores, |s, may_look: BoolByte| if may_look.get() { s } else { T::NEG_INFINITY })
        }
        // A hidden key stays hidden whatever its score is, NaN included.
        AttentionMask::Additive(mask) => {
            each_row(mask, place, seen, scores, |s, bias: T| if bias == T::NEG_INFINITY { bias } else { s + bias })
        }
    }
}

fn each_row<T: Real, M: Copy>(
    mask: View<'_, M>,
    place: TilePosition,
    seen: &VisibleKeys,
    scores: &mut [T],
    f: impl Fn(T, M) -> T + Copy,
) {
    let TilePosition { batch, head, query, rows, key } = place;
    let mask = Head::from_view(&mask, batch, head);
    for i in 0..rows {
        let scores = &mut scores[i * BC..][..seen.row[i]];
        if mask.element == 1 {
            let row = mask.stretch(query + i, key, scores.len());
            simd::run(
                #[inline(always)]
                || scores.iter_mut().zip(row).for_each(|(s, &m)| *s = f(*s, m)),
            );
        } else {
            scores.iter_mut().enumerate().for_each(|(j, s)| *s = f(*s, mask.at(query + i, key + j)));
        }
    }
}
