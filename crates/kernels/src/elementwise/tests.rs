//! Every map and copy against plain iteration, over strides, sizes around tiles and chunks, and numbers that are none.

use super::*;
use crate::number::Number;
use crate::params::params;

#[test]
fn maps_follow_strides_of_every_kind() {
    let data: Vec<f64> = (0..120).map(f64::from).collect();
    let shapes: [(&[usize], &[isize], usize); 6] = [
        (&[2, 3, 4], &[12, 4, 1], 0),
        (&[4, 3, 2], &[1, 4, 12], 0),
        (&[5, 6], &[0, 1], 3),
        (&[5, 6], &[1, 0], 3),
        (&[10], &[-3], 50),
        (&[], &[], 7),
    ];
    for (shape, strides, offset) in shapes {
        let a = View::new(&data, offset, shape, strides).unwrap();
        let mut out = vec![0.0; a.len()];
        unary(a, &mut out, |x| x + 1.0);
        assert_eq!(out, a.iter().map(|x| x + 1.0).collect::<Vec<_>>(), "{shape:?} {strides:?}");
        binary(a, a, &mut out, |x, y| x * y);
        assert_eq!(out, a.iter().map(|x| x * x).collect::<Vec<_>>());
        let mask: Vec<BoolByte> = (0..120).map(|i| (i % 3 == 0).into()).collect();
        let mask = View::new(&mask, offset, shape, strides).unwrap();
        let other = vec![0; shape.len()];
        select(mask, a, View::new(&[50.0], 0, shape, &other).unwrap(), &mut out);
        assert_eq!(out, a.iter().map(|x| if (x as usize).is_multiple_of(3) { x } else { 50.0 }).collect::<Vec<_>>());
    }
}

#[test]
fn numbers_repeated_along_rows_longer_and_shorter_than_a_chunk_are_each_rows_own() {
    let data = numbers(20_000, |i| (i % 1013) as f64);
    for (rows, columns) in [(7, 1500), (3, 5000), (4, 1024), (9, 300)] {
        let shape = [rows, columns];
        let strides = [[columns as isize, 1], [1, 0], [0, 2]];
        let [x, m, w] = strides.each_ref().map(|strides| View::new(&data, 3, &shape, strides).unwrap());
        let mut out = vec![0.0; x.len()];
        formula([x, m, w], &mut out, Sum);
        let expected = x.iter().zip(m.iter()).zip(w.iter()).map(|((x, m), w)| x + m * w);
        assert!(out.iter().copied().eq(expected), "{shape:?}");
    }
}

#[test]
fn transposed_and_broadcast_operands_are_walked_in_blocks() {
    let data: Vec<f64> = (0..8000).map(f64::from).collect();
    let masks: Vec<BoolByte> = (0..8000).map(|i| (i * 7919 % 13 < 6).into()).collect();
    for (rows, columns) in [(1, 1), (15, 31), (16, 32), (17, 33), (40, 70), (3, 100)] {
        let (shape, across) = ([2, rows, columns], [0, 1, rows as isize]);
        let (along, repeated) = ([columns as isize * 2, columns as isize, 1], [0, 1, 0]);
        let a = View::new(&data, 5, &shape, &across).unwrap();
        let b = View::new(&data, 9, &shape, &along).unwrap();
        let c = View::new(&data, 2, &shape, &repeated).unwrap();
        let mut out = vec![0.0; a.len()];
        unary(a, &mut out, |x| -x);
        assert!(out.iter().zip(a.iter()).all(|(y, x)| *y == -x));
        for (p, q) in [(a, b), (b, a), (b, c), (c, b), (a, c)] {
            binary(p, q, &mut out, |x, y| x - y);
            assert!(out.iter().zip(p.iter().zip(q.iter())).all(|(z, (x, y))| *z == x - y));
            light_binary(p, q, &mut out, |x, y| y - x);
            assert!(out.iter().zip(p.iter().zip(q.iter())).all(|(z, (x, y))| *z == y - x));
            for r in [across, along, repeated] {
                let mask = View::new(&masks, 3, &shape, &r).unwrap();
                select(mask, p, q, &mut out);
                let expected = p.iter().zip(q.iter()).zip(mask.iter()).map(|((x, y), mask)| if mask.get() { x } else { y });
                assert!(out.iter().copied().eq(expected));
            }
        }
    }
}

/// Elements of any size from numbers that differ everywhere near.
fn numbers<A>(n: usize, of: impl Fn(usize) -> A) -> Vec<A> {
    (0..n).map(of).collect()
}

fn check_copies<A: Element + std::fmt::Debug>(of: impl Fn(usize) -> A) {
    let data = numbers(100_000, of);
    // Around whole tiles and squares of registers, with every dimension at the place of the one across.
    for (p, m, q) in [(33, 1, 33), (64, 2, 32), (31, 3, 47), (17, 5, 129), (8, 1, 1000), (100, 2, 9), (7, 3, 200), (200, 3, 7)] {
        let (p_step, m_step, q_step) = (1, (p * q) as isize, p as isize);
        for (shape, strides) in [
            ([p, m, q], [p_step, m_step, q_step]),
            ([m, p, q], [m_step, p_step, q_step]),
            ([m, p, q], [0, p_step, q_step]),
            ([p, m, q], [p_step, m_step, 2 * q_step]),
            ([p, m, q], [-1, m_step, q_step]),
            ([p, m, q], [p_step, m_step, -q_step]),
        ] {
            let a = View::new(&data, 30_000, &shape, &strides).unwrap();
            let mut out = vec![data[0]; a.len()];
            copy(a, &mut out);
            assert!(out.iter().copied().eq(a.iter()), "{shape:?} {strides:?}");
        }
    }
}

#[test]
fn elements_of_every_size_are_copied_across_memory() {
    check_copies(|i| i as f32);
    check_copies(|i| i as f64);
    check_copies(|i| i as i64);
    check_copies(|i| half::bf16::from_bits(i as u16 % 0x7f00));
    check_copies(|i| i as i32);
    check_copies(|i| (i % 251) as u8);
}

#[test]
fn a_signal_that_is_no_number_keeps_its_bits_across_memory() {
    let bits: Vec<u32> = (0..2500).map(|i| 0x7f80_0001 + i).collect();
    let data: Vec<f32> = bits.iter().map(|&b| f32::from_bits(b)).collect();
    let mut out = vec![0.0; 2500];
    copy(View::new(&data, 0, &[50, 50], &[1, 50]).unwrap(), &mut out);
    assert!((0..2500).all(|i| out[i].to_bits() == bits[i % 50 * 50 + i / 50]));
}

#[test]
fn an_operand_that_is_repeated_across_is_copied_once() {
    let data = numbers(40_000, |i| i as f32);
    for (n, p, q) in [(9, 33, 40), (128, 128, 8), (5, 8, 30), (3, 40, 40)] {
        // p rows of q lie transposed; n repeats them, outermost, innermost and in between.
        for (shape, strides) in [([n, p, q], [0, 1, p as isize]), ([p, n, q], [1, 0, p as isize]), ([p, q, n], [1, p as isize, 0])]
        {
            let a = View::new(&data, 7, &shape, &strides).unwrap();
            let b = View::new(&data, 0, &shape, &[1, 2, 3]).unwrap();
            let mut out = vec![0.0; a.len()];
            light_binary(a, b, &mut out, |x, y| x - 2.0 * y);
            assert!(out.iter().zip(a.iter().zip(b.iter())).all(|(z, (x, y))| *z == x - 2.0 * y), "{shape:?} {strides:?}");
        }
    }
}

#[test]
fn rows_of_numbers_and_of_elements_are_read_where_they_are() {
    let data = numbers(70_000, |i| i as f32);
    // Around the shortest row, a chunk, and a second thread.
    for (n, p, q) in [(5, 15, 16), (9, 8, 15), (3, 22, 17), (70, 1, 16), (2, 3, 1025), (1, 40, 1600), (7, 60, 130)] {
        let (shape, row) = ([n, p, q], q as isize);
        // In order, along the last and along the first dimensions, a number a row, in the middle, apart from each other.
        let strides: [[isize; 3]; 8] = [
            [p as isize * row, row, 1],
            [0, 0, 1],
            [0, row, 1],
            [row, 0, 1],
            [p as isize, 1, 0],
            [0, -1, 0],
            [1, 0, 0],
            [3, -row - 3, 1],
        ];
        for (s, t) in strides.iter().flat_map(|s| strides.iter().map(move |t| (s, t))) {
            let [a, b] = [s, t].map(|s| View::new(&data, 65_000 - if s[1] < 0 { 0 } else { 65_000 }, &shape, s).unwrap());
            let mut out = vec![0.0; a.len()];
            light_binary(a, b, &mut out, |x, y| x - 2.0 * y);
            assert!(out.iter().zip(a.iter().zip(b.iter())).all(|(z, (x, y))| *z == x - 2.0 * y), "{shape:?} {s:?} {t:?}");
        }
    }
}

#[test]
fn results_are_updated_where_they_are() {
    let data = numbers(70_000, |i| (i % 1013) as f64);
    for (shape, strides) in [([60, 70], [70, 1]), ([60, 70], [1, 60]), ([60, 70], [0, 1]), ([60, 70], [1, 0]), ([3, 5], [1, 3])] {
        let b = View::new(&data, 9, &shape, &strides).unwrap();
        let mut out = numbers(b.len(), |i| i as f64);
        update(&mut out, b, |y, b| y - 3.0 * b);
        assert!(out.iter().zip(b.iter()).enumerate().all(|(i, (y, b))| *y == i as f64 - 3.0 * b), "{shape:?} {strides:?}");
    }
}

#[test]
fn a_result_past_the_caches_is_complete() {
    let side = 4112;
    let data = numbers(side * (side + 2), |i| i as f32);
    let mut out = vec![0.0; side * side];
    for (shape, strides) in [([side, side], [1, side as isize + 1]), ([side, side], [side as isize + 1, 1])] {
        let a = View::new(&data, 5, &shape, &strides).unwrap();
        assert!(size_of_val(&out[..]) >= params().memory.streamed_bytes);
        unary(a, &mut out, |x| -x);
        assert!(out.iter().zip(a.iter()).all(|(y, x)| *y == -x));
    }
    // Rows that begin between cache lines.
    let (shape, strides) = ([side + 1, side - 1], [1, side as isize + 1]);
    let a = View::new(&data, 0, &shape, &strides).unwrap();
    copy(a, &mut out[..a.len()]);
    assert!(out[..a.len()].iter().copied().eq(a.iter()));
    // Rows in order, less a number each.
    let (shape, steps) = ([side, side], [[side as isize, 1], [1, 0]]);
    let [a, b] = [0, 1].map(|k: usize| View::new(&data, 3, &shape, &steps[k]).unwrap());
    light_binary(a, b, &mut out, |x, y| x - y);
    assert!(out.iter().zip(a.iter().zip(b.iter())).all(|(z, (x, y))| *z == x - y));
}

#[test]
fn long_maps_split_over_threads_give_the_same() {
    let data: Vec<f32> = (0..400_000).map(|i| i as f32).collect();
    let (shape, strides) = ([400, 1000], [1, 400]);
    let a = View::new(&data, 0, &shape, &strides).unwrap();
    let mut out = vec![0.0; 400_000];
    unary(a, &mut out, |x| 2.0 * x);
    assert!(out.iter().zip(a.iter()).all(|(&y, x)| y == 2.0 * x));
    let flat = View::new(&data, 0, &[400_000], &[1]).unwrap();
    light_binary(flat, flat, &mut out, |x, y| x + y);
    assert!(out.iter().zip(&data).all(|(&y, &x)| y == 2.0 * x));
}

/// ½ x + 1, and where that is above 2 the sine of what no vector unit takes the sine of.
#[derive(Clone, Copy)]
struct Shifted;

impl Formula<1> for Shifted {
    #[inline(always)]
    fn apply<T: Number>(self, [x]: [T; 1]) -> T {
        T::select(x.less_or_equal(T::from_f64(2.0)), x.mul_add(T::from_f64(0.5), T::ONE), (x * T::from_f64(1e7)).sin())
    }
}

/// a + b c
#[derive(Clone, Copy)]
struct Sum;

impl Formula<3> for Sum {
    #[inline(always)]
    fn apply<T: Number>(self, [a, b, c]: [T; 3]) -> T {
        b.mul_add(c, a)
    }
}

/// a - 2 b
#[derive(Clone, Copy)]
struct Less;

impl Formula<2> for Less {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [a, b]: [T; 2]) -> T {
        a - T::from_f64(2.0) * b
    }
}

/// A formula without loops of its own.
#[derive(Clone, Copy)]
struct StepByStep<F>(F);

impl<const N: usize, F: Formula<N>> Formula<N> for StepByStep<F> {
    const COMPILED: bool = false;
    fn apply<T: Number>(self, x: [T; N]) -> T {
        self.0.apply(x)
    }
}

#[test]
fn formulas_carried_out_step_by_step_give_the_same_with_the_same_slopes() {
    let data = numbers(9000, |i| (i % 251) as f32 - 100.0);
    let (shape, strides) = ([6, 50, 20], [[1000, 20, 1], [1, 6, 300], [1, 1, 0]]);
    let [a, b, c] = strides.each_ref().map(|strides| View::new(&data, 3, &shape, strides).unwrap());
    let (mut out, mut steps) = (vec![0.5; 6000], vec![0.25; 6000]);
    formula([a, b, c], &mut out, Sum);
    formula([a, b, c], &mut steps, StepByStep(Sum));
    assert_eq!(out, steps);
    formula([a], &mut out, Shifted);
    formula([a], &mut steps, StepByStep(Shifted));
    assert_eq!(out, steps, "sines of what no vector unit takes the sine of");
    let slices = [&data[..6000], &data[1000..7000], &data[2000..8000]];
    for by in 0..3 {
        Arguments::gradient([a, b, c], a, &mut out, Sum, by);
        Arguments::gradient([a, b, c], a, &mut steps, StepByStep(Sum), by);
        assert_eq!(out, steps, "slope {by}");
    }
    let mut all = [(); 6].map(|()| vec![0.0; 6000]);
    let [p, q, r, u, v, w] = &mut all;
    Arguments::gradients(slices, slices[1], [p, q, r], Sum);
    Arguments::gradients(slices, slices[1], [u, v, w], StepByStep(Sum));
    assert!(all[..3] == all[3..]);
}

#[test]
fn formulas_of_several_numbers_read_every_kind_of_row() {
    let data = numbers(9000, |i| (i % 251) as f32);
    let (shape, len) = ([6, 50, 20], 6000);
    let strides: [[isize; 3]; 6] = [[1000, 20, 1], [0, 20, 1], [1, 6, 300], [20, 0, 1], [1, 1, 0], [0, 0, 0]];
    let views = strides.each_ref().map(|strides| View::new(&data, 3, &shape, strides).unwrap());
    for (i, a) in views.into_iter().enumerate() {
        for (j, b) in views.into_iter().enumerate() {
            let mut out = vec![0.5; len];
            formula([a, b], &mut out, Less);
            assert!(out.iter().zip(a.iter().zip(b.iter())).all(|(y, (a, b))| *y == a - 2.0 * b), "{i} {j}");
            for c in views {
                formula([a, b, c], &mut out, Sum);
                assert!(out.iter().zip(a.iter().zip(b.iter()).zip(c.iter())).all(|(y, ((a, b), c))| *y == a + b * c), "{i} {j}");
            }
        }
    }
}

#[test]
fn functions_of_real_numbers_reach_every_element_of_any_view() {
    // Small multiples of ¼, for which a multiply-add is exact either way, and what is no number at odd places.
    let mut data: Vec<f32> = (0..70_000).map(|i| (i % 97) as f32 * 0.25 - 12.0).collect();
    (data[5], data[1023], data[40_001]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let expected = |x: f32| if x <= 2.0 { x * 0.5 + 1.0 } else { (x * 1e7).sin() };
    let check = |offset: usize, shape: &[usize], strides: &[isize]| {
        let a = View::new(&data, offset, shape, strides).unwrap();
        let mut out = vec![7.0; a.len()];
        formula([a], &mut out, Shifted);
        let same = |(&y, x): (&f32, f32)| y == expected(x) || (y.is_nan() && expected(x).is_nan());
        assert!(out.iter().zip(a.iter()).all(same), "{shape:?} {strides:?} from {offset}");
    };
    for n in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 13, 65_537] {
        [0, 1, 3].into_iter().for_each(|offset| check(offset, &[n], &[1]));
    }
    check(9000, &[3000], &[-3]);
    check(2, &[50, 61], &[1, 50]);
    check(4, &[40, 70], &[0, 1]);
    check(4, &[40, 70], &[1, 0]);
}
