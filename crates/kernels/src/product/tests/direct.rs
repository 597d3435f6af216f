//! Products that are cut into small ones, which read their operands where they lie.

use smallvec::smallvec;

use super::*;

/// The sizes around the edges of a tile, on both sides of the fewest for which a dimension is split.
const SIZES: [usize; 10] = [7, 8, 13, 14, 15, 16, 17, 31, 33, 48];

/// Dimensions of these sizes, of which A has all but the columns and so on, each operand laid out in its own order from
/// the innermost: outer rows, rows, outer columns, columns, contracted.
fn split(sizes: [usize; 5], orders: [&[usize]; 3], gap: usize) -> (Axes, [usize; 3]) {
    let mut strides = [[0; 5]; 3];
    let mut lens = [0; 3];
    for (x, order) in orders.into_iter().enumerate() {
        let (of, len) = lay_out(&order.iter().map(|&d| sizes[d]).collect::<Vec<_>>(), &(0..order.len()).collect::<Vec<_>>(), gap);
        order.iter().zip(of).for_each(|(&d, stride)| strides[x][d] = stride);
        lens[x] = len;
    }
    let axis = |d: usize| Axis { size: sizes[d], a: strides[0][d], b: strides[1][d], c: strides[2][d] };
    let axes = Axes {
        batch: smallvec![],
        rows: smallvec![axis(0), axis(1)],
        columns: smallvec![axis(2), axis(3)],
        contracted: smallvec![axis(4)],
    };
    (axes, lens)
}

fn check_split<T: Lanes>(sizes: [usize; 5], orders: [&[usize]; 3], gap: usize) {
    let (axes, [a_len, b_len, c_len]) = split(sizes, orders, gap);
    let (a, b) = (Numbers(1).take::<T>(a_len), Numbers(2).take::<T>(b_len));
    let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
    compare(a, b, c_len + 3, &axes);
}

#[test]
fn rows_and_columns_of_two_dimensions_agree_with_the_twin() {
    // Orders that leave both dimensions apart, and in which columns of B or rows of A or of C are neighbours.
    let a: [&[usize]; 3] = [&[4, 1, 0], &[1, 4, 0], &[0, 4, 1]];
    let b: [&[usize]; 3] = [&[3, 4, 2], &[4, 3, 2], &[2, 4, 3]];
    let c: [&[usize]; 4] = [&[3, 1, 2, 0], &[1, 3, 0, 2], &[3, 0, 1, 2], &[1, 2, 3, 0]];
    let mut i = 0;
    for m in SIZES {
        for n in SIZES {
            let k = [1, 5, 16, 24, 33][i % 5];
            let (outer_rows, outer_columns) = [(3, 1), (1, 3), (2, 3), (5, 2)][i % 4];
            let orders = [a[i % 3], b[i / 3 % 3], c[i / 9 % 4]];
            check_split::<f32>([outer_rows, m, outer_columns, n, k], orders, i % 2);
            check_split::<f64>([outer_rows, m, outer_columns, n, k], orders, (i + 1) % 2);
            i += 1;
        }
    }
}

#[test]
fn tall_and_wide_products_agree_with_the_twin() {
    for (i, few) in [9, 13, 14, 15, 28, 32, 33, 63, 64, 65].into_iter().enumerate() {
        for (j, many) in [255, 256, 257, 287, 289, 1023].into_iter().enumerate() {
            let k = [1, 7, 16, 24, 63, 64, 65][(i + j) % 7];
            let transposed = TRANSPOSITIONS[(i + 3 * j) % 8];
            check_plain::<f32>(many, few, k, transposed, (i + j) % 3);
            check_plain::<f32>(few, many, k, transposed, (i + j) % 3);
            check_plain::<f64>(few, many, k, transposed, j % 2);
        }
    }
}

#[test]
fn a_thread_that_joins_a_stream_of_small_products_changes_no_bit() {
    let (axes, [a_len, b_len, c_len]) = plain(64, 64, 64, [false; 3], 0);
    let (a, b) = (Numbers(1).take::<f32>(a_len), Numbers(2).take::<f32>(b_len));
    let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
    let mut first = vec![0.0; c_len];
    product(1.0, a, b, &mut first, &axes).unwrap();
    for _ in 0..2000 {
        let mut c = vec![f32::NAN; c_len];
        product(1.0, a, b, &mut c, &axes).unwrap();
        assert!(c.iter().zip(&first).all(|(x, y)| x.to_bits() == y.to_bits()));
    }
}
