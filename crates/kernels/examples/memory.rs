//! Times the kernels that memory bounds, in GB/s of bytes read and written once: `cargo run --release -p monotile-kernels --example memory`.

use std::hint::black_box;
use std::time::Instant;

use monotile_kernels::view::View;
use monotile_kernels::{elementwise, reduce, threads};

/// The best of several runs, in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    (0..15)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn report(name: &str, bytes: usize, seconds: f64) {
    println!("{name:<34} {:>8.2} GB/s {:>10.1} us", bytes as f64 / seconds / 1e9, seconds * 1e6);
}

/// The functions timed, as maps take them.
mod functions {
    use monotile_kernels::number::{Formula, Number};

    macro_rules! functions {
        ($($name:ident)*) => {$(
            #[allow(non_camel_case_types, reason = "named as the function is")]
            #[derive(Clone, Copy)]
            pub struct $name;

            impl Formula<1> for $name {
                const RANGE_CHECKED: bool = false;
                #[inline(always)]
                fn apply<T: Number>(self, [x]: [T; 1]) -> T {
                    x.$name()
                }
            }
        )*};
    }
    functions!(exp ln tanh sigmoid silu erf normal_cdf gelu);
}

fn main() {
    println!("{} threads", threads::count());
    for n in [1 << 14, 1 << 20, 1 << 24] {
        let x: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 * 0.01 - 5.0).collect();
        let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        let (mut y, mut z) = (vec![0.0_f32; n], vec![0.0_f64; n]);
        let (length, unit) = ([n], [1]);
        let v = View::new(&x, 0, &length, &unit).expect("the whole vector");
        let w = View::new(&wide, 0, &length, &unit).expect("the whole vector");
        println!("n = {n}");
        report("f32 copy", 8 * n, best(|| elementwise::unary(v, black_box(&mut y), |x: f32| x)));
        macro_rules! map {
            ($($name:ident)*) => {$(
                report(concat!("f32 ", stringify!($name)), 8 * n, best(|| elementwise::formula([v], black_box(&mut y), functions::$name)));
            )*};
        }
        map!(exp ln tanh sigmoid silu erf normal_cdf gelu);
        report("f64 exp", 16 * n, best(|| elementwise::formula([w], black_box(&mut z), functions::exp)));
        report("f32 add", 12 * n, best(|| elementwise::binary(v, v, black_box(&mut y), |a, b| a + b)));
        let side = 1 << (n.ilog2() / 2);
        let (shape, across, along) = ([side, side], [1, side as isize], [side as isize, 1]);
        let t = View::new(&x, 0, &shape, &across).expect("a square");
        report("f32 copy transposed", 8 * n, best(|| elementwise::copy(t, black_box(&mut y))));
        let rows = View::new(&x, 0, &shape, &along).expect("a square");
        let mut one = [0.0];
        let mut many = vec![0.0; side];
        report("f32 sum", 4 * n, best(|| reduce::sum(v, &[0], black_box(&mut one)).expect("memory")));
        report("f32 max", 4 * n, best(|| reduce::max(v, &[0], black_box(&mut one)).expect("memory")));
        report("f32 sum of rows", 4 * n, best(|| reduce::sum(rows, &[1], black_box(&mut many)).expect("memory")));
        report("f32 sum of columns", 4 * n, best(|| reduce::sum(rows, &[0], black_box(&mut many)).expect("memory")));
        report("f32 log-sum-exp of rows", 4 * n, best(|| reduce::log_sum_exp(rows, &[1], black_box(&mut many)).expect("memory")));
    }
}
