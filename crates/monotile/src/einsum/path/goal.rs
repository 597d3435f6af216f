//! What makes one order better than another.

use crate::einsum::cost::Cost;

/// What is to be small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Minimize {
    /// Multiplications and additions; of equals, the order that writes less.
    #[default]
    Operations,
    /// The largest result on the way; of equals, the order of fewest operations.
    Memory,
    /// Operations, and 64 more for every element of a result on the way: about what it costs to write and read one.
    Both,
}

/// Operations that an element of a result counts for in [`Minimize::Both`].
const WRITTEN: f64 = 64.0;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Operations and elements written, added up.
    Sum,
    /// The largest result before the last.
    Largest,
    /// The most elements that are held at the same time, when every contraction makes its parts in the better order.
    Peak,
}

/// What an order is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Objective {
    pub measure: Measure,
    /// Operations that an element written counts for.
    pub written: f64,
    /// The most elements that a result before the last may have.
    pub cap: f64,
}

impl Objective {
    pub const OPERATIONS: Self = Self { measure: Measure::Sum, written: 0.0, cap: f64::INFINITY };

    pub fn from_minimize(minimize: Minimize) -> Self {
        match minimize {
            Minimize::Operations => Self::OPERATIONS,
            Minimize::Memory => Self { measure: Measure::Largest, ..Self::OPERATIONS },
            Minimize::Both => Self { written: WRITTEN, ..Self::OPERATIONS },
        }
    }

    /// What decides between two orders, in this order: what exceeds the cap, the value, and what decides between equals.
    pub fn evaluate(&self, cost: &Cost) -> [f64; 3] {
        let over = if cost.largest > self.cap { cost.largest } else { 0.0 };
        match self.measure {
            Measure::Sum => [over, cost.operations + self.written * cost.written, cost.written],
            Measure::Largest => [over, cost.largest, cost.operations],
            Measure::Peak => [over, cost.peak, cost.operations],
        }
    }
}
