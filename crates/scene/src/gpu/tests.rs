use super::*;
#[test]
fn smoke() {
    let scene = crate::Scene {
        nodes: vec![crate::Node { mesh: Some(0), ..Default::default() }],
        meshes: vec![crate::Mesh {
            primitives: vec![crate::Primitive {
                positions: vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
                normals: vec![[0.0, 0.0, 1.0]; 3],
                indices: vec![0, 1, 2],
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut r = Renderer::new(&scene).unwrap();
    println!("{r:?}");
    let pose = Pose::rest(&scene);
    let framing = crate::Framing::new(&scene, [pose.clone()]).unwrap();
    let shot = framing.shot(&crate::Orbit::default(), [320, 240]).unwrap();
    let p = r.draw(&pose, &shot).unwrap();
    std::fs::write(
        "/tmp/smoke.ppm",
        [b"P6 320 240 255\n".to_vec(), p.rgba.chunks(4).flat_map(|c| c[..3].to_vec()).collect()].concat(),
    )
    .unwrap();
}
