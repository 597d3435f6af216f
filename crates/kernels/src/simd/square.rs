//! As many registers as a register has lanes.

use std::ops::{Deref, DerefMut};

use super::{Enabled, Vector};

/// `LANES` registers of `LANES` numbers: a slice of registers whose length the compiler knows, so that it can stay in them.
pub struct Square<V: Vector>(V::Registers);

impl<V: Vector> Clone for Square<V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vector> Copy for Square<V> {}

impl<V: Vector> Square<V> {
    /// All 0.
    #[inline(always)]
    pub fn zero(isa: Enabled<V>) -> Self {
        Self(V::registers(isa.zero()))
    }

    /// Lane j of register i goes to lane i of register j.
    #[inline(always)]
    pub fn transpose(&mut self) {
        transpose(self);
    }
}

impl<V: Vector> Deref for Square<V> {
    type Target = [V];

    #[inline(always)]
    fn deref(&self) -> &[V] {
        self.0.as_ref()
    }
}

impl<V: Vector> DerefMut for Square<V> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [V] {
        self.0.as_mut()
    }
}

/// [`Square::transpose`] of the first `LANES` registers.
///
/// # Panics
/// If there are fewer.
#[inline(always)]
pub fn transpose<V: Vector>(block: &mut [V]) {
    #[inline(always)]
    fn step<V: Vector, const S: usize>(block: &mut [V]) {
        if S < V::LANES {
            for i in 0..V::LANES {
                if i & S == 0 {
                    (block[i], block[i + S]) = block[i].exchange::<S>(block[i + S]);
                }
            }
        }
    }
    step::<V, 1>(block);
    step::<V, 2>(block);
    step::<V, 4>(block);
    step::<V, 8>(block);
}
