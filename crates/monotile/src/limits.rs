//! How much of what comes from outside is taken: every limit, stated once.
//!
//! A file of a few kilobytes can ask for gigabytes of memory or days of time. Each reader therefore holds what it is asked
//! for against a limit of this file, and refuses in a sentence that names the limit. A limit can be raised: by
//! [`Limit::set`], or by `--limit NAME=VALUE` of the command. It holds for the whole process.
//!
//! # Example
//! ```
//! use monotile::limits;
//! assert_eq!(limits::JSON.get(), limits::JSON.default());
//! limits::set("json=512Mi")?;
//! assert_eq!(limits::JSON.get(), 512 << 20);
//! # Ok::<(), monotile::Error>(())
//! ```

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// One limit: its name, how much is taken unless it is raised, and of what.
#[derive(Debug)]
pub struct Limit {
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    default: u64,
    value: AtomicU64,
}

impl Limit {
    const fn new(name: &'static str, default: u64, unit: &'static str, of: &'static str) -> Self {
        Self { name, unit, description: of, default, value: AtomicU64::new(default) }
    }

    /// The name by which it is raised.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What is counted: `bytes`, say.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// What it bounds, in a few words.
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// How much is taken unless it is set.
    pub fn default(&self) -> u64 {
        self.default
    }

    /// How much is taken now.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Takes as much from now on, in the whole process.
    pub fn set(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Refuses more than the limit: `{subject}: asks for {wanted} {unit}, and the limit "{name}" is {limit}`.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Limit`].
    #[track_caller]
    pub fn admit(&self, subject: impl fmt::Display, wanted: u64) -> Result<()> {
        if wanted <= self.get() { Ok(()) } else { Err(self.refusal(subject, wanted)) }
    }

    /// The error of [`Limit::admit`], where it is known already that it is too much.
    #[track_caller]
    pub fn refusal(&self, subject: impl fmt::Display, wanted: impl fmt::Display) -> Error {
        let Self { name, unit, .. } = self;
        Error::new(ErrorKind::Limit, format!("{subject}: asks for {wanted} {unit}, and the limit \"{name}\" is {}", self.get()))
    }
}

/// Bytes of one file of JSON; the largest published tokenizers have about 35 million.
pub static JSON: Limit = Limit::new("json", 64 << 20, "bytes", "one file of JSON, such as tokenizer.json");
/// Bytes of a header; a tensor takes some hundred of them, and the largest published lists of shards have about ten million.
pub static HEADER: Limit =
    Limit::new("header", 32 << 20, "bytes", "the header of a .safetensors or .gguf file, or the list of a checkpoint's shards");
/// Bytes of one file of settings; the longest published ones have about a million.
pub static CONFIG: Limit = Limit::new("config", 8 << 20, "bytes", "one file of settings, such as config.json");
/// Bytes of memory for the regular expressions of one file; published ones take less than four million.
pub static PATTERNS: Limit =
    Limit::new("patterns", 64 << 20, "bytes", "memory for all patterns of an adapter's settings, or of a tokenizer");
/// Seconds that an adapter's patterns may look for names.
pub static PATTERN_TIME: Limit = Limit::new("pattern-time", 10, "seconds", "a search for layers by the patterns of an adapter");
/// Dimensions of an array in a file; NumPy has at most 64.
pub static RANK: Limit = Limit::new("rank", 64, "dimensions", "one array or tensor of a file");

/// Bytes of one file of text or samples that is learned from, which is held in memory.
pub static TEXT: Limit = Limit::new("text", 4 << 30, "bytes", "one file of text or samples to learn from");

/// Bytes of one sample; parsed, it takes up to twenty times the memory. A book has about a million.
pub static SAMPLE: Limit = Limit::new("sample", 16 << 20, "bytes", "one sample to learn from: a line, or an item of a list");

/// Bytes of a chat template; the longest published ones have about 20,000.
pub static TEMPLATE: Limit = Limit::new("template", 512 << 10, "bytes", "a chat template");
/// Steps of one rendering by a chat template; a conversation of a hundred turns takes some ten thousand.
pub static TEMPLATE_STEPS: Limit =
    Limit::new("template-steps", 2_000_000, "steps", "one rendering by a chat template: an instruction, or 64 bytes of data");
/// Bytes that a chat template holds while it renders, where the allocator counts them.
pub static TEMPLATE_MEMORY: Limit =
    Limit::new("template-memory", 64 << 20, "bytes", "memory that a chat template takes, in the command");
/// Seconds that one rendering may last.
pub static TEMPLATE_TIME: Limit = Limit::new("template-time", 10, "seconds", "one rendering by a chat template");
/// Blocks of a transformer; the deepest published ones have about 130.
pub static BLOCKS: Limit = Limit::new("blocks", 10_000, "blocks", "one transformer");

/// Bytes of one file that a 3D model is made of.
pub static MODEL: Limit = Limit::new(
    "model",
    4 << 30,
    "bytes",
    "one file of a 3D model or of splats, a buffer or a picture beside it, and the splats that a packed file holds",
);
/// Bytes of the JSON of a 3D model, which may hold its vertices and pictures as text.
pub static GLTF: Limit = Limit::new("gltf", 256 << 20, "bytes", "the JSON of a 3D model, with what is embedded in it");
/// Bytes of memory for what the JSON of a 3D model lists: an object has some hundred, however short it is in the file.
pub static OBJECTS: Limit =
    Limit::new("objects", 512 << 20, "bytes", "memory for what the JSON of a 3D model lists: nodes, meshes, accessors");
/// Texels of all pictures of a 3D model together: 16 pictures of 4096 x 4096, which take 1.4 GB with their mipmaps.
pub static TEXELS: Limit = Limit::new("texels", 256 << 20, "texels", "all pictures of a 3D model together");
/// Pixels of one picture of a capture: the largest cameras have about 150 million, phones up to 50; each takes 16 bytes.
pub static PIXELS: Limit = Limit::new("pixels", 64 << 20, "pixels", "one picture of a capture, or its mask");
/// Nodes of a 3D model, with the instances of their meshes.
pub static NODES: Limit = Limit::new("nodes", 1 << 20, "nodes", "a 3D model, each instance of a mesh being one");
/// Nodes of a 3D model of which each is the child of the one before.
pub static DEPTH: Limit = Limit::new("depth", 4096, "levels", "the hierarchy of a 3D model");
/// Corners that a picture of a 3D model draws, over all nodes: some 200 bytes each while it is drawn.
pub static CORNERS: Limit =
    Limit::new("corners", 32 << 20, "corners", "all triangles, lines and points that a picture draws, over all nodes");
/// Times that a triangle touches a tile of a picture: 2,000 layers over all of 3840 x 2160 pixels, up to four microseconds each on one thread.
pub static TILES: Limit = Limit::new(
    "tiles",
    16 << 20,
    "tiles",
    "all triangles of a picture drawn on the processor, each counting the squares of 32 x 32 pixels that it touches",
);
/// Seconds that a graphics processor, or a program in its place, may draw at one picture.
pub static GPU_TIME: Limit = Limit::new("gpu-time", 20, "seconds", "one picture drawn on a graphics processor");
/// Pictures of an animation.
pub static FRAMES: Limit = Limit::new("frames", 100_000, "frames", "one animation that is drawn");

/// Tokens of one tokenizer; the largest published ones have about 500,000.
pub static VOCABULARY: Limit = Limit::new("vocabulary", 8 << 20, "tokens", "one tokenizer");
/// Steps of one part of a tokenizer; published ones have at most about ten.
pub static STEPS: Limit = Limit::new("tokenizer-steps", 64, "steps", "one part of a tokenizer: its normalizer, say");
/// How many times longer a tokenizer may make a text of at least a kilobyte; Unicode's forms make it eleven times longer at most.
pub static GROWTH: Limit = Limit::new("normalizer-growth", 64, "times its length", "a text that a tokenizer rewrites");
/// Tokens that a tokenizer puts around a text; published ones put at most a handful.
pub static AROUND: Limit = Limit::new("tokens-around", 1 << 16, "tokens", "what a tokenizer puts around a text");
/// Seconds that a tokenizer may look for its patterns in a MiB of text; most texts are shorter.
pub static TOKENIZER_TIME: Limit = Limit::new(
    "tokenizer-time",
    10,
    "seconds",
    "a tokenizer's search for its patterns in a text, for each 1,048,576 bytes that it has or begins",
);
/// Bytes of one word of a text, which encoding takes about thirty times the memory for.
pub static WORD: Limit = Limit::new("word", 16 << 20, "bytes", "one word, as a tokenizer splits a text");

/// Every limit there is.
pub static ALL: [&Limit; 30] = [
    &JSON,
    &HEADER,
    &CONFIG,
    &PATTERNS,
    &PATTERN_TIME,
    &RANK,
    &TEXT,
    &SAMPLE,
    &TEMPLATE,
    &MODEL,
    &GLTF,
    &OBJECTS,
    &TEXELS,
    &PIXELS,
    &NODES,
    &DEPTH,
    &CORNERS,
    &TILES,
    &GPU_TIME,
    &FRAMES,
    &TEMPLATE_STEPS,
    &TEMPLATE_MEMORY,
    &TEMPLATE_TIME,
    &BLOCKS,
    &VOCABULARY,
    &STEPS,
    &GROWTH,
    &AROUND,
    &TOKENIZER_TIME,
    &WORD,
];

/// Sets a limit by a text, `NAME=VALUE`, where the value is a whole number that may end in `k`, `M`, `G` (powers of 1000) or `Ki`,
/// `Mi`, `Gi` (powers of 1024).
///
/// # Errors
/// If there is no such limit, or the value cannot be read; the error names what there is.
#[track_caller]
pub fn set(setting: &str) -> Result<()> {
    let refuse = |what: String| Err(Error::value(format!("limit: {what}")));
    let Some((name, value)) = setting.split_once('=') else {
        return refuse(format!("expected NAME=VALUE, got {setting:?}"));
    };
    let Some(limit) = ALL.iter().find(|limit| limit.name == name) else {
        let names: Vec<_> = ALL.iter().map(|limit| limit.name).collect();
        return refuse(format!("there is none named {name:?}; there are {}", names.join(", ")));
    };
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &value[digits.len()..] {
        "" => Some(1),
        "k" => Some(1_000),
        "M" => Some(1_000_000),
        "G" => Some(1_000_000_000),
        "Ki" => Some(1 << 10),
        "Mi" => Some(1 << 20),
        "Gi" => Some(1 << 30),
        _ => None,
    };
    let value = factor.zip(digits.parse::<u64>().ok()).and_then(|(factor, n)| n.checked_mul(factor));
    let Some(value) = value else {
        return refuse(format!("{name} takes a whole number, such as {}, 64M or 2Gi; got {setting:?}", limit.default));
    };
    limit.set(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name_and_refuse_what_is_more() {
        let words = |setting: &str| set(setting).unwrap_err().to_string();
        assert!(words("json").contains("expected NAME=VALUE"));
        assert!(words("jsn=1").contains("there are json, "));
        assert!(words("json=1.5G").contains("whole number") && words("json=99999999999G").contains("whole number"));
        let limit = Limit::new("texels", 100, "texels", "pictures");
        assert!(limit.admit("a.png", 100).is_ok());
        let error = limit.admit("a.png", 101).unwrap_err();
        assert_eq!(error.to_string(), "a.png: asks for 101 texels, and the limit \"texels\" is 100");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    #[test]
    fn every_limit_has_a_name_of_its_own() {
        for (i, limit) in ALL.iter().enumerate() {
            assert!(limit.name.chars().all(|c| c.is_ascii_lowercase() || c == '-') && limit.default > 0);
            assert!(ALL[..i].iter().all(|other| other.name != limit.name), "{}", limit.name);
        }
    }

    /// SECURITY.md has a row a limit, as this file states it.
    #[test]
    fn security_md_tells_every_limit() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../SECURITY.md");
        let text = std::fs::read_to_string(path).unwrap();
        for limit in ALL {
            let row = format!("| `{}` | {} | {} | {} |", limit.name, grouped(limit.default), limit.unit, limit.description);
            assert!(text.contains(&row), "SECURITY.md lacks\n{row}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("| `")).count(), ALL.len(), "a row for each limit alone");
    }

    /// Digits in groups of three.
    fn grouped(n: u64) -> String {
        let digits = n.to_string();
        let lead = digits.len() % 3;
        let groups = digits.as_bytes()[lead..].chunks(3).map(|group| std::str::from_utf8(group).unwrap());
        let all: Vec<&str> = (lead > 0).then(|| &digits[..lead]).into_iter().chain(groups).collect();
        all.join(",")
    }
}
