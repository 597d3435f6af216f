//! The hierarchy, and what hangs on it: skins and lenses.

use monotile::memory::{filled, list, reserve_exact};
use monotile::{Error, Result, limits};

use super::accessor::Use;
use super::notes::{ImportIssue, Notes};
use super::source::Source;
use super::uri::quoted;
use super::{called, fault, instance, json, pick, surface};
use crate::{Lens, Node, NodeTransform, NodeTrs, Scene, Skin};

/// What lists of nodes are called where there is no memory for them.
const NODES: &str = "nodes";

/// Reads lenses, skins and nodes, and tells where each node of the file is in the scene.
///
/// All nodes are there, as any may be a joint, but those outside of the file's scene draw nothing.
pub fn read(source: &Source<'_>, scene: &mut Scene, notes: &mut Notes, chosen: Option<&str>) -> Result<Vec<usize>> {
    let root = source.root;
    if root.nodes.is_empty() {
        return Err(fault("there is nothing in it: it has no nodes"));
    }
    for (i, camera) in root.cameras.iter().enumerate() {
        scene.lenses.push(lens(camera).map_err(|e| e.with_context(format!("camera {i}")))?);
    }
    limits::NODES.admit("nodes", root.nodes.len() as u64)?;
    let parents = parents(root)?;
    let order = order(root, &parents)?;
    let instances = instance::counts(source, notes)?;
    let mut places = filled(order.len(), 0, NODES)?;
    let mut next = 0;
    for &i in &order {
        places[i] = next;
        next += 1 + instances[i];
    }
    reserve_exact(&mut scene.nodes, next, NODES)?;
    for (i, skin) in root.skins.iter().enumerate() {
        let within = |e: Error| e.with_context(called("skin", i, &skin.name));
        let loose = |count| notes.count(ImportIssue::LooseMatrix, count, || called("skin", i, &skin.name).to_string());
        scene.skins.push(read_skin(source, skin, &places, loose).map_err(within)?);
    }
    let shown = reachable_nodes(root, (&order, &parents), chosen, notes)?;
    for &i in &order {
        let node = &root.nodes[i];
        let place = || called("node", i, &node.name).to_string();
        let mut read = one(scene, node, notes).map_err(|e| e.with_context(place()))?;
        read.parent = parents[i].map(|parent| places[parent]);
        if !shown[i] {
            (read.mesh, read.skin, read.lens) = (None, None, None);
            read.weights.clear();
        }
        let copies = match instances[i] {
            0 => Vec::new(),
            _ => instance::copies(source, node, (&read, places[i]), notes).map_err(|e| e.with_context(place()))?,
        };
        if !copies.is_empty() {
            (read.mesh, read.weights) = (None, Vec::new());
        }
        scene.nodes.push(read);
        scene.nodes.extend(copies);
    }
    Ok(places)
}

/// The parent of each node.
fn parents(root: &json::Root) -> Result<Vec<Option<usize>>> {
    let mut parents = filled(root.nodes.len(), None, NODES)?;
    for (i, node) in root.nodes.iter().enumerate() {
        for &child in &node.children {
            let within = |e: Error| e.with_context(called("node", i, &node.name));
            pick(&root.nodes, child, "node").map_err(within)?;
            if let Some(other) = parents[child.get()].replace(i) {
                return Err(fault(format!("node {} is a child of node {other} and of node {i}", child.0)));
            }
        }
    }
    Ok(parents)
}

/// Every node after its parent, each with its descendants behind it.
fn order(root: &json::Root, parents: &[Option<usize>]) -> Result<Vec<usize>> {
    let mut order = list(parents.len(), NODES)?;
    let mut depths = filled(parents.len(), 0_u64, NODES)?;
    let mut waiting = list(parents.len(), NODES)?;
    waiting.extend((0..parents.len()).rev().filter(|&i| parents[i].is_none()));
    while let Some(i) = waiting.pop() {
        order.push(i);
        depths[i] = parents[i].map_or(0, |parent| depths[parent] + 1);
        limits::DEPTH.admit("nodes below one another", depths[i])?;
        waiting.extend(root.nodes[i].children.iter().rev().map(|child| child.get()));
    }
    if order.len() == parents.len() {
        return Ok(order);
    }
    // Every node has at most one parent, so what no root leads to is on a circle or hangs on one.
    let mut reached = vec![false; parents.len()];
    order.iter().for_each(|&i| reached[i] = true);
    let mut i = reached.iter().position(|&reached| !reached).unwrap_or_default();
    let mut seen = vec![false; parents.len()];
    while !std::mem::replace(&mut seen[i], true) {
        i = parents[i].unwrap_or(i);
    }
    Err(fault(format!("node {i} contains itself")))
}

/// Which nodes are in the scene that is asked for by its name or number, or that the file names, else its first; all of them if it has no scenes.
fn reachable_nodes(
    root: &json::Root,
    (order, parents): (&[usize], &[Option<usize>]),
    wanted: Option<&str>,
    notes: &mut Notes,
) -> Result<Vec<bool>> {
    let number = match (wanted, root.scene) {
        (Some(wanted), _) => find(root, wanted)?,
        (None, Some(index)) => {
            pick(&root.scenes, index, "scene")?;
            index.get()
        }
        (None, None) if root.scenes.is_empty() => return Ok(vec![true; order.len()]),
        (None, None) => 0,
    };
    let chosen = &root.scenes[number];
    if root.scenes.len() > 1 {
        notes.add(format!("it has {} scenes, of which number {number}, counted from 0, is read", root.scenes.len()));
    }
    let mut shown = filled(order.len(), false, NODES)?;
    for &index in &chosen.nodes {
        pick(&root.nodes, index, "node").map_err(|e| e.with_context("scene"))?;
        shown[index.get()] = true;
    }
    for &i in order {
        shown[i] |= parents[i].is_some_and(|parent| shown[parent]);
    }
    match shown.iter().filter(|&&shown| !shown).count() {
        0 => {}
        1 => notes.add("1 node is not in the scene and draws nothing"),
        n => notes.add(format!("{n} nodes are not in the scene and draw nothing")),
    }
    Ok(shown)
}

/// The number of the scene that is called so, or has this number.
fn find(root: &json::Root, wanted: &str) -> Result<usize> {
    let scenes = &root.scenes;
    let by_number = || wanted.parse().ok().filter(|&number: &usize| number < scenes.len());
    scenes.iter().position(|scene| scene.name == wanted).or_else(by_number).ok_or_else(|| {
        let names: Vec<String> =
            (0..).zip(scenes).take(8).map(|(i, s)| if s.name.is_empty() { format!("{i}") } else { quoted(&s.name) }).collect();
        let more = if scenes.len() > names.len() { ", …" } else { "" };
        let has = if names.is_empty() { "none".to_string() } else { names.join(", ") };
        Error::value(format!("there is no scene {}; it has {has}{more}", quoted(wanted)))
    })
}

fn one(scene: &Scene, node: &json::Node, notes: &mut Notes) -> Result<Node> {
    let parts = node.translation.is_some() || node.rotation.is_some() || node.scale.is_some();
    let local = match node.matrix {
        Some(_) if parts => return Err(fault("it has both a matrix and parts of one")),
        Some(m) => {
            let (columns, loose) = affine(&m)?;
            notes.count(ImportIssue::LooseMatrix, usize::from(loose), || called("node", scene.nodes.len(), &node.name).to_string());
            NodeTransform::Matrix(columns)
        }
        None => {
            let rotation = node.rotation.unwrap_or(NodeTrs::default().rotation);
            NodeTransform::Trs(NodeTrs {
                translation: node.translation.unwrap_or_default(),
                rotation: unit(rotation, |odd| {
                    notes.count(ImportIssue::QuaternionLength, odd, || called("node", scene.nodes.len(), &node.name).to_string())
                })?,
                scale: node.scale.unwrap_or([1.0; 3]),
            })
        }
    };
    let mesh = node.mesh.map(|m| pick(&scene.meshes, m, "mesh").map(|_| m.get())).transpose()?;
    let skin = node.skin.map(|s| pick(&scene.skins, s, "skin").map(|_| s.get())).transpose()?;
    let lens = node.camera.map(|c| pick(&scene.lenses, c, "camera").map(|_| c.get())).transpose()?;
    Ok(Node { name: node.name.clone(), parent: None, local, mesh, skin, lens, weights: node.weights.clone() })
}

/// The columns of an affine matrix, and whether its last row was 0 0 0 1 only up to rounding.
fn affine(m: &[f32; 16]) -> Result<([[f32; 4]; 4], bool)> {
    let row = [m[3], m[7], m[11], m[15]];
    let last = [0.0, 0.0, 0.0, 1.0];
    if !row.iter().zip(last).all(|(x, wanted)| (x - wanted).abs() <= ROUNDED) {
        return Err(fault(format!("its matrix is projective: its last row is {row:?}, and 0, 0, 0, 1 is read")));
    }
    let mut columns: [[f32; 4]; 4] = std::array::from_fn(|column| std::array::from_fn(|row| m[4 * column + row]));
    (0..4).for_each(|column| columns[column][3] = last[column]);
    Ok((columns, row != last))
}

/// How far a last row may be off: what products of matrices in f32, and decimals in a file, round to.
const ROUNDED: f32 = 1e-4;

/// A quaternion of length 1, telling whether it was not.
pub fn unit(q: [f32; 4], odd: impl FnOnce(usize)) -> Result<[f32; 4]> {
    let length = q.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if !(length > 0.0) || !length.is_finite() {
        return Err(fault(format!("the quaternion {q:?}, which is no rotation")));
    }
    odd(usize::from((length - 1.0).abs() > f64::from(surface::LOOSE)));
    Ok(q.map(|x| (f64::from(x) / length) as f32))
}

fn read_skin(source: &Source<'_>, skin: &json::Skin, places: &[usize], loose: impl FnOnce(usize)) -> Result<Skin> {
    if skin.joints.is_empty() || skin.joints.len() > 1 << 16 {
        return Err(fault(format!("{} joints, and a skin has 1 to 65536", skin.joints.len())));
    }
    let joints = skin.joints.iter().map(|&j| pick(places, j, "node").copied()).collect::<Result<Vec<_>>>()?;
    let identity = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    let inverse_bind = match skin.inverse_bind_matrices {
        None => vec![identity; joints.len()],
        Some(at) => {
            let matrices = source.floats::<16>(at, Use::Value).map_err(|e| e.with_context("inverse bind matrices"))?;
            if matrices.len() < joints.len() {
                return Err(fault(format!("{} inverse bind matrices for {} joints", matrices.len(), joints.len())));
            }
            let within = |(i, m)| affine(m).map_err(|e| e.with_context(format!("inverse bind matrix {i}")));
            let read = matrices[..joints.len()].iter().enumerate().map(within).collect::<Result<Vec<_>>>()?;
            loose(read.iter().filter(|(_, loose)| *loose).count());
            read.into_iter().map(|(columns, _)| columns).collect()
        }
    };
    Ok(Skin { name: skin.name.clone(), joints, inverse_bind })
}

fn lens(camera: &json::Camera) -> Result<Lens> {
    match (&camera.perspective, &camera.orthographic) {
        (Some(p), _) => {
            let lens = Lens::Perspective { fovy: p.yfov, near: p.znear, far: p.zfar };
            let fits = 0.0 < p.yfov && p.yfov < std::f32::consts::PI && 0.0 < p.znear && p.zfar.is_none_or(|far| p.znear < far);
            if fits { Ok(lens) } else { Err(fault(format!("{lens:?} sees nothing"))) }
        }
        (None, Some(o)) => {
            let lens = Lens::Orthographic { half_height: o.ymag.abs(), near: o.znear, far: o.zfar };
            let fits = o.ymag != 0.0 && 0.0 <= o.znear && o.znear < o.zfar;
            if fits { Ok(lens) } else { Err(fault(format!("{lens:?} sees nothing"))) }
        }
        (None, None) => Err(fault("it is neither perspective nor orthographic")),
    }
}
