//! Samples side by side in a row give what they give one by one.

use super::*;
use crate::data::{Batch, Overlong, Sample, Samples};

/// Samples of 2 to 13 tokens, of which some are learned, the last always.
fn samples() -> Vec<Sample> {
    let mut rng = Rng::new(5);
    let mut draw = |below: usize| (rng.uniform(&[1], 0.0, below as f64, DType::F64).unwrap().to_f64_vec().unwrap()[0]) as usize;
    let mut sample = |length: usize| {
        let tokens = (0..length).map(|_| draw(258) as u32).collect();
        Sample::new(tokens, (0..length).map(|at| at + 1 == length || draw(3) == 0).collect()).unwrap()
    };
    (2..14).map(&mut sample).collect()
}

fn packed(samples: Vec<Sample>, length: usize, seed: Option<u64>) -> TokenDataset {
    Samples(samples).pack(length, Overlong::Cut, seed).unwrap().rows
}

fn trainer(trained: TrainableParameters, rows: TokenDataset, batch: usize, accumulate: usize) -> Trainer {
    let model = if trained == TrainableParameters::Adapter { adapted(0.0) } else { Model::random(small(), 1).unwrap() };
    let options = TrainOptions { batch, accumulate, shuffle: false, ..options() };
    Trainer::new(model.with_compute_dtype(DType::F64).unwrap(), trained, rows, options).unwrap()
}

/// The largest difference of two lists of tensors, as a share of the largest number.
fn off(a: &[Tensor], b: &[Tensor]) -> f64 {
    let all = |x: &[Tensor]| x.iter().flat_map(|x| x.to_f64_vec().unwrap()).collect::<Vec<_>>();
    let (a, b) = (all(a), all(b));
    let largest = a.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    a.iter().zip(&b).fold(0.0f64, |most, (x, y)| most.max((x - y).abs())) / largest
}

#[test]
fn packed_samples_have_the_loss_and_gradients_of_samples_one_by_one() {
    for trained in [TrainableParameters::Everything, TrainableParameters::Adapter] {
        for (length, seed) in [(16, Some(1)), (32, None), (100, Some(2))] {
            let rows = packed(samples(), length, seed);
            assert!(rows.row_count() < samples().len());
            let all: Vec<usize> = (0..rows.row_count()).collect();
            let (loss, gradients) = trainer(trained, rows, all.len(), 1).gradients(&all).unwrap();

            let total: usize = samples().iter().map(Sample::loss_token_count).sum();
            let (mut mean, mut sums) = (0.0, Vec::<Tensor>::new());
            for sample in samples() {
                let share = sample.loss_token_count() as f64 / total as f64;
                let (loss, gradients) = trainer(trained, packed(vec![sample], 100, None), 1, 1).gradients(&[0]).unwrap();
                mean += share * loss;
                let parts = gradients.iter().map(|g| g.mul_scalar(share).unwrap());
                sums = match sums.is_empty() {
                    true => parts.collect(),
                    false => sums.iter().zip(parts).map(|(sum, part)| sum.add(&part).unwrap()).collect(),
                };
            }
            // Some hundred terms in f64, in another order.
            assert!((loss - mean).abs() < 1e-14 * mean.abs() * 100.0, "{loss} and {mean}");
            let off = off(&gradients, &sums);
            assert!(off < 1e-12, "gradients differ by {off:e}");
        }
    }
}

#[test]
fn the_gradient_of_a_packed_row_is_that_of_differences() {
    let rows = packed(samples(), 40, Some(1));
    let batch = Batch::from_dataset(&rows, &[0]).unwrap();
    assert!(batch.lengths.len() > 2 && batch.places.is_some());
    let mut trainer = trainer(TrainableParameters::Everything, rows, 1, 1);
    let (_, gradients) = trainer.gradients(&[0]).unwrap();
    // Along a direction of length 1 in which every number moves.
    let mut rng = Rng::new(7);
    let draws: Vec<Tensor> = gradients.iter().map(|g| rng.normal(g.shape(), DType::F64).unwrap()).collect();
    let norm = gradient_norm(&draws).unwrap().item::<f64>().unwrap();
    let slope: f64 =
        gradients.iter().zip(&draws).map(|(g, d)| g.mul(d).unwrap().to_f64_vec().unwrap().iter().sum::<f64>()).sum::<f64>() / norm;
    let start: Vec<Tensor> =
        trainer.model.parameters(TrainableParameters::Everything).into_iter().map(|(_, t)| t.clone()).collect();
    let mut loss = |step: f64| {
        let moved = start.iter().zip(&draws).map(|(x, d)| x.add(d.mul_scalar(step / norm).unwrap()).unwrap()).collect();
        trainer.model.replace_parameters(TrainableParameters::Everything, moved);
        number(&trainer.model.batch_loss(&batch, None).unwrap()).unwrap()
    };
    let h = 1e-4;
    let difference = (loss(h) - loss(-h)) / (2.0 * h);
    // The third derivative times h²/6, and rounding of 1e-16 / h.
    assert!((slope - difference).abs() < 1e-6 * slope.abs().max(1e-3), "{slope} and {difference}");
}

#[test]
fn accumulation_takes_the_mean_over_tokens_whatever_rows_hold() {
    let rows = packed(samples(), 20, None);
    let count = rows.row_count();
    let learned: Vec<usize> = (0..count).map(|row| rows.loss_token_count_in(row)).collect();
    assert!(learned.iter().any(|&n| n != learned[0]), "rows of different counts are the point: {learned:?}");
    let all: Vec<usize> = (0..count).collect();
    let (at_once, gradient) = trainer(TrainableParameters::Everything, rows.clone(), count, 1).gradients(&all).unwrap();
    let (in_parts, same) = trainer(TrainableParameters::Everything, rows.clone(), 1, count).gradients(&all).unwrap();
    assert!((at_once - in_parts).abs() < 1e-13 * at_once, "{at_once} and {in_parts}");
    assert!(off(&gradient, &same) < 1e-12);
    let mut one = trainer(TrainableParameters::Everything, rows, 1, 1);
    let sum: f64 = all.iter().map(|&row| one.gradients(&[row]).unwrap().0 * learned[row] as f64).sum();
    let mean = sum / learned.iter().sum::<usize>() as f64;
    assert!((at_once - mean).abs() < 1e-13 * mean, "{at_once} and {mean}");
    assert_eq!(one.step().unwrap().tokens, learned[0]);
}

#[test]
fn what_is_held_out_is_judged_by_tokens() {
    let rows = packed(samples(), 20, None);
    let learned: Vec<usize> = (0..rows.row_count()).map(|row| rows.loss_token_count_in(row)).collect();
    let trainer = trainer(TrainableParameters::Everything, rows.clone(), 2, 1).with_held_out(Some(rows)).unwrap();
    let loss = |row: usize| {
        let batch = Batch::from_dataset(&trainer.rows, &[row]).unwrap();
        number(&trainer.model.batch_loss(&batch, None).unwrap()).unwrap() * learned[row] as f64
    };
    let mean = (0..learned.len()).map(loss).sum::<f64>() / learned.iter().sum::<usize>() as f64;
    let found = trainer.evaluate().unwrap().unwrap();
    assert!((found - mean).abs() < 1e-13 * mean, "{found} and {mean}");
}

#[test]
fn rows_may_be_longer_than_the_context_if_samples_are_not() {
    let model = || Model::random(small(), 1).unwrap();
    let fits = |length: usize| {
        let sample = Sample::new(vec![1; length], vec![true; length]).unwrap();
        let rows = packed(vec![sample; 3], 1000, None);
        let mut trainer = Trainer::new(model(), TrainableParameters::Everything, rows, TrainOptions { batch: 1, ..options() })?;
        trainer.step()
    };
    assert_eq!(fits(256).unwrap().tokens, 3 * 255);
    let refused = fits(257).unwrap_err().to_string();
    assert_eq!(refused, "train: rows of 257 tokens are longer than the model's context of 256");
}
