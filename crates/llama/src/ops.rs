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

pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (n, v) = (logits.dim(0), logits.dim(1));
    let mut hot = vec![0f32; n * v];
    for (i, id) in targets.to_vec::<i64>()?.into_iter().enumerate() {
        hot[i * v + id as usize] = 1.0;
    }
    let picked = logits.mul(&Tensor::from_vec(hot, &[n, v])?)?.sum(&[-1])?;
    logits.exp()?.sum(&[-1])?.ln()?.sub(&picked)?.sum(&[])?.mul_scalar(1.0 / n as f64)
}

pub fn dropout(x: &Tensor, p: f64, rng: &mut Rng) -> Result<Tensor> {
    let keep = rng.uniform(x.shape(), 0.0, 1.0, DType::F32)?.to_vec::<f32>()?;
    let keep = keep.into_iter().map(|u| if f64::from(u) < p { 0.0 } else { (1.0 / (1.0 - p)) as f32 }).collect();
    x.mul(&Tensor::from_vec::<f32>(keep, x.shape())?)
}
