//! An equation meets shapes: every dimension gets a label, every label a size.

use smallvec::SmallVec;

use crate::einsum::equation::{Equation, LabelNames};
use crate::einsum::pair::Label;
use crate::error::{ErrorNote, Result};

/// An equation whose ellipses are spelled out, with the size of each label.
#[derive(Debug, Clone)]
pub(crate) struct BoundEquation {
    /// The label of each dimension of each operand.
    pub operands: Vec<Vec<Label>>,
    /// The labels of the result.
    pub output: Vec<Label>,
    /// The size of each label.
    pub sizes: Vec<usize>,
    pub names: LabelNames,
}

impl BoundEquation {
    /// Gives every dimension of operands of these shapes its label.
    ///
    /// Dimensions under an ellipsis are aligned from the last. A dimension of size 1 fits a label of any size: the operand
    /// repeats along it.
    #[track_caller]
    pub fn new(equation: &Equation, shapes: &[&[usize]]) -> Result<Self> {
        let Equation { inputs, output, .. } = equation;
        if inputs.len() != shapes.len() {
            let (terms, operands) = (count(inputs.len(), "term"), count(shapes.len(), "operand"));
            let written = ErrorNote::new(0..inputs.last().map_or(0, |t| t.span.end), terms.clone());
            return Err(equation
                .refuse(format!("the equation has {terms} for {operands}"))
                .with_notes(&equation.text, vec![written]));
        }
        let mut longest = 0;
        for (k, (term, shape)) in inputs.iter().zip(shapes).enumerate() {
            let (labels, rank) = (term.labels.len(), shape.len());
            if labels > rank || (labels < rank && term.ellipsis.is_none()) {
                let (labels, dims) = (count(labels, "label"), count(rank, "dimension"));
                let fault =
                    format!("operand {k} has {dims}, shape {shape:?}, and its term \"{}\" {labels}", equation.written(term));
                let note = ErrorNote::new(term.span.clone(), format!("{labels} for {dims}"));
                return Err(equation.refuse(fault).with_notes(&equation.text, vec![note]));
            }
            if term.ellipsis.is_some() {
                longest = longest.max(rank - labels);
            }
        }
        let mut names = equation.names.clone();
        let under_ellipsis: Vec<Label> = (0..longest).map(|_| names.invent()).collect();
        let spell = |labels: &[Label], ellipsis: Option<usize>, dims: usize| -> Vec<Label> {
            let Some(at) = ellipsis else { return labels.to_vec() };
            [&labels[..at], &under_ellipsis[longest - dims..], &labels[at..]].concat()
        };
        let operands: Vec<Vec<Label>> = inputs
            .iter()
            .zip(shapes)
            .map(|(term, shape)| spell(&term.labels, term.ellipsis, shape.len() - term.labels.len()))
            .collect();
        let output = spell(&output.labels, output.ellipsis, longest);
        let sizes = sizes(equation, &operands, shapes, names.len())?;
        Ok(Self { operands, output, sizes, names })
    }
}

/// The size of each label, or which two dimensions contradict each other.
#[track_caller]
fn sizes(equation: &Equation, operands: &[Vec<Label>], shapes: &[&[usize]], labels: usize) -> Result<Vec<usize>> {
    /// A size and the operand and dimension it comes from.
    #[derive(Clone, Copy)]
    struct EllipsisDims {
        size: usize,
        operand: usize,
        dim: usize,
    }
    let place = |s: EllipsisDims| equation.inputs[s.operand].place(s.dim, shapes[s.operand].len());
    let mut seen: Vec<SmallVec<[EllipsisDims; 2]>> = vec![SmallVec::new(); labels];
    for (operand, (term, shape)) in operands.iter().zip(shapes).enumerate() {
        for (dim, (&label, &size)) in term.iter().zip(shape.iter()).enumerate() {
            let now = EllipsisDims { size, operand, dim };
            let before = &mut seen[label as usize];
            // Within an operand a repeated label is a diagonal, of which 1 is no part.
            if let Some(other) = before.iter().find(|s| s.operand == operand && s.size != size) {
                let name = label_name(equation, label, labels);
                let fault = format!(
                    "{name} is {} in dimension {} and {size} in dimension {dim} of operand {operand}",
                    other.size, other.dim
                );
                let notes = [*other, now].map(|s| ErrorNote::new(place(s), format!("{} in dimension {}", s.size, s.dim)));
                return Err(equation.refuse(fault).with_notes(&equation.text, notes.into()));
            }
            if let Some(other) = before.iter().find(|s| s.size != size && s.size != 1 && size != 1) {
                let name = label_name(equation, label, labels);
                let fault = format!("{name} is {} in operand {} and {size} in operand {operand}", other.size, other.operand);
                let notes = [*other, now].map(|s| ErrorNote::new(place(s), format!("{} in operand {}", s.size, s.operand)));
                return Err(equation.refuse(fault).with_notes(&equation.text, notes.into()));
            }
            if !before.iter().any(|s| s.size == size && s.operand == operand) {
                before.push(now);
            }
        }
    }
    Ok(seen.iter().map(|s| s.iter().map(|s| s.size).find(|&n| n != 1).unwrap_or(1)).collect())
}

/// `label j`, or `ellipsis dimension -1` for one that the equation does not name.
fn label_name(equation: &Equation, label: Label, labels: usize) -> String {
    if (label as usize) < equation.names.len() {
        return format!("label {}", equation.names.label(label));
    }
    format!("ellipsis dimension -{}", labels - label as usize)
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str, shapes: &[&[usize]]) -> Result<BoundEquation> {
        BoundEquation::new(&Equation::parse(text)?, shapes)
    }

    #[test]
    fn ellipses_are_aligned_from_the_last_dimension_and_repeat_sizes_of_one() {
        let bound = bind("...ij,...jk->...ik", &[&[7, 5, 2, 3], &[1, 3, 4]]).unwrap();
        let written: Vec<_> = bound.operands.iter().map(|t| bound.names.term(t)).collect();
        assert_eq!(written, ["abij", "bjk"]);
        assert_eq!(bound.names.term(&bound.output), "abik");
        assert_eq!(bound.sizes, [2, 3, 4, 7, 5]);
    }

    #[test]
    fn a_dimension_of_size_one_fits_a_label_of_any_size() {
        assert_eq!(bind("ij,jk->ik", &[&[2, 1], &[3, 4]]).unwrap().sizes, [2, 3, 4]);
        assert_eq!(bind("i,i->i", &[&[1], &[0]]).unwrap().sizes, [0]);
    }

    #[test]
    fn an_ellipsis_that_the_output_lacks_is_summed_over() {
        let bound = bind("...i->i", &[&[2, 3]]).unwrap();
        assert_eq!((bound.operands, bound.output), (vec![vec![1, 0]], vec![0]));
    }

    #[test]
    fn both_places_of_a_contradiction_are_noted() {
        let notes = |text: &str, shapes: &[&[usize]]| -> Vec<(usize, String)> {
            bind(text, shapes).unwrap_err().notes().iter().map(|n| (n.at.start, n.text.clone())).collect()
        };
        let of = |notes: [(usize, &str); 2]| notes.map(|(at, text)| (at, text.to_string())).to_vec();
        assert_eq!(notes("ij,jk->ik", &[&[2, 3], &[4, 5]]), of([(1, "3 in operand 0"), (3, "4 in operand 1")]));
        assert_eq!(notes("ii->i", &[&[1, 3]]), of([(0, "1 in dimension 0"), (1, "3 in dimension 1")]));
        assert_eq!(notes("i...,...i", &[&[9, 2, 3], &[4, 3, 9]]), of([(1, "2 in operand 0"), (5, "4 in operand 1")]));
        assert_eq!(notes("ij,ijk->", &[&[2, 3], &[4, 5]]), [(3, "3 labels for 2 dimensions".to_string())]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused_with_label_operands_and_sizes() {
        let cases: [(&str, &[&[usize]], &str); 8] = [
            ("", &[&[3, 4], &[4, 5]], "the equation has 1 term for 2 operands"),
            ("ij,jk,kl->il", &[&[3, 4], &[4, 5]], "the equation has 3 terms for 2 operands"),
            ("ij,jk->ik", &[&[2, 3], &[4, 5]], "label j is 3 in operand 0 and 4 in operand 1"),
            ("ii,jk->ik", &[&[3, 4], &[4, 5]], "label i is 3 in dimension 0 and 4 in dimension 1 of operand 0"),
            ("ii->i", &[&[1, 3]], "label i is 1 in dimension 0 and 3 in dimension 1 of operand 0"),
            ("ijk->", &[&[3, 4]], "operand 0 has 2 dimensions, shape [3, 4], and its term \"ijk\" 3 labels"),
            ("i...->", &[&[]], "operand 0 has 0 dimensions, shape [], and its term \"i...\" 1 label"),
            ("...,...", &[&[2, 3], &[4, 3]], "ellipsis dimension -2 is 2 in operand 0 and 4 in operand 1"),
        ];
        for (text, shapes, fault) in cases {
            assert_eq!(bind(text, shapes).unwrap_err().to_string(), format!("einsum \"{text}\": {fault}"));
        }
    }
}
