// A picture over a whole window.

struct Corner {
    @builtin(position) clip: vec4f,
    @location(0) place: vec2f,
}

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var reading: sampler;

@vertex
fn picture_vertex(@builtin(vertex_index) vertex: u32) -> Corner {
    // One triangle, twice as wide and high as the window.
    let place = 2.0 * vec2f(f32(vertex & 1u), f32(vertex >> 1u));
    return Corner(vec4f(2.0 * place.x - 1.0, 1.0 - 2.0 * place.y, 0.0, 1.0), place);
}

@fragment
fn picture_pixel(in: Corner) -> @location(0) vec4f {
    return vec4f(textureSampleLevel(picture, reading, in.place, 0.0).rgb, 1.0);
}
