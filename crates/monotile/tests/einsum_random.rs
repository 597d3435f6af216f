//! Einsum on random equations: repeated labels, ellipses, sizes of 1 that repeat, every layout of memory, against a plain
//! loop over all indices in f64; gradients against differences; every order against the others.

use monotile::einsum::{Einsum, EinsumOptions, MemoryLimit, PathMethod};
use monotile::tape::{CheckGradientOptions, check_gradient};
use monotile::{DType, Result, Rng, Tensor, einsum};
use proptest::prelude::*;

/// Decisions read from a string of bytes: shorter strings and smaller bytes make simpler equations, so that failures shrink.
struct Choices(std::vec::IntoIter<u8>);

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.0.next().unwrap_or(0) as usize % n
    }
}

/// Indices of labels: 0 to 4 are letters, 5 and 6 the dimensions under an ellipsis.
type Labels = Vec<usize>;
const LETTERS: [char; 5] = ['b', 'A', 'c', 'a', 'z'];
const ELLIPSIS: [usize; 2] = [5, 6];

/// A term as it is written, and the labels of its dimensions.
struct Term {
    text: String,
    labels: Labels,
    shape: Vec<usize>,
}

/// A random equation.
struct Problem {
    equation: String,
    terms: Vec<Term>,
    output: Labels,
}

impl Problem {
    fn new(choices: &mut Choices) -> Self {
        let sizes: Vec<usize> = (0..7).map(|_| 1 + choices.below(4)).collect();
        let terms: Vec<Term> = (0..1 + choices.below(4)).map(|_| term(choices, &sizes)).collect();
        let under = |t: &Term| t.labels.iter().filter(|l| ELLIPSIS.contains(l)).count();
        let longest = terms.iter().map(under).max().unwrap_or(0);
        let has_ellipsis = terms.iter().any(|t| t.text.contains("..."));
        let inputs: Vec<&str> = terms.iter().map(|t| t.text.as_str()).collect();
        let mut letters: Labels = Vec::new();
        let (ellipsis, arrow) = if choices.below(3) == 0 {
            // Nothing is written: the ellipsis, then what occurs once, by character.
            let count = |l: &usize| terms.iter().flat_map(|t| &t.labels).filter(|&m| m == l).count();
            letters.extend((0..5).filter(|l| count(l) == 1));
            letters.sort_by_key(|&l| LETTERS[l]);
            (has_ellipsis.then_some(0), false)
        } else {
            for l in (0..5).filter(|l| terms.iter().any(|t| t.labels.contains(l))) {
                if choices.below(2) == 1 {
                    letters.insert(choices.below(letters.len() + 1), l);
                }
            }
            let shown = has_ellipsis && choices.below(4) != 0;
            (shown.then(|| choices.below(letters.len() + 1)), true)
        };
        let (text, output) = written(&letters, ellipsis, longest);
        let equation = if arrow { format!("{}->{text}", inputs.join(",")) } else { inputs.join(",") };
        Self { equation, terms, output }
    }

    /// The size of each label: what any dimension that has it is, if that is not 1.
    fn sizes(&self) -> [usize; 7] {
        let mut sizes = [1; 7];
        for term in &self.terms {
            term.labels.iter().zip(&term.shape).filter(|(_, n)| **n != 1).for_each(|(&l, &n)| sizes[l] = n);
        }
        sizes
    }

    /// The result by a loop over all indices, and the same of absolute values, which bounds rounding.
    fn naive(&self, operands: &[Tensor]) -> (Vec<f64>, Vec<f64>) {
        let sizes = self.sizes();
        let values: Vec<Vec<f64>> = operands.iter().map(|x| x.to_f64_vec().unwrap()).collect();
        let row_major = |labels: &Labels, shape: &[usize], index: &[usize; 7]| {
            labels.iter().zip(shape).fold(0, |at, (&l, &n)| at * n + if n == 1 { 0 } else { index[l] })
        };
        let shape: Vec<usize> = self.output.iter().map(|&l| sizes[l]).collect();
        let len = shape.iter().product();
        let (mut sums, mut bounds) = (vec![0.0; len], vec![0.0; len]);
        for flat in 0..sizes.iter().product::<usize>() {
            let mut index = [0; 7];
            (0..7).fold(flat, |rest, l| {
                index[l] = rest % sizes[l];
                rest / sizes[l]
            });
            let factors = self.terms.iter().zip(&values).map(|(t, v)| v[row_major(&t.labels, &t.shape, &index)]);
            let product: f64 = factors.product();
            let at = row_major(&self.output, &shape, &index);
            sums[at] += product;
            bounds[at] += product.abs();
        }
        (sums, bounds)
    }
}

/// Letters with an ellipsis of `dims` dimensions somewhere in between.
fn written(letters: &Labels, ellipsis: Option<usize>, dims: usize) -> (String, Labels) {
    let text = |labels: &[usize]| labels.iter().map(|&l| LETTERS[l]).collect::<String>();
    match ellipsis {
        None => (text(letters), letters.clone()),
        Some(at) => {
            let (before, after) = letters.split_at(at);
            let labels = [before, &ELLIPSIS[2 - dims..], after].concat();
            (format!("{}...{}", text(before), text(after)), labels)
        }
    }
}

fn term(choices: &mut Choices, sizes: &[usize]) -> Term {
    let letters: Labels = (0..choices.below(4)).map(|_| choices.below(5)).collect();
    let ellipsis = (choices.below(3) == 2).then(|| choices.below(letters.len() + 1));
    let dims = choices.below(3);
    let (text, labels) = written(&letters, ellipsis, dims);
    let once = |l: usize| labels.iter().filter(|&&m| m == l).count() == 1;
    let shape = labels.iter().map(|&l| if once(l) && choices.below(6) == 5 { 1 } else { sizes[l] }).collect();
    Term { text, labels, shape }
}

/// Normal numbers of this shape in memory of some order: plain, transposed, reversed, strided or repeated.
fn operand(shape: &[usize], layout: usize, rng: &mut Rng) -> Result<Tensor> {
    let x = rng.normal(shape, DType::F64)?;
    let reversed: Vec<isize> = (0..x.rank() as isize).rev().collect();
    match layout {
        1 => {
            let memory: Vec<usize> = shape.iter().rev().copied().collect();
            rng.normal(&memory, DType::F64)?.permute(&reversed)
        }
        2 if x.rank() > 0 => x.flip(-1)?.flip(0),
        3 => {
            let doubled = [shape, &[2]].concat();
            rng.normal(&doubled, DType::F64)?.select(-1, 1)
        }
        4 if x.rank() > 0 => x.select(0, 0)?.unsqueeze(0)?.expand(shape),
        _ => Ok(x),
    }
}

fn problem(bytes: Vec<u8>) -> (Problem, Vec<Tensor>) {
    let mut choices = Choices(bytes.into_iter());
    let problem = Problem::new(&mut choices);
    let mut rng = Rng::new(choices.below(256) as u64);
    let operands = problem.terms.iter().map(|t| operand(&t.shape, choices.below(5), &mut rng).unwrap()).collect();
    (problem, operands)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_equations_equal_a_loop_over_all_indices(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let (problem, operands) = problem(bytes);
        let (expected, bounds) = problem.naive(&operands);
        let sizes = problem.sizes();
        let shape: Vec<usize> = problem.output.iter().map(|&l| sizes[l]).collect();
        let refs: Vec<&Tensor> = operands.iter().collect();
        let shapes: Vec<&[usize]> = operands.iter().map(Tensor::shape).collect();
        let read = Einsum::new(&problem.equation).unwrap();
        let mut results = vec![einsum(&problem.equation, &refs).unwrap()];
        for order in [PathMethod::Greedy, PathMethod::LeftToRight] {
            results.push(read.with_order(order).compile(&shapes).unwrap().run(&refs).unwrap());
        }
        for result in results {
            prop_assert_eq!(result.shape(), &shape, "{}", &problem.equation);
            for ((y, e), bound) in result.to_f64_vec().unwrap().iter().zip(&expected).zip(&bounds) {
                // Each of at most 4⁷ products is rounded a few times: 1e-12 of their absolute sum is 9,000 roundings.
                prop_assert!((y - e).abs() <= 1e-12 * bound, "{} {:?}: {y} for {e}", &problem.equation, &shapes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gradients_of_random_equations_equal_differences(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let (problem, operands) = problem(bytes);
        let shapes: Vec<&[usize]> = operands.iter().map(Tensor::shape).collect();
        let read = Einsum::new(&problem.equation).unwrap();
        // A limit with no room to keep intermediates, and none.
        let bytes = 8 * read.compile(&shapes).unwrap().explain().peak as usize;
        for memory_limit in [Some(MemoryLimit { bytes, dtype: DType::F64 }), None] {
            let compiled = read.with_options(EinsumOptions { memory_limit, ..EinsumOptions::default() }).compile(&shapes).unwrap();
            let function = |x: &[Tensor]| Ok(vec![compiled.run(&x.iter().collect::<Vec<_>>())?]);
            let options = CheckGradientOptions { directions: 1, order: 2, ..Default::default() };
            let outcome = check_gradient(function, &operands, &options);
            prop_assert!(outcome.is_ok(), "{}, {memory_limit:?}: {}", &problem.equation, outcome.unwrap_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused_with_places_inside_it(
        text in prop_oneof!["[ab. ,>-]{0,12}", "[aij,]{0,6}(->)?[aij.]{0,4}", "\\PC{0,12}", ".{0,8}"],
        rank in 0_usize..4,
    ) {
        let length = text.chars().count();
        let refused = match Einsum::new(&text) {
            Ok(einsum) => {
                // As many operands as there are terms, of one rank: some fit, others do not.
                let terms = text.split("->").next().unwrap().split(',').count();
                einsum.compile(&vec![&[2, 2, 2][..rank.min(3)]; terms]).err()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = refused {
            prop_assert!(error.to_string().starts_with("einsum \""), "{error}");
            for note in error.notes() {
                prop_assert!(note.at.start <= note.at.end && note.at.end <= length, "{error}: {note:?}");
                prop_assert!(!note.text.is_empty());
            }
        }
    }
}
