//! A small language model, trained from scratch on one text and adapted by LoRA to another.

use std::ops::ControlFlow;
use std::time::Instant;

use monotile::optim::Decay;
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit, TargetModules};
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Config, GenerateOptions, Model, SamplingOptions, Tokenizer, TrainableParameters, generate};

use crate::command_error::CommandError;
use crate::commands::training::loss_curve;
use crate::page::{GeneratedText, PageBlock, Section};
use crate::progress::Progress;
use crate::report::{count, duration, short};

const PLAY: &str = include_str!("../../../assets/romeo.txt");
const PROVERBS: &str = include_str!("../../../assets/proverbs.txt");

/// Tokens of the vocabulary, learned from both texts.
const VOCABULARY: usize = 512;
/// Tokens a row.
const LENGTH: usize = 64;
const BATCH: usize = 16;
/// The most steps of the two runs, where the machine is fast enough for them.
const STEPS: [usize; 2] = [700, 260];
/// Seconds that each of the two runs may take.
const PATIENCE: [f64; 2] = [32.0, 12.0];
const RANK: usize = 4;
/// The share of each text that is held out.
const HELD_OUT: f64 = 0.08;
/// How often a run is evaluated on it, beside the end.
const EVALUATIONS: usize = 8;

/// A run: how long it took, its losses, and the held-out text's, by step.
struct Learned {
    seconds: f64,
    tokens: usize,
    losses: Vec<(f64, f64)>,
    held_out: Vec<(f64, f64)>,
    /// The step whose numbers were kept, and the held-out text's loss there: its lowest.
    kept: (usize, f64),
}

impl Learned {
    /// The held-out text's loss before and after: `6.27 → 3.36`.
    fn change(&self) -> String {
        format!("{:.2} → {:.2}", self.held_out.first().map_or(f64::NAN, |p| p.1), self.kept.1)
    }

    /// Where that was: `step 350 of 400`.
    fn place(&self) -> String {
        format!("step {} of {}", self.kept.0, self.losses.len())
    }
}

/// Trains, adapts, and lets the model speak before and after.
pub fn section(progress: &mut Progress) -> Result<Section, CommandError> {
    let tokenizer = Tokenizer::train(&format!("{PLAY}{PROVERBS}"), VOCABULARY)?;
    let config = Config {
        vocab_size: tokenizer.vocabulary(),
        hidden_size: 128,
        intermediate_size: 352,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 32,
        max_position_embeddings: 256,
        ..Config::default()
    };
    let options = TrainOptions {
        batch: BATCH,
        learning_rate: 3e-3,
        decay: Decay::Cosine,
        betas: (0.9, 0.98),
        weight_decay: 0.05,
        clip: Some(1.0),
        ..TrainOptions::default()
    };
    let play = Lesson { text: PLAY, tokenizer: &tokenizer, trained: TrainableParameters::Everything, options: options.clone() };
    let steps = play.affordable(Model::random(config.clone(), 1)?, 0)?;
    let (mut model, base) = play.learn(Model::random(config.clone(), 1)?, steps, |done, words| {
        progress.at((done * 65.0) as u64, &format!("Romeo and Juliet: {words}"));
    })?;
    let before = speak(&model, &tokenizer)?;

    let lora = LoraConfig { targets: TargetModules::AllLinear, rank: RANK, alpha: 2.0 * RANK as f64, ..LoraConfig::default() };
    model.add_adapter(lora.clone(), LoraInit::Gaussian, 2)?;
    let trained = model.adapter()?.parameters();
    let options = TrainOptions { learning_rate: 8e-3, weight_decay: 0.0, ..options };
    let proverbs = Lesson { text: PROVERBS, tokenizer: &tokenizer, trained: TrainableParameters::Adapter, options };
    let mut scratch = Model::random(config.clone(), 1)?;
    scratch.add_adapter(lora, LoraInit::Gaussian, 2)?;
    let steps = proverbs.affordable(scratch, 1)?;
    let (model, adapted) = proverbs.learn(model, steps, |done, words| {
        progress.at(65 + (done * 35.0) as u64, &format!("Proverbs: {words}"));
    })?;
    let after = speak(&model, &tokenizer)?;
    Ok(describe(&config, [&base, &adapted], trained, [before, after]))
}

/// What a model is to learn, and how.
struct Lesson<'a> {
    text: &'a str,
    tokenizer: &'a Tokenizer,
    trained: TrainableParameters,
    options: TrainOptions,
}

impl Lesson<'_> {
    fn trainer(&self, model: Model, steps: usize) -> Result<Trainer, CommandError> {
        let (rows, held_out) = TokenDataset::new(self.tokenizer.encode(self.text)?, LENGTH)?.split(HELD_OUT)?;
        // More patience than there are evaluations: a run goes all its steps, and the best of it is kept.
        let patience = Some(EVALUATIONS + 2);
        let options = TrainOptions { steps, warmup: steps / 20, patience, ..self.options.clone() };
        Ok(Trainer::new(model, self.trained, rows, options)?.with_held_out(held_out)?)
    }

    /// How many steps the patience for this run allows, judged by a few steps of a model that is thrown away.
    fn affordable(&self, model: Model, run: usize) -> Result<usize, CommandError> {
        const TRIED: usize = 4;
        let mut trainer = self.trainer(model, TRIED)?;
        trainer.step()?;
        let begun = Instant::now();
        (1..TRIED).try_for_each(|_| trainer.step().map(drop))?;
        let each = begun.elapsed().as_secs_f64() / (TRIED - 1) as f64;
        Ok(((PATIENCE[run] / each) as usize).clamp(2 * TRIED, STEPS[run]))
    }

    /// Trains to the end and goes back to where the held-out text was predicted best; `show` gets the share that is done and some words.
    fn learn(&self, model: Model, steps: usize, mut show: impl FnMut(f64, &str)) -> Result<(Model, Learned), CommandError> {
        let mut trainer = self.trainer(model, steps)?;
        let mut learned = Learned { seconds: 0.0, tokens: 0, losses: Vec::new(), held_out: Vec::new(), kept: (steps, f64::NAN) };
        let begun = Instant::now();
        while !trainer.is_done() {
            if trainer.steps_done().is_multiple_of(steps.div_ceil(EVALUATIONS)) {
                learned.held_out.extend(trainer.evaluate_with_patience()?.map(|loss| (trainer.steps_done() as f64, loss)));
            }
            let step = trainer.step()?;
            learned.tokens += step.tokens;
            learned.losses.push((step.number as f64, step.loss));
            show(step.number as f64 / steps as f64, &format!("loss {:.2}", step.loss));
        }
        learned.held_out.extend(trainer.evaluate_with_patience()?.map(|loss| (trainer.steps_done() as f64, loss)));
        learned.kept = trainer.restore_best().unwrap_or(learned.kept);
        learned.seconds = begun.elapsed().as_secs_f64();
        Ok((trainer.into_model(), learned))
    }
}

/// What the model makes of the beginning of a speech, and of a proverb.
fn speak(model: &Model, tokenizer: &Tokenizer) -> Result<[GeneratedText; 2], CommandError> {
    let say = |prompt: &str, tokens| -> Result<GeneratedText, CommandError> {
        let sampling = SamplingOptions { temperature: 0.6, top_p: Some(0.95), seed: 7, ..SamplingOptions::default() };
        let generation = GenerateOptions { max_tokens: tokens, sampling, stop: Vec::new() };
        let generated = generate(model, tokenizer, prompt, &generation, &mut |_| ControlFlow::Continue(()))?;
        Ok(GeneratedText { heading: String::new(), prompt: prompt.to_string(), text: generated.text })
    };
    Ok([say("ROMEO:\n", 90)?, say("A wise son", 90)?])
}

fn describe(config: &Config, [base, adapted]: [&Learned; 2], trained: usize, [before, after]: [[GeneratedText; 2]; 2]) -> Section {
    let all = config.parameters();
    let share = 100.0 * trained as f64 / all as f64;
    let line = format!(
        "{} numbers learned Romeo and Juliet in {} (held-out loss {} at {}); LoRA trained {share:.1} % as many to \
         Proverbs in {} ({} at {})",
        short(all as f64),
        duration(base.seconds),
        base.change(),
        base.place(),
        duration(adapted.seconds),
        adapted.change(),
        adapted.place()
    );
    let heading = |[speech, proverb]: [GeneratedText; 2], who: &str| {
        let with = |s: GeneratedText| GeneratedText { heading: who.to_string(), ..s };
        [with(speech), with(proverb)]
    };
    let [speech_before, proverb_before] = heading(before, "Romeo and Juliet only");
    let [speech_after, proverb_after] = heading(after, "with the adapter for Proverbs");
    let speed = |l: &Learned| count((l.tokens as f64 / l.seconds) as u64);
    let blocks = vec![
        PageBlock::Text(format!(
            "A LLaMA of {} blocks, {} wide, with rotary positions, grouped queries and a vocabulary of {} tokens it learned \
             itself, starts from random numbers and reads three quarters of Romeo and Juliet for {}.",
            config.num_hidden_layers,
            config.hidden_size,
            config.vocab_size,
            duration(base.seconds)
        )),
        PageBlock::Figure(
            loss_curve("Learning Romeo and Juliet from scratch", base.losses.clone(), base.held_out.clone()),
            format!(
                "{} tokens a second, evaluations included. The numbers of {} are kept: there the held-out text was predicted best.",
                speed(base),
                base.place()
            ),
        ),
        PageBlock::Text(
            "Then its weights are frozen. Beside each of them stand two thin matrices (LoRA, Hu et al. 2021): W + B·A, where B starts at zero, so \
             that nothing changes at first. Only these learn the Book of Proverbs."
                .to_string(),
        ),
        PageBlock::Numbers(vec![
            (count(trained as u64), format!("numbers trained, {share:.1} % of {}", count(all as u64))),
            (adapted.change(), "loss on proverbs it has not read".to_string()),
            (duration(adapted.seconds), format!("of training, {} tokens a second", speed(adapted))),
        ]),
        PageBlock::Figure(
            loss_curve("Learning Proverbs by LoRA", adapted.losses.clone(), adapted.held_out.clone()),
            format!("Rank {RANK} on every linear layer. The numbers of {} are kept.", adapted.place()),
        ),
        PageBlock::Text("The same beginnings, before and after. It is a very small model.".to_string()),
        PageBlock::Samples(vec![proverb_before, proverb_after]),
        PageBlock::Samples(vec![speech_before, speech_after]),
    ];
    Section { title: "A language model, and its second language".to_string(), line, blocks }
}
