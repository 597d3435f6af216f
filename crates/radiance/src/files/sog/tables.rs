//! Tables of a few numbers that stand for many.

use super::{MOST_PALETTE, TABLE};

/// Times that the numbers of a table move to the middle of what they stand for.
const ROUNDS: usize = 24;

/// A table of 256 numbers, near to all that are given, and finite: by Lloyd's method from quantiles.
///
/// # Source
/// Lloyd (1982), Least squares quantization in PCM.
pub(super) fn table(numbers: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut sorted: Vec<f32> = numbers.filter(|x| x.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    if sorted.is_empty() {
        return vec![0.0; TABLE];
    }
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= TABLE {
        distinct.resize(TABLE, sorted[sorted.len() - 1]);
        return distinct;
    }
    let mut sums = Vec::with_capacity(sorted.len() + 1);
    sums.push(0.0_f64);
    for &x in &sorted {
        sums.push(sums[sums.len() - 1] + f64::from(x));
    }
    // Half of the table at even shares of the numbers, half at even distances: the ends of a long tail are kept.
    let (least, most) = (f64::from(sorted[0]), f64::from(sorted[sorted.len() - 1]));
    let half = TABLE / 2;
    let shares = (0..half).map(|i| f64::from(sorted[(2 * i + 1) * sorted.len() / TABLE]));
    let mut table: Vec<f64> = shares.chain((0..half).map(|i| least + (most - least) * i as f64 / (half - 1) as f64)).collect();
    table.sort_unstable_by(f64::total_cmp);
    for _ in 0..ROUNDS {
        let mut start = 0;
        for i in 0..TABLE {
            let middle = table.get(i + 1).map_or(f64::INFINITY, |next| 0.5 * (table[i] + next));
            let end = start + sorted[start..].partition_point(|&x| f64::from(x) < middle);
            if end > start {
                table[i] = (sums[end] - sums[start]) / (end - start) as f64;
            }
            start = end;
        }
    }
    table.into_iter().map(|x| x as f32).collect()
}

/// The place in an ascending table that is nearest.
pub(super) fn nearest(table: &[f32], x: f32) -> u8 {
    let above = table.partition_point(|&y| y < x).min(table.len() - 1);
    let below = above.saturating_sub(1);
    (if (x - table[below]).abs() <= (table[above] - x).abs() { below } else { above }) as u8
}

/// Rows that stand for others, and which stands for each.
pub(super) struct RowPalette {
    /// Rows of the width of those given.
    pub rows: Vec<f32>,
    /// The row for each.
    pub labels: Vec<u16>,
}

impl RowPalette {
    /// Up to 65,536 rows: all where there are no more, else the means of the leaves of a tree that halves rows by the coordinate in which they differ most.
    pub fn of(rows: &[f32], wide: usize) -> Self {
        let n = rows.len() / wide;
        if n <= MOST_PALETTE {
            return Self { rows: rows.to_vec(), labels: (0..n).map(|i| i as u16).collect() };
        }
        let mut order: Vec<u32> = (0..n as u32).collect();
        let mut labels = vec![0; n];
        let mut found = Vec::with_capacity(MOST_PALETTE * wide);
        let mut waiting = vec![(0, n, MOST_PALETTE)];
        while let Some((start, end, leaves)) = waiting.pop() {
            let here = &mut order[start..end];
            let (mean, spread) = moments(rows, wide, here);
            let widest = (0..wide).fold(0, |best, k| if spread[k] > spread[best] { k } else { best });
            if leaves == 1 || here.len() == 1 || !(spread[widest] > 0.0) {
                let label = (found.len() / wide) as u16;
                here.iter().for_each(|&i| labels[i as usize] = label);
                found.extend(mean.into_iter().map(|x| x as f32));
                continue;
            }
            let half = here.len() / 2;
            // Equal numbers by their place, so that there is one way alone.
            let by =
                |&i: &u32, &j: &u32| rows[i as usize * wide + widest].total_cmp(&rows[j as usize * wide + widest]).then(i.cmp(&j));
            here.select_nth_unstable_by(half, by);
            waiting.push((start + half, end, leaves / 2));
            waiting.push((start, start + half, leaves - leaves / 2));
        }
        Self { rows: found, labels }
    }
}

/// Means and mean squares about them, of some rows.
fn moments(rows: &[f32], wide: usize, of: &[u32]) -> (Vec<f64>, Vec<f64>) {
    let (mut sums, mut squares) = (vec![0.0; wide], vec![0.0; wide]);
    for &i in of {
        for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(&rows[i as usize * wide..][..wide]) {
            let x = f64::from(x);
            *sum += x;
            *square += x * x;
        }
    }
    let n = of.len() as f64;
    let means: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
    let spread = squares.iter().zip(&means).map(|(square, mean)| square / n - mean * mean).collect();
    (means, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_numbers_are_kept_and_many_lie_near() {
        let few = table([3.0, 1.0, 2.0, 1.0].into_iter());
        assert_eq!((few.len(), &few[..3], few[255]), (TABLE, &[1.0, 2.0, 3.0][..], 3.0));
        assert_eq!([0.0, 1.4, 1.6, 9.0].map(|x| few[usize::from(nearest(&few, x))]), [1.0, 1.0, 2.0, 3.0]);
        // A bell of numbers: within a fraction of a thousandth of the spread on average.
        let bell: Vec<f32> = (1..20_000).map(|i| (f64::from(i) / 20_000.0) as f32).map(|u| (u / (1.0 - u)).ln()).collect();
        let many = table(bell.iter().copied());
        assert!(many.is_sorted());
        let error =
            bell.iter().map(|&x| f64::from(x - many[usize::from(nearest(&many, x))]).abs()).sum::<f64>() / bell.len() as f64;
        assert!(error < 0.012, "{error}");
    }

    #[test]
    fn a_palette_of_many_rows_has_65_536_that_stand_for_others() {
        let wide = 3;
        let rows: Vec<f32> =
            (0..wide * 100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32).collect();
        let palette = RowPalette::of(&rows, wide as usize);
        assert_eq!(palette.rows.len(), 3 * MOST_PALETTE);
        // Each is the mean of the one or two rows that it stands for, which are near each other but in few leaves.
        let mut sums = vec![[0.0_f64; 4]; MOST_PALETTE];
        let mut apart = 0.0;
        for (row, &label) in rows.chunks(3).zip(&palette.labels) {
            let stands = &palette.rows[3 * usize::from(label)..][..3];
            apart += row.iter().zip(stands).map(|(x, y)| f64::from((x - y).abs())).sum::<f64>();
            let sum = &mut sums[usize::from(label)];
            (0..3).for_each(|k| sum[k] += f64::from(row[k]));
            sum[3] += 1.0;
        }
        for (sum, stands) in sums.iter().zip(palette.rows.chunks(3)) {
            assert!(sum[3] == 1.0 || sum[3] == 2.0, "{sum:?}");
            (0..3).for_each(|k| assert!((sum[k] / sum[3] - f64::from(stands[k])).abs() < 1e-6, "{sum:?} {stands:?}"));
        }
        let mean = apart / rows.len() as f64;
        assert!(mean < 0.005, "{mean}");
        let few = RowPalette::of(&rows[..30], 3);
        assert_eq!((few.rows.as_slice(), few.labels.len()), (&rows[..30], 10));
    }
}
