//! Products of two operands and attention.

use monotile_gpu::{
    GpuAttention, GpuAttentionCotangents, GpuAttentionOptions, GpuOperand, attention, attention_backward, copy, product,
};
use monotile_kernels::number::{Expr, record};
use monotile_kernels::product::{Axes, Axis, Prepared};
use monotile_kernels::shape::{Shape, product as extent};

use super::GpuDoor;
use crate::door::attention::{AttentionBackwardTensors, AttentionTensors};
use crate::error::Result;
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Dims, Tensor};

/// A dimension of an operand: its size, and its stride.
type Step = (usize, isize);

impl GpuDoor {
    /// A prepared product, plus a bias along the last dimension.
    #[track_caller]
    pub fn product(&self, product: &Prepared, x: [&Tensor; 2], shape: &Shape, bias: Option<&Tensor>) -> Result<Tensor> {
        let value = match product.groups() {
            None => self.tensor(self.done(monotile_gpu::fill(self.stream(), 0.0, 0))?, shape)?,
            Some((axes, swapped)) => self.contracted(axes, if swapped { [x[1], x[0]] } else { x }, shape)?,
        };
        match bias {
            Some(bias) => {
                let bias = bias.expand(shape)?;
                self.map_one(&record(|[c, b]: [Expr; 2]| c + b), &[&value, &bias], DType::F32)
            }
            None => Ok(value),
        }
    }

    /// The kernel multiplies matrices of leading dimensions. All rows but one dimension, and columns, are leading too: of those the other
    /// operand is repeated. Of dimensions that are summed over there is one: several are put in order first, unless they are already.
    #[track_caller]
    fn contracted(&self, axes: &Axes, [a, b]: [&Tensor; 2], shape: &Shape) -> Result<Tensor> {
        let last = |group: &[Axis]| {
            group.split_last().map_or((Axis { size: 1, a: 0, b: 0, c: 0 }, Vec::new()), |(x, rest)| (*x, rest.to_vec()))
        };
        let ((m, rows), (n, columns)) = (last(&axes.rows), last(&axes.columns));
        let leading: Vec<Axis> = axes.batch.iter().copied().chain(rows).chain(columns).collect();
        let steps = |stride: fn(&Axis) -> isize, own: &Axis| -> (Vec<Step>, Step) {
            (leading.iter().map(|x| (x.size, stride(x))).collect(), (own.size, stride(own)))
        };
        let (lead_a, row) = steps(|x| x.a, &m);
        let (lead_b, column) = steps(|x| x.b, &n);
        let contracted = |stride: fn(&Axis) -> isize| axes.contracted.iter().map(|x| (x.size, stride(x))).collect::<Vec<Step>>();
        let (a, [row, k_a], lead_a) = self.factor(a, lead_a, row, contracted(|x| x.a))?;
        let (b, [column, k_b], lead_b) = self.factor(b, lead_b, column, contracted(|x| x.b))?;
        let a = self.strided(&a, lead_a.into_iter().chain([row, k_a]))?;
        let b = self.strided(&b, lead_b.into_iter().chain([k_b, column]))?;
        let block = self.done(product(self.stream(), &a, &b))?;

        // The result has its dimensions in this order; the tensor's are those of the strides of C.
        let sizes: Dims = leading.iter().map(|x| x.size).chain([m.size, n.size]).collect();
        let made = self.tensor(block, &sizes)?;
        let steps: Vec<isize> = leading.iter().map(|x| x.c).chain([m.c, n.c]).collect();
        let mut order: Vec<usize> = (0..sizes.len()).filter(|&d| sizes[d] != 1).collect();
        order.sort_by_key(|&d| std::cmp::Reverse(steps[d]));
        let layout = Layout {
            shape: made.layout().shape.at(&order),
            strides: order.iter().map(|&d| made.strides()[d]).collect(),
            offset: 0,
        };
        made.with_layout(layout).contiguous_detached(&self.op)?.reshape(shape)
    }

    /// An operand, its own dimension and the one that is summed over, and its leading ones.
    #[track_caller]
    fn factor(&self, x: &Tensor, leading: Vec<Step>, own: Step, contracted: Vec<Step>) -> Result<(Tensor, [Step; 2], Vec<Step>)> {
        if contracted.len() < 2 {
            let k = contracted.first().copied().unwrap_or((1, 0));
            return Ok((x.detach(), [own, k], leading));
        }
        let walks_as_one = contracted.windows(2).all(|pair| pair[0].1 == pair[1].1 * pair[1].0 as isize);
        let k = extent(contracted.iter().map(|step| step.0));
        if walks_as_one {
            return Ok((x.detach(), [own, (k, contracted[contracted.len() - 1].1)], leading));
        }
        // What is repeated stays so.
        let moved = || leading.iter().filter(|step| step.1 != 0).chain([&own]).chain(&contracted).copied();
        let block = self.done(copy(self.stream(), &self.strided(x, moved())?, self.operand(x)?.dtype()))?;
        let sizes: Dims = moved().map(|step| step.0).collect();
        let copied = self.gpu.tensor(block, x.dtype(), self.shape(&sizes)?);
        let mut strides = copied.strides().iter().copied();
        let leading = leading.iter().map(|&(n, step)| (n, if step == 0 { 0 } else { strides.next().unwrap_or(0) })).collect();
        Ok((copied, [(own.0, k as isize), (k, 1)], leading))
    }

    /// A tensor's memory by other strides from its first element.
    #[track_caller]
    fn strided(&self, x: &Tensor, steps: impl Iterator<Item = Step>) -> Result<GpuOperand> {
        let seen = self.operand(x)?;
        let (sizes, strides): (Vec<usize>, Vec<isize>) = steps.unzip();
        self.done(GpuOperand::strided(seen.block(), seen.dtype(), &sizes, &strides, seen.offset()))
    }

    /// The output and the log-sum-exp. Results to go on from are refused.
    #[track_caller]
    pub fn attention(&self, x: AttentionTensors<'_>, before: Option<[&Tensor; 2]>) -> Result<[Tensor; 2]> {
        if before.is_some() {
            return Err(self.refused());
        }
        let mask = x.mask.map(|mask| self.operand(mask)).transpose()?;
        let [q, k, v] = [self.operand(x.qkv[0])?, self.operand(x.qkv[1])?, self.operand(x.qkv[2])?];
        let of = self.done(attention(self.stream(), [&q, &k, &v], &options(x, mask.as_ref())))?;
        let (rows, e) = (&x.qkv[0].shape()[..3], x.qkv[2].dim(3));
        Ok([self.tensor(of.out, &[rows, &[e]].concat())?, self.tensor(of.lse, rows)?])
    }

    #[track_caller]
    pub fn attention_backward(
        &self,
        x: AttentionTensors<'_>,
        from: AttentionBackwardTensors<'_>,
        needs: [bool; 3],
    ) -> Result<Vec<Option<Tensor>>> {
        let mask = x.mask.map(|mask| self.operand(mask)).transpose()?;
        let [q, k, v] = [self.operand(x.qkv[0])?, self.operand(x.qkv[1])?, self.operand(x.qkv[2])?];
        let whole = |x: &Tensor| self.gpu.whole_block(&self.op, x);
        let forward = GpuAttention { out: whole(from.out)?, lse: whole(from.lse)? };
        let (dout, dlse) = (self.operand(from.dout)?, from.dlse.map(whole).transpose()?);
        let cotangents = GpuAttentionCotangents { dout: &dout, dlse: dlse.as_ref() };
        let of = self.done(attention_backward(self.stream(), [&q, &k, &v], &forward, &cotangents, &options(x, mask.as_ref())))?;
        let mut gradients = Vec::with_capacity(3);
        for ((block, x), needed) in [of.dq, of.dk, of.dv].into_iter().zip(x.qkv).zip(needs) {
            gradients.push(if needed { Some(self.tensor(block, x.shape())?) } else { None });
        }
        Ok(gradients)
    }
}

fn options<'a>(x: AttentionTensors<'_>, mask: Option<&'a GpuOperand>) -> GpuAttentionOptions<'a> {
    GpuAttentionOptions { scale: Some(x.scale as f32), causal: x.causal, window: None, mask }
}
