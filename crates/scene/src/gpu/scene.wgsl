// What every shader of a scene reads. The host writes these in `frame.rs`, `geometry.rs` and `material.rs`, field by field in this order.

//
// Everything is in the space that the view is about: the world's axes, the viewer near the origin, at a scale of about 1.

struct Frame {
    clip_from_render: mat4x4f,
    render_from_clip: mat4x4f,
    // Where all rays meet: a point, or with w = 0 the direction against parallel rays.
    viewpoint: vec4f,
    toward: vec3f,
    // Whether the ground catches a shadow.
    shadow: u32,
    sun: vec3f,
    // What a full shadow takes away.
    shade: f32,
    sky: vec3f,
    // y of the ground.
    height: f32,
    below: vec3f,
    half_side: f32,
    // With alpha multiplied in, where the background is no sky.
    background: vec4f,
    horizon: vec3f,
    // Whether the background is a sky.
    gradient: u32,
    zenith: vec3f,
    // Of the blur of shadows, in texels.
    deviation: f32,
    floor: vec3f,
    reach: f32,
    // x and z of the middle of the ground.
    center: vec2f,
    // In pixels.
    raster: vec2f,
    // Of the square that a point is, in pixels.
    point_size: f32,
}

// One primitive of one node; places count in words of `words`, and NONE is the place of what the primitive lacks.
struct Draw {
    positions: u32,
    normals: u32,
    tangents: u32,
    colors: u32,
    // Of the five textures of the material, in its order.
    uvs: array<u32, 5>,
    influences: u32,
    per_vertex: u32,
    // Per target the places of its positions, normals and tangents.
    targets: u32,
    target_count: u32,
    // Of the node or of its skin's joints, in `matrices`.
    matrix: u32,
    weight: u32,
    first_index: u32,
}

struct Material {
    base_color: vec4f,
    emissive: vec3f,
    metallic: f32,
    roughness: f32,
    normal_scale: f32,
    occlusion_strength: f32,
    cutoff: f32,
    // Two for each texture: the first two columns of its transform, then the third.
    uv: array<vec4f, 10>,
    flags: u32,
}

const NONE: u32 = 0xffffffffu;
const BASE_COLOR: u32 = 0u;
const METALLIC_ROUGHNESS: u32 = 1u;
const NORMAL: u32 = 2u;
const OCCLUSION: u32 = 3u;
const EMISSIVE: u32 = 4u;
const UNLIT: u32 = 5u;
const MASK: u32 = 6u;

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> matrices: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> draws: array<Draw>;
@group(0) @binding(4) var<storage, read> words: array<u32>;
@group(0) @binding(5) var<storage, read> indices: array<u32>;

@group(1) @binding(0) var<uniform> material: Material;
@group(1) @binding(1) var base_color_texture: texture_2d<f32>;
@group(1) @binding(2) var metallic_roughness_texture: texture_2d<f32>;
@group(1) @binding(3) var normal_texture: texture_2d<f32>;
@group(1) @binding(4) var occlusion_texture: texture_2d<f32>;
@group(1) @binding(5) var emissive_texture: texture_2d<f32>;
@group(1) @binding(6) var base_color_sampler: sampler;
@group(1) @binding(7) var metallic_roughness_sampler: sampler;
@group(1) @binding(8) var normal_sampler: sampler;
@group(1) @binding(9) var occlusion_sampler: sampler;
@group(1) @binding(10) var emissive_sampler: sampler;

fn has(flag: u32) -> bool {
    return (material.flags & (1u << flag)) != 0u;
}
