//! Which triangles may touch which tile.

use monotile::{Result, limits, memory};

use super::tile::SIDE;
use super::triangle::ScreenTriangle;

/// The numbers of triangles a tile, in their order.
pub(super) struct Bins {
    columns: usize,
    /// Where the list of each tile begins, and the end.
    starts: Vec<u32>,
    list: Vec<u32>,
}

impl Bins {
    /// Puts triangles into the tiles of a picture.
    ///
    /// # Errors
    /// Triangles that touch more tiles than the limit.
    pub fn new(triangles: &[ScreenTriangle], [width, height]: [usize; 2]) -> Result<Self> {
        let (columns, rows) = (width.div_ceil(SIDE), height.div_ceil(SIDE));
        let tiles = |t: &ScreenTriangle| {
            let [left, top, right, bottom] = t.bounds();
            let across = left / SIDE..(right - 1) / SIDE + 1;
            (top / SIDE..(bottom - 1) / SIDE + 1).flat_map(move |row| across.clone().map(move |column| row * columns + column))
        };
        let touched = |t: &ScreenTriangle| {
            let [left, top, right, bottom] = t.bounds();
            (((right - 1) / SIDE - left / SIDE + 1) * ((bottom - 1) / SIDE - top / SIDE + 1)) as u64
        };
        limits::TILES.admit("the picture", triangles.iter().map(touched).sum())?;
        let mut starts = vec![0_u32; columns * rows + 1];
        triangles.iter().flat_map(tiles).for_each(|tile| starts[tile + 1] += 1);
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut list = memory::filled(starts[columns * rows] as usize, 0, "the tiles of the picture")?;
        let mut ends = starts.clone();
        for (number, triangle) in triangles.iter().enumerate() {
            for tile in tiles(triangle) {
                list[ends[tile] as usize] = number as u32;
                ends[tile] += 1;
            }
        }
        Ok(Self { columns, starts, list })
    }

    /// Those of one tile.
    pub fn triangles_at(&self, column: usize, row: usize) -> &[u32] {
        let tile = row * self.columns + column;
        &self.list[self.starts[tile] as usize..self.starts[tile + 1] as usize]
    }
}
