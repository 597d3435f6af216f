//! A field and where it is not empty: what is drawn, and what is in files.

use std::path::Path;

use monotile::io::{SafeTensors, read_regular, write_atomic, write_safetensors};
use monotile::text::parser_report;
use monotile::{DType, Error, Result, Tensor, limits};
use serde_json::{Value, json};

use super::composite::{CompositeOptions, composite};
use super::cube::{CubeRays, SceneCube};
use super::field::{FieldKind, FieldOptions, RadianceField};
use super::hash_grid::{HashGridOptions, HashGridStyle};
use super::occupancy::OccupancyGrid;
use super::rays::rays;
use crate::camera::MatrixCamera;

/// A radiance field that can be drawn.
#[derive(Debug, Clone)]
pub struct FieldScene {
    pub(super) field: RadianceField,
    pub(super) occupancy: OccupancyGrid,
    /// Samples a side of the cube.
    pub(super) samples: usize,
}

/// What a camera sees of a field.
#[derive(Debug, Clone)]
pub struct RenderedField {
    /// `(height, width, 3)`: colours before the background.
    pub picture: Tensor,
    /// `(height, width)`: how much of the background is hidden, from 0 to 1.
    pub coverage: Tensor,
    /// `(height, width)`: the mean depth of what hides it; 0 where nothing does.
    pub depth: Tensor,
}

/// Rays that are followed together.
const CHUNK: usize = 4096;
/// A ray is finished where less than this share of its light is left.
pub(super) const LEAST_TRANSMITTANCE: f32 = 1e-4;
/// The least coverage that depths are divided by.
const LEAST_COVERAGE: f64 = 1e-10;
/// The files of a field in its folder, and what the first says it is.
const ABOUT: &str = "field.json";
const NUMBERS: &str = "field.safetensors";
const FORMAT: &str = "monotile radiance field";
/// The cells of the occupancy grid among the tensors.
const OCCUPANCY: &str = "occupancy";

impl FieldScene {
    /// The field.
    pub fn field(&self) -> &RadianceField {
        &self.field
    }

    /// The share of the cube's cells that are not empty.
    pub fn occupied(&self) -> f64 {
        self.occupancy.share()
    }

    /// The length of a step along a ray, in sides of the cube.
    pub(super) fn step(&self) -> f32 {
        1.0 / self.samples as f32
    }

    /// What a camera sees of the field.
    ///
    /// # Errors
    /// As [`rays`], and if there is no memory.
    ///
    /// # Cost
    /// A pass of the network for each sample of a ray in cells that are not empty; two more for the colours of those that are seen.
    #[track_caller]
    pub fn render(&self, camera: &MatrixCamera) -> Result<RenderedField> {
        camera.check("render")?;
        let (width, height) = (camera.width, camera.height);
        let values = self.field.values();
        let mut parts = Vec::new();
        for first in (0..width * height).step_by(CHUNK) {
            let pixels =
                (first..(first + CHUNK).min(width * height)).flat_map(|p| [(p % width) as f64 + 0.5, (p / width) as f64 + 0.5]);
            let pixels: Vec<f64> = pixels.collect();
            let rows = pixels.len() / 2;
            let seen = rays(camera, &Tensor::from_vec(pixels, &[rows, 2])?)?;
            parts.push(self.along(&values, &self.field.cube().rays(&seen)?)?);
        }
        let all = Tensor::cat(&parts, 0)?;
        let column = |from: usize, to: usize, shape: &[usize]| all.slice(1, from..to)?.contiguous()?.reshape(shape);
        let coverage = column(3, 4, &[height, width])?;
        let depth = column(4, 5, &[height, width])?.div(coverage.maximum(LEAST_COVERAGE)?)?;
        Ok(RenderedField { picture: column(0, 3, &[height, width, 3])?, coverage, depth })
    }

    /// Colours, coverage and depth of rays, `(R, 5)`.
    fn along(&self, values: &[Tensor], rays: &CubeRays) -> Result<Tensor> {
        let n = rays.origins.len();
        let march = self.occupancy.march(rays, |_| 0.5, self.step())?;
        let seen = march.seen(&march.densities(&self.field, values)?, LEAST_TRANSMITTANCE);
        let count = seen.starts.len();
        let (density, features) = self.field.densities(values, &seen.points()?)?;
        let directions = Tensor::from_vec(rays.directions.as_flattened().to_vec(), &[n, 3])?;
        let of = Tensor::from_slice(&seen.of, &[count])?;
        let directions = self.field.directions(&directions)?.index_select(0, &of)?;
        let colors = self.field.colors(values, &features, &directions)?;
        let [starts, ends] = [&seen.starts, &seen.ends].map(|x| Tensor::from_slice(x, &[count]));
        let out = composite(&density, &colors, [&starts?, &ends?], &seen.offsets, &CompositeOptions::default())?;
        let depths = out.depths.mul(Tensor::from_slice(&rays.depths, &[n, 1])?)?;
        Tensor::cat(&[out.colors, out.opacities, depths], 1)
    }

    /// What a file says of the field beside its numbers.
    pub(super) fn about(&self) -> Value {
        let FieldOptions { kind, grid, width, resolution, components } = self.field.options();
        let SceneCube { center, half } = self.field.cube();
        json!({
            "format": FORMAT, "version": 1, "field": kind.name(), "width": width, "resolution": resolution, "components": components,
            "grid": {
                "style": if grid.style == HashGridStyle::Paper { "paper" } else { "tiny-cuda-nn" },
                "levels": grid.levels, "features": grid.features, "log2_rows": grid.log2_rows, "least": grid.least, "most": grid.most,
            },
            "center": center, "half": half, "occupancy": self.occupancy.side(), "samples": self.samples,
        })
    }

    /// The tensors of a file.
    pub(super) fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = self.field.parameters().to_vec();
        let side = self.occupancy.side();
        all.push((OCCUPANCY.into(), Tensor::from_slice(self.occupancy.densities(), &[side, side, side])?));
        Ok(all)
    }

    /// Writes the field to a folder: `field.json` with its sizes, `field.safetensors` with its numbers.
    ///
    /// # Errors
    /// `Io`, if a file cannot be written.
    #[track_caller]
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (folder, tensors) = (folder.as_ref(), self.tensors()?);
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(folder.join(NUMBERS), &listed, &[])?;
        let text = format!("{:#}\n", self.about());
        write_atomic(&folder.join(ABOUT), |file| std::io::Write::write_all(file, text.as_bytes()))
    }

    /// The field of a folder.
    ///
    /// # Errors
    /// `Io` and `Format`, if a file cannot be read, or says what no field is.
    #[track_caller]
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let about = folder.join(ABOUT);
        let text = read_regular(&about, &limits::CONFIG)?;
        let value: Value = serde_json::from_slice(&text).map_err(|e| Error::format(&about, parser_report(&e)))?;
        let numbers = SafeTensors::open(folder.join(NUMBERS))?;
        Self::from_parts(&value, &about, &numbers)
    }

    /// The field of what [`Self::about`] and [`Self::tensors`] gave.
    #[track_caller]
    pub(super) fn from_parts(about: &Value, path: &Path, numbers: &SafeTensors) -> Result<Self> {
        let refuse = |what: String| Error::format(path, what);
        if about["format"] != FORMAT || about["version"] != 1 {
            return Err(refuse(format!("is not the description of a field: it has no \"format\": \"{FORMAT}\", \"version\": 1")));
        }
        let whole = |of: &Value, name: &str| {
            let number = of[name].as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 1 << 24);
            number.ok_or_else(|| refuse(format!("{name} is a number from 0 to 2^24, not {}", of[name])))
        };
        let kind = FieldKind::ALL.into_iter().find(|kind| about["field"] == kind.name());
        let kind = kind.ok_or_else(|| refuse(format!("field is hash, tensorf or frequency, not {}", about["field"])))?;
        let grid = &about["grid"];
        let style = match grid["style"].as_str() {
            Some("paper") => HashGridStyle::Paper,
            Some("tiny-cuda-nn") => HashGridStyle::TinyCudaNn,
            _ => return Err(refuse(format!("style is paper or tiny-cuda-nn, not {}", grid["style"]))),
        };
        let options = FieldOptions {
            kind,
            grid: HashGridOptions {
                style,
                levels: whole(grid, "levels")?,
                features: whole(grid, "features")?,
                log2_rows: whole(grid, "log2_rows")? as u32,
                least: whole(grid, "least")?,
                most: whole(grid, "most")?,
            },
            width: whole(about, "width")?,
            resolution: whole(about, "resolution")?,
            components: whole(about, "components")?,
        };
        let number =
            |of: &Value| of.as_f64().filter(|x| x.is_finite()).ok_or_else(|| refuse(format!("a number is wanted, not {of}")));
        let center = [number(&about["center"][0])?, number(&about["center"][1])?, number(&about["center"][2])?];
        let cube = SceneCube { center, half: number(&about["half"])? };
        let (side, samples) = (whole(about, "occupancy")?, whole(about, "samples")?);
        if !(1..=MOST_OCCUPANCY).contains(&side) || !(1..=MOST_SAMPLES).contains(&samples) {
            return Err(refuse(format!(
                "takes an occupancy from 1 to {MOST_OCCUPANCY} and samples from 1 to {MOST_SAMPLES}, not {side} and {samples}"
            )));
        }
        let read = |name: &str, shape: &[usize]| {
            let refuse = |what: String| Error::format(numbers.path(), what);
            let found = numbers.shape(name).ok_or_else(|| refuse(format!("has no tensor {name:?}, which the field needs")))?;
            if found != shape || numbers.dtype(name) != Some(DType::F32) {
                let dtype = numbers.stored(name).unwrap_or_default();
                return Err(refuse(format!("tensor {name:?} is {dtype} {found:?}, and the field needs F32 {shape:?}")));
            }
            // A copy: the file may be replaced while the field is in use.
            Tensor::from_vec(numbers.tensor(name)?.to_vec::<f32>()?, shape)
        };
        let field = RadianceField::with_parameters(options, cube, read)?;
        let densities = read(OCCUPANCY, &[side, side, side])?.to_vec::<f32>()?;
        let step = 1.0 / samples as f32;
        Ok(Self { field, occupancy: OccupancyGrid::from_densities(side, &densities, step), samples })
    }
}

/// The most cells a side of an occupancy grid, and the most samples a side of the cube.
pub(super) const MOST_OCCUPANCY: usize = 256;
pub(super) const MOST_SAMPLES: usize = 8192;
