//! Lowering: an equation with shapes becomes views and sums of single operands, then a sequence of pair contractions.

use std::sync::Arc;

use crate::einsum::bind::BoundEquation;
use crate::einsum::cost::{Cost, LabelSet, Network};
use crate::einsum::equation::{Equation, LabelNames};
use crate::einsum::pair::{Label, PairContraction};
use crate::einsum::path::{self, EinsumOptions, MemoryLimit, Path};
use crate::error::Result;
use crate::tensor::Dims;

/// What to do with operands of fixed shapes.
#[derive(Debug)]
pub(crate) struct ContractionPlan {
    /// As errors quote it.
    pub equation: String,
    pub names: LabelNames,
    /// The size of each label.
    pub sizes: Vec<usize>,
    /// The shapes that the operands must have.
    pub shapes: Vec<Dims>,
    /// The labels of each operand as it was written, ellipses spelled out.
    pub operands: Vec<Vec<Label>>,
    pub output: Vec<Label>,
    /// What becomes of each operand before it meets another.
    pub prepare: Vec<OperandStep>,
    /// In the order of execution; operands are terms 0 to n - 1, the result of step k is term n + k.
    pub steps: Vec<PairStep>,
    pub finish: FinalStep,
    /// The most memory that results may hold.
    limit: Option<MemoryLimit>,
    /// What the pairs cost together, in this order and from left to right.
    pub cost: Cost,
    pub left_to_right: Cost,
}

/// An operand becomes one without repeated labels, without dimensions of size 1 and without labels that nobody else has.
#[derive(Debug)]
pub(crate) struct OperandStep {
    /// The shape without dimensions of size 1, where there are such.
    pub squeeze: Option<Dims>,
    /// The axes that share a label, pair by pair; the diagonal of each pair is the last axis for the next.
    pub diagonals: Vec<(isize, isize)>,
    /// The labels of the view that is left.
    pub viewed: Vec<Label>,
    /// The axes of the view that are summed over.
    pub sum: Vec<isize>,
    /// The labels that are left.
    pub labels: Vec<Label>,
}

/// The contraction of two terms.
#[derive(Debug)]
pub(crate) struct PairStep {
    pub terms: (usize, usize),
    pub pair: Arc<PairContraction>,
    pub operations: f64,
}

/// From the last term to the result.
#[derive(Debug)]
pub(crate) struct FinalStep {
    /// The order of dimensions, where it is not yet the one asked for.
    pub permute: Option<Vec<isize>>,
    /// The shape of the result.
    pub shape: Dims,
}

impl ContractionPlan {
    #[track_caller]
    pub fn new(equation: &Equation, shapes: &[&[usize]], options: &EinsumOptions) -> Result<Self> {
        let BoundEquation { operands, output, sizes, names } = BoundEquation::new(equation, shapes)?;
        let prepare = prepare(&operands, &output, shapes);
        // A label of size 1 went with its dimensions; the result gets it back at the end.
        let kept: Vec<Label> = output.iter().copied().filter(|&l| sizes[l as usize] != 1).collect();
        let mut network = Network::new(
            prepare.iter().map(|p| p.labels.iter().copied().collect()).collect(),
            kept.iter().copied().collect(),
            sizes.iter().map(|&n| n as f64).collect(),
        );
        network.summed = prepare.iter().map(|p| !p.sum.is_empty()).collect();
        let path = path::find(&network, options).map_err(|e| e.with_context(format!("einsum \"{}\"", equation.text)))?;
        let pair = |labels: [&[Label]; 2], out: &[Label]| {
            let pair = PairContraction::new(labels, out, |l| sizes[l as usize])?;
            Ok(Arc::new(if options.memory_limit.is_some() { pair.in_one_pass() } else { pair }))
        };
        let steps = steps(&network, &path, &prepare, &kept, pair)?;
        let last = steps.last().map_or(prepare[0].labels.as_slice(), |s| s.pair.out());
        let permute = (last != kept).then(|| kept.iter().map(|l| position(last, *l) as isize).collect());
        let shape = output.iter().map(|&l| sizes[l as usize]).collect();
        Ok(Self {
            equation: equation.text.clone(),
            shapes: shapes.iter().map(|&s| s.into()).collect(),
            cost: network.cost(&path),
            left_to_right: network.cost(&path::left_to_right(operands.len())),
            finish: FinalStep { permute, shape },
            limit: options.memory_limit,
            names,
            sizes,
            operands,
            output,
            prepare,
            steps,
        })
    }

    /// The order, as positions in the shrinking list of operands.
    pub fn positions(&self) -> Vec<(usize, usize)> {
        let path: Path = self.steps.iter().map(|s| s.terms).collect();
        path::to_positions(self.operands.len(), &path)
    }

    /// Which terms depend on an operand that is wanted.
    pub fn wanted(&self, operand: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut wanted: Vec<bool> = (0..self.prepare.len()).map(operand).collect();
        for step in &self.steps {
            wanted.push(wanted[step.terms.0] || wanted[step.terms.1]);
        }
        wanted
    }

    /// Whether the memory limit lets the results of these steps be kept beside all that the plan holds.
    pub fn has_room_for(&self, step: impl Fn(usize) -> bool) -> bool {
        let Some(limit) = &self.limit else { return true };
        let elements = |k: usize| self.steps[k].pair.shape().iter().map(|&n| n as f64).product::<f64>();
        let kept: f64 = (0..self.steps.len()).filter(|&k| step(k)).map(elements).sum();
        self.cost.peak + kept <= limit.elements()
    }

    /// Whether anything is computed, as opposed to viewed.
    pub fn computes(&self) -> bool {
        !self.steps.is_empty() || self.prepare.iter().any(|p| !p.sum.is_empty())
    }
}

fn position(labels: &[Label], label: Label) -> usize {
    labels.iter().position(|&l| l == label).expect("a label of the result is in the last term")
}

fn prepare(operands: &[Vec<Label>], output: &[Label], shapes: &[&[usize]]) -> Vec<OperandStep> {
    // Labels along which an operand really extends; along the others it is constant.
    let extends = |k: usize| operands[k].iter().zip(shapes[k]).filter(|&(_, &n)| n != 1).map(|(&l, _)| l);
    let sets: Vec<LabelSet> = (0..operands.len()).map(|k| extends(k).collect()).collect();
    let one = |k: usize| {
        let mut viewed: Vec<Label> = extends(k).collect();
        let squeeze = (viewed.len() < shapes[k].len()).then(|| shapes[k].iter().copied().filter(|&n| n != 1).collect());
        let mut diagonals = Vec::new();
        while let Some((i, j)) = repeated(&viewed) {
            diagonals.push((i as isize, j as isize));
            viewed.remove(j);
            let label = viewed.remove(i);
            viewed.push(label);
        }
        let shared = |l: Label| output.contains(&l) || sets.iter().enumerate().any(|(other, s)| other != k && s.contains(l));
        let (labels, alone): (Vec<Label>, Vec<Label>) = viewed.iter().partition(|&&l| shared(l));
        let sum = alone.iter().map(|&l| position(&viewed, l) as isize).collect();
        OperandStep { squeeze, diagonals, viewed, sum, labels }
    };
    (0..operands.len()).map(one).collect()
}

/// The first two places of the first label that has two.
fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    labels.iter().enumerate().find_map(|(i, l)| Some((i, i + 1 + labels[i + 1..].iter().position(|m| m == l)?)))
}

/// The pairs of `path`, each made by `pair` of the labels of its operands and its result.
#[track_caller]
fn steps(
    network: &Network,
    path: &Path,
    prepare: &[OperandStep],
    output: &[Label],
    pair: impl Fn([&[Label]; 2], &[Label]) -> Result<Arc<PairContraction>>,
) -> Result<Vec<PairStep>> {
    let mut terms: Vec<Vec<Label>> = prepare.iter().map(|p| p.labels.clone()).collect();
    let mut steps = Vec::with_capacity(path.len());
    for (k, (&(i, j), step)) in path.iter().zip(network.steps(path)).enumerate() {
        let labels = [std::mem::take(&mut terms[i]), std::mem::take(&mut terms[j])];
        let out = if k + 1 == path.len() { output.to_vec() } else { intermediate(&labels, &step.result, network) };
        steps.push(PairStep { terms: (i, j), pair: pair([&labels[0], &labels[1]], &out)?, operations: step.operations });
        terms.push(out);
    }
    Ok(steps)
}

/// The fewest rows and columns that are worth a matrix of their own.
const LONG: f64 = 16.0;

/// The order of an intermediate's labels: batch, then rows, then columns, which the kernel writes as whole matrices.
///
/// Where rows go on behind the label that is summed over, and are long enough to be written as a matrix by themselves, the
/// columns take its place: a dimension that is transformed stays where it was, and the last of several such steps need not
/// bring all of them into order.
fn intermediate([a, b]: &[Vec<Label>; 2], kept: &LabelSet, network: &Network) -> Vec<Label> {
    let of = |from: &[Label], not: &dyn Fn(&Label) -> bool| -> Vec<Label> {
        from.iter().copied().filter(|l| kept.contains(*l) && !not(l)).collect()
    };
    let (batch, columns) = (of(a, &|l| !b.contains(l)), of(b, &|l| a.contains(l)));
    let place = a.iter().rposition(|l| b.contains(l)).filter(|_| batch.is_empty()).unwrap_or(a.len());
    let long = |labels: &[Label]| labels.iter().map(|&l| network.sizes[l as usize]).product::<f64>() >= LONG;
    let place = if long(&a[place..]) && long(&columns) { place } else { a.len() };
    let [before, behind] = [&a[..place], &a[place..]].map(|part| of(part, &|l| b.contains(l)));
    [batch, before, columns, behind].concat()
}
