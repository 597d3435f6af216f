//! Token numbers and texts as transformers gives them: small tokenizers of every kind, made by `tests/tokenizers/make.py`.

use std::fs;
use std::path::{Path, PathBuf};

use monotile_llama::Tokenizer;
use serde_json::Value;

/// Bytes that the vocabulary of `digits.json` lacks, as that of SmolLM2 does.
const LACKING: [u8; 8] = [0x04, 0x06, 0x13, 0x14, 0x16, 0x1d, 0xf1, 0xf2];

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Compares one tokenizer with its references; how many texts there were.
fn compare(tokenizer: &Tokenizer, name: &str, texts: &Value, expected: &Value) -> usize {
    let lacks = name == "digits" || name.contains("smollm2");
    for (text, expected) in texts.as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
        let text = text.as_str().unwrap();
        if lacks && text.bytes().any(|byte| LACKING.contains(&byte)) {
            // transformers leaves them out without a word.
            let refused = tokenizer.encode(text).unwrap_err().to_string();
            assert!(refused.contains("the vocabulary has no token for the byte 0x"), "{refused}");
            continue;
        }
        let (all, alone) = (numbers(&expected[0]), numbers(&expected[1]));
        assert_eq!(tokenizer.encode(text).unwrap(), all, "{name}: {text:?}");
        assert_eq!(tokenizer.encode_without_special_tokens(text).unwrap(), alone, "{name}: {text:?} alone");
        let decoded = tokenizer.decode(&all).unwrap();
        assert_eq!(decoded, expected[2].as_str().unwrap(), "{name}: {text:?} decoded");
        stream(tokenizer, &all, &decoded, name);
    }
    texts.as_array().unwrap().len()
}

/// A stream gives the text that decoding at once gives, wherever it begins.
fn stream(tokenizer: &Tokenizer, tokens: &[u32], decoded: &str, name: &str) {
    let starts = [0, 1, tokens.len() / 2, tokens.len()];
    for start in starts.into_iter().filter(|&start| start <= tokens.len()) {
        let before = tokenizer.decode(&tokens[..start]).unwrap();
        if before.contains('\u{fffd}') || !decoded.starts_with(&before) {
            continue; // within a character
        }
        let mut stream = tokenizer.stream_after(&tokens[..start]);
        let mut shown = before;
        for &token in &tokens[start..] {
            shown += &stream.push(token).unwrap();
        }
        shown += &stream.finish().unwrap();
        assert_eq!(shown, decoded, "{name}: a stream from token {start} on");
    }
}

#[test]
fn numbers_and_texts_are_those_of_transformers() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokenizers");
    let texts = json(&here.join("texts.json"));
    let mut files: Vec<PathBuf> = fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json") && !path.ends_with("texts.json"));
    files.sort();
    assert_eq!(files.len(), 12);
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let reference = json(&path);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tokenizer.json"), reference["tokenizer"].to_string()).unwrap();
        if !reference["config"].is_null() {
            fs::write(folder.path().join("tokenizer_config.json"), reference["config"].to_string()).unwrap();
        }
        let tokenizer = Tokenizer::read(folder.path()).unwrap();
        assert!(compare(&tokenizer, &name, &texts, &reference["expected"]) >= 55);
    }
}

/// Real tokenizers in the folders below the one that `MONOTILE_TOKENIZERS` names, beside what `make.py FOLDER` wrote.
#[test]
fn published_tokenizers_agree_where_they_are_at_hand() {
    let Some(root) = std::env::var_os("MONOTILE_TOKENIZERS") else {
        eprintln!("skipped: MONOTILE_TOKENIZERS names no folder of published tokenizers");
        return;
    };
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let reference = json(&folder.join("expected.json"));
        let tokenizer = Tokenizer::read(&folder).unwrap();
        let count = compare(&tokenizer, &name, &reference["texts"], &reference["expected"]);
        eprintln!("{name}: {count} texts");
    }
}
