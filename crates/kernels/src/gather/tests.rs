//! Every kernel against its twin, over every way through memory, and what becomes of a wrong index.

use super::*;
use crate::naive;

/// (outer, axis, inner, indices along the axis): rows, columns in strips and in part of one, more threads than either, nothing.
fn shapes() -> Vec<[usize; 4]> {
    let mut shapes = vec![
        [1, 5, 3, 4],
        [2, 3, 1, 7],
        [3, 2, 5, 0],
        [1, 40, 300, 600],
        [2, 1, 0, 3],
        [0, 4, 2, 3],
        [1, 7, 9, 1],
        [40, 30, 20, 60],
    ];
    if !cfg!(miri) {
        shapes.extend([[4, 900, 7, 800], [1, 60_000, 1, 70_000], [1, 9000, 70, 30], [300, 700, 1, 1100], [2, 1, 40_000, 5]]);
    }
    shapes
}

/// Calls `test` with one, two and eight threads: as many as there are, for what a size allows.
fn with_threads(test: impl Fn()) {
    for threads in [1, 2, 8] {
        threads::with_count(threads, &test);
    }
}

fn indices(count: usize, axis: usize) -> Vec<i64> {
    (0..count).map(|j| (j * j * 31 % axis.max(1)) as i64).collect()
}

#[test]
fn rows_are_picked_and_added_back_as_the_twin_does() {
    with_threads(|| {
        for [outer, axis, inner, count] in shapes() {
            let dims = GatherDims { outer, axis, inner };
            let x: Vec<f64> = (0..outer * axis * inner).map(|i| i as f64 * 0.37 - 8.0).collect();
            let indices = indices(count, axis);
            let mut out = vec![0.0; outer * count * inner];
            select(&x, dims, &indices, &mut out, |x| x).unwrap();
            assert_eq!(out, naive::select(&x, dims, &indices));
            let mut back = vec![1.0; x.len()];
            select_add(&out, &indices, &mut back, dims).unwrap();
            let mut expected = vec![0.0; x.len()];
            naive::select_add(&out, &indices, &mut expected, dims);
            // Additions happen in the same order, so that every bit agrees.
            assert_eq!(back, expected);
            let (mut put, mut expected) = (vec![1.0; x.len()], x.clone());
            let source: Vec<f64> = (0..out.len()).map(|i| i as f64).collect();
            select_put(&x, &source, &indices, &mut put, dims).unwrap();
            naive::select_put(&source, &indices, &mut expected, dims);
            assert_eq!(put, expected);
        }
    });
}

type Way = fn(f64, f64) -> f64;

#[test]
fn elements_are_gathered_and_scattered_as_the_twin_does() {
    with_threads(|| {
        for [outer, axis, inner, count] in shapes() {
            let dims = GatherDims { outer, axis, inner };
            let x: Vec<f64> = (0..outer * axis * inner).map(|i| i as f64 * 0.37 - 8.0).collect();
            let index = indices(outer * count * inner, axis);
            let mut out = vec![0.0; index.len()];
            gather(&x, dims, &index, &mut out).unwrap();
            assert_eq!(out, naive::gather(&x, dims, &index));
            let source: Vec<f64> = (0..index.len()).map(|i| (i * 7919 % 1009) as f64 * 0.1 - 20.0).collect();
            let ways: [(Accumulation, Way); 4] = [
                (Accumulation::Add, |a, b| a + b),
                (Accumulation::Multiply, |a, b| a * b),
                (Accumulation::Maximum, f64::max),
                (Accumulation::Minimum, f64::min),
            ];
            for (how, f) in ways {
                // Factors near 1, so that products of a thousand of them are numbers.
                let near_one = |x: &f64| if matches!(how, Accumulation::Multiply) { 1.0 + 1e-4 * x } else { *x };
                let source: Vec<f64> = source.iter().map(near_one).collect();
                let (mut back, mut expected) = (vec![1.0; x.len()], x.clone());
                scatter(Some(&x), &source, &index, &mut back, dims, how).unwrap();
                naive::scatter(&source, &index, &mut expected, dims, f);
                assert_eq!(back, expected);
            }
            let (mut back, mut expected) = (vec![1.0; x.len()], vec![0.0; x.len()]);
            scatter(None, &source, &index, &mut back, dims, Accumulation::Add).unwrap();
            naive::scatter_add(&source, &index, &mut expected, dims);
            assert_eq!(back, expected);
            let (mut back, mut expected) = (vec![1.0; x.len()], x.clone());
            scatter_put(&x, &source, &index, &mut back, dims).unwrap();
            naive::scatter(&source, &index, &mut expected, dims, |_, new| new);
            assert_eq!(back, expected);
        }
    });
}

#[test]
fn elements_of_every_size_are_moved_bit_by_bit() {
    fn moved<A: Element>(x: &[A]) {
        let dims = GatherDims { outer: 1, axis: x.len(), inner: 1 };
        let index: Vec<i64> = (0..x.len() as i64).rev().collect();
        let (mut gathered, mut put, mut slices) = (x.to_vec(), x.to_vec(), x.to_vec());
        gather(x, dims, &index, &mut gathered).unwrap();
        scatter_put(x, x, &index, &mut put, dims).unwrap();
        select_put(x, x, &index, &mut slices, dims).unwrap();
        let expected: Vec<A> = x.iter().rev().copied().collect();
        for found in [gathered, put, slices] {
            assert_eq!(bytemuck::cast_slice::<A, u8>(&found), bytemuck::cast_slice::<A, u8>(&expected));
        }
    }
    moved(&[1_u8, 2, 255]);
    moved(&[bf16::NAN, bf16::NEG_INFINITY, bf16::ONE]);
    moved(&[f32::NAN, -0.0, 1.0]);
    moved(&[i64::MIN, -1, i64::MAX]);
}

/// The first index that a kernel tells of, for each kernel.
fn told_by(dims: GatherDims, indices_of_slices: &[i64], index: &[i64]) -> Vec<Option<i64>> {
    let GatherDims { outer, axis, inner } = dims;
    let x = vec![1.0; outer * axis * inner];
    let mut out = x.clone();
    let (mut picked, mut gathered) = (vec![1.0; outer * indices_of_slices.len() * inner], vec![1.0; index.len()]);
    let source = picked.clone();
    let elements = gathered.clone();
    [
        check(indices_of_slices, axis),
        select(&x, dims, indices_of_slices, &mut picked, |x| x),
        select_add(&source, indices_of_slices, &mut out, dims),
        select_put(&x, &source, indices_of_slices, &mut out, dims),
        check(index, axis),
        gather(&x, dims, index, &mut gathered),
        scatter(Some(&x), &elements, index, &mut out, dims, Accumulation::Add),
        scatter(None, &elements, index, &mut out, dims, Accumulation::Maximum),
        scatter_put(&x, &elements, index, &mut out, dims),
    ]
    .map(|found| found.err().map(|OutOfRange(index)| index))
    .to_vec()
}

#[test]
fn a_wrong_index_is_told_wherever_it_is() {
    with_threads(|| {
        for [outer, axis, inner, count] in shapes() {
            if outer * inner * count == 0 {
                continue;
            }
            let dims = GatherDims { outer, axis, inner };
            let (slices, index) = (indices(count, axis), indices(outer * count * inner, axis));
            assert!(told_by(dims, &slices, &index).iter().all(Option::is_none));
            for wrong in [-1, axis as i64, i64::MIN, i64::MAX] {
                for part in 0..3 {
                    let with = |indices: &[i64]| {
                        let mut indices = indices.to_vec();
                        let at = part * (indices.len() - 1) / 2;
                        indices[at] = wrong;
                        // A later one is not the first.
                        if let Some(later) = indices.get_mut(at + 1) {
                            *later = -7;
                        }
                        indices
                    };
                    let told = told_by(dims, &with(&slices), &with(&index));
                    assert!(told.iter().all(|&told| told == Some(wrong)), "{wrong} in part {part}: {told:?}");
                }
            }
        }
    });
}

#[test]
fn a_wrong_index_of_nothing_is_told_too() {
    // No element is picked from an empty slice, and yet its index is wrong.
    let dims = GatherDims { outer: 1, axis: 3, inner: 0 };
    assert_eq!(select(&[0.0_f64; 0], dims, &[1, 3], &mut [0.0_f64; 0], |x| x), Err(OutOfRange(3)));
    assert_eq!(select_add(&[0.0_f64; 0], &[1, 3], &mut [], dims), Err(OutOfRange(3)));
    assert_eq!(select_put(&[0.0_f64; 0], &[], &[-1], &mut [], dims), Err(OutOfRange(-1)));
    let none = GatherDims { outer: 1, axis: 0, inner: 1 };
    assert_eq!(gather(&[0.0_f64; 0], none, &[0], &mut [0.0]), Err(OutOfRange(0)));
    assert_eq!(scatter_put(&[0.0_f64; 0], &[1.0], &[0], &mut [], none), Err(OutOfRange(0)));
}
