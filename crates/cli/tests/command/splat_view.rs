//! `splat view --html`: a page of one file, whose module of WebAssembly draws what the command draws.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Finished, monotile};

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

/// Some hundred splats of degree 3 in a ball, with numbers of a generator; y points down.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let named = [
        "x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
    ];
    let names = named.map(str::to_owned).into_iter().chain((0..45).map(|k| format!("f_rest_{k}")));
    let header: String = names.map(|name| format!("property float {name}\n")).collect();
    let mut state = 7_u32;
    let mut next = |size: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        size * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    let count = 400;
    let mut file = format!("ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{header}end_header\n").into_bytes();
    for _ in 0..count {
        let means: [f32; 3] = [(); 3].map(|()| next(1.0));
        let rest: [f32; 45] = [(); 45].map(|()| next(0.3));
        let others = [next(1.0), next(1.0), next(1.0), next(3.0), next(0.7) - 2.0, next(0.7) - 2.0, next(0.7) - 2.0];
        let rotation: [f32; 4] = [(); 4].map(|()| next(1.0));
        let row = [&means[..], &others, &rotation, &rest].concat();
        file.extend(row.iter().flat_map(|x| x.to_le_bytes()));
    }
    fs::write(folder.path().join("ball.ply"), file).unwrap();
    folder
}

fn view(folder: &Path, more: &[&str]) -> Finished {
    monotile(folder, &[&["splat", "view", "ball.ply"], more].concat())
}

/// What stands between the tags of a script of a page.
fn script<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("id=\"{id}\">")).unwrap();
    rest.split_once("</script>").unwrap().0
}

#[test]
fn a_page_has_all_that_it_needs() {
    let folder = folder();
    let told = view(folder.path(), &["--html", "ball.html"]);
    assert!(told.stderr.starts_with("ball.html: 400 splats, "), "{}", told.stderr);
    told.succeeds();
    let page = fs::read_to_string(folder.path().join("ball.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<title>ball.ply</title>") && !page.contains("{{"));
    // Nothing is fetched: no address but those within the page.
    for outside in ["http:", "https:", "src=\"/", "@import", "import("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let about: serde_json::Value = serde_json::from_str(script(&page, "about")).unwrap();
    assert_eq!((&about["degree"], &about["look"]["azimuth"]), (&3.into(), &35.0.into()));
    let plan: serde_json::Value = serde_json::from_str(script(&page, "plan")).unwrap();
    if cfg!(feature = "gpu") {
        let passes = plan["passes"].as_array().unwrap();
        let of = |pass: &serde_json::Value| plan["kernels"][pass["kernel"].as_u64().unwrap() as usize]["name"].clone();
        assert_eq!((of(&passes[0]), of(passes.last().unwrap())), ("project_splats".into(), "blend_splats".into()));
    }
    view(folder.path(), &["--html", "again.html"]).succeeds();
    assert!(fs::read_to_string(folder.path().join("again.html")).unwrap() == page);
}

#[test]
fn what_makes_no_page_is_refused() {
    let folder = folder();
    let at = folder.path();
    view(at, &["--html", "page.png"]).is_wrong_usage("splat view: page.png does not end in .html");
    view(at, &["--html", "a.html", "--fov", "0"]).is_wrong_usage("splat view: --fov is from 1 to 170 degrees");
    view(at, &["--html", "a.html", "--camera", "front"])
        .is_wrong_usage("splat view: the camera orbits the scene; begin anywhere by --camera orbit:30,20");
    assert!(!at.join("a.html").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_window_without_a_display_is_refused_with_what_to_do() {
    let folder = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_monotile"));
    command.args(["splat", "view", "ball.ply"]).current_dir(folder.path());
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(name);
    }
    let told = Finished::new(command.output().unwrap());
    let words = if cfg!(feature = "view") {
        "error: splat view: there is no display to open a window on\nhint: --html FILE writes a page that shows the scene; monotile splat render draws it into a file"
    } else {
        "error: splat view: this command was built without windows\nhint: --html FILE writes a page that shows the scene"
    };
    told.fails_with(words);
}

/// The digest of `scripts/web.py`.
fn digest() -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for folder in ["web/src", "kernels/src/splat"] {
        let files = fs::read_dir(crates.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let others = ["gather.rs", "tests.rs", "unblend.rs", "unproject.rs"];
        let mut files: Vec<PathBuf> =
            files.filter(|path| name(path).ends_with(".rs") && !others.contains(&name(path).as_str())).collect();
        files.sort();
        for path in files {
            let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
            name(&path)
                .bytes()
                .chain(text.bytes())
                .for_each(|byte| state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        }
    }
    format!("{state:016x}")
}

#[test]
fn the_module_is_built_of_the_present_sources() {
    let module = fs::read(assets().join("splat_view.wasm")).unwrap();
    let tail = String::from_utf8_lossy(&module[module.len() - 40..]).into_owned();
    let words = "crates/cli/assets/splat_view.wasm is of other sources: run python scripts/web.py";
    assert!(tail.ends_with(&format!("monotile-sources{}", digest())), "{words}");
}

/// Pixels of a picture in three bytes each.
fn pixels(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let wide = info.color_type.samples();
    bytes.chunks(wide).flat_map(|pixel| pixel[..3].to_vec()).collect()
}

#[test]
fn the_module_draws_what_the_command_draws() {
    let folder = folder();
    let at = folder.path();
    let drawn = |arguments: &[&str]| {
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/splat_view.mjs"))
            .arg(assets().join("splat_view"))
            .args(arguments)
            .current_dir(at)
            .output()
    };
    if drawn(&[]).is_err() {
        return println!("skipped: there is no node");
    }
    let background = ["--background", "#204060"];
    for (name, more) in [
        ("plain", &["--camera", "orbit:120,10,0.8"][..]),
        ("other", &["--camera", "orbit:20,-30,0.5", "--up", "z", "--antialiased"]),
    ] {
        let page = format!("{name}.html");
        view(at, &[&["--html", &page], more, &background].concat()).succeeds();
        let finished = drawn(&[&page, "90", "70", "scene.spz", "drawn.raw"]).unwrap();
        assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
        // The page's scene has the axes of SPZ, whose z points where that of a PLY does not.
        let more: Vec<&str> = more.iter().map(|&word| if word == "z" { "-z" } else { word }).collect();
        let arguments =
            [&["splat", "render", "scene.spz", "--size", "90x70", "-o", "expected.png"], &more[..], &background].concat();
        monotile(at, &arguments).succeeds();
        let expected = pixels(&at.join("expected.png"));
        let found: Vec<u8> = fs::read(at.join("drawn.raw")).unwrap().chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
        assert_eq!(found.len(), expected.len());
        let squares: f64 = found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        let psnr = 10.0 * (255.0_f64.powi(2) * expected.len() as f64 / squares.max(1e-9)).log10();
        let shown = expected.chunks(3).filter(|pixel| **pixel != [0x20, 0x40, 0x60]).count();
        assert!(psnr > 60.0 && shown > 1000, "{name}: {psnr} dB, {shown} pixels with splats");
    }
}
