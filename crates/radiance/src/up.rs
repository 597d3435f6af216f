//! Which axis of a world points up.

use crate::files::AxisFrame;

/// The axis that points up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpAxis {
    /// x
    X,
    /// The opposite of x.
    MinusX,
    /// y, as in glTF.
    Y,
    /// The opposite of y, as in files of trainers.
    MinusY,
    /// z, as in Blender.
    Z,
    /// The opposite of z.
    MinusZ,
}

impl UpAxis {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::X, Self::MinusX, Self::Y, Self::MinusY, Self::Z, Self::MinusZ];

    /// `x`, `-x`, `y`, `-y`, `z` or `-z`.
    pub fn name(self) -> &'static str {
        match self {
            Self::X => "x",
            Self::MinusX => "-x",
            Self::Y => "y",
            Self::MinusY => "-y",
            Self::Z => "z",
            Self::MinusZ => "-z",
        }
    }

    /// That of files with such axes.
    pub fn of(frame: AxisFrame) -> Self {
        match frame {
            AxisFrame::Rdf => Self::MinusY,
            AxisFrame::Rub => Self::Y,
        }
    }

    /// The same direction in other axes, which differ by half a turn about x.
    ///
    /// # Example
    /// ```
    /// use monotile_radiance::{AxisFrame, UpAxis};
    /// assert_eq!(UpAxis::Z.in_frame(AxisFrame::Rub, AxisFrame::Rdf), UpAxis::MinusZ);
    /// ```
    pub fn in_frame(self, from: AxisFrame, to: AxisFrame) -> Self {
        match self {
            same if from == to => same,
            Self::X => Self::X,
            Self::MinusX => Self::MinusX,
            Self::Y => Self::MinusY,
            Self::MinusY => Self::Y,
            Self::Z => Self::MinusZ,
            Self::MinusZ => Self::Z,
        }
    }

    /// Where a place goes of a world whose y points up and whose front looks along z.
    ///
    /// # Example
    /// ```
    /// use monotile_radiance::UpAxis;
    /// assert_eq!(UpAxis::Z.place([1.0, 2.0, 3.0]), [1.0, -3.0, 2.0]);
    /// ```
    pub fn place(self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        match self {
            Self::X => [y, -x, z],
            Self::MinusX => [-y, x, z],
            Self::Y => [x, y, z],
            Self::MinusY => [x, -y, -z],
            Self::Z => [x, -z, y],
            Self::MinusZ => [x, z, -y],
        }
    }

    /// Rows of the rotation of a world in which this axis points up to one in which `other` does: numbers of −1, 0 and 1.
    ///
    /// # Example
    /// ```
    /// use monotile_radiance::UpAxis;
    /// // x stays, z becomes -y.
    /// assert_eq!(UpAxis::Z.to(UpAxis::MinusY), [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]);
    /// ```
    pub fn to(self, other: Self) -> [[f64; 3]; 3] {
        let unit = |k: usize| std::array::from_fn(|i| f64::from(u8::from(i == k)));
        // Columns are where the axes of a world with y up go.
        let [from, to] = [self, other].map(|up| [0, 1, 2].map(|k| up.place(unit(k))));
        // + 0.0: no zero is negative.
        std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| to[k][i] * from[k][j]).sum::<f64>() + 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_rotated_so_that_what_was_up_is_up() {
        for from in UpAxis::ALL {
            for to in UpAxis::ALL {
                let r = from.to(to);
                let up = from.place([0.0, 1.0, 0.0]);
                let rotated = r.map(|row| (0..3).map(|k| row[k] * up[k]).sum::<f64>());
                assert_eq!(rotated, to.place([0.0, 1.0, 0.0]), "{} {}", from.name(), to.name());
                let minor = |a: usize, b: usize| r[1][a] * r[2][b] - r[1][b] * r[2][a];
                assert_eq!(r[0][0] * minor(1, 2) - r[0][1] * minor(0, 2) + r[0][2] * minor(0, 1), 1.0);
                assert!(from != to || (0..3).all(|i| r[i][i] == 1.0));
            }
        }
    }
}
