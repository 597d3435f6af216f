//! What a plan does, in words and numbers.

use std::fmt;

use crate::einsum::pair::Label;
use crate::einsum::plan::{ContractionPlan, PairStep};

/// What a compiled equation does and costs; printed, a report for people.
///
/// Operations are counted as opt_einsum counts them: a step takes the product of the sizes of all its labels, twice if it sums
/// over one of them; a sum over labels of a single operand takes that operand's size.
///
/// # Example
/// ```
/// use monotile::einsum::{Einsum, StepKind};
/// let compiled = Einsum::new("ij,jk,kl->il")?.compile(&[&[512, 8], &[8, 512], &[512, 8]])?;
/// let report = compiled.explain();
/// assert_eq!((report.steps[0].equation.as_str(), report.steps[0].kind), ("jk,kl->jl", StepKind::MatrixProduct));
/// assert_eq!(report.speed_up(), 64.0);
/// println!("{report}");
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The equation as it was typed.
    pub equation: String,
    /// The shapes of the operands.
    pub shapes: Vec<Vec<usize>>,
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// Every step, in the order of execution.
    pub steps: Vec<ExplainedStep>,
    /// Operations of all steps.
    pub operations: f64,
    /// Operations of the same contractions from left to right.
    pub left_to_right: f64,
    /// Elements of the largest result of a step.
    pub largest: f64,
    /// Elements of all results that are held at the same time, at most; the last one is among them, operands are not.
    pub peak: f64,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// The terms it takes: operands are counted from 0, results of earlier steps after them.
    pub terms: Vec<usize>,
    /// The step as an equation. Dimensions of size 1 have no label in it.
    pub equation: String,
    /// How it is computed.
    pub kind: StepKind,
    /// Multiplications and additions.
    pub operations: f64,
    /// The shape of its result.
    pub shape: Vec<usize>,
}

/// How a step is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepKind {
    /// Dimensions reordered, repeated labels walked together: nothing is computed.
    View,
    /// A sum over labels of one operand.
    Sum,
    /// A product of elements that have the same labels.
    Elementwise,
    /// A product of elements of which one operand, or both, are repeated.
    Broadcast,
    /// A product of everything with everything.
    Outer,
    /// A sum over all labels but those of a batch.
    Dot,
    /// A matrix by a vector.
    MatrixVector,
    /// A matrix product.
    MatrixProduct,
    /// Dot products, matrices by vectors or matrix products, one for each index of a batch.
    Batched,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::View => "view",
            Self::Sum => "sum",
            Self::Elementwise => "elementwise product",
            Self::Broadcast => "broadcast product",
            Self::Outer => "outer product",
            Self::Dot => "dot product",
            Self::MatrixVector => "matrix by vector",
            Self::MatrixProduct => "matrix product",
            Self::Batched => "batched product",
        })
    }
}

impl StepKind {
    fn of_step(step: &PairStep) -> Self {
        let ([a, b], out) = (step.pair.labels(), step.pair.out());
        let (batch, rows): (Vec<Label>, Vec<Label>) = a.iter().filter(|l| out.contains(l)).partition(|l| b.contains(l));
        let columns = b.iter().filter(|l| out.contains(l) && !a.contains(l)).count();
        let sums = a.iter().chain(b).any(|l| !out.contains(l));
        match (sums, batch.is_empty(), rows.is_empty(), columns == 0) {
            (false, _, true, true) => Self::Elementwise,
            (false, true, false, false) => Self::Outer,
            (false, ..) => Self::Broadcast,
            (true, false, ..) => Self::Batched,
            (true, true, true, true) => Self::Dot,
            (true, true, false, false) => Self::MatrixProduct,
            (true, true, ..) => Self::MatrixVector,
        }
    }
}

impl Explanation {
    pub(super) fn from_plan(plan: &ContractionPlan) -> Self {
        let mut steps: Vec<ExplainedStep> = Vec::new();
        let mut sums = 0.0;
        let elements = |labels: &[Label]| labels.iter().map(|&l| plan.sizes[l as usize] as f64).product::<f64>();
        let shape = |labels: &[Label]| labels.iter().map(|&l| plan.sizes[l as usize]).collect::<Vec<_>>();
        let single = |term: usize, kind, from: &[Label], to: &[Label], operations| ExplainedStep {
            terms: vec![term],
            equation: format!("{}->{}", plan.names.term(from), plan.names.term(to)),
            kind,
            operations,
            shape: shape(to),
        };
        for (k, prepare) in plan.prepare.iter().enumerate() {
            if !prepare.diagonals.is_empty() {
                steps.push(single(k, StepKind::View, &plan.operands[k], &prepare.viewed, 0.0));
            }
            if !prepare.sum.is_empty() {
                let operations = elements(&prepare.viewed);
                sums += operations;
                steps.push(single(k, StepKind::Sum, &prepare.viewed, &prepare.labels, operations));
            }
        }
        for step in &plan.steps {
            let [a, b] = step.pair.labels();
            let terms = format!("{},{}", plan.names.term(a), plan.names.term(b));
            steps.push(ExplainedStep {
                terms: vec![step.terms.0, step.terms.1],
                equation: format!("{terms}->{}", plan.names.term(step.pair.out())),
                kind: StepKind::of_step(step),
                operations: step.operations,
                shape: step.pair.shape().to_vec(),
            });
        }
        if plan.finish.permute.is_some() {
            // Only a single operand is left in another order than the result's.
            steps.push(single(0, StepKind::View, &plan.prepare[0].labels, &plan.output, 0.0));
        }
        let largest = steps.iter().filter(|s| s.kind != StepKind::View).map(|s| s.shape.iter().map(|&n| n as f64).product());
        Self {
            equation: plan.equation.clone(),
            shapes: plan.shapes.iter().map(|s| s.to_vec()).collect(),
            shape: plan.finish.shape.to_vec(),
            operations: sums + plan.cost.operations,
            left_to_right: sums + plan.left_to_right.operations,
            largest: largest.fold(0.0, f64::max),
            peak: plan.cost.peak,
            steps,
        }
    }

    /// How many times fewer operations this order takes than the one from left to right; 1 where there are none.
    pub fn speed_up(&self) -> f64 {
        if self.operations > 0.0 { self.left_to_right / self.operations } else { 1.0 }
    }
}

/// A shape as `512 x 8`, or `scalar`.
fn sizes(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_string();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

/// A count in full while it is short, else with an exponent.
fn count(n: f64) -> String {
    if n >= 1e7 {
        return format!("{n:.3e}");
    }
    let digits = format!("{n:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits are ASCII")).collect();
    groups.join(",")
}

/// A size in memory: `512 B`, `3.50 MiB`.
fn bytes(n: f64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().map(|(unit, shift)| (unit, f64::from(1 << shift))).find(|(_, size)| n >= *size);
    unit.map_or_else(|| format!("{n} B"), |(unit, size)| format!("{:.2} {unit}", n / size))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<String> = self.shapes.iter().map(|s| sizes(s)).collect();
        writeln!(f, "einsum {:?}", self.equation)?;
        writeln!(f, "  operands             {}", shapes.join(", "))?;
        writeln!(f, "  result               {}", sizes(&self.shape))?;
        writeln!(f, "  operations           {}", count(self.operations))?;
        let ratio = self.speed_up();
        let ratio = if ratio < 1000.0 { format!("{ratio:.3}") } else { count(ratio.round()) };
        writeln!(f, "  from left to right   {}  ({ratio} times as many)", count(self.left_to_right))?;
        writeln!(f, "  largest intermediate {} elements", count(self.largest))?;
        let [single, double] = [4.0, 8.0].map(|size| bytes(size * self.peak));
        writeln!(f, "  memory at its peak   {} elements  ({single} in f32, {double} in f64)", count(self.peak))?;
        let head = ["step", "terms", "contraction", "kind", "operations", "result"].map(str::to_string);
        let row = |(k, step): (usize, &ExplainedStep)| {
            let terms = step.terms.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
            let (kind, shape) = (step.kind.to_string(), sizes(&step.shape));
            [k.to_string(), terms, step.equation.clone(), kind, count(step.operations), shape]
        };
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.steps.iter().enumerate().map(row)).collect();
        let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        for [step, terms, contraction, kind, operations, result] in &rows {
            let line = format!(
                "  {step:>0$}  {terms:<1$}  {contraction:<2$}  {kind:<3$}  {operations:>4$}  {result}",
                widths[0], widths[1], widths[2], widths[3], widths[4]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::Einsum;

    #[test]
    fn a_report_reads_like_a_table() {
        let chain = Einsum::new("ij,jk,kl,lm->im").unwrap();
        let report = chain.compile(&[&[512, 8], &[8, 512], &[512, 8], &[8, 512]]).unwrap().explain();
        let expected = "\
einsum \"ij,jk,kl,lm->im\"
  operands             512 x 8, 8 x 512, 512 x 8, 8 x 512
  result               512 x 512
  operations           4,325,376
  from left to right   1.258e7  (2.909 times as many)
  largest intermediate 262,144 elements
  memory at its peak   266,240 elements  (1.02 MiB in f32, 2.03 MiB in f64)
  step  terms  contraction  kind            operations  result
     0  1 2    jk,kl->jl    matrix product      65,536  8 x 8
     1  0 4    ij,jl->il    matrix product      65,536  512 x 8
     2  5 3    il,lm->im    matrix product   4,194,304  512 x 512
";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn every_kind_of_step_is_named() {
        let kinds = |text: &str, shapes: &[&[usize]]| -> Vec<StepKind> {
            Einsum::new(text).unwrap().compile(shapes).unwrap().explain().steps.iter().map(|s| s.kind).collect()
        };
        assert_eq!(kinds("ij->ji", &[&[2, 3]]), [StepKind::View]);
        assert_eq!(kinds("ij->ij", &[&[2, 3]]), []);
        assert_eq!(kinds("ii->", &[&[2, 2]]), [StepKind::View, StepKind::Sum]);
        assert_eq!(kinds("ij,ji->ij", &[&[2, 3], &[3, 2]]), [StepKind::Elementwise]);
        assert_eq!(kinds("i,j->ij", &[&[2], &[3]]), [StepKind::Outer]);
        assert_eq!(kinds("ij,j->ij", &[&[2, 3], &[3]]), [StepKind::Broadcast]);
        assert_eq!(kinds("i,i->", &[&[2], &[2]]), [StepKind::Dot]);
        assert_eq!(kinds("ij,j->i", &[&[2, 3], &[3]]), [StepKind::MatrixVector]);
        assert_eq!(kinds("bij,bjk->bik", &[&[2, 3, 4], &[2, 4, 5]]), [StepKind::Batched]);
        assert_eq!(kinds("bij,bjk->bik", &[&[1, 3, 4], &[1, 4, 5]]), [StepKind::MatrixProduct]);
        assert_eq!(kinds("ij,k->k", &[&[2, 3], &[4]]), [StepKind::Sum, StepKind::Broadcast]);
    }
}
