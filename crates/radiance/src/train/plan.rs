//! What a run takes, told beforehand.

use monotile::{Device, Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use monotile::{GpuAccess, Tensor};

use super::{PoseTraining, SplatTrainOptions};
use crate::capture::Capture;

/// What a run takes, before anything of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplatTrainPlan {
    /// The most splats.
    pub splats: usize,
    /// Bytes of their numbers, averages and gradients.
    pub scene: u64,
    /// Bytes of pairs of splats and tiles in a step, at four tiles a splat.
    pub pairs: u64,
    /// Bytes of all pictures.
    pub pictures: u64,
    /// Bytes of a few pictures in a step.
    pub step: u64,
    /// Bytes of the largest block that a GPU has to hold at once: harmonics, records of pairs, or numbers of a picture.
    pub block: u64,
}

/// Tiles of a splat that a plan expects.
const TILES: u64 = 4;

impl SplatTrainPlan {
    /// The plan of a run on a capture.
    pub fn new(capture: &Capture, options: &SplatTrainOptions) -> Self {
        let coefficients = ((options.degree + 1) * (options.degree + 1)) as u64;
        let numbers = 11 + 3 * coefficients;
        // Values, two averages and a gradient; what is on the screen and its gradient; what tiles read, and the lists.
        let each = 4 * (4 * numbers + 3 + 2 * 10) + 64 + 40;
        let sizes = || capture.views.iter().map(|view| (view.width as u64).saturating_mul(view.height as u64));
        let count = options.max_splats as u64;
        let refines = options.poses == PoseTraining::Refine;
        Self {
            splats: options.max_splats,
            scene: count.saturating_mul(each),
            // An entry of three numbers, and a record of 16.
            pairs: count.saturating_mul(TILES * (12 + 64)),
            // Smaller ones, on which poses settle, have a third of all pixels more.
            pictures: sizes().fold(0, |sum, pixels| sum.saturating_add(pixels.saturating_mul(if refines { 22 } else { 16 }))),
            step: sizes().max().unwrap_or(0).saturating_mul(4 * (2 * 5 + 4 * 3 + 8 * 3)),
            block: count
                .saturating_mul((12 * coefficients).max(TILES * 40))
                .max(sizes().max().unwrap_or(0).saturating_mul(4 * 4 * 3)),
        }
    }

    /// Bytes at the peak of a step.
    pub fn memory(&self) -> u64 {
        [self.pairs, self.pictures, self.step].into_iter().fold(self.scene, u64::saturating_add)
    }

    /// How many splats fit into so many bytes.
    pub fn splats_within(&self, bytes: u64) -> usize {
        let fixed = self.pictures.saturating_add(self.step);
        let each = (self.scene + self.pairs) / self.splats.max(1) as u64;
        (bytes.saturating_sub(fixed) / each.max(1)) as usize
    }

    /// Refuses a device whose kernels do not see so large a block.
    #[track_caller]
    pub(super) fn check_on(&self, device: &Device) -> Result<()> {
        #[cfg(feature = "gpu")]
        {
            let there = Tensor::from([0.0_f32]).to(device)?;
            if let Some(gpu) = GpuAccess::of("splat train", &[&there])? {
                let capabilities = gpu.stream().gpu().capabilities();
                let most = capabilities.binding_bytes.min(capabilities.buffer_bytes);
                if self.block > most {
                    let (splats, needed, name) = (self.splats, self.block.div_ceil(1 << 20), device.name());
                    let words = format!(
                        "splat train: {splats} splats, or the largest picture, take a block of {needed} MiB, and {name} holds blocks of at most {} MiB; train fewer splats, scale pictures down, or use the cpu",
                        most >> 20
                    );
                    return Err(Error::new(ErrorKind::Memory, words));
                }
            }
        }
        let _ = device;
        Ok(())
    }

    #[track_caller]
    pub(super) fn check(&self, options: &SplatTrainOptions) -> Result<()> {
        match options.memory {
            Some(bytes) if self.memory() > bytes => {
                let (needed, fits, mega) = (self.memory(), self.splats_within(bytes), |bytes: u64| bytes.div_ceil(1 << 20));
                let words = format!(
                    "splat train: {} splats and {} MiB of pictures take about {} MiB, and {} MiB are allowed; {fits} splats would fit",
                    self.splats,
                    mega(self.pictures),
                    mega(needed),
                    mega(bytes)
                );
                Err(Error::new(ErrorKind::Memory, words))
            }
            _ => Ok(()),
        }
    }
}
