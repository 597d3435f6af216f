//! Integers, and divisions with a remainder: functions that have no formula, known by the names of their operations.

use monotile_gpu::{GpuIntegers, combine_integers};
use monotile_kernels::number::{Expr, Number, record};

use super::GpuDoor;
use crate::error::Result;
use crate::tensor::{DType, Tensor};

impl GpuDoor {
    /// A function of integers: i32, which wrap. An integer divided by 0 is 0, since nothing is read back.
    #[track_caller]
    pub fn of_integers(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let function = match &*self.op {
            "add" => GpuIntegers::Add,
            "sub" => GpuIntegers::Subtract,
            "mul" => GpuIntegers::Multiply,
            "maximum" => GpuIntegers::Maximum,
            "minimum" => GpuIntegers::Minimum,
            "neg" => GpuIntegers::Negate,
            "abs" => GpuIntegers::Absolute,
            "sign" => GpuIntegers::Sign,
            "remainder" => GpuIntegers::Remainder,
            "fmod" => GpuIntegers::Fmod,
            "floor_divide" => GpuIntegers::FloorDivide,
            _ => return Err(self.refused()),
        };
        let (x, y) = (self.whole_numbers(a)?, self.whole_numbers(b)?);
        let block = self.done(combine_integers(self.stream(), function, &x, &y))?;
        Ok(self.gpu.tensor(block, DType::I32, a.layout().shape.clone()))
    }

    /// A division with a remainder of f32, whose quotient is exact up to 2²⁴.
    #[track_caller]
    pub fn division(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let graph = match &*self.op {
            "fmod" => record(|[a, b]: [Expr; 2]| left(a, b)),
            "remainder" => record(|[a, b]: [Expr; 2]| remainder(a, b)),
            "floor_divide" => record(|[a, b]: [Expr; 2]| {
                let quotient = ((a - remainder(a, b)) / b).round();
                Expr::select(b.equal(Expr::ZERO), a / b, quotient)
            }),
            _ => return Err(self.refused()),
        };
        self.map_one(&graph, &[a, b], DType::F32)
    }
}

/// What is left of a division that is rounded towards 0. The quotient may have been rounded to the integer above, or to that below.
fn left(a: Expr, b: Expr) -> Expr {
    let size = b.abs();
    let step = Expr::select(a.less(Expr::ZERO), -size, size);
    let left = (-(a / b).trunc()).mul_add(b, a);
    let beyond = (left.less(Expr::ZERO) & Expr::ZERO.less(a)) | (Expr::ZERO.less(left) & a.less(Expr::ZERO));
    let left = Expr::select(beyond, left + step, left);
    let left = Expr::select(size.less_or_equal(left.abs()), left - step, left);
    Expr::select(size.equal(Expr::from_f64(f64::INFINITY)), a, left)
}

/// What is left of a division that is rounded down.
fn remainder(a: Expr, b: Expr) -> Expr {
    let left = left(a, b);
    let uneven = (left.less(Expr::ZERO) & Expr::ZERO.less(b)) | (Expr::ZERO.less(left) & b.less(Expr::ZERO));
    Expr::select(uneven, left + b, left)
}
