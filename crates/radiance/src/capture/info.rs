//! What a capture holds, in a few numbers.

use std::collections::BTreeMap;

use super::lens_model::LensModel;
use super::view::PictureSource;
use super::{Capture, CaptureSplit};

/// What a capture holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureInfo {
    /// The format's name.
    pub format: &'static str,
    /// How many views each split has: train, validation and test.
    pub splits: [usize; 3],
    /// Widths and heights of views, and how many have them.
    pub sizes: Vec<([usize; 2], usize)>,
    /// Models of lenses, and how many views have them.
    pub lenses: Vec<(LensModel, usize)>,
    /// How many points of the scene there are.
    pub points: Option<usize>,
    /// How many views have a mask.
    pub masks: usize,
    /// Views whose pictures are not there.
    pub missing: Vec<String>,
    /// The mean of the places of all cameras, and the largest distance of one from it.
    pub center: [f64; 3],
    /// See `center`.
    pub radius: f64,
    /// What was unusual, a sentence each.
    pub notes: Vec<String>,
}

impl Capture {
    /// What the capture holds.
    pub fn info(&self) -> CaptureInfo {
        let (mut sizes, mut lenses) = (BTreeMap::new(), BTreeMap::new());
        let (mut masks, mut missing) = (0, Vec::new());
        for view in &self.views {
            *sizes.entry([view.width, view.height]).or_insert(0) += 1;
            if let Some(lens) = view.lens() {
                *lenses.entry(lens.model as u8).or_insert(0) += 1;
            }
            masks += usize::from(match &view.source {
                PictureSource::Memory(picture) => picture.mask.is_some(),
                PictureSource::Files(files) => files.mask.is_some(),
            });
            if !view.has_picture() {
                missing.push(view.name.clone());
            }
        }
        let places: Vec<[f64; 3]> = self.views.iter().map(super::CaptureView::position).collect();
        let count = places.len().max(1) as f64;
        let center = [0, 1, 2].map(|k| places.iter().map(|p| p[k]).sum::<f64>() / count);
        let distance = |p: &[f64; 3]| (0..3).map(|k| (p[k] - center[k]) * (p[k] - center[k])).sum::<f64>().sqrt();
        CaptureInfo {
            format: self.format,
            splits: CaptureSplit::ALL.map(|split| self.of(split).count()),
            sizes: sizes.into_iter().collect(),
            lenses: lenses.into_iter().map(|(model, count)| (LensModel::ALL[usize::from(model)], count)).collect(),
            points: self.points.as_ref().map(|points| points.positions.len()),
            masks,
            missing,
            center,
            radius: places.iter().map(distance).fold(0.0, f64::max),
            notes: self.notes.clone(),
        }
    }
}
