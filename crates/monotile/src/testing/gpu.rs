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

impl Spec {
    /// Whether the values and gradients of every sample agree on a device, and the first words of what it refuses.
    ///
    /// # Errors
    /// The first thing that does not hold.
    fn check_on(&self, device: &Device) -> std::result::Result<Option<String>, String> {
        for (sample, inputs) in &self.samples {
            let outcome = self.agrees_on(device, inputs);
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(format!("{}, sample \"{sample}\": {why}", self.name)),
                Err(error) if REFUSALS.iter().any(|words| error.to_string().contains(words)) => return Ok(Some(error.to_string())),
                Err(error) => return Err(format!("{}, sample \"{sample}\": {error:#}", self.name)),
            }
        }
        Ok(None)
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
        Ok(found.iter().zip(&expected).enumerate().try_for_each(compare))
    }

    /// The gradients of Σ ⟨w, y⟩ for fixed weights w.
    fn pulled(&self, inputs: &[Tensor], device: &Device) -> Result<Vec<Vec<f64>>> {
        let leaves: Vec<Tensor> = inputs.iter().map(|x| if x.dtype().is_float() { x.requires_grad() } else { x.clone() }).collect();
        let outputs = (self.operation)(&leaves)?;
        let mut weights = Vec::new();
        for (k, y) in outputs.iter().enumerate() {
            let weight = crate::Rng::new(5).fork(k as u64).normal(y.shape(), DType::F32)?;
            weights.push(if y.dtype() == DType::F64 { weight.to_dtype(DType::F64)? } else { weight }.to(device)?);
        }
        let pairs: Vec<_> = outputs.iter().zip(&weights).filter(|(y, _)| y.dtype().is_float() && y.is_recorded()).collect();
        let targets: Vec<&Tensor> = leaves.iter().filter(|x| x.is_recorded()).collect();
        let found = vjp(&pairs, &targets, BackwardMode::Plain)?;
        let gradient = |(x, g): (&&Tensor, Option<Tensor>)| g.map_or_else(|| Ok(vec![0.0; x.len()]), |g| g.to_f64_vec());
        targets.iter().zip(found).map(gradient).collect()
    }
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
        assert!(agreed >= 300, "{agreed} specs are too few");
    }
}
