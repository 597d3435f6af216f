//! Products of many contracted indices, and operands whose rows collide in the caches.

use half::bf16;
use smallvec::smallvec;

use super::*;

#[test]
fn sums_over_segments_agree_with_the_twin() {
    let sizes = [(9, 9, 4095), (9, 10, 4096), (9, 16, 4097), (14, 17, 6143), (15, 9, 6145), (10, 11, 17_000)];
    for (i, (m, n, k)) in sizes.into_iter().enumerate() {
        for transposed in TRANSPOSITIONS {
            check_plain::<f32>(m, n, k, transposed, i % 2);
        }
        check_plain::<f64>(m, n, k, TRANSPOSITIONS[i], i % 2);
    }
    check_plain::<f32>(128, 128, 4096, [false, true, false], 0);
    check_plain::<f32>(128, 129, 4096, [true, false, false], 0);
}

/// A product whose contracted index is innermost in both operands, with rows `apart` elements apart.
fn rows_apart([m, n, k]: [usize; 3], apart: usize) -> (Axes, [usize; 3]) {
    let axes = Axes {
        batch: smallvec![],
        rows: smallvec![Axis { size: m, a: apart as isize, b: 0, c: n as isize }],
        columns: smallvec![Axis { size: n, a: 0, b: apart as isize, c: 1 }],
        contracted: smallvec![Axis { size: k, a: 1, b: 1, c: 0 }],
    };
    (axes, [(m - 1) * apart + k, (n - 1) * apart + k, m * n])
}

#[test]
fn rows_that_collide_in_the_cache_agree_with_the_twin() {
    // A multiple of 4 KiB in every type; runs around what is copied at once, the last row ending with its operand.
    let apart = 2048;
    for (i, k) in [1, 31, 32, 63, 64, 127, 128, 129, 255, 256, 300, 1153].into_iter().enumerate() {
        let (m, n) = [(20, 33), (300, 9), (13, 270), (17, 64)][i % 4];
        let (axes, [a_len, b_len, c_len]) = rows_apart([m, n, k], apart);
        let (a, b) = (Numbers(1).take::<f64>(a_len), Numbers(2).take::<f64>(b_len));
        let [x, y] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
        compare(x, y, c_len, &axes);
        let [a, b] = [a, b].map(|x| x.into_iter().map(|x| x as f32).collect::<Vec<_>>());
        let [x, y] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
        compare(x, y, c_len, &axes);
        let narrow: Vec<_> = b.iter().map(|&x| bf16::from_f32(x)).collect();
        compare(x, Operand { data: Stored::BF16(&narrow), offset: 0 }, c_len, &axes);
    }
}
