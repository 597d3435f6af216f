//! Numbers that are worked on together: loops over them become vector instructions inside `simd::run`.

/// One register of the widest instruction set, or a few of another.
pub(super) const LANES: usize = 16;

/// A number a pixel.
pub(super) type Lanes = [f32; LANES];

/// The number that `f` has for each lane.
#[inline(always)]
pub(super) fn each(mut f: impl FnMut(usize) -> f32) -> Lanes {
    let mut to = [0.0; LANES];
    for lane in 0..LANES {
        to[lane] = f(lane);
    }
    to
}

/// Whether any lane is set.
#[inline(always)]
pub(super) fn any(lanes: &[bool; LANES]) -> bool {
    let mut found = false;
    for lane in lanes {
        found |= lane;
    }
    found
}
