//! `monotile info`: what a checkpoint holds and what it costs to run and to adapt, what a GGUF file or a 3D model holds, or what the machine has.

mod gguf;
mod machine;
mod scene;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile_adapters::Weights;
use monotile_llama::{Config, LinearKind};
use serde_json::json;

use crate::command_error::CommandError;
use crate::report::{self, Table, bytes, count, short};

/// Tells what a 3D model or a GGUF file holds; a checkpoint's parameters, products, FLOPs and cache a token, and what LoRA would train; or what
/// the machine has and kernels are tuned by.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile info Fox.glb                         nodes, meshes, materials, clips, and what is unusual
  monotile info SmolLM2.Q4_1.gguf               keys, types and tensors
  monotile info --model shakespeare             a table
  monotile info --model shakespeare --rank 16   what LoRA of rank 16 would train
  monotile info --model shakespeare --json | jq .parameters
  monotile info --machine                       instruction set, threads, memory, tuning")]
pub struct InfoArgs {
    /// A 3D model (.gltf, .glb), a GGUF file, or the folder of a checkpoint
    #[arg(value_name = "MODEL", required_unless_present_any = ["model", "machine"], conflicts_with = "model")]
    path: Option<PathBuf>,
    /// Folder of the checkpoint, with config.json
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The instruction set, threads, memory and tuning parameters in use
    #[arg(long, conflicts_with_all = ["path", "model", "scene"])]
    machine: bool,
    /// Scene of a 3D model, by name or number [default: the one that the file names]
    #[arg(long, value_name = "NAME|N", conflicts_with = "model")]
    scene: Option<String>,
    /// Rank of the LoRA that is counted
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    rank: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Refuses sizes that the weights beside cannot have; without weights that can be read, sizes are taken as they are.
fn refuse_hollow(folder: &Path, config: &Config) -> Result<(), CommandError> {
    let Ok(weights) = Weights::open(folder) else { return Ok(()) };
    let bytes = |name: &str| weights.file(name).and_then(|file| file.bytes(name)).map_or(0, <[u8]>::len);
    let held: usize = weights.names().map(bytes).sum();
    if held < config.parameters() {
        let (folder, numbers) = (folder.display(), config.parameters());
        return Err(CommandError::new(format!(
            "{folder}/config.json: asks for {numbers} numbers, and the files hold {held} bytes"
        )));
    }
    Ok(())
}

impl InfoArgs {
    /// Reads the model or the checkpoint's configuration and prints what follows from it.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        if self.machine {
            return machine::print(self.json, out);
        }
        let is_gguf = |path: &Path| gguf::is_gguf(path) && !path.is_dir();
        match (&self.path, &self.model) {
            (Some(path), _) | (_, Some(path)) if is_gguf(path) && self.scene.is_none() => gguf::print(path, self.json, out),
            (Some(path), _) if !path.is_dir() && !is_gguf(path) => scene::print(path, self.scene.clone(), self.json, out),
            _ if self.scene.is_some() => Err(CommandError::Usage("info: --scene is for a 3D model, a .gltf or .glb file".into())),
            (Some(folder), _) | (None, Some(folder)) => {
                let config = Config::read(folder)?;
                refuse_hollow(folder, &config)?;
                if self.json { self.print_json(&config, out) } else { self.print_table(folder, &config, out) }
            }
            (None, None) => Err(CommandError::Usage("info: which model?".into())),
        }
    }

    /// What LoRA may be put on: its name on the command line, and how many numbers it then trains.
    fn choices(&self, config: &Config) -> [(&'static str, usize); 3] {
        let trained = |wanted: &[LinearKind]| config.lora_parameters(wanted.iter().copied(), self.rank as usize);
        let attention = [LinearKind::Q, LinearKind::K, LinearKind::V, LinearKind::O];
        [
            ("q_proj,v_proj", trained(&[LinearKind::Q, LinearKind::V])),
            ("q_proj,k_proj,v_proj,o_proj", trained(&attention)),
            ("all-linear", trained(&LinearKind::BLOCK)),
        ]
    }

    fn print_json(&self, config: &Config, out: &mut dyn Write) -> Result<(), CommandError> {
        let product = |p: &monotile_llama::MatMulShape| json!({"layer": p.linear.name(), "count": p.count, "rows": p.rows, "columns": p.columns});
        let lora = self.choices(config).map(|(modules, n)| json!({"target_modules": modules, "trained": n}));
        let object = json!({
            "family": config.family.name(),
            "layers": config.num_hidden_layers,
            "hidden_size": config.hidden_size,
            "vocab_size": config.vocab_size,
            "context": config.context(),
            "parameters": config.parameters(),
            "products": config.matmul_shapes().iter().map(product).collect::<Vec<_>>(),
            "flop_a_token": {"empty_context": config.flops(0), "full_context": config.flops(config.context())},
            "cache_bytes_a_token": config.cache_bytes(),
            "lora": {"rank": self.rank, "choices": lora},
        });
        report::print_json(&object, out)
    }

    fn print_table(&self, folder: &Path, config: &Config, out: &mut dyn Write) -> Result<(), CommandError> {
        let colour = report::coloured();
        let title = |text: &str| report::bold(text, colour);
        let total = config.parameters() as u64;
        let shared = match config.num_attention_heads / config.num_key_value_heads {
            1 => String::new(),
            _ => format!(" sharing {} of keys and values", config.num_key_value_heads),
        };
        writeln!(out, "{}", title(&report::path(folder)))?;
        let (family, blocks, wide) = (config.family.name(), config.num_hidden_layers, config.hidden_size);
        let heads = format!("{} heads of {}{shared}", config.num_attention_heads, config.head_dim);
        writeln!(out, "  {family}: {blocks} blocks {wide} wide, {heads}")?;
        let tied = if config.tie_word_embeddings { ", tied embeddings" } else { "" };
        writeln!(out, "  vocabulary {}, context {}{tied}", count(config.vocab_size as u64), count(config.context() as u64))?;
        writeln!(out, "  {} parameters ({})\n", count(total), short(total as f64))?;

        writeln!(out, "{}", title("a token"))?;
        let (empty, full) = (config.flops(0), config.flops(config.context()));
        writeln!(out, "  {}FLOP forward with nothing before it, {}FLOP at the end of the context", short(empty), short(full))?;
        let cache = config.cache_bytes() as u64;
        writeln!(
            out,
            "  {} of cached keys and values, {} for the whole context\n",
            bytes(cache),
            bytes(cache.saturating_mul(config.context() as u64))
        )?;

        let mut products = Table::new(&["matrix product", "count", "rows", "columns", "parameters"]);
        for p in config.matmul_shapes() {
            let all = (p.count * p.rows) as u64 * p.columns as u64;
            products.row(vec![
                p.linear.name().into(),
                count(p.count as u64),
                count(p.rows as u64),
                count(p.columns as u64),
                count(all),
            ]);
        }
        writeln!(out, "{}", products.render(colour))?;

        let mut lora = Table::new(&[&format!("LoRA of rank {} on", self.rank), "trained", "of all"]);
        for (modules, n) in self.choices(config) {
            lora.row(vec![modules.into(), count(n as u64), format!("{:.2} %", 100.0 * n as f64 / total as f64)]);
        }
        Ok(write!(out, "{}", lora.render(colour))?)
    }
}
