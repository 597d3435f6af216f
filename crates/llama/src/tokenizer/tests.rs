use super::*;

const TEXT: &str = "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer the slings and arrows.";

fn parse(value: &Value) -> Result<Tokenizer> {
    Tokenizer::parse(value.to_string(), "tokenizer.json".into())
}

#[test]
fn a_trained_tokenizer_gives_back_its_text_and_any_other() {
    let tokenizer = Tokenizer::train(&TEXT.repeat(3), 300).unwrap();
    assert_eq!(tokenizer.vocabulary(), 300);
    for text in [TEXT, "naïve 日本 🦀\n\ttabs  and  spaces ", ""] {
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
    }
    assert!(tokenizer.encode(TEXT).unwrap().len() < TEXT.len() * 2 / 3);
}

#[test]
fn special_tokens_are_one_token_and_not_shown() {
    for tokenizer in [Tokenizer::bytes(), Tokenizer::train(TEXT, 258).unwrap()] {
        let (begin, end) = (tokenizer.special("<s>").unwrap(), tokenizer.special("</s>").unwrap());
        let tokens = tokenizer.encode("<s>a</s>").unwrap();
        assert_eq!((tokens.len(), tokens[0], tokens[2]), (3, begin, end));
        assert_eq!(tokenizer.decode(&tokens).unwrap(), "a");
    }
}

#[test]
fn what_is_written_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::train(TEXT, 280).unwrap();
    tokenizer.write(folder.path()).unwrap();
    let read = Tokenizer::read(folder.path()).unwrap();
    assert_eq!(read.encode(TEXT).unwrap(), tokenizer.encode(TEXT).unwrap());
    assert!(folder.path().join("tokenizer_config.json").exists());
}

#[test]
fn a_stream_never_shows_half_a_character() {
    let tokenizer = Tokenizer::bytes();
    let text = "é🦀日 x";
    let mut stream = tokenizer.stream();
    let mut shown = String::new();
    for token in tokenizer.encode(text).unwrap() {
        let part = stream.push(token).unwrap();
        assert!(!part.contains('\u{fffd}'));
        shown += &part;
    }
    assert_eq!(shown + &stream.finish().unwrap(), text);
}

#[test]
fn a_stream_of_bytes_that_are_no_text_does_not_stall() {
    let tokenizer = Tokenizer::bytes();
    let mut stream = tokenizer.stream();
    let shown: String = [0xff; 10].iter().map(|&b| stream.push(b).unwrap()).collect();
    assert_eq!((shown + &stream.finish().unwrap()).chars().count(), 10);
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_model_is_refused() {
    let tokenizer = Tokenizer::bytes();
    let config = Config { vocab_size: 257, ..Config::default() };
    let refused = tokenizer.check_fits(&config).unwrap_err().to_string();
    assert_eq!(refused, "tokenizer: token 257, \"</s>\", is beyond the model's vocabulary of 257");
    assert!(tokenizer.check_fits(&Config::default()).is_ok());
}

#[test]
fn a_vocabulary_below_the_bytes_is_refused() {
    let refused = Tokenizer::train(TEXT, 257).err().unwrap().to_string();
    assert_eq!(refused, "tokenizer: a vocabulary of 257 cannot hold 256 bytes and 2 special tokens; 258 is the least");
}

#[test]
fn malformed_tokenizers_are_refused() {
    let refused = |value: Value| parse(&value).err().unwrap().to_string();
    assert_eq!(refused(json!({})), "tokenizer.json: field \"model\" is missing");
    assert_eq!(
        refused(json!({ "model": { "type": "BPE", "vocab": {} } })),
        "tokenizer.json: field \"model.vocab\" is missing or holds no tokens"
    );
    let mut far: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
    far["model"]["vocab"]["z"] = json!(4_000_000_000_u32);
    let bytes = far.to_string().len();
    assert_eq!(refused(far), format!("tokenizer.json: token \"z\" has number 4000000000 in a file of {bytes} bytes"));
    for (kind, vocab) in
        [("Unigram", json!([["a", -1.5], ["b", -2.0]])), ("WordLevel", json!({ "a": 0 })), ("WordPiece", json!({ "a": 0 }))]
    {
        let error = parse(&json!({ "model": { "type": kind, "vocab": vocab } })).err().unwrap();
        let wanted = format!("tokenizer.json: model {kind:?} is not supported; byte-pair encoding (\"BPE\") is");
        assert_eq!((error.to_string(), error.kind()), (wanted, ErrorKind::Unsupported));
    }
    let part = |name: &str, part: Value| {
        let mut value: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
        value[name] = part;
        refused(value)
    };
    let precompiled = part("normalizer", json!({ "type": "Precompiled", "precompiled_charsmap": "" }));
    assert!(precompiled.starts_with("tokenizer.json: normalizer \"Precompiled\" is not supported; NFC, NFD,"), "{precompiled}");
    assert!(
        part("pre_tokenizer", json!({ "type": "UnicodeScripts" })).contains("pre_tokenizer \"UnicodeScripts\" is not supported")
    );
    assert!(part("decoder", json!({ "type": "CTC" })).contains("decoder \"CTC\" is not supported"));
    assert!(part("post_processor", json!({ "type": "Odd" })).contains("post_processor \"Odd\" is not supported"));
    let regex = part("pre_tokenizer", json!({ "type": "Split", "pattern": { "Regex": "(" }, "behavior": "Isolated" }));
    assert!(regex.contains("pattern \"(\" is not a regular expression"), "{regex}");
    let folder = tempfile::tempdir().unwrap();
    let missing = Tokenizer::read(folder.path()).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(missing.to_string().ends_with("tokenizer.json: no such file or folder (reading)"), "{missing}");
    std::fs::write(folder.path().join("tokenizer.model"), "").unwrap();
    let other = Tokenizer::read(folder.path()).err().unwrap().to_string();
    assert!(
        other.ends_with("there is tokenizer.model and no tokenizer.json, which transformers' save_pretrained writes"),
        "{other}"
    );
}

/// Texts of the file stand in messages, and decide nothing.
#[test]
fn the_kind_of_a_refusal_is_that_of_what_is_refused() {
    let refused = |model: Value, name: &str, part: Value| {
        let error = parse(&json!({ "model": model, name: part })).err().unwrap();
        (error.kind(), error.to_string())
    };
    let model = |unknown: Option<&str>| json!({ "type": "BPE", "vocab": { "a": 0 }, "merges": [], "unk_token": unknown });
    for words in ["a is not supported", "a: the limit \"vocabulary\""] {
        let (kind, text) = refused(model(Some(words)), "decoder", Value::Null);
        assert_eq!((kind, text), (ErrorKind::Format, format!("tokenizer.json: unk_token {words:?} is no token")));
        let split = json!({ "type": "Split", "pattern": { "String": "a" }, "behavior": words });
        let (kind, text) = refused(model(None), "pre_tokenizer", split);
        let wanted = format!("tokenizer.json: pre_tokenizer: behavior {words:?} is not one of a split");
        assert_eq!((kind, text), (ErrorKind::Format, wanted));
    }
    let scheme = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "odd" });
    let (kind, text) = refused(model(None), "pre_tokenizer", scheme);
    let wanted = "tokenizer.json: pre_tokenizer: prepend_scheme \"odd\" is not supported; always, first and never are";
    assert_eq!((kind, text.as_str()), (ErrorKind::Unsupported, wanted));
    let (kind, text) = refused(model(None), "decoder", json!({ "type": "CTC" }));
    let wanted = "tokenizer.json: decoder \"CTC\" is not supported; ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, \
                  BPEDecoder and Sequence are";
    assert_eq!((kind, text.as_str()), (ErrorKind::Unsupported, wanted));
    let (kind, text) = refused(model(None), "decoder", json!({ "type": "Strip", "content": " ", "start": -1, "stop": 0 }));
    assert_eq!((kind, text.as_str()), (ErrorKind::Format, "tokenizer.json: decoder: field \"start\" must be a whole number"));
}

/// LLaMA 3 and Qwen2 split words by this pattern; without it their tokenizers do not load.
#[test]
fn the_splitting_patterns_of_llama_3_and_qwen2_load() {
    let mut value: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
    let patterns = [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ];
    for pattern in patterns {
        value["normalizer"] = json!({ "type": "NFC" });
        value["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
        ] });
        let tokenizer = parse(&value).unwrap();
        assert_eq!(tokenizer.encode("It's 1234 é").unwrap().len(), 12);
    }
}

/// Mistral spells words with ▁ for a space, and what it cannot spell as bytes.
#[test]
fn a_tokenizer_that_falls_back_to_bytes_loads() {
    let mut vocabulary = serde_json::Map::new();
    let names = ["<unk>", "<s>", "</s>"].map(String::from).into_iter();
    let names = names.chain((0..256).map(|byte| format!("<0x{byte:02X}>"))).chain(["▁", "h", "i", "hi", "▁hi"].map(String::from));
    for (id, name) in names.enumerate() {
        vocabulary.insert(name, json!(id));
    }
    let added = |id: u32, name: &str| {
        json!({ "id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true })
    };
    let value = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "▁" } ] },
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } } },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 } ] },
        "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary,
            "merges": ["h i", "▁ hi"] },
    });
    let tokenizer = parse(&value).unwrap();
    let tokens = tokenizer.encode("hi hi é").unwrap();
    assert_eq!(tokens, [1, 263, 263, 259, 3 + 0xc3, 3 + 0xa9]);
    assert_eq!(tokenizer.decode(&tokens).unwrap(), "hi hi é");
    let mut stream = tokenizer.stream();
    let parts: Vec<String> = tokens.iter().map(|&token| stream.push(token).unwrap()).collect();
    assert_eq!(parts, ["", "hi", " hi", " ", "", "é"]);
}

/// What a small file may ask for is bounded before memory is taken.
#[test]
fn tokenizers_that_ask_for_too_much_are_refused() {
    let with = |name: &str, part: Value| {
        let mut value: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
        value[name] = part;
        parse(&value)
    };
    let ten = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to.repeat(10) });
    let growing = |steps: usize| {
        let list: Vec<Value> = (0..steps).map(|i| if i % 2 == 0 { ten("a", "b") } else { ten("b", "a") }).collect();
        json!({ "type": "Sequence", "normalizers": list })
    };
    let refused = with("normalizer", growing(10)).unwrap().encode("aaaa").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Limit);
    assert!(
        refused.to_string().contains("the normalizer of a text of 4 bytes: asks for at least 65 times its length"),
        "{refused}"
    );
    assert_eq!(with("normalizer", growing(3)).unwrap().encode("a").unwrap().len(), 1000);
    let decoders = json!({ "type": "Sequence", "decoders": growing(10)["normalizers"].clone() });
    let refused = with("decoder", decoders).unwrap().decode(&[u32::from(b'a'); 4]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Limit);
    let long: Vec<u32> = vec![256; 400];
    let pieces: Vec<Value> = (0..400).map(|_| json!({ "SpecialToken": { "id": "x", "type_id": 0 } })).collect();
    let around = json!({ "type": "TemplateProcessing", "single": pieces, "pair": [], "special_tokens": { "x": { "ids": long } } });
    let refused = with("post_processor", around).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Limit);
    assert!(refused.to_string().contains("the limit \"tokens-around\" is 65536"), "{refused}");
    let steps: Vec<Value> = vec![json!({ "type": "NFC" }); 65];
    let refused = with("normalizer", json!({ "type": "Sequence", "normalizers": steps })).err().unwrap();
    assert!(refused.to_string().contains("normalizer: asks for 65 steps, and the limit \"tokenizer-steps\" is 64"), "{refused}");
    let refused = with("decoder", json!({ "type": "Fuse", "rest": "a".repeat(5 << 20) })).err().unwrap();
    assert!(refused.to_string().contains("bytes, and 4194304 are read"), "{refused}");
}

/// A vocabulary without a token for every byte, as SmolLM2's, encodes what it can spell.
#[test]
fn a_vocabulary_that_lacks_bytes_loads_and_says_what_it_cannot_spell() {
    let mut value: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
    value["model"]["vocab"].as_object_mut().unwrap().remove(&byte_level::letter(4).to_string());
    let tokenizer = parse(&value).unwrap();
    assert_eq!(tokenizer.encode("ab").unwrap(), [97, 98]);
    let refused = tokenizer.encode("a\u{4}").unwrap_err().to_string();
    assert_eq!(refused, "tokenizer.json: the vocabulary has no token for the byte 0x04, which the text holds");
}

/// What is decoded after a prompt is no beginning of a text, and special tokens are none either.
#[test]
fn a_stream_after_a_prompt_keeps_the_first_space() {
    let mut vocabulary = Map::new();
    for (name, id) in ["<unk>", "<s>", "</s>", "▁a", "▁b", "▁c"].into_iter().zip(0..) {
        vocabulary.insert(name.into(), json!(id));
    }
    let added = json!([{ "id": 1, "content": "<s>", "special": true, "normalized": false }]);
    let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always" });
    let model = json!({ "type": "BPE", "unk_token": "<unk>", "vocab": vocabulary, "merges": [] });
    let value = json!({ "added_tokens": added, "pre_tokenizer": metaspace, "decoder": metaspace, "model": model });
    let tokenizer = parse(&value).unwrap();
    let all = |mut stream: TextStream, tokens: &[u32]| tokens.iter().map(|&token| stream.push(token).unwrap()).collect::<String>();
    assert_eq!(all(tokenizer.stream(), &[3, 4, 1, 5]), "a b c");
    assert_eq!(all(tokenizer.stream_after(&[1, 3]), &[4, 1, 5]), " b c");
    assert_eq!(all(tokenizer.stream_after(&[1]), &[1, 4, 5]), "b c");
}

#[test]
fn all_patterns_of_a_tokenizer_share_one_budget() {
    let split = json!({ "type": "Split", "pattern": { "Regex": r"(?=\w{200})\w{200}(?!\w{200})" }, "behavior": "Isolated" });
    let many = vec![split; 63];
    let mut file: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
    file["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": many });
    let error = parse(&file).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("regular expressions: asks for"), "{error}");
}
