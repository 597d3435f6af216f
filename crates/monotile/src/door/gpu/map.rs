//! Formulas, comparisons, choices and casts.

use monotile_gpu::{GpuOperand, GpuType, compare_integers, fill_integers, map_with, select_integers};
use monotile_kernels::number::{Expr, Formula, Graph, Number, record};

use super::GpuDoor;
use crate::door::map::{Arguments, Arity, Relation};
use crate::error::Result;
use crate::tensor::gpu::{is_one_number, number};
use crate::tensor::storage::Storage;
use crate::tensor::{DType, Tensor};

/// Operands that a kernel reads.
const OPERANDS: usize = 6;
/// Numbers of a formula that are passed to its kernel.
const CONSTANTS: usize = 16;

impl GpuDoor {
    /// The results of a formula of tensors of one shape, as this type. Numbers of the processor are parameters of the kernel.
    #[track_caller]
    pub(super) fn map(&self, graph: &Graph, x: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        self.map_with(graph, &[], x, dtype)
    }

    /// [`map`](Self::map) of a formula of a type. Where that holds numbers, as a factor or a bound, they are parameters, too: others need no
    /// other kernel.
    #[track_caller]
    fn map_of<F>(&self, graph: Graph, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        if size_of::<F>() > 0 {
            let (apart, constants) = graph.clone().with_constants_apart();
            if constants.len() <= CONSTANTS {
                return self.map_with(&apart, &constants, x, DType::F32);
            }
        }
        self.map(&graph, x, DType::F32)
    }

    /// [`map`](Self::map) of a formula whose last variables are these numbers.
    #[track_caller]
    fn map_with(&self, graph: &Graph, constants: &[f64], x: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let is_number = |x: &Tensor| matches!(x.storage(), Storage::Cpu(_)) && is_one_number(x);
        let (numbers, tensors): (Vec<usize>, Vec<usize>) = (0..x.len()).partition(|&i| is_number(x[i]));
        let mut order: Vec<usize> = (0..graph.inputs).collect();
        tensors.iter().chain(&numbers).enumerate().for_each(|(place, &i)| order[i] = place);
        let mut operands = Vec::with_capacity(tensors.len());
        for &i in &tensors {
            operands.push(self.operand(x[i])?);
        }
        let numbers = numbers.iter().map(|&i| number(x[i]).unwrap_or(0.0)).chain(constants.iter().copied());
        let numbers: Vec<f32> = numbers.map(|number| number as f32).collect();
        self.map_operands(&graph.clone().reordered(&order), &operands, &numbers, dtype, x[0])
    }

    /// The results of a formula of operands and numbers, each of the shape of `like`; as many kernels as its results need.
    #[track_caller]
    pub(super) fn map_operands(
        &self,
        graph: &Graph,
        operands: &[GpuOperand],
        numbers: &[f32],
        dtype: DType,
        like: &Tensor,
    ) -> Result<Vec<Tensor>> {
        if operands.len() > OPERANDS {
            return Err(self.refused());
        }
        let written = self.gpu_type(dtype)?;
        let most = (self.stream().gpu().capabilities().storage_buffers as usize).min(8).saturating_sub(operands.len()).max(1);
        let mut results = Vec::with_capacity(graph.results.len());
        while results.len() < graph.results.len() {
            let next = results.len()..graph.results.len().min(results.len() + most);
            let part = if next.len() == graph.results.len() { graph.clone() } else { graph.part(next) };
            for block in self.done(map_with(self.stream(), &part, operands, numbers, written))? {
                results.push(self.gpu.tensor(block, dtype, like.layout().shape.clone()));
            }
        }
        Ok(results)
    }

    #[track_caller]
    pub(super) fn map_one(&self, graph: &Graph, x: &[&Tensor], dtype: DType) -> Result<Tensor> {
        Ok(self.map(graph, x, dtype)?.swap_remove(0))
    }

    /// A recorded formula of f32.
    #[track_caller]
    pub fn formula<const N: usize, F: Formula<N>>(&self, x: [&Tensor; N], f: F) -> Result<Tensor> {
        Ok(self.map_of::<F>(record(|x: [Expr; N]| f.apply(x)), &x)?.swap_remove(0))
    }

    #[track_caller]
    pub fn gradient<const N: usize, F: Formula<N>>(&self, x: [&Tensor; N], g: &Tensor, f: F, i: usize) -> Result<Tensor>
    where
        Arguments: Arity<N>,
    {
        let operands: Vec<&Tensor> = x.into_iter().chain([g]).collect();
        Ok(self.map_of::<F>(Arguments::recorded(f).part(i..i + 1), &operands)?.swap_remove(0))
    }

    #[track_caller]
    pub fn gradients<const N: usize, F: Formula<N>>(&self, x: [&Tensor; N], g: &Tensor, f: F) -> Result<Vec<Tensor>>
    where
        Arguments: Arity<N>,
    {
        let operands: Vec<&Tensor> = x.into_iter().chain([g]).collect();
        self.map_of::<F>(Arguments::recorded(f), &operands)
    }

    /// Of a kind that is the same for all finite numbers.
    #[track_caller]
    pub fn classify(&self, x: &Tensor, kind: fn(f64) -> bool) -> Result<Tensor> {
        let truth = |x: f64| if kind(x) { Expr::ONE } else { Expr::ZERO };
        let far = f64::INFINITY;
        let graph = record(|[x]: [Expr; 1]| {
            let infinite = Expr::select(x.less(Expr::ZERO), truth(-far), truth(far));
            let number = Expr::select(x.abs().less(Expr::from_f64(far)), truth(1.0), infinite);
            Expr::select(x.equal(x), number, truth(f64::NAN))
        });
        self.map_one(&graph, &[x], DType::Bool)
    }

    /// Integers by a kernel of their own: f32 does not tell all of them apart.
    #[track_caller]
    pub fn compare(&self, a: &Tensor, b: &Tensor, relation: Relation) -> Result<Tensor> {
        if a.dtype().is_integer() || b.dtype().is_integer() {
            let sign = match relation {
                Relation::Eq => "==",
                Relation::Ne => "!=",
                Relation::Lt => "<",
                Relation::Le => "<=",
                Relation::Gt => ">",
                Relation::Ge => ">=",
            };
            let (x, y) = (self.whole_numbers(a)?, self.whole_numbers(b)?);
            let block = self.done(compare_integers(self.stream(), &x, &y, sign))?;
            return Ok(self.gpu.tensor(block, DType::Bool, a.layout().shape.clone()));
        }
        let graph = record(|[a, b]: [Expr; 2]| {
            let (holds, truth) = match relation {
                Relation::Eq => (a.equal(b), true),
                Relation::Ne => (a.equal(b), false),
                Relation::Lt => (a.less(b), true),
                Relation::Le => (a.less_or_equal(b), true),
                Relation::Gt => (b.less(a), true),
                Relation::Ge => (b.less_or_equal(a), true),
            };
            let [yes, no] = if truth { [Expr::ONE, Expr::ZERO] } else { [Expr::ZERO, Expr::ONE] };
            Expr::select(holds, yes, no)
        });
        self.map_one(&graph, &[a, b], DType::Bool)
    }

    /// An operand of i32; a number of the processor has to be one.
    #[track_caller]
    pub(super) fn whole_numbers(&self, x: &Tensor) -> Result<GpuOperand> {
        if !x.device().is_cpu() {
            return self.operand(x);
        }
        let value = number(x).unwrap_or(0.0);
        if value.fract() != 0.0 || !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value) {
            return Err(self.refused());
        }
        let block = self.done(fill_integers(self.stream(), value as i32, 1))?;
        self.done(GpuOperand::strided(&block, GpuType::I32, x.shape(), &vec![0; x.rank()], 0))
    }

    #[track_caller]
    pub fn logic(&self, a: &Tensor, b: &Tensor, f: impl Fn(bool, bool) -> bool) -> Result<Tensor> {
        let truth = |a, b| if f(a, b) { Expr::ONE } else { Expr::ZERO };
        let graph = record(|[a, b]: [Expr; 2]| {
            let (a, b) = (a.equal(Expr::ZERO), b.equal(Expr::ZERO));
            let [of_false, of_true] = [false, true].map(|known| Expr::select(b, truth(known, false), truth(known, true)));
            Expr::select(a, of_false, of_true)
        });
        self.map_one(&graph, &[a, b], DType::Bool)
    }

    /// Integers likewise.
    #[track_caller]
    pub fn where_(&self, mask: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if a.dtype().is_integer() {
            if mask.device().is_cpu() {
                return Err(self.refused());
            }
            let (x, y) = (self.whole_numbers(a)?, self.whole_numbers(b)?);
            let block = self.done(select_integers(self.stream(), &self.operand(mask)?, &x, &y))?;
            return Ok(self.gpu.tensor(block, DType::I32, mask.layout().shape.clone()));
        }
        let graph = record(|[mask, a, b]: [Expr; 3]| Expr::select(mask.equal(Expr::ZERO), b, a));
        self.map_one(&graph, &[mask, a, b], a.dtype())
    }

    #[track_caller]
    pub fn cast(&self, x: &Tensor, dtype: DType) -> Result<Tensor> {
        // i64 is i32 here, as where tensors are moved.
        let dtype = if dtype == DType::I64 { DType::I32 } else { dtype };
        if x.dtype() == dtype {
            return Ok(x.clone());
        }
        self.gpu_type(dtype)?;
        if dtype == DType::I32 {
            // NaN is 0.
            return self.map_one(&record(|[x]: [Expr; 1]| Expr::select(x.equal(x), x, Expr::ZERO)), &[x], dtype);
        }
        self.map_one(&record(|[x]: [Expr; 1]| x), &[x], dtype)
    }
}
