// From a vertex of a mesh to the space of the view and to clip space: targets, then joints or the node, then V and P.

struct Varying {
    @builtin(position) clip: vec4f,
    @location(0) place: vec3f,
    @location(1) normal: vec3f,
    @location(2) tangent: vec4f,
    @location(3) color: vec4f,
    // Base colour, metallic-roughness; normal, occlusion; emissive.
    @location(4) uv_01: vec4f,
    @location(5) uv_23: vec4f,
    @location(6) uv_4: vec2f,
}

fn number(place: u32) -> f32 {
    return bitcast<f32>(words[place]);
}

fn pair(place: u32, vertex: u32) -> vec2f {
    let at = place + 2u * vertex;
    return vec2f(number(at), number(at + 1u));
}

fn triple(place: u32, vertex: u32) -> vec3f {
    let at = place + 3u * vertex;
    return vec3f(number(at), number(at + 1u), number(at + 2u));
}

fn quadruple(place: u32, vertex: u32) -> vec4f {
    let at = place + 4u * vertex;
    return vec4f(number(at), number(at + 1u), number(at + 2u), number(at + 3u));
}

// Zero stays zero, where NaN would spread.
fn unit(v: vec3f) -> vec3f {
    return v * inverseSqrt(max(dot(v, v), 1e-38));
}

fn unit_or(v: vec3f, otherwise: vec3f) -> vec3f {
    return select(otherwise, unit(v), dot(v, v) > 0.0);
}

fn render_from_mesh(draw: Draw, vertex: u32) -> mat4x4f {
    if draw.influences == NONE {
        return matrices[draw.matrix];
    }
    var blended = mat4x4f();
    let first = draw.influences + 2u * draw.per_vertex * vertex;
    for (var i = 0u; i < draw.per_vertex; i++) {
        let weight = number(first + 2u * i + 1u);
        if weight != 0.0 {
            blended += weight * matrices[draw.matrix + words[first + 2u * i]];
        }
    }
    return blended;
}

// The same with its largest number 1, so that products of its numbers are numbers whatever the scale.
fn directions(m: mat4x4f) -> mat3x3f {
    let linear = mat3x3f(m[0].xyz, m[1].xyz, m[2].xyz);
    let most = max(max(abs(linear[0]), abs(linear[1])), abs(linear[2]));
    let largest = max(max(most.x, most.y), most.z);
    return linear * select(1.0, 1.0 / largest, largest > 1e-37 && largest < 1e37);
}

// The inverse transpose up to a positive factor: the cofactors, with the determinant's sign, which are finite where the matrix is singular too.
fn turn_normal(m: mat3x3f, normal: vec3f) -> vec3f {
    let cofactor = mat3x3f(cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1]));
    let turned = unit(cofactor * normal);
    return select(turned, -turned, dot(m[0], cofactor[0]) < 0.0);
}

fn texture_coordinate(draw: Draw, slot: u32, vertex: u32) -> vec2f {
    var uv = vec2f();
    if draw.uvs[slot] != NONE {
        uv = pair(draw.uvs[slot], vertex);
    }
    let columns = material.uv[2u * slot];
    return columns.xy * uv.x + columns.zw * uv.y + material.uv[2u * slot + 1u].xy;
}

// The place of one of the three lists of a target.
fn target_place(draw: Draw, target_index: u32, list: u32) -> u32 {
    return words[draw.targets + 3u * target_index + list];
}

fn morphed(draw: Draw, list: u32, rest: vec3f, vertex: u32) -> vec3f {
    var sum = rest;
    for (var i = 0u; i < draw.target_count; i++) {
        let weight = weights[draw.weight + i];
        let place = target_place(draw, i, list);
        if weight != 0.0 && place != NONE {
            sum += weight * triple(place, vertex);
        }
    }
    return sum;
}

fn shade_vertex(which: u32, vertex: u32) -> Varying {
    let draw = draws[which];
    let m = render_from_mesh(draw, vertex);
    let linear = directions(m);
    let place = m * vec4f(morphed(draw, 0u, triple(draw.positions, vertex), vertex), 1.0);
    var out: Varying;
    out.clip = frame.clip_from_render * place;
    out.place = place.xyz;
    if draw.normals != NONE {
        out.normal = turn_normal(linear, morphed(draw, 1u, triple(draw.normals, vertex), vertex));
    }
    if draw.tangents != NONE {
        let tangent = quadruple(draw.tangents, vertex);
        out.tangent = vec4f(unit(linear * morphed(draw, 2u, tangent.xyz, vertex)), tangent.w);
    }
    out.color = vec4f(1.0);
    if draw.colors != NONE {
        out.color = quadruple(draw.colors, vertex);
    }
    out.uv_01 = vec4f(texture_coordinate(draw, BASE_COLOR, vertex), texture_coordinate(draw, METALLIC_ROUGHNESS, vertex));
    out.uv_23 = vec4f(texture_coordinate(draw, NORMAL, vertex), texture_coordinate(draw, OCCLUSION, vertex));
    out.uv_4 = texture_coordinate(draw, EMISSIVE, vertex);
    return out;
}

@vertex
fn triangle_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) which: u32) -> Varying {
    return shade_vertex(which, vertex);
}
