//! Contractions, functions of numbers, reductions, rows and attention, against PyTorch.

use monotile::attention::{AttentionOptions, rotary, scaled_dot_product_attention, scaled_dot_product_attention_with_lse};
use monotile::io::Npz;
use monotile::ops::{
    CrossEntropyOptions, LossReduction, NllLossOptions, bce, cross_entropy, embedding, layer_norm, linear, nll_loss, rms_norm,
    swiglu,
};
use monotile::{DType, Result, Tensor, einsum};
use serde_json::Value;

use crate::cases::{Tolerance, check, folder};

/// Sums of a few dozen products and functions that a library computes to a few units in the last place.
const ROUNDING: Tolerance = Tolerance { f64: 4e-15, f32: 2e-6 };

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap()
}

fn integers(options: &Value, name: &str) -> Vec<isize> {
    options[name].as_array().unwrap().iter().map(|axis| axis.as_i64().unwrap() as isize).collect()
}

fn axis(options: &Value) -> isize {
    options["axis"].as_i64().unwrap() as isize
}

fn one(found: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![found?])
}

#[test]
fn contractions_are_those_of_pytorch() {
    check(
        "einsum.safetensors",
        ROUNDING,
        &[("einsum", |x, options| one(einsum(options["equation"].as_str().unwrap(), &x.iter().collect::<Vec<_>>())))],
    );
}

#[test]
fn functions_of_numbers_are_those_of_pytorch() {
    check(
        "elementwise.safetensors",
        ROUNDING,
        &[
            ("tanh", |x, _| one(x[0].tanh())),
            ("sigmoid", |x, _| one(x[0].sigmoid())),
            ("silu", |x, _| one(x[0].silu())),
            ("gelu", |x, _| one(x[0].gelu())),
            ("gelu_tanh", |x, _| one(x[0].gelu_tanh())),
            ("erf", |x, _| one(x[0].erf())),
            ("sin", |x, _| one(x[0].sin())),
            ("cos", |x, _| one(x[0].cos())),
            ("square", |x, _| one(x[0].square())),
            ("relu", |x, _| one(x[0].relu())),
            ("abs", |x, _| one(x[0].abs())),
            ("neg", |x, _| one(x[0].neg())),
            ("sign", |x, _| one(x[0].sign())),
            ("exp", |x, _| one(x[0].exp())),
            ("ln", |x, _| one(x[0].ln())),
            ("sqrt", |x, _| one(x[0].sqrt())),
            ("rsqrt", |x, _| one(x[0].rsqrt())),
            ("recip", |x, _| one(x[0].recip())),
            ("powf", |x, options| one(x[0].powf(number(options, "power")))),
            ("clamp", |x, options| one(x[0].clamp(number(options, "low"), number(options, "high")))),
            ("add", |x, _| one(x[0].add(&x[1]))),
            ("sub", |x, _| one(x[0].sub(&x[1]))),
            ("mul", |x, _| one(x[0].mul(&x[1]))),
            ("div", |x, _| one(x[0].div(&x[1]))),
            ("maximum", |x, _| one(x[0].maximum(&x[1]))),
            ("minimum", |x, _| one(x[0].minimum(&x[1]))),
            ("pow", |x, _| one(x[0].pow(&x[1]))),
            ("where_", |x, _| one(x[0].where_(&x[1], &x[2]))),
            ("swiglu", |x, _| one(swiglu(&x[0], &x[1]))),
            ("eq", |x, _| one(x[0].eq(&x[1]))),
            ("ne", |x, _| one(x[0].ne(&x[1]))),
            ("lt", |x, _| one(x[0].lt(&x[1]))),
            ("le", |x, _| one(x[0].le(&x[1]))),
            ("gt", |x, _| one(x[0].gt(&x[1]))),
            ("ge", |x, _| one(x[0].ge(&x[1]))),
        ],
    );
}

#[test]
fn reductions_rows_and_picked_elements_are_those_of_pytorch() {
    check(
        "rows.safetensors",
        ROUNDING,
        &[
            ("sum", |x, options| one(x[0].sum(&integers(options, "axes"), false))),
            ("mean", |x, options| one(x[0].mean(&integers(options, "axes"), false))),
            ("logsumexp", |x, options| one(x[0].logsumexp(&integers(options, "axes"), false))),
            ("max", |x, options| one(x[0].max(&integers(options, "axes"), false))),
            ("min", |x, options| one(x[0].min(&integers(options, "axes"), false))),
            ("var", |x, options| one(x[0].var(&integers(options, "axes"), number(options, "correction"), false))),
            ("argmax", |x, options| one(x[0].argmax(&integers(options, "axes"), false))),
            ("argmin", |x, options| one(x[0].argmin(&integers(options, "axes"), false))),
            ("softmax", |x, options| one(x[0].softmax(axis(options)))),
            ("log_softmax", |x, options| one(x[0].log_softmax(axis(options)))),
            ("cumsum", |x, options| one(x[0].cumsum(axis(options)))),
            ("cumprod", |x, options| one(x[0].cumprod(axis(options)))),
            ("logcumsumexp", |x, options| one(x[0].logcumsumexp(axis(options)))),
            ("cummax", |x, options| one(Ok(x[0].cummax(axis(options))?.0))),
            ("cummin", |x, options| one(Ok(x[0].cummin(axis(options))?.0))),
            ("prod", |x, options| one(x[0].prod(&integers(options, "axes"), false))),
            ("std", |x, options| one(x[0].std(&integers(options, "axes"), number(options, "correction"), false))),
            ("tril", |x, options| one(x[0].tril(number(options, "offset") as isize))),
            ("triu", |x, options| one(x[0].triu(number(options, "offset") as isize))),
            ("diag", |x, options| one(x[0].diag(number(options, "offset") as isize))),
            ("diagonal_offset", |x, options| one(x[0].diagonal_offset(number(options, "offset") as isize, 0, 1))),
            ("layer_norm", |x, options| one(layer_norm(&x[0], &x[1], &x[2], number(options, "eps")))),
            ("rms_norm", |x, options| one(rms_norm(&x[0], &x[1], number(options, "eps")))),
            ("cross_entropy", |x, _| {
                one(cross_entropy(&x[0], &x[1], &CrossEntropyOptions { ignore_index: Some(-100), ..Default::default() }))
            }),
            ("rotary", |x, _| one(rotary(&x[0], &x[1], &x[2]))),
            ("matmul", |x, _| one(x[0].matmul(&x[1]))),
            ("linear", |x, _| one(linear(&x[0], &x[1], Some(&x[2])))),
            ("embedding", |x, _| one(embedding(&x[0], &x[1]))),
            ("gather", |x, _| one(x[0].gather(1, &x[1]))),
            ("index_select", |x, _| one(x[0].index_select(-1, &x[1]))),
            ("scatter_add", |x, _| one(x[0].scatter_add(1, &x[1], &x[2]))),
            ("cat", |x, options| one(Tensor::cat(&[&x[0], &x[1]], axis(options)))),
            ("stack", |x, options| one(Tensor::stack(&[&x[0], &x[1]], axis(options)))),
            ("pad", |x, options| {
                let [before, after] = ["before", "after"].map(|name| number(options, name) as usize);
                one(x[0].pad(-1, before, after, number(options, "value")))
            }),
            ("flip", |x, options| one(x[0].flip(axis(options)))),
            ("diagonal", |x, options| {
                let axes = integers(options, "axes");
                one(x[0].diagonal(axes[0], axes[1]))
            }),
            ("permute", |x, options| one(x[0].permute(&integers(options, "order")))),
        ],
    );
}

fn reduction(options: &Value) -> LossReduction {
    match options["reduction"].as_str().unwrap() {
        "mean" => LossReduction::Mean,
        "sum" => LossReduction::Sum,
        _ => LossReduction::None,
    }
}

/// Of logits, classes or probabilities, and weights, if there are any.
fn weighed(x: &[Tensor], options: &Value) -> Result<Vec<Tensor>> {
    one(cross_entropy(
        &x[0],
        &x[1],
        &CrossEntropyOptions {
            ignore_index: (x[1].dtype() == DType::I64).then_some(-100),
            weight: x.get(2).cloned(),
            label_smoothing: number(options, "label_smoothing"),
            reduction: reduction(options),
        },
    ))
}

#[test]
fn losses_are_those_of_pytorch() {
    check(
        "losses.safetensors",
        ROUNDING,
        &[
            ("cross_entropy", weighed),
            ("weighted_cross_entropy", weighed),
            ("soft_cross_entropy", weighed),
            ("weighted_soft_cross_entropy", weighed),
            ("nll_loss", |x, options| {
                let weight = Some(x[2].clone());
                one(nll_loss(&x[0], &x[1], &NllLossOptions { ignore_index: Some(-100), weight, reduction: reduction(options) }))
            }),
            ("bce", |x, options| one(bce(&x[0], &x[1], reduction(options)))),
        ],
    );
}

#[test]
fn attention_is_that_of_pytorch() {
    check(
        "attention.safetensors",
        ROUNDING,
        &[
            ("attention", |x, options| {
                let (causal, scale) = (options["causal"].as_bool().unwrap(), options["scale"].as_f64());
                one(scaled_dot_product_attention(&x[0], &x[1], &x[2], &AttentionOptions { mask: x.get(3), causal, scale }))
            }),
            ("attention_with_lse", |x, _| {
                let found = scaled_dot_product_attention_with_lse(&x[0], &x[1], &x[2], &AttentionOptions::default())?;
                Ok(vec![found.out, found.log_sum_exp])
            }),
            ("merge", |x, _| {
                let first = scaled_dot_product_attention_with_lse(&x[0], &x[1], &x[2], &AttentionOptions::default())?;
                Ok(vec![first.append_keys(&x[0], &x[3], &x[4], &AttentionOptions::default())?.out])
            }),
        ],
    );
}

#[test]
fn short_types_and_archives_are_those_of_pytorch_and_numpy() {
    let exact = Tolerance { f64: 0.0, f32: 0.0 };
    check(
        "formats.safetensors",
        exact,
        &[
            ("cast", |x, _| {
                let short = x[0].slice(0, ..x[0].len() - 3)?;
                Ok(vec![x[0].to_dtype(DType::BF16)?, short.to_dtype(DType::F16)?])
            }),
            ("read", |_, options| {
                let found = Npz::open(folder().join("formats.npz"))?.tensor(options["name"].as_str().unwrap())?;
                let wanted = match options["dtype"].as_str().unwrap() {
                    "float64" => DType::F64,
                    "float32" => DType::F32,
                    "float16" => DType::F16,
                    "int64" => DType::I64,
                    "bool" => DType::Bool,
                    other => panic!("a type that no case should have: {other}"),
                };
                assert_eq!(found.dtype(), wanted);
                Ok(vec![found])
            }),
        ],
    );
}
