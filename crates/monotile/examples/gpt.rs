//! A small GPT that learns to sort: it reads six letters and an arrow, and writes the same letters in order.
//!
//! Trains for some seconds and then sorts rows that it is unlikely to have seen: there are 8⁶ = 262,144, and it trains on 16,000. Its two
//! blocks are LLaMA's: root-mean-square norms, rotary positions, causal attention, a gated layer. Logits come from the embedding's table.
//!
//! ```text
//! cargo run --release -p monotile --example gpt
//! ```

use monotile::attention::{AttentionOptions, rotary, rotary_tables, scaled_dot_product_attention};
use monotile::io::{SafeTensors, write_safetensors};
use monotile::ops::{CrossEntropyOptions, cross_entropy, embedding, rms_norm, swiglu};
use monotile::optim::{AdamW, AdamWOptions, Decay, Schedule, clip_gradients};
use monotile::tape::grad;
use monotile::{DType, Result, Rng, Tensor, einsum};

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
    let arrow = Tensor::full(&[count, 1], LETTERS as i64)?;
    let ignored = Tensor::full(&[count, LENGTH], IGNORED)?;
    let read = Tensor::cat(&[&question, &arrow, &answer.slice(1, ..-1)?], 1)?;
    Ok((read, Tensor::cat(&[ignored, answer], 1)?))
}

/// The name of every weight, and its shape.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let head = WIDTH / HEADS;
    let mut shapes = vec![("embedding".to_string(), vec![LETTERS + 1, WIDTH]), ("norm".to_string(), vec![WIDTH])];
    for block in 0..BLOCKS {
        let parts: [(&str, &[usize]); 6] = [
            ("attention.norm", &[WIDTH]),
            ("attention.qkv", &[3, HEADS, head, WIDTH]),
            ("attention.out", &[HEADS, head, WIDTH]),
            ("gated.norm", &[WIDTH]),
            ("gated.up", &[2, HIDDEN, WIDTH]),
            ("gated.down", &[HIDDEN, WIDTH]),
        ];
        shapes.extend(parts.map(|(name, shape)| (format!("blocks.{block}.{name}"), shape.to_vec())));
    }
    shapes
}

/// Weights to start from: norms multiply by 1, matrices are drawn so that what they make varies as little as what they take.
fn initial(rng: &mut Rng) -> Result<Vec<Tensor>> {
    let draw = |(_, shape): (String, Vec<usize>)| match shape.len() {
        1 => Tensor::ones(&shape, DType::F32),
        _ => rng.normal(&shape, DType::F32)?.mul(0.5 / (WIDTH as f64).sqrt()),
    };
    shapes().into_iter().map(draw).map(|w| Ok(w?.requires_grad())).collect()
}

/// What the model expects after each token: tokens `(b, t)` give logits `(b, t, LETTERS + 1)`.
fn logits(weights: &[Tensor], tokens: &Tensor) -> Result<Tensor> {
    let [table, norm, blocks @ ..] = weights else { panic!("a model has an embedding, a norm and blocks") };
    let (cos, sin) = rotary_tables(&Tensor::arange(tokens.dim(1))?, WIDTH / HEADS, 100.0, DType::F32)?;
    let causal = AttentionOptions { causal: true, ..Default::default() };
    let mut x = embedding(table, tokens)?;
    for block in blocks.chunks_exact(6) {
        let [norm, qkv, out, gated_norm, up, down] = block else { unreachable!("chunks of six") };
        // One product for queries, keys and values of all heads (n, b, h, t, d).
        let qkv = einsum("btc,nhdc->nbhtd", &[&rms_norm(&x, norm, 1e-5)?, qkv])?.unbind(0)?;
        let (q, k) = (rotary(&qkv[0], &cos, &sin)?, rotary(&qkv[1], &cos, &sin)?);
        let seen = scaled_dot_product_attention(&q, &k, &qkv[2], &causal)?;
        x = x.add(einsum("bhtd,hdc->btc", &[&seen, out])?)?;
        let hidden = einsum("btc,nfc->nbtf", &[&rms_norm(&x, gated_norm, 1e-5)?, up])?;
        x = x.add(swiglu(&hidden.select(0, 0)?, &hidden.select(0, 1)?)?.matmul(down)?)?;
    }
    rms_norm(&x, norm, 1e-5)?.matmul(&table.t())
}

/// The likeliest letters after `tokens` `(b, t)`, one by one: `(b, LENGTH)`.
fn continued(weights: &[Tensor], tokens: &Tensor) -> Result<Tensor> {
    let mut tokens = tokens.clone();
    for _ in 0..LENGTH {
        let next = logits(weights, &tokens)?.select(1, -1)?.argmax(&[-1], true)?;
        tokens = Tensor::cat(&[tokens, next], 1)?;
    }
    tokens.slice(1, -(LENGTH as isize)..)
}

fn text(tokens: &Tensor) -> Result<String> {
    Ok(tokens.to_vec::<i64>()?.into_iter().map(|t| char::from(b'a' + t as u8)).collect())
}

/// The part of unseen rows that are sorted without a fault; prints the first few.
fn sorted(weights: &[Tensor]) -> Result<f64> {
    let count = 500;
    let (read, targets) = rows(count, &mut Rng::new(1))?;
    let answer = targets.slice(1, LENGTH..)?;
    let given = continued(weights, &read.slice(1, ..=LENGTH)?)?;
    for row in 0..4 {
        let (question, given) = (read.select(0, row)?.slice(0, ..LENGTH)?, given.select(0, row)?);
        println!("    {} > {}", text(&question)?, text(&given)?);
    }
    Ok(given.eq(&answer)?.all(&[-1], false)?.count_nonzero(&[], false)?.item::<i64>()? as f64 / count as f64)
}

fn main() -> Result<()> {
    let mut rng = Rng::new(0);
    let mut weights = initial(&mut rng)?;
    println!("{:.1} % of unseen rows are sorted before training:", 100.0 * sorted(&weights)?);

    let schedule = Schedule { peak: 4e-3, floor: 2e-4, warmup: 20, steps: STEPS, decay: Decay::Cosine };
    let mut optimizer = AdamW::new(AdamWOptions { weight_decay: 0.05, decay_from_rank: 2, ..Default::default() });
    let counted = CrossEntropyOptions { ignore_index: Some(IGNORED), ..Default::default() };
    println!("\n step      loss   length of the gradient");
    for step in 0..STEPS {
        let (read, targets) = rows(BATCH, &mut rng)?;
        let loss = cross_entropy(&logits(&weights, &read)?, &targets, &counted)?;
        let mut gradients = grad(&loss, &weights)?;
        let length = clip_gradients(&mut gradients, 1.0)?;
        if step % 50 == 0 || step == STEPS - 1 {
            println!("{step:5}  {:8.4}   {:.2}", loss.item::<f32>()?, length.item::<f32>()?);
        }
        optimizer.options.lr = schedule.learning_rate(step);
        optimizer.step(&mut weights, &gradients)?;
    }

    // A file that PyTorch and Python read too; the copy that is read again answers by the same bits.
    let path = std::env::temp_dir().join(format!("monotile-gpt-{}.safetensors", std::process::id()));
    let names = shapes();
    let named: Vec<(&str, &Tensor)> = names.iter().map(|(name, _)| name.as_str()).zip(&weights).collect();
    write_safetensors(&path, &named, &[])?;
    let file = SafeTensors::open(&path)?;
    let read = names.iter().map(|(name, _)| file.tensor(name)).collect::<Result<Vec<_>>>()?;
    let (tokens, _) = rows(8, &mut rng)?;
    assert_eq!(logits(&read, &tokens)?.to_vec::<f32>()?, logits(&weights, &tokens)?.to_vec::<f32>()?);
    let numbers: usize = weights.iter().map(Tensor::len).sum();
    println!("\n{numbers} numbers were saved and read again.");

    let part = sorted(&read)?;
    println!("{:.1} % of unseen rows are sorted after it.", 100.0 * part);
    drop((read, file));
    let _ = std::fs::remove_file(&path);
    assert!(part > 0.95, "it learns to sort");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
