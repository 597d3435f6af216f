//! A small GPT that learns to sort: it reads six letters and an arrow, and writes the same letters in order.
//!
//! Trains for some seconds and then sorts rows that it is unlikely to have seen: there are 8⁶ = 262,144, and it trains on 16,000. Its two
//! blocks are LLaMA's: root-mean-square norms, rotary positions, causal attention, a gated layer. Logits come from the embedding's table.
//!
//! ```text
//! cargo run --release -p monotile --example gpt
//! ```

use monotile::attention::{AttentionOptions, rotary, rotary_tables, scaled_dot_product_attention};
use monotile::ops::{CrossEntropyOptions, cross_entropy, embedding, rms_norm, swiglu};
use monotile::optim::{AdamW, AdamWOptions, Decay, Schedule, clip_gradients};
use monotile::tape::grad;
use monotile::{DType, Parameters, Result, Rng, Tensor, einsum, parameters};

/// Letters of the alphabet, whose next token is the arrow; letters in a row.
const LETTERS: usize = 8;
const LENGTH: usize = 6;

/// Numbers that stand for a token, heads, blocks, numbers inside a gated layer; rows a step, steps.
const WIDTH: usize = 64;
const HEADS: usize = 4;
const BLOCKS: usize = 2;
const HIDDEN: usize = 128;
const BATCH: usize = 64;
const STEPS: usize = 250;

/// The target that counts nowhere: nobody can know the letters of a question.
const IGNORED: i64 = -100;

/// Rows of letters, an arrow, and the letters sorted: the tokens that are read `(count, 12)`, and the next token of each, `(count, 12)`.
fn rows(count: usize, rng: &mut Rng) -> Result<(Tensor, Tensor)> {
    let question = rng.randint(&[count, LENGTH], 0, LETTERS as i64)?;
    let (answer, _) = question.sort(-1, false)?;
    let arrow = Tensor::full([count, 1], LETTERS as i64)?;
    let ignored = Tensor::full([count, LENGTH], IGNORED)?;
    let read = Tensor::cat([&question, &arrow, &answer.slice(1, ..-1)?], 1)?;
    Ok((read, Tensor::cat([ignored, answer], 1)?))
}

parameters! {
    /// A block: attention, then a gated layer, each after a norm.
    struct Block { attention_norm, qkv, out, gated_norm, up, down }
}

parameters! {
    struct Gpt { embedding, norm, blocks: Vec<Block> }
}

impl Gpt {
    /// Weights to start from: norms multiply by 1, matrices are drawn so that what they make varies as little as what they take.
    fn new(rng: &mut Rng) -> Result<Self> {
        let one = || Tensor::ones([WIDTH], DType::F32);
        let mut draw = |shape: &[usize]| rng.normal(shape, DType::F32)?.mul(0.5 / (WIDTH as f64).sqrt());
        let (embedding, head) = (draw(&[LETTERS + 1, WIDTH])?, WIDTH / HEADS);
        let block = |_| {
            let (qkv, out) = (draw(&[3, HEADS, head, WIDTH])?, draw(&[HEADS, head, WIDTH])?);
            let (up, down) = (draw(&[2, HIDDEN, WIDTH])?, draw(&[HIDDEN, WIDTH])?);
            Ok(Block { attention_norm: one()?, qkv, out, gated_norm: one()?, up, down })
        };
        let mut gpt = Self { embedding, norm: one()?, blocks: (0..BLOCKS).map(block).collect::<Result<_>>()? };
        gpt.require_gradients();
        Ok(gpt)
    }

    /// What the model expects after each token: tokens `(b, t)` give logits `(b, t, LETTERS + 1)`.
    fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        let (cos, sin) = rotary_tables(&Tensor::arange(tokens.dim(1))?, WIDTH / HEADS, 100.0, DType::F32)?;
        let causal = AttentionOptions { causal: true, ..Default::default() };
        let mut x = embedding(&self.embedding, tokens)?;
        for block in &self.blocks {
            // One product for queries, keys and values of all heads (n, b, h, t, d).
            let qkv = einsum("btc,nhdc->nbhtd", &[&rms_norm(&x, &block.attention_norm, 1e-5)?, &block.qkv])?.unbind(0)?;
            let (q, k) = (rotary(&qkv[0], &cos, &sin)?, rotary(&qkv[1], &cos, &sin)?);
            let seen = scaled_dot_product_attention(&q, &k, &qkv[2], &causal)?;
            x = x.add(einsum("bhtd,hdc->btc", &[&seen, &block.out])?)?;
            let hidden = einsum("btc,nfc->nbtf", &[&rms_norm(&x, &block.gated_norm, 1e-5)?, &block.up])?;
            x = x.add(swiglu(&hidden.select(0, 0)?, &hidden.select(0, 1)?)?.matmul(&block.down)?)?;
        }
        rms_norm(&x, &self.norm, 1e-5)?.matmul(&self.embedding.t())
    }
}

/// The likeliest letters after `tokens` `(b, t)`, one by one: `(b, LENGTH)`.
fn continued(model: &Gpt, tokens: &Tensor) -> Result<Tensor> {
    let mut tokens = tokens.clone();
    for _ in 0..LENGTH {
        let next = model.logits(&tokens)?.select(1, -1)?.argmax(-1, true)?;
        tokens = Tensor::cat([tokens, next], 1)?;
    }
    tokens.slice(1, -(LENGTH as isize)..)
}

fn text(tokens: &Tensor) -> Result<String> {
    Ok(tokens.to_vec::<i64>()?.into_iter().map(|t| char::from(b'a' + t as u8)).collect())
}

/// The part of unseen rows that are sorted without a fault; prints the first few.
fn sorted(model: &Gpt) -> Result<f64> {
    let count = 500;
    let (read, targets) = rows(count, &mut Rng::new(1))?;
    let answer = targets.slice(1, LENGTH..)?;
    let given = continued(model, &read.slice(1, ..=LENGTH)?)?;
    for row in 0..4 {
        let (question, given) = (read.select(0, row)?.slice(0, ..LENGTH)?, given.select(0, row)?);
        println!("    {} > {}", text(&question)?, text(&given)?);
    }
    Ok(given.eq(&answer)?.all(-1, false)?.count_nonzero(.., false)?.item::<i64>()? as f64 / count as f64)
}

fn main() -> Result<()> {
    let mut rng = Rng::new(0);
    let mut model = Gpt::new(&mut rng)?;
    println!("{:.1} % of unseen rows are sorted before training:", 100.0 * sorted(&model)?);

    let schedule = Schedule { peak: 4e-3, floor: 2e-4, warmup: 20, steps: STEPS, decay: Decay::Cosine };
    let mut optimizer = AdamW::new(AdamWOptions { weight_decay: 0.05, decay_from_rank: 2, ..Default::default() });
    let counted = CrossEntropyOptions { ignore_index: Some(IGNORED), ..Default::default() };
    println!("\n step      loss   length of the gradient");
    for step in 0..STEPS {
        let (read, targets) = rows(BATCH, &mut rng)?;
        let loss = cross_entropy(&model.logits(&read)?, &targets, &counted)?;
        let mut gradients = grad(&loss, model.parameters())?;
        let length = clip_gradients(&mut gradients, 1.0)?;
        if step % 50 == 0 || step == STEPS - 1 {
            println!("{step:5}  {:8.4}   {:.2}", loss.item::<f32>()?, length.item::<f32>()?);
        }
        optimizer.options.lr = schedule.learning_rate(step);
        model.update(|weights| optimizer.step(weights, &gradients))?;
    }

    // A file that PyTorch and Python read too; the copy that is read again answers by the same bits.
    let path = std::env::temp_dir().join(format!("monotile-gpt-{}.safetensors", std::process::id()));
    model.save(&path)?;
    let mut read = Gpt::new(&mut rng)?;
    read.load(&path)?;
    let (tokens, _) = rows(8, &mut rng)?;
    assert_eq!(read.logits(&tokens)?.to_vec::<f32>()?, model.logits(&tokens)?.to_vec::<f32>()?);
    let numbers: usize = read.parameters().iter().map(Tensor::len).sum();
    println!("\n{numbers} numbers were saved and read again.");

    let part = sorted(&read)?;
    println!("{:.1} % of unseen rows are sorted after it.", 100.0 * part);
    drop(read);
    let _ = std::fs::remove_file(&path);
    assert!(part > 0.95, "it learns to sort");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
