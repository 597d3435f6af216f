// A = Q R by reflections I − τ v vᵀ. A lane owns a column. R stays above the diagonal, v below it, its first number 1.
// `lists` keeps τ, and after them the diagonal.
fn reflect(at: u32, lane: u32, list: u32) {
    let m = rows();
    let n = columns();
    for (var k = 0u; k < min(m, n); k += 1u) {
        let head = tile[at + k * PITCH + k];
        var rest = 0.0;
        for (var i = k + 1u; i < m; i += 1u) {
            let x = tile[at + i * PITCH + k];
            rest = fma(x, x, rest);
        }
        var diagonal = head;
        var tau = 0.0;
        var over = 0.0;
        // NaN goes on.
        if (rest != 0.0) {
            let length = sqrt(fma(head, head, rest));
            diagonal = select(length, -length, head > 0.0);
            tau = (diagonal - head) / diagonal;
            over = 1.0 / (head - diagonal);
        }
        if (lane > k && lane < n) {
            var sum = tile[at + k * PITCH + lane];
            for (var i = k + 1u; i < m; i += 1u) { sum = fma(tile[at + i * PITCH + k] * over, tile[at + i * PITCH + lane], sum); }
            sum *= tau;
            tile[at + k * PITCH + lane] -= sum;
            for (var i = k + 1u; i < m; i += 1u) {
                let to = at + i * PITCH + lane;
                tile[to] = fma(-tile[at + i * PITCH + k] * over, sum, tile[to]);
            }
        }
        workgroupBarrier();
        if (lane == k) {
            for (var i = k + 1u; i < m; i += 1u) { tile[at + i * PITCH + k] *= over; }
            tile[at + k * PITCH + k] = diagonal;
            lists[list + k] = tau;
            lists[list + SIDE + k] = diagonal;
        }
        workgroupBarrier();
    }
}

// The lane's column of Q, at `to`: the reflections from the last to the first, of a unit vector.
fn unreflect(at: u32, lane: u32, list: u32, to: u32) {
    let m = rows();
    let steps = min(m, columns());
    if (lane < steps) {
        for (var i = 0u; i < m; i += 1u) { tile[to + i * PITCH + lane] = select(0.0, 1.0, i == lane); }
        for (var back = 0u; back < steps; back += 1u) {
            let k = steps - 1u - back;
            var sum = tile[to + k * PITCH + lane];
            for (var i = k + 1u; i < m; i += 1u) { sum = fma(tile[at + i * PITCH + k], tile[to + i * PITCH + lane], sum); }
            sum *= lists[list + k];
            tile[to + k * PITCH + lane] -= sum;
            for (var i = k + 1u; i < m; i += 1u) {
                let place = to + i * PITCH + lane;
                tile[place] = fma(-tile[at + i * PITCH + k], sum, tile[place]);
            }
        }
    }
    workgroupBarrier();
}
