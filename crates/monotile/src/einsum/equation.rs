//! Reading an equation: `"bthd,bshd->bhts"` becomes terms of numbered labels, or a sentence that points at the fault.

use std::ops::Range;

use crate::einsum::pair::Label;
use crate::error::{Error, ErrorKind, ErrorNote, Placed, Result};

/// What is to be contracted, independent of any shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Equation {
    /// As errors quote it.
    pub text: String,
    /// How each label is written.
    pub names: LabelNames,
    /// A term an operand.
    pub inputs: Vec<Term>,
    /// The result's term, written or implied.
    pub output: Term,
}

/// The labels of an operand or of the result, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Term {
    pub labels: Vec<Label>,
    /// How many labels stand before the ellipsis, where there is one.
    pub ellipsis: Option<usize>,
    /// The characters of the equation that each label is.
    at: Vec<Range<usize>>,
    /// The characters that the ellipsis is.
    ellipsis_at: Range<usize>,
    /// The characters that the term is.
    pub span: Range<usize>,
}

impl Term {
    /// Where the label of a dimension of an operand of this rank stands.
    pub fn place(&self, dim: usize, rank: usize) -> Range<usize> {
        let under_ellipsis = rank - self.labels.len();
        match self.ellipsis {
            Some(at) if (at..at + under_ellipsis).contains(&dim) => self.ellipsis_at.clone(),
            Some(at) if dim >= at => self.at[dim - under_ellipsis].clone(),
            _ => self.at[dim].clone(),
        }
    }
}

/// The characters of each label of a term, and of the term.
type SourceSpans = (Vec<Range<usize>>, Range<usize>);

/// What is wrong with an equation, in a sentence, and where.
type Fault = (String, Vec<ErrorNote>);

/// How labels 0, 1, 2, … are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelNames {
    Letters(Vec<char>),
    Numbers(Vec<u32>),
}

impl LabelNames {
    pub fn len(&self) -> usize {
        match self {
            Self::Letters(letters) => letters.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    pub fn label(&self, label: Label) -> String {
        match self {
            Self::Letters(letters) => letters[label as usize].to_string(),
            Self::Numbers(numbers) => numbers[label as usize].to_string(),
        }
    }

    /// The labels of a term: letters run together, numbers stand apart.
    pub fn term(&self, labels: &[Label]) -> String {
        let between = if matches!(self, Self::Letters(_)) { "" } else { " " };
        labels.iter().map(|&l| self.label(l)).collect::<Vec<_>>().join(between)
    }

    /// Another label, for a dimension of an ellipsis: the first letter of the alphabet that is not taken, or beyond it the
    /// first other character.
    pub fn invent(&mut self) -> Label {
        let label = self.len() as Label;
        match self {
            Self::Letters(letters) => {
                let mut free = ('a'..='z').chain('A'..='Z').chain('\u{c0}'..).filter(|c| !letters.contains(c));
                let letter = free.next().expect("an equation has fewer labels than there are characters");
                letters.push(letter);
            }
            Self::Numbers(numbers) => numbers.push(numbers.iter().max().map_or(0, |n| n.saturating_add(1))),
        }
        label
    }
}

impl Equation {
    /// Reads an equation: terms of letters separated by commas, then perhaps `->` and the output's term.
    ///
    /// Without an arrow the output has the dimensions of the ellipsis, then the labels that occur once, sorted by
    /// character: upper case before lower.
    #[track_caller]
    pub fn parse(text: &str) -> Result<Self> {
        let read = Reader::read(text).map_err(|(fault, notes)| refuse(text, fault).with_notes(text, notes)).placed()?;
        let Reader { letters, terms, arrow } = read;
        let mut inputs = terms;
        let output = if arrow.is_some() {
            let output = inputs.pop().expect("the term after the arrow was begun");
            check_output(&output, &inputs, |l| letters[l as usize].to_string())
                .map_err(|(fault, notes)| refuse(text, fault).with_notes(text, notes))
                .placed()?;
            output
        } else {
            implied_output(&inputs, &letters)
        };
        Ok(Self { text: text.to_string(), names: LabelNames::Letters(letters), inputs, output })
    }

    /// The equation with these labels, any numbers.
    #[track_caller]
    pub fn from_labels(inputs: &[&[u32]], output: &[u32]) -> Result<Self> {
        let mut text = String::new();
        // The characters that each label is, and the term.
        let mut write = |term: &[u32], before: &str| {
            text.push_str(before);
            let start = text.len();
            let mut at = Vec::with_capacity(term.len());
            for (d, number) in term.iter().enumerate() {
                text.push_str(if d == 0 { "" } else { " " });
                let start = text.len();
                text.push_str(&number.to_string());
                at.push(start..text.len());
            }
            (at, start..text.len())
        };
        let places: Vec<_> = inputs.iter().enumerate().map(|(k, t)| write(t, if k == 0 { "" } else { "," })).collect();
        let output_places = write(output, "->");
        let mut numbers: Vec<u32> = inputs.iter().copied().flatten().chain(output).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let number = |n: &u32| numbers.binary_search(n).expect("every number was collected") as Label;
        let term =
            |(t, (at, span)): (&[u32], SourceSpans)| Term { labels: t.iter().map(number).collect(), at, span, ..Term::default() };
        let inputs: Vec<Term> = inputs.iter().copied().zip(places).map(term).collect();
        let output = term((output, output_places));
        if inputs.is_empty() {
            return Err(refuse(&text, "an equation has at least one operand"));
        }
        check_output(&output, &inputs, |l| numbers[l as usize].to_string())
            .map_err(|(fault, notes)| refuse(&text, fault).with_notes(&text, notes))
            .placed()?;
        Ok(Self { text, names: LabelNames::Numbers(numbers), inputs, output })
    }

    /// The error of this equation with this fault.
    #[track_caller]
    pub fn refuse(&self, fault: impl std::fmt::Display) -> Error {
        refuse(&self.text, fault)
    }

    /// How an operand's term is written.
    pub fn written(&self, term: &Term) -> String {
        let Some(at) = term.ellipsis else { return self.names.term(&term.labels) };
        format!("{}...{}", self.names.term(&term.labels[..at]), self.names.term(&term.labels[at..]))
    }
}

#[track_caller]
fn refuse(text: &str, fault: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Equation, format!("einsum \"{text}\": {fault}"))
}

/// Letters, and any character beyond ASCII that can be seen: large networks have more labels than there are letters.
fn is_label(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { !c.is_whitespace() && !c.is_control() }
}

/// An equation while it is read, from left to right.
struct Reader {
    letters: Vec<char>,
    /// The terms so far; after the arrow the last one is the output's.
    terms: Vec<Term>,
    /// Where the arrow begins.
    arrow: Option<usize>,
}

impl Reader {
    #[track_caller]
    fn read(text: &str) -> Result<Self, Fault> {
        let mut reader = Self { letters: Vec::new(), terms: vec![Term::default()], arrow: None };
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            at += match chars[at] {
                ' ' => 1,
                ',' if reader.arrow.is_some() => {
                    let fault = format!("the comma at position {at} follows the arrow; there is one output");
                    return Err((fault, vec![ErrorNote::new(at..at + 1, "there is one output")]));
                }
                ',' => reader.begin_term(at, 1),
                '-' => reader.arrow(at, &chars[at..])?,
                '>' => {
                    let fault = format!("the '>' at position {at} has no '-' before it; an arrow is \"->\"");
                    return Err((fault, vec![ErrorNote::new(at..at + 1, "an arrow is \"->\"")]));
                }
                '.' => reader.ellipsis(at, &chars[at..])?,
                c if is_label(c) => reader.label(c, at),
                c => {
                    let fault = format!("{c:?} at position {at} is no label; labels are letters");
                    return Err((fault, vec![ErrorNote::new(at..at + 1, "labels are letters")]));
                }
            };
        }
        Ok(reader)
    }

    fn current(&mut self) -> &mut Term {
        self.terms.last_mut().expect("reading begins with a term")
    }

    // Each of these reads what begins at the current position and returns its length.

    fn begin_term(&mut self, at: usize, length: usize) -> usize {
        let start = at + length;
        self.terms.push(Term { span: start..start, ..Term::default() });
        length
    }

    #[track_caller]
    fn arrow(&mut self, at: usize, rest: &[char]) -> Result<usize, Fault> {
        if rest.get(1) != Some(&'>') {
            let fault = format!("the '-' at position {at} has no '>' after it; an arrow is \"->\"");
            return Err((fault, vec![ErrorNote::new(at..at + 1, "an arrow is \"->\"")]));
        }
        if let Some(first) = self.arrow {
            let fault = format!("the arrow at position {at} is the second; an equation has one");
            return Err((
                fault,
                vec![ErrorNote::new(first..first + 2, "the first arrow"), ErrorNote::new(at..at + 2, "the second")],
            ));
        }
        self.arrow = Some(at);
        Ok(self.begin_term(at, 2))
    }

    #[track_caller]
    fn ellipsis(&mut self, at: usize, rest: &[char]) -> Result<usize, Fault> {
        let dots = rest.iter().take_while(|&&c| c == '.').count();
        if dots != 3 {
            let (verb, those) = if dots == 1 { ("is", "dot") } else { ("are", "dots") };
            let fault = format!("the {those} at position {at} {verb} no ellipsis; one is \"...\"");
            return Err((fault, vec![ErrorNote::new(at..at + dots, "an ellipsis is \"...\"")]));
        }
        let of = if self.arrow.is_some() { "the output".to_string() } else { format!("operand {}", self.terms.len() - 1) };
        let term = self.current();
        if term.ellipsis.is_some() {
            let fault = format!("the ellipsis at position {at} is the second of {of}; a term has one");
            let first = ErrorNote::new(term.ellipsis_at.clone(), format!("the first of {of}"));
            return Err((fault, vec![first, ErrorNote::new(at..at + dots, "the second")]));
        }
        term.ellipsis = Some(term.labels.len());
        term.ellipsis_at = at..at + dots;
        term.span.end = at + dots;
        Ok(dots)
    }

    fn label(&mut self, c: char, at: usize) -> usize {
        let known = self.letters.iter().position(|&l| l == c);
        let label = known.unwrap_or_else(|| {
            self.letters.push(c);
            self.letters.len() - 1
        });
        let term = self.current();
        term.labels.push(label as Label);
        term.at.push(at..at + 1);
        term.span.end = at + 1;
        1
    }
}

#[track_caller]
fn check_output(output: &Term, inputs: &[Term], name: impl Fn(Label) -> String) -> Result<(), Fault> {
    for (d, label) in output.labels.iter().enumerate() {
        if let Some(first) = output.labels[..d].iter().position(|l| l == label) {
            let fault = format!("label {} occurs twice in the output", name(*label));
            let notes = [(first, "once"), (d, "and again")].map(|(d, text)| ErrorNote::new(output.at[d].clone(), text));
            return Err((fault, notes.into()));
        }
        if !inputs.iter().any(|t| t.labels.contains(label)) {
            let fault = format!("label {} of the output is in no operand", name(*label));
            return Err((fault, vec![ErrorNote::new(output.at[d].clone(), "in no operand")]));
        }
    }
    Ok(())
}

fn implied_output(inputs: &[Term], letters: &[char]) -> Term {
    let occurrences = |label: Label| inputs.iter().flat_map(|t| &t.labels).filter(|&&l| l == label).count();
    let mut labels: Vec<Label> = (0..letters.len() as Label).filter(|&l| occurrences(l) == 1).collect();
    labels.sort_by_key(|&l| letters[l as usize]);
    let ellipsis = inputs.iter().any(|t| t.ellipsis.is_some()).then_some(0);
    Term { labels, ellipsis, ..Term::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> String {
        let equation = Equation::parse(text).unwrap();
        equation.written(&equation.output)
    }

    #[test]
    fn an_implied_output_has_the_ellipsis_then_labels_seen_once_upper_case_first() {
        assert_eq!(output("ba"), "ab");
        assert_eq!(output("ij,jk"), "ik");
        assert_eq!(output("iij"), "j");
        assert_eq!(output("a,A"), "Aa");
        assert_eq!(output("j...i,i"), "...j");
        assert_eq!(output(""), "");
        assert_eq!(output("ij->"), "");
    }

    #[test]
    fn spaces_are_ignored_and_empty_terms_are_scalars() {
        let spaced = Equation::parse(" i j , , jk -> i k ").unwrap();
        let plain = Equation::parse("ij,,jk->ik").unwrap();
        let labels = |e: &Equation| e.inputs.iter().chain([&e.output]).map(|t| t.labels.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&spaced), labels(&plain));
        assert!(plain.inputs[1].labels.is_empty());
    }

    #[test]
    fn an_ellipsis_may_stand_anywhere_in_a_term() {
        let equation = Equation::parse("...i,i...,i...j->...j").unwrap();
        let places: Vec<_> = equation.inputs.iter().map(|t| t.ellipsis).collect();
        assert_eq!(places, [Some(0), Some(1), Some(1)]);
        assert_eq!(equation.written(&equation.inputs[2]), "i...j");
    }

    #[test]
    fn dimensions_know_their_place_in_the_text() {
        let equation = Equation::parse("ij, k...lm->").unwrap();
        let places: Vec<_> = (0..5).map(|d| equation.inputs[1].place(d, 5)).collect();
        assert_eq!(places, [4..5, 5..8, 5..8, 8..9, 9..10]);
        let numbers = Equation::from_labels(&[&[10, 7], &[7, 100]], &[100]).unwrap();
        assert_eq!((numbers.text.as_str(), numbers.inputs[1].place(1, 2)), ("10 7,7 100->100", 7..10));
        assert_eq!(numbers.output.span, 12..15);
    }

    #[test]
    fn labels_beyond_letters_are_characters_or_numbers() {
        let text: String = ('\u{c0}'..'\u{180}').collect();
        assert_eq!(Equation::parse(&format!("{text}->")).unwrap().names.len(), 192);
        let equation = Equation::from_labels(&[&[1000, 7], &[7, 7_000_000]], &[7_000_000, 1000]).unwrap();
        assert_eq!(equation.text, "1000 7,7 7000000->7000000 1000");
        assert_eq!(equation.inputs[1].labels, [0, 2]);
        assert_eq!(equation.written(&equation.output), "7000000 1000");
    }

    #[test]
    fn malformed_equations_are_refused_with_the_place_of_the_fault() {
        let cases = [
            ("i%,jk->ik", "'%' at position 1 is no label; labels are letters"),
            ("i..,jk->ik", "the dots at position 1 are no ellipsis; one is \"...\""),
            (".i...,jk->ik", "the dot at position 0 is no ellipsis; one is \"...\""),
            ("...i...,jk->ik", "the ellipsis at position 4 is the second of operand 0; a term has one"),
            ("ij,jk->...k...", "the ellipsis at position 11 is the second of the output; a term has one"),
            ("ij,jk->il", "label l of the output is in no operand"),
            ("ij,jk->ikk", "label k occurs twice in the output"),
            ("ij,jk->ik->ki", "the arrow at position 9 is the second; an equation has one"),
            ("ij,jk-ik", "the '-' at position 5 has no '>' after it; an arrow is \"->\""),
            ("ij,jk>ik", "the '>' at position 5 has no '-' before it; an arrow is \"->\""),
            ("ij->i,j", "the comma at position 5 follows the arrow; there is one output"),
        ];
        for (text, fault) in cases {
            let error = Equation::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("einsum \"{text}\": {fault}"));
            assert_eq!(error.kind(), ErrorKind::Equation);
        }
        let error = Equation::parse("i...j... ,").unwrap_err();
        let notes: Vec<_> = error.notes().iter().map(|n| (n.at.clone(), n.text.as_str())).collect();
        assert_eq!(notes, [(1..4, "the first of operand 0"), (5..8, "the second")]);
        let refused = |inputs: &[&[u32]]| Equation::from_labels(inputs, &[2]).unwrap_err().to_string();
        assert_eq!(refused(&[&[0, 1]]), "einsum \"0 1->2\": label 2 of the output is in no operand");
        assert_eq!(refused(&[]), "einsum \"->2\": an equation has at least one operand");
    }
}
