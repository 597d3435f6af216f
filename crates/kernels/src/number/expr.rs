//! Formulas as data: recorded once, printed as WGSL or carried out by operations of another kind.

use std::cell::RefCell;
use std::fmt::Write;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Mask, Number};
use crate::math::Format;

/// A place in the formula that [`record`] records. Only valid while it does.
#[derive(Debug, Clone, Copy)]
pub struct Expr(ExprId);

/// A constant needs no recorder, so that [`Number::ZERO`] can be one.
#[derive(Debug, Clone, Copy)]
enum ExprId {
    Constant(f64),
    Node(usize),
}

/// A comparison of [`Expr`]s.
#[derive(Debug, Clone, Copy)]
pub struct Condition(usize);

/// A step of a formula; its operands are steps before it, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExprNode {
    /// One of the formula's variables.
    Input(usize),
    /// A number.
    Constant(f64),
    /// A function of one number.
    Function(Function, usize),
    /// An operator between two.
    Operator(Operator, usize, usize),
    /// a · b + c
    MulAdd(usize, usize, usize),
    /// A comparison of two numbers: a condition.
    Compare(Comparison, usize, usize),
    /// Both conditions.
    And(usize, usize),
    /// Either condition.
    Or(usize, usize),
    /// The contrary of a condition.
    Not(usize),
    /// The second where the first, a condition, is true, else the third.
    Select(usize, usize, usize),
}

macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the method of `Number` of the same name")]
        pub enum $name { $($(#[$doc])* $variant),* }
    };
}
named!(
    /// A function of one number, by the name of its method of [`Number`].
    Function { Neg, Abs, Sqrt, Exp, Ln, Sin, Cos, Tanh, Sigmoid, Silu, Erf, NormalCdf, Gelu, Exp2, Floor, Round }
);
named!(
    /// An operator between two numbers.
    Operator { Add, Sub, Mul, Div, Powf }
);
named!(
    /// A comparison of two numbers.
    Comparison { Less, LessOrEqual, Equal }
);

thread_local! {
    /// The steps of the formula that is being recorded on this thread.
    static STEPS: RefCell<Option<Vec<ExprNode>>> = const { RefCell::new(None) };
}

/// Adds a step, unless there is an equal one.
fn step(node: ExprNode) -> usize {
    STEPS.with_borrow_mut(|steps| {
        let steps = steps.as_mut().expect("an `Expr` is used only inside `record`");
        // Compared by bits, so that -0 and 0 are different numbers and a NaN is equal to itself.
        let same = |other: &ExprNode| match (*other, node) {
            (ExprNode::Constant(a), ExprNode::Constant(b)) => a.to_bits() == b.to_bits(),
            (other, node) => other == node,
        };
        steps.iter().position(same).unwrap_or_else(|| {
            steps.push(node);
            steps.len() - 1
        })
    })
}

impl Expr {
    fn number(self) -> usize {
        match self.0 {
            ExprId::Constant(x) => step(ExprNode::Constant(x)),
            ExprId::Node(number) => number,
        }
    }

    fn new(node: ExprNode) -> Self {
        Self(ExprId::Node(step(node)))
    }

    fn function(self, function: Function) -> Self {
        Self::new(ExprNode::Function(function, self.number()))
    }

    fn operator(self, operator: Operator, other: Self) -> Self {
        Self::new(ExprNode::Operator(operator, self.number(), other.number()))
    }

    fn compare(self, comparison: Comparison, other: Self) -> Condition {
        Condition(step(ExprNode::Compare(comparison, self.number(), other.number())))
    }
}

macro_rules! operators {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Expr {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.operator(Operator::$trait, other)
            }
        }
    )*};
}
operators!(Add::add, Sub::sub, Mul::mul, Div::div);

impl Neg for Expr {
    type Output = Self;
    fn neg(self) -> Self {
        match self.0 {
            ExprId::Constant(x) => Self(ExprId::Constant(-x)),
            ExprId::Node(_) => self.function(Function::Neg),
        }
    }
}

impl BitAnd for Condition {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(step(ExprNode::And(self.0, other.0)))
    }
}

impl BitOr for Condition {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(step(ExprNode::Or(self.0, other.0)))
    }
}

impl Not for Condition {
    type Output = Self;
    fn not(self) -> Self {
        Self(step(ExprNode::Not(self.0)))
    }
}

impl Mask for Condition {}

impl Number for Expr {
    type Mask = Condition;

    const ZERO: Self = Self(ExprId::Constant(0.0));
    const ONE: Self = Self(ExprId::Constant(1.0));

    fn from_f64(x: f64) -> Self {
        Self(ExprId::Constant(x))
    }
    fn less(self, other: Self) -> Condition {
        self.compare(Comparison::Less, other)
    }
    fn less_or_equal(self, other: Self) -> Condition {
        self.compare(Comparison::LessOrEqual, other)
    }
    fn equal(self, other: Self) -> Condition {
        self.compare(Comparison::Equal, other)
    }
    fn select(mask: Condition, yes: Self, no: Self) -> Self {
        Self::new(ExprNode::Select(mask.0, yes.number(), no.number()))
    }
    fn mul_add(self, y: Self, z: Self) -> Self {
        Self::new(ExprNode::MulAdd(self.number(), y.number(), z.number()))
    }
    fn abs(self) -> Self {
        self.function(Function::Abs)
    }
    fn sqrt(self) -> Self {
        self.function(Function::Sqrt)
    }
    fn exp(self) -> Self {
        self.function(Function::Exp)
    }
    fn ln(self) -> Self {
        self.function(Function::Ln)
    }
    fn sin(self) -> Self {
        self.function(Function::Sin)
    }
    fn cos(self) -> Self {
        self.function(Function::Cos)
    }
    fn powf(self, y: Self) -> Self {
        self.operator(Operator::Powf, y)
    }
    fn tanh(self) -> Self {
        self.function(Function::Tanh)
    }
    fn sigmoid(self) -> Self {
        self.function(Function::Sigmoid)
    }
    fn silu(self) -> Self {
        self.function(Function::Silu)
    }
    fn erf(self) -> Self {
        self.function(Function::Erf)
    }
    fn normal_cdf(self) -> Self {
        self.function(Function::NormalCdf)
    }
    fn gelu(self) -> Self {
        self.function(Function::Gelu)
    }
    fn exp2(self) -> Self {
        self.function(Function::Exp2)
    }
    fn floor(self) -> Self {
        self.function(Function::Floor)
    }
    fn round(self) -> Self {
        self.function(Function::Round)
    }
}

/// A recorded formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// How many variables it has.
    pub inputs: usize,
    /// Its steps, each after those that it uses.
    pub nodes: Vec<ExprNode>,
    /// The steps that are its results.
    pub results: Vec<usize>,
}

/// What a formula returns: one number, or several.
pub trait Results {
    /// The numbers in order.
    fn list(self) -> Vec<Expr>;
}

impl Results for Expr {
    fn list(self) -> Vec<Expr> {
        vec![self]
    }
}

impl Results for Vec<Expr> {
    fn list(self) -> Vec<Expr> {
        self
    }
}

impl<const M: usize> Results for [Expr; M] {
    fn list(self) -> Vec<Expr> {
        self.to_vec()
    }
}

/// Carries a formula out on [`Expr`]s and returns its steps, without those that no result needs.
///
/// # Panics
/// If it is called inside itself.
pub fn record<const N: usize, R: Results>(formula: impl FnOnce([Expr; N]) -> R) -> Graph {
    /// Ends the recording, also where the formula panics.
    struct Recording;
    impl Drop for Recording {
        fn drop(&mut self) {
            STEPS.with_borrow_mut(|steps| *steps = None);
        }
    }
    STEPS.with_borrow_mut(|steps| assert!(steps.replace(Vec::new()).is_none(), "a formula is recorded within another"));
    let recording = Recording;
    let variables = std::array::from_fn(|i| Expr::new(ExprNode::Input(i)));
    let results: Vec<usize> = formula(variables).list().into_iter().map(Expr::number).collect();
    let nodes = STEPS.with_borrow_mut(|steps| steps.take().expect("the steps of this recording"));
    drop(recording);
    Graph { inputs: N, nodes, results }.pruned()
}

impl ExprNode {
    /// Calls `f` with each operand.
    pub(crate) fn operands(self, mut f: impl FnMut(usize)) {
        match self {
            ExprNode::Input(_) | ExprNode::Constant(_) => {}
            ExprNode::Function(_, x) | ExprNode::Not(x) => f(x),
            ExprNode::Operator(_, a, b) | ExprNode::Compare(_, a, b) | ExprNode::And(a, b) | ExprNode::Or(a, b) => {
                f(a);
                f(b);
            }
            ExprNode::MulAdd(a, b, c) | ExprNode::Select(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
        }
    }

    /// The same with each operand replaced.
    pub(crate) fn map(self, f: impl Fn(usize) -> usize) -> Self {
        match self {
            ExprNode::Input(_) | ExprNode::Constant(_) => self,
            ExprNode::Function(function, x) => ExprNode::Function(function, f(x)),
            ExprNode::Operator(operator, a, b) => ExprNode::Operator(operator, f(a), f(b)),
            ExprNode::MulAdd(a, b, c) => ExprNode::MulAdd(f(a), f(b), f(c)),
            ExprNode::Compare(comparison, a, b) => ExprNode::Compare(comparison, f(a), f(b)),
            ExprNode::And(a, b) => ExprNode::And(f(a), f(b)),
            ExprNode::Or(a, b) => ExprNode::Or(f(a), f(b)),
            ExprNode::Not(a) => ExprNode::Not(f(a)),
            ExprNode::Select(mask, yes, no) => ExprNode::Select(f(mask), f(yes), f(no)),
        }
    }
}

impl Graph {
    /// The same formula with its variables in another order: variable `i` becomes number `order[i]` of `order.len()`.
    #[must_use]
    pub fn reordered(mut self, order: &[usize]) -> Self {
        for node in &mut self.nodes {
            if let ExprNode::Input(i) = node {
                *i = order[*i];
            }
        }
        Self { inputs: order.len(), ..self }
    }

    /// The same formula with its constants as further variables, and their values.
    pub fn with_constants_apart(mut self) -> (Self, Vec<f64>) {
        let mut constants = Vec::new();
        for node in &mut self.nodes {
            if let ExprNode::Constant(x) = *node {
                *node = ExprNode::Input(self.inputs + constants.len());
                constants.push(x);
            }
        }
        self.inputs += constants.len();
        (self, constants)
    }

    /// Some of the results alone, without the steps that only others need.
    #[must_use]
    pub fn part(&self, results: std::ops::Range<usize>) -> Self {
        Self { results: self.results[results].to_vec(), ..self.clone() }.pruned()
    }

    /// Without the steps that no result needs; variables stay.
    fn pruned(self) -> Self {
        let mut needed = vec![false; self.nodes.len()];
        self.results.iter().for_each(|&r| needed[r] = true);
        for number in (0..self.nodes.len()).rev() {
            if needed[number] {
                self.nodes[number].operands(|operand| needed[operand] = true);
            }
        }
        let mut places = vec![0; self.nodes.len()];
        let mut nodes = Vec::new();
        for (number, node) in self.nodes.into_iter().enumerate() {
            if needed[number] || matches!(node, ExprNode::Input(_)) {
                places[number] = nodes.len();
                nodes.push(node.map(|operand| places[operand]));
            }
        }
        let results = self.results.into_iter().map(|r| places[r]).collect();
        Self { inputs: self.inputs, nodes, results }
    }

    /// The formula as a function of WGSL, `fn name(x0: f32, …) -> f32`, or of an `array<f32, M>` if it has several results, after
    /// the functions that it calls and WGSL does not have.
    ///
    /// A shader that has several formulas prints them by [`wgsl_of`].
    pub fn wgsl(&self, name: &str) -> String {
        wgsl_of(&[(name, self)])
    }

    /// The function alone, which calls WGSL's loose functions by their names behind `prefix`.
    fn body(&self, name: &str, prefix: &str) -> String {
        let parameters: Vec<String> = (0..self.inputs).map(|i| format!("x{i}: f32")).collect();
        let returned = match self.results.len() {
            1 => "f32".to_string(),
            n => format!("array<f32, {n}>"),
        };
        let mut text = format!("fn {name}({}) -> {returned} {{\n", parameters.join(", "));
        // A step that is used once stands where it is used, unless lines would grow long.
        let mut uses = vec![0_usize; self.nodes.len()];
        for node in &self.nodes {
            node.operands(|operand| uses[operand] += 1);
        }
        let mut printed: Vec<String> = Vec::with_capacity(self.nodes.len());
        for (number, node) in self.nodes.iter().enumerate() {
            let line = self.print(*node, &printed, prefix);
            let plain = matches!(node, ExprNode::Input(_) | ExprNode::Constant(_));
            if plain || (uses[number] == 1 && line.len() < 60) {
                printed.push(line);
            } else {
                let _ = writeln!(text, "    let t{number} = {line};");
                printed.push(format!("t{number}"));
            }
        }
        let results: Vec<&str> = self.results.iter().map(|&r| printed[r].as_str()).collect();
        let value = if results.len() == 1 { results[0].to_string() } else { format!("{returned}({})", results.join(", ")) };
        let _ = write!(text, "    return {value};\n}}\n");
        text
    }

    fn print(&self, node: ExprNode, printed: &[String], prefix: &str) -> String {
        let at = |number: usize| printed[number].as_str();
        match node {
            ExprNode::Input(i) => format!("x{i}"),
            ExprNode::Constant(x) => literal(x),
            ExprNode::Function(Function::Neg, x) => format!("(-{})", at(x)),
            ExprNode::Function(Function::Tanh, x) if prefix.is_empty() => format!("tanh(clamp({}, -10.0, 10.0))", at(x)),
            ExprNode::Function(function, x) if function.is_loose() => format!("{prefix}{}({})", function.wgsl(), at(x)),
            ExprNode::Function(function, x) => format!("{}({})", function.wgsl(), at(x)),
            ExprNode::Operator(Operator::Powf, a, b) => format!("{prefix}pow({}, {})", at(a), at(b)),
            // A shader's compiler may take it for true.
            ExprNode::Compare(Comparison::Equal, a, b) if a == b && !prefix.is_empty() => format!("{prefix}is_number({})", at(a)),
            ExprNode::Operator(operator, a, b) => format!("({} {} {})", at(a), operator.sign(), at(b)),
            ExprNode::MulAdd(a, b, c) => format!("fma({}, {}, {})", at(a), at(b), at(c)),
            ExprNode::Compare(comparison, a, b) => format!("({} {} {})", at(a), comparison.sign(), at(b)),
            ExprNode::And(a, b) => format!("({} && {})", at(a), at(b)),
            ExprNode::Or(a, b) => format!("({} || {})", at(a), at(b)),
            ExprNode::Not(a) => format!("(!{})", at(a)),
            ExprNode::Select(mask, yes, no) => format!("select({}, {}, {})", at(no), at(yes), at(mask)),
        }
    }

    fn calls(&self, function: Function) -> bool {
        self.nodes.iter().any(|node| matches!(node, ExprNode::Function(f, _) if *f == function))
    }

    fn has_special_numbers(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node, ExprNode::Constant(x) if !(*x as f32).is_finite()))
    }
}

/// Several formulas as functions of one WGSL module, after the functions that they call and WGSL does not have.
pub fn wgsl_of(formulas: &[(&str, &Graph)]) -> String {
    prefixed_wgsl_of(formulas, "")
}

/// [`wgsl_of`], but exp, exp2, log, pow, sin, cos and tanh are called by these names behind `prefix`: WGSL's own are too loose
/// for some, who define theirs. So is `is_number`, which is false for NaN alone.
pub fn prefixed_wgsl_of(formulas: &[(&str, &Graph)], prefix: &str) -> String {
    let mut text = String::new();
    if formulas.iter().any(|(_, graph)| graph.has_special_numbers()) {
        // What is computed while a module is compiled may not be infinite, nor NaN.
        text.push_str("fn number_of_bits(bits: u32) -> f32 {\n    return bitcast<f32>(bits);\n}\n");
    }
    for function in Function::OWN {
        if formulas.iter().any(|(_, graph)| graph.calls(function)) {
            text.push_str(&function.formula().body(function.wgsl(), prefix));
        }
    }
    formulas.iter().for_each(|(name, graph)| text.push_str(&graph.body(name, prefix)));
    text
}

/// A number of WGSL, rounded to f32.
fn literal(x: f64) -> String {
    match x as f32 {
        x if !x.is_finite() => format!("number_of_bits({:#x}u)", x.to_bits()),
        x if x.is_sign_negative() => format!("({x:?}f)"),
        x => format!("{x:?}f"),
    }
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Powf => "pow",
        }
    }
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
        }
    }
}

impl Function {
    /// Those that WGSL does not have.
    const OWN: [Self; 5] = [Self::Sigmoid, Self::Silu, Self::Erf, Self::NormalCdf, Self::Gelu];

    /// Whether WGSL lets an adapter round it coarsely.
    fn is_loose(self) -> bool {
        matches!(self, Self::Exp | Self::Exp2 | Self::Ln | Self::Sin | Self::Cos | Self::Tanh)
    }

    fn wgsl(self) -> &'static str {
        match self {
            Self::Neg => "-",
            Self::Abs => "abs",
            Self::Sqrt => "sqrt",
            Self::Exp => "exp",
            Self::Ln => "log",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Erf => "erf",
            Self::NormalCdf => "normal_cdf",
            Self::Gelu => "gelu",
            Self::Exp2 => "exp2",
            Self::Floor => "floor",
            Self::Round => "round",
        }
    }

    /// A function that WGSL lacks, of those that it has.
    fn formula(self) -> Graph {
        match self {
            Self::Sigmoid => record(|[x]| sigmoid(x)),
            Self::Silu => record(|[x]| at_least(-87.0, x) * sigmoid(x)),
            Self::Erf => record(|[x]| erf(x)),
            Self::NormalCdf => record(|[x]| {
                let tail = normal_tail(x.abs());
                Expr::select(x.greater(Expr::ZERO), Expr::ONE - tail, tail)
            }),
            Self::Gelu => record(|[x]| {
                let size = x.abs();
                let below = -(size.minimum(Expr::from_f64(f32::NORMAL_TAIL.into())) * normal_tail(size));
                Expr::select(x.greater(Expr::ZERO), x + below, below)
            }),
            _ => unreachable!("WGSL has it"),
        }
    }
}

/// 1 / (1 + e⁻ˣ), where nothing is infinite: below -87 as there.
fn sigmoid<T: Number>(x: T) -> T {
    T::ONE / (T::ONE + (-at_least(-87.0, x)).exp())
}

fn at_least<T: Number>(low: f64, x: T) -> T {
    T::select(x.less(T::from_f64(low)), T::from_f64(low), x)
}

/// Σ c[k] xᵏ
fn polynomial<T: Number>(c: &[f64], x: T) -> T {
    c.iter().rev().fold(T::ZERO, |sum, &c| sum.mul_add(x, T::from_f64(c)))
}

/// Φ(-z) for z ≥ 0: e^(-z²/2) R(z / (z + k) - ½) / (z + k), with the polynomial of [`Format::NORMAL_RATIO`].
fn normal_tail<T: Number>(z: T) -> T {
    let (end, centre) = (T::from_f64(f32::NORMAL_TAIL.into()), T::from_f64(f32::NORMAL_CENTRE.into()));
    // NaN stays one.
    let z = T::select(end.less(z), end, z);
    let sum = z + centre;
    let ratio = polynomial(f32::NORMAL_RATIO, z / sum - T::from_f64(0.5));
    (T::from_f64(-0.5) * z * z).exp() * ratio / sum
}

fn erf<T: Number>(x: T) -> T {
    let size = x.abs();
    let near = x.mul_add(polynomial(f32::ERF_RATIO_LESS_ONE, x * x), x);
    let tail = normal_tail(size * T::from_f64(std::f64::consts::SQRT_2));
    let far = T::ONE - (tail + tail);
    let far = T::select(x.less(T::ZERO), -far, far);
    T::select(size.greater(T::ONE), far, near)
}
