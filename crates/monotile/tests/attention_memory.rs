//! Attention's memory beyond operands and results, counted by the allocator, and by the pool, whose large pages no allocator sees.
//!
//! One test alone in this file: another on a second thread would be counted too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use monotile::attention::{AttentionOptions, scaled_dot_product_attention};
use monotile::tape::{BackwardMode, vjp};
use monotile::{DType, Rng};
use monotile_kernels::pool;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Ordering::SeqCst) + layout.size(), Ordering::SeqCst);
        // SAFETY: the caller's duty is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes held at most while `f` runs, above those held when it began; what both count, counts twice.
fn extra<R>(f: impl FnOnce() -> R) -> (usize, R) {
    let (before, pooled) = (HELD.load(Ordering::SeqCst), pool::reset_peak());
    PEAK.store(before, Ordering::SeqCst);
    let result = f();
    (PEAK.load(Ordering::SeqCst) - before + pool::peak() - pooled, result)
}

#[test]
fn memory_beyond_operands_and_results_stays_below_their_size_at_16384() {
    // Memory that the pool keeps for later would be taken again unseen.
    pool::set_retained_limit(0);
    let shape = [1, 1, 16_384, 32];
    let one = shape.iter().product::<usize>() * 4;
    let draw = |seed| Rng::new(seed).normal(&shape, DType::F32).unwrap();
    let [q, k, v] = [1, 2, 3].map(|seed| draw(seed).requires_grad());
    let cotangent = draw(4);
    let operands_and_output = 4 * one;

    let (forward, out) = extra(|| scaled_dot_product_attention(&q, &k, &v, &AttentionOptions::default()).unwrap());
    let forward = forward - one;
    assert!(forward < operands_and_output, "forward takes {forward} bytes more, operands and output {operands_and_output}");

    let (backward, gradients) = extra(|| vjp(&[(&out, &cotangent)], &[&q, &k, &v], BackwardMode::Plain).unwrap());
    let backward = backward - 3 * one;
    assert!(backward < operands_and_output, "backward takes {backward} bytes more, operands and output {operands_and_output}");
    assert!(gradients.iter().all(|g| g.as_ref().is_some_and(|g| g.shape() == shape)));
    println!("forward {forward}, backward {backward}, operands and output {operands_and_output} bytes");
}
