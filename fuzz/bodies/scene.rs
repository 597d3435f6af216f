//! The bytes of a model, `.gltf` or `.glb`: read or refused in a sentence; what is read holds, moves and is framed.

use monotile_scene::{Framing, Pose, Scene};

use super::sentence;

pub fn run(bytes: &[u8]) {
    match Scene::from_bytes(bytes) {
        Ok(scene) => {
            scene.check().expect("a scene that was read holds");
            let mut pose = Pose::rest(&scene);
            scene.animations.iter().for_each(|clip| clip.sample(clip.looped(0.7), &mut pose));
            let _ = Framing::new(&scene, [pose]);
        }
        Err(error) => sentence(&error),
    }
}
