//! Tensors as people read them: nested rows with aligned numbers, long ones shortened, as NumPy prints arrays.

use std::fmt;

use super::{DType, Tensor};

/// More elements than this are shortened ...
const THRESHOLD: usize = 1000;
/// ... to this many at each end of every long dimension.
const EDGE: usize = 3;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "[] of shape {:?}, {}", self.shape(), self.dtype());
        }
        let shorten = self.len() > THRESHOLD;
        let shown = |&n: &usize| -> Vec<Option<usize>> {
            if shorten && n > 2 * EDGE {
                return (0..EDGE).map(Some).chain([None]).chain((n - EDGE..n).map(Some)).collect();
            }
            (0..n).map(Some).collect()
        };
        let indices: Vec<_> = self.shape().iter().map(shown).collect();
        let mut values = Vec::new();
        self.gather_shown(&indices, &mut values);
        let cells = format_cells(&values, self.dtype());
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        write_nested(f, &indices, 0, &mut cells.iter(), width)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} {:?}\n{self}", self.dtype(), self.shape())
    }
}

impl Tensor {
    /// The values at the indices shown, in row-major order.
    fn gather_shown(&self, indices: &[Vec<Option<usize>>], values: &mut Vec<f64>) {
        let Some((first, rest)) = indices.split_first() else {
            values.extend(self.to_f64_vec().expect("memory for one number"));
            return;
        };
        for &i in first.iter().flatten() {
            let part = self.detach().select(0, i).expect("the index is below the size of its dimension");
            part.gather_shown(rest, values);
        }
    }
}

/// The numbers as text of one form: all fixed with as many decimals as they need (at most 4), or all in powers of ten.
fn format_cells(values: &[f64], dtype: DType) -> Vec<String> {
    match dtype {
        DType::Bool => return values.iter().map(|&x| (x != 0.0).to_string()).collect(),
        DType::I64 => return values.iter().map(|x| format!("{x}")).collect(),
        _ => {}
    }
    let finite = || values.iter().copied().filter(|x| x.is_finite() && *x != 0.0).map(f64::abs);
    let (largest, smallest) = (finite().fold(0.0, f64::max), finite().fold(f64::INFINITY, f64::min));
    // NumPy's bounds for leaving the fixed form.
    let scientific = largest >= 1e8 || (smallest < 1e-4 && smallest > 0.0) || largest / smallest > 1e6;
    let decimals = (0..4).find(|&d| finite().all(|x| ((x * 10f64.powi(d)).fract()).abs() < 1e-9)).unwrap_or(4);
    let cell = |&x: &f64| match x {
        x if x.is_nan() => "nan".to_string(),
        x if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.to_string(),
        x if scientific => format!("{x:.4e}"),
        x if decimals == 0 => format!("{x:.0}."),
        x => format!("{x:.*}", decimals as usize),
    };
    values.iter().map(cell).collect()
}

fn write_nested<'a>(
    f: &mut fmt::Formatter<'_>,
    indices: &[Vec<Option<usize>>],
    depth: usize,
    cells: &mut impl Iterator<Item = &'a String>,
    width: usize,
) -> fmt::Result {
    let Some((first, rest)) = indices.split_first() else {
        return cells.next().map_or(Ok(()), |cell| write!(f, "{cell:>width$}"));
    };
    f.write_str("[")?;
    for (i, index) in first.iter().enumerate() {
        if i > 0 {
            match rest.len() {
                0 => f.write_str(", ")?,
                // One empty line a level between blocks, as deep as the opening brackets.
                n => write!(f, ",{}{}", "\n".repeat(n), " ".repeat(depth + 1))?,
            }
        }
        match index {
            Some(_) => write_nested(f, rest, depth + 1, cells, width)?,
            None => f.write_str("...")?,
        }
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_aligned() {
        let a = Tensor::from_rows(&[[1.0_f32, -2.5], [300.0, 0.125]]).unwrap();
        assert_eq!(a.to_string(), "[[  1.000,  -2.500],\n [300.000,   0.125]]");
        assert_eq!(Tensor::from_rows(&[[1.0_f64, 2.0]]).unwrap().to_string(), "[[1., 2.]]");
        assert_eq!(Tensor::scalar(0.1_f64).to_string(), "0.1");
        assert_eq!(Tensor::from_slice(&[true, false], &[2]).unwrap().to_string(), "[ true, false]");
        assert_eq!(Tensor::zeros(&[0, 3], DType::F32).unwrap().to_string(), "[] of shape [0, 3], f32");
        assert_eq!(Tensor::from_slice(&[1e-9_f32, 1.0], &[2]).unwrap().to_string(), "[1.0000e-9,  1.0000e0]");
        assert_eq!(Tensor::from_slice(&[f64::NAN, f64::NEG_INFINITY, 1.5], &[3]).unwrap().to_string(), "[ nan, -inf,  1.5]");
    }

    #[test]
    fn long_tensors_are_shortened_and_blocks_are_separated() {
        assert_eq!(Tensor::arange(2000).unwrap().to_string(), "[   0,    1,    2, ..., 1997, 1998, 1999]");
        let cube = Tensor::arange(8).unwrap().reshape(&[2, 2, 2]).unwrap();
        assert_eq!(cube.to_string(), "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
        let wide = Tensor::arange(5000).unwrap().reshape(&[50, 100]).unwrap().to_string();
        assert_eq!(wide.lines().count(), 7);
        assert_eq!(wide.lines().nth(3), Some(" ...,"));
    }
}
