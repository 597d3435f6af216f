//! The kinds of lens, as COLMAP numbers and names them.

/// The kinds of lens. What the numbers are is in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LensModel {
    /// `[f, cx, cy]`
    SimplePinhole,
    /// `[fx, fy, cx, cy]`
    Pinhole,
    /// `[f, cx, cy, k]`
    SimpleRadial,
    /// `[f, cx, cy, k1, k2]`
    Radial,
    /// `[fx, fy, cx, cy, k1, k2, p1, p2]`
    OpenCv,
    /// `[fx, fy, cx, cy, k1, k2, k3, k4]`, by the angle from the axis.
    OpenCvFisheye,
    /// `[fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, k5, k6]`
    FullOpenCv,
    /// `[fx, fy, cx, cy, ω]`
    FieldOfView,
    /// `[f, cx, cy, k]`, by the angle.
    SimpleRadialFisheye,
    /// `[f, cx, cy, k1, k2]`, by the angle.
    RadialFisheye,
    /// `[fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, s1, s2]`, by the angle.
    ThinPrismFisheye,
    /// `[fx, fy, cx, cy, k0 to k5, p0, p1, s0 to s3]`, by the angle.
    RadTanThinPrismFisheye,
    /// `[f, cx, cy, k]`
    SimpleDivision,
    /// `[fx, fy, cx, cy, k]`
    Division,
    /// `[f, cx, cy]`, by the angle.
    SimpleFisheye,
    /// `[fx, fy, cx, cy]`, by the angle.
    Fisheye,
    /// `[fx, fy, cx, cy, α, β]`
    Eucm,
    /// `[w, h]`, the pixels of all directions: a panorama.
    Equirectangular,
}

use LensModel as M;

impl LensModel {
    /// All, in the order of their numbers in files.
    pub const ALL: [Self; 18] = [
        M::SimplePinhole,
        M::Pinhole,
        M::SimpleRadial,
        M::Radial,
        M::OpenCv,
        M::OpenCvFisheye,
        M::FullOpenCv,
        M::FieldOfView,
        M::SimpleRadialFisheye,
        M::RadialFisheye,
        M::ThinPrismFisheye,
        M::RadTanThinPrismFisheye,
        M::SimpleDivision,
        M::Division,
        M::SimpleFisheye,
        M::Fisheye,
        M::Eucm,
        M::Equirectangular,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            M::SimplePinhole => "SIMPLE_PINHOLE",
            M::Pinhole => "PINHOLE",
            M::SimpleRadial => "SIMPLE_RADIAL",
            M::Radial => "RADIAL",
            M::OpenCv => "OPENCV",
            M::OpenCvFisheye => "OPENCV_FISHEYE",
            M::FullOpenCv => "FULL_OPENCV",
            M::FieldOfView => "FOV",
            M::SimpleRadialFisheye => "SIMPLE_RADIAL_FISHEYE",
            M::RadialFisheye => "RADIAL_FISHEYE",
            M::ThinPrismFisheye => "THIN_PRISM_FISHEYE",
            M::RadTanThinPrismFisheye => "RAD_TAN_THIN_PRISM_FISHEYE",
            M::SimpleDivision => "SIMPLE_DIVISION",
            M::Division => "DIVISION",
            M::SimpleFisheye => "SIMPLE_FISHEYE",
            M::Fisheye => "FISHEYE",
            M::Eucm => "EUCM",
            M::Equirectangular => "EQUIRECTANGULAR",
        }
    }

    /// The model of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// How many numbers it has.
    pub fn numbers(self) -> usize {
        match self {
            M::Equirectangular => 2,
            M::SimplePinhole | M::SimpleFisheye => 3,
            M::Pinhole | M::SimpleRadial | M::SimpleRadialFisheye | M::SimpleDivision | M::Fisheye => 4,
            M::Radial | M::RadialFisheye | M::FieldOfView | M::Division => 5,
            M::Eucm => 6,
            M::OpenCv | M::OpenCvFisheye => 8,
            M::FullOpenCv | M::ThinPrismFisheye => 12,
            M::RadTanThinPrismFisheye => 16,
        }
    }

    /// Whether one focal length serves both axes.
    pub(super) fn has_one_focal_length(self) -> bool {
        matches!(
            self,
            M::SimplePinhole
                | M::SimpleRadial
                | M::Radial
                | M::SimpleRadialFisheye
                | M::RadialFisheye
                | M::SimpleDivision
                | M::SimpleFisheye
        )
    }

    /// Whether lengths on its plane are angles from the axis.
    pub(super) fn is_fisheye(self) -> bool {
        matches!(
            self,
            M::OpenCvFisheye
                | M::SimpleRadialFisheye
                | M::RadialFisheye
                | M::ThinPrismFisheye
                | M::RadTanThinPrismFisheye
                | M::SimpleFisheye
                | M::Fisheye
        )
    }

    /// How many numbers follow focal lengths and centre.
    pub(super) fn rest(self) -> usize {
        self.numbers() - if self == M::Equirectangular { 2 } else { 4 - usize::from(self.has_one_focal_length()) }
    }
}
