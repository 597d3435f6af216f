// Philox 4x32 of ten rounds (Salmon, Moraes, Dror and Shaw 2011), as the processor has it.
fn random_bits(row: u32) -> vec4<u32> {
    var key = vec2<u32>(key0(), key1());
    var x = vec4<u32>(row, counter1(), counter2(), counter3());
    for (var n = 0u; n < 10u; n += 1u) {
        x = vec4<u32>(
            accurate_product_high(x.z, 0xcd9e8d57u) ^ x.y ^ key.x, x.z * 0xcd9e8d57u,
            accurate_product_high(x.x, 0xd2511f53u) ^ x.w ^ key.y, x.x * 0xd2511f53u);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return x;
}

// Three numbers of the normal distribution.
fn normal3(row: u32) -> vec3<f32> {
    let x = (vec4<f32>(random_bits(row)) + 0.5) * 2.3283064365386963e-10;
    let near = sqrt(max(-2.0 * accurate_log(x.x), 0.0));
    let far = sqrt(max(-2.0 * accurate_log(x.z), 0.0));
    let turns = 6.283185307179586 * x.yw;
    return vec3<f32>(near * accurate_cos(turns.x), near * accurate_sin(turns.x), far * accurate_cos(turns.y));
}

// Σ ξ of the covariance Σ of a rotation and of variances along its axes.
fn spread(q: vec4<f32>, variances: vec3<f32>, xi: vec3<f32>) -> vec3<f32> {
    let unit = q / sqrt(dot(q, q));
    let x = unit.x;
    let y = unit.y;
    let z = unit.z;
    let w = unit.w;
    let r = mat3x3<f32>(
        1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
        2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
        2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
    return r * (variances * (xi * r));
}
