// Rectangles over a finished picture.

struct Rectangle {
    // Left, upper, right and lower edge in pixels.
    edges: vec4f,
    // Linear RGBA.
    color: vec4f,
}

struct Corner {
    @builtin(position) clip: vec4f,
    @location(0) color: vec4f,
}

@group(0) @binding(0) var<uniform> raster: vec4f;
@group(0) @binding(1) var<storage, read> rectangles: array<Rectangle>;

@vertex
fn overlay_vertex(@builtin(vertex_index) vertex: u32) -> Corner {
    let rectangle = rectangles[vertex / 6u];
    let corner = vertex % 6u;
    let right = corner == 1u || corner == 2u || corner == 4u;
    let low = corner == 2u || corner >= 4u;
    let place = select(rectangle.edges.xy, rectangle.edges.zw, vec2<bool>(right, low));
    return Corner(vec4f((2.0 * place / raster.xy - 1.0) * vec2f(1.0, -1.0), 0.0, 1.0), rectangle.color);
}

@fragment
fn overlay(in: Corner) -> @location(0) vec4f {
    return vec4f(in.color.rgb * in.color.a, in.color.a);
}
