//! What the operations here share: the checks at the door, and rows and matrices taken apart and put together.

use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tensor::{DType, Dims, Tensor, count};

/// Refuses what is not rows of `n` numbers, `(…, n)`.
#[track_caller]
pub(super) fn check_rows(op: &str, what: &str, x: &Tensor, n: usize) -> Result<()> {
    if x.shape().last() == Some(&n) {
        return room(op, &x.shape()[..x.rank() - 1]);
    }
    Err(Error::shape(format!("{op}: {what} must be rows of {n} numbers, got shape {:?}", x.shape())))
}

/// Refuses what is not matrices of `n` rows and columns, `(…, n, n)`.
#[track_caller]
pub(super) fn check_matrices(op: &str, x: &Tensor, n: usize) -> Result<()> {
    if x.shape().ends_with(&[n, n]) {
        return room(op, &x.shape()[..x.rank() - 2]);
    }
    Err(Error::shape(format!("{op}: needs {n} x {n} matrices, got shape {:?}", x.shape())))
}

/// Refuses leading dimensions of so many rows that no memory holds their results: formulas here are written with operators, which
/// would panic on the way.
#[track_caller]
fn room(op: &str, leading: &[usize]) -> Result<()> {
    /// Fewer have room in every memory.
    const MANY: usize = 1 << 28;
    if count(leading) < MANY { Ok(()) } else { door::copy::check_memory(op, &shape(leading, &[4, 4]), DType::F64) }
}

/// All operands in the type that arithmetic on them uses, the widest of theirs.
#[track_caller]
pub(super) fn common<const N: usize>(op: &str, operands: [&Tensor; N]) -> Result<[Tensor; N]> {
    let operands = operands.iter().map(|x| x.to_compute_dtype(op)).collect::<Result<Vec<_>>>()?;
    let dtype = if operands.iter().any(|x| x.dtype() == DType::F64) { DType::F64 } else { DType::F32 };
    let cast = operands.iter().map(|x| x.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
    Ok(cast.try_into().expect("as many as came"))
}

/// The leading dimensions that operands broadcast to; each comes with the number of its own last dimensions.
#[track_caller]
pub(super) fn leading(op: &str, operands: &[(&Tensor, usize)]) -> Result<Dims> {
    let mut all = Dims::new();
    for &(x, own) in operands {
        let Ok(broadcast) = check::broadcast(op, &all, &x.shape()[..x.rank() - own]) else {
            let shapes: Vec<_> = operands.iter().map(|(x, _)| format!("{:?}", x.shape())).collect();
            return Err(Error::shape(format!("{op}: the leading dimensions of shapes {} do not broadcast", shapes.join(" and "))));
        };
        all = Dims::from_slice(&broadcast);
        room(op, &x.shape()[..x.rank() - own])?;
    }
    room(op, &all)?;
    Ok(all)
}

/// `(…, own)` with these leading dimensions.
pub(super) fn shape(leading: &[usize], own: &[usize]) -> Dims {
    leading.iter().chain(own).copied().collect()
}

/// The numbers of rows `(…, N)`, each `(…)`: views.
#[track_caller]
pub(super) fn numbers<const N: usize>(rows: &Tensor) -> Result<[Tensor; N]> {
    let all = (0..N).map(|i| rows.select(-1, i)).collect::<Result<Vec<_>>>()?;
    Ok(all.try_into().expect("as many as asked for"))
}

/// The entries of matrices `(…, M, N)`, each `(…)`: views.
#[track_caller]
pub(super) fn entries<const M: usize, const N: usize>(matrices: &Tensor) -> Result<[[Tensor; N]; M]> {
    let rows = (0..M).map(|i| numbers(&matrices.select(-2, i)?)).collect::<Result<Vec<_>>>()?;
    Ok(rows.try_into().expect("as many as asked for"))
}

/// Rows `(…, n)` of n numbers `(…)` that broadcast.
#[track_caller]
pub(super) fn row(numbers: &[&Tensor]) -> Result<Tensor> {
    let operands: Vec<_> = numbers.iter().map(|&x| (x, 0)).collect();
    let shape = leading("row", &operands)?;
    let spread = numbers.iter().map(|x| x.expand(&shape)).collect::<Result<Vec<_>>>()?;
    Tensor::stack(&spread.iter().collect::<Vec<_>>(), -1)
}

/// Matrices `(…, M, N)` of numbers `(…)` that broadcast.
#[track_caller]
pub(super) fn matrix<const M: usize, const N: usize>(entries: [[&Tensor; N]; M]) -> Result<Tensor> {
    let rows = row(entries.as_flattened())?;
    rows.reshape(&shape(&rows.shape()[..rows.rank() - 1], &[M, N]))
}

/// The 4 x 4 matrices that take p to A p + t.
#[track_caller]
pub(super) fn affine(linear: &Tensor, translation: &Tensor) -> Result<Tensor> {
    let leading = leading("affine", &[(linear, 2), (translation, 1)])?;
    let linear = linear.expand(&shape(&leading, &[3, 3]))?;
    let translation = translation.unsqueeze(-1)?.expand(&shape(&leading, &[3, 1]))?;
    let last = constant(&[0.0, 0.0, 0.0, 1.0], linear.dtype())?.to(&linear.device())?.expand(&shape(&leading, &[1, 4]))?;
    Tensor::cat(&[&Tensor::cat(&[&linear, &translation], -1)?, &last], -2)
}

/// One row of these numbers.
#[track_caller]
pub(super) fn constant(numbers: &[f64], dtype: DType) -> Result<Tensor> {
    Tensor::from_slice(numbers, &[numbers.len()])?.to_dtype(dtype)
}

/// 0 and 1.
pub(super) fn zero_and_one(dtype: DType) -> [Tensor; 2] {
    [0.0, 1.0].map(|x| Tensor::scalar_as(x, dtype))
}

/// Σ aᵢ bᵢ of rows, `(…)`.
#[track_caller]
pub(super) fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.mul(b)?.sum(&[-1], false)
}

/// a × b of rows of 3 numbers.
#[track_caller]
pub(super) fn cross(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ([ax, ay, az], [bx, by, bz]) = (numbers(a)?, numbers(b)?);
    row(&[&(&ay * &bz - &az * &by), &(&az * &bx - &ax * &bz), &(&ax * &by - &ay * &bx)])
}

/// The 4 x 4 matrices of the entries of their first three rows, each `(…)`.
#[track_caller]
pub(super) fn affine_of(entries: &[Tensor]) -> Result<Tensor> {
    let [o, one] = &zero_and_one(entries[0].dtype());
    let e = |i: usize| &entries[i];
    matrix([[e(0), e(1), e(2), e(3)], [e(4), e(5), e(6), e(7)], [e(8), e(9), e(10), e(11)], [o, o, o, one]])
}

/// Rows over their length, whatever their scale. `refuse` makes the error of the row with this number, whose length is 0.
#[track_caller]
pub(super) fn unit(rows: &Tensor, refuse: impl Fn(usize) -> Error) -> Result<Tensor> {
    let scaled = scaled(rows, refuse)?;
    scaled.div(&scaled.square()?.sum(&[-1], true)?.sqrt()?)
}

/// Rows over their largest number, so that squares are numbers: a constant, on which neither their direction nor its slope depends. `refuse` makes the
/// error of the row with this number, which is 0.
#[track_caller]
pub(super) fn scaled(rows: &Tensor, refuse: impl Fn(usize) -> Error) -> Result<Tensor> {
    let scale = rows.detach().abs()?.max(&[-1], true)?;
    refuse_where(&scale, |largest| largest == 0.0, refuse)?;
    rows.div(&scale)
}

/// The error that `refuse` makes of the first number for which `bad` holds. On a GPU nobody looks.
#[track_caller]
pub(super) fn refuse_where(x: &Tensor, bad: impl Fn(f64) -> bool, refuse: impl Fn(usize) -> Error) -> Result<()> {
    if !x.device().is_cpu() {
        return Ok(());
    }
    x.detach().to_f64_vec()?.into_iter().position(bad).map_or(Ok(()), |i| Err(refuse(i))).placed()
}

/// Row `i` of rows that are first brought to these leading dimensions, as a sentence shows it.
pub(super) fn row_text(rows: &Tensor, leading: &[usize], i: usize) -> String {
    let n = rows.dim(-1);
    let all = rows.detach().expand(&shape(leading, &[n])).and_then(|x| x.to_f64_vec()).unwrap_or_default();
    format!("{:?}", all.iter().skip(i * n).take(n).map(|&x| Number(x)).collect::<Vec<_>>())
}

/// A number without a needless fraction.
struct Number(f64);

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which of a batch an error is about: nothing where there is no batch.
pub(super) fn batch_suffix(leading: &[usize], i: usize) -> String {
    if leading.is_empty() { String::new() } else { format!(" (number {i} of the batch)") }
}

/// Whether operands are in the CPU's memory, where a kernel does all at once; elsewhere operations are composed.
pub(super) fn on_cpu(operands: &[&Tensor]) -> bool {
    operands.iter().all(|x| x.device().is_cpu())
}

/// Inputs for specs.
#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::testing::normal;

    /// Quaternions of length 1, spread over all rotations.
    pub fn rotations(leading: &[usize]) -> Tensor {
        let rows = normal(&shape(leading, &[4]));
        unit(&rows, |_| Error::value("a sample is not 0")).unwrap()
    }

    /// One row of these numbers.
    pub fn numbers(x: &[f64]) -> Tensor {
        Tensor::from_slice(x, &[x.len()]).unwrap()
    }

    /// The largest difference of two tensors' numbers.
    #[track_caller]
    pub fn distance(x: &Tensor, y: &Tensor) -> Result<f64> {
        Ok(x.sub(y)?.abs()?.to_f64_vec().unwrap().into_iter().fold(0.0, f64::max))
    }
}
