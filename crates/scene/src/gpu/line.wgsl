// Lines and points as rectangles in the picture's plane: whatever the distance: lines one pixel wide, points as a shot says.

// The part in front of the near plane, where there is one.
fn clip_near(a: Varying, b: Varying) -> Varying {
    if a.clip.z >= 0.0 || b.clip.z < 0.0 {
        return a;
    }
    let t = a.clip.z / (a.clip.z - b.clip.z);
    var out = a;
    out.clip = mix(a.clip, b.clip, t);
    out.place = mix(a.place, b.place, t);
    out.normal = mix(a.normal, b.normal, t);
    out.tangent = mix(a.tangent, b.tangent, t);
    out.color = mix(a.color, b.color, t);
    out.uv_01 = mix(a.uv_01, b.uv_01, t);
    out.uv_23 = mix(a.uv_23, b.uv_23, t);
    out.uv_4 = mix(a.uv_4, b.uv_4, t);
    return out;
}

// A corner, 0 to 5, of the two triangles around a segment.
fn corner_of_segment(start: Varying, end: Varying, corner: u32) -> Varying {
    let a = clip_near(start, end);
    let b = clip_near(end, start);
    let along = (b.clip.xy / b.clip.w - a.clip.xy / a.clip.w) * frame.raster;
    let direction = along * inverseSqrt(max(dot(along, along), 1e-38));
    let side = select(-1.0, 1.0, corner == 1u || corner == 2u || corner == 4u);
    var out = a;
    if corner == 2u || corner >= 4u {
        out = b;
    }
    // Half a pixel is 1 / raster of the two units that the picture is wide.
    out.clip += vec4f(vec2f(-direction.y, direction.x) * side / frame.raster * out.clip.w, 0.0, 0.0);
    return out;
}

@vertex
fn line_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) which: u32) -> Varying {
    let first = draws[which].first_index + 2u * (vertex / 6u);
    return corner_of_segment(shade_vertex(which, indices[first]), shade_vertex(which, indices[first + 1u]), vertex % 6u);
}

// The three edges of a triangle.
@vertex
fn edge_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) which: u32) -> Varying {
    let edge = vertex / 6u;
    let first = draws[which].first_index + 3u * (edge / 3u);
    let start = indices[first + edge % 3u];
    let end = indices[first + (edge + 1u) % 3u];
    return corner_of_segment(shade_vertex(which, start), shade_vertex(which, end), vertex % 6u);
}

@vertex
fn point_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) which: u32) -> Varying {
    var out = shade_vertex(which, indices[draws[which].first_index + vertex / 6u]);
    let corner = vertex % 6u;
    let right = corner == 1u || corner == 2u || corner == 4u;
    let up = corner == 2u || corner >= 4u;
    out.clip += vec4f(select(vec2f(-1.0), vec2f(1.0), vec2<bool>(right, up)) * frame.point_size / frame.raster * out.clip.w, 0.0, 0.0);
    return out;
}
