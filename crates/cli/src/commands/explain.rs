//! `monotile explain`: one vertex on its way through every space, from its mesh to a pixel.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile::text::printable;
use monotile_scene::{Camera, Framing, Pose, Scene, VertexId, VertexSpaces};

use super::viewpoint::{self, ModelReadArgs, Viewpoint, size};
use crate::command_error::CommandError;
use crate::numbers;
use crate::{report, spaces};

/// Tells where one vertex is in every space (mesh, world, view, clip, NDC, pixel), and the matrices between them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile explain Fox.glb --vertex 1234
  monotile explain Fox.glb --vertex 1234 --animation Run --time 0.4 -o vertex.svg")]
pub struct ExplainArgs {
    /// A 3D model: .gltf or .glb
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    reading: ModelReadArgs,
    /// Number of the vertex, counted from 0 through all parts of its mesh
    #[arg(long, value_name = "N")]
    vertex: usize,
    /// Name or number of the mesh; the first that is drawn
    #[arg(long, value_name = "NAME|N")]
    mesh: Option<String>,
    /// Name or number of the clip that moves it
    #[arg(long, value_name = "NAME|N")]
    animation: Option<String>,
    /// Seconds into the clip, which repeats
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", requires = "animation", value_parser = numbers::finite::<f32>)]
    time: f32,
    /// orbit:AZIMUTH,ELEVATION[,DISTANCE] in degrees, or a camera of the file
    #[arg(long, value_name = "CAMERA", default_value = "orbit:35,18")]
    camera: Viewpoint,
    /// Pixels of the picture
    #[arg(long, default_value = "1280x720", value_name = "WxH", value_parser = size)]
    size: [usize; 2],
    /// Draws every space, with the vertex marked, into an SVG file
    #[arg(short, long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
}

impl ExplainArgs {
    /// Reads the model, poses it, and tells the vertex's way.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let (scene, _) = self.reading.open(&self.model)?;
        let mut pose = Pose::rest(&scene);
        if let Some(wanted) = &self.animation {
            let clip = viewpoint::clip(&self.model, &scene, wanted)?;
            clip.sample(clip.looped(self.time), &mut pose);
        }
        let of = self.vertex_of(&scene)?;
        let camera = match &self.camera {
            Viewpoint::Orbit(orbit) => Framing::new(&scene, [pose.clone()])?.camera(orbit, self.size)?,
            Viewpoint::OfFile(name) => Camera::from_node(&scene, &pose, viewpoint::camera(&self.model, &scene, name)?, self.size)?,
        };
        let way = VertexSpaces::trace(&scene, &pose, &camera, of)?;
        write_spaces(&scene, &pose, &way, (self, out))?;
        match &self.out {
            None => Ok(()),
            Some(path) => {
                let all = VertexSpaces::all(&scene, &pose, &camera, of)?;
                let node = &scene.nodes[of.node];
                let primitive = node.mesh.map(|mesh| &scene.meshes[mesh].primitives[of.primitive]);
                let svg = spaces::svg(&all, primitive.map_or(&[], |p| &p.indices), of.vertex, self.size)?;
                monotile::io::write_atomic(path, |file| file.write_all(svg.as_bytes()))?;
                Ok(())
            }
        }
    }

    /// The node, primitive and vertex that the options name.
    fn vertex_of(&self, scene: &Scene) -> Result<VertexId, CommandError> {
        let mesh = match &self.mesh {
            Some(wanted) => Some(viewpoint::mesh(&self.model, scene, wanted)?),
            None => scene.nodes.iter().find_map(|node| node.mesh),
        };
        let mesh = mesh.ok_or_else(|| CommandError::new("explain: no node draws a mesh"))?;
        let node = scene.nodes.iter().position(|node| node.mesh == Some(mesh));
        let node = node.ok_or_else(|| CommandError::new(format!("explain: no node draws mesh {mesh}")))?;
        let mut vertex = self.vertex;
        for (primitive, part) in scene.meshes[mesh].primitives.iter().enumerate() {
            match vertex.checked_sub(part.positions.len()) {
                None => return Ok(VertexId { node, primitive, vertex }),
                Some(rest) => vertex = rest,
            }
        }
        let vertices = self.vertex - vertex;
        Err(CommandError::new(format!("explain: there is no vertex {}: the mesh has {vertices}, counted from 0", self.vertex)))
    }
}

/// All steps in words and numbers.
fn write_spaces(
    scene: &Scene,
    pose: &Pose,
    way: &VertexSpaces,
    (options, out): (&ExplainArgs, &mut dyn Write),
) -> Result<(), CommandError> {
    let colour = report::coloured();
    let mut step = 0;
    let mut title = |text: &str| {
        step += 1;
        report::bold(&format!("{step}. {text}"), colour)
    };
    let of = way.vertex;
    let node = &scene.nodes[of.node];
    let Some(mesh) = node.mesh else { return Ok(()) };
    let part = &scene.meshes[mesh].primitives[of.primitive];
    writeln!(out, "vertex {} of {}", options.vertex, report::path(&options.model))?;
    writeln!(out, "\n{}", title("Mesh: where the file puts it"))?;
    writeln!(out, "  p = {}", vector(&part.positions[of.vertex]))?;
    let weights = &pose.weights[of.node];
    if !weights.is_empty() {
        writeln!(out, "\n{}", title("Morph: every target adds its difference, times its weight"))?;
        for (i, (target, weight)) in part.targets.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight != 0.0) {
            let delta = target.positions.get(of.vertex).copied().unwrap_or_default();
            writeln!(out, "  target {i}: {weight:.4} x {}", vector(&delta))?;
        }
        writeln!(out, "  p = {}", vector(&way.mesh))?;
    }
    match node.skin.filter(|_| way.skinned) {
        Some(skin) => {
            writeln!(out, "\n{}", title("Skin: each joint has a matrix (its place now, times the inverse of its place at rest)"))?;
            let matrices = pose.joint_matrices(scene, skin)?;
            let k = part.influences.per_vertex;
            let slots = of.vertex * k..(of.vertex + 1) * k;
            let pairs = part.influences.joints[slots.clone()].iter().zip(&part.influences.weights[slots]);
            for (&joint, &weight) in pairs.filter(|(_, weight)| **weight > 0.0) {
                let name = printable(&scene.nodes[scene.skins[skin].joints[usize::from(joint)]].name);
                writeln!(out, "  {:5.1} % of joint {joint} \"{name}\"", 100.0 * weight)?;
                matrix(&matrices[usize::from(joint)], out)?;
            }
            writeln!(
                out,
                "\n{}",
                title("World: M is the mean of those matrices by their weights; it replaces the node's own place")
            )?;
        }
        None => writeln!(out, "\n{}", title("World: M, the matrices of the node and of all nodes above it, multiplied"))?,
    }
    writeln!(out, "  M = world_from_mesh")?;
    matrix(&way.world_from_mesh, out)?;
    writeln!(out, "  M p = {}", vector(&way.world))?;
    writeln!(out, "\n{}", title("View: V puts the camera into the origin, looking along -z"))?;
    writeln!(out, "  V = view_from_world")?;
    matrix(&way.view_from_world, out)?;
    writeln!(out, "  V M p = {}: {:.4} in front of the camera", vector(&way.view), -way.view[2])?;
    writeln!(out, "\n{}", title("Clip: P is the lens; w becomes what x, y and z are divided by"))?;
    writeln!(out, "  P = clip_from_view")?;
    matrix(&way.clip_from_view, out)?;
    writeln!(out, "  P V M p = {}", vector(&way.clip))?;
    let [x, y, z, w] = way.clip;
    let seen = x.abs() <= w && y.abs() <= w && 0.0 <= z && z <= w;
    let verdict =
        if seen { "it is in the picture: -w ≤ x, y ≤ w and 0 ≤ z ≤ w" } else { "it is outside of the picture and clipped" };
    writeln!(out, "  {verdict}")?;
    writeln!(out, "\n{}", title("NDC: x, y and z divided by w; the picture is the square from -1 to 1, depth goes from 0 to 1"))?;
    writeln!(out, "  ({x:.4}, {y:.4}, {z:.4}) / {w:.4} = {}", vector(&way.ndc))?;
    let [width, height] = options.size;
    writeln!(out, "\n{}", title(&format!("Pixel: of {width} x {height}, from the upper left corner")))?;
    writeln!(out, "  x = ({:.4} + 1) · {width} / 2 = {:.2}", way.ndc[0], way.pixel[0])?;
    writeln!(out, "  y = (1 - {:.4}) · {height} / 2 = {:.2}", way.ndc[1], way.pixel[1])?;
    Ok(())
}

fn vector(v: &[f32]) -> String {
    let numbers: Vec<String> = v.iter().map(|x| format!("{x:.4}")).collect();
    format!("({})", numbers.join(", "))
}

/// Rows in brackets, their columns aligned.
fn matrix(columns: &[[f32; 4]; 4], out: &mut dyn Write) -> Result<(), CommandError> {
    let cell = |c: usize, r: usize| format!("{:.4}", columns[c][r] + 0.0);
    let width = |c: usize| (0..4).map(|r| cell(c, r).len()).max().unwrap_or(0);
    for r in 0..4 {
        let row: Vec<String> = (0..4).map(|c| format!("{:>w$}", cell(c, r), w = width(c))).collect();
        writeln!(out, "    [ {} ]", row.join("  "))?;
    }
    Ok(())
}
