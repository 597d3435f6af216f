//! Strips, loops and fans as lists.

use crate::Topology;

use super::json;

/// The lists of a primitive's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrimitiveMode {
    Points,
    Lines,
    LineLoop,
    LineStrip,
    Triangles,
    TriangleStrip,
    TriangleFan,
}

impl PrimitiveMode {
    /// The mode of this number.
    pub fn from_code(code: Option<json::Whole>) -> Option<Self> {
        Some(match code.map_or(4, |code| code.0) {
            0 => Self::Points,
            1 => Self::Lines,
            2 => Self::LineLoop,
            3 => Self::LineStrip,
            4 => Self::Triangles,
            5 => Self::TriangleStrip,
            6 => Self::TriangleFan,
            _ => return None,
        })
    }

    /// What its shapes are.
    pub fn topology(self) -> Topology {
        match self {
            Self::Points => Topology::Points,
            Self::Lines | Self::LineLoop | Self::LineStrip => Topology::Lines,
            Self::Triangles | Self::TriangleStrip | Self::TriangleFan => Topology::Triangles,
        }
    }

    /// The shapes as a list of vertices, and how many vertices were left over.
    ///
    /// Every second triangle of a strip is turned over, so that all face the same way.
    pub fn list(self, v: Vec<u32>) -> (Vec<u32>, usize) {
        let n = v.len();
        let whole = |mut v: Vec<u32>, size: usize| {
            let over = v.len() % size;
            v.truncate(n - over);
            (v, over)
        };
        let short = |least: usize| if n < least { n } else { 0 };
        match self {
            Self::Points => (v, 0),
            Self::Lines => whole(v, 2),
            Self::Triangles => whole(v, 3),
            Self::LineStrip => (v.windows(2).flatten().copied().collect(), short(2)),
            Self::LineLoop if n < 2 => (Vec::new(), n),
            Self::LineLoop => (v.windows(2).flatten().copied().chain([v[n - 1], v[0]]).collect(), 0),
            Self::TriangleStrip => {
                let turned = |(i, t): (usize, &[u32])| if i % 2 == 0 { [t[0], t[1], t[2]] } else { [t[0], t[2], t[1]] };
                (v.windows(3).enumerate().flat_map(turned).collect(), short(3))
            }
            Self::TriangleFan if n < 3 => (Vec::new(), n),
            Self::TriangleFan => (v[1..].windows(2).flat_map(|e| [e[0], e[1], v[0]]).collect(), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_a_list() {
        let cases: [(PrimitiveMode, u32, &[u32], usize); 12] = [
            (PrimitiveMode::Points, 3, &[0, 1, 2], 0),
            (PrimitiveMode::Lines, 5, &[0, 1, 2, 3], 1),
            (PrimitiveMode::LineStrip, 4, &[0, 1, 1, 2, 2, 3], 0),
            (PrimitiveMode::LineStrip, 1, &[], 1),
            (PrimitiveMode::LineLoop, 3, &[0, 1, 1, 2, 2, 0], 0),
            (PrimitiveMode::LineLoop, 1, &[], 1),
            (PrimitiveMode::Triangles, 7, &[0, 1, 2, 3, 4, 5], 1),
            (PrimitiveMode::TriangleStrip, 5, &[0, 1, 2, 1, 3, 2, 2, 3, 4], 0),
            (PrimitiveMode::TriangleStrip, 2, &[], 2),
            (PrimitiveMode::TriangleFan, 5, &[1, 2, 0, 2, 3, 0, 3, 4, 0], 0),
            (PrimitiveMode::TriangleFan, 2, &[], 2),
            (PrimitiveMode::TriangleFan, 0, &[], 0),
        ];
        for (mode, vertices, list, over) in cases {
            assert_eq!(mode.list((0..vertices).collect()), (list.to_vec(), over), "{mode:?} of {vertices}");
        }
    }
}
