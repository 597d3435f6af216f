
// Cotangents of the camera's six rows, of each thread.
var<workgroup> sums: array<vec4<f32>, 384>;

struct ShapeBars {
    mean: vec3<f32>,
    rotation: vec4<f32>,
    log_scales: vec3<f32>,
    logit: f32,
}

// From the rows of the cotangent of a rotation's matrix: that of the unit quaternion, less its part along it, over the length.
fn rotation_bar(unit: vec4<f32>, inverse_length: f32, r0: vec3<f32>, r1: vec3<f32>, r2: vec3<f32>) -> vec4<f32> {
    let x = unit.x;
    let y = unit.y;
    let z = unit.z;
    let w = unit.w;
    let bar = 2.0 * vec4<f32>(
        y * (r0.y + r1.x) + z * (r0.z + r2.x) - 2.0 * x * (r1.y + r2.z) + w * (r2.y - r1.z),
        x * (r0.y + r1.x) + z * (r1.z + r2.y) - 2.0 * y * (r0.x + r2.z) + w * (r0.z - r2.x),
        x * (r0.z + r2.x) + y * (r1.z + r2.y) - 2.0 * z * (r0.x + r1.y) + w * (r1.x - r0.y),
        x * (r2.y - r1.z) + y * (r0.z - r2.x) + z * (r1.x - r0.y),
    );
    return (bar - dot(bar, unit) * unit) * inverse_length;
}

// Cotangents of a splat; those of the camera's rows go to the thread's sums.
fn pulled(i: u32, own: u32) -> ShapeBars {
    let n = splats();
    let s = splat_at(i);
    let w = row_of_point(row2(), s.mean);
    let inverse_w = 1.0 / w;
    let it = projected(s, w);
    let position = vec2<f32>(a4[2u * i], a4[2u * i + 1u]);
    let at = 2u * n + 3u * i;
    let conic = vec3<f32>(a4[at], a4[at + 1u], a4[at + 2u]);
    let depth = a4[5u * n + i];
    let opacity = a4[6u * n + i];
    var bars: ShapeBars;
    bars.logit = opacity * it.compensation * it.opacity * (1.0 - it.opacity);
    // -Q Q̄ Q, with the off-diagonal entry of Q̄ shared by both places.
    let a = it.conic.x;
    let b = it.conic.y;
    let c = it.conic.z;
    let g = vec3<f32>(conic.x, 0.5 * conic.y, conic.z);
    let k0 = vec2<f32>(a * g.x + b * g.y, a * g.y + b * g.z);
    let k1 = vec2<f32>(b * g.x + c * g.y, b * g.y + c * g.z);
    var sigma = -vec3<f32>(k0.x * a + k0.y * b, k0.x * b + k0.y * c, k1.x * b + k1.y * c);
    if (antialiased() != 0u && it.ratio > LEAST_COMPENSATION * LEAST_COMPENSATION) {
        let ratio_bar = opacity * it.opacity / (2.0 * it.compensation);
        let before = ratio_bar / it.after;
        let after = -ratio_bar * it.ratio;
        sigma += before * vec3<f32>(it.sharp.z, -it.sharp.y, it.sharp.x) + after * vec3<f32>(a, b, c);
    }
    let u0 = 2.0 * (sigma.x * it.u0 + sigma.y * it.u1);
    let u1 = 2.0 * (sigma.y * it.u0 + sigma.z * it.u1);
    let m0 = it.t0.x * u0 + it.t1.x * u1;
    let m1 = it.t0.y * u0 + it.t1.y * u1;
    let m2 = it.t0.z * u0 + it.t1.z * u1;
    bars.log_scales = m0 * it.m0 + m1 * it.m1 + m2 * it.m2;
    bars.rotation = rotation_bar(it.unit, it.inverse_length, m0 * it.scales, m1 * it.scales, m2 * it.scales);
    // The pixel, the derivative T, and w, which divides both.
    let half = vec2<f32>(half_width(), -half_height());
    let scale = half * inverse_w;
    let t0 = vec3<f32>(dot(u0, it.m0), dot(u0, it.m1), dot(u0, it.m2));
    let t1 = vec3<f32>(dot(u1, it.m0), dot(u1, it.m1), dot(u1, it.m2));
    let held = -scale * vec2<f32>(dot(t0, row2().xyz), dot(t1, row2().xyz));
    let low = row5().xz;
    let high = row5().yw;
    let below = it.ndc < low;
    let above = it.ndc > high;
    let ndc = position * half + select(held, vec2<f32>(0.0), below | above);
    let clip = ndc * inverse_w;
    let from_low = select(vec2<f32>(0.0), held, below);
    let from_high = select(vec2<f32>(0.0), held, above);
    let w_bar = -dot(clip, it.ndc) - (dot(t0, it.t0) + dot(t1, it.t1)) * inverse_w;
    bars.mean = clip.x * row0().xyz + clip.y * row1().xyz + w_bar * row2().xyz + depth * row3().xyz;
    sums[own] = vec4<f32>(scale.x * t0 + clip.x * s.mean, clip.x);
    sums[own + 1u] = vec4<f32>(scale.y * t1 + clip.y * s.mean, clip.y);
    sums[own + 2u] = vec4<f32>(w_bar * s.mean - scale.x * it.held.x * t0 - scale.y * it.held.y * t1, w_bar);
    sums[own + 3u] = vec4<f32>(depth * s.mean, depth);
    sums[own + 5u] = vec4<f32>(from_low.x, from_high.x, from_low.y, from_high.y);
    return bars;
}
