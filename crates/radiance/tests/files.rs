//! Files of splats: written and read back, reference files with their verdicts, and what is refused.

mod shared;

use std::path::Path;

use monotile::io::SafeTensors;
use monotile::{DType, Rng, Tensor};
use monotile_radiance::{SplatReadOptions, Splats};
use serde_json::Value;

use shared::cases;

fn scene(n: usize, degree: usize) -> Splats {
    let mut rng = Rng::new(3);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F32).unwrap();
    Splats {
        means: normal(&[n, 3]),
        rotations: normal(&[n, 4]),
        log_scales: normal(&[n, 3]),
        logits: normal(&[n]),
        harmonics: normal(&[n, (degree + 1) * (degree + 1), 3]),
    }
}

fn tensors(splats: &Splats) -> [&Tensor; 5] {
    [&splats.means, &splats.rotations, &splats.log_scales, &splats.logits, &splats.harmonics]
}

fn bits(x: &Tensor) -> Vec<u32> {
    x.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
}

fn read(path: &Path) -> monotile::Result<Splats> {
    Splats::read(path, &SplatReadOptions::default()).map(|(splats, _)| splats)
}

#[test]
fn ply_keeps_every_bit_of_every_degree() {
    let folder = tempfile::tempdir().unwrap();
    for degree in 0..4 {
        for n in [0, 1, 5000] {
            let (path, splats) = (folder.path().join("a.ply"), scene(n, degree));
            splats.write(&path).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.degree(), Some(degree));
            for (found, written) in tensors(&found).into_iter().zip(tensors(&splats)) {
                assert_eq!((found.shape(), bits(found)), (written.shape(), bits(written)));
            }
        }
    }
}

#[test]
fn any_number_of_threads_reads_and_writes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, splats) = (folder.path().join("a.ply"), scene(20_000, 3));
    let threads = monotile::threads();
    for count in [1, 2, 3] {
        monotile::set_threads(count);
        splats.write(&path).unwrap();
        let found = read(&path).unwrap();
        for (found, written) in tensors(&found).into_iter().zip(tensors(&splats)) {
            assert!(bits(found) == bits(written), "{count} threads");
        }
    }
    monotile::set_threads(threads);
}

#[test]
fn dot_splat_keeps_places_and_what_a_byte_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (path, splats) = (folder.path().join("a.splat"), scene(100, 2));
    splats.write(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 3200);
    let found = read(&path).unwrap();
    assert_eq!(bits(&found.means), bits(&splats.means));
    let numbers = |x: &Tensor| x.to_f64_vec().unwrap();
    for (x, y) in numbers(&found.log_scales).iter().zip(numbers(&splats.log_scales)) {
        assert!((x - y).abs() < 1e-6);
    }
    let opacity = |x: &f64| 1.0 / (1.0 + (-x).exp());
    for (x, y) in numbers(&found.logits).iter().zip(&numbers(&splats.logits)) {
        assert!((opacity(x) - opacity(y)).abs() < 0.51 / 255.0);
    }
    for (q, p) in numbers(&found.rotations).chunks(4).zip(numbers(&splats.rotations).chunks(4)) {
        let cosine = q.iter().zip(p).map(|(x, y)| x * y).sum::<f64>()
            / (q.iter().map(|x| x * x).sum::<f64>() * p.iter().map(|x| x * x).sum::<f64>()).sqrt();
        assert!(cosine.abs() > 1.0 - 1e-4, "{q:?} {p:?}");
    }
}

/// A PLY with these lines between its format and its end, and a body.
fn ply(lines: &str, body: &[u8]) -> Vec<u8> {
    [format!("ply\nformat binary_little_endian 1.0\n{lines}end_header\n").as_bytes(), body].concat()
}

#[test]
fn what_is_no_file_of_splats_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ply");
    let words = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let words = read(&path).unwrap_err().to_string();
        words.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&words).to_owned()
    };
    let full: String = [
        "x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
    ]
    .map(|name| format!("property float {name}\n"))
    .concat();
    assert_eq!(words(b""), "is empty: no splats are in it");
    assert_eq!(words(b"plx\n"), "is no PLY file: its first line is not \"ply\"");
    assert_eq!(
        words(b"ply\nformat binary_little_endian 1.0\n"),
        "has a PLY header without an end: no \"end_header\" in its first 36 bytes"
    );
    assert_eq!(
        words(b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n"),
        "is PLY in the format ascii; splats are read from binary_little_endian"
    );
    assert_eq!(words(b"ply\nelement vertex 0\nend_header\n"), "has a PLY header without a format");
    assert_eq!(words(&ply("element vertex -5\n", b"")), "has an element vertex of \"-5\" rows; that is no count of rows");
    assert_eq!(
        words(&ply("property float x\n", b"")),
        "has a line \"property float x\" in its header that is no property of an element"
    );
    assert_eq!(words(&ply("colour blue\n", b"")), "has a line \"colour blue\" in its header, which PLY does not know");
    assert_eq!(words(&ply("", b"")), "is PLY without an element vertex: no splats are in it");
    assert_eq!(
        words(&ply("element face 1\nproperty list uchar int i\nelement vertex 0\n", b"")),
        "has an element face with a list i before its vertices, whose size nobody knows"
    );
    assert_eq!(
        words(&ply("element vertex 1\nproperty float x\nproperty list uchar int i\n", b"")),
        "has a list i among the properties of its vertices; splats have none"
    );
    assert_eq!(
        words(&ply("element vertex 1\nproperty float x\n", &[0; 4])),
        "is a cloud of points, not of splats: its vertices have no scales, opacities or harmonics"
    );
    let without = |name: &str| format!("element vertex 1\n{}", full.replace(&format!("property float {name}\n"), ""));
    assert_eq!(words(&ply(&without("opacity"), &[0; 56])), "has no property opacity, which each splat needs");
    assert_eq!(words(&ply(&without("scale_2"), &[0; 56])), "has flat splats, of two scales; those of three are read");
    assert_eq!(
        words(&ply(&format!("element vertex 1\n{full}property float f_rest_0\n"), &[0; 60])),
        "has 1 properties f_rest; splats of degree 0, 1, 2 and 3 have 0, 9, 24 and 45"
    );
    assert_eq!(
        words(&ply(&format!("element vertex 9223372036854775808\n{full}"), &[0; 60])),
        "says that it has 9223372036854775808 splats of 56 bytes, and 60 bytes are there"
    );
    // A quaternion of 0.
    let strict = {
        std::fs::write(&path, ply(&format!("element vertex 1\n{full}"), &[0; 56])).unwrap();
        let (splats, info) = Splats::read(&path, &SplatReadOptions::default()).unwrap();
        assert_eq!((splats.len(), info.dropped, info.first_dropped), (0, 1, Some(0)));
        Splats::read(&path, &SplatReadOptions { strict: true }).unwrap_err().to_string()
    };
    assert!(strict.ends_with(
        "has 1 splats that cannot be drawn, the first of them number 0: a number is NaN or infinite, or a quaternion 0"
    ));
    let other = folder.path().join("a.splat");
    std::fs::write(&other, [0; 33]).unwrap();
    let cut = read(&other).unwrap_err().to_string();
    assert!(cut.ends_with("a.splat: has 33 bytes, and a .splat has 32 for each splat: it is cut off, or no such file"), "{cut}");
    let odd = scene(1, 0).write(folder.path().join("a.obj")).unwrap_err().to_string();
    assert!(
        odd.ends_with("a.obj: splats are written to a file that ends in .ply, .compressed.ply, .splat, .spz, .sog, .glb, .gltf"),
        "{odd}"
    );
}

/// The largest difference of a tensor from the reference's, over rows that were kept; quaternions are compared as rotations.
fn difference(found: &Tensor, expected: &Tensor, kept: &[i64]) -> f64 {
    let expected = expected.index_select(0, &Tensor::from(kept.to_vec())).unwrap();
    assert_eq!(found.shape(), expected.shape());
    let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
    found.iter().zip(&expected).map(|(x, y)| if x == y { 0.0 } else { (x - y).abs() }).fold(0.0, f64::max)
}

#[test]
fn reference_files_are_read_or_refused_as_they_should_be() {
    let Some(folder) = cases("capture") else { return };
    let about: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("formats.json")).unwrap()).unwrap();
    let expected = SafeTensors::open(folder.join("splats.safetensors")).unwrap();
    let list = about.as_array().cloned().unwrap_or_else(|| about["files"].as_array().unwrap().clone());
    let mut seen = 0;
    for file in list.iter().filter(|file| ["ply", "splat", "spz"].contains(&file["kind"].as_str().unwrap_or_default())) {
        seen += 1;
        let name = file["path"].as_str().unwrap();
        let result = Splats::read(folder.join(name), &SplatReadOptions::default());
        let (splats, info) = match (file["verdict"].as_str().unwrap(), result) {
            ("read" | "either", Ok(read)) => read,
            ("refuse" | "either", Err(error)) => {
                assert!(error.to_string().len() > 30, "{name}: {error}");
                continue;
            }
            (verdict, found) => panic!("{name}: {verdict}, and found {:?}", found.map(|(splats, _)| splats.len())),
        };
        let name = name.trim_start_matches("splats/");
        let part = |part: &str| expected.tensor(&format!("{name}.{part}")).unwrap().to_dtype(DType::F64).unwrap();
        // What may be refused is read up to what its header says: three splats at most.
        let Some(n) = file["n"].as_u64() else {
            assert!(splats.len() <= 3 && info.dropped == 0, "{name}: {} splats", splats.len());
            continue;
        };
        let n = n as usize;
        assert_eq!(splats.len() + info.dropped, n, "{name}");
        let odd: Vec<i64> = match name {
            "position_nan.ply" => vec![2, 3],
            "quaternion_zero.ply" => vec![3],
            _ => vec![],
        };
        assert_eq!(info.dropped, odd.len(), "{name}");
        let kept: Vec<i64> = (0..n as i64).filter(|i| !odd.contains(i)).collect();
        // Bytes become numbers by a formula; the rest is as it is stored.
        let (near, turned) =
            if name.ends_with(".ply") { (0.0, 0.0) } else { (1e-6, if name.ends_with(".spz") { 1e-6 } else { f64::INFINITY }) };
        assert!(difference(&splats.means, &part("means"), &kept) == 0.0, "{name}");
        assert!(difference(&splats.log_scales, &part("log_scales"), &kept) <= near, "{name}");
        assert!(difference(&splats.harmonics, &part("harmonics"), &kept) <= near, "{name}");
        assert!(difference(&splats.logits, &part("logits"), &kept) <= near, "{name}");
        assert_eq!(info.antialiased, file["antialiased"].as_bool().unwrap_or(info.antialiased), "{name}");
        if turned < 1.0 {
            let q = part("quaternions");
            let q = Tensor::cat(&[&q.slice(1, 1..).unwrap(), &q.slice(1, ..1).unwrap()], 1).unwrap();
            assert!(difference(&splats.rotations, &q, &kept) <= turned, "{name}");
        }
    }
    assert!(seen >= 55, "{seen} files");
}
