//! The forward pass: tiles of queries stream over packed tiles of keys.

use crate::compiled::compiled;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::decode;
use super::mask::{self, TilePosition, VisibleKeys};
use super::online::{OnlineSoftmax, OnlineSoftmaxStep};
use super::tile::{BC, BR, MR, RegisterTile, ScoreProduct, TileOperands, WeightedSum, shape};
use super::{AttentionDims, AttentionInputs, Head, pack};
use crate::buffer::{Block, OutOfMemory, list};
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Isa, Lanes, dispatch_on};
use crate::threads::{self, SharedSlice};

/// Where the result goes.
pub struct AttentionOutput<'a, T> {
    /// The elements of out.
    pub out: &'a mut [T],
    /// Elements between batches, heads and queries of `out`; values lie one after another.
    pub strides: [usize; 3],
    /// The log-sum-exp of each row, (b, h, t) in row-major order.
    pub lse: &'a mut [T],
}

impl<'a, T: Send> AttentionOutput<'a, T> {
    /// An output of shape (b, h, t, e) in row-major order.
    pub fn row_major(out: &'a mut [T], lse: &'a mut [T], [heads, queries, value_dim]: [usize; 3]) -> Self {
        Self { out, strides: [count(&[heads, queries, value_dim]), count(&[queries, value_dim]), value_dim], lse }
    }

    /// The rows, each for whoever computes it.
    ///
    /// # Panics
    /// Unless every row is inside `out` and no two rows share an element.
    fn rows(self, dims: &AttentionDims) -> OutputRows<'a, T> {
        assert_eq!(self.lse.len(), dims.rows(), "a log-sum-exp for each row of attention");
        let mut axes: [(usize, usize); 3] = std::array::from_fn(|d| (self.strides[d], [dims.batch, dims.heads, dims.queries][d]));
        axes.sort_unstable();
        let end = axes.iter().filter(|axis| axis.1 > 1).try_fold(dims.value_dim, |inner, &(stride, size)| {
            (stride >= inner).then(|| stride.saturating_mul(size - 1).saturating_add(inner))
        });
        let inside = dims.rows() == 0 || end.is_some_and(|end| end <= self.out.len());
        assert!(inside, "rows of attention's output lie apart and inside it");
        OutputRows { out: SharedSlice::new(self.out), strides: self.strides, lse: SharedSlice::new(self.lse), dims: *dims }
    }
}

/// The rows of an output, which threads write at the same time; [`AttentionOutput::rows`] checked that they lie apart, inside it.
struct OutputRows<'a, T> {
    out: SharedSlice<'a, T>,
    strides: [usize; 3],
    lse: SharedSlice<'a, T>,
    dims: AttentionDims,
}

impl<T: Send> OutputRows<'_, T> {
    /// Row `i` of a task, and its log-sum-exp.
    ///
    /// # Safety
    /// What this returned for the same row before is not used any more.
    ///
    /// # Panics
    /// If there is no such row.
    #[expect(clippy::mut_from_ref, reason = "rows lie apart, and each is its caller's alone")]
    unsafe fn row(&self, task: Task, i: usize) -> (&mut [T], &mut T) {
        let AttentionDims { batch, heads, queries, value_dim, .. } = self.dims;
        let t = task.query + i;
        assert!(task.batch < batch && task.head < heads && t < queries, "a row of attention's output");
        let [sb, sh, st] = self.strides;
        let out = task.batch * sb + task.head * sh + t * st;
        let lse = (task.batch * heads + task.head) * queries + t;
        // SAFETY: rows lie apart, as `AttentionOutput::rows` checked, and nobody else has this one, as the caller promised.
        unsafe { (self.out.part(out..out + value_dim), &mut self.lse.part(lse..lse + 1)[0]) }
    }
}

compiled! {
    /// Computes out = softmax(scale · q kᵀ + mask) v and the log-sum-exp of each row.
    ///
    /// A row that sees no key gets 0 and -∞.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If shapes do not fit each other, or the output does not fit them.
    pub fn forward<T: Lanes>(x: &AttentionInputs<'_, T>, output: AttentionOutput<'_, T>) -> Result<(), OutOfMemory> {
        run(x, output, false, simd::isa())
    }
}

compiled! {
    /// As [`forward`], with the keys of `x` added to those that `output` holds a result of already.
    ///
    /// Keys may thus come in parts, in any order; a causal limit is that of `x` alone.
    ///
    /// # Errors
    /// As [`forward`].
    ///
    /// # Panics
    /// As [`forward`].
    pub fn forward_from<T: Lanes>(x: &AttentionInputs<'_, T>, output: AttentionOutput<'_, T>) -> Result<(), OutOfMemory> {
        run(x, output, true, simd::isa())
    }
}

/// [`forward_from`], or [`forward`] where not to `resume`, on an instruction set.
pub(super) fn run<T: Lanes>(
    x: &AttentionInputs<'_, T>,
    output: AttentionOutput<'_, T>,
    resume: bool,
    isa: Isa,
) -> Result<(), OutOfMemory> {
    let dims = x.dims();
    let output = output.rows(&dims);
    if dims.rows() == 0 {
        return Ok(());
    }
    let forward = Forward { x, dims, shape: shape::<T>(isa), output, resume };
    if decode::fits(x, &dims, forward.shape) {
        return forward.decode();
    }
    let values = if forward.reads_values() { 0 } else { count(&[dims.keys, forward.value_width()]) };
    let packed = forward.packed_keys().saturating_add(values);
    let at_once = (params().attention.round_bytes / packed.saturating_mul(size_of::<T>()).max(1)).clamp(1, dims.units().max(1));
    let mut memory = Block::new(packed.saturating_mul(at_once))?;
    for first in (0..dims.units()).step_by(at_once) {
        forward.round(first..(first + at_once).min(dims.units()), &mut memory, packed)?;
    }
    Ok(())
}

struct Forward<'a, T> {
    x: &'a AttentionInputs<'a, T>,
    dims: AttentionDims,
    shape: RegisterTile,
    output: OutputRows<'a, T>,
    resume: bool,
}

/// What a thread works in.
struct Scratch<T: Real> {
    q: Block<T>,
    scores: Block<T>,
    acc: Block<T>,
}

/// A tile of queries of one head.
#[derive(Clone, Copy)]
struct Task {
    batch: usize,
    head: usize,
    query: usize,
    rows: usize,
}

impl<T: Lanes> Forward<'_, T> {
    /// Elements of a packed row of values.
    fn value_width(&self) -> usize {
        self.dims.value_dim.max(1).next_multiple_of(self.shape.lanes)
    }

    /// Elements of a head's packed keys.
    fn packed_keys(&self) -> usize {
        pack::panels_len(self.dims.keys, self.dims.dim, self.shape.nr)
    }

    /// Whether values are read where they lie: in whole vectors, and rows not so far apart that they share sets of the cache.
    fn reads_values(&self) -> bool {
        let strides = self.x.v.strides();
        let near = (0..=2 * self.dims.value_dim as isize).contains(&strides[2]);
        strides[3] == 1 && near && self.value_width() == self.dims.value_dim
    }

    /// Computes all rows of some (batch, key head) pairs.
    fn round(&self, units: std::ops::Range<usize>, memory: &mut [T], packed: usize) -> Result<(), OutOfMemory> {
        let AttentionDims { keys, dim, value_dim, queries, .. } = self.dims;
        let (width, nr) = (self.value_width(), self.shape.nr);
        let k_len = self.packed_keys();
        // A packing task is a stretch of keys of one unit, both K and V: whole panels, as it is a multiple of nr.
        let stretch = BC * 4;
        let stretches = keys.div_ceil(stretch);
        let range = |part: usize| part * stretch..((part + 1) * stretch).min(keys);
        let mut own = list(units.len() * stretches)?;
        let mut rest = &mut *memory;
        for _ in units.clone() {
            let (unit, tail) = rest.split_at_mut(packed);
            let (mut k, mut v) = unit.split_at_mut(k_len);
            for part in 0..stretches {
                let keys = range(part).len();
                let (to_k, k_tail) = k.split_at_mut(pack::panels_len(keys, dim, nr));
                let (to_v, v_tail) = v.split_at_mut(if self.reads_values() { 0 } else { keys * width });
                own.push(Mutex::new((to_k, to_v)));
                (k, v) = (k_tail, v_tail);
            }
            rest = tail;
        }
        each(
            own.len(),
            pack::parts(units.len() * packed),
            || Ok(()),
            |(), task| {
                let (unit, range) = (task / stretches, range(task % stretches));
                let (b, g) = ((units.start + unit) / self.dims.kv_heads, (units.start + unit) % self.dims.kv_heads);
                let (to_k, to_v) = &mut *own[task].lock().unwrap_or_else(PoisonError::into_inner);
                pack::panels(Head::from_view(&self.x.k, b, g), range.clone(), dim, self.shape, to_k);
                if !self.reads_values() {
                    let shape = pack::PackedShape { dim: value_dim, width, padded: range.len(), scale: T::ONE };
                    pack::rows(Head::from_view(&self.x.v, b, g), range, to_v, shape);
                }
            },
        )?;
        drop(own);
        let blocks = queries.div_ceil(BR);
        let rows = queries.div_ceil(blocks).next_multiple_of(MR);
        let groups = self.dims.groups();
        let count = units.len() * groups * blocks;
        // A task's share of 2 t s (d + e) operations a head.
        let ns = 2.0 * rows as f64 * keys as f64 * (dim + value_dim) as f64 / params().attention.flops_per_ns;
        let memory = &*memory;
        each(
            count,
            threads::parts(count, ns),
            || self.scratch(),
            |scratch, task| {
                // The longest tasks, those of a causal limit's last queries, come first, so that threads end together.
                let (block, of) = (blocks - 1 - task / (units.len() * groups), task % (units.len() * groups));
                let (unit, member) = (of / groups, of % groups);
                let (b, g) = ((units.start + unit) / self.dims.kv_heads, (units.start + unit) % self.dims.kv_heads);
                let query = block * rows;
                if query < queries {
                    let task = Task { batch: b, head: g * groups + member, query, rows: rows.min(queries - query) };
                    let (k, v) = memory[unit * packed..(unit + 1) * packed].split_at(k_len);
                    let v = match self.reads_values() {
                        true => Head::from_view(&self.x.v, b, g),
                        false => Head { data: v, start: 0, row: width as isize, element: 1 },
                    };
                    self.task(task, k, v, scratch);
                }
            },
        )
    }

    /// Computes the only row of every head from partial results over parts of the keys.
    fn decode(&self) -> Result<(), OutOfMemory> {
        let groups = self.dims.groups();
        let partial = decode::partial(self.x, &self.dims, self.shape)?;
        let mut acc = Block::new(count(&[self.value_width(), MR]))?;
        for row in 0..self.dims.batch * self.dims.heads {
            let (batch, head) = (row / self.dims.heads, row % self.dims.heads);
            let task = Task { batch, head, query: 0, rows: 1 };
            let mut state = OnlineSoftmax::new();
            self.start(task, &mut state, &mut acc);
            for part in 0..partial.parts {
                let unit = batch * self.dims.kv_heads + head / groups;
                state.add(partial.row(unit, part, head % groups, groups), &mut acc);
            }
            self.finish(task, &state, &acc);
        }
        Ok(())
    }

    fn scratch(&self) -> Result<Scratch<T>, OutOfMemory> {
        Ok(Scratch {
            q: Block::new(count(&[BR, self.dims.dim.max(1)]))?,
            scores: Block::filled(BR * BC, T::ZERO)?,
            acc: Block::new(count(&[BR, self.value_width()]))?,
        })
    }

    /// Computes the rows of one task from packed keys, and values in rows of whole vectors.
    fn task(&self, task: Task, k: &[T], v: Head<'_, T>, scratch: &mut Scratch<T>) {
        let Self { x, dims, shape, .. } = self;
        let Task { batch, head, query, rows } = task;
        let (dim, width) = (dims.dim, self.value_width());
        let padded = rows.next_multiple_of(MR);
        pack::rows(
            Head::from_view(&x.q, batch, head),
            query..query + rows,
            &mut scratch.q,
            pack::PackedShape { dim, width: dim, padded, scale: x.scale },
        );
        let mut state = OnlineSoftmax::new();
        self.start(task, &mut state, &mut scratch.acc);
        let end = dims.visible(query + rows - 1);
        for key in (0..end).step_by(BC) {
            let seen = VisibleKeys::new(dims, query, rows, key);
            // K's panels of nr keys are `nr · dim` long, and a tile begins at a panel.
            let operands = TileOperands {
                a: &scratch.q,
                a_row: dim,
                b: &k[key * dim..],
                b_row: shape.nr * dim,
                c: &mut scratch.scores,
                c_row: BC,
            };
            dispatch_on(shape.isa, ScoreProduct { operands, depth: dim, visible: seen.by_panel() });
            mask::apply(x, TilePosition { batch, head, query, rows, key }, &seen, &mut scratch.scores);
            dispatch_on(
                shape.isa,
                OnlineSoftmaxStep {
                    state: &mut state,
                    rows,
                    visible: &seen,
                    scores: &mut scratch.scores,
                    acc: &mut scratch.acc,
                    width,
                },
            );
            let operands = TileOperands {
                a: &scratch.scores,
                a_row: BC,
                b: v.onward(key),
                b_row: v.row.unsigned_abs(),
                c: &mut scratch.acc,
                c_row: width,
            };
            dispatch_on(shape.isa, WeightedSum { operands, vectors: width / shape.lanes, visible: seen.by_panel() });
        }
        self.finish(task, &state, &scratch.acc);
    }

    /// Puts the rows of a task at their beginning: nothing seen, or what the output holds.
    fn start(&self, task: Task, state: &mut OnlineSoftmax<T>, acc: &mut [T]) {
        let width = self.value_width();
        acc[..task.rows.next_multiple_of(MR) * width].fill(T::ZERO);
        if self.resume {
            for i in 0..task.rows {
                // SAFETY: tasks have rows of their own, `each` gives one to a single thread, and no row is kept.
                let (out, &mut lse) = unsafe { self.output.row(task, i) };
                state.start(i, lse);
                if lse != T::NEG_INFINITY {
                    acc[i * width..][..out.len()].copy_from_slice(out);
                }
            }
        }
    }

    /// Writes out = acc / l and lse = m + ln l.
    fn finish(&self, task: Task, state: &OnlineSoftmax<T>, acc: &[T]) {
        let width = self.value_width();
        for i in 0..task.rows {
            // SAFETY: tasks have rows of their own, `each` gives one to a single thread, and no row is kept.
            let (out, lse) = unsafe { self.output.row(task, i) };
            let sum = state.sum(i);
            *lse = if sum == T::ZERO { T::NEG_INFINITY } else { state.m[i] + sum.ln() };
            let inverse = if sum == T::ZERO { T::ZERO } else { T::ONE / sum };
            simd::run(
                #[inline(always)]
                || out.iter_mut().zip(&acc[i * width..]).for_each(|(y, &x)| *y = x * inverse),
            );
        }
    }
}

/// Calls `work(scratch, task)` for each of `0..count` on `parts` threads, which take tasks in order as they get free.
pub(super) fn each<S>(
    count: usize,
    parts: usize,
    scratch: impl Fn() -> Result<S, OutOfMemory> + Sync,
    work: impl Fn(&mut S, usize) + Sync,
) -> Result<(), OutOfMemory> {
    let next = AtomicUsize::new(0);
    threads::try_run(parts.min(count), |_| {
        let mut scratch = scratch()?;
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= count {
                return Ok(());
            }
            work(&mut scratch, task);
        }
    })
}
