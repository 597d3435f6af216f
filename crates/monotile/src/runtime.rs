//! Threads and instruction set: what computations run on.

use monotile_kernels::{simd, threads};

/// The number of threads that operations use: the number [set](set_threads), else `MONOTILE_THREADS`, else one a core; at most 1024.
///
/// # Example
/// ```
/// assert!(monotile::threads() >= 1);
/// ```
#[doc(alias = "get_num_threads")]
#[doc(alias = "num_threads")]
pub fn threads() -> usize {
    threads::count()
}

/// Sets the number of threads that operations use from now on, in the whole process.
///
/// 0 counts as 1, and more than 1024 as 1024. Without the feature `threads`, and in WebAssembly without atomic memory, there is one.
/// A number of threads fixes every bit of a result; another number may round sums differently.
///
/// # Example
/// ```
/// monotile::set_threads(1);
/// assert_eq!(monotile::threads(), 1);
/// ```
#[doc(alias = "set_num_threads")]
#[doc(alias = "num_threads")]
pub fn set_threads(count: usize) {
    threads::set_count(count);
}

/// What computations run on, as [`runtime_info`] tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// The number of threads that operations use.
    pub threads: usize,
    /// The vector instructions that were chosen, in small letters, such as `avx512`. `MONOTILE_ISA` names lesser ones.
    pub instruction_set: String,
}

/// The number of threads and the vector instructions in use.
///
/// # Example
/// ```
/// let info = monotile::runtime_info();
/// assert_eq!(info.threads, monotile::threads());
/// assert!(!info.instruction_set.is_empty());
/// ```
#[doc(alias = "show_config")]
#[doc(alias = "get_cpu_capability")]
#[doc(alias = "__config__")]
pub fn runtime_info() -> RuntimeInfo {
    RuntimeInfo { threads: threads::count(), instruction_set: format!("{:?}", simd::isa()).to_lowercase() }
}
