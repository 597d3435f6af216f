// Which columns a lane rotates in a round: each of `even` columns meets each other once in even − 1 rounds.
fn first_of_pair(pair: u32, round: u32, even: u32) -> u32 {
    return select((round + pair) % (even - 1u), even - 1u, pair == 0u);
}

fn second_of_pair(pair: u32, round: u32, even: u32) -> u32 {
    return select((round + even - 1u - pair) % (even - 1u), round, pair == 0u);
}

// The cosine and sine that make off = 0 of [[first, off], [off, second]]; the smaller angle of the two.
fn rotation(first: f32, second: f32, off: f32) -> vec2<f32> {
    if (off == 0.0) { return vec2<f32>(1.0, 0.0); }
    let ratio = (second - first) / (2.0 * off);
    let size = abs(ratio);
    // Beyond this the square is no number, and the root is the ratio.
    let root = select(sqrt(fma(ratio, ratio, 1.0)), size, size > 1e18);
    let tangent = select(1.0, -1.0, ratio < 0.0) / (size + root);
    let cosine = 1.0 / sqrt(fma(tangent, tangent, 1.0));
    return vec2<f32>(cosine, tangent * cosine);
}

// Columns p and q of the row that begins at `row`, rotated.
fn rotate(row: u32, step_p: u32, step_q: u32, by: vec2<f32>) {
    let x = tile[row + step_p];
    let y = tile[row + step_q];
    tile[row + step_p] = fma(by.x, x, -by.y * y);
    tile[row + step_q] = fma(by.y, x, by.x * y);
}

// How many of the first `n` of `lists` come before number i: in order, of equal ones the earlier. NaN comes by its number alone.
fn place_of(list: u32, i: u32, n: u32, descending: bool) -> u32 {
    let own = lists[list + i];
    var before = 0u;
    for (var j = 0u; j < n; j += 1u) {
        let other = lists[list + j];
        let less = select((other < own), (other > own), descending);
        let more = select((other > own), (other < own), descending);
        if (less || (!more && j < i)) { before += 1u; }
    }
    return before;
}
