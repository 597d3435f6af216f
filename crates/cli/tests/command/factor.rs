//! Decompositions: what is printed, written and drawn, and the words of refusals.

use std::fs;

use monotile::io::{Npz, SafeTensors, write_npz};
use monotile::{DType, Tensor};
use tempfile::TempDir;

use super::monotile;

/// A folder with a.npy (3 x 2, f64, singular values 5 and 2), s.npz (m: symmetric, eigenvalues 4 and 2) and b.npy (3, f64).
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    Tensor::from_rows(&[[3.0_f64, 0.0], [4.0, 0.0], [0.0, 2.0]]).unwrap().write_npy(at("a.npy")).unwrap();
    write_npz(at("s.npz"), &[("m", &Tensor::from_rows(&[[3.0_f64, 1.0], [1.0, 3.0]]).unwrap())]).unwrap();
    Tensor::from_slice(&[3.0_f64, 4.0, 6.0], &[3]).unwrap().write_npy(at("b.npy")).unwrap();
    folder
}

fn near(found: &Tensor, expected: &[f64]) -> bool {
    let found = found.to_f64_vec().unwrap();
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14)
}

#[test]
fn factors_are_written_and_the_spectrum_is_printed_and_drawn() {
    let folder = folder();
    let ended = monotile(folder.path(), &["factor", "svd", "a.npy", "-o", "out.npz", "--plot", "spectrum.svg"]);
    assert!(ended.stderr.contains("spectrum.svg: the spectrum\nout.npz: u, s, vt, computed in "), "{}", ended.stderr);
    let expected = "a.npy: 3 x 2 f64, rank 2, condition 2.5000

u: 3 x 2 f64
s: 2 f64
vt: 2 x 2 f64

singular values
   1       5.0000   86.21 %  ████████████████████████████████████████
   2       2.0000  100.00 %  ████████████████
";
    assert_eq!(ended.succeeds(), expected);
    let npz = Npz::open(folder.path().join("out.npz")).unwrap();
    assert!(near(&npz.tensor("s").unwrap(), &[5.0, 2.0]));
    let rebuilt = npz.tensor("u").unwrap().mul(npz.tensor("s").unwrap()).unwrap().matmul(&npz.tensor("vt").unwrap()).unwrap();
    assert!(near(&rebuilt, &[3.0, 0.0, 4.0, 0.0, 0.0, 2.0]));
    let svg = fs::read_to_string(folder.path().join("spectrum.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.matches("<circle").count() == 2, "{svg}");
}

#[test]
fn narrow_integers_are_factored_in_f64() {
    let folder = folder();
    Tensor::from([[3_u8, 0], [4, 0], [0, 2]]).write_npy(folder.path().join("u.npy")).unwrap();
    let printed = monotile(folder.path(), &["factor", "svd", "u.npy"]).succeeds();
    assert!(printed.starts_with("u.npy: 3 x 2 f64, rank 2, condition 2.5000\n"), "{printed}");
}

#[test]
fn every_decomposition_gives_its_factors() {
    let folder = folder();
    let written = |arguments: &[&str], name: &str| {
        monotile(folder.path(), &[&["factor"], arguments, &["-o", "out.npz"][..]].concat()).succeeds();
        Npz::open(folder.path().join("out.npz")).unwrap().tensor(name).unwrap()
    };
    assert!(near(&written(&["qr", "a.npy"], "r"), &[5.0, 0.0, 0.0, 2.0]));
    assert_eq!(written(&["qr", "a.npy", "--full"], "q").shape(), [3, 3]);
    let (root, rest) = (3.0_f64.sqrt(), (8.0_f64 / 3.0).sqrt());
    assert!(near(&written(&["cholesky", "s.npz"], "l"), &[root, 0.0, 1.0 / root, rest]));
    assert!(near(&written(&["eigh", "s.npz:m"], "values"), &[2.0, 4.0]));
    assert_eq!(written(&["lu", "a.npy"], "order").to_vec::<i64>().unwrap()[0], 1);
    assert!(near(&written(&["pinv", "a.npy"], "pinv"), &[0.12, 0.16, 0.0, 0.0, 0.0, 0.5]));
    assert!(near(&written(&["lstsq", "a.npy", "b.npy"], "x"), &[1.0, 3.0]));
    assert_eq!(written(&["svd", "a.npy", "--rank", "1"], "u").shape(), [3, 1]);
    assert_eq!(written(&["pca", "a.npy", "--rank", "1"], "scores").shape(), [3, 1]);
    assert!(near(&written(&["pca", "a.npy"], "mean"), &[7.0 / 3.0, 2.0 / 3.0]));

    let least = monotile(folder.path(), &["factor", "lstsq", "a.npy", "b.npy", "-o", "x.npy"]).succeeds();
    assert!(least.contains("‖A X − B‖ = ") && least.contains("of ‖B‖ = 7.8102"), "{least}");
    assert!(near(&Tensor::read_npy(folder.path().join("x.npy")).unwrap(), &[1.0, 3.0]));
    monotile(folder.path(), &["factor", "pinv", "a.npy", "-o", "p.safetensors:inverse"]).succeeds();
    assert_eq!(SafeTensors::open(folder.path().join("p.safetensors")).unwrap().tensor("inverse").unwrap().shape(), [2, 3]);
}

#[test]
fn without_a_file_the_factors_are_printed() {
    let folder = folder();
    let ended = monotile(folder.path(), &["factor", "cholesky", "s.npz"]);
    assert_eq!(ended.stderr, "");
    let text = ended.succeeds();
    assert!(text.starts_with("s.npz: 2 x 2 f64, rank 2, condition 2.0000\n\nl: 2 x 2 f64\n[["), "{text}");
}

/// The few largest values of a large matrix, by random directions; 1/i of every value is known here.
#[test]
fn a_low_rank_is_found_without_the_whole_decomposition() {
    let folder = folder();
    let n = 80;
    let values: Vec<f64> = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 / (1 + at / n) as f64 } else { 0.0 }).collect();
    Tensor::from_vec(values, &[n, n]).unwrap().write_npy(folder.path().join("d.npy")).unwrap();
    let text = monotile(folder.path(), &["factor", "svd", "d.npy", "--rank", "4", "-o", "out.npz"]).succeeds();
    assert!(text.starts_with("d.npy: 80 x 80 f64, the largest 4 of 80 values\n"), "{text}");
    // √(Σ_{i>4} i⁻² / Σ i⁻²) up to 80
    let tail = |from: usize| (from..=n).map(|i| 1.0 / (i * i) as f64).sum::<f64>();
    let share = (tail(5) / tail(1)).sqrt();
    assert!(text.contains(&format!("rank 4: ‖A − U S Vᵀ‖ is {share:.5} of ‖A‖\n")), "{text}");
    assert!(text.ends_with("      76 more that were not computed\n"), "{text}");
    let found = Npz::open(folder.path().join("out.npz")).unwrap().tensor("s").unwrap().to_vec::<f64>().unwrap();
    assert!(found.iter().zip([1.0, 0.5, 1.0 / 3.0, 0.25]).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");

    let object = monotile(folder.path(), &["factor", "pca", "d.npy", "--rank", "3", "--json"]).succeeds();
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!((&object["ranks"], &object["results"]["scores"]), (&serde_json::Value::Null, &serde_json::json!([80, 3])));
}

#[test]
fn json_has_ranks_conditions_and_the_spectrum() {
    let folder = folder();
    let batch = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0], &[2, 2, 2]).unwrap();
    batch.write_npy(folder.path().join("t.npy")).unwrap();
    let text = monotile(folder.path(), &["factor", "svd", "t.npy", "--json"]).succeeds();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["ranks"], serde_json::json!([2, 1]));
    assert_eq!(object["results"]["u"], serde_json::json!([2, 2, 2]));
    assert_eq!((&object["spectrum"][0], &object["dtype"]), (&serde_json::json!([1.0, 0.5]), &"f32".into()));
}

/// The determinant of [[0, 1], [2, 3]] is -2, and so is the product of the pivots.
#[test]
fn integers_are_decomposed_as_f64() {
    let folder = folder();
    Tensor::arange(4).unwrap().reshape(&[2, 2]).unwrap().write_npy(folder.path().join("i.npy")).unwrap();
    monotile(folder.path(), &["factor", "lu", "i.npy", "-o", "lu.npz"]).succeeds();
    let u = monotile::io::Npz::open(folder.path().join("lu.npz")).unwrap().tensor("u").unwrap();
    assert_eq!((u.dtype(), u.to_f64_vec().unwrap()), (DType::F64, vec![2.0, 3.0, 0.0, 1.0]));
    Tensor::from_vec(vec![(1_i64 << 53) + 1, 0, 0, 1], &[2, 2]).unwrap().write_npy(folder.path().join("i.npy")).unwrap();
    monotile(folder.path(), &["factor", "lu", "i.npy"]).fails_with(
        "error: i.npy: holds integers beyond 2^53, which f64 does not hold exactly\nhint: save the array as float64 if rounded numbers will do",
    );
}

#[test]
fn what_does_not_fit_is_refused_in_one_sentence() {
    let folder = folder();
    let run = |arguments: &[&str]| monotile(folder.path(), &[&["factor"], arguments].concat());
    let save = |name: &str, tensor: Tensor| tensor.write_npy(folder.path().join(name)).unwrap();
    save("n.npy", Tensor::from_rows(&[[1.0_f64, f64::NAN], [f64::INFINITY, 2.0]]).unwrap());
    save("indefinite.npy", Tensor::from_rows(&[[1.0_f64, 0.0], [0.0, -1.0]]).unwrap());
    save("none.npy", Tensor::zeros(&[0, 3], DType::F32).unwrap());
    run(&["svd", "n.npy"]).fails_with("error: n.npy: element [0, 1] is NaN, and 2 in all are not finite; factors have none");
    run(&["svd", "b.npy"]).fails_with("error: b.npy: is a vector of 3; svd takes matrices that are not empty");
    run(&["svd", "none.npy"]).fails_with("error: none.npy: is an empty 0 x 3; svd takes matrices that are not empty");
    run(&["svd", "no.npy"]).fails_with("error: no.npy: no such file or folder (reading)");
    run(&["eigh", "a.npy"]).fails_with("error: a.npy: eigh: needs square matrices, got shape [3, 2]");
    let minor = "is not positive definite (its leading minor of order 2 is not positive)";
    run(&["cholesky", "indefinite.npy"]).fails_with(&format!("error: indefinite.npy: cholesky: the matrix {minor}"));
    run(&["pca", "a.npy", "--rank", "3"]).fails_with("error: a.npy: Pca::fit: 3 components of 3 observations of 2 variables");
    run(&["svd", "a.npy", "--plot", "no/s.svg"]).fails_with("error: no/s.svg: there is no folder no");
    run(&["svd", "a.npy", "--plot", "."]).fails_with("error: .: is a folder; name a file");
    run(&["svd", "a.npy", "-o", "no/s.npz"]).fails_with("error: no/s.npz: there is no folder no");
    run(&["svd", "a.npy", "-o", "s.npy"]).is_wrong_usage("factor: s.npy holds one array, and there are u, s, vt");
    run(&["svd", "a.npy", "-o", "s.npz:x"]).is_wrong_usage("factor: the name \"x\" is for one result, and there are u, s, vt");
    run(&["svd", "a.npy", "-o", "s.npz", "--plot", "s.npz"])
        .is_wrong_usage("factor: s.npz cannot be both the results and the plot");
    run(&["svd", "a.npy", "--rank", "0"]).is_wrong_usage("give a whole number, at least 1");
    run(&["lstsq", "a.npy"]).is_wrong_usage("factor: lstsq takes 2 files, A and B, got 1");
    run(&["qr", "a.npy", "b.npy"]).is_wrong_usage("factor: qr takes 1 file, got 2");
    run(&["qr", "a.npy", "--rank", "1"]).is_wrong_usage("factor: --rank is for svd and pca, not for qr");
    run(&["lu", "a.npy", "--full"]).is_wrong_usage("factor: --full is for svd and qr, not for lu");
    run(&["svd", "a.txt"]).is_wrong_usage("factor: \"a.txt\" is no file of tensors");
    run(&["jordan", "a.npy"]).is_wrong_usage("svd");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6, "nothing was left behind");
}

#[test]
fn a_matrix_that_is_not_symmetric_is_said_to_be_half_read() {
    let folder = folder();
    let lopsided = Tensor::from_rows(&[[3.0_f64, 9.0], [1.0, 3.0]]).unwrap();
    lopsided.write_npy(folder.path().join("l.npy")).unwrap();
    let ended = monotile(folder.path(), &["factor", "eigh", "l.npy", "-o", "e.npz"]);
    assert!(ended.stderr.starts_with("note: l.npy is not symmetric; eigh reads its lower triangle\n"), "{}", ended.stderr);
    ended.succeeds();
    assert!(near(&Npz::open(folder.path().join("e.npz")).unwrap().tensor("values").unwrap(), &[2.0, 4.0]));
}
