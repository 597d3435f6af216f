//! Many tiny matrices.

use half::{bf16, f16};
use smallvec::smallvec;

use super::*;

/// Batches around the number of lanes, of matrices of every size around the most elements that a lane takes.
#[test]
fn many_tiny_matrices_agree_with_the_twin() {
    fn check<T: Lanes>(batch: usize, [m, n, k]: [usize; 3], transposed: [bool; 3], gap: usize) {
        let (mut axes, [a_len, b_len, c_len]) = plain(m, n, k, transposed, 0);
        let steps = [a_len, b_len, c_len].map(|len| len + gap);
        axes.batch = smallvec![Axis { size: batch, a: steps[0] as isize, b: steps[1] as isize, c: steps[2] as isize }];
        let (a, b) = (Numbers(1).take::<T>(batch * steps[0]), Numbers(2).take::<T>(batch * steps[1]));
        let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
        // The last matrix ends where its operand does, so that a read beyond it would be seen.
        compare(a, b, batch * steps[2], &axes);
    }
    let sizes =
        [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4], [5, 3, 7], [1, 4, 4], [4, 1, 4], [7, 9, 5], [8, 8, 8], [8, 9, 7], [64, 1, 1]];
    for (i, size) in sizes.into_iter().enumerate() {
        for (j, transposed) in TRANSPOSITIONS.into_iter().enumerate() {
            for batch in [31, 32, 33, 50] {
                check::<f32>(batch, size, transposed, (i + j) % 2);
                check::<f64>(batch, size, transposed, (i + j) % 2);
            }
        }
    }
    check::<f32>(20_000, [4, 4, 4], [false; 3], 0);
    check::<f32>(20_001, [3, 4, 4], [false, false, true], 1);
}

#[test]
fn tiny_matrices_that_several_batches_share_or_interleave_agree_with_the_twin() {
    let (n, len) = (3, 4000);
    let matrix = |step: isize| (step * n as isize, step);
    let (a, b) = (Numbers(1).take::<f64>(len), Numbers(2).take::<f64>(len));
    let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
    for (batch_a, batch_b, (row, column)) in
        [([45, 9], [9, 45], matrix(1)), ([0, 9], [9, 0], matrix(1)), ([5, 1], [1, 7], matrix(35))]
    {
        let batch = |i: usize, size: usize, c: isize| Axis { size, a: batch_a[i], b: batch_b[i], c };
        let axes = Axes {
            batch: smallvec![batch(0, 7, 45), batch(1, 5, 9)],
            rows: smallvec![Axis { size: n, a: row, b: 0, c: 3 }],
            columns: smallvec![Axis { size: n, a: 0, b: column, c: 1 }],
            contracted: smallvec![Axis { size: n, a: column, b: row, c: 0 }],
        };
        compare(a, b, 7 * 45, &axes);
    }
}

#[test]
fn what_is_not_finite_stays_in_its_matrix() {
    let count = 100;
    let (mut axes, _) = plain(4, 4, 4, [false; 3], 0);
    axes.batch = smallvec![Axis { size: count, a: 16, b: 16, c: 16 }];
    let (mut a, b) = (vec![1.0_f32; 16 * count], vec![1.0_f32; 16 * count]);
    a[37 * 16 + 5] = f32::NAN;
    a[99 * 16] = f32::NEG_INFINITY;
    let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
    for isa in simd::available() {
        let mut c = vec![0.0; 16 * count];
        product_on(isa, Scaled { alpha: 1.0, accumulate: false }, a, b, &mut c, &axes).unwrap();
        for (i, &x) in c.iter().enumerate() {
            match (i / 16, i % 16 / 4) {
                (37, 1) => assert!(x.is_nan()),
                (99, 0) => assert_eq!(x, f32::NEG_INFINITY),
                _ => assert_eq!(x, 4.0),
            }
        }
    }
}

#[test]
fn tiny_matrices_of_narrower_types_agree_with_the_twin() {
    fn check<T: Lanes>(size: [usize; 3], transposed: [bool; 3]) {
        let batch = 37;
        let [m, n, k] = size;
        let (mut axes, [a_len, b_len, c_len]) = plain(m, n, k, transposed, 0);
        axes.batch = smallvec![Axis { size: batch, a: a_len as isize, b: b_len as isize, c: c_len as isize }];
        let (a, b) = (Numbers(1).take::<f32>(batch * a_len), Numbers(2).take::<f32>(batch * b_len));
        let a16: Vec<_> = a.iter().map(|&x| bf16::from_f32(x)).collect();
        let b16: Vec<_> = b.iter().map(|&x| f16::from_f32(x)).collect();
        let wide = Numbers(3).take::<T>(batch * b_len);
        let operand = |data| Operand { data, offset: 0 };
        let c_len = batch * c_len;
        compare::<T>(operand(Stored::BF16(&a16)), operand(Stored::F16(&b16)), c_len, &axes);
        compare::<T>(operand(Stored::F32(&a)), operand(Stored::Real(&wide)), c_len, &axes);
    }
    for (i, size) in [[1, 1, 1], [2, 3, 4], [4, 4, 4], [5, 3, 7], [8, 8, 8], [7, 9, 5]].into_iter().enumerate() {
        for j in 0..2 {
            check::<f32>(size, TRANSPOSITIONS[(3 * i + j) % 8]);
            check::<f64>(size, TRANSPOSITIONS[(3 * i + j) % 8]);
        }
    }
}
