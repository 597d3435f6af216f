// Channels, and after them the depth; beyond, 0.
fn feature(splat: u32, number: u32) -> f32 {
    let at = first() + number;
    if (at < channels()) { return a1[colors_at() + channels() * splat + at]; }
    if (at == channels()) { return a0[RECORD * splat + 7u]; }
    return 0.0;
}

fn features(splat: u32) -> vec4<f32> {
    return vec4<f32>(feature(splat, 0u), feature(splat, 1u), feature(splat, 2u), feature(splat, 3u));
}

// The place of a feature among the numbers of a pixel: the depth stands after the coverage.
fn place_of_feature(number: u32) -> u32 {
    let at = first() + number;
    return select(at, at + 1u, at == channels());
}

fn is_feature(number: u32) -> bool { return first() + number <= channels(); }

// ½ dᵀ Q d, of x, y, a/2, b and c/2.
fn exponent(d: vec2<f32>, shape: vec4<f32>, c: f32) -> f32 {
    return d.x * fma(shape.z, d.x, shape.w * d.y) + c * d.y * d.y;
}

// Whether a pixel of a workgroup's tile is not finished; all threads ask.
var<workgroup> open_bits: atomic<u32>;
var<workgroup> going: u32;
fn any_open(local: u32, open: bool) -> bool {
    if (local == 0u) { atomicStore(&open_bits, 0u); }
    workgroupBarrier();
    if (open) { atomicOr(&open_bits, 1u); }
    workgroupBarrier();
    if (local == 0u) { going = atomicLoad(&open_bits); }
    return workgroupUniformLoad(&going) != 0u;
}
