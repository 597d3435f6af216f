// Y of a direction of length 1; those that a splat has not are not read.
fn basis(d: vec3<f32>) -> array<f32, 16> {
    let x = d.x;
    let y = d.y;
    let z = d.z;
    let xx = x * x;
    let yy = y * y;
    let zz = z * z;
    let ring = 4.0 * zz - xx - yy;
    return array<f32, 16>(
        Y0,
        -Y1 * y,
        Y1 * z,
        -Y1 * x,
        Y2 * x * y,
        -Y2 * y * z,
        Y20 * (zz + zz - xx - yy),
        -Y2 * x * z,
        0.5 * Y2 * (xx - yy),
        -Y33 * y * (3.0 * xx - yy),
        Y32 * x * y * z,
        -Y31 * y * ring,
        Y30 * z * (zz + zz - 3.0 * (xx + yy)),
        -Y31 * x * ring,
        0.5 * Y32 * z * (xx - yy),
        -Y33 * x * (xx - 3.0 * yy),
    );
}

// The sum of w ∇Y; w is 0 of those that a splat has not.
fn basis_bar(d: vec3<f32>, w: array<f32, 16>) -> vec3<f32> {
    let x = d.x;
    let y = d.y;
    let z = d.z;
    let xx = x * x;
    let yy = y * y;
    let zz = z * z;
    let xy = x * y;
    let xz = x * z;
    let yz = y * z;
    let ring = 4.0 * zz - xx - yy;
    var bar = vec3<f32>(-Y1 * w[3], -Y1 * w[1], Y1 * w[2]);
    bar += vec3<f32>(
        Y2 * (y * w[4] - z * w[7] + x * w[8]) - 2.0 * Y20 * x * w[6],
        Y2 * (x * w[4] - z * w[5] - y * w[8]) - 2.0 * Y20 * y * w[6],
        4.0 * Y20 * z * w[6] - Y2 * (y * w[5] + x * w[7]),
    );
    bar.x += Y32 * (yz * w[10] + xz * w[14]) - Y33 * (6.0 * xy * w[9] + 3.0 * (xx - yy) * w[15])
        + Y31 * (2.0 * xy * w[11] + (2.0 * xx - ring) * w[13]) - 6.0 * Y30 * xz * w[12];
    bar.y += Y33 * (6.0 * xy * w[15] - 3.0 * (xx - yy) * w[9]) + Y32 * (xz * w[10] - yz * w[14])
        + Y31 * ((2.0 * yy - ring) * w[11] + 2.0 * xy * w[13]) - 6.0 * Y30 * yz * w[12];
    bar.z += Y32 * (xy * w[10] + 0.5 * (xx - yy) * w[14]) - 8.0 * Y31 * (yz * w[11] + xz * w[13])
        + Y30 * (6.0 * zz - 3.0 * (xx + yy)) * w[12];
    return bar;
}

// From the eye to a mean, or along the line of sight.
fn sight(i: u32) -> vec3<f32> {
    let m = means_at() + 3u * i;
    return row4().w * vec3<f32>(a0[m], a0[m + 1u], a0[m + 2u]) - row4().xyz;
}

fn coefficient(at: u32) -> vec3<f32> {
    return vec3<f32>(a1[at], a1[at + 1u], a1[at + 2u]);
}
