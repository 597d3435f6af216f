//! The number of threads, which this process sets for itself: how often a result is computed changes no bit of it, and short work
//! stays on the caller's thread.

use monotile_kernels::elementwise;
use monotile_kernels::norm::{RmsNormSaved, rms_norm, rms_norm_backward};
use monotile_kernels::number::{Formula, Number};
use monotile_kernels::softmax::softmax;
use monotile_kernels::view::View;
use monotile_kernels::{reduce, threads};

const ROWS: usize = 600;
const COLUMNS: usize = 700;

#[derive(Clone, Copy)]
struct Gelu;

impl Formula<1> for Gelu {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [x]: [T; 1]) -> T {
        x.gelu()
    }
}

/// Sums, whose order could differ, and maps, whose results could not.
fn results(x: &[f32]) -> Vec<Vec<f32>> {
    let (shape, rows, across) = ([ROWS, COLUMNS], [COLUMNS as isize, 1], [1, ROWS as isize]);
    let whole = View::new(x, 0, &shape, &rows).unwrap();
    let turned = View::new(x, 0, &shape, &across).unwrap();
    let n = ROWS * COLUMNS;
    let (mut total, mut of_rows, mut of_columns) = (vec![0.0; 1], vec![0.0; ROWS], vec![0.0; COLUMNS]);
    reduce::sum(whole, &[0, 1], &mut total).unwrap();
    reduce::log_sum_exp(turned, &[1], &mut of_rows).unwrap();
    reduce::sum(whole, &[0], &mut of_columns).unwrap();
    let (mut gelu, mut copy, mut soft, mut normed) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    elementwise::formula([turned], &mut gelu, Gelu);
    elementwise::copy(turned, &mut copy);
    softmax(x, COLUMNS, false, &mut soft);
    let (w, mut rho) = (vec![0.5; COLUMNS], vec![0.0; ROWS]);
    rms_norm(x, &w, 1e-5, &mut normed, &mut rho);
    let (mut dx, mut dw) = (vec![0.0; n], vec![0.0; COLUMNS]);
    rms_norm_backward(RmsNormSaved { x, w: &w, rho: &rho }, &soft, &mut dx, &mut dw).unwrap();
    vec![total, of_rows, of_columns, gelu, copy, soft, normed, rho, dx, dw]
}

#[test]
fn a_thread_count_fixes_every_bit() {
    let x: Vec<f32> = (0..ROWS * COLUMNS).map(|i| ((i * 7919) % 10_007) as f32 / 1000.0 - 5.0).collect();
    let bits = |results: Vec<Vec<f32>>| -> Vec<Vec<u32>> {
        results.into_iter().map(|x| x.into_iter().map(f32::to_bits).collect()).collect()
    };
    for count in [1, 2, 3] {
        threads::set_count(count);
        assert_eq!(threads::count(), if cfg!(feature = "threads") { count } else { 1 });
        assert_eq!(threads::parts(1 << 30, 1.0), threads::count());
        assert_eq!(threads::parts(19_999, 1.0), 1, "less than 20 microseconds stay on the caller's thread");
        let first = bits(results(&x));
        for _ in 0..5 {
            assert!(bits(results(&x)) == first, "{count} threads");
        }
    }
}
