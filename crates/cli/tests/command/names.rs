//! The names of the workspace: each visible type has a name of its own, and replaced names do not come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Registers of one instruction set: a build has one of these files.
const ONE_OF: [&str; 5] = ["simd/avx2.rs", "simd/avx512.rs", "simd/neon.rs", "simd/scalar.rs", "simd/wasm.rs"];

/// Types, functions and modules that have other names now, and those.
const REPLACED: [(&str, &str); 39] = [
    ("Apart", "DeltaDistance"),
    ("Around", "PostProcessor"),
    ("Attended", "PartialAttention"),
    ("Combined", "WeightedAdapters"),
    ("Deltas", "Adapter"),
    ("Doubt", "RangeCheckedMask"),
    ("Elem", "TensorElement"),
    ("Ended", "FinishReason"),
    ("Found", "a name of what was found"),
    ("Fresh", "UninitTensor"),
    ("Gauge", "MemoryCounter"),
    ("Generated", "GenerationOutput"),
    ("Keep", "RankSelection, Truncation"),
    ("Nearest", "LowRankApproximation"),
    ("Oddity", "ImportIssue"),
    ("Painted", "ColoredMesh"),
    ("Planned", "TensorSpec"),
    ("Resized", "ResizedModule"),
    ("Seen", "a progress event"),
    ("Sight", "Viewpoint"),
    ("Splitter", "PreTokenizer"),
    ("Staged", "StagedFolder"),
    ("Taste", "GreedyNoise"),
    ("Told", "a progress event"),
    ("Trained", "TrainableParameters"),
    ("Turned", "TransposedLanes"),
    ("Walk", "BackwardMode, StridedWalk"),
    ("Watched", "RangeChecked"),
    ("alien", "foreign"),
    ("computable", "to_compute_dtype"),
    ("by_f64", "unary_f64"),
    ("foretell", "predict"),
    ("quieten", "silence"),
    ("spread", "broadcast_to"),
    ("told", "explain"),
    ("turn", "rotate, transpose, reverse"),
    ("turn_back", "from_lanes, store_panel"),
    ("turn_pair", "rotate_pair"),
    ("vacant", "check_vacant"),
];

/// The sources of all crates, without their tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["tests", "examples", "target"].contains(&name.as_str()) {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// Calls `each` with the file, the line, and the visibility, keyword and name of every definition.
fn definitions(mut each: impl FnMut(&Path, &str, &str, &str, &str)) {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    assert!(files.len() > 400, "the sources are found: {} files", files.len());
    for file in files {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let mut words = line.split_whitespace().peekable();
            let visibility = words.next_if(|word| word.starts_with("pub")).unwrap_or_default();
            while words.next_if(|word| ["const", "unsafe", "async"].contains(word)).is_some() {}
            let (Some(keyword), Some(rest)) = (words.next(), words.next()) else { continue };
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            if ["struct", "enum", "trait", "type", "union", "fn", "mod"].contains(&keyword) && !name.is_empty() {
                each(&file, line, visibility, keyword, name);
            }
        }
    }
}

#[test]
fn visible_types_have_names_of_their_own() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    definitions(|file, line, visibility, keyword, name| {
        let file = file.display().to_string();
        // Types inside a module or a trait are not visible by their own names.
        let visible = ["pub", "pub(crate)"].contains(&visibility) && line.starts_with("pub");
        if visible && !["fn", "mod"].contains(&keyword) && !ONE_OF.iter().any(|one| file.ends_with(one)) {
            places.entry(name.to_string()).or_default().push(file);
        }
    });
    let twice: Vec<_> = places.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "types with one name: {twice:#?}");
}

/// Types that a folder shares are unique in their crate too; those of the file that reads glTF's JSON are named by the format.
#[test]
fn types_that_a_folder_shares_have_names_of_their_own() {
    let mut places: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    definitions(|file, line, visibility, keyword, name| {
        let file = file.display().to_string();
        let of_the_format = file.ends_with("gltf/json.rs") || ONE_OF.iter().any(|one| file.ends_with(one));
        if visibility.starts_with("pub") && line.starts_with("pub") && !["fn", "mod"].contains(&keyword) && !of_the_format {
            let root = file.split("/src/").next().unwrap_or_default().to_string();
            places.entry((root, name.to_string())).or_default().push(file);
        }
    });
    let twice: Vec<_> = places.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "types of a crate with one name: {twice:#?}");
}

#[test]
fn replaced_names_do_not_come_back() {
    let mut back = Vec::new();
    definitions(|file, _, _, keyword, name| {
        for (old, new) in REPLACED {
            if name == old {
                back.push(format!("{}: {keyword} {old}; write {new}", file.display()));
            }
        }
        if name.ends_with("_keepdim") {
            back.push(format!("{}: {keyword} {name}; write an argument `keepdim`", file.display()));
        }
    });
    assert!(back.is_empty(), "{back:#?}");
}
