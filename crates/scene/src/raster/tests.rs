//! Pictures against geometry that is known.

use glam::DVec3;

use super::CpuRenderer;
use crate::{
    Background, Camera, Filter, Framing, Image, Lens, Light, Material, Mesh, Node, NodeTransform, NodeTrs, Orbit, Pose, Primitive,
    Sampler, Scene, Shot, Texture, TextureRef, WrapMode, srgb,
};

const IDENTITY: [[f32; 2]; 3] = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];

/// A white surface that shows its colour without light, and black behind it.
fn unlit(primitive: Primitive) -> Scene {
    let material = Material { unlit: true, double_sided: true, ..Material::default() };
    let mesh = Mesh { primitives: vec![Primitive { material: Some(0), ..primitive }], ..Mesh::default() };
    let nodes = vec![Node { mesh: Some(0), ..Node::default() }];
    Scene { nodes, meshes: vec![mesh], materials: vec![material], ..Scene::default() }
}

fn camera(size: [usize; 2]) -> Camera {
    let lens = Lens::Perspective { fovy: 0.9, near: 0.5, far: Some(50.0) };
    Camera::look_at([0.3, 0.8, 3.0], [0.0, 0.1, 0.0], [0.0, 1.0, 0.0], lens, size).unwrap()
}

fn before_black(camera: Camera) -> Shot {
    Shot { background: Background::Color([0; 3]), ..Shot::new(camera) }
}

fn draw(scene: &Scene, shot: &Shot) -> crate::Picture {
    CpuRenderer::new(scene).draw(&Pose::rest(scene), shot).unwrap()
}

/// Every pixel of a slanted triangle has the brightness of as many quarters as samples lie inside its three lines, computed in f64.
#[test]
fn coverage_is_that_of_the_plane_equations() {
    let positions = [[-1.1_f32, -0.3, 0.2], [1.2, -0.4, -0.9], [0.1, 1.1, 0.4]];
    let scene = unlit(Primitive { positions: positions.to_vec(), indices: vec![0, 1, 2], ..Primitive::default() });
    let size = [97, 61];
    let shot = before_black(camera(size));
    let (v, p) = shot.camera.matrices();
    let corners = positions.map(|at| {
        let clip = (p * v) * glam::DVec3::from(at.map(f64::from)).extend(1.0);
        [(clip.x / clip.w + 1.0) * 0.5 * size[0] as f64, (1.0 - clip.y / clip.w) * 0.5 * size[1] as f64]
    });
    let side = |a: [f64; 2], b: [f64; 2], x: f64, y: f64| (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]);
    let turn = side(corners[0], corners[1], corners[2][0], corners[2][1]).signum();
    let picture = draw(&scene, &shot);
    let (mut partial, mut covered) = (0, 0);
    for y in 0..size[1] {
        for x in 0..size[0] {
            let inside = [[3, 1], [7, 3], [1, 5], [5, 7]].iter().filter(|[sx, sy]| {
                let (x, y) = (x as f64 + f64::from(*sx) / 8.0, y as f64 + f64::from(*sy) / 8.0);
                (0..3).all(|i| turn * side(corners[i], corners[(i + 1) % 3], x, y) >= 0.0)
            });
            let quarters = inside.count();
            partial += usize::from((1..4).contains(&quarters));
            covered += usize::from(quarters == 4);
            assert_eq!(picture.pixel(x, y)[0], srgb::byte(quarters as f32 / 4.0), "({x}, {y})");
        }
    }
    assert!(partial > 50 && covered > 300, "{partial} {covered}");
}

/// Triangles around a point cover a disc without a gap, and blended ones without a sample twice.
#[test]
fn neighbours_leave_no_gap_and_do_not_overlap() {
    let n = 23;
    let rim = |i: u32| {
        let a = std::f32::consts::TAU * i as f32 / n as f32 + 0.1;
        [4.0 * a.cos(), 4.0 * a.sin(), 0.3 * (i % 3) as f32]
    };
    let positions = std::iter::once([0.013, -0.027, 0.1]).chain((0..n).map(rim)).collect();
    let indices = (0..n).flat_map(|i| [0, 1 + i, 1 + (i + 1) % n]).collect();
    let mut scene = unlit(Primitive { positions, indices, ..Primitive::default() });
    scene.materials[0].base_color = [1.0, 1.0, 1.0, 0.5];
    for (alpha, wanted) in [(crate::AlphaMode::Opaque, 255), (crate::AlphaMode::Blend, srgb::byte(0.5))] {
        scene.materials[0].alpha = alpha;
        let picture = draw(&scene, &before_black(camera([120, 80])));
        assert!(picture.rgba.chunks_exact(4).all(|p| p == [wanted, wanted, wanted, 255]), "{alpha:?}");
    }
}

/// Of two crossing squares each pixel shows the nearer one: the line where they meet is where their depths are equal.
#[test]
fn the_nearer_surface_is_seen() {
    let square = |z0: f32, z1: f32| vec![[-1.0, -1.0, z0], [1.0, -1.0, z1], [1.0, 1.0, z1], [-1.0, 1.0, z0]];
    let positions = [square(-0.5, 0.5), square(0.5, -0.5)].concat();
    let colors = [[[1.0, 0.0, 0.0, 1.0]; 4], [[0.0, 1.0, 0.0, 1.0]; 4]].concat();
    let indices = vec![0, 1, 2, 0, 2, 3, 4, 5, 6, 4, 6, 7];
    let scene = unlit(Primitive { positions, colors, indices, ..Primitive::default() });
    let lens = Lens::Orthographic { half_height: 1.0, near: 0.0, far: 10.0 };
    let camera = Camera::look_at([0.0, 0.0, 5.0], [0.0; 3], [0.0, 1.0, 0.0], lens, [64, 64]).unwrap();
    let picture = draw(&scene, &before_black(camera));
    for x in 0..64 {
        let nearer = if x < 32 { [0, 255, 0] } else { [255, 0, 0] };
        assert_eq!(picture.pixel(x, 20)[..3], nearer, "{x}");
    }
}

fn board(filter: Filter, mipmap: Option<Filter>) -> Scene {
    // A floor of 8 x 8 meters, a texel a meter.
    let positions = vec![[-4.0, 0.0, 4.0], [4.0, 0.0, 4.0], [4.0, 0.0, -4.0], [-4.0, 0.0, -4.0]];
    let uvs = vec![vec![[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]];
    let mut scene = unlit(Primitive { positions, uvs, indices: vec![0, 1, 2, 0, 2, 3], ..Primitive::default() });
    let texel = |i: u32| if (i % 8 + i / 8).is_multiple_of(2) { [255; 4] } else { [0, 0, 0, 255] };
    scene.images = vec![Image { name: String::new(), width: 8, height: 8, rgba: (0..64).flat_map(texel).collect() }];
    let sampler = Sampler { magnify: filter, minify: filter, mipmap, wrap_u: WrapMode::Repeat, wrap_v: WrapMode::Repeat };
    scene.textures = vec![Texture { image: 0, sampler }];
    scene.materials[0].base_color_texture = Some(TextureRef { texture: 0, uv: 0, transform: IDENTITY });
    scene
}

/// Every pixel of a checkerboard in perspective has the colour of the square that its ray meets on the floor.
#[test]
fn a_checkerboard_is_where_its_projection_is() {
    let size = [160, 90];
    let shot = before_black(camera(size));
    let picture = draw(&board(Filter::Nearest, None), &shot);
    let (v, p) = shot.camera.matrices();
    let world_from_clip = (p * v).inverse();
    let eye = v.inverse().w_axis.truncate();
    let (mut seen, mut white) = (0, 0);
    for y in 0..size[1] {
        for x in 0..size[0] {
            let ndc = [(2 * x + 1) as f64 / size[0] as f64 - 1.0, 1.0 - (2 * y + 1) as f64 / size[1] as f64];
            let far = world_from_clip.project_point3(glam::DVec3::new(ndc[0], ndc[1], 1.0));
            let hit = eye + (far - eye) * (eye.y / (eye.y - far.y));
            let place = [hit.x + 4.0, hit.z + 4.0];
            // Not on a line between squares, nor within a pixel of the floor's edge, where samples differ from centres.
            let clear = (0.3..7.7).contains(&place[0]) && (1.5..7.8).contains(&place[1]);
            let clear = clear && place.iter().all(|c| (c - c.round()).abs() > 1e-3);
            if far.y < 0.0 && clear {
                let even = ((place[0] as i32) + (place[1] as i32)) % 2 == 0;
                assert_eq!(picture.pixel(x, y)[0], if even { 255 } else { 0 }, "({x}, {y})");
                (seen, white) = (seen + 1, white + usize::from(even));
            }
        }
    }
    assert!(seen > 2000 && white > 800, "{seen} {white}");
}

/// Far away, a checkerboard is the grey that is half as bright.
#[test]
fn what_is_smaller_than_a_pixel_is_averaged() {
    let scene = board(Filter::Linear, Some(Filter::Linear));
    let lens = Lens::Perspective { fovy: 0.9, near: 1.0, far: None };
    let camera = Camera::look_at([0.0, 300.0, 0.0], [0.0; 3], [0.0, 0.0, -1.0], lens, [33, 33]).unwrap();
    let middle = draw(&scene, &before_black(camera)).pixel(16, 16);
    assert_eq!(middle, [188, 188, 188, 255]);
}

/// A floor that begins behind the viewer fills the lower half of the picture up to the horizon.
#[test]
fn what_reaches_behind_the_camera_is_cut_at_the_near_plane() {
    let far = 1e4;
    let positions = vec![[-far, 0.0, far], [far, 0.0, far], [far, 0.0, -far], [-far, 0.0, -far]];
    let scene = unlit(Primitive { positions, indices: vec![0, 1, 2, 0, 2, 3], ..Primitive::default() });
    let lens = Lens::Perspective { fovy: 1.0, near: 0.1, far: None };
    let camera = Camera::look_at([0.0, 1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 1.0, 0.0], lens, [40, 40]).unwrap();
    let picture = draw(&scene, &before_black(camera));
    assert!((0..40).all(|x| picture.pixel(x, 19)[0] == 0 && picture.pixel(x, 21)[0] == 255 && picture.pixel(x, 39)[0] == 255));
}

/// The front of a wall that the sun meets at an angle, matt and white: sun · n·l · (1 − F) + sky(n) + the specular parts, by hand.
#[test]
fn a_lit_wall_has_the_radiance_that_is_stated() {
    let positions = vec![[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]];
    let normals = vec![[0.0, 0.0, 1.0]; 4];
    let mut scene = unlit(Primitive { positions, normals, indices: vec![0, 1, 2, 0, 2, 3], ..Primitive::default() });
    scene.materials[0] = Material { base_color: [0.5, 0.5, 0.5, 1.0], metallic: 0.0, roughness: 1.0, ..Material::default() };
    let lens = Lens::Orthographic { half_height: 0.5, near: 0.0, far: 10.0 };
    let camera = Camera::look_at([0.0, 0.0, 5.0], [0.0; 3], [0.0, 1.0, 0.0], lens, [9, 9]).unwrap();
    let light = Light { toward: [0.0, 0.6, 0.8], sun: [0.9; 3], sky: [0.3; 3], below: [0.1; 3] };
    let picture = draw(&scene, &Shot { light, ..before_black(camera) });
    let (n_l, n_v) = (0.8_f64, 1.0_f64);
    let h = [0.0, 0.6, 1.8_f64];
    let v_h = h[2] / h[1].hypot(h[2]);
    let fresnel = 0.04 + 0.96 * (1.0 - v_h).powi(5);
    // α = 1: D = 1, V = ½ / (n·l + n·v).
    let direct = 0.9 * n_l * ((1.0 - fresnel) * 0.5 + 0.5 / (n_l + n_v) * fresnel);
    let q = [0.0, 0.015, 0.468, -0.018];
    let a: f64 = f64::min(q[0] * q[0], (-9.28_f64).exp2()) * q[0] + q[1];
    let around = 0.2;
    let ambient = around * 0.5 + around * (0.04 * (-1.04 * a + q[2]) + 1.04 * a + q[3]);
    // Below 0.76 the tone map takes away 0.04 alone.
    let wanted = srgb::byte((direct + ambient - 0.04) as f32);
    assert!(picture.pixel(4, 4)[0].abs_diff(wanted) <= 1, "{} and {wanted}", picture.pixel(4, 4)[0]);
}

/// The back of a one-sided triangle is not there, and a mirror turns sides.
#[test]
fn backs_are_culled_and_mirrors_turn_them() {
    let positions = vec![[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, 0.0]];
    let mut scene = unlit(Primitive { positions, indices: vec![0, 1, 2], ..Primitive::default() });
    scene.materials[0].double_sided = false;
    let middle = |scene: &Scene| draw(scene, &before_black(camera([20, 20]))).pixel(10, 10)[0];
    assert_eq!(middle(&scene), 255);
    scene.meshes[0].primitives[0].indices = vec![0, 2, 1];
    assert_eq!(middle(&scene), 0);
    // What was the back stays it in a mirror, though it runs the other way in the picture.
    scene.nodes[0].local = NodeTransform::Trs(NodeTrs { scale: [-1.0, 1.0, 1.0], ..NodeTrs::default() });
    assert_eq!(middle(&scene), 0);
    scene.meshes[0].primitives[0].indices = vec![0, 1, 2];
    assert_eq!(middle(&scene), 255);
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let scene = Scene::figure();
    let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
    let shot = framing.shot(&Orbit::default(), [150, 110]).unwrap();
    let one = draw(&scene, &shot);
    let before = monotile_kernels::threads::count();
    for threads in [1, 2, 5] {
        monotile_kernels::threads::set_count(threads);
        assert!(draw(&scene, &shot) == one, "{threads}");
    }
    monotile_kernels::threads::set_count(before);
}

/// A stroke keeps no more than two records; what a vertex has is there once.
#[test]
fn strokes_take_little_more_memory_than_their_vertices() {
    let positions: Vec<[f32; 3]> = (0..300).map(|i| [(i % 20) as f32 / 20.0, (i / 20) as f32 / 20.0, 0.0]).collect();
    let shape = Primitive { positions, indices: (0..300).collect(), ..Primitive::default() };
    for (topology, strokes) in [(crate::Topology::Points, 300), (crate::Topology::Lines, 150), (crate::Topology::Triangles, 300)] {
        let scene = unlit(Primitive { topology, ..shape.clone() });
        let shot = Shot { wireframe: true, ..before_black(camera([160, 90])) };
        let view = crate::rendering::CameraView::new(&shot.camera);
        let (renderer, pose) = (CpuRenderer::new(&scene), Pose::rest(&scene));
        let draws = renderer.order.draws(&scene, &pose, (&view.space, &view.view_from_world));
        let drawn = renderer.drawn(&pose, &draws, &view, &shot);
        assert_eq!((drawn.varyings.len(), drawn.functions.len()), (300, 0), "{topology:?}");
        assert!((strokes..=2 * strokes).contains(&drawn.triangles.len()), "{topology:?}: {}", drawn.triangles.len());
    }
    assert!(size_of::<super::ScreenTriangle>() <= 40);
}

/// A shadow lies on the ground beside what throws it, on the far side of the sun, and the sky is as bright as without.
#[test]
fn shadows_fall_away_from_the_sun() {
    let scene = Scene::figure();
    let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
    let with = framing.shot(&Orbit { elevation: 40.0, ..Orbit::default() }, [120, 120]).unwrap();
    let (dark, plain) = (draw(&scene, &with), draw(&scene, &Shot { ground: None, ..with.clone() }));
    let place = |world: DVec3| {
        let (v, p) = with.camera.matrices();
        let ndc = (p * v).project_point3(world);
        [((ndc.x + 1.0) * 60.0) as usize, ((1.0 - ndc.y) * 60.0) as usize]
    };
    let ground = with.ground.unwrap();
    let [low, high] = framing.bounds();
    let waist = DVec3::from([0, 1, 2].map(|i| 0.5 * f64::from(low[i] + high[i])));
    let toward = DVec3::from(with.light.toward.map(f64::from));
    let [x, y] = place(waist - toward * ((waist.y - ground.height) / toward.y));
    let difference = |x: usize, y: usize| i32::from(plain.pixel(x, y)[1]) - i32::from(dark.pixel(x, y)[1]);
    assert!(difference(x, y) > 30, "{}", difference(x, y));
    assert_eq!(difference(60, 1), 0);
}

/// What a mask or alpha 0 takes away shows the black behind it, as what is painted black does.
#[test]
fn holes_show_what_is_behind() {
    let mut scene = board(Filter::Nearest, None);
    let shot = before_black(camera([160, 90]));
    let painted = draw(&scene, &shot);
    for texel in scene.images[0].rgba.chunks_exact_mut(4) {
        texel[3] = texel[0];
    }
    for alpha in [crate::AlphaMode::Mask(0.5), crate::AlphaMode::Blend] {
        scene.materials[0].alpha = alpha;
        let holes = draw(&scene, &shot);
        // Means are summed in another order.
        let apart = painted.rgba.iter().zip(&holes.rgba).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(1), "{alpha:?}: {apart:?}");
        assert!(holes.rgba.chunks_exact(4).filter(|p| p[0] == 255).count() > 800, "{alpha:?}");
    }
}
