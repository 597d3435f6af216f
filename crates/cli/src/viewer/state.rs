//! What a viewer is doing, without its window: where the camera is, which clip runs and when.

use monotile_scene::{Background, Camera, Framing, Orbit, Pose, Result, Scene, Shot};

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ViewerInput {
    /// The pointer moved by so many pixels with the button that turns.
    Turn([f32; 2]),
    /// With the button that shifts.
    Shift([f32; 2]),
    /// Notches of the wheel; positive ones come nearer.
    Zoom(f32),
    /// Where the pointer is.
    Point([f32; 2]),
    /// The clip of this number, from 0.
    Clip(usize),
    /// So many clips further.
    Next(isize),
    Pause,
    /// So many frames of a thirtieth of a second.
    Step(f64),
    Wireframe,
    Vertices,
    Antialiased,
    Help,
    Reset,
}

/// The state of a viewer.
#[derive(Debug, Clone)]
pub struct ViewerState {
    /// Name and duration of every clip.
    clips: Vec<(String, f64)>,
    pub clip: Option<usize>,
    /// In seconds, within the clip.
    pub time: f64,
    pub paused: bool,
    pub orbit: Orbit,
    /// Where the camera is at first, and after a reset.
    first: Orbit,
    /// Where the middle of the scene is, of the picture's half height.
    pub shift: [f32; 2],
    pub pointer: [f32; 2],
    pub wireframe: bool,
    pub vertices: bool,
    pub antialiased: bool,
    pub help: bool,
}

/// Degrees a pixel.
const TURN: f32 = 0.4;
/// The frames of a step, in a second.
const RATE: f64 = 30.0;

impl ViewerState {
    /// The first clip, running, from the front.
    pub fn new(scene: &Scene) -> Self {
        let named = scene.animations.iter().enumerate().map(|(i, clip)| {
            let name = if clip.name.is_empty() { format!("clip {}", i + 1) } else { clip.name.clone() };
            (name, f64::from(clip.duration))
        });
        Self::with_clips(named.collect(), Orbit::default())
    }

    /// A scene that stands still, from where it is looked at first.
    pub fn still(first: Orbit) -> Self {
        Self::with_clips(Vec::new(), first)
    }

    fn with_clips(clips: Vec<(String, f64)>, first: Orbit) -> Self {
        Self {
            clip: (!clips.is_empty()).then_some(0),
            clips,
            time: 0.0,
            paused: false,
            orbit: first,
            first,
            shift: [0.0; 2],
            pointer: [-1.0; 2],
            wireframe: false,
            vertices: false,
            antialiased: false,
            help: false,
        }
    }

    /// Follows one input, in a window of this height.
    pub fn handle(&mut self, input: ViewerInput, height: usize) {
        match input {
            ViewerInput::Turn([x, y]) => {
                self.orbit.azimuth = (self.orbit.azimuth - TURN * x).rem_euclid(360.0);
                self.orbit.elevation = (self.orbit.elevation + TURN * y).clamp(-90.0, 90.0);
            }
            ViewerInput::Shift([x, y]) => {
                let half = 0.5 * height.max(1) as f32;
                self.shift = [self.shift[0] + x / half, self.shift[1] - y / half];
            }
            ViewerInput::Zoom(notches) => self.orbit.distance = (self.orbit.distance * 0.9_f32.powf(notches)).clamp(0.05, 20.0),
            ViewerInput::Point(at) => self.pointer = at,
            ViewerInput::Clip(clip) if clip < self.clips.len() => (self.clip, self.time) = (Some(clip), 0.0),
            ViewerInput::Clip(_) => {}
            ViewerInput::Next(by) => {
                if let Some(clip) = self.clip {
                    let next = (clip as isize + by).rem_euclid(self.clips.len() as isize);
                    (self.clip, self.time) = (Some(next as usize), 0.0);
                }
            }
            ViewerInput::Pause => self.paused = !self.paused,
            ViewerInput::Step(frames) => {
                self.paused = true;
                self.advance(frames / RATE);
            }
            ViewerInput::Wireframe => self.wireframe = !self.wireframe,
            ViewerInput::Vertices => self.vertices = !self.vertices,
            ViewerInput::Antialiased => self.antialiased = !self.antialiased,
            ViewerInput::Help => self.help = !self.help,
            ViewerInput::Reset => (self.orbit, self.shift, self.time) = (self.first, [0.0; 2], 0.0),
        }
    }

    /// Lets so many seconds pass.
    pub fn pass(&mut self, seconds: f64) {
        if !self.paused {
            self.advance(seconds);
        }
    }

    fn advance(&mut self, seconds: f64) {
        let duration = self.clip.map_or(0.0, |clip| self.clips[clip].1);
        self.time = if duration > 0.0 { (self.time + seconds).rem_euclid(duration) } else { 0.0 };
    }

    /// Whether the picture changes by itself.
    pub fn moves(&self) -> bool {
        !self.paused && self.clip.is_some_and(|clip| self.clips[clip].1 > 0.0)
    }

    /// The name of the clip, and where in it.
    pub fn clip_line(&self) -> String {
        match self.clip {
            None => "no clips".to_string(),
            Some(clip) => {
                let (name, duration) = &self.clips[clip];
                let paused = if self.paused { ", paused" } else { "" };
                format!("{name} ({} of {}) {:.2} / {duration:.2} s{paused}", clip + 1, self.clips.len(), self.time)
            }
        }
    }

    /// The pose of this moment.
    pub fn pose(&self, scene: &Scene) -> Pose {
        let mut pose = Pose::rest(scene);
        if let Some(clip) = self.clip {
            scene.animations[clip].sample(self.time as f32, &mut pose);
        }
        pose
    }

    /// The shot of this moment in so many pixels.
    pub fn shot(&self, framing: &Framing, size: [usize; 2]) -> Result<Shot> {
        let shot = framing.shot(&self.orbit, size)?;
        let camera = shifted(shot.camera, self.shift);
        Ok(Shot { camera, background: Background::Sky, wireframe: self.wireframe, ..shot })
    }
}

/// The camera whose picture is moved right and up, in half heights: the first two rows of P gain multiples of the last.
fn shifted(mut camera: Camera, [x, y]: [f32; 2]) -> Camera {
    let aspect = camera.width as f64 / camera.height as f64;
    for column in &mut camera.clip_from_view {
        column[0] += f64::from(x) / aspect * column[3];
        column[1] += f64::from(y) * column[3];
    }
    camera
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile_scene::{Animation, Mesh, Node, Primitive, VertexId, VertexSpaces};

    fn scene() -> Scene {
        let shape = Primitive {
            positions: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            normals: vec![[0.0, 0.0, 1.0]; 3],
            indices: vec![0, 1, 2],
            ..Primitive::default()
        };
        let clip = |name: &str, duration| Animation { name: name.to_string(), duration, channels: Vec::new() };
        Scene {
            nodes: vec![Node { mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![shape], ..Mesh::default() }],
            animations: vec![clip("walk", 2.0), clip("", 0.5)],
            ..Scene::default()
        }
    }

    #[test]
    fn time_runs_in_circles_and_stands_while_paused() {
        let mut state = ViewerState::new(&scene());
        state.pass(2.5);
        assert_eq!((state.time, state.moves()), (0.5, true));
        state.handle(ViewerInput::Pause, 100);
        state.pass(1.0);
        assert_eq!((state.time, state.moves()), (0.5, false));
        state.handle(ViewerInput::Step(-30.0), 100);
        assert_eq!(state.time, 1.5);
        assert_eq!(state.clip_line(), "walk (1 of 2) 1.50 / 2.00 s, paused");
    }

    #[test]
    fn clips_are_chosen_by_number_and_in_turn() {
        let mut state = ViewerState::new(&scene());
        state.pass(1.0);
        state.handle(ViewerInput::Next(-1), 100);
        assert_eq!(state.clip_line(), "clip 2 (2 of 2) 0.00 / 0.50 s");
        state.handle(ViewerInput::Clip(7), 100);
        assert_eq!(state.clip, Some(1));
        state.handle(ViewerInput::Clip(0), 100);
        assert_eq!(state.clip, Some(0));
        let mut still = ViewerState::new(&Scene::default());
        still.handle(ViewerInput::Next(1), 100);
        still.pass(1.0);
        assert_eq!((still.clip, still.time, still.clip_line().as_str()), (None, 0.0, "no clips"));
    }

    #[test]
    fn a_still_scene_is_reset_to_where_it_was_first_looked_at_from() {
        let first = Orbit { azimuth: 120.0, elevation: 10.0, ..Orbit::default() };
        let mut state = ViewerState::still(first);
        for input in [ViewerInput::Turn([10.0, 5.0]), ViewerInput::Zoom(1.0), ViewerInput::Antialiased, ViewerInput::Next(1)] {
            state.handle(input, 100);
        }
        assert!(state.orbit != first && state.antialiased && !state.moves());
        state.handle(ViewerInput::Reset, 100);
        assert_eq!(state.orbit, first);
    }

    #[test]
    fn drags_turn_and_shift_and_reset_takes_them_back() {
        let scene = scene();
        let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
        let mut state = ViewerState::new(&scene);
        let first = state.orbit;
        let pixel = |state: &ViewerState| {
            let camera = state.shot(&framing, [300, 200]).unwrap().camera;
            VertexSpaces::trace(&scene, &Pose::rest(&scene), &camera, VertexId { node: 0, primitive: 0, vertex: 0 }).unwrap().pixel
        };
        let before = pixel(&state);
        state.handle(ViewerInput::Shift([30.0, -20.0]), 200);
        let after = pixel(&state);
        // What is dragged stays under the pointer.
        assert!((after[0] - before[0] - 30.0).abs() < 0.01 && (after[1] - before[1] + 20.0).abs() < 0.01, "{before:?} {after:?}");
        state.handle(ViewerInput::Turn([10.0, 1000.0]), 200);
        assert_eq!((state.orbit.azimuth, state.orbit.elevation), (first.azimuth - 4.0, 90.0));
        state.handle(ViewerInput::Zoom(2.0), 200);
        assert!((state.orbit.distance - 0.81).abs() < 1e-6);
        state.handle(ViewerInput::Reset, 200);
        assert_eq!((state.orbit, state.shift), (first, [0.0; 2]));
    }
}
