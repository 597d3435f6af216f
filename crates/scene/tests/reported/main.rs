//! Faults that users met, each as a small model that is made here, and the files that show them where a folder of those is at hand.

mod build;
mod files;
mod looks;
mod pictures;
mod reading;
mod walker;
