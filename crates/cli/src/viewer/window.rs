//! The window itself: events to inputs, states to pictures.

use std::sync::Arc;
use std::time::Instant;

use monotile_scene::gpu::{Rectangle, Screen};
use monotile_scene::{Framing, Pose, Scene, VertexSpaces};
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, MouseButton, MouseScrollDelta, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Window, WindowId};

use super::state::{ViewerInput, ViewerState};
use super::text;
use crate::command_error::CommandError;

const HELP: &str = "\
DRAG        TURN
RIGHT DRAG  SHIFT
WHEEL       NEARER, FARTHER
1 TO 9      CLIP
N, P        NEXT, PREVIOUS CLIP
SPACE       PAUSE
ARROWS      STEP IN TIME
W           WIREFRAME
V           MATRICES OF THE NEAREST VERTEX
R           RESET
H           THIS HELP
ESC         QUIT";

/// Opens a window of this size and returns when it is closed.
pub fn open(scene: Scene, name: &str, size: [usize; 2]) -> Result<(), CommandError> {
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
    let framing = Framing::new(&scene, poses.chain([Pose::rest(&scene)]))?.spinning();
    let events = EventLoop::new().map_err(|_| no_display())?;
    let mut viewer = Viewer {
        state: ViewerState::new(&scene),
        scene,
        framing,
        name: name.to_string(),
        size,
        open: None,
        turning: false,
        shifting: false,
        last: Instant::now(),
        failed: None,
    };
    events.run_app(&mut viewer).map_err(|error| CommandError::new(format!("view: the window failed: {error}")))?;
    viewer.failed.map_or(Ok(()), Err)
}

fn no_display() -> CommandError {
    CommandError::new("view: there is no display to open a window on").hint("monotile render draws the same picture into a file")
}

struct Viewer {
    scene: Scene,
    framing: Framing,
    state: ViewerState,
    name: String,
    size: [usize; 2],
    open: Option<(Arc<Window>, Screen)>,
    turning: bool,
    shifting: bool,
    last: Instant,
    failed: Option<CommandError>,
}

impl Viewer {
    fn start(&self, events: &ActiveEventLoop) -> Result<(Arc<Window>, Screen), CommandError> {
        let size = PhysicalSize::new(self.size[0] as u32, self.size[1] as u32);
        let attributes = Window::default_attributes().with_title(&self.name).with_inner_size(size);
        let window = events.create_window(attributes).map_err(|error| CommandError::new(format!("view: no window: {error}")))?;
        let window = Arc::new(window);
        let inner = window.inner_size();
        let screen = Screen::new(&self.scene, window.clone(), [inner.width as usize, inner.height as usize])?;
        Ok((window, screen))
    }

    fn show(&mut self) -> Result<(), CommandError> {
        let Some((_, screen)) = &self.open else { return Ok(()) };
        let now = Instant::now();
        self.state.pass((now - self.last).as_secs_f64());
        self.last = now;
        let size = screen.size();
        let pose = self.state.pose(&self.scene);
        let shot = self.state.shot(&self.framing, size)?;
        let dot = (size[1] as f32 / 400.0).floor().max(1.0);
        let mut over = text::panel(&format!("{}  {}  H FOR HELP", self.name, self.state.clip_line()), [8.0, 8.0], dot);
        if self.state.vertices {
            over.extend(self.looked_into(&pose, &shot, size, dot)?);
        }
        if self.state.help {
            over.extend(text::panel(HELP, [8.0, 40.0 * dot], dot));
        }
        let Some((_, screen)) = &mut self.open else { return Ok(()) };
        screen.present(&pose, &shot, &over)?;
        Ok(())
    }

    /// The vertex nearest to the pointer, and its way through the spaces.
    fn looked_into(
        &self,
        pose: &Pose,
        shot: &monotile_scene::Shot,
        size: [usize; 2],
        dot: f32,
    ) -> Result<Vec<Rectangle>, CommandError> {
        let Some(spaces) = VertexSpaces::nearest(&self.scene, pose, &shot.camera, self.state.pointer)? else {
            return Ok(Vec::new());
        };
        let told = spaces_text(&spaces);
        let height = (10 * told.lines().count() + 13) as f32 * dot;
        let mut over = text::panel(&told, [8.0, size[1] as f32 - height], dot);
        over.extend(text::mark(spaces.pixel, dot));
        Ok(over)
    }

    fn key(&mut self, key: &Key) -> Option<ViewerInput> {
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
                "h" => ViewerInput::Help,
                "r" => ViewerInput::Reset,
                digit => ViewerInput::Clip(digit.parse::<usize>().ok()?.checked_sub(1)?),
            },
            _ => return None,
        })
    }

    fn moved(&mut self, to: [f32; 2]) -> Vec<ViewerInput> {
        let by = [to[0] - self.state.pointer[0], to[1] - self.state.pointer[1]];
        let drag = if self.turning {
            Some(ViewerInput::Turn(by))
        } else if self.shifting {
            Some(ViewerInput::Shift(by))
        } else {
            None
        };
        drag.into_iter().chain([ViewerInput::Point(to)]).collect()
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

impl ApplicationHandler for Viewer {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.open.is_none() {
            match self.start(events) {
                Ok(open) => self.open = Some(open),
                Err(failure) => {
                    self.failed = Some(failure);
                    events.exit();
                }
            }
            self.last = Instant::now();
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some((window, screen)) = &mut self.open else { return };
        let window = window.clone();
        let height = screen.size()[1];
        let mut done = Ok(());
        let inputs = match event {
            WindowEvent::CloseRequested => {
                events.exit();
                return;
            }
            WindowEvent::KeyboardInput { event, .. } if event.state == ElementState::Pressed => {
                if event.logical_key == Key::Named(NamedKey::Escape) {
                    events.exit();
                    return;
                }
                self.key(&event.logical_key).into_iter().collect()
            }
            WindowEvent::Resized(size) => {
                done = screen.resize([size.width as usize, size.height as usize]).map_err(CommandError::from);
                window.request_redraw();
                Vec::new()
            }
            WindowEvent::MouseInput { state, button, .. } => {
                let pressed = state == ElementState::Pressed;
                match button {
                    MouseButton::Left => self.turning = pressed,
                    MouseButton::Right | MouseButton::Middle => self.shifting = pressed,
                    _ => {}
                }
                Vec::new()
            }
            WindowEvent::CursorMoved { position, .. } => self.moved([position.x as f32, position.y as f32]),
            WindowEvent::MouseWheel { delta, .. } => vec![ViewerInput::Zoom(match delta {
                MouseScrollDelta::LineDelta(_, y) => y,
                MouseScrollDelta::PixelDelta(by) => by.y as f32 / 40.0,
            })],
            WindowEvent::RedrawRequested => {
                done = self.show();
                if self.state.moves() {
                    window.request_redraw();
                }
                Vec::new()
            }
            _ => return,
        };
        if !inputs.is_empty() {
            // What passed while nothing moved is not caught up with.
            if !self.state.moves() {
                self.last = Instant::now();
            }
            inputs.into_iter().for_each(|input| self.state.handle(input, height));
            window.request_redraw();
        }
        if let Err(failure) = done {
            self.failed = Some(failure);
            events.exit();
        }
        events.set_control_flow(ControlFlow::Wait);
    }
}
