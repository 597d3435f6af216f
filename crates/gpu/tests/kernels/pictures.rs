//! The structural similarity of pictures against the processor's kernel in f64, which meets a plain loop there.

use monotile_gpu::{GpuOperand, GpuType, ssim, ssim_backward};
use monotile_kernels::ssim::{SsimRule, ssim_gradient};

use crate::{close, download, numbers, streams, upload};

#[test]
fn similarity_and_both_gradients_at_the_edges_of_tiles() {
    for (label, stream) in streams() {
        for (height, width, channels, within) in
            [(1, 1, 3, false), (16, 16, 1, true), (17, 33, 3, false), (40, 21, 2, true), (11, 48, 4, false)]
        {
            let rule = SsimRule { height, width, channels, within };
            let all = height * width * channels;
            let picture = |seed: u32| numbers(all, seed).iter().map(|x| 0.25 * x + 0.5).collect::<Vec<f32>>();
            let (x, y) = (picture(1), picture(2));
            let y: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 0.6 * x + 0.4 * y).collect();
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (mut of_x, mut of_y) = (vec![0.0; all], vec![0.0; all]);
            let expected = ssim_gradient(rule, [&wide(&x), &wide(&y)], [&mut of_x, &mut of_y]).unwrap();
            // One picture lies at an offset, the other with its columns apart.
            let shifted: Vec<f32> = [vec![9.0; 5], x].concat();
            let apart: Vec<f32> = y.chunks_exact(channels).flat_map(|pixel| [pixel, &[7.0]].concat()).collect();
            let row = ((channels * width) as isize, (channels + 1) as isize);
            let sizes = [height, width, channels];
            let strides = [row.0, channels as isize, 1];
            let x = GpuOperand::strided(&upload(&stream, &shifted), GpuType::F32, &sizes, &strides, 5).unwrap();
            let strides = [row.1 * width as isize, row.1, 1];
            let y = GpuOperand::strided(&upload(&stream, &apart), GpuType::F32, &sizes, &strides, 0).unwrap();
            let run = || {
                let of = ssim(&stream, &rule, [&x, &y]).unwrap();
                let gradients = [false, true].map(|second| ssim_backward(&stream, &of, second).unwrap());
                [&of.lost, &gradients[0], &gradients[1]].map(|block| download(&stream, block))
            };
            let [lost, found_x, found_y] = run();
            let what = format!("{label}: {rule:?}");
            close(&what, &lost, &[1.0 - expected], 2e-6);
            let largest = of_x.iter().chain(&of_y).fold(0.0, |m: f64, x| m.max(x.abs()));
            for (found, expected) in [(&found_x, &of_x), (&found_y, &of_y)] {
                let scaled = |x: f64| x / largest;
                let found: Vec<f32> = found.iter().map(|&x| scaled(f64::from(x)) as f32).collect();
                close(&what, &found, &expected.iter().map(|&x| scaled(x)).collect::<Vec<_>>(), 1e-4);
            }
            assert_eq!(run(), [lost, found_x, found_y], "{what}");
        }
        let x = GpuOperand::contiguous(&upload(&stream, &[0.0; 75]), GpuType::F32, &[5, 5, 3]).unwrap();
        let rule = SsimRule { height: 5, width: 5, channels: 3, within: true };
        let words = ssim(&stream, &rule, [&x, &x]).unwrap_err().to_string();
        assert!(words.starts_with("ssim: takes f32 of sizes [5, 5, 3]"), "{words}");
    }
}
