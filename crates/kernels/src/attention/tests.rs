mod edges;

use super::*;
use crate::naive;
use crate::simd::{Isa, Lanes, available, isa};

/// A fixed sequence of numbers in -1 ..= 1 that no rounding is kind to.
fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// The sizes and options of a test.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    value_dim: usize,
    causal: bool,
    /// 0 none, 1 boolean, 2 additive, 3 a boolean mask that hides some rows, 4 boolean with strides of 0, 5 boolean that
    /// hides whole tiles of keys
    mask: u8,
    /// Whether operands lie as (b, t, h, d), elements first for k.
    strided: bool,
    size: f64,
}

const PLAIN: Case = Case {
    batch: 1,
    heads: 1,
    kv_heads: 1,
    queries: 1,
    keys: 1,
    dim: 64,
    value_dim: 64,
    causal: false,
    mask: 0,
    strided: false,
    size: 3.0,
};

/// The operands of a case in f64, and strides.
struct Data {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    dout: Vec<f64>,
    dlse: Vec<f64>,
    boolean: Vec<BoolByte>,
    additive: Vec<f64>,
}

impl Case {
    fn data(&self) -> Data {
        let Case { batch, heads, kv_heads, queries, keys, dim, value_dim, .. } = *self;
        let additive = numbers(6, batch * heads * queries * keys);
        let boolean = additive
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                let (row, key) = (i / keys, i % keys);
                BoolByte(
                    u8::from(match self.mask {
                        3 => x > 0.0 && row % 3 != 1,
                        5 => [1, 2, 4, 6, 5][row % 5] >> (key / tile::BC) & 1 == 1,
                        _ => x > -0.4,
                    }) * 3,
                )
            })
            .collect();
        let sized = |seed, len, size: f64| numbers(seed, len).iter().map(|x| f64::from((x * size) as f32)).collect();
        Data {
            q: sized(1, batch * heads * queries * dim, self.size),
            k: sized(2, batch * kv_heads * keys * dim, self.size),
            v: sized(3, batch * kv_heads * keys * value_dim, 1.0),
            dout: sized(4, batch * heads * queries * value_dim, 1.0),
            dlse: sized(5, batch * heads * queries, 1.0),
            boolean,
            additive: additive.iter().map(|&x| if x < -0.8 { f64::NEG_INFINITY } else { f64::from(x as f32) }).collect(),
        }
    }

    fn shape(&self) -> [usize; 3] {
        [self.heads, self.queries, self.value_dim]
    }
}

/// Row-major strides, or those of (b, t, h, d) with the elements of a row `element` apart.
fn strides([_, h, t, d]: [usize; 4], strided: bool) -> [isize; 4] {
    let [h, t, d] = [h as isize, t as isize, d as isize];
    if strided { [t * h * d, d, h * d, 1] } else { [h * t * d, t * d, d, 1] }
}

/// out, lse, dq, dk, dv
type Everything<T> = [Vec<T>; 5];

/// Calls `f` with the inputs of a case in T.
fn with_inputs<T: Lanes, R>(case: &Case, data: &Data, f: impl FnOnce(&AttentionInputs<'_, T>) -> R) -> R {
    let Case { batch, heads, kv_heads, queries, keys, dim, value_dim, causal, .. } = *case;
    let cast = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let (q, k, v, additive) = (cast(&data.q), cast(&data.k), cast(&data.v), cast(&data.additive));
    let (qs, ks, vs) = ([batch, heads, queries, dim], [batch, kv_heads, keys, dim], [batch, kv_heads, keys, value_dim]);
    let (qt, mut kt, vt) = (strides(qs, case.strided), strides(ks, case.strided), strides(vs, case.strided));
    if case.strided {
        // Elements of a key lie apart, and keys one after another.
        kt = [(kv_heads * dim * keys) as isize, (dim * keys) as isize, 1, keys as isize];
    }
    let ms = [batch, heads, queries, keys];
    let mt = if case.mask == 4 { [0, 0, 0, 1] } else { strides(ms, false) };
    let mask = match case.mask {
        0 => AttentionMask::None,
        2 => AttentionMask::Additive(View::new(&additive, 0, &ms, &mt).unwrap()),
        _ => AttentionMask::Boolean(View::new(&data.boolean, 0, &ms, &mt).unwrap()),
    };
    f(&AttentionInputs {
        q: View::new(&q, 0, &qs, &qt).unwrap(),
        k: View::new(&k, 0, &ks, &kt).unwrap(),
        v: View::new(&v, 0, &vs, &vt).unwrap(),
        scale: T::from_f64(1.0 / (dim.max(1) as f64).sqrt()),
        causal,
        mask,
    })
}

fn fast<T: Lanes>(isa: Isa, case: &Case, data: &Data) -> Everything<T> {
    with_inputs(case, data, |x: &AttentionInputs<'_, T>| {
        let rows = case.batch * case.heads * case.queries;
        // Everything is written, whatever was there.
        let (mut out, mut lse) = (vec![T::NAN; rows * case.value_dim], vec![T::NAN; rows]);
        forward::run(x, AttentionOutput::row_major(&mut out, &mut lse, case.shape()), false, isa).unwrap();
        let nan = |len: usize| vec![T::NAN; len];
        let (mut dq, mut dk, mut dv) = (nan(data.q.len()), nan(data.k.len()), nan(data.v.len()));
        with_cotangents(case, data, (&out, &lse), |c| {
            let gradients = AttentionGradients { dq: Some(&mut dq), dk: Some(&mut dk), dv: Some(&mut dv) };
            backward::run(x, c, gradients, isa).unwrap();
        });
        [out, lse, dq, dk, dv]
    })
}

fn plain<T: Lanes>(case: &Case, data: &Data) -> Everything<T> {
    with_inputs(case, data, |x: &AttentionInputs<'_, T>| {
        let naive::NaiveAttention { out, lse } = naive::attention(x);
        let g = with_cotangents(case, data, (&out, &lse), |c| naive::attention_gradients(x, c));
        [out, lse, g.dq, g.dk, g.dv]
    })
}

fn with_cotangents<T: Lanes, R>(case: &Case, data: &Data, of: (&[T], &[T]), f: impl FnOnce(&AttentionCotangents<'_, T>) -> R) -> R {
    let cast = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let (dout, dlse) = (cast(&data.dout), cast(&data.dlse));
    let shape = [case.batch, case.heads, case.queries, case.value_dim];
    let strides = strides(shape, false);
    f(&AttentionCotangents {
        out: View::new(of.0, 0, &shape, &strides).unwrap(),
        lse: of.1,
        dout: View::new(&dout, 0, &shape, &strides).unwrap(),
        dlse: Some(&dlse),
    })
}

/// The largest difference; equal infinities differ by 0, and a NaN on one side alone by ∞.
fn difference<T: Lanes>(a: &[T], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let one = |a: f64, b: f64| {
        let d = (a - b).abs();
        if a == b || a.is_nan() && b.is_nan() {
            0.0
        } else if d.is_nan() {
            f64::INFINITY
        } else {
            d
        }
    };
    a.iter().zip(b).map(|(&a, &b)| one(a.to_f64(), b)).fold(0.0, f64::max)
}

const NAMES: [&str; 5] = ["out", "lse", "dq", "dk", "dv"];

/// f64 to 1e-12 of the largest entry; f32 by the rule of FlashAttention's tests: at most twice the error of the plain twin in
/// f32 for the forward pass, three times for gradients, and 1e-6 of the largest entry, where the twin is exact by chance.
fn check(case: Case) {
    compare(case, &case.data());
}

/// [`check`] with other data.
fn compare(case: Case, data: &Data) {
    let (exact, plain_single) = (plain::<f64>(&case, data), plain::<f32>(&case, data));
    for isa in available() {
        let (double, single) = (fast::<f64>(isa, &case, data), fast::<f32>(isa, &case, data));
        for (i, exact) in exact.iter().enumerate() {
            let most = exact.iter().filter(|x| x.is_finite()).fold(1.0, |m: f64, x| m.max(x.abs()));
            let error = difference(&double[i], exact);
            assert!(error <= 1e-12 * most, "{} in f64 on {isa:?} is off by {error:e}: {case:?}", NAMES[i]);
            let (error, plain) = (difference(&single[i], exact), difference(&plain_single[i], exact));
            let allowed = if i < 2 { 2.0 } else { 3.0 } * plain + 1e-6 * most;
            assert!(error <= allowed, "{} in f32 on {isa:?} is off by {error:e}, plainly {plain:e}: {case:?}", NAMES[i]);
        }
    }
}

#[test]
fn tiles_agree_with_the_plain_twin_around_every_edge() {
    let edges = [1, 2, 5, 6, 7, 63, 64, 65, 95, 96, 97, 191, 192, 193];
    for (i, &queries) in edges.iter().enumerate() {
        for (j, &keys) in edges.iter().enumerate() {
            if (i + j) % 3 == 0 {
                check(Case { queries, keys, dim: 8, value_dim: 8, causal: (i ^ j) & 1 == 1, ..PLAIN });
            }
        }
    }
}

#[test]
fn any_head_size_works() {
    for (dim, value_dim) in [(1, 1), (3, 5), (8, 16), (15, 17), (16, 64), (40, 33), (64, 80), (80, 128), (130, 7), (256, 256)] {
        check(Case { queries: 37, keys: 101, dim, value_dim, causal: true, ..PLAIN });
    }
}

#[test]
fn causal_limits_follow_the_last_key() {
    for (queries, keys) in [(200, 200), (50, 300), (300, 50), (97, 389), (1, 40), (400, 799)] {
        check(Case { queries, keys, dim: 12, value_dim: 12, causal: true, ..PLAIN });
    }
}

#[test]
fn masks_groups_and_strides_agree_with_the_plain_twin() {
    for mask in 0..5 {
        for strided in [false, true] {
            let case =
                Case { batch: 2, heads: 4, kv_heads: 2, queries: 50, keys: 70, dim: 24, value_dim: 20, mask, strided, ..PLAIN };
            check(case);
            check(Case { causal: true, kv_heads: 1, ..case });
            check(Case { queries: 3, kv_heads: 4, ..case });
        }
    }
}

#[test]
fn one_query_agrees_with_the_plain_twin_over_any_number_of_keys() {
    for (keys, mask) in [(1, 0), (191, 1), (192, 2), (385, 3), (1500, 0), (4000, 4)] {
        for (heads, kv_heads) in [(1, 1), (3, 3), (8, 2), (7, 1)] {
            let case = Case { batch: 1, heads, kv_heads, keys, dim: 20, value_dim: 16, mask, causal: true, ..PLAIN };
            check(case);
            check(Case { value_dim: 48, dim: 64, strided: true, ..case });
        }
    }
}

#[test]
fn runs_with_as_many_threads_give_the_same_bits() {
    let case = Case { heads: 3, kv_heads: 3, queries: 300, keys: 900, causal: true, ..PLAIN };
    let data = case.data();
    let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    for threads in [1, 2, 3] {
        crate::threads::with_count(threads, || {
            let first = fast::<f32>(isa(), &case, &data);
            for _ in 0..3 {
                let again = fast::<f32>(isa(), &case, &data);
                assert!(first.iter().zip(&again).all(|(a, b)| same(a, b)), "on {threads} threads");
            }
        });
    }
}

#[test]
fn long_stretches_of_keys_add_up() {
    // More than one stretch of the backward pass, with fewer key heads than threads, as many, and one more.
    for (heads, kv_heads) in [(1, 1), (2, 2), (3, 3), (2, 1)] {
        check(Case { heads, kv_heads, queries: 130, keys: 1700, dim: 16, value_dim: 16, causal: true, ..PLAIN });
    }
}

#[test]
fn large_logits_stay_right() {
    // Scores reach 1e4: in f32 both implementations lose four digits of each, so the rule above still decides.
    check(Case { queries: 64, keys: 64, size: 60.0, causal: true, ..PLAIN });
    let data = Case { queries: 64, keys: 64, size: 60.0, ..PLAIN }.data();
    let [out, ..] = fast::<f32>(isa(), &Case { queries: 64, keys: 64, size: 60.0, ..PLAIN }, &data);
    assert!(out.iter().all(|x| x.is_finite() && x.abs() <= 1.0));
}

#[test]
fn nothing_to_look_at_gives_zero() {
    for (queries, keys) in [(0, 5), (5, 0), (0, 0)] {
        check(Case { queries, keys, ..PLAIN });
    }
    let case = Case { queries: 10, keys: 4, causal: true, ..PLAIN };
    let [out, lse, dq, ..] = fast::<f32>(isa(), &case, &case.data());
    assert!(out[..6 * 64].iter().chain(&dq[..6 * 64]).all(|&x| x == 0.0));
    assert!(lse[..6].iter().all(|&x| x == f32::NEG_INFINITY) && lse[6].is_finite());
}

#[test]
fn nan_reaches_the_rows_that_see_it_and_no_others() {
    for queries in [4, 40] {
        let case = Case { queries, keys: queries, dim: 8, value_dim: 8, causal: true, ..PLAIN };
        let mut data = case.data();
        data.k[(queries - 2) * 8] = f64::NAN;
        let [out, lse, dq, dk, dv] = fast::<f32>(isa(), &case, &data);
        let seen = (queries - 2) * 8;
        assert!(out[..seen].iter().chain(&lse[..queries - 2]).all(|x| x.is_finite()));
        assert!(out[seen..].iter().chain(&dq[seen..]).chain(&lse[queries - 2..]).all(|x| x.is_nan()));
        assert!(dk.iter().chain(&dv).all(|x| x.is_nan()));
    }
}

#[test]
fn keys_in_three_parts_in_any_order_give_the_whole() {
    for (queries, mask) in [(1, 0), (5, 2), (70, 3)] {
        let case = Case { heads: 2, kv_heads: 2, queries, keys: 211, dim: 20, value_dim: 12, mask, ..PLAIN };
        let data = case.data();
        let [whole, whole_lse, ..] = plain::<f64>(&case, &data);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let (mut out, mut lse) = (vec![0.0; whole.len()], vec![f64::NEG_INFINITY; whole_lse.len()]);
            for part in order {
                let range = [0..64, 64..67, 67..211][part].clone();
                with_inputs(&case, &data, |x: &AttentionInputs<'_, f64>| {
                    let (ks, vs) = ([1, 2, range.len(), 20], [1, 2, range.len(), 12]);
                    let ms = [1, 2, queries, range.len()];
                    let (k, v) = (data.k.as_slice(), data.v.as_slice());
                    let mask = match x.mask {
                        AttentionMask::None => AttentionMask::None,
                        AttentionMask::Boolean(m) => {
                            AttentionMask::Boolean(View::new(&data.boolean, range.start, &ms, m.strides()).unwrap())
                        }
                        AttentionMask::Additive(m) => {
                            AttentionMask::Additive(View::new(&data.additive, range.start, &ms, m.strides()).unwrap())
                        }
                    };
                    let x = AttentionInputs {
                        k: View::new(k, range.start * 20, &ks, x.k.strides()).unwrap(),
                        v: View::new(v, range.start * 12, &vs, x.v.strides()).unwrap(),
                        mask,
                        ..*x
                    };
                    forward_from(&x, AttentionOutput::row_major(&mut out, &mut lse, case.shape())).unwrap();
                });
            }
            let errors = (difference(&out, &whole), difference(&lse, &whole_lse));
            assert!(errors.0 < 1e-13 && errors.1 < 1e-13, "{order:?} {queries}: {errors:?}");
        }
    }
}

#[test]
fn an_output_may_lie_as_batch_time_head() {
    let case = Case { batch: 2, heads: 3, kv_heads: 3, queries: 9, keys: 20, dim: 8, value_dim: 4, ..PLAIN };
    let data = case.data();
    let [whole, ..] = plain::<f64>(&case, &data);
    // One element more than the result has, which stays as it was.
    let (mut out, mut lse) = (vec![7.0; whole.len() + 1], vec![0.0; 54]);
    with_inputs(&case, &data, |x: &AttentionInputs<'_, f64>| {
        forward(x, AttentionOutput { out: &mut out, strides: [9 * 3 * 4, 4, 3 * 4], lse: &mut lse }).unwrap();
    });
    let view = View::new(&out, 0, &[2, 3, 9, 4], &[108, 4, 12, 1]).unwrap();
    assert!(difference(&view.iter().collect::<Vec<_>>(), &whole) < 1e-13 && out[216] == 7.0);
}

#[test]
#[should_panic(expected = "rows of attention's output lie apart")]
fn an_output_whose_rows_overlap_is_refused() {
    let case = Case { queries: 2, dim: 4, value_dim: 4, ..PLAIN };
    with_inputs(&case, &case.data(), |x: &AttentionInputs<'_, f32>| {
        forward(x, AttentionOutput { out: &mut [0.0; 8], strides: [8, 8, 3], lse: &mut [0.0; 2] }).unwrap();
    });
}

#[test]
fn each_gradient_alone_is_what_it_is_with_the_others() {
    let case = Case { heads: 2, queries: 20, keys: 30, dim: 8, value_dim: 8, causal: true, ..PLAIN };
    let data = case.data();
    let [out, lse, dq, dk, dv] = fast::<f64>(isa(), &case, &data);
    with_inputs(&case, &data, |x: &AttentionInputs<'_, f64>| {
        with_cotangents(&case, &data, (&out, &lse), |c| {
            let mut alone = [vec![0.0; dq.len()], vec![0.0; dk.len()], vec![0.0; dv.len()]];
            backward(x, c, AttentionGradients { dq: Some(&mut alone[0]), ..Default::default() }).unwrap();
            backward(x, c, AttentionGradients { dk: Some(&mut alone[1]), ..Default::default() }).unwrap();
            backward(x, c, AttentionGradients { dv: Some(&mut alone[2]), ..Default::default() }).unwrap();
            assert_eq!(alone, [dq, dk, dv]);
        });
    });
}
