//! Where tiles end, rows see nothing, scores outgrow the running maximum, and views lie askew.

use super::*;
use crate::attention::tile::{BC, BR, MR};

#[test]
fn sizes_around_every_block_agree_with_the_plain_twin() {
    // Rows of a register tile and of a tile; keys of registers, panels, tiles and stretches.
    for queries in [MR - 1, MR, MR + 1, BR - 1, BR, BR + 1, 2 * BR + 1] {
        for (i, keys) in [15, 16, 17, 31, 33, BC - 1, BC, BC + 1, 4 * BC - 1, 4 * BC + 1].into_iter().enumerate() {
            check(Case { queries, keys, dim: 7 + i, value_dim: 20 - i, causal: i % 2 == 1, ..PLAIN });
        }
    }
}

#[test]
fn one_query_agrees_at_the_edges_of_registers_tiles_and_parts() {
    for (i, keys) in [15, 16, 17, BC - 1, BC + 1, 2 * BC, 4 * BC - 1, 4 * BC, 4 * BC + 1].into_iter().enumerate() {
        for (heads, kv_heads) in [(1, 1), (2, 1), (7, 1), (4, 2)] {
            check(Case { heads, kv_heads, keys, dim: 14 + i, value_dim: 16, mask: [0, 5][i % 2], ..PLAIN });
        }
    }
}

#[test]
fn tiles_hidden_whole_and_rows_hidden_whole_count_for_nothing() {
    for (queries, keys) in [(1, 3 * BC), (11, 3 * BC), (BR + 5, 2 * BC + 9)] {
        for causal in [false, true] {
            check(Case { heads: 2, queries, keys, dim: 8, value_dim: 16, mask: 5, causal, ..PLAIN });
        }
    }
}

#[test]
fn scores_that_outgrow_the_running_maximum_agree_with_the_plain_twin() {
    // From tile to tile the largest score falls, stays, rises by less than its slack, and by far more.
    for growth in [-2.0, 0.0, 0.5, 3.0, 40.0] {
        for queries in [1, 40] {
            let case = Case { queries, keys: 4 * BC, dim: 16, value_dim: 16, size: 1.0, ..PLAIN };
            let mut data = case.data();
            data.q.iter_mut().for_each(|x| *x = 1.0 + 0.1 * *x);
            for (i, x) in data.k.iter_mut().enumerate() {
                *x = f64::from((*x + growth * (i / (16 * BC)) as f64) as f32);
            }
            data.q.iter_mut().for_each(|x| *x = f64::from(*x as f32));
            compare(case, &data);
        }
    }
}

#[test]
fn numbers_that_are_not_finite_stay_in_their_rows() {
    for (i, bad) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().enumerate() {
        for row in [0, MR - 1, MR, BR - 1, BR] {
            let case = Case { queries: BR + 4, keys: BC + 3, dim: 16, value_dim: 16, causal: i == 1, ..PLAIN };
            let mut data = case.data();
            data.q[row * 16 + 3] = bad;
            for isa in available() {
                let [out, lse, dq, ..] = fast::<f32>(isa, &case, &data);
                for (t, (out, dq)) in out.chunks(16).zip(dq.chunks(16)).enumerate() {
                    let finite = lse[t].is_finite() && out.iter().chain(dq).all(|x| x.is_finite());
                    assert_eq!(finite, t != row, "{bad} in row {row}, seen in row {t} on {isa:?}");
                }
            }
        }
    }
}

#[test]
fn views_that_lie_askew_give_the_same_bits() {
    for (queries, keys, dim) in [(1, 400, 16), (1, 200, 48), (20, 210, 17), (100, 400, 64)] {
        let case = Case { heads: 2, kv_heads: 2, queries, keys, dim, value_dim: dim, causal: true, ..PLAIN };
        let data = case.data();
        // Rows one element longer than they need be, from an odd address on.
        let askew = |x: &[f64]| {
            let mut to = vec![f32::NAN; 1];
            x.chunks(dim).for_each(|row| {
                to.extend(row.iter().map(|&x| x as f32));
                to.push(f32::NAN);
            });
            to
        };
        let (q, k, v) = (askew(&data.q), askew(&data.k), askew(&data.v));
        let strides = |rows: usize| [(2 * rows * (dim + 1)) as isize, (rows * (dim + 1)) as isize, (dim + 1) as isize, 1];
        for isa in available() {
            let [whole, whole_lse, ..] = fast::<f32>(isa, &case, &data);
            let (mut out, mut lse) = (vec![0.0; whole.len()], vec![0.0; whole_lse.len()]);
            let ([qs, ks], [qt, kt]) = ([queries, keys].map(|rows| [1, 2, rows, dim]), [queries, keys].map(strides));
            let x = AttentionInputs {
                q: View::new(&q, 1, &qs, &qt).unwrap(),
                k: View::new(&k, 1, &ks, &kt).unwrap(),
                v: View::new(&v, 1, &ks, &kt).unwrap(),
                scale: (1.0 / (dim as f64).sqrt()) as f32,
                causal: true,
                mask: AttentionMask::None,
            };
            forward::run(&x, AttentionOutput::row_major(&mut out, &mut lse, case.shape()), false, isa).unwrap();
            assert!(out == whole && lse == whole_lse, "{isa:?}: {case:?}");
        }
    }
}
