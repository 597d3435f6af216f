//! Three ways from one rotation to another: on the arc, on the straight line between quaternions, and on that between matrices.

use monotile::transform::quaternion::{from_axis_angle, nlerp, slerp, to_matrix};
use monotile::{DType, Tensor};
use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Background, Framing, Node, NodeTransform, Orbit, Picture, Pose, Scene, Shot};

use super::figure::posed;
use crate::command_error::CommandError;
use crate::page::PageBlock;
use crate::picture::EmbeddedImage;
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};

/// From the left to the right, degrees about the line of sight.
const TURN: f64 = 150.0;
/// Figures in a picture, at even times.
const FIGURES: usize = 9;
/// Times at which speeds are measured.
const TIMES: usize = 201;
/// How far under the soles the middle of the turn lies, metres.
const HUB: f32 = 1.6;
const SIZE: [usize; 2] = [480, 320];

/// A way from rotation a (0) to b (1): matrices at times.
type Way = fn(&Tensor, &Tensor, &Tensor) -> monotile::Result<Tensor>;

const WAYS: [(&str, &str, Way); 3] = [
    ("slerp", "the arc (slerp): even steps", |a, b, t| to_matrix(&slerp(a, b, t)?)),
    ("nlerp", "the line between quaternions (nlerp): a little faster in the middle", |a, b, t| to_matrix(&nlerp(a, b, t)?)),
    ("matrix entries", "the line between matrices: it shrinks, and then rushes", |a, b, t| {
        let t = t.unsqueeze(-1)?.unsqueeze(-1)?;
        let (a, b) = (to_matrix(a)?, to_matrix(b)?);
        a.add(&b.sub(&a)?.mul(&t)?)
    }),
];

/// Turns the figure in all three ways.
pub fn blocks() -> Result<Vec<PageBlock>, CommandError> {
    let axis = Tensor::from_slice(&[0.0, 0.0, -1.0], &[3])?;
    let end = |side: f64| from_axis_angle(&axis, &Tensor::scalar(side * 0.5 * TURN.to_radians()));
    let (a, b) = (end(-1.0)?, end(1.0)?);
    let moments = |n: usize| Tensor::linspace(0.0, 1.0, n, DType::F64);
    let (mut pictures, mut series) = (Vec::new(), Vec::new());
    for (colour, (name, words, way)) in WAYS.into_iter().enumerate() {
        pictures.push((EmbeddedImage::still(&fan(&way(&a, &b, &moments(FIGURES)?)?)?), words.to_string()));
        let points = speeds(&way(&a, &b, &moments(TIMES)?)?)?;
        series.push(Series { name: name.to_string(), points, stroke: SeriesStyle::Line, colour });
    }
    let plot = Plot {
        title: format!("Angular speed on the way through {TURN:.0}°"),
        x: PlotAxis::linear("time"),
        y: PlotAxis::linear("speed, 1 is even"),
        series,
    };
    Ok(vec![
        PageBlock::Text(format!(
            "Between two keys of a clip a bone has to be turned a part of the way. But which is the rotation between two? Here the figure is turned by \
             {TURN:.0}° in {} steps of equal time. Mixing the numbers of two matrices is no rotation at all; mixing two unit quaternions and making the \
             result a unit again turns unevenly; slerp (Shoemake 1985) goes along the arc at constant speed, and is what clips use.",
            FIGURES - 1
        )),
        PageBlock::Pictures(pictures, "The same two ends; one figure every eighth of the time.".to_string()),
        PageBlock::Figure(plot, "How fast each of them turns, measured between neighbouring times.".to_string()),
    ])
}

/// How fast the x axis turns, over the mean.
fn speeds(matrices: &Tensor) -> monotile::Result<Vec<(f64, f64)>> {
    let angles: Vec<f64> = matrices.to_f64_vec()?.chunks_exact(9).map(|m| m[3].atan2(m[0])).collect();
    let step = 1.0 / (angles.len() - 1) as f64;
    let whole = angles[0] - angles[angles.len() - 1];
    Ok(angles.windows(2).enumerate().map(|(i, two)| ((i as f64 + 0.5) * step, (two[0] - two[1]) / (whole * step))).collect())
}

/// The figure as often as there are matrices, moved by each about a place under its feet.
fn fan(matrices: &Tensor) -> Result<Picture, CommandError> {
    let figure = Scene::figure();
    let mut scene = figure.baked(&posed(&figure, &figure.animations[1], 0.35));
    let (meshes, numbers) = (scene.meshes.len(), matrices.to_f64_vec()?);
    let places = numbers.chunks_exact(9).map(|m| {
        let column = |c: usize| [0, 1, 2].map(|r| m[3 * r + c] as f32);
        let [[x0, x1, x2], y, [z0, z1, z2]] = [column(0), column(1), column(2)];
        // The hub stays: M (p + h) − h with h = (0, HUB, 0).
        [[x0, x1, x2, 0.0], [y[0], y[1], y[2], 0.0], [z0, z1, z2, 0.0], [HUB * y[0], HUB * (y[1] - 1.0), HUB * y[2], 1.0]]
    });
    let node = |(place, mesh)| Node { local: NodeTransform::Matrix(place), mesh: Some(mesh), ..Node::default() };
    scene.nodes = places.flat_map(|place| (0..meshes).map(move |mesh| (place, mesh))).map(node).collect();
    let pose = Pose::rest(&scene);
    let orbit = Orbit { azimuth: 0.0, elevation: 0.0, orthographic: true, ..Orbit::default() };
    let camera = Framing::new(&scene, [pose.clone()])?.camera(&orbit, SIZE)?;
    Ok(CpuRenderer::new(&scene).draw(&pose, &Shot { background: Background::Transparent, ..Shot::new(camera) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arc is even; on the line between quaternions of half the angle θ apart the speed is sin θ / (θ r²), r the line's distance from the origin.
    #[test]
    fn speeds_are_those_of_the_formulas() {
        let axis = Tensor::from_slice(&[0.0, 0.0, -1.0], &[3]).unwrap();
        let end = |side: f64| from_axis_angle(&axis, &Tensor::scalar(side * 0.5 * TURN.to_radians())).unwrap();
        let t = Tensor::linspace(0.0, 1.0, TIMES, DType::F64).unwrap();
        let of = |i: usize| speeds(&WAYS[i].2(&end(-1.0), &end(1.0), &t).unwrap()).unwrap();
        assert!(of(0).iter().all(|(_, speed)| (speed - 1.0).abs() < 1e-9));
        for (way, angle) in [(1, 0.5 * TURN.to_radians()), (2, TURN.to_radians())] {
            for (t, speed) in of(way) {
                let square = 1.0 - 2.0 * t * (1.0 - t) * (1.0 - angle.cos());
                let wanted = angle.sin() / (angle * square);
                // Over a two-hundredth of the time the speed is nearly constant.
                assert!((speed / wanted - 1.0).abs() < 3e-3, "{way} at {t}: {speed} for {wanted}");
            }
        }
    }
}
