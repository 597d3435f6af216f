//! Tensors as people read them: nested rows with aligned numbers, long ones shortened, as NumPy prints arrays.

use std::fmt;

use super::{DType, Tensor};

/// More elements than this are shortened ...
const THRESHOLD: usize = 1000;
/// ... to this many at each end of every long dimension.
const EDGE: usize = 3;

/// Nested rows, aligned. `{:.2}` prints floating-point numbers with two decimals, `{:8}` makes every number at least eight characters wide.
///
/// Without a precision numbers have as many decimals as they need, four at most. They are printed in powers of ten where that would hide digits:
/// where they do not all fit four decimals, and one is below 0.001 or a thousandth of the largest; and from 10⁸ on.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_as(f, |cells, f| cells.fixed(f.precision()))
    }
}

/// Numbers in powers of ten: `{:e}` with four decimals, `{:.2e}` with two. Integers and booleans are printed as ever.
impl fmt::LowerExp for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_as(f, |cells, f| cells.scientific(f.precision().unwrap_or(DECIMALS)))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} {:?}\n{self}", self.dtype(), self.shape())
    }
}

impl Tensor {
    fn write_as(&self, f: &mut fmt::Formatter<'_>, text: impl Fn(Cells, &fmt::Formatter<'_>) -> Vec<String>) -> fmt::Result {
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
        let mut cells = Cells::default();
        // From a device at once, and not one by one.
        match self.on_cpu() {
            Ok(here) => here.gather_shown(&indices, &mut cells),
            Err(error) => return write!(f, "[] of shape {:?}, {}: {error}", self.shape(), self.dtype()),
        }
        let cells = text(cells, f);
        let width = cells.iter().map(String::len).chain(f.width()).max().unwrap_or(0);
        write_nested(f, &indices, 0, &mut cells.iter(), width)
    }

    /// The elements at the indices shown, in row-major order.
    fn gather_shown(&self, indices: &[Vec<Option<usize>>], cells: &mut Cells) {
        let Some((first, rest)) = indices.split_first() else {
            return cells.push(self);
        };
        for &i in first.iter().flatten() {
            let part = self.detach().select(0, i).expect("the index is below the size of its dimension");
            part.gather_shown(rest, cells);
        }
    }
}

/// Decimals where nobody asks for a number of them.
const DECIMALS: usize = 4;

/// What is shown: integers and booleans as text, others as numbers, with the digits that tell each from its neighbours.
#[derive(Default)]
struct Cells {
    texts: Vec<String>,
    numbers: Vec<f64>,
    shortest: Vec<String>,
}

impl Cells {
    /// Adds a tensor's only element.
    fn push(&mut self, scalar: &Tensor) {
        const ONE: &str = "memory for one number";
        match scalar.dtype() {
            DType::Bool => self.texts.push(scalar.item::<bool>().expect(ONE).to_string()),
            dtype if dtype.is_integer() => {
                let number = scalar.widened("Display").and_then(|number| number.item::<i64>()).expect(ONE);
                self.texts.push(number.to_string());
            }
            dtype => {
                let x = scalar.to_f64_vec().expect(ONE)[0];
                self.numbers.push(x);
                self.shortest.push(if dtype == DType::F64 { x.to_string() } else { (x as f32).to_string() });
            }
        }
    }

    /// Texts in fixed form, or in powers of ten where no number of decimals is asked for and the fixed form would hide digits.
    fn fixed(self, precision: Option<usize>) -> Vec<String> {
        let decimals = precision.or_else(|| self.decimals());
        match decimals {
            None if self.numbers_need_powers() => self.scientific(DECIMALS),
            decimals => self.texts(|x| match decimals.unwrap_or(DECIMALS) {
                0 if precision.is_none() => format!("{x:.0}."),
                d => format!("{x:.d$}"),
            }),
        }
    }

    fn scientific(self, decimals: usize) -> Vec<String> {
        self.texts(|x| format!("{x:.decimals$e}"))
    }

    fn texts(self, finite: impl Fn(f64) -> String) -> Vec<String> {
        let text = |&x: &f64| match x {
            x if x.is_nan() => "nan".to_string(),
            x if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.to_string(),
            x => finite(x),
        };
        if self.numbers.is_empty() { self.texts } else { self.numbers.iter().map(text).collect() }
    }

    /// The decimals that all numbers need, if that is at most four and none is too large for the fixed form.
    fn decimals(&self) -> Option<usize> {
        let after_point =
            |(x, text): (&f64, &String)| if x.is_finite() { text.split_once('.').map_or(0, |(_, d)| d.len()) } else { 0 };
        let needed = self.numbers.iter().zip(&self.shortest).map(after_point).max().unwrap_or(0);
        let largest = self.sizes().fold(0.0, f64::max);
        (needed <= DECIMALS && largest < 1e8).then_some(needed)
    }

    /// Whether four decimals show a number beside the others with fewer digits than tell of it.
    fn numbers_need_powers(&self) -> bool {
        let (largest, smallest) = (self.sizes().fold(0.0, f64::max), self.sizes().fold(f64::INFINITY, f64::min));
        largest >= 1e8 || smallest < 1e-3 || largest / smallest > 1e3
    }

    fn sizes(&self) -> impl Iterator<Item = f64> {
        self.numbers.iter().copied().filter(|x| x.is_finite() && *x != 0.0).map(f64::abs)
    }
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

    #[test]
    fn integers_are_printed_exactly() {
        let x = Tensor::from_slice(&[9_007_199_254_740_993_i64, i64::MAX, i64::MIN], &[3]).unwrap();
        assert_eq!(x.to_string(), "[    9007199254740993,  9223372036854775807, -9223372036854775808]");
        assert_eq!(format!("{:4.2}", Tensor::arange(2).unwrap()), "[   0,    1]");
        assert_eq!(Tensor::from([i32::MIN, 7]).to_string(), "[-2147483648,           7]");
        assert_eq!(format!("{:?}", Tensor::from([0_u8, 255])), "Tensor u8 [2]\n[  0, 255]");
    }

    #[test]
    fn precision_and_width_are_honoured() {
        let x = Tensor::from_rows(&[[1.0_f32, -2.345], [1e-9, f32::NAN]]).unwrap();
        assert_eq!(format!("{x:.2}"), "[[ 1.00, -2.35],\n [ 0.00,   nan]]");
        assert_eq!(format!("{x:8.1}"), "[[     1.0,     -2.3],\n [     0.0,      nan]]");
        assert_eq!(format!("{x:.0}"), "[[  1,  -2],\n [  0, nan]]");
        assert_eq!(format!("{x:.1e}"), "[[ 1.0e0, -2.3e0],\n [1.0e-9,    nan]]");
        assert_eq!(format!("{:5}", Tensor::scalar(true)), " true");
    }

    #[test]
    fn small_numbers_beside_large_ones_keep_their_digits() {
        let text = |x: &[f64]| Tensor::from_slice(x, &[x.len()]).unwrap().to_string();
        assert_eq!(text(&[0.5, 0.000_123_45]), "[5.0000e-1, 1.2345e-4]");
        assert_eq!(text(&[1234.5, 0.333_333]), "[ 1.2345e3, 3.3333e-1]");
        assert_eq!(text(&[0.25, 100_000.0]), "[     0.25, 100000.00]");
        assert_eq!(text(&[1.0 / 3.0, 2.0]), "[0.3333, 2.0000]");
        assert_eq!(text(&[1e8, 1.0]), "[1.0000e8, 1.0000e0]");
        // The f32 nearest to 0.1 is known by one digit, that nearest to a third by none so few.
        assert_eq!(Tensor::scalar(0.1_f32).to_string(), "0.1");
    }
}
