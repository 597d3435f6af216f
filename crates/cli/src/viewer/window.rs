//! The window itself: events to inputs, states to pictures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use monotile_scene::gpu::Rectangle;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, MouseButton, MouseScrollDelta, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Window, WindowId};

use super::state::{ViewerInput, ViewerState};
use super::text;
use crate::command_error::CommandError;

/// After which nothing moves any more.
const STILL: Duration = Duration::from_millis(160);

/// What a window shows.
pub trait ViewerContent {
    /// The command, for refusals, and what it may do where there is no display.
    fn command(&self) -> [&'static str; 2];

    /// What hands can do, in lines.
    fn help(&self) -> &'static str;

    /// What is told beside the name.
    fn line(&self, state: &ViewerState) -> String;

    /// What a key asks for, beside those of every window.
    fn key(&self, key: &Key) -> Option<ViewerInput>;

    /// Takes the window.
    fn open(&mut self, window: Arc<Window>, size: [usize; 2]) -> Result<(), CommandError>;

    /// Follows the window to a new size.
    fn resize(&mut self, size: [usize; 2]) -> Result<(), CommandError>;

    /// Pixels of the window.
    fn size(&self) -> [usize; 2];

    /// Draws what is to be shown, where the screen does not. While the camera moves that may be a rough picture; the result is whether it is not.
    fn draw(&mut self, _: &ViewerState, _moves: bool) -> Result<bool, CommandError> {
        Ok(true)
    }

    /// Shows this state with rectangles over it.
    fn show(&mut self, state: &ViewerState, over: &mut Vec<Rectangle>, dot: f32) -> Result<(), CommandError>;
}

/// Opens a window of this size and returns when it is closed.
pub fn open(content: impl ViewerContent, state: ViewerState, name: &str, size: [usize; 2]) -> Result<(), CommandError> {
    let [command, instead] = content.command();
    let no_display = |_| CommandError::new(format!("{command}: there is no display to open a window on")).hint(instead);
    let events = EventLoop::new().map_err(no_display)?;
    let now = Instant::now();
    let mut viewer = Viewer {
        state,
        content,
        name: name.to_string(),
        size,
        window: None,
        turning: false,
        shifting: false,
        last: now,
        moved: now,
        rough: false,
        failed: None,
    };
    events.run_app(&mut viewer).map_err(|error| CommandError::new(format!("{command}: the window failed: {error}")))?;
    viewer.failed.map_or(Ok(()), Err)
}

struct Viewer<C> {
    content: C,
    state: ViewerState,
    name: String,
    size: [usize; 2],
    window: Option<Arc<Window>>,
    turning: bool,
    shifting: bool,
    last: Instant,
    /// When something was done last.
    moved: Instant,
    /// Whether the last picture is a rough one.
    rough: bool,
    failed: Option<CommandError>,
}

impl<C: ViewerContent> Viewer<C> {
    fn start(&mut self, events: &ActiveEventLoop) -> Result<Arc<Window>, CommandError> {
        let size = PhysicalSize::new(self.size[0] as u32, self.size[1] as u32);
        let attributes = Window::default_attributes().with_title(&self.name).with_inner_size(size);
        let [command, _] = self.content.command();
        let window = events.create_window(attributes);
        let window = Arc::new(window.map_err(|error| CommandError::new(format!("{command}: no window: {error}")))?);
        let inner = window.inner_size();
        self.content.open(window.clone(), [inner.width as usize, inner.height as usize])?;
        Ok(window)
    }

    /// Whether what is shown is as it stays.
    fn show(&mut self) -> Result<bool, CommandError> {
        let now = Instant::now();
        self.state.pass((now - self.last).as_secs_f64());
        self.last = now;
        let whole = self.content.draw(&self.state, now - self.moved < STILL)?;
        let size = self.content.size();
        let dot = (size[1] as f32 / 400.0).floor().max(1.0);
        let line = self.content.line(&self.state);
        let mut over = text::panel(&format!("{}  {line}  H FOR HELP", self.name), [8.0, 8.0], dot);
        if self.state.help {
            over.extend(text::panel(self.content.help(), [8.0, 40.0 * dot], dot));
        }
        self.content.show(&self.state, &mut over, dot)?;
        Ok(whole)
    }

    /// The keys of every window, and those of the content.
    fn key(&self, key: &Key) -> Option<ViewerInput> {
        match key.as_ref() {
            Key::Character("h" | "H") => Some(ViewerInput::Help),
            Key::Character("r" | "R") => Some(ViewerInput::Reset),
            Key::Character("+" | "=") => Some(ViewerInput::Zoom(1.0)),
            Key::Character("-") => Some(ViewerInput::Zoom(-1.0)),
            _ => self.content.key(key),
        }
    }

    fn dragged(&mut self, to: [f32; 2]) -> Vec<ViewerInput> {
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

impl<C: ViewerContent> ApplicationHandler for Viewer<C> {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.window.is_none() {
            match self.start(events) {
                Ok(window) => self.window = Some(window),
                Err(failure) => {
                    self.failed = Some(failure);
                    events.exit();
                }
            }
            self.last = Instant::now();
        }
    }

    fn new_events(&mut self, _: &ActiveEventLoop, cause: StartCause) {
        // What was rough while it moved is drawn again.
        if let (StartCause::ResumeTimeReached { .. }, Some(window)) = (cause, &self.window) {
            window.request_redraw();
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(window) = self.window.clone() else { return };
        let height = self.content.size()[1];
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
                done = self.content.resize([size.width as usize, size.height as usize]);
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
            WindowEvent::CursorMoved { position, .. } => self.dragged([position.x as f32, position.y as f32]),
            WindowEvent::MouseWheel { delta, .. } => vec![ViewerInput::Zoom(match delta {
                MouseScrollDelta::LineDelta(_, y) => y,
                MouseScrollDelta::PixelDelta(by) => by.y as f32 / 40.0,
            })],
            WindowEvent::RedrawRequested => {
                done = self.show().map(|whole| self.rough = !whole);
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
            let moves = inputs.iter().any(|input| !matches!(input, ViewerInput::Point(_)));
            if moves {
                self.moved = Instant::now();
            }
            inputs.into_iter().for_each(|input| self.state.handle(input, height));
            if moves || self.state.vertices {
                window.request_redraw();
            }
        }
        if let Err(failure) = done {
            self.failed = Some(failure);
            events.exit();
        }
        events.set_control_flow(if self.rough { ControlFlow::WaitUntil(self.moved + STILL) } else { ControlFlow::Wait });
    }
}
