// A V = U Σ: columns are rotated in pairs until they are perpendicular. A lane owns a pair. `lists` holds their lengths at the end.
fn orthogonalize(at: u32, vectors: u32, lane: u32, list: u32) {
    let m = rows();
    let n = columns();
    let even = n + (n & 1u);
    for (var j = 0u; j < n; j += 1u) {
        if (lane < n) { tile[vectors + lane * PITCH + j] = select(0.0, 1.0, lane == j); }
    }
    workgroupBarrier();
    for (var sweep = 0u; sweep < SWEEPS; sweep += 1u) {
        for (var round = 0u; round + 1u < even; round += 1u) {
            let a = first_of_pair(lane, round, even);
            let b = second_of_pair(lane, round, even);
            let p = min(a, b);
            let q = max(a, b);
            if (lane < even / 2u && q < n) {
                var first = 0.0;
                var second = 0.0;
                var off = 0.0;
                for (var i = 0u; i < m; i += 1u) {
                    let x = tile[at + i * PITCH + p];
                    let y = tile[at + i * PITCH + q];
                    first = fma(x, x, first);
                    second = fma(y, y, second);
                    off = fma(x, y, off);
                }
                let by = rotation(first, second, off);
                for (var i = 0u; i < m; i += 1u) { rotate(at + i * PITCH, p, q, by); }
                for (var i = 0u; i < n; i += 1u) { rotate(vectors + i * PITCH, p, q, by); }
            }
            workgroupBarrier();
        }
    }
    if (lane < n) {
        var sum = 0.0;
        for (var i = 0u; i < m; i += 1u) {
            let x = tile[at + i * PITCH + lane];
            sum = fma(x, x, sum);
        }
        lists[list + lane] = sqrt(sum);
    }
    workgroupBarrier();
}

// Moves the lane's column of the matrix at `at` to its place among the lengths, which move with it.
fn sort_columns(at: u32, lane: u32, list: u32) {
    let m = rows();
    let n = columns();
    var to = 0u;
    var length = 0.0;
    var column: array<f32, SIDE>;
    if (lane < n) {
        to = place_of(list, lane, n, true);
        length = lists[list + lane];
        for (var i = 0u; i < m; i += 1u) { column[i] = tile[at + i * PITCH + lane]; }
    }
    workgroupBarrier();
    if (lane < n) {
        lists[list + SIDE + to] = length;
        for (var i = 0u; i < m; i += 1u) { tile[at + i * PITCH + to] = column[i]; }
    }
    workgroupBarrier();
}
