use monotile_gpu::{GpuAttentionCotangents, GpuAttentionOptions, GpuOperand, GpuStream, GpuType, attention, attention_backward};
use monotile_kernels::attention::{AttentionCotangents, AttentionInputs, AttentionMask};
use monotile_kernels::naive;
use monotile_kernels::view::View;

use crate::{Layout, close, download, numbers, operand, streams, upload};

/// Sizes and options of a test.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    heads: usize,
    groups: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    value_dim: usize,
    causal: bool,
    window: Option<usize>,
    layout: Layout,
    types: [GpuType; 2],
    /// Whether gradients are asked for.
    backward: bool,
    /// The type of a mask that all heads share.
    mask: Option<GpuType>,
}

const PLAIN: Case = Case {
    batch: 1,
    heads: 1,
    groups: 1,
    queries: 32,
    keys: 32,
    dim: 32,
    value_dim: 32,
    causal: false,
    window: None,
    layout: Layout::Plain,
    types: [GpuType::F32; 2],
    backward: true,
    mask: None,
};

fn row_major(sizes: [usize; 4]) -> [isize; 4] {
    [sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1].map(|stride| stride as isize)
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// A mask `(b, 1, t, s)` repeated for all heads, and what it adds to scores. Query 1 sees nothing.
fn shared_mask(stream: &GpuStream, dtype: GpuType, [batch, heads, queries, keys]: [usize; 4]) -> (GpuOperand, Vec<f64>) {
    let all = batch * queries * keys;
    let hides = |i: usize| i / keys % queries == 1 || i * 7919 % 13 < 4;
    let number = |(i, x): (usize, f32)| if hides(i) { f32::NEG_INFINITY } else { (4.0 * x).round() / 4.0 };
    let numbers: Vec<f32> = numbers(all, 11).into_iter().enumerate().map(number).collect();
    let (bytes, added): (Vec<u8>, Vec<f64>) = match dtype {
        GpuType::Bool => {
            let shown: Vec<u8> = (0..all).map(|i| u8::from(!hides(i))).collect();
            let added = (0..all).map(|i| if hides(i) { f64::NEG_INFINITY } else { 0.0 }).collect();
            (shown, added)
        }
        _ => (numbers.iter().flat_map(|&x| crate::encoded(x, dtype)).collect(), wide(&numbers)),
    };
    let block = stream.upload(&bytes).unwrap();
    let strides = [(queries * keys) as isize, 0, keys as isize, 1];
    (GpuOperand::strided(&block, dtype, &[batch, heads, queries, keys], &strides, 0).unwrap(), added)
}

#[track_caller]
fn check(label: &str, stream: &GpuStream, case: Case) {
    let Case { batch, heads, groups, queries, keys, dim, value_dim, causal, window, layout, types, backward, mask } = case;
    let sizes = [[batch, heads, queries, dim], [batch, groups, keys, dim], [batch, groups, keys, value_dim]];
    let out_sizes = [batch, heads, queries, value_dim];
    let what = format!("{label}: {case:?}");
    let (q, q_values) = operand(stream, &sizes[0], layout, types[0], 1);
    let (k, k_values) = operand(stream, &sizes[1], layout, types[1], 2);
    let (v, v_values) = operand(stream, &sizes[2], layout, types[1], 3);
    let (dout, dout_values) = operand(stream, &out_sizes, layout, types[0], 4);
    let dlse = numbers(batch * heads * queries, 5);
    let shown = mask.map(|dtype| shared_mask(stream, dtype, [batch, heads, queries, keys]));
    let options = GpuAttentionOptions { causal, window, scale: Some(0.3), mask: shown.as_ref().map(|(there, _)| there) };
    let forward = || attention(stream, [&q, &k, &v], &options).unwrap();
    let found = forward();

    let [q64, k64, v64, dout64] = [&q_values, &k_values, &v_values, &dout_values].map(|x| wide(x));
    let strides = [sizes[0], sizes[1], sizes[2], out_sizes].map(row_major);
    let mask_sizes = [batch, heads, queries, keys];
    let hidden = |place: usize| {
        let (t, s) = ((place / keys) % queries, place % keys);
        window.is_some_and(|window| s + window + queries < t + 1 + keys)
    };
    let added = |place: usize| {
        // Heads share it.
        let of = place / (heads * queries * keys) * queries * keys + place % (queries * keys);
        shown.as_ref().map_or(0.0, |(_, numbers)| numbers[of])
    };
    let added = |place: usize| if hidden(place) { f64::NEG_INFINITY } else { added(place) };
    let mask: Vec<f64> = (0..mask_sizes.iter().product()).map(added).collect();
    let mask_strides = row_major(mask_sizes);
    let view = |x, i: usize, sizes| View::new(x, 0, sizes, &strides[i]).unwrap();
    let inputs = AttentionInputs {
        q: view(&q64, 0, &sizes[0]),
        k: view(&k64, 1, &sizes[1]),
        v: view(&v64, 2, &sizes[2]),
        scale: f64::from(0.3_f32),
        causal,
        mask: AttentionMask::Additive(View::new(&mask, 0, &mask_sizes, &mask_strides).unwrap()),
    };
    let expected = naive::attention(&inputs);
    let tolerance = if queries <= 8 && shown.is_none() { 1e-5 } else { 1e-4 };
    close(&format!("{what}: out"), &download(stream, &found.out), &expected.out, tolerance);
    close(&format!("{what}: lse"), &download(stream, &found.lse), &expected.lse, 1e-5);

    if heads > 1 {
        assert_eq!(download(stream, &found.out), download(stream, &forward().out), "{what}: the same bits");
    }
    if !backward {
        return;
    }

    let dlse64 = wide(&dlse);
    let dlse_block = upload(stream, &dlse);
    let with_dlse = queries % 2 == 1;
    let cotangents = GpuAttentionCotangents { dout: &dout, dlse: with_dlse.then_some(&dlse_block) };
    let backward = || attention_backward(stream, [&q, &k, &v], &found, &cotangents, &options).unwrap();
    let gradients = backward();
    let expected = naive::attention_gradients(
        &inputs,
        &AttentionCotangents {
            out: view(&expected.out, 3, &out_sizes),
            lse: &expected.lse,
            dout: view(&dout64, 3, &out_sizes),
            dlse: with_dlse.then_some(&dlse64[..]),
        },
    );
    close(&format!("{what}: dq"), &download(stream, &gradients.dq), &expected.dq, 1e-4);
    close(&format!("{what}: dk"), &download(stream, &gradients.dk), &expected.dk, 1e-4);
    close(&format!("{what}: dv"), &download(stream, &gradients.dv), &expected.dv, 1e-4);
    if heads > 1 {
        let again = backward();
        for (a, b) in [(&gradients.dq, &again.dq), (&gradients.dk, &again.dk), (&gradients.dv, &again.dv)] {
            assert_eq!(download(stream, a), download(stream, b), "{what}: the same bits");
        }
    }
}

#[test]
fn attention_and_its_gradients_are_those_of_plain_loops() {
    for (turn, (label, stream)) in streams().into_iter().enumerate() {
        let edges = [1, 31, 32, 33, 67];
        for (i, &queries) in edges.iter().enumerate() {
            for (j, &keys) in edges.iter().enumerate().filter(|(j, _)| (i + j) % 2 == 0) {
                let dim = [8, 5, 17][(i + j) % 3];
                check(&label, &stream, Case { queries, keys, dim, value_dim: dim, causal: i % 2 == 0, ..PLAIN });
            }
        }
        // Drivers take seconds to compile wide heads: some are for one set of capabilities alone.
        let dims: &[usize] = if turn % 2 == 0 { &[8, 32, 64, 80, 128] } else { &[8, 128] };
        for (number, &dim) in dims.iter().enumerate() {
            let (queries, keys) = [(33, 40), (40, 33)][number % 2];
            check(&label, &stream, Case { queries, keys, dim, value_dim: dim, causal: number % 2 == 0, ..PLAIN });
        }
        if turn % 2 == 1 {
            check(&label, &stream, Case { dim: 36, value_dim: 8, ..PLAIN });
        }
    }
}

#[test]
fn heads_of_queries_share_heads_of_keys() {
    for (turn, (label, stream)) in streams().into_iter().enumerate() {
        let case = Case { batch: 2, heads: 4, groups: 2, queries: 35, keys: 41, dim: 16, value_dim: 8, ..PLAIN };
        let halves = [[GpuType::F32; 2], [GpuType::BF16, GpuType::F16]][turn % 2];
        check(&label, &stream, Case { causal: true, types: halves, ..case });
        check(&label, &stream, Case { groups: 1, layout: Layout::Sliced, ..case });
        let (layout, types) =
            [(Layout::Transposed, [GpuType::F32, GpuType::BF16]), (Layout::Reversed, [GpuType::F16, GpuType::F32])][turn % 2];
        check(&label, &stream, Case { groups: 4, layout, types, ..case });
    }
}

#[test]
fn masks_hide_keys_and_add_to_scores() {
    for (turn, (label, stream)) in streams().into_iter().enumerate() {
        let case = Case { batch: 2, heads: 4, groups: 2, queries: 35, keys: 41, dim: 8, value_dim: 8, ..PLAIN };
        let all = [[GpuType::Bool, GpuType::F32], [GpuType::BF16, GpuType::Bool]][turn % 2];
        check(&label, &stream, Case { mask: Some(all[0]), ..case });
        check(&label, &stream, Case { mask: Some(all[1]), causal: true, window: Some(20), ..case });
        check(&label, &stream, Case { mask: Some(GpuType::F16), queries: 3, types: [GpuType::F16; 2], ..case });
        let x = GpuOperand::contiguous(&upload(&stream, &[0.0; 8]), GpuType::F32, &[1, 1, 2, 4]).unwrap();
        let options = GpuAttentionOptions { mask: Some(&x), ..Default::default() };
        let words = attention(&stream, [&x, &x, &x], &options).unwrap_err().to_string();
        assert!(words.contains("have no mask of F32 of sizes [1, 1, 2, 4], but of (b, h, t, s)"), "{words}");
    }
}

#[test]
fn few_queries_are_split_over_keys() {
    for (turn, (label, stream)) in streams().into_iter().enumerate() {
        // Gradients of them are those of any attention.
        let case = Case { queries: 1, keys: 300, dim: 16, value_dim: 16, backward: false, ..PLAIN };
        check(&label, &stream, Case { batch: 2, heads: 4, groups: 2, causal: true, backward: turn == 0, ..case });
        check(&label, &stream, Case { heads: 6, queries: 3, keys: 131, dim: 5, value_dim: 9, causal: true, ..case });
        check(&label, &stream, Case { heads: 3, groups: 3, queries: 8, keys: 64, window: Some(20), causal: true, ..case });
        check(&label, &stream, Case { queries: 2, window: Some(1), ..case });
        let halves = [[GpuType::F32, GpuType::BF16], [GpuType::F16, GpuType::F32]][turn % 2];
        let layouts = [[Layout::Sliced, Layout::Reversed], [Layout::Transposed, Layout::Expanded]][turn % 2];
        check(&label, &stream, Case { heads: 7, keys: 97, layout: layouts[0], types: halves, ..case });
        check(&label, &stream, Case { heads: 2, queries: 5, keys: 70, layout: layouts[1], types: halves, causal: true, ..case });
        if turn % 2 == 0 {
            check(&label, &stream, Case { heads: 8, keys: 200, dim: 128, value_dim: 128, types: halves, ..case });
        } else {
            check(&label, &stream, Case { heads: 5, keys: 80, dim: 160, value_dim: 64, ..case });
        }
    }
}

#[test]
fn numbers_that_are_none_pass_through_splits() {
    for (label, stream) in streams() {
        let of = |values: &[f32], rows: usize| {
            GpuOperand::contiguous(&upload(&stream, values), GpuType::F32, &[1, 1, rows, values.len() / rows]).unwrap()
        };
        let options = GpuAttentionOptions { causal: true, scale: Some(1.0), ..Default::default() };
        let run = |keys: &[f32]| {
            let (k, v) = (of(keys, 100), of(&[2.5; 100], 100));
            let found = attention(&stream, [&of(&[1.0; 2], 2), &k, &v], &options).unwrap();
            (download(&stream, &found.out), download(&stream, &found.lse))
        };
        let mut keys = [0.0; 100];
        keys[99] = f32::NAN;
        let (out, lse) = run(&keys);
        assert!(out[0] == 2.5 && !lse[0].is_nan() && out[1].is_nan() && lse[1].is_nan(), "{label}: {out:?} {lse:?}");
        // One score is far above all others.
        keys[99] = 1e4;
        let (out, lse) = run(&keys);
        assert!(out == [2.5, 2.5] && lse[1] == 1e4, "{label}: {out:?} {lse:?}");
    }
}

#[test]
fn a_window_hides_what_lies_far_before() {
    for (label, stream) in streams() {
        for (queries, keys, window, causal) in [(70, 70, 1, true), (70, 100, 20, true), (99, 67, 33, true), (40, 67, 20, false)] {
            check(&label, &stream, Case { queries, keys, dim: 8, value_dim: 8, causal, window: Some(window), ..PLAIN });
        }
    }
}

#[test]
fn hidden_numbers_do_not_matter_and_seen_ones_do() {
    for (label, stream) in streams() {
        let of = |values: &[f32], rows: usize| {
            GpuOperand::contiguous(&upload(&stream, values), GpuType::F32, &[1, 1, rows, values.len() / rows]).unwrap()
        };
        let options = GpuAttentionOptions { causal: true, scale: Some(1.0), ..Default::default() };
        let run = |k: &[f32]| {
            let v = of(&[1.0, 2.0, 3.0], 3);
            let found = attention(&stream, [&of(&[1.0; 3], 3), &of(k, 3), &v], &options).unwrap();
            (download(&stream, &found.out), download(&stream, &found.lse))
        };
        let (out, lse) = run(&[0.0, f32::NAN, f32::INFINITY]);
        assert!(out[0] == 1.0 && lse[0] == 0.0 && out[1].is_nan() && out[2].is_nan(), "{label}: {out:?} {lse:?}");
        let (out, lse) = run(&[1e4, 1e4 - 1.0, -1e4]);
        close(&label, &out, &[1.0, 1.268_941_421, 1.268_941_421], 1e-6);
        close(&label, &lse, &[1e4, 1e4 + 0.313_261_7, 1e4 + 0.313_261_7], 1e-6);
    }
}

#[test]
fn no_rows_and_no_keys_have_results_and_what_does_not_fit_is_refused() {
    for (label, stream) in streams() {
        let of = |sizes: &[usize]| {
            GpuOperand::contiguous(&upload(&stream, &vec![1.0; sizes.iter().product()]), GpuType::F32, sizes).unwrap()
        };
        let options = GpuAttentionOptions::default();
        for (t, s) in [(0, 3), (3, 0), (0, 0)] {
            let (q, k) = (of(&[1, 2, t, 4]), of(&[1, 1, s, 4]));
            let found = attention(&stream, [&q, &k, &k], &options).unwrap();
            assert!(download(&stream, &found.out) == vec![0.0; 8 * t], "{label}: {t} x {s}");
            assert!(download(&stream, &found.lse) == vec![f32::NEG_INFINITY; 2 * t], "{label}: {t} x {s}");
            let cotangents = GpuAttentionCotangents { dout: &q, dlse: None };
            let gradients = attention_backward(&stream, [&q, &k, &k], &found, &cotangents, &options).unwrap();
            assert!(download(&stream, &gradients.dq) == vec![0.0; 8 * t], "{label}: {t} x {s}");
            assert!(download(&stream, &gradients.dk) == vec![0.0; 4 * s], "{label}: {t} x {s}");
            assert!(download(&stream, &gradients.dv) == vec![0.0; 4 * s], "{label}: {t} x {s}");
        }
        let refused = |sizes: [&[usize]; 3]| {
            let [q, k, v] = sizes.map(of);
            attention(&stream, [&q, &k, &v], &options).unwrap_err().message
        };
        let k: &[usize] = &[1, 2, 5, 4];
        assert!(refused([&[2, 3, 4], k, k]).contains("attention: sizes [2, 3, 4], [1, 2, 5, 4] and [1, 2, 5, 4] are not of"));
        assert!(refused([&[1, 2, 3, 5], k, k]).contains("are not of (b, h, t, d), (b, g, s, d) and (b, g, s, e)"));
        assert!(refused([&[1, 3, 3, 4], k, k]).contains("3 heads of queries are no multiple of 2 heads of keys"));
        assert!(refused([&[1, 1, 1, 257], &[1, 1, 1, 257], &[1, 1, 1, 4]]).contains("wider than 256"));
        let (q, k) = (of(&[1, 2, 3, 4]), of(k));
        let forward = attention(&stream, [&q, &k, &k], &options).unwrap();
        let cotangents = GpuAttentionCotangents { dout: &k, dlse: None };
        let error = attention_backward(&stream, [&q, &k, &k], &forward, &cotangents, &options).unwrap_err().message;
        assert!(error.contains("a cotangent of sizes [1, 2, 5, 4] for a result of [1, 2, 3, 4]"), "{error}");
    }
}
