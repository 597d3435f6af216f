// The radiance of a fragment, as `shot.rs` states it, in its letters.

const DIELECTRIC: f32 = 0.04;

// Which fragments are drawn: 0 all, 1 those of a blending surface that hide what is behind, 2 the others.
override part: u32 = 0u;

// How far below a number alpha still counts as it, as in draws.rs.
const ALPHA_SLACK: f32 = 1.0 / 2048.0;

fn surroundings(direction: vec3f) -> vec3f {
    return mix(frame.below, frame.sky, 0.5 + 0.5 * direction.y);
}

fn radiance(n: vec3f, v: vec3f, c: vec3f, m: f32, rho: f32, o: f32) -> vec3f {
    let alpha = max(rho, 0.045) * max(rho, 0.045);
    let alpha2 = alpha * alpha;
    let f0 = DIELECTRIC * (1.0 - m) + c * m;
    let d = c * (1.0 - m);
    let l = frame.toward;
    let n_v = max(dot(n, v), 1e-4);
    let n_l = max(dot(n, l), 0.0);

    var direct = vec3f();
    if n_l > 0.0 {
        let h = unit(l + v);
        let n_h = max(dot(n, h), 0.0);
        let fresnel = f0 + (1.0 - f0) * pow(1.0 - clamp(dot(v, h), 0.0, 1.0), 5.0);
        let lobe = n_h * n_h * (alpha2 - 1.0) + 1.0;
        let distribution = alpha2 / (lobe * lobe);
        let visibility = 0.5 / (n_l * sqrt(n_v * n_v * (1.0 - alpha2) + alpha2) + n_v * sqrt(n_l * n_l * (1.0 - alpha2) + alpha2));
        direct = frame.sun * n_l * ((1.0 - fresnel) * d + distribution * visibility * fresnel);
    }

    let q = rho * vec4f(-1.0, -0.0275, -0.572, 0.022) + vec4f(1.0, 0.0425, 1.04, -0.04);
    let a = min(q.x * q.x, exp2(-9.28 * n_v)) * q.x + q.y;
    let scale = -1.04 * a + q.z;
    let bias = 1.04 * a + q.w;
    let r = 2.0 * n_v * n - v;
    let ambient = o * (surroundings(n) * d + surroundings(r) * (f0 * scale + bias));
    return direct + ambient;
}

// Khronos PBR Neutral.
fn tone_map(radiance: vec3f) -> vec3f {
    let start = 0.8 - DIELECTRIC;
    let desaturation = 0.15;
    let least = min(radiance.r, min(radiance.g, radiance.b));
    let offset = select(DIELECTRIC, least - 6.25 * least * least, least < 0.08);
    let color = radiance - offset;
    let peak = max(color.r, max(color.g, color.b));
    if peak < start {
        return color;
    }
    let room = 1.0 - start;
    let new_peak = 1.0 - room * room / (peak + room - start);
    let g = 1.0 - 1.0 / (desaturation * (peak - new_peak) + 1.0);
    return mix(color * (new_peak / peak), vec3f(new_peak), g);
}

// What the textures say of a fragment; taken before any of its pixel's fragments may be dropped.
struct Texels {
    base: vec4f,
    metallic_roughness: vec2f,
    // As it is encoded, 0 to 1.
    normal: vec3f,
    occlusion: f32,
    emission: vec3f,
}

fn texels(in: Varying) -> Texels {
    var out = Texels(material.base_color * in.color, vec2f(material.metallic, material.roughness), vec3f(), 1.0, material.emissive);
    if has(BASE_COLOR) {
        out.base *= textureSample(base_color_texture, base_color_sampler, in.uv_01.xy);
    }
    if has(METALLIC_ROUGHNESS) {
        out.metallic_roughness *= textureSample(metallic_roughness_texture, metallic_roughness_sampler, in.uv_01.zw).bg;
    }
    if has(NORMAL) {
        out.normal = textureSample(normal_texture, normal_sampler, in.uv_23.xy).xyz;
    }
    if has(OCCLUSION) {
        out.occlusion += material.occlusion_strength * (textureSample(occlusion_texture, occlusion_sampler, in.uv_23.zw).r - 1.0);
    }
    if has(EMISSIVE) {
        out.emission *= textureSample(emissive_texture, emissive_sampler, in.uv_4).rgb;
    }
    return out;
}

fn shading_normal(in: Varying, mapped: vec3f, v: vec3f) -> vec3f {
    if has(NORMAL) {
        let b = cross(in.normal, in.tangent.xyz) * in.tangent.w;
        let x = (2.0 * mapped - 1.0) * vec3f(material.normal_scale, material.normal_scale, 1.0);
        return unit_or(x.x * in.tangent.xyz + x.y * b + x.z * in.normal, v);
    }
    return unit_or(in.normal, v);
}

// With alpha multiplied in.
fn shade(in: Varying, front: bool, unlit: bool) -> vec4f {
    let t = texels(in);
    if has(MASK) && t.base.a < material.cutoff - ALPHA_SLACK {
        discard;
    }
    if part != 0u && (t.base.a >= 1.0 - ALPHA_SLACK) != (part == 1u) {
        discard;
    }
    let alpha = select(1.0, t.base.a, part == 2u);
    if unlit {
        return vec4f(t.base.rgb * alpha, alpha);
    }
    let v = unit(frame.viewpoint.xyz - in.place * frame.viewpoint.w);
    let outward = shading_normal(in, t.normal, v);
    let n = select(-outward, outward, front);
    let l = radiance(n, v, t.base.rgb, t.metallic_roughness.x, t.metallic_roughness.y, t.occlusion) + t.emission;
    return vec4f(tone_map(l) * alpha, alpha);
}

@fragment
fn surface(in: Varying, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    return shade(in, front, has(UNLIT));
}

// Lines and points have one side.
@fragment
fn stroke(in: Varying) -> @location(0) vec4f {
    return shade(in, true, has(UNLIT));
}

// Without normals they have no light either.
@fragment
fn unlit_stroke(in: Varying) -> @location(0) vec4f {
    return shade(in, true, true);
}
