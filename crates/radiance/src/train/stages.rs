//! The parts of a run: poses settle on small pictures with few splats, and each scene of a part is forgotten for the next.
//!
//! A scene that has learned wrong poses holds cameras where they are, and moves with them but slowly. On small pictures that scene is soft, it is learned in seconds, and views are looked at
//! many times: a step looks at as many pixels there as it does of a whole picture. Few numbers survive a part: the poses.

use monotile::{Error, Result};

use super::cloud::Cloud;
use super::population::ScreenMotion;
use super::views::{LoadedView, ViewCone};
use super::{ExponentialRate, PoseTraining, SplatTrainer, ViewNumbers};

/// The fewest pixels of the longer side of a picture that poses settle on.
const LEAST_SIDE: usize = 48;
/// The part of a run that the smallest pictures have, and each larger size after them.
const SHARES: [f64; 2] = [0.1, 0.05];
/// By what poses' rates are smaller in each part than in the one before.
const CALMER: f64 = 0.7;
/// The share of a part in which a scene is learned and poses wait.
const HOLD: f64 = 0.1;
/// The share of the last part after which poses have their last rate: a scene is learned in full of poses that rest.
const SETTLED: f64 = 0.7;
/// The fewest splats of a part, as far as the budget has them.
const LEAST_SPLATS: usize = 500;

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stage {
    /// Its number, from 0.
    pub number: usize,
    /// How often pictures are halved.
    pub halvings: usize,
    /// The part of the run at which it begins, and at which it ends.
    range: [f64; 2],
}

impl Stage {
    /// How many times pictures are halved in the first part of a run, the larger sides of which have so many pixels.
    pub fn halvings(poses: PoseTraining, side: usize) -> usize {
        match poses {
            PoseTraining::Fixed => 0,
            PoseTraining::Refine => (0..).take_while(|h| side >> (h + 1) >= LEAST_SIDE).count(),
        }
    }

    /// The part that a run is in whose first pictures were halved so often.
    pub fn at(progress: f64, halvings: usize) -> Self {
        let begin = |number: usize| if number == 0 { 0.0 } else { SHARES[0] + (number - 1) as f64 * SHARES[1] };
        let number = (0..halvings).find(|&number| progress < begin(number + 1)).unwrap_or(halvings);
        let end = if number == halvings { 1.0 } else { begin(number + 1) };
        Self { number, halvings: halvings - number, range: [begin(number), end] }
    }

    /// How much of it is over.
    pub fn progress(&self, progress: f64) -> f64 {
        let [begin, end] = self.range;
        ((progress - begin) / (end - begin)).clamp(0.0, 1.0)
    }

    /// Pictures that a step looks at: as many pixels as one of full size has.
    pub fn pictures(&self) -> usize {
        1 << (2 * self.halvings)
    }

    /// The most splats, of so many that a run has.
    pub fn splats(&self, most: usize) -> usize {
        (most >> (2 * self.halvings)).max(most.min(LEAST_SPLATS))
    }

    /// The rate of poses, when so much of the stage is over.
    pub fn pose_rate(&self, rate: &ExponentialRate, local: f64) -> f64 {
        // Nothing is to be seen at first, and poses would be moved to fit it.
        let over = if self.halvings == 0 { SETTLED } else { 1.0 };
        if local < HOLD { 0.0 } else { rate.at(local, over) * CALMER.powi(self.number as i32) }
    }
}

impl SplatTrainer {
    /// The part of a run that is due; where it is another than before, all but poses begins anew.
    pub(super) fn enter(&mut self, progress: f64) -> Result<Stage> {
        let stage = Stage::at(progress, self.coarse.len());
        if stage.number != self.stage {
            self.stage = stage.number;
            self.begun = self.pictures;
            self.visits.fill(0.0);
            self.scene.write(self.first_splats(stage)?, ScreenMotion::default())?;
            let fresh = |numbers: &mut ViewNumbers| *numbers = ViewNumbers::new(std::mem::take(&mut numbers.values));
            fresh(&mut self.twists);
            fresh(&mut self.maps);
        }
        Ok(stage)
    }

    fn first_splats(&self, stage: Stage) -> Result<Cloud> {
        let views = self.views_of(stage);
        let sight = |(number, view): (usize, &LoadedView)| ViewCone::of(&view.moved(&self.twists.row(number), self.region.center)?);
        let sights = views.iter().enumerate().map(sight).collect::<Result<Vec<_>>>()?;
        let most = stage.splats(self.options.max_splats);
        let cloud = match &self.points {
            Some(points) => self.options.initial.of_points(points, most),
            None => self.options.initial.of_views(views, &sights, (&self.region, most, self.options.seed)),
        };
        if cloud.len() == 0 {
            return Err(Error::value("splat train: no place is covered in all views that see it; the views see nothing in common"));
        }
        Ok(cloud)
    }

    /// The views that a part of a run looks at.
    pub(super) fn views_of(&self, stage: Stage) -> &[LoadedView] {
        match stage.halvings {
            0 => &self.views,
            halvings => &self.coarse[halvings - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_come_first_and_each_size_once() {
        assert_eq!([47, 96, 200, 800].map(|side| Stage::halvings(PoseTraining::Refine, side)), [0, 1, 2, 4]);
        assert_eq!(Stage::halvings(PoseTraining::Fixed, 800), 0);
        let all: Vec<Stage> = (0..100).map(|i| Stage::at((f64::from(i) + 0.5) / 100.0, 2)).collect();
        assert!(all.is_sorted_by_key(|stage| stage.number) && all[0].halvings == 2 && all[99].halvings == 0);
        assert_eq!(all.iter().filter(|stage| stage.halvings == 1).count(), 5);
        assert!((all[12].progress(0.125) - 0.5).abs() < 1e-12 && Stage::at(1.0, 2).progress(1.0) == 1.0);
        assert_eq!([2, 0].map(|halvings| Stage { halvings, ..all[0] }.pictures()), [16, 1]);
        assert_eq!([300, 20_000].map(|most| all[0].splats(most)), [300, 1250]);
        // Where nothing is halved a run has one part.
        let whole = Stage::at(0.3, 0);
        assert_eq!((whole.number, whole.progress(0.3)), (0, 0.3));
        // A rate of 1 all along is one of 1 but at the beginning.
        let rate = ExponentialRate::constant(1.0);
        assert_eq!([0.0, 0.5].map(|local| whole.pose_rate(&rate, local)), [0.0, 1.0]);
    }
}
