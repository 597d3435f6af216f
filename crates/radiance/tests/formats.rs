//! Packed files of splats and glTF: read as another program reads them, written and read back, and what is refused.

#![cfg(feature = "formats")]

mod shared;

use std::path::Path;

use monotile::io::SafeTensors;
use monotile::transform::{quaternion, rotation};
use monotile::{DType, Rng, Tensor};
use monotile_radiance::{AxisFrame, ProjectOptions, SplatFileInfo, SplatReadOptions, SplatWriteOptions, Splats};
use serde_json::Value;

use shared::cases;

fn scene(n: usize, degree: usize) -> Splats {
    let mut rng = Rng::new(5);
    let mut normal = |shape: &[usize], scale: f64| rng.normal(shape, DType::F32).unwrap().mul(scale).unwrap();
    Splats {
        means: normal(&[n, 3], 2.0),
        rotations: quaternion::normalize(&normal(&[n, 4], 1.0)).unwrap(),
        log_scales: normal(&[n, 3], 0.7).sub(3.0).unwrap(),
        logits: normal(&[n], 2.0),
        // SPZ has those below 1 alone.
        harmonics: normal(&[n, (degree + 1) * (degree + 1), 3], 0.3).clamp(-0.9, 0.9).unwrap(),
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_f64_vec().unwrap()
}

fn read(path: &Path) -> monotile::Result<(Splats, SplatFileInfo)> {
    Splats::read(path, &SplatReadOptions::default())
}

fn largest(x: &Tensor, y: &Tensor) -> f64 {
    assert_eq!(x.shape(), y.shape());
    numbers(x).iter().zip(numbers(y)).map(|(x, y)| if *x == y { 0.0 } else { (x - y).abs() }).fold(0.0, f64::max)
}

/// The largest sine of half the angle between rotations.
fn turned(p: &Tensor, q: &Tensor) -> f64 {
    let [p, q] = [p, q].map(|x| quaternion::normalize(&x.to_dtype(DType::F64).unwrap()).unwrap());
    let cosine = p.mul(&q).unwrap().sum(&[-1], false).unwrap();
    numbers(&cosine).iter().map(|c| (1.0 - c * c).max(0.0).sqrt()).fold(0.0, f64::max)
}

/// Rows in the order of their nearest in another scene.
fn matched(splats: &Splats, to: &Splats) -> Splats {
    let (from, to) = (numbers(&splats.means), numbers(&to.means));
    let square = |m: &[f64], p: &[f64]| m.iter().zip(p).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    let nearest = |p: &[f64]| {
        let rows = from.chunks(3).map(|m| square(m, p)).enumerate();
        rows.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0 as i64
    };
    let order = Tensor::from(to.chunks(3).map(nearest).collect::<Vec<i64>>());
    let pick = |t: &Tensor| t.index_select(0, &order).unwrap();
    Splats {
        means: pick(&splats.means),
        rotations: pick(&splats.rotations),
        log_scales: pick(&splats.log_scales),
        logits: pick(&splats.logits),
        harmonics: pick(&splats.harmonics),
    }
}

/// The largest differences of means, rotations, log scales, opacities and harmonics.
fn differences(x: &Splats, y: &Splats) -> [f64; 5] {
    let opacity = |s: &Splats| s.logits.to_dtype(DType::F64).unwrap().sigmoid().unwrap();
    [
        largest(&x.means, &y.means),
        turned(&x.rotations, &y.rotations),
        largest(&x.log_scales, &y.log_scales),
        largest(&opacity(x), &opacity(y)),
        largest(&x.harmonics, &y.harmonics),
    ]
}

fn assert_within(found: [f64; 5], bounds: [f64; 5], what: &str) {
    assert!(found.iter().zip(bounds).all(|(x, bound)| *x <= bound), "{what}: {found:?} beyond {bounds:?}");
}

#[test]
fn each_format_keeps_what_its_bits_hold() {
    let folder = tempfile::tempdir().unwrap();
    for degree in 0..4 {
        let splats = scene(700, degree);
        // Twice the scales' range over 11 bits, and so on: half a step of each format, and what rounding in f32 adds.
        let byte = 0.51 / 255.0;
        let packed = [16.0 / 2046.0, 2e-3, 8.0 / 1022.0, byte, if degree == 0 { 0.03 } else { 8.0 / 256.0 }];
        let cases = [
            ("a.ply", 3, [0.0, 1e-7, 0.0, 0.0, 0.0]),
            ("a.compressed.ply", 3, packed),
            ("a.spz", 3, [0.6 / 4096.0, 3e-3, 0.51 / 16.0, byte, 8.6 / 128.0]),
            ("a.spz", 4, [0.6 / 4096.0, 3e-3, 0.51 / 16.0, byte, 8.6 / 128.0]),
            ("a.sog", 3, [2e-3, 1e-2, 0.05, byte, 0.05]),
            ("a.glb", 3, [0.0, 1e-6, 1e-6, 1e-6, 0.0]),
            ("a.gltf", 3, [0.0, 1e-6, 1e-6, 1e-6, 0.0]),
        ];
        for (name, spz_version, bounds) in cases {
            let path = folder.path().join(name);
            let options = SplatWriteOptions { spz_version, ..SplatWriteOptions::default() };
            splats.write_as(&path, &options).unwrap();
            let (found, info) = read(&path).unwrap();
            let found = found.to_frame(info.frame, AxisFrame::Rdf).unwrap();
            assert_eq!((found.len(), found.degree(), info.dropped), (700, Some(degree), 0), "{name}");
            assert_within(differences(&matched(&found, &splats), &splats), bounds, &format!("{name} of degree {degree}"));
        }
    }
}

#[test]
fn spz_of_all_bits_keeps_a_byte_of_each_harmonic_and_places_near_and_far() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.spz");
    let mut splats = scene(100, 3);
    for (scale, version) in [(1e-3, 3), (1.0, 4), (1e5, 4)] {
        splats.means = scene(100, 3).means.mul(scale).unwrap();
        let options = SplatWriteOptions {
            frame: AxisFrame::Rub,
            antialiased: true,
            spz_version: version,
            spz_bits: [8, 8],
            ..Default::default()
        };
        splats.write_as(&path, &options).unwrap();
        let (found, info) = read(&path).unwrap();
        assert!(info.antialiased && info.frame == AxisFrame::Rub);
        assert_within(differences(&found, &splats), [7.0 * scale / 4096.0, 3e-3, 0.04, 2e-3, 0.0131], &format!("scale {scale}"));
    }
    let words = |options: SplatWriteOptions| splats.write_as(&path, &options).unwrap_err().to_string();
    let version = words(SplatWriteOptions { spz_version: 2, ..Default::default() });
    assert!(version.ends_with("a.spz: SPZ is written in version 3 or 4, not 2"), "{version}");
    let bits = words(SplatWriteOptions { spz_bits: [5, 9], ..Default::default() });
    assert!(bits.ends_with("a.spz: a coefficient of SPZ has 1 to 8 bits, not 9"), "{bits}");
}

#[test]
fn comments_and_the_word_antialiased_pass_through_ply() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.ply", "a.compressed.ply"] {
        let path = folder.path().join(name);
        let write = |antialiased: bool, comments: &[&str]| {
            let comments = comments.iter().map(|comment| (*comment).to_owned()).collect();
            scene(3, 1).write_as(&path, &SplatWriteOptions { antialiased, comments, ..Default::default() }).unwrap();
            let info = read(&path).unwrap().1;
            assert_eq!(info.antialiased, antialiased);
            info.comments
        };
        assert_eq!(write(true, &["made of light", "two\nlines"]), ["antialiased 1", "made of light", "two\\nlines"]);
        // A mode has a blur of its own, so its name is kept.
        assert_eq!(write(true, &["SplatRenderMode: mip"]), ["SplatRenderMode: mip"]);
        assert_eq!(write(false, &["a", "antialiased 1"]), ["a"]);
        for project in
            [ProjectOptions::mip(), ProjectOptions { antialiased: true, ..Default::default() }, ProjectOptions::default()]
        {
            scene(3, 1).write_as(&path, &SplatWriteOptions::from_project(&project)).unwrap();
            let found = read(&path).unwrap().1.project();
            assert_eq!((found.antialiased, found.blur), (project.antialiased, project.blur));
        }
    }
}

#[test]
fn scenes_without_splats_and_of_one() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.ply", "a.compressed.ply", "a.spz"] {
        let path = folder.path().join(name);
        scene(0, 2).write(&path).unwrap();
        assert_eq!(read(&path).unwrap().0.len(), 0, "{name}");
    }
    for name in ["a.compressed.ply", "a.spz", "a.sog", "a.glb", "a.gltf"] {
        let path = folder.path().join(name);
        scene(1, 3).write(&path).unwrap();
        let (found, info) = read(&path).unwrap();
        assert!(largest(&found.to_frame(info.frame, AxisFrame::Rdf).unwrap().means, &scene(1, 3).means) < 2e-3, "{name}");
    }
    let sog = scene(0, 0).write(folder.path().join("e.sog")).unwrap_err().to_string();
    assert!(sog.ends_with("e.sog: SOG has 1 to 268304400 splats, not 0"), "{sog}");
    let glb = scene(0, 0).write(folder.path().join("e.glb")).unwrap_err().to_string();
    assert!(glb.ends_with("e.glb: glTF has no place for a scene without splats"), "{glb}");
    assert_eq!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().starts_with('e'))
            .count(),
        0
    );
}

#[test]
fn opacities_of_0_and_1_and_scales_of_0_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut splats = scene(3, 0);
    splats.logits = Tensor::from([f32::INFINITY, f32::NEG_INFINITY, 0.0]);
    splats.log_scales = Tensor::from([[f32::NEG_INFINITY, 0.0, -1.0], [-2.0, -3.0, -4.0], [-5.0, -6.0, -7.0]]);
    for name in ["a.ply", "a.compressed.ply", "a.splat", "a.spz", "a.sog", "a.glb"] {
        let path = folder.path().join(name);
        splats.write(&path).unwrap();
        let (found, info) = read(&path).unwrap();
        assert_eq!((found.len(), info.dropped), (3, 0), "{name}");
        let mut opacities = numbers(&found.logits.sigmoid().unwrap());
        opacities.sort_by(f64::total_cmp);
        assert!(opacities[0] < 1e-6 && (opacities[1] - 0.5).abs() < 3e-3 && opacities[2] > 0.999_999, "{name}: {opacities:?}");
    }
}

#[test]
fn files_beside_are_read_and_none_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gltf");
    scene(4, 1).write(folder.path().join("a.glb")).unwrap();
    let glb = std::fs::read(folder.path().join("a.glb")).unwrap();
    let json = u32::from_le_bytes(glb[12..16].try_into().unwrap()) as usize;
    let text = String::from_utf8(glb[20..20 + json].to_vec()).unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/the buffer.bin"), &glb[28 + json..]).unwrap();
    let with = |uri: &str| {
        std::fs::write(&path, text.replace("\"buffers\":[{", &format!("\"buffers\":[{{\"uri\":\"{uri}\","))).unwrap();
        read(&path).map(|(splats, _)| splats.len()).map_err(|e| e.to_string().replace(&folder.path().display().to_string(), ""))
    };
    assert_eq!(with("in/the%20buffer.bin"), Ok(4));
    assert_eq!(with("in/none.bin"), Err("/in/none.bin: no such file or folder (reading)".to_owned()));
    let leaves = |name: &str| Err(format!("/a.gltf: names {name:?}, which is not in its folder, and nothing else is read"));
    for name in ["../b.bin", "/etc/passwd", "file:///etc/passwd"] {
        assert_eq!(with(name), leaves(name));
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link.bin")).unwrap();
        assert_eq!(with("link.bin"), leaves("link.bin"));
    }
}

#[test]
fn a_sog_is_a_folder_too() {
    let folder = tempfile::tempdir().unwrap();
    let (file, place) = (folder.path().join("a.sog"), folder.path().join("scene"));
    scene(30, 2).write(&file).unwrap();
    std::fs::create_dir(&place).unwrap();
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&file).unwrap()).unwrap();
    archive.extract(&place).unwrap();
    let whole = read(&file).unwrap().0;
    for path in [place.clone(), place.join("meta.json")] {
        let (found, info) = read(&path).unwrap();
        assert_eq!(info.format, "SOG 2");
        assert_within(differences(&found, &whole), [0.0, 1e-7, 0.0, 0.0, 0.0], "a folder");
    }
    // A table that is too short, one that lacks its first number, a splat beyond the table, another version.
    let meta: Value = serde_json::from_slice(&std::fs::read(place.join("meta.json")).unwrap()).unwrap();
    let says = |change: &dyn Fn(&mut Value)| {
        let mut meta = meta.clone();
        change(&mut meta);
        std::fs::write(place.join("meta.json"), meta.to_string()).unwrap();
        let words = read(&place).unwrap_err().to_string();
        words.split_once("meta.json: ").unwrap().1.to_owned()
    };
    let words = says(&|meta| meta["scales"]["codebook"].as_array_mut().unwrap().truncate(255));
    assert_eq!(words, "has a table scales of 255 numbers; there are 256");
    assert_eq!(says(&|meta| meta["version"] = 3.into()), "is of version 3 of SOG; version 2 is read");
    let words = says(&|meta| drop(meta.as_object_mut().unwrap().remove("version")));
    assert_eq!(words, "is of version 1 of SOG; version 2 is read");
    let words = says(&|meta| meta["shN"]["count"] = 2.into());
    assert!(words.starts_with("has a splat 0 with the harmonics number ") && words.ends_with(" of 2"), "{words}");
    let words = says(&|meta| meta["count"] = 4000.into());
    assert_eq!(words, "has a picture means_l.webp of 8 x 4 pixels, which does not fit 4000 splats");
    let words = says(&|meta| meta["means"]["files"][0] = "../means_l.webp".into());
    assert_eq!(words, "names \"../means_l.webp\", which is not in its folder, and nothing else is read");
    assert_eq!(says(&|meta| meta["shN"]["bands"] = 4.into()), "has harmonics of degree 4; those up to 3 are read");
    // Some writers leave out the first number of a table.
    let mut without = meta.clone();
    without["scales"]["codebook"][0] = Value::Null;
    std::fs::write(place.join("meta.json"), without.to_string()).unwrap();
    assert_eq!(read(&place).unwrap().0.len(), 30);
}

/// Reference splats of the file, whose quaternions are w, x, y, z.
fn reference(file: &SafeTensors, name: &str) -> Splats {
    let part = |part: &str| file.tensor(&format!("{name}.{part}")).unwrap().to_dtype(DType::F64).unwrap();
    let q = part("quaternions");
    Splats {
        means: part("means"),
        rotations: Tensor::cat(&[&q.slice(1, 1..).unwrap(), &q.slice(1, ..1).unwrap()], 1).unwrap(),
        log_scales: part("log_scales"),
        logits: part("logits"),
        harmonics: part("harmonics"),
    }
}

#[test]
fn another_programs_files_are_read_as_it_reads_them() {
    let Some(folder) = cases("splat-files") else { return };
    let about: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("peer.json")).unwrap()).unwrap();
    let file = SafeTensors::open(folder.join("peer.safetensors")).unwrap();
    let mut seen = 0;
    for entry in about.as_array().unwrap() {
        let name = entry["path"].as_str().unwrap();
        let (found, info) = read(&folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found.len() as u64, entry["n"].as_u64().unwrap(), "{name}");
        assert_eq!(found.degree().map(|d| d as u64), entry["degree"].as_u64(), "{name}");
        let expected = if name.ends_with(".glb") {
            // That program has y up by half a turn about z.
            let half = rotation(&Tensor::from([0.0_f64, 0.0, 1.0, 0.0])).unwrap();
            reference(&file, entry["source"].as_str().unwrap()).transformed(&half).unwrap()
        } else {
            reference(&file, name)
        };
        assert_within(differences(&found, &expected), [1e-6, 1e-5, 1e-6, 1.1e-6, 1e-6], name);
        assert_eq!(info.frame == AxisFrame::Rub, name.ends_with(".glb") || name.ends_with(".spz"), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 12);
}
