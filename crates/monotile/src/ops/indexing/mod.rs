//! Parts of a tensor by items for several axes, and tensors with parts replaced.

mod assign;
mod items;
mod masked;
mod put;
mod scatter;
mod take;

pub use scatter::ScatterReduction;
pub(crate) use scatter::of_integers;

/// The specs of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    [assign::specs(), items::specs(), masked::specs(), put::specs(), scatter::specs(), take::specs()]
        .into_iter()
        .flatten()
        .collect()
}
