//! Rotations between rotations.

/// The rotation between two unit quaternions, on the shorter great arc (Shoemake 1985).
///
/// ```text
/// θ = 2 atan2(|a − b|, |a + b|)      a sin((1 − t) θ) / sin θ + b sin(t θ) / sin θ
/// ```
///
/// The quotients are those of sin(x)/x, so nothing is special where the rotations are nearly the same. a and −a are one rotation, and so
/// θ is at most a right angle and sin θ is 0 at 0 only.
pub(crate) fn slerp(a: [f32; 4], mut b: [f32; 4], t: f32) -> [f32; 4] {
    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    if dot < 0.0 {
        b = b.map(|x| -x);
    }
    let length = |sign: f32| a.iter().zip(b).map(|(a, b)| (a + sign * b).powi(2)).sum::<f32>().sqrt();
    let angle = 2.0 * length(-1.0).atan2(length(1.0));
    let whole = sinc(angle);
    let (of_a, of_b) = ((1.0 - t) * sinc((1.0 - t) * angle) / whole, t * sinc(t * angle) / whole);
    std::array::from_fn(|i| of_a * a[i] + of_b * b[i])
}

/// sin(x)/x, and 1 at 0.
fn sinc(x: f32) -> f32 {
    if x == 0.0 { 1.0 } else { x.sin() / x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(axis: [f64; 3], angle: f64) -> [f64; 4] {
        let (sin, cos) = (angle / 2.0).sin_cos();
        [axis[0] * sin, axis[1] * sin, axis[2] * sin, cos]
    }

    /// Between rotations about one axis lies a rotation about that axis; 4 ulp of f32 are 5e-7.
    #[test]
    fn a_turn_about_one_axis_is_cut_where_it_should_be() {
        let axis = [2.0 / 7.0, -3.0 / 7.0, 6.0 / 7.0];
        for angle in [0.0, 1e-30, 1e-7, 1e-3, 0.5, 2.0, 3.0, std::f64::consts::PI - 6e-7] {
            for t in [0.0, 0.25, 0.5, 0.9, 1.0] {
                let [a, b] = [about(axis, 0.3), about(axis, 0.3 + angle)].map(|q| q.map(|x| x as f32));
                let wanted = about(axis, 0.3 + f64::from(t) * angle);
                for (found, wanted) in slerp(a, b, t).iter().zip(wanted) {
                    assert!((f64::from(*found) - wanted).abs() < 5e-7, "{angle} at {t}: {found} for {wanted}");
                }
                let turned = slerp(a, b.map(|x| -x), t);
                assert_eq!(turned, slerp(a, b, t), "the other quaternion of the same rotation");
            }
        }
    }

    #[test]
    fn the_ends_are_met() {
        let (a, b) = ([0.6, 0.0, 0.0, 0.8], [0.0, 0.8, 0.6, 0.0]);
        assert_eq!(slerp(a, b, 0.0), a);
        assert_eq!(slerp(a, b, 1.0), b);
    }
}
