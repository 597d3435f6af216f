//! A run in a file: everything that a step depends on, so that a run that goes on makes the same bits as one that was not stopped.

use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{Error, Result, Tensor};
use monotile_kernels::splat::harmonics::degree;

use super::cloud::{Cloud, Column, NAMES};
use super::population::ScreenMotion;
use super::{SplatTrainer, ViewNumbers};

/// The keys of the file's strings.
const SETTINGS: &str = "settings";
const DATA: &str = "data";
const STEP: &str = "step";
const SECONDS: &str = "seconds";
const PICTURES: &str = "pictures";
const STAGE: &str = "stage";
const BEGUN: &str = "begun";

impl SplatTrainer {
    /// Saves everything that going on needs to one file, whole or not at all, and how many seconds were spent so far.
    ///
    /// # Errors
    /// `Io`, if it cannot be written; `NotConverged`, if a loss that a GPU holds is not finite any more.
    #[track_caller]
    pub fn save(&self, path: &Path, seconds: f64) -> Result<()> {
        if !self.scene.pending_is_finite()? {
            return Err(self.not_finite());
        }
        let (cloud, motion) = (self.scene.read()?, self.scene.motion()?);
        let mut tensors = Vec::new();
        for (name, column) in NAMES.iter().zip(&cloud.columns) {
            for (part, numbers) in [("", &column.values), (".mean", &column.means), (".square", &column.squares)] {
                tensors.push((format!("{name}{part}"), Tensor::from_slice(numbers, &[cloud.len(), column.wide])?));
            }
        }
        for (name, numbers) in [("screen.lengths", &motion.lengths), ("screen.views", &motion.views)] {
            tensors.push((name.to_owned(), Tensor::from_slice(numbers, &[numbers.len()])?));
        }
        for (name, of) in [("twists", &self.twists), ("maps", &self.maps)] {
            for (part, numbers) in [("", &of.values), (".mean", &of.means), (".square", &of.squares)] {
                tensors.push((format!("{name}{part}"), Tensor::from_slice(numbers, &[numbers.len()])?));
            }
        }
        tensors.push(("visits".to_owned(), Tensor::from_slice(&self.visits, &[self.visits.len()])?));
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let (settings, data) = (self.options.settings(), self.fingerprint());
        let numbers = [(STEP, self.step.to_string()), (SECONDS, seconds.to_string()), (PICTURES, self.pictures.to_string())];
        let numbers = numbers.into_iter().chain([(STAGE, self.stage.to_string()), (BEGUN, self.begun.to_string())]);
        let numbers: Vec<(&str, String)> = numbers.collect();
        let texts = [(SETTINGS, &settings), (DATA, &data)].into_iter().chain(numbers.iter().map(|(key, text)| (*key, text)));
        let texts: Vec<(&str, &str)> = texts.map(|(key, text)| (key, text.as_str())).collect();
        write_safetensors(path, &listed, &texts)
    }

    /// Goes on from a file that [`save`](Self::save) wrote, in a run with the same capture and options; returns the seconds spent before.
    ///
    /// # Errors
    /// `Io` and `Format`, if the file cannot be read or is none; `Value`, if options or pictures differ.
    #[track_caller]
    pub fn resume(&mut self, path: &Path) -> Result<f64> {
        let file = SafeTensors::open(path)?;
        let refuse = |words: &str| Error::format(path, words);
        let text = |key: &str| file.metadata().get(key).ok_or_else(|| refuse("is not the state of a run that trains splats"));
        if *text(SETTINGS)? != self.options.settings() {
            return Err(Error::value(format!("{}: the run was begun with other options", path.display())));
        }
        if *text(DATA)? != self.fingerprint() {
            return Err(Error::value(format!("{}: the run was begun with other pictures or cameras", path.display())));
        }
        let whole = |key: &str| text(key)?.parse::<u64>().map_err(|_| refuse("has no number of steps"));
        let (step, pictures, stage, begun) = (whole(STEP)?, whole(PICTURES)?, whole(STAGE)?, whole(BEGUN)?);
        if begun > pictures || stage > self.coarse.len() as u64 {
            return Err(refuse("has no number of steps"));
        }
        let seconds: f64 = text(SECONDS)?.parse().map_err(|_| refuse("has no number of seconds"))?;
        let numbers = |name: &str| file.tensor(name)?.to_vec::<f32>();
        let count = numbers(NAMES[3])?.len();
        let mut columns: Vec<Column> = Vec::new();
        for (name, mut wide) in NAMES.iter().zip([3, 4, 3, 1, 0]) {
            if *name == "harmonics" {
                let all = file.shape(name).and_then(|shape| shape.get(1).copied()).unwrap_or(0);
                wide = all.is_multiple_of(3).then(|| degree(all / 3)).flatten().map_or(0, |_| all);
            }
            let read = |part: &str| -> Result<Vec<f32>> {
                let numbers = numbers(&format!("{name}{part}"))?;
                let fits = wide > 0 && count > 0 && Some(numbers.len()) == count.checked_mul(wide);
                if fits { Ok(numbers) } else { Err(refuse("has columns of different lengths")) }
            };
            columns.push(Column { wide, values: read("")?, means: read(".mean")?, squares: read(".square")? });
        }
        let of_views = |name: &str, like: &ViewNumbers| -> Result<ViewNumbers> {
            let read = |part: &str| -> Result<Vec<f64>> {
                let numbers = file.tensor(&format!("{name}{part}"))?.to_vec::<f64>()?;
                if numbers.len() == like.values.len() { Ok(numbers) } else { Err(refuse("is of a run with other views")) }
            };
            Ok(ViewNumbers { values: read("")?, means: read(".mean")?, squares: read(".square")? })
        };
        let (twists, maps) = (of_views("twists", &self.twists)?, of_views("maps", &self.maps)?);
        let visits = file.tensor("visits")?.to_vec::<f64>()?;
        if visits.len() != self.visits.len() {
            return Err(refuse("is of a run with other views"));
        }
        let (lengths, views) = (numbers("screen.lengths")?, numbers("screen.views")?);
        if lengths.len() != views.len() || ![0, count].contains(&lengths.len()) {
            return Err(refuse("has columns of different lengths"));
        }
        let columns = columns.try_into().map_err(|_| refuse("has columns of different lengths"))?;
        self.scene.write(Cloud { columns }, ScreenMotion { lengths, views })?;
        (self.twists, self.maps, self.visits, self.step) = (twists, maps, visits, step);
        (self.pictures, self.stage, self.begun) = (pictures, stage as usize, begun);
        self.epoch = None;
        Ok(seconds)
    }

    /// A number of all pictures and cameras.
    fn fingerprint(&self) -> String {
        // FNV-1a, of Fowler, Noll and Vo, over words.
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |word: u64| sum = (sum ^ word).wrapping_mul(0x0100_0000_01b3);
        for view in self.views.iter().chain(&self.held_out) {
            add(view.width as u64);
            view.rgba.iter().chain(view.mask.iter().flatten()).for_each(|x| add(u64::from(x.to_bits())));
            for matrix in [&view.camera.view_from_world, &view.camera.clip_from_view] {
                matrix.to_f64_vec().unwrap_or_default().iter().for_each(|x| add(x.to_bits()));
            }
        }
        format!("{:016x}", sum)
    }
}
