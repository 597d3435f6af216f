//! Values of the command's options.

use std::time::Duration;

use monotile::DType;
use monotile::einsum::{Minimize, PathMethod};

/// A way to choose the order, or the order itself.
pub fn order(text: &str) -> Result<PathMethod, String> {
    Ok(match text {
        "auto" => PathMethod::Auto,
        "optimal" => PathMethod::Optimal,
        "greedy" => PathMethod::Greedy,
        "random-greedy" => PathMethod::RandomGreedy,
        "left-to-right" => PathMethod::LeftToRight,
        path => PathMethod::Pairs(pairs(path).ok_or(
            "the choices are auto, optimal, greedy, random-greedy, left-to-right, or pairs of positions as [(1, 2), (0, 1)]",
        )?),
    })
}

/// `[(1, 2), (0, 1)]`, also as NumPy prints it.
fn pairs(text: &str) -> Option<Vec<(usize, usize)>> {
    let text = text.replace("'einsum_path',", "");
    if !text.contains(['(', '[']) || text.contains(|c: char| !(c.is_ascii_digit() || " ,()[]".contains(c))) {
        return None;
    }
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).map(|n| n.parse().ok());
    let numbers = numbers.collect::<Option<Vec<usize>>>()?;
    numbers.len().is_multiple_of(2).then(|| numbers.chunks(2).map(|p| (p[0], p[1])).collect())
}

/// What is to be small.
pub fn minimize(text: &str) -> Result<Minimize, String> {
    match text {
        "operations" => Ok(Minimize::Operations),
        "memory" => Ok(Minimize::Memory),
        "both" => Ok(Minimize::Both),
        _ => Err("the choices are operations, memory and both".into()),
    }
}

/// A type of elements that is computed in.
pub fn dtype(text: &str) -> Result<DType, String> {
    match text {
        "f32" => Ok(DType::F32),
        "f64" => Ok(DType::F64),
        _ => Err("the choices are f32 and f64".into()),
    }
}

/// A size in memory: `4096`, `500MB`, `1.5GiB`.
pub fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let number: f64 = number.trim().parse().map_err(|_| "a size is a number and a unit: 500MB, 1.5GiB")?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err("units are B, KiB, MiB, GiB, TiB, KB, MB, GB and TB".into()),
    };
    let size = number * unit;
    if (0.0..=usize::MAX as f64).contains(&size) { Ok(size as usize) } else { Err("a size is not below 0, and finite".into()) }
}

/// A span of time.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "seconds are a number: 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

/// A shape an operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shapes(pub Vec<Vec<usize>>);

/// `512x8,8x512`; an empty shape is a scalar.
pub fn shapes(text: &str) -> Result<Shapes, String> {
    let refuse = |shape: &str| format!("{shape:?} is no shape; shapes are sizes joined by x, separated by commas: 512x8,8x512");
    let shape = |shape: &str| -> Result<Vec<usize>, String> {
        let shape = shape.trim();
        if shape.is_empty() {
            return Ok(Vec::new());
        }
        shape.split(['x', 'X', '×']).map(|n| n.trim().parse().map_err(|_| refuse(shape))).collect()
    };
    text.split(',').map(shape).collect::<Result<_, _>>().map(Shapes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_numpy_prints_them() {
        let path = Ok(PathMethod::Pairs(vec![(1, 2), (0, 1)]));
        for text in ["[(1, 2), (0, 1)]", "['einsum_path', (1, 2), (0, 1)]", "(1,2),(0,1)", "[[1,2],[0,1]]"] {
            assert_eq!(order(text), path);
        }
        assert_eq!(order("[]"), Ok(PathMethod::Pairs(vec![])));
        for text in ["best", "[(0, 1, 2)]", "", "0,1", "[(0, -1)]"] {
            assert!(order(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("1.5 kb"), Ok(1500));
        for text in ["", "GiB", "1 parsec", "-1", "NaN"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shapes_are_sizes_joined_by_x() {
        assert_eq!(shapes("512x8,,3"), Ok(Shapes(vec![vec![512, 8], vec![], vec![3]])));
        assert!(shapes("5x").unwrap_err().starts_with("\"5x\" is no shape"));
    }
}
