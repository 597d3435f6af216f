use std::time::SystemTime;

use super::*;

fn refused(lines: &str) -> String {
    Jsonl::parse(lines, "data.jsonl".as_ref()).map(|_| ()).unwrap_err().to_string()
}

/// The text of each sample's learned tokens, in bytes.
fn learned(lines: &str, template: Option<&ChatTemplate>) -> Vec<String> {
    let tokenizer = Tokenizer::bytes();
    let samples = Jsonl::parse(lines, "data.jsonl".as_ref()).unwrap().samples(&tokenizer, Some(257), template).unwrap();
    let spell = |sample: &Sample| {
        let learned = sample.tokens().iter().zip(sample.loss_mask()).filter(|(_, learned)| **learned);
        let name = |(token, _): (&u32, _)| if *token == 257 { "</s>".into() } else { tokenizer.decode(&[*token]).unwrap() };
        learned.map(name).collect()
    };
    samples.0.iter().map(spell).collect()
}

#[test]
fn a_text_is_learned_whole_and_ended() {
    let lines = "{\"text\": \"abc\", \"source\": 7}\n\n{\"text\": \"de</s>\", \"prompt\": null}\n";
    assert_eq!(learned(lines, None), ["bc</s>", "e</s>"]);
    assert_eq!(Jsonl::parse(lines, "data.jsonl".as_ref()).unwrap().format(), SampleFormat::Text);
}

#[test]
fn of_a_prompt_and_its_completion_the_completion_is_learned() {
    let lines = r#"{"prompt": "a b ", "completion": "cd"}
                   {"completion": "e", "prompt": ""}"#;
    assert_eq!(learned(lines, None), ["cd</s>", "</s>"]);
}

#[test]
fn of_a_conversation_the_assistants_turns_are_learned() {
    let source = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}a:{% endif %}";
    let template = ChatTemplate::parse(source, "template", [].into(), SystemTime::now()).unwrap();
    let lines = r#"{"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "q"},
                    {"role": "user", "content": "r"}, {"role": "assistant", "content": "s", "name": null}]}"#
        .replace('\n', " ");
    assert_eq!(learned(&lines, Some(&template)), ["q\ns\n"]);
    let without = Jsonl::parse(&lines, "data.jsonl".as_ref()).unwrap().samples(&Tokenizer::bytes(), None, None);
    assert_eq!(without.unwrap_err().to_string(), "data.jsonl: conversations need a chat template, and the checkpoint has none");
}

#[test]
fn lines_that_are_no_samples_are_refused_with_their_number() {
    assert_eq!(refused(""), "data.jsonl: the file is empty; training needs samples, one JSON object a line");
    assert_eq!(refused("\n{\"text\": \"a\"}\n{\"text\": a}"), "data.jsonl:3: not JSON: expected value at column 10");
    assert_eq!(refused("{\"text\": \"a\"} x"), "data.jsonl:1: not JSON: trailing characters at column 15");
    let wanted = "data.jsonl:1: an object with \"text\", with \"prompt\" and \"completion\", or with \"messages\" is wanted, got ";
    assert_eq!(refused("1"), format!("{wanted}a number"));
    assert_eq!(refused("{}"), format!("{wanted}an empty object"));
    assert_eq!(refused("{\"content\": \"a\"}"), format!("{wanted}an object with other fields"));
    assert_eq!(refused("{\"prompt\": \"a\"}"), "data.jsonl:1: field \"completion\" is missing beside \"prompt\"");
    assert_eq!(refused("{\"completion\": \"a\"}"), "data.jsonl:1: field \"prompt\" is missing beside \"completion\"");
    assert_eq!(
        refused("{\"text\": \"a\", \"messages\": []}"),
        "data.jsonl:1: holds \"text\" and \"messages\"; \"text\", \"prompt\" with \"completion\", or \"messages\" is wanted alone"
    );
    assert_eq!(refused("{\"text\": 5}"), "data.jsonl:1: field \"text\" must be a string, got a number");
    assert_eq!(refused("{\"text\": \"\"}"), "data.jsonl:1: field \"text\" is empty; there is nothing to learn");
    assert_eq!(
        refused("{\"prompt\": \"a\", \"completion\": \"\"}"),
        "data.jsonl:1: field \"completion\" is empty; there is nothing to learn"
    );
    assert_eq!(
        refused("{\"text\": \"a\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}"),
        "data.jsonl:2: holds \"prompt\" and \"completion\", line 1 holds \"text\"; a file is of one kind"
    );
}

#[test]
fn conversations_that_are_none_are_refused_with_the_message() {
    let refused = |messages: &str| refused(&format!("{{\"messages\": {messages}}}"));
    assert_eq!(
        refused("\"a\""),
        "data.jsonl:1: field \"messages\" must be a list of objects with \"role\" and \"content\", got a string"
    );
    assert_eq!(refused("[]"), "data.jsonl:1: field \"messages\" is empty");
    assert_eq!(refused("[1]"), "data.jsonl:1: message 1 must be an object with \"role\" and \"content\", got a number");
    assert_eq!(refused("[{\"content\": \"a\"}]"), "data.jsonl:1: message 1 has no field \"role\"");
    assert_eq!(refused("[{\"role\": \"user\"}]"), "data.jsonl:1: message 1 has no field \"content\"");
    assert_eq!(
        refused("[{\"role\": \"user\", \"content\": 1}]"),
        "data.jsonl:1: field \"content\" of message 1 must be a string, got a number"
    );
    assert_eq!(
        refused("[{\"role\": \"user\", \"content\": \"a\"}]"),
        "data.jsonl:1: no message has the role \"assistant\"; there is nothing to learn"
    );
    assert_eq!(
        refused("[{\"role\": \"assistant\", \"content\": \"\u{fdd0}\"}]"),
        "data.jsonl:1: holds '\\u{fdd0}' or '\\u{fdd1}', which Unicode keeps out of texts"
    );
}

#[test]
fn a_text_of_one_token_is_refused_with_its_line() {
    let file = Jsonl::parse("{\"text\": \"ab\"}\n{\"text\": \"a\"}", "data.jsonl".as_ref()).unwrap();
    let refused = file.samples(&Tokenizer::bytes(), None, None).unwrap_err().to_string();
    assert_eq!(refused, "data.jsonl:2: data: none of a sample's 1 tokens is learned from those before it");
}

#[test]
fn a_sample_beyond_the_limit_is_refused_before_it_is_parsed() {
    let line = format!("{{\"text\": \"ab\"}}\n[{}0]", "0,".repeat(9 << 20));
    let refused = Jsonl::parse(&line, "data.jsonl".as_ref()).err().unwrap();
    assert_eq!(refused.kind(), monotile::ErrorKind::Limit);
    assert!(refused.to_string().starts_with("data.jsonl:2: asks for 18874371 bytes"), "{refused}");
}

#[test]
fn conversations_of_sharegpt_are_read_as_messages() {
    let source =
        "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
    let template = ChatTemplate::parse(source, "template", [].into(), SystemTime::now()).unwrap();
    let theirs = r#"{"id": 1, "system": "s", "conversations": [{"from": "human", "value": "p"}, {"from": "gpt", "value": "q"}]}"#;
    let plain = r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}, {"role": "assistant", "content": "q"}]}"#;
    let tokens = |line: &str| {
        let file = Jsonl::parse(line, "data.jsonl".as_ref()).unwrap();
        assert_eq!(file.format(), SampleFormat::Messages);
        file.samples(&Tokenizer::bytes(), None, Some(&template)).unwrap()
    };
    assert_eq!(tokens(theirs), tokens(plain));
    let odd = refused(r#"{"conversations": [{"from": "observation", "value": "p"}]}"#);
    assert!(odd.contains("message 1 is from observation; human, user, gpt,"), "{odd}");
    assert!(refused(r#"{"conversations": [{"from": "human", "value": "p"}]}"#).contains("nothing to learn"));
    assert!(refused(r#"{"conversations": [], "messages": []}"#).contains("one of them is wanted alone"));
}

/// The prompts of `stanford_alpaca/train.py`.
#[test]
fn instructions_of_alpaca_have_the_prompt_they_were_published_with() {
    let text = |line: &str| {
        let file = Jsonl::parse(line, "data.jsonl".as_ref()).unwrap();
        let samples = file.samples(&Tokenizer::bytes(), Some(257), None).unwrap();
        (Tokenizer::bytes().decode(samples.0[0].tokens()).unwrap(), samples.0[0].loss_token_count())
    };
    let (whole, learned) = text(r#"{"instruction": "Add.", "input": "1 2", "output": "3", "text": "the same"}"#);
    let wanted = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response \
                  that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:3";
    assert_eq!((whole.as_str(), learned), (wanted, 2));
    let (whole, _) = text(r#"{"instruction": "Greet.", "input": "", "output": "Hello"}"#);
    let wanted = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n\
                  ### Instruction:\nGreet.\n\n### Response:Hello";
    assert_eq!(whole, wanted);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    std::fs::write(&path, "\u{feff}{\"text\": \"abc\"}\n").unwrap();
    assert_eq!(Jsonl::read(&path).unwrap().text(), "abc\n");
    std::fs::write(&path, b"\xff\xfe{\0").unwrap();
    assert!(Jsonl::read(&path).err().unwrap().to_string().ends_with("is a text in UTF-16; save it as UTF-8"));
}

#[test]
fn a_list_of_samples_is_read_as_lines_are() {
    let lines = "{\"prompt\": \"a b \", \"completion\": \"cd\"}\n{\"completion\": \"e\", \"prompt\": \"[,]\"}";
    let list = "\n[\n  {\n \"prompt\": \"a b \", \"completion\": \"cd\"},\n {\"completion\": \"e\", \"prompt\": \"[,]\"} ]\n";
    assert_eq!(learned(list, None), learned(lines, None));
    assert_eq!(refused("[]"), "data.jsonl: the file is empty; training needs samples, one JSON object a line");
    assert!(refused("[{\"text\": \"a\"}, 7]").starts_with("data.jsonl: sample 2: an object with \"text\""));
    let other = refused("[{\"text\": \"a\"}, {\"prompt\": \"\", \"completion\": \"a\"}]");
    assert_eq!(other, "data.jsonl: sample 2: holds \"prompt\" and \"completion\", sample 1 holds \"text\"; a file is of one kind");
    let broken = "data.jsonl: the list of samples is broken at its sample 2: ";
    for list in ["[{\"text\": \"a\"},", "[{\"text\": \"a\"}, {\"text\"", "[{\"text\": \"a\"}, {\"text\": \"b\"} {\"text\": \"c\"}]"]
    {
        assert!(refused(list).starts_with(broken), "{}", refused(list));
    }
    assert_eq!(refused("[{\"text\": \"a\"}] 7"), "data.jsonl: something follows the list of samples; a file is one list");
}
