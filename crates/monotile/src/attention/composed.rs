//! The gradients of attention from differentiable operations, with all scores in memory: for gradients of gradients, and
//! of an additive mask.

use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;

/// How scores are made of queries, keys and perhaps an additive mask, which is then the fourth input.
#[derive(Clone, Copy)]
pub(super) struct Scores<'a> {
    pub scale: f64,
    pub causal: bool,
    pub boolean: Option<&'a Tensor>,
    pub additive: bool,
}

impl Scores<'_> {
    /// What hides keys: 0 where a query may look and -∞ elsewhere, `(b, h, t, s)`; `None` where it may look everywhere.
    fn bias(&self, [b, h, t, s]: [usize; 4]) -> Result<Option<Tensor>> {
        if !self.causal && self.boolean.is_none() {
            return Ok(None);
        }
        let seen = self.boolean.map(Tensor::to_f64_vec).transpose()?;
        let hidden = |at: usize| self.causal && at % s + t > at / s % t + s || seen.as_ref().is_some_and(|seen| seen[at] == 0.0);
        let bias = (0..b * h * t * s).map(|at| if hidden(at) { f64::NEG_INFINITY } else { 0.0 }).collect();
        Tensor::from_vec::<f64>(bias, &[b, h, t, s]).map(Some)
    }
}

/// The wanted gradients of (q, k, v) or (q, k, v, mask) from those of (out, lse).
///
/// P = E / Σ E with E = exp(S − c), where c is the log-sum-exp as a constant: any constant gives the same P and the same
/// derivatives, and this one keeps E below 1.
pub(super) fn gradients(saved: &Saved, cotangents: &[Option<Tensor>], scores: Scores<'_>) -> Result<Vec<Option<Tensor>>> {
    let (q, k, v) = (saved.input(0), saved.input(1), saved.input(2));
    let dtype = q.dtype();
    let [b, h, t, d] = [q.dim(0), q.dim(1), q.dim(2), q.dim(3)];
    let [g, s, e] = [k.dim(1), k.dim(2), v.dim(3)];
    // The queries of the heads that share a key head are rows of one product.
    let shared = |x: &Tensor| x.reshape(&[b, g, h / g.max(1) * t, x.dim(3)]);
    let apart = |x: &Tensor| x.reshape(&[b, h, t, x.dim(3)]);

    let mut sums = apart(&shared(&q)?.matmul(&k.mt())?)?.mul_scalar(scores.scale)?;
    if scores.additive {
        sums = sums.add(&saved.input(3))?;
    }
    if let Some(bias) = scores.bias([b, h, t, s])? {
        sums = sums.add(&bias.to_dtype(dtype)?)?;
    }
    let lse = saved.output(1).to_f64_vec()?;
    let sees = |x: &f64| *x != f64::NEG_INFINITY;
    let column = |values: Vec<f64>| Tensor::from_vec::<f64>(values, &[b, h, t, 1])?.to_dtype(dtype);
    let c = column(lse.iter().map(|x| if sees(x) { *x } else { 0.0 }).collect())?;
    // A query that sees no key has E = 0, and 1 in place of the sum makes its P and all derivatives 0.
    let nothing = column(lse.iter().map(|x| if sees(x) { 0.0 } else { 1.0 }).collect())?;
    let exponentials = sums.sub(&c)?.exp()?;
    let p = exponentials.div(&exponentials.sum_keepdim(&[-1])?.add(&nothing)?)?; // (b, h, t, s)

    let mut answers = vec![None; 3 + usize::from(scores.additive)];
    let mut ds = None;
    if let Some(dout) = &cotangents[0] {
        if saved.needs(2) {
            answers[2] = Some(shared(&p)?.mt().matmul(&shared(dout)?)?);
        }
        let dp = apart(&shared(dout)?.matmul(&v.mt())?)?;
        let delta = p.mul(&dp)?.sum_keepdim(&[-1])?;
        ds = Some(p.mul(&dp.sub(&delta)?)?);
    }
    if let Some(dlse) = &cotangents[1] {
        let from_lse = p.mul(&dlse.unsqueeze(-1)?)?;
        ds = Some(match ds {
            Some(ds) => ds.add(&from_lse)?,
            None => from_lse,
        });
    }
    let Some(ds) = ds else { return Ok(answers) };
    debug_assert!(ds.shape() == [b, h, t, s] && v.shape() == [b, g, s, e]);
    if saved.needs(0) {
        answers[0] = Some(shared(&ds)?.matmul(&k)?.mul_scalar(scores.scale)?.reshape(&[b, h, t, d])?);
    }
    if saved.needs(1) {
        answers[1] = Some(shared(&ds)?.mt().matmul(&shared(&q)?)?.mul_scalar(scores.scale)?);
    }
    if scores.additive && saved.needs(3) {
        answers[3] = Some(ds);
    }
    Ok(answers)
}
