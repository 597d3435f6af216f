//! Scaled dot-product attention with memory that grows with the length and not with its square.
//!
//! Tiles of 32 queries and 32 keys meet under a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022), and each
//! row's log-sum-exp is kept. The backward pass recomputes probabilities from it, once for queries and once for keys: a workgroup
//! writes rows of its own alone, so that sums have one order and bits repeat. Few queries against many keys leave tiles empty: there
//! keys are split among workgroups.

mod backward;
mod decode;
mod forward;
mod tiles;

use monotile_kernels::shape::product as extent;

use self::decode::Splits;
use self::tiles::{Kind, SIDE};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, GpuType};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::Team;

/// Parameters before those of the operands.
const WORDS: usize = 9;
/// More than any number of keys: a limit so far off hides nothing.
const FAR: usize = 1 << 30;
/// The widest heads.
const MOST: usize = 256;

/// What hides keys, and what scores are multiplied by.
#[derive(Debug, Clone, Copy, Default)]
pub struct GpuAttentionOptions<'a> {
    /// What scores are multiplied by; 1/√d without one.
    pub scale: Option<f32>,
    /// Whether query i sees only the keys up to i + s − t.
    pub causal: bool,
    /// How many keys up to i + s − t query i sees at most: those before are hidden.
    pub window: Option<usize>,
    /// Of sizes (b, h, t, s): of type `Bool`, true where a query may look, or numbers that are added to the scores; below −1e29 they hide a key.
    pub mask: Option<&'a GpuOperand>,
}

/// The output of [`attention`], and what its gradient needs: contiguous blocks of f32.
#[derive(Debug, Clone)]
pub struct GpuAttention {
    /// (b, h, t, e)
    pub out: GpuBlock,
    /// The log-sum-exp of each row's scores, (b, h, t); −∞ where a row sees no key.
    pub lse: GpuBlock,
}

/// The gradients of [`attention`]: contiguous blocks of f32 of the operands' sizes.
#[derive(Debug, Clone)]
pub struct GpuAttentionGradients {
    /// (b, h, t, d)
    pub dq: GpuBlock,
    /// (b, g, s, d)
    pub dk: GpuBlock,
    /// (b, g, s, e)
    pub dv: GpuBlock,
}

/// The gradients of a loss with respect to what [`attention`] returned.
#[derive(Debug, Clone, Copy)]
pub struct GpuAttentionCotangents<'a> {
    /// With respect to the output, (b, h, t, e).
    pub dout: &'a GpuOperand,
    /// With respect to the log-sum-exp, a block of f32 (b, h, t), if there is one.
    pub dlse: Option<&'a GpuBlock>,
}

/// The sizes of attention, and the parameters of its kernels.
#[derive(Debug)]
struct Problem {
    batch: usize,
    heads: usize,
    groups: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    value_dim: usize,
    types: Vec<GpuType>,
    fours: Vec<bool>,
    words: Vec<u32>,
    mask: Option<GpuType>,
}

impl Problem {
    fn of([q, k, v]: [&GpuOperand; 3], options: &GpuAttentionOptions<'_>) -> GpuResult<Self> {
        let sizes = || format!("attention: sizes {:?}, {:?} and {:?}", q.sizes(), k.sizes(), v.sizes());
        let (&[batch, heads, queries, dim], &[kb, groups, keys, kd], &[vb, vg, vs, value_dim]) = (q.sizes(), k.sizes(), v.sizes())
        else {
            return Err(GpuError::invalid(format!("{} are not of (b, h, t, d), (b, g, s, d) and (b, g, s, e)", sizes())));
        };
        if [kb, vb] != [batch; 2] || [kd, vg, vs] != [dim, groups, keys] {
            return Err(GpuError::invalid(format!("{} are not of (b, h, t, d), (b, g, s, d) and (b, g, s, e)", sizes())));
        }
        if heads > 0 && (groups == 0 || !heads.is_multiple_of(groups)) {
            return Err(GpuError::invalid(format!(
                "attention: {heads} heads of queries are no multiple of {groups} heads of keys"
            )));
        }
        if dim.max(value_dim) > MOST || queries.max(keys) >= FAR / 2 {
            return Err(GpuError::limit(format!("{} are wider than {MOST} or longer than {}", sizes(), FAR / 2)));
        }
        let scale = options.scale.unwrap_or(1.0 / (dim as f32).sqrt());
        let ahead = if options.causal { 0 } else { FAR / 2 };
        let window = options.window.map_or(FAR, |window| window.min(FAR));
        let mut words = [heads, groups, queries, keys, dim, value_dim].map(|size| size as u32).to_vec();
        words.extend([scale.to_bits(), ahead as u32, window as u32]);
        if let Some(mask) = options.mask
            && (mask.sizes() != [batch, heads, queries, keys] || mask.dtype() == GpuType::I32)
        {
            let (seen, dtype) = (mask.sizes(), mask.dtype());
            return Err(GpuError::invalid(format!("{} have no mask of {dtype:?} of sizes {seen:?}, but of (b, h, t, s)", sizes())));
        }
        let (types, fours, mask) = (Vec::new(), Vec::new(), options.mask.map(GpuOperand::dtype));
        let mut problem = Self { batch, heads, groups, queries, keys, dim, value_dim, types, fours, words, mask };
        [q, k, v].into_iter().for_each(|operand| problem.add(operand));
        Ok(problem)
    }

    fn add(&mut self, operand: &GpuOperand) {
        self.types.push(operand.dtype());
        let strides = operand.strides();
        let aligned = operand.offset().is_multiple_of(4) && strides[..3].iter().all(|stride| stride % 4 == 0);
        self.fours.push(strides[3] == 1 && operand.sizes()[3].is_multiple_of(4) && aligned);
        self.words.push(operand.offset() as u32);
        self.words.extend(operand.strides().iter().map(|&stride| stride as u32));
    }

    /// The parameters of the mask, after those of all operands.
    fn add_mask(&mut self, options: &GpuAttentionOptions<'_>) {
        if let Some(mask) = options.mask {
            self.words.push(mask.offset() as u32);
            self.words.extend(mask.strides().iter().map(|&stride| stride as u32));
        }
    }

    /// Rows of all heads.
    fn rows(&self) -> usize {
        extent([self.batch, self.heads, self.queries])
    }

    /// Bytes of a result of so many heads, rows and columns.
    fn bytes(&self, heads: usize, rows: usize, width: usize) -> u64 {
        extent([self.batch, heads, rows, width, 4]) as u64
    }
}

/// out = softmax(scale · q kᵀ + mask) v of q (b, h, t, d), k (b, g, s, d) and v (b, g, s, e), with its log-sum-exp.
///
/// Query head i reads key head i / (h / g). Operands are read where they lie, by any strides; bf16 and f16 are widened. Sums are in
/// f32. A row that sees no key is 0, and its log-sum-exp −∞. Up to eight queries against many keys, as in decoding, are split over keys.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuAttentionOptions, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, attention};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 1, 2, 2])?;
/// let options = GpuAttentionOptions { causal: true, ..Default::default() };
/// let y = stream.read_blocking(&attention(&stream, [&x, &x, &x], &options)?.out)?;
/// // The first query sees the first value alone.
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y)[..2], [1.0, 2.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the sizes do not fit, or d or e is above 256.
///
/// # Source
/// Dao et al., *FlashAttention* (2022).
#[doc(alias = "scaled_dot_product_attention")]
pub fn attention(stream: &GpuStream, qkv: [&GpuOperand; 3], options: &GpuAttentionOptions<'_>) -> GpuResult<GpuAttention> {
    let mut problem = Problem::of(qkv, options)?;
    let blocks = qkv.map(GpuOperand::block);
    let inputs: Vec<&GpuBlock> = blocks.into_iter().chain(options.mask.map(GpuOperand::block)).collect();
    let take = |width| stream.pool().take(problem.bytes(problem.heads, problem.queries, width), &inputs);
    let result = GpuAttention { out: take(problem.value_dim)?, lse: take(1)? };
    let kind = Kind::of(&problem);
    // Splits of keys read no mask.
    if options.mask.is_none()
        && let Some(splits) = Splits::of(&problem, options.window, stream.gpu().capabilities())
    {
        return decoded(stream, &problem, &kind, splits, result, blocks);
    }
    let kernel = stream.kernel(("attention", kind.key()), || forward::text(&kind))?;
    let groups = extent([problem.batch, problem.heads, problem.queries.div_ceil(SIDE)]) as u64;
    problem.add_mask(options);
    stream.dispatch(&kernel, &inputs, &[&result.out, &result.lse], &problem.words, groups)?;
    Ok(result)
}

/// [`attention`] of few queries: sums of splits of the keys, and what they are together.
fn decoded(
    stream: &GpuStream,
    problem: &Problem,
    kind: &Kind,
    splits: Splits,
    result: GpuAttention,
    blocks: [&GpuBlock; 3],
) -> GpuResult<GpuAttention> {
    // A kernel's results are in no buffer of its operands.
    let apart = [blocks[0], blocks[1], blocks[2], &result.out, &result.lse];
    let take = |width| stream.pool().take(problem.bytes(problem.heads, problem.queries * splits.count, width), &apart);
    let (sums, scales) = (take(problem.value_dim)?, take(2)?);
    let mut words = problem.words.clone();
    words.extend(splits.words());
    let mut key = kind.key();
    key.push(splits.rows as u64);
    let kernel = stream.kernel(("attention of few queries", key), || decode::partial(kind, splits.rows))?;
    let groups = extent([problem.batch, problem.groups, splits.chunks, splits.count]) as u64;
    stream.dispatch(&kernel, &blocks, &[&sums, &scales], &words, groups)?;
    let kernel = stream.kernel(("attention merged", Vec::new()), decode::merge)?;
    let words = [splits.count, problem.value_dim].map(|x| x as u32);
    stream.dispatch(&kernel, &[&sums, &scales], &[&result.out, &result.lse], &words, problem.rows() as u64)?;
    Ok(result)
}

/// The gradients of [`attention`] with respect to q, k and v.
///
/// With P = exp(scale · q kᵀ − lse) and δ = rowsum(dout ∘ out) − dlse: dS = P ∘ (dout vᵀ − δ), dq = scale · dS k,
/// dk = scale · dSᵀ q, dv = Pᵀ dout. Hidden keys have no part in them.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, attention, attention_backward};
/// use monotile_gpu::{GpuAttentionCotangents, GpuAttentionOptions};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 1, 1, 2])?;
/// let options = GpuAttentionOptions::default();
/// let forward = attention(&stream, [&x, &x, &x], &options)?;
/// let cotangents = GpuAttentionCotangents { dout: &x, dlse: None };
/// let gradients = attention_backward(&stream, [&x, &x, &x], &forward, &cotangents, &options)?;
/// // One key has the probability 1 whatever its score is.
/// let dv = stream.read_blocking(&gradients.dv)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&dv), [1.0, 2.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// As [`attention`]; if the cotangents or what the forward pass kept have other sizes.
pub fn attention_backward(
    stream: &GpuStream,
    qkv: [&GpuOperand; 3],
    forward: &GpuAttention,
    cotangents: &GpuAttentionCotangents<'_>,
    options: &GpuAttentionOptions<'_>,
) -> GpuResult<GpuAttentionGradients> {
    let mut problem = Problem::of(qkv, options)?;
    let GpuAttentionCotangents { dout, dlse } = *cotangents;
    let out_sizes = [problem.batch, problem.heads, problem.queries, problem.value_dim];
    if dout.sizes() != out_sizes {
        let sizes = dout.sizes();
        return Err(GpuError::invalid(format!("attention_backward: a cotangent of sizes {sizes:?} for a result of {out_sizes:?}")));
    }
    let rows = problem.rows();
    let kept = [forward.out.bytes(), forward.lse.bytes(), dlse.map_or(4 * rows as u64, GpuBlock::bytes)];
    if kept != [problem.bytes(problem.heads, problem.queries, problem.value_dim), 4 * rows as u64, 4 * rows as u64] {
        let text =
            format!("attention_backward: blocks of {kept:?} bytes are no output, log-sum-exp and its cotangent of {out_sizes:?}");
        return Err(GpuError::invalid(text));
    }
    problem.add(dout);
    let kind = Kind::of(&problem);

    let team = Team::new(problem.value_dim, true);
    let mut inputs = vec![&forward.out, dout.block(), &forward.lse];
    inputs.extend(dlse);
    let kept = stream.pool().take(8 * rows as u64, &inputs)?;
    let mut words = [problem.heads, problem.queries, problem.value_dim, rows].map(|size| size as u32).to_vec();
    words.extend(&problem.words[WORDS + 5 * 3..]);
    let key = vec![team.key(), dout.dtype() as u64, u64::from(dlse.is_some())];
    let kernel = stream.kernel(("attention delta", key), || backward::delta(&kind, team, dlse.is_some()))?;
    stream.dispatch(&kernel, &inputs, &[&kept], &words, rows.div_ceil(team.columns) as u64)?;

    let [q, k, v] = qkv.map(GpuOperand::block);
    problem.add_mask(options);
    let inputs: Vec<&GpuBlock> = [q, k, v, dout.block(), &kept].into_iter().chain(options.mask.map(GpuOperand::block)).collect();
    let take = |bytes| stream.pool().take(bytes, &inputs);
    let Problem { batch, heads, groups, queries, keys, dim, value_dim, .. } = problem;
    let result = GpuAttentionGradients {
        dq: take(problem.bytes(heads, queries, dim))?,
        dk: take(problem.bytes(groups, keys, dim))?,
        dv: take(problem.bytes(groups, keys, value_dim))?,
    };
    let kernel = stream.kernel(("attention queries' gradient", kind.key()), || backward::of_queries(&kind))?;
    let of_queries = extent([batch, heads, queries.div_ceil(SIDE)]) as u64;
    stream.dispatch(&kernel, &inputs, &[&result.dq], &problem.words, of_queries)?;
    let kernel = stream.kernel(("attention keys' gradient", kind.key()), || backward::of_keys(&kind))?;
    let of_keys = extent([batch, groups, keys.div_ceil(SIDE)]) as u64;
    stream.dispatch(&kernel, &inputs, &[&result.dk, &result.dv], &problem.words, of_keys)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (number, (types, blocks)) in [
            ([GpuType::F32; 4], [1, 1]),
            ([GpuType::F32, GpuType::BF16, GpuType::BF16, GpuType::F32], [3, 2]),
            ([GpuType::F16, GpuType::F16, GpuType::F16, GpuType::BF16], [8, 8]),
            ([GpuType::F32; 4], [0, 0]),
        ]
        .into_iter()
        .enumerate()
        {
            let mask = [None, Some(GpuType::Bool), Some(GpuType::BF16), Some(GpuType::F32)][number];
            let kind =
                Kind { types: types.to_vec(), fours: vec![number % 2 == 1, number > 0, number > 1, number > 0], blocks, mask };
            validate(&forward::text(&Kind { types: types[..3].to_vec(), fours: kind.fours[..3].to_vec(), ..kind.clone() }));
            validate(&backward::of_queries(&kind));
            validate(&backward::of_keys(&kind));
            for dlse in [false, true] {
                validate(&backward::delta(&kind, Team::new(32 * blocks[1], true), dlse));
            }
        }
        assert!(tiles::bytes() <= 16384);
    }
}
