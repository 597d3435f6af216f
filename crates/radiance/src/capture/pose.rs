//! Poses of cameras as matrices and as quaternions.

/// Rows of a matrix.
pub(super) type Matrix = [[f64; 4]; 4];

/// How far a matrix may be from a rotation, in each product of its columns: files have numbers of f32, and those of Blender are less exact.
const SLACK: f64 = 1e-3;

/// The inverse of a pose that may scale alike in all directions; V has no scale then, and the world keeps its own.
///
/// # Errors
/// The end of a sentence that begins with the matrix.
pub(super) fn inverse_pose(pose: &Matrix) -> Result<Matrix, String> {
    if pose.iter().flatten().any(|x| !x.is_finite()) {
        return Err("is not finite".to_owned());
    }
    if pose[3] != [0.0, 0.0, 0.0, 1.0] {
        return Err(format!("has the last row {:?}, and that of a pose is 0, 0, 0, 1", pose[3]));
    }
    let column = |j: usize| [pose[0][j], pose[1][j], pose[2][j]];
    let [x, y, z] = [column(0), column(1), column(2)];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    let volume = dot(cross, z);
    let scale = volume.abs().cbrt();
    if !(scale > 1e-12) {
        return Err("cannot be inverted".to_owned());
    }
    if volume < 0.0 {
        return Err("is a reflection: its determinant is below 0".to_owned());
    }
    let square = scale * scale;
    let products = [dot(x, x) / square - 1.0, dot(y, y) / square - 1.0, dot(z, z) / square - 1.0];
    let mixed = [dot(x, y) / square, dot(y, z) / square, dot(x, z) / square];
    if products.into_iter().chain(mixed).any(|off| !(off.abs() <= SLACK)) {
        return Err("is no rotation: its columns are not orthogonal and of one length".to_owned());
    }
    let eye = column(3);
    let row = |axis: [f64; 3]| {
        let axis = axis.map(|k| k / scale);
        [axis[0], axis[1], axis[2], -dot(axis, eye)]
    };
    Ok([row(x), row(y), row(z), [0.0, 0.0, 0.0, 1.0]])
}

/// Rows 1 and 2 negated: from axes with y down and z forward to those of glTF, and back.
pub(super) fn flipped(view: &Matrix) -> Matrix {
    let negative = |row: [f64; 4]| row.map(|x| -x);
    [view[0], negative(view[1]), negative(view[2]), view[3]]
}

/// The rotation of a quaternion w, x, y, z of any length but 0.
pub(super) fn rotation(q: [f64; 4]) -> Option<[[f64; 3]; 3]> {
    // Of the largest part, so that no square overflows.
    let largest = q.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let length = largest * q.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt();
    if !(length > 0.0 && length.is_finite()) {
        return None;
    }
    let [w, x, y, z] = q.map(|x| x / length);
    Some([
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ])
}

/// The quaternion w, x, y, z of a rotation, w not below 0, by the largest of its four parts.
pub(super) fn quaternion(r: [[f64; 3]; 3]) -> [f64; 4] {
    let squares = [
        1.0 + r[0][0] + r[1][1] + r[2][2],
        1.0 + r[0][0] - r[1][1] - r[2][2],
        1.0 - r[0][0] + r[1][1] - r[2][2],
        1.0 - r[0][0] - r[1][1] + r[2][2],
    ];
    let largest = (1..4).fold(0, |best, k| if squares[k] > squares[best] { k } else { best });
    let (xy, xz, yz) = (r[0][1] + r[1][0], r[0][2] + r[2][0], r[1][2] + r[2][1]);
    let (wx, wy, wz) = (r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
    let s = squares[largest];
    let q = match largest {
        0 => [s, wx, wy, wz],
        1 => [wx, s, xy, xz],
        2 => [wy, xy, s, yz],
        _ => [wz, xz, yz, s],
    };
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let sign = if q[0] < 0.0 { -1.0 } else { 1.0 };
    q.map(|x| sign * x / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quaternions_give_rotations_and_back() {
        for q in [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
            [0.5, -0.5, 0.5, 0.5],
            [0.1, 0.7, -0.5, 0.5],
            [0.1, 0.2, 0.9, -0.4],
            [1e-200, 2e-200, 0.0, -5e-200],
        ] {
            let r = rotation(q).unwrap();
            let most = q.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let length = q.iter().map(|x| (x / most) * (x / most)).sum::<f64>().sqrt() * most;
            for (found, x) in quaternion(r).iter().zip(q) {
                assert!((found - x / length).abs() < 1e-15, "{q:?}");
            }
        }
        assert_eq!(rotation([0.0; 4]), None);
        assert_eq!(rotation([f64::NAN, 0.0, 0.0, 0.0]), None);
    }
}
