//! Reading an equation: `"bthd,bshd->bhts"` becomes terms of numbered labels, or a sentence that points at the fault.

use crate::einsum::pair::Label;
use crate::error::{Error, ErrorKind, Result};

/// What is to be contracted, independent of any shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Equation {
    /// As errors quote it.
    pub text: String,
    /// How each label is written.
    pub names: Names,
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
}

/// How labels 0, 1, 2, … are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    Letters(Vec<char>),
    Numbers(Vec<u32>),
}

impl Names {
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
    pub fn parse(text: &str) -> Result<Self> {
        let read = Reader::read(text).map_err(|fault| refuse(text, fault))?;
        let Reader { letters, terms, arrow } = read;
        let mut inputs = terms;
        let output = if arrow {
            let output = inputs.pop().expect("the term after the arrow was begun");
            check_output(&output, &inputs, |l| letters[l as usize].to_string()).map_err(|fault| refuse(text, fault))?;
            output
        } else {
            implied_output(&inputs, &letters)
        };
        Ok(Self { text: text.to_string(), names: Names::Letters(letters), inputs, output })
    }

    /// The equation with these labels, any numbers.
    pub fn from_labels(inputs: &[&[u32]], output: &[u32]) -> Result<Self> {
        let written = |term: &&[u32]| term.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let text = format!("{}->{}", inputs.iter().map(written).collect::<Vec<_>>().join(","), written(&output));
        let mut numbers: Vec<u32> = inputs.iter().copied().flatten().chain(output).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let number = |n: &u32| numbers.binary_search(n).expect("every number was collected") as Label;
        let term = |t: &[u32]| Term { labels: t.iter().map(number).collect(), ellipsis: None };
        let (inputs, output): (Vec<Term>, _) = (inputs.iter().map(|t| term(t)).collect(), term(output));
        if inputs.is_empty() {
            return Err(refuse(&text, "an equation has at least one operand"));
        }
        check_output(&output, &inputs, |l| numbers[l as usize].to_string()).map_err(|fault| refuse(&text, fault))?;
        Ok(Self { text, names: Names::Numbers(numbers), inputs, output })
    }

    /// The error of this equation with this fault.
    pub fn refuse(&self, fault: impl std::fmt::Display) -> Error {
        refuse(&self.text, fault)
    }

    /// How an operand's term is written.
    pub fn written(&self, term: &Term) -> String {
        let Some(at) = term.ellipsis else { return self.names.term(&term.labels) };
        format!("{}...{}", self.names.term(&term.labels[..at]), self.names.term(&term.labels[at..]))
    }
}

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
    arrow: bool,
}

impl Reader {
    fn read(text: &str) -> Result<Self, String> {
        let mut reader = Self { letters: Vec::new(), terms: vec![Term::default()], arrow: false };
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            at += match chars[at] {
                ' ' => 1,
                ',' if reader.arrow => return Err(format!("the comma at position {at} follows the arrow; there is one output")),
                ',' => reader.begin_term(),
                '-' => reader.arrow(at, &chars[at..])?,
                '>' => return Err(format!("the '>' at position {at} has no '-' before it; an arrow is \"->\"")),
                '.' => reader.ellipsis(at, &chars[at..])?,
                c if is_label(c) => reader.label(c),
                c => return Err(format!("{c:?} at position {at} is no label; labels are letters")),
            };
        }
        Ok(reader)
    }

    fn current(&mut self) -> &mut Term {
        self.terms.last_mut().expect("reading begins with a term")
    }

    // Each of these reads what begins at the current position and returns its length.

    fn begin_term(&mut self) -> usize {
        self.terms.push(Term::default());
        1
    }

    fn arrow(&mut self, at: usize, rest: &[char]) -> Result<usize, String> {
        if rest.get(1) != Some(&'>') {
            return Err(format!("the '-' at position {at} has no '>' after it; an arrow is \"->\""));
        }
        if self.arrow {
            return Err(format!("the arrow at position {at} is the second; an equation has one"));
        }
        self.arrow = true;
        self.begin_term();
        Ok(2)
    }

    fn ellipsis(&mut self, at: usize, rest: &[char]) -> Result<usize, String> {
        let dots = rest.iter().take_while(|&&c| c == '.').count();
        if dots != 3 {
            let (verb, those) = if dots == 1 { ("is", "dot") } else { ("are", "dots") };
            return Err(format!("the {those} at position {at} {verb} no ellipsis; one is \"...\""));
        }
        let of = if self.arrow { "the output".to_string() } else { format!("operand {}", self.terms.len() - 1) };
        let term = self.current();
        if term.ellipsis.is_some() {
            return Err(format!("the ellipsis at position {at} is the second of {of}; a term has one"));
        }
        term.ellipsis = Some(term.labels.len());
        Ok(dots)
    }

    fn label(&mut self, c: char) -> usize {
        let known = self.letters.iter().position(|&l| l == c);
        let label = known.unwrap_or_else(|| {
            self.letters.push(c);
            self.letters.len() - 1
        });
        self.current().labels.push(label as Label);
        1
    }
}

fn check_output(output: &Term, inputs: &[Term], name: impl Fn(Label) -> String) -> Result<(), String> {
    for (d, label) in output.labels.iter().enumerate() {
        if output.labels[..d].contains(label) {
            return Err(format!("label {} occurs twice in the output", name(*label)));
        }
        if !inputs.iter().any(|t| t.labels.contains(label)) {
            return Err(format!("label {} of the output is in no operand", name(*label)));
        }
    }
    Ok(())
}

fn implied_output(inputs: &[Term], letters: &[char]) -> Term {
    let occurrences = |label: Label| inputs.iter().flat_map(|t| &t.labels).filter(|&&l| l == label).count();
    let mut labels: Vec<Label> = (0..letters.len() as Label).filter(|&l| occurrences(l) == 1).collect();
    labels.sort_by_key(|&l| letters[l as usize]);
    let ellipsis = inputs.iter().any(|t| t.ellipsis.is_some()).then_some(0);
    Term { labels, ellipsis }
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
        assert_eq!((&spaced.inputs, &spaced.output), (&plain.inputs, &plain.output));
        assert_eq!(plain.inputs[1], Term::default());
    }

    #[test]
    fn an_ellipsis_may_stand_anywhere_in_a_term() {
        let equation = Equation::parse("...i,i...,i...j->...j").unwrap();
        let places: Vec<_> = equation.inputs.iter().map(|t| t.ellipsis).collect();
        assert_eq!(places, [Some(0), Some(1), Some(1)]);
        assert_eq!(equation.written(&equation.inputs[2]), "i...j");
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
        let refused = |inputs: &[&[u32]]| Equation::from_labels(inputs, &[2]).unwrap_err().to_string();
        assert_eq!(refused(&[&[0, 1]]), "einsum \"0 1->2\": label 2 of the output is in no operand");
        assert_eq!(refused(&[]), "einsum \"->2\": an equation has at least one operand");
    }
}
