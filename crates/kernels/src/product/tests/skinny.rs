//! Nine to 32 rows with a matrix so large that it is read as it lies.

use half::{bf16, f16};

use super::*;

/// Rows around those of the groups in which they take turns.
const ROWS: [usize; 7] = [9, 12, 13, 20, 24, 25, 32];
/// A large matrix with a part, a strip and a register of each kind that is not whole.
const N: usize = 683;
const K: usize = 1541;

#[test]
fn groups_of_rows_agree_with_the_twin() {
    for (i, m) in ROWS.into_iter().enumerate() {
        for transposed in [[i % 2 == 0, true, i % 3 == 0], [i % 2 == 1, false, i % 3 == 1]] {
            check_plain::<f32>(m, N, K, transposed, i % 3);
        }
        check_plain::<f64>(m, N, K, [i % 2 == 0, i % 4 > 1, false], i % 2);
        // The few of C's columns.
        check_plain::<f32>(N, m, K, [i % 2 == 0, false, false], 0);
    }
    // Fewer columns than work for several threads: the contracted indices in segments.
    check_plain::<f32>(10, 31, 33_900, [false, true, false], 0);
    check_plain::<f32>(17, 31, 33_900, [true, false, false], 1);
}

#[test]
fn groups_of_rows_widen_what_is_stored() {
    for transposed in [[false, true, false], [true, false, false]] {
        let (axes, [a_len, b_len, c_len]) = plain(14, N, K, transposed, 0);
        let (a, b) = (Numbers(1).take::<f32>(a_len), Numbers(2).take::<f32>(b_len));
        let narrow: Vec<_> = a.iter().map(|&x| f16::from_f32(x)).collect();
        let wide: Vec<_> = b.iter().map(|&x| bf16::from_f32(x)).collect();
        let operand = |data| Operand { data, offset: 0 };
        compare::<f32>(operand(Stored::Real(&a)), operand(Stored::BF16(&wide)), c_len, &axes);
        compare::<f32>(operand(Stored::F16(&narrow)), operand(Stored::BF16(&wide)), c_len, &axes);
        let stored = Stored::<f64>::F32(&b);
        compare::<f64>(Operand { data: Stored::F16(&narrow), offset: 0 }, Operand { data: stored, offset: 0 }, c_len, &axes);
    }
}
