//! Rows of a PLY file as trainers write them: x y z, f_dc, f_rest channel by channel, opacity, scale and rot, each group in one piece.
//!
//! How many harmonics there are is a constant of the loops: a row is then moved through registers, without a check of bounds for each number.

/// A number of f32 in a file.
pub(super) type Single = [u8; 4];

/// Where the groups of a row begin, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowRuns {
    means: usize,
    colors: usize,
    rest: usize,
    logits: usize,
    log_scales: usize,
    rotations: usize,
}

impl RowRuns {
    /// Of the places of means, rotations (x y z w), log scales, logits and harmonics, if each group lies in one piece and in order.
    pub fn of([means, rotations, log_scales, logits, harmonics]: &[Vec<usize>; 5]) -> Option<Self> {
        let in_order = |places: &[usize]| places.iter().enumerate().all(|(k, &at)| at == places[0] + k);
        let (colors, others) = harmonics.split_at_checked(3)?;
        let (rest, per_channel) = (others.first().copied().unwrap_or(0), others.len() / 3);
        let by_channel = |(k, &at): (usize, &usize)| at == rest + k % 3 * per_channel + k / 3;
        let runs = Self {
            means: *means.first()?,
            colors: *colors.first()?,
            rest,
            logits: *logits.first()?,
            log_scales: *log_scales.first()?,
            rotations: *rotations.get(3)?,
        };
        let fits = in_order(means)
            && in_order(colors)
            && in_order(log_scales)
            && (0..3).all(|k| rotations[k] == runs.rotations + 1 + k)
            && others.iter().enumerate().all(by_channel);
        fits.then_some(runs)
    }

    /// Splats of rows of `wide` numbers each, with so many coefficients a channel beyond the first.
    pub fn gather(self, rows: &[Single], wide: usize, per_channel: usize, out: &mut [&mut [f32]; 5]) {
        match per_channel {
            0 => self.gather_of::<0>(rows, wide, out),
            3 => self.gather_of::<3>(rows, wide, out),
            8 => self.gather_of::<8>(rows, wide, out),
            _ => self.gather_of::<15>(rows, wide, out),
        }
    }

    fn gather_of<const K: usize>(self, rows: &[Single], wide: usize, out: &mut [&mut [f32]; 5]) {
        let [means, rotations, log_scales, logits, harmonics] = out;
        let ((means, _), (rotations, _)) = (means.as_chunks_mut::<3>(), rotations.as_chunks_mut::<4>());
        let (log_scales, _) = log_scales.as_chunks_mut::<3>();
        let out = means.iter_mut().zip(rotations).zip(log_scales).zip(logits.iter_mut()).zip(harmonics.chunks_exact_mut(3 + 3 * K));
        for (row, ((((mean, rotation), log_scale), logit), harmonics)) in rows.chunks_exact(wide).zip(out) {
            *mean = run(row, self.means);
            let (color, rest) = harmonics.split_at_mut(3);
            color.copy_from_slice(&run::<3>(row, self.colors));
            let [r, g, b] = [0, 1, 2].map(|channel| run::<K>(row, self.rest + channel * K));
            let (rest, _) = rest.as_chunks_mut::<3>();
            for (((rest, r), g), b) in rest.iter_mut().zip(r).zip(g).zip(b) {
                *rest = [r, g, b];
            }
            [*logit] = run(row, self.logits);
            *log_scale = run(row, self.log_scales);
            let [w, x, y, z] = run(row, self.rotations);
            *rotation = [x, y, z, w];
        }
    }
}

/// So many numbers one after another.
fn run<const N: usize>(row: &[Single], first: usize) -> [f32; N] {
    row.get(first..).and_then(|row| row.first_chunk::<N>()).map_or([0.0; N], |numbers| numbers.map(f32::from_le_bytes))
}

/// Rows of splats: means, colours, the rest of the harmonics channel by channel, logits, log scales and rotations (w x y z).
pub(super) fn scatter(splats: [&[f32]; 5], per_channel: usize, rows: &mut [Single]) {
    match per_channel {
        0 => scatter_of::<0>(splats, rows),
        3 => scatter_of::<3>(splats, rows),
        8 => scatter_of::<8>(splats, rows),
        _ => scatter_of::<15>(splats, rows),
    }
}

fn scatter_of<const K: usize>([means, rotations, log_scales, logits, harmonics]: [&[f32]; 5], rows: &mut [Single]) {
    let ((means, _), (rotations, _), (log_scales, _)) =
        (means.as_chunks::<3>(), rotations.as_chunks::<4>(), log_scales.as_chunks::<3>());
    let splats = means.iter().zip(rotations).zip(log_scales).zip(logits).zip(harmonics.chunks_exact(3 + 3 * K));
    for (row, ((((mean, rotation), log_scale), logit), harmonics)) in rows.chunks_exact_mut(14 + 3 * K).zip(splats) {
        let (color, rest) = harmonics.split_at(3);
        let (rest, _) = rest.as_chunks::<3>();
        let (head, others) = row.split_at_mut(6);
        let (channels, tail) = others.split_at_mut(3 * K);
        head.iter_mut().zip(mean.iter().chain(color)).for_each(|(to, x)| *to = x.to_le_bytes());
        if K > 0 {
            for (channel, to) in channels.chunks_exact_mut(K).enumerate() {
                to.iter_mut().zip(rest).for_each(|(to, rgb)| *to = rgb[channel].to_le_bytes());
            }
        }
        let [x, y, z, w] = rotation;
        let last = [logit].into_iter().chain(log_scale).chain([w, x, y, z]);
        tail.iter_mut().zip(last).for_each(|(to, x)| *to = x.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that are written are read again, also where groups stand in another order and others beside them.
    #[test]
    fn rows_come_back_for_each_degree() {
        for per_channel in [0, 3, 8, 15] {
            let wide = 14 + 3 * per_channel;
            let columns = [3, 4, 3, 1, 3 + 3 * per_channel].map(|n| (0..5 * n).map(|i| (100 * n + i) as f32).collect::<Vec<f32>>());
            let mut rows = vec![[0; 4]; 5 * wide];
            scatter(columns.each_ref().map(|c| &c[..]), per_channel, &mut rows);
            let rest = 6 + 3 * per_channel;
            let mut found = columns.each_ref().map(|c| vec![0.0; c.len()]);
            let places = |first: usize, order: &[usize]| order.iter().map(|k| first + k).collect::<Vec<_>>();
            let others = (0..3 * per_channel).map(|k| 6 + k % 3 * per_channel + k / 3);
            let harmonics: Vec<usize> = (3..6).chain(others).collect();
            let groups =
                [places(0, &[0, 1, 2]), places(rest + 4, &[1, 2, 3, 0]), places(rest + 1, &[0, 1, 2]), vec![rest], harmonics];
            let runs = RowRuns::of(&groups).unwrap();
            runs.gather(&rows, wide, per_channel, &mut found.each_mut().map(|c| &mut c[..]));
            assert_eq!(found, columns, "{per_channel}");
            let mut apart = groups.clone();
            apart[0][2] = rest;
            assert_eq!(RowRuns::of(&apart), None);
            let mut shifted = vec![[0; 4]; 5 * (wide + 2)];
            shifted.chunks_exact_mut(wide + 2).zip(rows.chunks_exact(wide)).for_each(|(to, row)| to[2..].copy_from_slice(row));
            let runs = RowRuns::of(&groups.map(|places| places.iter().map(|at| at + 2).collect())).unwrap();
            let mut again = found.each_ref().map(|c| vec![0.0; c.len()]);
            runs.gather(&shifted, wide + 2, per_channel, &mut again.each_mut().map(|c| &mut c[..]));
            assert_eq!(again, columns, "{per_channel}");
        }
    }
}
