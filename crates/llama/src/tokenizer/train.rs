//! Byte-pair encoding learned from a text.

use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// The letter that stands for a byte in `tokenizer.json`: itself where it prints, else one from U+0100 on, in order.
pub(super) fn letter(byte: u8) -> char {
    let prints = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if prints(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&b| !prints(b)).count() as u32;
    char::from_u32(0x100 + before).expect("U+0100 to U+0143 are characters")
}

/// The tokens and merges that describe a text best: 256 letters of bytes, then pairs by frequency, to at most `count` tokens.
///
/// Ties go to the pair of the lower token numbers, so the same text always gives the same tokens.
pub(super) fn byte_pairs(text: &str, count: usize) -> (Vec<String>, Vec<(String, String)>) {
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| letter(byte).to_string()).collect();
    tokens.sort();
    let number: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
    let spell = |word: &str| word.bytes().map(|byte| number[&letter(byte).to_string()]).collect();
    let mut learned = Words::new(count_words(text).into_iter().map(|(word, times)| (spell(word), times)).collect());

    let mut merges = Vec::new();
    while tokens.len() < count
        && let Some((left, right)) = learned.most_frequent()
    {
        let (a, b) = (tokens[left as usize].clone(), tokens[right as usize].clone());
        learned.merge((left, right), tokens.len() as u32);
        tokens.push(format!("{a}{b}"));
        merges.push((a, b));
    }
    (tokens, merges)
}

/// Words as lists of tokens, how often each occurs, and what follows from that for pairs.
struct Words {
    words: Vec<(Vec<u32>, i64)>,
    counts: HashMap<(u32, u32), i64>,
    /// The words that have, or once had, a pair.
    places: HashMap<(u32, u32), BTreeSet<usize>>,
    /// Pairs by frequency; an entry whose frequency is out of date is corrected when it comes up.
    queue: BinaryHeap<(i64, std::cmp::Reverse<(u32, u32)>)>,
}

impl Words {
    fn new(words: Vec<(Vec<u32>, i64)>) -> Self {
        let mut this = Self { words, counts: HashMap::new(), places: HashMap::new(), queue: BinaryHeap::new() };
        for place in 0..this.words.len() {
            this.count_pairs(place, 1);
        }
        this.queue = this.counts.iter().map(|(&pair, &times)| (times, std::cmp::Reverse(pair))).collect();
        this
    }

    /// Adds a word's pairs to the counts, or takes them away.
    fn count_pairs(&mut self, place: usize, sign: i64) {
        let (word, times) = &self.words[place];
        for pair in word.windows(2) {
            let pair = (pair[0], pair[1]);
            *self.counts.entry(pair).or_default() += sign * times;
            self.places.entry(pair).or_default().insert(place);
        }
    }

    /// The most frequent pair, if one occurs twice.
    fn most_frequent(&mut self) -> Option<(u32, u32)> {
        loop {
            let (times, std::cmp::Reverse(pair)) = self.queue.pop()?;
            let now = self.counts.get(&pair).copied().unwrap_or(0);
            if now == times {
                return (now > 1).then_some(pair);
            }
            if now > 1 {
                self.queue.push((now, std::cmp::Reverse(pair)));
            }
        }
    }

    fn merge(&mut self, pair: (u32, u32), token: u32) {
        for place in self.places.remove(&pair).unwrap_or_default() {
            self.count_pairs(place, -1);
            let word = &mut self.words[place].0;
            let mut merged = Vec::with_capacity(word.len());
            for &next in word.iter() {
                if next == pair.1 && merged.last() == Some(&pair.0) {
                    merged.pop();
                    merged.push(token);
                } else {
                    merged.push(next);
                }
            }
            *word = merged;
            self.count_pairs(place, 1);
            for next in self.words[place].0.windows(2).filter(|p| p.contains(&token)) {
                let next = (next[0], next[1]);
                self.queue.push((self.counts[&next], std::cmp::Reverse(next)));
            }
        }
        self.counts.remove(&pair);
        self.places.remove(&pair);
    }
}

/// How often each word of a text occurs, in the order of their bytes.
fn count_words(text: &str) -> Vec<(&str, i64)> {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    counts
}

/// What a character is to the splitting of words.
#[derive(PartialEq, Clone, Copy)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class(c: char) -> Class {
    if c.is_alphabetic() {
        Class::Letter
    } else if c.is_numeric() {
        Class::Number
    } else if c.is_whitespace() {
        Class::Space
    } else {
        Class::Other
    }
}

/// The words of a text as the GPT-2 pattern, which `ByteLevel` stands for, cuts it:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn words(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (word, after) = rest.split_at(word_length(rest, first));
        rest = after;
        Some(word)
    })
}

/// The bytes of the word that a text begins with.
fn word_length(text: &str, first: char) -> usize {
    const SUFFIXES: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    if let Some(suffix) = SUFFIXES.into_iter().find(|suffix| text.starts_with(suffix)) {
        return suffix.len();
    }
    let run = |text: &str, of: Class| text.chars().take_while(|&c| class(c) == of).map(char::len_utf8).sum::<usize>();
    let body = text.strip_prefix(' ').unwrap_or(text);
    match body.chars().next().map(class) {
        Some(class @ (Class::Letter | Class::Number | Class::Other)) => text.len() - body.len() + run(body, class),
        _ => {
            let spaces = run(text, Class::Space);
            // The last space before a word belongs to that word, if there are others before it.
            let last = text[..spaces].chars().next_back().map_or(0, char::len_utf8);
            if spaces < text.len() && spaces > first.len_utf8() { spaces - last } else { spaces }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_leading_space() {
        let cut: Vec<&str> = words("It's  3 p.m.,\n\n said  ").collect();
        assert_eq!(cut, ["It", "'s", " ", " 3", " p", ".", "m", ".,", "\n\n", " said", "  "]);
        assert_eq!(words("").count(), 0);
    }

    #[test]
    fn the_most_frequent_pair_is_merged_first() {
        let (tokens, merges) = byte_pairs("low low low lower newest", 259);
        assert_eq!(tokens.len(), 259);
        // "lo" and "ow" occur 4 times each; "lo" has the lower token numbers.
        assert_eq!(merges[0], ("l".into(), "o".into()));
        assert_eq!(merges[1], ("lo".into(), "w".into()));
        assert_eq!(merges[2].1, "low");
    }

    #[test]
    fn every_byte_has_a_letter_of_its_own() {
        let letters: BTreeSet<char> = (0..=u8::MAX).map(letter).collect();
        assert_eq!(letters.len(), 256);
        assert_eq!((letter(b' '), letter(b'\n'), letter(b'a')), ('Ġ', 'Ċ', 'a'));
    }

    #[test]
    fn a_pair_that_occurs_once_is_not_merged() {
        let (tokens, merges) = byte_pairs("abc", 300);
        assert_eq!((tokens.len(), merges.len()), (256, 0));
    }
}
