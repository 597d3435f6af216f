//! What the machine has, and what kernels are tuned by.

use std::io::Write;

use monotile_kernels::params::params;
use monotile_kernels::{simd, threads};
use serde_json::json;

use crate::command_error::CommandError;
use crate::machine;
use crate::report::{self, bytes};

/// Prints the instruction set, the threads and the memory, and every tuning parameter with its meaning.
pub fn print(as_json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let (isa, entries) = (format!("{:?}", simd::isa()).to_lowercase(), params().entries());
    if as_json {
        let changed = |value: &str| value.parse::<f64>().unwrap_or(f64::NAN);
        let params: serde_json::Map<_, _> = entries.iter().map(|x| (x.name.to_owned(), json!(changed(&x.value)))).collect();
        let object = json!({
            "instruction_set": isa,
            "threads": threads::count(),
            "memory_bytes": machine::memory(),
            "params": params,
        });
        return report::print_json(&object, out);
    }
    let colour = report::coloured();
    let memory = machine::memory().map_or_else(|| "not known".into(), bytes);
    writeln!(out, "{}", report::bold("this machine", colour))?;
    writeln!(out, "  instruction set  {isa:<10}  MONOTILE_ISA names a lesser one")?;
    writeln!(out, "  threads          {:<10}  MONOTILE_THREADS names another number", threads::count())?;
    writeln!(out, "  memory           {memory}")?;
    writeln!(out, "\n{}", report::bold("tuning, changed by MONOTILE_PARAMS=\"name=value name=value\"", colour))?;
    let width = |of: fn(&monotile_kernels::params::Entry) -> usize| entries.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|x| x.name.len()), width(|x| x.value.len()));
    for x in &entries {
        let default = if x.value == x.default { String::new() } else { format!(" Default: {}.", x.default) };
        writeln!(out, "  {:<names$}  {:>values$}  {}{default}", x.name, x.value, x.meaning)?;
    }
    Ok(())
}
