//! Clips.

use monotile::{Error, Result};

use super::accessor::Use;
use super::notes::{ImportIssue, Notes};
use super::source::Source;
use super::{called, fault, json, node, pick};
use crate::{Animation, Channel, Interpolation, KeyframeValues, NodeTransform, Scene};

/// Reads all clips, after the nodes; `places` says where each node of the file is in the scene.
pub fn read(source: &Source<'_>, places: &[usize], scene: &mut Scene, notes: &mut Notes) -> Result<()> {
    for (i, animation) in source.root.animations.iter().enumerate() {
        let place = called("animation", i, &animation.name).to_string();
        let mut clip = Animation { name: animation.name.clone(), ..Animation::default() };
        for (number, channel) in animation.channels.iter().enumerate() {
            let within = |e: Error| e.within(format!("channel {number}")).within(&place);
            let keyframes = pick(&animation.samplers, channel.sampler, "sampler").map_err(within)?;
            match one(source, scene, (channel, keyframes), (places, notes)).map_err(within)? {
                Some(channel) => {
                    let equal = channel.times.windows(2).filter(|t| t[0] == t[1]).count();
                    notes.count(ImportIssue::EqualTimes, equal, || place.clone());
                    clip.duration = clip.duration.max(channel.times.last().copied().unwrap_or_default());
                    clip.channels.push(channel);
                }
                None => notes.count(ImportIssue::StrayChannel, 1, || place.clone()),
            }
        }
        scene.animations.push(clip);
    }
    Ok(())
}

/// One channel, or none where it moves what is not known here: no node, or a property of an extension.
fn one(
    source: &Source<'_>,
    scene: &Scene,
    (channel, keyframes): (&json::Channel, &json::Keyframes),
    (places, notes): (&[usize], &mut Notes),
) -> Result<Option<Channel>> {
    let Some(target) = channel.target.node else { return Ok(None) };
    let target = *pick(places, target, "node")?;
    let node = &scene.nodes[target];
    let interpolation = match keyframes.interpolation.as_deref() {
        None | Some("LINEAR") => Interpolation::Linear,
        Some("STEP") => Interpolation::Step,
        Some("CUBICSPLINE") => Interpolation::Cubic,
        Some(other) => return Err(fault(format!("interpolation {}, which glTF does not have", super::uri::quoted(other)))),
    };
    let threes = |at| source.floats::<3>(at, Use::Value);
    let keys = match channel.target.path.as_str() {
        "translation" => threes(keyframes.output).map(KeyframeValues::Translation),
        "scale" => threes(keyframes.output).map(KeyframeValues::Scale),
        "rotation" => source.floats::<4>(keyframes.output, Use::Value).map(KeyframeValues::Rotation),
        "weights" => {
            // A node outside of the scene has no mesh any more, and nothing to weigh.
            // A mesh without targets has nothing to weigh either.
            let Some(mesh) = node.mesh.filter(|&mesh| !scene.meshes[mesh].weights.is_empty()) else { return Ok(None) };
            let numbers = source.floats::<1>(keyframes.output, Use::Value);
            numbers.map(|list| KeyframeValues::Weights(scene.meshes[mesh].weights.len(), list.into_iter().flatten().collect()))
        }
        _ => return Ok(None),
    };
    let mut keys = keys.map_err(|e| e.within("keys"))?;
    if matches!(node.local, NodeTransform::Matrix(_)) && !matches!(keys, KeyframeValues::Weights(..)) {
        return Err(fault(format!("{} has a matrix, which cannot be animated", called("node", target, &node.name))));
    }
    if let (KeyframeValues::Rotation(list), true) = (&mut keys, interpolation != Interpolation::Cubic) {
        for q in list {
            *q = node::unit(*q, |odd| {
                notes.count(ImportIssue::QuaternionLength, odd, || called("the keys of node", target, &node.name).to_string())
            })?;
        }
    }
    let times: Vec<f32> =
        source.floats::<1>(keyframes.input, Use::Value).map_err(|e| e.within("times"))?.into_iter().flatten().collect();
    Ok(Some(Channel { node: target, times, keys, interpolation }))
}
