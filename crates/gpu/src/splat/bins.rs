//! Which tiles a splat reaches, and which splats a tile has, by depth.
//!
//! Splats are counted, each by a thread: tiles that it reaches, and the key of its depth. Keys are sorted, equal ones by index, and counts in that order become the first
//! slots of splats. Each splat then writes its tiles to its slots, and the slots are sorted by tiles.

use monotile_kernels::splat::BlendRule;

use super::{GpuScreenSplats, KernelParameters, RECORD, SIDE, THREADS, in_rows, take};
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::GpuOperand;
use crate::pool::GpuBlock;
use crate::radix::{running_sums, sorted, taken};
use crate::stream::GpuStream;

/// What refusals are of.
const NAME: &str = "splat_bins";
/// By how much an ellipse is taken for larger than it is: what f32 rounds is on the safe side.
const SLACK: f32 = 2e-3;

/// What tiles read of splats, their slots, and the lists of the tiles.
#[derive(Debug, Clone)]
pub struct GpuSplatBins {
    pub(super) rule: BlendRule,
    /// How many splats there are, visible or not.
    pub(super) splats: usize,
    pub(super) pairs: usize,
    /// [`RECORD`] numbers of each splat.
    pub(super) records: GpuBlock,
    pub(super) colors: GpuOperand,
    /// Splats from the nearest to the farthest; in that order their first slots, and how many.
    pub(super) order: GpuBlock,
    pub(super) firsts: GpuBlock,
    pub(super) counts: GpuBlock,
    /// The splat of each slot.
    pub(super) owners: GpuBlock,
    /// The slots of each tile, one tile after another, and the first of each.
    pub(super) entries: GpuBlock,
    pub(super) starts: GpuBlock,
}

impl GpuSplatBins {
    /// The bins of splats with their colours, `(N, channels)` of the rule. What is not finite is not visible.
    ///
    /// # Errors
    /// If an operand has other sizes, or the device has no memory for a slot a pair of a splat and a tile.
    ///
    /// # Cost
    /// One number is read back, how many pairs there are: the call waits for all that the device was given.
    pub fn new(stream: &GpuStream, rule: &BlendRule, splats: &GpuScreenSplats, colors: &GpuOperand) -> GpuResult<Self> {
        let counted = Counted::new(stream, rule, splats, colors)?;
        let pairs = if counted.splats == 0 { 0 } else { word(&stream.read_blocking(&counted.total)?) };
        counted.listed(stream, pairs)
    }

    /// [`new`](Self::new), to be awaited: a browser does not let its thread wait.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn awaited(stream: &GpuStream, rule: &BlendRule, splats: &GpuScreenSplats, colors: &GpuOperand) -> GpuResult<Self> {
        let counted = Counted::new(stream, rule, splats, colors)?;
        let pairs = word(&stream.read(&counted.total).await?);
        counted.listed(stream, pairs)
    }

    /// How many pairs of a splat and a tile of 16 x 16 pixels there are.
    pub fn pairs(&self) -> usize {
        self.pairs
    }
}

fn word(bytes: &[u8]) -> usize {
    bytemuck::pod_read_unaligned::<u32>(bytes) as usize
}

/// Splats whose tiles are counted.
struct Counted {
    rule: BlendRule,
    splats: usize,
    parameters: KernelParameters,
    records: GpuBlock,
    colors: GpuOperand,
    order: GpuBlock,
    firsts: GpuBlock,
    counts: GpuBlock,
    /// How many pairs there are, one number.
    total: GpuBlock,
}

impl Counted {
    fn new(stream: &GpuStream, rule: &BlendRule, splats: &GpuScreenSplats, colors: &GpuOperand) -> GpuResult<Self> {
        let (n, rows) = splats.rows(stream, NAME)?;
        if rule.width.max(rule.height) > 1 << 16 || rule.channels >= 1 << 24 {
            let BlendRule { width, height, channels, .. } = rule;
            return Err(GpuError::limit(format!("{NAME}: a picture of {width} x {height} with {channels} channels is too large")));
        }
        let colors = in_rows(stream, NAME, colors, &[n, rule.channels])?;
        let [positions, conics, depths, opacities] = rows.each_ref().map(|x| x.block());
        let inputs = [positions, conics, depths, opacities, colors.block()];
        let records = take(stream, &[RECORD, n], &inputs)?;
        let (counts, keys) = (take(stream, &[n], &inputs)?, take(stream, &[n], &inputs)?);
        let offsets = [rows[0].offset(), rows[1].offset(), rows[2].offset(), rows[3].offset(), colors.offset()];
        let parameters = bins_parameters(n, rule, offsets);
        let kernel = stream.kernel(("count_tiles", Vec::new()), || count_text(&parameters))?;
        let groups = n.div_ceil(THREADS) as u64;
        stream.dispatch(&kernel, &inputs, &[&records, &counts, &keys], &parameters.words, groups)?;
        let [_, order] = sorted(stream, keys, n, 32)?;
        let counts = taken(stream, &counts, &order, n)?;
        let [firsts, total] = running_sums(stream, &counts, n)?;
        Ok(Self { rule: *rule, splats: n, parameters, records, colors, order, firsts, counts, total })
    }

    /// The slots of so many pairs, and the lists of the tiles.
    fn listed(self, stream: &GpuStream, pairs: usize) -> GpuResult<GpuSplatBins> {
        let Self { rule, splats, parameters, records, colors, order, firsts, counts, .. } = self;
        let most = (stream.gpu().capabilities().binding_bytes / 4).min(u64::from(u32::MAX) - 1);
        if pairs as u64 > most {
            let shown = if pairs == u32::MAX as usize { "2^32 or more".into() } else { pairs.to_string() };
            let name = &stream.gpu().summary().name;
            let words =
                format!("{NAME}: {shown} pairs of a splat and a tile of the picture are more than the {most} that {name} holds");
            return Err(GpuError::limit(words));
        }
        let inputs = [&order, &firsts, &counts, &records];
        let (tile_of, owners) = (take(stream, &[pairs], &inputs)?, take(stream, &[pairs], &inputs)?);
        let kernel = stream.kernel(("emit_tiles", Vec::new()), || emit_text(&parameters))?;
        let groups = if pairs == 0 { 0 } else { splats.div_ceil(THREADS) as u64 };
        stream.dispatch(&kernel, &inputs, &[&tile_of, &owners], &parameters.words, groups)?;
        let tiles = tiles(&rule);
        let [keys, entries] = sorted(stream, tile_of, pairs, usize::BITS - tiles.leading_zeros())?;
        let starts = take(stream, &[tiles + 1], &[&keys])?;
        let parameters = starts_parameters(pairs, tiles);
        let kernel = stream.kernel(("starts_of_tiles", Vec::new()), || starts_text(&parameters))?;
        stream.dispatch(&kernel, &[&keys], &[&starts], &parameters.words, (tiles + 1).div_ceil(THREADS) as u64)?;
        Ok(GpuSplatBins { rule, splats, pairs, records, colors, order, firsts, counts, owners, entries, starts })
    }
}

/// Tiles of a picture.
pub(super) fn tiles(rule: &BlendRule) -> usize {
    rule.width.div_ceil(SIDE) * rule.height.div_ceil(SIDE)
}

pub(super) fn bins_parameters(n: usize, rule: &BlendRule, offsets: [usize; 5]) -> KernelParameters {
    let names = ["positions_at", "conics_at", "depths_at", "opacities_at", "colors_at"];
    let first = KernelParameters::default()
        .count("splats", n)
        .count("width", rule.width)
        .count("height", rule.height)
        .count("columns", rule.width.div_ceil(SIDE))
        .count("rows", rule.height.div_ceil(SIDE))
        .count("channels", rule.channels)
        .number("least", rule.least);
    names.into_iter().zip(offsets).fold(first, |parameters, (name, offset)| parameters.count(name, offset))
}

pub(super) fn starts_parameters(pairs: usize, tiles: usize) -> KernelParameters {
    KernelParameters::default().count("pairs", pairs).count("tiles", tiles)
}

fn globals() -> String {
    format!("const SLACK = {SLACK:?}f;\n{}", include_str!("bins.wgsl"))
}

pub(super) fn count_text(parameters: &KernelParameters) -> KernelText {
    let body = "    let i = group * 64u + local;
    if (i >= splats()) { return; }
    let c = conics_at() + 3u * i;
    var e: Ellipse;
    e.center = vec2<f32>(a0[positions_at() + 2u * i], a0[positions_at() + 2u * i + 1u]);
    e.conic = vec3<f32>(a1[c], a1[c + 1u], a1[c + 2u]);
    let depth = a2[depths_at() + i];
    let opacity = a3[opacities_at() + i];
    var clear = finite(e.center.x) && finite(e.center.y) && finite(e.conic.x) && finite(e.conic.y) && finite(e.conic.z)
        && finite(depth) && finite(opacity);
    for (var k = 0u; k < channels(); k += 1u) { clear = clear && finite(a4[colors_at() + channels() * i + k]); }
    e.q = -1.0;
    if (clear && e.conic.x > 0.0 && opacity > 0.0 && opacity >= least()) {
        e.q = 3e38;
        if (least() > 0.0) { e.q = 2.0 * accurate_log(max(opacity / least(), 1.0)) + SLACK; }
    }
    let around = tiles_around(e);
    let area = (around.z - around.x) * (around.w - around.y);
    var many = area;
    if (area > 1u && e.q < 1e38) {
        many = 0u;
        for (var y = around.y; y < around.w; y += 1u) {
            for (var x = around.x; x < around.z; x += 1u) { if (reaches(e, vec2<u32>(x, y))) { many += 1u; } }
        }
    }
    y1[i] = many;
    // Bits in the order of depths, those below zero in reverse; -0 as 0, and what is not visible last.
    let bits = select(bitcast<u32>(depth), 0u, depth == 0.0);
    y2[i] = select(bits ^ select(0x80000000u, 0xffffffffu, (bits >> 31u) == 1u), 0xffffffffu, many == 0u);
    let r = RECORD * i;
    y0[r] = e.center.x;
    y0[r + 1u] = e.center.y;
    y0[r + 2u] = 0.5 * e.conic.x;
    y0[r + 3u] = e.conic.y;
    y0[r + 4u] = 0.5 * e.conic.z;
    y0[r + 5u] = opacity;
    y0[r + 6u] = e.q;
    y0[r + 7u] = depth;";
    parameters.text(THREADS, &["f32"; 5], &["f32", "u32", "u32"], [&globals(), body])
}

pub(super) fn emit_text(parameters: &KernelParameters) -> KernelText {
    // As many as were counted, whatever this compilation of the same formulas finds: a tile that is none is the place of one that is missing.
    let body = "    let rank = group * 64u + local;
    if (rank >= splats()) { return; }
    let many = a2[rank];
    if (many == 0u) { return; }
    let splat = a0[rank];
    let first = a1[rank];
    let r = RECORD * splat;
    var e: Ellipse;
    e.center = vec2<f32>(a3[r], a3[r + 1u]);
    e.conic = vec3<f32>(2.0 * a3[r + 2u], a3[r + 3u], 2.0 * a3[r + 4u]);
    e.q = a3[r + 6u];
    let around = tiles_around(e);
    let alone = (around.z - around.x) * (around.w - around.y) == 1u;
    var k = 0u;
    for (var y = around.y; y < around.w; y += 1u) {
        for (var x = around.x; x < around.z; x += 1u) {
            if (k < many && (alone || reaches(e, vec2<u32>(x, y)))) {
                y0[first + k] = y * columns() + x;
                y1[first + k] = splat;
                k += 1u;
            }
        }
    }
    for (; k < many; k += 1u) {
        y0[first + k] = columns() * rows();
        y1[first + k] = splat;
    }";
    parameters.text(THREADS, &["u32", "u32", "u32", "f32"], &["u32"; 2], [&globals(), body])
}

pub(super) fn starts_text(parameters: &KernelParameters) -> KernelText {
    let body = "    let tile = group * 64u + local;
    if (tile > tiles()) { return; }
    var low = 0u;
    var high = pairs();
    while (low < high) {
        let middle = low + (high - low) / 2u;
        if (a0[middle] < tile) { low = middle + 1u; } else { high = middle; }
    }
    y0[tile] = low;";
    parameters.text(THREADS, &["u32"], &["u32"], ["", body])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        let rule = BlendRule { width: 1, height: 1, channels: 3, least: 0.0, most: 1.0, stop: 0.0 };
        let parameters = bins_parameters(1, &rule, [0; 5]);
        validate(&count_text(&parameters));
        validate(&emit_text(&parameters));
        validate(&starts_text(&starts_parameters(1, 1)));
    }
}
