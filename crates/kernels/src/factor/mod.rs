//! Factorizations of batches of matrices, in f32 and f64.
//!
//! An entry reads views `(…, m, n)` of any strides, and writes an m×n result *column by column*: n columns of m neighbours
//! for each matrix of the batch. Right-hand sides, solutions and the factors L U lie row by row. Batches are split over threads; a single
//! large matrix shares the threads of the [product](crate::product), at whose speed trailing updates run.
//!
//! A matrix with an entry that is not finite gives NaN in every result; others of its batch are not touched by it. Entries
//! as large or small as the type has them neither overflow nor vanish on the way, unless a result does.

mod batch;
mod bidiagonal;
pub mod cholesky;
mod columns;
mod crout;
mod deflation;
mod divide;
mod dqds;
pub mod eig;
pub mod eigh;
mod francis;
mod gemvt;
mod golub_kahan;
mod hessenberg;
mod householder;
mod implicit;
pub mod inverse;
mod lanes;
pub mod lu;
mod matrix;
mod mirrored;
mod multishift;
pub mod qr;
mod reflections;
pub mod roots;
mod rows;
pub mod schur;
mod secular;
mod substitute;
pub mod svd;
pub mod sylvester;
mod symmetric;
mod tall;
#[cfg(test)]
mod tests;
pub mod triangular;
mod tridiagonal;

use crate::buffer::OutOfMemory;

/// Why a batch was not factored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A matrix of the batch has no such factorization, or no solution.
    Matrix {
        /// Which matrix of the batch, counted from 0.
        matrix: usize,
        /// The order of the leading block at fault, counted from 1.
        order: usize,
    },
    /// There is no memory to work in.
    Memory(OutOfMemory),
}

impl From<OutOfMemory> for Failure {
    fn from(refused: OutOfMemory) -> Self {
        Self::Memory(refused)
    }
}

/// What went wrong with one matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The order of the leading block at fault, counted from 1.
    Order(usize),
    Memory(OutOfMemory),
}

impl Fault {
    /// The failure of the batch whose matrix this is.
    fn of(self, matrix: usize) -> Failure {
        match self {
            Self::Order(order) => Failure::Matrix { matrix, order },
            Self::Memory(refused) => Failure::Memory(refused),
        }
    }
}

impl From<OutOfMemory> for Fault {
    fn from(refused: OutOfMemory) -> Self {
        Self::Memory(refused)
    }
}
