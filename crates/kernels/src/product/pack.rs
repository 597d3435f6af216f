//! Packing: copies of an operand's elements in the order in which the micro-kernel reads them.
//!
//! A panel holds `width` neighbouring rows of A (or columns of B, its *lanes*) over `depth` contracted indices, all
//! lanes of one contracted index together: P[κ · width + lane]. Lanes beyond the operand's are 0. Stored types narrower
//! than the computation are widened here.

use half::{bf16, f16};

use super::Stored;
use super::axes::Offsets;
use crate::real::Real;
use crate::simd::{Lanes, MAX_LANES, Vector};

/// A stored type, and how registers of it are loaded as `V`.
trait Read<V: Vector> {
    type Item: Copy;

    /// # Safety
    /// As for [`Vector::load`].
    unsafe fn load(from: *const Self::Item) -> V;

    /// The first `n` lanes, 0 in the others.
    ///
    /// # Safety
    /// As for [`Vector::load_first`].
    #[inline(always)]
    unsafe fn load_first(from: *const Self::Item, n: usize) -> V {
        let mut lanes = [V::Element::ZERO; MAX_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: i < n, and the caller knows that n elements are readable.
            *lane = Self::widen(unsafe { *from.add(i) });
        }
        // SAFETY: a register has at most `MAX_LANES` lanes; the rest is the caller's duty.
        unsafe { V::load(lanes.as_ptr()) }
    }

    fn widen(x: Self::Item) -> V::Element;
}

/// The type of the computation itself.
struct Same;

impl<V: Vector> Read<V> for Same {
    type Item = V::Element;

    #[inline(always)]
    unsafe fn load(from: *const V::Element) -> V {
        // SAFETY: the caller's duty.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const V::Element, n: usize) -> V {
        // SAFETY: the caller's duty.
        unsafe { V::load_first(from, n) }
    }
    #[inline(always)]
    fn widen(x: V::Element) -> V::Element {
        x
    }
}

macro_rules! narrower {
    ($t:ident, $load:ident) => {
        impl<V: Vector<Element: Lanes>> Read<V> for $t {
            type Item = $t;

            #[inline(always)]
            unsafe fn load(from: *const $t) -> V {
                // SAFETY: the caller's duty.
                unsafe { V::$load(from) }
            }
            #[inline(always)]
            fn widen(x: $t) -> V::Element {
                x.into()
            }
        }
    };
}
narrower!(f32, load_f32);
narrower!(bf16, load_bf16);
narrower!(f16, load_f16);

/// An operand as packing sees it: where its lanes and contracted indices lie, and the code that reads its stored type.
pub(super) struct Source<T> {
    first: Address,
    bytes: usize,
    pack: Pack<T>,
    pub(super) lanes: Offsets,
    pub(super) depth: Offsets,
}

/// Packs the panel of the matrix whose index 0…0 lies at an address.
type Pack<T> = unsafe fn(*const (), &Source<T>, &Panel, *mut T);

struct Address(*const ());

// SAFETY: the address is of a slice that the product borrows shared until it is done.
unsafe impl Send for Address {}
// SAFETY: as above; it is only read through.
unsafe impl Sync for Address {}

/// The part of an operand that a panel holds.
pub(super) struct Panel {
    pub(super) lane: usize,
    pub(super) lanes: usize,
    pub(super) depth: std::ops::Range<usize>,
    /// Elements of the panel for each contracted index, at least `lanes`.
    pub(super) width: usize,
}

impl<T: Lanes> Source<T> {
    /// `offset` is the position of index 0…0, and every index over `lanes` and `depth` (and a batch) lies in `data`.
    pub(super) fn new<V: Vector<Element = T>>(data: Stored<'_, T>, offset: usize, lanes: Offsets, depth: Offsets) -> Self {
        let (first, bytes, pack): (*const (), _, Pack<T>) = match data {
            Stored::Real(x) => (x.as_ptr().wrapping_add(offset).cast(), size_of::<T>(), pack_entered::<V, Same>),
            Stored::F32(x) => (x.as_ptr().wrapping_add(offset).cast(), 4, pack_entered::<V, f32>),
            Stored::BF16(x) => (x.as_ptr().wrapping_add(offset).cast(), 2, pack_entered::<V, bf16>),
            Stored::F16(x) => (x.as_ptr().wrapping_add(offset).cast(), 2, pack_entered::<V, f16>),
        };
        Self { first: Address(first), bytes, pack, lanes, depth }
    }

    /// Packs a panel of the matrix that lies `batch` elements further on.
    ///
    /// # Safety
    /// The processor has the instruction set of the `V` that this source was made for; the panel lies within the
    /// operand; `to` has room for `panel.depth.len() * panel.width` elements.
    pub(super) unsafe fn pack(&self, batch: isize, panel: &Panel, to: *mut T) {
        let from = self.first.0.wrapping_byte_offset(batch * self.bytes as isize);
        // SAFETY: the caller's duty.
        unsafe { (self.pack)(from, self, panel, to) }
    }
}

unsafe fn pack_entered<V: Vector<Element: Lanes>, R: Read<V>>(
    from: *const (),
    source: &Source<V::Element>,
    panel: &Panel,
    to: *mut V::Element,
) {
    // SAFETY: the caller's duty.
    unsafe {
        V::enter(
            #[inline(always)]
            || pack_panel::<V, R>(from.cast(), source, panel, to),
        )
    }
}

#[inline(always)]
unsafe fn pack_panel<V: Vector<Element: Lanes>, R: Read<V>>(
    from: *const R::Item,
    source: &Source<V::Element>,
    panel: &Panel,
    to: *mut V::Element,
) {
    let lanes = &source.lanes.as_slice()[panel.lane..panel.lane + panel.lanes];
    let depth = &source.depth.as_slice()[panel.depth.clone()];
    let width = panel.width;
    // SAFETY: every element read is that of a lane and a contracted index of the operand, all of which the door of the
    // product checked. A full store that runs over the lanes of its contracted index runs into those of the next ones,
    // which are written after it; none runs over the end of the panel.
    unsafe {
        if source.lanes.adjacent(panel.lane, panel.lanes) {
            let from = from.offset(lanes[0]);
            for (k, &at) in depth.iter().enumerate() {
                let (from, to) = (from.offset(at), to.add(k * width));
                for v in (0..width).step_by(V::LANES) {
                    let x = match panel.lanes.saturating_sub(v) {
                        n if n >= V::LANES => R::load(from.add(v)),
                        0 => V::splat(V::Element::ZERO),
                        n => R::load_first(from.add(v), n),
                    };
                    if k * width + v + V::LANES <= depth.len() * width {
                        x.store(to.add(v))
                    } else {
                        x.store_first(to.add(v), width - v)
                    }
                }
            }
            return;
        }
        let mut k = 0;
        while k < depth.len() {
            if k + V::LANES <= depth.len() && source.depth.adjacent(panel.depth.start + k, V::LANES) {
                for v in (0..width).step_by(V::LANES) {
                    let mut block = [V::splat(V::Element::ZERO); MAX_LANES];
                    let block = &mut block[..V::LANES];
                    for (x, &lane) in block.iter_mut().zip(lanes.get(v..).unwrap_or(&[])) {
                        *x = R::load(from.offset(lane + depth[k]));
                    }
                    transpose(block);
                    for (i, x) in block.iter().enumerate() {
                        let to = to.add((k + i) * width + v);
                        // The next indices are not yet written only while the first lanes are.
                        let over = v == 0 && (k + i) * width + V::LANES <= depth.len() * width;
                        if over || v + V::LANES <= width { x.store(to) } else { x.store_first(to, width - v) }
                    }
                }
                k += V::LANES;
            } else {
                let to = to.add(k * width);
                (0..width).for_each(|i| *to.add(i) = V::Element::ZERO);
                for (i, &lane) in lanes.iter().enumerate() {
                    *to.add(i) = R::widen(*from.offset(lane + depth[k]));
                }
                k += 1;
            }
        }
    }
}

/// Transposes a square block: lane j of register i goes to lane i of register j.
#[inline(always)]
unsafe fn transpose<V: Vector>(block: &mut [V]) {
    #[inline(always)]
    unsafe fn step<V: Vector, const S: usize>(block: &mut [V]) {
        if S < V::LANES {
            for i in 0..V::LANES {
                if i & S == 0 {
                    // SAFETY: S is below LANES; the instruction set is the caller's duty.
                    (block[i], block[i + S]) = unsafe { block[i].exchange::<S>(block[i + S]) };
                }
            }
        }
    }
    // SAFETY: the instruction set is the caller's duty.
    unsafe {
        step::<V, 1>(block);
        step::<V, 2>(block);
        step::<V, 4>(block);
        step::<V, 8>(block);
    }
}
