//! A recorded formula carried out step by step over pieces of rows: nothing is compiled for it.
//!
//! ```text
//! for each piece of 256 numbers:
//!     for each step of the formula:
//!         register[target] ← step(registers of its operands)       one vector loop, compiled once for all formulas
//! ```
//!
//! A step costs a pass over a piece in the first-level cache, so a formula of a few cheap steps takes some times what its own loop takes. One of
//! logarithms, powers or polynomials takes little more. Formulas that are seldom used need no machine code of their own this way.

use crate::number::{Comparison, ExprNode, Function, Graph, Operator};
use crate::real::Real;
use crate::simd;

/// Numbers of a piece: a dozen registers of it fit the first-level cache.
const PIECE: usize = 256;

/// The steps of a formula, each with the register that it writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    inputs: usize,
    steps: Vec<(ExprNode, usize)>,
    /// Registers that hold one number from first to last.
    constants: Vec<(usize, f64)>,
    registers: usize,
    /// Where each result is: among the variables or the registers.
    results: Vec<usize>,
}

impl Program {
    /// Gives every step of a formula a register, which is free again after the last step that reads it.
    ///
    /// Places below the number of variables are variables; registers follow.
    pub fn new(graph: &Graph) -> Self {
        let mut last = vec![0; graph.nodes.len()];
        for (number, node) in graph.nodes.iter().enumerate() {
            node.operands(|operand| last[operand] = number);
        }
        graph.results.iter().for_each(|&r| last[r] = usize::MAX);
        let mut program =
            Self { inputs: graph.inputs, steps: Vec::new(), constants: Vec::new(), registers: 0, results: Vec::new() };
        let (mut places, mut free) = (vec![0; graph.nodes.len()], Vec::new());
        for (number, &node) in graph.nodes.iter().enumerate() {
            if let ExprNode::Input(i) = node {
                places[number] = i;
                continue;
            }
            // A register for the result before those of the operands are free: a loop never writes what it reads.
            let constant = matches!(node, ExprNode::Constant(_));
            let target = if constant { None } else { free.pop() }.unwrap_or_else(|| {
                program.registers += 1;
                graph.inputs + program.registers - 1
            });
            places[number] = target;
            if let ExprNode::Constant(x) = node {
                program.constants.push((target - graph.inputs, x));
                continue;
            }
            program.steps.push((node.map(|operand| places[operand]), target - graph.inputs));
            let mut ended = Vec::new();
            node.operands(|operand| {
                let kept = matches!(graph.nodes[operand], ExprNode::Input(_) | ExprNode::Constant(_));
                if !kept && last[operand] == number && !ended.contains(&places[operand]) {
                    ended.push(places[operand]);
                }
            });
            free.append(&mut ended);
        }
        program.results = graph.results.iter().map(|&r| places[r]).collect();
        program
    }

    /// `out[j][i]` = result j of `rows[0][i], rows[1][i], …`
    ///
    /// # Panics
    /// If there are not as many rows as variables and as many results, all of one length.
    pub fn run<T: Real>(&self, rows: &[&[T]], out: &mut [&mut [T]]) {
        assert!(rows.len() == self.inputs && out.len() == self.results.len(), "a row for each variable and result");
        let n = out.first().map_or(0, |y| y.len());
        assert!(rows.iter().all(|x| x.len() == n) && out.iter().all(|y| y.len() == n), "rows of one length");
        let mut registers = vec![vec![T::ZERO; PIECE.min(n)]; self.registers];
        for &(register, x) in &self.constants {
            registers[register].fill(T::from_f64(x));
        }
        simd::run_fused(
            (&mut registers, out),
            #[inline(always)]
            |(registers, out)| self.pieces::<T, T::Fused>(rows, registers, out),
            #[inline(always)]
            |(registers, out)| self.pieces::<T, T>(rows, registers, out),
        );
    }

    #[inline(always)]
    fn pieces<T: Real, C: Real>(&self, rows: &[&[T]], registers: &mut [Vec<T>], out: &mut [&mut [T]]) {
        let n = out.first().map_or(0, |y| y.len());
        for start in (0..n).step_by(PIECE) {
            let piece = start..n.min(start + PIECE);
            for &(node, target) in &self.steps {
                let mut y = std::mem::take(&mut registers[target]);
                let at = |place: usize| match place.checked_sub(self.inputs) {
                    None => &rows[place][piece.clone()],
                    Some(register) => &registers[register][..piece.len()],
                };
                step::<T, C>(node, &mut y[..piece.len()], at);
                registers[target] = y;
            }
            for (y, &place) in out.iter_mut().zip(&self.results) {
                let result = match place.checked_sub(self.inputs) {
                    None => &rows[place][piece.clone()],
                    Some(register) => &registers[register][..piece.len()],
                };
                y[piece.clone()].copy_from_slice(result);
            }
        }
    }
}

/// One step of a piece, computed in `C`. A condition is 1 where it is true, else 0.
#[inline(always)]
fn step<'a, T: Real, C: Real>(node: ExprNode, y: &mut [T], at: impl Fn(usize) -> &'a [T]) {
    macro_rules! each {
        ($($x:ident = $place:expr),*; $f:expr) => {{
            let n = y.len();
            $(let $x = &at($place)[..n];)*
            for i in 0..n {
                $(let $x: C = bytemuck::cast($x[i]);)*
                y[i] = bytemuck::cast($f);
            }
        }};
    }
    match node {
        ExprNode::Input(_) | ExprNode::Constant(_) => unreachable!("no step"),
        ExprNode::Function(function, x) => match function {
            Function::Neg => each!(x = x; -x),
            Function::Abs => each!(x = x; x.abs()),
            Function::Sqrt => each!(x = x; x.sqrt()),
            Function::Exp => each!(x = x; x.exp()),
            Function::Ln => each!(x = x; x.ln()),
            Function::Sin => {
                each!(x = x; x.sin());
                again(y, at(x), T::far, T::exact_sin);
            }
            Function::Cos => {
                each!(x = x; x.cos());
                again(y, at(x), T::far, T::exact_cos);
            }
            Function::Tanh => each!(x = x; x.tanh()),
            Function::Sigmoid => each!(x = x; x.sigmoid()),
            Function::Silu => each!(x = x; x.silu()),
            Function::Erf => each!(x = x; x.erf()),
            Function::NormalCdf => each!(x = x; x.normal_cdf()),
            Function::Gelu => each!(x = x; x.gelu()),
            Function::Exp2 => each!(x = x; x.exp2()),
            Function::Floor => each!(x = x; x.floor()),
            Function::Round => each!(x = x; x.round()),
        },
        ExprNode::Operator(operator, a, b) => match operator {
            Operator::Add => each!(a = a, b = b; a + b),
            Operator::Sub => each!(a = a, b = b; a - b),
            Operator::Mul => each!(a = a, b = b; a * b),
            Operator::Div => each!(a = a, b = b; a / b),
            Operator::Powf => {
                each!(a = a, b = b; a.powf(b));
                let (a, b) = (at(a), at(b));
                for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                    if a.beyond_powf(b) {
                        *y = a.exact_powf(b);
                    }
                }
            }
        },
        ExprNode::MulAdd(a, b, c) => each!(a = a, b = b, c = c; a.mul_add(b, c)),
        ExprNode::Compare(comparison, a, b) => match comparison {
            Comparison::Less => each!(a = a, b = b; C::select(a < b, C::ONE, C::ZERO)),
            Comparison::LessOrEqual => each!(a = a, b = b; C::select(a <= b, C::ONE, C::ZERO)),
            Comparison::Equal => each!(a = a, b = b; C::select(a == b, C::ONE, C::ZERO)),
        },
        ExprNode::And(a, b) => each!(a = a, b = b; a * b),
        ExprNode::Or(a, b) => each!(a = a, b = b; a.maximum(b)),
        ExprNode::Not(a) => each!(a = a; C::ONE - a),
        ExprNode::Select(mask, yes, no) => each!(mask = mask, yes = yes, no = no; if mask == C::ONE { yes } else { no }),
    }
}

/// What vector units have no function for, again by the system's library.
#[inline(always)]
fn again<T: Real>(y: &mut [T], x: &[T], beyond: impl Fn(T) -> bool, exact: impl Fn(T) -> T) {
    for (y, &x) in y.iter_mut().zip(x) {
        if beyond(x) {
            *y = exact(x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Number, SystemMath, record};

    /// A formula of every kind of step, in whatever number.
    fn everything<T: Number>([a, b, c]: [T; 3]) -> [T; 4] {
        let two = T::from_f64(2.0);
        let inside = a.less(b) & !b.equal(c) | c.less_or_equal(T::ZERO);
        let smooth = a.tanh() + b.sigmoid() * c.silu() - a.erf() / (two + b.normal_cdf()) + c.gelu();
        let waves = (a * b).sin().mul_add(c.cos(), (a.abs() + T::ONE).ln().sqrt());
        let powers = a.abs().powf(b) + (-c.abs()).exp() + b.exp2() * (a * c).floor() - (a * b).round();
        // One result is also a step of others, and one a variable.
        [T::select(inside, smooth, waves), powers.maximum(waves), smooth, b]
    }

    #[test]
    fn steps_give_what_the_formula_gives_number_by_number() {
        let program = Program::new(&record(everything));
        for n in [0, 1, 255, 256, 257, 1000] {
            let x: [Vec<f64>; 3] =
                std::array::from_fn(|k| (0..n).map(|i| ((i * (k + 3) * 7919) % 1009) as f64 / 170.0 - 3.0).collect());
            let mut out = [(); 4].map(|()| vec![0.5; n]);
            let [p, q, r, s] = &mut out;
            program.run(&x.each_ref().map(|x| &x[..]), &mut [p, q, r, s]);
            for i in 0..n {
                let expected = everything([x[0][i], x[1][i], x[2][i]].map(SystemMath)).map(|y| y.0);
                for (j, expected) in expected.into_iter().enumerate() {
                    assert!(
                        (out[j][i] - expected).abs() <= 4e-15 * expected.abs().max(1.0),
                        "{i} of {n}: {} {expected}",
                        out[j][i]
                    );
                }
            }
        }
    }

    #[test]
    fn sines_and_powers_that_vector_units_lack_are_the_systems() {
        let program = Program::new(&record(|[x, y]| [x.sin(), x.cos(), x.powf(y)]));
        let (x, y) = ([1e9, f64::NAN, -8.0, 1e300, f64::INFINITY], [0.5, 1.0, 3.0, 2.0, -1.0]);
        let (mut sin, mut cos, mut pow) = ([0.0; 5], [0.0; 5], [0.0; 5]);
        program.run(&[&x, &y], &mut [&mut sin, &mut cos, &mut pow]);
        for i in 0..5 {
            let same = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() < 1e-15;
            assert!(same(sin[i], x[i].sin()) && same(cos[i], x[i].cos()) && same(pow[i], x[i].powf(y[i])), "{}", x[i]);
        }
    }

    #[test]
    fn registers_are_used_again() {
        // A chain of 100 steps holds two numbers at a time, and the constant.
        let graph = record(|[x]| (0..100).fold(x, |sum, _| (sum * x).sqrt()));
        assert!(Program::new(&graph).registers <= 3);
    }
}
