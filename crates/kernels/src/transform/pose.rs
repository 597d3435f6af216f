//! Poses T R S as 4 x 4 matrices, and their inverses.

use super::CHUNK;
use super::broadcast_rows::{BroadcastRows, RowReader, row_of_lane, transpose_matrices};
use super::formulas;
use crate::compiled::compiled;
use crate::params::params;
use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, dispatch_on, isa};
use crate::threads;

/// What poses are made of: rows of 3, 4 and 3 numbers.
#[derive(Clone, Copy)]
pub struct PoseParts<'a, T> {
    /// Where the origin goes.
    pub translation: BroadcastRows<'a, T>,
    /// Quaternions x y z w of length 1.
    pub rotation: BroadcastRows<'a, T>,
    /// Factors along the axes.
    pub scale: BroadcastRows<'a, T>,
}

compiled! {
    /// Writes the matrices T R S, row by row, or, where `inverse`, S⁻¹ Rᵀ T⁻¹.
    ///
    /// # Panics
    /// If the parts are not one row each, or as many as there are matrices.
    pub fn compose<T: Lanes>(parts: PoseParts<'_, T>, inverse: bool, out: &mut [T]) {
        compose_on(isa(), parts, inverse, out);
    }
}

pub(super) fn compose_on<T: Lanes>(isa: Isa, parts: PoseParts<'_, T>, inverse: bool, out: &mut [T]) {
    let count = out.len() / 16;
    assert!(out.len().is_multiple_of(16), "matrices of 16 numbers");
    let PoseParts { translation, rotation, scale } = parts;
    assert!(translation.fit(3, count) && rotation.fit(4, count) && scale.fit(3, count), "parts of each pose");
    threads::split_mut(out, 16 * CHUNK, threads::parts(count, params().cost.pose_ns), |start, out| {
        let first = start / 16;
        if inverse {
            dispatch_on(isa, PosePart::<T, true> { parts, first, out });
        } else {
            dispatch_on(isa, PosePart::<T, false> { parts, first, out });
        }
    });
}

/// One thread's matrices, from number `first` on.
struct PosePart<'a, T, const INVERSE: bool> {
    parts: PoseParts<'a, T>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Lanes, const INVERSE: bool> Kernel<T> for PosePart<'_, T, INVERSE> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let PoseParts { translation, rotation, scale } = self.parts;
        let (mut translation, mut rotation, mut scale) =
            (RowReader::new(translation), RowReader::new(rotation), RowReader::new(scale));
        for (k, out) in self.out.chunks_mut(16 * CHUNK).enumerate() {
            let (start, count) = (self.first + k * CHUNK, out.len() / 16);
            let t = translation.blocks(start, count, V::LANES);
            let q = rotation.blocks(start, count, V::LANES);
            let s = scale.blocks(start, count, V::LANES);
            for (b, out) in out.chunks_mut(16 * V::LANES).enumerate() {
                let mut entries = matrix::<V, INVERSE>(isa, t.columns(isa, b), q.columns(isa, b), s.columns(isa, b));
                transpose_matrices(&mut entries);
                for j in 0..V::LANES {
                    let Some(to) = out.get_mut(16 * row_of_lane::<V>(j)..).and_then(|out| out.first_chunk_mut::<16>()) else {
                        continue;
                    };
                    for k in 0..16 / V::LANES {
                        entries[k * V::LANES + j].write(&mut to[k * V::LANES..]);
                    }
                }
            }
        }
    }
}

/// The entries of the matrices, row by row.
#[inline(always)]
fn matrix<V: Vector, const INVERSE: bool>(isa: Enabled<V>, t: [V; 4], q: [V; 4], s: [V; 4]) -> [V; 16] {
    let (zero, one) = (isa.zero(), isa.constant(1.0));
    let (t, s) = ([t[0], t[1], t[2]], [s[0], s[1], s[2]]);
    let rows = if INVERSE { formulas::pose_inverse(t, q, s, one) } else { formulas::pose(t, q, s, one) };
    let mut m = [zero; 16];
    for i in 0..3 {
        for j in 0..4 {
            m[4 * i + j] = rows[i][j];
        }
    }
    m[15] = one;
    m
}
