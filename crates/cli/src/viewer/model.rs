//! A model in a window: its clips, and the way of a vertex to its pixel.

use std::sync::Arc;

use monotile_scene::gpu::{Rectangle, Screen};
use monotile_scene::{Framing, Pose, Scene, VertexSpaces};
use winit::keyboard::{Key, NamedKey};
use winit::window::Window;

use super::state::{ViewerInput, ViewerState};
use super::text;
use super::window::ViewerContent;
use crate::command_error::CommandError;

const HELP: &str = "\
DRAG        TURN
RIGHT DRAG  SHIFT
WHEEL, + -  NEARER, FARTHER
1 TO 9      CLIP
N, P        NEXT, PREVIOUS CLIP
SPACE       PAUSE
ARROWS      STEP IN TIME
W           WIREFRAME
V           MATRICES OF THE NEAREST VERTEX
R           RESET
H           THIS HELP
ESC         QUIT";

/// A model.
pub struct ModelContent {
    scene: Scene,
    framing: Framing,
    screen: Option<Screen>,
}

impl ModelContent {
    /// A model from so far away that all of it is in the picture, in all clips.
    pub fn new(scene: Scene) -> Result<Self, CommandError> {
        // Over all clips, so that nothing walks out of the picture.
        let model = &scene;
        let poses = model.animations.iter().flat_map(|clip| {
            // At the frames of a step, of long clips at as many.
            let looks = (30.0 * clip.duration).ceil().clamp(1.0, 240.0);
            (0..looks as usize).map(move |i| {
                let mut pose = Pose::rest(model);
                clip.sample(clip.duration * i as f32 / looks, &mut pose);
                pose
            })
        });
        // The distance is one that suits every azimuth: turning the model does not change its size.
        let framing = Framing::new(&scene, poses.chain([Pose::rest(&scene)]))?.over_full_turn();
        Ok(Self { scene, framing, screen: None })
    }

    /// The first clip, running, from the front.
    pub fn state(&self) -> ViewerState {
        ViewerState::new(&self.scene)
    }

    /// The vertex nearest to the pointer, and its way through the spaces.
    fn looked_into(
        &self,
        (state, pose): (&ViewerState, &Pose),
        shot: &monotile_scene::Shot,
        size: [usize; 2],
        dot: f32,
    ) -> Result<Vec<Rectangle>, CommandError> {
        let Some(spaces) = VertexSpaces::nearest(&self.scene, pose, &shot.camera, state.pointer)? else {
            return Ok(Vec::new());
        };
        let told = spaces_text(&spaces);
        let height = (10 * told.lines().count() + 13) as f32 * dot;
        let mut over = text::panel(&told, [8.0, size[1] as f32 - height], dot);
        over.extend(text::mark(spaces.pixel, dot));
        Ok(over)
    }
}

impl ViewerContent for ModelContent {
    fn command(&self) -> [&'static str; 2] {
        ["view", "monotile render draws the same picture into a file"]
    }

    fn help(&self) -> &'static str {
        HELP
    }

    fn line(&self, state: &ViewerState) -> String {
        state.clip_line()
    }

    fn key(&self, key: &Key) -> Option<ViewerInput> {
        Some(match key.as_ref() {
            Key::Named(NamedKey::Space) => ViewerInput::Pause,
            Key::Named(NamedKey::ArrowRight) => ViewerInput::Step(1.0),
            Key::Named(NamedKey::ArrowLeft) => ViewerInput::Step(-1.0),
            Key::Named(NamedKey::ArrowUp) => ViewerInput::Step(10.0),
            Key::Named(NamedKey::ArrowDown) => ViewerInput::Step(-10.0),
            Key::Character(sign) => match sign.to_lowercase().as_str() {
                "n" => ViewerInput::Next(1),
                "p" => ViewerInput::Next(-1),
                "w" => ViewerInput::Wireframe,
                "v" => ViewerInput::Vertices,
                digit => ViewerInput::Clip(digit.parse::<usize>().ok()?.checked_sub(1)?),
            },
            _ => return None,
        })
    }

    fn open(&mut self, window: Arc<Window>, size: [usize; 2]) -> Result<(), CommandError> {
        self.screen = Some(Screen::new(&self.scene, window, size)?);
        Ok(())
    }

    fn resize(&mut self, size: [usize; 2]) -> Result<(), CommandError> {
        Ok(self.screen.as_mut().map_or(Ok(()), |screen| screen.resize(size))?)
    }

    fn size(&self) -> [usize; 2] {
        self.screen.as_ref().map_or([1; 2], Screen::size)
    }

    fn show(&mut self, state: &ViewerState, over: &mut Vec<Rectangle>, dot: f32) -> Result<(), CommandError> {
        let size = self.size();
        let pose = state.pose(&self.scene);
        let shot = state.shot(&self.framing, size)?;
        if state.vertices {
            over.extend(self.looked_into((state, &pose), &shot, size, dot)?);
        }
        if let Some(screen) = &mut self.screen {
            screen.present(&pose, &shot, over)?;
        }
        Ok(())
    }
}

/// A vertex's way, in lines of at most some sixty signs.
fn spaces_text(spaces: &VertexSpaces) -> String {
    let list = |values: &[f32]| values.iter().map(|v| format!("{v:9.3}")).collect::<String>();
    let rows = |name: &str, m: &[[f32; 4]; 4]| {
        let row = |i: usize| {
            format!("{}{}\n", if i == 0 { format!("{name:7}") } else { " ".repeat(7) }, list(&[0, 1, 2, 3].map(|j| m[j][i])))
        };
        (0..4).map(row).collect::<String>()
    };
    format!(
        "VERTEX {} OF NODE {}, PRIMITIVE {}\nMESH   {}\n{}WORLD  {}\n{}VIEW   {}\n{}CLIP   {}\nNDC    {}\nPIXEL  {}",
        spaces.vertex.vertex,
        spaces.vertex.node,
        spaces.vertex.primitive,
        list(&spaces.mesh),
        rows(if spaces.skinned { "SKIN" } else { "M" }, &spaces.world_from_mesh),
        list(&spaces.world),
        rows("V", &spaces.view_from_world),
        list(&spaces.view),
        rows("P", &spaces.clip_from_view),
        list(&spaces.clip),
        list(&spaces.ndc),
        list(&spaces.pixel),
    )
}
