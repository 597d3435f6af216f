//! A step of a camera's twist: about what the camera sees, so that its rotation does not shift the picture.
//!
//! Twists of all cameras are about one point, by which the world is held. What a camera sees lies before that point. A rotation about the point shifts the picture, and a
//! shift takes it back: two numbers that fight. About the middle of what is seen they are nearly independent, and shifts may be the faster ones.

use monotile_kernels::adam::{AdamColumns, AdamRule, adam};

/// The decays of the averages of twists: a view is seen few times, and from far its gradients were of another size.
const BETAS: [f64; 2] = [0.9, 0.99];
/// How much farther a step shifts, in units of the half width of what is seen, than it rotates in radians.
const SHIFT: f64 = 4.0;

/// How a twist is moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoseStep {
    /// Radians.
    pub rate: f64,
    /// The half width of what cameras see, where they look.
    pub radius: f64,
    /// The way from what the camera sees to the point that twists are about.
    pub lever: [f64; 3],
    /// The number of the step, from 1.
    pub number: u64,
    pub epsilon: f64,
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

impl PoseStep {
    /// Moves a twist, a translation and a rotation, along the gradient by it.
    ///
    /// ```text
    /// t + ω × (x − c) = t′ + ω × (x − p),  l = c − p:   t = t′ + ω × l,   ∂/∂ω about p = ∂/∂ω + l × ∂/∂t
    /// ```
    pub fn apply(&self, twist: &mut [f64], [means, squares]: [&mut [f64]; 2], gradient: &[f64; 6]) {
        let [x, y, z, of_rotation @ ..] = *gradient;
        let more = cross(self.lever, [x, y, z]);
        let about: [f64; 3] = std::array::from_fn(|k| of_rotation[k] + more[k]);
        let (turn, shift) = (self.rate, SHIFT * self.rate * self.radius);
        let mut by = [0.0; 6];
        let rule = AdamRule { betas: BETAS, epsilon: self.epsilon, step: self.number };
        let gradient = [x, y, z, about[0], about[1], about[2]];
        adam(rule, &[shift, shift, shift, turn, turn, turn], &gradient, AdamColumns { values: &mut by[..], means, squares });
        let carried = cross([by[3], by[4], by[5]], self.lever);
        (0..3).for_each(|k| by[k] += carried[k]);
        twist.iter_mut().zip(by).for_each(|(x, by)| *x += by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient about another point is that of the same motions: a step is along both.
    #[test]
    fn a_rotation_is_about_what_is_seen() {
        let step = PoseStep { rate: 1e-3, radius: 2.0, lever: [0.0, 0.0, 1.5], number: 1, epsilon: 1e-15 };
        // A gradient by the rotation about y alone at the point that is seen: about c = p + l it shifts, too.
        let of_rotation = [0.0, -1.0, 0.0];
        let mut twist = [0.0; 6];
        step.apply(&mut twist, [&mut [0.0; 6], &mut [0.0; 6]], &[0.0, 0.0, 0.0, of_rotation[0], of_rotation[1], of_rotation[2]]);
        // ω = (0, 1e-3, 0), and t = ω × l holds what is seen where it is.
        let expected = [1.5e-3, 0.0, 0.0, 0.0, 1e-3, 0.0];
        assert!(twist.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-12), "{twist:?}");
        // A gradient by the shift alone is one by the rotation, too: l × (1, 0, 0) = (0, 1.5, 0).
        let mut twist = [0.0; 6];
        step.apply(&mut twist, [&mut [0.0; 6], &mut [0.0; 6]], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!((twist[4] + 1e-3).abs() < 1e-12 && (twist[0] + 8e-3 + 1.5e-3).abs() < 1e-12, "{twist:?}");
    }
}
