//! Factorizations of many small matrices, and what is composed of them. Nothing is read back: a matrix without a result gives NaN or infinities.

use monotile_gpu::{GpuOperand, GpuScatter, GpuTriangular, MAX_SIDE, cholesky, eigh, lu, qr, solve_triangular, svd};

use super::GpuDoor;
use crate::door::factor::{Kind, Triangle, Vectors, shape};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor};

impl GpuDoor {
    /// Matrices that a workgroup's memory holds.
    #[track_caller]
    fn matrices(&self, a: &Tensor) -> Result<GpuOperand> {
        let (m, n) = (a.dim(-2), a.dim(-1));
        if m.max(n) > MAX_SIDE {
            let (op, name) = (&self.op, self.gpu.name());
            let why = format!(
                "{op}: on {name} matrices are at most {MAX_SIDE} x {MAX_SIDE}, not {m} x {n}; move the operands to the cpu with `to`"
            );
            return Err(Error::new(ErrorKind::Limit, why));
        }
        self.operand(a)
    }

    /// NaN from the first row on whose leading minor is not positive.
    #[track_caller]
    pub fn cholesky(&self, a: &Tensor) -> Result<Tensor> {
        self.tensor(self.done(cholesky(self.stream(), &self.matrices(a)?))?, a.shape())
    }

    /// The order of rows is of i32.
    #[track_caller]
    pub fn lu(&self, a: &Tensor) -> Result<[Tensor; 2]> {
        let of = self.done(lu(self.stream(), &self.matrices(a)?))?;
        let order = self.gpu.tensor(of.order, DType::I32, self.shape(&shape(a, &[a.dim(-2)]))?);
        Ok([self.tensor(of.lu, a.shape())?, order])
    }

    /// U⁻¹ L⁻¹ P B, or Pᵀ L⁻ᵀ U⁻ᵀ B.
    #[track_caller]
    pub fn lu_solve(&self, [factors, order]: [&Tensor; 2], transposed: bool, b: &Tensor) -> Result<Tensor> {
        let (axis, rows) = (b.rank() - 2, order.unsqueeze(-1)?.expand(b.shape())?);
        let [l, u] = [Triangle { upper: transposed, unit: true }, Triangle { upper: !transposed, unit: false }];
        if transposed {
            let turned = factors.mt();
            let x = self.solve_triangular(&turned, &self.solve_triangular(&turned, b, u)?, l)?;
            return self.scatter(GpuScatter::Put, &x, axis, &rows, &x);
        }
        self.solve_triangular(factors, &self.solve_triangular(factors, &self.gather(b, axis, &rows)?, l)?, u)
    }

    #[track_caller]
    pub fn inverse(&self, a: &Tensor) -> Result<Tensor> {
        let identity = self.gpu.upload(&Tensor::eye(a.dim(-1), DType::F32)?)?.expand(a.shape())?;
        self.lu_solve(self.lu(a)?.each_ref(), false, &identity)
    }

    /// Zeros on the diagonal give infinities and NaN.
    #[track_caller]
    pub fn solve_triangular(&self, a: &Tensor, b: &Tensor, Triangle { upper, unit }: Triangle) -> Result<Tensor> {
        let (t, right) = (self.matrices(a)?, self.operand(b)?);
        let block = self.done(solve_triangular(self.stream(), &t, &right, GpuTriangular { upper, unit }))?;
        self.tensor(block, b.shape())
    }

    #[track_caller]
    pub fn qr(&self, a: &Tensor, kind: Kind) -> Result<[Tensor; 2]> {
        let (m, n) = (a.dim(-2), a.dim(-1));
        if kind.full && m > n {
            // Reflections of columns of zeros are any: Q of the square matrix is a whole basis.
            let square = self.embed(a, &shape(a, &[m, m]), &|x| x.slice(-1, 0..n))?;
            let [q, r] = self.qr(&square, Kind { full: false, ..kind })?;
            return Ok([q, r.slice(-1, 0..n)?.contiguous_detached(&self.op)?]);
        }
        let (k, of) = (m.min(n), self.done(qr(self.stream(), &self.matrices(a)?, kind.non_negative))?);
        Ok([self.tensor(of.q, &shape(a, &[m, k]))?, self.tensor(of.r, &shape(a, &[k, n]))?])
    }

    #[track_caller]
    pub fn triangle(&self, a: &Tensor) -> Result<Tensor> {
        let [_, r] = self.qr(a, Kind { full: false, non_negative: false })?;
        Ok(r)
    }

    /// With thin factors, also where none are wanted.
    #[track_caller]
    pub fn svd(&self, a: &Tensor, vectors: Vectors) -> Result<[Tensor; 3]> {
        let (m, n) = (a.dim(-2), a.dim(-1));
        let (k, of) = (m.min(n), self.done(svd(self.stream(), &self.matrices(a)?))?);
        let [u, s, vt] = [shape(a, &[m, k]), shape(a, &[k]), shape(a, &[k, n])];
        let [mut u, s, mut vt] = [self.tensor(of.u, &u)?, self.tensor(of.s, &s)?, self.tensor(of.vt, &vt)?];
        if vectors == Vectors::Full && m > k {
            u = self.completed(&u)?;
        }
        if vectors == Vectors::Full && n > k {
            vt = self.completed(&vt.mt())?.mt().contiguous_detached(&self.op)?;
        }
        Ok([u, s, vt])
    }

    /// Columns of a basis, and others that make it a whole one.
    #[track_caller]
    fn completed(&self, columns: &Tensor) -> Result<Tensor> {
        let (m, k, axis) = (columns.dim(-2), columns.dim(-1), columns.rank() - 1);
        let [q, _] = self.qr(&columns.contiguous_detached(&self.op)?, Kind { full: true, non_negative: true })?;
        let all = self.shape(&shape(columns, &[m, m]))?;
        self.join(&[columns.clone(), q.slice(-1, k..m)?], axis, &all)
    }

    #[track_caller]
    pub fn eigh(&self, a: &Tensor) -> Result<[Tensor; 2]> {
        let of = self.done(eigh(self.stream(), &self.matrices(a)?))?;
        Ok([self.tensor(of.values, &shape(a, &[a.dim(-1)]))?, self.tensor(of.vectors, a.shape())?])
    }
}
