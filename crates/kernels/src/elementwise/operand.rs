//! Operands as a map reads them: a row of a tile at a time.

use super::tiles::{OutputTile, TileOrder};
use super::transpose::transpose_tile;
use super::walk::{AdjacentDim, StridedWalk};
use super::{CHUNK, copy};
use crate::buffer::Block;
use crate::real::Element;
use crate::shape::count;
use crate::simd::prefetch;
use crate::view::View;

/// How many times at least a small operand that lies across the result is repeated, to be copied first.
const REPEATED: usize = 4;

/// An operand before the way through the result is known.
pub(super) struct MapOperand<'a, A: Element> {
    view: View<'a, A>,
    /// The elements in the order of the result, once each, and their steps: of an operand that lies across and is repeated.
    compact: Option<(Block<A>, Vec<isize>)>,
}

impl<'a, A: Element> MapOperand<'a, A> {
    pub(super) fn new(view: View<'a, A>) -> Self {
        Self { compact: compact(view), view }
    }

    pub(super) fn view(&self) -> View<'_, A> {
        match &self.compact {
            Some((block, strides)) => View::new(block, 0, self.view.shape(), strides).expect("steps of a copy of this shape"),
            None => self.view,
        }
    }

    pub(super) fn across(&self) -> Option<AdjacentDim> {
        if self.view.as_slice().is_some() { None } else { StridedWalk::new(self.view()).across() }
    }
}

fn compact<A: Element>(view: View<'_, A>) -> Option<(Block<A>, Vec<isize>)> {
    if !view.strides().contains(&0) {
        return None;
    }
    let once: Vec<usize> = view.shape().iter().zip(view.strides()).map(|(&n, &s)| if s == 0 { 1 } else { n }).collect();
    let len = count(&once);
    let view_once = view.with_dimensions(&once, view.strides());
    if len == 0 || view.len() / len < REPEATED || StridedWalk::new(view_once).across().is_none() {
        return None;
    }
    // Without memory for it the operand is gathered as it lies.
    let mut block = Block::new(len).ok()?;
    copy(view_once, &mut block);
    let mut step = 1;
    let mut strides = vec![0; once.len()];
    for (d, &n) in once.iter().enumerate().rev() {
        if view.strides()[d] != 0 {
            strides[d] = step;
            step *= n as isize;
        }
    }
    Some((block, strides))
}

/// An operand of one map.
pub(super) enum OperandSource<'a, A> {
    /// It lies in order.
    Slice(&'a [A]),
    /// Tiles of it are transposed.
    Across(StridedWalk<'a, A>),
    /// It is gathered row by row.
    Strided(StridedWalk<'a, A>),
}

impl<'a, A: Element> OperandSource<'a, A> {
    pub(super) fn new(view: View<'a, A>, tiles: &TileOrder) -> Self {
        if let Some(slice) = view.as_slice() {
            return Self::Slice(slice);
        }
        let walk = StridedWalk::new(view);
        if tiles.across.is_some() && walk.across() == tiles.across { Self::Across(walk) } else { Self::Strided(walk) }
    }

    pub(super) fn reader(&self) -> OperandReader<'_, A> {
        OperandReader { source: self, buffer: [A::zeroed(); CHUNK], held: None }
    }
}

/// What one thread reads an operand through.
pub(super) struct OperandReader<'a, A> {
    source: &'a OperandSource<'a, A>,
    buffer: [A; CHUNK],
    /// Where in memory the elements in the buffer begin, and how many they are, if that says which they are.
    held: Option<(usize, usize)>,
}

impl<A: Element> OperandReader<'_, A> {
    /// The elements of a row of a tile, whose rows must be asked for in order.
    #[inline(always)]
    pub(super) fn row(&mut self, tile: &OutputTile, row: usize) -> &[A] {
        let (start, len) = (tile.first + row * tile.step, tile.columns);
        match self.source {
            OperandSource::Slice(slice) => {
                if tile.rows > 1 {
                    // The rows of the next tile, too short for the processor to predict.
                    for ahead in (len..2 * len).step_by(64 / size_of::<A>()) {
                        prefetch(slice.as_ptr().wrapping_add(start + ahead));
                    }
                }
                &slice[start..start + len]
            }
            OperandSource::Across(walk) => {
                if row == 0 {
                    // The tile's rows are neighbours in memory and its columns apart by the step of a row, as the tiles' and
                    // this operand's way across are the same.
                    transpose_tile(walk.data(), walk.position(start), walk.row.1, (tile.rows, len), &mut self.buffer);
                }
                &self.buffer[row * len..(row + 1) * len]
            }
            OperandSource::Strided(walk) => match walk.run(start, len) {
                Some(run) => run,
                None => {
                    // Rows that are all the same, or one number of a row: often gathered already.
                    let (size, step) = walk.row;
                    let known = walk.repeats() || (step == 0 && start % size + len <= size);
                    let held = known.then(|| (walk.position(start), len));
                    if held.is_none() || held != self.held {
                        walk.gather(start, &mut self.buffer[..len]);
                        self.held = held;
                    }
                    &self.buffer[..len]
                }
            },
        }
    }
}
