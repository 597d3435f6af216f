//! What moves points: rows of 3 or 4 numbers through 4 x 4 matrices, poses as matrices, and rotations between two.
//!
//! Rows lie one after another, as graphics keeps them, and a register holds one number of each of several rows. `rows` turns one into the
//! other on the way in and out; what is between are formulas, the same for every instruction set. Those of poses, cameras and slerp stand in
//! [`formulas`].

mod broadcast_rows;
pub mod formulas;
pub mod points;
pub mod pose;
pub mod slerp;
#[cfg(test)]
mod tests;

pub use broadcast_rows::BroadcastRows;
pub use formulas::DepthRange;

/// Rows that are staged at a time: what they become fits the first-level cache beside what they come from.
const CHUNK: usize = 128;
