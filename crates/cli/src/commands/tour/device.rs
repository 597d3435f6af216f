//! A graphics processor, where there is one: the same numbers as the processor's, and a model that learns there.

use std::time::Instant;

use monotile::attention::{AttentionOptions, scaled_dot_product_attention};
use monotile::text::printable;
use monotile::{DType, Device, Rng, Tensor};
use monotile_llama::data::TokenDataset;
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Config, Model, TrainableParameters};

use crate::command_error::CommandError;
use crate::page::{PageBlock, Section};
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::Progress;
use crate::report::{count, duration};

/// Steps of the model that learns; few, since the adapter may be a program on the processor.
const STEPS: usize = 30;
const TEXT: &str =
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. ";

/// A product, attention with its gradients, and a training run on both; none where there is no adapter.
pub fn section(progress: &mut Progress) -> Result<Option<Section>, CommandError> {
    let Ok(device) = Device::open("gpu") else { return Ok(None) };
    let mut rows = Vec::new();
    progress.at(0, "a product");
    rows.push(compare("product 256 x 256", &device, &[&[256, 256], &[256, 256]], |x| x[0].matmul(&x[1]))?);
    progress.at(10, "attention");
    let heads: &[usize] = &[1, 2, 128, 32];
    rows.push(compare("attention, 2 heads of 32, T = 128", &device, &[heads; 3], |x| {
        scaled_dot_product_attention(&x[0], &x[1], &x[2], &AttentionOptions { causal: true, ..AttentionOptions::default() })
    })?);
    progress.at(20, "a model that learns");
    let [here, there] = [Device::cpu(), device.clone()].map(|device| learn(&device));
    let ((here, cpu_time), (there, time)) = (here?, there?);
    let apart = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    progress.at(100, "done");
    Ok(Some(describe(&device, &rows, [&here, &there], [cpu_time, time], apart)))
}

/// A function on both devices, forward and backward: its name, how far results and gradients are apart, and seconds there.
struct Compared {
    name: &'static str,
    apart: f64,
    seconds: f64,
}

fn compare(
    name: &'static str,
    device: &Device,
    shapes: &[&[usize]],
    f: impl Fn(&[Tensor]) -> monotile::Result<Tensor>,
) -> monotile::Result<Compared> {
    let mut rng = Rng::new(7);
    let inputs = shapes.iter().map(|shape| rng.normal(*shape, DType::F32)).collect::<monotile::Result<Vec<_>>>()?;
    // The result and the gradient of its sum of squares, to the first input.
    let both = |device: &Device| -> monotile::Result<[Vec<f64>; 2]> {
        let inputs = inputs.iter().map(|x| Ok(x.to(device)?.requires_grad())).collect::<monotile::Result<Vec<_>>>()?;
        let y = f(&inputs)?;
        let gradients = y.square()?.sum(.., false)?.backward()?;
        let of_first = gradients.get(&inputs[0]).map_or_else(|| Ok(Vec::new()), |g| g.to_f64_vec())?;
        Ok([y.to_f64_vec()?, of_first])
    };
    let expected = both(&Device::cpu())?;
    // The first call compiles kernels.
    both(device)?;
    let start = Instant::now();
    let found = both(device)?;
    let seconds = start.elapsed().as_secs_f64();
    let apart = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        let largest = b.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        a.iter().zip(b).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max)
    };
    Ok(Compared { name, apart: found.iter().zip(&expected).map(apart).fold(0.0, f64::max), seconds })
}

/// The losses of a small model that learns a sentence, and the seconds of its steps but for the first.
fn learn(device: &Device) -> monotile::Result<(Vec<f64>, f64)> {
    let rows = TokenDataset::new(TEXT.repeat(8).bytes().map(u32::from).collect(), 32)?;
    let options = TrainOptions { steps: STEPS, batch: 2, learning_rate: 4e-3, ..TrainOptions::default() };
    let model = Model::random(Config::default(), 1)?;
    let mut trainer = Trainer::new(model, TrainableParameters::Everything, rows, options)?.to(device)?;
    trainer.step()?;
    let start = Instant::now();
    while !trainer.is_done() {
        trainer.step()?;
    }
    Ok((trainer.losses().to_vec(), start.elapsed().as_secs_f64()))
}

fn describe(device: &Device, compared: &[Compared], losses: [&[f64]; 2], [cpu, gpu]: [f64; 2], apart: f64) -> Section {
    let name = printable(device.name()).to_string();
    let line = format!(
        "{name}: a product and attention with gradients to {:.0e} of the processor's; {STEPS} steps of a model, losses at most {apart:.0e} apart",
        compared.iter().map(|c| c.apart).fold(0.0, f64::max)
    );
    let points = |losses: &[f64]| losses.iter().zip(1..).map(|(&loss, step)| (f64::from(step), loss)).collect();
    let series = |name: &str, points, stroke, colour| Series { name: name.to_string(), points, stroke, colour };
    let plot = Plot {
        title: "Loss on both devices".to_string(),
        x: PlotAxis::linear("step"),
        y: PlotAxis::linear("loss, nats a token"),
        series: vec![
            series("processor", points(losses[0]), SeriesStyle::Line, 0),
            series(&name, points(losses[1]), SeriesStyle::Marked, 1),
        ],
    };
    let header = ["forward and backward", "largest difference", "time there"].map(String::from).to_vec();
    let rows = compared.iter().map(|c| vec![c.name.to_string(), format!("{:.0e}", c.apart), duration(c.seconds)]).collect();
    let words = format!(
        "Tensors move to a device by one call, and what is computed from them stays there. An elementwise formula is the same Rust \
         function here and there; products, attention and norms have shaders. Every sum has one order, so the same adapter gives the \
         same bits. This adapter is {name}."
    );
    let caption = format!(
        "A model of {} numbers learns a sentence on the processor in {} and on {name} in {}.",
        count(Config::default().parameters() as u64),
        duration(cpu),
        duration(gpu)
    );
    Section {
        title: "A graphics processor, where there is one".to_string(),
        line,
        blocks: vec![PageBlock::Text(words), PageBlock::Table(header, rows), PageBlock::Figure(plot, caption)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_comes_to_the_numbers_of_the_processor() {
        let rows = match Device::open("gpu") {
            Err(_) => return eprintln!("skipped: no adapter"),
            Ok(device) => compare("a product", &device, &[&[40, 30], &[30, 50]], |x| x[0].matmul(&x[1])).unwrap(),
        };
        assert!(rows.apart < 1e-5, "{}", rows.apart);
        let section = section(&mut Progress::new("device", 100)).unwrap().unwrap();
        println!("{}", section.line);
        assert!(section.line.contains("30 steps of a model"));
    }
}
