//! The bytes of a model: read or refused in one line; what is read holds, moves and is framed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monotile_scene::{Framing, Pose, Scene};

fuzz_target!(|bytes: &[u8]| match Scene::from_bytes(bytes) {
    Ok(scene) => {
        scene.check().expect("a scene that was read holds");
        let mut pose = Pose::rest(&scene);
        scene.clips.iter().for_each(|clip| clip.sample(clip.looped(0.7), &mut pose));
        let _ = Framing::new(&scene, [pose]);
    }
    Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
});
