//! The value of a channel at a time.

use super::{lerp, slerp};
use crate::{Channel, Interpolation, KeyframeValues};

/// Where a time lies among keys.
enum KeyframeInterval {
    /// At a key, or beyond the first or the last.
    At(usize),
    /// After a key and before the next, `seconds` later: a part of the way.
    Between(usize, f32, f32),
}

impl KeyframeValues {
    /// All numbers, key after key.
    pub(crate) fn numbers(&self) -> &[f32] {
        match self {
            Self::Translation(keys) | Self::Scale(keys) => keys.as_flattened(),
            Self::Rotation(keys) => keys.as_flattened(),
            Self::Weights(_, keys) => keys,
        }
    }
}

impl Channel {
    /// Writes the value at a time: as many numbers as a key has.
    pub(super) fn sample(&self, seconds: f32, out: &mut [f32]) {
        let width = out.len();
        let numbers = self.keys.numbers();
        let rotates = matches!(self.keys, KeyframeValues::Rotation(_));
        let cubic = self.interpolation == Interpolation::Cubic;
        let nth = |i: usize| &numbers[i * width..][..width];
        let value = |key: usize| if cubic { nth(3 * key + 1) } else { nth(key) };
        match (self.place(seconds), self.interpolation) {
            (KeyframeInterval::At(key), _) | (KeyframeInterval::Between(key, ..), Interpolation::Step) => {
                out.copy_from_slice(value(key))
            }
            (KeyframeInterval::Between(key, _, t), Interpolation::Linear) if rotates => {
                let quaternion = |key| std::array::from_fn(|i| value(key)[i]);
                out.copy_from_slice(&slerp(quaternion(key), quaternion(key + 1), t));
            }
            (KeyframeInterval::Between(key, _, t), Interpolation::Linear) => {
                let ends = value(key).iter().zip(value(key + 1));
                out.iter_mut().zip(ends).for_each(|(out, (a, b))| *out = lerp(*a, *b, t));
            }
            (KeyframeInterval::Between(key, span, t), Interpolation::Cubic) => {
                let (leaving, arriving) = (nth(3 * key + 2), nth(3 * key + 3));
                let [h_a, h_out, h_b, h_in] = hermite(t);
                for (i, out) in out.iter_mut().enumerate() {
                    *out = h_a * value(key)[i] + h_b * value(key + 1)[i] + span * (h_out * leaving[i] + h_in * arriving[i]);
                }
            }
        }
        if rotates && cubic {
            make_unit(out);
        }
    }

    fn place(&self, seconds: f32) -> KeyframeInterval {
        let times = &self.times;
        // Keys that are not later; NaN is later than none, and so before all.
        match times.partition_point(|&time| time <= seconds) {
            0 => KeyframeInterval::At(0),
            n if n == times.len() || times[n - 1] == seconds => KeyframeInterval::At(n - 1),
            n => {
                let span = times[n] - times[n - 1];
                KeyframeInterval::Between(n - 1, span, (seconds - times[n - 1]) / span)
            }
        }
    }
}

/// The weights of value, tangent (a second), next value, its tangent, after a part t of the way.
fn hermite(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [2.0 * t3 - 3.0 * t2 + 1.0, t3 - 2.0 * t2 + t, 3.0 * t2 - 2.0 * t3, t3 - t2]
}

/// A spline leaves the unit sphere between its keys; a quaternion that vanishes there is no rotation at all.
fn make_unit(q: &mut [f32]) {
    let length = q.iter().map(|x| x * x).sum::<f32>().sqrt();
    match length > 0.0 && length.is_finite() {
        true => q.iter_mut().for_each(|x| *x /= length),
        false => q.copy_from_slice(&[0.0, 0.0, 0.0, 1.0]),
    }
}
