//! Contractions: what is printed and written, plans, and how refusals point at the place.

use std::fs;

use monotile::io::{Npz, SafeTensors, write_npz, write_safetensors};
use monotile::{DType, Tensor};
use tempfile::TempDir;

use super::monotile;

/// A folder with a.npy (2 x 3, f32), b.npy (3 x 2, f64), c.npz (weights, 2 x 2) and d.safetensors (x and y).
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let a = Tensor::arange(6).unwrap().to_dtype(DType::F32).unwrap().reshape(&[2, 3]).unwrap();
    let b = Tensor::arange(6).unwrap().to_dtype(DType::F64).unwrap().reshape(&[3, 2]).unwrap();
    a.write_npy(at("a.npy")).unwrap();
    b.write_npy(at("b.npy")).unwrap();
    write_npz(at("c.npz"), &[("weights", &Tensor::eye(2, DType::F32).unwrap())]).unwrap();
    write_safetensors(at("d.safetensors"), &[("x", &a), ("y", &b)], &[]).unwrap();
    folder
}

#[test]
fn a_product_is_printed_and_written_in_every_format() {
    let folder = folder();
    let product = &["einsum", "ij,jk,kl->il", "a.npy", "b.npy", "c.npz:weights"];
    let printed = monotile(folder.path(), product);
    assert_eq!(printed.stderr, "2 x 2 f64\n");
    assert_eq!(printed.succeeds(), "[[10., 13.],\n [28., 40.]]\n");
    let values = [10.0, 13.0, 28.0, 40.0];
    let write = |name: &str| {
        let ended = monotile(folder.path(), &[product, &["-o", name][..]].concat());
        assert!(ended.stderr.contains(": 2 x 2 f64, computed in "), "{}", ended.stderr);
        assert_eq!(ended.succeeds(), "");
    };
    write("out.npy");
    assert_eq!(Tensor::read_npy(folder.path().join("out.npy")).unwrap().to_vec::<f64>().unwrap(), values);
    write("out.npz:scores");
    let npz = Npz::open(folder.path().join("out.npz")).unwrap();
    assert_eq!(npz.tensor("scores").unwrap().to_vec::<f64>().unwrap(), values);
    write("out.safetensors");
    let file = SafeTensors::open(folder.path().join("out.safetensors")).unwrap();
    assert_eq!(file.tensor("result").unwrap().to_vec::<f64>().unwrap(), values);
}

#[test]
fn json_has_the_plan_and_the_values() {
    let folder = folder();
    let text = monotile(folder.path(), &["einsum", "ij,ij->", "a.npy", "d.safetensors:x", "--json"]).succeeds();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["values"], serde_json::json!([55.0]));
    assert_eq!((&object["dtype"], &object["operations"]), (&"f32".into(), &12.0.into()));
    assert_eq!(object["steps"][0]["kind"], "dot product");
}

#[test]
fn plans_need_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let chain: &[&str] = &["einsum", "ij,jk,kl,lm->im", "--shapes", "512x8,8x512,512x8,8x512"];
    let table = monotile(folder.path(), chain).succeeds();
    for words in ["jk,kl->jl", "(2.909 times as many)", "memory at its peak   266,240 elements  (1.02 MiB in f32"] {
        assert!(table.contains(words), "{table}");
    }
    let path = |options: &[&str]| {
        let text = monotile(folder.path(), &[chain, &["--json"][..], options].concat()).succeeds();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["path"].to_string()
    };
    assert_eq!(path(&["--optimize", "left-to-right"]), "[[0,1],[2,0],[1,0]]");
    assert_eq!(path(&["--optimize", "[(2, 3), (0, 1), (0, 1)]"]), "[[2,3],[0,1],[0,1]]");
    for order in ["auto", "optimal"] {
        assert_eq!(path(&["--optimize", order, "--minimize", "both"]), "[[1,2],[0,2],[1,0]]", "{order}");
    }
    let operations = |options: &[&str]| {
        let text = monotile(folder.path(), &[chain, &["--json"][..], options].concat()).succeeds();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["operations"].as_f64().unwrap()
    };
    assert_eq!(operations(&["--optimize", "greedy"]), 4_325_376.0);
    assert_eq!(operations(&["--optimize", "random-greedy", "--trials", "32", "--seed", "7"]), 4_325_376.0);
    assert_eq!(operations(&["--optimize", "random-greedy", "--time", "0.01", "--minimize", "memory"]), 4_325_376.0);
    let limited = monotile(folder.path(), &[chain, &["--memory-limit", "1MiB"][..]].concat());
    let words = "the memory limit is 1048576 bytes; the order that takes least takes 1064960 bytes (266240 elements of f32)";
    limited.fails_with(&format!("error: einsum \"ij,jk,kl,lm->im\": {words}"));
}

#[test]
fn a_refusal_points_at_the_place() {
    let folder = folder();
    let refused = |arguments: &[&str], lines: &[&str]| {
        monotile(folder.path(), &[&["einsum"], arguments].concat()).fails_with(&lines.join("\n"));
    };
    refused(
        &["ij,jk->ik", "a.npy", "d.safetensors:x"],
        &[
            "error: einsum \"ij,jk->ik\": label j is 3 in operand 0 and 2 in operand 1",
            "",
            "    ij,jk->ik",
            "     ^ ^",
            "     | 2 in operand 1",
            "     3 in operand 0",
            "",
            "    operand 0  a.npy            2 x 3",
            "    operand 1  d.safetensors:x  2 x 3",
        ],
    );
    refused(
        &["ij,jk>ik", "a.npy", "b.npy"],
        &[
            "error: einsum \"ij,jk>ik\": the '>' at position 5 has no '-' before it; an arrow is \"->\"",
            "",
            "    ij,jk>ik",
            "         ^ an arrow is \"->\"",
        ],
    );
    refused(
        &["ij,j->i", "--shapes", "2x3"],
        &[
            "error: einsum \"ij,j->i\": the equation has 2 terms for 1 operand",
            "",
            "    ij,j->i",
            "    ^^^^ 2 terms",
            "",
            "    operand 0  2 x 3",
        ],
    );
}

/// 2^30 + 1 has no f32, and its square no f32 and no f64 that is exact unless it is below 2^53.
#[test]
fn integers_are_contracted_exactly_or_refused() {
    let folder = folder();
    let write = |name: &str, numbers: Vec<i64>| {
        let n = numbers.len();
        Tensor::from_vec(numbers, &[n]).unwrap().write_npy(folder.path().join(name)).unwrap();
    };
    write("i.npy", vec![3, -1, (1 << 24) + 1]);
    write("j.npy", vec![1, 1, (1 << 26) + 1]);
    write("big.npy", vec![1 << 40, 1]);
    let exact = monotile(folder.path(), &["einsum", "i,i->", "i.npy", "j.npy", "-o", "k.npy"]);
    exact.succeeds();
    let product = Tensor::read_npy(folder.path().join("k.npy")).unwrap();
    assert_eq!(product.to_vec::<i64>().unwrap(), [2 + ((1 << 24) + 1) * ((1 << 26) + 1)]);
    monotile(folder.path(), &["einsum", "i,i->", "big.npy", "big.npy"])
        .fails_with(
            "error: einsum: sums of these integers may reach 2.418e24, and only those up to 2^53 are computed exactly\nhint: save one of the arrays as float64 if rounded sums will do",
        );
}

/// Sums of bytes pass 255, and those of two of the largest i32 pass 2^31.
#[test]
fn narrow_integers_of_files_are_contracted_as_exactly() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    Tensor::from([[255_u8, 2], [255, 4]]).write_npy(at("u.npy")).unwrap();
    let narrow = [("u", &Tensor::from([[255_u8, 2], [255, 4]])), ("i", &Tensor::from([i32::MAX, 1]))];
    write_safetensors(at("n.safetensors"), &narrow, &[]).unwrap();
    for operand in ["u.npy", "n.safetensors:u"] {
        let sums = monotile(folder.path(), &["einsum", "ij->j", operand]);
        assert_eq!(sums.stderr, "2 i64\n");
        assert_eq!(sums.succeeds(), "[510,   6]\n");
    }
    let product = monotile(folder.path(), &["einsum", "ij,j->i", "u.npy", "n.safetensors:i"]);
    assert_eq!(product.succeeds(), "[547608329987, 547608329989]\n");
    let mixed = monotile(folder.path(), &["einsum", "ij,jk->ik", "u.npy", "a.npy"]);
    assert_eq!((mixed.stderr.as_str(), mixed.stdout.as_str()), ("2 x 3 f64\n", "[[  6., 263., 520.],\n [ 12., 271., 530.]]\n"));
}

/// Files of a hundred bytes that claim no element, and results of which no memory, or no tensor, is that large.
#[test]
fn results_larger_than_memory_are_refused_with_their_bytes_or_their_shape() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let npy = |sizes: &str| {
        let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({sizes}), }}");
        text = format!("{text:117}\n");
        [b"\x93NUMPY\x01\x00v\x00", text.as_bytes()].concat()
    };
    let safetensors = |dtype: &str, size: u64| {
        let text = format!(r#"{{"a": {{"dtype": "{dtype}", "shape": [0, {size}], "data_offsets": [0, 0]}}}}"#);
        let text = format!("{text:88}");
        [&88_u64.to_le_bytes(), text.as_bytes()].concat()
    };
    let einsum = |arguments: &[&str]| monotile(folder.path(), &[&["einsum"], arguments].concat());
    // Sizes whose bytes wrap to few in 64 bits.
    for (dtype, size) in [("F64", (1 << 61) - 1), ("F32", (1 << 62) - 1), ("BF16", (1_u64 << 63) - 1), ("F64", u64::MAX)] {
        let name = format!("{dtype}-{size}.safetensors");
        write(&name, &safetensors(dtype, size));
        einsum(&["ij->j", &name]).fails_with_all(&[&name, &format!("shape [0, {size}]"), "more elements than memory has bytes"]);
    }
    for size in ["2305843009213693951", "4611686018427387904", "18446744073709551615"] {
        let name = format!("{size}.npy");
        write(&name, &npy(&format!("0, {size}")));
        einsum(&["ij->j", &name]).fails_with_all(&[&name, &format!("shape [0, {size}]"), "more elements than memory has bytes"]);
    }
    write("wide.npy", &npy("0, 100000000000000"));
    einsum(&["ij->j", "wide.npy"]).fails_with_all(&["shape [100000000000000] needs 800000000000000 bytes of memory"]);
    write("both.npy", &npy("0, 10000000"));
    einsum(&["ij,ik->jk", "both.npy", "both.npy"])
        .fails_with_all(&["shape [10000000, 10000000] needs 800000000000000 bytes of memory"]);
    write("none.npy", &npy("0, 3"));
    assert!(einsum(&["ij->j", "none.npy"]).succeeds().contains("[0., 0., 0.]"));
}

#[test]
fn an_equation_may_be_given_last() {
    let folder = folder();
    let first = monotile(folder.path(), &["einsum", "ij->ji", "a.npy"]);
    let last = monotile(folder.path(), &["einsum", "a.npy", "ij->ji"]);
    assert_eq!(last.succeeds(), first.succeeds());
}

#[test]
fn files_and_options_that_do_not_exist_are_refused_by_name() {
    let folder = folder();
    let run = |arguments: &[&str]| monotile(folder.path(), &[&["einsum"], arguments].concat());
    run(&["i->i", "no.npy"]).fails_with("error: no.npy: no such file or folder (reading)");
    run(&["i->i", "c.npz:bias"]).fails_with("error: c.npz: there is no array \"bias\"; it has weights");
    run(&["i->i", "d.safetensors:z"]).fails_with("error: d.safetensors: there is no tensor \"z\"; it has x, y");
    let hint = "hint: name one after a colon: d.safetensors:x";
    run(&["i->i", "d.safetensors"]).fails_with(&format!("error: d.safetensors: which of its 2 tensors? it has x, y\n{hint}"));
    run(&["ij->ji", "a.npy", "-o", "no/b.npy"]).fails_with("error: no/b.npy: there is no folder no");
    run(&["i->i", "a.txt"]).is_wrong_usage("\"a.txt\" is no file of tensors; names end in .npy, .npz or .safetensors");
    run(&["ij->ji", "a.npy", "-o", "b.csv"]).is_wrong_usage("\"b.csv\" is no file of tensors");
    run(&["ij->ji"]).is_wrong_usage("einsum: there are no operands; name files, or give --shapes");
    run(&["ij->ji", "--shapes", "2y3"]).is_wrong_usage("\"2y3\" is no shape; shapes are sizes joined by x");
    run(&["ij->ji", "a.npy", "--optimize", "best"]).is_wrong_usage("the choices are auto, optimal, greedy");
    run(&["ij->ji", "a.npy", "--memory-limit", "lots"]).is_wrong_usage("a size is a number and a unit: 500MB, 1.5GiB");
    run(&["ij->ji", "a.npy", "--memory-limit", "5lots"]).is_wrong_usage("units are B, KiB, MiB, GiB");
    assert!(fs::read_dir(folder.path()).unwrap().count() == 4, "nothing was left behind");
}

/// The equations that must be refused, where they are at hand.
#[test]
fn everything_invalid_is_refused_with_a_picture() {
    let cases = match std::env::var_os("MONOTILE_CASES") {
        Some(cases) => std::path::PathBuf::from(cases),
        None => std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"),
    };
    let Ok(text) = fs::read_to_string(cases.join("einsum/einsum_invalid.json")) else {
        println!("skipped: 19 refusals of einsum are not at hand; set MONOTILE_CASES");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for case in serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap() {
        let equation = case["equation"].as_str().unwrap();
        let shapes: Vec<Vec<usize>> = serde_json::from_value(case["shapes"].clone()).unwrap();
        let names: Vec<String> = (0..shapes.len()).map(|k| format!("{k}.npy")).collect();
        for (name, shape) in names.iter().zip(&shapes) {
            Tensor::ones(shape, DType::F32).unwrap().write_npy(folder.path().join(name)).unwrap();
        }
        let arguments: Vec<&str> = ["einsum", equation].into_iter().chain(names.iter().map(String::as_str)).collect();
        let ended = monotile(folder.path(), &arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{equation}: {}", ended.stderr);
        let start = format!("error: einsum \"{equation}\": ");
        assert!(
            ended.stderr.starts_with(&start) && ended.stderr.contains(&format!("\n\n    {equation}\n    ")),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains('^'), "{}", ended.stderr);
    }
}
