//! One vertex in every space.

use monotile_scene::{Framing, Orbit, Scene, VertexId, VertexSpaces};

use super::figure::posed;
use crate::command_error::CommandError;
use crate::page::PageBlock;
use crate::spaces;

/// Pixels of the picture.
const SIZE: [usize; 2] = [320, 240];
/// Where the clip of waving is looked at.
const SECONDS: f32 = 0.35;

/// Follows the vertex that two bones share most evenly.
pub fn blocks() -> Result<Vec<PageBlock>, CommandError> {
    let scene = Scene::figure();
    let pose = posed(&scene, &scene.animations[1], SECONDS);
    let orbit = Orbit { azimuth: -42.0, elevation: 12.0, ..Orbit::default() };
    let camera = Framing::new(&scene, [pose.clone()])?.camera(&orbit, SIZE)?;
    let Some(node) = scene.nodes.iter().position(|node| node.mesh.is_some()) else {
        unreachable!("the figure has a body");
    };
    let shape = &scene.meshes[0].primitives[0];
    let (mut ways, mut indices) = (Vec::new(), Vec::new());
    for (primitive, part) in scene.meshes[0].primitives.iter().enumerate() {
        let first = ways.len() as u32;
        indices.extend(part.indices.iter().map(|i| first + i));
        ways.extend(VertexSpaces::all(&scene, &pose, &camera, VertexId { node, primitive, vertex: 0 })?);
    }
    let vertex = shared_at(&scene, &ways[..shape.positions.len()], "right forearm");
    let way = &ways[vertex];
    let k = shape.influences.per_vertex;
    let pairs = shape.influences.joints[vertex * k..].iter().zip(&shape.influences.weights[vertex * k..]).take(k);
    let bones: Vec<String> = pairs
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(&joint, weight)| {
            format!("{:.0} % the {}", 100.0 * weight, scene.nodes[scene.skins[0].joints[usize::from(joint)]].name)
        })
        .collect();
    let told = |v: &[f32]| v.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join("  ");
    let row = |space: &str, numbers: &[f32], what: &str| vec![format!("{space}: {what}"), told(numbers)];
    let rows = vec![
        row("mesh", &way.mesh, "metres, arms and legs stretched"),
        row("world", &way.world, &format!("moved by its bones: {}", bones.join(", "))),
        row("view", &way.view, &format!("{:.2} m in front of the camera", -way.view[2])),
        row("clip", &way.clip, "through the lens; the fourth number is the distance"),
        row("NDC", &way.ndc, "divided by the fourth: far things get small"),
        row("pixel", &way.pixel, &format!("of {} x {}", SIZE[0], SIZE[1])),
    ];
    Ok(vec![
        PageBlock::Text(
            "How does a point in space become a dot on a screen? By changing the place from which it is measured, five times; each change is a \
             matrix of 4 x 4 numbers or a division. Here one vertex, at the figure's right elbow (orange), goes all the way. The green \
             pyramid is what the camera sees, as far as that vertex."
                .to_string(),
        ),
        PageBlock::Drawing(
            spaces::svg(&ways, &indices, vertex, SIZE)?,
            "The same triangles in six spaces. In clip space the height is w, the distance from the camera.".to_string(),
        ),
        PageBlock::Table(["space, and what happened", "the vertex"].map(String::from).to_vec(), rows),
        PageBlock::Text("monotile explain MODEL --vertex N tells the same of any glTF model, with every matrix.".to_string()),
    ])
}

/// The vertex nearest to the viewer among those that follow a bone by a third to two thirds.
fn shared_at(scene: &Scene, ways: &[VertexSpaces], bone: &str) -> usize {
    let influences = &scene.meshes[0].primitives[0].influences;
    let k = influences.per_vertex;
    let follows = |vertex: usize| {
        let pairs = influences.joints[vertex * k..].iter().zip(&influences.weights[vertex * k..]).take(k);
        pairs
            .filter(|(joint, _)| scene.nodes[scene.skins[0].joints[usize::from(**joint)]].name == bone)
            .map(|(_, w)| *w)
            .sum::<f32>()
    };
    let shared = (0..ways.len()).filter(|&vertex| (0.33..0.67).contains(&follows(vertex)));
    shared.min_by(|&a, &b| ways[a].ndc[2].total_cmp(&ways[b].ndc[2])).unwrap_or(0)
}
