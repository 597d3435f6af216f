//! The kernels of a picture of splats as a list that something else walks: a page, which has WebGPU and none of this crate.
//!
//! The texts are those that this crate dispatches. What this crate computes by sizes while it records, the plan says by terms of a few numbers that its reader knows. How many pairs of
//! a splat and a tile there are is known on the device alone; the reader copies it to the parameters of passes that ask for it, and nothing waits.

use monotile_kernels::splat::{BlendRule, ProjectRule};

use super::{FEATURES, KernelParameters, RECORD, SIDE, THREADS, bins, blend, harmonics, project, projection};
use crate::kernel::KernelText;
use crate::radix::{
    DIGITS, SORTED, SUMMED, digits_text, groups_text, move_text, sort_parameters, sums_parameters, sums_text, take_text,
};

/// The most pairs of a splat and a tile that a plan counts on.
const MOST_PAIRS: usize = 1 << 25;
/// Bits of a tile's number: a picture has fewer than 65,535 tiles.
const TILE_BITS: usize = 16;

/// A whole number by one that the reader knows: multiplied by steps above 0 and divided by those below, rounded up, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSize {
    /// `splats`, `pairs` (room for so many), `width`, `height`, `columns`, `rows` and `tiles` (of 16 x 16 pixels), or `one`.
    pub of: &'static str,
    /// The steps.
    pub steps: Vec<i64>,
}

impl PlanSize {
    fn of(of: &'static str) -> Self {
        Self { of, steps: Vec::new() }
    }

    fn times(mut self, by: usize) -> Self {
        self.steps.push(by as i64);
        self
    }

    fn per(mut self, by: usize) -> Self {
        self.steps.push(-(by as i64));
        self
    }

    /// The number, where a name has these values.
    pub fn value(&self, value: impl Fn(&str) -> usize) -> usize {
        let step = |x: usize, &by: &i64| if by < 0 { x.div_ceil(by.unsigned_abs() as usize) } else { x * by as usize };
        self.steps.iter().fold(value(self.of), step)
    }
}

/// A parameter of a pass: a word of 32 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanWord {
    /// A whole number.
    Size(PlanSize),
    /// A number that the reader sets, by its name, in f32: `half_width`, `half_height`, `near`, `blur`, `least`, `most`, `stop`.
    Float(&'static str),
    /// A whole number that the reader sets, by its name: `antialiased`, `width` and the like.
    Count(&'static str),
    /// The camera's number of this place, in f32.
    Camera(usize),
    /// How many pairs there are, of the buffer [`SplatPlan::total`].
    Total,
}

/// A kernel of a plan.
#[derive(Debug)]
pub struct PlanKernel {
    /// Its name.
    pub name: &'static str,
    text: KernelText,
}

impl PlanKernel {
    /// The whole text. Buffers are group 0, those that it reads first; parameters are the uniform buffer of group 1, after the workgroups and how many there
    /// are in a row of the grid.
    pub fn wgsl(&self) -> String {
        self.text.wgsl(false)
    }

    /// How many buffers it reads, before those that it writes.
    pub fn inputs(&self) -> usize {
        self.text.inputs.len()
    }

    /// How many buffers it writes.
    pub fn outputs(&self) -> usize {
        self.text.outputs.len()
    }
}

/// A dispatch.
#[derive(Debug)]
pub struct PlanPass {
    /// The number of its kernel.
    pub kernel: usize,
    /// Numbers of its buffers.
    pub buffers: Vec<usize>,
    /// Its parameters.
    pub words: Vec<PlanWord>,
    /// Its workgroups.
    pub groups: PlanSize,
}

/// All that draws splats.
#[derive(Debug)]
pub struct SplatPlan {
    /// Texts, each once.
    pub kernels: Vec<PlanKernel>,
    /// Words of 32 bits of each buffer.
    pub buffers: Vec<PlanSize>,
    /// What is dispatched, in this order.
    pub passes: Vec<PlanPass>,
    /// The buffers of means, rotations, log scales, logits and harmonics, all f32.
    pub scene: [usize; 5],
    /// The buffer whose first word is how many pairs there are. Where it exceeds the room for pairs, the picture is none.
    pub total: usize,
    /// The buffer of the picture: rows of pixels of five f32, the colours, their coverage and the sum of depths.
    pub picture: usize,
}

impl SplatPlan {
    /// The most pairs of a splat and a tile that there may be room for.
    pub const MOST_PAIRS: usize = MOST_PAIRS;

    /// The plan of scenes with so many splats and so many coefficients a channel.
    ///
    /// # Panics
    /// If there is no splat, or K is not 1, 4, 9 or 16.
    ///
    /// # Example
    /// ```
    /// let plan = monotile_gpu::SplatPlan::new(1000, 4);
    /// let words = |of: &str| if of == "splats" { 1000 } else { 0 };
    /// assert_eq!(plan.buffers[plan.scene[4]].value(words), 12 * 1000);
    /// ```
    pub fn new(splats: usize, coefficients: usize) -> Self {
        assert!(splats > 0 && monotile_kernels::splat::harmonics::degree(coefficients).is_some(), "a scene of splats");
        Planner::default().plan(splats, coefficients)
    }
}

impl SplatPlan {
    /// A vertex shader of three vertices and a fragment shader, which put the picture before a colour: buffer 0 is the picture, buffer 1 eight f32, a colour of four
    /// numbers and the picture's width and height.
    pub const PRESENT: &str = include_str!("present.wgsl");
}

#[derive(Debug, Default)]
struct Planner {
    kernels: Vec<PlanKernel>,
    buffers: Vec<PlanSize>,
    passes: Vec<PlanPass>,
}

fn splats() -> PlanSize {
    PlanSize::of("splats")
}

fn pairs() -> PlanSize {
    PlanSize::of("pairs")
}

/// What passes of every scene call their parameters.
fn word(name: &'static str, kind: &str) -> PlanWord {
    let place = |times: usize| PlanWord::Size(splats().times(times));
    match (name, kind) {
        ("splats", _) => place(1),
        ("channels", _) => PlanWord::Size(PlanSize::of("one").times(3)),
        // Parts of what the projection writes, one after another; everything else begins at 0.
        ("conics_at", _) => place(2),
        ("depths_at", _) => place(5),
        ("opacities_at", _) => place(6),
        ("first" | "bar_at" | "picture_at", _) => place(0),
        (name, _) if name.ends_with("_at") => place(0),
        (_, "f32") => PlanWord::Float(name),
        _ => PlanWord::Count(name),
    }
}

impl Planner {
    fn buffer(&mut self, size: PlanSize) -> usize {
        self.buffers.push(size);
        self.buffers.len() - 1
    }

    /// A dispatch; parameters that not every pass calls the same are given.
    fn pass(
        &mut self,
        name: &'static str,
        (text, parameters): (KernelText, &KernelParameters),
        buffers: &[usize],
        groups: PlanSize,
        given: &[(&str, PlanWord)],
    ) {
        assert_eq!(buffers.len(), text.inputs.len() + text.outputs.len(), "{name}: a buffer for each operand");
        let kernel = self.kernels.iter().position(|kernel| kernel.name == name).unwrap_or_else(|| {
            self.kernels.push(PlanKernel { name, text });
            self.kernels.len() - 1
        });
        let mut camera = 0..24;
        let named = parameters.names.iter().map(|&(name, kind)| match given.iter().find(|(of, _)| *of == name) {
            Some((_, word)) => word.clone(),
            None if name.is_empty() => PlanWord::Camera(camera.next().unwrap_or_default()),
            None => word(name, kind),
        });
        let words = named.collect();
        self.passes.push(PlanPass { kernel, buffers: buffers.to_vec(), words, groups });
    }

    /// As [`crate::radix::running_sums`], of at most `most` numbers.
    fn running_sums(&mut self, x: usize, size: PlanSize, most: usize) -> [usize; 2] {
        let groups = size.clone().per(SUMMED);
        let (sums, totals) = (self.buffer(size.clone()), self.buffer(groups.clone()));
        let (parameters, given) = (sums_parameters(1), [("numbers", PlanWord::Size(size.clone()))]);
        self.pass("running_sums", (sums_text(&parameters), &parameters), &[x, sums, totals], groups.clone(), &given);
        if most <= SUMMED {
            return [sums, totals];
        }
        let [before, total] = self.running_sums(totals, groups.clone(), most.div_ceil(SUMMED));
        let result = self.buffer(size);
        self.pass("running_sums_of_groups", (groups_text(&parameters), &parameters), &[sums, before, result], groups, &given);
        [result, total]
    }

    /// As [`crate::radix::sorted`]: as many numbers as `numbers` says, with room for `size`, which is at most `most`.
    fn sorted(&mut self, keys: usize, size: &PlanSize, most: usize, (bits, numbers): (usize, &PlanWord)) -> [usize; 2] {
        let groups = size.clone().per(SORTED);
        let table = groups.clone().times(DIGITS);
        let counts = self.buffer(table.clone());
        // Two pairs of buffers, which passes write in turn.
        let own = [0; 4].map(|_| self.buffer(size.clone()));
        let mut from: Option<[usize; 2]> = None;
        for (turn, shift) in (0..bits).step_by(8).enumerate() {
            let parameters = sort_parameters(1, 1, 0);
            let given = [
                ("numbers", numbers.clone()),
                ("groups", PlanWord::Size(groups.clone())),
                ("shift", PlanWord::Size(PlanSize::of("one").times(shift))),
            ];
            let read = from.map_or(keys, |[keys, _]| keys);
            self.pass("digits", (digits_text(&parameters), &parameters), &[read, counts], groups.clone(), &given);
            let [places, _] = self.running_sums(counts, table.clone(), DIGITS * most.div_ceil(SORTED));
            let to = [own[2 * (turn % 2)], own[2 * (turn % 2) + 1]];
            let first = from.is_none();
            let buffers: Vec<usize> = [read, places].into_iter().chain(from.map(|[_, places]| places)).chain(to).collect();
            let name = if first { "move_by_first_digits" } else { "move_by_digits" };
            self.pass(name, (move_text(&parameters, first), &parameters), &buffers, groups.clone(), &given);
            from = Some(to);
        }
        from.unwrap_or([own[0], own[1]])
    }

    fn plan(mut self, n: usize, coefficients: usize) -> SplatPlan {
        let scene = [3, 4, 3, 1, 3 * coefficients].map(|wide| self.buffer(splats().times(wide)));
        let [means, rotations, log_scales, logits, harmonics] = scene;
        let (camera, rule) = ([0.0; 24], BlendRule { width: 1, height: 1, channels: 3, least: 0.0, most: 1.0, stop: 0.0 });
        let one_each = splats().per(THREADS);

        let screen = self.buffer(splats().times(7));
        let parameters =
            projection(n, &ProjectRule { width: 1, height: 1, blur: 0.0, near: 0.0, antialiased: false }, &camera, [0; 4]);
        let text = project::text(&parameters);
        self.pass("project_splats", (text, &parameters), &[means, rotations, log_scales, logits, screen], one_each.clone(), &[]);

        let colors = self.buffer(splats().times(3));
        let parameters = harmonics::parameters(n, &camera, [0; 3], 0);
        let text = harmonics::forward(&parameters, coefficients);
        self.pass("splat_colors", (text, &parameters), &[means, harmonics, screen, colors], one_each.clone(), &[]);

        let [records, counts, keys] = [RECORD, 1, 1].map(|wide| self.buffer(splats().times(wide)));
        let shape = bins::bins_parameters(n, &rule, [0; 5]);
        let text = bins::count_text(&shape);
        let screens = [screen; 4];
        let buffers = [&screens[..], &[colors, records, counts, keys]].concat();
        self.pass("count_tiles", (text, &shape), &buffers, one_each.clone(), &[]);
        let [_, order] = self.sorted(keys, &splats(), n, (32, &PlanWord::Size(splats())));
        let ordered = self.buffer(splats());
        let (parameters, numbers) = (sums_parameters(n), [("numbers", PlanWord::Size(splats()))]);
        let text = take_text(&parameters);
        self.pass("take_words", (text, &parameters), &[counts, order, ordered], splats().per(DIGITS), &numbers);
        let [firsts, total] = self.running_sums(ordered, splats(), n);

        let [tile_of, owners] = [0; 2].map(|_| self.buffer(pairs()));
        let text = bins::emit_text(&shape);
        self.pass("emit_tiles", (text, &shape), &[order, firsts, ordered, records, tile_of, owners], one_each, &[]);
        let [keys, entries] = self.sorted(tile_of, &pairs(), MOST_PAIRS, (TILE_BITS, &PlanWord::Total));
        // One more than there are tiles, and room for one more still.
        let starts = self.buffer(PlanSize::of("tiles").times(2));
        let parameters = bins::starts_parameters(1, 1);
        let given = [("pairs", PlanWord::Total), ("tiles", PlanWord::Count("tiles"))];
        let text = bins::starts_text(&parameters);
        self.pass("starts_of_tiles", (text, &parameters), &[keys, starts], PlanSize::of("tiles").times(2).per(THREADS), &given);

        let picture = self.buffer(PlanSize::of("tiles").times(SIDE * SIDE * rule.wide()));
        assert!(rule.channels < FEATURES, "the colours and the depth are blended in one walk");
        let parameters = blend::parameters(&rule, 0, [0; 3]);
        let text = blend::text(&parameters);
        let buffers = [records, colors, entries, owners, starts, picture];
        self.pass("blend_splats", (text, &parameters), &buffers, PlanSize::of("tiles"), &[]);
        let Self { kernels, buffers, passes } = self;
        SplatPlan { kernels, buffers, passes, scene, total, picture }
    }
}

#[cfg(test)]
mod tests {
    use monotile_kernels::splat::CameraRows;

    use super::*;
    use crate::device::{Gpu, GpuOptions};
    use crate::error::GpuErrorKind;
    use crate::kernel::validate;
    use crate::operand::{GpuOperand, GpuType};
    use crate::pool::GpuBlock;
    use crate::splat::{GpuSplatBins, GpuSplatShapes, blend_splats, project_splats, splat_colors};
    use crate::stream::GpuStream;

    #[test]
    fn every_text_of_a_plan_is_a_shader() {
        for coefficients in [1, 4, 9, 16] {
            let plan = SplatPlan::new(3000, coefficients);
            plan.kernels.iter().for_each(|kernel| validate(&kernel.text));
            naga::front::wgsl::parse_str(SplatPlan::PRESENT).unwrap();
            assert_eq!(plan.kernels.len(), 12);
            for pass in &plan.passes {
                let inputs = plan.kernels[pass.kernel].inputs();
                let (read, written) = pass.buffers.split_at(inputs);
                assert!(read.iter().all(|buffer| !written.contains(buffer)), "{}", plan.kernels[pass.kernel].name);
                assert!(pass.words.len() + 2 <= 64 && pass.buffers.len() <= 8, "WebGPU's least limits");
            }
        }
    }

    /// Numbers between -1 and 1.
    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_plan_that_is_walked_draws_the_same_bits() {
        let gpu = match Gpu::open(&GpuOptions::default()) {
            Err(error) if error.kind == GpuErrorKind::NoAdapter => return eprintln!("skipped: no adapter"),
            opened => opened.unwrap(),
        };
        let stream = GpuStream::new(&gpu);
        let (n, coefficients, width, height) = (3000, 4, 70, 50);
        let log_scales = noise(3 * n, 3).iter().map(|x| x - 2.5).collect();
        let columns = [noise(3 * n, 1), noise(4 * n, 2), log_scales, noise(n, 4), noise(3 * coefficients * n, 5)];
        let mut camera: CameraRows = [0.0; 24];
        (camera[0], camera[5], camera[10], camera[11], camera[14], camera[15]) = (2.0, 2.5, -1.0, 4.0, -1.0, 4.0);
        (camera[18], camera[19]) = (4.0, 1.0);
        camera[20..].copy_from_slice(&[-1.3, 1.3, -1.3, 1.3]);
        let project = ProjectRule { width, height, blur: 0.3, near: 0.01, antialiased: true };
        let blend = BlendRule { width, height, channels: 3, least: 1.0 / 255.0, most: 0.99, stop: 1e-4 };

        let blocks = columns.each_ref().map(|column| stream.upload(bytemuck::cast_slice(column)).unwrap());
        let operand = |k: usize, sizes: &[usize]| GpuOperand::contiguous(&blocks[k], GpuType::F32, sizes).unwrap();
        let (means, harmonics) = (operand(0, &[n, 3]), operand(4, &[n, coefficients, 3]));
        let shapes = GpuSplatShapes {
            means: means.clone(),
            rotations: operand(1, &[n, 4]),
            log_scales: operand(2, &[n, 3]),
            logits: operand(3, &[n]),
        };
        let seen = project_splats(&stream, &project, &camera, &shapes).unwrap();
        let colors = splat_colors(&stream, &camera, [&means, &harmonics, &seen.depths]).unwrap();
        let colors = GpuOperand::contiguous(&colors, GpuType::F32, &[n, 3]).unwrap();
        let bins = GpuSplatBins::new(&stream, &blend, &seen, &colors).unwrap();
        let expected = stream.read_blocking(&blend_splats(&stream, &bins).unwrap()).unwrap();
        assert!(bins.pairs() > n, "{bins:?}");
        assert!(bytemuck::pod_collect_to_vec::<u8, f32>(&expected).iter().any(|x| *x > 0.5));

        let plan = SplatPlan::new(n, coefficients);
        let tiles = [width.div_ceil(SIDE), height.div_ceil(SIDE)];
        let value = |name: &str| match name {
            "one" | "antialiased" => 1,
            "splats" => n,
            "pairs" => bins.pairs() + 5000,
            "width" => width,
            "height" => height,
            "columns" => tiles[0],
            "rows" => tiles[1],
            "tiles" => tiles[0] * tiles[1],
            other => panic!("{other}"),
        };
        let float = |name: &str| match name {
            "half_width" => 0.5 * width as f64,
            "half_height" => 0.5 * height as f64,
            "blur" => project.blur,
            "near" => project.near,
            "least" => blend.least,
            "most" => blend.most,
            "stop" => blend.stop,
            other => panic!("{other}"),
        };
        let mut taken: Vec<GpuBlock> = blocks.to_vec();
        for size in &plan.buffers[blocks.len()..] {
            let beside: Vec<&GpuBlock> = taken.iter().collect();
            let block = stream.pool().take(4 * size.value(value) as u64, &beside).unwrap();
            taken.push(block);
        }
        assert_eq!(plan.scene, [0, 1, 2, 3, 4]);
        for pass in &plan.passes {
            let of = &plan.kernels[pass.kernel];
            let words: Vec<u32> = pass
                .words
                .iter()
                .map(|word| match word {
                    PlanWord::Size(size) => size.value(value) as u32,
                    PlanWord::Float(name) => (float(name) as f32).to_bits(),
                    PlanWord::Count(name) => value(name) as u32,
                    PlanWord::Camera(k) => (camera[*k] as f32).to_bits(),
                    PlanWord::Total => bytemuck::pod_read_unaligned(&stream.read_blocking(&taken[plan.total]).unwrap()[..4]),
                })
                .collect();
            let again = SplatPlan::new(n, coefficients);
            let text = || again.kernels.into_iter().nth(pass.kernel).unwrap().text;
            let kernel = stream.kernel(("plan", vec![pass.kernel as u64]), text).unwrap();
            let blocks: Vec<&GpuBlock> = pass.buffers.iter().map(|&buffer| &taken[buffer]).collect();
            let (inputs, outputs) = blocks.split_at(of.inputs());
            stream.dispatch(&kernel, inputs, outputs, &words, pass.groups.value(value) as u64).unwrap();
        }
        let drawn = stream.read_blocking(&taken[plan.picture]).unwrap();
        assert!(drawn[..expected.len()] == expected[..], "the same picture");
    }
}
