//! Meshes that a node draws many times (`EXT_mesh_gpu_instancing`): a node of its own for each.

use monotile::memory::list;
use monotile::{Error, Result, limits};

use super::accessor::Use;
use super::notes::{ImportIssue, Notes};
use super::source::Source;
use super::{called, fault, json, node, pick};
use crate::{Node, NodeTransform, NodeTrs};

/// What places instances; others (`_ID`, say) are for programs.
const KNOWN: [&str; 3] = ["TRANSLATION", "ROTATION", "SCALE"];

/// How many instances each node of the file has; 0 where it is drawn once, as it is.
pub fn counts(source: &Source<'_>, notes: &mut Notes) -> Result<Vec<usize>> {
    let root = source.root;
    let mut all = root.nodes.len() as u64;
    let mut counts = vec![0; root.nodes.len()];
    for (i, node) in root.nodes.iter().enumerate() {
        let Some(instancing) = node.extensions.instancing.as_ref().filter(|_| node.mesh.is_some()) else { continue };
        let within = |e: Error| e.with_context(called("node", i, &node.name));
        let Some(first) = KNOWN.iter().find_map(|name| instancing.attributes.get(*name)).filter(|_| node.skin.is_none()) else {
            notes.count(ImportIssue::BadInstances, 1, || called("node", i, &node.name).to_string());
            continue;
        };
        let count = pick(&root.accessors, *first, "accessor").map_err(within)?.count;
        all = all.saturating_add(count.0);
        limits::NODES.admit("nodes, with their instances", all).map_err(within)?;
        counts[i] = count.get();
    }
    Ok(counts)
}

/// The instances of a node, which stands at a place in the scene: its mesh, moved within its own space.
pub fn copies(source: &Source<'_>, from: &json::Node, (read, place): (&Node, usize), notes: &mut Notes) -> Result<Vec<Node>> {
    let Some(instancing) = &from.extensions.instancing else { return Ok(Vec::new()) };
    let find = |name: &str| instancing.attributes.get(name).copied();
    let within = |name: &'static str| move |e: Error| e.with_context(name).with_context("instances");
    let threes = |name| find(name).map(|at| source.floats::<3>(at, Use::Value).map_err(within(name))).transpose();
    let (translations, scales) = (threes(KNOWN[0])?, threes(KNOWN[2])?);
    // Rotations may be fractions in integers.
    let rotations = find(KNOWN[1]).map(|at| source.floats::<4>(at, Use::Fraction).map_err(within(KNOWN[1]))).transpose()?;
    let lengths = [translations.as_ref().map(Vec::len), rotations.as_ref().map(Vec::len), scales.as_ref().map(Vec::len)];
    let count = lengths.into_iter().flatten().next().unwrap_or(0);
    if lengths.into_iter().flatten().any(|length| length != count) {
        let shown: Vec<String> = KNOWN.iter().zip(lengths).filter_map(|(name, n)| Some(format!("{} of {name}", n?))).collect();
        return Err(fault(format!("its instances differ in number: {}", shown.join(", "))));
    }
    source.spend(count as u64, size_of::<Node>())?;
    let (mut copies, mut odd) = (list(count, "instances")?, 0);
    for i in 0..count {
        let rotation = rotations.as_ref().map_or(Ok(NodeTrs::default().rotation), |list| node::unit(list[i], |n| odd += n));
        let trs = NodeTrs {
            translation: translations.as_ref().map_or([0.0; 3], |list| list[i]),
            rotation: rotation.map_err(|e| e.with_context(format!("instance {i}")))?,
            scale: scales.as_ref().map_or([1.0; 3], |list| list[i]),
        };
        copies.push(Node {
            name: String::new(),
            parent: Some(place),
            local: NodeTransform::Trs(trs),
            mesh: read.mesh,
            weights: read.weights.clone(),
            ..Node::default()
        });
    }
    notes.count(ImportIssue::QuaternionLength, odd, || called("the instances of node", place, &from.name).to_string());
    Ok(copies)
}
