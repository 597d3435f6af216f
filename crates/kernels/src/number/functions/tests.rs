//! Every function against values of 50 digits, in f64 and f32, number by number and step by step.

use super::super::{Dual, Expr, Graph, Number, SystemMath, record};
use crate::elementwise::Program;

/// A function: its name, its steps, itself of one number, and pairs of a number and its value.
type Case = (&'static str, Graph, fn(f64) -> f64, Vec<(f64, f64)>);

macro_rules! cases {
    ($($name:ident: [$(($x:expr, $y:expr)),* $(,)?])*) => {
        vec![$((
            stringify!($name),
            record(|[x]: [Expr; 1]| Number::$name(x)),
            |x| Number::$name(SystemMath(x)).0,
            vec![$(($x, $y)),*],
        )),*]
    };
}

#[allow(clippy::approx_constant, reason = "numbers near a constant, not it")]
/// Values of mpmath with `mp.dps = 50`, of the f64 itself: `float(f(mpf(x)))`; those of lgamma are `log(abs(gamma(x)))`.
fn cases() -> Vec<Case> {
    cases! {
        log2: [(5e-324, -1074.0), (1e-310, -1029.7977094150824), (3e-05, -15.024677973715656), (0.3, -1.7369655941662063), (0.70710678, -0.5000000024208878), (0.9999999, -1.4426951122643492e-07), (1.0000001, 1.4426949695965583e-07), (1.4142135, 0.49999993637074397), (3.0, 1.584962500721156), (10.0, 3.321928094887362), (1e+17, 56.47277761308516), (1.7e+308, 1023.9193879716706)]
        log10: [(5e-324, -323.3062153431158), (1e-310, -310.0), (3e-05, -4.522878745280337), (0.3, -0.5228787452803376), (0.70710678, -0.15051499856075043), (0.9999999, -4.342945033893839e-08), (1.0000001, 4.3429446044209946e-08), (1.4142135, 0.1505149786776759), (3.0, 0.47712125471966244), (70000000000.0, 10.845098040014257), (1e+17, 17.0), (1.7e+308, 308.2304489213783)]
        log1p: [(-0.9999999999, -23.02585084720009), (-0.5, -0.6931471805599453), (-0.3, -0.35667494393873234), (-0.001, -0.0010005003335835335), (-1e-12, -1.0000000000005e-12), (1e-320, 1e-320), (1e-18, 1e-18), (1e-09, 9.999999995e-10), (0.01, 0.009950330853168083), (0.4, 0.33647223662121295), (1.7, 0.9932517730102833), (3000000000.0, 21.821878125947855), (1.7e+308, 709.7268368932282)]
        expm1: [(-700.0, -1.0), (-40.0, -1.0), (-1.5, -0.7768698398515702), (-1.0, -0.6321205588285577), (-0.7, -0.5034146962085905), (-0.001, -0.0009995001666250085), (-1e-13, -9.9999999999995e-14), (1e-320, 1e-320), (1e-10, 1.00000000005e-10), (0.2, 0.22140275816016985), (0.9999, 1.7180100138671555), (1.0, 1.7182818284590453), (3.0, 19.085536923187668), (88.0, 1.6516362549940018e+38), (700.0, 1.0142320547350045e+304)]
        exp2: [(-1074.0, 5e-324), (-1050.5, 5.8612406e-317), (-1022.3, 1.8073215736421466e-308), (-60.7, 5.33923779036779e-19), (-0.3, 0.8122523963562356), (1e-20, 1.0), (0.1, 1.0717734625362931), (0.5, 1.4142135623730951), (1.3, 2.4622888266898326), (37.9, 256470155823.33624), (512.1, 1.4370132730096372e+154), (1023.9, 1.6773070034857416e+308)]
        tan: [(-100000.0, 0.035771662952898776), (-3.0, 0.1425465430742778), (-1.5707963267948966, -1.633123935319537e+16), (-0.5, -0.5463024898437905), (1e-320, 1e-320), (1e-09, 1e-09), (0.7853981633974483, 0.9999999999999999), (1.5, 14.101419947171719), (2.0, -2.185039863261519), (31.4, -0.015927882647320243), (1234.5, -0.14695727850342305), (999999.0, -4.618430334707433)]
        asin: [(-1.0, -1.5707963267948966), (-0.99999999999, -1.5707918546587567), (-0.5, -0.5235987755982989), (-1e-10, -1e-10), (1e-320, 1e-320), (0.1, 0.1001674211615598), (0.49, 0.5120897529341477), (0.51, 0.5351847902755998), (0.7071, 0.7853885733974476), (0.9, 1.1197695149986342), (0.999999, 1.5693821131146521), (1.0, 1.5707963267948966)]
        acos: [(-1.0, 3.141592653589793), (-0.99999999999, 3.141588181453653), (-0.5, 2.0943951023931957), (-1e-10, 1.5707963268948966), (1e-320, 1.5707963267948966), (0.1, 1.4706289056333368), (0.49, 1.0587065738607488), (0.51, 1.0356115365192968), (0.7071, 0.785407753397449), (0.9, 0.45102681179626236), (0.999999, 0.0014142136802445852), (0.9999999999999999, 1.4901161193847656e-08)]
        atan: [(-1e+300, -1.5707963267948966), (-7.0, -1.4288992721907328), (-0.4142, -0.3926875054336765), (1e-320, 1e-320), (1e-09, 1e-09), (0.3, 0.2914567944778671), (0.42, 0.3976279915221293), (1.0, 0.7853981633974483), (2.4, 1.176005207095135), (2.42, 1.1789429189731648), (100.0, 1.5607966601082315), (1e+17, 1.5707963267948966)]
        sinh: [(-710.4, -1.6663642832806496e+308), (-20.0, -242582597.70489514), (-1.1, -1.335647470124177), (-0.9, -1.0265167257081753), (-1e-05, -1.0000000000166668e-05), (1e-320, 1e-320), (1e-10, 1e-10), (0.3, 0.3045202934471426), (1.0, 1.1752011936438014), (5.0, 74.20321057778875), (88.9, 2.0311848356414415e+38), (709.9, 1.010701028059782e+308)]
        cosh: [(-710.4, 1.6663642832806496e+308), (-20.0, 242582597.70489514), (-1.1, 1.6685185538222564), (-0.9, 1.4330863854487743), (-1e-05, 1.00000000005), (1e-320, 1.0), (1e-10, 1.0), (0.3, 1.0453385141288605), (1.0, 1.5430806348152437), (5.0, 74.20994852478785), (88.9, 2.0311848356414415e+38), (709.9, 1.010701028059782e+308)]
        asinh: [(-1.7e+308, -710.4199840737882), (-1000000000.0, -21.416413017506358), (-20.0, -3.6895038689889055), (-1.1, -0.9503469298211343), (-0.3, -0.29567304756342244), (-1e-05, -9.999999999833334e-06), (1e-320, 1e-320), (1e-10, 1e-10), (0.5, 0.48121182505960347), (3.0, 1.8184464592320668), (2000000000.0, 22.1095601980663), (1e+200, 461.2101657793691)]
        acosh: [(1.0, 0.0), (1.0000000000000002, 2.1073424255447014e-08), (1.0001, 0.014142017775251545), (1.1, 0.4435682543851154), (1.5, 0.9624236501192069), (2.0, 1.3169578969248168), (3.0, 1.762747174039086), (10.0, 2.993222846126381), (100000.0, 12.206072645505174), (1000000000.0, 21.416413017506358), (2000000000.0, 22.1095601980663), (1.7e+308, 710.4199840737882)]
        atanh: [(-0.9999999999, -11.859499013855018), (-0.5, -0.5493061443340549), (-0.49, -0.5360603366105666), (-1e-06, -1.0000000000003333e-06), (1e-320, 1e-320), (1e-12, 1e-12), (0.1, 0.10033534773107558), (0.3, 0.3095196042031117), (0.6, 0.6931471805599453), (0.9, 1.4722194895832204), (0.999, 3.8002011672501994), (0.9999999999999999, 18.714973875118524)]
        lgamma: [(-100000.25, -1051300.6088285744), (-20.5, -42.70719597482576), (-5.3, -3.950677648275019), (-1.5, 0.860047015376481), (-0.75, 1.5757045971498584), (-0.5, 1.2655121234846454), (-0.1, 2.3689613327287886), (-1e-200, 460.51701859880916), (1e-320, 736.8272408909739), (1e-09, 20.723265836369194), (0.3, 1.0957979948180756), (0.499999, 0.5723669064371935), (0.5, 0.5723649429247001), (0.9999999, 5.772157468444193e-08), (1.0001, -5.771334222047127e-05), (1.4616, -0.12148629003589732), (1.9999999, -4.2278430309861296e-08), (2.0001, 4.2281658112919945e-05), (2.9, 0.6028696102493114), (5.999, 4.785785715780557), (6.001, 4.789197951106492), (30.0, 71.25703896716801), (100000.0, 1051287.7089736569), (1e+300, 6.897755278982137e+302)]
        digamma: [(-100.3, 6.895643124860435), (-5.5, 1.792911330399933), (-1.9, -8.786328039826273), (-0.7, -2.073952793628704), (-0.5, 0.03648997397857652), (-1e-09, 999999999.4227843), (1e-300, -9.999999999999999e+299), (1e-05, -100000.57719921567), (0.3, -3.502524222200133), (0.999, -0.5788618021086455), (1.0, -0.5772156649015329), (1.4616, -3.110625123034165e-05), (1.47, 0.008066489011364869), (1.9999, 0.42271983967113097), (2.0, 0.42278433509846713), (2.5, 0.7031566406452432), (7.0, 1.8727843350984672), (100.0, 4.600161852738087), (10000000000.0, 23.025850929890456), (1e+300, 690.7755278982137)]
        trigamma: [(-20.3, 15.03134603262623), (-5.5, 9.7033198653394), (-1.9, 102.94487536227646), (-0.7, 14.28618087263834), (-0.5, 8.934802200544679), (-1e-09, 9.999999999999999e+17), (1e-100, 1e+200), (1e-05, 10000000001.644909), (0.3, 12.245364546107732), (0.999, 1.6473414317770505), (1.0, 1.6449340668482264), (1.5, 0.9348022005446793), (1.9999, 0.6449744806987031), (2.0, 0.6449340668482264), (2.5, 0.49035775610023485), (7.0, 0.15354517795933756), (100.0, 0.010050166663333571), (10000000000.0, 1.00000000005e-10)]
        erfc: [(-6.0, 2.0), (-1.0, 1.8427007929497148), (-0.3, 1.3286267594591274), (-1e-10, 1.000000000112838), (0.1, 0.887537083981715), (0.5, 0.4795001221869535), (0.9, 0.20309178757716786), (1.5, 0.033894853524689274), (3.3, 3.0577097964381654e-06), (7.7, 1.2942740067717136e-27), (15.0, 7.212994172451207e-100), (26.2, 1.643250792438946e-300)]
        erfinv: [(-0.9999999999, -4.572824958544925), (-0.99, -1.8213863677184494), (-0.5, -0.4769362762044699), (-0.3, -0.2724627147267543), (-1e-05, -8.862269254759594e-06), (1e-300, 8.86226925452758e-301), (0.1, 0.08885599049425769), (0.499999, 0.4769351636202413), (0.500001, 0.47693738878987924), (0.8, 0.9061938024368233), (0.996, 2.0351676830660828), (0.9999999999999999, 5.8635847487551676)]
    }
}

fn run<T: crate::real::Real>(graph: &Graph, x: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len()];
    Program::new(graph).run(&[x], &mut [&mut y]);
    y
}

/// How many units of the last place `y` is from `exact`, of numbers with `digits` bits from 2^`lowest` on.
fn units(y: f64, exact: f64, digits: i32, lowest: i32) -> f64 {
    if y == exact || (y.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    let exponent = (exact.abs().log2().floor() as i32).max(lowest);
    // In two factors, of which none is 0.
    ((y - exact) / 2.0_f64.powi(exponent / 2) / 2.0_f64.powi(exponent - exponent / 2) * 2.0_f64.powi(digits - 1)).abs()
}

#[test]
fn values_are_those_of_50_digits() {
    for (name, graph, plain, values) in cases() {
        let (x, exact): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
        for (i, y) in run(&graph, &x).into_iter().enumerate() {
            for y in [y, plain(x[i])] {
                let off = units(y, exact[i], 53, -1022);
                let allowed = if (y - exact[i]).abs() <= 1e-13 * exact[i].abs() { 450.0 } else { 4.0 };
                assert!(off <= allowed, "{name}({:e}) is {y:e}, not {:e}: {off} units", x[i], exact[i]);
            }
        }
    }
}

/// Numbers of all sizes, dense from -12 to 12.
fn singles() -> Vec<f32> {
    let near = (-24_000..24_000).map(|i| (i as f32 + 0.37) * 5e-4);
    let all = (0..6000).flat_map(|i| {
        let x = 10.0_f64.powf(f64::from(i) * 0.013 - 40.0) as f32;
        [x, -x]
    });
    near.chain(all).collect()
}

#[test]
fn singles_are_within_four_units_of_doubles() {
    let mut all = Vec::new();
    for (name, graph, ..) in cases() {
        let x = singles();
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let (y, exact) = (run(&graph, &x), run(&graph, &wide));
        let mut worst = (0.0, 0.0);
        for i in 0..x.len() {
            // Below 0 both cross 0 near numbers that have no more digits than others; tan is as exact as sin and cos are.
            let crosses = ["lgamma", "digamma"].contains(&name) && x[i] < 0.0 && exact[i].abs() < 8.0;
            let near_limit = exact[i].abs() > f64::from(f32::MAX) && y[i].is_infinite();
            if crosses && (f64::from(y[i]) - exact[i]).abs() < 4e-6 || near_limit {
                continue;
            }
            let off = units(f64::from(y[i]), exact[i], 24, -126);
            if !(off <= worst.0) {
                worst = (off, x[i]);
            }
        }
        all.push((name, worst));
    }
    // A square has twice the error of what is squared. Without fused multiply-adds erfc's last step rounds twice.
    let allowed = |name: &str| match name {
        "trigamma" => 5.0,
        "erfc" => 4.5,
        _ => 4.0,
    };
    assert!(all.iter().all(|(name, (off, _))| *off <= allowed(name)), "units, number: {all:?}");
}

fn one(name: &str, x: f64) -> f64 {
    let (_, graph, plain, _) = cases().into_iter().find(|case| case.0 == name).unwrap();
    let y = run(&graph, &[x])[0];
    let narrow = f64::from(run(&graph, &[x as f32])[0]);
    assert!(y.to_bits() == plain(x).to_bits() || (y.is_nan() && plain(x).is_nan()), "{name}({x}): {y} and {}", plain(x));
    assert!(
        y == narrow || (y - narrow).abs() <= 5e-7 * y.abs() || (y.is_nan() && narrow.is_nan()),
        "{name}({x}): {y} and {narrow}"
    );
    y
}

#[test]
fn powers_and_their_logarithms_are_exact() {
    for (name, graph, plain, _) in cases() {
        if name == "log10" {
            for k in -5..23 {
                // 10 to a negative power is no number; the nearest one still has the nearest logarithm.
                let x: f64 = format!("1e{k}").parse().unwrap();
                assert_eq!((run(&graph, &[x])[0], plain(x)), (f64::from(k), f64::from(k)));
            }
            let x: Vec<f32> = (0..11).map(|k| 10.0_f32.powi(k)).collect();
            assert!(run(&graph, &x).iter().enumerate().all(|(k, &y)| y == k as f32));
        }
        for k in -1074..1024 {
            // The lowest ones are subnormal, in two factors.
            let x = 2.0_f64.powi(k / 2) * 2.0_f64.powi(k - k / 2);
            match name {
                "log2" => assert_eq!((run(&graph, &[x])[0], plain(x)), (f64::from(k), f64::from(k))),
                "exp2" => assert_eq!((run(&graph, &[f64::from(k)])[0], plain(f64::from(k))), (x, x)),
                _ => break,
            }
        }
        for k in -149..128 {
            let x = (f64::from(k)).exp2() as f32;
            match name {
                "log2" => assert_eq!(run(&graph, &[x])[0], k as f32),
                "exp2" => assert_eq!(run(&graph, &[k as f32])[0], x),
                _ => break,
            }
        }
    }
}

#[test]
fn ends_and_poles_are_pytorchs() {
    let (inf, nan, quarter) = (f64::INFINITY, f64::NAN, std::f64::consts::FRAC_PI_2);
    // x = torch.tensor([-math.inf, -2, -1, -0.0, 0, 1, math.inf, math.nan], dtype=torch.float64); torch.log2(x) and so on
    let x = [-inf, -2.0, -1.0, -0.0, 0.0, 1.0, inf, nan];
    let rows: [(&str, [f64; 8]); 10] = [
        ("log2", [nan, nan, nan, -inf, -inf, 0.0, inf, nan]),
        ("log10", [nan, nan, nan, -inf, -inf, 0.0, inf, nan]),
        ("lgamma", [inf, inf, inf, inf, inf, 0.0, inf, nan]),
        ("digamma", [nan, nan, nan, inf, -inf, -0.5772156649015329, inf, nan]),
        ("erfinv", [nan, nan, -inf, -0.0, 0.0, inf, nan, nan]),
        ("atanh", [nan, nan, -inf, -0.0, 0.0, inf, nan, nan]),
        ("acosh", [nan, nan, nan, nan, nan, 0.0, inf, nan]),
        ("asin", [nan, nan, -quarter, -0.0, 0.0, quarter, nan, nan]),
        ("acos", [nan, nan, 2.0 * quarter, quarter, quarter, 0.0, nan, nan]),
        ("trigamma", [nan, inf, inf, inf, inf, quarter * quarter / 1.5, 0.0, nan]),
    ];
    for (name, values) in rows {
        for (x, exact) in x.into_iter().zip(values) {
            let y = one(name, x);
            assert!((y.is_nan() && exact.is_nan()) || y == exact || (y - exact).abs() < 1e-15, "{name}({x}) is {y}, not {exact}");
            assert!(y != 0.0 || y.is_sign_negative() == exact.is_sign_negative(), "{name}({x}) is {y}");
        }
    }
    for (name, low, high) in [
        ("log1p", nan, inf),
        ("expm1", -1.0, inf),
        ("exp2", 0.0, inf),
        ("tan", nan, nan),
        ("atan", -quarter, quarter),
        ("sinh", -inf, inf),
        ("cosh", inf, inf),
        ("asinh", -inf, inf),
        ("erfc", 2.0, 0.0),
    ] {
        let same = |y: f64, exact: f64| y == exact || (y.is_nan() && exact.is_nan());
        let (below, above) = (one(name, -inf), one(name, inf));
        assert!(same(below, low) && same(above, high) && one(name, nan).is_nan(), "{name}: {below} {above}");
        if ["log1p", "expm1", "tan", "atan", "sinh", "asinh"].contains(&name) {
            assert!(one(name, -0.0).is_sign_negative() && one(name, 0.0).is_sign_positive(), "{name}");
        }
    }
    assert_eq!(one("log1p", -1.0), -inf);
}

#[test]
fn slopes_are_those_of_difference_quotients() {
    macro_rules! slopes {
        ($($name:ident at $($x:literal),*;)*) => {$(
            for x in [$($x),*] {
                let f = |x: f64| Number::$name(SystemMath(x)).0;
                let quotient = (f(x - 2e-3) - 8.0 * f(x - 1e-3) + 8.0 * f(x + 1e-3) - f(x + 2e-3)) / 12e-3;
                let dual = Number::$name(Dual::variable(SystemMath(x)));
                assert_eq!(dual.value.0.to_bits(), f(x).to_bits());
                let off = (dual.slope.0 - quotient).abs() / quotient.abs().max(1.0);
                assert!(off < 1e-8, "{}({x}): {} and {quotient}", stringify!($name), dual.slope.0);
            }
        )*};
    }
    slopes! {
        log2 at 0.3, 7.0; log10 at 0.3, 7.0; log1p at -0.5, 0.01, 3.0; expm1 at -2.0, 0.01, 3.0; exp2 at -2.3, 3.1;
        tan at -0.4, 1.2; asin at -0.4, 0.9; acos at -0.4, 0.9; atan at -3.0, 0.3, 0.9; sinh at -1.3, 0.2; cosh at -1.3, 0.2;
        asinh at -1.3, 0.2; acosh at 1.3, 4.0; atanh at -0.5, 0.2; lgamma at -1.4, 0.3, 1.7, 9.0; digamma at -1.4, 0.3, 1.7, 9.0;
        trigamma at -1.4, 0.31, 1.7, 9.0; erfc at -0.3, 1.4; erfinv at -0.4, 0.8; floor at 0.4; round at 0.3; ceil at 0.2; trunc at -1.5;
    }
}

#[test]
fn angles_of_points_are_those_of_the_system() {
    let numbers = [-f64::INFINITY, -3.0, -1e-300, -0.0, 0.0, 1e-5, 2.0, 1e200, f64::INFINITY, f64::NAN];
    for y in numbers {
        for x in numbers {
            let (found, exact) = (Number::atan2(SystemMath(y), SystemMath(x)).0, y.atan2(x));
            let same = found == exact || (found - exact).abs() <= 4.5e-16 * exact.abs() || (found.is_nan() && exact.is_nan());
            assert!(same && (found != 0.0 || found.is_sign_negative() == exact.is_sign_negative()), "{y} {x}: {found} {exact}");
        }
    }
    for (y, x) in [(0.5_f64, 2.0_f64), (-3.0, 1e-5), (2.0, -3.0), (3.0, 0.0), (1e200, 1e200)] {
        let (by_y, by_x) = (Dual::variable(y).atan2(Dual::constant(x)).slope, Dual::constant(y).atan2(Dual::variable(x)).slope);
        let size: f64 = x.hypot(y);
        assert!((by_y * size - x / size).abs() < 1e-15 && (by_x * size + y / size).abs() < 1e-15, "{y} {x}: {by_y} {by_x}");
    }
}

#[test]
fn ties_round_to_the_even_integer() {
    let x = [-2.5, -1.5, -0.5, -0.2, -0.0, 0.5, 1.5, 2.5, 4503599627370497.5];
    let y: Vec<f64> = x.iter().map(|&x| Number::round(x)).collect();
    assert_eq!(y, [-2.0, -2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 4503599627370498.0]);
    assert!(y[..5].iter().all(|y| y.is_sign_negative()));
    assert!(
        Number::trunc(-0.5_f64).is_sign_negative()
            && Number::ceil(-0.5_f64).is_sign_negative()
            && Number::ceil(0.0_f64).is_sign_positive()
    );
    assert!([f64::INFINITY, -1e300].iter().all(|&x| Number::trunc(x) == x && Number::round(x) == x && Number::ceil(x) == x));
}
