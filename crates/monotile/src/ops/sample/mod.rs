//! Values between known ones: along a line, and in pictures.

mod grid_sample;
mod interp;

pub use grid_sample::{GridSampleOptions, SampleMode, SamplePadding, grid_sample};
pub use interp::interp;

/// Formulas of operations here, as recorded.
#[cfg(test)]
pub(crate) use grid_sample::formulas;

/// The specs of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    [grid_sample::specs(), interp::specs()].into_iter().flatten().collect()
}
