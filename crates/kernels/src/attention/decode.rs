//! One query against many keys, at the speed of memory: keys and values are read where they lie, once for all query heads
//! that share them, and split over threads whose partial results are merged by their log-sum-exps.

use std::sync::{Mutex, PoisonError};

use super::mask::{self, TilePosition, VisibleKeys};
use super::online::{OnlineSoftmax, OnlineSoftmaxStep};
use super::tile::{BC, BR, MR, RegisterTile, TileOperands, WeightedSum};
use super::{AttentionDims, AttentionInputs, Head, pack};
use crate::buffer::{Block, OutOfMemory, list};
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Enabled, Kernel, Lanes, Vector, dispatch_on};
use crate::threads;

/// Keys that a part has at least, where keys are split: merging costs as much as a few keys.
const PART: usize = 2 * BC;

/// Whether [`partial`] reads these operands: one query a head, and rows of whole vectors that lie in one piece.
pub(super) fn fits<T>(x: &AttentionInputs<'_, T>, dims: &AttentionDims, shape: RegisterTile) -> bool
where
    T: Real,
{
    let (k, v) = (x.k.strides(), x.v.strides());
    dims.queries == 1
        && dims.groups() <= BR
        && dims.value_dim.is_multiple_of(shape.lanes)
        && dims.value_dim > 0
        && (k[3] == 1 || dims.dim <= 1)
        && v[3] == 1
        && v[2] >= 0
}

/// The results over every part of the keys, unnormalized.
pub(super) struct PartialResult<T: Real> {
    /// How many parts there are.
    pub parts: usize,
    /// For each (unit, part) and each query head of the unit: m, l, then acc of `value_dim` elements.
    pub results: Block<T>,
    stride: usize,
}

impl<T: Real> PartialResult<T> {
    /// m, l and acc of the `member`-th query head of a unit over one part of the keys.
    pub fn row(&self, unit: usize, part: usize, member: usize, groups: usize) -> (T, T, &[T]) {
        let row = &self.results[((unit * self.parts + part) * groups + member) * self.stride..][..self.stride];
        (row[0], row[1], &row[2..])
    }
}

/// Computes the running softmax of every query head over each part of the keys.
pub(super) fn partial<T: Lanes>(
    x: &AttentionInputs<'_, T>,
    dims: &AttentionDims,
    shape: RegisterTile,
) -> Result<PartialResult<T>, OutOfMemory> {
    let groups = dims.groups();
    let ns = dims.keys as f64 * (dims.dim + dims.value_dim) as f64 * size_of::<T>() as f64 / params().attention.decode_bytes_per_ns;
    let threads = threads::parts(dims.units() * dims.keys.div_ceil(PART).max(1), ns / dims.keys.div_ceil(PART).max(1) as f64);
    // With fewer units than threads, or a last round of units that leaves threads idle, keys are split.
    let splits = if dims.units().is_multiple_of(threads) { 1 } else { threads };
    let parts = splits.min(dims.keys / PART).max(1);
    let stride = dims.value_dim + 2;
    let mut results = Block::new(count(&[dims.units(), parts, groups, stride]))?;
    let mut own = list(dims.units() * parts)?;
    own.extend(results.chunks_exact_mut(groups * stride).map(Mutex::new));
    super::forward::each(
        dims.units() * parts,
        threads,
        || {
            Ok(Scratch {
                q: Block::filled(count(&[BR, dims.dim.max(1)]), T::ZERO)?,
                scores: Block::filled(BR * BC, T::ZERO)?,
                acc: Block::new(count(&[groups.next_multiple_of(MR), dims.value_dim]))?,
            })
        },
        |scratch, task| {
            let (unit, part) = (task / parts, task % parts);
            let range = threads::range(dims.keys, BC, parts, part);
            let state = stream(x, dims, shape, unit, range, scratch);
            let mut to = own[task].lock().unwrap_or_else(PoisonError::into_inner);
            for (i, to) in to.chunks_exact_mut(stride).enumerate() {
                (to[0], to[1]) = (state.m[i], state.sum(i));
                to[2..].copy_from_slice(&scratch.acc[i * dims.value_dim..][..dims.value_dim]);
            }
        },
    )?;
    drop(own);
    Ok(PartialResult { parts, results, stride })
}

struct Scratch<T: Real> {
    q: Block<T>,
    scores: Block<T>,
    acc: Block<T>,
}

/// Lets the keys of a range pass by the query heads of a unit.
fn stream<T: Lanes>(
    x: &AttentionInputs<'_, T>,
    dims: &AttentionDims,
    shape: RegisterTile,
    unit: usize,
    range: std::ops::Range<usize>,
    scratch: &mut Scratch<T>,
) -> OnlineSoftmax<T> {
    let (groups, dim, value_dim) = (dims.groups(), dims.dim, dims.value_dim);
    let (b, g) = (unit / dims.kv_heads, unit % dims.kv_heads);
    let (k, v) = (Head::from_view(&x.k, b, g), Head::from_view(&x.v, b, g));
    for i in 0..groups {
        let row = pack::PackedShape { dim, width: dim, padded: 1, scale: x.scale };
        pack::rows(Head::from_view(&x.q, b, g * groups + i), 0..1, &mut scratch.q[i * dim..], row);
    }
    let mut state = OnlineSoftmax::new();
    scratch.acc.fill(T::ZERO);
    for key in range.clone().step_by(BC) {
        let seen = VisibleKeys::all(BC.min(range.end - key), groups);
        dispatch_on(
            shape.isa,
            Dots { q: &scratch.q, k, keys: key..key + seen.most(), dim, rows: groups, scores: &mut scratch.scores },
        );
        for (i, scores) in scratch.scores.chunks_exact_mut(BC).take(groups).enumerate() {
            mask::apply(x, TilePosition { batch: b, head: g * groups + i, query: 0, rows: 1, key }, &seen, scores);
        }
        let (scores, acc) = (&mut scratch.scores, &mut scratch.acc);
        dispatch_on(
            shape.isa,
            OnlineSoftmaxStep { state: &mut state, rows: groups, visible: &seen, scores, acc, width: value_dim },
        );
        let operands =
            TileOperands { a: scores, a_row: BC, b: v.onward(key), b_row: v.row.unsigned_abs(), c: acc, c_row: value_dim };
        dispatch_on(shape.isa, WeightedSum { operands, vectors: value_dim / shape.lanes, visible: seen.by_panel() });
    }
    state
}

/// S[i, j] = Σ_c Q[i, c] K[j, c], with vectors along c: every row of K is read once.
struct Dots<'a, T> {
    /// `rows` rows of `dim` elements.
    q: &'a [T],
    k: Head<'a, T>,
    keys: std::ops::Range<usize>,
    dim: usize,
    rows: usize,
    /// [`BC`] to a row.
    scores: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Dots<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { q, k, keys, dim, rows, scores } = self;
        let (pairs, tail) = (dim / (2 * V::LANES) * 2 * V::LANES, dim % V::LANES);
        for (j, key) in keys.enumerate() {
            // By `fits` the elements lie one after another.
            let (key, rest) = k.stretch(key, 0, dim).split_at(pairs);
            for i in 0..rows {
                let (q, q_rest) = q[i * dim..][..dim].split_at(pairs);
                let mut sums = [isa.zero(); 2];
                for (k, q) in key.chunks_exact(2 * V::LANES).zip(q.chunks_exact(2 * V::LANES)) {
                    sums[0] = isa.read(k).mul_add(isa.read(q), sums[0]);
                    sums[1] = isa.read(&k[V::LANES..]).mul_add(isa.read(&q[V::LANES..]), sums[1]);
                }
                for (k, q) in rest.chunks_exact(V::LANES).zip(q_rest.chunks_exact(V::LANES)) {
                    sums[0] = isa.read(k).mul_add(isa.read(q), sums[0]);
                }
                if tail > 0 {
                    let (k, q) = (&rest[rest.len() - tail..], &q_rest[q_rest.len() - tail..]);
                    sums[0] = isa.read_first(k).mul_add(isa.read_first(q), sums[0]);
                }
                scores[i * BC + j] = (sums[0] + sums[1]).sum();
            }
        }
    }
}
