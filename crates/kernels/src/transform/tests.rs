//! The kernels against their plain twins, on every instruction set, at sizes around every block.

use super::points::{VectorKind, transform, transform_on};
use super::pose::{PoseParts, compose, compose_on};
use super::slerp::{slerp, slerp_on};
use super::{BroadcastRows, CHUNK};
use crate::naive::{self, close, numbers};
use crate::params::params;
use crate::simd::{Isa, Lanes, available};

/// Around a block of every register, and around a chunk.
const COUNTS: [usize; 14] = [0, 1, 2, 3, 4, 5, 8, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7];

fn real<T: Lanes>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

fn wide<T: Lanes>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// Rows of length 1.
fn rotations(count: usize, seed: u64) -> Vec<f64> {
    let mut q = numbers(4 * count, seed);
    for q in q.chunks_mut(4) {
        let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
        q.iter_mut().for_each(|x| *x /= length);
    }
    q
}

/// A few roundings of the sums of four products.
fn tolerance<T: Lanes>() -> f64 {
    8.0 * T::EPSILON.to_f64()
}

fn both(check: impl Fn(Isa, bool)) {
    for isa in available() {
        check(isa, false);
        check(isa, true);
    }
}

fn points_of<T: Lanes>(isa: Isa) {
    for kind in [VectorKind::Points, VectorKind::Vectors, VectorKind::Homogeneous] {
        for count in COUNTS {
            for per in [1, 3, 16, CHUNK + 5, count] {
                let matrices = count.checked_div(per).unwrap_or(0);
                let (n, width) = (matrices * per, kind.width());
                let mut m = numbers(16 * matrices, 5);
                // The fourth number, which points are divided by, stays away from 0.
                m.chunks_mut(16).for_each(|m| m[15] += 20.0);
                let (m, x) = (real::<T>(&m), real::<T>(&numbers(n * width, 6)));
                let mut out = vec![T::NAN; n * width];
                transform_on(isa, kind, &m, per, &x, &mut out);
                let expected = naive::transform(kind, &wide(&m), per.max(1), &wide(&x));
                close(&wide(&out), &expected, tolerance::<T>());
            }
        }
    }
}

#[test]
fn points_are_those_of_the_plain_twin() {
    both(|isa, double| if double { points_of::<f64>(isa) } else { points_of::<f32>(isa) });
}

#[test]
fn affine_matrices_divide_by_exactly_one() {
    for isa in available() {
        let m: Vec<f32> = vec![1.0, 0.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.2, 0.0, 0.0, 1.0, 0.3, 0.0, 0.0, 0.0, 1.0];
        let x: Vec<f32> = real(&numbers(300, 1));
        let mut out = vec![0.0; 300];
        transform_on(isa, VectorKind::Points, &m, 100, &x, &mut out);
        let expected: Vec<f32> = x.iter().enumerate().map(|(i, x)| x + [0.1, 0.2, 0.3][i % 3]).collect();
        assert_eq!(out, expected, "{isa:?}");
    }
}

fn poses_of<T: Lanes>(isa: Isa) {
    for count in COUNTS {
        for (shared, inverse) in [(0, false), (0, true), (1, false), (2, true), (4, true), (5, false), (7, true)] {
            let rows = |which: u32, data: &[f64], width: usize| -> Vec<T> {
                real(if shared >> which & 1 == 1 { &data[..width] } else { &data[..count * width] })
            };
            // Scales of at least 0.5, and one more row than there may be.
            let t = rows(0, &numbers(3 * count + 3, 2), 3);
            let q = rows(1, &rotations(count + 1, 3), 4);
            let s = rows(2, &numbers(3 * count + 3, 4).iter().map(|x| x + x.signum() * 0.5).collect::<Vec<_>>(), 3);
            let of = |which: u32, data| {
                if shared >> which & 1 == 1 {
                    BroadcastRows::shared(data)
                } else {
                    BroadcastRows::per_row(data, if which == 1 { 4 } else { 3 })
                }
            };
            let parts = PoseParts { translation: of(0, &t[..]), rotation: of(1, &q), scale: of(2, &s) };
            let mut out = vec![T::NAN; 16 * count];
            compose_on(isa, parts, inverse, &mut out);
            for (i, m) in out.chunks(16).enumerate() {
                let row = |rows: BroadcastRows<'_, T>| wide(rows.row(i));
                let expected = naive::compose(&row(parts.translation), &row(parts.rotation), &row(parts.scale), inverse);
                close(&wide(m), &expected, tolerance::<T>());
            }
        }
    }
}

#[test]
fn poses_are_those_of_the_plain_twin() {
    both(|isa, double| if double { poses_of::<f64>(isa) } else { poses_of::<f32>(isa) });
}

/// How far a row is off, in units of the last place of 1, its length.
fn off<T: Lanes>(found: &[T], a: [f64; 4], b: [f64; 4], t: f64) -> f64 {
    let exact = naive::slerp(a, b, t);
    (0..4).map(|i| (found[i].to_f64() - exact[i]).abs() / T::EPSILON.to_f64()).fold(0.0, f64::max)
}

fn row(x: &[f64]) -> [f64; 4] {
    [x[0], x[1], x[2], x[3]]
}

/// Largest error in ulps of 1 over pairs of all angles and all t.
fn worst<T: Lanes>(isa: Isa, count: usize, spread: f64) -> f64 {
    let a: Vec<T> = real(&rotations(count, 7));
    // Pairs near each other, or anywhere.
    let mut near = numbers(4 * count, 8);
    near.iter_mut().zip(&a).for_each(|(x, a)| *x = *x * spread + if spread < 1.0 { a.to_f64() } else { 0.0 });
    near.chunks_mut(4).for_each(|q| {
        let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
        q.iter_mut().for_each(|x| *x /= length);
    });
    // Every other pair is on opposite sides.
    near.chunks_mut(4).step_by(2).flatten().for_each(|x| *x = -*x);
    let b: Vec<T> = real(&near);
    let t: Vec<T> = real(&numbers(count, 9).iter().map(|x| x / 4.0 + 0.5).collect::<Vec<_>>());
    let mut out = vec![T::NAN; 4 * count];
    slerp_on(isa, BroadcastRows::per_row(&a, 4), BroadcastRows::per_row(&b, 4), BroadcastRows::per_row(&t, 1), &mut out);
    let (a, b) = (wide(&a), wide(&b));
    let each = |i: usize| off(&out[4 * i..4 * i + 4], row(&a[4 * i..]), row(&b[4 * i..]), t[i].to_f64());
    (0..count).map(each).fold(0.0, |m: f64, x| if x > m || x.is_nan() { x } else { m })
}

#[test]
fn slerp_is_within_4_ulp_of_a_computation_in_f64() {
    for isa in available() {
        for spread in [1.0, 0.5, 0.1, 1e-3, 1e-7] {
            let single = worst::<f32>(isa, 100_000, spread);
            assert!(single <= 4.0, "{isa:?}, {spread}: {single} ulp");
            // The twin's own angle and sines are off by an ulp or two.
            let double = worst::<f64>(isa, 20_000, spread);
            assert!(double <= 8.0, "{isa:?}, {spread} in f64: {double} ulp");
        }
    }
}

#[test]
fn slerp_takes_any_count_and_one_row_for_all() {
    for isa in available() {
        for count in COUNTS {
            let (a, b) = (rotations(count.max(1), 1), rotations(count.max(1), 2));
            let t: Vec<f64> = numbers(count.max(1), 3).iter().map(|x| x / 4.0 + 0.5).collect();
            for shared in 0..8 {
                let of = |which: u32, data, width| {
                    if shared >> which & 1 == 1 {
                        BroadcastRows::shared(&<[f64]>::as_ref(data)[..width])
                    } else {
                        BroadcastRows::per_row(&data[..count * width], width)
                    }
                };
                let (p, q, s) = (of(0, &a[..], 4), of(1, &b[..], 4), of(2, &t[..], 1));
                let mut out = vec![f64::NAN; 4 * count];
                slerp_on(isa, p, q, s, &mut out);
                for (i, y) in out.chunks(4).enumerate() {
                    close(y, &naive::slerp(row(p.row(i)), row(q.row(i)), s.row(i)[0]), 1e-14);
                }
            }
        }
    }
}

#[test]
fn slerp_is_exact_at_its_ends_and_between_equal_and_opposite() {
    fn check<T: Lanes>(isa: Isa) {
        let (a, b): (Vec<T>, Vec<T>) = (real(&rotations(40, 1)), real(&rotations(40, 2)));
        let mut out = vec![T::NAN; 160];
        let mut at = |b: &[T], t: f64| {
            slerp_on(
                isa,
                BroadcastRows::per_row(&a, 4),
                BroadcastRows::per_row(b, 4),
                BroadcastRows::shared(&[T::from_f64(t)]),
                &mut out,
            );
            out.clone()
        };
        assert_eq!(at(&b, 0.0), a, "{isa:?}");
        let end = at(&b, 1.0);
        for ((a, b), y) in a.chunks(4).zip(b.chunks(4)).zip(end.chunks(4)) {
            let toward = a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| sum + a * b) >= T::ZERO;
            assert!(b.iter().zip(y).all(|(&b, &y)| y == if toward { b } else { -b }), "{isa:?}");
        }
        let opposite: Vec<T> = a.iter().map(|&x| -x).collect();
        for t in [0.25, 0.5, 0.75] {
            // The length of rounded rows is not quite 1, and their angle not quite 0.
            let same = |found: Vec<T>| close(&wide(&found), &wide(&a), 2.0 * T::EPSILON.to_f64());
            same(at(&a, t));
            same(at(&opposite, t));
        }
    }
    for isa in available() {
        check::<f32>(isa);
        check::<f64>(isa);
    }
}

#[test]
fn slerp_goes_on_beyond_its_ends() {
    let (a, b) = (rotations(50, 1), rotations(50, 2));
    let t: Vec<f64> = (0..50).map(|i| f64::from(i) * 0.1 - 2.0).collect();
    for isa in available() {
        let mut out = vec![f64::NAN; 200];
        slerp_on(isa, BroadcastRows::per_row(&a, 4), BroadcastRows::per_row(&b, 4), BroadcastRows::per_row(&t, 1), &mut out);
        for (i, y) in out.chunks(4).enumerate() {
            close(y, &naive::slerp(row(&a[4 * i..]), row(&b[4 * i..]), t[i]), 1e-13);
        }
    }
}

/// Gradients at the ends are taken across them, and off the sphere.
#[test]
fn slerp_is_smooth_across_its_ends_for_rows_of_any_length() {
    let (mut a, b) = (rotations(50, 1), rotations(50, 2));
    a.iter_mut().for_each(|x| *x *= 1.05);
    let h = 1e-6;
    for isa in available() {
        let at = |t: f64| {
            let mut out = vec![f64::NAN; 200];
            slerp_on(isa, BroadcastRows::per_row(&a, 4), BroadcastRows::per_row(&b, 4), BroadcastRows::shared(&[t]), &mut out);
            out
        };
        for end in [0.0, 1.0] {
            let [before, here, after] = [end - h, end, end + h].map(at);
            // The sum is h² times the second derivative, at most a few, and rounding.
            for ((x, y), z) in before.iter().zip(&here).zip(&after) {
                assert!((x - 2.0 * y + z).abs() < 1e-10, "{isa:?}, {end}: {x} {y} {z}");
            }
        }
    }
}

#[test]
fn nan_stays_in_its_row() {
    let (mut a, b) = (rotations(20, 1), rotations(20, 2));
    a[4 * 7 + 1] = f64::NAN;
    let identity: Vec<f64> = (0..16).map(|i| f64::from(i % 5 == 0)).collect();
    let poisoned = |out: &[f64], width: usize| out.chunks(width).enumerate().all(|(i, y)| y.iter().any(|x| x.is_nan()) == (i == 7));
    for isa in available() {
        let mut out = vec![0.0; 80];
        slerp_on(isa, BroadcastRows::per_row(&a, 4), BroadcastRows::per_row(&b, 4), BroadcastRows::shared(&[0.3]), &mut out);
        assert!(poisoned(&out, 4), "{isa:?}");
        let mut t = vec![0.5; 20];
        t[7] = f64::NAN;
        slerp_on(isa, BroadcastRows::per_row(&b, 4), BroadcastRows::per_row(&b, 4), BroadcastRows::per_row(&t, 1), &mut out);
        assert!(poisoned(&out, 4), "{isa:?}");
        transform_on(isa, VectorKind::Homogeneous, &identity, 20, &a, &mut out);
        assert!(poisoned(&out, 4), "{isa:?}");
        let one = BroadcastRows::shared(&[1.0, 1.0, 1.0]);
        let mut matrices = vec![0.0; 320];
        compose_on(isa, PoseParts { translation: one, rotation: BroadcastRows::per_row(&a, 4), scale: one }, true, &mut matrices);
        assert!(poisoned(&matrices, 16), "{isa:?}");
    }
}

#[test]
fn what_no_cache_holds_arrives_past_them() {
    let count = params().memory.streamed_bytes / 16 + 77;
    let m: Vec<f32> =
        real(&numbers(16, 1).iter().enumerate().map(|(i, x)| if i < 12 { *x } else { f64::from(i == 15) }).collect::<Vec<_>>());
    let x: Vec<f32> = real(&numbers(4 * count, 2));
    let mut out = vec![f32::NAN; 4 * count];
    transform(VectorKind::Homogeneous, &m, count, &x, &mut out);
    let expected = naive::transform(VectorKind::Homogeneous, &m, count, &x);
    assert!(out.iter().zip(&expected).all(|(y, e)| (y - e).abs() < 1e-5));
    let n = 4 * count / 3;
    transform(VectorKind::Points, &m, n, &x[..3 * n], &mut out[..3 * n]);
    let expected = naive::transform(VectorKind::Points, &m, n, &x[..3 * n]);
    assert!(out.iter().zip(&expected).all(|(y, e)| (y - e).abs() < 1e-5));
    let mut between = vec![f32::NAN; 4 * count];
    slerp(
        BroadcastRows::shared(&[0.0, 0.0, 0.0, 1.0]),
        BroadcastRows::shared(&[1.0, 0.0, 0.0, 0.0]),
        BroadcastRows::shared(&[0.5]),
        &mut between,
    );
    assert!(between.chunks(4).all(|y| (y[0] - 0.5_f32.sqrt()).abs() < 1e-6 && y[1] == 0.0 && (y[3] - 0.5_f32.sqrt()).abs() < 1e-6));
}

#[test]
#[should_panic(expected = "parts of each pose")]
fn parts_of_another_count_are_refused() {
    let (t, q) = ([0.0; 9], [1.0; 8]);
    let parts = PoseParts {
        translation: BroadcastRows::per_row(&t, 3),
        rotation: BroadcastRows::per_row(&q, 4),
        scale: BroadcastRows::shared(&[1.0; 3]),
    };
    compose(parts, false, &mut [0.0; 32]);
}
