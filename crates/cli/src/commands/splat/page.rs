//! A page that holds a scene of splats and what draws it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use monotile::text::printable;
use monotile_kernels::splat::stated::{LEAST_ALPHA, LEAST_TRANSMITTANCE, MOST_ALPHA, SHAPE_LIMIT};
use monotile_radiance::{AxisFrame, ProjectOptions, SplatWriteOptions, Splats, UpAxis};
use monotile_scene::Orbit;
use serde_json::{Value, json};

use super::render::SplatBackground;
use super::{SceneExtent, counted};
use crate::command_error::CommandError;
use crate::picture::base64;
use crate::plot::escape;

const PAGE: &str = include_str!("../../../assets/splat_view/page.html");
const STYLE: &str = include_str!("../../../assets/splat_view/page.css");
const CAMERA: &str = include_str!("../../../assets/splat_view/camera.js");
const WORKER: &str = include_str!("../../../assets/splat_view/worker.js");
const GPU: &str = include_str!("../../../assets/splat_view/gpu.js");
const MAIN: &str = include_str!("../../../assets/splat_view/main.js");
/// What `scripts/web.py` builds of `crates/web`.
const WASM: &[u8] = include_bytes!("../../../assets/splat_view.wasm");

/// What a page shows a scene by.
pub struct SplatPageOptions {
    /// The name of the scene's file: the heading, and with another ending that of the scene when it is saved.
    pub name: String,
    /// The axes of the splats.
    pub frame: AxisFrame,
    /// What is up there.
    pub up: UpAxis,
    /// Where the camera is at first.
    pub orbit: Orbit,
    /// Degrees that it sees vertically.
    pub fov: f64,
    pub project: ProjectOptions,
    /// The page's own ground where it is none.
    pub background: SplatBackground,
    /// Bits of harmonics, of degree 1 and of those above.
    pub spz_bits: [u32; 2],
}

/// The bits of harmonics that a page has, if no others are asked for.
pub const SPZ_BITS: [u32; 2] = [8, 6];

/// A scene, and what a page shows it by.
pub struct SplatPage {
    splats: usize,
    degree: usize,
    /// A file of SPZ 3.
    pub scene: Vec<u8>,
    /// Where it is, in the file's axes.
    extent: SceneExtent,
    options: SplatPageOptions,
}

impl SplatPage {
    /// None of a scene without splats.
    pub fn new(splats: &Splats, options: SplatPageOptions) -> Result<Option<Self>, CommandError> {
        let SplatPageOptions { frame, spz_bits, .. } = options;
        let splats = splats.to_frame(frame, AxisFrame::Rub)?;
        let Some(extent) = SceneExtent::of(&splats)? else { return Ok(None) };
        let written = SplatWriteOptions { frame: AxisFrame::Rub, spz_bits, ..SplatWriteOptions::from_project(&options.project) };
        let degree = splats.degree().unwrap_or_default();
        Ok(Some(Self { splats: splats.len(), degree, scene: splats.to_spz(&written)?, extent, options }))
    }

    /// The whole document.
    pub fn html(&self) -> String {
        let name = printable(&self.options.name).to_string();
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let parts: [(&str, String); 13] = [
            ("title", escape(&name)),
            ("splats", counted(self.splats)),
            ("degree", self.degree.to_string()),
            ("file", escape(&format!("{stem}.spz"))),
            ("style", STYLE.to_owned()),
            ("about", in_script(&self.about())),
            ("plan", in_script(&plan(self.splats, (self.degree + 1) * (self.degree + 1)))),
            ("worker", WORKER.to_owned()),
            ("wasm", base64(&packed(WASM))),
            ("scene", base64(&self.scene)),
            ("camera", CAMERA.to_owned()),
            ("gpu", GPU.to_owned()),
            ("main", MAIN.to_owned()),
        ];
        filled(PAGE, &parts)
    }

    /// What the page's script reads of the scene.
    fn about(&self) -> Value {
        let SplatPageOptions { frame, up, orbit, fov, project, background, .. } = &self.options;
        let Orbit { azimuth, elevation, distance, .. } = orbit;
        let background = match background {
            SplatBackground::Transparent => None,
            SplatBackground::Color(rgb) => Some(rgb.map(|byte| f64::from(byte) / 255.0)),
        };
        let SceneExtent { center, radius, .. } = self.extent;
        let up = up.in_frame(*frame, AxisFrame::Rub);
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| up.place(axis));
        json!({
            "degree": self.degree,
            "lens": { "center": center, "radius": radius, "axes": axes, "fov": fov, "limit": SHAPE_LIMIT },
            "look": { "azimuth": azimuth, "elevation": elevation, "distance": distance, "target": [0, 0, 0] },
            "blur": project.blur,
            "antialiased": project.antialiased,
            "background": background,
            "constants": { "least": LEAST_ALPHA, "most": MOST_ALPHA, "stop": LEAST_TRANSMITTANCE },
        })
    }
}

/// The document with what its names stand for.
fn filled(page: &str, parts: &[(&str, String)]) -> String {
    let mut html = String::with_capacity(page.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>());
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        html.push_str(before);
        html.push_str(parts.iter().find(|(known, _)| *known == name).map_or("", |(_, part)| part));
        rest = after;
    }
    html + rest
}

/// JSON that ends no script.
fn in_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = to.write_all(bytes);
    to.finish().unwrap_or_default()
}

/// What WebGPU is to do, for the page to walk.
#[cfg(feature = "gpu")]
fn plan(splats: usize, coefficients: usize) -> Value {
    use monotile_gpu::{PlanSize, PlanWord, SplatPlan};
    let plan = SplatPlan::new(splats, coefficients);
    let size = |size: &PlanSize| {
        let steps = size.steps.iter().map(|step| json!(step));
        Value::Array([json!(size.of)].into_iter().chain(steps).collect())
    };
    let word = |word: &PlanWord| match word {
        PlanWord::Size(of) => size(of),
        PlanWord::Float(name) => json!({ "f32": name }),
        PlanWord::Count(name) => json!({ "u32": name }),
        PlanWord::Camera(number) => json!(number),
        PlanWord::Total => json!("total"),
    };
    let kernels = plan.kernels.iter().map(|kernel| {
        let (inputs, outputs) = (kernel.inputs(), kernel.outputs());
        json!({ "name": kernel.name, "wgsl": kernel.wgsl(), "inputs": inputs, "outputs": outputs })
    });
    let passes = plan.passes.iter().map(|pass| {
        let words: Vec<Value> = pass.words.iter().map(word).collect();
        json!({ "kernel": pass.kernel, "buffers": pass.buffers, "words": words, "groups": size(&pass.groups) })
    });
    json!({
        "splats": splats,
        "most_pairs": SplatPlan::MOST_PAIRS,
        "kernels": kernels.collect::<Vec<_>>(),
        "buffers": plan.buffers.iter().map(size).collect::<Vec<_>>(),
        "passes": passes.collect::<Vec<_>>(),
        "scene": plan.scene,
        "total": plan.total,
        "picture": plan.picture,
        "present": SplatPlan::PRESENT,
    })
}

/// A command without graphics processors writes pages without them.
#[cfg(not(feature = "gpu"))]
fn plan(_: usize, _: usize) -> Value {
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_page_are_filled_once_and_scripts_stay_whole() {
        let parts = [("a", "{{b}}".to_owned()), ("b", "2".to_owned())];
        assert_eq!(filled("<p>{{a}} {{b}} {{a}}", &parts), "<p>{{b}} 2 {{b}}");
        assert_eq!(in_script(&json!("</script>")), "\"\\u003c/script>\"");
    }
}
