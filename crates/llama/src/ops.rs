//! The operations of a transformer, composed of simpler ones.

use monotile::{DType, Error, Result, Rng, Tensor};

pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (v, h) = (table.dim(0), table.dim(1));
    let list = ids.to_vec::<i64>()?;
    let mut hot = vec![0f32; list.len() * v];
    for (i, &id) in list.iter().enumerate() {
        if id < 0 || id as usize >= v {
            return Err(Error::value(format!("embedding: index {id} of a table of {v} rows")));
        }
        hot[i * v + id as usize] = 1.0;
    }
    let mut shape = ids.shape().to_vec();
    shape.push(h);
    Tensor::from_vec(hot, &[list.len(), v])?.matmul(table)?.reshape(&shape)
}

pub fn rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    let ms = x.mul(x)?.sum_keepdim(&[-1])?.mul_scalar(1.0 / x.dim(-1) as f64)?.add_scalar(eps)?;
    x.mul(&ms.ln()?.mul_scalar(-0.5)?.exp()?)?.mul(w)
}

pub fn silu(x: &Tensor) -> Result<Tensor> {
    x.div(&x.neg()?.exp()?.add_scalar(1.0)?)
}

pub fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let d = x.dim(-1);
    let mut p = vec![0f32; d * d];
    for i in 0..d / 2 {
        p[(i + d / 2) * d + i] = -1.0;
        p[i * d + i + d / 2] = 1.0;
    }
    let p = Tensor::from_vec(p, &[d, d])?;
    let wide = |t: &Tensor| t.unsqueeze(1)?.expand(&[t.dim(0), 2, d / 2])?.reshape(&[t.dim(0), d]);
    x.mul(&wide(cos)?)?.add(&x.matmul(&p)?.mul(&wide(sin)?)?)
}

pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (b, h, t, d) = (q.dim(0), q.dim(1), q.dim(2), q.dim(3));
    let (g, s) = (k.dim(1), k.dim(2));
    let q = q.reshape(&[b, g, h / g, t, d])?;
    let (k, v) = (k.unsqueeze(2)?, v.unsqueeze(2)?);
    let mut mask = vec![0f32; t * s];
    for i in 0..t {
        mask[i * s..i * s + i + 1 + s - t].fill(1.0);
    }
    let mask = Tensor::from_vec(mask, &[t, s])?;
    let p = q.matmul(&k.mt())?.mul_scalar(1.0 / (d as f64).sqrt())?.exp()?.mul(&mask)?;
    p.div(&p.sum_keepdim(&[-1])?)?.matmul(&v)?.reshape(&[b, h, t, d])
}

pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (n, v) = (logits.dim(0), logits.dim(1));
    let mut hot = vec![0f32; n * v];
    for (i, id) in targets.to_vec::<i64>()?.into_iter().enumerate() {
        hot[i * v + id as usize] = 1.0;
    }
    let picked = logits.mul(&Tensor::from_vec(hot, &[n, v])?)?.sum(&[-1])?;
    logits.exp()?.sum(&[-1])?.ln()?.sub(&picked)?.sum(&[])?.mul_scalar(1.0 / n as f64)
}

pub fn cat(a: &Tensor, b: &Tensor, axis: usize) -> Result<Tensor> {
    let inner = |t: &Tensor| t.shape()[axis..].iter().product::<usize>();
    let (x, y) = (a.to_vec::<f32>()?, b.to_vec::<f32>()?);
    let mut out = Vec::with_capacity(x.len() + y.len());
    for (x, y) in x.chunks(inner(a)).zip(y.chunks(inner(b))) {
        out.extend_from_slice(x);
        out.extend_from_slice(y);
    }
    let mut shape = a.shape().to_vec();
    shape[axis] += b.shape()[axis];
    Tensor::from_vec(out, &shape)
}

pub fn dropout(x: &Tensor, p: f64, rng: &mut Rng) -> Result<Tensor> {
    let keep = rng.uniform(x.shape(), 0.0, 1.0, DType::F32)?.to_vec::<f32>()?;
    let keep = keep.into_iter().map(|u| if f64::from(u) < p { 0.0 } else { (1.0 / (1.0 - p)) as f32 }).collect();
    x.mul(&Tensor::from_vec::<f32>(keep, x.shape())?)
}
