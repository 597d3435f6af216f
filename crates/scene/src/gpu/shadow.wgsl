// The shadow on the ground: the scene laid flat along the light, then blurred along u and along v.

// x to the right and z down, whatever the height.
@vertex
fn cast_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) which: u32) -> @builtin(position) vec4f {
    let draw = draws[which];
    let place = render_from_mesh(draw, vertex) * vec4f(morphed(draw, 0u, triple(draw.positions, vertex), vertex), 1.0);
    let ground = place.xz - frame.toward.xz * ((place.y - frame.height) / frame.toward.y);
    let at = (ground - frame.center) / frame.half_side;
    return vec4f(at.x, -at.y, 0.0, 1.0);
}

@fragment
fn cast_shadow() -> @location(0) vec4f {
    return vec4f(1.0);
}

fn blurred(texel: vec2i, step: vec2i) -> f32 {
    let size = vec2i(textureDimensions(shadow_map));
    let reach = i32(frame.reach);
    var sum = 0.0;
    var whole = 0.0;
    for (var i = -reach; i <= reach; i++) {
        let x = f32(i) / frame.deviation;
        let weight = exp(-0.5 * x * x);
        whole += weight;
        let place = texel + i * step;
        if all(place >= vec2i(0)) && all(place < size) {
            sum += weight * textureLoad(shadow_map, place, 0).r;
        }
    }
    return sum / whole;
}

@fragment
fn blur_u(@builtin(position) at: vec4f) -> @location(0) vec4f {
    return vec4f(blurred(vec2i(at.xy), vec2i(1, 0)));
}

@fragment
fn blur_v(@builtin(position) at: vec4f) -> @location(0) vec4f {
    return vec4f(blurred(vec2i(at.xy), vec2i(0, 1)));
}
