//! Cameras that see all of a scene, without anybody placing them.

use glam::{Mat3, Mat4, Vec3};
use monotile::{Error, Result};

use crate::draws::{Draws, Order};
use crate::place::Placement;
use crate::{Camera, Ground, Lens, Pose, Scene, Shot, Topology};

/// What has to be in the picture: the farthest points of a scene, over any number of poses.
#[derive(Debug, Clone)]
pub struct Framing {
    /// The farthest point in each of many directions.
    points: Vec<Vec3>,
    min: Vec3,
    max: Vec3,
    /// Whether the camera goes round: then every azimuth sees what all of them need.
    spins: bool,
}

/// Where a camera stands that looks at the whole scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orbit {
    /// Degrees around the vertical: 0 looks at the scene's front (it looks along +z), 90 at its left side, from +x.
    pub azimuth: f32,
    /// Degrees above the horizon.
    pub elevation: f32,
    /// 1 fills the picture, 2 is twice as far away.
    pub distance: f32,
    /// Things do not get smaller with distance.
    pub orthographic: bool,
}

impl Default for Orbit {
    fn default() -> Self {
        Self { azimuth: 35.0, elevation: 18.0, distance: 1.0, orthographic: false }
    }
}

/// How much of the picture's half the scene may take.
const FILL: f32 = 0.86;
/// The vertical field of view of an orbiting camera, radians.
const FOVY: f32 = 0.55;
/// Directions in which the farthest points are kept.
const DIRECTIONS: usize = 256;
/// Azimuths whose pictures a camera that goes round has to fit.
const TURNS: usize = 48;

impl Framing {
    /// What these poses of a scene take up.
    ///
    /// # Errors
    /// A scene in which nothing is drawn.
    pub fn new(scene: &Scene, poses: impl IntoIterator<Item = Pose>) -> Result<Self> {
        let directions: Vec<Vec3> = (0..DIRECTIONS).map(direction).collect();
        let mut farthest = vec![(f32::MIN, Vec3::ZERO); DIRECTIONS];
        let (mut min, mut max) = (Vec3::MAX, Vec3::MIN);
        let order = Order::new(scene);
        for pose in poses {
            let draws = order.draws(scene, &pose, Mat4::IDENTITY);
            let mut world = Vec::new();
            each_position(scene, &pose, &draws, |p| {
                (min, max) = (min.min(p), max.max(p));
                world.push(p);
            });
            for (direction, farthest) in directions.iter().zip(&mut farthest) {
                for &p in &world {
                    let distance = direction.dot(p);
                    if distance > farthest.0 {
                        *farthest = (distance, p);
                    }
                }
            }
        }
        if !(min.cmple(max).all() && min.is_finite() && max.is_finite()) {
            return Err(Error::value("there is nothing to see: no node of the scene draws a mesh"));
        }
        let mut points: Vec<Vec3> = farthest.into_iter().map(|(_, p)| p).collect();
        points.dedup();
        Ok(Self { points, min, max, spins: false })
    }

    /// The same for a camera that goes round: it stays at one height and distance.
    #[must_use]
    pub fn spinning(self) -> Self {
        Self { spins: true, ..self }
    }

    /// The box around everything: its least and its greatest corner.
    pub fn bounds(&self) -> [[f32; 3]; 2] {
        [self.min.into(), self.max.into()]
    }

    /// The camera of an orbit, so that everything is in a picture of these pixels with a margin.
    ///
    /// # Errors
    /// An empty raster, and an orbit that is not finite.
    pub fn camera(&self, orbit: &Orbit, size: [usize; 2]) -> Result<Camera> {
        if !(orbit.azimuth.is_finite() && orbit.elevation.is_finite() && orbit.distance > 0.0 && orbit.distance.is_finite()) {
            return Err(Error::value(format!(
                "orbit: azimuth, elevation and distance are numbers, the last above 0, not {orbit:?}"
            )));
        }
        // Straight up and down the azimuth says where the picture's up is; a camera has that by its own axes.
        let (a, e) = (orbit.azimuth.to_radians(), orbit.elevation.to_radians());
        let tilt = Mat3::from_rotation_x(e);
        let view_from_world = tilt * Mat3::from_rotation_y(-a);
        let world_from_view = view_from_world.transpose();
        let center = 0.5 * (self.min + self.max);
        let turns: Vec<Mat3> = if self.spins {
            (0..TURNS).map(|i| tilt * Mat3::from_rotation_y(std::f32::consts::TAU * i as f32 / TURNS as f32)).collect()
        } else {
            vec![view_from_world]
        };
        // In the axes of the camera, relative to the centre.
        let seen: Vec<Vec3> = turns.iter().flat_map(|&turn| self.points.iter().map(move |&p| turn * (p - center))).collect();
        let aspect = size[0].max(1) as f32 / size[1].max(1) as f32;
        let extent = |f: &dyn Fn(Vec3) -> f32| seen.iter().map(|&p| f(p)).fold(f32::MIN, f32::max);
        let (near, far) = (extent(&|p| p.z), -extent(&|p| -p.z));
        // What has no size (one point) is looked at from some distance all the same.
        let least = (1e-3 * center.length()).max(1e-3);
        let lens;
        let eye;
        if orbit.orthographic {
            let half = |axis: usize| 0.5 * (extent(&|p| p[axis]) + extent(&|p| -p[axis]));
            let middle = |axis: usize| 0.5 * (extent(&|p| p[axis]) - extent(&|p| -p[axis]));
            let half_height = (half(1).max(half(0) / aspect) / FILL).max(least) * orbit.distance;
            let depth = (near - far).max(half_height);
            eye = Vec3::new(middle(0), middle(1), near + 0.5 * depth);
            lens = Lens::Orthographic { half_height, near: 0.0, far: 2.0 * depth };
        } else {
            // A point is left of the right plane where x − eye_x ≤ (eye_z − z) t, and so on: each plane bounds eye_z from below.
            let slope = FILL * (0.5 * FOVY).tan();
            let slopes = [slope * aspect, slope];
            let side = |axis: usize, sign: f32| extent(&|p| sign * p[axis] + p.z * slopes[axis]);
            let fit = |axis: usize| (side(axis, 1.0) + side(axis, -1.0)) / (2.0 * slopes[axis]);
            let middle = |axis: usize| 0.5 * (side(axis, 1.0) - side(axis, -1.0));
            let z = fit(0).max(fit(1)).max(near + least);
            // The distance is that from the middle of what is seen.
            let z = z + (orbit.distance - 1.0) * (z - 0.5 * (near + far));
            eye = Vec3::new(middle(0), middle(1), z.max(near + least));
            let gap = eye.z - near;
            lens = Lens::Perspective { fovy: FOVY, near: 0.5 * gap, far: Some(2.0 * (eye.z - far) + gap) };
        }
        let eye = center + world_from_view * eye;
        Camera::placed(Mat4::from_mat3(view_from_world) * Mat4::from_translation(-eye), lens, size)
    }

    /// The floor under everything, as large as the shadow of it may be.
    pub fn ground(&self, toward: [f32; 3]) -> Ground {
        let height = self.min.y;
        let (low, high) = self.points.iter().fold((Vec3::MAX, Vec3::MIN), |(low, high), &p| {
            // Lower suns throw shadows that nobody wants to see the end of.
            let drop = (p.y - height) / toward[1].max(0.1);
            let at = p - drop * Vec3::from(toward);
            (low.min(at), high.max(at))
        });
        let (low, high) = if toward[1] > 0.0 { (low, high) } else { (self.min, self.max) };
        let center = 0.5 * (low + high);
        let half = 0.5 * (high - low);
        // The blur and a little air: a tenth of the side on either side.
        Ground { height, center: [center.x, center.z], half_side: (half.x.max(half.z) * 1.25).max(1e-6) }
    }

    /// The default shot of an orbit: before the sky, with a shadow.
    ///
    /// # Errors
    /// As [`Framing::camera`].
    pub fn shot(&self, orbit: &Orbit, size: [usize; 2]) -> Result<Shot> {
        let shot = Shot::new(self.camera(orbit, size)?);
        Ok(Shot { ground: Some(self.ground(shot.light.toward)), ..shot })
    }
}

impl Camera {
    /// The camera of a scene's node, where a pose puts it.
    ///
    /// # Errors
    /// A node that has no lens or is not there, and an empty raster.
    pub fn of_node(scene: &Scene, pose: &Pose, node: usize, size: [usize; 2]) -> Result<Self> {
        let lens = scene.nodes.get(node).and_then(|node| node.lens).map(|lens| scene.lenses[lens]);
        let lens = lens.ok_or_else(|| Error::value(format!("camera: node {node} is no camera")))?;
        let world = pose.world(scene)[node];
        // The scale of a node does not change what its camera sees.
        let (_, rotation, translation) = world.to_scale_rotation_translation();
        Self::placed(Mat4::from_rotation_translation(rotation, translation).inverse(), lens, size)
    }
}

/// One of directions all around, nearly evenly: the Fibonacci spiral.
fn direction(i: usize) -> Vec3 {
    let y = 1.0 - 2.0 * (i as f32 + 0.5) / DIRECTIONS as f32;
    let around = i as f32 * 2.399_963_2;
    let radius = (1.0 - y * y).sqrt();
    Vec3::new(radius * around.cos(), y, radius * around.sin())
}

/// Calls `f` with every vertex that something is drawn of.
fn each_position(scene: &Scene, pose: &Pose, draws: &Draws, mut f: impl FnMut(Vec3)) {
    for draw in &draws.draws {
        let placement = Placement::new(scene, pose, draws, draw);
        let shape = placement.primitive;
        if shape.topology == Topology::Points || shape.indices.len() < shape.positions.len() {
            shape.indices.iter().for_each(|&i| f(placement.position(i as usize)));
        } else {
            (0..shape.positions.len()).for_each(|i| f(placement.position(i)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Local, Mesh, Node, Primitive, Trs};

    /// Points at the corners of a long box that stands away from the origin.
    fn long_box() -> Scene {
        let corner = |i: u32| [0, 1, 2].map(|axis| if i >> axis & 1 == 0 { -0.5 } else { 0.5 });
        let shape = Primitive {
            topology: Topology::Points,
            positions: (0..8).map(corner).collect(),
            indices: (0..8).collect(),
            ..Primitive::default()
        };
        let local = Local::Trs(Trs { translation: [10.0, 3.0, -4.0], scale: [1.0, 2.0, 5.0], ..Trs::default() });
        Scene {
            nodes: vec![Node { local, mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![shape], ..Mesh::default() }],
            ..Scene::default()
        }
    }

    /// The largest |x| and |y| over all corners in clip space, after the divide.
    fn fill(camera: &Camera) -> [f32; 2] {
        let (view, clip) = camera.matrices().unwrap();
        let corner = |i: u32| {
            Vec3::new(10.0, 3.0, -4.0) + Vec3::from([0, 1, 2].map(|a| (i >> a & 1) as f32 - 0.5)) * Vec3::new(1.0, 2.0, 5.0)
        };
        let points = (0..8).map(|i| (clip * view).project_point3(corner(i)));
        points.fold([0.0; 2], |[x, y], p| {
            assert!((0.0..=1.0).contains(&p.z), "{p:?}");
            [x.max(p.x.abs()), y.max(p.y.abs())]
        })
    }

    #[test]
    fn every_orbit_fills_the_picture_to_its_margin_and_no_further() {
        let scene = long_box();
        let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
        assert_eq!(framing.bounds(), [[9.5, 2.0, -6.5], [10.5, 4.0, -1.5]]);
        for orthographic in [false, true] {
            for (azimuth, elevation) in [(0.0, 0.0), (35.0, 18.0), (90.0, 0.0), (200.0, -30.0), (0.0, 90.0)] {
                for size in [[640, 360], [300, 600]] {
                    let orbit = Orbit { azimuth, elevation, orthographic, ..Orbit::default() };
                    let [x, y] = fill(&framing.camera(&orbit, size).unwrap());
                    assert!((x.max(y) - FILL).abs() < 1e-3, "{orbit:?} {size:?}: {x} {y}");
                }
            }
        }
        let twice = framing.camera(&Orbit { distance: 2.0, orthographic: true, ..Orbit::default() }, [640, 360]).unwrap();
        let [x, y] = fill(&twice);
        assert!((x.max(y) - FILL / 2.0).abs() < 1e-3);
    }

    #[test]
    fn a_camera_that_goes_round_keeps_its_height_and_distance() {
        let scene = long_box();
        let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap().spinning();
        let eye = |azimuth| {
            let camera = framing.camera(&Orbit { azimuth, ..Orbit::default() }, [640, 360]).unwrap();
            let [x, y] = fill(&camera);
            assert!(x.max(y) <= FILL + 1e-3);
            camera.matrices().unwrap().0.inverse().w_axis.truncate() - Vec3::new(10.0, 3.0, -4.0)
        };
        let first = eye(0.0);
        for azimuth in [30.0, 77.0, 180.0, 359.0_f32] {
            let turned = Mat3::from_rotation_y(-azimuth.to_radians()) * eye(azimuth);
            assert!((turned - first).length() < 1e-3 * first.length(), "{azimuth}: {turned} {first}");
        }
    }

    #[test]
    fn the_ground_holds_the_shadow() {
        let scene = long_box();
        let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
        let ground = framing.ground([-0.6, 0.8, 0.0]);
        // The upper corners are 2 above the ground and fall 1.5 to the right.
        assert_eq!(ground.height, 2.0);
        assert!((ground.center[0] - 10.75).abs() < 1e-5 && (ground.center[1] + 4.0).abs() < 1e-5, "{ground:?}");
        assert!((ground.half_side - 2.5 * 1.25).abs() < 1e-5);
    }

    #[test]
    fn an_empty_scene_is_refused() {
        let words = Framing::new(&Scene::default(), [Pose::rest(&Scene::default())]).unwrap_err().to_string();
        assert_eq!(words, "there is nothing to see: no node of the scene draws a mesh");
    }
}
