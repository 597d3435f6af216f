//! Byte-pair encoding learned from a text.

use std::collections::{BTreeSet, BinaryHeap, HashMap};

use monotile::Result;
use monotile_adapters::PatternBudget;

use super::byte_level::letter;
use super::pattern::{GPT2, Pattern};
use super::stopwatch::Stopwatch;

/// Pairs of tokens in the order in which they are merged.
type Merges = Vec<(String, String)>;

/// The tokens and merges that describe a text best: 256 letters of bytes, then pairs by frequency, to at most `count` tokens.
///
/// Ties go to the pair of the lower token numbers, so the same text always gives the same tokens.
///
/// # Errors
/// None that a text can cause.
pub(super) fn byte_pairs(text: &str, count: usize) -> Result<(Vec<String>, Merges)> {
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| letter(byte).to_string()).collect();
    tokens.sort();
    let number: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
    let spell = |word: &str| word.bytes().map(|byte| number[&letter(byte).to_string()]).collect();
    let mut learned = Words::new(count_words(text)?.into_iter().map(|(word, times)| (spell(word), times)).collect());

    let mut merges = Vec::new();
    while tokens.len() < count
        && let Some((left, right)) = learned.most_frequent()
    {
        let (a, b) = (tokens[left as usize].clone(), tokens[right as usize].clone());
        learned.merge((left, right), tokens.len() as u32);
        tokens.push(format!("{a}{b}"));
        merges.push((a, b));
    }
    Ok((tokens, merges))
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
fn count_words(text: &str) -> Result<Vec<(&str, i64)>> {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    let words = Pattern::regex(GPT2, &PatternBudget::new("tokenizer"))?;
    let mut at = 0;
    words.each(text, &Stopwatch::new(text.len()), &mut |word| {
        debug_assert_eq!(word.start, at, "the pattern leaves nothing out");
        at = word.end;
        *counts.entry(&text[word]).or_default() += 1;
        Ok(())
    })?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_pair_is_merged_first() {
        let (tokens, merges) = byte_pairs("low low low lower newest", 259).unwrap();
        assert_eq!(tokens.len(), 259);
        // "lo" and "ow" occur 4 times each; "lo" has the lower token numbers.
        assert_eq!(merges[0], ("l".into(), "o".into()));
        assert_eq!(merges[1], ("lo".into(), "w".into()));
        assert_eq!(merges[2].1, "low");
    }

    #[test]
    fn a_pair_that_occurs_once_is_not_merged() {
        let (tokens, merges) = byte_pairs("abc", 300).unwrap();
        assert_eq!((tokens.len(), merges.len()), (256, 0));
    }
}
