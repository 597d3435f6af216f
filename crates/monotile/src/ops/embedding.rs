//! The rows of a table that indices name.
//!
//! y[…, i] = table[ids[…], i]

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::ops::index::add_slices;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The row of `table` for each of `ids`.
///
/// Shapes: table `(vocab, dim)`, ids `(…)` of integers; the result is `(…, dim)`. A table of bf16 or f16 is read as f32, row by row.
///
/// # Gradient
/// The cotangent's rows, added up where `ids` repeat, in their order: the same bits for every number of threads.
///
/// # Errors
/// If the table is no matrix of floating-point numbers, the ids are no integers, or one is outside the table.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::embedding};
/// let table = Tensor::from_rows(&[[1.0_f32, 2.0], [3.0, 4.0]])?;
/// let ids = Tensor::from_vec(vec![1_i64, 0, 1], &[3])?;
/// assert_eq!(embedding(&table, &ids)?.to_vec::<f32>()?, [3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "Embedding")]
#[track_caller]
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    if table.rank() != 2 {
        return Err(Error::shape(format!("embedding: the table must be (vocab, dim), got shape {:?}", table.shape())));
    }
    if !table.dtype().is_float() {
        return Err(Error::dtype(format!("embedding: the table must be of floating-point numbers, got {}", table.dtype())));
    }
    let ids = check::indices("embedding", ids)?.contiguous_detached("embedding")?;
    let table = table.contiguous_for("embedding")?;
    let out = door::gather::rows("embedding", &table, &ids)?;
    Ok(Tensor::record(out, &[&table], LookUp { ids }))
}

struct LookUp {
    ids: Tensor,
}

impl Gradient for LookUp {
    fn name(&self) -> &'static str {
        "embedding"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // table̅[v] = Σ ȳ[…] over the places whose id is v.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let &[vocab, dim] = saved.input_shape(0) else { unreachable!("`embedding` takes a matrix") };
        let g = g.reshape(&[self.ids.len(), dim])?;
        add_slices(&g, 0, &self.ids, vocab).map(|g| vec![Some(g)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let ids = |ids: &[i64], shape: &[usize]| Tensor::from_slice(ids, shape).expect("as many ids as the shape holds");
    vec![
        Spec::new("embedding", |x| Ok(vec![embedding(&x[0], &x[1])?]))
            .sample("repeated ids", vec![normal(&[4, 3]), ids(&[3, 0, 3, 3, 1, 0], &[2, 3])])
            .sample("one id", vec![normal(&[2, 5]), ids(&[1], &[])])
            .sample("no ids", vec![normal(&[2, 5]), ids(&[], &[0, 2])])
            .shaped_reference(|x, s| {
                let row = |&id: &f64| x[0][id as usize * s[0][1]..][..s[0][1]].to_vec();
                vec![x[1].iter().flat_map(row).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[4, 3]), ids(&[0, 4], &[2])], "embedding: index 4 is outside the table of 4 rows")
            .refuses(vec![normal(&[4, 3]), ids(&[-1], &[1])], "embedding: index -1 is outside the table of 4 rows")
            .refuses(vec![normal(&[4]), ids(&[0], &[1])], "embedding: the table must be (vocab, dim), got shape [4]")
            .refuses(vec![normal(&[4, 3]), normal(&[2])], "embedding: indices must be integers, got f64"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: embedding);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::Rng;

    #[test]
    fn a_bf16_table_is_read_as_f32_and_its_gradient_is_f32() {
        let table = Rng::new(1).normal(&[5, 3], DType::BF16).unwrap();
        let ids = Tensor::from_slice(&[4_i64, 0, 4], &[3]).unwrap();
        let leaf = table.requires_grad();
        let y = embedding(&leaf, &ids).unwrap();
        let wide = embedding(&table.to_dtype(DType::F32).unwrap(), &ids).unwrap();
        assert_eq!((y.dtype(), y.to_f64_vec().unwrap()), (DType::F32, wide.to_f64_vec().unwrap()));
        let g = y.sum(&[], false).unwrap().backward().unwrap().take(&leaf).unwrap();
        assert_eq!((g.dtype(), g.sum(&[-1], false).unwrap().to_f64_vec().unwrap()), (DType::F32, vec![3.0, 0.0, 0.0, 0.0, 6.0]));
    }
}
