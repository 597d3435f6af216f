use monotile_gpu::{GpuOperand, GpuReduction, GpuScan, GpuType, log_softmax, recurrence, reduce, scan, softmax};

use crate::{LAYOUTS, Layout, close, download, indices, operand, streams, upload};

/// By a plain loop, in f64.
fn plainly(reduction: GpuReduction, sizes: &[usize], x: &[f32], axes: &[usize]) -> Vec<f64> {
    let kept: Vec<usize> = (0..sizes.len()).filter(|d| !axes.contains(d)).collect();
    let outer: Vec<usize> = kept.iter().map(|&d| sizes[d]).collect();
    let mut lists = vec![Vec::new(); outer.iter().product()];
    for (index, &x) in indices(sizes).zip(x) {
        lists[kept.iter().fold(0, |place, &d| place * sizes[d] + index[d])].push(f64::from(x));
    }
    let extreme = |list: &[f64], sign: f64| list.iter().map(|x| x * sign).fold(f64::NEG_INFINITY, f64::max) * sign;
    lists
        .iter()
        .map(|list| match reduction {
            GpuReduction::Sum => list.iter().sum(),
            GpuReduction::Product => list.iter().product::<f64>(),
            GpuReduction::Mean => list.iter().sum::<f64>() / list.len() as f64,
            GpuReduction::Max => extreme(list, 1.0),
            GpuReduction::Min => extreme(list, -1.0),
        })
        .collect()
}

const ALL: [GpuReduction; 5] = [GpuReduction::Sum, GpuReduction::Mean, GpuReduction::Product, GpuReduction::Max, GpuReduction::Min];

#[test]
fn reductions_are_those_of_plain_loops() {
    let shapes: [(&[usize], &[&[usize]]); 6] = [
        (&[1, 1], &[&[0], &[1], &[0, 1]]),
        (&[3, 63], &[&[0], &[1], &[0, 1]]),
        (&[33, 64], &[&[0], &[1]]),
        (&[5, 65], &[&[1]]),
        (&[131, 31], &[&[0], &[1]]),
        (&[2, 3, 7, 5], &[&[0], &[1, 3], &[2], &[0, 1, 2, 3]]),
    ];
    for (label, stream) in streams() {
        for (number, (sizes, cases)) in shapes.into_iter().enumerate() {
            for (k, layout) in LAYOUTS.into_iter().enumerate() {
                let dtype = if k == 1 { [GpuType::BF16, GpuType::F16][number % 2] } else { GpuType::F32 };
                let (view, x) = operand(&stream, sizes, layout, dtype, number as u32);
                for (j, axes) in cases.iter().enumerate() {
                    let reduction = ALL[(j + k + number) % 5];
                    let run = || download(&stream, &reduce(&stream, reduction, &view, axes).unwrap());
                    let found = run();
                    let what = format!("{label}: {reduction:?} of {dtype:?} {sizes:?} {layout:?} over {axes:?}");
                    close(&what, &found, &plainly(reduction, sizes, &x, axes), 2e-6 * (x.len() as f64).sqrt());
                    assert_eq!(found, run(), "{what}: the same bits");
                }
            }
        }
    }
}

#[test]
fn long_sums_are_sums_of_parts() {
    for (label, stream) in streams() {
        for (sizes, axes) in [(&[1, 20_000][..], &[1][..]), (&[8193, 3], &[0]), (&[2, 8192], &[])] {
            let (view, x) = operand(&stream, sizes, Layout::Plain, GpuType::F32, 4);
            let all: Vec<usize> = if axes.is_empty() { vec![0, 1] } else { axes.to_vec() };
            for reduction in ALL {
                let found = download(&stream, &reduce(&stream, reduction, &view, axes).unwrap());
                close(&format!("{label}: {reduction:?} {sizes:?}"), &found, &plainly(reduction, sizes, &x, &all), 1e-4);
            }
        }
    }
}

#[test]
fn nothing_and_nan_reduce_as_on_the_cpu() {
    for (label, stream) in streams() {
        let empty = GpuOperand::contiguous(&upload(&stream, &[]), GpuType::F32, &[2, 0]).unwrap();
        let of = |reduction, axes: &[usize]| reduce(&stream, reduction, &empty, axes);
        assert_eq!(download(&stream, &of(GpuReduction::Sum, &[1]).unwrap()), [0.0, 0.0]);
        assert!(download(&stream, &of(GpuReduction::Mean, &[1]).unwrap()).iter().all(|x| x.is_nan()));
        assert_eq!(download(&stream, &of(GpuReduction::Max, &[0]).unwrap()), []);
        assert!(of(GpuReduction::Max, &[1]).unwrap_err().message.contains("there is no extreme over axes [1] of [2, 0]"));
        assert!(of(GpuReduction::Sum, &[2]).unwrap_err().message.contains("[2] are not axes of 2 dimensions"));
        let x = [1.0, f32::NAN, 3.0, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0, f32::INFINITY, 2.0];
        let view = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[3, 3]).unwrap();
        for (reduction, expected) in [
            (GpuReduction::Max, [f64::NAN, f64::NEG_INFINITY, f64::INFINITY]),
            (GpuReduction::Min, [f64::NAN, f64::NEG_INFINITY, 1.0]),
            (GpuReduction::Sum, [f64::NAN, f64::NEG_INFINITY, f64::INFINITY]),
        ] {
            close(
                &format!("{label}: {reduction:?}"),
                &download(&stream, &reduce(&stream, reduction, &view, &[1]).unwrap()),
                &expected,
                0.0,
            );
        }
    }
}

/// Softmax of rows of n numbers by a plain loop.
fn of_rows(x: &[f64], n: usize) -> Vec<f64> {
    let row = |row: &[f64]| -> Vec<f64> {
        let m = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|x| (x - m).exp()).sum();
        row.iter().map(|x| (x - m).exp() / sum).collect()
    };
    x.chunks_exact(n).flat_map(row).collect()
}

#[test]
fn softmax_of_rows_and_columns_is_stable() {
    for (label, stream) in streams() {
        for (number, sizes) in [&[1, 1][..], &[3, 63], &[2, 64], &[70, 5], &[3, 131], &[2, 3, 40, 3]].into_iter().enumerate() {
            for (k, layout) in LAYOUTS.into_iter().enumerate() {
                let dtype = if k == 1 { [GpuType::BF16, GpuType::F16][number % 2] } else { GpuType::F32 };
                let (view, x) = operand(&stream, sizes, layout, dtype, 7);
                let rank = sizes.len();
                let what = format!("{label}: {dtype:?} {sizes:?} {layout:?}");
                let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let expected = of_rows(&wide, sizes[rank - 1]);
                let found = download(&stream, &softmax(&stream, &view, rank - 1).unwrap());
                close(&what, &found, &expected, 1e-6);
                if k == number % 5 {
                    let logarithms: Vec<f64> = expected.iter().map(|p| p.ln()).collect();
                    close(&what, &download(&stream, &log_softmax(&stream, &view, rank - 1).unwrap()), &logarithms, 2e-6);
                }
                assert_eq!(found, download(&stream, &softmax(&stream, &view, rank - 1).unwrap()), "{what}: the same bits");
                if k > 2 {
                    continue;
                }
                // Along the dimension before: as rows of what is transposed.
                let (rows, columns) = (sizes[rank - 2], sizes[rank - 1]);
                let place =
                    |i: usize| (i / (rows * columns)) * rows * columns + (i % columns) * rows + i % (rows * columns) / columns;
                let mut turned = vec![0.0; x.len()];
                (0..x.len()).for_each(|i| turned[place(i)] = wide[i]);
                let turned = of_rows(&turned, rows);
                let expected: Vec<f64> = (0..x.len()).map(|i| turned[place(i)]).collect();
                close(&what, &download(&stream, &softmax(&stream, &view, rank - 2).unwrap()), &expected, 1e-6);
            }
        }
        let far = [1e4, -1e4, 9.8e3, f32::NEG_INFINITY, f32::NAN, 0.0, 1.0, 2.0];
        let view = GpuOperand::contiguous(&upload(&stream, &far), GpuType::F32, &[2, 4]).unwrap();
        let found = download(&stream, &softmax(&stream, &view, 1).unwrap());
        assert!(found[..4] == [1.0, 0.0, 0.0, 0.0] && found[4..].iter().all(|x| x.is_nan()), "{label}: {found:?}");
        assert!(softmax(&stream, &view, 2).unwrap_err().message.contains("softmax: there is no axis 2 of 2 dimensions"));
    }
}

#[test]
fn scans_are_those_of_plain_loops() {
    // Reversed layouts have elements.
    let shapes: [(&[usize], usize); 5] = [(&[2, 0, 3], 1), (&[3, 65], 1), (&[67, 5], 0), (&[2, 9, 33], 1), (&[1, 1], 0)];
    for (label, stream) in streams() {
        for (number, (sizes, axis)) in shapes.into_iter().enumerate() {
            let dtype = [GpuType::F32, GpuType::BF16][number % 2];
            let (x, x_values) = operand(&stream, sizes, LAYOUTS[number], dtype, 5);
            let (a, a_values) = operand(&stream, sizes, LAYOUTS[(number + 1) % 5], GpuType::F32, 6);
            let inner: usize = sizes[axis + 1..].iter().product();
            let plain = |step: &dyn Fn(f64, usize) -> f64, first: &dyn Fn(usize) -> f64| {
                let mut all = vec![0.0; x_values.len()];
                for at in 0..all.len() {
                    let start = (at / inner.max(1)).is_multiple_of(sizes[axis]);
                    all[at] = if start { first(at) } else { step(all[at - inner], at) };
                }
                all
            };
            let value = |at: usize| f64::from(x_values[at]);
            let what = format!("{label}: {sizes:?} along {axis}");
            let found = |kind| download(&stream, &scan(&stream, kind, &x, axis).unwrap());
            close(&format!("{what}: sum"), &found(GpuScan::Sum), &plain(&|y, at| y + value(at), &value), 1e-5);
            close(&format!("{what}: product"), &found(GpuScan::Product), &plain(&|y, at| y * value(at), &value), 1e-4);
            let both = |y: f64, at: usize| y.max(value(at)) + (-(y - value(at)).abs()).exp().ln_1p();
            close(&format!("{what}: exponentials"), &found(GpuScan::LogSumExp), &plain(&both, &value), 1e-5);
            let found = download(&stream, &recurrence(&stream, &a, &x, axis).unwrap());
            let step = |y: f64, at: usize| f64::from(a_values[at]) * y + value(at);
            close(&format!("{what}: recurrence"), &found, &plain(&step, &value), 1e-4);
        }
    }
}
