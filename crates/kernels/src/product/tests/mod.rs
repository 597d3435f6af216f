//! The product against its plain twin.

mod batches;
mod direct;
mod long;
mod skinny;
mod stored;

use smallvec::smallvec;

use super::*;
use crate::naive;
use crate::real::Real;
use crate::simd;

/// Numbers in [-1, 1), by a linear congruential generator: the same on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as f64 / (1_u64 << 30) as f64 - 1.0
    }

    fn take<T: Real>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::from_f64(self.next())).collect()
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() + 1.0) / 2.0 * n as f64) as usize % n.max(1)
    }
}

/// Lays dimensions of these sizes out in memory, in this order from the innermost, with `gap` elements between rows.
fn lay_out(sizes: &[usize], order: &[usize], gap: usize) -> (Vec<isize>, usize) {
    let mut strides = vec![0; sizes.len()];
    let mut step = 1;
    for (i, &d) in order.iter().enumerate() {
        strides[d] = step as isize;
        step *= sizes[d];
        if i == 0 {
            step += gap;
        }
    }
    (strides, step.max(1))
}

/// Where the elements of C lie.
fn addressed(axes: &Axes) -> Vec<usize> {
    let mut at = vec![0];
    for axis in axes.batch.iter().chain(&axes.rows).chain(&axes.columns) {
        at = at.iter().flat_map(|&x: &isize| (0..axis.size as isize).map(move |i| x + i * axis.c)).collect();
    }
    at.into_iter().map(|x| x as usize).collect()
}

/// Asserts that every instruction set gives what the twin gives, and leaves the rest of C alone.
///
/// Two sums of k products in different orders differ by at most 2 k ε Σ |a b| (Higham 2002, section 3.1), and
/// |a|, |b| ≤ 1 here.
fn compare<T: Lanes>(a: Operand<'_, T>, b: Operand<'_, T>, len: usize, axes: &Axes) {
    let k = axes::size(&axes.contracted) as f64;
    let tolerance = 2.0 * (k + 2.0) * T::EPSILON.to_f64() * k.max(1.0);
    let canary = T::from_f64(77.0);
    let alpha = T::from_f64(-1.5);
    let mut expected = vec![canary; len];
    naive::product(alpha, a, b, &mut expected, axes);
    let inside = addressed(axes);
    for isa in simd::available() {
        for accumulate in [false, true] {
            let mut c = vec![canary; len];
            product_on(isa, Scaled { alpha, accumulate }, a, b, &mut c, axes).unwrap();
            check_epilogue((isa, Scaled { alpha, accumulate }), a, b, &c, axes, &inside);
            let base = if accumulate { 77.0 } else { 0.0 };
            for &i in &inside {
                let error = (c[i].to_f64() - base - expected[i].to_f64()).abs();
                let rounding = 80.0 * T::EPSILON.to_f64() * f64::from(u8::from(accumulate));
                assert!(
                    error <= tolerance + rounding,
                    "{isa:?}, accumulate {accumulate}: element {i} is {} instead of {} for {axes:?}",
                    c[i],
                    expected[i]
                );
                c[i] = canary;
            }
            assert!(c.iter().all(|&x| x == canary), "{isa:?} wrote outside C for {axes:?}");
        }
    }
}

/// Asserts that a product with an epilogue has the bits of this C, mapped element by element, and leaves the rest alone: for
/// one of all epilogues, by the size of C.
fn check_epilogue<T: Lanes>(
    (isa, scaled): (Isa, Scaled<T>),
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    c: &[T],
    axes: &Axes,
    inside: &[usize],
) {
    let data = Numbers(3).take::<T>([1, 5, 31, 64][inside.len() % 4]);
    let bias = (!inside.len().is_multiple_of(5)).then_some(Bias { data: &data, step: [1, 1, 2, 40][inside.len() / 3 % 4] });
    let activation =
        [Activation::Gelu, Activation::Identity, Activation::Relu, Activation::Silu, Activation::Identity][inside.len() / 5 % 5];
    let mut expected = c.to_vec();
    for &i in inside {
        let x = bias.map_or(c[i], |bias| c[i] + bias.data[i / bias.step % bias.data.len()]);
        expected[i] = activation.of(x);
    }
    let mut finished: Vec<T> = vec![T::from_f64(77.0); c.len()];
    Prepared::new(axes)
        .unwrap()
        .run_with_epilogue_on(isa, (scaled, Some(Epilogue { bias, activation })), a, b, &mut finished)
        .unwrap();
    for (i, (x, y)) in finished.iter().zip(&expected).enumerate() {
        let same = x.to_f64().to_bits() == y.to_f64().to_bits() || (x.is_nan() && y.is_nan());
        assert!(same, "{isa:?}, {bias:?}, {activation:?}: element {i} is {x} instead of {y} for {axes:?}");
    }
}

impl Activation {
    /// The function of one number, as vectors of them compute it.
    fn of<T: Lanes>(self, x: T) -> T {
        fn one<T: Real>(activation: Activation, x: T) -> T {
            match activation {
                Activation::Identity => x,
                Activation::Relu => x.maximum(T::ZERO),
                Activation::Silu => x.silu(),
                Activation::Gelu => x.gelu(),
            }
        }
        simd::run_fused(x, |x| T::from_fused(one(self, x.fused())), |x| one(self, x))
    }
}

/// A plain product of (m, k) and (k, n), each operand transposed in memory or not.
fn plain(m: usize, n: usize, k: usize, transposed: [bool; 3], gap: usize) -> (Axes, [usize; 3]) {
    let order = |t: bool| if t { [0, 1] } else { [1, 0] };
    let (a, a_len) = lay_out(&[m, k], &order(transposed[0]), gap);
    let (b, b_len) = lay_out(&[k, n], &order(transposed[1]), gap);
    let (c, c_len) = lay_out(&[m, n], &order(transposed[2]), gap);
    let axes = Axes {
        batch: smallvec![],
        rows: smallvec![Axis { size: m, a: a[0], b: 0, c: c[0] }],
        columns: smallvec![Axis { size: n, a: 0, b: b[1], c: c[1] }],
        contracted: smallvec![Axis { size: k, a: a[1], b: b[0], c: 0 }],
    };
    (axes, [a_len, b_len, c_len])
}

fn check_plain<T: Lanes>(m: usize, n: usize, k: usize, transposed: [bool; 3], gap: usize) {
    let (axes, [a_len, b_len, c_len]) = plain(m, n, k, transposed, gap);
    let mut numbers = Numbers((m * 1_000_003 + n * 1009 + k) as u64);
    let (a, b) = (numbers.take::<T>(a_len), numbers.take::<T>(b_len));
    let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
    compare(a, b, c_len + 3, &axes);
}

const TRANSPOSITIONS: [[bool; 3]; 8] = [
    [false, false, false],
    [false, false, true],
    [false, true, false],
    [false, true, true],
    [true, false, false],
    [true, false, true],
    [true, true, false],
    [true, true, true],
];

#[test]
fn every_size_around_a_register_or_tile_edge_agrees_with_the_twin() {
    let sizes = [0, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 16, 17, 29, 31, 32, 33, 65];
    for (i, &m) in sizes.iter().enumerate() {
        for (j, &n) in sizes.iter().enumerate() {
            let k = sizes[(5 * i + 7 * j) % sizes.len()];
            let transposed = TRANSPOSITIONS[(3 * i + j) % 8];
            check_plain::<f32>(m, n, k, transposed, (i + j) % 2);
            check_plain::<f64>(m, n, k, transposed, (i + j) % 2);
        }
    }
}

#[test]
fn every_size_around_a_block_edge_agrees_with_the_twin() {
    for (i, (m, n, k)) in [
        (1, 300, 383),
        (300, 1, 385),
        (2, 97, 769),
        (97, 3, 768),
        (127, 131, 384),
        (15, 290, 400),
        (290, 15, 193),
        (64, 64, 1000),
        (70, 321, 97),
        (255, 256, 255),
        (256, 257, 256),
        (129, 256, 257),
    ]
    .into_iter()
    .enumerate()
    {
        for transposed in TRANSPOSITIONS {
            check_plain::<f32>(m, n, k, transposed, i % 2);
            check_plain::<f64>(m, n, k, transposed, i % 2);
        }
    }
}

#[test]
fn slabs_longer_than_one_agree_with_the_twin() {
    check_plain::<f32>(4100, 40, 9, [false, true, false], 0);
    check_plain::<f32>(17, 4200, 11, [true, false, false], 0);
    check_plain::<f64>(4099, 4, 5, [false, false, true], 0);
}

/// Random groups: several dimensions each, permuted in memory, some broadcast or walked backwards; the lengths of A, B
/// and C, and where index 0…0 lies. None where that is too much work for a test.
fn groups(numbers: &mut Numbers) -> Option<(Axes, [usize; 3], [usize; 3])> {
    let mut axes = Axes::default();
    // Dimensions with their group: 0 batch, 1 rows, 2 columns, 3 contracted.
    let dims: Vec<(usize, usize)> = (0..4)
        .flat_map(|group| (0..numbers.below(4)).map(|_| (group, [1, 2, 3, 4, 7, 18][numbers.below(6)])).collect::<Vec<_>>())
        .collect();
    let mut strides = [vec![0; dims.len()], vec![0; dims.len()], vec![0; dims.len()]];
    let (mut lens, mut offsets) = ([0; 3], [0_usize; 3]);
    for (x, absent) in [2, 1, 3].into_iter().enumerate() {
        let mut present: Vec<usize> = (0..dims.len()).filter(|&d| dims[d].0 != absent).collect();
        for i in (1..present.len()).rev() {
            present.swap(i, numbers.below(i + 1));
        }
        let mut step = 1;
        for d in present {
            let (group, size) = dims[d];
            // A and B may repeat a batch; C may not.
            if x < 2 && group == 0 && numbers.below(3) == 0 {
                continue;
            }
            strides[x][d] = step as isize;
            if x < 2 && numbers.below(5) == 0 {
                strides[x][d] = -(step as isize);
                offsets[x] += step * (size - 1);
            }
            step = step * size + numbers.below(2);
        }
        lens[x] = step + 2;
    }
    for (d, &(group, size)) in dims.iter().enumerate() {
        let axis = Axis { size, a: strides[0][d], b: strides[1][d], c: strides[2][d] };
        [&mut axes.batch, &mut axes.rows, &mut axes.columns, &mut axes.contracted][group].push(axis);
    }
    let work = crate::shape::product(dims.iter().map(|x| x.1));
    (work < 400_000).then_some((axes, lens, offsets))
}

fn check_groups<T: Lanes>(seed: u64) {
    let mut numbers = Numbers(seed);
    let Some((axes, lens, offsets)) = groups(&mut numbers) else { return };
    let (a, b) = (numbers.take::<T>(lens[0]), numbers.take::<T>(lens[1]));
    let a = Operand { data: Stored::Real(&a), offset: offsets[0] };
    let b = Operand { data: Stored::Real(&b), offset: offsets[1] };
    compare(a, b, lens[2], &axes);
}

#[test]
fn groups_of_any_strides_agree_with_the_twin() {
    for seed in 0..400 {
        check_groups::<f32>(seed);
        check_groups::<f64>(1000 + seed);
    }
}

#[test]
fn what_is_not_finite_reaches_its_row_and_column_and_nothing_else() {
    for (m, n, k) in [(3, 5, 4), (1, 40, 70), (40, 40, 40)] {
        let (axes, [a_len, b_len, c_len]) = plain(m, n, k, [false; 3], 0);
        let (mut a, mut b) = (vec![1.0_f32; a_len], vec![1.0_f32; b_len]);
        a[(m - 1) * k + 1] = f32::NAN;
        b[2 * n + n - 1] = f32::INFINITY;
        for isa in simd::available() {
            let mut c = vec![f32::NAN; c_len];
            let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
            product_on(isa, Scaled { alpha: 1.0, accumulate: false }, a, b, &mut c, &axes).unwrap();
            for (i, &x) in c.iter().enumerate() {
                let (row, column) = (i / n, i % n);
                match (row + 1 == m, column + 1 == n) {
                    (true, _) => assert!(x.is_nan()),
                    (false, true) => assert_eq!(x, f32::INFINITY),
                    (false, false) => assert_eq!(x, k as f32),
                }
            }
        }
    }
}

#[test]
fn no_contracted_index_writes_zero_over_whatever_was_there() {
    let (axes, [.., c_len]) = plain(20, 40, 0, [false; 3], 0);
    let mut c = vec![f32::NAN; c_len];
    let empty = Operand { data: Stored::Real(&[]), offset: 0 };
    product(1.0, empty, empty, &mut c, &axes).unwrap();
    assert!(c.iter().all(|&x| x == 0.0));
}

#[test]
fn thread_count_changes_no_bit() {
    for (m, n, k) in [
        (64, 64, 64),
        (128, 128, 128),
        (250, 256, 200),
        (300, 20, 256),
        (301, 407, 777),
        (1, 3000, 2000),
        (7, 3000, 700),
        (20, 20, 40_000),
        (1, 1, 1_000_000),
    ] {
        let (axes, [a_len, b_len, c_len]) = plain(m, n, k, [false, m > 128, false], 0);
        let (a, b) = (Numbers(1).take::<f32>(a_len), Numbers(2).take::<f32>(b_len));
        let [a, b] = [&a, &b].map(|x| Operand { data: Stored::Real(x), offset: 0 });
        let results = [1, 2, 3].map(|threads| {
            let mut c = vec![0.0; c_len];
            crate::threads::with_count(threads, || product(1.0, a, b, &mut c, &axes)).unwrap();
            c.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        });
        assert!(results[0] == results[1] && results[1] == results[2], "{m} x {n} x {k}");
    }
}

#[test]
#[should_panic(expected = "operand B of a product reaches 0..=8 of 8 elements")]
fn an_operand_that_leaves_its_data_is_refused() {
    let (axes, _) = plain(3, 3, 3, [false; 3], 0);
    let data = [0.0_f64; 9];
    let operand = |data| Operand { data: Stored::Real(data), offset: 0 };
    product(1.0, operand(&data), operand(&data[..8]), &mut [0.0; 9], &axes).unwrap();
}
