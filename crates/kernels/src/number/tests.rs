//! Every function of every kind of number, against plain ones and against each other.

use super::*;

/// Each method of [`Number`] as a function of two numbers; numbers from 0.1 to 2 suit them all.
#[derive(Clone, Copy, Debug)]
struct Method(usize);

const METHODS: usize = 30;

impl Formula<2> for Method {
    fn apply<T: Number>(self, [a, b]: [T; 2]) -> T {
        match self.0 {
            0 => a + b,
            1 => a - b,
            2 => a * b,
            3 => a / b,
            4 => -a,
            5 => a.mul_add(b, a),
            6 => (a - b).abs(),
            7 => a.sqrt(),
            8 => a.exp(),
            9 => a.ln(),
            10 => a.sin(),
            11 => a.cos(),
            12 => a.powf(b),
            13 => a.tanh(),
            14 => (a - b).sigmoid(),
            15 => (a - b).silu(),
            16 => (a - b).erf(),
            17 => (a - b).normal_cdf(),
            18 => (a - b).gelu(),
            19 => a.maximum(b),
            20 => a.minimum(b),
            21 => T::select(a.less(b) & b.less(T::ONE), a * b, T::from_f64(0.3) * a),
            22 => T::select(a.less_or_equal(b) | !b.equal(b), b * b, a),
            23 => T::select(a.greater_or_equal(b), b.exp(), a / b),
            24 => T::select(!a.greater(T::ONE), T::ONE / a, b),
            // What is used several times, and what is not used.
            25 => {
                let (shared, _) = (a * b, a / T::ZERO);
                shared.exp() + shared.sin() * shared - T::from_f64(-2.5)
            }
            26 => a.exp2() * b,
            27 => a.atan2(b - T::ONE),
            28 => (T::from_f64(3.0) * a).floor() * b + (T::from_f64(5.0) * b).round(),
            29 => a.log1p() + b.lgamma() * a.digamma(),
            _ => unreachable!("there is no such method"),
        }
    }
}

/// Pairs of numbers that are not equal, so that no kink lies within a difference quotient's step.
fn pairs() -> impl Iterator<Item = [f64; 2]> {
    (0..40).map(|i| [0.113 + f64::from(i * 37 % 41) * 0.045, 0.12 + f64::from(i * 17 % 43) * 0.043])
}

/// The value of a recorded formula.
fn value(graph: &Graph, x: &[f64]) -> f64 {
    let mut values: Vec<f64> = Vec::new();
    for node in &graph.nodes {
        let (at, truth) = (|i: usize| values[i], |b: bool| f64::from(u8::from(b)));
        values.push(match *node {
            ExprNode::Input(i) => x[i],
            ExprNode::Constant(c) => c,
            ExprNode::Function(function, a) => match function {
                Function::Neg => -at(a),
                Function::Abs => at(a).abs(),
                Function::Sqrt => at(a).sqrt(),
                Function::Exp => at(a).exp(),
                Function::Ln => at(a).ln(),
                Function::Sin => at(a).sin(),
                Function::Cos => at(a).cos(),
                Function::Tanh => at(a).tanh(),
                Function::Sigmoid => Number::sigmoid(at(a)),
                Function::Silu => Number::silu(at(a)),
                Function::Erf => Number::erf(at(a)),
                Function::NormalCdf => Number::normal_cdf(at(a)),
                Function::Gelu => Number::gelu(at(a)),
                Function::Exp2 => at(a).exp2(),
                Function::Floor => at(a).floor(),
                Function::Round => at(a).round_ties_even(),
            },
            ExprNode::Operator(operator, a, b) => match operator {
                Operator::Add => at(a) + at(b),
                Operator::Sub => at(a) - at(b),
                Operator::Mul => at(a) * at(b),
                Operator::Div => at(a) / at(b),
                Operator::Powf => at(a).powf(at(b)),
            },
            ExprNode::MulAdd(a, b, c) => at(a) * at(b) + at(c),
            ExprNode::Compare(comparison, a, b) => truth(match comparison {
                Comparison::Less => at(a) < at(b),
                Comparison::LessOrEqual => at(a) <= at(b),
                Comparison::Equal => at(a) == at(b),
            }),
            ExprNode::And(a, b) => at(a) * at(b),
            ExprNode::Or(a, b) => at(a).max(at(b)),
            ExprNode::Not(a) => 1.0 - at(a),
            ExprNode::Select(mask, yes, no) => {
                if at(mask) != 0.0 {
                    at(yes)
                } else {
                    at(no)
                }
            }
        });
    }
    assert_eq!(graph.results.len(), 1);
    values[graph.results[0]]
}

/// The plain function; xʸ in f64 is left to the library.
fn plain(method: Method, x: [f64; 2]) -> f64 {
    method.apply(x.map(SystemMath)).0
}

#[test]
fn slopes_are_those_of_difference_quotients() {
    for method in (0..METHODS).map(Method) {
        for x in pairs() {
            for variable in 0..2 {
                let moved = |step: f64| {
                    let mut x = x;
                    x[variable] += step;
                    plain(method, x)
                };
                let quotient = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let mut dual = x.map(|x| Dual::constant(SystemMath(x)));
                dual[variable].slope = SystemMath(1.0);
                let Dual { value, slope } = method.apply(dual);
                assert_eq!(value.0.to_bits(), plain(method, x).to_bits(), "{method:?} at {x:?}");
                let far = (slope.0 - quotient).abs() / quotient.abs().max(1.0);
                assert!(far < 1e-8, "{method:?} by number {variable} at {x:?}: {} and {quotient}", slope.0);
            }
        }
    }
}

#[test]
fn second_slopes_are_slopes_of_slopes() {
    for method in (0..METHODS).map(Method) {
        for x in pairs() {
            let slope = |x: f64, y: f64| method.apply([Dual::variable(SystemMath(x)), Dual::constant(SystemMath(y))]).slope.0;
            let quotient = (slope(x[0] + 1e-5, x[1]) - slope(x[0] - 1e-5, x[1])) / 2e-5;
            let inner = Dual::variable(Dual::variable(SystemMath(x[0])));
            let inner = Dual { value: inner.value, slope: Dual::constant(SystemMath(1.0)) };
            let twice = method.apply([inner, Dual::constant(Dual::constant(SystemMath(x[1])))]).slope.slope.0;
            assert!((twice - quotient).abs() < 1e-7 * quotient.abs().max(1.0), "{method:?} at {x:?}: {twice} and {quotient}");
        }
    }
}

#[test]
fn slopes_far_out_are_numbers() {
    for x in [f64::NEG_INFINITY, -800.0, -50.0, 50.0, 800.0, f64::INFINITY] {
        let wanted = if x > 0.0 { 1.0 } else { 0.0 };
        let x = Dual::variable(x);
        for (name, slope, wanted) in [
            ("silu", x.silu().slope, wanted),
            ("gelu", x.gelu().slope, wanted),
            ("sigmoid", x.sigmoid().slope, 0.0),
            ("tanh", x.tanh().slope, 0.0),
            ("erf", x.erf().slope, 0.0),
            ("normal_cdf", x.normal_cdf().slope, 0.0),
        ] {
            assert!((slope - wanted).abs() < 1e-18, "{name}: {slope} at {}", x.value);
        }
    }
    assert!(Dual::variable(f64::NAN).abs().slope.is_nan());
    assert_eq!(Dual::variable(0.0_f64).abs().slope, 0.0);
}

#[test]
fn a_recorded_formula_has_its_values() {
    for method in (0..METHODS).map(Method) {
        let graph = record(|x| method.apply(x));
        for x in pairs() {
            let (value, plain) = (value(&graph, &x), plain(method, x));
            assert!((value - plain).abs() <= 1e-14 * plain.abs(), "{method:?} at {x:?}: {value} and {plain}");
        }
    }
}

#[test]
fn steps_are_recorded_once_and_only_where_they_are_needed() {
    let graph = record(|x| Method(25).apply(x));
    let products = graph.nodes.iter().filter(|node| matches!(node, ExprNode::Operator(Operator::Mul, 0, 1))).count();
    let quotients = graph.nodes.iter().filter(|node| matches!(node, ExprNode::Operator(Operator::Div, ..))).count();
    assert_eq!((products, quotients), (1, 0), "{graph:?}");
    let several = record(|[a, b]| [b, a + b]);
    assert_eq!(several.results, [1, 2]);
    assert!(several.wgsl("f").contains("-> array<f32, 2>"), "{}", several.wgsl("f"));
}

#[test]
#[cfg(panic = "unwind")]
fn a_formula_that_panics_ends_its_recording() {
    assert!(std::panic::catch_unwind(|| record(|[_x]: [Expr; 1]| -> Expr { panic!("no formula") })).is_err());
    assert_eq!(record(|[x]| x).nodes.len(), 1);
}

#[test]
fn functions_that_shaders_lack_are_printed_once_before_their_use() {
    let graph = record(|[x, y]| x.gelu() * y.gelu() + y.silu());
    let text = graph.wgsl("f");
    assert_eq!(text.matches("fn gelu(").count(), 1);
    assert!(text.find("fn silu(") < text.find("fn f("), "{text}");
    assert!(!text.contains("fn erf("));
    // A number that no text of a shader can be.
    assert!(record(|[x]| x * Expr::from_f64(f64::INFINITY)).wgsl("f").contains("number_of_bits(0x7f800000u)"));
}

#[test]
fn a_shader_may_bring_functions_of_its_own() {
    let graph = record(|[x, y]| x.tanh().maximum(y.sigmoid()).powf(x.abs()));
    let text = prefixed_wgsl_of(&[("f", &graph)], "our_");
    for call in ["our_tanh(x0)", "our_exp(", "our_pow(", "our_is_number(", "fn sigmoid(", " abs("] {
        assert!(text.contains(call), "{call}: {text}");
    }
    assert!(graph.wgsl("f").contains("tanh(clamp(x0, -10.0, 10.0))"), "{}", graph.wgsl("f"));
}

#[test]
fn watched_numbers_know_what_vectors_cannot_compute() {
    let far = |x: f32| RangeChecked::new(x).sin().out_of_range;
    assert!(far(2e6) && far(f32::NAN) && !far(1e5));
    // Through everything that is computed from one, a choice by it, and not through what is not chosen.
    let doubtful = RangeChecked::new(2e6_f32).cos();
    let sure = RangeChecked::new(1.0_f32);
    assert!((doubtful * sure).exp().out_of_range && (sure - doubtful).mul_add(sure, sure).out_of_range);
    assert!(RangeChecked::select(doubtful.less(sure), sure, sure).out_of_range);
    assert!(!RangeChecked::select(sure.less(sure), doubtful, sure).out_of_range);
    assert!(RangeChecked::select(!sure.less(sure), doubtful, sure).out_of_range);
    assert_eq!(SystemMath(2e6_f32).sin().0, 2e6_f32.sin());
    assert!(RangeChecked::new(-1.0_f32).powf(sure).out_of_range && !RangeChecked::new(2.0_f32).powf(sure).out_of_range);
}
