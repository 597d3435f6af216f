// P A = L U with the largest of each column as pivot, L below the diagonal of U. A lane owns a row where it eliminates, and a
// column where rows change places. The order of the rows is in `places`.
fn factor(at: u32, lane: u32, list: u32) {
    let m = rows();
    let n = columns();
    let own = at + lane * PITCH;
    if (lane < m) { places[list + lane] = lane; }
    workgroupBarrier();
    for (var k = 0u; k < min(m, n); k += 1u) {
        // Every lane looks for the pivot itself; of equal ones the first is taken.
        var best = k;
        var largest = abs(tile[at + k * PITCH + k]);
        for (var i = k + 1u; i < m; i += 1u) {
            let size = abs(tile[at + i * PITCH + k]);
            if (size > largest) { largest = size; best = i; }
        }
        workgroupBarrier();
        if (best != k) {
            if (lane < n) {
                let kept = tile[at + k * PITCH + lane];
                tile[at + k * PITCH + lane] = tile[at + best * PITCH + lane];
                tile[at + best * PITCH + lane] = kept;
            }
            if (lane == 0u) {
                let kept = places[list + k];
                places[list + k] = places[list + best];
                places[list + best] = kept;
            }
        }
        workgroupBarrier();
        if (lane > k && lane < m) {
            let pivot = tile[at + k * PITCH + k];
            var part = 0.0;
            if (largest != 0.0) { part = tile[own + k] / pivot; }
            tile[own + k] = part;
            for (var j = k + 1u; j < n; j += 1u) { tile[own + j] = fma(-part, tile[at + k * PITCH + j], tile[own + j]); }
        }
        workgroupBarrier();
    }
}
