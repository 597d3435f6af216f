//! What kernels are tuned by: how much memory the caches hold, what is worth a thread, which way a size takes.
//!
//! [`params`] are the defaults, changed by what the environment names: `MONOTILE_PARAMS="product.block_bytes=262144
//! threads.waking_ns=20000"`. They are read once. [`set`] gives others from code, before the first kernel runs. No value makes a result wrong; those that cut sums into parts may change last bits.
//! [`Params::entries`] lists names, values and meanings. What registers hold (the rows of a tile, a panel's columns) is part of
//! the kernels' code and no parameter.

use std::fmt;
use std::sync::OnceLock;

/// The most that a parameter may be: sums and multiples of it still fit.
const MOST: f64 = 1e15;

/// A group of parameters, or all of them.
macro_rules! params {
    ($($(#[doc = $group_doc:literal])* $group:ident: $Group:ident {
        $($(#[doc = $doc:literal])* $name:ident: $t:ty = $default:expr, $least:expr;)*
    })*) => {
        $(
            $(#[doc = $group_doc])*
            #[derive(Debug, Clone, Copy, PartialEq)]
            pub struct $Group {
                $($(#[doc = $doc])* pub $name: $t,)*
            }

            impl Default for $Group {
                fn default() -> Self {
                    Self { $($name: $default,)* }
                }
            }
        )*

        /// All parameters.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct Params {
            $($(#[doc = $group_doc])* pub $group: $Group,)*
        }

        impl Params {
            /// Every parameter: its name, value and default, and what it is.
            pub fn entries(&self) -> Vec<Entry> {
                let defaults = Self::default();
                vec![$($(Entry {
                    name: concat!(stringify!($group), ".", stringify!($name)),
                    value: self.$group.$name.to_string(),
                    default: defaults.$group.$name.to_string(),
                    least: $least as f64,
                    meaning: concat!($($doc),*).trim(),
                },)*)*]
            }

            /// Changes the parameter of this name.
            ///
            /// # Errors
            /// If there is none, or the value is no number that it may have.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParamError> {
                match name {
                    $($(concat!(stringify!($group), ".", stringify!($name)) => {
                        let least: $t = $least;
                        let fits = |x: &$t| *x >= least && *x as f64 <= MOST;
                        self.$group.$name = value.parse().ok().filter(fits).ok_or_else(|| ParamError {
                            name: name.to_owned(),
                            wrong: out_of_range(value, least as f64),
                        })?;
                    })*)*
                    _ => return Err(ParamError { name: name.to_owned(), wrong: "is no parameter".to_owned() }),
                }
                Ok(())
            }
        }
    };
}

params! {
    /// How work is split over threads.
    threads: Threads {
        /// Nanoseconds of work below which no other thread is woken.
        waking_ns: f64 = 10_000.0, 1.0;
        /// Nanoseconds of work below which a thread that waits for some gets none.
        sharing_ns: f64 = 2_000.0, 0.0;
        /// Nanoseconds of short calls, one after another, for which a thread is woken.
        stream_ns: f64 = 200_000.0, 0.0;
    }
    /// Results that no cache holds.
    memory: Memory {
        /// Bytes of a result from which on it is written past the caches.
        streamed_bytes: usize = 64 << 20, 1;
    }
    /// Products of large matrices.
    product: Product {
        /// Bytes of a packed panel of B's widest tile, which passes through the first-level cache once a tile.
        panel_bytes: usize = 64 << 10, 1;
        /// Bytes of B's packed columns that a thread keeps in its second-level cache while rows of A pass.
        block_bytes: usize = 448 << 10, 1;
        /// Most rows or columns of a packed slab: two slabs stay within the third-level cache.
        slab: usize = 4096, 1;
        /// Multiply-adds of a piece of work that a thread takes at once.
        piece: usize = 4 << 20, 1;
        /// Multiply-adds of a matrix below which threads take whole matrices of a batch.
        whole: usize = 64 << 20, 0;
        /// Most panels of A for which a panel of B is packed where it is used.
        own_panels: usize = 4, 0;
        /// Most elements of C whose sums are cut into segments of the contracted index.
        split_elements: usize = 128 * 128, 0;
        /// Fewest contracted indices of such a segment.
        split_depth: usize = 2048, 1;
        /// Most such segments.
        splits: usize = 8, 1;
    }
    /// Products of small matrices, which are read where they lie.
    direct: Direct {
        /// Most rows and columns.
        side: usize = 256, 1;
        /// Most contracted indices.
        depth: usize = 256, 1;
        /// Bytes from B's first to its last element up to which it is not packed.
        span_bytes: usize = 768 << 10, 0;
        /// Most columns beside which there may be any number of rows, and the reverse.
        narrow: usize = 64, 1;
        /// Most bytes of those few.
        narrow_bytes: usize = 32 << 10, 0;
        /// Fewest rows and columns of a matrix for which a dimension is split into a batch of them.
        split_side: usize = 8, 1;
        /// Nanoseconds that a product costs beside its arithmetic.
        call_ns: f64 = 10.0, 0.0;
    }
    /// Products of up to 32 rows with a large matrix.
    skinny: Skinny {
        /// Fewest elements of the matrix where there are more than eight rows.
        large: usize = 1 << 20, 0;
        /// Fewest contracted indices there.
        long: usize = 512, 1;
        /// Contracted indices of a segment, where there are too few columns for several threads.
        segment: usize = 1 << 15, 1;
        /// Elements of the matrix that make a piece of work.
        piece: usize = 1 << 17, 1;
        /// Elements of the result that stay in half of the first-level cache.
        near: usize = 4096, 64;
    }
    /// Attention.
    attention: Attention {
        /// Bytes of packed keys and values that a round of heads shares.
        round_bytes: usize = 8 << 20, 1;
        /// Floating-point operations a nanosecond of a thread, by which work is split.
        flops_per_ns: f64 = 60.0, 0.001;
        /// Bytes of keys and values a nanosecond of a thread where one query passes over them.
        decode_bytes_per_ns: f64 = 8.0, 0.001;
    }
    /// Factorizations of one matrix.
    factor: Factor {
        /// Bytes of a matrix that the second-level cache holds beside what it is factored with.
        near_bytes: usize = 1 << 20, 1;
        /// Elements of a slab of a tall matrix, which stays in the second-level cache with its reflections.
        tall_slab: usize = 32 << 10, 8192;
        /// Bytes of a symmetric matrix that is reduced with both its triangles, and whose vectors are reflected in panels of registers.
        mirrored_bytes: usize = 512 << 10, 0;
        /// Nanoseconds that a byte of a symmetric matrix takes in a product with a vector.
        symmetric_ns: f64 = 0.015, 0.0;
        /// Most columns of a tall matrix that is factored by a tree of slabs: the R's of slabs are a small part of them.
        tall_columns: usize = 64, 0;
        /// Order of a block on the diagonal that a trailing update of Cholesky computes whole, though half of it is not needed.
        whole_block: usize = 128, 64;
        /// Fewest rows of small matrices whose singular values begin at eigenvectors: of fewer, a few sweeps take less time.
        svd_from_eigh: usize = 10, 2;
        /// Nanoseconds that a byte takes in a bidiagonal reduction.
        bidiagonal_ns: f64 = 0.03, 0.0;
        /// Columns that a reduction to Hessenberg form finds before products give the others what they become.
        hessenberg_block: usize = 16, 1;
        /// Most rows of a Hessenberg matrix whose iteration takes two shifts at a time, in the first-level cache.
        schur_small: usize = 80, 16;
        /// Bulges of two shifts that pass through a large one together.
        schur_bulges: usize = 8, 1;
    }
    /// Nanoseconds an element or row takes, by which work is split.
    cost: Cost {
        /// Elementwise formulas of one result.
        elementwise_ns: f64 = 0.5, 0.0;
        /// Elementwise formulas of several results.
        several_ns: f64 = 1.0, 0.0;
        /// Sums and extremes.
        reduce_ns: f64 = 0.25, 0.0;
        /// Other reductions.
        reduce_more_ns: f64 = 1.0, 0.0;
        /// Softmax.
        softmax_ns: f64 = 0.8, 0.0;
        /// Norms.
        norm_ns: f64 = 0.5, 0.0;
        /// Losses.
        loss_ns: f64 = 0.5, 0.0;
        /// Elements picked by index.
        gather_ns: f64 = 0.5, 0.0;
        /// Elements added by index.
        scatter_ns: f64 = 1.5, 0.0;
        /// Rotary positions.
        rotary_ns: f64 = 0.3, 0.0;
        /// Distances of points, a coordinate of a pair.
        distance_ns: f64 = 0.05, 0.0;
        /// Points through a matrix, a row.
        points_ns: f64 = 1.3, 0.0;
        /// Poses, a matrix.
        pose_ns: f64 = 5.0, 0.0;
        /// Rotations between two, a row.
        slerp_ns: f64 = 3.0, 0.0;
        /// A point of a grid found in a picture.
        locate_ns: f64 = 10.0, 0.0;
        /// A sample of a picture at a point that is found.
        sample_ns: f64 = 1.5, 0.0;
    }
}

/// One parameter, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its group and its name, with a point between.
    pub name: &'static str,
    /// The value that kernels use.
    pub value: String,
    /// The value that they use where none is given.
    pub default: String,
    /// The least value that it may have.
    pub least: f64,
    /// What it is.
    pub meaning: &'static str,
}

/// A parameter that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamError {
    name: String,
    wrong: String,
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.wrong)
    }
}

impl std::error::Error for ParamError {}

impl std::str::FromStr for Params {
    type Err = ParamError;

    /// The defaults, changed by `name=value` for each word.
    fn from_str(text: &str) -> Result<Self, ParamError> {
        let mut params = Self::default();
        for word in text.split_whitespace() {
            let wrong = || ParamError { name: format!("{word:?}"), wrong: "is not of the form name=value".to_owned() };
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            params.set(name, value)?;
        }
        Ok(params)
    }
}

/// The parameters in use: those that `MONOTILE_PARAMS` names, else the defaults.
///
/// If one of them cannot be set, all stay at their defaults, and a line on stderr says why, once; [`from_environment`] is that error.
#[inline]
pub fn params() -> &'static Params {
    match PARAMS.get() {
        Some(params) => params,
        None => read(),
    }
}

static PARAMS: OnceLock<Params> = OnceLock::new();

#[cold]
fn read() -> &'static Params {
    PARAMS.get_or_init(|| {
        from_environment().unwrap_or_else(|error| {
            eprintln!("{error}; the defaults are used");
            Params::default()
        })
    })
}

/// Gives all kernels of the process these parameters, in the place of the defaults and of `MONOTILE_PARAMS`.
///
/// # Errors
/// If parameters are in use already, or a value is one that its parameter may not have.
///
/// # Example
/// ```
/// use monotile_kernels::params::{Params, params, set};
/// let mut tuned = Params::default();
/// tuned.product.block_bytes = 256 << 10;
/// set(tuned)?;
/// assert_eq!(params().product.block_bytes, 256 << 10);
/// # Ok::<(), monotile_kernels::params::ParamError>(())
/// ```
pub fn set(params: Params) -> Result<(), ParamError> {
    for Entry { name, value, least, .. } in params.entries() {
        if !value.parse().is_ok_and(|x: f64| x >= least && x <= MOST) {
            return Err(ParamError { name: format!("params::set: {name}"), wrong: out_of_range(&value, least) });
        }
    }
    let used = |_| ParamError {
        name: "params::set: parameters".to_owned(),
        wrong: "are in use already; set them before the first kernel runs".to_owned(),
    };
    PARAMS.set(params).map_err(used)
}

fn out_of_range(value: &str, least: f64) -> String {
    format!("is {value:?}; it must be a number from {least} to {MOST:e}")
}

/// The parameters that `MONOTILE_PARAMS` asks for.
///
/// # Errors
/// If it names what is no parameter, or a value that one may not have.
pub fn from_environment() -> Result<Params, ParamError> {
    let parsed: Result<Params, ParamError> = std::env::var("MONOTILE_PARAMS").unwrap_or_default().parse();
    parsed.map_err(|error| ParamError { name: format!("MONOTILE_PARAMS: {}", error.name), ..error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_listed_with_its_meaning_and_can_be_set() {
        let mut params = Params::default();
        for entry in Params::default().entries() {
            assert!(entry.meaning.ends_with('.') && entry.value == entry.default, "{entry:?}");
            params.set(entry.name, "100000").unwrap();
        }
        assert!(params.entries().iter().all(|entry| entry.value == "100000"));
    }

    #[test]
    #[cfg(not(any(miri, target_family = "wasm")))]
    fn no_value_makes_a_result_wrong() {
        let all = |value: fn(&Entry) -> f64| {
            let words =
                Params::default().entries().iter().map(|entry| format!("{}={}", entry.name, value(entry))).collect::<Vec<_>>();
            words.join(" ")
        };
        for params in [all(|entry| entry.least), all(|_| MOST)] {
            let products =
                ["skinny::", "long::", "direct::", "every_size_around_a_register"].map(|of| format!("product::tests::{of}"));
            let others =
                ["attention::", "factor::tests::qr", "spectral::symmetric_matrices_are", "reduce::", "softmax::", "norm::"];
            let tests = products.iter().map(String::as_str).chain(others);
            let program = std::env::current_exe().unwrap();
            let ended = match std::process::Command::new(program).args(tests).env("MONOTILE_PARAMS", &params).output() {
                // Under an emulator the system does not know how to run what this program is.
                Err(error) if error.raw_os_error() == Some(8) => {
                    return eprintln!("skipped: {error}");
                }
                ended => ended.unwrap(),
            };
            assert!(ended.status.success(), "{params}: {}", String::from_utf8_lossy(&ended.stdout));
        }
    }

    #[test]
    #[cfg(not(any(miri, target_family = "wasm")))]
    fn parameters_that_cannot_be_read_are_told_once() {
        let program = std::env::current_exe().unwrap();
        let run =
            std::process::Command::new(program).args(["loss::", "--nocapture"]).env("MONOTILE_PARAMS", "product.panel=1").output();
        let ended = match run {
            Err(error) if error.raw_os_error() == Some(8) => return eprintln!("skipped: {error}"),
            ended => ended.unwrap(),
        };
        let told = String::from_utf8_lossy(&ended.stderr)
            .matches("MONOTILE_PARAMS: product.panel is no parameter; the defaults are used")
            .count();
        assert!(ended.status.success() && told == 1, "told {told} times: {}", String::from_utf8_lossy(&ended.stderr));
    }

    #[test]
    fn parameters_are_set_before_use_alone_and_only_to_what_they_may_be() {
        let mut wrong = Params::default();
        wrong.product.slab = 0;
        assert_eq!(set(wrong).unwrap_err().to_string(), "params::set: product.slab is \"0\"; it must be a number from 1 to 1e15");
        let _ = params();
        assert_eq!(
            set(Params::default()).unwrap_err().to_string(),
            "params::set: parameters are in use already; set them before the first kernel runs"
        );
    }

    #[test]
    fn what_is_no_parameter_or_no_value_is_refused() {
        let wrong = |text: &str| text.parse::<Params>().unwrap_err().to_string();
        assert_eq!(wrong("product.panel=1"), "product.panel is no parameter");
        assert_eq!(wrong("product.slab=0"), "product.slab is \"0\"; it must be a number from 1 to 1e15");
        assert_eq!(wrong("cost.norm_ns=NaN"), "cost.norm_ns is \"NaN\"; it must be a number from 0 to 1e15");
        assert_eq!(wrong("threads.waking_ns"), "\"threads.waking_ns\" is not of the form name=value");
        let both: Params = "product.slab=512 cost.norm_ns=2.5".parse().unwrap();
        assert_eq!((both.product.slab, both.cost.norm_ns, both.direct), (512, 2.5, Direct::default()));
    }
}
