struct Splat {
    mean: vec3<f32>,
    rotation: vec4<f32>,
    log_scales: vec3<f32>,
    logit: f32,
}

struct Projected {
    ndc: vec2<f32>,
    held: vec2<f32>,
    t0: vec3<f32>,
    t1: vec3<f32>,
    unit: vec4<f32>,
    inverse_length: f32,
    scales: vec3<f32>,
    // The rows of M = R diag(s), and of U = T M.
    m0: vec3<f32>,
    m1: vec3<f32>,
    m2: vec3<f32>,
    u0: vec3<f32>,
    u1: vec3<f32>,
    sharp: vec3<f32>,
    after: f32,
    conic: vec3<f32>,
    opacity: f32,
    ratio: f32,
    compensation: f32,
}

fn splat_at(i: u32) -> Splat {
    var s: Splat;
    let m = means_at() + 3u * i;
    let r = rotations_at() + 4u * i;
    let l = log_scales_at() + 3u * i;
    s.mean = vec3<f32>(a0[m], a0[m + 1u], a0[m + 2u]);
    s.rotation = vec4<f32>(a1[r], a1[r + 1u], a1[r + 2u], a1[r + 3u]);
    s.log_scales = vec3<f32>(a2[l], a2[l + 1u], a2[l + 2u]);
    s.logit = a3[logits_at() + i];
    return s;
}

// The row's product with a homogeneous point whose last number is 1.
fn row_of_point(row: vec4<f32>, mean: vec3<f32>) -> f32 {
    return fma(row.x, mean.x, fma(row.y, mean.y, fma(row.z, mean.z, row.w)));
}

fn projected(s: Splat, w: f32) -> Projected {
    var it: Projected;
    let inverse_w = 1.0 / w;
    it.ndc = vec2<f32>(row_of_point(row0(), s.mean), row_of_point(row1(), s.mean)) * inverse_w;
    it.held = min(max(it.ndc, row5().xz), row5().yw);
    it.t0 = (row0().xyz - it.held.x * row2().xyz) * (half_width() * inverse_w);
    it.t1 = (row1().xyz - it.held.y * row2().xyz) * (-half_height() * inverse_w);
    it.inverse_length = 1.0 / sqrt(dot(s.rotation, s.rotation));
    it.unit = s.rotation * it.inverse_length;
    let x = it.unit.x;
    let y = it.unit.y;
    let z = it.unit.z;
    let qw = it.unit.w;
    it.scales = vec3<f32>(accurate_exp(s.log_scales.x), accurate_exp(s.log_scales.y), accurate_exp(s.log_scales.z));
    it.m0 = vec3<f32>(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - qw * z), 2.0 * (x * z + qw * y)) * it.scales;
    it.m1 = vec3<f32>(2.0 * (x * y + qw * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - qw * x)) * it.scales;
    it.m2 = vec3<f32>(2.0 * (x * z - qw * y), 2.0 * (y * z + qw * x), 1.0 - 2.0 * (x * x + y * y)) * it.scales;
    it.u0 = it.t0.x * it.m0 + it.t0.y * it.m1 + it.t0.z * it.m2;
    it.u1 = it.t1.x * it.m0 + it.t1.y * it.m1 + it.t1.z * it.m2;
    it.sharp = vec3<f32>(dot(it.u0, it.u0), dot(it.u0, it.u1), dot(it.u1, it.u1));
    let across = cross(it.u0, it.u1);
    let before = dot(across, across);
    it.after = fma(blur(), it.sharp.x + it.sharp.z + blur(), before);
    let inverse = 1.0 / it.after;
    it.conic = vec3<f32>((it.sharp.z + blur()) * inverse, -it.sharp.y * inverse, (it.sharp.x + blur()) * inverse);
    it.ratio = before * inverse;
    it.compensation = 1.0;
    if (antialiased() != 0u) { it.compensation = sqrt(max(it.ratio, LEAST_COMPENSATION * LEAST_COMPENSATION)); }
    it.opacity = 1.0 / (1.0 + accurate_exp(-s.logit));
    return it;
}
