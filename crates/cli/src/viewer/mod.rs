//! A window in which something is orbited: a model that is animated and looked into, or what else can be drawn.

mod model;
mod state;
mod text;
mod window;

pub use model::ModelContent;
pub use state::{ViewerInput, ViewerState};
pub use window::{ViewerContent, open};
