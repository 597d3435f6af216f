//! How fast files of splats are written and read, in bytes of the file a second: the best of some rounds, of random splats of degree 3.
//!
//!     cargo run -p monotile-radiance --release --example ply_speed -- FOLDER [ROUNDS] [ENDING …]
//!
//! A folder in memory, as /dev/shm, leaves the disk out of it.

use std::path::Path;
use std::time::Instant;

use monotile::Tensor;
use monotile_radiance::{Error, Result, SplatFormat, SplatReadOptions, Splats};

/// Splats of a file.
const COUNT: usize = 1_000_000;
/// Splats of a file that is packed, which takes a while.
const PACKED: usize = 100_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().map_or_else(std::env::temp_dir, |folder| Path::new(folder).to_path_buf());
    let rounds = arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let wanted = arguments.get(2..).unwrap_or_default();
    for format in SplatFormat::ALL {
        let ending = format.ending().trim_start_matches('.');
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == ending) {
            continue;
        }
        let plain = matches!(format, SplatFormat::Ply | SplatFormat::Splat);
        measure(&folder.join(format!("ply-speed.{ending}")), if plain { COUNT } else { PACKED }, rounds)?;
    }
    Ok(())
}

/// Writes and reads a file of `count` splats, and says how fast.
fn measure(path: &Path, count: usize, rounds: usize) -> Result<()> {
    let splats = scene(count)?;
    let (mut written, mut read) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..rounds {
        let begun = Instant::now();
        splats.write(path)?;
        written = written.min(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let (again, _) = Splats::read(path, &SplatReadOptions::default())?;
        read = read.min(begun.elapsed().as_secs_f64());
        assert_eq!(again.len(), count);
    }
    let bytes = std::fs::metadata(path).map_err(|e| Error::io("reading", path, &e))?.len() as f64;
    std::fs::remove_file(path).map_err(|e| Error::io("removing", path, &e))?;
    let speed = |seconds: f64| {
        format!("{:.3} s, {:.2} GB/s, {:.2} M splats/s", seconds, bytes / seconds / 1e9, count as f64 / seconds / 1e6)
    };
    println!("{}: {count} splats, {:.1} MB, written in {}, read in {}", path.display(), bytes / 1e6, speed(written), speed(read));
    Ok(())
}

/// Splats at random, of a linear congruential generator.
fn scene(count: usize) -> Result<Splats> {
    let mut state = 1_u32;
    let mut random = |shape: &[usize]| {
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        Tensor::from_vec((0..shape.iter().product()).map(|_| number()).collect(), shape)
    };
    Ok(Splats {
        means: random(&[count, 3])?,
        rotations: random(&[count, 4])?,
        log_scales: random(&[count, 3])?,
        logits: random(&[count])?,
        harmonics: random(&[count, 16, 3])?,
    })
}
