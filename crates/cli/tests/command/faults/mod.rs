//! What the world does to a run: kills it, asks it to stop, fills its disk, takes its reader away, runs it twice.

#![cfg(unix)]

mod disk;
mod kill;
mod limits;
mod mapped;
mod memory;
mod outputs;
mod pipe;
mod stop;
mod templates;
mod two;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use monotile::{DType, Rng, Tensor};
use tempfile::TempDir;

use super::{Finished, language, monotile, scene};

/// A command that writes a file or a folder.
struct Case {
    name: &'static str,
    /// Its arguments, with `OUT` where the output is named.
    arguments: Vec<&'static str>,
    /// The output beside the folder that the command runs in.
    out: &'static str,
    /// Whether `--resume` continues what a killed run left.
    resumes: bool,
}

impl Case {
    /// The arguments with another name for the output.
    fn arguments(&self, out: &str) -> Vec<String> {
        self.arguments.iter().map(|word| word.replace("OUT", out)).collect()
    }

    /// The arguments that go on with a run.
    fn resuming(&self, out: &str) -> Vec<String> {
        let mut arguments = self.arguments(out);
        if self.resumes {
            arguments.push("--resume".into());
        }
        arguments
    }

    fn run(&self, folder: &Path, arguments: &[String]) -> Finished {
        monotile(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Every command that writes something that takes more than a moment.
fn cases() -> Vec<Case> {
    const SMALL: &str = "--tokenizer bytes --layers 1 --hidden 16 --heads 2 --batch 2 --length 16 --held-out 0.2 --save-every 5";
    let case = |name, line: &'static str, more: &'static str, out, resumes| {
        let arguments = line.split_whitespace().chain(more.split_whitespace()).collect();
        Case { name, arguments, out, resumes }
    };
    vec![
        case("train", "train --data text.txt --out OUT --steps 60", SMALL, "OUT", true),
        case(
            "lora train",
            "lora train --model model --data text.txt --out OUT --rank 2 --steps 60",
            "--batch 2 --length 16 --save-every 5",
            "OUT",
            true,
        ),
        case("lora init", "lora init --model model --rank 2 --method orthogonal --out OUT", "", "OUT", false),
        case("lora merge", "lora merge --model base --adapter one --out OUT", "", "OUT", false),
        case("lora extract", "lora extract --base base --tuned tuned --rank 2 --out OUT", "", "OUT", false),
        case("lora resize", "lora resize --adapter one --rank 2 --out OUT", "", "OUT", false),
        case("einsum", "einsum ij,jk->ik a.npy a.npy -o OUT.npy", "", "OUT.npy", false),
        case("factor", "factor svd a.npy -o OUT.npz", "", "OUT.npz", false),
        case(
            "render",
            "render triangle.gltf --cpu --size 64x64",
            "--turntable --duration 1 --fps 12 -o OUT/%03d.png",
            "OUT",
            false,
        ),
    ]
}

/// Removes a file or a folder, where there is one.
fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
}

/// A folder with all that the cases need.
fn workshop() -> TempDir {
    let folder = language::workshop();
    let at = |name: &str| folder.path().join(name);
    let mut rng = Rng::new(5);
    rng.normal(&[160, 160], DType::F32).unwrap().write_npy(at("a.npy")).unwrap();
    fs::write(at("triangle.gltf"), scene::TRIANGLE).unwrap();
    // A checkpoint of square matrices, one that differs from it, and an adapter for it.
    let module = |block: usize| format!("model.layers.{block}.self_attn.q_proj");
    let (mut base, mut tuned, mut factors) = (Vec::new(), Vec::new(), Vec::new());
    for block in 0..3 {
        let (a, b) = (rng.normal(&[4, 64], DType::F32).unwrap(), rng.normal(&[64, 4], DType::F32).unwrap());
        let weight = rng.normal(&[64, 64], DType::F32).unwrap();
        tuned.push((format!("{}.weight", module(block)), weight.add(b.matmul(&a).unwrap()).unwrap()));
        base.push((format!("{}.weight", module(block)), weight));
        factors.push((format!("base_model.model.{}.lora_A.weight", module(block)), a));
        factors.push((format!("base_model.model.{}.lora_B.weight", module(block)), b));
    }
    for (name, file, tensors) in [("base", "model", &base), ("tuned", "model", &tuned), ("one", "adapter_model", &factors)] {
        fs::create_dir(at(name)).unwrap();
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        monotile::io::write_safetensors(at(name).join(format!("{file}.safetensors")), &listed, &[("format", "pt")]).unwrap();
    }
    fs::write(at("base/config.json"), "{}").unwrap();
    let config = r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 2, "target_modules": ["q_proj"]}"#;
    fs::write(at("one/adapter_config.json"), config).unwrap();
    folder
}

/// Starts a command without waiting for it.
fn start(folder: &Path, arguments: &[String]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_monotile"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

/// Waits for the end of a command, for so long at most.
#[track_caller]
fn wait(child: Child, most: Duration) -> Finished {
    let begun = Instant::now();
    let id = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match ended.recv_timeout(most) {
        Ok(output) => Finished::new(output.unwrap()),
        Err(_) => {
            signal(id, "KILL");
            panic!("the command was still running after {:?}", begun.elapsed());
        }
    }
}

/// Sends a signal to a process.
fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "kill is there");
}

/// Waits until a file is there; `false` where the command ends before.
fn appears(path: &Path, child: &mut Child) -> bool {
    while !path.exists() {
        if child.try_wait().unwrap().is_some() {
            return path.exists();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// The names and bytes of all files of a folder, or of one file; nothing where there is none. Times and plots of a log are left out.
fn content(path: &Path) -> Vec<(String, Vec<u8>)> {
    if path.is_file() {
        return vec![(String::new(), fs::read(path).unwrap())];
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten() {
        let (name, path) = entry.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).unwrap();
        if !path.is_dir() && name != "log.jsonl" {
            all.push((name, fs::read(path).unwrap()));
        }
    }
    all.sort();
    all
}

/// The hidden files and folders in a folder and one level below.
fn hidden(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            found.push(name);
        } else if entry.path().is_dir() {
            found.extend(hidden(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        }
    }
    found
}

/// The one sentence of a failure.
#[track_caller]
fn one_sentence(ended: &Finished, what: &str) -> String {
    assert_eq!(ended.status, Some(1), "{what}: {}", ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("{what}: {}", ended.stderr) };
    assert!(!ended.stderr.contains("panicked") && error.chars().count() < 600, "{what}: {}", ended.stderr);
    error["error: ".len()..].to_string()
}
