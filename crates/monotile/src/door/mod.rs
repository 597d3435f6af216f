//! Where operations meet memory: a door for each family.
//!
//! A door takes tensors, looks where their elements lie, and calls the kernels of that device with the type of the elements. What it
//! returns is unrecorded: checks, records and rules are the operation's own. No file but these, and the tensor's own, names the storage
//! of a tensor (a test below says so). [`place`] looks where the operands are, and the macros [`real`], [`stored`] and [`widened`] match on that: the
//! processor's kernel is called with the type of the elements, and behind `=>` stands what a GPU does. Without it a GPU refuses by name.
//! CONTRIBUTING.md lists what a new device adds.
//!
//! | door | what goes through it |
//! | --- | --- |
//! | [`map`] | formulas of one to six numbers, comparisons, choices by a mask, casts |
//! | [`reduce`] | sums, extrema and their places, variances, running sums |
//! | [`rowwise`] | softmax, norms, cross-entropy, rotary positions |
//! | [`sort`] | orders of rows, elements chosen by them, counts |
//! | [`gather`] | picking, adding and writing by indices, pictures at the points of a grid |
//! | [`copy`] | joining, and writing through a view |
//! | [`contract`] | products of two operands |
//! | [`blocks`] | products, rows and casts of quantized numbers |
//! | [`attention`] | scaled dot products |
//! | [`distance`] | distances of all pairs of points |
//! | [`factor`] | factorizations and triangular systems |
//! | [`transform`] | rows of 3 and 4 numbers through matrices, poses, slerp |
//! | [`update`] | what an optimizer writes in place |
//!
//! Values leave memory through `tensor/read.rs`, and enter it through `tensor/create.rs` and `tensor/io`.

pub(crate) mod attention;
pub(crate) mod blocks;
pub(crate) mod contract;
pub(crate) mod copy;
pub(crate) mod distance;
pub(crate) mod factor;
pub(crate) mod gather;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
pub(crate) mod map;
pub(crate) mod reduce;
pub(crate) mod rowwise;
pub(crate) mod sort;
pub(crate) mod transform;
pub(crate) mod update;

/// Where an operation on these tensors is carried out.
///
/// # Errors
/// If they are on two devices. A number that is repeated stands beside tensors of any.
#[cfg(feature = "gpu")]
#[track_caller]
pub(crate) fn place<T: std::borrow::Borrow<crate::Tensor>>(op: &str, operands: &[T]) -> crate::Result<OperandPlace> {
    blocks::refuse(op, operands)?;
    gpu::place(op, operands)
}

/// Without the feature `gpu` everything is.
#[cfg(not(feature = "gpu"))]
#[inline(always)]
#[track_caller]
pub(crate) fn place<T: std::borrow::Borrow<crate::Tensor>>(op: &str, operands: &[T]) -> crate::Result<OperandPlace> {
    blocks::refuse(op, operands)?;
    Ok(OperandPlace::Cpu)
}

/// Where an operation is carried out.
pub(crate) enum OperandPlace {
    /// By the processor.
    Cpu,
    /// By a GPU.
    #[cfg(feature = "gpu")]
    Gpu(gpu::GpuDoor),
}

/// Refuses operands that the processor does not have, in the name of an operation without a kernel elsewhere.
#[track_caller]
pub(crate) fn on_cpu<T: std::borrow::Borrow<crate::Tensor>>(op: &str, operands: &[T]) -> crate::Result<()> {
    match place(op, operands)? {
        OperandPlace::Cpu => Ok(()),
        #[cfg(feature = "gpu")]
        OperandPlace::Gpu(gpu) => Err(gpu.refused()),
    }
}

/// What a GPU does: the method named, or a refusal in the name of the operation.
#[cfg(feature = "gpu")]
macro_rules! on_gpu {
    ($gpu:ident) => {
        return Err($gpu.refused())
    };
    ($gpu:ident, $method:ident($($arg:expr),*)) => {
        $gpu.$method($($arg),*)
    };
}
#[cfg(feature = "gpu")]
use on_gpu;

/// Matches on where the operands, an array of tensors, are. The processor calls `f::<T>(…)` with the types that are given for the first one's,
/// a GPU the method that is named.
macro_rules! by_device {
    ($op:expr, $x:expr, [$($dtype:pat => $t:ty),*], $f:ident $more:tt $args:tt $(=> $method:ident $gpu_args:tt)?) => {{
        let operands = &$x;
        match $crate::door::place($op, operands)? {
            $crate::door::OperandPlace::Cpu => match operands[0].dtype() {
                $($dtype => $crate::door::by_device!(@call $f, $t, $more, $args),)*
                #[allow(unreachable_patterns, reason = "some lists end with an arm for every other type")]
                $crate::tensor::DType::Quantized(_) => unreachable!("`place` refuses blocks"),
            },
            #[cfg(feature = "gpu")]
            $crate::door::OperandPlace::Gpu(gpu) => $crate::door::on_gpu!(gpu $(, $method $gpu_args)?),
        }
    }};
    (@call $f:ident, $t:ty, [$($more:tt),*], ($($arg:expr),* $(,)?)) => {
        $f::<$t $(, $more)*>($($arg),*)
    };
}
use by_device;

/// By the processor `f::<T>(…)` with T the type that elements are computed in, f32 or f64.
macro_rules! real {
    ($op:expr, $x:expr, $f:ident $(::<$($more:tt),*>)? ($($args:tt)*) $(=> $method:ident $gpu_args:tt)?) => {
        $crate::door::by_device!(
            $op, $x, [$crate::tensor::DType::F64 => f64, _ => f32], $f [$($($more),*)?] ($($args)*) $(=> $method $gpu_args)?
        )
    };
}
use real;

/// By the processor `f::<T>(…)` with T the type of elements in memory.
macro_rules! stored {
    ($op:expr, $x:expr, $f:ident $args:tt $(=> $method:ident $gpu_args:tt)?) => {
        $crate::door::by_device!(
            $op,
            $x,
            [
                $crate::tensor::DType::F32 => f32,
                $crate::tensor::DType::F64 => f64,
                $crate::tensor::DType::BF16 => half::bf16,
                $crate::tensor::DType::F16 => half::f16,
                $crate::tensor::DType::I64 => i64,
                $crate::tensor::DType::I32 => i32,
                $crate::tensor::DType::U8 => u8,
                $crate::tensor::DType::Bool => monotile_kernels::real::BoolByte
            ],
            $f [] $args $(=> $method $gpu_args)?
        )
    };
}
use stored;

/// [`stored`] of a tensor that [`widened`](crate::Tensor::widened) returned: kernels larger than a copy or a cast are not compiled for
/// narrow integers.
macro_rules! widened {
    ($op:expr, $x:expr, $f:ident $args:tt $(=> $method:ident $gpu_args:tt)?) => {
        $crate::door::by_device!(
            $op,
            $x,
            [
                $crate::tensor::DType::F32 => f32,
                $crate::tensor::DType::F64 => f64,
                $crate::tensor::DType::BF16 => half::bf16,
                $crate::tensor::DType::F16 => half::f16,
                $crate::tensor::DType::I64 | $crate::tensor::DType::I32 | $crate::tensor::DType::U8 => i64,
                $crate::tensor::DType::Bool => monotile_kernels::real::BoolByte
            ],
            $f [] $args $(=> $method $gpu_args)?
        )
    };
}
use widened;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Calls `each` with every line of code in a folder, tests and comments left out, and its file.
    fn code(folder: &Path, each: &mut dyn FnMut(&str, &str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                code(&path, each);
                continue;
            }
            let name = path.display().to_string();
            if name.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Tests, and what they need beside names, come last in a file.
            let tests = text.match_indices("#[cfg(test)]\n").find(|(at, mark)| !text[at + mark.len()..].starts_with("use "));
            let code = &text[..tests.map_or(text.len(), |(at, _)| at)];
            code.lines().filter(|line| !line.trim_start().starts_with("//")).for_each(|line| each(&name, line));
        }
    }

    /// What reaches elements without a door.
    const NAMES: [&str; 12] = [
        "Storage",
        "CpuStorage::",
        "UninitTensor",
        "StorageElement",
        "View<",
        "Block",
        "elements_view",
        ".elements(",
        ".elements::<",
        "Tensor::elements",
        "unique_mut",
        "monotile_kernels::elementwise",
    ];

    /// Files whose operations read values back, and what for. No other may: a read waits until a device has done all that it was given.
    const READS: [(&str, &str); 42] = [
        ("door/copy.rs", "places, by which the CPU writes elements one by one"),
        ("door/gather.rs", "whether indices are in range"),
        ("door/gpu/gather.rs", "indices that came from the host, which sorts them for a gradient"),
        ("door/gpu/order.rs", "how many elements are true or differ, and the ends of integers: the size of a result"),
        ("door/gpu/rowwise.rs", "targets that came from the host, whether they are classes, and how many count"),
        ("door/rowwise.rs", "whether targets are classes, and how many count"),
        ("door/sort.rs", "how many elements are true or differ, and the largest of integers: the size of a result"),
        ("door/transform.rs", "whether a scale of 0 has an inverse"),
        ("linalg/degenerate.rs", "which values are equal, where a gradient divides by their differences"),
        ("linalg/dependent.rs", "whether columns depend on each other, where a gradient divides by them"),
        ("linalg/det.rs", "signs and zeros of diagonals"),
        ("linalg/eig.rs", "which values are equal, where a gradient divides by their differences, and which are pairs"),
        ("linalg/lstsq.rs", "whether columns depend on each other"),
        ("linalg/lu.rs", "the order of rows, to invert it and for its sign"),
        ("linalg/parts.rs", "whether a loss depends on a choice of basis"),
        ("linalg/pinv.rs", "which values are cut off"),
        ("linalg/power.rs", "the scale of a matrix, which is squared as often as that asks for"),
        ("linalg/qr_iteration.rs", "whether the iteration has converged"),
        ("linalg/rank.rs", "which values count"),
        ("linalg/sketch.rs", "which directions lie beyond a matrix's rank, where a gradient is wanted"),
        ("linalg/svd.rs", "gradients at values of 0"),
        ("linalg/truncated.rs", "how many values reach an energy or a tolerance"),
        ("ops/indexing/scatter.rs", "whether a factor is 0, where a gradient is differentiated again"),
        ("ops/pointwise_loss.rs", "whether targets are probabilities"),
        ("ops/repeat.rs", "how often slices are repeated: the size of a result"),
        ("ops/sample/interp.rs", "whether points increase"),
        ("ops/sort/histogram.rs", "the ends of a histogram, which its edges are made from"),
        ("optim/minimize.rs", "values and gradients, for a search on the host"),
        ("optim/optimizer.rs", "the number of steps in a saved state"),
        ("stats/gamma_draw.rs", "parameters, to draw by rejection on the host"),
        ("stats/gaussian_process/mod.rs", "likelihoods, for a search on the host"),
        ("stats/kalman/mod.rs", "which measurements are missing"),
        ("stats/least_squares/mod.rs", "statistics for a report"),
        ("stats/least_squares/refine.rs", "residuals, computed in twice the precision on the host"),
        ("stats/least_squares/table.rs", "a report"),
        ("stats/matrix_factorization.rs", "known ratings, and whether the iteration has converged"),
        ("stats/parts.rs", "how many components are asked for, and the parameter that is farthest off"),
        ("stats/pca.rs", "variances for a report, and signs of components"),
        ("transform/glam.rs", "conversions to values of the host"),
        ("transform/parts.rs", "numbers that have no result: lengths of 0, and what is not finite"),
        ("transform/projection.rs", "numbers that no projection has, for a message"),
        ("transform/trs.rs", "which scale is 0, for a message"),
    ];

    #[test]
    fn only_listed_operations_read_values_back() {
        let mut found = std::collections::BTreeMap::new();
        for folder in ["attention", "door", "einsum", "linalg", "ops", "optim", "stats", "transform"] {
            code(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).join(folder), &mut |path, line| {
                // Elements that a door looks at itself, in the place of a kernel.
                let looks =
                    line.contains(".elements") && [".iter()", ".contains(", ".find(", ")[0]"].iter().any(|way| line.contains(way));
                let door = folder == "door" && looks;
                if door
                    || [".to_vec::<", "to_f64_vec", ".item::<", ".read::<", "memory.integers("]
                        .iter()
                        .any(|read| line.contains(read))
                {
                    let name = path.split("/src/").nth(1).unwrap_or(path).to_string();
                    found.entry(name).or_insert_with(|| line.trim().to_string());
                }
            });
        }
        let listed: Vec<&str> = READS.iter().map(|(file, _)| *file).collect();
        found.retain(|file, _| !listed.contains(&file.as_str()));
        assert!(found.is_empty(), "an operation that reads values back waits for its device; avoid that, or list why: {found:#?}");
    }

    #[test]
    fn doors_that_read_values_say_so() {
        for (file, _) in READS.iter().filter(|(file, _)| file.starts_with("door/")) {
            let text = fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).join(file)).unwrap();
            let said = text.lines().any(|line| line.starts_with("//!") && line.contains("on the host"));
            assert!(said, "{file}: say in its documentation what it reads on the host");
        }
    }

    #[test]
    fn only_doors_and_the_tensor_itself_touch_memory() {
        let mut found = Vec::new();
        code(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |path, line| {
            let own = ["/src/tensor/", "/src/door/"].iter().any(|folder| path.contains(folder));
            // A shape and a limit have elements too: a number. `RawStorage` is nalgebra's, and a format of blocks no memory.
            let line = line
                .replace("shape.elements()", "")
                .replace("BlockFormat", "")
                .replace("limit.elements()", "")
                .replace("RawStorage", "");
            if !own && NAMES.iter().any(|name| line.contains(name)) {
                found.push(format!("{path}: {}", line.trim()));
            }
        });
        assert!(found.is_empty(), "go through a door of `crate::door`:\n{}", found.join("\n"));
    }
}
