//! Models that are built here, whole and then damaged byte by byte: whatever a file holds, it is read or refused.

use monotile_scene::{Pose, Scene};

/// A .glb of this JSON and these bytes.
fn glb(json: &str, binary: &[u8]) -> Vec<u8> {
    let pad = |bytes: &[u8], with: u8| {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(4), with);
        padded
    };
    let (json, binary) = (pad(json.as_bytes(), b' '), pad(binary, 0));
    let mut file = b"glTF\x02\0\0\0".to_vec();
    file.extend((28 + json.len() as u32 + binary.len() as u32).to_le_bytes());
    for (kind, bytes) in [(b"JSON", &json), (b"BIN\0", &binary)] {
        file.extend((bytes.len() as u32).to_le_bytes());
        file.extend(kind);
        file.extend(bytes);
    }
    file
}

/// A triangle strip with colours in bytes, a skin of one joint, a sparse morph target, and a clip of every interpolation.
fn small() -> (String, Vec<u8>) {
    let mut binary = Vec::new();
    let floats = |binary: &mut Vec<u8>, list: &[f32]| list.iter().for_each(|x| binary.extend(x.to_le_bytes()));
    floats(&mut binary, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
    binary.extend([255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 128]);
    binary.extend([0; 16]);
    binary.extend([255, 0, 0, 0].repeat(4));
    binary.extend([3, 0, 0, 0]);
    floats(&mut binary, &[0.0, 0.0, 1.0]);
    floats(&mut binary, &[0.0, 1.0, 3.0]);
    let half = std::f32::consts::FRAC_1_SQRT_2;
    floats(&mut binary, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, half, half, 0.0, 0.0, 1.0, 0.0]);
    floats(&mut binary, &[0.0, 1.0, 0.5]);
    let json = r#"{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0,1]}],
"nodes":[{"name":"joint"},{"mesh":0,"skin":0}],
"skins":[{"joints":[0]}],
"meshes":[{"primitives":[{"mode":5,"attributes":{"POSITION":0,"COLOR_0":1,"JOINTS_0":2,"WEIGHTS_0":3},"targets":[{"POSITION":4}]}]}],
"animations":[{"name":"turn","samplers":[{"input":5,"output":6},{"input":5,"output":7,"interpolation":"STEP"}],
"channels":[{"sampler":0,"target":{"node":0,"path":"rotation"}},{"sampler":1,"target":{"node":1,"path":"weights"}}]}],
"buffers":[{"byteLength":196}],
"bufferViews":[{"buffer":0,"byteLength":48},{"buffer":0,"byteOffset":48,"byteLength":16},{"buffer":0,"byteOffset":64,"byteLength":16},
{"buffer":0,"byteOffset":80,"byteLength":16},{"buffer":0,"byteOffset":96,"byteLength":4},{"buffer":0,"byteOffset":100,"byteLength":12},
{"buffer":0,"byteOffset":112,"byteLength":12},{"buffer":0,"byteOffset":124,"byteLength":48},{"buffer":0,"byteOffset":172,"byteLength":12}],
"accessors":[{"bufferView":0,"componentType":5126,"count":4,"type":"VEC3"},
{"bufferView":1,"componentType":5121,"normalized":true,"count":4,"type":"VEC4"},
{"bufferView":2,"componentType":5121,"count":4,"type":"VEC4"},
{"bufferView":3,"componentType":5121,"normalized":true,"count":4,"type":"VEC4"},
{"componentType":5126,"count":4,"type":"VEC3","sparse":{"count":1,"indices":{"bufferView":4,"componentType":5121},"values":{"bufferView":5}}},
{"bufferView":6,"componentType":5126,"count":3,"type":"SCALAR"},{"bufferView":7,"componentType":5126,"count":3,"type":"VEC4"},
{"bufferView":8,"componentType":5126,"count":3,"type":"SCALAR"}]}"#;
    (json.replace("196", &binary.len().to_string()), binary)
}

fn refused(from: &str, to: &str) -> String {
    let (json, binary) = small();
    assert!(json.contains(from), "{from}");
    Scene::from_bytes(&glb(&json.replacen(from, to, 1), &binary)).unwrap_err().to_string()
}

#[test]
fn a_small_model_is_read_as_it_is_meant() {
    let (json, binary) = small();
    let scene = Scene::from_bytes(&glb(&json, &binary)).unwrap();
    let part = &scene.meshes[0].primitives[0];
    // A strip of two triangles without normals: six vertices of their own, all facing +z.
    assert_eq!(part.positions.len(), 6);
    assert!(part.normals.iter().all(|n| *n == [0.0, 0.0, 1.0]), "{:?}", part.normals);
    assert_eq!(part.colors[0], [1.0, 0.0, 0.0, 1.0]);
    let lifted: Vec<[f32; 3]> = part.targets[0].positions.iter().copied().filter(|p| p[2] != 0.0).collect();
    assert_eq!(lifted, [[0.0, 0.0, 1.0]], "the one vertex that the sparse accessor moves");
}

/// The file's own numbers: rotations about z by 0, 90 and 180 degrees at 0, 1 and 3 seconds; weights that step.
#[test]
fn a_clip_is_sampled_at_its_keys_between_them_and_beyond() {
    let (json, binary) = small();
    let scene = Scene::from_bytes(&glb(&json, &binary)).unwrap();
    let clip = &scene.animations[0];
    assert_eq!(clip.duration, 3.0);
    let cases: [(f32, f64, f32); 7] = [
        (-1.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        (0.25, 22.5, 0.0),
        (1.0, 90.0, 1.0),
        (2.0, 135.0, 1.0),
        (3.0, 180.0, 0.5),
        (9.0, 180.0, 0.5),
    ];
    for (time, degrees, weight) in cases {
        let mut pose = Pose::rest(&scene);
        clip.sample(time, &mut pose);
        let monotile_scene::NodeTransform::Trs(trs) = pose.locals[0] else { panic!() };
        let (sin, cos) = (degrees.to_radians() / 2.0).sin_cos();
        let gap = [0.0, 0.0, sin, cos].iter().zip(trs.rotation).map(|(a, b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
        assert!(gap < 5e-7, "{time}: {:?}", trs.rotation);
        assert_eq!(pose.weights[1], [weight], "{time}");
    }
    assert_eq!((clip.looped(3.5), clip.looped(-0.5)), (0.5, 2.5));
}

#[test]
fn a_spline_follows_the_formula_of_the_specification() {
    use monotile_scene::{Channel, Interpolation, KeyframeValues, Node, NodeTransform};
    let (v, a, b) = ([1.0_f64, -2.0, 0.5], [0.25_f64, 1.5, -3.0], [2.0_f64, 0.0, 7.0]);
    let f32s = |v: [f64; 3]| v.map(|x| x as f32);
    let keys = KeyframeValues::Translation(vec![[9.0; 3], f32s(v), f32s(a), f32s(b), f32s([-v[0], v[1], 3.0]), [9.0; 3]]);
    let channel = Channel { node: 0, times: vec![1.0, 3.0], keys, interpolation: Interpolation::Cubic };
    let clip = monotile_scene::Animation { duration: 3.0, channels: vec![channel], ..Default::default() };
    let scene = Scene { nodes: vec![Node::default()], animations: vec![clip], ..Scene::default() };
    scene.check().unwrap();
    for time in [1.0_f32, 1.5, 2.25, 3.0] {
        let mut pose = Pose::rest(&scene);
        scene.animations[0].sample(time, &mut pose);
        let NodeTransform::Trs(trs) = pose.locals[0] else { panic!() };
        let (t, span, end) = ((f64::from(time) - 1.0) / 2.0, 2.0, [-v[0], v[1], 3.0]);
        let (t2, t3) = (t * t, t * t * t);
        for i in 0..3 {
            let wanted = (2.0 * t3 - 3.0 * t2 + 1.0) * v[i]
                + span * (t3 - 2.0 * t2 + t) * a[i]
                + (3.0 * t2 - 2.0 * t3) * end[i]
                + span * (t3 - t2) * b[i];
            assert!((f64::from(trs.translation[i]) - wanted).abs() < 4e-6, "{time}: {} for {wanted}", trs.translation[i]);
        }
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    assert_eq!(
        refused(r#""POSITION":0"#, r#""POSITION":99"#),
        "mesh 0: primitive 0: POSITION: accessor 99 is not there: the file has 8, counted from 0"
    );
    assert_eq!(
        refused(r#""count":4"#, r#""count":4000000000"#),
        "mesh 0: primitive 0: POSITION: accessor 0: it would take more than 64 times the 2140 bytes of the file"
            .replace("2140", &size())
    );
    assert_eq!(
        refused(r#"{"componentType":5126,"count":4"#, r#"{"componentType":5126,"count":9000"#),
        format!(
            "mesh 0: primitive 0: morph target 0: POSITION: accessor 4: 9000 elements without a buffer view, in a file of {} bytes",
            size_of_changed(3)
        )
    );
    assert_eq!(
        refused(r#""byteLength":48"#, r#""byteLength":18446744073709551615"#),
        "mesh 0: primitive 0: POSITION: accessor 0: buffer view 0: 18446744073709551615 bytes from 0 are not in buffer 0, which has 184"
    );
    assert_eq!(refused(r#"{"mesh":0,"skin":0}"#, r#"{"mesh":0,"children":[1]}"#), "node 1 contains itself");
    assert_eq!(
        refused(r#""version":"2.0"}"#, r#""version":"2.0"},"extensionsRequired":["KHR_draco_mesh_compression"]"#),
        "it requires the extension \"KHR_draco_mesh_compression\", which compresses its meshes and is not read; export it without compression"
    );
    assert_eq!(
        refused(r#""byteLength":184}"#, r#""byteLength":184,"uri":"../a.bin"}"#),
        "buffer 0: \"../a.bin\" is another file, and none is read here"
    );
    assert_eq!(refused(r#""mode":5"#, r#""mode":7"#), "mesh 0: primitive 0: mode 7, which glTF does not have");
}

/// Bytes of the small model, after its JSON has grown by so many.
fn size_of_changed(more: usize) -> String {
    let (json, binary) = small();
    glb(&(json + &" ".repeat(more)), &binary).len().to_string()
}

fn size() -> String {
    size_of_changed("4000000000".len() - 1)
}

/// Every byte, replaced by the values that break parsers, and pieces cut out: never a panic, never a scene that does not hold.
#[test]
fn damaged_bytes_are_read_or_refused() {
    let (json, binary) = small();
    let whole = glb(&json, &binary);
    let (mut read, mut refused) = (0, 0);
    let mut try_one = |bytes: &[u8]| match Scene::from_bytes(bytes) {
        Ok(scene) => {
            scene.check().unwrap();
            let mut pose = Pose::rest(&scene);
            scene.animations.iter().for_each(|clip| clip.sample(0.7, &mut pose));
            read += 1;
        }
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            refused += 1;
        }
    };
    for at in 0..whole.len() {
        for value in [0, b'0', b'9', b'-', b'"', b'}', 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            try_one(&bytes);
        }
        try_one(&whole[..at]);
    }
    // Damage deeper than one byte: linear congruences, so that every run tries the same.
    let mut state = 12345_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=next(6) {
            let (from, to, n) = (next(bytes.len()), next(bytes.len()), next(12));
            for i in 0..n.min(bytes.len() - from.max(to)) {
                bytes[to + i] = bytes[from + i];
            }
            let at = next(bytes.len());
            bytes[at] = b"0123456789-.e[]{},\"\xff"[next(20)];
        }
        try_one(&bytes);
    }
    assert!(read > 500 && refused > 5000, "{read} read, {refused} refused");
}
