//! Where clips put the nodes of a scene.

mod sample;
mod slerp;

pub(crate) use slerp::slerp;

use crate::{Animation, KeyframeValues, NodeTransform, NodeTrs, Pose};

impl Animation {
    /// Moves a pose to where the clip is at a time; what the clip does not move stays.
    ///
    /// Before the first key of a channel its first value holds, after the last one its last. The pose must be of the clip's scene.
    ///
    /// # Example
    /// ```
    /// use monotile_scene::{Pose, Scene};
    /// let scene = Scene::figure();
    /// let mut pose = Pose::rest(&scene);
    /// let walk = &scene.animations[0];
    /// walk.sample(walk.looped(3.25), &mut pose);
    /// assert_ne!(pose, Pose::rest(&scene));
    /// ```
    pub fn sample(&self, seconds: f32, pose: &mut Pose) {
        for channel in &self.channels {
            if let KeyframeValues::Weights(width, _) = channel.keys {
                let weights = &mut pose.weights[channel.node];
                weights.resize(width, 0.0);
                channel.sample(seconds, weights);
                continue;
            }
            let NodeTransform::Trs(NodeTrs { translation, rotation, scale }) = &mut pose.locals[channel.node] else { continue };
            match channel.keys {
                KeyframeValues::Rotation(_) => channel.sample(seconds, rotation),
                KeyframeValues::Scale(_) => channel.sample(seconds, scale),
                _ => channel.sample(seconds, translation),
            }
        }
    }

    /// The time within the clip when it is repeated without end: `seconds` modulo the duration.
    pub fn looped(&self, seconds: f32) -> f32 {
        if self.duration > 0.0 { seconds.rem_euclid(self.duration) } else { 0.0 }
    }
}

impl Pose {
    /// The pose between this one (0) and another (1) of the same scene: rotations on the shorter great arc, the rest on straight lines.
    ///
    /// Places that are matrices are those of this pose.
    ///
    /// # Example
    /// ```
    /// use monotile_scene::{Pose, Scene};
    /// let scene = Scene::figure();
    /// let (mut walking, mut waving) = (Pose::rest(&scene), Pose::rest(&scene));
    /// scene.animations[0].sample(0.25, &mut walking);
    /// scene.animations[1].sample(0.5, &mut waving);
    /// assert_eq!(walking.blend(&waving, 0.0), walking);
    /// ```
    #[must_use]
    pub fn blend(&self, other: &Self, weight: f32) -> Self {
        let local = |(a, b): (&NodeTransform, &NodeTransform)| match (a, b) {
            (NodeTransform::Trs(a), NodeTransform::Trs(b)) => NodeTransform::Trs(a.blend(b, weight)),
            _ => *a,
        };
        let locals = self.locals.iter().zip(&other.locals).map(local).collect();
        let weights = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| lerp(*a, *b, weight)).collect();
        Self { locals, weights: self.weights.iter().zip(&other.weights).map(weights).collect() }
    }
}

impl NodeTrs {
    fn blend(&self, other: &Self, weight: f32) -> Self {
        let line = |a: [f32; 3], b: [f32; 3]| std::array::from_fn(|i| lerp(a[i], b[i], weight));
        Self {
            translation: line(self.translation, other.translation),
            rotation: slerp(self.rotation, other.rotation, weight),
            scale: line(self.scale, other.scale),
        }
    }
}

/// Exact at both ends.
fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}
