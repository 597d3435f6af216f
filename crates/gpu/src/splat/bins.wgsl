struct Ellipse {
    center: vec2<f32>,
    // a, b, c
    conic: vec3<f32>,
    // dᵀ Q d is at most this; below 0 of what is not visible, and above 1e38 of what is blended everywhere.
    q: f32,
}

fn upper(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }

// a c - b², of halves of twelve bits, whose products are exact: the difference cancels.
fn determinant(x: vec3<f32>) -> f32 {
    let h = vec3<f32>(upper(x.x), upper(x.y), upper(x.z));
    let l = x - h;
    let middle = (h.x * l.z - h.y * l.y) + (l.x * h.z - h.y * l.y);
    return (h.x * h.z - h.y * h.y) + (middle + (l.x * l.z - l.y * l.y));
}

// The tiles around an ellipse: left, top, right and bottom, the last two not among them.
fn tiles_around(e: Ellipse) -> vec4<u32> {
    let end = vec2<u32>(columns(), rows());
    if (e.q > 1e38) { return vec4<u32>(vec2<u32>(0u), end); }
    if (!(e.q >= 0.0)) { return vec4<u32>(0u); }
    // By a power of two, so that products are numbers.
    let down = bitcast<f32>((254u - (bitcast<u32>(max(e.conic.x, e.conic.z)) >> 23u)) << 23u);
    let scaled = e.conic * down;
    let det = determinant(scaled);
    if (!(det > 0.0)) { return vec4<u32>(0u); }
    let variances = min(scaled.zx * (e.q / det) * down, vec2<f32>(1e18));
    let half = sqrt(variances) * (1.0 + SLACK) + SLACK + 0.5;
    let last = vec2<f32>(f32(width()), f32(height())) - 1.0;
    // The first and the last pixel whose centre lies within.
    let low = max(ceil(e.center - half), vec2<f32>(0.0));
    let high = min(floor(e.center + half - 1.0), last);
    if (low.x > high.x || low.y > high.y) { return vec4<u32>(0u); }
    return vec4<u32>(vec2<u32>(low) / SIDE, min(vec2<u32>(high) / SIDE + 1u, end));
}

fn form(e: Ellipse, d: vec2<f32>) -> f32 {
    return d.x * (e.conic.x * d.x + 2.0 * e.conic.y * d.y) + e.conic.z * d.y * d.y;
}

// Whether dᵀ Q d is at most q somewhere over the centres of a tile's pixels: it is least at the pixel next to the centre in one direction, and as near to
// the form's valley as the tile allows in the other.
fn reaches(e: Ellipse, tile: vec2<u32>) -> bool {
    if (e.q > 1e38) { return true; }
    let low = vec2<f32>(tile * SIDE) + 0.5 - e.center;
    let high = low + f32(SIDE - 1u);
    let near = min(max(vec2<f32>(0.0), low), high);
    let down = min(max(-e.conic.y / e.conic.z * near.x, low.y), high.y);
    let across = min(max(-e.conic.y / e.conic.x * near.y, low.x), high.x);
    return !(form(e, vec2<f32>(near.x, down)) > e.q && form(e, vec2<f32>(across, near.y)) > e.q);
}
