//! `monotile render`: pictures and animations of 3D models.

mod output;
mod renderer;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile::limits;
use monotile_scene::{Animation, Background, Camera, Framing, GltfInfo, Pose, Scene, Shot};

pub use self::output::RenderOutput;
use self::renderer::Renderer;
pub use self::renderer::silence_driver_messages;
use super::viewpoint::{self, ModelReadArgs, Viewpoint, background, size};
use crate::command_error::CommandError;
use crate::numbers;
use crate::progress::{Progress, say};

/// Draws a glTF model: a picture, or an animation.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile render Fox.glb                                                     Fox.png, all of it in the picture
  monotile render Fox.glb --animation Run --time 0.4 --size 1280x720 -o fox.png
  monotile render Fox.glb --animation Survey --fps 24 -o fox.gif              also .apng, which keeps every colour
  monotile render Fox.glb --animation Run -o 'frames/%04d.png'                frames; a killed run goes on where it was
  monotile render Fox.glb --turntable -o fox.gif                              once around it
  monotile render Fox.glb --camera orbit:90,10 --ortho --background none -o side.png
  monotile render Fox.glb -o - | display                                      PNG on standard output
  monotile render model.gltf --strict                                         nothing, if anything of it cannot be drawn

The ending of the output says what is drawn: .png a picture, .gif or .apng or a name with % an animation. A camera of the file is chosen by
its name or number. On the processor the same command gives the same bytes.")]
pub struct RenderArgs {
    /// Model, .gltf or .glb
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    reading: ModelReadArgs,
    /// File: .png, .gif, .apng, frames/%04d.png, or - for PNG on standard output [default: the model's name with .png]
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
    /// Clip, by name or number
    #[arg(long, value_name = "CLIP")]
    animation: Option<String>,
    /// Seconds into the clip
    #[arg(long, value_name = "SECONDS", value_parser = numbers::finite::<f32>)]
    time: Option<f32>,
    /// Frames a second of an animation
    #[arg(long, value_name = "N", default_value_t = 24.0, value_parser = numbers::finite::<f64>)]
    fps: f64,
    /// Seconds of an animation [default: the clip once; a turn of four seconds]
    #[arg(long, value_name = "SECONDS", value_parser = numbers::finite::<f64>)]
    duration: Option<f64>,
    /// Pixels
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
    size: [usize; 2],
    /// orbit:AZIMUTH,ELEVATION[,DISTANCE] in degrees, or a camera of the file
    #[arg(long, value_name = "CAMERA", default_value = "orbit:35,18")]
    camera: Viewpoint,
    /// Things do not get smaller with distance
    #[arg(long)]
    ortho: bool,
    /// The camera goes once around
    #[arg(long)]
    turntable: bool,
    /// sky, none, or a colour as #rrggbb
    #[arg(long, value_name = "WHAT", default_value = "sky", value_parser = background)]
    background: Background,
    /// No shadow on the ground
    #[arg(long)]
    no_shadow: bool,
    /// Only the edges of triangles
    #[arg(long)]
    wireframe: bool,
    /// Pixels a side of a point [default: a 240th of the picture's smaller side, 3 of 1280x720]
    #[arg(long, value_name = "PIXELS", value_parser = numbers::finite::<f32>)]
    point_size: Option<f32>,
    /// Draw on the processor, even where there is a graphics device
    #[arg(long, conflicts_with = "gpu")]
    cpu: bool,
    /// Draw on a graphics device, even one that is software
    #[arg(long)]
    gpu: bool,
}

/// Seconds of a turn around the model.
const TURN: f64 = 4.0;

impl RenderArgs {
    /// Reads, draws, writes.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let output = RenderOutput::parse(self.out.as_deref(), &self.model)?;
        self.check(&output)?;
        if !self.cpu {
            silence_driver_messages(self.gpu);
        }
        let (scene, read) = self.reading.open(&self.model)?;
        let clip = self.animation.as_deref().map(|wanted| viewpoint::clip(&self.model, &scene, wanted)).transpose()?;
        let frames = self.frames(&output, clip)?;
        // Every pose that is drawn, so that nothing leaves the picture and the camera stands still.
        let moves = if clip.is_some() { frames } else { 1 };
        let poses = (0..moves).map(|frame| self.pose(&scene, clip, frame));
        let framing = Framing::new(&scene, poses).map_err(|e| e.with_context(self.model.display()))?;
        let framing = if self.turntable { framing.over_full_turn() } else { framing };
        let mut renderer = Renderer::new(&scene, self.cpu, self.gpu)?;
        let draw = |renderer: &mut Renderer<'_>, frame: usize| {
            let pose = self.pose(&scene, clip, frame);
            let shot = self.shot(&scene, &pose, &framing, frame as f32 / frames as f32)?;
            Ok::<_, CommandError>(renderer.draw(&pose, &shot)?)
        };
        let RenderOutput::Animated(animated) = &output else {
            let picture = draw(&mut renderer, 0)?;
            return output.write_picture(&picture, out);
        };
        let mut progress = Progress::new("frames", frames as u64);
        let about = self.about(&read);
        animated.write(self.size, frames, self.fps, &about, &mut progress, |frame| draw(&mut renderer, frame))?;
        progress.finish();
        say(&format!("{}: {frames} frames of {} x {}, drawn by {}", output, self.size[0], self.size[1], renderer.name()));
        Ok(())
    }

    fn check(&self, output: &RenderOutput) -> Result<(), CommandError> {
        let refuse = |words: &str| Err(CommandError::Usage(format!("render: {words}")));
        let animated = matches!(output, RenderOutput::Animated(_));
        if !(self.fps > 0.0 && self.fps <= 1000.0) {
            return refuse("--fps is above 0 and at most 1000");
        }
        if self.duration.is_some_and(|d| d <= 0.0) {
            return refuse("--duration is above 0");
        }
        if self.point_size.is_some_and(|p| !(p > 0.0 && p <= 1000.0)) {
            return refuse("--point-size is above 0 and at most 1000");
        }
        if self.time.is_some() && self.animation.is_none() {
            return refuse("--time is a time of a clip: name one by --animation");
        }
        if animated && self.animation.is_none() && !self.turntable {
            return refuse("nothing moves: give --animation CLIP, or --turntable, or a .png");
        }
        if self.turntable && matches!(self.camera, Viewpoint::OfFile(_)) {
            return refuse("--turntable goes around by itself; a camera of the file stands where it is");
        }
        Ok(())
    }

    fn frames(&self, output: &RenderOutput, clip: Option<&Animation>) -> Result<usize, CommandError> {
        if !matches!(output, RenderOutput::Animated(_)) {
            return Ok(1);
        }
        let whole = clip.map(|clip| f64::from(clip.duration)).filter(|d| *d > 0.0);
        let seconds = self.duration.or(whole).unwrap_or(TURN);
        let frames = (seconds * self.fps).round().max(1.0);
        let most = limits::FRAMES.get();
        if !(frames <= most as f64) {
            let hint = format!("give a shorter --duration, or --limit frames={frames}");
            return Err(CommandError::Usage(format!("render: {frames} frames are more than {most}; {hint}")));
        }
        Ok(frames as usize)
    }

    /// Where everything is at a frame.
    fn pose(&self, scene: &Scene, clip: Option<&Animation>, frame: usize) -> Pose {
        let mut pose = Pose::rest(scene);
        if let Some(clip) = clip {
            let seconds = self.time.unwrap_or(0.0) + (frame as f64 / self.fps) as f32;
            // The end of a clip is asked for by its own name, not by that of its beginning.
            let seconds = if seconds == clip.duration { seconds } else { clip.looped(seconds) };
            clip.sample(seconds, &mut pose);
        }
        pose
    }

    fn shot(&self, scene: &Scene, pose: &Pose, framing: &Framing, turn: f32) -> Result<Shot, CommandError> {
        let camera = match &self.camera {
            Viewpoint::Orbit(orbit) => {
                let azimuth = orbit.azimuth + if self.turntable { 360.0 * turn } else { 0.0 };
                framing.camera(&monotile_scene::Orbit { azimuth, orthographic: self.ortho, ..*orbit }, self.size)?
            }
            Viewpoint::OfFile(name) => Camera::from_node(scene, pose, viewpoint::camera(&self.model, scene, name)?, self.size)?,
        };
        let shot = Shot::new(camera);
        let point_size = self.point_size.unwrap_or(shot.point_size);
        let shot = Shot { background: self.background, wireframe: self.wireframe, point_size, ..shot };
        let ground = (!self.no_shadow).then(|| framing.ground(shot.light.toward));
        Ok(Shot { ground, ..shot })
    }

    /// What makes a frame what it is: a frame in a file with the same words need not be drawn again.
    fn about(&self, read: &GltfInfo) -> String {
        let Self { reading, animation, time, fps, duration, size, camera, ortho, turntable, background, no_shadow, .. } = self;
        let (files, wireframe, gpu, point) = (read.digest, self.wireframe, self.gpu, self.point_size);
        format!(
            "{} {files:016x} {reading:?} {animation:?} {time:?} {fps} {duration:?} {size:?} {camera:?} {ortho} {turntable} {background:?} {no_shadow} {wireframe} {gpu} {point:?}",
            self.model.display(),
        )
    }
}
