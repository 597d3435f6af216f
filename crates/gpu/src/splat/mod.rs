//! Gaussian splats: from the world to the screen, blended front to back in tiles, and the gradients of both.
//!
//! Files are named as those of [`monotile_kernels::splat`], which say what is computed; constants are read there.
//!
//! | file | what |
//! | --- | --- |
//! | `project`, `unproject` | splats on the screen, and the gradient, the camera's too |
//! | `harmonics` | colours seen from a direction, and the gradient |
//! | `bins` | a range of slots for each splat, in the order of depth; a list of slots for each tile |
//! | `blend`, `unblend` | a workgroup a tile of 16 x 16 pixels; the walk again, which leaves a record of sums in each slot |
//! | `gather` | the slots of a splat, added in their order |
//! | `plan` | the kernels of a picture as a list, for a page that walks it |
//! | `walk` | a step at random, with the processor's random bits |
//!
//! Every number has one writer, and integers alone are added in any order, so that the same adapter gives the same bits.

mod bins;
mod blend;
mod gather;
mod harmonics;
mod plan;
mod project;
mod unblend;
mod unproject;
mod walk;

use monotile_kernels::shape::count;
use monotile_kernels::splat::stated;
use monotile_kernels::splat::{CameraRows, ProjectRule};

pub use self::bins::GpuSplatBins;
pub use self::blend::blend_splats;
pub use self::harmonics::{splat_colors, splat_colors_backward};
pub use self::plan::{PlanKernel, PlanPass, PlanSize, PlanWord, SplatPlan};
pub use self::project::project_splats;
pub use self::unblend::blend_splats_backward;
pub use self::unproject::project_splats_backward;
pub use self::walk::{GpuWalk, walk_splats};
use crate::accurate::functions_for;
use crate::elementwise::copy;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType};
use crate::pool::GpuBlock;
use crate::reduce::{GpuReduction, reduce};
use crate::stream::GpuStream;
use crate::text::{Text, parameter};

/// Threads of a workgroup, a splat each.
const THREADS: usize = 64;
/// Pixels of a side of a tile.
const SIDE: usize = 16;
/// Pixels of a tile.
const PIXELS: usize = SIDE * SIDE;
/// Features, channels and the depth, that are blended in one walk.
const FEATURES: usize = 4;
/// Numbers of a splat that tiles read: x, y, a/2, b, c/2, the opacity, the reach and the depth.
const RECORD: usize = 8;
/// Numbers of a slot: six moments and the features' sums.
const SUMS: usize = 6 + FEATURES;

/// Splats as they are stored: operands of f32.
#[derive(Debug, Clone)]
pub struct GpuSplatShapes {
    /// `(N, 3)`
    pub means: GpuOperand,
    /// `(N, 4)`: quaternions x, y, z, w of any length but 0.
    pub rotations: GpuOperand,
    /// `(N, 3)`
    pub log_scales: GpuOperand,
    /// `(N)`
    pub logits: GpuOperand,
}

/// Splats on the screen: operands of f32.
#[derive(Debug, Clone)]
pub struct GpuScreenSplats {
    /// `(N, 2)`: pixels from the upper left corner.
    pub positions: GpuOperand,
    /// `(N, 3)`: a, b, c of the inverse covariance.
    pub conics: GpuOperand,
    /// `(N)`
    pub depths: GpuOperand,
    /// `(N)`: 0 of what is not drawn.
    pub opacities: GpuOperand,
}

impl GpuSplatShapes {
    /// Parts of one block, 11 numbers a splat.
    fn of_block(block: &GpuBlock, n: usize) -> GpuResult<Self> {
        Ok(Self {
            means: part(block, &[n, 3], 0)?,
            rotations: part(block, &[n, 4], 3 * n)?,
            log_scales: part(block, &[n, 3], 7 * n)?,
            logits: part(block, &[n], 10 * n)?,
        })
    }

    /// Means, rotations, log scales and logits in row-major order, and how many there are.
    fn rows(&self, stream: &GpuStream, name: &str) -> GpuResult<(usize, [GpuOperand; 4])> {
        let n = self.logits.elements();
        let parts =
            [(&self.means, vec![n, 3]), (&self.rotations, vec![n, 4]), (&self.log_scales, vec![n, 3]), (&self.logits, vec![n])];
        Ok((n, each_in_rows(stream, name, parts)?))
    }
}

impl GpuScreenSplats {
    /// Parts of one block, 7 numbers a splat.
    fn of_block(block: &GpuBlock, n: usize) -> GpuResult<Self> {
        Ok(Self {
            positions: part(block, &[n, 2], 0)?,
            conics: part(block, &[n, 3], 2 * n)?,
            depths: part(block, &[n], 5 * n)?,
            opacities: part(block, &[n], 6 * n)?,
        })
    }

    /// Positions, conics, depths and opacities in row-major order, and how many there are.
    fn rows(&self, stream: &GpuStream, name: &str) -> GpuResult<(usize, [GpuOperand; 4])> {
        let n = self.opacities.elements();
        let parts =
            [(&self.positions, vec![n, 2]), (&self.conics, vec![n, 3]), (&self.depths, vec![n]), (&self.opacities, vec![n])];
        Ok((n, each_in_rows(stream, name, parts)?))
    }
}

/// A part of a block of f32.
fn part(block: &GpuBlock, sizes: &[usize], offset: usize) -> GpuResult<GpuOperand> {
    let strides: &[isize] = if let [_, columns] = sizes { &[*columns as isize, 1] } else { &[1] };
    GpuOperand::strided(block, GpuType::F32, sizes, strides, offset)
}

/// An operand of f32 and of these sizes, copied unless it is in row-major order.
fn in_rows(stream: &GpuStream, name: &str, x: &GpuOperand, sizes: &[usize]) -> GpuResult<GpuOperand> {
    if x.dtype() != GpuType::F32 || x.sizes() != sizes {
        let (got, dtype) = (x.sizes(), x.dtype());
        return Err(GpuError::invalid(format!("{name}: takes f32 of sizes {sizes:?}, got {dtype:?} of {got:?}")));
    }
    if x.is_contiguous() {
        return Ok(x.clone());
    }
    GpuOperand::contiguous(&copy(stream, x, GpuType::F32)?, GpuType::F32, sizes)
}

fn each_in_rows<const K: usize>(
    stream: &GpuStream,
    name: &str,
    parts: [(&GpuOperand, Vec<usize>); K],
) -> GpuResult<[GpuOperand; K]> {
    let mut rows = parts.each_ref().map(|(x, _)| (*x).clone());
    for (row, (x, sizes)) in rows.iter_mut().zip(&parts) {
        *row = in_rows(stream, name, x, sizes)?;
    }
    Ok(rows)
}

/// A block of so many words that is in no buffer of these.
pub(crate) fn take(stream: &GpuStream, sizes: &[usize], beside: &[&GpuBlock]) -> GpuResult<GpuBlock> {
    stream.pool().take((count(sizes) as u64).saturating_mul(4), beside)
}

/// Parameters of a kernel, each with the name of the function that gives it.
#[derive(Debug, Default)]
pub(crate) struct KernelParameters {
    names: Vec<(&'static str, &'static str)>,
    pub(crate) words: Vec<u32>,
}

impl KernelParameters {
    pub(crate) fn count(mut self, name: &'static str, x: usize) -> Self {
        self.names.push((name, "u32"));
        self.words.push(x as u32);
        self
    }

    fn number(mut self, name: &'static str, x: f64) -> Self {
        self.names.push((name, "f32"));
        self.words.push((x as f32).to_bits());
        self
    }

    /// A camera's six rows, as the functions `row0` to `row5`. They come after two others, and so fill vectors.
    fn camera(mut self, camera: &CameraRows) -> Self {
        assert!(self.words.len() == 2, "rows of a camera are whole vectors of parameters");
        // An infinite limit is one that no number reaches.
        self.words.extend(camera.map(|x| (x.clamp(-3e38, 3e38) as f32).to_bits()));
        self.names.extend([("", "f32"); 24]);
        self
    }

    fn functions(&self) -> String {
        let mut text = Text::default();
        for (number, (name, kind)) in self.names.iter().enumerate().filter(|(_, (name, _))| !name.is_empty()) {
            let word = parameter(number);
            let value = if *kind == "f32" { format!("bitcast<f32>({word})") } else { word };
            text.line(format_args!("fn {name}() -> {kind} {{ return {value}; }}"));
        }
        if self.names.iter().any(|(name, _)| name.is_empty()) {
            text.unrolled(6, |k| format!("fn row{k}() -> vec4<f32> {{ return bitcast<vec4<f32>>(p.p{}); }}", k + 1));
        }
        text.finish()
    }

    /// The text of a kernel over them.
    pub(crate) fn text(
        &self,
        threads: usize,
        inputs: &[&'static str],
        outputs: &[&'static str],
        [globals, body]: [&str; 2],
    ) -> KernelText {
        let own = format!("{}{}{globals}", constants(), self.functions());
        KernelText {
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            words: self.words.len(),
            threads,
            globals: functions_for(&format!("{own}{body}")) + &own,
            body: body.to_string(),
        }
    }
}

/// The rule's parameters and the camera's rows.
fn projection(n: usize, rule: &ProjectRule, camera: &CameraRows, offsets: [usize; 4]) -> KernelParameters {
    let [means, rotations, log_scales, logits] = offsets;
    KernelParameters::default()
        .count("splats", n)
        .count("antialiased", usize::from(rule.antialiased))
        .camera(camera)
        .number("half_width", 0.5 * rule.width as f64)
        .number("half_height", 0.5 * rule.height as f64)
        .number("blur", rule.blur)
        .number("near", rule.near)
        .count("means_at", means)
        .count("rotations_at", rotations)
        .count("log_scales_at", log_scales)
        .count("logits_at", logits)
}

/// What texts call the constants of splatting.
fn constants() -> String {
    use stated::harmonics::{Y0, Y1, Y2, Y20, Y30, Y31, Y32, Y33};
    let mut text = Text::default();
    let numbers = [
        ("LEAST_COMPENSATION", stated::LEAST_COMPENSATION),
        ("COLOR_OFFSET", stated::COLOR_OFFSET),
        ("Y0", Y0),
        ("Y1", Y1),
        ("Y2", Y2),
        ("Y20", Y20),
        ("Y30", Y30),
        ("Y31", Y31),
        ("Y32", Y32),
        ("Y33", Y33),
    ];
    for (name, value) in numbers {
        text.line(format_args!("const {name} = {:?}f;", value as f32));
    }
    for (name, value) in [("SIDE", SIDE), ("PIXELS", PIXELS), ("RECORD", RECORD), ("SUMS", SUMS)] {
        text.line(format_args!("const {name} = {value}u;"));
    }
    text.line("fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u; }");
    text.finish()
}

/// The sums of the columns of a block of f32, in an order that depends on its rows alone.
fn column_sums(stream: &GpuStream, block: &GpuBlock, rows: usize, columns: usize) -> GpuResult<GpuBlock> {
    reduce(stream, GpuReduction::Sum, &GpuOperand::contiguous(block, GpuType::F32, &[rows, columns])?, &[0])
}
