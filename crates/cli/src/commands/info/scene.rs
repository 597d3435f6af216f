//! What a 3D model holds.

use std::io::Write;
use std::path::Path;

use monotile::text::{escaped, printable};
use monotile_scene::{Framing, GltfInfo, KeyframeValues, Lens, Mesh, Pose, Primitive, ReadOptions, Scene, Topology};
use serde_json::{Value, json};

use crate::command_error::CommandError;
use crate::report::{self, Table, bytes, count, number};

/// Lines of the tree of nodes, and rows of a table.
const SHOWN: usize = 40;

/// Reads a model and prints its parts.
pub fn print(path: &Path, chosen: Option<String>, as_json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let (scene, about) = Scene::read(path, &ReadOptions { scene: chosen })?;
    let bounds = Framing::new(&scene, [Pose::rest(&scene)]).ok().map(|framing| framing.bounds());
    if as_json {
        return report::print_json(&object(&scene, &about, bounds), out);
    }
    let colour = report::coloured();
    let title = |text: &str| report::bold(text, colour);
    writeln!(out, "{}", title(&report::path(path)))?;
    let by = if about.generator.is_empty() { String::new() } else { format!(", written by {}", printable(&about.generator)) };
    writeln!(out, "  glTF {}, {}{by}", printable(&about.version), bytes(about.bytes))?;
    if !about.copyright.is_empty() {
        writeln!(out, "  {}", printable(&about.copyright))?;
    }
    if !about.extensions.is_empty() {
        writeln!(out, "  extensions: {}", printable(&about.extensions.join(", ")))?;
    }
    let parts = || scene.meshes.iter().flat_map(|mesh| &mesh.primitives);
    let vertices: usize = parts().map(|p| p.positions.len()).sum();
    let shapes: usize = parts().map(|p| shapes(p, Topology::Triangles)).sum();
    writeln!(
        out,
        "  {} vertices, {} triangles, {} in memory",
        count(vertices as u64),
        count(shapes as u64),
        bytes(memory(&scene))
    )?;
    if let Some([least, greatest]) = bounds {
        let size = [0, 1, 2].map(|i| number(f64::from(greatest[i] - least[i])));
        let corner = |c: [f32; 3]| c.map(|x| number(x.into())).join(", ");
        writeln!(out, "  box {}, from ({}) to ({})", size.join(" x "), corner(least), corner(greatest))?;
    }
    writeln!(out, "\n{}", title("nodes"))?;
    tree(&scene, out)?;
    for table in [meshes(&scene), materials(&scene), textures(&scene), skins(&scene), clips(&scene)].into_iter().flatten() {
        write!(out, "\n{}", table.render(colour))?;
    }
    if !about.notes.is_empty() {
        writeln!(out, "\n{}", title("unusual"))?;
        about.notes.iter().try_for_each(|note| writeln!(out, "  {}", escaped(&note.sentence)))?;
    }
    Ok(())
}

/// How many shapes of a kind a primitive has.
fn shapes(p: &Primitive, kind: Topology) -> usize {
    let corners = match p.topology {
        Topology::Triangles => 3,
        Topology::Lines => 2,
        Topology::Points => 1,
    };
    if p.topology == kind { p.indices.len() / corners } else { 0 }
}

/// Bytes of all lists.
fn memory(scene: &Scene) -> u64 {
    let part = |p: &Primitive| {
        let targets: usize = p.targets.iter().map(|t| t.positions.len() + t.normals.len() + t.tangents.len()).sum();
        let vertex = 12 * (p.positions.len() + p.normals.len() + targets) + 16 * (p.tangents.len() + p.colors.len());
        vertex + 4 * p.indices.len() + 8 * p.uvs.iter().map(Vec::len).sum::<usize>() + 6 * p.influences.joints.len()
    };
    let geometry: usize = scene.meshes.iter().flat_map(|mesh| &mesh.primitives).map(part).sum();
    let texels: usize = scene.images.iter().map(|image| image.rgba.len()).sum();
    let channels = scene.animations.iter().flat_map(|clip| &clip.channels);
    let keys: usize = channels.map(|c| 4 * (c.times.len() + numbers(&c.keys))).sum();
    (geometry + texels + keys) as u64
}

fn numbers(keys: &KeyframeValues) -> usize {
    match keys {
        KeyframeValues::Translation(list) | KeyframeValues::Scale(list) => 3 * list.len(),
        KeyframeValues::Rotation(list) => 4 * list.len(),
        KeyframeValues::Weights(_, list) => list.len(),
    }
}

/// A name as it may be shown, or the number of what has none.
fn named(kind: &str, i: usize, name: &str) -> String {
    let shown = printable(name).to_string();
    let short: String = shown.chars().take(48).collect();
    if short.is_empty() { format!("{kind} {i}") } else { short }
}

fn tree(scene: &Scene, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut depths: Vec<usize> = Vec::with_capacity(scene.nodes.len());
    for (i, node) in scene.nodes.iter().enumerate() {
        let depth = node.parent.map_or(0, |parent| depths[parent] + 1);
        depths.push(depth);
        if i >= SHOWN {
            continue;
        }
        let mut told = Vec::new();
        if let Some(mesh) = node.mesh {
            told.push(format!("mesh {}", named("number", mesh, &scene.meshes[mesh].name)));
        }
        if let Some(skin) = node.skin {
            told.push(format!("skin {}", named("number", skin, &scene.skins[skin].name)));
        }
        match node.lens.map(|lens| scene.lenses[lens]) {
            Some(Lens::Perspective { fovy, .. }) => told.push(format!("perspective camera of {:.1}°", fovy.to_degrees())),
            Some(Lens::Orthographic { .. }) => told.push("orthographic camera".into()),
            None => {}
        }
        let told = if told.is_empty() { String::new() } else { format!("  ({})", told.join(", ")) };
        writeln!(out, "  {}{}{told}", "  ".repeat(depth.min(24)), named("node", i, &node.name))?;
    }
    match scene.nodes.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => Ok(writeln!(out, "  … and {more} more")?),
    }
}

/// A table of at most so many rows, or none where there is nothing to tell.
fn table<T>(header: &[&str], list: &[T], row: impl Fn(usize, &T) -> Vec<String>) -> Option<Table> {
    let mut table = Table::new(header);
    list.iter().take(SHOWN).enumerate().for_each(|(i, item)| table.row(row(i, item)));
    if list.len() > SHOWN {
        table.row(vec![format!("… and {} more", list.len() - SHOWN)]);
    }
    (!list.is_empty()).then_some(table)
}

fn meshes(scene: &Scene) -> Option<Table> {
    table(&["mesh", "parts", "vertices", "triangles", "lines", "points", "targets"], &scene.meshes, |i, mesh: &Mesh| {
        let sum = |f: &dyn Fn(&Primitive) -> usize| count(mesh.primitives.iter().map(f).sum::<usize>() as u64);
        let mut row = vec![named("mesh", i, &mesh.name), count(mesh.primitives.len() as u64), sum(&|p| p.positions.len())];
        row.extend([Topology::Triangles, Topology::Lines, Topology::Points].map(|kind| sum(&|p| shapes(p, kind))));
        row.push(mesh.weights.len().to_string());
        row
    })
}

fn materials(scene: &Scene) -> Option<Table> {
    table(&["material", "base colour", "metallic", "roughness", "alpha", "sides", "textures"], &scene.materials, |i, m| {
        let textures = [
            ("colour", m.base_color_texture),
            ("metal and roughness", m.metallic_roughness_texture),
            ("normal", m.normal_texture),
            ("occlusion", m.occlusion_texture),
            ("emission", m.emissive_texture),
        ];
        let textures: Vec<&str> = textures.iter().filter(|(_, used)| used.is_some()).map(|(name, _)| *name).collect();
        let alpha = match m.alpha {
            monotile_scene::AlphaMode::Opaque => "opaque".to_string(),
            monotile_scene::AlphaMode::Mask(cutoff) => format!("mask {cutoff:.2}"),
            monotile_scene::AlphaMode::Blend => "blend".to_string(),
        };
        vec![
            named("material", i, &m.name),
            m.base_color.map(|x| format!("{x:.2}")).join(" "),
            format!("{:.2}", m.metallic),
            format!("{:.2}", m.roughness),
            alpha,
            if m.double_sided { "both" } else { "front" }.into(),
            textures.join(", "),
        ]
    })
}

fn textures(scene: &Scene) -> Option<Table> {
    table(&["texture", "texels", "in memory"], &scene.textures, |i, texture| {
        let image = &scene.images[texture.image];
        vec![named("texture", i, &image.name), format!("{} x {}", image.width, image.height), bytes(image.rgba.len() as u64)]
    })
}

fn skins(scene: &Scene) -> Option<Table> {
    table(&["skin", "joints"], &scene.skins, |i, skin| vec![named("skin", i, &skin.name), count(skin.joints.len() as u64)])
}

fn clips(scene: &Scene) -> Option<Table> {
    table(&["clip", "seconds", "channels", "keys"], &scene.animations, |i, clip| {
        let keys: usize = clip.channels.iter().map(|c| c.times.len()).sum();
        let seconds = format!("{:.3}", clip.duration);
        vec![named("clip", i, &clip.name), seconds, count(clip.channels.len() as u64), count(keys as u64)]
    })
}

fn object(scene: &Scene, about: &GltfInfo, bounds: Option<[[f32; 3]; 2]>) -> Value {
    let mesh = |m: &Mesh| {
        let sum = |f: &dyn Fn(&Primitive) -> usize| m.primitives.iter().map(f).sum::<usize>();
        json!({
            "name": m.name, "primitives": m.primitives.len(), "targets": m.weights.len(),
            "vertices": sum(&|p| p.positions.len()), "triangles": sum(&|p| shapes(p, Topology::Triangles)),
            "lines": sum(&|p| shapes(p, Topology::Lines)), "points": sum(&|p| shapes(p, Topology::Points)),
        })
    };
    let each = |list: &mut dyn Iterator<Item = Value>| list.collect::<Vec<_>>();
    json!({
        "version": about.version, "generator": about.generator, "copyright": about.copyright,
        "extensions": about.extensions, "bytes": about.bytes, "memory": memory(scene), "bounds": bounds, "unusual": about.notes.iter().map(|note| &note.sentence).collect::<Vec<_>>(),
        "lost": about.notes.iter().filter(|note| note.is_lossy).map(|note| &note.sentence).collect::<Vec<_>>(),
        "nodes": each(&mut scene.nodes.iter().map(|n| json!({"name": n.name, "parent": n.parent, "mesh": n.mesh, "skin": n.skin}))),
        "meshes": each(&mut scene.meshes.iter().map(mesh)),
        "materials": each(&mut scene.materials.iter().map(|m| json!({"name": m.name, "base_color": m.base_color}))),
        "textures": each(&mut scene.textures.iter().map(|t| {
            let image = &scene.images[t.image];
            json!({"name": image.name, "width": image.width, "height": image.height})
        })),
        "skins": each(&mut scene.skins.iter().map(|s| json!({"name": s.name, "joints": s.joints.len()}))),
        "clips": each(&mut scene.animations.iter().map(|c| json!({"name": c.name, "duration": c.duration, "channels": c.channels.len()}))),
    })
}
