// A = L Lᵀ of the lower triangle. A lane owns a row; a column follows from those before it, and only they are read.
// Where a leading minor is not positive, the rest of L is NaN.
fn factor(at: u32, lane: u32) {
    let n = rows();
    let own = at + lane * PITCH;
    var diagonal = 0.0;
    for (var k = 0u; k < n; k += 1u) {
        if (lane >= k && lane < n) {
            let above = at + k * PITCH;
            var pivot = tile[above + k];
            var sum = tile[own + k];
            for (var j = 0u; j < k; j += 1u) {
                let right = tile[above + j];
                pivot = fma(-right, right, pivot);
                sum = fma(-tile[own + j], right, sum);
            }
            // A comparison with NaN is false.
            var root = accurate_of_bits(0x7fc00000u);
            if (pivot > 0.0) { root = sqrt(pivot); }
            // The diagonal of A is read by every lane until the end.
            if (lane == k) { diagonal = root; } else { tile[own + k] = sum / root; }
        }
        workgroupBarrier();
    }
    if (lane < n) {
        tile[own + lane] = diagonal;
        for (var j = lane + 1u; j < n; j += 1u) { tile[own + j] = 0.0; }
    }
    workgroupBarrier();
}
