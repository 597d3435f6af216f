//! Attention with and without tiles: the same numbers, in less time and far less memory.

use std::hint::black_box;
use std::io::Write;
use std::process::Command;

use monotile::attention::{AttentionOptions, scaled_dot_product_attention};
use monotile::{DType, Rng, Tensor};

use crate::command_error::CommandError;
use crate::measure::{extra_memory, seconds};
use crate::page::{PageBlock, Section};
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::Progress;
use crate::report::{bytes, duration};

const HEADS: usize = 4;
const DIM: usize = 64;
const LENGTHS: [usize; 6] = [256, 512, 1024, 2048, 4096, 8192];
/// Bytes.
const MIB: f64 = (1 << 20) as f64;
/// Beyond it, all scores at once take gigabytes.
const LONGEST_WHOLE: usize = 4096;

/// What one way took at one length.
struct Measured {
    length: usize,
    seconds: f64,
    /// Unknown where the system does not tell.
    memory: Option<u64>,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Tiles,
    AllScores,
}

/// Queries, keys and values.
type Inputs = [Tensor; 3];

impl Way {
    fn attend(self, [q, k, v]: &Inputs) -> monotile::Result<Tensor> {
        match self {
            Self::Tiles => scaled_dot_product_attention(q, k, v, &AttentionOptions::default()),
            Self::AllScores => all_scores(q, k, v),
        }
    }

    fn measure(self, length: usize, inputs: &Inputs) -> Result<Measured, CommandError> {
        let seconds = seconds(|| self.attend(inputs).map(|out| drop(black_box(out))))?;
        Ok(Measured { length, seconds, memory: self.memory_in_a_fresh_process(length) })
    }

    /// Memory that this process gave back before would hide some of what a call takes, so another one measures it.
    fn memory_in_a_fresh_process(self, length: usize) -> Option<u64> {
        let probe = format!("{}:{length}", if self == Self::Tiles { "tiles" } else { "all" });
        let output = Command::new(std::env::current_exe().ok()?).args(["tour", "--probe", &probe]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    }
}

/// Prints the bytes that one call takes beyond its inputs; `which` is a way and a length, as `tiles:4096`.
pub fn probe(which: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    let usage = || CommandError::Usage(format!("tour: --probe {which} is not tiles or all, a colon and a length"));
    let (way, length) = which.split_once(':').ok_or_else(usage)?;
    let way = if way == "tiles" { Way::Tiles } else { Way::AllScores };
    let length = length.parse().map_err(|_| usage())?;
    // Threads and their scratch exist from the first call on.
    way.attend(&inputs(64)?)?;
    let inputs = inputs(length)?;
    let taken = extra_memory(|| way.attend(&inputs).map(|out| drop(black_box(out)))).map_err(CommandError::new)?;
    Ok(writeln!(out, "{taken}")?)
}

fn inputs(length: usize) -> monotile::Result<Inputs> {
    let mut rng = Rng::new(length as u64);
    let mut one = || rng.normal(&[1, HEADS, length, DIM], DType::F32);
    Ok([one()?, one()?, one()?])
}

/// Measures both ways over T and compares what they give.
pub fn section(progress: &mut Progress) -> Result<Section, CommandError> {
    let (mut tiled, mut whole) = (Vec::new(), Vec::new());
    let mut difference = 0.0_f64;
    for (i, length) in LENGTHS.into_iter().enumerate() {
        progress.at((100 * i / LENGTHS.len()) as u64, &format!("T = {length}"));
        let inputs = inputs(length)?;
        tiled.push(Way::Tiles.measure(length, &inputs)?);
        if length <= LONGEST_WHOLE {
            whole.push(Way::AllScores.measure(length, &inputs)?);
            difference = difference.max(largest_difference(&Way::Tiles.attend(&inputs)?, &Way::AllScores.attend(&inputs)?)?);
        }
    }
    Ok(describe(&tiled, &whole, difference))
}

/// softmax(q·kᵀ/√d)·v by three operations, every score stored.
fn all_scores(q: &Tensor, k: &Tensor, v: &Tensor) -> monotile::Result<Tensor> {
    let scores = q.mul_scalar(1.0 / (DIM as f64).sqrt())?.matmul(&k.mt())?;
    scores.softmax(-1)?.matmul(v)
}

/// max |a - b|; the entries themselves are of the order of 1.
fn largest_difference(a: &Tensor, b: &Tensor) -> monotile::Result<f64> {
    Ok(a.to_f64_vec()?.iter().zip(b.to_f64_vec()?).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

fn describe(tiled: &[Measured], whole: &[Measured], difference: f64) -> Section {
    let (Some(last), Some(longest)) = (whole.last(), tiled.last()) else {
        unreachable!("both lists of lengths are constants that are not empty");
    };
    let same = tiled.iter().find(|m| m.length == last.length).unwrap_or(longest);
    let memory = |m: &Measured| m.memory.map_or("an unknown size".to_string(), bytes);
    let line = format!(
        "T = {}: {} in {} with tiles, {} in {} with all scores; largest difference {difference:.0e}",
        last.length,
        duration(same.seconds),
        memory(same),
        duration(last.seconds),
        memory(last)
    );
    let mut numbers =
        vec![(format!("{:.1} ×", last.seconds / same.seconds), format!("faster than with all scores at T = {}", last.length))];
    if let (Some(few), Some(many)) = (same.memory, last.memory) {
        numbers.push((
            format!("{:.0} ×", many as f64 / few.max(1) as f64),
            format!("less memory: {} instead of {}", bytes(few), bytes(many)),
        ));
    }
    numbers.push((format!("{difference:.0e}"), "largest difference between the two in any entry".to_string()));
    let mut blocks = vec![
        PageBlock::Text(
            "Attention compares every token with every other: T² scores, then a softmax, then a weighted sum. Written down like \
             that, the scores have to be stored, and memory grows with T². In tiles they never are: blocks of queries stream over blocks of \
             keys with a running maximum and sum (Milakov and Gimelshein 2018, Dao et al. 2022), and what is held beyond the result hardly grows."
                .to_string(),
        ),
        PageBlock::Numbers(numbers),
        PageBlock::Figure(
            curves("Time of one call", PlotAxis::log10("time").written(duration), [tiled, whole], |m| Some(m.seconds)),
            format!("{HEADS} heads of {DIM}, f32, forward. Point at a mark to read it."),
        ),
    ];
    if tiled.iter().chain(whole).any(|m| m.memory.is_some()) {
        blocks.push(PageBlock::Figure(
            curves("Memory held beyond the inputs", PlotAxis::log10("memory").written(mebibytes), [tiled, whole], |m| {
                m.memory.map(|b| b as f64 / MIB)
            }),
            format!(
                "The process's peak, as the system counts it. At T = {} tiles hold {}; all scores would take {}.",
                longest.length,
                memory(longest),
                bytes((HEADS * longest.length * longest.length * 4) as u64)
            ),
        ));
    }
    Section { title: "Attention that does not remember its scores".to_string(), line, blocks }
}

/// A mark of the axis of memory, which counts in MiB so that it is marked at round numbers.
fn mebibytes(mib: f64) -> String {
    bytes((mib * MIB) as u64)
}

fn curves(title: &str, y: PlotAxis, [tiled, whole]: [&[Measured]; 2], of: impl Fn(&Measured) -> Option<f64>) -> Plot {
    let points = |all: &[Measured]| all.iter().filter_map(|m| Some((m.length as f64, of(m)?))).collect();
    let series =
        |name: &str, all, colour| Series { name: name.to_string(), points: points(all), stroke: SeriesStyle::Marked, colour };
    let series = vec![series("in tiles", tiled, 0), series("all scores at once", whole, 1)];
    Plot { title: title.to_string(), x: PlotAxis::log2("T, tokens"), y, series }
}
