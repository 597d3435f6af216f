// What is behind everything: a colour or a sky, with the shadow on the ground.

@group(1) @binding(0) var shadow_map: texture_2d<f32>;
@group(1) @binding(1) var shadow_sampler: sampler;

struct Behind {
    @builtin(position) clip: vec4f,
    // The same, which the rasterizer does not change.
    @location(0) place: vec2f,
}

// One triangle that covers everything, as far away as can be.
@vertex
fn cover_vertex(@builtin(vertex_index) vertex: u32) -> Behind {
    let place = vec2f(f32(vertex & 1u), f32(vertex >> 1u)) * 4.0 - 1.0;
    return Behind(vec4f(place, 1.0, 1.0), place);
}

fn sky_at(y: f32) -> vec3f {
    let s = 1.0 - abs(y);
    return mix(frame.horizon, select(frame.floor, frame.zenith, y > 0.0), 1.0 - s * s * s);
}

// 0 to 1, where the ray through `origin` goes down through the ground.
fn shadow_along(origin: vec3f, direction: vec3f) -> f32 {
    if frame.shadow == 0u || direction.y >= 0.0 || origin.y <= frame.height {
        return 0.0;
    }
    let hit = origin + direction * ((frame.height - origin.y) / direction.y);
    let place = (hit.xz - frame.center) / frame.half_side;
    if max(abs(place.x), abs(place.y)) > 1.0 {
        return 0.0;
    }
    return textureSampleLevel(shadow_map, shadow_sampler, 0.5 * place + 0.5, 0.0).r;
}

@fragment
fn background(in: Behind) -> @location(0) vec4f {
    let near = frame.render_from_clip * vec4f(in.place, 0.0, 1.0);
    let direction = unit(near.xyz * frame.viewpoint.w - frame.viewpoint.xyz * near.w);
    let origin = select(near.xyz / near.w, frame.viewpoint.xyz, frame.viewpoint.w != 0.0);
    let behind = select(frame.background, vec4f(sky_at(direction.y), 1.0), frame.gradient != 0u);
    let dark = frame.shade * shadow_along(origin, direction);
    return vec4f(behind.rgb * (1.0 - dark), behind.a + (1.0 - behind.a) * dark);
}
