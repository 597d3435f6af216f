//! How it walks and waves: rotations as functions of time, kept as keys.

use std::f32::consts::TAU;

use glam::Quat;

use super::{BONES, CHEST, HEAD, HIPS, LEFT, RIGHT, SPINE, node};
use crate::{Animation, Channel, Interpolation, KeyframeValues};

/// Keys a second.
const RATE: f32 = 12.0;

/// How far arms are turned down from where they are at rest.
const DOWN: f32 = 0.42;

/// A clip in the making.
struct Motion {
    clip: Animation,
}

impl Motion {
    fn new(name: &str, duration: f32) -> Self {
        Self { clip: Animation { name: name.into(), duration, channels: Vec::new() } }
    }

    fn times(&self) -> Vec<f32> {
        let keys = (self.clip.duration * RATE).round() as usize;
        (0..=keys).map(|i| i as f32 / RATE).collect()
    }

    /// Turns a bone about x, y and z by angles that depend on the part of the clip that has passed.
    fn rotate(&mut self, bone: usize, angles: impl Fn(f32) -> [f32; 3]) {
        let times = self.times();
        let key = |time: &f32| {
            let [x, y, z] = angles(time / self.clip.duration);
            (Quat::from_rotation_z(z) * Quat::from_rotation_y(y) * Quat::from_rotation_x(x)).to_array()
        };
        let keys = KeyframeValues::Rotation(times.iter().map(key).collect());
        self.clip.channels.push(Channel { node: node(bone), times, keys, interpolation: Interpolation::Linear });
    }

    /// Lifts the hips.
    fn lift(&mut self, height: impl Fn(f32) -> f32) {
        let times = self.times();
        let [x, y, z] = BONES[HIPS].2;
        let keys = KeyframeValues::Translation(times.iter().map(|time| [x, y + height(time / self.clip.duration), z]).collect());
        self.clip.channels.push(Channel { node: node(HIPS), times, keys, interpolation: Interpolation::Linear });
    }
}

/// Two steps. A leg that swings forward turns about −x; its knee gives way while it is in the air.
pub fn walk() -> Animation {
    let mut motion = Motion::new("walk", 1.0);
    for (side, start, [arm, forearm, thigh, shin, foot]) in [(1.0, 0.0, LEFT), (-1.0, 0.5, RIGHT)] {
        let wave = move |t: f32, ahead: f32| (TAU * (t + start + ahead)).sin();
        let knee = move |t: f32| 0.12 + 0.75 * wave(t, 0.22).max(0.0).powi(2);
        motion.rotate(thigh, |t| [-0.08 - 0.48 * wave(t, 0.0), 0.0, 0.0]);
        motion.rotate(shin, |t| [knee(t), 0.0, 0.0]);
        motion.rotate(foot, |t| [0.06 + 0.4 * wave(t, 0.0) - 0.8 * knee(t) + 0.02, 0.0, 0.0]);
        motion.rotate(arm, |t| [0.45 * wave(t, 0.0), 0.0, -side * DOWN]);
        motion.rotate(forearm, |t| [-0.35 + 0.2 * wave(t, 0.0), 0.0, 0.0]);
    }
    motion.lift(|t| -0.025 + 0.018 * (2.0 * TAU * (t + 0.25)).cos());
    motion.rotate(HIPS, |t| [0.0, -0.10 * (TAU * t).sin(), 0.03 * (TAU * t).cos()]);
    motion.rotate(SPINE, |t| [0.05, 0.09 * (TAU * t).sin(), -0.03 * (TAU * t).cos()]);
    motion.rotate(CHEST, |t| [0.02, 0.10 * (TAU * t).sin(), 0.0]);
    motion.rotate(HEAD, |t| [-0.05, -0.09 * (TAU * t).sin(), 0.0]);
    motion.clip
}

/// The right arm is up, and its forearm goes to and fro.
pub fn wave() -> Animation {
    let mut motion = Motion::new("wave", 2.0);
    let [_, _, thigh, shin, _] = LEFT;
    motion.rotate(LEFT[0], |t| [0.05 * (TAU * t).sin(), 0.0, -DOWN]);
    motion.rotate(LEFT[1], |_| [-0.2, 0.0, 0.0]);
    motion.rotate(RIGHT[0], |t| [0.0, 0.0, -1.75 - 0.06 * (2.0 * TAU * t).sin()]);
    motion.rotate(RIGHT[1], |t| [0.0, 0.0, -0.75 + 0.5 * (2.0 * TAU * t).sin()]);
    motion.rotate(HEAD, |t| [0.03 * (TAU * t).sin(), 0.12, -0.10 - 0.04 * (2.0 * TAU * t).sin()]);
    motion.rotate(SPINE, |t| [0.0, 0.0, 0.03 + 0.02 * (TAU * t).sin()]);
    motion.rotate(thigh, |_| [-0.04, 0.0, 0.05]);
    motion.rotate(shin, |_| [0.05, 0.0, 0.0]);
    motion.clip
}
