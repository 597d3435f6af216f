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
