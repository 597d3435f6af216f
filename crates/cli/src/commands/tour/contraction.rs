//! A tensor network in the order in which it is written, and in the order that einsum finds.

use std::hint::black_box;

use monotile::einsum::{Einsum, Explanation, PathMethod};
use monotile::{DType, Rng, Tensor};

use crate::command_error::CommandError;
use crate::measure::seconds;
use crate::page::{PageBlock, Section};
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::Progress;
use crate::report::{count, duration, short};

/// A ring of eight tensors (a quantum state of eight sites on a circle) against two tensors of four sites each.
const EQUATION: &str = "abi,bcj,cdk,del,efm,fgn,gho,hap,ijkl,mnop->";
/// The size of the labels i to p, which the ring shares with the two.
const SITE: usize = 6;
/// The sizes of the labels a to h, which hold the ring together.
const BONDS: [usize; 6] = [2, 4, 6, 8, 12, 16];

/// Both orders at one size of the ring's bonds.
struct Measured {
    bond: usize,
    found: f64,
    left_to_right: f64,
    plan: Explanation,
    /// |a - b| / |b| of the two results.
    difference: f64,
}

/// Times both orders over the size of the ring's bonds.
pub fn section(progress: &mut Progress) -> Result<Section, CommandError> {
    let mut all = Vec::new();
    for (i, bond) in BONDS.into_iter().enumerate() {
        progress.at((100 * i / BONDS.len()) as u64, &format!("bonds of {bond}"));
        all.push(measure(bond)?);
    }
    let last = all.last().expect("the list of sizes is a constant that is not empty");
    Ok(describe(&all, last))
}

fn measure(bond: usize) -> Result<Measured, CommandError> {
    let ring = [bond, bond, SITE];
    let shapes: Vec<&[usize]> = [&ring[..]; 8].into_iter().chain([&[SITE; 4][..]; 2]).collect();
    let mut rng = Rng::new(bond as u64);
    let operands = shapes.iter().map(|s| rng.normal(s, DType::F32)).collect::<monotile::Result<Vec<_>>>()?;
    let operands: Vec<&Tensor> = operands.iter().collect();
    let equation = Einsum::new(EQUATION)?;
    let (found, written) = (equation.compile(&shapes)?, equation.with_order(PathMethod::LeftToRight).compile(&shapes)?);
    let time = |compiled: &monotile::einsum::CompiledEinsum| {
        seconds(|| {
            black_box(compiled.run(&operands)?);
            Ok(())
        })
    };
    let [a, b] = [found.run(&operands)?.to_f64_vec()?[0], written.run(&operands)?.to_f64_vec()?[0]];
    Ok(Measured {
        bond,
        found: time(&found)?,
        left_to_right: time(&written)?,
        plan: found.explain(),
        difference: (a - b).abs() / b.abs(),
    })
}

fn describe(all: &[Measured], last: &Measured) -> Section {
    let plan = &last.plan;
    let fewer = count(plan.speed_up() as u64);
    let faster = count((last.left_to_right / last.found) as u64);
    let times = [duration(last.found), duration(last.left_to_right)];
    let line = format!(
        "{} in the order found, {} from left to right: {fewer} times fewer operations, {faster} times faster",
        times[0], times[1]
    );
    let mut table = Vec::new();
    for (i, step) in plan.steps.iter().enumerate() {
        let shape = step.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        let shape = if shape.is_empty() { "a number".to_string() } else { shape };
        table.push(vec![format!("{}.  {}", i + 1, step.equation), step.kind.to_string(), short(step.operations), shape]);
    }
    let series = |name: &str, of: fn(&Measured) -> f64, colour| Series {
        name: name.to_string(),
        points: all.iter().map(|m| (m.bond as f64, of(m))).collect(),
        stroke: SeriesStyle::Marked,
        colour,
    };
    let plot = Plot {
        title: "Time of one contraction".to_string(),
        x: PlotAxis::linear("size of the ring's bonds"),
        y: PlotAxis::log10("time").written(duration),
        series: vec![series("order found", |m| m.found, 0), series("left to right", |m| m.left_to_right, 1)],
    };
    let blocks = vec![
        PageBlock::Text(
            "An einsum names the dimensions of each operand by letters; equal letters meet, and letters that the output lacks are summed \
             over. This one closes a ring of eight tensors with two more:"
                .to_string(),
        ),
        PageBlock::Code(EQUATION.to_string()),
        PageBlock::Text(
            "The result is one number whatever the order of the nine products, but their cost is not: from left to right an intermediate \
             result grows and grows. The cheapest order is found by dynamic programming before anything is computed."
                .to_string(),
        ),
        PageBlock::Numbers(vec![
            (
                format!("{fewer} ×"),
                format!("fewer operations: {} instead of {}", short(plan.operations), short(plan.left_to_right)),
            ),
            (format!("{faster} ×"), format!("faster: {} instead of {}", times[0], times[1])),
            (format!("{:.0e}", last.difference), "relative difference of the two results, in f32".to_string()),
        ]),
        PageBlock::Figure(plot, format!("f32, sites of {SITE}. Point at a mark to read it.")),
        PageBlock::Text(format!("The order found for bonds of {}:", last.bond)),
        PageBlock::Table(["step", "kind", "operations", "result"].map(String::from).to_vec(), table),
    ];
    Section { title: "The order of a contraction".to_string(), line, blocks }
}
