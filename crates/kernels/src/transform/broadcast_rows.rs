//! Rows of a few numbers in memory ↔ registers that each hold one number of several rows.
//!
//! A block is as many rows as a register has lanes. Blocks of rows of 4 are transposed by two steps of a transposition, which leaves the
//! rows in an order of its own: lane j holds row [`row_of_lane`]. It is the same for every operand and undone on the way out. Rows of 3
//! become rows of 4 in registers, each load reaching past the rows that it is for.

use super::CHUNK;
use crate::number::Number;
use crate::real::Real;
use crate::simd::{Enabled, Stream, Vector, transpose};

/// Rows for a kernel: one for each row of its result, or one for all of them.
#[derive(Clone, Copy)]
pub struct BroadcastRows<'a, T> {
    data: &'a [T],
    width: usize,
    each: bool,
}

impl<'a, T: Real> BroadcastRows<'a, T> {
    /// Rows of `width` numbers, one after another.
    ///
    /// # Panics
    /// If `width` is 0 or above 4, or does not divide the length.
    pub fn per_row(data: &'a [T], width: usize) -> Self {
        assert!((1..=4).contains(&width) && data.len().is_multiple_of(width), "rows of 1 to 4 numbers");
        Self { data, width, each: true }
    }

    /// One row for all.
    ///
    /// # Panics
    /// If it has no number, or more than 4.
    pub fn shared(data: &'a [T]) -> Self {
        assert!((1..=4).contains(&data.len()), "a row of 1 to 4 numbers");
        Self { data, width: data.len(), each: false }
    }

    /// Whether there are rows of `width` numbers for `count` results.
    pub(super) fn fit(&self, width: usize, count: usize) -> bool {
        self.width == width && (!self.each || self.data.len() == count * width)
    }

    /// Row number `i`.
    pub(super) fn row(&self, i: usize) -> &'a [T] {
        self.numbers(i, 1)
    }

    /// The numbers of `count` rows from `start` on, or of the one row.
    pub(super) fn numbers(&self, start: usize, count: usize) -> &'a [T] {
        if self.each { &self.data[start * self.width..(start + count) * self.width] } else { self.data }
    }
}

/// The row of a block that lane `j` holds.
#[inline(always)]
pub(super) fn row_of_lane<V: Vector>(j: usize) -> usize {
    if V::LANES < 4 { j } else { j % 4 * (V::LANES / 4) + j / 4 }
}

/// A way in: rows, and a buffer for those that cannot be read in blocks where they are.
pub(super) struct RowReader<'a, T> {
    rows: BroadcastRows<'a, T>,
    buffer: [T; 4 * CHUNK],
}

/// Rows of 4 numbers that can be read in whole blocks.
#[derive(Clone, Copy)]
pub(super) struct RowBlocks<'s, T> {
    /// One row, or all of them; of rows of 3 also those that follow.
    rows: &'s [T],
    width: usize,
    each: bool,
}

impl<'a, T: Real> RowReader<'a, T> {
    pub fn new(rows: BroadcastRows<'a, T>) -> Self {
        let mut source = Self { rows, buffer: [T::ZERO; 4 * CHUNK] };
        if !rows.each {
            source.buffer[..rows.width].copy_from_slice(rows.data);
        }
        source
    }

    /// Rows `start..start + count`, of 3 or 4 numbers, for registers of `lanes` lanes.
    #[inline(always)]
    pub fn blocks(&mut self, start: usize, count: usize, lanes: usize) -> RowBlocks<'_, T> {
        let width = self.rows.width;
        if !self.rows.each {
            return RowBlocks { rows: &self.buffer[..4], width: 4, each: false };
        }
        if width == 3 && lanes >= 4 {
            return RowBlocks { rows: &self.rows.data[start * width..], width, each: true };
        }
        let data = self.rows.numbers(start, count);
        if width == 4 && count.is_multiple_of(lanes) {
            return RowBlocks { rows: data, width, each: true };
        }
        if width == 4 {
            self.buffer[..4 * count].copy_from_slice(data);
        } else {
            for (to, &[x, y, z]) in self.buffer.as_chunks_mut::<4>().0.iter_mut().zip(data.as_chunks().0) {
                *to = [x, y, z, T::ZERO];
            }
        }
        RowBlocks { rows: &self.buffer[..4 * count.next_multiple_of(lanes)], width: 4, each: true }
    }

    /// Numbers `start..start + count`, of rows of 1, in the order of the lanes of each block.
    #[inline(always)]
    pub fn numbers<V: Vector<Element = T>>(&mut self, start: usize, count: usize) -> LaneOrder<'_, T> {
        if !self.rows.each {
            return LaneOrder { numbers: &self.buffer[..1], each: false };
        }
        let data = self.rows.numbers(start, count);
        for (to, from) in self.buffer.chunks_exact_mut(V::LANES).zip(data.chunks(V::LANES)) {
            for (j, to) in to.iter_mut().enumerate() {
                if let Some(&x) = from.get(row_of_lane::<V>(j)) {
                    *to = x;
                }
            }
        }
        LaneOrder { numbers: &self.buffer[..count.next_multiple_of(V::LANES)], each: true }
    }
}

impl<T: Real> RowBlocks<'_, T> {
    /// The numbers of block `b`, one register for each of a row.
    #[inline(always)]
    pub fn columns<V: Vector<Element = T>>(&self, isa: Enabled<V>, b: usize) -> [V; 4] {
        let mut registers = [isa.zero(); 4];
        if self.width == 3 {
            for (i, register) in registers.iter_mut().enumerate() {
                let from = self.rows.get(3 * (b * V::LANES + i * (V::LANES / 4))..).unwrap_or_default();
                let rows = if from.len() >= V::LANES { isa.read(from) } else { isa.read_first(from) };
                *register = rows.widen_rows();
            }
            transpose_in(registers)
        } else if self.each {
            let from = &self.rows[4 * b * V::LANES..][..4 * V::LANES];
            for (i, register) in registers.iter_mut().enumerate() {
                *register = isa.read(&from[i * V::LANES..]);
            }
            transpose_in(registers)
        } else {
            let row: &[T; 4] = self.rows.first_chunk().expect("one row of 4");
            [isa.splat(row[0]), isa.splat(row[1]), isa.splat(row[2]), isa.splat(row[3])]
        }
    }
}

/// Numbers, one a row, in the order of lanes.
#[derive(Clone, Copy)]
pub(super) struct LaneOrder<'s, T> {
    numbers: &'s [T],
    each: bool,
}

impl<T: Real> LaneOrder<'_, T> {
    /// Those of block `b`.
    #[inline(always)]
    pub fn register<V: Vector<Element = T>>(&self, isa: Enabled<V>, b: usize) -> V {
        if self.each { isa.read(&self.numbers[b * V::LANES..]) } else { isa.splat(self.numbers[0]) }
    }
}

/// A way out for rows of `W` numbers, 3 or 4, past the caches where there is a stream.
pub(super) struct RowWriter<'a, T, const W: usize> {
    out: &'a mut [T],
    stream: Option<Stream>,
    buffer: [T; 4 * CHUNK],
}

impl<'a, T: Real, const W: usize> RowWriter<'a, T, W> {
    pub fn new(out: &'a mut [T], streamed: bool) -> Self {
        Self { out, stream: streamed.then(Stream::new), buffer: [T::ZERO; 4 * CHUNK] }
    }

    /// Where rows `start..start + count` go, with room for rows of 4 in whole blocks of `lanes`; [`close`](RowWriter::close) brings them where
    /// they belong.
    #[inline(always)]
    pub fn open(&mut self, start: usize, count: usize, lanes: usize) -> &mut [T] {
        if self.passes(count, lanes) {
            return &mut self.out[start * W..(start + count) * W];
        }
        &mut self.buffer[..4 * count.next_multiple_of(lanes)]
    }

    #[inline(always)]
    pub fn close(&mut self, start: usize, count: usize, lanes: usize) {
        if self.passes(count, lanes) {
            return;
        }
        let out = &mut self.out[start * W..(start + count) * W];
        let rows = &self.buffer[..W * count];
        match &self.stream {
            Some(stream) => stream.copy(rows, out),
            None => out.copy_from_slice(rows),
        }
    }

    /// Whether blocks are written where they belong at once.
    #[inline(always)]
    fn passes(&self, count: usize, lanes: usize) -> bool {
        W == 4 && self.stream.is_none() && count.is_multiple_of(lanes)
    }
}

/// Writes block `b` of rows of `W` numbers, 3 or 4, given as a register for each number of a row. Of rows of 3 the last store reaches
/// beyond the block, into room for rows of 4.
#[inline(always)]
pub(super) fn write<V: Vector, const W: usize>(columns: [V; 4], rows: &mut [V::Element], b: usize) {
    let to = &mut rows[W * b * V::LANES..];
    let registers = transpose_out(columns);
    if W == 4 || V::LANES < 4 {
        let mut wide = [V::Element::ZERO; 8];
        let whole = if W == 4 { &mut to[..4 * V::LANES] } else { &mut wide[..4 * V::LANES] };
        for (i, register) in registers.into_iter().enumerate() {
            register.write(&mut whole[i * V::LANES..]);
        }
        if W == 3 {
            for (to, &[x, y, z, _]) in to.as_chunks_mut().0.iter_mut().zip(wide[..4 * V::LANES].as_chunks().0) {
                *to = [x, y, z];
            }
        }
        return;
    }
    let to = &mut to[..3 * V::LANES + V::LANES / 4];
    for (i, register) in registers.into_iter().enumerate() {
        register.narrow_rows().write(&mut to[3 * i * (V::LANES / 4)..]);
    }
}

/// Four registers of rows of 4 as they lie in memory become one of each number.
#[inline(always)]
fn transpose_in<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
    match V::LANES {
        1 => [a, b, c, d],
        2 => {
            let ((x, y), (z, w)) = (a.exchange::<1>(c), b.exchange::<1>(d));
            [x, y, z, w]
        }
        _ => {
            let ((a, b), (c, d)) = (a.exchange::<1>(b), c.exchange::<1>(d));
            let ((a, c), (b, d)) = (a.exchange::<2>(c), b.exchange::<2>(d));
            [a, b, c, d]
        }
    }
}

/// What [`transpose_in`] did is undone.
#[inline(always)]
fn transpose_out<V: Vector>([x, y, z, w]: [V; 4]) -> [V; 4] {
    if V::LANES == 2 {
        let ((a, c), (b, d)) = (x.exchange::<1>(y), z.exchange::<1>(w));
        return [a, b, c, d];
    }
    // Exchanging twice gives back what was.
    transpose_in([x, y, z, w])
}

/// Sixteen registers, one for each entry of 4 x 4 matrices, become registers of the entries of one lane's matrix each: register
/// `k · LANES + j` holds entries `k · LANES…` of lane j's. And back.
#[inline(always)]
pub(super) fn transpose_matrices<V: Vector>(registers: &mut [V; 16]) {
    for k in 0..16 / V::LANES {
        transpose(&mut registers[k * V::LANES..][..V::LANES]);
    }
}
