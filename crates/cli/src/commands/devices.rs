//! `monotile devices`: where tensors can be, and what each device can do.

use std::io::Write;

use clap::Args;
use monotile::Device;
use monotile::text::printable;
use serde_json::json;

use crate::command_error::CommandError;
use crate::machine;
use crate::report::{self, Table, bytes};

/// Lists the devices that `--device` names: the processor, and the adapters of graphics processors.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile devices              a table
  monotile devices --limits     and what each adapter's shaders may use
  monotile devices --json

`--device cpu` computes on the processor, `gpu` on the first adapter, `auto` on the first that is no program on the processor, and any
other word on the adapter whose name has it: `--device radeon`.")]
pub struct DevicesArgs {
    /// Tell what shaders of each adapter may use
    #[arg(long)]
    limits: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// An option of commands that compute with a model.
#[derive(Args)]
pub struct DeviceArgs {
    /// Where to compute: cpu, gpu, auto, or a part of an adapter's name; `monotile devices` lists them
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

impl DeviceArgs {
    /// Opens the device, and says which it is where that was left open.
    pub fn open(&self) -> Result<Device, CommandError> {
        let device =
            Device::open(&self.device).map_err(|error| CommandError::from(error).hint("`monotile devices` lists what there is"))?;
        if self.device != "cpu" {
            crate::progress::say(&format!("device    {}", printable(device.name())));
        }
        Ok(device)
    }
}

impl DevicesArgs {
    /// Prints what there is.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let found = adapters();
        if self.json {
            let listed: Vec<_> = found.iter().map(Adapter::json).collect();
            let cpu = json!({
                "threads": monotile::threads(),
                "instruction_set": instruction_set(),
                "memory_bytes": machine::memory(),
            });
            return report::print_json(&json!({ "cpu": cpu, "adapters": listed }), out);
        }
        let mut table = Table::new(&["device", "kind", "interface", "a binding", "computes in"]);
        let memory = machine::memory().map_or_else(String::new, bytes);
        table.row(vec![
            "cpu".into(),
            format!("{} threads, {}", monotile::threads(), instruction_set()),
            String::new(),
            memory,
            "f32, f64".into(),
        ]);
        for adapter in &found {
            table.row(vec![
                adapter.name.clone(),
                adapter.kind.into(),
                adapter.backend.clone(),
                bytes(adapter.binding),
                "f32".into(),
            ]);
        }
        write!(out, "{}", table.render(report::coloured()))?;
        if found.is_empty() {
            writeln!(
                out,
                "\nNo adapter was found: a driver for Vulkan, Metal or DirectX 12 is missing, or this build is without the feature gpu."
            )?;
        }
        for adapter in found.iter().filter(|_| self.limits) {
            writeln!(out, "\n{}", report::bold(&printable(&adapter.name).to_string(), report::coloured()))?;
            for (name, value) in &adapter.limits {
                writeln!(out, "  {name:<24}{value}")?;
            }
        }
        Ok(())
    }
}

fn instruction_set() -> String {
    format!("{:?}", monotile_kernels::simd::isa()).to_lowercase()
}

/// An adapter as it is printed.
struct Adapter {
    name: String,
    kind: &'static str,
    backend: String,
    binding: u64,
    limits: Vec<(&'static str, String)>,
}

impl Adapter {
    fn json(&self) -> serde_json::Value {
        let limits: serde_json::Map<_, _> =
            self.limits.iter().map(|(name, value)| (name.replace(' ', "_"), json!(value))).collect();
        json!({ "name": self.name, "kind": self.kind, "interface": self.backend, "binding_bytes": self.binding, "limits": limits })
    }
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<Adapter> {
    Vec::new()
}

#[cfg(feature = "gpu")]
fn adapters() -> Vec<Adapter> {
    let list = |adapter: monotile_gpu::AdapterSummary| {
        let of = &adapter.capabilities;
        let yes = |is: bool| if is { "yes" } else { "no" }.to_string();
        let tiles: Vec<String> =
            of.cooperative.iter().map(|tile| format!("{:?} {} to {}", tile.sizes, tile.factors, tile.sums)).collect();
        let limits = vec![
            ("workgroup memory", bytes(u64::from(of.workgroup_bytes))),
            ("workgroup threads", of.workgroup_invocations.to_string()),
            ("buffers a kernel", of.storage_buffers.to_string()),
            ("largest buffer", bytes(of.buffer_bytes)),
            ("subgroup", of.subgroups.as_ref().map_or("not used".into(), |s| format!("{} to {}", s.start(), s.end()))),
            ("arithmetic in f16", yes(of.f16)),
            ("immediate parameters", bytes(u64::from(of.immediates))),
            ("cooperative matrices", if tiles.is_empty() { "none".into() } else { tiles.join("; ") }),
        ];
        Adapter { name: adapter.name, kind: adapter.kind, backend: adapter.backend, binding: of.binding_bytes, limits }
    };
    monotile_gpu::adapters().into_iter().map(list).collect()
}
