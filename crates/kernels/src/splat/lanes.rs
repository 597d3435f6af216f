//! Rows of few numbers as registers of one column each, and back.

use super::CameraRows;
use crate::number::Number;
use crate::real::Real;
use crate::simd::{Enabled, MAX_LANES, Vector};

/// Which lanes hold a row that counts.
pub(super) type Kept = [bool; MAX_LANES];

/// Lanes of the registers whose rows of 3 and 4 numbers are transposed in registers.
const WIDE: usize = 16;
/// Rows of 4 numbers in such a register.
const ROWS: usize = WIDE / 4;

/// Exchanges what the first and the second half of lanes' numbers count, in four registers, of 16 lanes: rows of 4 numbers become columns, and columns rows.
#[inline(always)]
fn exchange_quads<V: Vector, const LOW: usize, const HIGH: usize>(x: &mut [V; 4]) {
    (x[0], x[1]) = x[0].exchange::<LOW>(x[1]);
    (x[2], x[3]) = x[2].exchange::<LOW>(x[3]);
    (x[0], x[2]) = x[0].exchange::<HIGH>(x[2]);
    (x[1], x[3]) = x[1].exchange::<HIGH>(x[3]);
}

/// The columns of up to `LANES` rows of W numbers; lanes without a row, or whose row does not count, hold 0.
#[inline(always)]
pub(super) fn columns<V: Vector, const W: usize>(isa: Enabled<V>, kept: &Kept, rows: &[V::Element]) -> [V; W] {
    if V::LANES == WIDE && (W == 3 || W == 4) && rows.len() >= WIDE * W {
        let (mut quads, mut columns) = ([isa.zero(); 4], [isa.zero(); W]);
        for k in 0..4 {
            let four = &rows[k * ROWS * W..];
            quads[k] = if W == 3 { isa.read_first(&four[..ROWS * W]).widen_rows() } else { isa.read(four) };
        }
        exchange_quads::<V, 4, 8>(&mut quads);
        exchange_quads::<V, 1, 2>(&mut quads);
        let counts = kept_lanes(isa, kept);
        for k in 0..W {
            columns[k] = isa.zero().where_less(counts, quads[k], isa.zero());
        }
        return columns;
    }
    let mut lanes = [[V::Element::ZERO; MAX_LANES]; W];
    for (lane, row) in rows.chunks_exact(W).take(V::LANES).enumerate() {
        for k in 0..W {
            lanes[k][lane] = if kept[lane] { row[k] } else { V::Element::ZERO };
        }
    }
    let mut columns = [isa.zero(); W];
    for k in 0..W {
        columns[k] = isa.read(&lanes[k]);
    }
    columns
}

/// Writes columns to rows, as many as there are; those whose lane of `kept` is false become 0.
#[inline(always)]
pub(super) fn put_columns<V: Vector, const W: usize>(columns: [V; W], kept: &Kept, rows: &mut [V::Element]) {
    if V::LANES == WIDE && (W == 3 || W == 4) && rows.len() >= WIDE * W {
        let isa = columns[0].isa();
        let counts = kept_lanes(isa, kept);
        let mut quads = [isa.zero(); 4];
        for k in 0..W {
            quads[k] = isa.zero().where_less(counts, columns[k], isa.zero());
        }
        exchange_quads::<V, 1, 2>(&mut quads);
        exchange_quads::<V, 4, 8>(&mut quads);
        for k in 0..4 {
            let four = &mut rows[k * ROWS * W..][..ROWS * W];
            if W == 3 { quads[k].narrow_rows().write_first(four) } else { quads[k].write(four) }
        }
        return;
    }
    let mut lanes = [[V::Element::ZERO; MAX_LANES]; W];
    for k in 0..W {
        columns[k].write(&mut lanes[k]);
    }
    for (lane, row) in rows.chunks_exact_mut(W).take(V::LANES).enumerate() {
        for k in 0..W {
            row[k] = if kept[lane] { lanes[k][lane] } else { V::Element::ZERO };
        }
    }
}

/// A camera in registers.
#[inline(always)]
pub(super) fn camera_lanes<V: Vector>(isa: Enabled<V>, camera: &CameraRows) -> [[V; 4]; 6] {
    let mut rows = [[isa.zero(); 4]; 6];
    for (row, numbers) in rows.iter_mut().zip(camera.chunks_exact(4)) {
        for k in 0..4 {
            row[k] = isa.constant(numbers[k]);
        }
    }
    rows
}

/// 1 in the lanes that count, else 0.
#[inline(always)]
pub(super) fn kept_lanes<V: Vector>(isa: Enabled<V>, kept: &Kept) -> V {
    let ones = kept.map(|kept| if kept { V::Element::ONE } else { V::Element::ZERO });
    isa.read(&ones)
}

/// Adds each register's lanes to a number, in f64.
#[inline(always)]
pub(super) fn add_camera<V: Vector>(sums: &mut CameraRows, rows: &[[V; 4]; 6]) {
    for (sum, x) in sums.iter_mut().zip(rows.as_flattened()) {
        *sum += x.sum().to_f64();
    }
}

/// a · b
#[inline(always)]
pub(super) fn dot<V: Vector>(a: [V; 3], b: [V; 3]) -> V {
    a[0].mul_add(b[0], a[1].mul_add(b[1], a[2] * b[2]))
}

/// The row's product with a homogeneous point whose last number is 1.
#[inline(always)]
pub(super) fn row_of_point<V: Vector>(row: [V; 4], point: [V; 3]) -> V {
    row[0].mul_add(point[0], row[1].mul_add(point[1], row[2].mul_add(point[2], row[3])))
}

/// 1 in each lane where low ≤ x ≤ high, else 0.
#[inline(always)]
pub(super) fn within<V: Vector>(x: V, low: V, high: V) -> V {
    let (zero, one) = (x.isa().zero(), x.isa().constant(1.0));
    x.where_less(low, zero, high.where_less(x, zero, one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, Lanes, available, dispatch_on};

    /// Rows of W numbers as columns and back, from each row on: what lanes hold, and what is written.
    struct ThereAndBack<'a, T, const W: usize>(&'a [T], Kept);

    impl<T: Real, const W: usize> Kernel<T> for ThereAndBack<'_, T, W> {
        type Output = (usize, Vec<Vec<T>>, Vec<T>);

        #[inline(always)]
        fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> Self::Output {
            let found: [V; W] = columns(isa, &self.1, self.0);
            let mut back = vec![T::from_f64(7.0); self.0.len()];
            put_columns(found, &self.1, &mut back);
            (V::LANES, found.iter().map(|x| x.lanes().collect()).collect(), back)
        }
    }

    fn check<T: Lanes, const W: usize>() {
        let kept: Kept = std::array::from_fn(|lane| lane % 5 != 3);
        for isa in available() {
            for rows in [1, 3, 15, 16, 17, 40] {
                let x: Vec<T> = (0..W * rows).map(|i| T::from_f64(i as f64 + 1.0)).collect();
                let (lanes, found, back) = dispatch_on(isa, ThereAndBack::<T, W>(&x, kept));
                let expected = |row: usize, k: usize| if row < rows && kept[row] { x[W * row + k] } else { T::ZERO };
                for row in 0..lanes {
                    assert!((0..W).all(|k| found[k][row] == expected(row, k)), "{isa:?}: row {row} of {rows} rows of {W}");
                }
                for (i, &x) in back.iter().enumerate() {
                    let wanted = if i / W < lanes { expected(i / W, i % W) } else { T::from_f64(7.0) };
                    assert!(x == wanted, "{isa:?}: number {i} of {rows} rows of {W}");
                }
            }
        }
    }

    #[test]
    fn rows_become_columns_and_columns_rows() {
        check::<f32, 1>();
        check::<f32, 2>();
        check::<f32, 3>();
        check::<f32, 4>();
        check::<f64, 3>();
        check::<f64, 4>();
    }
}
