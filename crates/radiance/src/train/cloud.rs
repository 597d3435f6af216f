//! What is trained of a scene: columns of numbers with the optimizer's averages, and how their rows change.

use monotile::{Result, Tensor};
use monotile_kernels::adam::{AdamColumns, AdamRule, adam};

use crate::splats::Splats;

/// Numbers of each splat, beside the averages that Adam keeps of their gradients.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Column {
    pub wide: usize,
    pub values: Vec<f32>,
    pub means: Vec<f32>,
    pub squares: Vec<f32>,
}

/// The columns of a scene, and how many steps were made.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cloud {
    /// Means, rotations, log scales, logits, harmonics.
    pub columns: [Column; 5],
}

/// The columns' names in files.
pub(crate) const NAMES: [&str; 5] = ["means", "rotations", "log_scales", "logits", "harmonics"];

/// Where a splat is after a change, and how it looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplatEdit {
    /// Its row after the change.
    pub row: usize,
    /// Its mean.
    pub mean: [f32; 3],
    /// Its log scales.
    pub log_scales: [f32; 3],
    /// Its logit.
    pub logit: f32,
}

/// A change of a population, as data: what becomes of the rows of every column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PopulationChange {
    /// Rows that stay, in increasing order.
    pub kept: Vec<usize>,
    /// The rows that others are born of, which come after those that stay; their averages are 0.
    pub births: Vec<usize>,
    /// Rows of the result whose averages become 0, too.
    pub restarted: Vec<usize>,
    /// Rows of the result that get other numbers.
    pub edits: Vec<SplatEdit>,
    /// Logits above this become it, and the averages of all logits 0.
    pub most_logit: Option<f32>,
}

impl Column {
    pub(crate) fn new(wide: usize, values: Vec<f32>) -> Self {
        let zeros = vec![0.0; values.len()];
        Self { wide, means: zeros.clone(), squares: zeros, values }
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.wide..(row + 1) * self.wide]
    }

    fn apply(&mut self, change: &PopulationChange) {
        let wide = self.wide;
        for (numbers, inherited) in [(&mut self.values, true), (&mut self.means, false), (&mut self.squares, false)] {
            let births: Vec<f32> = match inherited {
                true => change.births.iter().flat_map(|&row| numbers[row * wide..(row + 1) * wide].to_vec()).collect(),
                false => vec![0.0; change.births.len() * wide],
            };
            for (to, &from) in change.kept.iter().enumerate() {
                numbers.copy_within(from * wide..(from + 1) * wide, to * wide);
            }
            numbers.truncate(change.kept.len() * wide);
            numbers.extend(births);
            if !inherited {
                change.restarted.iter().for_each(|&row| numbers[row * wide..(row + 1) * wide].fill(0.0));
            }
        }
    }
}

impl Cloud {
    pub(crate) fn len(&self) -> usize {
        self.columns[3].values.len()
    }

    /// Coefficients of harmonics a channel.
    pub(crate) fn coefficients(&self) -> usize {
        self.columns[4].wide / 3
    }

    /// Changes the rows of all columns and of their averages.
    pub(crate) fn apply(&mut self, change: &PopulationChange) {
        self.columns.iter_mut().for_each(|column| column.apply(change));
        for SplatEdit { row, mean, log_scales, logit } in &change.edits {
            for (column, numbers) in [(0, &mean[..]), (2, log_scales), (3, &[*logit])] {
                let wide = self.columns[column].wide;
                self.columns[column].values[row * wide..(row + 1) * wide].copy_from_slice(numbers);
            }
        }
        if let Some(most) = change.most_logit {
            let logits = &mut self.columns[3];
            logits.values.iter_mut().for_each(|x| *x = x.min(most));
            logits.means.fill(0.0);
            logits.squares.fill(0.0);
        }
    }

    /// Gives every splat as many coefficients a channel; new ones are 0.
    pub(crate) fn widen(&mut self, coefficients: usize) {
        let (from, to) = (self.columns[4].wide, 3 * coefficients);
        let column = &mut self.columns[4];
        for numbers in [&mut column.values, &mut column.means, &mut column.squares] {
            let mut wider = vec![0.0; numbers.len() / from * to];
            wider.chunks_exact_mut(to).zip(numbers.chunks_exact(from)).for_each(|(to, row)| to[..from].copy_from_slice(row));
            *numbers = wider;
        }
        column.wide = to;
    }

    /// A step of Adam on all columns: gradients and rates of each, the rates a column's number.
    pub(crate) fn step(&mut self, rule: AdamRule, gradients: [&[f32]; 5], rates: [&[f64]; 5]) {
        for ((column, gradients), rates) in self.columns.iter_mut().zip(gradients).zip(rates) {
            let of = AdamColumns { values: &mut column.values, means: &mut column.means, squares: &mut column.squares };
            adam(rule, rates, gradients, of);
        }
    }

    /// The scene, with copies of the numbers; quaternions have length 1.
    pub(crate) fn splats(&self) -> Result<Splats> {
        let n = self.len();
        let mut rotations = self.columns[1].values.clone();
        for q in rotations.chunks_exact_mut(4) {
            let length = q.iter().map(|x| x * x).sum::<f32>().sqrt();
            if length > 0.0 {
                q.iter_mut().for_each(|x| *x /= length);
            }
        }
        let of = |column: usize, shape: &[usize]| Tensor::from_slice(&self.columns[column].values, shape);
        Ok(Splats {
            means: of(0, &[n, 3])?,
            rotations: Tensor::from_slice(&rotations, &[n, 4])?,
            log_scales: of(2, &[n, 3])?,
            logits: of(3, &[n])?,
            harmonics: of(4, &[n, self.coefficients(), 3])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_moves_the_rows_of_all_columns_and_averages_alike() {
        let column = |wide: usize| {
            let numbers = |by: f32| (0..4 * wide).map(|i| by + (i / wide) as f32).collect::<Vec<_>>();
            Column { wide, values: numbers(0.0), means: numbers(10.0), squares: numbers(20.0) }
        };
        let mut cloud = Cloud { columns: [3, 4, 3, 1, 3].map(column) };
        let edit = SplatEdit { row: 3, mean: [7.0; 3], log_scales: [8.0; 3], logit: 9.0 };
        cloud.apply(&PopulationChange {
            kept: vec![0, 2, 3],
            births: vec![2],
            restarted: vec![1],
            edits: vec![edit],
            most_logit: None,
        });
        let rows = |x: &[f32], wide: usize| x.chunks(wide).map(|row| row[0]).collect::<Vec<_>>();
        for (k, column) in cloud.columns.iter().enumerate() {
            let born = [7.0, 2.0, 8.0, 9.0, 2.0][k];
            assert_eq!(rows(&column.values, column.wide), [0.0, 2.0, 3.0, born]);
            assert_eq!(rows(&column.means, column.wide), [10.0, 0.0, 13.0, 0.0]);
            assert_eq!(rows(&column.squares, column.wide), [20.0, 0.0, 23.0, 0.0]);
        }
        cloud.widen(4);
        assert_eq!((cloud.coefficients(), cloud.columns[4].row(3).to_vec()), (4, [vec![2.0; 3], vec![0.0; 9]].concat()));
        cloud.apply(&PopulationChange { kept: (0..4).collect(), most_logit: Some(2.5), ..PopulationChange::default() });
        assert_eq!((&cloud.columns[3].values[..], &cloud.columns[3].means[..]), (&[0.0, 2.0, 2.5, 2.5][..], &[0.0; 4][..]));
    }
}
