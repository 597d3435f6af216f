//! The backward pass: tiles of P and dS are recomputed from the log-sum-exp, and each feeds its products at once.
//!
//! One head of keys is a *unit*. Its keys are taken in stretches of [`STRETCH`]; over one stretch the gradients of keys and
//! values are sums in scratch, and tiles of queries pass by. With at least as many units as threads a thread takes a whole
//! unit; the rest share each stretch, every thread with sums of its own that are added in the order of the threads. So
//! memory is bounded by the stretch, and bits by the number of threads.

use crate::compiled::compiled;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::forward::each;
use super::gradient::{Delta, Probabilities, ScoreGradients};
use super::mask::{self, TilePosition, VisibleKeys};
use super::tile::{BC, BR, MR, RegisterTile, ScoreProduct, TileOperands, TransposedWeightedSum, WeightedSum, shape};
use super::{AttentionDims, AttentionInputs, Head, pack};
use crate::buffer::{Block, OutOfMemory, list};
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Isa, Lanes, dispatch_on};
use crate::threads;
use crate::view::View;

/// Keys whose gradients are summed at a time: a multiple of [`BC`] whose sums fit the second cache at head sizes to 128.
const STRETCH: usize = 4 * BC;

/// What came out of the forward pass, and the gradients of the loss with respect to it.
#[derive(Clone, Copy)]
pub struct AttentionCotangents<'a, T> {
    /// The output, (b, h, t, e).
    pub out: View<'a, T>,
    /// The log-sum-exp of each row, (b, h, t) in row-major order.
    pub lse: &'a [T],
    /// The gradient with respect to the output, (b, h, t, e).
    pub dout: View<'a, T>,
    /// The gradient with respect to the log-sum-exp, (b, h, t) in row-major order, if there is one.
    pub dlse: Option<&'a [T]>,
}

/// Where the wanted gradients go: row-major, in the shapes of the operands. What was there is overwritten.
#[derive(Default)]
pub struct AttentionGradients<'a, T> {
    /// (b, h, t, d)
    pub dq: Option<&'a mut [T]>,
    /// (b, g, s, d)
    pub dk: Option<&'a mut [T]>,
    /// (b, g, s, e)
    pub dv: Option<&'a mut [T]>,
}

compiled! {
    /// Computes the wanted gradients of attention with respect to q, k and v.
    ///
    /// A row that saw no key has gradient 0.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If shapes do not fit each other.
    pub fn backward<T: Lanes>(
        x: &AttentionInputs<'_, T>,
        cotangents: &AttentionCotangents<'_, T>,
        gradients: AttentionGradients<'_, T>,
    ) -> Result<(), OutOfMemory> {
        run(x, cotangents, gradients, simd::isa())
    }
}

/// [`backward`] on an instruction set.
pub(super) fn run<T: Lanes>(
    x: &AttentionInputs<'_, T>,
    cotangents: &AttentionCotangents<'_, T>,
    gradients: AttentionGradients<'_, T>,
    isa: Isa,
) -> Result<(), OutOfMemory> {
    let dims = x.dims();
    let AttentionDims { batch, heads, kv_heads, queries, keys, dim, value_dim, .. } = dims;
    let rows = dims.rows();
    let like_out = [batch, heads, queries, value_dim];
    assert!(cotangents.out.shape() == like_out && cotangents.dout.shape() == like_out, "the output and its gradient fit attention");
    assert!(cotangents.lse.len() == rows && cotangents.dlse.is_none_or(|d| d.len() == rows), "a log-sum-exp for each row");
    let unit = [count(&[keys, dim]), count(&[keys, value_dim])];
    let backward = Backward {
        x,
        cotangents,
        dims,
        shape: shape::<T>(isa),
        dq: wanted("q", gradients.dq, count(&[rows, dim]), count(&[queries, dim]), count(&[tile_rows(queries), dim]))?,
        dk: wanted("k", gradients.dk, count(&[batch, kv_heads, unit[0]]), unit[0], unit[0])?,
        dv: wanted("v", gradients.dv, count(&[batch, kv_heads, unit[1]]), unit[1], unit[1])?,
    };
    if rows == 0 || keys == 0 || backward.dq.is_none() && backward.dk.is_none() && backward.dv.is_none() {
        return Ok(());
    }
    let units = dims.units();
    let ns =
        2.0 * (queries * dims.groups()) as f64 * keys as f64 * (3 * dim + 2 * value_dim) as f64 / params().attention.flops_per_ns;
    let threads = threads::parts(units * queries.div_ceil(MR), ns / queries.div_ceil(MR) as f64);
    let whole = units / threads * threads;
    each(
        whole,
        threads,
        || backward.scratch(),
        |scratch, unit| {
            for stretch in backward.stretches() {
                backward.pack(unit, &stretch, &mut scratch.packed);
                backward.pass(unit, stretch.clone(), (0, 1), &scratch.packed, &mut scratch.work);
                backward.write(unit, stretch, &[&scratch.work.sums]);
            }
        },
    )?;
    if whole < units { backward.shared(whole..units, threads) } else { Ok(()) }
}

/// A gradient in parts, each of which one thread at a time has; none where it has no elements.
type Gradient<'a, T> = Vec<Mutex<&'a mut [T]>>;

/// A gradient that is wanted, of `len` elements, all 0: of each `head` elements of it, parts of `part`.
fn wanted<'a, T: Real>(
    name: &str,
    gradient: Option<&'a mut [T]>,
    len: usize,
    head: usize,
    part: usize,
) -> Result<Option<Gradient<'a, T>>, OutOfMemory> {
    let Some(gradient) = gradient else { return Ok(None) };
    assert_eq!(gradient.len(), len, "the gradient d{name} has the size of {name}");
    gradient.fill(T::ZERO);
    let (head, part) = (head.max(1), part.max(1));
    let mut parts = list(len / head * head.div_ceil(part))?;
    parts.extend(gradient.chunks_mut(head).flat_map(|head| head.chunks_mut(part)).map(Mutex::new));
    Ok(Some(parts))
}

/// The queries of a tile: all tiles of a head have as many but the last.
fn tile_rows(queries: usize) -> usize {
    queries.div_ceil(queries.div_ceil(BR).max(1)).next_multiple_of(MR)
}

struct Backward<'a, T> {
    x: &'a AttentionInputs<'a, T>,
    cotangents: &'a AttentionCotangents<'a, T>,
    dims: AttentionDims,
    shape: RegisterTile,
    /// In parts of a tile's queries.
    dq: Option<Gradient<'a, T>>,
    /// In parts of a unit.
    dk: Option<Gradient<'a, T>>,
    /// In parts of a unit.
    dv: Option<Gradient<'a, T>>,
}

/// The keys and values of a stretch in the orders that the products read.
struct PackedOperands<T: Real> {
    /// K in panels of nr keys: the B of S = Q Kᵀ.
    k_panels: Block<T>,
    /// V in panels of nr keys: the B of dP = dO Vᵀ.
    v_panels: Block<T>,
    /// K by rows: the B of dQ = dS K.
    k_rows: Block<T>,
}

/// The gradients of a stretch's keys and values, summed over queries.
struct Sums<T: Real> {
    dk: Block<T>,
    dv: Block<T>,
}

/// What a pass over the queries works in.
struct BackwardScratch<T: Real> {
    q: Block<T>,
    dout: Block<T>,
    p: Block<T>,
    ds: Block<T>,
    dq: Block<T>,
    lse: [T; BR],
    delta: [T; BR],
    sums: Sums<T>,
}

struct Scratch<T: Real> {
    packed: PackedOperands<T>,
    work: BackwardScratch<T>,
}

impl<T: Lanes> Backward<'_, T> {
    /// Elements of a packed row of queries or keys.
    fn width(&self) -> usize {
        self.dims.dim.max(1).next_multiple_of(self.shape.lanes)
    }

    /// Elements of a packed row of values.
    fn value_width(&self) -> usize {
        self.dims.value_dim.max(1).next_multiple_of(self.shape.lanes)
    }

    fn stretches(&self) -> impl Iterator<Item = Range<usize>> + use<T> {
        let keys = self.dims.keys;
        (0..keys).step_by(STRETCH).map(move |key| key..(key + STRETCH).min(keys))
    }

    fn packed(&self) -> Result<PackedOperands<T>, OutOfMemory> {
        let keys = STRETCH.min(self.dims.keys);
        let panels = |dim| Block::new(pack::panels_len(keys, dim, self.shape.nr));
        Ok(PackedOperands {
            k_panels: panels(self.dims.dim)?,
            v_panels: panels(self.dims.value_dim)?,
            k_rows: Block::new(count(&[keys, self.width()]))?,
        })
    }

    fn work(&self) -> Result<BackwardScratch<T>, OutOfMemory> {
        let (width, value_width) = (self.width(), self.value_width());
        // The register tiles of the last keys reach up to MR - 1 rows beyond.
        let keys = STRETCH.min(self.dims.keys.next_multiple_of(MR));
        Ok(BackwardScratch {
            q: Block::new(count(&[BR, width]))?,
            dout: Block::new(count(&[BR, value_width]))?,
            p: Block::filled(BR * BC, T::ZERO)?,
            ds: Block::filled(BR * BC, T::ZERO)?,
            dq: Block::new(count(&[BR, width]))?,
            lse: [T::ZERO; BR],
            delta: [T::ZERO; BR],
            sums: Sums { dk: Block::new(count(&[keys, width]))?, dv: Block::new(count(&[keys, value_width]))? },
        })
    }

    fn scratch(&self) -> Result<Scratch<T>, OutOfMemory> {
        Ok(Scratch { packed: self.packed()?, work: self.work()? })
    }

    fn pack(&self, unit: usize, stretch: &Range<usize>, to: &mut PackedOperands<T>) {
        let (b, g) = (unit / self.dims.kv_heads, unit % self.dims.kv_heads);
        let (k, v) = (Head::from_view(&self.x.k, b, g), Head::from_view(&self.x.v, b, g));
        pack::panels(k, stretch.clone(), self.dims.dim, self.shape, &mut to.k_panels);
        pack::panels(v, stretch.clone(), self.dims.value_dim, self.shape, &mut to.v_panels);
        let shape = pack::PackedShape { dim: self.dims.dim, width: self.width(), padded: stretch.len(), scale: T::ONE };
        pack::rows(k, stretch.clone(), &mut to.k_rows, shape);
    }

    /// Works on units one after another, with all threads on the queries of each.
    fn shared(&self, units: Range<usize>, threads: usize) -> Result<(), OutOfMemory> {
        let mut packed = self.packed()?;
        let mut works = list(threads)?;
        for _ in 0..threads {
            works.push(Mutex::new(self.work()?));
        }
        for unit in units {
            for stretch in self.stretches() {
                self.pack(unit, &stretch, &mut packed);
                threads::run(threads, |part| {
                    let mut work = works[part].lock().unwrap_or_else(PoisonError::into_inner);
                    self.pass(unit, stretch.clone(), (part, threads), &packed, &mut work);
                });
                let works: Vec<_> = works.iter().map(|work| work.lock().unwrap_or_else(PoisonError::into_inner)).collect();
                self.write(unit, stretch, &works.iter().map(|work| &work.sums).collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    /// Lets every `of`-th tile of the queries that share a key head, from the `part`-th on, pass by a stretch of its keys.
    fn pass(
        &self,
        unit: usize,
        stretch: Range<usize>,
        (part, of): (usize, usize),
        packed: &PackedOperands<T>,
        work: &mut BackwardScratch<T>,
    ) {
        let AttentionDims { kv_heads, queries, .. } = self.dims;
        let groups = self.dims.groups();
        let (blocks, rows) = (queries.div_ceil(BR), tile_rows(queries));
        work.sums.dk.fill(T::ZERO);
        work.sums.dv.fill(T::ZERO);
        for task in (part..groups * blocks).step_by(of) {
            let query = task % blocks * rows;
            if query < queries {
                let place = TilePosition {
                    batch: unit / kv_heads,
                    head: unit % kv_heads * groups + task / blocks,
                    query,
                    rows: rows.min(queries - query),
                    key: stretch.start,
                };
                self.tiles(place, stretch.end, packed, work);
            }
        }
    }

    /// A tile of queries against the keys from `place.key` to `end`.
    fn tiles(&self, place: TilePosition, end: usize, packed: &PackedOperands<T>, work: &mut BackwardScratch<T>) {
        let TilePosition { batch, head, query, rows, key: start } = place;
        let end = end.min(self.dims.visible(query + rows - 1));
        if end <= start {
            return;
        }
        self.begin(place, work);
        let (width, value_width, nr) = (self.width(), self.value_width(), self.shape.nr);
        for key in (start..end).step_by(BC) {
            let seen = VisibleKeys::new(&self.dims, query, rows, key).until(end - key);
            let at = key - start;
            let AttentionDims { dim, value_dim, .. } = self.dims;
            let operands = TileOperands {
                a: &work.q,
                a_row: width,
                b: &packed.k_panels[at * dim..],
                b_row: nr * dim,
                c: &mut work.p,
                c_row: BC,
            };
            dispatch_on(self.shape.isa, ScoreProduct { operands, depth: dim, visible: seen.by_panel() });
            mask::apply(self.x, TilePosition { batch, head, query, rows, key }, &seen, &mut work.p);
            dispatch_on(self.shape.isa, Probabilities { lse: &work.lse[..rows], visible: &seen, scores: &mut work.p });
            if self.dv.is_some() {
                let operands = TileOperands {
                    a: &work.p,
                    a_row: BC,
                    b: &work.dout,
                    b_row: value_width,
                    c: &mut work.sums.dv[at * value_width..],
                    c_row: value_width,
                };
                dispatch_on(
                    self.shape.isa,
                    TransposedWeightedSum { operands, vectors: value_width / self.shape.lanes, visible: seen.by_panel(), rows },
                );
            }
            if self.dq.is_none() && self.dk.is_none() {
                continue;
            }
            let operands = TileOperands {
                a: &work.dout,
                a_row: value_width,
                b: &packed.v_panels[at * value_dim..],
                b_row: nr * value_dim,
                c: &mut work.ds,
                c_row: BC,
            };
            dispatch_on(self.shape.isa, ScoreProduct { operands, depth: value_dim, visible: seen.by_panel() });
            dispatch_on(
                self.shape.isa,
                ScoreGradients { p: &work.p, delta: &work.delta[..rows], visible: &seen, ds: &mut work.ds },
            );
            let vectors = width / self.shape.lanes;
            if self.dk.is_some() {
                let operands = TileOperands {
                    a: &work.ds,
                    a_row: BC,
                    b: &work.q,
                    b_row: width,
                    c: &mut work.sums.dk[at * width..],
                    c_row: width,
                };
                dispatch_on(self.shape.isa, TransposedWeightedSum { operands, vectors, visible: seen.by_panel(), rows });
            }
            if self.dq.is_some() {
                let operands = TileOperands {
                    a: &work.ds,
                    a_row: BC,
                    b: &packed.k_rows[at * width..],
                    b_row: width,
                    c: &mut work.dq,
                    c_row: width,
                };
                dispatch_on(self.shape.isa, WeightedSum { operands, vectors, visible: seen.by_panel() });
            }
        }
        self.add_dq(place, work);
    }

    /// Reads a tile of queries and its cotangents.
    fn begin(&self, place: TilePosition, work: &mut BackwardScratch<T>) {
        let TilePosition { batch, head, query, rows, .. } = place;
        let AttentionDims { heads, queries, dim, value_dim, .. } = self.dims;
        let (width, value_width, padded) = (self.width(), self.value_width(), rows.next_multiple_of(MR));
        let scale = self.x.scale;
        let range = query..query + rows;
        pack::rows(
            Head::from_view(&self.x.q, batch, head),
            range.clone(),
            &mut work.q,
            pack::PackedShape { dim, width, padded, scale },
        );
        let shape = pack::PackedShape { dim: value_dim, width: value_width, padded, scale: T::ONE };
        pack::rows(Head::from_view(&self.cotangents.dout, batch, head), range, &mut work.dout, shape);
        work.dq[..padded * width].fill(T::ZERO);
        let out = Head::from_view(&self.cotangents.out, batch, head);
        for i in 0..rows {
            let row = (batch * heads + head) * queries + query + i;
            let lse = self.cotangents.lse[row];
            // exp(s − ∞) = 0 makes P of a row that saw no key 0.
            work.lse[i] = if lse == T::NEG_INFINITY { T::INFINITY } else { lse };
            let dout = &work.dout[i * value_width..][..value_dim];
            let delta = dispatch_on(self.shape.isa, Delta { dout, out, row: query + i });
            work.delta[i] = delta - self.cotangents.dlse.map_or(T::ZERO, |dlse| dlse[row]);
        }
    }

    /// Adds scale · dS K of a tile to the gradient of its queries.
    fn add_dq(&self, place: TilePosition, work: &BackwardScratch<T>) {
        let AttentionDims { heads, queries, dim, .. } = self.dims;
        let rows = tile_rows(queries);
        let part = (place.batch * heads + place.head) * queries.div_ceil(rows) + place.query / rows;
        let Some(dq) = self.dq.as_ref().and_then(|dq| dq.get(part)) else { return };
        let mut dq = dq.lock().unwrap_or_else(PoisonError::into_inner);
        for (y, x) in dq.chunks_exact_mut(dim.max(1)).zip(work.dq.chunks_exact(self.width())) {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y += self.x.scale * x);
        }
    }

    /// Writes the gradients of a stretch's keys and values: the sums of all parts, in their order.
    fn write(&self, unit: usize, stretch: Range<usize>, parts: &[&Sums<T>]) {
        let each = |to: &Option<Gradient<'_, T>>, dim: usize, width: usize, of: fn(&Sums<T>) -> &Block<T>| {
            let Some(to) = to.as_ref().and_then(|to| to.get(unit)) else { return };
            let to = &mut to.lock().unwrap_or_else(PoisonError::into_inner)[stretch.start * dim..stretch.end * dim];
            for (j, to) in to.chunks_exact_mut(dim.max(1)).enumerate() {
                for (c, y) in to.iter_mut().enumerate() {
                    *y = parts[1..].iter().fold(of(parts[0])[j * width + c], |sum, part| sum + of(part)[j * width + c]);
                }
            }
        };
        // The packed queries hold scale · q, so dk = dSᵀ (scale · q) is complete.
        each(&self.dk, self.dims.dim, self.width(), |sums| &sums.dk);
        each(&self.dv, self.dims.value_dim, self.value_width(), |sums| &sums.dv);
    }
}
