//! Where operations meet memory: a door for each family.
//!
//! A door takes tensors, looks where their elements lie, and calls the kernels of that device with the type of the elements. What it
//! returns is unrecorded: checks, records and rules are the operation's own. No file but these, and the tensor's own, names the storage
//! of a tensor (a test below says so), so that a new device is a new arm in each door.
//!
//! | door | what goes through it |
//! | --- | --- |
//! | [`map`] | formulas of one to three numbers, comparisons, choices by a mask, casts |
//! | [`reduce`] | sums, extrema and their places, variances, running sums |
//! | [`rows`] | softmax, norms, cross-entropy, rotary positions |
//! | [`gather`] | picking and adding by indices |
//! | [`copy`] | joining, and writing through a view |
//! | [`contract`] | products of two operands |
//! | [`attention`] | scaled dot products |
//! | [`factor`] | factorizations and triangular systems |
//! | [`transform`] | rows of 3 and 4 numbers through matrices, poses, slerp |
//! | [`update`] | what an optimizer writes in place |
//!
//! Values leave memory through `tensor/read.rs`, and enter it through `tensor/create.rs` and `tensor/io`.

pub(crate) mod attention;
pub(crate) mod contract;
pub(crate) mod copy;
pub(crate) mod factor;
pub(crate) mod gather;
pub(crate) mod map;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod transform;
pub(crate) mod update;

/// Calls `f::<T>(…)` on the device of a tensor, with T the type that its elements are computed in, f32 or f64.
macro_rules! real {
    ($x:expr, $f:ident $(::<$($more:tt),*>)? ($($arg:expr),* $(,)?)) => {
        match ($x.storage(), $x.dtype()) {
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::F64) => $f::<f64 $(, $($more),*)?>($($arg),*),
            ($crate::tensor::storage::Storage::Cpu(_), _) => $f::<f32 $(, $($more),*)?>($($arg),*),
        }
    };
}
use real;

/// Calls `f::<T>(…)` on the device of a tensor, with T the type of its elements in memory.
macro_rules! stored {
    ($x:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match ($x.storage(), $x.dtype()) {
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::F32) => $f::<f32>($($arg),*),
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::F64) => $f::<f64>($($arg),*),
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::BF16) => $f::<half::bf16>($($arg),*),
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::F16) => $f::<half::f16>($($arg),*),
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::I64) => $f::<i64>($($arg),*),
            ($crate::tensor::storage::Storage::Cpu(_), $crate::tensor::DType::Bool) => $f::<u8>($($arg),*),
        }
    };
}
use stored;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// What reaches elements without a door.
    const NAMES: [&str; 9] =
        ["Storage", "Cpu::", "Fresh", "Stored", "View<", "Block", ".window::<", ".elements::<", "monotile_kernels::elementwise"];

    #[test]
    fn only_doors_and_the_tensor_itself_touch_memory() {
        fn visit(folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    // The tensor's own files, and these.
                    if !path.ends_with("src/tensor") && !path.ends_with("src/door") {
                        visit(&path, found);
                    }
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                for (i, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                    if NAMES.iter().any(|name| line.contains(name)) {
                        found.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
                    }
                }
            }
        }
        let mut found = Vec::new();
        visit(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
        assert!(found.is_empty(), "go through a door of `crate::door`:\n{}", found.join("\n"));
    }
}
