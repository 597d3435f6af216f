//! Outputs that are there already, or whose names are unusual: nothing is lost, and nothing of anybody else's is replaced.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use monotile_adapters::{Adapter, WeightedAdapters, Weights, stage_merge};

use super::super::shell;
use super::{cases, content, hidden, monotile, one_sentence, start, wait, workshop};

/// How long a command may take that is to end at once.
const ENOUGH: Duration = Duration::from_secs(20);

/// Training that takes a moment.
const TRAIN: &str = "train --data text.txt --tokenizer bytes --layers 1 --hidden 16 --heads 2 --batch 2 --length 16 --held-out 0";
const ADAPT: &str = "lora train --model model --data text.txt --rank 2 --batch 2 --length 16 --held-out 0";

fn words<'a>(line: &'a str, more: &'a str) -> Vec<&'a str> {
    line.split_whitespace().chain(more.split_whitespace()).collect()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

#[test]
fn a_folder_whose_name_is_no_text_is_written_and_read() {
    let folder = workshop();
    let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
    for case in cases() {
        fs::create_dir(&odd).unwrap();
        let line = case.arguments("$'\\xff'/out").join(" ").replace("%03d", "%d");
        let ended = shell(folder.path(), &format!("monotile {line}"));
        // Names of arrays and of numbered frames are text.
        let text = matches!(case.name, "einsum" | "factor" | "render");
        match text {
            true => ended.is_wrong_usage("invalid UTF-8"),
            false => drop(ended.succeeds()),
        }
        assert_eq!(fs::read_dir(&odd).unwrap().count(), usize::from(!text), "{}", case.name);
        fs::remove_dir_all(&odd).unwrap();
    }
    fs::rename(folder.path().join("base"), &odd).unwrap();
    shell(folder.path(), "monotile lora merge --model $'\\xff' --adapter one --out merged --check").succeeds();
}

#[test]
fn names_as_long_as_names_may_be_are_written() {
    let folder = workshop();
    for case in cases() {
        let name = "n".repeat(250 - (case.out.len() - "OUT".len()));
        case.run(folder.path(), &case.arguments(&name)).succeeds();
        assert!(folder.path().join(case.out.replace("OUT", &name)).exists(), "{}", case.name);
        assert_eq!(hidden(folder.path()), Vec::<String>::new(), "{}", case.name);
        super::remove(&folder.path().join(case.out.replace("OUT", &name)));
    }
}

#[test]
fn training_does_not_replace_what_no_run_of_its_own_wrote() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("one/notes.txt"), "mine").unwrap();
    for out in ["base", "one"] {
        let before = content(&at(out));
        for line in [TRAIN, ADAPT] {
            for more in [format!("--steps 1 --out {out}"), format!("--steps 1 --resume --out {out}")] {
                let said = one_sentence(&monotile(folder.path(), &words(line, &more)), line);
                let held = if out == "base" { "config.json" } else { "adapter_config.json" };
                let todo = "and no run to resume; name a new folder, or move away what is in this one";
                assert_eq!(said, format!("{out}: the folder holds {held} {todo}"));
            }
        }
        assert!(content(&at(out)) == before, "{out}");
    }
}

#[test]
fn numbers_that_are_not_finite_end_a_run_and_leave_its_last_save() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let train = |line: &str, more: &str| monotile(folder.path(), &words(line, more));
    let ended = train(TRAIN, "--out new --steps 3 --lr 1e38 --schedule constant");
    let said = one_sentence(&ended, "train");
    assert!(said.starts_with("train: ") && said.ends_with("; a lower learning rate may help"), "{said}");
    assert!(ended.stderr.contains("hint: nothing was saved; lower --lr"), "{}", ended.stderr);
    assert!(!at("new/model.safetensors").exists());
    // Nothing was saved, so the folder is free for another try.
    train(TRAIN, "--out new --steps 3").succeeds();
    let ended = train(ADAPT, "--out adapter --steps 60 --weight-decay 1e15 --save-every 1");
    one_sentence(&ended, "lora train");
    assert!(ended.stderr.contains("is kept, and --resume comes to the same end; lower --lr in a new folder"), "{}", ended.stderr);
    let adapter = Adapter::read(&at("adapter")).unwrap();
    let finite = |tensor: &monotile::Tensor| tensor.to_f64_vec().unwrap().iter().all(|x| x.is_finite());
    assert!(adapter.modules().iter().all(|(_, delta)| finite(&delta.factors.a) && finite(&delta.factors.b)));
}

#[test]
fn a_run_that_saved_nothing_leaves_no_mark_and_a_killed_one_only_its_log() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    for line in [TRAIN, ADAPT] {
        let train = |more: &str| monotile(folder.path(), &words(line, more));
        one_sentence(&train("--out new --lr 1e38 --clip 0 --schedule constant --steps 9"), line);
        assert!(!at("new").exists(), "{line}");
        // As a kill before the first save leaves it, with another's files beside.
        fs::create_dir(at("new")).unwrap();
        fs::write(at("new/.begun"), "").unwrap();
        fs::write(at("new/log.jsonl"), "half").unwrap();
        for foreign in ["model.safetensors", "config.json", "adapter_model.safetensors", "notes.txt"] {
            fs::write(at("new").join(foreign), "mine").unwrap();
            let before = content(&at("new"));
            let said = one_sentence(&train("--out new --steps 1"), line);
            assert!(said.starts_with(&format!("new: the folder holds {foreign} and no run to resume")), "{said}");
            assert!(content(&at("new")) == before);
            fs::remove_file(at("new").join(foreign)).unwrap();
        }
        train("--out new --steps 1").succeeds();
        assert_eq!(hidden(&at("new")), Vec::<String>::new());
        fs::remove_dir_all(at("new")).unwrap();
    }
}

#[test]
fn a_run_writes_through_no_link_and_waits_at_no_pipe_in_its_folder() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let train = |more: &str| monotile(folder.path(), &words(TRAIN, more));
    fs::write(at("foreign"), "mine").unwrap();
    train("--out run --steps 2").succeeds();
    let log = fs::read(at("run/log.jsonl")).unwrap();
    for name in ["log.jsonl", "loss.svg", "model.safetensors", "config.json", ".lock", ".begun"] {
        let (path, shown) = (at("run").join(name), format!("run/{name}"));
        let kept = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        symlink("../foreign", &path).unwrap();
        let said = one_sentence(&train("--out run --steps 2 --resume"), name);
        assert_eq!(said, format!("{shown}: is a link, and nothing is written through one here; put the file itself in its place"));
        fs::remove_file(&path).unwrap();
        shell(folder.path(), &format!("mkfifo {shown}")).succeeds();
        let ended = wait(start(folder.path(), &strings(&words(TRAIN, "--out run --steps 2 --resume"))), ENOUGH);
        assert_eq!(one_sentence(&ended, name), format!("{shown}: is a pipe, not a file"));
        fs::remove_file(&path).unwrap();
        kept.iter().for_each(|kept| fs::write(&path, kept).unwrap());
    }
    assert!(fs::read(at("foreign")).unwrap() == b"mine" && fs::read(at("run/log.jsonl")).unwrap() == log);
    train("--out run --steps 2 --resume").succeeds();
}

#[test]
fn commands_wait_at_no_pipe_that_has_the_name_of_a_file_of_theirs() {
    let folder = workshop();
    for case in cases().into_iter().filter(|case| case.out == "OUT") {
        let pipes = match case.resumes || case.name == "render" {
            true => vec!["out/.lock"],
            false => vec![".out.lock", ".out.partial/plan.json"],
        };
        for pipe in pipes {
            shell(folder.path(), &format!("mkdir -p $(dirname {pipe}) && mkfifo {pipe}")).succeeds();
            let ended = wait(start(folder.path(), &case.arguments("out")), ENOUGH);
            assert_eq!(one_sentence(&ended, case.name), format!("{pipe}: is a pipe, not a file"), "{}", case.name);
            shell(folder.path(), "rm -rf out .out.lock .out.partial").succeeds();
        }
    }
    // What a killed process may have begun is looked at, and a pipe of such a name left alone.
    shell(folder.path(), "mkfifo .o.npy.1-1.partial").succeeds();
    let line = words("einsum ij,jk->ik a.npy a.npy -o o.npy", "");
    wait(start(folder.path(), &strings(&line)), ENOUGH).succeeds();
    assert_eq!(hidden(folder.path()), [".o.npy.1-1.partial"]);
}

/// Nobody named the frames: they are looked at before the first one is drawn.
#[test]
fn numbered_frames_go_through_no_link_and_wait_at_no_pipe() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let case = cases().into_iter().find(|case| case.name == "render").unwrap();
    fs::create_dir(at("out")).unwrap();
    fs::write(at("foreign"), "mine").unwrap();
    for (make, what) in [
        ("mkfifo out/007.png", "is a pipe, not a file"),
        ("mkdir out/007.png", "is a folder, not a file"),
        ("ln -s ../foreign out/007.png", "is a link, and nothing is written through one here; put the file itself in its place"),
    ] {
        shell(folder.path(), make).succeeds();
        let ended = wait(start(folder.path(), &case.arguments("out")), ENOUGH);
        assert_eq!(one_sentence(&ended, make), format!("out/007.png: {what}"));
        assert_eq!(fs::read_dir(at("out")).unwrap().count(), 1, "{make}: nothing was drawn");
        shell(folder.path(), "rm -rf out/007.png").succeeds();
    }
    assert_eq!(fs::read(at("foreign")).unwrap(), b"mine");
}

#[test]
fn what_is_no_folder_is_told_with_what_to_do() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "mine").unwrap();
    symlink("nowhere", at("link")).unwrap();
    for (line, name) in [(TRAIN, "train"), (ADAPT, "lora train"), ("tour", "tour")] {
        let refused = |out: &str| one_sentence(&monotile(folder.path(), &words(line, &format!("--out {out}"))), name);
        let file = "file: is a file, and a folder goes there; name another, or move it away (writing)";
        assert_eq!([refused("file"), refused("file/deeper")], [file, file]);
        assert_eq!(refused("link"), "link: is a link to nothing; make the folder that it leads to, or name another (writing)");
    }
    // A file of the user's under the name of a mark stays.
    for mark in [".lock", ".begun"] {
        fs::create_dir(at("new")).unwrap();
        fs::write(at("new").join(mark), "mine").unwrap();
        let said = one_sentence(&monotile(folder.path(), &words(TRAIN, "--out new --steps 1")), mark);
        assert!(said.starts_with(&format!("new/{mark}: has the name of a mark of this command")), "{said}");
        assert_eq!(fs::read(at("new").join(mark)).unwrap(), b"mine");
        fs::remove_dir_all(at("new")).unwrap();
    }
}

/// A damaged run cannot be resumed, whatever the options are.
#[test]
fn a_damaged_run_is_begun_anew_and_an_emptied_file_of_its_result_is_written_again() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let train = |more: &str| monotile(folder.path(), &words(TRAIN, more));
    train("--out run --steps 2").succeeds();
    fs::write(at("run/tokenizer_config.json"), "").unwrap();
    train("--out run --steps 2 --resume").succeeds();
    assert!(fs::read_to_string(at("run/tokenizer_config.json")).unwrap().contains("PreTrainedTokenizerFast"));
    let state = at("run/training.safetensors");
    let whole = fs::read(&state).unwrap();
    fs::write(&state, &whole[..whole.len() - 9]).unwrap();
    let ended = train("--out run --steps 2 --resume");
    one_sentence(&ended, "train");
    assert!(ended.stderr.contains("hint: the run in that folder is damaged and cannot be resumed"), "{}", ended.stderr);
}

#[test]
fn a_finished_run_whose_result_is_gone_writes_it_again() {
    let folder = workshop();
    for (line, result) in [(TRAIN, "model.safetensors"), (TRAIN, "tokenizer.json"), (ADAPT, "adapter_model.safetensors")] {
        let train = |more: &str| monotile(folder.path(), &words(line, more));
        let path = folder.path().join("run").join(result);
        train("--out run --steps 2").succeeds();
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        train("--out run --steps 2 --resume").succeeds();
        assert!(fs::read(&path).unwrap() == whole, "{result}");
        fs::remove_dir_all(folder.path().join("run")).unwrap();
    }
}

#[test]
fn a_tour_replaces_no_file_that_it_did_not_write() {
    let folder = workshop();
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::write(folder.path().join("site/index.html"), "mine").unwrap();
    let said = one_sentence(&monotile(folder.path(), &["tour", "--out", "site"]), "tour");
    assert_eq!(said, "site: the folder holds index.html, which no tour wrote");
    assert_eq!(fs::read(folder.path().join("site/index.html")).unwrap(), b"mine");
}

#[test]
fn another_base_model_is_noticed_and_the_same_one_elsewhere_is_not() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let adapt = |model: &str, more: &str| {
        let line = ADAPT.replace("--model model", &format!("--model {model}"));
        monotile(folder.path(), &words(&line, more))
    };
    adapt("model", "--out adapter --steps 4").succeeds();
    fs::rename(at("model"), at("moved")).unwrap();
    let weights = at("moved/model.safetensors");
    fs::write(&weights, fs::read(&weights).unwrap()).unwrap();
    adapt("moved", "--out adapter --steps 4 --resume").succeeds();
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let said = one_sentence(&adapt("moved", "--out adapter --steps 4 --resume"), "lora train");
    let what = "the run was begun on another base model; give that one, or begin a run in another folder";
    assert_eq!(said, format!("adapter/training.safetensors: {what}"));
}

#[test]
fn links_are_followed_modes_are_kept_and_pipes_are_written() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let product = |out: &str| monotile(folder.path(), &["einsum", "ij,jk->ik", "a.npy", "a.npy", "-o", out]);
    product("plain.npy").succeeds();
    let whole = fs::read(at("plain.npy")).unwrap();
    fs::create_dir(at("far")).unwrap();
    fs::write(at("far/b.npy"), "old").unwrap();
    fs::set_permissions(at("far/b.npy"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("far/b.npy", at("link.npy")).unwrap();
    product("link.npy").succeeds();
    assert!(at("link.npy").is_symlink() && fs::read(at("far/b.npy")).unwrap() == whole);
    assert_eq!(fs::metadata(at("far/b.npy")).unwrap().permissions().mode() & 0o777, 0o600);
    let line =
        "mkfifo pipe.npy; cat pipe.npy > read.npy & monotile einsum 'ij,jk->ik' a.npy a.npy -o pipe.npy; wait; test -p pipe.npy";
    shell(folder.path(), line).succeeds();
    assert!(fs::read(at("read.npy")).unwrap() == whole);
    let line = "monotile lora inspect one --plot /dev/stdout | grep -c '</svg>'; test -c /dev/null -a -h /dev/stdout";
    assert_eq!(shell(folder.path(), line).succeeds().lines().last(), Some("1"));
}

#[test]
fn a_shorter_animation_leaves_no_frame_of_a_longer_one() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let draw = |frames: &str, out: &str| {
        let line = "render triangle.gltf --cpu --size 16x16 --turntable --fps 1 --duration";
        monotile(folder.path(), &words(line, &format!("{frames} -o {out}")))
    };
    draw("6", "frames/a%02d.png").succeeds();
    fs::write(at("frames/a07.png"), "mine").unwrap();
    for other in ["frames/a5.png", "frames/b05.png", "frames/a05.png.txt"] {
        fs::copy(at("frames/a05.png"), at(other)).unwrap();
    }
    let ended = draw("3", "frames/a%02d.png");
    let warned = "warning: frames/a07.png: is numbered as a later frame, but was not drawn by this command, and stays";
    assert!(ended.stderr.contains(warned), "{}", ended.stderr);
    ended.succeeds();
    let names: Vec<String> = content(&at("frames")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a00.png", "a01.png", "a02.png", "a05.png.txt", "a07.png", "a5.png", "b05.png"]);
}

#[test]
fn a_merge_that_was_killed_while_it_was_checked_is_checked_again() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    let base = Weights::open(&at("base")).unwrap();
    let combined = WeightedAdapters::new(&[(Adapter::read(&at("one")).unwrap(), 1.0)], &base).unwrap();
    drop(stage_merge(&base, &combined, None, &at("merged"), &mut |_| {}).unwrap());
    assert!(!at("merged").exists());
    let ended = monotile(folder.path(), &words("lora merge --model base --adapter one --out merged --check", ""));
    assert!(ended.stderr.contains("merged: went on where an earlier run stopped"), "{}", ended.stderr);
    assert!(ended.stderr.contains("merged: holds: 3 of 3 tensors exact"), "{}", ended.stderr);
    ended.succeeds();
    assert!(at("merged/model.safetensors").exists() && hidden(folder.path()).is_empty());
    let extract = "lora extract --base base --tuned tuned --rank 2 --out adapter --check";
    monotile(folder.path(), &words(extract, "")).succeeds();
    assert!(at("adapter/adapter_config.json").exists() && hidden(folder.path()).is_empty());
}

#[test]
fn a_list_of_samples_is_learned_as_samples() {
    let folder = workshop();
    let list: Vec<String> = (0..40).map(|i| format!("{{\"prompt\": \"{i} + 1 = \", \"completion\": \"{}\"}}", i + 1)).collect();
    fs::write(folder.path().join("list.json"), format!("[{}]", list.join(",\n"))).unwrap();
    fs::write(folder.path().join("lines.jsonl"), list.join("\n")).unwrap();
    let dry = |data: &str| {
        let ended = monotile(folder.path(), &words(&TRAIN.replace("text.txt", data), "--out new --dry-run"));
        assert!(ended.stderr.contains("samples   40 of "), "{}", ended.stderr);
        ended.stderr
    };
    assert_eq!(dry("list.json"), dry("lines.jsonl"));
    fs::write(folder.path().join("object.json"), "{\n\"text\": \"a\"\n}\n").unwrap();
    let ended = monotile(folder.path(), &words(&TRAIN.replace("text.txt", "object.json"), "--out new"));
    assert!(one_sentence(&ended, "train").starts_with("object.json:1: not JSON"));
}
