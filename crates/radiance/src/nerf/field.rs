//! What each point of a cube glows like, as a network that is learned.

use monotile::ops::{GridSampleOptions, SamplePadding, grid_sample, linear};
use monotile::{DType, Error, Result, Rng, Tensor, einsum};

use super::cube::SceneCube;
use super::encoding::{FrequencyOptions, direction_harmonics, frequency_encoding};
use super::hash_grid::{HashGrid, HashGridOptions};
use super::perceptron::perceptron;

/// How a field is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldKind {
    /// A [`HashGrid`] and two small networks.
    #[default]
    Hash,
    /// A deep network of sines and cosines: the first NeRF.
    Frequency,
    /// Planes times lines, summed: TensoRF's vector-matrix decomposition.
    Tensorf,
}

impl FieldKind {
    /// All, in the order of their speed.
    pub const ALL: [Self; 3] = [Self::Hash, Self::Tensorf, Self::Frequency];

    /// `hash`, `tensorf` or `frequency`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Frequency => "frequency",
            Self::Tensorf => "tensorf",
        }
    }
}

/// The sizes of a field; the defaults are those that two cores learn in minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldOptions {
    /// How it is held.
    pub kind: FieldKind,
    /// The grid of [`FieldKind::Hash`].
    pub grid: HashGridOptions,
    /// Numbers of a hidden layer; those of [`FieldKind::Frequency`] are twice as many (256 in the paper).
    pub width: usize,
    /// Elements a side of the planes of [`FieldKind::Tensorf`].
    pub resolution: usize,
    /// Its components a plane: a third of them make the density.
    pub components: usize,
}

impl Default for FieldOptions {
    fn default() -> Self {
        Self { kind: FieldKind::Hash, grid: HashGridOptions::default(), width: 64, resolution: 128, components: 24 }
    }
}

impl FieldOptions {
    #[track_caller]
    fn check(&self) -> Result<()> {
        let Self { width, resolution, components, .. } = *self;
        if !(1..=4096).contains(&width) || !(2..=1024).contains(&resolution) || !(3..=256).contains(&components) {
            return Err(Error::value(format!(
                "nerf: takes a width from 1 to 4096, a resolution from 2 to 1024 and 3 to 256 components, got {width}, {resolution} and {components}"
            )));
        }
        Ok(())
    }
}

/// A tensor that is learned: its name and shape, and what it begins with.
struct ParameterPlan {
    name: String,
    shape: Vec<usize>,
    start: ParameterStart,
}

/// What a tensor begins with.
enum ParameterStart {
    Zero,
    /// Numbers up to this, of either sign.
    Uniform(f64),
    /// Normal numbers of this standard deviation.
    Normal(f64),
}

impl ParameterPlan {
    /// All of a field, in the order in which it reads them.
    fn of(options: &FieldOptions, grid: &HashGrid) -> Vec<Self> {
        let FieldOptions { kind, width, resolution, components, .. } = *options;
        let mut all = Vec::new();
        let mut add = |name: String, shape: &[usize], start| all.push(Self { name, shape: shape.to_vec(), start });
        // He and others (2015): the variance of what relu passes stays the same.
        let he = |input: usize| ParameterStart::Uniform((6.0 / input as f64).sqrt());
        let mut layers: Vec<(String, [usize; 2])> = Vec::new();
        let mut seen = DEGREES * DEGREES;
        match kind {
            FieldKind::Hash => {
                add("table".into(), &[grid.rows(), grid.options().features], ParameterStart::Uniform(1e-4));
                layers.push(("density.0".into(), [width, grid.width()]));
                layers.push(("density.1".into(), [FEATURES, width]));
            }
            FieldKind::Frequency => {
                let ([points, directions], wide) = (frequency_widths(), 2 * width);
                let input = |k: usize| {
                    if k == 0 {
                        points
                    } else if k == AGAIN {
                        wide + points
                    } else {
                        wide
                    }
                };
                layers.extend((0..LAYERS).map(|k| (format!("density.{k}"), [wide, input(k)])));
                layers.push(("density.last".into(), [FEATURES, wide]));
                seen = directions;
            }
            FieldKind::Tensorf => {
                let of_density = components / 3;
                for (name, components) in [("density", of_density), ("color", components - of_density)] {
                    add(format!("{name}.planes"), &[3, components, resolution, resolution], ParameterStart::Normal(0.3));
                    add(format!("{name}.lines"), &[3, components, resolution, 1], ParameterStart::Normal(0.3));
                }
                let color = components - of_density;
                add("basis".into(), &[FEATURES, 3, color], ParameterStart::Uniform((1.0 / color as f64).sqrt()));
            }
        }
        layers.push(("color.0".into(), [width, FEATURES + seen]));
        layers.push(("color.1".into(), [width, width]));
        layers.push(("color.2".into(), [3, width]));
        for (name, [out, input]) in layers {
            add(format!("{name}.weight"), &[out, input], he(input));
            if kind == FieldKind::Frequency {
                add(format!("{name}.bias"), &[out], ParameterStart::Zero);
            }
        }
        all
    }
}

/// Numbers of a point that its colour is made of.
const FEATURES: usize = 16;
/// Degrees of the harmonics of directions.
const DEGREES: usize = 4;
/// Layers of the deep network, and the one that is given the point again.
const LAYERS: usize = 8;
const AGAIN: usize = 4;
/// Frequencies of points and of directions.
const FREQUENCIES: [usize; 2] = [10, 4];
/// The logarithm of a density is held within this.
const MOST_LOG_DENSITY: f64 = 15.0;

/// A field: density and colour of points in a cube, seen from directions.
///
/// ```text
/// (z, f) = network(encode(x))        σ = exp(z) a side of the cube        c = sigmoid(network(f, harmonics(d)))
/// ```
#[derive(Debug, Clone)]
pub struct RadianceField {
    options: FieldOptions,
    cube: SceneCube,
    grid: HashGrid,
    parameters: Vec<(String, Tensor)>,
}

impl RadianceField {
    /// A field that is to be learned: numbers drawn at random.
    ///
    /// # Errors
    /// If a size is out of its range, or there is no memory.
    #[track_caller]
    pub fn random(options: FieldOptions, cube: SceneCube, rng: &mut Rng) -> Result<Self> {
        options.check()?;
        cube.check("nerf")?;
        let plan = ParameterPlan::of(&options, &HashGrid::new(options.grid.clone())?);
        let draw = |of: ParameterPlan| {
            let tensor = match of.start {
                ParameterStart::Zero => Tensor::zeros(&of.shape, DType::F32)?,
                ParameterStart::Uniform(most) => rng.uniform(&of.shape, -most, most, DType::F32)?,
                ParameterStart::Normal(size) => rng.normal(&of.shape, DType::F32)?.mul(size)?,
            };
            Ok((of.name, tensor))
        };
        let parameters = plan.into_iter().map(draw).collect::<Result<Vec<_>>>()?;
        Self::from_parameters(options, cube, parameters)
    }

    /// A field of numbers that there are: `find` is asked for a tensor by its name and shape.
    #[track_caller]
    pub(super) fn with_parameters(
        options: FieldOptions,
        cube: SceneCube,
        mut find: impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        options.check()?;
        cube.check("nerf")?;
        let plan = ParameterPlan::of(&options, &HashGrid::new(options.grid.clone())?);
        let found = plan.into_iter().map(|of| Ok((find(&of.name, &of.shape)?, of.name)));
        let parameters = found.map(|pair| pair.map(|(tensor, name)| (name, tensor))).collect::<Result<Vec<_>>>()?;
        Self::from_parameters(options, cube, parameters)
    }

    fn from_parameters(options: FieldOptions, cube: SceneCube, parameters: Vec<(String, Tensor)>) -> Result<Self> {
        let grid = HashGrid::new(options.grid.clone())?;
        Ok(Self { options, cube, grid, parameters })
    }

    /// Its sizes.
    pub fn options(&self) -> &FieldOptions {
        &self.options
    }

    /// Where it is.
    pub fn cube(&self) -> SceneCube {
        self.cube
    }

    /// Puts the field where it is to the last bit.
    pub(super) fn keep_cube(&mut self, cube: SceneCube) {
        self.cube = cube;
    }

    /// What is learned, by name.
    pub fn parameters(&self) -> &[(String, Tensor)] {
        &self.parameters
    }

    /// What is learned, in the order of [`Self::parameters`].
    pub(super) fn values(&self) -> Vec<Tensor> {
        self.parameters.iter().map(|(_, tensor)| tensor.clone()).collect()
    }

    /// Puts other numbers in their places, and gives those that were there.
    pub(super) fn replace(&mut self, values: Vec<Tensor>) -> Vec<Tensor> {
        self.parameters.iter_mut().zip(values).map(|((_, old), new)| std::mem::replace(old, new)).collect()
    }

    /// The density `(B)` of points `(B, 3)` in the cube, in inverse sides of the cube, and the features `(B, 16)` that their colours are made of.
    ///
    /// `values` takes the place of the field's own numbers: those, or leaves of the tape.
    #[track_caller]
    pub(super) fn densities(&self, values: &[Tensor], x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (z, features) = match self.options.kind {
            FieldKind::Hash => {
                let encoded = self.grid.encode(x, &values[0])?;
                let features = perceptron(&encoded, &[&values[1], &values[2]])?;
                (features.slice(1, ..1)?, features)
            }
            FieldKind::Frequency => {
                let encoded = encoded(&x.mul(2.0)?.sub(1.0)?, FREQUENCIES[0])?;
                let mut h = encoded.clone();
                for k in 0..LAYERS {
                    let input = if k == AGAIN { Tensor::cat(&[&h, &encoded], 1)? } else { h };
                    h = linear(&input, &values[2 * k], Some(&values[2 * k + 1]))?.relu()?;
                }
                let features = linear(&h, &values[2 * LAYERS], Some(&values[2 * LAYERS + 1]))?;
                (features.slice(1, ..1)?, features)
            }
            FieldKind::Tensorf => {
                let [planes, lines] = components(x, &values[0], &values[1])?;
                let z = einsum("prb,prb->b", &[&planes, &lines])?.unsqueeze(1)?;
                let [planes, lines] = components(x, &values[2], &values[3])?;
                (z, einsum("prb,prb,fpr->bf", &[&planes, &lines, &values[4]])?)
            }
        };
        let density = z.clamp(-MOST_LOG_DENSITY, MOST_LOG_DENSITY)?.exp()?.reshape(&[x.dim(0)])?;
        Ok((density, features))
    }

    /// What colours are made of beside features, of directions `(R, 3)`.
    #[track_caller]
    pub(super) fn directions(&self, directions: &Tensor) -> Result<Tensor> {
        match self.options.kind {
            FieldKind::Frequency => encoded(directions, FREQUENCIES[1]),
            _ => direction_harmonics(directions, DEGREES),
        }
    }

    /// The colours `(B, 3)` of points with these features, seen along what [`Self::directions`] gave for each.
    #[track_caller]
    pub(super) fn colors(&self, values: &[Tensor], features: &Tensor, directions: &Tensor) -> Result<Tensor> {
        let input = Tensor::cat(&[features, directions], 1)?;
        let color = if self.options.kind == FieldKind::Frequency {
            let first = 2 * LAYERS + 2;
            let layer = |x: &Tensor, k: usize| linear(x, &values[first + 2 * k], Some(&values[first + 2 * k + 1]));
            layer(&layer(&layer(&input, 0)?.relu()?, 1)?.relu()?, 2)?
        } else {
            perceptron(&input, &values[values.len() - 3..].iter().collect::<Vec<_>>())?
        };
        color.sigmoid()
    }
}

/// Numbers of an encoded point, and of a direction.
fn frequency_widths() -> [usize; 2] {
    FREQUENCIES.map(|n| 3 + 6 * n)
}

fn encoded(x: &Tensor, frequencies: usize) -> Result<Tensor> {
    frequency_encoding(x, &FrequencyOptions { frequencies, ..FrequencyOptions::default() })
}

/// The axes of each plane, and of the line through it.
const PLANES: [([usize; 2], usize); 3] = [([0, 1], 2), ([0, 2], 1), ([1, 2], 0)];

/// Planes `(3, R, N, N)` and lines `(3, R, N, 1)` at points `(B, 3)`, `(3, R, B)` each.
fn components(x: &Tensor, planes: &Tensor, lines: &Tensor) -> Result<[Tensor; 2]> {
    let x = x.mul(2.0)?.sub(1.0)?;
    let column = |k: usize| x.slice(1, k..k + 1);
    let (mut across, mut along) = (Vec::new(), Vec::new());
    for ([a, b], c) in PLANES {
        across.push(Tensor::cat(&[column(a)?, column(b)?], 1)?);
        let c = column(c)?;
        along.push(Tensor::cat(&[c.zeros_like(), c], 1)?);
    }
    let options = GridSampleOptions { align_corners: true, padding: SamplePadding::Border, ..Default::default() };
    let at = |table: &Tensor, points: &[Tensor]| {
        let points = Tensor::stack(points, 0)?.unsqueeze(2)?;
        grid_sample(table, &points, &options)?.reshape(&[3, table.dim(1), x.dim(0)])
    };
    Ok([at(planes, &across)?, at(lines, &along)?])
}

#[cfg(test)]
mod tests {
    use monotile::tape::{CheckGradientOptions, check_gradient};

    use super::*;

    const CUBE: SceneCube = SceneCube { center: [0.0; 3], half: 1.0 };

    /// Small fields of each kind.
    fn fields() -> Vec<RadianceField> {
        let grid = HashGridOptions { levels: 3, least: 2, most: 8, log2_rows: 6, ..HashGridOptions::default() };
        FieldKind::ALL
            .into_iter()
            .map(|kind| {
                let options = FieldOptions { kind, grid: grid.clone(), width: 6, resolution: 5, components: 6 };
                RadianceField::random(options, CUBE, &mut Rng::new(3)).unwrap()
            })
            .collect()
    }

    #[test]
    fn every_number_that_is_learned_agrees_with_differences() {
        for field in fields() {
            let x = Rng::new(5).uniform(&[4, 3], 0.1, 0.9, DType::F64).unwrap();
            let d = Rng::new(6).normal(&[4, 3], DType::F64).unwrap();
            // Numbers so large that no difference passes the kink of a relu.
            let mut rng = Rng::new(7);
            let values: Vec<Tensor> =
                field.values().iter().map(|v| rng.normal(v.shape(), DType::F64).unwrap().mul(0.6).unwrap()).collect();
            let f = |values: &[Tensor]| {
                let (density, features) = field.densities(values, &x)?;
                let colors = field.colors(values, &features, &field.directions(&d)?)?;
                Ok(vec![density, colors])
            };
            check_gradient(f, &values, &CheckGradientOptions::default()).unwrap();
        }
    }

    #[test]
    fn fields_begin_nearly_empty_and_gray() {
        for field in fields() {
            let x = Rng::new(5).uniform(&[50, 3], 0.0, 1.0, DType::F32).unwrap();
            let (density, features) = field.densities(&field.values(), &x).unwrap();
            assert_eq!((density.shape(), features.shape()), (&[50][..], &[50, FEATURES][..]));
            let none = field.densities(&field.values(), &Tensor::zeros(&[0, 3], DType::F32).unwrap()).unwrap();
            assert_eq!(none.0.shape(), [0]);
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        let options = FieldOptions { components: 2, ..FieldOptions::default() };
        let error = RadianceField::random(options, CUBE, &mut Rng::new(0)).unwrap_err().to_string();
        assert!(error.contains("3 to 256 components, got 64, 128 and 2"), "{error}");
        let cube = SceneCube { half: 0.0, ..CUBE };
        let error = RadianceField::random(FieldOptions::default(), cube, &mut Rng::new(0)).unwrap_err().to_string();
        assert!(error.contains("half a side above 0"), "{error}");
    }
}
