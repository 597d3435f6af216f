//! Pictures and gradients against reference results in f64, where they are: `MONOTILE_CASES`, else `../shared/cases` beside the workspace.
//!
//! The references were computed by automatic differentiation, every splat at every pixel. Within: f64 pictures 1e-12, gradients 1e-10 of the largest; f32
//! pictures 1e-5, gradients 1e-4.

#[cfg(feature = "gpu")]
#[path = "shared/adapter.rs"]
mod adapter;
mod shared;

use monotile::io::SafeTensors;
use monotile::tape::grad;
use monotile::{DType, Device, Tensor};
use monotile_radiance::{
    BlendOptions, MatrixCamera, ProjectOptions, ProjectedSplats, ShapeLimits, SightDirections, Splats, blend, project,
};
use serde_json::Value;

#[cfg(feature = "gpu")]
use adapter::gpu;
use shared::cases;

struct Case<'a> {
    about: &'a Value,
    file: &'a SafeTensors,
    dtype: DType,
    device: &'a Device,
}

/// Camera matrices of glTF's convention from those of OpenCV's, by numbers: signs of rows, and the picture's size in NDC.
fn clip_from_view(k: &[f64], [w, h]: [f64; 2], parallel: bool) -> Vec<f64> {
    let (fx, cx, fy, cy) = (2.0 * k[0] / w, 2.0 * k[2] / w, 2.0 * k[4] / h, 2.0 * k[5] / h);
    match parallel {
        false => vec![fx, 0.0, 1.0 - cx, 0.0, 0.0, fy, cy - 1.0, 0.0, 0.0, 0.0, -1.0, -0.1, 0.0, 0.0, -1.0, 0.0],
        true => vec![fx, 0.0, 0.0, cx - 1.0, 0.0, fy, 0.0, 1.0 - cy, 0.0, 0.0, -0.1, 0.0, 0.0, 0.0, 0.0, 1.0],
    }
}

/// dK of dP.
fn of_lens(p: &[f64], [w, h]: [f64; 2], parallel: bool) -> Vec<f64> {
    let (fx, fy) = (2.0 / w * p[0], 2.0 / h * p[5]);
    let (cx, cy) = if parallel { (2.0 / w * p[3], -2.0 / h * p[7]) } else { (-2.0 / w * p[2], 2.0 / h * p[6]) };
    vec![fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 0.0]
}

/// Rows 1 and 2 negated: from OpenCV's axes to glTF's.
fn flipped(v: &[f64]) -> Vec<f64> {
    v.iter().enumerate().map(|(i, x)| if i / 4 == 1 || i / 4 == 2 { -x } else { *x }).collect()
}

/// Columns x, y, z, w from w, x, y, z, and back.
fn reordered(q: &Tensor, order: [usize; 4]) -> Tensor {
    let columns: Vec<Tensor> = order.iter().map(|&k| q.slice(1, k..k + 1).unwrap()).collect();
    Tensor::cat(&columns, 1).unwrap()
}

impl Case<'_> {
    fn id(&self) -> &str {
        self.about["id"].as_str().unwrap()
    }

    fn number(&self, name: &str) -> f64 {
        self.about[name].as_f64().unwrap()
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.about[name].as_str() == Some(value)
    }

    fn tensor(&self, name: &str) -> Option<Tensor> {
        self.file.tensor(&format!("{}.{name}", self.id())).ok()
    }

    fn input(&self, name: &str) -> Tensor {
        self.tensor(name).unwrap().to_dtype(self.dtype).unwrap().to(self.device).unwrap()
    }

    /// The largest difference is below `bound` times the largest number, or times 1 if that is more and `absolute`.
    fn close(&self, name: &str, found: &Tensor, bound: f64, absolute: bool) {
        let expected = self.tensor(name).unwrap();
        assert_eq!(found.shape(), expected.shape(), "{} {name}", self.id());
        let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
        let largest = expected.iter().fold(if absolute { 1.0 } else { 0.0 }, |m: f64, x| m.max(x.abs()));
        for (i, (x, y)) in found.iter().zip(&expected).enumerate() {
            assert!(
                (x - y).abs() <= bound * largest,
                "{} {name}[{i}] is {x}, not {y} ({:e} of {largest})",
                self.id(),
                (x - y).abs() / largest
            );
        }
    }

    fn check(&self) {
        let size = [self.number("width"), self.number("height")];
        let parallel = self.is("projection", "orthographic");
        let view = Tensor::from_vec(flipped(&self.tensor("view").unwrap().to_f64_vec().unwrap()), &[4, 4]).unwrap().requires_grad();
        let k = self.tensor("K").unwrap().to_f64_vec().unwrap();
        let lens = Tensor::from_vec(clip_from_view(&k, size, parallel), &[4, 4]).unwrap().requires_grad();
        let (width, height) = (size[0] as usize, size[1] as usize);
        let camera = MatrixCamera { view_from_world: view.clone(), clip_from_view: lens.clone(), width, height };
        let leaf = |name: &str| self.input(name).requires_grad();
        let rotations = reordered(&self.input("quaternions"), [1, 2, 3, 0]).requires_grad();
        let features = self.tensor("features").map(|_| leaf("features"));
        let n = self.number("n") as usize;
        let harmonics = match features {
            None => leaf("harmonics"),
            Some(_) => Tensor::zeros(&[n, 1, 3], self.dtype).unwrap().to(self.device).unwrap(),
        };
        let splats = Splats {
            means: leaf("means"),
            rotations,
            log_scales: leaf("log_scales"),
            logits: leaf("logits"),
            harmonics: harmonics.clone(),
        };
        let options = ProjectOptions {
            near: self.number("near"),
            blur: self.number("blur"),
            antialiased: self.about["antialiased"].as_bool().unwrap(),
            directions: if self.is("directions", "axis") { SightDirections::AlongAxis } else { SightDirections::FromEye },
            limits: match self.about["clamp"].as_str().unwrap() {
                "gsplat" => ShapeLimits::Picture,
                "inria" => ShapeLimits::Axis,
                _ => ShapeLimits::Unlimited,
            },
        };
        let cuts = BlendOptions {
            least_alpha: self.number("alpha_min"),
            most_alpha: self.number("cap"),
            least_transmittance: self.number("t_min"),
        };
        let seen = project(&splats, &camera, &options).unwrap();
        assert_eq!(seen.skipped, 0);
        let (near, far) = if self.dtype == DType::F64 { (1e-12, 1e-10) } else { (1e-5, 1e-4) };
        self.close("tz", &seen.depths, near, true);
        self.close("mean2d", &seen.positions, near, true);
        self.close("conic", &seen.conics, near, true);
        if features.is_none() {
            self.close("colours", &seen.colors, near, true);
        }
        let seen = match &features {
            Some(features) => ProjectedSplats { colors: features.clone(), ..seen },
            None => seen,
        };
        let channels = seen.colors.dim(1);
        let blended = blend(&seen, [width, height], &cuts).unwrap();
        let background = leaf("background");
        let part = |from: usize, to: usize| blended.slice(-1, from..to).unwrap();
        let through = part(channels, channels + 1).neg().unwrap().add(1.0).unwrap();
        let picture = part(0, channels).add(through.mul(&background).unwrap()).unwrap();
        let [coverage, depth_sum] = [1, 2].map(|k| part(channels + k - 1, channels + k).reshape(&[height, width]).unwrap());
        self.close("picture", &picture, near, true);
        self.close("coverage", &coverage, near, true);
        self.close("depth_sum", &depth_sum, near, true);

        let inner = |x: &Tensor, name: &str| x.mul(self.input(name)).unwrap().sum(&[], false).unwrap();
        let mut loss = inner(&picture, "cot_picture").add(inner(&coverage, "cot_coverage")).unwrap();
        if self.tensor("cot_depth_sum").is_some() {
            loss = loss.add(inner(&depth_sum, "cot_depth_sum")).unwrap();
        }
        let colors = features.as_ref().unwrap_or(&harmonics);
        let inputs = [&splats.means, &splats.rotations, &splats.log_scales, &splats.logits, colors, &background, &view, &lens];
        let gradients = grad(&loss, &inputs).unwrap();
        let names =
            ["dmeans", "dquaternions", "dlog_scales", "dlogits", if features.is_some() { "dfeatures" } else { "dharmonics" }];
        for (name, gradient) in names.iter().zip(&gradients) {
            let gradient = if *name == "dquaternions" { reordered(gradient, [3, 0, 1, 2]) } else { gradient.clone() };
            self.close(name, &gradient, far, false);
        }
        self.close("dbackground", &gradients[5], far, false);
        let tensor = |x: Vec<f64>, shape: &[usize]| Tensor::from_vec(x, shape).unwrap();
        self.close("dview", &tensor(flipped(&gradients[6].to_f64_vec().unwrap()), &[4, 4]), far, false);
        self.close("dK", &tensor(of_lens(&gradients[7].to_f64_vec().unwrap(), size, parallel), &[3, 3]), far, false);
    }
}

#[test]
fn pictures_and_gradients_are_the_references() {
    let Some(folder) = cases("splat") else { return };
    let text = std::fs::read_to_string(folder.join("splat.json")).unwrap();
    let about: Value = serde_json::from_str(&text).unwrap();
    let file = SafeTensors::open(folder.join("splat.safetensors")).unwrap();
    let cases = about["cases"].as_array().unwrap();
    assert!(cases.len() >= 25);
    for dtype in [DType::F64, DType::F32] {
        for case in cases {
            Case { about: case, file: &file, dtype, device: &Device::cpu() }.check();
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn pictures_and_gradients_on_a_gpu_are_the_references() {
    let (Some(folder), Some(device)) = (cases("splat"), gpu()) else { return };
    let text = std::fs::read_to_string(folder.join("splat.json")).unwrap();
    let about: Value = serde_json::from_str(&text).unwrap();
    let file = SafeTensors::open(folder.join("splat.safetensors")).unwrap();
    for case in about["cases"].as_array().unwrap() {
        Case { about: case, file: &file, dtype: DType::F32, device: &device }.check();
    }
}
