//! Radiance fields: the pictures of rays through them, and grids of features that they are learned with.
//!
//! | file | what |
//! | --- | --- |
//! | `levels` | the levels of a hash grid: sizes, and the row of a vertex |
//! | `composite` | samples along rays as pixels, and the gradient by replay |
//! | `hash_grid` | points as features, and the gradients by table and points |

mod composite;
mod hash_grid;
mod levels;
#[cfg(test)]
mod tests;

pub use composite::{CompositeRule, RaySamples, RaySamplesMut, composite, composite_gradient};
pub use hash_grid::{hash_grid, hash_grid_points_gradient, hash_grid_table_gradient};
pub use levels::{HashGridRule, HashGridStyle, HashLevel};
