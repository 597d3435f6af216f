//! Cameras on a circle around a scene of splats.

use std::f64::consts::TAU;

use monotile::Tensor;
use monotile::transform::{DepthRange, look_at, perspective};
use monotile_radiance::{AxisFrame, MatrixCamera, SplatFileInfo, UpAxis};
use monotile_scene::Orbit;

use super::SceneExtent;
use crate::command_error::CommandError;

/// An axis by its name.
pub fn up_axis(text: &str) -> Result<UpAxis, String> {
    let names = UpAxis::ALL.map(UpAxis::name);
    let named = UpAxis::ALL.into_iter().find(|axis| axis.name() == text);
    named.ok_or_else(|| format!("{text:?} is no axis; there are {}", names.join(", ")))
}

/// The axis that points up in the world that a scene was learned in, whose y points down: that of the scene's file, or one that is named in the file's axes.
pub fn learned_up(named: Option<UpAxis>, about: &SplatFileInfo) -> UpAxis {
    named.unwrap_or(about.up()).in_frame(about.frame, AxisFrame::Rdf)
}

/// A camera that looks at a scene from around it.
#[derive(Debug, Clone, Copy)]
pub struct OrbitLens {
    /// Pixels.
    pub size: [usize; 2],
    /// Degrees that it sees vertically.
    pub fov: f64,
    pub up: UpAxis,
}

impl OrbitLens {
    /// The camera at so many degrees of an orbit.
    pub fn camera(&self, extent: &SceneExtent, orbit: &Orbit, azimuth: f64) -> Result<MatrixCamera, CommandError> {
        let [width, height] = self.size;
        let fovy = self.fov.to_radians();
        let narrow = fovy.min(2.0 * ((0.5 * fovy).tan() * width as f64 / height as f64).atan());
        // The tenth that lies outside of the radius is mostly near it.
        let distance = f64::from(orbit.distance) * 1.15 * extent.radius / (0.5 * narrow).sin();
        let (sin, cos) = (azimuth / 360.0 * TAU).sin_cos();
        let (high, level) = f64::from(orbit.elevation).to_radians().sin_cos();
        let eye = self.up.place([distance * level * sin, distance * high, distance * level * cos]);
        let vector = |x: [f64; 3]| Tensor::from(x);
        let eye = [0, 1, 2].map(|k| extent.center[k] + eye[k]);
        let view_from_world = look_at(&vector(eye), &vector(extent.center), &vector(self.up.place([0.0, 1.0, 0.0])))?;
        let number = Tensor::scalar::<f64>;
        let aspect = width as f64 / height as f64;
        let [near, far] = [1e-3, 1e3].map(|x| number(x * extent.radius));
        let clip_from_view = perspective(&number(fovy), &number(aspect), &near, &far, DepthRange::ZeroOne)?;
        Ok(MatrixCamera { view_from_world, clip_from_view, width, height })
    }
}
