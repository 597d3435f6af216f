//! Byte-pair encoding: the tokens of a word.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Mutex;

use monotile::memory::reserve;
use monotile::{Error, Result, limits};

use super::byte_level;
use super::component::malformed;
use super::decode::byte;
use super::file::BpeModel;

/// Words of at most this many bytes are remembered.
const SHORT: usize = 64;
/// What the list of a text's tokens is called where there is no memory for it.
const TOKENS: &str = "the tokens of the text";
/// What the list of a word's letters is called.
const WORD: &str = "a word of the text";
/// How many words are remembered.
const REMEMBERED: usize = 1 << 16;

/// A vocabulary and the order in which its pairs are merged.
///
/// # Source
/// Sennrich, Haddow and Birch (2016); pairs in the order of their ranks, from left to right where ranks are equal.
pub(super) struct Bpe {
    pub ids: HashMap<Box<str>, u32>,
    /// The rank of a pair, and what it becomes.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// The token of each byte's letter, where words are given as bytes.
    letters: Option<Box<[Option<u32>; 256]>>,
    /// The tokens `<0x00>` to `<0xFF>`, if characters without a token are spelled in them.
    fallback: Option<Box<[Option<u32>; 256]>>,
    unknown: Option<u32>,
    fuse_unknown: bool,
    /// Whether a word that is a token is that token, whatever the merges say.
    ignore_merges: bool,
    /// Where a long text can be cut; `None` where words are short anyway.
    reach: Option<Reach>,
    known: Mutex<MergedWords>,
}

/// The words whose tokens are remembered.
#[derive(Default)]
struct MergedWords {
    places: HashMap<Box<str>, (u32, u32)>,
    tokens: Vec<u32>,
}

/// What encoding works with; made once a text.
pub(super) struct BpeScratch<'a> {
    bpe: &'a Bpe,
    known: MergedWords,
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Reverse<(u32, u32, u32)>>,
}

/// A token on its way, with its neighbours.
#[derive(Clone, Copy)]
struct Symbol {
    id: u32,
    before: u32,
    after: u32,
}

/// No token, no neighbour.
const NONE: u32 = u32::MAX;

impl Bpe {
    /// Takes the model of a file; `byte_level`, whether bytes of words stand for letters.
    pub fn new(model: BpeModel, byte_level: bool) -> Result<Self> {
        let ids: HashMap<Box<str>, u32> = model.vocab.tokens.into_iter().collect();
        let mut merges = HashMap::with_capacity(model.merges.len());
        let mut joined = String::new();
        for ((left, right), rank) in model.merges.iter().zip(0..) {
            joined.clear();
            joined.extend([&**left, &**right]);
            let find =
                |token: &str| ids.get(token).copied().ok_or_else(|| malformed(format!("merge {rank}: {token:?} is no token")));
            merges.insert((find(left)?, find(right)?), (rank, find(&joined)?));
        }
        let table = |name: &dyn Fn(u8) -> String| {
            let mut table = Box::new([None; 256]);
            (0..=u8::MAX).for_each(|byte| table[usize::from(byte)] = ids.get(name(byte).as_str()).copied());
            table
        };
        let unknown = match &model.unk_token {
            Some(name) => Some(*ids.get(name.as_str()).ok_or_else(|| malformed(format!("unk_token {name:?} is no token")))?),
            None => None,
        };
        let letters = byte_level.then(|| table(&|byte| byte_level::letter(byte).to_string()));
        let fallback = model.byte_fallback.then(|| table(&|byte| format!("<0x{byte:02X}>")));
        let reach = letters.is_none().then(|| Reach::new(&model.merges, &ids, fallback.is_some(), unknown));
        Ok(Self {
            ids,
            merges,
            letters,
            fallback,
            unknown,
            fuse_unknown: model.fuse_unk,
            ignore_merges: model.ignore_merges,
            reach: reach.flatten(),
            known: Mutex::default(),
        })
    }

    /// Makes ready to encode words.
    pub fn work(&self) -> BpeScratch<'_> {
        // Another thread that encodes has the words; this one then begins with none.
        let known = self.known.try_lock().map(|mut known| std::mem::take(&mut *known)).unwrap_or_default();
        BpeScratch { bpe: self, known, symbols: Vec::new(), queue: BinaryHeap::new() }
    }
}

impl Drop for BpeScratch<'_> {
    fn drop(&mut self) {
        if let Ok(mut known) = self.bpe.known.try_lock() {
            *known = std::mem::take(&mut self.known);
        }
    }
}

impl BpeScratch<'_> {
    /// Appends the tokens of a word, or of a text that was not split into words.
    ///
    /// # Errors
    /// `Value`, if it has a character that the vocabulary cannot spell; `Limit`, if it is too long.
    pub fn encode(&mut self, word: &str, tokens: &mut Vec<u32>) -> Result<()> {
        let bpe = self.bpe;
        match &bpe.reach {
            Some(reach) if word.len() > SHORT => {
                if bpe.ignore_merges
                    && let Some(&id) = bpe.ids.get(word)
                {
                    tokens.push(id);
                    return Ok(());
                }
                reach.cut(word, &mut |part| self.word(part, tokens))
            }
            _ => self.word(word, tokens),
        }
    }

    fn word(&mut self, word: &str, tokens: &mut Vec<u32>) -> Result<()> {
        if word.len() > SHORT {
            limits::WORD.admit(WORD, word.len() as u64)?;
            if u32::try_from(word.len()).is_err() {
                return Err(Error::value(format!("a word of {} bytes has more letters than can be numbered", word.len())));
            }
            return self.merge(word, tokens);
        }
        if let Some(&(from, to)) = self.known.places.get(word) {
            reserve(tokens, (to - from) as usize, TOKENS)?;
            tokens.extend_from_slice(&self.known.tokens[from as usize..to as usize]);
            return Ok(());
        }
        let from = tokens.len();
        self.merge(word, tokens)?;
        if self.known.places.len() >= REMEMBERED {
            self.known = MergedWords::default();
        }
        let begin = self.known.tokens.len() as u32;
        self.known.tokens.extend_from_slice(&tokens[from..]);
        self.known.places.insert(word.into(), (begin, self.known.tokens.len() as u32));
        Ok(())
    }

    /// Begins with the characters of a word, or its bytes, and merges pairs by their ranks.
    fn merge(&mut self, word: &str, tokens: &mut Vec<u32>) -> Result<()> {
        let bpe = self.bpe;
        if bpe.ignore_merges {
            let spelled = bpe.letters.as_ref().map(|_| byte_level::spell(word.as_bytes()));
            if let Some(&id) = bpe.ids.get(spelled.as_deref().unwrap_or(word)) {
                tokens.push(id);
                return Ok(());
            }
        }
        self.begin(word)?;
        let symbols = &mut self.symbols;
        let queue = &mut self.queue;
        queue.clear();
        let push = |queue: &mut BinaryHeap<_>, symbols: &[Symbol], left: u32, right: u32| {
            if let Some(&(rank, id)) = bpe.merges.get(&(symbols[left as usize].id, symbols[right as usize].id)) {
                queue.push(Reverse((rank, left, id)));
            }
        };
        for left in 1..symbols.len() as u32 {
            push(queue, symbols, left - 1, left);
        }
        while let Some(Reverse((_, at, id))) = queue.pop() {
            let left = symbols[at as usize];
            if left.id == NONE || left.after == NONE {
                continue;
            }
            let right = symbols[left.after as usize];
            // A pair that another merge has taken a part of.
            if bpe.merges.get(&(left.id, right.id)).is_none_or(|&(_, now)| now != id) {
                continue;
            }
            symbols[left.after as usize].id = NONE;
            symbols[at as usize] = Symbol { id, before: left.before, after: right.after };
            if right.after != NONE {
                symbols[right.after as usize].before = at;
                push(queue, symbols, at, right.after);
            }
            if left.before != NONE {
                push(queue, symbols, left.before, at);
            }
        }
        let left = || symbols.iter().map(|symbol| symbol.id).filter(|&id| id != NONE);
        reserve(tokens, left().count(), TOKENS)?;
        tokens.extend(left());
        Ok(())
    }

    /// The tokens that merging begins with.
    fn begin(&mut self, word: &str) -> Result<()> {
        let bpe = self.bpe;
        let mut start = MergeStart { bpe, symbols: &mut self.symbols, pending: false };
        start.symbols.clear();
        reserve(start.symbols, word.len(), WORD)?;
        match &bpe.letters {
            Some(letters) => {
                for byte in word.bytes() {
                    match letters[usize::from(byte)] {
                        Some(id) => start.known(id),
                        None => start.unknown(byte_level::letter(byte), || format!("the byte 0x{byte:02X}"))?,
                    }
                }
            }
            None => {
                let mut letter = [0; 4];
                for c in word.chars() {
                    match bpe.ids.get(&*c.encode_utf8(&mut letter)) {
                        Some(&id) => start.known(id),
                        None => start.unknown(c, || format!("{c:?}"))?,
                    }
                }
            }
        }
        start.flush();
        Ok(())
    }
}

/// The first tokens of a word as they are found.
struct MergeStart<'a> {
    bpe: &'a Bpe,
    symbols: &'a mut Vec<Symbol>,
    /// Whether an unknown character waits: the next one may join it.
    pending: bool,
}

impl MergeStart<'_> {
    fn push(&mut self, id: u32) {
        let at = self.symbols.len() as u32;
        if let Some(last) = self.symbols.last_mut() {
            last.after = at;
        }
        self.symbols.push(Symbol { id, before: at.wrapping_sub(1), after: NONE });
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.pending)
            && let Some(unknown) = self.bpe.unknown
        {
            self.push(unknown);
        }
    }

    fn known(&mut self, id: u32) {
        self.flush();
        self.push(id);
    }

    /// A character without a token: its bytes, or the unknown token.
    fn unknown(&mut self, c: char, what: impl Fn() -> String) -> Result<()> {
        let mut letter = [0; 4];
        let letter = c.encode_utf8(&mut letter);
        if let Some(fallback) = &self.bpe.fallback {
            let bytes = letter.bytes().map(|byte| fallback[usize::from(byte)]);
            if bytes.clone().all(|id| id.is_some()) {
                bytes.flatten().for_each(|id| self.push(id));
                return Ok(());
            }
        }
        if self.bpe.unknown.is_none() {
            return Err(Error::value(format!("the vocabulary has no token for {}, which the text holds", what())));
        }
        if self.pending && !self.bpe.fuse_unknown {
            self.flush();
        }
        self.pending = true;
        Ok(())
    }
}

/// Which pairs of characters some merge reaches across: between any others a text can be cut, and its parts have the tokens of the whole.
struct Reach {
    pairs: HashSet<(char, char)>,
    characters: HashSet<char>,
}

impl Reach {
    /// `None`, if merges begin with other tokens than those of characters.
    fn new(merges: &[(Box<str>, Box<str>)], ids: &HashMap<Box<str>, u32>, fallback: bool, unknown: Option<u32>) -> Option<Self> {
        let mut pairs = HashSet::new();
        for (left, right) in merges {
            let odd = |token: &str| fallback && byte(token).is_some() || unknown.is_some() && ids.get(token).copied() == unknown;
            if odd(left) || odd(right) {
                return None;
            }
            pairs.extend(left.chars().next_back().zip(right.chars().next()));
        }
        let one = |token: &str| {
            let mut chars = token.chars();
            chars.next().filter(|_| chars.next().is_none())
        };
        Some(Self { pairs, characters: ids.keys().filter_map(|token| one(token)).collect() })
    }

    /// Tells of the parts of a text.
    fn cut(&self, text: &str, part: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let mut begin = 0;
        let mut before: Option<char> = None;
        for (at, c) in text.char_indices() {
            // Neighbours without a token may become one unknown token, or wait for each other.
            let apart = |b: char| !self.pairs.contains(&(b, c)) && (self.characters.contains(&b) || self.characters.contains(&c));
            if before.is_some_and(apart) {
                part(&text[begin..at])?;
                begin = at;
            }
            before = Some(c);
        }
        if begin < text.len() { part(&text[begin..]) } else { Ok(()) }
    }
}
