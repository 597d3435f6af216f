//! Rotations between rotations.

use monotile_kernels::transform::slerp::weights;

/// The rotation between two quaternions of about length 1, on the shorter great arc: in f64, and by the cosine between them, so that what lengths lack does
/// not count as an angle.
pub(crate) fn slerp(a: [f32; 4], b: [f32; 4], t: f32) -> [f32; 4] {
    let [a, b] = [a, b].map(|q| q.map(f64::from));
    let dot = |a: [f64; 4], b: [f64; 4]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [first, last] = weights(dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(), t.into());
    std::array::from_fn(|i| (first * a[i] + last * b[i]) as f32)
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
