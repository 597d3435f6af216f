//! Token by token, text without broken characters.

use monotile::Result;

use super::Tokenizer;

/// A character has at most four bytes, so more tokens than this without a whole one are no character at all.
const LONGEST_CHARACTER: usize = 4;

/// Text out of tokens that come one by one; made by [`Tokenizer::stream`].
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
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, tokens: Vec::new(), context: 0 }
    }

    /// The text that this token completes; empty while a character is unfinished.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, token: u32) -> Result<String> {
        self.tokens.push(token);
        let (before, whole) = self.texts()?;
        let held = self.tokens.len() - self.context;
        if whole.ends_with('\u{fffd}') && held <= LONGEST_CHARACTER {
            return Ok(String::new());
        }
        let text = after(&before, &whole);
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
        Ok(after(&before, &whole))
    }

    fn texts(&self) -> Result<(String, String)> {
        Ok((self.tokenizer.decode(&self.tokens[..self.context])?, self.tokenizer.decode(&self.tokens)?))
    }
}

/// What `whole` adds to `before`; where it is no continuation of it (a decoder that rewrites), everything.
fn after(before: &str, whole: &str) -> String {
    whole.strip_prefix(before).unwrap_or(whole).to_string()
}
