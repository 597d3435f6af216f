//! Safe calls with sizes whose products or extents leave the address space: refused, never a wrapped size that passes a check.

#![forbid(unsafe_code)]
#![cfg(target_pointer_width = "64")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use monotile_kernels::attention::{self, AttentionCotangents, AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput};
use monotile_kernels::buffer::{Block, OutOfMemory};
use monotile_kernels::product::{Axes, Axis, Operand, Prepared, Stored, product};
use monotile_kernels::view::View;
use monotile_kernels::{elementwise, factor, gather, reduce, scan, softmax};

/// 4 of them and one more element than an address has values.
const QUARTER: usize = (1 << 62) + 1;
const SIXTEENTH: usize = (1 << 60) + 1;

/// Whether a call panics, as it does whose arguments do not fit.
fn refuses<R>(call: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

#[test]
fn a_block_of_more_bytes_than_there_are_is_an_error() {
    assert_eq!(Block::<u8>::new(usize::MAX).err(), Some(OutOfMemory { bytes: usize::MAX }));
    assert_eq!(Block::<f64>::new(1 << 61).err(), Some(OutOfMemory { bytes: usize::MAX }));
    assert_eq!(Block::<f32>::new(1 << 45).err(), Some(OutOfMemory { bytes: 1 << 47 }));
}

#[test]
fn a_view_whose_extent_wraps_is_none() {
    let data = [1.0_f32; 4];
    for far in [1 << 34, 100] {
        assert!(View::new(&data, 0, &[usize::MAX, usize::MAX, 2], &[isize::MAX, isize::MAX, far]).is_none());
    }
    for batch in [QUARTER, SIXTEENTH] {
        assert!(View::new(&data, 0, &[batch, 4, 4], &[0, 0, 1]).is_none());
        assert!(View::new(&data, 0, &[batch, 1, 4, 0], &[0; 4]).is_none());
    }
}

#[test]
fn a_product_over_more_indices_than_fit_is_refused_and_runs_nowhere() {
    let data = [1.0_f32; 64];
    let axis = |size, a, b, c| Axis { size, a, b, c };
    let operand = Operand { data: Stored::Real(&data[..]), offset: 0 };
    let huge = [
        // The extent of A wraps.
        Axes {
            batch: [axis(usize::MAX, isize::MAX, 0, 0), axis(usize::MAX, isize::MAX, 0, 0)].into_iter().collect(),
            rows: [axis(2, 1 << 34, 0, 1)].into_iter().collect(),
            ..Axes::default()
        },
        // The counts wrap, all strides being 0.
        Axes {
            batch: [axis(QUARTER, 0, 0, 0)].into_iter().collect(),
            rows: [axis(4, 1, 0, 1)].into_iter().collect(),
            ..Axes::default()
        },
        // No element, and sizes that wrap all the same.
        Axes {
            rows: [axis(1 << 40, 0, 0, 0), axis(0, 0, 0, 0)].into_iter().collect(),
            contracted: [axis(1 << 40, 0, 0, 0)].into_iter().collect(),
            ..Axes::default()
        },
        // Each operand fits, their product does not.
        Axes {
            rows: [axis(1 << 30, 0, 0, 0)].into_iter().collect(),
            columns: [axis(1 << 30, 0, 0, 0)].into_iter().collect(),
            contracted: [axis(1 << 30, 0, 0, 0)].into_iter().collect(),
            ..Axes::default()
        },
    ];
    for axes in &huge {
        assert!(Prepared::new(axes).is_none(), "{axes:?}");
        assert!(refuses(|| product(1.0_f32, operand, operand, &mut [0.0; 4], axes)), "{axes:?}");
    }
    // Steps in an operand that does not have the dimension are not taken.
    let rows = (0..8).map(|i| axis(2, 1 << i, 1 << 40, 1 << i)).collect();
    let axes = Axes { rows, contracted: [axis(1, 0, 0, 1 << 40)].into_iter().collect(), ..Axes::default() };
    let (mut c, data) = (vec![0.0_f32; 256], vec![1.0_f32; 256]);
    let operand = Operand { data: Stored::Real(&data[..]), offset: 0 };
    product(1.0, operand, operand, &mut c, &axes).unwrap();
    assert_eq!(c, data);
    // A table of offsets that no memory holds.
    let contracted = [axis(1 << 49, 0, 0, 0), axis(2, 1, 1, 0)].into_iter().collect();
    let axes = Axes { rows: [axis(3, 0, 0, 1)].into_iter().collect(), contracted, ..Axes::default() };
    assert_eq!(product(1.0, operand, operand, &mut [0.0; 3], &axes), Err(OutOfMemory { bytes: 1 << 53 }));
}

#[test]
fn attention_of_more_rows_than_fit_is_refused() {
    let data = [1.0_f32; 8];
    let none = [0, 0, 0, 1];
    let view = |shape: &'static [usize; 4]| View::new(&data, 0, shape, &[0; 4]);
    assert!(view(&[QUARTER, 1, 4, 8]).is_none() && view(&[QUARTER, 1, 4, 0]).is_none());
    // Each operand fits; packed keys would not.
    let wide = [1, 1, 1, 1 << 59];
    let q = View::new(&data, 0, &wide, &[0; 4]).unwrap();
    let v = View::new(&data, 0, &[1, 1, 1, 3], &none).unwrap();
    let x = AttentionInputs { q, k: q, v, scale: 1.0, causal: false, mask: AttentionMask::None };
    let (mut out, mut lse) = ([0.0; 3], [0.0]);
    let output = AttentionOutput::row_major(&mut out, &mut lse, [1, 1, 3]);
    assert!(attention::forward(&x, output).is_err());
    let cotangents = AttentionCotangents { out: v, lse: &[0.0], dout: v, dlse: None };
    let mut dv = [0.0; 3];
    assert!(attention::backward(&x, &cotangents, AttentionGradients { dv: Some(&mut dv), ..Default::default() }).is_err());
    // Strides of an output that wrap lie outside of it.
    let two = [2, 1, 1, 3];
    let v = View::new(&data, 0, &two, &none).unwrap();
    let x = AttentionInputs { q: v, k: v, v, scale: 1.0, causal: false, mask: AttentionMask::None };
    let output = AttentionOutput { out: &mut [0.0; 8], strides: [usize::MAX, 3, 3], lse: &mut [0.0; 2] };
    assert!(refuses(|| attention::forward(&x, output)));
}

#[test]
fn lengths_that_fit_a_wrapped_product_alone_are_refused() {
    let data = [1.0_f32; 64];
    let dims = gather::GatherDims { outer: 1 << 32, axis: 1 << 32, inner: 1 };
    assert!(refuses(|| gather::select(&data[..0], dims, &[], &mut [0.0_f32; 0], |x| x)));
    assert!(refuses(|| gather::gather(&data[..0], dims, &[0], &mut [0.0_f32])));
    let dims = gather::GatherDims { outer: 1 << 62, axis: 4, inner: 16 };
    assert!(refuses(|| gather::select(&data[..0], dims, &[0], &mut [0.0_f32; 0], |x| x)));
    assert!(refuses(|| softmax::softmax(&data, 1 << 62, false, &mut [0.0; 64])));
    assert!(refuses(|| scan::cumulative_sum(&data, 1 << 62, 4, &mut [0.0; 64]).unwrap()));
    let factored = factor::lu::Factored { factors: &data[..0], order: &[0; 2], n: 1 << 63 };
    assert!(refuses(|| factor::lu::lu_solve(factored, false, &[1.0_f32], &mut [0.0])));
}

#[test]
fn empty_views_of_huge_sizes_are_done_at_once() {
    let data = [1.0_f32; 4];
    const HUGE: usize = 1 << 58;
    let empty = View::new(&data, 0, &[HUGE, 0, 2], &[1, 1, 1]).unwrap();
    elementwise::unary(empty, &mut [], |x: f32| x);
    elementwise::copy(empty, &mut []);
    assert_eq!(empty.iter().count(), 0);
    let mut two = [7.0; 2];
    reduce::sum(empty, &[0, 1], &mut two).unwrap();
    assert_eq!(two, [0.0; 2]);
    let mut at = [7; 2];
    reduce::argmax(empty, &[0, 1], &mut at).unwrap();
    assert_eq!(at, [0; 2]);
    let matrices = View::new(&data, 0, &[HUGE, 0, 0], &[1, 1, 1]).unwrap();
    factor::cholesky::cholesky(matrices, &mut []).unwrap();
    factor::inverse::inverse(matrices, &mut []).unwrap();
    factor::eigh::eigh(matrices, &mut [], &mut []).unwrap();
    factor::svd::svd(matrices, factor::svd::Vectors::Full, &mut [], &mut [], &mut []).unwrap();
    factor::qr::qr(matrices, factor::qr::Kind { full: true, non_negative: false }, &mut [], &mut []).unwrap();
    factor::lu::lu(matrices, &mut [], &mut []).unwrap();
}
