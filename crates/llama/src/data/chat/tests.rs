use super::*;

/// Templates in four published styles, written for these tests, with what transformers 5.24 makes of a conversation
/// (`apply_chat_template(tokenize=False)`) and the parts that the assistant wrote.
struct Style {
    name: &'static str,
    source: &'static str,
    special: &'static [(&'static str, &'static str)],
    /// Of a system message, two questions and two answers.
    text: &'static str,
    /// The prompt that asks for the second answer, after the same beginning.
    prompt: &'static str,
    learned: [&'static str; 2],
}

const MESSAGES: &str = r#"[{"role": "system", "content": " Be brief. "},
    {"role": "user", "content": "Who wrote <Hamlet> & \"Lear\"?\n"}, {"role": "assistant", "content": " Shakespeare. "},
    {"role": "user", "content": "When?"}, {"role": "assistant", "content": "About 1600\nand 1606."}]"#;

const STYLES: [Style; 4] = [
    Style {
        name: "ChatML",
        source: include_str!("templates/chatml.jinja"),
        special: &[("eos_token", "<|im_end|>")],
        text: include_str!("templates/chatml.txt"),
        prompt: "<|im_start|>user\nWhen?<|im_end|>\n<|im_start|>assistant\n",
        learned: [" Shakespeare. <|im_end|>\n", "About 1600\nand 1606.<|im_end|>\n"],
    },
    Style {
        name: "Llama 2",
        source: include_str!("templates/llama2.jinja"),
        special: &[("bos_token", "<s>"), ("eos_token", "</s>")],
        text: include_str!("templates/llama2.txt"),
        prompt: "<s>[INST] When? [/INST]",
        learned: [" Shakespeare. </s>", " About 1600\nand 1606. </s>"],
    },
    Style {
        name: "Llama 3",
        source: include_str!("templates/llama3.jinja"),
        special: &[("bos_token", "<|begin_of_text|>"), ("eos_token", "<|eot_id|>")],
        text: include_str!("templates/llama3.txt"),
        prompt: "<|start_header_id|>user<|end_header_id|>\n\nWhen?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        learned: ["Shakespeare.<|eot_id|>", "About 1600\nand 1606.<|eot_id|>"],
    },
    Style {
        name: "Zephyr",
        source: include_str!("templates/zephyr.jinja"),
        special: &[("eos_token", "</s>")],
        text: include_str!("templates/zephyr.txt"),
        prompt: "<|user|>\nWhen?</s>\n<|assistant|>\n",
        learned: [" Shakespeare. </s>\n", "About 1600\nand 1606.</s>\n"],
    },
];

fn named(tokens: &[(&str, &str)]) -> BTreeMap<String, String> {
    tokens.iter().map(|(name, token)| (name.to_string(), token.to_string())).collect()
}

fn template(source: &str, special: &[(&str, &str)]) -> Result<ChatTemplate> {
    ChatTemplate::parse(source, "chat_template.jinja", named(special), SystemTime::UNIX_EPOCH)
}

fn list(messages: &str) -> Vec<Value> {
    let messages: Value = serde_json::from_str(messages).unwrap();
    messages.try_iter().unwrap().collect()
}

/// What the assistant wrote.
fn learned(template: &ChatTemplate, messages: &str) -> Result<Vec<String>> {
    let (text, parts) = template.render_with_turn_spans(&list(messages), &Value::from(()))?;
    Ok(parts.into_iter().map(|part| text[part].to_string()).collect())
}

#[test]
fn conversations_are_written_as_transformers_writes_them() {
    for style in STYLES {
        let template = template(style.source, style.special).unwrap();
        assert_eq!(template.render(MESSAGES, false).unwrap(), style.text, "{}", style.name);
        assert_eq!(learned(&template, MESSAGES).unwrap(), style.learned, "{}", style.name);
        let asked = serde_json::to_string(&list(MESSAGES)[..4]).unwrap();
        let prompt = template.render(&asked, true).unwrap();
        let before = style.text.split_inclusive(style.learned[0]).next().unwrap();
        assert_eq!(prompt, format!("{before}{}", style.prompt), "{}", style.name);
    }
}

#[test]
fn a_template_may_say_itself_what_the_assistant_wrote() {
    let source = "{% for m in messages %}\n    {%- if m.role == 'assistant' -%}\n        <a>{% generation %}{{ m.content }}</a>\n{% \
                  endgeneration %}\n    {%- else -%}\n        <u>{{ m.content }}\n    {%- endif %}\n{% endfor %}";
    let template = template(source, &[]).unwrap();
    let text = template.render(MESSAGES, false).unwrap();
    // As transformers 5.24 writes it, and marks it in `assistant_masks`.
    assert_eq!(
        text,
        "<u> Be brief. <u>Who wrote <Hamlet> & \"Lear\"?\n<a> Shakespeare. </a>\n<u>When?<a>About 1600\nand 1606.</a>\n"
    );
    assert_eq!(learned(&template, MESSAGES).unwrap(), [" Shakespeare. </a>\n", "About 1600\nand 1606.</a>\n"]);
}

#[test]
fn pythons_ways_with_values_are_known() {
    let cases = [
        ("{{ messages[0].content.strip().upper().split(' ') | join('+') }}", "BE+BRIEF."),
        ("{{ messages[1]['content'].startswith('Who') }} {{ none }} {{ messages[1:] | length }}", "True None 4"),
        ("{{ messages[2] | tojson }}", "{\"role\": \"assistant\", \"content\": \" Shakespeare. \"}"),
        ("{{ messages[1].content | tojson }}", "\"Who wrote <Hamlet> & \\\"Lear\\\"?\\n\""),
        ("{{ {'a': [1, 2.5], 'é': none} | tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    2.5\n  ],\n  \"é\": null\n}"),
        ("{% for k, v in messages[3].items() %}{{ k }}={{ v }};{% endfor %}", "role=user;content=When?;"),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% if loop.index0 == 2 %}{% break %}{% endif %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "2",
        ),
        ("{{ strftime_now('%d %b %Y') }}", "01 Jan 1970"),
        ("{{ tools is none }} {{ unknown is defined }} {{ messages[0].name }}|{{ messages[0].get('name', 'x') }}", "True False |x"),
        ("{%- macro f(x) %}[{{ x }}]{% endmacro %}\n{{- f((messages | last).role) }}\n", "[assistant]"),
    ];
    for (source, text) in cases {
        assert_eq!(template(source, &[]).unwrap().render(MESSAGES, false).unwrap(), text, "{source}");
    }
}

#[test]
fn what_a_template_refuses_is_told_in_its_words() {
    let source = "{% if messages[0].role != 'system' %}\n{{ raise_exception('a system message comes first') }}\n{% endif %}";
    let refuses = template(source, &[]).unwrap();
    let refused = refuses.render(r#"[{"role": "user", "content": "a"}]"#, false).unwrap_err().to_string();
    assert_eq!(refused, "chat_template.jinja:2: a system message comes first");
    let broken = template("{% for m in messages %}\n{{ m.content }", &[]).err().unwrap().to_string();
    assert!(broken.starts_with("chat_template.jinja:2: "), "{broken}");
    let endless = template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", &[]).unwrap();
    let refused = endless.render(MESSAGES, false).unwrap_err().to_string();
    assert!(refused.starts_with("chat_template.jinja:1: "), "{refused}");
}

#[test]
fn turns_that_depend_on_what_follows_cannot_be_told_apart() {
    let source = "{% for m in messages %}{{ m.content if loop.last else 'gone' }}|{% endfor %}";
    let refused = learned(&template(source, &[]).unwrap(), MESSAGES).unwrap_err().to_string();
    assert_eq!(
        refused,
        "chat_template.jinja: writes message 3 differently where others follow, so that what the assistant wrote cannot be told; {% \
         generation %} in the template tells it"
    );
}

#[test]
fn templates_and_special_tokens_are_found_where_transformers_puts_them() {
    let folder = tempfile::tempdir().unwrap();
    let read = || ChatTemplate::read(folder.path(), SystemTime::UNIX_EPOCH).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    assert!(read().is_none());
    write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "add_bos_token": true}"#,
    );
    assert!(read().is_none());
    write("special_tokens_map.json", r#"{"eos_token": "old", "pad_token": "<pad>"}"#);
    let special = named(&[("bos_token", "<s>"), ("eos_token", "</s>"), ("pad_token", "<pad>")]);
    assert_eq!(ChatTemplate::special_tokens(folder.path()).unwrap(), special);
    write(
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#,
    );
    assert_eq!(read().unwrap().render("[]", false).unwrap(), "d");
    write("tokenizer_config.json", r#"{"bos_token": "<s>", "chat_template": "{{ bos_token }}"}"#);
    assert_eq!(read().unwrap().render("[]", false).unwrap(), "<s>");
    // Of a file, the last line's end is not part of the template.
    write("chat_template.jinja", "j\n");
    assert_eq!(read().unwrap().render("[]", false).unwrap(), "j");
    write("chat_template.jinja", "{% if %}");
    assert!(ChatTemplate::read(folder.path(), SystemTime::UNIX_EPOCH).is_err());
    std::fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    write("tokenizer_config.json", r#"{"chat_template": 5}"#);
    let refused = ChatTemplate::read(folder.path(), SystemTime::UNIX_EPOCH).err().unwrap().to_string();
    assert!(
        refused.ends_with(
            "tokenizer_config.json: field \"chat_template\" must be a template, or a list of which one is named \"default\""
        ),
        "{refused}"
    );
}

/// As in the command, so that the memory of templates is counted.
#[global_allocator]
static MEMORY: monotile_kernels::process::CountingAllocator = monotile_kernels::process::CountingAllocator;

#[track_caller]
fn refused(source: &str) -> String {
    // So that what grows byte by byte comes to its end sooner.
    limits::TEMPLATE_MEMORY.set(16 << 20);
    let made = template(source, &[]).and_then(|template| template.render(MESSAGES, false));
    let shown = |text: String| text.chars().take(40).collect::<String>();
    made.map(shown).expect_err(&source.chars().take(80).collect::<String>()).to_string()
}

#[test]
fn templates_that_grow_without_end_are_refused_by_the_limit_that_they_exceed() {
    let doubling = |value: &str, with: &str, end: &str| {
        format!("{{% set ns=namespace(x={value}) %}}{{% for i in range(60) %}}{{% set ns.x={with} %}}{{% endfor %}}{{{{ {end} }}}}")
    };
    for (source, limit) in [
        (doubling("'aaaaaaaa'", "ns.x ~ ns.x", "ns.x"), "template-"),
        (doubling("'aaaaaaaa'", "ns.x + ns.x", "ns.x | length"), "template-"),
        (doubling("[1]", "[ns.x, ns.x]", "ns.x"), "template-"),
        (doubling("[1]", "[ns.x, ns.x]", "ns.x | tojson"), "template-"),
        (doubling("[1]", "[ns.x, ns.x]", "ns.x | tojson(indent=1)"), "template-"),
        // What the interpreter does not count.
        (doubling("[1]", "[ns.x, ns.x]", "(ns.x ~ '') | length"), "template-"),
        ("{{ ([[1]*100000000]*100000000 ~ '') | length }}".into(), "template-"),
        ("{{ [1] | tojson(indent=4000000000) }}".into(), "template-"),
        ("{{ '%99999999999d' | format(1) }}".into(), ""),
        ("{{ '{:>99999999999}'.format(1) }}".into(), ""),
        ("{{ ('x'*1000000).replace('x', 'y'*1000000) | length }}".into(), "template-"),
    ] {
        let words = refused(&source);
        assert!(words.starts_with("chat_template.jinja") && words.contains(limit) && words.len() < 300, "{source}: {words}");
    }
}

#[test]
fn a_template_that_was_given_up_is_refused_from_then_on() {
    let source = "{% if messages[0].role == 'x' %}{{ ([[1]*100000000]*100000000 ~ '') | length }}{% endif %}ok";
    limits::TEMPLATE_MEMORY.set(16 << 20);
    let template = template(source, &[]).unwrap();
    assert_eq!(template.render(MESSAGES, false).unwrap(), "ok");
    let words = template.render(r#"[{"role": "x", "content": ""}]"#, false).unwrap_err();
    // On a busy machine the seconds may end before the memory does.
    assert!(words.kind() == monotile::ErrorKind::Limit && words.to_string().contains("the limit \"template-"), "{words}");
    let words = template.render(MESSAGES, false).unwrap_err().to_string();
    assert_eq!(words, "chat_template.jinja: its thread has ended, after an error before");
}

#[test]
fn memory_that_was_handed_out_is_not_held_against_a_template() {
    // A text of 1 MB, three hundred times.
    let large = template("{{ 'x' * 1000000 }}", &[]).unwrap();
    for _ in 0..300 {
        assert_eq!(large.render(MESSAGES, false).unwrap().len(), 1_000_000);
    }
}

#[test]
fn words_of_a_template_are_shown_escaped_and_cut() {
    let words = refused("{{ raise_exception('\u{1b}[2J\u{202e}owned') }}");
    assert_eq!(words, "chat_template.jinja:1: \\u{1b}[2J\\u{202e}owned");
    let words = refused("{{ raise_exception('a\n' * 500) }}");
    assert!(words.chars().count() < 400 && words.ends_with("a\\n…") && !words.contains('\n'), "{words}");
}

#[test]
fn what_nests_as_deep_as_the_text_allows_does_not_overflow_the_stack() {
    let long = |before: &str, part: &str, after: &str| format!("{before}{}{after}", part.repeat((510 << 10) / part.len()));
    for source in [
        long("{{ 1", "+1", " }}"),
        long("{{ a", ".b", " }}"),
        long("{{ a", "[b]", " }}"),
        long("{{ a", "()", " }}"),
        long("{{ ", "not ", "1 }}"),
        long("{{ ", "-", "1 }}"),
        long("{{ 'a'", "|upper", " }}"),
        long("{{ 1", "**1", " }}"),
        long("{{ 1", " and 1", " }}"),
        long("{{ 1", "<1", " }}"),
        long("{{ 1", " is a", " }}"),
        long("{{ 1", " if 1 else 1", " }}"),
        long("{% if 0 %}", "{% elif 0 %}", "{% endif %}"),
        long("{{ ", "(", ""),
        long("{{ ", "[", ""),
        long("{{ ", "{1:", ""),
        long("", "{% if 1 %}", ""),
        long("", "{% for a in [1] %}", ""),
        "{% set ns=namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x=[ns.x] %}{% endfor %}{{ ns.x }}".into(),
        "{% set ns=namespace(x=[]) %}{% for a in range(999) %}{% for i in range(999) %}{% set ns.x=[ns.x] %}{% endfor %}{% endfor %}{{ ns.x }}"
            .into(),
        "{% set ns=namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x=[ns.x] %}{% endfor %}{{ ns.x | tojson }}{{ ns.x ~ 1 }}".into(),
        "{% set ns=namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x={'a': ns.x} %}{% endfor %}{{ ns.x | tojson }}{{ ns.x ~ 1 }}".into(),
        "{% macro f(x) %}{{ f([x]) }}{% endmacro %}{{ f(1) }}".into(),
    ] {
        // Some are well-formed, and print something.
        let ended = template(&source, &[]).and_then(|template| template.render(MESSAGES, false));
        let words = ended.map_or_else(|error| error.to_string(), |text| format!("{} bytes", text.len()));
        assert!(words.len() < 400, "{words}");
        println!("{}: {words}", source.chars().take(40).collect::<String>());
    }
}
