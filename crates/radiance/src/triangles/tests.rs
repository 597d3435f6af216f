//! The picture against areas that are known, and its gradient against differences.

use monotile::tape::{CheckGradientOptions, check_gradient};
use monotile::{DType, Rng, Tensor};

use super::Surface;

/// A square and a triangle before it, seen in perspective: corners have different w.
fn two_surfaces() -> (Surface, Tensor, Tensor) {
    let surface = Surface::new(&[[0, 1, 2], [0, 2, 3], [4, 5, 6]], 7).unwrap();
    let clip = Tensor::from_rows(&[
        [-1.31, -1.42, 1.1, 2.03],
        [1.47, -1.12, 1.2, 2.11],
        [1.19, 1.23, 1.9, 2.83],
        [-1.22, 1.51, 1.8, 2.71],
        [-0.213, -0.487, 0.4, 1.07],
        [0.691, 0.157, 0.2, 0.93],
        [-0.389, 0.871, 0.5, 1.21],
    ])
    .unwrap();
    (surface, clip, Rng::new(3).uniform(&[7, 3], 0.0, 1.0, DType::F64).unwrap())
}

#[test]
fn gradients_of_vertices_and_attributes_agree_with_differences() {
    let (surface, clip, attributes) = two_surfaces();
    for size in [[11, 9], [16, 16], [5, 23]] {
        let draw = |x: &[Tensor]| Ok(vec![surface.rasterize(&x[0], &x[1], size)?]);
        check_gradient(draw, &[clip.clone(), attributes.clone()], &CheckGradientOptions { directions: 8, ..Default::default() })
            .unwrap();
    }
}

/// The area of a triangle's picture, in pixels: coverage on outlines is that of a half plane a row or column, not exact but close.
#[test]
fn coverage_is_the_area() {
    let corners = [[-0.83, -0.61], [0.71, -0.44], [0.13, 0.87]];
    let clip = Tensor::from_rows(&corners.map(|[x, y]| [2.0 * x, 2.0 * y, 1.0, 2.0])).unwrap();
    let surface = Surface::new(&[[0, 1, 2]], 3).unwrap();
    let [a, b, c] = corners;
    let area = 0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
    let picture = surface.rasterize(&clip, &Tensor::ones(&[3, 1], DType::F64).unwrap(), [64, 64]).unwrap();
    let found = picture.slice(-1, 1..).unwrap().mean(&[], false).unwrap().item::<f64>().unwrap();
    assert!((found - area / 4.0).abs() < 2e-4, "{found} and {}", area / 4.0);
}

/// A disc of triangles that are smaller than pixels: its area, and how the area grows with its radius, 2 π r. A pixel's centre then seldom lies on a triangle
/// that borders the outline.
#[test]
fn outlines_of_small_triangles_are_found() {
    const RINGS: u32 = 30;
    const AROUND: u32 = 90;
    let mut corners = vec![[0.031, -0.017]];
    let mut triangles = Vec::new();
    for ring in 1..=RINGS {
        for i in 0..AROUND {
            let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / f64::from(AROUND)).sin_cos();
            let r = 0.71 * f64::from(ring) / f64::from(RINGS);
            corners.push([0.031 + r * cos, -0.017 + r * sin]);
            let at = |ring: u32, i: u32| if ring == 0 { 0 } else { 1 + (ring - 1) * AROUND + i % AROUND };
            triangles.push([at(ring - 1, i), at(ring, i), at(ring, i + 1)]);
            if ring > 1 {
                triangles.push([at(ring - 1, i), at(ring, i + 1), at(ring - 1, i + 1)]);
            }
        }
    }
    let n = corners.len();
    let surface = Surface::new(&triangles, n).unwrap();
    let flat = Tensor::from_rows(&corners.iter().map(|[x, y]| [*x, *y, 0.5, 1.0]).collect::<Vec<_>>()).unwrap();
    let ones = Tensor::ones(&[n, 1], DType::F64).unwrap();
    let scaled = |s: &Tensor| {
        let unit = Tensor::from_slice(&[0.0, 0.0, 1.0, 1.0], &[4])?;
        let size = Tensor::from_slice(&[1.0, 1.0, 0.0, 0.0], &[4])?.mul(s)?.add(&unit)?;
        surface.rasterize(&flat.mul(&size)?, &ones, [24, 24])?.slice(-1, 1..)?.mean(&[], false)
    };
    let s = Tensor::scalar(1.0_f64).requires_grad();
    let coverage = scaled(&s).unwrap();
    // A polygon of 90 corners lacks less than a thousandth of the disc; of NDC's 4.
    let area = std::f64::consts::PI * 0.71_f64.powi(2) / 4.0;
    let found = coverage.item::<f64>().unwrap();
    assert!((found / area - 1.0).abs() < 3e-3, "{found} of {area}");
    // Slanted outlines sweep half a pixel more or less at each end of a run of rows: a few percent at 24 pixels.
    let growth = coverage.backward().unwrap().take(&s).unwrap().item::<f64>().unwrap();
    assert!((growth / (2.0 * area) - 1.0).abs() < 0.05, "{growth} of {}", 2.0 * area);
    let check = CheckGradientOptions { directions: 1, ..Default::default() };
    check_gradient(|x| Ok(vec![scaled(&x[0])?]), &[Tensor::scalar(1.003_f64)], &check).unwrap();
}

/// Attributes are interpolated on the triangle, not in the picture: a plane in the world stays a plane.
#[test]
fn attributes_are_interpolated_in_perspective() {
    let (surface, clip, _) = two_surfaces();
    // w itself as an attribute: at every pixel its inverse is linear in the picture.
    let w = clip.slice(1, 3..).unwrap();
    let picture = surface.rasterize(&clip, &w, [40, 40]).unwrap().to_vec::<f64>().unwrap();
    let at = |x: usize, y: usize| &picture[(y * 40 + x) * 2..][..2];
    let inverse = |x: usize| 1.0 / at(x, 30)[0];
    assert_eq!((at(20, 30)[1], at(28, 30)[1]), (1.0, 1.0));
    assert!((inverse(20) + inverse(28) - 2.0 * inverse(24)).abs() < 1e-12 && (inverse(20) - inverse(28)).abs() > 1e-4);
}

/// A corner behind the camera: the floor under one's feet reaches the lower edge of the picture.
#[test]
fn corners_behind_the_camera_are_no_trouble() {
    let surface = Surface::new(&[[0, 1, 2]], 3).unwrap();
    let clip = Tensor::from_rows(&[[-3.0, -1.0, -2.0, -1.0], [3.0, -1.0, -2.0, -1.0], [0.0, -1.0, 4.0, 5.0]]).unwrap();
    let picture = surface.rasterize(&clip, &Tensor::ones(&[3, 1], DType::F64).unwrap(), [9, 9]).unwrap().to_vec::<f64>().unwrap();
    let covered = |x: usize, y: usize| picture[(y * 9 + x) * 2 + 1];
    assert_eq!((covered(4, 8), covered(4, 0)), (1.0, 0.0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (surface, clip, attributes) = two_surfaces();
    let words = |r: monotile::Result<Tensor>| r.unwrap_err().to_string();
    assert_eq!(
        words(surface.rasterize(&clip.slice(0, 1..).unwrap(), &attributes, [4, 4])),
        "rasterize: the vertices must have shape [7, 4], got [6, 4]"
    );
    assert_eq!(
        words(surface.rasterize(&clip, &attributes.slice(0, 1..).unwrap(), [4, 4])),
        "rasterize: the attributes must have shape [7, C], got [6, 3]"
    );
    assert_eq!(
        words(surface.rasterize(&clip, &attributes, [0, 4])),
        "rasterize: a picture has at least one pixel a side, not 0 x 4"
    );
    assert_eq!(
        Surface::new(&[[0, 1, 3]], 3).unwrap_err().to_string(),
        "Surface: triangle 0 is [0, 1, 3], and there are 3 vertices"
    );
}

/// A NaN or an infinity is no triangle, and the rest is drawn.
#[test]
fn a_triangle_that_is_not_finite_is_not_seen() {
    let (surface, clip, attributes) = two_surfaces();
    let mut values = clip.to_vec::<f64>().unwrap();
    values[4 * 4] = f64::NAN;
    let broken = Tensor::from_vec(values, &[7, 4]).unwrap();
    let picture = surface.rasterize(&broken, &attributes, [8, 8]).unwrap();
    let alone = Surface::new(&[[0, 1, 2], [0, 2, 3]], 7).unwrap().rasterize(&clip, &attributes, [8, 8]).unwrap();
    assert_eq!(picture.to_vec::<f64>().unwrap(), alone.to_vec::<f64>().unwrap());
}
