//! What a run takes, from its sizes alone, before anything is computed.

use monotile::DType;

use super::TrainOptions;
use crate::config::Config;
use crate::linear::{LinearKind, LinearLayer};
use crate::lora::{AdaptedLayer, LoraInit};

/// What is trained, as far as memory depends on it.
#[derive(Debug, Clone, Copy)]
pub enum PlanSubject<'a> {
    /// All weights.
    Everything,
    /// A and B of these layers.
    Adapter {
        /// The layers.
        layers: &'a [AdaptedLayer],
        /// How they start.
        init: LoraInit,
        /// The share of their inputs that is dropped out.
        dropout: f64,
    },
}

/// The memory and the tokens of a training run, counted from what the operations keep.
///
/// A pass keeps for the walk backward what its rules read; a block's cotangents come and go on top of that. With checkpointing a block
/// keeps its input alone, and one block at a time is there in full. Buffers of kernels, the text and the program itself are
/// not counted; frozen weights are not either: they stay in their mapped files, which the system keeps in memory as far as there is room.
///
/// # Example
/// ```
/// use monotile::DType;
/// use monotile_llama::{Config, train::{TrainingPlan, PlanSubject, TrainOptions}};
/// let plan = |batch| {
///     let options = TrainOptions { batch, ..Default::default() };
///     TrainingPlan::new(&Config::default(), PlanSubject::Everything, 128, &options, DType::F32)
/// };
/// assert_eq!(plan(4).trained, Config::default().parameters());
/// assert_eq!(plan(8).activations, 2 * plan(4).activations);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingPlan {
    /// How many numbers are trained.
    pub trained: usize,
    /// Bytes of what is trained, of the optimizer's two averages, of the best numbers where patience keeps them, and of the matrices that
    /// adapters started from.
    pub state: u64,
    /// Bytes of gradients; twice what is trained where passes are accumulated.
    pub gradients: u64,
    /// Bytes that the blocks keep for the walk backward.
    pub activations: u64,
    /// Bytes of the logits and of what leads to them.
    pub logits: u64,
    /// Bytes that come and go in the walk backward, at most: cotangents, and a block that is computed again.
    pub work: u64,
    /// Tokens that a step predicts.
    pub tokens: u64,
    /// How many steps.
    pub steps: usize,
}

impl TrainingPlan {
    /// The plan of a run on rows of `length` tokens, computed in `compute`. What does not fit 64 bits counts as the largest number that
    /// does: no machine has it.
    pub fn new(config: &Config, subject: PlanSubject, length: usize, options: &TrainOptions, compute: DType) -> Self {
        let number = if compute == DType::F64 { 8 } else { 4 };
        let (trained, started) = match subject {
            PlanSubject::Everything => (config.parameters(), 0),
            PlanSubject::Adapter { layers: sites, init: start, .. } => {
                let one = |site: &AdaptedLayer| site.rank.saturating_mul(config.shape(site.layer.kind()).iter().sum());
                let trained = sites.iter().map(one).fold(0, usize::saturating_add);
                (trained, if start.needs_base_weight() { trained.saturating_mul(4) } else { 0 })
            }
        };
        let predicted = length.saturating_sub(1);
        let tokens = product(&[options.batch, predicted]);
        let bytes = |numbers: u64| numbers.saturating_mul(number).saturating_mul(tokens);
        let (hidden, blocks) = (config.hidden_size, config.num_hidden_layers);
        // Where everything is trained, a block is as the others.
        let (kinds, of_each) = if matches!(subject, PlanSubject::Everything) { (1, blocks) } else { (blocks, 1) };
        let kept = || (0..kinds).map(|block| block_keeps(config, subject, block) as u64);
        let largest = kept().max().unwrap_or(0);
        let all = kept().fold(0, u64::saturating_add).saturating_mul(of_each as u64);
        let cotangents = block_cotangents(config) as u64;
        let activations = if options.checkpointing { product(&[blocks, hidden]) } else { all };
        let again = if options.checkpointing { largest.saturating_add(cotangents) } else { cotangents };
        let trained_bytes = (trained as u64).saturating_mul(number);
        let kept_whole = 3 + u64::from(options.patience.is_some());
        Self {
            trained,
            state: trained_bytes.saturating_mul(kept_whole).saturating_add(started as u64),
            gradients: trained_bytes.saturating_mul(if options.accumulate > 1 { 2 } else { 1 }),
            activations: bytes(activations),
            logits: bytes((hidden + head_keeps(config, subject)) as u64),
            // The logits' cotangents are gone when the first block's turn comes.
            work: bytes(again.max((config.vocab_size + hidden) as u64)),
            tokens: tokens.saturating_mul(options.accumulate as u64),
            steps: options.steps,
        }
    }

    /// Bytes at the peak of a step.
    pub fn memory(&self) -> u64 {
        // Clipping makes shortened gradients while the activations are gone.
        let passing = [self.activations, self.logits, self.work].into_iter().fold(self.gradients, u64::saturating_add);
        self.state.saturating_add(passing.max(self.gradients.saturating_mul(2)))
    }
}

/// A product of counts, or the largest number where it is beyond that.
fn product(counts: &[usize]) -> u64 {
    counts.iter().fold(1, |product, &count| product.saturating_mul(count as u64))
}

/// Numbers a token that a block keeps.
fn block_keeps(config: &Config, subject: PlanSubject, block: usize) -> usize {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (queries, keys) = (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
    let inputs = [&[LinearKind::Q, LinearKind::K, LinearKind::V][..], &[LinearKind::Gate, LinearKind::Up], &[LinearKind::Down]]
        .iter()
        .map(|layers| input_keeps(config, subject, block, layers))
        .sum::<usize>();
    // Attention's output is kept in any case.
    let dropped = input_keeps(config, subject, block, &[LinearKind::O]).saturating_sub(queries);
    let norms = 2 * (hidden + 1);
    // Rotated queries and keys, values, the output and a log-sum-exp a head.
    let attention = 2 * (queries + keys) + config.num_attention_heads;
    norms + attention + 2 * inner + inputs + dropped + ranks(subject, |site| site.layer.index() == Some(block))
}

/// Numbers a token kept of the common input of some layers, for the gradients of their matrices.
fn input_keeps(config: &Config, subject: PlanSubject, block: usize, layers: &[LinearKind]) -> usize {
    let columns = layers.iter().map(|&linear| config.shape(linear)[1]).max().unwrap_or(0);
    match subject {
        PlanSubject::Everything => columns,
        PlanSubject::Adapter { layers: sites, dropout, .. } => {
            let trained = layers.iter().filter(|&&linear| sites.iter().any(|site| site.layer == LinearLayer::block(block, linear)));
            match trained.count() {
                0 => 0,
                // Each layer has a mask and an input of its own.
                count if dropout > 0.0 => 2 * count * columns,
                _ => columns,
            }
        }
    }
}

/// Numbers a token that stand between the last block and the loss, besides its input: the logits, and the output layer's input.
fn head_keeps(config: &Config, subject: PlanSubject) -> usize {
    let head = match subject {
        PlanSubject::Everything => config.hidden_size,
        PlanSubject::Adapter { layers: sites, dropout, .. } => {
            let adapted = sites.iter().any(|site| site.layer == LinearLayer::HEAD);
            if adapted { if dropout > 0.0 { 2 * config.hidden_size } else { config.hidden_size } } else { 0 }
        }
    };
    config.vocab_size + head + ranks(subject, |site| site.layer == LinearLayer::HEAD)
}

/// The ranks of the adapters on some layers: what lies between A and B.
fn ranks(subject: PlanSubject, of: impl Fn(&AdaptedLayer) -> bool) -> usize {
    match subject {
        PlanSubject::Everything => 0,
        PlanSubject::Adapter { layers: sites, .. } => sites.iter().filter(|site| of(site)).map(|site| site.rank).sum(),
    }
}

/// Numbers a token that the walk backward through a block holds at most, besides what is kept: around the gate, or around attention.
fn block_cotangents(config: &Config) -> usize {
    let (queries, keys) = (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
    2 * config.hidden_size + (3 * config.intermediate_size).max(3 * queries + 2 * keys)
}
