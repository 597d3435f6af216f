//! Conversations in tokens, compared with what transformers makes of them.

use std::time::SystemTime;

use crate::common::data;
use monotile_llama::Tokenizer;
use monotile_llama::data::{ChatTemplate, Jsonl, Sample};

const MESSAGES: &str = r#"{"messages": [
    {"role": "user", "content": "But, soft! what light through yonder window breaks?"},
    {"role": "assistant", "content": "It is the east,\nand Juliet is the sun — naïve."},
    {"role": "user", "content": "Arise, fair sun"},
    {"role": "assistant", "content": "and kill the envious moon"}]}"#;

/// Says itself what the assistant wrote.
const MARKED: &str = "\
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- message.role | upper + ':\\n' }}
        {%- generation %}
        {{- message.content + eos_token }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- message.role | upper + ':\\n' + message.content + '\\n\\n' }}
    {%- endif %}
{%- endfor %}
";

/// The conversation as a sample in the tokens of the checkpoint.
fn sample(source: &str) -> Option<Sample> {
    let folder = data()?.join("shakespeare");
    let special = ChatTemplate::special_tokens(&folder).unwrap();
    let template = ChatTemplate::parse(source, "template", special, SystemTime::now()).unwrap();
    let file = Jsonl::parse(&MESSAGES.replace('\n', " "), "data.jsonl".as_ref()).unwrap();
    let samples = file.samples(&Tokenizer::read(&folder).unwrap(), None, Some(&template)).unwrap();
    samples.0.into_iter().next()
}

#[test]
fn tokens_and_what_is_learned_of_them_are_those_of_transformers() {
    let Some(sample) = sample(MARKED) else { return };
    // apply_chat_template(messages, chat_template=MARKED, return_assistant_tokens_mask=True) of transformers 5.24.
    let tokens = [
        0, 392, 431, 27, 200, 447, 13, 367, 1044, 2, 436, 1253, 1266, 769, 284, 515, 274, 265, 503, 299, 771, 570, 84, 32, 200,
        200, 34, 52, 52, 613, 53, 427, 53, 27, 200, 808, 326, 269, 336, 433, 13, 200, 391, 969, 439, 1249, 326, 269, 1358, 222,
        160, 224, 244, 282, 66, 129, 109, 295, 15, 1, 200, 392, 431, 27, 200, 34, 83, 699, 13, 781, 1358, 200, 200, 34, 52, 52,
        613, 53, 427, 53, 27, 200, 391, 1316, 269, 611, 87, 1037, 1047, 277, 1, 200,
    ];
    let learned = [35..60, 82..91];
    assert_eq!(sample.tokens(), tokens);
    let wanted: Vec<bool> = (0..tokens.len()).map(|at| learned.iter().any(|range| range.contains(&at))).collect();
    assert_eq!(sample.loss_mask(), wanted);
}

#[test]
fn tokens_of_templates_without_marks_are_those_of_transformers() {
    let cases: [(&str, &[u32]); 2] = [
        (
            include_str!("../../src/data/chat/templates/llama2.jinja"),
            &[
                0, 60, 358, 1082, 62, 1523, 13, 367, 1044, 2, 436, 1253, 1266, 769, 284, 515, 274, 265, 503, 299, 771, 570, 84, 32,
                222, 60, 16, 358, 1082, 62, 293, 85, 326, 269, 336, 433, 13, 200, 391, 969, 439, 1249, 326, 269, 1358, 222, 160,
                224, 244, 282, 66, 129, 109, 295, 15, 222, 1, 0, 60, 358, 1082, 62, 634, 83, 699, 13, 781, 1358, 222, 60, 16, 358,
                1082, 62, 298, 1316, 269, 611, 87, 1037, 1047, 277, 222, 1,
            ],
        ),
        (
            include_str!("../../src/data/chat/templates/zephyr.jinja"),
            &[
                29, 93, 390, 274, 93, 31, 200, 447, 13, 367, 1044, 2, 436, 1253, 1266, 769, 284, 515, 274, 265, 503, 299, 771, 570,
                84, 32, 1, 200, 29, 93, 833, 606, 442, 93, 31, 200, 808, 326, 269, 336, 433, 13, 200, 391, 969, 439, 1249, 326,
                269, 1358, 222, 160, 224, 244, 282, 66, 129, 109, 295, 15, 1, 200, 29, 93, 390, 274, 93, 31, 200, 34, 83, 699, 13,
                781, 1358, 1, 200, 29, 93, 833, 606, 442, 93, 31, 200, 391, 1316, 269, 611, 87, 1037, 1047, 277, 1, 200,
            ],
        ),
    ];
    for (source, tokens) in cases {
        let Some(sample) = sample(source) else { return };
        assert_eq!(sample.tokens(), tokens);
        // The first question ends before the first token that is learned, the last answer with the last token.
        assert!(!sample.loss_mask()[24] && sample.loss_mask()[tokens.len() - 1]);
    }
}
