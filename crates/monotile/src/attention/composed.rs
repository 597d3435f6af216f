//! The gradients of attention from differentiable operations, with all scores in memory: for gradients of gradients, and
//! of an additive mask.

use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;

/// How scores are made of queries, keys and perhaps an additive mask, which is then the fourth input.
#[derive(Clone, Copy)]
pub(super) struct ComposedScores<'a> {
    pub scale: f64,
    pub causal: bool,
    pub boolean: Option<&'a Tensor>,
    pub additive: bool,
}

impl ComposedScores<'_> {
    /// What hides keys: 0 where a query may look and -∞ elsewhere, of a shape that broadcasts to `(b, h, t, s)`; `None` where it may look
    /// everywhere.
    #[track_caller]
    fn bias(&self, [t, s]: [usize; 2], q: &Tensor) -> Result<Option<Tensor>> {
        let dtype = q.dtype();
        let masked = self.boolean.map(Tensor::not).transpose()?;
        // Query i of t sees the keys j of s with j − s ≤ i − t.
        let later = |t: usize, s: usize| {
            let last = Tensor::arange(t)?.add(Tensor::scalar(s as i64 - t as i64))?.unsqueeze(-1)?;
            Tensor::arange(s)?.gt(&last)?.to(&q.device())
        };
        let hidden = match (self.causal.then(|| later(t, s)).transpose()?, masked) {
            (Some(later), Some(masked)) => later.or(&masked)?,
            (Some(hidden), None) | (None, Some(hidden)) => hidden,
            (None, None) => return Ok(None),
        };
        hidden.where_(Tensor::scalar_as(f64::NEG_INFINITY, dtype), Tensor::scalar_as(0.0, dtype)).map(Some)
    }
}

/// The wanted gradients of (q, k, v) or (q, k, v, mask) from those of (out, lse).
///
/// P = E / Σ E with E = exp(S − c), where c is the log-sum-exp as a constant: any constant gives the same P and the same
/// derivatives, and this one keeps E below 1.
#[track_caller]
pub(super) fn gradients(saved: &Saved, cotangents: &[Option<Tensor>], scores: ComposedScores<'_>) -> Result<Vec<Option<Tensor>>> {
    let (q, k, v) = (saved.input(0), saved.input(1), saved.input(2));
    let dtype = q.dtype();
    let [b, h, t, d] = [q.dim(0), q.dim(1), q.dim(2), q.dim(3)];
    let [g, s, e] = [k.dim(1), k.dim(2), v.dim(3)];
    // The queries of the heads that share a key head are rows of one product.
    let shared = |x: &Tensor| x.reshape(&[b, g, h / g.max(1) * t, x.dim(3)]);
    let apart = |x: &Tensor| x.reshape(&[b, h, t, x.dim(3)]);

    let mut sums = apart(&shared(&q)?.matmul(&k.mt())?)?.mul_scalar(scores.scale)?;
    if scores.additive {
        sums = sums.add(saved.input(3))?;
    }
    if let Some(bias) = scores.bias([t, s], &q)? {
        sums = sums.add(&bias)?;
    }
    let lse = saved.output(1).detach().unsqueeze(-1)?;
    let [zero, one, infinite] = [0.0, 1.0, f64::NEG_INFINITY].map(|x| Tensor::scalar_as(x, dtype));
    let sees = lse.ne(&infinite)?;
    let c = sees.where_(&lse, &zero)?;
    // A query that sees no key has E = 0, and 1 in place of the sum makes its P and all derivatives 0.
    let nothing = sees.where_(&zero, &one)?;
    let exponentials = sums.sub(&c)?.exp()?;
    let p = exponentials.div(&exponentials.sum(&[-1], true)?.add(&nothing)?)?; // (b, h, t, s)

    let mut answers = vec![None; 3 + usize::from(scores.additive)];
    let mut ds = None;
    if let Some(dout) = &cotangents[0] {
        if saved.needs(2) {
            answers[2] = Some(shared(&p)?.mt().matmul(&shared(dout)?)?);
        }
        let dp = apart(&shared(dout)?.matmul(&v.mt())?)?;
        let delta = p.mul(&dp)?.sum(&[-1], true)?;
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
