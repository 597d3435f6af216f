//! What changes from picture to picture: the uniform of the frame, and the matrices and weights of the pose.

use glam::Mat4;

use super::geometry::Geometry;
use super::uniform_data::UniformData;
use crate::draws::Draws;
use crate::rendering::CameraView;
use crate::shot::{FLOOR, HORIZON, SHADE, SHADOW_BLUR, SHADOW_REACH, ZENITH};
use crate::{Background, Ground, Pose, Scene, Shot, srgb};

/// What `scene.wgsl` has in group 0.
pub(super) fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, visibility, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::ShaderStages::VERTEX_FRAGMENT, wgpu::BufferBindingType::Uniform)];
    entries.extend((1..6).map(|i| entry(i, wgpu::ShaderStages::VERTEX, wgpu::BufferBindingType::Storage { read_only: true })));
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("frame"), entries: &entries })
}

/// Of the uniform.
pub(super) const BYTES: usize = 304;

/// `Frame` of `scene.wgsl`.
pub(super) fn uniform(shot: &Shot, view: &CameraView) -> UniformData {
    let linear = |byte| srgb::decode(f32::from(byte) / 255.0);
    let background = match shot.background {
        Background::Color([r, g, b]) => [linear(r), linear(g), linear(b), 1.0],
        Background::Transparent | Background::Sky => [0.0; 4],
    };
    let ground = shot.ground.map_or(Ground { height: 0.0, center: [0.0; 2], half_side: 1.0 }, |ground| view.space.ground(&ground));
    let mut words = UniformData::default();
    words.matrix(&view.clip_from_render).matrix(&view.render_from_clip);
    words.floats(&view.viewpoint.to_array());
    words.floats(&shot.light.toward).uints([u32::from(shot.casts_shadow())]);
    words.floats(&shot.light.sun).floats(&[SHADE]);
    words.floats(&shot.light.sky).floats(&[ground.height as f32]);
    words.floats(&shot.light.below).floats(&[ground.half_side as f32]);
    words.floats(&background);
    words.floats(&HORIZON).uints([u32::from(shot.background == Background::Sky)]);
    words.floats(&ZENITH).floats(&[SHADOW_BLUR]);
    words.floats(&FLOOR).floats(&[SHADOW_REACH as f32]);
    words.floats(&ground.center.map(|x| x as f32)).floats(&[shot.camera.width as f32, shot.camera.height as f32]);
    words.floats(&[shot.point_size]).pad();
    words
}

/// The matrices of a pose in the order of [`Geometry::matrices`].
pub(super) fn matrices(geometry: &Geometry, draws: &Draws) -> UniformData {
    let joints = draws.joints.iter().map(Vec::len).sum::<usize>();
    let mut nodes = vec![Mat4::IDENTITY; geometry.matrices - joints];
    for draw in &draws.draws {
        nodes[draw.node] = draw.render_from_mesh;
    }
    let mut words = UniformData::default();
    for matrix in nodes.iter().chain(draws.joints.iter().flatten()) {
        words.matrix(matrix);
    }
    words
}

/// The weights of a pose in the order of [`Geometry::weights`].
pub(super) fn weights(scene: &Scene, pose: &Pose) -> UniformData {
    let mut words = UniformData::default();
    for (_, weights) in scene.nodes.iter().zip(&pose.weights).filter(|(node, _)| node.mesh.is_some()) {
        words.floats(weights);
    }
    words
}
