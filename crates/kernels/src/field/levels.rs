//! The levels of a hash grid: how fine each is, and where its rows are in the table.

/// How the resolution of a level and the place of a point in it follow from the level's size g.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HashGridStyle {
    /// N = ⌊g⌋ cells a side, position x N, N + 1 vertices a side.
    #[default]
    Paper,
    /// Position x (g − 1) + ½, ⌈g − 1⌉ + 1 vertices a side, rows rounded up to a multiple of 8: what tiny-cuda-nn computes.
    TinyCudaNn,
}

/// A grid of levels whose sizes grow by a constant factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HashGridRule {
    /// How sizes are rounded.
    pub style: HashGridStyle,
    /// L, from 1 to 32.
    pub levels: usize,
    /// F numbers a vertex: 1, 2, 4 or 8.
    pub features: usize,
    /// The logarithm to base 2 of the most rows of a level, from 3 to 24.
    pub log2_rows: u32,
    /// The size of the first level, from 2 on.
    pub least: usize,
    /// The size of the last one, at most 2²⁰.
    pub most: usize,
}

/// One level of a [`HashGridRule`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HashLevel {
    /// What a coordinate is multiplied by,
    pub scale: f64,
    /// and what is added then.
    pub shift: f64,
    /// Vertices a side.
    pub side: u32,
    /// Rows of the table.
    pub rows: u32,
    /// Whether each vertex has a row of its own; else rows are chosen by a hash.
    pub dense: bool,
    /// The first of its rows.
    pub first: usize,
}

/// What the coordinates of a vertex are multiplied by before they are combined by exclusive or.
///
/// # Source
/// Müller, Evans, Schied and Keller (2022), Instant neural graphics primitives with a multiresolution hash encoding, equation 4.
pub(super) const PRIMES: [u32; 3] = [1, 2_654_435_761, 805_459_861];

impl HashGridRule {
    /// Whether each number is in its range.
    pub fn is_valid(&self) -> bool {
        let Self { levels, features, log2_rows, least, most, .. } = *self;
        (1..=32).contains(&levels)
            && [1, 2, 4, 8].contains(&features)
            && (3..=24).contains(&log2_rows)
            && least >= 2
            && most >= least
            && most <= 1 << 20
    }

    /// The levels, the coarsest first.
    ///
    /// # Panics
    /// If a number is out of its range.
    pub fn levels(&self) -> Vec<HashLevel> {
        assert!(self.is_valid(), "a grid within its ranges");
        let (least, most) = (self.least as f64, self.most as f64);
        let growth = ((most.ln() - least.ln()) / (self.levels.max(2) - 1) as f64).exp();
        let top = 1_u64 << self.log2_rows;
        let mut first = 0;
        let level = |l: usize| {
            let size = least * growth.powi(l as i32);
            // What the logarithm and the power have rounded.
            let size = if (size - size.round()).abs() < 1e-9 { size.round() } else { size };
            let (scale, shift, side, cells) = match self.style {
                HashGridStyle::Paper => {
                    let side = size.floor() as u64 + 1;
                    (size.floor(), 0.0, side, side.pow(3))
                }
                HashGridStyle::TinyCudaNn => {
                    let scale = f64::from((size - 1.0) as f32);
                    let side = scale.ceil() as u64 + 1;
                    (scale, 0.5, side, side.pow(3).next_multiple_of(8))
                }
            };
            let rows = cells.min(top);
            let level = HashLevel { scale, shift, side: side as u32, rows: rows as u32, dense: side.pow(3) <= rows, first };
            first += rows as usize;
            level
        };
        (0..self.levels).map(level).collect()
    }

    /// Rows of the whole table.
    pub fn rows(&self) -> usize {
        self.levels().last().map_or(0, |level| level.first + level.rows as usize)
    }
}

impl HashLevel {
    /// The row of a vertex among the level's; coordinates are at most `side`.
    #[inline(always)]
    pub fn row(&self, [i, j, k]: [u32; 3]) -> u32 {
        self.combine([i, self.second(j), self.third(k)])
    }

    /// What the second coordinate contributes to a row.
    #[inline(always)]
    pub(super) fn second(&self, j: u32) -> u32 {
        j.wrapping_mul(if self.dense { self.side } else { PRIMES[1] })
    }

    /// What the third coordinate contributes.
    #[inline(always)]
    pub(super) fn third(&self, k: u32) -> u32 {
        k.wrapping_mul(if self.dense { self.side.wrapping_mul(self.side) } else { PRIMES[2] })
    }

    /// The row of three contributions, always below `rows`.
    #[inline(always)]
    pub(super) fn combine(&self, [i, j, k]: [u32; 3]) -> u32 {
        let row = if self.dense {
            let sum = i.wrapping_add(j).wrapping_add(k);
            // At most twice the rows: a vertex beyond the last is the first again.
            if sum >= self.rows { sum.wrapping_sub(self.rows) } else { sum }
        } else {
            // A power of two.
            (i ^ j ^ k) & (self.rows - 1)
        };
        row.min(self.rows - 1)
    }
}
