//! softmax(scale · Q Kᵀ + mask) V in tiles.

use monotile_kernels::attention::{self as kernel, AttentionInputs, AttentionMask};
use monotile_kernels::real::Real;
use monotile_kernels::simd::Lanes;
use smallvec::SmallVec;

use super::real;
use crate::error::{Error, Result};
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Tensor};

/// Queries `(b, h, t, d)`, keys `(b, g, s, d)` and values `(b, g, s, e)` of one type, f32 or f64, read through their strides.
#[derive(Clone, Copy)]
pub struct AttentionTensors<'a> {
    pub qkv: [&'a Tensor; 3],
    /// `(b, h, t, s)`, broadcast: of booleans, or of numbers that are added.
    pub mask: Option<&'a Tensor>,
    pub scale: f64,
    pub causal: bool,
}

impl<'a> AttentionTensors<'a> {
    fn all(&self) -> SmallVec<[&'a Tensor; 7]> {
        self.qkv.into_iter().chain(self.mask).collect()
    }

    fn inputs<T: StorageElement + Real>(&self) -> AttentionInputs<'a, T> {
        let mask = match self.mask {
            None => AttentionMask::None,
            Some(mask) if mask.dtype() == DType::Bool => AttentionMask::Boolean(mask.elements_view()),
            Some(mask) => AttentionMask::Additive(mask.elements_view()),
        };
        let [q, k, v] = self.qkv.map(Tensor::elements_view);
        AttentionInputs { q, k, v, scale: T::from_f64(self.scale), causal: self.causal, mask }
    }
}

/// The output `(b, h, t, e)` and the log-sum-exp `(b, h, t)`, of these keys and of those that a result `before` has seen.
#[track_caller]
pub fn forward(op: &str, x: AttentionTensors<'_>, before: Option<[&Tensor; 2]>) -> Result<[Tensor; 2]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, x: AttentionTensors<'_>, before: Option<[&Tensor; 2]>) -> Result<[Tensor; 2]> {
        let [q, _, v] = x.qkv;
        let ([b, h, t], e) = ([q.dim(0), q.dim(1), q.dim(2)], v.dim(3));
        // Queries cut from rows of all heads give an output that is put together again without a copy.
        let by_time = q.strides()[2] > q.strides()[1];
        let (shape, order) = if by_time { ([b, t, h, e], [0, 2, 1, 3]) } else { ([b, h, t, e], [0, 1, 2, 3]) };
        let (mut out, mut lse) = (UninitTensor::<T>::new(op, &shape)?, UninitTensor::<T>::new(op, &[b, h, t])?);
        let strides = if by_time { [t * h * e, e, h * e] } else { [h * t * e, t * e, e] };
        if let Some([seen, sums]) = before {
            copy(&seen.permute(&order)?.to_dtype(T::DTYPE)?, &mut out);
            copy(&sums.to_dtype(T::DTYPE)?, &mut lse);
        }
        let output = kernel::AttentionOutput { out: &mut out, strides, lse: &mut lse };
        match before {
            None => kernel::forward(&x.inputs::<T>(), output),
            Some(_) => kernel::forward_from(&x.inputs::<T>(), output),
        }
        .map_err(|e| Error::from(e).with_context(op))?;
        Ok([out.tensor().permute(&order)?, lse.tensor()])
    }
    real!(op, x.all(), run(op, x, before) => attention(x, before))
}

fn copy<T: StorageElement>(from: &Tensor, to: &mut [T]) {
    monotile_kernels::elementwise::copy(from.elements_view::<T>(), to);
}

/// What a gradient begins with: the output and the log-sum-exp, and their cotangents; the sums contiguous.
pub struct AttentionBackwardTensors<'a> {
    pub out: &'a Tensor,
    pub lse: &'a Tensor,
    pub dout: &'a Tensor,
    pub dlse: Option<&'a Tensor>,
}

/// Those of dq, dk and dv that are needed.
#[track_caller]
pub fn backward(
    op: &str,
    x: AttentionTensors<'_>,
    cotangents: AttentionBackwardTensors<'_>,
    needs: [bool; 3],
) -> Result<Vec<Option<Tensor>>> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        x: AttentionTensors<'_>,
        from: AttentionBackwardTensors<'_>,
        needs: [bool; 3],
    ) -> Result<Vec<Option<Tensor>>> {
        let cotangents = kernel::AttentionCotangents {
            out: from.out.elements_view(),
            lse: from.lse.elements(),
            dout: from.dout.elements_view(),
            dlse: from.dlse.map(Tensor::elements),
        };
        let wanted = |(x, needed): (&Tensor, bool)| needed.then(|| UninitTensor::<T>::like(op, x)).transpose();
        let mut blocks = x.qkv.into_iter().zip(needs).map(wanted).collect::<Result<Vec<_>>>()?;
        let [dq, dk, dv] = blocks.as_mut_slice() else { unreachable!("a block for each operand") };
        let gradients = kernel::AttentionGradients { dq: dq.as_deref_mut(), dk: dk.as_deref_mut(), dv: dv.as_deref_mut() };
        kernel::backward(&x.inputs::<T>(), &cotangents, gradients).map_err(|e| Error::from(e).with_context(op))?;
        Ok(blocks.into_iter().map(|block| block.map(UninitTensor::tensor)).collect())
    }
    let mut all = x.all();
    all.extend([cotangents.out, cotangents.dout]);
    all.extend(cotangents.dlse);
    real!(op, all, run(op, x, cotangents, needs) => attention_backward(x, cotangents, needs))
}
