//! Where a scene is learned: on the processor, or on a GPU that keeps its columns.

use std::borrow::Cow;

use monotile::{Device, Result};
use monotile_kernels::adam::AdamRule;
use monotile_kernels::buffer::Block;
use monotile_kernels::splat::CameraRows;

use super::cloud::{Cloud, PopulationChange};
use super::objective::{SplatLoss, SplatObjective, TargetPicture};
use super::pass::{DrawRule, Pass, PassReport};
use super::population::{Mcmc, ScreenMotion};
use super::random::RandomDraws;
#[cfg(feature = "gpu")]
use super::resident::ResidentSplats;

/// The columns of a scene, and what a step needs beside them.
pub(crate) enum LearnedSplats {
    /// In the processor's memory.
    Here { cloud: Box<Cloud>, pass: Box<Pass>, motion: ScreenMotion },
    /// In a GPU's.
    #[cfg(feature = "gpu")]
    There(Box<ResidentSplats>),
}

/// Carries out `$here` with the fields of the processor's scene, or `$there` with that of a GPU.
macro_rules! by_memory {
    ($of:expr, { $($field:ident),* } => $here:expr, $resident:ident => $there:expr) => {
        match $of {
            LearnedSplats::Here { $($field,)* .. } => $here,
            #[cfg(feature = "gpu")]
            LearnedSplats::There($resident) => $there,
        }
    };
}

impl LearnedSplats {
    pub(crate) fn new(cloud: Cloud) -> Self {
        Self::Here { cloud: Box::new(cloud), pass: Box::default(), motion: ScreenMotion::default() }
    }

    /// The same scene in the memory of a device.
    #[track_caller]
    pub(crate) fn to(self, device: &Device) -> Result<Self> {
        let (cloud, motion) = (self.read()?.into_owned(), self.motion()?.into_owned());
        #[cfg(feature = "gpu")]
        if !device.is_cpu() {
            return Ok(Self::There(Box::new(ResidentSplats::new(&cloud, &motion, device)?)));
        }
        debug_assert!(device.is_cpu(), "no other device without the feature");
        Ok(Self::Here { cloud: Box::new(cloud), pass: Box::default(), motion })
    }

    /// Puts another scene in the place of this one.
    #[track_caller]
    pub(crate) fn write(&mut self, next: Cloud, seen: ScreenMotion) -> Result<()> {
        by_memory!(self, { cloud, motion } => {
            (**cloud, *motion) = (next, seen);
            Ok(())
        }, resident => resident.write(&next, &seen))
    }

    pub(crate) fn len(&self) -> usize {
        by_memory!(self, { cloud } => cloud.len(), resident => resident.len())
    }

    /// Gives every splat as many coefficients a channel, if there are fewer.
    #[track_caller]
    pub(crate) fn widen(&mut self, coefficients: usize) -> Result<()> {
        by_memory!(self, { cloud } => {
            if cloud.coefficients() < coefficients {
                cloud.widen(coefficients);
            }
            Ok(())
        }, resident => resident.widen(coefficients))
    }

    /// The columns, read if a GPU has them.
    #[track_caller]
    pub(crate) fn read(&self) -> Result<Cow<'_, Cloud>> {
        by_memory!(self, { cloud } => Ok(Cow::Borrowed(&**cloud)), resident => resident.read().map(Cow::Owned))
    }

    /// How splats moved on the screen since the last change.
    #[track_caller]
    pub(crate) fn motion(&self) -> Result<Cow<'_, ScreenMotion>> {
        by_memory!(self, { motion } => Ok(Cow::Borrowed(motion)), resident => resident.motion().map(Cow::Owned))
    }

    /// What a camera sees, `(height, width, 5)`.
    #[track_caller]
    pub(crate) fn draw(&mut self, camera: &CameraRows, rule: &DrawRule, size: [usize; 2]) -> Result<Block<f32>> {
        by_memory!(self, { cloud, pass } => Ok(pass.draw(cloud, camera, rule, size)?.0), resident => resident.draw(camera, rule, size))
    }

    /// The loss of what a camera sees, and its gradients, which are kept for [`step`](Self::step).
    #[track_caller]
    pub(crate) fn run(
        &mut self,
        camera: &CameraRows,
        (rule, objective): (&DrawRule, &SplatObjective),
        target: &TargetPicture<'_>,
        extent: f64,
        needs_camera: bool,
    ) -> Result<PassReport> {
        let _ = needs_camera;
        by_memory!(
            self,
            { cloud, pass } => pass.run(cloud, camera, (rule, objective), target, extent),
            resident => resident.run(camera, (rule, objective), target, extent, needs_camera)
        )
    }

    /// The mean of the losses since the last answer, and of how many steps; where a GPU has them, none between one tenth step and the next.
    #[track_caller]
    pub(crate) fn losses(&mut self, step: u64, report: &PassReport, objective: &SplatObjective) -> Result<(SplatLoss, usize)> {
        let _ = (step, objective);
        by_memory!(self, {} => Ok((report.loss, 1)), resident => resident.losses(step, objective))
    }

    /// Whether the losses that were not read yet are finite.
    #[track_caller]
    pub(crate) fn pending_is_finite(&self) -> Result<bool> {
        by_memory!(self, {} => Ok(true), resident => resident.pending_is_finite())
    }

    /// A step of Adam along the gradients of the last [`run`](Self::run).
    #[track_caller]
    pub(crate) fn step(&mut self, rule: AdamRule, rates: [&[f64]; 5]) -> Result<()> {
        by_memory!(self, { cloud, pass } => {
            cloud.step(rule, pass.gradients(), rates);
            Ok(())
        }, resident => resident.step(rule, rates))
    }

    /// Moves faint splats at random.
    #[track_caller]
    pub(crate) fn walk(&mut self, mcmc: &Mcmc, rate: f64, draws: &RandomDraws) -> Result<()> {
        by_memory!(self, { cloud } => {
            mcmc.walk(cloud, rate, draws);
            Ok(())
        }, resident => resident.walk(&mcmc.device_walk(rate, draws)))
    }

    /// Adds how the splats of the last [`run`](Self::run) were pulled on a screen of this size.
    #[track_caller]
    pub(crate) fn add_motion(&mut self, size: [usize; 2]) -> Result<()> {
        by_memory!(self, { pass, motion } => {
            let [positions, depths] = pass.on_screen();
            motion.add(positions, depths, size);
            Ok(())
        }, resident => resident.add_motion(size))
    }

    /// Changes the rows of all columns; a GPU's are read, changed and uploaded, since it happens once in many steps.
    #[track_caller]
    pub(crate) fn change(&mut self, change: impl FnOnce(&Cloud, &ScreenMotion) -> PopulationChange) -> Result<()> {
        by_memory!(self, { cloud, motion } => {
            let change = change(cloud, motion);
            cloud.apply(&change);
            *motion = ScreenMotion::default();
            Ok(())
        }, resident => {
            let (mut cloud, motion) = (resident.read()?, resident.motion()?);
            let change = change(&cloud, &motion);
            cloud.apply(&change);
            resident.write(&cloud, &ScreenMotion::default())
        })
    }
}
