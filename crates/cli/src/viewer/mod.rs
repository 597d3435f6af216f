//! A window in which a model is turned, animated and looked into.

mod state;
mod text;
mod window;

pub use window::open;
