//! Token by token, text without broken characters.

use monotile::Result;

use super::Tokenizer;

/// A character has at most four bytes, so more tokens than this without a whole one are no character at all.
const LONGEST_CHARACTER: usize = 4;

/// Text out of tokens that come one by one; made by [`Tokenizer::stream`] and [`Tokenizer::stream_after`].
///
/// # Example
/// ```
/// let tokenizer = monotile_llama::Tokenizer::bytes();
/// let mut stream = tokenizer.stream();
/// assert_eq!(stream.push(195)?, "");
/// assert_eq!(stream.push(169)?, "é");
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    /// Tokens whose text is out and which give the next ones their context, then those held back.
    tokens: Vec<u32>,
    /// How many of `tokens` have their text out.
    context: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, before: &[u32]) -> Self {
        let tokens: Vec<u32> = before.iter().copied().filter(|&token| tokenizer.shown(token).is_some()).collect();
        Self { tokenizer, context: tokens.len(), tokens }
    }

    /// The text that this token completes; empty while a character is unfinished.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, token: u32) -> Result<String> {
        // Special tokens have no text, and so are no context either: the next token is none that a text begins with.
        if self.tokenizer.shown(token).is_none() {
            return Ok(String::new());
        }
        self.tokens.push(token);
        let (before, whole) = self.texts()?;
        let held = self.tokens.len() - self.context;
        if whole.ends_with('\u{fffd}') && held <= LONGEST_CHARACTER {
            return Ok(String::new());
        }
        let text = self.after(&before, &whole)?;
        // Decoders look back at most one token (a leading space, say), so what is out already serves as context no longer.
        self.tokens.drain(..self.context);
        self.context = self.tokens.len();
        Ok(text)
    }

    /// What is still held back when no more tokens come.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(self) -> Result<String> {
        let (before, whole) = self.texts()?;
        self.after(&before, &whole)
    }

    /// What `whole` adds to `before`. Where it is no continuation of it (bytes that are no text change what stands before them), the
    /// text of the tokens held back alone.
    fn after(&self, before: &str, whole: &str) -> Result<String> {
        match whole.strip_prefix(before) {
            Some(text) => Ok(text.to_string()),
            None => self.tokenizer.decode(&self.tokens[self.context..]),
        }
    }

    fn texts(&self) -> Result<(String, String)> {
        Ok((self.tokenizer.decode(&self.tokens[..self.context])?, self.tokenizer.decode(&self.tokens)?))
    }
}
