//! A scene of splats in a window.

use std::sync::Arc;
use std::time::Instant;

use monotile::Tensor;
use monotile_radiance::{MatrixCamera, SplatOptions, Splats, UpAxis};
use monotile_scene::gpu::{PictureScreen, Rectangle};
use monotile_scene::{Orbit, Picture};
use winit::keyboard::{Key, NamedKey};
use winit::window::Window;

use super::orbit::OrbitLens;
use super::render::{SplatBackground, colors};
use super::{SceneExtent, counted};
use crate::command_error::CommandError;
use crate::viewer::{ViewerContent, ViewerInput, ViewerState};

const HELP: &str = "\
DRAG        ORBIT
RIGHT DRAG  PAN
WHEEL, + -  NEARER, FARTHER
ARROWS      ORBIT
A           ANTIALIASED, OR AS THE FILE SAYS
R           RESET
H           THIS HELP
ESC         QUIT";

/// Milliseconds that a picture may take while the camera moves.
const BRIEF: f64 = 40.0;
/// Pixels of a drag that an arrow stands for.
const ARROW: f32 = 15.0;

/// A scene, and how it is drawn.
pub struct SplatContent {
    pub splats: Splats,
    pub extent: SceneExtent,
    pub up: UpAxis,
    pub fov: f64,
    pub options: SplatOptions,
    pub background: SplatBackground,
    /// Whether pictures become smaller while the camera moves, since the processor draws.
    pub shrinks: bool,
    pub screen: Option<PictureScreen>,
    /// The part of the window's width and height that a picture has then.
    pub share: f64,
    /// Milliseconds of the last whole picture.
    pub took: Option<f64>,
    /// The last picture.
    pub picture: Picture,
}

impl SplatContent {
    fn camera(&self, state: &ViewerState, size: [usize; 2]) -> Result<MatrixCamera, CommandError> {
        // Straight above, what is up on the screen is not known.
        let orbit = Orbit { elevation: state.orbit.elevation.clamp(-89.9, 89.9), ..state.orbit };
        let lens = OrbitLens { size, fov: self.fov, up: self.up };
        let camera = lens.camera(&self.extent, &orbit, f64::from(orbit.azimuth))?;
        // The picture is moved right and up, in half heights: the first two rows of the lens gain multiples of the last.
        let mut rows = camera.clip_from_view.to_f64_vec()?;
        let [x, y] = state.shift.map(f64::from);
        for column in 0..4 {
            rows[column] += x * size[1] as f64 / size[0] as f64 * rows[12 + column];
            rows[4 + column] += y * rows[12 + column];
        }
        Ok(MatrixCamera { clip_from_view: Tensor::from_vec(rows, &[4, 4])?, ..camera })
    }
}

impl ViewerContent for SplatContent {
    fn command(&self) -> [&'static str; 2] {
        ["splat view", "--html FILE writes a page that shows the scene; monotile splat render draws it into a file"]
    }

    fn help(&self) -> &'static str {
        HELP
    }

    fn line(&self, _: &ViewerState) -> String {
        let took = self.took.map(|took| format!("  {took:.0} MS")).unwrap_or_default();
        format!("{}{took}", counted(self.splats.len()))
    }

    fn key(&self, key: &Key) -> Option<ViewerInput> {
        Some(match key.as_ref() {
            Key::Named(NamedKey::ArrowLeft) => ViewerInput::Turn([-ARROW, 0.0]),
            Key::Named(NamedKey::ArrowRight) => ViewerInput::Turn([ARROW, 0.0]),
            Key::Named(NamedKey::ArrowUp) => ViewerInput::Turn([0.0, -ARROW]),
            Key::Named(NamedKey::ArrowDown) => ViewerInput::Turn([0.0, ARROW]),
            Key::Character("a" | "A") => ViewerInput::Antialiased,
            _ => return None,
        })
    }

    fn open(&mut self, window: Arc<Window>, size: [usize; 2]) -> Result<(), CommandError> {
        self.screen = Some(PictureScreen::new(window, size)?);
        Ok(())
    }

    fn resize(&mut self, size: [usize; 2]) -> Result<(), CommandError> {
        Ok(self.screen.as_mut().map_or(Ok(()), |screen| screen.resize(size))?)
    }

    fn size(&self) -> [usize; 2] {
        self.screen.as_ref().map_or([1; 2], PictureScreen::size)
    }

    fn draw(&mut self, state: &ViewerState, moves: bool) -> Result<bool, CommandError> {
        let rough = moves && self.shrinks && self.share < 1.0;
        let part = if rough { self.share } else { 1.0 };
        let size @ [width, height] = self.size().map(|side| ((side as f64 * part).round() as usize).max(1));
        let begun = Instant::now();
        let mut options = self.options.clone();
        options.project.antialiased |= state.antialiased;
        let seen = self.splats.render(&self.camera(state, size)?, &options)?;
        self.picture = Picture { width, height, rgba: colors(&seen, self.background)? };
        let took = 1e3 * begun.elapsed().as_secs_f64();
        if moves {
            self.share = (self.share * (BRIEF / took.max(0.1)).sqrt()).clamp(0.1, 1.0);
        }
        if !rough {
            self.took = Some(took);
        }
        Ok(!rough)
    }

    fn show(&mut self, _: &ViewerState, over: &mut Vec<Rectangle>, _: f32) -> Result<(), CommandError> {
        Ok(self.screen.as_mut().map_or(Ok(()), |screen| screen.present(&self.picture, over))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile::DType;
    use monotile_radiance::project;

    #[test]
    fn what_is_dragged_stays_under_the_pointer_and_a_rough_picture_is_a_smaller_one() {
        let zeros = |wide| Tensor::zeros(&[1, wide], DType::F32).unwrap();
        let splats = Splats {
            means: zeros(3),
            rotations: Tensor::from([[0.0_f32, 0.0, 0.0, 1.0]]),
            log_scales: Tensor::filled(&[1, 3], -2.0, DType::F32).unwrap(),
            logits: Tensor::from([2.0_f32]),
            harmonics: Tensor::ones(&[1, 1, 3], DType::F32).unwrap(),
        };
        let mut content = SplatContent {
            extent: SceneExtent::of(&splats).unwrap().unwrap(),
            splats,
            up: UpAxis::Y,
            fov: 40.0,
            options: SplatOptions::default(),
            background: SplatBackground::Color([0; 3]),
            shrinks: true,
            screen: None,
            share: 0.5,
            took: None,
            picture: Picture { width: 0, height: 0, rgba: Vec::new() },
        };
        let mut state = ViewerState::still(Orbit::default());
        let place = |content: &SplatContent, state: &ViewerState| {
            let camera = content.camera(state, [300, 200]).unwrap();
            project(&content.splats, &camera, &content.options.project).unwrap().positions.to_f64_vec().unwrap()
        };
        let before = place(&content, &state);
        state.handle(ViewerInput::Shift([30.0, -20.0]), 200);
        let after = place(&content, &state);
        assert!((after[0] - before[0] - 30.0).abs() < 1e-3 && (after[1] - before[1] + 20.0).abs() < 1e-3, "{before:?} {after:?}");
        // Without a window there is one pixel, whatever its share.
        assert!(!content.draw(&state, true).unwrap() && content.took.is_none());
        assert!(content.draw(&state, false).unwrap() && content.took.is_some());
        assert_eq!([content.picture.width, content.picture.height, content.picture.rgba.len()], [1, 1, 4]);
    }
}
