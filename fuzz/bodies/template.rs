//! A chat template: refused, or carried out within its limits.

use std::collections::BTreeMap;
use std::time::SystemTime;

use monotile_llama::data::ChatTemplate;

use super::sentence;

const MESSAGES: &str = r#"[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "4"}]"#;

pub fn run(source: &str) {
    let special: BTreeMap<String, String> = [("bos_token", "<s>"), ("eos_token", "</s>")].map(|(k, v)| (k.into(), v.into())).into();
    match ChatTemplate::parse(source, "chat.jinja", special, SystemTime::UNIX_EPOCH) {
        Ok(template) => {
            for prompt in [false, true] {
                if let Err(error) = template.render(MESSAGES, prompt) {
                    sentence(&error);
                }
            }
        }
        Err(error) => sentence(&error),
    }
}
