//! One spec an operation and one harness that checks it: values, layouts, gradients, NaN, refusals.
//!
//! An operation's file has a function `specs()` that describes the operation on samples; [`Spec::check`] then asks
//! everything that holds for every operation. `spec_tests!` below it makes a test of each spec, which runs alone by its name:
//! `cargo test -p monotile --lib spec::sigmoid`. Crates that add operations of their own enable the feature `testing`.
//!
//! # Example
//! ```
//! # #[cfg(feature = "testing")] {
//! use monotile::{DType, Tensor, testing::{Spec, normal}};
//! let spec = Spec::new("square", |x| Ok(vec![x[0].mul(&x[0])?]))
//!     .sample("matrix", vec![normal(&[3, 4])])
//!     .sample("empty", vec![normal(&[0, 4])])
//!     .reference(|x| vec![x[0].iter().map(|v| v * v).collect()])
//!     .orders(2)
//!     .refuses(vec![Tensor::arange(2).unwrap().to_dtype(DType::Bool).unwrap()], "mul: takes floating-point numbers, got bool and bool; cast with to_dtype");
//! spec.check().unwrap();
//! # }
//! ```

#[cfg(all(test, feature = "gpu"))]
mod gpu;
mod harness;
#[cfg(test)]
mod sizes;
mod spec;
#[cfg(test)]
pub(crate) mod spec_tests;

pub use spec::{Spec, normal, positive, uniform};
#[cfg(test)]
pub(crate) use spec_tests::spec_tests;

#[cfg(test)]
mod tests {
    /// Counts of elements come from one module, where none wraps.
    #[test]
    fn sizes_are_multiplied_in_one_place() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders: Vec<_> = std::fs::read_dir(crates).unwrap().flatten().map(|entry| entry.path().join("src")).collect();
        let (mut found, mut files) = (Vec::new(), 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|e| e != "rs") || path.ends_with("testing/mod.rs") {
                    continue;
                }
                files += 1;
                for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
                    // Products of floating-point numbers say so in their line; a size is none.
                    let product = line.contains(".product()") || line.contains(".product::<");
                    let of_sizes = product && !line.contains("f64") && !line.contains("f32") && !line.contains("V,");
                    // Places in memory are summed where a view's extent was computed, and nowhere else.
                    let places = line.contains("stride") && line.contains(".sum()") && !line.contains("low: isize");
                    if of_sizes || (places && !path.ends_with("kernels/src/view.rs")) {
                        found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                    }
                }
            }
        }
        assert!(files > 100, "{files} files are too few to be all");
        assert!(found.is_empty(), "use monotile_kernels::shape, where nothing wraps:\n{}", found.join("\n"));
    }

    /// The name by which the parent's list calls the specs of a file, and the file of that list; none for a folder of `src` itself.
    fn listing(source: &std::path::Path, path: &std::path::Path) -> Option<(String, std::path::PathBuf)> {
        let module = if path.ends_with("mod.rs") { path.parent()?.to_path_buf() } else { path.with_extension("") };
        let parent = module.parent().filter(|parent| *parent != source)?;
        Some((format!("{}::specs()", module.file_name()?.to_string_lossy()), parent.join("mod.rs")))
    }

    /// The folder of sources, and its files that have a function `specs()`, with their texts.
    fn files_with_specs() -> (std::path::PathBuf, Vec<(std::path::PathBuf, String)>) {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut files) = (vec![source.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                if text.contains("\npub(crate) fn specs()") {
                    files.push((path, text));
                }
            }
        }
        assert!(files.len() > 60, "{} files are too few to be all", files.len());
        (source, files)
    }

    /// Harnesses that run over all specs take them from lists, a folder each.
    #[test]
    fn the_specs_of_every_file_are_in_the_list_of_its_folder() {
        let (source, files) = files_with_specs();
        let mut missing = Vec::new();
        for (path, _) in &files {
            let Some((call, list)) = listing(&source, path) else { continue };
            if !std::fs::read_to_string(&list).unwrap_or_default().contains(&call) {
                missing.push(format!("{} lacks {call}", list.display()));
            }
        }
        assert!(missing.is_empty(), "specs that no list names: {missing:#?}");
    }

    /// `spec_tests!` finds a spec that it does not name; this finds a file without it. A folder's list has tests where it adds specs of its own.
    #[test]
    fn the_specs_of_every_file_have_tests() {
        let (_, files) = files_with_specs();
        let own = |text: &str| !text.contains("::specs()") || text.contains("\nfn own()");
        let tested = |text: &str| text.contains("\ncrate::testing::spec_tests!(");
        let missing: Vec<_> = files.iter().filter(|(_, text)| own(text) && !tested(text)).map(|(path, _)| path).collect();
        assert!(
            missing.is_empty(),
            "files whose specs have no test; write crate::testing::spec_tests!(specs:); below them: {missing:#?}"
        );
    }

    #[test]
    fn every_file_with_an_operation_has_a_spec() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut missing = Vec::new();
        let mut folders = vec![source.join("ops"), source.join("attention"), source.join("linalg"), source.join("transform")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                // A file that records a rule or implements a family's function has an operation in it.
                let has_operation =
                    ["impl Unary for", "impl Binary for", "impl Gradient for"].iter().any(|what| text.contains(what));
                let asked = text.contains("fn specs() -> Vec<Spec>") && text.contains("testing::spec_tests!(");
                if has_operation && !path.ends_with("mod.rs") && !asked {
                    missing.push(path);
                }
            }
        }
        assert!(missing.is_empty(), "files with an operation and no spec: {missing:?}");
    }
}
