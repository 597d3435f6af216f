// A = V Λ Vᵀ of a symmetric matrix: rounds of rotations of disjoint pairs, from the right (a lane owns a row) and from the left (a
// lane owns a column). `lists` holds a cosine and a sine for each pair, then the values.
fn diagonalize(at: u32, vectors: u32, lane: u32, list: u32) {
    let n = rows();
    let even = n + (n & 1u);
    for (var j = 0u; j < n; j += 1u) {
        if (lane < n) { tile[vectors + lane * PITCH + j] = select(0.0, 1.0, lane == j); }
    }
    workgroupBarrier();
    for (var sweep = 0u; sweep < SWEEPS; sweep += 1u) {
        for (var round = 0u; round + 1u < even; round += 1u) {
            if (lane < even / 2u) {
                let a = first_of_pair(lane, round, even);
                let b = second_of_pair(lane, round, even);
                let p = min(a, b);
                let q = max(a, b);
                var by = vec2<f32>(1.0, 0.0);
                if (q < n) { by = rotation(tile[at + p * PITCH + p], tile[at + q * PITCH + q], tile[at + q * PITCH + p]); }
                lists[list + lane] = by.x;
                lists[list + SIDE + lane] = by.y;
            }
            workgroupBarrier();
            for (var pair = 0u; pair < even / 2u; pair += 1u) {
                let a = first_of_pair(pair, round, even);
                let b = second_of_pair(pair, round, even);
                let by = vec2<f32>(lists[list + pair], lists[list + SIDE + pair]);
                if (lane < n && max(a, b) < n) {
                    rotate(at + lane * PITCH, min(a, b), max(a, b), by);
                    rotate(vectors + lane * PITCH, min(a, b), max(a, b), by);
                }
            }
            workgroupBarrier();
            for (var pair = 0u; pair < even / 2u; pair += 1u) {
                let a = first_of_pair(pair, round, even);
                let b = second_of_pair(pair, round, even);
                let by = vec2<f32>(lists[list + pair], lists[list + SIDE + pair]);
                if (lane < n && max(a, b) < n) { rotate(at + lane, min(a, b) * PITCH, max(a, b) * PITCH, by); }
            }
            workgroupBarrier();
        }
    }
    if (lane < n) { lists[list + lane] = tile[at + lane * PITCH + lane]; }
    workgroupBarrier();
}
