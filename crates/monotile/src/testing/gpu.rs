//! Every spec on every adapter: samples as f32, values and gradients against f64 on the processor.

use monotile_gpu::{Capabilities, GpuOptions, adapters};

use super::Spec;
use super::harness::{close, is_f64, numbers};
use crate::error::Result;
use crate::tape::{BackwardMode, vjp};
use crate::tensor::{DType, Device, Tensor};

/// What a GPU says of what it does not have; all else that it refuses is a fault.
const REFUSALS: [&str; 4] =
    ["not on a GPU yet", "holds f32, bf16, f16, i32 and bool, not", "move one with `to`", "than 6 dimensions"];

/// What it says of matrices that its kernels of factorizations do not hold.
const TOO_LARGE: &str = "matrices are at most 32 x 32, not";

impl Spec {
    /// Whether the values and gradients of every sample agree on a device, and the first words of what it refuses.
    ///
    /// # Errors
    /// The first thing that does not hold.
    fn check_on(&self, device: &Device) -> std::result::Result<Option<String>, String> {
        let (mut agreed, mut large) = (false, None);
        for (sample, inputs) in &self.samples {
            let outcome = self.agrees_on(device, inputs);
            match outcome {
                Ok(Ok(())) => agreed = true,
                Ok(Err(why)) => return Err(format!("{}, sample \"{sample}\": {why}", self.name)),
                // Other samples of the same operation fit.
                Err(error) if error.to_string().contains(TOO_LARGE) => large = Some(error.to_string()),
                Err(error) if REFUSALS.iter().any(|words| error.to_string().contains(words)) => return Ok(Some(error.to_string())),
                Err(error) => return Err(format!("{}, sample \"{sample}\": {error:#}", self.name)),
            }
        }
        Ok(if agreed { None } else { large })
    }

    fn agrees_on(&self, device: &Device, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let tolerance = self.tolerance_f32.max(1e-4);
        let narrow =
            inputs.iter().map(|x| if is_f64(x) { x.to_dtype(DType::F32) } else { Ok(x.clone()) }).collect::<Result<Vec<_>>>()?;
        let wide = narrow
            .iter()
            .map(|x| if x.dtype() == DType::F32 { x.to_dtype(DType::F64) } else { Ok(x.clone()) })
            .collect::<Result<Vec<_>>>()?;
        let there = narrow.iter().map(|x| x.to(device)).collect::<Result<Vec<_>>>()?;
        let outputs = (self.operation)(&there)?;
        let expected = numbers(&(self.operation)(&wide)?)?;
        if let Err(why) = numbers(&outputs)?.iter().zip(&expected).try_for_each(|(y, e)| close(y, e, tolerance)) {
            return Ok(Err(why));
        }
        let one_number = |y: &Tensor| y.strides().iter().all(|&stride| stride == 0);
        if let Some(k) = outputs.iter().position(|y| y.device() != *device && !y.is_empty() && !one_number(y)) {
            return Ok(Err(format!("output {k} has moved to {}", outputs[k].device())));
        }
        if self.orders == 0 {
            return Ok(Ok(()));
        }
        let (found, expected) = (self.pulled(&there, device)?, self.pulled(&wide, &Device::cpu())?);
        let compare = |(i, (y, e)): (usize, (&Vec<f64>, &Vec<f64>))| {
            close(y, e, tolerance).map_err(|why| format!("the gradient of input {i}: {why}"))
        };
        if let Err(why) = found.iter().zip(&expected).enumerate().try_for_each(compare) {
            return Ok(Err(why));
        }
        if self.orders == 1 {
            return Ok(Ok(()));
        }
        let (found, expected) = (self.pulled_twice(&there, device)?, self.pulled_twice(&wide, &Device::cpu())?);
        // The errors of both walks add up.
        let compare = |(i, (y, e)): (usize, (&Vec<f64>, &Vec<f64>))| {
            close(y, e, 10.0 * tolerance).map_err(|why| format!("the second gradient of input {i}: {why}"))
        };
        Ok(found.iter().zip(&expected).enumerate().try_for_each(compare))
    }

    /// The gradients of Σ ⟨v, x̄⟩ for fixed weights v, where x̄ are those of Σ ⟨w, y⟩.
    fn pulled_twice(&self, inputs: &[Tensor], device: &Device) -> Result<Vec<Vec<f64>>> {
        let leaves = leaves(inputs);
        let targets: Vec<&Tensor> = leaves.iter().filter(|x| x.is_recorded()).collect();
        let first = self.gradients(&leaves, device, BackwardMode::Recorded)?;
        let kept: Vec<Tensor> = first.into_iter().flatten().filter(Tensor::is_recorded).collect();
        let weights = kept.iter().enumerate().map(|(k, g)| weight(g, 100 + k as u64, device)).collect::<Result<Vec<_>>>()?;
        let found = vjp(&kept.iter().zip(&weights).collect::<Vec<_>>(), &targets, BackwardMode::Plain)?;
        targets.iter().zip(found).map(values).collect()
    }

    /// The gradients of Σ ⟨w, y⟩ for fixed weights w.
    fn pulled(&self, inputs: &[Tensor], device: &Device) -> Result<Vec<Vec<f64>>> {
        let leaves = leaves(inputs);
        let found = self.gradients(&leaves, device, BackwardMode::Plain)?;
        leaves.iter().filter(|x| x.is_recorded()).collect::<Vec<_>>().iter().zip(found).map(values).collect()
    }

    fn gradients(&self, leaves: &[Tensor], device: &Device, mode: BackwardMode) -> Result<Vec<Option<Tensor>>> {
        let outputs = (self.operation)(leaves)?;
        let weights = outputs.iter().enumerate().map(|(k, y)| weight(y, k as u64, device)).collect::<Result<Vec<_>>>()?;
        let pairs: Vec<_> = outputs.iter().zip(&weights).filter(|(y, _)| y.dtype().is_float() && y.is_recorded()).collect();
        let targets: Vec<&Tensor> = leaves.iter().filter(|x| x.is_recorded()).collect();
        vjp(&pairs, &targets, mode)
    }
}

fn leaves(inputs: &[Tensor]) -> Vec<Tensor> {
    inputs.iter().map(|x| if x.dtype().is_float() { x.requires_grad() } else { x.clone() }).collect()
}

/// A fixed cotangent of y: the same numbers in every type.
fn weight(y: &Tensor, number: u64, device: &Device) -> Result<Tensor> {
    let weight = crate::Rng::new(5).fork(number).normal(y.shape(), DType::F32)?;
    if y.dtype() == DType::F64 { weight.to_dtype(DType::F64)? } else { weight }.to(device)
}

/// The numbers of a gradient of x; zeros where there is none.
fn values((x, g): (&&Tensor, Option<Tensor>)) -> Result<Vec<f64>> {
    g.map_or_else(|| Ok(vec![0.0; x.len()]), |g| g.to_f64_vec())
}

/// Each adapter's device with all that it has and with WebGPU's defaults. With `MONOTILE_REQUIRE_GPU=1` one has to be there.
pub(crate) fn devices() -> Vec<Device> {
    let mut devices = Vec::new();
    for adapter in adapters() {
        for capabilities in [None, Some(Capabilities::webgpu())] {
            match Device::gpu(&GpuOptions { adapter: Some(adapter.name.clone()), capabilities }) {
                Ok(device) => devices.push(device),
                // An adapter may be less than WebGPU.
                Err(error) => eprintln!("skipped: {error}"),
            }
        }
    }
    let required = std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1");
    assert!(!required || !devices.is_empty(), "no adapter");
    if devices.is_empty() {
        eprintln!("skipped: no adapter");
    }
    devices
}

fn specs() -> Vec<Spec> {
    [crate::ops::specs(), crate::attention::specs(), crate::einsum::specs(), crate::linalg::specs()]
        .into_iter()
        .chain([crate::stats::specs(), crate::transform::specs()])
        .flatten()
        .collect()
}

#[test]
fn every_spec_agrees_on_every_adapter_or_is_refused() {
    for device in devices() {
        let (mut agreed, mut refused, mut failures) = (0, Vec::new(), Vec::new());
        for spec in specs().iter().filter(|spec| !spec.samples.is_empty()) {
            match spec.check_on(&device) {
                Ok(None) => agreed += 1,
                Ok(Some(words)) => refused.push(format!("{}: {words}", spec.name)),
                Err(why) => failures.push(why),
            }
        }
        eprintln!(
            "{device}: {agreed} specs agree, {} are refused, {} kernels were called",
            refused.len(),
            device.dispatches().unwrap_or(0)
        );
        if std::env::var_os("MONOTILE_REFUSED").is_some() {
            eprintln!("{}", refused.join("\n"));
        }
        assert!(failures.is_empty(), "{} specs differ on {device}:\n{}", failures.len(), failures.join("\n"));
        assert!(agreed >= 500, "{agreed} specs are too few");
    }
}
