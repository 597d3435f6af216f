use monotile_gpu::{GpuOperand, GpuType, copy, map};
use monotile_kernels::number::{Expr, Formula, Graph, Number, record};

use crate::{LAYOUTS, Layout, close, download, encoded, numbers, operand, rounded, streams, upload};

/// The functions that WGSL is loose at, and what is made of them.
#[derive(Clone, Copy, Debug)]
struct Elementary(usize);

const NAMES: [&str; 15] =
    ["exp", "ln", "sin", "cos", "tanh", "sigmoid", "silu", "erf", "normal_cdf", "gelu", "exp2", "floor", "round", "sqrt", "expm1"];

impl Formula<1> for Elementary {
    fn apply<T: Number>(self, [x]: [T; 1]) -> T {
        match self.0 {
            0 => x.exp(),
            1 => x.ln(),
            2 => x.sin(),
            3 => x.cos(),
            4 => x.tanh(),
            5 => x.sigmoid(),
            6 => x.silu(),
            7 => x.erf(),
            8 => x.normal_cdf(),
            9 => x.gelu(),
            10 => x.exp2(),
            11 => x.floor(),
            12 => x.round(),
            13 => x.sqrt(),
            _ => x.expm1(),
        }
    }
}

fn grid() -> Vec<f32> {
    let mut x = numbers(400, 5);
    x.extend(numbers(300, 6).iter().map(|x| x * 40.0));
    x.extend((-30..30).map(|e| 1.7 * 2_f32.powi(e)));
    x.extend((1..200).map(|i| i as f32 * std::f32::consts::FRAC_PI_2));
    x.extend([0.0, -0.0, 1.0, -1.0, 88.7, -87.0, 0.6, -0.6, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    x
}

#[test]
fn elementary_functions_are_as_accurate_as_on_the_cpu() {
    for (label, stream) in streams() {
        let x = grid();
        let all = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[x.len()]).unwrap();
        for (number, name) in NAMES.iter().enumerate() {
            let graph = record(|x| Elementary(number).apply(x));
            let y = map(&stream, &graph, std::slice::from_ref(&all), GpuType::F32).unwrap().remove(0);
            for (&x, y) in x.iter().zip(download(&stream, &y)) {
                let expected = Elementary(number).apply([f64::from(x)]);
                let (found, size) = (f64::from(y), expected.abs());
                // Tails of sigmoids end at 87.
                let near = (found - expected).abs() <= 1e-5 * size + 2e-36 || found == expected;
                // A number beyond those of f32.
                let near = near || size > f64::from(f32::MAX) && y.is_infinite();
                assert!(near || (y.is_nan() && expected.is_nan()), "{label}: {name}({x:?}) is {y:?}, not {expected:?}");
            }
        }
    }
}

#[test]
fn sines_of_large_numbers_are_right() {
    for (label, stream) in streams() {
        let x: Vec<f32> = (0..2000).map(|i| 4000.0 * 1.0442_f32.powi(i / 2) * if i % 2 == 0 { 1.0 } else { -1.003 }).collect();
        let x: Vec<f32> = x.into_iter().filter(|x| x.is_finite()).collect();
        let all = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[x.len()]).unwrap();
        let graph = record(|[x]: [Expr; 1]| [x.sin(), x.cos()]);
        let y = map(&stream, &graph, &[all], GpuType::F32).unwrap();
        let [sines, cosines] = [0, 1].map(|i| download(&stream, &y[i]));
        for (i, &x) in x.iter().enumerate() {
            // The system's library reduces f64 exactly.
            let (sine, cosine) = f64::from(x).sin_cos();
            assert!((f64::from(sines[i]) - sine).abs() < 3e-7, "{label}: sin({x:?}) is {}, not {sine}", sines[i]);
            assert!((f64::from(cosines[i]) - cosine).abs() < 3e-7, "{label}: cos({x:?}) is {}, not {cosine}", cosines[i]);
        }
    }
}

#[test]
fn powers_are_right() {
    for (label, stream) in streams() {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for a in
            [0.0, -0.0, 1.0, -1.0, 0.3, 2.5, -2.5, 1e-30, 1e30, -7.0, 1.0001, 0.9999, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
        {
            for b in [0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, 1.37, -2.71, 30.0, 1000.0, f32::NAN] {
                x.push(a);
                y.push(b);
            }
        }
        let operands = [&x, &y].map(|v| GpuOperand::contiguous(&upload(&stream, v), GpuType::F32, &[x.len()]).unwrap());
        let graph = record(|[x, y]: [Expr; 2]| x.powf(y));
        let found = download(&stream, &map(&stream, &graph, &operands, GpuType::F32).unwrap()[0]);
        for i in 0..x.len() {
            let expected = f64::from(x[i]).powf(f64::from(y[i]));
            let near = (f64::from(found[i]) - expected).abs() <= 1e-5 * expected.abs() + 1e-37 || f64::from(found[i]) == expected;
            let near = near || expected.abs() > f64::from(f32::MAX) && f64::from(found[i]) == expected.signum() * f64::INFINITY;
            assert!(near || found[i].is_nan() && expected.is_nan(), "{label}: {}^{} is {}, not {expected}", x[i], y[i], found[i]);
        }
    }
}

fn mixed() -> Graph {
    record(|[a, b, c]: [Expr; 3]| Expr::select(a.less(b), a * b + c, (c - a).maximum(b)))
}

fn mixed_of([a, b, c]: [f64; 3]) -> f64 {
    if a < b { a * b + c } else { Number::maximum(c - a, b) }
}

#[test]
fn operands_of_every_layout_and_type_meet() {
    let types = [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool];
    for (label, stream) in streams() {
        for (number, sizes) in [&[1, 1][..], &[3, 4], &[7, 9], &[16, 16], &[2, 3, 5], &[2, 1, 3, 2, 5, 3]].into_iter().enumerate() {
            for (k, layout) in LAYOUTS.into_iter().enumerate() {
                let pick = |i: usize| (LAYOUTS[(k + i * (number + 1)) % 5], types[(k + i + number) % 5]);
                let (a, x) = operand(&stream, sizes, layout, GpuType::F32, 1);
                let (b, y) = operand(&stream, sizes, pick(1).0, pick(1).1, 2);
                let (c, z) = operand(&stream, sizes, pick(2).0, pick(2).1, 3);
                let expected: Vec<f64> = (0..x.len()).map(|i| mixed_of([x[i], y[i], z[i]].map(f64::from))).collect();
                let run = || {
                    let operands = [a.clone(), b.clone(), c.clone()];
                    download(&stream, &map(&stream, &mixed(), &operands, GpuType::F32).unwrap()[0])
                };
                let found = run();
                close(&format!("{label}: {sizes:?} {layout:?} {:?} {:?}", pick(1), pick(2)), &found, &expected, 1e-6);
                assert_eq!(found, run(), "{label}: the same bits");
            }
        }
    }
}

#[test]
fn casts_round_as_on_the_cpu() {
    let types = [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool];
    for (label, stream) in streams() {
        let mut x: Vec<f32> = numbers(500, 8).iter().map(|x| x * 1000.0).collect();
        // Half-way between two numbers of 16 bits, whose last digits are even and odd.
        let step = 2_f32.powi(-10);
        x.extend((-20..12).map(|e| 1.2345 * 2_f32.powi(e)));
        x.extend([
            0.0,
            -0.0,
            65519.9,
            65520.0,
            -65504.0,
            1.0 + 0.5 * step,
            1.0 + 1.5 * step,
            1.0 + 4.0 * step,
            1.0 + 12.0 * step,
            3e-8,
            5.96e-8,
            8.9e-8,
        ]);
        let all = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[x.len()]).unwrap();
        for dtype in types {
            let block = copy(&stream, &all, dtype).unwrap();
            let found = stream.read_blocking(&block).unwrap();
            for (i, &x) in x.iter().enumerate() {
                let expected = if dtype == GpuType::Bool { vec![u8::from(x != 0.0)] } else { encoded(x, dtype) };
                let bytes = dtype.bytes();
                assert_eq!(found[i * bytes..(i + 1) * bytes], expected[..], "{label}: {x:?} as {dtype:?}");
            }
            // And back.
            let back = GpuOperand::contiguous(&block, dtype, &[x.len()]).unwrap();
            let back = download(&stream, &copy(&stream, &back, GpuType::F32).unwrap());
            let kept = |x: f32| if dtype == GpuType::Bool { f32::from(x != 0.0) } else { rounded(x, dtype) };
            let expected: Vec<f64> = x.iter().map(|&x| f64::from(kept(x))).collect();
            close(&format!("{label}: {dtype:?}"), &back, &expected, 0.0);
        }
        let nan = GpuOperand::contiguous(&upload(&stream, &[f32::NAN]), GpuType::F32, &[1]).unwrap();
        for dtype in [GpuType::BF16, GpuType::F16] {
            let half = copy(&stream, &nan, dtype).unwrap();
            let half = GpuOperand::contiguous(&half, dtype, &[1]).unwrap();
            assert!(download(&stream, &copy(&stream, &half, GpuType::F32).unwrap())[0].is_nan(), "{label}: {dtype:?}");
        }
    }
}

#[test]
fn integers_that_are_moved_keep_all_bits() {
    for (label, stream) in streams() {
        let x: Vec<i32> = (0..35).map(|i| i32::MAX - i * 61_356_675).collect();
        let block = stream.upload(bytemuck::cast_slice(&x)).unwrap();
        let reversed = GpuOperand::strided(&block, GpuType::I32, &[35], &[-1], 34).unwrap();
        let found: Vec<i32> =
            bytemuck::pod_collect_to_vec(&stream.read_blocking(&copy(&stream, &reversed, GpuType::I32).unwrap()).unwrap());
        assert_eq!(found, x.into_iter().rev().collect::<Vec<_>>(), "{label}");
    }
}

#[test]
fn what_does_not_fit_a_formula_is_refused() {
    for (_, stream) in streams() {
        let (a, _) = operand(&stream, &[2, 3], Layout::Plain, GpuType::F32, 1);
        let (b, _) = operand(&stream, &[3, 2], Layout::Plain, GpuType::F32, 1);
        let add = record(|[x, y]: [Expr; 2]| x + y);
        let refused = |operands: &[GpuOperand]| map(&stream, &add, operands, GpuType::F32).unwrap_err().message;
        assert!(refused(&[]).contains("needs an operand"));
        assert!(refused(std::slice::from_ref(&a)).contains("1 operands for a formula of 2"));
        assert!(refused(&[a.clone(), b]).contains("operands of sizes [2, 3] and [3, 2]"));
        let none = record(|[_x, _y]: [Expr; 2]| -> Vec<Expr> { Vec::new() });
        let refusal = map(&stream, &none, &[a.clone(), a.clone()], GpuType::F32).unwrap_err();
        assert!(refusal.message.contains("a formula without a result"), "{refusal}");
        let most = stream.gpu().capabilities().storage_buffers as usize;
        let many = record(|[x, y]: [Expr; 2]| -> Vec<Expr> { (1..most).map(|i| x * y + Expr::from_f64(i as f64)).collect() });
        if most < 64 {
            let refusal = map(&stream, &many, &[a.clone(), a.clone()], GpuType::F32).unwrap_err();
            assert!(refusal.message.contains(&format!("binds at most {most} buffers to a kernel, not {}", most + 1)), "{refusal}");
        }
        // Nothing of nothing.
        let empty = GpuOperand::contiguous(&upload(&stream, &[]), GpuType::F32, &[0, 3]).unwrap();
        assert_eq!(download(&stream, &map(&stream, &add, &[empty.clone(), empty], GpuType::F32).unwrap()[0]), []);
    }
}
