//! Models, adapters and training against other software and against themselves.

mod chat_references;
mod checkpoints;
mod common;
mod lora_references;
mod references;
mod reported;
mod tied;
mod tokenizers;
