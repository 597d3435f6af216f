//! Factorizations of many small matrices, of at most 32 rows and columns: each in a workgroup's memory, a lane a row or a column.
//!
//! | function | what | how |
//! | --- | --- | --- |
//! | [`cholesky`] | A = L Lᵀ | column by column |
//! | [`lu`] | P A = L U | the largest of a column is the pivot |
//! | [`solve_triangular`] | T X = B | a lane a column of B |
//! | [`qr`] | A = Q R | Householder reflections |
//! | [`eigh`] | A = V Λ Vᵀ | rounds of rotations of disjoint pairs (Jacobi) |
//! | [`svd`] | A = U Σ Vᵀ | the same from one side (Hestenes), then Q R of what is left |
//!
//! All steps have one order, so that the same adapter gives the same bits. Nothing is read back: what cannot be factored is NaN.

mod direct;
mod orthogonal;

use monotile_kernels::shape::count;

pub use self::direct::{GpuLu, GpuTriangular, cholesky, lu, solve_triangular};
pub use self::orthogonal::{GpuEigh, GpuQr, GpuSvd, eigh, qr, svd};
use crate::accurate::functions_for;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::text::{Text, parameter, place_function};

/// The most rows and columns of a matrix.
pub const MAX_SIDE: usize = 32;
/// Threads of a workgroup where its memory suffices.
const THREADS: usize = 64;
/// Bytes of a workgroup's memory in WebGPU 1.0.
const BYTES: usize = 16 << 10;
/// Parameters before those of the batch.
const WORDS: usize = 6;

/// The last two dimensions of an operand, over all others.
#[derive(Debug, Clone)]
struct Matrices {
    rows: usize,
    columns: usize,
    count: usize,
    dtype: GpuType,
    offset: usize,
    steps: [isize; 2],
    batch: MergedDims,
}

impl Matrices {
    fn of(name: &str, a: &GpuOperand) -> GpuResult<Self> {
        let [outer @ .., rows, columns] = a.sizes() else {
            return Err(GpuError::invalid(format!("{name}: an operand of {} dimensions is no matrix", a.sizes().len())));
        };
        let [of_outer @ .., of_row, of_column] = a.strides() else { unreachable!("as many strides as sizes") };
        Ok(Self {
            rows: *rows,
            columns: *columns,
            count: count(outer),
            dtype: a.dtype(),
            offset: a.offset(),
            steps: [*of_row, *of_column],
            batch: MergedDims::new(outer, &[of_outer]),
        })
    }

    /// The same, refused where a side is longer than kernels hold.
    fn small(name: &str, a: &GpuOperand) -> GpuResult<Self> {
        let it = Self::of(name, a)?;
        if it.rows.max(it.columns) > MAX_SIDE {
            let (rows, columns) = (it.rows, it.columns);
            return Err(GpuError::limit(format!("{name}: matrices of {rows} x {columns} are larger than 32 x 32")));
        }
        Ok(it)
    }

    fn square(name: &str, a: &GpuOperand) -> GpuResult<Self> {
        let it = Self::small(name, a)?;
        if it.rows != it.columns {
            return Err(GpuError::invalid(format!("{name}: matrices of {} x {} are not square", it.rows, it.columns)));
        }
        Ok(it)
    }

    /// With rows for columns.
    fn transposed(self) -> Self {
        let Self { rows, columns, steps: [of_row, of_column], .. } = self;
        Self { rows: columns, columns: rows, steps: [of_column, of_row], ..self }
    }

    fn words(&self) -> Vec<u32> {
        let mut words = vec![self.offset as u32, self.count as u32, self.rows as u32, self.columns as u32];
        words.extend(self.steps.map(|step| step as u32));
        words.extend(self.batch.sizes.iter().map(|&size| size as u32));
        words.extend(self.batch.strides[0].iter().map(|&stride| stride as u32));
        words
    }

    /// How many parameters there are.
    fn word_count(&self) -> usize {
        WORDS + 2 * self.batch.rank()
    }
}

/// How a workgroup holds matrices: squares of `side` by `side`, a power of two, and as many lanes for each.
#[derive(Debug, Clone, Copy)]
struct Places {
    side: usize,
    /// Squares of a matrix.
    tiles: usize,
    /// Matrices of a workgroup.
    together: usize,
}

impl Places {
    fn new(longest: usize, tiles: usize) -> Self {
        let side = longest.max(1).next_power_of_two();
        let bytes = 4 * (tiles * side * (side + 1) + 3 * side);
        Self { side, tiles, together: (THREADS / side).min(BYTES / bytes).max(1) }
    }

    fn threads(&self) -> usize {
        self.together * self.side
    }

    fn groups(&self, count: usize) -> u64 {
        count.div_ceil(self.together) as u64
    }
}

/// A kernel over [`Matrices`].
struct Kind<'a> {
    matrices: &'a Matrices,
    places: Places,
    /// Further operands: element types, and what declares how they are read.
    beside: Vec<(GpuType, String)>,
    outputs: Vec<&'static str>,
    /// Constants and functions.
    parts: &'a [&'a str],
    body: &'a str,
    words: usize,
}

impl Kind<'_> {
    /// The text: `at` is where the lane's matrix lies in `tile`, `list` where in `lists` and `places`, `matrix` its number, and `live`
    /// whether there is one of that number.
    fn text(&self) -> KernelText {
        let Places { side, tiles, together } = self.places;
        let Matrices { dtype, batch, .. } = self.matrices;
        let mut globals = Text::default();
        let mut types = vec![*dtype];
        types.extend(self.beside.iter().map(|(dtype, _)| *dtype));
        globals.line(functions_for("accurate_of_bits(")).line(conversions(&types, &[]));
        globals.line(format_args!("const SIDE = {side}u;\nconst PITCH = {}u;\nconst SQUARE = {}u;", side + 1, side * (side + 1)));
        globals.line(format_args!("var<workgroup> tile: array<f32, {}>;", together * tiles * side * (side + 1)));
        globals.line(format_args!("var<workgroup> lists: array<f32, {}>;", together * 2 * side));
        globals.line(format_args!("var<workgroup> places: array<u32, {}>;", together * side));
        for (name, number) in [("count", 1), ("rows", 2), ("columns", 3)] {
            globals.line(format_args!("fn {name}() -> u32 {{ return {}; }}", parameter(number)));
        }
        globals.line(place_function("place_of_a", batch.rank(), WORDS, WORDS + batch.rank()));
        globals.line(format_args!("fn number(place: u32) -> f32 {{ return {}; }}", dtype.read("a0", "place")));
        globals.line(format_args!(
            "fn element(matrix: u32, row: u32, column: u32) -> f32 {{
    return number({} + place_of_a(matrix) + row * {} + column * {});
}}",
            parameter(0),
            parameter(4),
            parameter(5)
        ));
        self.beside.iter().for_each(|(_, text)| _ = globals.line(text));
        globals.line(LOAD);
        self.parts.iter().for_each(|part| _ = globals.line(part));
        let mut body = Text::default();
        body.line("    let lane = local % SIDE;\n    let which = local / SIDE;");
        body.line(format_args!("    let matrix = group * {together}u + which;\n    let live = matrix < count();"));
        body.line(format_args!("    let inside = min(matrix, count() - 1u);\n    let at = which * {tiles}u * SQUARE;"));
        body.line("    let list = which * 2u * SIDE;");
        body.line(self.body);
        let mut inputs = vec![dtype.single()];
        inputs.extend(self.beside.iter().map(|(dtype, _)| dtype.single()));
        KernelText {
            inputs,
            outputs: self.outputs.clone(),
            words: self.words,
            threads: self.places.threads(),
            globals: globals.finish(),
            body: body.finish(),
        }
    }

    fn key(&self) -> Vec<u64> {
        let mut key =
            vec![self.places.side as u64, self.matrices.dtype as u64, self.matrices.batch.rank() as u64, self.words as u64];
        key.extend(self.beside.iter().map(|(dtype, _)| *dtype as u64));
        key
    }
}

/// Reading a matrix, and scaling it by a power of two so that squares are numbers.
const LOAD: &str = "
fn load(at: u32, lane: u32, matrix: u32) {
    for (var e = lane; e < rows() * columns(); e += SIDE) {
        tile[at + e / columns() * PITCH + e % columns()] = element(matrix, e / columns(), e % columns());
    }
    workgroupBarrier();
}

// What results are multiplied by again.
fn scale(at: u32, lane: u32, list: u32) -> f32 {
    var largest = 0.0;
    for (var i = 0u; i < rows() && lane < columns(); i += 1u) {
        let size = abs(tile[at + i * PITCH + lane]);
        if (size > largest) { largest = size; }
    }
    lists[list + lane] = largest;
    workgroupBarrier();
    for (var j = 0u; j < columns(); j += 1u) {
        let size = lists[list + j];
        if (size > largest) { largest = size; }
    }
    workgroupBarrier();
    let exponent = bitcast<u32>(largest) >> 23u;
    if (exponent == 0u || exponent >= 254u) { return 1.0; }
    let up = bitcast<f32>((254u - exponent) << 23u);
    for (var i = 0u; i < rows() && lane < columns(); i += 1u) { tile[at + i * PITCH + lane] *= up; }
    workgroupBarrier();
    return bitcast<f32>(exponent << 23u);
}
";
