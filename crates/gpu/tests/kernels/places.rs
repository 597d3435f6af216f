use monotile_gpu::{
    GpuOperand, GpuScatter, GpuStream, GpuType, compare_integers, count_up, embed, fill, fill_integers, gather_along, join,
    scatter_along, select_integers,
};

use crate::{LAYOUTS, Layout, close, download, indices, operand, streams};

fn integers(stream: &GpuStream, values: &[i32], sizes: &[usize]) -> GpuOperand {
    GpuOperand::contiguous(&stream.upload(bytemuck::cast_slice(values)).unwrap(), GpuType::I32, sizes).unwrap()
}

/// Sizes with another one along an axis.
fn with(sizes: &[usize], axis: usize, size: usize) -> Vec<usize> {
    sizes.iter().enumerate().map(|(d, &n)| if d == axis { size } else { n }).collect()
}

fn place(index: &[usize], sizes: &[usize]) -> usize {
    index.iter().zip(sizes).fold(0, |place, (i, n)| place * n + i)
}

#[test]
fn elements_along_an_axis_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        for (number, (sizes, axis, count)) in
            [(&[3, 5][..], 1, 7), (&[65, 3], 0, 4), (&[2, 9, 33], 1, 2), (&[2, 3, 5], 2, 1)].into_iter().enumerate()
        {
            let layout = LAYOUTS[number];
            let dtype = [GpuType::F32, GpuType::BF16][number % 2];
            let (x, x_values) = operand(&stream, sizes, layout, dtype, 3);
            let picked = with(sizes, axis, count);
            let total: usize = picked.iter().product();
            let named: Vec<i32> = (0..total).map(|i| ((i * 7 + i / 3) % sizes[axis]) as i32).collect();
            let index = integers(&stream, &named, &picked);
            let (source, brought) = operand(&stream, &picked, LAYOUTS[(number + 2) % 5], GpuType::F32, 4);
            let what = format!("{label}: {sizes:?} {layout:?} along {axis}");

            let found = download(&stream, &gather_along(&stream, &x, &index, axis).unwrap());
            let plain: Vec<f64> = indices(&picked)
                .zip(&named)
                .map(|(mut at, &i)| {
                    at[axis] = i as usize;
                    f64::from(x_values[place(&at, sizes)])
                })
                .collect();
            close(&format!("{what}: gathered"), &found, &plain, 0.0);

            for how in [GpuScatter::Add, GpuScatter::Multiply, GpuScatter::Put, GpuScatter::Max, GpuScatter::Min] {
                let run = || download(&stream, &scatter_along(&stream, how, &x, &index, &source, axis).unwrap());
                let mut plain: Vec<f64> = x_values.iter().map(|&x| f64::from(x)).collect();
                for ((mut at, &i), &new) in indices(&picked).zip(&named).zip(&brought) {
                    at[axis] = i as usize;
                    let old = &mut plain[place(&at, sizes)];
                    let new = f64::from(new);
                    *old = match how {
                        GpuScatter::Add => *old + new,
                        GpuScatter::Multiply => *old * new,
                        GpuScatter::Put => new,
                        GpuScatter::Max => old.max(new),
                        GpuScatter::Min => old.min(new),
                    };
                }
                close(&format!("{what}: {how:?}"), &run(), &plain, 1e-6);
                assert_eq!(run(), run(), "{what}: {how:?}: the same bits");
            }
        }
        let (x, _) = operand(&stream, &[2, 3], Layout::Plain, GpuType::F32, 1);
        let found = download(&stream, &gather_along(&stream, &x, &integers(&stream, &[3, -1], &[2, 1]), 1).unwrap());
        assert!(found.iter().all(|x| x.is_nan()), "what is not there");
        let words = gather_along(&stream, &x, &integers(&stream, &[0; 3], &[3, 1]), 1).unwrap_err().message;
        assert_eq!(words, "gather_along: sizes [2, 3] and indices of sizes [3, 1] differ outside axis 1");
    }
}

#[test]
fn integers_that_f32_takes_for_one_are_told_apart() {
    let values = [16_777_216, 16_777_217, i32::MIN, i32::MAX, -1, 0, 2_147_483_646];
    let others = [16_777_217, 16_777_217, i32::MAX, i32::MAX, 1, 0, i32::MAX];
    for (label, stream) in streams() {
        let (a, b) = (integers(&stream, &values, &[7]), integers(&stream, &others, &[7]));
        type Plain = fn(&i32, &i32) -> bool;
        let signs: [(&str, Plain); 6] =
            [("==", i32::eq), ("!=", i32::ne), ("<", i32::lt), ("<=", i32::le), (">", i32::gt), (">=", i32::ge)];
        for (sign, plain) in signs {
            let truths = stream.read_blocking(&compare_integers(&stream, &a, &b, sign).unwrap()).unwrap();
            let expected: Vec<u8> = values.iter().zip(&others).map(|(a, b)| u8::from(plain(a, b))).collect();
            assert_eq!(truths, expected, "{label}: {sign}");
            let mask = GpuOperand::contiguous(&stream.upload(&truths).unwrap(), GpuType::Bool, &[7]).unwrap();
            let chosen = stream.read_blocking(&select_integers(&stream, &mask, &a, &b).unwrap()).unwrap();
            let expected: Vec<i32> = values.iter().zip(&others).map(|(a, b)| if plain(a, b) { *a } else { *b }).collect();
            assert_eq!(bytemuck::pod_collect_to_vec::<u8, i32>(&chosen), expected, "{label}: {sign}");
        }
    }
}

#[test]
fn blocks_are_filled_joined_and_embedded() {
    for (label, stream) in streams() {
        assert_eq!(download(&stream, &fill(&stream, -0.5, 131).unwrap()), [-0.5; 131], "{label}");
        assert_eq!(download(&stream, &count_up(&stream, 67).unwrap()), (0..67).map(|i| i as f32).collect::<Vec<_>>(), "{label}");
        let ones = stream.read_blocking(&fill_integers(&stream, -1, 3).unwrap()).unwrap();
        assert_eq!(ones, [255; 12], "{label}");
        for (number, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::Bool].into_iter().enumerate() {
            let sizes = [[2, 3, 5], [2, 1, 5], [2, 4, 5]];
            for axis in 0..3 {
                let sizes = sizes.map(|size| if axis == 1 { size.to_vec() } else { with(&[2, 3, 5], axis, size[1]) });
                let parts: Vec<(GpuOperand, Vec<f32>)> = sizes
                    .iter()
                    .enumerate()
                    .map(|(i, sizes)| {
                        let dtype = if dtype == GpuType::Bool { GpuType::F32 } else { dtype };
                        operand(&stream, sizes, LAYOUTS[(i + number) % 5], dtype, i as u32)
                    })
                    .collect();
                let operands: Vec<GpuOperand> = parts.iter().map(|(x, _)| x.clone()).collect();
                let block = join(&stream, &operands, axis).unwrap();
                let all = with(&sizes[0], axis, sizes.iter().map(|sizes| sizes[axis]).sum());
                let whole = GpuOperand::contiguous(&block, operands[0].dtype(), &all).unwrap();
                let found = download(&stream, &monotile_gpu::copy(&stream, &whole, GpuType::F32).unwrap());
                let mut plain = vec![0.0; found.len()];
                let mut start = 0;
                for ((_, values), sizes) in parts.iter().zip(&sizes) {
                    for (mut at, &x) in indices(sizes).zip(values) {
                        at[axis] += start;
                        plain[place(&at, &all)] = f64::from(x);
                    }
                    start += sizes[axis];
                }
                close(&format!("{label}: {dtype:?} along {axis}"), &found, &plain, 0.0);
            }
            if dtype != GpuType::Bool {
                let (x, values) = operand(&stream, &[3, 5], LAYOUTS[number], dtype, 9);
                // Columns backwards, every second place.
                let found = download(&stream, &embed(&stream, &x, 40, &[-2, 6], 5).unwrap());
                let mut plain = vec![0.0; 40];
                indices(&[3, 5]).zip(&values).for_each(|(at, &x)| plain[5 + 6 * at[1] - 2 * at[0]] = f64::from(x));
                close(&format!("{label}: {dtype:?} embedded"), &found, &plain, 0.0);
            }
        }
        let (x, _) = operand(&stream, &[2, 2], Layout::Plain, GpuType::F32, 1);
        let words = embed(&stream, &x, 3, &[2, 1], 0).unwrap_err().message;
        assert_eq!(words, "embed: sizes [2, 2] by strides [2, 1] from 0 leave 3 elements");
        assert_eq!(join(&stream, &[], 0).unwrap_err().message, "join: 0 operands along axis 0");
    }
}
