//! Every operation, asked with sizes near the ends of the address space: it gives a right result at once, or refuses in a
//! sentence that names the shape or the bytes. Nothing panics, ends the process or takes long.
//!
//! Operands are one number repeated by strides of 0, or have no element, so that they take no memory. What would honestly
//! compute for hours is left out: operands that are not empty have at least 2⁴⁶ elements, which no memory holds a copy of;
//! and views of so many elements are not read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use monotile_kernels::shape::count;

use super::Spec;
use crate::attention::{AttentionOptions, scaled_dot_product_attention};
use crate::error::{ErrorKind, Result};
use crate::linalg::{self, QrOptions, SvdOptions};
use crate::random::Rng;
use crate::tensor::{DType, Tensor};
use crate::{einsum, einsum::Einsum};

/// Sizes that are asked: of them only those from 2⁴⁶ on make operands that have elements.
const HUGE: [usize; 7] = [1 << 32, 1 << 46, (1 << 59) + 1, (1 << 61) - 1, (1 << 62) + 1, 1 << 63, usize::MAX];
const LARGE: usize = 1 << 46;
/// Far more than a refusal takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Specs that make lists as long as their inputs, which are not the operation's, those whose results of a byte an element are had where
/// others are refused, but take a minute, and that of the operators, which panic.
const OF_THEIR_OWN: [&str; 6] = ["rotary", "scaled_dot_product_attention", "pca", "any", "all", "operators with numbers"];

/// One number at every index of a shape, of the type of `like`.
fn repeated(shape: &[usize], like: DType) -> Result<Tensor> {
    Tensor::filled(shape, 1.0, like)
}

/// What is wrong with how a call ended, if something is.
fn verdict(call: impl FnOnce() -> Result<Vec<Tensor>>) -> std::result::Result<(), String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Err(_) => Err("panicked".into()),
        Ok(Ok(outputs)) => match outputs.iter().find(|y| y.len() != count(y.shape())) {
            Some(y) => Err(format!("gave {} elements of shape {:?}", y.len(), y.shape())),
            None => Ok(()),
        },
        Ok(Err(error)) => {
            let words = error.to_string();
            match error.kind() {
                ErrorKind::Memory if !words.contains("bytes") => Err(format!("does not tell bytes: {words}")),
                ErrorKind::Shape if words.contains("memory") && !words.contains('[') => Err(format!("names no shape: {words}")),
                _ => Ok(()),
            }
        }
    }
}

/// [`verdict`] of a call that may hang, on a thread of its own.
fn with_timeout(call: impl FnOnce() -> Result<Vec<Tensor>> + Send + 'static) -> std::result::Result<(), String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(verdict(call)));
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(format!("took more than {PATIENCE:?}")))
}

/// Shapes of the inputs of a sample with one of their sizes huge, and perhaps another one 0.
fn variants(shapes: &[Vec<usize>]) -> Vec<Vec<Vec<usize>>> {
    let mut sizes: Vec<usize> = shapes.iter().flatten().copied().collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut all = Vec::new();
    for &from in &sizes {
        for huge in HUGE {
            for zero in std::iter::once(None).chain(sizes.iter().filter(|&&n| n != from).map(|&n| Some(n))) {
                let size = |&n: &usize| {
                    if n == from {
                        huge
                    } else if Some(n) == zero {
                        0
                    } else {
                        n
                    }
                };
                let changed: Vec<Vec<usize>> = shapes.iter().map(|shape| shape.iter().map(size).collect()).collect();
                // What has elements has too many for any memory.
                let elements = changed.iter().filter(|shape| shape.contains(&huge)).map(|shape| count(shape));
                if elements.into_iter().all(|n| n == 0 || n >= LARGE) {
                    all.push(changed);
                }
            }
        }
    }
    all
}

/// Asks an operation for every variant of its samples; what went wrong.
fn check_sizes(specs: Vec<Spec>) -> Vec<String> {
    let mut failures = Vec::new();
    for spec in specs.into_iter().filter(|spec| !OF_THEIR_OWN.contains(&spec.name)) {
        let (name, spec) = (spec.name, std::sync::Arc::new(spec));
        for (_, inputs) in spec.samples.iter().filter(|(_, inputs)| inputs.iter().any(|x| x.rank() > 0)).take(2) {
            let shapes: Vec<Vec<usize>> = inputs.iter().map(|x| x.shape().to_vec()).collect();
            let dtypes: Vec<DType> = inputs.iter().map(Tensor::dtype).collect();
            for changed in variants(&shapes) {
                let made = changed.iter().zip(&dtypes).map(|(shape, &dtype)| repeated(shape, dtype)).collect::<Result<Vec<_>>>();
                // A shape that no tensor has is refused where it is made.
                let Ok(operands) = made else { continue };
                let spec = spec.clone();
                if let Err(why) = with_timeout(move || (spec.operation)(&operands)) {
                    failures.push(format!("{name} of shapes {changed:?} {why}"));
                    if why.contains("took") {
                        return failures;
                    }
                    break;
                }
            }
        }
    }
    failures
}

fn all_well(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} calls:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn operations_take_or_refuse_sizes_that_no_memory_holds() {
    all_well(check_sizes([crate::ops::specs(), crate::einsum::specs(), crate::attention::specs()].into_iter().flatten().collect()));
}

#[test]
fn factorizations_take_or_refuse_sizes_that_no_memory_holds() {
    all_well(check_sizes(crate::linalg::specs()));
}

#[test]
fn statistics_take_or_refuse_sizes_that_no_memory_holds() {
    all_well(check_sizes(crate::stats::specs()));
}

#[test]
fn transforms_take_or_refuse_sizes_that_no_memory_holds() {
    all_well(check_sizes(crate::transform::specs()));
}

#[test]
fn attention_takes_or_refuses_sizes_that_no_memory_holds() {
    let sizes: Vec<Vec<usize>> = vec![vec![2, 4, 3, 5], vec![2, 4, 7, 5], vec![2, 4, 7, 6]];
    for shapes in variants(&sizes) {
        let operands = shapes.iter().map(|shape| repeated(shape, DType::F32)).collect::<Result<Vec<_>>>();
        let Ok(x) = operands else { continue };
        let call = move || Ok(vec![scaled_dot_product_attention(&x[0], &x[1], &x[2], &AttentionOptions::default())?]);
        with_timeout(call).unwrap_or_else(|why| panic!("attention of shapes {shapes:?} {why}"));
    }
}

#[test]
fn constructors_refuse_what_does_not_fit_and_name_the_shape() {
    type Make = fn(&[usize]) -> Result<Tensor>;
    let makers: [(&str, Make); 8] = [
        ("zeros", |s| Tensor::zeros(s, DType::F32)),
        ("ones", |s| Tensor::ones(s, DType::Bool)),
        ("full", |s| Tensor::full(s, 2_i64)),
        ("filled", |s| Tensor::filled(s, 2.0, DType::BF16)),
        ("expand", |s| Tensor::scalar(1.0_f64).expand(s)),
        ("from_slice", |s| Tensor::from_slice::<f32>(&[], s)),
        ("normal", |s| Rng::new(1).normal(s, DType::F32)),
        ("uniform", |s| Rng::new(1).uniform(s, 0.0, 1.0, DType::F16)),
    ];
    for (name, make) in makers {
        for shape in [&[(1 << 62) + 1, 4][..], &[1 << 32, 1 << 32], &[usize::MAX], &[1 << 40, 0, 1 << 40], &[1 << 60, 0]] {
            let words = make(shape).err().unwrap_or_else(|| panic!("{name} makes {shape:?}")).to_string();
            assert_eq!(words, format!("{name}: shape {shape:?} has more elements than memory has bytes"));
        }
        assert_eq!(make(&[1 << 59, 0]).unwrap().len(), 0, "{name}");
    }
    let bytes = |r: Result<Tensor>| {
        let error = r.unwrap_err();
        (error.kind(), error.to_string())
    };
    let memory = |words: &str| (ErrorKind::Memory, words.to_string());
    let needs = |op: &str, shape: &str, n: u64| {
        memory(&format!("{op}: a result of shape {shape} needs {n} bytes of memory, which cannot be had"))
    };
    assert_eq!(bytes(Tensor::arange(1 << 46)), needs("arange", "[70368744177664]", 1 << 49));
    assert_eq!(bytes(Tensor::eye(1 << 23, DType::F32)), needs("eye", "[8388608, 8388608]", 1 << 49));
    assert_eq!(bytes(Tensor::linspace(0.0, 1.0, 1 << 46, DType::F32)), needs("linspace", "[70368744177664]", 1 << 48));
    assert_eq!(bytes(Rng::new(1).normal(&[1 << 46], DType::F32)), needs("normal", "[70368744177664]", 1 << 48));
    for n in [1 << 60, usize::MAX] {
        assert_eq!(Tensor::arange(n).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(Tensor::eye(n, DType::F32).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(Tensor::linspace(0.0, 1.0, n, DType::F64).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(Rng::new(1).permutation(n).unwrap_err().kind(), ErrorKind::Memory);
    }
}

#[test]
fn results_that_overflow_though_operands_are_empty_are_refused() {
    let empty = |shape: &[usize]| Tensor::zeros(shape, DType::F32).unwrap();
    let (a, b) = (empty(&[1 << 32, 0]), empty(&[1 << 31, 0]));
    let words = |r: Result<Tensor>| r.unwrap_err().to_string();
    // 2³² by 2³¹, and no element to sum over.
    assert_eq!(
        words(einsum("ij,kj->ik", &[&a, &b])),
        "einsum: shape [4294967296, 2147483648] has more elements than memory has bytes"
    );
    assert!(words(a.matmul(&b.mt())).contains("[4294967296, 2147483648]"));
    assert!(words(einsum("ia,kb->iakb", &[&a, &b])).contains("more elements than memory has bytes"));
    let (i, j) = (empty(&[0, 1 << 40]), empty(&[1 << 40, 0]));
    assert!(words(einsum("xi,jy->xijy", &[&i, &j])).contains("more elements than memory has bytes"));
    let wide = |n| empty(&[0, n]);
    assert!(words(Tensor::cat(&[&wide(1 << 59), &wide(1 << 59)], 1)).contains("[0, 1152921504606846976]"));
    assert!(words(wide(1 << 59).pad(1, usize::MAX, 0, 0.0)).contains("pad"));
    assert!(
        words(empty(&[1 << 40, 1, 0]).add(empty(&[1, 1 << 40, 1]))).starts_with("add: shape [1099511627776, 1099511627776, 0]")
    );
    assert!(words(empty(&[1 << 40, 0]).reshape(&[0, 1_i64 << 40, 1 << 40])).starts_with("reshape: shape"));
    assert!(words(empty(&[1 << 40, 0]).unsqueeze(0).unwrap().expand(&[1_usize << 40, 1 << 40, 0])).starts_with("expand: shape"));
    // Two operands of which each has fewer elements than fit, all counted.
    let long = Tensor::scalar(1.0_f32).expand(&[1_usize << 40]).unwrap();
    assert!(words(einsum("i,j->ij", &[&long, &long])).contains("[1099511627776, 1099511627776]"));
    assert_eq!(einsum("i,j->", &[&empty(&[0]), &empty(&[0])]).unwrap().item::<f32>().unwrap(), 0.0);
    let compiled = Einsum::new("ij,jk->ik").unwrap().compile(&[&[1 << 32, 2], &[2, 1 << 31]]);
    assert!(compiled.unwrap_err().to_string().contains("more elements than memory has bytes"));
}

#[test]
fn empty_operands_of_huge_sizes_give_their_results_at_once() {
    let empty = |shape: &[usize]| Tensor::zeros(shape, DType::F64).unwrap();
    let huge = 1 << 58;
    let x = empty(&[huge, 0]);
    let shapes: [(Result<Tensor>, &[usize]); 12] = [
        (x.exp(), &[huge, 0]),
        (x.add(&x), &[huge, 0]),
        (x.mt().contiguous(), &[0, huge]),
        (x.sum(&[0], false), &[0]),
        (x.softmax(-1), &[huge, 0]),
        (x.softmax(0), &[huge, 0]),
        (x.reshape(&[0, 5]), &[0, 5]),
        (x.mt().matmul(&empty(&[huge, 3])).and_then(|y| y.add_scalar(1.0)), &[0, 3]),
        (x.slice_step(0, .., isize::MAX), &[1, 0]),
        (x.flip(0), &[huge, 0]),
        (linalg::cholesky(&empty(&[huge, 0, 0])), &[huge, 0, 0]),
        (linalg::qr(&empty(&[huge, 0, 3]), &QrOptions::default()).map(|qr| qr.q), &[huge, 0, 0]),
    ];
    for (i, (result, shape)) in shapes.into_iter().enumerate() {
        assert_eq!(result.unwrap_or_else(|e| panic!("case {i}: {e}")).shape(), shape, "case {i}");
    }
    assert_eq!(linalg::svd(&empty(&[huge, 0, 0]), &SvdOptions::default()).unwrap().s.shape(), [huge, 0]);
    let (q, v) = (empty(&[huge, 1, 0, 1]), empty(&[huge, 1, 0, 0]));
    assert_eq!(scaled_dot_product_attention(&q, &q, &v, &AttentionOptions::default()).unwrap().shape(), [huge, 1, 0, 0]);
    assert_eq!(x.to_vec::<f64>().unwrap(), [0.0; 0]);
    assert_eq!(x.to_f64_vec().unwrap(), [0.0; 0]);
    assert!(x.to_string().contains("[288230376151711744, 0]"));
}

#[test]
fn copies_that_no_memory_holds_are_errors_with_their_bytes() {
    let x = Tensor::scalar(1.5_f32).expand(&[1_usize << 30, 1 << 16]).unwrap();
    let words = |r: Result<Tensor>| r.unwrap_err().to_string();
    let need = "a result of shape [1073741824, 65536] needs 281474976710656 bytes of memory, which cannot be had";
    assert_eq!(words(x.exp()), format!("exp: {need}"));
    assert_eq!(words(x.mul(&x)), format!("mul: {need}"));
    assert_eq!(words(x.contiguous()), format!("contiguous: {need}"));
    assert_eq!(words(x.to_dtype(DType::BF16)), format!("to_dtype: {}", need.replace("281474976710656", "140737488355328")));
    let bytes = Tensor::scalar(7_u8).expand(x.shape()).unwrap();
    let wide = need.replace("281474976710656", "562949953421312");
    assert_eq!(words(bytes.sum(&[], false)), format!("sum: {wide}"));
    assert_eq!(words(bytes.add(1)), format!("add: {wide}"));
    assert_eq!(x.to_vec::<f32>().unwrap_err().kind(), ErrorKind::Memory);
    assert_eq!(x.to_f64_vec().unwrap_err().kind(), ErrorKind::Memory);
    let panicked = catch_unwind(AssertUnwindSafe(|| &x + &x)).unwrap_err();
    assert_eq!(*panicked.downcast::<String>().unwrap(), format!("add: {need}"));
}
