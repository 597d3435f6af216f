// T x = b for the lane's column of B, which is at `own`, a step of PITCH apart; x takes its place.
fn solve(at: u32, own: u32) {
    let n = rows();
    for (var step = 0u; step < n; step += 1u) {
        let i = select(step, n - 1u - step, UPPER);
        var sum = tile[own + i * PITCH];
        for (var other = 0u; other < step; other += 1u) {
            let j = select(other, n - 1u - other, UPPER);
            sum = fma(-tile[at + i * PITCH + j], tile[own + j * PITCH], sum);
        }
        if (!UNIT) { sum /= tile[at + i * PITCH + i]; }
        tile[own + i * PITCH] = sum;
    }
}
