struct Ground {
    // Straight red, green and blue of what is behind, from 0 to 1.
    color: vec4<f32>,
    // Pixels across and down.
    size: vec4<f32>,
}

@group(0) @binding(0) var<storage, read> picture: array<f32>;
@group(0) @binding(1) var<uniform> ground: Ground;

// One triangle over all.
@vertex
fn corner(@builtin(vertex_index) number: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(f32(number & 1u) * 4.0 - 1.0, f32(number >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn pixel(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let last = ground.size.xy - 1.0;
    let place = min(at.xy, last);
    let first = 5u * (u32(place.y) * u32(ground.size.x) + u32(place.x));
    let color = vec3<f32>(picture[first], picture[first + 1u], picture[first + 2u]);
    return vec4<f32>(color + (1.0 - picture[first + 3u]) * ground.color.rgb, 1.0);
}
