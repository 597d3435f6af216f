//! Cameras that see all of a scene, without anybody placing them.

mod extremes;

use glam::{DMat3, DVec3, Vec3};
use monotile::{Error, Result};
use monotile_kernels::transform::formulas;

use crate::draws::DrawOrder;
use crate::pose::affine;
use crate::rendering::RenderSpace;
use crate::{Camera, Ground, Lens, NodeTransform, Pose, Scene, Shot};
use extremes::{Extents, ExtremeVertices};

/// What has to be in the picture: the farthest points of a scene, over any number of poses.
#[derive(Debug, Clone)]
pub struct Framing {
    /// In which the rest is: about the scene, which is about 1 large there.
    space: RenderSpace,
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
const FILL: f64 = 0.86;
/// The vertical field of view of an orbiting camera, radians.
const FOVY: f32 = 0.55;
/// Azimuths whose pictures a camera that goes round has to fit.
const TURNS: usize = 48;

impl Framing {
    /// What these poses of a scene take up.
    ///
    /// # Errors
    /// A scene in which nothing is drawn, or that is too large for f64 or too small for f32.
    ///
    /// # Cost
    /// A vertex takes some 50 ns a pose; of a mesh that is not bent 256 vertices count at most, from the second pose on.
    pub fn new(scene: &Scene, poses: impl IntoIterator<Item = Pose>) -> Result<Self> {
        let order = DrawOrder::new(scene);
        let mut corners = ExtremeVertices::new(scene, &order);
        let mut extremes = Extents::new();
        let mut space = None;
        for pose in poses {
            let space = space.get_or_insert_with(|| order.space(scene, &pose));
            corners.add(&pose, space, &mut extremes);
        }
        let (min, max) = (extremes.min, extremes.max);
        let space = space.filter(|_| min.cmple(max).all());
        let space = space.ok_or_else(|| Error::value("there is nothing to see: no node of the scene draws a mesh"))?;
        if !(min.is_finite() && max.is_finite()) {
            // What is as small as f32 can be is scaled by more than f32 can be.
            return Err(Error::value(if space.scale > 1.0 {
                "the scene is too small: f32 keeps too few digits of its vertices; save the model larger"
            } else {
                "the scene is too large: places of its vertices are no numbers"
            }));
        }
        Ok(Self { space, points: extremes.points(), min, max, spins: false })
    }

    /// The same for a camera that goes round: it stays at one height and distance.
    #[must_use]
    pub fn over_full_turn(self) -> Self {
        Self { spins: true, ..self }
    }

    /// The box around everything: its least and its greatest corner.
    pub fn bounds(&self) -> [[f32; 3]; 2] {
        [self.min, self.max].map(|corner| self.space.world(corner.as_dvec3()).as_vec3().into())
    }

    /// The camera of an orbit, so that everything is in a picture of these pixels with a margin.
    ///
    /// # Errors
    /// An empty raster, an orbit that is not finite, and a scene that is too small or too large for the planes of a lens, which are f32.
    pub fn camera(&self, orbit: &Orbit, size: [usize; 2]) -> Result<Camera> {
        if !(orbit.azimuth.is_finite() && orbit.elevation.is_finite() && orbit.distance > 0.0 && orbit.distance.is_finite()) {
            return Err(Error::value(format!(
                "orbit: azimuth, elevation and distance are numbers, the last above 0, not {orbit:?}"
            )));
        }
        // Straight up and down the azimuth says where the picture's up is; a camera has that by its own axes.
        let [a, e] = [orbit.azimuth, orbit.elevation].map(|degrees| f64::from(degrees).to_radians());
        let tilt = DMat3::from_rotation_x(e);
        let view_from_world = tilt * DMat3::from_rotation_y(-a);
        let world_from_view = view_from_world.transpose();
        let [min, max] = [self.min, self.max].map(|corner| corner.as_dvec3());
        let center = 0.5 * (min + max);
        let turns: Vec<DMat3> = if self.spins {
            (0..TURNS).map(|i| tilt * DMat3::from_rotation_y(std::f64::consts::TAU * i as f64 / TURNS as f64)).collect()
        } else {
            vec![view_from_world]
        };
        // In the axes of the camera, relative to the centre.
        let seen: Vec<DVec3> =
            turns.iter().flat_map(|&turn| self.points.iter().map(move |&p| turn * (p.as_dvec3() - center))).collect();
        let aspect = size[0].max(1) as f64 / size[1].max(1) as f64;
        let extent = |f: &dyn Fn(DVec3) -> f64| seen.iter().map(|&p| f(p)).fold(f64::MIN, f64::max);
        let (near, far) = (extent(&|p| p.z), -extent(&|p| -p.z));
        let distance = f64::from(orbit.distance);
        // What has no size (one point) is looked at from some distance all the same.
        let diagonal = (max - min).length();
        let least = 1e-3 * if diagonal > 0.0 { diagonal } else { self.space.world(center).length().max(1.0) * self.space.scale };
        let lens: [f64; 3];
        let eye;
        if orbit.orthographic {
            let half = |axis: usize| 0.5 * (extent(&|p| p[axis]) + extent(&|p| -p[axis]));
            let middle = |axis: usize| 0.5 * (extent(&|p| p[axis]) - extent(&|p| -p[axis]));
            let half_height = (half(1).max(half(0) / aspect) / FILL).max(least) * distance;
            let depth = (near - far).max(half_height);
            eye = DVec3::new(middle(0), middle(1), near + 0.5 * depth);
            lens = [half_height, 0.0, 2.0 * depth];
        } else {
            // A point is left of the right plane where x − eye_x ≤ (eye_z − z) t, and so on: each plane bounds eye_z from below.
            let slope = FILL * (0.5 * f64::from(FOVY)).tan();
            let slopes = [slope * aspect, slope];
            let side = |axis: usize, sign: f64| extent(&|p| sign * p[axis] + p.z * slopes[axis]);
            let fit = |axis: usize| (side(axis, 1.0) + side(axis, -1.0)) / (2.0 * slopes[axis]);
            let middle = |axis: usize| 0.5 * (side(axis, 1.0) - side(axis, -1.0));
            let z = fit(0).max(fit(1)).max(near + least);
            // The distance is that from the middle of what is seen.
            let z = z + (distance - 1.0) * (z - 0.5 * (near + far));
            eye = DVec3::new(middle(0), middle(1), z.max(near + least));
            let gap = eye.z - near;
            lens = [0.0, 0.5 * gap, 2.0 * (eye.z - far) + gap];
        }
        let [half_height, near, far] = lens.map(|length| (length / self.space.scale) as f32);
        let lens = match orbit.orthographic {
            true => Lens::Orthographic { half_height, near, far },
            false => Lens::Perspective { fovy: FOVY, near, far: Some(far) },
        };
        if !(far.is_finite() && far.is_normal()) {
            return Err(Error::value(format!(
                "orbit: a scene of {:e} across is beyond the numbers of a lens",
                diagonal / self.space.scale
            )));
        }
        let eye = self.space.world(center + world_from_view * eye);
        Camera::from_view_matrix(affine(formulas::seen_from(rows(&view_from_world), eye.into())), lens, size)
    }

    /// The floor under everything, as large as the shadow of it may be.
    pub fn ground(&self, toward: [f32; 3]) -> Ground {
        let toward = DVec3::from(toward.map(f64::from));
        let [min, max] = [self.min, self.max].map(|corner| corner.as_dvec3());
        let (low, high) = self.points.iter().fold((DVec3::MAX, DVec3::MIN), |(low, high), p| {
            // Lower suns throw shadows that nobody wants to see the end of.
            let p = p.as_dvec3();
            let drop = (p.y - min.y) / toward.y.max(0.1);
            let at = p - drop * toward;
            (low.min(at), high.max(at))
        });
        let (low, high) = if toward.y > 0.0 { (low, high) } else { (min, max) };
        let center = self.space.world(0.5 * (low + high));
        let half = 0.5 * (high - low);
        // The blur and a little air: a tenth of the side on either side.
        let half_side = (half.x.max(half.z) * 1.25).max(1e-6) / self.space.scale;
        Ground { height: self.space.world(min).y, center: [center.x, center.z], half_side }
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
    pub fn from_node(scene: &Scene, pose: &Pose, node: usize, size: [usize; 2]) -> Result<Self> {
        let lens = scene.nodes.get(node).and_then(|node| node.lens).map(|lens| scene.lenses[lens]);
        let lens = lens.ok_or_else(|| Error::value(format!("camera: node {node} is no camera")))?;
        let world = pose.world(scene)[node];
        let view_from_world = rotation(scene, pose, node).transpose();
        let view = formulas::seen_from(rows(&view_from_world), world.w_axis.truncate().into());
        Self::from_view_matrix(affine(view), lens, size)
    }
}

/// How a node is turned: by its own rotation and those above it, whatever their scales.
fn rotation(scene: &Scene, pose: &Pose, node: usize) -> DMat3 {
    let mut turned = DMat3::IDENTITY;
    let mut next = Some(node);
    while let Some(node) = next {
        let own = match &pose.locals[node] {
            NodeTransform::Trs(trs) => DMat3::from_cols_array_2d(&formulas::rotation(trs.unit_rotation(), 1.0)).transpose(),
            NodeTransform::Matrix(columns) => orthonormal(DMat3::from_mat4(crate::pose::wide(columns))),
        };
        turned = own * turned;
        next = scene.nodes[node].parent;
    }
    turned
}

fn rows(m: &DMat3) -> [[f64; 3]; 3] {
    m.transpose().to_cols_array_2d()
}

/// The rotation in a matrix that may scale and shear: its line of sight stays, and up stays as near to it as can be.
fn orthonormal(m: DMat3) -> DMat3 {
    // Where an axis vanishes another one says where it was, or the world's own does.
    let axis = |v: DVec3, otherwise: DVec3| v.try_normalize().unwrap_or(otherwise);
    let backward = axis(m.z_axis, axis(m.x_axis.cross(m.y_axis), DVec3::Z));
    let right = m.y_axis.cross(backward);
    let right = axis(right, axis(m.x_axis - backward * backward.dot(m.x_axis), backward.any_orthonormal_vector()));
    DMat3::from_cols(right, backward.cross(right), backward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mesh, Node, NodeTransform, NodeTrs, Primitive, Topology};

    /// Points at the corners of a long box that stands away from the origin.
    fn long_box() -> Scene {
        let corner = |i: u32| [0, 1, 2].map(|axis| if i >> axis & 1 == 0 { -0.5 } else { 0.5 });
        let shape = Primitive {
            topology: Topology::Points,
            positions: (0..8).map(corner).collect(),
            indices: (0..8).collect(),
            ..Primitive::default()
        };
        let local = NodeTransform::Trs(NodeTrs { translation: [10.0, 3.0, -4.0], scale: [1.0, 2.0, 5.0], ..NodeTrs::default() });
        Scene {
            nodes: vec![Node { local, mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![shape], ..Mesh::default() }],
            ..Scene::default()
        }
    }

    /// The largest |x| and |y| over all corners in clip space, after the divide.
    fn fill(camera: &Camera) -> [f64; 2] {
        let (view, clip) = camera.matrices();
        let corner = |i: u32| {
            let unit = DVec3::from([0, 1, 2].map(|a| f64::from(i >> a & 1) - 0.5));
            DVec3::new(10.0, 3.0, -4.0) + unit * DVec3::new(1.0, 2.0, 5.0)
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
        let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap().over_full_turn();
        let eye = |azimuth| {
            let camera = framing.camera(&Orbit { azimuth, ..Orbit::default() }, [640, 360]).unwrap();
            let [x, y] = fill(&camera);
            assert!(x.max(y) <= FILL + 1e-3);
            camera.matrices().0.inverse().w_axis.truncate() - DVec3::new(10.0, 3.0, -4.0)
        };
        let first = eye(0.0);
        for azimuth in [30.0, 77.0, 180.0, 359.0_f32] {
            let turned = DMat3::from_rotation_y(-f64::from(azimuth).to_radians()) * eye(azimuth);
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
    fn a_scene_of_the_smallest_numbers_is_called_too_small() {
        let mut scene = long_box();
        let local = NodeTransform::Trs(NodeTrs::default());
        scene.nodes[0].local = local;
        scene.meshes[0].primitives[0].positions.iter_mut().flatten().for_each(|x| *x *= 1e-44);
        let words = Framing::new(&scene, [Pose::rest(&scene)]).unwrap_err().to_string();
        assert_eq!(words, "the scene is too small: f32 keeps too few digits of its vertices; save the model larger");
    }

    #[test]
    fn an_empty_scene_is_refused() {
        let words = Framing::new(&Scene::default(), [Pose::rest(&Scene::default())]).unwrap_err().to_string();
        assert_eq!(words, "there is nothing to see: no node of the scene draws a mesh");
    }

    /// A triangle and a lens, below nodes that do something to the lens.
    fn with_camera(above: NodeTrs, own: NodeTrs) -> Scene {
        let lens = Lens::Perspective { fovy: 1.0, near: 0.1, far: None };
        Scene {
            nodes: vec![
                Node { local: NodeTransform::Trs(above), ..Node::default() },
                Node { local: NodeTransform::Trs(own), parent: Some(0), lens: Some(0), ..Node::default() },
            ],
            lenses: vec![lens],
            ..Scene::default()
        }
    }

    /// The view is the one without the scales, however they squeeze or shear; but they move where the camera stands.
    #[test]
    fn a_camera_under_scaled_nodes_keeps_its_angles() {
        let half = (0.5_f32.sqrt(), 0.5_f32.sqrt());
        let own = NodeTrs {
            translation: [0.0, 1.0, 5.0],
            rotation: [0.0, 0.0, 15_f32.to_radians().sin(), 15_f32.to_radians().cos()],
            scale: [1.0; 3],
        };
        let turned = NodeTrs { rotation: [0.0, half.0, 0.0, half.1], ..NodeTrs::default() };
        let view = |scene: &Scene| Camera::from_node(scene, &Pose::rest(scene), 1, [64, 48]).unwrap().matrices().0;
        let plain = DMat3::from_mat4(view(&with_camera(turned, own)));
        for (above, scale) in [
            ([1.0, 3.0, 1.0], [1.0; 3]),
            ([1.0, 0.0, 1.0], [1.0; 3]),
            ([1.0; 3], [0.0; 3]),
            ([0.0; 3], [2.0; 3]),
            ([1e-20; 3], [1e20; 3]),
        ] {
            let scene = with_camera(NodeTrs { scale: above, ..turned }, NodeTrs { scale, ..own });
            let v = view(&scene);
            assert!((DMat3::from_mat4(v) - plain).to_cols_array().iter().all(|x| x.abs() < 1e-6), "{above:?} {scale:?}: {v}");
            let eye = v.inverse().w_axis;
            let stands = [5.0 * above[2], above[1], 0.0].map(f64::from);
            assert!((eye.truncate() - DVec3::from(stands)).length() < 1e-6, "{above:?}: {eye}");
        }
        // A matrix that scales and shears: the line of sight stays.
        let mut scene = with_camera(NodeTrs::default(), own);
        scene.nodes[1].local =
            NodeTransform::Matrix([[2.0, 0.0, 0.0, 0.0], [1.0, 3.0, 0.5, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 5.0, 1.0]]);
        let m = DMat3::from_mat4(view(&scene));
        assert!((m * m.transpose() - DMat3::IDENTITY).to_cols_array().iter().all(|x| x.abs() < 1e-12), "{m}");
        assert!((m * DVec3::new(0.0, 1.0, 1.0).normalize() - DVec3::Z).length() < 1e-12);
    }

    /// At any size and anywhere the object takes the same part of the picture, and what is a single point is looked at too.
    #[test]
    fn scenes_of_every_size_and_place_fill_the_picture() {
        let shape = |s: f32| {
            let corner = |i: u32| [0, 1, 2].map(|axis| s * ((i >> axis & 1) as f32 - 0.5));
            let positions = (0..8).map(corner).collect();
            Primitive { topology: Topology::Points, positions, indices: (0..8).collect(), ..Primitive::default() }
        };
        let seen = |s: f32, translation: [f32; 3], orthographic| {
            let local = NodeTransform::Trs(NodeTrs { translation, ..NodeTrs::default() });
            let scene = Scene {
                nodes: vec![Node { local, mesh: Some(0), ..Node::default() }],
                meshes: vec![Mesh { primitives: vec![shape(s)], ..Mesh::default() }],
                ..Scene::default()
            };
            let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
            let (v, p) = framing.camera(&Orbit { orthographic, ..Orbit::default() }, [320, 200]).unwrap().matrices();
            let place = DVec3::from(translation.map(f64::from)) + DVec3::splat(0.5 * f64::from(s));
            (p * v).project_point3(place)
        };
        for orthographic in [false, true] {
            let wanted = seen(1.0, [0.0; 3], orthographic);
            for s in [1e-30, 1e-9, 1e-4, 10.0, 5e5, 1e18, 1e30] {
                for place in [[0.0; 3], [5e5 * s, 0.0, 3e5 * s], [637_813.7 * s, 0.0, 0.0]] {
                    let found = seen(s, place, orthographic);
                    assert!((found - wanted).abs().max_element() < 1e-3, "{s:e} {place:?}: {found} for {wanted}");
                }
            }
            assert!((seen(0.0, [7.0; 3], orthographic).truncate()).abs().max_element() < 1e-3);
        }
    }

    /// One frame of many has the object elsewhere: it is in the picture of that one too.
    #[test]
    fn every_pose_is_framed() {
        let scene = long_box();
        let poses = (0..200).map(|i| {
            let mut pose = Pose::rest(&scene);
            if i == 57 {
                pose.locals[0] = NodeTransform::Trs(NodeTrs { translation: [60.0, 3.0, -4.0], ..NodeTrs::default() });
            }
            pose
        });
        let framing = Framing::new(&scene, poses).unwrap();
        assert_eq!(framing.bounds()[1][0], 60.5);
    }
}
