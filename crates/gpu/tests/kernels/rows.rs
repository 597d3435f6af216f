use monotile_gpu::{
    GpuClasses, GpuOperand, GpuSegments, GpuStream, GpuType, cross_entropy, cross_entropy_backward, gather_rows,
    gather_rows_backward, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward,
};
use monotile_kernels::gather::GatherDims;
use monotile_kernels::naive;

use crate::{LAYOUTS, Layout, close, download, operand, streams, upload};

const EPS: f32 = 1e-3;

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// A vector of n numbers that do not lie side by side.
fn vector(stream: &GpuStream, n: usize, seed: u32) -> (GpuOperand, Vec<f32>) {
    let (view, x) = operand(stream, &[1, n], Layout::Sliced, GpuType::F32, seed);
    (GpuOperand::strided(view.block(), GpuType::F32, &[n], &view.strides()[1..], view.offset()).unwrap(), x)
}

fn indices(stream: &GpuStream, indices: &[i32], sizes: &[usize]) -> GpuOperand {
    GpuOperand::contiguous(&stream.upload(bytemuck::cast_slice(indices)).unwrap(), GpuType::I32, sizes).unwrap()
}

#[test]
fn norms_and_their_gradients_are_those_of_plain_loops() {
    let shapes: [&[usize]; 6] = [&[1, 1], &[3, 63], &[300, 5], &[2, 3, 64], &[129, 65], &[2, 300]];
    for (label, stream) in streams() {
        for (number, sizes) in shapes.into_iter().enumerate() {
            let n = sizes[sizes.len() - 1];
            let ((w, w_values), (b, b_values)) = (vector(&stream, n, 8), vector(&stream, n, 9));
            let [w64, b64] = [wide(&w_values), wide(&b_values)];
            for layout in [LAYOUTS[number % 5], LAYOUTS[(number + 3) % 5]] {
                let types = [[GpuType::F32; 2], [GpuType::BF16, GpuType::F32]][number % 2];
                let (x, x_values) = operand(&stream, sizes, layout, types[0], 6);
                let (dy, dy_values) = operand(&stream, sizes, LAYOUTS[number % 4], types[1], 7);
                let [x64, dy64] = [wide(&x_values), wide(&dy_values)];
                let what = format!("{label}: {sizes:?} {layout:?} {types:?}");
                let tolerance = 1e-5 * (x64.len() as f64 / n as f64).sqrt();
                let eps = f64::from(EPS);

                let y = download(&stream, &rms_norm(&stream, &x, &w, EPS).unwrap());
                close(&format!("{what}: rms"), &y, &naive::rms_norm(&x64, &w64, eps), 1e-5);
                let run = || rms_norm_backward(&stream, &x, &w, EPS, &dy).unwrap();
                let (found, again) = (run(), run());
                let (dx, dw) = naive::rms_norm_backward(&x64, &w64, eps, &dy64);
                close(&format!("{what}: rms dx"), &download(&stream, &found.dx), &dx, 1e-4);
                close(&format!("{what}: rms dw"), &download(&stream, &found.dw), &dw, tolerance);
                assert_eq!(download(&stream, &found.dw), download(&stream, &again.dw), "{what}: the same bits");

                let y = download(&stream, &layer_norm(&stream, &x, [&w, &b], EPS).unwrap());
                close(&format!("{what}: layer"), &y, &naive::layer_norm(&x64, [&w64, &b64], eps), 1e-5);
                let run = || layer_norm_backward(&stream, &x, [&w, &b], EPS, &dy).unwrap();
                let (found, again) = (run(), run());
                let (dx, dwb) = naive::layer_norm_backward(&x64, &w64, eps, &dy64);
                close(&format!("{what}: layer dx"), &download(&stream, &found.dx), &dx, 1e-4);
                close(&format!("{what}: layer dwb"), &download(&stream, &found.dwb), &dwb, tolerance);
                assert_eq!(download(&stream, &found.dwb), download(&stream, &again.dwb), "{what}: the same bits");
            }
        }
    }
}

#[test]
fn norms_of_nothing_are_nothing_and_what_does_not_fit_is_refused() {
    for (label, stream) in streams() {
        let of = |sizes: &[usize]| {
            GpuOperand::contiguous(&upload(&stream, &vec![1.0; sizes.iter().product()]), GpuType::F32, sizes).unwrap()
        };
        for sizes in [[0, 3], [3, 0], [0, 0]] {
            let (x, w) = (of(&sizes), of(&sizes[1..]));
            assert!(download(&stream, &rms_norm(&stream, &x, &w, EPS).unwrap()).is_empty(), "{label}: {sizes:?}");
            let found = layer_norm_backward(&stream, &x, [&w, &w], EPS, &x).unwrap();
            assert!(download(&stream, &found.dx).is_empty(), "{label}: {sizes:?}");
            assert_eq!(download(&stream, &found.dwb), vec![0.0; 2 * sizes[1]], "{label}: {sizes:?}");
        }
        let message = rms_norm(&stream, &of(&[2, 3]), &of(&[2]), EPS).unwrap_err().message;
        assert!(message.contains("rms_norm: a weight or bias of sizes [2] for rows of 3"), "{message}");
        let message = layer_norm(&stream, &of(&[]), [&of(&[1]), &of(&[1])], EPS).unwrap_err().message;
        assert!(message.contains("layer_norm: a number without dimensions has no rows"), "{message}");
        let message = rms_norm_backward(&stream, &of(&[2, 3]), &of(&[3]), EPS, &of(&[3, 2])).unwrap_err().message;
        assert!(message.contains("rms_norm_backward: a cotangent of sizes [3, 2] for a result of [2, 3]"), "{message}");
    }
}

#[test]
fn rows_of_a_table_and_their_gradient_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        for (number, (rows, n, positions)) in
            [(1, 1, 3), (7, 63, 20), (5, 65, 6), (40, 64, 9), (3, 130, 100)].into_iter().enumerate()
        {
            let (layout, dtype) = (LAYOUTS[number], [GpuType::F32, GpuType::BF16][number % 2]);
            let (table, table_values) = operand(&stream, &[rows, n], layout, dtype, 1);
            let named: Vec<i32> = (0..positions).map(|i| ((i * i * 7 + i) % rows) as i32).collect();
            let named64: Vec<i64> = named.iter().map(|&i| i64::from(i)).collect();
            let dims = GatherDims { outer: 1, axis: rows, inner: n };
            let what = format!("{label}: {rows} x {n} {layout:?} {dtype:?}, {positions} positions");
            let found = gather_rows(&stream, &table, &indices(&stream, &named, &[positions])).unwrap();
            close(&what, &download(&stream, &found), &naive::select(&wide(&table_values), dims, &named64), 0.0);

            let (dy, dy_values) = operand(&stream, &[positions, n], layout, dtype, 2);
            let segments = GpuSegments::new(&stream, &named, rows).unwrap();
            let run = || download(&stream, &gather_rows_backward(&stream, &dy, &segments).unwrap());
            let mut expected = vec![0.0; rows * n];
            naive::select_add(&wide(&dy_values), &named64, &mut expected, dims);
            let found = run();
            close(&what, &found, &expected, 1e-5);
            assert_eq!(found, run(), "{what}: the same bits");
        }
    }
}

#[test]
fn indices_of_any_sizes_name_rows_and_those_outside_are_refused_or_nan() {
    for (label, stream) in streams() {
        let table = GpuOperand::contiguous(&upload(&stream, &[1.0, 2.0, 3.0]), GpuType::F32, &[3, 1]).unwrap();
        let block = stream.upload(bytemuck::cast_slice(&[0_i32, 1, 2, 3, -1, i32::MIN])).unwrap();
        let turned = GpuOperand::strided(&block, GpuType::I32, &[2, 3], &[1, 2], 0).unwrap();
        let found = download(&stream, &gather_rows(&stream, &table, &turned).unwrap());
        close(&label, &found, &[1.0, 3.0, f64::NAN, 2.0, f64::NAN, f64::NAN], 0.0);
        let none = indices(&stream, &[], &[0]);
        assert!(download(&stream, &gather_rows(&stream, &table, &none).unwrap()).is_empty(), "{label}");
        let segments = GpuSegments::new(&stream, &[], 2).unwrap();
        let empty = GpuOperand::contiguous(&upload(&stream, &[]), GpuType::F32, &[0, 2]).unwrap();
        assert_eq!(download(&stream, &gather_rows_backward(&stream, &empty, &segments).unwrap()), [0.0; 4], "{label}");
        let message = GpuSegments::new(&stream, &[0, 3], 3).unwrap_err().message;
        assert!(message.contains("gather_rows: index 3 at position 1 is not of a table of 3 rows"), "{message}");
        let message = gather_rows(&stream, &table, &table).unwrap_err().message;
        assert!(message.contains("gather_rows: indices are of type I32, not F32"), "{message}");
        let message = gather_rows(&stream, &none, &none).unwrap_err().message;
        assert!(message.contains("gather_rows: a table of sizes [0] is not of (rows, columns)"), "{message}");
        let message = gather_rows_backward(&stream, &table, &segments).unwrap_err().message;
        assert!(message.contains("gather_rows_backward: 3 rows for 0 positions"), "{message}");
        let message = gather_rows_backward(&stream, &none, &segments).unwrap_err().message;
        assert!(message.contains("a cotangent of sizes [0] is not of (positions, columns)"), "{message}");
    }
}

#[test]
fn cross_entropy_and_its_gradient_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        let shapes: [(&[usize], usize); 5] = [(&[1], 1), (&[3], 7), (&[2, 5], 64), (&[70], 5), (&[3], 1025)];
        for (number, (leading, n)) in shapes.into_iter().enumerate() {
            let rows: usize = leading.iter().product();
            let sizes = [leading, &[n]].concat();
            let (layout, dtype) = (LAYOUTS[number], [GpuType::F32, GpuType::F16][number % 2]);
            let (x, x_values) = operand(&stream, &sizes, layout, dtype, 1);
            let named: Vec<i32> = (0..rows).map(|r| if r % 3 == 1 { -100 } else { (r * 5 % n) as i32 }).collect();
            let named64: Vec<i64> = named.iter().map(|&class| i64::from(class)).collect();
            let classes = indices(&stream, &named, leading);
            let classes = GpuClasses { classes: &classes, ignored: Some(-100) };
            let what = format!("{label}: {sizes:?} {layout:?} {dtype:?}");
            let found = cross_entropy(&stream, &x, classes).unwrap();
            let x64 = wide(&x_values);
            let each: Vec<f64> =
                x64.chunks_exact(n).zip(&named64).map(|(x, class)| naive::cross_entropy(x, &[*class], Some(-100)).0).collect();
            close(&what, &download(&stream, &found.loss), &each, 2e-6);

            // The same for every row.
            let dy = GpuOperand::strided(&upload(&stream, &[0.3]), GpuType::F32, leading, &vec![0; leading.len()], 0).unwrap();
            let run = || download(&stream, &cross_entropy_backward(&stream, &x, classes, &found.sums, &dy).unwrap());
            let (_, gradient) = naive::cross_entropy(&x64, &named64, Some(-100));
            let gradient: Vec<f64> = gradient.into_iter().map(|slope| f64::from(0.3_f32) * slope).collect();
            let found = run();
            close(&what, &found, &gradient, 1e-6);
            assert_eq!(found, run(), "{what}: the same bits");
        }
    }
}

#[test]
fn classes_that_are_not_there_have_no_loss_and_other_sizes_are_refused() {
    for (label, stream) in streams() {
        let of = |values: &[f32], sizes: &[usize]| GpuOperand::contiguous(&upload(&stream, values), GpuType::F32, sizes).unwrap();
        let x = of(&[f32::NEG_INFINITY, 1e4, 1e4 - 1.0, 0.0, f32::NAN, 1.0, f32::NAN, 0.0, 0.0, 1.0, 2.0, 3.0], &[4, 3]);
        let named = indices(&stream, &[2, 0, -1, 3], &[4]);
        let run = |ignored| cross_entropy(&stream, &x, GpuClasses { classes: &named, ignored }).unwrap();
        let found = run(Some(-1));
        close(&label, &download(&stream, &found.loss), &[1.313_261_7, f64::NAN, 0.0, f64::NAN], 1e-6);
        close(&label, &download(&stream, &run(None).loss)[2..], &[f64::NAN; 2], 0.0);
        let classes = GpuClasses { classes: &named, ignored: Some(-1) };
        let dx = cross_entropy_backward(&stream, &x, classes, &found.sums, &of(&[1.0; 4], &[4])).unwrap();
        let dx = download(&stream, &dx);
        close(&label, &dx[..3], &[0.0, 0.731_058_6, -0.731_058_6], 1e-6);
        assert!(dx[3..6].iter().all(|x| x.is_nan()) && dx[6..9] == [0.0; 3], "{label}: {dx:?}");

        let none = indices(&stream, &[], &[0]);
        let classes = GpuClasses { classes: &none, ignored: None };
        let empty = cross_entropy(&stream, &of(&[], &[0, 3]), classes).unwrap();
        assert!(download(&stream, &empty.loss).is_empty(), "{label}");
        let message = cross_entropy(&stream, &x, classes).unwrap_err().message;
        assert!(message.contains("cross_entropy: classes of sizes [0] for logits of [4, 3]"), "{message}");
        let message = cross_entropy(&stream, &x, GpuClasses { classes: &x, ignored: None }).unwrap_err().message;
        assert!(message.contains("cross_entropy: classes are of type I32, not F32"), "{message}");
        let classes = GpuClasses { classes: &named, ignored: None };
        let message = cross_entropy(&stream, &of(&[1.0], &[]), classes).unwrap_err().message;
        assert!(message.contains("cross_entropy: a number without dimensions has no rows"), "{message}");
        let backward = |sums, dy: &GpuOperand| cross_entropy_backward(&stream, &x, classes, sums, dy).unwrap_err().message;
        let message = backward(&found.sums, &x);
        assert!(message.contains("cross_entropy_backward: a cotangent of sizes [4, 3] for logits of [4, 3]"), "{message}");
        let message = backward(&found.loss, &of(&[1.0; 4], &[4]));
        assert!(message.contains("16 bytes are not two sums for each of 4 rows"), "{message}");
    }
}
